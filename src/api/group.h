/* group.h - what the handlers of group APIs share: a call that asks a group. */
#ifndef API_GROUP_H
#define API_GROUP_H
#include "src/api/handlers.h"
#include "src/core/group.h"

/* Says who asks: the call's client, and its version. */
void api_group_introduce(struct api_call *, struct core_group_asker *);
/* The asker of this call, in its arena: done finishes the call. NULL: the arena is over. */
struct core_group_asker *api_group_asker(struct api_call *);
/* What a handler returns: later when the group keeps the asker (and a dead connection forgets it), else now. */
enum api_fate api_group_fate(struct api_call *, struct core_group_asker *, bool waits);
/* The shard of a group, or Kafka's error: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, ... */
enum rk_err api_group_shard(struct api_call *, struct rk_str group, struct core_shard **);
/* Both, for the many that ask one group and, as Kafka, know none with an empty name (INVALID_GROUP_ID). */
enum rk_err api_group_ask(struct api_call *, struct rk_str group, struct core_shard **, struct core_group_asker **);

/* Does the cluster have groups of consumers (group.version), and does this broker serve them? */
bool api_consumer_groups(const struct api_call *);

/* Several groups asked in one request: the call is over when all have answered. */
struct api_group_many {
	struct api_call *call;
	int32_t left;       /* answers still to come, and one while the handler runs */
	struct api_group_one {
		struct core_group_asker ask;
		struct api_group_many *many;
		bool waits;
	} *one;
	int32_t count;
};
struct api_group_many *api_group_many(struct api_call *, int32_t count); /* NULL: the arena is over */
struct core_group_asker *api_group_next(struct api_group_many *);
void api_group_kept(struct core_group_asker *);                          /* it waits */
enum api_fate api_group_all(struct api_group_many *);                    /* every group was asked */
#endif
