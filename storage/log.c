/* log.c - a log's life: made, opened, warm, cold, closed, deleted; and its row of segments. */
#include "storage/log_in.h"
#include "base/mem.h"

enum { ID_TEXT = 128 };

bool
st_log_file(const struct st_log *l, const char *name, char to[PATH_MAX])
{
	int n = snprintf(to, PATH_MAX, "%s/%s-%" PRId32 "%s%s%s", l->dir->path, l->entry->topic,
	    l->entry->partition, l->entry->tail == NULL ? "" : l->entry->tail, name[0] == '\0' ? "" : "/", name);

	rk_assert(l->magic == ST_LOG_MAGIC);
	return n > 0 && n < PATH_MAX;
}

const char *
st_log_path(const struct st_log *l, char to[PATH_MAX])
{
	if (!st_log_file(l, "", to))
		to[0] = '\0';
	return to;
}

/* --- what it holds */
int64_t
st_log_start(const struct st_log *l)
{
	rk_assert(l->magic == ST_LOG_MAGIC);
	return l->start;
}

int64_t
st_log_end(const struct st_log *l)
{
	rk_assert(l->magic == ST_LOG_MAGIC);
	return l->end;
}

int64_t
st_log_stable(const struct st_log *l)
{
	rk_assert(l->magic == ST_LOG_MAGIC && l->stable <= l->end);
	return l->stable;
}

int64_t
st_log_recovery_point(const struct st_log *l)
{
	rk_assert(l->magic == ST_LOG_MAGIC);
	return l->hot == NULL ? l->stable : rk_min(l->stable, l->hot->epochs_safe);
}

int64_t
st_log_bytes(struct st_log *l)
{
	int64_t sum = 0;

	if (st_log_warm(l) != RK_OK)
		return 0;
	for (uint32_t i = 0; i < l->hot->count; i++)
		sum += l->hot->seg[i].bytes;
	return sum;
}

bool
st_log_broken(const struct st_log *l)
{
	rk_assert(l->magic == ST_LOG_MAGIC);
	return l->broken || l->dir->failed;
}

struct st_dir *
st_log_dir(const struct st_log *l)
{
	rk_assert(l->magic == ST_LOG_MAGIC);
	return l->dir;
}

void
st_log_break(struct st_log *l, const char *why, enum rk_err err)
{
	char path[PATH_MAX];

	if (!l->broken)
		rk_say(RK_ERROR,
		    "%s: %s (%s); the log takes no more records until the node is restarted",
		    st_log_path(l, path), why, rk_err_text(err));
	l->broken = true;
	if (l->hot != NULL)
		st_log_forget_recent(l);
	st_dir_fail(l->dir, why);
}

void
st_log_forget_recent(struct st_log *l)
{
	l->hot->recent_count = 0;
}

/* --- the topic's id: partition.metadata, "version: 0\ntopic_id: <base64>" */
static enum rk_err
write_id(struct st_log *l, struct rk_uuid id)
{
	char path[PATH_MAX], text[ID_TEXT], b64[RK_UUID_TEXT];
	struct rk_file *f;

	if (!st_log_file(l, "partition.metadata", path))
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = rk_file_open(st_log_env(l), path, RK_OPEN_CREATE, &f);
	if (err != RK_OK)
		return err;
	int n = snprintf(text, sizeof text, "version: 0\ntopic_id: %s", rk_uuid_text(id, b64));
	rk_assert(n > 0 && (size_t)n < sizeof text);
	err = rk_file_truncate(f, 0);
	if (err == RK_OK)
		err = rk_file_write(f, 0, text, (uint32_t)n);
	rk_file_drop(f);
	l->topic_id = id;
	l->has_id = true;
	return err;
}

struct rk_uuid
st_log_topic_id(struct st_log *l)
{
	char path[PATH_MAX];
	struct rk_arena a;
	struct rk_str text;

	rk_assert(l->magic == ST_LOG_MAGIC);
	if (l->has_id || !st_log_file(l, "partition.metadata", path))
		return l->topic_id;
	rk_arena_init(&a, 65536);
	enum rk_err err = rk_env_slurp(st_log_env(l), path, &a, &text);
	if (err == RK_OK) {
		const char *at = strstr(text.at, "topic_id: ");
		struct rk_str id = {
		    at == NULL ? "" : at + 10, at == NULL ? 0 : (int32_t)strcspn(at + 10, " \r\n")};
		if (!rk_uuid_parse(id, &l->topic_id))
			rk_say(RK_WARN,
			    "%s holds no topic id; the one that metadata assigns will be written",
			    path);
	}
	rk_arena_free(&a);
	l->has_id = err == RK_OK || err == RK_NOT_FOUND;
	return l->topic_id;
}

