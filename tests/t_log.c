/* t_log.c - append, read, roll, sync, cut, forget. */
#include "tests/log_help.h"

static void
begin(void)
{
	scratch_begin();
	scratch_log();
}

/* n batches of ten records of 100 bytes, one ms apart. */
static void
fill(uint32_t n, int32_t epoch)
{
	for (uint32_t i = 0; i < n; i++)
		append(batch_of(10, 100, 1000 + st_log_end(x.log)), epoch);
}

START_TEST(what_is_appended_is_read)
{
	fill(3, 1);
	ck_assert_int_eq(st_log_end(x.log), 30);
	struct reading r = read_from(0, 30, 1 << 20, true);
	ck_assert_uint_eq(r.count, 3);
	ck_assert_int_eq(r.base[2], 20);
	r = read_from(15, 30, 1 << 20, true); /* the batch that holds it */
	ck_assert_uint_eq(r.count, 2);
	ck_assert_int_eq(r.base[0], 10);
	ck_assert_uint_eq(read_from(30, 30, 1 << 20, true).count, 0);
}
END_TEST

START_TEST(a_read_stays_below_its_limit)
{
	fill(4, 1);
	ck_assert_uint_eq(read_from(0, 20, 1 << 20, true).count, 2);
	ck_assert_uint_eq(read_from(20, 20, 1 << 20, true).count, 0);
	struct rk_out out;
	rk_out_init(&out, &x.arena);
	ck_assert_int_eq(st_log_read(x.log, 21, 20, 100, true, &out), RK_OFFSET_OUT_OF_RANGE);
	ck_assert_int_eq(st_log_read(x.log, 41, 50, 100, true, &out), RK_OFFSET_OUT_OF_RANGE);
	ck_assert_int_eq(st_log_read(x.log, -1, 40, 100, true, &out), RK_OFFSET_OUT_OF_RANGE);
}
END_TEST

START_TEST(max_bytes_cuts_as_kafka_does)
{
	fill(4, 1);
	uint32_t one = (uint32_t)st_log_bytes(x.log) / 4;
	struct reading r = read_from(0, 40, one + 10, true);
	ck_assert_uint_eq(r.bytes, one + 10);
	ck_assert(r.partial && r.count == 1);
	r = read_from(0, 40, 10, true);
	ck_assert_uint_eq(r.bytes, one);
	ck_assert_uint_eq(read_from(0, 40, 10, false).bytes, 0);
	ck_assert_uint_eq(read_from(0, 40, one, false).bytes, one);
	ck_assert_int_eq(st_log_bytes_between(x.log, 10, 30), 2 * one);
}
END_TEST

START_TEST(the_tail_is_read_without_a_look_at_the_file)
{
	fill(200, 1);
	uint32_t reads = x.w.reads, opens = x.w.opens;
	struct rk_out out;
	rk_out_init(&out, &x.arena);
	for (int64_t o = 1700; o < 2000; o++)
		ck_assert_int_eq(st_log_read(x.log, o, 1990, 5000, true, &out),
		    o > 1990 ? RK_OFFSET_OUT_OF_RANGE : RK_OK);
	ck_assert_uint_eq(x.w.reads, reads);
	ck_assert_uint_eq(x.w.opens, opens);
	rk_out_drop(&out);
	for (int64_t o = 0; o < 2000; o += 7)
		ck_assert_int_eq(read_from(o, 2000, 100, true).base[0], o / 10 * 10);
	check_indexes();
}
END_TEST

START_TEST(an_append_costs_one_write)
{
	fill(2, 1);
	uint32_t writes = x.w.writes, reads = x.w.reads, opens = x.w.opens;
	fill(100, 1);
	ck_assert_uint_eq(x.w.writes, writes + 100);
	ck_assert_uint_eq(x.w.reads, reads);
	ck_assert_uint_eq(x.w.opens, opens);
}
END_TEST

