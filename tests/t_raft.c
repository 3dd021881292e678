/* t_raft.c - one node of a quorum, fed by hand: what it does, and what it must never do. */
#include <check.h>
#include "raft/raft.h"

static struct raft r;
static struct raft_todo t;
static int64_t now;
static struct raft_voters three, one;

static struct raft_key
key(int32_t id)
{
	struct raft_key k = { id, { { 7, (uint8_t)id } } };
	return k;
}

static struct raft_voters
voters(int32_t n)
{
	struct raft_voters v = { .count = (uint32_t)n };

	for (int32_t i = 0; i < n; i++) {
		struct raft_voter *p = &v.voter[i];
		*p = (struct raft_voter){ .key = key(i + 1), .max_version = 1 };
		p->ends.count = 1;
		snprintf(p->ends.end[0].name, sizeof p->ends.end[0].name, "CONTROLLER");
		snprintf(p->ends.end[0].host, sizeof p->ends.end[0].host, "h%d", (int)i + 1);
		p->ends.end[0].port = 9093;
	}
	return v;
}

static void
step(struct raft_event e)
{
	e.now_ms = now;
	raft_step(&r, &e, &t);
}

static void
at(int64_t ms)
{
	now = ms;
	step((struct raft_event){ .kind = RAFT_TICK });
}

static void
recv_msg(struct raft_msg m)
{
	step((struct raft_event){ .kind = RAFT_RECV, .msg = &m });
}

static void
flushed(void)
{
	step((struct raft_event){ .kind = RAFT_FLUSHED, .mark = raft_mark(&r) });
}

static struct raft_start
node(int32_t id, const struct raft_voters *v, const struct raft_change *c)
{
	return (struct raft_start){ .self = id <= (int32_t)v->count ? v->voter[id - 1]
	    : (struct raft_voter){ .key = key(id), .max_version = 1 }, .can_vote = true,
		.conf = RAFT_CONF_DEFAULT, .seed = 42, .now_ms = now,
		.vote = { 0, -1, { .id = -1 } }, .change = c, .changes = 1 };
}

/* Node id of a fresh quorum whose voters are in a 0-0 checkpoint. */
static void
fresh(int32_t id, struct raft_voters *v)
{
	struct raft_change c = { -1, 1, v };
	now = 1000;
	struct raft_start s = node(id, v, &c);
	raft_init(&r, &s);
	at(now);
}

static struct raft_msg *
sent(enum raft_kind kind, int32_t to)
{
	for (uint32_t i = 0; i < t.count; i++)
		if (t.msg[i].kind == kind && !t.msg[i].reply && t.msg[i].to == to)
			return &t.msg[i];
	return NULL;
}

static struct raft_msg *
answered(uint64_t call)
{
	for (uint32_t i = 0; i < t.count; i++)
		if (t.msg[i].reply && t.msg[i].call == call)
			return &t.msg[i];
	return NULL;
}

static struct raft_msg
reply_to(const struct raft_msg *q)
{
	struct raft_msg m = { .kind = q->kind, .reply = true, .call = q->call, .epoch = q->epoch,
		.leader = -1, .hw = -1, .diverging = { 0, -1 } };
	return m;
}

static struct raft_msg
vote_from(int32_t id, int32_t epoch, bool pre)
{
	return (struct raft_msg){ .kind = RAFT_VOTE, .call = 99, .epoch = epoch, .from = key(id),
		.voter = r.self.key, .pre = pre };
}

static struct raft_msg
fetch_from(int32_t id, int64_t offset, int32_t last_epoch)
{
	return (struct raft_msg){ .kind = RAFT_FETCH, .call = 50 + (uint64_t)id, .epoch = r.vote.epoch,
		.from = key(id), .offset = offset, .last_epoch = last_epoch, .hw = -1, .max_wait_ms = 500,
		.max_bytes = 1000 };
}

static void
grant(enum raft_role role, int32_t from)
{
	ck_assert_int_eq(r.role, role);
	struct raft_msg *q = sent(RAFT_VOTE, from);
	ck_assert_ptr_nonnull(q);
	ck_assert(q->pre == (role == RAFT_PROSPECTIVE));
	struct raft_msg m = reply_to(q);
	m.granted = true;
	recv_msg(m);
}

/* Node 1 of three becomes leader of epoch 1; its log is [0, 3): LeaderChange, KRaftVersion, Voters. */
static void
lead(void)
{
	fresh(1, &three);
	at(r.deadline_ms);
	grant(RAFT_PROSPECTIVE, 2);
	grant(RAFT_CANDIDATE, 3);
	ck_assert_int_eq(r.role, RAFT_LEADER);
}

/* Node 1 follows 2 in epoch 5. */
static void
follow(void)
{
	fresh(1, &three);
	recv_msg((struct raft_msg){ .kind = RAFT_BEGIN, .call = 9, .epoch = 5, .leader = 2,
		.voter = r.self.key });
	ck_assert_int_eq(r.role, RAFT_FOLLOWER);
	ck_assert_int_eq(answered(9)->err, RK_OK);
}

static void
got(const struct raft_msg *fetch, int64_t base, int64_t end, int32_t epoch, int64_t hw)
{
	struct raft_msg m = reply_to(fetch);
	struct raft_batches b = { .handle = 77, .base = base, .end = end, .runs = end > base,
		.run = { { epoch, base } } };

	m.leader = r.vote.leader;
	m.hw = hw;
	m.got = &b;
	recv_msg(m);
}

START_TEST(silence_makes_a_prospective_who_keeps_the_epoch)
{
	fresh(1, &three);
	ck_assert_int_eq(r.role, RAFT_UNATTACHED);
	at(r.deadline_ms - 1);
	ck_assert_int_eq(r.role, RAFT_UNATTACHED);
	at(r.deadline_ms);
	ck_assert_int_eq(r.role, RAFT_PROSPECTIVE);
	ck_assert_int_eq(r.vote.epoch, 0);
	ck_assert(!t.save);
	ck_assert(sent(RAFT_VOTE, 2)->pre && sent(RAFT_VOTE, 3)->pre);
}
END_TEST

