/* init_producer_id.c - key 22: an id for an idempotent producer.
 *
 * With a transactional id Kafka asks that id's coordinator. There is none here yet, and a client is
 * told so with the retriable COORDINATOR_NOT_AVAILABLE, so that it goes on asking instead of
 * failing for good. */
#include "protocol/gen/init_producer_id.h"
#include "src/api/handlers.h"

enum api_fate
api_init_producer_id(struct api_call *c, const struct kp_init_producer_id_req *q,
    struct kp_init_producer_id_res *res)
{
	enum rk_err err = RK_COORDINATOR_NOT_AVAILABLE;
	int64_t id = -1;

	res->producer_id = -1;
	res->producer_epoch = -1;
	if (c->head.version >= 3 && (q->producer_id < 0) != (q->producer_epoch < 0))
		err = RK_INVALID_REQUEST;
	else if (q->transactional_id.len == 0)
		err = RK_INVALID_REQUEST;
	else if (q->transactional_id.len < 0)
		err = c->shared->producer_id == NULL ? RK_COORDINATOR_NOT_AVAILABLE
						     : c->shared->producer_id(c->shared, &id);
	res->error_code = rk_err_wire(err);
	if (err != RK_OK)
		return API_NOW;
	rk_assert(id >= 0);
	res->producer_id = id;
	res->producer_epoch = 0;
	return API_NOW;
}