START_TEST(segments_roll_by_size_and_reads_cross_them)
{
	x.rules.segment_bytes = 20000;
	fill(100, 1);
	ck_assert_uint_gt(x.log->hot->count, 4);
	for (int64_t o = 0; o < 1000; o += 3)
		ck_assert_int_eq(read_from(o, 1000, 100, true).base[0], o / 10 * 10);
	int64_t at = 0;
	while (at < 1000)
		at += 10 * read_from(at, 1000, 1 << 20, true).count;
	ck_assert_int_eq(at, 1000);
	int64_t second = x.log->hot->seg[1].base;
	char name[64];
	snprintf(name, sizeof name, "%020" PRId64 ".snapshot", second);
	ck_assert_int_eq(size_of(name), 10);
	check_indexes();
	ck_assert_int_eq(st_log_bytes_between(x.log, 0, 1000), st_log_bytes(x.log));
}
END_TEST

START_TEST(segments_roll_by_time_of_their_records)
{
	x.rules.segment_ms = 1000;
	append(batch_of(1, 10, 5000), 1);
	append(batch_of(1, 10, 6000), 1);
	ck_assert_uint_eq(x.log->hot->count, 1);
	append(batch_of(1, 10, 6001), 1);
	ck_assert_uint_eq(x.log->hot->count, 2);
}
END_TEST

START_TEST(the_jitter_is_taken_off_the_time)
{
	uint32_t early = 0;

	x.rules.segment_ms = x.rules.segment_jitter_ms = 1000;
	for (int64_t i = 0; i < 50; i++) {
		append(batch_of(1, 10, 10000 * i), 1); /* begins a segment */
		uint32_t n = x.log->hot->count;
		append(batch_of(1, 10, 10000 * i + 500), 1);
		early += x.log->hot->count - n;
	}
	ck_assert_uint_gt(early, 5);
	ck_assert_uint_lt(early, 45);
}
END_TEST

START_TEST(a_full_index_ends_its_segment)
{
	x.rules.index_interval_bytes = 0; /* an entry for every batch but the first */
	x.rules.segment_index_bytes = 10 * 8;
	for (int i = 0; i < 30; i++)
		append(batch_of(1, 10, 1), 1);
	ck_assert_uint_gt(x.log->hot->count, 2);
	ck_assert_int_le(size_of("00000000000000000000.index"), 10 * 8);
	check_indexes();
}
END_TEST

START_TEST(an_index_has_an_entry_every_so_many_bytes)
{
	x.rules.index_interval_bytes = 1000;
	fill(50, 1);
	int64_t bytes = st_log_bytes(x.log);
	sync_all();
	ck_assert_int_eq(st_log_roll(x.log, st_log_end(x.log)), RK_OK);
	sync_all();
	int64_t entries = size_of("00000000000000000000.index") / 8;
	ck_assert_int_le(entries, bytes / 1000);
	ck_assert_int_ge(entries, bytes / 3000);
}
END_TEST

START_TEST(what_is_too_large_for_a_segment_is_spread)
{
	x.rules.segment_bytes = 3000;
	struct rk_str a = batch_of(10, 100, 1), b = batch_of(10, 100, 2), c = batch_of(10, 100, 3);
	char *all = rk_arena_raw(&x.arena, (size_t)a.len * 3);
	memcpy(all, a.at, (size_t)a.len);
	memcpy(all + a.len, b.at, (size_t)a.len);
	memcpy(all + 2 * a.len, c.at, (size_t)a.len);
	append((struct rk_str){all, 3 * a.len}, 1);
	ck_assert_int_eq(st_log_end(x.log), 30);
	ck_assert_uint_eq(x.log->hot->count, 2);
	ck_assert_int_eq(read_from(20, 30, 1, true).base[0], 20);
}
END_TEST

static uint32_t heard;
static void
hear(void *arg, struct st_log *l)
{
	(void)arg;
	(void)l;
	heard++;
}

