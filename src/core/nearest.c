/* nearest.c - which replica a consumer is sent to (KIP-392): one in its own rack that is in sync and has what it asks
 * for; this node itself when it is there too, or none is. */
#include "src/core/broker.h"
#include "src/core/inside.h"
#include "src/core/replica.h"

static bool
in_rack(const struct core *c, int32_t id, struct rk_str rack)
{
	const struct core_broker *b = core_broker(c, id);

	return b != NULL && b->active && rk_str_eq(rack, b->rack);
}

/* Of two that would do, the one that has more; then the one that had all more lately; then the larger id. */
static bool
better(const struct core_follower *a, const struct core_follower *b)
{
	if (a->end != b->end)
		return a->end > b->end;
	return a->caught_ms != b->caught_ms ? a->caught_ms > b->caught_ms : a->id > b->id;
}

int32_t
core_nearest(const struct core_partition *p, struct rk_str rack, int64_t offset)
{
	const struct core *c = core_of(p);
	const struct core_follower *best = NULL;
	const char *chooser = c->conf->replica_selector_class;

	if (rack.len <= 0 || p->set == NULL || !p->leads || chooser == NULL
	    || strcmp(chooser, "org.apache.kafka.common.replica.RackAwareReplicaSelector") != 0
	    || in_rack(c, c->node_id, rack))
		return -1;
	for (uint32_t i = 0; i < p->set->count; i++) {
		const struct core_follower *f = &p->set->other[i];
		if (f->isr && f->end >= offset && f->start <= offset && in_rack(c, f->id, rack)
		    && (best == NULL || better(f, best)))
			best = f;
	}
	rk_assert(best == NULL || best->id != c->node_id);
	return best == NULL ? -1 : best->id;
}
