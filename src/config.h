/* config.h - every configuration a node, a topic, a group or a client-metrics subscription has.
 *
 * The rows are in config.tbl (broker keys), config_topic.tbl, config_group.tbl, config_quota.tbl and
 * config_gone.tbl; everything here (typed fields, parser, checks, DescribeConfigs' answers, the
 * sample file, the man page) is made from them. Nothing here does I/O, waits, or reads a clock: file
 * bytes are handed in. Nothing here is shared between threads; one owner calls it.
 *
 * Names, defaults, units, messages and modes are Kafka 4.3's. A value is text until it is checked;
 * a typed field always holds the effective value: dynamic broker over dynamic default over static
 * file over default. A null number reads CONF_NULL_INT or CONF_NULL_LONG, a null text NULL. */
#ifndef CONF_H
#define CONF_H
#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/say.h"
#include "base/str.h"

#define CONF_NULL_INT INT32_MIN
#define CONF_NULL_LONG INT64_MIN

/* DescribeConfigs' codes for a config's type. */
enum conf_type {
	CONF_UNKNOWN,
	CONF_BOOLEAN,
	CONF_STRING,
	CONF_INT,
	CONF_SHORT,
	CONF_LONG,
	CONF_DOUBLE,
	CONF_LIST,
	CONF_CLASS,
	CONF_PASSWORD,
};

/* DescribeConfigs' codes for where a value comes from. */
enum conf_source {
	CONF_FROM_TOPIC = 1,
	CONF_FROM_BROKER = 2,         /* dynamic, this broker */
	CONF_FROM_BROKER_DEFAULT = 3, /* dynamic, all brokers */
	CONF_FROM_FILE = 4,
	CONF_FROM_DEFAULT = 5,
	CONF_FROM_CLIENT_METRICS = 7,
	CONF_FROM_GROUP = 8,
};

enum conf_mode { CONF_READ_ONLY, CONF_PER_BROKER, CONF_CLUSTER_WIDE, CONF_RESOURCE };
enum conf_importance { CONF_HIGH, CONF_MEDIUM, CONF_LOW };
/* Who shows a key: PUBLIC everybody; INTERNAL nobody, but it is read; OURS everybody, Kafka has no
 * such key; PLUGIN is Kafka's authorizer's or quota's own: known, described only when it is set. */
enum conf_shown { CONF_PUBLIC, CONF_INTERNAL, CONF_OURS, CONF_PLUGIN };
/* LATER: read and checked, without an effect in this release; a file that sets it gets a warning. */
enum conf_effect { CONF_LATER, CONF_ACTS };
enum conf_scope { CONF_BROKERS, CONF_TOPICS, CONF_GROUPS, CONF_CLIENT_METRICS };

/* One row of a table; lives for ever. */
struct conf_row {
	const char *name;
	const char *def;     /* the default as text; NULL: null */
	const char *valid;   /* the rule, as people read it and as the check reads it; "" is any */
	const char *doc;     /* our own sentence */
	const char *synonym; /* topics, groups: the broker key whose value is the default, or NULL */
	uint16_t at;         /* the typed field's offset in struct conf, conf_topic, conf_group, ... */
	uint8_t type, mode, importance, shown, effect;
	bool required;
};

/* Rows in the table's order, which is the order of every description. */
const struct conf_row *conf_rows(enum conf_scope, uint32_t *count);
/* NULL: no such key. Names are exact and case-sensitive. */
const struct conf_row *conf_row_find(enum conf_scope, struct rk_str name);
/* The known name of that scope with the smallest edit distance, NULL when none is near. */
const char *conf_nearest(enum conf_scope, struct rk_str name);

/* The words of a list value. */
struct conf_list {
	const char *const *at;
	uint32_t count;
};
bool conf_list_has(struct conf_list, const char *word);
/* Whether cordoned.log.dirs says that this directory takes no new replicas. */
struct conf;
bool conf_cordoned(const struct conf *, const char *dir);

enum conf_security { CONF_PLAINTEXT, CONF_SSL, CONF_SASL_PLAINTEXT, CONF_SASL_SSL };
const char *conf_security_name(enum conf_security);

