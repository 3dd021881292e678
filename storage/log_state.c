/* log_state.c - what a log knows besides its records: leader epochs, producers; in memory and on
 * disk.
 *
 * Both can be made anew from the records. The epoch checkpoint is replaced when an epoch's first
 * record is appended: its new text is written beside, synced in the next round, renamed, and the
 * folder synced in the round after; until then the recovery point stays below the epoch's start, so
 * that a start after a crash reads its batches again. Producer snapshots are not synced at all: one
 * that is torn fails its CRC, and the one before it, with more batches to replay, does as well. */
#include "storage/log_in.h"
#include "base/mem.h"
#include "protocol/batch.h"

enum { STATE_MAX = 256 << 20, SNAPSHOT_NAME = 29 };

/* --- epochs */
enum rk_err
st_log_load_epochs(struct st_log *l, struct st_epochs *e)
{
	char path[PATH_MAX];
	struct rk_arena a;
	struct rk_str text;

	e->count = 0;
	if (!st_log_file(l, "leader-epoch-checkpoint", path))
		return RK_KAFKA_STORAGE_ERROR;
	rk_arena_init(&a, STATE_MAX);
	enum rk_err err = rk_env_slurp(st_log_env(l), path, &a, &text);
	if (err == RK_OK)
		err = st_epochs_read(e, text);
	rk_arena_free(&a);
	return err;
}

enum rk_err
st_log_save_epochs(struct st_log *l, int64_t below)
{
	char path[PATH_MAX];
	struct rk_arena a;
	enum rk_err err = RK_NO_MEMORY;

	rk_arena_init(&a, STATE_MAX);
	struct rk_str text = st_epochs_write(&l->hot->epochs, &a);
	if (text.len >= 0 && st_log_file(l, "leader-epoch-checkpoint", path))
		err = rk_env_spill(st_log_env(l), path, text.at, (uint32_t)text.len);
	rk_arena_free(&a);
	if (err == RK_NO_SPACE) {
		l->hot->epochs_dirty = true;
		l->hot->epochs_safe = rk_min(l->hot->epochs_safe, below);
		return RK_OK;
	}
	if (err != RK_OK)
		return err;
	l->hot->epochs_dirty = l->hot->epochs_named = false;
	l->hot->epochs_safe = INT64_MAX;
	return RK_OK;
}

void
st_log_note_epoch(struct st_log *l, int32_t epoch, int64_t offset)
{
	struct st_hot *h = l->hot;

	if (epoch < 0 || !st_epochs_begin(&h->epochs, epoch, offset))
		return;
	h->epochs_dirty = true;
	h->epochs_safe = rk_min(h->epochs_safe, offset);
	l->last_epoch = epoch;
	l->begun = -1;
}

void
st_log_begin_epoch(struct st_log *l, int32_t epoch)
{
	rk_assert(l->magic == ST_LOG_MAGIC && epoch >= 0);
	if (epoch > l->begun && (l->last_epoch < 0 || epoch > l->last_epoch))
		l->begun = epoch;
}

int32_t
st_log_last_epoch(struct st_log *l)
{
	struct st_epochs e = {0};

	rk_assert(l->magic == ST_LOG_MAGIC);
	if (l->begun >= 0)
		return l->begun;
	if (l->last_epoch > -2)
		return l->last_epoch;
	if (l->hot != NULL) {
		l->last_epoch = st_epochs_last(&l->hot->epochs);
		return l->last_epoch;
	}
	/* A cold log stays cold: its one small file says it. */
	enum rk_err err = st_log_load_epochs(l, &e);
	if (err == RK_OK || err == RK_NOT_FOUND) {
		st_epochs_cut_end(&e, l->end);
		if (err == RK_OK || l->start == l->end)
			l->last_epoch = st_epochs_last(&e);
	}
	st_epochs_free(&e);
	if (l->last_epoch == -2)
		l->last_epoch = st_log_warm(l) == RK_OK ? st_epochs_last(&l->hot->epochs) : -1;
	return l->last_epoch;
}

