/* fetch_snapshot.c - key 59: a piece of a metadata snapshot (KIP-630). */
#include "protocol/gen/fetch_snapshot.h"
#include "src/api/handlers.h"

enum api_fate
api_fetch_snapshot(struct api_call *c, const struct kp_fetch_snapshot_req *q, struct kp_fetch_snapshot_res *a)
{
	return c->shared->quorum(c, q, a);
}
