/* peer.h - requests to other nodes.
 *
 * A link is a connection that this node makes to an address and keeps: opened with the first request, and opened
 * again when it broke and somebody asks (no sooner after the last try than a pause that doubles from 20 ms to 1 s while
 * it fails). The first request on every connection is ApiVersions; then a request goes in the highest version
 * that both sides know and the asker allows. Several requests may be under way; the other side works on them one
 * after the other and answers in their order: who must not wait behind a long fetch takes a link of its own.
 *
 * An answer that does not come in its time ends the connection, as in Kafka: the asker hears RK_REQUEST_TIMED_OUT,
 * everybody else under way on it RK_NETWORK_EXCEPTION. A connection that the other side closes while nothing is under
 * way (its connections.max.idle.ms) is nobody's misfortune.
 *
 * Whoever asks keeps a struct node_ask (usually inside its own struct) and the request until done is called. done is
 * called once for each ask, from the loop, never from inside node_link_ask. Everything below may be called from
 * inside done, node_link_free too. */
#ifndef NODE_PEER_H
#define NODE_PEER_H
#include "base/list.h"
#include "src/node/node.h"

struct node_ask;
struct node_link;

/* RK_OK: res is the decoded answer in that version; it, its strings and record bytes (which may be overwritten) live
 * until this returns. Else res is NULL: RK_NETWORK_EXCEPTION (not reached, or broke: node_link_why),
 * RK_REQUEST_TIMED_OUT, RK_UNSUPPORTED_VERSION (the other side speaks none of the allowed versions),
 * RK_CORRUPT_MESSAGE (not readable; the connection is closed), RK_NO_MEMORY (for the request or the answer).
 * The ask may be used again from inside. */
typedef void node_answered(struct node_ask *, enum rk_err, const void *res, int16_t version);

struct node_ask {
	/* the asker's */
	node_answered *done;
	/* peer.c's (and the desk's, which may keep its own asks in at) */
	struct rk_list at;      /* in the link's queue; a ring of its own when sent or not under way */
	struct rk_timer timer;
	struct node_link *link; /* NULL: not under way on a link */
	struct node_sent *sent; /* its call on the connection */
	const void *req;
	int16_t key, min, max;
	enum rk_err err;        /* what it will hear when the timer fires */
};

/* client_id as Kafka's nodes have it ("broker-1-fetcher-0"). */
struct node_link *node_link_new(struct node *, const char *client_id, const char *host, uint16_t port);
/* Asks under way hear RK_NETWORK_EXCEPTION from inside this call. NULL is allowed. */
void node_link_free(struct node_link *);
/* The node has moved: what is under way on the old connection is waited for, everything asked from now on goes
 * to the new address. Harmless when it is the same address. */
void node_link_to(struct node_link *, const char *host, uint16_t port);
/* min..max: versions the asker can live with (max -1: the highest of ours that is stable). timeout_ms counts from now,
 * waiting for the connection included; INT64_MAX: no limit. */
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
const char *node_link_address(const struct node_link *); /* "host:port" */
/* The version a request of this key would go in now; -1: none, or not known before a connection was up. */
int16_t node_link_version(const struct node_link *, int16_t key, int16_t min, int16_t max);

/* --- what the world says of connections that are ours; serve.c hands it on */
void node_link_reached(struct rk_conn *);
void node_link_frame(struct rk_conn *, void *frame, uint32_t len);
void node_link_sent(struct rk_conn *);
void node_link_gone(struct rk_conn *);
/* Every link is free: forgets connections whose end the world has not told yet. */
void node_links_free(struct node *);
#endif
