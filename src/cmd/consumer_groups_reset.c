/* consumer_groups_reset.c - rookery consumer-groups --reset-offsets: which offsets each group shall
 * have, shown and, with
 * --execute, committed. */
#include "src/cmd/consumer_groups.h"
#include "src/cmd/perf.h"

enum way { NOTHING, OFFSET, DATETIME, DURATION, EARLIEST, LATEST, CURRENT, SHIFT, FILE_ };

struct reset {
	struct cmd_groups_job *j;
	enum way way;
	int64_t at;            /* of DATETIME and DURATION: ms since 1970 */
	struct cmd_plan *plan; /* of a file */
	uint32_t plans;
	struct cmd_plan *got; /* what is to be committed, by group */
	struct cmd_view view; /* of the partitions of the group at hand */
};

#define FAILED "Executing consumer group command failed due to "

static enum way
way_of(const struct cmd_args *a)
{
	static const char *const names[] = {"to-offset", "to-datetime", "by-duration",
	    "to-earliest", "to-latest", "to-current", "shift-by", "from-file"};

	for (uint32_t i = 0; i < rk_countof(names); i++)
		if (cmd_given(a, names[i]))
			return (enum way)(i + 1);
	return NOTHING;
}

/* "demo-9,demo-10" of the spots that are not in the view; NULL: all are. */
static const char *
missing(struct reset *r, const struct cmd_spots *s)
{
	const char *text = NULL;

	for (uint32_t i = 0; i < s->count; i++)
		if (cmd_view_part(&r->view, s->at[i].topic, s->at[i].partition) == NULL)
			text = rk_arena_print(&r->j->c.arena, "%s%s%.*s-%d",
			    text == NULL ? "" : text, text == NULL ? "" : ",", s->at[i].topic.len,
			    s->at[i].topic.at, s->at[i].partition)
				   .at;
	return text;
}

/* Looks that all partitions are there. Returns 0, or the exit status + 1: said. */
static int
look(struct reset *r, const struct cmd_spots *s)
{
	struct cmd_client *c = &r->j->c;
	char name[100];
	const char *none;

	cmd_view_free(&r->view);
	if (!cmd_spots_view(c, s, &r->view))
		return cmd_groups_failed(c, 2) + 1;
	for (uint32_t i = 0; i < r->view.topics; i++) {
		const struct cmd_topic *t = &r->view.topic[i];
		if (t->err == RK_UNKNOWN_TOPIC_OR_PARTITION && r->way == FILE_)
			return cmd_groups_wrong(FAILED "java.util.concurrent.ExecutionException: "
						       "%s: Failed to fetch metadata for "
						       "partition %.*s-%d because metadata for "
						       "topic `%.*s` could not be found",
				   cmd_java_error(t->err, name, sizeof name), t->name.len,
				   t->name.at, s->at[0].partition, t->name.len, t->name.at)
			       + 1;
		if (t->err != RK_OK)
			return cmd_groups_wrong(FAILED
				   "java.util.concurrent.ExecutionException: %s: %s",
				   cmd_java_error(t->err, name, sizeof name), rk_err_text(t->err))
			       + 1;
	}
	none = missing(r, s);
	return none == NULL
		   ? 0
		   : cmd_groups_wrong(FAILED "The partitions \"%s\" do not exist", none) + 1;
}

/* The offsets of a time or place; a partition that gives none is an error. */
static int
ask(struct reset *r, struct cmd_spots *s, int64_t at)
{
	struct cmd_client *c = &r->j->c;
	char name[100];

	if (!cmd_spots_ask(c, &r->view, s, at))
		return cmd_groups_failed(c, 2) + 1;
	for (uint32_t i = 0; i < s->count; i++)
		if (s->at[i].err != RK_OK)
			return cmd_groups_wrong(FAILED "java.util.concurrent.ExecutionException: "
						       "%s: partition %.*s-%d: %s",
				   cmd_java_error(s->at[i].err, name, sizeof name),
				   s->at[i].topic.len, s->at[i].topic.at, s->at[i].partition,
				   rk_err_text(s->at[i].err))
			       + 1;
	return 0;
}

static struct cmd_spots
copy(struct cmd_client *c, const struct cmd_spots *s)
{
	struct cmd_spots to = {0};

	for (uint32_t i = 0; i < s->count; i++)
		cmd_spots_add(&c->arena, &to, s->at[i].topic, s->at[i].partition)->offset =
		    s->at[i].offset;
	return to;
}

/* Puts every offset between the first and the last that its partition has. */
static int
clamp(struct reset *r, struct cmd_spots *s)
{
	struct cmd_spots low = copy(&r->j->c, s), high = copy(&r->j->c, s);
	int rc = ask(r, &low, CMD_AT_EARLIEST);

	if (rc == 0)
		rc = ask(r, &high, CMD_AT_LATEST);
	for (uint32_t i = 0; i < s->count && rc == 0; i++)
		s->at[i].offset =
		    rk_max(rk_min(s->at[i].offset, high.at[i].offset), low.at[i].offset);
	return rc;
}

