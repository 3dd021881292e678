/* describe_client_quotas.c - key 48: no quota can be set yet, so every well-formed question has no match. */
#include "protocol/gen/describe_client_quotas.h"
#include "src/api/handlers.h"

typedef struct kp_describe_client_quotas_req_components component;
enum { EXACT = 0, DEFAULT = 1, SPECIFIED = 2 };

/* What is wrong with how a component wants to match; null: nothing. */
static struct rk_str
odd_match(struct rk_arena *a, const component *c)
{
	if (c->match_type == EXACT && c->match.len < 0)
		return rk_lit("Request specified MATCH_TYPE_EXACT, but set match string to null.");
	if (c->match_type == DEFAULT && c->match.len >= 0)
		return rk_lit("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.");
	if (c->match_type == SPECIFIED && c->match.len >= 0)
		return rk_lit("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.");
	if (c->match_type < EXACT || c->match_type > SPECIFIED)
		return rk_arena_print(a, "Unknown match type %d", c->match_type);
	return RK_STR_NULL;
}

static enum rk_err
look(struct rk_arena *a, const struct kp_describe_client_quotas_req *q, int32_t i, struct rk_str *why)
{
	const component *c = &q->components.at[i];
	struct rk_str type = c->entity_type;

	if (type.len <= 0) {
		*why = rk_lit("Invalid empty entity type.");
		return RK_INVALID_REQUEST;
	}
	for (int32_t k = 0; k < i; k++)
		if (rk_str_eq(q->components.at[k].entity_type, type)) {
			*why = rk_arena_print(a, "Entity type %.*s cannot appear more than once in the filter.",
			    (int)type.len, type.at);
			return RK_INVALID_REQUEST;
		}
	if (!rk_str_is(type, "user") && !rk_str_is(type, "client-id") && !rk_str_is(type, "ip")) {
		*why = rk_arena_print(a, "Unsupported entity type %.*s", (int)type.len, type.at);
		return RK_UNSUPPORTED_VERSION;
	}
	*why = odd_match(a, c);
	return why->len < 0 ? RK_OK : RK_INVALID_REQUEST;
}

static enum rk_err
look_at_all(struct rk_arena *a, const struct kp_describe_client_quotas_req *q, struct rk_str *why)
{
	bool ip = false, other = false;

	for (int32_t i = 0; i < q->components.len; i++) {
		enum rk_err err = look(a, q, i, why);
		if (err != RK_OK)
			return err;
		ip |= rk_str_is(q->components.at[i].entity_type, "ip");
		other |= !rk_str_is(q->components.at[i].entity_type, "ip");
	}
	if (!ip || !other)
		return RK_OK;
	*why = rk_lit("Invalid entity filter component combination. IP filter component should not be used with user or "
	    "clientId filter component.");
	return RK_INVALID_REQUEST;
}

enum api_fate
api_describe_client_quotas(struct api_call *c, const struct kp_describe_client_quotas_req *q,
    struct kp_describe_client_quotas_res *a)
{
	struct rk_str why = rk_lit("");
	enum rk_err err = look_at_all(&c->arena, q, &why);

	a->error_code = rk_err_wire(err);
	a->error_message = err == RK_OK ? rk_lit("") : why;
	a->entries.len = err == RK_OK ? 0 : -1;
	return API_NOW;
}
