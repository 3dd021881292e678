/* node.h - one node: the layers put together behind one loop of events.
 *
 * The world (src/host or tests/sim) creates a node, feeds it events from one thread, and carries out
 * what the node asks of struct rk_env. A node never knows which world it is in. */
#ifndef NODE_H
#define NODE_H
#include "base/env.h"

struct conf;
struct node;

/* Reads the directories, opens the metadata, recovers what was not closed cleanly, takes part in the
 * quorum. May wait for disks. On an error the reason and the way out has been said (base/say.h) and
 * *out is NULL. The conf stays the caller's and must outlive the node. */
rk_must_use enum rk_err node_start(struct rk_env *, struct conf *, struct node **out);
/* True once clients may be served: a leader is known, this broker is registered and unfenced. */
bool node_ready(const struct node *);
/* Why clients cannot be served, for people; NULL: they can. */
const char *node_why(const struct node *);
/* True when it cannot go on (said in the log): the world stops it and ends with an error. */
bool node_failed(const struct node *);

/* A connection was accepted on this listener (index in conf's listeners): answers by rk_conn_*. */
void node_opened(struct node *, struct rk_conn *, uint32_t listener);
/* A whole frame without its size. The memory, from rk_mem_try, is the node's from here; it is freed when
 * the answer has left. */
void node_frame(struct node *, struct rk_conn *, void *frame, uint32_t len);
/* One rk_conn_send's pieces have all left. */
void node_sent(struct node *, struct rk_conn *);
/* A connection made with rk_conn_open is open now. */
void node_reached(struct node *, struct rk_conn *);
/* The connection is closed, or (one of ours) could not be opened; the node forgets it before this returns. */
void node_gone(struct node *, struct rk_conn *);

/* Time has come (rk_env's wake). */
void node_tick(struct node *, int64_t now_ms);
/* The end of one batch of events: what was gathered for it (group commit, wake-ups) starts now. The
 * world calls it after every round of events, before it waits. */
void node_flush(struct node *);

/* Begins a clean stop: the broker's leaderships go to others first, while clients are still served (some seconds at
 * most); then no new requests, logs synced and closed, the clean-shutdown marker written.
 * done comes from the loop; then node_free. */
void node_stop(struct node *, rk_done *done, void *arg);
/* Frees everything without writing a byte: after a stop, or as a crash would leave the disk. */
void node_free(struct node *);

/* The configuration file was read again: takes over what may change while running. */
void node_reload(struct node *, const struct conf *fresh);

/* Prometheus text of all metrics, into the arena. */
struct rk_str node_metrics(struct node *, struct rk_arena *);
#endif