START_TEST(a_majority_of_prevotes_makes_a_candidate_who_saves_before_asking)
{
	fresh(1, &three);
	at(r.deadline_ms);
	grant(RAFT_PROSPECTIVE, 2);
	ck_assert_int_eq(r.role, RAFT_CANDIDATE);
	ck_assert_int_eq(r.vote.epoch, 1);
	ck_assert(t.save && t.vote.voted.id == 1 && t.vote.epoch == 1);
	ck_assert(!sent(RAFT_VOTE, 2)->pre && !sent(RAFT_VOTE, 3)->pre);
}
END_TEST

START_TEST(a_leader_begins_with_its_own_record_and_the_voters)
{
	lead();
	ck_assert(t.save && t.vote.leader == 1 && t.control && t.tell_leader && t.flush);
	ck_assert_int_eq(t.control_base, 0);
	ck_assert_int_eq(r.log_end, 3);
	ck_assert_ptr_nonnull(t.tell_voters);
	ck_assert_int_eq(t.tell_version, 1);
	ck_assert_uint_eq(t.granting_count, 2);
	ck_assert(sent(RAFT_BEGIN, 2) != NULL && sent(RAFT_BEGIN, 3) != NULL);
}
END_TEST

START_TEST(a_sole_voter_leads_at_once_and_commits_what_is_flushed)
{
	fresh(1, &one);
	ck_assert_int_eq(r.role, RAFT_LEADER);
	ck_assert_int_eq(r.vote.epoch, 1);
	ck_assert_int_eq(t.hw, 0);
	flushed();
	ck_assert_int_eq(t.hw, 3);
	step((struct raft_event){ .kind = RAFT_APPENDED, .end = 10 });
	ck_assert(t.flush && t.hw == 3);
	flushed();
	ck_assert_int_eq(t.hw, 10);
}
END_TEST

START_TEST(the_high_watermark_needs_a_majority_and_the_leaders_flush)
{
	lead();
	step((struct raft_event){ .kind = RAFT_APPENDED, .end = 10 });
	recv_msg(fetch_from(2, 10, 1));
	ck_assert_int_eq(t.hw, 0); /* node 1 has not flushed */
	ck_assert_ptr_null(answered(52)); /* and so it waits */
	flushed();
	ck_assert_int_eq(t.hw, 10);
	ck_assert_int_eq(answered(52)->hw, 10);
}
END_TEST

START_TEST(a_flush_begun_before_a_cut_counts_for_nothing)
{
	follow();
	got(sent(RAFT_FETCH, 2), 0, 10, 4, -1);
	struct raft_mark before = raft_mark(&r);
	flushed();
	struct raft_msg m = reply_to(sent(RAFT_FETCH, 2));
	m.leader = 2;
	m.diverging = (struct raft_snap){ 6, 4 };
	recv_msg(m);
	ck_assert(t.cut && t.cut_to == 6);
	got(sent(RAFT_FETCH, 2), 6, 10, 5, -1);
	ck_assert(t.take);
	step((struct raft_event){ .kind = RAFT_FLUSHED, .mark = before });
	ck_assert_int_eq(r.flushed_end, 6);
	ck_assert_ptr_null(sent(RAFT_FETCH, 2));
	flushed();
	ck_assert_int_eq(sent(RAFT_FETCH, 2)->offset, 10);
	ck_assert_int_eq(sent(RAFT_FETCH, 2)->last_epoch, 5);
}
END_TEST

START_TEST(a_voter_fetches_on_only_when_its_records_are_durable)
{
	follow();
	struct raft_msg *f = sent(RAFT_FETCH, 2);
	ck_assert(f->offset == 0 && f->epoch == 5 && f->max_wait_ms == 500);
	got(f, 0, 4, 5, 2);
	ck_assert(t.take && t.take_handle == 77 && t.take_base == 0 && t.take_end == 4 && t.flush);
	ck_assert_int_eq(t.hw, 2);
	ck_assert_ptr_null(sent(RAFT_FETCH, 2));
	flushed();
	ck_assert_int_eq(sent(RAFT_FETCH, 2)->offset, 4);
}
END_TEST

START_TEST(batches_of_the_future_are_not_taken)
{
	follow();
	got(sent(RAFT_FETCH, 2), 0, 4, 6, -1);
	ck_assert(!t.take);
	ck_assert_int_eq(r.log_end, 0);
}
END_TEST

START_TEST(one_vote_an_epoch_saved_before_it_is_told)
{
	fresh(1, &three);
	recv_msg(vote_from(2, 3, false));
	ck_assert(answered(99)->granted && t.save && t.vote.epoch == 3 && t.vote.voted.id == 2);
	recv_msg(vote_from(3, 3, false));
	ck_assert(!answered(99)->granted && !t.save);
	recv_msg(vote_from(2, 3, false));
	ck_assert(answered(99)->granted);
	recv_msg(vote_from(3, 2, false));
	ck_assert_int_eq(answered(99)->err, RK_FENCED_LEADER_EPOCH);
	ck_assert_int_eq(answered(99)->epoch, 3);
}
END_TEST

START_TEST(a_prevote_binds_nobody)
{
	fresh(1, &three);
	recv_msg(vote_from(2, 3, true));
	ck_assert(answered(99)->granted && r.vote.voted.id == -1 && r.vote.epoch == 3);
	recv_msg(vote_from(3, 3, true));
	ck_assert(answered(99)->granted);
}
END_TEST

START_TEST(a_follower_that_has_fetched_refuses_prevotes)
{
	follow();
	struct raft_msg f = *sent(RAFT_FETCH, 2);
	recv_msg(vote_from(3, 5, true));
	ck_assert(answered(99)->granted);
	got(&f, 0, 4, 5, 2);
	struct raft_msg v = vote_from(3, 5, true);
	v.offset = 100;
	v.last_epoch = 5;
	recv_msg(v);
	ck_assert(!answered(99)->granted);
	ck_assert_int_eq(answered(99)->leader, 2);
}
END_TEST

