/* consumer_group_describe.c - key 69: groups of consumers, their members, what those have and are to have (KIP-848). */
#include "protocol/gen/consumer_group_describe.h"
#include "src/api/group.h"

/* Read, delete, describe, describe configs, alter configs: what there is to allow on a group. */
enum { GROUP_OPERATIONS = 3400 };

static bool
one(struct api_call *c, struct api_group_many *m, struct rk_str name, bool operations,
    struct kp_consumer_group_describe_res_groups *o)
{
	struct core_group_asker *a = api_group_next(m);
	struct core_shard *s;
	enum rk_err err = !api_consumer_groups(c) ? RK_UNSUPPORTED_VERSION
	    : name.len <= 0 ? RK_INVALID_GROUP_ID : api_group_shard(c, name, &s);

	o->group_id = name.len < 0 ? rk_lit("") : name;
	o->error_message = RK_STR_NULL;
	o->group_state = o->assignor_name = rk_lit("");
	o->authorized_operations = INT32_MIN;
	o->error_code = rk_err_wire(err);
	if (err != RK_OK)
		return false;
	if (operations)
		o->authorized_operations = GROUP_OPERATIONS;
	if (core_consumer_describe(s, a, name, o))
		api_group_kept(a);
	return true;
}

enum api_fate
api_consumer_group_describe(struct api_call *c, const struct kp_consumer_group_describe_req *q,
    struct kp_consumer_group_describe_res *res)
{
	int32_t n = rk_max(q->group_ids.len, 0);
	struct api_group_many *m = api_group_many(c, n);

	res->groups.at = rk_arena_get(&c->arena, (size_t)n + 1, sizeof *res->groups.at);
	if (m == NULL || res->groups.at == NULL)
		return API_CLOSE;
	res->groups.len = n;
	for (int32_t i = 0; i < n; i++)
		one(c, m, q->group_ids.at[i], q->include_authorized_operations, &res->groups.at[i]);
	return api_group_all(m);
}
