/* write.c - the writer: the same tables as the reader's, the other way round.
 *
 * Bytes are gathered in a small stage and given to the answer in runs. A tag's size stands before its
 * value: the value is walked twice, once only counting. */
#include "protocol/desc.h"

enum { STAGE = 480, DEPTH_MAX = 8 };

struct writer {
	struct rk_out *out;   /* NULL: only count */
	uint64_t bytes;       /* what was counted */
	uint32_t used;        /* bytes staged */
	int16_t version;
	bool flex;
	uint8_t stage[STAGE];
};

static void
flush(struct writer *w)
{
	if (w->out != NULL && w->used > 0)
		rk_out_put(w->out, w->stage, w->used);
	else
		w->bytes += w->used;
	w->used = 0;
}

static uint8_t *
room(struct writer *w, uint32_t n)
{
	if (w->used + n > STAGE)
		flush(w);
	w->used += n;
	return w->stage + w->used - n;
}

static void
uvarint(struct writer *w, uint32_t v)
{
	uint8_t b[5];
	uint32_t n = kp_put_uvarint(b, v);

	memcpy(room(w, n), b, n);
}

static void
put(struct writer *w, const void *at, uint32_t len)
{
	if (len == 0)
		return;
	if (len <= STAGE / 4) {
		memcpy(room(w, len), at, len);
		return;
	}
	flush(w);
	if (w->out != NULL)
		rk_out_put(w->out, at, len);
	else
		w->bytes += len;
}

static bool
in(int16_t version, int8_t from, int8_t to)
{
	return version >= from && version <= to;
}

static void
length(struct writer *w, const struct kp_field *f, int64_t n, unsigned wide)
{
	rk_assert(n >= 0 || in(w->version, f->null_from, f->null_to)); /* null where it may not be */
	rk_assert(n <= (wide == 2 ? INT16_MAX : INT32_MAX));
	if (w->flex)
		uvarint(w, (uint32_t)(n < 0 ? 0 : n + 1));
	else if (wide == 2)
		rk_put16(room(w, 2), (uint16_t)n);
	else
		rk_put32(room(w, 4), (uint32_t)n);
}

static void
write_records(struct writer *w, const struct kp_field *f, const struct kp_records *k)
{
	length(w, f, k->out != NULL ? (int64_t)k->out->bytes : k->len, 4);
	if (k->out == NULL) {
		put(w, k->at, k->len < 0 ? 0 : (uint32_t)k->len);
		return;
	}
	flush(w);
	if (w->out != NULL)
		rk_out_join(w->out, k->out);
	else
		w->bytes += k->out->bytes;
}

static void
write_value(struct writer *w, const struct kp_field *f, const void *v)
{
	const struct rk_str *s = v;

	switch ((enum kp_type)f->type) {
	case KP_T_BOOL:
		*room(w, 1) = *(const bool *)v;
		break;
	case KP_T_INT8:
		*room(w, 1) = *(const uint8_t *)v;
		break;
	case KP_T_INT16:
	case KP_T_UINT16:
		rk_put16(room(w, 2), *(const uint16_t *)v);
		break;
	case KP_T_INT32:
	case KP_T_UINT32:
		rk_put32(room(w, 4), *(const uint32_t *)v);
		break;
	case KP_T_INT64:
	case KP_T_FLOAT64: {
		uint64_t bits;
		memcpy(&bits, v, 8);
		rk_put64(room(w, 8), bits);
		break;
	}
	case KP_T_UUID:
		memcpy(room(w, sizeof(struct rk_uuid)), v, sizeof(struct rk_uuid));
		break;
	case KP_T_STRING:
	case KP_T_BYTES:
		length(w, f, s->len, f->type == KP_T_STRING ? 2 : 4);
		put(w, s->at, s->len < 0 ? 0 : (uint32_t)s->len);
		break;
	case KP_T_RECORDS:
		write_records(w, f, v);
		break;
	case KP_T_STRUCT:
		rk_assert(f->type != KP_T_STRUCT);
	}
}

static void write_struct(struct writer *, const struct kp_desc *, const char *at, unsigned depth);

static void
write_pointer(struct writer *w, const struct kp_field *f, const char *at, unsigned depth)
{
	bool nullable = in(w->version, f->null_from, f->null_to);

	rk_assert(at != NULL || nullable);
	if (f->tag >= 0)
		uvarint(w, at != NULL);
	else if (nullable)
		*room(w, 1) = at != NULL ? 1 : 0xff;
	if (at != NULL)
		write_struct(w, f->sub, at, depth + 1);
}

