/* t_mlog.c - the contract of storage/mlog.h, held by both bodies: LMDB's and the simulator's.
 *
 * Every test runs twice. The world here is a queue of jobs that pump() runs; a crash forgets the queue. */
#include <check.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "storage/mlog.h"
#include "protocol/batch.h"
#include "base/mem.h"
#include "base/say.h"
#include "tests/sim/mlog_sim.h"

enum { LMDB, SIM, BODIES };
static struct {
	rk_job *fn;
	rk_done *done;
	void *arg;
} queue[64];
static uint32_t queued, done_ok, done_bad;
static struct rk_env env;
static struct st_mlog *ml;
static struct sim_mdisk *disk;
static char dir[64];
static int body;
static char last_line[2048];
static struct rk_arena arena;

static void
work(struct rk_env *e, uint32_t lane, rk_job *fn, rk_done *done, void *arg)
{
	ck_assert_ptr_eq(e, &env);
	ck_assert_uint_eq(lane, 7);
	ck_assert_uint_lt(queued, rk_countof(queue));
	queue[queued].fn = fn;
	queue[queued].done = done;
	queue[queued++].arg = arg;
}

static enum rk_err
dir_sync(struct rk_env *e, const char *path)
{
	(void)e;
	(void)path;
	return RK_OK;
}

static const struct rk_world world = { .work = work, .dir_sync = dir_sync };

static void
pump(void)
{
	while (queued > 0) {
		rk_job *fn = queue[0].fn;
		rk_done *done = queue[0].done;
		void *arg = queue[0].arg;
		memmove(queue, queue + 1, --queued * sizeof *queue);
		fn(arg);
		done(arg, RK_OK);
	}
}

static void
sink(void *arg, enum rk_level l, const char *line)
{
	(void)arg;
	(void)l;
	snprintf(last_line, sizeof last_line, "%s", line);
}

static enum rk_err
reopen_err(void)
{
	return body == LMDB ? st_mlog_open(&env, dir, 7, &ml) : sim_mlog_open(&env, disk, 7, &ml);
}

static void
reopen(void)
{
	enum rk_err e = reopen_err();
	ck_assert_msg(e == RK_OK, "%s: %s", rk_err_name(e), last_line);
}

static void
crash(void)
{
	queued = 0;
	st_mlog_close(ml);
	reopen();
}

static void
setup(int i)
{
	body = i;
	env.world = &world;
	queued = done_ok = done_bad = 0;
	rk_say_to(sink, NULL, RK_INFO);
	rk_arena_init(&arena, 64 << 20);
	if (body == LMDB) {
		snprintf(dir, sizeof dir, "/tmp/t_mlog.XXXXXX");
		ck_assert_ptr_nonnull(mkdtemp(dir));
	} else {
		disk = sim_mdisk_new();
	}
	reopen();
}

static void
teardown(void)
{
	char path[128];

	if (ml != NULL)
		st_mlog_close(ml);
	ml = NULL;
	rk_arena_free(&arena);
	if (body == SIM) {
		sim_mdisk_free(disk);
		return;
	}
	snprintf(path, sizeof path, "%s/log.mdb", dir);
	unlink(path);
	snprintf(path, sizeof path, "%s/log.mdb-lock", dir);
	unlink(path);
	rmdir(dir);
}

static void
on_done(void *arg, enum rk_err e)
{
	(void)arg;
	if (e == RK_OK)
		done_ok++;
	else
		done_bad++;
}

/* A batch of count records, at least head + pad bytes; its body is a pattern of seed. */
static uint32_t
batch(uint8_t *b, int64_t base, int32_t count, int32_t epoch, uint32_t pad, bool control)
{
	uint32_t len = KP_BATCH_HEAD + pad;

	memset(b, (int)(base * 31 + epoch), len);
	kp_batch_set_base(b, base);
	rk_put32(b + 8, len - 12);
	kp_batch_set_epoch(b, epoch);
	b[16] = 2;
	rk_put16(b + 21, control ? KP_ATTR_CONTROL : 0);
	rk_put32(b + 23, (uint32_t)count - 1);
	rk_put32(b + 57, (uint32_t)count);
	rk_put32(b + 17, rk_crc32c(0, b + 21, len - 21));
	return len;
}

