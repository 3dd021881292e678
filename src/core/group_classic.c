/* group_classic.c - the classic protocol's members and rebalances; the rest of it is in group_sync.c.
 *
 *	Empty -> PreparingRebalance -> CompletingRebalance -> Stable -> PreparingRebalance ...
 *
 * Preparing: everybody is to join (again); it ends when all have, or when the longest rebalance timeout is over, and
 * then those who did not come are out (but for static members). A new group waits group.initial.rebalance.delay.ms
 * first, and as long again while members keep coming. Completing: the leader has the members' metadata and brings
 * the assignments; they are in a record before anybody hears of them. Session timers run for everybody who is not
 * waiting in a join. */
#include "protocol/gen/join_group.h"
#include "protocol/gen/sync_group.h"
#include "src/config.h"
#include "src/core/group_consumer.h"
#include "base/mem.h"

enum { FIRST_JOIN_MS = 300000 }; /* a new member may take so long to come back with its first join answered */

static void completed(struct rk_timer *, int64_t);

struct rk_timers *
core_group_timers(const struct core_group *g)
{
	return g->home->core->timers;
}

static int64_t
now(const struct core_group *g)
{
	return rk_now(g->home->core->env);
}

/* --- members */
static void session_over(struct rk_timer *, int64_t);

static void
free_member(struct core_group_member *m)
{
	rk_mem_put((char *)(uintptr_t)m->id.at);
	rk_mem_put((char *)(uintptr_t)m->instance.at);
	rk_mem_put((char *)(uintptr_t)m->client_id.at);
	rk_mem_put((char *)(uintptr_t)m->client_host.at);
	rk_mem_put((char *)(uintptr_t)m->assignment.at);
	rk_mem_put(m->protocol);
	rk_mem_put(m);
}

struct core_group_member *
core_group_add_member(struct core_group *g, struct rk_str id, struct rk_str instance, struct rk_str client_id,
    struct rk_str host)
{
	struct core_group_member *m = rk_new(struct core_group_member);

	*m = (struct core_group_member){ .group = g, .id = RK_STR_NULL, .instance = RK_STR_NULL, .assignment = rk_lit(""),
		.session = { .at_ms = INT64_MAX, .fire = session_over } };
	m->assignment.at = NULL;
	core_group_set(&m->id, id);
	core_group_set(&m->instance, instance);
	core_group_set(&m->client_id, client_id.len < 0 ? rk_lit("") : client_id);
	core_group_set(&m->client_host, host);
	rk_list_add(&g->members, &m->link);
	g->count++;
	return m;
}

void
core_group_remove(struct core_group_member *m)
{
	struct core_group *g = m->group;

	rk_assert(g->count > 0);
	rk_timer_stop(core_group_timers(g), &m->session);
	g->joining -= m->join != NULL;
	if (m->join != NULL)
		m->join->member = NULL;
	if (m->sync != NULL)
		m->sync->member = NULL;
	if (g->leader == m)
		g->leader = NULL;
	rk_list_del(&m->link);
	core_known_take(m);
	g->count--;
	free_member(m);
	if (g->leader == NULL && g->count > 0)
		g->leader = rk_of(g->members.next, struct core_group_member, link);
}

/* The request's protocols, in one allocation. */
void
core_group_set_protocols(struct core_group_member *m, const struct kp_join_group_req_protocols *at, int32_t len)
{
	size_t bytes = (size_t)rk_max(len, 1) * sizeof *m->protocol;

	for (int32_t i = 0; i < len; i++)
		bytes += (size_t)rk_max(at[i].name.len, 0) + (size_t)rk_max(at[i].metadata.len, 0);
	core_known_take(m);
	rk_mem_put(m->protocol);
	m->protocol = rk_mem_get(bytes);
	m->protocols = len;
	char *to = (char *)(m->protocol + rk_max(len, 1));
	for (int32_t i = 0; i < len; i++) {
		struct rk_str *out[2] = { &m->protocol[i].name, &m->protocol[i].metadata };
		struct rk_str in[2] = { at[i].name, at[i].metadata };
		for (int k = 0; k < 2; k++) {
			*out[k] = (struct rk_str){ to, rk_max(in[k].len, 0) };
			if (in[k].len > 0)
				memcpy(to, in[k].at, (size_t)in[k].len);
			to += out[k]->len;
		}
	}
	core_known_add(m);
}

