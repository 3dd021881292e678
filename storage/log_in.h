/* log_in.h - what the files of a log and of its directory know of each other. Not for other layers.
 *
 * What is on stable storage when. A log's folder, its partition.metadata and its first segment are made
 * without a sync; so is every later segment. st_log_sync's round then syncs, at once and side by side:
 * every segment file written since the last round; of a rolled segment also its indexes and the producer
 * snapshot behind it; the aborted-transaction index when it has a new line; the folder when a name in it
 * is new; the directory when the folder is new; and the text of a new epoch checkpoint, which is renamed
 * into place when all of them are done. Only then the stable end moves. So below st_log_stable hold: the
 * bytes, the names that lead to them, and, below the recovery point, the epochs as well.
 *
 * Rebuilt, not synced: the active segment's indexes, and producer snapshots between rolls. A start after
 * a crash makes them anew from the recovery point, or from the last good snapshot, on. A clean close syncs
 * them too, for the marker says that they are right. */
#ifndef ST_LOG_IN_H
#define ST_LOG_IN_H
#include "storage/dir.h"
#include "storage/epochs.h"
#include "storage/segment.h"
#include "base/say.h"

enum { ST_LOG_MAGIC = 0x726c6f67, ST_DIR_MAGIC = 0x72646972, ST_RECENT = 32, ST_NAME_MAX = 249,
	ST_STRAYS = 2 };

/* One partition's lines in the checkpoints. It lives as long as the folder. */
struct st_entry {
	struct rk_node node;
	struct st_log *log;              /* NULL: not open */
	int64_t recovery, start, high;   /* as on disk; -1: no line */
	int64_t cleaned;                 /* compacted below; -1: never */
	int32_t partition;
	bool found;                      /* the folder was there at open */
	bool left;                       /* not opened since a crash, or freed without a close: no clean stop */
	char *tail;                      /* ".<32 hex>-future": a replica that moves here; NULL: the partition's own folder */
	uint8_t topic_len;
	char topic[];                    /* zero-terminated */
};

struct st_dir {
	uint32_t magic;
	struct rk_env *env;
	struct rk_uuid id;
	char *path;
	bool failed;
	bool cleaned_stale;              /* the cleaner's checkpoint has a line of a log that was deleted */
	bool stale;                      /* a checkpoint has a line of a log that was deleted, or lacks a closed one's */
	struct rk_map parts;             /* of st_entry */
	struct rk_list syncs;            /* of st_sync: rounds under way */
	struct rk_list waiting;          /* of what is to be removed, in order of due_ms */
	struct rk_list futures;          /* while it is opened: names of -future folders */
	uint64_t saved[2];               /* hashes of the checkpoints last written */
};

/* Where a recent batch is: what spares the tail's readers a look at the file. */
struct st_recent {
	int64_t base, last, segment;
	uint32_t pos, len;
};

/* A round of group commit under way: it may outlive its log. */
struct st_sync {
	struct rk_list in_dir;
	struct st_log *log;              /* NULL: closed or freed meanwhile */
	struct st_dir *dir;
	int64_t target;                  /* the stable end when all went well */
	uint32_t left, count;
	enum rk_err err;
	bool epochs;                     /* carries the epoch checkpoint's text */
	bool named;                      /* carries the folder with the checkpoint's new name */
	bool settles;                    /* carries all that a close would write */
	struct rk_file *file[];
};

/* What a log needs only while it is used. */
struct st_hot {
	struct st_segment *seg;          /* ascending; the last one is active */
	uint32_t count, cap;
	struct st_epochs epochs;
	struct st_producers *producers;
	struct st_recent recent[ST_RECENT];
	uint32_t recent_count;           /* ever noted; the ring holds the last ST_RECENT */
	bool folder_dirty, root_dirty;   /* a name in it is not on stable storage */
	bool epochs_dirty;               /* the checkpoint's text is behind */
	bool epochs_named;               /* a new text has its name, but the folder was not synced since */
	bool ours;                       /* a companion of a snapshot was seen */
	bool all_known;                  /* the producers' table was loaded with all five batches of each */
	bool settled;                    /* nothing to write at close: indexes and snapshot are there, synced */
	bool settling;                   /* the round under way, if nothing comes between, makes it so */
	int64_t epochs_safe;             /* epochs that begin below it are on stable storage */
	int64_t stray[ST_STRAYS];        /* snapshots besides those of segments' bases, older first; -1: none */
	uint64_t since_snapshot;         /* bytes appended since the last one */
	int64_t unsynced_ms;             /* wall time of the oldest append not asked to be stable; -1: none */
	int64_t unsynced_from;           /* first offset of those */
	int64_t jitter_ms;
};

struct st_log {
	uint32_t magic;
	bool broken, again;              /* again: another round of sync follows the one under way */
	bool has_id;
	bool looked;                     /* the next three are as when it was last looked at by retention */
	int64_t oldest_ms, oldest_end, bytes;
	struct st_dir *dir;
	struct st_entry *entry;
	const struct st_rules *rules;
	int64_t start, end, stable;
	int32_t begun;                   /* an epoch that began at the end and has no record yet, -1 */
	int32_t last_epoch;              /* as in the checkpoint, -2: not looked yet (cold) */
	struct rk_uuid topic_id;
	void (*on_stable)(void *, struct st_log *);
	void *on_stable_arg;
	struct st_sync *sync;            /* under way */
	struct st_compact *compact;      /* a round of compaction; NULL: none */
	struct st_hot *hot;              /* NULL: cold */
};

