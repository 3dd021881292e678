/* list_partition_reassignments.c - key 46: which partitions are on the move (KIP-455). */
#include "protocol/gen/list_partition_reassignments.h"
#include "src/api/handlers.h"

enum api_fate
api_list_partition_reassignments(struct api_call *c, const struct kp_list_partition_reassignments_req *q,
    struct kp_list_partition_reassignments_res *a)
{
	rk_assert(c->plan != NULL);
	meta_list_partition_reassignments(c->plan, q, a);
	return API_NOW;
}
