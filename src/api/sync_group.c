/* sync_group.c - key 14: a member fetches its assignment; the leader brings everybody's. */
#include "protocol/gen/sync_group.h"
#include "src/api/group.h"

enum api_fate
api_sync_group(struct api_call *c, const struct kp_sync_group_req *q, struct kp_sync_group_res *res)
{
	struct core_group_asker *a = api_group_asker(c);
	struct core_shard *s;
	enum rk_err err = a == NULL ? RK_UNKNOWN_SERVER_ERROR : api_group_shard(c, q->group_id, &s);

	res->assignment = rk_lit("");
	if (q->group_id.len <= 0)
		err = RK_INVALID_GROUP_ID;
	if (err == RK_OK)
		return api_group_fate(c, a, core_group_sync(s, a, q, res));
	res->error_code = rk_err_wire(err);
	return API_NOW;
}
