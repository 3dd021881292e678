/* cl_group_member.c - members of a classic group in cluster_sim. See cluster.h.
 *
 * They join, the leader deals the first topic's partitions out, they sync, beat, ask for what is committed of what they
 * own and commit on from there; they leave, crash and come back as somebody else, or sleep and wake as one of a
 * generation that is over. Every other one is static: its new process takes the old one's place. In one generation a
 * partition has one owner; when a later generation has been told to anybody, nothing of an earlier one is accepted any
 * more; a committed offset never goes back. */
#include "protocol/gen/find_coordinator.h"
#include "protocol/gen/heartbeat.h"
#include "protocol/gen/join_group.h"
#include "protocol/gen/keys.h"
#include "protocol/gen/leave_group.h"
#include "protocol/gen/offset_commit.h"
#include "protocol/gen/offset_fetch.h"
#include "protocol/gen/sync_group.h"
#include "tests/sim/cluster.h"

enum { TIMEOUT = 6 * SECOND, JOIN_TIMEOUT = 20 * SECOND, SESSION_MS = 6000, REBALANCE_MS = 8000, SLACK = 100 * MS };

static void go(void *arg, bool lost);

static void
again(struct cl_member *m, int64_t us)
{
	m->at_us = m->client.cl->sim.now_us + us;
	cl_after(m->client.cl, us, go, m);
}

static struct cl_ask *
ask(struct cl_member *m, int32_t node, int16_t key, int16_t version, const void *req, cl_done *done)
{
	m->busy = true;
	m->asked_us = m->client.cl->sim.now_us;
	if (m->crowd->both)
		m->era = cl_both_era(m->client.cl);
	return cl_ask(&m->client, node, key, version, req, key == KP_JOIN_GROUP ? JOIN_TIMEOUT : TIMEOUT, done, m);
}

static void
outside(struct cl_member *m)
{
	m->in = m->synced = false;
	m->good_us = 0;
	for (int32_t p = 0; p < CL_PARTS; p++) {
		m->owns[p] = false;
		m->next[p] = -1;
	}
}

/* It joins again. By the cooperative protocol it keeps what it has meanwhile. */
static void
rejoin(struct cl_member *m)
{
	if (m->crowd->cooperative)
		m->in = m->synced = false;
	else
		outside(m);
}

/* What a classic client knows of; the coordinator of a consumer group has to put everything else into these words. */
static bool
classic_word(enum rk_err err)
{
	return err != RK_STALE_MEMBER_EPOCH && err != RK_FENCED_MEMBER_EPOCH && err != RK_UNRELEASED_INSTANCE_ID
	    && err != RK_GROUP_ID_NOT_FOUND && err != RK_INVALID_REQUEST && err != RK_UNSUPPORTED_VERSION
	    && err != RK_INCONSISTENT_GROUP_PROTOCOL;
}

/* True: it was granted. Else what follows from it is arranged. */
static bool
well(struct cl_ask *a, int16_t code)
{
	struct cl_member *m = a->arg;
	struct cl *cl = m->client.cl;

	m->busy = false;
	again(m, 1 + sim_below(&cl->sim, code == 0 ? 20 * MS : 300 * MS));
	if (code == 0)
		return true;
	switch (code == -2 ? RK_NETWORK_EXCEPTION : rk_err_of_wire(code)) {
	case RK_UNKNOWN_MEMBER_ID:
	case RK_FENCED_INSTANCE_ID:
		m->id[0] = 0;
		outside(m);
		break;
	case RK_ILLEGAL_GENERATION:
		outside(m);
		break;
	case RK_REBALANCE_IN_PROGRESS:
		rejoin(m);
		break;
	case RK_NETWORK_EXCEPTION:
	case RK_NOT_COORDINATOR:
	case RK_COORDINATOR_NOT_AVAILABLE:
		m->node = -1;
		break;
	default:
		break;
	}
	if (a->key == KP_SYNC_GROUP)
		rejoin(m);
	if (m->crowd->both && code > 0 && !classic_word(rk_err_of_wire(code)))
		cl_fail(cl, "node %d tells classic member %u %s to %s, which is none of its protocol's", a->node + 1, m->number,
		    rk_err_name(rk_err_of_wire(code)), kp_api(a->key)->name);
	if (code > 0 && rk_err_of_wire(code) != RK_MEMBER_ID_REQUIRED)
		cl_tell(cl, "member %u: %s in generation %d at node %d: %s", m->number, kp_api(a->key)->name, m->generation,
		    a->node + 1, rk_err_name(rk_err_of_wire(code)));
	return false;
}

