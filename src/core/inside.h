/* inside.h - what the files of src/core share: the core itself. */
#ifndef CORE_INSIDE_H
#define CORE_INSIDE_H
#include "protocol/batch.h"
#include "src/config.h"
#include "src/core/core.h"
#include "src/core/session.h"
#include "src/core/throttle.h"
#include "src/core/txn.h"
#include "storage/compact.h"

/* What the metadata says of a replica's directory besides those that are here. */
enum { CORE_DIR_NONE = 253, CORE_DIR_OTHER = 254, CORE_DIR_UNTOLD = 255 };
enum { CORE_DIRS_MAX = 64, CORE_POINTS_MS = 5000, CORE_APIS = 128 };

/* The log cleaner (cleaner.c). */
struct core_cleaner {
	struct rk_timer timer;      /* looks for a dirty log; during a round: the throttle */
	struct st_compact *round;   /* NULL: none */
	struct core_partition *at;  /* whose log it is; NULL: gone */
	int64_t began_ms;
	uint64_t rounds;
	bool busy;                  /* a job of it runs */
	struct core_partition *best; /* the dirtiest of those that this sweep has looked at; NULL: none is dirty enough */
	double best_ratio;
	uint32_t swept;             /* so many partitions of compacted topics have been passed */
	bool any;                   /* one of them was worth a look */
};

struct core_set;
struct core_follower;
struct core_source;

struct core {
	uint32_t magic;
	struct rk_env *env;
	struct conf *conf;
	struct rk_timers *timers;
	int32_t node_id;
	struct st_dir *dir[CORE_DIRS_MAX];
	bool clean[CORE_DIRS_MAX];    /* was closed cleanly, says its marker */
	uint32_t held[CORE_DIRS_MAX]; /* partitions in it, for placing new ones */
	bool lost[CORE_DIRS_MAX];     /* has failed, and its partitions were taken offline */
	uint32_t dirs, dirs_lost;
	struct rk_list moves;         /* of core_move */
	struct rk_list misplaced, placing; /* partitions whose directory the controller is to be told; was told */
	struct rk_timer move_timer;
	int64_t moves_rest_ms;        /* the throttle: no move copies before then */
	struct rk_map by_name, by_id; /* of core_topic */
	struct conf_pool pool;
	uint32_t partitions, leaders;
	struct rk_list touched;      /* partitions with something for core_flush to do */
	struct rk_timer points;      /* writes the checkpoints a while after something changed */
	struct rk_timer flush_timer; /* flush.ms of topics with write.caching */
	struct rk_timer clean_timer; /* retention; runs only while there are records */
	struct rk_timer dir_timer;   /* deletes files whose delay is over */
	struct rk_list coords; /* of core_coord */
	struct rk_map group_confs; /* of groups that have configs of their own (group_conf.c) */
	struct rk_map ends;        /* of core_end (ends.h) */
	struct rk_list ends_due;
	uint64_t topics_changed;   /* rises when topics and their partitions come and go */
	uint64_t hashes_changed;   /* rises when a topic's hash (topic_hash.h) may be another */
	struct meta_image *image;  /* since core_load */
	struct core_cleaner cleaner;
	struct core_sessions sessions;
	struct core_counts counts;
	uint64_t requests[CORE_APIS];
	uint64_t request_bytes[CORE_APIS];
	int64_t started_ms;
	int64_t expired_ms;    /* when producers were last looked at for expiry */
	bool expiring;         /* this round of cleaning does so */
	int64_t all_points_ms; /* when all checkpoints were last written */
	bool points_soon;      /* the timer stands for what is dirty now */
	uint32_t cleaned;      /* partitions that retention has looked at in this round */
	uint32_t mark;         /* see core_mark */
	bool loaded, stopping;
	bool cut_off;          /* from the controllers: clients are not answered */
	/* leading with others: replica.c, isr.c, feed.c */
	struct rk_list brokers;        /* of core_broker */
	struct rk_list sets, wishes;   /* of core_set */
	struct rk_timer isr_timer;     /* looks for followers that lag */
	struct rk_timer isr_again;     /* a refused wish may be granted now */
	bool isr_busy;
	uint64_t isr_shrinks, isr_expands;
	void (*wished)(void *arg);
	void *wished_arg;
	struct rk_map fetchers;        /* of core_fetcher, those in the cache */
	struct rk_list fetchers_used, fetchers_woken;
	struct core_rate rate_out, rate_in;
	/* following: source.c, follow.c */
	struct rk_list sources, sources_due; /* of core_source */
	void (*source_due)(void *arg, struct core_source *);
	void *source_due_arg;
	int64_t cuts_ms;                /* when this round's first cut of a log began; -1: there was none */
	struct rk_say_limit odd_copies; /* of lines about damaged batches that a leader sent */
	struct rk_list watchers, loadings; /* lead.c */
	struct core_txn_world txn_world; /* of transactions (mark.c); mark NULL: there is none */
	uint64_t guards;               /* how many were made (mark.c) */
	bool writing;                  /* a shard's record is being appended (coord.c) */
	int16_t transaction_version;   /* finalised level of the feature; 0: none */
	/* core_stop's own */
	struct rk_timer stop_timer;
	rk_done *stopped;
	void *stopped_arg;
	int64_t stop_epoch;
	uint32_t stop_left; /* logs whose last sync has not come back */
	enum rk_err stop_err;
};
enum { CORE_MAGIC = 0x636f7265 };

