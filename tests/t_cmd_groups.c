/* t_cmd_groups.c - dates and durations are taken as Kafka's command takes them. */
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

int
main(void)
{
	Suite *s = suite_create("cmd_groups");
	TCase *t = tcase_create("groups");
	const TTest *all[] = {a_date_without_a_zone_is_utc, a_zone_shifts_the_date,
	    a_day_that_is_not_in_the_calendar_is_no_date, a_duration_is_days_to_seconds,
	    anything_else_is_no_duration};

	for (size_t i = 0; i < rk_countof(all); i++)
		tcase_add_test(t, all[i]);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
