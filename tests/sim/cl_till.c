/* cl_till.c - transactions of cluster_sim: applications that move money, each in its own transactions. See cluster.h.
 *
 * A till has a transactional id. Transaction n writes n into both partitions of a topic and commits n as the offset of
 * the till's group; then it is committed or aborted. What fails begins anew with InitProducerId, as an application that
 * was started again; sometimes it does so with requests still under way (a zombie's). So of each n it is known: that
 * it was committed, that it was not, or neither. All the while, and at the end:
 *
 *	nobody who reads what is committed sees what was not, or sees it twice
 *	what was committed is seen whole, and what nobody knows of is there whole or not at all
 *	the group's offset is the last n that is there */
#include "protocol/gen/add_offsets_to_txn.h"
#include "protocol/gen/add_partitions_to_txn.h"
#include "protocol/gen/create_topics.h"
#include "protocol/gen/end_txn.h"
#include "protocol/gen/fetch.h"
#include "protocol/gen/find_coordinator.h"
#include "protocol/gen/init_producer_id.h"
#include "protocol/gen/keys.h"
#include "protocol/gen/metadata.h"
#include "protocol/gen/offset_fetch.h"
#include "protocol/gen/produce.h"
#include "protocol/gen/txn_offset_commit.h"
#include "tests/sim/cluster.h"

enum { TIMEOUT = 10 * SECOND, TXN_TIMEOUT_MS = 20000 };
enum { PARTS = CL_TILL_PARTS };
enum fate { NOT_YET, COMMITTED, ABORTED, UNSURE };
enum step { FIND, FIND_GROUP, INIT, LEADERS, ADD, ADD_OFFSETS, WRITE, OFFSETS, END, READ, TOLD, REST, STEPS };

static const char topic[] = "money";

static void go(void *arg, bool lost);

static void
again(struct cl_till *t, int64_t us)
{
	cl_after(t->client.cl, 1 + sim_below(&t->client.cl->sim, us), go, t);
}

/* Where the till is in its life; what is asked before carries an older number. */
static void
at(struct cl_till *t, enum step s)
{
	t->step = s;
	t->tries = 0;
}

/* The application ends and is started again. What becomes of its transaction: no commit was asked for, so it is
 * aborted; else nobody knows. */
static void
anew(struct cl_till *t)
{
	if (t->n > 0 && t->fate[t->n] == NOT_YET)
		t->fate[t->n] = t->asked ? UNSURE : ABORTED;
	t->asked = false;
	t->part = 0;
	t->life++;
	at(t, FIND);
}

static void
next_step(struct cl_till *t)
{
	switch ((enum step)t->step) {
	case FIND:
		at(t, FIND_GROUP);
		break;
	case FIND_GROUP:
		at(t, INIT);
		break;
	case INIT:
		t->seq[0] = t->seq[1] = 0;
		at(t, LEADERS);
		break;
	case LEADERS:
		t->decided = t->closing; /* all that was before InitProducerId */
		t->whole[0] = t->whole[1] = false;
		at(t, REST);
		break;
	case TOLD:
		at(t, REST);
		break;
	case ADD:
		at(t, ADD_OFFSETS);
		break;
	case ADD_OFFSETS:
		at(t, WRITE);
		break;
	case WRITE:
		if (++t->part == PARTS)
			at(t, OFFSETS);
		break;
	case OFFSETS:
		at(t, END);
		break;
	case END:
		t->fate[t->n] = t->commit ? COMMITTED : ABORTED;
		t->ended++;
		t->part = 0;
		at(t, READ);
		break;
	case READ:
		t->part = (t->part + 1) % PARTS;
		at(t, t->part == 0 ? TOLD : READ);
		break;
	default:
		rk_assert(!"a step that nobody takes");
	}
}

