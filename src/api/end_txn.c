/* end_txn.c - key 26: a transaction is committed or aborted. From version 5 (KIP-890) the answer tells the epoch, or
 * the producer id, with which the next one begins. */
#include "protocol/gen/end_txn.h"
#include "src/api/txn.h"

enum api_fate
api_end_txn(struct api_call *c, const struct kp_end_txn_req *q, struct kp_end_txn_res *res)
{
	struct api_txn_asks *all = api_txn_asks(c, 1);
	struct core_shard *s;

	if (all == NULL)
		return API_CLOSE;
	res->producer_id = res->producer_epoch = -1;
	enum rk_err err = api_txn_shard(c, q->transactional_id, &s);
	res->error_code = rk_err_wire(err);
	if (err != RK_OK)
		return API_NOW;
	struct core_txn_asker *a = api_txn_next(all);
	if (core_txn_end(s, a, q, res))
		api_txn_kept(a);
	return api_txn_fate(all);
}
