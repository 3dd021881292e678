/* cl_txn_data.c - what a transactional producer of cluster_sim reads and writes: see cl_txn.c. */
#include "protocol/gen/add_offsets_to_txn.h"
#include "protocol/gen/fetch.h"
#include "protocol/gen/keys.h"
#include "protocol/gen/offset_fetch.h"
#include "protocol/gen/produce.h"
#include "protocol/gen/txn_offset_commit.h"
#include "tests/sim/cl_txn.h"

/* --- the input of a copy: where it stands, and what is there */
static void
placed(struct cl_ask *a, const void *res)
{
	struct cl_writer *w = a->arg;
	struct cl_tid *t = w->of;
	struct cl *cl = w->client.cl;
	const struct kp_offset_fetch_res *r = res;
	int16_t code = r == NULL ? -2 : r->error_code != 0 ? r->error_code : r->topics.at[0].partitions.at[0].error_code;
	bool known = false;

	if (!cl_writer_well(a, code))
		return;
	int64_t offset = r->topics.at[0].partitions.at[0].committed_offset;
	for (uint32_t i = 0; i < cl->txs; i++)
		known |= cl->tx[i].tid == t->number && cl->tx[i].part == w->part && cl->tx[i].to == offset && cl->tx[i].commits;
	if (offset < a->number || (offset >= 0 && !known))
		cl_fail(cl, "node %d tells that group %s has committed %" PRId64 " of %s-%d, %" PRId64 " was acknowledged%s",
		    a->node + 1, t->group, offset, cl->topic[0].name, w->part, a->number, known ? "" : "; nobody committed that");
	t->told[w->part] = offset;
	t->told_us[w->part] = cl->sim.now_us;
	w->at[w->part] = rk_max(offset, 0);
	w->phase = cl->producing ? CL_READ : CL_IDLE;
}

void
cl_writer_place(struct cl_writer *w)
{
	struct kp_offset_fetch_req q;
	struct kp_offset_fetch_req_topics t = { .name = rk_str_of(w->client.cl->topic[0].name),
		.partition_indexes = { &w->part, 1 } };

	kp_defaults(&kp_offset_fetch_req_d, &q);
	q.group_id = rk_str_of(w->of->group);
	q.topics.at = &t;
	q.topics.len = 1;
	q.require_stable = true;
	cl_writer_ask(w, w->group_node, KP_OFFSET_FETCH, 7, &q, placed)->number = w->of->acked[w->part];
}

static void
read_some(struct cl_ask *a, const void *res)
{
	struct cl_writer *w = a->arg;
	struct cl *cl = w->client.cl;
	struct cl_part *part = &cl->topic[0].part[w->part];
	const struct kp_fetch_res *r = res;
	struct cl_shown s;
	char who[48];
	uint32_t given = 0;

	w->busy = false;
	w->phase = CL_IDLE;
	cl_writer_again(w, 20 * MS + sim_below(&cl->sim, 100 * MS));
	if (r == NULL || r->error_code != 0 || r->responses.len != 1 || r->responses.at[0].partitions.len != 1
	    || r->responses.at[0].partitions.at[0].error_code != 0 || w->dead) {
		cl_metadata(&w->client);
		return;
	}
	const struct kp_fetch_res_responses_partitions *p = &r->responses.at[0].partitions.at[0];
	const uint8_t *b = p->records.at, *end = b + rk_max(p->records.len, 0);
	int64_t most = 1 + sim_below(&cl->sim, 8);
	snprintf(who, sizeof who, "%s, life %u, at node %d", w->of->name, w->life, a->node + 1);
	cl_shown_begin(&s, p);
	w->to = w->at[w->part];
	for (; b < end && most > 0 && kp_batch_check(b, (size_t)(end - b)) == RK_OK; b += kp_batch_bytes(b), most--) {
		given += cl_shown(cl, part, &s, b, who);
		w->to = kp_batch_last(b) + 1;
	}
	if (given > 0 && w->to > w->at[w->part]) {
		cl_writer_begin(w);
	} else {
		w->at[w->part] = w->to; /* nothing but markers and what was aborted */
		w->part = -1;
	}
}

