/* broker.c - the brokers of the cluster: see broker.h. */
#include "src/core/broker.h"
#include "base/mem.h"
#include "src/core/inside.h"

struct core_broker *
core_broker(const struct core *c, int32_t id)
{
	rk_assert(c->magic == CORE_MAGIC);
	rk_list_each(&c->brokers, m)
	{
		struct core_broker *b = rk_of(m, struct core_broker, link);
		if (b->id == id)
			return b;
	}
	return NULL;
}

bool
core_broker_lingers(const struct core *c, int32_t id)
{
	const struct core_broker *b = core_broker(c, id);

	return b != NULL && b->fenced && (id == c->node_id || rk_now(c->env) < b->lingers_ms);
}

static const char *
between_brokers(const struct conf *f)
{
	for (uint32_t i = 0; i < f->listener_count; i++)
		if (f->listener[i].is_inter_broker)
			return f->listener[i].name;
	return "PLAINTEXT";
}

static void
take_endpoint(struct core *c, struct core_broker *b, const struct kp_register_broker_record *r)
{
	const char *name = between_brokers(c->conf);

	b->reachable = false;
	for (int32_t i = 0; i < r->end_points.len; i++) {
		if (!rk_str_is(r->end_points.at[i].name, name) || r->end_points.at[i].host.len >= (int32_t)sizeof b->host)
			continue;
		rk_str_copy(b->host, sizeof b->host, r->end_points.at[i].host);
		b->port = r->end_points.at[i].port;
		b->reachable = true;
	}
}

static void
drop_rack(struct core_broker *b)
{
	rk_mem_put((char *)(uintptr_t)b->rack.at);
	b->rack = RK_STR_NULL;
}

bool
core_broker_read(struct core *c, const struct meta_view *view, int32_t id)
{
	struct core_broker *b = core_broker(c, id), was = {.epoch = -1};
	struct kp_register_broker_record r;
	struct rk_arena arena;

	rk_arena_init(&arena, 1u << 20);
	bool known = meta_broker(view, id, &arena, &r);
	if (known && b == NULL) {
		b = rk_new(struct core_broker);
		b->id = id;
		b->epoch = -1;
		b->rack = RK_STR_NULL;
		b->fenced = true;
		rk_list_add(&c->brokers, &b->link);
	} else if (b != NULL) {
		was = *b;
	}
	if (known) {
		b->epoch = r.broker_epoch;
		b->active = !r.fenced && !r.in_controlled_shutdown;
		if (r.fenced && !b->fenced)
			b->lingers_ms = rk_now(c->env) + c->conf->broker_session_timeout_ms;
		b->fenced = r.fenced;
		take_endpoint(c, b, &r);
		if (!rk_str_eq(b->rack, r.rack)) {
			drop_rack(b);
			if (r.rack.len >= 0)
				b->rack = (struct rk_str){ rk_mem_str(r.rack.at, (size_t)r.rack.len), r.rack.len };
			core_racks_changed(c);
		}
	}
	bool changed = known ? b->active != was.active || b->epoch != was.epoch || b->port != was.port
				   || b->reachable != was.reachable || strcmp(b->host, was.host) != 0
			     : b != NULL;
	if (!known && b != NULL) {
		if (b->rack.len >= 0)
			core_racks_changed(c);
		drop_rack(b);
		rk_list_del(&b->link);
		rk_mem_put(b);
	}
	rk_arena_free(&arena);
	return changed;
}

void
core_brokers_read(struct core *c, const struct meta_view *view)
{
	struct kp_register_broker_record r;
	struct rk_arena arena;
	int64_t from = 0;

	rk_list_each_safe(&c->brokers, m, n) /* those that are gone */
	    (void)!core_broker_read(c, view, rk_of(m, struct core_broker, link)->id);
	rk_arena_init(&arena, 16u << 20);
	while (meta_broker_next(view, from, &arena, &r)) {
		int32_t id = r.broker_id;
		rk_assert(id >= from);
		rk_arena_reset(&arena);
		(void)!core_broker_read(c, view, id);
		from = (int64_t)id + 1;
	}
	rk_arena_free(&arena);
}

void
core_brokers_free(struct core *c)
{
	while (!rk_list_empty(&c->brokers)) {
		struct core_broker *b = rk_of(c->brokers.next, struct core_broker, link);
		drop_rack(b);
		rk_list_del(&b->link);
		rk_mem_put(b);
	}
}
