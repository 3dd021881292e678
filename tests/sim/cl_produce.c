/* cl_produce.c - producers of cluster_sim: Kafka's client in short. See cluster.h.
 *
 * An idempotent producer numbers its batches; several are in flight; when one fails nothing new is sent to that
 * partition until all in flight are answered or lost, and then what is not resolved goes again, in order. It never
 * gives up. A producer may fall asleep with all that it has under way (a zombie), and goes on later as if
 * nothing had happened. A plain producer sends again too, and may so write twice; with acks=1 it may lose. */
#include "protocol/gen/init_producer_id.h"
#include "protocol/gen/produce.h"
#include "tests/sim/cluster.h"

enum { PRODUCE = 0, INIT_PRODUCER_ID = 22, PRODUCE_V = 12, PRODUCE_IDS_V = 13, INIT_V = 4 };
enum { OUT_OF_ORDER = 45, DUPLICATE = 46, INVALID_EPOCH = 47, UNKNOWN_PRODUCER = 59 };
enum { TIMEOUT = 20 * SECOND };

static void pump_all(void *arg, bool lost);

/* --- batches */

struct cl_op *
cl_op_of(struct cl *cl, uint64_t hash)
{
	uint32_t i;

	return sim_known_find(&cl->known, hash, &i) ? &cl->op[i] : NULL;
}

static struct rk_str
batch_of(const struct cl_producer *p, const struct cl_op *op, struct rk_arena *a)
{
	const struct sim_batch b = { .seed = op->seed, .count = op->count, .value_max = 200, .seq = op->seq, .ms = op->ms,
		.producer = p->idempotent ? p->id : -1, .epoch = p->epoch };

	return sim_batch_make(&b, a);
}

/* --- answers */

static const struct kp_produce_res_responses_partition_responses *
only(const void *res)
{
	const struct kp_produce_res *r = res;

	return r == NULL || r->responses.len != 1 || r->responses.at[0].partition_responses.len != 1 ? NULL
	    : &r->responses.at[0].partition_responses.at[0];
}

static void
leaves(struct cl_ask *a, const void *res)
{
	struct cl_producer *p = a->arg;
	const struct kp_produce_res_responses_partition_responses *r = only(res);

	if (r != NULL && r->error_code == 0 && p->acks == -1 && r->base_offset >= 0)
		cl_acked(p->client.cl, &p->client.cl->op[a->op], r->base_offset, true);
}

static struct cl_lane *
lane_of(struct cl_producer *p, const struct cl_part *part)
{
	return &p->lane[part->topic - p->client.cl->topic][part->index];
}

static bool
resolved(const struct cl *cl, uint32_t op)
{
	return cl->op[op].acked;
}

static void
success(struct cl_producer *p, struct cl_op *op, int64_t base)
{
	struct cl *cl = p->client.cl;
	struct cl_lane *l = lane_of(p, op->part);

	if (p->acks == -1 && base >= 0)
		cl_acked(cl, op, base, false);
	l->known = true;
	if (!op->acked)
		cl->acked++;
	op->acked = true;
	if (p->acks == -1) {
		if (cl->ack_us > 0)
			cl->pause_us = rk_max(cl->pause_us, cl->sim.now_us - cl->ack_us);
		cl->ack_us = cl->sim.now_us;
	}
	while (l->first < l->count && resolved(cl, l->op[l->first]))
		l->first++;
	l->next = rk_max(l->next, l->first);
}

static void
refused(struct cl_producer *p, const struct cl_ask *a, int16_t error)
{
	struct cl *cl = p->client.cl;
	struct cl_op *op = &cl->op[a->op];
	struct cl_lane *l = lane_of(p, op->part);
	bool next = l->first < l->count && l->op[l->first] == a->op;

	cl_tell(cl, "producer %u: batch %u (%s-%d seq %d) at node %d: %s", p->number, a->op, op->part->topic->name,
	    op->part->index, op->seq, a->node + 1, rk_err_name(rk_err_of_wire(error)));
	if (p->idempotent && (error == INVALID_EPOCH || error == UNKNOWN_PRODUCER || (error == OUT_OF_ORDER && next)))
		cl_fail(cl, "node %d refuses batch %u of producer %u (%s-%d, sequence %d), although all before it are "
		    "acknowledged: %s", a->node + 1, a->op, p->number, op->part->topic->name, op->part->index, op->seq,
		    rk_err_name(rk_err_of_wire(error)));
}

