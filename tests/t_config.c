/* t_config.c - configurations: what is read, what is refused and in which words, what is shown.
 *
 * Messages are literals seen from Apache Kafka 4.3.0 (KafkaConfig, and a running broker). */
#include <check.h>
#include "src/config.h"
#include "tests/config_cases.h"

static struct rk_arena arena;
static struct conf_notes notes;
static struct rk_str why;

static const char *const base[] = {"process.roles=broker,controller", "node.id=1",
    "listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2",
    "controller.listener.names=CONTROLLER", "controller.quorum.voters=1@127.0.0.1:2",
    "log.dirs=/tmp/x"};

static void
fresh(void)
{
	rk_arena_free(&arena);
	rk_arena_init(&arena, 64 << 20);
	notes = (struct conf_notes){.arena = &arena};
}

/* The base with "k=v;k=v" over it; a bare k takes that key out. */
static struct conf *
with(const char *changes)
{
	const char *pairs[64];
	uint32_t n = 0;
	char *copy = strdup(changes);

	fresh();
	for (size_t i = 0; i < rk_countof(base); i++) {
		size_t key = strcspn(base[i], "=");
		bool replaced = false;
		for (const char *p = changes; *p != '\0'; p += strcspn(p, ";"), p += *p == ';')
			replaced = replaced
				   || (strncmp(p, base[i], key) == 0
				       && (p[key] == '=' || p[key] == ';' || p[key] == '\0'));
		if (!replaced)
			pairs[n++] = base[i];
	}
	for (char *p = strtok(copy, ";"); p != NULL; p = strtok(NULL, ";"))
		if (strchr(p, '=') != NULL)
			pairs[n++] = p;
	struct conf *c = conf_make(pairs, n, &notes);
	free(copy);
	return c;
}

static const char *
first_error(void)
{
	for (uint32_t i = 0; i < notes.count; i++)
		if (notes.at[i].level == RK_ERROR)
			return notes.at[i].text.at;
	return NULL;
}

static bool
noted(enum rk_level level, const char *part)
{
	for (uint32_t i = 0; i < notes.count; i++)
		if (notes.at[i].level == level && strstr(notes.at[i].text.at, part) != NULL)
			return true;
	return false;
}

START_TEST(a_node_is_refused_in_kafkas_words)
{
	int wrong = 0;

	for (size_t i = 0; i < rk_countof(startup); i++) {
		struct conf *c = with(startup[i].change);
		const char *says = first_error(), *should = startup[i].message;
		if ((says == NULL) != (should == NULL)
		    || (says != NULL && strcmp(says, should) != 0)) {
			wrong++;
			fprintf(stderr, "%s\n  says  %s\n  Kafka %s\n", startup[i].change,
			    says != NULL ? says : "ok", should != NULL ? should : "ok");
		}
		conf_free(c);
	}
	ck_assert_int_eq(wrong, 0);
}
END_TEST

/* "k=v;k=v" as pairs; the text must outlive them. */
static uint32_t
pairs_of(char *text, struct conf_pair *p)
{
	uint32_t n = 0;

	for (char *one = strtok(text, ";"); one != NULL; one = strtok(NULL, ";")) {
		char *is = strchr(one, '=');
		p[n].name =
		    (struct rk_str){one, (int32_t)(is != NULL ? (size_t)(is - one) : strlen(one))};
		p[n++].value = is != NULL ? rk_str_of(is + 1) : RK_STR_NULL;
	}
	return n;
}

/* Counts and prints a message that is not Kafka's. */
static int
unlike(const char *what, const char *should)
{
	const char *says = why.len < 0 ? NULL : why.at;

	if ((says == NULL) == (should == NULL) && (says == NULL || strcmp(says, should) == 0))
		return 0;
	fprintf(stderr, "%s\n  says  %s\n  Kafka %s\n", what, says != NULL ? says : "ok",
	    should != NULL ? should : "ok");
	return 1;
}

START_TEST(a_topics_configs_are_judged_in_kafkas_words)
{
	struct conf *c = with("");
	int wrong = 0;

	for (size_t i = 0; i < rk_countof(topic_cases); i++) {
		struct conf_pair p[16];
		char *text = strdup(topic_cases[i].configs);
		uint32_t n = pairs_of(text, p);
		enum rk_err e = conf_topic_check(c, p, n, NULL, 0, &arena, &why);
		wrong += unlike(topic_cases[i].configs, topic_cases[i].message);
		ck_assert_int_eq(e, topic_cases[i].message == NULL ? RK_OK : RK_INVALID_CONFIG);
		free(text);
	}
	ck_assert_int_eq(wrong, 0);
	conf_free(c);
}
END_TEST

static const char tiered[] = "remote.log.storage.system.enable=true";

