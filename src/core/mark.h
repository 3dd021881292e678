/* mark.h - a partition leader's part in transactions: it writes their markers, and it lets no record into one that
 * its coordinator does not know of (KIP-890).
 *
 * A marker is a control batch; when it is committed the transaction's records are decided for readers, and an internal
 * topic's coordinator is told (core_coord_marked) the moment it is appended. A leader remembers those that are not
 * committed yet: the same one sent again waits with the first, it is not appended once more.
 *
 * A producer's first batch in a transaction is appended only after the transactional id's coordinator has said that
 * the partition belongs to it. Between the question and the append a marker may come, and then the answer is about the
 * past: so the question leaves a guard with the partition, each with a number of its own, which a marker takes away.
 * Guards are in memory only, and only while this node leads. */
#ifndef CORE_MARK_H
#define CORE_MARK_H
#include "src/core/txn.h"

struct kp_write_txn_markers_req;
struct kp_write_txn_markers_res;

/* A coordinator's request must not keep what is committed waiting for what is not. */
enum { CORE_MARKS_HURRY_MS = 50 };

/* WriteTxnMarkers; embedded in the caller's own struct. */
struct core_marks {
	void (*done)(struct core_marks *); /* once, from the loop */
	struct rk_arena *arena;
	bool hurried; /* out of patience after CORE_MARKS_HURRY_MS: who asks will ask again for what waits */
	/* mark.c's */
	struct core_marks_wait *wait;
	uint32_t count, left;
	struct core *core;
	struct rk_timer timer;
};
/* Appends every marker to every partition named in the request, and answers row by row as Kafka does. True: done comes
 * when all are committed (acks=all), or refused, or the time is over (request.timeout.ms, or that of the hurried): what
 * waits is told RK_REQUEST_TIMED_OUT then, and is in the log nevertheless. For this node's own markers too, without a
 * socket. False: the answer is complete. */
bool core_marks_write(struct core *, struct core_marks *, const struct kp_write_txn_markers_req *,
    struct kp_write_txn_markers_res *);
void core_marks_forget(struct core_marks *); /* the appends go their way, nobody waits */
void core_marked_free(struct core_partition *); /* this node leads it no more */

/* What a producer is about to write into a partition. */
struct core_intent {
	int64_t producer_id;
	int16_t producer_epoch;
	int32_t sequence; /* -1: none, a coordinator's own */
	bool adds;        /* transaction.version 2: the question adds the partition */
};
struct core_intent core_intent(const uint8_t *batch, bool adds);
/* Must it be verified before it is appended? 0: no, for that transaction is open in this log already, or
 * transaction.partition.verification.enable is false. Else the number of the guard that is set now (or that an earlier
 * question has set and nobody took away): core_append wants it, and refuses the batch with RK_INVALID_TXN_STATE when a
 * marker has come meanwhile. RK_NOT_LEADER_OR_FOLLOWER, RK_INVALID_PRODUCER_EPOCH: it need not be asked. */
rk_must_use enum rk_err core_unverified(struct core_partition *, const struct core_intent *, uint64_t *guard);
/* May a batch with that guard (0: none) be appended now? RK_INVALID_TXN_STATE: it was not verified, or is no more.
 * RK_OUT_OF_ORDER_SEQUENCE_NUMBER: an earlier one of the same transaction was refused, and comes first. */
rk_must_use enum rk_err core_verified(struct core_partition *, const struct core_intent *, uint64_t guard);
void core_guards_expire(struct core_partition *, int64_t now_ms, int64_t expire_ms);
/* A batch of a transaction was appended: it is open in this log now, or (a marker) over, and its guard goes. A guard of
 * the transaction behind it stays: whose epoch is the marker's or higher, if the marker's has been raised over its
 * data's (transaction.version 2). Its question may be on its way already, for EndTxn is answered before the markers. */
void core_guard_over(struct core_partition *, const uint8_t *batch, bool raised);
void core_guards_free(struct core_partition *);                     /* all of them */
#endif
