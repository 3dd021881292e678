/* t_api_txn.c - claims about requests to the coordinator of transactional ids: their shapes, what is refused before it
 * is asked, and calls that wait. Markers are written at once here. */
#include "protocol/gen/add_offsets_to_txn.h"
#include "protocol/gen/add_partitions_to_txn.h"
#include "protocol/gen/describe_transactions.h"
#include "protocol/gen/end_txn.h"
#include "protocol/gen/init_producer_id.h"
#include "protocol/gen/list_transactions.h"
#include "src/api/handlers.h"
#include "src/core/txn_in.h"
#include "tests/core_help.h"

enum { WAITS = -100, MINUTE = 60000 };

static struct api_shared shared;
static struct api_call call;
static struct core_coord *coord;
static int finished;
static int64_t next_id;

static struct kp_init_producer_id_req iq;
static struct kp_init_producer_id_res ir;
static struct kp_add_partitions_to_txn_req aq;
static struct kp_add_partitions_to_txn_res ar;
static struct kp_add_offsets_to_txn_req oq;
static struct kp_add_offsets_to_txn_res or;
static struct kp_end_txn_req eq;
static struct kp_end_txn_res er;
static struct kp_describe_transactions_res dr;
static struct kp_list_transactions_req lq;
static struct kp_list_transactions_res lr;

static enum rk_err
world_id(void *arg, int64_t *id)
{
	(void)arg;
	*id = next_id++;
	return RK_OK;
}

static enum rk_err
plain_id(struct api_shared *s, int64_t *id)
{
	(void)s;
	*id = 77;
	return RK_OK;
}

static struct core_marker *marker;

static void
mark(void *arg, struct core_marker *m)
{
	(void)arg;
	marker = m;
}

static void
unmark(void *arg, struct core_marker *m)
{
	(void)arg;
	(void)m;
	marker = NULL;
}

static void
verify(void *arg, struct core_verify *v)
{
	(void)arg;
	(void)v;
}

static void
attach(struct core *c)
{
	static const struct core_txn_world w = { NULL, world_id, mark, unmark, verify, verify };

	coord = core_coord_new(c, core_txn_kind());
	core_txn_world(c, &w);
}

static void
heard_finish(struct api_call *c)
{
	ck_assert_ptr_eq(c, &call);
	finished++;
}

static void
go(void)
{
	for (int i = 0; i < 3; i++) {
		settle();
		pass(1);
		for (int32_t k = 0; marker != NULL && k < marker->count; k++) {
			struct core_marker *m = marker;
			if (k == m->count - 1)
				marker = NULL;
			core_marked(m, k, RK_OK);
			if (marker == NULL)
				break;
		}
	}
}

static void
begin(void)
{
	marker = NULL;
	next_id = 10;
	broker_made = attach;
	broker_begin();
	topic_is("t", 1, 2);
	topic_is("__transaction_state", 2, 4);
	topic_is("__consumer_offsets", 3, 8);
	go();
	shared = (struct api_shared){ .env = &b.w.env, .conf = t_conf, .core = b.core, .txns = coord,
		.timers = &b.timers, .node_id = 1, .producer_id = plain_id };
	api_on_finish = heard_finish;
	memset(&call, 0, sizeof call);
	memset(&iq, 0, sizeof iq);
	memset(&aq, 0, sizeof aq);
	meta_view_begin(t_image, &call.view);
}

static void
over(void)
{
	meta_view_end(&call.view);
	rk_arena_free(&call.arena);
	broker_end();
	broker_made = NULL;
}

static void
ask(int version, void *res)
{
	rk_arena_free(&call.arena);
	rk_arena_init(&call.arena, 64 << 20);
	call.shared = &shared;
	call.head.version = (int16_t)version;
	call.now_ms = b.w.now_ms;
	call.wall_ms = b.w.wall_ms;
	call.res = res;
	call.abandon = NULL;
	finished = 0;
}

static void
ends(enum api_fate fate)
{
	ck_assert(fate == API_NOW || fate == API_LATER);
	ck_assert_int_eq(finished, 0);
	go();
	ck_assert_int_eq(finished, fate == API_LATER);
	ck_assert_ptr_null(call.abandon);
}

static int
init(const char *id, int version, int timeout_ms, int64_t producer, int epoch)
{
	ask(version, &ir);
	kp_defaults(&kp_init_producer_id_res_d, &ir);
	iq = (struct kp_init_producer_id_req){ .transactional_id = id == NULL ? RK_STR_NULL : rk_str_of(id),
		.transaction_timeout_ms = timeout_ms, .producer_id = producer, .producer_epoch = (int16_t)epoch };
	ends(api_init_producer_id(&call, &iq, &ir));
	return ir.error_code;
}

