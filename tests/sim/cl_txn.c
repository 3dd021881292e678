/* cl_txn.c - transactional producers of cluster_sim: Kafka's client in short. See cluster.h.
 *
 * A transactional id has a row of incarnations. The last one works: it takes an id, writes batches to several
 * partitions and ends the transaction, one way or the other, again and again; what can be tried again is, what cannot
 * aborts the transaction, and who is fenced is dead. Now and then a successor is started, while the one of before
 * crashes, sleeps, or goes on: a zombie. Some copy: they read from the first topic what is committed, write to the
 * second, and commit their group's offset in the transaction. Clients that keep to transaction.version 2 add
 * partitions by producing; others say so first. */
#include "protocol/gen/add_partitions_to_txn.h"
#include "protocol/gen/end_txn.h"
#include "protocol/gen/find_coordinator.h"
#include "protocol/gen/init_producer_id.h"
#include "protocol/gen/keys.h"
#include "tests/sim/cl_txn.h"

enum { STRAY = 40 * SECOND, TXS = 400, TIMEOUT = 8 * SECOND, LIVES_BY_CHANCE = 12 };

static void go(void *arg, bool lost);

void
cl_writer_again(struct cl_writer *w, int64_t us)
{
	struct cl *cl = w->client.cl;
	int64_t at = cl->sim.now_us + us;

	if (w->dead || (w->at_us > cl->sim.now_us && w->at_us <= at))
		return;
	w->at_us = at;
	cl_after(cl, us, go, w);
}

void
cl_writer_soon(struct cl_writer *w)
{
	cl_writer_again(w, 1 + sim_below(&w->client.cl->sim, 5 * MS));
}

void
cl_writer_later(struct cl_writer *w)
{
	cl_writer_again(w, 20 * MS + sim_below(&w->client.cl->sim, 200 * MS));
}

static struct cl_writer *
newest(const struct cl_tid *t)
{
	return t->lives == 0 ? NULL : t->life[t->lives - 1];
}

struct cl_tx *
cl_writer_tx(struct cl_writer *w)
{
	return &w->client.cl->tx[w->tx - 1];
}

static void
dies(struct cl_writer *w, const char *why)
{
	cl_tell(w->client.cl, "%s, life %u: %s", w->of->name, w->life, why);
	w->dead = true;
	cl_hang_up(&w->client);
}

/* Who is fenced has a successor, or has let its transaction grow too old. */
static void
fenced(struct cl_writer *w, const struct cl_ask *a, int16_t code)
{
	struct cl *cl = w->client.cl;
	char why[120];

	snprintf(why, sizeof why, "%s at node %d: %s", kp_api(a->key)->name, a->node + 1, rk_err_name(rk_err_of_wire(code)));
	w->of->fenced++;
	/* An ongoing transaction is aborted by whoever initialises, the late request of a former one too: as Kafka's. */
	bool meddled = cl->sim.now_us - w->of->stray_us < STRAY;
	bool old = w->tx > 0 && cl->sim.now_us - cl_writer_tx(w)->began_us
	    > (int64_t)w->of->timeout_ms * MS - 6 * SECOND; /* walls differ */
	if (w == newest(w->of) && !meddled && !old)
		cl_fail(cl, "%s, life %u (producer %" PRId64 " epoch %d) is shut out by nobody: %s", w->of->name, w->life, w->id,
		    w->epoch, why);
	dies(w, why);
}

/* --- who coordinates */
static void
found(struct cl_ask *a, const void *res)
{
	struct cl_writer *w = a->arg;
	const struct kp_find_coordinator_res *r = res;
	struct cl *cl = w->client.cl;

	w->busy = false;
	if (r != NULL && r->error_code == 0 && r->node_id >= 1 && r->node_id <= (int32_t)cl->nodes
	    && cl->node[r->node_id - 1].broker) {
		*(a->number == 1 ? &w->node : &w->group_node) = r->node_id - 1;
		cl_writer_soon(w);
	} else {
		cl_writer_later(w);
	}
}

static void
find(struct cl_writer *w, bool group)
{
	struct kp_find_coordinator_req q;

	kp_defaults(&kp_find_coordinator_req_d, &q);
	q.key = rk_str_of(group ? w->of->group : w->of->name);
	q.key_type = !group;
	w->busy = true;
	cl_ask(&w->client, cl_some_broker(w->client.cl), KP_FIND_COORDINATOR, 3, &q, TIMEOUT, found, w)->number = !group;
}

