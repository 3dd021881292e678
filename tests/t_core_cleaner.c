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
put_keys_of(int times, int64_t age_ms)
{
	char key[16];

	for (int t = 0; t < times; t++)
		for (int k = 0; k < 10; k++) {
			snprintf(key, sizeof key, "k%d", k);
			ck_assert_int_eq(put(p, batch_with(1, b.w.wall_ms - age_ms, 0, key)).err, RK_OK);
		}
	settle();
}

static void
put_keys(int times)
{
	put_keys_of(times, 0);
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

START_TEST(an_overdue_segment_behind_young_ones_has_the_log_compacted)
{
	config_is("t", "min.cleanable.dirty.ratio", "1.0");
	config_is("t", "max.compaction.lag.ms", "3600000");
	put_keys(20);
	pass(60000);
	ck_assert_uint_eq(rounds(), 0);
	put_keys_of(20, 2 * 3600000);
	put_keys(20);
	pass(60000);
	ck_assert_uint_ge(rounds(), 1);
	int64_t clean = st_log_bytes(p->log);
	uint64_t n = rounds();
	pass(60000);
	ck_assert_uint_eq(rounds(), n); /* what was overdue is clean */
	ck_assert_int_eq(st_log_bytes(p->log), clean);
}
END_TEST

START_TEST(what_may_be_cleaned_before_an_overdue_segment_that_may_not_is)
{
	config_is("t", "min.cleanable.dirty.ratio", "1.0");
	config_is("t", "max.compaction.lag.ms", "3600000");
	config_is("t", "min.compaction.lag.ms", "1800000");
	put_keys_of(30, 2400000); /* old enough to be cleaned, not overdue */
	put_keys(20);             /* too young */
	pass(60000);
	ck_assert_uint_eq(rounds(), 0);
	put_keys_of(20, 2 * 3600000);
	put_keys(10);
	int64_t before = st_log_bytes(p->log);
	pass(60000);
	ck_assert_uint_eq(rounds(), 1);
	ck_assert_int_lt(st_log_bytes(p->log), before);
	pass(600000);
	ck_assert_uint_eq(rounds(), 1); /* still overdue, but the young ones are in its way */
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
	tcase_add_test(c, an_overdue_segment_behind_young_ones_has_the_log_compacted);
	tcase_add_test(c, what_may_be_cleaned_before_an_overdue_segment_that_may_not_is);
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
