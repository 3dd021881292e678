/* add_partitions_to_txn.c - key 24: partitions become part of a transaction.
 *
 * Up to version 3 a producer asks for one transactional id. From 4 on brokers ask, for many (KIP-890): to add, or
 * (verify_only) to hear whether a partition is in. A partition that does not exist spoils its whole transaction. */
#include "protocol/gen/add_partitions_to_txn.h"
#include "src/api/txn.h"

typedef struct kp_add_partitions_to_txn_req_transactions txn_in;
typedef struct kp_add_partitions_to_txn_res_results_by_transaction txn_out;
typedef struct kp_add_partitions_to_txn_res_results_by_transaction_topic_results topic_out;

/* Those without an error get this one; true: all were. */
static bool
all_are(txn_out *o, enum rk_err err)
{
	bool all = true;

	for (int32_t i = 0; i < o->topic_results.len; i++)
		for (int32_t k = 0; k < o->topic_results.at[i].results_by_partition.len; k++) {
			int16_t *code = &o->topic_results.at[i].results_by_partition.at[k].partition_error_code;
			if (*code == 0)
				*code = rk_err_wire(err);
			else
				all = false;
		}
	return all;
}

/* A row for each partition; those that are not there, or not for clients, have their error. False: the arena is
 * over. */
static bool
shape(struct api_call *c, const txn_in *q, txn_out *o)
{
	if (!core_txn_rows(q, &c->arena, o))
		return false;
	for (int32_t i = 0; i < o->topic_results.len; i++) {
		topic_out *t = &o->topic_results.at[i];
		bool barred = c->head.version < 4 && meta_topic_internal(t->name);
		struct meta_topic m;
		if (!meta_topic_named(&c->view, t->name, &m))
			m.partitions = 0;
		for (int32_t k = 0; k < t->results_by_partition.len; k++) {
			int32_t index = t->results_by_partition.at[k].partition_index;
			bool there = index >= 0 && index < m.partitions;
			if (barred || !there)
				t->results_by_partition.at[k].partition_error_code = rk_err_wire(barred
				    ? RK_TOPIC_AUTHORIZATION_FAILED : RK_UNKNOWN_TOPIC_OR_PARTITION);
		}
	}
	return true;
}

static void
ask(struct api_call *c, struct api_txn_asks *all, const txn_in *q, txn_out *o)
{
	struct core_shard *s;
	enum rk_err err;

	if (!all_are(o, RK_OK)) {
		all_are(o, RK_OPERATION_NOT_ATTEMPTED);
		return;
	}
	err = api_txn_shard(c, q->transactional_id, &s);
	if (err != RK_OK) {
		all_are(o, err);
		return;
	}
	struct core_txn_asker *a = api_txn_next(all);
	if (core_txn_add(s, a, q, o))
		api_txn_kept(a);
}

/* The one of a producer, in the brokers' shape. False: the arena is over. */
static bool
widen(struct api_call *c, const struct kp_add_partitions_to_txn_req *q, txn_in *t)
{
	int32_t n = rk_max(q->v3_and_below_topics.len, 0);

	*t = (txn_in){ .transactional_id = q->v3_and_below_transactional_id, .producer_id = q->v3_and_below_producer_id,
		.producer_epoch = q->v3_and_below_producer_epoch };
	t->topics.at = rk_arena_get(&c->arena, (size_t)n + 1, sizeof *t->topics.at);
	if (t->topics.at == NULL)
		return false;
	t->topics.len = n;
	for (int32_t i = 0; i < n; i++) {
		t->topics.at[i].name = q->v3_and_below_topics.at[i].name;
		t->topics.at[i].partitions.at = q->v3_and_below_topics.at[i].partitions.at;
		t->topics.at[i].partitions.len = q->v3_and_below_topics.at[i].partitions.len;
	}
	return true;
}

/* What a producer hears, from the brokers' shape. The rows have room already. */
static void
narrow(struct api_call *c)
{
	struct kp_add_partitions_to_txn_res *res = c->res;
	const txn_out *o = &res->results_by_transaction.at[0];

	rk_assert(c->head.version < 4 && res->results_by_topic_v3_and_below.len == o->topic_results.len);
	for (int32_t i = 0; i < o->topic_results.len; i++)
		for (int32_t k = 0; k < o->topic_results.at[i].results_by_partition.len; k++)
			res->results_by_topic_v3_and_below.at[i].results_by_partition.at[k].partition_error_code
			    = o->topic_results.at[i].results_by_partition.at[k].partition_error_code;
	res->results_by_transaction.len = 0;
}

static bool
narrow_rows(struct api_call *c, const txn_in *q, struct kp_add_partitions_to_txn_res *res)
{
	res->results_by_topic_v3_and_below.at
	    = rk_arena_get(&c->arena, (size_t)q->topics.len + 1, sizeof *res->results_by_topic_v3_and_below.at);
	if (res->results_by_topic_v3_and_below.at == NULL)
		return false;
	res->results_by_topic_v3_and_below.len = q->topics.len;
	for (int32_t i = 0; i < q->topics.len; i++) {
		struct kp_add_partitions_to_txn_res_results_by_topic_v3_and_below *t = &res->results_by_topic_v3_and_below.at[i];
		int32_t n = rk_max(q->topics.at[i].partitions.len, 0);
		t->name = q->topics.at[i].name;
		t->results_by_partition.at = rk_arena_get(&c->arena, (size_t)n + 1, sizeof *t->results_by_partition.at);
		if (t->results_by_partition.at == NULL)
			return false;
		t->results_by_partition.len = n;
		for (int32_t k = 0; k < n; k++)
			t->results_by_partition.at[k].partition_index = q->topics.at[i].partitions.at[k];
	}
	return true;
}

enum api_fate
api_add_partitions_to_txn(struct api_call *c, const struct kp_add_partitions_to_txn_req *q,
    struct kp_add_partitions_to_txn_res *res)
{
	int32_t n = c->head.version < 4 ? 1 : rk_max(q->transactions.len, 0);
	struct api_txn_asks *all = api_txn_asks(c, n);
	txn_in *in = q->transactions.at, one;

	res->results_by_transaction.at = rk_arena_get(&c->arena, (size_t)n + 1, sizeof *res->results_by_transaction.at);
	if (all == NULL || res->results_by_transaction.at == NULL)
		return API_CLOSE;
	if (c->head.version < 4) {
		if (!widen(c, q, &one) || !narrow_rows(c, &one, res))
			return API_CLOSE;
		in = &one;
		all->last = narrow;
	}
	res->results_by_transaction.len = n;
	for (int32_t i = 0; i < n; i++)
		if (!shape(c, &in[i], &res->results_by_transaction.at[i]))
			return API_CLOSE;
	for (int32_t i = 0; i < n; i++)
		ask(c, all, &in[i], &res->results_by_transaction.at[i]);
	return api_txn_fate(all);
}
