/* t_core_group.c - claims about classic groups: who is in, who waits, what survives. */
#include <check.h>
#include "protocol/gen/delete_groups.h"
#include "protocol/gen/describe_groups.h"
#include "protocol/gen/heartbeat.h"
#include "protocol/gen/join_group.h"
#include "protocol/gen/leave_group.h"
#include "protocol/gen/offset_commit.h"
#include "protocol/gen/offset_delete.h"
#include "protocol/gen/offset_fetch.h"
#include "protocol/gen/sync_group.h"
#include "base/mem.h"
#include "src/core/group.h"
#include "src/core/group_in.h"
#include "tests/core_help.h"

static struct core_coord *coord;

/* A client of one group: what it asked last, and what it was told. */
struct client {
	struct core_group_asker ask;
	struct rk_arena arena;
	char id[80], instance[16];
	int32_t generation;
	bool waits, told;
	struct kp_join_group_res join;
	struct kp_sync_group_res sync;
	struct kp_offset_commit_res commit;
	struct kp_offset_fetch_res_groups fetch;
	struct kp_delete_groups_res_results gone;
	int version;
};
static struct client c[6];

static void
attach(struct core *core)
{
	coord = core_coord_new(core, core_group_kind());
}

static void
begin(void)
{
	broker_made = attach;
	broker_begin();
	topic_is("__consumer_offsets", 1, 4);
	pass(1), pass(1);
	memset(c, 0, sizeof c);
	for (size_t i = 0; i < rk_countof(c); i++) {
		rk_arena_init(&c[i].arena, 16 << 20);
		c[i].version = 5;
		c[i].generation = -1;
	}
}

static void
over(void)
{
	broker_end();
	for (size_t i = 0; i < rk_countof(c); i++)
		rk_arena_free(&c[i].arena);
	broker_made = NULL;
}

static struct core_shard *
shard(void)
{
	struct core_shard *s;

	ck_assert_int_eq(core_coord_find(coord, rk_lit("g"), &s), RK_OK);
	return s;
}

static struct core_group *
group(void)
{
	return core_group_get(core_shard_state(shard()), rk_lit("g"));
}

static void
answered(struct core_group_asker *a)
{
	struct client *x = rk_of(a, struct client, ask);

	ck_assert(x->waits && !x->told);
	x->told = true;
	x->waits = false;
}

static void
ask(struct client *x)
{
	ck_assert(!x->waits);
	x->told = false;
	x->ask = (struct core_group_asker){ .done = answered, .arena = &x->arena, .client_id = rk_lit("app"),
		.client_host = rk_lit("/127.0.0.1"), .version = (int16_t)x->version };
}

static struct rk_str
instance_of(struct client *x)
{
	return x->instance[0] == '\0' ? RK_STR_NULL : rk_str_of(x->instance);
}

static int
join_with(struct client *x, const char *first, const char *second)
{
	struct kp_join_group_req q;
	struct kp_join_group_req_protocols p[2] = { { rk_str_of(first), rk_lit("meta1") },
		{ rk_str_of(second), rk_lit("meta2") } };

	ask(x);
	kp_defaults(&kp_join_group_req_d, &q);
	kp_defaults(&kp_join_group_res_d, &x->join);
	q.group_id = rk_lit("g");
	q.session_timeout_ms = 10000;
	q.rebalance_timeout_ms = 60000;
	q.member_id = rk_str_of(x->id);
	q.group_instance_id = instance_of(x);
	q.protocol_type = rk_lit("consumer");
	q.protocols.at = p;
	q.protocols.len = second[0] == '\0' ? 1 : 2;
	x->waits = true;
	if (!core_group_join(shard(), &x->ask, &q, &x->join)) {
		x->waits = false;
		x->told = true;
	}
	if (x->told && x->join.member_id.len > 0)
		rk_str_copy(x->id, sizeof x->id, x->join.member_id);
	return x->told ? x->join.error_code : -100;
}

