/* t_core_txn.c - claims about the coordinator of transactional ids: who may begin, add and end, what outlives it, and
 * the bytes it writes. The world here notes which markers it is asked for, and the test says when they are written. */
#include <check.h>
#include "protocol/gen/add_offsets_to_txn.h"
#include "protocol/gen/add_partitions_to_txn.h"
#include "protocol/gen/describe_transactions.h"
#include "protocol/gen/end_txn.h"
#include "protocol/gen/init_producer_id.h"
#include "protocol/gen/list_transactions.h"
#include "protocol/gen/metadata_records.h"
#include "base/mem.h"
#include "src/core/txn_in.h"
#include "tests/core_help.h"

enum { WAITS = -100, TV0 = 3, TV2 = 5, MINUTE = 60000 };

static struct core_coord *coord;
static struct core_marker *marked;  /* what the world has been asked for and not done */
static int marks, unmarks;
static int64_t next_id;
static enum rk_err ids_err;

/* Who asked last, and what it was told. */
static struct core_txn_asker asker;
static bool waits, told;
static struct rk_arena arena;
static struct kp_init_producer_id_res inited;
static struct kp_end_txn_res ended;
static struct kp_add_offsets_to_txn_res offsets;
static struct kp_add_partitions_to_txn_res_results_by_transaction added;
static struct kp_add_partitions_to_txn_res_results_by_transaction_topic_results topic;
static struct kp_add_partitions_to_txn_res_results_by_transaction_topic_results_results_by_partition row[8];

static enum rk_err
producer_id(void *arg, int64_t *id)
{
	(void)arg;
	*id = next_id++;
	return ids_err;
}

static void
mark(void *arg, struct core_marker *m)
{
	(void)arg;
	ck_assert_ptr_null(marked);
	marked = m;
	marks++;
}

static void
unmark(void *arg, struct core_marker *m)
{
	(void)arg;
	ck_assert_ptr_eq(marked, m);
	marked = NULL;
	unmarks++;
}

static void
verify(void *arg, struct core_verify *v)
{
	(void)arg;
	(void)v;
	ck_abort_msg("a coordinator verifies nothing");
}

static void
attach(struct core *core)
{
	struct core_txn_world w = { NULL, producer_id, mark, unmark, verify, verify };

	coord = core_coord_new(core, core_txn_kind());
	core_txn_world(core, &w);
	marked = NULL;
}

static void
version_is(int16_t level)
{
	struct kp_feature_level_record r = { rk_lit("transaction.version"), level };

	committed(KP_FEATURE_LEVEL_RECORD, &r);
}

static void
go(void)
{
	for (int i = 0; i < 3; i++) {
		settle();
		pass(1);
	}
}

static void
begin(void)
{
	marks = unmarks = 0;
	next_id = 10;
	ids_err = RK_OK;
	waits = told = false;
	broker_made = attach;
	broker_begin();
	rk_arena_init(&arena, 16 << 20);
	topic_of("__transaction_state", 1, 4, (const int32_t[]){1}, 1);
	version_is(2);
	go();
}

static void
over(void)
{
	broker_end();
	rk_arena_free(&arena);
	broker_made = NULL;
}

static struct core_shard *
shard(void)
{
	struct core_shard *s;

	ck_assert_int_eq(core_coord_find(coord, rk_lit("x"), &s), RK_OK);
	return s;
}

static struct core_txn *
txn(void)
{
	return core_txn_get(core_shard_state(shard()), rk_lit("x"));
}

static void
answered(struct core_txn_asker *a)
{
	ck_assert(a == &asker && waits && !told);
	told = true;
	waits = false;
}

static void
ask(int version)
{
	ck_assert(!waits);
	told = false;
	waits = true;
	asker = (struct core_txn_asker){ .done = answered, .arena = &arena, .version = (int16_t)version };
}

static int
code_of(bool kept, const int16_t *code)
{
	if (kept)
		go();
	else
		waits = false;
	return waits ? WAITS : *code;
}

static int
init_as(int64_t id, int epoch)
{
	struct kp_init_producer_id_req q;

	ask(5);
	kp_defaults(&kp_init_producer_id_req_d, &q);
	kp_defaults(&kp_init_producer_id_res_d, &inited);
	q.transactional_id = rk_lit("x");
	q.transaction_timeout_ms = MINUTE;
	q.producer_id = id;
	q.producer_epoch = (int16_t)epoch;
	return code_of(core_txn_init(shard(), &asker, &q, &inited), &inited.error_code);
}

static int
init(void)
{
	return init_as(-1, -1);
}

