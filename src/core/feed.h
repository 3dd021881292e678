/* feed.h - followers' fetch sessions, on the leader (KIP-227).
 *
 * A follower fetches everything that it follows here in one session, thousands of partitions of which few move. So a
 * session does not walk its partitions: each is a feed that hangs in its partition's ring, and a partition that
 * has moved puts its feeds among those of their sessions that are ready. A fetch that names nothing costs nothing; one
 * that waits is woken when a feed has records (at once), or only a new high watermark or log start (a few
 * milliseconds later, when nothing else has answered it meanwhile).
 *
 * Sessions are bounded like those of consumers, but apart from them; the one that was quiet longest goes first. */
#ifndef CORE_FEED_H
#define CORE_FEED_H
#include "base/list.h"
#include "src/core/core.h"

struct core_set;
struct core_follower;
struct core_fetcher;

enum { CORE_FETCH_LATE_MS = 1000, CORE_NEWS_MS = 5, CORE_HURRY_MS = 1000, CORE_HURRY_WAIT_MS = 20 };

struct core_feed {
	struct rk_node node;   /* in the session's map */
	struct rk_list all;    /* in the session's order */
	struct rk_list ready;  /* in the session's ready or served, or a ring of its own */
	struct rk_list in_set; /* in the partition's ring, or a ring of its own */
	struct core_fetcher *fetcher;
	struct core_partition *at; /* led here; NULL: err says why not */
	struct rk_uuid id;
	struct rk_str name;        /* in a session that names topics so; its bytes are the feed's own */
	int64_t offset, log_start, high, start; /* high, start: as last told; -1: never */
	int32_t index, max_bytes, leader_epoch, last_epoch;
	enum rk_err err;
};

struct core_fetcher {
	struct rk_node node;   /* by id */
	struct rk_list used;   /* quiet longest first */
	struct rk_list woken;  /* in the core's: its waiting fetch is to be looked at */
	struct rk_map map;     /* of core_feed */
	struct rk_list all, ready, served;
	struct core *core;
	int32_t id, epoch;     /* id 0: not in the cache, one fetch long; epoch: what the next request must have */
	int32_t replica;
	int64_t replica_epoch, fetch_ms, hurry_ms; /* hurry: until then it has partitions here that it did not name */
	uint32_t count;
	bool ids;              /* topics are named by id */
	struct rk_timer late;  /* news that can wait a little */
	/* The fetch that waits; NULL: none. late: whatever there is has to be said now. */
	void (*wake)(struct core_fetcher *, bool late);
	void *waiting;
};

struct core_fetcher *core_fetcher_get(struct core *, int32_t id); /* NULL: not in the cache */
/* Empty, epoch 1, in the cache when it may be (then its id is above 0). */
struct core_fetcher *core_fetcher_new(struct core *, bool cached, bool ids, int32_t replica);
void core_fetcher_free(struct core_fetcher *); /* nobody may wait */
void core_fetcher_touch(struct core_fetcher *); /* a request came */
/* Names a partition, which is ready to be looked at then; find: NULL when it is not in the session. */
struct core_feed *core_feed_find(struct core_fetcher *, struct rk_uuid, struct rk_str name, int32_t index);
struct core_feed *core_feed_put(struct core_fetcher *, struct rk_uuid, struct rk_str name, int32_t index);
void core_feed_forget(struct core_feed *);

/* --- the core's own */
void core_feeds_moved(struct core_set *, bool at_once);
void core_feeds_over(struct core_set *);  /* it is led here no more: the feeds say so from now on */
/* When that follower last fetched, naming the partition or not. */
int64_t core_feed_last(const struct core_set *, const struct core_follower *);
void core_fetchers_hurry(struct core *, int32_t replica); /* partitions it follows are led here from now on */
void core_fetchers_flush(struct core *);
void core_fetchers_wake_all(struct core *);
void core_fetchers_free(struct core *);
#endif
