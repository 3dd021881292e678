/* leader_election.c - rookery leader-election: asks the controller to elect leaders. */
#include "src/cmd/admin.h"
#include "src/cmd/jread.h"

static const struct cmd_opt opts[] = {
    {"admin.config", CMD_TEXT, CMD_OLD, 0, 0, "config file", NULL, "As --command-config."},
    {"all-topic-partitions", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"All partitions that the election is for."},
    {"bootstrap-server", CMD_TEXT, 0, 0, 0, "host:port", NULL,
	"Brokers to ask: host:port,... Required."},
    {"command-config", CMD_TEXT, 0, 0, 0, "Config file", NULL,
	"A properties file with client settings."},
    {"election-type", CMD_TEXT, 0, 0, 0, "[PREFERRED,UNCLEAN]: election type", NULL,
	"preferred: the first of the replicas, where it does not lead but is in sync; unclean: any "
	"replica that is alive, where there is no leader (records may be lost). Required."},
    {"partition", CMD_INT, 0, 0, 0, "partition id", NULL, "The partition of --topic."},
    {"path-to-json-file", CMD_TEXT, 0, 0, 0, "Path to JSON file", NULL,
	"A file with partitions:\n"
	"{\"partitions\": [{\"topic\": \"foo\", \"partition\": 1}]}"},
    {"topic", CMD_TEXT, 0, 0, 0, "topic name", NULL, "The topic, with --partition."},
};

struct job {
	const struct cmd_args *a;
	struct cmd_client c;
	struct cmd_read json;
	struct cmd_move *part;
	int32_t parts; /* -1: all */
	bool unclean;
};

static const char *
type_name(const struct job *j)
{
	return j->unclean ? "UNCLEAN" : "PREFERRED";
}

static int
read_list(struct job *j, json_t *list)
{
	struct cmd_read *r = &j->json;
	const char *twice;

	cmd_read_list(r, list);
	j->part = rk_arena_get(&j->c.arena, json_array_size(list), sizeof *j->part);
	for (size_t i = 0; i < json_array_size(list) && !r->bad; i++) {
		json_t *e = json_array_get(list, i);
		struct cmd_move *m = &j->part[j->parts++];
		m->topic = rk_str_of(cmd_read_string(r, cmd_read_field(r, e, "topic")));
		m->partition = cmd_read_int(r, cmd_read_field(r, e, "partition"));
	}
	if (r->bad)
		return cmd_say("com.fasterxml.jackson.databind.JsonMappingException: %s", r->why);
	cmd_moves_sort(j->part, (uint32_t)j->parts);
	twice = cmd_moves_twice(&j->c.arena, j->part, (uint32_t)j->parts);
	return twice == NULL
		   ? 0
		   : cmd_say("Replica election data contains duplicate partitions: [%s]", twice);
}

static int
read_file(struct job *j, const char *path)
{
	size_t len;
	char *text = cmd_read_file(path, &len);

	if (text == NULL)
		return cmd_say("java.io.IOException: Unable to read file %s", path);
	cmd_read_text(&j->json, text, len);
	rk_mem_put(text);
	if (j->json.broken)
		return cmd_say("Replica election data is empty");
	cmd_read_object(&j->json, j->json.root);
	if (j->json.bad)
		return cmd_say(
		    "com.fasterxml.jackson.databind.JsonMappingException: %s", j->json.why);
	json_t *list = json_object_get(j->json.root, "partitions");
	if (list == NULL)
		return cmd_say("Replica election data is missing \"partitions\" field");
	return read_list(j, list);
}

static int
choose(struct job *j)
{
	const char *topic = cmd_text(j->a, "topic"), *path = cmd_text(j->a, "path-to-json-file");

	if (path != NULL)
		return read_file(j, path);
	if (topic == NULL) {
		j->parts = -1;
		return 0;
	}
	j->part = rk_arena_get(&j->c.arena, 1, sizeof *j->part);
	j->part->topic = rk_str_of(topic);
	j->part->partition = (int32_t)cmd_number(j->a, "partition", 0);
	j->parts = 1;
	return 0;
}

