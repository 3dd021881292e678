/* group_consumer.h - groups of consumers (KIP-848), as the coordinator keeps them.
 *
 * A group of this kind has, beside what every group has (group_in.h), members that say what they are subscribed to,
 * a group epoch that rises with every change of that, a target assignment made for an epoch, and for each member where
 * it stands on the way there. All of it is in records: a decision reads the state, makes records (a turn), writes
 * them, and only applying them changes the state, so that a coordinator which loads them has the same. In memory alone
 * are timers and when topics were last looked at.
 *
 *	record 5: what a member says    3: the group's epoch    7: a member's target    6: the epoch of the targets
 *	record 8: where a member stands    16: the topics that a regular expression has matched
 *
 * Members of the classic protocol may be in such a group (group_consumer_classic.c): they are told of it in
 * JoinGroup's, SyncGroup's and Heartbeat's words. */
#ifndef CORE_GROUP_CONSUMER_H
#define CORE_GROUP_CONSUMER_H
#include "src/core/assign.h"
#include "src/core/group_in.h"
#include "src/core/regex.h"

typedef struct kp_consumer_group_member_metadata_value core_consumer_says;

enum core_consumer_state {
	CORE_CONSUMER_STABLE,         /* it has what it was given with its epoch */
	CORE_CONSUMER_UNREVOKED,      /* it is to give something back, and has not said that it has */
	CORE_CONSUMER_UNRELEASED      /* something of its target is still another's */
};
enum { CORE_CONSUMER_LEFT = -1, CORE_CONSUMER_AWAY = -2 }; /* epochs: it leaves; static: it will be back */

struct core_consumer_at {         /* where a member stands */
	int32_t epoch, previous;
	int8_t state;
	struct core_parts has, leaves; /* what it may read; what it is to give back */
};

struct core_consumer {            /* a member */
	struct rk_node by_id;
	struct rk_list link;          /* in the group's members, in the order they came */
	struct core_group *group;
	struct rk_str id;
	core_consumer_says says;
	void *kept;                   /* what says points to: one allocation */
	struct core_consumer_at at;
	struct core_parts target;
	struct rk_timer session;      /* silence */
	struct rk_timer slow;         /* a revocation, or a classic member's join or sync, that takes too long */
	uint64_t told_on;             /* the connection on which it was last told what it has; 0: not by this coordinator */
	bool known;                   /* a record has said what it says; else only its other records were there */
};

struct core_pattern {             /* a regular expression that members are subscribed by */
	struct rk_list link;
	struct rk_str text;
	struct rk_str *topic;         /* the topics it matches, sorted; one allocation with their bytes */
	int32_t topics;
	int64_t ms;                   /* wall time when they were found */
	int32_t users;                /* members that are subscribed by it */
	uint64_t seen;                /* core's topics_changed when they were found; 0: not in this life */
};

struct core_consumers {           /* what a group of this kind has more */
	struct core_group *group;
	int32_t epoch, target_epoch;
	int64_t hash;                 /* of the topics that members are subscribed to, as they were */
	int64_t target_ms;            /* wall time when the target was made; 0: never */
	struct rk_map by_id;
	struct rk_list members;
	int32_t count;
	struct rk_map owners;         /* partition -> the member that has it, or has not given it back */
	struct rk_map names;          /* topic -> by how many members it is named */
	struct rk_list patterns;
	uint64_t seen;                /* core's hashes_changed when the hash was made; 0: not in this life */
};

