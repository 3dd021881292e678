/* t_peer.c - requests to other nodes, over a wire that the test holds in its hands.
 *
 * The world below opens connections when the test says so, keeps what was sent, and hands over the answers that the
 * test writes. The other side is described by the versions it tells. */
#include <check.h>
#include "base/mem.h"
#include "protocol/codec.h"
#include "protocol/gen/api_versions.h"
#include "protocol/gen/describe_cluster.h"
#include "protocol/gen/fetch.h"
#include "src/node/inside.h"
#include "src/node/peer.h"

enum { CONNS = 64, API_VERSIONS = 18, DESCRIBE_CLUSTER = 60 };

struct conn {
	struct rk_conn conn;
	char host[32];
	uint16_t port;
	struct rk_out sent[64]; /* not yet told to have left */
	uint32_t sends, left;   /* all; told */
	bool open, closed, gone, resumed;
	uint32_t frames;
};

static struct world {
	struct rk_env env;
	int64_t now_ms, wake_ms;
	struct conn conn[CONNS];
	uint32_t conns;
} world;
static struct node *node;
static struct node_link *link_;
static struct kp_describe_cluster_req req;

static int64_t
now_ms(struct rk_env *e)
{
	return rk_of(e, struct world, env)->now_ms;
}

static void
conn_send(struct rk_conn *c, struct rk_out *out)
{
	struct conn *k = rk_of(c, struct conn, conn);

	ck_assert(!out->over);
	ck_assert_uint_lt(k->sends, rk_countof(k->sent));
	if (k->closed)
		return;
	k->sent[k->sends++] = *out;
	rk_out_init(out, out->arena);
}

static void
conn_resume(struct rk_conn *c)
{
	rk_of(c, struct conn, conn)->resumed = true;
}

static void
conn_close(struct rk_conn *c, bool now, const char *why)
{
	struct conn *k = rk_of(c, struct conn, conn);

	ck_assert(now);
	if (!k->closed)
		c->why = why;
	k->closed = true;
}

static struct rk_conn *
conn_open(struct rk_env *e, const char *host, uint16_t port)
{
	ck_assert_uint_lt(world.conns, CONNS);
	struct conn *k = &world.conn[world.conns++];

	*k = (struct conn){ .conn = { .env = e, .ours = true }, .port = port, .resumed = true };
	snprintf(k->host, sizeof k->host, "%s", host);
	return &k->conn;
}

static const struct rk_world calls = { .now_ms = now_ms, .conn_send = conn_send, .conn_resume = conn_resume,
	.conn_close = conn_close, .conn_open = conn_open };

/* --- what the test does to the wire */

static struct conn *
last(void)
{
	ck_assert_uint_gt(world.conns, 0);
	return &world.conn[world.conns - 1];
}

static void
reach(struct conn *k)
{
	k->open = true;
	node_link_reached(&k->conn);
}

static void
all_left(struct conn *k)
{
	while (k->left < k->sends && !k->closed) {
		k->left++;
		node_link_sent(&k->conn);
	}
}

static void
gone(struct conn *k, const char *why, bool refused)
{
	if (k->conn.why == NULL)
		k->conn.why = why;
	k->conn.refused = refused;
	k->closed = k->gone = true;
	node_link_gone(&k->conn);
	ck_assert_ptr_null(k->conn.node);
}

static void
pass(int64_t ms)
{
	world.now_ms += ms;
	rk_timers_run(&node->timers, world.now_ms);
}

/* The head of request number i on the wire. */
static struct kp_head
request(struct conn *k, uint32_t i)
{
	static uint8_t flat[4096];
	struct kp_head h;
	uint32_t len = 0;

	ck_assert_uint_lt(i, k->sends);
	ck_assert_uint_ge(i, k->left); /* else the memory is gone */
	for (uint32_t p = 0; p < k->sent[i].count; p++) {
		memcpy(flat + len, k->sent[i].piece[p].u.mem, k->sent[i].piece[p].len);
		len += k->sent[i].piece[p].len;
	}
	ck_assert_uint_eq(rk_get32(flat), len - 4);
	ck_assert_int_eq(kp_head_read(flat + 4, len - 4, &h), RK_OK);
	return h;
}

