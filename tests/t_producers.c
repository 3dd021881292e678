/* t_producers.c - who may append what, and what is remembered over a restart. */
#include <check.h>
#include "storage/producers.h"
#include "protocol/batch.h"

static struct st_producers *t;
static uint8_t b[256];
static int64_t base, ms;

static void
setup(void)
{
	t = st_producers_new();
}

static void
teardown(void)
{
	st_producers_free(t);
}

/* A data batch of count records. */
static const uint8_t *
data(int64_t id, int16_t epoch, int32_t seq, int32_t count, int64_t offset, int16_t attr)
{
	memset(b, 0, sizeof b);
	rk_put64(b, (uint64_t)offset);
	rk_put32(b + 8, KP_BATCH_HEAD - 12);
	b[16] = 2;
	rk_put16(b + 21, (uint16_t)attr);
	rk_put32(b + 23, (uint32_t)(count - 1));
	rk_put64(b + 35, (uint64_t)(5000 + offset));
	rk_put64(b + 43, (uint64_t)id);
	rk_put16(b + 51, (uint16_t)epoch);
	rk_put32(b + 53, (uint32_t)seq);
	rk_put32(b + 57, (uint32_t)count);
	return b;
}

static size_t marker_len;
static const uint8_t *
marker(int64_t id, int16_t epoch, int64_t offset, bool abort, int32_t coordinator)
{
	data(id, epoch, -1, 1, offset, KP_ATTR_TXN | KP_ATTR_CONTROL);
	uint8_t *p = b + KP_BATCH_HEAD;
	*p++ = 32; /* length 16 */
	*p++ = 0, *p++ = 0, *p++ = 0;
	*p++ = 8; /* key of 4 */
	rk_put16(p, 0), rk_put16(p + 2, abort ? 0 : 1), p += 4;
	*p++ = 12; /* value of 6 */
	rk_put16(p, 0), rk_put32(p + 2, (uint32_t)coordinator), p += 6;
	*p++ = 0;
	marker_len = (size_t)(p - b);
	rk_put32(b + 8, (uint32_t)marker_len - 12);
	return b;
}

static enum rk_err
judge(int64_t id, int16_t epoch, int32_t seq, int32_t count)
{
	return st_producers_check(t, data(id, epoch, seq, count, 0, 0), &base, &ms);
}

static void
note(int64_t id, int16_t epoch, int32_t seq, int32_t count, int64_t offset)
{
	st_producers_note(t, data(id, epoch, seq, count, offset, 0), KP_BATCH_HEAD, NULL);
}

START_TEST(a_batch_without_a_producer_is_nobodys)
{
	ck_assert_int_eq(judge(-1, -1, -1, 5), RK_OK);
	note(-1, -1, -1, 5, 0);
	ck_assert_uint_eq(st_producers_count(t), 0);
}
END_TEST

START_TEST(an_unknown_producer_may_begin_anywhere)
{
	ck_assert_int_eq(judge(7, 3, 1000, 5), RK_OK);
}
END_TEST

START_TEST(sequences_follow_each_other)
{
	note(7, 0, 0, 5, 100);
	ck_assert_int_eq(judge(7, 0, 5, 1), RK_OK);
	ck_assert_int_eq(judge(7, 0, 6, 1), RK_OUT_OF_ORDER_SEQUENCE_NUMBER);
	ck_assert_int_eq(judge(7, 0, 4, 1), RK_OUT_OF_ORDER_SEQUENCE_NUMBER);
}
END_TEST

START_TEST(each_of_the_last_five_is_recognised)
{
	for (int32_t i = 0; i < 6; i++)
		note(7, 0, i * 10, 10, 100 + i * 10);
	ck_assert_int_eq(judge(7, 0, 0, 10), RK_OUT_OF_ORDER_SEQUENCE_NUMBER); /* the sixth last */
	for (int32_t i = 1; i < 6; i++) {
		ck_assert_int_eq(judge(7, 0, i * 10, 10), RK_DUPLICATE_SEQUENCE_NUMBER);
		ck_assert_int_eq(base, 100 + i * 10);
		ck_assert_int_eq(ms, 5000 + 100 + i * 10);
	}
	ck_assert_int_eq(
	    judge(7, 0, 10, 9), RK_OUT_OF_ORDER_SEQUENCE_NUMBER); /* not the same batch */
}
END_TEST

START_TEST(sequences_go_around)
{
	note(7, 0, INT32_MAX - 1, 4, 10); /* MAX-1, MAX, 0, 1 */
	ck_assert_int_eq(judge(7, 0, 2, 1), RK_OK);
	ck_assert_int_eq(judge(7, 0, INT32_MAX - 1, 4), RK_DUPLICATE_SEQUENCE_NUMBER);
	note(8, 0, INT32_MAX, 1, 20);
	ck_assert_int_eq(judge(8, 0, 0, 1), RK_OK);
}
END_TEST

