/* cluster.h - what the files of cluster_sim share: a whole cluster and its clients in one thread, from a seed.
 *
 * cl_node.c    nodes: formatted, started, killed, stopped, cut off; each in its own world
 * cl_call.c    a client's connections and requests
 * cl_produce.c producers: idempotent with several batches in flight, and plain ones
 * cl_consume.c consumers: of leaders and of followers
 * cl_group.c   groups: offsets are committed and asked for
 * cl_till.c    transactional applications, old and new (KIP-890), with zombies
 * cl_group_member.c  members of classic groups: they join, sync, commit
 * cl_group_consumer.c  consumers of a KIP-848 group
 * cl_group_both.c  a group whose applications change their protocol
 * cl_txn.c     transactional producers, their successors and their zombies
 * cl_txn_data.c  what they write, and what some copy
 * cl_txn_read.c  what read_committed is shown
 * cl_txn_check.c what must hold of transactions
 * cl_admin.c   the admin: topics come, grow and go, replicas move, leaders change
 * cl_look.c    what lies on the simulated disks
 * cl_check.c   what must hold: asked at every acknowledgement, every so often, and at the end
 * cl_chaos.c   each seed's own shape and mix of faults
 * cl_main.c    seeds */
#ifndef SIM_CLUSTER_H
#define SIM_CLUSTER_H
#include "base/mem.h"
#include "base/say.h"
#include "protocol/batch.h"
#include "src/config.h"
#include "src/meta/meta.h"
#include "tests/sim/mlog_sim.h"
#include "tests/sim/whole.h"
#include "tests/sim/world.h"

enum { MS = 1000, SECOND = 1000000 };
enum { CL_NODES = 6, CL_TOPICS = 4, CL_PARTS = 12, CL_PRODUCERS = 6, CL_CONSUMERS = 4, CL_GROUPS = 3, CL_EXTRAS = 64 };
enum { CL_TILLS = 3, CL_TILL_TXNS = 4096, CL_TILL_PARTS = 2 };
enum { CL_TIDS = 4, CL_MEMBERS = 4, CL_READERS = 4, CL_READER_SESSION_MS = 6000, CL_INNER = 2, CL_REMEMBERED = 5 };
enum { CL_EACH_TXN = 3 }; /* a seed that it divides has transactional producers */
enum { CL_CLIENT_PLACE = 10 };

enum cl_fault { /* cl_chaos.c says what each is */
	CL_KILL, CL_POWER, CL_ALL_POWER, CL_STOP, CL_SLEEP, CL_CUT, CL_ONE_WAY, CL_ISOLATE, CL_RESET, CL_SLOW, CL_SYNC_EIO,
	CL_WRITE_EIO, CL_FULL, CL_LOSE, CL_FAULTS
};

struct cl;

/* --- the shape and the faults of one seed */
struct cl_plan {
	uint32_t controllers, brokers; /* combined: nodes 1..controllers are both, brokers are added behind them */
	bool combined, dynamic;
	bool caching;                  /* write.caching=true: a record is safe in the page cache; nothing takes that away */
	bool compacts;                 /* internal topics have small segments, which are compacted */
	bool jbod;                     /* each broker has two directories for its partitions */
	uint32_t topics, parts, producers, consumers, groups, tills, members, readers;
	bool both;                     /* members and readers are the same applications, which change their protocol */
	uint32_t tids;                 /* transactional ids */
	int16_t txn_level;             /* transaction.version */
	int16_t min_isr, factor;
	int32_t session_ms, beat_ms, lag_ms, election_ms, fetch_ms, segment_bytes, snapshot_bytes;
	int64_t chaos_us, gap_us;      /* how long; the time between two faults, at most */
	uint32_t ops;                  /* batches of all producers together, at most */
	uint32_t fault[CL_FAULTS];     /* weights; 0: never */
	uint32_t voters;               /* chance that the admin changes the quorum's voters, in a million of his actions */
	uint32_t admin;                /* chance of an admin's action every 100 ms, in a million */
};

