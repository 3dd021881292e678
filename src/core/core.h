/* core.h - the broker: which partitions this node holds, what may be appended and read, who waits.
 *
 * The core follows the committed metadata (core_load, core_heard) and owns one struct
 * core_partition for every partition of the cluster that it should hold. A partition that was never
 * written has no folder and no st_log: it is simply an empty log, so that ten thousand new
 * partitions cost neither a file nor an fsync. Its folder is made, durably, by the first append; a
 * Kafka node that takes over makes an empty one just the same. A partition whose log was closed
 * cleanly is opened when it is first touched.
 *
 * Durability. With write.caching=false (a topic's default) the high watermark is what is on stable
 * storage: appends of one round of events share one sync, begun by core_flush. With
 * write.caching=true it is the end of the log at once. The high watermark never moves back while
 * the node runs.
 *
 * Nothing here waits for the disk but: the first append to a partition (its folder), opening a log,
 * core_load after an unclean stop, the checkpoints, core_stop. One thread: the node's. */
#ifndef CORE_H
#define CORE_H
#include "base/env.h"
#include "base/list.h"
#include "src/meta/meta.h"
#include "storage/dir.h"
#include "storage/log.h"

struct conf;
struct conf_topic;
struct core;

/* --- what is counted, per topic and for all of them together */
struct core_counts {
#define TOPIC_METRIC(field, name, help) uint64_t field;
#include "base/metric.tbl"
};

struct core_topic {
	struct rk_node by_name, by_id;
	struct core *core;
	struct rk_uuid id;
	struct rk_str name;                /* zero-terminated, the topic's own */
	const struct conf_topic *conf;     /* effective configs, shared by topics that are alike */
	struct st_rules rules;             /* the same for its logs, which point here */
	struct core_partition **partition; /* by index; NULL: not known (yet) */
	uint32_t partitions;
	struct core_counts counts;
	int64_t hash;  /* when hashed: as topic_hash.h has it */
	bool hashed;
	bool internal; /* a coordinator's: leadership of its partitions is told to core_listen's */
};

/* Somebody who waits for a partition. Lives in the waiter's own memory (a call's arena). */
struct core_wait {
	struct rk_list link;
	int64_t need; /* acks: the high watermark that is enough; unused for fetches */
	/* Called once, after the wait was taken out of its ring: the need is met, or err says why
	 * it never will be (RK_NOT_LEADER_OR_FOLLOWER, RK_KAFKA_STORAGE_ERROR,
	 * RK_UNKNOWN_TOPIC_OR_PARTITION). */
	void (*wake)(struct core_wait *, enum rk_err);
};

struct core_partition {
	struct core_topic *topic;
	struct st_log *log; /* NULL: never written, or not opened yet (core_open) */
	struct core_set *set;       /* the others, while this node leads (replica.h); NULL: none */
	struct core_follow *follow; /* while it follows (follow.h) */
	int32_t index;
	int32_t leader; /* node id; -1: none */
	int32_t leader_epoch, partition_epoch;
	int16_t replicas, isr; /* counts */
	uint8_t dir;           /* which of the core's directories holds it, or shall */
	bool found;            /* its folder was there at start and has not been opened yet */
	bool mine;             /* this node is a replica */
	bool reassigned;       /* replicas are being added or removed */
	bool leads;            /* this node leads it */
	bool unsynced;         /* wants a sync at the end of this round */
	bool moved;            /* readers are to be woken at the end of this round */
	bool broken;           /* a write failed: no append is taken until the node starts anew */
	bool offline;          /* its directory has failed, or was not there at start */
	bool last_sync;        /* core_stop waits for its last sync */
	bool uncleanable;      /* compacting it failed in this life */
	uint8_t told;          /* the directory that the metadata names: an index, or one of CORE_DIR_* */
	struct core_guards *guards; /* of producers that are being verified (mark.h); NULL: none */
	struct core_marked *marked; /* markers that are not committed yet (mark.c); NULL: none */
	struct core_move *move; /* to another directory of this node; NULL: none */
	struct rk_list place;  /* in core->misplaced or core->placing (place.c) */
	int64_t high;          /* high watermark */
	struct rk_list acks;   /* of core_wait, ascending by need */
	struct rk_list
	    fetches;      /* of core_wait: woken when the high watermark or the leader changes */
	int64_t end_seen; /* the log's end when retention last looked */
	int64_t cleaned_seen; /* the same for the cleaner, when it found too little to do */
	struct core_trail *trail; /* when its end was where (trail.h); NULL: nobody has asked */
	uint32_t mark, mark_at; /* a request handler's: see core_mark */
	struct rk_list touched; /* in one of the core's lists for core_flush */
};

/* --- the life of it. dirs stay the caller's until core_free; opened[i] says how dirs[i] was found.
 * timers are the node's: the core's own timers run with them. */
struct core *core_new(struct rk_env *, struct conf *, struct rk_timers *, int32_t node_id,
    struct st_dir **dirs, const struct st_dir_opened *opened, uint32_t count);