static void
frame(struct conn *k, const void *bytes, uint32_t len)
{
	uint8_t *p = rk_mem_try(len);

	memcpy(p, bytes, len);
	ck_assert(k->resumed && !k->closed);
	k->resumed = false;
	node_link_frame(&k->conn, p, len);
}

static void
answer(struct conn *k, int16_t key, int16_t version, int16_t body_version, int32_t correlation, const void *res)
{
	struct rk_arena a;
	struct rk_out o;
	uint8_t flat[4096];
	uint32_t len = 0;

	rk_arena_init(&a, 1 << 20);
	rk_out_init(&o, &a);
	kp_answer_head(key, version, correlation, &o);
	kp_write(kp_api(key)->res, body_version, res, &o);
	for (uint32_t p = 0; p < o.count; p++) {
		memcpy(flat + len, o.piece[p].u.mem, o.piece[p].len);
		len += o.piece[p].len;
	}
	frame(k, flat, len);
	rk_arena_free(&a);
}

/* The other side speaks ApiVersions up to 4 and DescribeCluster from least to most. */
static void
tell_versions(struct conn *k, int16_t least, int16_t most)
{
	struct kp_api_versions_res_api_keys row[] = { { .api_key = API_VERSIONS, .max_version = 4 },
		{ .api_key = DESCRIBE_CLUSTER, .min_version = least, .max_version = most }, { .api_key = 9999 } };
	struct kp_api_versions_res res;

	kp_defaults(&kp_api_versions_res_d, &res);
	res.api_keys.at = row;
	res.api_keys.len = rk_countof(row);
	struct kp_head h = request(k, 0);
	ck_assert_int_eq(h.key, API_VERSIONS);
	ck_assert(rk_str_is(h.client_id, "broker-1-test"));
	answer(k, API_VERSIONS, h.version, h.version, h.correlation_id, &res);
}

static void
describe(struct conn *k, int16_t version, int32_t correlation, const char *cluster)
{
	struct kp_describe_cluster_res res;

	kp_defaults(&kp_describe_cluster_res_d, &res);
	res.cluster_id = rk_str_of(cluster);
	answer(k, DESCRIBE_CLUSTER, version, version, correlation, &res);
}

/* --- who asks */

struct asker {
	struct node_ask ask;
	int heard;
	enum rk_err err;
	int16_t version;
	char cluster[32];
	void (*then)(struct asker *);
};

static void
heard(struct node_ask *a, enum rk_err err, const void *res, int16_t version)
{
	struct asker *k = rk_of(a, struct asker, ask);
	const struct kp_describe_cluster_res *r = res;

	ck_assert(!node_ask_busy(a));
	ck_assert((err == RK_OK) == (res != NULL));
	k->heard++;
	k->err = err;
	k->version = version;
	if (r != NULL)
		rk_str_copy(k->cluster, sizeof k->cluster, r->cluster_id);
	if (k->then != NULL)
		k->then(k);
}

static void
ask_for(struct asker *k, int16_t min, int16_t max, int64_t timeout_ms)
{
	node_link_ask(link_, &k->ask, DESCRIBE_CLUSTER, min, max, &req, timeout_ms);
}

static void
ask(struct asker *k)
{
	ask_for(k, 0, -1, 5000);
}

static struct asker *
asker(void)
{
	static struct asker pool[32];
	static uint32_t used;
	struct asker *k = &pool[used++];

	ck_assert_uint_le(used, rk_countof(pool));
	*k = (struct asker){ 0 };
	node_ask_init(&k->ask, heard);
	return k;
}

