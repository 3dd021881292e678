/* assign.h - partitions and who gets them: sets of partitions, and the server-side assignors of KIP-848.
 *
 * Pure functions: what they make lies in the caller's arena, nothing else is touched. The same input gives the same
 * output on every machine. A set is sorted by topic id (as bytes) and index, each partition once. */
#ifndef CORE_ASSIGN_H
#define CORE_ASSIGN_H
#include "base/arena.h"

struct core_part {
	struct rk_uuid topic;
	int32_t index;
	int32_t epoch;          /* of the member when it was given to it; not part of what the set holds */
};
struct core_parts {
	struct core_part *at;
	int32_t count;
};

/* --- sets (parts.c). When the arena is over they are empty: look at it once, at the end. */
struct core_parts core_parts_make(int32_t cap, struct rk_arena *); /* empty, with room */
void core_parts_add(struct core_parts *, struct rk_uuid topic, int32_t index, int32_t epoch); /* there is room */
void core_parts_add_all(struct core_parts *, struct rk_uuid topic, const int32_t *index, int32_t len,
    const int32_t *epoch); /* epoch NULL: 0 */
void core_parts_sort(struct core_parts *);                          /* makes a set of what was added */
const struct core_part *core_parts_find(const struct core_parts *, struct rk_uuid topic, int32_t index);
struct core_parts core_parts_both(struct core_parts a, struct core_parts b, struct rk_arena *); /* a's epochs */
struct core_parts core_parts_less(struct core_parts a, struct core_parts b, struct rk_arena *); /* a without b */
struct core_parts core_parts_sum(struct core_parts a, struct core_parts b, struct rk_arena *);  /* a's epochs first */
bool core_parts_eq(struct core_parts, struct core_parts);           /* the same partitions */
bool core_parts_same(struct core_parts, struct core_parts);         /* and the same epochs */
bool core_parts_within(struct core_parts a, struct core_parts b);   /* b has all of a */
int32_t core_parts_run(struct core_parts, int32_t from);            /* behind the last of from's topic */
int32_t core_parts_topics(struct core_parts);                       /* how many there are */
/* The indexes of [from, to), in the arena; NULL: it is over. */
int32_t *core_parts_indexes(struct core_parts, int32_t from, int32_t to, struct rk_arena *);

/* --- assignors (assign.c) */
struct core_assign_topic {
	struct rk_uuid id;
	int32_t partitions;
};
struct core_assign_member {
	struct rk_str id, instance;    /* instance null: dynamic */
	const int32_t *topic;          /* what it is subscribed to: places in the table of topics, ascending */
	int32_t topics;
	struct core_parts has;         /* what it was to have until now */
	struct core_parts gets;        /* out: what it is to have */
};
/* topics are sorted by id. False: the arena is over, nothing in gets may be used. */
typedef bool core_assignor(const struct core_assign_topic *topic, int32_t topics, struct core_assign_member *,
    int32_t members, struct rk_arena *);
/* Everybody gets as many as everybody else, as far as subscriptions allow, and keeps what it has as far as that
 * allows. */
core_assignor core_assign_uniform;
/* Topic by topic, each member a run of neighbours, members in the order of instance and id: equal indexes of topics
 * with equally many partitions come together. */
core_assignor core_assign_range;
/* By its name; NULL: there is none of that name. */
core_assignor *core_assignor_named(struct rk_str name);
#endif