static int
join(struct client *x)
{
	return join_with(x, "range", "roundrobin");
}

/* The id first, then the join that waits. */
static void
come(struct client *x)
{
	ck_assert_int_eq(join(x), rk_err_wire(RK_MEMBER_ID_REQUIRED));
	ck_assert_int_eq(join(x), -100);
}

static void
take(struct client *x)
{
	ck_assert(x->told);
	ck_assert_int_eq(x->join.error_code, 0);
	x->generation = x->join.generation_id;
	rk_str_copy(x->id, sizeof x->id, x->join.member_id);
}

static bool
leads(struct client *x)
{
	return rk_str_is(x->join.leader, x->id);
}

static int
sync_group(struct client *x, struct client *const *all, int n)
{
	struct kp_sync_group_req q;
	struct kp_sync_group_req_assignments a[6];

	ask(x);
	kp_defaults(&kp_sync_group_req_d, &q);
	kp_defaults(&kp_sync_group_res_d, &x->sync);
	q.group_id = rk_lit("g");
	q.generation_id = x->generation;
	q.member_id = rk_str_of(x->id);
	q.group_instance_id = instance_of(x);
	for (int i = 0; i < n; i++)
		a[i] = (struct kp_sync_group_req_assignments){ rk_str_of(all[i]->id),
			rk_arena_print(&x->arena, "part %d", (int)(all[i] - c)) };
	q.assignments.at = a;
	q.assignments.len = n;
	x->waits = true;
	if (!core_group_sync(shard(), &x->ask, &q, &x->sync)) {
		x->waits = false;
		x->told = true;
	}
	return x->told ? x->sync.error_code : -100;
}

static int
beat(struct client *x)
{
	struct kp_heartbeat_req q;
	struct kp_heartbeat_res res;

	kp_defaults(&kp_heartbeat_req_d, &q);
	kp_defaults(&kp_heartbeat_res_d, &res);
	q.group_id = rk_lit("g");
	q.generation_id = x->generation;
	q.member_id = rk_str_of(x->id);
	q.group_instance_id = instance_of(x);
	ck_assert(!core_group_heartbeat(shard(), &x->ask, &q, &res));
	return res.error_code;
}

static int
leave(struct client *x)
{
	struct kp_leave_group_req q;
	struct kp_leave_group_res res;

	ask(x);
	x->ask.version = 2;
	kp_defaults(&kp_leave_group_req_d, &q);
	kp_defaults(&kp_leave_group_res_d, &res);
	q.group_id = rk_lit("g");
	q.member_id = rk_str_of(x->id);
	ck_assert(!core_group_leave(shard(), &x->ask, &q, &res));
	return res.error_code;
}

static int
commit(struct client *x, int32_t generation, int64_t offset)
{
	struct kp_offset_commit_req q;
	struct kp_offset_commit_req_topics_partitions p = { .partition_index = 2, .committed_offset = offset,
		.committed_leader_epoch = 1, .committed_metadata = rk_lit("note") };
	struct kp_offset_commit_req_topics t = { .name = rk_lit("t"), .partitions = { &p, 1 } };
	static struct kp_offset_commit_res_topics_partitions rp[6];
	static struct kp_offset_commit_res_topics rt[6];
	int i = (int)(x - c);

	ask(x);
	x->ask.version = 8;
	kp_defaults(&kp_offset_commit_req_d, &q);
	kp_defaults(&kp_offset_commit_res_d, &x->commit);
	q.group_id = rk_lit("g");
	q.generation_id_or_member_epoch = generation;
	q.member_id = rk_str_of(generation < 0 ? "" : x->id);
	q.topics.at = &t;
	q.topics.len = 1;
	rp[i] = (struct kp_offset_commit_res_topics_partitions){ .partition_index = 2 };
	rt[i] = (struct kp_offset_commit_res_topics){ .name = t.name, .partitions = { &rp[i], 1 } };
	x->commit.topics.at = &rt[i];
	x->commit.topics.len = 1;
	x->waits = true;
	if (!core_group_commit(shard(), &x->ask, &q, NULL, &x->commit)) {
		x->waits = false;
		x->told = true;
	}
	settle();
	ck_assert(x->told);
	return rp[i].error_code;
}

