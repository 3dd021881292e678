/* t_core_consumer_offsets.c - claims about what a group of consumers commits: who may, and how long it is kept. */
#include "protocol/gen/delete_groups.h"
#include "protocol/gen/offset_commit.h"
#include "src/config.h"
#include "tests/consumer_help.h"

static int
commit(struct client *x, int32_t epoch, int16_t version)
{
	struct kp_offset_commit_req_topics_partitions p = { .partition_index = 1, .committed_offset = 5,
		.committed_leader_epoch = -1, .committed_metadata = rk_lit("") };
	struct kp_offset_commit_req_topics t = { .name = rk_lit("t"), .partitions = { &p, 1 } };
	struct kp_offset_commit_res_topics_partitions rp = { .partition_index = 1 };
	struct kp_offset_commit_res_topics rt = { .name = t.name, .partitions = { &rp, 1 } };
	struct kp_offset_commit_res res = { .topics = { &rt, 1 } };
	struct kp_offset_commit_req q;

	kp_defaults(&kp_offset_commit_req_d, &q);
	memset(t.topic_id.id, 0x11, sizeof t.topic_id.id);
	ask(x);
	x->ask.version = version;
	q.group_id = rk_lit("g");
	q.generation_id_or_member_epoch = epoch;
	q.member_id = rk_str_of(x->id);
	q.topics.at = &t;
	q.topics.len = 1;
	done(x, core_group_commit(shard(), &x->ask, &q, NULL, &res));
	return rp.error_code;
}

START_TEST(commits_come_from_who_has_the_partition)
{
	join(&c[0]);
	ck_assert_int_eq(commit(&c[0], 2, 9), 0);
	ck_assert_int_eq(commit(&c[0], 2, 8), refusal(RK_UNSUPPORTED_VERSION));
	ck_assert_int_eq(commit(&c[0], 3, 9), refusal(RK_STALE_MEMBER_EPOCH));
	ck_assert_int_eq(commit(&c[0], 1, 9), refusal(RK_STALE_MEMBER_EPOCH));
	ck_assert_int_eq(commit(&c[1], 2, 9), refusal(RK_UNKNOWN_MEMBER_ID));
	c[0].topics = "t u";
	pass(1100);
	ck_assert_int_eq(beat(&c[0]), 0);
	ck_assert_int_eq(c[0].epoch, 3);
	ck_assert_int_eq(commit(&c[0], 2, 9), 0); /* it has had the partition since then */
	ck_assert(core_consumer_subscribed(group(), rk_lit("u")));
	ck_assert(!core_consumer_subscribed(group(), rk_lit("v")));
	ck_assert_int_eq(core_consumer_may_fetch(group(), rk_lit("m0"), 3), RK_OK);
	ck_assert_int_eq(core_consumer_may_fetch(group(), rk_lit("m0"), 2), RK_STALE_MEMBER_EPOCH);
	ck_assert_int_eq(core_consumer_may_fetch(group(), rk_lit("x"), 2), RK_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(core_consumer_may_fetch(group(), RK_STR_NULL, -1), RK_OK);
}
END_TEST

START_TEST(a_group_is_deleted_when_it_is_empty)
{
	struct kp_delete_groups_res_results res = { 0 };

	join(&c[0]);
	ck_assert_int_eq(commit(&c[0], 2, 9), 0);
	ask(&c[1]);
	done(&c[1], core_group_delete(shard(), &c[1].ask, rk_lit("g"), &res));
	ck_assert_int_eq(res.error_code, refusal(RK_NON_EMPTY_GROUP));
	leave(&c[0]);
	res.error_code = 0;
	ask(&c[1]);
	done(&c[1], core_group_delete(shard(), &c[1].ask, rk_lit("g"), &res));
	ck_assert_int_eq(res.error_code, 0);
	ck_assert_ptr_null(group());
	broker_crash();
	pass(1), pass(1);
	ck_assert_ptr_null(group());
}
END_TEST

START_TEST(offsets_of_topics_that_nobody_wants_expire)
{
	int64_t keep = (int64_t)t_conf->offsets_retention_minutes * 60000;

	join(&c[0]);
	ck_assert_int_eq(commit(&c[0], 2, 9), 0);
	for (int i = 0; i < 3; i++) { /* it lives on, and is subscribed */
		b.w.wall_ms += keep;
		ck_assert_int_eq(beat(&c[0]), 0);
		core_offsets_expire(core_shard_state(shard()));
	}
	ck_assert_uint_eq(group()->offsets.count, 1);
	c[0].topics = "u";
	ck_assert_int_eq(beat(&c[0]), 0);
	core_offsets_expire(core_shard_state(shard()));
	ck_assert_uint_eq(group()->offsets.count, 0);
	leave(&c[0]);
	core_offsets_expire(core_shard_state(shard()));
	ck_assert_ptr_null(group()); /* it is empty, and has no offsets */
	broker_crash();
	pass(1), pass(1);
	ck_assert_ptr_null(group());
}
END_TEST

int
main(void)
{
	const TTest *const claim[] = { commits_come_from_who_has_the_partition, a_group_is_deleted_when_it_is_empty,
		offsets_of_topics_that_nobody_wants_expire };

	return broker_claims("core_consumer_offsets", claim, rk_countof(claim), begin, over);
}
