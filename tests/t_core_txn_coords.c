/* t_core_txn_coords.c - claims about what outlives a coordinator of transactions, and about its time. */
#include "src/core/replica.h"
#include "tests/txn_help.h"

/* --- coordinators come and go */
START_TEST(a_prepared_transaction_is_completed_by_the_next_coordinator)
{
	init();
	add(10, 0, TV2, 2);
	end(10, 0, true, TV2);
	restart();
	ck_assert_ptr_nonnull(marked);
	ck_assert(marked->commit && marked->count == 2 && marked->left == 2 && marked->producer_epoch == 1);
	ck_assert(marked->transaction_version == 2);
	ck_assert_int_eq(init(), rk_err_wire(RK_CONCURRENT_TRANSACTIONS));
	write_markers();
	state_is(CORE_TXN_COMPLETE_COMMIT, 10, 1);
	restart();
	state_is(CORE_TXN_COMPLETE_COMMIT, 10, 1);
	ck_assert_ptr_null(marked);
}
END_TEST

START_TEST(an_ongoing_transaction_goes_on_at_the_next_coordinator)
{
	init();
	add(10, 0, TV2, 2);
	restart();
	state_is(CORE_TXN_ONGOING, 10, 0);
	ck_assert(core_txn_has(txn()->now.parts, rk_lit("t"), 1) && !core_txn_has(txn()->now.parts, rk_lit("t"), 2));
	ck_assert_int_eq(end(10, 0, true, TV2), 0);
	write_markers();
	state_is(CORE_TXN_COMPLETE_COMMIT, 10, 1);
}
END_TEST

START_TEST(a_lost_coordinator_takes_its_markers_back)
{
	init();
	add(10, 0, TV2, 1);
	end(10, 0, true, TV2);
	ck_assert_ptr_nonnull(marked);
	topic_gone(1);
	pass(1);
	ck_assert_ptr_null(marked);
	ck_assert_int_eq(unmarks, 1);
}
END_TEST

START_TEST(a_decision_that_outlives_its_shard_by_a_moment_marks_nothing)
{
	config_is("__transaction_state", "write.caching", "true"); /* what is written is committed at once */
	init();
	add(10, 0, TV2, 1);
	ck_assert(asks_end(10, 0, true, TV2));
	partition_is(1, 0, 2, (const int32_t[]){2}, 1, true);
	pass(1), go();
	ck_assert(told);
	ck_assert_ptr_null(marked);
	ck_assert_int_eq(marks, 0);
	partition_is(1, 0, 1, (const int32_t[]){1}, 1, true);
	go(), go();
	ck_assert(marked != NULL && marked->commit);
}
END_TEST

START_TEST(who_waits_hears_that_the_coordinator_is_lost)
{
	init();
	ck_assert(asks_add(10, 0, TV2, 1, false));
	topic_gone(1);
	go();
	ck_assert(told);
	ck_assert_int_eq(row[0].partition_error_code, rk_err_wire(RK_NOT_COORDINATOR));
}
END_TEST

START_TEST(who_is_gone_is_not_answered_but_its_wish_is_done)
{
	init();
	ck_assert(asks_add(10, 0, TV2, 1, false));
	core_txn_forget(&asker);
	go();
	ck_assert(!told);
	state_is(CORE_TXN_ONGOING, 10, 0);
}
END_TEST

START_TEST(a_refused_marker_leaves_the_transaction_to_the_next_coordinator)
{
	init();
	add(10, 0, TV2, 2);
	end(10, 0, true, TV2);
	core_marked(marked, 0, RK_TRANSACTION_COORDINATOR_FENCED);
	ck_assert_ptr_null(marked);
	go();
	state_is(CORE_TXN_PREPARE_COMMIT, 10, 1);
	ck_assert_int_eq(init(), rk_err_wire(RK_CONCURRENT_TRANSACTIONS));
	restart();
	write_markers();
	state_is(CORE_TXN_COMPLETE_COMMIT, 10, 1);
}
END_TEST

START_TEST(a_disk_that_fails_is_said)
{
	init();
	b.w.fail_sync = true;
	ck_assert_int_eq(add(10, 0, TV2, 1), rk_err_wire(RK_COORDINATOR_NOT_AVAILABLE));
}
END_TEST

/* --- what ends a producer: another node may lead, and grant it */
static struct core_partition *
with_another_replica(void)
{
	struct core_partition *p = core_shard_partition(shard());

	replicas_are(1, p->index, (const int32_t[]){1, 2}, 2);
	partition_is(1, p->index, 1, (const int32_t[]){1, 2}, 2, false);
	ck_assert_ptr_nonnull(p->set);
	return p;
}

static void
the_other_has_it_all(struct core_partition *p)
{
	ck_assert_int_eq(core_set_fetched(p, 2, -1, core_end(p), 0, 0), RK_OK);
	go();
}

