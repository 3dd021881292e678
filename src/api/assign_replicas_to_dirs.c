/* assign_replicas_to_dirs.c - key 73: a broker tells in which directories its replicas lie (KIP-858). */
#include "protocol/gen/assign_replicas_to_dirs.h"
#include "src/api/handlers.h"

enum api_fate
api_assign_replicas_to_dirs(struct api_call *c, const struct kp_assign_replicas_to_dirs_req *q,
    struct kp_assign_replicas_to_dirs_res *a)
{
	rk_assert(c->plan != NULL);
	meta_assign_replicas_to_dirs(c->plan, q, a);
	return API_NOW;
}