/* Is it worth asking again for the same? Else the application starts anew. */
static bool
passing(int16_t code)
{
	switch (rk_err_of_wire(code)) {
	case RK_COORDINATOR_LOAD_IN_PROGRESS:
	case RK_COORDINATOR_NOT_AVAILABLE:
	case RK_NOT_COORDINATOR:
	case RK_NOT_LEADER_OR_FOLLOWER:
	case RK_UNKNOWN_TOPIC_OR_PARTITION:
	case RK_NOT_ENOUGH_REPLICAS:
	case RK_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
	case RK_REQUEST_TIMED_OUT:
	case RK_CONCURRENT_TRANSACTIONS:
	case RK_KAFKA_STORAGE_ERROR:
	case RK_NETWORK_EXCEPTION:
	case RK_LEADER_NOT_AVAILABLE:
	case RK_UNSTABLE_OFFSET_COMMIT:
	case RK_OFFSET_NOT_AVAILABLE:
		return true;
	default:
		return false;
	}
}

/* The answer's code; no answer: as if the connection had broken. */
static void
settle(struct cl_ask *a, const void *res, int16_t code)
{
	struct cl_till *t = a->arg;
	struct cl *cl = t->client.cl;

	if (cl->ending || cl->failure[0] != 0 || a->number != t->life)
		return;
	sim_note(&cl->sim, (uint64_t)t->step, res == NULL ? 99 : (uint64_t)(uint16_t)code);
	if (res != NULL && code == 0) {
		next_step(t);
		again(t, t->step == REST ? 50 * MS : 2 * MS);
		return;
	}
	cl_tell(cl, "till %u: transaction %" PRId64 " step %d at node %d: %s", t->number, t->n, t->step, a->node + 1,
	    res == NULL ? "no answer" : rk_err_name(rk_err_of_wire(code)));
	if ((res != NULL && !passing(code)) || ++t->tries > 100) {
		anew(t);
	} else if (t->step != FIND && t->step != INIT) { /* another may coordinate or lead now */
		t->coord = t->group_coord = -1;
		t->leader[0] = t->leader[1] = -1;
	}
	if (t->step == INIT)
		at(t, FIND);
	again(t, 300 * MS);
}

static void
ask(struct cl_till *t, int32_t node, int16_t key, int16_t version, const void *req, cl_done *done)
{
	cl_ask(&t->client, node, key, version, req, TIMEOUT, done, t)->number = t->life;
}

/* --- who and where */
static void
found(struct cl_ask *a, const void *res)
{
	struct cl_till *t = a->arg;
	const struct kp_find_coordinator_res *r = res;

	if (r != NULL && r->error_code == 0 && a->number == t->life)
		*(a->op == 1 ? &t->coord : &t->group_coord) = r->node_id - 1;
	if (a->op == 0 || t->step == FIND)
		settle(a, res, r == NULL ? 0 : r->error_code);
	else
		again(t, MS);
}

static void
find(struct cl_till *t, bool txn, cl_done *done)
{
	struct kp_find_coordinator_req q;

	kp_defaults(&kp_find_coordinator_req_d, &q);
	q.key = rk_str_of(txn ? t->name : t->group);
	q.key_type = txn;
	struct cl_ask *a = cl_ask(&t->client, cl_some_broker(t->client.cl), KP_FIND_COORDINATOR, 3, &q, TIMEOUT, done, t);
	a->number = t->life;
	a->op = txn;
}

/* The same in the middle of a transaction, because who was asked last did not answer well. */
static void
found_again(struct cl_ask *a, const void *res)
{
	struct cl_till *t = a->arg;
	const struct kp_find_coordinator_res *r = res;

	if (t->client.cl->ending || a->number != t->life)
		return;
	if (r != NULL && r->error_code == 0)
		*(a->op == 1 ? &t->coord : &t->group_coord) = r->node_id - 1;
	again(t, 100 * MS);
}