static int64_t
offset_of(struct client *x)
{
	int32_t index = 2;
	struct kp_offset_fetch_req_groups_topics t = { .name = rk_lit("t"), .partition_indexes = { &index, 1 } };
	struct kp_offset_fetch_req_groups q = { .group_id = rk_lit("g"), .member_epoch = -1, .topics = { &t, 1 } };

	ask(x);
	kp_defaults(&kp_offset_fetch_res_d, &(struct kp_offset_fetch_res){ 0 });
	x->fetch = (struct kp_offset_fetch_res_groups){ 0 };
	x->waits = true;
	if (!core_group_fetch(shard(), &x->ask, &q, true, &x->fetch))
		x->waits = false;
	settle();
	ck_assert(!x->waits);
	ck_assert_int_eq(x->fetch.error_code, 0);
	return x->fetch.topics.at[0].partitions.at[0].committed_offset;
}

/* Two members, stable. */
static void
pair(void)
{
	struct client *both[2] = { &c[0], &c[1] };

	come(&c[0]);
	come(&c[1]);
	pass(3000), pass(3000);
	take(&c[0]), take(&c[1]);
	ck_assert_int_eq(sync_group(&c[1], NULL, 0), -100);
	ck_assert_int_eq(sync_group(&c[0], both, 2), -100);
	settle();
	ck_assert(c[0].told && c[1].told);
}

START_TEST(a_new_group_waits_for_more_members)
{
	come(&c[0]);
	pass(2000);
	come(&c[1]);
	pass(1500);
	ck_assert(!c[0].told); /* as long again, for somebody has come */
	pass(3000);
	take(&c[0]), take(&c[1]);
	ck_assert_int_eq(c[0].generation, 1);
	ck_assert(leads(&c[0]) && !leads(&c[1]));
	ck_assert_int_eq(c[0].join.members.len, 2);
	ck_assert_int_eq(c[1].join.members.len, 0);
	ck_assert(rk_str_is(c[0].join.protocol_name, "range"));
	ck_assert(rk_str_is(c[0].join.members.at[1].metadata, "meta1"));
}
END_TEST

START_TEST(assignments_are_stable_before_anybody_hears_of_them)
{
	struct client *both[2] = { &c[0], &c[1] };

	come(&c[0]), come(&c[1]);
	pass(3000), pass(3000);
	take(&c[0]), take(&c[1]);
	ck_assert_int_eq(sync_group(&c[1], NULL, 0), -100);
	ck_assert_int_eq(sync_group(&c[0], both, 2), -100);
	ck_assert(!c[0].told && !c[1].told);
	ck_assert_int_eq(group()->state, CORE_GROUP_COMPLETING);
	settle();
	ck_assert(c[0].told && c[1].told);
	ck_assert(rk_str_is(c[0].sync.assignment, "part 0"));
	ck_assert(rk_str_is(c[1].sync.assignment, "part 1"));
	ck_assert_int_eq(group()->state, CORE_GROUP_STABLE);
}
END_TEST

START_TEST(a_third_member_makes_the_others_join_again)
{
	pair();
	come(&c[2]);
	ck_assert_int_eq(beat(&c[0]), rk_err_wire(RK_REBALANCE_IN_PROGRESS));
	ck_assert_int_eq(join(&c[0]), -100);
	ck_assert(!c[2].told);
	ck_assert_int_eq(join(&c[1]), -100);
	pass(0);
	ck_assert(c[0].told && c[1].told && c[2].told); /* nobody else is waited for */
	take(&c[2]);
	ck_assert_int_eq(c[2].generation, 2);
	ck_assert_int_eq(beat(&c[0]), rk_err_wire(RK_ILLEGAL_GENERATION));
}
END_TEST

