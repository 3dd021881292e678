/* producers.c - the table of idempotent producers of one log.
 *
 * A producer numbers its records; the batches of one epoch follow each other without a hole, and
 *the last five are remembered, so that a batch sent again after a lost answer is recognised. The
 *rules are Kafka 4.3's: epoch below the known one               INVALID_PRODUCER_EPOCH same epoch,
 *one of the last five        a duplicate: answered with its old place same epoch, not behind the
 *last one     OUT_OF_ORDER_SEQUENCE_NUMBER newer epoch, not starting at 0
 *OUT_OF_ORDER_SEQUENCE_NUMBER unknown producer                        accepted at any sequence (its
 *past may have been deleted) Sequences go from INT32_MAX to 0.
 *
 * <offset>.snapshot (Kafka's): i16 version 1, u32 CRC-32C of all behind it, i32 count, then each 46
 *bytes: i64 id, i16 epoch, i32 last sequence, i64 last offset, i32 offset delta, i64 timestamp, i32
 *coordinator epoch, i64 first offset of the open transaction or -1 <offset>.batches (ours): u32
 *'RKPB', u32 CRC-32C of all behind it, u32 the snapshot's CRC (it belongs to that very file), i32
 *count, then for each producer with more than one batch: i64 id, u8 n, and n times, oldest first:
 *i32 last sequence, i64 last offset, i32 offset delta, i64 timestamp */
#include "storage/producers.h"
#include "base/mem.h"
#include "protocol/batch.h"

enum {
	MAGIC = 0x70726f64,
	LAYOUT = 1,
	HEAD = 10,
	EACH = 46,
	MORE_MAGIC = 0x524b5042,
	MORE_HEAD = 16,
	MORE_EACH = 24
};
enum { ABORT = 0, COMMIT = 1 };

struct ended {
	int64_t first, last;
};
struct st_producers {
	uint32_t magic;
	bool whole; /* read together with its companion */
	struct rk_map map;
	uint32_t in_txn; /* producers with an open transaction: mostly 0, then nothing is walked */
	struct ended *ended; /* transactions whose marker may not be replicated yet, by marker */
	uint32_t ended_count, ended_cap;
};

/* What a marker says. */
struct marker {
	bool known; /* abort or commit; other control batches are not the producers' business */
	bool aborted;
	int32_t coordinator_epoch;
};

struct st_producers *
st_producers_new(void)
{
	struct st_producers *t = rk_new(struct st_producers);

	t->magic = MAGIC;
	return t;
}

void
st_producers_clear(struct st_producers *t)
{
	rk_assert(t->magic == MAGIC);
	for (uint32_t i = 0; i < t->map.cap; i++)
		for (struct rk_node *n = t->map.slot[i], *next; n != NULL; n = next) {
			next = n->next;
			rk_mem_put(rk_of(n, struct st_producer, node));
		}
	rk_map_free(&t->map);
	rk_mem_put(t->ended);
	*t = (struct st_producers){.magic = MAGIC};
}

void
st_producers_free(struct st_producers *t)
{
	if (t == NULL)
		return;
	st_producers_clear(t);
	t->magic = 0;
	rk_mem_put(t);
}

static uint64_t
hash(int64_t id)
{
	return rk_hash(&id, sizeof id, 0);
}

static struct st_producer *
find(const struct st_producers *t, int64_t id)
{
	rk_assert(t->magic == MAGIC);
	if (t->map.count == 0)
		return NULL;
	for (struct rk_node *n = rk_map_first(&t->map, hash(id)); n != NULL; n = rk_map_next(n))
		if (rk_of(n, struct st_producer, node)->id == id)
			return rk_of(n, struct st_producer, node);
	return NULL;
}

const struct st_producer *
st_producers_get(const struct st_producers *t, int64_t id)
{
	return find(t, id);
}

uint32_t
st_producers_count(const struct st_producers *t)
{
	rk_assert(t->magic == MAGIC);
	return t->map.count;
}

const struct st_producer *
st_producers_walk(const struct st_producers *t, const struct st_producer *p)
{
	rk_assert(t->magic == MAGIC);
	if (t->map.count == 0)
		return NULL;
	struct rk_node *n = rk_map_walk(&t->map, p == NULL ? NULL : &p->node);
	return n == NULL ? NULL : rk_of(n, struct st_producer, node);
}