static enum rk_err
append(int64_t base, int32_t count, int32_t epoch)
{
	uint8_t b[200];
	return st_mlog_append(ml, b, batch(b, base, count, epoch, 40, false));
}

static void
fill(int64_t from, int64_t to, int32_t epoch) /* batches of two records */
{
	for (; from < to; from += 2)
		ck_assert_int_eq(append(from, 2, epoch), RK_OK);
}

static void
flush(void)
{
	uint32_t before = done_ok;

	st_mlog_flush(ml, on_done, NULL);
	ck_assert_uint_eq(done_ok, before);
	pump();
	ck_assert_uint_eq(done_ok, before + 1);
}

/* Reads [from, end) in bites and sees every batch, in order, with its epoch's pattern. */
static void
holds(int64_t from, int64_t end, uint32_t bite)
{
	struct rk_str s;

	while (from < end) {
		ck_assert_int_eq(st_mlog_read(ml, from, INT64_MAX, bite, &arena, &s), RK_OK);
		ck_assert_int_gt(s.len, 0);
		for (const char *p = s.at; p < s.at + s.len; p += kp_batch_bytes(p)) {
			ck_assert_int_eq(kp_batch_base(p), from);
			ck_assert_int_eq((uint8_t)p[70], (uint8_t)(from * 31 + kp_batch_epoch(p)));
			from = kp_batch_last(p) + 1;
		}
		rk_arena_reset(&arena);
	}
	ck_assert_int_eq(from, end);
	ck_assert_int_eq(st_mlog_read(ml, end, INT64_MAX, bite, &arena, &s), RK_OK);
	ck_assert_int_eq(s.len, 0);
	ck_assert_int_eq(st_mlog_info(ml)->end, end);
}

START_TEST(a_new_log_is_empty)
{
	setup(_i);
	const struct st_mlog_info *i = st_mlog_info(ml);
	ck_assert(i->start == 0 && i->end == 0 && i->flushed_end == 0);
	ck_assert(i->vote.epoch == 0 && i->vote.leader == -1 && i->vote.voted == -1);
	ck_assert(i->epochs == 0 && i->controls == 0 && i->snap.end == 0);
	holds(0, 0, 100);
	crash();
	holds(0, 0, 100);
	teardown();
}
END_TEST

START_TEST(what_is_staged_is_read_at_once)
{
	setup(_i);
	fill(0, 20, 1);
	holds(0, 20, 1);
	holds(0, 20, 1000000);
	ck_assert_int_eq(st_mlog_info(ml)->flushed_end, 0);
	flush();
	ck_assert_int_eq(st_mlog_info(ml)->flushed_end, 20);
	fill(20, 30, 1);
	holds(0, 30, 1);
	holds(0, 30, 250);
	teardown();
}
END_TEST

START_TEST(a_crash_keeps_what_was_flushed_and_nothing_else)
{
	setup(_i);
	fill(0, 10, 1);
	flush();
	fill(10, 14, 2);
	crash();
	holds(0, 10, 500);
	ck_assert_uint_eq(st_mlog_info(ml)->epochs, 1);
	fill(10, 12, 3);
	st_mlog_flush(ml, on_done, NULL); /* submitted, never run */
	crash();
	holds(0, 10, 500);
	teardown();
}
END_TEST

START_TEST(a_flush_that_ran_is_in_though_nobody_heard)
{
	setup(_i);
	fill(0, 10, 1);
	st_mlog_flush(ml, on_done, NULL);
	ck_assert_uint_eq(queued, 1);
	queue[0].fn(queue[0].arg);
	crash();
	ck_assert_uint_eq(done_ok, 0);
	holds(0, 10, 500);
	teardown();
}
END_TEST

START_TEST(flushes_asked_meanwhile_share_the_next_transaction)
{
	setup(_i);
	fill(0, 2, 1);
	st_mlog_flush(ml, on_done, NULL);
	for (int64_t b = 2; b < 20; b += 2) {
		fill(b, b + 2, 1);
		st_mlog_flush(ml, on_done, NULL);
	}
	ck_assert_uint_eq(queued, 1);
	ck_assert(st_mlog_busy(ml));
	pump();
	ck_assert(!st_mlog_busy(ml));
	ck_assert_uint_eq(done_ok, 10);
	if (body == SIM)
		ck_assert_uint_eq(sim_mdisk_commits(disk), 2);
	crash();
	holds(0, 20, 100);
	teardown();
}
END_TEST

