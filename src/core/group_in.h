/* group_in.h - what the files of groups share: a shard's groups, a group, a member, an offset. */
#ifndef CORE_GROUP_IN_H
#define CORE_GROUP_IN_H
#include "protocol/gen/group_records.h"
#include "src/core/group.h"
#include "src/core/inside.h"

enum core_group_kind { CORE_GROUP_SIMPLE, CORE_GROUP_CLASSIC, CORE_GROUP_CONSUMER }; /* simple: offsets alone */
/* Protocols, and by how many members each is known: group_known.c. Zeroed it is empty. */
struct core_known {
	struct rk_map by_name;
	uint64_t mark; /* of who speaks */
};
/* Of a classic group. Kafka's names are in core_group_state_name. */
enum core_group_state { CORE_GROUP_EMPTY, CORE_GROUP_PREPARING, CORE_GROUP_COMPLETING, CORE_GROUP_STABLE };

struct core_group_protocol {
	struct rk_str name, metadata; /* in the member's own memory */
};

struct core_group_member {
	struct rk_list link;          /* in the group's members, in the order they joined */
	struct core_group *group;
	struct rk_str id, instance;   /* instance null: dynamic */
	struct rk_str client_id, client_host;
	int32_t session_ms, rebalance_ms;
	struct core_group_protocol *protocol; /* one allocation, with all their bytes */
	int32_t protocols;
	struct rk_str assignment;     /* its own allocation; empty: none */
	struct core_group_asker *join, *sync; /* what waits */
	struct rk_timer session;
	bool fresh;                   /* has not been in a finished rebalance yet: it may take long to come */
	bool synced;                  /* of this generation */
};

struct core_group_pending {       /* an id given out with MEMBER_ID_REQUIRED, whose owner has not come back yet */
	struct rk_list link;
	struct core_group *group;
	struct rk_str id;
	struct rk_timer timer;
};

struct core_offset {
	struct rk_node node;          /* in the group's offsets, by topic and partition */
	struct rk_str topic, metadata; /* behind the struct */
	int32_t partition, leader_epoch;
	int64_t offset, commit_ms, expire_ms; /* expire_ms -1: by offsets.retention.minutes */
	int64_t record;               /* where in the log it is written: the later one counts */
	struct core_open *txn;        /* the transaction it is of, not decided; else NULL */
	struct rk_list link;          /* in it */
	struct core_group *group;
	struct rk_uuid topic_id;
};

struct core_groups {              /* a shard's state */
	struct core_shard *shard;
	struct core *core;
	struct rk_map by_name;
	struct rk_timer expiry;       /* offsets and empty groups whose time is over */
	struct rk_map txns;           /* of core_open: transactions with offsets here; group_offsets.c's */
	struct rk_list assigning;     /* records of assignments under way; group_sync.c's */
	uint64_t offsets;
	bool own;                     /* a record is applied that the groups in memory have given: they know */
};

struct core_group {
	struct rk_node node;
	struct core_groups *home;
	struct rk_str name;
	enum core_group_kind kind;
	enum core_group_state state;
	int32_t generation;
	struct rk_str protocol_type, protocol; /* own allocations; null: none */
	struct core_group_member *leader;
	struct rk_list members, pending;
	int32_t count, pendings;      /* of each */
	int32_t joining;              /* members whose join waits */
	struct rk_timer timer;        /* of the rebalance: its first wait, its end, or the wait for syncs */
	int64_t state_ms;             /* wall time of the last change of state, as records have it */
	int32_t delay_left_ms;        /* what may still be waited at the beginning */
	struct core_known known;      /* the protocols that its members know */
	bool first_wait, grown;       /* it is the first wait of a new group; somebody has come since it was set */
	struct rk_map offsets;        /* of core_offset: decided ones */
	struct rk_map undecided;      /* of core_offset: of open transactions, of each its own */
	struct core_consumers *consumers; /* of a group of consumers (group_consumer.h); else NULL */
};

