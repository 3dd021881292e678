/* fill.c - messages by chance, driven by the same tables as the codec. */
#include "tests/fill.h"

static uint64_t
draw(struct fill *f)
{
	f->seed += 0x9e3779b97f4a7c15u;
	uint64_t z = f->seed;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint32_t
fill_chance(struct fill *f, uint32_t below)
{
	return (uint32_t)(draw(f) >> 32) % below;
}

/* Numbers near the ends of their type and near zero come up more often than by pure chance. */
static uint64_t
number(struct fill *f)
{
	uint64_t v = draw(f);

	switch (fill_chance(f, 6)) {
	case 0: return 0;
	case 1: return UINT64_MAX;
	case 2: return v & 0x7f;
	case 3: return v >> 1 == 0 ? 1 : (uint64_t)INT64_MAX >> (v & 56);
	default: return v;
	}
}

static struct rk_str
bytes(struct fill *f, bool printable)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz-_.0123456789";
	uint32_t n = fill_chance(f, 20) == 0 ? fill_chance(f, 700) : fill_chance(f, 12);
	char *at = rk_arena_raw(f->arena, n + 1);

	rk_assert(at != NULL);
	for (uint32_t i = 0; i < n; i++)
		at[i] = printable ? letters[fill_chance(f, sizeof letters - 1)] : (char)draw(f);
	for (uint32_t i = 0; printable && i + 2 < n; i += 1 + fill_chance(f, 20))
		if (fill_chance(f, 4) == 0)
			memcpy(at + i, "\xe2\x82\xac", 3), i += 2; /* a euro sign: three bytes of UTF-8 */
	return (struct rk_str){ at, (int32_t)n };
}

static void
value(struct fill *f, const struct kp_field *k, void *out, bool null)
{
	uint64_t v = number(f);

	switch ((enum kp_type)k->type) {
	case KP_T_BOOL: *(bool *)out = v & 1; break;
	case KP_T_FLOAT64: *(double *)out = (double)(int32_t)v / 8; break;
	case KP_T_UUID: memcpy(out, &(uint64_t[2]){ v, draw(f) }, sizeof(struct rk_uuid)); break;
	case KP_T_STRING: *(struct rk_str *)out = null ? RK_STR_NULL : bytes(f, true); break;
	case KP_T_BYTES: *(struct rk_str *)out = null ? RK_STR_NULL : bytes(f, false); break;
	case KP_T_RECORDS: {
		struct rk_str s = null ? RK_STR_NULL : bytes(f, false);
		*(struct kp_records *)out = (struct kp_records){ .at = (uint8_t *)(uintptr_t)s.at, .len = s.len };
		break;
	}
	case KP_T_STRUCT: fill_message(f, k->sub, out); break;
	default: memcpy(out, &v, kp_type_size(k)); break;
	}
}

static void
field(struct fill *f, const struct kp_field *k, char *out)
{
	bool null = f->version >= k->null_from && f->version <= k->null_to && fill_chance(f, 4) == 0;
	uint32_t each = kp_type_size(k);
	struct kp_any a = { .len = -1 };

	if (k->shape == KP_ONE) {
		value(f, k, out, null);
	} else if (k->shape == KP_POINTER) {
		a.at = null ? NULL : rk_arena_get(f->arena, 1, each);
		if (a.at != NULL)
			fill_message(f, k->sub, a.at);
		memcpy(out, &a.at, sizeof a.at);
	} else {
		if (!null) {
			a.len = (int32_t)fill_chance(f, f->wide + 1);
			a.at = rk_arena_get(f->arena, (size_t)a.len, each);
		}
		for (int32_t i = 0; i < a.len; i++)
			value(f, k, (char *)a.at + (size_t)i * each, false);
		memcpy(out, &a, sizeof a);
	}
}

void
fill_message(struct fill *f, const struct kp_desc *d, void *msg)
{
	kp_defaults(d, msg);
	for (uint32_t i = 0; i < d->count; i++) {
		const struct kp_field *k = &d->field[i];
		bool must = k->shape == KP_POINTER
		    && (f->version < k->null_from || f->version > k->null_to);
		if (f->version < k->from || f->version > k->to)
			continue;
		if (must || fill_chance(f, k->tag >= 0 ? 2 : 8) != 0)
			field(f, k, (char *)msg + k->at);
	}
}
