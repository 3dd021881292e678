/* t_core.c - claims about the broker: what it holds, what it takes, what it promises. */
#include "tests/core_help.h"

static struct core_wait wait;
static enum rk_err told;
static uint32_t wakes;

static void
woken(struct core_wait *w, enum rk_err err)
{
	ck_assert_ptr_eq(w, &wait);
	told = err;
	wakes++;
}

static void
begin(void)
{
	broker_begin();
	topic_is("t", 1, 2);
	wait = (struct core_wait){.wake = woken};
	rk_list_init(&wait.link);
	wakes = 0;
	told = RK_UNKNOWN_SERVER_ERROR;
}

START_TEST(a_partition_never_written_has_no_folder)
{
	ck_assert_uint_eq(core_partitions_count(b.core), 2);
	ck_assert_uint_eq(core_leaders_count(b.core), 2);
	ck_assert(!is_there("t-0"));
	ck_assert_int_eq(core_end(part("t", 0)), 0);
	ck_assert_int_eq(put(part("t", 0), batch_of(3, 1000)).err, RK_OK);
	ck_assert(is_there("t-0"));
	ck_assert(!is_there("t-1"));
}
END_TEST

START_TEST(an_append_is_acknowledged_when_it_is_on_stable_storage)
{
	struct core_partition *p = part("t", 0);
	struct core_append a = put(p, batch_of(3, 1000));

	ck_assert_int_eq(a.err, RK_OK);
	ck_assert_int_eq(a.base_offset, 0);
	ck_assert_int_eq(a.need, 3);
	ck_assert(!core_acked(p, &a));
	wait.need = a.need;
	core_wait_acks(p, &wait);
	core_flush(b.core);
	ck_assert_uint_eq(wakes, 0);
	ck_assert_int_eq(p->high, 0);
	posix_pump(&b.w);
	ck_assert_uint_eq(wakes, 1);
	ck_assert_int_eq(told, RK_OK);
	ck_assert_int_eq(p->high, 3);
}
END_TEST

START_TEST(one_sync_serves_all_appends_of_a_round)
{
	struct core_partition *p = part("t", 0);

	put(p, batch_of(1, 1000));
	settle();
	uint32_t before = b.w.syncs;
	for (int i = 0; i < 50; i++)
		put(p, batch_of(1, 1000));
	settle();
	ck_assert_int_eq(p->high, 51);
	ck_assert_uint_le(b.w.syncs - before, 2);
}
END_TEST

START_TEST(with_write_caching_an_append_is_acknowledged_at_once)
{
	struct core_partition *p = part("t", 0);

	config_is("t", "write.caching", "true");
	struct core_append a = put(p, batch_of(3, 1000));
	ck_assert(core_acked(p, &a));
	ck_assert_int_eq(p->high, 3);
	core_flush(b.core);
	ck_assert_int_eq(st_log_stable(p->log), 0);
}
END_TEST

START_TEST(what_was_acknowledged_survives_a_crash)
{
	put(part("t", 0), batch_of(3, 1000));
	settle();
	broker_crash();
	ck_assert(!b.how.clean);
	ck_assert_int_eq(part("t", 0)->high, 3);
	ck_assert_int_eq(core_end(part("t", 0)), 3);
	ck_assert_int_eq(put(part("t", 0), batch_of(2, 1000)).base_offset, 3);
}
END_TEST

START_TEST(a_clean_stop_leaves_nothing_to_do)
{
	put(part("t", 1), batch_of(3, 1000)); /* not synced yet: the stop does it */
	broker_stop();
	broker_start();
	ck_assert(b.how.clean);
	ck_assert(part("t", 1)->found);
	ck_assert_ptr_null(part("t", 1)->log); /* cold until somebody asks */
	ck_assert_int_eq(core_end(part("t", 1)), 3);
	ck_assert_int_eq(part("t", 1)->high, 3);
	ck_assert_int_eq(core_end(part("t", 0)), 0);
}
END_TEST