int32_t
st_log_epoch_at(struct st_log *l, int64_t offset)
{
	if (offset >= l->end && l->begun >= 0)
		return l->begun;
	return st_log_warm(l) == RK_OK ? st_epochs_at(&l->hot->epochs, offset) : -1;
}

void
st_log_epoch_end(struct st_log *l, int32_t asked, int32_t *epoch, int64_t *end)
{
	int32_t last = st_log_last_epoch(l);

	*epoch = -1;
	*end = -1;
	if (last >= 0 && asked >= last) {
		*epoch = last;
		*end = l->end;
	} else if (st_log_warm(l) == RK_OK) {
		st_epochs_end(&l->hot->epochs, asked, l->end, epoch, end);
	}
	rk_assert(*end <= l->end);
}

/* --- producers */
struct st_producers *
st_log_producers(struct st_log *l)
{
	if (st_log_warm(l) != RK_OK)
		return NULL;
	if (l->hot->producers == NULL && st_log_load_producers(l, l->end, INT64_MAX) != RK_OK)
		return NULL;
	return l->hot->producers;
}

int64_t
st_log_first_open(struct st_log *l)
{
	struct st_producers *p = st_log_producers(l);

	return p == NULL ? -1 : st_producers_first_open(p);
}

int64_t
st_log_first_unstable(struct st_log *l, int64_t high)
{
	struct st_producers *p = st_log_producers(l);

	return p == NULL ? -1 : st_producers_first_unstable(p, high);
}

enum rk_err
st_log_note_producer(
    struct st_log *l, uint32_t seg, const uint8_t *batch, uint32_t got, bool note_aborts)
{
	struct st_producers *t = l->hot->producers;
	struct st_ended e;

	if (kp_batch_producer(batch) < 0)
		return RK_OK;
	rk_assert(t != NULL && seg < l->hot->count);
	if (!st_producers_note(t, batch, got, &e) || !e.aborted || !note_aborts)
		return RK_OK;
	int64_t first = st_producers_first_open(t);
	struct st_aborted a = {e.producer_id, e.first, e.last, first >= 0 ? first : e.last + 1};
	return st_segment_abort(l, &l->hot->seg[seg], &a);
}

static enum rk_err
write_file(struct st_log *l, int64_t offset, const char *suffix, struct rk_str bytes)
{
	char path[PATH_MAX];
	struct rk_file *f;

	if (!st_segment_path(l, offset, suffix, path))
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = rk_file_open(st_log_env(l), path, RK_OPEN_CREATE, &f);
	if (err != RK_OK)
		return err;
	err = rk_file_truncate(f, 0);
	if (err == RK_OK)
		err = rk_file_write(f, 0, bytes.at, (uint32_t)bytes.len);
	rk_file_drop(f);
	l->hot->folder_dirty = true;
	return err;
}

void
st_log_remove_snapshot(struct st_log *l, int64_t offset)
{
	char path[PATH_MAX];

	/* Either may be absent; one that stays is past its use, and found out by its offset. */
	if (st_segment_path(l, offset, ".snapshot", path))
		(void)!rk_path_remove(st_log_env(l), path);
	if (st_segment_path(l, offset, ".batches", path))
		(void)!rk_path_remove(st_log_env(l), path);
}

static bool
is_base(const struct st_log *l, int64_t offset)
{
	return l->hot->count > 0 && l->hot->seg[st_log_floor(l, offset)].base == offset;
}

static void
keep_stray(struct st_log *l, int64_t offset)
{
	struct st_hot *h = l->hot;

	if (h->stray[ST_STRAYS - 1] == offset)
		return;
	if (h->stray[0] >= 0 && !is_base(l, h->stray[0]))
		st_log_remove_snapshot(l, h->stray[0]);
	memmove(h->stray, h->stray + 1, (ST_STRAYS - 1) * sizeof h->stray[0]);
	h->stray[ST_STRAYS - 1] = offset;
}

