/* fits.c - whether a request can be written at all. What a user gave may be longer than a string on the
 * wire (32,767 bytes); the writer takes that for a mistake of ours and aborts, so it is looked at
 * before. */
#include "protocol/desc.h"
#include "src/cmd/client.h"

static bool struct_fits(const struct kp_desc *, int16_t version, const char *at);

static bool
value_fits(const struct kp_field *f, int16_t version, const char *at)
{
	bool null = version >= f->null_from && version <= f->null_to;
	const struct rk_str *s = (const void *)at;

	if (f->type == KP_T_STRUCT)
		return struct_fits(f->sub, version, at);
	if (f->type == KP_T_STRING)
		return s->len <= INT16_MAX && (s->len >= 0 || null);
	return f->type != KP_T_BYTES || s->len >= 0 || null;
}

static bool
field_fits(const struct kp_field *f, int16_t version, const char *at)
{
	bool null = version >= f->null_from && version <= f->null_to;
	struct kp_any a = {.len = -1};

	if (f->shape == KP_ONE)
		return value_fits(f, version, at);
	memcpy(&a, at, f->shape == KP_ARRAY ? sizeof a : sizeof a.at);
	if (f->shape == KP_POINTER)
		return a.at == NULL ? null : struct_fits(f->sub, version, a.at);
	if (a.len < 0)
		return null;
	for (int32_t i = 0; i < a.len; i++)
		if (!value_fits(f, version, (const char *)a.at + (size_t)i * kp_type_size(f)))
			return false;
	return true;
}

static bool
struct_fits(const struct kp_desc *d, int16_t version, const char *at)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (version >= d->field[i].from && version <= d->field[i].to
		    && !field_fits(&d->field[i], version, at + d->field[i].at))
			return false;
	return true;
}

bool
cmd_fits(const struct kp_desc *d, int16_t version, const void *msg)
{
	return struct_fits(d, version, msg);
}
