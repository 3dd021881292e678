/* t_core_txn.c - claims about the life of a transaction at its coordinator: who may begin, add and end. */
#include "protocol/gen/describe_transactions.h"
#include "protocol/gen/list_transactions.h"
#include "tests/txn_help.h"

START_TEST(a_new_transactional_id_gets_a_producer_id)
{
	ck_assert_int_eq(init(), 0);
	ck_assert_int_eq(inited.producer_id, 10);
	ck_assert_int_eq(inited.producer_epoch, 0);
	ck_assert_int_eq(init(), 0);
	ck_assert_int_eq(inited.producer_id, 10);
	ck_assert_int_eq(inited.producer_epoch, 1);
	restart();
	state_is(CORE_TXN_EMPTY, 10, 1);
}
END_TEST

START_TEST(without_producer_ids_the_client_comes_again)
{
	ids_err = RK_COORDINATOR_LOAD_IN_PROGRESS;
	ck_assert_int_eq(init(), rk_err_wire(RK_COORDINATOR_LOAD_IN_PROGRESS));
	ck_assert_int_eq(inited.producer_id, -1);
	ck_assert_ptr_null(txn());
}
END_TEST

START_TEST(nothing_is_answered_before_it_is_stable)
{
	ck_assert_int_eq(init(), 0);
	ck_assert(asks_add(10, 0, TV2, 2, false));
	ck_assert(!told);
	state_is(CORE_TXN_EMPTY, 10, 0);
	core_txn_forget(&asker);
	waits = false;
	ck_assert_int_eq(init(), rk_err_wire(RK_CONCURRENT_TRANSACTIONS)); /* meanwhile */
	go();
	state_is(CORE_TXN_ONGOING, 10, 0);
}
END_TEST

START_TEST(a_transaction_is_committed_with_markers_of_a_raised_epoch)
{
	init();
	ck_assert_int_eq(add(10, 0, TV2, 2), 0);
	ck_assert_int_eq(end(10, 0, true, TV2), 0);
	ck_assert_int_eq(ended.producer_id, 10);
	ck_assert_int_eq(ended.producer_epoch, 1);
	ck_assert_ptr_nonnull(marked);
	ck_assert(marked->commit && marked->count == 2 && marked->left == 2);
	ck_assert(marked->producer_id == 10 && marked->producer_epoch == 1 && marked->transaction_version == 2);
	state_is(CORE_TXN_PREPARE_COMMIT, 10, 1);
	ck_assert_int_eq(end(10, 0, true, TV2), rk_err_wire(RK_CONCURRENT_TRANSACTIONS));
	ck_assert_int_eq(init(), rk_err_wire(RK_CONCURRENT_TRANSACTIONS));
	write_markers();
	state_is(CORE_TXN_COMPLETE_COMMIT, 10, 1);
	ck_assert_ptr_null(txn()->now.parts);
	ck_assert_int_eq(add(10, 1, TV2, 1), 0);
	state_is(CORE_TXN_ONGOING, 10, 1);
}
END_TEST

START_TEST(markers_leave_when_the_decision_is_stable_and_not_before)
{
	init();
	add(10, 0, TV2, 2);
	ck_assert(asks_end(10, 0, true, TV2));
	ck_assert_ptr_null(marked);
	ck_assert(!told);
	go();
	ck_assert_ptr_nonnull(marked);
	ck_assert(told);
}
END_TEST

START_TEST(a_transaction_is_complete_when_every_marker_is_written)
{
	init();
	add(10, 0, TV2, 3);
	end(10, 0, true, TV2);
	struct core_marker *m = marked;
	core_marked(m, 2, RK_OK);
	core_marked(m, 0, RK_OK);
	go();
	state_is(CORE_TXN_PREPARE_COMMIT, 10, 1);
	core_marked(m, 1, RK_OK);
	marked = NULL;
	go();
	state_is(CORE_TXN_COMPLETE_COMMIT, 10, 1);
}
END_TEST

START_TEST(who_adds_while_markers_are_written_waits_for_them)
{
	init();
	add(10, 0, TV2, 2);
	end(10, 0, true, TV2);
	ck_assert_int_eq(add(10, 1, TV2, 1), WAITS);
	write_markers();
	ck_assert(told);
	ck_assert_int_eq(row[0].partition_error_code, 0);
	state_is(CORE_TXN_ONGOING, 10, 1);
	ck_assert_int_eq(txn()->now.parts->count, 1);
	restart();
	state_is(CORE_TXN_ONGOING, 10, 1);
}
END_TEST

START_TEST(but_not_for_long)
{
	init();
	add(10, 0, TV2, 2);
	end(10, 0, true, TV2);
	ck_assert_int_eq(add(10, 1, TV2, 1), WAITS);
	pass(150), go();
	ck_assert(!told);
	pass(50), go();
	ck_assert(told);
	ck_assert_int_eq(row[0].partition_error_code, rk_err_wire(RK_CONCURRENT_TRANSACTIONS));
	ck_assert_int_eq(add(10, 1, TV2, 1), WAITS);
	core_txn_forget(&asker); /* or the connection ends */
	write_markers();
	ck_assert(!told);
	state_is(CORE_TXN_COMPLETE_COMMIT, 10, 1);
}
END_TEST

