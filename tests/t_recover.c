/* t_recover.c - what a start makes of what a crash, or a disk, has left. */
#include "tests/log_help.h"
#include <sys/stat.h>
#include <zlib.h>

#define LOG0 "00000000000000000000.log"
#define INDEX0 "00000000000000000000.index"
#define TIMES0 "00000000000000000000.timeindex"

static void
begin(void)
{
	scratch_begin();
	scratch_log();
}

static void
fill(uint32_t n, int32_t epoch)
{
	for (uint32_t i = 0; i < n; i++)
		append(batch_of(10, 100, 1000 + st_log_end(x.log)), epoch);
}

static void
all_there(int64_t end)
{
	int64_t at = st_log_start(x.log);
	ck_assert_int_eq(st_log_end(x.log), end);
	ck_assert_int_eq(st_log_stable(x.log), end);
	while (at < end) {
		struct reading r = read_from(at, end, 100000, true);
		ck_assert_uint_gt(r.count, 0);
		ck_assert_int_eq(r.base[0], at);
		at = r.base[r.count - 1] + 10;
	}
	ck_assert_int_eq(at, end);
	check_indexes();
}

START_TEST(a_clean_stop_is_believed_and_costs_nothing)
{
	x.rules.segment_bytes = 50000;
	fill(200, 3);
	scratch_stop();
	uint32_t opens = x.w.opens;
	scratch_start();
	ck_assert(x.how.clean);
	ck_assert_int_eq(x.how.broker_epoch, 5);
	ck_assert_uint_eq(x.w.opens, opens + 5); /* the marker and three checkpoints */
	ck_assert_int_eq(st_log_end(x.log), 2000);
	ck_assert_int_eq(st_log_last_epoch(x.log), 3);
	ck_assert_ptr_null(x.log->hot);
	ck_assert_int_eq(st_log_topic_id(x.log).id[2], 3);
	all_there(2000);
	fill(10, 4);
	scratch_stop();
	scratch_start();
	all_there(2100);
	ck_assert_int_eq(st_log_last_epoch(x.log), 4);
}
END_TEST

START_TEST(the_marker_is_good_for_one_start)
{
	fill(2, 1);
	scratch_stop();
	scratch_start();
	scratch_crash();
	ck_assert(!x.how.clean);
	all_there(20);
}
END_TEST

START_TEST(a_killed_process_loses_nothing)
{
	x.rules.segment_bytes = 50000;
	fill(150, 1);
	sync_all();
	fill(150, 2);
	scratch_crash();
	all_there(3000);
	ck_assert_int_eq(st_log_epoch_at(x.log, 1499), 1);
	ck_assert_int_eq(st_log_epoch_at(x.log, 1500), 2);
	fill(50, 3);
	scratch_crash();
	all_there(3500);
}
END_TEST

START_TEST(a_start_waits_for_the_disk_only_where_that_was_promised)
{
	x.rules.cached = true;
	fill(20, 1);
	scratch_crash();
	ck_assert_int_eq(st_log_end(x.log), 200);
	ck_assert_int_eq(st_log_stable(x.log), 0); /* the sync has begun, and nobody waited for it */
	sync_all();
	ck_assert_int_eq(st_log_stable(x.log), 200);
	x.rules.cached = false;
	fill(20, 1);
	scratch_crash();
	ck_assert_int_eq(st_log_stable(x.log), 400);
}
END_TEST

START_TEST(only_what_is_past_the_recovery_point_is_read)
{
	x.rules.segment_bytes = 1 << 28;
	fill(2000, 1);
	sync_all();
	ck_assert_int_eq(st_dir_save(x.dir), RK_OK);
	fill(5, 1);
	spoil(LOG0, 1000000, 1); /* is not looked at */
	uint32_t reads = x.w.reads;
	scratch_crash();
	ck_assert_int_eq(st_log_end(x.log), 20050);
	ck_assert_uint_le(x.w.reads - reads, 24);
}
END_TEST

START_TEST(a_torn_tail_is_cut_at_every_length)
{
	fill(3, 1);
	int64_t whole = size_of(LOG0), one = whole / 3;
	for (int64_t len = whole - 1; len >= whole - one; len -= 7) {
		cut_file(LOG0, len);
		scratch_crash();
		all_there(20);
		ck_assert_int_eq(size_of(LOG0), 2 * one);
		fill(1, 1);
	}
}
END_TEST

