/* t_core_mark.c - claims about markers, and about batches that must be verified before they are appended. */
#include "protocol/gen/write_txn_markers.h"
#include "src/core/mark.h"
#include "tests/replica_help.h"

enum { COMMIT = 1, ABORT = 0 };

static const int32_t pair[] = { 1, 2 }, only[] = { 1 };
static struct core_marks marks;
static struct kp_write_txn_markers_res res;
static int answers;
static bool hurried;

static void
done(struct core_marks *m)
{
	ck_assert_ptr_eq(m, &marks);
	answers++;
}

/* One marker for one partition, as a coordinator of that epoch sends it; true: the answer comes later. */
static bool
mark_as(const char *topic, int64_t producer, int16_t epoch, bool commit, int32_t coordinator, int8_t version)
{
	static struct kp_write_txn_markers_req_markers_topics t;
	static struct kp_write_txn_markers_req_markers one;
	static int32_t index;
	struct kp_write_txn_markers_req q = { .markers = { .at = &one, .len = 1 } };

	t.name = rk_str_of(topic);
	t.partition_indexes.at = &index;
	t.partition_indexes.len = 1;
	one.producer_id = producer;
	one.producer_epoch = epoch;
	one.transaction_result = commit;
	one.coordinator_epoch = coordinator;
	one.transaction_version = version;
	one.topics.at = &t;
	one.topics.len = 1;
	marks = (struct core_marks){ .done = done, .arena = &b.arena, .hurried = hurried };
	res = (struct kp_write_txn_markers_res){ 0 };
	answers = 0;
	return core_marks_write(b.core, &marks, &q, &res);
}

static enum rk_err
row(void)
{
	ck_assert_int_eq(res.markers.len, 1);
	ck_assert_int_eq(res.markers.at[0].topics.len, 1);
	ck_assert_int_eq(res.markers.at[0].topics.at[0].partitions.len, 1);
	return rk_err_of_wire(res.markers.at[0].topics.at[0].partitions.at[0].error_code);
}

static enum rk_err
mark(int64_t producer, int16_t epoch, bool commit)
{
	bool later = mark_as("t", producer, epoch, commit, 0, 0);

	settle();
	ck_assert_int_eq(answers, later);
	return row();
}

/* --- batches of a transaction */
static uint64_t guard;

static struct core_intent
intent(int64_t producer, int16_t epoch, int32_t seq, bool adds)
{
	return (struct core_intent){ producer, epoch, seq, adds };
}

static uint64_t
ask(int64_t producer, int16_t epoch, int32_t seq, bool adds)
{
	struct core_intent x = intent(producer, epoch, seq, adds);

	ck_assert_int_eq(core_unverified(part("t", 0), &x, &guard), RK_OK);
	return guard;
}

/* The batch as Produce appends it, with the guard of its question. */
static enum rk_err
add(int64_t producer, int16_t epoch, int32_t seq, bool adds, uint64_t with)
{
	struct core_append a = { .acks = -1, .arena = &b.arena, .wall_ms = b.w.wall_ms, .transactional = true,
		.adds = adds, .guard = with };
	struct kp_build w;

	kp_build_start(&w, &b.arena, 0, KP_ATTR_TXN, b.w.wall_ms);
	kp_build_add(&w, b.w.wall_ms, rk_lit("k"), rk_lit("v"));
	struct rk_str batch = kp_build_end(&w, -1, producer, epoch, seq);
	a.at = (uint8_t *)(uintptr_t)batch.at;
	a.len = batch.len;
	core_append(part("t", 0), &a);
	return a.err;
}

static void
begin(void)
{
	pair_begin();
	topic_of("t", 1, 1, only, 1);
	hurried = false;
}

