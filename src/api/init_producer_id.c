/* init_producer_id.c - key 22: an id for an idempotent producer, or one for a transactional id, whose earlier producer
 * is shut out. From version 3 a producer may say which id it goes on with (KIP-360). Version 6 (KIP-939) is not
 * served. */
#include "protocol/gen/init_producer_id.h"
#include "src/api/txn.h"
#include "src/config.h"

static enum rk_err
plain_id(struct api_call *c, struct kp_init_producer_id_res *res)
{
	int64_t id = -1;
	enum rk_err err = c->shared->producer_id == NULL ? RK_COORDINATOR_NOT_AVAILABLE
							  : c->shared->producer_id(c->shared, &id);

	if (err != RK_OK)
		return err;
	rk_assert(id >= 0);
	res->producer_id = id;
	res->producer_epoch = 0;
	return RK_OK;
}

enum api_fate
api_init_producer_id(struct api_call *c, const struct kp_init_producer_id_req *q,
    struct kp_init_producer_id_res *res)
{
	struct api_txn_asks *all = api_txn_asks(c, 1);
	struct core_shard *s = NULL;
	enum rk_err err = RK_OK;

	if (all == NULL)
		return API_CLOSE;
	res->producer_id = -1;
	res->producer_epoch = -1;
	if (c->head.version >= 3 && (q->producer_id == -1) != (q->producer_epoch == -1))
		err = RK_INVALID_REQUEST;
	else if (q->transactional_id.len < 0)
		err = plain_id(c, res);
	else if (q->transactional_id.len == 0)
		err = RK_INVALID_REQUEST;
	else if (q->transaction_timeout_ms <= 0
	    || q->transaction_timeout_ms > c->shared->conf->transaction_max_timeout_ms)
		err = RK_INVALID_TRANSACTION_TIMEOUT;
	else
		err = api_txn_shard(c, q->transactional_id, &s);
	if (s != NULL) {
		struct core_txn_asker *a = api_txn_next(all);
		if (core_txn_init(s, a, q, res))
			api_txn_kept(a);
		return api_txn_fate(all);
	}
	res->error_code = rk_err_wire(err);
	return API_NOW;
}
