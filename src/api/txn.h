/* txn.h - what the handlers of transactions share: a call that asks the coordinators of transactional ids. */
#ifndef API_TXN_H
#define API_TXN_H
#include "src/api/handlers.h"
#include "src/core/txn.h"

/* The call is over when all who were asked have answered. */
struct api_txn_asks {
	struct api_call *call;
	int32_t left; /* answers still to come, and one while the handler runs */
	int32_t count;
	void (*last)(struct api_call *); /* completes the answer; NULL: it is complete */
	struct api_txn_one {
		struct core_txn_asker ask;
		struct api_txn_asks *all;
		bool waits;
	} *one;
};
struct api_txn_asks *api_txn_asks(struct api_call *, int32_t most); /* NULL: the arena is over */
struct core_txn_asker *api_txn_next(struct api_txn_asks *);
void api_txn_kept(struct core_txn_asker *);          /* it waits */
enum api_fate api_txn_fate(struct api_txn_asks *);   /* everybody was asked */

/* The shard of a transactional id, or Kafka's error; an empty id is nobody's (INVALID_REQUEST). */
enum rk_err api_txn_shard(struct api_call *, struct rk_str id, struct core_shard **);
#endif