static void
led(struct cl_ask *a, const void *res)
{
	struct cl_till *t = a->arg;
	const struct kp_metadata_res *r = res;
	bool step = t->step == LEADERS;

	if (t->client.cl->ending || a->number != t->life)
		return;
	for (int32_t i = 0; r != NULL && r->topics.len == 1 && i < r->topics.at[0].partitions.len; i++)
		if (r->topics.at[0].partitions.at[i].partition_index < PARTS)
			t->leader[r->topics.at[0].partitions.at[i].partition_index] =
			    r->topics.at[0].partitions.at[i].leader_id - 1;
	if (step)
		settle(a, res, t->leader[0] >= 0 && t->leader[1] >= 0 ? 0 : rk_err_wire(RK_LEADER_NOT_AVAILABLE));
	else
		again(t, 50 * MS);
}

static void
leaders(struct cl_till *t)
{
	struct kp_metadata_req_topics one = { .name = rk_str_of(topic) };
	struct kp_metadata_req q;

	kp_defaults(&kp_metadata_req_d, &q);
	q.allow_auto_topic_creation = false;
	q.topics.at = &one;
	q.topics.len = 1;
	ask(t, cl_some_broker(t->client.cl), KP_METADATA, 9, &q, led);
}

/* --- the transaction */
static void
inited(struct cl_ask *a, const void *res)
{
	struct cl_till *t = a->arg;
	const struct kp_init_producer_id_res *r = res;

	if (r != NULL && r->error_code == 0 && a->number == t->life) {
		t->id = r->producer_id;
		t->epoch = r->producer_epoch;
	}
	settle(a, res, r == NULL ? 0 : r->error_code);
}

static void
init(struct cl_till *t)
{
	struct kp_init_producer_id_req q;

	kp_defaults(&kp_init_producer_id_req_d, &q);
	q.transactional_id = rk_str_of(t->name);
	q.transaction_timeout_ms = TXN_TIMEOUT_MS;
	ask(t, t->coord, KP_INIT_PRODUCER_ID, t->v2 ? 5 : 4, &q, inited);
}

static void
parts_added(struct cl_ask *a, const void *res)
{
	const struct kp_add_partitions_to_txn_res *r = res;
	int16_t code = 0;

	for (int32_t i = 0; r != NULL && i < r->results_by_topic_v3_and_below.len; i++)
		for (int32_t k = 0; k < r->results_by_topic_v3_and_below.at[i].results_by_partition.len; k++)
			if (code == 0)
				code = r->results_by_topic_v3_and_below.at[i].results_by_partition.at[k].partition_error_code;
	settle(a, res, code);
}

static void
add(struct cl_till *t)
{
	int32_t part[PARTS] = { 0, 1 };
	struct kp_add_partitions_to_txn_req_v3_and_below_topics one = { rk_str_of(topic), { part, PARTS } };
	struct kp_add_partitions_to_txn_req q;

	kp_defaults(&kp_add_partitions_to_txn_req_d, &q);
	q.v3_and_below_transactional_id = rk_str_of(t->name);
	q.v3_and_below_producer_id = t->id;
	q.v3_and_below_producer_epoch = t->epoch;
	q.v3_and_below_topics.at = &one;
	q.v3_and_below_topics.len = 1;
	ask(t, t->coord, KP_ADD_PARTITIONS_TO_TXN, 3, &q, parts_added);
}

static void
offsets_added(struct cl_ask *a, const void *res)
{
	const struct kp_add_offsets_to_txn_res *r = res;

	settle(a, res, r == NULL ? 0 : r->error_code);
}

static void
add_offsets(struct cl_till *t)
{
	struct kp_add_offsets_to_txn_req q;

	kp_defaults(&kp_add_offsets_to_txn_req_d, &q);
	q.transactional_id = rk_str_of(t->name);
	q.group_id = rk_str_of(t->group);
	q.producer_id = t->id;
	q.producer_epoch = t->epoch;
	ask(t, t->coord, KP_ADD_OFFSETS_TO_TXN, 3, &q, offsets_added);
}

