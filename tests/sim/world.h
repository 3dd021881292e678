/* world.h - the simulator's rk_env: one node's clock, chance, disk, workers and clients.
 *
 * A world belongs to one life of a node: a crash (sim_world_crash) loses every callback that is under way,
 * breaks the connections and takes the disk back; the node is then freed with node_free, and a new life
 * begins with sim_world_begin. The node is reached through hooks, so that this file needs no libnode. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H
#include "base/env.h"
#include "tests/sim/disk.h"
#include "tests/sim/sim.h"

struct sim_hooks { /* src/node/node.h, by name */
	void (*opened)(void *node, struct rk_conn *, uint32_t listener);
	void (*frame)(void *node, struct rk_conn *, void *frame, uint32_t len);
	void (*sent)(void *node, struct rk_conn *);
	void (*gone)(void *node, struct rk_conn *);
	void (*tick)(void *node, int64_t now_ms);
	void (*flush)(void *node);
};

struct sim_mdisk;
struct sim_link;
struct sim_job;

struct sim_world {
	struct rk_env env;
	struct sim *sim;
	struct sim_disk *disk;
	struct sim_mdisk *mdisk;        /* what st_mlog_open opens in this world */
	const struct sim_hooks *hooks;
	void *node;                     /* NULL: none lives here */
	uint32_t life;
	int64_t clock_ms, wall_ms;      /* what its clocks said when the simulation began */
	int64_t disk_us, work_us, net_us; /* at most so long takes a sync, a job, a message */
	const char *real;               /* a real folder: made folders below it are made for real too (LMDB) */
	int64_t wake_us, armed_us;      /* what the node wants; the earliest event there is for it */
	struct sim_link *links, *graves; /* open connections; those of the last life */
	uint64_t link_number;
	struct sim_job *jobs;           /* given to workers, oldest first */
	struct sim_lane {
		uint32_t lane;
		int64_t free_us;
	} lane[32];
	uint32_t lanes;
};

/* The disks stay the caller's and outlive the world. */
void sim_world_init(struct sim_world *, struct sim *, struct sim_disk *, struct sim_mdisk *, const struct sim_hooks *);
/* node is what node_start gave in this world; it may be called with events from now on. */
void sim_world_begin(struct sim_world *, void *node);
/* The power goes: then node_free, then sim_disk_crash, in this order. Without sim_disk_crash it is a kill -9: the
 * page cache survives. What a worker had under way is done or not, by chance. */
void sim_world_crash(struct sim_world *);
/* After sim_world_crash and node_free: nobody names the connections any more. */
void sim_world_bury(struct sim_world *);
/* A clean end: connections are gone, nothing calls the node any more; the disk keeps its cache. */
void sim_world_end(struct sim_world *);

/* --- clients of the node. Bytes travel whole and in order; callbacks come from the simulation's loop. */
struct sim_client {
	void (*answer)(struct sim_client *, const uint8_t *frame, uint32_t len); /* without its size; borrowed */
	void (*closed)(struct sim_client *); /* must not connect again from inside */
	struct sim_link *link; /* NULL: not connected */
};
void sim_connect(struct sim_world *, struct sim_client *, uint32_t listener);
void sim_client_send(struct sim_client *, const void *frame, uint32_t len); /* without its size; copied */
void sim_client_close(struct sim_client *);
#endif
