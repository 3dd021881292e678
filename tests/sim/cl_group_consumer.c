/* cl_group_consumer.c - consumers of a KIP-848 group in cluster_sim: the coordinator deals out. See cluster.h.
 *
 * Each beats, gives up what it is not to have any more, takes what it is given, says so, and commits from where the
 * group stands; it leaves, crashes and comes back as somebody else, or sleeps. Every other one is static: a new process
 * takes the place of the one that said it would be back, or waits until the silent one's session is over. What is given
 * to one is not another's: unless that one has been silent for a whole session, left, or said that it gave it up. Who
 * does not own a partition commits nothing for it; a committed offset never goes back. */
#include "protocol/gen/consumer_group_heartbeat.h"
#include "protocol/gen/find_coordinator.h"
#include "protocol/gen/keys.h"
#include "protocol/gen/offset_commit.h"
#include "protocol/gen/offset_fetch.h"
#include "tests/sim/cluster.h"

enum { TIMEOUT = 5 * SECOND, REBALANCE_MS = 20000, SLACK = 100 * MS };

static void go(void *arg, bool lost);

static void
again(struct cl_reader *m, int64_t us)
{
	m->at_us = m->client.cl->sim.now_us + us;
	cl_after(m->client.cl, us, go, m);
}

static struct cl_ask *
ask(struct cl_reader *m, int32_t node, int16_t key, int16_t version, const void *req, cl_done *done)
{
	struct cl_ask *a = cl_ask(&m->client, node, key, version, req, TIMEOUT, done, m);

	m->busy = true;
	m->asked_us = m->client.cl->sim.now_us;
	if (m->crowd->both)
		m->era = cl_both_era(m->client.cl);
	return a;
}

static void
outside(struct cl_reader *m)
{
	m->epoch = 0;
	m->good_us = 0;
	m->changed = false;
	for (int32_t p = 0; p < CL_PARTS; p++) {
		m->owns[p] = false;
		m->next[p] = -1;
	}
}

/* As somebody who was never there. */
static void
renamed(struct cl_reader *m)
{
	outside(m);
	snprintf(m->id, sizeof m->id, "reader-%u-%u", m->number, m->life++);
}

static bool
well(struct cl_ask *a, int16_t code)
{
	struct cl_reader *m = a->arg;
	struct cl *cl = m->client.cl;

	m->busy = false;
	again(m, 1 + sim_below(&cl->sim, code == 0 ? 20 * MS : 300 * MS));
	if (code == 0)
		return true;
	if (a->key == KP_CONSUMER_GROUP_HEARTBEAT)
		m->whole = true; /* what it said was not heard: as Kafka's client does, it says everything and asks for everything */
	if (code > 0)
		cl_tell(cl, "reader %u: %s in epoch %d at node %d: %s", m->number, kp_api(a->key)->name, m->epoch, a->node + 1,
		    rk_err_name(rk_err_of_wire(code)));
	switch (code == -2 ? RK_NETWORK_EXCEPTION : rk_err_of_wire(code)) {
	case RK_UNKNOWN_MEMBER_ID:
	case RK_FENCED_MEMBER_EPOCH:
	case RK_FENCED_INSTANCE_ID:
	case RK_UNRELEASED_INSTANCE_ID:
		outside(m);
		break;
	case RK_NETWORK_EXCEPTION:
	case RK_NOT_COORDINATOR:
	case RK_COORDINATOR_NOT_AVAILABLE:
		m->node = -1;
		m->whole = true;
		break;
	case RK_STALE_MEMBER_EPOCH:
		m->beat_us = 0;
		break;
	case RK_GROUP_ID_NOT_FOUND: /* it is a classic group now: that is fatal, and the application is started anew */
		renamed(m);
		break;
	default:
		break;
	}
	return false;
}

static void
found(struct cl_ask *a, const void *res)
{
	struct cl_reader *m = a->arg;
	const struct kp_find_coordinator_res *r = res;
	struct cl *cl = m->client.cl;

	m->busy = false;
	if (r != NULL && r->error_code == 0 && r->node_id >= 1 && r->node_id <= (int32_t)cl->nodes
	    && cl->node[r->node_id - 1].broker)
		m->node = r->node_id - 1;
	again(m, 1 + sim_below(&cl->sim, 100 * MS));
}

static void
find(struct cl_reader *m)
{
	struct kp_find_coordinator_req q;

	kp_defaults(&kp_find_coordinator_req_d, &q);
	q.key = rk_str_of(m->crowd->name);
	ask(m, cl_some_broker(m->client.cl), KP_FIND_COORDINATOR, 3, &q, found);
}

