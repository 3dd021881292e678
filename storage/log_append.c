/* log_append.c - records into the active segment.
 *
 * One write per segment touched, straight from the caller's bytes, into the page cache; then the
 * batches are noted: in the index when the interval is over, among the recent places, for the
 * epochs, for the producers. No clock, no stat, no other call to the world. What is appended is on
 * stable storage when st_log_stable says so, not before. */
#include "storage/log_in.h"
#include "protocol/batch.h"

enum { SNAPSHOT_EVERY = 64 << 20 };

static void
recent(struct st_log *l, const struct st_segment *s, const uint8_t *b, uint32_t pos, uint32_t len)
{
	l->hot->recent[l->hot->recent_count++ % ST_RECENT] =
	    (struct st_recent){.base = kp_batch_base(b),
		.last = kp_batch_last(b),
		.segment = s->base,
		.pos = pos,
		.len = len};
}

/* A failed write leaves nothing behind, or the log is broken. */
static enum rk_err
write_out(struct st_log *l, struct st_segment *s, const uint8_t *p, uint32_t len)
{
	enum rk_err err = rk_file_write(s->log, s->bytes, p, len);

	if (err == RK_OK)
		return RK_OK;
	enum rk_err cut = rk_file_truncate(s->log, s->bytes);
	if (err != RK_NO_SPACE || cut != RK_OK)
		st_log_break(l, "records could not be written", err != RK_NO_SPACE ? err : cut);
	return err;
}

/* Tells everybody of the whole batches at p, which stand at the active segment's end now. */
static enum rk_err
note_all(struct st_log *l, const uint8_t *p, uint32_t len)
{
	struct st_segment *s = st_log_active(l);
	enum rk_err err = RK_OK;

	for (uint32_t at = 0; at < len;) {
		const uint8_t *b = p + at;
		uint32_t n = (uint32_t)kp_batch_bytes(b);
		rk_assert(n <= len - at && kp_batch_base(b) >= l->end);
		recent(l, s, b, s->bytes, n);
		st_segment_note(l, s, b, s->bytes, n);
		if (kp_batch_epoch(b) > st_epochs_last(&l->hot->epochs))
			st_log_note_epoch(l, kp_batch_epoch(b), kp_batch_base(b));
		s->bytes += n;
		l->end = kp_batch_last(b) + 1;
		enum rk_err e = st_log_note_producer(l, l->hot->count - 1, b, n, true);
		err = err == RK_OK ? e : err;
		at += n;
	}
	s->dirty = true;
	/* A missing line of the aborted transactions would serve aborted records: no further. On a full
	 * disk the marker is taken back. */
	if (err != RK_OK && err != RK_NO_SPACE)
		st_log_break(l, "an aborted transaction could not be noted", err);
	return err;
}

/* Kafka's reasons to begin a new segment before len bytes more, the last of which has offset last.
 */
static bool
must_roll(const struct st_log *l, const struct st_segment *s, uint32_t len, int64_t last,
    int64_t max_ms, int64_t now_ms)
{
	const struct st_rules *r = l->rules;

	if (s->bytes == 0)
		return last - s->base > INT32_MAX;
	if (s->bytes + (int64_t)len > rk_min(r->segment_bytes, INT32_MAX)
	    || last - s->base > INT32_MAX)
		return true;
	int64_t waited = s->first_ms >= 0 ? max_ms - s->first_ms : now_ms - s->made_ms;
	if (waited > r->segment_ms - l->hot->jitter_ms)
		return true;
	return st_index_count(&s->offsets) >= r->segment_index_bytes / ST_OFFSETS
	       || st_index_count(&s->times) >= r->segment_index_bytes / ST_TIMES - 1;
}

/* How many bytes of whole batches go into one segment: all, or when that is too much as many as
 * fit, or one. */
static uint32_t
portion(const struct st_log *l, const uint8_t *p, uint32_t len, int64_t *last, int64_t *max_ms)
{
	uint32_t n = 0;

	*max_ms = -1;
	while (n < len) {
		uint32_t one = (uint32_t)kp_batch_bytes(p + n);
		if (n > 0
		    && ((int64_t)n + one > l->rules->segment_bytes
			|| kp_batch_last(p + n) - kp_batch_base(p) > INT32_MAX))
			break;
		*last = kp_batch_last(p + n);
		*max_ms = rk_max(*max_ms, kp_batch_max_ms(p + n));
		n += one;
	}
	rk_assert(n > 0 && n <= len);
	return n;
}

/* The next segment begins where this one ends, even when records begin later: a hole between two
 * segments says after a crash that the end of one is lost. Only a leap that no segment can hold is
 * left out. */
