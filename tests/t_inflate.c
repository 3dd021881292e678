/* t_inflate.c - the four compressions: there and back, cut short, and bombs. */
#include <check.h>
#include "protocol/batch.h"

static struct rk_arena arena;

static void
start(void)
{
	rk_arena_init(&arena, 256 << 20);
}

static void
stop(void)
{
	rk_arena_free(&arena);
}

/* Text that compresses somewhat. */
static struct rk_str
sample(size_t n)
{
	char *at = rk_arena_raw(&arena, n + 1);
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		at[i] = i % 7 < 4 ? (char)('a' + i % 5) : (char)(x >> 24);
	}
	return (struct rk_str){ at, (int32_t)n };
}

START_TEST(what_is_deflated_inflates)
{
	static const size_t sizes[] = { 1, 2, 100, 32768, 32769, 65536, 65537, 1000000 };

	for (uint32_t i = 0; i < rk_countof(sizes); i++) {
		struct rk_str s = sample(sizes[i]), z, back;
		z = kp_deflate((enum kp_codec)_i, INT_MIN, s.at, (size_t)s.len, &arena);
		ck_assert_int_gt(z.len, 0);
		ck_assert_int_eq(kp_inflate_all((enum kp_codec)_i, z.at, (size_t)z.len, sizes[i], &arena, &back), RK_OK);
		ck_assert(rk_str_eq(s, back));
		ck_assert_int_eq(kp_inflate_all((enum kp_codec)_i, z.at, (size_t)z.len, sizes[i] - 1, &arena, &back),
		    RK_MESSAGE_TOO_LARGE);
		ck_assert_int_eq(back.len, -1);
	}
}
END_TEST

START_TEST(no_records_at_all_deflate_too)
{
	struct rk_str z = kp_deflate((enum kp_codec)_i, INT_MIN, "", 0, &arena), back;

	ck_assert_int_ge(z.len, 0);
	ck_assert_int_eq(kp_inflate_all((enum kp_codec)_i, z.at, (size_t)z.len, 10, &arena, &back), RK_OK);
	ck_assert_int_eq(back.len, 0);
}
END_TEST

START_TEST(every_level_inflates)
{
	struct rk_str s = sample(5000), back;

	for (int level = 1; level <= 9; level++) {
		struct rk_str z = kp_deflate((enum kp_codec)_i, level, s.at, (size_t)s.len, &arena);
		ck_assert_int_eq(kp_inflate_all((enum kp_codec)_i, z.at, (size_t)z.len, 5000, &arena, &back), RK_OK);
		ck_assert(rk_str_eq(s, back));
	}
}
END_TEST

START_TEST(every_truncation_is_corrupt)
{
	struct rk_str s = sample(3000), z, back;

	z = kp_deflate((enum kp_codec)_i, INT_MIN, s.at, (size_t)s.len, &arena);
	for (int32_t n = 0; n < z.len; n++) {
		enum rk_err e = kp_inflate_all((enum kp_codec)_i, z.at, (size_t)n, 1 << 20, &arena, &back);
		/* A cut behind the frame of snappy's head leaves a stream of no blocks. */
		ck_assert(e == RK_CORRUPT_MESSAGE || (_i == KP_SNAPPY && n == 16));
	}
}
END_TEST

START_TEST(noise_is_corrupt)
{
	struct rk_str back;
	uint8_t b[300];

	for (uint32_t i = 0; i < sizeof b; i++)
		b[i] = (uint8_t)(i * 73 + 201);
	ck_assert_int_eq(kp_inflate_all((enum kp_codec)_i, b, sizeof b, 3000, &arena, &back), RK_CORRUPT_MESSAGE);
}
END_TEST

struct count {
	uint64_t bytes;
	size_t largest;
};

static bool
count(void *arg, const uint8_t *p, size_t n)
{
	struct count *c = arg;

	(void)p;
	c->bytes += n;
	c->largest = n > c->largest ? n : c->largest;
	return true;
}