static bool
same_protocols(const struct core_group_member *m, const struct kp_join_group_req *q)
{
	bool same = m->protocols == q->protocols.len;

	for (int32_t i = 0; same && i < m->protocols; i++)
		same = rk_str_eq(m->protocol[i].name, q->protocols.at[i].name)
		    && rk_str_eq(m->protocol[i].metadata, q->protocols.at[i].metadata);
	return same;
}

/* Is there a protocol that all others have too? */
static bool
fits(struct core_group *g, const struct kp_join_group_req *q, const struct core_group_member *but)
{
	if (q->protocol_type.len <= 0 || q->protocols.len <= 0)
		return false;
	if (g->count - (but != NULL) <= 0)
		return true;
	if (!rk_str_eq(g->protocol_type, q->protocol_type))
		return false;
	return core_known_fits(g, q, but);
}

/* --- pending ids */
void
core_group_drop_pending(struct core_group_pending *p)
{
	struct core_group *g = p->group;

	rk_assert(g->pendings > 0);
	rk_timer_stop(core_group_timers(g), &p->timer);
	rk_list_del(&p->link);
	g->pendings--;
	rk_mem_put((char *)(uintptr_t)p->id.at);
	rk_mem_put(p);
}

struct core_group_pending *
core_group_pending_of(const struct core_group *g, struct rk_str id)
{
	rk_list_each(&g->pending, l)
		if (rk_str_eq(rk_of(l, struct core_group_pending, link)->id, id))
			return rk_of(l, struct core_group_pending, link);
	return NULL;
}

static void
pending_over(struct rk_timer *t, int64_t now_ms)
{
	struct core_group_pending *p = rk_of(t, struct core_group_pending, timer);
	struct core_group *g = p->group;

	(void)now_ms;
	core_group_drop_pending(p);
	core_group_try(g);
}

static void
add_pending(struct core_group *g, struct rk_str id, int32_t session_ms)
{
	struct core_group_pending *p = rk_new(struct core_group_pending);

	*p = (struct core_group_pending){ .group = g, .id = RK_STR_NULL,
		.timer = { .at_ms = INT64_MAX, .fire = pending_over } };
	core_group_set(&p->id, id);
	rk_list_add(&g->pending, &p->link);
	g->pendings++;
	rk_timer_set(core_group_timers(g), &p->timer, now(g) + session_ms);
}

/* --- sessions */
void
core_group_heard(struct core_group_member *m)
{
	if (m->join == NULL)
		rk_timer_set(core_group_timers(m->group), &m->session, now(m->group) + m->session_ms);
}

/* Gone, by itself or by silence: the others share what it had. */
void
core_group_lost(struct core_group_member *m)
{
	struct core_group *g = m->group;

	core_group_remove(m);
	if (g->state == CORE_GROUP_STABLE || g->state == CORE_GROUP_COMPLETING)
		core_group_prepare(g);
	else if (g->state == CORE_GROUP_PREPARING)
		core_group_try(g);
}

void
core_group_refuse_sync(struct core_group_member *m, enum rk_err err)
{
	struct core_group_asker *a = m->sync;
	struct kp_sync_group_res *res;

	if (a == NULL)
		return;
	m->sync = NULL;
	res = a->res;
	res->error_code = rk_err_wire(err);
	res->assignment = rk_lit("");
	core_group_answer(a);
}

void
core_group_refuse_join(struct core_group_member *m, enum rk_err err)
{
	struct core_group_asker *a = m->join;
	struct kp_join_group_res *res;

	if (a == NULL)
		return;
	m->join = NULL;
	m->group->joining--;
	res = a->res;
	res->error_code = rk_err_wire(err);
	res->generation_id = -1;
	res->member_id = rk_arena_str(a->arena, m->id);
	core_group_answer(a);
}

static void
session_over(struct rk_timer *t, int64_t now_ms)
{
	struct core_group_member *m = rk_of(t, struct core_group_member, session);
	struct core_group *g = m->group;

	(void)now_ms;
	rk_say(RK_INFO, "Member %.*s of group %.*s was silent for %d ms and is removed.", m->id.len, m->id.at, g->name.len,
	    g->name.at, m->session_ms);
	core_group_refuse_join(m, RK_UNKNOWN_MEMBER_ID);
	core_group_refuse_sync(m, RK_UNKNOWN_MEMBER_ID);
	core_group_lost(m);
}