/* --- nodes */
enum cl_state { CL_DOWN, CL_UP, CL_STOPPING };
struct cl_node {
	struct cl *cl;
	int32_t id;
	bool broker, controller;
	enum cl_state state;
	bool spoilt;     /* its disk has failed in this life: it dies by a power cut */
	bool stopped;    /* the clean stop is over */
	bool empty_handed; /* its data directory was lost and it is not back in every ISR yet */
	uint32_t lives, dead_starts;
	struct sim_world w;
	struct sim_disk *disk;
	struct sim_mdisk *mdisk;
	struct conf *conf;
	struct rk_arena conf_arena;
	struct node *node;
	char root[64], data[96], second[96], meta[96], host[16]; /* second: empty without jbod */
	int64_t broker_told; /* of its registration */
	int64_t applied; /* of its metadata log, as it was last looked at */
};

/* --- partitions, and all that is known of them */
struct cl_seen { /* a batch somebody has seen committed, or that was acknowledged by all */
	int64_t base;
	int32_t count, epoch; /* epoch -1: not known */
	uint64_t hash;
	bool control;         /* a marker */
};
struct cl_reign { /* who was seen leading: one leader an epoch */
	struct { int32_t epoch, leader; } *at; /* ascending */
	uint32_t count, cap;
};
struct cl_part {
	struct cl *cl;
	struct cl_topic *topic;
	int32_t index;
	uint32_t number; /* of all partitions */
	struct cl_seen *seen;
	uint32_t count, cap;
	int64_t acked_end; /* behind the last record acknowledged by all */
	struct cl_reign led;
	int32_t partition_epoch; /* as it was last told of */
};
struct cl_topic {
	char name[24];
	struct rk_uuid id;
	int32_t parts;
	bool made;
	struct cl_part part[CL_PARTS];
};
struct cl_extra { /* a topic of the admin's: made, perhaps deleted */
	char name[16];
	bool asked, made, leaving, gone;
};

/* --- clients */
struct cl_ask;
typedef void cl_done(struct cl_ask *, const void *res); /* NULL: no answer */
struct cl_ask {
	struct cl_ask *next;
	struct cl_conn *conn;
	int32_t correlation;
	int16_t key, version;
	cl_done *done;
	cl_done *leaves;  /* the moment the node lets the answer go; or NULL */
	void *arg;
	uint32_t op;
	struct cl_part *part;
	int64_t number;
	int32_t epoch, owner, node;
};
struct cl_conn {
	struct sim_client c;
	struct cl_client *who;
	int32_t node;     /* index */
	uint32_t opens;
	int32_t correlation;
	struct cl_ask *first, **last;
};
struct cl_client {
	struct cl *cl;
	struct cl_conn conn[CL_NODES];
	struct rk_arena arena; /* an answer's */
	uint32_t place;
	int64_t asleep_us;
	bool asking;           /* for metadata */
	struct { int32_t leader, epoch; int32_t replica[CL_NODES]; int32_t replicas; } at[CL_TOPICS][CL_PARTS];
};

enum cl_fate { CL_UNDECIDED, CL_COMMITTED, CL_ABORTED };
struct cl_tx { /* a transaction, as clients know it */
	uint32_t tid, life;  /* whose */
	int64_t id, began_us;
	int16_t epoch;
	bool commits;        /* its commit has been asked for */
	bool fenced;         /* a successor was initialised before that */
	enum cl_fate acked;  /* as was acknowledged */
	enum cl_fate fate;   /* as it is in the end */
	uint32_t ops;
	int32_t part;        /* of the input that it copies; -1: it does not */
	int64_t from, to;
};

struct cl_op { /* one produced batch */
	struct cl_part *part;
	int32_t count, seq;
	int64_t base;   /* where it is known to be; -1: nowhere yet */
	int64_t ms;
	uint64_t seed, hash;
	uint32_t producer;
	bool acked;
	uint32_t tx;    /* behind its transaction's number; 0: none */
	uint8_t given;  /* the read_committed consumers it was delivered to, a bit each */
	enum cl_fate fate;
};
struct cl_lane { /* one producer's batches of one partition */
	uint32_t *op;
	uint32_t count, cap, first, next, flying; /* first not resolved; next to be sent */
	bool again;       /* something failed: what is not resolved goes again, in order, when none is flying */
	bool known;       /* something was acknowledged */
	int32_t seq;
	int64_t wait_us;
};
struct cl_producer {
	struct cl_client client;
	uint32_t number;
	bool idempotent;
	int16_t acks;
	int64_t id;
	int16_t epoch;
	uint32_t flight;  /* batches in flight, at most */
	int64_t pace_us;
	struct cl_lane lane[CL_TOPICS][CL_PARTS];
};
struct cl_view { /* a consumer's of one partition */
	int64_t at, high, stable;
	int32_t high_epoch;
	bool follower, listing;
	int64_t listed;
};
struct cl_consumer {
	struct cl_client client;
	uint32_t number;
	bool follows;     /* reads from any replica */
	bool committed;   /* isolation.level=read_committed */
	void *turn;
	struct cl_view view[CL_TOPICS][CL_PARTS];
};

