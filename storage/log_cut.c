/* log_cut.c - forgetting: the end (truncation), the beginning (retention), or everything (restart).
 *
 * A crash may come between any two steps. So first the recovery point on disk is lowered to where
 * the log is going to end (what is written there later is not what it vouches for); then segments
 * go, the newest first, so that the row never has a hole; and nothing is answered before it all is
 * on stable storage. */
#include "storage/log_in.h"

/* Snapshots past the end tell of batches that are no more. */
static enum rk_err
reload_producers(struct st_log *l)
{
	enum rk_err err = st_log_load_producers(l, l->end, INT64_MAX);

	l->hot->folder_dirty = true;
	return err;
}

/* The log ends at offset from now on, as far as anybody can see. */
static enum rk_err
lower(struct st_log *l, int64_t offset)
{
	st_compact_void(l);
	l->stable = rk_min(l->stable, offset);
	l->end = rk_min(l->end, offset);
	l->start = rk_min(l->start, offset);
	if (l->sync != NULL)
		l->sync->target = rk_min(l->sync->target, offset);
	l->begun = -1;
	l->hot->settled = l->hot->settling = false;
	st_log_forget_recent(l);
	return st_dir_lower(l->dir, l->entry, offset);
}

static enum rk_err
cut_row(struct st_log *l, int64_t offset)
{
	uint32_t pos, len;
	enum rk_err err = RK_OK;

	while (err == RK_OK && l->hot->count > 1 && st_log_active(l)->base >= offset)
		err = st_log_drop_segment(l, l->hot->count - 1);
	struct st_segment *s = st_log_active(l);
	if (err == RK_OK)
		err = st_segment_find(l, s, offset, &pos, &len);
	if (err == RK_OK)
		err = st_segment_cut(l, s, pos, offset);
	else if (err == RK_NOT_FOUND)
		err = st_segment_cut(l, s, s->bytes, rk_max(offset, s->base));
	s->dirty = s->closing = true;
	return err;
}

static enum rk_err
finish(struct st_log *l, enum rk_err err)
{
	if (err == RK_OK)
		err = reload_producers(l);
	if (err == RK_OK)
		err = st_log_save_epochs(l, l->end);
	if (err == RK_OK)
		err = st_log_sync_wait(l);
	if (err != RK_OK)
		st_log_break(l, "the log could not be cut", err);
	return err;
}

enum rk_err
st_log_truncate(struct st_log *l, int64_t offset)
{
	rk_assert(l->magic == ST_LOG_MAGIC && offset >= 0);
	if (st_log_broken(l))
		return RK_KAFKA_STORAGE_ERROR;
	if (offset >= l->end) {
		l->begun = -1;
		return RK_OK;
	}
	enum rk_err err = st_log_warm(l);
	if (err != RK_OK)
		return err;
	if (offset < l->hot->seg[0].base)
		return st_log_restart(l, offset);
	err = lower(l, offset);
	if (err == RK_OK)
		err = cut_row(l, offset);
	st_epochs_cut_end(&l->hot->epochs, offset);
	l->last_epoch = st_epochs_last(&l->hot->epochs);
	rk_assert(l->end == offset);
	return finish(l, err);
}

enum rk_err
st_log_restart(struct st_log *l, int64_t offset)
{
	rk_assert(l->magic == ST_LOG_MAGIC && offset >= 0);
	if (st_log_broken(l))
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = st_log_warm(l);
	if (err != RK_OK)
		return err;
	err = lower(l, rk_min(offset, l->hot->seg[0].base));
	if (err == RK_OK)
		err = st_log_drop_snapshots(l);
	while (err == RK_OK && l->hot->count > 0)
		err = st_log_drop_segment(l, l->hot->count - 1);
	l->start = l->end = l->stable = offset;
	l->hot->epochs.count = 0;
	l->last_epoch = -1;
	if (err == RK_OK)
		err = st_log_grow(l, offset);
	if (err != RK_OK && l->hot->count == 0) {
		/* A row without a segment is no log: what is said of it next is that it is broken.
		 */
		st_log_break(l, "no segment could be made", err);
		return err;
	}
	return finish(l, err);
}

