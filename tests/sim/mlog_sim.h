/* mlog_sim.h - the metadata log's body of the simulator: a disk in memory that outlives its node.
 *
 * The disk holds what has been committed. It is given to one log at a time; closing the log without a
 * flush is a crash. A commit is carried out when the world runs the job: in or out as a whole. */
#ifndef SIM_MLOG_SIM_H
#define SIM_MLOG_SIM_H
#include "storage/mlog.h"

struct sim_mdisk;
struct sim_mdisk *sim_mdisk_new(void);
void sim_mdisk_free(struct sim_mdisk *);
/* The commit that comes after so many good ones fails with err, and so do all later ones of this log. */
void sim_mdisk_fail(struct sim_mdisk *, uint32_t good, enum rk_err err);
/* A bug planted in the disk: a transaction that saves only a vote is not durable before the next one that adds
 * records. */
void sim_mdisk_lie(struct sim_mdisk *);
void sim_mdisk_crash(struct sim_mdisk *); /* the power goes: what it lied about is gone */
/* What would survive of the vote. False: nothing was ever saved. */
bool sim_mdisk_vote(const struct sim_mdisk *, int32_t *epoch, int32_t *leader, int32_t *voted);
/* Every durable batch from the one that holds offset on. */
typedef bool sim_mdisk_fn(void *arg, const uint8_t *batch, uint32_t len);
void sim_mdisk_each(const struct sim_mdisk *, int64_t from, sim_mdisk_fn *, void *arg);
uint64_t sim_mdisk_commits(const struct sim_mdisk *);
/* True: the disk durably has the record at offset, of this epoch, or starts behind it. */
bool sim_mdisk_has(const struct sim_mdisk *, int64_t offset, int32_t epoch);
/* What st_mlog_open is for LMDB. */
rk_must_use enum rk_err sim_mlog_open(struct rk_env *, struct sim_mdisk *, uint32_t lane, struct st_mlog **);
#endif
