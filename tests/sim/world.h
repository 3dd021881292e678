/* world.h - the simulator's rk_env: one node's clocks, chance, disk, workers and connections.
 *
 * A world belongs to one life of a node at a time: a crash (sim_world_crash) loses every callback that is under way,
 * breaks the connections and takes the disk back; the node is then freed with node_free, and a new life
 * begins with sim_world_begin. The node is reached through hooks, so that this file needs no libnode. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H
#include "base/env.h"
#include "tests/sim/disk.h"
#include "tests/sim/net.h"
#include "tests/sim/sim.h"

struct sim_hooks { /* src/node/node.h, by name */
	void (*opened)(void *node, struct rk_conn *, uint32_t listener);
	void (*frame)(void *node, struct rk_conn *, void *frame, uint32_t len);
	void (*sent)(void *node, struct rk_conn *);
	void (*gone)(void *node, struct rk_conn *);
	void (*tick)(void *node, int64_t now_ms);
	void (*flush)(void *node);
	void (*reached)(void *node, struct rk_conn *);
};

struct sim_mdisk;
struct sim_job;

struct sim_world {
	struct rk_env env;
	struct sim *sim;
	struct sim_disk *disk;
	struct sim_mdisk *mdisk;        /* what st_mlog_open opens in this world */
	const struct sim_hooks *hooks;
	struct sim_net *net;            /* NULL: only sim_connect's clients reach it, and nothing goes wrong */
	uint32_t place;
	void *node;                     /* NULL: none lives here */
	uint32_t life;
	bool over;                      /* its life has ended, and it is not buried: nothing may begin any more */
	int64_t clock_ms, wall_ms;      /* what its clocks said when the simulation began */
	int32_t drift_ppm;              /* both run so much too fast */
	int64_t disk_us, work_us, net_us; /* at most so long takes a sync, a job, a message */
	int64_t asleep_us;              /* stopped (SIGSTOP) until then: time goes on, nothing runs */
	const char *real;               /* a real folder: made folders below it are made for real too (LMDB) */
	bool folders;          /* may be opened, to be synced; else who wants that waits (rk_dir_sync) */
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

/* An empty real folder of this process's own; its name is the same in every process, for what a node is told of may
 * reach a digest (it is the working folder meanwhile). Cleared: it is gone, and the working folder is what it was. */
const char *sim_scratch(void);
void sim_scratch_clear(void);

/* The disks stay the caller's and outlive the world. */
void sim_world_init(struct sim_world *, struct sim *, struct sim_disk *, struct sim_mdisk *, const struct sim_hooks *);
/* node is what node_start gave in this world; it may be called with events from now on. */
void sim_world_begin(struct sim_world *, void *node);
/* The process dies: then node_free, then sim_world_bury. With power the machine's power goes: nobody hears of it from
 * this machine, and sim_disk_crash must follow. Without it is a kill -9: the kernel closes the connections
 * and keeps the page cache. What a worker had under way is done or not, by chance. */
void sim_world_crash(struct sim_world *, bool power);
/* After sim_world_crash and node_free: nobody names the connections any more. */
void sim_world_bury(struct sim_world *);
/* A clean end: connections are gone, nothing calls the node any more; the disk keeps its cache. */
void sim_world_end(struct sim_world *);

/* --- for net.c */
void sim_world_round(struct sim_world *); /* what the host does at the end of a round of events */
/* The world is stopped: the event comes again when it goes on, and true says so. */
bool sim_world_later(struct sim_world *, sim_fn *, void *arg);
rk_must_use enum rk_err sim_world_read(struct rk_file *, uint64_t pos, void *to, uint32_t len);
void sim_world_drop(struct rk_file *);
#endif