static void
wrote(struct cl_ask *a, const void *res)
{
	struct cl_till *t = a->arg;
	const struct kp_produce_res *r = res;
	int16_t code = r == NULL ? 0 : r->responses.at[0].partition_responses.at[0].error_code;

	if (r != NULL && code == 0 && a->number == t->life)
		t->seq[t->part]++;
	settle(a, res, code);
}

static void
write_one(struct cl_till *t)
{
	struct kp_produce_req_topic_data_partition_data p = { .index = t->part };
	struct kp_produce_req_topic_data one = { .name = rk_str_of(topic), .partition_data = { &p, 1 } };
	struct kp_produce_req q;
	struct rk_arena a;
	struct kp_build b;
	uint8_t value[8];

	rk_arena_init(&a, SIZE_MAX);
	rk_put64(value, (uint64_t)t->n);
	kp_build_start(&b, &a, 0, KP_ATTR_TXN, 1790000000000 + t->client.cl->sim.now_us / 1000);
	kp_build_add(&b, b.base_ms, rk_str_of(t->name), (struct rk_str){ (char *)value, 8 });
	struct rk_str bytes = kp_build_end(&b, -1, t->id, t->epoch, t->seq[t->part]);
	p.records.at = (uint8_t *)(uintptr_t)bytes.at;
	p.records.len = bytes.len;
	kp_defaults(&kp_produce_req_d, &q);
	q.transactional_id = rk_str_of(t->name);
	q.acks = -1;
	q.timeout_ms = 8000;
	q.topic_data.at = &one;
	q.topic_data.len = 1;
	ask(t, t->leader[t->part], KP_PRODUCE, t->v2 ? 12 : 11, &q, wrote);
	rk_arena_free(&a);
}

static void
offsets_written(struct cl_ask *a, const void *res)
{
	const struct kp_txn_offset_commit_res *r = res;

	settle(a, res, r == NULL ? 0 : r->topics.at[0].partitions.at[0].error_code);
}

static void
write_offsets(struct cl_till *t)
{
	struct kp_txn_offset_commit_req_topics_partitions p = { 0, t->n, -1, rk_lit("") };
	struct kp_txn_offset_commit_req_topics one = { rk_str_of(topic), { &p, 1 } };
	struct kp_txn_offset_commit_req q;

	kp_defaults(&kp_txn_offset_commit_req_d, &q);
	q.transactional_id = rk_str_of(t->name);
	q.group_id = rk_str_of(t->group);
	q.producer_id = t->id;
	q.producer_epoch = t->epoch;
	q.topics.at = &one;
	q.topics.len = 1;
	ask(t, t->group_coord, KP_TXN_OFFSET_COMMIT, t->v2 ? 5 : 3, &q, offsets_written);
}

static void
ended(struct cl_ask *a, const void *res)
{
	struct cl_till *t = a->arg;
	const struct kp_end_txn_res *r = res;

	if (r != NULL && r->error_code == 0 && a->number == t->life && t->v2) {
		t->id = r->producer_id;
		t->epoch = r->producer_epoch;
		t->seq[0] = t->seq[1] = 0;
	}
	settle(a, res, r == NULL ? 0 : r->error_code);
}

static void
end(struct cl_till *t)
{
	struct kp_end_txn_req q;

	kp_defaults(&kp_end_txn_req_d, &q);
	q.transactional_id = rk_str_of(t->name);
	q.producer_id = t->id;
	q.producer_epoch = t->epoch;
	q.committed = t->commit;
	t->asked |= t->commit;
	ask(t, t->coord, KP_END_TXN, t->v2 ? 5 : 3, &q, ended);
}

