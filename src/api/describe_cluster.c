/* describe_cluster.c - key 60: the nodes of the cluster (KIP-700, KIP-919, KIP-1073). A broker's
 * listener tells of brokers, a controller's of controllers; who asks for the others has reached the wrong one. */
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

static enum api_fate
controllers(struct api_call *c, struct kp_describe_cluster_res *res)
{
	struct kp_register_controller_record r;
	uint32_t cap = 64; /* a quorum has a few */

	res->endpoint_type = CONTROLLERS;
	res->cluster_id = rk_str_of(c->shared->cluster_id);
	res->controller_id = c->shared->leader_id;
	res->brokers.at = rk_arena_get(&c->arena, cap, sizeof *res->brokers.at);
	for (int64_t id = 0; res->brokers.len < (int32_t)cap && meta_controller_next(&c->view, id, &c->arena, &r);
	     id = (int64_t)r.controller_id + 1) {
		if (r.end_points.len <= 0)
			continue;
		struct kp_describe_cluster_res_brokers *o = &res->brokers.at[res->brokers.len++];
		o->broker_id = r.controller_id;
		o->host = r.end_points.at[0].host;
		o->port = r.end_points.at[0].port;
		o->rack = RK_STR_NULL;
	}
	return c->arena.over ? API_CLOSE : API_NOW;
}

enum api_fate
api_describe_cluster(struct api_call *c, const struct kp_describe_cluster_req *q,
    struct kp_describe_cluster_res *res)
{
	struct api_brokers all;
	int8_t type = c->head.version >= 1 ? q->endpoint_type : BROKERS;

	rk_assert(c->view.txn != NULL);
	if (type != BROKERS && type != CONTROLLERS)
		return refuse(res, RK_UNSUPPORTED_ENDPOINT_TYPE,
		    rk_arena_print(&c->arena, "Unsupported endpoint type %d", type));
	if (type != (c->controller ? CONTROLLERS : BROKERS))
		return refuse(res, RK_MISMATCHED_ENDPOINT_TYPE,
		    c->controller ? rk_lit("The request was sent to an endpoint of type CONTROLLER, but we wanted "
					   "an endpoint of type BROKER")
				  : rk_lit("The request was sent to an endpoint of type BROKER, but we wanted "
					   "an endpoint of type CONTROLLER"));
	if (c->controller)
		return controllers(c, res);
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
