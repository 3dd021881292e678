/* image.h - the image's tables and rows; for src/meta alone.
 *
 *	table        key                                        value
 *	NODE         a word                                     see below
 *	NAME         topic name                                 id, partitions i32
 *	ALIKE        name with '_' for '.', 0, name             nothing; only names that hold one of them
 *	TOPIC        topic id                                   name
 *	PARTITION    topic id, partition i32                    PartitionRecord
 *	MEMBER       broker i32, topic id, partition i32        bits: ISR, ELR, LEADER
 *	BROKER       broker i32                                 offset i64 of its record, RegisterBrokerRecord
 *	CONTROLLER   controller i32                             RegisterControllerRecord
 *	CONFIG       type i8, resource, 0, name                 ConfigRecord
 *	FEATURE      name                                       level i16
 *	ACL          id                                         AccessControlEntryRecord
 *	SCRAM        mechanism i8, user                         UserScramCredentialRecord
 *	TOKEN        token id                                   DelegationTokenRecord
 *	QUOTA        entity, 0, key                             ClientQuotaRecord
 *	HELD         offset i64                                 a framed record of an open metadata transaction
 *	MOVING       topic id, partition i32                    nothing; partitions under reassignment
 *	ASTRAY       topic id, partition i32                    nothing; partitions not led by their first replica
 *
 * Numbers are big-endian, so that keys are in the order of numbers. Records are in their highest version.
 * A leaderless partition is listed in MEMBER under broker -1 (which sorts last), so that an unfenced
 * broker finds what it may lead. A part of a key that is too long for LMDB, or holds a zero byte, is cut
 * and ends in its hash; the value has it whole.
 * NODE's words: "applied" (offset i64, epoch i32), "producer" (next id i64), "open" (there is a metadata
 * transaction open), "topics" and so on are not kept: LMDB counts. */
#ifndef META_IMAGE_H
#define META_IMAGE_H
#include "src/meta/meta.h"

enum meta_table {
	META_NODE, META_NAME, META_ALIKE, META_TOPIC, META_PARTITION, META_MEMBER, META_BROKER, META_CONTROLLER,
	META_CONFIG, META_FEATURE, META_ACL, META_SCRAM, META_TOKEN, META_QUOTA, META_HELD,
	META_MOVING, META_ASTRAY,
	META_TABLES
};
enum { META_ISR = 1, META_ELR = 2, META_LEADER = 4 };
enum { META_TOPIC_NAME_MAX = 249, META_NO_LEADER = -1, META_NO_CHANGE = -2 };
/* ConfigRecord's types of resources. */
enum { META_OF_TOPIC = 2, META_OF_BROKER = 4, META_OF_LOGGER = 8, META_OF_METRICS = 16, META_OF_GROUP = 32 };

struct meta_image {
	uint32_t magic;
	struct st_tables *tables;
	struct rk_arena scratch; /* one record's, while it is applied */
	bool planning;           /* a plan holds the write transaction */
};
enum { META_IMAGE_MAGIC = 0x3e7a1ca6 };

/* Keys are built in place; len is right for any key LMDB takes. */
struct meta_key {
	int32_t len;
	uint8_t at[512];
};
void meta_key_raw(struct meta_key *, const void *, uint32_t len);
void meta_key_i32(struct meta_key *, int32_t);
void meta_key_part(struct meta_key *, struct rk_str, uint32_t max); /* cut and hashed when it must be */
struct rk_str meta_key_str(const struct meta_key *);
/* The rows of ALIKE: of a name, or (whole false) the prefix of all that Kafka's metrics could not tell from it.
 * len 0: the name has neither '.' nor '_'. */
struct meta_key meta_alike_key(struct rk_str name, bool whole);
struct meta_key meta_partition_key(struct rk_uuid topic, int32_t partition);
struct meta_key meta_config_prefix(int8_t type, struct rk_str resource);

/* A record out of its frame. */
struct meta_record {
	int16_t type, version;
	const struct kp_desc *desc;
	void *msg; /* in the arena; strings borrowed from the value */
};
/* RK_CORRUPT_MESSAGE, RK_UNSUPPORTED_VERSION (an unknown type or version), RK_NO_MEMORY. It has been said. */
rk_must_use enum rk_err meta_unframe(struct rk_str value, struct rk_arena *, struct meta_record *);
/* The framed bytes, in arena to; scratch is used and not reset. */
struct rk_str meta_frame(int16_t type, int16_t version, const void *msg, struct rk_arena *scratch, struct rk_arena *to);
/* A message without a frame, contiguous in the arena; the null string when it is over. */
struct rk_str meta_bytes(const struct kp_desc *, int16_t version, const void *msg, struct rk_arena *);
const struct kp_desc *meta_record_desc(int16_t type); /* NULL: no such record */

/* What records are applied to. */
struct meta_apply {
	struct meta_image *image;
	struct st_txn *txn;
	struct rk_arena *scratch; /* reset after each record */
	int64_t offset;           /* of the record */
	bool now;                 /* not held back, even in an open metadata transaction */
};
/* Applies one record; value is its frame when the caller has it (it may have to be held back), or null.
 * RK_CORRUPT_MESSAGE: it speaks of what is not there, or breaks a rule; it has been said. */
rk_must_use enum rk_err meta_apply_record(struct meta_apply *, const struct meta_record *, struct rk_str value);
void meta_set_applied(struct st_txn *, int64_t offset, int32_t epoch);