START_TEST(the_vote_survives)
{
	struct st_mlog_vote v = { 7, -1, 3, { { 1, 2, 3 } } };
	setup(_i);
	ck_assert_int_eq(st_mlog_save(ml, &v), RK_OK);
	flush();
	crash();
	const struct st_mlog_info *i = st_mlog_info(ml);
	ck_assert(i->vote.epoch == 7 && i->vote.leader == -1 && i->vote.voted == 3);
	ck_assert(rk_uuid_eq(i->vote.voted_dir, v.voted_dir));
	teardown();
}
END_TEST

START_TEST(a_cut_takes_the_tail_its_epochs_and_its_control_batches)
{
	uint8_t b[200];
	setup(_i);
	fill(0, 10, 1);
	ck_assert_int_eq(st_mlog_append(ml, b, batch(b, 10, 3, 4, 40, true)), RK_OK);
	fill(13, 15, 4);
	flush();
	ck_assert_uint_eq(st_mlog_info(ml)->controls, 1);
	ck_assert_int_eq(st_mlog_info(ml)->control[0], 10);
	ck_assert_int_eq(st_mlog_cut(ml, 13), RK_OK);
	holds(0, 13, 100);
	ck_assert_uint_eq(st_mlog_info(ml)->epochs, 2);
	ck_assert_int_eq(st_mlog_cut(ml, 10), RK_OK);
	ck_assert_uint_eq(st_mlog_info(ml)->epochs, 1);
	ck_assert_uint_eq(st_mlog_info(ml)->controls, 0);
	fill(10, 16, 5);
	holds(0, 16, 100);
	flush();
	crash();
	holds(0, 16, 100);
	ck_assert_uint_eq(st_mlog_info(ml)->epochs, 2);
	ck_assert_int_eq(st_mlog_info(ml)->epoch[1].epoch, 5);
	teardown();
}
END_TEST

START_TEST(a_cut_inside_a_batch_takes_the_whole_batch)
{
	setup(_i);
	fill(0, 10, 1);
	flush();
	fill(10, 14, 1);
	ck_assert_int_eq(st_mlog_cut(ml, 13), RK_OK);
	holds(0, 12, 100);
	ck_assert_int_eq(st_mlog_cut(ml, 7), RK_OK);
	holds(0, 6, 100);
	ck_assert_int_eq(st_mlog_cut(ml, 0), RK_OK);
	holds(0, 0, 100);
	flush();
	crash();
	holds(0, 0, 100);
	teardown();
}
END_TEST

START_TEST(a_cut_under_a_running_flush_is_not_undone_by_it)
{
	setup(_i);
	fill(0, 10, 1);
	flush();
	fill(10, 20, 1);
	st_mlog_flush(ml, on_done, NULL);
	ck_assert_int_eq(st_mlog_cut(ml, 10), RK_OK);
	fill(10, 14, 2);
	holds(0, 14, 100);
	queue[0].fn(queue[0].arg); /* the disk now has the old tail */
	holds(0, 14, 100);
	queue[0].done(queue[0].arg, RK_OK);
	queued = 0;
	holds(0, 14, 100);
	ck_assert_int_eq(st_mlog_info(ml)->flushed_end, 10);
	flush();
	ck_assert_int_eq(st_mlog_info(ml)->flushed_end, 14);
	crash();
	holds(0, 14, 100);
	ck_assert_int_eq(st_mlog_info(ml)->epoch[1].epoch, 2);
	teardown();
}
END_TEST