/* --- answering joins */
static void
fill_members(const struct core_group *g, struct kp_join_group_res *res, struct rk_arena *a)
{
	int32_t n = 0;

	res->members.at = rk_arena_get(a, (size_t)g->count + 1, sizeof *res->members.at);
	res->members.len = 0;
	if (res->members.at == NULL)
		return;
	rk_list_each(&g->members, l) {
		const struct core_group_member *m = rk_of(l, struct core_group_member, link);
		res->members.at[n].member_id = rk_arena_str(a, m->id);
		res->members.at[n].group_instance_id = rk_arena_str(a, m->instance);
		res->members.at[n++].metadata = rk_arena_str(a, core_group_metadata(g, m));
	}
	res->members.len = n;
}

/* The generation as it is, for this member. */
static void
fill_join(const struct core_group_member *m, struct core_group_asker *a, bool with_members)
{
	const struct core_group *g = m->group;
	struct kp_join_group_res *res = a->res;

	res->error_code = 0;
	res->generation_id = g->generation;
	res->protocol_type = rk_arena_str(a->arena, g->protocol_type);
	if (g->protocol.len > 0) /* else what its version says for none */
		res->protocol_name = rk_arena_str(a->arena, g->protocol);
	res->leader = g->leader == NULL ? rk_lit("") : rk_arena_str(a->arena, g->leader->id);
	res->member_id = rk_arena_str(a->arena, m->id);
	if (with_members)
		fill_members(g, res, a->arena);
}

static void
wait_for_join(struct core_group_member *m, struct core_group_asker *a)
{
	core_group_refuse_join(m, RK_UNKNOWN_MEMBER_ID); /* an older request of the same member */
	m->join = a;
	a->member = m;
	m->group->joining++;
	rk_timer_stop(core_group_timers(m->group), &m->session);
	if (m->fresh)
		rk_timer_set(core_group_timers(m->group), &m->session, now(m->group) + FIRST_JOIN_MS);
}

/* --- the rebalance */
static int32_t
longest(const struct core_group *g)
{
	int32_t ms = 0;

	rk_list_each(&g->members, l)
		ms = rk_max(ms, rk_of(l, struct core_group_member, link)->rebalance_ms);
	return ms;
}

static void
first_wait_over(struct rk_timer *t, int64_t now_ms)
{
	struct core_group *g = rk_of(t, struct core_group, timer);
	int32_t delay = rk_min(g->home->core->conf->group_initial_rebalance_delay_ms, g->delay_left_ms);

	rk_assert(g->first_wait);
	if (!g->grown || delay <= 0) {
		g->first_wait = false;
		completed(t, now_ms);
		return;
	}
	g->grown = false;
	g->delay_left_ms -= delay;
	rk_timer_set(core_group_timers(g), t, now_ms + delay);
}

void
core_group_prepare(struct core_group *g)
{
	int32_t delay = g->home->core->conf->group_initial_rebalance_delay_ms;

	rk_list_each(&g->members, l) {
		struct core_group_member *m = rk_of(l, struct core_group_member, link);
		if (g->state == CORE_GROUP_COMPLETING) /* else each still has it, and it is told and taken along */
			core_group_set(&m->assignment, rk_lit(""));
		m->synced = false;
		if (m->sync != NULL) {
			core_group_refuse_sync(m, RK_REBALANCE_IN_PROGRESS);
			core_group_heard(m);
		}
	}
	g->first_wait = g->state == CORE_GROUP_EMPTY;
	g->grown = false;
	core_group_state_set(g, CORE_GROUP_PREPARING);
	if (g->first_wait) {
		g->delay_left_ms = rk_max(longest(g) - delay, 0);
		g->timer.fire = first_wait_over;
		rk_timer_set(core_group_timers(g), &g->timer, now(g) + rk_max(delay, 0));
	} else {
		g->timer.fire = completed;
		rk_timer_set(core_group_timers(g), &g->timer, now(g) + longest(g));
		core_group_try(g);
	}
}

void
core_group_try(struct core_group *g)
{
	if (g->state == CORE_GROUP_PREPARING && !g->first_wait && g->joining == g->count && g->pendings == 0) {
		g->timer.fire = completed; /* from the loop: nobody is answered inside a request of their own */
		rk_timer_set(core_group_timers(g), &g->timer, now(g));
	}
}

