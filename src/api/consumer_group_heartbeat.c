/* consumer_group_heartbeat.c - key 68: a consumer joins, lives, hears what it is to read, leaves (KIP-848). */
#include "protocol/gen/consumer_group_heartbeat.h"
#include "src/api/group.h"

enum api_fate
api_consumer_group_heartbeat(struct api_call *c, const struct kp_consumer_group_heartbeat_req *q,
    struct kp_consumer_group_heartbeat_res *res)
{
	struct core_group_asker *a = api_group_asker(c);
	struct core_shard *s = NULL;
	enum rk_err err = RK_OK;

	if (a == NULL)
		return API_CLOSE;
	if (!api_consumer_groups(c))
		err = RK_UNSUPPORTED_VERSION;
	else if (q->group_id.len > 0) /* the group's coordinator says what is wrong with any other name */
		err = api_group_shard(c, q->group_id, &s);
	else if (q->group_id.len <= 0) {
		res->error_message = rk_lit("GroupId can't be empty.");
		err = RK_INVALID_REQUEST;
	}
	if (err == RK_OK)
		return api_group_fate(c, a, core_consumer_heartbeat(s, a, q, res));
	res->error_code = rk_err_wire(err);
	return API_NOW;
}