/* Sequences count from 0 to INT32_MAX and around; -1 means that there is none. */
static int32_t
seq_plus(int32_t seq, int32_t n)
{
	if (seq < 0)
		return -1;
	rk_assert(n >= 0);
	return (int32_t)(((int64_t)seq + n) % ((int64_t)INT32_MAX + 1));
}

static int32_t
seq_minus(int32_t seq, int32_t n)
{
	if (seq < 0)
		return -1;
	rk_assert(n >= 0);
	return seq >= n ? seq - n : (int32_t)((int64_t)seq - n + (int64_t)INT32_MAX + 1);
}

/* A marker's record: varint length, attributes, deltas, key (i16 version, i16 type), value (i16
 * version, i32 coordinator epoch). Markers are never compressed. */
static bool
varint(const uint8_t **p, const uint8_t *end, int64_t *v)
{
	uint64_t u = 0;

	for (uint32_t shift = 0; shift < 64 && *p < end; shift += 7) {
		uint8_t b = *(*p)++;
		u |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80) {
			*v = (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
			return true;
		}
	}
	return false;
}

static struct marker
marker_of(const uint8_t *batch, size_t len)
{
	struct marker m = {.known = false};
	const uint8_t *p = batch + KP_BATCH_HEAD, *end = batch + len;
	int64_t v, key, value;

	rk_assert(len >= KP_BATCH_HEAD);
	if (!varint(&p, end, &v) || p == end)
		return m;
	p++;
	if (!varint(&p, end, &v) || !varint(&p, end, &v) || !varint(&p, end, &key) || key < 4
	    || end - p < key)
		return m;
	int16_t type = (int16_t)rk_get16(p + 2);
	p += key;
	if (type != ABORT && type != COMMIT)
		return m;
	if (!varint(&p, end, &value) || value < 6 || end - p < value)
		return m;
	m.known = true;
	m.aborted = type == ABORT;
	m.coordinator_epoch = (int32_t)rk_get32(p + 2);
	return m;
}

static const struct st_producer_batch *
duplicate(const struct st_producer *p, int32_t first, int32_t last)
{
	for (uint32_t i = 0; i < p->count; i++)
		if (p->batch[i].first_seq == first && p->batch[i].last_seq == last)
			return &p->batch[i];
	return NULL;
}

static enum rk_err
judge_marker(const struct st_producer *p, const uint8_t *b)
{
	int64_t len = kp_batch_bytes(b);
	struct marker m = marker_of(b, (size_t)rk_max(len, KP_BATCH_HEAD));

	if (kp_batch_producer_epoch(b) < p->epoch)
		return RK_INVALID_PRODUCER_EPOCH;
	if (m.known && m.coordinator_epoch < p->coordinator_epoch)
		return RK_TRANSACTION_COORDINATOR_FENCED;
	return RK_OK;
}

static enum rk_err
judge_sequence(const struct st_producer *p, int16_t epoch, int32_t first)
{
	if (first < 0 || p->epoch < 0)
		return RK_OK;
	if (epoch != p->epoch)
		return first == 0 ? RK_OK : RK_OUT_OF_ORDER_SEQUENCE_NUMBER;
	int32_t last = p->count == 0 ? -1 : p->batch[p->count - 1].last_seq;
	int32_t next = last < 0 ? 0 : seq_plus(last, 1);
	return first == next ? RK_OK : RK_OUT_OF_ORDER_SEQUENCE_NUMBER;
}