struct conf_listener {
	const char *name; /* normalized to upper case */
	const char *host; /* without brackets; "" is every address */
	const char *advertised_host; /* "" when the host is to be found out; NULL: not advertised */
	int32_t port, advertised_port;
	enum conf_security protocol;
	bool is_controller;   /* named in controller.listener.names */
	bool is_inter_broker; /* brokers replicate through this one */
};
struct conf_voter {
	const char *host;
	int32_t id, port; /* id -1: a bootstrap server, whose id is not known yet */
};

enum { CONF_SLOTS = 512, CONF_LISTENERS = 32, CONF_VOTERS = 64 };
/* The texts of one key, by layer; NULL: not set there. */
struct conf_slot {
	char *file, *broker_default, *broker;
	void *list; /* the parsed words of a list */
};
struct conf_kept;
struct conf_extra; /* a key that has no row: per-listener keys, plugins' keys, misspelt ones */

/* One node's configuration. Read the fields; change nothing but through the functions below. Texts
 * and lists stay valid until that very key (or the conf) is set again or freed. */
struct conf {
#define C_BOOLEAN bool
#define C_INT int32_t
#define C_SHORT int16_t
#define C_LONG int64_t
#define C_DOUBLE double
#define C_STRING const char *
#define C_CLASS const char *
#define C_PASSWORD const char *
#define C_LIST struct conf_list
#define CONF(field, name, type, def, valid, mode, importance, shown, effect, doc) C_##type field;
#include "src/config.tbl"
#undef CONF
#undef C_BOOLEAN
#undef C_INT
#undef C_SHORT
#undef C_LONG
#undef C_DOUBLE
#undef C_STRING
#undef C_CLASS
#undef C_PASSWORD
#undef C_LIST
	/* Made from the fields above, always in step with them. */
	bool is_broker, is_controller;                /* process.roles */
	struct conf_listener listener[CONF_LISTENERS]; /* listeners, with what is advertised for each */
	uint32_t listener_count;
	struct conf_voter voter[CONF_VOTERS]; /* controller.quorum.voters */
	uint32_t voter_count;
	struct conf_voter bootstrap[CONF_VOTERS]; /* controller.quorum.bootstrap.servers */
	uint32_t bootstrap_count;
	struct conf_list dirs;    /* log.dirs, or log.dir */
	const char *metadata_dir; /* metadata.log.dir, or the first of dirs */
	/* What is left for the implementation. */
	struct conf_slot slot[CONF_SLOTS];
	struct conf_extra *extra;
	struct conf_kept *kept; /* texts the derived fields point into; they stay until conf_free */
};

/* What loading found, in the order of the file. Texts live in the arena. */
struct conf_note {
	enum rk_level level; /* RK_INFO, RK_WARN, RK_ERROR */
	struct rk_str where; /* "server.properties:12", or "" when no line is to blame */
	struct rk_str text;
};
struct conf_notes {
	struct rk_arena *arena; /* set by the caller; the rest is zero at first */
	const char *file;
	struct conf_note *at;
	uint32_t count, cap;
	uint32_t errors; /* a node must not start while this is not 0 */
};

/* Reads a server.properties: bytes are the file's (Java's .properties syntax), file is its name for
 * messages; overrides are "key=value" from the command line and win over the file. Never fails:
 * what is wrong is in notes (notes->arena set by the caller), in Kafka's words where Kafka has some,
 * and an errored key keeps its default. The result is the caller's; conf_free it. */
struct conf *conf_read(const char *file, struct rk_str bytes, const char *const *overrides,
    uint32_t override_count, struct conf_notes *notes);
/* A conf of nothing but defaults plus these pairs, for tests and tools: conf_read without a file. */
struct conf *conf_make(const char *const *overrides, uint32_t override_count, struct conf_notes *);
void conf_free(struct conf *); /* NULL is allowed */

/* The properties syntax alone: calls pair for each key and value, in order, with the line the key
 * began on. false: a malformed \uXXXX at *bad_line; what came before was delivered. */
typedef void conf_pair_fn(void *arg, struct rk_str key, struct rk_str value, uint32_t line);
bool conf_properties(struct rk_str bytes, struct rk_arena *, conf_pair_fn *pair, void *arg,
    uint32_t *bad_line);

/* A name and a value; value null where a function says what that means. */
struct conf_pair {
	struct rk_str name, value;
};

/* A listener's own value of a key (listener.name.NAME.KEY), else the key's; NULL when neither is
 * set. With a mechanism: listener.name.NAME.MECHANISM.KEY first (mechanism in lower case). */
const char *conf_listener_value(const struct conf *, const struct conf_listener *,
    const char *mechanism, const char *key);
