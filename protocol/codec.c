/* codec.c - the reader: one walk over a table of fields for every message of every version.
 *
 * A version without tags ("not flexible") writes lengths as int16 (strings) or int32 (all else), -1
 * for null. A flexible one writes uvarint(length + 1), 0 for null, and ends every struct in a tag
 * section: uvarint count, then uvarint tag, uvarint size and the value, ascending by tag.
 *
 * A single struct that may be null begins with int8 (-1 null, 1 there); inside a tag with a uvarint
 * (0 null, 1 there). Bytes that run short set bad, which sticks; the walk ends at the next look. */
#include "protocol/desc.h"

enum { DEPTH_MAX = 8 };

struct reader {
	const uint8_t *p, *end;
	struct rk_arena *arena;
	int16_t version;
	bool flex, bad;
};

static const uint8_t *
take(struct reader *r, uint64_t n)
{
	const uint8_t *at = r->p;

	if (n > (uint64_t)(r->end - at)) {
		r->bad = true;
		r->p = r->end;
		return NULL;
	}
	r->p += n;
	return at;
}

static uint32_t
uvarint(struct reader *r)
{
	uint32_t v = 0;

	if (r->p < r->end && *r->p < 0x80)
		return *r->p++;
	if (!kp_uvarint(&r->p, r->end, &v)) {
		r->bad = true;
		r->p = r->end;
	}
	return v;
}

static bool
in(int16_t version, int8_t from, int8_t to)
{
	return version >= from && version <= to;
}

/* A length, in a version that is not flexible wide bytes of it; -1 for null, as every negative one is. */
static int32_t
length(struct reader *r, const struct kp_field *f, unsigned wide)
{
	const uint8_t *at;
	int64_t n = -1;

	if (r->flex)
		n = (int32_t)(uvarint(r) - 1);
	else if ((at = take(r, wide)) != NULL)
		n = wide == 2 ? (int16_t)rk_get16(at) : (int32_t)rk_get32(at);
	n = rk_max(n, -1);
	if (n > r->end - r->p || (n == -1 && !in(r->version, f->null_from, f->null_to)))
		r->bad = true;
	return r->bad ? -1 : (int32_t)n;
}

static void read_struct(struct reader *, const struct kp_desc *, char *out, unsigned depth);

uint32_t
kp_type_size(const struct kp_field *f)
{
	static const uint8_t size[] = { sizeof(bool), 1, 2, 4, 8, 2, 4, sizeof(double),
		sizeof(struct rk_uuid), sizeof(struct rk_str), sizeof(struct rk_str),
		sizeof(struct kp_records) };

	return f->type == KP_T_STRUCT ? f->sub->size : size[f->type];
}

/* The fewest bytes that a value of this field takes: what bounds a claimed number of elements. */
static uint64_t
least(const struct kp_field *f, int16_t version, bool flex, bool element, unsigned depth)
{
	static const uint8_t fixed[] = { 1, 1, 2, 4, 8, 2, 4, 8, 16 };
	uint64_t n = flex;

	rk_assert(depth < DEPTH_MAX);
	if (f->shape == KP_ARRAY && !element)
		return flex ? 1 : 4;
	if (f->type < KP_T_STRING)
		return fixed[f->type];
	if (f->type != KP_T_STRUCT)
		return flex ? 1 : f->type == KP_T_STRING ? 2 : 4;
	if (f->shape == KP_POINTER)
		return 1;
	for (uint32_t i = 0; i < f->sub->plain; i++)
		if (in(version, f->sub->field[i].from, f->sub->field[i].to))
			n += least(&f->sub->field[i], version, flex, false, depth + 1);
	return n;
}

static void
read_string(struct reader *r, const struct kp_field *f, struct rk_str *s)
{
	s->len = length(r, f, f->type == KP_T_STRING ? 2 : 4);
	if (f->type == KP_T_STRING && s->len > INT16_MAX)
		r->bad = true;
	s->at = s->len < 0 ? NULL : (const char *)take(r, (uint64_t)s->len);
}

