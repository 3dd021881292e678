/* txn.h - transactions: the coordinator of a transactional id, and what it asks of the world.
 *
 * The second kind on the coordinator runtime (coord.h), over __transaction_state: a shard's state is its transactional
 * ids. Each has one record that says all that a new coordinator must know (Kafka's TransactionLog, byte for byte):
 *
 *	Empty -> Ongoing -> PrepareCommit | PrepareAbort -> CompleteCommit | CompleteAbort -> Ongoing ...
 *
 * Order of things, which nothing may turn round: Prepare is committed (high watermark) before a marker leaves; all
 * markers are acknowledged before Complete is written; EndTxn is answered when Prepare is committed, and only then may
 * the client go on; a refusal that ends a producer is told when this node is known to lead (txn_refuse.c). A shard
 * that is loaded resumes markers of what it finds prepared. Timeouts abort with a raised epoch (KIP-98);
 * transaction.version 2 raises the epoch with every transaction (KIP-890), a marker then carries the epoch after its
 * data's.
 *
 * Requests are decoded protocol structs, answers are filled in place, strings of an answer live in the asker's arena.
 * Each function returns true when it keeps the asker and will call done later, false when the answer is complete.
 * Kafka's checks, in Kafka's order, with Kafka's error codes. */
#ifndef CORE_TXN_H
#define CORE_TXN_H
#include "src/core/coord.h"

struct kp_init_producer_id_req;
struct kp_init_producer_id_res;
struct kp_add_partitions_to_txn_req_transactions;
struct kp_add_partitions_to_txn_res_results_by_transaction;
struct kp_add_offsets_to_txn_req;
struct kp_add_offsets_to_txn_res;
struct kp_end_txn_req;
struct kp_end_txn_res;
struct kp_describe_transactions_res_transaction_states;
struct kp_list_transactions_res_transaction_states;
struct core_txn;

/* Who asks; embedded in the caller's own struct, valid until done or core_txn_forget. */
struct core_txn_asker {
	void (*done)(struct core_txn_asker *);
	struct rk_arena *arena; /* of the request */
	int16_t version;        /* of the request */
	/* the coordinator's */
	struct rk_list link; /* with others who wait for the same */
	void *res;
	void (*tell)(struct core_txn_asker *, enum rk_err); /* how that ended, into the answer */
	enum rk_err err;
	/* what it wants to add, while it waits until that may be */
	const struct core_marker_part *part;
	int64_t producer_id;
	int32_t count;
	int16_t producer_epoch, client;
	struct core_write put; /* of a refusal that waits */
};

const struct core_coord_kind *core_txn_kind(void);

bool core_txn_init(struct core_shard *, struct core_txn_asker *, const struct kp_init_producer_id_req *,
    struct kp_init_producer_id_res *);
/* A row of the answer for each partition of the request, without an error yet. False: the arena is over. */
bool core_txn_rows(const struct kp_add_partitions_to_txn_req_transactions *, struct rk_arena *,
    struct kp_add_partitions_to_txn_res_results_by_transaction *);
/* One transaction of an AddPartitionsToTxn of version 4 or later; older versions are brought into that shape by the
 * handler. The rows are made when the caller has not done so. verify_only: nothing is written, each partition is told
 * whether it belongs to the ongoing transaction. */
bool core_txn_add(struct core_shard *, struct core_txn_asker *,
    const struct kp_add_partitions_to_txn_req_transactions *,
    struct kp_add_partitions_to_txn_res_results_by_transaction *);
/* partition: of __consumer_offsets, where the group has its place. */
bool core_txn_add_offsets(struct core_shard *, struct core_txn_asker *, const struct kp_add_offsets_to_txn_req *,
    int32_t partition, struct kp_add_offsets_to_txn_res *);
bool core_txn_end(struct core_shard *, struct core_txn_asker *, const struct kp_end_txn_req *, struct kp_end_txn_res *);
void core_txn_describe(struct core_shard *, struct rk_str id, struct rk_arena *,
    struct kp_describe_transactions_res_transaction_states *);
/* Walks a shard's transactional ids for ListTransactions: NULL first, NULL at the end. *since_ms: when its last
 * transaction began (wall time); -1: it had none since it was initialised. */
struct core_txn *core_txn_walk(struct core_shard *, struct core_txn *);
void core_txn_list(const struct core_txn *, struct rk_arena *, struct kp_list_transactions_res_transaction_states *,
    int64_t *since_ms);
void core_txn_forget(struct core_txn_asker *); /* the connection is gone: done is not called any more */

/* --- what is asked of the world (src/node/txn.c) */
/* What a decided transaction owes to the leaders of its partitions. The coordinator's memory, until left is 0 or it
 * took it back by unmark. */
struct core_marker_part {
	struct rk_str topic;
	int32_t partition;
	bool done;
};
struct core_marker {
	int64_t producer_id;
	int16_t producer_epoch;    /* of the marker */
	int16_t transaction_version;
	int32_t coordinator_epoch; /* leader epoch of the partition of __transaction_state */
	bool commit;
	struct core_marker_part *part;
	int32_t count, left;       /* left: not done yet */
	struct rk_list link;       /* the world's, with node */
	void *node;
};
/* A question of a partition's leader, or of a group's coordinator, to a transactional id's coordinator (KIP-890): do
 * these partitions belong to the ongoing transaction? add: they are to (transaction.version 2). The asker's memory. */
struct core_verify_part {
	struct rk_str topic;
	int32_t partition;
	enum rk_err err;           /* out: as the coordinator said it, or why it could not be asked */
};
struct core_verify {
	void (*done)(struct core_verify *); /* once, from the loop, never from inside verify */
	struct rk_str transactional_id;
	int64_t producer_id;
	int16_t producer_epoch;
	bool add;
	struct core_verify_part *part;
	int32_t count;
	struct rk_list link;       /* the world's, with node */
	void *node;
};
struct core_txn_world {
	void *arg;
	/* The next producer id, or RK_COORDINATOR_LOAD_IN_PROGRESS while a block is fetched. */
	enum rk_err (*producer_id)(void *arg, int64_t *id);
	/* Sees to it that every part's leader writes the marker, however often leaders change; a part whose topic is gone
	 * counts as done. Calls core_marked for each, from the loop. */
	void (*mark)(void *arg, struct core_marker *);
	void (*unmark)(void *arg, struct core_marker *);
	void (*verify)(void *arg, struct core_verify *);
	void (*unverify)(void *arg, struct core_verify *);
};
void core_txn_world(struct core *, const struct core_txn_world *); /* before core_load; it is copied */
const struct core_txn_world *core_txn_world_of(const struct core *); /* NULL: there is none (not a broker) */
/* RK_OK: that part has the marker, or can never have one. Else the leader refuses this coordinator for good
 * (RK_TRANSACTION_COORDINATOR_FENCED, RK_INVALID_PRODUCER_EPOCH): nothing more is sent for it. */
void core_marked(struct core_marker *, int32_t part, enum rk_err);
#endif
