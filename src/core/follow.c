/* follow.c - what a follower does with what its leader answers: see follow.h. */
#include "base/mem.h"
#include "protocol/gen/fetch.h"
#include "src/core/follow_in.h"
#include "src/core/throttle.h"

enum { FIRST_PAUSE_MS = 20, TRIES_MAX = 16, CUTS_MS = 50 };

/* --- states */
static void
leave_state(struct core_follow *f)
{
	struct core_source *s = f->source;

	rk_list_del(&f->due);
	rk_assert(f->state != CORE_FOLLOWS || s->following > 0);
	s->following -= f->state == CORE_FOLLOWS;
}

void
core_follow_start(struct core_follow *f)
{
	leave_state(f);
	f->state = CORE_FOLLOWS;
	f->source->following++;
	core_source_name(f->source, f);
}

static void
pause_for(struct core_follow *f, int64_t ms)
{
	struct core *c = core_of(f->partition);

	leave_state(f);
	core_source_forget(f->source, f);
	f->state = CORE_PAUSED;
	f->resume_ms = rk_now(c->env) + ms;
	rk_list_add(&f->source->paused, &f->due);
	core_source_wake_at(f->source, f->resume_ms);
}

void
core_follow_pause(struct core_follow *f, enum rk_err why)
{
	struct core *c = core_of(f->partition);
	int64_t ms = (int64_t)FIRST_PAUSE_MS << rk_min(f->tries, TRIES_MAX);

	if (f->tries == TRIES_MAX / 2)
		rk_say(RK_INFO, "%s-%d cannot be fetched from broker %d yet: %s.", f->partition->topic->name.at,
		    f->partition->index, f->source->broker, rk_err_name(why));
	f->tries = (uint8_t)rk_min(f->tries + 1, TRIES_MAX);
	pause_for(f, rk_min(ms, c->conf->replica_fetch_backoff_ms));
}

static void
ask(struct core_follow *f)
{
	leave_state(f);
	core_source_forget(f->source, f);
	f->state = CORE_ASKS;
	f->leader_end = -1;
	rk_list_add(&f->source->asking, &f->due);
	core_source_due(f->source);
}

/* Out of its source, or from source to source. */
static void
detach(struct core_follow *f)
{
	struct core_source *s = f->source;

	if (s == NULL)
		return;
	leave_state(f);
	core_source_forget(s, f);
	core_source_left(f);
	if (f->sync_to >= 0) {
		rk_assert(s->syncing > 0);
		s->syncing--;
	}
	f->sync_to = -1;
	rk_list_del(&f->all);
	s->count--;
	f->source = NULL;
	core_source_due(s);
}

static void
want_stable(struct core_follow *f)
{
	struct core_partition *p = f->partition;

	if (core_conf(p)->write_caching) {
		core_want_sync(p);
		return;
	}
	p->unsynced = true;
	core_touch(p);
	if (f->sync_to < 0)
		f->source->syncing++;
	f->sync_to = st_log_end(p->log);
}

static void
attach(struct core_follow *f, int32_t leader)
{
	struct core *c = core_of(f->partition);
	uint32_t shares = (uint32_t)rk_max(1, c->conf->num_replica_fetchers);
	uint64_t hash = rk_hash(f->partition->topic->id.id, 16, (uint64_t)f->partition->index);

	rk_assert(f->source == NULL && leader >= 0 && leader != c->node_id);
	f->source = core_source_get(c, leader, (uint32_t)(hash % shares));
	rk_list_add(&f->source->all, &f->all);
	f->source->count++;
	f->state = CORE_FOLLOWS;
	f->source->following++;
	f->tries = 0;
	/* What this node wrote as the leader, or copied from another, is told to nobody before it is on the disk. */
	struct st_log *log = f->partition->log;
	if (log != NULL && st_log_stable(log) < st_log_end(log))
		want_stable(f);
	core_source_name(f->source, f);
}