START_TEST(a_refusal_for_good_waits_until_this_node_is_known_to_lead)
{
	init();
	ck_assert_int_eq(end(10, 0, true, TV2), rk_err_wire(RK_INVALID_TXN_STATE)); /* the only replica knows */
	struct core_partition *p = with_another_replica();
	ck_assert_int_eq(end(10, 0, true, TV2), WAITS);
	the_other_has_it_all(p);
	ck_assert(told);
	ck_assert_int_eq(ended.error_code, rk_err_wire(RK_INVALID_TXN_STATE));
	waits = false;
	ck_assert_int_eq(add(9, 0, TV2, 1), WAITS);
	the_other_has_it_all(p);
	ck_assert_int_eq(row[0].partition_error_code, rk_err_wire(RK_INVALID_PRODUCER_ID_MAPPING));
	waits = false;
	ck_assert_int_eq(init_as(9, 0), WAITS);
	the_other_has_it_all(p);
	ck_assert_int_eq(inited.error_code, rk_err_wire(RK_PRODUCER_FENCED));
	state_is(CORE_TXN_EMPTY, 10, 0);
}
END_TEST

START_TEST(a_coordinator_that_does_not_lead_any_more_refuses_nothing)
{
	init();
	struct core_partition *p = with_another_replica();
	ck_assert_int_eq(end(10, 0, true, TV2), WAITS);
	partition_is(1, p->index, 2, (const int32_t[]){1, 2}, 2, true);
	go();
	ck_assert(told);
	ck_assert_int_eq(ended.error_code, rk_err_wire(RK_NOT_COORDINATOR));
}
END_TEST

START_TEST(who_is_refused_and_gone_is_not_answered)
{
	init();
	struct core_partition *p = with_another_replica();
	ck_assert_int_eq(end(10, 0, true, TV2), WAITS);
	core_txn_forget(&asker);
	the_other_has_it_all(p);
	ck_assert(!told);
	waits = false;
	ck_assert_int_eq(end(10, 0, true, TV2), WAITS); /* and this one when the node ends: nobody is to be told */
}
END_TEST

/* --- time */
START_TEST(a_transaction_past_its_timeout_is_aborted)
{
	init();
	add(10, 0, TV2, 1);
	for (int i = 0; i < 5; i++)
		pass(10000), settle();
	ck_assert_ptr_null(marked);
	pass(10001), go();
	ck_assert(marked != NULL && !marked->commit && marked->producer_epoch == 1);
	write_markers();
	state_is(CORE_TXN_COMPLETE_ABORT, 10, 1);
	ck_assert_int_eq(add(10, 0, TV2, 1), rk_err_wire(RK_PRODUCER_FENCED));
	ck_assert_int_eq(end(10, 0, true, TV2), rk_err_wire(RK_INVALID_TXN_STATE));
	ck_assert_int_eq(end(10, 0, false, TV2), 0);
	ck_assert_int_eq(ended.producer_epoch, 1);
}
END_TEST

START_TEST(an_idle_coordinator_has_no_timer_for_transactions)
{
	init();
	struct core_txns *home = core_shard_state(shard());
	ck_assert_int_eq(home->late.at_ms, INT64_MAX);
	add(10, 0, TV2, 1);
	ck_assert_int_ne(home->late.at_ms, INT64_MAX);
	end(10, 0, true, TV2);
	write_markers();
	pass(10001);
	ck_assert_int_eq(home->late.at_ms, INT64_MAX);
}
END_TEST

START_TEST(an_id_that_nobody_uses_is_forgotten)
{
	init();
	for (int i = 0; i < 7 * 24 - 1; i++)
		pass(3600000);
	go();
	ck_assert_ptr_nonnull(txn());
	pass(3600000), pass(3600000);
	go();
	ck_assert_ptr_null(txn());
	restart();
	ck_assert_ptr_null(txn());
	ck_assert_int_eq(init(), 0);
	ck_assert_int_eq(inited.producer_id, 11);
}
END_TEST

int
main(void)
{
	const TTest *const claim[] = { a_prepared_transaction_is_completed_by_the_next_coordinator,
		an_ongoing_transaction_goes_on_at_the_next_coordinator, a_lost_coordinator_takes_its_markers_back,
		a_decision_that_outlives_its_shard_by_a_moment_marks_nothing, who_waits_hears_that_the_coordinator_is_lost,
		who_is_gone_is_not_answered_but_its_wish_is_done,
		a_refused_marker_leaves_the_transaction_to_the_next_coordinator, a_disk_that_fails_is_said,
		a_refusal_for_good_waits_until_this_node_is_known_to_lead,
		a_coordinator_that_does_not_lead_any_more_refuses_nothing, who_is_refused_and_gone_is_not_answered,
		a_transaction_past_its_timeout_is_aborted, an_idle_coordinator_has_no_timer_for_transactions,
		an_id_that_nobody_uses_is_forgotten };

	return broker_claims("core_txn_coords", claim, rk_countof(claim), begin, over);
}
