/* compact.c - a round of compaction, seen from the loop: what is dirty, which job is next, the exchange.
 *
 *	step: [open, pin] -> job on a worker -> [unpin] ... -> a group is copied: its indexes are written, its files and the
 *	      folder synced beside the loop -> .swap, old ones .deleted, new ones in place -> the next group
 *
 * A group is as many neighbouring segments as fit into one by their present sizes. Between the syncs of the .cleaned
 * files and the first old file's new name stands a sync of the folder that has the .swap names: so whatever a crash
 * leaves, either the old segments or the new one is whole under a name that recovery knows. */
#include "storage/compact_in.h"
#include "base/mem.h"

enum { TXN_MAX = 256 << 20, BATCH_ROOM = 512 << 20, LANE = 7, FILES = 4, TXN_EACH = 34 };
static const char *const suffix[FILES] = { ".log", ".index", ".timeindex", ".txnindex" };

static void sync_files(struct st_compact *);

/* --- what is dirty */
static int64_t
upper(const struct st_log *l, uint32_t i)
{
	return i + 1 < l->hot->count ? l->hot->seg[i + 1].base : l->end;
}

static enum rk_err
learn_age(struct st_log *l, struct st_segment *s, struct st_dirty *d)
{
	enum rk_err err = s->first_ms >= 0 ? RK_OK : st_segment_first(l, s);

	if (err == RK_OK && s->first_ms > 0 && (d->oldest_ms < 0 || s->first_ms < d->oldest_ms))
		d->oldest_ms = s->first_ms;
	return err;
}

enum rk_err
st_compact_look(struct st_log *l, const struct st_compact_rules *r, int64_t limit, int64_t now_ms, struct st_dirty *d)
{
	enum rk_err err = st_log_warm(l);

	*d = (struct st_dirty){ .oldest_ms = -1 };
	if (err != RK_OK || st_log_broken(l))
		return RK_KAFKA_STORAGE_ERROR;
	int64_t cleaned = l->entry->cleaned;
	d->first = rk_max(cleaned > l->end ? 0 : cleaned, rk_max(l->start, l->hot->seg[0].base));
	d->end = rk_min(rk_min(limit, st_log_active(l)->base), l->stable);
	for (uint32_t i = 0; i + 1 < l->hot->count; i++) {
		struct st_segment *s = &l->hot->seg[i];
		if (s->base < d->first)
			d->clean_bytes += s->bytes;
		if (upper(l, i) <= d->first)
			continue;
		if (r->max_lag_ms != INT64_MAX)
			err = learn_age(l, s, d);
		if (upper(l, i) > d->end) /* segments are cleaned whole, or not */
			d->end = rk_min(d->end, s->base);
		if (err == RK_OK && r->min_lag_ms > 0 && s->base < d->end && (err = st_segment_times(l, s)) == RK_OK
		    && s->max_ms > now_ms - r->min_lag_ms)
			d->end = s->base;
		if (err != RK_OK)
			return RK_KAFKA_STORAGE_ERROR;
		if (s->base < d->end)
			d->dirty_bytes += s->bytes;
		else if (r->max_lag_ms == INT64_MAX)
			break;
	}
	d->end = rk_max(d->end, d->first);
	if (d->end == d->first)
		d->dirty_bytes = 0;
	return RK_OK;
}

/* --- the beginning */
static int
by_id(const void *a, const void *b)
{
	int64_t x = ((const struct st_last *)a)->id, y = ((const struct st_last *)b)->id;

	return (x > y) - (x < y);
}

static bool
learn_producers(struct st_compact *c)
{
	const struct st_producers *all = st_log_producers(c->log);

	if (all == NULL)
		return false;
	c->last = rk_mem_try((st_producers_count(all) + 1) * sizeof *c->last);
	if (c->last == NULL)
		return false;
	for (const struct st_producer *p = st_producers_walk(all, NULL); p != NULL; p = st_producers_walk(all, p))
		c->last[c->lasts++] = (struct st_last){ p->id, p->count > 0 ? p->batch[p->count - 1].last_offset : -1,
			p->epoch };
	if (c->lasts > 1)
		qsort(c->last, c->lasts, sizeof *c->last, by_id);
	return true;
}

