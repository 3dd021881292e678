/* compact_copy.c - a round's work on a worker: batches go by, keys are noted, what stays is written.
 *
 * One segment at a time, from pos on, until its end or until the slice's budget is used up. A batch is
 * looked at whole. Two questions decide what becomes of it: may it go as a whole (its transaction was aborted, its
 * marker is no longer needed), and which of its records stay. A batch of which all stays is written as it is; else a
 * new one is built with the same offsets, producer, sequence and codec. One of which nothing stays leaves
 * its header when it is its producer's last. */
#include "storage/compact_in.h"
#include "base/mem.h"

enum { WINDOW = 1 << 20, OUT = 1 << 20, INFLATED_MAX = 128 << 20, ROOM_MAX = 4 * INFLATED_MAX };

static bool
room(struct st_buffer *b, uint64_t want)
{
	if (want <= b->cap)
		return true;
	if (want > INT32_MAX)
		return false;
	uint64_t cap = rk_max(want, rk_min((uint64_t)b->cap * 2, INT32_MAX));
	uint8_t *more = rk_mem_try(cap);
	if (more == NULL)
		return false;
	if (b->len > 0)
		memcpy(more, b->at, b->len);
	rk_mem_put(b->at);
	b->at = more;
	b->cap = (uint32_t)cap;
	return true;
}

static bool
push(struct st_buffer *b, const void *bytes, uint32_t len)
{
	if (!room(b, (uint64_t)b->len + len))
		return false;
	memcpy(b->at + b->len, bytes, len);
	b->len += len;
	return true;
}

/* --- reading */
static enum rk_err
fill(struct st_compact *c, uint32_t need)
{
	uint32_t skip = c->pos - c->window_pos;

	if (c->window.len > 0 && c->pos >= c->window_pos && skip + (uint64_t)need <= c->window.len)
		return RK_OK;
	uint32_t n = (uint32_t)rk_min(rk_max(need, WINDOW), c->from_size - c->pos);
	c->window.len = 0;
	if (need > n)
		return RK_CORRUPT_MESSAGE;
	if (!room(&c->window, n))
		return RK_NO_MEMORY;
	enum rk_err err = rk_job_read(c->from, c->pos, c->window.at, n);
	if (err != RK_OK)
		return RK_KAFKA_STORAGE_ERROR;
	c->window_pos = c->pos;
	c->window.len = n;
	c->told.read_bytes += n;
	return RK_OK;
}

/* The whole batch at pos. RK_NOT_FOUND: the segment's end. */
static enum rk_err
next(struct st_compact *c, const uint8_t **batch, uint32_t *len)
{
	if (c->pos >= c->from_size)
		return RK_NOT_FOUND;
	enum rk_err err = fill(c, KP_BATCH_HEAD);
	if (err != RK_OK)
		return err;
	int64_t bytes = kp_batch_bytes(c->window.at + (c->pos - c->window_pos));
	if (bytes < KP_BATCH_HEAD || bytes > c->from_size - c->pos)
		return RK_CORRUPT_MESSAGE;
	err = fill(c, (uint32_t)bytes);
	if (err != RK_OK)
		return err;
	*batch = c->window.at + (c->pos - c->window_pos);
	*len = (uint32_t)bytes;
	return kp_batch_check(*batch, *len);
}

/* Its records, inflated where they must be: into the arena, until the next batch's. it stands before the first. */
static enum rk_err
records(struct st_compact *c, const uint8_t *batch, uint32_t len, struct kp_records_iter *it)
{
	struct rk_str plain = { (const char *)batch + KP_BATCH_HEAD, (int32_t)(len - KP_BATCH_HEAD) };
	enum kp_codec codec = (enum kp_codec)(kp_batch_attr(batch) & KP_ATTR_CODEC);

	rk_arena_reset(&c->arena);
	if (codec != KP_NONE) {
		enum rk_err err = kp_inflate_all(codec, plain.at, (size_t)plain.len, INFLATED_MAX, &c->arena, &plain);
		if (err != RK_OK)
			return err;
	}
	kp_records_start(it, batch, codec == KP_NONE ? NULL : (const uint8_t *)plain.at, (size_t)plain.len);
	return RK_OK;
}

static bool
spend(struct st_compact *c, uint32_t len)
{
	c->pos += len;
	c->budget -= rk_min(c->budget, len);
	return c->budget > 0;
}

/* --- noting keys */
static enum rk_err
note(struct st_compact *c, const uint8_t *batch, uint32_t len)
{
	struct kp_records_iter it;
	struct kp_record r;
	struct st_aborted kept;
	enum rk_err err = RK_OK;

	if (kp_batch_attr(batch) & KP_ATTR_CONTROL) {
		(void)!st_txns_marker(&c->txns, batch, &kept);
		return RK_OK;
	}
	if (st_txns_data(&c->txns, batch) || kp_batch_last(batch) < c->first)
		return RK_OK;
	err = records(c, batch, len, &it);
	while (err == RK_OK && kp_records_next(&it, &r))
		if (r.key.len >= 0 && r.offset >= c->first && !st_keys_put(&c->keys, r.key, r.offset))
			c->full = true;
	return err == RK_OK && it.bad ? RK_CORRUPT_MESSAGE : err;
}

