/* mlog.h - the metadata log of one node: what Raft must not forget.
 *
 * It owns the record batches of __cluster_metadata-0, keyed by base offset and kept byte for byte as
 * they go over the wire, and beside them what an election needs (epoch, leader, vote), where the log
 * starts, and the id of the newest snapshot. Snapshots themselves are files that others write.
 *
 * Changes are staged: append, cut, trim, reset, save and snapshot alter the memory's picture at once (all
 * reads and st_mlog_info see it) and touch no disk. st_mlog_flush makes everything staged so far
 * durable in one transaction on a worker; nothing here waits on the core's thread. A crash keeps
 * exactly what some prefix of the flushes staged: a flush is in or out as a whole, and when its done has
 * said RK_OK it is in. Flushes asked for while one is under way share the next transaction.
 *
 * After a failed flush the log is broken: every later change and flush answers the same error, and
 * reads go on from what there is. Reopen the log (restart the node) to go on.
 *
 * One thread owns a log. The body (LMDB here, a faulty disk in tests/sim) is a table of functions; the
 * staging above it is the same code for both, and one contract suite (tests/t_mlog.c) runs on both. */
#ifndef ST_MLOG_H
#define ST_MLOG_H
#include "base/env.h"

struct st_mlog;

/* Who was voted for and who leads; ids are -1 and the directory zero when there is none. */
struct st_mlog_vote {
	int32_t epoch, leader, voted;
	struct rk_uuid voted_dir;
};

struct st_mlog_epoch {
	int32_t epoch;
	int64_t start; /* offset of its first record in this log */
};

/* Names a snapshot: all records below end; epoch of the last of them. end 0: there is none. */
struct st_mlog_snap {
	int64_t end;
	int32_t epoch;
};

/* The picture with everything that is staged. Valid until the next change; lists ascend. */
struct st_mlog_info {
	int64_t start, end;          /* offsets [start, end) are here */
	int64_t flushed_end;         /* offsets below are durable, unless cut and written anew since */
	struct st_mlog_vote vote;
	struct st_mlog_snap snap;    /* the newest one */
	struct st_mlog_snap base;    /* the one the log starts behind; end 0 when start is 0 */
	const struct st_mlog_epoch *epoch; /* every leader epoch with a batch in the log */
	uint32_t epochs;
	const int64_t *control;      /* base offsets of the control batches (LeaderChange, Voters, ...) */
	uint32_t controls;
};

/* Opens or creates DIR/log.mdb (the folder must exist). Waits for the disk. Jobs go to this lane of
 * rk_work, which must be the log's own. RK_KAFKA_STORAGE_ERROR: cannot be opened, or is damaged where
 * LMDB can tell, or was written by a newer rookery; why and the way out has been said. */
rk_must_use enum rk_err st_mlog_open(struct rk_env *, const char *dir, uint32_t lane, struct st_mlog **);
/* Frees all without writing: what was not flushed is gone, as in a crash. Not while a flush is under
 * way (st_mlog_busy), unless the world has already forgotten its job (the simulator's crash). */
void st_mlog_close(struct st_mlog *);
bool st_mlog_busy(const struct st_mlog *);

const struct st_mlog_info *st_mlog_info(const struct st_mlog *);
/* The error that broke the log; RK_OK while it is sound. */
enum rk_err st_mlog_error(const struct st_mlog *);

/* Adds one or more whole batches at the end; the bytes are copied. The first base offset is the log's end,
 * the others follow without a gap, leader epochs never fall. RK_CORRUPT_MESSAGE: the bytes are not that; nothing is
 * added then. */
rk_must_use enum rk_err st_mlog_append(struct st_mlog *, const void *batches, uint32_t len);
/* Forgets every batch that reaches past offset; end becomes offset, or the start of the batch that
 * held it. Not below start (RK_OFFSET_OUT_OF_RANGE). */
rk_must_use enum rk_err st_mlog_cut(struct st_mlog *, int64_t offset);
/* Forgets what lies below the snapshot's end, which must be a batch's start in [start, end]. */
rk_must_use enum rk_err st_mlog_trim(struct st_mlog *, struct st_mlog_snap base);
/* Forgets all; the log is empty behind this snapshot, which becomes the newest and the base. */
rk_must_use enum rk_err st_mlog_reset(struct st_mlog *, struct st_mlog_snap);
rk_must_use enum rk_err st_mlog_save(struct st_mlog *, const struct st_mlog_vote *);
/* A snapshot file with this id is complete and synced. Ids never go back (those are ignored). The file of
 * an older one may be removed only when a flush that was asked for after this is done: a crash before it
 * brings the older id back. */
rk_must_use enum rk_err st_mlog_snapshot(struct st_mlog *, struct st_mlog_snap);

/* Makes everything staged so far durable. done comes from the world's loop, never from inside this
 * call, in the order of the calls: RK_OK, or why the log is broken now. */
void st_mlog_flush(struct st_mlog *, rk_done *done, void *arg);

/* Whole batches from the one that holds offset on, while their base is below limit: at least one if there
 * is one, then as many as fit into max_bytes (maybe fewer: ask again). In the arena, contiguous. len 0:
 * offset is the end, or not below limit. RK_OFFSET_OUT_OF_RANGE: offset < start or > end.
 * RK_NO_MEMORY: the arena is over. RK_KAFKA_STORAGE_ERROR: damaged; it has been said. */
rk_must_use enum rk_err st_mlog_read(struct st_mlog *, int64_t offset, int64_t limit,
    uint32_t max_bytes, struct rk_arena *, struct rk_str *out);

/* --- for bodies only: what stands below the staging */

enum st_mlog_kind { ST_MLOG_PUT, ST_MLOG_CUT, ST_MLOG_TRIM };
struct st_mlog_op {
	enum st_mlog_kind kind;
	int64_t offset;  /* CUT: batches with base >= offset go; TRIM: those with base < offset */
	uint8_t *bytes;  /* PUT: whole batches */
	uint32_t len;
};

/* One transaction: the operations in order, and the two blobs that replace what was there. */
struct st_mlog_tx {
	struct st_mlog_op *op;
	uint32_t count;
	uint8_t *state, *lists; /* lists NULL: unchanged */
	uint32_t state_len, lists_len;
};

struct st_mlog_body {
	/* On a worker: all of it durably, or nothing. RK_NO_MEMORY: call grow on the core, then again. */
	enum rk_err (*commit)(struct st_mlog *, const struct st_mlog_tx *);
	enum rk_err (*grow)(struct st_mlog *);
	/* As st_mlog_read, of durable batches: offset < limit. */
	enum rk_err (*get)(struct st_mlog *, int64_t offset, int64_t limit, uint32_t max_bytes,
	    struct rk_arena *, struct rk_str *);
	void (*shut)(struct st_mlog *); /* frees the body's struct too */
};

/* A body embeds this as its first member. */
struct st_mlog {
	const struct st_mlog_body *body;
	uint32_t magic;
	struct rk_env *env;
	uint32_t lane;
	struct st_mlog_front *front;
};

/* Builds the front on what the body found: state NULL for a new log; end is behind the last batch
 * found, or -1 when there is none. RK_CORRUPT_MESSAGE: the blobs make no sense. */
rk_must_use enum rk_err st_mlog_init(struct st_mlog *, const void *state, uint32_t state_len,
    const void *lists, uint32_t lists_len, int64_t end);
void st_mlog_fini(struct st_mlog *);
#endif