/* A link whose connection is up and knows the versions. */
static struct conn *
connected(void)
{
	struct asker *k = asker();

	ask(k);
	reach(last());
	tell_versions(last(), 0, 2);
	describe(last(), 2, request(last(), 1).correlation_id, "first");
	ck_assert_int_eq(k->err, RK_OK);
	all_left(last());
	return last();
}

static void
setup(void)
{
	world = (struct world){ .env.world = &calls, .now_ms = 5000 };
	node = rk_new(struct node);
	node->env = &world.env;
	rk_list_init(&node->wires);
	kp_defaults(&kp_describe_cluster_req_d, &req);
	link_ = node_link_new(node, "broker-1-test", "h", 9);
}

static void
teardown(void)
{
	node_link_free(link_);
	node_links_free(node);
	rk_timers_free(&node->timers);
	rk_mem_put(node);
}

/* --- claims */

START_TEST(versions_come_first_and_the_highest_of_both_is_taken)
{
	struct asker *k = asker(), *low = asker();

	ck_assert_uint_eq(world.conns, 0);
	ask(k);
	ck_assert_uint_eq(world.conns, 1);
	ck_assert_str_eq(last()->host, "h");
	ck_assert_uint_eq(last()->sends, 1); /* ApiVersions leaves when it is open */
	ck_assert_int_eq(node_link_version(link_, DESCRIBE_CLUSTER, 0, -1), -1);
	ck_assert(!node_link_open(link_));
	reach(last());
	ck_assert(node_link_open(link_));
	ck_assert_uint_eq(last()->sends, 1);
	tell_versions(last(), 0, 1);
	ck_assert_uint_eq(last()->sends, 2);
	ck_assert_int_eq(request(last(), 1).version, 1);
	ck_assert_int_eq(node_link_version(link_, DESCRIBE_CLUSTER, 0, -1), 1);
	ask_for(low, 0, 0, 1000);
	ck_assert_int_eq(request(last(), 2).version, 0);
	describe(last(), 1, request(last(), 1).correlation_id, "one");
	ck_assert_int_eq(k->heard, 1);
	ck_assert_str_eq(k->cluster, "one");
	ck_assert_int_eq(k->version, 1);
	ck_assert_int_eq(low->heard, 0);
	describe(last(), 0, request(last(), 2).correlation_id, "zero");
	ck_assert_str_eq(low->cluster, "zero");
	ck_assert(last()->resumed);
}
END_TEST

START_TEST(a_version_the_other_side_has_not_is_said_from_the_loop)
{
	struct asker *k = asker(), *other = asker(), *forgotten = asker();
	struct conn *c = connected();

	ask_for(k, 3, -1, 1000);
	ck_assert_int_eq(k->heard, 0);
	ck_assert(node_ask_busy(&k->ask));
	pass(0);
	ck_assert_int_eq(k->err, RK_UNSUPPORTED_VERSION);
	node_link_ask(link_, &other->ask, 1, 4, -1, &req, 1000); /* Fetch, which it never named */
	node_link_ask(link_, &forgotten->ask, 1, 4, -1, &req, 1000);
	node_ask_forget(&forgotten->ask);
	pass(0);
	ck_assert_int_eq(other->err, RK_UNSUPPORTED_VERSION);
	ck_assert_int_eq(forgotten->heard, 0);
	ck_assert_uint_eq(c->sends, 2);
}
END_TEST

