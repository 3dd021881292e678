/* batch.c - record batches: looked at, walked, and built.
 *
 * A record: length varint | attributes i8 (0) | timestamp delta varlong | offset delta varint | key
 * length varint, key | value length varint, value | header count varint, then for each: key length
 * varint, key | value length varint, value. Lengths -1 are nulls; a header's key is never null. */
#include "protocol/batch.h"

enum { CRC_FROM = 21, LEN_LEAST = KP_BATCH_HEAD - KP_BATCH_LOG_OVERHEAD };

enum rk_err
kp_batch_shape(const void *b, size_t len)
{
	if (len < 17)
		return RK_TRUNCATED;
	if (kp_batch_len(b) < LEN_LEAST || kp_batch_magic(b) != 2)
		return RK_CORRUPT_MESSAGE;
	if ((uint64_t)kp_batch_bytes(b) > len)
		return RK_TRUNCATED;
	int32_t delta = kp_batch_last_delta(b), count = kp_batch_count(b);
	if (count < 0 || delta < 0 || (int64_t)count > (int64_t)delta + 1)
		return RK_CORRUPT_MESSAGE;
	if (kp_batch_base(b) > INT64_MAX - delta - 1 || (kp_batch_attr(b) & KP_ATTR_CODEC) >= KP_CODECS)
		return RK_CORRUPT_MESSAGE;
	return RK_OK;
}

static uint32_t
crc(const void *b)
{
	return rk_crc32c(0, (const uint8_t *)b + CRC_FROM, (size_t)kp_batch_bytes(b) - CRC_FROM);
}

enum rk_err
kp_batch_check(const void *b, size_t len)
{
	enum rk_err e = kp_batch_shape(b, len);

	return e == RK_OK && crc(b) != kp_batch_crc(b) ? RK_CORRUPT_MESSAGE : e;
}

void
kp_batch_append_time(void *b, int64_t now_ms)
{
	rk_put16((char *)b + 21, (uint16_t)kp_batch_attr(b) | KP_ATTR_APPEND_TIME);
	rk_put64((char *)b + 35, (uint64_t)now_ms);
	rk_put32((char *)b + 17, crc(b));
}

void
kp_batch_seal(void *b, size_t len)
{
	rk_assert(len >= KP_BATCH_HEAD && len <= INT32_MAX);
	rk_put32((char *)b + 8, (uint32_t)(len - KP_BATCH_LOG_OVERHEAD));
	rk_put32((char *)b + 17, crc(b));
}

void
kp_records_start(struct kp_records_iter *it, const void *b, const uint8_t *plain, size_t len)
{
	rk_assert((plain != NULL) == ((kp_batch_attr(b) & KP_ATTR_CODEC) != KP_NONE));
	if (plain == NULL) {
		plain = (const uint8_t *)b + KP_BATCH_HEAD;
		len = (size_t)kp_batch_bytes(b) - KP_BATCH_HEAD;
	}
	*it = (struct kp_records_iter){ .p = plain, .end = plain + len,
		.base_offset = kp_batch_base(b), .base_ms = kp_batch_base_ms(b),
		.left = kp_batch_count(b), .max_ms = kp_batch_max_ms(b),
		.append_time = (kp_batch_attr(b) & KP_ATTR_APPEND_TIME) != 0 };
}

/* A length and its bytes. */
static bool
take(const uint8_t **p, const uint8_t *end, struct rk_str *s)
{
	int32_t n;

	if (!kp_varint(p, end, &n) || n < -1 || n > end - *p)
		return false;
	*s = n < 0 ? RK_STR_NULL : (struct rk_str){ (const char *)*p, n };
	*p += n < 0 ? 0 : n;
	return true;
}

static bool
header(const uint8_t **p, const uint8_t *end, struct rk_str *key, struct rk_str *value)
{
	return take(p, end, key) && key->len >= 0 && take(p, end, value);
}

/* Reads the record's fields, which must fill it to its last byte. */
static bool
record(struct kp_records_iter *it, const uint8_t *p, const uint8_t *end, struct kp_record *r)
{
	struct rk_str key, value;
	int64_t ms;
	int32_t delta;

	if (p == end)
		return false;
	p++; /* attributes, of which none is in use */
	if (!kp_varlong(&p, end, &ms) || !kp_varint(&p, end, &delta) || !take(&p, end, &r->key)
	    || !take(&p, end, &r->value) || !kp_varint(&p, end, &r->headers) || r->headers < 0)
		return false;
	r->offset = (int64_t)((uint64_t)it->base_offset + (uint64_t)(int64_t)delta);
	r->ms = it->append_time ? it->max_ms : (int64_t)((uint64_t)it->base_ms + (uint64_t)ms);
	r->header_at = p;
	r->end = end;
	for (int32_t i = 0; i < r->headers; i++)
		if (!header(&p, end, &key, &value))
			return false;
	return p == end;
}

bool
kp_records_next(struct kp_records_iter *it, struct kp_record *r)
{
	int32_t n;

	if (it->bad)
		return false;
	if (it->left == 0) {
		it->bad = it->p != it->end;
		return false;
	}
	it->bad = !kp_varint(&it->p, it->end, &n) || n < 0 || n > it->end - it->p
	    || !record(it, it->p, it->p + n, r);
	if (it->bad)
		return false;
	it->p += n;
	it->left--;
	return true;
}

bool
kp_record_header(struct kp_record *r, struct rk_str *key, struct rk_str *value)
{
	if (r->headers == 0)
		return false;
	r->headers--;
	bool ok = header(&r->header_at, r->end, key, value);
	rk_assert(ok); /* kp_records_next has walked them */
	return true;
}

