/* log.h - one partition's records: append at the end, read anywhere, forget the oldest.
 *
 * A log is a folder <topic>-<partition> with a row of segment files in Kafka's format (.log, .index,
 * .timeindex, .txnindex, <offset>.snapshot, leader-epoch-checkpoint, partition.metadata). It keeps no
 * thread and no lock: one owner calls it. Offsets are absolute and end-exclusive; positions are bytes
 * in a file. A log that was closed cleanly is opened without reading anything ("cold"): its start and
 * end come from the checkpoints of its directory; the files are looked at when it is first used. A cold
 * log costs a few hundred bytes and no descriptor.
 *
 * Durability: st_log_append only writes to the page cache. st_log_sync asks for stable storage of all
 * that was appended so far; the stable end moves when it is done. What is below st_log_stable survives
 * a loss of power; nothing else is promised. After a failed write or sync the log is "broken": reads of
 * what was stable go on, every append answers RK_KAFKA_STORAGE_ERROR, until the process starts anew. */
#ifndef ST_LOG_H
#define ST_LOG_H
#include "base/env.h"
#include "base/list.h"
#include "storage/producers.h"

struct st_dir;
struct st_log;

/* What a topic's configs say to its logs. Shared by many logs, the caller's, may change in place. */
struct st_rules {
	int64_t segment_bytes, segment_ms, segment_jitter_ms, segment_index_bytes;
	int64_t index_interval_bytes;
	int64_t retention_bytes, retention_ms; /* -1: no limit */
	int64_t flush_messages, flush_ms;      /* INT64_MAX: never */
	int64_t file_delete_delay_ms;
	bool preallocate, delete_old, compact; /* cleanup.policy */
};

/* --- opening. A new log's folder, partition.metadata and first segment are on stable storage when
 * this returns RK_OK. RK_EXISTS: the folder is there. Waits. */
rk_must_use enum rk_err st_log_create(struct st_dir *, struct rk_str topic, int32_t partition, struct rk_uuid topic_id,
    const struct st_rules *, struct st_log **);
/* One that exists (st_dir_open found it). clean: the marker was there, recovery_point is its end. Not
 * clean: segments from the recovery point on are read, checked, and cut at the first bad batch;
 * indexes, epochs and producer snapshots are rebuilt; progress goes to the log. Waits. */
rk_must_use enum rk_err st_log_open(struct st_dir *, struct rk_str topic, int32_t partition, bool clean,
    const struct st_rules *, struct st_log **);
/* Closes files; writes the producer snapshot and trims the indexes when it was used. Everything below
 * the end must be synced before (st_log_sync). The log is freed. */
rk_must_use enum rk_err st_log_close(struct st_log *);
void st_log_free(struct st_log *); /* frees without a write: as a crash would */
/* Renames the folder to <topic>-<p>.<32 hex>-delete and frees the log; files go away after
 * file.delete.delay.ms (st_dir_tick). */
rk_must_use enum rk_err st_log_delete(struct st_log *);

/* --- what it holds */
int64_t st_log_start(const struct st_log *);   /* log start offset */
int64_t st_log_end(const struct st_log *);     /* log end offset: the next to be assigned */
int64_t st_log_stable(const struct st_log *);  /* below it: on stable storage */
int64_t st_log_bytes(struct st_log *);         /* of all segments; looks at the files when cold */
bool st_log_broken(const struct st_log *);
struct rk_uuid st_log_topic_id(struct st_log *);
const char *st_log_path(const struct st_log *, char to[PATH_MAX]);
struct st_dir *st_log_dir(const struct st_log *);

/* --- writing */
/* What the batches of one append carried; offsets are in place in the bytes afterwards. */
struct st_appended {
	int64_t first, last;     /* offsets; last is inclusive */
	int64_t max_ms, max_ms_offset;
	uint32_t batches;
};
/* Appends whole, checked batches (kp_batch_check has passed) as the leader: sets base offsets and the
 * leader epoch in the bytes, rolls segments, feeds indexes, the epoch checkpoint and the producer table.
 * The caller has asked st_producers_check first. One write to the page cache per segment touched.
 * RK_NO_SPACE, RK_KAFKA_STORAGE_ERROR: nothing was appended (a partial write is cut off again; when
 * even that fails the log is broken). now_ms is wall time (segment age). */
rk_must_use enum rk_err st_log_append(struct st_log *, uint8_t *batches, uint32_t len, int32_t leader_epoch,
    int64_t now_ms, struct st_appended *);
