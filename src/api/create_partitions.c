/* create_partitions.c - key 37: a topic grows to a new total of partitions (KIP-195). */
#include "protocol/gen/create_partitions.h"
#include "src/api/handlers.h"

enum api_fate
api_create_partitions(struct api_call *c, const struct kp_create_partitions_req *q, struct kp_create_partitions_res *a)
{
	rk_assert(c->plan != NULL);
	meta_create_partitions(c->plan, c->head.version, q, a);
	return API_NOW;
}
