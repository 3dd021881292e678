/* t_meta_change.c - claims about partitions that change: ISRs, leaders, reassignments, directories. What is claimed
 * here Apache Kafka 4.3.0's controller was seen to do (tests/interop/controller/ask), where no word says otherwise. */
#include "tests/t_meta.h"
#include "protocol/gen/alter_partition.h"
#include "protocol/gen/alter_partition_reassignments.h"
#include "protocol/gen/assign_replicas_to_dirs.h"
#include "protocol/gen/broker_registration.h"
#include "protocol/gen/create_topics.h"
#include "protocol/gen/elect_leaders.h"
#include "protocol/gen/incremental_alter_configs.h"
#include "protocol/gen/list_partition_reassignments.h"
#include "protocol/gen/unregister_broker.h"
#include <time.h>

enum { RECOVERED, RECOVERING };

static void
start(void)
{
	t_start();
	t_bootstrap();
	for (int32_t id = 1; id <= 5; id++)
		t_broker(id, NULL);
	t_begin();
}

static void
stop(void)
{
	if (t_plan.top != NULL)
		meta_plan_abort(&t_plan);
	t_stop();
}

/* --- given */

#define IDS(...) (struct meta_ids){ (int32_t[]){ __VA_ARGS__ }, (int32_t)(sizeof((int32_t[]){ __VA_ARGS__ }) / 4) }

/* A topic of count partitions alike, with one config or none. */
static void
have(const char *name, struct meta_ids replicas, int32_t count, const char *key, const char *value)
{
	struct kp_create_topics_req_topics_configs config = { key == NULL ? RK_STR_NULL : rk_str_of(key),
		value == NULL ? RK_STR_NULL : rk_str_of(value) };
	struct kp_create_topics_req_topics_assignments *part = rk_arena_get(&t_arena, (size_t)count, sizeof *part);
	struct kp_create_topics_req_topics t = { .name = rk_str_of(name), .num_partitions = -1, .replication_factor = -1,
		.assignments = { part, count }, .configs = { &config, key != NULL } };
	struct kp_create_topics_req q = { .topics = { &t, 1 }, .timeout_ms = 1000 };
	struct kp_create_topics_res res = { 0 };

	for (int32_t i = 0; i < count; i++) {
		part[i].partition_index = i;
		part[i].broker_ids.at = replicas.at;
		part[i].broker_ids.len = replicas.len;
	}
	meta_create_topics(&t_plan, 7, &q, &res);
	ck_assert_int_eq(res.topics.at[0].error_code, 0);
	t_commit();
	t_begin();
}

static struct rk_uuid
id_of(const char *topic)
{
	struct meta_topic t;

	ck_assert(meta_topic_named(&t_plan.view, rk_str_of(topic), &t));
	return t.id;
}

static struct kp_partition_record
now(const char *topic, int32_t i)
{
	struct kp_partition_record p;

	ck_assert(meta_partition(&t_plan.view, id_of(topic), i, &t_arena, &p));
	return p;
}

static int64_t
epoch(int32_t broker)
{
	struct kp_register_broker_record b;

	ck_assert(meta_broker(&t_plan.view, broker, &t_arena, &b));
	return b.broker_epoch;
}

/* --- when */

struct said {
	int32_t leader, leader_epoch, partition_epoch, member_epoch; /* -1: what is true; member_epoch of the last member */
	int8_t state;
	struct meta_ids isr;
};

static enum rk_err
say(const char *topic, int32_t i, struct said s)
{
	struct kp_partition_record p = now(topic, i);
	struct kp_alter_partition_req_topics_partitions_new_isr_with_epochs m[8];
	struct kp_alter_partition_req_topics_partitions part = { .partition_index = i,
		.leader_epoch = s.leader_epoch < 0 ? p.leader_epoch : s.leader_epoch, .leader_recovery_state = s.state,
		.partition_epoch = s.partition_epoch < 0 ? p.partition_epoch : s.partition_epoch,
		.new_isr_with_epochs = { m, s.isr.len } };
	struct kp_alter_partition_req_topics t = { .topic_id = id_of(topic), .partitions = { &part, 1 } };
	struct kp_alter_partition_req q = { .broker_id = s.leader < 0 ? p.leader : s.leader, .topics = { &t, 1 } };
	struct kp_alter_partition_res a = { 0 };

	q.broker_epoch = epoch(q.broker_id);
	for (int32_t k = 0; k < s.isr.len; k++)
		m[k] = (struct kp_alter_partition_req_topics_partitions_new_isr_with_epochs){ s.isr.at[k],
			k == s.isr.len - 1 && s.member_epoch >= 0 ? s.member_epoch : -1 };
	meta_alter_partition(&t_plan, 3, &q, &a);
	ck_assert_int_eq(a.error_code, 0);
	return rk_err_of_wire(a.topics.at[0].partitions.at[0].error_code);
}