struct cl_ask *
cl_writer_ask(struct cl_writer *w, int32_t node, int16_t key, int16_t version, const void *req, cl_done *done)
{
	w->busy = true;
	return cl_ask(&w->client, node, key, version, req, TIMEOUT, done, w);
}

/* What a coordinator said, when it was not what was hoped for. */
enum sort { GOOD, TRY, ABORT, FENCED };

static enum sort
sort_of(const struct cl_ask *a, int16_t code)
{
	struct cl_writer *w = a->arg;

	if (code != 0)
		cl_tell(w->client.cl, "%s, life %u: %s at node %d: %s", w->of->name, w->life, kp_api(a->key)->name, a->node + 1,
		    code == -2 ? "no answer" : rk_err_name(rk_err_of_wire(code)));
	switch (code == -2 ? RK_NETWORK_EXCEPTION : rk_err_of_wire(code)) {
	case RK_OK:
		return GOOD;
	case RK_PRODUCER_FENCED:
	case RK_INVALID_PRODUCER_EPOCH:
		return FENCED;
	case RK_NETWORK_EXCEPTION:
	case RK_NOT_COORDINATOR:
	case RK_COORDINATOR_NOT_AVAILABLE:
		*(a->key == KP_TXN_OFFSET_COMMIT || a->key == KP_OFFSET_FETCH ? &w->group_node : &w->node) = -1;
		return TRY;
	case RK_COORDINATOR_LOAD_IN_PROGRESS:
	case RK_CONCURRENT_TRANSACTIONS:
	case RK_REQUEST_TIMED_OUT:
	case RK_UNKNOWN_TOPIC_OR_PARTITION:
	case RK_UNSTABLE_OFFSET_COMMIT:
	case RK_NOT_ENOUGH_REPLICAS:
		return TRY;
	default:
		return ABORT;
	}
}

void
cl_writer_give_up(struct cl_writer *w, const char *why)
{
	if (!w->aborting)
		cl_tell(w->client.cl, "%s, life %u: gives its transaction up: %s", w->of->name, w->life, why);
	w->aborting = w->bump = true;
	w->phase = w->phase == CL_END ? CL_END : CL_WRITE;
	cl_writer_soon(w);
}

/* True: go on. Else all is arranged. */
bool
cl_writer_well(const struct cl_ask *a, int16_t code)
{
	struct cl_writer *w = a->arg;

	w->busy = false;
	if (w->dead || w->client.cl->ending || w->client.cl->failure[0] != 0)
		return false;
	switch (sort_of(a, code)) {
	case GOOD:
		cl_writer_soon(w);
		return true;
	case TRY:
		if (w->tx > 0 && w->phase != CL_END && sim_chance(&w->client.cl->sim, 30000))
			cl_writer_give_up(w, "it has waited long enough");
		else
			cl_writer_later(w);
		return false;
	case FENCED:
		fenced(w, a, code);
		return false;
	default:
		if (w->tx > 0)
			cl_writer_give_up(w, "it can only be aborted");
		else
			cl_writer_later(w);
		return false;
	}
}

/* --- its id */
/* The order of incarnations is the order of their epochs. */
static void
told_epoch(struct cl_writer *w, int64_t id, int16_t epoch)
{
	struct cl *cl = w->client.cl;

	if (id < 0 || epoch < 0)
		cl_fail(cl, "%s is given producer %" PRId64 " epoch %d", w->of->name, id, epoch);
	for (uint32_t i = 0; i < w->of->lives; i++) {
		struct cl_writer *o = w->of->life[i];
		if (o == w || o->told_id != id || (o->life < w->life ? o->told_epoch < epoch : o->told_epoch > epoch))
			continue;
		cl_fail(cl, "%s: life %u is given producer %" PRId64 " epoch %d, and life %u epoch %d", w->of->name, w->life, id,
		    epoch, o->life, o->told_epoch);
	}
	for (uint32_t i = 0; i < cl->plan.tids; i++)
		for (uint32_t k = 0; &cl->tid[i] != w->of && k < cl->tid[i].lives; k++)
			if (cl->tid[i].life[k]->told_id == id)
				cl_fail(cl, "producer id %" PRId64 " was given to %s and to %s", id, w->of->name, cl->tid[i].name);
	if (w->id != id || w->epoch != epoch)
		for (uint32_t t = 0; t < CL_TOPICS; t++)
			for (int32_t p = 0; p < CL_PARTS; p++)
				w->lane[t][p].seq = 0;
	w->id = w->told_id = id;
	w->epoch = w->told_epoch = epoch;
}

