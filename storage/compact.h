/* compact.h - cleanup.policy=compact: of each key only the last record stays.
 *
 * A round works on one log. It reads what is dirty (behind the offset where the last round ended) and notes the last
 * offset of every key in a table of bounded memory; the round ends early where that is full. Then it copies the log
 * from its first segment to that end into new segments, without the records whose key comes again later, and puts
 * each new segment in the place of those it was made from. Offsets stay; holes appear.
 *
 * What else stays or goes, as in Apache Kafka 4.3:
 *   - a record without a value (a tombstone) stays until its batch's delete horizon is over, which is set when the
 *     batch is first copied (attribute bit 6, base timestamp = horizon) to then + delete.retention.ms;
 *   - records of aborted transactions go; a marker stays while batches of its transaction are there; the round that
 *     meets none of them any more sets its horizon, and it stays until that is over; .txnindex keeps the
 *     aborted transactions whose records were met;
 *   - of a producer's last batch at least the header stays, so that its sequence is known after a restart;
 *   - a batch is compressed as it was.
 *
 * The copying is done by jobs on a worker, some MiB at a time; between two of them the owner may look, throttle, or
 * end the round. A crash at any moment leaves the old segments or the new ones: files are written as .cleaned, synced,
 * renamed to .swap, and then to their names; the next start finishes or forgets that (recover.c). */
#ifndef ST_COMPACT_H
#define ST_COMPACT_H
#include "storage/log.h"

struct st_compact;

struct st_compact_rules {
	int64_t min_lag_ms;          /* records younger than that are not touched */
	int64_t max_lag_ms;          /* a dirty segment older than that is overdue; INT64_MAX: none ever is */
	int64_t delete_retention_ms;
	uint64_t table_bytes;        /* memory of the table of keys, at most */
	double table_full;           /* how full it may get, of 1 */
	uint64_t slice_bytes;        /* about so much is read and written by one job */
};

/* What a round would find. Offsets from first to end are dirty and may be cleaned; end is a segment's beginning. As in
 * Kafka a segment that first lies within counts as clean and as dirty, and the oldest segment may lie behind end. */
struct st_dirty {
	int64_t first, end;
	uint64_t clean_bytes, dirty_bytes;
	int64_t oldest_ms;           /* where max_lag_ms asks: the smallest of the dirty segments' ages, each that of its
	                              * first batch, above 0; the active one is not among them; -1: none */
};
/* limit: the last stable offset. now_ms is wall time. Reads a few bytes of a segment the first time.
 * RK_KAFKA_STORAGE_ERROR. */
rk_must_use enum rk_err st_compact_look(struct st_log *, const struct st_compact_rules *, int64_t limit,
    int64_t now_ms, struct st_dirty *);

/* The result of a round. */
struct st_compacted {
	/* RK_OK; RK_KAFKA_STORAGE_ERROR and the like; RK_NO_MEMORY: the table; RK_CORRUPT_MESSAGE: a record cannot be
	 * read, the log is left as it was from there on; RK_NOT_FOUND: the log was cut or went away */
	enum rk_err err;
	int64_t end;                 /* clean below it now */
	uint64_t read_bytes, written_bytes, records_read, records_kept, keyless;
};

/* Begins a round over what st_compact_look told. The log must not be closed, freed, deleted, truncated below end or
 * restarted before st_compact_end. NULL: no memory. */
struct st_compact *st_compact_begin(struct st_log *, const struct st_compact_rules *, const struct st_dirty *,
    int64_t now_ms);
/* Starts the next slice. done comes from the loop: RK_OK and *bytes (of st_compact_moved) grew; then either
 * st_compact_over or the next slice. Only one is under way. */
void st_compact_step(struct st_compact *, rk_done *done, void *arg);
bool st_compact_over(const struct st_compact *);     /* nothing is left to do */
uint64_t st_compact_moved(const struct st_compact *); /* bytes read and written so far, for a throttle */
/* Ends the round, over or not (what was put in place stays); not while a slice is under way. After it the log
 * knows how far it is clean. Frees it. */
struct st_compacted st_compact_end(struct st_compact *);
/* The same in a simulated crash or a hurried stop: writes nothing. */
void st_compact_free(struct st_compact *);
#endif
