/* t_core_consumer.c - claims about groups of consumers (KIP-848): epochs, who has what, who is out, what survives. */
#include "src/config.h"
#include "src/core/regex.h"
#include "tests/consumer_help.h"

START_TEST(the_first_member_gets_everything_at_once)
{
	c[0].topics = "t u";
	join(&c[0]);
	ck_assert_int_eq(c[0].epoch, 2); /* a group begins with epoch 1, at which nothing is assigned */
	ck_assert_int_eq(count(&c[0]), 7);
	ck_assert_int_eq(c[0].beat.heartbeat_interval_ms, 5000);
	ck_assert_str_eq(core_consumers_state(group()), "Stable");
	ck_assert_int_eq(beat(&c[0]), 0);
	ck_assert_int_eq(c[0].epoch, 2);
}
END_TEST

START_TEST(a_partition_moves_when_its_reader_has_given_it_up)
{
	join(&c[0]);
	pass(1100);
	join(&c[1]);
	ck_assert_int_eq(count(&c[1]), 0);
	ck_assert_int_eq(c[1].epoch, 3);
	ck_assert_int_eq(send_beat(&c[0], c[0].epoch, false), 0); /* it is told, and reads on */
	ck_assert_int_eq(count(&c[0]), 2);
	ck_assert_int_eq(c[0].epoch, 2);
	beats(1);
	ck_assert_int_eq(count(&c[1]), 2);
	ck_assert_int_eq(c[0].epoch, 3);
	beats(1);
	ck_assert_str_eq(core_consumers_state(group()), "Stable");
}
END_TEST

START_TEST(what_it_is_to_have_is_told_once_and_whenever_it_says_everything)
{
	join(&c[0]);
	pass(1100);
	join(&c[1]);
	ck_assert_int_eq(send_beat(&c[0], 2, false), 0); /* this answer has left, and is lost on its way */
	ck_assert_ptr_nonnull(c[0].beat.assignment);
	ck_assert_int_eq(send_beat(&c[0], 2, false), 0);
	ck_assert_ptr_null(c[0].beat.assignment);
	ck_assert_int_eq(send_beat(&c[0], 2, true), 0);
	ck_assert_ptr_nonnull(c[0].beat.assignment);
	ck_assert_int_eq(count(&c[0]), 2);
}
END_TEST

START_TEST(assignments_are_an_interval_apart)
{
	join(&c[0]);
	join(&c[1]);
	ck_assert_int_eq(state()->epoch, 3);
	ck_assert_int_eq(state()->target_epoch, 2);
	ck_assert_str_eq(core_consumers_state(group()), "Assigning");
	pass(999);
	ck_assert_int_eq(beat(&c[1]), 0);
	ck_assert_int_eq(state()->target_epoch, 2);
	pass(10);
	ck_assert_int_eq(beat(&c[1]), 0);
	ck_assert_int_eq(state()->target_epoch, 3);
}
END_TEST

START_TEST(epochs_fence)
{
	join(&c[0]);
	ck_assert_int_eq(send_beat(&c[0], 3, false), refusal(RK_FENCED_MEMBER_EPOCH));
	ck_assert_int_eq(send_beat(&c[0], 1, false), refusal(RK_FENCED_MEMBER_EPOCH));
	ck_assert_int_eq(send_beat(&c[1], 2, false), refusal(RK_UNKNOWN_MEMBER_ID));
	ck_assert_int_eq(send_beat(&c[0], 0, true), 0); /* it begins anew, and is the same */
	ck_assert_int_eq(count(&c[0]), 4);
	c[0].topics = "t u";
	pass(1100);
	ck_assert_int_eq(beat(&c[0]), 0);
	ck_assert_int_eq(c[0].epoch, 3);
	ck_assert_int_eq(send_beat(&c[0], 2, true), 0); /* the answer was lost: the epoch before will do */
	ck_assert_int_eq(send_beat(&c[0], 2, false), refusal(RK_FENCED_MEMBER_EPOCH)); /* but it is to say what it has */
	c[0].instance = "i";
	ck_assert_int_eq(send_beat(&c[0], 3, false), refusal(RK_UNKNOWN_MEMBER_ID));
}
END_TEST

START_TEST(who_is_silent_is_out)
{
	join(&c[0]), join(&c[1]);
	pass(30000);
	ck_assert_int_eq(beat(&c[1]), 0);
	pass(20000);
	ck_assert_ptr_null(member(&c[0]));
	ck_assert_ptr_nonnull(member(&c[1]));
	memset(c[0].reads, 0, sizeof c[0].reads);
	ck_assert_int_eq(beat(&c[1]), 0);
	ck_assert_int_eq(beat(&c[1]), 0);
	ck_assert_int_eq(count(&c[1]), 4);
}
END_TEST

