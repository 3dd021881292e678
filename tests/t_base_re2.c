/* t_base_re2.c - what RE2 takes and what it refuses, in its words. */
#include <check.h>
#include "base/re2.h"

static const char *
re2(const char *text)
{
	const char *bad = rk_re2_wrong(rk_str_of(text));

	return bad == NULL ? "" : bad;
}

START_TEST(what_re2_takes_is_valid)
{
	static const char *const good[] = {"", "a.*", "a{1000}", "a{,5}", "a{", "a{x}", "()",
	    "(?P<n>a)", "(?<n>a)", "(?i)a", "(?-s)a", "|", "^*", "[[:^alpha:]]", "[]a]", "[^]a]",
	    "\\01", "\\08", "\\x12", "\\x{10FFFF}", "\\Q*\\E", "\\Qa", "\\Q**\\E", "a\\Q+?+\\E+",
	    "\\pL", "\\p{^Greek}", "a*?",
	    "\\_", "\\\xc3\xa9", "[\\p{Greek}]", "[a-b-c]", "(?s:.)(?U)a+", "[:alpha:]", "[[.a.]]",
	    "[\\x{41}-\\x5A]", "\\d-\\w[\\d\\s]", "[\xc3\xa9-\xc3\xaf]"};

	for (size_t i = 0; i < rk_countof(good); i++)
		ck_assert_msg(*re2(good[i]) == 0, "%s: %s", good[i], re2(good[i]));
}
END_TEST

START_TEST(what_re2_refuses_is_named_as_it_names_it)
{
	static const char *const bad[][2] = {{"a(b", "missing closing )"},
	    {"[", "missing closing ]"}, {"[^]", "missing closing ]"},
	    {"*a", "missing argument to repetition operator"},
	    {"(|*)", "missing argument to repetition operator"},
	    {"{2}", "missing argument to repetition operator"},
	    {"a**", "invalid nested repetition operator"},
	    {"a{2}{3}", "invalid nested repetition operator"},
	    {"a{+", "invalid nested repetition operator"},
	    {"\\Qa\\E**", "invalid nested repetition operator"},
	    {"a{2,1}", "invalid repeat count"},
	    {"a{1001}", "invalid repeat count"},
	    {"(?P<n>a)(?P<n>b)", "duplicate capture group name"},
	    {"(?P<>a)", "invalid named capture"}, {"(?<=a)", "invalid named capture"},
	    {"a(?=b)", "invalid or unsupported Perl syntax"},
	    {"(?i-)a", "invalid or unsupported Perl syntax"},
	    {"(?", "invalid or unsupported Perl syntax"}, {")", "regexp/syntax: internal error"},
	    {"[z-a]", "invalid character class range"},
	    {"[[:foo:]]", "invalid character class range"},
	    {"\\p{X}", "invalid character class range"}, {"[a-\\d]", "invalid escape sequence"},
	    {"\\1", "invalid escape sequence"}, {"\\x{110000}", "invalid escape sequence"},
	    {"\\x1", "invalid escape sequence"}, {"[\\b]", "invalid escape sequence"},
	    {"a\\", "trailing backslash at end of expression"},
	    {"[a\\", "trailing backslash at end of expression"},
	    {"\\x{", "invalid escape sequence"}};

	for (size_t i = 0; i < rk_countof(bad); i++)
		ck_assert_str_eq(re2(bad[i][0]), bad[i][1]);
}
END_TEST

START_TEST(any_beginning_of_an_expression_is_read_to_its_end)
{
	static const char text[] =
	    "(?P<n>[^a-\\x{41}[:alpha:]]{2,3}|\\Qx\\E\\pN\\p{Greek}*?)\xc3\xa9+";

	for (size_t n = 0; n < sizeof text; n++) {
		char *part = malloc(n + 1); /* of just that size: the sanitizers watch its end */
		memcpy(part + 1, text, n);
		rk_re2_wrong((struct rk_str){part + 1, (int32_t)n});
		free(part);
	}
	ck_assert_str_eq(re2(text), "invalid character class range"); /* 'a' is behind \x41 */
}
END_TEST

START_TEST(a_zero_is_a_character)
{
	ck_assert_ptr_null(rk_re2_wrong((struct rk_str){"a\0*", 3}));
	ck_assert_str_eq(rk_re2_wrong((struct rk_str){"a\0(", 3}), "missing closing )");
	ck_assert_str_eq(rk_re2_wrong((struct rk_str){"\\p\0", 3}), "invalid character class range");
	ck_assert_ptr_null(rk_re2_wrong(RK_STR_NULL));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("base_re2");
	TCase *t = tcase_create("re2");
	const TTest *all[] = {what_re2_takes_is_valid, what_re2_refuses_is_named_as_it_names_it,
	    any_beginning_of_an_expression_is_read_to_its_end, a_zero_is_a_character};

	for (size_t i = 0; i < rk_countof(all); i++)
		tcase_add_test(t, all[i]);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