/* --- group_consumer_log.c: the state, its records */
struct core_consumers *core_consumers_of(struct core_group *); /* made when there is none */
void core_consumers_free(struct core_group *);
struct core_consumer *core_consumer_get(const struct core_consumers *, struct rk_str id);
struct core_consumer *core_consumer_static(const struct core_consumers *, struct rk_str instance);
struct core_consumer *core_consumer_owner(const struct core_consumers *, struct rk_uuid topic, int32_t index);
struct core_pattern *core_consumer_pattern(const struct core_consumers *, struct rk_str text);
bool core_consumer_named(const struct core_consumers *, struct rk_str topic);
/* Walks the topics that members name, each with how often: *at NULL first; null at the end. */
struct rk_str core_consumer_names(const struct core_consumers *, const struct rk_node **at, int32_t *uses);
bool core_consumer_classic(const struct core_consumer *);
/* True: a record of one of these kinds (types 3 to 8 and 16), and it is applied. */
bool core_consumer_apply(struct core_groups *, int16_t type, const struct core_entry *);
/* Records; a null value of a struct: a tombstone. */
struct kp_pair core_consumer_member_record(const struct core_group *, struct rk_str id, const core_consumer_says *,
    struct rk_arena *);
struct kp_pair core_consumer_epoch_record(const struct core_group *, int32_t epoch, int64_t hash, struct rk_arena *);
struct kp_pair core_consumer_target_record(const struct core_group *, struct rk_str id, const struct core_parts *,
    struct rk_arena *);
/* epoch -1: a tombstone. */
struct kp_pair core_consumer_target_epoch_record(const struct core_group *, int32_t epoch, int64_t ms,
    struct rk_arena *);
struct kp_pair core_consumer_at_record(const struct core_group *, struct rk_str id, const struct core_consumer_at *,
    struct rk_arena *);
struct kp_pair core_consumer_pattern_record(const struct core_group *, struct rk_str text, const struct rk_str *topic,
    int32_t topics, int64_t ms, struct rk_arena *);
/* Tombstones of a member (three); of a group that has nobody (6, 4, 3). */
int core_consumer_tombstones(const struct core_group *, struct rk_str id, struct kp_pair *, struct rk_arena *);
int core_consumers_tombstones(const struct core_group *, struct kp_pair *, struct rk_arena *);

/* --- group_regex.c: regular expressions as RE2 has them */
/* The topics it matches whole, sorted by name; borrowed from the core. -1: the arena is over. */
int32_t core_regex_topics(struct core *, struct rk_str text, struct rk_arena *, struct rk_str **topic);

/* --- group_conf.c: what a group may have configured for itself (in inside.h: how the core hears of it) */
struct core_group_times {
	int32_t session_ms, heartbeat_ms, assignment_ms;
};
struct core_group_times core_group_times(const struct core *, struct rk_str group);

/* --- group_consumer_turn.c: one decision, from what a member says to the records */
struct core_turn {
	struct core_group *group;
	struct core_consumers *k;
	struct rk_arena *arena;
	struct kp_pair *record;
	int32_t records;
	uint32_t room;
	/* the member it is about; id null: none */
	struct rk_str id;
	struct core_consumer *old;     /* as it is; NULL: it comes new */
	struct core_consumer *gone;    /* who leaves, or whose place it takes */
	core_consumer_says says;       /* as it will be: begin with a copy of what it is */
	struct core_consumer_at at;
	const core_consumer_says *said; /* before; NULL: nothing */
	struct core_consumer_at was;   /* before, when placed */
	bool placed;
	struct core_parts target;
	int32_t epoch, target_epoch;   /* of the group, as they will be */
	bool changed;                  /* the member's topics are others now */
	bool bump;                     /* the group's epoch is to rise in any case */
	/* inside */
	struct rk_str pattern;         /* one that was matched in this turn, with its topics */
	struct rk_str *pattern_topic;
	int32_t pattern_topics;
	struct core_assign_topic *topic; /* the table of topics; NULL: not made yet */
	int32_t topics;
	bool downgrades;               /* a classic group comes out of it */
};
void core_turn_begin(struct core_turn *, struct core_group *, struct rk_arena *);
void core_turn_member(struct core_turn *, struct core_consumer *); /* it is about this one */
void core_turn_put(struct core_turn *, struct kp_pair);
/* It is about a new one that takes the place of this static one. */
void core_turn_replace(struct core_turn *, struct core_consumer *, struct rk_str id);
/* The member says says from now on. */
void core_turn_subscribe(struct core_turn *);
/* It goes: tombstones. The rest of the turn sees the group without it. */
void core_turn_leave(struct core_turn *, struct core_consumer *);
/* Regular expressions are matched again when topics have come and gone since. */
void core_turn_refresh(struct core_turn *);
/* The hash of all topics that these name, and how many partitions these have. */
int64_t core_turn_hash(struct core_turn *, const core_consumer_says *const *says, int32_t count, int64_t *partitions);
void core_turn_epoch(struct core_turn *);    /* the group's epoch rises when there is reason to */
/* What the group's members want most; t NULL: as it is. */
struct rk_str core_consumer_assignor(const struct core_turn *, const struct core_consumers *);
void core_turn_target(struct core_turn *);   /* a new target assignment, when it is due */
/* The member goes on towards its target. owned: what it says it has; NULL: it has not said. */
void core_turn_reconcile(struct core_turn *, const struct core_parts *owned);
void core_turn_seen(struct core_turn *);
/* Writes and applies the records; w as for core_shard_write. */
rk_must_use enum rk_err core_turn_write(struct core_turn *, struct core_write *w);