START_TEST(a_flipped_bit_ends_the_log)
{
	fill(3, 1);
	int64_t one = size_of(LOG0) / 3;
	for (int64_t at = one; at < 2 * one; at += at < one + 70 ? 1 : 37) {
		int64_t in = at - one;
		if (in < 8 || (in >= 12 && in < 16)) /* offset and leader epoch are not under the CRC */
			continue;
		spoil(LOG0, at, 0x40);
		scratch_crash();
		all_there(10);
		fill(2, 1);
	}
}
END_TEST

START_TEST(zeros_behind_the_last_batch_are_cut)
{
	x.rules.preallocate = true;
	fill(3, 1);
	sync_all();
	cut_file(LOG0, size_of(LOG0) + 100000);
	scratch_crash();
	all_there(30);
	ck_assert_int_lt(size_of(LOG0), 5000);
}
END_TEST

START_TEST(preallocated_segments_are_trimmed_when_done)
{
	x.rules.preallocate = true;
	x.rules.segment_bytes = 20000;
	fill(30, 1);
	ck_assert_int_lt(size_of(LOG0), 20000);
	scratch_stop();
	scratch_start();
	all_there(300);
	scratch_crash();
	all_there(300);
}
END_TEST

START_TEST(segments_behind_a_damaged_one_go)
{
	x.rules.segment_bytes = 20000;
	fill(100, 1);
	uint32_t count = x.log->hot->count;
	ck_assert_uint_gt(count, 3);
	int64_t second = x.log->hot->seg[1].base, third = x.log->hot->seg[2].base;
	char name[64];
	snprintf(name, sizeof name, "%020" PRId64 ".log", second);
	spoil(name, 100, 1);
	scratch_crash();
	all_there(second);
	ck_assert_uint_eq(x.log->hot->count, 2);
	/* Nothing was torn: all of it is kept beside. */
	snprintf(name, sizeof name, "%020" PRId64 ".log.0.cut", second);
	ck_assert_int_gt(size_of(name), 10000);
	snprintf(name, sizeof name, "%020" PRId64 ".log.cut", third);
	ck_assert_int_gt(size_of(name), 10000);
	fill(10, 2);
	scratch_crash();
	all_there(second + 100);
}
END_TEST

START_TEST(what_follows_damage_is_kept_a_torn_end_is_not)
{
	fill(3, 1);
	int64_t whole = size_of(LOG0), one = whole / 3;
	spoil(LOG0, one + 80, 1);
	scratch_crash();
	all_there(10);
	char name[64];
	snprintf(name, sizeof name, "%s.%" PRId64 ".cut", LOG0, one);
	ck_assert_int_eq(size_of(name), whole - one);
	fill(2, 2);
	spoil(LOG0, -5, 1);
	scratch_crash();
	all_there(20);
	snprintf(name, sizeof name, "%s.%" PRId64 ".cut", LOG0, 2 * one);
	ck_assert_int_eq(size_of(name), -1);
}
END_TEST

START_TEST(what_is_behind_a_segment_that_is_gone_is_kept)
{
	x.rules.segment_bytes = 20000;
	fill(100, 1);
	ck_assert_uint_gt(x.log->hot->count, 3);
	int64_t second = x.log->hot->seg[1].base, third = x.log->hot->seg[2].base;
	char name[64];
	snprintf(name, sizeof name, "%020" PRId64 ".log", second);
	ck_assert_int_eq(unlink(file_of(name)), 0);
	scratch_crash();
	all_there(second);
	snprintf(name, sizeof name, "%020" PRId64 ".log.cut", third);
	ck_assert_int_gt(size_of(name), 10000);
}
END_TEST

START_TEST(what_can_be_made_anew_is)
{
	static const char *const gone[] = {INDEX0, TIMES0, "leader-epoch-checkpoint"};
	x.rules.segment_bytes = 30000;
	fill(20, 1);
	append(batch_from(7, 0, 0, 10, 1200, 0), 2);
	fill(79, 2);
	sync_all();
	ck_assert_int_eq(st_dir_save(x.dir), RK_OK);
	for (uint32_t i = 0; i < rk_countof(gone); i++) {
		ck_assert_int_eq(unlink(file_of(gone[i])), 0);
		scratch_crash();
		all_there(1000);
		ck_assert_int_eq(st_log_epoch_at(x.log, 199), 1);
		ck_assert_int_eq(st_log_epoch_at(x.log, 200), 2);
		ck_assert_uint_eq(st_producers_count(st_log_producers(x.log)), 1);
	}
	scratch_stop();
	ck_assert_int_eq(unlink(file_of(INDEX0)), 0);
	ck_assert_int_eq(truncate(file_of(TIMES0), 7), 0);
	scratch_start();
	all_there(1000);
	ck_assert_int_gt(size_of(INDEX0), 0);
}
END_TEST

