/* vote.c - key 52: a vote for the metadata quorum's leader, or whether there would be one (KIP-996). */
#include "protocol/gen/vote.h"
#include "src/api/handlers.h"

enum api_fate
api_vote(struct api_call *c, const struct kp_vote_req *q, struct kp_vote_res *a)
{
	return c->shared->quorum(c, q, a);
}