static void
inited(struct cl_ask *a, const void *res)
{
	struct cl_writer *w = a->arg;
	struct cl *cl = w->client.cl;
	const struct kp_init_producer_id_res *r = res;

	/* Written or not? The epoch before is in no record: after a failover who asks again is refused, as by Kafka. */
	if (r == NULL || r->error_code == rk_err_wire(RK_NOT_COORDINATOR)
	    || r->error_code == rk_err_wire(RK_COORDINATOR_NOT_AVAILABLE))
		w->of->stray_us = cl->sim.now_us;
	if (!cl_writer_well(a, r == NULL ? -2 : r->error_code))
		return;
	told_epoch(w, r->producer_id, r->producer_epoch);
	cl_tell(cl, "%s, life %u: producer %" PRId64 " epoch %d", w->of->name, w->life, w->id, w->epoch);
	for (uint32_t i = 0; i < cl->txs; i++)
		if (cl->tx[i].tid == w->of->number && cl->tx[i].life <= w->life && !cl->tx[i].commits)
			cl->tx[i].fenced = true;
	w->expects = true;
	w->bump = false;
	w->phase = CL_IDLE;
}

static void
init(struct cl_writer *w)
{
	struct kp_init_producer_id_req q;

	kp_defaults(&kp_init_producer_id_req_d, &q);
	q.transactional_id = rk_str_of(w->of->name);
	q.transaction_timeout_ms = w->of->timeout_ms;
	if (w != newest(w->of))
		w->of->stray_us = w->client.cl->sim.now_us;
	q.producer_id = w->expects ? w->id : -1;
	q.producer_epoch = w->expects ? w->epoch : -1;
	cl_writer_ask(w, w->node, KP_INIT_PRODUCER_ID, w->of->v2 ? 5 : 4, &q, inited);
}

/* --- a transaction begins */
static void
plan_op(struct cl_writer *w, uint32_t topic)
{
	struct cl *cl = w->client.cl;
	struct cl_topic *t = &cl->topic[topic];
	struct cl_part *part = &t->part[sim_below(&cl->sim, t->parts)];
	struct cl_wlane *l = &w->lane[topic][part->index];

	if (!t->made || l->count == CL_TX_OPS)
		return;
	struct cl_op *op = rk_mem_room((void **)&cl->op, cl->ops, &cl->op_cap, sizeof *op);
	*op = (struct cl_op){ .part = part, .count = 1 + (int32_t)sim_below(&cl->sim, 4), .base = -1,
		.ms = 1790000000000 + cl->sim.now_us / 1000, .seed = sim_random(&cl->sim), .producer = UINT32_MAX, .tx = w->tx,
		.seq = l->seq };
	l->seq += op->count;
	l->op[l->count++] = cl->ops++;
	cl_writer_tx(w)->ops++;
}

void
cl_writer_plan(struct cl_writer *w)
{
	struct cl *cl = w->client.cl;

	w->rounds--;
	for (int64_t n = w->part >= 0 ? 1 : 1 + sim_below(&cl->sim, 4); n > 0; n--)
		plan_op(w, w->part >= 0 ? 1 : (uint32_t)sim_below(&cl->sim, cl->plan.topics));
	w->phase = w->of->v2 ? CL_WRITE : CL_ADD;
}

void
cl_writer_begin(struct cl_writer *w)
{
	struct cl *cl = w->client.cl;
	struct cl_tx *t = rk_mem_room((void **)&cl->tx, cl->txs, &cl->tx_cap, sizeof *t);

	*t = (struct cl_tx){ .tid = w->of->number, .life = w->life, .id = w->id, .epoch = w->epoch,
		.began_us = cl->sim.now_us, .part = w->part, .from = w->part < 0 ? 0 : w->at[w->part], .to = w->to };
	w->tx = ++cl->txs;
	w->of->begun++;
	for (uint32_t i = 0; i < CL_TOPICS; i++)
		for (int32_t p = 0; p < CL_PARTS; p++)
			w->lane[i][p] = (struct cl_wlane){ .seq = w->lane[i][p].seq };
	w->aborting = w->bump = w->began = false;
	w->wish = sim_chance(&cl->sim, 750000);
	w->rounds = 1 + (uint32_t)sim_below(&cl->sim, 2);
	cl_writer_plan(w);
	cl_writer_soon(w);
}

