/* e2e_latency.c - rookery e2e-latency: how long a record takes from a producer to a consumer, one
 * at a time. */
#include <unistd.h>
#include "protocol/gen/create_topics.h"
#include "src/cmd/perf.h"
#include "src/cmd/rd.h"

static const struct cmd_opt opts[] = {
    {"bootstrap-server", CMD_TEXT, CMD_REQUIRED, 0, 0, "bootstrap-server", NULL,
	"Brokers: host:port,..."},
    {"command-config", CMD_TEXT, 0, 0, 0, "config-file", NULL,
	"A file of producer and consumer properties."},
    {"num-headers", CMD_INT, 0, 0, 0, "count", "0", "How many headers each record has."},
    {"num-records", CMD_INT, CMD_REQUIRED, 0, 0, "count", NULL, "How many records to send."},
    {"producer-acks", CMD_TEXT, CMD_REQUIRED, 0, 0, "producer-acks", NULL,
	"Who has to have a record: 1 or all."},
    {"record-header-key-size", CMD_INT, 0, 0, 0, "bytes", "0", "The size of a header's name."},
    {"record-header-size", CMD_INT, 0, 0, 0, "bytes", "0",
	"The size of a header's value; -1: null."},
    {"record-key-size", CMD_INT, 0, 0, 0, "bytes", "0", "The size of a record's key; 0: none."},
    {"record-size", CMD_INT, CMD_REQUIRED, 0, 0, "bytes", NULL, "The size of a record's value."},
    {"topic", CMD_TEXT, CMD_REQUIRED, 0, 0, "topic-name", NULL,
	"The topic; it is made when it is not there."},
};

enum { PATIENCE_MS = 60000 };

struct job {
	const struct cmd_args *a;
	const struct cmd_rd *rd;
	rd_kafka_t *producer, *consumer;
	struct cmd_rd_state out, in;
	/* From the options, or from their places in the old form. */
	const char *servers, *topic, *acks, *config;
	int64_t records, size, key_size, headers, header_key_size, header_size;
	char *value, *key, *header_key, *header;
	bool arrived; /* what was sent last, at the brokers */
	rd_kafka_resp_err_t err;
	uint64_t seed;
};

static void
letters(struct job *j, char *to, int64_t len)
{
	for (int64_t i = 0; i < len; i++) {
		j->seed = j->seed * 6364136223846793005u + 1442695040888963407u;
		to[i] = (char)('A' + (j->seed >> 33) % 26);
	}
}

static void
delivered(void *arg, const rd_kafka_message_t *m)
{
	struct job *j = arg;

	j->arrived = true;
	j->err = m->err;
}

static int
add_headers(struct job *j, rd_kafka_vu_t *v)
{
	rd_kafka_headers_t *h;

	if (j->headers <= 0)
		return 0;
	h = j->rd->headers_new((size_t)j->headers);
	for (int64_t i = 0; i < j->headers; i++) {
		letters(j, j->header_key, j->header_key_size);
		letters(j, j->header, j->header_size);
		j->rd->header_add(h, j->header_key, j->header_key_size,
		    j->header_size < 0 ? NULL : j->header, j->header_size < 0 ? 0 : j->header_size);
	}
	v->vtype = RD_KAFKA_VTYPE_HEADERS;
	v->u.headers = h;
	return 1;
}