static bool
asks_add(int64_t id, int epoch, int version, int count, bool verify_only)
{
	static int32_t part[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	struct kp_add_partitions_to_txn_req_transactions_topics t = { rk_lit("t"), { part, count } };
	struct kp_add_partitions_to_txn_req_transactions q = { rk_lit("x"), id, (int16_t)epoch, verify_only, { &t, 1 } };

	ask(version);
	for (int i = 0; i < count; i++)
		row[i].partition_index = i, row[i].partition_error_code = 0;
	topic.name = rk_lit("t");
	topic.results_by_partition.at = row;
	topic.results_by_partition.len = count;
	added.topic_results.at = &topic;
	added.topic_results.len = 1;
	return core_txn_add(shard(), &asker, &q, &added);
}

static int
add(int64_t id, int epoch, int version, int count)
{
	return code_of(asks_add(id, epoch, version, count, false), &row[0].partition_error_code);
}

static bool
asks_end(int64_t id, int epoch, bool commit, int version)
{
	struct kp_end_txn_req q = { rk_lit("x"), id, (int16_t)epoch, commit };

	ask(version);
	kp_defaults(&kp_end_txn_res_d, &ended);
	return core_txn_end(shard(), &asker, &q, &ended);
}

static int
end(int64_t id, int epoch, bool commit, int version)
{
	return code_of(asks_end(id, epoch, commit, version), &ended.error_code);
}

static void
write_markers(void)
{
	struct core_marker *m = marked;

	ck_assert_ptr_nonnull(m);
	marked = NULL;
	int32_t n = m->count;
	for (int32_t i = 0; i < n; i++)
		core_marked(m, i, RK_OK);
	go();
}

static void
state_is(enum core_txn_state s, int64_t id, int epoch)
{
	ck_assert_int_eq(txn()->now.state, s);
	ck_assert_int_eq(txn()->now.producer_id, id);
	ck_assert_int_eq(txn()->now.epoch, epoch);
}

static void
restart(void)
{
	broker_crash();
	go(), go();
}

static void
hex_is(struct rk_str bytes, const char *hex)
{
	char text[512], *to = text;

	ck_assert_int_lt(bytes.len, 250);
	for (int32_t i = 0; i < bytes.len; i++)
		to += sprintf(to, "%02x", (uint8_t)bytes.at[i]);
	ck_assert_str_eq(text, hex);
}

/* --- bytes: as Apache Kafka 4.3.0 wrote them */
START_TEST(a_record_is_byte_equal_to_Kafkas)
{
	struct core_marker_part part[] = { { rk_lit("t"), 0, false }, { rk_lit("t"), 1, false } };
	struct core_txn_values v = { .producer_id = 0, .previous_id = 0, .next_id = -1, .timeout_ms = 60000,
		.update_ms = 0x1a224e5bd01, .start_ms = -1, .state = CORE_TXN_EMPTY };
	struct kp_pair r = core_txn_record(rk_lit("tv2"), &v, 2, &arena);

	hex_is(r.key, "00000003747632");
	hex_is(r.value, "0001000000000000000000000000ea600000000001a224e5bd01ffffffffffffffff0100080000000000000000");
	v.parts = core_txn_join(NULL, part, 2);
	v.state = CORE_TXN_PREPARE_COMMIT;
	v.epoch = 1;
	v.update_ms = 0x1a224e5bd4c;
	v.start_ms = 0x1a224e5bd32;
	v.version = 2;
	r = core_txn_record(rk_lit("tv2"), &v, 1, &arena);
	hex_is(r.value, "0001000000000000000000010000ea600202027403000000010000000000000001a224e5bd4c000001a224e5bd3202"
	    "0008000000000000000002020002");
	r = core_txn_record(rk_lit("tv2"), &v, 0, &arena);
	hex_is(r.value, "0000000000000000000000010000ea6002000000010001740000000200000001000000000000"
	    "01a224e5bd4c000001a224e5bd32");
	rk_mem_put(v.parts);
}
END_TEST

START_TEST(partitions_stand_as_in_Kafkas_sets)
{
	struct core_txn_parts *p = NULL, *old;
	static const struct { const char *topic; int count; int32_t part[12]; } add[] = {
		{ "tt", 12, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 } }, { "aa", 2, { 2, 0 } },
		{ "longer.topic-name", 3, { 0, 1, 2 } } };
	int32_t n;

	for (size_t i = 0; i < rk_countof(add); i++) {
		struct core_marker_part part[12];
		for (int k = 0; k < add[i].count; k++)
			part[k] = (struct core_marker_part){ .topic = rk_str_of(add[i].topic), .partition = add[i].part[k] };
		old = p;
		p = core_txn_join(old, part, add[i].count);
		rk_mem_put(old);
	}
	ck_assert_int_eq(p->count, 17);
	struct core_txn_topic *t = core_txn_topics(p, &arena, &n);
	ck_assert_int_eq(n, 3);
	ck_assert(rk_str_is(t[0].name, "tt") && rk_str_is(t[1].name, "aa"));
	ck_assert(t[0].partition[0] == 1 && t[0].partition[1] == 0 && t[0].partition[2] == 11 && t[0].partition[11] == 2);
	ck_assert(t[1].partition[0] == 0 && t[1].partition[1] == 2);
	ck_assert(t[2].partition[0] == 2 && t[2].partition[2] == 0);
	for (int i = 0; i < 12; i++)
		ck_assert(core_txn_has(p, rk_lit("tt"), i) && !core_txn_has(p, rk_lit("aa"), i + 3));
	old = p;
	struct core_marker_part twice[] = { { rk_lit("aa"), 0, false }, { rk_lit("bb"), 0, false },
		{ rk_lit("bb"), 0, false } };
	p = core_txn_join(old, twice, 3);
	ck_assert_int_eq(p->count, 18);
	rk_mem_put(old);
	rk_mem_put(p);
}
END_TEST

