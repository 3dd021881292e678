/* coord.h - coordinators: state machines over the partitions of an internal topic.
 *
 * A kind (groups over __consumer_offsets, transactions over __transaction_state) is a table of functions. For every
 * partition of its topic that this node leads there is a shard with a state of the kind's own. Winning a partition
 * replays it: each record of the log is applied in order, some of it at a time, until the log's end; then the shard is
 * active. Losing it ends the shard: whoever waits in it is told, and the state is freed.
 *
 * A decision reads the state, writes records, and nothing else. core_shard_write appends them as one batch and
 * applies them to the state at once, so that the next decision sees them; the answer leaves when the high watermark is
 * past them. There is nothing to undo: what could not be appended was not applied, and what was appended but not
 * committed is lost only together with the partition's leadership, and then the whole shard goes. An answer
 * that only reads waits for what it has read in the same way (core_shard_settle): so no answer tells of what a failover
 * may take back.
 *
 * One thread, the core's. Everything is deterministic; time comes through the core's timers. */
#ifndef CORE_COORD_H
#define CORE_COORD_H
#include "protocol/batch.h"
#include "src/core/core.h"

struct core_coord;
struct core_shard;

/* One record as it is applied: from the log at loading, or just written. Strings are borrowed. */
struct core_entry {
	int64_t offset, ms;
	int64_t producer_id;          /* of a transactional batch; else -1: decided by its marker */
	int16_t producer_epoch;
	struct rk_str key, value;     /* value null: a tombstone */
};

struct core_coord_kind {
	const char *topic;
	/* A fresh state; never NULL. */
	void *(*make)(struct core_shard *);
	/* Applies a record. One of an unknown type, or that cannot be read, is kept in the log and passed over. */
	void (*apply)(void *state, const struct core_entry *);
	/* A marker: what this producer wrote into the partition in its transaction is decided. May be NULL. */
	void (*marker)(void *state, int64_t producer_id, int16_t epoch, bool commit, int64_t offset);
	/* All of the log is applied, requests may come: timers are set here. */
	void (*loaded)(void *state);
	/* The partition is lost: answers everybody who waits inside with err, stops timers, frees the state. RK_OK: the
	 * node is freed, nobody is to be answered. */
	void (*end)(void *state, enum rk_err err);
};

/* The core owns it until core_free. */
struct core_coord *core_coord_new(struct core *, const struct core_coord_kind *);

/* Which of so many partitions coordinates a name: Java's String.hashCode over UTF-16, as Kafka has it. */
int32_t core_coord_slot(struct rk_str name, int32_t partitions);
/* The same of the kind's topic as it is here; -1: it is not there. */
int32_t core_coord_place(const struct core_coord *, struct rk_str name);
/* The active shard for a name. RK_NOT_COORDINATOR: another node's, or cut off, or the topic is not there;
 * RK_COORDINATOR_LOAD_IN_PROGRESS; RK_COORDINATOR_NOT_AVAILABLE: the partition's log is broken. */
rk_must_use enum rk_err core_coord_find(const struct core_coord *, struct rk_str name, struct core_shard **);
/* Walks the active shards: NULL first, NULL at the end. *loading, when not NULL: there are some that are not yet. */
struct core_shard *core_coord_walk(const struct core_coord *, struct core_shard *, bool *loading);

void *core_shard_state(const struct core_shard *);
struct core *core_shard_core(const struct core_shard *);
struct core_partition *core_shard_partition(const struct core_shard *); /* NULL: lost a moment ago */
/* The partition has no other replica: nobody else can have become its leader unheard. */
bool core_shard_alone(const struct core_shard *);

/* Somebody who waits for what was written to be committed; in the waiter's own memory. Like core_wait, woken once:
 * RK_OK, or RK_NOT_COORDINATOR (leadership went, it may or may not be there), RK_COORDINATOR_NOT_AVAILABLE (disk). */
struct core_write {
	void (*done)(struct core_write *, enum rk_err);
	/* coord.c's */
	struct core_wait wait;
	struct rk_timer soon;
	struct core *core;
	enum rk_err err;
};

/* A record's key or value in the arena: its type or version in front. */
struct rk_str core_coord_bytes(int16_t first, const struct kp_desc *, int16_t version, const void *, struct rk_arena *);
/* Appends and applies records (key, value) as one batch; then w is woken as told (later, never from inside), when it
 * is not NULL. transactional: producer_id and epoch of the transaction it belongs to, else -1. An error: nothing was
 * appended, w is not woken: RK_COORDINATOR_NOT_AVAILABLE (too few replicas, a disk), RK_NOT_COORDINATOR,
 * RK_RECORD_LIST_TOO_LARGE, RK_INVALID_PRODUCER_EPOCH (of a transactional one). count 0: only waits, like
 * core_shard_settle. */
rk_must_use enum rk_err core_shard_write(struct core_shard *, const struct kp_pair *records, int32_t count,
    int64_t producer_id, int16_t producer_epoch, struct core_write *w);
/* Wakes w when all that is applied now is committed. False: it is already; w is not woken. */
rk_must_use bool core_shard_settle(struct core_shard *, struct core_write *w);
/* Wakes w with err, from the loop: for a write that could not be made, when nobody is to hear of it at once. */
void core_write_later(struct core_shard *, struct core_write *w, enum rk_err err);
void core_write_forget(struct core_write *); /* harmless when it does not wait */

/* A control batch was appended to an internal topic's partition from elsewhere (WriteTxnMarkers). */
void core_coord_marked(struct core_partition *, const uint8_t *batch);
#endif
