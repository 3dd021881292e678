/* inside.h - what the files of src/node share: the node, its connections, its controller's queue. */
#ifndef NODE_INSIDE_H
#define NODE_INSIDE_H
#include "base/list.h"
#include "src/api/api.h"
#include "src/config.h"
#include "src/core/core.h"
#include "src/node/node.h"
#include "src/node/peer.h"
#include "storage/dir.h"

/* Requests of one connection that may be under way at once, and the bytes of them past which no further one
 * is read: only Produce goes ahead of an answer, so that one sync serves several of them. */
enum { NODE_CALLS_MAX = 64, NODE_AHEAD_BYTES = 4 << 20 };

struct node_conn {
	struct rk_list link; /* in node->conns */
	struct node *node;
	struct rk_conn *conn;
	uint32_t listener;
	struct rk_list calls;   /* under way, in order of arrival */
	struct rk_list sending; /* answered, not yet gone */
	uint32_t count;         /* of both */
	uint64_t bytes;         /* of their frames */
	struct node_call *held; /* waits its turn: behind Produce, or for the node to be ready */
	bool reading;           /* the host may give us a frame */
	bool closing;
};

/* Something for the active controller to plan; its done comes when the records are committed. */
struct node_errand {
	struct rk_list link;
	void (*plan)(struct node_errand *, struct meta_plan *);
	/* RK_OK: committed and applied here. RK_NOT_CONTROLLER: leadership was lost, nothing happened. */
	void (*done)(struct node_errand *, enum rk_err);
	bool dropped; /* set by plan: nothing of what it planned is kept */
	bool planned; /* it is in a batch under way */
};

struct node_call {
	struct api_call api;
	const struct api_row *row;
	struct node_errand errand; /* CONTROL rows */
	struct node_conn *conn;    /* NULL once it is gone, and of one that came in an Envelope */
	struct node_call *outer;   /* the Envelope it came in */
	struct node_ask ask;       /* it is on its way to the active controller in an Envelope: forward.c */
	struct rk_timer soon;      /* it came in an Envelope and runs when that one's handler has returned */
	bool passed;               /* out holds the answer's bytes already */
	struct node *node;
	struct rk_list link;       /* in conn->calls or conn->sending */
	void *frame;
	uint32_t len;              /* of the frame */
	struct rk_out out;
	bool done;
};

struct node_control {
	struct rk_list waiting;   /* errands not yet planned */
	struct rk_list planned;   /* in the batch under way */
	struct meta_plan plan;
	struct rk_arena arena;    /* the batch's */
	struct rk_str batch;      /* its bytes; len -1: no batch under way */
	int64_t planned_ms;       /* when it was appended */
	int64_t proof_ms;         /* the same of the last one that was committed: then, this node led for certain */
	int64_t end_offset;       /* the batch is committed when the high watermark reaches it */
};

struct node_broker;
struct node_quorum;
struct node_desk;
struct node_sessions;
struct node_active;
struct node_wishes;
struct node_controller;
struct node_dirs;
struct node_follow;
struct node_isr;
struct node_txn;
struct node_txn_asks;
struct node_lag;

struct node {
	struct rk_env *env;
	struct conf *conf;
	struct rk_timers timers;
	struct meta_image *image;
	struct core *core;
	struct api_shared shared;
	struct node_quorum *quorum;
	struct node_control control;
	struct node_broker *broker;
	struct node_desk *desk;
	struct node_sessions *sessions;
	struct node_active *active;
	struct node_wishes *wishes;
	struct node_controller *controller;
	struct rk_uuid incarnation; /* of this process */
	struct node_dirs *dirs_told;
	struct node_follow *follow; /* NULL: no partitions are followed here */
	struct node_isr *isr;
	struct node_txn *txn;           /* NULL: no broker */
	struct node_txn_asks *txn_asks;
	struct node_lag *lag;           /* NULL: no broker */
	struct st_dir **dir;
	struct st_dir_opened *dir_opened;
	uint32_t dirs;
	char cluster_id[64];
	struct rk_list conns;
	struct rk_list wires;     /* connections we made (peer.c) */
	uint64_t connections;     /* open */
	uint64_t requests;
	struct rk_say_limit odd_frames, full_disk;
	struct node_call *spare;  /* calls kept for reuse */
	uint32_t spares;
	bool ready;               /* clients may be served */
	bool leaving;             /* a stop was asked for: leaderships go to others first, clients are still served */
	bool stopping, failed;
	bool ended;               /* the stop is done: whatever still comes is not heard */
	int64_t started_ms;
	int64_t lease_ms;         /* node_broker_lease is to be asked from then on */
	rk_done *stopped;
	void *stopped_arg;
	struct rk_timer stop_timer;
	int64_t leave_ms;         /* when the stop was asked for */
};