START_TEST(votes_are_checked_in_kafkas_order)
{
	fresh(1, &three);
	struct raft_msg v = vote_from(2, 3, false);
	v.last_epoch = 3; /* a record of the epoch that is being elected */
	recv_msg(v);
	ck_assert_int_eq(answered(99)->err, RK_INVALID_REQUEST);
	ck_assert_int_eq(r.vote.epoch, 0);
	v.pre = true;
	recv_msg(v);
	ck_assert_int_eq(answered(99)->err, RK_OK);
	v = vote_from(2, 4, false);
	v.voter = key(9);
	recv_msg(v);
	ck_assert_int_eq(answered(99)->err, RK_INVALID_VOTER_KEY);
	ck_assert_int_eq(r.vote.epoch, 4); /* the epoch counts all the same */
	v = vote_from(-1, 5, false);
	recv_msg(v);
	ck_assert_int_eq(answered(99)->err, RK_INVALID_REQUEST);
	ck_assert_int_eq(r.vote.epoch, 4);
}
END_TEST

START_TEST(a_shorter_log_gets_no_vote)
{
	follow();
	got(sent(RAFT_FETCH, 2), 0, 4, 5, 2);
	recv_msg(vote_from(3, 6, false));
	ck_assert(!answered(99)->granted);
	ck_assert_int_eq(r.role, RAFT_UNATTACHED);
	struct raft_msg v = vote_from(3, 6, false);
	v.offset = 4;
	v.last_epoch = 5;
	recv_msg(v);
	ck_assert(answered(99)->granted);
}
END_TEST

START_TEST(fetches_are_checked_in_kafkas_order)
{
	lead();
	struct raft_msg f = fetch_from(2, 0, 0);
	f.epoch = 0;
	recv_msg(f);
	ck_assert_int_eq(answered(52)->err, RK_FENCED_LEADER_EPOCH);
	ck_assert(answered(52)->leader == 1 && answered(52)->epoch == 1 && answered(52)->leader_ends != NULL);
	f.epoch = 2;
	recv_msg(f);
	ck_assert_int_eq(answered(52)->err, RK_UNKNOWN_LEADER_EPOCH);
	f.last_epoch = 3;
	recv_msg(f);
	ck_assert_int_eq(answered(52)->err, RK_INVALID_REQUEST);
	fresh(1, &three);
	f = fetch_from(2, 0, 0);
	recv_msg(f);
	ck_assert_int_eq(answered(52)->err, RK_NOT_LEADER_OR_FOLLOWER);
}
END_TEST

/* The epochs of facts/kraft.md: 1 from 0, 2 from 1205, 4 from 1376, 6 from 1393; the answers are Kafka's. */
START_TEST(positions_diverge_where_kafkas_do)
{
	static const struct raft_epoch epochs[] = { { 1, 0 }, { 2, 1205 }, { 4, 1376 }, { 6, 1393 } };
	static const struct { int64_t offset; int32_t epoch, e; int64_t end; } row[] = {
		{ 1206, 1, 1, 1205 }, { 1300, 3, 2, 1376 }, { 999999, 6, 6, 2001 }, { 1200, 2, -1, 0 },
		{ 1205, 1, -1, 0 }, { 1393, 4, -1, 0 }, { 1394, 4, 4, 1393 }, { 1500, 6, -1, 0 } };
	struct raft_change c = { -1, 1, &one };
	now = 1000;
	struct raft_start s = node(1, &one, &c);
	s.log_end = 2000;
	s.epoch = epochs;
	s.epochs = 4;
	s.vote = (struct raft_vote){ 6, 1, { .id = -1 } };
	raft_init(&r, &s);
	at(now);
	ck_assert_int_eq(r.role, RAFT_LEADER);
	ck_assert_int_eq(r.vote.epoch, 7);
	ck_assert_int_eq(r.log_end, 2003);
	for (uint32_t i = 0; i < rk_countof(row); i++) {
		struct raft_msg f = fetch_from(9, row[i].offset, row[i].epoch);
		recv_msg(f);
		struct raft_msg *a = answered(59);
		ck_assert_int_eq(a->err, RK_OK);
		ck_assert_int_eq(a->diverging.epoch, row[i].e);
		if (row[i].e >= 0 && row[i].epoch != 6)
			ck_assert_int_eq(a->diverging.end, row[i].end);
		else if (row[i].e >= 0)
			ck_assert_int_eq(a->diverging.end, 2000);
		ck_assert(a->records == (row[i].e < 0));
	}
}
END_TEST

START_TEST(a_leader_nobody_fetches_from_resigns_and_says_so)
{
	lead();
	int64_t first = now;
	at(first + 1000);
	ck_assert_int_eq(r.role, RAFT_LEADER);
	while (r.role == RAFT_LEADER && now < first + 10000)
		at(t.wake_ms);
	ck_assert_int_eq(now, first + 3000);
	ck_assert_int_eq(r.role, RAFT_RESIGNED);
	ck_assert(sent(RAFT_END, 2) != NULL && sent(RAFT_END, 2)->preferred_count == 2);
	while (r.role == RAFT_RESIGNED && now < first + 10000)
		at(t.wake_ms);
	ck_assert_int_eq(r.role == RAFT_UNATTACHED || r.role == RAFT_PROSPECTIVE, 1);
	ck_assert_int_eq(r.vote.epoch, 2);
}
END_TEST

START_TEST(begin_is_sent_again_to_those_who_do_not_fetch)
{
	lead();
	int64_t first = now;
	uint64_t to2 = sent(RAFT_BEGIN, 2)->call, to3 = sent(RAFT_BEGIN, 3)->call;
	recv_msg(fetch_from(2, 0, 0));
	step((struct raft_event){ .kind = RAFT_FAILED, .call = to2 });
	step((struct raft_event){ .kind = RAFT_FAILED, .call = to3 });
	at(first + 900);
	recv_msg(fetch_from(2, 3, 1));
	ck_assert_ptr_null(sent(RAFT_BEGIN, 3));
	at(first + 1000);
	ck_assert_ptr_null(sent(RAFT_BEGIN, 2));
	ck_assert_ptr_nonnull(sent(RAFT_BEGIN, 3));
}
END_TEST