/* The core of a partition, which must hold together: the high watermark is within the log, who
 * leads is this node, and a log that is open is not waiting to be found. */
static inline struct core *
core_of(const struct core_partition *p)
{
	rk_assert(p->topic != NULL && p->topic->core->magic == CORE_MAGIC);
	rk_assert(p->high >= 0 && p->index >= 0);
	rk_assert(p->dir < p->topic->core->dirs);
	rk_assert(!p->leads || p->leader == p->topic->core->node_id);
	rk_assert(p->log == NULL || !p->found);
	return p->topic->core;
}

static inline bool
core_among(const int32_t *at, int32_t len, int32_t id)
{
	for (int32_t i = 0; i < len; i++)
		if (at[i] == id)
			return true;
	return false;
}

static inline const struct conf_topic *
core_conf(const struct core_partition *p)
{
	return p->topic->conf;
}

/* --- topics.c */
struct core_topic *core_topic_make(struct core *, struct rk_str name, struct rk_uuid id);
void core_topic_free(struct core_topic *); /* with its partitions, whose waiters must be gone */
void core_topic_room(
    struct core_topic *, int32_t index); /* the topic has a partition of that index */
struct core_partition *core_partition_make(struct core_topic *, int32_t index);
void core_racks_changed(struct core *); /* a broker is in another rack: every topic's hash may be another */
void core_replicas_changed(struct core_topic *); /* one topic's */
/* Effective configs of the topic from the view, into conf and rules. */
void core_topic_configure(struct core_topic *, const struct meta_view *);

/* --- partition.c */
/* The log, made (durably) when it was never written. */
rk_must_use enum rk_err core_log_for_write(struct core_partition *, struct st_log **);
/* Says where the log is what it says: on_stable of st_log_watch, and after every append. */
void core_advance(struct core_partition *);
void core_touch(struct core_partition *); /* core_flush is to look at it */
void core_dirty(struct core_partition *); /* the checkpoints are to be written again */
void core_wake_all(struct core_partition *, enum rk_err); /* everybody who waits: it is over */
void core_watch(struct core_partition *);                 /* begins to hear from its log */
/* core_stop: one of the logs it waits for is stable, or never will be. */
void core_stop_step(struct core_partition *);

/* --- append.c */
void core_want_sync(struct core_partition *);   /* as its topic's configs want it */