/* --- serve.c */
void node_serve_answer(struct node_call *, enum api_fate);
void node_serve_finish(struct api_call *); /* api_on_finish */
void node_serve_pass(struct api_call *);   /* api_on_pass */
void node_serve_ready(struct node *);      /* lets in what came before the node was ready */
void node_serve_run(struct node_call *);   /* by its row, from a new beginning */
void node_serve_free(struct node *);
struct node_call *node_call_take(struct node *); /* NULL: no memory */
void node_call_drop(struct node_call *);

/* --- forward.c: requests for the active controller that came to another node, and those that others send on */
bool node_leads(const struct node *);      /* raft says so; the image may lag */
void node_forward(struct node_call *);     /* to the active controller, in an Envelope */
bool node_forward_forget(struct node_call *); /* true: it was on its way, and nobody holds it now */
/* The call of an Envelope is over: its answer goes to the outer call. */
void node_forward_answer(struct node_call *, enum api_fate);
enum rk_err node_forward_unpacked(struct api_call *outer, const struct api_packed *);

/* --- control.c */
void node_control_init(struct node *);
void node_errand_add(struct node *, struct node_errand *);
void node_errand_first(struct node *, struct node_errand *); /* before all that wait */
/* Takes it back: true, done will not be called; false: it is in a batch under way, done will be. */
bool node_errand_recall(struct node *, struct node_errand *);
/* Too little space is left where the metadata is for it to grow (or, removal, even to shrink). */
bool node_control_scarce(struct node *, bool removal);
void node_control_run(struct node *);                         /* plans what waits, when it may */
/* The high watermark reached high: when it covers the batch under way it is taken in, and *applied moves. */
void node_control_committed(struct node *, int64_t high, int64_t *applied);
void node_control_lost(struct node *);                        /* this node no longer leads */
bool node_control_owns(const struct node *, int64_t offset);  /* the batch under way begins there */
void node_control_free(struct node *);

/* --- desk.c: requests of this node to the active controller, wherever that is */
/* As node_link_ask, to whoever leads the quorum: this node's own controller (then nothing touches a socket), or
 * another node's controller listener. While there is no leader it waits; an answer NOT_CONTROLLER, a connection that
 * breaks or a new leader make it look again, until timeout_ms is over (INT64_MAX: never). */
void node_desk_ask(struct node *, struct node_ask *, int16_t key, int16_t min, int16_t max, const void *req,
    int64_t timeout_ms);
void node_desk_forget(struct node *, struct node_ask *); /* done is not called; harmless when nothing is under way */
void node_desk_moved(struct node *);       /* quorum.c: another leader, or none */
bool node_desk_refused(const struct node *); /* nobody listens where the leader was, when it was last tried */
void node_desk_open(struct node *);
void node_desk_free(struct node *);

/* --- sessions.c: the active controller's soft state of brokers */
void node_sessions_open(struct node *);
void node_sessions_free(struct node *);
void node_sessions_lead(struct node *, int32_t before); /* active now: fresh sessions; before led until now, or -1 */
void node_sessions_lost(struct node *);
void node_sessions_gone(struct node *, struct node_conn *); /* the connection broke or was closed */
struct meta_sessions *node_sessions_of(struct node *);  /* for plans */

/* --- active.c: the active controller's clockwork */
void node_active_open(struct node *);
void node_active_free(struct node *);
void node_active_turn(struct node *);      /* after every round of events */
void node_active_heard(struct node *, int16_t type); /* a record of this type was committed */
bool node_active_is(const struct node *);  /* this is the active controller, and the image had all of the log then */
bool node_active_others(struct node *);    /* some other node is registered */
bool node_active_company(const struct node *); /* the active controller has seen one */