/* The first offset at or after the time; the end where there is none. */
static int
at_time(struct reset *r, struct cmd_spots *s)
{
	struct cmd_spots end = copy(&r->j->c, s);
	int rc = ask(r, s, r->at);

	if (rc == 0)
		rc = ask(r, &end, CMD_AT_LATEST);
	for (uint32_t i = 0; i < s->count && rc == 0; i++)
		if (s->at[i].offset < 0) {
			printf("\nWarn: Partition %d from topic %.*s is empty. Falling back to "
			       "latest known offset.\n",
			    s->at[i].partition, s->at[i].topic.len, s->at[i].topic.at);
			s->at[i].offset = end.at[i].offset;
		}
	return rc;
}

static int
from_committed(struct reset *r, struct rk_str group, struct cmd_spots *s)
{
	struct cmd_client *c = &r->j->c;
	struct cmd_spots done = {0}, end = copy(c, s);
	char line[400];
	int rc;

	if (!cmd_group_committed(c, group, &done))
		return cmd_groups_failed(c, 2) + 1;
	if (r->way == CURRENT && (rc = ask(r, &end, CMD_AT_LATEST)) != 0)
		return rc;
	for (uint32_t i = 0; i < s->count; i++) {
		const struct cmd_spot *was =
		    cmd_spots_find(&done, s->at[i].topic, s->at[i].partition);
		if (was == NULL && r->way == SHIFT) {
			snprintf(line, sizeof line,
			    "Cannot shift offset for partition %.*s-%d since there is no current "
			    "committed offset",
			    s->at[i].topic.len, s->at[i].topic.at, s->at[i].partition);
			return cmd_usage(r->j->a, line) + 1;
		}
		s->at[i].offset = was == NULL ? end.at[i].offset : was->offset;
		if (r->way == SHIFT
		    && __builtin_add_overflow(
			s->at[i].offset, cmd_number(r->j->a, "shift-by", 0), &s->at[i].offset))
			s->at[i].offset = cmd_number(r->j->a, "shift-by", 0) < 0 ? 0 : INT64_MAX;
	}
	return r->way == SHIFT ? clamp(r, s) : 0;
}

/* Which partitions: --all-topics, or --topic. */
static int
scope(struct reset *r, struct rk_str group, struct cmd_spots *s)
{
	if (cmd_given(r->j->a, "all-topics"))
		return cmd_group_committed(&r->j->c, group, s) ? 0
							       : cmd_groups_failed(&r->j->c, 2) + 1;
	if (!cmd_given(r->j->a, "topic"))
		return cmd_usage(r->j->a,
			   "One of the reset scopes should be defined: --all-topics, --topic.")
		       + 1;
	return cmd_groups_topics(r->j, false, s);
}

static int
planned(struct reset *r, struct rk_str group, struct cmd_spots *s)
{
	for (uint32_t i = 0; i < r->plans; i++)
		if (rk_str_eq(r->plan[i].group, group)) {
			*s = copy(&r->j->c, &r->plan[i].spots);
			int rc = look(r, s);
			return rc != 0 ? rc : clamp(r, s);
		}
	cmd_groups_wrong("No reset plan for group %.*s found", group.len, group.at);
	return 0;
}

/* What a group without members shall have. Returns 0, or the exit status + 1: said. */
static int
prepare(struct reset *r, struct rk_str group, struct cmd_spots *s)
{
	int rc;

	if (r->way == FILE_)
		return planned(r, group, s);
	if ((rc = scope(r, group, s)) != 0)
		return rc;
	if (r->way == NOTHING)
		return cmd_usage(r->j->a, "Option '[reset-offsets]' requires one of the following "
					  "scenarios: [[to-offset], "
					  "[to-datetime], [by-duration], [to-earliest], "
					  "[to-latest], [to-current], [shift-by], "
					  "[from-file]]")
		       + 1;
	if ((rc = look(r, s)) != 0)
		return rc;
	if (r->way == EARLIEST || r->way == LATEST)
		return ask(r, s, r->way == EARLIEST ? CMD_AT_EARLIEST : CMD_AT_LATEST);
	if (r->way == DATETIME || r->way == DURATION)
		return at_time(r, s);
	if (r->way == CURRENT || r->way == SHIFT)
		return from_committed(r, group, s);
	for (uint32_t i = 0; i < s->count; i++)
		s->at[i].offset = cmd_number(r->j->a, "to-offset", 0);
	return clamp(r, s);
}