#define TRUE .leader = -1, .leader_epoch = -1, .partition_epoch = -1, .member_epoch = -1

static void
isr_is(const char *topic, int32_t i, struct meta_ids isr)
{
	ck_assert_int_eq(say(topic, i, (struct said){ TRUE, .isr = isr }), RK_OK);
}

static enum rk_err
reassign(const char *topic, int32_t i, struct meta_ids to)
{
	struct kp_alter_partition_reassignments_req_topics_partitions part = { .partition_index = i,
		.replicas = { to.at, to.len } };
	struct kp_alter_partition_reassignments_req_topics t = { .name = rk_str_of(topic), .partitions = { &part, 1 } };
	struct kp_alter_partition_reassignments_req q = { .allow_replication_factor_change = true, .topics = { &t, 1 } };
	struct kp_alter_partition_reassignments_res a = { 0 };

	meta_alter_partition_reassignments(&t_plan, 1, &q, &a);
	return rk_err_of_wire(a.responses.at[0].partitions.at[0].error_code);
}

#define CANCEL (struct meta_ids){ NULL, -1 }

static enum rk_err
elect(const char *topic, int32_t i, int8_t type)
{
	struct kp_elect_leaders_req_topic_partitions t = { .topic = rk_str_of(topic), .partitions = { &i, 1 } };
	struct kp_elect_leaders_req q = { .election_type = type, .topic_partitions = { &t, 1 } };
	struct kp_elect_leaders_res a = { 0 };

	meta_elect_leaders(&t_plan, 2, &q, &a);
	return rk_err_of_wire(a.replica_election_results.at[0].partition_result.at[0].error_code);
}

static void
config(int8_t type, const char *name, const char *key, const char *value)
{
	struct kp_incremental_alter_configs_req_resources_configs c = { .name = rk_str_of(key), .value = rk_str_of(value) };
	struct kp_incremental_alter_configs_req_resources r = { .resource_type = type, .resource_name = rk_str_of(name),
		.configs = { &c, 1 } };
	struct kp_incremental_alter_configs_req q = { .resources = { &r, 1 } };
	struct kp_incremental_alter_configs_res a = { 0 };

	meta_incremental_alter_configs(&t_plan, 1, &q, &a);
	ck_assert_int_eq(a.responses.at[0].error_code, 0);
}

/* --- then */

static void
list_is(const int32_t *at, int32_t len, struct meta_ids want)
{
	ck_assert_int_eq(len > 0 ? len : 0, want.len);
	for (int32_t i = 0; i < want.len; i++)
		ck_assert_int_eq(at[i], want.at[i]);
}

#define LIST(p, list, ...) list_is((p).list.at, (p).list.len, IDS(__VA_ARGS__))
#define EMPTY(p, list) ck_assert_int_le((p).list.len, 0)

/* --- AlterPartition */

static const struct {
	struct said said;
	enum rk_err err;
} lies[] = {
	{ { TRUE, .isr = { (int32_t[]){ 1, 2 }, 2 } }, RK_OK },
	{ { -1, 1, -1, -1, 0, { (int32_t[]){ 1 }, 1 } }, RK_NOT_CONTROLLER },
	{ { -1, -1, 9, -1, 0, { (int32_t[]){ 1 }, 1 } }, RK_NOT_CONTROLLER },
	{ { 2, -1, -1, -1, 0, { (int32_t[]){ 2 }, 1 } }, RK_INVALID_REQUEST },
	{ { 2, 5, -1, -1, 0, { (int32_t[]){ 2 }, 1 } }, RK_NOT_CONTROLLER },
	{ { TRUE, .isr = { (int32_t[]){ 1, 4 }, 2 } }, RK_INVALID_REQUEST },
	{ { TRUE, .isr = { (int32_t[]){ 1, 1 }, 2 } }, RK_INVALID_REQUEST },
	{ { TRUE, .isr = { (int32_t[]){ 2, 3 }, 2 } }, RK_INVALID_REQUEST },
	{ { TRUE, .isr = { NULL, 0 } }, RK_INVALID_REQUEST },
	{ { TRUE, .state = RECOVERING, .isr = { (int32_t[]){ 1, 2 }, 2 } }, RK_INVALID_REQUEST },
	{ { TRUE, .state = RECOVERING, .isr = { (int32_t[]){ 1 }, 1 } }, RK_INVALID_REQUEST },
	{ { TRUE, .state = 5, .isr = { (int32_t[]){ 1 }, 1 } }, RK_INVALID_REQUEST },
	{ { -1, -1, -1, 1, 0, { (int32_t[]){ 1, 2 }, 2 } }, RK_INELIGIBLE_REPLICA },
};

