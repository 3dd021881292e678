/* follow_in.h - what follow.c and source.c know of each other. */
#ifndef CORE_FOLLOW_IN_H
#define CORE_FOLLOW_IN_H
#include "src/core/follow.h"
#include "src/core/inside.h"

struct kp_fetch_res_responses_partitions;

/* --- source.c */
struct core_source *core_source_get(struct core *, int32_t broker, uint32_t share);
void core_source_free(struct core_source *);
void core_source_due(struct core_source *);                         /* look what is to be sent */
void core_source_name(struct core_source *, struct core_follow *);  /* the next fetch names it as it is then */
void core_source_forget(struct core_source *, struct core_follow *); /* it leaves the leader's session */
void core_source_left(struct core_follow *);                        /* it goes to another source, or away */
void core_source_wake_at(struct core_source *, int64_t at_ms);      /* a paused one is to resume then */

/* --- follow.c */
void core_follow_start(struct core_follow *); /* fetching, from now or again */
void core_follow_pause(struct core_follow *, enum rk_err);
void core_follow_answer(struct core_follow *, const struct kp_fetch_res_responses_partitions *);
void core_follow_listed(struct core_follow *, bool start, enum rk_err, int64_t offset);
#endif