/* One value that is no struct and no array. */
static inline void
read_value(struct reader *r, const struct kp_field *f, void *out)
{
	const uint8_t *at = NULL;

	switch ((enum kp_type)f->type) {
	case KP_T_BOOL:
		*(bool *)out = (at = take(r, 1)) != NULL && *at != 0;
		break;
	case KP_T_INT8:
		*(int8_t *)out = (at = take(r, 1)) == NULL ? 0 : (int8_t)*at;
		break;
	case KP_T_INT16:
	case KP_T_UINT16:
		*(uint16_t *)out = (at = take(r, 2)) == NULL ? 0 : rk_get16(at);
		break;
	case KP_T_INT32:
	case KP_T_UINT32:
		*(uint32_t *)out = (at = take(r, 4)) == NULL ? 0 : rk_get32(at);
		break;
	case KP_T_INT64:
	case KP_T_FLOAT64:
		if ((at = take(r, 8)) != NULL)
			memcpy(out, &(uint64_t){ rk_get64(at) }, 8);
		break;
	case KP_T_UUID:
		if ((at = take(r, sizeof(struct rk_uuid))) != NULL)
			memcpy(out, at, sizeof(struct rk_uuid));
		break;
	case KP_T_STRING:
	case KP_T_BYTES:
		read_string(r, f, out);
		break;
	case KP_T_RECORDS: {
		struct kp_records *k = out;
		k->len = length(r, f, 4);
		k->at = k->len < 0 ? NULL : (uint8_t *)(uintptr_t)take(r, (uint64_t)k->len);
		break;
	}
	case KP_T_STRUCT:
		rk_assert(f->type != KP_T_STRUCT);
	}
}

static void
read_array(struct reader *r, const struct kp_field *f, char *out, unsigned depth)
{
	uint32_t each = kp_type_size(f);
	struct kp_any a = { .len = length(r, f, 4) };

	/* A few elements are not worth the sum; so many bytes are at hand as length has seen. */
	if (a.len > 8 && (uint64_t)a.len * least(f, r->version, r->flex, true, depth)
	    > (uint64_t)(r->end - r->p))
		r->bad = true;
	if (a.len > 0 && !r->bad && (a.at = rk_arena_get(r->arena, (size_t)a.len, each)) == NULL)
		r->bad = true;
	if (r->bad)
		a.len = 0;
	for (int32_t i = 0; i < a.len && !r->bad; i++) {
		char *e = (char *)a.at + (size_t)i * each;
		if (f->type == KP_T_STRUCT)
			read_struct(r, f->sub, e, depth + 1);
		else
			read_value(r, f, e);
		/* Only the array itself may be null, whatever the schema allows. */
		if ((f->type == KP_T_STRING || f->type == KP_T_BYTES) && ((struct rk_str *)(void *)e)->len < 0)
			r->bad = true;
	}
	memcpy(out, &a, sizeof a); /* every generated array is laid out as a kp_any */
}

static void
read_pointer(struct reader *r, const struct kp_field *f, void **out, unsigned depth)
{
	const uint8_t *at;
	bool there = true;

	if (f->tag >= 0)
		there = uvarint(r) != 0;
	else if (in(r->version, f->null_from, f->null_to))
		there = (at = take(r, 1)) != NULL && *at < 0x80;
	*out = there && !r->bad ? rk_arena_get(r->arena, 1, f->sub->size) : NULL;
	if (*out != NULL)
		read_struct(r, f->sub, *out, depth + 1);
	else if (there)
		r->bad = true;
}

static inline void
read_field(struct reader *r, const struct kp_field *f, char *out, unsigned depth)
{
	if (f->shape == KP_ARRAY)
		read_array(r, f, out, depth);
	else if (f->shape == KP_POINTER)
		read_pointer(r, f, (void **)(void *)out, depth);
	else if (f->type == KP_T_STRUCT)
		read_struct(r, f->sub, out, depth + 1);
	else
		read_value(r, f, out);
}

/* The value of a field that is not there; out is zero bytes before. */
static void
absent(const struct kp_field *f, char *out)
{
	if (f->shape == KP_ARRAY)
		((struct kp_any *)(void *)out)->len = (int32_t)f->def;
	else if (f->shape == KP_POINTER)
		*(void **)(void *)out = NULL;
	else if (f->type == KP_T_STRUCT)
		kp_defaults(f->sub, out);
	else if (f->type == KP_T_STRING || f->type == KP_T_BYTES)
		((struct rk_str *)(void *)out)->len = (int32_t)f->def;
	else if (f->type == KP_T_RECORDS)
		((struct kp_records *)(void *)out)->len = (int32_t)f->def;
	else if (f->type == KP_T_FLOAT64)
		memcpy(out, &(double){ (double)f->def }, sizeof(double));
	else if (f->type != KP_T_UUID)
		memcpy(out, &f->def, kp_type_size(f)); /* little-endian, as base/str.h takes for granted */
}