START_TEST(a_leader_is_believed_when_everything_it_says_is_so)
{
	have("t", IDS(1, 2, 3), 1, NULL, NULL);
	ck_assert_int_eq(say("t", 0, lies[_i].said), lies[_i].err);
	ck_assert_uint_eq(t_plan.count, lies[_i].err == RK_OK);
}
END_TEST

START_TEST(older_epochs_are_told_apart)
{
	have("t", IDS(1, 2, 3), 1, NULL, NULL);
	meta_fence_broker(&t_plan, 1);
	ck_assert_int_eq(now("t", 0).leader, 2);
	ck_assert_int_eq(say("t", 0, (struct said){ -1, 0, -1, -1, 0, IDS(2) }), RK_FENCED_LEADER_EPOCH);
	ck_assert_int_eq(say("t", 0, (struct said){ -1, -1, 0, -1, 0, IDS(2) }), RK_INVALID_UPDATE_VERSION);
	ck_assert_int_eq(say("t", 0, (struct said){ TRUE, .isr = IDS(2, 1) }), RK_INELIGIBLE_REPLICA);
}
END_TEST

START_TEST(a_smaller_isr_is_no_new_leader_epoch)
{
	have("t", IDS(1, 2, 3), 1, NULL, NULL);
	isr_is("t", 0, IDS(1));
	struct kp_partition_record p = now("t", 0);
	LIST(p, isr, 1);
	ck_assert_int_eq(p.leader_epoch, 0);
	ck_assert_int_eq(p.partition_epoch, 1);
	isr_is("t", 0, IDS(1)); /* the same again is no change */
	ck_assert_int_eq(now("t", 0).partition_epoch, 1);
}
END_TEST

/* --- who leads */

START_TEST(leaders_come_from_the_isr_then_the_elr_then_memory)
{
	have("t", IDS(1, 2, 3), 1, "min.insync.replicas", "2");
	isr_is("t", 0, IDS(1, 3));
	EMPTY(now("t", 0), eligible_leader_replicas); /* two are enough */
	meta_fence_broker(&t_plan, 1);
	struct kp_partition_record p = now("t", 0);
	ck_assert_int_eq(p.leader, 3);
	LIST(p, isr, 3);
	LIST(p, eligible_leader_replicas, 1);
	meta_fence_broker(&t_plan, 3);
	p = now("t", 0);
	ck_assert_int_eq(p.leader, -1);
	EMPTY(p, isr);
	LIST(p, eligible_leader_replicas, 1, 3);
	LIST(p, last_known_elr, 3);
	t_commit();
	t_broker(1, NULL); /* it does not say that it ended cleanly: it may have lost what it had */
	t_begin();
	LIST(now("t", 0), eligible_leader_replicas, 3);
	ck_assert_int_eq(now("t", 0).leader, -1);
	t_commit();
	t_broker(3, NULL);
	t_begin();
	p = now("t", 0);
	ck_assert_int_eq(p.leader, 3); /* nobody is eligible, but it led last */
	ck_assert_int_eq(p.leader_recovery_state, RECOVERING);
	LIST(p, isr, 3);
	EMPTY(p, last_known_elr);
	ck_assert_int_eq(say("t", 0, (struct said){ TRUE, .isr = IDS(3) }), RK_OK);
	ck_assert_int_eq(now("t", 0).leader_recovery_state, RECOVERED);
}
END_TEST

