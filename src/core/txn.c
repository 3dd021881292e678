/* txn.c - a shard's transactional ids: found by name, made, forgotten, loaded; what is asked of them. */
#include "src/core/txn_in.h"
#include "base/mem.h"
#include "protocol/gen/add_offsets_to_txn.h"
#include "protocol/gen/add_partitions_to_txn.h"
#include "protocol/gen/describe_transactions.h"
#include "protocol/gen/end_txn.h"
#include "protocol/gen/init_producer_id.h"
#include "protocol/gen/list_transactions.h"

enum { RECORD_MAX = 64 << 20 };

static uint64_t
hash(struct rk_str id)
{
	return rk_hash(id.at, (size_t)rk_max(id.len, 0), 23);
}

struct core_txn *
core_txn_get(const struct core_txns *x, struct rk_str id)
{
	if (id.len < 0)
		return NULL;
	for (struct rk_node *n = rk_map_first(&x->by_id, hash(id)); n != NULL; n = rk_map_next(n))
		if (rk_str_eq(rk_of(n, struct core_txn, node)->id, id))
			return rk_of(n, struct core_txn, node);
	return NULL;
}

struct core_txn *
core_txn_make(struct core_txns *home, struct rk_str id)
{
	struct core_txn *t = rk_mem_get(sizeof *t + (size_t)id.len);

	rk_assert(id.len >= 0 && core_txn_get(home, id) == NULL);
	t->home = home;
	t->id = (struct rk_str){ (char *)(t + 1), id.len };
	if (id.len > 0)
		memcpy(t + 1, id.at, (size_t)id.len);
	t->now = (struct core_txn_values){ .producer_id = -1, .previous_id = -1, .next_id = -1, .start_ms = -1, .epoch = -1,
		.last_epoch = -1, .update_ms = rk_wall(home->core->env) };
	rk_list_init(&t->link);
	rk_map_add(&home->by_id, &t->node, hash(id));
	return t;
}

void
core_txn_drop(struct core_txn *t)
{
	rk_assert(t->move == NULL && core_txn_get(t->home, t->id) == t);
	rk_list_del(&t->link);
	rk_map_del(&t->home->by_id, &t->node);
	rk_mem_put(t->now.parts);
	rk_mem_put(t);
}

void
core_txn_become(struct core_txn *t, const struct core_txn_values *v)
{
	rk_assert(v->state < CORE_TXN_STATES && v->producer_id >= 0 && v->epoch >= 0);
	if (v->parts != t->now.parts)
		rk_mem_put(t->now.parts);
	t->now = *v;
	rk_list_del(&t->link);
	if (v->state == CORE_TXN_ONGOING)
		rk_list_add(&t->home->ongoing, &t->link);
}

struct core_txn *
core_txn_next(const struct core_txns *x, const struct core_txn *t)
{
	struct rk_node *n = x->by_id.count == 0 ? NULL : rk_map_walk(&x->by_id, t == NULL ? NULL : &t->node);

	return n == NULL ? NULL : rk_of(n, struct core_txn, node);
}

const char *
core_txn_state_name(const struct core_txn *t)
{
	static const char *const name[CORE_TXN_STATES] = { "Empty", "Ongoing", "PrepareCommit", "PrepareAbort",
		"CompleteCommit", "CompleteAbort" };

	return name[t->now.state];
}

/* --- the shard */
static void *
make(struct core_shard *s)
{
	struct core_txns *x = rk_new(struct core_txns);

	x->shard = s;
	x->core = core_shard_core(s);
	rk_list_init(&x->ongoing);
	rk_list_init(&x->refused);
	core_txn_timers_init(x);
	return x;
}

static void
apply(void *state, const struct core_entry *e)
{
	struct core_txns *home = state;
	struct core_txn_values v;
	struct rk_arena a;
	struct rk_str id;
	bool gone;

	if (home->own)
		return;
	rk_arena_init(&a, RECORD_MAX);
	if (core_txn_read(e->key, e->value, &a, &id, &gone, &v)) {
		struct core_txn *t = core_txn_get(home, id);
		if (!gone)
			core_txn_become(t != NULL ? t : core_txn_make(home, id), &v);
		else if (t != NULL)
			core_txn_drop(t);
	}
	rk_arena_free(&a);
}