START_TEST(a_record_is_read_as_it_was_written)
{
	struct core_marker_part part[] = { { rk_lit("t"), 0, false }, { rk_lit("u"), 7, false } };
	struct core_txn_values v = { .producer_id = 5, .previous_id = 4, .next_id = 6, .timeout_ms = 1, .update_ms = 2,
		.start_ms = 3, .epoch = INT16_MAX, .version = 2, .state = CORE_TXN_PREPARE_ABORT };
	struct core_txn_values w;
	struct rk_str id;
	bool gone;

	v.parts = core_txn_join(NULL, part, 2);
	struct kp_pair r = core_txn_record(rk_lit("tv2"), &v, 1, &arena);
	ck_assert(core_txn_read(r.key, r.value, &arena, &id, &gone, &w) && !gone && rk_str_is(id, "tv2"));
	ck_assert(w.producer_id == 5 && w.previous_id == 4 && w.next_id == 6 && w.epoch == INT16_MAX && w.last_epoch == -1);
	ck_assert(w.state == v.state && w.version == 2 && w.start_ms == 3 && w.update_ms == 2 && w.timeout_ms == 1);
	ck_assert(core_txn_has(w.parts, rk_lit("u"), 7) && w.parts->count == 2);
	rk_mem_put(w.parts);
	ck_assert(core_txn_read(r.key, RK_STR_NULL, &arena, &id, &gone, &w) && gone);
	for (int32_t n = 0; n < r.value.len; n++) /* a cut one is none */
		ck_assert(!core_txn_read(r.key, (struct rk_str){ r.value.at, n }, &arena, &id, &gone, &w));
	for (int32_t n = 0; n < r.key.len; n++)
		ck_assert(!core_txn_read((struct rk_str){ r.key.at, n }, r.value, &arena, &id, &gone, &w));
	rk_mem_put(v.parts);
}
END_TEST

/* --- the life of a transaction */
START_TEST(a_new_transactional_id_gets_a_producer_id)
{
	ck_assert_int_eq(init(), 0);
	ck_assert_int_eq(inited.producer_id, 10);
	ck_assert_int_eq(inited.producer_epoch, 0);
	ck_assert_int_eq(init(), 0);
	ck_assert_int_eq(inited.producer_id, 10);
	ck_assert_int_eq(inited.producer_epoch, 1);
	restart();
	state_is(CORE_TXN_EMPTY, 10, 1);
}
END_TEST

START_TEST(without_producer_ids_the_client_comes_again)
{
	ids_err = RK_COORDINATOR_LOAD_IN_PROGRESS;
	ck_assert_int_eq(init(), rk_err_wire(RK_COORDINATOR_LOAD_IN_PROGRESS));
	ck_assert_int_eq(inited.producer_id, -1);
	ck_assert_ptr_null(txn());
}
END_TEST

START_TEST(nothing_is_answered_before_it_is_stable)
{
	ck_assert_int_eq(init(), 0);
	ck_assert(asks_add(10, 0, TV2, 2, false));
	ck_assert(!told);
	state_is(CORE_TXN_EMPTY, 10, 0);
	core_txn_forget(&asker);
	waits = false;
	ck_assert_int_eq(init(), rk_err_wire(RK_CONCURRENT_TRANSACTIONS)); /* meanwhile */
	go();
	state_is(CORE_TXN_ONGOING, 10, 0);
}
END_TEST

START_TEST(a_transaction_is_committed_with_markers_of_a_raised_epoch)
{
	init();
	ck_assert_int_eq(add(10, 0, TV2, 2), 0);
	ck_assert_int_eq(end(10, 0, true, TV2), 0);
	ck_assert_int_eq(ended.producer_id, 10);
	ck_assert_int_eq(ended.producer_epoch, 1);
	ck_assert_ptr_nonnull(marked);
	ck_assert(marked->commit && marked->count == 2 && marked->left == 2);
	ck_assert(marked->producer_id == 10 && marked->producer_epoch == 1 && marked->transaction_version == 2);
	state_is(CORE_TXN_PREPARE_COMMIT, 10, 1);
	ck_assert_int_eq(end(10, 0, true, TV2), rk_err_wire(RK_CONCURRENT_TRANSACTIONS));
	ck_assert_int_eq(init(), rk_err_wire(RK_CONCURRENT_TRANSACTIONS));
	write_markers();
	state_is(CORE_TXN_COMPLETE_COMMIT, 10, 1);
	ck_assert_ptr_null(txn()->now.parts);
	ck_assert_int_eq(add(10, 1, TV2, 1), 0);
	state_is(CORE_TXN_ONGOING, 10, 1);
}
END_TEST

START_TEST(markers_leave_when_the_decision_is_stable_and_not_before)
{
	init();
	add(10, 0, TV2, 2);
	ck_assert(asks_end(10, 0, true, TV2));
	ck_assert_ptr_null(marked);
	ck_assert(!told);
	go();
	ck_assert_ptr_nonnull(marked);
	ck_assert(told);
}
END_TEST