START_TEST(torn_indexes_are_believed_as_far_as_they_ascend)
{
	fill(500, 1);
	sync_all();
	ck_assert_int_eq(st_dir_save(x.dir), RK_OK);
	scratch_stop();
	scratch_start();
	all_there(5000);
	int64_t size = size_of(INDEX0), times = size_of(TIMES0);
	scratch_crash();
	cut_file(INDEX0, size - 3);
	scratch_crash();
	all_there(5000);
	st_log_cool(x.log);
	posix_pump(&x.w);
	spoil(INDEX0, size / 2 / 8 * 8, 0x7f);
	scratch_crash();
	all_there(5000);
	st_log_cool(x.log);
	posix_pump(&x.w);
	spoil(TIMES0, times / 2 / 12 * 12, 0x7f);
	cut_file(INDEX0, 10485760); /* as a killed Kafka leaves them */
	cut_file(TIMES0, 10485756);
	scratch_crash();
	all_there(5000);
	fill(100, 1);
	check_indexes();
	scratch_stop();
	scratch_start();
	all_there(6000);
	ck_assert_int_lt(size_of(INDEX0), 100000);
}
END_TEST

START_TEST(a_log_changed_after_a_clean_stop_is_not_believed)
{
	fill(5, 1);
	scratch_stop();
	cut_file(LOG0, size_of(LOG0) - 10);
	scratch_start();
	struct rk_out out;
	rk_out_init(&out, &x.arena);
	ck_assert_int_eq(st_log_read(x.log, 0, 50, 1000, true, &out), RK_KAFKA_STORAGE_ERROR);
	ck_assert(st_log_broken(x.log));
	ck_assert_int_eq(st_log_end(x.log), 50);
	scratch_crash();
	all_there(40);
}
END_TEST

START_TEST(snapshots_that_are_torn_or_past_the_end_are_not_used)
{
	append(batch_from(7, 0, 0, 10, 1000, 0), 1);
	scratch_stop(); /* writes 10.snapshot */
	scratch_start();
	append(batch_from(7, 0, 10, 10, 1001, 0), 1);
	scratch_stop();
	spoil("00000000000000000020.snapshot", 15, 1);
	scratch_start();
	const struct st_producer *p = st_producers_get(st_log_producers(x.log), 7);
	ck_assert_uint_eq(p->count, 2);
	ck_assert_int_eq(p->batch[1].last_offset, 19);
	ck_assert_int_eq(size_of("00000000000000000020.snapshot"), -1);
	append(batch_from(7, 0, 20, 10, 1001, 0), 1);
	scratch_stop();
	ck_assert_int_ge(size_of("00000000000000000030.snapshot"), 56);
	cut_file(LOG0, size_of(LOG0) - 1);
	scratch_start();
	(void)!st_log_warm(x.log);
	scratch_crash();
	p = st_producers_get(st_log_producers(x.log), 7);
	ck_assert_int_eq(p->batch[p->count - 1].last_offset, 19);
	ck_assert_int_eq(size_of("00000000000000000030.snapshot"), -1);
}
END_TEST

START_TEST(five_batches_are_known_after_a_crash)
{
	int64_t base, ms;
	for (int32_t i = 0; i < 8; i++)
		append(batch_from(7, 0, i * 10, 10, 1000, 0), 1);
	scratch_stop();
	scratch_start();
	scratch_crash();
	for (int32_t i = 3; i < 8; i++) {
		struct rk_str b = batch_from(7, 0, i * 10, 10, 1000, 0);
		ck_assert_int_eq(st_producers_check(st_log_producers(x.log), b.at, &base, &ms),
		    RK_DUPLICATE_SEQUENCE_NUMBER);
		ck_assert_int_eq(base, i * 10);
	}
}
END_TEST