/* --- what is there */
static void
see(struct cl_till *t, int32_t part, int64_t n)
{
	struct cl *cl = t->client.cl;

	if (n < 1 || n > t->n)
		cl_fail(cl, "till %u reads transaction %" PRId64 " in partition %d, which never was", t->number, n, part);
	else if (t->seen[part][n])
		cl_fail(cl, "till %u reads transaction %" PRId64 " twice in partition %d", t->number, n, part);
	else if (t->fate[n] == ABORTED)
		cl_fail(cl, "till %u reads transaction %" PRId64 " in partition %d, which was aborted", t->number, n, part);
	else
		t->seen[part][n] = true;
}

/* Of the records of one batch, those of this till. */
static void
read_batch(struct cl_till *t, int32_t part, const uint8_t *b)
{
	struct kp_records_iter it;
	struct kp_record r;

	kp_records_start(&it, b, NULL, 0);
	while (kp_records_next(&it, &r))
		if (rk_str_is(r.key, t->name) && r.value.len == 8)
			see(t, part, (int64_t)rk_get64(r.value.at));
}

/* As a consumer that reads what is committed: of an aborted transaction, all from its first record to its marker is
 * passed over. */
static void
read_all(struct cl_till *t, int32_t part, const struct kp_fetch_res_responses_partitions *p)
{
	const uint8_t *b = p->records.at, *stop = b + rk_max(p->records.len, 0);
	bool *over = rk_mem_get((size_t)rk_max(p->aborted_transactions.len, 0) + 1);

	memset(over, 0, (size_t)rk_max(p->aborted_transactions.len, 0) + 1);
	for (; b < stop && kp_batch_check(b, (size_t)(stop - b)) == RK_OK; b += kp_batch_bytes(b)) {
		bool control = (kp_batch_attr(b) & KP_ATTR_CONTROL) != 0, gone = false;
		for (int32_t i = 0; i < p->aborted_transactions.len; i++) {
			const struct kp_fetch_res_responses_partitions_aborted_transactions *x = &p->aborted_transactions.at[i];
			if (x->producer_id != kp_batch_producer(b) || x->first_offset > kp_batch_last(b) || over[i])
				continue;
			gone = true;
			over[i] = control;
			break;
		}
		if (kp_batch_last(b) >= p->last_stable_offset)
			cl_fail(t->client.cl, "till %u reads past the last stable offset of partition %d", t->number, part);
		if (kp_batch_base(b) >= t->read[part] && !control && !gone)
			read_batch(t, part, b);
		t->read[part] = rk_max(t->read[part], kp_batch_last(b) + 1);
	}
	rk_mem_put(over);
}

static void
fetched(struct cl_ask *a, const void *res)
{
	struct cl_till *t = a->arg;
	const struct kp_fetch_res *r = res;
	int16_t code = r == NULL ? 0 : r->error_code;

	if (t->client.cl->ending || t->client.cl->failure[0] != 0 || a->number != t->life)
		return;
	if (r != NULL && code == 0 && r->responses.len == 1) {
		const struct kp_fetch_res_responses_partitions *p = &r->responses.at[0].partitions.at[0];
		code = p->error_code;
		if (code == 0)
			read_all(t, t->part, p);
		t->whole[t->part] = code == 0 && t->read[t->part] >= p->high_watermark;
		t->stable[t->part] = p->last_stable_offset;
		t->high[t->part] = p->high_watermark;
		if (code == 0 && t->read[t->part] < p->last_stable_offset) { /* there is more */
			again(t, MS);
			return;
		}
	}
	settle(a, res, code);
}

static void
read_some(struct cl_till *t)
{
	struct kp_fetch_req_topics_partitions p = { .partition = t->part, .current_leader_epoch = -1,
		.fetch_offset = t->read[t->part], .last_fetched_epoch = -1, .log_start_offset = -1,
		.partition_max_bytes = 20000, .high_watermark = INT64_MAX };
	struct kp_fetch_req_topics one = { .topic = rk_str_of(topic), .partitions = { &p, 1 } };
	struct kp_fetch_req q;

	kp_defaults(&kp_fetch_req_d, &q);
	q.replica_id = -1;
	q.max_bytes = 50000;
	q.isolation_level = 1;
	q.session_epoch = -1;
	q.topics.at = &one;
	q.topics.len = 1;
	ask(t, t->leader[t->part], KP_FETCH, 12, &q, fetched);
}

