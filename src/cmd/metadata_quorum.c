/* metadata_quorum.c - rookery metadata-quorum: shows the metadata quorum, adds and removes
 * controllers. */
#include "protocol/gen/add_raft_voter.h"
#include "protocol/gen/describe_quorum.h"
#include "protocol/gen/remove_raft_voter.h"
#include <unistd.h>
#include "src/cmd/view.h"

enum { ACT_DESCRIBE, ACT_ADD, ACT_REMOVE };
static const struct cmd_act acts[] = {
    {"describe", "Show the state of the quorum."},
    {"add-controller", "Make the controller that --command-config configures a voter."},
    {"remove-controller", "Take a controller out of the voters."},
    {NULL, NULL},
};
static const struct cmd_opt opts[] = {
    {"bootstrap-server", CMD_TEXT, 0, 0, 0, "BOOTSTRAP_SERVER", NULL,
	"Brokers to ask: host:port,..."},
    {"bootstrap-controller", CMD_TEXT, 0, 0, 0, "BOOTSTRAP_CONTROLLER", NULL,
	"Controllers to ask, instead of brokers."},
    {"command-config", CMD_TEXT, 0, 0, 0, "COMMAND_CONFIG", NULL,
	"A properties file with client settings; with add-controller the new controller's "
	"server.properties."},
    {"status", CMD_FLAG, 0, 0, 1 << ACT_DESCRIBE, NULL, NULL,
	"A summary: leader, epoch, lag, voters, observers."},
    {"replication", CMD_FLAG, 0, 0, 1 << ACT_DESCRIBE, NULL, NULL,
	"A line for each voter and observer."},
    {"human-readable", CMD_FLAG, 0, 0, 1 << ACT_DESCRIBE, NULL, NULL,
	"With --replication: how long ago, not when."},
    {"controller-id", CMD_INT, 0, 'i', 1 << ACT_REMOVE, "CONTROLLER_ID", NULL,
	"The controller to remove."},
    {"controller-directory-id", CMD_TEXT, 0, 'd', 1 << ACT_REMOVE, "CONTROLLER_DIRECTORY_ID", NULL,
	"The directory id of the controller to remove."},
    {"dry-run", CMD_FLAG, 0, 0, 1 << ACT_ADD | 1 << ACT_REMOVE, NULL, NULL,
	"Say what would be done, and do nothing."},
};

typedef struct kp_describe_quorum_res_topics_partitions quorum;
enum { COLUMNS = 7, CELL = 40 };
typedef char row[COLUMNS][CELL];
struct state { /* one replica; voters and observers are two types with the same fields */
	int32_t id;
	struct rk_uuid directory;
	int64_t end, fetched_ms, caught_up_ms;
};

#define VALID "Is this a valid controller configuration file?"

/* Kafka's command reports what went wrong as its exception. */
static int
wrong(const struct cmd_args *a, const struct cmd_client *c)
{
	char name[100];

	cmd_say("%s: %s", cmd_java_error(c->err, name, sizeof name), c->why);
	return c->err == RK_UNSUPPORTED_VERSION
		   ? cmd_fail(a, "the cluster cannot do this; nothing was changed")
		   : 1;
}

#define STATE(r)                                                                      \
	((struct state){(r).replica_id, (r).replica_directory_id, (r).log_end_offset, \
	    (r).last_fetch_timestamp, (r).last_caught_up_timestamp})

static struct state
leader_of(const quorum *q)
{
	struct state none = {.id = -1, .fetched_ms = -1, .caught_up_ms = -1};

	for (int32_t i = 0; i < q->current_voters.len; i++)
		if (q->current_voters.at[i].replica_id == q->leader_id)
			return STATE(q->current_voters.at[i]);
	return none;
}

static void
print_node(
    const struct kp_describe_quorum_res *res, int32_t id, struct rk_uuid directory, bool first)
{
	char text[RK_UUID_TEXT];

	printf("%s{\"id\": %d", first ? "" : ", ", id);
	if (!rk_uuid_zero(directory))
		printf(", \"directoryId\": \"%s\"", rk_uuid_text(directory, text));
	for (int32_t i = 0; i < res->nodes.len; i++) {
		struct kp_describe_quorum_res_nodes *n = &res->nodes.at[i];
		if (n->node_id != id || n->listeners.len <= 0)
			continue;
		fputs(", \"endpoints\": [", stdout);
		for (int32_t k = 0; k < n->listeners.len; k++) {
			bool six = memchr(n->listeners.at[k].host.at, ':',
				       (size_t)n->listeners.at[k].host.len)
				   != NULL;
			printf(six ? "%s\"%.*s://[%.*s]:%u\"" : "%s\"%.*s://%.*s:%u\"",
			    k == 0 ? "" : ", ", n->listeners.at[k].name.len,
			    n->listeners.at[k].name.at, n->listeners.at[k].host.len,
			    n->listeners.at[k].host.at, n->listeners.at[k].port);
		}
		putchar(']');
	}
	putchar('}');
}

