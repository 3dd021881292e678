/* t_core_follow.c - claims about a follower and its leader: two brokers, and what passes between them. */
#include "tests/replica_help.h"

static const int32_t both[] = {1, 2}, only_1[] = {1}, only_2[] = {2};

static void
begin(void)
{
	pair_begin();
	topic_of("t", 1, 2, both, 2);
	flow();
}

static void
same(int32_t index)
{
	struct rk_str a = all_of(part("t", index)), c = all_of(other("t", index));

	ck_assert_int_eq(a.len, c.len);
	ck_assert_int_eq(memcmp(a.at, c.at, (size_t)a.len), 0);
}

START_TEST(what_the_leader_takes_its_follower_has)
{
	struct core_append a = put(part("t", 0), batch_of(3, b.w.wall_ms));

	ck_assert_int_eq(a.err, RK_OK);
	settle();
	ck_assert_int_eq(part("t", 0)->high, 0); /* the follower has not said that it has them */
	flow();
	ck_assert_int_eq(core_end(other("t", 0)), 3);
	ck_assert_int_eq(part("t", 0)->high, 3);
	same(0);
	both_pass(600);
	ck_assert_int_eq(other("t", 0)->high, 3);
}
END_TEST

START_TEST(an_acknowledgement_waits_for_the_followers_disk)
{
	struct core_append a = put(part("t", 0), batch_of(3, b.w.wall_ms));

	settle();
	carry(&o); /* the waiting fetch brings them */
	ck_assert_int_eq(core_end(other("t", 0)), 3);
	ck_assert(!carry(&o)); /* and no further one leaves before they are on the disk */
	ck_assert(!core_acked(part("t", 0), &a));
	other_settle();
	carry(&o);
	settle();
	ck_assert(core_acked(part("t", 0), &a));
}
END_TEST

START_TEST(a_leader_that_becomes_a_follower_tells_only_of_what_its_disk_has)
{
	put(part("t", 0), batch_of(3, b.w.wall_ms));
	core_flush(b.core); /* the sync has begun, and has not come back */
	carry(&o);
	other_settle();
	partition_is(1, 0, 2, both, 2, true); /* the follower takes over, with all of it */
	core_flush(b.core);
	ck_assert(!carry(&b));
	ck_assert_int_eq(other("t", 0)->high, 0);
	settle();
	flow();
	both_pass(100);
	ck_assert_int_eq(other("t", 0)->high, 3);
}
END_TEST

START_TEST(with_write_caching_nobody_waits_for_a_disk)
{
	config_is("t", "write.caching", "true");
	struct core_append a = put(part("t", 0), batch_of(3, b.w.wall_ms));

	core_flush(b.core);
	ck_assert(!core_acked(part("t", 0), &a));
	carry(&o);
	carry(&o);
	ck_assert(core_acked(part("t", 0), &a));
}
END_TEST

START_TEST(an_idle_source_names_nothing)
{
	both_pass(2000);
	uint32_t before = carried;
	both_pass(5000);
	ck_assert_uint_le(carried - before, 12);
	ck_assert_uint_ge(carried - before, 8);
	ck_assert_uint_eq(named, 0);
}
END_TEST

START_TEST(a_thousand_batches_arrive_in_order)
{
	for (int i = 0; i < 1000; i++) {
		put(part("t", i % 2), batch_of(1 + i % 5, b.w.wall_ms + i));
		if (i % 7 == 0)
			flow();
	}
	flow();
	same(0);
	same(1);
	ck_assert_int_eq(part("t", 0)->high, core_end(part("t", 0)));
}
END_TEST

