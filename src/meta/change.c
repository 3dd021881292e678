/* change.c - how a partition changes: its replicas while they are reassigned, its ISR, the replicas that may lead it
 * without losing anything (ELR, KIP-966), and its leader. One builder for every event.
 *
 * Who may lead, in this order: the first replica when it is preferred; the leader there is; the first in the
 * order of replicas that is live and in the new ISR, or (with the ISR empty) in the ELR; with ISR and
 * ELR empty, the one last-known leader; with an unclean election allowed, any live replica. Otherwise nobody.
 * Live: its broker is unfenced and not about to leave, and its directory there is online.
 *
 * A replica that is taken away is not eligible any more: should it ever come back, it comes back empty. (Kafka 4.3
 * leaves it in the ELR.) */
#include "src/meta/image.h"
#include "protocol/desc.h"
#include "src/config.h"

struct work {
	const struct meta_change *how;
	const struct kp_partition_record *old;
	struct kp_partition_change_record r;
	struct kp_partition_record now; /* what it will be */
	int32_t least;                  /* min.insync.replicas, as far as there are replicas */
	bool elr_on, unclean, unclean_won;
};

bool
meta_reassigning(const struct kp_partition_record *p)
{
	return p->adding_replicas.len > 0 || p->removing_replicas.len > 0;
}

static bool
live(const struct work *w, int32_t id)
{
	const struct meta_candidate *c = meta_candidate(w->how->brokers, id);
	const struct kp_partition_record *o = w->old;

	if (id == w->how->gone || c == NULL || !(c->state == META_ACTIVE || id == w->how->back))
		return false;
	if (w->how->directory != NULL && id == w->how->directory_of &&
	    meta_directory_online(c->dirs, c->dir_count, *w->how->directory))
		return true; /* where it is said to be from now on */
	for (int32_t i = 0; i < o->replicas.len; i++)
		if (o->replicas.at[i] == id)
			return i >= o->directories.len ||
			    meta_directory_online(c->dirs, c->dir_count, o->directories.at[i]);
	return false;
}

/* --- configs */

static bool
config_number(const struct meta_plan *p, int8_t type, struct rk_str resource, const char *name, int64_t *n)
{
	struct rk_str text;

	return meta_config(&p->view, type, resource, rk_str_of(name), &text) && rk_str_int(text, n);
}

static int32_t
min_isr(const struct meta_plan *p, struct rk_str topic)
{
	static const char key[] = "min.insync.replicas";
	int64_t n = 0;

	if (!config_number(p, META_OF_TOPIC, topic, key, &n) && !config_number(p, META_OF_BROKER, rk_lit(""), key, &n))
		n = p->conf->min_insync_replicas;
	return (int32_t)n;
}

struct rk_str
meta_static_min_isr(const struct meta_plan *p)
{
	return rk_arena_print(p->arena, "%d", p->conf->min_insync_replicas);
}

bool
meta_unclean_allowed(const struct meta_plan *p, struct rk_str topic)
{
	struct rk_str key = rk_lit("unclean.leader.election.enable"), text;
	char id[16];

	snprintf(id, sizeof id, "%d", p->conf->node_id);
	if (meta_config(&p->view, META_OF_TOPIC, topic, key, &text) ||
	    meta_config(&p->view, META_OF_BROKER, rk_str_of(id), key, &text) ||
	    meta_config(&p->view, META_OF_BROKER, rk_lit(""), key, &text))
		return rk_str_is(text, "true");
	return p->conf->unclean_leader_election_enable;
}

/* --- lists */

/* Those of a list that are (in) or are not (out) in another, in the work arena. */
static bool
sift(struct meta_plan *p, const int32_t *at, int32_t len, const int32_t *other, int32_t others, bool in,
    struct meta_ids *out)
{
	out->len = 0;
	out->at = rk_arena_get(p->work, (size_t)(len > 0 ? len : 0), sizeof *out->at);
	for (int32_t i = 0; out->at != NULL && i < len; i++)
		if (meta_has(other, others, at[i]) == in)
			out->at[out->len++] = at[i];
	return out->at != NULL;
}

