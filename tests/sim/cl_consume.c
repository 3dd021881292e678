/* cl_consume.c - consumers of cluster_sim. See cluster.h.
 *
 * Each reads every partition from the beginning, one fetch after the other, from the leader it knows, or from any
 * replica. Whatever it is shown is committed: the checkers keep it for ever. Its place never becomes unknown to the
 * leader, what a leader calls committed never becomes less. */
#include "protocol/gen/fetch.h"
#include "protocol/gen/list_offsets.h"
#include "tests/sim/cluster.h"

enum { FETCH = 1, LIST_OFFSETS = 2, FETCH_V = 12, LIST_V = 6, TIMEOUT = 8 * SECOND };
enum { OUT_OF_RANGE = 1 };

struct turn { /* one consumer's one partition */
	struct cl_consumer *c;
	struct cl_part *p;
};

static void go(void *arg, bool lost);

static struct cl_view *
view_of(struct cl_consumer *c, const struct cl_part *p)
{
	return &c->view[p->topic - c->client.cl->topic][p->index];
}

static void
again(struct turn *t, int64_t us)
{
	cl_after(t->c->client.cl, us, go, t);
}

/* Committed, says a replica in this leader epoch: never less than it said before in the same epoch. */
static void
committed(struct cl_consumer *c, struct cl_part *p, const struct cl_ask *a, int64_t high, int64_t stable)
{
	struct cl_view *v = view_of(c, p);
	struct cl *cl = c->client.cl;

	if (v->follower || a->epoch < 0)
		return;
	if (a->epoch == v->high_epoch && stable < v->stable)
		cl_fail(cl, "consumer %u: the last stable offset of %s-%d in epoch %d goes back from %" PRId64 " to %" PRId64
		    " at node %d", c->number, p->topic->name, p->index, a->epoch, v->stable, stable, a->node + 1);
	if (a->epoch == v->high_epoch && high < v->high)
		cl_fail(cl, "consumer %u: the high watermark of %s-%d in epoch %d goes back from %" PRId64 " to %" PRId64
		    " at node %d", c->number, p->topic->name, p->index, a->epoch, v->high, high, a->node + 1);
	if (a->epoch >= v->high_epoch) {
		v->high = high;
		v->stable = stable;
		v->high_epoch = a->epoch;
	}
}

/* What was fetched. False: nothing of it could be used. */
static bool
take(struct cl_consumer *c, struct cl_part *p, const struct kp_fetch_res_responses_partitions *r, int32_t node)
{
	struct cl_view *v = view_of(c, p);
	struct cl *cl = c->client.cl;
	char who[32];
	const uint8_t *b = r->records.at, *end = b + rk_max(r->records.len, 0);
	struct cl_shown shown;

	snprintf(who, sizeof who, "consumer %u at node %d", c->number, node + 1);
	if (r->last_stable_offset > r->high_watermark)
		cl_fail(cl, "%s: the last stable offset of %s-%d, %" PRId64 ", is past the high watermark %" PRId64, who,
		    p->topic->name, p->index, r->last_stable_offset, r->high_watermark);
	cl_shown_begin(&shown, r);
	for (; b < end; b += kp_batch_bytes(b)) {
		if (kp_batch_check(b, (size_t)(end - b)) != RK_OK) {
			if (b == r->records.at)
				cl_fail(cl, "%s: no sound batch of %s-%d at %" PRId64, who, p->topic->name, p->index, v->at);
			break;
		}
		if (kp_batch_base(b) != v->at)
			cl_fail(cl, "%s: %s-%d has a gap from %" PRId64 " to %" PRId64, who, p->topic->name, p->index, v->at,
			    kp_batch_base(b));
		if (kp_batch_last(b) >= r->high_watermark)
			cl_fail(cl, "%s: %s-%d at %" PRId64 " is shown although %" PRId64 " is the high watermark", who,
			    p->topic->name, p->index, kp_batch_last(b), r->high_watermark);
		struct cl_seen s = { kp_batch_base(b), kp_batch_count(b), kp_batch_epoch(b), cl_batch_hash(b),
			(kp_batch_attr(b) & KP_ATTR_CONTROL) != 0 };
		cl_see(cl, p, &s, who);
		struct cl_op *op = cl_op_of(cl, s.hash);
		if (c->committed && cl_shown(cl, p, &shown, b, who) && op != NULL)
			op->given |= (uint8_t)(1u << c->number);
		v->at = kp_batch_last(b) + 1;
		cl->reads++;
	}
	return b > r->records.at;
}

static void
fetched(struct cl_ask *a, const void *res)
{
	struct turn *t = a->arg;
	struct cl *cl = t->c->client.cl;
	struct cl_view *v = view_of(t->c, t->p);
	const struct kp_fetch_res *r = res;
	bool got = false;

	if (cl->ending || cl->failure[0] != 0)
		return;
	if (r == NULL || r->error_code != 0 || r->responses.len != 1 || r->responses.at[0].partitions.len != 1) {
		v->follower = false;
		cl_metadata(&t->c->client);
		again(t, 50 * MS + sim_below(&cl->sim, 300 * MS));
		return;
	}
	const struct kp_fetch_res_responses_partitions *p = &r->responses.at[0].partitions.at[0];
	if (p->error_code == 0) {
		committed(t->c, t->p, a, p->high_watermark, p->last_stable_offset);
		got = take(t->c, t->p, p, a->node);
		again(t, got ? 1 : 5 * MS);
		return;
	}
	if (p->error_code == OUT_OF_RANGE && !v->follower)
		cl_fail(cl, "consumer %u has read %s-%d up to %" PRId64 ", which node %d calls out of range in epoch %d",
		    t->c->number, t->p->topic->name, t->p->index, v->at, a->node + 1, a->epoch);
	v->follower = false;
	cl_metadata(&t->c->client);
	again(t, 50 * MS + sim_below(&cl->sim, 300 * MS));
}