START_TEST(end_of_epoch_lets_the_first_candidate_stand_at_once)
{
	struct raft_key order[3] = { key(3), key(1), key(4) };
	follow();
	struct raft_msg m = { .kind = RAFT_END, .call = 9, .epoch = 5, .leader = 2, .preferred = order,
		.preferred_count = 3 };
	recv_msg(m);
	ck_assert_int_eq(r.role, RAFT_FOLLOWER);
	ck_assert_int_eq(r.deadline_ms - now, 250); /* (1000 >> 2) << 0 */
	follow();
	order[0] = key(1);
	recv_msg(m);
	ck_assert_int_eq(r.role, RAFT_PROSPECTIVE);
	follow();
	m.preferred_count = 0;
	recv_msg(m);
	ck_assert_int_eq(r.deadline_ms - now, 1000);
}
END_TEST

START_TEST(parked_fetches_end_with_leadership)
{
	lead();
	flushed();
	recv_msg(fetch_from(2, 3, 1));
	recv_msg(fetch_from(3, 3, 1));
	struct raft_msg f = fetch_from(8, 3, 1);
	f.hw = 3;
	recv_msg(f);
	ck_assert_ptr_null(answered(58));
	step((struct raft_event){ .kind = RAFT_RESIGN });
	ck_assert_int_eq(answered(58)->err, RK_NOT_LEADER_OR_FOLLOWER);
	ck_assert_uint_eq(r.parked_count, 0);
}
END_TEST

START_TEST(more_parked_fetches_than_one_todo_holds_come_one_after_the_other)
{
	lead();
	for (uint64_t i = 0; i < 200; i++) {
		struct raft_msg f = fetch_from(100 + (int32_t)i, 3, 1);
		f.call = 1000 + i;
		recv_msg(f);
	}
	ck_assert_uint_eq(r.parked_count, 200);
	step((struct raft_event){ .kind = RAFT_APPENDED, .end = 4 });
	uint32_t n = 0, steps = 0;
	for (;;) {
		for (uint32_t i = 0; i < t.count; i++)
			n += t.msg[i].reply && t.msg[i].records;
		if (t.wake_ms > now)
			break;
		ck_assert_uint_lt(steps++, 20);
		at(now);
	}
	ck_assert_uint_eq(n, 200);
}
END_TEST

START_TEST(a_parked_fetch_ends_with_its_time)
{
	lead();
	recv_msg(fetch_from(8, 3, 1));
	int64_t first = now;
	while (answered(58) == NULL && now < first + 1000)
		at(t.wake_ms);
	ck_assert_int_eq(now, first + 500);
	ck_assert(answered(58)->err == RK_OK && !answered(58)->records);
}
END_TEST

START_TEST(a_fetch_from_nothing_is_sent_to_the_snapshot)
{
	fresh(1, &one);
	flushed();
	step((struct raft_event){ .kind = RAFT_APPENDED, .end = 20 });
	flushed();
	step((struct raft_event){ .kind = RAFT_SNAPPED, .snap = { 10, 1 } });
	recv_msg(fetch_from(8, 0, 0));
	ck_assert(answered(58)->snap.end == 10 && answered(58)->snap.epoch == 1 && !answered(58)->records);
	recv_msg(fetch_from(8, 5, 1));
	ck_assert(answered(58)->snap.end == 0 && answered(58)->records);
	step((struct raft_event){ .kind = RAFT_TRIMMED, .snap = { 10, 1 } });
	recv_msg(fetch_from(8, 5, 1));
	ck_assert_int_eq(answered(58)->snap.end, 10);
	recv_msg(fetch_from(8, 10, 1));
	ck_assert(answered(58)->snap.end == 0 && answered(58)->records && answered(58)->log_start == 10);
}
END_TEST

START_TEST(a_snapshot_is_fetched_in_slices_and_the_log_starts_behind_it)
{
	follow();
	struct raft_msg m = reply_to(sent(RAFT_FETCH, 2));
	m.leader = 2;
	m.snap = (struct raft_snap){ 100, 4 };
	m.hw = 120;
	recv_msg(m);
	for (int64_t pos = 0; pos < 6; pos += 2) {
		struct raft_msg *q = sent(RAFT_SNAPSHOT, 2);
		ck_assert_ptr_nonnull(q);
		ck_assert(q->offset == pos && q->snap.end == 100);
		m = reply_to(q);
		m.leader = 2;
		m.snap = q->snap;
		m.offset = pos;
		m.len = 2;
		m.size = 6;
		m.handle = 5;
		recv_msg(m);
		ck_assert(t.keep && t.slice_pos == pos && t.slice_handle == 5);
		ck_assert(t.freeze == (pos == 4));
	}
	ck_assert_uint_eq(t.count, 0);
	step((struct raft_event){ .kind = RAFT_INSTALLED, .snap = { 100, 4 }, .change = { 99, 1, &three } });
	ck_assert(t.reset && t.snap.end == 100);
	ck_assert(r.log_start == 100 && r.log_end == 100 && t.hw == 100);
	ck_assert(sent(RAFT_FETCH, 2)->offset == 100 && sent(RAFT_FETCH, 2)->last_epoch == 4);
}
END_TEST

START_TEST(committed_records_are_never_cut)
{
	follow();
	got(sent(RAFT_FETCH, 2), 0, 4, 5, 4);
	flushed();
	struct raft_msg m = reply_to(sent(RAFT_FETCH, 2));
	m.leader = 2;
	m.diverging = (struct raft_snap){ 2, 5 };
	recv_msg(m);
	ck_assert(!t.cut);
	ck_assert_ptr_nonnull(t.fault);
	ck_assert_int_eq(t.wake_ms, INT64_MAX);
}
END_TEST

/* --- voters come and go */

static void
lead_settled(void)
{
	lead();
	flushed();
	recv_msg(fetch_from(2, 3, 1));
	recv_msg(fetch_from(3, 3, 1));
	ck_assert_int_eq(t.hw, 3);
	recv_msg(fetch_from(4, 3, 1));
}

