/* stray.c - configs of a broker that were brought to another broker: refused there, as the controller that they would
 * be forwarded to takes them for any. A request with one such resource is refused as a whole: clients send each broker
 * its own. */
#include "protocol/gen/alter_configs.h"
#include "protocol/gen/incremental_alter_configs.h"
#include "src/api/api.h"

enum { OF_BROKER = 4, OF_LOGGER = 8 };

static bool
strays(const struct api_call *c, int8_t type, struct rk_str name)
{
	int64_t id;

	return (type == OF_BROKER || type == OF_LOGGER) && name.len > 0 && rk_str_int(name, &id) && id != c->shared->node_id;
}

static void
refuse(struct api_call *c, int16_t *error, struct rk_str *message, struct rk_str name)
{
	*error = rk_err_wire(RK_INVALID_REQUEST);
	*message = rk_arena_print(&c->arena, "Unexpected broker id, expected %" PRId32 ", but received %.*s",
	    c->shared->node_id, name.len, name.at);
}

#define LOOK(q, a)                                                                                         \
	for (int32_t i = 0; i < (q)->resources.len && !found; i++) {                                       \
		found = strays(c, (q)->resources.at[i].resource_type, (q)->resources.at[i].resource_name); \
		odd = (q)->resources.at[i].resource_name;                                                  \
	}                                                                                                  \
	if (!found)                                                                                        \
		return false;                                                                              \
	(a)->responses.at = rk_arena_get(&c->arena, (size_t)(q)->resources.len, sizeof *(a)->responses.at); \
	(a)->responses.len = c->arena.over ? 0 : (q)->resources.len;                                       \
	for (int32_t i = 0; i < (a)->responses.len; i++) {                                                 \
		(a)->responses.at[i].resource_type = (q)->resources.at[i].resource_type;                   \
		(a)->responses.at[i].resource_name = (q)->resources.at[i].resource_name;                   \
		refuse(c, &(a)->responses.at[i].error_code, &(a)->responses.at[i].error_message, odd);     \
	}                                                                                                  \
	return true

static bool
old_way(struct api_call *c, const struct kp_alter_configs_req *q, struct kp_alter_configs_res *a)
{
	struct rk_str odd = RK_STR_NULL;
	bool found = false;

	LOOK(q, a);
}

static bool
new_way(struct api_call *c, const struct kp_incremental_alter_configs_req *q,
    struct kp_incremental_alter_configs_res *a)
{
	struct rk_str odd = RK_STR_NULL;
	bool found = false;

	LOOK(q, a);
}

bool
api_strays(struct api_call *c)
{
	rk_assert(c->req != NULL && c->res != NULL);
	return c->head.key == KP_ALTER_CONFIGS ? old_way(c, c->req, c->res)
	    : c->head.key == KP_INCREMENTAL_ALTER_CONFIGS && new_way(c, c->req, c->res);
}
