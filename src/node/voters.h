/* voters.h - voter sets and control records between raft's structs and Kafka's bytes. */
#ifndef NODE_VOTERS_H
#define NODE_VOTERS_H
#include "raft/raft.h"
#include "storage/mlog.h"

struct conf;

/* This node as a voter: id, directory, controller listeners. */
void node_voters_self(const struct conf *, struct rk_uuid dir, struct raft_voter *);
/* Finds every voter set that may be in force: the newest snapshot's or the 0-0 checkpoint's, or the config's
 * static ones, then those of the log's control batches. Fills s->change (in the arena). False: damaged, and
 * it has been said. */
bool node_voters_find(struct rk_env *, const struct conf *, struct st_mlog *, const char *folder, struct rk_arena *,
    struct raft_start *s);
/* Adds what a batch's control records change to at, which has room for max. False: a record cannot be read, or there is
 * no room; nothing is added then. */
bool node_voters_changes(const char *batch, struct rk_arena *, struct raft_change *at, uint32_t max, uint32_t *count);
/* The voters and kraft.version that a checkpoint's bytes begin with: offset -1, voters NULL when it names none. False:
 * damaged. */
bool node_voters_of(struct rk_str checkpoint, struct rk_arena *, struct raft_change *);
/* The control batch a todo asks for: LeaderChange, KRaftVersion, Voters, as far as they are told. */
struct rk_str node_voters_batch(const struct raft *, const struct raft_todo *, int64_t wall_ms, struct rk_arena *);
/* A VotersRecord's bytes. */
struct rk_str node_voters_encode(const struct raft_voters *, struct rk_arena *);
#endif
