/* consumer_perf_test.c - rookery consumer-perf-test: how fast a consumer is. */
#include "src/cmd/perf.h"
#include "src/cmd/rd.h"

static const struct cmd_opt opts[] = {
    {"bootstrap-server", CMD_TEXT, CMD_REQUIRED, 0, 0, "server to connect to", NULL,
	"Brokers: host:port,..."},
    {"command-config", CMD_TEXT, 0, 0, 0, "config file", NULL, "A file of consumer properties."},
    {"command-property", CMD_TEXT, CMD_REPEAT, 0, 0, "prop1=val1", NULL,
	"A consumer property; it wins over --command-config."},
    {"consumer.config", CMD_TEXT, CMD_OLD, 0, 0, "config file", NULL, "As --command-config."},
    {"date-format", CMD_TEXT, 0, 0, 0, "date format", "yyyy-MM-dd HH:mm:ss:SSS",
	"How times are printed, as Java's SimpleDateFormat."},
    {"fetch-size", CMD_INT, 0, 0, 0, "size", "1048576",
	"Bytes to fetch from one partition at a time."},
    {"from-latest", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Begin with the newest record where no offset is known, not with the oldest."},
    {"group", CMD_TEXT, 0, 0, 0, "gid", NULL,
	"Read as a member of this group. Without it all partitions are read, in no group."},
    {"hide-header", CMD_FLAG, 0, 0, 0, NULL, NULL, "Leave out the line of names."},
    {"include", CMD_TEXT, 0, 0, 0, "Java regex (String)", NULL,
	"The topics whose name matches; instead of --topic."},
    {"messages", CMD_LONG, CMD_OLD, 0, 0, "count", NULL, "As --num-records."},
    {"num-records", CMD_LONG, CMD_REQUIRED, 0, 0, "count", NULL, "How many records to read."},
    {"print-metrics", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"At the end print librdkafka's statistics, as JSON."},
    {"reporting-interval", CMD_LONG, 0, 0, 0, "interval_ms", "5000",
	"With --show-detailed-stats: how often."},
    {"show-detailed-stats", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"A line each interval instead of one at the end."},
    {"socket-buffer-size", CMD_INT, 0, 0, 0, "size", "2097152",
	"Bytes of the socket's receive buffer."},
    {"timeout", CMD_MAYBE, 0, 0, 0, "milliseconds", "10000",
	"End when no record comes for so long."},
    {"topic", CMD_TEXT, 0, 0, 0, "topic", NULL, "The topic to read."},
};

struct job {
	const struct cmd_args *a;
	const struct cmd_rd *rd;
	rd_kafka_t *rk;
	struct cmd_rd_state state;
	struct cmd_props props;
	int64_t count, bytes, began_us, join_us, joining_us; /* joining_us: since when; 0: not */
	int64_t last_us, last_count, last_bytes, last_join_us;
	const char *dates;
};

static struct job
    *joining; /* for the callback, which gets the state only; commands have one thread */

static void
rebalance(
    rd_kafka_t *rk, rd_kafka_resp_err_t e, rd_kafka_topic_partition_list_t *list, void *opaque)
{
	struct job *j = joining;

	(void)opaque;
	if (e == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		j->rd->assign(rk, list);
		j->join_us += j->joining_us == 0 ? 0 : cmd_perf_us() - j->joining_us;
		j->joining_us = 0;
	} else {
		j->rd->assign(rk, NULL);
		j->joining_us = cmd_perf_us();
	}
}

static int
all_partitions(struct job *j)
{
	const char *topic = cmd_text(j->a, "topic"), *include = cmd_text(j->a, "include");
	rd_kafka_topic_partition_list_t *list = j->rd->topic_partition_list_new(8);
	rd_kafka_topic_t *handle = topic == NULL ? NULL : j->rd->topic_new(j->rk, topic, NULL);
	const struct rd_kafka_metadata *md;
	struct cmd_regex *re = NULL;
	char why[200];
	int rc = 0;

	if (include != NULL && (re = cmd_regex_topics(include, why, sizeof why)) == NULL)
		return cmd_fail(j->a, "--include: %s", why);
	rd_kafka_resp_err_t e = j->rd->metadata(j->rk, topic == NULL, handle, &md, 10000);
	if (e != 0)
		rc = cmd_fail(j->a, "no metadata: %s", j->rd->err2str(e));
	for (int i = 0; e == 0 && i < md->topic_cnt; i++)
		for (int k = 0; k < md->topics[i].partition_cnt; k++)
			if (re == NULL || cmd_regex_is(re, rk_str_of(md->topics[i].topic)))
				j->rd
				    ->topic_partition_list_add(
					list, md->topics[i].topic, md->topics[i].partitions[k].id)
				    ->offset = cmd_given(j->a, "from-latest")
						   ? RD_KAFKA_OFFSET_END
						   : RD_KAFKA_OFFSET_BEGINNING;
	if (e == 0)
		j->rd->metadata_destroy(md);
	if (rc == 0 && list->cnt == 0)
		rc = cmd_fail(j->a, "there is no partition to read: does the topic exist?");
	if (rc == 0)
		j->rd->assign(j->rk, list);
	j->rd->topic_partition_list_destroy(list);
	if (handle != NULL)
		j->rd->topic_destroy(handle);
	cmd_regex_free(re);
	return rc;
}

static int
subscribe(struct job *j)
{
	rd_kafka_topic_partition_list_t *list = j->rd->topic_partition_list_new(1);
	const char *include = cmd_text(j->a, "include");
	char name[600];

	snprintf(name, sizeof name, include != NULL ? "^(%s)$" : "%s",
	    include != NULL ? include : cmd_text(j->a, "topic"));
	j->rd->topic_partition_list_add(list, name, RD_KAFKA_PARTITION_UA);
	rd_kafka_resp_err_t e = j->rd->subscribe(j->rk, list);
	j->rd->topic_partition_list_destroy(list);
	j->joining_us = cmd_perf_us();
	return e == 0 ? 0 : cmd_fail(j->a, "cannot subscribe to %s: %s", name, j->rd->err2str(e));
}

static double
per(double amount, int64_t us)
{
	return us <= 0 ? 0 : amount / ((double)us / 1e6);
}

/* What came between two moments; the time spent joining a group does not count as fetching. */
static void
print_rates(const struct job *j, int64_t bytes, int64_t count, int64_t us, int64_t join_us)
{
	double mb = (double)bytes / 1048576;

	printf(", %.4f, %.4f, %" PRId64 ", %.4f, %" PRId64 ", %" PRId64 ", %.4f, %.4f\n",
	    (double)j->bytes / 1048576, per(mb, us), j->count, per((double)count, us),
	    join_us / 1000, (us - join_us) / 1000, per(mb, us - join_us),
	    per((double)count, us - join_us));
	fflush(stdout);
}

static void
interval(struct job *j, int64_t now)
{
	char text[64];

	cmd_perf_date(cmd_perf_wall_ms(), j->dates, text, sizeof text);
	printf("%s, 0", text);
	print_rates(j, j->bytes - j->last_bytes, j->count - j->last_count, now - j->last_us,
	    j->join_us - j->last_join_us);
	j->last_us = now;
	j->last_bytes = j->bytes;
	j->last_count = j->count;
	j->last_join_us = j->join_us;
}

static void
consume(struct job *j, int64_t most)
{
	int64_t patience = cmd_number(j->a, "timeout", 10000) * 1000, heard_us = cmd_perf_us();
	int64_t each_us = cmd_number(j->a, "reporting-interval", 5000) * 1000;
	bool detailed = cmd_given(j->a, "show-detailed-stats");

	while (j->count < most && !cmd_rd_stopped() && !j->state.failed) {
		rd_kafka_message_t *m = j->rd->consumer_poll(j->rk, 100);
		int64_t now = cmd_perf_us();
		if (m != NULL && m->err == 0) {
			j->count++;
			j->bytes += (int64_t)m->len + (m->key == NULL ? 0 : (int64_t)m->key_len);
			heard_us = now;
		} else if (m != NULL && m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
			cmd_fail(j->a, "%s",
			    m->payload != NULL ? (const char *)m->payload : j->rd->err2str(m->err));
		}
		if (m != NULL)
			j->rd->message_destroy(m);
		if (detailed && now - j->last_us >= each_us)
			interval(j, now);
		if (now - heard_us >= patience) {
			printf("WARNING: Exiting before consuming the expected number of records: "
			       "timeout (%" PRId64 " ms) exceeded. You can use "
			       "the --timeout option to increase the timeout.\n",
			    patience / 1000);
			break;
		}
	}
}

static void
measure(struct job *j, int64_t most)
{
	int64_t start_ms = cmd_perf_wall_ms();
	bool detailed = cmd_given(j->a, "show-detailed-stats");
	char from[64], to[64];

	if (!cmd_given(j->a, "hide-header"))
		printf("%s, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, "
		       "rebalance.time.ms, fetch.time.ms, fetch.MB.sec, "
		       "fetch.nMsg.sec\n",
		    detailed ? "time, threadId" : "start.time, end.time");
	consume(j, most);
	if (detailed)
		return;
	cmd_perf_date(start_ms, j->dates, from, sizeof from);
	cmd_perf_date(cmd_perf_wall_ms(), j->dates, to, sizeof to);
	printf("%s, %s", from, to);
	print_rates(j, j->bytes, j->count, cmd_perf_us() - j->began_us, j->join_us);
}

static int
prepare(struct job *j)
{
	static const char *const lists[] = {"command-property", NULL};
	const struct cmd_args *a = j->a;

	if (!cmd_perf_props(a,
		cmd_text(a, cmd_given(a, "command-config") ? "command-config" : "consumer.config"),
		lists, &j->props))
		return 1;
	cmd_props_set(&j->props, "bootstrap.servers", cmd_text(a, "bootstrap-server"));
	cmd_props_set(&j->props, "receive.buffer.bytes", cmd_text(a, "socket-buffer-size"));
	cmd_props_set(&j->props, "max.partition.fetch.bytes", cmd_text(a, "fetch-size"));
	cmd_props_set(&j->props, "check.crcs", "false");
	cmd_props_set(
	    &j->props, "auto.offset.reset", cmd_given(a, "from-latest") ? "latest" : "earliest");
	if (cmd_props_get(&j->props, "client.id") == NULL)
		cmd_props_set(&j->props, "client.id", "perf-consumer-client");
	cmd_props_set(
	    &j->props, "group.id", cmd_given(a, "group") ? cmd_text(a, "group") : "perf-consumer");
	if (!cmd_given(a, "group"))
		cmd_props_set(&j->props, "enable.auto.commit", "false");
	if (cmd_given(a, "print-metrics"))
		cmd_props_set(&j->props, "statistics.interval.ms", "500");
	return 0;
}

static int
run(struct cmd_args *a)
{
	struct job j = {.a = a, .dates = cmd_text(a, "date-format")};
	int64_t most = cmd_number(a, cmd_given(a, "messages") ? "messages" : "num-records", 0);
	int rc;

	if (cmd_given(a, "messages") == cmd_given(a, "num-records"))
		return cmd_usage(a, "Exactly one of the following arguments is required: "
				    "[messages], [num-records]");
	if (cmd_given(a, "topic") == cmd_given(a, "include"))
		return cmd_usage(
		    a, "Exactly one of the following arguments is required: [topic], [include]");
	if ((rc = cmd_require(a, "bootstrap-server", NULL)) != 0 || (rc = prepare(&j)) != 0)
		return rc;
	joining = &j;
	j.state.grouped = cmd_given(a, "group");
	j.state.rebalance = cmd_given(a, "group") ? rebalance : NULL;
	if ((j.rd = cmd_rd(a)) == NULL
	    || (j.rk = cmd_rd_open(a, RD_KAFKA_CONSUMER, &j.props, &j.state)) == NULL)
		return 1;
	j.rd->poll_set_consumer(j.rk);
	j.began_us = j.last_us = cmd_perf_us();
	if ((rc = cmd_given(a, "group") ? subscribe(&j) : all_partitions(&j)) == 0)
		measure(&j, most);
	if (cmd_given(a, "print-metrics") && j.state.statistics != NULL)
		printf("\n%s\n", j.state.statistics);
	j.rd->consumer_close(j.rk);
	j.rd->destroy(j.rk);
	rk_mem_put(j.state.statistics);
	cmd_props_free(&j.props);
	return rc != 0 || j.state.failed;
}

const struct cmd_spec cmd_consumer_perf_test_spec = {
    .name = "consumer-perf-test",
    .peer = "kafka-consumer-perf-test",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Measures a consumer: records and bytes a second.",
    .about = "The consumer is librdkafka's. Without --group all partitions are read in no group; "
	     "rebalance.time.ms is then 0.",
    .odd_usage = true,
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
