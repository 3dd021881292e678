/* t_core_lag.c - claims about how far behind groups are said to be. */
#include <check.h>
#include "protocol/gen/offset_commit.h"
#include "base/mem.h"
#include "src/core/group.h"
#include "src/core/ends.h"
#include "tests/core_help.h"

static struct core_coord *coord;
static struct core_trail trail;
static struct rk_arena arena;
static struct rk_str text;

static void
attach(struct core *core)
{
	coord = core_coord_new(core, core_group_kind());
}

static void
begin(void)
{
	broker_made = attach;
	broker_begin();
	topic_is("__consumer_offsets", 1, 4);
	topic_is("t", 2, 3);
	pass(1), pass(1);
	memset(&trail, 0, sizeof trail);
	rk_arena_init(&arena, 64 << 20);
}

static void
over(void)
{
	broker_end();
	rk_arena_free(&arena);
	broker_made = NULL;
}

static void
answered(struct core_group_asker *a)
{
	(void)a;
}

/* A simple consumer's commit. */
static void
commit(struct rk_str group, const char *topic, int32_t partition, int64_t offset)
{
	struct kp_offset_commit_req q;
	struct kp_offset_commit_res res;
	struct kp_offset_commit_req_topics_partitions p = { .partition_index = partition, .committed_offset = offset,
		.committed_leader_epoch = -1, .committed_metadata = rk_lit("") };
	struct kp_offset_commit_req_topics t = { .name = rk_str_of(topic), .partitions = { &p, 1 } };
	struct kp_offset_commit_res_topics_partitions rp = { .partition_index = partition };
	struct kp_offset_commit_res_topics rt = { .name = t.name, .partitions = { &rp, 1 } };
	struct core_group_asker ask = { .done = answered, .arena = &arena, .client_id = rk_lit("app"),
		.client_host = rk_lit("/127.0.0.1"), .version = 8 };
	struct core_shard *s;

	kp_defaults(&kp_offset_commit_req_d, &q);
	kp_defaults(&kp_offset_commit_res_d, &res);
	q.group_id = group;
	q.generation_id_or_member_epoch = -1;
	q.topics.at = &t;
	q.topics.len = 1;
	res.topics.at = &rt;
	res.topics.len = 1;
	ck_assert_int_eq(core_coord_find(coord, group, &s), RK_OK);
	core_group_commit(s, &ask, &q, NULL, &res);
	settle();
	ck_assert_int_eq(rp.error_code, 0);
	core_group_forget(&ask);
}

static void
records(int32_t partition, int32_t count)
{
	struct core_append a = put(part("t", partition), batch_of(count, 1000));

	ck_assert_int_eq(a.err, RK_OK);
	settle();
}

static void
scrape(void)
{
	struct rk_out out;

	rk_out_init(&out, &arena);
	core_group_metrics(coord, rk_now(&b.w.env), &out);
	ck_assert(!out.over);
	text = rk_out_flat(&out, &arena);
}

static bool
says(const char *line)
{
	return strstr(text.at, line) != NULL;
}

/* --- trails */
START_TEST(what_nobody_noted_has_no_age)
{
	ck_assert_int_eq(core_trail_age(&trail, 5, 1000), 0);
	core_trail_note(&trail, 5, 1000);
	ck_assert_int_eq(core_trail_age(&trail, 5, 9000), 0); /* nothing is there */
	ck_assert_int_eq(core_trail_age(&trail, 4, 9000), 8000); /* at least since it was noted */
}
END_TEST

START_TEST(between_two_notes_offsets_come_evenly)
{
	core_trail_note(&trail, 100, 1000);
	core_trail_note(&trail, 100, 2000); /* nothing came until then */
	core_trail_note(&trail, 200, 4000);
	ck_assert_int_eq(core_trail_age(&trail, 200, 4000), 0);
	ck_assert_int_eq(core_trail_age(&trail, 150, 4000), 1000);
	ck_assert_int_eq(core_trail_age(&trail, 100, 4000), 2000);
	ck_assert_int_eq(core_trail_age(&trail, 99, 4000), 2000);
	ck_assert_int_eq(core_trail_age(&trail, 150, 14000), 11000);
}
END_TEST