/* --- quorum.c: raft and the metadata log, driven */
rk_must_use enum rk_err node_quorum_open(struct node *, const char *folder);
bool node_quorum_leads(const struct node *);                  /* leads, and the image has all of the log */
/* The quorum's leader and where its controller listens; false: not known. host is valid until the next event. */
bool node_quorum_leader(const struct node *, int32_t *id, const char **host, uint16_t *port);
int32_t node_quorum_epoch(const struct node *);
int64_t node_quorum_applied(const struct node *);             /* the image has all below */
int64_t node_quorum_end(const struct node *);
void node_quorum_append(struct node *, struct rk_str batch);  /* as the leader */
struct meta_quorum *node_quorum_meta(struct node *);          /* for a plan: its kraft.version, and how to raise it */
void node_quorum_flush(struct node *);                        /* starts what was staged */
void node_quorum_stop(struct node *, rk_done *done, void *arg); /* done: all staged is durable */
void node_quorum_free(struct node *);

/* --- broker.c: this node's place in the cluster: registration, heartbeats, unfencing, leaving */
struct node_seen { /* a broker, as the image has it */
	int64_t epoch; /* -1: it is not registered */
	bool fenced;
};
struct node_seen node_broker_seen(struct node *, int32_t id);
void node_broker_open(struct node *, int64_t previous_epoch);
void node_broker_turn(struct node *);                          /* after every round of events */
void node_broker_heard(struct node *, int16_t type, const void *record);
bool node_broker_loaded(const struct node *);                  /* core_load has been */
void node_broker_changed(struct node *);                       /* the next heartbeat goes at once: a directory failed */
/* A broker that has not heard from a controller for its session's time answers no client. */
void node_broker_lease(struct node *, int64_t now_ms);
/* Controlled shutdown; done comes from the loop when leaderships have moved, or it cannot be. */
void node_broker_leave(struct node *, void (*done)(struct node *));
void node_broker_leave_now(struct node *);                     /* the time is over: done comes no more */
bool node_broker_heard_since(const struct node *, int64_t ms); /* a heartbeat of that time or later was answered */
const char *node_broker_why(const struct node *);              /* why the node is not ready; NULL: it is */
void node_broker_free(struct node *);

/* --- roles.c: what a node says of itself; the registration of its controller */
struct kp_controller_registration_req;
struct kp_broker_registration_req;
void node_say_controller(struct node *, struct kp_controller_registration_req *, struct rk_arena *);
void node_say_broker(struct node *, int64_t previous_epoch, struct kp_broker_registration_req *, struct rk_arena *);
int16_t node_metadata_version(struct node *); /* of the image; 0: it is empty */
/* The image has all that the leader had committed when we heard of it first. */
bool node_caught_up(struct node *);
void node_controller_open(struct node *);
void node_controller_turn(struct node *);  /* after every round of events: it says who it is, once in its life */
void node_controller_free(struct node *);

/* --- wishes.c: what the broker asks of the controller for its clients: producer ids, new topics */
void node_wishes_open(struct node *);
void node_wishes_free(struct node *);
/* A first block, in the batch that registers the broker. */
void node_wishes_plan_ids(struct node *, struct meta_plan *);
void node_wishes_ids_kept(struct node *, bool); /* that batch is committed, or is not */
/* --- follow.c: partitions copied from their leaders; isr.c: what their leaders here ask of the controller */
void node_follow_open(struct node *);
void node_follow_free(struct node *);
/* A leader closed its connection under a fetch a moment ago, has not been heard since, and the image still has it as
 * alive: what is told of leaders now is likely to be wrong very soon. */
bool node_follow_doubts(struct node *, int64_t now_ms);
void node_isr_open(struct node *);
void node_isr_free(struct node *);

/* --- txn.c, txn_ask.c: markers, and questions about transactions, carried between brokers (src/core/txn.h) */
void node_txn_open(struct node *);  /* before core_load */
void node_txn_close(struct node *); /* nothing is under way any more: before the core's end */
void node_txn_free(struct node *);  /* after it */

/* --- lag.c */
void node_lag_open(struct node *);
void node_lag_close(struct node *); /* as node_txn_close */
void node_lag_ask(struct node *);   /* for ends that the metrics wanted and did not find here */

/* --- dirs.c: where replicas lie, and directories that fail, as the controller is to know it */
void node_dirs_open(struct node *);
void node_dirs_turn(struct node *);        /* after every round of events */
void node_dirs_free(struct node *);        /* after the desk: what was asked has gone with it */

/* Every committed record passes here, after the image has it. */
void node_heard(void *node, int16_t type, int16_t version, const void *record, int64_t offset);
/* The image has started over from a snapshot: whoever knows it looks at all of it again. */
void node_resync(struct node *);
/* The earliest of the node's timers goes to the world. */
void node_rearm(struct node *);
/* Cannot go on: says why and asks the world to end the process by stopping. */
void node_fail(struct node *, const char *why);
#endif