/* --- partitions are added (before transaction.version 2) */
static void
added(struct cl_ask *a, const void *res)
{
	struct cl_writer *w = a->arg;
	const struct kp_add_partitions_to_txn_res *r = res;
	int16_t code = r == NULL ? -2 : 0;

	for (int32_t i = 0; r != NULL && i < r->results_by_topic_v3_and_below.len; i++)
		for (int32_t k = 0; k < r->results_by_topic_v3_and_below.at[i].results_by_partition.len; k++) {
			int16_t c = r->results_by_topic_v3_and_below.at[i].results_by_partition.at[k].partition_error_code;
			if (c != 0 && (code == 0 || rk_err_of_wire(code) == RK_OPERATION_NOT_ATTEMPTED))
				code = c;
		}
	if (!cl_writer_well(a, code))
		return;
	for (uint32_t t = 0; t < CL_TOPICS; t++)
		for (int32_t p = 0; p < CL_PARTS; p++)
			w->lane[t][p].added |= w->lane[t][p].count > 0;
	w->began = true;
	w->phase = CL_WRITE;
}

static void
add(struct cl_writer *w)
{
	struct cl *cl = w->client.cl;
	struct kp_add_partitions_to_txn_req q;
	struct kp_add_partitions_to_txn_req_v3_and_below_topics topic[CL_TOPICS];
	int32_t part[CL_TOPICS][CL_PARTS], topics = 0;

	kp_defaults(&kp_add_partitions_to_txn_req_d, &q);
	for (uint32_t t = 0; t < cl->plan.topics; t++) {
		int32_t n = 0;
		for (int32_t p = 0; p < CL_PARTS; p++)
			if (w->lane[t][p].count > 0 && !w->lane[t][p].added)
				part[t][n++] = p;
		if (n > 0)
			topic[topics++] = (struct kp_add_partitions_to_txn_req_v3_and_below_topics){
				.name = rk_str_of(cl->topic[t].name), .partitions = { part[t], n } };
	}
	if (topics == 0) {
		w->phase = CL_WRITE;
		cl_writer_soon(w);
		return;
	}
	q.v3_and_below_transactional_id = rk_str_of(w->of->name);
	q.v3_and_below_producer_id = w->id;
	q.v3_and_below_producer_epoch = w->epoch;
	q.v3_and_below_topics.at = topic;
	q.v3_and_below_topics.len = topics;
	cl_writer_ask(w, w->node, KP_ADD_PARTITIONS_TO_TXN, 3, &q, added);
}

/* --- the end */
static void
over(struct cl_writer *w, enum cl_fate fate)
{
	struct cl_tx *t = cl_writer_tx(w);

	t->acked = fate;
	*(fate == CL_COMMITTED ? &w->of->committed : &w->of->aborted) += 1;
	if (t->part >= 0)
		w->at[t->part] = fate == CL_COMMITTED ? t->to : -1;
	if (t->part >= 0 && fate == CL_COMMITTED)
		w->of->acked[t->part] = rk_max(w->of->acked[t->part], t->to);
	w->tx = 0;
	w->part = -1;
	w->phase = w->bump && !w->of->v2 ? CL_INIT : CL_IDLE;
	w->bump = false;
	w->rests_us = w->client.cl->sim.now_us + sim_below(&w->client.cl->sim, w->of->pace_us);
}

static void
ended(struct cl_ask *a, const void *res)
{
	struct cl_writer *w = a->arg;
	struct cl *cl = w->client.cl;
	const struct kp_end_txn_res *r = res;
	int16_t code = r == NULL ? -2 : r->error_code;
	struct cl_tx *t = cl_writer_tx(w);

	if (rk_err_of_wire(rk_max(code, 0)) == RK_INVALID_TXN_STATE && !t->commits && !w->began)
		code = 0; /* nothing of it has reached the coordinator */
	if (code > 0 && sort_of(a, code) == ABORT && !w->dead) {
		w->busy = false;
		if (rk_err_of_wire(code) == RK_INVALID_TXN_STATE || t->commits)
			fenced(w, a, code);
		else
			cl_writer_later(w);
		return;
	}
	if (!cl_writer_well(a, code))
		return;
	/* Before transaction.version 2 the end of nothing is granted when the last transaction ended so. */
	w->of->answered += r != NULL && r->error_code == 0 && (w->of->v2 || w->began);
	over(w, t->commits ? CL_COMMITTED : CL_ABORTED);
	if (w->of->v2 && r != NULL && r->error_code == 0)
		told_epoch(w, r->producer_id, r->producer_epoch);
	sim_note(&cl->sim, (uint64_t)w->id, (uint64_t)w->epoch);
}