START_TEST(stable_is_what_a_finished_sync_covers)
{
	fill(1, 1);
	sync_all();
	heard = 0;
	st_log_watch(x.log, hear, NULL);
	fill(1, 1);
	ck_assert_int_eq(st_log_stable(x.log), 10);
	st_log_sync(x.log);
	fill(1, 1); /* after the round began */
	ck_assert_int_eq(st_log_stable(x.log), 10);
	ck_assert_uint_eq(heard, 0);
	posix_pump(&x.w);
	ck_assert_int_eq(st_log_stable(x.log), 20);
	sync_all();
	ck_assert_int_eq(st_log_stable(x.log), 30);
	ck_assert_uint_ge(heard, 2);
	uint32_t syncs = x.w.syncs;
	sync_all(); /* nothing to do */
	ck_assert_uint_eq(x.w.syncs, syncs);
}
END_TEST

START_TEST(many_wishes_are_one_round)
{
	fill(1, 1);
	sync_all();
	sync_all();
	uint32_t syncs = x.w.syncs;
	for (int i = 0; i < 10; i++) {
		fill(1, 1);
		st_log_sync(x.log);
	}
	posix_pump(&x.w);
	ck_assert_uint_eq(x.w.syncs, syncs + 2); /* the first one's, and one for the nine others */
	ck_assert_int_eq(st_log_stable(x.log), 110);
}
END_TEST

START_TEST(the_recovery_point_waits_for_the_epochs)
{
	fill(1, 1);
	sync_all();
	ck_assert_int_eq(st_log_recovery_point(x.log), 10);
	fill(1, 2);
	st_log_sync(x.log);
	ck_assert_int_eq(st_log_recovery_point(x.log), 10);
	posix_pump(&x.w);
	ck_assert_int_eq(st_log_recovery_point(x.log), 20);
	ck_assert_int_gt(size_of("leader-epoch-checkpoint"), 0);
	ck_assert_int_eq(st_log_epoch_at(x.log, 9), 1);
	ck_assert_int_eq(st_log_epoch_at(x.log, 10), 2);
}
END_TEST

START_TEST(a_failed_sync_breaks_the_log_and_hides_the_tail)
{
	fill(2, 1);
	sync_all();
	fill(2, 1);
	x.w.fail_sync = true;
	sync_all();
	ck_assert(st_log_broken(x.log));
	ck_assert(st_dir_failed(x.dir));
	ck_assert_uint_eq(read_from(0, 40, 1 << 20, true).count, 2);
	struct st_appended a;
	struct rk_str b = batch_of(1, 1, 1);
	ck_assert_int_eq(
	    st_log_append(x.log, (uint8_t *)(uintptr_t)b.at, (uint32_t)b.len, 1, 0, &a),
	    RK_KAFKA_STORAGE_ERROR);
	struct rk_out out;
	rk_out_init(&out, &x.arena);
	ck_assert_int_eq(st_log_read(x.log, 30, 40, 100, true, &out), RK_KAFKA_STORAGE_ERROR);
}
END_TEST

START_TEST(a_full_disk_leaves_nothing_behind)
{
	fill(2, 1);
	int64_t bytes = size_of("00000000000000000000.log");
	struct st_appended a;
	struct rk_str b = batch_of(10, 100, 1);
	x.w.fail_write_after = 100;
	ck_assert_int_eq(
	    st_log_append(x.log, (uint8_t *)(uintptr_t)b.at, (uint32_t)b.len, 1, 0, &a),
	    RK_NO_SPACE);
	ck_assert_int_eq(size_of("00000000000000000000.log"), bytes);
	ck_assert_int_eq(st_log_end(x.log), 20);
	ck_assert(!st_log_broken(x.log));
	ck_assert_int_eq(append(b, 1), 20); /* there is room again */
	x.w.fail_write_after = 100;
	x.w.fail_truncate = true;
	ck_assert_int_eq(
	    st_log_append(x.log, (uint8_t *)(uintptr_t)b.at, (uint32_t)b.len, 1, 0, &a),
	    RK_NO_SPACE);
	ck_assert(st_log_broken(x.log));
	x.w.fail_truncate = false;
}
END_TEST

