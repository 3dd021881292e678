/* log_sync.c - group commit: rounds of fdatasync that move the stable end.
 *
 * One round at a time and log. A round names the files that were written since the last one began,
 * asks for all of them at once, and when the last has answered the stable end moves to where the
 * log's end was when it began. Whoever asks meanwhile is served by the one round that follows. What
 * a round carries is told in log_in.h. */
#include "storage/log_in.h"
#include "base/mem.h"

enum { STATE_MAX = 256 << 20 };

static void start_round(struct st_log *);
static bool clean(const struct st_log *);

struct list {
	struct rk_file **at;
	uint32_t count, cap;
};

static void
take(struct list *x, struct rk_file *f)
{
	*(struct rk_file **)rk_mem_room((void **)&x->at, x->count, &x->cap, sizeof(f)) = f;
	x->count++;
}

static void
take_held(struct list *x, struct rk_file *f)
{
	rk_file_hold(f);
	take(x, f);
}

/* Adds a file that is not kept open. A folder is opened like a file: syncing it makes its names
 * durable. */
static enum rk_err
take_path(struct st_log *l, struct list *x, const char *path)
{
	struct rk_file *f;
	enum rk_err err = rk_file_open(st_log_env(l), path, RK_OPEN_READ, &f);

	if (err == RK_OK)
		take(x, f);
	return err;
}

/* A world whose folders are not files: then it waits. */
static enum rk_err
take_folder(struct st_log *l, struct list *x, const char *path)
{
	return take_path(l, x, path) == RK_OK ? RK_OK : rk_dir_sync(st_log_env(l), path);
}

static enum rk_err
take_segment(struct st_log *l, struct list *x, struct st_segment *s)
{
	char path[PATH_MAX];
	enum rk_err err = RK_OK;

	if (s->dirty) {
		err = st_segment_open(l, s, false);
		if (err != RK_OK)
			return err;
		take_held(x, s->log);
	}
	if (s->closing && s->offsets.file != NULL)
		take_held(x, s->offsets.file);
	if (s->closing && s->times.file != NULL)
		take_held(x, s->times.file);
	if (s->txn_dirty && st_segment_path(l, s->base, ".txnindex", path))
		err = take_path(l, x, path);
	s->dirty = s->closing = s->txn_dirty = false;
	return err;
}

/* Either file may be missing: there is no companion without a producer, and a truncation removes
 * both. */
static void
take_snapshot(struct st_log *l, struct list *x, int64_t offset)
{
	char path[PATH_MAX];

	if (st_segment_path(l, offset, ".snapshot", path))
		(void)!take_path(l, x, path);
	if (st_segment_path(l, offset, ".batches", path))
		(void)!take_path(l, x, path);
}

/* Writes the epochs' text beside the checkpoint. A full disk only puts it off. */
static enum rk_err
take_epochs(struct st_log *l, struct list *x, bool *taken)
{
	char path[PATH_MAX];
	struct rk_arena a;
	struct rk_file *f;

	*taken = false;
	if (!st_log_file(l, "leader-epoch-checkpoint.tmp", path))
		return RK_KAFKA_STORAGE_ERROR;
	rk_arena_init(&a, STATE_MAX);
	struct rk_str text = st_epochs_write(&l->hot->epochs, &a);
	enum rk_err err =
	    text.len < 0 ? RK_NO_SPACE : rk_file_open(st_log_env(l), path, RK_OPEN_CREATE, &f);
	if (err == RK_OK) {
		err = rk_file_truncate(f, 0);
		if (err == RK_OK)
			err = rk_file_write(f, 0, text.at, (uint32_t)text.len);
		if (err == RK_OK)
			take(x, f);
		else
			rk_file_drop(f);
	}
	rk_arena_free(&a);
	*taken = err == RK_OK;
	l->hot->epochs_dirty = err != RK_OK;
	return err == RK_NO_SPACE ? RK_OK : err;
}

static enum rk_err
take_all(struct st_log *l, struct list *x, bool *epochs)
{
	struct st_hot *h = l->hot;
	char path[PATH_MAX];
	enum rk_err err = RK_OK;

	/* What is dirty stands at the end of the row. */
	for (uint32_t i = h->count; err == RK_OK && i-- > 0;) {
		if (!h->seg[i].dirty && !h->seg[i].txn_dirty && i + 1 < h->count)
			break;
		bool rolled = h->seg[i].closing && i + 1 < h->count;
		err = take_segment(l, x, &h->seg[i]);
		if (err == RK_OK && rolled)
			take_snapshot(l, x, h->seg[i + 1].base);
	}
	*epochs = false;
	if (err == RK_OK && h->epochs_dirty)
		err = take_epochs(l, x, epochs);
	if (err == RK_OK && h->settling)
		take_snapshot(l, x, l->end);
	if (err == RK_OK && h->root_dirty && st_log_file(l, "partition.metadata", path)) {
		err = take_path(l, x, path);
		if (err == RK_NOT_FOUND)
			err = RK_OK; /* lost with the power, before anything was promised: it is written anew */
	}
	if (err == RK_OK && h->root_dirty)
		err = take_folder(l, x, l->dir->path);
	if (err == RK_OK && h->folder_dirty)
		err = take_folder(l, x, st_log_path(l, path));
	if (err == RK_OK && x->count == 0) { /* a round has an answer to wait for */
		st_log_active(l)->dirty = true;
		err = take_segment(l, x, st_log_active(l));
	}
	return err;
}