/* Those who did not come are out; static ones may come later. */
static void
drop_absent(struct core_group *g)
{
	rk_list_each_safe(&g->members, l, n) {
		struct core_group_member *m = rk_of(l, struct core_group_member, link);
		if (m->join == NULL && m->instance.len < 0)
			core_group_remove(m);
	}
	/* Who leads must be here. */
	if (g->leader != NULL && g->leader->join == NULL)
		g->leader = NULL;
	rk_list_each(&g->members, l)
		if (g->leader == NULL && rk_of(l, struct core_group_member, link)->join != NULL)
			g->leader = rk_of(l, struct core_group_member, link);
}

/* Whoever does not sync in time is out. */
static void
syncs_over(struct rk_timer *t, int64_t now_ms)
{
	struct core_group *g = rk_of(t, struct core_group, timer);

	(void)now_ms;
	if (g->state != CORE_GROUP_COMPLETING && g->state != CORE_GROUP_STABLE)
		return;
	bool any = false;
	rk_list_each_safe(&g->members, l, n) {
		struct core_group_member *m = rk_of(l, struct core_group_member, link);
		if (m->synced || m->sync != NULL)
			continue;
		core_group_remove(m);
		any = true;
	}
	if (any)
		core_group_prepare(g);
}

static void
now_empty(struct core_group *g)
{
	struct rk_arena a;

	core_group_set(&g->protocol, RK_STR_NULL);
	g->leader = NULL;
	core_group_state_set(g, CORE_GROUP_EMPTY);
	rk_arena_init(&a, 1u << 20);
	struct kp_pair r = core_group_record(g, &a);
	if (core_group_write(g->home, &r, 1, NULL) != RK_OK)
		rk_say(RK_WARN, "That group %.*s is empty now could not be written; it will be with its next change.",
		    g->name.len, g->name.at);
	rk_arena_free(&a);
}

static void
answer_joins(struct core_group *g)
{
	rk_list_each_safe(&g->members, l, n) {
		struct core_group_member *m = rk_of(l, struct core_group_member, link);
		struct core_group_asker *a = m->join;
		m->synced = false;
		if (a == NULL)
			continue;
		m->join = NULL;
		m->fresh = false;
		g->joining--;
		fill_join(m, a, m == g->leader);
		core_group_heard(m);
		core_group_answer(a);
	}
}

static void
completed(struct rk_timer *t, int64_t now_ms)
{
	struct core_group *g = rk_of(t, struct core_group, timer);

	rk_assert(g->state == CORE_GROUP_PREPARING);
	g->first_wait = false;
	drop_absent(g);
	if (g->count > 0 && g->leader == NULL) { /* only static members, and none of them is here */
		g->timer.fire = completed;
		rk_timer_set(core_group_timers(g), &g->timer, now_ms + longest(g));
		return;
	}
	g->generation++;
	if (g->count == 0) {
		now_empty(g);
		return;
	}
	core_group_set(&g->protocol, core_known_elect(g));
	rk_assert(g->protocol.len >= 0);
	core_group_state_set(g, CORE_GROUP_COMPLETING);
	g->timer.fire = syncs_over;
	rk_timer_set(core_group_timers(g), &g->timer, now_ms + longest(g));
	answer_joins(g);
}

/* --- JoinGroup */
static bool
refused(struct kp_join_group_res *res, enum rk_err err, struct rk_str member)
{
	res->error_code = rk_err_wire(err);
	res->generation_id = -1;
	res->member_id = member.len < 0 ? rk_lit("") : member;
	return false;
}

static void
learn(struct core_group_member *m, const struct core_group_asker *a, const struct kp_join_group_req *q)
{
	m->session_ms = q->session_timeout_ms;
	m->rebalance_ms = a->version >= 1 && q->rebalance_timeout_ms >= 0 ? q->rebalance_timeout_ms : q->session_timeout_ms;
	core_group_set_protocols(m, q->protocols.at, q->protocols.len);
}

/* What the request says is learnt: it waits, and the group rebalances. */
static void
enter(struct core_group_member *m, struct core_group_asker *a, const struct kp_join_group_req *q)
{
	struct core_group *g = m->group;

	core_group_set(&m->client_id, a->client_id.len < 0 ? rk_lit("") : a->client_id);
	core_group_set(&m->client_host, a->client_host);
	if (g->count == 1)
		core_group_set(&g->protocol_type, q->protocol_type);
	if (g->leader == NULL)
		g->leader = m;
	wait_for_join(m, a);
	if (g->state == CORE_GROUP_PREPARING) {
		g->grown |= m->fresh;
		core_group_try(g);
	} else {
		core_group_prepare(g);
	}
}