START_TEST(a_marker_is_the_bytes_that_Kafka_writes)
{
	struct rk_str got;

	mark_as("t", 7, 3, true, 5, 1);
	settle();
	ck_assert_int_eq(row(), RK_OK);
	got = all_of(part("t", 0));
	ck_assert_int_eq(got.len, KP_BATCH_HEAD + 17);
	ck_assert_int_eq(kp_batch_attr(got.at), 0x30);
	ck_assert_int_eq(kp_batch_producer(got.at), 7);
	ck_assert_int_eq(kp_batch_producer_epoch(got.at), 3);
	ck_assert_int_eq(kp_batch_sequence(got.at), -1);
	ck_assert_int_eq(kp_batch_epoch(got.at), 0); /* the leader's */
	static const uint8_t record[] = { 32, 0, 0, 0, 8, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0, 5, 0 };
	ck_assert_mem_eq(got.at + KP_BATCH_HEAD, record, sizeof record);
}
END_TEST

START_TEST(a_marker_ends_the_transaction_for_readers_when_it_is_committed)
{
	struct core_partition *p = part("t", 0);
	struct st_aborted *gone;
	uint32_t count;

	ck_assert_int_eq(add(7, 0, 0, false, ask(7, 0, 0, false)), RK_OK);
	ck_assert_int_eq(add(7, 0, 1, false, 0), RK_OK);
	settle();
	ck_assert_int_eq(p->high, 2);
	ck_assert_int_eq(core_stable(p), 0);
	ck_assert(mark_as("t", 7, 0, false, 0, 0));
	ck_assert_int_eq(core_stable(p), 0);
	ck_assert_int_eq(answers, 0);
	settle();
	ck_assert_int_eq(answers, 1);
	ck_assert_int_eq(row(), RK_OK);
	ck_assert_int_eq(core_stable(p), 3);
	ck_assert_int_eq(st_log_aborted(p->log, 0, 3, &b.arena, &gone, &count), RK_OK);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(gone[0].first, 0);
	ck_assert_int_eq(gone[0].last, 2);
}
END_TEST

START_TEST(a_producer_that_is_not_known_may_be_marked)
{
	ck_assert_int_eq(mark(99, 0, ABORT), RK_OK);
	ck_assert_int_eq(core_end(part("t", 0)), 1);
}
END_TEST

START_TEST(where_it_is_not_led_a_row_says_so)
{
	ck_assert(!mark_as("nowhere", 7, 0, true, 0, 0));
	ck_assert_int_eq(row(), RK_UNKNOWN_TOPIC_OR_PARTITION);
	topic_of("theirs", 2, 1, (const int32_t[]){ 2 }, 1); /* no replica of it here */
	ck_assert(!mark_as("theirs", 7, 0, true, 0, 0));
	ck_assert_int_eq(row(), RK_UNKNOWN_TOPIC_OR_PARTITION);
	topic_of("followed", 3, 1, (const int32_t[]){ 2, 1 }, 2);
	ck_assert(!mark_as("followed", 7, 0, true, 0, 0));
	ck_assert_int_eq(row(), RK_NOT_LEADER_OR_FOLLOWER);
}
END_TEST

START_TEST(an_older_coordinator_and_an_older_epoch_are_fenced)
{
	mark_as("t", 7, 1, true, 5, 1);
	settle();
	mark_as("t", 7, 1, true, 4, 1);
	ck_assert_int_eq(row(), RK_TRANSACTION_COORDINATOR_FENCED);
	ck_assert_int_eq(mark(7, 0, COMMIT), RK_INVALID_PRODUCER_EPOCH);
	ck_assert_int_eq(core_end(part("t", 0)), 1);
}
END_TEST

START_TEST(a_marker_that_the_coordinator_sends_again_is_taken_again)
{
	ck_assert_int_eq(add(7, 0, 0, false, ask(7, 0, 0, false)), RK_OK);
	ck_assert_int_eq(mark(7, 0, COMMIT), RK_OK);
	ck_assert_int_eq(mark(7, 0, COMMIT), RK_OK);
	ck_assert_int_eq(core_stable(part("t", 0)), 3);
}
END_TEST