/* The partitions of the answer that went the same way, in one line; how many. */
static uint32_t
print_all(const struct cmd_elected *e, uint32_t n, enum rk_err err, const char *before)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++)
		if (e[i].err == err) {
			fputs(count == 0 ? before : ", ", stdout);
			printf("%.*s-%d", e[i].topic.len, e[i].topic.at, e[i].partition);
			count++;
		}
	if (count > 0)
		putchar('\n');
	return count;
}

static int
elect(struct job *j)
{
	struct cmd_elected *e;
	uint32_t n, bad = 0;
	char name[100];

	if (!cmd_admin_elect(&j->c, j->unclean, j->part, j->parts, &e, &n)) {
		if (j->c.err == RK_REQUEST_TIMED_OUT)
			puts("Timeout waiting for election results");
		else if (j->c.err == RK_CLUSTER_AUTHORIZATION_FAILED)
			puts("Not authorized to perform leader election");
		else
			puts("Error while making request");
		return cmd_fail(j->a, "%s", j->c.why);
	}
	print_all(e, n, RK_OK,
	    rk_arena_print(&j->c.arena,
		"Successfully completed leader election (%s) for partitions ", type_name(j))
		.at);
	print_all(e, n, RK_ELECTION_NOT_NEEDED, "Valid replica already elected for partitions ");
	for (uint32_t i = 0; i < n; i++) {
		if (e[i].err == RK_OK || e[i].err == RK_ELECTION_NOT_NEEDED)
			continue;
		printf("Error completing leader election (%s) for partition: %.*s-%d: %s: %s\n",
		    type_name(j), e[i].topic.len, e[i].topic.at, e[i].partition,
		    cmd_java_error(e[i].err, name, sizeof name), e[i].says);
		bad++;
	}
	return bad == 0 ? 0 : cmd_say("%u replica(s) could not be elected", bad);
}

static int
check(struct job *j)
{
	const struct cmd_args *a = j->a;
	const char *type = cmd_text(a, "election-type");
	bool topic = cmd_given(a, "topic"), part = cmd_given(a, "partition");

	if (!cmd_given(a, "bootstrap-server") || type == NULL)
		return cmd_say("Missing required option(s): %s%s%s",
		    cmd_given(a, "bootstrap-server") ? "" : "bootstrap-server",
		    cmd_given(a, "bootstrap-server") || type != NULL ? "" : ", ",
		    type == NULL ? "election-type" : "");
	if (strcasecmp(type, "preferred") != 0 && strcasecmp(type, "unclean") != 0)
		return cmd_say("Cannot parse argument '%s' of option election-type", type);
	j->unclean = strcasecmp(type, "unclean") == 0;
	if (topic + cmd_given(a, "all-topic-partitions") + cmd_given(a, "path-to-json-file") != 1)
		return cmd_say("One and only one of the following options is required: topic, "
			    "all-topic-partitions, path-to-json-file");
	if (topic && !part)
		return cmd_say("Missing required option(s): partition");
	if (part && !topic)
		return cmd_say("Option partition is only allowed if topic is used");
	return 0;
}

static int
run(struct cmd_args *a)
{
	struct job j = {.a = a};
	int rc = check(&j);

	if (rc != 0)
		return rc;
	if (cmd_given(a, "admin.config"))
		fputs("Option --admin.config has been deprecated and will be removed in a future "
		      "version. Use --command-config instead.\n",
		    stderr);
	if (!cmd_client_start(&j.c, a))
		return 1;
	rc = choose(&j);
	if (rc == 0)
		rc = elect(&j);
	cmd_read_free(&j.json);
	cmd_client_close(&j.c);
	return rc;
}

const struct cmd_spec cmd_leader_election_spec = {
    .name = "leader-election",
    .peer = "kafka-leader-election",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Elects leaders of partitions: the preferred ones, or unclean ones.",
    .about = "One of --all-topic-partitions, --topic with --partition and --path-to-json-file says "
	     "for which partitions. A preferred election gives leaderships back to the brokers "
	     "that shall have them, as after a restart. An unclean election brings a partition "
	     "back whose in-sync replicas are all gone, at the price of the records that only they "
	     "have.",
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
