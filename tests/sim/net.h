/* net.h - the network of the other world: connections between nodes, and between clients and nodes.
 *
 * A place is a machine: a world (one node), or where a client lives. A connection is two ends and two streams of
 * bytes, whole and in order. What a network does to it:
 *   cut     one direction from place to place: bytes wait; when it lasts longer than patience_us the sender's end
 *           breaks and the other end knows nothing (a connection that is half open)
 *   dark    no power: as cut in both directions, and nobody answers, not even with a refusal
 *   reset   a connection breaks on both ends, and what was under way is lost
 *   slow    so much longer takes every piece from or to that place
 * A process that ends has its connections closed by its kernel: the other end hears of it if the network lets it.
 * After a power cut nobody says anything; who sends to what is no more is told so when the machine is up again.
 * A process that is stopped (sim_world.asleep_us) still has a kernel: connections are taken, bytes wait. */
#ifndef SIM_NET_H
#define SIM_NET_H
#include "base/env.h"
#include "tests/sim/sim.h"

enum { SIM_PLACES = 24, SIM_HOMES = 32 };

struct sim_world;
struct sim_link;

struct sim_net;
/* Every whole frame that leaves a node for another one. pair names the connection, asks: the sender made it. */
typedef void sim_tap(struct sim_net *, uint64_t pair, uint32_t place, uint32_t to, bool asks, const uint8_t *frame,
    uint32_t len);

struct sim_home { /* an address where a node may listen */
	char host[16];
	uint16_t port;
	struct sim_world *w;
	uint32_t listener;
};

struct sim_net {
	struct sim *sim;
	struct sim_home home[SIM_HOMES];
	uint32_t homes;
	bool cut[SIM_PLACES][SIM_PLACES]; /* from, to */
	bool dark[SIM_PLACES];
	int64_t slow_us[SIM_PLACES];
	uint32_t reset;                   /* in a million, of pieces of bytes */
	int64_t patience_us;
	sim_tap *tap;                     /* or NULL */
	uint64_t pieces, opened; /* what happened */
};

void sim_net_init(struct sim_net *, struct sim *);
/* The world's listener is reached at this address, which is the world's place from now on. */
void sim_net_home(struct sim_net *, const char *host, uint16_t port, struct sim_world *, uint32_t listener);
void sim_net_heal(struct sim_net *);

/* --- clients: no node, a little code of the simulation. Callbacks come from the simulation's loop. */
struct sim_client {
	void (*answer)(struct sim_client *, const uint8_t *frame, uint32_t len); /* without its size; borrowed */
	void (*closed)(struct sim_client *); /* or refused; must not connect again from inside */
	/* Not NULL: a whole answer is given to the node's kernel at this moment; what it promises must hold now. */
	void (*leaves)(struct sim_client *, const uint8_t *frame, uint32_t len);
	struct sim_link *link; /* NULL: not connected */
	uint32_t place;
	int64_t asleep_us;     /* hears nothing before */
};
/* Straight to a listener of a world whose node lives. */
void sim_connect(struct sim_world *, struct sim_client *, uint32_t listener);
/* To an address. What is sent before it is open leaves then. */
void sim_dial(struct sim_net *, struct sim_client *, const char *host, uint16_t port);
void sim_client_send(struct sim_client *, const void *frame, uint32_t len); /* without its size; copied */
void sim_client_close(struct sim_client *);

/* --- for world.c: a node's ends */
struct rk_conn *sim_net_open(struct rk_env *, const char *host, uint16_t port);
void sim_net_send(struct rk_conn *, struct rk_out *);
void sim_net_resume(struct rk_conn *);
void sim_net_close(struct rk_conn *, bool at_once, const char *why);
const char *sim_net_peer(const struct rk_conn *);
/* The process has ended: its kernel closes what it had open, unless the power is gone. Its ends stay as memory
 * until they are buried. */
void sim_net_leave(struct sim_world *, bool tell_node, bool power);
void sim_net_bury(struct sim_world *);
#endif