/* --- dir.c */
struct st_entry *st_dir_entry(struct st_dir *, struct rk_str topic, int32_t partition, bool make);
void st_dir_forget(struct st_dir *, struct st_entry *); /* frees the entry; its lines go with the next save */
/* Has path removed (a folder with all in it) after delay_ms. */
void st_dir_remove_later(struct st_dir *, const char *path, bool is_dir, int64_t delay_ms);
/* Writes the cleaner's checkpoint anew. Waits. */
rk_must_use enum rk_err st_dir_save_cleaned(struct st_dir *);
/* Lowers a partition's recovery point on disk to offset, durably, when it stands above. */
rk_must_use enum rk_err st_dir_lower(struct st_dir *, struct st_entry *, int64_t offset);

/* --- future.c */
void st_future_listed(struct st_dir *, const char *name); /* a -future folder, met while the directory is listed */
void st_futures_take(struct st_dir *);                    /* the listing is over: they get entries */

/* --- log.c */
/* st_log_create with a folder of another name: tail, from the heap, is the entry's from here. */
rk_must_use enum rk_err st_log_make(struct st_dir *, struct rk_str topic, int32_t partition, struct rk_uuid topic_id,
    const struct st_rules *, char *tail, struct st_log **);
static inline struct rk_env *
st_log_env(const struct st_log *l)
{
	rk_assert(l->magic == ST_LOG_MAGIC);
	return l->dir->env;
}
static inline struct st_segment *
st_log_active(const struct st_log *l)
{
	rk_assert(l->hot != NULL && l->hot->count > 0);
	return &l->hot->seg[l->hot->count - 1];
}
/* The path of a file of the log; false: too long. */
bool st_log_file(const struct st_log *, const char *name, char to[PATH_MAX]);
/* Makes a cold log hot. RK_KAFKA_STORAGE_ERROR: its files cannot be read; it is broken then, and it has been said. */
rk_must_use enum rk_err st_log_warm(struct st_log *);
/* No more writes: says why, once, and tells the watcher from the next round on. */
void st_log_break(struct st_log *, const char *why, enum rk_err);
/* Adds a segment behind the last one; its file is made. */
rk_must_use enum rk_err st_log_grow(struct st_log *, int64_t base);
/* Closes the active segment and starts another at base. */
rk_must_use enum rk_err st_log_roll(struct st_log *, int64_t base);
/* Renames a segment's files to .deleted and has them removed later; takes it out of the row. */
rk_must_use enum rk_err st_log_drop_segment(struct st_log *, uint32_t at);
uint32_t st_log_floor(const struct st_log *, int64_t offset); /* the segment with the largest base <= offset, or 0 */
/* Offset below which a start after a crash has nothing to read. */
int64_t st_log_recovery_point(const struct st_log *);
void st_log_forget_recent(struct st_log *);

/* --- log_state.c: epochs and producers on disk */
rk_must_use enum rk_err st_log_load_epochs(struct st_log *, struct st_epochs *);
/* Durable; waits. A full disk only puts it off: the recovery point then stays at or below below, from where a start
 * after a crash makes them anew. */
rk_must_use enum rk_err st_log_save_epochs(struct st_log *, int64_t below);
/* Writes <end>.snapshot (and .batches), unsynced: a torn one is found out by its CRC. Keeps those of segment
 * bases and the last two. */
rk_must_use enum rk_err st_log_snapshot(struct st_log *);
/* Loads the newest good snapshot at or below from and replays batches up to the end; aborted transactions
 * whose marker is at or past txn_from are written to the segments' .txnindex. Removes snapshots past the end. */
rk_must_use enum rk_err st_log_load_producers(struct st_log *, int64_t from, int64_t txn_from);
/* Tells the producers' table of a batch of this segment, of which got bytes are there; with note_aborts, an
 * abort goes to the segment's .txnindex. */
rk_must_use enum rk_err st_log_note_producer(struct st_log *, uint32_t seg, const uint8_t *batch, uint32_t got,
    bool note_aborts);
void st_log_remove_snapshot(struct st_log *, int64_t offset);
rk_must_use enum rk_err st_log_drop_snapshots(struct st_log *); /* all */
/* An epoch of a batch at offset; a new one makes the checkpoint dirty. */
void st_log_note_epoch(struct st_log *, int32_t epoch, int64_t offset);

/* --- log_sync.c */
rk_must_use enum rk_err st_log_sync_wait(struct st_log *); /* all of it, before it returns */
/* Writes indexes and snapshot; the next sync of either kind then leaves nothing to do at close. */
rk_must_use enum rk_err st_log_settle(struct st_log *);

/* --- recover.c */
/* Fills an empty hot from the folder. With verify: all from the recovery point on is checked and cut. */
rk_must_use enum rk_err st_log_scan(struct st_log *, bool verify, int64_t recovery_point);

/* --- compact.c */
void st_compact_void(struct st_log *); /* the log is cut or goes away: its round, if there is one, is over */

/* --- log_read.c */
struct st_place {
	uint32_t seg, pos, len; /* index in the row, position, bytes of the batch there (0: the log's end) */
};
rk_must_use enum rk_err st_log_place(struct st_log *, int64_t offset, struct st_place *);
#endif