START_TEST(who_does_not_give_back_in_time_is_out)
{
	join(&c[0]);
	pass(1100);
	join(&c[1]);
	ck_assert_int_eq(send_beat(&c[0], c[0].epoch, false), 0);
	ck_assert_int_eq(member(&c[0])->at.state, CORE_CONSUMER_UNREVOKED);
	for (int i = 0; i < 4; i++) {
		pass(4900);
		ck_assert_int_eq(send_beat(&c[0], c[0].epoch, false), 0); /* it lives, and reads on */
	}
	pass(500);
	ck_assert_ptr_null(member(&c[0]));
	ck_assert_int_eq(send_beat(&c[0], c[0].epoch, false), refusal(RK_UNKNOWN_MEMBER_ID));
}
END_TEST

START_TEST(a_static_member_comes_back_to_what_it_had)
{
	c[0].instance = c[2].instance = "i";
	join(&c[0]), join(&c[1]);
	pass(1100);
	beats(3);
	ck_assert_int_eq(count(&c[0]), 2);
	ck_assert_int_eq(send_beat(&c[2], 0, true), refusal(RK_UNRELEASED_INSTANCE_ID));
	ck_assert_int_eq(send_beat(&c[2], -2, false), refusal(RK_FENCED_INSTANCE_ID));
	ck_assert_int_eq(send_beat(&c[0], -2, false), 0);
	ck_assert_int_eq(c[0].beat.member_epoch, -2);
	c[0].epoch = 0;
	memset(c[0].reads, 0, sizeof c[0].reads);
	int32_t epoch = state()->epoch;
	beats(1);
	ck_assert_int_eq(count(&c[1]), 2);
	ck_assert_int_eq(send_beat(&c[2], 0, true), 0); /* under another id */
	ck_assert_int_eq(count(&c[2]), 2);
	ck_assert_int_eq(state()->epoch, epoch);
	ck_assert_ptr_null(member(&c[0]));
	ck_assert_int_eq(send_beat(&c[0], 0, true), refusal(RK_UNRELEASED_INSTANCE_ID));
}
END_TEST

START_TEST(topics_that_grow_come_and_go_are_seen)
{
	c[0].topics = "t v";
	join(&c[0]);
	ck_assert_int_eq(count(&c[0]), 4);
	struct kp_partition_record p;
	kp_defaults(&kp_partition_record_d, &p);
	p.partition_id = 4;
	memset(p.topic_id.id, 0x11, sizeof p.topic_id.id);
	p.replicas.at = p.isr.at = (int32_t[]){ 1 };
	p.replicas.len = p.isr.len = 1;
	p.leader = 1;
	p.leader_epoch = p.partition_epoch = 0;
	p.directories.at = (struct rk_uuid[]){ { { 9 } } };
	p.directories.len = 1;
	committed(KP_PARTITION_RECORD, &p);
	pass(1100);
	beats(2);
	ck_assert_int_eq(count(&c[0]), 5);
	ck_assert_int_eq(c[0].epoch, 3);
	topic_gone(0x11);
	pass(1100);
	beats(2);
	ck_assert_int_eq(count(&c[0]), 0);
	beats(1);
	ck_assert_int_eq(c[0].epoch, 4);
}
END_TEST

/* Where the group's epoch is after a heartbeat. */
static int32_t
epoch_then(void)
{
	pass(1100);
	beats(2);
	return state()->epoch;
}

START_TEST(replicas_and_racks_that_are_others_are_seen_and_nothing_else_is)
{
	broker_in(2, NULL);
	join(&c[0]);
	int32_t epoch = state()->epoch;
	int64_t without = state()->hash;
	broker_in(2, "a"); /* it has none of the topic's replicas */
	ck_assert_int_eq(epoch_then(), epoch);
	replicas_are(0x12, 0, (const int32_t[]){ 1, 2 }, 2); /* nor is anybody subscribed to that one */
	ck_assert_int_eq(epoch_then(), epoch);
	replicas_are(0x11, 3, (const int32_t[]){ 1, 2 }, 2);
	ck_assert_int_eq(epoch_then(), epoch + 1);
	int64_t in_a = state()->hash;
	ck_assert_int_ne(in_a, without);
	partition_is(0x11, 3, 1, (const int32_t[]){ 1, 2 }, 2, false);
	broker_is(3, false);
	ck_assert_int_eq(epoch_then(), epoch + 1);
	broker_in(2, "b");
	ck_assert_int_eq(epoch_then(), epoch + 2);
	ck_assert_int_ne(state()->hash, in_a);
	broker_in(2, "a");
	ck_assert_int_eq(epoch_then(), epoch + 3);
	ck_assert_int_eq(state()->hash, in_a);
	survives(); /* who takes the group over finds the same */
	ck_assert_int_eq(epoch_then(), epoch + 3);
	broker_in(2, NULL);
	ck_assert_int_eq(epoch_then(), epoch + 4);
	ck_assert_int_eq(state()->hash, without);
}
END_TEST

