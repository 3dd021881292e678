/* check.c - is a produced batch fit to be appended? Kafka's checks, in Kafka's order, with its
 * errors.
 *
 * An uncompressed batch's records are walked (some ten nanoseconds each): lengths, headers,
 * timestamps, keys. A compressed batch is opened only when a config of the topic demands it: keys
 * of a compacted topic, message.timestamp.before.max.ms, another compression.type, or a batch
 * header that says that a record lies past message.timestamp.after.max.ms. Else its first bytes
 * must be its codec's; what is behind them is between the producer and its consumers (Apache Kafka
 * always inflates: doc/compatibility). */
#include "src/core/inside.h"

enum {
	RECORD_MIN = 14,
	UP_TO_MAGIC = 17,
	INFLATED_MAX = 64 << 20,
	ROOM_MAX = 3 * INFLATED_MAX, /* the buffer's last doublings, and what is made of it */
	MAX_MS_AT = 35,
	ATTR_AT = 21
};

/* What a walk over a batch's records found. */
struct walk {
	const uint8_t *p, *end;
	int64_t ms;                 /* delta of the current record */
	int32_t key_len, value_len; /* its own; -1: null */
};

static inline bool
varint(const uint8_t **p, const uint8_t *end, int32_t *v)
{
	if (*p < end && **p < 0x80) {
		uint32_t u = *(*p)++;
		*v = (int32_t)(u >> 1) ^ -(int32_t)(u & 1);
		return true;
	}
	return kp_varint(p, end, v);
}

/* Skips a length-prefixed field; least: the smallest length it may have. */
static inline bool
skip(const uint8_t **p, const uint8_t *end, int32_t least, int32_t *len)
{
	if (!varint(p, end, len) || *len < least || *len > end - *p)
		return false;
	if (*len > 0)
		*p += *len;
	return true;
}

/* Steps over one record; false: the bytes are not one. */
static bool
step(struct walk *w)
{
	int32_t len, delta, headers;
	const uint8_t *p = w->p;

	if (!varint(&p, w->end, &len) || len < 1 || len > w->end - p)
		return false;
	const uint8_t *end = p + len;
	p++; /* attributes: none are defined */
	if (p < end && *p < 0x80) {
		w->ms = (int64_t)(*p >> 1) ^ -(int64_t)(*p & 1);
		p++;
	} else if (!kp_varlong(&p, end, &w->ms)) {
		return false;
	}
	if (!varint(&p, end, &delta) || !skip(&p, end, -1, &w->key_len))
		return false;
	if (!skip(&p, end, -1, &w->value_len) || !varint(&p, end, &headers) || headers < 0
	    || headers > end - p)
		return false;
	for (int32_t i = 0; i < headers; i++)
		if (!skip(&p, end, 0, &len) || !skip(&p, end, -1, &len))
			return false;
	rk_assert(p <= end && end <= w->end);
	w->p = p;
	return p == end;
}

static void
record_error(struct core_append *a, int32_t count, int32_t index, const char *message)
{
	if (a->error == NULL)
		a->error = rk_arena_get(a->arena, (size_t)count, sizeof *a->error);
	if (a->error == NULL || message == NULL)
		return;
	rk_assert(a->errors < count);
	rk_assert(index >= 0 && index < count);
	a->error[a->errors++] = (struct core_record_error){index, message};
}

/* The answer to a batch of which some records were refused: all of it is. */
static void
refuse(struct core_append *a, enum rk_err first)
{
	rk_assert(first == RK_INVALID_TIMESTAMP || first == RK_INVALID_RECORD);
	a->err = first;
	if (first == RK_INVALID_TIMESTAMP) {
		a->message =
		    rk_lit("One or more records have been rejected due to invalid timestamp");
		return;
	}
	struct rk_str list = rk_lit("");
	for (int32_t i = 0; i < a->errors && i < 3; i++)
		list = rk_arena_print(a->arena, "%.*s%sRecordError(batchIndex=%d, message='%s')",
		    list.len < 0 ? 0 : list.len, list.at, i > 0 ? ", " : "", a->error[i].index,
		    a->error[i].message);
	a->message = rk_arena_print(a->arena,
	    "One or more records have been rejected due to %d record errors in total, and "
	    "only showing the first three errors at most: [%.*s]",
	    a->errors, list.len < 0 ? 0 : list.len, list.at);
}

/* The rules that one walk over a batch's records holds them to. */
struct rules {
	int64_t earliest, latest; /* bounds of a timestamp under CreateTime */
	int64_t flagged_ms;       /* of every record of a batch that claims log append time */
	bool compact, create, flagged;
};