START_TEST(trimming_forgets_the_oldest)
{
	struct rk_str s;
	setup(_i);
	fill(0, 10, 1);
	fill(10, 20, 2);
	flush();
	fill(20, 30, 3);
	ck_assert_int_eq(st_mlog_snapshot(ml, (struct st_mlog_snap){ 14, 2 }), RK_OK);
	ck_assert_int_eq(st_mlog_trim(ml, (struct st_mlog_snap){ 14, 2 }), RK_OK);
	const struct st_mlog_info *i = st_mlog_info(ml);
	ck_assert(i->start == 14 && i->base.end == 14 && i->base.epoch == 2 && i->snap.end == 14);
	ck_assert(i->epochs == 2 && i->epoch[0].epoch == 2 && i->epoch[0].start == 14);
	ck_assert_int_eq(st_mlog_read(ml, 13, 30, 100, &arena, &s), RK_OFFSET_OUT_OF_RANGE);
	ck_assert_int_eq(st_mlog_cut(ml, 13), RK_OFFSET_OUT_OF_RANGE);
	holds(14, 30, 100);
	flush();
	crash();
	holds(14, 30, 100);
	i = st_mlog_info(ml);
	ck_assert(i->start == 14 && i->snap.end == 14 && i->snap.epoch == 2 && i->epochs == 2);
	ck_assert_int_eq(st_mlog_trim(ml, (struct st_mlog_snap){ 30, 3 }), RK_OK);
	ck_assert_uint_eq(st_mlog_info(ml)->epochs, 0);
	flush();
	crash();
	holds(30, 30, 100);
	ck_assert_int_eq(append(30, 2, 2), RK_CORRUPT_MESSAGE); /* older than the snapshot */
	fill(30, 40, 3);
	flush();
	crash();
	holds(30, 40, 100);
	teardown();
}
END_TEST

START_TEST(trimming_past_the_durable_part_keeps_the_view)
{
	setup(_i);
	fill(0, 10, 1);
	flush();
	fill(10, 20, 1);
	ck_assert_int_eq(st_mlog_trim(ml, (struct st_mlog_snap){ 14, 1 }), RK_OK);
	holds(14, 20, 1);
	st_mlog_flush(ml, on_done, NULL);
	fill(20, 24, 1);
	holds(14, 24, 1);
	pump();
	holds(14, 24, 1);
	teardown();
}
END_TEST

START_TEST(a_reset_starts_over_behind_a_snapshot)
{
	setup(_i);
	fill(0, 10, 1);
	flush();
	fill(10, 12, 1);
	ck_assert_int_eq(st_mlog_reset(ml, (struct st_mlog_snap){ 50, 6 }), RK_OK);
	holds(50, 50, 100);
	fill(50, 54, 6);
	flush();
	crash();
	holds(50, 54, 100);
	ck_assert_int_eq(st_mlog_info(ml)->base.epoch, 6);
	ck_assert_int_eq(st_mlog_info(ml)->snap.end, 50);
	teardown();
}
END_TEST

START_TEST(reads_stop_at_the_limit_and_at_the_size)
{
	struct rk_str s;
	setup(_i);
	fill(0, 20, 1); /* batches of 101 bytes */
	for (int pass = 0; pass < 2; pass++, flush()) {
		ck_assert_int_eq(st_mlog_read(ml, 3, 8, 10000, &arena, &s), RK_OK);
		ck_assert_int_eq(s.len, 3 * 101);
		ck_assert_int_eq(kp_batch_base(s.at), 2);
		ck_assert_int_eq(st_mlog_read(ml, 0, 20, 303, &arena, &s), RK_OK);
		ck_assert_int_eq(s.len, 303);
		ck_assert_int_eq(st_mlog_read(ml, 8, 8, 303, &arena, &s), RK_OK);
		ck_assert_int_eq(s.len, 0);
		ck_assert_int_eq(st_mlog_read(ml, 21, 30, 303, &arena, &s), RK_OFFSET_OUT_OF_RANGE);
	}
	struct rk_arena tiny;
	rk_arena_init(&tiny, 16);
	ck_assert_int_eq(st_mlog_read(ml, 0, 20, 303, &tiny, &s), RK_NO_MEMORY);
	rk_arena_free(&tiny);
	teardown();
}
END_TEST

