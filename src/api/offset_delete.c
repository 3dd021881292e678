/* offset_delete.c - key 47: offsets of topics that a group does not read any more are forgotten (KIP-496). */
#include "protocol/gen/offset_delete.h"
#include "src/api/group.h"

enum api_fate
api_offset_delete(struct api_call *c, const struct kp_offset_delete_req *q, struct kp_offset_delete_res *res)
{
	struct core_group_asker *a = api_group_asker(c);
	struct core_shard *s;
	enum rk_err err = a == NULL ? RK_UNKNOWN_SERVER_ERROR : api_group_shard(c, q->group_id, &s);

	if (err == RK_OK)
		return api_group_fate(c, a, core_group_delete_offsets(s, a, q, res));
	res->error_code = rk_err_wire(err);
	return API_NOW;
}