/* Appends batches that carry their offsets and epochs already, verbatim (a follower). The first must be
 * at st_log_end or later (a gap left by compaction). */
rk_must_use enum rk_err st_log_append_as_is(struct st_log *, const uint8_t *batches, uint32_t len, int64_t now_ms);
/* Asks for stable storage of all appended so far. One sync runs at a time; calls meanwhile make one
 * more follow it: that is the group commit. on_stable (st_log_watch) tells the new stable end. */
void st_log_sync(struct st_log *);
/* Sets the function that hears: the stable end moved, or the log broke (look with st_log_broken). */
void st_log_watch(struct st_log *, void (*on_stable)(void *arg, struct st_log *), void *arg);
/* Cuts back to offset: end becomes it, epochs and producers follow. Durable before it returns. Waits. */
rk_must_use enum rk_err st_log_truncate(struct st_log *, int64_t offset);
/* Forgets everything and starts anew at offset (a follower whose leader's log starts later). Waits. */
rk_must_use enum rk_err st_log_restart(struct st_log *, int64_t offset);
/* Moves the log start (DeleteRecords, retention on the leader). Whole segments below go away later.
 * RK_OFFSET_OUT_OF_RANGE: past the end. Kept durable by the directory's checkpoint. */
rk_must_use enum rk_err st_log_set_start(struct st_log *, int64_t offset);
/* Removes segments that retention by time or size asks for, never at or past limit (the high
 * watermark). Rolls the active segment when its records have all outlived retention, or segment.ms has
 * passed. Returns bytes freed. */
int64_t st_log_clean(struct st_log *, int64_t limit, int64_t now_ms);

/* --- reading */
/* Adds to out, as file pieces, whole batches from the one that holds offset on: at least one (when
 * at_least_one), then up to max_bytes, never past limit. The pieces keep the file alive; no record byte
 * is read. Batches may begin below offset; the client skips. Without at_least_one a first batch larger
 * than max_bytes is cut at max_bytes exactly as Kafka does (a client that sees a partial batch asks for more).
 * RK_OFFSET_OUT_OF_RANGE: offset < start or > limit; out is untouched. */
rk_must_use enum rk_err st_log_read(struct st_log *, int64_t offset, int64_t limit, uint32_t max_bytes,
    bool at_least_one, struct rk_out *out);
/* Bytes from offset to limit without naming pieces: for min_bytes. Cheap, by positions; INT64_MAX at most. */
int64_t st_log_bytes_between(struct st_log *, int64_t offset, int64_t limit);
/* Record batches into memory (recovery tools, coordinators that load). len 0 at the limit. */
rk_must_use enum rk_err st_log_load(struct st_log *, int64_t offset, int64_t limit, uint32_t max_bytes,
    struct rk_arena *, struct rk_str *batches);

struct st_stamp {
	int64_t offset, ms; /* -1, -1: none */
	int32_t epoch;      /* leader epoch at that offset; -1: unknown */
};
/* The first record at or after ms, below limit (ListOffsets by time). Decompresses at most one batch. */
rk_must_use enum rk_err st_log_find_time(struct st_log *, int64_t ms, int64_t limit, struct st_stamp *);
/* The record with the largest timestamp (ListOffsets -3): the first offset that carries it. */
rk_must_use enum rk_err st_log_find_max_time(struct st_log *, struct st_stamp *);

/* --- leader epochs (leader-epoch-checkpoint) */
/* Notes that epoch begins at the end of the log. Kept in memory until the first append under it writes
 * the checkpoint: an epoch without a record needs no file. */
void st_log_begin_epoch(struct st_log *, int32_t epoch);
int32_t st_log_last_epoch(struct st_log *);                    /* -1: none */
int32_t st_log_epoch_at(struct st_log *, int64_t offset);      /* -1: unknown */
/* The largest epoch not above the asked one and where it ends (the next one's start, or the log end);
 * -1, -1 when there is none. */
void st_log_epoch_end(struct st_log *, int32_t asked, int32_t *epoch, int64_t *end);

/* --- idempotent and transactional producers of this log */
struct st_producers *st_log_producers(struct st_log *); /* loads a cold log's */
/* Aborted transactions with records in [offset, limit), for a read_committed fetch. */
struct st_aborted {
	int64_t producer_id, first, last, stable; /* last: the abort marker's offset */
};
rk_must_use enum rk_err st_log_aborted(struct st_log *, int64_t offset, int64_t limit, struct rk_arena *,
    struct st_aborted **, uint32_t *count);
/* The first offset of an open transaction, or -1. */
int64_t st_log_first_open(struct st_log *);
#endif