void
kp_defaults(const struct kp_desc *d, void *msg)
{
	memset(msg, 0, d->size);
	for (uint32_t i = 0; i < d->count && !d->zero; i++)
		absent(&d->field[i], (char *)msg + d->field[i].at);
}

/* Tagged fields that were not sent. A struct that may be null and whose default is not null is then
 * there, with its own defaults. */
static void
untagged(struct reader *r, const struct kp_desc *d, char *out, uint64_t seen)
{
	for (uint32_t i = d->plain; i < d->count; i++) {
		const struct kp_field *f = &d->field[i];
		if ((seen >> f->tag & 1) != 0)
			continue;
		absent(f, out + f->at);
		if (f->shape != KP_POINTER || f->def != 0 || !in(r->version, f->from, f->to))
			continue;
		void *at = rk_arena_get(r->arena, 1, f->sub->size);
		if (at == NULL)
			r->bad = true;
		else
			kp_defaults(f->sub, at);
		*(void **)(void *)(out + f->at) = at;
	}
}

static const struct kp_field *
tagged(const struct kp_desc *d, int16_t version, uint32_t tag)
{
	for (uint32_t i = d->plain; i < d->count; i++)
		if ((uint32_t)d->field[i].tag == tag && in(version, d->field[i].from, d->field[i].to))
			return &d->field[i];
	return NULL;
}

static void
read_tags(struct reader *r, const struct kp_desc *d, char *out, unsigned depth)
{
	uint64_t seen = 0;

	for (uint32_t n = uvarint(r); n > 0 && !r->bad; n--) {
		uint32_t tag = uvarint(r), size = uvarint(r);
		const struct kp_field *f = tagged(d, r->version, tag);
		const uint8_t *at = take(r, size), *end = r->end;
		if (at == NULL || f == NULL)
			continue;
		r->p = at;
		r->end = at + size;
		read_field(r, f, out + f->at, depth);
		r->bad |= r->p != r->end || (seen >> tag & 1) != 0;
		r->end = end;
		seen |= 1ull << tag;
	}
	if (d->count > d->plain)
		untagged(r, d, out, seen);
}

/* Fills in the struct at out, which is zero bytes. */
static void
read_struct(struct reader *r, const struct kp_desc *d, char *out, unsigned depth)
{
	rk_assert(depth < DEPTH_MAX);
	for (const struct kp_field *f = d->field, *end = f + d->plain; f < end; f++) {
		if (in(r->version, f->from, f->to))
			read_field(r, f, out + f->at, depth);
		else if (f->def != 0 || f->type == KP_T_STRUCT)
			absent(f, out + f->at);
	}
	if (r->flex && !r->bad)
		read_tags(r, d, out, depth);
	else if (d->count > d->plain)
		untagged(r, d, out, 0);
}

enum rk_err
kp_read(const struct kp_desc *d, int16_t version, const void *p, size_t len, struct rk_arena *a,
    void *out, size_t *used)
{
	struct reader r = { .p = p, .end = (const uint8_t *)p + len, .arena = a, .version = version,
		.flex = version >= d->flex };

	rk_assert(d->family != NULL);
	if (version < d->min || version > d->max)
		return RK_UNSUPPORTED_VERSION;
	memset(out, 0, d->size);
	read_struct(&r, d, out, 0);
	if (a->over)
		return RK_NO_MEMORY;
	if (r.bad || (used == NULL && r.p != r.end))
		return RK_INVALID_REQUEST;
	if (used != NULL)
		*used = (size_t)(r.p - (const uint8_t *)p);
	return RK_OK;
}

const char *
kp_desc_name(const struct kp_desc *d)
{
	return d->name;
}

uint32_t
kp_desc_size(const struct kp_desc *d)
{
	return d->size;
}