enum rk_err
st_log_snapshot(struct st_log *l)
{
	struct rk_arena a;
	struct rk_str kafka, more;

	if (st_log_producers(l) == NULL)
		return RK_KAFKA_STORAGE_ERROR;
	/* One that is there, and whole, may be on stable storage: writing it again would put that
	 * at risk. */
	if (l->hot->stray[ST_STRAYS - 1] == l->end)
		return RK_OK;
	rk_arena_init(&a, STATE_MAX);
	st_producers_write(l->hot->producers, &a, &kafka, &more);
	enum rk_err err = a.over ? RK_NO_MEMORY : write_file(l, l->end, ".snapshot", kafka);
	if (err == RK_OK && more.len > 0)
		err = write_file(l, l->end, ".batches", more);
	rk_arena_free(&a);
	if (err != RK_OK)
		return err;
	l->hot->since_snapshot = 0;
	keep_stray(l, l->end);
	return RK_OK;
}

/* --- loading */
struct offsets {
	int64_t *at;
	uint32_t count, cap;
};

static void
snapshots_only(void *arg, const char *name, bool is_dir)
{
	struct offsets *o = arg;
	int64_t v;

	if (is_dir || strlen(name) != SNAPSHOT_NAME || strcmp(name + 20, ".snapshot") != 0
	    || !rk_str_int((struct rk_str){name, 20}, &v) || v < 0)
		return;
	*(int64_t *)rk_mem_room((void **)&o->at, o->count, &o->cap, sizeof v) = v;
	o->count++;
}

static enum rk_err
read_snapshot(struct st_log *l, int64_t offset)
{
	char path[PATH_MAX];
	struct rk_arena a;
	struct rk_str kafka, more = RK_STR_NULL;

	if (!st_segment_path(l, offset, ".snapshot", path))
		return RK_KAFKA_STORAGE_ERROR;
	rk_arena_init(&a, STATE_MAX);
	enum rk_err err = rk_env_slurp(st_log_env(l), path, &a, &kafka);
	if (err == RK_OK && st_segment_path(l, offset, ".batches", path)
	    && rk_env_slurp(st_log_env(l), path, &a, &more) != RK_OK)
		more = RK_STR_NULL;
	l->hot->ours |= more.len >= 0;
	if (err == RK_OK)
		err = st_producers_read(l->hot->producers, kafka, more);
	rk_arena_free(&a);
	if (err == RK_CORRUPT_MESSAGE) {
		rk_say(RK_WARN,
		    "%s/%s-%" PRId32 "/%020" PRId64
		    ".snapshot is torn and is removed; an older one is used",
		    l->dir->path, l->entry->topic, l->entry->partition, offset);
		st_log_remove_snapshot(l, offset);
	}
	return err;
}

/* Replays batches from offset to the end. */
static enum rk_err
replay(struct st_log *l, int64_t offset, int64_t txn_from)
{
	struct st_scan scan;
	uint32_t pos, len;

	for (uint32_t i = st_log_floor(l, offset); i < l->hot->count; i++) {
		struct st_segment *s = &l->hot->seg[i];
		enum rk_err err = st_segment_find(l, s, offset, &pos, &len);
		if (err == RK_NOT_FOUND)
			continue;
		if (err == RK_OK)
			err = st_segment_open(l, s, false);
		if (err != RK_OK)
			return err;
		st_scan_begin(&scan, s, pos, 0, false);
		while (err == RK_OK && (err = st_scan_next(&scan)) == RK_OK) {
			bool control = (kp_batch_attr(scan.batch) & KP_ATTR_CONTROL) != 0;
			uint32_t got = control ? scan.got : KP_BATCH_HEAD;
			err = st_log_note_producer(
			    l, i, scan.batch, got, kp_batch_last(scan.batch) >= txn_from);
		}
		st_scan_end(&scan);
		if (err != RK_NOT_FOUND)
			return err;
	}
	return RK_OK;
}

/* Snapshots past the end tell of records that are gone, and must be gone, durably, before others
 * take their offsets. Of the rest, those of segments and the last two stay. */