START_TEST(a_new_leader_goes_on_where_the_old_one_was)
{
	put(part("t", 0), batch_of(3, b.w.wall_ms));
	flow();
	both_pass(600);
	partition_is(1, 0, 2, both, 2, true);
	ck_assert(!part("t", 0)->leads && other("t", 0)->leads);
	ck_assert_int_eq(other("t", 0)->high, 3);
	ck_assert_int_eq(put(part("t", 0), batch_of(1, 1000)).err, RK_NOT_LEADER_OR_FOLLOWER);
	struct core_append a = put(other("t", 0), batch_of(2, b.w.wall_ms));
	ck_assert_int_eq(a.base_offset, 3);
	flow();
	both_pass(100);
	ck_assert_int_eq(core_end(part("t", 0)), 5);
	ck_assert_int_eq(other("t", 0)->high, 5);
	same(0);
}
END_TEST

START_TEST(records_that_nobody_else_had_are_cut_off)
{
	put(part("t", 0), batch_of(3, b.w.wall_ms));
	flow();
	put(part("t", 0), batch_of(4, b.w.wall_ms)); /* never fetched */
	settle();
	partition_is(1, 0, 2, both, 2, true);
	put(other("t", 0), batch_of(1, b.w.wall_ms));
	flow();
	both_pass(100);
	ck_assert_int_eq(core_end(part("t", 0)), 4);
	same(0);
	ck_assert_int_eq(other("t", 0)->high, 4);
}
END_TEST

/* Node 2 leads for a while, and nobody hears of what it takes: a batch of so many records, and one of more when that is
 * not 0. */
static void
unheard(int32_t records, int32_t more)
{
	partition_is(1, 0, 2, both, 2, true);
	put(other("t", 0), batch_of(records, b.w.wall_ms));
	if (more > 0)
		put(other("t", 0), batch_of(more, b.w.wall_ms));
	other_settle();
}

START_TEST(epochs_that_only_one_side_knows_are_walked_back)
{
	/* 1 writes in epochs 0 and 2 alone, 2 in epoch 1 alone. */
	put(part("t", 0), batch_of(2, b.w.wall_ms));
	flow();
	put(part("t", 0), batch_of(5, b.w.wall_ms));
	settle();
	unheard(3, 0);
	partition_is(1, 0, 1, both, 2, true);
	put(part("t", 0), batch_of(1, b.w.wall_ms));
	flow();
	both_pass(100);
	same(0);
	ck_assert_int_eq(core_end(other("t", 0)), 8);
}
END_TEST

START_TEST(later_epochs_alone_are_cut_off_though_the_leader_has_as_many)
{
	put(part("t", 0), batch_of(7, b.w.wall_ms)); /* of epoch 0, and nobody hears of it */
	settle();
	unheard(3, 4); /* likewise of epoch 1 */
	ck_assert_int_eq(core_end(other("t", 0)), 7);
	partition_is(1, 0, 1, both, 2, true);
	flow();
	both_pass(200);
	same(0);
	ck_assert_int_eq(part("t", 0)->high, 7);
}
END_TEST

START_TEST(who_cut_its_log_hears_the_high_watermark_although_it_does_not_move)
{
	put(part("t", 0), batch_of(5, b.w.wall_ms));
	flow();
	unheard(2, 0);
	partition_is(1, 0, 1, both, 2, true);
	other("t", 0)->high = 0; /* as after a power cut */
	flow();
	both_pass(1000);
	same(0);
	ck_assert_int_eq(other("t", 0)->high, 5);
}
END_TEST

START_TEST(a_cut_below_the_high_watermark_is_made_and_said)
{
	put(part("t", 0), batch_of(5, b.w.wall_ms));
	flow();
	both_pass(600);
	ck_assert_int_eq(other("t", 0)->high, 5);
	/* Node 1 has lost its records, and leads all the same. */
	partition_is(1, 0, 2, both, 2, true);
	part("t", 0)->high = 2;
	ck_assert_int_eq(st_log_truncate(part("t", 0)->log, 0), RK_OK);
	part("t", 0)->high = 0;
	partition_is(1, 0, 1, both, 2, true);
	put(part("t", 0), batch_of(2, b.w.wall_ms));
	flow();
	both_pass(300);
	same(0);
	ck_assert_int_eq(core_end(other("t", 0)), 2);
	ck_assert_int_le(other("t", 0)->high, 2);
}
END_TEST