START_TEST(an_unclean_election_needs_permission)
{
	have("t", IDS(1, 2), 1, NULL, NULL);
	have("u", IDS(1, 2), 1, "unclean.leader.election.enable", "true");
	isr_is("t", 0, IDS(1));
	isr_is("u", 0, IDS(1));
	meta_fence_broker(&t_plan, 1);
	ck_assert_int_eq(now("t", 0).leader, -1);
	ck_assert_int_eq(now("u", 0).leader, 2);
	ck_assert_int_eq(now("u", 0).leader_recovery_state, RECOVERING);
	ck_assert(!meta_elect_unclean(&t_plan, META_ELECT_MAX));
	ck_assert_int_eq(now("t", 0).leader, -1);
	config(META_OF_TOPIC, "t", "unclean.leader.election.enable", "true");
	ck_assert(!meta_elect_unclean(&t_plan, META_ELECT_MAX));
	ck_assert_int_eq(now("t", 0).leader, 2);
	EMPTY(now("t", 0), eligible_leader_replicas);
}
END_TEST

START_TEST(leaders_are_elected_on_request)
{
	have("t", IDS(1, 2, 3), 2, NULL, NULL);
	have("u", IDS(1), 1, NULL, NULL);
	ck_assert_int_eq(elect("t", 0, 0), RK_ELECTION_NOT_NEEDED);
	ck_assert_int_eq(elect("t", 9, 0), RK_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(elect("t", 0, 7), RK_INVALID_REQUEST);
	meta_fence_broker(&t_plan, 1);
	ck_assert_int_eq(elect("t", 0, 0), RK_PREFERRED_LEADER_NOT_AVAILABLE);
	ck_assert_int_eq(elect("t", 0, 1), RK_ELECTION_NOT_NEEDED);
	ck_assert_int_eq(elect("u", 0, 1), RK_ELIGIBLE_LEADERS_NOT_AVAILABLE);
	t_commit();
	t_broker(1, NULL);
	t_begin();
	ck_assert_int_eq(now("t", 0).leader, 2);
	isr_is("t", 0, IDS(2, 3, 1));
	ck_assert_int_eq(elect("t", 0, 0), RK_OK);
	ck_assert_int_eq(now("t", 0).leader, 1);
	ck_assert_int_eq(elect("t", 0, 0), RK_ELECTION_NOT_NEEDED);
}
END_TEST

START_TEST(leaderships_are_given_back_some_at_a_time)
{
	have("t", IDS(1, 2), 5, NULL, NULL);
	meta_fence_broker(&t_plan, 1);
	t_commit();
	t_broker(1, NULL);
	t_begin();
	ck_assert_uint_eq(st_count(t_plan.view.txn, META_ASTRAY), 5);
	ck_assert(!meta_balance(&t_plan, 10)); /* it is in no ISR yet */
	ck_assert_uint_eq(t_plan.count, 0);
	for (int32_t i = 0; i < 5; i++)
		isr_is("t", i, IDS(2, 1));
	ck_assert(meta_balance(&t_plan, 3));
	ck_assert_uint_eq(st_count(t_plan.view.txn, META_ASTRAY), 2);
	ck_assert(!meta_balance(&t_plan, 3));
	ck_assert_uint_eq(st_count(t_plan.view.txn, META_ASTRAY), 0);
	ck_assert_int_eq(now("t", 4).leader, 1);
}
END_TEST

/* --- reassignments */

START_TEST(a_reassignment_ends_when_all_it_adds_are_in_sync)
{
	have("t", IDS(1, 2), 1, NULL, NULL);
	ck_assert_int_eq(reassign("t", 0, IDS(4, 3)), RK_OK);
	struct kp_partition_record p = now("t", 0);
	LIST(p, replicas, 4, 3, 1, 2);
	LIST(p, adding_replicas, 3, 4);
	LIST(p, removing_replicas, 1, 2);
	ck_assert_int_eq(p.leader_epoch, 0);
	ck_assert_int_eq(p.directories.len, 4);
	ck_assert_uint_eq(st_count(t_plan.view.txn, META_MOVING), 1);
	isr_is("t", 0, IDS(1, 2, 3));
	ck_assert_int_eq(now("t", 0).replicas.len, 4);
	/* The leader's own word takes its leadership: that is an error and a change. */
	ck_assert_int_eq(say("t", 0, (struct said){ TRUE, .isr = IDS(1, 2, 3, 4) }), RK_NEW_LEADER_ELECTED);
	p = now("t", 0);
	LIST(p, replicas, 4, 3);
	LIST(p, isr, 3, 4);
	EMPTY(p, adding_replicas);
	EMPTY(p, removing_replicas);
	ck_assert_int_eq(p.leader, 4);
	ck_assert_int_eq(p.leader_epoch, 1);
	ck_assert_uint_eq(st_count(t_plan.view.txn, META_MOVING), 0);
}
END_TEST

START_TEST(replicas_that_only_go_go_at_once)
{
	have("t", IDS(1, 2, 3), 1, NULL, NULL);
	ck_assert_int_eq(reassign("t", 0, IDS(1, 2)), RK_OK);
	struct kp_partition_record p = now("t", 0);
	LIST(p, replicas, 1, 2);
	LIST(p, isr, 1, 2);
	ck_assert_int_eq(p.leader, 1);
	ck_assert_int_eq(p.leader_epoch, 1); /* so that 3 fetches no more */
	ck_assert_int_eq(reassign("t", 0, IDS(2, 1)), RK_OK);
	ck_assert_int_eq(now("t", 0).leader, 1);
	ck_assert_int_eq(now("t", 0).leader_epoch, 1);
}
END_TEST

START_TEST(a_reassignment_can_be_taken_back)
{
	have("t", IDS(1, 2), 1, NULL, NULL);
	ck_assert_int_eq(reassign("t", 0, CANCEL), RK_NO_REASSIGNMENT_IN_PROGRESS);
	ck_assert_int_eq(reassign("t", 0, IDS(3, 4)), RK_OK);
	isr_is("t", 0, IDS(1, 2, 3));
	ck_assert_int_eq(reassign("t", 0, CANCEL), RK_OK);
	struct kp_partition_record p = now("t", 0);
	LIST(p, replicas, 1, 2);
	LIST(p, isr, 1, 2);
	ck_assert(!meta_reassigning(&p));
	/* When only what was added is in sync, taking it back loses records. */
	ck_assert_int_eq(reassign("t", 0, IDS(3, 4)), RK_OK);
	isr_is("t", 0, IDS(1, 2, 3));
	meta_fence_broker(&t_plan, 1);
	meta_fence_broker(&t_plan, 2);
	ck_assert_int_eq(now("t", 0).leader, 3);
	ck_assert_int_eq(reassign("t", 0, CANCEL), RK_INVALID_REPLICA_ASSIGNMENT);
	config(META_OF_TOPIC, "t", "unclean.leader.election.enable", "true");
	ck_assert_int_eq(reassign("t", 0, CANCEL), RK_OK);
	LIST(now("t", 0), replicas, 1, 2);
}
END_TEST

/* Here Kafka 4.3 forgets that 4 is still being added, and goes on removing what shall stay. */
START_TEST(a_running_reassignment_goes_on_to_a_new_target)
{
	have("t", IDS(1, 2, 3), 1, NULL, NULL);
	ck_assert_int_eq(reassign("t", 0, IDS(1, 2, 4)), RK_OK);
	ck_assert_int_eq(reassign("t", 0, IDS(1, 2, 4, 5)), RK_OK);
	struct kp_partition_record p = now("t", 0);
	LIST(p, adding_replicas, 4, 5);
	LIST(p, removing_replicas, 3);
	ck_assert_int_eq(reassign("t", 0, IDS(1, 2, 3)), RK_OK);
	p = now("t", 0);
	LIST(p, replicas, 1, 2, 3);
	ck_assert(!meta_reassigning(&p));
}
END_TEST

START_TEST(a_replica_that_goes_is_not_eligible_any_more)
{
	have("t", IDS(1, 2, 3), 1, "min.insync.replicas", "3");
	isr_is("t", 0, IDS(1));
	LIST(now("t", 0), eligible_leader_replicas, 2, 3);
	ck_assert_int_eq(reassign("t", 0, IDS(1, 2)), RK_OK);
	LIST(now("t", 0), replicas, 1, 2, 3); /* not before 2 is in sync */
	isr_is("t", 0, IDS(1, 2));
	isr_is("t", 0, IDS(1));
	LIST(now("t", 0), eligible_leader_replicas, 2);
}
END_TEST

START_TEST(assignments_that_cannot_be_are_refused)
{
	have("t", IDS(1, 2), 1, NULL, NULL);
	ck_assert_int_eq(reassign("t", 0, IDS(1, 9)), RK_INVALID_REPLICA_ASSIGNMENT);
	ck_assert_int_eq(reassign("t", 0, IDS(1, 1)), RK_INVALID_REPLICA_ASSIGNMENT);
	ck_assert_int_eq(reassign("t", 0, (struct meta_ids){ NULL, 0 }), RK_INVALID_REPLICA_ASSIGNMENT);
	ck_assert_int_eq(reassign("t", 7, IDS(1, 2)), RK_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(reassign("no", 0, IDS(1, 2)), RK_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_uint_eq(t_plan.count, 0);
}
END_TEST

START_TEST(what_moves_is_listed)
{
	struct kp_list_partition_reassignments_req_topics t = { .name = rk_lit("u"),
		.partition_indexes = { (int32_t[]){ 0 }, 1 } };
	struct kp_list_partition_reassignments_req all = { .topics = { NULL, -1 } }, one = { .topics = { &t, 1 } };
	struct kp_list_partition_reassignments_res a = { 0 }, b = { 0 };

	have("t", IDS(1, 2), 3, NULL, NULL);
	have("u", IDS(1, 2), 1, NULL, NULL);
	reassign("t", 0, IDS(3, 4));
	reassign("t", 2, IDS(1, 4));
	meta_list_partition_reassignments(&t_plan, &all, &a);
	ck_assert_int_eq(a.topics.len, 1);
	ck_assert_int_eq(a.topics.at[0].partitions.len, 2);
	ck_assert_int_eq(a.topics.at[0].partitions.at[1].partition_index, 2);
	LIST(a.topics.at[0].partitions.at[1], adding_replicas, 4);
	LIST(a.topics.at[0].partitions.at[1], removing_replicas, 2);
	meta_list_partition_reassignments(&t_plan, &one, &b);
	ck_assert_int_eq(b.topics.len, 0);
}
END_TEST

/* --- directories */

static enum rk_err
assign(int32_t broker, uint8_t last, const char *topic, int32_t i)
{
	struct rk_uuid dir = { { 0 } };
	struct kp_assign_replicas_to_dirs_req_directories_topics_partitions part = { i };
	struct kp_assign_replicas_to_dirs_req_directories_topics t = { .topic_id = id_of(topic), .partitions = { &part, 1 } };
	struct kp_assign_replicas_to_dirs_req_directories d = { .topics = { &t, 1 } };
	struct kp_assign_replicas_to_dirs_req q = { .broker_id = broker, .broker_epoch = epoch(broker),
		.directories = { &d, 1 } };
	struct kp_assign_replicas_to_dirs_res a = { 0 };

	dir.id[15] = last;
	if (last > 2)
		dir.id[0] = 7;
	d.id = dir;
	meta_assign_replicas_to_dirs(&t_plan, &q, &a);
	ck_assert_int_eq(a.error_code, 0);
	return rk_err_of_wire(a.directories.at[0].topics.at[0].partitions.at[0].error_code);
}

START_TEST(a_replica_that_lies_nowhere_does_not_lead)
{
	have("t", IDS(1, 2), 1, NULL, NULL);
	ck_assert_int_eq(assign(3, 1, "t", 0), RK_NOT_LEADER_OR_FOLLOWER);
	ck_assert_int_eq(assign(1, 1, "t", 9), RK_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(assign(1, 1, "t", 0), RK_OK); /* not assigned yet is no harm */
	ck_assert_int_eq(now("t", 0).leader, 1);
	ck_assert_int_eq(assign(1, 9, "t", 0), RK_OK); /* a directory it does not have */
	struct kp_partition_record p = now("t", 0);
	ck_assert_int_eq(p.leader, 2);
	LIST(p, isr, 2);
	ck_assert_int_eq(p.directories.at[0].id[0], 7);
}
END_TEST

START_TEST(a_directory_that_fails_takes_its_replicas_out)
{
	struct kp_register_broker_record b;

	have("t", IDS(1, 2), 2, NULL, NULL);
	ck_assert(meta_broker(&t_plan.view, 1, &t_arena, &b));
	meta_directories_offline(&t_plan, &b, b.log_dirs.at, 1);
	ck_assert_uint_eq(t_plan.count, 2); /* it was the only one: the broker will stop, no list says so */
	LIST(now("t", 1), isr, 2);
	ck_assert_int_eq(now("t", 1).leader, 2);
}
END_TEST

/* --- brokers, configs */

START_TEST(a_broker_is_forgotten)
{
	struct kp_unregister_broker_req q = { 3 };
	struct kp_unregister_broker_res a = { 0 };
	struct kp_register_broker_record b;

	have("t", IDS(3, 2), 1, NULL, NULL);
	meta_unregister_broker(&t_plan, &q, &a);
	ck_assert_int_eq(a.error_code, 0);
	ck_assert_int_eq(now("t", 0).leader, 2);
	ck_assert(!meta_broker(&t_plan.view, 3, &t_arena, &b));
	meta_unregister_broker(&t_plan, &q, &a);
	ck_assert_int_eq(a.error_code, rk_err_wire(RK_BROKER_ID_NOT_REGISTERED));
}
END_TEST

START_TEST(another_min_insync_replicas_forgets_who_was_eligible)
{
	have("t", IDS(1, 2), 1, "min.insync.replicas", "2");
	have("u", IDS(1, 2), 1, "min.insync.replicas", "2");
	isr_is("t", 0, IDS(1));
	isr_is("u", 0, IDS(1));
	config(META_OF_TOPIC, "t", "min.insync.replicas", "1");
	EMPTY(now("t", 0), eligible_leader_replicas);
	LIST(now("u", 0), eligible_leader_replicas, 2);
	ck_assert_int_eq(now("t", 0).partition_epoch, 2);
}
END_TEST

/* --- many */

static double
ms(struct timespec from)
{
	struct timespec to;

	clock_gettime(CLOCK_MONOTONIC, &to);
	return (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

START_TEST(ten_thousand_partitions_move_and_come_back)
{
	struct timespec t0;
	char name[8];

	for (int k = 0; k < 10; k++) {
		snprintf(name, sizeof name, "t%d", k);
		have(name, k % 2 ? IDS(1, 2, 3) : IDS(2, 1, 3), 1000, NULL, NULL);
	}
	clock_gettime(CLOCK_MONOTONIC, &t0);
	meta_fence_broker(&t_plan, 1);
	ck_assert_uint_eq(t_plan.count, 10001);
	t_commit();
	printf("a broker with 10,000 replicas, 5,000 of them leaders, fenced in %.1f ms\n", ms(t0));
	ck_assert_int_eq((int32_t)rk_get32(t_batch.at + 57), META_RECORDS_MAX); /* and the last in a batch of its own */
	t_begin();
	clock_gettime(CLOCK_MONOTONIC, &t0);
	ck_assert(!meta_balance(&t_plan, META_ELECT_MAX));
	ck_assert_uint_eq(t_plan.count, 0);
	printf("5,000 partitions looked at, none can be given back: %.1f ms\n", ms(t0));
	clock_gettime(CLOCK_MONOTONIC, &t0);
	meta_fence_broker(&t_plan, 4); /* leads nothing: nothing is looked at */
	ck_assert_uint_eq(t_plan.count, 1);
	ck_assert(ms(t0) < 50);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("meta_change");
	TCase *c = tcase_create("meta_change");
	tcase_add_checked_fixture(c, start, stop);
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, a_leader_is_believed_when_everything_it_says_is_so, 0, rk_countof(lies));
	tcase_add_test(c, older_epochs_are_told_apart);
	tcase_add_test(c, a_smaller_isr_is_no_new_leader_epoch);
	tcase_add_test(c, leaders_come_from_the_isr_then_the_elr_then_memory);
	tcase_add_test(c, an_unclean_election_needs_permission);
	tcase_add_test(c, leaders_are_elected_on_request);
	tcase_add_test(c, leaderships_are_given_back_some_at_a_time);
	tcase_add_test(c, a_reassignment_ends_when_all_it_adds_are_in_sync);
	tcase_add_test(c, replicas_that_only_go_go_at_once);
	tcase_add_test(c, a_reassignment_can_be_taken_back);
	tcase_add_test(c, a_running_reassignment_goes_on_to_a_new_target);
	tcase_add_test(c, a_replica_that_goes_is_not_eligible_any_more);
	tcase_add_test(c, assignments_that_cannot_be_are_refused);
	tcase_add_test(c, what_moves_is_listed);
	tcase_add_test(c, a_replica_that_lies_nowhere_does_not_lead);
	tcase_add_test(c, a_directory_that_fails_takes_its_replicas_out);
	tcase_add_test(c, a_broker_is_forgotten);
	tcase_add_test(c, another_min_insync_replicas_forgets_who_was_eligible);
	tcase_add_test(c, ten_thousand_partitions_move_and_come_back);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad != 0;
}
