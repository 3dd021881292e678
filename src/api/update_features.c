/* update_features.c - key 57: a feature's level is raised or lowered (KIP-584, 778). */
#include "protocol/gen/update_features.h"
#include "src/api/handlers.h"

enum api_fate
api_update_features(struct api_call *c, const struct kp_update_features_req *q, struct kp_update_features_res *a)
{
	rk_assert(c->plan != NULL);
	meta_update_features(c->plan, c->head.version, q, a);
	return API_NOW;
}
