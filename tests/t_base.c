/* t_base.c - strings, ids, arenas, maps, timers, checksums. */
#include <check.h>
#include "base/arena.h"
#include "base/list.h"
#include "base/err.h"
#include "base/out.h"

START_TEST(crc32c_matches_the_rfc)
{
	uint8_t b[32], long_one[70000];
	memset(b, 0, sizeof b);
	ck_assert_uint_eq(rk_crc32c(0, b, 32), 0x8a9136aa);
	memset(b, 0xff, sizeof b);
	ck_assert_uint_eq(rk_crc32c(0, b, 32), 0x62a8ab43);
	for (uint32_t i = 0; i < sizeof long_one; i++)
		long_one[i] = (uint8_t)(i * 7 + i / 251);
	uint32_t bytewise = 0;
	for (uint32_t i = 0; i < sizeof long_one; i++)
		bytewise = rk_crc32c(bytewise, long_one + i, 1);
	ck_assert_uint_eq(rk_crc32c(0, long_one, sizeof long_one), bytewise);
}
END_TEST

START_TEST(a_uuid_survives_its_text)
{
	struct rk_uuid u, back;
	char text[RK_UUID_TEXT];
	for (uint32_t i = 0; i < 16; i++)
		u.id[i] = (uint8_t)(i * 37 + 11);
	rk_uuid_text(u, text);
	ck_assert(rk_uuid_parse(rk_str_of(text), &back));
	ck_assert(rk_uuid_eq(u, back));
	ck_assert(!rk_uuid_parse(rk_str_of("short"), &back));
}
END_TEST

START_TEST(numbers_stop_at_their_ends)
{
	int64_t v;
	ck_assert(rk_str_int(rk_str_of("9223372036854775807"), &v) && v == INT64_MAX);
	ck_assert(rk_str_int(rk_str_of("-9223372036854775808"), &v) && v == INT64_MIN);
	ck_assert(!rk_str_int(rk_str_of("9223372036854775808"), &v));
	ck_assert(!rk_str_int(rk_str_of("-"), &v));
	ck_assert(!rk_str_int(rk_str_of("1x"), &v));
}
END_TEST

START_TEST(an_arena_says_when_it_is_over)
{
	struct rk_arena a;
	rk_arena_init(&a, 10000);
	ck_assert_ptr_nonnull(rk_arena_get(&a, 1, 5000));
	ck_assert_ptr_null(rk_arena_get(&a, 1, 6000));
	ck_assert(a.over);
	ck_assert_ptr_null(rk_arena_get(&a, 1, 1));
	rk_arena_reset(&a);
	ck_assert_ptr_nonnull(rk_arena_get(&a, 1, 1));
	rk_arena_free(&a);
}
END_TEST

static int64_t fired[8];
static uint32_t fires;
static void
fire(struct rk_timer *t, int64_t now_ms)
{
	(void)t;
	fired[fires++] = now_ms;
}

START_TEST(pieces_become_one_run)
{
	struct rk_arena a, small;
	struct rk_out o;
	static const char big[600] = { 'b' };

	rk_arena_init(&a, 1 << 20);
	rk_arena_init(&small, 16);
	rk_out_init(&o, &a);
	ck_assert_int_eq(rk_out_flat(&o, &a).len, 0);
	rk_out_put(&o, "one ", 4);
	rk_out_mem(&o, "two ", 4);
	rk_out_put(&o, big, sizeof big);
	struct rk_str s = rk_out_flat(&o, &a);
	ck_assert_uint_gt(o.count, 2);
	ck_assert_int_eq(s.len, 8 + (int32_t)sizeof big);
	ck_assert(memcmp(s.at, "one two b", 9) == 0 && s.at[s.len] == '\0');
	ck_assert_int_eq(rk_out_flat(&o, &small).len, -1);
	o.over = true;
	ck_assert_int_eq(rk_out_flat(&o, &a).len, -1);
	rk_arena_free(&small);
	rk_arena_free(&a);
}
END_TEST

START_TEST(timers_fire_in_order_of_time)
{
	struct rk_timers h = { 0 };
	struct rk_timer t[5];
	for (int i = 0; i < 5; i++) {
		t[i] = (struct rk_timer){ .fire = fire };
		rk_timer_set(&h, &t[i], 100 - i * 10);
	}
	rk_timer_stop(&h, &t[4]);
	ck_assert_int_eq(rk_timers_next(&h), 70);
	rk_timer_set(&h, &t[3], 95);
	rk_timers_run(&h, 95);
	ck_assert_uint_eq(fires, 3);
	ck_assert_int_eq(rk_timers_next(&h), 100);
	rk_timers_free(&h);
}
END_TEST

START_TEST(a_map_finds_what_was_put_in)
{
	struct rk_map m = { 0 };
	struct rk_node n[100];
	for (uint64_t i = 0; i < 100; i++)
		rk_map_add(&m, &n[i], rk_hash(&i, sizeof i, 0));
	rk_map_del(&m, &n[50]);
	uint64_t k = 50, j = 51;
	ck_assert_ptr_null(rk_map_first(&m, rk_hash(&k, sizeof k, 0)));
	ck_assert_ptr_eq(rk_map_first(&m, rk_hash(&j, sizeof j, 0)), &n[51]);
	uint32_t seen = 0;
	for (struct rk_node *x = rk_map_walk(&m, NULL); x != NULL; x = rk_map_walk(&m, x))
		seen++;
	ck_assert_uint_eq(seen, 99);
	rk_map_free(&m);
}
END_TEST

START_TEST(errors_have_kafkas_codes)
{
	ck_assert_int_eq(rk_err_wire(RK_UNKNOWN_TOPIC_OR_PARTITION), 3);
	ck_assert_int_eq(rk_err_of_wire(56), RK_KAFKA_STORAGE_ERROR);
	ck_assert_str_eq(rk_err_name(RK_OK), "NONE");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("base");
	TCase *c = tcase_create("base");
	tcase_add_test(c, crc32c_matches_the_rfc);
	tcase_add_test(c, a_uuid_survives_its_text);
	tcase_add_test(c, numbers_stop_at_their_ends);
	tcase_add_test(c, an_arena_says_when_it_is_over);
	tcase_add_test(c, pieces_become_one_run);
	tcase_add_test(c, timers_fire_in_order_of_time);
	tcase_add_test(c, a_map_finds_what_was_put_in);
	tcase_add_test(c, errors_have_kafkas_codes);
	suite_add_tcase(s, c);
	SRunner *run = srunner_create(s);
	srunner_run_all(run, CK_ENV);
	int failed = srunner_ntests_failed(run);
	srunner_free(run);
	return failed != 0;
}
