/* meta.h - the cluster's metadata: records make the image (apply), wishes make records (plan).
 *
 * The image is ordered tables on LMDB (storage/table.h). Its values are Kafka's own metadata records in
 * their highest version: a partition's row is its PartitionRecord with all changes folded in. So the image's
 * structs are protocol/'s record structs, read into an arena. One thread: the core's. */
#ifndef META_H
#define META_H
#include "base/env.h"
#include "protocol/codec.h"
#include "protocol/gen/metadata_records.h"
#include "storage/table.h"

struct conf;
struct meta_image;
struct kp_create_topics_req;
struct kp_create_topics_res;
struct kp_delete_topics_req;
struct kp_delete_topics_res;
struct kp_create_partitions_req;
struct kp_create_partitions_res;
struct kp_alter_configs_req;
struct kp_alter_configs_res;
struct kp_incremental_alter_configs_req;
struct kp_incremental_alter_configs_res;
struct kp_allocate_producer_ids_req;
struct kp_allocate_producer_ids_res;
struct kp_broker_registration_req;
struct kp_broker_registration_res;
struct kp_broker_heartbeat_req;
struct kp_broker_heartbeat_res;
struct kp_controller_registration_req;
struct kp_controller_registration_res;
struct kp_alter_partition_req;
struct kp_alter_partition_res;
struct kp_alter_partition_reassignments_req;
struct kp_alter_partition_reassignments_res;
struct kp_list_partition_reassignments_req;
struct kp_list_partition_reassignments_res;
struct kp_elect_leaders_req;
struct kp_elect_leaders_res;
struct kp_assign_replicas_to_dirs_req;
struct kp_assign_replicas_to_dirs_res;
struct kp_unregister_broker_req;
struct kp_unregister_broker_res;
struct kp_update_features_req;
struct kp_update_features_res;
struct kp_voters_record;

/* --- the image */
/* Opens path (a folder of its own). fresh: it is empty and must be fed from a snapshot and the log. */
rk_must_use enum rk_err meta_open(const char *path, struct meta_image **, bool *fresh);
rk_must_use enum rk_err meta_close(struct meta_image *);
void meta_free(struct meta_image *); /* as a crash would */

/* What one looks through: the last commit, or a plan's own unfinished state. */
struct meta_view {
	struct st_txn *txn;
};
void meta_view_begin(struct meta_image *, struct meta_view *); /* the last commit */
void meta_view_end(struct meta_view *);

struct meta_topic {
	struct rk_str name; /* valid as long as the view */
	struct rk_uuid id;
	int32_t partitions;
};
bool meta_topic_named(const struct meta_view *, struct rk_str name, struct meta_topic *);
bool meta_topic_of(const struct meta_view *, struct rk_uuid id, struct meta_topic *);
/* Walks topics by name, from a name on (the empty string: all). */
struct meta_topics {
	struct st_cursor cursor;
	const struct meta_view *view;
	struct meta_topic topic;
};
bool meta_topics_begin(struct meta_topics *, const struct meta_view *, struct rk_str from);
bool meta_topics_next(struct meta_topics *);
void meta_topics_end(struct meta_topics *);
uint64_t meta_topics_count(const struct meta_view *);
uint64_t meta_partitions_count(const struct meta_view *);

bool meta_partition(const struct meta_view *, struct rk_uuid topic, int32_t partition, struct rk_arena *,
    struct kp_partition_record *);
bool meta_broker(const struct meta_view *, int32_t id, struct rk_arena *,
    struct kp_register_broker_record *);
/* The first broker with an id >= from, ascending; false: none. From 0, and then each time from the last id + 1 (wider
 * than an id, so that the highest ends it), these visit all. */
bool meta_broker_next(const struct meta_view *, int64_t from, struct rk_arena *,
    struct kp_register_broker_record *);
/* Kafka keeps the ids 0..99 for what is no directory: 0 not known to an old version, 1 not assigned yet, 2 lost. */
bool meta_directory_reserved(struct rk_uuid);
/* Is a replica there, as far as its directory is known? dirs: those its broker has online; none: it has not said. */
bool meta_directory_online(const struct rk_uuid *dirs, int32_t count, struct rk_uuid);
/* The offset of the broker's RegisterBroker record, which a broker must have applied to be caught up; -1: none. */
int64_t meta_broker_offset(const struct meta_view *, int32_t id);
bool meta_controller_next(const struct meta_view *, int64_t from, struct rk_arena *,
    struct kp_register_controller_record *);