static void
loaded(void *state)
{
	struct core_txns *home = state;

	for (struct core_txn *t = core_txn_next(home, NULL); t != NULL; t = core_txn_next(home, t))
		if (t->now.state == CORE_TXN_PREPARE_COMMIT || t->now.state == CORE_TXN_PREPARE_ABORT)
			core_txn_resume(t);
	core_txn_watch(home);
}

static void
end(void *state, enum rk_err err)
{
	struct core_txns *home = state;
	struct core_txn *after;

	core_txn_timers_stop(home);
	core_txn_refused_end(home, err);
	for (struct core_txn *t = core_txn_next(home, NULL); t != NULL; t = after) {
		after = core_txn_next(home, t);
		core_txn_stop(t, err);
		core_txn_drop(t);
	}
	rk_map_free(&home->by_id);
	rk_mem_put(home);
}

const struct core_coord_kind *
core_txn_kind(void)
{
	static const struct core_coord_kind kind = { "__transaction_state", make, apply, NULL, loaded, end };

	return &kind;
}

/* --- what is asked */
/* The answer is that, now (false) or once this node is known to lead. */
static bool
refuse(struct core_shard *s, struct core_txn_asker *a, enum rk_err err)
{
	a->err = err;
	if (core_txn_refuse(core_shard_state(s), a))
		return true;
	a->tell(a, a->err);
	return false;
}

/* PRODUCER_FENCED is a word that older clients do not know. */
static enum rk_err
worded(enum rk_err err, int16_t version, int16_t since)
{
	return err == RK_PRODUCER_FENCED && version < since ? RK_INVALID_PRODUCER_EPOCH : err;
}

static void
told_init(struct core_txn_asker *a, enum rk_err err)
{
	struct kp_init_producer_id_res *res = a->res;

	res->error_code = rk_err_wire(worded(err, a->version, 4));
	if (err != RK_OK)
		res->producer_id = res->producer_epoch = -1;
}

bool
core_txn_init(struct core_shard *s, struct core_txn_asker *a, const struct kp_init_producer_id_req *q,
    struct kp_init_producer_id_res *res)
{
	struct core_txns *home = core_shard_state(s);
	struct core_txn *t = core_txn_get(home, q->transactional_id);
	const struct core_txn_world *w = core_txn_world_of(home->core);
	struct core_txn_values to;
	enum rk_err err = RK_OK;
	bool fresh = t == NULL;

	rk_assert(q->transactional_id.len > 0 && w != NULL);
	a->res = res;
	a->tell = told_init;
	if (fresh) {
		int64_t id;
		err = w->producer_id(w->arg, &id);
		if (err == RK_OK) {
			t = core_txn_make(home, q->transactional_id);
			t->now.producer_id = id;
		}
	}
	if (err == RK_OK)
		err = core_txn_decide_init(t, q->producer_id, q->producer_epoch, q->transaction_timeout_ms, &to);
	if (err == RK_OK) {
		/* Who is in the way is aborted, and the client asks again: so the epoch is raised twice. */
		bool aborts = to.state != CORE_TXN_EMPTY;
		res->producer_id = to.producer_id;
		res->producer_epoch = to.epoch;
		err = core_txn_start(t, &to, a, aborts ? RK_CONCURRENT_TRANSACTIONS : RK_OK);
	}
	if (err == RK_OK)
		return true;
	if (fresh && t != NULL)
		core_txn_drop(t);
	return refuse(s, a, err);
}

/* --- partitions */
static void
told_add(struct core_txn_asker *a, enum rk_err err)
{
	struct kp_add_partitions_to_txn_res_results_by_transaction *res = a->res;
	int16_t code = rk_err_wire(worded(err, a->version, 2));

	for (int32_t i = 0; i < res->topic_results.len; i++)
		for (int32_t k = 0; k < res->topic_results.at[i].results_by_partition.len; k++)
			res->topic_results.at[i].results_by_partition.at[k].partition_error_code = code;
}

bool
core_txn_rows(const struct kp_add_partitions_to_txn_req_transactions *q, struct rk_arena *a,
    struct kp_add_partitions_to_txn_res_results_by_transaction *o)
{
	int32_t n = rk_max(q->topics.len, 0);