START_TEST(a_transaction_is_complete_when_every_marker_is_written)
{
	init();
	add(10, 0, TV2, 3);
	end(10, 0, true, TV2);
	struct core_marker *m = marked;
	core_marked(m, 2, RK_OK);
	core_marked(m, 0, RK_OK);
	go();
	state_is(CORE_TXN_PREPARE_COMMIT, 10, 1);
	core_marked(m, 1, RK_OK);
	marked = NULL;
	go();
	state_is(CORE_TXN_COMPLETE_COMMIT, 10, 1);
}
END_TEST

START_TEST(who_adds_while_markers_are_written_waits_for_them)
{
	init();
	add(10, 0, TV2, 2);
	end(10, 0, true, TV2);
	ck_assert_int_eq(add(10, 1, TV2, 1), WAITS);
	write_markers();
	ck_assert(told);
	ck_assert_int_eq(row[0].partition_error_code, 0);
	state_is(CORE_TXN_ONGOING, 10, 1);
	ck_assert_int_eq(txn()->now.parts->count, 1);
	restart();
	state_is(CORE_TXN_ONGOING, 10, 1);
}
END_TEST

START_TEST(but_not_for_long)
{
	init();
	add(10, 0, TV2, 2);
	end(10, 0, true, TV2);
	ck_assert_int_eq(add(10, 1, TV2, 1), WAITS);
	pass(150), go();
	ck_assert(!told);
	pass(50), go();
	ck_assert(told);
	ck_assert_int_eq(row[0].partition_error_code, rk_err_wire(RK_CONCURRENT_TRANSACTIONS));
	ck_assert_int_eq(add(10, 1, TV2, 1), WAITS);
	core_txn_forget(&asker); /* or the connection ends */
	write_markers();
	ck_assert(!told);
	state_is(CORE_TXN_COMPLETE_COMMIT, 10, 1);
}
END_TEST

static int seconds; /* answers */

static void
second_answered(struct core_txn_asker *a)
{
	(void)a;
	seconds++;
}

START_TEST(adds_that_come_together_are_one_record)
{
	struct core_txn_asker other[3];
	struct kp_add_partitions_to_txn_res_results_by_transaction res[3];
	int32_t part[] = { 1, 5, 6 };

	init();
	seconds = 0;
	ck_assert(asks_add(10, 0, TV2, 2, false));
	int64_t end_before = core_end(core_shard_partition(shard()));
	for (int i = 0; i < 3; i++) {
		struct kp_add_partitions_to_txn_req_transactions_topics t = { rk_lit("t"), { &part[i], 1 } };
		struct kp_add_partitions_to_txn_req_transactions q = { rk_lit("x"), 10, i == 2 ? 7 : 0, false, { &t, 1 } };
		other[i] = (struct core_txn_asker){ .done = second_answered, .arena = &arena, .version = TV2 };
		memset(&res[i], 0, sizeof res[i]);
		ck_assert(core_txn_add(shard(), &other[i], &q, &res[i]));
	}
	go();
	ck_assert_int_eq(seconds, 3);
	ck_assert_int_eq(res[0].topic_results.at[0].results_by_partition.at[0].partition_error_code, 0);
	ck_assert_int_eq(res[1].topic_results.at[0].results_by_partition.at[0].partition_error_code, 0);
	ck_assert_int_eq(res[2].topic_results.at[0].results_by_partition.at[0].partition_error_code,
	    rk_err_wire(RK_PRODUCER_FENCED));
	ck_assert_int_eq(txn()->now.parts->count, 3); /* 0, 1, 5 */
	ck_assert_int_eq(core_end(core_shard_partition(shard())), end_before + 1);
}
END_TEST

START_TEST(who_waits_to_add_hears_that_the_coordinator_is_lost)
{
	init();
	add(10, 0, TV2, 2);
	end(10, 0, true, TV2);
	ck_assert_int_eq(add(10, 1, TV2, 1), WAITS);
	topic_gone(1);
	pass(1);
	ck_assert(told);
	ck_assert_int_eq(row[0].partition_error_code, rk_err_wire(RK_NOT_COORDINATOR));
}
END_TEST

START_TEST(an_EndTxn_sent_twice_is_answered_twice)
{
	init();
	add(10, 0, TV2, 1);
	end(10, 0, true, TV2);
	write_markers();
	ck_assert_int_eq(end(10, 0, true, TV2), 0);
	ck_assert_int_eq(ended.producer_epoch, 1);
	ck_assert_int_eq(end(10, 0, false, TV2), rk_err_wire(RK_INVALID_TXN_STATE));
	ck_assert_int_eq(marks, 1);
	add(10, 1, TV2, 1);
	ck_assert_int_eq(end(10, 0, true, TV2), rk_err_wire(RK_PRODUCER_FENCED)); /* the next has begun */
	ck_assert_int_eq(ended.producer_epoch, -1);
}
END_TEST

