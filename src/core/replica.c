/* replica.c - what a leader knows of the other replicas, and what follows for the high watermark. */
#include "src/core/replica.h"
#include "base/mem.h"
#include "src/core/broker.h"
#include "src/core/feed.h"
#include "src/core/inside.h"

enum { LONG_AGO = INT32_MIN };

struct core_follower *
core_set_find(const struct core_set *s, int32_t replica)
{
	for (uint16_t i = 0; i < s->count; i++)
		if (s->other[i].id == replica)
			return &s->other[i];
	return NULL;
}

static struct core_set *
make(struct core_partition *p)
{
	struct core *c = core_of(p);
	struct core_set *s = rk_new(struct core_set);

	rk_assert(p->set == NULL);
	s->partition = p;
	rk_list_init(&s->wish);
	rk_list_init(&s->feeds);
	rk_list_init(&s->lows);
	rk_list_add(&c->sets, &s->link);
	p->set = s;
	core_isr_watch(c);
	return s;
}

/* The others, as the record has them; what is known of one stays known, but not beyond its leader epoch. */
static void
take_others(struct core_set *s, const struct kp_partition_record *r, bool newly)
{
	struct core *c = core_of(s->partition);
	struct core_follower *old = s->other;
	uint16_t had = s->count;
	int64_t now = rk_now(c->env);

	s->other = rk_mem_get(sizeof *old * (size_t)r->replicas.len);
	s->count = 0;
	for (int32_t i = 0; i < r->replicas.len; i++) {
		int32_t id = r->replicas.at[i];
		struct core_follower *f = &s->other[s->count];
		if (id == c->node_id || core_set_find(s, id) != NULL)
			continue;
		*f = (struct core_follower){.id = id, .end = -1, .start = -1, .epoch = -1, .caught_ms = LONG_AGO};
		for (uint16_t k = 0; k < had && !newly; k++)
			if (old[k].id == id)
				*f = old[k];
		f->isr = f->wanted = core_among(r->isr.at, r->isr.len, id);
		if (newly && f->isr)
			f->caught_ms = now;
		s->count++;
	}
	rk_mem_put(old);
	rk_assert(s->count < r->replicas.len || !core_among(r->replicas.at, r->replicas.len, c->node_id));
}

void
core_set_take(struct core_partition *p, const struct kp_partition_record *r, bool newly)
{
	struct core *c = core_of(p);

	rk_assert(p->leads && r->leader == c->node_id);
	if (r->replicas.len <= 1) {
		core_set_drop(p);
		return;
	}
	struct core_set *s = p->set;
	if (s == NULL) {
		s = make(p);
		newly = true;
	}
	take_others(s, r, newly);
	if (newly) {
		s->epoch_start = p->log != NULL ? st_log_end(p->log) : p->found ? -1 : 0;
		for (uint16_t i = 0; i < s->count; i++)
			core_fetchers_hurry(c, s->other[i].id);
	}
	/* Whatever was asked for, this record is the answer, or has made the question void. */
	s->asked = false;
	s->recovering = r->leader_recovery_state != 0;
	rk_list_del(&s->wish);
	core_isr_look(s);
	core_feeds_moved(s, true); /* a follower that named another epoch is to learn of it */
}

static void
wake_lows(struct core_set *s, enum rk_err err)
{
	int64_t low = core_set_low(s->partition);

	rk_list_each_safe(&s->lows, m, n)
	{
		struct core_wait *w = rk_of(m, struct core_wait, link);
		if (err == RK_OK && w->need > low)
			continue;
		rk_list_del(&w->link);
		w->wake(w, err);
	}
}

void
core_set_drop(struct core_partition *p)
{
	struct core_set *s = p->set;

	if (s == NULL)
		return;
	rk_assert(s->partition == p);
	wake_lows(s, RK_NOT_LEADER_OR_FOLLOWER);
	p->set = NULL;
	core_feeds_over(s);
	rk_assert(rk_list_empty(&s->feeds));
	rk_list_del(&s->lows); /* whoever was woken did not come back */
	rk_list_del(&s->link);
	rk_list_del(&s->wish);
	rk_mem_put(s->other);
	rk_mem_put(s);
}

/* About to be in the ISR: it has caught up, and the controller would take it. The high watermark waits for it, or
 * it would never get there under load. */
static bool
joining(struct core_set *s, const struct core_follower *f, int64_t end, int64_t now)
{
	struct core *c = core_of(s->partition);

	return f->end >= 0 && (f->end >= end || now - f->caught_ms <= c->conf->replica_lag_time_max_ms)
	       && core_isr_eligible(c, f);
}

