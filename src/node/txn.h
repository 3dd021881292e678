/* txn.h - what the two files of src/node that serve transactions share: txn.c carries markers to the leaders of
 * partitions, txn_ask.c carries questions to the coordinators of transactional ids (src/core/txn.h: the world). */
#ifndef NODE_TXN_H
#define NODE_TXN_H
#include "src/core/txn.h"
#include "src/node/inside.h"

/* Who leads a partition, as the image has it. RK_UNKNOWN_TOPIC_OR_PARTITION: it is not there. *id -1: nobody. */
rk_must_use enum rk_err node_txn_leader(struct node *, struct rk_str topic, int32_t partition, int32_t *id);
/* The link to a broker, made or moved to where that listens now; *wire NULL: it was not there. False: it is not to be
 * reached now. */
bool node_txn_link(struct node *, int32_t id, const char *what, struct node_link **wire);

/* --- txn_ask.c */
void node_txn_asks_open(struct node *);
void node_txn_asks_close(struct node *); /* nothing is under way any more; before the core's end */
void node_txn_asks_free(struct node *);
void node_txn_verify(void *node, struct core_verify *);
void node_txn_unverify(void *node, struct core_verify *);
#endif