	o->transactional_id = q->transactional_id;
	o->topic_results.at = rk_arena_get(a, (size_t)n + 1, sizeof *o->topic_results.at);
	for (int32_t i = 0; i < n && !a->over; i++) {
		int32_t parts = rk_max(q->topics.at[i].partitions.len, 0);
		o->topic_results.at[i].name = q->topics.at[i].name;
		o->topic_results.at[i].results_by_partition.at
		    = rk_arena_get(a, (size_t)parts + 1, sizeof *o->topic_results.at[i].results_by_partition.at);
		if (a->over)
			break;
		o->topic_results.at[i].results_by_partition.len = parts;
		for (int32_t k = 0; k < parts; k++)
			o->topic_results.at[i].results_by_partition.at[k].partition_index = q->topics.at[i].partitions.at[k];
	}
	o->topic_results.len = a->over ? 0 : n;
	return !a->over;
}

static enum rk_err
verify(const struct core_txn *t, const struct kp_add_partitions_to_txn_req_transactions *q,
    struct kp_add_partitions_to_txn_res_results_by_transaction *res)
{
	if (t->now.producer_id != q->producer_id)
		return RK_INVALID_PRODUCER_ID_MAPPING;
	if (t->now.epoch != q->producer_epoch)
		return RK_PRODUCER_FENCED;
	if (t->now.state == CORE_TXN_PREPARE_COMMIT || t->now.state == CORE_TXN_PREPARE_ABORT)
		return RK_CONCURRENT_TRANSACTIONS;
	for (int32_t i = 0; i < res->topic_results.len; i++)
		for (int32_t k = 0; k < res->topic_results.at[i].results_by_partition.len; k++) {
			struct rk_str topic = res->topic_results.at[i].name;
			int32_t index = res->topic_results.at[i].results_by_partition.at[k].partition_index;
			res->topic_results.at[i].results_by_partition.at[k].partition_error_code
			    = rk_err_wire(core_txn_has(t->now.parts, topic, index) ? RK_OK : RK_TRANSACTION_ABORTABLE);
		}
	return RK_OK;
}

bool
core_txn_add(struct core_shard *s, struct core_txn_asker *a, const struct kp_add_partitions_to_txn_req_transactions *q,
    struct kp_add_partitions_to_txn_res_results_by_transaction *res)
{
	struct core_txn *t = core_txn_get(core_shard_state(s), q->transactional_id);
	struct core_marker_part *part;
	enum rk_err err = q->transactional_id.len <= 0 ? RK_INVALID_REQUEST
	    : t == NULL ? RK_INVALID_PRODUCER_ID_MAPPING : RK_OK;
	int32_t n = 0;
	size_t most = 1;

	a->res = res;
	a->tell = told_add;
	if (res->topic_results.at == NULL && !core_txn_rows(q, a->arena, res))
		err = RK_UNKNOWN_SERVER_ERROR;
	if (err == RK_OK && q->verify_only) {
		err = verify(t, q, res);
		if (err == RK_OK)
			return false;
	}
	for (int32_t i = 0; i < q->topics.len; i++)
		most += (size_t)rk_max(q->topics.at[i].partitions.len, 0);
	part = rk_arena_get(a->arena, most, sizeof *part);
	if (err == RK_OK && part == NULL)
		err = RK_UNKNOWN_SERVER_ERROR;
	for (int32_t i = 0; err == RK_OK && i < q->topics.len; i++)
		for (int32_t k = 0; k < q->topics.at[i].partitions.len; k++)
			part[n++] = (struct core_marker_part){ .topic = q->topics.at[i].name,
				.partition = q->topics.at[i].partitions.at[k] };
	a->part = part;
	a->count = n;
	a->producer_id = q->producer_id;
	a->producer_epoch = q->producer_epoch;
	/* Versions from 4 on come from brokers, for clients that keep to transaction.version 2. */
	a->client = a->version >= 4 ? CORE_TXN_V2 : 0;
	if (err == RK_OK && core_txn_add_soon(t, a, &err))
		return true;
	return refuse(s, a, err);
}

static void
told_offsets(struct core_txn_asker *a, enum rk_err err)
{
	struct kp_add_offsets_to_txn_res *res = a->res;

	res->error_code = rk_err_wire(worded(err, a->version, 2));
}

