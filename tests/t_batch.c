/* t_batch.c - record batches as Apache Kafka 4.3.0 wrote them, and what is refused. */
#include <check.h>
#include "protocol/batch.h"

static struct rk_arena arena;

static void
start(void)
{
	rk_arena_init(&arena, 64 << 20);
}

static void
stop(void)
{
	rk_arena_free(&arena);
}

/* Three records at offset 5, epoch 4, producer 9 epoch 3 sequence 77, written by Kafka's own library:
 * k=value at 1000; null=w with headers h=x and n=null at 1003; z=null at 999. */
static const char *const seen[KP_CODECS] = {
	"0000000000000005000000550000000402b38c256300000000000200000000000003e800000000000003eb00000000"
	"0000000900030000004d0000000318000000026b0a76616c7565001c0006020102770402680278026e010e00010402"
	"7a0100",
	"00000000000000050000006900000004028f932f4400010000000200000000000003e800000000000003eb00000000"
	"0000000900030000004d000000031f8b08000000000000ff9360606060cae62a4bcc294d659061606362642a6761ca"
	"60aa60ca63e463606461aa6264000047f005ad24000000",
	"00000000000000050000006b0000000402c143eefc00020000000200000000000003e800000000000003eb00000000"
	"0000000900030000004d0000000382534e4150505900000000010000000100000026248c18000000026b0a76616c75"
	"65001c0006020102770402680278026e010e000104027a0100",
	"00000000000000050000006400000004021647d13400030000000200000000000003e800000000000003eb00000000"
	"0000000900030000004d0000000304224d186040822400008018000000026b0a76616c7565001c0006020102770402"
	"680278026e010e000104027a010000000000",
	"0000000000000005000000610000000402cb69b37000040000000200000000000003e800000000000003eb00000000"
	"0000000900030000004d0000000328b52ffd005820010018000000026b0a76616c7565001c00060201027704026802"
	"78026e010e000104027a0100010000",
};
static const char marker[] = "0000000000000000000000420000000202a3ee512300300000000000000000000004d200"
	"000000000004d200000000000000090003ffffffff000000012000000008000000010c00000000000500";

static struct rk_str
hex(const char *s)
{
	uint8_t *at = rk_arena_raw(&arena, strlen(s) / 2 + 1);
	int32_t n = 0;

	for (unsigned v; sscanf(s, "%2x", &v) == 1; n++, s += 2)
		at[n] = (uint8_t)v;
	return (struct rk_str){ (char *)at, n };
}

static void
three(struct kp_build *b, int16_t attr)
{
	struct kp_pair headers[] = { { rk_lit("h"), rk_lit("x") }, { rk_lit("n"), RK_STR_NULL } };

	kp_build_start(b, &arena, 5, attr, 1000);
	kp_build_add(b, 1000, rk_lit("k"), rk_lit("value"));
	kp_build_add_with(b, 1003, RK_STR_NULL, rk_lit("w"), headers, 2);
	kp_build_add(b, 999, rk_lit("z"), RK_STR_NULL);
}

START_TEST(we_build_what_kafka_builds)
{
	struct kp_build b;

	three(&b, (int16_t)_i);
	struct rk_str got = kp_build_end(&b, 4, 9, 3, 77), want = hex(seen[_i]);
	ck_assert_int_eq(kp_batch_check(got.at, (size_t)got.len), RK_OK);
	if (_i == KP_NONE || _i == KP_LZ4)
		ck_assert(rk_str_eq(got, want)); /* the others leave a compressor some freedom */
	ck_assert_mem_eq(got.at + 21, want.at + 21, KP_BATCH_HEAD - 21);
}
END_TEST

START_TEST(we_read_what_kafka_builds)
{
	struct rk_str b = hex(seen[_i]), plain = RK_STR_NULL, key, value;
	struct kp_records_iter it;
	struct kp_record r;

	ck_assert_int_eq(kp_batch_check(b.at, (size_t)b.len), RK_OK);
	ck_assert_int_eq(kp_batch_base(b.at), 5);
	ck_assert_int_eq(kp_batch_last(b.at), 7);
	ck_assert_int_eq(kp_batch_epoch(b.at), 4);
	ck_assert_int_eq(kp_batch_producer(b.at), 9);
	ck_assert_int_eq(kp_batch_producer_epoch(b.at), 3);
	ck_assert_int_eq(kp_batch_sequence(b.at), 77);
	ck_assert_int_eq(kp_batch_max_ms(b.at), 1003);
	if (_i != KP_NONE)
		ck_assert_int_eq(kp_inflate_all((enum kp_codec)_i, b.at + KP_BATCH_HEAD,
		    (size_t)b.len - KP_BATCH_HEAD, 1000, &arena, &plain), RK_OK);
	kp_records_start(&it, b.at, (const uint8_t *)plain.at, plain.len < 0 ? 0 : (size_t)plain.len);
	ck_assert(kp_records_next(&it, &r));
	ck_assert(r.offset == 5 && r.ms == 1000 && rk_str_is(r.key, "k") && rk_str_is(r.value, "value"));
	ck_assert(!kp_record_header(&r, &key, &value));
	ck_assert(kp_records_next(&it, &r));
	ck_assert(r.offset == 6 && r.ms == 1003 && r.key.len == -1 && r.headers == 2);
	ck_assert(kp_record_header(&r, &key, &value) && rk_str_is(key, "h") && rk_str_is(value, "x"));
	ck_assert(kp_record_header(&r, &key, &value) && rk_str_is(key, "n") && value.len == -1);
	ck_assert(!kp_record_header(&r, &key, &value));
	ck_assert(kp_records_next(&it, &r));
	ck_assert(r.offset == 7 && r.ms == 999 && rk_str_is(r.key, "z") && r.value.len == -1);
	ck_assert(!kp_records_next(&it, &r) && !it.bad);
}
END_TEST