static void
print_table(const struct reset *r)
{
	int group = 15, topic = 15;

	for (uint32_t i = 0; i < r->j->ids; i++)
		for (uint32_t k = 0; k < r->got[i].spots.count; k++) {
			group = (int)rk_max(group, r->got[i].group.len);
			topic = (int)rk_max(topic, r->got[i].spots.at[k].topic.len);
		}
	printf("\n%-*s %-*s %-10s %s\n", group, "GROUP", topic, "TOPIC", "PARTITION", "NEW-OFFSET");
	for (uint32_t i = 0; i < r->j->ids; i++)
		for (uint32_t k = 0; k < r->got[i].spots.count; k++) {
			const struct cmd_spot *s = &r->got[i].spots.at[k];
			printf("%-*.*s %-*.*s %-10d %" PRId64 "\n", group, r->got[i].group.len,
			    r->got[i].group.at, topic, s->topic.len, s->topic.at, s->partition,
			    s->offset);
		}
}

/* A field of CSV, in quotes where Kafka's command puts them: what is long, or has a quote or comma
 * in it. */
static void
print_field(struct rk_str s)
{
	bool quoted = s.len > 24;

	for (int32_t i = 0; i < s.len; i++)
		quoted = quoted || strchr(",\"\r\n", s.at[i]) != NULL;
	if (quoted)
		putchar('"');
	for (int32_t i = 0; i < s.len; i++) {
		if (s.at[i] == '"')
			putchar('"');
		putchar(s.at[i]);
	}
	fputs(quoted ? "\"," : ",", stdout);
}

static void
print_csv(const struct reset *r)
{
	for (uint32_t i = 0; i < r->j->ids; i++)
		for (uint32_t k = 0; k < r->got[i].spots.count; k++) {
			const struct cmd_spot *s = &r->got[i].spots.at[k];
			if (r->j->ids > 1 || cmd_given(r->j->a, "all-groups"))
				print_field(r->got[i].group);
			print_field(s->topic);
			printf("%d,%" PRId64 "\n", s->partition, s->offset);
		}
	putchar('\n');
}

/* The time that --to-datetime or --by-duration means. */
static int
find_time(struct reset *r)
{
	char text[200];
	const char *why;
	int64_t ms;

	if (r->way == DATETIME
	    && !cmd_when(cmd_text(r->j->a, "to-datetime"), &r->at, text, sizeof text))
		return cmd_groups_wrong(FAILED "java.text.ParseException: %s", text) + 1;
	if (r->way != DURATION)
		return 0;
	if (!cmd_duration(cmd_text(r->j->a, "by-duration"), &ms, &why))
		return cmd_groups_wrong(FAILED "%s", why) + 1;
	r->at = cmd_perf_wall_ms() - ms;
	return 0;
}

/* Whether the group may be reset at all: nobody is in it. Returns 0: yes; -1: no, said; else the
 * exit status + 1. */
static int
may(struct reset *r, struct rk_str id)
{
	struct cmd_group g = {.id = id};

	if (!cmd_group_describe(&r->j->c, &g))
		return r->j->c.err == RK_GROUP_ID_NOT_FOUND ? 0
							    : cmd_groups_failed(&r->j->c, 2) + 1;
	if (rk_str_is(g.state, "Empty") || rk_str_is(g.state, "Dead"))
		return 0;
	cmd_groups_wrong("Assignments can only be reset if the group '%.*s' is inactive, but the "
			 "current state is %.*s.",
	    id.len, id.at, g.state.len, g.state.at);
	return -1;
}

static int
reset_all(struct reset *r)
{
	int rc = 0;

	for (uint32_t i = 0; i < r->j->ids && rc == 0; i++) {
		struct cmd_plan *p = &r->got[i];
		p->group = r->j->id[i];
		int may_be = may(r, p->group);
		if (may_be < 0)
			continue;
		rc = may_be;
		if (rc == 0 && i == 0 && r->way == FILE_)
			rc = cmd_plan_read(
			    r->j, cmd_text(r->j->a, "from-file"), &r->plan, &r->plans);
		if (rc == 0 && (r->way == DATETIME || r->way == DURATION))
			rc = find_time(r);
		if (rc == 0)
			rc = prepare(r, p->group, &p->spots);
		if (rc == 0 && p->spots.count > 0 && cmd_given(r->j->a, "execute")
		    && !cmd_group_commit(&r->j->c, p->group, &p->spots))
			rc = cmd_groups_failed(&r->j->c, 2) + 1;
	}
	return rc;
}

int
cmd_groups_reset(struct cmd_groups_job *j)
{
	struct reset r = {.j = j, .way = way_of(j->a)};
	int rc;

	r.got = rk_arena_get(&j->c.arena, j->ids, sizeof *r.got);
	rc = reset_all(&r);
	cmd_view_free(&r.view);
	if (rc != 0)
		return rc - 1;
	if (cmd_given(j->a, "export"))
		print_csv(&r);
	else
		print_table(&r);
	return 0;
}