static bool
holds_all(const int32_t *at, int32_t len, const int32_t *wanted, int32_t count)
{
	for (int32_t i = 0; i < count; i++)
		if (!meta_has(at, len, wanted[i]))
			return false;
	return true;
}

#define SET(list, ids)                        \
	do {                                  \
		w->now.list.at = (ids).at;    \
		w->now.list.len = (ids).len;  \
	} while (0)

/* --- what it will be */

static bool
take_targets(struct meta_plan *p, struct work *w)
{
	const struct meta_change *how = w->how;
	struct meta_ids isr;

	if (how->isr != NULL)
		SET(isr, *how->isr);
	if (how->replicas != NULL)
		SET(replicas, *how->replicas);
	if (how->adding != NULL)
		SET(adding_replicas, *how->adding);
	if (how->removing != NULL)
		SET(removing_replicas, *how->removing);
	if (how->recovered)
		w->now.leader_recovery_state = 0;
	if (!sift(p, w->now.isr.at, w->now.isr.len, &how->gone, 1, false, &isr))
		return false;
	SET(isr, isr);
	return true;
}

/* A reassignment is over when every added replica is in the ISR or, when none is added, every one that stays. */
static bool
complete(struct meta_plan *p, struct work *w)
{
	struct meta_ids isr, replicas;
	struct kp_partition_record *n = &w->now;

	if (!meta_reassigning(n))
		return true;
	if (!sift(p, n->isr.at, n->isr.len, n->removing_replicas.at, n->removing_replicas.len, false, &isr) ||
	    !sift(p, n->replicas.at, n->replicas.len, n->removing_replicas.at, n->removing_replicas.len, false, &replicas))
		return false;
	if (isr.len == 0 || !(n->adding_replicas.len > 0 ?
	    holds_all(isr.at, isr.len, n->adding_replicas.at, n->adding_replicas.len) :
	    holds_all(isr.at, isr.len, replicas.at, replicas.len)))
		return true;
	SET(isr, isr);
	SET(replicas, replicas);
	n->adding_replicas.len = n->removing_replicas.len = 0;
	return true;
}

/* Members that leave the ISR while it is too small go to the ELR, unless they may have lost what they had. */
static bool
work_elr(struct meta_plan *p, struct work *w)
{
	const struct kp_partition_record *o = w->old;
	int32_t n = 0, in_isr = o->isr.len > 0 ? o->isr.len : 0;
	int32_t room = in_isr + (o->eligible_leader_replicas.len > 0 ? o->eligible_leader_replicas.len : 0);

	if (!w->elr_on)
		return true;
	if (w->now.isr.len >= rk_min(w->least, w->now.replicas.len)) {
		w->now.eligible_leader_replicas.len = 0;
		return true;
	}
	int32_t *elr = rk_arena_get(p->work, (size_t)room, sizeof *elr);
	if (elr == NULL)
		return false;
	for (int32_t i = 0; i < room; i++) {
		int32_t id = i < in_isr ? o->isr.at[i] : o->eligible_leader_replicas.at[i - in_isr];
		if (!meta_has(w->now.isr.at, w->now.isr.len, id) && !meta_has(elr, n, id) &&
		    meta_has(w->now.replicas.at, w->now.replicas.len, id) &&
		    !(id == w->how->gone && w->how->gone_unclean))
			elr[n++] = id;
	}
	if (n > 1)
		qsort(elr, (size_t)n, sizeof *elr, rk_by_i32);
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
	const struct kp_partition_record *o = w->old, *n = &w->now;

	if (w->how->election == META_PREFERRED && eligible(w, n->replicas.at[0]))
		return n->replicas.at[0];
	if (o->leader >= 0 && eligible(w, o->leader))
		return o->leader;
	for (int32_t i = 0; i < n->replicas.len; i++)
		if (eligible(w, n->replicas.at[i]))
			return n->replicas.at[i];
	if (w->elr_on && n->isr.len <= 0 && n->eligible_leader_replicas.len <= 0 && o->last_known_elr.len == 1 &&
	    live(w, o->last_known_elr.at[0])) {
		w->unclean_won = true;
		return o->last_known_elr.at[0];
	}
	for (int32_t i = 0; w->unclean && i < n->replicas.len; i++)
		if (live(w, n->replicas.at[i])) {
			w->unclean_won = true;
			return n->replicas.at[i];
		}
	return META_NO_LEADER;
}