START_TEST(a_truncation_takes_segments_epochs_and_producers_back)
{
	x.rules.segment_bytes = 5000;
	append(batch_from(7, 0, 0, 10, 1, 0), 1);
	fill(20, 2);
	append(batch_from(7, 0, 10, 10, 1, 0), 3);
	fill(20, 3);
	ck_assert_uint_gt(x.log->hot->count, 5);
	ck_assert_int_eq(st_log_truncate(x.log, 35), RK_OK);
	ck_assert_int_eq(st_log_end(x.log), 35);
	ck_assert_int_eq(st_log_stable(x.log), 35);
	ck_assert_int_eq(st_log_last_epoch(x.log), 2);
	ck_assert_int_eq(read_from(20, 35, 1 << 20, true).base[0], 20);
	ck_assert_uint_eq(
	    read_from(30, 35, 1 << 20, true).count, 0); /* the batch that held 35 is gone */
	int64_t base, ms;
	struct rk_str again = batch_from(7, 0, 10, 10, 1, 0);
	ck_assert_int_eq(st_producers_check(st_log_producers(x.log), again.at, &base, &ms), RK_OK);
	ck_assert_int_eq(append(batch_of(5, 10, 9), 4), 35);
	check_indexes();
	scratch_crash();
	ck_assert_int_eq(st_log_end(x.log), 40);
	ck_assert_int_eq(st_log_last_epoch(x.log), 4);
	check_indexes();
}
END_TEST

START_TEST(a_truncation_lowers_the_recovery_point_on_disk_first)
{
	struct st_found f;
	fill(10, 1);
	sync_all();
	ck_assert_int_eq(st_dir_save(x.dir), RK_OK);
	ck_assert(st_dir_lookup(x.dir, rk_lit("t"), 0, &f) && f.recovery_point == 100);
	ck_assert_int_eq(st_log_truncate(x.log, 40), RK_OK);
	fill(10, 2);
	scratch_crash();
	ck_assert_int_eq(x.log->entry->recovery, 40);
	ck_assert_int_eq(st_log_end(x.log), 140);
}
END_TEST

START_TEST(a_restart_forgets_everything)
{
	append(batch_from(7, 0, 0, 10, 1, 0), 1);
	fill(10, 1);
	ck_assert_int_eq(st_log_restart(x.log, 5000), RK_OK);
	ck_assert_int_eq(st_log_start(x.log), 5000);
	ck_assert_int_eq(st_log_end(x.log), 5000);
	ck_assert_int_eq(st_log_last_epoch(x.log), -1);
	ck_assert_uint_eq(st_producers_count(st_log_producers(x.log)), 0);
	fill(1, 2);
	scratch_crash();
	ck_assert_int_eq(st_log_start(x.log), 5000);
	ck_assert_int_eq(st_log_end(x.log), 5010);
	ck_assert_uint_eq(st_producers_count(st_log_producers(x.log)), 0);
}
END_TEST

START_TEST(a_follower_takes_offsets_as_they_come)
{
	struct rk_str b = batch_of(10, 10, 5);
	uint8_t *p = (uint8_t *)(uintptr_t)b.at;
	kp_batch_set_base(p, 100);
	kp_batch_set_epoch(p, 7);
	ck_assert_int_eq(st_log_append_as_is(x.log, p, (uint32_t)b.len, 0), RK_OK);
	ck_assert_int_eq(st_log_end(x.log), 110);
	ck_assert_int_eq(st_log_last_epoch(x.log), 7);
	ck_assert_int_eq(
	    st_log_append_as_is(x.log, p, (uint32_t)b.len, 0), RK_CORRUPT_MESSAGE); /* goes back */
	kp_batch_set_base(p, 6000000000);
	ck_assert_int_eq(st_log_append_as_is(x.log, p, (uint32_t)b.len, 0), RK_OK);
	ck_assert_uint_eq(x.log->hot->count, 2);
	ck_assert_int_eq(read_from(500, 6000000010, 1000, true).base[0], 6000000000);
}
END_TEST