static struct rules
rules_for(struct core_partition *p, const struct core_append *a)
{
	const struct conf_topic *f = core_conf(p);
	int64_t now = a->wall_ms, after = f->message_timestamp_after_max_ms;

	rk_assert(now >= 0 && f->message_timestamp_before_max_ms >= 0);
	return (struct rules){
	    .earliest = now - f->message_timestamp_before_max_ms,
	    .latest = after > INT64_MAX - now ? INT64_MAX : now + after,
	    .flagged_ms = kp_batch_max_ms(a->at),
	    .compact = (f->cleanup_policy & CONF_COMPACT) != 0 && !a->own,
	    .create = f->message_timestamp_type == CONF_CREATE_TIME,
	    .flagged = (kp_batch_attr(a->at) & KP_ATTR_APPEND_TIME) != 0 && !a->own,
	};
}

/* What is wrong with one record; RK_OK: nothing. */
static enum rk_err
judge(struct core_partition *p, struct core_append *a, const struct rules *r, const struct walk *w,
    int64_t ms, int32_t i)
{
	int32_t count = kp_batch_count(a->at);

	if (r->compact && w->key_len < 0) {
		record_error(a, count, i,
		    rk_arena_print(a->arena,
			"Compacted topic cannot accept message without key in topic partition "
			"%s-%d",
			p->topic->name.at, p->index)
			.at);
		return RK_INVALID_RECORD;
	}
	if (r->create && !a->own && ms != -1 && (ms > r->latest || ms < r->earliest)) {
		record_error(a, count, i,
		    rk_arena_print(a->arena,
			"Timestamp %" PRId64 " of message with offset %d is out of range. The "
			"timestamp should be within [%" PRId64 ", %" PRId64 "]",
			ms, i, r->earliest, r->latest)
			.at);
		return RK_INVALID_TIMESTAMP;
	}
	if (!r->create && r->flagged) {
		record_error(a, count, i,
		    rk_arena_print(a->arena,
			"Invalid timestamp type in message DefaultRecord(offset=%d, "
			"timestamp=%" PRId64 ", key=%d bytes, value=%d bytes). Producer should not "
			"set timestamp type to "
			"LogAppendTime.",
			i, ms, w->key_len < 0 ? 0 : w->key_len, w->value_len < 0 ? 0 : w->value_len)
			.at);
		return RK_INVALID_TIMESTAMP;
	}
	return RK_OK;
}

/* Walks all records; *max_ms becomes their largest timestamp. */
static void
walk_records(
    struct core_partition *p, struct core_append *a, const uint8_t *at, size_t len, int64_t *max_ms)
{
	struct rules r = rules_for(p, a);
	int64_t base_ms = kp_batch_base_ms(a->at);
	int32_t count = kp_batch_count(a->at);
	struct walk w = {.p = at, .end = at + len};
	enum rk_err first = RK_OK;

	*max_ms = -1;
	for (int32_t i = 0; i < count; i++) {
		if (!step(&w)) {
			a->err = RK_INVALID_RECORD;
			return;
		}
		int64_t ms = r.flagged ? r.flagged_ms : base_ms + w.ms;
		if (ms > *max_ms)
			*max_ms = ms;
		enum rk_err err = judge(p, a, &r, &w, ms, i);
		first = first == RK_OK ? err : first;
	}
	if (w.p != w.end)
		a->err = RK_INVALID_RECORD; /* bytes behind the last record */
	else if (first != RK_OK)
		refuse(a, first);
}

/* Do the bytes begin as the codec's must? */
static bool
looks_like(enum kp_codec codec, const uint8_t *at, size_t len)
{
	static const uint8_t gzip[] = {0x1f, 0x8b, 8}, lz4[] = {4, 0x22, 0x4d, 0x18},
			     zstd[] = {0x28, 0xb5, 0x2f, 0xfd};

	switch (codec) {
	case KP_GZIP:
		return len > sizeof gzip && memcmp(at, gzip, sizeof gzip) == 0;
	case KP_LZ4:
		return len > sizeof lz4 && memcmp(at, lz4, sizeof lz4) == 0;
	case KP_ZSTD:
		return len > sizeof zstd && memcmp(at, zstd, sizeof zstd) == 0;
	default:
		return len > 0;
	}
}

/* The codec the topic wants a batch of this codec to have. */
static enum kp_codec
wanted(const struct conf_topic *f, enum kp_codec has)
{
	switch ((enum conf_compression)f->compression_type) {
	case CONF_UNCOMPRESSED:
		return KP_NONE;
	case CONF_ZSTD:
		return KP_ZSTD;
	case CONF_LZ4:
		return KP_LZ4;
	case CONF_SNAPPY:
		return KP_SNAPPY;
	case CONF_GZIP:
		return KP_GZIP;
	default:
		return has;
	}
}

