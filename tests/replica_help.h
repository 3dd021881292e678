/* replica_help.h - a second broker beside core_help's: node 2 with a directory of its own, that follows what node 1
 * leads, and the other way round. Requests are carried by hand, one at a time, as src/node's links carry them. */
#ifndef REPLICA_HELP_H
#define REPLICA_HELP_H
#include "protocol/gen/fetch.h"
#include "protocol/gen/list_offsets.h"
#include "src/api/handlers.h"
#include "src/core/broker.h"
#include "src/core/feed.h"
#include "src/core/follow_in.h"
#include "src/core/replica.h"
#include "tests/core_help.h"

extern struct broker o; /* node 2 */

void pair_begin(void); /* both start empty; brokers 1, 2 and 3 are registered and active */
void pair_end(void);
void other_settle(void);              /* node 2's round ends: its syncs are answered */
void other_crash(void);
struct core_partition *other(const char *topic, int32_t index);
/* One step of from's source to the other node: false when it rests, or its fetch waits there. */
bool carry(struct broker *from);
/* All steps until both rest, with their rounds between. */
void flow(void);
/* Both clocks; waiting fetches are answered when their time is over, and carried on. */
void both_pass(int64_t ms);
extern uint32_t carried; /* requests so far */
extern uint32_t named;   /* partitions in the last fetch request */
/* Reads a log whole, as bytes. */
struct rk_str all_of(struct core_partition *);

/* --- a leader alone: a fetch as follower id would send it, without a session */
struct kp_fetch_res_responses_partitions fetch_as(int32_t id, uint8_t topic, int32_t partition, int64_t offset,
    int32_t leader_epoch, int32_t last_epoch);
#endif
