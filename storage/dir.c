/* dir.c - a directory of log.dirs: what it knows of its partitions, and what waits to be removed.
 *
 * The checkpoints are small texts ("0\n<count>\n<topic> <partition> <offset>\n"...) replaced as a
 * whole: written beside, synced, renamed, folder synced. In memory there is one entry per
 * partition, from the listing at open to the folder's removal; it remembers what stands on disk, so
 * that an unchanged checkpoint is not written again and a truncation knows whether it must lower
 * its recovery point first. */
#include "storage/log_in.h"
#include "storage/text.h"
#include "base/mem.h"

enum { POINTS_MAX = 64 << 20, HEAD_ROOM = 32, REMOVE_AT_ONCE = 64 };
#define MARKER ".kafka_cleanshutdown"

static const char *const point_name[] = {"recovery-point-offset-checkpoint",
    "replication-offset-checkpoint", "log-start-offset-checkpoint", "cleaner-offset-checkpoint"};

struct waiting {
	struct rk_list in;
	int64_t due_ms;
	bool is_dir;
	char path[];
};

struct st_points {
	struct st_dir *dir;
	enum st_point kind;
	char *text; /* HEAD_ROOM bytes for the head, then lines */
	size_t len, cap;
	int64_t count;
	bool over;
};

static struct st_dir *
checked(const struct st_dir *d)
{
	rk_assert(d != NULL && d->magic == ST_DIR_MAGIC);
	return (struct st_dir *)(uintptr_t)d;
}

const char *
st_dir_path(const struct st_dir *d)
{
	return checked(d)->path;
}

struct rk_uuid
st_dir_id(const struct st_dir *d)
{
	return checked(d)->id;
}

bool
st_dir_failed(const struct st_dir *d)
{
	return checked(d)->failed;
}

void
st_dir_fail(struct st_dir *d, const char *why)
{
	if (checked(d)->failed)
		return;
	d->failed = true;
	rk_say(RK_ERROR,
	    "Log directory %s is offline: %s. Its partitions take no more writes; repair or "
	    "replace the disk and "
	    "restart the node.",
	    d->path, why);
}

static bool
path_in(const struct st_dir *d, const char *name, char to[PATH_MAX])
{
	int n = snprintf(to, PATH_MAX, "%s/%s", d->path, name);

	return n > 0 && n < PATH_MAX;
}

/* --- entries */
static uint64_t
hash(struct rk_str topic, int32_t partition)
{
	return rk_hash(topic.at, (size_t)topic.len, (uint64_t)partition);
}

struct st_entry *
st_dir_entry(struct st_dir *d, struct rk_str topic, int32_t partition, bool make)
{
	uint64_t h = hash(topic, partition);

	rk_assert(topic.len > 0 && topic.len <= ST_NAME_MAX && partition >= 0);
	for (struct rk_node *n = rk_map_first(&checked(d)->parts, h); n != NULL;
	     n = rk_map_next(n)) {
		struct st_entry *e = rk_of(n, struct st_entry, node);
		if (e->partition == partition && e->topic_len == topic.len
		    && memcmp(e->topic, topic.at, (size_t)topic.len) == 0)
			return e;
	}
	if (!make)
		return NULL;
	struct st_entry *e = rk_mem_get(sizeof *e + (size_t)topic.len + 1);
	e->recovery = e->start = e->high = e->cleaned = -1;
	e->partition = partition;
	e->topic_len = (uint8_t)topic.len;
	memcpy(e->topic, topic.at, (size_t)topic.len);
	rk_map_add(&d->parts, &e->node, h);
	return e;
}

void
st_dir_forget(struct st_dir *d, struct st_entry *e)
{
	rk_assert(e->log == NULL);
	d->stale |= e->recovery > 0 || e->start > 0;
	d->cleaned_stale |= e->cleaned >= 0;
	rk_map_del(&checked(d)->parts, &e->node);
	rk_mem_put(e->tail);
	rk_mem_put(e);
}

static struct st_found
found_of(const struct st_entry *e)
{
	return (struct st_found){.topic = {e->topic, e->topic_len},
	    .partition = e->partition,
	    .recovery_point = e->recovery,
	    .start = e->start,
	    .high = e->high,
	    .future = e->tail != NULL};
}

