/* cluster.c - rookery cluster: the cluster's id and endpoints; unregistering a broker. */
#include "protocol/gen/describe_cluster.h"
#include "protocol/gen/unregister_broker.h"
#include "src/cmd/drain.h"

enum { ACT_ID, ACT_UNREGISTER, ACT_ENDPOINTS, ACT_DRAIN, ACT_CAN_STOP };
static const struct cmd_act acts[] = {
    {"cluster-id", "Print the cluster's id."},
    {"unregister", "Make the cluster forget a broker that will not come back."},
    {"list-endpoints", "List where brokers or controllers are reached."},
    {"drain", "drain ID: move replicas and leaderships away from a broker, or back (--undo)."},
    {"can-stop", "can-stop ID: whether all would go on without the broker: 0, or 1 and what would "
		 "not (2: not known)."},
    {NULL, NULL},
};
static const struct cmd_opt opts[] = {
    {"bootstrap-server", CMD_TEXT, 0, 'b', 0, "BOOTSTRAP_SERVER", NULL,
	"Brokers to ask: host:port,..."},
    {"bootstrap-controller", CMD_TEXT, 0, 'C', 0, "BOOTSTRAP_CONTROLLER", NULL,
	"Controllers to ask, instead of brokers."},
    {"config", CMD_TEXT, CMD_OLD, 0, 0, "CONFIG", NULL, "As --command-config."},
    {"command-config", CMD_TEXT, 0, 'c', 0, "COMMAND_CONFIG", NULL,
	"A properties file with client settings."},
    {"id", CMD_INT, 0, 'i', 1 << ACT_UNREGISTER, "ID", NULL, "The broker to unregister."},
    {"include-fenced-brokers", CMD_FLAG, 0, 0, 1 << ACT_ENDPOINTS, NULL, NULL,
	"Brokers that are fenced, too."},
    {"wait", CMD_FLAG, 0, 0, 1 << ACT_DRAIN, NULL, NULL, "Wait until it is done, with progress."},
    {"undo", CMD_FLAG, 0, 0, 1 << ACT_DRAIN, NULL, NULL,
	"Bring back what the drain moved away, and with --wait the leaderships."},
    {"dry-run", CMD_FLAG, 0, 0, 1 << ACT_DRAIN, NULL, NULL,
	"Show what would be moved, also as JSON for reassign-partitions, and do nothing."},
    {"throttle", CMD_LONG, 0, 0, 1 << ACT_DRAIN, "THROTTLE", NULL,
	"Bytes a second for the moves; with --wait taken away at the end."},
    {"save", CMD_TEXT, 0, 0, 1 << ACT_DRAIN, "FILE", NULL,
	"The file for the way back (default: drain-ID.json)."},
};

static int
cluster_id(const struct cmd_args *a, struct cmd_client *c)
{
	struct kp_describe_cluster_res res;

	if (!cmd_client_describe(c, false, &res))
		return cmd_fail(a, "%s", c->why);
	printf("Cluster ID: %.*s\n", res.cluster_id.len, res.cluster_id.at);
	return 0;
}

static int
unregister(const struct cmd_args *a, struct cmd_client *c)
{
	struct kp_unregister_broker_req req = {.broker_id = (int32_t)cmd_number(a, "id", -1)};
	struct kp_unregister_broker_res res;

	do {
		if (!cmd_client_call(c, CMD_DECIDER, KP_UNREGISTER_BROKER, &req, &res)) {
			if (c->err != RK_UNSUPPORTED_VERSION)
				return cmd_fail(a, "%s", c->why);
			printf(
			    "The target cluster does not support the broker unregistration API.\n");
			return 1;
		}
	} while (cmd_client_again(c, rk_err_of_wire(res.error_code)));
	if (!cmd_client_good(c, res.error_code, res.error_message))
		return cmd_fail(a, "%s", c->why);
	printf("Broker %d is no longer registered.\n", req.broker_id);
	return 0;
}