static int seconds; /* answers */

static void
second_answered(struct core_txn_asker *a)
{
	(void)a;
	seconds++;
}

START_TEST(adds_that_come_together_are_one_record)
{
	struct core_txn_asker other[3];
	struct kp_add_partitions_to_txn_res_results_by_transaction res[3];
	int32_t part[] = { 1, 5, 6 };

	init();
	seconds = 0;
	ck_assert(asks_add(10, 0, TV2, 2, false));
	int64_t end_before = core_end(core_shard_partition(shard()));
	for (int i = 0; i < 3; i++) {
		struct kp_add_partitions_to_txn_req_transactions_topics t = { rk_lit("t"), { &part[i], 1 } };
		struct kp_add_partitions_to_txn_req_transactions q = { rk_lit("x"), 10, i == 2 ? 7 : 0, false, { &t, 1 } };
		other[i] = (struct core_txn_asker){ .done = second_answered, .arena = &arena, .version = TV2 };
		memset(&res[i], 0, sizeof res[i]);
		ck_assert(core_txn_add(shard(), &other[i], &q, &res[i]));
	}
	go();
	ck_assert_int_eq(seconds, 3);
	ck_assert_int_eq(res[0].topic_results.at[0].results_by_partition.at[0].partition_error_code, 0);
	ck_assert_int_eq(res[1].topic_results.at[0].results_by_partition.at[0].partition_error_code, 0);
	ck_assert_int_eq(res[2].topic_results.at[0].results_by_partition.at[0].partition_error_code,
	    rk_err_wire(RK_PRODUCER_FENCED));
	ck_assert_int_eq(txn()->now.parts->count, 3); /* 0, 1, 5 */
	ck_assert_int_eq(core_end(core_shard_partition(shard())), end_before + 1);
}
END_TEST

START_TEST(who_waits_to_add_hears_that_the_coordinator_is_lost)
{
	init();
	add(10, 0, TV2, 2);
	end(10, 0, true, TV2);
	ck_assert_int_eq(add(10, 1, TV2, 1), WAITS);
	topic_gone(1);
	pass(1);
	ck_assert(told);
	ck_assert_int_eq(row[0].partition_error_code, rk_err_wire(RK_NOT_COORDINATOR));
}
END_TEST

START_TEST(an_EndTxn_sent_twice_is_answered_twice)
{
	init();
	add(10, 0, TV2, 1);
	end(10, 0, true, TV2);
	write_markers();
	ck_assert_int_eq(end(10, 0, true, TV2), 0);
	ck_assert_int_eq(ended.producer_epoch, 1);
	ck_assert_int_eq(end(10, 0, false, TV2), rk_err_wire(RK_INVALID_TXN_STATE));
	ck_assert_int_eq(marks, 1);
	add(10, 1, TV2, 1);
	ck_assert_int_eq(end(10, 0, true, TV2), rk_err_wire(RK_PRODUCER_FENCED)); /* the next has begun */
	ck_assert_int_eq(ended.producer_epoch, -1);
}
END_TEST

START_TEST(before_version_2_the_epoch_stays)
{
	init();
	ck_assert_int_eq(add(10, 0, TV0, 1), 0);
	ck_assert_int_eq(end(10, 0, false, TV0), 0);
	ck_assert(!marked->commit && marked->producer_epoch == 0 && marked->transaction_version == 0);
	write_markers();
	state_is(CORE_TXN_COMPLETE_ABORT, 10, 0);
	ck_assert_int_eq(end(10, 0, false, TV0), 0);
	ck_assert_int_eq(end(10, 0, true, TV0), rk_err_wire(RK_INVALID_TXN_STATE));
	ck_assert_int_eq(marks, 1);
}
END_TEST

START_TEST(an_abort_may_come_with_nothing_in_it)
{
	init();
	ck_assert_int_eq(end(10, 0, true, TV2), rk_err_wire(RK_INVALID_TXN_STATE));
	ck_assert_int_eq(end(10, 0, false, TV0), rk_err_wire(RK_INVALID_TXN_STATE));
	ck_assert_int_eq(end(10, 0, false, TV2), 0);
	ck_assert_int_eq(ended.producer_epoch, 1);
	go();
	state_is(CORE_TXN_COMPLETE_ABORT, 10, 1);
	ck_assert_int_eq(marks, 0);
	ck_assert_int_eq(end(10, 1, false, TV2), 0);
	ck_assert_int_eq(ended.producer_epoch, 2);
}
END_TEST