START_TEST(before_version_2_the_epoch_stays)
{
	init();
	ck_assert_int_eq(add(10, 0, TV0, 1), 0);
	ck_assert_int_eq(end(10, 0, false, TV0), 0);
	ck_assert(!marked->commit && marked->producer_epoch == 0 && marked->transaction_version == 0);
	write_markers();
	state_is(CORE_TXN_COMPLETE_ABORT, 10, 0);
	ck_assert_int_eq(end(10, 0, false, TV0), 0);
	ck_assert_int_eq(end(10, 0, true, TV0), rk_err_wire(RK_INVALID_TXN_STATE));
	ck_assert_int_eq(marks, 1);
}
END_TEST

START_TEST(an_abort_may_come_with_nothing_in_it)
{
	init();
	ck_assert_int_eq(end(10, 0, true, TV2), rk_err_wire(RK_INVALID_TXN_STATE));
	ck_assert_int_eq(end(10, 0, false, TV0), rk_err_wire(RK_INVALID_TXN_STATE));
	ck_assert_int_eq(end(10, 0, false, TV2), 0);
	ck_assert_int_eq(ended.producer_epoch, 1);
	go();
	state_is(CORE_TXN_COMPLETE_ABORT, 10, 1);
	ck_assert_int_eq(marks, 0);
	ck_assert_int_eq(end(10, 1, false, TV2), 0);
	ck_assert_int_eq(ended.producer_epoch, 2);
}
END_TEST

START_TEST(a_groups_offsets_are_part_of_it_by_their_partition)
{
	struct kp_add_offsets_to_txn_req q = { rk_lit("x"), 10, 0, rk_lit("g") };

	init();
	ask(3);
	ck_assert_int_eq(code_of(core_txn_add_offsets(shard(), &asker, &q, 7, &offsets), &offsets.error_code), 0);
	ck_assert(core_txn_has(txn()->now.parts, rk_lit("__consumer_offsets"), 7));
	q.producer_epoch = 5;
	ask(3);
	ck_assert_int_eq(code_of(core_txn_add_offsets(shard(), &asker, &q, 7, &offsets), &offsets.error_code),
	    rk_err_wire(RK_PRODUCER_FENCED));
	ask(1);
	ck_assert_int_eq(code_of(core_txn_add_offsets(shard(), &asker, &q, 7, &offsets), &offsets.error_code),
	    rk_err_wire(RK_INVALID_PRODUCER_EPOCH));
}
END_TEST

START_TEST(a_leader_hears_which_partitions_are_in)
{
	init();
	add(10, 0, TV2, 2);
	ck_assert(!asks_add(10, 0, TV2, 3, true));
	waits = false;
	ck_assert_int_eq(row[0].partition_error_code, 0);
	ck_assert_int_eq(row[1].partition_error_code, 0);
	ck_assert_int_eq(row[2].partition_error_code, rk_err_wire(RK_TRANSACTION_ABORTABLE));
	ck_assert(!asks_add(10, 1, TV2, 1, true));
	waits = false;
	ck_assert_int_eq(row[0].partition_error_code, rk_err_wire(RK_PRODUCER_FENCED));
	ck_assert(!asks_add(11, 0, TV2, 1, true));
	waits = false;
	ck_assert_int_eq(row[0].partition_error_code, rk_err_wire(RK_INVALID_PRODUCER_ID_MAPPING));
	ck_assert(!asks_add(10, 0, TV2, 2, false)); /* there already: nothing is written */
	waits = false;
	ck_assert_int_eq(row[1].partition_error_code, 0);
}
END_TEST

START_TEST(rows_of_the_answer_are_made_when_there_are_none)
{
	int32_t part[] = { 3, 1 };
	struct kp_add_partitions_to_txn_req_transactions_topics t = { rk_lit("t"), { part, 2 } };
	struct kp_add_partitions_to_txn_req_transactions q = { rk_lit("x"), 10, 0, false, { &t, 1 } };

	init();
	ask(TV2);
	memset(&added, 0, sizeof added);
	ck_assert(core_txn_add(shard(), &asker, &q, &added));
	go();
	ck_assert(told && added.topic_results.len == 1 && added.topic_results.at[0].results_by_partition.len == 2);
	ck_assert_int_eq(added.topic_results.at[0].results_by_partition.at[0].partition_index, 3);
	ck_assert_int_eq(added.topic_results.at[0].results_by_partition.at[0].partition_error_code, 0);
}
END_TEST

/* --- who is shut out */
START_TEST(a_second_producer_aborts_and_shuts_out_the_first)
{
	init();
	add(10, 0, TV2, 1);
	ck_assert_int_eq(init(), rk_err_wire(RK_CONCURRENT_TRANSACTIONS));
	ck_assert_int_eq(inited.producer_id, -1);
	ck_assert(marked != NULL && !marked->commit && marked->producer_epoch == 1);
	write_markers();
	ck_assert_int_eq(init(), 0);
	ck_assert_int_eq(inited.producer_epoch, 2);
	ck_assert_int_eq(add(10, 0, TV2, 1), rk_err_wire(RK_PRODUCER_FENCED));
	ck_assert_int_eq(end(10, 0, true, TV2), rk_err_wire(RK_PRODUCER_FENCED));
	ck_assert_int_eq(end(10, 0, true, 1), rk_err_wire(RK_INVALID_PRODUCER_EPOCH));
	ck_assert_int_eq(add(10, 0, 1, 1), rk_err_wire(RK_INVALID_PRODUCER_EPOCH));
	ck_assert_int_eq(add(9, 0, TV2, 1), rk_err_wire(RK_INVALID_PRODUCER_ID_MAPPING));
	ck_assert_int_eq(init_as(10, 0), rk_err_wire(RK_PRODUCER_FENCED));
}
END_TEST

