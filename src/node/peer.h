/* peer.h - requests to other nodes.
 *
 * A link is a connection that this node makes to an address and keeps: opened with the first request, and opened
 * again when it broke and somebody asks (no sooner than a pause that doubles from 20 ms to 1 s while it
 * fails). The first request on every connection is ApiVersions; then a request goes in the highest version
 * that both sides know and the asker allows. Several requests may be under way; answers come in their order.
 *
 * Whoever asks keeps a struct node_ask (usually inside its own struct) and the request until done is called. done is
 * called once for each ask, from the loop, never from inside node_link_ask. */
#ifndef NODE_PEER_H
#define NODE_PEER_H
#include "base/list.h"
#include "src/node/node.h"

struct node_ask;
struct node_link;

/* RK_OK: res is the decoded answer in that version; it, its strings and record bytes live until this returns. Else
 * res is NULL: RK_NETWORK_EXCEPTION (not reached, or broke: node_link_why), RK_REQUEST_TIMED_OUT,
 * RK_UNSUPPORTED_VERSION (the other side speaks none of the allowed versions), RK_CORRUPT_MESSAGE (not readable; the
 * connection is closed). The ask may be used again from inside. */
typedef void node_answered(struct node_ask *, enum rk_err, const void *res, int16_t version);

struct node_ask {
	/* the asker's */
	node_answered *done;
	/* peer.c's */
	struct rk_list at;      /* in the link's queues; a ring of its own when not under way */
	struct rk_timer timer;
	struct node_link *link;
	const void *req;
	int16_t key, min, max, version;
	int32_t correlation;
};

/* client_id as Kafka's nodes have it ("broker-1-fetcher-0"). */
struct node_link *node_link_new(struct node *, const char *client_id, const char *host, uint16_t port);
/* Asks under way hear RK_NETWORK_EXCEPTION, from the loop or from inside this call. */
void node_link_free(struct node_link *);
/* The node has moved: an open connection to the old address is closed when nothing is under way on it. Harmless when
 * it is the same address. */
void node_link_to(struct node_link *, const char *host, uint16_t port);
/* min..max: versions the asker can live with (max -1: the highest of ours). timeout_ms counts from now, waiting for the
 * connection included. */
void node_link_ask(struct node_link *, struct node_ask *, int16_t key, int16_t min, int16_t max, const void *req,
    int64_t timeout_ms);
/* Nobody wants the answer any more: done is not called. Harmless when nothing is under way. */
void node_ask_forget(struct node_ask *);
static inline void
node_ask_init(struct node_ask *a, node_answered *done)
{
	*a = (struct node_ask){ .done = done, .timer.at_ms = INT64_MAX };
	rk_list_init(&a->at);
}
bool node_ask_busy(const struct node_ask *);
bool node_link_open(const struct node_link *);         /* a connection is up */
bool node_link_refused(const struct node_link *);      /* the last try was refused: no process listens there */
const char *node_link_why(const struct node_link *);   /* the last failure, for people; "" */

/* --- from node.c: what the world says of connections that are ours */
void node_link_reached(struct rk_conn *);
void node_link_frame(struct rk_conn *, void *frame, uint32_t len);
void node_link_sent(struct rk_conn *);
void node_link_gone(struct rk_conn *);
#endif
