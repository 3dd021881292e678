/* topics.c - rookery topics: creates, lists, describes, alters and deletes topics.
 *
 * What is to be described is gathered first (view.h) and then printed topic by topic. */
#include "protocol/gen/create_partitions.h"
#include "protocol/gen/create_topics.h"
#include "protocol/gen/delete_topics.h"
#include "src/cmd/admin.h"

static const struct cmd_opt opts[] = {
    {"alter", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Raise the number of partitions (rookery configs changes configurations)."},
    {"at-min-isr-partitions", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --describe: only partitions whose in-sync replicas are exactly as many as "
	"min.insync.replicas asks for."},
    {"bootstrap-server", CMD_TEXT, CMD_REQUIRED, 0, 0, "server to connect to", NULL,
	"Brokers to ask: host:port,..."},
    {"command-config", CMD_TEXT, 0, 0, 0, "command config property file", NULL,
	"A properties file with client settings."},
    {"config", CMD_TEXT, CMD_REPEAT, 0, 0, "name=value", NULL,
	"With --create: a configuration of the new topic; may be given many times."},
    {"create", CMD_FLAG, 0, 0, 0, NULL, NULL, "Create a topic."},
    {"delete", CMD_FLAG, 0, 0, 0, NULL, NULL, "Delete topics."},
    {"delete-config", CMD_TEXT, CMD_REPEAT | CMD_OLD, 0, 0, "name", NULL,
	"Has no effect; use rookery configs."},
    {"describe", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Show the partitions of topics, and what is configured otherwise than by default."},
    {"exclude-internal", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --list and --describe: leave out Kafka's internal topics."},
    {"if-exists", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --alter, --delete, --describe: a topic that is not there is no error."},
    {"if-not-exists", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --create: a topic that is there already is no error."},
    {"list", CMD_FLAG, 0, 0, 0, NULL, NULL, "List the names of topics."},
    {"partition-size-limit-per-response", CMD_INT, 0, 0, 0,
	"maximum number of partitions per response", NULL,
	"With --describe: how many partitions one answer may hold."},
    {"partitions", CMD_INT, 0, 0, 0, "# of partitions", NULL,
	"How many partitions the topic shall have. With --create the cluster's default when not "
	"given. Records with the "
	"same key may land in another partition once the number has changed."},
    {"replica-assignment", CMD_TEXT, 0, 0, 0,
	"broker_id_for_part1_replica1 : broker_id_for_part1_replica2 , ...", NULL,
	"Which brokers hold which partition."},
    {"replication-factor", CMD_INT, 0, 0, 0, "replication factor", NULL,
	"With --create: how many brokers hold each partition. The cluster's default when not "
	"given."},
    {"topic", CMD_TEXT, 0, 0, 0, "topic", NULL,
	"The topic; except with --create also a regular expression."},
    {"topic-id", CMD_TEXT, 0, 0, 0, "topic-id", NULL, "With --describe: the topic by its id."},
    {"topics-with-overrides", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --describe: only topics with a configuration of their own."},
    {"unavailable-partitions", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --describe: only partitions without a leader."},
    {"under-min-isr-partitions", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --describe: only partitions with fewer in-sync replicas than min.insync.replicas "
	"asks for."},
    {"under-replicated-partitions", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --describe: only partitions with fewer in-sync replicas than replicas."},
};

struct job {
	const struct cmd_args *a;
	struct cmd_client c;
	struct rk_str *name; /* the topics asked for, sorted */
	uint32_t names;
	struct cmd_view view;
};

/* Kafka's command says its errors on stdout, and so scripts look there. */
static int
wrong(const char *why)
{
	printf("Error while executing topic command : %s\n", why);
	return 1;
}

static int
wrong_wire(struct job *j, int16_t wire, struct rk_str message)
{
	wrong(cmd_client_says(&j->c, wire, message));
	return cmd_fail(j->a, "%s", rk_err_name(rk_err_of_wire(wire)));
}

/* The names that --topic asks for; all without it. */
static int
find_names(struct job *j)
{
	const char *want = cmd_text(j->a, "topic");
	bool no_internal = cmd_given(j->a, "exclude-internal");
	struct cmd_regex *re = NULL;
	uint32_t all;
	char why[200];

	if (!cmd_view_names(&j->c, &j->name, &all))
		return wrong(j->c.why);
	if (want != NULL && (re = cmd_regex_topics(want, why, sizeof why)) == NULL)
		return wrong(why);
	for (uint32_t i = 0; i < all; i++) {
		struct rk_str n = j->name[i];
		if ((re == NULL || cmd_regex_is(re, n)) && !(no_internal && cmd_topic_internal(n)))
			j->name[j->names++] = n;
	}
	cmd_regex_free(re);
	return 0;
}

static int
must_exist(struct job *j)
{
	char why[400];

	if (j->names > 0 || cmd_text(j->a, "topic") == NULL || cmd_given(j->a, "if-exists"))
		return 0;
	snprintf(why, sizeof why, "Topic '%s' does not exist as expected", cmd_text(j->a, "topic"));
	return wrong(why);
}

static int
list(struct job *j)
{
	int rc = find_names(j);

	for (uint32_t i = 0; rc == 0 && i < j->names; i++)
		printf("%.*s\n", j->name[i].len, j->name[i].at);
	if (rc == 0 && j->names == 0)
		puts(""); /* Kafka prints the joined names and a line's end */
	return rc;
}

/* "1:2,2:3": a row of brokers for each partition. False: not numbers, or rows of unequal length. */
static bool
parse_assignment(struct job *j, const char *text, struct cmd_ids **rows, uint32_t *count)
{
	char **piece, **id;

	*count = cmd_split(&j->c.arena, text, ',', &piece);
	*rows = rk_arena_get(&j->c.arena, *count, sizeof **rows);
	for (uint32_t i = 0; i < *count; i++) {
		uint32_t n = cmd_split(&j->c.arena, piece[i], ':', &id);
		int32_t *at = rk_arena_get(&j->c.arena, n, sizeof *at);
		for (uint32_t k = 0; k < n; k++) {
			int64_t v;
			if (!rk_str_int(rk_str_of(id[k]), &v))
				return false;
			at[k] = (int32_t)v;
		}
		(*rows)[i] = (struct cmd_ids){at, (int32_t)n};
		if ((*rows)[i].len != (*rows)[0].len)
			return false;
	}
	return true;
}

static int
create_configs(struct job *j, struct kp_create_topics_req_topics *t)
{
	int32_t n = 0;

	while (cmd_nth(j->a, "config", (uint32_t)n) != NULL)
		n++;
	t->configs.at = rk_arena_get(&j->c.arena, (size_t)n, sizeof *t->configs.at);
	for (int32_t i = 0; i < n; i++) {
		const char *pair = cmd_nth(j->a, "config", (uint32_t)i), *eq = strchr(pair, '=');
		if (eq == NULL)
			return wrong("requirement failed: Invalid topic config: all configs to be "
				     "added must be in the format "
				     "\"key=val\".");
		t->configs.at[t->configs.len].name = (struct rk_str){pair, (int32_t)(eq - pair)};
		t->configs.at[t->configs.len++].value = rk_str_of(eq + 1);
	}
	return 0;
}

static int
create_shape(struct job *j, struct kp_create_topics_req_topics *t)
{
	int64_t partitions = cmd_number(j->a, "partitions", -1),
		factor = cmd_number(j->a, "replication-factor", -1);
	const char *assignment = cmd_text(j->a, "replica-assignment");
	struct cmd_ids *rows;
	uint32_t count;

	if (cmd_given(j->a, "partitions") && partitions < 1)
		return wrong("The partitions must be greater than 0");
	if (cmd_given(j->a, "replication-factor") && (factor < 1 || factor > INT16_MAX))
		return wrong("The replication factor must be between 1 and 32767 inclusive");
	t->num_partitions = (int32_t)partitions;
	t->replication_factor = (int16_t)factor;
	if (assignment == NULL)
		return 0;
	if (!parse_assignment(j, assignment, &rows, &count))
		return wrong("the replica assignment must be broker ids, as many for each "
			     "partition: 1:2,2:3");
	t->assignments.at = rk_arena_get(&j->c.arena, count, sizeof *t->assignments.at);
	t->assignments.len = (int32_t)count;
	for (uint32_t i = 0; i < count; i++) {
		t->assignments.at[i].partition_index = (int32_t)i;
		t->assignments.at[i].broker_ids.at = (int32_t *)(uintptr_t)rows[i].at;
		t->assignments.at[i].broker_ids.len = rows[i].len;
	}
	return 0;
}

static int
create(struct job *j)
{
	const char *name = cmd_text(j->a, "topic");
	struct kp_create_topics_req_topics t = {.name = rk_str_of(name)};
	struct kp_create_topics_req req;
	struct kp_create_topics_res res;
	int rc;

	kp_defaults(kp_api(KP_CREATE_TOPICS)->req, &req);
	req.topics.at = &t;
	req.topics.len = 1;
	if (strpbrk(name, "._") != NULL)
		puts("WARNING: Due to limitations in metric names, topics with a period ('.') or "
		     "underscore ('_') could "
		     "collide. To avoid issues it is best to use either, but not both.");
	if ((rc = create_configs(j, &t)) != 0 || (rc = create_shape(j, &t)) != 0)
		return rc;
	do {
		if (!cmd_client_call(&j->c, CMD_ANY, KP_CREATE_TOPICS, &req, &res))
			return wrong(j->c.why);
		if (res.topics.len != 1)
			return wrong("the broker's answer names no topic");
	} while (cmd_client_again(&j->c, rk_err_of_wire(res.topics.at[0].error_code)));
	enum rk_err e = rk_err_of_wire(res.topics.at[0].error_code);
	if (e == RK_TOPIC_ALREADY_EXISTS && cmd_given(j->a, "if-not-exists"))
		return 0;
	if (e != RK_OK)
		return wrong_wire(j, res.topics.at[0].error_code, res.topics.at[0].error_message);
	printf("Created topic %s.\n", name);
	return 0;
}

static int delete (struct job *j)
{
	struct kp_delete_topics_req req;
	struct kp_delete_topics_res res;
	int rc;

	if ((rc = find_names(j)) != 0 || (rc = must_exist(j)) != 0 || j->names == 0)
		return rc;
	kp_defaults(kp_api(KP_DELETE_TOPICS)->req, &req);
	req.timeout_ms = 60000;
	req.topics.at = rk_arena_get(&j->c.arena, j->names, sizeof *req.topics.at);
	req.topics.len = (int32_t)j->names;
	for (uint32_t i = 0; i < j->names; i++)
		req.topics.at[i].name = j->name[i];
	if (!cmd_client_call(&j->c, CMD_ANY, KP_DELETE_TOPICS, &req, &res))
		return wrong(j->c.why);
	for (int32_t i = 0; i < res.responses.len; i++)
		if (res.responses.at[i].error_code != 0)
			return wrong_wire(
			    j, res.responses.at[i].error_code, res.responses.at[i].error_message);
	return 0;
}

static int
described(struct job *j, bool ok)
{
	if (!ok)
		return wrong(j->c.why);
	for (uint32_t i = 0; i < j->view.topics; i++)
		if (j->view.topic[i].err != RK_OK)
			return wrong_wire(j, rk_err_wire(j->view.topic[i].err), RK_STR_NULL);
	return 0;
}

static int
gather(struct job *j)
{
	return described(j, cmd_view_topics(&j->view, &j->c, j->name, j->names,
				(int32_t)cmd_number(j->a, "partition-size-limit-per-response", 2000)));
}

static void
print_ids(const char *label, struct cmd_ids ids)
{
	printf("\t%s: ", label);
	for (int32_t i = 0; i < ids.len; i++)
		printf("%s%d", i == 0 ? "" : ",", ids.at[i]);
	if (ids.len < 0)
		fputs("N/A", stdout);
}

static bool
wanted(const struct cmd_args *a, const struct cmd_topic *t, const struct cmd_part *p, bool filtered)
{
	return !filtered || (cmd_given(a, "under-replicated-partitions") && p->isr.len < cmd_part_factor(p))
	       || (cmd_given(a, "unavailable-partitions") && p->leader < 0)
	       || (cmd_given(a, "under-min-isr-partitions") && p->isr.len < t->min_isr)
	       || (cmd_given(a, "at-min-isr-partitions") && p->isr.len == t->min_isr);
}

static void
print_part(const struct cmd_topic *t, const struct cmd_part *p)
{
	printf("\tTopic: %.*s\tPartition: %d\tLeader: ", t->name.len, t->name.at, p->index);
	if (p->leader < 0)
		fputs("none", stdout);
	else
		printf("%d", p->leader);
	print_ids("Replicas", p->replicas);
	print_ids("Isr", p->isr);
	if (p->moving) {
		print_ids("Adding Replicas", p->adding);
		print_ids("Removing Replicas", p->removing);
	}
	print_ids("Elr", p->elr);
	print_ids("LastKnownElr", p->last_elr);
	putchar('\n');
}

static void
print_topic(const struct cmd_args *a, struct cmd_topic *t)
{
	bool filtered =
	    cmd_given(a, "under-replicated-partitions") || cmd_given(a, "unavailable-partitions")
	    || cmd_given(a, "under-min-isr-partitions") || cmd_given(a, "at-min-isr-partitions");
	bool overrides = cmd_given(a, "topics-with-overrides");
	char id[RK_UUID_TEXT];

	if (!filtered && (!overrides || t->configs.len > 0)) {
		printf("Topic: %.*s", t->name.len, t->name.at);
		if (!rk_uuid_zero(t->id))
			printf("\tTopicId: %s", rk_uuid_text(t->id, id));
		printf("\tPartitionCount: %u\tReplicationFactor: %d\tConfigs: %.*s\n", t->parts,
		    t->parts > 0 ? cmd_part_factor(&t->part[0]) : 0, t->configs.len, t->configs.at);
	}
	for (uint32_t i = 0; !overrides && i < t->parts; i++)
		if (wanted(a, t, &t->part[i], filtered))
			print_part(t, &t->part[i]);
}

static int
describe(struct job *j)
{
	const char *id_text = cmd_text(j->a, "topic-id");
	struct rk_uuid id = {{0}};
	struct cmd_move *move;
	uint32_t moves;
	int rc;

	if (id_text != NULL && !rk_uuid_parse(rk_str_of(id_text), &id))
		return wrong("the topic id must be 22 characters of base64");
	if (!rk_uuid_zero(id))
		rc = described(j, cmd_view_topic_id(&j->view, &j->c, id));
	else if ((rc = find_names(j)) == 0 && (rc = must_exist(j)) == 0 && j->names > 0)
		rc = gather(j);
	if (rc != 0 || j->view.topics == 0)
		return rc;
	if (!cmd_view_configs(&j->view, &j->c))
		return wrong(j->c.why);
	/* A broker that does not allow or know the question is as good as one without any. */
	if (cmd_admin_moves(&j->c, &move, &moves))
		cmd_moves_mark(move, moves, &j->view);
	for (uint32_t i = 0; i < j->view.topics; i++)
		print_topic(j->a, &j->view.topic[i]);
	return 0;
}

/* The rows of --replica-assignment behind the partitions that are there already. */
static int
alter_rows(struct job *j, const struct cmd_topic *t, struct kp_create_partitions_req_topics *q)
{
	const char *text = cmd_text(j->a, "replica-assignment");
	struct cmd_ids *rows;
	uint32_t count;

	q->assignments.len = -1;
	if (text == NULL)
		return 0;
	if (!parse_assignment(j, text, &rows, &count))
		return wrong("the replica assignment must be broker ids, as many for each "
			     "partition: 1:2,2:3");
	q->assignments.at = rk_arena_get(&j->c.arena, count, sizeof *q->assignments.at);
	q->assignments.len = 0;
	for (uint32_t i = t->parts; i < count; i++) {
		q->assignments.at[q->assignments.len].broker_ids.at =
		    (int32_t *)(uintptr_t)rows[i].at;
		q->assignments.at[q->assignments.len++].broker_ids.len = rows[i].len;
	}
	return 0;
}

static int
alter(struct job *j)
{
	struct kp_create_partitions_req req;
	struct kp_create_partitions_res res;
	int rc;

	if ((rc = find_names(j)) != 0 || (rc = must_exist(j)) != 0 || j->names == 0
	    || (rc = gather(j)) != 0)
		return rc;
	kp_defaults(kp_api(KP_CREATE_PARTITIONS)->req, &req);
	req.timeout_ms = 60000;
	req.topics.at = rk_arena_get(&j->c.arena, j->names, sizeof *req.topics.at);
	req.topics.len = (int32_t)j->view.topics;
	for (uint32_t i = 0; rc == 0 && i < j->view.topics; i++) {
		req.topics.at[i].name = j->view.topic[i].name;
		req.topics.at[i].count = (int32_t)cmd_number(j->a, "partitions", 0);
		rc = alter_rows(j, &j->view.topic[i], &req.topics.at[i]);
	}
	if (rc != 0)
		return rc;
	if (!cmd_client_call(&j->c, CMD_ANY, KP_CREATE_PARTITIONS, &req, &res))
		return wrong(j->c.why);
	for (int32_t i = 0; i < res.results.len; i++)
		if (res.results.at[i].error_code != 0)
			return wrong_wire(
			    j, res.results.at[i].error_code, res.results.at[i].error_message);
	return 0;
}

/* Which option goes with which action: what is not in the row of an action is refused beside it. */
static int
check(const struct cmd_args *a)
{
	static const char *const actions[] = {"list", "describe", "create", "alter", "delete"};
	int n = 0, rc;

	for (uint32_t i = 0; i < rk_countof(actions); i++)
		n += cmd_given(a, actions[i]);
	if (n != 1)
		return cmd_usage(a, "Command must include exactly one action: --list, --describe, "
				    "--create, --alter or --delete");
	if (!cmd_given(a, "bootstrap-server"))
		return cmd_require(a, "bootstrap-server", NULL);
	if (!cmd_given(a, "list") && !cmd_given(a, "describe")
	    && (rc = cmd_require(a, "topic", NULL)) != 0)
		return rc;
	if (cmd_given(a, "alter") && (rc = cmd_require(a, "partitions", NULL)) != 0)
		return rc;
	if (cmd_given(a, "create")
	    && (rc = cmd_exclude(a, "replica-assignment", "partitions", "replication-factor", NULL))
		   != 0)
		return rc;
	if ((rc = cmd_exclude(a, "config", "alter", "delete", "list", "describe", NULL)) != 0
	    || (rc = cmd_exclude(a, "partitions", "delete", "list", "describe", NULL)) != 0
	    || (rc = cmd_exclude(
		    a, "replication-factor", "alter", "delete", "list", "describe", NULL))
		   != 0
	    || (rc = cmd_exclude(a, "replica-assignment", "delete", "list", "describe", NULL)) != 0)
		return rc;
	if ((rc = cmd_exclude(a, "if-exists", "create", "list", NULL)) != 0
	    || (rc = cmd_exclude(a, "if-not-exists", "alter", "delete", "list", "describe", NULL))
		   != 0
	    || (rc = cmd_exclude(a, "exclude-internal", "create", "alter", "delete", NULL)) != 0)
		return rc;
	static const char *const only[] = {"under-replicated-partitions", "unavailable-partitions",
	    "under-min-isr-partitions", "at-min-isr-partitions", "topics-with-overrides"};
	for (uint32_t i = 0; i < rk_countof(only); i++)
		if ((rc = cmd_exclude(a, only[i], "create", "alter", "delete", "list", only[0],
			 only[1], only[2], only[3], only[4], NULL))
		    != 0)
			return rc;
	return 0;
}

static int
run(struct cmd_args *a)
{
	struct job j = {.a = a};
	int rc = check(a);

	if (rc != 0)
		return rc;
	if (!cmd_client_start(&j.c, a))
		return 1;
	rc = cmd_given(a, "list")       ? list(&j)
	     : cmd_given(a, "describe") ? describe(&j)
	     : cmd_given(a, "create")   ? create(&j)
	     : cmd_given(a, "alter")    ? alter(&j)
					: delete (&j);
	cmd_view_free(&j.view);
	cmd_client_close(&j.c);
	return rc;
}

const struct cmd_spec cmd_topics_spec = {
    .name = "topics",
    .peer = "kafka-topics",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Creates, lists, describes, changes and deletes topics.",
    .about = "Exactly one of --create, --list, --describe, --alter and --delete says what to do. "
	     "--topic is a name or, "
	     "except with --create, a regular expression that the whole name must match; commas "
	     "mean \"or\".",
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
