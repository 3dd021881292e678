/* cleaner.c - compacts the logs whose topics ask for it (cleanup.policy=compact), the dirtiest first.
 *
 * One round at a time; its work is done by jobs off the core (storage/compact.h), and between two of them the core
 * looks at the throttle. A timer comes after the start, when configs changed, and every log.cleaner.backoff.ms while
 * some compacted log has changed since it was last looked at; it stands still otherwise. The logs are looked at some
 * at a time. A round that fails is said, and its partition left alone until the node starts anew, as in Kafka. */
#include "src/core/inside.h"
#include "base/mem.h"

enum { SLICE_BYTES = 4 << 20, KEY_BYTES = 24, LOOKS = 64, LOOKS_MS = 1 };

static void next_step(struct core *);

static void
rules_of(const struct core_partition *p, struct st_compact_rules *r)
{
	const struct conf *conf = core_of(p)->conf;

	*r = (struct st_compact_rules){
	    .min_lag_ms = core_conf(p)->min_compaction_lag_ms,
	    .max_lag_ms = core_conf(p)->max_compaction_lag_ms,
	    .delete_retention_ms = core_conf(p)->delete_retention_ms,
	    .table_bytes = (uint64_t)rk_max(conf->log_cleaner_dedupe_buffer_size, KEY_BYTES),
	    .table_full = conf->log_cleaner_io_buffer_load_factor,
	    .slice_bytes = SLICE_BYTES,
	};
}

/* Whether to look: it has changed, or time may have changed what may be cleaned. */
static bool
worth_a_look(struct core_partition *p)
{
	const struct conf_topic *f = core_conf(p);

	if (p->broken || p->uncleanable || (p->log == NULL && !p->found))
		return false;
	return p->log == NULL || st_log_end(p->log) != p->cleaned_seen || f->min_compaction_lag_ms > 0
	       || f->max_compaction_lag_ms != INT64_MAX;
}

static bool
due(const struct core_partition *p, const struct st_dirty *d, double ratio, int64_t wall_ms)
{
	const struct conf_topic *f = core_conf(p);

	if (d->dirty_bytes == 0)
		return false;
	if (f->max_compaction_lag_ms != INT64_MAX && d->oldest_ms >= 0
	    && wall_ms - d->oldest_ms > f->max_compaction_lag_ms)
		return true;
	return ratio > f->min_cleanable_dirty_ratio;
}

/* How dirty it is; false: it cannot be told. */
static bool
look(struct core_partition *p, struct st_compact_rules *rules, struct st_dirty *d)
{
	struct st_log *log;

	rules_of(p, rules);
	return core_open(p, &log) == RK_OK && log != NULL
	       && st_compact_look(log, rules, rk_min(core_stable(p), p->high), rk_wall(core_of(p)->env), d) == RK_OK;
}

static void
consider(struct core_cleaner *k, struct core_partition *p)
{
	struct st_compact_rules rules;
	struct st_dirty d;

	if (!look(p, &rules, &d))
		return;
	double all = (double)d.clean_bytes + (double)d.dirty_bytes,
	       ratio = all > 0 ? (double)d.dirty_bytes / all : 0;
	if (!due(p, &d, ratio, rk_wall(core_of(p)->env)))
		p->cleaned_seen = st_log_end(p->log);
	else if (k->best == NULL || ratio > k->best_ratio) {
		k->best = p;
		k->best_ratio = ratio;
	}
}

/* Looks at some more logs; true: all have been looked at. */
static bool
sweep(struct core *c)
{
	struct core_cleaner *k = &c->cleaner;
	uint32_t seen = 0, todo = LOOKS;

	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL; t = core_topics_walk(c, t))
		for (uint32_t i = 0; t->rules.compact && i < t->partitions; i++) {
			if (t->partition[i] == NULL || seen++ < k->swept)
				continue;
			k->swept++;
			if (!worth_a_look(t->partition[i]))
				continue;
			k->any = true;
			consider(k, t->partition[i]);
			if (--todo == 0)
				return false;
		}
	return true;
}

/* --- one round */
static void
tell(struct core_partition *p, const struct st_compacted *t)
{
	if (t->err == RK_OK || t->err == RK_NOT_FOUND) {
		rk_say(RK_DEBUG,
		    "%s-%d is compacted up to offset %" PRId64 ": %" PRIu64 " of %" PRIu64 " records stay.",
		    p->topic->name.at, p->index, t->end, t->records_kept, t->records_read);
		return;
	}
	p->uncleanable = true;
	rk_say(RK_ERROR,
	    "%s-%d in %s cannot be compacted (%s) and keeps all its records until this node is "
	    "restarted. %s",
	    p->topic->name.at, p->index, st_dir_path(core_of(p)->dir[p->dir]), rk_err_name(t->err),
	    t->err == RK_NO_MEMORY ? "Raise log.cleaner.dedupe.buffer.size or log.cleaner.io.buffer.load.factor."
	    : t->err == RK_CORRUPT_MESSAGE
		? "A record in it is damaged: look at the disk, `rookery-dump-log --deep-iteration` shows where."
		: "Look at the disk and its space.");
}

