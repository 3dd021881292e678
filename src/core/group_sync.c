/* group_sync.c - the rest of the classic protocol: sync, heartbeat, leave; and members from records. */
#include "protocol/gen/heartbeat.h"
#include "protocol/gen/join_group.h"
#include "protocol/gen/leave_group.h"
#include "protocol/gen/sync_group.h"
#include "src/core/group_consumer.h"
#include "base/mem.h"

/* --- SyncGroup */
static void
fill_sync(const struct core_group_member *m, struct core_group_asker *a)
{
	struct kp_sync_group_res *res = a->res;

	res->error_code = 0;
	res->protocol_type = rk_arena_str(a->arena, m->group->protocol_type);
	res->protocol_name = rk_arena_str(a->arena, m->group->protocol);
	res->assignment = rk_arena_str(a->arena, m->assignment);
}

static void
answer_syncs(struct core_group *g)
{
	rk_list_each_safe(&g->members, l, n) {
		struct core_group_member *m = rk_of(l, struct core_group_member, link);
		struct core_group_asker *a = m->sync;
		if (a == NULL)
			continue;
		m->sync = NULL;
		m->synced = true;
		fill_sync(m, a);
		core_group_heard(m);
		core_group_answer(a);
	}
}

/* The assignments are in a record of the log that is committed: everybody may hear of theirs. */
struct assigned {
	struct rk_list link;          /* in the shard's assigning */
	struct core_write put;
	struct core_groups *home;
	struct rk_str group;
	int32_t generation;
};

static void
free_assigned(struct assigned *x)
{
	rk_list_del(&x->link);
	rk_mem_put((char *)(uintptr_t)x->group.at);
	rk_mem_put(x);
}

void
core_group_forget_assigning(struct core_groups *home)
{
	while (!rk_list_empty(&home->assigning)) {
		struct assigned *x = rk_of(home->assigning.next, struct assigned, link);
		core_write_forget(&x->put);
		free_assigned(x);
	}
}

static void
assigned(struct core_write *w, enum rk_err err)
{
	struct assigned *x = rk_of(w, struct assigned, put);
	struct core_group *g = err == RK_NOT_COORDINATOR ? NULL : core_group_get(x->home, x->group);

	/* Another rebalance may have begun; when leadership went, everybody is told by the shard's end. */
	if (g != NULL && g->state == CORE_GROUP_COMPLETING && g->generation == x->generation) {
		if (err == RK_OK) {
			core_group_state_set(g, CORE_GROUP_STABLE);
			answer_syncs(g);
		} else {
			rk_list_each_safe(&g->members, l, n)
				core_group_refuse_sync(rk_of(l, struct core_group_member, link), err);
			core_group_prepare(g);
		}
	}
	free_assigned(x);
}

static void
take_assignments(struct core_group *g, struct core_group_asker *a, const struct kp_sync_group_req *q)
{
	rk_list_each(&g->members, l)
		core_group_set(&rk_of(l, struct core_group_member, link)->assignment, rk_lit(""));
	for (int32_t i = 0; i < q->assignments.len; i++) {
		struct core_group_member *m = core_group_member(g, q->assignments.at[i].member_id);
		if (m != NULL)
			core_group_set(&m->assignment, q->assignments.at[i].assignment);
	}
	struct kp_pair r = core_group_record(g, a->arena);
	struct assigned *x = rk_new(struct assigned);
	*x = (struct assigned){ .put.done = assigned, .home = g->home, .group = RK_STR_NULL, .generation = g->generation };
	core_group_set(&x->group, g->name);
	rk_list_add(&g->home->assigning, &x->link);
	enum rk_err err = core_group_write(g->home, &r, 1, &x->put);
	if (err != RK_OK)
		core_write_later(g->home->shard, &x->put, err);
}

/* What keeps a member that is known and up to date from going on. */
static enum rk_err
between(const struct core_group *g)
{
	return g->state == CORE_GROUP_PREPARING ? RK_REBALANCE_IN_PROGRESS
	    : g->state == CORE_GROUP_EMPTY ? RK_UNKNOWN_MEMBER_ID : RK_OK;
}

bool
core_group_sync(struct core_shard *s, struct core_group_asker *a, const struct kp_sync_group_req *q,
    struct kp_sync_group_res *res)
{
	struct core_groups *home = core_shard_state(s);
	struct core_group *g = core_group_get(home, q->group_id);
	struct core_group_member *m = NULL;
	enum rk_err err = g == NULL ? RK_UNKNOWN_MEMBER_ID
	    : core_group_check(g, q->member_id, q->group_instance_id, q->generation_id, &m);

	a->res = res;
	a->member = NULL;
	res->assignment = rk_lit("");
	if (g != NULL && g->kind == CORE_GROUP_CONSUMER)
		return core_consumer_sync(g, a, q, res);
	if (err == RK_OK && ((q->protocol_type.len >= 0 && !rk_str_eq(q->protocol_type, g->protocol_type))
	    || (q->protocol_name.len >= 0 && !rk_str_eq(q->protocol_name, g->protocol))))
		err = RK_INCONSISTENT_GROUP_PROTOCOL;
	if (err == RK_OK)
		err = between(g);
	if (err != RK_OK) {
		res->error_code = rk_err_wire(err);
		return false;
	}
	core_group_heard(m);
	if (g->state == CORE_GROUP_STABLE) {
		m->synced = true;
		fill_sync(m, a);
		return false;
	}
	core_group_refuse_sync(m, RK_UNKNOWN_MEMBER_ID);
	m->sync = a;
	a->member = m;
	if (m == g->leader)
		take_assignments(g, a, q);
	return true;
}

