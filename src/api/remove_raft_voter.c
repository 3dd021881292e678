/* remove_raft_voter.c - key 81: a controller is a voter no more (KIP-853). */
#include "protocol/gen/remove_raft_voter.h"
#include "src/api/handlers.h"

enum api_fate
api_remove_raft_voter(struct api_call *c, const struct kp_remove_raft_voter_req *q, struct kp_remove_raft_voter_res *a)
{
	return c->shared->quorum(c, q, a);
}
