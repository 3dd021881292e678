/* raft.h - KRaft's consensus as arithmetic: an event goes in, orders come out.
 *
 * Nothing here waits, allocates, reads a clock or rolls a die: the caller owns all memory, stamps each
 * event with the time and seeds the randomness. Equal histories give equal states, bit for bit; the
 * simulator depends on it. The log's bytes are outside too: raft knows where the log starts and ends, which
 * epoch begins where, and what is durable.
 *
 * How to drive it: give an event to raft_step, then carry out the todo's orders from top to bottom. All
 * changes of the log and the vote are staged at once, in order (storage/mlog.h does that); messages
 * leave in order, and none leaves before every save up to and including its own todo is durable. When a
 * flush is started take raft_mark first, and give it back with RAFT_FLUSHED when the flush is done.
 *
 * Cluster id, topic and authorization are looked at before a message comes here. Messages are KRaft's
 * RPCs field by field; what a version cannot carry has the default of its schema. Times are monotonic
 * milliseconds. Offsets are end-exclusive. */
#ifndef RAFT_H
#define RAFT_H
#include "base/err.h"
#include "base/str.h"

enum {
	RAFT_VOTERS_MAX = 15,
	RAFT_ENDS_MAX = 3,       /* listeners kept of one voter */
	RAFT_SETS_MAX = 16,      /* voter sets remembered for a truncation */
	RAFT_EPOCHS_MAX = 4096,  /* leader epochs between log start and end; todo.snapshot asks for a trim early */
	RAFT_REPLICAS_MAX = 512, /* voters and observers a leader keeps count of */
	RAFT_PARKED_MAX = 512,   /* fetches that wait; one more is answered at once */
	RAFT_MSGS_MAX = 64,      /* messages of one step; the rest comes with the next, at once */
	RAFT_RUNS_MAX = 16,
	RAFT_BOOTSTRAPS_MAX = 16,
	RAFT_PEERS_MAX = 2 * RAFT_VOTERS_MAX + RAFT_BOOTSTRAPS_MAX,
	RAFT_BOOTSTRAP = -2,     /* msg.to: bootstrap server i is RAFT_BOOTSTRAP - i */
};

/* A replica: the node and the directory its log is in. dir zero: not known. id -1: nobody. */
struct raft_key {
	int32_t id;
	struct rk_uuid dir;
};

struct raft_end {
	char name[64], host[256];
	uint16_t port;
};
struct raft_ends {
	uint32_t count;
	struct raft_end end[RAFT_ENDS_MAX];
};

struct raft_voter {
	struct raft_key key;             /* dir zero: any directory (static voters) */
	int16_t min_version, max_version; /* of kraft.version */
	struct raft_ends ends;
};
struct raft_voters {
	uint32_t count;
	struct raft_voter voter[RAFT_VOTERS_MAX];
};

/* Control records: from this offset on these voters and this kraft.version are in force. */
struct raft_change {
	int64_t offset;                   /* of the record; below the log's start: from snapshot or config */
	int16_t version;                  /* -1: unchanged */
	const struct raft_voters *voters; /* NULL: unchanged */
};

struct raft_epoch {
	int32_t epoch;
	int64_t start;
};
/* A snapshot's name, and a diverging epoch's end. end 0: none. */
struct raft_snap {
	int64_t end;
	int32_t epoch;
};

struct raft_vote { /* what must survive: the election state */
	int32_t epoch, leader; /* leader -1: unknown */
	struct raft_key voted; /* id -1: nobody */
};

/* What the log was when a flush began. */
struct raft_mark {
	int64_t end;
	uint32_t cuts;
};

/* --- messages */

enum raft_kind {
	RAFT_VOTE, RAFT_BEGIN, RAFT_END, RAFT_FETCH, RAFT_SNAPSHOT, /* BeginQuorumEpoch, FetchSnapshot ... */
	RAFT_ADD, RAFT_REMOVE, RAFT_UPDATE,                        /* AddRaftVoter, ... */
	RAFT_VERSIONS,                                             /* ApiVersions, to a voter to be */
	RAFT_KINDS
};

/* Record batches that came with a Fetch answer, already checked: whole, sound, contiguous. Who reads
 * more than fits the lists hands over fewer batches: the rest is fetched again. */
