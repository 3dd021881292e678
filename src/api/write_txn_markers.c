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

/* A coordinator of this cluster asks again for what waits; a tool takes a timeout for a failure. */
static bool
is_coordinator(struct rk_str client_id)
{
	struct rk_str head = rk_lit("broker-"), tail = rk_lit("-txn-markers");

	return client_id.len > head.len + tail.len && memcmp(client_id.at, head.at, (size_t)head.len) == 0
	    && memcmp(client_id.at + client_id.len - tail.len, tail.at, (size_t)tail.len) == 0;
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
	w->marks.hurried = is_coordinator(c->head.client_id);
	if (!core_marks_write(c->shared->core, &w->marks, q, res))
		return API_NOW;
	c->wait = &w->marks;
	c->abandon = abandoned;
	return API_LATER;
}