/* --- what it is given */
static void
given(struct cl_reader *m, int32_t p, bool fresh)
{
	struct cl *cl = m->client.cl;

	if (m->crowd->both && fresh)
		cl_both_given(cl, m->number, p, m->epoch, m->good_us);
	if (m->owns[p])
		return;
	for (uint32_t i = 0; fresh && !m->crowd->both && i < cl->plan.readers; i++) {
		const struct cl_reader *o = &cl->reader[i];
		if (o != m && o->owns[p] && cl->sim.now_us < o->good_us)
			cl_fail(cl, "reader %u is given partition %d in epoch %d, which reader %u owns in epoch %d", m->number, p,
			    m->epoch, o->number, o->epoch);
	}
	m->owns[p] = true;
	m->next[p] = -1;
	if (fresh && !m->crowd->both)
		m->crowd->owner[p].member = (int32_t)m->number;
}

static void
assigned(struct cl_reader *m, const struct kp_consumer_group_heartbeat_res_assignment *r, bool fresh)
{
	struct cl *cl = m->client.cl;
	bool to[CL_PARTS] = { false };

	for (int32_t i = 0; i < r->topic_partitions.len; i++) {
		if (!rk_uuid_eq(r->topic_partitions.at[i].topic_id, cl->topic[0].id))
			cl_fail(cl, "reader %u is given a topic that it does not read", m->number);
		for (int32_t k = 0; k < r->topic_partitions.at[i].partitions.len; k++) {
			int32_t p = r->topic_partitions.at[i].partitions.at[k];
			if (p < 0 || p >= CL_PARTS)
				cl_fail(cl, "reader %u is given partition %d, which is not there", m->number, p);
			else
				to[p] = true;
		}
	}
	for (int32_t p = 0; p < CL_PARTS; p++)
		m->owns[p] &= to[p];
	for (int32_t p = 0; p < CL_PARTS && cl->failure[0] == 0; p++)
		if (to[p])
			given(m, p, fresh);
	m->changed = true;
	cl_reader_tell(m);
}

static void
beaten(struct cl_ask *a, const void *res)
{
	struct cl_reader *m = a->arg;
	struct cl *cl = m->client.cl;
	const struct kp_consumer_group_heartbeat_res *r = res;
	int64_t good_us = m->asked_us + (int64_t)CL_READER_SESSION_MS * MS - SLACK;

	bool granted = well(a, r == NULL ? -2 : r->error_code);
	if (m->moves && a->number < 0) {
		m->moves = false;
		m->idle = true;
		cl_both_over(cl, m->number, true, 1);
	}
	if (!granted)
		return;
	if (a->number < 0) { /* it has left */
		renamed(m);
		return;
	}
	if (r->member_epoch < m->epoch)
		cl_fail(cl, "reader %u goes back from epoch %d to %d", m->number, m->epoch, r->member_epoch);
	m->epoch = r->member_epoch;
	m->good_us = rk_max(m->good_us, good_us);
	if (m->crowd->both) {
		cl_both_accepts(cl, a, m->number, m->epoch, a->epoch, m->era);
		cl_both_told(cl, m->number, m->epoch, good_us);
	}
	m->told_us = cl->sim.now_us;
	if (r->assignment != NULL)
		assigned(m, r->assignment, cl->sim.now_us < good_us);
}

static void
beat(struct cl_reader *m, int32_t epoch)
{
	struct cl *cl = m->client.cl;
	struct kp_consumer_group_heartbeat_req q;
	struct rk_str topic = rk_str_of(cl->topic[0].name);
	int32_t part[CL_PARTS], n = 0;
	struct kp_consumer_group_heartbeat_req_topic_partitions owned = { .topic_id = cl->topic[0].id };

	for (int32_t p = 0; p < CL_PARTS; p++)
		if (m->owns[p])
			part[n++] = p;
	owned.partitions.at = part;
	owned.partitions.len = n;
	kp_defaults(&kp_consumer_group_heartbeat_req_d, &q);
	q.group_id = rk_str_of(m->crowd->name);
	q.member_id = rk_str_of(m->id);
	q.member_epoch = epoch;
	q.instance_id = m->instance;
	if (epoch == 0 || m->whole) {
		q.rebalance_timeout_ms = REBALANCE_MS;
		q.subscribed_topic_names.at = &topic;
		q.subscribed_topic_names.len = 1;
	}
	if (epoch == 0 || m->whole || m->changed) {
		q.topic_partitions.at = &owned;
		q.topic_partitions.len = n > 0;
	}
	m->changed = m->whole = false;
	m->beat_us = cl->sim.now_us;
	struct cl_ask *a = ask(m, m->node, KP_CONSUMER_GROUP_HEARTBEAT, 1, &q, beaten);
	a->number = epoch;
	a->epoch = m->crowd->floor;
}