static struct raft_msg
add(int32_t id)
{
	return (struct raft_msg){ .kind = RAFT_ADD, .call = 500, .voter = key(id), .ends = &three.voter[0].ends,
		.timeout_ms = 1000, .ack_committed = true };
}

START_TEST(a_caught_up_observer_becomes_voter_when_the_set_is_committed)
{
	lead_settled();
	recv_msg(add(4));
	ck_assert_ptr_null(answered(500));
	struct raft_msg *q = sent(RAFT_VERSIONS, 4);
	ck_assert_ptr_nonnull(q);
	struct raft_msg m = reply_to(q);
	m.max_version = 1;
	recv_msg(m);
	ck_assert(t.control && !t.tell_leader && t.tell_voters->count == 4 && t.control_base == 3);
	ck_assert_uint_eq(raft_set_now(&r)->voters.count, 4);
	recv_msg(add(5));
	ck_assert_int_eq(answered(500)->err, RK_REQUEST_TIMED_OUT); /* one at a time */
	flushed();
	recv_msg(fetch_from(2, 4, 1));
	ck_assert_int_eq(t.hw, 3); /* two of four are no majority */
	recv_msg(fetch_from(4, 4, 1));
	ck_assert_int_eq(t.hw, 4);
	ck_assert_int_eq(answered(500)->err, RK_OK);
}
END_TEST

START_TEST(who_does_not_fetch_cannot_join)
{
	lead_settled();
	recv_msg(add(6));
	struct raft_msg m = reply_to(sent(RAFT_VERSIONS, 6));
	m.max_version = 1;
	recv_msg(m);
	ck_assert_int_eq(answered(500)->err, RK_REQUEST_TIMED_OUT);
	recv_msg(add(2));
	ck_assert_int_eq(answered(500)->err, RK_DUPLICATE_VOTER);
}
END_TEST

START_TEST(a_removed_leader_resigns_when_its_removal_is_committed)
{
	lead_settled();
	struct raft_msg m = { .kind = RAFT_REMOVE, .call = 600, .voter = key(1) };
	recv_msg(m);
	ck_assert(t.control && t.tell_voters->count == 2);
	flushed();
	ck_assert_int_eq(r.role, RAFT_LEADER);
	recv_msg(fetch_from(2, 4, 1));
	ck_assert_int_eq(t.hw, 3); /* both of the two must have it: the leader is not counted */
	recv_msg(fetch_from(3, 4, 1));
	ck_assert_int_eq(t.hw, 4);
	ck_assert_int_eq(answered(600)->err, RK_OK);
	while (r.role == RAFT_LEADER)
		at(t.wake_ms);
	ck_assert_int_eq(r.role, RAFT_RESIGNED);
}
END_TEST

START_TEST(a_cut_brings_the_old_voters_back)
{
	follow();
	struct raft_voters four = voters(4);
	struct raft_msg m = reply_to(sent(RAFT_FETCH, 2));
	struct raft_batches b = { .handle = 1, .base = 0, .end = 8, .runs = 1, .run = { { 4, 0 } }, .changes = 1,
		.change = { { 6, -1, &four } } };
	m.leader = 2;
	m.got = &b;
	recv_msg(m);
	ck_assert_uint_eq(raft_set_now(&r)->voters.count, 4);
	flushed();
	m = reply_to(sent(RAFT_FETCH, 2));
	m.leader = 2;
	m.diverging = (struct raft_snap){ 5, 4 };
	recv_msg(m);
	ck_assert_uint_eq(raft_set_now(&r)->voters.count, 3);
	ck_assert_int_eq(raft_set_now(&r)->version, 1);
}
END_TEST

/* --- starting */

static enum raft_role
started(struct raft_vote v, int64_t end, int32_t last)
{
	struct raft_change c = { -1, 1, &three };
	struct raft_epoch e = { last, 0 };
	now = 1000;
	struct raft_start s = node(1, &three, &c);
	s.vote = v;
	s.log_end = end;
	s.epoch = &e;
	s.epochs = end > 0;
	raft_init(&r, &s);
	at(now);
	return r.role;
}

START_TEST(the_stored_election_state_decides_the_first_role)
{
	ck_assert_int_eq(started((struct raft_vote){ 4, 1, { .id = -1 } }, 9, 4), RAFT_RESIGNED);
	ck_assert_int_eq(started((struct raft_vote){ 4, -1, key(1) }, 9, 3), RAFT_CANDIDATE);
	ck_assert_int_eq(r.vote.epoch, 4);
	ck_assert_int_eq(started((struct raft_vote){ 4, 3, key(2) }, 9, 3), RAFT_FOLLOWER);
	ck_assert(r.vote.leader == 3 && r.vote.voted.id == 2);
	ck_assert_int_eq(started((struct raft_vote){ 4, -1, key(2) }, 9, 3), RAFT_UNATTACHED);
	ck_assert_int_eq(r.vote.voted.id, 2);
	ck_assert_int_eq(started((struct raft_vote){ 4, 2, key(2) }, 9, 6), RAFT_UNATTACHED);
	ck_assert(r.vote.epoch == 6 && r.vote.voted.id == -1);
	ck_assert_int_eq(started((struct raft_vote){ 4, 7, { .id = -1 } }, 9, 4), RAFT_UNATTACHED);
}
END_TEST

START_TEST(an_observer_asks_around_until_it_knows_the_leader)
{
	struct raft_change c = { -1, 1, &three };
	now = 1000;
	struct raft_start s = node(9, &three, &c);
	s.can_vote = false;
	s.conf.bootstraps = 2;
	raft_init(&r, &s);
	at(now);
	struct raft_msg *q = sent(RAFT_FETCH, RAFT_BOOTSTRAP);
	if (q == NULL)
		q = sent(RAFT_FETCH, RAFT_BOOTSTRAP - 1);
	ck_assert(q != NULL && q->epoch == 0 && t.count == 1);
	struct raft_msg m = reply_to(q);
	m.err = RK_FENCED_LEADER_EPOCH;
	m.epoch = 5;
	m.leader = 3;
	recv_msg(m);
	ck_assert_int_eq(r.role, RAFT_FOLLOWER);
	ck_assert(t.save && sent(RAFT_FETCH, 3)->epoch == 5);
	got(sent(RAFT_FETCH, 3), 0, 4, 5, 4);
	ck_assert_ptr_nonnull(sent(RAFT_FETCH, 3)); /* it never votes: no need to wait for the disk */
	for (int i = 0; i < 200; i++)
		at(t.wake_ms < INT64_MAX ? t.wake_ms : now + 1000);
	ck_assert_int_eq(r.role, RAFT_FOLLOWER); /* and it never stands */
}
END_TEST