static enum rk_err
roll_for(struct st_log *l, int64_t first, int64_t last)
{
	int64_t base = last - l->end <= INT32_MAX ? l->end : first;

	rk_assert(first >= l->end && base > st_log_active(l)->base);
	return st_log_active(l)->bytes > 0 ? st_log_roll(l, base) : st_log_grow(l, base);
}

static enum rk_err
write_all(struct st_log *l, const uint8_t *p, uint32_t len, int64_t now_ms)
{
	enum rk_err err = RK_OK;
	int64_t last, max_ms;

	while (err == RK_OK && len > 0) {
		uint32_t n = portion(l, p, len, &last, &max_ms);
		if (must_roll(l, st_log_active(l), n, last, max_ms, now_ms))
			err = roll_for(l, kp_batch_base(p), last);
		if (err == RK_OK)
			err = write_out(l, st_log_active(l), p, n);
		if (err == RK_OK)
			err = note_all(l, p, n);
		p += n;
		len -= n;
	}
	return err;
}

static enum rk_err
ready(struct st_log *l)
{
	rk_assert(l->magic == ST_LOG_MAGIC);
	if (st_log_broken(l))
		return RK_KAFKA_STORAGE_ERROR;
	return st_log_producers(l) == NULL ? RK_KAFKA_STORAGE_ERROR : RK_OK;
}

static enum rk_err
append(struct st_log *l, const uint8_t *p, uint32_t len, int64_t now_ms)
{
	struct st_hot *h = l->hot;
	int64_t end = l->end;

	h->settled = h->settling = false;
	if (h->unsynced_ms < 0) {
		h->unsynced_ms = now_ms;
		h->unsynced_from = end;
	}
	enum rk_err err = write_all(l, p, len, now_ms);
	if (err != RK_OK && l->end > end && !st_log_broken(l)) {
		/* All or nothing: what went into an earlier segment goes out again. */
		enum rk_err cut = st_log_truncate(l, end);
		if (cut != RK_OK)
			st_log_break(l, "records could not be taken back", cut);
	}
	if (err != RK_OK)
		return err;
	h->since_snapshot += len;
	/* Bounds the replay at the next start; one that cannot be written only makes that longer.
	 */
	if (h->since_snapshot > SNAPSHOT_EVERY && st_log_snapshot(l) != RK_OK)
		h->since_snapshot = 0;
	if (l->end - h->unsynced_from >= l->rules->flush_messages)
		st_log_sync(l);
	return RK_OK;
}

enum rk_err
st_log_append(struct st_log *l, uint8_t *batches, uint32_t len, int32_t leader_epoch,
    int64_t now_ms, struct st_appended *out)
{
	enum rk_err err = ready(l);

	rk_assert(len >= KP_BATCH_HEAD);
	if (err != RK_OK)
		return err;
	*out = (struct st_appended){
	    .first = l->end, .last = l->end - 1, .max_ms = -1, .max_ms_offset = -1};
	for (uint32_t at = 0; at < len; out->batches++) {
		uint8_t *b = batches + at;
		int64_t n = kp_batch_bytes(b);
		rk_assert(n >= KP_BATCH_HEAD && n <= len - at && kp_batch_last_delta(b) >= 0);
		kp_batch_set_base(b, out->last + 1);
		kp_batch_set_epoch(b, leader_epoch);
		out->last = kp_batch_last(b);
		if (kp_batch_max_ms(b) > out->max_ms) {
			out->max_ms = kp_batch_max_ms(b);
			out->max_ms_offset = out->last;
		}
		at += (uint32_t)n;
	}
	err = append(l, batches, len, now_ms);
	rk_assert(err != RK_OK || l->end == out->last + 1);
	return err;
}

enum rk_err
st_log_append_as_is(struct st_log *l, const uint8_t *batches, uint32_t len, int64_t now_ms)
{
	enum rk_err err = ready(l);
	int64_t next = l->end;

	if (err != RK_OK)
		return err;
	for (uint32_t at = 0; at < len;) {
		const uint8_t *b = batches + at;
		int64_t n = len - at >= KP_BATCH_HEAD ? kp_batch_bytes(b) : 0;
		if (n < KP_BATCH_HEAD || n > len - at || kp_batch_last_delta(b) < 0
		    || kp_batch_base(b) < next)
			return RK_CORRUPT_MESSAGE;
		next = kp_batch_last(b) + 1;
		at += (uint32_t)n;
	}
	return len == 0 ? RK_OK : append(l, batches, len, now_ms);
}
