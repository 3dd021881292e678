/* describe_client_quotas.c - key 48: no quota can be set yet, so every well-formed question has no match. */
#include "protocol/gen/describe_client_quotas.h"
#include "src/api/handlers.h"

typedef struct kp_describe_client_quotas_req_components component;
enum { EXACT = 0, DEFAULT = 1, ANY = 2 };

static enum rk_err
look(const struct kp_describe_client_quotas_req *q, int32_t i, const char **why)
{
	const component *c = &q->components.at[i];

	if (!rk_str_is(c->entity_type, "user") && !rk_str_is(c->entity_type, "client-id")
	    && !rk_str_is(c->entity_type, "ip"))
		return *why = "Custom entity type '%.*s' not supported", RK_UNSUPPORTED_VERSION;
	for (int32_t k = 0; k < i; k++)
		if (rk_str_eq(q->components.at[k].entity_type, c->entity_type))
			return *why = "Entity type %.*s cannot appear more than once in the filter.", RK_INVALID_REQUEST;
	if (c->match_type < EXACT || c->match_type > ANY)
		return *why = "Unknown match type for entity type %.*s", RK_INVALID_REQUEST;
	if (c->match_type == EXACT && c->match.len < 0)
		return *why = "Request specified MATCH_TYPE_EXACT, but set the match field to null for %.*s.", RK_INVALID_REQUEST;
	if (c->match_type != EXACT && c->match.len >= 0)
		return *why = "Request specified a match for %.*s, but also a match type without one.", RK_INVALID_REQUEST;
	return RK_OK;
}

enum api_fate
api_describe_client_quotas(struct api_call *c, const struct kp_describe_client_quotas_req *q,
    struct kp_describe_client_quotas_res *a)
{
	const char *why = NULL;
	bool ip = false, other = false;

	for (int32_t i = 0; i < q->components.len; i++) {
		struct rk_str type = q->components.at[i].entity_type;
		enum rk_err e = look(q, i, &why);
		if (e != RK_OK) {
			a->error_code = rk_err_wire(e);
			a->error_message = rk_arena_print(&c->arena, why, (int)rk_max(type.len, 0), type.at);
			a->entries.len = -1;
			return API_NOW;
		}
		ip |= rk_str_is(type, "ip");
		other |= !rk_str_is(type, "ip");
	}
	if (ip && other) {
		a->error_code = rk_err_wire(RK_INVALID_REQUEST);
		a->error_message = rk_lit("Invalid entity filter component: IP filter component should not be used with "
		    "user or client-id.");
		a->entries.len = -1;
		return API_NOW;
	}
	a->entries.len = 0;
	return API_NOW;
}
