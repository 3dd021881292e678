/* find_coordinator.c - key 10: which broker coordinates a group or a transactional id (KIP-699: several from
 * version 4).
 *
 * That is the leader of the partition of the internal topic in which the name has its place. When the topic is
 * not there yet it is made, and the client asks again. */
#include "protocol/gen/find_coordinator.h"
#include "src/api/cluster.h"
#include "src/api/group.h"

enum { GROUP = 0, TRANSACTION = 1 };

struct found {
	enum rk_err err;
	int32_t id, port;
	struct rk_str host;
};

static void
find(struct api_call *c, const struct api_brokers *all, struct rk_str key, int8_t type, struct found *f)
{
	struct rk_str topic = type == TRANSACTION ? rk_lit("__transaction_state") : rk_lit("__consumer_offsets");
	struct meta_topic t;
	struct api_part p;

	*f = (struct found){ .err = RK_COORDINATOR_NOT_AVAILABLE, .id = -1, .port = -1, .host = rk_lit("") };
	if (type != GROUP && type != TRANSACTION) {
		f->err = RK_INVALID_REQUEST;
		return;
	}
	if (!meta_topic_named(&c->view, topic, &t) || t.partitions <= 0) {
		if (c->shared->auto_create != NULL)
			c->shared->auto_create(c->shared, topic);
		return;
	}
	if (!api_part_of(c, all, t.id, core_coord_slot(key, t.partitions), false, &p) || p.leader < 0)
		return;
	const struct api_broker *b = api_broker(all, p.leader);
	if (b == NULL || !b->alive || !b->reached)
		return;
	*f = (struct found){ .err = RK_OK, .id = b->id, .port = b->port, .host = b->host };
}

enum api_fate
api_find_coordinator(struct api_call *c, const struct kp_find_coordinator_req *q, struct kp_find_coordinator_res *res)
{
	struct api_brokers all;
	struct found f;
	int8_t type = c->head.version >= 1 ? q->key_type : GROUP;

	if (!api_brokers_of(c, &all))
		return API_CLOSE;
	if (c->head.version < 4) {
		find(c, &all, q->key, type, &f);
		res->error_code = rk_err_wire(f.err);
		res->error_message = f.err == RK_OK ? rk_lit("NONE") : rk_str_of(rk_err_text(f.err));
		res->node_id = f.id;
		res->host = f.host;
		res->port = f.port;
		return API_NOW;
	}
	res->coordinators.at = rk_arena_get(&c->arena, (size_t)rk_max(q->coordinator_keys.len, 0) + 1,
	    sizeof *res->coordinators.at);
	res->coordinators.len = res->coordinators.at == NULL ? 0 : q->coordinator_keys.len;
	for (int32_t i = 0; i < res->coordinators.len; i++) {
		struct kp_find_coordinator_res_coordinators *o = &res->coordinators.at[i];
		find(c, &all, q->coordinator_keys.at[i], type, &f);
		o->key = q->coordinator_keys.at[i];
		o->error_code = rk_err_wire(f.err);
		o->error_message = f.err == RK_INVALID_REQUEST ? rk_str_of(rk_err_text(f.err)) : rk_lit("");
		o->node_id = f.id;
		o->host = f.host;
		o->port = f.port;
	}
	return API_NOW;
}