static void
end_round(struct core *c)
{
	struct core_cleaner *k = &c->cleaner;
	struct core_partition *p = k->at;
	struct st_compacted told = st_compact_end(k->round);

	rk_assert(p == NULL || core_of(p) == c);
	k->round = NULL;
	k->at = NULL;
	k->rounds++;
	if (p != NULL)
		tell(p, &told);
	if (told.err == RK_OK && p != NULL)
		core_dirs_tick(c); /* replaced segments wait to be deleted */
	if (!c->stopping)
		rk_timer_set(c->timers, &k->timer, rk_now(c->env)); /* is there another? */
}

/* The partition's log is gone, or was cut, under the round. */
void
core_cleaner_forget(struct core_partition *p)
{
	struct core_cleaner *k = &core_of(p)->cleaner;

	if (k->at == p)
		k->at = NULL;
	if (k->best == p)
		k->best = NULL;
}

static void
stepped(void *arg, enum rk_err err)
{
	struct core *c = arg;
	struct core_cleaner *k = &c->cleaner;

	(void)err; /* the end of the round tells */
	rk_assert(k->busy && k->round != NULL);
	k->busy = false;
	if (c->stopping) {
		rk_assert(c->stop_left > 0);
		end_round(c);
		core_stop_counted(c);
		return;
	}
	if (st_compact_over(k->round)) {
		end_round(c);
		return;
	}
	/* So many bytes should have taken so long. */
	double rate = c->conf->log_cleaner_io_max_bytes_per_second;
	int64_t at = k->began_ms;
	if (rate > 0 && rate < 1e15)
		at += (int64_t)((double)st_compact_moved(k->round) / rate * 1000);
	if (at > rk_now(c->env))
		rk_timer_set(c->timers, &k->timer, at);
	else
		next_step(c);
}

static void
next_step(struct core *c)
{
	c->cleaner.busy = true;
	st_compact_step(c->cleaner.round, stepped, c);
}

static void
begin_round(struct core *c, struct core_partition *p)
{
	struct core_cleaner *k = &c->cleaner;
	struct st_compact_rules rules;
	struct st_dirty d;

	if (!look(p, &rules, &d))
		return;
	k->round = st_compact_begin(p->log, &rules, &d, rk_wall(c->env));
	if (k->round == NULL) {
		struct st_compacted none = {.err = RK_NO_MEMORY};
		tell(p, &none);
		return;
	}
	k->at = p;
	k->began_ms = rk_now(c->env);
	p->cleaned_seen = -1; /* what came meanwhile is looked at afterwards */
	if (st_compact_over(k->round))
		end_round(c);
	else
		next_step(c);
}

static void
fire(struct rk_timer *timer, int64_t now_ms)
{
	struct core *c = rk_of(timer, struct core, cleaner.timer);
	struct core_cleaner *k = &c->cleaner;

	rk_assert(c->magic == CORE_MAGIC && !k->busy);
	if (c->stopping)
		return;
	if (k->round != NULL) {
		if (st_compact_over(k->round)) /* its log went away meanwhile */
			end_round(c);
		else
			next_step(c);
		return;
	}
	if (!sweep(c)) {
		rk_timer_set(c->timers, timer, now_ms + LOOKS_MS);
		return;
	}
	struct core_partition *best = k->best;
	bool any = k->any;
	k->best = NULL;
	k->any = false;
	k->swept = 0;
	if (best != NULL)
		begin_round(c, best);
	if (k->round == NULL && any)
		rk_timer_set(c->timers, timer, now_ms + rk_max(c->conf->log_cleaner_backoff_ms, 1));
}

void
core_cleaner_soon(struct core *c)
{
	if (c->cleaner.timer.at_ms == INT64_MAX && c->cleaner.round == NULL && c->loaded && !c->stopping
	    && c->conf->log_cleaner_enable && c->conf->log_cleaner_threads > 0)
		rk_timer_set(c->timers, &c->cleaner.timer, rk_now(c->env) + c->conf->log_cleaner_backoff_ms);
}

void
core_cleaner_init(struct core *c)
{
	c->cleaner = (struct core_cleaner){.timer = {.at_ms = INT64_MAX, .fire = fire}};
}

bool
core_cleaner_stop(struct core *c)
{
	rk_timer_stop(c->timers, &c->cleaner.timer);
	if (c->cleaner.round != NULL && !c->cleaner.busy)
		end_round(c);
	return c->cleaner.busy;
}

void
core_cleaner_free(struct core *c)
{
	rk_timer_stop(c->timers, &c->cleaner.timer);
	if (c->cleaner.round != NULL)
		st_compact_free(c->cleaner.round);
	c->cleaner.round = NULL;
}
