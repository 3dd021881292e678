/* txn_help.h - a coordinator of the transactional id "x" for the tests of src/core/txn*.c. The world here notes which
 * markers it is asked for, and the test says when they are written. A broker of core_help below it. */
#ifndef TXN_HELP_H
#define TXN_HELP_H
#include <check.h>
#include "protocol/gen/add_offsets_to_txn.h"
#include "protocol/gen/add_partitions_to_txn.h"
#include "protocol/gen/end_txn.h"
#include "protocol/gen/init_producer_id.h"
#include "src/core/txn_in.h"
#include "tests/core_help.h"

enum { WAITS = -100, TV0 = 3, TV2 = 5, MINUTE = 60000 };

extern struct core_marker *marked; /* what the world has been asked for and not done */
extern int marks, unmarks;
extern int64_t next_id; /* producer ids begin with 10 */
extern enum rk_err ids_err;

/* Who asked last, and what it was told. */
extern struct core_txn_asker asker;
extern bool waits, told;
extern struct rk_arena arena;
extern struct kp_init_producer_id_res inited;
extern struct kp_end_txn_res ended;
extern struct kp_add_offsets_to_txn_res offsets;
extern struct kp_add_partitions_to_txn_res_results_by_transaction added;
extern struct kp_add_partitions_to_txn_res_results_by_transaction_topic_results_results_by_partition row[8];

void begin(void); /* transaction.version 2 */
void over(void);
void version_is(int16_t level);
void go(void);      /* three rounds: what is written is stable, what waits for that is answered */
void restart(void); /* a crash, and the next coordinator */
struct core_shard *shard(void);
struct core_txn *txn(void); /* NULL: there is none */
void state_is(enum core_txn_state, int64_t id, int epoch);
void write_markers(void); /* all that are asked for */

/* Requests: the code of the answer, or WAITS. asks_*: whether the answer comes later; nothing goes on yet. */
void ask(int version);
int code_of(bool kept, const int16_t *code);
int init_as(int64_t id, int epoch);
int init(void);
bool asks_add(int64_t id, int epoch, int version, int count, bool verify_only); /* partitions of t from 0 on */
int add(int64_t id, int epoch, int version, int count);
bool asks_end(int64_t id, int epoch, bool commit, int version);
int end(int64_t id, int epoch, bool commit, int version);
#endif