START_TEST(epochs_fence_and_begin_at_zero)
{
	note(7, 4, 0, 5, 100);
	ck_assert_int_eq(judge(7, 3, 5, 1), RK_INVALID_PRODUCER_EPOCH);
	ck_assert_int_eq(judge(7, 5, 5, 1), RK_OUT_OF_ORDER_SEQUENCE_NUMBER);
	ck_assert_int_eq(judge(7, 5, 0, 1), RK_OK);
}
END_TEST

START_TEST(a_transaction_is_open_until_its_marker)
{
	struct st_ended e;
	st_producers_note(t, data(7, 0, 0, 5, 100, KP_ATTR_TXN), KP_BATCH_HEAD, NULL);
	st_producers_note(t, data(7, 0, 5, 5, 105, KP_ATTR_TXN), KP_BATCH_HEAD, NULL);
	st_producers_note(t, data(8, 0, 0, 5, 110, KP_ATTR_TXN), KP_BATCH_HEAD, NULL);
	ck_assert_int_eq(st_producers_first_open(t), 100);
	ck_assert_int_eq(judge(7, 0, 10, 1), RK_INVALID_TXN_STATE);
	marker(7, 1, 115, true, 3);
	ck_assert(st_producers_note(t, b, marker_len, &e));
	ck_assert(e.aborted && e.producer_id == 7 && e.first == 100 && e.last == 115);
	ck_assert_int_eq(st_producers_first_open(t), 110);
	ck_assert_int_eq(st_producers_first_unstable(t, 115), 100);
	ck_assert_int_eq(st_producers_first_unstable(t, 116), 110);
	ck_assert_int_eq(st_producers_check(t, marker(7, 1, 116, true, 2), &base, &ms),
	    RK_TRANSACTION_COORDINATOR_FENCED);
	marker(7, 1, 116, false, 3);
	ck_assert(!st_producers_note(t, b, marker_len, &e)); /* nothing was open */
}
END_TEST

START_TEST(idle_producers_go_but_not_from_a_transaction)
{
	note(7, 0, 0, 5, 100);
	st_producers_note(t, data(8, 0, 0, 5, 105, KP_ATTR_TXN), KP_BATCH_HEAD, NULL);
	st_producers_expire(t, 5100 + 999, 1000);
	ck_assert_uint_eq(st_producers_count(t), 2);
	st_producers_expire(t, 99999, 1000);
	ck_assert_uint_eq(st_producers_count(t), 1);
	ck_assert_ptr_nonnull(st_producers_get(t, 8));
}
END_TEST

START_TEST(a_snapshot_brings_all_five_back)
{
	struct rk_arena a;
	struct rk_str k, m;
	rk_arena_init(&a, 1 << 20);
	for (int32_t i = 0; i < 9; i++)
		note(7, 2, i * 10, 10, 100 + i * 10);
	st_producers_note(t, data(8, 0, 0, 5, 300, KP_ATTR_TXN), KP_BATCH_HEAD, NULL);
	st_producers_write(t, &a, &k, &m);
	ck_assert_int_eq(k.len, 10 + 2 * 46);
	st_producers_clear(t);
	ck_assert_int_eq(st_producers_read(t, k, m), RK_OK);
	ck_assert_int_eq(judge(7, 2, 40, 10), RK_DUPLICATE_SEQUENCE_NUMBER);
	ck_assert_int_eq(base, 140);
	ck_assert_int_eq(judge(7, 2, 90, 1), RK_OK);
	ck_assert_int_eq(st_producers_first_open(t), 300);
	ck_assert_int_eq(st_producers_read(t, k, RK_STR_NULL), RK_OK); /* Kafka's file alone */
	ck_assert_int_eq(judge(7, 2, 80, 10), RK_DUPLICATE_SEQUENCE_NUMBER);
	ck_assert_int_eq(judge(7, 2, 70, 10), RK_OUT_OF_ORDER_SEQUENCE_NUMBER);
	for (int32_t i = 0; i < k.len; i++) { /* every truncation, every flipped bit */
		ck_assert_int_eq(
		    st_producers_read(t, (struct rk_str){k.at, i}, m), RK_CORRUPT_MESSAGE);
		((char *)(uintptr_t)k.at)[i] ^= 4;
		ck_assert_int_eq(st_producers_read(t, k, m), RK_CORRUPT_MESSAGE);
		ck_assert_uint_eq(st_producers_count(t), 0);
		((char *)(uintptr_t)k.at)[i] ^= 4;
	}
	rk_arena_free(&a);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("producers");
	TCase *c = tcase_create("producers");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_batch_without_a_producer_is_nobodys);
	tcase_add_test(c, an_unknown_producer_may_begin_anywhere);
	tcase_add_test(c, sequences_follow_each_other);
	tcase_add_test(c, each_of_the_last_five_is_recognised);
	tcase_add_test(c, sequences_go_around);
	tcase_add_test(c, epochs_fence_and_begin_at_zero);
	tcase_add_test(c, a_transaction_is_open_until_its_marker);
	tcase_add_test(c, idle_producers_go_but_not_from_a_transaction);
	tcase_add_test(c, a_snapshot_brings_all_five_back);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