START_TEST(a_failed_sync_takes_the_partition_out_of_service_for_writes)
{
	struct core_partition *p = part("t", 0);

	put(p, batch_of(3, 1000));
	settle();
	struct core_append a = put(p, batch_of(1, 1000));
	wait.need = a.need;
	core_wait_acks(p, &wait);
	b.w.fail_sync = true;
	settle();
	ck_assert_uint_eq(wakes, 1);
	ck_assert_int_eq(told, RK_KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(p->high, 3);
	ck_assert_int_eq(put(p, batch_of(1, 1000)).err, RK_KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(core_end(p) >= 3, 1);
}
END_TEST

START_TEST(a_full_disk_refuses_the_append_and_nothing_else)
{
	struct core_partition *p = part("t", 0);

	put(p, batch_of(3, 1000));
	settle();
	b.w.fail_write_after = 10;
	b.w.fail_with = RK_NO_SPACE;
	ck_assert_int_eq(put(p, batch_of(1, 1000)).err, RK_KAFKA_STORAGE_ERROR);
	b.w.fail_write_after = -1;
	ck_assert_int_eq(put(p, batch_of(1, 1000)).base_offset, 3);
}
END_TEST

START_TEST(a_removed_topic_wakes_who_waits_and_frees_its_name)
{
	struct core_partition *p = part("t", 0);

	put(p, batch_of(3, 1000));
	settle();
	core_wait_fetch(p, &wait);
	topic_gone(1);
	ck_assert_uint_eq(wakes, 1);
	ck_assert_int_eq(told, RK_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_ptr_null(core_topic_named(b.core, rk_lit("t")));
	ck_assert_uint_eq(core_partitions_count(b.core), 0);
	ck_assert(!is_there("t-0"));
	topic_is("t", 2, 1);
	ck_assert_int_eq(core_end(part("t", 0)), 0);
	ck_assert_int_eq(put(part("t", 0), batch_of(1, 1000)).base_offset, 0);
}
END_TEST

START_TEST(a_folder_the_metadata_does_not_know_is_set_aside)
{
	put(part("t", 0), batch_of(3, 1000));
	settle();
	broker_stop();
	topic_gone(1);
	topic_is("t", 2, 1); /* the same name, another topic */
	broker_start();
	ck_assert_int_eq(core_end(part("t", 0)), 0);
	ck_assert(!is_there("t-0"));
	ck_assert_int_eq(put(part("t", 0), batch_of(1, 1000)).base_offset, 0);
}
END_TEST

START_TEST(readers_wake_at_the_end_of_the_round_in_which_their_partition_moved)
{
	struct core_partition *p = part("t", 0);

	core_wait_fetch(p, &wait);
	put(part("t", 1), batch_of(1, 1000));
	settle();
	ck_assert_uint_eq(wakes, 0);
	put(p, batch_of(1, 1000));
	settle();
	ck_assert_uint_eq(wakes, 1);
	ck_assert_int_eq(told, RK_OK);
}
END_TEST

START_TEST(acknowledgements_come_in_the_order_of_offsets)
{
	struct core_partition *p = part("t", 0);
	struct core_wait w[3];
	const int64_t need[3] = {5, 2, 9};

	for (int i = 0; i < 3; i++) {
		w[i] = (struct core_wait){.need = need[i], .wake = woken};
		core_wait_acks(p, &w[i]);
	}
	int64_t last = 0;
	rk_list_each(&p->acks, m)
	{
		ck_assert_int_ge(rk_of(m, struct core_wait, link)->need, last);
		last = rk_of(m, struct core_wait, link)->need;
	}
	for (int i = 0; i < 3; i++)
		core_unwait(&w[i]);
}
END_TEST

START_TEST(a_repeated_batch_is_answered_with_its_old_offset)
{
	struct core_partition *p = part("t", 0);

	ck_assert_int_eq(put(p, batch_from(77, 0, 0)).base_offset, 0);
	ck_assert_int_eq(put(p, batch_from(77, 0, 1)).base_offset, 1);
	struct core_append again = put(p, batch_from(77, 0, 0));
	ck_assert_int_eq(again.err, RK_OK);
	ck_assert_int_eq(again.base_offset, 0);
	ck_assert_int_eq(again.need, 1);
	ck_assert_int_eq(core_end(p), 2);
	ck_assert_int_eq(put(p, batch_from(77, 0, 5)).err, RK_OUT_OF_ORDER_SEQUENCE_NUMBER);
	ck_assert_int_eq(put(p, batch_from(77, 1, 0)).err, RK_OK);
	ck_assert_int_eq(put(p, batch_from(77, 0, 2)).err, RK_INVALID_PRODUCER_EPOCH);
}
END_TEST

START_TEST(records_below_the_new_start_are_gone_for_good)
{
	struct core_partition *p = part("t", 0);
	int64_t low;

	put(p, batch_of(5, 1000));
	settle();
	ck_assert_int_eq(core_delete_records(p, 6, &low), RK_OFFSET_OUT_OF_RANGE);
	ck_assert_int_eq(core_delete_records(p, -5, &low), RK_OFFSET_OUT_OF_RANGE);
	ck_assert_int_eq(core_delete_records(p, 3, &low), RK_OK);
	ck_assert_int_eq(low, 3);
	ck_assert_int_eq(core_delete_records(p, 1, &low), RK_OK);
	ck_assert_int_eq(low, 3);
	broker_stop();
	broker_start();
	ck_assert_int_eq(core_start(part("t", 0)), 3);
	ck_assert_int_eq(core_delete_records(part("t", 0), -1, &low), RK_OK);
	ck_assert_int_eq(low, 5);
}
END_TEST

START_TEST(an_idle_broker_has_no_timer_but_retention)
{
	put(part("t", 0), batch_of(1, b.w.wall_ms));
	settle();
	pass(5000);
	pass(60000);
	pass(1000);
	ck_assert_int_eq(b.core->points.at_ms, INT64_MAX);
	ck_assert_int_eq(b.core->flush_timer.at_ms, INT64_MAX);
	ck_assert_int_eq(b.core->dir_timer.at_ms, INT64_MAX);
	ck_assert(is_there("replication-offset-checkpoint"));
	ck_assert(is_there("recovery-point-offset-checkpoint"));
}
END_TEST

START_TEST(old_segments_go_when_their_time_is_over)
{
	struct core_partition *p = part("t", 0);

	config_is("t", "retention.ms", "10000");
	put(p, batch_of(5, b.w.wall_ms));
	settle();
	for (int i = 0; i < 4; i++)
		pass(300000);
	ck_assert_int_eq(core_start(p), 5);
	ck_assert_int_eq(core_end(p), 5);
}
END_TEST

START_TEST(an_epoch_ends_where_the_next_began)
{
	struct core_partition *p = part("t", 0);
	int32_t epoch;
	int64_t end;

	put(p, batch_of(5, 1000));
	core_epoch_end(p, 0, &epoch, &end);
	ck_assert_int_eq(epoch, 0);
	ck_assert_int_eq(end, 5);
	core_epoch_end(p, -2, &epoch, &end); /* before the first there is: where that began */
	ck_assert_int_eq(epoch, -2);
	ck_assert_int_eq(end, 0);
	core_epoch_end(p, -1, &epoch, &end);
	ck_assert_int_eq(end, -1);
	core_epoch_end(p, 3, &epoch, &end);
	ck_assert_int_eq(epoch, -1);
	ck_assert_int_eq(end, -1);
	core_epoch_end(part("t", 1), 0, &epoch, &end);
	ck_assert_int_eq(end, 0);
	ck_assert_int_eq(core_check_leader(p, 0), RK_OK);
	ck_assert_int_eq(core_check_leader(p, 1), RK_UNKNOWN_LEADER_EPOCH);
}
END_TEST

START_TEST(ten_thousand_partitions_are_made_without_a_file)
{
	uint32_t before = b.w.opens;

	for (uint8_t i = 10; i < 20; i++) {
		char name[8];
		snprintf(name, sizeof name, "x%d", i);
		topic_is(name, i, 100);
	}
	ck_assert_uint_eq(core_partitions_count(b.core), 1002);
	ck_assert_uint_eq(b.w.opens, before);
	ck_assert_uint_le(sizeof(struct core_partition), 192);
}
END_TEST

int
main(void)
{
	const TTest *const all[] = {a_partition_never_written_has_no_folder,
	    an_append_is_acknowledged_when_it_is_on_stable_storage,
	    one_sync_serves_all_appends_of_a_round,
	    with_write_caching_an_append_is_acknowledged_at_once,
	    what_was_acknowledged_survives_a_crash, a_clean_stop_leaves_nothing_to_do,
	    a_failed_sync_takes_the_partition_out_of_service_for_writes,
	    a_full_disk_refuses_the_append_and_nothing_else,
	    a_removed_topic_wakes_who_waits_and_frees_its_name,
	    a_folder_the_metadata_does_not_know_is_set_aside,
	    readers_wake_at_the_end_of_the_round_in_which_their_partition_moved,
	    acknowledgements_come_in_the_order_of_offsets,
	    a_repeated_batch_is_answered_with_its_old_offset,
	    records_below_the_new_start_are_gone_for_good,
	    an_idle_broker_has_no_timer_but_retention, old_segments_go_when_their_time_is_over,
	    an_epoch_ends_where_the_next_began, ten_thousand_partitions_are_made_without_a_file};

	return broker_claims("core", all, rk_countof(all), begin, broker_end);
}