/* Configs of one resource (type as in ConfigRecord: 2 topic, 4 broker, 16 client-metrics, 32 group). */
bool meta_config(const struct meta_view *, int8_t type, struct rk_str resource,
    struct rk_str name, struct rk_str *value);
struct meta_configs {
	struct st_cursor cursor;
	struct rk_str name, value;
	uint8_t key[300];
};
bool meta_configs_begin(struct meta_configs *, const struct meta_view *, int8_t type,
    struct rk_str resource);
bool meta_configs_next(struct meta_configs *);
void meta_configs_end(struct meta_configs *);
/* Names of the resources of a type that have configs, ascending: after is the one before, or null. */
bool meta_config_resource_next(const struct meta_view *, int8_t type, struct rk_str after,
    struct rk_arena *, struct rk_str *);
int16_t meta_feature(const struct meta_view *, struct rk_str name); /* finalised level; 0: none */
bool meta_feature_next(const struct meta_view *, struct rk_str after, struct rk_arena *,
    struct rk_str *name, int16_t *level);
int64_t meta_next_producer_id(const struct meta_view *);
/* Up to where the log is applied (end-exclusive), and the epoch of the last record. */
int64_t meta_applied(const struct meta_view *, int32_t *epoch);

/* --- what this release knows */
struct meta_supported {
	const char *name;
	int16_t min, max;
};
extern const struct meta_supported meta_supported[]; /* features, as brokers and controllers register them */
extern const uint32_t meta_supported_count;
/* The metadata.versions that brought what is asked for by number: ISRs that shrink in the same leader epoch,
 * registrations of controllers, directories of replicas, the ELR, cordoned directories. */
enum {
	META_MV_QUIET_SHRINK = 12,
	META_MV_CONTROLLERS = 15,
	META_MV_DIRECTORIES = 17,
	META_MV_ELR = 23,
	META_MV_CORDONED = 30
};
/* A metadata.version's name ("4.3-IV0"); NULL: none of ours. */
const char *meta_version_name(int16_t level);
/* The level of a name; a bare release ("3.9") means its last; 0: unknown. */
int16_t meta_version_level(struct rk_str name);
/* The level of a feature that a cluster of this metadata.version begins with. */
int16_t meta_default_level(const char *feature, int16_t metadata_version);
/* May a topic be called so? false: *why is Kafka's message, in the arena. */
bool meta_topic_name_check(struct rk_str name, struct rk_arena *, struct rk_str *why);
/* A topic of the brokers' own: a coordinator's. */
bool meta_topic_internal(struct rk_str name);

/* --- from the log */
/* One metadata record out of a batch: its type id, version, and struct. */
typedef void meta_heard(void *arg, int16_t type, int16_t version, const void *record,
    int64_t offset);
/* Applies every record of the record batches (control batches too: they only move the offset) in one
 * transaction and commits it. heard, when not NULL, is called for each after the commit. Records inside a
 * metadata transaction (Begin..End) wait in the image until their end. RK_CORRUPT_MESSAGE: bytes that are not
 * metadata; nothing is applied. An unknown record type is an error that names it. */
rk_must_use enum rk_err meta_apply(struct meta_image *, const uint8_t *batches, uint32_t len,
    meta_heard *, void *arg);
/* Decodes without applying. */
rk_must_use enum rk_err meta_each(const uint8_t *batches, uint32_t len, struct rk_arena *,
    meta_heard *, void *arg);

/* What the active controller knows of brokers beyond the log: src/node/sessions.c. */
struct meta_sessions {
	/* It was heard of within its session, and nothing says that it has died since. same_address: somebody with its
	 * number listens where it did. */
	bool (*alive)(struct meta_sessions *, int32_t broker, bool same_address);
	/* Every active broker but this one has reported that it has applied the record at the offset. */
	bool (*reached)(struct meta_sessions *, int64_t offset, int32_t but);
	/* The last record by which leaderships of a broker that wants to leave went to others; -1: none yet. */
	int64_t *(*leaving)(struct meta_sessions *, int32_t broker);
};