START_TEST(who_has_to_join_again_still_reads_what_it_had)
{
	struct kp_describe_groups_res_groups d;

	pair();
	come(&c[2]);
	ask(&c[3]);
	core_group_describe(shard(), &c[3].ask, rk_lit("g"), &d);
	ck_assert(rk_str_is(d.group_state, "PreparingRebalance"));
	ck_assert_int_eq(d.members.len, 3);
	ck_assert(rk_str_is(d.members.at[0].member_assignment, "part 0"));
	ck_assert(rk_str_is(d.members.at[1].member_assignment, "part 1"));
	ck_assert(rk_str_is(d.members.at[2].member_assignment, ""));
	ck_assert(rk_str_is(d.members.at[0].member_metadata, ""));
}
END_TEST

START_TEST(who_does_not_come_back_is_out)
{
	pair();
	come(&c[2]);
	ck_assert_int_eq(join(&c[0]), -100);
	pass(5000);
	ck_assert_int_eq(beat(&c[1]), rk_err_wire(RK_REBALANCE_IN_PROGRESS));
	for (int i = 0; i < 12; i++) {
		pass(5000);
		if (!c[2].told)
			(void)beat(&c[1]);
	}
	ck_assert(c[0].told && c[2].told);
	ck_assert_int_eq(beat(&c[1]), rk_err_wire(RK_UNKNOWN_MEMBER_ID));
	ck_assert_int_eq(group()->count, 2);
}
END_TEST

START_TEST(silence_removes_a_member)
{
	pair();
	pass(9000);
	ck_assert_int_eq(beat(&c[0]), 0);
	pass(2000);
	ck_assert_int_eq(group()->count, 1);
	ck_assert_int_eq(beat(&c[0]), rk_err_wire(RK_REBALANCE_IN_PROGRESS));
	ck_assert_int_eq(beat(&c[1]), rk_err_wire(RK_UNKNOWN_MEMBER_ID));
}
END_TEST

START_TEST(the_last_who_leaves_leaves_an_empty_group)
{
	pair();
	ck_assert_int_eq(leave(&c[0]), 0);
	ck_assert_int_eq(leave(&c[0]), rk_err_wire(RK_UNKNOWN_MEMBER_ID));
	ck_assert_int_eq(leave(&c[1]), 0);
	pass(1);
	ck_assert_int_eq(group()->state, CORE_GROUP_EMPTY);
	settle();
	broker_crash();
	settle();
	pass(1), pass(1);
	ck_assert_int_eq(group()->state, CORE_GROUP_EMPTY);
	ck_assert_int_eq(group()->generation, 2);
}
END_TEST

START_TEST(a_group_survives_its_coordinator)
{
	pair();
	ck_assert_int_eq(commit(&c[0], 1, 77), 0);
	broker_crash();
	settle();
	pass(1), pass(1);
	ck_assert_int_eq(group()->state, CORE_GROUP_STABLE);
	ck_assert_int_eq(beat(&c[0]), 0);
	ck_assert_int_eq(beat(&c[1]), 0);
	ck_assert_int_eq(sync_group(&c[1], NULL, 0), 0);
	ck_assert(rk_str_is(c[1].sync.assignment, "part 1"));
	ck_assert_int_eq(offset_of(&c[2]), 77);
	pass(10001); /* sessions go on, too */
	ck_assert_int_eq(group()->count, 0);
}
END_TEST

START_TEST(commits_are_for_members_of_this_generation)
{
	pair();
	ck_assert_int_eq(commit(&c[0], 1, 5), 0);
	ck_assert_int_eq(commit(&c[0], 0, 6), rk_err_wire(RK_ILLEGAL_GENERATION));
	ck_assert_int_eq(commit(&c[0], -1, 6), rk_err_wire(RK_UNKNOWN_MEMBER_ID));
	rk_str_copy(c[3].id, sizeof c[3].id, rk_lit("somebody"));
	ck_assert_int_eq(commit(&c[3], 1, 6), rk_err_wire(RK_UNKNOWN_MEMBER_ID));
	ck_assert_int_eq(offset_of(&c[2]), 5);
}
END_TEST