START_TEST(retention_by_time_and_size_removes_whole_segments)
{
	x.rules.segment_bytes = 5000;
	fill(50, 1);
	uint32_t had = x.log->hot->count;
	ck_assert_int_eq(st_log_clean(x.log, 500, 1000000), 0); /* no limit */
	x.rules.retention_bytes = st_log_bytes(x.log) - 4900;
	ck_assert_int_gt(st_log_clean(x.log, 500, 1000000), 0);
	ck_assert_uint_eq(x.log->hot->count, had - 1);
	ck_assert_int_eq(st_log_start(x.log), x.log->hot->seg[0].base);
	x.rules.retention_ms = 100;
	ck_assert_int_eq(
	    st_log_clean(x.log, st_log_start(x.log), 1000000), 0); /* not past the high watermark */
	sync_all();
	ck_assert_int_gt(st_log_clean(x.log, 500, 1000000), 0);
	ck_assert_int_eq(st_log_start(x.log), 500);
	ck_assert_uint_eq(x.log->hot->count, 1);
	ck_assert_int_eq(st_log_end(x.log), 500);
	ck_assert_int_eq(size_of("00000000000000000000.log"), -1);
	ck_assert_int_gt(size_of("00000000000000000000.log.deleted"), 0);
	x.w.now_ms += x.rules.file_delete_delay_ms - 1;
	st_dir_tick(x.dir, x.w.now_ms);
	ck_assert_int_gt(size_of("00000000000000000000.log.deleted"), 0);
	x.w.now_ms += 1;
	st_dir_tick(x.dir, x.w.now_ms);
	st_dir_tick(x.dir, x.w.now_ms);
	ck_assert_int_eq(size_of("00000000000000000000.log.deleted"), -1);
	fill(1, 1);
	scratch_crash();
	ck_assert_int_eq(st_log_end(x.log), 510);
}
END_TEST

START_TEST(deleted_records_are_out_of_range)
{
	fill(5, 1);
	ck_assert_int_eq(st_log_set_start(x.log, 51), RK_OFFSET_OUT_OF_RANGE);
	ck_assert_int_eq(st_log_set_start(x.log, 25), RK_OK);
	struct rk_out out;
	rk_out_init(&out, &x.arena);
	ck_assert_int_eq(st_log_read(x.log, 24, 50, 100, true, &out), RK_OFFSET_OUT_OF_RANGE);
	ck_assert_int_eq(read_from(25, 50, 100, true).base[0], 20);
	sync_all();
	ck_assert_int_eq(st_dir_save(x.dir), RK_OK);
	scratch_crash();
	ck_assert_int_eq(st_log_start(x.log), 25);
}
END_TEST

START_TEST(times_find_records)
{
	struct st_stamp s;
	x.rules.segment_bytes = 20000;
	fill(100, 3); /* record o has timestamp 1000 + o */
	for (int64_t o = 0; o < 1000; o += 13) {
		ck_assert_int_eq(st_log_find_time(x.log, 1000 + o, 1000, &s), RK_OK);
		ck_assert_int_eq(s.offset, o);
		ck_assert_int_eq(s.ms, 1000 + o);
		ck_assert_int_eq(s.epoch, 3);
	}
	ck_assert_int_eq(st_log_find_time(x.log, 1, 1000, &s), RK_OK);
	ck_assert_int_eq(s.offset, 0);
	ck_assert_int_eq(st_log_find_time(x.log, 2000, 1000, &s), RK_OK);
	ck_assert_int_eq(s.offset, -1);
	ck_assert_int_eq(st_log_find_time(x.log, 1500, 500, &s), RK_OK);
	ck_assert_int_eq(s.offset, -1);
	append(batch_of(3, 10, 7000), 3);
	fill(3, 3);
	ck_assert_int_eq(st_log_find_max_time(x.log, &s), RK_OK);
	ck_assert_int_eq(s.offset, 1002);
	ck_assert_int_eq(s.ms, 7002);
	ck_assert_int_eq(st_log_find_time(x.log, 6000, 2000, &s), RK_OK);
	ck_assert_int_eq(s.offset, 1000);
}
END_TEST

