/* elect_leaders.c - key 43: preferred leaders, or any live replica, for partitions by name or for all (KIP-460). */
#include "protocol/gen/elect_leaders.h"
#include "src/api/handlers.h"

enum api_fate
api_elect_leaders(struct api_call *c, const struct kp_elect_leaders_req *q, struct kp_elect_leaders_res *a)
{
	rk_assert(c->plan != NULL);
	meta_elect_leaders(c->plan, c->head.version, q, a);
	return API_NOW;
}
