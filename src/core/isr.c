/* isr.c - who is in sync, by the leader's count, and what the controller is asked because of it.
 *
 * A follower joins when its log reaches the high watermark and the beginning of this leader epoch, and the controller
 * would take it: it is active, and the incarnation that fetches is the one that is registered. It leaves when it
 * has not had all there was for replica.lag.time.max.ms; rounds of half that time look for it. A change is a
 * wish until src/node takes it into a request; until the controller has answered, or the metadata has overtaken
 * it, the high watermark counts with both ISRs. */
#include "base/mem.h"
#include "src/core/broker.h"
#include "src/core/feed.h"
#include "src/core/inside.h"
#include "src/core/replica.h"

enum { AGAIN_MS = 500 };

bool
core_isr_eligible(const struct core *c, const struct core_follower *f)
{
	const struct core_broker *b = core_broker(c, f->id);

	return b != NULL && b->active && (f->epoch == -1 || f->epoch == b->epoch);
}

static void
wish(struct core_set *s)
{
	struct core *c = core_of(s->partition);

	rk_assert(!s->asked);
	if (rk_list_empty(&s->wish) && !c->stopping)
		rk_list_add(&c->wishes, &s->wish);
}

void
core_isr_join(struct core_set *s, struct core_follower *f)
{
	if (s->asked || f->wanted || !core_set_in_sync(s, f) || !core_isr_eligible(core_of(s->partition), f))
		return;
	rk_assert(!f->isr || !rk_list_empty(&s->wish)); /* one that was to leave stays after all */
	f->wanted = true;
	wish(s);
}

/* All that may have changed without a fetch: who may join now, and that an unclean election is over. */
void
core_isr_look(struct core_set *s)
{
	struct core *c = core_of(s->partition);
	int64_t now = rk_now(c->env);

	for (uint16_t i = 0; i < s->count && !s->asked; i++) {
		struct core_follower *f = &s->other[i];
		if (f->wanted || f->end < 0)
			continue;
		if (now - core_feed_last(s, f) <= rk_min(c->conf->replica_lag_time_max_ms, 2 * CORE_FETCH_LATE_MS))
			core_isr_join(s, f);
		else if (core_isr_eligible(c, f) && c->isr_again.at_ms == INT64_MAX)
			/* It may fetch again soon, in a session that has nothing to say of this partition. */
			rk_timer_set(c->timers, &c->isr_again, now + AGAIN_MS);
	}
	if (s->recovering && !s->asked)
		wish(s);
}

static void
shrink(struct core_set *s, int64_t now)
{
	struct core *c = core_of(s->partition);
	int64_t end = core_end(s->partition);

	for (uint16_t i = 0; i < s->count && !s->asked; i++) {
		struct core_follower *f = &s->other[i];
		if (!f->isr || !f->wanted || f->end == end
		    || now - f->caught_ms <= c->conf->replica_lag_time_max_ms)
			continue;
		rk_say(RK_INFO,
		    "%s-%d: broker %d is at offset %" PRId64 " of %" PRId64
		    " and had all there is %" PRId64 " ms ago; it leaves the in-sync replicas.",
		    s->partition->topic->name.at, s->partition->index, f->id, f->end, end, now - f->caught_ms);
		f->wanted = false;
		wish(s);
	}
}

static void
fire_round(struct rk_timer *timer, int64_t now_ms)
{
	struct core *c = rk_of(timer, struct core, isr_timer);

	rk_assert(c->magic == CORE_MAGIC);
	rk_list_each(&c->sets, m)
	    shrink(rk_of(m, struct core_set, link), now_ms);
	core_isr_watch(c);
}

static void
fire_again(struct rk_timer *timer, int64_t now_ms)
{
	struct core *c = rk_of(timer, struct core, isr_again);

	(void)now_ms;
	rk_assert(c->magic == CORE_MAGIC);
	rk_list_each(&c->sets, m)
	    core_isr_look(rk_of(m, struct core_set, link));
}

void
core_isr_watch(struct core *c)
{
	if (c->isr_timer.at_ms == INT64_MAX && !rk_list_empty(&c->sets) && !c->stopping)
		rk_timer_set(c->timers, &c->isr_timer,
		    rk_now(c->env) + rk_max(c->conf->replica_lag_time_max_ms / 2, 1));
}

void
core_isr_init(struct core *c)
{
	rk_list_init(&c->sets);
	rk_list_init(&c->wishes);
	rk_list_init(&c->brokers);
	c->isr_timer = (struct rk_timer){.at_ms = INT64_MAX, .fire = fire_round};
	c->isr_again = (struct rk_timer){.at_ms = INT64_MAX, .fire = fire_again};
}

void
core_isr_stop(struct core *c)
{
	rk_timer_stop(c->timers, &c->isr_timer);
	rk_timer_stop(c->timers, &c->isr_again);
	rk_list_each_safe(&c->wishes, m, n)
	    rk_list_del(m);
}

