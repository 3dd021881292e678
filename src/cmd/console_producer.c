/* console_producer.c - rookery console-producer: every line of standard input becomes a record. */
#include "src/cmd/rd.h"

static const struct cmd_opt opts[] = {
    {"batch-size", CMD_INT, 0, 0, 0, "size", "16384",
	"How many bytes of records for one partition go together (batch.size)."},
    {"bootstrap-server", CMD_TEXT, CMD_REQUIRED, 0, 0, "server to connect to", NULL,
	"Brokers: host:port,..."},
    {"command-config", CMD_TEXT, 0, 0, 0, "config file", NULL,
	"A file of producer properties; --command-property wins over it."},
    {"command-property", CMD_TEXT, CMD_REPEAT, 0, 0, "producer_prop", NULL,
	"A producer property, key=value."},
    {"compression-codec", CMD_MAYBE, 0, 0, 0, "compression-codec", "gzip",
	"none, gzip, snappy, lz4 or zstd; gzip when nothing follows. Without the option: none."},
    {"line-reader", CMD_TEXT, 0, 0, 0, "reader_class", "org.apache.kafka.tools.LineMessageReader",
	"Which Java class reads the lines; here only the default exists."},
    {"max-block-ms", CMD_LONG, 0, 0, 0, "max block on send", "60000",
	"How long sending may wait for metadata or room."},
    {"max-memory-bytes", CMD_LONG, 0, 0, 0, "total memory in bytes", "33554432",
	"How many bytes of records may wait to be sent (buffer.memory)."},
    {"max-partition-memory-bytes", CMD_INT, CMD_OLD, 0, 0, "memory in bytes per partition", "16384",
	"As --batch-size."},
    {"message-send-max-retries", CMD_INT, 0, 0, 0, NULL, "3",
	"How often a batch is sent again (retries)."},
    {"metadata-expiry-ms", CMD_LONG, 0, 0, 0, "metadata expiration interval", "300000",
	"How often metadata is asked for when nothing fails (metadata.max.age.ms)."},
    {"producer-property", CMD_TEXT, CMD_REPEAT | CMD_OLD, 0, 0, "producer_prop", NULL,
	"As --command-property."},
    {"producer.config", CMD_TEXT, CMD_OLD, 0, 0, "config file", NULL, "As --command-config."},
    {"property", CMD_TEXT, CMD_REPEAT | CMD_OLD, 0, 0, "prop", NULL, "As --reader-property."},
    {"reader-config", CMD_TEXT, 0, 0, 0, "config file", NULL,
	"A file of reader properties; --reader-property wins over it."},
    {"reader-property", CMD_TEXT, CMD_REPEAT, 0, 0, "prop", NULL,
	"How lines are read, key=value:\nparse.key=false, key.separator=TAB, parse.headers=false, "
	"headers.delimiter=TAB,\n"
	"headers.separator=, headers.key.separator=: ignore.error=false, null.marker=TEXT (a field "
	"that is TEXT becomes "
	"null).\nA line is then headers, key and value: h1:v1,h2:v2TABkeyTABvalue."},
    {"request-required-acks", CMD_TEXT, 0, 0, 0, "request required acks", "-1",
	"Who must have a record: 0, 1, -1 or all."},
    {"request-timeout-ms", CMD_INT, 0, 0, 0, "request timeout ms", "1500",
	"How long a broker may take for an acknowledgement."},
    {"retry-backoff-ms", CMD_LONG, 0, 0, 0, NULL, "100", "How long to wait before sending again."},
    {"socket-buffer-size", CMD_INT, 0, 0, 0, "size", "102400",
	"Bytes of the socket's send buffer."},
    {"sync", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Wait for each record's acknowledgement before the next line is read."},
    {"timeout", CMD_LONG, 0, 0, 0, "timeout_ms", "1000",
	"How long a record may wait for others to go with it (linger.ms)."},
    {"topic", CMD_TEXT, CMD_REQUIRED, 0, 0, "topic", NULL, "The topic to produce to."},
};

struct reader {
	struct cmd_props props;
	bool key, headers, lax;
	const char *key_sep, *header_end, *header_sep, *pair_sep, *null_marker;
	uint64_t line;
};
struct job {
	const struct cmd_args *a;
	const struct cmd_rd *rd;
	rd_kafka_t *rk;
	struct cmd_rd_state state;
	const char *topic;
	struct reader r;
};

static void
set_reader(struct reader *r)
{
	static const struct {
		const char *key, *otherwise;
		size_t at;
	} text[] = {
	    {"key.separator", "\t", offsetof(struct reader, key_sep)},
	    {"headers.delimiter", "\t", offsetof(struct reader, header_end)},
	    {"headers.separator", ",", offsetof(struct reader, header_sep)},
	    {"headers.key.separator", ":", offsetof(struct reader, pair_sep)},
	};

	for (uint32_t i = 0; i < rk_countof(text); i++) {
		const char *v = cmd_props_get(&r->props, text[i].key);
		*(const char **)(void *)((char *)r + text[i].at) =
		    v == NULL ? text[i].otherwise : v;
	}
	r->key = cmd_props_true(&r->props, "parse.key", false);
	r->headers = cmd_props_true(&r->props, "parse.headers", false);
	r->lax = cmd_props_true(&r->props, "ignore.error", false);
	r->null_marker = cmd_props_get(&r->props, "null.marker");
}

static bool
bad_line(const struct reader *r, const char *what, const char *text)
{
	fflush(stdout);
	fprintf(stderr,
	    "org.apache.kafka.common.KafkaException: No %s on line number %" PRIu64 "%s%s%s\n",
	    what, r->line, text == NULL ? "" : ": '", text == NULL ? "" : text,
	    text == NULL ? "" : "'");
	return false;
}

static bool
is_null(const struct reader *r, const char *text, size_t len)
{
	return r->null_marker != NULL && strlen(r->null_marker) == len
	       && memcmp(r->null_marker, text, len) == 0;
}

/* One "key:value" into h. */
static bool
one_header(struct job *j, rd_kafka_headers_t *h, const char *p, size_t len)
{
	const struct reader *r = &j->r;
	const char *sep = memmem(p, len, r->pair_sep, strlen(r->pair_sep));
	char what[400];

	if (sep == NULL && !r->lax) {
		snprintf(what, sizeof what, "header key separator found in pair '%.*s'",
		    (int)rk_min((int64_t)len, 300), p);
		return bad_line(r, what, NULL);
	}
	size_t key = sep == NULL ? len : (size_t)(sep - p);
	const char *value = sep == NULL ? NULL : sep + strlen(r->pair_sep);
	size_t value_len = sep == NULL ? 0 : len - key - strlen(r->pair_sep);
	if (value != NULL && is_null(r, value, value_len))
		value = NULL;
	j->rd->header_add(h, p, (ssize_t)key, value, value == NULL ? 0 : (ssize_t)value_len);
	return true;
}

/* Takes the headers off the line's front. */
static bool
headers(struct job *j, char **line, size_t *len, rd_kafka_headers_t **out)
{
	const struct reader *r = &j->r;
	char *end = memmem(*line, *len, r->header_end, strlen(r->header_end)), *p = *line;

	if (end == NULL)
		return r->lax || bad_line(r, "headers delimiter found", *line);
	*len -= (size_t)(end - *line) + strlen(r->header_end);
	*line = end + strlen(r->header_end);
	if (is_null(r, p, (size_t)(end - p)))
		return true;
	*out = j->rd->headers_new(8);
	for (;;) {
		char *sep = memmem(p, (size_t)(end - p), r->header_sep, strlen(r->header_sep));
		size_t n = (size_t)((sep == NULL ? end : sep) - p);
		if (!one_header(j, *out, p, n))
			return false;
		if (sep == NULL)
			return true;
		p = sep + strlen(r->header_sep);
	}
}

static bool
send_record(
    struct job *j, const struct rk_str *key, const struct rk_str *value, rd_kafka_headers_t *h)
{
	rd_kafka_vu_t v[6] = {{.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = j->topic}};
	size_t n = 1;

	v[n].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
	v[n++].u.i = RD_KAFKA_MSG_F_COPY;
	v[n].vtype = RD_KAFKA_VTYPE_VALUE;
	v[n].u.mem.ptr = (void *)(uintptr_t)value->at;
	v[n++].u.mem.size = (size_t)rk_max(value->len, 0);
	if (key->len >= 0) {
		v[n].vtype = RD_KAFKA_VTYPE_KEY;
		v[n].u.mem.ptr = (void *)(uintptr_t)key->at;
		v[n++].u.mem.size = (size_t)key->len;
	}
	if (h != NULL) {
		v[n].vtype = RD_KAFKA_VTYPE_HEADERS;
		v[n++].u.headers = h;
	}
	for (;;) {
		rd_kafka_error_t *e = j->rd->produceva(j->rk, v, n);
		if (e == NULL)
			return true;
		rd_kafka_resp_err_t code = j->rd->error_code(e);
		if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			cmd_fail(j->a, "%s", j->rd->error_string(e));
		j->rd->error_destroy(e);
		if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			return false;
		j->rd->poll(j->rk, 100);
	}
}

static bool
one_line(struct job *j, char *line, size_t len)
{
	struct rk_str key = RK_STR_NULL, value;
	rd_kafka_headers_t *h = NULL;
	char *sep;

	j->r.line++;
	if (j->r.headers && !headers(j, &line, &len, &h))
		return false;
	sep = j->r.key ? memmem(line, len, j->r.key_sep, strlen(j->r.key_sep)) : NULL;
	if (j->r.key && sep == NULL && !j->r.lax)
		return bad_line(&j->r, "key separator found", line);
	if (sep != NULL) {
		if (!is_null(&j->r, line, (size_t)(sep - line)))
			key = (struct rk_str){line, (int32_t)(sep - line)};
		len -= (size_t)(sep - line) + strlen(j->r.key_sep);
		line = sep + strlen(j->r.key_sep);
	}
	value = is_null(&j->r, line, len) ? RK_STR_NULL : (struct rk_str){line, (int32_t)len};
	/* A record that is refused is reported and the next line read, as Kafka's command does. */
	(void)send_record(j, &key, &value, h);
	j->rd->poll(j->rk, 0);
	while (cmd_given(j->a, "sync") && j->rd->outq_len(j->rk) > 0 && !j->state.failed)
		j->rd->flush(j->rk, 100);
	return true;
}

static int
produce(struct job *j)
{
	bool prompt = isatty(0) && isatty(1), ok = true;
	char *line = NULL;
	size_t cap = 0;

	while (ok && !cmd_rd_stopped() && !j->state.failed) {
		if (prompt) {
			fputc('>', stdout);
			fflush(stdout);
		}
		ssize_t got = getline(&line, &cap, stdin);
		if (got < 0)
			break;
		while (got > 0 && (line[got - 1] == '\n' || line[got - 1] == '\r')) {
			bool more = line[got - 1] == '\n' && got > 1 && line[got - 2] == '\r';
			line[--got] = 0;
			if (!more)
				break;
		}
		ok = one_line(j, line, (size_t)got);
	}
	free(line);
	while (j->rd->outq_len(j->rk) > 0 && !j->state.failed)
		j->rd->flush(j->rk, 200);
	return ok && !j->state.failed ? 0 : 1;
}

/* What the options say about the producer; properties given by name win. */
static bool
producer_props(const struct cmd_args *a, struct cmd_props *p)
{
	static const char *const map[][2] = {
	    {"request-required-acks", "acks"},
	    {"message-send-max-retries", "retries"},
	    {"request-timeout-ms", "request.timeout.ms"},
	    {"retry-backoff-ms", "retry.backoff.ms"},
	    {"max-memory-bytes", "buffer.memory"},
	    {"metadata-expiry-ms", "metadata.max.age.ms"},
	    {"socket-buffer-size", "send.buffer.bytes"},
	    {"batch-size", "batch.size"},
	    {"max-partition-memory-bytes", "batch.size"},
	    {"timeout", "linger.ms"},
	    {"compression-codec", "compression.type"},
	};
	static const char *const lists[] = {"command-property", "producer-property"};
	const char *file =
	    cmd_text(a, cmd_given(a, "command-config") ? "command-config" : "producer.config");

	cmd_props_set(p, "client.id", "console-producer");
	cmd_props_set(p, "delivery.timeout.ms", "120000");
	if (file != NULL && !cmd_props_read(p, file)) {
		cmd_fail(a, "cannot read %s: %s", file, strerror(errno));
		return false;
	}
	for (uint32_t l = 0; l < 2; l++)
		for (uint32_t i = 0; cmd_nth(a, lists[l], i) != NULL; i++)
			if (!cmd_props_add(p, cmd_nth(a, lists[l], i)))
				cmd_props_set(p, cmd_nth(a, lists[l], i), "");
	for (uint32_t i = 0; i < rk_countof(map); i++)
		if (cmd_given(a, map[i][0])
		    || (cmd_text(a, map[i][0]) != NULL && cmd_props_get(p, map[i][1]) == NULL))
			cmd_props_set(p, map[i][1], cmd_text(a, map[i][0]));
	cmd_props_set(p, "bootstrap.servers", cmd_text(a, "bootstrap-server"));
	return true;
}

static bool
reader_props(const struct cmd_args *a, struct reader *r)
{
	const char *list = cmd_given(a, "property") ? "property" : "reader-property";
	const char *file = cmd_text(a, "reader-config");

	if (file != NULL && !cmd_props_read(&r->props, file)) {
		cmd_fail(a, "cannot read %s: %s", file, strerror(errno));
		return false;
	}
	for (uint32_t i = 0; cmd_nth(a, list, i) != NULL; i++)
		if (!cmd_props_add(&r->props, cmd_nth(a, list, i)))
			cmd_props_set(&r->props, cmd_nth(a, list, i), "");
	set_reader(r);
	return true;
}

static int
check_value(const struct cmd_props *p, const char *key, const char *const *list, const char *text)
{
	const char *v = cmd_props_get(p, key);

	for (; v != NULL && *list != NULL; list++)
		if (strcmp(v, *list) == 0)
			return 0;
	if (v != NULL)
		fprintf(stderr,
		    "org.apache.kafka.common.config.ConfigException: Invalid value %s for "
		    "configuration %s: String must "
		    "be one of: %s\n",
		    v, key, text);
	return v != NULL;
}

static int
check(const struct cmd_args *a)
{
	static const char *const pairs[][2] = {{"property", "reader-property"},
	    {"producer-property", "command-property"}, {"producer.config", "command-config"}};
	char line[200];
	int rc = cmd_require(a, "bootstrap-server", "topic", NULL);

	for (uint32_t i = 0; rc == 0 && i < rk_countof(pairs); i++) {
		if (cmd_given(a, pairs[i][0]) && cmd_given(a, pairs[i][1])) {
			snprintf(line, sizeof line,
			    "Options --%s and --%s cannot be specified together.", pairs[i][1],
			    pairs[i][0]);
			return cmd_usage(a, line);
		}
		if (cmd_given(a, pairs[i][0]))
			fprintf(stderr,
			    "Warning: --%s is deprecated and will be removed in a future version. "
			    "Use --%s instead.\n",
			    pairs[i][0], pairs[i][1]);
	}
	if (rc == 0 && strstr(cmd_text(a, "line-reader"), "LineMessageReader") == NULL)
		rc = cmd_fail(a,
		    "--line-reader %s: a Java class cannot be run here; LineMessageReader is what "
		    "there is",
		    cmd_text(a, "line-reader"));
	return rc;
}

static int
run(struct cmd_args *a)
{
	static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd", NULL};
	static const char *const acks[] = {"all", "-1", "0", "1", NULL};
	struct job j = {.a = a};
	struct cmd_props props = {0};
	int rc = check(a);

	if (rc != 0)
		return rc;
	j.state.ordered = true;
	j.topic = j.state.topic = cmd_text(a, "topic");
	if (!producer_props(a, &props) || !reader_props(a, &j.r))
		rc = 1;
	else if (check_value(&props, "compression.type", codecs, "none, gzip, snappy, lz4, zstd")
		     != 0
		 || check_value(&props, "acks", acks, "all, -1, 0, 1") != 0)
		rc = 1;
	else if ((j.rd = cmd_rd(a)) == NULL
		 || (j.rk = cmd_rd_open(a, RD_KAFKA_PRODUCER, &props, &j.state)) == NULL)
		rc = 1;
	else
		rc = produce(&j);
	if (j.rk != NULL)
		j.rd->destroy(j.rk);
	cmd_props_free(&props);
	cmd_props_free(&j.r.props);
	return rc;
}

const struct cmd_spec cmd_console_producer_spec = {
    .name = "console-producer",
    .peer = "kafka-console-producer",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Reads lines from standard input and sends each as a record.",
    .about = "A record that cannot be delivered is reported on standard error; the exit status "
	     "tells only whether the lines "
	     "could be read. Needs librdkafka.",
    .odd_usage = true,
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
