/* consumer_group_heartbeat.c - key 68: a consumer joins, lives, hears what it is to read, leaves (KIP-848). */
#include "protocol/gen/consumer_group_heartbeat.h"
#include "src/api/group.h"

enum api_fate
api_consumer_group_heartbeat(struct api_call *c, const struct kp_consumer_group_heartbeat_req *q,
    struct kp_consumer_group_heartbeat_res *res)
{
	struct core_group_asker *a = api_group_asker(c);
	struct core_shard *s = NULL;
	enum rk_err err;

	if (a == NULL)
		return API_CLOSE;
	a->line = rk_hash(c->peer, strlen(c->peer), 0) | 1;
	err = api_consumer_groups(c) ? core_consumer_check(c->shared->core, q, a, &res->error_message)
				     : RK_UNSUPPORTED_VERSION;
	if (err == RK_OK)
		err = api_group_shard(c, q->group_id, &s);
	if (err == RK_OK)
		return api_group_fate(c, a, core_consumer_heartbeat(s, a, q, res));
	res->error_code = rk_err_wire(err);
	return API_NOW;
}
