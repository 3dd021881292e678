/* begin_quorum_epoch.c - key 53: the metadata quorum's new leader makes itself known. */
#include "protocol/gen/begin_quorum_epoch.h"
#include "src/api/handlers.h"

enum api_fate
api_begin_quorum_epoch(struct api_call *c, const struct kp_begin_quorum_epoch_req *q,
    struct kp_begin_quorum_epoch_res *a)
{
	return c->shared->quorum(c, q, a);
}
