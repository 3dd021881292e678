/* allocate_producer_ids.c - key 67: a broker is given a block of producer ids (KIP-730). */
#include "protocol/gen/allocate_producer_ids.h"
#include "src/api/handlers.h"

enum api_fate
api_allocate_producer_ids(struct api_call *c, const struct kp_allocate_producer_ids_req *q,
    struct kp_allocate_producer_ids_res *a)
{
	rk_assert(c->plan != NULL);
	meta_allocate_producer_ids(c->plan, q, a);
	return API_NOW;
}