START_TEST(a_follower_that_comes_late_starts_where_the_leaders_log_does)
{
	int64_t low;

	partition_is(1, 0, 1, only_1, 1, false);
	replicas_are(1, 0, only_1, 1);
	put(part("t", 0), batch_of(5, b.w.wall_ms));
	settle();
	put(part("t", 0), batch_of(5, b.w.wall_ms));
	settle();
	ck_assert_int_eq(core_delete_records(part("t", 0), 5, &low), RK_OK);
	replicas_are(1, 0, both, 2);
	flow();
	both_pass(1500);
	ck_assert_int_eq(core_start(other("t", 0)), 5);
	ck_assert_int_eq(core_end(other("t", 0)), 10);
	same(0);
	ck_assert(core_set_find(part("t", 0)->set, 2)->wanted);
}
END_TEST

START_TEST(a_replica_that_is_moved_away_leaves_no_folder)
{
	put(part("t", 0), batch_of(5, b.w.wall_ms));
	flow();
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/t-0", o.path);
	ck_assert_int_eq(access(path, F_OK), 0);
	partition_is(1, 0, 1, only_1, 1, false);
	replicas_are(1, 0, only_1, 1);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_ptr_null(core_partition(core_topic_named(o.core, rk_lit("t")), 0));
	put(part("t", 0), batch_of(1, b.w.wall_ms));
	flow();
	ck_assert_int_eq(part("t", 0)->high, 6);
}
END_TEST

START_TEST(deleted_records_go_at_the_follower_too)
{
	int64_t low;

	put(part("t", 0), batch_of(5, b.w.wall_ms));
	flow();
	both_pass(600);
	ck_assert_int_eq(core_delete_records(part("t", 0), 4, &low), RK_OK);
	ck_assert_int_eq(low, 4);
	ck_assert_int_eq(core_set_low(part("t", 0)), 0);
	both_pass(200);
	ck_assert_int_eq(core_start(other("t", 0)), 4);
	ck_assert_int_eq(core_set_low(part("t", 0)), 4);
}
END_TEST

START_TEST(a_follower_that_crashes_goes_on_from_what_it_kept)
{
	put(part("t", 0), batch_of(5, b.w.wall_ms));
	flow();
	other_crash();
	put(part("t", 0), batch_of(2, b.w.wall_ms));
	flow();
	both_pass(200);
	same(0);
	ck_assert_int_eq(part("t", 0)->high, 7);
}
END_TEST

START_TEST(a_leader_without_its_session_is_named_everything_anew)
{
	put(part("t", 0), batch_of(5, b.w.wall_ms));
	flow();
	core_fetchers_wake_all(b.core);
	flow();
	for (int i = 0; i < 2; i++) { /* the leader forgets all sessions */
		core_fetchers_wake_all(b.core);
		carry(&o);
	}
	both_pass(600);
	put(part("t", 1), batch_of(1, b.w.wall_ms));
	flow();
	ck_assert_int_eq(part("t", 1)->high, 1);
}
END_TEST

START_TEST(an_error_sets_aside_its_partition_alone)
{
	/* Node 2 knows of an epoch that node 1 does not: its own partition waits, the other goes on. */
	struct core_partition *p = other("t", 0);

	p->leader_epoch++; /* as if it had heard it first */
	core_follow_take(p, 1);
	flow();
	both_pass(1000);
	ck_assert_uint_ge(p->follow->tries, 2);
	put(part("t", 1), batch_of(3, b.w.wall_ms));
	flow();
	ck_assert_int_eq(part("t", 1)->high, 3);
	p->leader_epoch--;
	put(part("t", 0), batch_of(3, b.w.wall_ms));
	both_pass(2000);
	ck_assert_int_eq(part("t", 0)->high, 3);
}
END_TEST

