/* describe_quorum.c - key 55: who leads the metadata log, and how far its voters are (KIP-595, KIP-836). */
#include "protocol/gen/describe_quorum.h"
#include "src/api/handlers.h"

enum api_fate
api_describe_quorum(struct api_call *c, const struct kp_describe_quorum_req *q, struct kp_describe_quorum_res *a)
{
	return c->shared->quorum(c, q, a);
}