START_TEST(a_regular_expression_finds_topics_old_and_new)
{
	c[0].topics = "";
	c[0].regex = "[tu]";
	join(&c[0]);
	ck_assert_int_eq(count(&c[0]), 7);
	c[1].topics = "";
	c[1].regex = "t+";
	pass(1100);
	join(&c[1]);
	beats(3);
	ck_assert_int_eq(count(&c[0]) + count(&c[1]), 7);
	ck_assert_int_eq(state()->patterns.next->next->next == &state()->patterns, true);
	leave(&c[1]);
	ck_assert_ptr_null(core_consumer_pattern(state(), rk_lit("t+"))); /* nobody has it any more */
	topic_gone(0x12);
	pass(11000);
	beats(3);
	ck_assert_int_eq(count(&c[0]), 4);
	topic_is("u", 0x12, 2);
	pass(11000);
	beats(3);
	ck_assert_int_eq(count(&c[0]), 6);
	c[2].regex = "(?=t)";
	ck_assert_int_eq(send_beat(&c[2], 0, true), refusal(RK_INVALID_REGULAR_EXPRESSION));
}
END_TEST

START_TEST(regular_expressions_are_res)
{
	static const char *const good[] = { "a|b", "(ab)*c", "[^a-z]+", "\\d{2,3}x?", "(?i)abc", "(?:x)+?", "(?P<n>x)",
		"[[:alpha:]]", "a\\.b", "", "\\pL", "[]a]", "\\Q**\\E" },
	    *const bad[] = { "[", "(", ")", "*a", "a**", "a++", "(?=a)", "(?!a)", "(?<=a)", "(?>a)", "\\1", "(a)\\1",
		    "a{2}{3}", "\\", "(*FAIL)", "(?R)", "[z-a]", "a{1001}" };
	struct rk_str why;

	for (size_t i = 0; i < rk_countof(good); i++)
		ck_assert_msg(core_regex_check(rk_str_of(good[i]), &b.arena, &why) == RK_OK, "%s", good[i]);
	for (size_t i = 0; i < rk_countof(bad); i++)
		ck_assert_msg(core_regex_check(rk_str_of(bad[i]), &b.arena, &why) != RK_OK, "%s", bad[i]);
	struct rk_str *topic;
	topic_is("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-", 0x21, 1);
	ck_assert_int_eq(core_regex_topics(b.core, rk_lit("((a*)*)*b"), &b.arena, &topic), 0); /* and it ends soon */
	ck_assert_int_eq(core_regex_topics(b.core, rk_lit("t|u"), &b.arena, &topic), 2);
	ck_assert_int_eq(core_regex_topics(b.core, rk_lit("t|ux"), &b.arena, &topic), 1); /* the whole name, or not at all */
}
END_TEST

START_TEST(a_new_coordinator_knows_it_all)
{
	c[0].topics = "t u";
	c[1].regex = "[u]";
	c[2].instance = "i";
	join(&c[0]), join(&c[1]), join(&c[2]);
	survives();
	pass(1100);
	ck_assert_int_eq(send_beat(&c[0], c[0].epoch, false), 0);
	survives();
	beats(1);
	survives();
	beats(3);
	survives();
	ck_assert_int_eq(send_beat(&c[2], -2, false), 0);
	c[2].epoch = 0;
	survives();
	leave(&c[1]);
	survives();
	beats(3);
	pass(46000);
	ck_assert_int_eq(state()->count, 0); /* sessions run with the new coordinator too */
}
END_TEST

/* Members do this and that, in any order; a crash now and then. */
START_TEST(whatever_happens_no_partition_has_two_readers)
{
	uint32_t x = 7;

	for (int i = 0; i < 1500; i++) {
		x = x * 1103515245 + 12345;
		struct client *k = &c[(x >> 16) % CLIENTS];
		uint32_t what = (x >> 20) % 40;
		if (k->epoch == 0) {
			k->topics = what % 3 == 0 ? "u" : "t u";
			join(k);
		} else if (what == 0) {
			leave(k);
		} else if (what == 1) {
			k->topics = "t";
		} else if (what == 2) {
			survives();
		} else if (what < 8) {
			pass(what * 200);
		} else if (what < 20) {
			ck_assert_int_eq(send_beat(k, k->epoch, false), 0); /* it has not obeyed yet */
		} else {
			ck_assert_int_eq(beat(k), 0);
		}
		alone();
		rk_arena_reset(&k->arena);
		for (int n = 0; n < CLIENTS; n++) /* nobody is ever slow */
			if (i % 20 == n && c[n].epoch > 0)
				ck_assert_int_eq(beat(&c[n]), 0);
	}
	pass(1100);
	beats(6);
	pass(1100);
	beats(6);
	ck_assert_str_eq(core_consumers_state(group()), state()->count == 0 ? "Empty" : "Stable");
}
END_TEST

