/* controller_registration.c - key 70: a controller makes its endpoints and features known (KIP-919). */
#include "protocol/gen/controller_registration.h"
#include "src/api/handlers.h"

enum api_fate
api_controller_registration(struct api_call *c, const struct kp_controller_registration_req *q,
    struct kp_controller_registration_res *a)
{
	rk_assert(c->plan != NULL);
	meta_register_controller(c->plan, q, a);
	return API_NOW;
}