START_TEST(with_version_2_a_marker_is_an_epoch_above_its_data)
{
	ck_assert_int_eq(add(7, 5, 0, true, ask(7, 5, 0, true)), RK_OK);
	mark_as("t", 7, 5, true, 0, 2);
	ck_assert_int_eq(row(), RK_INVALID_PRODUCER_EPOCH);
	mark_as("t", 7, 6, true, 0, 2);
	ck_assert_int_eq(row(), RK_OK);
	settle();
	mark_as("t", 7, 6, true, 0, 2); /* sent again */
	ck_assert_int_eq(row(), RK_OK);
	settle();
	ck_assert_int_eq(core_end(part("t", 0)), 3);
	ck_assert_int_eq(add(7, 6, 0, true, ask(7, 6, 0, true)), RK_OK);
	mark_as("t", 7, 6, true, 0, 2); /* and once more, late: it must not end the next transaction */
	ck_assert_int_eq(row(), RK_INVALID_PRODUCER_EPOCH);
	ck_assert_int_eq(core_stable(part("t", 0)), 3);
}
END_TEST

START_TEST(a_marker_of_nobody_is_an_error)
{
	ck_assert(!mark_as("t", -1, 0, true, 0, 1));
	ck_assert_int_eq(row(), RK_UNKNOWN_SERVER_ERROR);
	ck_assert(!mark_as("t", 7, -1, true, 0, 1));
	ck_assert_int_eq(row(), RK_UNKNOWN_SERVER_ERROR);
}
END_TEST

START_TEST(a_marker_waits_for_the_replicas)
{
	topic_of("both", 4, 1, pair, 2);
	ck_assert(mark_as("both", 7, 0, true, 0, 0));
	settle();
	ck_assert_int_eq(answers, 0);
	flow();
	ck_assert_int_eq(answers, 1);
	ck_assert_int_eq(row(), RK_OK);
}
END_TEST

START_TEST(replicas_that_do_not_come_make_it_time_out)
{
	topic_of("both", 4, 1, pair, 2);
	ck_assert(mark_as("both", 7, 0, true, 0, 0));
	pass(b.core->conf->request_timeout_ms - 1);
	ck_assert_int_eq(answers, 0);
	pass(1);
	ck_assert_int_eq(answers, 1);
	ck_assert_int_eq(row(), RK_REQUEST_TIMED_OUT);
}
END_TEST

START_TEST(a_coordinator_is_told_soon_that_a_marker_waits)
{
	topic_of("both", 4, 1, pair, 2);
	hurried = true;
	ck_assert(mark_as("both", 7, 0, true, 0, 0));
	pass(CORE_MARKS_HURRY_MS - 1);
	ck_assert_int_eq(answers, 0);
	pass(1);
	ck_assert_int_eq(answers, 1);
	ck_assert_int_eq(row(), RK_REQUEST_TIMED_OUT);
	ck_assert_int_eq(core_end(part("both", 0)), 1);
}
END_TEST

START_TEST(a_marker_that_waits_and_comes_again_is_not_appended_again)
{
	topic_of("both", 4, 1, pair, 2);
	hurried = true;
	for (int i = 0; i < 3; i++) {
		ck_assert(mark_as("both", 7, 0, true, 0, 2));
		pass(CORE_MARKS_HURRY_MS);
		ck_assert_int_eq(row(), RK_REQUEST_TIMED_OUT);
	}
	ck_assert(mark_as("both", 8, 0, true, 0, 2));
	core_marks_forget(&marks);
	ck_assert_int_eq(core_end(part("both", 0)), 2);
	ck_assert(mark_as("both", 7, 0, true, 0, 2));
	ck_assert_int_eq(core_end(part("both", 0)), 2);
	flow();
	ck_assert_int_eq(answers, 1);
	ck_assert_int_eq(row(), RK_OK);
	ck_assert(mark_as("both", 7, 0, true, 0, 2)); /* that one is over: this is another, for all that is known */
	ck_assert_int_eq(core_end(part("both", 0)), 3);
	core_marks_forget(&marks);
}
END_TEST