START_TEST(a_consumer_without_a_group_commits_too)
{
	ck_assert_int_eq(offset_of(&c[0]), -1);
	ck_assert_int_eq(commit(&c[0], 3, 4), rk_err_wire(RK_ILLEGAL_GENERATION));
	ck_assert_ptr_null(group());
	ck_assert_int_eq(commit(&c[0], -1, 4), 0);
	ck_assert_int_eq(offset_of(&c[0]), 4);
	ck_assert(rk_str_is(c[0].fetch.topics.at[0].partitions.at[0].metadata, "note"));
}
END_TEST

START_TEST(offsets_expire_when_their_group_is_empty_for_long)
{
	pair();
	ck_assert_int_eq(commit(&c[0], 1, 5), 0);
	ck_assert_int_eq(leave(&c[0]), 0);
	ck_assert_int_eq(leave(&c[1]), 0);
	pass(600000), pass(600000);
	ck_assert_int_eq(offset_of(&c[2]), 5);
	b.w.wall_ms += 7ll * 86400000;
	pass(600001);
	ck_assert_ptr_null(group());
	settle();
	broker_crash();
	settle();
	pass(1), pass(1);
	ck_assert_ptr_null(group());
}
END_TEST

START_TEST(a_deleted_group_stays_deleted)
{
	ck_assert_int_eq(commit(&c[0], -1, 4), 0);
	ask(&c[1]);
	c[1].gone = (struct kp_delete_groups_res_results){ 0 };
	c[1].waits = true;
	ck_assert(core_group_delete(shard(), &c[1].ask, rk_lit("g"), &c[1].gone));
	settle();
	ck_assert(c[1].told);
	ck_assert_int_eq(c[1].gone.error_code, 0);
	broker_crash();
	settle();
	pass(1), pass(1);
	ck_assert_ptr_null(group());
	ask(&c[1]);
	ck_assert(!core_group_delete(shard(), &c[1].ask, rk_lit("g"), &c[1].gone));
	ck_assert_int_eq(c[1].gone.error_code, rk_err_wire(RK_GROUP_ID_NOT_FOUND));
}
END_TEST

START_TEST(a_static_member_comes_back_without_a_rebalance)
{
	struct client *both[2] = { &c[0], &c[1] };

	snprintf(c[0].instance, sizeof c[0].instance, "one");
	snprintf(c[1].instance, sizeof c[1].instance, "two");
	ck_assert_int_eq(join(&c[0]), -100);
	ck_assert_int_eq(join(&c[1]), -100);
	pass(3000), pass(3000);
	take(&c[0]), take(&c[1]);
	ck_assert_int_eq(sync_group(&c[1], NULL, 0), -100);
	ck_assert_int_eq(sync_group(&c[0], both, 2), -100);
	settle();
	snprintf(c[2].instance, sizeof c[2].instance, "two");
	ck_assert_int_eq(join(&c[2]), -100); /* its new id must be on the disk first */
	settle();
	take(&c[2]);
	ck_assert_int_eq(c[2].generation, 1);
	ck_assert_int_eq(beat(&c[0]), 0);
	ck_assert_int_eq(beat(&c[1]), rk_err_wire(RK_FENCED_INSTANCE_ID));
	ck_assert_int_eq(sync_group(&c[2], NULL, 0), 0);
	ck_assert(rk_str_is(c[2].sync.assignment, "part 1"));
}
END_TEST

