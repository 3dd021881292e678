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
	bool cached; /* write.caching: nobody was promised stable storage, so a start need not wait for it */
};

/* --- opening. A new log's folder, partition.metadata and first segment are made, but on stable storage only with
 * the first round of st_log_sync (so that a thousand partitions can be made without a thousand waits): before it
 * nothing in the log is promised either, and metadata has the partition made again. RK_EXISTS: the folder is
 * there. */
rk_must_use enum rk_err st_log_create(struct st_dir *, struct rk_str topic, int32_t partition, struct rk_uuid topic_id,
    const struct st_rules *, struct st_log **);
/* A partition that moves here from another directory of this node: an empty log beginning at start, in a folder
 * <topic>-<partition>.<32 hex>-future, filled with st_log_append_as_is. It is found again by st_dir_open and opened by
 * st_log_open. As above; RK_INVALID_TOPIC_EXCEPTION: no file system takes so long a name. Waits when start > 0. */
rk_must_use enum rk_err st_log_create_future(struct st_dir *, struct rk_str topic, int32_t partition,
    struct rk_uuid topic_id, const struct st_rules *, int64_t start, struct st_log **);
bool st_log_is_future(const struct st_log *);
/* It is the partition's log now: the folder gets its name, durably. What was appended should be stable before. On an
 * error it is broken, and after a crash has either name. Waits. */
rk_must_use enum rk_err st_log_promote(struct st_log *);
/* One that exists (st_dir_open found it). clean: the marker was there, recovery_point is its end. Not
 * clean: segments from the recovery point on are read, checked, and cut at the first bad batch;
 * indexes, epochs and producer snapshots are rebuilt; progress goes to the log. Waits. */
rk_must_use enum rk_err st_log_open(struct st_dir *, struct rk_str topic, int32_t partition, bool clean,
    const struct st_rules *, struct st_log **);
/* Closes files; writes the producer snapshot and completes the indexes when it was used since it was last
 * cold, and syncs all of that (waits; st_log_cool does the same without waiting, and leaves nothing to do here).
 * The log is freed. */
rk_must_use enum rk_err st_log_close(struct st_log *);
void st_log_free(struct st_log *); /* frees without a write: as a crash would */
/* Lets go of memory and files of a log not used for a while: true when it is cold. Else false: it asked for a sync
 * of what has to be written first; try again later. Any use makes it warm again. */
bool st_log_cool(struct st_log *);
/* Renames the folder to <topic>-<p>.<32 hex>-delete and frees the log; files go away after
 * file.delete.delay.ms (st_dir_tick). */
rk_must_use enum rk_err st_log_delete(struct st_log *);

/* --- what it holds */
int64_t st_log_start(const struct st_log *);   /* log start offset */
int64_t st_log_end(const struct st_log *);     /* log end offset: the next to be assigned */
int64_t st_log_stable(const struct st_log *);  /* below it: on stable storage */
int64_t st_log_bytes(struct st_log *);         /* of all segments; looks at the files when cold */
bool st_log_broken(const struct st_log *);
/* Of partition.metadata; zero: the file is missing or unreadable, then give it with st_log_set_topic_id (durable;
 * waits). Reads one small file the first time; the log stays cold. */
struct rk_uuid st_log_topic_id(struct st_log *);
rk_must_use enum rk_err st_log_set_topic_id(struct st_log *, struct rk_uuid);
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
/* The same at once, for the last bytes of a move: all is stable when it answers RK_OK. Waits. */
rk_must_use enum rk_err st_log_sync_now(struct st_log *);
/* flush.ms, for whoever keeps the clock: begins a sync when the oldest append is that old. (flush.messages is seen to
 * by the appends themselves; both only begin a sync.) */
void st_log_flush(struct st_log *, int64_t wall_ms);
/* Sets the function that hears, at the end of each round of sync: the stable end moved, or the log broke (look with
 * st_log_broken; a broken log, or one of a failed directory, begins no more rounds). It may close the log. */
void st_log_watch(struct st_log *, void (*on_stable)(void *arg, struct st_log *), void *arg);
/* Cuts back to offset: end becomes it, epochs and producers follow. Durable before it returns. Waits. */
rk_must_use enum rk_err st_log_truncate(struct st_log *, int64_t offset);
/* Forgets everything and starts anew at offset (a follower whose leader's log starts later). Waits. */
rk_must_use enum rk_err st_log_restart(struct st_log *, int64_t offset);
/* Moves the log start (DeleteRecords, retention on the leader). Whole segments below go away later.
 * RK_OFFSET_OUT_OF_RANGE: past the end. Kept durable by the directory's checkpoint. */
rk_must_use enum rk_err st_log_set_start(struct st_log *, int64_t offset);
/* Removes segments that retention by time or size asks for, or that lie below the log start, never past limit
 * (the high watermark). Rolls the active segment when its records have all outlived retention. (As in Kafka,
 * segment.ms is seen to by appends only, and an idle segment is not rolled by it.) Segments without any
 * timestamp are not removed by time. Returns bytes freed. */
int64_t st_log_clean(struct st_log *, int64_t limit, int64_t now_ms);

/* --- reading */
/* Adds to out, as a file piece of one segment, batches from the one that holds offset on, up to max_bytes, never
 * past limit. As in Kafka, the first batch is whole or not there at all: one larger than max_bytes comes whole
 * with at_least_one, else nothing does; the last one may be cut by max_bytes (a client ignores a partial batch).
 * The pieces keep the file alive; no record byte is read. The first batch may begin below offset; the client skips.
 * RK_OFFSET_OUT_OF_RANGE: offset < start or > limit; out is untouched. RK_KAFKA_STORAGE_ERROR: offset is past
 * what a broken log still serves, or a file cannot be read. */
rk_must_use enum rk_err st_log_read(struct st_log *, int64_t offset, int64_t limit, uint32_t max_bytes,
    bool at_least_one, struct rk_out *out);
/* Records from offset on will be read soon, about so many bytes of them: asks for their pages. Only a hint. */
void st_log_soon(struct st_log *, int64_t offset, uint32_t bytes);
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
struct st_producers *st_log_producers(struct st_log *); /* loads a cold log's; NULL: its files cannot be read */
/* Aborted transactions with records in [offset, limit), for a read_committed fetch. */
struct st_aborted {
	int64_t producer_id, first, last, stable; /* last: the abort marker's offset */
};
rk_must_use enum rk_err st_log_aborted(struct st_log *, int64_t offset, int64_t limit, struct rk_arena *,
    struct st_aborted **, uint32_t *count);
/* The first offset of an open transaction, or -1. */
int64_t st_log_first_open(struct st_log *);
/* The same, counting those whose marker is at or past the high watermark: what bounds read_committed. */
int64_t st_log_first_unstable(struct st_log *, int64_t high);
#endif
