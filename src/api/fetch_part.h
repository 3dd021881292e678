/* fetch_part.h - one partition's answer to a Fetch: what fetch.c says to consumers and fetch_replica.c to followers
 * alike. */
#ifndef API_FETCH_PART_H
#define API_FETCH_PART_H
#include "protocol/gen/fetch.h"
#include "src/api/api.h"
#include "src/core/core.h"

/* Where a fetch begins. */
struct api_fetch_place {
	struct st_log *log; /* NULL: never written */
	int64_t start, end; /* of the log */
	int32_t epoch;      /* the asker's log goes another way: the last epoch the two have in common; -1: it does not */
	int64_t epoch_end;  /* and where that ends; -1: likewise */
};

/* Kafka's checks of an offset and the epoch of the record before it (-1: not told), which open the log:
 * RK_OFFSET_OUT_OF_RANGE, RK_KAFKA_STORAGE_ERROR. That the logs differ is no error. */
rk_must_use enum rk_err api_fetch_place(struct core_partition *, int64_t offset, int32_t last_epoch,
    struct api_fetch_place *);
/* An answer before there is anything to say. */
void api_fetch_blank(struct kp_fetch_res_responses_partitions *, int32_t index);
/* Names the records from offset up to limit: at most max bytes, but one whole batch when at_least_one. */
rk_must_use enum rk_err api_fetch_read(struct api_call *, struct st_log *, int64_t offset, int64_t limit, int64_t max,
    bool at_least_one, struct kp_fetch_res_responses_partitions *);
/* An error that another leader is the reason for names it (KIP-951). NULL: the partition is not known. */
void api_fetch_leader(const struct api_call *, const struct core_partition *,
    struct kp_fetch_res_responses_partitions *);
/* Adds the partition to the topic that was added last, or to a new one. There is room for both; the partitions of
 * one answer lie side by side. Returns the topic, whose name is borrowed. */
struct kp_fetch_res_responses *api_fetch_add(struct kp_fetch_res *, bool ids, struct rk_uuid, struct rk_str name,
    struct kp_fetch_res_responses_partitions *);
#endif