START_TEST(under_version_1_a_fenced_epoch_is_not_raised_again)
{
	version_is(1);
	init();
	add(10, 0, TV0, 1);
	ck_assert_int_eq(init(), rk_err_wire(RK_CONCURRENT_TRANSACTIONS));
	ck_assert(marked->producer_epoch == 1 && marked->transaction_version == 0);
	write_markers();
	state_is(CORE_TXN_COMPLETE_ABORT, 10, 1);
	ck_assert_int_eq(init_as(10, 0), rk_err_wire(RK_PRODUCER_FENCED));
}
END_TEST

START_TEST(a_producer_may_go_on_with_its_id)
{
	init();
	ck_assert_int_eq(init_as(10, 0), 0);
	ck_assert_int_eq(inited.producer_epoch, 1);
	ck_assert_int_eq(init_as(10, 0), 0); /* the answer was lost */
	ck_assert_int_eq(inited.producer_epoch, 1);
	ck_assert_int_eq(init_as(10, 1), 0);
	ck_assert_int_eq(inited.producer_epoch, 2);
	ck_assert_int_eq(init_as(10, 0), rk_err_wire(RK_PRODUCER_FENCED));
	ck_assert_int_eq(init_as(11, 2), rk_err_wire(RK_PRODUCER_FENCED));
	ck_assert_int_eq(init_as(-2, 2), rk_err_wire(RK_PRODUCER_FENCED)); /* no id is an expectation, too */
	init();
	ck_assert_int_eq(init_as(10, 2), rk_err_wire(RK_PRODUCER_FENCED)); /* somebody else came in between */
}
END_TEST

/* --- epochs are used up */
static void
nearly_used_up(void)
{
	init();
	txn()->now.epoch = CORE_TXN_EPOCH_MAX;
}

START_TEST(a_used_up_producer_id_is_followed_by_another)
{
	nearly_used_up();
	ck_assert_int_eq(init_as(10, CORE_TXN_EPOCH_MAX - 1), -1);
	ck_assert_int_eq(init_as(10, CORE_TXN_EPOCH_MAX), 0);
	ck_assert_int_eq(inited.producer_id, 11);
	ck_assert_int_eq(inited.producer_epoch, 0);
	ck_assert_int_eq(init_as(10, CORE_TXN_EPOCH_MAX), 0); /* the answer was lost */
	ck_assert_int_eq(inited.producer_id, 11);
	ck_assert_int_eq(inited.producer_epoch, 0);
	ck_assert_int_eq(init_as(11, 0), 0);
	ck_assert_int_eq(inited.producer_epoch, 1);
	ck_assert_int_eq(init_as(10, CORE_TXN_EPOCH_MAX), rk_err_wire(RK_PRODUCER_FENCED));
}
END_TEST

START_TEST(the_last_epoch_ends_a_transaction_and_its_producer_id)
{
	nearly_used_up();
	add(10, CORE_TXN_EPOCH_MAX, TV2, 1);
	ck_assert_int_eq(end(10, CORE_TXN_EPOCH_MAX, true, TV2), 0);
	ck_assert_int_eq(ended.producer_id, 11);
	ck_assert_int_eq(ended.producer_epoch, 0);
	ck_assert(marked->producer_id == 10 && marked->producer_epoch == INT16_MAX);
	write_markers();
	state_is(CORE_TXN_COMPLETE_COMMIT, 11, 0);
	ck_assert_int_eq(end(10, CORE_TXN_EPOCH_MAX, true, TV2), 0); /* sent twice */
	ck_assert_int_eq(ended.producer_id, 11);
	ck_assert_int_eq(end(10, CORE_TXN_EPOCH_MAX, false, TV2), rk_err_wire(RK_INVALID_TXN_STATE));
	ck_assert_int_eq(add(10, CORE_TXN_EPOCH_MAX, TV2, 1), rk_err_wire(RK_INVALID_PRODUCER_ID_MAPPING));
	ck_assert_int_eq(add(11, 0, TV2, 1), 0);
	ck_assert_int_eq(txn()->now.previous_id, 11);
}
END_TEST

START_TEST(an_epoch_that_nobody_was_given_ends_nothing)
{
	init();
	txn()->now.epoch = INT16_MAX; /* a coordinator of version 1 leaves it, when it shuts a producer out */
	ck_assert_int_eq(add(10, INT16_MAX, TV2, 1), 0);
	ck_assert_int_eq(end(10, INT16_MAX, true, TV2), -1);
	ck_assert_int_eq(init(), -1);
	ck_assert_int_eq(end(10, INT16_MAX, true, TV0), 0);
	write_markers();
	ck_assert_int_eq(init(), 0);
	ck_assert_int_eq(inited.producer_id, 11);
}
END_TEST

