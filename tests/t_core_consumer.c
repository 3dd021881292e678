/* t_core_consumer.c - claims about groups of consumers (KIP-848): epochs, who has what, who is out, what survives. */
#include <check.h>
#include "protocol/gen/consumer_group_describe.h"
#include "protocol/gen/consumer_group_heartbeat.h"
#include "protocol/gen/delete_groups.h"
#include "protocol/gen/heartbeat.h"
#include "protocol/gen/join_group.h"
#include "protocol/gen/leave_group.h"
#include "protocol/gen/offset_commit.h"
#include "protocol/gen/sync_group.h"
#include "base/mem.h"
#include "src/config.h"
#include "src/core/group_consumer.h"
#include "tests/core_help.h"

enum { CLIENTS = 5, PARTS = 16 };

static struct core_coord *coord;

/* A consumer: what it has been told, and what it reads (which it gives up only when it says so). */
struct client {
	struct core_group_asker ask;
	struct rk_arena arena;
	char id[80];
	const char *instance, *topics, *regex, *assignor; /* topics: words */
	int32_t epoch, version;
	bool waits, told, reads[2][PARTS], is_to[2][PARTS];
	int code;
	struct kp_consumer_group_heartbeat_res beat;
	struct kp_join_group_res join;
	struct kp_sync_group_res sync;
	struct kp_leave_group_res left;
};
static struct client c[CLIENTS];

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
	topic_is("t", 0x11, 4);
	topic_is("u", 0x12, 3);
	pass(1), pass(1);
	memset(c, 0, sizeof c);
	for (size_t i = 0; i < CLIENTS; i++) {
		rk_arena_init(&c[i].arena, 64 << 20);
		snprintf(c[i].id, sizeof c[i].id, "m%d", (int)i);
		c[i].topics = "t";
		c[i].version = 1;
	}
}