enum rk_err
st_producers_check(const struct st_producers *t, const void *batch, int64_t *base, int64_t *ms)
{
	const uint8_t *b = batch;
	int64_t id = kp_batch_producer(b);

	*base = *ms = -1;
	if (t == NULL)
		return RK_KAFKA_STORAGE_ERROR;
	if (id < 0)
		return RK_OK;
	const struct st_producer *p = find(t, id);
	if (p == NULL)
		return RK_OK;
	if ((kp_batch_attr(b) & KP_ATTR_CONTROL) != 0)
		return judge_marker(p, b);
	int16_t epoch = kp_batch_producer_epoch(b);
	int32_t first = kp_batch_sequence(b), delta = kp_batch_last_delta(b);
	if (first >= 0 && delta >= 0 && epoch == p->epoch) {
		const struct st_producer_batch *old = duplicate(p, first, seq_plus(first, delta));
		if (old != NULL) {
			*base = old->last_offset - old->offset_delta;
			*ms = old->ms;
			rk_assert(*base >= 0);
			return RK_DUPLICATE_SEQUENCE_NUMBER;
		}
	}
	if (epoch < p->epoch)
		return RK_INVALID_PRODUCER_EPOCH;
	enum rk_err e = judge_sequence(p, epoch, first);
	if (e == RK_OK && p->txn_first >= 0 && (kp_batch_attr(b) & KP_ATTR_TXN) == 0)
		e = RK_INVALID_TXN_STATE;
	return e;
}

static struct st_producer *
add(struct st_producers *t, int64_t id, int16_t epoch)
{
	struct st_producer *p = rk_new(struct st_producer);

	p->id = id;
	p->epoch = epoch;
	p->coordinator_epoch = -1;
	p->txn_first = -1;
	p->last_ms = -1;
	rk_map_add(&t->map, &p->node, hash(id));
	return p;
}

/* Another epoch starts a new count. */
static struct st_producer *
take(struct st_producers *t, int64_t id, int16_t epoch)
{
	struct st_producer *p = find(t, id);

	if (p == NULL)
		return add(t, id, epoch);
	if (epoch != p->epoch) {
		p->epoch = epoch;
		p->count = 0;
	}
	return p;
}

static void
remember(struct st_producer *p, const struct st_producer_batch *b)
{
	if (p->count == ST_BATCHES_KEPT) {
		memmove(p->batch, p->batch + 1, (ST_BATCHES_KEPT - 1) * sizeof p->batch[0]);
		p->count--;
	}
	p->batch[p->count++] = *b;
	rk_assert(p->count <= ST_BATCHES_KEPT);
}

static void
set_txn(struct st_producers *t, struct st_producer *p, int64_t first)
{
	t->in_txn += (first >= 0) - (p->txn_first >= 0);
	p->txn_first = first;
	rk_assert(t->in_txn <= t->map.count);
}

static bool
note_marker(struct st_producers *t, struct st_producer *p, const uint8_t *b, size_t len,
    struct st_ended *ended)
{
	struct marker m = marker_of(b, len);
	int64_t first = p->txn_first, last = kp_batch_last(b);

	if (!m.known)
		return false;
	p->coordinator_epoch = m.coordinator_epoch;
	p->last_ms = kp_batch_max_ms(b);
	if (first < 0)
		return false;
	set_txn(t, p, -1);
	struct ended *e = rk_mem_room((void **)&t->ended, t->ended_count, &t->ended_cap, sizeof *e);
	*e = (struct ended){first, last};
	t->ended_count++;
	if (ended != NULL)
		*ended = (struct st_ended){p->id, first, last, m.aborted};
	return true;
}

bool
st_producers_note(struct st_producers *t, const void *batch, size_t len, struct st_ended *ended)
{
	const uint8_t *b = batch;
	int64_t id = kp_batch_producer(b);

	rk_assert(len >= KP_BATCH_HEAD);
	if (id < 0)
		return false;
	struct st_producer *p = take(t, id, kp_batch_producer_epoch(b));
	if ((kp_batch_attr(b) & KP_ATTR_CONTROL) != 0)
		return note_marker(t, p, b, len, ended);
	int32_t first = kp_batch_sequence(b), delta = kp_batch_last_delta(b);
	struct st_producer_batch kept = {.first_seq = first,
	    .last_seq = seq_plus(first, delta),
	    .last_offset = kp_batch_last(b),
	    .ms = kp_batch_max_ms(b),
	    .offset_delta = delta};
	remember(p, &kept);
	p->last_ms = kept.ms;
	if ((kp_batch_attr(b) & KP_ATTR_TXN) != 0 && p->txn_first < 0)
		set_txn(t, p, kp_batch_base(b));
	return false;
}

