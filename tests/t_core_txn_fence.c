/* t_core_txn_fence.c - claims about epochs: whom a higher one shuts out, and what comes when they are used up. */
#include "tests/txn_help.h"

/* --- who is shut out */
START_TEST(a_second_producer_aborts_and_shuts_out_the_first)
{
	init();
	add(10, 0, TV2, 1);
	ck_assert_int_eq(init(), rk_err_wire(RK_CONCURRENT_TRANSACTIONS));
	ck_assert_int_eq(inited.producer_id, -1);
	ck_assert(marked != NULL && !marked->commit && marked->producer_epoch == 1);
	write_markers();
	ck_assert_int_eq(init(), 0);
	ck_assert_int_eq(inited.producer_epoch, 2);
	ck_assert_int_eq(add(10, 0, TV2, 1), rk_err_wire(RK_PRODUCER_FENCED));
	ck_assert_int_eq(end(10, 0, true, TV2), rk_err_wire(RK_PRODUCER_FENCED));
	ck_assert_int_eq(end(10, 0, true, 1), rk_err_wire(RK_INVALID_PRODUCER_EPOCH));
	ck_assert_int_eq(add(10, 0, 1, 1), rk_err_wire(RK_INVALID_PRODUCER_EPOCH));
	ck_assert_int_eq(add(9, 0, TV2, 1), rk_err_wire(RK_INVALID_PRODUCER_ID_MAPPING));
	ck_assert_int_eq(init_as(10, 0), rk_err_wire(RK_PRODUCER_FENCED));
}
END_TEST

START_TEST(under_version_1_a_fenced_epoch_is_not_raised_again)
{
	version_is(1);
	init();
	add(10, 0, TV0, 1);
	ck_assert_int_eq(init(), rk_err_wire(RK_CONCURRENT_TRANSACTIONS));
	ck_assert(marked->producer_epoch == 1 && marked->transaction_version == 0);
	write_markers();
	state_is(CORE_TXN_COMPLETE_ABORT, 10, 1);
	ck_assert_int_eq(init_as(10, 0), rk_err_wire(RK_PRODUCER_FENCED));
}
END_TEST

START_TEST(a_producer_may_go_on_with_its_id)
{
	init();
	ck_assert_int_eq(init_as(10, 0), 0);
	ck_assert_int_eq(inited.producer_epoch, 1);
	ck_assert_int_eq(init_as(10, 0), 0); /* the answer was lost */
	ck_assert_int_eq(inited.producer_epoch, 1);
	ck_assert_int_eq(init_as(10, 1), 0);
	ck_assert_int_eq(inited.producer_epoch, 2);
	ck_assert_int_eq(init_as(10, 0), rk_err_wire(RK_PRODUCER_FENCED));
	ck_assert_int_eq(init_as(11, 2), rk_err_wire(RK_PRODUCER_FENCED));
	ck_assert_int_eq(init_as(-2, 2), rk_err_wire(RK_PRODUCER_FENCED)); /* no id is an expectation, too */
	init();
	ck_assert_int_eq(init_as(10, 2), rk_err_wire(RK_PRODUCER_FENCED)); /* somebody else came in between */
}
END_TEST

/* --- epochs are used up */
static void
nearly_used_up(void)
{
	init();
	txn()->now.epoch = CORE_TXN_EPOCH_MAX;
}

START_TEST(a_used_up_producer_id_is_followed_by_another)
{
	nearly_used_up();
	ck_assert_int_eq(init_as(10, CORE_TXN_EPOCH_MAX - 1), -1);
	ck_assert_int_eq(init_as(10, CORE_TXN_EPOCH_MAX), 0);
	ck_assert_int_eq(inited.producer_id, 11);
	ck_assert_int_eq(inited.producer_epoch, 0);
	ck_assert_int_eq(init_as(10, CORE_TXN_EPOCH_MAX), 0); /* the answer was lost */
	ck_assert_int_eq(inited.producer_id, 11);
	ck_assert_int_eq(inited.producer_epoch, 0);
	ck_assert_int_eq(init_as(11, 0), 0);
	ck_assert_int_eq(inited.producer_epoch, 1);
	ck_assert_int_eq(init_as(10, CORE_TXN_EPOCH_MAX), rk_err_wire(RK_PRODUCER_FENCED));
}
END_TEST

START_TEST(the_last_epoch_ends_a_transaction_and_its_producer_id)
{
	nearly_used_up();
	add(10, CORE_TXN_EPOCH_MAX, TV2, 1);
	ck_assert_int_eq(end(10, CORE_TXN_EPOCH_MAX, true, TV2), 0);
	ck_assert_int_eq(ended.producer_id, 11);
	ck_assert_int_eq(ended.producer_epoch, 0);
	ck_assert(marked->producer_id == 10 && marked->producer_epoch == INT16_MAX);
	write_markers();
	state_is(CORE_TXN_COMPLETE_COMMIT, 11, 0);
	ck_assert_int_eq(end(10, CORE_TXN_EPOCH_MAX, true, TV2), 0); /* sent twice */
	ck_assert_int_eq(ended.producer_id, 11);
	ck_assert_int_eq(end(10, CORE_TXN_EPOCH_MAX, false, TV2), rk_err_wire(RK_INVALID_TXN_STATE));
	ck_assert_int_eq(add(10, CORE_TXN_EPOCH_MAX, TV2, 1), rk_err_wire(RK_INVALID_PRODUCER_ID_MAPPING));
	ck_assert_int_eq(add(11, 0, TV2, 1), 0);
	ck_assert_int_eq(txn()->now.previous_id, 11);
}
END_TEST

START_TEST(an_epoch_that_nobody_was_given_ends_nothing)
{
	init();
	txn()->now.epoch = INT16_MAX; /* a coordinator of version 1 leaves it, when it shuts a producer out */
	ck_assert_int_eq(add(10, INT16_MAX, TV2, 1), 0);
	ck_assert_int_eq(end(10, INT16_MAX, true, TV2), -1);
	ck_assert_int_eq(init(), -1);
	ck_assert_int_eq(end(10, INT16_MAX, true, TV0), 0);
	write_markers();
	ck_assert_int_eq(init(), 0);
	ck_assert_int_eq(inited.producer_id, 11);
}
END_TEST

START_TEST(a_next_producer_id_outlives_the_coordinator)
{
	nearly_used_up();
	add(10, CORE_TXN_EPOCH_MAX, TV2, 1);
	end(10, CORE_TXN_EPOCH_MAX, false, TV2);
	restart();
	ck_assert(marked != NULL && marked->producer_id == 10 && marked->producer_epoch == INT16_MAX && !marked->commit);
	write_markers();
	state_is(CORE_TXN_COMPLETE_ABORT, 11, 0);
}
END_TEST

int
main(void)
{
	const TTest *const claim[] = { a_second_producer_aborts_and_shuts_out_the_first,
		under_version_1_a_fenced_epoch_is_not_raised_again, a_producer_may_go_on_with_its_id,
		a_used_up_producer_id_is_followed_by_another, the_last_epoch_ends_a_transaction_and_its_producer_id,
		an_epoch_that_nobody_was_given_ends_nothing, a_next_producer_id_outlives_the_coordinator };

	return broker_claims("core_txn_fence", claim, rk_countof(claim), begin, over);
}