/* What LogConfig.validate says where tiered storage is on. */
START_TEST(tiered_topics_are_judged_in_kafkas_words)
{
	static const struct {
		const char *before, *configs, *message;
	} t[] = {
	    {"", "remote.storage.enable=true", NULL},
	    {"", "remote.storage.enable=true;cleanup.policy=", NULL},
	    {"", "remote.storage.enable=true;cleanup.policy=delete,compact",
		"Remote log storage only supports topics with cleanup.policy=delete or "
		"cleanup.policy being an empty list."},
	    {"", "remote.storage.enable=true;local.retention.ms=10;retention.ms=5",
		"Invalid value 10 for configuration local.retention.ms: Value must not be more "
		"than "
		"retention.ms property value: 5"},
	    {"", "remote.storage.enable=true;local.retention.bytes=-1;retention.bytes=5",
		"Invalid value -1 for configuration local.retention.bytes: Value must not be -1 as "
		"retention.bytes value is set as 5."},
	    {"", "remote.storage.enable=true;local.retention.ms=5;retention.ms=-1", NULL},
	    {"",
		"remote.storage.enable=true;remote.log.copy.disable=true;local.retention.ms=5;"
		"retention.ms=10",
		"When `remote.log.copy.disable` is set to true, the `local.retention.ms` and "
		"`retention.ms` must be set to the identical value because there will be no more "
		"logs "
		"copied to the remote storage."},
	    {"remote.storage.enable=true",
		"remote.storage.enable=false;remote.log.delete.on.disable=true", NULL},
	    {"remote.storage.enable=true", "retention.ms=5",
		"It is invalid to disable remote storage without deleting remote data. If you want "
		"to "
		"keep the remote data and turn to read only, please set "
		"`remote.storage.enable=true,remote.log.copy.disable=true`. If you want to disable "
		"remote storage and delete all remote data, please set "
		"`remote.storage.enable=false,remote.log.delete.on.disable=true`."},
	};
	struct conf *c = with(tiered);
	int wrong = 0;

	for (size_t i = 0; i < rk_countof(t); i++) {
		struct conf_pair p[8], had[8];
		char *text = strdup(t[i].configs), *was = strdup(t[i].before);
		uint32_t n = pairs_of(text, p), m = pairs_of(was, had);
		(void)!conf_topic_check(c, p, n, had, m, &arena, &why);
		wrong += unlike(t[i].configs, t[i].message);
		free(text);
		free(was);
	}
	ck_assert_int_eq(wrong, 0);
	conf_free(c);
}
END_TEST

/* The bounds of the broker that was asked. */
static const char bounds[] = "group.consumer.min.session.timeout.ms=1000;"
			     "group.consumer.min.heartbeat.interval.ms=500;"
			     "group.share.min.session.timeout.ms=1000;"
			     "group.share.min.heartbeat.interval.ms=500;"
			     "group.share.min.record.lock.duration.ms=1000";

START_TEST(a_groups_configs_are_judged_in_kafkas_words)
{
	struct conf *c = with(bounds);
	int wrong = 0;

	ck_assert_uint_eq(notes.errors, 0);
	for (size_t i = 0; i < rk_countof(group_cases); i++) {
		struct conf_pair p[8];
		char *text = strdup(group_cases[i].configs);
		(void)!conf_group_check(c, p, pairs_of(text, p), &arena, &why);
		wrong += unlike(group_cases[i].configs, group_cases[i].message);
		free(text);
	}
	ck_assert_int_eq(wrong, 0);
	conf_free(c);
}
END_TEST

START_TEST(a_subscriptions_configs_are_judged_in_kafkas_words)
{
	int wrong = 0;

	fresh();
	for (size_t i = 0; i < rk_countof(metrics_cases); i++) {
		struct conf_pair p[8];
		char *text = strdup(metrics_cases[i].configs);
		enum rk_err e = conf_client_metrics_check(p, pairs_of(text, p), &arena, &why);
		wrong += unlike(metrics_cases[i].configs, metrics_cases[i].message);
		ck_assert_int_eq(rk_err_wire(e), metrics_cases[i].error);
		free(text);
	}
	ck_assert_int_eq(wrong, 0);
}
END_TEST

START_TEST(a_running_brokers_changes_are_judged_in_kafkas_words)
{
	int wrong = 0;

	for (size_t i = 0; i < rk_countof(broker_cases); i++) {
		struct conf *c =
		    with("listeners=PLAINTEXT://127.0.0.1:21101,CONTROLLER://127.0.0.1:21151");
		struct conf_pair p[8];
		char *text = strdup(broker_cases[i].configs);
		enum rk_err e = conf_dynamic_check(c,
		    broker_cases[i].this_broker ? CONF_THIS_BROKER : CONF_ALL_BROKERS, p,
		    pairs_of(text, p), &arena, &why);
		wrong += unlike(broker_cases[i].configs, broker_cases[i].message);
		ck_assert_int_eq(e, broker_cases[i].message == NULL ? RK_OK : RK_INVALID_REQUEST);
		free(text);
		conf_free(c);
	}
	ck_assert_int_eq(wrong, 0);
}
END_TEST

/* ---- tables --------------------------------------------------------------------------------- */

START_TEST(every_row_says_what_it_does)
{
	for (int scope = CONF_BROKERS; scope <= CONF_CLIENT_METRICS; scope++) {
		uint32_t n;
		const struct conf_row *r = conf_rows((enum conf_scope)scope, &n);
		for (uint32_t i = 0; i < n; i++) {
			ck_assert_msg(
			    strlen(r[i].doc) > 10 && strlen(r[i].doc) <= 100, "%s", r[i].name);
			ck_assert_msg(r[i].doc[strlen(r[i].doc) - 1] == '.', "%s", r[i].name);
			ck_assert(i == 0 || strcmp(r[i - 1].name, r[i].name) < 0);
			ck_assert_ptr_eq(
			    conf_row_find((enum conf_scope)scope, rk_str_of(r[i].name)), &r[i]);
		}
	}
}
END_TEST