bool
st_dir_lookup(const struct st_dir *d, struct rk_str topic, int32_t partition, struct st_found *f)
{
	struct st_entry *e = st_dir_entry(checked(d), topic, partition, false);

	if (e == NULL)
		return false;
	*f = found_of(e);
	return true;
}

/* --- names of folders */
/* <topic>-<partition>, nothing behind it. */
static bool
parse_name(const char *name, struct rk_str *topic, int32_t *partition)
{
	const char *dash = strrchr(name, '-');
	int64_t v;

	if (dash == NULL || dash == name || dash - name > ST_NAME_MAX || dash[1] == '-')
		return false;
	if (!rk_str_int(rk_str_of(dash + 1), &v) || v < 0 || v > INT32_MAX)
		return false;
	for (const char *p = name; p < dash; p++)
		if (strchr("._-", *p) == NULL && !(*p >= '0' && *p <= '9')
		    && !(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z'))
			return false;
	*topic = (struct rk_str){name, (int32_t)(dash - name)};
	*partition = (int32_t)v;
	return strcmp(name, "__cluster_metadata-0") != 0;
}

static bool
ends(const char *name, const char *tail)
{
	size_t n = strlen(name), t = strlen(tail);

	return n > t && strcmp(name + n - t, tail) == 0;
}

static void
listed(void *arg, const char *name, bool is_dir)
{
	struct st_dir *d = arg;
	struct rk_str topic;
	char path[PATH_MAX];
	int32_t partition;

	if (!is_dir || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return;
	if (ends(name, "-delete")) {
		if (path_in(d, name, path))
			st_dir_remove_later(d, path, true, 0);
	} else if (ends(name, "-future")) {
		st_future_listed(d, name);
	} else if (parse_name(name, &topic, &partition)) {
		st_dir_entry(d, topic, partition, true)->found = true;
	}
}

/* --- checkpoints */
static bool
read_lines(struct st_dir *d, enum st_point kind, struct rk_str rest)
{
	struct rk_str line, topic;
	int64_t count, partition, offset;

	if (rest.len == 0)
		return true;
	if (!st_text_head(&rest, &count))
		return false;
	for (int64_t i = 0; i < count; i++) {
		if (!st_text_line(&rest, &line) || !st_text_word(&line, &topic)
		    || topic.len > ST_NAME_MAX || !st_text_int(&line, 0, &partition)
		    || partition > INT32_MAX || !st_text_int(&line, 0, &offset))
			return false;
		struct st_entry *e = st_dir_entry(d, topic, (int32_t)partition, kind != ST_CLEANER);
		if (e != NULL && kind == ST_RECOVERY_POINT)
			e->recovery = offset;
		else if (e != NULL && kind == ST_LOG_START)
			e->start = offset;
		else if (e != NULL && kind == ST_HIGH_WATERMARK)
			e->high = offset;
		else if (e != NULL && kind == ST_CLEANER)
			e->cleaned = offset;
	}
	return true;
}

static enum rk_err
read_points(struct st_dir *d, enum st_point kind, bool *clean)
{
	char path[PATH_MAX];
	struct rk_arena a;
	struct rk_str text;

	if (!path_in(d, point_name[kind], path))
		return RK_KAFKA_STORAGE_ERROR;
	rk_arena_init(&a, POINTS_MAX);
	enum rk_err err = rk_env_slurp(d->env, path, &a, &text);
	if (err == RK_NOT_FOUND)
		err = RK_OK;
	else if (err == RK_OK && !read_lines(d, kind, text)) {
		rk_say(RK_WARN,
		    "%s is not a checkpoint any more; it is taken as absent, and logs are checked "
		    "from their "
		    "beginning",
		    path);
		*clean = false;
	}
	rk_arena_free(&a);
	return err;
}

/* The marker must be gone, durably, before anything is written: it vouches for what was there
 * before. */
static enum rk_err
take_marker(struct st_dir *d, struct st_dir_opened *o)
{
	char path[PATH_MAX];
	struct rk_arena a;
	struct rk_str text;

	o->clean = false;
	o->broker_epoch = -1;
	if (!path_in(d, MARKER, path))
		return RK_KAFKA_STORAGE_ERROR;
	rk_arena_init(&a, 65536);
	enum rk_err err = rk_env_slurp(d->env, path, &a, &text);
	if (err == RK_NOT_FOUND) {
		rk_arena_free(&a);
		return RK_OK;
	}
	if (err == RK_OK) {
		o->clean = true;
		const char *at = strstr(text.at, "\"brokerEpoch\":");
		if (at != NULL)
			o->broker_epoch = strtoll(at + strlen("\"brokerEpoch\":"), NULL, 10);
		err = rk_path_remove(d->env, path);
	}
	rk_arena_free(&a);
	return err == RK_OK ? rk_dir_sync(d->env, d->path) : err;
}

enum rk_err
st_dir_open(struct rk_env *env, const char *path, const struct st_meta *meta, struct st_dir **out,
    struct st_dir_opened *o)
{
	struct st_dir *d = rk_new(struct st_dir);

	*out = NULL;
	d->magic = ST_DIR_MAGIC;
	d->env = env;
	d->id = meta->directory_id;
	d->path = rk_mem_str(path, strlen(path));
	rk_list_init(&d->syncs);
	rk_list_init(&d->waiting);
	rk_list_init(&d->futures);
	enum rk_err err = take_marker(d, o);
	for (enum st_point k = ST_RECOVERY_POINT; err == RK_OK && k <= ST_LOG_START; k++)
		err = read_points(d, k, &o->clean);
	if (err == RK_OK)
		err = rk_dir_list(env, path, listed, d);
	st_futures_take(d);
	bool whole = true; /* without it more is compacted than must be; that is all */
	if (err == RK_OK)
		err = read_points(d, ST_CLEANER, &whole);
	if (err != RK_OK) {
		rk_say(RK_ERROR,
		    "Log directory %s cannot be opened: %s. Check that the disk is mounted and "
		    "that this user may "
		    "read and write it.",
		    path, rk_err_text(err));
		st_dir_close(d);
		return err;
	}
	/* What was not stopped cleanly is not clean before somebody has looked at it. */
	for (struct rk_node *x = d->parts.count > 0 ? rk_map_walk(&d->parts, NULL) : NULL;
	     x != NULL && !o->clean; x = rk_map_walk(&d->parts, x))
		rk_of(x, struct st_entry, node)->left = rk_of(x, struct st_entry, node)->found;
	*out = d;
	return RK_OK;
}

struct st_dir *
st_dir_offline(struct rk_env *env, const char *path)
{
	struct st_dir *d = rk_new(struct st_dir);

	d->magic = ST_DIR_MAGIC;
	d->env = env;
	d->path = rk_mem_str(path, strlen(path));
	rk_list_init(&d->syncs);
	rk_list_init(&d->waiting);
	rk_list_init(&d->futures);
	st_dir_fail(d, "it cannot be read");
	return d;
}

static int
by_name(const void *a, const void *b)
{
	const struct st_entry *x = *(struct st_entry *const *)a, *y = *(struct st_entry *const *)b;
	int c = strcmp(x->topic, y->topic);

	return c != 0 ? c : (x->partition > y->partition) - (x->partition < y->partition);
}

/* Every entry, in order of names; to be given back with rk_mem_put. */
static struct st_entry **
sorted(struct st_dir *d, uint32_t *count)
{
	struct st_entry **all = rk_mem_get((d->parts.count + 1) * sizeof(*all));

	*count = 0;
	for (struct rk_node *n = d->parts.count > 0 ? rk_map_walk(&d->parts, NULL) : NULL;
	     n != NULL; n = rk_map_walk(&d->parts, n))
		all[(*count)++] = rk_of(n, struct st_entry, node);
	rk_assert(*count == d->parts.count);
	if (*count > 1)
		qsort(all, *count, sizeof(*all), by_name);
	return all;
}

enum rk_err
st_dir_each(struct st_dir *d, void (*fn)(void *arg, const struct st_found *), void *arg)
{
	uint32_t count;
	struct st_entry **all = sorted(checked(d), &count);

	for (uint32_t i = 0; i < count; i++) {
		if (!all[i]->found)
			continue;
		struct st_found f = found_of(all[i]);
		fn(arg, &f);
	}
	rk_mem_put(all);
	return RK_OK;
}

enum rk_err
st_dir_stray(struct st_dir *d, struct rk_str topic, int32_t partition)
{
	char from[PATH_MAX], to[PATH_MAX];
	struct st_entry *e = st_dir_entry(d, topic, partition, false);
	int n = snprintf(
	    from, sizeof from, "%s/%.*s-%" PRId32, d->path, topic.len, topic.at, partition);

	rk_assert(e == NULL || e->log == NULL);
	if (n >= PATH_MAX
	    || snprintf(to, sizeof to, "%s.%016" PRIx64 "%016" PRIx64 "-stray", from,
		   rk_chance(d->env), rk_chance(d->env))
		   >= PATH_MAX)
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = rk_path_rename(d->env, from, to);
	if (err == RK_OK)
		err = rk_dir_sync(d->env, d->path);
	if (err != RK_OK)
		return err;
	rk_say(RK_WARN,
	    "%s belongs to no partition of this node; it is kept as %s and may be removed", from,
	    to);
	if (e != NULL)
		st_dir_forget(d, e);
	return RK_OK;
}

struct st_points *
st_points_begin(struct st_dir *d, enum st_point kind)
{
	struct st_points *p = rk_new(struct st_points);

	rk_assert(kind <= ST_CLEANER);
	p->dir = checked(d);
	p->kind = kind;
	p->len = HEAD_ROOM;
	p->cap = 4096;
	p->text = rk_mem_get(p->cap);
	return p;
}

static void
add_line(struct st_points *p, const char *topic, int topic_len, int32_t partition, int64_t offset)
{
	enum { LINE = ST_NAME_MAX + 40 };

	rk_assert(topic_len > 0 && topic_len <= ST_NAME_MAX && partition >= 0);
	if (p->cap - p->len < LINE) {
		p->cap += p->cap / 2 + LINE;
		p->text = rk_mem_grow(p->text, p->cap);
	}
	p->len += (size_t)snprintf(p->text + p->len, p->cap - p->len,
	    "%.*s %" PRId32 " %" PRId64 "\n", topic_len, topic, partition, offset);
	p->count++;
}

void
st_points_add(struct st_points *p, struct rk_str topic, int32_t partition, int64_t offset)
{
	rk_assert(offset >= 0);
	add_line(p, topic.at, topic.len, partition, offset);
	struct st_entry *e = st_dir_entry(p->dir, topic, partition, false);
	if (e != NULL && p->kind == ST_HIGH_WATERMARK)
		e->high = offset;
	if (e != NULL && p->kind == ST_RECOVERY_POINT)
		e->recovery = offset;
}

enum rk_err
st_points_end(struct st_points *p)
{
	char head[HEAD_ROOM + 1], path[PATH_MAX];
	int n = snprintf(head, sizeof head, "0\n%" PRId64 "\n", p->count);
	struct st_dir *d = p->dir;
	enum rk_err err = path_in(d, point_name[p->kind], path) && p->len < POINTS_MAX
			      ? RK_OK
			      : RK_KAFKA_STORAGE_ERROR;

	rk_assert(n > 0 && n <= HEAD_ROOM);
	char *from = p->text + HEAD_ROOM - n;
	memcpy(from, head, (size_t)n);
	if (err == RK_OK)
		err = rk_env_spill(d->env, path, from, (uint32_t)(p->len - HEAD_ROOM + (size_t)n));
	if (err == RK_KAFKA_STORAGE_ERROR)
		st_dir_fail(d, "a checkpoint could not be written");
	rk_mem_put(p->text);
	rk_mem_put(p);
	return err;
}

/* What one of the two checkpoints should say of a partition, -1: nothing. */
static int64_t
point_of(const struct st_entry *e, enum st_point kind)
{
	if (kind == ST_LOG_START)
		return e->log != NULL ? st_log_start(e->log) : e->start;
	return e->log != NULL ? st_log_recovery_point(e->log) : e->recovery;
}

static enum rk_err
save_one(struct st_dir *d, enum st_point kind, struct st_entry **all, uint32_t count)
{
	struct st_points *p = st_points_begin(d, kind);
	uint64_t *saved = &d->saved[kind == ST_LOG_START];

	for (uint32_t i = 0; i < count; i++) {
		int64_t offset = point_of(all[i], kind);
		if (offset >= 0)
			add_line(p, all[i]->topic, all[i]->topic_len, all[i]->partition, offset);
	}
	uint64_t now = rk_hash(p->text + HEAD_ROOM, p->len - HEAD_ROOM, 1 + (uint64_t)p->count);
	if (now == *saved) {
		rk_mem_put(p->text);
		rk_mem_put(p);
		return RK_OK;
	}
	/* Before the file changes, so that a failure leaves no entry that says less than the disk
	 * may. */
	*saved = 0;
	for (uint32_t i = 0; kind == ST_RECOVERY_POINT && i < count; i++)
		all[i]->recovery = rk_max(all[i]->recovery, point_of(all[i], kind));
	enum rk_err err = st_points_end(p);
	if (err != RK_OK)
		return err;
	*saved = now;
	for (uint32_t i = 0; i < count; i++)
		*(kind == ST_LOG_START ? &all[i]->start : &all[i]->recovery) =
		    point_of(all[i], kind);
	return RK_OK;
}

/* Whether a checkpoint would say something else than it does. */
static bool
changed(const struct st_dir *d)
{
	if (d->stale || d->saved[0] == 0 || d->saved[1] == 0)
		return true;
	for (struct rk_node *n = d->parts.count > 0 ? rk_map_walk(&d->parts, NULL) : NULL;
	     n != NULL; n = rk_map_walk(&d->parts, n)) {
		const struct st_entry *e = rk_of(n, struct st_entry, node);
		if (point_of(e, ST_RECOVERY_POINT) != e->recovery
		    || point_of(e, ST_LOG_START) != e->start)
			return true;
	}
	return false;
}

enum rk_err
st_dir_save_cleaned(struct st_dir *d)
{
	uint32_t count;
	struct st_entry **all = sorted(checked(d), &count);
	struct st_points *p = st_points_begin(d, ST_CLEANER);

	for (uint32_t i = 0; i < count; i++)
		if (all[i]->cleaned >= 0)
			add_line(p, all[i]->topic, all[i]->topic_len, all[i]->partition, all[i]->cleaned);
	rk_mem_put(all);
	enum rk_err err = st_points_end(p);
	d->cleaned_stale &= err != RK_OK;
	return err;
}

enum rk_err
st_dir_save(struct st_dir *d)
{
	uint32_t count;

	if (checked(d)->failed)
		return RK_KAFKA_STORAGE_ERROR;
	if (d->cleaned_stale && st_dir_save_cleaned(d) != RK_OK)
		return RK_KAFKA_STORAGE_ERROR;
	if (!changed(d))
		return RK_OK;
	struct st_entry **all = sorted(d, &count);
	enum rk_err err = save_one(d, ST_RECOVERY_POINT, all, count);
	if (err == RK_OK) {
		d->stale = false;
		err = save_one(d, ST_LOG_START, all, count);
	}
	rk_mem_put(all);
	return err;
}

enum rk_err
st_dir_lower(struct st_dir *d, struct st_entry *e, int64_t offset)
{
	if (e->recovery <= offset)
		return RK_OK;
	rk_assert(e->log == NULL || st_log_recovery_point(e->log) <= offset);
	enum rk_err err = st_dir_save(d);
	rk_assert(err != RK_OK || e->recovery <= offset);
	return err;
}

enum rk_err
st_dir_mark_clean(struct st_dir *d, int64_t broker_epoch)
{
	char path[PATH_MAX], text[64];
	bool closed = true;

	if (checked(d)->failed || !path_in(d, MARKER, path))
		return RK_KAFKA_STORAGE_ERROR;
	for (struct rk_node *x = d->parts.count > 0 ? rk_map_walk(&d->parts, NULL) : NULL;
	     x != NULL; x = rk_map_walk(&d->parts, x))
		closed &= !rk_of(x, struct st_entry, node)->left
			  && rk_of(x, struct st_entry, node)->log == NULL;
	if (!closed) {
		rk_say(RK_WARN,
		    "%s is not marked as cleanly stopped: a log in it was not closed. The next "
		    "start checks it.",
		    d->path);
		return RK_KAFKA_STORAGE_ERROR;
	}
	/* The marker makes recovery points the logs' ends: they must be on disk before it. */
	enum rk_err err = st_dir_save(d);
	if (err != RK_OK)
		return err;
	int n = snprintf(
	    text, sizeof text, "{\"version\":0,\"brokerEpoch\":%" PRId64 "}", broker_epoch);
	rk_assert(n > 0 && (size_t)n < sizeof text);
	return rk_env_spill(d->env, path, text, (uint32_t)n);
}

/* --- removal */
void
st_dir_remove_later(struct st_dir *d, const char *path, bool is_dir, int64_t delay_ms)
{
	size_t n = strlen(path);
	struct waiting *w = rk_mem_get(sizeof *w + n + 1);
	struct rk_list *at = &checked(d)->waiting;

	rk_assert(delay_ms >= 0);
	w->due_ms = rk_now(d->env) + delay_ms;
	w->is_dir = is_dir;
	memcpy(w->path, path, n);
	while (at->prev != &d->waiting && rk_of(at->prev, struct waiting, in)->due_ms > w->due_ms)
		at = at->prev;
	rk_list_add(at, &w->in);
}

struct names {
	char *at;
	size_t len;
};

static void
collect(void *arg, const char *name, bool is_dir)
{
	struct names *all = arg;
	size_t n = strlen(name) + 1;

	if (is_dir)
		return;
	all->at = rk_mem_grow(all->at, all->len + n);
	memcpy(all->at + all->len, name, n);
	all->len += n;
}

static enum rk_err
remove_folder(struct st_dir *d, const char *path)
{
	struct names all = {NULL, 0};
	char file[PATH_MAX];
	enum rk_err err = rk_dir_list(d->env, path, collect, &all);

	for (size_t i = 0; err == RK_OK && i < all.len; i += strlen(all.at + i) + 1)
		if (snprintf(file, sizeof file, "%s/%s", path, all.at + i) < PATH_MAX)
			err = rk_path_remove(d->env, file);
	rk_mem_put(all.at);
	return err == RK_OK ? rk_path_remove(d->env, path) : err;
}

int64_t
st_dir_tick(struct st_dir *d, int64_t now_ms)
{
	for (uint32_t i = 0; i < REMOVE_AT_ONCE && !rk_list_empty(&checked(d)->waiting); i++) {
		struct waiting *w = rk_of(d->waiting.next, struct waiting, in);
		if (w->due_ms > now_ms)
			return w->due_ms;
		enum rk_err err =
		    w->is_dir ? remove_folder(d, w->path) : rk_path_remove(d->env, w->path);
		if (err != RK_OK && err != RK_NOT_FOUND)
			rk_say(RK_WARN, "%s could not be removed (%s); remove it by hand", w->path,
			    rk_err_text(err));
		rk_list_del(&w->in);
		rk_mem_put(w);
	}
	return rk_list_empty(&d->waiting)
		   ? INT64_MAX
		   : rk_max(now_ms, rk_of(d->waiting.next, struct waiting, in)->due_ms);
}

void
st_dir_free(struct st_dir *d)
{
	rk_list_each_safe(&checked(d)->syncs, m, n)
	{
		struct st_sync *s = rk_of(m, struct st_sync, in_dir);
		rk_list_del(m);
		for (uint32_t i = 0; i < s->count; i++)
			rk_file_drop(s->file[i]);
		rk_mem_put(s);
	}
	st_dir_close(d);
}

void
st_dir_close(struct st_dir *d)
{
	rk_list_each_safe(&checked(d)->waiting, m, n) rk_mem_put(rk_of(m, struct waiting, in));
	/* Rounds of sync still under way are freed when they come back. */
	rk_list_del(&d->syncs);
	for (uint32_t i = 0; i < d->parts.cap; i++)
		for (struct rk_node *n = d->parts.slot[i], *next; n != NULL; n = next) {
			next = n->next;
			rk_assert(rk_of(n, struct st_entry, node)->log == NULL);
			rk_mem_put(rk_of(n, struct st_entry, node)->tail);
			rk_mem_put(rk_of(n, struct st_entry, node));
		}
	rk_map_free(&d->parts);
	rk_mem_put(d->path);
	d->magic = 0;
	rk_mem_put(d);
}