static int64_t
last_with(const struct cl_till *t, enum fate f)
{
	int64_t n = t->n;

	while (n > 0 && t->fate[n] != f)
		n--;
	return n > 0 ? n : -1;
}

static void
told(struct cl_ask *a, const void *res)
{
	struct cl_till *t = a->arg;
	struct cl *cl = t->client.cl;
	const struct kp_offset_fetch_res *r = res;
	int16_t code = r == NULL ? 0 : r->error_code;

	if (r != NULL && code == 0)
		code = r->topics.at[0].partitions.at[0].error_code;
	if (r != NULL && code == 0 && a->number == t->life) {
		int64_t offset = r->topics.at[0].partitions.at[0].committed_offset;
		if (offset < last_with(t, COMMITTED) || offset > t->n || (offset > 0 && t->fate[offset] == ABORTED))
			cl_fail(cl, "group %s has offset %" PRId64 " although transaction %" PRId64 " is the last of %" PRId64
			    " that was committed", t->group, offset, last_with(t, COMMITTED), t->n);
		t->offset = offset;
		t->told_us = t->decided && t->whole[0] && t->whole[1] ? cl->sim.now_us : 0; /* and it was asked after the reading */
	}
	settle(a, res, code);
}

static void
fetch_offset(struct cl_till *t)
{
	int32_t zero = 0;
	struct kp_offset_fetch_req_topics one = { .name = rk_str_of(topic), .partition_indexes = { &zero, 1 } };
	struct kp_offset_fetch_req q;

	kp_defaults(&kp_offset_fetch_req_d, &q);
	q.group_id = rk_str_of(t->group);
	q.require_stable = true;
	q.topics.at = &one;
	q.topics.len = 1;
	ask(t, t->group_coord, KP_OFFSET_FETCH, 7, &q, told);
}

/* --- the life of a till */
static void
begin(struct cl_till *t)
{
	struct cl *cl = t->client.cl;

	if (!cl->producing || t->n + 1 >= CL_TILL_TXNS) { /* once more anew, then all that was is decided */
		if (!t->closing) {
			t->closing = true;
			anew(t);
		} else {
			at(t, READ);
			t->part = 0;
		}
		again(t, 200 * MS);
		return;
	}
	t->n++;
	t->commit = sim_chance(&cl->sim, 700000);
	t->asked = false;
	t->part = 0;
	at(t, t->v2 ? WRITE : ADD);
	again(t, MS);
}

/* Those whom the next step needs and who are not known any more are asked for first. */
static bool
knows(struct cl_till *t)
{
	enum step s = (enum step)t->step;
	bool here = s == WRITE || s == READ;

	if (here && t->leader[t->part] < 0)
		leaders(t);
	else if ((s == INIT || s == ADD || s == ADD_OFFSETS || s == END) && t->coord < 0)
		find(t, true, found_again);
	else if ((s == OFFSETS || s == TOLD) && t->group_coord < 0)
		find(t, false, found_again);
	else
		return true;
	return false;
}

static void
go(void *arg, bool lost)
{
	struct cl_till *t = arg;
	struct cl *cl = t->client.cl;

	if (lost || cl->ending || cl->failure[0] != 0 || cl_asleep(&t->client, go, t))
		return;
	if (cl->producing && t->step > LEADERS && sim_chance(&cl->sim, 10000))
		anew(t); /* a crash; what is under way goes its way */
	if (!knows(t))
		return;
	switch ((enum step)t->step) {
	case FIND:
	case FIND_GROUP:
		find(t, t->step == FIND, found);
		break;
	case INIT:
		init(t);
		break;
	case LEADERS:
		leaders(t);
		break;
	case ADD:
		add(t);
		break;
	case ADD_OFFSETS:
		add_offsets(t);
		break;
	case WRITE:
		write_one(t);
		break;
	case OFFSETS:
		write_offsets(t);
		break;
	case END:
		end(t);
		break;
	case READ:
		read_some(t);
		break;
	case TOLD:
		fetch_offset(t);
		break;
	default:
		begin(t);
	}
}