/* --- planning: the active controller. A batch of requests shares one top transaction; each request is
 * planned in a child and kept or dropped as a whole (a request that reports errors topic by topic keeps
 * what it planned for the others). */
/* kraft.version is the quorum's, not the image's: what UpdateFeatures must know of it and do to it. */
struct meta_quorum {
	int16_t kraft_version; /* as it is */
	/* Begins to change it (validate_only: could it?). RK_INVALID_UPDATE_VERSION with *why when it cannot. */
	enum rk_err (*upgrade)(struct meta_quorum *, int16_t to, bool validate_only, struct rk_str *why);
};
struct meta_plan {
	struct rk_env *env;
	const struct conf *conf;
	struct meta_image *image;
	struct meta_view view;   /* reads see what was planned so far */
	struct rk_arena *arena;  /* the whole batch's */
	struct rk_str *value;    /* record values, encoded, in order */
	uint32_t count, cap;
	int64_t base_offset;     /* where the batch will stand in the log: RegisterBroker's epoch */
	uint32_t mark;           /* count at the child's beginning */
	uint64_t bytes;          /* of values: a batch must stay below 8 MiB, so begin no request past 4 */
	struct meta_sessions *sessions; /* NULL: nobody is alive but whom the log says is */
	const char *cluster_id;  /* what a registering broker must name; NULL: not looked at */
	struct meta_quorum *quorum; /* NULL: its kraft.version is 0 and stays it */
	bool others;             /* configs of other brokers than this one, too: the request came through that broker,
	                          * which has looked at the number, or to a controller, which takes any */
	struct rk_arena *scratch;
	struct rk_arena *work;   /* of the partition that is changed at the moment */
	int16_t version;         /* the finalised metadata.version */
	struct st_txn *top;
};
/* Begins the batch's top transaction; there can be only one. */
void meta_plan_begin(struct meta_plan *, struct meta_image *, struct rk_env *, const struct conf *, struct rk_arena *,
    int64_t base_offset);
void meta_plan_enter(struct meta_plan *);             /* one request begins */
void meta_plan_leave(struct meta_plan *, bool keep);  /* keep it, or forget its records */
/* Adds a record and applies it to the plan's view at once. type is the metadata record's id. */
void meta_plan_add(struct meta_plan *, int16_t type, const void *record);
/* The bytes for the log (record versions those of the finalised metadata.version); null when there is no
 * record, or the arena is over. One record batch, or several end to end when they would pass what Raft takes
 * (a broker that comes back with hundreds of thousands of partitions). After it only commit or abort may follow. */
struct rk_str meta_plan_batch(struct meta_plan *, int32_t leader_epoch, int64_t now_ms);
int64_t meta_plan_end(const struct meta_plan *); /* behind its last record */
/* The log has committed the batch up to applied (end-exclusive): the image is now what was planned. */
rk_must_use enum rk_err meta_plan_commit(struct meta_plan *, int64_t applied, int32_t epoch);
void meta_plan_abort(struct meta_plan *);

/* What the controller does for each request: fills in the answer, adds records. Kafka's checks, in
 * Kafka's order, with Kafka's messages. Strings of the answer live in the arena or the request. */
void meta_create_topics(struct meta_plan *, int16_t version,
    const struct kp_create_topics_req *, struct kp_create_topics_res *);
void meta_delete_topics(struct meta_plan *, int16_t version,
    const struct kp_delete_topics_req *, struct kp_delete_topics_res *);
void meta_create_partitions(struct meta_plan *, int16_t version, const struct kp_create_partitions_req *,
    struct kp_create_partitions_res *);
void meta_alter_configs(struct meta_plan *, int16_t version,
    const struct kp_alter_configs_req *, struct kp_alter_configs_res *);
void meta_incremental_alter_configs(struct meta_plan *, int16_t version,
    const struct kp_incremental_alter_configs_req *, struct kp_incremental_alter_configs_res *);
void meta_allocate_producer_ids(struct meta_plan *, const struct kp_allocate_producer_ids_req *,
    struct kp_allocate_producer_ids_res *);
void meta_register_broker(struct meta_plan *, int16_t version, const struct kp_broker_registration_req *,
    struct kp_broker_registration_res *);