static void
found(struct cl_ask *a, const void *res)
{
	struct cl_member *m = a->arg;
	const struct kp_find_coordinator_res *r = res;
	struct cl *cl = m->client.cl;

	m->busy = false;
	if (r != NULL && r->error_code == 0 && r->node_id >= 1 && r->node_id <= (int32_t)cl->nodes
	    && cl->node[r->node_id - 1].broker)
		m->node = r->node_id - 1;
	again(m, 1 + sim_below(&cl->sim, 100 * MS));
}

static void
find(struct cl_member *m)
{
	struct kp_find_coordinator_req q;

	kp_defaults(&kp_find_coordinator_req_d, &q);
	q.key = rk_str_of(m->crowd->name);
	ask(m, cl_some_broker(m->client.cl), KP_FIND_COORDINATOR, 3, &q, found);
}

/* --- in */
static void
copy_id(char to[64], struct rk_str id)
{
	snprintf(to, 64, "%.*s", (int)rk_max(id.len, 0), id.len > 0 ? id.at : "");
}

static void
joined(struct cl_ask *a, const void *res)
{
	struct cl_member *m = a->arg;
	const struct kp_join_group_res *r = res;

	if (r != NULL && r->member_id.len > 0)
		copy_id(m->id, r->member_id);
	if (!well(a, r == NULL ? -2 : r->error_code))
		return;
	m->in = true;
	m->synced = false;
	m->generation = r->generation_id;
	m->leads = rk_str_is(r->leader, m->id);
	m->classic = r->leader.len > 0;
	m->dealt = cl_both_parts(m->client.cl);
	m->peers = rk_min(r->members.len, (int32_t)rk_countof(m->peer));
	for (int32_t i = 0; i < m->peers; i++) {
		copy_id(m->peer[i].id, r->members.at[i].member_id);
		if (m->crowd->both)
			cl_both_peer(m, i, r->members.at[i].metadata);
	}
	if (m->leads && m->peers == 0)
		cl_fail(m->client.cl, "member %u leads generation %d and is not told of whom", m->number, m->generation);
}

static struct rk_str
protocol(const struct cl_member *m)
{
	return rk_str_of(!m->crowd->both ? "deal" : m->crowd->cooperative ? "cooperative-sticky" : "range");
}

static void
join(struct cl_member *m)
{
	struct kp_join_group_req q;
	struct kp_join_group_req_protocols p = { .name = protocol(m), .metadata = rk_lit("m") };

	kp_defaults(&kp_join_group_req_d, &q);
	q.group_id = rk_str_of(m->crowd->name);
	q.session_timeout_ms = SESSION_MS;
	q.rebalance_timeout_ms = REBALANCE_MS;
	q.member_id = rk_str_of(m->id);
	q.group_instance_id = m->instance;
	q.protocol_type = rk_lit("consumer");
	if (m->crowd->both)
		p.metadata = cl_both_subscription(m);
	q.protocols.at = &p;
	q.protocols.len = 1;
	ask(m, m->node, KP_JOIN_GROUP, 7, &q, joined);
}

