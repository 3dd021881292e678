/* t_compact.c - compaction: what may go goes, what must stay stays, whatever happens between. */
#include "tests/log_help.h"
#include "storage/compact_in.h"
#include "base/mem.h"

enum { DAY = 86400000 };

static struct st_compact_rules how;
static struct st_compacted told;

static void
begin(void)
{
	scratch_begin();
	x.rules.compact = true;
	x.rules.delete_old = false;
	x.rules.segment_bytes = 4000;
	scratch_log();
	how = (struct st_compact_rules){ .delete_retention_ms = DAY, .table_bytes = 1 << 20, .table_full = 0.9,
		.slice_bytes = 3000, .max_lag_ms = INT64_MAX };
}

/* One record; value NULL: a tombstone. */
static int64_t
put(const char *key, const char *value, enum kp_codec codec)
{
	struct kp_build b;

	kp_build_start(&b, &x.arena, 0, (int16_t)codec, x.w.wall_ms);
	kp_build_add(&b, x.w.wall_ms, rk_str_of(key), value == NULL ? RK_STR_NULL : rk_str_of(value));
	return append(kp_build_end(&b, -1, -1, -1, -1), 1);
}

static void
put_many(const char *prefix, int keys, int times, enum kp_codec codec)
{
	char key[32], value[120];

	for (int t = 0; t < times; t++)
		for (int k = 0; k < keys; k++) {
			snprintf(key, sizeof key, "%s%d", prefix, k);
			snprintf(value, sizeof value, "value %d of %s, long enough that segments fill up after a while", t, key);
			put(key, value, codec);
		}
}

static void
roll(void)
{
	sync_all();
	ck_assert_int_eq(st_log_roll(x.log, st_log_end(x.log)), RK_OK);
	put("active", "record", KP_NONE);
	sync_all();
}

static enum rk_err step_err;
static void
stepped(void *arg, enum rk_err err)
{
	step_err = err;
	*(bool *)arg = true;
}

static bool
step(struct st_compact *c)
{
	bool done = false;

	st_compact_step(c, stepped, &done);
	ck_assert(!done); /* never from inside */
	posix_pump(&x.w);
	ck_assert(done);
	return st_compact_over(c);
}

static void
compact(void)
{
	struct st_dirty d;

	sync_all();
	ck_assert_int_eq(st_compact_look(x.log, &how, st_log_end(x.log), x.w.wall_ms, &d), RK_OK);
	struct st_compact *c = st_compact_begin(x.log, &how, &d, x.w.wall_ms);
	ck_assert_ptr_nonnull(c);
	while (!st_compact_over(c) && !step(c))
		;
	told = st_compact_end(c);
}

/* Every record there is, as "key=value@offset "... in the arena. */
static const char *
contents(void)
{
	struct rk_arena a;
	struct rk_str bytes;
	char *text = rk_arena_raw(&x.arena, 1 << 20), *p = text;

	*p = 0;
	rk_arena_init(&a, 64 << 20);
	for (int64_t at = st_log_start(x.log); at < st_log_end(x.log);) {
		ck_assert_int_eq(st_log_load(x.log, at, st_log_end(x.log), 1 << 20, &a, &bytes), RK_OK);
		ck_assert_int_gt(bytes.len, 0);
		for (int32_t n = 0; n < bytes.len; n += (int32_t)kp_batch_bytes(bytes.at + n)) {
			const uint8_t *b = (const uint8_t *)bytes.at + n;
			struct kp_records_iter it;
			struct kp_record r;
			struct rk_str plain = { (const char *)b + KP_BATCH_HEAD, (int32_t)kp_batch_bytes(b) - KP_BATCH_HEAD };
			enum kp_codec codec = (enum kp_codec)(kp_batch_attr(b) & KP_ATTR_CODEC);
			ck_assert_int_eq(kp_batch_check(b, (size_t)(bytes.len - n)), RK_OK);
			if (codec != KP_NONE)
				ck_assert_int_eq(kp_inflate_all(codec, plain.at, (size_t)plain.len, 1 << 20, &a, &plain), RK_OK);
			kp_records_start(&it, b, codec == KP_NONE ? NULL : (const uint8_t *)plain.at, (size_t)plain.len);
			while (kp_records_next(&it, &r)) {
				if (kp_batch_attr(b) & KP_ATTR_CONTROL)
					p += sprintf(p, "marker@%" PRId64 " ", r.offset);
				else
					p += sprintf(p, "%.*s=%.*s@%" PRId64 " ", r.key.len, r.key.at, r.value.len < 0 ? 4 : r.value.len,
					    r.value.len < 0 ? "null" : r.value.at, r.offset);
			}
			ck_assert(!it.bad);
			at = kp_batch_last(b) + 1;
		}
	}
	rk_arena_free(&a);
	return text;
}

