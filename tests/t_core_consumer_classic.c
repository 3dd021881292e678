/* t_core_consumer_classic.c - claims about classic members among consumers, and groups that change their kind. */
#include "protocol/gen/heartbeat.h"
#include "src/config.h"
#include "tests/consumer_help.h"

static struct rk_str
subscription(struct client *x)
{
	int n = 0;

	for (int i = 0; i < PARTS; i++)
		n += x->reads[0][i];
	char *s = rk_arena_get(&x->arena, 64 + (size_t)n * 4, 1), *p = s;
	memcpy(p, "\0\1\0\0\0\1\0\1t\xff\xff\xff\xff\0\0\0\1\0\1t\0\0\0", 23);
	p[23] = (char)n;
	p += 24;
	for (int i = 0; i < PARTS; i++)
		if (x->reads[0][i]) {
			rk_put32(p, (uint32_t)i);
			p += 4;
		}
	return (struct rk_str){ s, (int32_t)(p - s) };
}

static int
classic_join(struct client *x)
{
	struct kp_join_group_req_protocols p = { rk_lit("range"), subscription(x) };
	struct kp_join_group_req q;

	kp_defaults(&kp_join_group_req_d, &q);
	kp_defaults(&kp_join_group_res_d, &x->join);
	ask(x);
	x->ask.version = 5;
	q.group_id = rk_lit("g");
	q.session_timeout_ms = 10000;
	q.rebalance_timeout_ms = 20000;
	q.member_id = rk_str_of(x->epoch == 0 ? "" : x->id);
	q.group_instance_id = rk_str_of(x->instance);
	q.protocol_type = rk_lit("consumer");
	q.protocols.at = &p;
	q.protocols.len = 1;
	bool later = core_group_join(shard(), &x->ask, &q, &x->join);
	if (!later)
		answered(&x->ask);
	for (int i = 0; i < 8 && !x->told; i++)
		pass(i < 5 ? 1 : 3000);
	ck_assert(x->told);
	rk_str_copy(x->id, sizeof x->id, x->join.member_id);
	x->epoch = x->join.generation_id;
	return x->join.error_code;
}

static void
classic_come(struct client *x)
{
	x->epoch = 0;
	ck_assert_int_eq(classic_join(x), refusal(RK_MEMBER_ID_REQUIRED));
	ck_assert_int_eq(classic_join(x), 0);
}

static int
classic_sync(struct client *x, struct rk_str assignment)
{
	struct kp_sync_group_req_assignments a = { rk_str_of(x->id), assignment };
	struct kp_sync_group_req q;

	kp_defaults(&kp_sync_group_req_d, &q);
	kp_defaults(&kp_sync_group_res_d, &x->sync);
	ask(x);
	q.group_id = rk_lit("g");
	q.generation_id = x->epoch;
	q.member_id = rk_str_of(x->id);
	q.assignments.at = &a;
	q.assignments.len = assignment.len < 0 ? 0 : 1;
	done(x, core_group_sync(shard(), &x->ask, &q, &x->sync));
	/* version, one topic, its name, its partitions */
	memset(x->is_to, 0, sizeof x->is_to);
	for (int i = 0; x->sync.assignment.len > 13 && i < x->sync.assignment.at[12]; i++)
		x->is_to[0][(int)x->sync.assignment.at[13 + 4 * i + 3]] = true;
	return x->sync.error_code;
}

static int
classic_beat(struct client *x)
{
	struct kp_heartbeat_req q;
	struct kp_heartbeat_res res;

	kp_defaults(&kp_heartbeat_req_d, &q);
	kp_defaults(&kp_heartbeat_res_d, &res);
	q.group_id = rk_lit("g");
	q.generation_id = x->epoch;
	q.member_id = rk_str_of(x->id);
	ck_assert(!core_group_heartbeat(shard(), &x->ask, &q, &res));
	return res.error_code;
}

