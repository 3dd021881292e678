/* unregister_broker.c - key 64: a broker that will not come back is forgotten (KIP-631). */
#include "protocol/gen/unregister_broker.h"
#include "src/api/handlers.h"

enum api_fate
api_unregister_broker(struct api_call *c, const struct kp_unregister_broker_req *q,
    struct kp_unregister_broker_res *a)
{
	rk_assert(c->plan != NULL);
	meta_unregister_broker(c->plan, q, a);
	return API_NOW;
}