static int
status(const struct cmd_args *a, struct cmd_client *c)
{
	struct kp_describe_quorum_res res;
	int64_t lag = 0, late = 0;

	if (!cmd_view_quorum(c, &res) || !cmd_client_brokers(c))
		return wrong(a, c);
	quorum *q = &res.topics.at[0].partitions.at[0];
	struct state leader = leader_of(q);
	for (int32_t i = 0; i < q->current_voters.len; i++) {
		struct state v = STATE(q->current_voters.at[i]);
		lag = rk_max(lag, leader.end - v.end);
		if (v.id != leader.id && late >= 0)
			late = v.caught_up_ms < 0
				   ? -1
				   : rk_max(late, leader.caught_up_ms - v.caught_up_ms);
	}
	printf(
	    "ClusterId:              %.*s\nLeaderId:               %d\nLeaderEpoch:            %d\n"
	    "HighWatermark:          %" PRId64 "\nMaxFollowerLag:         %" PRId64
	    "\nMaxFollowerLagTimeMs:   %" PRId64 "\n",
	    c->cluster_id.len, c->cluster_id.at, q->leader_id, q->leader_epoch, q->high_watermark,
	    lag, late);
	fputs("CurrentVoters:          [", stdout);
	for (int32_t i = 0; i < q->current_voters.len; i++)
		print_node(&res, q->current_voters.at[i].replica_id,
		    q->current_voters.at[i].replica_directory_id, i == 0);
	fputs("]\nCurrentObservers:       [", stdout);
	for (int32_t i = 0; i < q->observers.len; i++)
		print_node(&res, q->observers.at[i].replica_id,
		    q->observers.at[i].replica_directory_id, i == 0);
	puts("]");
	return 0;
}

static void
at_cell(char to[CELL], int64_t ms, bool human)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (human && ms >= 0)
		snprintf(to, CELL, "%" PRId64 " ms ago",
		    (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 - ms);
	else
		snprintf(to, CELL, "%" PRId64, ms);
}

static void
fill(row r, struct state s, int64_t end, const char *kind, bool human)
{
	char text[RK_UUID_TEXT];

	snprintf(r[0], CELL, "%d", s.id);
	snprintf(r[1], CELL, "%s", rk_uuid_text(s.directory, text));
	snprintf(r[2], CELL, "%" PRId64, s.end);
	snprintf(r[3], CELL, "%" PRId64, end - s.end);
	at_cell(r[4], s.fetched_ms, human);
	at_cell(r[5], s.caught_up_ms, human);
	snprintf(r[6], CELL, "%s", kind);
}

static void
print_table(row *rows, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t k = 0; k < COLUMNS; k++) {
			size_t width = 0;
			for (uint32_t n = 0; n < count; n++)
				width = (size_t)rk_max((int64_t)width, (int64_t)strlen(rows[n][k]));
			printf("%-*s\t", (int)width, rows[i][k]);
		}
		putchar('\n');
	}
}

static int
replication(const struct cmd_args *a, struct cmd_client *c)
{
	static const char *const names[COLUMNS] = {"NodeId", "DirectoryId", "LogEndOffset", "Lag",
	    "LastFetchTimestamp", "LastCaughtUpTimestamp", "Status"};
	bool human = cmd_given(a, "human-readable");
	struct kp_describe_quorum_res res;
	uint32_t n = 1;

	if (!cmd_view_quorum(c, &res))
		return wrong(a, c);
	quorum *q = &res.topics.at[0].partitions.at[0];
	row *rows = rk_arena_get(
	    &c->arena, (size_t)(q->current_voters.len + q->observers.len + 2), sizeof *rows);
	struct state leader = leader_of(q);
	for (uint32_t i = 0; i < COLUMNS; i++)
		snprintf(rows[0][i], CELL, "%s", names[i]);
	if (leader.id >= 0)
		fill(rows[n++], leader, leader.end, "Leader", human);
	for (int32_t i = 0; i < q->current_voters.len; i++)
		if (q->current_voters.at[i].replica_id != leader.id)
			fill(rows[n++], STATE(q->current_voters.at[i]), leader.end, "Follower",
			    human);
	for (int32_t i = 0; i < q->observers.len; i++)
		fill(rows[n++], STATE(q->observers.at[i]), leader.end, "Observer", human);
	print_table(rows, n);
	return 0;
}

static int
describe(const struct cmd_args *a, struct cmd_client *c)
{
	return cmd_given(a, "status") ? status(a, c) : replication(a, c);
}

