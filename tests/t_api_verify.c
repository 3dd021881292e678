/* t_api_verify.c - claims about Produce of a transaction: what is asked before anything is appended, and what becomes
 * of the answer. The transactional id's coordinator is the test. */
#include "protocol/gen/produce.h"
#include "protocol/gen/write_txn_markers.h"
#include "src/api/handlers.h"
#include "src/api/verify.h"
#include "src/core/mark.h"
#include "tests/core_help.h"

static struct api_shared shared;
static struct api_call call;
static struct kp_produce_req q;
static struct kp_produce_res res;
static struct kp_produce_req_topic_data topic;
static struct kp_produce_req_topic_data_partition_data part_in[2];
static struct core_verify *asked;
static int asks, taken_back, finished, passed;

static void
ask(void *arg, struct core_verify *v)
{
	(void)arg;
	ck_assert_ptr_null(asked);
	asked = v;
	asks++;
}

static void
unask(void *arg, struct core_verify *v)
{
	(void)arg;
	ck_assert(asked == NULL || asked == v);
	asked = NULL;
	taken_back++;
}

static enum rk_err
no_id(void *arg, int64_t *id)
{
	(void)arg;
	*id = -1;
	return RK_COORDINATOR_LOAD_IN_PROGRESS;
}

static void
no_marker(void *arg, struct core_marker *m)
{
	(void)arg;
	(void)m;
}

static void
attach(struct core *c)
{
	static const struct core_txn_world w = { NULL, no_id, no_marker, no_marker, ask, unask };

	core_txn_world(c, &w);
}

static void
heard_finish(struct api_call *c)
{
	ck_assert_ptr_eq(c, &call);
	finished++;
}

static void
heard_pass(struct api_call *c)
{
	ck_assert_ptr_eq(c, &call);
	passed++;
}

static void
begin(void)
{
	broker_made = attach;
	broker_begin();
	topic_is("t", 1, 2);
	shared = (struct api_shared){ .env = &b.w.env, .conf = t_conf, .core = b.core, .timers = &b.timers, .node_id = 1 };
	api_on_finish = heard_finish;
	api_on_pass = heard_pass;
	memset(&call, 0, sizeof call);
	asked = NULL;
	asks = taken_back = 0;
}

static void
over(void)
{
	if (call.abandon != NULL) {
		call.gone = true;
		call.abandon(&call);
	}
	rk_arena_free(&call.arena);
	broker_end();
	broker_made = NULL;
}

static struct kp_records
batch(int64_t producer, int16_t epoch, int32_t seq, int16_t attr)
{
	struct kp_build w;

	kp_build_start(&w, &b.arena, 0, attr, b.w.wall_ms);
	kp_build_add(&w, b.w.wall_ms, rk_lit("k"), rk_lit("v"));
	struct rk_str s = kp_build_end(&w, -1, producer, epoch, seq);
	return (struct kp_records){ .at = (uint8_t *)(uintptr_t)s.at, .len = s.len };
}

/* One batch for each of so many partitions, all with that sequence. */
static enum api_fate
produce(int16_t version, int32_t parts, int32_t seq)
{
	rk_arena_free(&call.arena);
	call = (struct api_call){ .shared = &shared, .now_ms = b.w.now_ms, .wall_ms = b.w.wall_ms, .req = &q, .res = &res };
	call.head.version = version;
	call.head.client_id = rk_lit("test");
	rk_arena_init(&call.arena, 64 << 20);
	kp_defaults(&kp_produce_req_d, &q);
	kp_defaults(&kp_produce_res_d, &res);
	q.transactional_id = rk_lit("x");
	q.acks = -1;
	q.timeout_ms = 1000;
	q.topic_data.at = &topic;
	q.topic_data.len = 1;
	topic = (struct kp_produce_req_topic_data){ .name = rk_lit("t"), .partition_data = { part_in, parts } };
	for (int32_t i = 0; i < parts; i++)
		part_in[i] = (struct kp_produce_req_topic_data_partition_data){ .index = i,
			.records = batch(7, 0, seq, KP_ATTR_TXN) };
	finished = passed = 0;
	return api_produce(&call, &q, &res);
}

/* The coordinator's answer for each partition that was asked about. */
static void
say(enum rk_err first, enum rk_err second)
{
	struct core_verify *v = asked;

	ck_assert_ptr_nonnull(v);
	asked = NULL;
	v->part[0].err = first;
	if (v->count > 1)
		v->part[1].err = second;
	v->done(v);
}