START_TEST(a_transaction_marker_is_as_kafka_writes_it)
{
	struct rk_str want = hex(marker);
	struct kp_build b;

	kp_build_start(&b, &arena, 0, KP_ATTR_TXN | KP_ATTR_CONTROL, 1234);
	kp_build_add(&b, 1234, (struct rk_str){ "\0\0\0\1", 4 }, (struct rk_str){ "\0\0\0\0\0\5", 6 });
	ck_assert(rk_str_eq(kp_build_end(&b, 2, 9, 3, -1), want));
}
END_TEST

START_TEST(append_time_is_every_records_time)
{
	struct rk_str b = hex(seen[0]);
	struct kp_records_iter it;
	struct kp_record r;

	kp_batch_append_time((char *)(uintptr_t)b.at, 5000);
	ck_assert_int_eq(kp_batch_check(b.at, (size_t)b.len), RK_OK);
	kp_records_start(&it, b.at, NULL, 0);
	while (kp_records_next(&it, &r))
		ck_assert_int_eq(r.ms, 5000);
	ck_assert(!it.bad);
}
END_TEST

START_TEST(offset_and_epoch_are_outside_the_checksum)
{
	struct rk_str b = hex(seen[0]);

	kp_batch_set_base((char *)(uintptr_t)b.at, 123456789);
	kp_batch_set_epoch((char *)(uintptr_t)b.at, 8);
	ck_assert_int_eq(kp_batch_check(b.at, (size_t)b.len), RK_OK);
	ck_assert_int_eq(kp_batch_last(b.at), 123456791);
}
END_TEST

START_TEST(every_truncation_is_told)
{
	struct rk_str b = hex(seen[0]);

	for (int32_t n = 0; n < b.len; n++)
		ck_assert_int_eq(kp_batch_check(b.at, (size_t)n), RK_TRUNCATED);
	ck_assert_int_eq(kp_batch_check(b.at, (size_t)b.len + 100), RK_OK); /* more may follow */
}
END_TEST

START_TEST(every_flipped_bit_behind_the_checksum_is_found)
{
	struct rk_str b = hex(seen[0]);

	for (int32_t i = 16; i < b.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			char *at = (char *)(uintptr_t)b.at + i;
			*at = (char)(*at ^ 1 << bit);
			ck_assert_int_eq(kp_batch_check(b.at, (size_t)b.len), RK_CORRUPT_MESSAGE);
			*at = (char)(*at ^ 1 << bit);
		}
}
END_TEST

static enum rk_err
with(int at, uint32_t v, unsigned wide)
{
	struct rk_str b = hex(seen[0]);
	char *p = (char *)(uintptr_t)b.at;

	if (wide == 4)
		rk_put32(p + at, v);
	else
		p[at] = (char)v;
	return kp_batch_shape(p, (size_t)b.len);
}

START_TEST(a_senseless_head_is_refused)
{
	ck_assert_int_eq(with(8, 0x55, 4), RK_OK);
	ck_assert_int_eq(with(8, 48, 4), RK_CORRUPT_MESSAGE);          /* shorter than a head */
	ck_assert_int_eq(with(8, 0x80000000, 4), RK_CORRUPT_MESSAGE);  /* a negative length */
	ck_assert_int_eq(with(8, 0x7fffffff, 4), RK_TRUNCATED);
	ck_assert_int_eq(with(16, 1, 1), RK_CORRUPT_MESSAGE);          /* an old magic */
	ck_assert_int_eq(with(22, 5, 1), RK_CORRUPT_MESSAGE);          /* no such codec */
	ck_assert_int_eq(with(23, 0xffffffff, 4), RK_CORRUPT_MESSAGE); /* a negative last delta */
	ck_assert_int_eq(with(57, 0xffffffff, 4), RK_CORRUPT_MESSAGE); /* a negative count */
	ck_assert_int_eq(with(57, 4, 4), RK_CORRUPT_MESSAGE);          /* more records than offsets */
	ck_assert_int_eq(with(57, 2, 4), RK_OK);                       /* a compacted batch */
	ck_assert_int_eq(with(0, 0x7fffffff, 4), RK_OK);
}
END_TEST