START_TEST(an_older_node_is_greeted_again_in_its_words)
{
	struct kp_api_versions_res_api_keys row = { .api_key = API_VERSIONS, .max_version = 2 };
	struct kp_api_versions_res res;
	struct asker *k = asker();

	kp_defaults(&kp_api_versions_res_d, &res);
	res.error_code = rk_err_wire(RK_UNSUPPORTED_VERSION);
	res.api_keys.at = &row;
	res.api_keys.len = 1;
	ask(k);
	reach(last());
	struct kp_head h = request(last(), 0);
	ck_assert_int_gt(h.version, 2);
	answer(last(), API_VERSIONS, h.version, 0, h.correlation_id, &res);
	ck_assert_uint_eq(last()->sends, 2);
	h = request(last(), 1);
	ck_assert_int_eq(h.version, 2);
	res.error_code = 0;
	answer(last(), API_VERSIONS, 2, 2, h.correlation_id, &res);
	pass(0);
	ck_assert_int_eq(k->err, RK_UNSUPPORTED_VERSION); /* DescribeCluster: not there */
	ck_assert(node_link_open(link_));
}
END_TEST

START_TEST(refused_is_known_and_the_pause_doubles)
{
	struct asker *k = asker();
	int64_t pause = 20;

	for (int i = 0; i < 9; i++) {
		ask(k);
		if (i > 0) { /* not before the pause is over */
			ck_assert_uint_eq(world.conns, (uint32_t)i);
			pass(pause - 1);
			ck_assert_uint_eq(world.conns, (uint32_t)i);
			pass(1);
			pause = rk_min(pause * 2, 1000);
		}
		ck_assert_uint_eq(world.conns, (uint32_t)i + 1);
		gone(last(), "connection refused", true);
		ck_assert_int_eq(k->heard, i + 1);
		ck_assert_int_eq(k->err, RK_NETWORK_EXCEPTION);
		ck_assert(node_link_refused(link_));
		ck_assert_str_eq(node_link_why(link_), "connection refused");
	}
	ck_assert_int_eq(pause, 1000);
	ask(k);
	pass(1000);
	reach(last());
	ck_assert(!node_link_refused(link_));
	tell_versions(last(), 0, 2);
	ck_assert_str_eq(node_link_why(link_), "");
	gone(last(), "the peer left", false);
	ck_assert(!node_link_refused(link_));
	ck_assert_int_eq(k->err, RK_NETWORK_EXCEPTION);
	ck_assert_str_eq(node_link_why(link_), "the peer left");
	pass(10);
	ask(k); /* it worked before: at once */
	ck_assert_uint_eq(world.conns, 11);
}
END_TEST

START_TEST(a_late_answer_ends_the_connection_and_everybody_on_it_hears)
{
	struct asker *k = asker(), *behind = asker(), *next = asker();
	struct conn *c = connected();

	ask_for(k, 0, -1, 100);
	ask_for(behind, 0, -1, 500);
	pass(99);
	ck_assert(!c->closed);
	pass(1);
	ck_assert_int_eq(k->err, RK_REQUEST_TIMED_OUT);
	ck_assert(c->closed);
	ck_assert_int_eq(behind->heard, 0);
	ask(next); /* on a new connection, at once */
	ck_assert_uint_eq(world.conns, 2);
	gone(c, "", false);
	ck_assert_int_eq(behind->err, RK_NETWORK_EXCEPTION);
	ck_assert_int_eq(next->heard, 0);
	reach(last());
	tell_versions(last(), 0, 2);
	describe(last(), 2, request(last(), 1).correlation_id, "again");
	ck_assert_str_eq(next->cluster, "again");
}
END_TEST

START_TEST(waiting_for_a_connection_counts)
{
	struct asker *k = asker(), *patient = asker();

	ask_for(k, 0, -1, 50);
	ask_for(patient, 0, -1, INT64_MAX);
	pass(50);
	ck_assert_int_eq(k->err, RK_REQUEST_TIMED_OUT);
	ck_assert(!last()->closed);
	reach(last());
	pass(9949); /* it took the connection and says nothing */
	ck_assert(!last()->closed);
	pass(1);
	ck_assert(last()->closed);
	ck_assert_int_eq(patient->heard, 0);
	gone(last(), "", false);
	ck_assert_int_eq(patient->err, RK_NETWORK_EXCEPTION);
}
END_TEST