START_TEST(a_next_producer_id_outlives_the_coordinator)
{
	nearly_used_up();
	add(10, CORE_TXN_EPOCH_MAX, TV2, 1);
	end(10, CORE_TXN_EPOCH_MAX, false, TV2);
	restart();
	ck_assert(marked != NULL && marked->producer_id == 10 && marked->producer_epoch == INT16_MAX && !marked->commit);
	write_markers();
	state_is(CORE_TXN_COMPLETE_ABORT, 11, 0);
}
END_TEST

/* --- coordinators come and go */
START_TEST(a_prepared_transaction_is_completed_by_the_next_coordinator)
{
	init();
	add(10, 0, TV2, 2);
	end(10, 0, true, TV2);
	restart();
	ck_assert_ptr_nonnull(marked);
	ck_assert(marked->commit && marked->count == 2 && marked->left == 2 && marked->producer_epoch == 1);
	ck_assert(marked->transaction_version == 2);
	ck_assert_int_eq(init(), rk_err_wire(RK_CONCURRENT_TRANSACTIONS));
	write_markers();
	state_is(CORE_TXN_COMPLETE_COMMIT, 10, 1);
	restart();
	state_is(CORE_TXN_COMPLETE_COMMIT, 10, 1);
	ck_assert_ptr_null(marked);
}
END_TEST

START_TEST(an_ongoing_transaction_goes_on_at_the_next_coordinator)
{
	init();
	add(10, 0, TV2, 2);
	restart();
	state_is(CORE_TXN_ONGOING, 10, 0);
	ck_assert(core_txn_has(txn()->now.parts, rk_lit("t"), 1) && !core_txn_has(txn()->now.parts, rk_lit("t"), 2));
	ck_assert_int_eq(end(10, 0, true, TV2), 0);
	write_markers();
	state_is(CORE_TXN_COMPLETE_COMMIT, 10, 1);
}
END_TEST

START_TEST(a_lost_coordinator_takes_its_markers_back)
{
	init();
	add(10, 0, TV2, 1);
	end(10, 0, true, TV2);
	ck_assert_ptr_nonnull(marked);
	topic_gone(1);
	pass(1);
	ck_assert_ptr_null(marked);
	ck_assert_int_eq(unmarks, 1);
}
END_TEST

START_TEST(a_decision_that_outlives_its_shard_by_a_moment_marks_nothing)
{
	config_is("__transaction_state", "write.caching", "true"); /* what is written is committed at once */
	init();
	add(10, 0, TV2, 1);
	ck_assert(asks_end(10, 0, true, TV2));
	partition_is(1, 0, 2, (const int32_t[]){2}, 1, true);
	pass(1), go();
	ck_assert(told);
	ck_assert_ptr_null(marked);
	ck_assert_int_eq(marks, 0);
	partition_is(1, 0, 1, (const int32_t[]){1}, 1, true);
	go(), go();
	ck_assert(marked != NULL && marked->commit);
}
END_TEST

START_TEST(who_waits_hears_that_the_coordinator_is_lost)
{
	init();
	ck_assert(asks_add(10, 0, TV2, 1, false));
	topic_gone(1);
	go();
	ck_assert(told);
	ck_assert_int_eq(row[0].partition_error_code, rk_err_wire(RK_NOT_COORDINATOR));
}
END_TEST

START_TEST(who_is_gone_is_not_answered_but_its_wish_is_done)
{
	init();
	ck_assert(asks_add(10, 0, TV2, 1, false));
	core_txn_forget(&asker);
	go();
	ck_assert(!told);
	state_is(CORE_TXN_ONGOING, 10, 0);
}
END_TEST

START_TEST(a_refused_marker_leaves_the_transaction_to_the_next_coordinator)
{
	init();
	add(10, 0, TV2, 2);
	end(10, 0, true, TV2);
	core_marked(marked, 0, RK_TRANSACTION_COORDINATOR_FENCED);
	ck_assert_ptr_null(marked);
	go();
	state_is(CORE_TXN_PREPARE_COMMIT, 10, 1);
	ck_assert_int_eq(init(), rk_err_wire(RK_CONCURRENT_TRANSACTIONS));
	restart();
	write_markers();
	state_is(CORE_TXN_COMPLETE_COMMIT, 10, 1);
}
END_TEST

START_TEST(a_disk_that_fails_is_said)
{
	init();
	b.w.fail_sync = true;
	ck_assert_int_eq(add(10, 0, TV2, 1), rk_err_wire(RK_COORDINATOR_NOT_AVAILABLE));
}
END_TEST