void
cl_writer_read(struct cl_writer *w)
{
	struct cl *cl = w->client.cl;
	int32_t leader = w->client.at[0][w->part].leader;
	struct kp_fetch_req q;
	struct kp_fetch_req_topics_partitions p = { .partition = w->part, .current_leader_epoch = -1,
		.fetch_offset = w->at[w->part], .last_fetched_epoch = -1, .log_start_offset = -1, .partition_max_bytes = 8000,
		.high_watermark = INT64_MAX };
	struct kp_fetch_req_topics topic = { .topic = rk_str_of(cl->topic[0].name), .partitions = { &p, 1 } };

	if (leader < 1 || !cl->node[leader - 1].broker) {
		cl_metadata(&w->client);
		w->phase = CL_IDLE;
		cl_writer_again(w, 200 * MS);
		return;
	}
	kp_defaults(&kp_fetch_req_d, &q);
	q.replica_id = -1;
	q.isolation_level = 1;
	q.max_bytes = 50000;
	q.max_wait_ms = (int32_t)sim_below(&cl->sim, 100);
	q.min_bytes = 1;
	q.session_epoch = -1;
	q.topics.at = &topic;
	q.topics.len = 1;
	cl_writer_ask(w, leader - 1, KP_FETCH, 12, &q, read_some);
}

/* --- batches */
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
	struct cl_writer *w = a->arg;
	const struct kp_produce_res_responses_partition_responses *r = only(res);

	if (r != NULL && r->error_code == 0 && r->base_offset >= 0)
		cl_acked(w->client.cl, &w->client.cl->op[a->op], r->base_offset, true);
}

static void
refused(struct cl_writer *w, struct cl_ask *a, struct cl_wlane *l, int16_t code)
{
	struct cl *cl = w->client.cl;
	struct cl_op *op = &cl->op[a->op];

	cl_tell(cl, "%s, life %u: batch %u (%s-%d seq %d epoch %d) at node %d: %s", w->of->name, w->life, a->op,
	    op->part->topic->name, op->part->index, op->seq, a->epoch, a->node + 1,
	    code == -2 ? "no answer" : rk_err_name(rk_err_of_wire(code)));
	cl_metadata(&w->client);
	l->again = true;
	l->wait_us = cl->sim.now_us + 20 * MS + sim_below(&cl->sim, 300 * MS);
	switch (code == -2 ? RK_NETWORK_EXCEPTION : rk_err_of_wire(code)) {
	case RK_TRANSACTION_ABORTABLE:
	case RK_INVALID_TXN_STATE:
	case RK_INVALID_PRODUCER_EPOCH:
	case RK_INVALID_PRODUCER_ID_MAPPING:
	case RK_UNKNOWN_PRODUCER_ID:
		cl_writer_give_up(w, "a batch was refused");
		return;
	case RK_OUT_OF_ORDER_SEQUENCE_NUMBER:
		if (l->first < l->count && l->op[l->first] == a->op)
			cl_writer_give_up(w, "a batch does not fit");
		return;
	default:
		if (!w->aborting && sim_chance(&cl->sim, 60000))
			cl_writer_give_up(w, "a batch takes too long");
	}
}

static void
produced(struct cl_ask *a, const void *res)
{
	struct cl_writer *w = a->arg;
	struct cl *cl = w->client.cl;
	struct cl_op *op = &cl->op[a->op];
	const struct kp_produce_res_responses_partition_responses *r = only(res);
	struct cl_wlane *l = &w->lane[op->part->topic - cl->topic][op->part->index];
	bool good = r != NULL && (r->error_code == 0 || rk_err_of_wire(r->error_code) == RK_DUPLICATE_SEQUENCE_NUMBER);

	sim_note(&cl->sim, a->op, r == NULL ? 1 : (uint64_t)r->base_offset);
	if (good && r->error_code == 0 && r->base_offset >= 0)
		cl_acked(cl, op, r->base_offset, false);
	if (w->dead || cl->ending || cl->failure[0] != 0 || op->tx != w->tx)
		return;
	l->flying--;
	if (good) {
		if (!op->acked)
			cl->acked++;
		op->acked = true;
		while (l->first < l->count && cl->op[l->op[l->first]].acked)
			l->first++;
		l->next = rk_max(l->next, l->first);
	} else {
		refused(w, a, l, r == NULL ? -2 : r->error_code);
	}
	cl_writer_soon(w);
}