enum rk_err
st_log_set_topic_id(struct st_log *l, struct rk_uuid id)
{
	char path[PATH_MAX];

	enum rk_err err = write_id(l, id);
	return err == RK_OK && st_log_file(l, "", path) ? rk_dir_sync(st_log_env(l), path) : err;
}

/* --- hot and cold */
static struct st_hot *
new_hot(void)
{
	struct st_hot *h = rk_new(struct st_hot);

	h->epochs_safe = INT64_MAX;
	h->unsynced_ms = -1;
	for (uint32_t i = 0; i < ST_STRAYS; i++)
		h->stray[i] = -1;
	return h;
}

static void
free_hot(struct st_log *l)
{
	struct st_hot *h = l->hot;

	if (h == NULL)
		return;
	for (uint32_t i = 0; i < h->count; i++)
		st_segment_close(&h->seg[i]);
	rk_mem_put(h->seg);
	st_epochs_free(&h->epochs);
	st_producers_free(h->producers);
	rk_mem_put(h);
	l->hot = NULL;
}

enum rk_err
st_log_warm(struct st_log *l)
{
	char path[PATH_MAX];
	int64_t end = l->end, start = l->start;

	rk_assert(l->magic == ST_LOG_MAGIC);
	if (l->hot != NULL)
		return RK_OK;
	if (l->broken)
		return RK_KAFKA_STORAGE_ERROR;
	l->hot = new_hot();
	l->hot->settled = true;
	enum rk_err err = st_log_scan(l, false, l->stable);
	if (err == RK_OK && l->end == end) {
		l->start = rk_max(start, l->start);
		return RK_OK;
	}
	if (err == RK_OK)
		rk_say(RK_ERROR,
		    "%s: ended at offset %" PRId64
		    " when it was closed, and its files end at %" PRId64 "; they were changed "
		    "since. Restart the node: it then checks every record and goes on with what is "
		    "there.",
		    st_log_path(l, path), end, l->end);
	free_hot(l);
	l->end = end;
	l->start = start;
	l->stable = end;
	l->broken = err != RK_NO_DESCRIPTOR; /* that one passes: the next who asks tries again */
	return RK_KAFKA_STORAGE_ERROR;
}

bool
st_log_cool(struct st_log *l)
{
	struct st_hot *h = l->hot;

	if (h == NULL)
		return true;
	if (l->broken || l->sync != NULL || l->compact != NULL || l->dir->failed)
		return false;
	if (!h->settled && !h->settling && st_log_settle(l) != RK_OK)
		return false;
	if (!h->settled)
		st_log_sync(l);
	if (!h->settled || l->stable != l->end || h->epochs_safe != INT64_MAX)
		return false;
	free_hot(l);
	return true;
}

/* --- opening */
static struct st_log *
new_log(struct st_dir *d, struct st_entry *e, const struct st_rules *rules)
{
	struct st_log *l = rk_new(struct st_log);

	rk_assert(e->log == NULL && rules != NULL);
	l->magic = ST_LOG_MAGIC;
	l->dir = d;
	l->entry = e;
	l->rules = rules;
	l->begun = -1;
	l->last_epoch = -2;
	e->log = l;
	return l;
}

void
st_log_free(struct st_log *l)
{
	if (l == NULL)
		return;
	rk_assert(l->magic == ST_LOG_MAGIC && l->entry->log == l);
	if (l->sync != NULL)
		l->sync->log = NULL;
	st_compact_void(l);
	free_hot(l);
	l->entry->left = l->entry->recovery != l->end;
	l->entry->log = NULL;
	l->magic = 0;
	rk_mem_put(l);
}

enum rk_err
st_log_create(struct st_dir *d, struct rk_str topic, int32_t partition, struct rk_uuid topic_id,
    const struct st_rules *rules, struct st_log **out)
{
	return st_log_make(d, topic, partition, topic_id, rules, NULL, out);
}

enum rk_err
st_log_make(struct st_dir *d, struct rk_str topic, int32_t partition, struct rk_uuid topic_id,
    const struct st_rules *rules, char *tail, struct st_log **out)
{
	char path[PATH_MAX];

	*out = NULL;
	if (d->failed) {
		rk_mem_put(tail);
		return RK_KAFKA_STORAGE_ERROR;
	}
	/* A deleted log of the same name may have left a recovery point that would vouch for this
	 * one. */
	enum rk_err err = d->stale ? st_dir_save(d) : RK_OK;
	struct st_entry *e = st_dir_entry(d, topic, partition, true);
	if (e->found || e->log != NULL) {
		rk_mem_put(tail);
		return RK_EXISTS;
	}
	rk_mem_put(e->tail);
	e->tail = tail;
	struct st_log *l = new_log(d, e, rules);
	e->recovery = e->start = e->high = -1;
	if (err == RK_OK)
		err = rk_dir_make(d->env, st_log_path(l, path));
	if (err == RK_OK)
		err = write_id(l, topic_id);
	l->hot = new_hot();
	if (err == RK_OK)
		err = st_log_grow(l, 0);
	if (err != RK_OK) {
		rk_say(RK_ERROR, "%s cannot be made: %s", st_log_path(l, path), rk_err_text(err));
		st_log_free(l);
		st_dir_forget(d, e);
		return err;
	}
	l->hot->producers = st_producers_new();
	l->hot->folder_dirty = l->hot->root_dirty = true;
	l->last_epoch = -1;
	e->found = true;
	*out = l;
	return RK_OK;
}