static void
produced(struct cl_ask *a, const void *res)
{
	struct cl_producer *p = a->arg;
	struct cl *cl = p->client.cl;
	struct cl_op *op = &cl->op[a->op];
	struct cl_lane *l = lane_of(p, op->part);
	const struct kp_produce_res_responses_partition_responses *r = only(res);

	l->flying--;
	sim_note(&cl->sim, a->op, r == NULL ? 1 : (uint64_t)r->base_offset);
	if (r != NULL && (r->error_code == 0 || (p->idempotent && r->error_code == DUPLICATE))) {
		success(p, op, r->error_code == 0 ? r->base_offset : -1);
	} else {
		if (r != NULL)
			refused(p, a, r->error_code);
		l->again = true;
		l->wait_us = cl->sim.now_us + 20 * MS + sim_below(&cl->sim, 400 * MS);
		cl_metadata(&p->client);
	}
	if (!cl->ending)
		cl_after(cl, l->again ? l->wait_us - cl->sim.now_us + 1 : 1, pump_all, p);
}

/* --- sending */

static void
send_op(struct cl_producer *p, uint32_t i, int32_t leader)
{
	struct cl *cl = p->client.cl;
	struct cl_op *op = &cl->op[i];
	struct kp_produce_req q;
	struct kp_produce_req_topic_data topic = { .name = rk_str_of(op->part->topic->name), .topic_id = op->part->topic->id };
	struct kp_produce_req_topic_data_partition_data part;
	struct rk_arena a;

	rk_arena_init(&a, SIZE_MAX);
	struct rk_str bytes = batch_of(p, op, &a);
	if (op->hash == 0) {
		op->hash = sim_batch_hash((const uint8_t *)bytes.at);
		sim_known_add(&cl->known, op->hash, i);
	}
	kp_defaults(&kp_produce_req_d, &q);
	q.acks = p->acks;
	q.timeout_ms = 15000;
	part = (struct kp_produce_req_topic_data_partition_data){ op->part->index,
		{ (uint8_t *)(uintptr_t)bytes.at, bytes.len, NULL } };
	topic.partition_data.at = &part;
	topic.partition_data.len = 1;
	q.topic_data.at = &topic;
	q.topic_data.len = 1;
	struct cl_ask *ask = cl_ask(&p->client, leader - 1, PRODUCE, p->number % 2 == 0 ? PRODUCE_V : PRODUCE_IDS_V, &q,
	    TIMEOUT, produced, p);
	ask->op = i;
	ask->leaves = leaves;
	lane_of(p, op->part)->flying++;
	rk_arena_free(&a);
}

static void
pump(struct cl_producer *p, uint32_t t, int32_t part)
{
	struct cl *cl = p->client.cl;
	struct cl_lane *l = &p->lane[t][part];
	int32_t leader = p->client.at[t][part].leader;

	if (l->first == l->count || cl->sim.now_us < l->wait_us)
		return;
	if (l->again) {
		if (l->flying > 0)
			return;
		l->again = false;
		l->next = l->first;
	}
	if (leader < 1 || leader > (int32_t)cl->nodes || !cl->node[leader - 1].broker) {
		l->again = true;
		l->wait_us = cl->sim.now_us + 100 * MS;
		cl_metadata(&p->client);
		cl_after(cl, 100 * MS + 1, pump_all, p);
		return;
	}
	/* Until a broker knows the producer it takes any sequence for its first, as Kafka's do: so the first batch goes
	 * alone. And a broker remembers five batches: the first that is unanswered must be one of the last five. */
	while (l->next < l->count && l->flying < (l->known ? p->flight : 1) && l->next - l->first < CL_REMEMBERED) {
		uint32_t op = l->op[l->next++];
		if (!resolved(cl, op))
			send_op(p, op, leader);
	}
}

static void
pump_all(void *arg, bool lost)
{
	struct cl_producer *p = arg;
	struct cl *cl = p->client.cl;

	if (lost || cl_asleep(&p->client, pump_all, p) || cl->ending)
		return;
	for (uint32_t t = 0; t < cl->plan.topics; t++)
		for (int32_t i = 0; i < cl->topic[t].parts; i++)
			pump(p, t, i);
}

