/* cl_group.c - groups of cluster_sim: clients that commit offsets, and ask for them. See cluster.h.
 *
 * Each commits greater and greater offsets, one at a time, to the coordinator it knows, and asks for what is
 * committed, also of nodes that may have coordinated it before. What was acknowledged when the question left is what is
 * told, or a later one, or one whose answer never came (it may be written down late): a committed offset never
 * goes back. */
#include "protocol/gen/find_coordinator.h"
#include "protocol/gen/offset_commit.h"
#include "protocol/gen/offset_fetch.h"
#include "tests/sim/cluster.h"

enum { OFFSET_COMMIT = 8, OFFSET_FETCH = 9, FIND_COORDINATOR = 10, TIMEOUT = 6 * SECOND };

static void go(void *arg, bool lost);

static void
again(struct cl_group *g, int64_t us)
{
	cl_after(g->client.cl, 1 + sim_below(&g->client.cl->sim, us), go, g);
}

/* --- who coordinates */
static void
found(struct cl_ask *a, const void *res)
{
	struct cl_group *g = a->arg;
	const struct kp_find_coordinator_res *r = res;

	if (r != NULL && r->error_code == 0 && r->node_id >= 1 && r->node_id <= (int32_t)g->client.cl->nodes)
		g->node = r->node_id - 1;
	again(g, 100 * MS);
}

static void
find(struct cl_group *g)
{
	struct kp_find_coordinator_req q;

	kp_defaults(&kp_find_coordinator_req_d, &q);
	q.key = rk_str_of(g->name);
	cl_ask(&g->client, cl_some_broker(g->client.cl), FIND_COORDINATOR, 3, &q, TIMEOUT, found, g);
}

/* --- commits */
static bool
unsure(const struct cl_group *g, int64_t offset)
{
	for (uint32_t i = 0; i < g->unsures; i++)
		if (g->unsure[i] == offset)
			return true;
	return false;
}

static void
committed(struct cl_ask *a, const void *res)
{
	struct cl_group *g = a->arg;
	const struct kp_offset_commit_res *r = res;
	int16_t code = r == NULL ? -1 : r->topics.at[0].partitions.at[0].error_code;

	if (code == 0) {
		g->acked = a->number;
		g->commits++;
	} else { /* it may have been written down all the same */
		g->unsure[g->unsures++ % rk_countof(g->unsure)] = a->number;
		g->unsures = rk_min(g->unsures, (uint32_t)rk_countof(g->unsure));
		g->node = -1;
	}
	again(g, 100 * MS);
}

static void
commit(struct cl_group *g)
{
	struct kp_offset_commit_req q;
	struct kp_offset_commit_req_topics_partitions p = { 0, ++g->next, -1, rk_lit("") };
	struct kp_offset_commit_req_topics t = { .name = rk_str_of(g->client.cl->topic[0].name), .partitions = { &p, 1 } };

	kp_defaults(&kp_offset_commit_req_d, &q);
	q.group_id = rk_str_of(g->name);
	q.topics.at = &t;
	q.topics.len = 1;
	cl_ask(&g->client, g->node, OFFSET_COMMIT, 8, &q, TIMEOUT, committed, g)->number = g->next;
}

/* --- what is committed */
static void
told(struct cl_ask *a, const void *res)
{
	struct cl_group *g = a->arg;
	struct cl *cl = g->client.cl;
	const struct kp_offset_fetch_res *r = res;

	again(g, 100 * MS);
	if (r == NULL || r->error_code != 0 || r->topics.len != 1 || r->topics.at[0].partitions.at[0].error_code != 0) {
		if (a->node == g->node)
			g->node = -1;
		return;
	}
	int64_t offset = r->topics.at[0].partitions.at[0].committed_offset;
	g->tells++;
	g->told_us = cl->sim.now_us;
	if (offset < a->number && !unsure(g, offset))
		cl_fail(cl, "node %d tells that group %s has committed %" PRId64 ", and %" PRId64 " was acknowledged before",
		    a->node + 1, g->name, offset, a->number);
	if (offset > g->next)
		cl_fail(cl, "node %d tells that group %s has committed %" PRId64 ", which nobody did", a->node + 1, g->name, offset);
}

static void
fetch(struct cl_group *g, int32_t node)
{
	struct kp_offset_fetch_req q;
	int32_t zero = 0;
	struct kp_offset_fetch_req_topics t = { .name = rk_str_of(g->client.cl->topic[0].name),
		.partition_indexes = { &zero, 1 } };

	kp_defaults(&kp_offset_fetch_req_d, &q);
	q.group_id = rk_str_of(g->name);
	q.topics.at = &t;
	q.topics.len = 1;
	cl_ask(&g->client, node, OFFSET_FETCH, 7, &q, TIMEOUT, told, g)->number = g->acked;
}

static void
go(void *arg, bool lost)
{
	struct cl_group *g = arg;
	struct cl *cl = g->client.cl;

	if (lost || cl->ending || cl->failure[0] != 0)
		return;
	if (g->node < 0)
		find(g);
	else if (cl->producing && sim_chance(&cl->sim, 500000))
		commit(g);
	else
		fetch(g, sim_chance(&cl->sim, 700000) ? g->node : cl_some_broker(cl));
}

struct rk_str
cl_place(const struct cl *cl, uint32_t number, char text[16])
{
	if ((number + cl->seed / 3) % 2 == 0)
		return RK_STR_NULL;
	snprintf(text, 16, "place-%u", number);
	return rk_str_of(text);
}

void
cl_group_start(struct cl *cl, uint32_t number)
{
	struct cl_group *g = &cl->group[number];

	cl_client_init(cl, &g->client, CL_CLIENT_PLACE + 6);
	snprintf(g->name, sizeof g->name, "g%u", number);
	g->node = -1;
	g->acked = -1;
	again(g, SECOND);
}

bool
cl_groups_told(const struct cl *cl, int64_t since_us, char why[256])
{
	for (uint32_t i = 0; i < cl->plan.groups; i++)
		if (cl->group[i].told_us < since_us) {
			snprintf(why, 256, "nobody tells what group %s has committed", cl->group[i].name);
			return false;
		}
	return true;
}