static void
take_join(struct core_group_member *m, struct core_group_asker *a, const struct kp_join_group_req *q)
{
	learn(m, a, q);
	enter(m, a, q);
}

static struct rk_str
new_id(struct core_group *g, struct core_group_asker *a, const struct kp_join_group_req *q)
{
	struct rk_uuid u = rk_env_uuid(g->home->core->env);
	struct rk_str front = q->group_instance_id.len >= 0 ? q->group_instance_id : a->client_id;
	const uint8_t *b = u.id;

	return rk_arena_print(a->arena,
	    "%.*s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", (int)rk_max(front.len, 0),
	    front.len > 0 ? front.at : "", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
	    b[13], b[14], b[15]);
}

static bool
is_full(const struct core_group *g)
{
	return g->count + g->pendings >= g->home->core->conf->group_max_size;
}

static void
replaced(struct core_write *w, enum rk_err err)
{
	struct core_group_asker *a = rk_of(w, struct core_group_asker, put);
	struct kp_join_group_res *res = a->res;

	if (err != RK_OK) {
		res->error_code = rk_err_wire(err);
		res->generation_id = -1;
	}
	core_group_answer(a);
}

/* A static member comes back under a new id, and what it has to do is known: no rebalance. A leader of before version 9
 * (KIP-814) is told the old leader's id, for it would assign among the members it is not told of. */
static bool
replace_stable(struct core_group_member *m, struct core_group_asker *a, struct rk_str leader_before)
{
	struct core_group *g = m->group;
	struct kp_join_group_res *res = a->res;
	struct kp_pair r = core_group_record(g, a->arena);

	fill_join(m, a, a->version >= 9 && m == g->leader);
	if (a->version >= 9)
		res->skip_assignment = m == g->leader;
	else
		res->leader = leader_before;
	core_group_heard(m);
	a->put.done = replaced;
	enum rk_err err = core_group_write(g->home, &r, 1, &a->put);
	return err == RK_OK || refused(res, err, res->member_id);
}

static bool
join_static(struct core_group *g, struct core_group_member *m, struct core_group_asker *a,
    const struct kp_join_group_req *q)
{
	struct rk_str leader = g->leader == NULL ? rk_lit("") : rk_arena_str(a->arena, g->leader->id);

	core_group_refuse_join(m, RK_FENCED_INSTANCE_ID);
	core_group_refuse_sync(m, RK_FENCED_INSTANCE_ID);
	core_group_set(&m->id, new_id(g, a, q));
	learn(m, a, q);
	if (g->state == CORE_GROUP_STABLE && rk_str_eq(core_known_elect(g), g->protocol))
		return replace_stable(m, a, leader);
	enter(m, a, q);
	return true;
}

static bool
join_new(struct core_group *g, struct core_group_asker *a, const struct kp_join_group_req *q,
    struct kp_join_group_res *res)
{
	if (!fits(g, q, NULL))
		return refused(res, RK_INCONSISTENT_GROUP_PROTOCOL, rk_lit(""));
	struct core_group_member *m = core_group_static(g, q->group_instance_id);
	if (m != NULL)
		return join_static(g, m, a, q);
	if (is_full(g))
		return refused(res, RK_GROUP_MAX_SIZE_REACHED, rk_lit(""));
	struct rk_str id = new_id(g, a, q);
	if (id.len < 0)
		return refused(res, RK_UNKNOWN_SERVER_ERROR, rk_lit(""));
	if (q->group_instance_id.len < 0 && a->version >= 4) { /* KIP-394 */
		add_pending(g, id, q->session_timeout_ms);
		return refused(res, RK_MEMBER_ID_REQUIRED, id);
	}
	m = core_group_add_member(g, id, q->group_instance_id, a->client_id, a->client_host);
	m->fresh = true;
	take_join(m, a, q);
	return true;
}

static bool
join_pending(struct core_group *g, struct core_group_pending *p, struct core_group_asker *a,
    const struct kp_join_group_req *q, struct kp_join_group_res *res)
{
	if (!fits(g, q, NULL))
		return refused(res, RK_INCONSISTENT_GROUP_PROTOCOL, q->member_id);
	if (q->group_instance_id.len >= 0)
		return refused(res, RK_UNKNOWN_MEMBER_ID, q->member_id);
	struct core_group_member *m = core_group_add_member(g, p->id, RK_STR_NULL, a->client_id, a->client_host);
	core_group_drop_pending(p);
	m->fresh = true;
	take_join(m, a, q);
	return true;
}

