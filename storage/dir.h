/* dir.h - one directory of log.dirs: meta.properties, the lock, the checkpoints, the clean-shutdown marker.
 *
 * A directory fails as a whole (JBOD): after EIO, a failed sync or a failed checkpoint it is offline,
 * its logs broken; the node decides whether it can go on without it. */
#ifndef ST_DIR_H
#define ST_DIR_H
#include "base/env.h"
#include "storage/log.h"

struct st_meta { /* meta.properties */
	int32_t version, node_id;
	char cluster_id[64];
	struct rk_uuid directory_id; /* zero: not there */
};

/* meta.properties as Kafka's formatter writes it. Durable when it returns. Waits. */
rk_must_use enum rk_err st_meta_write(struct rk_env *, const char *dir, const struct st_meta *);
/* RK_NOT_FOUND: the directory is not formatted. RK_CORRUPT_MESSAGE: why says what is wrong. */
rk_must_use enum rk_err st_meta_read(struct rk_env *, const char *dir, struct st_meta *, char why[256]);

struct st_found { /* a partition folder */
	struct rk_str topic;
	int32_t partition;
	int64_t recovery_point, start, high; /* from the checkpoints; -1: not in them */
	bool future;                         /* <topic>-<p>.<hex>-future: it was on its way here */
};
struct st_dir_opened {
	bool clean;              /* the marker was there (and has been removed durably) */
	int64_t broker_epoch;    /* of the marker, -1: none */
};
/* Opens a formatted directory: takes over checkpoints and the marker, lists the root once. Removes .deleted
 * leftovers later (st_dir_tick), finishes -delete folders. A partition has one folder in a directory: its own, or one
 * that is on its way here (-future). Does not open logs. A checkpoint that cannot be
 * read is said and counts as absent; the directory is then not clean. Waits. */
rk_must_use enum rk_err st_dir_open(struct rk_env *, const char *path, const struct st_meta *, struct st_dir **,
    struct st_dir_opened *);
/* One that cannot be opened, beside others that can: it is failed, holds nothing, and has no id. */
struct st_dir *st_dir_offline(struct rk_env *, const char *path);
const char *st_dir_path(const struct st_dir *);
struct rk_uuid st_dir_id(const struct st_dir *);
bool st_dir_failed(const struct st_dir *);
void st_dir_fail(struct st_dir *, const char *why); /* says it once */
/* Every partition folder that was there at open, in order of names; fn may open its log, or move it away
 * as a stray. Touches no file. */
rk_must_use enum rk_err st_dir_each(struct st_dir *, void (*fn)(void *arg, const struct st_found *), void *arg);
/* What the checkpoints say of one partition; false: nothing is known of it. */
bool st_dir_lookup(const struct st_dir *, struct rk_str topic, int32_t partition, struct st_found *);
/* Removes a partition's folder that is of no use any more (a move that was given up, a copy that was left behind): at
 * once and durably by name, its files later. RK_NOT_FOUND: there is none. Its log is not open. Waits. */
rk_must_use enum rk_err st_dir_discard(struct st_dir *, struct rk_str topic, int32_t partition);
/* A folder that metadata does not know: renamed to <name>.<hex>-stray, said in the log. */
rk_must_use enum rk_err st_dir_stray(struct st_dir *, struct rk_str topic, int32_t partition);

/* Writes the recovery points and log starts of every log of this directory, each as it stands (of logs not
 * opened: as it stood), durably, when something changed since the last time. To be called every
 * log.flush.offset.checkpoint.interval.ms. It is what bounds the work of a start after a crash: a recovery
 * point is never past what is stable. Truncation below a written recovery point lowers it here first,
 * by itself. Waits. */
rk_must_use enum rk_err st_dir_save(struct st_dir *);
/* The checkpoint files for which the owner knows the numbers: replication (high watermark) and cleaner; the
 * other two are st_dir_save's, and here for tools. The caller adds a line for each partition between begin
 * and end; end replaces the file durably. */
enum st_point { ST_RECOVERY_POINT, ST_HIGH_WATERMARK, ST_LOG_START, ST_CLEANER };
struct st_points;
struct st_points *st_points_begin(struct st_dir *, enum st_point);
void st_points_add(struct st_points *, struct rk_str topic, int32_t partition, int64_t offset);
rk_must_use enum rk_err st_points_end(struct st_points *); /* frees it, whatever it answers */

/* Writes the checkpoints (st_dir_save), then .kafka_cleanshutdown. Every log has been closed: when one is open, or was
 * freed without st_log_close, the answer is RK_KAFKA_STORAGE_ERROR and there is no marker. Waits. */
rk_must_use enum rk_err st_dir_mark_clean(struct st_dir *, int64_t broker_epoch);
/* Removes what waited for file.delete.delay.ms; returns when to be called again, INT64_MAX: nothing waits. */
int64_t st_dir_tick(struct st_dir *, int64_t now_ms);
/* Frees it, without a write; its logs have been closed or freed. */
void st_dir_close(struct st_dir *);
/* The same in a simulated crash: the world will call no sync back, so what waits for that is freed too. */
void st_dir_free(struct st_dir *);
#endif