START_TEST(an_idle_connection_that_ends_is_no_failure)
{
	struct conn *c = connected();

	gone(c, "the peer left", false);
	ck_assert_str_eq(node_link_why(link_), "");
	ck_assert(!node_link_open(link_));
	ck_assert_uint_eq(world.conns, 1); /* nobody asks */
}
END_TEST

START_TEST(a_forgotten_answer_is_thrown_away)
{
	struct asker *k = asker(), *behind = asker();
	struct conn *c = connected();

	ask(k);
	ask(behind);
	node_ask_forget(&k->ask);
	node_ask_forget(&k->ask);
	ck_assert(!node_ask_busy(&k->ask));
	describe(c, 2, request(c, 2).correlation_id, "unheard");
	describe(c, 2, request(c, 3).correlation_id, "heard");
	ck_assert_int_eq(k->heard, 0);
	ck_assert_str_eq(behind->cluster, "heard");
	ask(k); /* it may be used again */
	describe(c, 2, request(c, 4).correlation_id, "second");
	ck_assert_str_eq(k->cluster, "second");
}
END_TEST

START_TEST(odd_answers_close_the_connection)
{
	static const struct {
		const char *bytes;
		uint32_t len;
		enum rk_err err;
	} odd[] = { { "", 0, RK_NETWORK_EXCEPTION }, { "\0\0\0", 3, RK_NETWORK_EXCEPTION },
		{ "\0\0\7\7....", 8, RK_NETWORK_EXCEPTION },           /* another's correlation id */
		{ "\0\0\0\2", 4, RK_CORRUPT_MESSAGE },                 /* no tags */
		{ "\0\0\0\2\1\5\77x", 8, RK_CORRUPT_MESSAGE },         /* a tag longer than what is there */
		{ "\0\0\0\2\0\0\0", 7, RK_CORRUPT_MESSAGE } };         /* half a body */

	for (uint32_t i = 0; i < rk_countof(odd); i++) {
		struct asker *k = asker();
		struct conn *c = connected();
		ask(k);
		ck_assert_int_eq(request(c, 2).correlation_id, 2);
		frame(c, odd[i].bytes, odd[i].len);
		ck_assert_msg(c->closed, "case %u", i);
		gone(c, "", false);
		ck_assert_int_eq(k->heard, 1);
		ck_assert_int_eq(k->err, odd[i].err);
		pass(1000);
	}
	struct conn *c = connected();
	frame(c, "\0\0\0\2", 4); /* nobody asked */
	ck_assert(c->closed);
}
END_TEST

static void
again(struct asker *k)
{
	k->then = NULL;
	ask(k);
}

START_TEST(the_ask_may_be_used_again_from_inside)
{
	struct asker *k = asker();
	struct conn *c = connected();

	k->then = again;
	ask(k);
	describe(c, 2, request(c, 2).correlation_id, "one");
	ck_assert_uint_eq(c->sends, 4);
	describe(c, 2, request(c, 3).correlation_id, "two");
	ck_assert_int_eq(k->heard, 2);
	k->then = again;
	ask(k);
	gone(c, "broke", false);
	ck_assert_int_eq(k->heard, 3);
	ck_assert_uint_eq(world.conns, 1);
	pass(20);
	ck_assert_uint_eq(world.conns, 2); /* asked again: opened again */
}
END_TEST

static struct asker *victim;

static void
free_link(struct asker *k)
{
	(void)k;
	node_link_free(link_);
	link_ = NULL;
}

static void
forget_victim(struct asker *k)
{
	(void)k;
	node_ask_forget(&victim->ask);
}