/* A leader from outside the ISR makes an ISR of itself. */
static bool
crown(struct meta_plan *p, struct work *w, int32_t leader)
{
	struct meta_ids elr, isr = { rk_arena_get(p->work, 1, sizeof *isr.at), 1 };

	w->now.leader = leader;
	if (leader >= 0)
		w->now.last_known_elr.len = 0;
	if (leader < 0 || meta_has(w->now.isr.at, w->now.isr.len, leader))
		return true;
	if (isr.at == NULL || !sift(p, w->now.eligible_leader_replicas.at, w->now.eligible_leader_replicas.len, &leader, 1,
	    false, &elr))
		return false;
	isr.at[0] = leader;
	SET(isr, isr);
	SET(eligible_leader_replicas, elr);
	if (w->unclean_won) {
		w->now.eligible_leader_replicas.len = 0;
		w->now.leader_recovery_state = 1;
	}
	return true;
}

/* When a partition becomes leaderless, its leader is remembered. Without the ELR the last ISR is kept. */
static bool
remember(struct meta_plan *p, struct work *w)
{
	const struct kp_partition_record *o = w->old;

	if (!w->elr_on) {
		if (w->now.isr.len == 0) {
			w->now.isr.at = o->isr.at;
			w->now.isr.len = o->isr.len;
		}
		w->now.eligible_leader_replicas.len = w->now.last_known_elr.len = 0;
		return true;
	}
	if (w->now.leader >= 0 || o->leader < 0)
		return true;
	int32_t *last = rk_arena_get(p->work, 1, sizeof *last);
	if (last == NULL)
		return false;
	last[0] = o->leader;
	w->now.last_known_elr.at = last;
	w->now.last_known_elr.len = 1;
	return true;
}

/* --- what differs goes into the record */

static bool
same(const int32_t *a, int32_t n, const int32_t *b, int32_t m)
{
	n = n > 0 ? n : 0;
	m = m > 0 ? m : 0;
	return n == m && (n == 0 || memcmp(a, b, (size_t)n * sizeof *a) == 0);
}

/* An empty list is said as an empty list, not as null. */
#define DIFFER(list)                                                                                  \
	do {                                                                                          \
		if (!same(w->old->list.at, w->old->list.len, w->now.list.at, w->now.list.len)) {      \
			w->r.list.at = w->now.list.at;                                                \
			w->r.list.len = w->now.list.len > 0 ? w->now.list.len : 0;                    \
			changed = true;                                                               \
		}                                                                                     \
	} while (0)

/* A new list of replicas brings the directories of those that stay; a new one has its broker's only one. */
static bool
differ_directories(struct meta_plan *p, struct work *w)
{
	const struct kp_partition_record *o = w->old, *n = &w->now;
	struct rk_uuid *dir = rk_arena_get(p->work, (size_t)n->replicas.len, sizeof *dir);
	bool changed = n->replicas.len != o->directories.len;

	if (dir == NULL || p->version < META_MV_DIRECTORIES)
		return false;
	for (int32_t i = 0; i < n->replicas.len; i++) {
		const struct meta_candidate *c = meta_candidate(w->how->brokers, n->replicas.at[i]);
		bool had = false;
		dir[i].id[15] = 1;
		for (int32_t k = 0; k < o->replicas.len && k < o->directories.len && !had; k++)
			if (o->replicas.at[k] == n->replicas.at[i]) {
				dir[i] = o->directories.at[k];
				had = true;
			}
		if (!had && c != NULL && !meta_has(o->replicas.at, o->replicas.len, n->replicas.at[i]))
			dir[i] = c->directory;
		if (w->how->directory != NULL && n->replicas.at[i] == w->how->directory_of)
			dir[i] = *w->how->directory;
		changed |= i >= o->directories.len || !rk_uuid_eq(dir[i], o->directories.at[i]);
	}
	if (changed) {
		w->r.directories.at = dir;
		w->r.directories.len = n->replicas.len;
	}
	return changed;
}

