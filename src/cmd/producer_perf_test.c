/* producer_perf_test.c - rookery producer-perf-test: how fast a producer is, and how long records
 * take. */
#include "src/cmd/perf.h"
#include "src/cmd/rd.h"

static const struct cmd_opt opts[] = {
    {"bootstrap-server", CMD_TEXT, 0, 0, 0, "BOOTSTRAP-SERVER", NULL, "Brokers: host:port,..."},
    {"topic", CMD_TEXT, CMD_REQUIRED, 0, 0, "TOPIC", NULL, "The topic to produce to."},
    {"num-records", CMD_LONG, CMD_REQUIRED, 0, 0, "NUM-RECORDS", NULL, "How many records to send."},
    {"payload-delimiter", CMD_TEXT, 0, 0, 0, "PAYLOAD-DELIMITER", "\\n",
	"What parts the payloads in --payload-file."},
    {"throughput", CMD_TEXT, CMD_REQUIRED, 0, 0, "THROUGHPUT", NULL,
	"Records a second, about; -1 is as fast as it goes."},
    {"producer-props", CMD_MANY, CMD_OLD, 0, 0, "PROP-NAME=PROP-VALUE", NULL,
	"As --command-property."},
    {"command-property", CMD_MANY, 0, 0, 0, "PROP-NAME=PROP-VALUE", NULL,
	"Producer properties; they win over --command-config."},
    {"producer.config", CMD_TEXT, CMD_OLD, 0, 0, "CONFIG-FILE", NULL, "As --command-config."},
    {"command-config", CMD_TEXT, 0, 0, 0, "CONFIG-FILE", NULL, "A file of producer properties."},
    {"print-metrics", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"At the end print librdkafka's statistics, as JSON."},
    {"transactional-id", CMD_TEXT, 0, 0, 0, "TRANSACTIONAL-ID", NULL,
	"Send in transactions under this id."},
    {"transaction-duration-ms", CMD_LONG, 0, 0, 0, "TRANSACTION-DURATION", NULL,
	"Commit after this time; 3000 with an id."},
    {"warmup-records", CMD_LONG, 0, 0, 0, "WARMUP-RECORDS", "0",
	"How many records at the start do not count for the steady state."},
    {"reporting-interval", CMD_LONG, 0, 0, 0, "INTERVAL-MS", "5000", "How often to report."},
    {"record-size", CMD_INT, 0, 0, 0, "RECORD-SIZE", NULL, "Bytes of each record."},
    {"payload-file", CMD_TEXT, 0, 0, 0, "PAYLOAD-FILE", NULL,
	"A file of payloads, of which one is chosen at random each time."},
    {"payload-monotonic", CMD_FLAG, 0, 0, 0, NULL, NULL, "The payload is a number that grows."},
};

enum { SAMPLES_MAX = 500000 };
struct stats {
	const char *kind; /* "records" or "steady state records" */
	int64_t began_us, count, bytes, max_us, sum_us;
	float *sample_ms; /* every step-th */
	uint32_t samples;
	int64_t step;
};
struct job {
	const struct cmd_args *a;
	const struct cmd_rd *rd;
	rd_kafka_t *rk;
	struct cmd_rd_state state;
	struct cmd_props props;
	struct stats all, steady;
	int64_t window_us, window_count, window_bytes, window_max_us,
	    window_sum_us; /* since the last report */
	int64_t interval_us, warmup, done, total;
	char **payload;
	size_t *payload_len;
	uint32_t payloads;
	char *buffer;
	uint32_t size;
	uint64_t seed;
};

