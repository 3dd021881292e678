/* t_core_cleaner.c - which logs are compacted, and when. */
#include <check.h>
#include "tests/core_help.h"

static struct core_partition *p;

static void
begin(void)
{
	broker_begin();
	topic_is("t", 1, 1);
	config_is("t", "cleanup.policy", "compact");
	config_is("t", "internal.segment.bytes", "2000");
	p = part("t", 0);
}

static void
put_keys(int times)
{
	char key[16];

	for (int t = 0; t < times; t++)
		for (int k = 0; k < 10; k++) {
			snprintf(key, sizeof key, "k%d", k);
			ck_assert_int_eq(put(p, batch_with(1, b.w.wall_ms, 0, key)).err, RK_OK);
		}
	settle();
}

static uint64_t
rounds(void)
{
	return b.core->cleaner.rounds;
}

START_TEST(a_dirty_log_is_compacted_after_the_backoff)
{
	put_keys(30);
	int64_t before = st_log_bytes(p->log);
	pass(14000);
	ck_assert_uint_eq(rounds(), 0);
	pass(2000);
	ck_assert_uint_ge(rounds(), 1);
	ck_assert_int_lt(st_log_bytes(p->log), before / 2);
	ck_assert_int_eq(st_log_end(p->log), 300);
}
END_TEST

START_TEST(an_unchanged_log_is_not_looked_at_again)
{
	put_keys(30);
	for (int i = 0; i < 5; i++)
		pass(20000);
	uint64_t n = rounds();
	ck_assert_uint_ge(n, 1);
	ck_assert_int_eq(b.core->cleaner.timer.at_ms, INT64_MAX);
	put_keys(30);
	pass(40000);
	ck_assert_uint_gt(rounds(), n);
}
END_TEST

START_TEST(a_log_that_is_clean_enough_is_left_alone)
{
	config_is("t", "min.cleanable.dirty.ratio", "1.0");
	put_keys(30);
	pass(60000);
	ck_assert_uint_eq(rounds(), 0);
	config_is("t", "max.compaction.lag.ms", "1000");
	put_keys(1);
	pass(60000);
	ck_assert_uint_ge(rounds(), 1);
}
END_TEST

START_TEST(a_config_that_changes_has_the_log_looked_at_again)
{
	config_is("t", "min.cleanable.dirty.ratio", "1.0");
	put_keys(30);
	pass(60000);
	ck_assert_uint_eq(rounds(), 0);
	config_is("t", "min.cleanable.dirty.ratio", "0.5");
	pass(16000);
	ck_assert_uint_ge(rounds(), 1);
}
END_TEST

START_TEST(a_log_that_was_dirty_at_the_stop_is_compacted_after_the_start)
{
	put_keys(30);
	broker_stop();
	broker_start();
	p = part("t", 0);
	ck_assert_ptr_null(p->log); /* nobody has asked for it */
	pass(16000);
	ck_assert_uint_ge(rounds(), 1);
	ck_assert_int_eq(st_log_end(p->log), 300);
}
END_TEST

START_TEST(a_segment_is_closed_in_time_for_the_compaction_lag)
{
	config_is("t", "internal.segment.bytes", "1000000");
	config_is("t", "max.compaction.lag.ms", "5000");
	put_keys(3);
	pass(6000);
	put_keys(1);
	ck_assert_int_eq(st_log_end(p->log), 40);
	pass(20000);
	ck_assert_uint_ge(rounds(), 1);
}
END_TEST

START_TEST(a_stop_in_the_middle_of_a_round_is_clean)
{
	put_keys(30);
	b.core->conf->log_cleaner_io_max_bytes_per_second = 1000;
	pass(16000);
	ck_assert_ptr_nonnull(b.core->cleaner.round);
	broker_stop();
	broker_start();
	p = part("t", 0);
	ck_assert_int_eq(core_end(p), 300);
}
END_TEST

START_TEST(a_topic_may_go_while_it_is_compacted)
{
	put_keys(30);
	b.core->conf->log_cleaner_io_max_bytes_per_second = 1000;
	pass(16000);
	ck_assert_ptr_nonnull(b.core->cleaner.round);
	topic_gone(1);
	b.core->conf->log_cleaner_io_max_bytes_per_second = 1e300;
	pass(100000);
	ck_assert_ptr_null(b.core->cleaner.round);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("core_cleaner");
	TCase *c = tcase_create("core_cleaner");
	tcase_add_checked_fixture(c, begin, broker_end);
	tcase_add_test(c, a_dirty_log_is_compacted_after_the_backoff);
	tcase_add_test(c, an_unchanged_log_is_not_looked_at_again);
	tcase_add_test(c, a_log_that_is_clean_enough_is_left_alone);
	tcase_add_test(c, a_config_that_changes_has_the_log_looked_at_again);
	tcase_add_test(c, a_log_that_was_dirty_at_the_stop_is_compacted_after_the_start);
	tcase_add_test(c, a_segment_is_closed_in_time_for_the_compaction_lag);
	tcase_add_test(c, a_stop_in_the_middle_of_a_round_is_clean);
	tcase_add_test(c, a_topic_may_go_while_it_is_compacted);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
