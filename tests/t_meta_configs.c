/* t_meta_configs.c - claims about altered configs; messages are those Kafka 4.3.0 was seen to answer. */
#include "tests/t_meta.h"
#include "protocol/gen/alter_configs.h"
#include "protocol/gen/create_topics.h"
#include "protocol/gen/incremental_alter_configs.h"

enum { TOPIC = 2, BROKER = 4, LOGGER = 8, METRICS = 16, GROUP = 32 };
enum { SET, DELETE, APPEND, SUBTRACT };

static struct conf *other;

static void
start(void)
{
	static const char *const node[] = { "node.id=1", "process.roles=broker,controller",
		"controller.quorum.voters=1@localhost:9093", "listeners=PLAINTEXT://:9092,CONTROLLER://:9093",
		"controller.listener.names=CONTROLLER" };
	static struct rk_arena a;
	struct conf_notes notes = { .arena = &a };
	struct kp_create_topics_req q = { 0 };
	struct kp_create_topics_req_topics t;
	struct kp_create_topics_res r;

	t_start();
	rk_arena_init(&a, 1u << 20);
	other = t_conf;
	t_conf = conf_make(node, rk_countof(node), &notes);
	rk_arena_free(&a);
	t_bootstrap();
	t_broker(1, NULL);
	t_begin();
	memset(&t, 0, sizeof t);
	memset(&r, 0, sizeof r);
	t.name = rk_lit("t");
	t.num_partitions = t.replication_factor = 1;
	q.timeout_ms = 1000;
	q.topics.at = &t;
	q.topics.len = 1;
	meta_create_topics(&t_plan, 7, &q, &r);
	ck_assert_int_eq(r.topics.at[0].error_code, 0);
	t_commit();
	t_begin();
}

static void
stop(void)
{
	meta_plan_abort(&t_plan);
	conf_free(other);
	t_stop();
}

/* One resource, one config; the answer's message or "" when it is fine. */
static const char *
alter(int8_t type, const char *resource, const char *name, int8_t op, const char *value, enum rk_err err)
{
	static char said[600];
	struct kp_incremental_alter_configs_req_resources_configs c = { .name = rk_str_of(name), .config_operation = op,
		.value = rk_str_of(value) };
	struct kp_incremental_alter_configs_req_resources res;
	struct kp_incremental_alter_configs_req q = { 0 };
	struct kp_incremental_alter_configs_res r = { 0 };

	memset(&res, 0, sizeof res);
	res.resource_type = type;
	res.resource_name = rk_str_of(resource);
	res.configs.at = &c;
	res.configs.len = 1;
	q.resources.at = &res;
	q.resources.len = 1;
	meta_incremental_alter_configs(&t_plan, 1, &q, &r);
	ck_assert_int_eq(r.responses.len, 1);
	rk_str_copy(said, sizeof said, r.responses.at[0].error_message);
	ck_assert_msg(r.responses.at[0].error_code == rk_err_wire(err), "%s=%s: %d %s", name, value,
	    r.responses.at[0].error_code, said);
	return said;
}

static bool
is(int8_t type, const char *resource, const char *name, const char *value)
{
	struct rk_str v;

	if (!meta_config(&t_plan.view, type, rk_str_of(resource), rk_str_of(name), &v))
		return value == NULL;
	return value != NULL && rk_str_is(v, value);
}

START_TEST(a_topic_config_is_set_and_deleted)
{
	alter(TOPIC, "t", "retention.ms", SET, "1000", RK_OK);
	ck_assert(is(TOPIC, "t", "retention.ms", "1000"));
	uint32_t n = t_plan.count;
	alter(TOPIC, "t", "retention.ms", SET, "1000", RK_OK);
	ck_assert_uint_eq(t_plan.count, n); /* nothing changed, nothing is written */
	alter(TOPIC, "t", "retention.ms", DELETE, NULL, RK_OK);
	ck_assert(is(TOPIC, "t", "retention.ms", NULL));
	alter(TOPIC, "t", "no.such", DELETE, NULL, RK_OK);
}
END_TEST

