/* str.h - borrowed strings, ids, and the little text helpers every layer wants. */
#ifndef RK_STR_H
#define RK_STR_H

/* Bytes that somebody else owns; not zero-terminated. len -1: null (at is then NULL). */
struct rk_str {
	const char *at;
	int32_t len;
};

/* Sixteen raw bytes, as on the wire. Text form: 22 characters of unpadded URL-safe base64. */
struct rk_uuid {
	uint8_t id[16];
};

enum { RK_UUID_TEXT = 23 }; /* 22 characters and the zero */

#define RK_STR_NULL ((struct rk_str){ NULL, -1 })
#define rk_lit(s) ((struct rk_str){ "" s, (int32_t)sizeof(s) - 1 })

struct rk_str rk_str_of(const char *zero_terminated); /* NULL gives the null string */
bool rk_str_eq(struct rk_str, struct rk_str);         /* null equals only null */
bool rk_str_is(struct rk_str, const char *);
int rk_str_cmp(struct rk_str, struct rk_str);         /* by bytes, then by length; null first */
/* Copies at most size - 1 bytes and the zero; returns to. */
char *rk_str_copy(char *to, size_t size, struct rk_str);
/* A decimal integer, the whole string, an optional minus; false when it is not one or overflows. */
rk_must_use bool rk_str_int(struct rk_str, int64_t *);

bool rk_uuid_eq(struct rk_uuid, struct rk_uuid);
bool rk_uuid_zero(struct rk_uuid);
char *rk_uuid_text(struct rk_uuid, char to[RK_UUID_TEXT]);
/* Exactly 22 base64 characters (URL-safe alphabet, "==" allowed behind). */
rk_must_use bool rk_uuid_parse(struct rk_str, struct rk_uuid *);

/* A 64-bit hash of bytes, the same on every machine and run; not for adversaries. */
uint64_t rk_hash(const void *, size_t len, uint64_t seed);
/* For qsort and bsearch: things that begin with such a number, ascending. */
int rk_by_i32(const void *, const void *);
int rk_by_i64(const void *, const void *);
/* Java's view of a text: the UTF-16 units (one or two) of the character at *at, which moves behind it. *at is before
 * the end. A byte that is not UTF-8 counts as itself. */
int rk_utf16_next(struct rk_str, int32_t *at, uint16_t unit[2]);
int rk_utf16_cmp(struct rk_str, struct rk_str); /* as Java's String.compareTo has it */
/* Java's String.hashCode (over UTF-16 units), where Kafka's placement or order depends on it. A byte that is not UTF-8
 * counts as itself. */
uint32_t rk_java_hash(struct rk_str);
/* CRC-32C (Castagnoli), as record batches and snapshots carry it; start with crc 0. Uses SSE4.2
 * or ARMv8 instructions where the machine has them. */
uint32_t rk_crc32c(uint32_t crc, const void *, size_t len);

/* Big-endian loads and stores at any alignment: the wire's and Kafka's files' byte order. */
static inline uint16_t
rk_get16(const void *p)
{
	uint16_t v;
	memcpy(&v, p, 2);
	return __builtin_bswap16(v);
}
static inline uint32_t
rk_get32(const void *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return __builtin_bswap32(v);
}
static inline uint64_t
rk_get64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
	return __builtin_bswap64(v);
}
static inline void
rk_put16(void *p, uint16_t v)
{
	v = __builtin_bswap16(v);
	memcpy(p, &v, 2);
}
static inline void
rk_put32(void *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, 4);
}
static inline void
rk_put64(void *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, 8);
}
#endif