void
core_follow_take(struct core_partition *p, int32_t leader)
{
	struct core_follow *f = p->follow;

	rk_assert(!p->leads && p->set == NULL);
	if (f == NULL) {
		f = p->follow = rk_new(struct core_follow);
		f->partition = p;
		f->sync_to = -1;
		f->told_epoch = -1;
		rk_list_init(&f->all);
		rk_list_init(&f->due);
	}
	if (p->log != NULL) /* an epoch that this node began and never used is no epoch of its records */
		(void)!st_log_truncate(p->log, st_log_end(p->log));
	if (f->source != NULL && f->source->broker == leader && !p->broken) {
		if (f->told_epoch != p->leader_epoch && f->state != CORE_ASKS) {
			f->tries = 0;
			core_follow_start(f);
		}
		return;
	}
	detach(f);
	f->lag = 0;
	if (leader >= 0 && !p->broken)
		attach(f, leader);
}

void
core_follow_drop(struct core_partition *p)
{
	struct core_follow *f = p->follow;

	if (f == NULL)
		return;
	detach(f);
	p->follow = NULL;
	rk_mem_put(f);
}

/* The disk has failed it: it is copied no further. */
static void
give_up(struct core_follow *f)
{
	rk_assert(f->partition->broken);
	detach(f);
}

/* --- cutting back */
static bool
cut_to(struct core_follow *f, int64_t to)
{
	struct core_partition *p = f->partition;
	int64_t end = st_log_end(p->log);

	if (to < p->high) {
		rk_say(RK_WARN,
		    "%s-%d: broker %d became leader without records that were committed here (an unclean election, or "
		    "it lost its disk): cut from offset %" PRId64 " to %" PRId64 ", below the high watermark %" PRId64
		    ".",
		    p->topic->name.at, p->index, p->leader, end, to, p->high);
		p->high = to;
	} else if (to < end) {
		rk_say(RK_INFO, "%s-%d: cut from offset %" PRId64 " to %" PRId64 ", where broker %d's log differs.",
		    p->topic->name.at, p->index, end, to, p->leader);
	}
	if (to < end) {
		core_cleaner_forget(p);
		core_move_cut(p, to);
	}
	enum rk_err err = st_log_truncate(p->log, to);
	core_dirty(p);
	core_advance(p);
	if (err == RK_OK)
		return true;
	if (p->broken)
		give_up(f);
	else
		core_follow_pause(f, err);
	return false;
}

/* Every cut waits for the disk; when they have taken long enough in this round of events, the rest has time. */
static bool
cut_enough(struct core *c)
{
	int64_t now = rk_now(c->env);

	if (c->cuts_ms < 0)
		c->cuts_ms = now;
	return now - c->cuts_ms > CUTS_MS;
}

/* The leader's log has epoch (or the largest one below what we asked for) up to end, and then goes another way. */
static void
diverged(struct core_follow *f, int32_t epoch, int64_t end)
{
	struct core_partition *p = f->partition;
	int32_t own_epoch;
	int64_t own, to;

	if (p->log == NULL)
		return;
	if (cut_enough(core_of(p))) {
		pause_for(f, FIRST_PAUSE_MS);
		return;
	}
	st_log_epoch_end(p->log, epoch, &own_epoch, &own);
	if (own_epoch < 0) /* all that is here is of later epochs, which the leader does not have */
		to = rk_min(st_log_start(p->log), end);
	else
		to = own_epoch == epoch ? rk_min(own, end) : own;
	to = rk_max(0, rk_min(to, st_log_end(p->log)));
	bool same = to == st_log_end(p->log) && st_log_last_epoch(p->log) == own_epoch;
	if (!cut_to(f, to))
		return;
	if (same) /* nothing was gained by it: whoever asks at once again goes round in a circle */
		core_follow_pause(f, RK_UNKNOWN_SERVER_ERROR);
	else
		core_source_name(f->source, f);
}