struct cl_group { /* a consumer group without members: somebody who commits */
	struct cl_client client;
	char name[8];
	int32_t node;         /* the coordinator it knows (index); -1: none */
	int64_t next, acked;  /* the last offset that was sent, the last that was acknowledged */
	int64_t unsure[64];   /* sent, and never acknowledged */
	uint32_t unsures, commits, tells;
	int64_t told_us;      /* the last answer */
};

struct cl_till { /* a transactional application: cl_till.c */
	struct cl_client client;
	uint32_t number, ended;
	bool v2;              /* its client knows transaction.version 2 */
	char name[8], group[8];
	int32_t coord, group_coord, leader[CL_TILL_PARTS]; /* nodes (index); -1: not known */
	int step, tries;
	int64_t life;         /* how often the application was started */
	int64_t id;
	int16_t epoch;
	int32_t part, seq[CL_TILL_PARTS];
	int64_t n;            /* the transaction at work, from 1 on */
	bool commit, asked, closing, decided;
	uint8_t fate[CL_TILL_TXNS];
	bool seen[CL_TILL_PARTS][CL_TILL_TXNS], whole[CL_TILL_PARTS]; /* whole: it was read to the end */
	int64_t read[CL_TILL_PARTS], stable[CL_TILL_PARTS], high[CL_TILL_PARTS], offset, told_us;
};

struct cl_writer; /* cl_txn.c: one incarnation */
struct cl_tid {   /* a transactional id */
	struct cl *cl;
	uint32_t number, lives;
	char name[8], group[8]; /* group: of one that copies from the first topic to the second */
	bool copies, v2;
	int32_t timeout_ms;
	int64_t pace_us;
	struct cl_writer *life[40];
	int64_t acked[CL_PARTS], told[CL_PARTS], told_us[CL_PARTS]; /* the group's offsets */
	uint32_t begun, committed, aborted, fenced, answered; /* answered: ends that were granted */
	int64_t stray_us; /* an initialisation that may shut out the last incarnation was sent, or lost sight of */
};
struct cl_tid_state { /* cl_txn_check.c: what the coordinators' log says of a transactional id */
	int64_t id;
	int16_t epoch;
	uint8_t state;
	uint32_t decided;   /* behind its last decision's number */
	int64_t floor[(CL_TOPICS + CL_INNER) * CL_PARTS]; /* by partition: behind its last marker */
};
struct cl_decided { /* a decision in the coordinators' log */
	uint32_t tid;
	int64_t id;
	int16_t epoch;
	bool commit, complete;
	uint32_t parts;
	struct cl_part *part[CL_TOPICS * CL_PARTS + 8];
};
struct cl_marker {
	struct cl_part *part;
	int64_t base, id;
	int16_t epoch;
	bool commit;
};