static void
over(void)
{
	broker_end();
	for (size_t i = 0; i < CLIENTS; i++)
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

static struct core_consumers *
state(void)
{
	ck_assert_int_eq(group()->kind, CORE_GROUP_CONSUMER);
	return group()->consumers;
}

static struct core_consumer *
member(struct client *x)
{
	return core_consumer_get(state(), rk_str_of(x->id));
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
	x->waits = true;
	x->ask = (struct core_group_asker){ .done = answered, .arena = &x->arena, .client_id = rk_lit("app"),
		.client_host = rk_lit("/127.0.0.1"), .version = (int16_t)x->version };
}

static void
done(struct client *x, bool later)
{
	if (!later)
		answered(&x->ask);
	settle();
	for (int i = 0; i < 5 && !x->told; i++)
		pass(1);
	ck_assert(x->told);
}

/* --- what a client reads */
static int
which(struct rk_uuid u)
{
	ck_assert(u.id[0] == 0x11 || u.id[0] == 0x12);
	return u.id[0] - 0x11;
}

static void
hear(struct client *x)
{
	if (x->beat.assignment == NULL)
		return;
	memset(x->is_to, 0, sizeof x->is_to);
	for (int32_t i = 0; i < x->beat.assignment->topic_partitions.len; i++) {
		struct kp_consumer_group_heartbeat_res_assignment_topic_partitions *t
		    = &x->beat.assignment->topic_partitions.at[i];
		for (int32_t k = 0; k < t->partitions.len; k++)
			x->is_to[which(t->topic_id)][t->partitions.at[k]] = true;
	}
}

/* It stops reading what it is not to read, and starts what it is to. */
static void
obey(struct client *x)
{
	memcpy(x->reads, x->is_to, sizeof x->reads);
}

static int
count(struct client *x)
{
	int n = 0;

	for (int i = 0; i < 2 * PARTS; i++)
		n += x->is_to[i / PARTS][i % PARTS];
	return n;
}

/* No partition is read by two. */
static void
alone(void)
{
	for (int i = 0; i < 2 * PARTS; i++) {
		int readers = 0;
		for (int k = 0; k < CLIENTS; k++)
			readers += c[k].reads[i / PARTS][i % PARTS];
		ck_assert_int_le(readers, 1);
	}
}

static void
fill_names(struct client *x, struct kp_consumer_group_heartbeat_req *q)
{
	q->subscribed_topic_names.at = rk_arena_get(&x->arena, 4, sizeof(struct rk_str));
	q->subscribed_topic_names.len = 0;
	for (const char *p = x->topics; *p != '\0'; p++)
		if (*p != ' ')
			q->subscribed_topic_names.at[q->subscribed_topic_names.len++] = (struct rk_str){ p, 1 };
}

static void
fill_reads(struct client *x, struct kp_consumer_group_heartbeat_req *q)
{
	q->topic_partitions.at = rk_arena_get(&x->arena, 2, sizeof *q->topic_partitions.at);
	q->topic_partitions.len = 2;
	for (int t = 0; t < 2; t++) {
		struct kp_consumer_group_heartbeat_req_topic_partitions *o = &q->topic_partitions.at[t];
		memset(o->topic_id.id, 0x11 + t, sizeof o->topic_id.id);
		o->partitions.at = rk_arena_get(&x->arena, PARTS, sizeof(int32_t));
		for (int32_t i = 0; i < PARTS; i++)
			if (x->reads[t][i])
				o->partitions.at[o->partitions.len++] = i;
	}
}

static int
send_beat(struct client *x, int32_t epoch, bool all)
{
	struct kp_consumer_group_heartbeat_req q;

	kp_defaults(&kp_consumer_group_heartbeat_req_d, &q);
	kp_defaults(&kp_consumer_group_heartbeat_res_d, &x->beat);
	ask(x);
	q.group_id = rk_lit("g");
	q.member_id = rk_str_of(x->id);
	q.member_epoch = epoch;
	q.instance_id = rk_str_of(x->instance);
	if (all) {
		q.rebalance_timeout_ms = 20000;
		fill_names(x, &q);
		q.subscribed_topic_regex = rk_str_of(x->regex);
		q.server_assignor = rk_str_of(x->assignor);
		fill_reads(x, &q);
		if (epoch == 0)
			q.topic_partitions.len = 0;
	}
	done(x, core_consumer_heartbeat(shard(), &x->ask, &q, &x->beat));
	x->code = x->beat.error_code;
	if (x->code == 0)
		x->epoch = x->beat.member_epoch;
	hear(x);
	return x->code;
}

static void
join(struct client *x)
{
	memset(x->reads, 0, sizeof x->reads);
	memset(x->is_to, 0, sizeof x->is_to);
	ck_assert_int_eq(send_beat(x, 0, true), 0);
	obey(x);
	alone();
}

/* It says what it reads, and hears what it is to read. */
static int
beat(struct client *x)
{
	obey(x);
	int code = send_beat(x, x->epoch, true);
	if (code == 0)
		obey(x);
	alone();
	return code;
}

static void
beats(int rounds)
{
	for (int i = 0; i < rounds; i++)
		for (int k = 0; k < CLIENTS; k++)
			if (c[k].epoch > 0)
				ck_assert_int_eq(beat(&c[k]), 0);
}

static void
leave(struct client *x)
{
	memset(x->reads, 0, sizeof x->reads);
	memset(x->is_to, 0, sizeof x->is_to);
	ck_assert_int_eq(send_beat(x, -1, false), 0);
	x->epoch = 0;
}

static int
refusal(enum rk_err err)
{
	return rk_err_wire(err);
}

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

/* Everything of a group that is in records, as text. */
static struct rk_str
picture(void)
{
	struct rk_str s = rk_arena_print(&b.arena, "%d %d %" PRId64 " %" PRId64 " %d owners %d names %d", state()->epoch,
	    state()->target_epoch, state()->hash, state()->target_ms, state()->count, state()->owners.count,
	    state()->names.count);

	for (int i = 0; i < CLIENTS; i++) {
		struct core_consumer *m = member(&c[i]);
		if (m == NULL)
			continue;
		s = rk_arena_print(&b.arena, "%.*s; %s %d/%d state %d of %d topics by %.*s:", s.len, s.at, c[i].id, m->at.epoch,
		    m->at.previous, m->at.state, m->says.subscribed_topic_names.len, m->says.subscribed_topic_regex.len,
		    m->says.subscribed_topic_regex.at);
		const struct core_parts *p[3] = { &m->at.has, &m->at.leaves, &m->target };
		for (int k = 0; k < 3; k++)
			for (int32_t n = 0; n < p[k]->count; n++)
				s = rk_arena_print(&b.arena, "%.*s %d:%x-%d@%d", s.len, s.at, k, p[k]->at[n].topic.id[0],
				    p[k]->at[n].index, p[k]->at[n].epoch);
	}
	return s;
}

static void
survives(void)
{
	settle();
	struct rk_str before = picture();
	broker_crash();
	pass(1), pass(1);
	struct rk_str after = picture();
	ck_assert_msg(rk_str_eq(before, after), "\n%.*s\n%.*s", before.len, before.at, after.len, after.at);
}

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

/* --- offsets */
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

/* --- classic members */
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
		a_partition_moves_when_its_reader_has_given_it_up, assignments_are_an_interval_apart, epochs_fence,
		who_is_silent_is_out, who_does_not_give_back_in_time_is_out, a_static_member_comes_back_to_what_it_had,
		topics_that_grow_come_and_go_are_seen, a_regular_expression_finds_topics_old_and_new, regular_expressions_are_res,
		a_new_coordinator_knows_it_all, whatever_happens_no_partition_has_two_readers,
		commits_come_from_who_has_the_partition, a_group_is_deleted_when_it_is_empty,
		offsets_of_topics_that_nobody_wants_expire, a_classic_member_is_a_member,
		a_group_changes_its_kind_with_its_members, without_the_policy_a_group_stays_what_it_is,
		an_empty_group_is_for_whoever_comes, too_many_are_too_many, a_lost_coordinator_tells_who_waits };

	return broker_claims("core_consumer", claim, rk_countof(claim), begin, over);
}