static void
send_op(struct cl_writer *w, uint32_t i, int32_t leader, cl_done *done, int64_t id, int16_t epoch)
{
	struct cl *cl = w->client.cl;
	struct cl_op *op = &cl->op[i];
	struct kp_produce_req q;
	struct kp_produce_req_topic_data topic = { .name = rk_str_of(op->part->topic->name),
		.topic_id = op->part->topic->id };
	struct kp_produce_req_topic_data_partition_data part;
	struct rk_arena a;
	const struct sim_batch b = { .seed = op->seed, .count = op->count, .value_max = 200, .seq = op->seq, .ms = op->ms,
		.producer = id, .epoch = epoch, .attr = KP_ATTR_TXN };

	rk_arena_init(&a, SIZE_MAX);
	struct rk_str bytes = sim_batch_make(&b, &a);
	if (op->hash == 0) {
		op->hash = sim_batch_hash((const uint8_t *)bytes.at);
		sim_known_add(&cl->known, op->hash, i);
	}
	kp_defaults(&kp_produce_req_d, &q);
	q.transactional_id = rk_str_of(w->of->name);
	q.acks = -1;
	q.timeout_ms = 15000;
	part = (struct kp_produce_req_topic_data_partition_data){ op->part->index,
		{ (uint8_t *)(uintptr_t)bytes.at, bytes.len, NULL } };
	topic.partition_data.at = &part;
	topic.partition_data.len = 1;
	q.topic_data.at = &topic;
	q.topic_data.len = 1;
	struct cl_ask *x = cl_ask(&w->client, leader - 1, KP_PRODUCE, w->produce_v, &q, 20 * SECOND, done, w);
	x->op = i;
	x->epoch = epoch;
	x->leaves = leaves;
	rk_arena_free(&a);
}

/* False: nothing is left of this lane. */
static bool
pump(struct cl_writer *w, uint32_t t, int32_t p)
{
	struct cl *cl = w->client.cl;
	struct cl_wlane *l = &w->lane[t][p];
	int32_t leader = w->client.at[t][p].leader;

	if (l->first == l->count)
		return l->flying > 0;
	if (cl->sim.now_us < l->wait_us) {
		cl_writer_again(w, l->wait_us - cl->sim.now_us);
		return true;
	}
	if (l->again && l->flying > 0)
		return true;
	if (l->again)
		l->next = l->first;
	l->again = false;
	if (leader < 1 || leader > (int32_t)cl->nodes || !cl->node[leader - 1].broker) {
		cl_metadata(&w->client);
		l->wait_us = cl->sim.now_us + 100 * MS;
		cl_writer_again(w, 100 * MS);
		return true;
	}
	/* A leader that has just come to know the producer takes any sequence for its first: so the first goes alone. */
	while (l->next < l->count && l->flying < (l->first == 0 ? 1 : 3) && l->next - l->first < CL_REMEMBERED) {
		uint32_t op = l->op[l->next++];
		if (cl->op[op].acked)
			continue;
		l->flying++;
		w->began = true;
		send_op(w, op, leader, produced, w->id, w->epoch);
	}
	return true;
}

/* A batch that was given up arrives after all, when its transaction is long over. */
struct ghost {
	struct cl_writer *w;
	uint32_t op;
	int64_t id;
	int16_t epoch;
};

static void
ghost_came(struct cl_ask *a, const void *res)
{
	struct cl_writer *w = a->arg;
	const struct kp_produce_res_responses_partition_responses *r = only(res);

	if (r != NULL)
		cl_tell(w->client.cl, "%s, life %u: batch %u came late (epoch %d): %s", w->of->name, w->life, a->op, a->epoch,
		    rk_err_name(rk_err_of_wire(r->error_code)));
}

static void
haunt(void *arg, bool lost)
{
	struct ghost *g = arg;
	struct cl *cl = g->w->client.cl;
	const struct cl_part *p = cl->op[g->op].part;

	if (!lost && !cl->ending && cl->failure[0] == 0) {
		int32_t leader = g->w->client.at[p->topic - cl->topic][p->index].leader;
		if (leader >= 1)
			send_op(g->w, g->op, leader, ghost_came, g->id, g->epoch);
	}
	rk_mem_put(g);
}