/* --- time */
START_TEST(a_transaction_past_its_timeout_is_aborted)
{
	init();
	add(10, 0, TV2, 1);
	for (int i = 0; i < 5; i++)
		pass(10000), settle();
	ck_assert_ptr_null(marked);
	pass(10001), go();
	ck_assert(marked != NULL && !marked->commit && marked->producer_epoch == 1);
	write_markers();
	state_is(CORE_TXN_COMPLETE_ABORT, 10, 1);
	ck_assert_int_eq(add(10, 0, TV2, 1), rk_err_wire(RK_PRODUCER_FENCED));
	ck_assert_int_eq(end(10, 0, true, TV2), rk_err_wire(RK_INVALID_TXN_STATE));
	ck_assert_int_eq(end(10, 0, false, TV2), 0);
	ck_assert_int_eq(ended.producer_epoch, 1);
}
END_TEST

START_TEST(an_idle_coordinator_has_no_timer_for_transactions)
{
	init();
	struct core_txns *home = core_shard_state(shard());
	ck_assert_int_eq(home->late.at_ms, INT64_MAX);
	add(10, 0, TV2, 1);
	ck_assert_int_ne(home->late.at_ms, INT64_MAX);
	end(10, 0, true, TV2);
	write_markers();
	pass(10001);
	ck_assert_int_eq(home->late.at_ms, INT64_MAX);
}
END_TEST

START_TEST(an_id_that_nobody_uses_is_forgotten)
{
	init();
	for (int i = 0; i < 7 * 24 - 1; i++)
		pass(3600000);
	go();
	ck_assert_ptr_nonnull(txn());
	pass(3600000), pass(3600000);
	go();
	ck_assert_ptr_null(txn());
	restart();
	ck_assert_ptr_null(txn());
	ck_assert_int_eq(init(), 0);
	ck_assert_int_eq(inited.producer_id, 11);
}
END_TEST

/* --- for people */
START_TEST(it_is_described_and_listed)
{
	struct kp_describe_transactions_res_transaction_states d = { 0 };
	struct kp_list_transactions_res_transaction_states l = { 0 };
	int64_t since;

	core_txn_describe(shard(), rk_lit("x"), &arena, &d);
	ck_assert_int_eq(d.error_code, rk_err_wire(RK_TRANSACTIONAL_ID_NOT_FOUND));
	init();
	add(10, 0, TV2, 2);
	d.error_code = 0;
	core_txn_describe(shard(), rk_lit("x"), &arena, &d);
	ck_assert(rk_str_is(d.transaction_state, "Ongoing") && d.producer_id == 10 && d.transaction_timeout_ms == MINUTE);
	ck_assert(d.topics.len == 1 && d.topics.at[0].partitions.len == 2 && rk_str_is(d.topics.at[0].topic, "t"));
	struct core_txn *t = core_txn_walk(shard(), NULL);
	ck_assert_ptr_eq(t, txn());
	ck_assert_ptr_null(core_txn_walk(shard(), t));
	core_txn_list(t, &arena, &l, &since);
	ck_assert(rk_str_is(l.transactional_id, "x") && rk_str_is(l.transaction_state, "Ongoing"));
	ck_assert_int_eq(since, d.transaction_start_time_ms);
}
END_TEST

int
main(void)
{
	const TTest *all[] = { a_record_is_byte_equal_to_Kafkas, partitions_stand_as_in_Kafkas_sets,
		a_record_is_read_as_it_was_written, a_new_transactional_id_gets_a_producer_id,
		without_producer_ids_the_client_comes_again, nothing_is_answered_before_it_is_stable,
		a_transaction_is_committed_with_markers_of_a_raised_epoch,
		markers_leave_when_the_decision_is_stable_and_not_before,
		a_transaction_is_complete_when_every_marker_is_written, who_adds_while_markers_are_written_waits_for_them,
		but_not_for_long, adds_that_come_together_are_one_record, who_waits_to_add_hears_that_the_coordinator_is_lost,
		an_EndTxn_sent_twice_is_answered_twice,
		before_version_2_the_epoch_stays, an_abort_may_come_with_nothing_in_it,
		a_groups_offsets_are_part_of_it_by_their_partition, a_leader_hears_which_partitions_are_in,
		rows_of_the_answer_are_made_when_there_are_none,
		a_second_producer_aborts_and_shuts_out_the_first, under_version_1_a_fenced_epoch_is_not_raised_again,
		a_producer_may_go_on_with_its_id, a_used_up_producer_id_is_followed_by_another,
		the_last_epoch_ends_a_transaction_and_its_producer_id, an_epoch_that_nobody_was_given_ends_nothing,
		a_next_producer_id_outlives_the_coordinator,
		a_prepared_transaction_is_completed_by_the_next_coordinator,
		an_ongoing_transaction_goes_on_at_the_next_coordinator, a_lost_coordinator_takes_its_markers_back,
		a_decision_that_outlives_its_shard_by_a_moment_marks_nothing,
		who_waits_hears_that_the_coordinator_is_lost, who_is_gone_is_not_answered_but_its_wish_is_done,
		a_refused_marker_leaves_the_transaction_to_the_next_coordinator, a_disk_that_fails_is_said,
		a_transaction_past_its_timeout_is_aborted, an_idle_coordinator_has_no_timer_for_transactions,
		an_id_that_nobody_uses_is_forgotten, it_is_described_and_listed };

	return broker_claims("core_txn", all, rk_countof(all), begin, over);
}
