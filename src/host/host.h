/* host.h - the real world: sockets, files, clocks and threads of one machine, behind struct rk_env.
 *
 * One thread, the core's, runs the loop: it accepts, reads whole frames, sends answers and gives every
 * event to the node. A few workers beside it do what would make it wait (fdatasync, cold reads, the
 * node's jobs); what they finish comes back to the loop in batches. No lock leaves this folder. */
#ifndef HOST_H
#define HOST_H
#include "src/node/node.h"

struct host_world;

struct host_listen {
	const char *host; /* NULL or "": every address */
	uint16_t port;    /* 0: the kernel chooses; host_port tells */
	uint32_t index;   /* what node_opened is told */
};

/* Zero means the default given here. The strings and arrays must outlive the world. */
struct host_options {
	const struct host_listen *listen;
	uint32_t listen_count;
	int backlog;                /* 50, as in Kafka */
	const struct host_listen *http; /* metrics and health; index has no meaning */
	uint32_t http_count;
	uint32_t workers;           /* 8 */
	uint32_t files_max;         /* descriptors for files: half of RLIMIT_NOFILE */
	uint32_t conns_max;         /* connections: what RLIMIT_NOFILE leaves; past it accepting waits */
	uint32_t conns_per_ip_max;  /* no limit */
	uint32_t request_max_bytes; /* 100 MiB, as in Kafka */
	int64_t idle_ms;            /* 600,000; a connection that is silent so long is closed */
	int64_t connect_ms;         /* 10,000; how long one address may take to accept a connection of ours */
	int receive_bytes, send_bytes; /* socket buffers; 0: the kernel tunes them, which is faster */
	struct conf *conf;          /* handed to node_start; what may change while running is read from it */
	/* Called on SIGHUP, from the loop; it reads the configuration again and calls node_reload. */
	void (*reload)(void *arg, struct node *);
	void *reload_arg;
	/* Called once the listeners are open, from the loop, before the first connection. */
	void (*started)(void *arg, struct host_world *);
	void *started_arg;
};

/* The options that a configuration makes, with room for the arrays they point into. */
struct host_settings {
	struct host_options options;
	struct host_listen listen[32], http[8];
	char http_host[8][256];
};
/* False: rookery.http.listeners cannot be understood, which was said. The conf must outlive it. */
rk_must_use bool host_settings_of(struct host_settings *, struct conf *);

/* Runs one node until SIGTERM or SIGINT (or host_quit): listeners are bound, the node starts, READY=1
 * goes to the service manager, and clients are served. The first signal stops the node cleanly, a second
 * one (half a second later or more) leaves at once. Returns the exit status: 0 after a clean stop, else 1;
 * the reason has been said. */
int host_run(const struct host_options *);
/* What the first SIGTERM does; from the loop's thread. */
void host_quit(struct host_world *);
/* The port that listener number i (place in options.listen) got. */
uint16_t host_port(const struct host_world *, uint32_t i);

/* A world without a node and listeners, for programs that only want its files: format, dump-log and the
 * like. NULL when the machine has no memory or descriptors; the reason has been said. */
struct host_world *host_open(const struct host_options *);
struct rk_env *host_env(struct host_world *);
/* One round of the loop: waits at most wait_ms for an event. For tests and one-shot commands. */
void host_round(struct host_world *, int64_t wait_ms);
void host_close(struct host_world *);

/* Sends the operator's lines to stderr: with time stamp and level, or with <N> levels and no time
 * when stderr is systemd's journal. */
void host_say(enum rk_level least);
#endif