/* As producers ask: partition 0 of "t", and another of a topic. */
static enum api_fate
asks_add(int version, const char *other, int32_t index)
{
	static int32_t part[2];
	static struct kp_add_partitions_to_txn_req_v3_and_below_topics t[2];

	ask(version, &ar);
	kp_defaults(&kp_add_partitions_to_txn_res_d, &ar);
	part[1] = index;
	t[0] = (struct kp_add_partitions_to_txn_req_v3_and_below_topics){ rk_lit("t"), { &part[0], 1 } };
	t[1] = (struct kp_add_partitions_to_txn_req_v3_and_below_topics){ rk_str_of(other), { &part[1], 1 } };
	aq = (struct kp_add_partitions_to_txn_req){ .v3_and_below_transactional_id = rk_lit("x"),
		.v3_and_below_producer_id = 10, .v3_and_below_topics = { t, 2 } };
	return api_add_partitions_to_txn(&call, &aq, &ar);
}

static int
producers_row(int i)
{
	ck_assert_int_eq(ar.results_by_transaction.len, 0);
	ck_assert_int_eq(ar.results_by_topic_v3_and_below.len, 2);
	ck_assert_int_eq(ar.results_by_topic_v3_and_below.at[i].results_by_partition.len, 1);
	return ar.results_by_topic_v3_and_below.at[i].results_by_partition.at[0].partition_error_code;
}

static int
state(const char *id)
{
	struct core_shard *s;

	ck_assert_int_eq(core_coord_find(coord, rk_str_of(id), &s), RK_OK);
	struct core_txn *t = core_txn_get(core_shard_state(s), rk_str_of(id));
	return t == NULL ? -1 : (int)t->now.state;
}

START_TEST(a_producer_without_a_transactional_id_needs_no_coordinator)
{
	shared.txns = NULL;
	ck_assert_int_eq(init(NULL, 4, 0, -1, -1), 0);
	ck_assert_int_eq(ir.producer_id, 77);
	ck_assert_int_eq(init("x", 4, MINUTE, -1, -1), rk_err_wire(RK_COORDINATOR_NOT_AVAILABLE));
}
END_TEST

START_TEST(odd_initialisations_are_refused)
{
	ck_assert_int_eq(init("", 4, MINUTE, -1, -1), rk_err_wire(RK_INVALID_REQUEST));
	ck_assert_int_eq(init("x", 4, 0, -1, -1), rk_err_wire(RK_INVALID_TRANSACTION_TIMEOUT));
	ck_assert_int_eq(init("x", 4, t_conf->transaction_max_timeout_ms + 1, -1, -1),
	    rk_err_wire(RK_INVALID_TRANSACTION_TIMEOUT));
	ck_assert_int_eq(init("x", 4, MINUTE, 5, -1), rk_err_wire(RK_INVALID_REQUEST));
	ck_assert_int_eq(init("x", 4, MINUTE, -1, 5), rk_err_wire(RK_INVALID_REQUEST));
	ck_assert_int_eq(ir.producer_id, -1);
	ck_assert_int_eq(ir.producer_epoch, -1);
	ck_assert_int_eq(state("x"), -1);
}
END_TEST

START_TEST(a_fenced_producer_hears_a_word_it_knows)
{
	ck_assert_int_eq(init("x", 5, MINUTE, -1, -1), 0);
	ck_assert_int_eq(init("x", 5, MINUTE, 10, 9), rk_err_wire(RK_PRODUCER_FENCED));
	ck_assert_int_eq(init("x", 4, MINUTE, 10, 9), rk_err_wire(RK_PRODUCER_FENCED));
	ck_assert_int_eq(init("x", 3, MINUTE, 10, 9), rk_err_wire(RK_INVALID_PRODUCER_EPOCH));
}
END_TEST

START_TEST(a_producers_answer_has_its_own_shape)
{
	ck_assert_int_eq(init("x", 1, MINUTE, -1, -1), 0);
	for (int v = 0; v <= 3; v++) { /* the first waits for its record, the others find all there */
		ends(asks_add(v, "t", 1));
		ck_assert_int_eq(producers_row(0), 0);
		ck_assert_int_eq(producers_row(1), 0);
	}
	ck_assert_int_eq(state("x"), CORE_TXN_ONGOING);
}
END_TEST