START_TEST(a_classic_member_is_a_member)
{
	join(&c[0]);
	pass(1100);
	classic_come(&c[1]);
	ck_assert_int_eq(core_consumer_classic(member(&c[1])), true);
	ck_assert_int_eq(classic_sync(&c[1], RK_STR_NULL), 0);
	ck_assert_int_eq(count(&c[1]), 0); /* all is another's still */
	ck_assert_int_eq(classic_beat(&c[1]), 0); /* and there is nothing to join again for */
	ck_assert_int_eq(beat(&c[0]), 0);
	ck_assert_int_eq(beat(&c[0]), 0);
	ck_assert_int_eq(classic_beat(&c[1]), refusal(RK_REBALANCE_IN_PROGRESS));
	ck_assert_int_eq(classic_join(&c[1]), 0);
	ck_assert_int_eq(classic_sync(&c[1], RK_STR_NULL), 0);
	ck_assert_int_eq(count(&c[1]), 2);
	obey(&c[1]);
	alone();
	survives();
	ck_assert_int_eq(classic_beat(&c[1]), 0);
	pass(8000);
	ck_assert_int_eq(beat(&c[0]), 0);
	pass(3000);
	ck_assert_ptr_null(member(&c[1])); /* its own session is shorter */
}
END_TEST

/* In how many records of the log of the groups is the hash of the group's topics? */
static int
hashes_written(void)
{
	static uint8_t log[1 << 16];
	uint8_t hash[8];
	char path[200];
	int n = 0;

	rk_put64(hash, (uint64_t)state()->hash);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof path, "%s/__consumer_offsets-%d/00000000000000000000.log", b.path, i);
		FILE *f = fopen(path, "rb");
		size_t len = f == NULL ? 0 : fread(log, 1, sizeof log, f);
		for (size_t k = 0; k + sizeof hash <= len; k++)
			n += memcmp(log + k, hash, sizeof hash) == 0;
		if (f != NULL)
			fclose(f);
	}
	return n;
}

START_TEST(a_group_changes_its_kind_with_its_members)
{
	classic_come(&c[1]);
	ck_assert_int_eq(group()->kind, CORE_GROUP_CLASSIC);
	struct rk_str two = { "\0\1\0\0\0\1\0\1t\0\0\0\2\0\0\0\0\0\0\0\1\xff\xff\xff\xff", 25 };
	ck_assert_int_eq(classic_sync(&c[1], two), 0);
	ck_assert_int_eq(count(&c[1]), 2);
	obey(&c[1]);
	join(&c[0]); /* the first of the new protocol */
	ck_assert_int_eq(group()->kind, CORE_GROUP_CONSUMER);
	ck_assert_int_eq(c[0].epoch, 2);
	ck_assert_int_eq(count(&c[0]), 2); /* what nobody has */
	survives();
	ck_assert_int_eq(hashes_written(), 2); /* of the classic generation, and of the first epoch */
	ck_assert_int_eq(classic_beat(&c[1]), refusal(RK_REBALANCE_IN_PROGRESS));
	ck_assert_int_eq(classic_join(&c[1]), 0);
	ck_assert_int_eq(classic_sync(&c[1], RK_STR_NULL), 0);
	ck_assert_int_eq(count(&c[1]), 2);
	alone();
	leave(&c[0]); /* the last of the new protocol */
	ck_assert_int_eq(group()->kind, CORE_GROUP_CLASSIC);
	ck_assert_int_eq(group()->count, 1);
	broker_crash();
	pass(1), pass(1);
	ck_assert_int_eq(group()->kind, CORE_GROUP_CLASSIC);
	ck_assert_int_eq(group()->count, 1);
	ck_assert_int_eq(group()->generation, 2);
}
END_TEST

START_TEST(what_no_classic_member_had_is_dealt_out_at_the_upgrade)
{
	c[0].instance = c[1].instance = "i";
	ck_assert_int_eq(classic_join(&c[1]), 0);
	struct rk_str two = { "\0\1\0\0\0\1\0\1t\0\0\0\2\0\0\0\0\0\0\0\1\xff\xff\xff\xff", 25 };
	ck_assert_int_eq(classic_sync(&c[1], two), 0);
	join(&c[0]); /* in its place, and with the same subscription */
	ck_assert_int_eq(group()->kind, CORE_GROUP_CONSUMER);
	ck_assert_int_eq(count(&c[0]), 4);
	survives();
}
END_TEST

