/* reassign_partitions.c - rookery reassign-partitions: moves replicas between brokers, and between
 * directories of a broker; generates, executes, verifies, lists and cancels moves. */
#include "src/cmd/reassign.h"

static const struct cmd_opt opts[] = {
    {"additional", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --execute: beside moves that are under way; also changes their throttle."},
    {"bootstrap-controller", CMD_MAYBE, 0, 0, 0, "bootstrap controller to connect to", NULL,
	"Controllers to ask instead of brokers, with --cancel and --list."},
    {"bootstrap-server", CMD_MAYBE, 0, 0, 0, "Server(s) to use for bootstrapping", NULL,
	"Brokers to ask: host:port,..."},
    {"broker-list", CMD_TEXT, 0, 0, 0, "brokerlist", NULL,
	"With --generate: the brokers that shall hold the partitions: \"0,1,2\"."},
    {"cancel", CMD_FLAG, 0, 0, 0, NULL, NULL, "Take back the moves of the file."},
    {"command-config", CMD_TEXT, 0, 0, 0, "Admin client property file", NULL,
	"A properties file with client settings."},
    {"disable-rack-aware", CMD_FLAG, 0, 0, 0, NULL, NULL, "With --generate: no care for racks."},
    {"disallow-replication-factor-change", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --execute: refuse what would change how many replicas a partition has."},
    {"execute", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Start the moves that --reassignment-json-file names."},
    {"generate", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Print where the partitions of topics are and a proposal of where they could be; moves "
	"nothing."},
    {"list", CMD_FLAG, 0, 0, 0, NULL, NULL, "List the moves under way."},
    {"preserve-throttles", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --verify and --cancel: leave throttles as they are."},
    {"reassignment-json-file", CMD_TEXT, 0, 0, 0, "manual assignment json file path", NULL,
	"The file with the moves:\n"
	"{\"partitions\": [{\"topic\": \"foo\", \"partition\": 1, \"replicas\": [1,2,3], "
	"\"log_dirs\": [\"dir1\",\"any\",\"any\"]}], \"version\": 1}\n"
	"log_dirs may be left out; a directory in it is an absolute path on that broker."},
    {"replica-alter-log-dirs-throttle", CMD_LONG, 0, 0, 0, "replicaAlterLogDirsThrottle", "-1",
	"With --execute: bytes a second for moves between directories of a broker."},
    {"throttle", CMD_LONG, 0, 0, 0, "throttle", "-1",
	"With --execute: bytes a second for moves between brokers. --verify takes it away when "
	"the moves are done."},
    {"timeout", CMD_LONG, 0, 0, 0, "timeout", "10000",
	"Milliseconds that moves between directories may take to begin."},
    {"topics-to-move-json-file", CMD_TEXT, 0, 0, 0, "topics to reassign json file path", NULL,
	"With --generate: the topics: {\"topics\": [{\"topic\": \"foo\"}], \"version\": 1}"},
    {"verify", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Tell how far the moves of the file are, and take throttles away when they are done."},
};

int
cmd_reassign_error(const char *fmt, ...)
{
	va_list ap;

	fputs("Error: ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	return 1;
}

int
cmd_reassign_failed(const struct cmd_reassign *r)
{
	char name[100];

	return cmd_reassign_error("%s: %s", cmd_java_error(r->c.err, name, sizeof name), r->c.why);
}

void
cmd_reassign_json(
    struct cmd_reassign *r, FILE *f, const struct cmd_move *m, uint32_t count, bool dirs)
{
	fputs("{\"version\":1,\"partitions\":[", f);
	for (uint32_t i = 0; i < count; i++) {
		fputs(i == 0 ? "{\"topic\":" : ",{\"topic\":", f);
		cmd_write_string(f, m[i].topic);
		fprintf(f, ",\"partition\":%d,\"replicas\":[%s],\"log_dirs\":[", m[i].partition,
		    cmd_ids_text(&r->c.arena, m[i].to, ","));
		for (int32_t k = 0; k < m[i].to.len; k++) {
			const struct cmd_place *p =
			    dirs ? cmd_place_find(
				&r->places, m[i].to.at[k], m[i].topic, m[i].partition, false)
				 : NULL;
			fputs(k == 0 ? "" : ",", f);
			cmd_write_string(f, p == NULL ? rk_lit("any") : p->dir);
		}
		fputs("]}", f);
	}
	fputs("]}\n", f);
}

int
cmd_reassign_under_way(struct cmd_reassign *r)
{
	return cmd_admin_moves(&r->c, &r->now, &r->nows) ? 0 : cmd_reassign_failed(r);
}

int
cmd_reassign_describe(struct cmd_reassign *r)
{
	const char *text = NULL;

	if (!cmd_client_brokers(&r->c)
	    || !cmd_view_topics(&r->view, &r->c, r->topic, r->topics, 2000))
		return cmd_reassign_failed(r);
	for (uint32_t i = 0; i < r->topics; i++) {
		struct cmd_topic *t = cmd_view_topic(&r->view, r->topic[i]);
		enum rk_err e = t == NULL ? RK_UNKNOWN_TOPIC_OR_PARTITION : t->err;
		char name[100];
		if (e == RK_UNKNOWN_TOPIC_OR_PARTITION)
			return cmd_reassign_error("%s: Topic %.*s not found.",
			    cmd_java_error(e, name, sizeof name), r->topic[i].len, r->topic[i].at);
		if (!cmd_client_good(&r->c, rk_err_wire(e), RK_STR_NULL))
			return cmd_reassign_failed(r);
	}
	for (uint32_t i = 0; i < r->moves; i++)
		if (cmd_view_part(&r->view, r->move[i].topic, r->move[i].partition) == NULL)
			text = rk_arena_print(&r->c.arena, "%s%s%.*s-%d", text == NULL ? "" : text,
			    text == NULL ? "" : ", ", r->move[i].topic.len, r->move[i].topic.at,
			    r->move[i].partition)
				   .at;
	if (text == NULL)
		return 0;
	cmd_client_fail(
	    &r->c, RK_UNKNOWN_TOPIC_OR_PARTITION, "Unable to find partition: %s", text);
	return cmd_reassign_failed(r);
}

void
cmd_reassign_places(struct cmd_reassign *r)
{
	for (uint32_t b = 0; b < r->c.brokers; b++) {
		bool asked = false;
		for (uint32_t t = 0; t < r->view.topics && !asked; t++)
			for (uint32_t p = 0; p < r->view.topic[t].parts && !asked; p++)
				asked = cmd_ids_has(
				    r->view.topic[t].part[p].replicas, r->c.broker[b].id);
		/* A broker that does not answer leaves "any" in the output, as a dead one does. */
		if (asked)
			(void)!cmd_view_places(&r->places, &r->c, r->c.broker[b].id);
	}
}

static int
list(struct cmd_reassign *r)
{
	int rc = cmd_reassign_under_way(r);

	if (rc != 0)
		return rc;
	const struct cmd_move *m = r->now;
	puts(r->nows == 0 ? "No partition reassignments found." : "Current partition reassignments:");
	for (uint32_t i = 0; i < r->nows; i++) {
		printf("%.*s-%d: replicas: %s.", m[i].topic.len, m[i].topic.at, m[i].partition,
		    cmd_ids_text(&r->c.arena, m[i].to, ","));
		if (m[i].adding.len > 0)
			printf(" adding: %s.", cmd_ids_text(&r->c.arena, m[i].adding, ","));
		if (m[i].removing.len > 0)
			printf(" removing: %s.", cmd_ids_text(&r->c.arena, m[i].removing, ","));
		putchar('\n');
	}
	return 0;
}

enum { GENERATE, EXECUTE, VERIFY, CANCEL, LIST, ACTIONS };
static const char *const actions[] = {"generate", "execute", "verify", "cancel", "list"};
/* Which options go with which actions, a bit each. */
static const struct {
	const char *name;
	uint8_t with;
} goes[] = {
    {"additional", 1 << EXECUTE},
    {"bootstrap-controller", 1 << CANCEL | 1 << LIST},
    {"broker-list", 1 << GENERATE},
    {"disable-rack-aware", 1 << GENERATE},
    {"disallow-replication-factor-change", 1 << EXECUTE},
    {"preserve-throttles", 1 << VERIFY | 1 << CANCEL},
    {"reassignment-json-file", 1 << EXECUTE | 1 << VERIFY | 1 << CANCEL},
    {"replica-alter-log-dirs-throttle", 1 << EXECUTE},
    {"throttle", 1 << EXECUTE},
    {"timeout", 1 << EXECUTE | 1 << CANCEL},
    {"topics-to-move-json-file", 1 << GENERATE},
};

static int
check(const struct cmd_args *a, int *action)
{
	bool servers = cmd_text(a, "bootstrap-server") != NULL,
	     controllers = cmd_text(a, "bootstrap-controller") != NULL;
	char line[200];
	int n = 0, rc = 0;

	for (int i = 0; i < ACTIONS; i++)
		if (cmd_given(a, actions[i])) {
			*action = i;
			n++;
		}
	if (n != 1)
		return cmd_usage(a, "Command must include exactly one action: --generate, "
				    "--execute, --verify, --cancel, --list");
	if (servers && controllers)
		return cmd_usage(
		    a, "Please don't specify both --bootstrap-server and --bootstrap-controller");
	if (!servers && !controllers)
		return cmd_usage(
		    a, "Please specify either --bootstrap-server or --bootstrap-controller");
	if (*action == GENERATE)
		rc = cmd_require(a, "broker-list", "topics-to-move-json-file", NULL);
	else if (*action != LIST)
		rc = cmd_require(a, "reassignment-json-file", NULL);
	for (uint32_t i = 0; rc == 0 && i < rk_countof(goes); i++)
		if (cmd_given(a, goes[i].name) && (goes[i].with & 1 << *action) == 0) {
			snprintf(line, sizeof line,
			    "Option \"[%s]\" can't be used with action \"[%s]\"", goes[i].name,
			    actions[*action]);
			rc = cmd_usage(a, line);
		}
	return rc;
}

static int
run(struct cmd_args *a)
{
	struct cmd_reassign *r;
	int action = LIST, rc = check(a, &action);

	if (rc != 0)
		return rc;
	r = rk_new(struct cmd_reassign);
	r->a = a;
	if (cmd_client_start(&r->c, a)) {
		if (action == GENERATE)
			rc = cmd_reassign_read(
			    r, cmd_text(a, "topics-to-move-json-file"), cmd_reassign_parse_topics);
		else if (action != LIST)
			rc = cmd_reassign_read(
			    r, cmd_text(a, "reassignment-json-file"), cmd_reassign_parse);
		if (rc == 0)
			rc = action == GENERATE  ? cmd_reassign_generate(r)
			     : action == EXECUTE ? cmd_reassign_execute(r)
			     : action == VERIFY  ? cmd_reassign_verify(r)
			     : action == CANCEL  ? cmd_reassign_cancel(r)
						 : list(r);
		cmd_client_close(&r->c);
	} else {
		rc = 1;
	}
	cmd_view_free(&r->view);
	cmd_places_free(&r->places);
	cmd_read_free(&r->json);
	rk_mem_put(r);
	return rc;
}

const struct cmd_spec cmd_reassign_partitions_spec = {
    .name = "reassign-partitions",
    .peer = "kafka-reassign-partitions",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .odd_prefix = "",
    .summary = "Moves replicas of partitions between brokers and between directories.",
    .about = "Exactly one of --generate, --execute, --verify, --cancel and --list says what to do. "
	     "--generate proposes, --execute starts, --verify tells how far it is and takes "
	     "throttles away at the end, --cancel goes back. What --execute prints first is the "
	     "way back: keep it.\n.PP\n--generate keeps replicas where they are as far as the "
	     "brokers asked for share the load evenly and racks differ, so that little moves "
	     "(Kafka's starts anew from a random place).",
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