static int
level_of(const struct conf_topic *f, enum kp_codec codec)
{
	return codec == KP_GZIP   ? f->compression_gzip_level
	       : codec == KP_LZ4  ? f->compression_lz4_level
	       : codec == KP_ZSTD ? f->compression_zstd_level
				  : INT_MIN;
}

/* Makes a->at a batch of another codec, from its plain records; room: for what is needed on the
 * way. */
static void
recompress(struct core_partition *p, struct core_append *a, enum kp_codec codec,
    struct rk_str plain, struct rk_arena *room)
{
	struct rk_str body = codec == KP_NONE ? plain
					      : kp_deflate(codec, level_of(core_conf(p), codec),
						  plain.at, (size_t)plain.len, room);

	if (body.len > core_conf(p)->max_message_bytes - KP_BATCH_HEAD) {
		a->err = RK_MESSAGE_TOO_LARGE;
		return;
	}
	uint8_t *b = body.len < 0 ? NULL : rk_arena_raw(a->arena, KP_BATCH_HEAD + (size_t)body.len);
	if (b == NULL) {
		a->err = RK_UNKNOWN_SERVER_ERROR;
		return;
	}
	memcpy(b, a->at, KP_BATCH_HEAD);
	memcpy(b + KP_BATCH_HEAD, body.at, (size_t)body.len);
	rk_put16(b + ATTR_AT, (uint16_t)((kp_batch_attr(b) & ~KP_ATTR_CODEC) | (int)codec));
	rk_assert(kp_batch_count(b) == kp_batch_count(a->at));
	a->at = b;
	a->len = KP_BATCH_HEAD + body.len;
	kp_batch_seal(b, (size_t)a->len);
}

/* Timestamps in the header as the topic wants them; the CRC follows only when something changed. */
static void
stamp(struct core_partition *p, struct core_append *a, int64_t max_ms)
{
	uint8_t *b = a->at;

	if (core_conf(p)->message_timestamp_type == CONF_LOG_APPEND_TIME) {
		kp_batch_append_time(b, a->wall_ms);
		a->append_ms = a->wall_ms;
		return;
	}
	bool flagged = (kp_batch_attr(b) & KP_ATTR_APPEND_TIME) != 0;
	if (!flagged && max_ms == kp_batch_max_ms(b))
		return;
	rk_put16(b + ATTR_AT, (uint16_t)(kp_batch_attr(b) & ~KP_ATTR_APPEND_TIME));
	rk_put64(b + MAX_MS_AT, (uint64_t)max_ms);
	kp_batch_seal(b, (size_t)a->len);
}

/* Must the records of this compressed batch be looked at? */
static bool
must_open(struct core_partition *p, const struct core_append *a)
{
	const struct conf_topic *f = core_conf(p);

	if (a->own)
		return false;
	if ((f->cleanup_policy & CONF_COMPACT) != 0)
		return true;
	if (f->message_timestamp_type != CONF_CREATE_TIME)
		return (kp_batch_attr(a->at) & KP_ATTR_APPEND_TIME)
		       != 0; /* to be refused record by record */
	return f->message_timestamp_before_max_ms != INT64_MAX
	       || kp_batch_max_ms(a->at) - a->wall_ms > f->message_timestamp_after_max_ms;
}

static void
check_records(struct core_partition *p, struct core_append *a)
{
	enum kp_codec has = kp_batch_attr(a->at) & KP_ATTR_CODEC,
		      want = a->own ? has : wanted(core_conf(p), has);
	struct rk_str plain = {(char *)a->at + KP_BATCH_HEAD, a->len - KP_BATCH_HEAD};
	int64_t max_ms = kp_batch_max_ms(a->at);

	if (has >= KP_CODECS
	    || (has != KP_NONE && !looks_like(has, (const uint8_t *)plain.at, (size_t)plain.len))) {
		a->err = RK_UNKNOWN_SERVER_ERROR; /* what Kafka's decompressor throws has no error
						     of its own */
		return;
	}
	bool opened = has != KP_NONE && (want != has || must_open(p, a));
	struct rk_arena
	    room; /* of its own: a batch that inflates without end must not cost the answer */
	rk_arena_init(&room, ROOM_MAX);
	if (opened
	    && kp_inflate_all(has, plain.at, (size_t)plain.len, INFLATED_MAX, &room, &plain)
		   != RK_OK)
		a->err = RK_UNKNOWN_SERVER_ERROR;
	if (a->err == RK_OK && (has == KP_NONE || opened))
		walk_records(p, a, (const uint8_t *)plain.at, (size_t)plain.len, &max_ms);
	if (a->err == RK_OK && want != has)
		recompress(p, a, want, plain, &room);
	rk_arena_free(&room);
	if (a->err == RK_OK)
		stamp(p, a, max_ms);
}