static void
write_field(struct writer *w, const struct kp_field *f, const char *v, unsigned depth)
{
	if (f->shape == KP_POINTER) {
		write_pointer(w, f, *(const char *const *)(const void *)v, depth);
	} else if (f->shape == KP_ARRAY) {
		const struct kp_any *a = (const void *)v;
		uint32_t each = kp_type_size(f);
		length(w, f, a->len, 4);
		for (int32_t i = 0; i < a->len; i++)
			if (f->type == KP_T_STRUCT)
				write_struct(w, f->sub, (char *)a->at + (size_t)i * each, depth + 1);
			else
				write_value(w, f, (char *)a->at + (size_t)i * each);
	} else if (f->type == KP_T_STRUCT) {
		write_struct(w, f->sub, v, depth + 1);
	} else {
		write_value(w, f, v);
	}
}

static bool same_struct(const struct kp_desc *, const char *at);

/* Whether the field holds its default, so that a tag may be left out. */
static bool
same(const struct kp_field *f, const char *v)
{
	static const struct rk_uuid none;

	if (f->shape == KP_POINTER) {
		const char *at = *(const char *const *)(const void *)v;
		return f->def != 0 ? at == NULL : at != NULL && same_struct(f->sub, at);
	}
	if (f->shape == KP_ARRAY)
		return ((const struct kp_any *)(const void *)v)->len == f->def;
	switch ((enum kp_type)f->type) {
	case KP_T_STRUCT:
		return same_struct(f->sub, v);
	case KP_T_UUID:
		return memcmp(v, &none, sizeof none) == 0;
	case KP_T_STRING:
	case KP_T_BYTES:
		return ((const struct rk_str *)(const void *)v)->len == f->def;
	case KP_T_RECORDS:
		return ((const struct kp_records *)(const void *)v)->out == NULL
		    && ((const struct kp_records *)(const void *)v)->len == f->def;
	case KP_T_FLOAT64:
		return memcmp(v, &(double){ (double)f->def }, sizeof(double)) == 0;
	default:
		return memcmp(v, &f->def, kp_type_size(f)) == 0;
	}
}

static bool
same_struct(const struct kp_desc *d, const char *at)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (!same(&d->field[i], at + d->field[i].at))
			return false;
	return true;
}

static void
write_tag(struct writer *w, const struct kp_field *f, const char *v, unsigned depth)
{
	struct writer dry = { .version = w->version, .flex = w->flex };

	write_field(&dry, f, v, depth);
	flush(&dry);
	rk_assert(dry.bytes <= INT32_MAX);
	uvarint(w, (uint32_t)f->tag);
	uvarint(w, (uint32_t)dry.bytes);
	write_field(w, f, v, depth);
}

static void
write_tags(struct writer *w, const struct kp_desc *d, const char *at, unsigned depth)
{
	uint64_t here = 0;
	uint32_t n = 0;

	for (uint32_t i = d->plain; i < d->count; i++) {
		const struct kp_field *f = &d->field[i];
		if (in(w->version, f->from, f->to) && !same(f, at + f->at)) {
			here |= 1ull << (i - d->plain);
			n++;
		}
	}
	uvarint(w, n);
	for (uint32_t i = 0; here != 0; i++, here >>= 1)
		if ((here & 1) != 0)
			write_tag(w, &d->field[d->plain + i], at + d->field[d->plain + i].at, depth);
}

static void
write_struct(struct writer *w, const struct kp_desc *d, const char *at, unsigned depth)
{
	rk_assert(depth < DEPTH_MAX);
	for (const struct kp_field *f = d->field, *end = f + d->plain; f < end; f++)
		if (in(w->version, f->from, f->to))
			write_field(w, f, at + f->at, depth);
	if (w->flex)
		write_tags(w, d, at, depth);
}

void
kp_write(const struct kp_desc *d, int16_t version, const void *msg, struct rk_out *out)
{
	struct writer w; /* the stage is not worth clearing */

	rk_assert(d->family != NULL && version >= d->min && version <= d->max);
	w.out = out;
	w.bytes = w.used = 0;
	w.version = version;
	w.flex = version >= d->flex;
	write_struct(&w, d, msg, 0);
	flush(&w);
}