struct cl_member { /* of a classic group */
	struct cl_client client;
	struct cl_crowd *crowd;
	uint32_t number, group;
	char id[64], place[16];
	struct rk_str instance; /* null: dynamic */
	int32_t node, generation, joined; /* coordinator; of its join; of its last sync */
	bool in, leads, busy, synced;
	bool idle, moves;        /* its application speaks the other protocol; is about to */
	bool classic;            /* the group had a leader when it joined */
	int64_t at_us, asked_us, beat_us, told_us;
	int64_t good_us;         /* until then its session cannot be over; 0: what it owns may have been taken away */
	uint32_t era;            /* when it asked */
	int32_t peers, dealt;    /* dealt: partitions when they were dealt out last */
	struct { char id[64]; bool owns[CL_PARTS]; int32_t generation; } peer[16];
	bool owns[CL_PARTS];
	int64_t next[CL_PARTS];  /* to be committed; -1: is asked for */
	int32_t asks;            /* the partition that is committed or asked for */
	uint32_t syncs, commits;
};
struct cl_reader { /* of a KIP-848 group */
	struct cl_client client;
	struct cl_crowd *crowd;
	uint32_t number, life, commits;
	char id[32], place[16];
	struct rk_str instance; /* null: dynamic */
	int32_t node, epoch, asked_floor;
	bool busy, changed;      /* changed: what it owns is to be said */
	bool idle, moves;        /* its application speaks the other protocol; is about to */
	uint32_t era;            /* when it asked */
	bool whole;              /* all is to be said again: what was answered last is not known */
	int64_t at_us, asked_us, beat_us, told_us;
	int64_t good_us;         /* until then its session cannot be over */
	bool owns[CL_PARTS];
	int64_t next[CL_PARTS];  /* to be committed; -1: is asked for */
	int32_t asks;
};
struct cl_crowd { /* a group, as its members know it */
	char name[8];
	int32_t generation;      /* highest that anybody was in */
	struct { int32_t generation; int32_t member; } owner[CL_PARTS]; /* last */
	int64_t acked[CL_PARTS], sent[CL_PARTS];
	/* cl_group_both.c: a group whose applications change their protocol */
	bool both, cooperative, newer; /* newer: they go to the consumer protocol, else to the classic one */
	uint32_t apps, era, moves;     /* era: may have been without anybody, and begun anew, so often */
	int32_t floor;                 /* the last classic generation that anybody is in */
	bool nobody;                   /* nobody is known to be in since this era began */
	struct { int64_t sure_us; int32_t epoch; uint32_t era; } app[CL_MEMBERS];
};

struct cl_heard { /* a request between nodes, until its answer comes */
	uint64_t pair;
	int32_t correlation, candidate, epoch;
	int16_t version;
};

struct cl_wish { /* an ISR that a leader has asked for */
	uint64_t pair;
	int32_t correlation;
	struct rk_uuid topic;
	int32_t partition, epoch;
	int16_t version;
};

struct cl {
	struct sim sim;
	struct sim_net net;
	uint64_t seed;
	struct cl_plan plan;
	struct cl_node node[CL_NODES];
	uint32_t nodes;
	int32_t speaks;    /* the node whose lines come */
	struct cl_topic topic[CL_TOPICS];
	struct cl_extra extra[CL_EXTRAS];
	uint32_t extras, parts;
	struct cl_producer producer[CL_PRODUCERS];
	struct cl_consumer consumer[CL_CONSUMERS];
	struct cl_group group[CL_GROUPS];
	struct cl_till till[CL_TILLS];
	struct cl_tid tid[CL_TIDS];
	struct cl_tid_state state[CL_TIDS];
	struct cl_topic inner[CL_INNER]; /* __transaction_state, __consumer_offsets */
	int64_t state_at[CL_PARTS];      /* of the coordinators' log: read so far */
	struct cl_tx *tx;
	struct cl_decided *decided;
	struct cl_marker *marker;        /* at the end, as the logs have them */
	uint32_t txs, tx_cap, decideds, decided_cap, markers, marker_cap;
	struct cl_member member[CL_MEMBERS];
	struct cl_reader reader[CL_READERS];
	struct cl_crowd crowd, readers;
	struct cl_client admin;
	struct cl_op *op;
	uint32_t ops, op_cap, acked;
	struct sim_known known; /* ops by hash */
	bool chaos, producing, ending;
	struct { int64_t base; int32_t epoch; uint64_t hash; } *meta; /* committed batches of the metadata log */
	uint32_t metas, meta_cap;
	int64_t applied;   /* the most metadata that a node has ever applied */
	struct cl_reign led; /* the quorum's */
	struct rk_arena arena;
	char root[64];
	char failure[512];
	bool at_rest;
	int64_t healed_us, look_us, ack_us, pause_us; /* last acknowledgement by all; the longest gap */
	uint64_t asked[96]; /* requests between nodes, by API */
	uint64_t reads, answers;
	uint32_t lives;
	struct cl_heard heard[32];
	struct cl_wish wish[256];
	uint32_t heards, wishes;
	bool lies_sync, lies_vote;
	const char **last;  /* lines kept for a failing seed */
};

