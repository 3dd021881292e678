/* broker_registration.c - key 62: a broker's process makes itself known (KIP-631). */
#include "protocol/gen/broker_registration.h"
#include "src/api/handlers.h"

enum api_fate
api_broker_registration(struct api_call *c, const struct kp_broker_registration_req *q,
    struct kp_broker_registration_res *a)
{
	rk_assert(c->plan != NULL);
	meta_register_broker(c->plan, c->head.version, q, a);
	return API_NOW;
}
