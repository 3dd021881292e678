/* upkeep.c - what is done now and then: checkpoints, retention, deleted folders, flush.ms. Each has
 * a timer that runs only while there is something for it to do. */
#include "src/core/inside.h"
#include "src/core/mark.h"
#include "src/core/feed.h"

enum { CLEAN_STEP = 256, CLEAN_STEP_MS = 50, ALL_MS = 60000 };

static void
complain(struct core *c, uint32_t dir, enum rk_err err)
{
	rk_say(RK_ERROR,
	    "A checkpoint of %s cannot be written (%s). Look at the disk and its space.",
	    st_dir_path(c->dir[dir]), rk_err_name(err));
}

/* High watermarks of the partitions of one directory; of a log not opened, as the checkpoint had
 * it. */
static enum rk_err
write_high(struct core *c, uint32_t dir)
{
	struct st_points *to = st_points_begin(c->dir[dir], ST_HIGH_WATERMARK);

	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL;
	     t = core_topics_walk(c, t))
		for (uint32_t i = 0; i < t->partitions; i++) {
			struct core_partition *p = t->partition[i];
			if (p != NULL && p->dir == dir && (p->log != NULL || p->found))
				st_points_add(to, t->name, p->index, p->high);
		}
	return st_points_end(to);
}

/* high: only the high watermarks; else recovery points and log starts as well. */
static enum rk_err
write_points(struct core *c, bool high)
{
	rk_assert(c->magic == CORE_MAGIC && c->loaded);
	enum rk_err worst = RK_OK;

	for (uint32_t d = 0; d < c->dirs; d++) {
		enum rk_err err = st_dir_failed(c->dir[d]) ? RK_OK : write_high(c, d);
		if (err == RK_OK && !high && !st_dir_failed(c->dir[d]))
			err = st_dir_save(c->dir[d]);
		if (err == RK_OK)
			continue;
		complain(c, d, err);
		worst = err;
	}
	return worst;
}

enum rk_err
core_points_write(struct core *c)
{
	return c->loaded ? write_points(c, false) : RK_OK;
}

static void
fire_points(struct rk_timer *timer, int64_t now_ms)
{
	struct core *c = rk_of(timer, struct core, points);

	rk_assert(c->magic == CORE_MAGIC && c->loaded);
	c->points_soon = false;
	if (now_ms - c->all_points_ms >= ALL_MS) {
		c->all_points_ms = now_ms;
		(void)!core_points_write(c);
	} else {
		(void)!write_points(c, true);
		rk_timer_set(c->timers, timer,
		    c->all_points_ms + ALL_MS); /* the rest follows, changed or not */
	}
}

void
core_dirty(struct core_partition *p)
{
	struct core *c = core_of(p);
	int64_t at = c->stopping ? INT64_MAX : rk_now(c->env) + CORE_POINTS_MS;

	if (p->topic->rules.compact)
		core_cleaner_soon(c);
	if (at < c->points.at_ms && !c->points_soon) {
		c->points_soon = true;
		rk_timer_set(c->timers, &c->points, at);
	}
}

/* --- retention */
static void
clean_one(struct core *c, struct core_partition *p)
{
	struct st_log *log;

	if (core_open(p, &log) != RK_OK || log == NULL || p->broken)
		return;
	int64_t start = st_log_start(log);
	rk_assert(p->high <= st_log_end(log));
	int64_t freed = st_log_clean(log, p->high, rk_wall(c->env));
	if (freed > 0 || st_log_start(log) != start) {
		rk_assert(st_log_start(log) >= start && st_log_start(log) <= p->high);
		core_dirty(p);
		core_dirs_tick(c);
		if (p->set != NULL)
			core_feeds_moved(p->set, false);
	}
	if (st_log_end(log) == p->end_seen && st_log_cool(log))
		return; /* nothing since the last round: its memory and files are let go */
	p->end_seen = st_log_end(log);
	if (c->expiring)
		st_producers_expire(
		    st_log_producers(log), rk_wall(c->env), c->conf->producer_id_expiration_ms);
}