/* The effective text of any key, in the table or not (super.users, rsm.config.*); NULL: not set and
 * no default. Secrets too: for whoever needs them, never for print. */
const char *conf_text(const struct conf *, const char *name);

/* ---- Changes at run time ---------------------------------------------------------------------- */
enum conf_target { CONF_ALL_BROKERS, CONF_THIS_BROKER };

/* Would Kafka take these changes (a null value removes) on top of what is set now? All must pass.
 * RK_INVALID_REQUEST with Kafka's message in *why otherwise; conf is as before in any case. */
rk_must_use enum rk_err conf_dynamic_check(const struct conf *, enum conf_target,
    const struct conf_pair *, uint32_t count, struct rk_arena *, struct rk_str *why);
/* Takes over one committed record: value null removes. A value that cannot be parsed or a key that
 * may not change is kept out of the fields (RK_INVALID_CONFIG, *why says it); the text is kept for
 * descriptions all the same, as the record is in the log. */
rk_must_use enum rk_err conf_set_dynamic(struct conf *, enum conf_target, struct rk_str name,
    struct rk_str value, struct rk_arena *, struct rk_str *why);
/* What a fresh reading of the file would change. Calls each for every key whose static text differs;
 * live: its mode lets it change without a restart. Returns how many differ. */
typedef void conf_diff_fn(void *arg, const char *name, bool live);
uint32_t conf_diff(const struct conf *old, const struct conf *fresh, conf_diff_fn *each, void *arg);
/* Takes over from fresh the static texts of the keys that may change while running (SIGHUP); the
 * others stay and are named in one warning. Returns how many changed. */
uint32_t conf_reload(struct conf *, const struct conf *fresh, struct conf_notes *);

/* What IncrementalAlterConfigs' APPEND and SUBTRACT make of a list: current is what the resource
 * itself has (null: nothing, then the default counts). Words already there are not appended twice.
 * RK_INVALID_CONFIG with Kafka's message for a key that is no list. */
enum conf_edit { CONF_APPEND = 2, CONF_SUBTRACT = 3 };
rk_must_use enum rk_err conf_edit(const struct conf *, enum conf_scope, enum conf_edit, struct rk_str name,
    struct rk_str current, struct rk_str operand, struct rk_arena *, struct rk_str *out,
    struct rk_str *why);

/* ---- Topics ----------------------------------------------------------------------------------- */
/* Values of the word fields, in the order of the table's rule. */
enum conf_compression {
	CONF_UNCOMPRESSED,
	CONF_ZSTD,
	CONF_LZ4,
	CONF_SNAPPY,
	CONF_GZIP,
	CONF_PRODUCER, /* as it came */
};
enum conf_timestamp { CONF_CREATE_TIME, CONF_LOG_APPEND_TIME };
enum conf_cleanup { CONF_COMPACT = 1, CONF_DELETE = 2 }; /* bits; neither: keep for ever */

/* One topic's effective configuration. Texts (the throttled replicas) are borrowed from whoever set
 * them, until conf_pool_hold makes a copy. */
struct conf_topic {
#define C_BOOLEAN bool
#define C_INT int32_t
#define C_LONG int64_t
#define C_DOUBLE double
#define C_WORD uint8_t
#define C_WORDS uint8_t
#define C_LIST struct rk_str
#define TOPIC(field, name, type, def, valid, synonym, shown, effect, doc) C_##type field;
#include "src/config_topic.tbl"
#undef TOPIC
#undef C_BOOLEAN
#undef C_INT
#undef C_LONG
#undef C_DOUBLE
#undef C_WORD
#undef C_WORDS
#undef C_LIST
};

/* Fills in what a topic without configs of its own has on this broker. */
void conf_topic_defaults(const struct conf *, struct conf_topic *);
/* Sets one config; value is borrowed. RK_INVALID_CONFIG: unknown or not valid, t is as before. */
rk_must_use enum rk_err conf_topic_apply(struct conf_topic *, struct rk_str name, struct rk_str value);
/* Would Kafka take these as all configs of a topic (what it has, with the changes made)? before is
 * what the topic had (NULL, 0 for a new one). RK_INVALID_CONFIG with Kafka's message otherwise. */
rk_must_use enum rk_err conf_topic_check(const struct conf *, const struct conf_pair *, uint32_t count,
    const struct conf_pair *before, uint32_t before_count, struct rk_arena *, struct rk_str *why);
