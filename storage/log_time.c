/* log_time.c - offsets by timestamp. */
#include "storage/log_in.h"
#include "protocol/batch.h"

/* A batch that inflates to more than PLAIN_MAX is not opened to find a time in it. */
enum { BATCH_MAX = 256 << 20, PLAIN_MAX = 64 << 20 };

/* What the caller hears: an odd batch is not the disk's fault. */
static enum rk_err
judged(enum rk_err err)
{
	return err == RK_OK || err == RK_NOT_FOUND ? RK_OK
	       : err == RK_UNKNOWN_SERVER_ERROR	   ? err
						   : RK_KAFKA_STORAGE_ERROR;
}

/* The whole batch at a place, in the arena. */
static enum rk_err
load(struct st_log *l, struct st_segment *s, uint32_t pos, uint32_t len, struct rk_arena *a,
    uint8_t **to)
{
	*to = rk_arena_raw(a, len);
	if (*to == NULL)
		return RK_NO_MEMORY;
	enum rk_err err = st_segment_open(l, s, false);
	return err == RK_OK ? rk_file_read(s->log, pos, *to, len) : err;
}

/* The first record of the batch at or after ms, with an offset of at least from. */
static enum rk_err
in_batch(struct st_log *l, struct st_segment *s, uint32_t pos, uint32_t len, int64_t ms,
    int64_t from, struct st_stamp *to)
{
	struct rk_arena a;
	uint8_t *b;
	struct rk_str plain = RK_STR_NULL;
	struct kp_records_iter it;
	struct kp_record r;

	rk_arena_init(&a, BATCH_MAX);
	enum rk_err err = load(l, s, pos, len, &a, &b);
	enum kp_codec codec =
	    err == RK_OK ? (enum kp_codec)(kp_batch_attr(b) & KP_ATTR_CODEC) : KP_NONE;
	if (err == RK_OK && codec != KP_NONE
	    && kp_inflate_all(codec, b + KP_BATCH_HEAD, len - KP_BATCH_HEAD, PLAIN_MAX, &a, &plain)
		   != RK_OK)
		err = RK_UNKNOWN_SERVER_ERROR; /* the disk is sound, the producer was not */
	if (err == RK_OK) {
		kp_records_start(&it, b, codec == KP_NONE ? NULL : (const uint8_t *)plain.at,
		    plain.len < 0 ? 0 : (size_t)plain.len);
		err = RK_NOT_FOUND;
		while (err == RK_NOT_FOUND && kp_records_next(&it, &r))
			if (r.ms >= ms && r.offset >= from) {
				*to = (struct st_stamp){r.offset, r.ms, kp_batch_epoch(b)};
				err = RK_OK;
			}
		if (it.bad)
			err = codec != KP_NONE ? RK_UNKNOWN_SERVER_ERROR : RK_CORRUPT_MESSAGE;
	}
	rk_arena_free(&a);
	return err;
}

/* A place at or before the first batch with a timestamp of ms or more: behind the last time entry
 * below it. */
static enum rk_err
near(struct st_log *l, struct st_segment *s, int64_t ms, int64_t from, uint32_t *pos)
{
	uint8_t entry[ST_TIMES];
	uint32_t i, len;
	int64_t offset = s->base;

	enum rk_err err = st_segment_indexed(l, s);
	if (err == RK_OK)
		err = st_index_floor(&s->times, ms - 1, entry, &i);
	if (err == RK_OK)
		offset += (int32_t)rk_get32(entry + 8);
	if (err == RK_OK || err == RK_NOT_FOUND)
		err = st_segment_find(l, s, rk_max(offset, from), pos, &len);
	return err;
}

static enum rk_err
in_segment(struct st_log *l, struct st_segment *s, int64_t ms, int64_t from, struct st_stamp *to)
{
	struct st_scan scan;
	uint32_t pos;

	enum rk_err err = near(l, s, ms, from, &pos);
	if (err == RK_OK)
		err = st_segment_open(l, s, false);
	if (err != RK_OK)
		return err;
	st_scan_begin(&scan, s, pos, 0, false);
	while ((err = st_scan_next(&scan)) == RK_OK) {
		if (kp_batch_max_ms(scan.batch) < ms || kp_batch_last(scan.batch) < from)
			continue;
		err = in_batch(l, s, scan.at, scan.len, ms, from, to);
		if (err != RK_NOT_FOUND)
			break;
	}
	st_scan_end(&scan);
	return err;
}

enum rk_err
st_log_find_time(struct st_log *l, int64_t ms, int64_t limit, struct st_stamp *to)
{
	enum rk_err err = st_log_warm(l);

	*to = (struct st_stamp){-1, -1, -1};
	for (uint32_t i = 0; err == RK_OK && i < l->hot->count; i++) {
		struct st_segment *s = &l->hot->seg[i];
		if (s->base >= limit)
			break;
		if (i + 1 < l->hot->count && l->hot->seg[i + 1].base <= l->start)
			continue;
		err = st_segment_times(l, s);
		if (err != RK_OK || s->max_ms < ms)
			continue;
		err = in_segment(l, s, ms, l->start, to);
		if (err == RK_OK)
			break;
		err = err == RK_NOT_FOUND ? RK_OK : err;
	}
	if (to->offset >= limit)
		*to = (struct st_stamp){-1, -1, -1};
	return judged(err);
}

enum rk_err
st_log_find_max_time(struct st_log *l, struct st_stamp *to)
{
	struct st_segment *best = NULL;
	uint32_t pos, len;
	enum rk_err err = st_log_warm(l);

	*to = (struct st_stamp){-1, -1, -1};
	for (uint32_t i = 0; err == RK_OK && i < l->hot->count; i++) {
		struct st_segment *s = &l->hot->seg[i];
		err = st_segment_times(l, s);
		if (err == RK_OK && s->max_ms >= 0 && (best == NULL || s->max_ms > best->max_ms))
			best = s;
	}
	if (err == RK_OK && best != NULL) {
		err = st_segment_find(l, best, best->max_last, &pos, &len);
		if (err == RK_OK)
			err = in_batch(l, best, pos, len, best->max_ms, 0, to);
	}
	return judged(err);
}