static void
least_base(void *arg, const char *name, bool is_dir)
{
	int64_t *least = arg, base;

	if (!is_dir && strlen(name) == 24 && strcmp(name + 20, ".log") == 0
	    && rk_str_int((struct rk_str){name, 20}, &base) && base < *least)
		*least = base;
}

/* Kafka's checkpoint of log starts has no line for a log that starts where its first segment does.
 */
static enum rk_err
start_of(struct st_log *l)
{
	char path[PATH_MAX];
	int64_t least = INT64_MAX;

	l->start = l->entry->start;
	if (l->start >= 0)
		return RK_OK;
	enum rk_err err = rk_dir_list(l->dir->env, st_log_path(l, path), least_base, &least);
	l->start = least == INT64_MAX ? l->end : rk_min(least, l->end);
	return err;
}

enum rk_err
st_log_open(struct st_dir *d, struct rk_str topic, int32_t partition, bool clean,
    const struct st_rules *rules, struct st_log **out)
{
	struct st_entry *e = st_dir_entry(d, topic, partition, false);
	enum rk_err err;

	*out = NULL;
	if (e == NULL || !e->found)
		return RK_NOT_FOUND;
	struct st_log *l = new_log(d, e, rules);
	if (clean && e->recovery >= 0) {
		l->end = l->stable = e->recovery;
		err = start_of(l);
		if (err == RK_OK && l->start > l->end)
			l->start = l->end;
	} else {
		l->hot = new_hot();
		l->hot->settled = clean;
		l->start = rk_max(0, e->start);
		err = st_log_scan(l, !clean, rk_max(0, e->recovery));
	}
	if (err != RK_OK) {
		st_log_free(l);
		return err;
	}
	rk_assert(l->start <= l->end && l->stable <= l->end);
	e->left = false;
	*out = l;
	return RK_OK;
}

enum rk_err
st_log_close(struct st_log *l)
{
	enum rk_err err = RK_OK;

	rk_assert(l->magic == ST_LOG_MAGIC);
	if (l->hot != NULL && !st_log_broken(l)) {
		if (!l->hot->settled && !l->hot->settling)
			err = st_log_settle(l);
		if (err == RK_OK && (!l->hot->settled || l->hot->epochs_safe != INT64_MAX))
			err = st_log_sync_wait(l);
	}
	if (err == RK_OK && !st_log_broken(l) && st_log_recovery_point(l) < l->end)
		err = RK_NO_SPACE; /* its epochs could not be written: not a clean end */
	if (!st_log_broken(l) && err == RK_OK) {
		/* So that the entry goes on to say it after the log is gone. */
		l->dir->stale |=
		    l->entry->start != l->start || l->entry->recovery != st_log_recovery_point(l);
		l->entry->start = l->start;
		l->entry->recovery = st_log_recovery_point(l);
		rk_assert(l->entry->recovery == l->end); /* a clean start takes it for the end */
	}
	st_log_free(l);
	return err;
}

enum rk_err
st_log_delete(struct st_log *l)
{
	char from[PATH_MAX], to[PATH_MAX], tail[80];
	struct st_dir *d = l->dir;
	struct st_entry *e = l->entry;
	int n = snprintf(tail, sizeof tail, "-%" PRId32 ".%016" PRIx64 "%016" PRIx64 "-delete",
	    e->partition, rk_chance(d->env), rk_chance(d->env));
	int64_t delay = l->rules->file_delete_delay_ms;

	/* A folder's name has at most 255 bytes; the topic's name gives way, as in Kafka. */
	rk_assert(n > 0 && (size_t)n < sizeof tail);
	if (snprintf(to, sizeof to, "%s/%.*s%s", d->path, (int)rk_min(e->topic_len, 255 - n),
		e->topic, tail)
	    >= PATH_MAX)
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = rk_path_rename(d->env, st_log_path(l, from), to);
	if (err != RK_OK) {
		st_log_break(l, "the folder could not be renamed", err);
		return err;
	}
	st_log_free(l);
	st_dir_forget(d, e);
	st_dir_remove_later(d, to, true, delay);
	return RK_OK;
}

