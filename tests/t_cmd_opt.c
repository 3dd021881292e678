/* t_cmd_opt.c - options are read as Kafka's parsers read them. */
#include <check.h>
#include "src/cmd/cmd.h"

static const struct cmd_act acts[] = {{"one", ""}, {"two", ""}, {NULL, NULL}};
static const struct cmd_opt opts[] = {
    {"topic", CMD_TEXT, 0, 0, 0, "topic", NULL, "A topic."},
    {"config", CMD_TEXT, CMD_REPEAT, 0, 0, "k=v", NULL, "Many."},
    {"list", CMD_FLAG, 0, 'l', 0, NULL, NULL, "A flag."},
    {"count", CMD_INT, 0, 'c', 0, NULL, "7", "A number."},
    {"codec", CMD_MAYBE, 0, 0, 0, NULL, "gzip", "Its value may be left out."},
    {"props", CMD_MANY, 0, 0, 0, NULL, NULL, "One or more."},
    {"second", CMD_FLAG, 0, 0, 1 << 1, NULL, NULL, "Only with the second action."},
};
static int
nothing(struct cmd_args *a)
{
	(void)a;
	return 0;
}
static const struct cmd_spec jopt = {.name = "j",
    .peer = "kafka-j",
    .summary = "s",
    .about = "a",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts) - 1,
    .help_exit = 1,
    .bare_exit = 1,
    .run = nothing};
static const struct cmd_spec argparse = {.name = "p",
    .peer = "kafka-p",
    .summary = "s",
    .about = "a",
    .style = CMD_ARGPARSE,
    .opt = opts,
    .count = rk_countof(opts),
    .act = acts,
    .help_exit = 0,
    .bare_exit = 1,
    .run = nothing};
static struct cmd_args a;

static int
parse(const struct cmd_spec *s, const char *line)
{
	static char text[300];
	char *argv[20] = {text};
	int argc = 1;

	cmd_args_free(&a);
	snprintf(text, sizeof text, "x %s", line);
	for (char *w = strtok(text, " "); (w = strtok(NULL, " ")) != NULL;)
		argv[argc++] = w;
	return cmd_parse(&a, s, argc, argv);
}

START_TEST(a_value_follows_or_is_stuck_on)
{
	ck_assert_int_eq(parse(&jopt, "--topic t --count=3 --list"), -1);
	ck_assert_str_eq(cmd_text(&a, "topic"), "t");
	ck_assert_int_eq(cmd_number(&a, "count", 0), 3);
	ck_assert(cmd_given(&a, "list"));
	ck_assert_int_eq(parse(&jopt, "-topic t"), -1);
	ck_assert_str_eq(cmd_text(&a, "topic"), "t");
}
END_TEST

START_TEST(a_value_may_begin_with_a_dash)
{
	ck_assert_int_eq(parse(&jopt, "--count -1"), -1);
	ck_assert_int_eq(cmd_number(&a, "count", 0), -1);
}
END_TEST

START_TEST(a_default_stands_for_what_is_not_given)
{
	ck_assert_int_eq(parse(&jopt, "--list"), -1);
	ck_assert_int_eq(cmd_number(&a, "count", 0), 7);
	ck_assert_ptr_null(cmd_text(&a, "topic"));
	ck_assert_ptr_null(cmd_text(&a, "codec")); /* not given at all: no codec */
	ck_assert_int_eq(parse(&jopt, "--codec --list"), -1);
	ck_assert_str_eq(cmd_text(&a, "codec"), "gzip");
	ck_assert_int_eq(parse(&jopt, "--codec zstd"), -1);
	ck_assert_str_eq(cmd_text(&a, "codec"), "zstd");
}
END_TEST

START_TEST(what_is_wrong_ends_with_one)
{
	static const char *const lines[] = {"--no-such-flag", "--topic", "--count abc",
	    "--count 99999999999", "--topic a --topic b"};

	for (uint32_t i = 0; i < rk_countof(lines); i++)
		ck_assert_msg(parse(&jopt, lines[i]) == 1, "%s", lines[i]);
	ck_assert_int_eq(parse(&jopt, ""), 1);
	ck_assert_int_eq(parse(&jopt, "--help"), 1);
	ck_assert_int_eq(parse(&jopt, "--version"), 0);
}
END_TEST

START_TEST(an_option_may_repeat_where_its_table_says_so)
{
	ck_assert_int_eq(parse(&jopt, "--config a=1 --config b=2"), -1);
	ck_assert_str_eq(cmd_nth(&a, "config", 0), "a=1");
	ck_assert_str_eq(cmd_nth(&a, "config", 1), "b=2");
	ck_assert_ptr_null(cmd_nth(&a, "config", 2));
}
END_TEST

START_TEST(an_action_has_options_of_its_own)
{
	ck_assert_int_eq(parse(&argparse, "two --second -c 4"), -1);
	ck_assert_int_eq(a.act, 1);
	ck_assert_int_eq(cmd_number(&a, "count", 0), 4);
	ck_assert_int_eq(parse(&argparse, "one --second"), 1);
	ck_assert_int_eq(parse(&argparse, "three"), 1);
	ck_assert_int_eq(parse(&argparse, ""), 1);
	ck_assert_int_eq(parse(&argparse, "--help"), 0);
	ck_assert_int_eq(parse(&argparse, "one --props a=1 b=2 --list"), -1);
	ck_assert_str_eq(cmd_nth(&a, "props", 1), "b=2");
	ck_assert(cmd_given(&a, "list"));
}
END_TEST

START_TEST(combinations_are_refused_by_name)
{
	ck_assert_int_eq(parse(&jopt, "--topic t --list"), -1);
	ck_assert_int_eq(cmd_require(&a, "topic", NULL), 0);
	ck_assert_int_eq(cmd_require(&a, "topic", "config", NULL), 1);
	ck_assert_int_eq(cmd_exclude(&a, "topic", "config", NULL), 0);
	ck_assert_int_eq(cmd_exclude(&a, "topic", "config", "list", NULL), 1);
	ck_assert_int_eq(cmd_exclude(&a, "config", "list", NULL), 0);
}
END_TEST

START_TEST(a_manual_page_names_every_option)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	cmd_print_man(&argparse, f);
	fclose(f);
	for (uint32_t i = 0; i < argparse.count; i++)
		ck_assert_msg(strstr(text, opts[i].name) != NULL, "%s", opts[i].name);
	ck_assert_ptr_nonnull(strstr(text, ".SH OPTIONS"));
	free(text);
}
END_TEST

int
cmd_fail(const struct cmd_args *x, const char *fmt, ...)
{
	(void)x;
	(void)fmt;
	return 1;
}

int
main(void)
{
	Suite *s = suite_create("cmd_opt");
	TCase *t = tcase_create("options");
	SRunner *r;
	int failed;

	tcase_add_test(t, a_value_follows_or_is_stuck_on);
	tcase_add_test(t, a_value_may_begin_with_a_dash);
	tcase_add_test(t, a_default_stands_for_what_is_not_given);
	tcase_add_test(t, what_is_wrong_ends_with_one);
	tcase_add_test(t, an_option_may_repeat_where_its_table_says_so);
	tcase_add_test(t, an_action_has_options_of_its_own);
	tcase_add_test(t, combinations_are_refused_by_name);
	tcase_add_test(t, a_manual_page_names_every_option);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	cmd_args_free(&a);
	return failed > 0;
}
