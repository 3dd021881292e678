/* verifiable_producer.c - rookery verifiable-producer: sends numbers and says of each what became
 * of it. */
#include "src/cmd/perf.h"
#include "src/cmd/verifiable.h"

static const struct cmd_opt opts[] = {
    {"topic", CMD_TEXT, CMD_REQUIRED, 0, 0, "TOPIC", NULL, "The topic."},
    {"max-messages", CMD_INT, 0, 0, 0, "MAX-MESSAGES", "-1",
	"How many records; -1: until it is ended."},
    {"throughput", CMD_INT, 0, 0, 0, "THROUGHPUT", "-1",
	"About so many records a second; -1: as fast as it goes."},
    {"acks", CMD_INT, 0, 0, 0, "ACKS", "-1",
	"Who has to have a record before it counts: 0 nobody, 1 the leader, -1 all in sync."},
    {"producer.config", CMD_TEXT, CMD_OLD, 0, 0, "CONFIG-FILE", NULL, "As --command-config."},
    {"message-create-time", CMD_LONG, 0, 0, 0, "CREATE-TIME", "-1",
	"The time of the first record, in ms since 1970; it goes on from there as time does."},
    {"value-prefix", CMD_INT, 0, 0, 0, "VALUE-PREFIX", NULL,
	"A number before each value, with a dot between."},
    {"repeating-keys", CMD_INT, 0, 0, 0, "REPEATING-KEYS", NULL,
	"Keys from 0 up to, not including, this, again and again."},
    {"command-config", CMD_TEXT, 0, 0, 0, "CONFIG-FILE", NULL,
	"A file of producer properties; the options win over it."},
    {"bootstrap-server", CMD_TEXT, CMD_REQUIRED, 0, 0, "HOST1:PORT1[,HOST2:PORT2[...]]", NULL,
	"Brokers: host:port,..."},
};

struct job {
	const struct cmd_args *a;
	const struct cmd_rd *rd;
	rd_kafka_t *rk;
	struct cmd_rd_state state;
	struct cmd_props props;
	const char *topic;
	int64_t sent, acked, began_ms;
};

