/* cl_admin.c - the admin of cluster_sim: one request after the other, at any broker. See cluster.h.
 *
 * What is acknowledged must be so at the end. What is not acknowledged may have happened. */
#include "protocol/gen/add_raft_voter.h"
#include "protocol/gen/alter_partition_reassignments.h"
#include "protocol/gen/alter_replica_log_dirs.h"
#include "protocol/gen/create_partitions.h"
#include "protocol/gen/create_topics.h"
#include "protocol/gen/delete_topics.h"
#include "protocol/gen/elect_leaders.h"
#include "protocol/gen/incremental_alter_configs.h"
#include "protocol/gen/remove_raft_voter.h"
#include "tests/sim/cluster.h"

enum { CREATE_TOPICS = 19, DELETE_TOPICS = 20, ALTER_REPLICA_LOG_DIRS = 34, CREATE_PARTITIONS = 37, ELECT_LEADERS = 43,
	INCREMENTAL_ALTER_CONFIGS = 44, ALTER_PARTITION_REASSIGNMENTS = 45, ADD_RAFT_VOTER = 80, REMOVE_RAFT_VOTER = 81 };
enum { EXISTS = 36, TIMEOUT = 10 * SECOND };

static void
create(struct cl *cl, const char *name, int32_t parts, cl_done *done, void *arg)
{
	struct kp_create_topics_req q;
	char min[8] = "", segment[16] = "";
	struct kp_create_topics_req_topics_configs config[3] = {
		{ rk_lit("min.insync.replicas"), rk_str_of(min) }, { rk_lit("internal.segment.bytes"), rk_str_of(segment) },
		{ rk_lit("write.caching"), cl->plan.caching ? rk_lit("true") : rk_lit("false") } };
	struct kp_create_topics_req_topics t = { .name = rk_str_of(name), .num_partitions = parts,
		.replication_factor = cl->plan.factor, .configs = { config, 3 } };

	snprintf(min, sizeof min, "%d", cl->plan.min_isr);
	snprintf(segment, sizeof segment, "%d", cl->plan.segment_bytes);
	config[0].value = rk_str_of(min);
	config[1].value = rk_str_of(segment);
	kp_defaults(&kp_create_topics_req_d, &q);
	q.topics.at = &t;
	q.topics.len = 1;
	q.timeout_ms = 8000;
	cl_ask(&cl->admin, cl_some_broker(cl), CREATE_TOPICS, 7, &q, TIMEOUT, done, arg);
}

/* --- the main topics */

static void make(void *arg, bool lost);

static void
main_made(struct cl_ask *a, const void *res)
{
	struct cl_topic *t = a->arg;
	struct cl *cl = a->conn->who->cl;
	const struct kp_create_topics_res *r = res;

	cl_tell(cl, "topic %s: %s", t->name, r == NULL ? "no answer" :
	    rk_err_name(rk_err_of_wire(r->topics.at[0].error_code)));
	cl_metadata(&cl->admin);
	if (!t->made)
		cl_after(cl, 500 * MS, make, t);
}

static void
make(void *arg, bool lost)
{
	struct cl_topic *t = arg;
	struct cl *cl = t->part[0].cl;

	if (!lost && !t->made && !cl->ending && cl->failure[0] == 0)
		create(cl, t->name, (int32_t)cl->plan.parts, main_made, t);
}

void
cl_admin_topics(struct cl *cl)
{
	cl_client_init(cl, &cl->admin, CL_CLIENT_PLACE + 7);
	for (uint32_t i = 0; i < cl->plan.topics; i++)
		make(&cl->topic[i], false);
}

/* --- topics that come and go */

static int16_t
first_error(const struct kp_create_topics_res *r)
{
	return r->topics.len == 1 ? r->topics.at[0].error_code : -1;
}

static void
extra_made(struct cl_ask *a, const void *res)
{
	struct cl_extra *x = a->arg;

	if (res != NULL && (first_error(res) == 0 || first_error(res) == EXISTS))
		x->made = true;
}

static void
extra_gone(struct cl_ask *a, const void *res)
{
	struct cl_extra *x = a->arg;
	const struct kp_delete_topics_res *r = res;

	if (r != NULL && r->responses.len == 1 && r->responses.at[0].error_code == 0)
		x->gone = true;
	x->leaving = true;
}

static void
one_more(struct cl *cl)
{
	struct cl_extra *x = &cl->extra[cl->extras];

	if (cl->extras == CL_EXTRAS)
		return;
	snprintf(x->name, sizeof x->name, "x%u", cl->extras++);
	create(cl, x->name, 1 + (int32_t)sim_below(&cl->sim, 3), extra_made, x);
}