START_TEST(lists_grow_and_shrink)
{
	alter(TOPIC, "t", "cleanup.policy", APPEND, "compact", RK_OK);
	ck_assert(is(TOPIC, "t", "cleanup.policy", "delete,compact"));
	alter(TOPIC, "t", "cleanup.policy", APPEND, "compact", RK_OK);
	ck_assert(is(TOPIC, "t", "cleanup.policy", "delete,compact"));
	alter(TOPIC, "t", "cleanup.policy", SUBTRACT, "delete", RK_OK);
	ck_assert(is(TOPIC, "t", "cleanup.policy", "compact"));
	alter(TOPIC, "t", "cleanup.policy", SUBTRACT, "compact", RK_OK);
	ck_assert(is(TOPIC, "t", "cleanup.policy", ""));
	alter(TOPIC, "t", "cleanup.policy", APPEND, "compact,delete", RK_OK);
	ck_assert(is(TOPIC, "t", "cleanup.policy", "compact,delete"));
}
END_TEST

static const struct refused {
	int8_t type;
	const char *resource, *name;
	int8_t op;
	const char *value;
	enum rk_err err;
	const char *text;
} refused[] = {
	{ TOPIC, "t", "retention.ms", APPEND, "5", RK_INVALID_CONFIG,
		"Can't APPEND to key retention.ms because its type is not LIST." },
	{ TOPIC, "t", "no.such", SUBTRACT, "5", RK_INVALID_CONFIG,
		"Can't SUBTRACT to key no.such because its type is not LIST." },
	{ TOPIC, "t", "retention.ms", 4, "5", RK_UNKNOWN_SERVER_ERROR, "" },
	{ TOPIC, "t", "retention.ms", SET, NULL, RK_INVALID_REQUEST,
		"Null value not supported for : retention.ms" },
	{ TOPIC, "t", "no.such", SET, "5", RK_INVALID_CONFIG, "Unknown topic config name: no.such" },
	{ TOPIC, "t", "retention.ms", SET, "soon", RK_INVALID_CONFIG,
		"Invalid value soon for configuration retention.ms: Not a number of type LONG" },
	{ TOPIC, "nope", "retention.ms", SET, "5", RK_UNKNOWN_TOPIC_OR_PARTITION,
		"The topic 'nope' does not exist." },
	{ TOPIC, "nope", "no.such", SET, "5", RK_INVALID_CONFIG, "Unknown topic config name: no.such" },
	{ TOPIC, "", "retention.ms", SET, "5", RK_INVALID_REQUEST,
		"Default topic resources are not allowed." },
	{ 77, "x", "a", SET, "b", RK_INVALID_REQUEST, "Unknown resource type 77" },
	{ -1, "x", "a", SET, "b", RK_INVALID_REQUEST, "Unknown resource type -1" },
	{ LOGGER, "x", "a", SET, "b", RK_INVALID_REQUEST, "Node id must be an integer, but it is: x" },
	{ LOGGER, "9", "a", SET, "b", RK_INVALID_REQUEST,
		"Unexpected node id. Expected 1, but received 9" },
	{ LOGGER, "1", "a", APPEND, "b", RK_INVALID_REQUEST,
		"APPEND operation is not allowed for the BROKER_LOGGER resource" },
	{ BROKER, "9", "log.cleaner.threads", SET, "2", RK_INVALID_REQUEST,
		"Unexpected broker id, expected 1, but received 9" },
	{ BROKER, "x", "log.cleaner.threads", SET, "2", RK_INVALID_REQUEST,
		"Node id must be an integer, but it is: x" },
	{ BROKER, "", "log.dirs", SET, "/x", RK_INVALID_REQUEST,
		"Cannot update these configs dynamically: [log.dirs]" },
	{ BROKER, "", "listeners", SET, "PLAINTEXT://:1", RK_INVALID_REQUEST,
		"Cannot update these configs at default cluster level, broker id must be specified: [listeners]" },
	{ BROKER, "1", "log.cleaner.threads", APPEND, "2", RK_INVALID_CONFIG,
		"Config value append is not allowed for config key: log.cleaner.threads" },
	{ BROKER, "1", "no.such", APPEND, "2", RK_INVALID_CONFIG, "Unknown config name: no.such" },
	{ BROKER, "", "min.insync.replicas", DELETE, NULL, RK_INVALID_CONFIG,
		"Cluster-level min.insync.replicas cannot be removed while ELR is enabled." },
	{ BROKER, "1", "min.insync.replicas", SET, "1", RK_INVALID_CONFIG,
		"Broker-level min.insync.replicas cannot be altered while ELR is enabled." },
	{ METRICS, "", "interval.ms", SET, "5000", RK_INVALID_REQUEST, "Subscription name can't be empty" },
	{ METRICS, "s", "foo", SET, "5000", RK_INVALID_REQUEST,
		"Unknown client metrics configuration: foo" },
	{ METRICS, "s", "metrics", APPEND, "a", RK_INVALID_CONFIG,
		"Can't APPEND to key metrics because its type is not LIST." },
	{ GROUP, "", "consumer.session.timeout.ms", SET, "50000", RK_INVALID_REQUEST,
		"Default group resources are not allowed." },
	{ GROUP, "g", "foo", SET, "1", RK_INVALID_CONFIG, "Unknown group config name: foo" },
	{ GROUP, "g", "consumer.session.timeout.ms", SET, "1", RK_INVALID_CONFIG,
		"consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms" },
};