START_TEST(a_field_is_named_like_its_key)
{
	static const char *const names[] = {
#define CONF(field, name, ...) #field, name,
#include "src/config.tbl"
#undef CONF
#define TOPIC(field, name, ...) #field, name,
#include "src/config_topic.tbl"
#undef TOPIC
#define GROUP(field, name, ...) #field, name,
#include "src/config_group.tbl"
#undef GROUP
	};

	for (size_t i = 0; i < rk_countof(names); i += 2) {
		ck_assert_uint_eq(strlen(names[i]), strlen(names[i + 1]));
		for (size_t j = 0; names[i][j] != '\0'; j++)
			ck_assert_msg(
			    names[i][j] == (names[i + 1][j] == '.' ? '_' : names[i + 1][j]), "%s",
			    names[i]);
	}
}
END_TEST

/* ---- reading -------------------------------------------------------------------------------- */

static char got[1024];

static void
gather(void *arg, struct rk_str key, struct rk_str value, uint32_t line)
{
	size_t at = strlen(got);

	(void)arg;
	snprintf(got + at, sizeof got - at, "%u[%.*s][%.*s]", line, key.len, key.at, value.len,
	    value.at);
}

static const char *
properties(const char *text)
{
	uint32_t bad = 0;

	fresh();
	got[0] = '\0';
	if (!conf_properties(rk_str_of(text), &arena, gather, NULL, &bad))
		snprintf(got + strlen(got), sizeof got - strlen(got), "bad %u", bad);
	return got;
}

START_TEST(properties_are_read_as_java_reads_them)
{
	ck_assert_str_eq(properties("a=b\n"), "1[a][b]");
	ck_assert_str_eq(properties("a = b \nc:d\ne f"), "1[a][b ]2[c][d]3[e][f]");
	ck_assert_str_eq(properties("# no\n ! no\n\n  a=b"), "4[a][b]");
	ck_assert_str_eq(properties("a=b\\\n   c\\\n\td\ne=f"), "1[a][bcd]4[e][f]");
	ck_assert_str_eq(properties("a\\=b\\ c=d\\te\\q"), "1[a=b c][d\teq]");
	ck_assert_str_eq(properties("a=\\u00e9\\u20ac\\ud83d\\ude00"),
	    "1[a][\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80]");
	ck_assert_str_eq(properties("a=b\r\nc=d\re"), "1[a][b]2[c][d]3[e][]");
	ck_assert_str_eq(properties("a=b\\\\\nc=d"), "1[a][b\\]2[c][d]");
	ck_assert_str_eq(properties("a = = b"), "1[a][= b]");
	ck_assert_str_eq(properties("a=1\nb=\\u12x4"), "1[a][1]bad 2");
	ck_assert_str_eq(properties("a=b\\"), "1[a][b]");
	ck_assert_str_eq(properties(""), "");
}
END_TEST

static struct conf *
file(const char *text)
{
	fresh();
	return conf_read("server.properties", rk_str_of(text), base, rk_countof(base), &notes);
}

START_TEST(a_misspelt_key_is_named_with_the_nearest_one)
{
	struct conf *c = file("\n\nlog.retention.huors=3\n");

	ck_assert_uint_eq(notes.errors, 0);
	ck_assert_uint_eq(notes.count, 1);
	ck_assert_str_eq(notes.at[0].where.at, "server.properties:3");
	ck_assert_str_eq(notes.at[0].text.at, "unknown configuration log.retention.huors is "
					      "ignored; did you mean log.retention.hours?");
	conf_free(c);
	c = file("quite.something.else.altogether.and.long=1");
	ck_assert_str_eq(notes.at[0].text.at,
	    "unknown configuration quite.something.else.altogether.and.long is ignored");
	conf_free(c);
}
END_TEST

START_TEST(keys_without_effect_are_named_in_one_warning)
{
	struct conf *c =
	    file("sasl.kerberos.kinit.cmd=/x\nkafka.metrics.polling.interval.secs=5\n");

	ck_assert_uint_eq(notes.count, 1);
	ck_assert_int_eq(notes.at[0].level, RK_WARN);
	ck_assert(noted(RK_WARN, "sasl.kerberos.kinit.cmd, kafka.metrics.polling.interval.secs"));
	conf_free(c);
}
END_TEST

START_TEST(removed_keys_say_why)
{
	struct conf *c = file("zookeeper.connect=a\nlog.message.format.version=2.0");

	ck_assert(noted(RK_WARN,
	    "zookeeper.connect was removed in Kafka 4 and is ignored: there is no ZooKeeper"));
	ck_assert(noted(RK_WARN, "log.message.format.version was removed"));
	conf_free(c);
}
END_TEST

START_TEST(an_override_wins_over_the_file)
{
	const char *over[] = {"num.partitions=9", "nonsense"};
	struct conf *c;

	fresh();
	c = conf_read("f", rk_lit("num.partitions=3\n"), over, 2, &notes);
	ck_assert_int_eq(c->num_partitions, 9);
	ck_assert(noted(RK_ERROR, "nonsense is not of the form KEY=VALUE"));
	conf_free(c);
}
END_TEST