/* --- one owner a partition and generation */
static void
owns(struct cl_member *m, int32_t p)
{
	struct cl *cl = m->client.cl;
	struct cl_crowd *c = m->crowd;

	if (p >= CL_PARTS) {
		cl_fail(cl, "member %u is given partition %d, which nobody dealt out", m->number, p);
		return;
	}
	if (c->owner[p].generation == m->generation && c->owner[p].member != (int32_t)m->number)
		cl_fail(cl, "in generation %d partition %d is given to the members %d and %u", m->generation, p,
		    c->owner[p].member, m->number);
	if (m->generation > c->owner[p].generation) {
		c->owner[p].generation = m->generation;
		c->owner[p].member = (int32_t)m->number;
	}
	m->owns[p] = true;
	m->next[p] = -1;
}

static int64_t
session_end(const struct cl_member *m)
{
	return m->asked_us + (int64_t)SESSION_MS * MS - SLACK;
}

/* In a group that changes its protocol, by any of the two: what it has not got any more it gives up, and by the
 * cooperative protocol it joins again to say so. */
static void
synced_both(struct cl_member *m, struct cl_ask *a, struct rk_str bytes)
{
	struct cl *cl = m->client.cl;
	bool to[CL_PARTS] = { false }, lost = false;

	cl_both_accepts(cl, a, m->number, m->generation, a->epoch, m->era);
	cl_both_told(cl, m->number, m->generation, session_end(m));
	m->good_us = session_end(m);
	if (m->classic && cl->sim.now_us < m->good_us)
		m->crowd->floor = rk_max(m->crowd->floor, m->generation);
	cl_both_assigned(m, bytes, to);
	for (int32_t p = 0; p < CL_PARTS; p++) {
		lost |= m->owns[p] && !to[p];
		if (to[p] && !m->owns[p])
			m->next[p] = -1;
		m->owns[p] = to[p];
		if (to[p])
			cl_both_given(cl, m->number, p, m->generation, m->good_us);
	}
	if (lost)
		rejoin(m);
	m->joined = m->generation;
	cl_tell(cl, "member %u: %s generation %d%s%s", m->number, m->classic ? "classic" : "consumer", m->generation,
	    m->leads ? ", leads" : "", lost ? ", has lost something and joins again" : "");
}

static void
synced(struct cl_ask *a, const void *res)
{
	struct cl_member *m = a->arg;
	const struct kp_sync_group_res *r = res;
	struct cl *cl = m->client.cl;

	if (!well(a, r == NULL ? -2 : r->error_code))
		return;
	m->synced = true;
	m->syncs++;
	m->told_us = cl->sim.now_us;
	if (m->crowd->both) {
		synced_both(m, a, r->assignment);
		return;
	}
	if (m->generation < a->epoch)
		cl_fail(cl, "member %u is let into generation %d, when %d had been told already", m->number, m->generation,
		    a->epoch);
	if (m->generation < m->joined)
		cl_fail(cl, "member %u goes back from generation %d to %d", m->number, m->joined, m->generation);
	m->joined = m->generation;
	for (int32_t i = 0; i < r->assignment.len; i++)
		owns(m, (uint8_t)r->assignment.at[i]);
	m->crowd->generation = rk_max(m->crowd->generation, m->generation);
	cl_tell(cl, "member %u: generation %d, %d partitions%s", m->number, m->generation, r->assignment.len,
	    m->leads ? ", leads" : "");
}

