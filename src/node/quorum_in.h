/* quorum_in.h - what the files of the quorum share; nobody else includes it.
 *
 *	quorum.c        events into raft_step, its orders carried out; the image kept up
 *	quorum_post.c   messages: held until what they tell is durable, sent over links, answers heard
 *	quorum_snap.c   snapshots: made, served, downloaded, forgotten
 *	quorum_wire.c   raft's messages to and from Kafka's structs */
#ifndef NODE_QUORUM_IN_H
#define NODE_QUORUM_IN_H
#include "raft/raft.h"
#include "src/node/inside.h"
#include "src/node/peer.h"
#include "src/node/quorum_wire.h"
#include "storage/mlog.h"

enum { QUORUM_SNAPS_MAX = 64 };

struct quorum_flush { /* one under way; raft hears its mark when it is done */
	struct node *node;
	struct raft_mark mark;
	uint64_t number;
};

struct quorum_snapshot { /* a frozen one, on disk */
	struct raft_snap id;
	int64_t bytes, last_ms; /* last_ms: wall clock of its last record */
	uint64_t gone;          /* its file goes when this flush is done; 0: it stays */
};

struct quorum_download {
	struct rk_file *file; /* NULL: none */
	struct raft_snap id;
	uint32_t number;      /* each has a file of its own: one that was given up may still be synced */
};

struct quorum_post {
	struct rk_list held;   /* letters in the order raft wrote them; each leaves when its flush is done */
	struct rk_list asked;  /* requests of ours under way */
	struct rk_list called; /* peers' requests that raft has not answered */
	struct rk_list peers;
	uint64_t calls;
};

struct node_quorum {
	struct node *node;
	struct raft raft;
	struct raft_todo todo;
	struct st_mlog *log;
	struct rk_timer timer;
	struct node_wire wire;
	struct quorum_post post;
	int64_t applied, high;      /* the image has all below applied, and may have all below high */
	bool applying;
	struct rk_str slice;        /* the bytes of the answer that is being heard */
	struct raft_snap jump;      /* the image starts over from this snapshot when it is durable; end 0: no */
	uint64_t jump_flush;
	uint64_t flushes, flushed;  /* begun; done */
	uint64_t need;              /* messages wait for this flush */
	bool flush_wanted, snapshot_wanted, began;
	/* snapshots */
	struct quorum_snapshot snap[QUORUM_SNAPS_MAX]; /* ascending */
	uint32_t snaps;
	uint64_t bytes_since;       /* appended since the newest */
	uint64_t bytes_in, records_in; /* taken in since the start */
	int64_t snapshot_ms;        /* when it was made, or the start */
	struct quorum_download down;
	/* where bootstrap server i is */
	struct conf_voter bootstrap[RAFT_BOOTSTRAPS_MAX];
	uint32_t bootstraps;
	/* what the rest of the node was last told */
	int32_t told_leader, told_epoch;
	enum raft_role told_role;
	/* UpdateFeatures */
	struct meta_quorum meta;
	int16_t upgrade_to;         /* kraft.version; -1: nobody asks for another */
	/* stopping */
	rk_done *stopped;
	void *stopped_arg;
	bool stopping;
	char folder[PATH_MAX];
};

/* quorum.c */
void node_quorum_step(struct node *, struct raft_event *);

enum api_fate node_quorum_describe(struct node *, struct api_call *, const void *req, void *res);

/* quorum_why.c: the words beside the error of an answer to AddRaftVoter or RemoveRaftVoter */
void node_quorum_why(const struct node_quorum *, const struct raft_msg *, const void *req, void *res,
    struct rk_arena *);

/* quorum_post.c */
void node_post_init(struct node *);
void node_post_write(struct node *, const struct raft_msg *); /* puts a message of the todo with the held ones */
bool node_post_send(struct node *);                           /* those that may leave; true: something left */
void node_post_free(struct node *);

/* quorum_snap.c */
void node_snap_path(const struct node_quorum *, struct raft_snap, char path[PATH_MAX]);
void node_snap_find(struct node *);                 /* at start: which there are */
void node_snap_if_due(struct node *);
/* The bytes of a SNAPSHOT answer; sets size, or err. */
struct rk_str node_snap_read(struct node *, struct raft_msg *, struct rk_arena *);
void node_snap_keep(struct node *, const struct raft_todo *, struct rk_str slice);
void node_snap_freeze(struct node *);
void node_snap_flushed(struct node *);              /* what is durable now lets older files go */
bool node_snap_load(struct node *, struct raft_snap); /* the image starts over */
void node_snap_free(struct node *);
#endif