struct raft_batches {
	uint64_t handle;         /* the caller's word for the bytes */
	int64_t base, end;
	uint32_t runs;           /* batches of one epoch in a row: their epoch and first offset */
	struct raft_epoch run[RAFT_RUNS_MAX];
	uint32_t changes;        /* KRaftVersion and Voters records, by offset */
	struct raft_change change[RAFT_RUNS_MAX];
};

/* Pointers are borrowed: in an event until raft_step returns, in a todo until the next raft_step. */
struct raft_msg {
	enum raft_kind kind;
	bool reply;
	/* A request we send: raft's number, borne by its reply or RAFT_FAILED. A request we get: the caller's
	 * number for it, not 0, borne by our reply. */
	uint64_t call;
	int32_t to;                     /* requests we send: node id, or bootstrap server */
	const struct raft_ends *at;     /* where that node listens; NULL for a bootstrap server */
	enum rk_err err;                /* replies */
	int32_t epoch;                  /* the sender's; FETCH, SNAPSHOT, UPDATE: CurrentLeaderEpoch */
	int32_t leader;                 /* replies, BEGIN, END: the leader, -1 unknown */
	const struct raft_ends *leader_ends; /* where it listens; NULL unknown */
	struct raft_key from;           /* requests VOTE, FETCH, SNAPSHOT: the replica that asks */
	struct raft_key voter;          /* VOTE, BEGIN: whom it is for, id -1 anybody; ADD, REMOVE, UPDATE */
	bool pre, granted;              /* VOTE */
	int64_t offset;                 /* VOTE LastOffset, FETCH FetchOffset, SNAPSHOT Position */
	int32_t last_epoch;             /* VOTE LastOffsetEpoch, FETCH LastFetchedEpoch */
	int64_t hw;                     /* FETCH: HighWatermark; -1 unknown; request without: INT64_MAX */
	int64_t log_start;              /* FETCH reply */
	int32_t max_wait_ms, max_bytes; /* FETCH, SNAPSHOT */
	struct raft_snap snap;          /* SNAPSHOT; FETCH reply: SnapshotId, end 0 none */
	struct raft_snap diverging;     /* FETCH reply: epoch -1 none */
	const struct raft_batches *got; /* FETCH reply we get; NULL or empty: no records */
	/* FETCH reply we send: the records from offset on, up to max_bytes, at least a batch. SNAPSHOT reply
	 * we send without err: size and bytes of snap from offset on are the caller's to fill in, or 98, 99. */
	bool records;
	uint64_t handle;                /* SNAPSHOT reply we get: the caller's word for the bytes */
	uint32_t len;                   /* and how many they are */
	int64_t size;                   /* of the whole snapshot */
	const struct raft_key *preferred; /* END: PreferredCandidates */
	uint32_t preferred_count;
	const struct raft_ends *ends;   /* ADD, UPDATE: the voter's listeners; VERSIONS: where to ask */
	int16_t min_version, max_version; /* UPDATE, VERSIONS reply: supported kraft.version */
	int32_t timeout_ms;             /* ADD */
	bool ack_committed;             /* ADD: AckWhenCommitted */
	bool reached;                   /* ADD reply we send: the voter to be has answered */
};

/* --- events */

enum raft_event_kind {
	RAFT_TICK,      /* time has passed */
	RAFT_RECV,      /* msg came */
	RAFT_FAILED,    /* the request with this call could not be sent, or its connection broke */
	RAFT_GONE,      /* who asked with this call no longer listens */
	RAFT_APPENDED,  /* the leader appended batches of its own epoch: the log now ends at end */
	RAFT_FLUSHED,   /* what mark names is durable */
	RAFT_SNAPPED,   /* the node froze a snapshot of its own: snap, end <= hw */
	RAFT_TRIMMED,   /* the log now starts behind snap */
	RAFT_INSTALLED, /* the downloaded snapshot snap is frozen; change tells its voters and version */
	RAFT_UPGRADE,   /* finalise kraft.version (version); answered like a voter change, kind RAFT_UPDATE */
	RAFT_RESIGN,    /* stop leading (the controller failed, or an append did) */
	RAFT_SHUTDOWN,  /* stop within timeout_ms: leadership is handed over; see todo.stopped */
	RAFT_EVENTS
};

struct raft_event {
	enum raft_event_kind kind;
	int64_t now_ms;             /* never earlier than the last event's */
	const struct raft_msg *msg; /* RECV */
	uint64_t call;              /* FAILED, GONE, UPGRADE */
	bool refused;               /* FAILED: nobody listens there, the process is not running */
	int64_t end;                /* APPENDED */
	struct raft_mark mark;      /* FLUSHED */
	struct raft_snap snap;      /* SNAPPED, TRIMMED, INSTALLED */
	struct raft_change change;  /* INSTALLED */
	int16_t version;            /* UPGRADE */
	int64_t timeout_ms;         /* SHUTDOWN */
};