/* The header's own consistency, as far as a client's batch must have it. */
static bool
sound(const uint8_t *b)
{
	int64_t span = (int64_t)kp_batch_last_delta(b) + 1;

	return span > 0 && kp_batch_count(b) > 0 && span == kp_batch_count(b)
	       && (kp_batch_attr(b) & KP_ATTR_CONTROL) == 0
	       && !(kp_batch_producer(b) >= 0 && kp_batch_sequence(b) < 0);
}

enum rk_err
core_peek(const uint8_t *at, int32_t len, struct rk_arena *arena, struct rk_str *message)
{
	if (len < KP_BATCH_LOG_OVERHEAD)
		return RK_NOT_FOUND;
	int32_t size = kp_batch_len(at);
	if (size < RECORD_MIN) {
		*message = rk_arena_print(arena,
		    "Record size %d is less than the minimum record overhead (%d)", size,
		    RECORD_MIN);
		return RK_CORRUPT_MESSAGE;
	}
	if (len < UP_TO_MAGIC)
		return RK_NOT_FOUND;
	if (kp_batch_magic(at) < 0 || kp_batch_magic(at) > 2) {
		*message =
		    rk_arena_print(arena, "Invalid magic found in record: %d", kp_batch_magic(at));
		return RK_CORRUPT_MESSAGE;
	}
	return kp_batch_bytes(at) > len ? RK_NOT_FOUND : RK_OK;
}

bool
core_transactional(const uint8_t *at, int32_t len)
{
	return len >= KP_BATCH_HEAD && kp_batch_bytes(at) >= KP_BATCH_HEAD
	       && kp_batch_magic(at) == 2 && (kp_batch_attr(at) & KP_ATTR_TXN) != 0;
}

enum rk_err
core_only_batch(struct core_append *a, int16_t version)
{
	struct rk_str ignored;
	enum rk_err err = core_peek(a->at, a->len, a->arena, &ignored);

	if (err != RK_OK)
		return err == RK_NOT_FOUND ? RK_INVALID_RECORD : err;
	if (kp_batch_magic(a->at) != 2)
		return RK_INVALID_RECORD;
	int32_t bytes = (int32_t)kp_batch_bytes(a->at);
	if (version < 7 && bytes >= KP_BATCH_HEAD
	    && (kp_batch_attr(a->at) & KP_ATTR_CODEC) == KP_ZSTD)
		return RK_UNSUPPORTED_COMPRESSION_TYPE;
	err = core_peek(a->at + bytes, a->len - bytes, a->arena, &ignored);
	if (err != RK_NOT_FOUND)
		return err == RK_OK ? RK_INVALID_RECORD : err;
	a->len = bytes; /* Kafka, too, overlooks a few bytes behind the batch */
	return RK_OK;
}

void
core_check(struct core_partition *p, struct core_append *a)
{
	const struct conf_topic *f = core_conf(p);

	rk_assert(a->err == RK_OK && a->len >= UP_TO_MAGIC);
	rk_assert(kp_batch_bytes(a->at) == a->len);
	if (a->len >= KP_BATCH_HEAD && kp_batch_base(a->at) != 0 && !a->own)
		a->err = RK_INVALID_RECORD;
	else if (a->len > f->max_message_bytes && !a->own)
		a->err = RK_MESSAGE_TOO_LARGE;
	else if (a->len < KP_BATCH_HEAD
		 || rk_crc32c(0, a->at + ATTR_AT, (size_t)a->len - ATTR_AT) != kp_batch_crc(a->at))
		a->err = RK_CORRUPT_MESSAGE;
	else if (!a->own && (kp_batch_attr(a->at) & KP_ATTR_CODEC) >= KP_CODECS)
		a->err = RK_UNKNOWN_SERVER_ERROR;
	else if (!a->own && !sound(a->at))
		a->err = RK_INVALID_RECORD;
	if (a->err != RK_OK)
		return;
	check_records(p, a);
	rk_assert(a->err != RK_OK || kp_batch_bytes(a->at) == a->len);
	if (a->err == RK_OK && a->len > f->max_message_bytes && !a->own)
		a->err = RK_MESSAGE_TOO_LARGE; /* another codec made it larger */
	else if (a->err == RK_OK && a->len > p->topic->rules.segment_bytes)
		a->err = RK_RECORD_LIST_TOO_LARGE;
}
