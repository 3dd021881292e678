/* describe_cluster.c - key 60: the nodes of the cluster (KIP-700, KIP-919, KIP-1073). A broker
 * tells of brokers; who asks it for controllers has reached the wrong kind of node. */
#include "protocol/gen/describe_cluster.h"
#include "src/api/cluster.h"
#include "src/api/handlers.h"

enum { BROKERS = 1, CONTROLLERS = 2 };

static enum api_fate
refuse(struct kp_describe_cluster_res *res, enum rk_err err, struct rk_str message)
{
	res->error_code = rk_err_wire(err);
	res->error_message = message;
	return API_NOW;
}

enum api_fate
api_describe_cluster(struct api_call *c, const struct kp_describe_cluster_req *q,
    struct kp_describe_cluster_res *res)
{
	struct api_brokers all;
	int8_t type = c->head.version >= 1 ? q->endpoint_type : BROKERS;

	rk_assert(c->view.txn != NULL);
	if (type != BROKERS)
		return type == CONTROLLERS ? refuse(res, RK_MISMATCHED_ENDPOINT_TYPE,
			   rk_lit(
			       "The request was sent to an endpoint of type BROKER, but we wanted "
			       "an endpoint of type CONTROLLER"))
					   : refuse(res, RK_UNSUPPORTED_ENDPOINT_TYPE,
					       rk_arena_print(&c->arena,
						   "Unsupported endpoint type %d", type));
	if (!api_brokers_of(c, &all))
		return API_CLOSE;
	res->brokers.at = rk_arena_get(&c->arena, all.count + 1, sizeof *res->brokers.at);
	for (uint32_t i = 0; i < all.count && res->brokers.at != NULL; i++) {
		const struct api_broker *b = &all.at[i];
		if (!b->reached || !(b->alive || q->include_fenced_brokers))
			continue;
		struct kp_describe_cluster_res_brokers *o = &res->brokers.at[res->brokers.len++];
		o->broker_id = b->id;
		o->host = b->host;
		o->port = b->port;
		o->rack = b->rack;
		o->is_fenced = !b->alive;
	}
	res->cluster_id = rk_str_of(c->shared->cluster_id);
	res->controller_id = api_any_broker(c, &all);
	if (q->include_cluster_authorized_operations)
		res->cluster_authorized_operations = API_CLUSTER_OPERATIONS;
	return API_NOW;
}