void meta_broker_heartbeat(struct meta_plan *, int16_t version, const struct kp_broker_heartbeat_req *,
    struct kp_broker_heartbeat_res *);
/* The broker's session has run out: leaderships move, it is fenced. Nothing when it is fenced already. */
void meta_fence_broker(struct meta_plan *, int32_t id);
void meta_register_controller(struct meta_plan *, const struct kp_controller_registration_req *,
    struct kp_controller_registration_res *);
void meta_alter_partition(struct meta_plan *, int16_t version, const struct kp_alter_partition_req *,
    struct kp_alter_partition_res *);
void meta_elect_leaders(struct meta_plan *, int16_t version, const struct kp_elect_leaders_req *,
    struct kp_elect_leaders_res *);
/* Gives at most limit partitions back to their preferred leaders, where those are in the ISR: called every
 * leader.imbalance.check.interval.seconds when auto.leader.rebalance.enable. true: there may be more, go on at once. */
bool meta_balance(struct meta_plan *, uint32_t limit);
/* Elects uncleanly for at most limit leaderless partitions whose configs allow it: called every
 * unclean.leader.election.interval.ms. true: there may be more. */
bool meta_elect_unclean(struct meta_plan *, uint32_t limit);
enum { META_ELECT_MAX = 1000 }; /* Kafka's limit for both */
/* A new active controller's first records: a metadata transaction that its predecessor left open is aborted. */
void meta_activate(struct meta_plan *);
/* A record that says nothing and moves the log's end: whoever follows the log sees that it lives. */
void meta_no_op(struct meta_plan *);
void meta_alter_partition_reassignments(struct meta_plan *, int16_t version,
    const struct kp_alter_partition_reassignments_req *, struct kp_alter_partition_reassignments_res *);
void meta_list_partition_reassignments(struct meta_plan *, const struct kp_list_partition_reassignments_req *,
    struct kp_list_partition_reassignments_res *);
void meta_assign_replicas_to_dirs(struct meta_plan *, const struct kp_assign_replicas_to_dirs_req *,
    struct kp_assign_replicas_to_dirs_res *);
/* A heartbeat says which directories are offline, and which are cordoned (count -1: it says nothing): those of them
 * that were not yet take their replicas out of the ISRs, and the registration says so. */
void meta_directories_offline(struct meta_plan *, const struct kp_register_broker_record *,
    const struct rk_uuid *offline, int32_t count);
void meta_directories_cordoned(struct meta_plan *, const struct kp_register_broker_record *,
    const struct rk_uuid *cordoned, int32_t count);
void meta_unregister_broker(struct meta_plan *, const struct kp_unregister_broker_req *,
    struct kp_unregister_broker_res *);
void meta_update_features(struct meta_plan *, int16_t version, const struct kp_update_features_req *,
    struct kp_update_features_res *);
/* The first records of an empty log: from bootstrap.checkpoint's batches, in a metadata transaction. */
rk_must_use enum rk_err meta_bootstrap(struct meta_plan *, const uint8_t *checkpoint, uint32_t len);

/* --- snapshots and formatting (facts/kraft.md 6, 7) */
/* Kafka's checkpoint file of the view, to path, durably (path.part, sync, rename). voters: the encoded
 * VotersRecord and kraft.version, or null. Waits: it is called rarely. */
rk_must_use enum rk_err meta_snapshot_write(struct rk_env *, const struct meta_view *, const char *path,
    int64_t last_ms, int16_t kraft_version, struct rk_str voters);
/* What a formatter writes. bootstrap.checkpoint: the records a new cluster begins with; the list ends with a NULL
 * record. The 0-0 checkpoint of a dynamic quorum: kraft.version and the first voters. Both durable, as above. */
struct meta_seed {
	int16_t type;
	const void *record;
};
rk_must_use enum rk_err meta_write_bootstrap(struct rk_env *, const char *path, const struct meta_seed *,
    int64_t now_ms);
rk_must_use enum rk_err meta_write_voters(struct rk_env *, const char *path, int16_t kraft_version,
    const struct kp_voters_record *, int64_t now_ms);
/* Empties the image and fills it from a checkpoint's bytes. */
rk_must_use enum rk_err meta_snapshot_load(struct meta_image *, const uint8_t *, uint32_t len,
    int64_t end_offset, int32_t epoch);
#endif
