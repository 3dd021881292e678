/* sync_group.c - key 14: a member fetches its assignment; the leader brings everybody's. */
#include "protocol/gen/sync_group.h"
#include "src/api/group.h"

enum api_fate
api_sync_group(struct api_call *c, const struct kp_sync_group_req *q, struct kp_sync_group_res *res)
{
	struct core_group_asker *a;
	struct core_shard *s;
	bool mute = c->head.version >= 5 && (q->protocol_type.len < 0 || q->protocol_name.len < 0); /* KIP-559 wants both */
	enum rk_err err = mute ? RK_INCONSISTENT_GROUP_PROTOCOL : api_group_ask(c, q->group_id, &s, &a);

	res->assignment = rk_lit("");
	if (err == RK_OK)
		return api_group_fate(c, a, core_group_sync(s, a, q, res));
	res->error_code = rk_err_wire(err);
	return API_NOW;
}