bool conf_topic_eq(const struct conf_topic *, const struct conf_topic *);
uint64_t conf_topic_hash(const struct conf_topic *);
/* Is this replica among leader. or follower.replication.throttled.replicas? */
bool conf_throttled(struct rk_str replicas, int32_t partition, int32_t broker);

/* Topics with equal configs share one copy. Hold gives the shared one (never NULL; texts copied),
 * drop gives it back. The pool must outlive what was held. */
struct conf_pool {
	struct rk_map map;
};
const struct conf_topic *conf_pool_hold(struct conf_pool *, const struct conf_topic *);
void conf_pool_drop(struct conf_pool *, const struct conf_topic *);
void conf_pool_free(struct conf_pool *); /* everything must have been dropped */

/* ---- Groups, client metrics, quotas --------------------------------------------------------------- */
enum conf_isolation { CONF_READ_COMMITTED, CONF_READ_UNCOMMITTED };
struct conf_group {
#define C_BOOLEAN bool
#define C_INT int32_t
#define C_WORD uint8_t
#define C_STRING struct rk_str
#define GROUP(field, name, type, def, valid, synonym, effect, doc) C_##type field;
#include "src/config_group.tbl"
#undef GROUP
#undef C_BOOLEAN
#undef C_INT
#undef C_WORD
#undef C_STRING
};
/* As for topics. Values out of the broker's bounds (group.*.min..., max...) are cut to the bounds
 * when applied, as Kafka does for what was stored before the bounds changed. */
void conf_group_defaults(const struct conf *, struct conf_group *);
rk_must_use enum rk_err conf_group_apply(const struct conf *, struct conf_group *, struct rk_str name,
    struct rk_str value);
rk_must_use enum rk_err conf_group_check(const struct conf *, const struct conf_pair *, uint32_t count,
    struct rk_arena *, struct rk_str *why);

/* RK_INVALID_CONFIG or RK_INVALID_REQUEST, as Kafka has it. */
rk_must_use enum rk_err conf_client_metrics_check(const struct conf_pair *, uint32_t count,
    struct rk_arena *, struct rk_str *why);

/* The keys of AlterClientQuotas. Which entity may have which is in the table. */
enum conf_entity { CONF_USER_CLIENT, CONF_IP };
struct conf_quota {
	const char *name, *doc;
	enum conf_type type;
	double def;
	enum conf_entity entity;
};
const struct conf_quota *conf_quotas(uint32_t *count);
const struct conf_quota *conf_quota_find(enum conf_entity, struct rk_str name);

/* ---- Answers ------------------------------------------------------------------------------------- */
struct conf_synonym {
	const char *name;
	struct rk_str value; /* null: sensitive */
	int8_t source;
};
struct conf_entry {
	const char *name, *doc; /* doc NULL: none */
	struct rk_str value;    /* null: no value, or sensitive */
	int8_t type, source;    /* source as DescribeConfigs reports it */
	int8_t value_source;    /* where the value itself comes from, as CreateTopics reports it */
	bool read_only, sensitive;
	struct conf_synonym *synonyms; /* most specific first */
	uint32_t synonym_count;
};
struct conf_entries {
	struct conf_entry *at;
	uint32_t count;
};
/* Each gives the entries of one resource, whole or (want not NULL) only the named ones; own are the
 * configs the resource itself has. Everything in the answer lives in the arena or for ever, except
 * that texts of conf stay conf's: copy or encode before the next change. Arena over: count is 0. */
struct conf_want {
	const struct rk_str *names; /* NULL: all */
	uint32_t count;
};
struct conf_entries conf_describe_broker(const struct conf *, struct conf_want, struct rk_arena *);
struct conf_entries conf_describe_all_brokers(const struct conf *, struct conf_want, struct rk_arena *);
struct conf_entries conf_describe_topic(const struct conf *, const struct conf_pair *own,
    uint32_t count, struct conf_want, struct rk_arena *);
struct conf_entries conf_describe_group(const struct conf *, const struct conf_pair *own,
    uint32_t count, struct conf_want, struct rk_arena *);
struct conf_entries conf_describe_client_metrics(const struct conf_pair *own, uint32_t count,
    struct conf_want, struct rk_arena *);

/* A server.properties with every key commented out, its default and its sentence. */
struct rk_str conf_sample(struct rk_arena *);
#endif