static uint64_t
next(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void
stats_start(struct stats *s, const char *kind, int64_t expected)
{
	uint32_t room = (uint32_t)rk_min(expected, SAMPLES_MAX) + 1;

	*s = (struct stats){.kind = kind,
	    .began_us = cmd_perf_us(),
	    .step = rk_max((expected + SAMPLES_MAX - 1) / SAMPLES_MAX, 1)};
	s->sample_ms = rk_mem_get(room * sizeof *s->sample_ms);
}

static void
stats_add(struct stats *s, int64_t latency_us, int64_t bytes)
{
	if (s->count % s->step == 0 && s->samples < SAMPLES_MAX)
		s->sample_ms[s->samples++] = (float)latency_us / 1000;
	s->count++;
	s->bytes += bytes;
	s->sum_us += latency_us;
	s->max_us = rk_max(s->max_us, latency_us);
}

static int
by_size(const void *a, const void *b)
{
	return (*(const float *)a > *(const float *)b) - (*(const float *)a < *(const float *)b);
}

static int
percentile(const struct stats *s, double p)
{
	uint32_t i = (uint32_t)(p * s->samples);

	return s->samples == 0 ? 0 : (int)s->sample_ms[i < s->samples ? i : s->samples - 1];
}

static void
stats_print(struct stats *s)
{
	double seconds = (double)rk_max(cmd_perf_us() - s->began_us, 1) / 1e6;

	qsort(s->sample_ms, s->samples, sizeof *s->sample_ms, by_size);
	printf("%" PRId64 " %s sent, %f records/sec (%.2f MB/sec), %.2f ms avg latency, %.2f ms "
	       "max latency, %d ms 50th, %d ms 95th, "
	       "%d ms 99th, %d ms 99.9th.\n",
	    s->count, s->kind, (double)s->count / seconds, (double)s->bytes / seconds / 1048576,
	    s->count == 0 ? 0.0 : (double)s->sum_us / 1000 / (double)s->count,
	    (double)s->max_us / 1000, percentile(s, 0.5), percentile(s, 0.95), percentile(s, 0.99),
	    percentile(s, 0.999));
}

static void
window_print(struct job *j, int64_t now)
{
	double seconds = (double)(now - j->window_us) / 1e6;

	printf("%" PRId64 " records sent, %.1f records/sec (%.2f MB/sec), %.1f ms avg latency, "
	       "%.1f ms max latency.\n",
	    j->window_count, (double)j->window_count / seconds,
	    (double)j->window_bytes / seconds / 1048576,
	    (double)j->window_sum_us / 1000 / (double)j->window_count,
	    (double)j->window_max_us / 1000);
	fflush(stdout);
	j->window_us = now;
	j->window_count = j->window_bytes = j->window_max_us = j->window_sum_us = 0;
}

static void
delivered(void *arg, const rd_kafka_message_t *m)
{
	struct job *j = arg;
	int64_t now = cmd_perf_us(), latency = now - (int64_t)(intptr_t)m->_private;

	if (m->err != 0)
		return;
	if (j->warmup > 0 && j->done == j->warmup) {
		puts("In steady state.");
		stats_start(&j->steady, "steady state records", j->total - j->warmup);
	}
	stats_add(&j->all, latency, (int64_t)m->len);
	if (j->warmup > 0 && j->done >= j->warmup)
		stats_add(&j->steady, latency, (int64_t)m->len);
	j->done++;
	j->window_count++;
	j->window_bytes += (int64_t)m->len;
	j->window_sum_us += latency;
	j->window_max_us = rk_max(j->window_max_us, latency);
	if (now - j->window_us >= j->interval_us)
		window_print(j, now);
}

static struct rk_str
payload(struct job *j, int64_t i)
{
	if (j->payloads > 0) {
		uint32_t n = (uint32_t)(next(&j->seed) % j->payloads);
		return (struct rk_str){j->payload[n], (int32_t)j->payload_len[n]};
	}
	if (j->size == 0)
		return (struct rk_str){j->buffer, snprintf(j->buffer, 24, "%" PRId64, i)};
	for (uint32_t k = 0; k < j->size; k++)
		j->buffer[k] = (char)('A' + next(&j->seed) % 26);
	return (struct rk_str){j->buffer, (int32_t)j->size};
}

static bool
send_one(struct job *j, struct rk_str value)
{
	rd_kafka_vu_t v[4] = {{.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = cmd_text(j->a, "topic")}};

	v[1].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
	v[1].u.i = RD_KAFKA_MSG_F_COPY;
	v[2].vtype = RD_KAFKA_VTYPE_VALUE;
	v[2].u.mem.ptr = (void *)(uintptr_t)value.at;
	v[2].u.mem.size = (size_t)value.len;
	v[3].vtype = RD_KAFKA_VTYPE_OPAQUE;
	v[3].u.ptr = (void *)(intptr_t)cmd_perf_us();
	while (!cmd_rd_stopped() && !j->state.failed) {
		rd_kafka_error_t *e = j->rd->produceva(j->rk, v, 4);
		if (e == NULL)
			return true;
		bool full = j->rd->error_code(e) == RD_KAFKA_RESP_ERR__QUEUE_FULL;
		if (!full)
			cmd_fail(j->a, "%s", j->rd->error_string(e));
		j->rd->error_destroy(e);
		if (!full)
			return false;
		j->rd->poll(j->rk, 10);
	}
	return false;
}

/* One step of a transaction: init, begin or commit. */
static bool
transact(struct job *j, rd_kafka_error_t *e, const char *what)
{
	if (e == NULL)
		return true;
	cmd_fail(j->a, "cannot %s a transaction: %s", what, j->rd->error_string(e));
	j->rd->error_destroy(e);
	return false;
}

static bool
produce(struct job *j)
{
	double rate = strtod(cmd_text(j->a, "throughput"), NULL);
	int64_t each_us = cmd_number(j->a, "transaction-duration-ms", 3000) * 1000, opened_us = 0,
		start = cmd_perf_us();
	bool transactional = cmd_props_get(&j->props, "transactional.id") != NULL, open = false,
	     ok = true;

	if (transactional && !transact(j, j->rd->init_transactions(j->rk, 30000), "prepare for"))
		return false;
	for (int64_t i = 0; ok && i < j->total && !cmd_rd_stopped() && !j->state.failed; i++) {
		if (transactional && !open) {
			ok = transact(j, j->rd->begin_transaction(j->rk), "begin");
			open = true;
			opened_us = cmd_perf_us();
		}
		ok = ok && send_one(j, payload(j, i));
		j->rd->poll(j->rk, 0);
		if (open && cmd_perf_us() - opened_us >= each_us) {
			ok = transact(j, j->rd->commit_transaction(j->rk, -1), "commit");
			open = false;
		}
		int64_t early =
		    rate <= 0 ? 0
			      : (int64_t)((double)(i + 1) / rate * 1e6) - (cmd_perf_us() - start);
		if (early > 1000) {
			cmd_perf_sleep_us(early);
			j->rd->poll(j->rk, 0);
		}
	}
	if (open)
		ok = transact(j, j->rd->commit_transaction(j->rk, -1), "commit") && ok;
	while (j->rd->outq_len(j->rk) > 0 && !j->state.failed)
		j->rd->flush(j->rk, 100);
	return ok && !j->state.failed;
}

static bool
load_payloads(struct job *j)
{
	const char *path = cmd_text(j->a, "payload-file"),
		   *sep = cmd_text(j->a, "payload-delimiter");
	FILE *f = path == NULL ? NULL : fopen(path, "r");
	char *text = NULL;
	size_t cap = 0;
	uint32_t room = 0, room_len = 0;

	if (path == NULL)
		return true;
	sep = strcmp(sep, "\\n") == 0 ? "\n" : sep;
	ssize_t len = f == NULL ? -1 : getdelim(&text, &cap, EOF, f);
	if (f != NULL)
		fclose(f);
	if (len <= 0) {
		fprintf(stderr, "File does not exist or empty file provided: %s\n", path);
		return false;
	}
	printf("Reading payloads from: %s\n", path);
	for (char *p = text, *end; p < text + len; p = end + strlen(sep)) {
		end = strstr(p, sep);
		end = end == NULL ? text + len : end;
		*(char **)rk_mem_room((void **)&j->payload, j->payloads, &room, sizeof p) = p;
		*(size_t *)rk_mem_room((void **)&j->payload_len, j->payloads, &room_len,
		    sizeof(size_t)) = (size_t)(end - p);
		j->payloads++;
	}
	printf("Number of records read: %u\n", j->payloads);
	return true;
}

static int
check(const struct cmd_args *a)
{
	static const char *const needed[] = {"topic", "num-records", "throughput"};
	char line[100];
	int n = cmd_given(a, "record-size") + cmd_given(a, "payload-file")
		+ cmd_given(a, "payload-monotonic");

	for (uint32_t i = 0; i < rk_countof(needed); i++)
		if (!cmd_given(a, needed[i])) {
			snprintf(line, sizeof line, "argument --%s is required", needed[i]);
			return cmd_usage(a, line);
		}
	if (n != 1)
		return cmd_usage(a, n == 0 ? "one of the arguments --record-size --payload-file "
					     "--payload-monotonic is required"
					   : "only one of the arguments --record-size "
					     "--payload-file --payload-monotonic is allowed");
	if (cmd_number(a, "num-records", 0) <= 0)
		return cmd_usage(a, "--num-records should be greater than zero.");
	if (cmd_given(a, "record-size") && cmd_number(a, "record-size", 0) <= 0)
		return cmd_usage(a, "--record-size should be greater than zero.");
	if (cmd_number(a, "warmup-records", 0) < 0
	    || cmd_number(a, "warmup-records", 0) >= cmd_number(a, "num-records", 0))
		return cmd_usage(a, "The value for --warmup-records must be at least zero and "
				    "strictly fewer than the number of records "
				    "in the test, --num-records.");
	return cmd_given(a, "transaction-duration-ms")
		       && cmd_number(a, "transaction-duration-ms", 0) <= 0
		   ? cmd_usage(a, "--transaction-duration-ms should be greater than zero.")
		   : 0;
}

/* As Kafka's producer has it by default, where librdkafka thinks otherwise. */
static int
prepare(struct job *j)
{
	static const char *const defaults[][2] = {{"linger.ms", "5"}, {"batch.size", "16384"},
	    {"acks", "all"}, {"buffer.memory", "33554432"},
	    {"queue.buffering.max.messages", "1000000"}, {"client.id", "perf-producer-client"}};
	static const char *const lists[] = {"command-property", "producer-props", NULL};
	const struct cmd_args *a = j->a;
	char id[64];

	if (!cmd_perf_props(a,
		cmd_text(a, cmd_given(a, "command-config") ? "command-config" : "producer.config"),
		lists, &j->props))
		return 1;
	if (cmd_given(a, "bootstrap-server"))
		cmd_props_set(&j->props, "bootstrap.servers", cmd_text(a, "bootstrap-server"));
	if (cmd_props_get(&j->props, "bootstrap.servers") == NULL)
		return cmd_usage(a, "At least one of --bootstrap-server, --command-property, "
				    "--producer-props, --producer.config or "
				    "--command-config must be specified.");
	for (uint32_t i = 0; i < rk_countof(defaults); i++)
		if (cmd_props_get(&j->props, defaults[i][0]) == NULL)
			cmd_props_set(&j->props, defaults[i][0], defaults[i][1]);
	snprintf(id, sizeof id, "performance-producer-%" PRIx64 "-%d", cmd_perf_wall_ms(),
	    (int)getpid());
	if (cmd_given(a, "transactional-id"))
		cmd_props_set(&j->props, "transactional.id", cmd_text(a, "transactional-id"));
	else if (cmd_given(a, "transaction-duration-ms")
		 && cmd_props_get(&j->props, "transactional.id") == NULL)
		cmd_props_set(&j->props, "transactional.id", id);
	if (cmd_given(a, "print-metrics"))
		cmd_props_set(&j->props, "statistics.interval.ms", "500");
	return load_payloads(j) ? 0 : 1;
}

static int
run(struct cmd_args *a)
{
	struct job j = {.a = a, .seed = 0x9e3779b97f4a7c15u};
	int rc;

	if ((rc = check(a)) != 0 || (rc = prepare(&j)) != 0)
		return rc;
	j.total = cmd_number(a, "num-records", 0);
	j.warmup = cmd_number(a, "warmup-records", 0);
	j.interval_us = cmd_number(a, "reporting-interval", 5000) * 1000;
	j.size = (uint32_t)cmd_number(a, "record-size", 0);
	j.buffer = rk_mem_get(j.size + 24);
	j.state.topic = cmd_text(a, "topic");
	j.state.delivered = delivered;
	j.state.arg = &j;
	if ((j.rd = cmd_rd(a)) == NULL
	    || (j.rk = cmd_rd_open(a, RD_KAFKA_PRODUCER, &j.props, &j.state)) == NULL)
		return 1;
	if (j.warmup > 0)
		printf(
		    "Warmup first %" PRId64
		    " records. Steady state results will print after the complete test summary.\n",
		    j.warmup);
	stats_start(&j.all, "records", j.total);
	j.window_us = cmd_perf_us();
	rc = produce(&j) ? 0 : 1;
	stats_print(&j.all);
	if (j.steady.kind != NULL)
		stats_print(&j.steady);
	if (cmd_given(a, "print-metrics") && j.state.statistics != NULL)
		printf("\n%s\n", j.state.statistics);
	j.rd->destroy(j.rk);
	cmd_props_free(&j.props);
	rk_mem_put(j.state.statistics);
	rk_mem_put(j.all.sample_ms);
	rk_mem_put(j.steady.sample_ms);
	rk_mem_put(j.buffer);
	return rc != 0 || j.state.lost > 0;
}

const struct cmd_spec cmd_producer_perf_test_spec = {
    .name = "producer-perf-test",
    .peer = "kafka-producer-perf-test",
    .style = CMD_ARGPARSE,
    .opt = opts,
    .count = rk_countof(opts),
    .summary =
	"Measures a producer: records and bytes a second, and how long acknowledgements take.",
    .about = "The producer is librdkafka's, with the defaults of Kafka's but one: it is not "
	     "idempotent, so more than five "
	     "batches may be in flight; --command-property enable.idempotence=true makes it so. "
	     "Records go without a key.",
    .help_exit = 1,
    .bare_exit = 0,
    .run = run,
};