START_TEST(two_leaders_in_one_epoch_are_not_believed)
{
	follow();
	recv_msg((struct raft_msg){ .kind = RAFT_BEGIN, .call = 9, .epoch = 5, .leader = 3, .voter = r.self.key });
	ck_assert_int_eq(answered(9)->err, RK_INVALID_REQUEST);
	ck_assert_int_eq(r.vote.leader, 2);
}
END_TEST

START_TEST(shutdown_hands_over_and_waits_for_a_new_epoch)
{
	lead_settled();
	step((struct raft_event){ .kind = RAFT_SHUTDOWN, .timeout_ms = 5000 });
	ck_assert(r.role == RAFT_RESIGNED && !t.stopped && sent(RAFT_END, 2) != NULL);
	struct raft_msg v = vote_from(2, 2, false);
	v.offset = 3;
	v.last_epoch = 1;
	recv_msg(v);
	ck_assert(answered(99)->granted);
	ck_assert(t.stopped);
	fresh(1, &one);
	step((struct raft_event){ .kind = RAFT_SHUTDOWN, .timeout_ms = 5000 });
	ck_assert(t.stopped);
}
END_TEST

START_TEST(who_no_longer_listens_gets_no_answer)
{
	lead();
	recv_msg(fetch_from(8, 3, 1));
	ck_assert_uint_eq(r.parked_count, 1);
	step((struct raft_event){ .kind = RAFT_GONE, .call = 58 });
	ck_assert_uint_eq(r.parked_count, 0);
}
END_TEST

START_TEST(a_download_is_not_disturbed_by_answers_from_elsewhere)
{
	follow();
	struct raft_msg m = reply_to(sent(RAFT_FETCH, 2));
	m.leader = 2;
	m.snap = (struct raft_snap){ 100, 4 };
	recv_msg(m);
	uint64_t slice = sent(RAFT_SNAPSHOT, 2)->call;
	step((struct raft_event){ .kind = RAFT_FAILED, .call = slice });
	struct raft_msg *f = sent(RAFT_FETCH, 3); /* the leader is in a pause: is there a newer one? */
	ck_assert_ptr_nonnull(f);
	got(f, 0, 4, 5, 2);
	ck_assert(!t.take && r.log_end == 0 && r.down.end == 100);
	uint64_t other = sent(RAFT_FETCH, 3)->call;
	at(now + 20);
	step((struct raft_event){ .kind = RAFT_FAILED, .call = other });
	ck_assert_ptr_nonnull(sent(RAFT_SNAPSHOT, 2));
}
END_TEST

START_TEST(more_epochs_than_are_remembered_send_followers_to_the_snapshot)
{
	static struct raft_epoch e[RAFT_EPOCHS_MAX + 10];
	struct raft_change c = { -1, 1, &one };
	for (int32_t i = 0; i < RAFT_EPOCHS_MAX + 10; i++)
		e[i] = (struct raft_epoch){ i + 1, i };
	now = 1000;
	struct raft_start s = node(1, &one, &c);
	s.log_end = RAFT_EPOCHS_MAX + 10;
	s.epoch = e;
	s.epochs = RAFT_EPOCHS_MAX + 10;
	s.vote.epoch = RAFT_EPOCHS_MAX + 10;
	raft_init(&r, &s);
	at(now);
	ck_assert(r.role == RAFT_LEADER && t.control);
	flushed();
	ck_assert(t.snapshot); /* the node is asked for one, and for a trim */
	recv_msg(fetch_from(8, 5, 5));
	ck_assert(answered(58)->err == RK_UNKNOWN_SERVER_ERROR && !answered(58)->records);
	step((struct raft_event){ .kind = RAFT_SNAPPED, .snap = { 4000, 4000 } });
	recv_msg(fetch_from(8, 5, 5));
	ck_assert_int_eq(answered(58)->snap.end, 4000);
	recv_msg(fetch_from(8, 3000, 3000));
	ck_assert(answered(58)->snap.end == 0 && answered(58)->records);
	step((struct raft_event){ .kind = RAFT_TRIMMED, .snap = { 4000, 4000 } });
	ck_assert(!r.epochs_lost && r.epoch[0].start == 4000 && !t.snapshot);
}
END_TEST

/* Node 1 of three whose voters are in the config: kraft.version 0. */
static void
lead_static(void)
{
	struct raft_voters v = three;
	struct raft_change c = { -1, 0, &v };
	for (uint32_t i = 0; i < 3; i++)
		memset(&v.voter[i].key.dir, 0, sizeof v.voter[i].key.dir);
	now = 1000;
	struct raft_start s = node(1, &three, &c);
	raft_init(&r, &s);
	at(now);
	at(r.deadline_ms);
	grant(RAFT_PROSPECTIVE, 2);
	grant(RAFT_CANDIDATE, 3);
	ck_assert(r.role == RAFT_LEADER && r.log_end == 1 && t.tell_voters == NULL);
	flushed();
	recv_msg(fetch_from(2, 1, 1));
	ck_assert_int_eq(t.hw, 1);
}

static struct raft_msg
update(int32_t id)
{
	return (struct raft_msg){ .kind = RAFT_UPDATE, .call = 700, .epoch = r.vote.epoch, .voter = key(id),
		.ends = &three.voter[id - 1].ends, .max_version = 1 };
}