START_TEST(what_differs_from_a_marker_that_waits_is_another)
{
	topic_of("both", 4, 1, pair, 2);
	hurried = true;
	ck_assert(mark_as("both", 7, 0, true, 0, 2)), core_marks_forget(&marks);
	ck_assert(mark_as("both", 7, 0, true, 1, 2)), core_marks_forget(&marks);
	ck_assert_int_eq(core_end(part("both", 0)), 2);
	ck_assert(mark_as("both", 7, 1, true, 1, 2)), core_marks_forget(&marks);
	ck_assert_int_eq(core_end(part("both", 0)), 3);
	ck_assert(mark_as("both", 7, 1, false, 1, 2)), core_marks_forget(&marks);
	ck_assert_int_eq(core_end(part("both", 0)), 4);
}
END_TEST

START_TEST(whoever_forgets_it_is_not_told)
{
	ck_assert(mark_as("t", 7, 0, true, 0, 0));
	core_marks_forget(&marks);
	settle();
	ck_assert_int_eq(answers, 0);
	ck_assert_int_eq(part("t", 0)->high, 1);
}
END_TEST

START_TEST(a_followers_producers_end_their_transaction_with_the_leaders)
{
	topic_of("t2", 5, 1, pair, 2);
	struct core_append a = { .acks = -1, .own = true, .arena = &b.arena, .wall_ms = b.w.wall_ms };
	struct kp_build w;
	kp_build_start(&w, &b.arena, 0, KP_ATTR_TXN, b.w.wall_ms);
	kp_build_add(&w, b.w.wall_ms, rk_lit("k"), rk_lit("v"));
	struct rk_str batch = kp_build_end(&w, -1, 7, 0, 0);
	a.at = (uint8_t *)(uintptr_t)batch.at;
	a.len = batch.len;
	core_append(part("t2", 0), &a);
	ck_assert_int_eq(a.err, RK_OK);
	settle();
	flow();
	struct core_partition *f = other("t2", 0);
	ck_assert_int_eq(st_producers_get(st_log_producers(f->log), 7)->txn_first, 0);
	ck_assert(mark_as("t2", 7, 1, false, 3, 2));
	settle();
	flow();
	const struct st_producer *s = st_producers_get(st_log_producers(f->log), 7);
	ck_assert_int_eq(s->txn_first, -1);
	ck_assert_int_eq(s->epoch, 1);
	ck_assert_int_eq(s->coordinator_epoch, 3);
	struct st_aborted *gone;
	uint32_t count;
	ck_assert_int_eq(st_log_aborted(f->log, 0, 2, &b.arena, &gone, &count), RK_OK);
	ck_assert_uint_eq(count, 1);
}
END_TEST

/* --- verification */
START_TEST(the_first_batch_of_a_transaction_wants_a_guard_the_next_ones_none)
{
	ck_assert_int_eq(add(7, 0, 0, false, 0), RK_INVALID_TXN_STATE);
	uint64_t g = ask(7, 0, 0, false);
	ck_assert_uint_ne(g, 0);
	ck_assert_uint_eq(ask(7, 0, 1, false), g); /* a second question shares it */
	ck_assert_int_eq(add(7, 0, 0, false, g + 1), RK_INVALID_TXN_STATE);
	ck_assert_int_eq(add(7, 0, 0, false, g), RK_OK);
	ck_assert_uint_eq(ask(7, 0, 1, false), 0);
	ck_assert_int_eq(add(7, 0, 1, false, 0), RK_OK);
	ck_assert_int_eq(mark(7, 0, COMMIT), RK_OK);
	ck_assert_uint_ne(ask(7, 0, 2, false), 0); /* the next transaction */
	ck_assert_int_eq(add(7, 0, 2, false, 0), RK_INVALID_TXN_STATE);
}
END_TEST

