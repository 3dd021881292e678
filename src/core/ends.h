/* ends.h - where partitions end that have no replica here, as their leaders told when this node asked.
 *
 * Whoever wants to know an end says so (core_end_want) and sees what was told last, if anything; the node asks the
 * leaders for what is wanted (src/node/lag.c). What nobody has wanted for long is forgotten. */
#ifndef CORE_ENDS_H
#define CORE_ENDS_H
#include "src/core/core.h"
#include "src/core/trail.h"

struct core_end {
	struct rk_node node;      /* in core->ends */
	struct rk_list turn;      /* in core->ends_due: the one asked for longest ago first */
	struct rk_str topic;      /* behind the struct */
	int32_t partition;
	int64_t high;             /* -1: never told */
	int64_t told_ms, wanted_ms;
	struct core_trail trail;
};

/* NULL: none was told in the last minutes. The pointer is valid until the next event. */
struct core_end *core_end_want(struct core *, struct rk_str topic, int32_t partition, int64_t now_ms);
/* The next to ask for, moved to the end of the row; NULL: there is none. Forgets those that nobody wants any more. */
struct core_end *core_end_due(struct core *, int64_t now_ms);
uint64_t core_ends_count(const struct core *);
void core_end_told(struct core *, struct rk_str topic, int32_t partition, int64_t high, int64_t now_ms);
void core_ends_free(struct core *);
#endif