static int
send_one(struct job *j)
{
	int64_t until = cmd_now_ms() + PATIENCE_MS;
	rd_kafka_vu_t v[5] = {{.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = j->topic},
	    {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
	    {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {j->value, (size_t)j->size}}};
	size_t n = 3;

	if (j->key_size > 0) {
		v[n].vtype = RD_KAFKA_VTYPE_KEY;
		v[n].u.mem.ptr = j->key;
		v[n++].u.mem.size = (size_t)j->key_size;
	}
	n += (size_t)add_headers(j, &v[n]);
	j->arrived = false;
	rd_kafka_error_t *e = j->rd->produceva(j->producer, v, n);
	if (e != NULL)
		return cmd_fail(j->a, "a record cannot be sent: %s", j->rd->error_string(e));
	while (!j->arrived && !cmd_rd_stopped() && cmd_now_ms() < until)
		j->rd->poll(j->producer, 100);
	if (!j->arrived)
		return cmd_fail(
		    j->a, "no answer from the brokers within %d seconds", PATIENCE_MS / 1000);
	return j->err == 0
		   ? 0
		   : cmd_fail(j->a, "a record was not delivered: %s", j->rd->err2str(j->err));
}

/* Whether what came is what was sent. */
static bool
same(struct job *j, const rd_kafka_message_t *m)
{
	rd_kafka_headers_t *h;
	const char *name;
	const void *at;
	size_t len, n = 0;

	if (m->len != (size_t)j->size || (m->len > 0 && memcmp(m->payload, j->value, m->len) != 0))
		return false;
	if ((m->key == NULL ? 0 : m->key_len) != (size_t)j->key_size
	    || (j->key_size > 0 && memcmp(m->key, j->key, m->key_len) != 0))
		return false;
	if (j->rd->message_headers(m, &h) == 0)
		while (j->rd->header_get_all(h, n, &name, &at, &len) == 0)
			n++;
	return n == (size_t)j->headers;
}

static int
receive_one(struct job *j)
{
	int64_t until = cmd_now_ms() + PATIENCE_MS;

	while (!cmd_rd_stopped() && !j->in.failed && cmd_now_ms() < until) {
		rd_kafka_message_t *m = j->rd->consumer_poll(j->consumer, 100);
		if (m == NULL)
			continue;
		rd_kafka_resp_err_t e = m->err;
		bool good = e == 0 && same(j, m);
		j->rd->message_destroy(m);
		if (e != 0 && e != RD_KAFKA_RESP_ERR__PARTITION_EOF)
			cmd_fail(j->a, "%s", j->rd->err2str(e));
		else if (e == 0)
			return good ? 0
				    : cmd_fail(j->a, "the record that was read is not the one that "
						     "was sent: does another "
						     "write to the topic?");
	}
	return cmd_fail(j->a,
	    cmd_rd_stopped() ? "ended"
			     : "poll() timed out before finding a result (timeout:[%dms])",
	    PATIENCE_MS);
}

static int
by_size(const void *a, const void *b)
{
	const int64_t *p = a, *q = b;

	return (*p > *q) - (*p < *q);
}

static int
measure(struct job *j)
{
	int64_t *took = rk_mem_get((size_t)j->records * sizeof *took);
	double sum_us = 0;
	char text[40];
	int rc = 0;

	for (int64_t i = 0; i < j->records && rc == 0; i++) {
		letters(j, j->value, j->size);
		letters(j, j->key, j->key_size);
		int64_t begin_us = cmd_perf_us();
		if ((rc = send_one(j)) != 0 || (rc = receive_one(j)) != 0)
			break;
		int64_t us = cmd_perf_us() - begin_us;
		if (i % 1000 == 0) {
			printf("%" PRId64 "\t%s\n", i, cmd_double((double)us / 1000, text));
			fflush(stdout);
		}
		sum_us += (double)us;
		took[i] = us / 1000;
	}
	if (rc == 0) {
		qsort(took, (size_t)j->records, sizeof *took, by_size);
		printf("Avg latency: %.4f ms\n", sum_us / (double)j->records / 1000);
		printf("Percentiles: 50th = %" PRId64 ", 99th = %" PRId64 ", 99.9th = %" PRId64
		       "\n",
		    took[(int64_t)((double)j->records * 0.5)],
		    took[(int64_t)((double)j->records * 0.99)],
		    took[(int64_t)((double)j->records * 0.999)]);
	}
	rk_mem_put(took);
	return rc;
}

/* --- before the first record */

static int
create(struct job *j)
{
	struct kp_create_topics_req_topics t = {
	    .name = rk_str_of(j->topic), .num_partitions = 1, .replication_factor = 1};
	struct kp_create_topics_req req;
	struct kp_create_topics_res res;
	struct cmd_client c;
	int rc = 0;

	printf("Topic \"%s\" does not exist. Will create topic with 1 partition(s) and replication "
	       "factor = 1\n",
	    j->topic);
	kp_defaults(kp_api(KP_CREATE_TOPICS)->req, &req);
	req.topics.at = &t;
	req.topics.len = 1;
	if (!cmd_client_open(&c, j->servers, j->config, false)
	    || !cmd_client_call(&c, CMD_ANY, KP_CREATE_TOPICS, &req, &res))
		rc = cmd_fail(j->a, "%s", c.why);
	else if (res.topics.len != 1 || res.topics.at[0].error_code != 0)
		rc = cmd_fail(j->a, "the topic cannot be made: %s",
		    res.topics.len != 1 ? "no answer"
					: cmd_client_says(&c, res.topics.at[0].error_code,
					      res.topics.at[0].error_message));
	cmd_client_close(&c);
	return rc;
}

/* From the end of every partition on: what is there now is known before anything is sent. */
static int
assign(struct job *j, const struct rd_kafka_metadata_topic *t)
{
	rd_kafka_topic_partition_list_t *list = j->rd->topic_partition_list_new(t->partition_cnt);
	rd_kafka_resp_err_t e = 0;
	int64_t low, high;

	for (int i = 0; i < t->partition_cnt && e == 0; i++) {
		e = j->rd->query_watermark_offsets(
		    j->consumer, j->topic, t->partitions[i].id, &low, &high, 10000);
		j->rd->topic_partition_list_add(list, j->topic, t->partitions[i].id)->offset = high;
	}
	if (e == 0)
		e = j->rd->assign(j->consumer, list);
	j->rd->topic_partition_list_destroy(list);
	return e == 0 ? 0
		      : cmd_fail(
			    j->a, "the ends of %s are not known: %s", j->topic, j->rd->err2str(e));
}

/* Whether all partitions have a leader. */
static bool
whole(const struct rd_kafka_metadata_topic *t)
{
	bool all = t->err == 0 && t->partition_cnt > 0;

	for (int i = 0; i < t->partition_cnt; i++)
		all = all && t->partitions[i].leader >= 0;
	return all;
}

/* The producer knows the topic before the first record is timed. */
static void
tell_producer(struct job *j)
{
	rd_kafka_topic_t *handle = j->rd->topic_new(j->producer, j->topic, NULL);
	const struct rd_kafka_metadata *md;

	if (j->rd->metadata(j->producer, 0, handle, &md, 10000) == 0)
		j->rd->metadata_destroy(md);
	j->rd->topic_destroy(handle);
}

static int
find_topic(struct job *j)
{
	rd_kafka_topic_t *handle = j->rd->topic_new(j->consumer, j->topic, NULL);
	const struct rd_kafka_metadata *md;
	bool made = false, done = false;
	int rc = 0;

	for (int tries = 0; tries < 100 && rc == 0 && !done && !cmd_rd_stopped(); tries++) {
		rd_kafka_resp_err_t e = j->rd->metadata(j->consumer, 0, handle, &md, 10000);
		if (e != 0) {
			rc = cmd_fail(j->a, "no metadata: %s", j->rd->err2str(e));
			break;
		}
		if ((done = md->topic_cnt == 1 && whole(&md->topics[0])))
			rc = assign(j, &md->topics[0]);
		else if (!made && (made = true) && md->topic_cnt == 1
			 && md->topics[0].err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
			rc = create(j);
		else
			cmd_perf_sleep_us(100000);
		j->rd->metadata_destroy(md);
	}
	j->rd->topic_destroy(handle);
	return rc != 0 || done ? rc : cmd_fail(j->a, "topic %s has no leader", j->topic);
}

static bool
open_both(struct job *j)
{
	struct cmd_props out = {0}, in = {0};

	if (j->config != NULL
	    && (!cmd_props_read(&out, j->config) || !cmd_props_read(&in, j->config))) {
		cmd_say("%s: %s", j->config, strerror(errno));
		return false;
	}
	cmd_props_set(&out, "bootstrap.servers", j->servers);
	cmd_props_set(&in, "bootstrap.servers", j->servers);
	cmd_props_set(&out, "linger.ms", "0");
	cmd_props_set(&out, "acks", j->acks);
	cmd_props_set(&in, "enable.auto.commit", "false");
	cmd_props_set(&in, "allow.auto.create.topics", "false");
	if (cmd_props_get(&in, "group.id") == NULL)
		cmd_props_set(
		    &in, "group.id", "e2e-latency"); /* librdkafka wants one; nobody joins it */
	j->out.delivered = delivered;
	j->out.arg = j;
	bool ok = (j->rd = cmd_rd(j->a)) != NULL
		  && (j->producer = cmd_rd_open(j->a, RD_KAFKA_PRODUCER, &out, &j->out)) != NULL
		  && (j->consumer = cmd_rd_open(j->a, RD_KAFKA_CONSUMER, &in, &j->in)) != NULL;
	if (ok)
		j->rd->poll_set_consumer(j->consumer);
	cmd_props_free(&out);
	cmd_props_free(&in);
	return ok;
}

/* The old form: the values alone, in their order. Returns -1: it is the new one; else as check. */
static int
positional(struct job *j)
{
	const struct cmd_args *a = j->a;
	const char **v = a->rest;
	int64_t n;

	if (a->count > 0)
		return -1;
	if (a->rest_count != 5 && a->rest_count != 6)
		return cmd_say("Invalid number of arguments. Expected 5 or 6 positional arguments, "
			       "but got %u. Usage: "
			       "bootstrap-server topic num-records producer-acks record-size "
			       "[optional] command-config",
		    a->rest_count);
	fputs("WARNING: Positional argument usage is deprecated and will be removed in Apache "
	      "Kafka 5.0. Please use named "
	      "arguments instead: --bootstrap-server, --topic, --num-records, --producer-acks, "
	      "--record-size, "
	      "--command-config\n",
	    stderr);
	for (int i = 2; i < 5; i += 2) {
		if (!rk_str_int(rk_str_of(v[i]), &n) || n != (int32_t)n)
			return cmd_say("Cannot parse argument '%s' of option %s", v[i],
			    i == 2 ? "num-records" : "record-size");
		*(i == 2 ? &j->records : &j->size) = n;
	}
	j->servers = v[0];
	j->topic = v[1];
	j->acks = v[3];
	j->config = a->rest_count == 6 ? v[5] : NULL;
	return 0;
}

static int
named(struct job *j)
{
	const struct cmd_args *a = j->a;
	int rc = cmd_require(
	    a, "bootstrap-server", "topic", "num-records", "producer-acks", "record-size", NULL);

	if (rc != 0)
		return rc;
	j->servers = cmd_text(a, "bootstrap-server");
	j->topic = cmd_text(a, "topic");
	j->acks = cmd_text(a, "producer-acks");
	j->config = cmd_text(a, "command-config");
	j->records = cmd_number(a, "num-records", 0);
	j->size = cmd_number(a, "record-size", 0);
	j->key_size = cmd_number(a, "record-key-size", 0);
	j->headers = cmd_number(a, "num-headers", 0);
	j->header_key_size = cmd_number(a, "record-header-key-size", 0);
	j->header_size = cmd_number(a, "record-header-size", 0);
	return 0;
}

static int
check(struct job *j)
{
	int rc = positional(j);

	if (rc < 0)
		rc = named(j);
	if (rc != 0)
		return rc;
	if (j->records <= 0)
		return cmd_usage(j->a, "Value for --num-records must be a positive integer.");
	if (strcmp(j->acks, "1") != 0 && strcmp(j->acks, "all") != 0)
		return cmd_usage(j->a, "Invalid value for --producer-acks. Latency testing "
				       "requires synchronous acknowledgement. "
				       "Please use '1' or 'all'.");
	if (j->size < 0)
		return cmd_usage(j->a, "Value for --record-size must be a non-negative integer.");
	if (j->key_size < 0)
		return cmd_usage(
		    j->a, "Value for --record-key-size must be a non-negative integer.");
	if (j->headers < 0)
		return cmd_usage(j->a, "Value for --num-headers must be a non-negative integer.");
	if (j->header_key_size < 0)
		return cmd_usage(
		    j->a, "Value for --record-header-key-size must be a non-negative integer.");
	return j->header_size >= -1
		   ? 0
		   : cmd_usage(j->a,
			 "Value for --record-header-size must be a non-negative integer or -1 for "
			 "null header value.");
}

static int
run(struct cmd_args *a)
{
	struct job j = {.a = a, .seed = (uint64_t)cmd_perf_wall_ms()};
	int rc = check(&j);

	if (rc != 0)
		return rc;
	j.value = rk_mem_get((size_t)j.size + 1);
	j.key = rk_mem_get((size_t)j.key_size + 1);
	j.header_key = rk_mem_get((size_t)j.header_key_size + 1);
	j.header = rk_mem_get((size_t)rk_max(j.header_size, 0) + 1);
	if (!open_both(&j))
		rc = 1;
	else if ((rc = find_topic(&j)) == 0) {
		tell_producer(&j);
		rc = measure(&j);
	}
	if (j.consumer != NULL) {
		j.rd->consumer_close(j.consumer);
		j.rd->destroy(j.consumer);
	}
	if (j.producer != NULL)
		j.rd->destroy(j.producer);
	rk_mem_put(j.value);
	rk_mem_put(j.key);
	rk_mem_put(j.header_key);
	rk_mem_put(j.header);
	return rc;
}

const struct cmd_spec cmd_e2e_latency_spec = {
    .name = "e2e-latency",
    .peer = "kafka-e2e-latency",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Measures how long a record takes from a producer to a consumer.",
    .about = "Sends one record at a time and waits until it is read again. Prints the time of the "
	     "first and of every "
	     "thousandth, the average, and percentiles, in milliseconds. A topic that is not there "
	     "is made, with one "
	     "partition and one replica.",
    .odd_usage = true,
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