int64_t
core_set_high(struct core_partition *p, int64_t own)
{
	struct core *c = core_of(p);
	struct core_set *s = p->set;
	int64_t to = own, now = 0;

	rk_assert(s != NULL && p->log != NULL);
	if (p->isr < rk_min(core_conf(p)->min_insync_replicas, p->replicas))
		return p->high;
	for (uint16_t i = 0; i < s->count; i++) {
		const struct core_follower *f = &s->other[i];
		if (f->end >= to)
			continue;
		if (!f->isr && !f->wanted) {
			now = now == 0 ? rk_now(c->env) : now;
			if (!joining(s, f, st_log_end(p->log), now))
				continue;
		}
		to = f->end;
	}
	return rk_max(to, p->high);
}

void
core_set_grew(struct core_partition *p, int64_t from)
{
	struct core_set *s = p->set;

	rk_assert(s != NULL && from >= 0);
	for (uint16_t i = 0; i < s->count; i++) {
		struct core_follower *f = &s->other[i];
		if (f->end >= from)
			f->caught_ms = rk_max(f->caught_ms, core_feed_last(s, f));
	}
}

/* The log is opened by the first who asks; nothing can have been appended before. */
int64_t
core_set_epoch_start(struct core_set *s)
{
	if (s->epoch_start < 0)
		s->epoch_start = core_end(s->partition);
	return s->epoch_start;
}

bool
core_set_in_sync(struct core_set *s, const struct core_follower *f)
{
	return f->end >= 0 && f->end >= s->partition->high && f->end >= core_set_epoch_start(s);
}

enum rk_err
core_set_fetched(struct core_partition *p, int32_t replica, int64_t broker_epoch, int64_t offset, int64_t log_start,
    int64_t before_ms)
{
	struct core *c = core_of(p);
	struct core_set *s = p->set;
	struct core_follower *f = core_set_find(s, replica);
	int64_t now = rk_now(c->env), end = core_end(p);

	rk_assert(f != NULL && offset >= 0 && offset <= end);
	if (broker_epoch >= 0 && broker_epoch < f->epoch)
		return RK_NOT_LEADER_OR_FOLLOWER;
	before_ms = rk_max(before_ms, f->fetch_ms);
	if (offset >= end)
		f->caught_ms = now;
	else if (f->end >= 0 && offset >= f->fetch_end)
		f->caught_ms = rk_max(f->caught_ms, before_ms);
	bool further = f->end != offset;
	f->fetch_ms = now;
	f->fetch_end = end;
	f->end = offset;
	f->start = log_start;
	f->epoch = broker_epoch;
	core_isr_join(s, f);
	if (further && p->log != NULL)
		core_advance(p);
	if (!rk_list_empty(&s->lows))
		wake_lows(s, RK_OK);
	return RK_OK;
}

void
core_set_answered(struct core_partition *p, int32_t replica)
{
	struct core_follower *f = p->set == NULL ? NULL : core_set_find(p->set, replica);

	if (f == NULL)
		return;
	int64_t end = core_end(p), now = rk_now(core_of(p)->env);
	f->fetch_ms = now;
	f->fetch_end = end;
	if (f->end >= end)
		f->caught_ms = now;
}

int64_t
core_set_low(const struct core_partition *p)
{
	const struct core *c = p->topic->core;
	int64_t low = p->log == NULL ? 0 : st_log_start(p->log);

	for (uint16_t i = 0; p->set != NULL && i < p->set->count; i++) {
		const struct core_follower *f = &p->set->other[i];
		const struct core_broker *b = core_broker(c, f->id);
		if (b != NULL && b->active)
			low = rk_min(low, f->start);
	}
	return low;
}

bool
core_wait_low(struct core_partition *p, struct core_wait *w)
{
	rk_assert(w->wake != NULL && w->need >= 0);
	if (p->set == NULL || core_set_low(p) >= w->need)
		return false;
	rk_list_add(&p->set->lows, &w->link);
	return true;
}

void
core_set_look_again(struct core *c, int32_t broker)
{
	rk_assert(c->magic == CORE_MAGIC);
	rk_list_each_safe(&c->sets, m, n)
	{
		struct core_set *s = rk_of(m, struct core_set, link);
		if (core_set_find(s, broker) == NULL)
			continue;
		core_isr_look(s);
		if (s->partition->log != NULL)
			core_advance(s->partition); /* it may have waited for one that cannot join now */
		if (!rk_list_empty(&s->lows))
			wake_lows(s, RK_OK);
	}
}
