/* whole.h - what the simulations of whole nodes share: directories that are formatted, requests of clients, and
 * batches that are known again by what is in them. */
#ifndef SIM_WHOLE_H
#define SIM_WHOLE_H
#include "base/str.h"
#include "tests/sim/net.h"

/* Formats the directory durably, its path with it. */
bool sim_format(struct rk_env *, const char *dir, int32_t node_id, struct rk_uuid id);
extern int16_t sim_format_txn_level; /* transaction.version of what is formatted from now on; 2 */
#define SIM_CLUSTER_ID "AAAAAAAAAAAAAAAAAAAAAQ"

/* A request of the API; msg as protocol/gen has it. */
void sim_client_ask(struct sim_client *, int16_t key, int16_t version, int32_t correlation, const void *msg);

/* --- batches */
struct sim_batch {
	uint64_t seed;     /* of its values */
	int32_t count, value_max, seq;
	int64_t ms, producer; /* producer -1: an ordinary one */
	int16_t epoch, attr;
	int32_t keys;      /* 0: records have none; else each has one of k0, k1, ... */
};
/* The same bytes each time it is asked for. */
struct rk_str sim_batch_make(const struct sim_batch *, struct rk_arena *);
/* Of its records: where it lies and who leads makes no difference. */
uint64_t sim_batch_hash(const uint8_t *batch);

/* Numbers by hash. */
struct sim_known {
	struct { uint64_t hash; uint32_t number; bool used; } *at;
	uint32_t count, size; /* size: 0 or a power of two */
};
void sim_known_add(struct sim_known *, uint64_t hash, uint32_t number);
bool sim_known_find(const struct sim_known *, uint64_t hash, uint32_t *number);
void sim_known_free(struct sim_known *);
#endif