START_TEST(a_marker_between_question_and_append_takes_the_guard_away)
{
	uint64_t old = ask(7, 0, 0, false);

	ck_assert_int_eq(mark(7, 0, ABORT), RK_OK);
	ck_assert_int_eq(add(7, 0, 0, false, old), RK_INVALID_TXN_STATE);
	ck_assert_uint_ne(ask(7, 0, 0, false), old); /* nor is the next question's the same */
	ck_assert_int_eq(add(7, 0, 0, false, old), RK_INVALID_TXN_STATE);
	ck_assert_int_eq(add(7, 0, 0, false, guard), RK_OK);
}
END_TEST

START_TEST(the_question_of_the_next_transaction_outlives_the_marker_of_the_last)
{
	ck_assert_int_eq(add(7, 0, 0, true, ask(7, 0, 0, true)), RK_OK);
	uint64_t next = ask(7, 1, 0, true); /* EndTxn is answered, its markers are still to come */
	ck_assert_uint_ne(next, 0);
	mark_as("t", 7, 1, COMMIT, 0, 2);
	settle();
	ck_assert_int_eq(row(), RK_OK);
	ck_assert_int_eq(add(7, 1, 0, true, next), RK_OK);
	mark_as("t", 7, 2, ABORT, 0, 2);
	settle();
	ck_assert_int_eq(add(7, 1, 1, true, next), RK_INVALID_TXN_STATE);
	uint64_t late = ask(7, 2, 0, true);
	mark_as("t", 7, 3, ABORT, 0, 2); /* its own: it was too slow */
	settle();
	ck_assert_int_ne(add(7, 2, 0, true, late), RK_OK);
	ck_assert_ptr_null(part("t", 0)->guards);
}
END_TEST

START_TEST(what_overtook_an_earlier_batch_is_out_of_order)
{
	ask(7, 0, 3, false);
	ck_assert_int_eq(add(7, 0, 5, false, ask(7, 0, 5, false)), RK_OUT_OF_ORDER_SEQUENCE_NUMBER);
	ck_assert_int_eq(add(7, 0, 3, false, guard), RK_OK);
}
END_TEST

START_TEST(with_version_2_an_unknown_producer_begins_at_0)
{
	ck_assert_int_eq(add(7, 0, 3, true, ask(7, 0, 3, true)), RK_OUT_OF_ORDER_SEQUENCE_NUMBER);
	ck_assert_int_eq(add(8, 0, 3, false, ask(8, 0, 3, false)), RK_OK);
	ck_assert_int_eq(add(9, 0, 0, true, ask(9, 0, 0, true)), RK_OK);
}
END_TEST

START_TEST(nobody_is_asked_about_a_zombie)
{
	struct core_intent x = intent(7, 3, 0, true);

	ck_assert_int_eq(mark(7, 4, ABORT), RK_OK);
	ck_assert_int_eq(core_unverified(part("t", 0), &x, &guard), RK_INVALID_PRODUCER_EPOCH);
	ck_assert_ptr_null(part("t", 0)->guards);
}
END_TEST

START_TEST(without_verification_nothing_is_asked_but_what_adds)
{
	t_conf->transaction_partition_verification_enable = false;
	ck_assert_uint_eq(ask(7, 0, 0, false), 0);
	ck_assert_uint_ne(ask(7, 0, 0, true), 0);
	ck_assert_int_eq(add(7, 0, 0, false, 0), RK_OK);
}
END_TEST

START_TEST(a_batch_that_is_there_already_is_answered_without_a_question)
{
	ck_assert_int_eq(add(7, 0, 0, false, ask(7, 0, 0, false)), RK_OK);
	ck_assert_int_eq(mark(7, 0, COMMIT), RK_OK);
	ck_assert_int_eq(add(7, 0, 0, false, 0), RK_OK);
	ck_assert_int_eq(core_end(part("t", 0)), 2);
}
END_TEST