static void
listed(struct cl_ask *a, const void *res)
{
	struct turn *t = a->arg;
	struct cl_view *v = view_of(t->c, t->p);
	const struct kp_list_offsets_res *r = res;

	v->listing = false;
	if (r == NULL || r->topics.len != 1 || r->topics.at[0].partitions.len != 1
	    || r->topics.at[0].partitions.at[0].error_code != 0)
		return;
	int64_t end = r->topics.at[0].partitions.at[0].offset;
	if (end < v->listed || end < a->number)
		cl_fail(t->c->client.cl, "consumer %u: the end of %s-%d goes back from %" PRId64 " to %" PRId64 " at node %d",
		    t->c->number, t->p->topic->name, t->p->index, rk_max(v->listed, a->number), end, a->node + 1);
	v->listed = end;
}

static void
list(struct turn *t, int32_t leader, int32_t epoch)
{
	struct cl_view *v = view_of(t->c, t->p);
	struct kp_list_offsets_req q;
	struct kp_list_offsets_req_topics_partitions p = { t->p->index, epoch, -1 };
	struct kp_list_offsets_req_topics topic = { .name = rk_str_of(t->p->topic->name), .partitions = { &p, 1 } };

	kp_defaults(&kp_list_offsets_req_d, &q);
	q.replica_id = -1;
	q.isolation_level = t->c->committed;
	q.topics.at = &topic;
	q.topics.len = 1;
	v->listing = true;
	struct cl_ask *a = cl_ask(&t->c->client, leader - 1, LIST_OFFSETS, LIST_V, &q, TIMEOUT, listed, t);
	a->number = v->follower ? 0 : v->at; /* what it has read is below the end */
}

static void
ask(struct turn *t, int32_t from, int32_t epoch)
{
	struct cl *cl = t->c->client.cl;
	struct cl_view *v = view_of(t->c, t->p);
	struct kp_fetch_req q;
	struct kp_fetch_req_topics_partitions p = { .partition = t->p->index, .current_leader_epoch = epoch,
		.fetch_offset = v->at, .last_fetched_epoch = -1, .log_start_offset = -1,
		.partition_max_bytes = 1 + (int32_t)sim_below(&cl->sim, 20000), .high_watermark = INT64_MAX };
	struct kp_fetch_req_topics topic = { .topic = rk_str_of(t->p->topic->name), .partitions = { &p, 1 } };

	kp_defaults(&kp_fetch_req_d, &q);
	q.replica_id = -1;
	q.isolation_level = t->c->committed;
	q.max_bytes = 50000;
	q.max_wait_ms = (int32_t)sim_below(&cl->sim, 500);
	q.min_bytes = 1;
	q.session_epoch = -1;
	q.topics.at = &topic;
	q.topics.len = 1;
	struct cl_ask *a = cl_ask(&t->c->client, from - 1, FETCH, FETCH_V, &q, TIMEOUT, fetched, t);
	a->epoch = epoch;
}

static void
go(void *arg, bool lost)
{
	struct turn *t = arg;

	if (lost || t->c->client.cl->ending || t->c->client.cl->failure[0] != 0)
		return;
	struct cl *cl = t->c->client.cl;
	uint32_t k = (uint32_t)(t->p->topic - cl->topic);
	struct cl_view *v = view_of(t->c, t->p);
	int32_t leader = t->c->client.at[k][t->p->index].leader, epoch = t->c->client.at[k][t->p->index].epoch;
	int32_t n = t->c->client.at[k][t->p->index].replicas;

	if (leader < 1 || t->p->index >= t->p->topic->parts) {
		cl_metadata(&t->c->client);
		again(t, 200 * MS + sim_below(&cl->sim, 300 * MS));
		return;
	}
	v->follower = t->c->follows && n > 0 && sim_chance(&cl->sim, 600000);
	int32_t from = v->follower ? t->c->client.at[k][t->p->index].replica[sim_below(&cl->sim, n)] : leader;
	bool says = v->follower || sim_chance(&cl->sim, 900000);
	v->follower = from != leader || !says; /* who does not say the epoch may be served by a former leader */
	if (!v->listing && sim_chance(&cl->sim, 50000))
		list(t, leader, epoch);
	ask(t, from, says ? epoch : -1);
}

void
cl_consumer_start(struct cl *cl, uint32_t number)
{
	struct cl_consumer *c = &cl->consumer[number];

	cl_client_init(cl, &c->client, CL_CLIENT_PLACE + 4 + number % 3);
	c->number = number;
	c->committed = cl->plan.tids > 0 && (number == 1 || (number > 1 && sim_chance(&cl->sim, 500000)));
	c->follows = number > 0 && sim_chance(&cl->sim, 500000);
	c->turn = rk_mem_get(CL_TOPICS * CL_PARTS * sizeof(struct turn));
	for (uint32_t t = 0; t < cl->plan.topics; t++)
		for (int32_t p = 0; p < CL_PARTS; p++) {
			struct turn *turn = (struct turn *)c->turn + t * CL_PARTS + p;
			*turn = (struct turn){ c, &cl->topic[t].part[p] };
			again(turn, sim_below(&cl->sim, SECOND));
		}
}

void
cl_consumer_free(struct cl_consumer *c)
{
	cl_client_free(&c->client);
	rk_mem_put(c->turn);
}
