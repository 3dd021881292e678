/* t_quorum_wire.c - raft's messages survive the wire, in every version that can carry them; odd ones are refused as
 * Kafka refuses them. */
#include <check.h>
#include "protocol/batch.h"
#include "protocol/gen/begin_quorum_epoch.h"
#include "protocol/gen/fetch.h"
#include "protocol/gen/fetch_snapshot.h"
#include "protocol/gen/vote.h"
#include "src/node/quorum_wire.h"
#include "src/node/voters.h"

static const struct node_wire wire = { "the-cluster", "CONTROLLER" };
static struct rk_arena arena;
static struct node_wire_mem mem;
static struct raft_msg heard;
static bool inside;
static struct raft_ends ends = { 2, { { "OTHER", "far", 1 }, { "CONTROLLER", "near", 9093 } } };

static struct raft_key
key(int32_t id)
{
	struct raft_key k = { id, { { 7, (uint8_t)id } } };
	return k;
}

/* What was written as msg, read again. */
static void *
across(const struct kp_desc *d, int16_t version, const void *msg)
{
	struct rk_out o;
	size_t used;

	rk_out_init(&o, &arena);
	kp_write(d, version, msg, &o);
	ck_assert(!o.over);
	struct rk_str flat = rk_out_flat(&o, &arena);
	void *out = rk_arena_get(&arena, 1, kp_desc_size(d));
	ck_assert_int_eq(kp_read(d, version, flat.at, (size_t)flat.len, &arena, out, &used), RK_OK);
	ck_assert_uint_eq(used, (size_t)flat.len);
	return out;
}

/* The peer's view of our request. */
static enum rk_err
asked(struct raft_msg m, int16_t version)
{
	struct node_wire_api a = node_wire_api(&m);
	const void *q = node_wire_ask(&wire, &m, &arena);

	ck_assert(version >= a.min && version <= a.max);
	ck_assert_ptr_nonnull(q);
	return node_wire_asked(&wire, m.kind, version, across(kp_api(a.key)->req, version, q), &heard, &mem, &inside);
}

/* Our view of the peer's answer. */
static bool
answered(struct raft_msg m, int16_t version, const void *req, struct rk_str bytes)
{
	struct raft_msg q = { .kind = m.kind };
	const struct kp_api *api = kp_api(node_wire_api(&q).key);
	void *res = rk_arena_get(&arena, 1, kp_desc_size(api->res));

	m.reply = true;
	kp_defaults(api->res, res);
	node_wire_answer(&m, version, "CONTROLLER", req, bytes, res, &arena);
	return node_wire_heard(&wire, m.kind, across(api->res, version, res), &arena, &heard, &mem);
}

START_TEST(every_request_arrives_in_every_version)
{
	struct raft_key pref[2] = { key(3), key(2) };
	struct raft_msg m = { .epoch = 5, .leader = 1, .leader_ends = &ends, .from = key(1), .voter = key(2), .offset = 77,
		.last_epoch = 4, .hw = 70, .max_wait_ms = 500, .max_bytes = 1000, .snap = { 60, 3 }, .preferred = pref,
		.preferred_count = 2, .ends = &ends, .min_version = 0, .max_version = 1, .timeout_ms = 900 };

	for (m.kind = 0; m.kind < RAFT_VERSIONS; m.kind++) {
		struct node_wire_api a = node_wire_api(&m);
		for (int16_t v = a.min; v <= a.max; v++) {
			ck_assert_int_eq(asked(m, v), RK_OK);
			bool dirs = v >= 1 || m.kind > RAFT_SNAPSHOT;
			if (m.kind == RAFT_VOTE || m.kind == RAFT_FETCH || m.kind == RAFT_SNAPSHOT) {
				ck_assert_int_eq(heard.from.id, 1);
				ck_assert(rk_uuid_zero(heard.from.dir) == (m.kind == RAFT_FETCH ? v < 17 : v < 1));
				ck_assert_int_eq(heard.offset, 77);
			}
			if (m.kind == RAFT_VOTE || m.kind == RAFT_FETCH)
				ck_assert_int_eq(heard.last_epoch, 4);
			if ((m.kind == RAFT_VOTE || m.kind == RAFT_BEGIN || m.kind > RAFT_SNAPSHOT) && dirs)
				ck_assert(heard.voter.id == 2 && rk_uuid_eq(heard.voter.dir, key(2).dir));
			if ((m.kind == RAFT_VOTE || m.kind == RAFT_BEGIN) && v == 0)
				ck_assert_int_eq(heard.voter.id, -1);
			if (m.kind == RAFT_BEGIN || m.kind == RAFT_END)
				ck_assert(heard.leader == 1 && heard.epoch == 5 && (heard.leader_ends != NULL) == (v >= 1));
			if (m.kind == RAFT_END)
				ck_assert(heard.preferred_count == 2 && heard.preferred[0].id == 3 && heard.preferred[1].id == 2);
			if (m.kind == RAFT_FETCH)
				ck_assert(heard.epoch == 5 && heard.max_wait_ms == 500 && heard.hw == (v >= 18 ? 70 : INT64_MAX));
			if (m.kind == RAFT_SNAPSHOT)
				ck_assert(heard.snap.end == 60 && heard.snap.epoch == 3 && heard.epoch == 5 && heard.max_bytes == 1000);
			if (m.kind == RAFT_ADD || m.kind == RAFT_UPDATE)
				ck_assert(heard.ends->count == 2 && strcmp(heard.ends->end[1].host, "near") == 0);
			if (m.kind == RAFT_UPDATE)
				ck_assert(heard.max_version == 1 && heard.epoch == 5);
			if (m.kind == RAFT_ADD)
				ck_assert(heard.timeout_ms == 900 && heard.ack_committed == (v < 1));
		}
	}
}
END_TEST

