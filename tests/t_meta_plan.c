/* t_meta_plan.c - claims about what the controller answers and plans. Messages are those Kafka 4.3.0 was seen
 * to answer. */
#include "tests/t_meta.h"
#include "protocol/batch.h"
#include "protocol/gen/broker_heartbeat.h"
#include "protocol/gen/broker_registration.h"
#include "protocol/gen/create_partitions.h"
#include "protocol/gen/create_topics.h"
#include "protocol/gen/delete_topics.h"

typedef struct kp_create_topics_req_topics wish;
static struct kp_create_topics_req create;
static struct kp_create_topics_res created;
static wish want[4];

static void
start(void)
{
	t_start();
	t_bootstrap();
	t_broker(1, NULL);
	t_begin();
	memset(&create, 0, sizeof create);
	memset(&created, 0, sizeof created);
	memset(want, 0, sizeof want);
	create.topics.at = want;
	create.timeout_ms = 1000;
}

static void
stop(void)
{
	if (t_plan.top != NULL)
		meta_plan_abort(&t_plan);
	t_stop();
}

static wish *
add(const char *name, int32_t partitions, int16_t factor)
{
	wish *t = &want[create.topics.len++];

	t->name = rk_str_of(name);
	t->num_partitions = partitions;
	t->replication_factor = factor;
	return t;
}

static void
ask(void)
{
	meta_create_topics(&t_plan, 7, &create, &created);
	create.topics.len = 0;
}

static void
answers(int32_t i, enum rk_err err, const char *text)
{
	ck_assert_int_lt(i, created.topics.len);
	struct rk_str m = created.topics.at[i].error_message;
	ck_assert_int_eq(created.topics.at[i].error_code, rk_err_wire(err));
	if (text == NULL)
		ck_assert_int_lt(m.len, 0);
	else
		ck_assert_msg(rk_str_is(m, text), "%.*s", m.len < 0 ? 0 : m.len, m.at);
}

/* Makes a topic and commits it. */
static void
have(const char *name, int32_t partitions)
{
	add(name, partitions, 1);
	ask();
	answers(0, RK_OK, NULL);
	t_commit();
	t_begin();
}

START_TEST(a_topic_is_made_with_its_partitions)
{
	struct meta_topic t;
	struct kp_partition_record p;

	add("orders", 3, 1);
	ask();
	answers(0, RK_OK, NULL);
	ck_assert_int_eq(created.topics.at[0].num_partitions, 3);
	ck_assert_int_eq(created.topics.at[0].replication_factor, 1);
	ck_assert_int_eq(created.topics.at[0].configs.len, 33);
	ck_assert(rk_str_is(created.topics.at[0].configs.at[0].name, "cleanup.policy"));
	ck_assert_uint_eq(t_plan.count, 4);
	t_commit();
	struct meta_view v;
	meta_view_begin(t_image, &v);
	ck_assert(meta_topic_named(&v, rk_lit("orders"), &t));
	ck_assert_int_eq(t.partitions, 3);
	ck_assert(meta_partition(&v, t.id, 2, &t_arena, &p));
	ck_assert_int_eq(p.leader, 1);
	ck_assert_int_eq(p.leader_epoch, 0);
	ck_assert_int_eq(p.isr.len, 1);
	ck_assert_int_eq(p.directories.len, 1);
	ck_assert_int_eq(p.directories.at[0].id[15], 1);
	ck_assert(!meta_partition(&v, t.id, 3, &t_arena, &p));
	meta_view_end(&v);
	t_begin();
}
END_TEST

START_TEST(a_topic_that_is_there_is_refused)
{
	have("a", 1);
	add("a", 1, 1);
	ask();
	answers(0, RK_TOPIC_ALREADY_EXISTS, "Topic 'a' already exists.");
}
END_TEST

START_TEST(names_are_checked_and_may_not_collide)
{
	have("x.y", 1);
	add("a b", 1, 1);
	add("x_y", 1, 1);
	add("", 1, 1);
	add("x.y", 1, 1);
	ask();
	answers(0, RK_INVALID_TOPIC_EXCEPTION, "Topic name is invalid: 'a b' contains one or more characters other than "
	    "ASCII alphanumerics, '.', '_' and '-'");
	answers(1, RK_INVALID_TOPIC_EXCEPTION, "Topic 'x_y' collides with existing topic: x.y");
	answers(2, RK_INVALID_TOPIC_EXCEPTION, "Topic name is invalid: the empty string is not allowed");
	answers(3, RK_TOPIC_ALREADY_EXISTS, "Topic 'x.y' already exists.");
}
END_TEST