/* Row access used by apply and plans. Reads answer false when there is none. */
bool meta_row_read(const struct kp_desc *, struct rk_str row, struct rk_arena *, void *out);
bool meta_partition_get(struct st_txn *, struct rk_uuid topic, int32_t partition, struct rk_arena *,
    struct kp_partition_record *);
bool meta_topic_id(struct st_txn *, struct rk_str name, struct rk_uuid *, int32_t *partitions);
bool meta_has(const int32_t *at, int32_t len, int32_t id);
bool meta_has_uuid(const struct rk_uuid *at, int32_t len, struct rk_uuid id);
bool meta_transaction_open(struct st_txn *);

/* --- for plans */
enum { META_RECORDS_MAX = 10000 }; /* of one request, as Kafka's controller has it */
enum { META_ASKED_MAX = 200000 }; /* partitions that a tool's request may name: one that names more stops nobody */
/* Kafka iterates some answers over a HashSet of names: puts ascending numbers of places into order. */
void meta_java_order(const struct rk_str *names, uint32_t count, uint32_t *order, struct rk_arena *);
/* A topic's configs as Kafka's checks meet them: in the order of a map of their names. */
struct conf_pair;
void meta_java_pairs(struct conf_pair *, uint32_t count, struct rk_arena *);
int16_t meta_plan_feature(const struct meta_plan *, const char *name);
/* Active: registered, unfenced, not shutting down. */
enum meta_state { META_UNKNOWN, META_FENCED, META_LEAVING, META_ACTIVE };
struct meta_candidate {
	int32_t id; /* first: it is looked for by it */
	enum meta_state state;
	int64_t epoch;
	struct rk_uuid directory; /* where a new replica goes: its only one, or Kafka's UNASSIGNED */
	struct rk_str rack;
	bool full; /* every directory is cordoned: no new replica */
	const struct rk_uuid *dirs; /* those that are online; none: it has not said */
	int32_t dir_count;
};
struct meta_candidates {
	struct meta_candidate *at;
	uint32_t count;
};
/* Every registered broker, ascending, in the plan's arena. */
struct meta_candidates meta_candidates(const struct meta_plan *);
const struct meta_candidate *meta_candidate(const struct meta_candidates *, int32_t id);
/* Replicas for count partitions, factor each, by racks in turn, fenced brokers last and never first. false: *why
 * says what Kafka's placer says. */
bool meta_place(struct meta_plan *, const struct meta_candidates *, int32_t count, int32_t factor, int32_t *out,
    struct rk_str *why);

/* Is this list of replicas one partition's, as far as the brokers are there? factor 0: any number. false: *why. */
bool meta_check_assignment(struct meta_plan *, const struct meta_candidates *, const int32_t *id, int32_t count,
    int32_t factor, struct rk_str *why);

/* --- change.c: a change of one partition, worked out as facts/broker.md section 2 has it */
struct meta_ids {
	int32_t *at, len;
};
enum meta_election {
	META_AS_CONFIGURED, /* uncleanly when the topic's unclean.leader.election.enable says so */
	META_CLEAN,
	META_PREFERRED,     /* the first replica leads when it may, else cleanly */
	META_UNCLEAN,       /* any live replica may lead when none other can */
};
struct meta_change {
	const struct meta_candidates *brokers;
	enum meta_election election;
	int32_t gone;      /* this broker may neither lead nor stay in the ISR; -1: none */
	bool gone_unclean; /* and it may have lost what it had: not even eligible */
	bool eligible;     /* meta_plan_change_all: where it is only in the ELR, too */
	int32_t back;      /* this broker counts as active although its record says it is fenced; -1: none */
	/* What the partition shall have; NULL: what it has. */
	const struct meta_ids *isr, *replicas, *adding, *removing;
	bool recovered;    /* the leader has got over an unclean election */
	const struct rk_uuid *directory; /* not NULL: where directory_of keeps its replica */
	int32_t directory_of;
};
/* Adds a PartitionChange when the partition changes; false: it does not. */
bool meta_plan_change(struct meta_plan *, struct rk_str topic, const struct kp_partition_record *,
    const struct meta_change *);
bool meta_reassigning(const struct kp_partition_record *);
/* Does the topic allow an unclean election? Its config, else this node's, else the cluster's, else the file's. */
bool meta_unclean_allowed(const struct meta_plan *, struct rk_str topic);
/* A list of partitions, made before they are changed: a change moves the rows that are walked. */
struct meta_place_of {
	struct rk_uuid topic;
	int32_t partition;
};
/* The partitions listed in MEMBER under a broker with any of these bits, at most max of them. */
uint32_t meta_places(struct meta_plan *, int32_t broker, uint8_t bits, uint32_t max, struct meta_place_of **);
/* Each of them that is still there, changed so. */
void meta_plan_change_each(struct meta_plan *, const struct meta_place_of *, uint32_t count,
    const struct meta_change *);
/* Every partition in whose ISR the broker is (gone_unclean or eligible: or in whose ELR), changed so. Under broker
 * META_NO_LEADER are those without a leader. */
void meta_plan_change_all(struct meta_plan *, int32_t broker, const struct meta_change *);

/* --- brokers.c: a change of the broker's registration that changes nothing yet */
struct kp_broker_registration_change_record meta_registration_change(const struct kp_register_broker_record *);

/* min.insync.replicas of the configuration file, as text in the arena. */
struct rk_str meta_static_min_isr(const struct meta_plan *);

/* The version in which a metadata.version writes this record (facts: a writer must use exactly it). */
int16_t meta_record_version(int16_t type, int16_t metadata_version);
#endif