START_TEST(a_finished_compaction_is_put_in_place)
{
	x.rules.segment_bytes = 10000;
	fill(30, 1);
	sync_all();
	int64_t third = x.log->hot->seg[2].base, end = st_log_end(x.log);
	char from[PATH_MAX], name[64];
	/* Of the first two segments only the second one's batches are left. */
	snprintf(name, sizeof name, "%020" PRId64 ".log", x.log->hot->seg[1].base);
	int64_t first_left = x.log->hot->seg[1].base;
	rk_str_copy(from, sizeof from, rk_str_of(file_of(name)));
	ck_assert_int_eq(link(from, file_of(LOG0 ".swap")), 0);
	scratch_crash();
	ck_assert_int_eq(st_log_end(x.log), end);
	ck_assert_int_eq(x.log->hot->seg[0].base, 0);
	ck_assert_int_eq(x.log->hot->seg[1].base, third);
	ck_assert_int_eq(read_from(0, end, 100, true).base[0], first_left);
	check_indexes();
	/* An unfinished one goes away. */
	ck_assert_int_eq(link(file_of(LOG0), "/dev/null/x"), -1);
	rk_str_copy(from, sizeof from, rk_str_of(file_of(LOG0)));
	ck_assert_int_eq(link(from, file_of(LOG0 ".swap")), 0);
	ck_assert_int_eq(link(from, file_of(LOG0 ".cleaned")), 0);
	scratch_crash();
	ck_assert_int_eq(st_log_end(x.log), end);
	ck_assert_int_eq(size_of(LOG0 ".swap"), -1);
	st_dir_tick(x.dir, x.w.now_ms);
	ck_assert_int_eq(size_of(LOG0 ".cleaned"), -1);
}
END_TEST

START_TEST(old_formats_are_refused_not_cut)
{
	uint8_t m[12 + 40] = {0}; /* offset 0, length 40, crc, magic 1, attributes, timestamp, no key, a value of 18 */
	rk_put32(m + 8, 40);
	m[16] = 1;
	rk_put32(m + 26, UINT32_MAX);
	rk_put32(m + 30, 18);
	rk_put32(m + 12, (uint32_t)crc32(0, m + 16, sizeof m - 16));
	int fd = open(file_of(LOG0), O_RDWR);
	ck_assert_int_eq(pwrite(fd, m, sizeof m, 0), sizeof m);
	close(fd);
	cut_file(LOG0, 100);
	int64_t size = size_of(LOG0);
	posix_forget(&x.w);
	st_log_free(x.log);
	x.log = NULL;
	ck_assert_int_eq(st_log_open(x.dir, rk_lit("t"), 0, false, &x.rules, &x.log),
	    RK_UNSUPPORTED_FOR_MESSAGE_FORMAT);
	ck_assert_int_eq(size_of(LOG0), size);
}
END_TEST

START_TEST(a_folder_without_files_is_an_empty_log)
{
	posix_forget(&x.w);
	st_log_free(x.log);
	x.log = NULL;
	ck_assert_int_eq(unlink(file_of(LOG0)), 0);
	ck_assert_int_eq(truncate(file_of("partition.metadata"), 5), 0);
	ck_assert_int_eq(st_log_open(x.dir, rk_lit("t"), 0, false, &x.rules, &x.log), RK_OK);
	ck_assert_int_eq(st_log_end(x.log), 0);
	ck_assert(rk_uuid_zero(st_log_topic_id(x.log)));
	ck_assert_int_eq(st_log_set_topic_id(x.log, (struct rk_uuid){{5}}), RK_OK);
	fill(2, 1);
	scratch_crash();
	all_there(20);
	ck_assert_int_eq(st_log_topic_id(x.log).id[0], 5);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("recover");
	TCase *c = tcase_create("recover");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, begin, scratch_end);
	tcase_add_test(c, a_clean_stop_is_believed_and_costs_nothing);
	tcase_add_test(c, the_marker_is_good_for_one_start);
	tcase_add_test(c, a_killed_process_loses_nothing);
	tcase_add_test(c, a_start_waits_for_the_disk_only_where_that_was_promised);
	tcase_add_test(c, only_what_is_past_the_recovery_point_is_read);
	tcase_add_test(c, a_torn_tail_is_cut_at_every_length);
	tcase_add_test(c, a_flipped_bit_ends_the_log);
	tcase_add_test(c, zeros_behind_the_last_batch_are_cut);
	tcase_add_test(c, preallocated_segments_are_trimmed_when_done);
	tcase_add_test(c, segments_behind_a_damaged_one_go);
	tcase_add_test(c, what_follows_damage_is_kept_a_torn_end_is_not);
	tcase_add_test(c, what_is_behind_a_segment_that_is_gone_is_kept);
	tcase_add_test(c, what_can_be_made_anew_is);
	tcase_add_test(c, torn_indexes_are_believed_as_far_as_they_ascend);
	tcase_add_test(c, a_log_changed_after_a_clean_stop_is_not_believed);
	tcase_add_test(c, snapshots_that_are_torn_or_past_the_end_are_not_used);
	tcase_add_test(c, five_batches_are_known_after_a_crash);
	tcase_add_test(c, a_finished_compaction_is_put_in_place);
	tcase_add_test(c, old_formats_are_refused_not_cut);
	tcase_add_test(c, a_folder_without_files_is_an_empty_log);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
