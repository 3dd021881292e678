/* replica.h - a partition with several replicas, as its leader sees it: how far each of the others is, which of
 * them are in sync, and what the controller is to be asked about that.
 *
 * The high watermark is the least of this node's own end (what is on stable storage, or with write.caching the end of
 * the log) and the ends of all others that are in the ISR, or may be in it soon: those that are asked for, and
 * those that have caught up and are about to be. It stands still while the ISR is smaller than min.insync.replicas.
 * A follower's end is the offset it fetches: whatever lies below it, it has kept.
 *
 * Only a partition that this node leads and that has other replicas has a core_set. */
#ifndef CORE_REPLICA_H
#define CORE_REPLICA_H
#include "src/core/core.h"

struct kp_partition_record;

struct core_follower {
	int32_t id;
	bool isr;          /* in the ISR, as the metadata has it */
	bool wanted;       /* in the ISR that the controller is, or will be, asked for */
	int64_t end;       /* its log's end; -1: it has not fetched since this leader epoch began */
	int64_t start;     /* its log's start, as it last told; -1: likewise */
	int64_t epoch;     /* its broker epoch, as it last told; -1: it did not */
	int64_t fetch_ms;  /* when it last fetched, or was last answered */
	int64_t fetch_end; /* our log's end at that time */
	int64_t caught_ms; /* the latest time at which it had all there was */
};

struct core_set {
	struct core_partition *partition;
	struct rk_list link;  /* in the core's sets */
	struct rk_list wish;  /* in the core's wishes: another ISR is to be asked for */
	struct rk_list feeds; /* of core_feed: followers' sessions that fetch it */
	struct rk_list lows;  /* of core_wait: DeleteRecords that waits for the replicas */
	struct core_follower *other;
	int64_t epoch_start;  /* where this leader epoch begins; -1: the log was not opened yet */
	uint16_t count;       /* of others */
	bool asked;           /* the request under way is about it */
	bool recovering;      /* an unclean election is not told to be recovered from */
};

/* --- from core.c */
/* This node leads the partition as the record has it. newly: since now, or in another epoch. */
void core_set_take(struct core_partition *, const struct kp_partition_record *, bool newly);
void core_set_drop(struct core_partition *); /* it does not, or not for others; harmless without a set */
/* How far the high watermark may move when this node's own records count up to own. */
int64_t core_set_high(struct core_partition *, int64_t own);
/* The log has grown from there on: until now some had all there was. */
void core_set_grew(struct core_partition *, int64_t from);
/* A broker was fenced or unfenced: who may join may have changed. */
void core_set_look_again(struct core *, int32_t broker);
struct core_follower *core_set_find(const struct core_set *, int32_t replica); /* NULL: no replica */
/* A follower has fetched from this offset on; before_ms: its session's fetch before. RK_NOT_LEADER_OR_FOLLOWER: its
 * broker epoch is an old one. */
rk_must_use enum rk_err core_set_fetched(struct core_partition *, int32_t replica, int64_t broker_epoch,
    int64_t offset, int64_t log_start, int64_t before_ms);
void core_set_answered(struct core_partition *, int32_t replica); /* it was given what there was */
int64_t core_set_low(const struct core_partition *); /* the least log start of the live replicas */
/* Waits until every live replica's log starts at need or later (woken at once when that is so already: false). */
bool core_wait_low(struct core_partition *, struct core_wait *);

/* --- the wishes: what src/node asks the controller for in AlterPartition. One request at a time. */
struct core_isr_wish {
	struct rk_uuid topic;
	int32_t partition, leader_epoch, partition_epoch;
	struct core_isr_member {
		int32_t id;
		int64_t epoch; /* -1: not known; this node's own is the caller's to fill in */
	} *member;
	int32_t members;
};
/* Called from core_flush when there are wishes and no request is under way. */
void core_isr_listen(struct core *, void (*wished)(void *arg), void *arg);
/* Takes at most max wishes for one request, in the arena; it is under way from now on. */
uint32_t core_isr_take(struct core *, struct rk_arena *, uint32_t max, struct core_isr_wish **);
/* What the controller said to one of them; err: the partition's own. isr is what it answered. */
void core_isr_answer(struct core *, struct rk_uuid topic, int32_t partition, enum rk_err, int32_t leader_epoch,
    int32_t partition_epoch, const int32_t *isr, int32_t count);
/* The request is over. again: it did not reach anybody, and what it was about is to be asked for anew. */
void core_isr_done(struct core *, bool again);
#endif