START_TEST(a_bomb_comes_out_in_small_pieces)
{
	size_t n = 100 << 20;
	char *zeros = rk_arena_get(&arena, 1, n);
	struct rk_str z = kp_deflate((enum kp_codec)_i, INT_MIN, zeros, n, &arena);
	struct count c = { 0 };

	ck_assert_int_eq(kp_inflate((enum kp_codec)_i, z.at, (size_t)z.len, n, count, &c), RK_OK);
	ck_assert_uint_eq(c.bytes, n);
	ck_assert_uint_le(c.largest, 65536);
	c.bytes = 0;
	ck_assert_int_eq(kp_inflate((enum kp_codec)_i, z.at, (size_t)z.len, 1 << 20, count, &c), RK_MESSAGE_TOO_LARGE);
	ck_assert_uint_le(c.bytes, 1 << 20);
}
END_TEST

static bool
once(void *arg, const uint8_t *p, size_t n)
{
	count(arg, p, n);
	return false;
}

START_TEST(who_has_had_enough_gets_no_more)
{
	struct rk_str s = sample(500000);
	struct rk_str z = kp_deflate((enum kp_codec)_i, INT_MIN, s.at, (size_t)s.len, &arena);
	struct count c = { 0 };

	ck_assert_int_eq(kp_inflate((enum kp_codec)_i, z.at, (size_t)z.len, 1 << 20, once, &c), RK_OK);
	ck_assert_uint_eq(c.bytes, c.largest);
}
END_TEST

START_TEST(streams_behind_each_other_are_one)
{
	struct rk_str s = sample(1000), z, back;
	char two[4000];

	z = kp_deflate((enum kp_codec)_i, INT_MIN, s.at, (size_t)s.len, &arena);
	ck_assert_int_lt(z.len, 2000);
	memcpy(two, z.at, (size_t)z.len);
	memcpy(two + z.len, z.at, (size_t)z.len);
	ck_assert_int_eq(kp_inflate_all((enum kp_codec)_i, two, (size_t)z.len * 2, 2000, &arena, &back), RK_OK);
	ck_assert_int_eq(back.len, 2000);
	ck_assert_mem_eq(back.at + 1000, s.at, 1000);
}
END_TEST

START_TEST(bare_snappy_is_read)
{
	/* 5 literal bytes, as librdkafka writes a block. */
	static const uint8_t bare[] = { 5, 4 << 2, 'h', 'e', 'l', 'l', 'o' };
	static const uint8_t bomb[] = { 0xff, 0xff, 0xff, 0xff, 0x0f, 0 }; /* claims 4 GiB */
	struct rk_str back;

	ck_assert_int_eq(kp_inflate_all(KP_SNAPPY, bare, sizeof bare, 100, &arena, &back), RK_OK);
	ck_assert(rk_str_is(back, "hello"));
	ck_assert_int_eq(kp_inflate_all(KP_SNAPPY, bomb, sizeof bomb, UINT64_MAX, &arena, &back), RK_CORRUPT_MESSAGE);
}
END_TEST

START_TEST(a_huge_zstd_window_is_refused)
{
	/* Magic, no single segment, a window of 2^31. */
	static const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3, 0x01, 0x00, 0x00 };
	static const uint8_t modest[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, (20 - 10) << 3, 0x01, 0x00, 0x00 };
	struct rk_str back;

	ck_assert_int_eq(kp_inflate_all(KP_ZSTD, frame, sizeof frame, 100, &arena, &back), RK_CORRUPT_MESSAGE);
	ck_assert_int_eq(kp_inflate_all(KP_ZSTD, modest, sizeof modest, 100, &arena, &back), RK_OK);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("inflate");
	TCase *t = tcase_create("inflate");

	tcase_add_checked_fixture(t, start, stop);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, what_is_deflated_inflates, 0, KP_CODECS);
	tcase_add_loop_test(t, no_records_at_all_deflate_too, 0, KP_CODECS);
	tcase_add_loop_test(t, every_level_inflates, KP_GZIP, KP_CODECS);
	tcase_add_loop_test(t, every_truncation_is_corrupt, KP_GZIP, KP_CODECS);
	tcase_add_loop_test(t, noise_is_corrupt, KP_GZIP, KP_CODECS);
	tcase_add_loop_test(t, a_bomb_comes_out_in_small_pieces, KP_GZIP, KP_CODECS);
	tcase_add_loop_test(t, who_has_had_enough_gets_no_more, 0, KP_CODECS);
	tcase_add_loop_test(t, streams_behind_each_other_are_one, KP_GZIP, KP_CODECS);
	tcase_add_test(t, bare_snappy_is_read);
	tcase_add_test(t, a_huge_zstd_window_is_refused);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
