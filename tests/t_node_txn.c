/* t_node_txn.c - claims about markers and questions on their way between brokers. This node is 1, with a core of its
 * own; brokers 2 and 3 are connections that the test holds in its hands. The coordinator is the test. */
#include "base/mem.h"
#include "protocol/gen/add_partitions_to_txn.h"
#include "protocol/gen/api_versions.h"
#include "protocol/gen/keys.h"
#include "protocol/gen/write_txn_markers.h"
#include "src/core/mark.h"
#include "src/core/txn.h"
#include "src/node/inside.h"
#include "tests/core_help.h"

enum { CONNS = 32, UNTOLD = 12345, SENT_MAX = 64 };

struct conn {
	struct rk_conn conn;
	uint16_t port;
	struct rk_out sent[SENT_MAX];
	uint32_t sends, left;
	bool closed, gone;
};
static struct conn conn[CONNS];
static uint32_t conns;
static struct node *node;
static struct rk_arena arena;

/* --- the world of connections */
static int64_t
now_ms(struct rk_env *e)
{
	(void)e;
	return b.w.now_ms;
}

static void
conn_send(struct rk_conn *c, struct rk_out *out)
{
	struct conn *k = rk_of(c, struct conn, conn);

	ck_assert(!out->over);
	ck_assert_uint_lt(k->sends, SENT_MAX);
	if (k->closed)
		return;
	k->sent[k->sends++] = *out;
	rk_out_init(out, out->arena);
}

static void
conn_resume(struct rk_conn *c)
{
	(void)c;
}

static void
conn_close(struct rk_conn *c, bool now, const char *why)
{
	(void)now;
	c->why = why;
	rk_of(c, struct conn, conn)->closed = true;
}

static struct rk_conn *
conn_open(struct rk_env *e, const char *host, uint16_t port)
{
	(void)host;
	ck_assert_uint_lt(conns, CONNS);
	struct conn *k = &conn[conns++];
	*k = (struct conn){ .conn = { .env = e, .ours = true }, .port = port };
	return &k->conn;
}

static const struct rk_world calls = { .now_ms = now_ms, .conn_send = conn_send, .conn_resume = conn_resume,
	.conn_close = conn_close, .conn_open = conn_open };
static struct rk_env env = { .world = &calls };

/* --- the coordinator that the node asks, when it is this node's */
static struct core_txn_asker *added;
static int forgotten;

bool
core_txn_add(struct core_shard *s, struct core_txn_asker *a, const struct kp_add_partitions_to_txn_req_transactions *q,
    struct kp_add_partitions_to_txn_res_results_by_transaction *res)
{
	(void)s;
	(void)q;
	added = a;
	a->res = res;
	return true;
}

void
core_txn_forget(struct core_txn_asker *a)
{
	ck_assert_ptr_eq(a, added);
	forgotten++;
}

/* --- markers of the coordinator */
static struct {
	struct core_marker m;
	struct core_marker_part part[4];
	enum rk_err said[4];
} txn[4];

void
core_marked(struct core_marker *m, int32_t part, enum rk_err err)
{
	size_t i = 0;

	while (i < rk_countof(txn) && &txn[i].m != m)
		i++;
	ck_assert_uint_lt(i, rk_countof(txn));
	ck_assert_int_eq(txn[i].said[part], UNTOLD);
	txn[i].said[part] = err;
	if (err != RK_OK) {
		core_txn_world_of(b.core)->unmark(node, m); /* as the coordinator does */
		return;
	}
	m->part[part].done = true;
	m->left--;
}

static void
owe(int i, int64_t producer, const char *topic, int32_t partition)
{
	struct core_marker *m = &txn[i].m;

	if (m->count == 0)
		*m = (struct core_marker){ .producer_id = producer, .producer_epoch = 1, .coordinator_epoch = 5, .commit = true,
			.part = txn[i].part };
	txn[i].said[m->count] = (enum rk_err)UNTOLD;
	m->part[m->count++] = (struct core_marker_part){ .topic = rk_str_of(topic), .partition = partition };
	m->left++;
}