START_TEST(a_partition_that_is_not_there_spoils_all)
{
	init("x", 4, MINUTE, -1, -1);
	ends(asks_add(3, "t", 2));
	ck_assert_int_eq(producers_row(0), rk_err_wire(RK_OPERATION_NOT_ATTEMPTED));
	ck_assert_int_eq(producers_row(1), rk_err_wire(RK_UNKNOWN_TOPIC_OR_PARTITION));
	ends(asks_add(3, "nowhere", 0));
	ck_assert_int_eq(producers_row(0), rk_err_wire(RK_OPERATION_NOT_ATTEMPTED));
	ck_assert_int_eq(producers_row(1), rk_err_wire(RK_UNKNOWN_TOPIC_OR_PARTITION));
	ends(asks_add(3, "__transaction_state", 0)); /* nor is that for producers */
	ck_assert_int_eq(producers_row(0), rk_err_wire(RK_OPERATION_NOT_ATTEMPTED));
	ck_assert_int_eq(producers_row(1), rk_err_wire(RK_TOPIC_AUTHORIZATION_FAILED));
	ends(asks_add(3, "t", -1));
	ck_assert_int_eq(producers_row(1), rk_err_wire(RK_UNKNOWN_TOPIC_OR_PARTITION));
	ck_assert_int_eq(state("x"), CORE_TXN_EMPTY);
}
END_TEST

START_TEST(brokers_ask_for_many_at_once)
{
	int32_t part[] = { 0, 1 };
	struct kp_add_partitions_to_txn_req_transactions_topics t = { rk_lit("t"), { part, 2 } };
	struct kp_add_partitions_to_txn_req_transactions all[] = {
		{ rk_lit("x"), 10, 0, false, { &t, 1 } }, { rk_lit("nobody"), 10, 0, false, { &t, 1 } },
		{ rk_lit("y"), 11, 0, false, { &t, 1 } }, { rk_lit(""), 11, 0, false, { &t, 1 } },
		{ rk_lit("y"), 11, 0, true, { NULL, 0 } } };
	static const int want[] = { 0, 49, 0, 42 };

	init("x", 4, MINUTE, -1, -1);
	init("y", 4, MINUTE, -1, -1);
	ask(5, &ar);
	kp_defaults(&kp_add_partitions_to_txn_res_d, &ar);
	aq = (struct kp_add_partitions_to_txn_req){ .transactions = { all, 5 } };
	ends(api_add_partitions_to_txn(&call, &aq, &ar));
	ck_assert_int_eq(ar.results_by_transaction.len, 5);
	ck_assert_int_eq(ar.results_by_topic_v3_and_below.len, 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(ar.results_by_transaction.at[i].topic_results.len, 1);
		for (int k = 0; k < 2; k++)
			ck_assert_int_eq(ar.results_by_transaction.at[i].topic_results.at[0].results_by_partition.at[k]
			    .partition_error_code, want[i]);
	}
	ck_assert_int_eq(state("x"), CORE_TXN_ONGOING);
	ck_assert_int_eq(state("y"), CORE_TXN_ONGOING);
	aq.transactions.len = 0;
	ask(5, &ar);
	ends(api_add_partitions_to_txn(&call, &aq, &ar));
	ck_assert_int_eq(ar.results_by_transaction.len, 0);
}
END_TEST

START_TEST(a_connection_that_ends_is_not_answered_twice)
{
	init("x", 4, MINUTE, -1, -1);
	ck_assert_int_eq(asks_add(3, "t", 1), API_LATER);
	ck_assert_ptr_nonnull(call.abandon);
	call.abandon(&call);
	ck_assert_int_eq(finished, 1);
	go();
	ck_assert_int_eq(finished, 1);
	ck_assert_int_eq(state("x"), CORE_TXN_ONGOING);
}
END_TEST

START_TEST(offsets_are_added_by_their_groups_place)
{
	struct core_shard *s;

	init("x", 4, MINUTE, -1, -1);
	ask(3, &or);
	kp_defaults(&kp_add_offsets_to_txn_res_d, &or);
	oq = (struct kp_add_offsets_to_txn_req){ rk_lit("x"), 10, 0, rk_lit("g") };
	ends(api_add_offsets_to_txn(&call, &oq, &or));
	ck_assert_int_eq(or.error_code, 0);
	ck_assert_int_eq(core_coord_find(coord, rk_lit("x"), &s), RK_OK);
	ck_assert(core_txn_has(core_txn_get(core_shard_state(s), rk_lit("x"))->now.parts, rk_lit("__consumer_offsets"), 7));
	oq.transactional_id = rk_lit("");
	ask(3, &or);
	ends(api_add_offsets_to_txn(&call, &oq, &or));
	ck_assert_int_eq(or.error_code, rk_err_wire(RK_INVALID_REQUEST));
}
END_TEST