static void
sync_in(struct cl_member *m)
{
	struct cl *cl = m->client.cl;
	struct kp_sync_group_req q;
	struct kp_sync_group_req_assignments to[16];
	uint8_t share[16][CL_PARTS];
	int32_t n[16] = { 0 };
	struct rk_str bytes[16];

	kp_defaults(&kp_sync_group_req_d, &q);
	q.group_id = rk_str_of(m->crowd->name);
	q.generation_id = m->generation;
	q.member_id = rk_str_of(m->id);
	q.group_instance_id = m->instance;
	q.protocol_type = rk_lit("consumer");
	q.protocol_name = protocol(m);
	if (m->crowd->both && m->leads)
		cl_both_deal(m, bytes);
	for (int32_t p = 0; !m->crowd->both && m->leads && p < (int32_t)cl->plan.parts; p++) {
		int32_t who = (p + m->generation) % m->peers;
		share[who][n[who]++] = (uint8_t)p;
	}
	for (int32_t i = 0; m->leads && i < m->peers; i++)
		to[i] = (struct kp_sync_group_req_assignments){ rk_str_of(m->peer[i].id),
			m->crowd->both ? bytes[i] : (struct rk_str){ (const char *)share[i], n[i] } };
	q.assignments.at = to;
	q.assignments.len = m->leads ? m->peers : 0;
	/* From now on what it has may have been taken away: the answer to this tells it. */
	m->good_us = 0;
	struct cl_ask *a = ask(m, m->node, KP_SYNC_GROUP, 5, &q, synced);
	a->epoch = m->crowd->both ? m->crowd->floor : m->crowd->generation;
}

/* Accepted: then nobody had been told of a later generation when it was sent. */
static void
current(struct cl_ask *a)
{
	struct cl_member *m = a->arg;

	if (m->crowd->both)
		cl_both_accepts(m->client.cl, a, m->number, (int32_t)a->number, a->epoch, m->era);
	else if (a->number < a->epoch)
		cl_fail(m->client.cl, "node %d accepts %s of member %u in generation %" PRId64 ", when %d had been told already",
		    a->node + 1, kp_api(a->key)->name, m->number, a->number, a->epoch);
}

static void
beaten(struct cl_ask *a, const void *res)
{
	struct cl_member *m = a->arg;
	const struct kp_heartbeat_res *r = res;

	if (!well(a, r == NULL ? -2 : r->error_code))
		return;
	current(a);
	m->told_us = m->client.cl->sim.now_us;
	if (m->crowd->both) {
		m->good_us = session_end(m);
		cl_both_told(m->client.cl, m->number, (int32_t)a->number, m->good_us);
	}
}

static void
stamp(struct cl_member *m, struct cl_ask *a)
{
	a->number = m->generation;
	a->epoch = m->crowd->both ? m->crowd->floor : m->crowd->generation;
	a->owner = m->crowd->both && a->key == KP_OFFSET_COMMIT ? m->crowd->owner[m->asks].member : -1;
}

static void
beat(struct cl_member *m)
{
	struct kp_heartbeat_req q;

	kp_defaults(&kp_heartbeat_req_d, &q);
	q.group_id = rk_str_of(m->crowd->name);
	q.generation_id = m->generation;
	q.member_id = rk_str_of(m->id);
	q.group_instance_id = m->instance;
	m->beat_us = m->client.cl->sim.now_us;
	stamp(m, ask(m, m->node, KP_HEARTBEAT, 4, &q, beaten));
}

/* --- offsets */
static void
placed(struct cl_ask *a, const void *res)
{
	struct cl_member *m = a->arg;
	struct cl_crowd *c = m->crowd;
	const struct kp_offset_fetch_res *r = res;

	if (!well(a, r == NULL ? -2 : r->error_code != 0 ? r->error_code : r->topics.at[0].partitions.at[0].error_code))
		return;
	int64_t offset = r->topics.at[0].partitions.at[0].committed_offset;
	if (offset < a->number || offset > c->sent[m->asks])
		cl_fail(m->client.cl, "node %d tells that group %s has committed %" PRId64 " of partition %d, %" PRId64
		    " was acknowledged, %" PRId64 " sent", a->node + 1, c->name, offset, m->asks, a->number, c->sent[m->asks]);
	m->next[m->asks] = rk_max(offset, 0) + 1;
}

static void
place(struct cl_member *m)
{
	struct kp_offset_fetch_req q;
	struct kp_offset_fetch_req_topics t = { .name = rk_str_of(m->client.cl->topic[0].name),
		.partition_indexes = { &m->asks, 1 } };

	kp_defaults(&kp_offset_fetch_req_d, &q);
	q.group_id = rk_str_of(m->crowd->name);
	q.topics.at = &t;
	q.topics.len = 1;
	ask(m, m->node, KP_OFFSET_FETCH, 7, &q, placed)->number = m->crowd->acked[m->asks];
}