/* Looks at a part of the partitions; true: all have been looked at. */
static bool
clean_some(struct core *c, bool *any)
{
	uint32_t seen = 0, todo = CLEAN_STEP;

	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL;
	     t = core_topics_walk(c, t))
		for (uint32_t i = 0; i < t->partitions; i++) {
			struct core_partition *p = t->partition[i];
			if (p != NULL && c->expiring)
				core_guards_expire(p, rk_now(c->env), c->conf->producer_id_expiration_ms);
			if (p == NULL || (p->log == NULL && !p->found))
				continue;
			*any = true;
			if (seen++ < c->cleaned)
				continue;
			if (todo-- == 0)
				return false;
			clean_one(c, p);
			c->cleaned++;
		}
	return true;
}

static void
fire_clean(struct rk_timer *timer, int64_t now_ms)
{
	struct core *c = rk_of(timer, struct core, clean_timer);
	bool any = false;

	rk_assert(c->magic == CORE_MAGIC && !c->stopping);
	if (c->cleaned == 0) { /* a round begins; old producers go in every so many of them */
		c->expiring =
		    now_ms - c->expired_ms >= c->conf->producer_id_expiration_check_interval_ms;
		if (c->expiring)
			c->expired_ms = now_ms;
	}
	if (!clean_some(c, &any)) {
		rk_timer_set(c->timers, timer, now_ms + CLEAN_STEP_MS);
		return;
	}
	c->cleaned = 0;
	if (any)
		rk_timer_set(c->timers, timer, now_ms + c->conf->log_retention_check_interval_ms);
}

void
core_clean_soon(struct core *c)
{
	int64_t now = rk_now(c->env);

	int64_t first = c->started_ms + c->conf->log_initial_task_delay_ms;
	if (c->clean_timer.at_ms == INT64_MAX && c->loaded && !c->stopping)
		rk_timer_set(c->timers, &c->clean_timer,
		    now < first ? first : now + c->conf->log_retention_check_interval_ms);
}

void
core_upkeep_changed(struct core *c)
{
	core_clean_soon(c);
	core_cleaner_soon(c);
}

/* --- folders that wait to be deleted */
static void
fire_dirs(struct rk_timer *timer, int64_t now_ms)
{
	struct core *c = rk_of(timer, struct core, dir_timer);
	int64_t next = INT64_MAX;

	rk_assert(c->magic == CORE_MAGIC);
	for (uint32_t d = 0; d < c->dirs; d++)
		next = rk_min(next, st_dir_tick(c->dir[d], now_ms));
	if (next != INT64_MAX)
		rk_timer_set(c->timers, timer, rk_max(next, now_ms + 1));
}

void
core_dirs_tick(struct core *c)
{
	if (!c->stopping)
		rk_timer_set(c->timers, &c->dir_timer, rk_now(c->env));
}

/* --- flush.ms */
static void
fire_flush(struct rk_timer *timer, int64_t now_ms)
{
	struct core *c = rk_of(timer, struct core, flush_timer);

	(void)now_ms;
	rk_assert(c->magic == CORE_MAGIC);
	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL;
	     t = core_topics_walk(c, t))
		for (uint32_t i = 0; t->conf->flush_ms != INT64_MAX && i < t->partitions; i++) {
			struct core_partition *p = t->partition[i];
			if (p != NULL && p->log != NULL
			    && st_log_stable(p->log) < st_log_end(p->log)) {
				st_log_flush(p->log, rk_wall(c->env));
				core_flush_in(
				    c, t->conf->flush_ms); /* what came since is younger */
			}
		}
}

void
core_flush_in(struct core *c, int64_t ms)
{
	rk_assert(ms >= 0);
	int64_t at = rk_now(c->env) + ms;

	if (at < c->flush_timer.at_ms && !c->stopping)
		rk_timer_set(c->timers, &c->flush_timer, at);
}

void
core_upkeep_init(struct core *c)
{
	c->points = (struct rk_timer){.at_ms = INT64_MAX, .fire = fire_points};
	c->clean_timer = (struct rk_timer){.at_ms = INT64_MAX, .fire = fire_clean};
	c->dir_timer = (struct rk_timer){.at_ms = INT64_MAX, .fire = fire_dirs};
	c->flush_timer = (struct rk_timer){.at_ms = INT64_MAX, .fire = fire_flush};
	c->all_points_ms = c->started_ms = c->expired_ms = rk_now(c->env);
}

void
core_upkeep_stop(struct core *c)
{
	rk_timer_stop(c->timers, &c->points);
	rk_timer_stop(c->timers, &c->clean_timer);
	rk_timer_stop(c->timers, &c->dir_timer);
	rk_timer_stop(c->timers, &c->flush_timer);
}
