/* t_core_offsets.c - claims about offsets that transactions commit: pending until the marker, then there or gone. */
#include <check.h>
#include "protocol/gen/delete_groups.h"
#include "protocol/gen/offset_commit.h"
#include "protocol/gen/offset_fetch.h"
#include "protocol/gen/write_txn_markers.h"
#include "src/core/group_in.h"
#include "src/core/mark.h"
#include "tests/core_help.h"

enum { UNSTABLE = -88 };

static struct core_coord *coord;
static struct core_group_asker asker;
static bool told;

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
	topic_is("__consumer_offsets", 1, 1);
	pass(1), pass(1);
}

static void
over(void)
{
	broker_end();
	broker_made = NULL;
}

static struct core_shard *
shard(void)
{
	struct core_shard *s;

	ck_assert_int_eq(core_coord_find(coord, rk_lit("g"), &s), RK_OK);
	return s;
}

static struct core_groups *
home(void)
{
	return core_shard_state(shard());
}

static void
answered(struct core_group_asker *a)
{
	ck_assert_ptr_eq(a, &asker);
	told = true;
}

static void
ask(void)
{
	asker = (struct core_group_asker){ .done = answered, .arena = &b.arena, .version = 8 };
	told = false;
}

/* Says that partition 0 of "t" is consumed up to offset; in a transaction with that guard, or (txn NULL) in none. */
static enum rk_err
say(int64_t offset, const struct core_group_txn *txn, const char *member, int32_t generation)
{
	struct kp_offset_commit_req_topics_partitions p = { .committed_offset = offset, .committed_leader_epoch = -1,
		.committed_metadata = rk_lit("") };
	struct kp_offset_commit_req_topics t = { .name = rk_lit("t"), .partitions = { &p, 1 } };
	struct kp_offset_commit_res_topics_partitions rp = { 0 };
	struct kp_offset_commit_res_topics rt = { .name = t.name, .partitions = { &rp, 1 } };
	struct kp_offset_commit_res res = { .topics = { &rt, 1 } };
	struct kp_offset_commit_req q;

	ask();
	kp_defaults(&kp_offset_commit_req_d, &q);
	q.group_id = rk_lit("g");
	q.member_id = rk_str_of(member);
	q.generation_id_or_member_epoch = generation;
	q.topics.at = &t;
	q.topics.len = 1;
	bool waits = core_group_commit(shard(), &asker, &q, txn, &res);
	settle();
	ck_assert(told == waits);
	return rk_err_of_wire(rp.error_code);
}

static struct core_group_txn
txn_of(int64_t producer, int16_t epoch)
{
	struct core_group_txn t = { .producer_id = producer, .producer_epoch = epoch };
	struct core_intent x = { producer, epoch, -1, false };

	ck_assert_int_eq(core_unverified(part("__consumer_offsets", 0), &x, &t.guard), RK_OK);
	return t;
}

static enum rk_err
within(int64_t producer, int64_t offset)
{
	struct core_group_txn t = txn_of(producer, 0);

	return say(offset, &t, "", -1);
}

static enum rk_err
plain(int64_t offset)
{
	return say(offset, NULL, "", -1);
}

static int64_t
fetched(bool stable)
{
	int32_t index = 0;
	struct kp_offset_fetch_req_groups_topics t = { .name = rk_lit("t"), .partition_indexes = { &index, 1 } };
	struct kp_offset_fetch_req_groups q = { .group_id = rk_lit("g"), .member_epoch = -1, .topics = { &t, 1 } };
	struct kp_offset_fetch_res_groups res = { 0 };

	ask();
	if (core_group_fetch(shard(), &asker, &q, stable, &res))
		settle();
	ck_assert_int_eq(res.error_code, 0);
	const struct kp_offset_fetch_res_groups_topics_partitions *p = &res.topics.at[0].partitions.at[0];
	return p->error_code == 0 ? p->committed_offset : -p->error_code;
}

static void
nobody(struct core_marks *m)
{
	(void)m;
}

static void
mark(int64_t producer, bool commit, int16_t epoch)
{
	static struct core_marks m;
	int32_t index = 0;
	struct kp_write_txn_markers_req_markers_topics t = { rk_lit("__consumer_offsets"), { &index, 1 } };
	struct kp_write_txn_markers_req_markers one = { .producer_id = producer, .producer_epoch = epoch,
		.transaction_result = commit,
		.topics = { &t, 1 } };
	struct kp_write_txn_markers_req q = { .markers = { &one, 1 } };
	struct kp_write_txn_markers_res res = { 0 };

	m = (struct core_marks){ .done = nobody, .arena = &b.arena };
	(void)!core_marks_write(b.core, &m, &q, &res);
	settle();
	ck_assert_int_eq(res.markers.at[0].topics.at[0].partitions.at[0].error_code, 0);
}

static enum rk_err
remove_group(void)
{
	struct kp_delete_groups_res_results res = { 0 };

	ask();
	if (core_group_delete(shard(), &asker, rk_lit("g"), &res))
		settle();
	return rk_err_of_wire(res.error_code);
}

static void
again(void)
{
	broker_crash();
	settle();
	pass(1), pass(1);
}

START_TEST(they_are_pending_until_the_marker)
{
	ck_assert_int_eq(plain(5), RK_OK);
	ck_assert_int_eq(within(7, 10), RK_OK);
	ck_assert_int_eq(fetched(true), UNSTABLE);
	ck_assert_int_eq(fetched(false), 5);
	mark(7, true, 0);
	ck_assert_int_eq(fetched(true), 10);
	ck_assert_uint_eq(home()->offsets, 1);
}
END_TEST