/* In a group of both protocols that is asked too: it may have members of several generations. */
static void
owner(const struct cl_ask *a)
{
	const struct cl_member *m = a->arg;

	if (a->owner >= 0 && a->owner != (int32_t)m->number)
		cl_fail(m->client.cl, "node %d accepts what member %u commits for partition %d, which was application %d's already",
		    a->node + 1, m->number, m->asks, a->owner);
}

static void
committed(struct cl_ask *a, const void *res)
{
	struct cl_member *m = a->arg;
	struct cl_crowd *c = m->crowd;
	const struct kp_offset_commit_res *r = res;

	if (!well(a, r == NULL ? -2 : r->topics.at[0].partitions.at[0].error_code))
		return;
	current(a);
	owner(a);
	c->acked[m->asks] = rk_max(c->acked[m->asks], (int64_t)a->op);
	m->commits++;
}

static void
commit(struct cl_member *m)
{
	struct kp_offset_commit_req q;
	struct kp_offset_commit_req_topics_partitions p = { m->asks, m->next[m->asks]++, -1, rk_lit("") };
	struct kp_offset_commit_req_topics t = { .name = rk_str_of(m->client.cl->topic[0].name), .partitions = { &p, 1 } };

	kp_defaults(&kp_offset_commit_req_d, &q);
	q.group_id = rk_str_of(m->crowd->name);
	q.generation_id_or_member_epoch = m->generation;
	q.member_id = rk_str_of(m->id);
	q.group_instance_id = m->instance;
	q.topics.at = &t;
	q.topics.len = 1;
	m->crowd->sent[m->asks] = rk_max(m->crowd->sent[m->asks], p.committed_offset);
	struct cl_ask *a = ask(m, m->node, KP_OFFSET_COMMIT, 8, &q, committed);
	a->op = (uint32_t)p.committed_offset;
	stamp(m, a);
}

/* --- out */
/* Its application goes on as a consumer of the other protocol. */
static void
turn(struct cl_member *m, int64_t us)
{
	m->moves = false;
	m->idle = true;
	cl_both_over(m->client.cl, m->number, false, us);
}

static void
left(struct cl_ask *a, const void *res)
{
	struct cl_member *m = a->arg;

	(void)res;
	m->id[0] = 0;
	outside(m);
	(void)well(a, 0);
	if (m->moves)
		turn(m, 1);
}

static void
leave(struct cl_member *m)
{
	struct kp_leave_group_req q;
	struct kp_leave_group_req_members one = { .member_id = rk_str_of(m->id), .group_instance_id = m->instance };

	kp_defaults(&kp_leave_group_req_d, &q);
	q.group_id = rk_str_of(m->crowd->name);
	q.members.at = &one;
	q.members.len = 1;
	if (m->crowd->both) { /* what it has it gives up before it says so, as Kafka's client does */
		outside(m);
		cl_both_left(m->client.cl, m->number);
	}
	ask(m, m->node, KP_LEAVE_GROUP, 4, &q, left);
}

static void
crash(struct cl_member *m)
{
	cl_hang_up(&m->client);
	m->busy = false;
	m->id[0] = 0;
	outside(m);
	int64_t us = 100 * MS + sim_below(&m->client.cl->sim, 3 * SECOND);
	if (m->crowd->both && (m->moves || cl_both_changes(m->client.cl, false)))
		turn(m, us);
	else
		again(m, us);
}

/* It is to speak the consumer protocol: as when an application is started anew with another group.protocol. A static
 * member of the classic protocol does not say that it leaves. */
static void
go_over(struct cl_member *m)
{
	m->moves = true;
	if (m->instance.len >= 0 || m->node < 0 || !m->synced)
		crash(m);
	else
		leave(m);
}