/* --- orders, in the sequence in which they must be carried out */

struct raft_todo {
	bool save;               /* 1. stage the election state; it must be durable before any message of
				  * this and later todos leaves */
	struct raft_vote vote;
	bool reset;              /* 2. stage: drop the whole log, restart it behind snap */
	struct raft_snap snap;
	bool cut;                /* 3. stage: forget the log from this offset on */
	int64_t cut_to;
	bool take;               /* 4. stage: append the batches with take_base <= base < take_end of handle */
	uint64_t take_handle;
	int64_t take_base, take_end;
	bool control;            /* 5. stage: append a control batch of this epoch at control_base holding, in
				  * this order, those that are told: LeaderChange, KRaftVersion, Voters */
	int64_t control_base;
	int32_t control_epoch;
	bool tell_leader;        /* LeaderChange: leader is this node, voters in force, granting below */
	uint32_t granting_count;
	struct raft_key granting[RAFT_VOTERS_MAX];
	int16_t tell_version;    /* KRaftVersion; -1 not told */
	const struct raft_voters *tell_voters; /* Voters; NULL not told */
	bool keep;               /* 6. keep the slice handle at slice_pos of the download of snap_part */
	struct raft_snap snap_part;
	uint64_t slice_handle;
	int64_t slice_pos;
	bool freeze;             /* the download is complete: sync, rename, then RAFT_INSTALLED */
	bool flush;              /* 7. make what is staged durable; then RAFT_FLUSHED */
	int64_t hw;              /* 8. apply up to here */
	uint32_t count;          /* 9. send */
	struct raft_msg msg[RAFT_MSGS_MAX];
	int64_t wake_ms;         /* 10. call again no later; may be now: do */
	bool snapshot;           /* a snapshot and a trim are wanted soon */
	bool stopped;            /* after RAFT_SHUTDOWN: nothing is left to do */
	const char *fault;       /* not NULL: what must never be was seen; stop the node and say this */
};

/* --- the state */

enum raft_role { RAFT_UNATTACHED, RAFT_PROSPECTIVE, RAFT_CANDIDATE, RAFT_FOLLOWER, RAFT_LEADER, RAFT_RESIGNED };

struct raft_conf { /* controller.quorum.* */
	int32_t election_ms, backoff_max_ms, fetch_timeout_ms, request_ms, retry_ms;
	int32_t fetch_max_bytes, snapshot_max_bytes;
	uint32_t bootstraps; /* how many bootstrap servers there are; 0: the voters are asked */
	bool auto_join;
};
#define RAFT_CONF_DEFAULT ((struct raft_conf){ 1000, 1000, 2000, 2000, 20, 1 << 20, 1 << 20, 0, false })

struct raft_peer { /* a connection with at most one request under way */
	int32_t id;
	enum raft_kind kind;
	uint64_t call;       /* 0: none under way */
	int64_t until_ms;    /* when it is given up */
	int64_t backoff_ms;  /* not before */
};

struct raft_replica { /* the leader's count of one */
	struct raft_key key;
	bool voter, fetched, begin_due; /* fetched: since the check-quorum timer was set */
	int64_t end;                    /* -1: unknown */
	int64_t fetch_ms, caught_ms;    /* -1: never */
	int64_t leader_end;             /* at its last fetch */
};

struct raft_parked {
	uint64_t call;
	struct raft_key from;
	int32_t epoch, last_epoch, max_bytes;
	int64_t offset, hw, until_ms;
};

struct raft_set {
	int64_t offset;
	int16_t version;
	struct raft_voters voters;
};

struct raft_op { /* the one change of voters that is under way */
	enum { RAFT_OP_NONE, RAFT_OP_ASKING, RAFT_OP_COMMITTING } stage;
	enum raft_kind kind;
	uint64_t call;     /* 0: answered already */
	uint64_t ask;      /* VERSIONS */
	int64_t until_ms, offset;
	bool ack_committed, reached;
	struct raft_voter voter;
};