/* --- group.c */
struct core_group *core_group_get(struct core_groups *, struct rk_str name);
struct core_group *core_group_make(struct core_groups *, struct rk_str name, enum core_group_kind);
void core_group_drop(struct core_group *); /* from memory; nobody waits in it */
/* Walks the groups: NULL first, NULL at the end. The one after a group may be asked for before that is dropped. */
struct core_group *core_group_next(const struct core_groups *, const struct core_group *);
struct core_group_member *core_group_member(const struct core_group *, struct rk_str id);
struct core_group_member *core_group_static(const struct core_group *, struct rk_str instance);
void core_group_set(struct rk_str *, struct rk_str to); /* a string of its own */
const char *core_group_state_name(const struct core_group *);
/* What a member said with the protocol that the group has chosen; empty when it said nothing. */
struct rk_str core_group_metadata(const struct core_group *, const struct core_group_member *);
int32_t core_group_size(const struct core_group *); /* members, of either protocol, and ids given out */
/* The record of the group as it is; assignments are the members'. Key and value in the arena. */
struct kp_pair core_group_record(const struct core_group *, struct rk_arena *);
struct kp_pair core_group_record_of(struct rk_str name, const struct kp_group_metadata_value *, struct rk_arena *);
struct kp_pair core_group_tombstone(const struct core_group *, struct rk_arena *);
/* core_shard_write of what the group in memory says. */
rk_must_use enum rk_err core_group_write(struct core_groups *, const struct kp_pair *, int32_t count,
    struct core_write *);
/* The same within a producer's transaction; txn NULL: in none. */
rk_must_use enum rk_err core_group_write_in(struct core_groups *, const struct kp_pair *, int32_t count,
    const struct core_group_txn *txn, struct core_write *);
void core_group_answer(struct core_group_asker *); /* calls done */
void core_group_state_set(struct core_group *, enum core_group_state);

/* --- group_known.c: the protocols that members of the classic protocol know */
struct kp_join_group_req;
void core_known_speaker(struct core_known *);             /* another member speaks from here on */
void core_known_says(struct core_known *, struct rk_str); /* it knows that one */
int32_t core_known_by(const struct core_known *, struct rk_str);
void core_known_free(struct core_known *);
/* The table of a classic group: what a member says counts, and not any more. */
void core_known_add(struct core_group_member *);
void core_known_take(struct core_group_member *);
/* Does the request name one that all know, but for the member whose request it is (NULL: a new one's)? */
bool core_known_fits(struct core_group *, const struct kp_join_group_req *, const struct core_group_member *but);
/* The protocol that most want first, of those that all have; its string is the table's. Null: there is none. */
struct rk_str core_known_elect(struct core_group *);

/* --- group_classic.c: members and the rebalance */
struct kp_join_group_req_protocols;
struct rk_timers *core_group_timers(const struct core_group *);
struct core_group_member *core_group_add_member(struct core_group *, struct rk_str id, struct rk_str instance,
    struct rk_str client_id, struct rk_str host);
void core_group_set_protocols(struct core_group_member *, const struct kp_join_group_req_protocols *, int32_t len);
struct core_group_pending *core_group_pending_of(const struct core_group *, struct rk_str id);
void core_group_drop_pending(struct core_group_pending *);
void core_group_refuse_join(struct core_group_member *, enum rk_err); /* answers a join that waits */
void core_group_refuse_sync(struct core_group_member *, enum rk_err);
void core_group_lost(struct core_group_member *);        /* it is gone: the others share what it had */
void core_group_prepare(struct core_group *);            /* a rebalance begins */
void core_group_try(struct core_group *);                /* has everybody joined? then it ends */

/* --- group_sync.c */
void core_group_take_members(struct core_group *, const struct kp_group_metadata_value *); /* from a record */
void core_group_remove(struct core_group_member *);      /* from memory; whoever waits is not told */
void core_group_forget_assigning(struct core_groups *);
void core_group_start_sessions(struct core_group *);     /* the shard is loaded */
void core_group_end(struct core_group *, enum rk_err);   /* answers all who wait, stops timers */
/* Who asks: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID. core_group_check: and is of this very generation, else
 * ILLEGAL_GENERATION. */
enum rk_err core_group_who(struct core_group *, struct rk_str member, struct rk_str instance,
    struct core_group_member **);
enum rk_err core_group_check(struct core_group *, struct rk_str member, struct rk_str instance, int32_t generation,
    struct core_group_member **);
void core_group_heard(struct core_group_member *);       /* a sign of life */

/* --- group_offsets.c */
void core_offset_apply(struct core_groups *, const struct core_entry *);
void core_offset_free(struct rk_map *);
struct core_offset *core_offset_get(const struct rk_map *, struct rk_str topic, int32_t partition);
void core_offset_decide(struct core_groups *, int64_t producer, bool commit);
void core_offsets_expire(struct core_groups *);
/* Tombstones of all its offsets and of the group itself; count is added to. */
void core_offset_tombstones(const struct core_group *, struct rk_arena *, struct kp_pair *, int32_t *count);
#endif