static void
mark(int i)
{
	core_txn_world_of(b.core)->mark(node, &txn[i].m);
}

static void
turn(int64_t ms)
{
	b.w.now_ms += ms;
	rk_timers_run(&node->timers, b.w.now_ms);
	rk_timers_run(&b.timers, b.w.now_ms);
	settle();
	rk_timers_run(&node->timers, b.w.now_ms);
}

/* --- the other side of a connection */
static struct conn *
last(void)
{
	ck_assert_uint_gt(conns, 0);
	return &conn[conns - 1];
}

/* The request that was sent last, decoded; its correlation id in *id. */
static void *
heard(struct conn *k, int16_t key, int32_t *id, int16_t *version)
{
	struct rk_str flat = rk_out_flat(&k->sent[k->sends - 1], &arena);
	struct kp_head h;
	void *q = rk_arena_get(&arena, 1, kp_desc_size(kp_api(key)->req));

	ck_assert_uint_gt(k->sends, k->left);
	ck_assert_int_eq(kp_head_read(flat.at + 4, (uint32_t)flat.len - 4, &h), RK_OK);
	ck_assert_int_eq(h.key, key);
	ck_assert_int_eq(kp_read(kp_api(key)->req, h.version, flat.at + 4 + h.body, (size_t)flat.len - 4 - h.body, &arena, q,
	    NULL), RK_OK);
	*id = h.correlation_id;
	*version = h.version;
	return q;
}

static void
answer(struct conn *k, int16_t key, int16_t version, int32_t id, const void *res)
{
	struct rk_out o;

	rk_out_init(&o, &arena);
	kp_answer_head(key, version, id, &o);
	kp_write(kp_api(key)->res, version, res, &o);
	struct rk_str flat = rk_out_flat(&o, &arena);
	uint8_t *p = rk_mem_get((size_t)flat.len);
	memcpy(p, flat.at, (size_t)flat.len);
	while (k->left < k->sends) {
		k->left++;
		node_link_sent(&k->conn);
	}
	node_link_frame(&k->conn, p, (uint32_t)flat.len);
}

static void
hello(struct conn *k)
{
	static struct kp_api_versions_res_api_keys row[] = { { .api_key = KP_API_VERSIONS, .max_version = 4 },
		{ .api_key = KP_WRITE_TXN_MARKERS, .min_version = 1, .max_version = 2 },
		{ .api_key = KP_ADD_PARTITIONS_TO_TXN, .max_version = 5 } };
	struct kp_api_versions_res res;
	int16_t version;
	int32_t id;

	kp_defaults(&kp_api_versions_res_d, &res);
	res.api_keys.at = row;
	res.api_keys.len = rk_countof(row);
	node_link_reached(&k->conn);
	(void)heard(k, KP_API_VERSIONS, &id, &version);
	answer(k, KP_API_VERSIONS, version, id, &res);
}

static void
broken(struct conn *k)
{
	k->closed = k->gone = true;
	k->conn.why = "the test says so";
	node_link_gone(&k->conn);
}