START_TEST(a_long_past_is_kept_sparsely)
{
	for (int64_t i = 1; i <= 1000; i++)
		core_trail_note(&trail, i * 10, i * 1000);
	ck_assert_uint_le(trail.count, CORE_TRAIL_MAX);
	ck_assert_int_eq(trail.at[trail.count - 1].end, 10000);
	for (uint32_t i = 1; i < trail.count; i++)
		ck_assert(trail.at[i - 1].end < trail.at[i].end && trail.at[i - 1].ms < trail.at[i].ms);
	/* Even growth is told evenly, how sparse the notes may be. */
	ck_assert_int_le(llabs(core_trail_age(&trail, 9995, 1000000) - 500), 1);
	ck_assert_int_le(llabs(core_trail_age(&trail, 5000, 1000000) - 500000), 1);
}
END_TEST

START_TEST(a_log_that_was_cut_is_looked_at_anew)
{
	core_trail_note(&trail, 100, 1000);
	core_trail_note(&trail, 50, 2000);
	ck_assert_uint_eq(trail.count, 1);
	ck_assert_int_eq(core_trail_age(&trail, 40, 5000), 3000);
}
END_TEST

/* --- metrics */
START_TEST(lag_is_what_lies_between_commit_and_high_watermark)
{
	records(2, 30);
	commit(rk_lit("g"), "t", 2, 10);
	commit(rk_lit("h"), "t", 2, 30);
	scrape();
	ck_assert(says("kafka_consumergroup_current_offset{consumergroup=\"g\",topic=\"t\",partition=\"2\"} 10\n"));
	ck_assert(says("kafka_consumergroup_lag{consumergroup=\"g\",topic=\"t\",partition=\"2\"} 20\n"));
	ck_assert(says("kafka_consumergroup_lag{consumergroup=\"h\",topic=\"t\",partition=\"2\"} 0\n"));
	ck_assert(says("kafka_consumergroup_members{consumergroup=\"g\"} 0\n"));
	ck_assert(says("rookery_consumergroup_lag_unknown 0\n"));
	ck_assert(says("rookery_consumergroup_lag_left_out 0\n"));
}
END_TEST

START_TEST(lag_grows_in_seconds_until_it_is_made_up_for)
{
	static const char name[] = "kafka_consumergroup_lag_seconds{consumergroup=\"g\",topic=\"t\",partition=\"2\"} ";
	char line[200];

	records(2, 30);
	commit(rk_lit("g"), "t", 2, 30);
	scrape();
	snprintf(line, sizeof line, "%s0.000\n", name);
	ck_assert(says(line));
	records(2, 5);
	pass(1500);
	scrape();
	snprintf(line, sizeof line, "%s1.500\n", name); /* since the scrape before, when there was nothing yet */
	ck_assert(says(line));
	pass(10000);
	scrape();
	snprintf(line, sizeof line, "%s11.500\n", name);
	ck_assert(says(line));
	commit(rk_lit("g"), "t", 2, 35);
	scrape();
	snprintf(line, sizeof line, "%s0.000\n", name);
	ck_assert(says(line));
}
END_TEST

START_TEST(who_commits_past_the_end_is_ahead)
{
	records(2, 3);
	commit(rk_lit("g"), "t", 2, 5);
	scrape();
	ck_assert(says("kafka_consumergroup_lag{consumergroup=\"g\",topic=\"t\",partition=\"2\"} -2\n"));
	ck_assert(says("kafka_consumergroup_lag_seconds{consumergroup=\"g\",topic=\"t\",partition=\"2\"} 0.000\n"));
}
END_TEST