/* Once, with an image that has caught up with the quorum (folders it does not know are set aside as
 * strays). Takes over every partition; recovers the logs of a directory that was not closed
 * cleanly, saying how far it is. The image is to stay as long as the core serves: what the core does not keep it looks
 * up there. RK_KAFKA_STORAGE_ERROR: every directory has failed. Waits. */
rk_must_use enum rk_err core_load(struct core *, struct meta_image *);
/* A committed metadata record, after the image has it; view shows the image with it. Before
 * core_load nothing happens. Never fails: what a disk refuses marks the partition or the directory.
 */
void core_heard(struct core *, const struct meta_view *, int16_t type, const void *record);
/* The node's configuration was read again, or a dynamic broker config changed: topics' configs are
 * made anew. */
void core_reconfigure(struct core *, const struct meta_view *);
/* The end of one round of events: begins the syncs the round asked for and wakes readers. */
void core_flush(struct core *);
/* A clean stop: waiters are answered, all logs synced and closed, checkpoints and the marker
 * written. done comes from a callback of the world, with the first error. No call but core_free
 * after it. */
void core_stop(struct core *, int64_t broker_epoch, rk_done *done, void *arg);
/* The image has jumped (a snapshot came from elsewhere): everything is compared with the view, and
 * what is gone, new or changed is taken as if its records had been heard. Before core_load nothing
 * happens. */
void core_resync(struct core *, const struct meta_view *);
/* The dynamic broker configs are what the view says: for a controller alone, which never loads. */
void core_follow_configs(struct core *, const struct meta_view *);
/* This node has lost touch with the controllers for longer than its session, or has found it again:
 * while it is cut off, another may lead what it believes to lead, so it answers no client
 * (NOT_LEADER_OR_FOLLOWER). What was appended before is still acknowledged when every replica has
 * it: that stays true whoever leads. */
void core_cut_off(struct core *, bool);
void core_free(struct core *); /* without a write: after a stop, or as a crash would */

/* --- looking. Pointers are valid until the next event. */
struct core_topic *core_topic_named(struct core *, struct rk_str name);
struct core_topic *core_topic_of(struct core *, struct rk_uuid id);
struct core_partition *core_partition(
    struct core_topic *, int32_t index); /* NULL: no such, topic may be NULL */
uint32_t core_dirs(const struct core *);
struct st_dir *core_dir(const struct core *, uint32_t index);
uint32_t core_partitions_count(const struct core *); /* held by this node */
uint32_t core_leaders_count(const struct core *);
/* Walks the topics this node knows; NULL first, NULL at the end. */
struct core_topic *core_topics_walk(struct core *, struct core_topic *);
/* Finds what a request names, by name or (by_id) by id: RK_UNKNOWN_TOPIC_ID,
 * RK_UNKNOWN_TOPIC_OR_PARTITION, RK_NOT_LEADER_OR_FOLLOWER (it exists, elsewhere); *p is NULL then.
 */
rk_must_use enum rk_err core_find(struct core *, bool by_id, struct rk_uuid id, struct rk_str name,
    int32_t index, struct core_partition **p);
/* A number no partition carries in its mark yet: a request that marks what it has seen finds
 * repetitions. */
uint32_t core_mark(struct core *);
/* The partition's log, opened when it is cold. A partition never written: RK_OK and *log NULL.
 * RK_KAFKA_STORAGE_ERROR: it cannot be opened. */
rk_must_use enum rk_err core_open(struct core_partition *, struct st_log **log);
/* What is known without a log too: an empty one starts and ends at 0. */
int64_t core_start(struct core_partition *);
int64_t core_end(struct core_partition *);
int64_t core_stable(struct core_partition *); /* last stable offset: what read_committed may see */
bool core_stopping(const struct core *);
/* The end of a leader epoch: the largest one not above the asked one and the offset behind its last
 * record; -1 and -1 for an epoch that never was. For one before the first known: the asked one, and
 * where the first began. */
void core_epoch_end(struct core_partition *, int32_t asked, int32_t *epoch, int64_t *end);
/* Kafka's check of the leader epoch a client sends: RK_OK, RK_NOT_LEADER_OR_FOLLOWER,
 * RK_FENCED_LEADER_EPOCH, RK_UNKNOWN_LEADER_EPOCH. client_epoch -1: not checked. */
rk_must_use enum rk_err core_check_leader(const struct core_partition *, int32_t client_epoch);
/* As core_check_leader, for what a follower may answer as well. */
rk_must_use enum rk_err core_check_replica(const struct core_partition *, int32_t client_epoch);
/* The same for another broker, which is answered although this one may be cut off. */
rk_must_use enum rk_err core_check_epoch(const struct core_partition *, int32_t epoch);
/* A new leader does not know yet how far its predecessor's records were committed: consumers are not told of an end
 * that may lie before what they have seen. */
bool core_end_unknown(struct core_partition *);