START_TEST(epochs_end_where_the_next_begins)
{
	int32_t e;
	int64_t end;
	fill(2, 1);
	fill(2, 5);
	st_log_begin_epoch(x.log, 8);
	ck_assert_int_eq(st_log_last_epoch(x.log), 8);
	st_log_epoch_end(x.log, 9, &e, &end);
	ck_assert(e == 8 && end == 40);
	st_log_epoch_end(x.log, 5, &e, &end);
	ck_assert(e == 5 && end == 40);
	st_log_epoch_end(x.log, 4, &e, &end);
	ck_assert(e == 1 && end == 20);
	st_log_epoch_end(x.log, 0, &e, &end);
	ck_assert(e == -1 && end == -1);
	fill(1, 8);
	st_log_epoch_end(x.log, 8, &e, &end);
	ck_assert(e == 8 && end == 50);
	st_log_epoch_end(x.log, 7, &e, &end);
	ck_assert(e == 5 && end == 40);
}
END_TEST

START_TEST(aborted_transactions_are_found)
{
	struct st_aborted *a;
	uint32_t n;
	append(batch_from(7, 0, 0, 10, x.w.wall_ms, KP_ATTR_TXN), 1); /* 0..9 */
	append(batch_from(8, 0, 0, 10, x.w.wall_ms, KP_ATTR_TXN), 1); /* 10..19 */
	ck_assert_int_eq(st_log_first_open(x.log), 0);
	append(marker_of(7, 0, true), 1); /* 20 */
	ck_assert_int_eq(st_log_first_open(x.log), 10);
	append(marker_of(8, 0, false), 1); /* 21 */
	ck_assert_int_eq(st_log_first_open(x.log), -1);
	ck_assert_int_eq(st_log_first_unstable(x.log, 21), 10);
	ck_assert_int_eq(st_log_first_unstable(x.log, 22), -1);
	ck_assert_int_eq(st_log_aborted(x.log, 0, 22, &x.arena, &a, &n), RK_OK);
	ck_assert_uint_eq(n, 1);
	ck_assert(a[0].producer_id == 7 && a[0].first == 0 && a[0].last == 20 && a[0].stable == 10);
	ck_assert_int_eq(st_log_aborted(x.log, 21, 22, &x.arena, &a, &n), RK_OK);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(size_of("00000000000000000000.txnindex"), 34);
	cut_file("00000000000000000000.txnindex", 20);
	scratch_crash();
	ck_assert_int_eq(st_log_aborted(x.log, 0, 22, &x.arena, &a, &n), RK_OK);
	ck_assert_uint_eq(n, 1);
}
END_TEST

START_TEST(a_log_cools_and_warms)
{
	append(batch_from(7, 0, 0, 10, 1, 0), 1);
	fill(100, 1);
	ck_assert(!st_log_cool(x.log)); /* something has to be written first */
	posix_pump(&x.w);
	while (!st_log_cool(x.log))
		ck_assert_uint_gt(posix_pump(&x.w), 0);
	ck_assert_ptr_null(x.log->hot);
	ck_assert_uint_eq(x.w.files, 0);
	ck_assert_int_eq(st_log_end(x.log), 1010);
	ck_assert_int_eq(read_from(505, 1010, 100, true).base[0], 500);
	int64_t base, ms;
	struct rk_str again = batch_from(7, 0, 0, 10, 1, 0);
	ck_assert_int_eq(st_producers_check(st_log_producers(x.log), again.at, &base, &ms),
	    RK_DUPLICATE_SEQUENCE_NUMBER);
	ck_assert_int_eq(base, 0);
	uint32_t syncs = x.w.syncs;
	ck_assert(st_log_cool(x.log)); /* nothing was written since */
	ck_assert_uint_eq(x.w.syncs, syncs);
	fill(1, 1);
	ck_assert_int_eq(st_log_end(x.log), 1020);
}
END_TEST

