/* compact_in.h - the parts of a round of compaction: the table of keys, the transactions, the copying. A job on a
 * worker runs what is below "on a worker", and touches nothing but the round's own memory and pinned files. */
#ifndef ST_COMPACT_IN_H
#define ST_COMPACT_IN_H
#include "storage/compact.h"
#include "storage/log_in.h"
#include "protocol/batch.h"

/* --- the last offset of each key (compact_keys.c): 128 bits of hash under a secret seed stand for a key, 24 bytes a
 * key as in Kafka's table. Two keys of one hash are one in 10^24 for a thousand million keys. */
struct st_keys {
	struct st_key *slot;
	uint32_t cap, count, max;
	uint64_t seed[2];
};
struct st_key {
	uint64_t hash[2];
	int64_t offset; /* -1: empty */
};
/* Room for keys, or for as many as the bytes, full to that share, allow. False: no memory. */
rk_must_use bool st_keys_init(struct st_keys *, uint64_t keys, uint64_t bytes, double full, const uint64_t seed[2]);
void st_keys_free(struct st_keys *);
bool st_keys_put(struct st_keys *, struct rk_str key, int64_t offset); /* false: full, and the key is not in it */
int64_t st_keys_get(const struct st_keys *, struct rk_str key);        /* -1: not in it */

/* --- which transactions are open while batches go by (compact_txn.c) */
struct st_txns {
	struct st_aborted *all;      /* of every segment of the round, ascending by first */
	uint32_t count, next;
	struct st_txn_open *under;   /* aborted ones that have begun, and producers with committed ones */
	uint32_t opens, cap;
};
struct st_txn_open {
	struct st_aborted txn;       /* first -1: not an aborted one */
	bool met;                    /* one of its batches has gone by */
};
void st_txns_start(struct st_txns *); /* from the first segment on again */
void st_txns_free(struct st_txns *);
/* A data batch goes by: true: its records were aborted. */
bool st_txns_data(struct st_txns *, const uint8_t *batch);
/* A marker goes by: true: nothing of its transaction was met, nobody needs it but late readers. *kept: the aborted
 * transaction that still had batches, else first -1. */
bool st_txns_marker(struct st_txns *, const uint8_t *batch, struct st_aborted *kept);

/* --- a round */
struct st_last { /* a producer, and where its last batch ends; -1: it has none, its marker is what is known of it */
	int64_t id, last;
	int16_t epoch;
};

struct st_source { /* one segment of the round */
	int64_t base;
	uint32_t bytes;
};

struct st_buffer {
	uint8_t *at;
	uint32_t len, cap;
};

struct st_compact {
	struct st_log *log;          /* NULL: it is gone, or was cut: the round is void */
	struct rk_env *env;
	struct st_compact_rules rules;
	int64_t now_ms, first, limit;
	struct st_compacted told;
	bool busy, over;
	enum st_compact_phase { ST_NOTING, ST_COPYING, ST_SYNCING } phase;
	rk_done *done;
	void *arg;
	struct rk_file *part[4];     /* files that are being synced; one count each */
	uint32_t parts, lefts;
	enum rk_err sync_err;
	/* What the jobs read. */
	struct st_source *source;
	uint32_t sources, at;        /* at: the one that is being read */
	struct st_last *last;        /* ascending by id */
	uint32_t lasts;
	struct st_keys keys;
	struct st_txns txns;
	struct rk_file *from;        /* pinned */
	uint32_t from_size, pos;     /* of source[at] */
	struct st_buffer window;     /* bytes of it from window_pos on */
	uint32_t window_pos;
	struct rk_arena arena;       /* of one batch */
	int64_t noted_end;           /* keys below it are in the table */
	bool full;
	uint64_t budget;             /* of this slice */
	enum rk_err err;             /* of this slice */
	/* The new segment. */
	uint32_t group, group_end;   /* sources from group on, up to group_end, become one */
	struct rk_file *to;          /* pinned */
	uint32_t to_bytes;           /* written, and in out */
	struct st_buffer out, offsets, times, aborted;
	int64_t index_interval;
	uint32_t since_entry;
	int64_t max_ms, max_last, time_noted;
	bool changed;                /* it differs from what it is made of */
};

/* On a worker. */
void st_compact_note_job(void *round); /* fills the table from source[at] on; stops at its end, or out of budget */
void st_compact_copy_job(void *round);
void st_compact_no_job(void *round); /* so that a failure is told from the loop, too */
#endif