extern bool cl_say_all, cl_trace_all, cl_single, cl_quorum; /* one node only; no data */
extern bool cl_both; /* every group that has members changes its protocol */
extern int cl_factor; /* replicas of each partition; 0: as the seed says */

void cl_fail(struct cl *, const char *fmt, ...) rk_format(2, 3);
/* One line of what happened; the last ones are printed when the seed fails. */
void cl_tell(struct cl *, const char *fmt, ...) rk_format(2, 3);

/* cl_chaos.c */
void cl_plan(struct cl *);
void cl_plan_tell(struct cl *);
void cl_chaos_start(struct cl *);
void cl_heal(struct cl *);

/* cl_node.c */
struct rk_uuid cl_dir_id(int32_t id, uint8_t which); /* 0: the metadata's */
void cl_node_make(struct cl *, uint32_t index);
void cl_node_free(struct cl_node *);
bool cl_node_start(struct cl_node *);
void cl_node_die(struct cl_node *, bool power);
void cl_node_stop(struct cl_node *);
void cl_node_lose(struct cl_node *);  /* its data directory is empty from the next start on; it is down */
void cl_nodes_look(struct cl *);      /* those that failed die */

/* cl_call.c */
void cl_client_init(struct cl *, struct cl_client *, uint32_t place);
void cl_client_free(struct cl_client *);
struct cl_ask *cl_ask(struct cl_client *, int32_t node, int16_t key, int16_t version, const void *req,
    int64_t timeout_us, cl_done *, void *arg);
void cl_metadata(struct cl_client *); /* asks some node where everything is, unless it is asking */
void cl_after(struct cl *, int64_t us, sim_fn *, void *arg);
void cl_hang_up(struct cl_client *);
void cl_sleep(struct cl_client *, int64_t us); /* it hears nothing, its bytes go on */
bool cl_asleep(struct cl_client *, sim_fn *, void *arg); /* then fn comes again later */
int32_t cl_some_broker(struct cl *);

/* cl_produce.c */
void cl_producer_start(struct cl *, uint32_t number);
bool cl_producer_done(const struct cl_producer *); /* nothing is unresolved */
void cl_producer_free(struct cl_producer *);
struct cl_op *cl_op_of(struct cl *, uint64_t hash);

/* cl_consume.c */
void cl_consumer_start(struct cl *, uint32_t number);
void cl_consumer_free(struct cl_consumer *);

/* cl_group.c */
void cl_group_start(struct cl *, uint32_t number);
/* The instance id of a member, in text; every other one is dynamic and has none: null. */
struct rk_str cl_place(const struct cl *, uint32_t number, char text[16]);
bool cl_groups_told(const struct cl *, int64_t since_us, char why[256]); /* each has had an answer since then */

/* cl_till.c */
void cl_till_start(struct cl *, uint32_t number);
/* Each has decided all its transactions since then and read what there is of them: then it adds up, or it fails. */
bool cl_tills_told(struct cl *, int64_t since_us, char why[256]);

/* cl_group_member.c */
void cl_member_start(struct cl *, uint32_t number);
void cl_member_wake(struct cl_member *, int64_t us);
bool cl_members_done(const struct cl *, int64_t since_us, char why[256]); /* all in, and each partition has its owner */
void cl_member_free(struct cl_member *);

/* cl_group_consumer.c */
void cl_reader_start(struct cl *, uint32_t number);
void cl_reader_wake(struct cl_reader *, int64_t us);
void cl_reader_tell(const struct cl_reader *);
bool cl_readers_done(const struct cl *, int64_t since_us, char why[256]);

/* cl_group_both.c */
void cl_crowd_start(struct cl_crowd *, const char *name);
void cl_both_start(struct cl *);
bool cl_both_moves(struct cl *, bool newer);   /* an application that speaks this is to speak the other one */
bool cl_both_changes(struct cl *, bool newer); /* its process has died: the next one speaks the other one */
void cl_both_over(struct cl *, uint32_t app, bool newer, int64_t us); /* there it is, so much later */
uint32_t cl_both_era(struct cl *);
void cl_both_told(struct cl *, uint32_t app, int32_t epoch, int64_t good_us);
void cl_both_left(struct cl *, uint32_t app);
void cl_both_given(struct cl *, uint32_t app, int32_t p, int32_t epoch, int64_t good_us);
void cl_both_accepts(struct cl *, const struct cl_ask *, uint32_t app, int32_t epoch, int32_t floor, uint32_t era);
int32_t cl_both_parts(const struct cl *);
bool cl_both_done(const struct cl *, int64_t since_us, char why[256]);
struct rk_str cl_both_subscription(struct cl_member *);
void cl_both_peer(struct cl_member *, int32_t peer, struct rk_str subscription);
void cl_both_deal(struct cl_member *, struct rk_str bytes[16]); /* by peer */
void cl_both_assigned(struct cl_member *, struct rk_str bytes, bool to[CL_PARTS]);