START_TEST(listeners_roles_and_voters_are_taken_apart)
{
	struct conf *c =
	    with("listeners=CLIENTS://0.0.0.0:9092,inner://[::1]:9094,CONTROLLER://h:9093;"
		 "advertised.listeners=CLIENTS://kafka.example.org:19092,INNER://[fe80::1]:9094;"
		 "listener.security.protocol.map=CLIENTS:SASL_SSL,INNER:PLAINTEXT,CONTROLLER:SSL;"
		 "inter.broker.listener.name=INNER;controller.quorum.voters=1@h:9093,2@[::2]:9;"
		 "log.dirs=/a, /b;controller.quorum.bootstrap.servers=x:1,y:2");

	ck_assert_msg(notes.errors == 0, "%s", first_error());
	ck_assert(c->is_broker && c->is_controller);
	ck_assert_uint_eq(c->listener_count, 3);
	ck_assert_str_eq(c->listener[0].name, "CLIENTS");
	ck_assert_str_eq(c->listener[0].advertised_host, "kafka.example.org");
	ck_assert_int_eq(c->listener[0].advertised_port, 19092);
	ck_assert_int_eq(c->listener[0].protocol, CONF_SASL_SSL);
	ck_assert(c->listener[1].is_inter_broker && !c->listener[0].is_inter_broker);
	ck_assert_str_eq(c->listener[1].name, "INNER");
	ck_assert_str_eq(c->listener[1].host, "::1");
	ck_assert(c->listener[2].is_controller);
	ck_assert_str_eq(c->listener[2].advertised_host, "h");
	ck_assert_uint_eq(c->voter_count, 2);
	ck_assert_int_eq(c->voter[1].id, 2);
	ck_assert_str_eq(c->voter[1].host, "::2");
	ck_assert_uint_eq(c->bootstrap_count, 2);
	ck_assert_uint_eq(c->dirs.count, 2);
	ck_assert_str_eq(c->metadata_dir, "/a");
	conf_free(c);
}
END_TEST

START_TEST(a_listener_has_keys_of_its_own)
{
	struct conf *c =
	    with("ssl.keystore.location=/all;listener.name.plaintext.ssl.keystore.location=/own;"
		 "listener.name.plaintext.plain.sasl.jaas.config=deep;sasl.jaas.config=flat");

	ck_assert_uint_eq(notes.count, 1); /* TLS does not act yet: one line says so */
	ck_assert_str_eq(
	    conf_listener_value(c, &c->listener[0], NULL, "ssl.keystore.location"), "/own");
	ck_assert_str_eq(
	    conf_listener_value(c, &c->listener[1], NULL, "ssl.keystore.location"), "/all");
	ck_assert_str_eq(
	    conf_listener_value(c, &c->listener[0], "plain", "sasl.jaas.config"), "deep");
	ck_assert_str_eq(
	    conf_listener_value(c, &c->listener[1], "plain", "sasl.jaas.config"), "flat");
	conf_free(c);
}
END_TEST

/* ---- topics --------------------------------------------------------------------------------- */

START_TEST(a_topic_takes_its_defaults_from_the_broker)
{
	struct conf *c =
	    with("log.retention.hours=2;log.retention.minutes=90;log.roll.hours=3;"
		 "log.flush.scheduler.interval.ms=77;log.cleanup.policy=compact,delete;"
		 "compression.type=zstd;log.write.caching=true;log.segment.bytes=2097152");
	struct conf_topic t;

	conf_topic_defaults(c, &t);
	ck_assert_int_eq(t.retention_ms, 90 * 60000);
	ck_assert_int_eq(t.segment_ms, 3 * 3600000);
	ck_assert_int_eq(t.flush_ms, 77);
	ck_assert_uint_eq(t.cleanup_policy, CONF_COMPACT | CONF_DELETE);
	ck_assert_uint_eq(t.compression_type, CONF_ZSTD);
	ck_assert(t.write_caching);
	ck_assert_int_eq(t.segment_bytes, 2097152);
	ck_assert_int_eq(t.max_message_bytes, 1048588);
	ck_assert_double_eq(t.min_cleanable_dirty_ratio, 0.5);
	ck_assert_int_eq(conf_topic_apply(&t, rk_lit("retention.ms"), rk_lit("5")), RK_OK);
	ck_assert_int_eq(
	    conf_topic_apply(&t, rk_lit("retention.ms"), rk_lit("x")), RK_INVALID_CONFIG);
	ck_assert_int_eq(t.retention_ms, 5);
	conf_free(c);
	c = with("log.retention.hours=-1");
	conf_topic_defaults(c, &t);
	ck_assert_int_eq(t.retention_ms, -1);
	conf_free(c);
}
END_TEST

START_TEST(equal_topics_share_one_copy)
{
	struct conf *c = with("");
	struct conf_pool pool = {{0}};
	struct conf_topic t, u;
	char replicas[] = "0:1,1:2";

	conf_topic_defaults(c, &t);
	conf_topic_defaults(c, &u);
	ck_assert_int_eq(conf_topic_apply(&t, rk_lit("leader.replication.throttled.replicas"),
			     rk_str_of(replicas)),
	    RK_OK);
	const struct conf_topic *a = conf_pool_hold(&pool, &t), *b = conf_pool_hold(&pool, &u);
	memset(replicas, 'x', strlen(replicas));
	ck_assert(conf_throttled(a->leader_replication_throttled_replicas, 1, 2));
	ck_assert(!conf_throttled(a->leader_replication_throttled_replicas, 1, 1));
	ck_assert(conf_throttled(rk_lit("*"), 7, 7));
	ck_assert_ptr_ne(a, b);
	ck_assert_ptr_eq(conf_pool_hold(&pool, &u), b);
	conf_pool_drop(&pool, b);
	conf_pool_drop(&pool, b);
	conf_pool_drop(&pool, a);
	conf_pool_free(&pool);
	conf_free(c);
}
END_TEST

