/* raft_sim.h - a metadata quorum in one thread: raft_step and the metadata log's staging as they ship, over
 * a network and disks that fail as the seed says.
 *
 * raft_quorum.c carries out the orders of raft_step as src/node does; raft_chaos.c is fate; raft_check.c
 * knows what was committed and looks after every step. */
#ifndef SIM_RAFT_SIM_H
#define SIM_RAFT_SIM_H
#include "raft/raft.h"
#include "tests/sim/sim.h"
#include "tests/sim/mlog_sim.h"

enum { MEMBERS_MAX = 8, SNAPS_MAX = 64, SNAP_BYTES = 2500, EPOCHS_MAX = 4096, ADMIN = 200 };

/* Bugs that are planted to see the checkers find them. */
enum sim_bug { BUG_NONE, BUG_VOTE_TOLD_BEFORE_SYNC, BUG_ACK_BEFORE_SYNC, BUG_VOTE_FORGOTTEN, BUGS };

struct quorum;

struct letter {
	struct quorum *q;
	struct raft_msg m;
	uint32_t from, to;       /* members; to ADMIN: nobody listens */
	uint64_t call;           /* of the asker */
	uint32_t life;           /* a reply: of the asker */
	uint64_t need;           /* leaves when this flush is done */
	bool refused;            /* nobody ran there */
	struct raft_key preferred[RAFT_VOTERS_MAX];
	uint8_t *bytes;          /* record batches */
	uint32_t len;
};

struct job {
	struct member *n;
	rk_job *fn;
	rk_done *done;
	void *arg;
};

struct member {
	struct rk_env env;
	struct quorum *q;
	uint32_t id, life, incarnation;
	uint16_t port;
	bool up, broker, initial;  /* initial: has the 0-0 checkpoint, or the static voters in its config */
	uint32_t rate;             /* of its clock, a thousandth */
	struct raft *r;
	struct raft_todo *todo;
	struct st_mlog *ml;
	struct sim_mdisk *disk;
	struct raft_snap snap[SNAPS_MAX];
	uint32_t snaps;
	struct raft_ends ends;
	struct job *job;
	struct letter **out;
	uint32_t outs, out_cap;
	uint64_t flush_started, flush_done, save_need;
	struct raft_mark mark;
	struct st_mlog_snap flushing; /* the newest snapshot that the flush under way makes known */
	int64_t wake_us, hw_seen;
	const uint8_t *got;        /* bytes of the fetch reply being heard */
	uint32_t got_len;
};

struct committed {
	int64_t base, end;
	int32_t epoch;
	uint64_t hash;
	uint64_t voters; /* their signature, 0: the batch has none */
};

struct frozen {
	struct raft_snap id;
	int16_t version;
	struct raft_voters voters;
	uint64_t signature;
};

struct ballot {
	uint32_t member, incarnation;
	int32_t epoch, candidate;
};

struct fate { /* a seed's mix of faults; in a million, or microseconds, 0 never */
	uint32_t loss, twice, stall, torn, cruel; /* cruel: a crash while a vote is on its way to the disk */
	int64_t delay_us, disk_us;
	int64_t crash_us, cut_us, append_us, change_us, snap_us, stop_us, wipe_us, upgrade_us;
	int64_t chaos_us;
};

struct quorum {
	struct sim sim;
	uint64_t seed, steps, op;
	enum sim_bug bug;
	bool trace, calm, static_voters, auto_join;
	struct fate fate;
	uint32_t members, voters;
	struct member member[MEMBERS_MAX];
	bool blocked[MEMBERS_MAX][MEMBERS_MAX];
	struct raft_voters first; /* the voters at the beginning */
	struct committed *done;
	uint32_t done_count, done_cap;
	struct frozen *frozen;
	uint32_t frozen_count, frozen_cap;
	struct ballot *ballot;
	uint32_t ballots, ballot_cap;
	int32_t leader_of[EPOCHS_MAX]; /* by epoch, -1 none */
	bool wiped;
	char failure[256];
};

/* raft_quorum.c */
void sim_member_start(struct member *);
void sim_member_crash(struct member *);
void sim_member_wipe(struct member *);
void sim_feed(struct member *, struct raft_event);
bool sim_client_append(struct member *);
void sim_take_snapshot(struct member *, bool trim);
struct raft_key sim_key(const struct member *);
struct raft_voter sim_voter(const struct member *);
uint64_t sim_signature(const struct raft_voters *);
bool sim_parse_voters(const struct quorum *, const uint8_t *batch, int16_t *version, struct raft_voters *);
const struct frozen *sim_frozen(const struct quorum *, struct raft_snap);

/* raft_check.c */
void sim_fail(struct quorum *, const char *fmt, ...) rk_format(2, 3);
void sim_check_step(struct member *);
void sim_check_vote(struct member *, int32_t epoch, int32_t candidate);
void sim_check_reset(struct member *, struct raft_snap);
int64_t sim_committed_end(const struct quorum *);
uint64_t sim_voters_below(const struct quorum *, int64_t end);
int32_t sim_epoch_below(const struct quorum *, int64_t end); /* of the batch that ends there, -1: none does */

/* raft_chaos.c: a whole run. The digest, or 0 with q->failure set. */
void sim_member_falls(struct member *); /* crashes, and comes back after a while */
uint64_t sim_raft(uint64_t seed, enum sim_bug, bool trace, uint64_t *steps, char failure[256]);
#endif