static int
remove_one(const struct cmd_args *a, struct cmd_client *c)
{
	struct kp_remove_raft_voter_req req;
	struct kp_remove_raft_voter_res res;
	const char *directory = cmd_text(a, "controller-directory-id");

	kp_defaults(kp_api(KP_REMOVE_RAFT_VOTER)->req, &req);
	req.cluster_id = RK_STR_NULL;
	req.voter_id = (int32_t)cmd_number(a, "controller-id", -1);
	if (req.voter_id < 0)
		return cmd_say("Invalid negative --controller-id: %d", req.voter_id);
	if (!rk_uuid_parse(rk_str_of(directory), &req.voter_directory_id))
		return cmd_say("Failed to parse --controller-directory-id: Input string `%s` decoded "
			    "as %zu bytes, which is not equal to the expected 16 bytes of a "
			    "base64-encoded UUID",
		    directory, strlen(directory) * 3 / 4);
	if (cmd_given(a, "dry-run")) {
		printf("DRY RUN of removing  KRaft controller %d with directory id %s\n",
		    req.voter_id, directory);
		return 0;
	}
	if (!cmd_client_call(c, CMD_DECIDER, KP_REMOVE_RAFT_VOTER, &req, &res)
	    || !cmd_client_good(c, res.error_code, res.error_message))
		return wrong(a, c);
	printf("Removed  KRaft controller %d with directory id %s\n", req.voter_id, directory);
	return 0;
}

/* The address of a listener in one of the two lists; an empty host is this machine. */
static bool
listener(struct cmd_client *c, const char *name, struct kp_add_raft_voter_req_listeners *l)
{
	static const char *const lists[] = {"advertised.listeners", "listeners"};
	char **at;

	for (uint32_t i = 0; i < rk_countof(lists); i++) {
		const char *list = cmd_props_get(&c->props, lists[i]);
		uint32_t n = list == NULL ? 0 : cmd_split(&c->arena, list, ',', &at);
		for (uint32_t k = 0; k < n; k++) {
			char *slash = strstr(at[k], "://"), *colon = strrchr(at[k], ':');
			if (slash == NULL || colon == slash || strlen(name) != (size_t)(slash - at[k])
			    || strncmp(at[k], name, strlen(name)) != 0)
				continue;
			l->name = rk_str_of(name);
			l->host = (struct rk_str){slash + 3, (int32_t)(colon - slash - 3)};
			if (l->host.len == 0)
				l->host = rk_lit("localhost");
			if (l->host.len > 2 && l->host.at[0] == '[')
				l->host = (struct rk_str){l->host.at + 1, l->host.len - 2};
			l->port = (uint16_t)strtol(colon + 1, NULL, 10);
			return true;
		}
	}
	return false;
}

static int
own_listeners(struct cmd_client *c, struct kp_add_raft_voter_req *req)
{
	const char *names = cmd_props_get(&c->props, "controller.listener.names");
	char **name;
	uint32_t n;

	if (names == NULL)
		return cmd_say("controller.listener.names was not found. " VALID);
	n = cmd_split(&c->arena, names, ',', &name);
	req->listeners.at = rk_arena_get(&c->arena, n, sizeof *req->listeners.at);
	for (uint32_t i = 0; i < n; i++)
		if (!listener(c, name[i], &req->listeners.at[req->listeners.len++]))
			return cmd_say("Cannot find information about controller listener name: %s",
			    name[i]);
	return 0;
}

static int
own_directory(struct cmd_client *c, struct rk_uuid *id)
{
	const char *dir = cmd_props_get(&c->props, "metadata.log.dir");
	struct cmd_props meta = {0};
	char **dirs;
	int rc = 0;

	if (dir == NULL && (dir = cmd_props_get(&c->props, "log.dirs")) != NULL
	    && cmd_split(&c->arena, dir, ',', &dirs) > 0)
		dir = dirs[0];
	if (dir == NULL)
		return cmd_say("Neither metadata.log.dir nor log.dirs were found. " VALID);
	if (!cmd_props_read(&meta, rk_arena_print(&c->arena, "%s/meta.properties", dir).at))
		rc = cmd_say("Unable to read meta.properties from %s", dir);
	else if (!rk_uuid_parse(rk_str_of(cmd_props_get(&meta, "directory.id")), id))
		rc = cmd_say("No directory id found in %s", dir);
	cmd_props_free(&meta);
	return rc;
}