/* --- group_consumer.c: heartbeats, timers */
struct kp_consumer_group_heartbeat_req;
struct kp_consumer_group_heartbeat_res;
void core_consumer_alive(struct core_consumer *);            /* a sign of life: its session begins anew */
/* The member stands otherwise now: a revocation has so long, or there is none. */
void core_consumer_watch(struct core_consumer *);
void core_consumers_start(struct core_group *);              /* the shard is loaded */
void core_consumer_hurry(struct core_consumer *);            /* its next step has as long as its rebalances may take */
void core_consumer_names_set(core_consumer_says *, const struct rk_str *name, int32_t len, struct rk_arena *);
/* A new group of consumers when this turn came to nothing: as it was. */
void core_consumer_undo(struct core_group *);
/* A turn in which members go, with what follows for the group; false: it could not be written. */
rk_must_use enum rk_err core_consumer_remove(struct core_group *, struct core_consumer *const *, int32_t count,
    struct core_write *w);
const char *core_consumers_state(const struct core_group *);

/* --- group_consumer_classic.c: between the two protocols */
/* A group of another kind becomes one of these; the turn begins anew. RK_GROUP_ID_NOT_FOUND: it may not (why: in
 * Kafka's words). Others: it could not be written. */
rk_must_use enum rk_err core_consumer_upgrade(struct core_turn *, struct rk_str *why);
/* When only classic members are left without these, with the turn's own: true: the turn makes a classic group of it. */
bool core_consumer_downgrade(struct core_turn *, struct core_consumer *const *gone, int32_t count, bool rests);
/* It is written. rests: its generation stands; else its members are to join again. */
void core_consumer_downgraded(struct core_groups *, struct rk_str name, bool rests);
struct kp_join_group_req;
bool core_consumer_join(struct core_group *, struct core_group_asker *, const struct kp_join_group_req *,
    struct kp_join_group_res *);
bool core_consumer_sync(struct core_group *, struct core_group_asker *, const struct kp_sync_group_req *,
    struct kp_sync_group_res *);
bool core_consumer_classic_heartbeat(struct core_group *, const struct kp_heartbeat_req *, struct kp_heartbeat_res *);
bool core_consumer_classic_leave(struct core_group *, struct core_group_asker *, const struct kp_leave_group_req *,
    struct kp_leave_group_res *);

/* --- group_consumer_tell.c: what others ask of such a group */
/* May this member (id, epoch) commit offsets now? For its partitions see core_consumer_may_commit_part. */
enum rk_err core_consumer_may_commit(const struct core_group *, struct rk_str id, int32_t epoch, int16_t version,
    bool in_txn);
/* It came with an older epoch: was this partition its own already? */
enum rk_err core_consumer_may_commit_part(const struct core_group *, struct rk_str id, int32_t epoch,
    struct rk_uuid topic, int32_t index);
enum rk_err core_consumer_may_fetch(const struct core_group *, struct rk_str id, int32_t epoch);
bool core_consumer_subscribed(const struct core_group *, struct rk_str topic);
#endif