/* The class of Kafka's that stands for an error. */
static const char *
class_of(rd_kafka_resp_err_t e, char *to, size_t size)
{
	if (e > 0)
		return cmd_java_error(rk_err_of_wire((int16_t)e), to, size);
	if (e == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT || e == RD_KAFKA_RESP_ERR__TIMED_OUT)
		return "org.apache.kafka.common.errors.TimeoutException";
	if (e == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || e == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
		return "org.apache.kafka.common.errors.UnknownTopicOrPartitionException";
	return "org.apache.kafka.common.KafkaException";
}

static void
say_error(const struct job *j, const void *key, size_t key_len, const void *value, size_t len,
    rd_kafka_resp_err_t e)
{
	const char *why = j->rd->err2str(e);
	char name[100], text[120];
	int n = snprintf(text, sizeof text, "class %s", class_of(e, name, sizeof name));

	cmd_event("producer_send_error");
	cmd_event_text("topic", j->topic, strlen(j->topic));
	cmd_event_text("key", key, key_len);
	cmd_event_text("value", value, len);
	cmd_event_text("exception", text, (size_t)n);
	cmd_event_text("message", why, strlen(why));
	cmd_event_end();
}

static void
delivered(void *arg, const rd_kafka_message_t *m)
{
	struct job *j = arg;

	if (m->err != 0) {
		say_error(j, m->key, m->key_len, m->payload, m->len, m->err);
		return;
	}
	j->acked++;
	cmd_event("producer_send_success");
	cmd_event_text("key", m->key, m->key_len);
	cmd_event_text("value", m->payload, m->len);
	cmd_event_number("offset", rk_max(m->offset, -1)); /* acks=0: nobody tells */
	cmd_event_text("topic", j->topic, strlen(j->topic));
	cmd_event_number("partition", m->partition);
	cmd_event_end();
}

static void
send_one(struct job *j, int64_t i)
{
	char value[64], key[24];
	int n = cmd_given(j->a, "value-prefix")
		    ? snprintf(value, sizeof value, "%" PRId64 ".%" PRId64,
			  cmd_number(j->a, "value-prefix", 0), i)
		    : snprintf(value, sizeof value, "%" PRId64, i);
	int64_t keys = cmd_number(j->a, "repeating-keys", 0),
		at_ms = cmd_number(j->a, "message-create-time", -1);
	rd_kafka_vu_t v[5] = {{.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = j->topic},
	    {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
	    {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {value, (size_t)n}}};
	size_t parts = 3, key_len = 0;

	if (cmd_given(j->a, "repeating-keys")) {
		key_len = (size_t)snprintf(key, sizeof key, "%" PRId64, keys > 0 ? i % keys : i);
		v[parts].vtype = RD_KAFKA_VTYPE_KEY;
		v[parts].u.mem.ptr = key;
		v[parts++].u.mem.size = key_len;
	}
	if (at_ms >= 0) {
		v[parts].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
		v[parts++].u.i64 = at_ms + cmd_perf_wall_ms() - j->began_ms;
	}
	j->sent++;
	for (;;) {
		rd_kafka_error_t *e = j->rd->produceva(j->rk, v, parts);
		rd_kafka_resp_err_t code = e == NULL ? 0 : j->rd->error_code(e);
		if (e != NULL)
			j->rd->error_destroy(e);
		if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL && !cmd_rd_stopped()) {
			j->rd->poll(j->rk, 100);
			continue;
		}
		if (code != 0)
			say_error(j, key_len > 0 ? key : NULL, key_len, value, (size_t)n, code);
		return;
	}
}

/* Waits until so many records may have been sent. */
static void
hold_back(struct job *j, int64_t begin_us)
{
	int64_t rate = cmd_number(j->a, "throughput", -1);

	while (rate >= 0 && !cmd_rd_stopped()) {
		int64_t early =
		    rate == 0 ? 100000 : begin_us + j->sent * 1000000 / rate - cmd_perf_us();
		if (early <= 0)
			break;
		j->rd->poll(j->rk, (int)rk_min(early / 1000 + 1, 100));
	}
}

/* Asks for the topic first: librdkafka may take a second to do it by itself. What is wrong with it,
 * the records tell. */
static void
know_topic(struct job *j)
{
	rd_kafka_topic_t *handle = j->rd->topic_new(j->rk, j->topic, NULL);
	const struct rd_kafka_metadata *md;

	if (handle == NULL)
		return;
	if (j->rd->metadata(j->rk, 0, handle, &md, 5000) == 0)
		j->rd->metadata_destroy(md);
	j->rd->topic_destroy(handle);
}

static void
produce(struct job *j)
{
	int64_t most = cmd_number(j->a, "max-messages", -1), begin_us = cmd_perf_us();

	for (int64_t i = 0; (most < 0 || i < most) && !cmd_rd_stopped() && !j->state.failed; i++) {
		send_one(j, i);
		j->rd->poll(j->rk, 0);
		hold_back(j, begin_us);
	}
	while (j->rd->outq_len(j->rk) > 0 && !j->state.failed)
		j->rd->flush(j->rk, 100);
}

static void
say_end(const struct job *j)
{
	int64_t took_ms = rk_max(cmd_perf_wall_ms() - j->began_ms, 1);
	char rate[40];

	cmd_event_bare("shutdown_complete");
	cmd_event("tool_data");
	cmd_event_number("sent", j->sent);
	cmd_event_number("acked", j->acked);
	cmd_event_number("target_throughput", cmd_number(j->a, "throughput", -1));
	printf(",\"avg_throughput\":%s",
	    cmd_double(1000 * ((double)j->acked / (double)took_ms), rate));
	cmd_event_end();
}

static int
check(const struct cmd_args *a)
{
	int64_t acks = cmd_number(a, "acks", -1);
	int rc = cmd_verifiable_check(a, NULL);

	if (rc == 0 && (acks < -1 || acks > 1))
		rc = cmd_usage(a, "argument --acks: invalid choice (choose from 0, 1, -1)");
	return rc;
}

static int
run(struct cmd_args *a)
{
	struct job j = {.a = a, .topic = cmd_text(a, "topic"), .began_ms = cmd_perf_wall_ms()};
	int rc = check(a);

	if (rc != 0)
		return rc;
	if (!cmd_verifiable_props(a, "producer.config", &j.props))
		return 1;
	cmd_props_set(&j.props, "acks", cmd_text(a, "acks"));
	cmd_props_set(
	    &j.props, "retries", "0"); /* what failed is to be seen, not to be tried again */
	cmd_props_set(&j.props, "partitioner", "murmur2_random");
	j.state.delivered = delivered;
	j.state.arg = &j;
	j.state.quiet = true;
	if ((j.rd = cmd_rd(a)) == NULL
	    || (j.rk = cmd_rd_open(a, RD_KAFKA_PRODUCER, &j.props, &j.state)) == NULL) {
		cmd_props_free(&j.props);
		return 1;
	}
	cmd_event_bare("startup_complete");
	know_topic(&j);
	produce(&j);
	say_end(&j);
	j.rd->destroy(j.rk);
	cmd_props_free(&j.props);
	return cmd_rd_stopped() ? 128 + cmd_rd_signal() : j.state.failed;
}

const struct cmd_spec cmd_verifiable_producer_spec = {
    .name = "verifiable-producer",
    .peer = "kafka-verifiable-producer",
    .style = CMD_ARGPARSE,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Sends numbers and says of each what became of it, for tests.",
    .about =
	"Sends 0, 1, 2, ... as records and prints a line of JSON for each event: startup_complete, "
	"producer_send_success and producer_send_error for each record, shutdown_complete and "
	"tool_data at the end. "
	"A record that could not be delivered is not sent again.",
    .help_exit = 1,
    .bare_exit = 0,
    .run = run,
};
