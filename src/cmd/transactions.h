/* transactions.h - the parts of rookery transactions. */
#ifndef CMD_TRANSACTIONS_H
#define CMD_TRANSACTIONS_H
#include "src/cmd/group.h"
#include "src/cmd/table.h"

struct cmd_txn_job {
	const struct cmd_args *a;
	struct cmd_client c;
	struct cmd_view view;
};

/* A producer that a partition remembers. */
struct cmd_producer {
	struct rk_str topic;
	int32_t partition;
	int64_t id, last_ms,
	    start; /* start: the first offset of its open transaction; -1: none is open */
	int32_t epoch, coordinator_epoch, last_sequence;
};
/* Those of the spots (sorted, described in the job's view), as a broker tells or, with CMD_ANY,
 * each leader. What cannot be told of one partition fails it all: the client's why and err. */
rk_must_use bool cmd_producers(struct cmd_txn_job *, const struct cmd_spots *, int32_t broker,
    struct cmd_producer **, uint32_t *);

/* What a coordinator says of a transactional id. */
struct kp_describe_transactions_res_transaction_states;
rk_must_use bool cmd_txn_describe(struct cmd_txn_job *, struct rk_str id, int32_t *coordinator,
    struct kp_describe_transactions_res_transaction_states *);
/* What all brokers list, by id; ids: only of these producers, none: all. */
struct cmd_txn {
	struct rk_str id, state;
	int64_t producer;
	int32_t coordinator;
};
rk_must_use bool cmd_txn_list(struct cmd_txn_job *, const int64_t *ids, uint32_t id_count,
    int64_t duration_ms, const char *pattern, struct cmd_txn **, uint32_t *);

int cmd_txn_find_hanging(struct cmd_txn_job *);
#endif