/* Answers the markers that came with the same error for every partition; how many partitions. */
static int
confirm(struct conn *k, enum rk_err err)
{
	struct kp_write_txn_markers_res res;
	int16_t version;
	int32_t id;
	struct kp_write_txn_markers_req *q = heard(k, KP_WRITE_TXN_MARKERS, &id, &version);
	int n = 0;

	ck_assert_int_eq(version, 2);
	kp_defaults(&kp_write_txn_markers_res_d, &res);
	res.markers.at = rk_arena_get(&arena, (size_t)q->markers.len, sizeof *res.markers.at);
	res.markers.len = q->markers.len;
	for (int32_t i = 0; i < q->markers.len; i++) {
		struct kp_write_txn_markers_res_markers *o = &res.markers.at[q->markers.len - 1 - i]; /* in another order */
		o->producer_id = q->markers.at[i].producer_id;
		ck_assert_int_eq(q->markers.at[i].coordinator_epoch, 5);
		o->topics.len = q->markers.at[i].topics.len;
		o->topics.at = rk_arena_get(&arena, (size_t)o->topics.len, sizeof *o->topics.at);
		for (int32_t t = 0; t < o->topics.len; t++) {
			struct kp_write_txn_markers_res_markers_topics *ot = &o->topics.at[t];
			ot->name = q->markers.at[i].topics.at[t].name;
			ot->partitions.len = q->markers.at[i].topics.at[t].partition_indexes.len;
			ot->partitions.at = rk_arena_get(&arena, (size_t)ot->partitions.len, sizeof *ot->partitions.at);
			for (int32_t p = 0; p < ot->partitions.len; p++, n++) {
				ot->partitions.at[p].partition_index = q->markers.at[i].topics.at[t].partition_indexes.at[p];
				ot->partitions.at[p].error_code = rk_err_wire(err);
			}
		}
	}
	answer(k, KP_WRITE_TXN_MARKERS, version, id, &res);
	return n;
}

/* --- a set-up */
static void *
make(struct core_shard *s)
{
	(void)s;
	return rk_new(int);
}

static void
apply(void *state, const struct core_entry *e)
{
	(void)state;
	(void)e;
}

static void
loaded(void *state)
{
	(void)state;
}

static void
end(void *state, enum rk_err err)
{
	(void)err;
	rk_mem_put(state);
}

static const struct core_coord_kind kind = { "__transaction_state", make, apply, NULL, loaded, end };

static void
attach(struct core *c)
{
	node = rk_new(struct node);
	node->env = &env;
	t_conf->node_id = 1;
	node->conf = t_conf;
	node->image = t_image;
	node->core = c;
	node->shared.txns = core_coord_new(c, &kind);
	rk_list_init(&node->wires);
	rk_list_init(&node->conns);
	node_txn_open(node);
}

static void
begin(void)
{
	broker_made = attach;
	broker_begin();
	broker_is(1, false), broker_is(2, false), broker_is(3, false);
	topic_is("here", 1, 2);
	topic_of("there", 2, 2, (const int32_t[]){ 2, 3 }, 2);
	topic_of("__transaction_state", 3, 1, (const int32_t[]){ 2, 1 }, 2);
	rk_arena_init(&arena, 16 << 20);
	memset(txn, 0, sizeof txn);
	conns = 0;
	added = NULL;
	forgotten = 0;
}

static void
over(void)
{
	node_txn_close(node);
	for (uint32_t i = 0; i < conns; i++)
		if (!conn[i].gone)
			broken(&conn[i]);
	broker_end();
	node_txn_free(node);
	node_links_free(node);
	ck_assert_uint_eq(node->timers.count, 0);
	rk_timers_free(&node->timers);
	rk_mem_put(node);
	rk_arena_free(&arena);
	broker_made = NULL;
}

static void
led_by(uint8_t topic, int32_t partition, int32_t id)
{
	partition_is(topic, partition, id, &id, 1, true);
}

/* --- markers */
START_TEST(what_this_node_leads_is_written_without_a_socket)
{
	owe(0, 7, "here", 0), owe(0, 7, "here", 1);
	mark(0);
	ck_assert_int_eq(txn[0].said[0], UNTOLD); /* never from inside */
	turn(0);
	ck_assert_int_eq(txn[0].said[0], RK_OK);
	ck_assert_int_eq(txn[0].said[1], RK_OK);
	ck_assert_int_eq(core_end(part("here", 0)), 1);
	ck_assert_int_eq(part("here", 0)->high, 1);
	ck_assert_uint_eq(conns, 0);
}
END_TEST

