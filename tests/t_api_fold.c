/* t_api_fold.c - claims about requests that name a partition more than once. */
#include <check.h>
#include "src/api/fold.h"

static const int entry[4];

START_TEST(a_topic_listed_twice_is_one)
{
	struct api_named n[] = {{.topic = rk_lit("b"), .index = 1, .in = &entry[0]},
	    {.topic = rk_lit("a"), .index = 0, .in = &entry[1]},
	    {.topic = rk_lit("b"), .index = 0, .in = &entry[2]}};

	ck_assert_uint_eq(api_fold(n, 3), 3);
	ck_assert_uint_eq(api_fold_run(n, 0, 3), 1);
	ck_assert_uint_eq(api_fold_run(n, 1, 3), 2);
	ck_assert(rk_str_is(n[0].topic, "a"));
	ck_assert_int_eq(n[1].index, 0);
	ck_assert_int_eq(n[2].index, 1);
}
END_TEST

START_TEST(of_a_partition_named_twice_the_last_entry_counts)
{
	struct api_named n[] = {{.topic = rk_lit("a"), .index = 7, .in = &entry[0]},
	    {.topic = rk_lit("a"), .index = 3, .in = &entry[1]},
	    {.topic = rk_lit("a"), .index = 7, .in = &entry[2]},
	    {.topic = rk_lit("a"), .index = 7, .in = &entry[3]}};

	ck_assert_uint_eq(api_fold(n, 4), 2);
	ck_assert_uint_eq(n[0].times, 1);
	ck_assert_uint_eq(n[1].times, 3);
	ck_assert_ptr_eq(n[1].in, &entry[3]);
}
END_TEST

START_TEST(nothing_named_is_nothing)
{
	ck_assert_uint_eq(api_fold(NULL, 0), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("api_fold");
	TCase *t = tcase_create("fold");

	tcase_add_test(t, a_topic_listed_twice_is_one);
	tcase_add_test(t, of_a_partition_named_twice_the_last_entry_counts);
	tcase_add_test(t, nothing_named_is_nothing);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