/* ---- descriptions --------------------------------------------------------------------------- */

static const char *const sources[] = {
    "", "TOPIC", "BROKER", "ALL", "FILE", "DEFAULT", "", "METRICS", "GROUP"};

/* "value source ro sensitive [source:name=value, ...]" of one entry. */
static const char *
shown(struct conf_entries all, const char *name)
{
	static char out[1024];

	for (uint32_t i = 0; i < all.count; i++) {
		const struct conf_entry *e = &all.at[i];
		if (strcmp(e->name, name) != 0)
			continue;
		size_t at = (size_t)snprintf(out, sizeof out, "%s %s%s%s [",
		    e->value.len < 0 ? "null" : e->value.at, sources[e->source],
		    e->read_only ? " ro" : "", e->sensitive ? " sensitive" : "");
		for (uint32_t j = 0; j < e->synonym_count; j++)
			at += (size_t)snprintf(out + at, sizeof out - at, "%s%s:%s=%s",
			    j > 0 ? ", " : "", sources[e->synonyms[j].source], e->synonyms[j].name,
			    e->synonyms[j].value.len < 0 ? "null" : e->synonyms[j].value.at);
		snprintf(out + at, sizeof out - at, "]");
		return out;
	}
	return "absent";
}

static const char *
broker(const struct conf *c, const char *name)
{
	return shown(conf_describe_broker(c, (struct conf_want){0}, &arena), name);
}

static void
change(struct conf *c, enum conf_target target, const char *name, const char *value)
{
	(void)!conf_set_dynamic(c, target, rk_str_of(name), rk_str_of(value), &arena, &why);
}

/* All as the running broker showed it with the same settings. */
START_TEST(a_brokers_description_has_kafkas_sources_and_synonyms)
{
	struct conf *c =
	    with("num.partitions=4;delegation.token.secret.key=x;super.users=User:a;no.such=1");

	ck_assert_str_eq(
	    broker(c, "message.max.bytes"), "1048588 DEFAULT [DEFAULT:message.max.bytes=1048588]");
	ck_assert_str_eq(broker(c, "log.roll.ms"), "null DEFAULT []");
	ck_assert_str_eq(broker(c, "delegation.token.secret.key"),
	    "null FILE ro sensitive [FILE:delegation.token.secret.key=null]");
	ck_assert_str_eq(broker(c, "node.id"), "1 FILE ro [FILE:node.id=1]");
	ck_assert_str_eq(
	    broker(c, "broker.id"), "1 FILE ro [FILE:broker.id=1, DEFAULT:broker.id=-1]");
	ck_assert_str_eq(broker(c, "num.partitions"),
	    "4 FILE ro [FILE:num.partitions=4, DEFAULT:num.partitions=1]");
	ck_assert_str_eq(
	    broker(c, "super.users"), "null FILE ro sensitive [FILE:super.users=null]");
	ck_assert_str_eq(broker(c, "no.such"), "null FILE ro sensitive [FILE:no.such=null]");
	ck_assert_str_eq(broker(c, "internal.metadata.delete.delay.millis"), "absent");
	ck_assert_str_eq(broker(c, "leader.replication.throttled.rate"), "absent");
	change(c, CONF_THIS_BROKER, "log.retention.ms", "99");
	ck_assert_str_eq(broker(c, "log.retention.ms"),
	    "99 BROKER [BROKER:log.retention.ms=99, DEFAULT:log.retention.hours=168]");
	ck_assert_str_eq(
	    broker(c, "log.retention.hours"), "168 DEFAULT ro [DEFAULT:log.retention.hours=168]");
	change(c, CONF_ALL_BROKERS, "num.io.threads", "9");
	change(c, CONF_ALL_BROKERS, "leader.replication.throttled.rate", "1000");
	change(c, CONF_THIS_BROKER, "leader.replication.throttled.rate", "1000");
	ck_assert_str_eq(
	    broker(c, "num.io.threads"), "9 ALL [ALL:num.io.threads=9, DEFAULT:num.io.threads=8]");
	ck_assert_str_eq(broker(c, "leader.replication.throttled.rate"),
	    "1000 BROKER [BROKER:leader.replication.throttled.rate=1000, "
	    "ALL:leader.replication.throttled.rate=1000]");
	change(c, CONF_THIS_BROKER, "log.cleaner.io.max.bytes.per.second", "1e6");
	ck_assert_str_eq(broker(c, "log.cleaner.io.max.bytes.per.second"),
	    "1000000.0 BROKER [BROKER:log.cleaner.io.max.bytes.per.second=1e6, "
	    "DEFAULT:log.cleaner.io.max.bytes.per.second=1.7976931348623157E308]");
	struct conf_entries all = conf_describe_all_brokers(c, (struct conf_want){0}, &arena);
	ck_assert_uint_eq(all.count, 2);
	ck_assert_str_eq(shown(all, "num.io.threads"), "9 ALL [ALL:num.io.threads=9]");
	conf_free(c);
}
END_TEST