/* cl_txn.c */
void cl_txn_start(struct cl *, uint32_t number);
void cl_txn_free(struct cl_tid *);
void cl_txn_bury(struct cl_tid *); /* after the end of the world */
/* The last incarnation of each is idle, and what was committed has been told since then. */
bool cl_txns_done(struct cl *, int64_t since_us, char why[256]);
struct cl_client *cl_txn_client(struct cl *, uint32_t which); /* the last incarnation of some id; NULL: there is none */

/* cl_txn_read.c: an answer to a fetch with isolation.level=read_committed */
struct cl_shown {
	int64_t id[64]; /* producers whose records are aborted here */
	uint32_t count;
	const struct kp_fetch_res_responses_partitions *from;
	bool taken[64]; /* rows of aborted_transactions */
};
void cl_shown_begin(struct cl_shown *, const struct kp_fetch_res_responses_partitions *);
/* The next batch: true when the client is given its records. */
bool cl_shown(struct cl *, struct cl_part *, struct cl_shown *, const uint8_t *batch, const char *who);

/* cl_txn_check.c */
void cl_txn_watch(struct cl *);
void cl_txn_ended(struct cl *, const struct cl_tid *, uint32_t ends); /* so many have been granted: they are safe */
struct cl_batch;
void cl_txn_log_batch(struct cl *, struct cl_part *, const struct cl_batch *); /* at the end: from the log, in order */
void cl_txn_log_end(struct cl *, struct cl_part *);
void cl_txn_verify(struct cl *);
bool cl_txns_decided(struct cl *, char why[256]);

/* cl_admin.c */
void cl_admin_topics(struct cl *);    /* the main topics, and again until they are there */
void cl_admin_start(struct cl *);

/* cl_look.c */
struct cl_batch {
	int64_t base;
	int32_t count, epoch, seq;
	int64_t producer;
	uint64_t hash;
	int16_t producer_epoch;
	bool control;
	const uint8_t *at; /* the bytes, for the moment */
};
uint64_t cl_batch_hash(const uint8_t *); /* sim_batch_hash; of a marker its producer is part */
typedef bool cl_look_fn(void *arg, const struct cl_batch *); /* false: enough */
/* The partition's batches on the node's disk, from the one that holds from on; safe: what would survive. False: they
 * do not hang together. */
bool cl_look(struct cl_node *, const struct cl_part *, int64_t from, bool safe, cl_look_fn *, void *arg);
bool cl_look_has(struct cl_node *, const struct cl_part *, int64_t base, uint64_t hash, bool safe);

/* cl_wire.c */
sim_tap cl_wire;

/* cl_check.c */
void cl_see(struct cl *, struct cl_part *, const struct cl_seen *, const char *who);
void cl_led(struct cl *, struct cl_part *, int32_t epoch, int32_t leader, const char *who);
void cl_must_hold(struct cl *, struct cl_part *, const int32_t *id, int32_t count, const char *whose);
/* No node knows a later partition epoch. */
bool cl_is_newest(struct cl *, const struct cl_part *, int32_t partition_epoch);
void cl_acked(struct cl *, struct cl_op *, int64_t base, bool leaves);
void cl_note_applied(struct cl_node *); /* before it dies: nobody may know as much */
bool cl_once(const struct cl *, const struct cl_op *); /* it may be in its log but once */
void cl_watch(struct cl *);           /* every so often */
bool cl_whole(struct cl *, char why[256]);   /* every node is up, and every replica in sync */
bool cl_settled(struct cl *, char why[256]); /* and all that was asked for is done */
void cl_verify(struct cl *);          /* at the end */
#endif