struct raft {
	uint32_t magic;
	/* Who we are: never changes. */
	struct raft_voter self;
	bool can_vote; /* a controller: may be, or become, a voter */
	struct raft_conf conf;
	/* What is durable, or on its way there. */
	struct raft_vote vote, saved;
	/* The log. */
	int64_t log_start, log_end, flushed_end, hw;
	bool hw_known;           /* in this epoch, by this leader */
	uint32_t cuts;
	struct raft_snap snap, base; /* newest; the one the log starts behind */
	uint32_t epochs;
	bool epochs_lost;        /* older ones than epoch[0] were in the log */
	uint32_t sets;
	/* The role. */
	enum raft_role role;
	int64_t now_ms, deadline_ms; /* election, fetch or check-quorum timer */
	int64_t slack_ms;            /* Follower: added to the fetch timer */
	uint64_t rng, calls;
	struct raft_ends leader_ends;
	uint32_t granted, refused;   /* bits by place in the voter set; Resigned: granted = acknowledged */
	uint32_t dead;               /* Candidate: whose process is not running */
	bool lost;                   /* Candidate: it cannot win any more, and the next try has its moment */
	bool has_fetched, updated;
	bool leader_dead;            /* Follower: the leader's process is not running */
	int32_t dead_epoch;          /* the last epoch whose leader was found dead so */
	int64_t update_ms, begin_ms, stop_ms; /* stop_ms INT64_MAX: not asked to stop */
	int64_t epoch_start;         /* Leader: its LeaderChange */
	struct raft_snap down;       /* Follower: the snapshot being fetched, end 0 none */
	int64_t down_pos;
	bool down_whole;
	struct raft_key preferred[RAFT_VOTERS_MAX];
	uint32_t preferred_count;
	struct raft_op op;
	const char *fault;
	struct raft_todo *todo;      /* during a step */
	struct raft_peer peer[RAFT_PEERS_MAX];
	uint32_t peers, replicas, parked_count;
	struct raft_replica replica[RAFT_REPLICAS_MAX];
	struct raft_parked parked[RAFT_PARKED_MAX];
	struct raft_set set[RAFT_SETS_MAX];
	struct raft_voters heard;    /* Leader at kraft.version 0: what UpdateRaftVoter told */
	struct raft_epoch epoch[RAFT_EPOCHS_MAX];
};

/* What the node found on its disk, in its config and in its identity. */
struct raft_start {
	struct raft_voter self;
	bool can_vote;
	struct raft_conf conf;
	uint64_t seed;
	int64_t now_ms;
	int64_t log_start, log_end;
	struct raft_snap snap, base;
	struct raft_vote vote;              /* all zero but leader and voted.id -1 when there was none */
	const struct raft_epoch *epoch;
	uint32_t epochs;
	const struct raft_change *change;   /* ascending; the first: static voters, 0-0 checkpoint or snapshot */
	uint32_t changes;
};

/* Sets the state up; the first step should follow at once (RAFT_TICK). */
void raft_init(struct raft *, const struct raft_start *);
void raft_step(struct raft *, const struct raft_event *, struct raft_todo *);

/* --- questions */
struct raft_mark raft_mark(const struct raft *);
bool raft_leads(const struct raft *);                  /* the node may append, with epoch vote.epoch */
/* What RAFT_UPGRADE to this kraft.version would be answered at once: RK_INVALID_UPDATE_VERSION,
 * RK_REQUEST_TIMED_OUT (not now), RK_NOT_LEADER_OR_FOLLOWER. */
enum rk_err raft_may_upgrade(const struct raft *, int16_t version);
bool raft_is_voter(const struct raft *);
const char *raft_role_name(enum raft_role);
const struct raft_set *raft_set_now(const struct raft *);          /* in force, committed or not */
const struct raft_voter *raft_voter_by_id(const struct raft *, int32_t id);
const struct raft_set *raft_set_at(const struct raft *, int64_t end); /* in force below end; NULL: forgotten,
 * so many came since: take the snapshot at a later end */
const struct raft_voter *raft_voter_by_id(const struct raft *, int32_t id); /* NULL: no voter in force has this id */
int32_t raft_epoch_at(const struct raft *, int64_t offset);        /* of the record there; for a snapshot's id */
int32_t raft_last_epoch(const struct raft *);
/* DescribeQuorum, row by row; a leader's only. False: no such row. Times -1: never. */
struct raft_row {
	struct raft_key key;
	bool voter;
	int64_t end, fetch_ms, caught_ms;
};
bool raft_describe(const struct raft *, uint32_t row, struct raft_row *);
#endif
