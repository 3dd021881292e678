/* change.c - how a partition changes when a broker goes or comes: its ISR, the replicas that may lead it
 * without losing anything (ELR, KIP-966), and its leader. One builder for every event.
 *
 * Who may lead, in this order: the first replica when it is preferred; the leader there is; the first in the
 * order of replicas that is live and in the new ISR, or (with the ISR empty) in the ELR; with ISR and
 * ELR empty, the one last-known leader; with an unclean election allowed, any live replica. Otherwise nobody. */
#include "src/meta/image.h"
#include "protocol/desc.h"
#include "src/config.h"

struct work {
	const struct meta_change *how;
	const struct kp_partition_record *old;
	struct kp_partition_change_record r;
	struct kp_partition_record now; /* what it will be */
	bool elr_on, unclean_won;
};

static bool
live(const struct work *w, int32_t id)
{
	const struct meta_candidate *c = meta_candidate(w->how->brokers, id);

	if (id == w->how->gone || c == NULL)
		return false;
	return c->state == META_ACTIVE || id == w->how->back;
}

static int32_t
min_isr(const struct meta_plan *p, struct rk_str topic, const struct kp_partition_record *old)
{
	struct rk_str text;
	int64_t n = 0;

	if (!(meta_config(&p->view, META_OF_TOPIC, topic, rk_lit("min.insync.replicas"), &text) && rk_str_int(text, &n)) &&
	    !(meta_config(&p->view, META_OF_BROKER, rk_lit(""), rk_lit("min.insync.replicas"), &text) && rk_str_int(text, &n)))
		n = p->conf->min_insync_replicas;
	return (int32_t)rk_min(n, old->replicas.len);
}

void
meta_java_pairs(struct conf_pair *pair, uint32_t count, struct rk_arena *a)
{
	struct conf_pair *was = rk_arena_get(a, count, sizeof *was);
	struct rk_str *name = rk_arena_get(a, count, sizeof *name);
	uint32_t *order = rk_arena_get(a, count, sizeof *order);

	if (was == NULL || name == NULL || order == NULL || count < 2)
		return;
	memcpy(was, pair, count * sizeof *was);
	for (uint32_t i = 0; i < count; i++)
		name[i] = pair[i].name;
	meta_java_order(name, count, order, a);
	for (uint32_t i = 0; i < count; i++)
		pair[i] = was[order[i]];
}

struct rk_str
meta_static_min_isr(const struct meta_plan *p)
{
	return rk_arena_print(p->arena, "%d", p->conf->min_insync_replicas);
}

/* A list without one member, in the arena. */
static bool
without(struct meta_plan *p, const int32_t *at, int32_t len, int32_t id, int32_t **out, int32_t *count)
{
	*count = 0;
	*out = rk_arena_get(p->arena, (size_t)(len > 0 ? len : 0), sizeof **out);
	if (*out == NULL)
		return false;
	for (int32_t i = 0; i < len; i++)
		if (at[i] != id)
			(*out)[(*count)++] = at[i];
	return true;
}

/* Members that leave the ISR while it is too small go to the ELR, unless they may have lost what they had. */
static bool
work_elr(struct meta_plan *p, struct work *w, int32_t least)
{
	const struct kp_partition_record *o = w->old;
	int32_t n = 0, room = (o->isr.len > 0 ? o->isr.len : 0) +
	    (o->eligible_leader_replicas.len > 0 ? o->eligible_leader_replicas.len : 0);

	if (w->now.isr.len >= least) {
		w->now.eligible_leader_replicas.len = 0;
		w->now.last_known_elr.len = 0;
		return true;
	}
	int32_t *elr = rk_arena_get(p->arena, (size_t)room, sizeof *elr);
	if (elr == NULL)
		return false;
	for (int32_t i = 0; i < room; i++) {
		int32_t id = i < o->isr.len ? o->isr.at[i] : o->eligible_leader_replicas.at[i - o->isr.len];
		if (!meta_has(w->now.isr.at, w->now.isr.len, id) && !meta_has(elr, n, id) &&
		    !(id == w->how->gone && w->how->gone_unclean))
			elr[n++] = id;
	}
	w->now.eligible_leader_replicas.at = elr;
	w->now.eligible_leader_replicas.len = n;
	return true;
}

static bool
eligible(const struct work *w, int32_t id)
{
	const struct kp_partition_record *n = &w->now;

	return live(w, id) && (meta_has(n->isr.at, n->isr.len, id) ||
	    (n->isr.len <= 0 && meta_has(n->eligible_leader_replicas.at, n->eligible_leader_replicas.len, id)));
}

static int32_t
elect(struct work *w)
{
	const struct kp_partition_record *o = w->old;

	if (w->how->preferred && eligible(w, o->replicas.at[0]))
		return o->replicas.at[0];
	if (o->leader >= 0 && eligible(w, o->leader))
		return o->leader;
	for (int32_t i = 0; i < o->replicas.len; i++)
		if (eligible(w, o->replicas.at[i]))
			return o->replicas.at[i];
	if (w->elr_on && w->now.isr.len <= 0 && w->now.eligible_leader_replicas.len <= 0 && o->last_known_elr.len == 1 &&
	    live(w, o->last_known_elr.at[0])) {
		w->unclean_won = true;
		return o->last_known_elr.at[0];
	}
	for (int32_t i = 0; w->how->unclean && i < o->replicas.len; i++)
		if (live(w, o->replicas.at[i])) {
			w->unclean_won = true;
			return o->replicas.at[i];
		}
	return META_NO_LEADER;
}