START_TEST(what_one_broker_is_owed_goes_in_one_request)
{
	owe(0, 7, "there", 0), owe(0, 7, "there", 1), owe(1, 8, "there", 0), owe(2, 9, "there", 1);
	mark(0), mark(1);
	turn(0);
	hello(last());
	mark(2); /* waits: there is one under way */
	turn(0);
	ck_assert_int_eq(confirm(last(), RK_OK), 3);
	ck_assert_int_eq(txn[0].said[0], RK_OK);
	ck_assert_int_eq(txn[0].said[1], RK_OK);
	ck_assert_int_eq(txn[1].said[0], RK_OK);
	ck_assert_int_eq(txn[2].said[0], UNTOLD);
	ck_assert_int_eq(confirm(last(), RK_OK), 1);
	ck_assert_int_eq(txn[2].said[0], RK_OK);
	ck_assert_uint_eq(conns, 1);
}
END_TEST

START_TEST(a_leader_that_is_none_sends_it_to_the_next)
{
	owe(0, 7, "there", 0);
	mark(0);
	turn(0);
	hello(last());
	led_by(2, 0, 3);
	confirm(last(), RK_NOT_LEADER_OR_FOLLOWER);
	ck_assert_int_eq(txn[0].said[0], UNTOLD);
	turn(20);
	ck_assert_uint_eq(conns, 2);
	hello(last());
	ck_assert_int_eq(confirm(last(), RK_OK), 1);
	ck_assert_int_eq(txn[0].said[0], RK_OK);
}
END_TEST

START_TEST(whatever_may_pass_is_tried_again)
{
	static const enum rk_err passing[] = { RK_UNKNOWN_TOPIC_OR_PARTITION, RK_NOT_ENOUGH_REPLICAS,
		RK_NOT_ENOUGH_REPLICAS_AFTER_APPEND, RK_REQUEST_TIMED_OUT, RK_KAFKA_STORAGE_ERROR, RK_COORDINATOR_LOAD_IN_PROGRESS };

	owe(0, 7, "there", 0);
	mark(0);
	turn(0);
	hello(last());
	for (size_t i = 0; i < rk_countof(passing); i++) {
		confirm(last(), passing[i]);
		ck_assert_int_eq(txn[0].said[0], UNTOLD);
		turn(500);
		if (passing[i] == RK_REQUEST_TIMED_OUT)
			hello(last()); /* set aside: on a connection of its own from now on */
	}
	confirm(last(), RK_OK);
	ck_assert_int_eq(txn[0].said[0], RK_OK);
}
END_TEST

START_TEST(a_marker_that_waits_for_replicas_holds_nobody_up)
{
	struct conn *first, *aside;

	owe(0, 7, "there", 0);
	mark(0);
	turn(0);
	hello(first = last());
	confirm(first, RK_REQUEST_TIMED_OUT);
	turn(20);
	hello(aside = last());
	ck_assert_ptr_ne(first, aside);
	owe(1, 8, "there", 0), owe(2, 9, "there", 1);
	mark(1); /* what is set aside is under way */
	turn(0);
	ck_assert_int_eq(confirm(first, RK_OK), 1);
	ck_assert_int_eq(txn[1].said[0], RK_OK);
	mark(2);
	turn(0);
	ck_assert_int_eq(confirm(first, RK_OK), 1);
	ck_assert_int_eq(txn[2].said[0], RK_OK);
	ck_assert_int_eq(txn[0].said[0], UNTOLD);
	uint32_t sends = aside->sends;
	confirm(aside, RK_REQUEST_TIMED_OUT);
	turn(200);
	ck_assert_uint_eq(aside->sends, sends + 1);
	ck_assert_int_eq(confirm(aside, RK_OK), 1);
	ck_assert_int_eq(txn[0].said[0], RK_OK);
}
END_TEST

START_TEST(this_nodes_own_partitions_do_not_wait_for_each_other)
{
	topic_of("both", 4, 1, (const int32_t[]){ 1, 2 }, 2);
	owe(0, 7, "both", 0), owe(1, 8, "here", 0);
	mark(0), mark(1);
	turn(0), turn(CORE_MARKS_HURRY_MS);
	ck_assert_int_eq(txn[0].said[0], UNTOLD);
	ck_assert_int_eq(txn[1].said[0], RK_OK);
	turn(200);
	ck_assert_int_eq(core_end(part("both", 0)), 1); /* asked for again, not written again */
}
END_TEST