static bool
restart_at(struct core_follow *f, int64_t start)
{
	struct core_partition *p = f->partition;
	struct st_log *log;
	enum rk_err err = core_log_for_write(p, &log);

	if (err == RK_OK) {
		rk_say(RK_INFO, "%s-%d: broker %d's log starts at offset %" PRId64 ", past the end here (%" PRId64
		    "): it is copied from there.", p->topic->name.at, p->index, p->leader, start, st_log_end(log));
		p->high = start;
		core_cleaner_forget(p);
		err = st_log_restart(log, start);
	}
	if (err != RK_OK) {
		p->high = p->log == NULL ? 0 : rk_min(p->high, st_log_end(p->log));
		core_follow_pause(f, err);
		return false;
	}
	core_dirty(p);
	return true;
}

static void
raise_start(struct core_partition *p, int64_t start)
{
	if (p->log == NULL || start <= st_log_start(p->log))
		return;
	start = rk_min(start, p->high);
	if (start > st_log_start(p->log) && st_log_set_start(p->log, start) == RK_OK)
		core_dirty(p);
}

void
core_follow_listed(struct core_follow *f, bool start, enum rk_err err, int64_t offset)
{
	struct core_partition *p = f->partition;
	int64_t end = core_end(p);

	rk_assert(f->state == CORE_ASKS);
	if (err != RK_OK || f->told_epoch != p->leader_epoch || offset < 0) {
		core_follow_pause(f, err == RK_OK ? RK_FENCED_LEADER_EPOCH : err);
		return;
	}
	if (!start && offset >= end) {
		f->leader_end = offset;
		return; /* its start is asked for next */
	}
	if (start && f->leader_end < 0)
		return; /* it came to ask only after the ends were */
	if (!start && !cut_to(f, offset))
		return;
	if (start && offset > end && !restart_at(f, offset))
		return;
	if (start)
		raise_start(p, offset);
	f->tries = 0;
	core_follow_start(f);
}

/* --- appending */
/* How many bytes of whole, sound batches stand at the beginning, none of an epoch that we do not know yet. */
static int32_t
fit(const struct core_partition *p, const uint8_t *at, int32_t len, enum rk_err *why)
{
	int32_t n = 0;
	int64_t next = p->log == NULL ? 0 : st_log_end(p->log);

	*why = RK_OK;
	while (len - n >= KP_BATCH_HEAD) {
		const uint8_t *b = at + n;
		enum rk_err err = kp_batch_check(b, (size_t)(len - n));
		if (err == RK_TRUNCATED)
			break;
		if (err == RK_OK && kp_batch_base(b) < next)
			err = RK_CORRUPT_MESSAGE;
		if (err == RK_OK && kp_batch_epoch(b) > p->leader_epoch)
			err = RK_UNKNOWN_LEADER_EPOCH;
		if (err != RK_OK) {
			*why = err;
			break;
		}
		next = kp_batch_last(b) + 1;
		n += (int32_t)kp_batch_bytes(b);
	}
	return n;
}

/* Copies the records; false: the follow has gone to another state. */
static bool
copy(struct core_follow *f, const uint8_t *at, int32_t len)
{
	struct core_partition *p = f->partition;
	struct st_log *log;
	enum rk_err why;
	int32_t n = fit(p, at, len, &why);

	if (why == RK_CORRUPT_MESSAGE)
		rk_say_limited(&core_of(p)->odd_copies, rk_now(core_of(p)->env), RK_WARN,
		    "%s-%d: broker %d sends a damaged batch behind offset %" PRId64
		    "; it is not copied, and asked for again. Look at that broker's disk and memory.",
		    p->topic->name.at, p->index, p->leader, core_end(p));
	if (n == 0) {
		if (len > 0)
			core_follow_pause(f, why == RK_OK ? RK_CORRUPT_MESSAGE : why);
		return len <= 0;
	}
	enum rk_err err = core_log_for_write(p, &log);
	int64_t before = err == RK_OK ? st_log_end(log) : 0;
	if (err == RK_OK)
		err = st_log_append_as_is(log, at, (uint32_t)n, rk_wall(core_of(p)->env));
	if (err != RK_OK) {
		if (p->log != NULL)
			core_advance(p);
		if (p->broken)
			give_up(f);
		else
			core_follow_pause(f, err);
		return false;
	}
	rk_assert(st_log_end(log) > before);
	core_count_followed(p, (uint64_t)n);
	core_dirty(p);
	want_stable(f);
	return true;
}