/* --- the row of segments */
uint32_t
st_log_floor(const struct st_log *l, int64_t offset)
{
	uint32_t lo = 0, hi = l->hot->count;

	rk_assert(hi > 0);
	if (l->hot->seg[hi - 1].base <= offset)
		return hi - 1;
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (l->hot->seg[mid].base <= offset)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

enum rk_err
st_log_grow(struct st_log *l, int64_t base)
{
	struct st_hot *h = l->hot;
	struct st_segment s;
	uint64_t size = 0;
	char path[PATH_MAX];

	rk_assert(h->count == 0 || h->seg[h->count - 1].base < base);
	st_segment_init(&s, base);
	s.ms_known = s.offsets.known = s.times.known = true;
	s.made_ms = rk_wall(st_log_env(l));
	enum rk_err err = st_segment_open(l, &s, true);
	if (err == RK_OK)
		err = rk_file_size(s.log, &size);
	if (err == RK_OK && size > 0)
		err = rk_file_truncate(s.log, 0);
	if (err == RK_OK && l->rules->preallocate)
		err = rk_file_reserve(s.log, (uint64_t)l->rules->segment_bytes);
	if (err != RK_OK) {
		/* A name without a segment would be taken for one by the next start. */
		if (s.log != NULL && st_segment_path(l, base, ".log", path))
			(void)!rk_path_remove(st_log_env(l), path);
		h->folder_dirty = true;
		st_segment_close(&s);
		return err;
	}
	s.dirty = true;
	struct st_segment *to = rk_mem_room((void **)&h->seg, h->count, &h->cap, sizeof *to);
	*to = s;
	h->count++;
	h->folder_dirty = true;
	int64_t jitter = rk_min(l->rules->segment_jitter_ms, l->rules->segment_ms);
	h->jitter_ms = jitter > 0 ? (int64_t)(rk_chance(st_log_env(l)) % (uint64_t)jitter) : 0;
	return RK_OK;
}

/* Gives back what only a growing segment needs; an index that could not be completed is read anew.
 */
static void
stop_growing(struct st_index *x)
{
	if (x->waiting > 0) {
		st_index_close(x);
		return;
	}
	rk_mem_put(x->pending);
	x->pending = NULL;
}

enum rk_err
st_log_roll(struct st_log *l, int64_t base)
{
	struct st_segment *s = st_log_active(l);
	char path[PATH_MAX];

	rk_assert(s->bytes > 0 && base >= l->end);
	/* Compaction makes holes between segments, so that there a lost end could not be told from
	 * one. */
	enum rk_err err = l->rules->compact ? st_log_sync_wait(l) : RK_OK;
	if (err != RK_OK)
		return err;
	err = st_segment_finish(l, s);
	if (err != RK_OK)
		rk_say(RK_WARN,
		    "%s: the indexes of segment %020" PRId64
		    " could not be completed (%s); reads of it will be slower",
		    st_log_path(l, path), s->base, rk_err_text(err));
	if (l->rules->preallocate && (err = rk_file_truncate(s->log, s->bytes)) != RK_OK)
		return err;
	err = st_log_snapshot(l);
	if (err != RK_OK)
		return err;
	s->dirty = s->closing = true;
	err = st_log_grow(l, base);
	if (err != RK_OK)
		return err;
	s = &l->hot->seg[l->hot->count - 2];
	stop_growing(&s->offsets);
	stop_growing(&s->times);
	return RK_OK;
}

enum rk_err
st_log_drop_segment(struct st_log *l, uint32_t at)
{
	static const char *const suffix[] = {".log", ".index", ".timeindex", ".txnindex"};
	struct st_segment *s = &l->hot->seg[at];
	char from[PATH_MAX], to[PATH_MAX], gone[32];

	rk_assert(at < l->hot->count);
	for (uint32_t i = 0; i < rk_countof(suffix); i++) {
		snprintf(gone, sizeof gone, "%s.deleted", suffix[i]);
		if (!st_segment_path(l, s->base, suffix[i], from)
		    || !st_segment_path(l, s->base, gone, to))
			return RK_KAFKA_STORAGE_ERROR;
		enum rk_err err = i == 0 && s->log != NULL
				      ? rk_file_rename(s->log, to)
				      : rk_path_rename(st_log_env(l), from, to);
		if (err == RK_OK)
			st_dir_remove_later(l->dir, to, false, l->rules->file_delete_delay_ms);
		else if (err != RK_NOT_FOUND)
			return err;
	}
	st_log_remove_snapshot(l, s->base);
	st_segment_close(s);
	l->hot->count--;
	memmove(s, s + 1, (l->hot->count - at) * sizeof *s);
	l->hot->folder_dirty = true;
	return RK_OK;
}

void
st_log_watch(struct st_log *l, void (*on_stable)(void *arg, struct st_log *), void *arg)
{
	rk_assert(l->magic == ST_LOG_MAGIC);
	l->on_stable = on_stable;
	l->on_stable_arg = arg;
}