static bool
join_known(struct core_group *g, struct core_group_asker *a, const struct kp_join_group_req *q,
    struct kp_join_group_res *res)
{
	struct core_group_member *m;
	enum rk_err err = core_group_who(g, q->member_id, q->group_instance_id, &m);

	if (!fits(g, q, err == RK_OK ? m : NULL))
		return refused(res, RK_INCONSISTENT_GROUP_PROTOCOL, q->member_id);
	if (err != RK_OK)
		return refused(res, err, q->member_id);
	bool same = same_protocols(m, q);
	switch (g->state) {
	case CORE_GROUP_COMPLETING: /* it has lost the answer */
		if (!same)
			break;
		fill_join(m, a, m == g->leader);
		return false;
	case CORE_GROUP_STABLE:
		if (!same || m == g->leader)
			break;
		fill_join(m, a, false);
		return false;
	case CORE_GROUP_EMPTY:
		return refused(res, RK_UNKNOWN_MEMBER_ID, q->member_id);
	default:
		break;
	}
	take_join(m, a, q);
	return true;
}

/* A group of consumers that is empty is a classic one for whoever comes. */
static enum rk_err
forget_consumers(struct core_group *g)
{
	struct core_groups *home = g->home;
	struct kp_pair r[3];
	struct rk_arena a;

	rk_arena_init(&a, 1u << 20);
	int n = core_consumers_tombstones(g, r, &a);
	enum rk_err err = a.over ? RK_UNKNOWN_SERVER_ERROR : core_shard_write(home->shard, r, n, -1, -1, NULL);
	rk_arena_free(&a);
	return err;
}

bool
core_group_join(struct core_shard *s, struct core_group_asker *a, const struct kp_join_group_req *q,
    struct kp_join_group_res *res)
{
	struct core_groups *home = core_shard_state(s);
	const struct conf *conf = home->core->conf;
	struct core_group *g = core_group_get(home, q->group_id);

	a->res = res;
	a->member = NULL;
	if (q->group_id.len <= 0)
		return refused(res, RK_INVALID_GROUP_ID, q->member_id);
	if (q->session_timeout_ms < conf->group_min_session_timeout_ms
	    || q->session_timeout_ms > conf->group_max_session_timeout_ms)
		return refused(res, RK_INVALID_SESSION_TIMEOUT, q->member_id);
	if (g != NULL && g->kind == CORE_GROUP_CONSUMER) {
		if (g->consumers->count > 0)
			return core_consumer_join(g, a, q, res);
		enum rk_err err = forget_consumers(g);
		if (err != RK_OK)
			return refused(res, err, q->member_id);
		g = core_group_get(home, q->group_id);
	}
	if (g == NULL && q->member_id.len > 0)
		return refused(res, RK_UNKNOWN_MEMBER_ID, q->member_id);
	if (g == NULL) {
		if (q->protocol_type.len <= 0 || q->protocols.len <= 0)
			return refused(res, RK_INCONSISTENT_GROUP_PROTOCOL, rk_lit(""));
		g = core_group_make(home, q->group_id, CORE_GROUP_CLASSIC);
	}
	g->kind = CORE_GROUP_CLASSIC;
	if (q->member_id.len <= 0)
		return join_new(g, a, q, res);
	struct core_group_pending *p = core_group_pending_of(g, q->member_id);
	return p != NULL ? join_pending(g, p, a, q, res) : join_known(g, a, q, res);
}

/* --- who asks */
enum rk_err
core_group_who(struct core_group *g, struct rk_str member, struct rk_str instance, struct core_group_member **out)
{
	*out = instance.len >= 0 ? core_group_static(g, instance) : core_group_member(g, member);
	if (*out == NULL)
		return RK_UNKNOWN_MEMBER_ID;
	return instance.len >= 0 && !rk_str_eq((*out)->id, member) ? RK_FENCED_INSTANCE_ID : RK_OK;
}

enum rk_err
core_group_check(struct core_group *g, struct rk_str member, struct rk_str instance, int32_t generation,
    struct core_group_member **out)
{
	enum rk_err err = core_group_who(g, member, instance, out);

	return err == RK_OK && generation != g->generation ? RK_ILLEGAL_GENERATION : err;
}
