/* session.h - fetch sessions (KIP-227): what a consumer fetches, remembered between its requests.
 *
 * A session is a list of partitions in the order they are to be served: one that gave records goes
 * to the end. A cache holds max.incremental.fetch.session.cache.slots of them; the least recently
 * used goes first. A waiting fetch holds its session, so that it outlives its eviction until the
 * fetch is answered. */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H
#include "base/list.h"
#include "base/str.h"

struct core;

struct core_session_part {
	struct rk_node node;  /* in the session's map */
	struct rk_list order; /* in the session's order */
	struct rk_uuid id;    /* the topic's, in a session that names topics by id */
	struct rk_str name;   /* the topic's, else; its bytes are the part's own */
	int32_t index, max_bytes, leader_epoch, last_epoch;
	int64_t fetch_offset;
	int64_t high, log_start; /* as last told to the client; -1: never */
};

struct core_session {
	struct rk_node node; /* by id */
	struct rk_list used; /* least recently used first */
	struct rk_map map;   /* of core_session_part */
	struct rk_list order;
	int32_t id, epoch;    /* the epoch the next request must have */
	uint32_t count, refs; /* partitions; holders, the cache being one */
	int64_t created_ms, used_ms;
	bool ids; /* topics are named by id */
};

struct core_sessions {
	struct rk_map by_id;
	struct rk_list used;
	uint32_t count;      /* sessions in the cache */
	uint64_t partitions; /* in all of them */
	uint64_t evicted;
};

void core_sessions_init(struct core_sessions *);
void core_sessions_free(struct core_sessions *);
struct core_session *core_session_get(struct core *, int32_t id); /* NULL: not in the cache */
/* A new session in the cache, empty, epoch 1; NULL: there is no room for one of that many
 * partitions. */
struct core_session *core_session_new(struct core *, bool ids, uint32_t partitions, int64_t now_ms);
void core_session_touch(struct core *, struct core_session *, int64_t now_ms);
void core_session_remove(struct core *, struct core_session *); /* from the cache; harmless twice */
void core_session_hold(struct core_session *);
void core_session_drop(struct core_session *);
/* The session's entry of a partition (by id or by name, as the session names topics); put makes it.
 */
struct core_session_part *core_session_find(
    struct core_session *, struct rk_uuid, struct rk_str name, int32_t index);
struct core_session_part *core_session_put(
    struct core *, struct core_session *, struct rk_uuid, struct rk_str name, int32_t index);
void core_session_forget(struct core *, struct core_session *, struct core_session_part *);
/* 1 follows INT32_MAX. */
int32_t core_session_next(int32_t epoch);
#endif