START_TEST(a_coordinator_that_is_fenced_hears_of_it_and_sends_no_more)
{
	owe(0, 7, "there", 0), owe(0, 7, "here", 0), owe(1, 8, "there", 0);
	mark(0), mark(1);
	turn(0);
	hello(last());
	confirm(last(), RK_TRANSACTION_COORDINATOR_FENCED);
	ck_assert_int_eq(txn[0].said[0], RK_TRANSACTION_COORDINATOR_FENCED);
	ck_assert_int_eq(txn[1].said[0], RK_TRANSACTION_COORDINATOR_FENCED);
	uint32_t sends = last()->sends;
	turn(1000);
	ck_assert_uint_eq(last()->sends, sends);
}
END_TEST

START_TEST(a_topic_that_was_deleted_is_owed_nothing)
{
	owe(0, 7, "nowhere", 0), owe(1, 8, "there", 5);
	mark(0), mark(1);
	for (int i = 0; i < 20; i++)
		turn(200);
	ck_assert_int_eq(txn[0].said[0], RK_OK);
	ck_assert_int_eq(txn[1].said[0], RK_OK);
}
END_TEST

START_TEST(without_a_leader_it_waits_for_one)
{
	led_by(2, 0, -1);
	owe(0, 7, "there", 0);
	mark(0);
	turn(0), turn(1000), turn(1000);
	ck_assert_uint_eq(conns, 0);
	led_by(2, 0, 3);
	turn(200);
	hello(last());
	confirm(last(), RK_OK);
	ck_assert_int_eq(txn[0].said[0], RK_OK);
}
END_TEST

START_TEST(a_connection_that_breaks_is_made_again)
{
	owe(0, 7, "there", 0);
	mark(0);
	turn(0);
	hello(last());
	broken(last());
	ck_assert_int_eq(txn[0].said[0], UNTOLD);
	turn(20), turn(100);
	ck_assert_uint_eq(conns, 2);
	hello(last());
	confirm(last(), RK_OK);
	ck_assert_int_eq(txn[0].said[0], RK_OK);
}
END_TEST

START_TEST(nobody_waits_for_a_broker_that_is_fenced)
{
	owe(0, 7, "there", 0);
	mark(0);
	turn(0);
	hello(last());
	broker_is(2, true);
	led_by(2, 0, 3);
	turn(500), turn(50);
	ck_assert_uint_eq(conns, 2);
	hello(last());
	confirm(last(), RK_OK);
	ck_assert_int_eq(txn[0].said[0], RK_OK);
}
END_TEST

START_TEST(what_is_taken_back_is_not_told)
{
	const struct core_txn_world *w = core_txn_world_of(b.core);

	owe(0, 7, "there", 0), owe(0, 7, "here", 0), owe(1, 8, "there", 0);
	mark(0);
	w->unmark(node, &txn[0].m); /* before it went */
	turn(0);
	ck_assert_uint_eq(conns, 0);
	mark(0), mark(1);
	turn(0);
	hello(last());
	w->unmark(node, &txn[0].m); /* under way */
	w->unmark(node, &txn[0].m);
	confirm(last(), RK_OK);
	ck_assert_int_eq(txn[0].said[0], UNTOLD);
	ck_assert_int_eq(txn[1].said[0], RK_OK);
}
END_TEST

START_TEST(the_end_may_come_at_any_time)
{
	owe(0, 7, "there", 0), owe(0, 7, "here", 0), owe(1, 8, "nowhere", 0), owe(2, 9, "there", 1);
	mark(0), mark(1);
	rk_timers_run(&node->timers, b.w.now_ms);
	mark(2); /* over() asserts that nothing is left */
}
END_TEST

/* --- questions */
struct question {
	struct core_verify v;
	struct core_verify_part part[2];
	int told;
};
static struct question q[4];

