/* cl_bugs.c - see cl_bugs.h. */
#include "tests/sim/cl_bugs.h"
#include "tests/sim/cluster.h"

static const struct {
	const char *name;
	uint64_t within;
} bug[CL_BUGS] = {
	[CL_NO_BUG] = { "nothing", 0 },
	[CL_BUG_VOTE] = { "a vote that is not synced", 10 },
	[CL_BUG_ACK] = { "an acknowledgement before the sync", 10 },
};

void
cl_bug_plant(struct cl *cl, enum cl_bug b)
{
	if (cl == NULL)
		return;
	cl->lies_vote = b == CL_BUG_VOTE;
	cl->lies_sync = b == CL_BUG_ACK;
}

const char *
cl_bug_name(enum cl_bug b)
{
	return bug[b].name;
}

uint64_t
cl_bug_within(enum cl_bug b)
{
	return bug[b].within;
}