START_TEST(counts_and_factors_are_checked)
{
	add("a", 0, 1);
	add("b", 1, 0);
	add("c", 1, 3);
	add("d", 0, 0);
	ask();
	answers(0, RK_INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value.");
	answers(1, RK_INVALID_REPLICATION_FACTOR, "Replication factor must be larger than 0, or -1 to use the default value.");
	answers(2, RK_INVALID_REPLICATION_FACTOR, "Unable to replicate the partition 3 time(s): The target replication factor "
	    "of 3 cannot be reached because only 1 broker(s) are registered or some brokers have all their log directories "
	    "cordoned.");
	answers(3, RK_INVALID_REPLICATION_FACTOR, "Replication factor must be larger than 0, or -1 to use the default value.");
	ck_assert_uint_eq(t_plan.count, 0);
}
END_TEST

START_TEST(configs_are_checked_before_counts)
{
	struct kp_create_topics_req_topics_configs c[2] = { { rk_lit("no.such"), rk_lit("1") } };
	struct kp_create_topics_req_topics_configs nulls[2] = { { rk_lit("retention.ms"), RK_STR_NULL },
		{ rk_lit("segment.bytes"), RK_STR_NULL } };
	struct kp_create_topics_req_topics_configs soon[1] = { { rk_lit("retention.ms"), rk_lit("soon") } };
	wish *t = add("a", 0, 1);
	t->configs.at = c;
	t->configs.len = 1;
	t = add("b", 1, 1);
	t->configs.at = nulls;
	t->configs.len = 2;
	t = add("c", 1, 1);
	t->configs.at = soon;
	t->configs.len = 1;
	ask();
	answers(0, RK_INVALID_CONFIG, "Unknown topic config name: no.such");
	answers(1, RK_INVALID_CONFIG, "Null value not supported for topic configs: retention.ms,segment.bytes");
	answers(2, RK_INVALID_CONFIG, "Invalid value soon for configuration retention.ms: Not a number of type LONG");
}
END_TEST

static const struct by_hand {
	int16_t factor;
	int32_t count;
	struct {
		int32_t part, id[2], n;
	} a[2];
	int32_t len;
	enum rk_err err;
	const char *text;
} by_hand[] = {
	{ -1, -1, { { 0, { 1 }, 1 }, { 1, { 1 }, 1 } }, 2, RK_OK, NULL },
	{ -1, -1, { { 0, { 1 }, 1 }, { 2, { 1 }, 1 } }, 2, RK_INVALID_REPLICA_ASSIGNMENT,
		"partitions should be a consecutive 0-based integer sequence" },
	{ -1, -1, { { 0, { 1 }, 1 }, { 0, { 1 }, 1 } }, 2, RK_INVALID_REPLICA_ASSIGNMENT,
		"Found multiple manual partition assignments for partition 0" },
	{ -1, -1, { { 0, { 99 }, 1 } }, 1, RK_INVALID_REPLICA_ASSIGNMENT,
		"The manual partition assignment includes broker 99, but no such broker is registered." },
	{ -1, -1, { { 0, { 1, 1 }, 2 } }, 1, RK_INVALID_REPLICA_ASSIGNMENT,
		"The manual partition assignment includes the broker 1 more than once." },
	{ -1, -1, { { 0, { 0 }, 0 } }, 1, RK_INVALID_REPLICA_ASSIGNMENT,
		"The manual partition assignment includes an empty replica list." },
	{ 1, 1, { { 0, { 1 }, 1 } }, 1, RK_INVALID_REQUEST,
		"A manual partition assignment was specified, but replication factor was not set to -1." },
	{ -1, 1, { { 0, { 1 }, 1 } }, 1, RK_INVALID_REQUEST,
		"A manual partition assignment was specified, but numPartitions was not set to -1." },
};

START_TEST(assignments_by_hand_are_checked)
{
	const struct by_hand *h = &by_hand[_i];
	struct kp_create_topics_req_topics_assignments a[2] = { { 0 } };

	for (int32_t i = 0; i < h->len; i++) {
		a[i].partition_index = h->a[i].part;
		a[i].broker_ids.at = (int32_t *)(uintptr_t)h->a[i].id;
		a[i].broker_ids.len = h->a[i].n;
	}
	wish *t = add("m", h->count, h->factor);
	t->assignments.at = a;
	t->assignments.len = h->len;
	ask();
	answers(0, h->err, h->text);
	ck_assert_uint_eq(t_plan.count, h->err == RK_OK ? 3 : 0);
}
END_TEST

START_TEST(a_name_that_comes_twice_is_answered_once_and_last)
{
	add("d", 1, 1);
	add("d", 1, 1);
	add("dd", 1, 1);
	add("__cluster_metadata", 1, 1);
	ask();
	ck_assert_int_eq(created.topics.len, 3);
	answers(0, RK_OK, NULL);
	answers(1, RK_INVALID_REQUEST, "Duplicate topic name.");
	answers(2, RK_INVALID_REQUEST, "Creation of internal topic __cluster_metadata is prohibited.");
	ck_assert(rk_str_is(created.topics.at[0].name, "dd"));
}
END_TEST

START_TEST(a_request_has_at_most_ten_thousand_records)
{
	add("m", 9999, 1);
	ask();
	answers(0, RK_OK, NULL);
	ck_assert_uint_eq(t_plan.count, 10000);
	t_commit();
	t_begin();
	add("n", 9998, 1);
	add("o", 1, 1);
	ask();
	answers(0, RK_POLICY_VIOLATION, "Unable to perform excessively large batch operation.");
	answers(1, RK_POLICY_VIOLATION, "Unable to perform excessively large batch operation.");
	add("n", 10001, 1);
	ask();
	answers(0, RK_POLICY_VIOLATION, "Excessively large number of partitions per request.");
	ck_assert_uint_eq(t_plan.count, 0);
}
END_TEST

START_TEST(without_time_nothing_is_done)
{
	create.timeout_ms = 0;
	add("a", 1, 1);
	ask();
	answers(0, RK_REQUEST_TIMED_OUT, NULL);
	ck_assert_uint_eq(t_plan.count, 0);
}
END_TEST

START_TEST(validate_only_plans_nothing)
{
	create.validate_only = true;
	add("v", 2, -1);
	ask();
	answers(0, RK_OK, NULL);
	ck_assert_int_eq(created.topics.at[0].num_partitions, 2);
	ck_assert_uint_eq(t_plan.count, 0);
}
END_TEST

static void
delete_one(const char *name, enum rk_err err)
{
	struct kp_delete_topics_req q = { .timeout_ms = 1000 };
	struct kp_delete_topics_res r = { 0 };
	struct rk_str n = rk_str_of(name);

	q.topic_names.at = &n;
	q.topic_names.len = 1;
	meta_delete_topics(&t_plan, 5, &q, &r);
	ck_assert_int_eq(r.responses.len, 1);
	ck_assert_int_eq(r.responses.at[0].error_code, rk_err_wire(err));
}

START_TEST(a_deleted_topic_leaves_nothing_behind)
{
	struct kp_create_topics_req_topics_configs c = { rk_lit("retention.ms"), rk_lit("1000") };
	static const uint32_t table[] = { META_NAME, META_TOPIC, META_PARTITION, META_MEMBER, META_ALIKE };
	wish *t = add("x.y", 5, 1);
	t->configs.at = &c;
	t->configs.len = 1;
	ask();
	answers(0, RK_OK, NULL);
	t_commit();
	t_begin();
	ck_assert_uint_eq(st_count(t_plan.view.txn, META_MEMBER), 5);
	ck_assert_uint_eq(st_count(t_plan.view.txn, META_CONFIG), 2);
	delete_one("x.y", RK_OK);
	delete_one("x.y", RK_UNKNOWN_TOPIC_OR_PARTITION);
	for (uint32_t i = 0; i < rk_countof(table); i++)
		ck_assert_uint_eq(st_count(t_plan.view.txn, table[i]), 0);
	ck_assert_uint_eq(st_count(t_plan.view.txn, META_CONFIG), 1);
}
END_TEST

START_TEST(topics_are_deleted_by_id_and_name_but_not_both)
{
	struct kp_delete_topics_req_topics at[4];
	struct kp_delete_topics_req q = { .timeout_ms = 1000 };
	struct kp_delete_topics_res r = { 0 };
	struct meta_topic t;

	memset(at, 0, sizeof at);
	have("a", 1);
	ck_assert(meta_topic_named(&t_plan.view, rk_lit("a"), &t));
	at[0].name = rk_lit("a");
	at[1].name = RK_STR_NULL;
	at[1].topic_id = t.id;
	at[2].name = RK_STR_NULL;
	at[3].name = rk_lit("zz");
	at[3].topic_id = t.id;
	q.topics.at = at;
	q.topics.len = 4;
	meta_delete_topics(&t_plan, 6, &q, &r);
	ck_assert_int_eq(r.responses.len, 3);
	ck_assert(rk_str_is(r.responses.at[0].error_message, "Neither topic name nor id were specified."));
	ck_assert(rk_str_is(r.responses.at[1].error_message, "You may not specify both topic name and topic id."));
	ck_assert(rk_str_is(r.responses.at[2].error_message,
	    "The provided topic name maps to an ID that was already supplied."));
	ck_assert_uint_eq(t_plan.count, 0);
}
END_TEST

START_TEST(partitions_are_added)
{
	struct kp_create_partitions_req_topics at[4] = { { .name = rk_lit("cpa"), .count = 5 },
		{ .name = rk_lit("cpb"), .count = 1 }, { .name = rk_lit("nope"), .count = 3 },
		{ .name = rk_lit("cpc"), .count = 1 } };
	struct kp_create_partitions_req q = { 0 };
	struct kp_create_partitions_res r = { 0 };
	struct meta_topic t;

	have("cpa", 3);
	have("cpb", 2);
	have("cpc", 1);
	for (int i = 0; i < 4; i++)
		at[i].assignments.len = -1;
	q.topics.at = at;
	q.topics.len = 4;
	q.timeout_ms = 1000;
	meta_create_partitions(&t_plan, 3, &q, &r);
	ck_assert_int_eq(r.results.len, 4);
	for (int i = 0; i < 4; i++) {
		struct rk_str n = r.results.at[i].name, m = r.results.at[i].error_message;
		if (rk_str_is(n, "cpa"))
			ck_assert_int_eq(r.results.at[i].error_code, 0);
		if (rk_str_is(n, "cpb"))
			ck_assert(rk_str_is(m, "The topic cpb currently has 2 partition(s); 1 would not be an increase."));
		if (rk_str_is(n, "cpc"))
			ck_assert(rk_str_is(m, "Topic already has 1 partition(s)."));
		if (rk_str_is(n, "nope"))
			ck_assert_int_eq(r.results.at[i].error_code, 3);
	}
	ck_assert(rk_str_is(r.results.at[0].name, "cpb") == (rk_str_is(r.results.at[1].name, "cpa") ||
	    rk_str_is(r.results.at[2].name, "cpa") || rk_str_is(r.results.at[3].name, "cpa")));
	ck_assert(meta_topic_named(&t_plan.view, rk_lit("cpa"), &t));
	ck_assert_int_eq(t.partitions, 5);
}
END_TEST

START_TEST(java_orders_names_as_its_hash_set_does)
{
	struct rk_str n[] = { rk_lit("cpa"), rk_lit("cpb"), rk_lit("q"), rk_lit("d"), rk_lit("zz"), rk_lit("yy") };
	uint32_t order[2];

	meta_java_order(n, 2, order, &t_arena);
	ck_assert_uint_eq(order[0], 1);
	meta_java_order(n + 2, 2, order, &t_arena);
	ck_assert_uint_eq(order[0], 0);
	meta_java_order(n + 4, 2, order, &t_arena);
	ck_assert_uint_eq(order[0], 0);
}
END_TEST

/* --- brokers */

static struct kp_partition_record
partition(const char *topic, int32_t i)
{
	struct kp_partition_record p;
	struct meta_topic t;

	ck_assert(meta_topic_named(&t_plan.view, rk_str_of(topic), &t));
	ck_assert(meta_partition(&t_plan.view, t.id, i, &t_arena, &p));
	return p;
}

static int64_t
epoch_of(int32_t id)
{
	struct kp_register_broker_record b;

	ck_assert(meta_broker(&t_plan.view, id, &t_arena, &b));
	return b.broker_epoch;
}

static struct kp_broker_heartbeat_res
beat(int32_t id, bool fence, bool stop_it)
{
	struct kp_broker_heartbeat_req q = { .broker_id = id, .broker_epoch = epoch_of(id), .want_fence = fence,
		.want_shut_down = stop_it, .current_metadata_offset = INT64_MAX, .cordoned_log_dirs = { NULL, -1 } };
	struct kp_broker_heartbeat_res r = { 0 };

	meta_broker_heartbeat(&t_plan, 1, &q, &r);
	ck_assert_int_eq(r.error_code, 0);
	return r;
}

static int64_t
return_of(int32_t id, int64_t previous)
{
	struct kp_broker_registration_req q = { .broker_id = id, .previous_broker_epoch = previous };
	struct kp_broker_registration_res r = { 0 };
	struct kp_broker_registration_req_features f[16];
	struct rk_uuid dir = { { 9, 9, 9 } };

	rk_put32(dir.id + 12, (uint32_t)id);
	q.incarnation_id = rk_env_uuid(&t_env);
	q.cluster_id = rk_lit("c");
	q.rack = RK_STR_NULL;
	q.log_dirs.at = &dir;
	q.log_dirs.len = 1;
	q.features.at = f;
	q.features.len = (int32_t)meta_supported_count;
	for (uint32_t i = 0; i < meta_supported_count; i++)
		f[i] = (struct kp_broker_registration_req_features){ rk_str_of(meta_supported[i].name), meta_supported[i].min,
			meta_supported[i].max };
	meta_register_broker(&t_plan, 4, &q, &r);
	ck_assert_int_eq(r.error_code, 0);
	return r.broker_epoch;
}

START_TEST(a_clean_stop_of_the_only_broker_changes_no_partition)
{
	have("a", 4);
	int64_t was = epoch_of(1);
	int64_t now = return_of(1, was);
	ck_assert_int_gt(now, was);
	ck_assert_uint_eq(t_plan.count, 1);
	ck_assert(!beat(1, false, false).is_fenced);
	ck_assert_uint_eq(t_plan.count, 2);
	ck_assert_int_eq(partition("a", 0).leader, 1);
	ck_assert_int_eq(partition("a", 0).leader_epoch, 0);
}
END_TEST

START_TEST(an_unclean_stop_begins_a_new_epoch_with_the_same_leader)
{
	have("a", 4);
	return_of(1, -1);
	ck_assert_uint_eq(t_plan.count, 5);
	struct kp_partition_record p = partition("a", 3);
	ck_assert_int_eq(p.leader, 1);
	ck_assert_int_eq(p.leader_epoch, 1);
	ck_assert_int_eq(p.partition_epoch, 1);
	ck_assert_int_eq(p.isr.len, 1);
	ck_assert_int_eq(epoch_of(1), t_plan.base_offset);
}
END_TEST

START_TEST(a_controlled_shutdown_of_the_only_replica_keeps_it_eligible)
{
	have("a", 1);
	struct kp_broker_heartbeat_res r = beat(1, false, true);
	ck_assert(r.should_shut_down);
	struct kp_partition_record p = partition("a", 0);
	ck_assert_int_eq(p.leader, -1);
	ck_assert_int_eq(p.isr.len, 0);
	ck_assert_int_eq(p.eligible_leader_replicas.len, 1);
	ck_assert_int_eq(p.last_known_elr.len, 1);
	int64_t was = epoch_of(1);
	t_commit();
	t_begin();
	return_of(1, was);
	ck_assert(!beat(1, false, false).is_fenced);
	p = partition("a", 0);
	ck_assert_int_eq(p.leader, 1);
	ck_assert_int_eq(p.leader_epoch, 2);
	ck_assert_int_eq(p.leader_recovery_state, 0);
	ck_assert_int_lt(p.eligible_leader_replicas.len, 1);
	ck_assert_int_lt(p.last_known_elr.len, 1);
}
END_TEST

START_TEST(a_fenced_leader_is_followed_by_the_next_in_the_isr)
{
	meta_plan_abort(&t_plan);
	t_broker(2, "r2");
	t_broker(3, "r3");
	t_begin();
	struct kp_create_topics_req_topics_assignments a = { 0 };
	int32_t id[] = { 2, 3, 1 };
	wish *t = add("a", -1, -1);
	a.broker_ids.at = id;
	a.broker_ids.len = 3;
	t->assignments.at = &a;
	t->assignments.len = 1;
	ask();
	answers(0, RK_OK, NULL);
	meta_fence_broker(&t_plan, 2);
	struct kp_partition_record p = partition("a", 0);
	ck_assert_int_eq(p.leader, 3);
	ck_assert_int_eq(p.leader_epoch, 1);
	ck_assert_int_eq(p.isr.len, 2);
	meta_fence_broker(&t_plan, 1);
	p = partition("a", 0);
	ck_assert_int_eq(p.leader, 3);
	ck_assert_int_eq(p.leader_epoch, 1); /* a smaller ISR is no new epoch */
	ck_assert_int_eq(p.partition_epoch, 2);
}
END_TEST

START_TEST(replicas_go_to_racks_in_turn)
{
	int32_t out[30];
	struct rk_str why;

	meta_plan_abort(&t_plan);
	t_broker(2, "x");
	t_broker(3, "x");
	t_broker(4, "y");
	t_begin();
	struct meta_candidates all = meta_candidates(&t_plan);
	ck_assert_uint_eq(all.count, 4);
	ck_assert(meta_place(&t_plan, &all, 10, 3, out, &why));
	for (int i = 0; i < 10; i++) {
		int32_t *r = out + 3 * i;
		ck_assert(r[0] != r[1] && r[1] != r[2] && r[0] != r[2]);
		/* three racks (one without a name), three replicas: never both of rack x */
		ck_assert(!((r[0] == 2 || r[1] == 2 || r[2] == 2) && (r[0] == 3 || r[1] == 3 || r[2] == 3)));
	}
}
END_TEST

START_TEST(many_records_become_several_batches)
{
	static char big[30000];
	struct rk_str value = { big, sizeof big };
	char name[8];

	memset(big, 'x', sizeof big);
	for (int i = 0; i < 400; i++) { /* 12 MB, more than Raft takes at once */
		snprintf(name, sizeof name, "k%d", i);
		struct kp_config_record r = { META_OF_GROUP, rk_lit("g"), rk_arena_str(&t_arena, rk_str_of(name)), value };
		meta_plan_add(&t_plan, KP_CONFIG_RECORD, &r);
	}
	int64_t base = t_plan.base_offset;
	t_commit();
	int32_t at = 0, batches = 0;
	for (; at < t_batch.len; at += (int32_t)kp_batch_bytes(t_batch.at + at), batches++) {
		ck_assert_int_eq(kp_batch_check(t_batch.at + at, (size_t)(t_batch.len - at)), RK_OK);
		ck_assert_int_lt(kp_batch_bytes(t_batch.at + at), 8 << 20);
		ck_assert_int_eq(kp_batch_base(t_batch.at + at), base);
		base = kp_batch_last(t_batch.at + at) + 1;
	}
	ck_assert_int_eq(at, t_batch.len);
	ck_assert_int_ge(batches, 3);
	ck_assert_int_eq(base, meta_plan_end(&t_plan));
	t_begin();
}
END_TEST

START_TEST(a_request_that_is_not_kept_leaves_nothing)
{
	struct meta_topic t;

	add("a", 1, 1);
	ask();
	answers(0, RK_OK, NULL);
	meta_plan_leave(&t_plan, false);
	ck_assert_uint_eq(t_plan.count, 0);
	meta_plan_enter(&t_plan);
	ck_assert(!meta_topic_named(&t_plan.view, rk_lit("a"), &t));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("meta_plan");
	TCase *c = tcase_create("meta_plan");
	tcase_add_checked_fixture(c, start, stop);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, a_topic_is_made_with_its_partitions);
	tcase_add_test(c, a_topic_that_is_there_is_refused);
	tcase_add_test(c, names_are_checked_and_may_not_collide);
	tcase_add_test(c, counts_and_factors_are_checked);
	tcase_add_test(c, configs_are_checked_before_counts);
	tcase_add_loop_test(c, assignments_by_hand_are_checked, 0, rk_countof(by_hand));
	tcase_add_test(c, a_name_that_comes_twice_is_answered_once_and_last);
	tcase_add_test(c, a_request_has_at_most_ten_thousand_records);
	tcase_add_test(c, without_time_nothing_is_done);
	tcase_add_test(c, validate_only_plans_nothing);
	tcase_add_test(c, a_deleted_topic_leaves_nothing_behind);
	tcase_add_test(c, topics_are_deleted_by_id_and_name_but_not_both);
	tcase_add_test(c, partitions_are_added);
	tcase_add_test(c, java_orders_names_as_its_hash_set_does);
	tcase_add_test(c, a_clean_stop_of_the_only_broker_changes_no_partition);
	tcase_add_test(c, an_unclean_stop_begins_a_new_epoch_with_the_same_leader);
	tcase_add_test(c, a_controlled_shutdown_of_the_only_replica_keeps_it_eligible);
	tcase_add_test(c, a_fenced_leader_is_followed_by_the_next_in_the_isr);
	tcase_add_test(c, replicas_go_to_racks_in_turn);
	tcase_add_test(c, many_records_become_several_batches);
	tcase_add_test(c, a_request_that_is_not_kept_leaves_nothing);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad != 0;
}
