/* cl_bugs.c - see cl_bugs.h. */
#include "tests/sim/cl_bugs.h"
#include "protocol/gen/alter_partition.h"
#include "src/core/group_consumer.h"
#include "src/core/inside.h"
#include "src/core/mark.h"
#include "src/core/replica.h"
#include "tests/sim/cluster.h"

static enum cl_bug planted;
static uint64_t calls;

static const struct {
	const char *name;
	uint64_t within;
} bug[CL_BUGS] = {
	[CL_NO_BUG] = { "nothing", 0 },
	[CL_BUG_VOTE] = { "a vote that is not synced", 10 },
	[CL_BUG_ACK] = { "an acknowledgement before the sync", 10 },
	[CL_BUG_ISR] = { "an ISR expanded too early", 40 },
	[CL_BUG_HIGH] = { "a high watermark that moves back", 10 },
	[CL_BUG_EPOCH] = { "a partition epoch that is not compared", 20 },
	[CL_BUG_COMPLETE] = { "a transaction complete before its markers are written", 15 },
	[CL_BUG_MARKER] = { "a marker acknowledged before it is committed", 90 },
	[CL_BUG_VERIFY] = { "a partition that is not verified", 240 },
	[CL_BUG_OWNER] = { "what a classic member has is free for consumers", 10 },
};

void
cl_bug_plant(struct cl *cl, enum cl_bug b)
{
	planted = b;
	calls = 0;
	if (cl == NULL)
		return;
	cl->lies_vote = b == CL_BUG_VOTE;
	cl->lies_sync = b == CL_BUG_ACK;
}

const char *
cl_bug_name(enum cl_bug b)
{
	return bug[b].name;
}

uint64_t
cl_bug_within(enum cl_bug b)
{
	return bug[b].within;
}

/* --- what the linker calls instead (sim.am: --wrap) */

bool __real_core_set_in_sync(struct core_set *, const struct core_follower *);
bool __wrap_core_set_in_sync(struct core_set *, const struct core_follower *);
int64_t __real_core_set_high(struct core_partition *, int64_t own);
int64_t __wrap_core_set_high(struct core_partition *, int64_t own);
void __real_meta_alter_partition(struct meta_plan *, int16_t version, const struct kp_alter_partition_req *,
    struct kp_alter_partition_res *);
void __wrap_meta_alter_partition(struct meta_plan *, int16_t version, const struct kp_alter_partition_req *,
    struct kp_alter_partition_res *);

/* Whoever fetches at all is in sync. */
bool
__wrap_core_set_in_sync(struct core_set *s, const struct core_follower *f)
{
	return planted == CL_BUG_ISR ? f->end >= 0 : __real_core_set_in_sync(s, f);
}

int64_t
__wrap_core_set_high(struct core_partition *p, int64_t own)
{
	if (planted == CL_BUG_HIGH && ++calls % 20 < 4)
		return p->high = rk_max(0, p->high - (calls % 20 == 0 ? 3 : 0)); /* and it stays there for a while */
	return __real_core_set_high(p, own);
}

/* A leader's wish counts whatever has happened since it was made. */
void
__wrap_meta_alter_partition(struct meta_plan *p, int16_t version, const struct kp_alter_partition_req *q,
    struct kp_alter_partition_res *res)
{
	struct kp_partition_record r;

	for (int32_t i = 0; planted == CL_BUG_EPOCH && i < q->topics.len; i++)
		for (int32_t k = 0; k < q->topics.at[i].partitions.len; k++)
			if (meta_partition(&p->view, q->topics.at[i].topic_id, q->topics.at[i].partitions.at[k].partition_index,
			    p->arena, &r))
				q->topics.at[i].partitions.at[k].partition_epoch = r.partition_epoch;
	__real_meta_alter_partition(p, version, q, res);
}

/* --- transactions */
void __real_core_txn_world(struct core *, const struct core_txn_world *);
void __wrap_core_txn_world(struct core *, const struct core_txn_world *);
bool __real_core_acked(const struct core_partition *, const struct core_append *);
bool __wrap_core_acked(const struct core_partition *, const struct core_append *);
enum rk_err __real_core_unverified(struct core_partition *, const struct core_intent *, uint64_t *guard);
enum rk_err __wrap_core_unverified(struct core_partition *, const struct core_intent *, uint64_t *guard);
enum rk_err __real_core_verified(struct core_partition *, const struct core_intent *, uint64_t guard);
enum rk_err __wrap_core_verified(struct core_partition *, const struct core_intent *, uint64_t guard);

static void (*real_mark)(void *, struct core_marker *);

/* All partitions but the first have their marker, it says, and nobody writes them one. */
static void
mark_one(void *arg, struct core_marker *m)
{
	for (int32_t i = 1; i < m->count; i++) {
		m->left -= !m->part[i].done;
		m->part[i].done = true;
	}
	real_mark(arg, m);
}

void
__wrap_core_txn_world(struct core *c, const struct core_txn_world *w)
{
	struct core_txn_world mine = *w;

	real_mark = w->mark;
	if (planted == CL_BUG_COMPLETE)
		mine.mark = mark_one;
	__real_core_txn_world(c, &mine);
}

bool
__wrap_core_acked(const struct core_partition *p, const struct core_append *a)
{
	if (planted == CL_BUG_MARKER && a->own && (kp_batch_attr(a->at) & KP_ATTR_CONTROL) != 0)
		return true;
	return __real_core_acked(p, a);
}

/* Whoever says that the partition was added is believed. */
enum rk_err
__wrap_core_unverified(struct core_partition *p, const struct core_intent *x, uint64_t *guard)
{
	*guard = 0;
	return planted == CL_BUG_VERIFY && !x->adds ? RK_OK : __real_core_unverified(p, x, guard);
}

enum rk_err
__wrap_core_verified(struct core_partition *p, const struct core_intent *x, uint64_t guard)
{
	return planted == CL_BUG_VERIFY && !x->adds ? RK_OK : __real_core_verified(p, x, guard);
}

/* --- groups */
struct core_consumer *__real_core_consumer_owner(const struct core_consumers *, struct rk_uuid topic, int32_t index);
struct core_consumer *__wrap_core_consumer_owner(const struct core_consumers *, struct rk_uuid topic, int32_t index);

/* What a member of the classic protocol has is for whoever comes: it is not waited for until it gives it back. */
struct core_consumer *
__wrap_core_consumer_owner(const struct core_consumers *k, struct rk_uuid topic, int32_t index)
{
	struct core_consumer *o = __real_core_consumer_owner(k, topic, index);

	return planted == CL_BUG_OWNER && o != NULL && core_consumer_classic(o) ? NULL : o;
}