static uint32_t
count_of(const char *what)
{
	uint32_t n = 0;

	for (const char *p = contents(); (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}

START_TEST(of_each_key_the_last_record_stays_with_its_offset)
{
	put("a", "1", KP_NONE), put("b", "1", KP_NONE), put("a", "2", KP_NONE), put("c", "1", KP_NONE);
	put("b", "2", KP_NONE);
	roll();
	compact();
	ck_assert_int_eq(told.err, RK_OK);
	ck_assert_int_eq(told.end, 5);
	ck_assert_str_eq(contents(), "a=2@2 c=1@3 b=2@4 active=record@5 ");
	ck_assert_uint_eq(told.records_kept, 3);
	check_indexes();
}
END_TEST

START_TEST(the_active_segment_and_what_is_young_are_left_alone)
{
	struct st_dirty d;

	put("a", "1", KP_NONE), put("a", "2", KP_NONE);
	sync_all();
	ck_assert_int_eq(st_compact_look(x.log, &how, 2, x.w.wall_ms, &d), RK_OK);
	ck_assert_uint_eq(d.dirty_bytes, 0);
	roll();
	how.min_lag_ms = how.max_lag_ms = 1000;
	ck_assert_int_eq(st_compact_look(x.log, &how, 2, x.w.wall_ms, &d), RK_OK);
	ck_assert_uint_eq(d.dirty_bytes, 0);
	x.w.wall_ms += 1001;
	ck_assert_int_eq(st_compact_look(x.log, &how, 2, x.w.wall_ms, &d), RK_OK);
	ck_assert_uint_gt(d.dirty_bytes, 0);
	ck_assert_int_eq(d.oldest_ms, x.w.wall_ms - 1001);
	ck_assert_int_eq(st_compact_look(x.log, &how, 1, x.w.wall_ms, &d), RK_OK);
	ck_assert_int_eq(d.end, 0); /* not past the last stable offset, and no segment in part */
}
END_TEST

START_TEST(the_oldest_dirty_segment_counts_wherever_it_lies)
{
	int64_t now = x.w.wall_ms;
	struct st_dirty d;

	put("a", "1", KP_NONE), put("a", "2", KP_NONE);
	roll(); /* and "active" begins the next one */
	x.w.wall_ms = now - 5000, put("a", "3", KP_NONE);
	roll();
	x.w.wall_ms = now - 9000, roll();
	x.w.wall_ms = 0, roll();
	x.w.wall_ms = now - 20000, roll();
	ck_assert_int_eq(st_compact_look(x.log, &how, st_log_end(x.log), now, &d), RK_OK);
	ck_assert_int_eq(d.oldest_ms, -1); /* nobody asked */
	how.max_lag_ms = 1000;
	ck_assert_int_eq(st_compact_look(x.log, &how, st_log_end(x.log), now, &d), RK_OK);
	ck_assert_int_eq(d.oldest_ms, now - 9000); /* neither the one of time 0, nor the active one */
	how.min_lag_ms = 1;
	ck_assert_int_eq(st_compact_look(x.log, &how, st_log_end(x.log), now, &d), RK_OK);
	ck_assert_int_eq(d.oldest_ms, now - 9000); /* though nothing may be cleaned yet */
	ck_assert_uint_eq(d.dirty_bytes, 0);
	how.min_lag_ms = 0;
	x.w.wall_ms = now;
	compact();
	ck_assert_int_eq(told.err, RK_OK);
	ck_assert_int_eq(st_compact_look(x.log, &how, st_log_end(x.log), now, &d), RK_OK);
	ck_assert_int_eq(d.oldest_ms, -1); /* clean: no longer dirty */
}
END_TEST

START_TEST(a_segment_that_is_dirty_in_part_counts_on_both_sides)
{
	struct st_dirty d;

	put_many("k", 4, 2, KP_NONE);
	roll();
	ck_assert_int_eq(st_log_set_start(x.log, 3), RK_OK);
	ck_assert_int_eq(st_compact_look(x.log, &how, st_log_end(x.log), x.w.wall_ms, &d), RK_OK);
	ck_assert_int_eq(d.first, 3);
	ck_assert_uint_gt(d.dirty_bytes, 0);
	ck_assert_uint_eq(d.clean_bytes, d.dirty_bytes);
}
END_TEST

START_TEST(the_table_of_keys_fills_up_to_its_share)
{
	const uint64_t seed[2] = { 1, 2 };
	static const struct {
		double full;
		int fit;
	} share[] = { { 0.9, 90 }, { 0.5, 50 }, { 1, 99 }, { 7, 99 }, { 0, 0 }, { -1, 0 } };
	struct st_keys k = { .slot = NULL };
	char key[16];

	for (size_t i = 0; i < sizeof share / sizeof *share; i++) {
		int n = 0;
		ck_assert(st_keys_init(&k, 1000, 100 * sizeof *k.slot, share[i].full, seed));
		do
			snprintf(key, sizeof key, "k%d", n);
		while (st_keys_put(&k, rk_str_of(key), n) && ++n);
		ck_assert_int_eq(n, share[i].fit);
		ck_assert_int_eq(st_keys_get(&k, rk_str_of("never")), -1); /* a full table is searched to an end, too */
		st_keys_free(&k);
	}
}
END_TEST

START_TEST(many_segments_become_few_with_any_codec)
{
	for (enum kp_codec codec = KP_NONE; codec <= KP_ZSTD; codec++)
		put_many("k", 20, 12, codec);
	roll();
	uint32_t before = x.log->hot->count;
	int64_t end = st_log_end(x.log);
	compact();
	ck_assert_int_eq(told.err, RK_OK);
	ck_assert_uint_eq(told.records_kept, 20);
	ck_assert_uint_eq(count_of("value 11"), 20);
	ck_assert_int_eq(st_log_end(x.log), end);
	/* Neighbours are joined by the sizes they have, so with the next round. */
	roll();
	compact();
	end++;
	ck_assert_uint_lt(x.log->hot->count, before / 8);
	check_indexes();
	scratch_crash();
	ck_assert_uint_eq(count_of("value 11"), 20);
	ck_assert_int_eq(st_log_end(x.log), end);
}
END_TEST

START_TEST(a_round_goes_on_where_the_last_one_ended)
{
	struct st_dirty d;

	put_many("k", 30, 3, KP_NONE);
	roll();
	compact();
	int64_t clean = told.end;
	ck_assert_int_eq(st_compact_look(x.log, &how, st_log_end(x.log), x.w.wall_ms, &d), RK_OK);
	ck_assert_int_eq(d.first, clean);
	ck_assert_uint_eq(d.dirty_bytes, 0);
	put_many("k", 10, 2, KP_NONE);
	roll();
	scratch_stop();
	scratch_start();
	ck_assert_int_eq(st_compact_look(x.log, &how, st_log_end(x.log), x.w.wall_ms, &d), RK_OK);
	ck_assert_int_eq(d.first, clean); /* the checkpoint has it */
	compact();
	ck_assert_uint_eq(told.records_kept, 31); /* and the first "active" */
	ck_assert_uint_eq(count_of("value 2"), 20);
	ck_assert_uint_eq(count_of("value 1"), 10);
}
END_TEST

START_TEST(a_small_table_takes_several_rounds)
{
	how.table_bytes = 64 * 24;
	put_many("k", 300, 2, KP_LZ4);
	roll();
	int rounds = 0;
	do {
		int64_t was = told.end;
		compact();
		ck_assert_int_eq(told.err, RK_OK);
		ck_assert(rounds == 0 || told.end > was);
		rounds++;
	} while (told.end < 600);
	ck_assert_int_ge(rounds, 10);
	ck_assert_uint_eq(count_of("value 1"), 300);
	ck_assert_uint_eq(count_of("value 0"), 0);
}
END_TEST

START_TEST(a_tombstone_stays_until_its_horizon)
{
	put("a", "1", KP_NONE), put("b", "1", KP_GZIP), put("a", NULL, KP_NONE), put("b", NULL, KP_GZIP);
	roll();
	compact();
	ck_assert_str_eq(contents(), "a=null@2 b=null@3 active=record@4 ");
	x.w.wall_ms += DAY - 1;
	put("c", "1", KP_NONE);
	roll();
	compact();
	ck_assert_uint_eq(count_of("=null"), 2);
	x.w.wall_ms += 2;
	put("d", "1", KP_NONE);
	roll();
	compact();
	ck_assert_uint_eq(count_of("=null"), 0);
	ck_assert_uint_eq(count_of("c=1"), 1);
}
END_TEST

/* The first batch of the log as it is now. */
static const uint8_t *
first_batch(void)
{
	struct rk_str bytes;

	ck_assert_int_eq(st_log_load(x.log, st_log_start(x.log), st_log_end(x.log), 1 << 20, &x.arena, &bytes), RK_OK);
	return (const uint8_t *)bytes.at;
}

START_TEST(a_thinned_batch_is_dated_by_its_first_record)
{
	struct kp_build b;
	int64_t then = x.w.wall_ms;

	kp_build_start(&b, &x.arena, 0, 0, then);
	for (int i = 0; i < 3; i++)
		kp_build_add(&b, then + i * 10, rk_str_of(i == 0 ? "a" : i == 1 ? "b" : "c"), rk_str_of("1"));
	append(kp_build_end(&b, -1, -1, -1, -1), 3);
	put("a", "2", KP_NONE);
	roll();
	compact();
	ck_assert_int_eq(kp_batch_count(first_batch()), 2);
	ck_assert_int_eq(kp_batch_base(first_batch()), 0);
	ck_assert_int_eq(kp_batch_base_ms(first_batch()), then + 10);
	ck_assert_int_eq(kp_batch_max_ms(first_batch()), then + 20);
}
END_TEST

START_TEST(the_times_of_records_are_kept_beside_a_horizon)
{
	struct st_stamp s;
	int64_t then = x.w.wall_ms;

	put("a", NULL, KP_NONE);
	x.w.wall_ms += 5000;
	roll();
	compact();
	ck_assert_int_eq(st_log_find_time(x.log, then - 10, st_log_end(x.log), &s), RK_OK);
	ck_assert_int_eq(s.offset, 0);
	ck_assert_int_eq(s.ms, then);
}
END_TEST

static int64_t
txn_put(int64_t producer, int32_t seq, const char *key, const char *value)
{
	struct kp_build b;

	kp_build_start(&b, &x.arena, 0, KP_ATTR_TXN, x.w.wall_ms);
	kp_build_add(&b, x.w.wall_ms, rk_str_of(key), rk_str_of(value));
	return append(kp_build_end(&b, -1, producer, 0, seq), 1);
}

START_TEST(aborted_records_go_and_do_not_hide_others)
{
	struct rk_arena a;
	struct st_aborted *all;
	uint32_t n;

	txn_put(1, 0, "a", "good");
	append(marker_of(1, 0, false), 1);
	txn_put(2, 0, "a", "bad"), txn_put(1, 1, "b", "good"), txn_put(2, 1, "c", "bad");
	append(marker_of(2, 0, true), 1);
	append(marker_of(1, 0, false), 1);
	txn_put(2, 2, "d", "good");
	append(marker_of(2, 0, false), 1);
	roll();
	compact();
	ck_assert_uint_eq(count_of("bad"), 0);
	ck_assert_uint_eq(count_of("good"), 3);
	ck_assert_uint_eq(count_of("marker"), 4); /* their records were there until now */
	rk_arena_init(&a, 1 << 20);
	ck_assert_int_eq(st_log_aborted(x.log, 0, 7, &a, &all, &n), RK_OK);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(all[0].producer_id, 2);
	rk_arena_free(&a);
	/* Newer values, and the horizon over: the markers whose records are gone go too. */
	x.w.wall_ms += DAY + 1;
	put("a", "new", KP_NONE);
	roll();
	compact();
	ck_assert_uint_eq(count_of("a=new"), 1);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(count_of("marker"), 4 - (uint32_t)i); /* a round finds one alone, the next but one lets it go */
		x.w.wall_ms += DAY + 1;
		put("e", "1", KP_NONE);
		roll();
		compact();
	}
	ck_assert_uint_eq(count_of("marker"), 2); /* those of b and d, whose records stay */
}
END_TEST

START_TEST(an_open_transaction_bounds_the_round)
{
	struct st_dirty d;

	put("a", "1", KP_NONE), put("a", "2", KP_NONE);
	sync_all();
	ck_assert_int_eq(st_log_roll(x.log, 2), RK_OK);
	put("a", "3", KP_NONE);
	txn_put(7, 0, "a", "4");
	roll();
	ck_assert_int_eq(st_log_first_open(x.log), 3);
	ck_assert_int_eq(st_compact_look(x.log, &how, 3, x.w.wall_ms, &d), RK_OK);
	ck_assert_int_eq(d.end, 2); /* the segment that it begins in is left alone */
	struct st_compact *c = st_compact_begin(x.log, &how, &d, x.w.wall_ms);
	while (!step(c))
		;
	told = st_compact_end(c);
	ck_assert_int_eq(told.err, RK_OK);
	ck_assert_str_eq(contents(), "a=2@1 a=3@2 a=4@3 active=record@4 ");
}
END_TEST

START_TEST(a_producers_last_batch_leaves_its_header)
{
	int64_t base, ms;
	struct rk_str first;

	for (int32_t i = 0; i < 8; i++) {
		struct kp_build b;
		kp_build_start(&b, &x.arena, 0, 0, x.w.wall_ms);
		kp_build_add(&b, x.w.wall_ms, rk_lit("k"), rk_lit("v"));
		first = kp_build_end(&b, -1, 77, 3, i);
		append(first, 1);
	}
	put("k", "newer", KP_NONE);
	roll();
	compact();
	ck_assert_uint_eq(count_of("k="), 1);
	/* All that a start has is the log: the producer's sequence must be found in it. */
	scratch_crash();
	struct kp_build b;
	kp_build_start(&b, &x.arena, 0, 0, x.w.wall_ms);
	kp_build_add(&b, x.w.wall_ms, rk_lit("k"), rk_lit("v"));
	struct rk_str again = kp_build_end(&b, -1, 77, 3, 8);
	ck_assert_int_eq(st_producers_check(st_log_producers(x.log), again.at, &base, &ms), RK_OK);
	kp_build_start(&b, &x.arena, 0, 0, x.w.wall_ms);
	kp_build_add(&b, x.w.wall_ms, rk_lit("k"), rk_lit("v"));
	again = kp_build_end(&b, -1, 77, 3, 11);
	ck_assert_int_eq(st_producers_check(st_log_producers(x.log), again.at, &base, &ms), RK_OUT_OF_ORDER_SEQUENCE_NUMBER);
}
END_TEST

START_TEST(a_record_without_a_key_goes)
{
	append(batch_of(3, 10, x.w.wall_ms), 1);
	put("a", "1", KP_NONE);
	roll();
	compact();
	ck_assert_uint_eq(told.keyless, 3);
	ck_assert_str_eq(contents(), "a=1@3 active=record@4 ");
}
END_TEST

/* The power goes, or the process dies, after any number of steps: what a reader may rely on is there. */
START_TEST(a_crash_at_any_step_loses_nothing)
{
	bool more = true;

	put_many("k", 25, 8, KP_NONE);
	roll();
	for (int crash_at = 0; more; crash_at++) {
		struct st_dirty d;
		ck_assert_int_eq(st_compact_look(x.log, &how, st_log_end(x.log), x.w.wall_ms, &d), RK_OK);
		struct st_compact *c = st_compact_begin(x.log, &how, &d, x.w.wall_ms);
		int steps = 0;
		while (!st_compact_over(c) && steps < crash_at) {
			step(c);
			steps++;
		}
		more = !st_compact_over(c);
		st_compact_free(c);
		scratch_crash();
		ck_assert_uint_eq(count_of("value 7"), 25);
		ck_assert_int_eq(st_log_end(x.log), 201);
	}
	compact();
	ck_assert_uint_eq(count_of("k"), 25 * 2); /* key and value name it */
}
END_TEST

START_TEST(every_name_a_crash_can_leave_is_understood)
{
	bool failed = true;

	for (int32_t at = 0; failed; at++) {
		struct st_dirty d;
		put_many("k", 25, 8, KP_NONE);
		roll();
		ck_assert_int_eq(st_compact_look(x.log, &how, st_log_end(x.log), x.w.wall_ms, &d), RK_OK);
		struct st_compact *c = st_compact_begin(x.log, &how, &d, x.w.wall_ms);
		x.w.fail_rename_after = at; /* from then on no name changes, as if the power had gone */
		while (!st_compact_over(c))
			step(c);
		failed = st_compact_end(c).err != RK_OK;
		x.w.fail_rename_after = -1;
		scratch_crash();
		ck_assert_uint_eq(count_of("value 7"), 25);
		ck_assert_int_eq(st_log_end(x.log), 201);
		check_indexes();
		ck_assert_int_lt(at, 500);
		if (failed) {
			scratch_end();
			begin();
		}
	}
}
END_TEST

START_TEST(a_log_that_goes_away_takes_its_round_with_it)
{
	struct st_dirty d;
	bool done = false;

	put_many("k", 25, 8, KP_NONE);
	roll();
	ck_assert_int_eq(st_compact_look(x.log, &how, st_log_end(x.log), x.w.wall_ms, &d), RK_OK);
	struct st_compact *c = st_compact_begin(x.log, &how, &d, x.w.wall_ms);
	step(c);
	st_compact_step(c, stepped, &done);
	ck_assert_int_eq(st_log_truncate(x.log, 50), RK_OK);
	ck_assert(!done);
	posix_pump(&x.w);
	ck_assert(done);
	ck_assert_int_eq(step_err, RK_NOT_FOUND);
	ck_assert(st_compact_over(c));
	told = st_compact_end(c);
	ck_assert_int_eq(told.err, RK_NOT_FOUND);
	ck_assert_int_eq(st_log_end(x.log), 50);
	ck_assert_uint_eq(count_of("value"), 50);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("compact");
	TCase *c = tcase_create("compact");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, begin, scratch_end);
	tcase_add_test(c, of_each_key_the_last_record_stays_with_its_offset);
	tcase_add_test(c, the_active_segment_and_what_is_young_are_left_alone);
	tcase_add_test(c, the_oldest_dirty_segment_counts_wherever_it_lies);
	tcase_add_test(c, a_segment_that_is_dirty_in_part_counts_on_both_sides);
	tcase_add_test(c, the_table_of_keys_fills_up_to_its_share);
	tcase_add_test(c, many_segments_become_few_with_any_codec);
	tcase_add_test(c, a_round_goes_on_where_the_last_one_ended);
	tcase_add_test(c, a_small_table_takes_several_rounds);
	tcase_add_test(c, a_tombstone_stays_until_its_horizon);
	tcase_add_test(c, a_thinned_batch_is_dated_by_its_first_record);
	tcase_add_test(c, the_times_of_records_are_kept_beside_a_horizon);
	tcase_add_test(c, aborted_records_go_and_do_not_hide_others);
	tcase_add_test(c, an_open_transaction_bounds_the_round);
	tcase_add_test(c, a_producers_last_batch_leaves_its_header);
	tcase_add_test(c, a_record_without_a_key_goes);
	tcase_add_test(c, a_crash_at_any_step_loses_nothing);
	tcase_add_test(c, every_name_a_crash_can_leave_is_understood);
	tcase_add_test(c, a_log_that_goes_away_takes_its_round_with_it);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