bool
core_txn_add_offsets(struct core_shard *s, struct core_txn_asker *a, const struct kp_add_offsets_to_txn_req *q,
    int32_t partition, struct kp_add_offsets_to_txn_res *res)
{
	struct core_txn *t = core_txn_get(core_shard_state(s), q->transactional_id);
	struct core_marker_part *part = rk_arena_get(a->arena, 1, sizeof *part);
	enum rk_err err = part == NULL ? RK_UNKNOWN_SERVER_ERROR : RK_INVALID_PRODUCER_ID_MAPPING;

	a->res = res;
	a->tell = told_offsets;
	if (part != NULL && t != NULL) {
		*part = (struct core_marker_part){ .topic = rk_lit("__consumer_offsets"), .partition = partition };
		a->part = part;
		a->count = 1;
		a->producer_id = q->producer_id;
		a->producer_epoch = q->producer_epoch;
		a->client = 0;
		if (core_txn_add_soon(t, a, &err))
			return true;
	}
	return refuse(s, a, err);
}

/* --- the end */
static void
told_end(struct core_txn_asker *a, enum rk_err err)
{
	struct kp_end_txn_res *res = a->res;

	res->error_code = rk_err_wire(worded(err, a->version, 2));
	if (err != RK_OK)
		res->producer_id = res->producer_epoch = -1;
}

bool
core_txn_end(struct core_shard *s, struct core_txn_asker *a, const struct kp_end_txn_req *q, struct kp_end_txn_res *res)
{
	struct core_txn *t = core_txn_get(core_shard_state(s), q->transactional_id);
	enum rk_err err = RK_INVALID_PRODUCER_ID_MAPPING;
	int16_t version = a->version >= 5 ? CORE_TXN_V2 : 0;
	struct core_txn_values to;
	bool again = false;

	a->res = res;
	a->tell = told_end;
	if (t != NULL)
		err = core_txn_decide_end(t, q->producer_id, q->producer_epoch, q->committed, version, &again, &to);
	if (err == RK_OK && again) {
		res->producer_id = t->now.producer_id;
		res->producer_epoch = t->now.epoch;
	} else if (err == RK_OK) {
		bool over = to.next_id >= 0;
		res->producer_id = over ? to.next_id : to.producer_id;
		res->producer_epoch = over ? 0 : to.epoch;
		err = core_txn_start(t, &to, a, RK_OK);
		if (err == RK_OK)
			return true;
	}
	return refuse(s, a, err);
}

/* --- for people */
void
core_txn_describe(struct core_shard *s, struct rk_str id, struct rk_arena *a,
    struct kp_describe_transactions_res_transaction_states *o)
{
	struct core_txn *t = core_txn_get(core_shard_state(s), id);
	int32_t n = 0;

	if (t == NULL || t->dying) {
		o->error_code = rk_err_wire(RK_TRANSACTIONAL_ID_NOT_FOUND);
		return;
	}
	o->transaction_state = rk_str_of(core_txn_state_name(t));
	o->transaction_timeout_ms = t->now.timeout_ms;
	o->transaction_start_time_ms = t->now.start_ms;
	o->producer_id = t->now.producer_id;
	o->producer_epoch = t->now.epoch;
	struct core_txn_topic *topic = core_txn_topics(t->now.parts, a, &n);
	o->topics.at = rk_arena_get(a, (size_t)n + 1, sizeof *o->topics.at);
	if (topic == NULL || o->topics.at == NULL)
		return;
	o->topics.len = n;
	for (int32_t i = 0; i < n; i++) {
		o->topics.at[i].topic = rk_arena_str(a, topic[i].name);
		o->topics.at[i].partitions.at = topic[i].partition;
		o->topics.at[i].partitions.len = topic[i].count;
	}
}

struct core_txn *
core_txn_walk(struct core_shard *s, struct core_txn *t)
{
	do
		t = core_txn_next(core_shard_state(s), t);
	while (t != NULL && t->dying);
	return t;
}

void
core_txn_list(const struct core_txn *t, struct rk_arena *a, struct kp_list_transactions_res_transaction_states *o,
    int64_t *since_ms)
{
	o->transactional_id = rk_arena_str(a, t->id);
	o->producer_id = t->now.producer_id;
	o->transaction_state = rk_str_of(core_txn_state_name(t));
	*since_ms = t->now.start_ms;
}
