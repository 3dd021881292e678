/* verifiable_consumer.c - rookery verifiable-consumer: reads as a member of a group and says what
 * it gets and commits. */
#include "src/cmd/perf.h"
#include "src/cmd/verifiable.h"

enum {
	BATCH = 500
}; /* records that are reported and committed together, at most: max.poll.records */

static const struct cmd_opt opts[] = {
    {"topic", CMD_TEXT, CMD_REQUIRED, 0, 0, "TOPIC", NULL, "The topic to read."},
    {"group-protocol", CMD_TEXT, 0, 0, 0, "GROUP-PROTOCOL", "classic",
	"CLASSIC, or CONSUMER, the one of KIP-848, which librdkafka has from 2.4 on."},
    {"group-remote-assignor", CMD_TEXT, 0, 0, 0, "GROUP-REMOTE-ASSIGNOR", NULL,
	"With the protocol CONSUMER: the broker's assignor, uniform or range."},
    {"group-id", CMD_TEXT, CMD_REQUIRED, 0, 0, "GROUP-ID", NULL, "The group."},
    {"group-instance-id", CMD_TEXT, 0, 0, 0, "GROUP-INSTANCE-ID", NULL,
	"Makes it a static member of this name."},
    {"max-messages", CMD_INT, 0, 0, 0, "MAX-MESSAGES", "-1",
	"How many records to read; -1: until it is ended."},
    {"session-timeout", CMD_INT, 0, 0, 0, "TIMEOUT-MS", NULL,
	"After how long a silence the group does without this member; with the protocol CONSUMER "
	"the group says."},
    {"verbose", CMD_FLAG, 0, 0, 0, NULL, NULL, "Say each record."},
    {"enable-autocommit", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Let the client commit by itself, now and then."},
    {"reset-policy", CMD_TEXT, 0, 0, 0, "RESET-POLICY", "earliest",
	"Where to begin where nothing is committed: earliest, latest or none (that ends it)."},
    {"assignment-strategy", CMD_TEXT, 0, 0, 0, "ASSIGNMENT-STRATEGY",
	"org.apache.kafka.clients.consumer.RangeAssignor",
	"With the protocol CLASSIC: RangeAssignor, RoundRobinAssignor or "
	"CooperativeStickyAssignor, by Kafka's name of "
	"the class."},
    {"consumer.config", CMD_TEXT, CMD_OLD, 0, 0, "CONFIG-FILE", NULL, "As --command-config."},
    {"command-config", CMD_TEXT, 0, 0, 0, "CONFIG-FILE", NULL,
	"A file of consumer properties; the options win over it."},
    {"bootstrap-server", CMD_TEXT, CMD_REQUIRED, 0, 0, "HOST1:PORT1[,HOST2:PORT2[...]]", NULL,
	"Brokers: host:port,..."},
};

/* What of one partition came in one batch. */
struct range {
	const char *topic;
	int32_t partition;
	int64_t count, first, last;
};
struct job {
	const struct cmd_args *a;
	const struct cmd_rd *rd;
	rd_kafka_t *rk;
	struct cmd_rd_state state;
	struct cmd_props props;
	int64_t most, got;
	bool over; /* an error that ends it, said */
	rd_kafka_message_t *message[BATCH];
	struct range range[BATCH];
};

static void
say_partitions(const char *event, rd_kafka_topic_partition_list_t *list)
{
	cmd_event(event);
	fputs(",\"partitions\":[", stdout);
	for (int i = 0; i < list->cnt; i++) {
		fputs(i == 0 ? "{" : ",{", stdout);
		fputs("\"topic\":", stdout);
		printf("\"%s\"", list->elems[i].topic); /* a topic's name needs no escapes */
		cmd_event_number("partition", list->elems[i].partition);
		putchar('}');
	}
	putchar(']');
	cmd_event_end();
}

static void
rebalance(
    rd_kafka_t *rk, rd_kafka_resp_err_t e, rd_kafka_topic_partition_list_t *list, void *opaque)
{
	const struct job *j = ((struct cmd_rd_state *)opaque)->arg;
	bool some = strcmp(j->rd->rebalance_protocol(rk), "COOPERATIVE") == 0;
	rd_kafka_error_t *bad = NULL;

	j->rd->topic_partition_list_sort(list, NULL, NULL);
	if (e == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		if (some)
			bad = j->rd->incremental_assign(rk, list);
		else
			j->rd->assign(rk, list);
		say_partitions("partitions_assigned", list);
	} else {
		say_partitions("partitions_revoked", list);
		if (some)
			bad = j->rd->incremental_unassign(rk, list);
		else
			j->rd->assign(rk, NULL);
	}
	if (bad != NULL)
		j->rd->error_destroy(bad);
}

/* Gathers records that are there. Returns how many. */
static int
gather(struct job *j)
{
	int n = 0;

	while (n < BATCH && !j->over) {
		rd_kafka_message_t *m = j->rd->consumer_poll(j->rk, n == 0 ? 100 : 0);
		if (m == NULL)
			break;
		if (m->err == 0) {
			j->message[n++] = m;
			continue;
		}
		if (m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
			cmd_fail(j->a, "%s",
			    m->payload != NULL ? (const char *)m->payload : j->rd->err2str(m->err));
			j->over = m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || j->state.failed;
		}
		j->rd->message_destroy(m);
	}
	return n;
}

static struct range *
range_of(struct job *j, int *ranges, const char *topic, int32_t partition)
{
	for (int i = 0; i < *ranges; i++)
		if (j->range[i].partition == partition && strcmp(j->range[i].topic, topic) == 0)
			return &j->range[i];
	j->range[*ranges] = (struct range){.topic = topic, .partition = partition};
	return &j->range[(*ranges)++];
}

static void
say_record(const struct job *j, const rd_kafka_message_t *m)
{
	const char *topic = j->rd->topic_name(m->rkt);

	cmd_event("record_data");
	cmd_event_text("key", m->key, m->key_len);
	cmd_event_text("value", m->payload, m->len);
	cmd_event_text("topic", topic, strlen(topic));
	cmd_event_number("partition", m->partition);
	cmd_event_number("offset", m->offset);
	cmd_event_end();
}

static void
say_consumed(const struct job *j, int count, int ranges)
{
	cmd_event("records_consumed");
	cmd_event_number("count", count);
	fputs(",\"partitions\":[", stdout);
	for (int i = 0; i < ranges; i++) {
		printf("%s{\"topic\":\"%s\"", i == 0 ? "" : ",", j->range[i].topic);
		cmd_event_number("partition", j->range[i].partition);
		cmd_event_number("count", j->range[i].count);
		cmd_event_number("minOffset", j->range[i].first);
		cmd_event_number("maxOffset", j->range[i].last);
		putchar('}');
	}
	putchar(']');
	cmd_event_end();
}

static void
commit(struct job *j, int ranges)
{
	rd_kafka_topic_partition_list_t *list = j->rd->topic_partition_list_new(ranges);

	for (int i = 0; i < ranges; i++)
		j->rd->topic_partition_list_add(list, j->range[i].topic, j->range[i].partition)
		    ->offset = j->range[i].last + 1;
	rd_kafka_resp_err_t e = j->rd->commit(j->rk, list, 0);
	cmd_event("offsets_committed");
	fputs(",\"offsets\":[", stdout);
	for (int i = 0; i < ranges; i++) {
		printf("%s{\"topic\":\"%s\"", i == 0 ? "" : ",", j->range[i].topic);
		cmd_event_number("partition", j->range[i].partition);
		cmd_event_number("offset", j->range[i].last + 1);
		putchar('}');
	}
	putchar(']');
	if (e != 0)
		cmd_event_text("error", j->rd->err2str(e), strlen(j->rd->err2str(e)));
	printf(",\"success\":%s", e == 0 ? "true" : "false");
	cmd_event_end();
	j->rd->topic_partition_list_destroy(list);
}

/* Of a batch so much is taken as is still wanted; all of it is counted, as Kafka's program does. */
static void
take(struct job *j, int count)
{
	int ranges = 0;

	for (int i = 0; i < count && (j->most < 0 || j->got < j->most); i++, j->got++) {
		rd_kafka_message_t *m = j->message[i];
		struct range *r = range_of(j, &ranges, j->rd->topic_name(m->rkt), m->partition);
		r->first = r->count++ == 0 ? m->offset : r->first;
		r->last = m->offset;
		if (cmd_given(j->a, "verbose"))
			say_record(j, m);
	}
	say_consumed(j, count, ranges);
	if (!cmd_given(j->a, "enable-autocommit"))
		commit(j, ranges);
	for (int i = 0; i < count; i++)
		j->rd->message_destroy(j->message[i]);
}

static int
consume(struct job *j)
{
	rd_kafka_topic_partition_list_t *list = j->rd->topic_partition_list_new(1);
	rd_kafka_resp_err_t e;
	int n;

	j->rd->topic_partition_list_add(list, cmd_text(j->a, "topic"), RD_KAFKA_PARTITION_UA);
	e = j->rd->subscribe(j->rk, list);
	j->rd->topic_partition_list_destroy(list);
	if (e != 0)
		return cmd_fail(
		    j->a, "cannot subscribe to %s: %s", cmd_text(j->a, "topic"), j->rd->err2str(e));
	cmd_event_bare("startup_complete");
	while (
	    (j->most < 0 || j->got < j->most) && !cmd_rd_stopped() && !j->over && !j->state.failed)
		if ((n = gather(j)) > 0)
			take(j, n);
	if (cmd_rd_stopped())
		cmd_event_bare("shutdown_requested");
	j->rd->consumer_close(j->rk);
	cmd_event_bare("shutdown_complete");
	if (!cmd_rd_stopped())
		cmd_event_bare("shutdown_requested"); /* Kafka's is said by what runs at the exit of
							 its machine */
	return cmd_rd_stopped() ? 128 + cmd_rd_signal() : 0;
}

static int
check(struct job *j)
{
	const char *protocol = cmd_text(j->a, "group-protocol"),
		   *reset = cmd_text(j->a, "reset-policy");
	int rc = cmd_verifiable_check(j->a, "group-id");

	if (rc == 0 && strcasecmp(protocol, "classic") != 0
	    && strcasecmp(protocol, "consumer") != 0)
		rc = cmd_say("No enum constant org.apache.kafka.clients.consumer.GroupProtocol.%s",
		    protocol);
	if (rc == 0 && strcmp(reset, "earliest") != 0 && strcmp(reset, "latest") != 0
	    && strcmp(reset, "none") != 0)
		rc = cmd_say("Invalid value %s for configuration auto.offset.reset: it must be "
			     "earliest, latest or none",
		    reset);
	return rc;
}

/* Whether this librdkafka has the protocol of KIP-848. */
static bool
can_consumer(struct job *j)
{
	rd_kafka_conf_t *conf = j->rd->conf_new();
	char why[200];
	bool can = j->rd->conf_set(conf, "group.protocol", "consumer", why, sizeof why)
		   == RD_KAFKA_CONF_OK;

	j->rd->conf_destroy(conf);
	if (!can)
		cmd_fail(j->a, "--group-protocol consumer: this librdkafka knows the classic "
			       "protocol only; it needs 2.4 or newer");
	return can;
}

static bool
prepare(struct job *j)
{
	const struct cmd_args *a = j->a;
	const char *reset = cmd_text(a, "reset-policy");

	if ((j->rd = cmd_rd(a)) == NULL || !cmd_verifiable_props(a, "consumer.config", &j->props))
		return false;
	cmd_props_set(&j->props, "group.id", cmd_text(a, "group-id"));
	cmd_props_set(
	    &j->props, "enable.auto.commit", cmd_given(a, "enable-autocommit") ? "true" : "false");
	cmd_props_set(&j->props, "auto.offset.reset", strcmp(reset, "none") == 0 ? "error" : reset);
	if (cmd_given(a, "group-instance-id"))
		cmd_props_set(&j->props, "group.instance.id", cmd_text(a, "group-instance-id"));
	if (strcasecmp(cmd_text(a, "group-protocol"), "consumer") == 0) {
		cmd_props_set(&j->props, "group.protocol", "consumer");
		if (cmd_given(a, "group-remote-assignor"))
			cmd_props_set(&j->props, "group.remote.assignor",
			    cmd_text(a, "group-remote-assignor"));
		return can_consumer(j);
	}
	cmd_props_set(
	    &j->props, "partition.assignment.strategy", cmd_text(a, "assignment-strategy"));
	if (cmd_given(a, "session-timeout"))
		cmd_props_set(&j->props, "session.timeout.ms", cmd_text(a, "session-timeout"));
	return true;
}

static int
run(struct cmd_args *a)
{
	struct job *j = rk_new(struct job);
	int rc;

	j->a = a;
	j->most = cmd_number(a, "max-messages", -1);
	j->state.rebalance = rebalance;
	j->state.arg = j;
	j->state.grouped = true;
	if ((rc = check(j)) == 0
	    && (!prepare(j)
		|| (j->rk = cmd_rd_open(a, RD_KAFKA_CONSUMER, &j->props, &j->state)) == NULL))
		rc = 1;
	if (j->rk != NULL) {
		j->rd->poll_set_consumer(j->rk);
		rc = consume(j);
		j->rd->destroy(j->rk);
	}
	cmd_props_free(&j->props);
	rk_mem_put(j);
	return rc;
}

const struct cmd_spec cmd_verifiable_consumer_spec = {
    .name = "verifiable-consumer",
    .peer = "kafka-verifiable-consumer",
    .style = CMD_ARGPARSE,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Reads as a member of a group and says what it gets and commits, for tests.",
    .about = "Prints a line of JSON for each event: startup_complete, partitions_assigned, "
	     "partitions_revoked, "
	     "records_consumed, offsets_committed, with --verbose record_data, shutdown_requested, "
	     "shutdown_complete.",
    .help_exit = 1,
    .bare_exit = 0,
    .run = run,
};