static void
one_less(struct cl *cl)
{
	struct kp_delete_topics_req q;
	struct cl_extra *x = &cl->extra[sim_below(&cl->sim, cl->extras)];
	struct kp_delete_topics_req_topics t = { .name = rk_str_of(x->name) };

	if (cl->extras == 0 || !x->made || x->leaving || x->asked)
		return;
	x->asked = true; /* from now on it may be gone */
	kp_defaults(&kp_delete_topics_req_d, &q);
	q.topics.at = &t;
	q.topics.len = 1;
	q.timeout_ms = 8000;
	cl_ask(&cl->admin, cl_some_broker(cl), DELETE_TOPICS, 6, &q, TIMEOUT, extra_gone, x);
}

/* --- changes of the main topics */

static void
whatever(struct cl_ask *a, const void *res)
{
	cl_tell(a->conn->who->cl, "admin: %s %s", kp_api(a->key)->name, res == NULL ? "has no answer" : "is answered");
}

static struct cl_part *
some_part(struct cl *cl)
{
	struct cl_topic *t = &cl->topic[sim_below(&cl->sim, cl->plan.topics)];

	return &t->part[sim_below(&cl->sim, t->parts)];
}

static void
grow(struct cl *cl)
{
	struct cl_part *p = some_part(cl);
	struct kp_create_partitions_req q;
	struct kp_create_partitions_req_topics t = { .name = rk_str_of(p->topic->name), .count = p->topic->parts + 1 };

	if (t.count > CL_PARTS || t.count > (int32_t)cl->plan.parts + 2)
		return;
	kp_defaults(&kp_create_partitions_req_d, &q);
	t.assignments.len = -1;
	q.topics.at = &t;
	q.topics.len = 1;
	q.timeout_ms = 8000;
	cl_ask(&cl->admin, cl_some_broker(cl), CREATE_PARTITIONS, 3, &q, TIMEOUT, whatever, NULL);
	cl_metadata(&cl->admin);
}

static void
elect(struct cl *cl)
{
	struct cl_part *p = some_part(cl);
	struct kp_elect_leaders_req q;
	struct kp_elect_leaders_req_topic_partitions t = { .topic = rk_str_of(p->topic->name),
		.partitions = { &p->index, 1 } };

	kp_defaults(&kp_elect_leaders_req_d, &q);
	q.election_type = 0;
	q.topic_partitions.at = &t;
	q.topic_partitions.len = 1;
	q.timeout_ms = 8000;
	cl_ask(&cl->admin, cl_some_broker(cl), ELECT_LEADERS, 2, &q, TIMEOUT, whatever, NULL);
}

static void
reassign(struct cl *cl)
{
	struct cl_part *p = some_part(cl);
	struct kp_alter_partition_reassignments_req q;
	int32_t to[CL_NODES], n = 0;
	struct kp_alter_partition_reassignments_req_topics_partitions part = { .partition_index = p->index };
	struct kp_alter_partition_reassignments_req_topics t = { .name = rk_str_of(p->topic->name),
		.partitions = { &part, 1 } };

	for (uint32_t i = 0; i < cl->nodes; i++)
		if (cl->node[i].broker)
			to[n++] = cl->node[i].id;
	for (int32_t i = n - 1; i > 0; i--) {
		int32_t k = (int32_t)sim_below(&cl->sim, i + 1), id = to[i];
		to[i] = to[k];
		to[k] = id;
	}
	part.replicas.at = to;
	part.replicas.len = sim_chance(&cl->sim, 200000) ? -1 : rk_min(n, cl->plan.factor);
	kp_defaults(&kp_alter_partition_reassignments_req_d, &q);
	q.timeout_ms = 8000;
	q.topics.at = &t;
	q.topics.len = 1;
	cl_ask(&cl->admin, cl_some_broker(cl), ALTER_PARTITION_REASSIGNMENTS, 0, &q, TIMEOUT, whatever, NULL);
}

/* A partition is to lie in one directory or the other of some broker, which may have no replica of it. */
static void
move(struct cl *cl)
{
	struct cl_part *p = some_part(cl);
	int32_t broker = cl_some_broker(cl);
	const struct cl_node *n = &cl->node[broker];
	struct kp_alter_replica_log_dirs_req q;
	struct kp_alter_replica_log_dirs_req_dirs_topics t = { .name = rk_str_of(p->topic->name),
		.partitions = { &p->index, 1 } };
	struct kp_alter_replica_log_dirs_req_dirs d = { .path = rk_str_of(sim_chance(&cl->sim, 500000) ? n->data : n->second),
		.topics = { &t, 1 } };

	kp_defaults(&kp_alter_replica_log_dirs_req_d, &q);
	q.dirs.at = &d;
	q.dirs.len = 1;
	cl_ask(&cl->admin, broker, ALTER_REPLICA_LOG_DIRS, 2, &q, TIMEOUT, whatever, NULL);
}

