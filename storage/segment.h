/* segment.h - one segment: a file of record batches back to back, with its indexes.
 *
 * Named by the offset it begins at (20 digits). Batches may leave holes between their offsets (compaction), and
 * their positions are below 2^31. Only the last segment of a log grows; the others are looked at on demand, and
 * an index that is missing or cannot be right is rebuilt when it is asked for. */
#ifndef ST_SEGMENT_H
#define ST_SEGMENT_H
#include "storage/index.h"

struct st_log;

struct st_segment {
	int64_t base;
	struct rk_file *log;      /* NULL: not opened */
	uint32_t bytes;
	uint32_t since_entry;     /* bytes since the last index entry */
	bool dirty;               /* written since the last round of sync began */
	bool closing;             /* rolled: its indexes are to be synced with it */
	bool txn_dirty;           /* .txnindex was written since the last round */
	bool rebuilt;             /* its indexes were made anew since it was opened */
	bool ms_known;            /* the next two are right (an active segment's always are) */
	int64_t max_ms, max_last; /* largest timestamp, last offset of the first batch that has it; -1, -1 */
	int64_t first_ms;         /* largest timestamp of the first batch, -1: empty, or none */
	int64_t made_ms;          /* wall time of its making, or of its opening */
	struct st_index offsets, times;
};

void st_segment_init(struct st_segment *, int64_t base);
/* Drops its files and buffers, writing nothing. */
void st_segment_close(struct st_segment *);
/* <folder>/<base><suffix>; false: too long. */
bool st_segment_path(const struct st_log *, int64_t base, const char *suffix, char to[PATH_MAX]);
/* Opens the .log file if it is not; make: creates it. */
rk_must_use enum rk_err st_segment_open(struct st_log *, struct st_segment *, bool make);
/* Opens both indexes, rebuilding them from the log when they are missing or wrong. */
rk_must_use enum rk_err st_segment_indexed(struct st_log *, struct st_segment *);
/* Takes over a batch written at pos, as Kafka does: an entry when more than the interval was written since the
 * last one. */
void st_segment_note(struct st_log *, struct st_segment *, const uint8_t *batch, uint32_t pos, uint32_t len);
/* Adds the closing time entry and writes what waits. */
rk_must_use enum rk_err st_segment_finish(struct st_log *, struct st_segment *);
/* The first batch whose last offset is >= offset. RK_NOT_FOUND: there is none in this segment. */
rk_must_use enum rk_err st_segment_find(struct st_log *, struct st_segment *, int64_t offset,
    uint32_t *pos, uint32_t *len);
/* Makes max_ms and max_last right. */
rk_must_use enum rk_err st_segment_times(struct st_log *, struct st_segment *);
/* Reads the first batch's timestamp (what the age of a segment is counted from). */
rk_must_use enum rk_err st_segment_first(struct st_log *, struct st_segment *);
/* Makes an opened segment ready to grow: from its last index entry on, reads to the end, which becomes *end. Answers
 * as st_scan_next does when the bytes do not end with a batch. */
rk_must_use enum rk_err st_segment_tail(struct st_log *, struct st_segment *, int64_t *end);
/* Cuts log and indexes to pos, the first offset of what goes being offset. */
rk_must_use enum rk_err st_segment_cut(struct st_log *, struct st_segment *, uint32_t pos, int64_t offset);

/* --- the aborted transactions of a segment: .txnindex, 34 bytes each: i16 version 0, i64 producer id, i64 first
 * offset, i64 last offset (the marker), i64 last stable offset then */
struct st_aborted;
rk_must_use enum rk_err st_segment_abort(struct st_log *, struct st_segment *, const struct st_aborted *);
/* All of them, in the arena; none: count 0. */
rk_must_use enum rk_err st_segment_aborted(struct st_log *, const struct st_segment *, struct rk_arena *,
    struct st_aborted **, uint32_t *count);
/* Forgets those whose marker is at or past offset. */
rk_must_use enum rk_err st_segment_cut_aborted(struct st_log *, struct st_segment *, int64_t offset);

/* --- reading a segment from one end to the other, in big pieces */
struct st_scan {
	struct rk_file *file;
	uint32_t size, pos;       /* of the file; of the next batch */
	bool check;               /* CRCs too, and every byte is read */
	int64_t next;             /* offsets below it have been seen */
	int64_t base;             /* of the segment */
	/* the batch that st_scan_next found: its header and the got first bytes of it */
	const uint8_t *batch;
	uint32_t at, len, got;
	uint8_t *window;
	uint32_t from, have;      /* what of the file is in the window */
};
/* Reads from pos on; offsets must be >= next. */
void st_scan_begin(struct st_scan *, struct st_segment *, uint32_t pos, int64_t next, bool check);
/* RK_NOT_FOUND: the end, exactly. RK_TRUNCATED: the file ends inside a batch. RK_CORRUPT_MESSAGE: what is there is
 * no batch, or not this log's; at is its place. RK_UNSUPPORTED_FOR_MESSAGE_FORMAT: a message set of before Kafka 0.11.
 * RK_KAFKA_STORAGE_ERROR: it cannot be read. A control batch of up to 64 KiB is whole in the window. */
rk_must_use enum rk_err st_scan_next(struct st_scan *);
void st_scan_end(struct st_scan *);
#endif
