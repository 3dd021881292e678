/* console_consumer.c - rookery console-consumer: prints the records of topics.
 *
 * With --group the partitions come from the group's coordinator. Without it the command reads all
 * partitions of the topics that there are when it starts, and leaves no trace in the cluster
 * (Kafka's command makes up a group for that). */
#include "src/cmd/rd.h"

static const struct cmd_opt opts[] = {
    {"bootstrap-server", CMD_TEXT, CMD_REQUIRED, 0, 0, "server to connect to", NULL,
	"Brokers: host:port,..."},
    {"command-config", CMD_TEXT, 0, 0, 0, "config file", NULL,
	"A file of consumer properties; --command-property wins over it."},
    {"command-property", CMD_TEXT, CMD_REPEAT, 0, 0, "consumer_prop", NULL,
	"A consumer property, key=value."},
    {"consumer-property", CMD_TEXT, CMD_REPEAT | CMD_OLD, 0, 0, "consumer_prop", NULL,
	"As --command-property."},
    {"consumer.config", CMD_TEXT, CMD_OLD, 0, 0, "config file", NULL, "As --command-config."},
    {"enable-systest-events", CMD_FLAG, 0, 0, 0, NULL, NULL, "Has no effect here."},
    {"formatter", CMD_TEXT, 0, 0, 0, "class",
	"org.apache.kafka.tools.consumer.DefaultMessageFormatter",
	"DefaultMessageFormatter, LoggingMessageFormatter (also notes each record on standard "
	"error) or NoOpMessageFormatter."},
    {"formatter-config", CMD_TEXT, 0, 0, 0, "config file", NULL,
	"A file of formatter properties; --formatter-property wins "
	"over it."},
    {"formatter-property", CMD_TEXT, CMD_REPEAT, 0, 0, "prop", NULL,
	"How records are printed, key=value:\nprint.timestamp, print.key, print.offset, "
	"print.epoch, print.partition, "
	"print.headers (false), print.value (true), key.separator=TAB, line.separator=LF, "
	"headers.separator=,\n"
	"null.literal=null, key.deserializer, value.deserializer, headers.deserializer."},
    {"from-beginning", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Begin with the oldest record where no offset is known."},
    {"group", CMD_TEXT, 0, 0, 0, "consumer group id", NULL,
	"Read as a member of this group, and commit what was read."},
    {"include", CMD_TEXT, 0, 0, 0, "Java regex (String)", NULL,
	"The topics whose name matches; instead of --topic."},
    {"isolation-level", CMD_TEXT, 0, 0, 0, NULL, "read_uncommitted",
	"read_committed leaves out records of transactions that were not committed."},
    {"key-deserializer", CMD_TEXT, 0, 0, 0, "deserializer for keys", NULL,
	"What keys are: see --value-deserializer."},
    {"max-messages", CMD_INT, 0, 0, 0, "num_messages", NULL, "End after so many records."},
    {"offset", CMD_TEXT, 0, 0, 0, "consume offset", "latest",
	"With --partition: a number, earliest or latest."},
    {"partition", CMD_INT, 0, 0, 0, "partition", NULL,
	"Only this partition; from its end unless --offset says otherwise."},
    {"property", CMD_TEXT, CMD_REPEAT | CMD_OLD, 0, 0, "prop", NULL, "As --formatter-property."},
    {"skip-message-on-error", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Go on with the next record when one cannot be printed."},
    {"timeout-ms", CMD_LONG, 0, 0, 0, "timeout_ms", NULL, "End when no record comes for so long."},
    {"topic", CMD_TEXT, 0, 0, 0, "topic", NULL, "The topic to read."},
    {"value-deserializer", CMD_TEXT, 0, 0, 0, "deserializer for values", NULL,
	"What values are: the name of Kafka's class StringDeserializer, ByteArrayDeserializer "
	"(both: the bytes as they are), "
	"LongDeserializer, IntegerDeserializer, ShortDeserializer, DoubleDeserializer or "
	"FloatDeserializer."},
};

enum codec { BYTES, LONG, INTEGER, SHORT, DOUBLE, FLOAT };
struct format {
	struct cmd_props props;
	bool timestamp, key, offset, epoch, partition, headers, value;
	const char *key_sep, *line_sep, *header_sep, *null_text;
	enum codec key_is, value_is, header_is;
	bool silent, log;
};
struct job {
	const struct cmd_args *a;
	const struct cmd_rd *rd;
	rd_kafka_t *rk;
	struct cmd_rd_state state;
	struct cmd_props props;
	struct format f;
	int64_t start; /* RD_KAFKA_OFFSET_BEGINNING, _END or a number */
	uint64_t count;
};

static const struct {
	const char *name;
	enum codec codec;
	uint32_t size;
} codecs[] = {
    {"StringDeserializer", BYTES, 0},
    {"ByteArrayDeserializer", BYTES, 0},
    {"BytesDeserializer", BYTES, 0},
    {"ByteBufferDeserializer", BYTES, 0},
    {"LongDeserializer", LONG, 8},
    {"IntegerDeserializer", INTEGER, 4},
    {"ShortDeserializer", SHORT, 2},
    {"DoubleDeserializer", DOUBLE, 8},
    {"FloatDeserializer", FLOAT, 4},
};

static int
codec_of(const struct cmd_args *a, const char *class, enum codec *to)
{
	const char *dot;

	if (class == NULL)
		return 0;
	dot = strrchr(class, '.');
	for (uint32_t i = 0; i < rk_countof(codecs); i++)
		if (strcmp(codecs[i].name, dot == NULL ? class : dot + 1) == 0) {
			*to = codecs[i].codec;
			return 0;
		}
	return cmd_usage(a, class);
}

static const char *
or_else(const struct cmd_props *p, const char *key, const char *otherwise)
{
	const char *v = cmd_props_get(p, key);

	return v == NULL ? otherwise : v;
}

static int
set_format(const struct cmd_args *a, struct format *f)
{
	const char *key = cmd_text(a, "key-deserializer"),
		   *value = cmd_text(a, "value-deserializer");
	const char *class = cmd_text(a, "formatter");
	int rc;

	f->timestamp = cmd_props_true(&f->props, "print.timestamp", false);
	f->key = cmd_props_true(&f->props, "print.key", false);
	f->offset = cmd_props_true(&f->props, "print.offset", false);
	f->epoch = cmd_props_true(&f->props, "print.epoch", false);
	f->partition = cmd_props_true(&f->props, "print.partition", false);
	f->headers = cmd_props_true(&f->props, "print.headers", false);
	f->value = cmd_props_true(&f->props, "print.value", true);
	f->key_sep = or_else(&f->props, "key.separator", "\t");
	f->line_sep = or_else(&f->props, "line.separator", "\n");
	f->header_sep = or_else(&f->props, "headers.separator", ",");
	f->null_text = or_else(&f->props, "null.literal", "null");
	f->silent = strstr(class, "NoOpMessageFormatter") != NULL;
	f->log = strstr(class, "LoggingMessageFormatter") != NULL;
	if (!f->silent && !f->log && strstr(class, "DefaultMessageFormatter") == NULL)
		return cmd_usage(a, class);
	if ((rc = codec_of(
		 a, key != NULL ? key : cmd_props_get(&f->props, "key.deserializer"), &f->key_is))
		!= 0
	    || (rc = codec_of(a,
		    value != NULL ? value : cmd_props_get(&f->props, "value.deserializer"),
		    &f->value_is))
		   != 0)
		return rc;
	return codec_of(a, cmd_props_get(&f->props, "headers.deserializer"), &f->header_is);
}

/* False: the bytes are not such a number; that has been said. */
static bool
print_field(const struct format *f, enum codec codec, const void *p, size_t len)
{
	static const uint32_t sizes[] = {0, 8, 4, 2, 8, 4};
	static const char *const names[] = {"", "Long", "Integer", "Short", "Double", "Float"};
	char text[40];
	uint64_t bits;
	uint32_t half;
	double d;
	float g;

	if (p == NULL || codec == BYTES) {
		fwrite(p == NULL ? f->null_text : p, 1, p == NULL ? strlen(f->null_text) : len,
		    stdout);
		return true;
	}
	if (len != sizes[codec]) {
		fflush(stdout);
		fprintf(stderr,
		    "org.apache.kafka.common.errors.SerializationException: Size of data received "
		    "by %sDeserializer is "
		    "not %u\n",
		    names[codec], sizes[codec]);
		return false;
	}
	if (codec == SHORT) {
		printf("%d", (int16_t)rk_get16(p));
	} else if (codec == INTEGER) {
		printf("%d", (int32_t)rk_get32(p));
	} else if (codec == LONG) {
		printf("%" PRId64, (int64_t)rk_get64(p));
	} else if (codec == FLOAT) {
		half = rk_get32(p);
		memcpy(&g, &half, 4);
		printf("%g", (double)g);
	} else {
		bits = rk_get64(p);
		memcpy(&d, &bits, 8);
		fputs(cmd_double(d, text), stdout);
	}
	return true;
}

static bool
print_headers(struct job *j, const rd_kafka_message_t *m)
{
	rd_kafka_headers_t *h;
	const char *name;
	const void *value;
	size_t len;

	if (j->rd->message_headers(m, &h) != RD_KAFKA_RESP_ERR_NO_ERROR
	    || j->rd->header_get_all(h, 0, &name, &value, &len) != 0) {
		fputs("NO_HEADERS", stdout);
		return true;
	}
	for (size_t i = 0; j->rd->header_get_all(h, i, &name, &value, &len) == 0; i++) {
		printf("%s%s:", i == 0 ? "" : j->f.header_sep, name);
		if (!print_field(&j->f, j->f.header_is, value, len))
			return false;
	}
	return true;
}

static void
print_time(struct job *j, const rd_kafka_message_t *m)
{
	rd_kafka_timestamp_type_t type;
	int64_t ms = j->rd->message_timestamp(m, &type);

	if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
		fputs("NO_TIMESTAMP", stdout);
	else
		printf("%s:%" PRId64,
		    type == RD_KAFKA_TIMESTAMP_CREATE_TIME ? "CreateTime" : "LogAppendTime", ms);
}

static bool
print_record(struct job *j, const rd_kafka_message_t *m)
{
	const struct format *f = &j->f;
	const char *sep = "";
	bool ok = true;

#define NEXT (fputs(sep, stdout), sep = f->key_sep)
	if (f->timestamp)
		NEXT, print_time(j, m);
	if (f->partition)
		NEXT, printf("Partition:%d", m->partition);
	if (f->offset)
		NEXT, printf("Offset:%" PRId64, m->offset);
	if (f->epoch)
		NEXT, fputs("Epoch:NOT_PRESENT", stdout); /* what Kafka's command prints, too */
	if (f->headers)
		NEXT, ok = print_headers(j, m);
	if (f->key && ok)
		NEXT, ok = print_field(f, f->key_is, m->key, m->key_len);
	if (f->value && ok)
		NEXT, ok = print_field(f, f->value_is, m->payload, m->len);
#undef NEXT
	if (ok)
		fputs(f->line_sep, stdout);
	if (f->log)
		fprintf(stderr, "offset %" PRId64 ", key %zd bytes, value %zd bytes\n", m->offset,
		    m->key == NULL ? (ssize_t)-1 : (ssize_t)m->key_len,
		    m->payload == NULL ? (ssize_t)-1 : (ssize_t)m->len);
	return ok;
}

static void
add_all(struct job *j, const struct rd_kafka_metadata *md, const struct cmd_regex *re,
    rd_kafka_topic_partition_list_t *to)
{
	int32_t only = (int32_t)cmd_number(j->a, "partition", -1);

	for (int i = 0; i < md->topic_cnt; i++) {
		const struct rd_kafka_metadata_topic *t = &md->topics[i];
		if (re != NULL
		    && (!cmd_regex_is(re, rk_str_of(t->topic))
			|| cmd_topic_internal(rk_str_of(t->topic))))
			continue;
		for (int k = 0; k < t->partition_cnt; k++)
			if (only < 0 || only == t->partitions[k].id)
				j->rd->topic_partition_list_add(to, t->topic, t->partitions[k].id)
				    ->offset = j->start;
	}
}

/* All partitions that there are; waits for the topic to come into being, as Kafka's command does.
 */
static int
assign_all(struct job *j)
{
	const char *topic = cmd_text(j->a, "topic"), *include = cmd_text(j->a, "include");
	rd_kafka_topic_t *handle = topic == NULL ? NULL : j->rd->topic_new(j->rk, topic, NULL);
	rd_kafka_topic_partition_list_t *list = j->rd->topic_partition_list_new(8);
	int64_t patience = cmd_number(j->a, "timeout-ms", -1);
	struct cmd_regex *re = NULL;
	char why[300];
	int rc = 0;

	if (include != NULL && (re = cmd_regex_topics(include, why, sizeof why)) == NULL)
		rc = cmd_fail(j->a, "--include: %s", why);
	for (uint32_t round = 0; rc == 0 && list->cnt == 0 && !cmd_rd_stopped() && !j->state.failed;
	     round++) {
		const struct rd_kafka_metadata *md;
		rd_kafka_resp_err_t e = j->rd->metadata(j->rk, topic == NULL, handle, &md, 10000);
		if (e == 0) {
			add_all(j, md, re, list);
			j->rd->metadata_destroy(md);
		}
		if (list->cnt > 0 || (patience >= 0 && round * 200 >= patience))
			break;
		if (round == 5)
			cmd_fail(j->a,
			    "there is no such topic or partition yet%s%s; waiting for it",
			    e == 0 ? "" : ": ", e == 0 ? "" : j->rd->err2str(e));
		nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
	}
	if (rc == 0 && list->cnt > 0 && j->rd->assign(j->rk, list) != 0)
		rc = cmd_fail(j->a, "the partitions could not be assigned");
	j->rd->topic_partition_list_destroy(list);
	if (handle != NULL)
		j->rd->topic_destroy(handle);
	cmd_regex_free(re);
	return rc;
}

static int
subscribe(struct job *j)
{
	const char *topic = cmd_text(j->a, "topic"), *include = cmd_text(j->a, "include");
	rd_kafka_topic_partition_list_t *list = j->rd->topic_partition_list_new(1);
	char name[600];
	rd_kafka_resp_err_t e;

	snprintf(name, sizeof name, include != NULL ? "^(%s)$" : "%s",
	    include != NULL ? include : topic);
	j->rd->topic_partition_list_add(list, name, RD_KAFKA_PARTITION_UA);
	e = j->rd->subscribe(j->rk, list);
	j->rd->topic_partition_list_destroy(list);
	return e == 0 ? 0 : cmd_fail(j->a, "cannot subscribe to %s: %s", name, j->rd->err2str(e));
}

/* One message or error of librdkafka's. False: the end, with status rc. */
static bool
take(struct job *j, const rd_kafka_message_t *m, int *rc)
{
	if (m->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
	    || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
		return true;
	if (m->err != 0) {
		*rc = cmd_fail(j->a, "%s",
		    m->payload != NULL ? (const char *)m->payload : j->rd->err2str(m->err));
		return j->rd->err2name(m->err)[0] == '_' && !j->state.failed && (*rc = 0) == 0;
	}
	j->count++;
	if (!j->f.silent && !print_record(j, m) && !cmd_given(j->a, "skip-message-on-error")) {
		*rc = 1;
		return false;
	}
	return true;
}

static int
consume(struct job *j)
{
	int64_t most = cmd_number(j->a, "max-messages", -1),
		patience = cmd_number(j->a, "timeout-ms", -1), idle = 0;
	int rc = 0;

	while (!cmd_rd_stopped() && !j->state.failed && (most < 0 || (int64_t)j->count < most)) {
		rd_kafka_message_t *m = j->rd->consumer_poll(j->rk, 0);
		if (m == NULL) {
			int64_t wait = patience < 0 ? 100 : rk_min(100, rk_max(patience - idle, 1));
			fflush(stdout);
			if (patience >= 0 && idle >= patience) {
				fputs("org.apache.kafka.common.errors.TimeoutException: no record "
				      "came within --timeout-ms\n",
				    stderr);
				break;
			}
			if ((m = j->rd->consumer_poll(j->rk, (int)wait)) == NULL) {
				idle += wait;
				continue;
			}
		}
		bool record = m->err == 0, on = take(j, m, &rc);
		j->rd->message_destroy(m);
		idle = record ? 0 : idle;
		if (!on || ferror(stdout))
			break;
	}
	fflush(stdout);
	fprintf(stderr, "Processed a total of %" PRIu64 " messages\n", j->count);
	return j->state.failed ? 1 : rc;
}

static bool
add_list(const struct cmd_args *a, const char *file, const char *list, const char *old,
    struct cmd_props *p)
{
	if (file != NULL && !cmd_props_read(p, file)) {
		cmd_fail(a, "cannot read %s: %s", file, strerror(errno));
		return false;
	}
	for (uint32_t i = 0; cmd_nth(a, list, i) != NULL; i++)
		if (!cmd_props_add(p, cmd_nth(a, list, i)))
			cmd_props_set(p, cmd_nth(a, list, i), "");
	for (uint32_t i = 0; cmd_nth(a, old, i) != NULL; i++)
		if (!cmd_props_add(p, cmd_nth(a, old, i)))
			cmd_props_set(p, cmd_nth(a, old, i), "");
	return true;
}

/* Where to begin, from --from-beginning, --offset and auto.offset.reset; the last is set for
 * groups. */
static int
begin_at(struct job *j)
{
	const char *reset = cmd_props_get(&j->props, "auto.offset.reset"),
		   *offset = cmd_text(j->a, "offset");
	bool first = cmd_given(j->a, "from-beginning");

	if (first && reset != NULL && strcmp(reset, "earliest") != 0) {
		fprintf(stderr,
		    "Can't simultaneously specify --from-beginning and 'auto.offset.reset=%s', "
		    "please remove one option\n",
		    reset);
		return 1;
	}
	first = first || (reset != NULL && strcmp(reset, "earliest") == 0);
	cmd_props_set(&j->props, "auto.offset.reset", first ? "earliest" : "latest");
	j->start = first ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END;
	if (!cmd_given(j->a, "offset"))
		return 0;
	if (strcmp(offset, "earliest") == 0) {
		j->start = RD_KAFKA_OFFSET_BEGINNING;
	} else if (strcmp(offset, "latest") == 0) {
		j->start = RD_KAFKA_OFFSET_END;
	} else if (!rk_str_int(rk_str_of(offset), &j->start) || j->start < 0) {
		char line[200];
		snprintf(line, sizeof line,
		    "The provided offset value '%s' is incorrect. Valid values are 'earliest', "
		    "'latest', or a "
		    "non-negative long.",
		    offset);
		return cmd_usage(j->a, line);
	}
	return 0;
}

static int
check(const struct cmd_args *a)
{
	static const char *const pairs[][2] = {{"property", "formatter-property"},
	    {"consumer-property", "command-property"}, {"consumer.config", "command-config"}};
	char line[200];

	if (cmd_given(a, "topic") == cmd_given(a, "include"))
		return cmd_usage(
		    a, "Exactly one of the following arguments is required: [topic], [include]");
	if (cmd_given(a, "partition") && !cmd_given(a, "topic"))
		return cmd_usage(a, "The topic is required when partition is specified.");
	if (cmd_given(a, "offset") && !cmd_given(a, "partition"))
		return cmd_usage(a, "The partition is required when offset is specified.");
	if (cmd_given(a, "offset") && cmd_given(a, "from-beginning"))
		return cmd_usage(
		    a, "from-beginning and offset options cannot be specified together.");
	if (cmd_given(a, "group") && cmd_given(a, "partition"))
		return cmd_usage(a, "Options group and partition cannot be specified together.");
	for (uint32_t i = 0; i < rk_countof(pairs); i++) {
		if (cmd_given(a, pairs[i][0]) && cmd_given(a, pairs[i][1])) {
			snprintf(line, sizeof line,
			    "Options --%s and --%s cannot be specified together.", pairs[i][1],
			    pairs[i][0]);
			return cmd_usage(a, line);
		}
		if (cmd_given(a, pairs[i][0]))
			fprintf(stderr,
			    "Option --%s is deprecated and will be removed in a future version. "
			    "Use --%s instead.\n",
			    pairs[i][0], pairs[i][1]);
	}
	return cmd_require(a, "bootstrap-server", NULL);
}

static int
prepare(struct job *j)
{
	const struct cmd_args *a = j->a;
	const char *isolation, *group = cmd_text(a, "group");
	const char *file =
	    cmd_text(a, cmd_given(a, "command-config") ? "command-config" : "consumer.config");
	int rc;

	if (!add_list(a, file, "command-property", "consumer-property", &j->props)
	    || !add_list(
		a, cmd_text(a, "formatter-config"), "formatter-property", "property", &j->f.props))
		return 1;
	if ((rc = begin_at(j)) != 0 || (rc = set_format(a, &j->f)) != 0)
		return rc;
	if (cmd_given(a, "isolation-level") || cmd_props_get(&j->props, "isolation.level") == NULL)
		cmd_props_set(&j->props, "isolation.level", cmd_text(a, "isolation-level"));
	isolation = cmd_props_get(&j->props, "isolation.level");
	if (strcmp(isolation, "read_committed") != 0
	    && strcmp(isolation, "read_uncommitted") != 0) {
		fprintf(stderr,
		    "org.apache.kafka.common.config.ConfigException: Invalid value %s for "
		    "configuration isolation.level: "
		    "String must be one of: read_committed, read_uncommitted\n",
		    isolation);
		return 1;
	}
	cmd_props_set(&j->props, "bootstrap.servers", cmd_text(a, "bootstrap-server"));
	if (cmd_props_get(&j->props, "client.id") == NULL)
		cmd_props_set(&j->props, "client.id", "console-consumer");
	cmd_props_set(&j->props, "allow.auto.create.topics", "true");
	if (group != NULL)
		cmd_props_set(&j->props, "group.id", group);
	else if (cmd_props_get(&j->props, "group.id") == NULL || cmd_given(a, "partition")) {
		cmd_props_set(&j->props, "group.id",
		    "console-consumer"); /* librdkafka wants one; nothing is committed */
		cmd_props_set(&j->props, "enable.auto.commit", "false");
	}
	return 0;
}

static int
run(struct cmd_args *a)
{
	struct job j = {.a = a};
	bool grouped;
	int rc = check(a);

	if (rc == 0)
		rc = prepare(&j);
	grouped =
	    cmd_given(a, "group")
	    || (rc == 0 && strcmp(cmd_props_get(&j.props, "group.id"), "console-consumer") != 0);
	j.state.grouped = grouped;
	if (rc == 0
	    && ((j.rd = cmd_rd(a)) == NULL
		|| (j.rk = cmd_rd_open(a, RD_KAFKA_CONSUMER, &j.props, &j.state)) == NULL))
		rc = 1;
	if (rc == 0) {
		j.rd->poll_set_consumer(j.rk);
		rc = grouped ? subscribe(&j) : assign_all(&j);
		if (rc == 0)
			rc = consume(&j);
		j.rd->consumer_close(j.rk);
	}
	if (j.rk != NULL)
		j.rd->destroy(j.rk);
	cmd_props_free(&j.props);
	cmd_props_free(&j.f.props);
	return rc;
}

const struct cmd_spec cmd_console_consumer_spec = {
    .name = "console-consumer",
    .peer = "kafka-console-consumer",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Prints the records of topics to standard output.",
    .about = "Without --group all partitions that the topics have at the start are read, and "
	     "nothing is committed; Kafka's command "
	     "makes up a group for that. With --group the partitions are shared among the group's "
	     "members and the offsets are "
	     "committed. A topic that does not exist yet is waited for. Needs librdkafka.",
    .odd_usage = true,
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
