/* join_group.c - key 11: a member joins a group, or joins again. */
#include "protocol/gen/join_group.h"
#include "src/api/group.h"

enum api_fate
api_join_group(struct api_call *c, const struct kp_join_group_req *q, struct kp_join_group_res *res)
{
	struct core_group_asker *a;
	struct core_shard *s;
	enum rk_err err = api_group_ask(c, q->group_id, &s, &a);

	res->generation_id = -1;
	res->protocol_name = c->head.version >= 7 ? RK_STR_NULL : rk_lit("");
	res->leader = rk_lit("");
	res->member_id = q->member_id;
	if (err == RK_OK)
		return api_group_fate(c, a, core_group_join(s, a, q, res));
	res->error_code = rk_err_wire(err);
	return API_NOW;
}