START_TEST(a_prevote_needs_the_version_that_has_it)
{
	struct raft_msg m = { .kind = RAFT_VOTE, .pre = true, .epoch = 1, .from = key(1), .voter = key(2) };

	ck_assert_int_eq(node_wire_api(&m).min, 2);
	ck_assert_int_eq(asked(m, 2), RK_OK);
	ck_assert(heard.pre);
}
END_TEST

START_TEST(an_answer_tells_who_leads_and_where)
{
	static const enum raft_kind kinds[] = { RAFT_VOTE, RAFT_BEGIN, RAFT_END };
	struct raft_msg m = { .err = RK_FENCED_LEADER_EPOCH, .epoch = 9, .leader = 1, .leader_ends = &ends, .granted = true };

	for (uint32_t i = 0; i < rk_countof(kinds); i++)
		for (int16_t v = 0; v <= 1; v++) {
			m.kind = kinds[i];
			ck_assert(answered(m, v, NULL, RK_STR_NULL));
			ck_assert_int_eq(heard.err, RK_FENCED_LEADER_EPOCH);
			ck_assert(heard.epoch == 9 && heard.leader == 1);
			ck_assert(m.kind != RAFT_VOTE || heard.granted);
			ck_assert((heard.leader_ends != NULL) == (v >= 1));
			if (v >= 1) /* the listener that was asked, not the first */
				ck_assert_str_eq(heard.leader_ends->end[0].host, "near");
		}
	m.kind = RAFT_UPDATE;
	ck_assert(answered(m, 0, NULL, RK_STR_NULL));
	ck_assert(heard.epoch == 9 && heard.leader == 1 && heard.leader_ends->end[0].port == 9093);
}
END_TEST

static struct rk_str
batch(int64_t base, int32_t epoch, int32_t records)
{
	struct kp_build b;

	kp_build_start(&b, &arena, base, 0, 1000);
	for (int32_t i = 0; i < records; i++)
		kp_build_add(&b, 1000, RK_STR_NULL, rk_lit("value"));
	return kp_build_end(&b, epoch, -1, -1, -1);
}

static struct rk_str
join(struct rk_str a, struct rk_str b, int32_t less)
{
	char *p = rk_arena_raw(&arena, (size_t)(a.len + b.len));

	memcpy(p, a.at, (size_t)a.len);
	memcpy(p + a.len, b.at, (size_t)b.len);
	return (struct rk_str){ p, a.len + b.len - less };
}

