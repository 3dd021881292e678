/* broker_heartbeat.c - key 63: a broker lives, or wants to leave (KIP-631). What the log does not hold, who was
 * heard of when, is kept by src/node's sessions. */
#include "protocol/gen/broker_heartbeat.h"
#include "src/api/handlers.h"

enum api_fate
api_broker_heartbeat(struct api_call *c, const struct kp_broker_heartbeat_req *q, struct kp_broker_heartbeat_res *a)
{
	rk_assert(c->plan != NULL);
	meta_broker_heartbeat(c->plan, c->head.version, q, a);
	if (a->error_code == 0 && c->shared->heartbeat != NULL)
		c->shared->heartbeat(c, q);
	return API_NOW;
}
