/* heartbeat.c - key 12: a member says that it lives, and hears whether it is to join again. */
#include "protocol/gen/heartbeat.h"
#include "src/api/group.h"

enum api_fate
api_heartbeat(struct api_call *c, const struct kp_heartbeat_req *q, struct kp_heartbeat_res *res)
{
	struct core_group_asker *a;
	struct core_shard *s;
	enum rk_err err = api_group_ask(c, q->group_id, &s, &a);

	if (err == RK_OK)
		return api_group_fate(c, a, core_group_heartbeat(s, a, q, res));
	res->error_code = rk_err_wire(err);
	return API_NOW;
}