START_TEST(what_is_no_batch_of_this_place_is_refused)
{
	uint8_t b[400];
	uint32_t len;
	setup(_i);
	fill(0, 4, 3);
	ck_assert_int_eq(append(6, 2, 3), RK_CORRUPT_MESSAGE);
	ck_assert_int_eq(append(2, 2, 3), RK_CORRUPT_MESSAGE);
	ck_assert_int_eq(append(4, 2, 2), RK_CORRUPT_MESSAGE);
	ck_assert_int_eq(append(4, 0, 3), RK_CORRUPT_MESSAGE);
	len = batch(b, 4, 2, 3, 40, false);
	for (uint32_t n = 0; n < len; n++)
		ck_assert_int_eq(st_mlog_append(ml, b, n), RK_CORRUPT_MESSAGE);
	len += batch(b + len, 7, 2, 3, 40, false); /* a gap behind a good one */
	ck_assert_int_eq(st_mlog_append(ml, b, len), RK_CORRUPT_MESSAGE);
	holds(0, 4, 100);
	teardown();
}
END_TEST

START_TEST(crash_points_keep_a_prefix_of_the_flushes)
{
	/* A fixed history of ten flushes; for every count that ran, reopen and compare. */
	for (uint32_t ran = 0; ran <= 10; ran++) {
		setup(_i);
		int64_t end[11] = { 0 };
		for (uint32_t k = 0; k < 10; k++) {
			int64_t e = st_mlog_info(ml)->end;
			struct st_mlog_vote v = { (int32_t)k + 1, -1, -1, { { 0 } } };
			if (k % 3 == 2)
				ck_assert_int_eq(st_mlog_cut(ml, e - 2), RK_OK);
			e = st_mlog_info(ml)->end;
			fill(e, e + 4, (int32_t)k + 1);
			ck_assert_int_eq(st_mlog_save(ml, &v), RK_OK);
			end[k + 1] = st_mlog_info(ml)->end;
			st_mlog_flush(ml, on_done, NULL);
			if (k < ran)
				pump();
			else
				queued = 0;
		}
		crash();
		holds(0, end[ran], 300);
		ck_assert_int_eq(st_mlog_info(ml)->vote.epoch, (int32_t)ran);
		teardown();
	}
}
END_TEST

START_TEST(the_map_grows_with_the_log)
{
	enum { BIG = 1 << 20 };
	uint8_t *b = rk_mem_get(BIG + 100);
	setup(_i);
	for (int64_t i = 0; i < 24; i++) {
		ck_assert_int_eq(st_mlog_append(ml, b, batch(b, i, 1, 1, BIG, false)), RK_OK);
		if (i % 8 == 7)
			flush();
	}
	crash();
	holds(0, 24, 3 << 20);
	ck_assert_int_eq(st_mlog_trim(ml, (struct st_mlog_snap){ 20, 1 }), RK_OK);
	flush();
	holds(20, 24, 3 << 20);
	rk_mem_put(b);
	teardown();
}
END_TEST

START_TEST(after_a_failed_flush_the_log_refuses_changes)
{
	struct st_mlog_vote v = { 1, -1, -1, { { 0 } } };
	setup(SIM);
	fill(0, 4, 1);
	flush();
	sim_mdisk_fail(disk, 0, RK_NO_SPACE);
	fill(4, 8, 1);
	st_mlog_flush(ml, on_done, NULL);
	st_mlog_flush(ml, on_done, NULL);
	pump();
	ck_assert_uint_eq(done_bad, 2);
	ck_assert_int_eq(st_mlog_error(ml), RK_NO_SPACE);
	ck_assert_int_eq(append(8, 2, 1), RK_NO_SPACE);
	ck_assert_int_eq(st_mlog_cut(ml, 4), RK_NO_SPACE);
	ck_assert_int_eq(st_mlog_save(ml, &v), RK_NO_SPACE);
	st_mlog_flush(ml, on_done, NULL);
	pump();
	ck_assert_uint_eq(done_bad, 3);
	holds(0, 8, 100); /* still readable */
	crash();
	holds(0, 4, 100);
	teardown();
}
END_TEST

static void
hurt(long from, long to, int byte)
{
	char path[128];
	snprintf(path, sizeof path, "%s/log.mdb", dir);
	FILE *f = fopen(path, "r+");
	ck_assert_ptr_nonnull(f);
	fseek(f, from, SEEK_SET);
	for (; from < to; from++)
		fputc(byte, f);
	fclose(f);
}