/* --- offsets */
static void
placed(struct cl_ask *a, const void *res)
{
	struct cl_reader *m = a->arg;
	struct cl_crowd *c = m->crowd;
	const struct kp_offset_fetch_res *r = res;
	const struct kp_offset_fetch_res_groups *g = r == NULL || r->groups.len != 1 ? NULL : &r->groups.at[0];

	if (!well(a, g == NULL ? -2 : g->error_code != 0 ? g->error_code : g->topics.at[0].partitions.at[0].error_code))
		return;
	int64_t offset = g->topics.at[0].partitions.at[0].committed_offset;
	if (offset < a->number || offset > c->sent[m->asks])
		cl_fail(m->client.cl, "node %d tells that group %s has committed %" PRId64 " of partition %d, %" PRId64
		    " was acknowledged, %" PRId64 " sent", a->node + 1, c->name, offset, m->asks, a->number, c->sent[m->asks]);
	m->next[m->asks] = rk_max(offset, 0) + 1;
}

static void
place(struct cl_reader *m)
{
	struct cl *cl = m->client.cl;
	struct kp_offset_fetch_req q;
	struct kp_offset_fetch_req_groups_topics t = { .name = rk_str_of(cl->topic[0].name),
		.partition_indexes = { &m->asks, 1 } };
	struct kp_offset_fetch_req_groups g = { .group_id = rk_str_of(m->crowd->name), .member_id = rk_str_of(m->id),
		.member_epoch = m->epoch, .topics = { &t, 1 } };

	kp_defaults(&kp_offset_fetch_req_d, &q);
	q.groups.at = &g;
	q.groups.len = 1;
	ask(m, m->node, KP_OFFSET_FETCH, 9, &q, placed)->number = m->crowd->acked[m->asks];
}

static void
committed(struct cl_ask *a, const void *res)
{
	struct cl_reader *m = a->arg;
	struct cl *cl = m->client.cl;
	const struct kp_offset_commit_res *r = res;

	if (!well(a, r == NULL ? -2 : r->topics.at[0].partitions.at[0].error_code))
		return;
	if (m->crowd->both)
		cl_both_accepts(cl, a, m->number, a->owner, m->asked_floor, m->era);
	if (a->epoch != (int32_t)m->number && (a->epoch >= 0 || !m->crowd->both))
		cl_fail(cl, "node %d accepts what reader %u commits for partition %d, which was reader %d's already", a->node + 1,
		    m->number, m->asks, a->epoch);
	m->crowd->acked[m->asks] = rk_max(m->crowd->acked[m->asks], a->number);
	m->commits++;
}

static void
commit(struct cl_reader *m)
{
	struct cl *cl = m->client.cl;
	struct kp_offset_commit_req q;
	struct kp_offset_commit_req_topics_partitions p = { m->asks, m->next[m->asks]++, -1, rk_lit("") };
	struct kp_offset_commit_req_topics t = { .name = rk_str_of(cl->topic[0].name), .partitions = { &p, 1 } };

	kp_defaults(&kp_offset_commit_req_d, &q);
	q.group_id = rk_str_of(m->crowd->name);
	q.generation_id_or_member_epoch = m->epoch;
	q.member_id = rk_str_of(m->id);
	q.group_instance_id = RK_STR_NULL;
	q.topics.at = &t;
	q.topics.len = 1;
	m->crowd->sent[m->asks] = rk_max(m->crowd->sent[m->asks], p.committed_offset);
	struct cl_ask *a = ask(m, m->node, KP_OFFSET_COMMIT, 9, &q, committed);
	a->number = p.committed_offset;
	a->epoch = m->crowd->owner[m->asks].member;
	a->owner = m->epoch;
	m->asked_floor = m->crowd->floor;
}

