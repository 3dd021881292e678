/* describe_groups.c - key 15: classic groups and their members. */
#include "protocol/gen/describe_groups.h"
#include "src/api/group.h"

/* Read, delete, describe, describe configs, alter configs: what there is to allow on a group (KIP-848). */
enum { GROUP_OPERATIONS = 3400 };

enum api_fate
api_describe_groups(struct api_call *c, const struct kp_describe_groups_req *q, struct kp_describe_groups_res *res)
{
	struct core_group_asker *a = api_group_asker(c);
	struct core_shard *s;

	res->groups.at = rk_arena_get(&c->arena, (size_t)rk_max(q->groups.len, 0) + 1, sizeof *res->groups.at);
	if (a == NULL || res->groups.at == NULL)
		return API_CLOSE;
	res->groups.len = rk_max(q->groups.len, 0);
	for (int32_t i = 0; i < res->groups.len; i++) {
		struct kp_describe_groups_res_groups *o = &res->groups.at[i];
		enum rk_err err = q->groups.at[i].len < 0 ? RK_INVALID_GROUP_ID : api_group_shard(c, q->groups.at[i], &s);
		o->group_id = q->groups.at[i];
		o->error_message = RK_STR_NULL;
		o->group_state = o->protocol_type = o->protocol_data = rk_lit("");
		o->authorized_operations = INT32_MIN;
		o->error_code = rk_err_wire(err);
		if (err != RK_OK)
			continue;
		core_group_describe(s, a, q->groups.at[i], o);
		if (q->include_authorized_operations && o->error_code == 0)
			o->authorized_operations = GROUP_OPERATIONS;
	}
	return API_NOW;
}
