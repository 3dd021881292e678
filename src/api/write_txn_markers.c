/* write_txn_markers.c - key 27: a transaction coordinator has the ends of transactions written into the partitions
 * that this node leads. */
#include "protocol/gen/write_txn_markers.h"
#include "src/api/handlers.h"
#include "src/core/mark.h"

struct waiter {
	struct core_marks marks;
	struct api_call *call;
};

static void
written(struct core_marks *m)
{
	struct api_call *c = rk_of(m, struct waiter, marks)->call;

	c->abandon = NULL;
	api_finish(c);
}

static void
abandoned(struct api_call *c)
{
	core_marks_forget(c->wait);
	c->abandon = NULL;
	api_finish(c);
}

enum api_fate
api_write_txn_markers(struct api_call *c, const struct kp_write_txn_markers_req *q,
    struct kp_write_txn_markers_res *res)
{
	struct waiter *w = rk_arena_get(&c->arena, 1, sizeof *w);

	if (w == NULL)
		return API_CLOSE;
	w->call = c;
	w->marks.done = written;
	w->marks.arena = &c->arena;
	if (!core_marks_write(c->shared->core, &w->marks, q, res))
		return API_NOW;
	c->wait = &w->marks;
	c->abandon = abandoned;
	return API_LATER;
}
