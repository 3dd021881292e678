/* group.h - consumer groups, as the coordinator of their partition of __consumer_offsets keeps them.
 *
 * One kind on the coordinator runtime (coord.h): a shard's state is its groups by name, with their members and
 * committed offsets. Members of a running rebalance, timers and waiting requests live in memory only; what a new
 * coordinator must know (generation, members, assignments, offsets) is in records that are byte-equal to Kafka's.
 *
 * Requests are decoded protocol structs, answers are filled in place; strings of an answer live in the asker's arena.
 * Each function returns true when it keeps the asker and will call done later, false when the answer is complete.
 * Kafka's checks, in Kafka's order, with Kafka's error codes. */
#ifndef CORE_GROUP_H
#define CORE_GROUP_H
#include "src/core/coord.h"

struct kp_join_group_req;
struct kp_join_group_res;
struct kp_sync_group_req;
struct kp_sync_group_res;
struct kp_heartbeat_req;
struct kp_heartbeat_res;
struct kp_leave_group_req;
struct kp_leave_group_res;
struct kp_offset_commit_req;
struct kp_offset_commit_res;
struct kp_offset_fetch_req;
struct kp_offset_fetch_res;
struct kp_offset_fetch_res_groups;
struct kp_offset_fetch_req_groups;
struct kp_offset_delete_res;
struct kp_delete_groups_res_results;
struct kp_describe_groups_res_groups;
struct kp_list_groups_res_groups;
struct kp_consumer_group_heartbeat_req;
struct kp_consumer_group_heartbeat_res;
struct kp_consumer_group_describe_res_groups;
struct core_group;

/* Who asks; embedded in the caller's own struct, valid until done or core_group_forget. */
struct core_group_asker {
	void (*done)(struct core_group_asker *);
	struct rk_arena *arena;       /* of the request: answers' strings go there */
	struct rk_str client_id, client_host; /* host as Kafka has it: "/127.0.0.1" */
	int16_t version;              /* of the request */
	uint64_t line;                /* of a ConsumerGroupHeartbeat: its connection, another number for each, never 0 */
	/* the group's */
	struct core_group_member *member; /* whose join or sync it is */
	struct core_write put;
	void *res;
	int16_t *code;                /* where the answer says that the write failed */
};

const struct core_coord_kind *core_group_kind(void);

bool core_group_join(struct core_shard *, struct core_group_asker *, const struct kp_join_group_req *,
    struct kp_join_group_res *);
bool core_group_sync(struct core_shard *, struct core_group_asker *, const struct kp_sync_group_req *,
    struct kp_sync_group_res *);
bool core_group_heartbeat(struct core_shard *, struct core_group_asker *, const struct kp_heartbeat_req *,
    struct kp_heartbeat_res *);
bool core_group_leave(struct core_shard *, struct core_group_asker *, const struct kp_leave_group_req *,
    struct kp_leave_group_res *);
/* The transaction that offsets are part of: until its marker comes they are not decided. guard: of core_unverified
 * (mark.h) for the shard's partition. */
struct core_group_txn {
	int64_t producer_id;
	int16_t producer_epoch;
	bool adds;
	uint64_t guard;
};
/* txn NULL: an OffsetCommit. Else a TxnOffsetCommit in the other's shape. */
bool core_group_commit(struct core_shard *, struct core_group_asker *, const struct kp_offset_commit_req *,
    const struct core_group_txn *txn, struct kp_offset_commit_res *);
/* One group of an OffsetFetch of version 8 or later; older versions are brought into that shape by the handler. */
bool core_group_fetch(struct core_shard *, struct core_group_asker *, const struct kp_offset_fetch_req_groups *,
    bool require_stable, struct kp_offset_fetch_res_groups *);
/* The answer's rows are the request: those without an error yet are forgotten. */
bool core_group_delete_offsets(struct core_shard *, struct core_group_asker *, struct rk_str group,
    struct kp_offset_delete_res *);
bool core_group_delete(struct core_shard *, struct core_group_asker *, struct rk_str group,
    struct kp_delete_groups_res_results *);
void core_group_describe(struct core_shard *, struct core_group_asker *, struct rk_str group,
    struct kp_describe_groups_res_groups *);
/* Of groups of consumers (KIP-848). Is the request one at all? INVALID_REQUEST, UNSUPPORTED_ASSIGNOR, with Kafka's
 * words. To be asked before the heartbeat, for any group. */
rk_must_use enum rk_err core_consumer_check(const struct core *, const struct kp_consumer_group_heartbeat_req *,
    const struct core_group_asker *, struct rk_str *why);
bool core_consumer_heartbeat(struct core_shard *, struct core_group_asker *,
    const struct kp_consumer_group_heartbeat_req *, struct kp_consumer_group_heartbeat_res *);
bool core_consumer_describe(struct core_shard *, struct core_group_asker *, struct rk_str group,
    struct kp_consumer_group_describe_res_groups *);
/* Walks a shard's groups for ListGroups: NULL first, NULL at the end. */
struct core_group *core_group_walk(struct core_shard *, struct core_group *);
void core_group_list(const struct core_group *, struct rk_arena *, struct kp_list_groups_res_groups *,
    const char **state, const char **type);
/* Members, offsets and lag of all groups coordinated here, as Prometheus text (group_lag.c). */
void core_group_metrics(const struct core_coord *, int64_t now_ms, struct rk_out *);
/* The connection is gone: done is not called any more. */
void core_group_forget(struct core_group_asker *);
#endif