/* --- leadership of internal topics' partitions, for the coordinators that live in them */
enum core_lead {
	CORE_WON,    /* this node leads it, in a new epoch */
	CORE_LOADED, /* all that was in the log at that time is committed: st_log_load up to the high watermark has it */
	CORE_LOST,   /* another leads it, or nobody, or it is gone; never without CORE_WON before */
};
struct core_watcher {
	struct rk_list link; /* the core's */
	/* Called in the middle of things: look and note, but append nothing before the next event. */
	void (*heard)(struct core_watcher *, struct core_partition *, enum core_lead, int32_t leader_epoch);
};
void core_listen(struct core *, struct core_watcher *); /* until the core's end */

/* Where a consumer in that rack should read from that offset on (replica.selector.class): a broker's id; -1: here. */
int32_t core_nearest(const struct core_partition *, struct rk_str rack, int64_t offset);

/* --- the directories of this node (place.c, move.c) */
/* AlterReplicaLogDirs: the partition is to lie in the directory of that path; what moves it comes later. The one it
 * lies in: a move that is under way is given up. RK_LOG_DIR_NOT_FOUND, RK_KAFKA_STORAGE_ERROR (that directory, or
 * the partition, is offline; or, for a new move, any directory), RK_UNKNOWN_TOPIC_OR_PARTITION,
 * RK_NOT_LEADER_OR_FOLLOWER (no replica here), RK_INVALID_TOPIC_EXCEPTION (the name is too long for a folder that
 * moves). */
rk_must_use enum rk_err core_move(struct core *, struct rk_str topic, int32_t index, struct rk_str path);
/* Where it moves to, and what is there of it (*log NULL: nothing yet). False: it stays. */
bool core_moving(const struct core_partition *, uint32_t *dir, struct st_log **log);
/* The log was cut back to offset: so is what was copied of it. */
void core_move_cut(struct core_partition *, int64_t offset);
/* Partitions that lie (or are about to lie) elsewhere than the metadata says. take: the next to be told to the
 * controller, and its directory; NULL: none. again: those that were taken and of which no record has come are to be
 * told once more. */
bool core_misplaced(const struct core *);
bool core_placing(const struct core *);
struct core_partition *core_misplaced_take(struct core *, struct rk_uuid *dir);
void core_misplaced_again(struct core *);
uint32_t core_dirs_lost(const struct core *); /* directories that have failed, those at start included */

/* --- appending */
struct core_record_error {
	int32_t index;       /* of the record in its batch */
	const char *message; /* a literal or in the arena */
};
struct core_append {
	/* in */
	uint8_t *at; /* the records as they came; base offsets and epochs are set in place */
	int32_t len;
	int16_t acks;
	bool raised; /* a marker, whose epoch is above its data's (transaction.version 2) */
	bool own;    /* the broker's own records: control batches and internal topics allowed */
	bool admin;  /* Kafka's admin client: it may write to internal topics */
	bool transactional; /* the request named a transactional id */
	bool adds;          /* and is of a version whose batches add their partition to it (mark.h) */
	uint64_t guard;     /* of core_unverified; 0: none */
	struct rk_arena *arena;
	int64_t wall_ms;
	/* out */
	enum rk_err err;
	struct rk_str message; /* null: none */
	struct core_record_error *error;
	int32_t errors;
	int64_t base_offset, append_ms, log_start;
	int64_t need; /* the high watermark that acknowledges it under acks=all */
};
/* The first batch of produced bytes, as Kafka's request parser looks at it: RK_OK: it is there
 * whole; RK_NOT_FOUND: no whole batch; RK_CORRUPT_MESSAGE: size or magic cannot be (message says
 * which). */
rk_must_use enum rk_err core_peek(
    const uint8_t *, int32_t len, struct rk_arena *, struct rk_str *message);
/* Whether the batch that core_peek found whole says that it is part of a transaction. */
bool core_transactional(const uint8_t *, int32_t len);
/* Produce's own rule: exactly one batch of magic 2, no zstd before version 7. Cuts a->len to the
 * batch. */
rk_must_use enum rk_err core_only_batch(struct core_append *, int16_t version);
/* at and len are one whole batch (core_only_batch). Checks as Kafka's leader does, then appends.
 * After RK_OK the caller that has acks=all waits, when core_acked is false, with core_wait_acks. */
void core_append(struct core_partition *, struct core_append *);
bool core_acked(const struct core_partition *, const struct core_append *);
void core_wait_acks(struct core_partition *, struct core_wait *);  /* need is set */
void core_wait_fetch(struct core_partition *, struct core_wait *); /* woken once, from core_flush */
void core_unwait(struct core_wait *);                              /* harmless when not waiting */

/* DeleteRecords: RK_OFFSET_OUT_OF_RANGE, RK_POLICY_VIOLATION, ... ; *low is the log start
 * afterwards. */
rk_must_use enum rk_err core_delete_records(struct core_partition *, int64_t offset, int64_t *low);

/* --- metrics: Prometheus text of everything the core counts, appended to out. */
struct core_counts *core_counts(struct core *); /* of all topics together */
void core_count_request(struct core *, int16_t api_key, uint64_t in_bytes);
void core_metrics(struct core *, struct rk_out *out);
#endif
