/* str.c - borrowed strings, ids, hashing. */
#include "base/str.h"

struct rk_str
rk_str_of(const char *s)
{
	return s == NULL ? RK_STR_NULL : (struct rk_str){ s, (int32_t)strlen(s) };
}

bool
rk_str_eq(struct rk_str a, struct rk_str b)
{
	return a.len == b.len && (a.len <= 0 || memcmp(a.at, b.at, (size_t)a.len) == 0);
}

bool
rk_str_is(struct rk_str a, const char *b)
{
	return rk_str_eq(a, rk_str_of(b));
}

int
rk_str_cmp(struct rk_str a, struct rk_str b)
{
	int32_t n = a.len < b.len ? a.len : b.len;
	int d = n > 0 ? memcmp(a.at, b.at, (size_t)n) : 0;

	return d != 0 ? d : (a.len > b.len) - (a.len < b.len);
}

char *
rk_str_copy(char *to, size_t size, struct rk_str s)
{
	rk_assert(size > 0);
	size_t n = s.len > 0 ? (size_t)s.len : 0;
	if (n > size - 1)
		n = size - 1;
	if (n > 0)
		memcpy(to, s.at, n);
	to[n] = '\0';
	return to;
}

bool
rk_str_int(struct rk_str s, int64_t *v)
{
	uint64_t n = 0;
	int32_t i = 0;
	bool minus = s.len > 1 && s.at[0] == '-';

	if (s.len <= 0)
		return false;
	for (i = minus; i < s.len; i++) {
		unsigned d = (unsigned)(unsigned char)s.at[i] - '0';
		if (d > 9 || n > ((uint64_t)INT64_MAX + minus - d) / 10)
			return false;
		n = n * 10 + d;
	}
	*v = minus ? (int64_t)(0 - n) : (int64_t)n;
	return true;
}

bool
rk_uuid_eq(struct rk_uuid a, struct rk_uuid b)
{
	return memcmp(a.id, b.id, sizeof a.id) == 0;
}

bool
rk_uuid_zero(struct rk_uuid a)
{
	return rk_uuid_eq(a, (struct rk_uuid){ { 0 } });
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *
rk_uuid_text(struct rk_uuid u, char to[RK_UUID_TEXT])
{
	uint32_t bits = 0, have = 0, n = 0;

	for (uint32_t i = 0; i < 16; i++) {
		bits = bits << 8 | u.id[i];
		for (have += 8; have >= 6; have -= 6)
			to[n++] = digits[bits >> (have - 6) & 63];
	}
	to[n++] = digits[bits << (6 - have) & 63];
	rk_assert(n == RK_UUID_TEXT - 1);
	to[n] = '\0';
	return to;
}

bool
rk_uuid_parse(struct rk_str s, struct rk_uuid *u)
{
	uint32_t bits = 0, have = 0, n = 0;

	if (s.len == 24 && s.at[22] == '=' && s.at[23] == '=')
		s.len = 22;
	if (s.len != 22)
		return false;
	for (int32_t i = 0; i < 22; i++) {
		const char *d = s.at[i] == '\0' ? NULL : strchr(digits, s.at[i]);
		if (d == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(d - digits);
		for (have += 6; have >= 8 && n < 16; have -= 8)
			u->id[n++] = (uint8_t)(bits >> (have - 8));
	}
	return n == 16;
}

/* Two multiplies a word (as the wyhash family does), every byte counted once. */
static uint64_t
mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t
rk_hash(const void *p, size_t len, uint64_t seed)
{
	const char *at = p;
	uint64_t h = seed ^ 0x9e3779b97f4a7c15u, v;

	for (; len >= 8; len -= 8, at += 8) {
		memcpy(&v, at, 8);
		h = mix(h ^ v, 0xbf58476d1ce4e5b9u);
	}
	v = len;
	for (; len > 0; len--)
		v = v << 8 | (uint8_t)at[len - 1];
	return mix(h ^ v, 0x94d049bb133111ebu) ^ h;
}

int
rk_utf16_next(struct rk_str s, int32_t *at, uint16_t unit[2])
{
	int32_t i = *at;
	rk_assert(i >= 0 && i < s.len);
	uint32_t c = (uint8_t)s.at[i], n = c < 0xc0 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;

	if (n > 0 && i + (int32_t)n < s.len) {
		c &= 0x3fu >> n;
		for (; n > 0; n--)
			c = c << 6 | ((uint8_t)s.at[++i] & 0x3f);
	}
	*at = i + 1;
	if (c <= 0xffff) {
		unit[0] = (uint16_t)c;
		return 1;
	}
	unit[0] = (uint16_t)(0xd800 + ((c - 0x10000) >> 10));
	unit[1] = (uint16_t)(0xdc00 + ((c - 0x10000) & 0x3ff));
	return 2;
}

int
rk_utf16_cmp(struct rk_str a, struct rk_str b)
{
	uint16_t x[2], y[2];
	int32_t i = 0, k = 0;

	while (i < a.len && k < b.len) {
		int n = rk_utf16_next(a, &i, x), m = rk_utf16_next(b, &k, y);
		if (x[0] != y[0])
			return x[0] < y[0] ? -1 : 1;
		if (n == 2 && m == 2 && x[1] != y[1])
			return x[1] < y[1] ? -1 : 1;
	}
	return (i < a.len) - (k < b.len);
}

uint32_t
rk_java_hash(struct rk_str s)
{
	uint16_t unit[2];
	uint32_t h = 0;

	for (int32_t i = 0; i < s.len;)
		for (int k = 0, n = rk_utf16_next(s, &i, unit); k < n; k++)
			h = h * 31 + unit[k];
	return h;
}

int
rk_by_i32(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

int
rk_by_i64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}
