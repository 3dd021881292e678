/* t_cmd_util.c - properties, regular expressions, numbers and error names come out as Java's. */
#include <check.h>
#include "src/cmd/cmd.h"

static struct cmd_props p;

static bool
read_text(const char *text)
{
	char path[] = "/tmp/t_cmd_util.XXXXXX";
	int fd = mkstemp(path);
	bool ok;

	cmd_props_free(&p);
	ck_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	ok = cmd_props_read(&p, path);
	unlink(path);
	return ok;
}

START_TEST(properties_are_read_as_java_reads_them)
{
	ck_assert(read_text("# no\n! no\n a = b\nc:d\ne f\n\ng\nlong=one\\\n  "
			    "two\nu=\\u00e4\\t\nback=a\\\\b\nkey\\ x=1\r\nlast=z"));
	ck_assert_str_eq(cmd_props_get(&p, "a"), "b");
	ck_assert_str_eq(cmd_props_get(&p, "c"), "d");
	ck_assert_str_eq(cmd_props_get(&p, "e"), "f");
	ck_assert_str_eq(cmd_props_get(&p, "g"), "");
	ck_assert_str_eq(cmd_props_get(&p, "long"), "onetwo");
	ck_assert_str_eq(cmd_props_get(&p, "u"), "\xc3\xa4\t");
	ck_assert_str_eq(cmd_props_get(&p, "back"), "a\\b");
	ck_assert_str_eq(cmd_props_get(&p, "key x"), "1");
	ck_assert_str_eq(cmd_props_get(&p, "last"), "z");
	ck_assert_ptr_null(cmd_props_get(&p, "no"));
}
END_TEST

START_TEST(the_last_value_wins)
{
	ck_assert(cmd_props_add(&p, "a=1") && cmd_props_add(&p, "a=2=3"));
	ck_assert_str_eq(cmd_props_get(&p, "a"), "2=3");
	ck_assert(!cmd_props_add(&p, "nothing"));
	ck_assert(!cmd_props_true(&p, "b", false) && cmd_props_true(&p, "b", true));
}
END_TEST

START_TEST(a_file_that_is_not_there_is_an_error)
{
	ck_assert(!cmd_props_read(&p, "/nonexistent/file"));
}
END_TEST

START_TEST(an_expression_matches_the_whole_name)
{
	static const struct {
		const char *pattern, *name;
		bool is;
	} cases[] = {
	    {"a", "a", true},
	    {"a", "ab", false},
	    {"a.*", "ab", true},
	    {"a,b", "b", true},
	    {"\"a\"", "a", true},
	    {"t\\d+", "t17", true},
	    {"t\\d+", "tx", false},
	    {"(?:x|y)z", "yz", true},
	    {"a|b", "ab", false},
	};
	char why[100];

	for (uint32_t i = 0; i < rk_countof(cases); i++) {
		struct cmd_regex *r = cmd_regex_topics(cases[i].pattern, why, sizeof why);
		ck_assert_ptr_nonnull(r);
		ck_assert_msg(cmd_regex_is(r, rk_str_of(cases[i].name)) == cases[i].is, "%s %s",
		    cases[i].pattern, cases[i].name);
		cmd_regex_free(r);
	}
	ck_assert_ptr_null(cmd_regex_new("(", why, sizeof why));
}
END_TEST

START_TEST(a_double_is_printed_as_java_prints_it)
{
	static const struct {
		double d;
		const char *text;
	} cases[] = {
	    {0, "0.0"},
	    {1, "1.0"},
	    {2097152, "2097152.0"},
	    {1e7, "1.0E7"},
	    {20971520000.0, "2.097152E10"},
	    {50.5, "50.5"},
	    {0.001, "0.001"},
	    {0.0001, "1.0E-4"},
	    {0.1, "0.1"},
	    {-3.25, "-3.25"},
	    {1.7976931348623157e308, "1.7976931348623157E308"},
	};
	char text[40];

	for (uint32_t i = 0; i < rk_countof(cases); i++)
		ck_assert_str_eq(cmd_double(cases[i].d, text), cases[i].text);
}
END_TEST

START_TEST(an_error_has_its_java_name)
{
	char text[100];

	ck_assert_str_eq(cmd_java_error(RK_REQUEST_TIMED_OUT, text, sizeof text),
	    "org.apache.kafka.common.errors.TimeoutException");
	ck_assert_str_eq(cmd_java_error(RK_UNKNOWN_TOPIC_OR_PARTITION, text, sizeof text),
	    "org.apache.kafka.common.errors.UnknownTopicOrPartitionException");
}
END_TEST

START_TEST(a_list_is_split_and_trimmed)
{
	struct rk_arena a;
	char **piece;

	rk_arena_init(&a, 1 << 20);
	ck_assert_uint_eq(cmd_split(&a, " a , b,,c", ',', &piece), 4);
	ck_assert_str_eq(piece[0], "a");
	ck_assert_str_eq(piece[1], "b");
	ck_assert_str_eq(piece[2], "");
	ck_assert_str_eq(piece[3], "c");
	rk_arena_free(&a);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cmd_util");
	TCase *t = tcase_create("util");
	SRunner *r;
	int failed;

	tcase_add_test(t, properties_are_read_as_java_reads_them);
	tcase_add_test(t, the_last_value_wins);
	tcase_add_test(t, a_file_that_is_not_there_is_an_error);
	tcase_add_test(t, an_expression_matches_the_whole_name);
	tcase_add_test(t, a_double_is_printed_as_java_prints_it);
	tcase_add_test(t, an_error_has_its_java_name);
	tcase_add_test(t, a_list_is_split_and_trimmed);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	cmd_props_free(&p);
	return failed > 0;
}
