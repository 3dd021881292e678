/* cl_txn.h - one incarnation of a transactional producer of cluster_sim: what cl_txn.c (its life) and cl_txn_data.c
 * (what it reads and writes) share. */
#ifndef SIM_CL_TXN_H
#define SIM_CL_TXN_H
#include "tests/sim/cluster.h"

enum { CL_TX_OPS = 12 };
enum cl_phase {
	CL_INIT, CL_IDLE, CL_PLACE, CL_READ, CL_ADD, CL_WRITE, CL_ADD_OFFSETS, CL_OFFSETS, CL_END
};

struct cl_wlane { /* this transaction's batches of one partition */
	uint32_t op[CL_TX_OPS], count, first, next, flying;
	bool again, added;
	int32_t seq; /* of the next batch; goes on from one transaction to the next */
	int64_t wait_us;
};

struct cl_writer {
	struct cl_client client;
	struct cl_tid *of;
	uint32_t life, tx, rounds; /* tx: behind its number; 0: none */
	enum cl_phase phase;
	int32_t node, group_node;  /* coordinators it knows (index); -1 */
	int64_t id, at_us, rests_us, told_id;
	int16_t epoch, told_epoch, produce_v;
	bool dead, busy, wish, aborting, bump, expects, began;
	struct cl_wlane lane[CL_TOPICS][CL_PARTS];
	int64_t at[CL_PARTS];      /* of the input; -1: is asked for */
	int32_t part;              /* of the input; -1: it does not copy now */
	int64_t to;
};

struct cl_tx *cl_writer_tx(struct cl_writer *);
void cl_writer_again(struct cl_writer *, int64_t us);
void cl_writer_soon(struct cl_writer *);
void cl_writer_later(struct cl_writer *);
struct cl_ask *cl_writer_ask(struct cl_writer *, int32_t node, int16_t key, int16_t version, const void *req,
    cl_done *);
/* A coordinator's answer, -2: there is none. True: go on. Else all is arranged. */
bool cl_writer_well(const struct cl_ask *, int16_t code);
void cl_writer_give_up(struct cl_writer *, const char *why);
void cl_writer_begin(struct cl_writer *);
void cl_writer_plan(struct cl_writer *); /* some more batches */

/* cl_txn_data.c: a phase each */
void cl_writer_place(struct cl_writer *);
void cl_writer_read(struct cl_writer *);
void cl_writer_write(struct cl_writer *);
void cl_writer_add_offsets(struct cl_writer *);
void cl_writer_write_offsets(struct cl_writer *);
#endif