static bool
differ(struct meta_plan *p, struct work *w, bool bump)
{
	bool changed = false;

	DIFFER(isr);
	DIFFER(replicas);
	DIFFER(removing_replicas);
	DIFFER(adding_replicas);
	DIFFER(eligible_leader_replicas);
	DIFFER(last_known_elr);
	if (w->r.replicas.len > 0 || w->how->directory != NULL)
		changed |= differ_directories(p, w);
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
#undef SET

/* The same leader begins a new epoch when a replica is taken away, so that nobody fetches as one any more. */
static bool
bumps(const struct meta_plan *p, const struct work *w)
{
	const struct kp_partition_record *o = w->old, *n = &w->now;

	return !holds_all(n->replicas.at, n->replicas.len, o->replicas.at, o->replicas.len) ||
	    (p->version < META_MV_QUIET_SHRINK && !holds_all(n->isr.at, n->isr.len, o->isr.at, o->isr.len));
}

bool
meta_plan_change(struct meta_plan *p, struct rk_str topic, const struct kp_partition_record *old,
    const struct meta_change *how)
{
	struct work w = { .how = how, .old = old, .now = *old };
	bool bump = true;

	rk_assert(old->replicas.len > 0);
	kp_defaults(&kp_partition_change_record_d, &w.r);
	w.r.topic_id = old->topic_id;
	w.r.partition_id = old->partition_id;
	w.elr_on = p->version >= META_MV_ELR && meta_plan_feature(p, "eligible.leader.replicas.version") > 0;
	w.least = min_isr(p, topic);
	w.unclean = how->election == META_UNCLEAN ||
	    (how->election == META_AS_CONFIGURED && meta_unclean_allowed(p, topic));
	/* The only replica comes back itself, and nobody else could have led meanwhile: it goes on leading. */
	bool alone = old->replicas.len == 1 && how->gone == old->replicas.at[0] && how->gone_unclean &&
	    old->leader == how->gone;
	if (!alone) {
		bool fits = take_targets(p, &w) && complete(p, &w) && work_elr(p, &w) && crown(p, &w, elect(&w)) &&
		    remember(p, &w);
		p->arena->over |= !fits; /* nothing of the request is kept then */
		if (!fits)
			return false;
		rk_assert(w.now.leader < 0 || meta_has(w.now.isr.at, w.now.isr.len, w.now.leader));
		bump = bumps(p, &w);
	}
	if (!differ(p, &w, bump))
		return false;
	meta_plan_add(p, KP_PARTITION_CHANGE_RECORD, &w.r);
	return true;
}

/* --- many */

uint32_t
meta_places(struct meta_plan *p, int32_t broker, uint8_t bits, uint32_t max, struct meta_place_of **out)
{
	struct meta_key k = { .len = 0 };
	struct st_cursor c;
	uint32_t n = 0, cap = 0;

	*out = NULL;
	meta_key_i32(&k, broker);
	for (bool more = st_cursor_begin(&c, p->view.txn, META_MEMBER, meta_key_str(&k), meta_key_str(&k)); more && n < max;
	    more = st_cursor_next(&c)) {
		if ((c.value.at[0] & bits) == 0)
			continue;
		if (n == cap) {
			cap = cap == 0 ? 64 : cap * 2;
			struct meta_place_of *wider = rk_arena_get(p->arena, cap, sizeof *wider);
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
meta_plan_change_each(struct meta_plan *p, const struct meta_place_of *at, uint32_t count,
    const struct meta_change *how)
{
	struct kp_partition_record r;
	struct meta_topic t;

	for (uint32_t i = 0; i < count && !p->arena->over; i++, rk_arena_reset(p->work))
		if (meta_partition(&p->view, at[i].topic, at[i].partition, p->work, &r) &&
		    meta_topic_of(&p->view, at[i].topic, &t))
			meta_plan_change(p, rk_arena_str(p->work, t.name), &r, how);
}

void
meta_plan_change_all(struct meta_plan *p, int32_t broker, const struct meta_change *how)
{
	struct meta_place_of *at;
	uint8_t bits = broker < 0 ? META_LEADER : how->gone_unclean || how->eligible ? META_ISR | META_ELR : META_ISR;
	uint32_t n = meta_places(p, broker, bits, UINT32_MAX, &at);

	meta_plan_change_each(p, at, n, how);
}
