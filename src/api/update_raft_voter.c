/* update_raft_voter.c - key 82: a voter tells its endpoints and what it understands (KIP-853). */
#include "protocol/gen/update_raft_voter.h"
#include "src/api/handlers.h"

enum api_fate
api_update_raft_voter(struct api_call *c, const struct kp_update_raft_voter_req *q, struct kp_update_raft_voter_res *a)
{
	return c->shared->quorum(c, q, a);
}