START_TEST(a_fetch_brings_whole_batches_by_epoch)
{
	struct raft_msg m = { .kind = RAFT_FETCH, .epoch = 3, .leader = 1, .hw = 12, .log_start = 2, .diverging = { 0, -1 } };

	for (int16_t v = 13; v <= 18; v++) {
		ck_assert(answered(m, v, NULL, join(batch(10, 1, 3), batch(13, 2, 2), 0)));
		ck_assert(heard.err == RK_OK && heard.hw == 12 && heard.log_start == 2 && heard.epoch == 3);
		ck_assert(heard.snap.end == 0 && heard.diverging.epoch == -1);
		ck_assert(heard.got->base == 10 && heard.got->end == 15 && heard.got->runs == 2);
		ck_assert(heard.got->run[1].epoch == 2 && heard.got->run[1].start == 13);
	}
	/* A last batch that is cut is left for the next fetch; a damaged one ends it too. */
	ck_assert(answered(m, 18, NULL, join(batch(10, 1, 3), batch(13, 2, 2), 1)));
	ck_assert(heard.got->end == 13 && heard.got->runs == 1);
	struct rk_str both = join(batch(10, 1, 3), batch(13, 2, 2), 0);
	((char *)(uintptr_t)both.at)[both.len - 1] ^= 1;
	ck_assert(answered(m, 18, NULL, both));
	ck_assert_int_eq(heard.got->end, 13);
	((char *)(uintptr_t)both.at)[70] ^= 1;
	ck_assert(!answered(m, 18, NULL, both)); /* nothing of it can be believed */
	ck_assert(answered(m, 18, NULL, join(batch(10, 1, 3), batch(14, 2, 2), 0)));
	ck_assert_int_eq(heard.got->end, 13); /* a gap */
}
END_TEST

START_TEST(voters_in_the_log_are_seen)
{
	struct raft_voters v = { .count = 1, .voter = { { .key = key(4), .max_version = 1, .ends = ends } } };
	static struct raft r;
	struct raft_todo *t = rk_arena_get(&arena, 1, sizeof *t);

	*t = (struct raft_todo){ .control = true, .control_base = 20, .control_epoch = 2, .tell_version = 1,
		.tell_voters = &v };
	struct rk_str b = node_voters_batch(&r, t, 1000, &arena);
	struct raft_msg m = { .kind = RAFT_FETCH, .epoch = 3, .leader = 1, .diverging = { 0, -1 } };
	ck_assert(answered(m, 18, NULL, b));
	ck_assert_uint_eq(heard.got->changes, 2);
	ck_assert(heard.got->change[0].offset == 20 && heard.got->change[0].version == 1);
	ck_assert(heard.got->change[1].offset == 21 && heard.got->change[1].voters->voter[0].key.id == 4);
	ck_assert_str_eq(heard.got->change[1].voters->voter[0].ends.end[1].host, "near");
}
END_TEST

START_TEST(a_fetch_brings_a_divergence_or_a_snapshots_name)
{
	struct raft_msg m = { .kind = RAFT_FETCH, .epoch = 3, .leader = 1, .hw = 12, .diverging = { 8, 2 } };

	ck_assert(answered(m, 17, NULL, RK_STR_NULL));
	ck_assert(heard.diverging.end == 8 && heard.diverging.epoch == 2 && heard.got == NULL);
	m.diverging.epoch = -1;
	m.snap = (struct raft_snap){ 100, 2 };
	ck_assert(answered(m, 17, NULL, RK_STR_NULL));
	ck_assert(heard.snap.end == 100 && heard.snap.epoch == 2);
	m.err = RK_NOT_LEADER_OR_FOLLOWER;
	ck_assert(answered(m, 17, NULL, RK_STR_NULL));
	ck_assert(heard.err == RK_NOT_LEADER_OR_FOLLOWER && heard.leader == 1 && heard.snap.end == 0);
}
END_TEST

START_TEST(a_slice_of_a_snapshot_arrives)
{
	struct raft_msg q = { .kind = RAFT_SNAPSHOT, .epoch = 3, .from = key(2), .snap = { 60, 3 }, .offset = 10,
		.max_bytes = 4 };
	struct raft_msg m = { .kind = RAFT_SNAPSHOT, .epoch = 3, .leader = 1, .snap = { 60, 3 }, .offset = 10,
		.size = 20 };
	const void *req = node_wire_ask(&wire, &q, &arena);

	ck_assert(answered(m, 1, req, rk_lit("four")));
	ck_assert(heard.len == 4 && heard.offset == 10 && heard.size == 20 && heard.snap.end == 60 && heard.epoch == 3);
	ck_assert(rk_str_eq(mem.records, rk_lit("four")));
	m.err = RK_SNAPSHOT_NOT_FOUND;
	ck_assert(answered(m, 0, req, RK_STR_NULL));
	ck_assert(heard.err == RK_SNAPSHOT_NOT_FOUND && heard.leader == 1);
}
END_TEST