/* --- a new batch now and then */

static void
fresh(struct cl_producer *p)
{
	struct cl *cl = p->client.cl;
	struct cl_topic *t = &cl->topic[sim_below(&cl->sim, cl->plan.topics)];
	struct cl_part *part = &t->part[sim_below(&cl->sim, t->parts)];
	struct cl_lane *l = lane_of(p, part);

	if (!t->made || l->count - l->first > 3 * p->flight)
		return;
	struct cl_op *op = rk_mem_room((void **)&cl->op, cl->ops, &cl->op_cap, sizeof *op);
	*op = (struct cl_op){ .part = part, .count = 1 + (int32_t)sim_below(&cl->sim, 4), .base = -1,
		.ms = 1790000000000 + cl->sim.now_us / 1000, .seed = sim_random(&cl->sim), .producer = p->number };
	op->seq = l->seq;
	l->seq += op->count;
	uint32_t *at = rk_mem_room((void **)&l->op, l->count++, &l->cap, sizeof *l->op);
	*at = cl->ops++;
	pump(p, (uint32_t)(t - cl->topic), part->index);
}

static void
beat(void *arg, bool lost)
{
	struct cl_producer *p = arg;
	struct cl *cl = p->client.cl;

	if (lost || cl_asleep(&p->client, beat, p) || cl->ending)
		return;
	if (cl->producing && cl->ops < cl->plan.ops)
		for (int64_t n = 1 + sim_below(&cl->sim, 3); n > 0; n--)
			fresh(p);
	cl_after(cl, 1 + sim_below(&cl->sim, p->pace_us), beat, p);
}

/* --- its id */

static void ask_id(void *arg, bool lost);

static void
got_id(struct cl_ask *a, const void *res)
{
	struct cl_producer *p = a->arg;
	const struct kp_init_producer_id_res *r = res;

	if (r == NULL || r->error_code != 0) {
		cl_after(p->client.cl, 500 * MS, ask_id, p);
		return;
	}
	p->id = r->producer_id;
	p->epoch = r->producer_epoch;
	for (uint32_t i = 0; i < p->client.cl->plan.producers; i++)
		if (i != p->number && p->client.cl->producer[i].id == p->id && p->idempotent)
			cl_fail(p->client.cl, "producer id %" PRId64 " was handed out twice", p->id);
	cl_after(p->client.cl, 1, beat, p);
}

static void
ask_id(void *arg, bool lost)
{
	struct cl_producer *p = arg;
	struct kp_init_producer_id_req q;

	if (lost || p->client.cl->ending)
		return;
	kp_defaults(&kp_init_producer_id_req_d, &q);
	q.transactional_id = RK_STR_NULL;
	q.transaction_timeout_ms = 60000;
	q.producer_id = q.producer_epoch = -1;
	cl_ask(&p->client, cl_some_broker(p->client.cl), INIT_PRODUCER_ID, INIT_V, &q, 10 * SECOND, got_id, p);
}

void
cl_producer_start(struct cl *cl, uint32_t number)
{
	struct cl_producer *p = &cl->producer[number];

	cl_client_init(cl, &p->client, CL_CLIENT_PLACE + number % 4);
	p->number = number;
	p->id = -1;
	p->idempotent = number == 0 || sim_chance(&cl->sim, 700000);
	p->acks = p->idempotent || sim_chance(&cl->sim, 500000) ? -1 : 1;
	p->flight = 1 + (uint32_t)sim_below(&cl->sim, 5);
	p->pace_us = 2 * MS + sim_below(&cl->sim, 100 * MS);
	cl_metadata(&p->client);
	cl_after(cl, sim_below(&cl->sim, SECOND), p->idempotent ? ask_id : beat, p);
}

bool
cl_producer_done(const struct cl_producer *p)
{
	for (uint32_t t = 0; t < p->client.cl->plan.topics; t++)
		for (int32_t i = 0; i < CL_PARTS; i++)
			if (p->lane[t][i].first < p->lane[t][i].count || p->lane[t][i].flying > 0)
				return false;
	return true;
}

void
cl_producer_free(struct cl_producer *p)
{
	cl_client_free(&p->client);
	for (uint32_t t = 0; t < CL_TOPICS; t++)
		for (int32_t i = 0; i < CL_PARTS; i++)
			rk_mem_put(p->lane[t][i].op);
}