START_TEST(a_topics_description_has_kafkas_sources_and_synonyms)
{
	struct conf *c = with("");
	struct conf_pair own[] = {{rk_lit("cleanup.policy"), rk_lit("delete, compact,delete")}};
	struct rk_str name = rk_lit("segment.bytes");

	change(c, CONF_ALL_BROKERS, "min.insync.replicas", "2");
	struct conf_entries all = conf_describe_topic(c, own, 1, (struct conf_want){0}, &arena);
	ck_assert_uint_eq(all.count, 34); /* Kafka's 33 and our write.caching */
	ck_assert_str_eq(shown(all, "cleanup.policy"),
	    "delete,compact TOPIC [TOPIC:cleanup.policy=delete,compact, "
	    "DEFAULT:log.cleanup.policy=delete]");
	ck_assert_str_eq(shown(all, "min.insync.replicas"),
	    "2 ALL [ALL:min.insync.replicas=2, DEFAULT:min.insync.replicas=1]");
	ck_assert_str_eq(shown(all, "retention.ms"), "604800000 DEFAULT []");
	ck_assert_str_eq(shown(all, "flush.ms"), "9223372036854775807 DEFAULT []");
	ck_assert_str_eq(shown(all, "remote.storage.enable"), "false DEFAULT []");
	ck_assert_str_eq(shown(all, "leader.replication.throttled.replicas"), " DEFAULT []");
	ck_assert_str_eq(shown(all, "segment.bytes"),
	    "1073741824 DEFAULT [DEFAULT:log.segment.bytes=1073741824]");
	all = conf_describe_topic(c, own, 1, (struct conf_want){&name, 1}, &arena);
	ck_assert_uint_eq(all.count, 1);
	change(c, CONF_THIS_BROKER, "log.retention.ms", "99");
	all = conf_describe_topic(c, NULL, 0, (struct conf_want){0}, &arena);
	ck_assert_str_eq(shown(all, "retention.ms"),
	    "99 BROKER [BROKER:log.retention.ms=99, DEFAULT:log.retention.hours=168]");
	conf_free(c);
}
END_TEST

START_TEST(groups_and_subscriptions_are_described)
{
	struct conf *c = with("");
	struct conf_pair own[] = {{rk_lit("consumer.session.timeout.ms"), rk_lit("50000")},
	    {rk_lit("share.auto.offset.reset"), rk_lit("by_duration:PT1H")}};
	struct conf_pair mine[] = {{rk_lit("metrics"), rk_lit("a,a")}};
	struct conf_entries all = conf_describe_group(c, own, 2, (struct conf_want){0}, &arena);

	ck_assert_uint_eq(all.count, 17);
	ck_assert_str_eq(shown(all, "consumer.session.timeout.ms"),
	    "50000 GROUP [GROUP:consumer.session.timeout.ms=50000, "
	    "DEFAULT:group.consumer.session.timeout.ms=45000]");
	ck_assert_str_eq(shown(all, "share.auto.offset.reset"),
	    "by_duration:PT1H GROUP [GROUP:share.auto.offset.reset=by_duration:PT1H, "
	    "DEFAULT:share.auto.offset.reset=latest]");
	ck_assert_str_eq(shown(all, "share.isolation.level"),
	    "read_uncommitted DEFAULT [DEFAULT:share.isolation.level=read_uncommitted]");
	all = conf_describe_client_metrics(mine, 1, (struct conf_want){0}, &arena);
	ck_assert_str_eq(shown(all, "metrics"), "a METRICS [METRICS:metrics=a]");
	ck_assert_str_eq(shown(all, "interval.ms"), "300000 DEFAULT []");
	conf_free(c);
}
END_TEST

START_TEST(a_listeners_key_names_its_base_as_synonym)
{
	struct conf *c = with("listener.name.plaintext.max.connections=77");

	ck_assert_str_eq(broker(c, "listener.name.plaintext.max.connections"),
	    "77 FILE ro [FILE:listener.name.plaintext.max.connections=77, "
	    "DEFAULT:max.connections=2147483647]");
	change(c, CONF_THIS_BROKER, "listener.name.plaintext.max.connections", "78");
	ck_assert_str_eq(broker(c, "listener.name.plaintext.max.connections"),
	    "78 BROKER ro [BROKER:listener.name.plaintext.max.connections=78, "
	    "FILE:listener.name.plaintext.max.connections=77, DEFAULT:max.connections=2147483647]");
	conf_free(c);
}
END_TEST