void
st_compact_note_job(void *round)
{
	struct st_compact *c = round;
	const uint8_t *batch;
	uint32_t len;

	rk_assert(c->busy && c->phase == ST_NOTING);
	while ((c->err = next(c, &batch, &len)) == RK_OK) {
		if (kp_batch_last(batch) >= c->limit) {
			c->pos = c->from_size;
			break;
		}
		c->err = note(c, batch, len);
		if (c->err != RK_OK || c->full)
			break; /* a batch that did not fit whole is not below noted_end: its keys do no harm */
		c->noted_end = rk_max(c->noted_end, kp_batch_last(batch) + 1);
		if (!spend(c, len))
			break;
	}
	if (c->err == RK_NOT_FOUND)
		c->err = RK_OK;
}

/* --- writing */
static enum rk_err
flush(struct st_compact *c)
{
	if (c->out.len == 0)
		return RK_OK;
	enum rk_err err = rk_job_write(c->to, c->to_bytes - c->out.len, c->out.at, c->out.len);
	c->told.written_bytes += c->out.len;
	c->out.len = 0;
	return err;
}

static bool
put_time(struct st_compact *c)
{
	uint8_t entry[ST_TIMES];

	if (c->max_ms < 0 || c->max_ms <= c->time_noted)
		return true;
	rk_put64(entry, (uint64_t)c->max_ms);
	rk_put32(entry + 8, (uint32_t)(c->max_last - c->source[c->group].base));
	c->time_noted = c->max_ms;
	return push(&c->times, entry, sizeof entry);
}

/* A finished batch goes to the new segment, and into its indexes as st_segment_note does it. */
static enum rk_err
put(struct st_compact *c, const uint8_t *batch, uint32_t len)
{
	int64_t base = c->source[c->group].base, ms = kp_batch_max_ms(batch), last = kp_batch_last(batch);
	uint8_t entry[ST_OFFSETS];
	bool fits = true;

	rk_assert(last >= base && last - base <= INT32_MAX);
	if (ms > c->max_ms) {
		c->max_ms = ms;
		c->max_last = last;
	}
	if (c->since_entry > c->index_interval) {
		rk_put32(entry, (uint32_t)(last - base));
		rk_put32(entry + 4, c->to_bytes);
		fits = push(&c->offsets, entry, sizeof entry) && put_time(c);
		c->since_entry = 0;
	}
	c->since_entry += len;
	if (!fits || !push(&c->out, batch, len))
		return RK_NO_MEMORY;
	c->to_bytes += len;
	return c->out.len >= OUT ? flush(c) : RK_OK;
}

