/* producers.h - what a log knows of idempotent producers: their epoch, their last five batches, their
 * open transaction. A table per log, in memory, written as Kafka's <offset>.snapshot files.
 *
 * Kafka's snapshot keeps one batch a producer, ours writes that same file (Kafka can read it) and keeps the
 * other four beside it, in <offset>.batches, so that five batches in flight over a crash are each
 * recognised. Without that file (Kafka's directory) the table is as good as Kafka's. */
#ifndef ST_PRODUCERS_H
#define ST_PRODUCERS_H
#include "base/env.h"
#include "base/list.h"

enum { ST_BATCHES_KEPT = 5 };
struct st_producer_batch {
	int32_t first_seq, last_seq;
	int64_t last_offset, ms;
	int32_t offset_delta;
};
struct st_producer {
	struct rk_node node; /* in the table, by id */
	int64_t id;
	int16_t epoch;
	int32_t coordinator_epoch;  /* -1: no marker seen */
	int64_t txn_first;          /* -1: no open transaction */
	int64_t last_ms;            /* timestamp of the last batch or marker */
	uint32_t count;             /* of batches kept, oldest first */
	struct st_producer_batch batch[ST_BATCHES_KEPT];
};
struct st_producers; /* opaque table */

/* A transaction that a marker ended: its first record, its marker, how. */
struct st_ended {
	int64_t producer_id, first, last;
	bool aborted;
};

struct st_producers *st_producers_new(void);
void st_producers_free(struct st_producers *);

/* Judges a checked batch of a producer before it is appended by the leader (of a data batch only the
 * header is looked at; a control batch must be whole):
 * RK_OK: append it. RK_DUPLICATE_SEQUENCE_NUMBER with *base >= 0: it is one of the last five: answer success
 * with that base offset and the batch's timestamp *ms. RK_OUT_OF_ORDER_SEQUENCE_NUMBER, RK_INVALID_PRODUCER_EPOCH,
 * RK_INVALID_TXN_STATE (a plain batch inside an open transaction), RK_TRANSACTION_COORDINATOR_FENCED (a marker of an
 * older coordinator) as Kafka 4.3 decides them. Batches without a producer id are always RK_OK. No table
 * (what a log answers whose files cannot be read): RK_KAFKA_STORAGE_ERROR. A data batch
 * with a producer id but sequence -1 (a coordinator's own) has its epoch judged only. */
rk_must_use enum rk_err st_producers_check(const struct st_producers *, const void *batch, int64_t *base, int64_t *ms);
/* Takes over a batch that was appended, data or control (marker), at its offsets; len: how many of its
 * bytes are there, all of them for a control batch. True when it is a marker that ended an open
 * transaction, which *ended (may be NULL) then describes. */
bool st_producers_note(struct st_producers *, const void *batch, size_t len, struct st_ended *ended);
/* Removes those idle longer than expire_ms with no open transaction. NULL is allowed. */
void st_producers_expire(struct st_producers *, int64_t now_ms, int64_t expire_ms);
void st_producers_clear(struct st_producers *);
uint32_t st_producers_count(const struct st_producers *);
/* Walks: NULL first, NULL at the end; in any order, the same in equal histories. */
const struct st_producer *st_producers_walk(const struct st_producers *, const struct st_producer *);
const struct st_producer *st_producers_get(const struct st_producers *, int64_t id);
int64_t st_producers_first_open(const struct st_producers *); /* -1: no open transaction */
/* As first_open, but a transaction whose marker is at or past high (not yet replicated) still counts: the
 * bound of read_committed. Forgets the ended ones below high, which never moves back. */
int64_t st_producers_first_unstable(struct st_producers *, int64_t high);

/* The snapshot's bytes as Kafka writes them, and the companion's; read answers RK_CORRUPT_MESSAGE for a
 * wrong version, length or CRC, and the table is then empty. more may be the null string. */
void st_producers_write(const struct st_producers *, struct rk_arena *, struct rk_str *kafka, struct rk_str *more);
rk_must_use enum rk_err st_producers_read(struct st_producers *, struct rk_str kafka, struct rk_str more);
/* Whether the last read brought all five batches of each: the companion was there, and this snapshot's. */
bool st_producers_whole(const struct st_producers *);
#endif