/* The leader joins again when a topic has grown. One that came back in a static leader's place, or out of a downgrade
 * that needed no rebalance, does not know that it leads (with Kafka neither, before JoinGroup 9): so all look, and from
 * the others the coordinator takes it for a repetition. */
static bool
deals_anew(const struct cl_member *m)
{
	return m->crowd->both && m->dealt != cl_both_parts(m->client.cl);
}

static void
inside(struct cl_member *m)
{
	struct cl *cl = m->client.cl;

	m->asks = (int32_t)sim_below(&cl->sim, m->crowd->both ? cl_both_parts(cl) : (int32_t)cl->plan.parts);
	if (deals_anew(m)) {
		rejoin(m);
		again(m, 1);
	} else if (m->beat_us + 700 * MS < cl->sim.now_us)
		beat(m);
	else if (m->owns[m->asks] && m->next[m->asks] < 0)
		place(m);
	else if (m->owns[m->asks] && cl->producing)
		commit(m);
	else
		again(m, 100 * MS);
}

static void
go(void *arg, bool lost)
{
	struct cl_member *m = arg;
	struct cl *cl = m->client.cl;

	if (lost || cl->ending || cl->failure[0] != 0 || m->idle || m->busy || m->at_us != cl->sim.now_us)
		return;
	m->at_us = rk_max(m->client.asleep_us, cl->sim.now_us);
	if (cl_asleep(&m->client, go, m))
		return;
	if (m->crowd->both && cl_both_moves(cl, false)) {
		go_over(m);
	} else if (m->node >= 0 && m->synced && cl->producing && sim_chance(&cl->sim, 3000)) {
		leave(m);
	} else if (cl->producing && sim_chance(&cl->sim, 3000)) {
		crash(m);
	} else if (cl->producing && sim_chance(&cl->sim, 3000)) {
		cl_sleep(&m->client, sim_below(&cl->sim, 15 * SECOND));
		again(m, 1);
	} else if (m->node < 0) {
		find(m);
	} else if (!m->in) {
		join(m);
	} else if (!m->synced) {
		sync_in(m);
	} else {
		inside(m);
	}
}

void
cl_member_start(struct cl *cl, uint32_t number)
{
	struct cl_member *m = &cl->member[number];

	cl_client_init(cl, &m->client, CL_CLIENT_PLACE + number);
	m->crowd = &cl->crowd;
	m->number = number;
	m->node = -1;
	m->instance = cl_place(cl, number, m->place);
	outside(m);
	if (number == 0)
		cl_crowd_start(&cl->crowd, "m");
	m->idle = cl->plan.both && cl->crowd.newer;
	if (!m->idle)
		again(m, 1 + sim_below(&cl->sim, SECOND));
}

void
cl_member_wake(struct cl_member *m, int64_t us)
{
	m->idle = false;
	m->id[0] = 0;
	outside(m);
	again(m, us);
}

bool
cl_members_done(const struct cl *cl, int64_t since_us, char why[256])
{
	uint32_t owned = 0;

	if (cl->plan.both)
		return cl_both_done(cl, since_us, why);
	for (uint32_t i = 0; i < cl->plan.members; i++) {
		const struct cl_member *m = &cl->member[i];
		if (!m->synced || m->told_us < since_us || m->generation != cl->crowd.generation) {
			snprintf(why, 256, "member %u is in generation %d of %d%s", i, m->generation, cl->crowd.generation,
			    m->synced ? "" : ", not synced");
			return false;
		}
		for (uint32_t p = 0; p < cl->plan.parts; p++)
			owned += m->owns[p];
	}
	if (cl->plan.members == 0 || owned == cl->plan.parts)
		return true;
	snprintf(why, 256, "of %u partitions %u have an owner in generation %d", cl->plan.parts, owned, cl->crowd.generation);
	return false;
}

void
cl_member_free(struct cl_member *m)
{
	cl_client_free(&m->client);
}