static bool
is_last_of_producer(const struct st_compact *c, const uint8_t *batch)
{
	int64_t id = kp_batch_producer(batch);
	uint32_t low = 0, high = c->lasts;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (c->last[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	if (id < 0 || low == c->lasts || c->last[low].id != id)
		return false;
	if (c->last[low].last >= 0)
		return kp_batch_last(batch) == c->last[low].last;
	return (kp_batch_attr(batch) & KP_ATTR_CONTROL) != 0 && kp_batch_producer_epoch(batch) == c->last[low].epoch;
}

/* The batch without a record: its offsets, producer and sequence are still told. */
static enum rk_err
put_empty(struct st_compact *c, const uint8_t *batch)
{
	uint8_t head[KP_BATCH_HEAD];

	memcpy(head, batch, sizeof head);
	rk_put16(head + 21, (uint16_t)(kp_batch_attr(batch) & ~(KP_ATTR_CODEC | KP_ATTR_HORIZON)));
	rk_put64(head + 27, UINT64_MAX); /* no time */
	rk_put32(head + 57, 0);
	kp_batch_seal(head, sizeof head);
	c->changed |= kp_batch_count(batch) > 0;
	return put(c, head, sizeof head);
}

/* --- which records stay */
static bool
horizon_over(const struct st_compact *c, const uint8_t *batch)
{
	return (kp_batch_attr(batch) & KP_ATTR_HORIZON) != 0 && c->now_ms >= kp_batch_base_ms(batch);
}

static bool
stays(struct st_compact *c, const struct kp_record *r, bool tombstones_go)
{
	if (r->offset >= c->noted_end)
		return true; /* keys of that part are not known */
	if (r->key.len < 0) {
		c->told.keyless++;
		return false;
	}
	if (r->offset < st_keys_get(&c->keys, r->key))
		return false;
	return r->value.len >= 0 || !tombstones_go;
}

/* What stays of a data batch. */
struct rest {
	int32_t count;
	bool tombstone;              /* there is one among them */
	int64_t first_ms;            /* timestamp of the first */
};

static enum rk_err
judge(struct st_compact *c, const uint8_t *batch, struct kp_records_iter it, struct rest *rest)
{
	struct kp_record r;
	bool go = horizon_over(c, batch);

	*rest = (struct rest){ .first_ms = -1 };
	while (kp_records_next(&it, &r)) {
		c->told.records_read++;
		if (!stays(c, &r, go))
			continue;
		if (rest->count++ == 0)
			rest->first_ms = r.ms;
		rest->tombstone |= r.value.len < 0;
	}
	c->told.records_kept += (uint64_t)rest->count;
	return it.bad ? RK_CORRUPT_MESSAGE : RK_OK;
}

/* The batch anew, of the records that stay. Its base timestamp is its horizon, or else that of the first of them. */
static enum rk_err
rebuild(struct st_compact *c, const uint8_t *batch, struct kp_records_iter it, int64_t horizon, int64_t first_ms)
{
	struct kp_record r;
	struct kp_build b;
	bool had = (kp_batch_attr(batch) & KP_ATTR_HORIZON) != 0, go = horizon_over(c, batch);
	bool marker = (kp_batch_attr(batch) & KP_ATTR_CONTROL) != 0;
	int16_t attr = (int16_t)(kp_batch_attr(batch) | (horizon >= 0 ? KP_ATTR_HORIZON : 0));

	rk_assert(!had || horizon < 0);
	kp_build_start(&b, &c->arena, kp_batch_base(batch), attr,
	    horizon >= 0 ? horizon : had ? kp_batch_base_ms(batch) : first_ms);
	b.last_delta = kp_batch_last_delta(batch);
	while (kp_records_next(&it, &r))
		if (marker || stays(c, &r, go))
			kp_build_keep(&b, &r);
	if (kp_batch_attr(batch) & KP_ATTR_APPEND_TIME)
		b.max_ms = kp_batch_max_ms(batch);
	struct rk_str made = kp_build_end(&b, kp_batch_epoch(batch), kp_batch_producer(batch),
	    kp_batch_producer_epoch(batch), kp_batch_sequence(batch));
	if (made.len < 0)
		return RK_NO_MEMORY;
	c->changed = true;
	return put(c, (const uint8_t *)made.at, (uint32_t)made.len);
}

static int64_t
new_horizon(const struct st_compact *c, const uint8_t *batch, bool wanted)
{
	return wanted && (kp_batch_attr(batch) & KP_ATTR_HORIZON) == 0 ? c->now_ms + c->rules.delete_retention_ms : -1;
}

static enum rk_err
copy_data(struct st_compact *c, const uint8_t *batch, uint32_t len)
{
	struct kp_records_iter it;
	struct rest rest = { .count = 0 };
	bool aborted = st_txns_data(&c->txns, batch) && kp_batch_last(batch) < c->noted_end;
	enum rk_err err = aborted ? RK_OK : records(c, batch, len, &it);

	if (err == RK_OK && !aborted)
		err = judge(c, batch, it, &rest);
	if (err != RK_OK)
		return err;
	if (rest.count == 0) {
		if (is_last_of_producer(c, batch))
			return put_empty(c, batch);
		c->changed = true;
		return RK_OK;
	}
	int64_t horizon = new_horizon(c, batch, rest.tombstone && kp_batch_last(batch) < c->noted_end);
	if (rest.count == kp_batch_count(batch) && horizon < 0)
		return put(c, batch, len);
	return rebuild(c, batch, it, horizon, rest.first_ms);
}

static enum rk_err
copy_marker(struct st_compact *c, const uint8_t *batch, uint32_t len)
{
	struct st_aborted kept;
	bool useless = st_txns_marker(&c->txns, batch, &kept);

	if (kp_batch_last(batch) >= c->noted_end)
		return put(c, batch, len);
	if (kept.first >= 0 && !push(&c->aborted, &kept, sizeof kept))
		return RK_NO_MEMORY;
	if (useless && horizon_over(c, batch)) {
		if (is_last_of_producer(c, batch))
			return put_empty(c, batch);
		c->changed = true;
		return RK_OK;
	}
	int64_t horizon = new_horizon(c, batch, useless);
	if (horizon < 0 || kp_batch_count(batch) == 0)
		return put(c, batch, len);
	struct kp_records_iter it;
	enum rk_err err = records(c, batch, len, &it);
	return err == RK_OK ? rebuild(c, batch, it, horizon, -1) : err;
}

void
st_compact_copy_job(void *round)
{
	struct st_compact *c = round;
	const uint8_t *batch;
	uint32_t len;

	rk_assert(c->busy && c->phase == ST_COPYING);
	while ((c->err = next(c, &batch, &len)) == RK_OK) {
		c->err = (kp_batch_attr(batch) & KP_ATTR_CONTROL) ? copy_marker(c, batch, len) : copy_data(c, batch, len);
		if (c->err != RK_OK || !spend(c, len))
			break;
	}
	if (c->err == RK_NOT_FOUND)
		c->err = c->at + 1 < c->group_end || put_time(c) ? RK_OK : RK_NO_MEMORY;
	if (c->err == RK_OK && c->pos >= c->from_size)
		c->err = flush(c);
}
