/* quorum_wire.h - raft's messages to and from Kafka's structs; the table that says which API carries which.
 *
 * Nothing here keeps state or touches the world. What is built lives in the arena that is given; what a
 * raft_msg points at lives in the struct node_wire_mem beside it, and in the frame it was read from. */
#ifndef NODE_QUORUM_WIRE_H
#define NODE_QUORUM_WIRE_H
#include "protocol/codec.h"
#include "raft/raft.h"

/* Who speaks: constant for a node. */
struct node_wire {
	const char *cluster_id;
	const char *listener; /* the name peers' controller listeners have: the first of controller.listener.names */
};

/* What a message that was read may point at. */
struct node_wire_mem {
	struct raft_ends leader_ends, ends;
	struct raft_batches got;
	struct raft_key preferred[RAFT_VOTERS_MAX];
	struct rk_str records; /* the bytes got describes, or a snapshot's slice */
};

/* The API that carries this kind; min and max: versions that can say what the message says. */
struct node_wire_api {
	int16_t key, min, max;
};
struct node_wire_api node_wire_api(const struct raft_msg *);
/* Which kind a request of this API is; false: none of ours. */
bool node_wire_kind(int16_t key, enum raft_kind *);

/* A request of ours. NULL: the arena is over. */
const void *node_wire_ask(const struct node_wire *, const struct raft_msg *, struct rk_arena *);
/* The answer to one. False: it makes no sense, and is not to be heard. */
bool node_wire_heard(const struct node_wire *, enum raft_kind, const void *res, struct rk_arena *, struct raft_msg *,
    struct node_wire_mem *);

/* A request of a peer, looked at in Kafka's order. RK_OK: out is for raft. Else the error the whole answer
 * carries, or (*inside) its only partition. */
rk_must_use enum rk_err node_wire_asked(const struct node_wire *, enum raft_kind, int16_t version, const void *req,
    struct raft_msg *, struct node_wire_mem *, bool *inside);
/* The answer: from raft, with bytes for FETCH and SNAPSHOT. listener: the name of the one it came in on. */
void node_wire_answer(const struct raft_msg *, int16_t version, const char *listener, const void *req,
    struct rk_str bytes, void *res, struct rk_arena *);
/* The answer that says only an error, as node_wire_asked gave it. */
void node_wire_refuse(enum raft_kind, enum rk_err, bool inside, const void *req, void *res, struct rk_arena *);
/* The endpoint peers are reached at: the one with this listener's name, or the first. NULL: there is none. */
const struct raft_end *node_wire_end(const struct raft_ends *, const char *listener);
#endif
