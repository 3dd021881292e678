/* txn_in.h - what the files of transactions share: a transactional id, what is known of it, what it changes into.
 *
 * A transactional id has values (the record's fields) and at most one move: the values that it changes into, written
 * but not committed yet. Until they are, whoever asks is answered by the old ones, or CONCURRENT_TRANSACTIONS. A
 * decided transaction stays in its move until every marker is written and the record that says so is committed. */
#ifndef CORE_TXN_IN_H
#define CORE_TXN_IN_H
#include "src/core/inside.h"
#include "src/core/txn.h"

enum core_txn_state { /* as records have them */
	CORE_TXN_EMPTY, CORE_TXN_ONGOING, CORE_TXN_PREPARE_COMMIT, CORE_TXN_PREPARE_ABORT, CORE_TXN_COMPLETE_COMMIT,
	CORE_TXN_COMPLETE_ABORT, CORE_TXN_STATES,
};
enum { CORE_TXN_EPOCH_MAX = INT16_MAX - 1 }; /* a producer id with this epoch is used up */
enum { CORE_TXN_V2 = 2 };                    /* transaction.version with which every transaction raises the epoch */

/* A set of partitions; one allocation, never changed but for the done of markers. They stand as Java's HashSet has
 * them, so that records are byte-equal: by hash in so many buckets, then as they came. */
struct core_txn_parts {
	int32_t count;
	struct core_marker_part at[];
};

struct core_txn_values {
	int64_t producer_id;
	int64_t previous_id, next_id; /* before, and after, the epochs of one were used up; -1 */
	int64_t update_ms, start_ms;  /* wall time; start of the last transaction, or -1 */
	struct core_txn_parts *parts; /* NULL: none */
	int32_t timeout_ms;
	int16_t epoch, last_epoch;    /* -1: none; the last one is not in records */
	int16_t version;              /* transaction.version that the client keeps to */
	uint8_t state;                /* enum core_txn_state */
};

struct core_txns {                /* a shard's state */
	struct core_shard *shard;
	struct core *core;
	struct rk_map by_id;
	struct rk_list ongoing;       /* transactions that may time out */
	struct rk_list refused;       /* askers whose refusal waits until this node is known to lead */
	struct rk_timer late, expiry;
	bool own;                     /* a record is applied that the memory has given: it knows */
	struct core_txn_expiry *expiring;
};

struct core_txn {
	struct rk_node node;          /* in by_id */
	struct core_txns *home;
	struct rk_str id;             /* behind the struct */
	struct core_txn_values now;
	struct core_txn_move *move;   /* NULL: nothing is under way */
	struct rk_list link;          /* in ongoing */
	bool dying;                   /* its tombstone is written */
};

/* --- txn.c */
struct core_txn *core_txn_get(const struct core_txns *, struct rk_str id); /* NULL: not known */
struct core_txn *core_txn_make(struct core_txns *, struct rk_str id);      /* empty, without a producer id */
void core_txn_drop(struct core_txn *);                                     /* from memory; nothing is under way */
/* The values are now those, whose parts become the id's own. */
void core_txn_become(struct core_txn *, const struct core_txn_values *);
/* Walks the ids: NULL first, NULL at the end. The one after an id may be asked for before that is dropped. */
struct core_txn *core_txn_next(const struct core_txns *, const struct core_txn *);
const char *core_txn_state_name(const struct core_txn *);

/* --- txn_log.c: records, and sets of partitions */
struct kp_add_partitions_to_txn_req_transactions_topics;
struct kp_pair core_txn_record(struct rk_str id, const struct core_txn_values *, int16_t version, struct rk_arena *);
struct kp_pair core_txn_tombstone(struct rk_str id, struct rk_arena *);
/* False: it is no record of a transactional id, or cannot be read. *gone: a tombstone. *parts of v are the caller's. */
bool core_txn_read(struct rk_str key, struct rk_str value, struct rk_arena *, struct rk_str *id, bool *gone,
    struct core_txn_values *v);
/* Is it among them? */
bool core_txn_has(const struct core_txn_parts *, struct rk_str topic, int32_t partition);
/* Both together; NULL: no memory. The strings are its own. */
struct core_txn_parts *core_txn_join(const struct core_txn_parts *, const struct core_marker_part *, int32_t count);
/* By topic, each a row of partitions, in the order of their first partitions in the set. NULL: the arena is over. */
struct core_txn_topic {
	struct rk_str name;
	int32_t *partition;
	int32_t count;
};
struct core_txn_topic *core_txn_topics(const struct core_txn_parts *, struct rk_arena *, int32_t *count);

/* --- txn_decide.c: Kafka's rules; nothing is changed but *to, which is filled with RK_OK */
/* InitProducerId. producer_id -1: nothing is expected. to->state PREPARE_ABORT: the ongoing transaction is to be
 * aborted first. */
enum rk_err core_txn_decide_init(const struct core_txn *, int64_t producer_id, int16_t epoch, int32_t timeout_ms,
    struct core_txn_values *to);
/* May these partitions be added? RK_OK with *there: they are all in already, nothing is to be written. */
enum rk_err core_txn_decide_add(const struct core_txn *, int64_t producer_id, int16_t epoch,
    const struct core_marker_part *, int32_t count, int16_t version, bool *there, struct core_txn_values *to);
/* EndTxn. RK_OK with *again: it is answered as it was before. */
enum rk_err core_txn_decide_end(const struct core_txn *, int64_t producer_id, int16_t epoch, bool commit,
    int16_t version, bool *again, struct core_txn_values *to);
/* An ongoing transaction is aborted and its producer shut out, by the cluster's transaction.version. */
enum rk_err core_txn_decide_fence(const struct core_txn *, struct core_txn_values *to);
/* A prepared one is complete when all its markers are written. */
void core_txn_decide_complete(const struct core_txn *, struct core_txn_values *to);

/* --- txn_refuse.c */
/* May a->err not be told yet? True: it waits, and is told later, or NOT_COORDINATOR. False: a->err is the answer. */
bool core_txn_refuse(struct core_txns *, struct core_txn_asker *a);
void core_txn_refused_end(struct core_txns *, enum rk_err); /* who waits so hears it unless RK_OK */

/* --- txn_move.c: what is under way */
/* Writes it; asker (may be NULL) is told then, or why it failed, when it is committed. An error: nothing was
 * written, to->parts are the caller's still. */
enum rk_err core_txn_start(struct core_txn *, const struct core_txn_values *to, struct core_txn_asker *,
    enum rk_err then);
/* What the asker wants to add (its part, producer_id, ...) is added, once what is under way is over. True: it waits;
 * else *err is the answer. */
bool core_txn_add_soon(struct core_txn *, struct core_txn_asker *, enum rk_err *err);
void core_txn_resume(struct core_txn *);                  /* it was found prepared: its markers are written again */
void core_txn_stop(struct core_txn *, enum rk_err);       /* the move is given up; who waits hears it unless RK_OK */
void core_txn_watch(struct core_txns *);                  /* timers of what may time out or expire */
void core_txn_timers_init(struct core_txns *);
void core_txn_timers_stop(struct core_txns *);
#endif