START_TEST(protocols_must_have_one_in_common)
{
	come(&c[0]);
	ck_assert_int_eq(join_with(&c[1], "sticky", ""), rk_err_wire(RK_INCONSISTENT_GROUP_PROTOCOL));
	ck_assert_int_eq(join_with(&c[1], "roundrobin", "sticky"), rk_err_wire(RK_MEMBER_ID_REQUIRED));
	ck_assert_int_eq(join_with(&c[1], "roundrobin", "sticky"), -100);
	pass(3000), pass(3000);
	take(&c[0]);
	ck_assert(rk_str_is(c[0].join.protocol_name, "roundrobin"));
}
END_TEST

START_TEST(who_makes_up_protocols_holds_nobody_up)
{
	enum { MANY = 200000 };
	struct kp_join_group_req_protocols *p = calloc(MANY, sizeof *p);
	char (*name)[16] = calloc(MANY, sizeof *name);
	struct kp_join_group_req q;

	for (int i = 0; i < MANY; i++) {
		snprintf(name[i], sizeof name[i], "made up %d", i / 2); /* each twice */
		p[i] = (struct kp_join_group_req_protocols){ rk_str_of(name[i]), rk_lit("") };
	}
	p[MANY - 1].name = rk_lit("range");
	come(&c[0]);
	for (int again = 0; again < 2; again++) {
		ask(&c[1]);
		kp_defaults(&kp_join_group_req_d, &q);
		kp_defaults(&kp_join_group_res_d, &c[1].join);
		q.group_id = rk_lit("g");
		q.session_timeout_ms = 10000;
		q.rebalance_timeout_ms = 60000;
		q.member_id = rk_str_of(c[1].id);
		q.group_instance_id = RK_STR_NULL;
		q.protocol_type = rk_lit("consumer");
		q.protocols.at = p;
		q.protocols.len = MANY;
		c[1].waits = core_group_join(shard(), &c[1].ask, &q, &c[1].join);
		if (!c[1].waits)
			rk_str_copy(c[1].id, sizeof c[1].id, c[1].join.member_id);
	}
	ck_assert(c[1].waits);
	pass(3000), pass(3000);
	take(&c[0]), take(&c[1]);
	ck_assert(rk_str_is(c[1].join.protocol_name, "range"));
	ck_assert_uint_eq(group()->known.by_name.count, 2 + MANY / 2);
	free(p);
	free(name);
}
END_TEST

START_TEST(a_lost_partition_sends_everybody_away)
{
	come(&c[0]);
	topic_gone(1);
	pass(1);
	ck_assert(c[0].told);
	ck_assert_int_eq(c[0].join.error_code, rk_err_wire(RK_NOT_COORDINATOR));
}
END_TEST

START_TEST(who_is_gone_is_not_answered)
{
	come(&c[0]), come(&c[1]);
	core_group_forget(&c[0].ask);
	pass(3000), pass(3000);
	ck_assert(!c[0].told);
	ck_assert(c[1].told);
	take(&c[1]);
	ck_assert_int_eq(group()->count, 1);
	c[0].waits = false;
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("core_group");
	TCase *t = tcase_create("core_group");
	const TTest *all[] = { a_new_group_waits_for_more_members, assignments_are_stable_before_anybody_hears_of_them,
		a_third_member_makes_the_others_join_again, who_has_to_join_again_still_reads_what_it_had,
		who_does_not_come_back_is_out, silence_removes_a_member,
		the_last_who_leaves_leaves_an_empty_group, a_group_survives_its_coordinator,
		commits_are_for_members_of_this_generation, a_consumer_without_a_group_commits_too,
		offsets_expire_when_their_group_is_empty_for_long, a_deleted_group_stays_deleted,
		a_static_member_comes_back_without_a_rebalance, protocols_must_have_one_in_common,
		who_makes_up_protocols_holds_nobody_up,
		a_lost_partition_sends_everybody_away, who_is_gone_is_not_answered };

	tcase_add_checked_fixture(t, begin, over);
	for (size_t i = 0; i < rk_countof(all); i++)
		tcase_add_test(t, all[i]);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
