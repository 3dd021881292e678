/* list_config_resources.c - key 74: the names of everything that may carry configs (KIP-1142). */
#include "protocol/gen/list_config_resources.h"
#include "src/api/handlers.h"

typedef struct kp_list_config_resources_res_config_resources resource;
enum { TOPIC = 2, BROKER = 4, BROKER_LOGGER = 8, CLIENT_METRICS = 16, GROUP = 32 };

struct list {
	struct api_call *c;
	resource *at;
	uint32_t count, cap;
};

static void
add(struct list *l, int8_t type, struct rk_str name)
{
	if (l->count == l->cap) {
		uint32_t cap = l->cap == 0 ? 16 : l->cap * 2;
		resource *to = rk_arena_raw(&l->c->arena, cap * sizeof *to);
		if (to == NULL)
			return;
		if (l->count > 0)
			memcpy(to, l->at, l->count * sizeof *to);
		l->at = to;
		l->cap = cap;
	}
	l->at[l->count].resource_name = rk_arena_str(&l->c->arena, name);
	l->at[l->count].resource_type = type;
	l->count++;
}

static void
add_topics(struct list *l)
{
	struct meta_topics it;
	bool more = meta_topics_begin(&it, &l->c->view, rk_lit(""));

	for (; more; more = meta_topics_next(&it))
		add(l, TOPIC, it.topic.name);
	meta_topics_end(&it);
}

static void
add_brokers(struct list *l, int8_t type)
{
	struct kp_register_broker_record b;

	for (int64_t id = 0; meta_broker_next(&l->c->view, id, &l->c->arena, &b); id = (int64_t)b.broker_id + 1)
		add(l, type, rk_arena_print(&l->c->arena, "%" PRId32, b.broker_id));
}

static void
add_configured(struct list *l, int8_t type)
{
	struct rk_str name = RK_STR_NULL;

	while (meta_config_resource_next(&l->c->view, type, name, &l->c->arena, &name))
		add(l, type, name);
}

static bool
wants(const struct kp_list_config_resources_req *q, int16_t version, int8_t type)
{
	if (version == 0)
		return type == CLIENT_METRICS;
	for (int32_t i = 0; i < q->resource_types.len; i++)
		if (q->resource_types.at[i] == type)
			return true;
	return q->resource_types.len <= 0;
}

static bool
known(int8_t type)
{
	return type == TOPIC || type == BROKER || type == BROKER_LOGGER || type == CLIENT_METRICS || type == GROUP;
}

enum api_fate
api_list_config_resources(struct api_call *c, const struct kp_list_config_resources_req *q,
    struct kp_list_config_resources_res *a)
{
	struct list l = { .c = c };

	for (int32_t i = 0; c->head.version > 0 && i < q->resource_types.len; i++)
		if (!known(q->resource_types.at[i])) {
			a->error_code = rk_err_wire(RK_UNSUPPORTED_VERSION);
			return API_NOW;
		}
	if (wants(q, c->head.version, GROUP))
		add_configured(&l, GROUP);
	if (wants(q, c->head.version, CLIENT_METRICS))
		add_configured(&l, CLIENT_METRICS);
	if (wants(q, c->head.version, BROKER_LOGGER))
		add_brokers(&l, BROKER_LOGGER);
	if (wants(q, c->head.version, BROKER))
		add_brokers(&l, BROKER);
	if (wants(q, c->head.version, TOPIC))
		add_topics(&l);
	a->config_resources.at = l.at;
	a->config_resources.len = (int32_t)l.count;
	return API_NOW;
}