/* Who the new controller is, from its own configuration file. */
static int
own_identity(struct cmd_client *c, struct kp_add_raft_voter_req *req)
{
	const char *node = cmd_props_get(&c->props, "node.id"),
		   *roles = cmd_props_get(&c->props, "process.roles");
	char **role;
	bool controller = false;
	int64_t n;
	int rc;

	if (node == NULL || !rk_str_int(rk_str_of(node), &n) || n != (int32_t)n)
		return cmd_say("node.id not found in configuration file. " VALID);
	if (n < 0)
		return cmd_say("node.id was negative in configuration file. " VALID);
	for (uint32_t i = roles == NULL ? 0 : cmd_split(&c->arena, roles, ',', &role); i > 0; i--)
		controller = controller || strcmp(role[i - 1], "controller") == 0;
	if (!controller)
		return cmd_say("process.roles did not contain 'controller' in configuration file. " VALID);
	req->voter_id = (int32_t)n;
	rc = own_directory(c, &req->voter_directory_id);
	return rc != 0 ? rc : own_listeners(c, req);
}

static int
add_one(const struct cmd_args *a, struct cmd_client *c)
{
	struct kp_add_raft_voter_req req;
	struct kp_add_raft_voter_res res;
	char id[RK_UUID_TEXT];
	int rc;

	kp_defaults(kp_api(KP_ADD_RAFT_VOTER)->req, &req);
	req.cluster_id = RK_STR_NULL;
	req.timeout_ms = 60000;
	if ((rc = own_identity(c, &req)) != 0)
		return rc;
	if (!cmd_given(a, "dry-run")
	    && (!cmd_client_call(c, CMD_DECIDER, KP_ADD_RAFT_VOTER, &req, &res)
		|| !cmd_client_good(c, res.error_code, res.error_message)))
		return wrong(a, c);
	printf(cmd_given(a, "dry-run")
		   ? "DRY RUN of adding controller %d with directory id %s and endpoints: "
		   : "Added controller %d with directory id %s and endpoints: ",
	    req.voter_id, rk_uuid_text(req.voter_directory_id, id));
	for (int32_t i = 0; i < req.listeners.len; i++)
		printf(memchr(req.listeners.at[i].host.at, ':', (size_t)req.listeners.at[i].host.len)
			       == NULL
			   ? "%s%.*s://%.*s:%u"
			   : "%s%.*s://[%.*s]:%u", i == 0 ? "" : ", ", req.listeners.at[i].name.len,
		    req.listeners.at[i].name.at, req.listeners.at[i].host.len,
		    req.listeners.at[i].host.at, req.listeners.at[i].port);
	putchar('\n');
	return 0;
}

static int
check(const struct cmd_args *a)
{
	bool brokers = cmd_given(a, "bootstrap-server"),
	     controllers = cmd_given(a, "bootstrap-controller");

	if (brokers == controllers)
		return cmd_usage(a, brokers ? "argument --bootstrap-controller: not allowed with "
					      "argument --bootstrap-server"
					    : "one of the arguments --bootstrap-server "
					      "--bootstrap-controller is required");
	if (a->act == ACT_REMOVE && !cmd_given(a, "controller-id"))
		return cmd_usage(a, "argument --controller-id/-i is required");
	if (a->act == ACT_REMOVE && !cmd_given(a, "controller-directory-id"))
		return cmd_usage(a, "argument --controller-directory-id/-d is required");
	const char *why = NULL, *config = cmd_text(a, "command-config");
	if (config != NULL && access(config, F_OK) != 0)
		return cmd_say("Properties file %s does not exists!", config);
	if (a->act == ACT_ADD && !cmd_given(a, "command-config"))
		why = "You must supply the configuration file of the controller you are adding "
		      "when using add-controller.";
	else if (a->act == ACT_DESCRIBE && cmd_given(a, "status") == cmd_given(a, "replication"))
		why = cmd_given(a, "status") ? "Only one of --status or --replication should be "
					       "specified with describe sub-command"
					     : "One of --status or --replication must be specified "
					       "with describe sub-command";
	else if (a->act == ACT_DESCRIBE && cmd_given(a, "status") && cmd_given(a, "human-readable"))
		why = "The option --human-readable is only supported along with --replication";
	return why == NULL ? 0 : cmd_say("%s", why);
}

static int
run(struct cmd_args *a)
{
	struct cmd_client c;
	int rc = check(a);

	if (rc != 0)
		return rc;
	if (!cmd_client_start(&c, a))
		return 1;
	rc = a->act == ACT_DESCRIBE ? describe(a, &c)
	     : a->act == ACT_ADD    ? add_one(a, &c)
				    : remove_one(a, &c);
	cmd_client_close(&c);
	return rc;
}

const struct cmd_spec cmd_metadata_quorum_spec = {
    .name = "metadata-quorum",
    .peer = "kafka-metadata-quorum",
    .style = CMD_ARGPARSE,
    .opt = opts,
    .count = rk_countof(opts),
    .act = acts,
    .summary = "Shows and changes the quorum that keeps the cluster's metadata.",
    .about = "Asks brokers (--bootstrap-server) or controllers (--bootstrap-controller).",
    .help_exit = 0,
    .bare_exit = 1,
    .run = run,
};