static void
round_epochs(struct st_log *l, const struct st_sync *r)
{
	struct st_hot *h = l->hot;
	char from[PATH_MAX], to[PATH_MAX];

	if (r->named && !r->epochs && !h->epochs_dirty) {
		h->epochs_named = false;
		h->epochs_safe = INT64_MAX;
	}
	if (!r->epochs || !st_log_file(l, "leader-epoch-checkpoint.tmp", from)
	    || !st_log_file(l, "leader-epoch-checkpoint", to))
		return;
	enum rk_err err = rk_path_rename(st_log_env(l), from, to);
	if (err == RK_NOT_FOUND)
		return; /* a truncation has written a newer one meanwhile */
	if (err != RK_OK) {
		st_log_break(l, "the leader epochs could not be written", err);
		return;
	}
	h->epochs_named = h->folder_dirty = true;
	l->again = true;
}

static void
finish_round(struct st_sync *r)
{
	struct st_log *l = r->log;

	rk_list_del(&r->in_dir);
	for (uint32_t i = 0; i < r->count; i++)
		rk_file_drop(r->file[i]);
	if (l != NULL) {
		rk_assert(l->magic == ST_LOG_MAGIC && l->sync == r);
		l->sync = NULL;
		if (r->err != RK_OK)
			st_log_break(l, "records could not be brought to stable storage", r->err);
		if (!st_log_broken(l)) {
			l->stable = rk_max(l->stable, rk_min(r->target, l->end));
			round_epochs(l, r);
			if (r->settles) {
				l->hot->settled = r->target == l->end;
				l->hot->settling = false;
			}
		}
		bool more = l->again && !st_log_broken(l) && !clean(l);
		l->again = false;
		if (more)
			start_round(l);
	}
	rk_mem_put(r);
	/* Last, for the watcher may close the log. */
	if (l != NULL && l->on_stable != NULL)
		l->on_stable(l->on_stable_arg, l);
}

static void
synced(void *arg, enum rk_err err)
{
	struct st_sync *r = arg;

	rk_assert(r->left > 0);
	if (r->err == RK_OK)
		r->err = err;
	if (--r->left == 0)
		finish_round(r);
}

static void
start_round(struct st_log *l)
{
	struct st_hot *h = l->hot;
	struct list x = {0};
	bool epochs;

	rk_assert(l->sync == NULL && h != NULL);
	enum rk_err err = take_all(l, &x, &epochs);
	if (err != RK_OK) {
		for (uint32_t i = 0; i < x.count; i++)
			rk_file_drop(x.at[i]);
		rk_mem_put(x.at);
		st_log_break(l, "a file could not be opened to be synced", err);
		return;
	}
	rk_assert(x.count > 0);
	struct st_sync *r = rk_mem_get(sizeof *r + x.count * sizeof r->file[0]);
	r->log = l;
	r->dir = l->dir;
	r->target = l->end;
	r->left = r->count = x.count;
	r->epochs = epochs;
	r->named = h->epochs_named && h->folder_dirty;
	r->settles = h->settling;
	memcpy(r->file, x.at, x.count * sizeof r->file[0]);
	rk_mem_put(x.at);
	rk_list_add(&l->dir->syncs, &r->in_dir);
	l->sync = r;
	h->folder_dirty = h->root_dirty = false;
	h->unsynced_ms = -1;
	h->unsynced_from = l->end;
	for (uint32_t i = 0; i < r->count; i++)
		rk_file_sync(r->file[i], synced, r);
}

static bool
clean(const struct st_log *l)
{
	const struct st_hot *h = l->hot;

	return l->stable == l->end && !h->folder_dirty && !h->root_dirty && !h->epochs_dirty
	       && !h->settling && !h->seg[h->count - 1].dirty;
}

void
st_log_sync(struct st_log *l)
{
	rk_assert(l->magic == ST_LOG_MAGIC);
	if (l->hot == NULL || st_log_broken(l))
		return;
	if (l->sync != NULL)
		l->again = true;
	else if (!clean(l))
		start_round(l);
}

void
st_log_flush(struct st_log *l, int64_t wall_ms)
{
	if (l->hot != NULL && l->hot->unsynced_ms >= 0
	    && wall_ms - l->hot->unsynced_ms >= l->rules->flush_ms)
		st_log_sync(l);
}

enum rk_err
st_log_settle(struct st_log *l)
{
	struct st_segment *s = st_log_active(l);

	rk_assert(l->sync == NULL || !l->hot->settling);
	enum rk_err err = st_segment_finish(l, s);
	if (err == RK_OK && l->rules->preallocate)
		err = rk_file_truncate(s->log, s->bytes);
	if (err == RK_OK)
		err = st_log_snapshot(l);
	if (err != RK_OK)
		return err;
	s->dirty = s->closing = true;
	l->hot->settling = true;
	return RK_OK;
}

enum rk_err
st_log_sync_wait(struct st_log *l)
{
	struct list x = {0};
	bool epochs;

	rk_assert(l->hot != NULL);
	enum rk_err err = take_all(l, &x, &epochs);
	if (l->sync != NULL) /* its files are under way, and not in the list: once more */
		for (uint32_t i = 0; i < l->sync->count; i++)
			take_held(&x, l->sync->file[i]);
	for (uint32_t i = 0; i < x.count; i++) {
		if (err == RK_OK)
			err = rk_file_sync_wait(x.at[i]);
		rk_file_drop(x.at[i]);
	}
	rk_mem_put(x.at);
	if (err == RK_OK && (epochs || l->hot->epochs_named || l->hot->epochs_safe != INT64_MAX))
		err = st_log_save_epochs(l, l->hot->epochs_safe);
	if (err != RK_OK) {
		st_log_break(l, "records could not be brought to stable storage", err);
		return err;
	}
	l->hot->folder_dirty = l->hot->root_dirty = false;
	l->hot->settled |= l->hot->settling;
	l->hot->settling = false;
	l->stable = l->end;
	return RK_OK;
}