/* --- lead.c */
void core_lead_init(struct core *);
/* Who leads, in which epoch, with whom: as the record has it, and what follows for everybody who waits. */
void core_lead(struct core_partition *, const struct kp_partition_record *);
/* The partition goes away, with the leading or following of it. The waiters hear err (RK_OK: they are gone already). */
void core_lead_over(struct core_partition *, enum rk_err);
void core_lead_found(struct core *); /* every directory was listed: who listens hears what is led */
void core_lead_free(struct core *);

/* --- replica.c, isr.c */
int64_t core_set_epoch_start(struct core_set *); /* where this leader epoch begins */
bool core_set_in_sync(struct core_set *, const struct core_follower *);
bool core_isr_eligible(const struct core *, const struct core_follower *);
void core_isr_join(struct core_set *, struct core_follower *); /* it has fetched: is it in sync now? */
void core_isr_look(struct core_set *);
void core_isr_init(struct core *);
void core_isr_watch(struct core *); /* there are sets: rounds are to run */
void core_isr_stop(struct core *);
void core_isr_flush(struct core *);

/* --- place.c */
/* The record names a directory of ours for our replica. */
bool core_assigned_dir(const struct core *, const struct kp_partition_record *, uint8_t *dir);
void core_told(struct core_partition *, const struct kp_partition_record *); /* what the metadata says now */
void core_place(struct core_partition *); /* where it lies has changed: is it as the metadata says? */
uint8_t core_wanted_dir(const struct core_partition *);
void core_lies_in(struct core_partition *, uint8_t dir); /* from now on; files are the caller's */
void core_dirs_look(struct core *);       /* has a directory failed? */
void core_missing_look(struct core *);    /* at start: what lies in a directory that is not there is offline */

/* --- move.c */
void core_moves_init(struct core *);
uint8_t core_move_near(const struct core_partition *); /* it has caught up in that directory; CORE_DIRS_MAX: no */
void core_move_soon(struct core_partition *);          /* there may be more to copy; harmless when it does not move */
void core_move_drop(struct core_partition *);          /* given up, with what was copied; harmless likewise */
void core_move_lost(struct core_partition *, uint8_t dir);
void core_move_found(struct core_partition *, uint8_t dir); /* a -future folder, at start */
void core_moves_load(struct core *);                   /* every directory was listed */
void core_move_close(struct core_partition *);         /* a clean stop */
void core_move_free(struct core_partition *);          /* without a write */

/* --- upkeep.c */
void core_upkeep_init(struct core *);
void core_upkeep_stop(struct core *);
void core_upkeep_changed(struct core *); /* configs changed: retention may be due sooner */
/* Writes every checkpoint of every directory. */
rk_must_use enum rk_err core_points_write(struct core *);
void core_clean_soon(struct core *); /* there are records that may expire */
void core_dirs_tick(struct core *);  /* a folder was renamed to be deleted */

void core_flush_in(
    struct core *, int64_t ms); /* flush.ms: sync what is unsynced, no later than that */

/* --- cleaner.c */
void core_cleaner_init(struct core *);
void core_cleaner_soon(struct core *);                  /* a compacted log has grown, or may have to be cleaned */
void core_cleaner_forget(struct core_partition *);      /* the partition is about to be freed */
bool core_cleaner_stop(struct core *);                  /* true: a job runs; core_stop_counted comes after it */
void core_cleaner_free(struct core *);
void core_stop_counted(struct core *);                  /* one of what core_stop waits for is done */

/* --- group_conf.c */
void core_group_conf_read(struct core *, const struct meta_view *, struct rk_str group); /* one group's have changed */
void core_group_confs_read(struct core *, const struct meta_view *);
void core_assignors_tell(const struct conf *); /* warns of those that are not ours */
void core_group_confs_free(struct core *);

/* --- coord.c */
void core_coords_free(struct core *);

/* --- check.c */
/* Kafka's validation of one produced batch, in its order; a->err RK_OK: fit to be appended. May
 * replace a->at and a->len (recompressed), set log append time, and correct the maximal timestamp.
 */
void core_check(struct core_partition *, struct core_append *);
#endif