START_TEST(static_voters_are_upgraded_when_all_have_told_who_they_are)
{
	lead_static();
	recv_msg(add(4));
	ck_assert_int_eq(answered(500)->err, RK_UNSUPPORTED_VERSION);
	recv_msg(update(2));
	ck_assert_int_eq(answered(700)->err, RK_OK);
	ck_assert(!t.control);
	step((struct raft_event){ .kind = RAFT_UPGRADE, .version = 1, .call = 800 });
	ck_assert_int_eq(answered(800)->err, RK_INVALID_UPDATE_VERSION);
	recv_msg(update(3));
	step((struct raft_event){ .kind = RAFT_UPGRADE, .version = 1, .call = 800 });
	ck_assert(t.control && t.tell_version == 1 && !t.tell_leader && t.control_base == 1 && r.log_end == 3);
	ck_assert(rk_uuid_eq(t.tell_voters->voter[1].key.dir, key(2).dir));
	ck_assert_ptr_null(answered(800));
	flushed();
	recv_msg(fetch_from(2, 3, 1));
	ck_assert(answered(800)->err == RK_OK && raft_set_now(&r)->version == 1);
}
END_TEST

START_TEST(a_voter_that_moved_tells_the_leader_and_is_answered_at_once)
{
	lead_settled();
	struct raft_msg m = update(2);
	struct raft_ends moved = *m.ends;
	moved.end[0].port = 9999;
	m.ends = &moved;
	recv_msg(m);
	ck_assert_int_eq(answered(700)->err, RK_OK);
	ck_assert(t.control && t.tell_voters->voter[1].ends.end[0].port == 9999);
	recv_msg(m);
	ck_assert_int_eq(answered(700)->err, RK_REQUEST_TIMED_OUT); /* not committed yet */
	m.epoch = 0;
	recv_msg(m);
	ck_assert_int_eq(answered(700)->err, RK_FENCED_LEADER_EPOCH);
	m = update(2);
	m.voter = key(9);
	flushed();
	recv_msg(fetch_from(2, 4, 1));
	recv_msg(m);
	ck_assert_int_eq(answered(700)->err, RK_VOTER_NOT_FOUND);
}
END_TEST

/* The leader answers fetches with nothing new until it is asked something else. */
static struct raft_msg *
until_asked(enum raft_kind kind, int32_t leader)
{
	for (int i = 0; i < 1000 && sent(kind, leader) == NULL; i++)
		if (i % 2 == 0 && sent(RAFT_FETCH, leader) != NULL)
			got(sent(RAFT_FETCH, leader), r.log_end, r.log_end, 5, -1);
		else if (sent(RAFT_FETCH, leader) == NULL)
			at(now + 10);
		else {
			struct raft_msg f = *sent(RAFT_FETCH, leader);
			at(now + 10);
			if (sent(kind, leader) == NULL)
				got(&f, r.log_end, r.log_end, 5, -1);
		}
	ck_assert_ptr_nonnull(sent(kind, leader));
	return sent(kind, leader);
}

START_TEST(a_follower_at_another_address_tells_the_leader_each_fetch_timeout)
{
	struct raft_change c = { -1, 1, &three };
	now = 1000;
	struct raft_start s = node(1, &three, &c);
	s.self.ends.end[0].port = 9999;
	raft_init(&r, &s);
	at(now);
	recv_msg((struct raft_msg){ .kind = RAFT_BEGIN, .call = 9, .epoch = 5, .leader = 2, .voter = r.self.key });
	int64_t first = now;
	struct raft_msg *u = until_asked(RAFT_UPDATE, 2);
	ck_assert_int_ge(now, first + 2000);
	ck_assert(u->epoch == 5 && u->ends->end[0].port == 9999 && u->voter.id == 1);
}
END_TEST

START_TEST(a_controller_that_may_joins_by_itself)
{
	struct raft_change c = { -1, 1, &three };
	now = 1000;
	struct raft_start s = node(2, &three, &c);
	s.conf.auto_join = true;
	s.self.key.dir.id[5] = 1; /* its disk was replaced: voter 2 is somebody else now */
	raft_init(&r, &s);
	at(now);
	recv_msg((struct raft_msg){ .kind = RAFT_BEGIN, .call = 9, .epoch = 5, .leader = 3, .voter = key(-1) });
	ck_assert(r.role == RAFT_FOLLOWER && !raft_is_voter(&r));
	struct raft_msg *q = until_asked(RAFT_REMOVE, 3);
	ck_assert(q->voter.id == 2 && rk_uuid_eq(q->voter.dir, key(2).dir));
	/* The leader has removed it: the record comes. */
	struct raft_msg ok = reply_to(q);
	ok.epoch = 0;
	recv_msg(ok);
	struct raft_voters two = three;
	two.voter[1] = two.voter[2];
	two.count = 2;
	struct raft_msg m = reply_to(sent(RAFT_FETCH, 3));
	struct raft_batches b = { .handle = 1, .base = 0, .end = 1, .runs = 1, .run = { { 5, 0 } }, .changes = 1,
		.change = { { 0, -1, &two } } };
	m.leader = 3;
	m.got = &b;
	recv_msg(m);
	flushed();
	q = until_asked(RAFT_ADD, 3);
	ck_assert_uint_eq(raft_set_now(&r)->voters.count, 2);
	ck_assert(rk_uuid_eq(q->voter.dir, r.self.key.dir) && !q->ack_committed);
}
END_TEST

START_TEST(a_leader_describes_who_has_what)
{
	struct raft_row row;
	uint32_t voters_seen = 0, observers = 0;
	lead_settled();
	for (uint32_t i = 0; raft_describe(&r, i, &row); i++) {
		voters_seen += row.voter;
		observers += !row.voter;
		ck_assert_int_eq(row.end, 3);
		ck_assert_int_eq(row.fetch_ms, now);
		ck_assert_int_eq(row.caught_ms, now);
	}
	ck_assert(voters_seen == 3 && observers == 1);
	step((struct raft_event){ .kind = RAFT_RESIGN });
	ck_assert(!raft_describe(&r, 0, &row));
}
END_TEST

static void
refused(const struct raft_msg *q)
{
	ck_assert_ptr_nonnull(q);
	step((struct raft_event){ .kind = RAFT_FAILED, .call = q->call, .refused = true });
}