static void
is_an_error_with_a_way_out(void)
{
	ck_assert_int_eq(reopen_err(), RK_KAFKA_STORAGE_ERROR);
	ck_assert_msg(strstr(last_line, dir) != NULL, "%s", last_line);
	ck_assert_msg(strstr(last_line, "damaged") != NULL, "%s", last_line);
	ck_assert_msg(strstr(last_line, "backup") != NULL, "%s", last_line);
	ml = NULL;
	teardown();
}

START_TEST(a_file_cut_short_is_said_to_be_damaged)
{
	char path[128];
	setup(LMDB);
	fill(0, 2000, 1);
	flush();
	st_mlog_close(ml);
	snprintf(path, sizeof path, "%s/log.mdb", dir);
	ck_assert_int_eq(truncate(path, 8192 + 4096 * _i), 0);
	is_an_error_with_a_way_out();
}
END_TEST

START_TEST(a_damaged_head_is_said_to_be_damaged)
{
	setup(LMDB);
	fill(0, 2000, 1);
	flush();
	st_mlog_close(ml);
	hurt(0, 8192, 0x5a);
	is_an_error_with_a_way_out();
}
END_TEST

START_TEST(a_damaged_last_batch_is_said_to_be_damaged)
{
	setup(LMDB);
	fill(0, 2, 1);
	flush();
	st_mlog_close(ml);
	/* The pattern of batch 0's body is a run of byte 1: break it wherever it is. */
	char path[128];
	static uint8_t all[1 << 20];
	snprintf(path, sizeof path, "%s/log.mdb", dir);
	FILE *f = fopen(path, "r");
	size_t n = fread(all, 1, sizeof all, f);
	fclose(f);
	static const uint8_t run[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	bool found = false;
	for (size_t i = 0; i + sizeof run < n; i++)
		if (memcmp(all + i, run, sizeof run) == 0) {
			hurt((long)i + 5, (long)i + 6, 99);
			found = true;
		}
	ck_assert(found);
	is_an_error_with_a_way_out();
}
END_TEST

/* A long life of every kind of change: what LMDB makes of it must never be taken for damage. */
START_TEST(a_log_that_has_worked_hard_is_still_sound)
{
	static uint8_t b[40000];
	uint64_t rng = 7;
	int32_t epoch = 1;

	setup(_i);
	for (int round = 0; round < 400; round++) {
		const struct st_mlog_info *i = st_mlog_info(ml);
		rng = rng * 6364136223846793005u + 1442695040888963407u;
		uint32_t dice = (uint32_t)(rng >> 33);
		int64_t span = i->end - i->start;
		if (dice % 16 == 0 && span > 0)
			ck_assert_int_eq(st_mlog_cut(ml, i->start + (int64_t)(dice / 16) % span), RK_OK);
		else if (dice % 16 == 1 && span > 4 && i->flushed_end == i->end) {
			struct rk_str s;
			ck_assert_int_eq(st_mlog_read(ml, i->start + span / 2, i->end, 1, &arena, &s), RK_OK);
			ck_assert_int_eq(st_mlog_trim(ml, (struct st_mlog_snap){ kp_batch_base(s.at), epoch }), RK_OK);
			rk_arena_reset(&arena);
		} else if (dice % 64 == 2)
			ck_assert_int_eq(st_mlog_reset(ml, (struct st_mlog_snap){ i->end + 100, ++epoch }), RK_OK);
		else
			for (uint32_t k = 0; k < dice % 20; k++) {
				uint32_t pad = (dice >> k) % 8 == 0 ? 20000 + dice % 10000 : dice % 300;
				epoch += dice % 50 == 0;
				ck_assert_int_eq(st_mlog_append(ml, b, batch(b, st_mlog_info(ml)->end, 2, epoch, pad + 20,
				    dice % 7 == 0)), RK_OK);
			}
		if (dice % 3 == 0)
			flush();
		if (dice % 10 == 0) {
			flush();
			int64_t start = st_mlog_info(ml)->start, end = st_mlog_info(ml)->end;
			crash();
			holds(start, end, 50000);
		}
	}
	teardown();
}
END_TEST

/* Opens the damaged file and reads it all, in a process of its own: 0 it went, 1 an error, else it died. */
static int
fate_of_reading(void)
{
	struct rk_str s;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (reopen_err() != RK_OK)
			_exit(1);
		for (int64_t at = st_mlog_info(ml)->start; at < st_mlog_info(ml)->end;) {
			if (st_mlog_read(ml, at, INT64_MAX, 100000, &arena, &s) != RK_OK || s.len == 0)
				_exit(1);
			for (const char *p = s.at; p < s.at + s.len; p += kp_batch_bytes(p))
				at = kp_batch_last(p) + 1;
			rk_arena_reset(&arena);
		}
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

START_TEST(no_damage_is_a_crash)
{
	static uint8_t good[4 << 20], hurt_bytes[4 << 20];
	char path[128];
	uint64_t rng = (uint64_t)_i + 1;
	uint32_t errors = 0;

	setup(LMDB);
	fill(0, 6000, 1);
	flush();
	ck_assert_int_eq(st_mlog_trim(ml, (struct st_mlog_snap){ 1000, 1 }), RK_OK);
	flush();
	fill(6000, 7000, 2);
	flush();
	st_mlog_close(ml);
	snprintf(path, sizeof path, "%s/log.mdb", dir);
	FILE *f = fopen(path, "r");
	size_t n = fread(good, 1, sizeof good, f);
	fclose(f);
	ck_assert_uint_lt(n, sizeof good);
	for (int round = 0; round < 60; round++) {
		memcpy(hurt_bytes, good, n);
		rng = rng * 6364136223846793005u + 1442695040888963407u;
		size_t page = (size_t)(rng >> 33) % (n / 4096), in = (size_t)(rng >> 20) % (round % 3 == 0 ? 64 : 4096);
		size_t len = round % 4 == 0 ? 4096 - in : 1 + (size_t)(rng >> 50) % 16;
		for (size_t k = page * 4096 + in; k < n && len > 0; k++, len--)
			hurt_bytes[k] = (uint8_t)((rng = rng * 6364136223846793005u + 1) >> 40);
		f = fopen(path, "w");
		ck_assert_uint_eq(fwrite(hurt_bytes, 1, n, f), n);
		fclose(f);
		int fate = fate_of_reading();
		ck_assert_msg(fate <= 1, "page %zu, byte %zu: signal %d", page, in, fate - 100);
		errors += fate == 1;
	}
	ck_assert_uint_gt(errors, 30);
	ml = NULL;
	teardown();
}
END_TEST

int
main(void)
{
	const TTest *const both[] = { a_new_log_is_empty, what_is_staged_is_read_at_once,
		a_crash_keeps_what_was_flushed_and_nothing_else, a_flush_that_ran_is_in_though_nobody_heard,
		flushes_asked_meanwhile_share_the_next_transaction, the_vote_survives,
		a_cut_takes_the_tail_its_epochs_and_its_control_batches,
		a_cut_inside_a_batch_takes_the_whole_batch, a_cut_under_a_running_flush_is_not_undone_by_it,
		trimming_forgets_the_oldest, trimming_past_the_durable_part_keeps_the_view,
		a_reset_starts_over_behind_a_snapshot, reads_stop_at_the_limit_and_at_the_size,
		what_is_no_batch_of_this_place_is_refused, crash_points_keep_a_prefix_of_the_flushes,
		the_map_grows_with_the_log, a_log_that_has_worked_hard_is_still_sound };
	Suite *s = suite_create("mlog");
	TCase *t = tcase_create("contract");

	for (uint32_t i = 0; i < rk_countof(both); i++)
		tcase_add_loop_test(t, both[i], 0, BODIES);
	tcase_add_test(t, after_a_failed_flush_the_log_refuses_changes);
	tcase_add_loop_test(t, a_file_cut_short_is_said_to_be_damaged, 0, 5);
	tcase_add_test(t, a_damaged_head_is_said_to_be_damaged);
	tcase_add_test(t, a_damaged_last_batch_is_said_to_be_damaged);
	tcase_add_loop_test(t, no_damage_is_a_crash, 0, 3);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
