/* alter_partition_reassignments.c - key 45: partitions move to other replicas, or no longer do (KIP-455). */
#include "protocol/gen/alter_partition_reassignments.h"
#include "src/api/handlers.h"

enum api_fate
api_alter_partition_reassignments(struct api_call *c, const struct kp_alter_partition_reassignments_req *q,
    struct kp_alter_partition_reassignments_res *a)
{
	rk_assert(c->plan != NULL);
	meta_alter_partition_reassignments(c->plan, c->head.version, q, a);
	return API_NOW;
}