static enum rk_err
error(int32_t i)
{
	return rk_err_of_wire(res.responses.at[0].partition_responses.at[i].error_code);
}

START_TEST(the_first_batch_waits_for_the_coordinator_and_holds_back_what_follows)
{
	ck_assert_int_eq(produce(11, 2, 0), API_LATER);
	ck_assert(call.first);
	ck_assert_int_eq(asked->count, 2);
	ck_assert(!asked->add);
	ck_assert(rk_str_is(asked->transactional_id, "x"));
	ck_assert_int_eq(asked->producer_id, 7);
	ck_assert_int_eq(asked->part[1].partition, 1);
	ck_assert_int_eq(core_end(part("t", 0)), 0);
	say(RK_OK, RK_OK);
	ck_assert_int_eq(passed, 1);
	ck_assert(!call.first);
	ck_assert_int_eq(core_end(part("t", 0)), 1);
	ck_assert_int_eq(finished, 0);
	settle();
	ck_assert_int_eq(finished, 1);
	ck_assert_int_eq(error(0), RK_OK);
	ck_assert_int_eq(error(1), RK_OK);
}
END_TEST

START_TEST(the_next_batches_of_the_transaction_ask_nothing)
{
	produce(11, 1, 0);
	say(RK_OK, RK_OK);
	settle();
	ck_assert_int_eq(produce(11, 2, 1), API_LATER); /* the other partition is new to it */
	ck_assert_int_eq(asked->count, 1);
	ck_assert_int_eq(asked->part[0].partition, 1);
	say(RK_OK, RK_OK);
	settle();
	ck_assert_int_eq(error(0), RK_OK);
	ck_assert_int_eq(error(1), RK_OK);
	int before = asks;
	produce(11, 2, 2);
	settle();
	ck_assert_int_eq(asks, before);
	ck_assert_int_eq(passed, 0);
}
END_TEST

START_TEST(from_version_12_on_it_adds)
{
	produce(12, 1, 0);
	ck_assert(asked->add);
	say(RK_OK, RK_OK);
}
END_TEST

START_TEST(a_partition_that_is_refused_does_not_keep_the_other_out)
{
	produce(11, 2, 0);
	say(RK_TRANSACTION_ABORTABLE, RK_OK);
	settle();
	ck_assert_int_eq(finished, 1);
	ck_assert_int_eq(error(0), RK_TRANSACTION_ABORTABLE);
	ck_assert_int_eq(error(1), RK_OK);
	ck_assert_int_eq(core_end(part("t", 0)), 0);
	ck_assert_int_eq(core_end(part("t", 1)), 1);
}
END_TEST

START_TEST(each_version_hears_what_its_clients_know)
{
	static const struct { int16_t version; enum rk_err said, told; } table[] = {
		{ 10, RK_TRANSACTION_ABORTABLE, RK_INVALID_TXN_STATE },
		{ 11, RK_TRANSACTION_ABORTABLE, RK_TRANSACTION_ABORTABLE },
		{ 10, RK_PRODUCER_FENCED, RK_INVALID_PRODUCER_EPOCH },
		{ 12, RK_PRODUCER_FENCED, RK_INVALID_PRODUCER_EPOCH },
		{ 11, RK_CONCURRENT_TRANSACTIONS, RK_NOT_ENOUGH_REPLICAS },
		{ 11, RK_NETWORK_EXCEPTION, RK_NOT_ENOUGH_REPLICAS },
		{ 12, RK_NOT_COORDINATOR, RK_NOT_ENOUGH_REPLICAS },
		{ 12, RK_COORDINATOR_LOAD_IN_PROGRESS, RK_NOT_ENOUGH_REPLICAS },
		{ 9, RK_COORDINATOR_NOT_AVAILABLE, RK_NOT_ENOUGH_REPLICAS },
		{ 9, RK_INVALID_PRODUCER_ID_MAPPING, RK_INVALID_PRODUCER_ID_MAPPING },
	};

	for (size_t i = 0; i < rk_countof(table); i++) {
		produce(table[i].version, 1, 0);
		say(table[i].said, RK_OK);
		ck_assert_int_eq(finished, 1);
		ck_assert_int_eq(error(0), table[i].told);
		ck_assert_int_eq(res.responses.at[0].partition_responses.at[0].log_start_offset, -1);
	}
	ck_assert(rk_str_is(res.responses.at[0].partition_responses.at[0].error_message, "") == false);
	ck_assert_int_eq(core_end(part("t", 0)), 0);
}
END_TEST