static void
told(struct core_verify *v)
{
	rk_of(v, struct question, v)->told++;
}

static void
ask(int i, const char *id, bool add)
{
	q[i] = (struct question){ .v = { .done = told, .transactional_id = rk_str_of(id), .producer_id = i, .add = add,
		.part = q[i].part, .count = 2 }, .part = { { .topic = rk_lit("there") }, { .topic = rk_lit("there"), 1, RK_OK } } };
	core_txn_world_of(b.core)->verify(node, &q[i].v);
}

/* Answers what was asked with an error for partition 1 of each; the transactional ids there were. */
static int
judged(struct conn *k, enum rk_err err, enum rk_err all)
{
	struct kp_add_partitions_to_txn_res res;
	int16_t version;
	int32_t id;
	struct kp_add_partitions_to_txn_req *r = heard(k, KP_ADD_PARTITIONS_TO_TXN, &id, &version);

	ck_assert_int_eq(version, 5);
	kp_defaults(&kp_add_partitions_to_txn_res_d, &res);
	res.error_code = rk_err_wire(all);
	res.results_by_transaction.at = rk_arena_get(&arena, (size_t)r->transactions.len,
	    sizeof *res.results_by_transaction.at);
	res.results_by_transaction.len = all == RK_OK ? r->transactions.len : 0;
	for (int32_t i = 0; i < res.results_by_transaction.len; i++) {
		struct kp_add_partitions_to_txn_res_results_by_transaction *o = &res.results_by_transaction.at[i];
		struct kp_add_partitions_to_txn_res_results_by_transaction_topic_results *t = rk_arena_get(&arena, 1, sizeof *t);
		ck_assert_int_eq(r->transactions.at[i].topics.len, 1);
		ck_assert_int_eq(r->transactions.at[i].topics.at[0].partitions.len, 2);
		o->transactional_id = r->transactions.at[i].transactional_id;
		t->name = rk_lit("there");
		t->results_by_partition.at = rk_arena_get(&arena, 2, sizeof *t->results_by_partition.at);
		t->results_by_partition.len = 2;
		t->results_by_partition.at[1].partition_index = 1;
		t->results_by_partition.at[1].partition_error_code = rk_err_wire(err);
		o->topic_results.at = t;
		o->topic_results.len = 1;
	}
	int32_t n = r->transactions.len;
	answer(k, KP_ADD_PARTITIONS_TO_TXN, version, id, &res);
	return n;
}

START_TEST(questions_to_one_coordinator_go_together_each_id_once)
{
	ask(0, "a", false), ask(1, "b", true), ask(2, "a", false);
	ck_assert_int_eq(q[0].told, 0);
	turn(0);
	hello(last());
	ck_assert_int_eq(judged(last(), RK_TRANSACTION_ABORTABLE, RK_OK), 2);
	ck_assert_int_eq(q[0].told, 1);
	ck_assert_int_eq(q[1].told, 1);
	ck_assert_int_eq(q[2].told, 0);
	ck_assert_int_eq(q[0].part[0].err, RK_OK);
	ck_assert_int_eq(q[0].part[1].err, RK_TRANSACTION_ABORTABLE);
	ck_assert_int_eq(judged(last(), RK_OK, RK_OK), 1);
	ck_assert_int_eq(q[2].told, 1);
	ck_assert_int_eq(q[2].part[1].err, RK_OK);
}
END_TEST

START_TEST(who_cannot_be_asked_is_told_as_such)
{
	ask(0, "a", false);
	turn(0);
	hello(last());
	broken(last());
	ck_assert_int_eq(q[0].told, 1);
	ck_assert_int_eq(q[0].part[0].err, RK_NETWORK_EXCEPTION);
	led_by(3, 0, -1);
	ask(1, "a", false);
	turn(0);
	ck_assert_int_eq(q[1].part[1].err, RK_COORDINATOR_NOT_AVAILABLE);
	topic_gone(3);
	ask(2, "a", false);
	turn(0);
	ck_assert_int_eq(q[2].part[1].err, RK_COORDINATOR_NOT_AVAILABLE);
}
END_TEST

