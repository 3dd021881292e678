/* add_raft_voter.c - key 80: a controller becomes a voter (KIP-853). */
#include "protocol/gen/add_raft_voter.h"
#include "src/api/handlers.h"

enum api_fate
api_add_raft_voter(struct api_call *c, const struct kp_add_raft_voter_req *q, struct kp_add_raft_voter_res *a)
{
	return c->shared->quorum(c, q, a);
}