START_TEST(a_deleted_log_goes_away_later)
{
	char name[PATH_MAX];
	struct st_log *l;
	fill(5, 1);
	sync_all();
	ck_assert_int_eq(st_dir_save(x.dir), RK_OK);
	ck_assert_int_eq(st_log_delete(x.log), RK_OK);
	x.log = NULL;
	ck_assert_int_eq(size_of(""), -1);
	ck_assert_int_eq(
	    st_log_create(x.dir, rk_lit("t"), 0, (struct rk_uuid){{4}}, &x.rules, &l), RK_OK);
	struct rk_arena a;
	struct rk_str text;
	rk_arena_init(&a, 4096);
	snprintf(name, sizeof name, "%s/recovery-point-offset-checkpoint", x.path);
	ck_assert_int_eq(rk_env_slurp(&x.w.env, name, &a, &text), RK_OK);
	ck_assert(rk_str_is(text, "0\n0\n")); /* the old one's recovery point vouches for nothing */
	rk_arena_free(&a);
	x.log = l;
	ck_assert_int_lt(st_dir_tick(x.dir, x.w.now_ms), INT64_MAX);
	x.w.now_ms += 60000;
	ck_assert_int_eq(st_dir_tick(x.dir, x.w.now_ms), INT64_MAX);
}
END_TEST

START_TEST(flush_rules_begin_a_sync)
{
	x.rules.flush_messages = 30;
	fill(2, 1);
	ck_assert_uint_eq(posix_pump(&x.w), 0);
	fill(1, 1);
	ck_assert_uint_gt(posix_pump(&x.w), 0);
	ck_assert_int_eq(st_log_stable(x.log), 30);
	x.rules.flush_ms = 500;
	fill(1, 1);
	st_log_flush(x.log, x.w.wall_ms + 499);
	ck_assert_uint_eq(posix_pump(&x.w), 0);
	st_log_flush(x.log, x.w.wall_ms + 500);
	posix_pump(&x.w);
	ck_assert_int_eq(st_log_stable(x.log), 40);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");
	TCase *c = tcase_create("log");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, begin, scratch_end);
	tcase_add_test(c, what_is_appended_is_read);
	tcase_add_test(c, a_read_stays_below_its_limit);
	tcase_add_test(c, max_bytes_cuts_as_kafka_does);
	tcase_add_test(c, the_tail_is_read_without_a_look_at_the_file);
	tcase_add_test(c, an_append_costs_one_write);
	tcase_add_test(c, segments_roll_by_size_and_reads_cross_them);
	tcase_add_test(c, segments_roll_by_time_of_their_records);
	tcase_add_test(c, the_jitter_is_taken_off_the_time);
	tcase_add_test(c, a_full_index_ends_its_segment);
	tcase_add_test(c, an_index_has_an_entry_every_so_many_bytes);
	tcase_add_test(c, what_is_too_large_for_a_segment_is_spread);
	tcase_add_test(c, stable_is_what_a_finished_sync_covers);
	tcase_add_test(c, many_wishes_are_one_round);
	tcase_add_test(c, the_recovery_point_waits_for_the_epochs);
	tcase_add_test(c, a_failed_sync_breaks_the_log_and_hides_the_tail);
	tcase_add_test(c, a_full_disk_leaves_nothing_behind);
	tcase_add_test(c, a_truncation_takes_segments_epochs_and_producers_back);
	tcase_add_test(c, a_truncation_lowers_the_recovery_point_on_disk_first);
	tcase_add_test(c, a_restart_forgets_everything);
	tcase_add_test(c, a_follower_takes_offsets_as_they_come);
	tcase_add_test(c, retention_by_time_and_size_removes_whole_segments);
	tcase_add_test(c, deleted_records_are_out_of_range);
	tcase_add_test(c, times_find_records);
	tcase_add_test(c, epochs_end_where_the_next_begins);
	tcase_add_test(c, aborted_transactions_are_found);
	tcase_add_test(c, a_log_cools_and_warms);
	tcase_add_test(c, a_deleted_log_goes_away_later);
	tcase_add_test(c, flush_rules_begin_a_sync);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
