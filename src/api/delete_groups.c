/* delete_groups.c - key 42: groups without members are forgotten, with their offsets. */
#include "protocol/gen/delete_groups.h"
#include "src/api/fold.h"
#include "src/api/group.h"

enum api_fate
api_delete_groups(struct api_call *c, const struct kp_delete_groups_req *q, struct kp_delete_groups_res *res)
{
	struct api_group_many *m = api_group_many(c, q->groups_names.len);
	struct api_named *named = rk_arena_get(&c->arena, (size_t)rk_max(q->groups_names.len, 0) + 1, sizeof *named);
	struct core_shard *s;

	res->results.at = rk_arena_get(&c->arena, (size_t)rk_max(q->groups_names.len, 0) + 1, sizeof *res->results.at);
	if (m == NULL || named == NULL || res->results.at == NULL)
		return API_CLOSE;
	for (int32_t i = 0; i < q->groups_names.len; i++)
		named[i] = (struct api_named){ .topic = q->groups_names.at[i] };
	res->results.len = (int32_t)api_fold(named, (uint32_t)rk_max(q->groups_names.len, 0));
	for (int32_t i = 0; i < res->results.len; i++) {
		struct rk_str name = named[i].topic;
		enum rk_err err = name.len < 0 ? RK_INVALID_GROUP_ID : api_group_shard(c, name, &s);
		struct core_group_asker *a = api_group_next(m);
		struct kp_delete_groups_res_results *o = &res->results.at[i];
		o->group_id = name;
		o->error_code = rk_err_wire(err);
		if (err == RK_OK && core_group_delete(s, a, name, o))
			api_group_kept(a);
	}
	return api_group_all(m);
}
