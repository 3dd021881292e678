/* consumer_groups.c - rookery consumer-groups: lists, describes and deletes consumer groups and
 * their offsets. */
#include "base/re2.h"
#include "src/cmd/consumer_groups.h"
#include <ctype.h>
#include <unistd.h>

static const struct cmd_opt opts[] = {
    {"all-groups", CMD_FLAG, 0, 0, 0, NULL, NULL, "Instead of --group: all groups there are."},
    {"all-topics", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --reset-offsets: all partitions that the group has committed offsets of."},
    {"bootstrap-server", CMD_TEXT, CMD_REQUIRED, 0, 0, "server to connect to", NULL,
	"Brokers to ask: host:port,... (--validate-regex needs none.)"},
    {"by-duration", CMD_TEXT, 0, 0, 0, "duration", NULL,
	"With --reset-offsets: to the first record that is not older than this. PnDTnHnMnS: P1D, "
	"PT2H30M."},
    {"command-config", CMD_TEXT, 0, 0, 0, "command config property file", NULL,
	"A properties file with client settings."},
    {"delete", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Delete groups that have no members, with all they committed."},
    {"delete-offsets", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Delete what one --group committed for topics (--topic)."},
    {"describe", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Show how far groups have read and how far they are behind, or their --members or "
	"--state."},
    {"dry-run", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --reset-offsets: show what would be committed, and change nothing. This is what "
	"happens without "
	"--execute, too."},
    {"execute", CMD_FLAG, 0, 0, 0, NULL, NULL, "With --reset-offsets: commit the new offsets."},
    {"export", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --reset-offsets: print CSV that --from-file reads, not a table."},
    {"from-file", CMD_TEXT, 0, 0, 0, "path to CSV file", NULL,
	"With --reset-offsets: to the offsets of a file with lines topic,partition,offset; with "
	"the group before "
	"that where more than one --group is given."},
    {"group", CMD_TEXT, CMD_REPEAT, 0, 0, "consumer group", NULL,
	"The group; may be given many times."},
    {"list", CMD_FLAG, 0, 0, 0, NULL, NULL, "List the names of consumer groups."},
    {"members", CMD_FLAG, 0, 0, 0, NULL, NULL, "With --describe: the members of the group."},
    {"offsets", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --describe: each partition with its committed offset, its end and the records "
	"between, which is "
	"also shown when nothing else is asked for."},
    {"reset-offsets", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Commit other offsets for groups that have no members: --to-earliest, --to-latest, "
	"--to-current, "
	"--to-offset, --to-datetime, --by-duration, --shift-by or --from-file, for --topic or "
	"--all-topics."},
    {"shift-by", CMD_LONG, CMD_LATE, 0, 0, "number-of-offsets", NULL,
	"With --reset-offsets: so many records forth, or back when it is negative."},
    {"state", CMD_MAYBE, 0, 0, 0, NULL, NULL,
	"With --describe: the state and the coordinator of the group. With --list: the state of "
	"each group; a value "
	"lists only groups in these states (stable,empty)."},
    {"timeout", CMD_LONG, CMD_LATE, 0, 0, "timeout (ms)", "30000",
	"How long to wait for an answer, and to try again while a group's coordinator loads."},
    {"to-current", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --reset-offsets: to the committed offset; where there is none, to the end."},
    {"to-datetime", CMD_TEXT, 0, 0, 0, "datetime", NULL,
	"With --reset-offsets: to the first record that is not older than this: "
	"YYYY-MM-DDThh:mm:ss.sss, in UTC "
	"unless a time zone (Z, +02, +0200, +02:00) follows."},
    {"to-earliest", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --reset-offsets: to the first record there is."},
    {"to-latest", CMD_FLAG, 0, 0, 0, NULL, NULL, "With --reset-offsets: to the end."},
    {"to-offset", CMD_LONG, CMD_LATE, 0, 0, "offset", NULL,
	"With --reset-offsets: to this offset, or to the nearest there is."},
    {"topic", CMD_TEXT, CMD_REPEAT, 0, 0, "topic", NULL,
	"With --reset-offsets and --delete-offsets: a topic, or partitions of it, topic:0,1,2; may "
	"be given many "
	"times."},
    {"type", CMD_MAYBE, 0, 0, 0, NULL, NULL,
	"With --list: the type of each group; a value lists only groups of these types "
	"(classic,consumer)."},
    {"validate-regex", CMD_TEXT, 0, 0, 0, "regex", NULL,
	"Say whether a regular expression that a consumer subscribes with is one that servers take "
	"(RE2)."},
    {"verbose", CMD_FLAG, 0, 0, 0, NULL, NULL, "With --describe: more columns."},
};

int
cmd_groups_wrong(const char *fmt, ...)
{
	va_list ap;

	fputs("\nError: ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	return 0;
}

#define FAILED "Executing consumer group command failed due to "

int
cmd_groups_failed(const struct cmd_client *c, int wrapped)
{
	char name[100];
	const char *around = wrapped > 1 ? "java.util.concurrent.ExecutionException: " : "";

	if (c->err == RK_INVALID_REQUEST) /* found here, and said in full */
		return cmd_groups_wrong(FAILED "%s%s", around, c->why);
	return wrapped == 0 ? cmd_groups_wrong(FAILED "%s", c->why)
			    : cmd_groups_wrong(FAILED "%s%s: %s", around,
				  cmd_java_error(c->err, name, sizeof name), c->why);
}

/* A partition list behind the colon of --topic. */
static int
partitions(struct cmd_groups_job *j, const char *arg, struct rk_str topic, struct cmd_spots *s)
{
	char line[400], **piece;
	uint32_t n = cmd_split(&j->c.arena, arg + topic.len + 1, ',', &piece);

	while (n > 0 && piece[n - 1][0] == 0) /* as Java splits: nothing behind the last comma */
		n--;
	if (n == 0 || strchr(arg + topic.len + 1, ':') != NULL) {
		snprintf(line, sizeof line,
		    "Invalid topic arg '%s', expected topic name and partitions", arg);
		return cmd_usage(j->a, line) + 1;
	}
	for (uint32_t i = 0; i < n; i++) {
		int64_t v;
		if (!rk_str_int(rk_str_of(piece[i]), &v) || v != (int32_t)v) {
			snprintf(line, sizeof line,
			    "Invalid partition '%s' specified in topic arg '%s''", piece[i], arg);
			return cmd_usage(j->a, line) + 1;
		}
		cmd_spots_add(&j->c.arena, s, topic, (int32_t)v);
	}
	return 0;
}

/* All partitions of the topics that stand in whole without any. */
static int
whole_topics(
    struct cmd_groups_job *j, struct cmd_spots *whole, bool may_be_unknown, struct cmd_spots *s)
{
	struct cmd_view v = {0};
	int rc = 0;

	cmd_spots_sort(whole);
	if (!cmd_spots_view(&j->c, whole, &v))
		rc = cmd_groups_failed(&j->c, 0) + 1;
	for (uint32_t i = 0; i < v.topics && rc == 0; i++) {
		const struct cmd_topic *t = &v.topic[i];
		if (t->err != RK_OK && !may_be_unknown)
			rc = cmd_groups_wrong(FAILED "%s", rk_err_text(t->err)) + 1;
		else if (t->err != RK_OK)
			cmd_spots_add(&j->c.arena, s, t->name, -1)->err = t->err;
		for (uint32_t k = 0; k < t->parts; k++)
			cmd_spots_add(&j->c.arena, s, t->name, t->part[k].index);
	}
	cmd_view_free(&v);
	return rc;
}

int
cmd_groups_topics(struct cmd_groups_job *j, bool may_be_unknown, struct cmd_spots *s)
{
	struct cmd_spots whole = {0};
	const char *arg;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && (arg = cmd_nth(j->a, "topic", i)) != NULL; i++) {
		const char *colon = strchr(arg, ':');
		struct rk_str topic = {
		    arg, (int32_t)(colon == NULL ? strlen(arg) : (size_t)(colon - arg))};
		if (topic.len == 0)
			return cmd_groups_wrong(FAILED
				   "The given topic name '' cannot be represented in a request.")
			       + 1;
		if (colon != NULL)
			rc = partitions(j, arg, topic, s);
		else
			cmd_spots_add(&j->c.arena, &whole, topic, -1);
	}
	if (rc == 0 && whole.count > 0)
		rc = whole_topics(j, &whole, may_be_unknown, s);
	cmd_spots_sort(s);
	for (uint32_t i = 1; i < s->count && rc == 0; i++)
		if (s->at[i].partition == s->at[i - 1].partition
		    && rk_str_eq(s->at[i].topic, s->at[i - 1].topic))
			rc = cmd_groups_wrong(FAILED
				 "Duplicate key %.*s-%d: a partition is given twice",
				 s->at[i].topic.len, s->at[i].topic.at, s->at[i].partition)
			     + 1;
	return rc;
}

/* Checks a list of words against those there are, whatever their case. */
static int
known(const struct cmd_args *a, struct rk_arena *m, const char *list, const char *const *word,
    const char *complaint)
{
	char line[400], **piece;
	uint32_t n = list == NULL ? 0 : cmd_split(m, list, ',', &piece);

	for (uint32_t i = 0; i < n; i++) {
		bool found = n == 1 && piece[i][0] == 0;
		for (const char *const *w = word; *w != NULL; w++)
			found = found || strcasecmp(*w, piece[i]) == 0;
		if (found)
			continue;
		size_t at = (size_t)snprintf(line, sizeof line, complaint, list);
		for (const char *const *w = word; *w != NULL && at < sizeof line; w++)
			at += (size_t)snprintf(
			    line + at, sizeof line - at, "%s%s", w == word ? "" : ", ", *w);
		return cmd_usage(a, line);
	}
	return 0;
}

static int
list(struct cmd_groups_job *j)
{
	static const char *const states[] = {"PreparingRebalance", "CompletingRebalance", "Stable",
	    "Dead", "Empty", "Assigning", "Reconciling", NULL};
	static const char *const types[] = {"Consumer", "Classic", NULL};
	bool state = cmd_given(j->a, "state"), type = cmd_given(j->a, "type");
	const char *want_state = cmd_text(j->a, "state"), *want_type = cmd_text(j->a, "type");
	struct cmd_listed *g;
	uint32_t n, kept = 0;
	int width = 15, rc;

	if ((rc = known(
		 j->a, &j->c.arena, want_type, types, "Invalid types list '%s'. Valid types are: "))
		!= 0
	    || (rc = known(j->a, &j->c.arena, want_state, states,
		    "Invalid state list '%s'. Valid states are: "))
		   != 0)
		return rc;
	if (!cmd_group_list(&j->c, want_state, want_type, &g, &n))
		return cmd_groups_failed(&j->c, 1);
	for (uint32_t i = 0; i < n; i++) {
		if (g[i].protocol.len > 0 && !rk_str_is(g[i].protocol, "consumer"))
			continue;
		g[kept++] = g[i];
		width = (int)rk_max(width, g[i].id.len);
	}
	if (state || type)
		printf("%-*s %s%s%s\n", width + 10, "GROUP", type ? "TYPE                " : "",
		    type && state ? " " : "", state ? "STATE               " : "");
	for (uint32_t i = 0; i < kept; i++) {
		if (!state && !type) {
			printf("%.*s\n", g[i].id.len, g[i].id.at);
			continue;
		}
		printf("%-*.*s ", width + 10, g[i].id.len, g[i].id.at);
		if (type)
			printf("%c%-*.*s%s",
			    toupper((unsigned char)(g[i].type.len > 0 ? g[i].type.at[0] : ' ')), 19,
			    (int)rk_max(g[i].type.len - 1, 0),
			    g[i].type.len > 0 ? g[i].type.at + 1 : "", state ? " " : "");
		if (state)
			printf("%-20.*s", g[i].state.len, g[i].state.at);
		putchar('\n');
	}
	return 0;
}

static int delete(struct cmd_groups_job *j)
{
	enum rk_err *e = rk_arena_get(&j->c.arena, j->ids, sizeof *e);
	uint32_t bad = 0;
	char name[100];

	for (uint32_t i = 0; i < j->ids; i++) {
		if (!cmd_group_delete(&j->c, j->id[i], &e[i])) {
			if (rk_err_wire(j->c.err) == 0)
				return cmd_groups_failed(&j->c, 1);
			e[i] = j->c.err;
		}
		bad += e[i] != RK_OK;
	}
	if (bad > 0)
		cmd_groups_wrong("Deletion of some consumer groups failed:");
	for (uint32_t i = 0; i < j->ids; i++)
		if (e[i] != RK_OK)
			printf("* Group '%.*s' could not be deleted due to: %s: %s\n", j->id[i].len,
			    j->id[i].at, cmd_java_error(e[i], name, sizeof name),
			    rk_err_text(e[i]));
	if (bad == j->ids && bad > 0)
		return 0;
	fputs(bad > 0 ? "\nThese consumer groups were deleted successfully: "
		      : "Deletion of requested consumer groups (",
	    stdout);
	for (uint32_t i = 0, n = 0; i < j->ids; i++)
		if (e[i] == RK_OK)
			printf("%s'%.*s'", n++ == 0 ? "" : ", ", j->id[i].len, j->id[i].at);
	puts(bad > 0 ? "" : ") was successful.");
	return 0;
}

static int
by_text(const void *a, const void *b)
{
	const struct cmd_spot *p = a, *q = b;
	char m[16], n[16];
	int d = rk_str_cmp(p->topic, q->topic);

	if (d != 0)
		return d;
	snprintf(m, sizeof m, "%d", p->partition);
	snprintf(n, sizeof n, "%d", q->partition);
	return strcmp(m, n);
}

static void
print_deleted(struct cmd_spots *s, enum rk_err whole)
{
	int width = 15;
	char name[100], number[16];

	for (uint32_t i = 0; i < s->count; i++)
		width = (int)rk_max(width, s->at[i].topic.len);
	if (s->count > 0)
		qsort(s->at, s->count, sizeof *s->at, by_text);
	printf("\n%-*s %-10s %-15s\n", width, "TOPIC", "PARTITION", "STATUS");
	for (uint32_t i = 0; i < s->count; i++) {
		const struct cmd_spot *p = &s->at[i];
		enum rk_err e = p->err != RK_OK ? p->err : whole;
		snprintf(number, sizeof number, "%d", p->partition);
		printf("%-*.*s %-10s ", width, p->topic.len, p->topic.at,
		    p->partition < 0 ? "-" : number);
		if (e == RK_OK)
			printf("%-15s\n", "Successful");
		else
			printf("Error: %s: %s\n", cmd_java_error(e, name, sizeof name),
			    rk_err_text(e));
	}
}

static int
delete_offsets(struct cmd_groups_job *j)
{
	struct cmd_spots s = {0};
	enum rk_err whole = RK_OK;
	bool some = false;
	int rc;

	if (j->ids != 1)
		return cmd_groups_wrong(
		    FAILED "Found multiple arguments for option group, but you asked for only one");
	if ((rc = cmd_groups_topics(j, true, &s)) != 0)
		return rc - 1;
	if (!cmd_group_forget(&j->c, j->id[0], &s, &whole)) {
		if (j->c.err != RK_INVALID_GROUP_ID)
			return cmd_groups_failed(&j->c, 1);
		whole = j->c.err;
	}
	for (uint32_t i = 0; i < s.count; i++)
		some = some || (s.at[i].err != RK_OK && s.at[i].partition >= 0);
	if (whole != RK_OK)
		cmd_groups_wrong("%s", rk_err_text(whole));
	else if (some)
		cmd_groups_wrong(
		    "Encountered some partition-level error, see the follow-up details.");
	else
		printf("Request succeeded for deleting offsets from group %.*s.\n", j->id[0].len,
		    j->id[0].at);
	print_deleted(&s, whole);
	return 0;
}

static int
validate(const struct cmd_args *a)
{
	const char *re = cmd_text(a, "validate-regex");
	const char *why = rk_re2_wrong(rk_str_of(re));

	if (why == NULL)
		printf("The regular expression `%s` is valid.\n", re);
	else
		printf("The regular expression `%s` is invalid: %s.\n", re, why);
	return 0;
}

static int
by_str(const void *a, const void *b)
{
	return rk_str_cmp(*(const struct rk_str *)a, *(const struct rk_str *)b);
}

/* The groups to act on. False: it has been said. */
static bool
choose(struct cmd_groups_job *j)
{
	struct cmd_listed *g;
	uint32_t n = 0, kept = 0;

	if (cmd_given(j->a, "all-groups")) {
		if (!cmd_group_list(&j->c, NULL, NULL, &g, &n)) {
			cmd_groups_failed(&j->c, 1);
			return false;
		}
		j->id = rk_arena_get(&j->c.arena, n, sizeof *j->id);
		for (uint32_t i = 0; i < n; i++)
			if (g[i].protocol.len == 0 || rk_str_is(g[i].protocol, "consumer"))
				j->id[j->ids++] = g[i].id;
		return true;
	}
	while (cmd_nth(j->a, "group", n) != NULL)
		n++;
	j->id = rk_arena_get(&j->c.arena, n, sizeof *j->id);
	for (uint32_t i = 0; i < n; i++)
		j->id[i] = rk_str_of(cmd_nth(j->a, "group", i));
	if (n > 0)
		qsort(j->id, n, sizeof *j->id, by_str);
	for (uint32_t i = 0; i < n; i++)
		if (i == 0 || !rk_str_eq(j->id[i], j->id[kept - 1]))
			j->id[kept++] = j->id[i];
	j->ids = kept;
	return true;
}

/* --- what may stand beside what, in the order in which Kafka's command looks */

static int
check_describe(const struct cmd_args *a)
{
	if (!cmd_given(a, "group") && !cmd_given(a, "all-groups"))
		return cmd_usage(
		    a, "Option [describe] takes one of these options: [group], [all-groups]");
	if (cmd_given(a, "members") + cmd_given(a, "offsets") + cmd_given(a, "state") > 1)
		return cmd_usage(a, "Option [describe] takes at most one of these options: "
				    "[members], [offsets], [state]");
	if (cmd_text(a, "state") != NULL)
		return cmd_usage(a, "Option [describe] does not take a value for [state]");
	return 0;
}

static int
check_reset(const struct cmd_args *a)
{
#define WAYS                                                                                 \
	"to-offset", "to-datetime", "by-duration", "to-earliest", "to-latest", "to-current", \
	    "shift-by", "from-file"
	static const char *const ways[] = {WAYS};
	int rc = 0;

	if (cmd_given(a, "dry-run") && cmd_given(a, "execute"))
		return cmd_usage(
		    a, "Option [reset-offsets] only accepts one of [execute] and [dry-run]");
	if (!cmd_given(a, "dry-run") && !cmd_given(a, "execute"))
		fputs("WARN: No action will be performed as the --execute option is missing. In "
		      "version 5.0, this command "
		      "will require either --dry-run or --execute to be specified. You should add "
		      "the --dry-run option "
		      "explicitly if you are scripting this command and want to keep the current "
		      "default behavior without "
		      "prompting.\n",
		    stderr);
	if (!cmd_given(a, "group") && !cmd_given(a, "all-groups"))
		return cmd_usage(
		    a, "Option [reset-offsets] takes one of these options: [group], [all-groups]");
	for (uint32_t i = 0; i < rk_countof(ways) && rc == 0; i++)
		rc = cmd_exclude(a, ways[i], WAYS, NULL);
	return rc;
}

/* Options that have a meaning only beside others are not known without these. */
static int
check_place(const struct cmd_args *a)
{
	static const char *const only[] = {"members", "offsets", "verbose"};
	const char *odd = NULL;

	for (uint32_t i = 0; i < rk_countof(only) && !cmd_given(a, "describe"); i++)
		odd = odd == NULL && cmd_given(a, only[i]) ? only[i] : odd;
	if (cmd_given(a, "state") && !cmd_given(a, "describe") && !cmd_given(a, "list"))
		odd = "state";
	if (cmd_given(a, "type") && !cmd_given(a, "list"))
		odd = "type";
	return odd == NULL
		   ? 0
		   : cmd_say(
			 "Option(s) [%s] are unavailable given other options on the command line",
			 odd);
}

static int
check(const struct cmd_args *a)
{
	static const char *const acts[] = {
	    "list", "describe", "delete", "reset-offsets", "delete-offsets", "validate-regex"};
	int given = 0, rc = check_place(a);

	if (rc == 0 && !cmd_given(a, "validate-regex"))
		rc = cmd_require(a, "bootstrap-server", NULL);
	if (rc == 0 && cmd_given(a, "describe"))
		rc = check_describe(a);
	if (rc == 0 && cmd_given(a, "delete") && !cmd_given(a, "group")
	    && !cmd_given(a, "all-groups"))
		rc = cmd_usage(
		    a, "Option [delete] takes one of these options: [group], [all-groups]");
	if (rc == 0 && cmd_given(a, "delete") && cmd_given(a, "topic"))
		rc = cmd_usage(a, "The consumer does not support topic-specific offset deletion "
				  "from a consumer group.");
	if (rc == 0 && cmd_given(a, "delete-offsets")
	    && (!cmd_given(a, "group") || !cmd_given(a, "topic")))
		rc = cmd_usage(
		    a, "Option [delete-offsets] takes the following options: [group], [topic]");
	if (rc == 0 && cmd_given(a, "reset-offsets"))
		rc = check_reset(a);
	if (rc == 0)
		rc = cmd_exclude(a, "group", "all-groups", "list", NULL);
	if (rc == 0)
		rc = cmd_exclude(a, "topic", "list", "describe", NULL);
	for (uint32_t i = 0; i < rk_countof(acts); i++)
		given += cmd_given(a, acts[i]);
	if (rc == 0 && given != 1)
		rc = cmd_usage(a, "Command must include exactly one action: --list, --describe, "
				  "--delete, --reset-offsets, "
				  "--delete-offsets, --validate-regex");
	return rc;
}

/* Numbers that are looked at only now. */
static int
check_numbers(struct cmd_groups_job *j)
{
	static const char *const late[] = {"timeout", "shift-by", "to-offset"};
	int64_t n;

	for (uint32_t i = 0; i < rk_countof(late); i++) {
		const char *v = cmd_text(j->a, late[i]);
		if (v != NULL && !rk_str_int(rk_str_of(v), &n))
			return cmd_groups_wrong(
				   FAILED "Cannot parse argument '%s' of option %s", v, late[i])
			       + 1;
	}
	if (cmd_given(j->a, "timeout")) {
		cmd_props_set(&j->c.props, "default.api.timeout.ms", cmd_text(j->a, "timeout"));
		cmd_props_set(&j->c.props, "request.timeout.ms", cmd_text(j->a, "timeout"));
	}
	return 0;
}

static int
act(struct cmd_groups_job *j)
{
	int rc = check_numbers(j);

	if (rc != 0)
		return rc - 1;
	if (cmd_given(j->a, "list"))
		return list(j);
	if (!choose(j))
		return 0;
	return cmd_given(j->a, "describe")         ? cmd_groups_describe(j)
	       : cmd_given(j->a, "delete")         ? delete (j)
	       : cmd_given(j->a, "delete-offsets") ? delete_offsets(j)
						   : cmd_groups_reset(j);
}

static int
run(struct cmd_args *a)
{
	struct cmd_groups_job j = {.a = a};
	const char *config = cmd_text(a, "command-config");
	int rc = check(a);

	if (rc != 0)
		return rc;
	if (cmd_given(a, "validate-regex"))
		return validate(a);
	if (config != NULL && access(config, R_OK) != 0)
		return cmd_groups_wrong(FAILED "java.nio.file.NoSuchFileException: %s", config);
	if (!cmd_client_start(&j.c, a))
		return 1;
	rc = act(&j);
	cmd_client_close(&j.c);
	return rc;
}

const struct cmd_spec cmd_consumer_groups_spec = {
    .name = "consumer-groups",
    .peer = "kafka-consumer-groups",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Lists, describes and deletes consumer groups, deletes and resets their offsets.",
    .about =
	"One of --list, --describe, --delete, --delete-offsets, --reset-offsets and "
	"--validate-regex says what to "
	"do.\n.PP\nOffsets can be reset only while a group has no members. Without --execute that "
	"only shows "
	"what would be committed. A group that does not exist comes into being by it, so that a "
	"consumer can begin where it shall.\n.PP\nAs Kafka's command this one ends with 0 also "
	"when a group is not "
	"there or refuses; the message on standard output tells.",
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
