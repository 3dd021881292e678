/* rd.c - loads librdkafka; Kafka's names of client settings in librdkafka's words. */
#include <dlfcn.h>
#include <signal.h>
#include "protocol/gen/keys.h"
#include "src/cmd/rd.h"

static volatile sig_atomic_t stopped;

static void
on_signal(int n)
{
	if (stopped)
		_exit(128 + n);
	stopped = n;
}

bool
cmd_rd_stopped(void)
{
	return stopped != 0;
}

int
cmd_rd_signal(void)
{
	return stopped;
}

const struct cmd_rd *
cmd_rd(const struct cmd_args *a)
{
	static struct cmd_rd rd;
	static void *lib;

	if (lib != NULL)
		return &rd;
	lib = dlopen("librdkafka.so.1", RTLD_NOW | RTLD_LOCAL);
	if (lib == NULL) {
		cmd_fail(a,
		    "this command needs librdkafka, which could not be loaded (%s): install the "
		    "package librdkafka1",
		    dlerror());
		return NULL;
	}
#define F(name)                                                                                   \
	rd.name = (__typeof__(rd.name))(uintptr_t)dlsym(lib, "rd_kafka_" #name);                  \
	if (rd.name == NULL) {                                                                    \
		cmd_fail(a,                                                                       \
		    "this librdkafka has no rd_kafka_" #name ": version 1.9 or newer is needed"); \
		dlclose(lib);                                                                     \
		lib = NULL;                                                                       \
		return NULL;                                                                      \
	}
	CMD_RD_FUNCTIONS(F)
#undef F
	return &rd;
}

/* What is called otherwise there (to), or means nothing outside Java (to is NULL). */
static const struct {
	const char *java, *to;
} names[] = {
    {"max.request.size", "message.max.bytes"},
    {"send.buffer.bytes", "socket.send.buffer.bytes"},
    {"receive.buffer.bytes", "socket.receive.buffer.bytes"},
    {"fetch.max.wait.ms", "fetch.wait.max.ms"},
    {"ssl.truststore.location", "ssl.ca.location"},
    {"ssl.truststore.certificates", "ssl.ca.pem"},
    {"ssl.keystore.key", "ssl.key.pem"},
    {"ssl.keystore.certificate.chain", "ssl.certificate.pem"},
    {"max.block.ms", NULL},
    {"max.poll.records", NULL},
    {"exclude.internal.topics", NULL},
    {"default.api.timeout.ms", NULL},
    {"key.serializer", NULL},
    {"value.serializer", NULL},
    {"key.deserializer", NULL},
    {"value.deserializer", NULL},
    {"interceptor.classes", NULL},
    {"metric.reporters", NULL},
    {"partitioner.class", NULL},
    {"ssl.truststore.type", NULL},
    {"ssl.keystore.type", NULL},
    {"ssl.truststore.password", NULL},
    {"bootstrap.controllers", NULL},
};

static bool
put(const struct cmd_args *a, const struct cmd_rd *rd, rd_kafka_conf_t *conf, const char *key,
    const char *value)
{
	char why[300];
	rd_kafka_conf_res_t r = rd->conf_set(conf, key, value, why, sizeof why);

	if (r == RD_KAFKA_CONF_UNKNOWN)
		cmd_fail(a, "the setting %s has no effect in this command", key);
	else if (r != RD_KAFKA_CONF_OK)
		fprintf(stderr, "Invalid value %s for configuration %s: %s\n", value, key, why);
	return r != RD_KAFKA_CONF_INVALID;
}

/* username="..." and password="..." of a login module's line. */
static void
jaas(const char *line, const char *word, char *to, size_t size)
{
	const char *p = strstr(line, word);
	size_t n = 0;

	*to = 0;
	if (p == NULL || (p = strchr(p, '"')) == NULL)
		return;
	for (p++; *p != 0 && *p != '"' && n + 1 < size; p++) {
		if (*p == '\\' && p[1] != 0)
			p++;
		to[n++] = *p;
	}
	to[n] = 0;
}

static bool
put_one(const struct cmd_args *a, const struct cmd_rd *rd, rd_kafka_conf_t *conf, const char *key,
    const char *value)
{
	char text[300];
	int64_t n;

	for (uint32_t i = 0; i < rk_countof(names); i++)
		if (strcmp(names[i].java, key) == 0)
			return names[i].to == NULL || put(a, rd, conf, names[i].to, value);
	if (strcmp(key, "buffer.memory") == 0 && rk_str_int(rk_str_of(value), &n)) {
		snprintf(text, sizeof text, "%" PRId64, rk_max(n / 1024, 1));
		return put(a, rd, conf, "queue.buffering.max.kbytes", text);
	}
	if (strcmp(key, "sasl.jaas.config") == 0) {
		jaas(value, "username", text, sizeof text);
		bool ok = put(a, rd, conf, "sasl.username", text);
		jaas(value, "password", text, sizeof text);
		return ok && put(a, rd, conf, "sasl.password", text);
	}
	if (strcmp(key, "group.protocol") == 0 && strcasecmp(value, "classic") == 0)
		return true; /* an old librdkafka knows no other, and not this name */
	if (strcmp(key, "ssl.endpoint.identification.algorithm") == 0 && *value == 0)
		value = "none";
	if (strcmp(key, "partition.assignment.strategy") == 0)
		value = strstr(value, "Cooperative") != NULL  ? "cooperative-sticky"
			: strstr(value, "RoundRobin") != NULL ? "roundrobin"
			: strstr(value, "Range") != NULL      ? "range"
							      : value;
	return put(a, rd, conf, key, value);
}

static void
on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	struct cmd_rd_state *s = opaque;

	(void)rk;
	if (err == RD_KAFKA_RESP_ERR__FATAL) {
		cmd_fail(s->a, "%s", reason);
		s->failed = true;
	} else if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
		   || err == RD_KAFKA_RESP_ERR__AUTHENTICATION || err == RD_KAFKA_RESP_ERR__SSL) {
		cmd_fail(s->a, "%s (trying again)", reason);
	}
}