START_TEST(a_classic_member_takes_the_place_of_the_last_consumer)
{
	c[0].instance = c[1].instance = "i";
	join(&c[0]);
	ck_assert_int_eq(count(&c[0]), 4);
	ck_assert_int_eq(classic_join(&c[1]), 0); /* it is no matter that the other one lives */
	ck_assert_int_eq(c[1].epoch, c[0].epoch);
	ck_assert(rk_str_is(c[1].join.protocol_name, "range"));
	ck_assert_int_eq(group()->kind, CORE_GROUP_CLASSIC);
	ck_assert_int_eq(group()->state, CORE_GROUP_STABLE);
	ck_assert_int_eq(classic_beat(&c[1]), 0); /* nobody has to join again */
	ck_assert_int_eq(classic_sync(&c[1], RK_STR_NULL), 0);
	ck_assert_int_eq(count(&c[1]), 4);
	broker_crash();
	pass(1), pass(1);
	ck_assert_int_eq(group()->kind, CORE_GROUP_CLASSIC);
	ck_assert_int_eq(group()->count, 1);
}
END_TEST

START_TEST(who_waits_for_the_last_consumer_joins_the_classic_group_anew)
{
	c[0].instance = c[1].instance = "i";
	join(&c[0]);
	pass(1100);
	classic_come(&c[2]);
	ck_assert_int_eq(classic_sync(&c[2], RK_STR_NULL), 0);
	ck_assert_int_eq(count(&c[2]), 0); /* the consumer has not given anything up */
	ck_assert_int_eq(classic_join(&c[1]), 0);
	ck_assert_int_eq(group()->kind, CORE_GROUP_CLASSIC);
	ck_assert_int_eq(group()->count, 2);
	ck_assert_int_eq(classic_beat(&c[2]), refusal(RK_REBALANCE_IN_PROGRESS));
	broker_crash(); /* the next coordinator knows that they have to join, and gives nobody what another has */
	pass(1), pass(1);
	ck_assert_int_eq(group()->state, CORE_GROUP_PREPARING);
	ck_assert_int_eq(classic_beat(&c[2]), refusal(RK_REBALANCE_IN_PROGRESS));
	struct rk_str has = core_group_member(group(), rk_str_of(c[2].id))->assignment;
	ck_assert_int_eq((int32_t)rk_get32(has.at + 2), 0); /* topics */
}
END_TEST

START_TEST(a_static_member_that_lives_is_replaced_unless_both_are_consumers)
{
	join(&c[0]);
	pass(1100);
	c[1].instance = c[2].instance = c[3].instance = "i";
	ck_assert_int_eq(classic_join(&c[1]), 0);
	pass(1100);
	ck_assert_int_eq(classic_join(&c[2]), 0);
	ck_assert_ptr_null(member(&c[1]));
	ck_assert_ptr_nonnull(member(&c[2]));
	ck_assert_int_eq(send_beat(&c[3], 0, true), 0);
	ck_assert_ptr_null(member(&c[2]));
	c[4].instance = "i";
	ck_assert_int_eq(send_beat(&c[4], 0, true), refusal(RK_UNRELEASED_INSTANCE_ID));
	survives();
}
END_TEST

START_TEST(without_the_policy_a_group_stays_what_it_is)
{
	t_conf->group_consumer_migration_policy = "disabled";
	classic_come(&c[1]);
	ck_assert_int_eq(send_beat(&c[0], 0, true), refusal(RK_GROUP_ID_NOT_FOUND));
	ck_assert_int_eq(group()->kind, CORE_GROUP_CLASSIC);
	ck_assert_ptr_null(group()->consumers);
	t_conf->group_consumer_migration_policy = "bidirectional";
}
END_TEST

START_TEST(an_empty_group_is_for_whoever_comes)
{
	join(&c[0]);
	leave(&c[0]);
	classic_come(&c[1]);
	ck_assert_int_eq(group()->kind, CORE_GROUP_CLASSIC);
	ck_assert_ptr_null(group()->consumers);
}
END_TEST

int
main(void)
{
	const TTest *const claim[] = { a_classic_member_is_a_member, a_group_changes_its_kind_with_its_members,
		without_the_policy_a_group_stays_what_it_is, a_classic_member_takes_the_place_of_the_last_consumer,
		who_waits_for_the_last_consumer_joins_the_classic_group_anew,
		what_no_classic_member_had_is_dealt_out_at_the_upgrade,
		a_static_member_that_lives_is_replaced_unless_both_are_consumers, an_empty_group_is_for_whoever_comes };

	return broker_claims("core_consumer_classic", claim, rk_countof(claim), begin, over);
}