START_TEST(an_end_elsewhere_is_wanted_and_shown_when_told)
{
	static const int32_t others[] = { 8, 9 };
	struct core_end *e;

	topic_of("far", 3, 2, others, 2);
	commit(rk_lit("g"), "far", 0, 5);
	commit(rk_lit("g"), "far", 1, 5);
	ck_assert_ptr_null(core_end_due(b.core, rk_now(&b.w.env)));
	scrape();
	ck_assert_uint_eq(core_ends_count(b.core), 2);
	e = core_end_due(b.core, rk_now(&b.w.env));
	ck_assert(core_end_due(b.core, rk_now(&b.w.env)) != e); /* one after the other */
	ck_assert_ptr_eq(core_end_due(b.core, rk_now(&b.w.env)), e);
	core_end_told(b.core, rk_lit("far"), 0, 12, rk_now(&b.w.env));
	core_end_told(b.core, rk_lit("nobody asked"), 0, 12, rk_now(&b.w.env));
	pass(3000);
	scrape();
	ck_assert(says("kafka_consumergroup_lag{consumergroup=\"g\",topic=\"far\",partition=\"0\"} 7\n"));
	ck_assert(says("kafka_consumergroup_lag_seconds{consumergroup=\"g\",topic=\"far\",partition=\"0\"} 3.000\n"));
	ck_assert(says("rookery_consumergroup_lag_unknown 1\n"));
	pass(120000); /* nobody has told for long: it is not known any more */
	scrape();
	ck_assert(says("rookery_consumergroup_lag_unknown 2\n"));
	pass(600000); /* and nobody has wanted it for long */
	ck_assert_ptr_null(core_end_due(b.core, rk_now(&b.w.env)));
	ck_assert_uint_eq(core_ends_count(b.core), 0);
}
END_TEST

START_TEST(a_partition_that_is_not_here_is_counted)
{
	static const int32_t others[] = { 8, 9 };

	topic_of("far", 3, 1, others, 2);
	commit(rk_lit("g"), "far", 0, 5);
	commit(rk_lit("g"), "t", 0, 0);
	scrape();
	ck_assert(!says("topic=\"far\""));
	ck_assert(says("rookery_consumergroup_lag_unknown 1\n"));
	ck_assert(says("kafka_consumergroup_lag{consumergroup=\"g\",topic=\"t\",partition=\"0\"} 0\n"));
}
END_TEST

START_TEST(a_name_is_quoted_or_left_out)
{
	char longest[300];

	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = 0;
	commit(rk_lit("a \"b\" \\c"), "t", 0, 0);
	commit(rk_lit("gr\xc3\xbc\xc3\x9f"), "t", 0, 0);
	commit(rk_lit("two\nlines"), "t", 0, 0);
	commit(rk_lit("no\xc3utf"), "t", 0, 0);
	commit(rk_lit("half\xe2\x82"), "t", 0, 0);
	commit(rk_lit("surrogate\xed\xa0\x80"), "t", 0, 0);
	commit(rk_str_of(longest), "t", 0, 0);
	scrape();
	ck_assert(says("{consumergroup=\"a \\\"b\\\" \\\\c\",topic=\"t\",partition=\"0\"} 0\n"));
	ck_assert(says("{consumergroup=\"gr\xc3\xbc\xc3\x9f\","));
	ck_assert(!says("two") && !says("utf") && !says("half") && !says("surrogate") && !says("xxx"));
	ck_assert(says("rookery_consumergroup_lag_left_out 5\n"));
}
END_TEST

START_TEST(a_scrape_looks_at_so_many_and_counts_the_rest)
{
	char name[20];

	for (int i = 0; i < 10100; i++) {
		snprintf(name, sizeof name, "group%d", i);
		commit(rk_str_of(name), "t", 0, 0);
		rk_arena_reset(&arena);
	}
	scrape();
	ck_assert(says("rookery_consumergroup_lag_left_out 100\n"));
}
END_TEST

START_TEST(lost_shards_tell_nothing)
{
	commit(rk_lit("g"), "t", 0, 0);
	topic_gone(1);
	pass(1);
	scrape();
	ck_assert(!says("\"g\""));
}
END_TEST

int
main(void)
{
	const TTest *all[] = { what_nobody_noted_has_no_age, between_two_notes_offsets_come_evenly,
		a_long_past_is_kept_sparsely, a_log_that_was_cut_is_looked_at_anew,
		lag_is_what_lies_between_commit_and_high_watermark, lag_grows_in_seconds_until_it_is_made_up_for,
		who_commits_past_the_end_is_ahead,
		an_end_elsewhere_is_wanted_and_shown_when_told, a_partition_that_is_not_here_is_counted, a_name_is_quoted_or_left_out,
		a_scrape_looks_at_so_many_and_counts_the_rest, lost_shards_tell_nothing };

	return broker_claims("core_lag", all, rk_countof(all), begin, over);
}