void
st_producers_expire(struct st_producers *t, int64_t now_ms, int64_t expire_ms)
{
	if (t == NULL)
		return;
	rk_assert(t->magic == MAGIC);
	for (uint32_t i = 0; i < t->map.cap; i++)
		for (struct rk_node *n = t->map.slot[i], *next; n != NULL; n = next) {
			struct st_producer *p = rk_of(n, struct st_producer, node);
			next = n->next;
			if (p->txn_first < 0 && now_ms - p->last_ms >= expire_ms) {
				rk_map_del(&t->map, n);
				rk_mem_put(p);
			}
		}
	rk_assert(t->in_txn <= t->map.count);
}

int64_t
st_producers_first_open(const struct st_producers *t)
{
	int64_t first = -1;

	if (t->in_txn == 0)
		return -1;
	for (const struct st_producer *p = st_producers_walk(t, NULL); p != NULL;
	     p = st_producers_walk(t, p))
		if (p->txn_first >= 0 && (first < 0 || p->txn_first < first))
			first = p->txn_first;
	rk_assert(first >= 0);
	return first;
}

int64_t
st_producers_first_unstable(struct st_producers *t, int64_t high)
{
	int64_t first = st_producers_first_open(t);
	uint32_t kept = 0;

	for (uint32_t i = 0; i < t->ended_count; i++) {
		if (t->ended[i].last < high)
			continue;
		if (first < 0 || t->ended[i].first < first)
			first = t->ended[i].first;
		t->ended[kept++] = t->ended[i];
	}
	rk_assert(kept <= t->ended_count);
	t->ended_count = kept;
	return first;
}

static void
write_one(uint8_t *to, const struct st_producer *p)
{
	static const struct st_producer_batch none = {-1, -1, -1, -1, 0};
	const struct st_producer_batch *b = p->count > 0 ? &p->batch[p->count - 1] : &none;

	rk_put64(to, (uint64_t)p->id);
	rk_put16(to + 8, (uint16_t)p->epoch);
	rk_put32(to + 10, (uint32_t)b->last_seq);
	rk_put64(to + 14, (uint64_t)b->last_offset);
	rk_put32(to + 22, (uint32_t)b->offset_delta);
	rk_put64(to + 26, (uint64_t)p->last_ms);
	rk_put32(to + 34, (uint32_t)p->coordinator_epoch);
	rk_put64(to + 38, (uint64_t)p->txn_first);
}

static uint8_t *
write_more(uint8_t *to, const struct st_producer *p)
{
	rk_put64(to, (uint64_t)p->id);
	to[8] = (uint8_t)(p->count - 1);
	to += 9;
	for (uint32_t i = 0; i + 1 < p->count; i++, to += MORE_EACH) {
		rk_put32(to, (uint32_t)p->batch[i].last_seq);
		rk_put64(to + 4, (uint64_t)p->batch[i].last_offset);
		rk_put32(to + 12, (uint32_t)p->batch[i].offset_delta);
		rk_put64(to + 16, (uint64_t)p->batch[i].ms);
	}
	return to;
}

void
st_producers_write(
    const struct st_producers *t, struct rk_arena *a, struct rk_str *kafka, struct rk_str *more)
{
	size_t size = HEAD + (size_t)t->map.count * EACH, size_more = MORE_HEAD;
	uint32_t count = 0, i = 0;

	for (const struct st_producer *p = st_producers_walk(t, NULL); p != NULL;
	     p = st_producers_walk(t, p))
		size_more += p->count > 1 ? 9 + (p->count - 1) * (size_t)MORE_EACH : 0;
	uint8_t *k = rk_arena_raw(a, size), *m = rk_arena_raw(a, size_more);
	*kafka = *more = RK_STR_NULL;
	if (k == NULL || m == NULL)
		return;
	uint8_t *at = m + MORE_HEAD;
	for (const struct st_producer *p = st_producers_walk(t, NULL); p != NULL;
	     p = st_producers_walk(t, p)) {
		write_one(k + HEAD + EACH * (size_t)i++, p);
		if (p->count > 1) {
			at = write_more(at, p);
			count++;
		}
	}
	rk_assert(i == t->map.count && (size_t)(at - m) == size_more);
	rk_put16(k, LAYOUT);
	rk_put32(k + 6, t->map.count);
	uint32_t crc = rk_crc32c(0, k + 6, size - 6);
	rk_put32(k + 2, crc);
	rk_put32(m, MORE_MAGIC);
	rk_put32(m + 8, crc);
	rk_put32(m + 12, count);
	rk_put32(m + 4, rk_crc32c(0, m + 8, size_more - 8));
	*kafka = (struct rk_str){(char *)k, (int32_t)size};
	if (t->map.count > 0)
		*more = (struct rk_str){(char *)m, (int32_t)size_more};
}