/* --- Heartbeat */
bool
core_group_heartbeat(struct core_shard *s, struct core_group_asker *a, const struct kp_heartbeat_req *q,
    struct kp_heartbeat_res *res)
{
	struct core_group *g = core_group_get(core_shard_state(s), q->group_id);
	struct core_group_member *m = NULL;
	enum rk_err err = q->group_id.len <= 0 ? RK_INVALID_GROUP_ID : g == NULL ? RK_UNKNOWN_MEMBER_ID
	    : core_group_check(g, q->member_id, q->group_instance_id, q->generation_id, &m);

	(void)a;
	if (g != NULL && g->kind == CORE_GROUP_CONSUMER)
		return core_consumer_classic_heartbeat(g, q, res);
	if (err == RK_OK) {
		core_group_heard(m);
		err = between(g);
	}
	res->error_code = rk_err_wire(err);
	return false;
}

/* --- LeaveGroup */
static enum rk_err
leave_one(struct core_group *g, struct rk_str id, struct rk_str instance)
{
	struct core_group_member *m;
	struct core_group_pending *p = instance.len < 0 ? core_group_pending_of(g, id) : NULL;

	if (p != NULL) {
		core_group_drop_pending(p);
		core_group_try(g);
		return RK_OK;
	}
	if (instance.len >= 0) {
		m = core_group_static(g, instance);
		if (m == NULL)
			return RK_UNKNOWN_MEMBER_ID;
		if (id.len > 0 && !rk_str_eq(m->id, id))
			return RK_FENCED_INSTANCE_ID;
	} else if ((m = core_group_member(g, id)) == NULL) {
		return RK_UNKNOWN_MEMBER_ID;
	}
	core_group_refuse_join(m, RK_UNKNOWN_MEMBER_ID);
	core_group_refuse_sync(m, RK_UNKNOWN_MEMBER_ID);
	core_group_lost(m);
	return RK_OK;
}

bool
core_group_leave(struct core_shard *s, struct core_group_asker *a, const struct kp_leave_group_req *q,
    struct kp_leave_group_res *res)
{
	struct core_group *g = core_group_get(core_shard_state(s), q->group_id);

	if (q->group_id.len <= 0) {
		res->error_code = rk_err_wire(RK_INVALID_GROUP_ID);
		return false;
	}
	a->res = res;
	a->member = NULL;
	if (g != NULL && g->kind == CORE_GROUP_CONSUMER)
		return core_consumer_classic_leave(g, a, q, res);
	if (a->version < 3) {
		res->error_code = rk_err_wire(g == NULL ? RK_UNKNOWN_MEMBER_ID : leave_one(g, q->member_id, RK_STR_NULL));
		return false;
	}
	res->members.at = rk_arena_get(a->arena, (size_t)rk_max(q->members.len, 0) + 1, sizeof *res->members.at);
	res->members.len = res->members.at == NULL ? 0 : q->members.len;
	for (int32_t i = 0; i < res->members.len; i++) {
		res->members.at[i].member_id = q->members.at[i].member_id;
		res->members.at[i].group_instance_id = q->members.at[i].group_instance_id;
		res->members.at[i].error_code = rk_err_wire(g == NULL ? RK_UNKNOWN_MEMBER_ID
		    : leave_one(g, q->members.at[i].member_id, q->members.at[i].group_instance_id));
	}
	return false;
}

/* --- from the log, and the end */
void
core_group_take_members(struct core_group *g, const struct kp_group_metadata_value *v)
{
	while (!rk_list_empty(&g->members))
		core_group_remove(rk_of(g->members.next, struct core_group_member, link));
	g->kind = CORE_GROUP_CLASSIC;
	g->generation = v->generation;
	g->state = v->members.len > 0 ? CORE_GROUP_STABLE : CORE_GROUP_EMPTY;
	g->state_ms = v->current_state_timestamp;
	core_group_set(&g->protocol_type, v->protocol_type.len > 0 ? v->protocol_type : RK_STR_NULL);
	core_group_set(&g->protocol, v->protocol);
	for (int32_t i = 0; i < v->members.len; i++) {
		const struct kp_group_metadata_value_members *in = &v->members.at[i];
		struct core_group_member *m = core_group_add_member(g, in->member_id, in->group_instance_id, in->client_id,
		    in->client_host);
		struct kp_join_group_req_protocols p = { v->protocol, in->subscription };
		m->session_ms = in->session_timeout;
		m->rebalance_ms = in->rebalance_timeout >= 0 ? in->rebalance_timeout : in->session_timeout;
		m->synced = true;
		core_group_set_protocols(m, &p, 1);
		core_group_set(&m->assignment, in->assignment);
		if (rk_str_eq(in->member_id, v->leader))
			g->leader = m;
	}
}

void
core_group_start_sessions(struct core_group *g)
{
	rk_list_each(&g->members, l)
		core_group_heard(rk_of(l, struct core_group_member, link));
}

void
core_group_end(struct core_group *g, enum rk_err err)
{
	rk_timer_stop(core_group_timers(g), &g->timer);
	while (!rk_list_empty(&g->pending))
		core_group_drop_pending(rk_of(g->pending.next, struct core_group_pending, link));
	rk_list_each_safe(&g->members, l, n) {
		struct core_group_member *m = rk_of(l, struct core_group_member, link);
		rk_timer_stop(core_group_timers(g), &m->session);
		if (err == RK_OK)
			continue;
		core_group_refuse_join(m, err);
		core_group_refuse_sync(m, err);
	}
}

void
core_group_forget(struct core_group_asker *a)
{
	struct core_group_member *m = a->member;

	if (m != NULL && m->join == a) {
		m->join = NULL;
		m->group->joining--;
		core_group_heard(m);
	}
	if (m != NULL && m->sync == a)
		m->sync = NULL;
	a->member = NULL;
	if (a->put.core != NULL)
		core_write_forget(&a->put);
}