START_TEST(guards_go_with_leadership_and_with_time)
{
	ask(7, 0, 0, false);
	ck_assert_ptr_nonnull(part("t", 0)->guards);
	core_guards_expire(part("t", 0), b.w.now_ms + 99, 100);
	ck_assert_ptr_nonnull(part("t", 0)->guards);
	core_guards_expire(part("t", 0), b.w.now_ms + 100, 100);
	ck_assert_ptr_null(part("t", 0)->guards);
	ask(7, 0, 0, false);
	partition_is(1, 0, 2, (const int32_t[]){ 2 }, 1, true);
	ck_assert_ptr_null(part("t", 0)->guards);
	struct core_intent x = intent(7, 0, 0, false);
	ck_assert_int_eq(core_unverified(part("t", 0), &x, &guard), RK_NOT_LEADER_OR_FOLLOWER);
}
END_TEST

START_TEST(however_many_producers_ask_the_memory_has_a_bound)
{
	for (int i = 0; i < 10000; i++)
		ask(i, 0, 0, false);
	ck_assert_int_eq(add(0, 0, 0, false, 1), RK_INVALID_TXN_STATE); /* forgotten: it asks again */
	ck_assert_int_eq(add(9999, 0, 0, false, guard), RK_OK);
}
END_TEST

START_TEST(an_open_transaction_is_known_after_a_crash)
{
	for (int32_t i = 0; i < 5; i++)
		ck_assert_int_eq(add(7, 0, i, false, ask(7, 0, i, false)), RK_OK);
	settle();
	broker_crash();
	settle();
	ck_assert_int_eq(core_stable(part("t", 0)), 0);
	ck_assert_uint_eq(ask(7, 0, 5, false), 0);
	ck_assert_int_eq(add(7, 0, 1, false, 0), RK_OK); /* one of the five */
	ck_assert_int_eq(add(7, 0, 5, false, 0), RK_OK);
	ck_assert_int_eq(core_end(part("t", 0)), 6);
	ck_assert_int_eq(mark(7, 0, COMMIT), RK_OK);
	ck_assert_int_eq(core_stable(part("t", 0)), 7);
}
END_TEST

int
main(void)
{
	const TTest *const claim[] = { a_marker_is_the_bytes_that_Kafka_writes,
		a_marker_ends_the_transaction_for_readers_when_it_is_committed, a_producer_that_is_not_known_may_be_marked,
		where_it_is_not_led_a_row_says_so, an_older_coordinator_and_an_older_epoch_are_fenced,
		a_marker_that_the_coordinator_sends_again_is_taken_again,
		with_version_2_a_marker_is_an_epoch_above_its_data, a_marker_of_nobody_is_an_error, a_marker_waits_for_the_replicas,
		replicas_that_do_not_come_make_it_time_out, a_coordinator_is_told_soon_that_a_marker_waits,
		a_marker_that_waits_and_comes_again_is_not_appended_again, what_differs_from_a_marker_that_waits_is_another,
		whoever_forgets_it_is_not_told,
		a_followers_producers_end_their_transaction_with_the_leaders,
		the_first_batch_of_a_transaction_wants_a_guard_the_next_ones_none,
		a_marker_between_question_and_append_takes_the_guard_away,
		the_question_of_the_next_transaction_outlives_the_marker_of_the_last, what_overtook_an_earlier_batch_is_out_of_order,
		with_version_2_an_unknown_producer_begins_at_0, nobody_is_asked_about_a_zombie,
		without_verification_nothing_is_asked_but_what_adds,
		a_batch_that_is_there_already_is_answered_without_a_question, guards_go_with_leadership_and_with_time,
		however_many_producers_ask_the_memory_has_a_bound, an_open_transaction_is_known_after_a_crash };

	return broker_claims("core_mark", claim, rk_countof(claim), begin, pair_end);
}