START_TEST(while_the_last_transaction_ends_what_adds_asks_again_for_a_while)
{
	produce(12, 1, 0);
	say(RK_CONCURRENT_TRANSACTIONS, RK_OK);
	ck_assert_int_eq(finished, 0);
	ck_assert(call.first);
	ck_assert_ptr_null(asked);
	pass(t_conf->add_partitions_to_txn_retry_backoff_ms);
	say(RK_OK, RK_OK);
	settle();
	ck_assert_int_eq(error(0), RK_OK);
	produce(12, 1, 0);
	ck_assert_int_eq(asks, 2);
}
END_TEST

START_TEST(but_not_for_ever)
{
	produce(12, 1, 0);
	for (int i = 0; finished == 0; i++) {
		ck_assert_int_lt(i, 20);
		say(RK_CONCURRENT_TRANSACTIONS, RK_OK);
		pass(t_conf->add_partitions_to_txn_retry_backoff_ms);
	}
	ck_assert_int_eq(error(0), RK_CONCURRENT_TRANSACTIONS);
	ck_assert_int_eq(asks, 1 + t_conf->add_partitions_to_txn_retry_backoff_max_ms
	    / t_conf->add_partitions_to_txn_retry_backoff_ms);
}
END_TEST

START_TEST(a_connection_that_dies_takes_the_question_back)
{
	produce(11, 1, 0);
	call.gone = true;
	call.abandon(&call);
	ck_assert_int_eq(taken_back, 1);
	ck_assert_int_eq(finished, 1);
	ck_assert_ptr_null(call.abandon);
	ck_assert_int_eq(core_end(part("t", 0)), 0);
}
END_TEST

START_TEST(who_wants_no_answer_gets_none)
{
	produce(11, 1, 0);
	q.acks = 0;
	say(RK_OK, RK_OK);
	ck_assert_int_eq(finished, 1);
	ck_assert_int_eq(call.fate, API_SILENT);
	ck_assert_int_eq(core_end(part("t", 0)), 1);
}
END_TEST

START_TEST(a_leadership_that_went_meanwhile_makes_the_answer_worthless)
{
	produce(11, 1, 0);
	partition_is(1, 0, 2, (const int32_t[]){ 2 }, 1, true);
	partition_is(1, 0, 1, (const int32_t[]){ 1 }, 1, true);
	say(RK_OK, RK_OK);
	ck_assert_int_eq(error(0), RK_NOT_LEADER_OR_FOLLOWER);
	ck_assert_int_eq(core_end(part("t", 0)), 0);
}
END_TEST

START_TEST(a_topic_that_is_deleted_meanwhile_is_not_there)
{
	produce(11, 1, 0);
	topic_gone(1);
	say(RK_OK, RK_OK);
	ck_assert_int_eq(error(0), RK_UNKNOWN_TOPIC_OR_PARTITION);
}
END_TEST

START_TEST(one_request_is_of_one_producer)
{
	produce(11, 2, 0);
	say(RK_OK, RK_OK);
	settle();
	q.topic_data.at[0].partition_data.at = part_in;
	part_in[0].records = batch(7, 0, 1, KP_ATTR_TXN);
	part_in[1].records = batch(8, 0, 0, KP_ATTR_TXN);
	kp_defaults(&kp_produce_res_d, &res);
	ck_assert_int_eq(api_produce(&call, &q, &res), API_NOW);
	ck_assert_int_eq(error(0), RK_INVALID_PRODUCER_ID_MAPPING);
	ck_assert_int_eq(error(1), RK_INVALID_PRODUCER_ID_MAPPING);
	ck_assert_ptr_null(asked);
}
END_TEST

int
main(void)
{
	const TTest *const claim[] = { the_first_batch_waits_for_the_coordinator_and_holds_back_what_follows,
		the_next_batches_of_the_transaction_ask_nothing, from_version_12_on_it_adds,
		a_partition_that_is_refused_does_not_keep_the_other_out, each_version_hears_what_its_clients_know,
		while_the_last_transaction_ends_what_adds_asks_again_for_a_while, but_not_for_ever,
		a_connection_that_dies_takes_the_question_back, who_wants_no_answer_gets_none,
		a_leadership_that_went_meanwhile_makes_the_answer_worthless, a_topic_that_is_deleted_meanwhile_is_not_there,
		one_request_is_of_one_producer };

	return broker_claims("api_verify", claim, rk_countof(claim), begin, over);
}
