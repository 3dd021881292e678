/* describe_transactions.c - key 65: what is known of transactional ids. */
#include "protocol/gen/describe_transactions.h"
#include "src/api/txn.h"

enum api_fate
api_describe_transactions(struct api_call *c, const struct kp_describe_transactions_req *q,
    struct kp_describe_transactions_res *res)
{
	int32_t n = rk_max(q->transactional_ids.len, 0);

	res->transaction_states.at = rk_arena_get(&c->arena, (size_t)n + 1, sizeof *res->transaction_states.at);
	if (res->transaction_states.at == NULL)
		return API_CLOSE;
	res->transaction_states.len = n;
	for (int32_t i = 0; i < n; i++) {
		struct kp_describe_transactions_res_transaction_states *o = &res->transaction_states.at[i];
		struct core_shard *s;
		enum rk_err err = api_txn_shard(c, q->transactional_ids.at[i], &s);
		o->transactional_id = q->transactional_ids.at[i];
		o->transaction_state = rk_lit("");
		o->error_code = rk_err_wire(err);
		if (err == RK_OK)
			core_txn_describe(s, o->transactional_id, &c->arena, o);
	}
	return API_NOW;
}