/* --- its life */
static void
inside(struct cl_reader *m)
{
	struct cl *cl = m->client.cl;

	m->asks = (int32_t)sim_below(&cl->sim, rk_min(cl->topic[0].parts, CL_PARTS));
	if (m->whole || m->changed || m->beat_us + 700 * MS < cl->sim.now_us)
		beat(m, m->epoch);
	else if (m->owns[m->asks] && m->next[m->asks] < 0)
		place(m);
	else if (m->owns[m->asks] && cl->producing)
		commit(m);
	else
		again(m, 100 * MS);
}

static void
crash(struct cl_reader *m)
{
	struct cl *cl = m->client.cl;

	cl_hang_up(&m->client);
	m->busy = false;
	renamed(m);
	int64_t us = 100 * MS + sim_below(&cl->sim, 3 * SECOND);
	if (m->crowd->both && (m->moves || cl_both_changes(cl, true))) {
		m->moves = false;
		m->idle = true;
		cl_both_over(cl, m->number, true, us);
	} else {
		again(m, us);
	}
}

static void
leave(struct cl_reader *m, int32_t how)
{
	outside(m);
	if (m->crowd->both)
		cl_both_left(m->client.cl, m->number);
	beat(m, how);
}

static void
go(void *arg, bool lost)
{
	struct cl_reader *m = arg;
	struct cl *cl = m->client.cl;

	if (lost || cl->ending || cl->failure[0] != 0 || m->idle || m->busy || m->at_us != cl->sim.now_us)
		return;
	m->at_us = rk_max(m->client.asleep_us, cl->sim.now_us);
	if (cl_asleep(&m->client, go, m))
		return;
	if (m->crowd->both && cl_both_moves(cl, true)) {
		m->moves = true;
		if (m->node >= 0 && m->epoch > 0)
			leave(m, m->instance.len >= 0 ? -2 : -1);
		else
			crash(m);
	} else if (cl->producing && sim_chance(&cl->sim, 3000)) {
		crash(m);
	} else if (cl->producing && sim_chance(&cl->sim, 3000)) {
		cl_sleep(&m->client, sim_below(&cl->sim, 15 * SECOND));
		again(m, 1);
	} else if (m->node < 0) {
		find(m);
	} else if (m->epoch == 0) {
		beat(m, 0);
	} else if (cl->producing && sim_chance(&cl->sim, 3000)) {
		leave(m, m->instance.len >= 0 && !sim_chance(&cl->sim, 4) ? -2 : -1); /* -2: it will be back */
	} else {
		inside(m);
	}
}

void
cl_reader_start(struct cl *cl, uint32_t number)
{
	struct cl_reader *m = &cl->reader[number];

	cl_client_init(cl, &m->client, CL_CLIENT_PLACE + number);
	m->crowd = cl->plan.both ? &cl->crowd : &cl->readers;
	m->number = number;
	m->node = -1;
	m->instance = cl_place(cl, number, m->place);
	renamed(m);
	if (number == 0 && !cl->plan.both)
		cl_crowd_start(&cl->readers, "r");
	m->idle = cl->plan.both && !cl->crowd.newer;
	if (!m->idle)
		again(m, 1 + sim_below(&cl->sim, SECOND));
}

void
cl_reader_wake(struct cl_reader *m, int64_t us)
{
	m->idle = false;
	renamed(m);
	again(m, us);
}

void
cl_reader_tell(const struct cl_reader *m)
{
	char owned[64] = "";

	for (int32_t p = 0; p < CL_PARTS; p++)
		if (m->owns[p])
			snprintf(owned + strlen(owned), sizeof owned - strlen(owned), " %d", p);
	cl_tell(m->client.cl, "%s: epoch %d, owns%s, %u commits", m->id, m->epoch, owned, m->commits);
}

bool
cl_readers_done(const struct cl *cl, int64_t since_us, char why[256])
{
	int32_t owned = 0;

	if (cl->plan.both)
		return true; /* cl_members_done has said so */
	for (uint32_t i = 0; i < cl->plan.readers; i++) {
		const struct cl_reader *m = &cl->reader[i];
		for (int32_t p = 0; p < CL_PARTS; p++)
			owned += m->owns[p];
		if (m->epoch > 0 && m->told_us >= since_us && m->epoch == cl->reader[0].epoch)
			continue;
		snprintf(why, 256, "reader %u is in epoch %d, reader 0 in %d", i, m->epoch, cl->reader[0].epoch);
		return false;
	}
	if (cl->plan.readers == 0 || owned == cl->topic[0].parts)
		return true;
	snprintf(why, 256, "of %d partitions the readers own %d", cl->topic[0].parts, owned);
	return false;
}