void
kp_build_start(struct kp_build *b, struct rk_arena *a, int64_t base_offset, int16_t attr, int64_t base_ms)
{
	*b = (struct kp_build){ .arena = a, .base_offset = base_offset, .attr = attr, .base_ms = base_ms,
		.max_ms = -1, .len = KP_BATCH_HEAD, .cap = 512, .last_delta = -1, .level = INT_MIN };
	b->at = rk_arena_raw(a, b->cap);
}

/* Makes room for n more bytes; false when the arena is over. */
static bool
more(struct kp_build *b, size_t n)
{
	if (b->at == NULL || b->cap - b->len >= n)
		return b->at != NULL;
	size_t cap = b->cap * 2 > b->len + n ? b->cap * 2 : b->len + n;
	uint8_t *at = rk_arena_raw(b->arena, cap);
	if (at != NULL)
		memcpy(at, b->at, b->len);
	b->at = at;
	b->cap = cap;
	return at != NULL;
}

static void
put(struct kp_build *b, struct rk_str s)
{
	b->len += kp_put_varint(b->at + b->len, s.len < 0 ? -1 : s.len);
	if (s.len > 0)
		memcpy(b->at + b->len, s.at, (size_t)s.len);
	b->len += s.len < 0 ? 0 : (size_t)s.len;
}

static uint32_t
varint_len(int64_t v)
{
	uint8_t b[10];

	return kp_put_varlong(b, v);
}

static uint64_t
str_len(struct rk_str s)
{
	return varint_len(s.len) + (uint64_t)(s.len < 0 ? 0 : s.len);
}

/* A record up to its headers, of which there are count in header_bytes; false when the arena is over. */
static bool
begin(struct kp_build *b, int64_t ms, struct rk_str key, struct rk_str value, int32_t count, uint64_t header_bytes)
{
	int64_t delta = (int64_t)((uint64_t)ms - (uint64_t)b->base_ms);
	uint64_t n = 1 + varint_len(delta) + varint_len(b->next_delta) + str_len(key) + str_len(value)
	    + varint_len(count) + header_bytes;

	rk_assert(n <= INT32_MAX && b->next_delta < INT32_MAX);
	if (!more(b, n + 5))
		return false;
	b->len += kp_put_varint(b->at + b->len, (int32_t)n);
	b->at[b->len++] = 0;
	b->len += kp_put_varlong(b->at + b->len, delta);
	b->len += kp_put_varint(b->at + b->len, b->next_delta);
	put(b, key);
	put(b, value);
	b->len += kp_put_varint(b->at + b->len, count);
	b->count++;
	b->next_delta++;
	b->max_ms = rk_max(b->max_ms, ms);
	return true;
}

void
kp_build_add_with(struct kp_build *b, int64_t ms, struct rk_str key, struct rk_str value,
    const struct kp_pair *headers, int32_t count)
{
	uint64_t n = 0;

	for (int32_t i = 0; i < count; i++)
		n += str_len(headers[i].key) + str_len(headers[i].value);
	if (!begin(b, ms, key, value, count, n))
		return;
	size_t from = b->len;
	for (int32_t i = 0; i < count; i++) {
		rk_assert(headers[i].key.len >= 0);
		put(b, headers[i].key);
		put(b, headers[i].value);
	}
	rk_assert(b->len - from == n);
}

void
kp_build_keep(struct kp_build *b, const struct kp_record *r)
{
	size_t n = (size_t)(r->end - r->header_at);

	rk_assert(r->offset >= b->base_offset + b->next_delta && r->offset - b->base_offset < INT32_MAX);
	b->next_delta = (int32_t)(r->offset - b->base_offset);
	if (!begin(b, r->ms, r->key, r->value, r->headers, n))
		return;
	memcpy(b->at + b->len, r->header_at, n);
	b->len += n;
}

void
kp_build_add(struct kp_build *b, int64_t ms, struct rk_str key, struct rk_str value)
{
	kp_build_add_with(b, ms, key, value, NULL, 0);
}

/* Replaces the plain records by their compressed form. */
static void
compress(struct kp_build *b, enum kp_codec codec)
{
	if (b->at == NULL)
		return;
	struct rk_str z = kp_deflate(codec, b->level, b->at + KP_BATCH_HEAD, b->len - KP_BATCH_HEAD, b->arena);
	b->len = KP_BATCH_HEAD;
	if (z.len < 0 || !more(b, (size_t)z.len)) {
		b->at = NULL;
		return;
	}
	memcpy(b->at + b->len, z.at, (size_t)z.len);
	b->len += (size_t)z.len;
}

struct rk_str
kp_build_end(struct kp_build *b, int32_t leader_epoch, int64_t producer, int16_t producer_epoch,
    int32_t sequence)
{
	if ((b->attr & KP_ATTR_CODEC) != KP_NONE)
		compress(b, (enum kp_codec)(b->attr & KP_ATTR_CODEC));
	if (b->at == NULL || b->len > INT32_MAX)
		return RK_STR_NULL;
	uint8_t *at = b->at;
	kp_batch_set_base(at, b->base_offset);
	kp_batch_set_epoch(at, leader_epoch);
	at[16] = 2;
	rk_put16(at + 21, (uint16_t)b->attr);
	rk_put32(at + 23, (uint32_t)rk_max(0, rk_max(b->last_delta, b->next_delta - 1)));
	rk_put64(at + 27, (uint64_t)b->base_ms);
	rk_put64(at + 35, (uint64_t)b->max_ms);
	rk_put64(at + 43, (uint64_t)producer);
	rk_put16(at + 51, (uint16_t)producer_epoch);
	rk_put32(at + 53, (uint32_t)sequence);
	rk_put32(at + 57, (uint32_t)b->count);
	kp_batch_seal(at, b->len);
	return (struct rk_str){ (const char *)at, (int32_t)b->len };
}