START_TEST(an_abort_leaves_what_was_there)
{
	ck_assert_int_eq(plain(5), RK_OK);
	ck_assert_int_eq(within(7, 10), RK_OK);
	mark(7, false, 0);
	ck_assert_int_eq(fetched(true), 5);
}
END_TEST

START_TEST(the_last_word_of_a_transaction_counts)
{
	ck_assert_int_eq(within(7, 10), RK_OK);
	ck_assert_int_eq(within(7, 11), RK_OK);
	mark(7, true, 0);
	ck_assert_int_eq(fetched(true), 11);
}
END_TEST

START_TEST(each_transaction_has_its_own_word)
{
	ck_assert_int_eq(within(7, 10), RK_OK);
	ck_assert_int_eq(within(8, 20), RK_OK);
	mark(8, false, 0);
	ck_assert_int_eq(fetched(true), UNSTABLE);
	mark(7, true, 0);
	ck_assert_int_eq(fetched(true), 10);
}
END_TEST

START_TEST(what_was_written_later_counts_however_late_the_marker)
{
	ck_assert_int_eq(within(7, 10), RK_OK);
	ck_assert_int_eq(plain(30), RK_OK);
	mark(7, true, 0);
	ck_assert_int_eq(fetched(true), 30); /* compaction would keep that one */
}
END_TEST

START_TEST(pending_ones_are_pending_after_a_crash)
{
	ck_assert_int_eq(plain(5), RK_OK);
	ck_assert_int_eq(within(7, 10), RK_OK);
	ck_assert_int_eq(within(8, 20), RK_OK);
	mark(8, true, 0);
	again();
	ck_assert_int_eq(fetched(true), UNSTABLE);
	ck_assert_int_eq(fetched(false), 20);
	mark(7, true, 0);
	ck_assert_int_eq(fetched(true), 20);
	again();
	ck_assert_int_eq(fetched(true), 20);
	ck_assert_uint_eq(home()->txns.count, 0);
}
END_TEST

START_TEST(what_is_not_in_the_transaction_is_refused)
{
	struct core_group_txn t = { .producer_id = 7, .producer_epoch = 0 };

	ck_assert_int_eq(say(10, &t, "", -1), RK_INVALID_TXN_STATE);
	ck_assert_ptr_null(core_group_get(home(), rk_lit("g")));
	t = txn_of(7, 0);
	mark(7, false, 0); /* between question and write */
	ck_assert_int_eq(say(10, &t, "", -1), RK_INVALID_TXN_STATE);
}
END_TEST

START_TEST(a_zombies_epoch_is_fenced)
{
	struct core_group_txn t = txn_of(7, 3);

	ck_assert_int_eq(say(10, &t, "", -1), RK_OK);
	mark(7, true, 3);
	struct core_intent x = { 7, 2, -1, false };
	ck_assert_int_eq(core_unverified(part("__consumer_offsets", 0), &x, &t.guard), RK_INVALID_PRODUCER_EPOCH);
	t_conf->transaction_partition_verification_enable = false; /* then it is the log that knows */
	t = (struct core_group_txn){ .producer_id = 7, .producer_epoch = 2 };
	ck_assert_int_eq(say(11, &t, "", -1), RK_INVALID_PRODUCER_EPOCH);
}
END_TEST

START_TEST(members_are_checked_when_they_are_named)
{
	struct core_group_txn t = txn_of(7, 0);

	ck_assert_int_eq(say(10, &t, "m", 3), RK_ILLEGAL_GENERATION); /* no such group */
	ck_assert_int_eq(plain(5), RK_OK);
	ck_assert_int_eq(say(10, &t, "m", 3), RK_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(say(10, &t, "", -1), RK_OK);
}
END_TEST

START_TEST(a_group_goes_with_what_is_pending)
{
	ck_assert_int_eq(within(7, 10), RK_OK);
	ck_assert_int_eq(remove_group(), RK_OK);
	mark(7, true, 0);
	ck_assert_int_eq(fetched(true), -1);
	again();
	ck_assert_int_eq(fetched(true), -1);
}
END_TEST

START_TEST(what_a_transaction_is_about_to_say_more_of_does_not_expire)
{
	ck_assert_int_eq(plain(5), RK_OK);
	ck_assert_int_eq(within(7, 10), RK_OK);
	pass((int64_t)t_conf->offsets_retention_minutes * 60000 + 600001);
	pass(600001);
	ck_assert_int_eq(fetched(false), 5);
	mark(7, false, 0);
	pass(600001);
	ck_assert_int_eq(fetched(false), -1);
}
END_TEST

START_TEST(a_group_of_which_an_abort_left_nothing_is_gone)
{
	ck_assert_int_eq(within(7, 10), RK_OK);
	ck_assert_ptr_nonnull(core_group_get(home(), rk_lit("g")));
	mark(7, false, 0);
	ck_assert_ptr_null(core_group_get(home(), rk_lit("g")));
}
END_TEST

int
main(void)
{
	const TTest *const claim[] = { they_are_pending_until_the_marker, an_abort_leaves_what_was_there,
		the_last_word_of_a_transaction_counts, each_transaction_has_its_own_word,
		what_was_written_later_counts_however_late_the_marker, pending_ones_are_pending_after_a_crash,
		what_is_not_in_the_transaction_is_refused, a_zombies_epoch_is_fenced, members_are_checked_when_they_are_named,
		a_group_goes_with_what_is_pending, what_a_transaction_is_about_to_say_more_of_does_not_expire,
		a_group_of_which_an_abort_left_nothing_is_gone };

	return broker_claims("core_offsets", claim, rk_countof(claim), begin, over);
}
