/* fetch_replica.h - a Fetch that comes from another broker: it follows partitions that this node leads. */
#ifndef API_FETCH_REPLICA_H
#define API_FETCH_REPLICA_H
#include "src/api/api.h"

struct kp_fetch_req;
struct kp_fetch_res;

enum api_fate api_fetch_replica(struct api_call *, const struct kp_fetch_req *, struct kp_fetch_res *, int32_t replica,
    int64_t broker_epoch);
#endif