START_TEST(an_end_tells_how_the_next_one_begins)
{
	init("x", 4, MINUTE, -1, -1);
	ends(asks_add(3, "t", 1));
	for (int i = 0; i < 2; i++) { /* the second is a retry */
		ask(5, &er);
		kp_defaults(&kp_end_txn_res_d, &er);
		eq = (struct kp_end_txn_req){ rk_lit("x"), 10, 0, true };
		ends(api_end_txn(&call, &eq, &er));
		ck_assert_int_eq(er.error_code, 0);
		ck_assert_int_eq(er.producer_id, 10);
		ck_assert_int_eq(er.producer_epoch, 1);
		go();
	}
	eq.transactional_id = rk_lit("");
	ask(5, &er);
	ends(api_end_txn(&call, &eq, &er));
	ck_assert_int_eq(er.error_code, rk_err_wire(RK_INVALID_REQUEST));
	ck_assert_int_eq(er.producer_epoch, -1);
}
END_TEST

START_TEST(transactional_ids_are_described)
{
	struct rk_str id[] = { rk_lit("x"), rk_lit("nobody"), rk_lit("") };
	struct kp_describe_transactions_req q = { { id, 3 } };

	init("x", 4, MINUTE, -1, -1);
	ends(asks_add(3, "t", 1));
	ask(0, &dr);
	kp_defaults(&kp_describe_transactions_res_d, &dr);
	ends(api_describe_transactions(&call, &q, &dr));
	ck_assert_int_eq(dr.transaction_states.len, 3);
	ck_assert(rk_str_is(dr.transaction_states.at[0].transaction_state, "Ongoing"));
	ck_assert_int_eq(dr.transaction_states.at[0].topics.at[0].partitions.len, 2);
	ck_assert_int_eq(dr.transaction_states.at[1].error_code, rk_err_wire(RK_TRANSACTIONAL_ID_NOT_FOUND));
	ck_assert_int_eq(dr.transaction_states.at[2].error_code, rk_err_wire(RK_INVALID_REQUEST));
}
END_TEST

static int
listed(const char *state_name, int64_t producer, int64_t duration, const char *pattern)
{
	static struct rk_str name;
	static int64_t id;

	name = rk_str_of(state_name);
	id = producer;
	lq = (struct kp_list_transactions_req){ .state_filters = { &name, state_name == NULL ? 0 : 1 },
		.producer_id_filters = { &id, producer < 0 ? 0 : 1 }, .duration_filter = duration,
		.transactional_id_pattern = rk_str_of(pattern) };
	ask(2, &lr);
	kp_defaults(&kp_list_transactions_res_d, &lr);
	ends(api_list_transactions(&call, &lq, &lr));
	return lr.error_code != 0 ? -lr.error_code : lr.transaction_states.len;
}

START_TEST(transactional_ids_are_listed_by_what_is_wanted)
{
	init("x", 4, MINUTE, -1, -1);
	init("other.1", 4, MINUTE, -1, -1);
	ends(asks_add(3, "t", 1));
	ck_assert_int_eq(listed(NULL, -1, -1, NULL), 2);
	ck_assert_int_eq(listed("Ongoing", -1, -1, NULL), 1);
	ck_assert(rk_str_is(lr.transaction_states.at[0].transactional_id, "x"));
	ck_assert_int_eq(listed("Dead", -1, -1, NULL), 0);
	ck_assert_int_eq(lr.unknown_state_filters.len, 0);
	ck_assert_int_eq(listed("ongoing", -1, -1, NULL), 0);
	ck_assert_int_eq(lr.unknown_state_filters.len, 1);
	ck_assert_int_eq(listed(NULL, 11, -1, NULL), 1);
	ck_assert_int_eq(listed(NULL, 12, -1, NULL), 0);
	ck_assert_int_eq(listed("Ongoing", -1, 1000, NULL), 0);
	pass(1001);
	ck_assert_int_eq(listed("Ongoing", -1, 1000, NULL), 1);
	ck_assert_int_eq(listed(NULL, -1, -1, "other\\.[0-9]"), 1);
	ck_assert_int_eq(listed(NULL, -1, -1, "other"), 0);
	ck_assert_int_eq(listed(NULL, -1, -1, ""), 2);
	ck_assert_int_eq(listed(NULL, -1, -1, "["), -rk_err_wire(RK_INVALID_REGULAR_EXPRESSION));
}
END_TEST

int
main(void)
{
	const TTest *all[] = { a_producer_without_a_transactional_id_needs_no_coordinator, odd_initialisations_are_refused,
		a_fenced_producer_hears_a_word_it_knows, a_producers_answer_has_its_own_shape,
		a_partition_that_is_not_there_spoils_all, brokers_ask_for_many_at_once,
		a_connection_that_ends_is_not_answered_twice, offsets_are_added_by_their_groups_place,
		an_end_tells_how_the_next_one_begins, transactional_ids_are_described,
		transactional_ids_are_listed_by_what_is_wanted };

	return broker_claims("api_txn", all, rk_countof(all), begin, over);
}