static void
raise_high(struct core_partition *p, int64_t leaders)
{
	int64_t end = p->log == NULL ? 0 : st_log_end(p->log), to = rk_min(leaders, end);

	if (to <= p->high)
		return;
	rk_assert(p->log != NULL);
	p->high = to;
	p->moved = true;
	core_touch(p);
	core_dirty(p);
}

void
core_follow_answer(struct core_follow *f, const struct kp_fetch_res_responses_partitions *o)
{
	struct core_partition *p = f->partition;
	struct st_log *log;
	enum rk_err err = rk_err_of_wire(o->error_code);

	/* What was asked in another epoch or another session is not for now. */
	if (f->state != CORE_FOLLOWS || !f->in_session || f->told_epoch != p->leader_epoch)
		return;
	if (err == RK_OK)
		err = core_open(p, &log);
	if (err == RK_OFFSET_OUT_OF_RANGE) {
		ask(f);
		return;
	}
	if (err != RK_OK) {
		core_follow_pause(f, err);
		return;
	}
	if (o->diverging_epoch.end_offset >= 0) {
		diverged(f, o->diverging_epoch.epoch, o->diverging_epoch.end_offset);
		return;
	}
	int64_t end = core_end(p), start = core_start(p);
	if (o->records.len > 0 && !copy(f, o->records.at, o->records.len))
		return;
	f->tries = 0;
	raise_high(p, o->high_watermark);
	raise_start(p, o->log_start_offset);
	f->lag = rk_max(0, o->high_watermark - core_end(p));
	if (core_throttled_follower(p, f->lag == 0))
		pause_for(f, core_throttle_ms(core_of(p)));
	else if (core_end(p) != end || core_start(p) != start)
		core_source_name(f->source, f);
}

void
core_follow_stable(struct core_partition *p)
{
	struct core_follow *f = p->follow;

	rk_assert(f != NULL && p->log != NULL);
	if (p->broken && f->source != NULL) {
		give_up(f);
	} else if (f->sync_to >= 0 && st_log_stable(p->log) >= rk_min(f->sync_to, st_log_end(p->log))) {
		rk_assert(f->source != NULL && f->source->syncing > 0);
		f->sync_to = -1;
		if (--f->source->syncing == 0)
			core_source_due(f->source);
	}
}

/* --- the core's */
void
core_follow_listen(struct core *c, void (*due)(void *arg, struct core_source *), void *arg)
{
	c->source_due = due;
	c->source_due_arg = arg;
}

void
core_follow_flush(struct core *c)
{
	c->cuts_ms = -1;
	while (!rk_list_empty(&c->sources_due)) {
		struct core_source *s = rk_of(c->sources_due.next, struct core_source, due);
		rk_list_del(&s->due);
		if (c->source_due != NULL)
			c->source_due(c->source_due_arg, s);
	}
}

void
core_follow_stop(struct core *c)
{
	for (struct core_source *s = core_sources_walk(c, NULL); s != NULL; s = core_sources_walk(c, s)) {
		rk_timer_stop(c->timers, &s->timer);
		rk_list_del(&s->due);
	}
}

void
core_follow_free(struct core *c)
{
	while (!rk_list_empty(&c->sources))
		core_source_free(rk_of(c->sources.next, struct core_source, link));
}