enum rk_err
st_log_set_start(struct st_log *l, int64_t offset)
{
	rk_assert(l->magic == ST_LOG_MAGIC);
	if (offset > l->end)
		return RK_OFFSET_OUT_OF_RANGE;
	if (offset <= l->start)
		return RK_OK;
	l->start = offset;
	/* The file follows with the next change or truncation; when it is read, it is cut to the
	 * start. */
	if (l->hot != NULL)
		st_epochs_cut_start(&l->hot->epochs, offset);
	return RK_OK;
}

/* --- retention */
static int64_t
upper(const struct st_log *l, uint32_t i)
{
	return i + 1 < l->hot->count ? l->hot->seg[i + 1].base : l->end;
}

/* Whether the oldest segment has outlived the rules; over: bytes that the log holds past
 * retention.bytes. */
static bool
outlived(struct st_log *l, int64_t over, int64_t now_ms)
{
	struct st_segment *s = &l->hot->seg[0];
	const struct st_rules *r = l->rules;

	if (upper(l, 0) <= l->start && l->hot->count > 1)
		return true;
	if (!r->delete_old)
		return false;
	if (r->retention_bytes >= 0 && over >= s->bytes && s->bytes > 0)
		return true;
	return r->retention_ms >= 0 && st_segment_times(l, s) == RK_OK && s->max_ms >= 0
	       && now_ms - s->max_ms > r->retention_ms;
}

/* A cold log does not grow, so what was seen when it was last looked at still tells whether to look
 * again. */
static bool
worth_a_look(const struct st_log *l, int64_t now_ms)
{
	const struct st_rules *r = l->rules;

	if (l->hot != NULL || !l->looked)
		return l->hot != NULL || r->delete_old;
	if (l->start >= l->oldest_end)
		return true;
	return r->delete_old
	       && ((r->retention_bytes >= 0 && l->bytes > r->retention_bytes)
		   || (r->retention_ms >= 0 && l->oldest_ms >= 0
		       && now_ms - l->oldest_ms > r->retention_ms));
}

static void
look(struct st_log *l)
{
	l->looked = st_segment_times(l, &l->hot->seg[0]) == RK_OK;
	l->oldest_ms = l->hot->seg[0].max_ms;
	l->oldest_end = l->hot->count > 1 ? upper(l, 0) : INT64_MAX;
	l->bytes = st_log_bytes(l);
}

int64_t
st_log_clean(struct st_log *l, int64_t limit, int64_t now_ms)
{
	char path[PATH_MAX];
	int64_t freed = 0;
	bool cold = l->hot == NULL;

	if (l->compact != NULL) /* it owns the row; there is a next time */
		return 0;
	if (st_log_broken(l) || !worth_a_look(l, now_ms) || st_log_warm(l) != RK_OK)
		return 0;
	int64_t over =
	    l->rules->retention_bytes < 0 ? -1 : st_log_bytes(l) - l->rules->retention_bytes;
	while (upper(l, 0) <= limit && st_log_active(l)->bytes + (int64_t)l->hot->count > 1
	       && outlived(l, over, now_ms)) {
		int64_t bytes = l->hot->seg[0].bytes, next = upper(l, 0);
		if (l->hot->count == 1) {
			l->hot->settled = false;
			if (l->stable < l->end || st_log_roll(l, l->end) != RK_OK)
				break;
		}
		enum rk_err err = st_log_drop_segment(l, 0);
		if (err != RK_OK) {
			rk_say(RK_WARN,
			    "%s: an old segment could not be removed (%s); it is tried again later",
			    st_log_path(l, path), rk_err_text(err));
			break;
		}
		l->start = rk_max(l->start, next);
		st_epochs_cut_start(&l->hot->epochs, l->start);
		over -= bytes;
		freed += bytes;
	}
	look(l);
	if (cold)
		st_log_cool(l);
	return freed;
}