static void
configure(struct cl *cl)
{
	struct cl_part *p = some_part(cl);
	char value[16];
	struct kp_incremental_alter_configs_req q;
	struct kp_incremental_alter_configs_req_resources_configs c = { .name = rk_lit("segment.bytes"),
		.value = { value, 0 } };
	struct kp_incremental_alter_configs_req_resources r = { .resource_type = 2,
		.resource_name = rk_str_of(p->topic->name), .configs = { &c, 1 } };

	snprintf(value, sizeof value, "%d", 1048576 + (int)sim_below(&cl->sim, 100000));
	c.value = rk_str_of(value);
	kp_defaults(&kp_incremental_alter_configs_req_d, &q);
	q.resources.at = &r;
	q.resources.len = 1;
	cl_ask(&cl->admin, cl_some_broker(cl), INCREMENTAL_ALTER_CONFIGS, 1, &q, TIMEOUT, whatever, NULL);
}

/* The internal topics get small segments, as soon as they are there. */
static void shrink(void *arg, bool lost);

static void
shrunk(struct cl_ask *a, const void *res)
{
	struct cl_topic *t = a->arg;
	const struct kp_incremental_alter_configs_res *r = res;

	t->made |= r != NULL && r->responses.len == 1 && r->responses.at[0].error_code == 0;
	if (t->made)
		cl_tell(t->part[0].cl, "topic %s has small segments", t->name);
	else
		cl_after(t->part[0].cl, 500 * MS, shrink, t);
}

static void
shrink(void *arg, bool lost)
{
	struct cl_topic *t = arg;
	struct cl *cl = t->part[0].cl;
	struct kp_incremental_alter_configs_req q;
	struct kp_incremental_alter_configs_req_resources_configs c = { .name = rk_lit("internal.segment.bytes"),
		.value = rk_lit("8192") };
	struct kp_incremental_alter_configs_req_resources r = { .resource_type = 2, .resource_name = rk_str_of(t->name),
		.configs = { &c, 1 } };

	if (lost || cl->ending || cl->failure[0] != 0)
		return;
	kp_defaults(&kp_incremental_alter_configs_req_d, &q);
	q.resources.at = &r;
	q.resources.len = 1;
	cl_ask(&cl->admin, cl_some_broker(cl), INCREMENTAL_ALTER_CONFIGS, 1, &q, TIMEOUT, shrunk, t);
}

static void
voted(struct cl_ask *a, const void *res)
{
	const struct kp_add_raft_voter_res *r = res; /* both answers are alike */

	cl_tell(a->conn->who->cl, "admin: %s at node %d: %s %.*s", kp_api(a->key)->name, a->node + 1,
	    r == NULL ? "no answer" : rk_err_name(rk_err_of_wire(r->error_code)), r == NULL ? 0 :
	    (int)rk_max(r->error_message.len, 0),
	    r == NULL ? "" : r->error_message.at);
}

/* A voter leaves the quorum, or one that left comes back. */
static void
change_voters(struct cl *cl)
{
	struct cl_node *n = &cl->node[sim_below(&cl->sim, cl->plan.controllers)];
	struct kp_remove_raft_voter_req r;
	struct kp_add_raft_voter_req a;
	struct kp_add_raft_voter_req_listeners l = { .name = rk_lit("CONTROLLER"), .host = rk_str_of(n->host), .port = 9093 };

	if (sim_chance(&cl->sim, 400000)) {
		kp_defaults(&kp_remove_raft_voter_req_d, &r);
		r.cluster_id = rk_lit(SIM_CLUSTER_ID);
		r.voter_id = n->id;
		r.voter_directory_id = cl_dir_id(n->id, 0);
		cl_ask(&cl->admin, cl_some_broker(cl), REMOVE_RAFT_VOTER, 0, &r, TIMEOUT, voted, NULL);
		return;
	}
	kp_defaults(&kp_add_raft_voter_req_d, &a);
	a.cluster_id = rk_lit(SIM_CLUSTER_ID);
	a.timeout_ms = 8000;
	a.voter_id = n->id;
	a.voter_directory_id = cl_dir_id(n->id, 0);
	a.listeners.at = &l;
	a.listeners.len = 1;
	cl_ask(&cl->admin, cl_some_broker(cl), ADD_RAFT_VOTER, 0, &a, TIMEOUT, voted, NULL);
}

static void
act(void *arg, bool lost)
{
	struct cl *cl = arg;

	if (lost || !cl->chaos)
		return;
	if (sim_chance(&cl->sim, cl->plan.admin)) {
		int64_t what = sim_below(&cl->sim, 100);
		if (sim_chance(&cl->sim, cl->plan.voters))
			change_voters(cl);
		else if (what < 25 || cl->plan.topics == 0)
			one_more(cl);
		else if (what < 40)
			one_less(cl);
		else if (what < 45)
			grow(cl);
		else if (what < 65)
			elect(cl);
		else if (what < 85)
			reassign(cl);
		else
			configure(cl);
	}
	if (cl->plan.jbod && cl->plan.topics > 0 && sim_chance(&cl->sim, 300000))
		move(cl);
	cl_after(cl, 100 * MS, act, cl);
}

void
cl_admin_start(struct cl *cl)
{
	for (uint32_t i = 0; i < CL_INNER && cl->plan.compacts; i++)
		shrink(&cl->inner[i], false);
	cl_after(cl, 100 * MS, act, cl);
}
