/* mark.h - a partition leader's part in transactions: it writes their markers, and it lets no record into one that
 * its coordinator does not know of (KIP-890).
 *
 * A marker is a control batch; when it is committed the transaction's records are decided for readers, and an internal
 * topic's coordinator is told (core_coord_marked) the moment it is appended. */
#ifndef CORE_MARK_H
#define CORE_MARK_H
#include "src/core/txn.h"

struct kp_write_txn_markers_req;
struct kp_write_txn_markers_res;

/* WriteTxnMarkers; embedded in the caller's own struct. */
struct core_marks {
	void (*done)(struct core_marks *); /* once, from the loop */
	struct rk_arena *arena;
	/* mark.c's */
	struct core_marks_wait *wait;
	uint32_t count, left;
	struct core *core;
};
/* Appends every marker to every partition named in the request, and answers row by row as Kafka does. True: done comes
 * when all are committed (acks=all), or refused. For this node's own markers too, without a socket. */
bool core_marks_write(struct core *, struct core_marks *, const struct kp_write_txn_markers_req *,
    struct kp_write_txn_markers_res *);
void core_marks_forget(struct core_marks *); /* the appends go their way, nobody waits */

/* Must this client's batch (whole, checked by core_only_batch) be verified before it is appended? Not when it is
 * outside a transaction, when its transaction is open in this log already, or when
 * transaction.partition.verification.enable is false. True: a guard is set for that producer; core_append refuses
 * the batch with RK_INVALID_TXN_STATE when a marker has come between core_unverified and core_append, and without it. */
bool core_unverified(struct core_partition *, const uint8_t *batch);
#endif