START_TEST(a_leader_whose_process_is_gone_is_not_waited_for)
{
	follow();
	got(sent(RAFT_FETCH, 2), 0, 0, 5, -1);
	step((struct raft_event){ .kind = RAFT_FAILED, .call = sent(RAFT_FETCH, 2)->call });
	ck_assert_int_gt(r.deadline_ms, now + 1900); /* it broke: that may be the network */
	struct raft_msg m = reply_to(sent(RAFT_FETCH, 3));
	m.leader = 2;
	m.err = RK_NOT_LEADER_OR_FOLLOWER;
	recv_msg(m);
	at(now + r.conf.retry_ms);
	refused(sent(RAFT_FETCH, 2));
	ck_assert_int_lt(r.deadline_ms, now + 100 + 1);
	recv_msg(vote_from(3, 5, true));
	ck_assert(answered(99)->granted);
	at(r.deadline_ms);
	ck_assert_int_eq(r.role, RAFT_PROSPECTIVE);
	ck_assert(sent(RAFT_VOTE, 3)->pre);
}
END_TEST

START_TEST(who_alone_cannot_reach_the_leader_asks_once)
{
	follow();
	got(sent(RAFT_FETCH, 2), 0, 0, 5, -1);
	refused(sent(RAFT_FETCH, 2));
	at(r.deadline_ms);
	ck_assert_int_eq(r.role, RAFT_PROSPECTIVE);
	recv_msg((struct raft_msg){ .kind = RAFT_BEGIN, .call = 9, .epoch = 5, .leader = 2, .voter = r.self.key });
	ck_assert_int_eq(r.role, RAFT_FOLLOWER);
	refused(sent(RAFT_FETCH, 2));
	ck_assert_int_gt(r.deadline_ms, now + 1900);
}
END_TEST

START_TEST(a_vote_split_between_the_living_is_soon_over)
{
	fresh(1, &three);
	at(r.deadline_ms);
	grant(RAFT_PROSPECTIVE, 3);
	ck_assert_int_eq(r.role, RAFT_CANDIDATE);
	struct raft_msg no = reply_to(sent(RAFT_VOTE, 3));
	refused(sent(RAFT_VOTE, 2));
	ck_assert_int_ge(r.deadline_ms, now + 900); /* 3 may still vote for it */
	recv_msg(no);
	ck_assert_int_lt(r.deadline_ms, now + 250);
	at(r.deadline_ms);
	ck_assert_int_eq(r.role, RAFT_PROSPECTIVE);
}
END_TEST

START_TEST(who_stops_does_not_wait_for_the_dead)
{
	lead();
	flushed();
	recv_msg(fetch_from(2, 3, 1));
	step((struct raft_event){ .kind = RAFT_SHUTDOWN, .timeout_ms = 5000 });
	ck_assert(!t.stopped);
	uint64_t to3 = sent(RAFT_END, 3)->call;
	refused(sent(RAFT_END, 2));
	ck_assert(!t.stopped);
	step((struct raft_event){ .kind = RAFT_FAILED, .call = to3, .refused = true });
	ck_assert(t.stopped);
}
END_TEST

int
main(void)
{
	const TTest *const all[] = { silence_makes_a_prospective_who_keeps_the_epoch,
		a_majority_of_prevotes_makes_a_candidate_who_saves_before_asking,
		a_leader_begins_with_its_own_record_and_the_voters,
		a_sole_voter_leads_at_once_and_commits_what_is_flushed,
		the_high_watermark_needs_a_majority_and_the_leaders_flush,
		a_flush_begun_before_a_cut_counts_for_nothing,
		a_voter_fetches_on_only_when_its_records_are_durable, batches_of_the_future_are_not_taken,
		one_vote_an_epoch_saved_before_it_is_told, a_prevote_binds_nobody,
		a_follower_that_has_fetched_refuses_prevotes, votes_are_checked_in_kafkas_order,
		a_shorter_log_gets_no_vote, fetches_are_checked_in_kafkas_order, positions_diverge_where_kafkas_do,
		a_leader_nobody_fetches_from_resigns_and_says_so, begin_is_sent_again_to_those_who_do_not_fetch,
		end_of_epoch_lets_the_first_candidate_stand_at_once, parked_fetches_end_with_leadership,
		more_parked_fetches_than_one_todo_holds_come_one_after_the_other,
		a_parked_fetch_ends_with_its_time, a_fetch_from_nothing_is_sent_to_the_snapshot,
		a_snapshot_is_fetched_in_slices_and_the_log_starts_behind_it, committed_records_are_never_cut,
		a_caught_up_observer_becomes_voter_when_the_set_is_committed, who_does_not_fetch_cannot_join,
		a_removed_leader_resigns_when_its_removal_is_committed, a_cut_brings_the_old_voters_back,
		the_stored_election_state_decides_the_first_role,
		an_observer_asks_around_until_it_knows_the_leader, two_leaders_in_one_epoch_are_not_believed,
		shutdown_hands_over_and_waits_for_a_new_epoch, who_no_longer_listens_gets_no_answer,
		a_download_is_not_disturbed_by_answers_from_elsewhere,
		more_epochs_than_are_remembered_send_followers_to_the_snapshot,
		static_voters_are_upgraded_when_all_have_told_who_they_are,
		a_voter_that_moved_tells_the_leader_and_is_answered_at_once,
		a_follower_at_another_address_tells_the_leader_each_fetch_timeout,
		a_controller_that_may_joins_by_itself, a_leader_describes_who_has_what,
		a_leader_whose_process_is_gone_is_not_waited_for, who_alone_cannot_reach_the_leader_asks_once,
		a_vote_split_between_the_living_is_soon_over, who_stops_does_not_wait_for_the_dead };
	Suite *s = suite_create("raft");
	TCase *c = tcase_create("one node");

	three = voters(3);
	one = voters(1);
	for (uint32_t i = 0; i < rk_countof(all); i++)
		tcase_add_test(c, all[i]);
	suite_add_tcase(s, c);
	SRunner *run = srunner_create(s);
	srunner_run_all(run, CK_NORMAL);
	int failed = srunner_ntests_failed(run);
	srunner_free(run);
	return failed > 0;
}
