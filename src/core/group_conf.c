/* group_conf.c - what groups have configured for themselves (resource type 32), as far as their coordinator acts on
 * it. */
#include "base/mem.h"
#include "src/config.h"
#include "src/core/group_consumer.h"

enum { GROUP_CONFIGS = 32, ARENA_MAX = 1 << 20 };

struct own { /* of one group */
	struct rk_node node;
	struct rk_str group;
	struct core_group_times times;
};

static struct own *
own_of(const struct core *c, struct rk_str group)
{
	for (struct rk_node *n = rk_map_first(&c->group_confs, rk_hash(group.at, (size_t)rk_max(group.len, 0), 13)); n != NULL;
	     n = rk_map_next(n))
		if (rk_str_eq(rk_of(n, struct own, node)->group, group))
			return rk_of(n, struct own, node);
	return NULL;
}

static void
drop(struct core *c, struct own *o)
{
	rk_map_del(&c->group_confs, &o->node);
	rk_mem_put((char *)(uintptr_t)o->group.at);
	rk_mem_put(o);
}

struct core_group_times
core_group_times(const struct core *c, struct rk_str group)
{
	const struct own *o = c->group_confs.count == 0 ? NULL : own_of(c, group);

	return o != NULL ? o->times
	    : (struct core_group_times){ c->conf->group_consumer_session_timeout_ms,
		c->conf->group_consumer_heartbeat_interval_ms, c->conf->group_consumer_assignment_interval_ms };
}

void
core_group_conf_read(struct core *c, const struct meta_view *view, struct rk_str group)
{
	struct own *o = own_of(c, group);
	struct meta_configs it;
	struct conf_group f;
	bool any = false;

	conf_group_defaults(c->conf, &f);
	for (bool more = meta_configs_begin(&it, view, GROUP_CONFIGS, group); more; more = meta_configs_next(&it))
		any |= conf_group_apply(c->conf, &f, it.name, it.value) == RK_OK;
	meta_configs_end(&it);
	if (!any && o != NULL)
		drop(c, o);
	if (!any)
		return;
	if (o == NULL) {
		o = rk_new(struct own);
		o->group = (struct rk_str){ rk_mem_str(group.at, (size_t)group.len), group.len };
		rk_map_add(&c->group_confs, &o->node, rk_hash(group.at, (size_t)group.len, 13));
	}
	o->times = (struct core_group_times){ f.consumer_session_timeout_ms, f.consumer_heartbeat_interval_ms,
		f.consumer_assignment_interval_ms };
}

void
core_group_confs_free(struct core *c)
{
	while (c->group_confs.count > 0)
		drop(c, rk_of(rk_map_walk(&c->group_confs, NULL), struct own, node));
	rk_map_free(&c->group_confs);
}

void
core_group_confs_read(struct core *c, const struct meta_view *view)
{
	struct rk_str name = RK_STR_NULL;
	struct rk_arena a;

	core_group_confs_free(c);
	rk_arena_init(&a, ARENA_MAX);
	while (meta_config_resource_next(view, GROUP_CONFIGS, name, &a, &name))
		core_group_conf_read(c, view, name);
	rk_arena_free(&a);
}
