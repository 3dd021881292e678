/* lead.c - leadership: who leads a partition as the metadata has it, and what follows from a change. */
#include "base/mem.h"
#include "src/core/follow.h"
#include "src/core/inside.h"
#include "src/core/feed.h"
#include "src/core/mark.h"
#include "src/core/replica.h"

/* --- who wants to hear of it */
struct loading { /* a partition whose records of before are not all committed yet */
	struct rk_list link;
	struct core_wait wait;
	struct core_partition *partition;
	int32_t epoch;
};

void
core_lead_init(struct core *c)
{
	rk_list_init(&c->watchers);
	rk_list_init(&c->loadings);
}

void
core_listen(struct core *c, struct core_watcher *w)
{
	rk_assert(c->magic == CORE_MAGIC && w->heard != NULL);
	rk_list_add(&c->watchers, &w->link);
}

static void
tell(struct core_partition *p, enum core_lead what, int32_t epoch)
{
	struct core *c = core_of(p);

	rk_assert(p->topic->internal);
	rk_list_each_safe(&c->watchers, m, n)
	{
		struct core_watcher *w = rk_of(m, struct core_watcher, link);
		w->heard(w, p, what, epoch);
	}
}

static void
loaded(struct core_wait *w, enum rk_err err)
{
	struct loading *l = rk_of(w, struct loading, wait);
	struct core_partition *p = l->partition;
	int32_t epoch = l->epoch;

	rk_list_del(&l->link);
	rk_mem_put(l);
	if (err == RK_OK && p->leads && p->leader_epoch == epoch)
		tell(p, CORE_LOADED, epoch);
}

static void
won(struct core_partition *p)
{
	struct core *c = core_of(p);
	int64_t end = core_end(p);

	tell(p, CORE_WON, p->leader_epoch);
	if (p->high >= end) {
		tell(p, CORE_LOADED, p->leader_epoch);
		return;
	}
	struct loading *l = rk_new(struct loading);
	l->partition = p;
	l->epoch = p->leader_epoch;
	l->wait = (struct core_wait){.need = end, .wake = loaded};
	rk_list_init(&l->wait.link);
	rk_list_add(&c->loadings, &l->link);
	core_wait_acks(p, &l->wait);
}

/* At start this node learns what it leads before it has found what is in its directories: an end would be taken for
 * 0, and all there is for committed. */
void
core_lead_found(struct core *c)
{
	rk_assert(c->magic == CORE_MAGIC && c->loaded);
	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL; t = core_topics_walk(c, t))
		for (uint32_t i = 0; t->internal && i < t->partitions; i++)
			if (t->partition[i] != NULL && t->partition[i]->leads)
				won(t->partition[i]);
}

/* --- changes */
static void
note(struct core_partition *p, const struct kp_partition_record *r)
{
	struct core *c = core_of(p);
	bool leads = r->leader == c->node_id;

	rk_assert(c->leaders >= (uint32_t)p->leads);
	c->leaders += (uint32_t)leads;
	c->leaders -= (uint32_t)p->leads;
	p->leads = leads;
	p->leader = r->leader;
	p->leader_epoch = r->leader_epoch;
	p->partition_epoch = r->partition_epoch;
	p->replicas = (int16_t)r->replicas.len;
	p->isr = (int16_t)rk_max(r->isr.len, 0);
	p->reassigned = r->adding_replicas.len > 0 || r->removing_replicas.len > 0;
}

static void
take_leadership(struct core_partition *p, const struct kp_partition_record *r, bool newly)
{
	core_follow_drop(p);
	if (newly && p->log != NULL)
		st_log_begin_epoch(p->log, p->leader_epoch);
	core_set_take(p, r, newly);
	if (newly && !rk_list_empty(&p->fetches)) {
		p->moved = true; /* a fetch that named the old epoch is to learn of the new one */
		core_touch(p);
	}
}

static void
lose_leadership(struct core_partition *p, int32_t epoch)
{
	core_set_drop(p);
	core_guards_free(p);
	core_marked_free(p);
	core_wake_all(p, RK_NOT_LEADER_OR_FOLLOWER);
	if (p->topic->internal)
		tell(p, CORE_LOST, epoch);
}

void
core_lead(struct core_partition *p, const struct kp_partition_record *r)
{
	struct core *c = core_of(p);
	bool leads = r->leader == c->node_id, led = p->leads;
	bool newly = leads && (!led || r->leader_epoch != p->leader_epoch);
	int32_t before = p->leader_epoch;

	rk_assert(r->leader_epoch >= p->leader_epoch);
	if (r->leader_epoch == p->leader_epoch && r->partition_epoch < p->partition_epoch)
		return; /* the controller's answer to this leader was faster than the metadata */
	rk_assert(r->leader_epoch > p->leader_epoch || r->leader == p->leader);
	note(p, r);
	if (led && !leads)
		lose_leadership(p, before);
	if (leads)
		take_leadership(p, r, newly);
	else
		core_follow_take(p, r->leader);
	core_advance(p);
	if (newly && p->topic->internal && c->loaded)
		won(p);
}

void
core_lead_over(struct core_partition *p, enum rk_err err)
{
	bool tells = err != RK_OK && p->leads && p->topic->internal;

	if (err != RK_OK)
		core_wake_all(p, err);
	core_set_drop(p);
	core_guards_free(p);
	core_marked_free(p);
	core_follow_drop(p);
	if (tells)
		tell(p, CORE_LOST, p->leader_epoch);
}

void
core_cut_off(struct core *c, bool off)
{
	rk_assert(c->magic == CORE_MAGIC);
	if (c->cut_off == off)
		return;
	c->cut_off = off;
	for (struct core_topic *t = core_topics_walk(c, NULL); off && t != NULL; t = core_topics_walk(c, t))
		for (uint32_t i = 0; i < t->partitions; i++) {
			struct core_partition *p = t->partition[i];
			if (p == NULL || rk_list_empty(&p->fetches))
				continue;
			p->moved = true; /* those who wait are told so */
			core_touch(p);
		}
}

void
core_lead_free(struct core *c)
{
	while (!rk_list_empty(&c->loadings)) {
		struct loading *l = rk_of(c->loadings.next, struct loading, link);
		rk_list_del(&l->wait.link);
		rk_list_del(&l->link);
		rk_mem_put(l);
	}
	while (!rk_list_empty(&c->watchers))
		rk_list_del(c->watchers.next);
}
