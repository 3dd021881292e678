/* follow.h - the follower's side of a partition: its leader's log is copied, byte for byte.
 *
 * A source is one leader broker (and one of num.replica.fetchers shares of the partitions that it leads): one
 * connection and one incremental fetch session. It goes in steps, one request at a time, which src/node carries:
 * ask core_source_next what comes, let it fill in the request, bring the answer. A fetch names only what has
 * changed since the last one; an idle source asks for news of nothing, and waits at the leader.
 *
 * A fetch's offset tells the leader what this node keeps: so with write.caching=false the next fetch is not sent before
 * everything that the last one brought is on stable storage. One round of syncs, over all logs, serves it.
 *
 * Where the leader's log differs it wins: the leader says which epoch the two have in common, and what lies behind
 * that is cut off here. An error sets only its partition aside, for a time that doubles up to replica.fetch.backoff.ms.
 */
#ifndef CORE_FOLLOW_H
#define CORE_FOLLOW_H
#include "src/core/core.h"

struct kp_fetch_req;
struct kp_fetch_res;
struct kp_list_offsets_req;
struct kp_list_offsets_res;
struct core_source;
struct core_forgotten;

struct core_follow {
	struct core_partition *partition;
	struct core_source *source; /* NULL: there is no leader to follow, or its log is broken */
	struct rk_list all;         /* in the source's order */
	struct rk_list due;         /* in the source's changed, paused or asking, or a ring of its own */
	int64_t resume_ms;
	int64_t sync_to;            /* the source waits until so much is on stable storage; -1: it does not */
	int64_t leader_end;         /* as ListOffsets said */
	int64_t lag;                /* behind the leader's high watermark, as last seen */
	int32_t told_epoch;         /* the leader epoch the leader was told */
	enum { CORE_FOLLOWS, CORE_PAUSED, CORE_ASKS } state;
	uint8_t tries;
	bool in_session;
	struct core_forgotten *forgotten; /* it is to leave the session; NULL: it is not */
};

struct core_source {
	struct rk_list link; /* in the core's sources */
	struct rk_list due;  /* in the core's: something is to be sent now */
	struct core *core;
	int32_t broker;      /* the leader */
	uint32_t share;
	struct rk_list all, changed, paused, asking, forgotten;
	uint32_t count, following, syncing; /* follows; those in state CORE_FOLLOWS; those that wait for the disk */
	int32_t session_id, session_epoch;
	bool busy;           /* a request is under way */
	bool whole;          /* the next fetch begins a new session */
	bool listed;         /* the leader's ends are known, its starts are asked for next */
	struct rk_timer timer; /* resumes the paused */
	void *node;          /* src/node's */
};

/* due is called from core_flush, for a source that may have something to send. */
void core_follow_listen(struct core *, void (*due)(void *arg, struct core_source *), void *arg);
/* Sources with partitions to follow; NULL first, NULL at the end. */
struct core_source *core_sources_walk(struct core *, struct core_source *);

enum core_step {
	CORE_REST,       /* nothing, or nothing yet: due will be called */
	CORE_FETCH,
	CORE_LIST_END,   /* ListOffsets: where the leader's logs end */
	CORE_LIST_START, /* and where they start */
};
enum core_step core_source_next(const struct core_source *);
/* Fills in the request; it and what it borrows live in the arena. The source is busy until the answer. */
void core_source_fetch(struct core_source *, int64_t broker_epoch, struct rk_arena *, struct kp_fetch_req *);
void core_source_list(struct core_source *, struct rk_arena *, struct kp_list_offsets_req *);
/* res is NULL when there was none (err): then the next fetch begins a new session. */
void core_source_fetched(struct core_source *, enum rk_err err, const struct kp_fetch_res *res);
void core_source_listed(struct core_source *, enum rk_err err, const struct kp_list_offsets_res *res);

/* The connection is given up, with what is under way on it: nothing is followed there now. */
void core_source_drop(struct core_source *);

/* --- the core's own */
/* This node is a replica and does not lead: it follows that broker (-1: nobody) from now on. */
void core_follow_take(struct core_partition *, int32_t leader);
void core_follow_drop(struct core_partition *); /* harmless when it does not follow */
void core_follow_stable(struct core_partition *); /* its log's stable end has moved, or it broke */
void core_follow_flush(struct core *);
void core_follow_stop(struct core *);
void core_follow_free(struct core *);
#endif