/* A leader from outside the ISR makes an ISR of itself. */
static bool
crown(struct meta_plan *p, struct work *w, int32_t leader)
{
	w->now.leader = leader;
	if (leader < 0 || meta_has(w->now.isr.at, w->now.isr.len, leader))
		return true;
	int32_t *isr = rk_arena_get(p->arena, 1, sizeof *isr), *elr, n;
	if (isr == NULL || !without(p, w->now.eligible_leader_replicas.at, w->now.eligible_leader_replicas.len, leader,
	    &elr, &n))
		return false;
	isr[0] = leader;
	w->now.isr.at = isr;
	w->now.isr.len = 1;
	w->now.eligible_leader_replicas.at = elr;
	w->now.eligible_leader_replicas.len = w->unclean_won ? 0 : n;
	w->now.last_known_elr.len = 0;
	if (w->unclean_won)
		w->now.leader_recovery_state = 1;
	return true;
}

static bool
same(const int32_t *a, int32_t n, const int32_t *b, int32_t m)
{
	n = n > 0 ? n : 0;
	m = m > 0 ? m : 0;
	return n == m && (n == 0 || memcmp(a, b, (size_t)n * sizeof *a) == 0);
}

/* What differs goes into the record; an empty list is said as an empty list, not as null. */
#define DIFFER(list)                                                                                  \
	do {                                                                                          \
		if (!same(w->old->list.at, w->old->list.len, w->now.list.at, w->now.list.len)) {      \
			w->r.list.at = w->now.list.at;                                                \
			w->r.list.len = w->now.list.len > 0 ? w->now.list.len : 0;                    \
			changed = true;                                                               \
		}                                                                                     \
	} while (0)

static bool
differ(struct work *w, bool bump)
{
	bool changed = false;

	DIFFER(isr);
	DIFFER(eligible_leader_replicas);
	DIFFER(last_known_elr);
	if (w->now.leader != w->old->leader || bump) {
		w->r.leader = w->now.leader;
		changed = true;
	}
	if (w->now.leader_recovery_state != w->old->leader_recovery_state) {
		w->r.leader_recovery_state = w->now.leader_recovery_state;
		changed = true;
	}
	return changed;
}
#undef DIFFER

static bool
work_isr(struct meta_plan *p, struct work *w, struct rk_str topic)
{
	int32_t *isr, n;

	if (!without(p, w->old->isr.at, w->old->isr.len, w->how->gone, &isr, &n))
		return false;
	if (n > 0 || w->elr_on) {
		w->now.isr.at = isr;
		w->now.isr.len = n;
	} /* else the last ISR is kept, without a leader */
	if (w->elr_on && !work_elr(p, w, min_isr(p, topic, w->old)))
		return false;
	/* The first time a partition becomes leaderless, its leader is remembered. */
	if (w->elr_on && w->now.isr.len == 0 && w->old->isr.len > 0 && w->old->leader >= 0) {
		int32_t *last = rk_arena_get(p->arena, 1, sizeof *last);
		if (last == NULL)
			return false;
		last[0] = w->old->leader;
		w->now.last_known_elr.at = last;
		w->now.last_known_elr.len = 1;
	}
	return true;
}

bool
meta_plan_change(struct meta_plan *p, struct rk_str topic, const struct kp_partition_record *old,
    const struct meta_change *how)
{
	struct work w = { .how = how, .old = old, .now = *old };
	bool bump = false;

	kp_defaults(&kp_partition_change_record_d, &w.r);
	w.r.topic_id = old->topic_id;
	w.r.partition_id = old->partition_id;
	w.elr_on = p->version >= 23 && meta_plan_feature(p, "eligible.leader.replicas.version") > 0;
	if (old->replicas.len == 1 && how->gone == old->replicas.at[0] && how->gone_unclean && old->leader == how->gone) {
		bump = true; /* the only replica comes back itself: nobody else could have led meanwhile */
	} else {
		if (!work_isr(p, &w, topic) || !crown(p, &w, elect(&w)))
			return false;
		bump = w.now.replicas.len != old->replicas.len;
	}
	if (!differ(&w, bump))
		return false;
	meta_plan_add(p, KP_PARTITION_CHANGE_RECORD, &w.r);
	return true;
}

/* The partitions are listed first: changing one moves the rows that are walked. */
struct place {
	struct rk_uuid topic;
	int32_t partition;
};

static uint32_t
list(struct meta_plan *p, int32_t broker, struct place **out)
{
	struct meta_key k = { .len = 0 };
	struct st_cursor c;
	uint32_t n = 0, cap = 0;

	*out = NULL;
	meta_key_i32(&k, broker);
	for (bool more = st_cursor_begin(&c, p->view.txn, META_MEMBER, meta_key_str(&k), meta_key_str(&k)); more;
	    more = st_cursor_next(&c)) {
		if (n == cap) {
			cap = cap == 0 ? 64 : cap * 2;
			struct place *wider = rk_arena_get(p->arena, cap, sizeof *wider);
			if (wider == NULL)
				break;
			if (n > 0)
				memcpy(wider, *out, n * sizeof *wider);
			*out = wider;
		}
		rk_assert(c.key.len == 24);
		memcpy((*out)[n].topic.id, c.key.at + 4, 16);
		(*out)[n++].partition = (int32_t)rk_get32(c.key.at + 20);
	}
	st_cursor_end(&c);
	return n;
}

void
meta_plan_change_all(struct meta_plan *p, int32_t broker, const struct meta_change *how)
{
	struct place *at;
	uint32_t n = list(p, broker, &at);
	struct kp_partition_record r;
	struct meta_topic t;

	for (uint32_t i = 0; i < n && !p->arena->over; i++) {
		if (!meta_partition(&p->view, at[i].topic, at[i].partition, p->arena, &r) ||
		    !meta_topic_of(&p->view, at[i].topic, &t))
			continue;
		meta_plan_change(p, rk_arena_str(p->arena, t.name), &r, how);
	}
}
