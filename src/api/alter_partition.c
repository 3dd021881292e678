/* alter_partition.c - key 56: a leader tells who is in sync with it (KIP-497). */
#include "protocol/gen/alter_partition.h"
#include "src/api/handlers.h"

enum api_fate
api_alter_partition(struct api_call *c, const struct kp_alter_partition_req *q, struct kp_alter_partition_res *a)
{
	rk_assert(c->plan != NULL);
	meta_alter_partition(c->plan, c->head.version, q, a);
	return API_NOW;
}