static int
by_first(const void *a, const void *b)
{
	const struct st_aborted *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static bool
learn_aborted(struct st_compact *c)
{
	struct rk_arena a;
	struct st_aborted *some;
	uint32_t n, cap = 0;
	enum rk_err err = RK_OK;

	rk_arena_init(&a, TXN_MAX);
	for (uint32_t i = 0; err == RK_OK && i < c->log->hot->count; i++) {
		err = st_segment_aborted(c->log, &c->log->hot->seg[i], &a, &some, &n);
		for (uint32_t k = 0; err == RK_OK && k < n; k++) {
			struct st_aborted *to = rk_mem_room((void **)&c->txns.all, c->txns.count, &cap, sizeof *to);
			*to = some[k];
			c->txns.count++;
		}
	}
	rk_arena_free(&a);
	if (c->txns.count > 1)
		qsort(c->txns.all, c->txns.count, sizeof *c->txns.all, by_first);
	return err == RK_OK;
}

/* Where reading begins: the segment of the first dirty offset. */
static void
rewind_to(struct st_compact *c, uint32_t source)
{
	c->at = source;
	c->pos = c->window.len = 0;
}

struct st_compact *
st_compact_begin(struct st_log *l, const struct st_compact_rules *r, const struct st_dirty *d, int64_t now_ms)
{
	struct st_compact *c = rk_new(struct st_compact);
	uint64_t seed[2] = { rk_chance(st_log_env(l)), rk_chance(st_log_env(l)) };

	rk_assert(l->compact == NULL && l->hot != NULL && d->first <= d->end && d->end <= st_log_active(l)->base);
	*c = (struct st_compact){ .log = l, .env = st_log_env(l), .rules = *r, .now_ms = now_ms, .first = d->first,
		.limit = d->end, .noted_end = d->first, .told.end = d->first, .index_interval = l->rules->index_interval_bytes };
	rk_arena_init(&c->arena, BATCH_ROOM);
	c->source = rk_mem_get(l->hot->count * sizeof *c->source);
	for (uint32_t i = 0; i + 1 < l->hot->count && l->hot->seg[i].base < d->end; i++)
		c->source[c->sources++] = (struct st_source){ l->hot->seg[i].base, l->hot->seg[i].bytes };
	if (!st_keys_init(&c->keys, (uint64_t)(d->end - d->first), r->table_bytes, r->table_full, seed) || !learn_producers(c)
	    || !learn_aborted(c)) {
		st_compact_free(c);
		return NULL;
	}
	for (uint32_t i = 0; i + 1 < c->sources && c->source[i + 1].base <= d->first; i++)
		rewind_to(c, i + 1);
	c->over = c->sources == 0 || d->first == d->end;
	l->compact = c;
	return c;
}

/* --- the end */
static void
let_go(struct rk_file **f)
{
	if (*f == NULL)
		return;
	rk_file_unpin(*f);
	rk_file_drop(*f);
	*f = NULL;
}

static void
forget_new(struct st_compact *c)
{
	char path[PATH_MAX], name[32];

	let_go(&c->to);
	for (uint32_t i = 0; c->log != NULL && i < FILES; i++) {
		snprintf(name, sizeof name, "%s.cleaned", suffix[i]);
		if (c->group < c->sources && st_segment_path(c->log, c->source[c->group].base, name, path))
			(void)!rk_path_remove(st_log_env(c->log), path);
	}
}

void
st_compact_free(struct st_compact *c)
{
	if (c->log != NULL && c->log->compact == c)
		c->log->compact = NULL;
	let_go(&c->from);
	let_go(&c->to);
	st_keys_free(&c->keys);
	st_txns_free(&c->txns);
	rk_arena_free(&c->arena);
	rk_mem_put(c->window.at);
	rk_mem_put(c->out.at);
	rk_mem_put(c->offsets.at);
	rk_mem_put(c->times.at);
	rk_mem_put(c->aborted.at);
	rk_mem_put(c->source);
	rk_mem_put(c->last);
	rk_mem_put(c);
}

struct st_compacted
st_compact_end(struct st_compact *c)
{
	struct st_compacted told = c->told;
	struct st_log *l = c->log;

	rk_assert(!c->busy);
	if (l == NULL) {
		told.err = told.err == RK_OK ? RK_NOT_FOUND : told.err;
	} else if (!c->over) {
		forget_new(c);
	} else if (told.err == RK_OK && c->noted_end > c->first) {
		told.end = c->noted_end;
		l->entry->cleaned = c->noted_end;
		told.err = st_dir_save_cleaned(l->dir);
	}
	st_compact_free(c);
	return told;
}

void
st_compact_void(struct st_log *l)
{
	struct st_compact *c = l->compact;

	if (c == NULL)
		return;
	rk_assert(c->log == l);
	if (!c->busy)
		forget_new(c); /* else the next start removes what the job is writing */
	l->compact = NULL;
	c->log = NULL;
	c->over = true;
}

bool
st_compact_over(const struct st_compact *c)
{
	return c->over;
}

uint64_t
st_compact_moved(const struct st_compact *c)
{
	return c->told.read_bytes + c->told.written_bytes;
}

/* --- steps */
static void
answer(struct st_compact *c, enum rk_err err)
{
	rk_done *done = c->done;

	rk_assert(c->busy && done != NULL);
	c->busy = false;
	c->done = NULL;
	if (err != RK_OK) {
		if (c->log != NULL)
			forget_new(c);
		c->told.err = err;
		c->over = true;
	}
	done(c->arg, err);
}

/* The sources from group on that become one segment. */
static void
choose_group(struct st_compact *c, uint32_t from)
{
	const struct st_rules *r = c->log->rules;
	uint64_t bytes = c->source[from].bytes;

	c->group = from;
	c->group_end = from + 1;
	while (c->group_end < c->sources) {
		const struct st_source *s = &c->source[c->group_end];
		int64_t end = upper(c->log, st_log_floor(c->log, s->base));
		bytes += s->bytes;
		if (bytes > (uint64_t)rk_min(r->segment_bytes, INT32_MAX) || end - c->source[from].base > INT32_MAX)
			break;
		c->group_end++;
	}
	c->to_bytes = c->since_entry = 0;
	c->out.len = c->offsets.len = c->times.len = c->aborted.len = 0;
	c->max_ms = c->max_last = c->time_noted = -1;
	c->changed = c->group_end - c->group > 1;
	rewind_to(c, from);
}

static enum rk_err
open_from(struct st_compact *c)
{
	struct st_segment *s = &c->log->hot->seg[st_log_floor(c->log, c->source[c->at].base)];

	rk_assert(s->base == c->source[c->at].base && s->bytes >= c->source[c->at].bytes);
	c->from_size = c->source[c->at].bytes;
	enum rk_err err = st_segment_open(c->log, s, false);
	if (err == RK_OK)
		err = rk_file_pin(s->log);
	if (err != RK_OK)
		return err;
	rk_file_hold(s->log);
	c->from = s->log;
	return RK_OK;
}

static enum rk_err
open_to(struct st_compact *c)
{
	char path[PATH_MAX];
	struct rk_file *f;

	if (c->to != NULL)
		return RK_OK;
	if (!st_segment_path(c->log, c->source[c->group].base, ".log.cleaned", path))
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = rk_file_open(st_log_env(c->log), path, RK_OPEN_CREATE, &f);
	if (err != RK_OK)
		return err;
	err = rk_file_truncate(f, 0);
	if (err == RK_OK)
		err = rk_file_pin(f);
	if (err != RK_OK) {
		rk_file_drop(f);
		return err;
	}
	c->to = f;
	return RK_OK;
}

static void
start_copying(struct st_compact *c)
{
	c->phase = ST_COPYING;
	st_txns_start(&c->txns);
	choose_group(c, 0);
}

/* The segment was read to its end: what is next? */
static void
turn(struct st_compact *c)
{
	if (c->phase == ST_NOTING && (c->full || c->at + 1 >= c->sources || c->source[c->at + 1].base >= c->limit)) {
		if (!c->full)
			c->noted_end = rk_max(c->noted_end, c->limit);
		if (c->noted_end == c->first) { /* not one batch's keys fit into the table */
			c->told.err = RK_NO_MEMORY;
			c->over = true;
			return;
		}
		while (c->sources > 1 && c->source[c->sources - 1].base >= c->noted_end)
			c->sources--;
		start_copying(c);
	} else if (c->phase == ST_COPYING && c->at + 1 == c->group_end) {
		c->phase = ST_SYNCING;
	} else {
		rewind_to(c, c->at + 1);
	}
}

static void
worked(void *arg, enum rk_err err)
{
	struct st_compact *c = arg;

	let_go(&c->from);
	if (c->log == NULL) {
		answer(c, RK_NOT_FOUND);
		return;
	}
	if (err == RK_OK)
		err = c->err;
	if (err == RK_OK && ((c->phase == ST_NOTING && c->full) || c->pos >= c->from_size))
		turn(c);
	answer(c, err);
}

void
st_compact_step(struct st_compact *c, rk_done *done, void *arg)
{
	rk_assert(!c->busy && !c->over);
	c->busy = true;
	c->done = done;
	c->arg = arg;
	c->budget = rk_max(c->rules.slice_bytes, 1);
	if (c->phase == ST_SYNCING) {
		sync_files(c);
		return;
	}
	enum rk_err err = c->log == NULL ? RK_NOT_FOUND : open_from(c);
	if (err == RK_OK && c->phase == ST_COPYING)
		err = open_to(c);
	c->err = err;
	/* Even a failure is told from the loop. */
	rk_work(c->env, LANE, err != RK_OK ? st_compact_no_job : c->phase == ST_NOTING ? st_compact_note_job
	    : st_compact_copy_job, worked, c);
}

void
st_compact_no_job(void *round)
{
	(void)round;
}

/* --- the exchange */
static enum rk_err
spill(struct st_compact *c, const char *kind, const struct st_buffer *b)
{
	char path[PATH_MAX], name[32];
	struct rk_file *f;

	snprintf(name, sizeof name, "%s.cleaned", kind);
	if (!st_segment_path(c->log, c->source[c->group].base, name, path))
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = rk_file_open(st_log_env(c->log), path, RK_OPEN_CREATE, &f);
	if (err != RK_OK)
		return err;
	err = rk_file_truncate(f, 0);
	if (err == RK_OK && b->len > 0)
		err = rk_file_write(f, 0, b->at, b->len);
	c->part[c->parts++] = f;
	return err;
}

/* The aborted transactions that were met, as lines of a .txnindex. */
static enum rk_err
spill_aborted(struct st_compact *c)
{
	const struct st_aborted *t = (const void *)c->aborted.at;
	uint32_t n = c->aborted.len / (uint32_t)sizeof *t;
	struct st_buffer lines = { rk_mem_get(n * TXN_EACH + 1), n * TXN_EACH, 0 };

	for (uint32_t i = 0; i < n; i++) {
		uint8_t *p = lines.at + i * TXN_EACH;
		rk_put16(p, 0);
		rk_put64(p + 2, (uint64_t)t[i].producer_id);
		rk_put64(p + 10, (uint64_t)t[i].first);
		rk_put64(p + 18, (uint64_t)t[i].last);
		rk_put64(p + 26, (uint64_t)t[i].stable);
	}
	enum rk_err err = n > 0 ? spill(c, ".txnindex", &lines) : RK_OK;
	rk_mem_put(lines.at);
	return err;
}

static enum rk_err
rename_one(struct st_compact *c, const char *kind, const char *from_tail, const char *to_tail)
{
	char from[PATH_MAX], to[PATH_MAX], a[40], b[40];
	int64_t base = c->source[c->group].base;

	snprintf(a, sizeof a, "%s%s", kind, from_tail);
	snprintf(b, sizeof b, "%s%s", kind, to_tail);
	if (!st_segment_path(c->log, base, a, from) || !st_segment_path(c->log, base, b, to))
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = strcmp(kind, ".log") == 0 ? rk_file_rename(c->to, to) : rk_path_rename(st_log_env(c->log), from, to);
	return err == RK_NOT_FOUND && strcmp(kind, ".txnindex") == 0 ? RK_OK : err;
}

static enum rk_err
rename_all(struct st_compact *c, const char *from_tail, const char *to_tail)
{
	enum rk_err err = RK_OK;

	for (uint32_t i = FILES; err == RK_OK && i-- > 0;) /* the log last, as recovery expects it */
		err = rename_one(c, suffix[i], from_tail, to_tail);
	return err;
}

/* Old segments out, the new one in. From here on a failure leaves names that only the next start can put right. */
static enum rk_err
exchange(struct st_compact *c)
{
	struct st_log *l = c->log;
	uint32_t at = st_log_floor(l, c->source[c->group].base);
	struct st_segment s;
	enum rk_err err = RK_OK;

	rk_assert(l->hot->seg[at].base == c->source[c->group].base && at + (c->group_end - c->group) < l->hot->count);
	for (uint32_t i = c->group; err == RK_OK && i < c->group_end; i++) {
		rk_assert(l->hot->seg[at].base == c->source[i].base);
		err = st_log_drop_segment(l, at);
	}
	if (err == RK_OK)
		err = rename_all(c, ".swap", "");
	if (err != RK_OK) {
		st_log_break(l, "compacted segments could not be put in place", err);
		return err;
	}
	st_segment_init(&s, c->source[c->group].base);
	s.log = c->to;
	s.bytes = c->to_bytes;
	rk_file_unpin(c->to);
	c->to = NULL;
	(void)!rk_mem_room((void **)&l->hot->seg, l->hot->count, &l->hot->cap, sizeof s);
	memmove(&l->hot->seg[at + 1], &l->hot->seg[at], (l->hot->count - at) * sizeof s);
	l->hot->seg[at] = s;
	l->hot->count++;
	st_log_forget_recent(l);
	l->looked = false;
	return RK_OK;
}

static void
next_group(struct st_compact *c)
{
	if (c->group_end >= c->sources) {
		c->group = c->group_end;
		c->over = true;
		return;
	}
	c->phase = ST_COPYING;
	choose_group(c, c->group_end);
}

static void
folder_synced(void *arg, enum rk_err err)
{
	struct st_compact *c = arg;

	rk_file_drop(c->part[0]);
	c->parts = 0;
	if (c->log == NULL)
		err = RK_NOT_FOUND;
	if (err == RK_OK)
		err = exchange(c);
	if (err == RK_OK)
		next_group(c);
	answer(c, err);
}

static void
files_synced(struct st_compact *c)
{
	char path[PATH_MAX];
	enum rk_err err = c->sync_err;

	for (uint32_t i = 0; i < c->parts; i++)
		rk_file_drop(c->part[i]);
	c->parts = 0;
	if (c->log == NULL)
		err = RK_NOT_FOUND;
	if (err == RK_OK)
		err = rename_all(c, ".cleaned", ".swap");
	if (err == RK_OK)
		err = rk_file_open(c->env, st_log_path(c->log, path), RK_OPEN_READ, &c->part[0]);
	if (err != RK_OK) {
		answer(c, err);
		return;
	}
	c->parts = 1;
	rk_file_sync(c->part[0], folder_synced, c);
}

static void
one_synced(void *arg, enum rk_err err)
{
	struct st_compact *c = arg;

	if (c->sync_err == RK_OK)
		c->sync_err = err;
	rk_assert(c->lefts > 0);
	if (--c->lefts == 0)
		files_synced(c);
}

static void
unchanged(void *arg, enum rk_err err)
{
	struct st_compact *c = arg;

	(void)err;
	if (c->log != NULL) {
		forget_new(c);
		next_group(c);
	}
	answer(c, c->log == NULL ? RK_NOT_FOUND : RK_OK);
}

static void
sync_files(struct st_compact *c)
{
	enum rk_err err = RK_OK;

	if (!c->changed || c->log == NULL) {
		rk_work(c->env, LANE, st_compact_no_job, unchanged, c);
		return;
	}
	rk_file_hold(c->to);
	c->part[c->parts++] = c->to;
	err = spill(c, ".index", &c->offsets);
	if (err == RK_OK)
		err = spill(c, ".timeindex", &c->times);
	if (err == RK_OK)
		err = spill_aborted(c);
	c->sync_err = err;
	c->lefts = c->parts;
	for (uint32_t i = 0, n = c->parts; i < n; i++)
		rk_file_sync(c->part[i], one_synced, c);
}
