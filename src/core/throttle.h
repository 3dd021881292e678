/* throttle.h - leader. and follower.replication.throttled.rate: how fast replicas that are named in a topic's
 * throttled.replicas catch up. A replica in sync is never held back. */
#ifndef CORE_THROTTLE_H
#define CORE_THROTTLE_H
#include "src/core/core.h"

enum { CORE_RATE_SAMPLES = 64 };

/* Bytes of the last seconds, in samples of replication.quota.window.size.seconds. */
struct core_rate {
	uint64_t sample[CORE_RATE_SAMPLES];
	int64_t first; /* number of the latest sample, by time; 0: none yet */
};

/* May this follower get nothing now? The topic's list names this broker, as the one that leads, not the follower. */
bool core_throttled_leader(struct core_partition *, int32_t replica);
void core_count_replicated(struct core_partition *, int32_t replica, uint64_t bytes);
/* The same for what this node fetches. in_sync: it lacks nothing. */
bool core_throttled_follower(struct core_partition *, bool in_sync);
void core_count_followed(struct core_partition *, uint64_t bytes);
int64_t core_throttle_ms(const struct core *); /* how long to wait before asking again */
#endif
