/* in.h - what raft's files tell one another; nobody else includes it. */
#ifndef RAFT_IN_H
#define RAFT_IN_H
#include "raft/raft.h"
#include "base/say.h"

enum { RAFT_MAGIC = 0x72616674 };

/* log.c: epochs, voter sets, positions */
struct raft_spot { /* the answer to "is this position on my log?" */
	enum { RAFT_SPOT_VALID, RAFT_SPOT_DIVERGES, RAFT_SPOT_SNAPSHOT, RAFT_SPOT_LOST } is;
	struct raft_snap diverging;
};
struct raft_spot raft_look(const struct raft *, int64_t offset, int32_t epoch);
struct raft_snap raft_end_of(const struct raft *, int32_t epoch);
bool raft_up_to_date(const struct raft *, int32_t last_epoch, int64_t last_offset);
void raft_grow(struct raft *, int32_t epoch, int64_t base, int64_t end);
void raft_change_in(struct raft *, const struct raft_change *);
void raft_cut(struct raft *, int64_t offset);
void raft_trim(struct raft *, struct raft_snap);
void raft_restart(struct raft *, struct raft_snap, const struct raft_change *);
void raft_broken(struct raft *, const char *why);

bool raft_may_stand(const struct raft *);
bool raft_same(struct raft_key, struct raft_key);
bool raft_fits(struct raft_key voter, struct raft_key); /* dir zero in voter: any */
int32_t raft_place(const struct raft_voters *, struct raft_key); /* -1: not among them */
bool raft_ends_same(const struct raft_ends *, const struct raft_ends *);

/* peer.c: requests under way */
struct raft_peer *raft_peer(struct raft *, int32_t id);
bool raft_ready(struct raft *, int32_t id);
struct raft_msg *raft_ask(struct raft *, enum raft_kind, int32_t to);
struct raft_msg *raft_reply(struct raft *, enum raft_kind, uint64_t call, enum rk_err);
struct raft_peer *raft_answered(struct raft *, const struct raft_msg *);
void raft_backoff(struct raft *, struct raft_peer *);
void raft_peers_reset(struct raft *);
void raft_peers_tick(struct raft *);

/* role.c: transitions, votes, begin and end of epochs */
int64_t raft_chance(struct raft *, int64_t below);
int64_t raft_random_election(struct raft *);
int64_t raft_fetch_deadline(const struct raft *);
void raft_to_unattached(struct raft *, int32_t epoch, int32_t leader);
void raft_to_follower(struct raft *, int32_t epoch, int32_t leader, const struct raft_ends *);
void raft_to_prospective(struct raft *);
void raft_resign(struct raft *);
bool raft_heard(struct raft *, int32_t epoch, int32_t leader, const struct raft_ends *);
bool raft_common(struct raft *, const struct raft_msg *);
void raft_on_vote(struct raft *, const struct raft_msg *);
void raft_on_vote_reply(struct raft *, const struct raft_msg *);
void raft_on_begin(struct raft *, const struct raft_msg *);
void raft_on_end(struct raft *, const struct raft_msg *);
void raft_on_end_reply(struct raft *, const struct raft_msg *, int32_t from);
void raft_poll_unattached(struct raft *);
void raft_poll_nominee(struct raft *);
void raft_poll_resigned(struct raft *);

/* lead.c: the leader's side of replication */
void raft_lead(struct raft *);
void raft_recount(struct raft *);
void raft_advance(struct raft *);
void raft_on_fetch(struct raft *, const struct raft_msg *);
void raft_on_snapshot(struct raft *, const struct raft_msg *);
void raft_poll_leader(struct raft *);
void raft_wake_parked(struct raft *);
enum rk_err raft_leader_only(const struct raft *, int32_t epoch);
struct raft_replica *raft_replica(struct raft *, struct raft_key);

/* follow.c: the follower's side */
void raft_on_fetch_reply(struct raft *, const struct raft_msg *);
void raft_on_snapshot_reply(struct raft *, const struct raft_msg *);
void raft_on_installed(struct raft *, const struct raft_event *);
void raft_fetch_anywhere(struct raft *);
void raft_poll_follower(struct raft *);
void raft_refused(struct raft *, int32_t id);

/* change.c: voters come and go */
void raft_on_add(struct raft *, const struct raft_msg *);
void raft_on_remove(struct raft *, const struct raft_msg *);
void raft_on_update(struct raft *, const struct raft_msg *);
void raft_on_update_reply(struct raft *, const struct raft_msg *);
void raft_on_versions_reply(struct raft *, const struct raft_msg *);
void raft_on_upgrade(struct raft *, const struct raft_event *);
void raft_op_failed(struct raft *, uint64_t ask);
void raft_op_tick(struct raft *);
void raft_op_end(struct raft *, enum rk_err);
bool raft_poll_update(struct raft *);
#endif