START_TEST(the_link_may_be_freed_from_inside)
{
	struct asker *k = asker(), *behind = asker();
	struct conn *c = connected();

	k->then = free_link;
	ask(k);
	ask(behind);
	describe(c, 2, request(c, 2).correlation_id, "last");
	ck_assert_str_eq(k->cluster, "last");
	ck_assert_int_eq(behind->err, RK_NETWORK_EXCEPTION);
	ck_assert(c->closed);
	gone(c, "", false);
	ck_assert_int_eq(behind->heard, 1);

	link_ = node_link_new(node, "broker-1-test", "h", 9);
	k = asker(), behind = asker();
	k->then = free_link; /* while bad news goes round */
	ask(k);
	ask(behind);
	gone(last(), "no", true);
	ck_assert_int_eq(k->heard + behind->heard, 2);
}
END_TEST

START_TEST(another_ask_may_be_forgotten_while_bad_news_goes_round)
{
	struct asker *k = asker();

	victim = asker();
	k->then = forget_victim;
	ask(k);
	ask(victim);
	gone(last(), "no", true);
	ck_assert_int_eq(k->heard, 1);
	ck_assert_int_eq(victim->heard, 0);
	ck_assert(!node_ask_busy(&victim->ask));
}
END_TEST

START_TEST(a_node_that_has_moved_is_asked_at_its_new_address)
{
	struct asker *old = asker(), *fresh = asker();
	struct conn *c = connected();

	node_link_to(link_, "h", 9); /* the same: nothing happens */
	ask(old);
	ck_assert_uint_eq(world.conns, 1);
	node_link_to(link_, "elsewhere", 10);
	ck_assert(!c->closed);
	ask(fresh);
	ck_assert_uint_eq(world.conns, 2);
	ck_assert_str_eq(last()->host, "elsewhere");
	ck_assert_str_eq(node_link_address(link_), "elsewhere:10");
	describe(c, 2, request(c, 2).correlation_id, "old");
	ck_assert_str_eq(old->cluster, "old");
	ck_assert(c->closed);
	gone(c, "", false);
	node_link_to(link_, "third", 11); /* while the second is not open yet */
	ck_assert(world.conn[1].closed);
	ck_assert_uint_eq(world.conns, 3);
	gone(&world.conn[1], "", false);
	ck_assert_int_eq(fresh->heard, 0);
	reach(last());
	tell_versions(last(), 0, 2);
	describe(last(), 2, request(last(), 1).correlation_id, "third");
	ck_assert_str_eq(fresh->cluster, "third");
}
END_TEST

START_TEST(an_answer_may_come_before_the_world_says_that_the_request_left)
{
	struct asker *k = asker();
	struct conn *c = connected();

	ask(k);
	describe(c, 2, request(c, 2).correlation_id, "early");
	ck_assert_str_eq(k->cluster, "early");
	ck_assert_int_eq(request(c, 2).key, DESCRIBE_CLUSTER); /* its bytes are still there */
	all_left(c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("peer");
	TCase *t = tcase_create("peer");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, versions_come_first_and_the_highest_of_both_is_taken);
	tcase_add_test(t, a_version_the_other_side_has_not_is_said_from_the_loop);
	tcase_add_test(t, an_older_node_is_greeted_again_in_its_words);
	tcase_add_test(t, refused_is_known_and_the_pause_doubles);
	tcase_add_test(t, a_late_answer_ends_the_connection_and_everybody_on_it_hears);
	tcase_add_test(t, waiting_for_a_connection_counts);
	tcase_add_test(t, an_idle_connection_that_ends_is_no_failure);
	tcase_add_test(t, a_forgotten_answer_is_thrown_away);
	tcase_add_test(t, odd_answers_close_the_connection);
	tcase_add_test(t, the_ask_may_be_used_again_from_inside);
	tcase_add_test(t, the_link_may_be_freed_from_inside);
	tcase_add_test(t, another_ask_may_be_forgotten_while_bad_news_goes_round);
	tcase_add_test(t, a_node_that_has_moved_is_asked_at_its_new_address);
	tcase_add_test(t, an_answer_may_come_before_the_world_says_that_the_request_left);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