START_TEST(what_kafka_refuses_is_refused_in_its_words)
{
	const struct refused *r = &refused[_i];

	ck_assert_str_eq(alter(r->type, r->resource, r->name, r->op, r->value, r->err), r->text);
	ck_assert_uint_eq(t_plan.count, 0);
}
END_TEST

START_TEST(brokers_groups_and_metrics_keep_configs)
{
	alter(BROKER, "", "log.cleaner.threads", SET, "2", RK_OK);
	alter(BROKER, "", "no.such", SET, "2", RK_OK); /* Kafka takes unknown keys of brokers */
	alter(BROKER, "1", "log.cleaner.threads", SET, "2", RK_OK);
	alter(GROUP, "g", "consumer.session.timeout.ms", SET, "50000", RK_OK);
	alter(METRICS, "s", "interval.ms", SET, "5000", RK_OK);
	ck_assert(is(BROKER, "", "log.cleaner.threads", "2"));
	ck_assert(is(BROKER, "1", "log.cleaner.threads", "2"));
	ck_assert(is(GROUP, "g", "consumer.session.timeout.ms", "50000"));
	struct rk_str name = RK_STR_NULL;
	ck_assert(meta_config_resource_next(&t_plan.view, BROKER, name, &t_arena, &name));
	ck_assert(rk_str_is(name, ""));
	ck_assert(meta_config_resource_next(&t_plan.view, BROKER, name, &t_arena, &name));
	ck_assert(rk_str_is(name, "1"));
	ck_assert(!meta_config_resource_next(&t_plan.view, BROKER, name, &t_arena, &name));
}
END_TEST

START_TEST(alter_configs_replaces_everything)
{
	struct kp_alter_configs_req_resources_configs c = { rk_lit("retention.ms"), rk_lit("9") };
	struct kp_alter_configs_req_resources res;
	struct kp_alter_configs_req q = { 0 };
	struct kp_alter_configs_res r = { 0 };

	alter(TOPIC, "t", "segment.bytes", SET, "2000000", RK_OK);
	memset(&res, 0, sizeof res);
	res.resource_type = TOPIC;
	res.resource_name = rk_lit("t");
	res.configs.at = &c;
	res.configs.len = 1;
	q.resources.at = &res;
	q.resources.len = 1;
	meta_alter_configs(&t_plan, 2, &q, &r);
	ck_assert_int_eq(r.responses.at[0].error_code, 0);
	ck_assert(is(TOPIC, "t", "retention.ms", "9"));
	ck_assert(is(TOPIC, "t", "segment.bytes", NULL));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("meta_configs");
	TCase *c = tcase_create("meta_configs");
	tcase_add_checked_fixture(c, start, stop);
	tcase_add_test(c, a_topic_config_is_set_and_deleted);
	tcase_add_test(c, lists_grow_and_shrink);
	tcase_add_loop_test(c, what_kafka_refuses_is_refused_in_its_words, 0, rk_countof(refused));
	tcase_add_test(c, brokers_groups_and_metrics_keep_configs);
	tcase_add_test(c, alter_configs_replaces_everything);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad != 0;
}