static void
end_leaves(struct cl_ask *a, const void *res)
{
	const struct kp_end_txn_res *r = res;
	struct cl_writer *w = a->arg;

	bool counts = !w->client.cl->plan.compacts && (w->of->v2 || w->began);
	if (r->error_code == 0 && counts && sim_chance(&w->client.cl->sim, 200000))
		cl_txn_ended(w->client.cl, w->of, w->of->answered + 1);
}

static void
end(struct cl_writer *w)
{
	struct kp_end_txn_req q;
	struct cl_tx *t = cl_writer_tx(w);

	kp_defaults(&kp_end_txn_req_d, &q);
	q.transactional_id = rk_str_of(w->of->name);
	q.producer_id = w->id;
	q.producer_epoch = w->epoch;
	q.committed = w->wish && !w->aborting;
	t->commits |= q.committed;
	cl_writer_ask(w, w->node, KP_END_TXN, w->of->v2 ? 5 : 3, &q, ended)->leaves = end_leaves;
}

/* --- what is next */
static void
idle(struct cl_writer *w)
{
	struct cl *cl = w->client.cl;
	int32_t parts = rk_min(cl->topic[0].parts, CL_PARTS);

	if (cl->producing && (cl->txs >= TXS || w->rests_us > cl->sim.now_us)) {
		cl_writer_again(w, rk_max(w->rests_us - cl->sim.now_us, 20 * MS));
		return;
	}
	if (!w->of->copies) {
		if (cl->producing)
			cl_writer_begin(w);
		else
			cl_writer_again(w, 200 * MS);
		return;
	}
	w->part = (int32_t)sim_below(&cl->sim, parts);
	w->phase = w->at[w->part] >= 0 && cl->producing ? CL_READ : CL_PLACE;
	cl_writer_again(w, 10 * MS);
}

static void
go(void *arg, bool lost)
{
	struct cl_writer *w = arg;
	struct cl *cl = w->client.cl;

	if (lost || w->dead || cl->ending || cl->failure[0] != 0 || w->busy || w->at_us != cl->sim.now_us)
		return;
	w->at_us = rk_max(w->client.asleep_us, cl->sim.now_us);
	if (cl_asleep(&w->client, go, w))
		return;
	w->at_us = 0;
	if (w->phase == CL_PLACE || w->phase == CL_OFFSETS ? w->group_node < 0
	    : w->node < 0 && w->phase != CL_IDLE && w->phase != CL_READ && w->phase != CL_WRITE) {
		find(w, w->phase == CL_PLACE || w->phase == CL_OFFSETS);
		return;
	}
	switch (w->phase) {
	case CL_INIT: init(w); break;
	case CL_IDLE: idle(w); break;
	case CL_PLACE: cl_writer_place(w); break;
	case CL_READ: cl_writer_read(w); break;
	case CL_ADD: add(w); break;
	case CL_WRITE: cl_writer_write(w); break;
	case CL_ADD_OFFSETS: cl_writer_add_offsets(w); break;
	case CL_OFFSETS: cl_writer_write_offsets(w); break;
	case CL_END: end(w); break;
	}
}