static bool
read_one(struct st_producers *t, const uint8_t *at)
{
	struct st_producer_batch b = {.last_seq = (int32_t)rk_get32(at + 10),
	    .last_offset = (int64_t)rk_get64(at + 14),
	    .offset_delta = (int32_t)rk_get32(at + 22),
	    .ms = (int64_t)rk_get64(at + 26)};
	int64_t id = (int64_t)rk_get64(at);

	if (id < 0 || b.offset_delta < 0 || find(t, id) != NULL)
		return false;
	struct st_producer *p = add(t, id, (int16_t)rk_get16(at + 8));
	p->last_ms = b.ms;
	p->coordinator_epoch = (int32_t)rk_get32(at + 34);
	set_txn(t, p, (int64_t)rk_get64(at + 38));
	if (b.last_offset >= 0) {
		b.first_seq = seq_minus(b.last_seq, b.offset_delta);
		remember(p, &b);
	}
	return true;
}

/* Puts the older batches before the newest one. The file has passed its CRC, but a wrong line only
 * ends the reading: what it would have brought is what Kafka does without. */
static void
read_more(struct st_producers *t, const uint8_t *at, const uint8_t *end, uint32_t count)
{
	for (uint32_t i = 0; i < count && end - at >= 9; i++) {
		struct st_producer *p = find(t, (int64_t)rk_get64(at));
		uint32_t n = at[8];
		at += 9;
		if (p == NULL || p->count != 1 || n >= ST_BATCHES_KEPT
		    || end - at < (ptrdiff_t)n * MORE_EACH)
			return;
		struct st_producer_batch newest = p->batch[0];
		p->count = 0;
		for (; n > 0; n--, at += MORE_EACH) {
			struct st_producer_batch b = {.last_seq = (int32_t)rk_get32(at),
			    .last_offset = (int64_t)rk_get64(at + 4),
			    .offset_delta = (int32_t)rk_get32(at + 12),
			    .ms = (int64_t)rk_get64(at + 16)};
			if (b.offset_delta >= 0 && b.last_offset >= b.offset_delta) {
				b.first_seq = seq_minus(b.last_seq, b.offset_delta);
				remember(p, &b);
			}
		}
		remember(p, &newest);
	}
}

bool
st_producers_whole(const struct st_producers *t)
{
	rk_assert(t->magic == MAGIC);
	return t->whole || t->map.count == 0;
}

enum rk_err
st_producers_read(struct st_producers *t, struct rk_str kafka, struct rk_str more)
{
	const uint8_t *k = (const uint8_t *)kafka.at, *m = (const uint8_t *)more.at;

	st_producers_clear(t);
	if (kafka.len < HEAD || rk_get16(k) != LAYOUT
	    || rk_crc32c(0, k + 6, (size_t)kafka.len - 6) != rk_get32(k + 2))
		return RK_CORRUPT_MESSAGE;
	uint32_t count = rk_get32(k + 6);
	if (count > INT32_MAX / EACH || (int64_t)count * EACH != kafka.len - HEAD)
		return RK_CORRUPT_MESSAGE;
	for (uint32_t i = 0; i < count; i++)
		if (!read_one(t, k + HEAD + EACH * (size_t)i)) {
			st_producers_clear(t);
			return RK_CORRUPT_MESSAGE;
		}
	t->whole = more.len >= MORE_HEAD && rk_get32(m) == MORE_MAGIC
		   && rk_get32(m + 8) == rk_get32(k + 2)
		   && rk_crc32c(0, m + 8, (size_t)more.len - 8) == rk_get32(m + 4);
	if (t->whole)
		read_more(t, m + MORE_HEAD, m + more.len, rk_get32(m + 12));
	return RK_OK;
}
