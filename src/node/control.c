/* control.c - the active controller's desk: requests are planned in batches, a batch is one append.
 *
 * What waits is planned together: one top transaction on the image, a child for each request, one record
 * batch for the log. Nothing is planned while a batch is under way: readers keep seeing the image as of
 * the last commit, and a lost leadership only has to abort the transaction. The answer leaves when the
 * quorum has the batch on stable storage and this node has taken it in. */
#include "protocol/batch.h"
#include "src/node/inside.h"

enum {
	BATCH_BYTES = 4 << 20, /* no further request past it: Raft takes batches of 8 MiB */
	GROW_BYTES = 8 << 20,
	SHRINK_BYTES = 1 << 20
};

void
node_control_init(struct node *n)
{
	struct node_control *c = &n->control;

	rk_list_init(&c->waiting);
	rk_list_init(&c->planned);
	rk_arena_init(&c->arena, 1u << 30);
	c->batch = RK_STR_NULL;
}

void
node_errand_add(struct node *n, struct node_errand *e)
{
	rk_assert(e->plan != NULL && e->done != NULL);
	e->planned = false;
	rk_list_add(&n->control.waiting, &e->link);
}

void
node_errand_first(struct node *n, struct node_errand *e)
{
	rk_assert(e->plan != NULL && e->done != NULL);
	e->planned = false;
	rk_list_add(n->control.waiting.next, &e->link); /* before what is first now */
}

bool
node_errand_recall(struct node *n, struct node_errand *e)
{
	(void)n;
	if (e->planned)
		return false;
	rk_list_del(&e->link);
	return true;
}

/* A log or an image that cannot be written ends the node: what would bring it there is refused while reading,
 * and making room, still works. */
bool
node_control_scarce(struct node *n, bool removal)
{
	struct rk_space s;

	return rk_space_of(n->env, n->conf->metadata_dir, &s) == RK_OK
	    && s.free_bytes < (removal ? SHRINK_BYTES : GROW_BYTES);
}

static void
move(struct rk_list *from, struct rk_list *to)
{
	while (!rk_list_empty(from)) {
		struct rk_list *m = from->next;
		rk_list_del(m);
		rk_list_add(to, m);
	}
}

/* Everybody in the batch hears how it ended, and when leadership is lost those who wait, too. Their done may
 * add new errands. */
static void
answer(struct node *n, enum rk_err err)
{
	struct rk_list mine;

	rk_list_init(&mine);
	move(&n->control.planned, &mine);
	if (err == RK_NOT_CONTROLLER)
		move(&n->control.waiting, &mine);
	/* The answers live in the plan's arena until they are written; a new plan may begin meanwhile. */
	struct rk_arena held = n->control.arena;
	rk_arena_init(&n->control.arena, held.limit);
	while (!rk_list_empty(&mine)) {
		struct node_errand *e = rk_of(mine.next, struct node_errand, link);
		rk_list_del(&e->link);
		e->done(e, err);
	}
	rk_arena_free(&held);
}

void
node_control_run(struct node *n)
{
	struct node_control *c = &n->control;

	if (c->batch.len >= 0 || rk_list_empty(&c->waiting) || !node_quorum_leads(n))
		return;
	meta_plan_begin(&c->plan, n->image, n->env, n->conf, &c->arena, node_quorum_end(n));
	c->plan.cluster_id = n->cluster_id;
	c->plan.sessions = node_sessions_of(n);
	c->plan.quorum = node_quorum_meta(n);
	while (!rk_list_empty(&c->waiting) && c->plan.bytes < BATCH_BYTES) {
		struct node_errand *e = rk_of(c->waiting.next, struct node_errand, link);
		rk_list_del(&e->link);
		rk_list_add(&c->planned, &e->link);
		e->planned = true;
		meta_plan_enter(&c->plan);
		e->plan(e, &c->plan);
		meta_plan_leave(&c->plan, !e->dropped);
	}
	c->batch = meta_plan_batch(&c->plan, node_quorum_epoch(n), rk_wall(n->env));
	if (c->batch.len < 0) { /* nothing to change: the answers say why */
		bool over = c->arena.over;
		meta_plan_abort(&c->plan);
		answer(n, over ? RK_NO_MEMORY : RK_OK);
		return;
	}
	c->end_offset = meta_plan_end(&c->plan);
	c->planned_ms = rk_now(n->env);
	rk_assert(kp_batch_base(c->batch.at) == node_quorum_end(n));
	node_quorum_append(n, c->batch);
}

bool
node_control_owns(const struct node *n, int64_t offset)
{
	return n->control.batch.len >= 0 && offset == kp_batch_base(n->control.batch.at);
}

void
node_control_committed(struct node *n, int64_t high, int64_t *applied)
{
	struct node_control *c = &n->control;
	struct rk_arena arena;

	if (c->batch.len < 0 || high < c->end_offset)
		return;
	if (meta_plan_commit(&c->plan, c->end_offset, kp_batch_epoch(c->batch.at)) != RK_OK) {
		node_fail(n, "the metadata image cannot be written (look at the disk of metadata.log.dir)");
		return;
	}
	*applied = c->end_offset;
	c->proof_ms = c->planned_ms;
	rk_arena_init(&arena, SIZE_MAX);
	if (meta_each((const uint8_t *)c->batch.at, (uint32_t)c->batch.len, &arena, node_heard, n) != RK_OK)
		rk_die(__FILE__, __LINE__, "a batch this node planned can be read by it");
	rk_arena_free(&arena);
	c->batch = RK_STR_NULL;
	answer(n, RK_OK);
}

void
node_control_lost(struct node *n)
{
	struct node_control *c = &n->control;

	if (c->batch.len >= 0) {
		meta_plan_abort(&c->plan);
		c->batch = RK_STR_NULL;
	}
	answer(n, RK_NOT_CONTROLLER);
}

void
node_control_free(struct node *n)
{
	if (n->control.batch.len >= 0)
		meta_plan_abort(&n->control.plan);
	n->control.batch = RK_STR_NULL;
	rk_arena_free(&n->control.arena);
}
