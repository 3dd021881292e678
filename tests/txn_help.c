/* txn_help.c - see txn_help.h. */
#include "protocol/gen/metadata_records.h"
#include "tests/txn_help.h"

static struct core_coord *coord;
struct core_marker *marked;  /* what the world has been asked for and not done */
int marks, unmarks;
int64_t next_id;
enum rk_err ids_err;

/* Who asked last, and what it was told. */
struct core_txn_asker asker;
bool waits, told;
struct rk_arena arena;
struct kp_init_producer_id_res inited;
struct kp_end_txn_res ended;
struct kp_add_offsets_to_txn_res offsets;
struct kp_add_partitions_to_txn_res_results_by_transaction added;
static struct kp_add_partitions_to_txn_res_results_by_transaction_topic_results topic;
struct kp_add_partitions_to_txn_res_results_by_transaction_topic_results_results_by_partition row[8];

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

void
version_is(int16_t level)
{
	struct kp_feature_level_record r = { rk_lit("transaction.version"), level };

	committed(KP_FEATURE_LEVEL_RECORD, &r);
}

void
go(void)
{
	for (int i = 0; i < 3; i++) {
		settle();
		pass(1);
	}
}

void
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

void
over(void)
{
	broker_end();
	rk_arena_free(&arena);
	broker_made = NULL;
}

struct core_shard *
shard(void)
{
	struct core_shard *s;

	ck_assert_int_eq(core_coord_find(coord, rk_lit("x"), &s), RK_OK);
	return s;
}

struct core_txn *
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

void
ask(int version)
{
	ck_assert(!waits);
	told = false;
	waits = true;
	asker = (struct core_txn_asker){ .done = answered, .arena = &arena, .version = (int16_t)version };
}

int
code_of(bool kept, const int16_t *code)
{
	if (kept)
		go();
	else
		waits = false;
	return waits ? WAITS : *code;
}

int
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

int
init(void)
{
	return init_as(-1, -1);
}

bool
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

int
add(int64_t id, int epoch, int version, int count)
{
	return code_of(asks_add(id, epoch, version, count, false), &row[0].partition_error_code);
}

bool
asks_end(int64_t id, int epoch, bool commit, int version)
{
	struct kp_end_txn_req q = { rk_lit("x"), id, (int16_t)epoch, commit };

	ask(version);
	kp_defaults(&kp_end_txn_res_d, &ended);
	return core_txn_end(shard(), &asker, &q, &ended);
}

int
end(int64_t id, int epoch, bool commit, int version)
{
	return code_of(asks_end(id, epoch, commit, version), &ended.error_code);
}

void
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

void
state_is(enum core_txn_state s, int64_t id, int epoch)
{
	ck_assert_int_eq(txn()->now.state, s);
	ck_assert_int_eq(txn()->now.producer_id, id);
	ck_assert_int_eq(txn()->now.epoch, epoch);
}

void
restart(void)
{
	broker_crash();
	go(), go();
}