/* --- asking */
void
core_isr_listen(struct core *c, void (*wished)(void *arg), void *arg)
{
	c->wished = wished;
	c->wished_arg = arg;
}

void
core_isr_flush(struct core *c)
{
	if (!rk_list_empty(&c->wishes) && !c->isr_busy && c->wished != NULL && !c->stopping)
		c->wished(c->wished_arg);
}

static bool
fill(struct core_set *s, struct rk_arena *a, struct core_isr_wish *w)
{
	struct core_partition *p = s->partition;
	struct core *c = core_of(p);

	*w = (struct core_isr_wish){.topic = p->topic->id,
	    .partition = p->index,
	    .leader_epoch = p->leader_epoch,
	    .partition_epoch = p->partition_epoch};
	w->member = rk_arena_get(a, (size_t)s->count + 1, sizeof *w->member);
	if (w->member == NULL)
		return false;
	w->member[w->members++] = (struct core_isr_member){c->node_id, -1};
	for (uint16_t i = 0; i < s->count; i++)
		if (s->other[i].wanted)
			w->member[w->members++] = (struct core_isr_member){s->other[i].id, s->other[i].epoch};
	return true;
}

uint32_t
core_isr_take(struct core *c, struct rk_arena *a, uint32_t max, struct core_isr_wish **out)
{
	uint32_t n = 0;

	rk_assert(!c->isr_busy && c->magic == CORE_MAGIC);
	*out = rk_arena_get(a, max, sizeof **out);
	while (*out != NULL && n < max && !rk_list_empty(&c->wishes)) {
		struct core_set *s = rk_of(c->wishes.next, struct core_set, wish);
		rk_assert(s->partition->leads && !s->asked);
		if (!fill(s, a, &(*out)[n]))
			break;
		n++;
		rk_list_del(&s->wish);
		s->asked = true;
	}
	c->isr_busy = n > 0;
	return n;
}

/* The controller's word: the ISR as it is now. */
static void
adopt(struct core_set *s, int32_t partition_epoch, const int32_t *isr, int32_t count)
{
	struct core_partition *p = s->partition;
	struct core *c = core_of(p);

	rk_assert(partition_epoch > p->partition_epoch);
	if (count > p->isr)
		c->isr_expands++;
	else if (count < p->isr)
		c->isr_shrinks++;
	p->partition_epoch = partition_epoch;
	p->isr = (int16_t)count;
	s->recovering = false;
	for (uint16_t i = 0; i < s->count; i++) {
		struct core_follower *f = &s->other[i];
		f->isr = f->wanted = core_among(isr, count, f->id);
	}
	if (p->log != NULL)
		core_advance(p);
}

/* Nothing else is wanted than what is so. */
static void
take_back(struct core_set *s)
{
	for (uint16_t i = 0; i < s->count; i++)
		s->other[i].wanted = s->other[i].isr;
}

void
core_isr_answer(struct core *c, struct rk_uuid topic, int32_t partition, enum rk_err err, int32_t leader_epoch,
    int32_t partition_epoch, const int32_t *isr, int32_t count)
{
	struct core_partition *p = core_partition(core_topic_of(c, topic), partition);
	struct core_set *s = p == NULL ? NULL : p->set;

	rk_assert(c->isr_busy);
	if (s == NULL || !s->asked)
		return; /* the metadata was faster */
	if (err == RK_OK && leader_epoch == p->leader_epoch && partition_epoch > p->partition_epoch) {
		s->asked = false;
		adopt(s, partition_epoch, isr, count);
		core_isr_look(s);
	} else if (err == RK_OK && leader_epoch == p->leader_epoch && partition_epoch == p->partition_epoch) {
		s->asked = s->recovering = false; /* nothing has changed by it */
		take_back(s);
		core_isr_look(s); /* who came meanwhile, and may have nothing more to fetch */
	} else if (err == RK_INELIGIBLE_REPLICA || err == RK_OPERATION_NOT_ATTEMPTED) {
		s->asked = false; /* refused for certain: as before, and later once more */
		take_back(s);
		rk_timer_set(c->timers, &c->isr_again, rk_now(c->env) + AGAIN_MS);
		if (p->log != NULL)
			core_advance(p);
	} else {
		/* FENCED_LEADER_EPOCH, INVALID_UPDATE_VERSION, NEW_LEADER_ELECTED, ...: the controller is ahead of us,
		 * perhaps because an earlier request was heard whose answer was not. The metadata will tell; until
		 * then both ISRs count. */
		rk_event("isr refused", err, p->partition_epoch);
	}
}

void
core_isr_done(struct core *c, bool again)
{
	rk_assert(c->isr_busy);
	c->isr_busy = false;
	if (!again)
		return;
	rk_list_each(&c->sets, m)
	{
		struct core_set *s = rk_of(m, struct core_set, link);
		if (!s->asked)
			continue;
		s->asked = false;
		wish(s);
	}
}