static int
endpoints(const struct cmd_args *a, struct cmd_client *c)
{
	struct kp_describe_cluster_res res;
	int host = 0, rack = 0;

	if (!cmd_client_describe(c, cmd_given(a, "include-fenced-brokers"), &res))
		return cmd_fail(a, "%s", c->why);
	for (int32_t i = 0; i < res.brokers.len; i++) {
		host = (int)rk_max(host, res.brokers.at[i].host.len);
		rack = (int)rk_max(rack, res.brokers.at[i].rack.len);
	}
	host = host == 0 ? 10 : host;
	rack = rack == 0 ? 10 : rack;
	printf("%-10s %-*s %-10s %-*s %s%-15s\n", "ID", host, "HOST", "PORT", rack, "RACK",
	    c->controllers ? "" : "STATE      ", "ENDPOINT_TYPE");
	for (int32_t i = 0; i < res.brokers.len; i++) {
		struct kp_describe_cluster_res_brokers *b = &res.brokers.at[i];
		printf("%-10d %-*.*s %-10d %-*.*s %s%-15s\n", b->broker_id, host, b->host.len,
		    b->host.at, b->port, rack, b->rack.len < 0 ? 4 : b->rack.len,
		    b->rack.len < 0 ? "null" : b->rack.at,
		    c->controllers ? ""
		    : b->is_fenced ? "fenced     "
				   : "unfenced   ",
		    c->controllers ? "controller" : "broker");
	}
	return 0;
}

/* The broker that drain and can-stop speak of. */
static int
about_one(const struct cmd_args *a)
{
	int64_t id;

	if (a->rest_count == 0)
		return cmd_usage(a, "argument ID is required");
	if (!rk_str_int(rk_str_of(a->rest[0]), &id) || id < 0 || id != (int32_t)id)
		return cmd_usage(a, "argument ID: a broker's number is meant");
	if (cmd_given(a, "bootstrap-controller"))
		return cmd_usage(
		    a, "argument --bootstrap-controller/-C: brokers are asked (--bootstrap-server)");
	return a->act == ACT_DRAIN ? cmd_cluster_drain(a, (int32_t)id)
				   : cmd_cluster_can_stop(a, (int32_t)id);
}

static int
run(struct cmd_args *a)
{
	struct cmd_client c;
	char line[200];
	bool one = a->act == ACT_DRAIN || a->act == ACT_CAN_STOP;
	bool brokers = cmd_given(a, "bootstrap-server"),
	     controllers = cmd_given(a, "bootstrap-controller");
	int rc;

	if (brokers == controllers)
		return cmd_usage(a, brokers ? "argument --bootstrap-controller/-C: not allowed "
					      "with argument --bootstrap-server/-b"
					    : "one of the arguments --bootstrap-server/-b "
					      "--bootstrap-controller/-C is required");
	if (a->rest_count > (one ? 1u : 0u)) {
		snprintf(line, sizeof line, "unrecognized arguments: '%.100s'", a->rest[one]);
		return cmd_usage(a, line);
	}
	if (cmd_given(a, "config") && cmd_given(a, "command-config"))
		return cmd_say("--config and --command-config cannot be specified together.");
	if (one)
		return about_one(a);
	if (a->act == ACT_UNREGISTER && !cmd_given(a, "id"))
		return cmd_usage(a, "argument --id/-i is required");
	if (a->act == ACT_ENDPOINTS && controllers && cmd_given(a, "include-fenced-brokers"))
		return cmd_say("The option --include-fenced-brokers is only supported with "
			       "--bootstrap-server option");
	if (!cmd_client_start(&c, a))
		return 1;
	rc = a->act == ACT_ID           ? cluster_id(a, &c)
	     : a->act == ACT_UNREGISTER ? unregister(a, &c)
					: endpoints(a, &c);
	cmd_client_close(&c);
	return rc;
}

const struct cmd_spec cmd_cluster_spec = {
    .name = "cluster",
    .peer = "kafka-cluster",
    .style = CMD_ARGPARSE,
    .opt = opts,
    .count = rk_countof(opts),
    .act = acts,
    .summary = "Shows the cluster's id and endpoints; drains, checks and unregisters brokers.",
    .about = "Asks brokers (--bootstrap-server) or controllers (--bootstrap-controller).\n.PP\n"
	     "drain and can-stop are not in Kafka's command. To take broker 3 out for good: drain 3 "
	     "--wait; can-stop 3; stop it; unregister --id 3. For a while: can-stop 3, stop it, "
	     "start it, and wait until can-stop says 0 for the next one. While a broker is drained "
	     "its directories are cordoned, so that no new partition is placed on it; drain 3 "
	     "--undo --wait brings everything back.",
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