static void
leave_ghosts(struct cl_writer *w)
{
	struct cl *cl = w->client.cl;

	for (uint32_t t = 0; t < cl->plan.topics; t++)
		for (int32_t p = 0; p < CL_PARTS; p++) {
			struct cl_wlane *l = &w->lane[t][p];
			if (l->first == l->count || !sim_chance(&cl->sim, 500000) || cl->op[l->op[l->first]].hash == 0)
				continue; /* it never left: its partition may not even be in the transaction */
			struct ghost *g = rk_new(struct ghost);
			*g = (struct ghost){ w, l->op[l->first], w->id, w->epoch };
			cl_after(cl, sim_below(&cl->sim, sim_chance(&cl->sim, 500000) ? 100 * MS : 3 * SECOND), haunt, g);
		}
}

void
cl_writer_write(struct cl_writer *w)
{
	struct cl *cl = w->client.cl;
	bool left = false;

	if (!w->aborting && !w->wish && sim_chance(&cl->sim, 100000))
		cl_writer_give_up(w, "it has changed its mind");
	for (uint32_t t = 0; t < cl->plan.topics && !w->aborting; t++)
		for (int32_t p = 0; p < CL_PARTS; p++)
			left |= pump(w, t, p);
	if (w->aborting) {
		leave_ghosts(w);
		w->phase = CL_END;
	} else if (left) {
		return; /* an answer or a clock goes on */
	} else if (w->rounds > 0) {
		cl_writer_plan(w);
	} else {
		w->phase = w->part < 0 ? CL_END : w->of->v2 ? CL_OFFSETS : CL_ADD_OFFSETS;
	}
	if (sim_chance(&cl->sim, 20000))
		cl_writer_again(w, sim_below(&cl->sim, 4 * SECOND)); /* it thinks */
	else
		cl_writer_soon(w);
}

/* --- the group's offset */
static void
offsets_added(struct cl_ask *a, const void *res)
{
	const struct kp_add_offsets_to_txn_res *r = res;

	if (cl_writer_well(a, r == NULL ? -2 : r->error_code))
		((struct cl_writer *)a->arg)->phase = CL_OFFSETS;
}

void
cl_writer_add_offsets(struct cl_writer *w)
{
	struct kp_add_offsets_to_txn_req q;

	kp_defaults(&kp_add_offsets_to_txn_req_d, &q);
	q.transactional_id = rk_str_of(w->of->name);
	q.producer_id = w->id;
	q.producer_epoch = w->epoch;
	q.group_id = rk_str_of(w->of->group);
	cl_writer_ask(w, w->node, KP_ADD_OFFSETS_TO_TXN, 3, &q, offsets_added);
}

static void
offsets_written(struct cl_ask *a, const void *res)
{
	const struct kp_txn_offset_commit_res *r = res;

	if (cl_writer_well(a, r == NULL ? -2 : r->topics.at[0].partitions.at[0].error_code))
		((struct cl_writer *)a->arg)->phase = CL_END;
}

void
cl_writer_write_offsets(struct cl_writer *w)
{
	struct kp_txn_offset_commit_req q;
	struct kp_txn_offset_commit_req_topics_partitions p = { .partition_index = w->part, .committed_offset = w->to,
		.committed_leader_epoch = -1, .committed_metadata = rk_lit("") };
	struct kp_txn_offset_commit_req_topics t = { .name = rk_str_of(w->client.cl->topic[0].name), .partitions = { &p, 1 } };

	kp_defaults(&kp_txn_offset_commit_req_d, &q);
	q.transactional_id = rk_str_of(w->of->name);
	q.group_id = rk_str_of(w->of->group);
	q.producer_id = w->id;
	q.producer_epoch = w->epoch;
	q.generation_id = -1;
	q.member_id = rk_lit("");
	q.group_instance_id = RK_STR_NULL;
	q.topics.at = &t;
	q.topics.len = 1;
	cl_writer_ask(w, w->group_node, KP_TXN_OFFSET_COMMIT, w->of->v2 ? 5 : 3, &q, offsets_written);
}
