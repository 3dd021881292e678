/* t_cmd_groups.c - dates, durations and regular expressions are taken as Kafka's command takes
 * them. */
#include <check.h>
#include "src/cmd/consumer_groups.h"

static char why[200];

static int64_t
when(const char *text)
{
	int64_t ms = -1;

	return cmd_when(text, &ms, why, sizeof why) ? ms : -1;
}

static int64_t
lasts(const char *text)
{
	int64_t ms;
	const char *reason;

	return cmd_duration(text, &ms, &reason) ? ms : INT64_MIN;
}

static const char *
re2(const char *text)
{
	return cmd_re2_valid(text, why, sizeof why) ? "" : why;
}

START_TEST(a_date_without_a_zone_is_utc)
{
	ck_assert_int_eq(when("1970-01-01T00:00:00.000"), 0);
	ck_assert_int_eq(when("2020-02-29T12:34:56.789"), 1582979696789);
	ck_assert_int_eq(when("2020-1-1T0:0:0.5"), 1577836800005);
	ck_assert_int_eq(when("2020-01-01T00:00:00.000Z"), 1577836800000);
}
END_TEST

START_TEST(a_zone_shifts_the_date)
{
	ck_assert_int_eq(when("2020-01-01T00:00:00.000+02"), 1577836800000 - 7200000);
	ck_assert_int_eq(when("2020-01-01T00:00:00.000-0130"), 1577836800000 + 5400000);
	ck_assert_int_eq(when("2020-01-01T00:00:00.000+05:30"), 1577836800000 - 19800000);
	ck_assert_int_eq(when("2020-01-01T00:00:00.000+2"), -1);
}
END_TEST

START_TEST(a_day_that_is_not_in_the_calendar_is_no_date)
{
	static const char *const bad[] = {"2019-02-29T00:00:00.000", "2100-02-29T00:00:00.000",
	    "2020-13-01T00:00:00.000", "2020-04-31T00:00:00.000", "2020-01-01T24:00:00.000",
	    "2020-01-01T00:60:00.000", "2020-01-01T00:00:00", "2020-01-01T00:00:00.1234",
	    "2020-01-01T00:00:00.000PST", "2020-01-01", "T", ""};

	for (size_t i = 0; i < rk_countof(bad); i++)
		ck_assert_msg(when(bad[i]) == -1, "%s", bad[i]);
	ck_assert_str_eq(
	    why, "Error parsing timestamp. It does not contain a 'T' according to ISO8601 format");
	when("2019-02-29T00:00:00.000");
	ck_assert_str_eq(why, "Unparseable date: \"2019-02-29T00:00:00.000Z\"");
}
END_TEST

START_TEST(a_duration_is_days_to_seconds)
{
	ck_assert_int_eq(lasts("P1D"), 86400000);
	ck_assert_int_eq(lasts("PT0S"), 0);
	ck_assert_int_eq(lasts("P1DT2H3M4.5S"), 93784500);
	ck_assert_int_eq(lasts("pt1h"), 3600000);
	ck_assert_int_eq(lasts("-P1D"), -86400000);
	ck_assert_int_eq(lasts("P-1DT+3S"), -86397000);
	ck_assert_int_eq(lasts("PT-0.5S"), -500);
	ck_assert_int_eq(lasts("PT90M"), 5400000);
}
END_TEST

START_TEST(anything_else_is_no_duration)
{
	static const char *const bad[] = {"", "P", "PT", "x", "1D", "P1", "P1Y", "PT1H1D", "P1H",
	    "PT1D", "P1DT", "PT1S ", "PT1.5H", "PT99999999999999999999S", "P99999999999999999D"};

	for (size_t i = 0; i < rk_countof(bad); i++)
		ck_assert_msg(lasts(bad[i]) == INT64_MIN, "%s", bad[i]);
}
END_TEST

START_TEST(what_re2_takes_is_valid)
{
	static const char *const good[] = {"", "a.*", "a{1000}", "a{,5}", "a{", "a{x}", "()",
	    "(?P<n>a)", "(?<n>a)", "(?i)a", "(?-s)a", "|", "^*", "[[:^alpha:]]", "[]a]", "[^]a]",
	    "\\01", "\\08", "\\x12", "\\x{10FFFF}", "\\Q*\\E", "\\Qa", "\\pL", "\\p{^Greek}", "a*?",
	    "\\_", "\\\xc3\xa9", "[\\p{Greek}]", "[a-b-c]", "(?s:.)(?U)a+", "[:alpha:]", "[[.a.]]",
	    "[\\x{41}-\\x5A]", "\\d-\\w[\\d\\s]", "[\xc3\xa9-\xc3\xaf]"};

	for (size_t i = 0; i < rk_countof(good); i++)
		ck_assert_msg(*re2(good[i]) == 0, "%s: %s", good[i], why);
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
	    {"a{2}{3}", "invalid nested repetition operator"}, {"a{2,1}", "invalid repeat count"},
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
	char part[sizeof text];

	for (size_t n = 0; n < sizeof text; n++) {
		memcpy(part, text, n);
		part[n] = 0;
		re2(part);
	}
	ck_assert_str_eq(re2(text), "invalid character class range"); /* 'a' is behind \x41 */
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cmd_groups");
	TCase *t = tcase_create("groups");
	const TTest *all[] = {a_date_without_a_zone_is_utc, a_zone_shifts_the_date,
	    a_day_that_is_not_in_the_calendar_is_no_date, a_duration_is_days_to_seconds,
	    anything_else_is_no_duration, what_re2_takes_is_valid,
	    what_re2_refuses_is_named_as_it_names_it,
	    any_beginning_of_an_expression_is_read_to_its_end};

	for (size_t i = 0; i < rk_countof(all); i++)
		tcase_add_test(t, all[i]);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
