/* leave_group.c - key 13: members leave (from version 3 several, and by their instance: KIP-345). */
#include "protocol/gen/leave_group.h"
#include "src/api/group.h"

enum api_fate
api_leave_group(struct api_call *c, const struct kp_leave_group_req *q, struct kp_leave_group_res *res)
{
	struct core_group_asker *a;
	struct core_shard *s;
	enum rk_err err = api_group_ask(c, q->group_id, &s, &a);

	if (err == RK_OK)
		return api_group_fate(c, a, core_group_leave(s, a, q, res));
	res->error_code = rk_err_wire(err);
	return API_NOW;
}