static void make(void *arg, bool lost);

static void
made(struct cl_ask *a, const void *res)
{
	const struct kp_create_topics_res *r = res;
	bool done = r != NULL && (r->topics.at[0].error_code == 0
	    || r->topics.at[0].error_code == rk_err_wire(RK_TOPIC_ALREADY_EXISTS));

	cl_after(a->conn->who->cl, 300 * MS, done ? go : make, a->arg);
}

/* Each makes the topic: one is the first. */
static void
make(void *arg, bool lost)
{
	struct cl_till *t = arg;
	struct kp_create_topics_req q;
	struct kp_create_topics_req_topics one = { .name = rk_str_of(topic), .num_partitions = PARTS,
		.replication_factor = t->client.cl->plan.factor };

	if (lost || t->client.cl->ending)
		return;
	kp_defaults(&kp_create_topics_req_d, &q);
	q.topics.at = &one;
	q.topics.len = 1;
	q.timeout_ms = 8000;
	ask(t, cl_some_broker(t->client.cl), KP_CREATE_TOPICS, 5, &q, made);
}

void
cl_till_start(struct cl *cl, uint32_t number)
{
	struct cl_till *t = &cl->till[number];

	cl_client_init(cl, &t->client, CL_CLIENT_PLACE + number % 4);
	t->number = number;
	t->v2 = number % 2 == 0;
	snprintf(t->name, sizeof t->name, "x%u", number);
	snprintf(t->group, sizeof t->group, "gx%u", number);
	t->coord = t->group_coord = t->leader[0] = t->leader[1] = -1;
	t->offset = -1;
	at(t, FIND);
	cl_after(cl, sim_below(&cl->sim, SECOND), make, t);
}

/* After everything was decided: what there is of each transaction. */
static bool
adds_up(struct cl *cl, const struct cl_till *t)
{
	int64_t last = -1;

	for (int64_t n = 1; n <= t->n; n++) {
		bool a = t->seen[0][n], b = t->seen[1][n];
		if (a != b || (t->fate[n] == COMMITTED && !a))
			cl_fail(cl, "till %u: of transaction %" PRId64 " (%s) partition 0 has %s, partition 1 %s", t->number, n,
			    t->fate[n] == COMMITTED ? "committed" : "of unknown fate", a ? "it" : "nothing", b ? "it" : "nothing");
		last = a ? n : last;
	}
	if (t->offset != last)
		cl_fail(cl, "group %s has offset %" PRId64 ", and the last transaction there is is %" PRId64, t->group, t->offset,
		    last);
	return cl->failure[0] == 0;
}

bool
cl_tills_told(struct cl *cl, int64_t since_us, char why[256])
{
	for (uint32_t i = 0; i < cl->plan.tills; i++) {
		const struct cl_till *t = &cl->till[i];
		if (!t->decided || t->told_us < since_us || !t->whole[0] || !t->whole[1]) {
			snprintf(why, 256, "till %u has not come to its end: step %d, transaction %" PRId64 ", has read up to %" PRId64
			    " and %" PRId64 ", of %" PRId64 " and %" PRId64 ", stable %" PRId64 " and %" PRId64, i, t->step, t->n,
			    t->read[0], t->read[1], t->high[0], t->high[1], t->stable[0], t->stable[1]);
			return false;
		}
	}
	for (uint32_t i = 0; i < cl->plan.tills; i++)
		(void)!adds_up(cl, &cl->till[i]);
	return true;
}