/* librdkafka closes a connection whose answer is late, and does not ask for everything again on the next one. */
START_TEST(what_an_answer_that_never_left_said_is_said_again)
{
	struct kp_consumer_group_heartbeat_req q;

	join(&c[0]);
	ck_assert_int_eq(send_beat(&c[0], c[0].epoch, false), 0);
	ck_assert_ptr_null(c[0].beat.assignment);
	join(&c[1]);
	pass(1100);
	kp_defaults(&kp_consumer_group_heartbeat_req_d, &q);
	kp_defaults(&kp_consumer_group_heartbeat_res_d, &c[0].beat);
	ask(&c[0]);
	q.group_id = rk_lit("g");
	q.member_id = rk_str_of(c[0].id);
	q.member_epoch = c[0].epoch;
	ck_assert(core_consumer_heartbeat(shard(), &c[0].ask, &q, &c[0].beat)); /* it is to give something back */
	ck_assert_ptr_nonnull(c[0].beat.assignment);
	core_write_forget(&c[0].ask.put);
	c[0].waits = false;
	pass(1);
	c[0].line++;
	ck_assert_int_eq(send_beat(&c[0], c[0].epoch, false), 0);
	ck_assert_ptr_nonnull(c[0].beat.assignment);
	ck_assert_int_eq(send_beat(&c[0], c[0].epoch, false), 0);
	ck_assert_ptr_null(c[0].beat.assignment);
	c[0].line++; /* a coordinator that was stopped for a while answers one that has hung up, and cannot tell */
	ck_assert_int_eq(send_beat(&c[0], c[0].epoch, false), 0);
	ck_assert_ptr_nonnull(c[0].beat.assignment);
	ck_assert_int_eq(send_beat(&c[0], c[0].epoch, false), 0);
	ck_assert_ptr_null(c[0].beat.assignment);
	survives();
	ck_assert_int_eq(send_beat(&c[0], c[0].epoch, false), 0);
	ck_assert_ptr_nonnull(c[0].beat.assignment);
}
END_TEST

START_TEST(too_many_are_too_many)
{
	t_conf->group_consumer_max_size = 1;
	join(&c[0]);
	ck_assert_int_eq(send_beat(&c[1], 0, true), refusal(RK_GROUP_MAX_SIZE_REACHED));
	ck_assert_int_eq(send_beat(&c[0], 0, true), 0);
	t_conf->group_consumer_max_size = INT32_MAX;
}
END_TEST

START_TEST(a_lost_coordinator_tells_who_waits)
{
	struct kp_consumer_group_heartbeat_req q;

	join(&c[0]);
	kp_defaults(&kp_consumer_group_heartbeat_req_d, &q);
	kp_defaults(&kp_consumer_group_heartbeat_res_d, &c[1].beat);
	ask(&c[1]);
	q.group_id = rk_lit("g");
	q.member_id = rk_str_of(c[1].id);
	q.rebalance_timeout_ms = 1000;
	q.subscribed_topic_names.at = &(struct rk_str){ "t", 1 };
	q.subscribed_topic_names.len = 1;
	q.topic_partitions.len = 0;
	ck_assert(core_consumer_heartbeat(shard(), &c[1].ask, &q, &c[1].beat));
	topic_gone(1);
	pass(1);
	ck_assert(c[1].told);
	ck_assert_int_eq(c[1].beat.error_code, refusal(RK_NOT_COORDINATOR));
	ck_assert_ptr_null(c[1].beat.assignment);
}
END_TEST

int
main(void)
{
	const TTest *const claim[] = { the_first_member_gets_everything_at_once,
		a_partition_moves_when_its_reader_has_given_it_up,
		what_it_is_to_have_is_told_once_and_whenever_it_says_everything, assignments_are_an_interval_apart, epochs_fence,
		who_is_silent_is_out, who_does_not_give_back_in_time_is_out, a_static_member_comes_back_to_what_it_had,
		topics_that_grow_come_and_go_are_seen, replicas_and_racks_that_are_others_are_seen_and_nothing_else_is,
		a_regular_expression_finds_topics_old_and_new,
		regular_expressions_are_res, a_new_coordinator_knows_it_all, whatever_happens_no_partition_has_two_readers,
		what_an_answer_that_never_left_said_is_said_again, too_many_are_too_many, a_lost_coordinator_tells_who_waits };

	return broker_claims("core_consumer", claim, rk_countof(claim), begin, over);
}
