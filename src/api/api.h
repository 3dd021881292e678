/* api.h - what a request handler is given and what it must give back.
 *
 * One file per Kafka API, one row in api.tbl. A handler sees a decoded request, the image of the cluster,
 * and an arena; it never blocks. A row says where it runs: DATA at once, without a view of the image (the
 * hot path: Produce, Fetch); BROKER at once, on the committed image (call->view); CONTROL on the active
 * controller, where it plans records (call->plan, call->view is the plan's) and its answer leaves when they
 * are committed. */
#ifndef API_H
#define API_H
#include "base/env.h"
#include "base/list.h"
#include "base/say.h"
#include "protocol/codec.h"
#include "src/meta/meta.h"

struct api_call;
struct conf;
struct core;
struct core_coord;

enum api_fate {
	API_NOW,    /* the answer is filled in: send it */
	API_LATER,  /* the handler keeps the call and will call api_finish */
	API_SILENT, /* no answer (Produce with acks=0) */
	API_CLOSE,  /* close the connection, as Kafka does here */
};
enum api_where {
	API_DATA, API_BROKER, API_CONTROL,
	API_RUNS = 3,        /* a mask: one of the three above */
	API_CONTROLLERS = 4, /* a flag: served on controller listeners too */
	API_INTERNAL = 8,    /* a flag: not on brokers' listeners */
	API_LEADER = 16,     /* a flag: only the quorum's leader can answer it, as it does CONTROL rows */
};

/* A request out of an Envelope. */
struct api_packed {
	const char *at; /* its bytes, with the header; the envelope's frame */
	uint32_t len;
	struct kp_head head;
	struct rk_str principal, peer; /* in the outer call's arena */
};

/* What the node tells handlers about itself: one for all calls, kept current by src/node. */
struct api_shared {
	struct rk_env *env;
	struct conf *conf;
	struct core *core;
	struct core_coord *groups, *txns; /* NULL: no broker */
	struct meta_image *image;
	struct rk_timers *timers;
	const char *cluster_id;
	int32_t node_id;
	int64_t broker_epoch;
	/* the quorum, for DescribeQuorum and the like */
	int32_t leader_id, leader_epoch;
	struct rk_uuid leader_directory;
	int64_t quorum_high, quorum_end;
	int16_t kraft_version;
	struct rk_say_limit odd_records; /* of lines about records that were refused */
	/* Creates a topic on the controller for auto.create.topics.enable; the client asks again. */
	void (*auto_create)(struct api_shared *, struct rk_str topic);
	/* What concerns the metadata quorum (Vote ... UpdateRaftVoter, FetchSnapshot, DescribeQuorum, Fetch of
	 * __cluster_metadata) is answered by src/node, which knows raft: the handler hands the call on whole. */
	enum api_fate (*quorum)(struct api_call *, const void *req, void *res);
	/* A request that came in an Envelope: RK_OK: it is under way, the outer call will be finished. */
	enum rk_err (*unpacked)(struct api_call *outer, const struct api_packed *);
	/* The active controller has planned a heartbeat that was in order. */
	void (*heartbeat)(struct api_call *, const struct kp_broker_heartbeat_req *);
	/* Hands out the next producer id, or RK_COORDINATOR_LOAD_IN_PROGRESS while a block is fetched. */
	enum rk_err (*producer_id)(struct api_shared *, int64_t *);
};

struct api_call {
	struct rk_list link;         /* in whichever queue holds it */
	struct api_shared *shared;
	struct meta_view view;       /* of the moment the handler runs; not kept across API_LATER */
	struct meta_plan *plan;      /* CONTROL rows only */
	const struct kp_api *api;
	struct kp_head head;
	struct rk_str principal;     /* "User:ANONYMOUS" */
	const char *peer;            /* "127.0.0.1:51234" */
	const char *listener;        /* its name */
	bool controller;             /* it came in on a controller listener */
	int32_t throttle_ms;
	struct rk_arena arena;       /* lives until the answer has left; decoded request and answer too */
	void *req, *res;             /* res has its defaults when the handler gets it */
	int64_t now_ms, wall_ms;     /* when it arrived */
	bool gone;                   /* the connection died while it waited: finish it all the same */
	bool first;                  /* with API_LATER: what comes after it on its connection waits until api_pass */
	enum api_fate fate;          /* what api_finish does: API_NOW, unless the handler says otherwise */
	void (*abandon)(struct api_call *); /* set by a handler with API_LATER: stop waiting, finish now */
	void *wait;                  /* the handler's own, in the arena */
	void *node;                  /* src/node's: the connection and the frame */
};

/* Answers a call that was API_LATER: from the handler's timer or wake-up, never inside the handler. */
void api_finish(struct api_call *);
/* The order in which a call and those behind it do their work is settled: they may go on (see first). */
void api_pass(struct api_call *);
/* After a CONTROL row ran and its plan is to be forgotten: what succeeded carries err and why instead. */
void api_refuse(struct api_call *, enum rk_err err, struct rk_str why);

/* The whole answer is this error, in Kafka's shape for this API (c->req is read); why null: Kafka's own words. */
void api_fail(struct api_call *, enum rk_err err, struct rk_str why);
/* Does the answer carry this error, for all of the request? */
bool api_failed(int16_t key, const void *res, enum rk_err err);
/* A principal ("User:name") as an Envelope carries it; null: the arena is over. */
struct rk_str api_principal_bytes(struct rk_str text, struct rk_arena *);

/* The row of an API that is served; NULL: not advertised. */
struct api_row {
	int16_t key;
	uint8_t where; /* enum api_where, and its flag */
	int16_t min, max; /* served and advertised */
	const char *duty;
	enum api_fate (*run)(struct api_call *, const void *req, void *res);
};
const struct api_row *api_row(int16_t key);
/* On a controller listener, or on a broker's: is it served, and advertised, there? */
bool api_served(const struct api_row *, bool controller);
/* A broker that is not the active controller sends it there in an Envelope. */
bool api_forwarded(const struct api_row *);
/* Whether the request changes configs of another broker than the one it came to; it is answered then. To be asked
 * before it is forwarded. */
bool api_strays(struct api_call *);
extern const struct api_row api_rows[];
extern const uint32_t api_rows_count;
/* How api_finish and api_pass reach the node: set once by src/node. */
extern void (*api_on_finish)(struct api_call *), (*api_on_pass)(struct api_call *);

/* One prototype per row: api_metadata(struct api_call *, const struct kp_metadata_req *, struct kp_metadata_res *). */
#endif
