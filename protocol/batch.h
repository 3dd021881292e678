/* batch.h - record batches (magic 2): the unit that is produced, stored, replicated and fetched.
 *
 *	 0 base offset i64      8 length i32 (bytes behind it)   12 leader epoch i32   16 magic i8 = 2
 *	17 crc u32 (CRC-32C of 21..end)  21 attributes i16       23 last offset delta i32
 *	27 base timestamp i64  35 max timestamp i64   43 producer id i64   51 producer epoch i16
 *	53 base sequence i32   57 record count i32    61 records, compressed as one when a codec is set
 *
 * Accessors trust that kp_batch_check or a caller's own look has seen KP_BATCH_HEAD bytes. */
#ifndef KP_BATCH_H
#define KP_BATCH_H
#include "protocol/codec.h"

enum { KP_BATCH_HEAD = 61, KP_BATCH_LOG_OVERHEAD = 12 };
enum kp_codec { KP_NONE, KP_GZIP, KP_SNAPPY, KP_LZ4, KP_ZSTD, KP_CODECS };
enum { KP_ATTR_CODEC = 7, KP_ATTR_APPEND_TIME = 8, KP_ATTR_TXN = 16, KP_ATTR_CONTROL = 32,
	KP_ATTR_HORIZON = 64 };

static inline int64_t kp_batch_base(const void *b) { return (int64_t)rk_get64(b); }
static inline int32_t kp_batch_len(const void *b) { return (int32_t)rk_get32((const char *)b + 8); }
/* The whole batch's bytes in a log; negative when the length field is. */
static inline int64_t kp_batch_bytes(const void *b) { return (int64_t)kp_batch_len(b) + 12; }
static inline int32_t kp_batch_epoch(const void *b) { return (int32_t)rk_get32((const char *)b + 12); }
static inline int8_t kp_batch_magic(const void *b) { return ((const int8_t *)b)[16]; }
static inline uint32_t kp_batch_crc(const void *b) { return rk_get32((const char *)b + 17); }
static inline int16_t kp_batch_attr(const void *b) { return (int16_t)rk_get16((const char *)b + 21); }
static inline int32_t kp_batch_last_delta(const void *b) { return (int32_t)rk_get32((const char *)b + 23); }
static inline int64_t kp_batch_base_ms(const void *b) { return (int64_t)rk_get64((const char *)b + 27); }
static inline int64_t kp_batch_max_ms(const void *b) { return (int64_t)rk_get64((const char *)b + 35); }
static inline int64_t kp_batch_producer(const void *b) { return (int64_t)rk_get64((const char *)b + 43); }
static inline int16_t kp_batch_producer_epoch(const void *b) { return (int16_t)rk_get16((const char *)b + 51); }
static inline int32_t kp_batch_sequence(const void *b) { return (int32_t)rk_get32((const char *)b + 53); }
static inline int32_t kp_batch_count(const void *b) { return (int32_t)rk_get32((const char *)b + 57); }
static inline int64_t kp_batch_last(const void *b) { return kp_batch_base(b) + kp_batch_last_delta(b); }
static inline void kp_batch_set_base(void *b, int64_t v) { rk_put64(b, (uint64_t)v); }
static inline void kp_batch_set_epoch(void *b, int32_t v) { rk_put32((char *)b + 12, (uint32_t)v); }

/* Looks at the batch at b, of which len bytes are there: whole, magic 2, sane length and counts, CRC.
 * RK_TRUNCATED: fewer bytes than it says. RK_CORRUPT_MESSAGE: anything else. Does not decompress. */
rk_must_use enum rk_err kp_batch_check(const void *b, size_t len);
/* The same without the CRC: for bytes whose CRC the host or an earlier pass has seen. */
rk_must_use enum rk_err kp_batch_shape(const void *b, size_t len);
/* Sets max timestamp and the log-append-time bit, and the CRC that follows from them. */
void kp_batch_append_time(void *b, int64_t now_ms);
void kp_batch_seal(void *b, size_t len); /* length and CRC from the bytes */

/* --- one record */
struct kp_record {
	int64_t offset, ms;
	struct rk_str key, value; /* len -1: null; borrowed */
	int32_t headers;          /* their count; read with kp_record_header */
	const uint8_t *header_at, *end;
};
struct kp_records_iter {
	const uint8_t *p, *end;   /* plain record bytes */
	int64_t base_offset, base_ms;
	int32_t left;
	bool append_time;
	int64_t max_ms;
	bool bad;                 /* sticky: the bytes are not records */
};
/* Walks a batch's records. For a compressed batch plain holds its decompressed records (kp_inflate);
 * pass NULL for an uncompressed one. */
void kp_records_start(struct kp_records_iter *, const void *batch, const uint8_t *plain, size_t plain_len);
bool kp_records_next(struct kp_records_iter *, struct kp_record *); /* false: end, or bad */
bool kp_record_header(struct kp_record *, struct rk_str *key, struct rk_str *value);

/* --- building a batch: bytes go to a buffer that grows in the arena */
struct kp_build {
	struct rk_arena *arena;
	uint8_t *at;
	size_t len, cap;
	int64_t base_offset, base_ms, max_ms;
	int32_t count, next_delta; /* records; the offset delta of the next one */
	int32_t last_delta;        /* may be set past the last record's (compaction keeps a batch's end); -1 */
	int level;                 /* of compression; may be set; INT_MIN: the codec's default */
	int16_t attr;
};
void kp_build_start(struct kp_build *, struct rk_arena *, int64_t base_offset, int16_t attr, int64_t base_ms);
void kp_build_add(struct kp_build *, int64_t ms, struct rk_str key, struct rk_str value); /* no headers */
struct kp_pair {
	struct rk_str key, value;
};
void kp_build_add_with(struct kp_build *, int64_t ms, struct rk_str key, struct rk_str value,
    const struct kp_pair *headers, int32_t count);
/* Adds a record of another batch with its own offset, time and headers (which were not read yet): for
 * compaction. Offsets must rise, from base_offset on. */
void kp_build_keep(struct kp_build *, const struct kp_record *);
/* Finishes: header, compression by attr's codec, CRC. NULL bytes when the arena is over. leader_epoch
 * goes into the header; producer -1 means none. */
struct rk_str kp_build_end(struct kp_build *, int32_t leader_epoch, int64_t producer, int16_t producer_epoch,
    int32_t sequence);

/* --- the codecs, in Kafka's framings: gzip; snappy (xerial blocks, and bare); lz4 frames; zstd */
/* Decompresses, calling out with pieces of at most 64 KiB until all is out or out says false. Memory: a
 * bounded window, whatever the input claims. RK_CORRUPT_MESSAGE: not of this codec.
 * RK_MESSAGE_TOO_LARGE: more than max bytes came out. */
typedef bool kp_inflate_out(void *arg, const uint8_t *, size_t);
rk_must_use enum rk_err kp_inflate(enum kp_codec, const void *, size_t len, uint64_t max, kp_inflate_out *, void *arg);
/* Into one arena buffer. */
rk_must_use enum rk_err kp_inflate_all(enum kp_codec, const void *, size_t len, uint64_t max, struct rk_arena *,
    struct rk_str *plain);
/* Compresses into the arena; level INT_MIN: the codec's default. The null string when over. */
struct rk_str kp_deflate(enum kp_codec, int level, const void *, size_t len, struct rk_arena *);
const char *kp_codec_name(enum kp_codec); /* "none", "gzip", ... */
#endif