static void
on_log(const rd_kafka_t *rk, int level, const char *what, const char *text)
{
	(void)rk;
	if (level <= 3 && strcmp(what, "FAIL") != 0)
		fprintf(stderr, "librdkafka: %s\n", text);
}

static void
on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct cmd_rd_state *s = opaque;

	(void)rk;
	if (m->err != 0 && s->lost++ < 20 && !s->quiet)
		cmd_fail(s->a,
		    "a record for topic %s (key: %zd bytes, value: %zd bytes) was not delivered: "
		    "%s",
		    s->topic == NULL ? "?" : s->topic,
		    m->key == NULL ? (ssize_t)-1 : (ssize_t)m->key_len,
		    m->payload == NULL ? (ssize_t)-1 : (ssize_t)m->len,
		    cmd_rd(s->a)->err2str(m->err));
	s->done += m->err == 0;
	if (s->delivered != NULL)
		s->delivered(s->arg, m);
}

static int
on_stats(rd_kafka_t *rk, char *json, size_t len, void *opaque)
{
	struct cmd_rd_state *s = opaque;

	(void)rk;
	rk_mem_put(s->statistics);
	s->statistics = rk_mem_str(json, len);
	return 0;
}

rd_kafka_conf_t *
cmd_rd_conf(const struct cmd_args *a, const struct cmd_props *props, struct cmd_rd_state *s)
{
	const struct cmd_rd *rd = cmd_rd(a);
	rd_kafka_conf_t *conf;
	bool ok = true;

	if (rd == NULL)
		return NULL;
	conf = rd->conf_new();
	s->a = a;
	rd->conf_set_opaque(conf, s);
	rd->conf_set_error_cb(conf, on_error);
	rd->conf_set_log_cb(conf, on_log);
	rd->conf_set_stats_cb(conf, on_stats);
	if (s->rebalance != NULL)
		rd->conf_set_rebalance_cb(conf, s->rebalance);
	for (uint32_t i = 0; ok && i < props->count; i++)
		ok = put_one(a, rd, conf, props->at[i].key, props->at[i].value);
	if (ok)
		return conf;
	rd->conf_destroy(conf);
	return NULL;
}

/* Kafka's producer is idempotent unless it is told otherwise or acks forbids it. Where the cluster
 * cannot do that, one batch at a time keeps the order when one has to be sent again. */
static void
keep_order(struct cmd_props *props, bool cluster_can)
{
	const char *acks = cmd_props_get(props, "acks"), *retries = cmd_props_get(props, "retries");
	const char *flight = cmd_props_get(props, "max.in.flight.requests.per.connection");
	bool may = (acks == NULL || strcmp(acks, "all") == 0 || strcmp(acks, "-1") == 0)
		   && (retries == NULL || strcmp(retries, "0") != 0)
		   && (flight == NULL || strtol(flight, NULL, 10) <= 5);

	if (cmd_props_get(props, "enable.idempotence") != NULL
	    || cmd_props_get(props, "transactional.id") != NULL)
		return;
	if (cluster_can && may)
		cmd_props_set(props, "enable.idempotence", "true");
	else if (flight == NULL)
		cmd_props_set(props, "max.in.flight.requests.per.connection", "1");
}

static bool
reachable(const struct cmd_args *a, struct cmd_props *props, const struct cmd_rd_state *s)
{
	const char *security = cmd_props_get(props, "security.protocol");
	struct cmd_client c;
	int16_t min, max;
	bool ok;

	if (security != NULL && strcasecmp(security, "PLAINTEXT") != 0) {
		if (s->ordered)
			keep_order(props, true);
		return true;
	}
	ok = cmd_client_open(&c, cmd_props_get(props, "bootstrap.servers"), NULL, false);
	if (!ok)
		cmd_fail(a, "%s", c.why);
	else if (s->grouped && !(ok = cmd_client_knows(&c, KP_JOIN_GROUP, &min, &max)))
		cmd_fail(a, "this cluster has no consumer groups: leave out --group to read all "
			    "partitions");
	if (ok && s->ordered)
		keep_order(props, cmd_client_knows(&c, KP_INIT_PRODUCER_ID, &min, &max));
	cmd_client_close(&c);
	return ok;
}

rd_kafka_t *
cmd_rd_open(
    const struct cmd_args *a, rd_kafka_type_t type, struct cmd_props *props, struct cmd_rd_state *s)
{
	struct sigaction act = {.sa_handler = on_signal};
	const struct cmd_rd *rd = cmd_rd(a);
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk;
	char why[300];

	if (rd == NULL || !reachable(a, props, s))
		return NULL;
	if ((conf = cmd_rd_conf(a, props, s)) == NULL)
		return NULL;
	if (type == RD_KAFKA_PRODUCER)
		rd->conf_set_dr_msg_cb(conf, on_delivery);
	rk = rd->new (type, conf, why, sizeof why);
	if (rk == NULL) {
		cmd_fail(a, "%s", why);
		rd->conf_destroy(conf);
		return NULL;
	}
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	return rk;
}
