/* end_quorum_epoch.c - key 54: the metadata quorum's leader resigns. */
#include "protocol/gen/end_quorum_epoch.h"
#include "src/api/handlers.h"

enum api_fate
api_end_quorum_epoch(struct api_call *c, const struct kp_end_quorum_epoch_req *q, struct kp_end_quorum_epoch_res *a)
{
	return c->shared->quorum(c, q, a);
}