START_TEST(what_is_between_brokers_is_not_for_clients)
{
	ask(0, "a", false);
	turn(0);
	hello(last());
	judged(last(), RK_OK, RK_CLUSTER_AUTHORIZATION_FAILED);
	ck_assert_int_eq(q[0].part[0].err, RK_INVALID_TXN_STATE);
}
END_TEST

START_TEST(a_question_taken_back_is_not_answered)
{
	const struct core_txn_world *w = core_txn_world_of(b.core);

	ask(0, "a", false), ask(1, "b", false);
	w->unverify(node, &q[0].v);
	turn(0);
	hello(last());
	w->unverify(node, &q[1].v);
	judged(last(), RK_OK, RK_OK);
	ck_assert_int_eq(q[0].told + q[1].told, 0);
}
END_TEST

START_TEST(a_coordinator_that_is_fenced_meanwhile_is_not_waited_for)
{
	ask(0, "a", false);
	turn(0);
	hello(last());
	broker_is(2, true);
	turn(500);
	ck_assert_int_eq(q[0].told, 1);
	ck_assert_int_eq(q[0].part[0].err, RK_NETWORK_EXCEPTION);
}
END_TEST

START_TEST(this_nodes_own_coordinator_is_asked_without_a_socket)
{
	led_by(3, 0, 1);
	turn(0);
	ask(0, "a", true);
	turn(0);
	ck_assert_ptr_nonnull(added);
	ck_assert_int_eq(q[0].told, 0);
	struct kp_add_partitions_to_txn_res_results_by_transaction *res = added->res;
	struct kp_add_partitions_to_txn_res_results_by_transaction_topic_results t = { .name = rk_lit("there") };
	t.results_by_partition.at = rk_arena_get(&arena, 2, sizeof *t.results_by_partition.at);
	t.results_by_partition.len = 2;
	t.results_by_partition.at[1].partition_index = 1;
	t.results_by_partition.at[1].partition_error_code = rk_err_wire(RK_CONCURRENT_TRANSACTIONS);
	res->topic_results.at = &t;
	res->topic_results.len = 1;
	added->done(added);
	ck_assert_int_eq(q[0].told, 1);
	ck_assert_int_eq(q[0].part[0].err, RK_OK);
	ck_assert_int_eq(q[0].part[1].err, RK_CONCURRENT_TRANSACTIONS);
	ask(1, "a", true);
	turn(0);
	core_txn_world_of(b.core)->unverify(node, &q[1].v);
	ck_assert_int_eq(forgotten, 1);
	ck_assert_uint_eq(conns, 0);
}
END_TEST

int
main(void)
{
	const TTest *const claim[] = { what_this_node_leads_is_written_without_a_socket,
		what_one_broker_is_owed_goes_in_one_request, a_leader_that_is_none_sends_it_to_the_next,
		whatever_may_pass_is_tried_again, a_marker_that_waits_for_replicas_holds_nobody_up,
		this_nodes_own_partitions_do_not_wait_for_each_other,
		a_coordinator_that_is_fenced_hears_of_it_and_sends_no_more,
		a_topic_that_was_deleted_is_owed_nothing, without_a_leader_it_waits_for_one, a_connection_that_breaks_is_made_again,
		nobody_waits_for_a_broker_that_is_fenced, what_is_taken_back_is_not_told, the_end_may_come_at_any_time,
		questions_to_one_coordinator_go_together_each_id_once,
		who_cannot_be_asked_is_told_as_such, what_is_between_brokers_is_not_for_clients,
		a_question_taken_back_is_not_answered, a_coordinator_that_is_fenced_meanwhile_is_not_waited_for,
		this_nodes_own_coordinator_is_asked_without_a_socket };

	return broker_claims("node_txn", claim, rk_countof(claim), begin, over);
}