/* Walks a batch whose records were tampered with. */
static bool
walks(struct rk_str b)
{
	struct kp_records_iter it;
	struct kp_record r;

	kp_records_start(&it, b.at, NULL, 0);
	while (kp_records_next(&it, &r))
		;
	return !it.bad;
}

START_TEST(records_that_do_not_add_up_are_bad)
{
	struct rk_str b = hex(seen[0]);
	char *p = (char *)(uintptr_t)b.at;

	ck_assert(walks(b));
	rk_put32(p + 57, 2);
	ck_assert(!walks(b)); /* bytes are left behind the last record */
	rk_put32(p + 57, 4);
	ck_assert(!walks(b)); /* a record is missing */
	rk_put32(p + 57, 3);
	p[61] = 0x1a;         /* the first record is a byte longer than its fields */
	ck_assert(!walks(b));
	p[61] = 0x18;
	p[65] = 0x7e;         /* a key that runs past its record */
	ck_assert(!walks(b));
}
END_TEST

START_TEST(a_large_batch_grows_in_the_arena)
{
	static char value[100];
	struct kp_build b;
	struct kp_records_iter it;
	struct kp_record r;
	int32_t n = 0;

	kp_build_start(&b, &arena, 0, 0, 0);
	for (int32_t i = 0; i < 20000; i++)
		kp_build_add(&b, i, RK_STR_NULL, (struct rk_str){ value, sizeof value });
	struct rk_str got = kp_build_end(&b, 0, -1, -1, -1);
	ck_assert_int_eq(kp_batch_check(got.at, (size_t)got.len), RK_OK);
	kp_records_start(&it, got.at, NULL, 0);
	for (; kp_records_next(&it, &r); n++)
		ck_assert(r.offset == n && r.ms == n && r.value.len == 100);
	ck_assert(!it.bad && n == 20000);
}
END_TEST

START_TEST(compaction_keeps_offsets_times_headers_and_the_end)
{
	struct rk_str b = hex(seen[0]), key, value;
	struct kp_records_iter it;
	struct kp_record r;
	struct kp_build k;

	kp_build_start(&k, &arena, 5, KP_GZIP, 777);
	k.last_delta = 2;
	k.level = 9;
	kp_records_start(&it, b.at, NULL, 0);
	while (kp_records_next(&it, &r))
		if (r.offset == 6)
			kp_build_keep(&k, &r);
	struct rk_str got = kp_build_end(&k, 4, 9, 3, 77), plain;
	ck_assert_int_eq(kp_batch_check(got.at, (size_t)got.len), RK_OK);
	ck_assert(kp_batch_base(got.at) == 5 && kp_batch_last(got.at) == 7 && kp_batch_count(got.at) == 1);
	ck_assert_int_eq(kp_inflate_all(KP_GZIP, got.at + KP_BATCH_HEAD, (size_t)got.len - KP_BATCH_HEAD, 1000,
	    &arena, &plain), RK_OK);
	kp_records_start(&it, got.at, (const uint8_t *)plain.at, (size_t)plain.len);
	ck_assert(kp_records_next(&it, &r));
	ck_assert(r.offset == 6 && r.ms == 1003 && rk_str_is(r.value, "w") && r.headers == 2);
	ck_assert(kp_record_header(&r, &key, &value) && rk_str_is(key, "h") && rk_str_is(value, "x"));
	ck_assert(!kp_records_next(&it, &r) && !it.bad);
}
END_TEST

START_TEST(a_batch_that_does_not_fit_is_null)
{
	static char value[1000];
	struct rk_arena small;
	struct kp_build b;

	rk_arena_init(&small, 8000);
	kp_build_start(&b, &small, 0, 0, 0);
	for (int i = 0; i < 100; i++)
		kp_build_add(&b, i, RK_STR_NULL, (struct rk_str){ value, sizeof value });
	ck_assert_int_eq(kp_build_end(&b, 0, -1, -1, -1).len, -1);
	ck_assert(small.over);
	rk_arena_free(&small);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("batch");
	TCase *t = tcase_create("batch");

	tcase_add_checked_fixture(t, start, stop);
	tcase_add_loop_test(t, we_build_what_kafka_builds, 0, KP_CODECS);
	tcase_add_loop_test(t, we_read_what_kafka_builds, 0, KP_CODECS);
	tcase_add_test(t, a_transaction_marker_is_as_kafka_writes_it);
	tcase_add_test(t, append_time_is_every_records_time);
	tcase_add_test(t, offset_and_epoch_are_outside_the_checksum);
	tcase_add_test(t, every_truncation_is_told);
	tcase_add_test(t, every_flipped_bit_behind_the_checksum_is_found);
	tcase_add_test(t, a_senseless_head_is_refused);
	tcase_add_test(t, records_that_do_not_add_up_are_bad);
	tcase_add_test(t, a_large_batch_grows_in_the_arena);
	tcase_add_test(t, compaction_keeps_offsets_times_headers_and_the_end);
	tcase_add_test(t, a_batch_that_does_not_fit_is_null);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