START_TEST(lists_grow_and_shrink)
{
	struct conf *c = with("log.cleanup.policy=delete,delete");
	struct rk_str out, has = rk_lit("0:1"), key = rk_lit("cleanup.policy");
	struct rk_str leaders = rk_lit("leader.replication.throttled.replicas");

	(void)!conf_edit(
	    c, CONF_TOPICS, CONF_APPEND, key, RK_STR_NULL, rk_lit("compact"), &arena, &out, &why);
	ck_assert(rk_str_is(out, "delete,delete,compact")); /* the check drops the second */
	(void)!conf_edit(c, CONF_TOPICS, CONF_SUBTRACT, key, rk_lit("delete,compact"),
	    rk_lit("delete"), &arena, &out, &why);
	ck_assert(rk_str_is(out, "compact"));
	(void)!conf_edit(
	    c, CONF_TOPICS, CONF_SUBTRACT, key, out, rk_lit("compact"), &arena, &out, &why);
	ck_assert(rk_str_is(out, ""));
	(void)!conf_edit(
	    c, CONF_TOPICS, CONF_APPEND, leaders, has, rk_lit("0:2,0:1,0:3"), &arena, &out, &why);
	ck_assert(rk_str_is(out, "0:1,0:2,0:3"));
	(void)!conf_edit(c, CONF_TOPICS, CONF_SUBTRACT, rk_lit("retention.ms"), RK_STR_NULL, has,
	    &arena, &out, &why);
	ck_assert(
	    rk_str_is(why, "Can't SUBTRACT to key retention.ms because its type is not LIST."));
	(void)!conf_edit(c, CONF_CLIENT_METRICS, CONF_APPEND, rk_lit("metrics"), RK_STR_NULL, has,
	    &arena, &out, &why);
	ck_assert(rk_str_is(why, "Can't APPEND to key metrics because its type is not LIST."));
	(void)!conf_edit(c, CONF_BROKERS, CONF_APPEND, rk_lit("num.io.threads"), RK_STR_NULL, has,
	    &arena, &out, &why);
	ck_assert(
	    rk_str_is(why, "Config value append is not allowed for config key: num.io.threads"));
	conf_free(c);
}
END_TEST

START_TEST(a_group_must_hear_a_heartbeat_within_its_session)
{
	struct conf *c = with(bounds);
	struct conf_pair p[] = {{rk_lit("consumer.session.timeout.ms"), rk_lit("2000")}};
	struct conf_group g;

	ck_assert_int_eq(conf_group_check(c, p, 1, &arena, &why), RK_INVALID_CONFIG);
	ck_assert(rk_str_is(why,
	    "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms"));
	conf_group_defaults(c, &g);
	ck_assert_int_eq(g.consumer_session_timeout_ms, 45000);
	ck_assert_uint_eq(g.share_isolation_level, CONF_READ_UNCOMMITTED);
	ck_assert_int_eq(conf_group_apply(c, &g, p[0].name, rk_lit("1")), RK_OK);
	ck_assert_int_eq(g.consumer_session_timeout_ms, 1000);
	conf_free(c);
}
END_TEST

START_TEST(a_secret_is_never_shown)
{
	struct conf *c =
	    with("ssl.key.password=hush-hush;sasl.jaas.config=hush-hush;super.users=hush-hush;"
		 "listener.name.plaintext.ssl.keystore.password=hush-hush;odd=hush-hush");
	struct conf_entries all = conf_describe_broker(c, (struct conf_want){0}, &arena);

	for (uint32_t i = 0; i < all.count; i++)
		ck_assert_ptr_null(strstr(shown(all, all.at[i].name), "hush"));
	for (uint32_t i = 0; i < notes.count; i++)
		ck_assert_ptr_null(strstr(notes.at[i].text.at, "hush"));
	ck_assert_str_eq(conf_text(c, "ssl.key.password"), "hush-hush");
	conf_free(c);
}
END_TEST

/* ---- change at run time --------------------------------------------------------------------- */

START_TEST(the_most_specific_layer_wins)
{
	struct conf *c = with("message.max.bytes=4");

	change(c, CONF_ALL_BROKERS, "message.max.bytes", "5");
	ck_assert_int_eq(c->message_max_bytes, 5);
	change(c, CONF_THIS_BROKER, "message.max.bytes", "6");
	ck_assert_int_eq(c->message_max_bytes, 6);
	change(c, CONF_THIS_BROKER, "message.max.bytes", "six");
	ck_assert_int_eq(c->message_max_bytes, 5);
	change(c, CONF_THIS_BROKER, "message.max.bytes", NULL);
	change(c, CONF_ALL_BROKERS, "message.max.bytes", NULL);
	ck_assert_int_eq(c->message_max_bytes, 4);
	ck_assert_int_eq(
	    conf_set_dynamic(c, CONF_THIS_BROKER, rk_lit("node.id"), rk_lit("7"), &arena, &why),
	    RK_INVALID_CONFIG);
	ck_assert_int_eq(c->node_id, 1);
	change(c, CONF_THIS_BROKER, "log.cleanup.policy", "compact,delete");
	ck_assert_uint_eq(c->log_cleanup_policy.count, 2);
	change(c, CONF_THIS_BROKER, "log.cleanup.policy", "compact");
	ck_assert_str_eq(c->log_cleanup_policy.at[0], "compact");
	conf_free(c);
}
END_TEST

START_TEST(broken_listeners_leave_the_old_ones)
{
	struct conf *c = with("");
	const char *name = c->listener[0].name;

	change(c, CONF_THIS_BROKER, "listeners", "NOPE://h:1");
	ck_assert_uint_eq(c->listener_count, 2);
	ck_assert_ptr_eq(c->listener[0].name, name);
	change(c, CONF_THIS_BROKER, "listeners",
	    "SSL://h:5,PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2");
	ck_assert_uint_eq(c->listener_count, 2); /* with SSL about, CONTROLLER is not plain by itself */
	change(c, CONF_THIS_BROKER, "listener.security.protocol.map",
	    "SSL:SSL,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT");
	ck_assert_uint_eq(c->listener_count, 3);
	ck_assert_str_eq(name, "PLAINTEXT"); /* whoever held the name may still read it */
	conf_free(c);
}
END_TEST