START_TEST(another_clusters_requests_are_refused_before_all_else)
{
	struct raft_msg m = { .kind = RAFT_VOTE, .epoch = 1, .from = key(1), .voter = key(2), .ends = &ends };
	struct node_wire other = { "another", "CONTROLLER" };

	for (; m.kind < RAFT_VERSIONS; m.kind++) {
		int16_t v = node_wire_api(&m).max;
		const void *q = node_wire_ask(&other, &m, &arena);
		const struct kp_api *api = kp_api(node_wire_api(&m).key);
		ck_assert_int_eq(node_wire_asked(&wire, m.kind, v, across(api->req, v, q), &heard, &mem, &inside),
		    RK_INCONSISTENT_CLUSTER_ID);
		void *res = rk_arena_get(&arena, 1, kp_desc_size(api->res));
		kp_defaults(api->res, res);
		node_wire_refuse(m.kind, RK_INCONSISTENT_CLUSTER_ID, inside, q, res, &arena);
		ck_assert(node_wire_heard(&wire, m.kind, across(api->res, v, res), &arena, &heard, &mem));
		ck_assert_int_eq(heard.err, RK_INCONSISTENT_CLUSTER_ID);
	}
}
END_TEST

START_TEST(another_partition_is_an_invalid_request)
{
	struct raft_msg m = { .kind = RAFT_VOTE, .epoch = 1, .from = key(1), .voter = key(2) };
	struct kp_vote_req *v = (void *)(uintptr_t)node_wire_ask(&wire, &m, &arena);

	v->topics.at->partitions.at->partition_index = 1;
	ck_assert_int_eq(node_wire_asked(&wire, RAFT_VOTE, 2, v, &heard, &mem, &inside), RK_INVALID_REQUEST);
	v->topics.len = 0;
	ck_assert_int_eq(node_wire_asked(&wire, RAFT_VOTE, 2, v, &heard, &mem, &inside), RK_INVALID_REQUEST);
	m.kind = RAFT_FETCH;
	struct kp_fetch_req *f = (void *)(uintptr_t)node_wire_ask(&wire, &m, &arena);
	f->topics.at->topic_id.id[15] = 2;
	ck_assert_int_eq(node_wire_asked(&wire, RAFT_FETCH, 18, f, &heard, &mem, &inside), RK_INVALID_REQUEST);
	m.kind = RAFT_SNAPSHOT;
	struct kp_fetch_snapshot_req *s = (void *)(uintptr_t)node_wire_ask(&wire, &m, &arena);
	s->topics.at->name = rk_lit("other");
	ck_assert_int_eq(node_wire_asked(&wire, RAFT_SNAPSHOT, 1, s, &heard, &mem, &inside), RK_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert(inside);
}
END_TEST

START_TEST(a_voter_without_a_place_is_for_raft_to_refuse)
{
	struct raft_ends wrong = { 1, { { "OTHER", "far", 1 } } };
	struct raft_msg m = { .kind = RAFT_ADD, .voter = key(2), .ends = &wrong };

	ck_assert_int_eq(asked(m, 1), RK_OK);
	ck_assert_ptr_null(heard.ends);
	m.ends = &ends;
	memset(&m.voter.dir, 0, sizeof m.voter.dir);
	ck_assert_int_eq(asked(m, 1), RK_OK);
	ck_assert_ptr_null(heard.ends);
}
END_TEST

static void
begin(void)
{
	rk_arena_init(&arena, SIZE_MAX);
}

static void
end(void)
{
	rk_arena_free(&arena);
}

int
main(void)
{
	const TTest *const all[] = { every_request_arrives_in_every_version, a_prevote_needs_the_version_that_has_it,
		an_answer_tells_who_leads_and_where, a_fetch_brings_whole_batches_by_epoch, voters_in_the_log_are_seen,
		a_fetch_brings_a_divergence_or_a_snapshots_name, a_slice_of_a_snapshot_arrives,
		another_clusters_requests_are_refused_before_all_else, another_partition_is_an_invalid_request,
		a_voter_without_a_place_is_for_raft_to_refuse };
	Suite *s = suite_create("quorum_wire");
	TCase *c = tcase_create("messages");

	tcase_add_checked_fixture(c, begin, end);
	for (uint32_t i = 0; i < rk_countof(all); i++)
		tcase_add_test(c, all[i]);
	suite_add_tcase(s, c);
	SRunner *run = srunner_create(s);
	srunner_run_all(run, CK_NORMAL);
	int failed = srunner_ntests_failed(run);
	srunner_free(run);
	return failed > 0;
}