/* --- incarnations */
static void
succeed(struct cl_tid *t)
{
	struct cl *cl = t->cl;
	struct cl_writer *w = rk_new(struct cl_writer);

	if (t->lives == rk_countof(t->life)) {
		cl_fail(cl, "%s dies again and again", t->name);
		rk_mem_put(w);
		return;
	}
	cl_client_init(cl, &w->client, CL_CLIENT_PLACE + (t->number + t->lives) % 8);
	w->of = t;
	w->life = t->lives;
	w->node = w->group_node = w->part = -1;
	w->id = w->epoch = w->told_epoch = -1;
	w->told_id = -1;
	w->produce_v = (int16_t)(t->v2 ? 12 + sim_below(&cl->sim, 2) : 9 + sim_below(&cl->sim, 3));
	for (int32_t i = 0; i < CL_PARTS; i++)
		w->at[i] = -1;
	t->stray_us = t->lives > 0 && t->life[t->lives - 1]->phase == CL_INIT ? cl->sim.now_us : t->stray_us;
	t->life[t->lives++] = w;
	cl_metadata(&w->client);
	cl_writer_again(w, sim_below(&cl->sim, 300 * MS));
}

static void
fate(void *arg, bool lost)
{
	struct cl_tid *t = arg;
	struct cl *cl = t->cl;

	if (lost || cl->ending || cl->failure[0] != 0)
		return;
	struct cl_writer *w = newest(t);
	if (w == NULL || w->dead) {
		succeed(t);
	} else if (cl->producing && t->lives < LIVES_BY_CHANCE && w->phase != CL_INIT && sim_chance(&cl->sim, 50000)) {
		int64_t how = sim_below(&cl->sim, 4);
		if (how == 0)
			dies(w, "crashes");
		else if (how <= 2)
			cl_sleep(&w->client, 100 * MS + sim_below(&cl->sim, 10 * SECOND));
		cl_tell(cl, how == 2 ? "%s, life %u, sleeps" : "%s has a successor: life %u", t->name, t->lives - (how == 2));
		if (how != 2)
			succeed(t);
	}
	cl_after(cl, 100 * MS + sim_below(&cl->sim, 200 * MS), fate, t);
}

void
cl_txn_start(struct cl *cl, uint32_t number)
{
	static const int32_t timeout_ms[] = { 3000, 15000, 60000 };
	static const int64_t pace_us[] = { MS, 200 * MS, SECOND };
	struct cl_tid *t = &cl->tid[number];

	*t = (struct cl_tid){ .cl = cl, .number = number, .stray_us = -STRAY };
	snprintf(t->name, sizeof t->name, "tx%u", number);
	snprintf(t->group, sizeof t->group, "c%u", number);
	t->copies = number % 2 == 1;
	t->v2 = cl->plan.txn_level >= 2 && sim_chance(&cl->sim, 600000);
	t->timeout_ms = timeout_ms[sim_below(&cl->sim, 3)];
	t->pace_us = pace_us[sim_below(&cl->sim, 3)];
	for (int32_t i = 0; i < CL_PARTS; i++)
		t->acked[i] = t->told[i] = -1;
	cl_tell(cl, "%s: transaction.version %d%s, timeout %d ms", t->name, t->v2 ? 2 : 1, t->copies ? ", copies" : "",
	    t->timeout_ms);
	cl_after(cl, sim_below(&cl->sim, SECOND), fate, t);
}

struct cl_client *
cl_txn_client(struct cl *cl, uint32_t which)
{
	struct cl_writer *w = newest(&cl->tid[which % rk_max(cl->plan.tids, 1)]);

	return w == NULL || w->dead ? NULL : &w->client;
}

bool
cl_txns_done(struct cl *cl, int64_t since_us, char why[256])
{
	for (uint32_t i = 0; i < cl->plan.tids; i++) {
		struct cl_tid *t = &cl->tid[i];
		const struct cl_writer *w = newest(t);
		bool rests = t->copies ? w != NULL && w->tx == 0 && w->phase != CL_INIT : w != NULL && w->phase == CL_IDLE;
		if (w == NULL || w->dead || !rests) {
			snprintf(why, 256, "%s, life %u, has not come to its end (phase %d)", t->name, t->lives,
			    w == NULL ? -1 : (int)w->phase);
			return false;
		}
		for (int32_t p = 0; p < cl->topic[0].parts && t->copies; p++)
			if (t->told_us[p] < since_us) {
				snprintf(why, 256, "nobody tells what group %s has committed", t->group);
				return false;
			}
	}
	return true;
}

void
cl_txn_free(struct cl_tid *t)
{
	for (uint32_t i = 0; i < t->lives; i++)
		cl_client_free(&t->life[i]->client);
}

void
cl_txn_bury(struct cl_tid *t)
{
	for (uint32_t i = 0; i < t->lives; i++)
		rk_mem_put(t->life[i]);
	t->lives = 0;
}
