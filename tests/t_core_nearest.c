/* t_core_nearest.c - to which replica a consumer is sent, and what a follower answers (KIP-392). */
#include "base/mem.h"
#include "src/core/broker.h"
#include "src/core/replica.h"
#include "tests/replica_help.h"

static const int32_t both[] = {1, 2};

static void
begin(void)
{
	pair_begin();
	topic_of("t", 1, 1, both, 2);
	put(part("t", 0), batch_of(3, b.w.wall_ms));
	flow();
	both_pass(600);
	core_broker(b.core, 1)->rack = (struct rk_str){ rk_mem_str("east", 4), 4 };
	core_broker(b.core, 2)->rack = (struct rk_str){ rk_mem_str("west", 4), 4 };
	t_conf->replica_selector_class = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
}

static int32_t
from(const char *rack, int64_t offset)
{
	return core_nearest(part("t", 0), rack == NULL ? RK_STR_NULL : rk_str_of(rack), offset);
}

START_TEST(a_consumer_is_sent_to_the_replica_in_its_rack)
{
	ck_assert_int_eq(from("west", 3), 2);
	ck_assert_int_eq(from("west", 0), 2);
	ck_assert_int_eq(from("east", 3), -1); /* the leader is there */
	ck_assert_int_eq(from("north", 3), -1);
	ck_assert_int_eq(from("", 3), -1);
	ck_assert_int_eq(from(NULL, 3), -1);
}
END_TEST

START_TEST(only_to_one_that_is_in_sync_and_has_what_is_asked_for)
{
	ck_assert_int_eq(from("west", 4), -1);
	put(part("t", 0), batch_of(2, b.w.wall_ms)); /* not fetched yet */
	settle();
	ck_assert_int_eq(from("west", 3), 2);
	ck_assert_int_eq(from("west", 4), -1);
	core_broker(b.core, 2)->active = false;
	ck_assert_int_eq(from("west", 3), -1);
	core_broker(b.core, 2)->active = true;
	part("t", 0)->set->other[0].isr = false;
	ck_assert_int_eq(from("west", 3), -1);
}
END_TEST

START_TEST(without_a_selector_everybody_reads_from_the_leader)
{
	t_conf->replica_selector_class = NULL;
	ck_assert_int_eq(from("west", 3), -1);
}
END_TEST

START_TEST(a_follower_answers_who_may_ask_it)
{
	struct core_partition *p = other("t", 0);

	ck_assert_int_eq(core_check_leader(p, -1), RK_NOT_LEADER_OR_FOLLOWER);
	ck_assert_int_eq(core_check_replica(p, -1), RK_OK);
	ck_assert_int_eq(core_check_replica(p, p->leader_epoch), RK_OK);
	ck_assert_int_eq(core_check_replica(p, p->leader_epoch + 1), RK_UNKNOWN_LEADER_EPOCH);
	ck_assert_int_eq(core_check_replica(part("t", 0), -1), RK_OK);
	ck_assert_int_eq(p->high, 3);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("core_nearest");
	TCase *t = tcase_create("nearest");

	tcase_add_checked_fixture(t, begin, pair_end);
	tcase_add_test(t, a_consumer_is_sent_to_the_replica_in_its_rack);
	tcase_add_test(t, only_to_one_that_is_in_sync_and_has_what_is_asked_for);
	tcase_add_test(t, without_a_selector_everybody_reads_from_the_leader);
	tcase_add_test(t, a_follower_answers_who_may_ask_it);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