START_TEST(a_groups_offsets_are_part_of_it_by_their_partition)
{
	struct kp_add_offsets_to_txn_req q = { rk_lit("x"), 10, 0, rk_lit("g") };

	init();
	ask(3);
	ck_assert_int_eq(code_of(core_txn_add_offsets(shard(), &asker, &q, 7, &offsets), &offsets.error_code), 0);
	ck_assert(core_txn_has(txn()->now.parts, rk_lit("__consumer_offsets"), 7));
	q.producer_epoch = 5;
	ask(3);
	ck_assert_int_eq(code_of(core_txn_add_offsets(shard(), &asker, &q, 7, &offsets), &offsets.error_code),
	    rk_err_wire(RK_PRODUCER_FENCED));
	ask(1);
	ck_assert_int_eq(code_of(core_txn_add_offsets(shard(), &asker, &q, 7, &offsets), &offsets.error_code),
	    rk_err_wire(RK_INVALID_PRODUCER_EPOCH));
}
END_TEST

START_TEST(a_leader_hears_which_partitions_are_in)
{
	init();
	add(10, 0, TV2, 2);
	ck_assert(!asks_add(10, 0, TV2, 3, true));
	waits = false;
	ck_assert_int_eq(row[0].partition_error_code, 0);
	ck_assert_int_eq(row[1].partition_error_code, 0);
	ck_assert_int_eq(row[2].partition_error_code, rk_err_wire(RK_TRANSACTION_ABORTABLE));
	ck_assert(!asks_add(10, 1, TV2, 1, true));
	waits = false;
	ck_assert_int_eq(row[0].partition_error_code, rk_err_wire(RK_PRODUCER_FENCED));
	ck_assert(!asks_add(11, 0, TV2, 1, true));
	waits = false;
	ck_assert_int_eq(row[0].partition_error_code, rk_err_wire(RK_INVALID_PRODUCER_ID_MAPPING));
	ck_assert(!asks_add(10, 0, TV2, 2, false)); /* there already: nothing is written */
	waits = false;
	ck_assert_int_eq(row[1].partition_error_code, 0);
}
END_TEST

START_TEST(rows_of_the_answer_are_made_when_there_are_none)
{
	int32_t part[] = { 3, 1 };
	struct kp_add_partitions_to_txn_req_transactions_topics t = { rk_lit("t"), { part, 2 } };
	struct kp_add_partitions_to_txn_req_transactions q = { rk_lit("x"), 10, 0, false, { &t, 1 } };

	init();
	ask(TV2);
	memset(&added, 0, sizeof added);
	ck_assert(core_txn_add(shard(), &asker, &q, &added));
	go();
	ck_assert(told && added.topic_results.len == 1 && added.topic_results.at[0].results_by_partition.len == 2);
	ck_assert_int_eq(added.topic_results.at[0].results_by_partition.at[0].partition_index, 3);
	ck_assert_int_eq(added.topic_results.at[0].results_by_partition.at[0].partition_error_code, 0);
}
END_TEST

/* --- for people */
START_TEST(it_is_described_and_listed)
{
	struct kp_describe_transactions_res_transaction_states d = { 0 };
	struct kp_list_transactions_res_transaction_states l = { 0 };
	int64_t since;

	core_txn_describe(shard(), rk_lit("x"), &arena, &d);
	ck_assert_int_eq(d.error_code, rk_err_wire(RK_TRANSACTIONAL_ID_NOT_FOUND));
	init();
	add(10, 0, TV2, 2);
	d.error_code = 0;
	core_txn_describe(shard(), rk_lit("x"), &arena, &d);
	ck_assert(rk_str_is(d.transaction_state, "Ongoing") && d.producer_id == 10 && d.transaction_timeout_ms == MINUTE);
	ck_assert(d.topics.len == 1 && d.topics.at[0].partitions.len == 2 && rk_str_is(d.topics.at[0].topic, "t"));
	struct core_txn *t = core_txn_walk(shard(), NULL);
	ck_assert_ptr_eq(t, txn());
	ck_assert_ptr_null(core_txn_walk(shard(), t));
	core_txn_list(t, &arena, &l, &since);
	ck_assert(rk_str_is(l.transactional_id, "x") && rk_str_is(l.transaction_state, "Ongoing"));
	ck_assert_int_eq(since, d.transaction_start_time_ms);
}
END_TEST

int
main(void)
{
	const TTest *const claim[] = { a_new_transactional_id_gets_a_producer_id,
		without_producer_ids_the_client_comes_again, nothing_is_answered_before_it_is_stable,
		a_transaction_is_committed_with_markers_of_a_raised_epoch,
		markers_leave_when_the_decision_is_stable_and_not_before,
		a_transaction_is_complete_when_every_marker_is_written, who_adds_while_markers_are_written_waits_for_them,
		but_not_for_long, adds_that_come_together_are_one_record, who_waits_to_add_hears_that_the_coordinator_is_lost,
		an_EndTxn_sent_twice_is_answered_twice, before_version_2_the_epoch_stays,
		an_abort_may_come_with_nothing_in_it, a_groups_offsets_are_part_of_it_by_their_partition,
		a_leader_hears_which_partitions_are_in, rows_of_the_answer_are_made_when_there_are_none,
		it_is_described_and_listed };

	return broker_claims("core_txn", claim, rk_countof(claim), begin, over);
}