START_TEST(a_damaged_batch_is_not_copied)
{
	put(part("t", 0), batch_of(3, b.w.wall_ms));
	settle();
	struct core_partition *p = other("t", 0);
	struct rk_str good = all_of(part("t", 0));
	uint8_t *bad = rk_arena_raw(&b.arena, (size_t)good.len);
	memcpy(bad, good.at, (size_t)good.len);
	bad[good.len - 1] ^= 1;
	struct kp_fetch_res_responses_partitions a = {.high_watermark = 3,
	    .diverging_epoch = {-1, -1},
	    .records = {.at = bad, .len = good.len}};
	core_follow_answer(p->follow, &a);
	ck_assert_int_eq(core_end(p), 0);
	ck_assert_int_eq(p->follow->state, CORE_PAUSED);
	both_pass(300);
	same(0);
}
END_TEST

START_TEST(producers_are_known_to_the_next_leader)
{
	put(part("t", 0), batch_from(77, 0, 0));
	put(part("t", 0), batch_from(77, 0, 1));
	flow();
	partition_is(1, 0, 2, both, 2, true);
	struct core_append again = put(other("t", 0), batch_from(77, 0, 1));
	ck_assert_int_eq(again.err, RK_OK);
	ck_assert_int_eq(again.base_offset, 1);
	ck_assert_int_eq(put(other("t", 0), batch_from(77, 0, 2)).base_offset, 2);
}
END_TEST

START_TEST(a_leader_alone_takes_over_and_the_other_comes_back)
{
	put(part("t", 0), batch_of(3, b.w.wall_ms));
	flow();
	partition_is(1, 0, 2, only_2, 1, true);
	put(other("t", 0), batch_of(2, b.w.wall_ms));
	other_settle();
	ck_assert_int_eq(other("t", 0)->high >= 3, 1);
	flow();
	both_pass(200);
	same(0);
	ck_assert(core_set_find(other("t", 0)->set, 1)->wanted);
}
END_TEST

START_TEST(replicas_cost_less_than_two_kibibytes)
{
	size_t leader = sizeof(struct core_partition) + sizeof(struct core_set)
			+ 2 * (sizeof(struct core_follower) + sizeof(struct core_feed));
	size_t follower = sizeof(struct core_partition) + sizeof(struct core_follow);

	ck_assert_uint_le(leader, 1024);
	ck_assert_uint_le(follower, 512);
}
END_TEST

int
main(void)
{
	const TTest *const all[] = {what_the_leader_takes_its_follower_has,
	    an_acknowledgement_waits_for_the_followers_disk, with_write_caching_nobody_waits_for_a_disk,
	    a_leader_that_becomes_a_follower_tells_only_of_what_its_disk_has,
	    an_idle_source_names_nothing, a_thousand_batches_arrive_in_order,
	    a_new_leader_goes_on_where_the_old_one_was, records_that_nobody_else_had_are_cut_off,
	    epochs_that_only_one_side_knows_are_walked_back,
	    later_epochs_alone_are_cut_off_though_the_leader_has_as_many,
	    who_cut_its_log_hears_the_high_watermark_although_it_does_not_move,
	    a_cut_below_the_high_watermark_is_made_and_said,
	    a_follower_that_comes_late_starts_where_the_leaders_log_does,
	    a_replica_that_is_moved_away_leaves_no_folder, deleted_records_go_at_the_follower_too,
	    a_follower_that_crashes_goes_on_from_what_it_kept,
	    a_leader_without_its_session_is_named_everything_anew, an_error_sets_aside_its_partition_alone,
	    a_damaged_batch_is_not_copied, producers_are_known_to_the_next_leader,
	    a_leader_alone_takes_over_and_the_other_comes_back, replicas_cost_less_than_two_kibibytes};

	return broker_claims("core_follow", all, rk_countof(all), begin, pair_end);
}