static enum rk_err
prune(struct st_log *l, struct offsets *o)
{
	char path[PATH_MAX];
	uint32_t had = o->count;

	for (uint32_t i = 0; i < ST_STRAYS; i++)
		l->hot->stray[i] = -1;
	while (o->count > 0 && o->at[o->count - 1] > l->end)
		st_log_remove_snapshot(l, o->at[--o->count]);
	for (uint32_t i = 0; i < o->count; i++)
		if (i + ST_STRAYS >= o->count)
			l->hot->stray[i + ST_STRAYS - o->count] = o->at[i];
		else if (!is_base(l, o->at[i]))
			st_log_remove_snapshot(l, o->at[i]);
	return o->count == had ? RK_OK : rk_dir_sync(st_log_env(l), st_log_path(l, path));
}

static enum rk_err
list_snapshots(struct st_log *l, struct offsets *o)
{
	char path[PATH_MAX];
	enum rk_err err = rk_dir_list(st_log_env(l), st_log_path(l, path), snapshots_only, o);

	if (o->count > 1)
		qsort(o->at, o->count, sizeof o->at[0], rk_by_i64);
	return err;
}

enum rk_err
st_log_drop_snapshots(struct st_log *l)
{
	struct offsets o = {0};
	enum rk_err err = list_snapshots(l, &o);

	for (uint32_t i = 0; i < o.count; i++)
		st_log_remove_snapshot(l, o.at[i]);
	rk_mem_put(o.at);
	for (uint32_t i = 0; i < ST_STRAYS; i++)
		l->hot->stray[i] = -1;
	return err;
}

static void
not_kept(struct st_log *l, int64_t offset)
{
	for (uint32_t i = 0; i < ST_STRAYS; i++)
		if (l->hot->stray[i] == offset)
			l->hot->stray[i] = -1;
}

/* The newest snapshot that can be read; but an older one with all five batches of each producer,
 * and the records behind it, knows more than one that lost its companion. */
static enum rk_err
choose(struct st_log *l, struct offsets *o, int64_t from, int64_t *offset)
{
	int64_t base = *offset, newest = -1;
	enum rk_err err = RK_OK;

	for (uint32_t i = o->count; err == RK_OK && i-- > 0;) {
		if (o->at[i] > from || (newest >= 0 && o->at[i] < base))
			continue;
		err = read_snapshot(l, o->at[i]);
		if (err != RK_OK || !st_producers_whole(l->hot->producers))
			not_kept(l, o->at[i]);
		if (err == RK_OK) {
			*offset = rk_max(base, o->at[i]);
			newest = rk_max(newest, o->at[i]);
			if (st_producers_whole(l->hot->producers)) {
				l->hot->all_known = true;
				return RK_OK;
			}
		}
		err = err == RK_CORRUPT_MESSAGE || err == RK_NOT_FOUND ? RK_OK : err;
	}
	/* Ours has a whole one at each segment that is stable: with companions, and none of them
	 * good, hardly anything was, and the log tells it itself. Kafka's has none. */
	if (err == RK_OK && base == 0
	    && (l->hot->ours || st_log_bytes(l) <= 4 * l->rules->segment_bytes)) {
		*offset = 0;
		st_producers_clear(l->hot->producers);
		newest = -1;
	} else if (err == RK_OK && newest >= 0) {
		*offset = rk_max(base, newest);
		err = read_snapshot(l, newest);
	}
	l->hot->all_known = newest < 0 && base == 0;
	return err;
}

enum rk_err
st_log_load_producers(struct st_log *l, int64_t from, int64_t txn_from)
{
	struct offsets o = {0};
	char path[PATH_MAX];

	rk_assert(l->hot != NULL && from <= l->end);
	enum rk_err err = list_snapshots(l, &o);
	if (err == RK_OK)
		err = prune(l, &o);
	st_producers_free(l->hot->producers);
	l->hot->producers = st_producers_new();
	int64_t offset = l->hot->seg[0].base;
	if (err == RK_OK)
		err = choose(l, &o, from, &offset);
	rk_mem_put(o.at);
	if (err == RK_OK)
		err = replay(l, offset, txn_from);
	if (err != RK_OK) {
		rk_say(RK_ERROR, "%s: the producers' state cannot be rebuilt (%s)",
		    st_log_path(l, path), rk_err_text(err));
		st_producers_free(l->hot->producers);
		l->hot->producers = NULL;
	}
	return err;
}