START_TEST(null_values_are_refused_together)
{
	struct conf *c = with("");
	struct conf_pair p[] = { { rk_lit("metrics"), RK_STR_NULL }, { rk_lit("x"), rk_lit("y") },
		{ rk_lit("segment.ms"), RK_STR_NULL } };

	ck_assert_int_eq(conf_client_metrics_check(p, 2, &arena, &why), RK_INVALID_CONFIG);
	ck_assert(rk_str_is(why, "Null value not supported for client metrics configs: metrics"));
	ck_assert_int_eq(conf_topic_check(c, p, 3, NULL, 0, &arena, &why), RK_INVALID_CONFIG);
	ck_assert(rk_str_is(why, "Null value not supported for topic configs: metrics,segment.ms"));
	conf_free(c);
}
END_TEST

START_TEST(http_addresses_are_checked)
{
	struct conf *c = with("rookery.http.listeners=127.0.0.1:9644,[::1]:9644");

	ck_assert_uint_eq(notes.errors, 0);
	ck_assert_uint_eq(c->rookery_http_listeners.count, 2);
	conf_free(c);
	c = with("rookery.http.listeners=9644");
	ck_assert_str_eq(first_error(), "Invalid value 9644 for configuration rookery.http.listeners: each "
					"entry should be in the form {host}:{port}");
	conf_free(c);
}
END_TEST

START_TEST(a_fresh_file_changes_what_may_change)
{
	struct conf *c = with("message.max.bytes=4;num.partitions=2");
	struct conf *now = with("message.max.bytes=9;num.partitions=3;log.retention.ms=7");

	ck_assert_uint_eq(conf_reload(c, now, &notes), 2);
	ck_assert_int_eq(c->message_max_bytes, 9);
	ck_assert_int_eq(c->log_retention_ms, 7);
	ck_assert_int_eq(c->num_partitions, 2);
	ck_assert(
	    noted(RK_WARN, "these configurations changed but need a restart: num.partitions"));
	conf_free(now);
	conf_free(c);
}
END_TEST

START_TEST(the_sample_is_a_valid_file)
{
	fresh();
	struct rk_str text = conf_sample(&arena);
	struct conf *c = conf_read("sample", text, NULL, 0, &notes);

	ck_assert_msg(notes.count == 0, "%s", notes.at[0].text.at);
	ck_assert_str_eq(c->dirs.at[0], "/var/lib/rookery");
	conf_free(c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config");
	TCase *c = tcase_create("config");
	tcase_set_timeout(c, 60);
	tcase_add_test(c, a_node_is_refused_in_kafkas_words);
	tcase_add_test(c, a_topics_configs_are_judged_in_kafkas_words);
	tcase_add_test(c, tiered_topics_are_judged_in_kafkas_words);
	tcase_add_test(c, a_groups_configs_are_judged_in_kafkas_words);
	tcase_add_test(c, a_subscriptions_configs_are_judged_in_kafkas_words);
	tcase_add_test(c, a_running_brokers_changes_are_judged_in_kafkas_words);
	tcase_add_test(c, every_row_says_what_it_does);
	tcase_add_test(c, a_field_is_named_like_its_key);
	tcase_add_test(c, properties_are_read_as_java_reads_them);
	tcase_add_test(c, a_misspelt_key_is_named_with_the_nearest_one);
	tcase_add_test(c, keys_without_effect_are_named_in_one_warning);
	tcase_add_test(c, removed_keys_say_why);
	tcase_add_test(c, an_override_wins_over_the_file);
	tcase_add_test(c, listeners_roles_and_voters_are_taken_apart);
	tcase_add_test(c, a_listener_has_keys_of_its_own);
	tcase_add_test(c, a_topic_takes_its_defaults_from_the_broker);
	tcase_add_test(c, equal_topics_share_one_copy);
	tcase_add_test(c, a_brokers_description_has_kafkas_sources_and_synonyms);
	tcase_add_test(c, a_topics_description_has_kafkas_sources_and_synonyms);
	tcase_add_test(c, groups_and_subscriptions_are_described);
	tcase_add_test(c, a_listeners_key_names_its_base_as_synonym);
	tcase_add_test(c, lists_grow_and_shrink);
	tcase_add_test(c, a_group_must_hear_a_heartbeat_within_its_session);
	tcase_add_test(c, a_secret_is_never_shown);
	tcase_add_test(c, the_most_specific_layer_wins);
	tcase_add_test(c, broken_listeners_leave_the_old_ones);
	tcase_add_test(c, null_values_are_refused_together);
	tcase_add_test(c, http_addresses_are_checked);
	tcase_add_test(c, a_fresh_file_changes_what_may_change);
	tcase_add_test(c, the_sample_is_a_valid_file);
	suite_add_tcase(s, c);
	SRunner *run = srunner_create(s);
	srunner_run_all(run, CK_ENV);
	int failed = srunner_ntests_failed(run);
	srunner_free(run);
	return failed != 0;
}
