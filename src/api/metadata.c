/* metadata.c - key 3: who is there, which topics, who leads what. */
#include "protocol/gen/metadata.h"
#include "src/api/cluster.h"
#include "src/api/handlers.h"
#include "src/config.h"
#include "src/core/broker.h"

typedef struct kp_metadata_res_topics topic_out;
typedef struct kp_metadata_res_topics_partitions part_out;

enum { IDS_FROM = 12 };

struct asked {
	struct api_call *c;
	const struct kp_metadata_req *q;
	struct kp_metadata_res *res;
	struct api_brokers brokers;
	int32_t cap;
};

static topic_out *
next(struct asked *a)
{
	struct kp_metadata_res *res = a->res;

	if (res->topics.len == a->cap) {
		int32_t cap = a->cap == 0 ? 16 : a->cap * 2;
		topic_out *to = rk_arena_raw(&a->c->arena, (size_t)cap * sizeof *to);
		if (to == NULL)
			return NULL;
		if (res->topics.len > 0)
			memcpy(to, res->topics.at, (size_t)res->topics.len * sizeof *to);
		res->topics.at = to;
		a->cap = cap;
	}
	topic_out *t = &res->topics.at[res->topics.len++];
	*t = (topic_out){.name = RK_STR_NULL, .topic_authorized_operations = INT32_MIN};
	return t;
}

static void
add_parts(struct asked *a, topic_out *t, int32_t count)
{
	struct api_part p;

	t->partitions.at =
	    rk_arena_get(&a->c->arena, (size_t)rk_max(count, 1), sizeof *t->partitions.at);
	for (int32_t i = 0; i < count && t->partitions.at != NULL; i++) {
		if (!api_part_of(a->c, &a->brokers, t->topic_id, i, a->c->head.version < 6, &p))
			continue;
		part_out *o = &t->partitions.at[t->partitions.len++];
		o->error_code = rk_err_wire(p.err);
		o->partition_index = i;
		o->leader_id = p.leader;
		o->leader_epoch = p.leader_epoch;
		o->replica_nodes.at = p.replicas;
		o->replica_nodes.len = p.replica_count;
		o->isr_nodes.at = p.isr;
		o->isr_nodes.len = p.isr_count;
		o->offline_replicas.at = p.offline;
		o->offline_replicas.len = p.offline_count;
	}
}

static void
add_topic(struct asked *a, const struct meta_topic *m)
{
	topic_out *t = next(a);

	if (t == NULL)
		return;
	t->name = rk_arena_str(&a->c->arena, m->name);
	t->topic_id = m->id;
	t->is_internal = meta_topic_internal(m->name);
	if (a->q->include_topic_authorized_operations)
		t->topic_authorized_operations = API_TOPIC_OPERATIONS;
	add_parts(a, t, m->partitions);
}

static void
add_error(struct asked *a, struct rk_str name, struct rk_uuid id, enum rk_err err)
{
	topic_out *t = next(a);

	if (t == NULL)
		return;
	t->error_code = rk_err_wire(err);
	t->name = name;
	t->topic_id = id;
	t->is_internal = name.len > 0 && meta_topic_internal(name);
	if (a->q->include_topic_authorized_operations && err != RK_UNKNOWN_TOPIC_ID)
		t->topic_authorized_operations = API_TOPIC_OPERATIONS;
}

static void
unknown(struct asked *a, struct rk_str name)
{
	struct rk_str why;
	bool may = a->q->allow_auto_topic_creation && a->c->shared->conf->auto_create_topics_enable;

	if (!meta_topic_name_check(name, &a->c->arena, &why)) {
		add_error(a, name, (struct rk_uuid){{0}}, RK_INVALID_TOPIC_EXCEPTION);
		return;
	}
	if (may && a->c->shared->auto_create != NULL)
		a->c->shared->auto_create(a->c->shared, name);
	add_error(a, name, (struct rk_uuid){{0}}, RK_UNKNOWN_TOPIC_OR_PARTITION);
}

static bool
any_id(const struct asked *a)
{
	for (int32_t i = 0; a->c->head.version >= IDS_FROM && i < a->q->topics.len; i++)
		if (!rk_uuid_zero(a->q->topics.at[i].topic_id))
			return true;
	return false;
}

static void
add_named(struct asked *a)
{
	struct api_names seen = {0};
	struct meta_topic m;
	bool ids = any_id(a); /* then what is only named is left out, as Kafka does */

	for (int32_t i = 0; i < a->q->topics.len; i++) {
		struct rk_uuid id = a->q->topics.at[i].topic_id;
		struct rk_str name = a->q->topics.at[i].name;
		bool by_id = a->c->head.version >= IDS_FROM && !rk_uuid_zero(id);

		if (ids && !by_id)
			continue;

		if (by_id ? api_seen(
			a->c, &seen, (struct rk_str){(char *)a->q->topics.at[i].topic_id.id, 16})
			  : api_seen(a->c, &seen, name))
			continue;
		if (by_id && meta_topic_of(&a->c->view, id, &m))
			add_topic(a, &m);
		else if (by_id)
			add_error(a, RK_STR_NULL, id, RK_UNKNOWN_TOPIC_ID);
		else if (name.len >= 0 && meta_topic_named(&a->c->view, name, &m))
			add_topic(a, &m);
		else if (name.len >= 0)
			unknown(a, name);
	}
}

static void
add_all(struct asked *a)
{
	struct meta_topics it;

	for (bool more = meta_topics_begin(&it, &a->c->view, rk_lit("")); more;
	     more = meta_topics_next(&it))
		add_topic(a, &it.topic);
	meta_topics_end(&it);
}

static void
add_brokers(struct asked *a)
{
	struct kp_metadata_res *res = a->res;

	res->brokers.at = rk_arena_get(&a->c->arena, a->brokers.count + 1, sizeof *res->brokers.at);
	for (uint32_t i = 0; i < a->brokers.count && res->brokers.at != NULL; i++) {
		const struct api_broker *b = &a->brokers.at[i];
		if ((!b->alive && !core_broker_lingers(a->c->shared->core, b->id)) || !b->reached)
			continue;
		res->brokers.at[res->brokers.len].node_id = b->id;
		res->brokers.at[res->brokers.len].host = b->host;
		res->brokers.at[res->brokers.len].port = b->port;
		res->brokers.at[res->brokers.len++].rack = b->rack;
	}
}

/* Versions 10 and 11 have a field for ids that they may not use; later ones need a name or an id.
 */
static enum rk_err
malformed(const struct asked *a)
{
	for (int32_t i = 0; i < a->q->topics.len; i++) {
		bool named = a->q->topics.at[i].name.len >= 0;
		bool has_id = !rk_uuid_zero(a->q->topics.at[i].topic_id);
		if (a->c->head.version < IDS_FROM && (!named || has_id))
			return RK_INVALID_REQUEST;
		if (!named && !has_id)
			return RK_UNKNOWN_SERVER_ERROR;
	}
	return RK_OK;
}

static enum api_fate
refuse(struct asked *a, enum rk_err err)
{
	for (int32_t i = 0; i < a->q->topics.len; i++) {
		struct rk_str name = a->q->topics.at[i].name;
		add_error(a, name.len < 0 ? rk_lit("") : name, a->q->topics.at[i].topic_id, err);
	}
	for (int32_t i = 0; i < a->res->topics.len; i++)
		a->res->topics.at[i].topic_authorized_operations = INT32_MIN;
	a->res->error_code = rk_err_wire(err);
	return API_NOW;
}

enum api_fate
api_metadata(struct api_call *c, const struct kp_metadata_req *q, struct kp_metadata_res *res)
{
	struct asked a = {.c = c, .q = q, .res = res};

	rk_assert(c->view.txn != NULL);
	enum rk_err err = malformed(&a);
	if (err != RK_OK)
		return refuse(&a, err);
	if (!api_brokers_of(c, &a.brokers))
		return API_CLOSE;
	add_brokers(&a);
	res->cluster_id = rk_str_of(c->shared->cluster_id);
	res->controller_id = api_any_broker(c, &a.brokers);
	if (q->topics.len < 0 || (c->head.version == 0 && q->topics.len == 0))
		add_all(&a);
	else
		add_named(&a);
	if (q->include_cluster_authorized_operations)
		res->cluster_authorized_operations = API_CLUSTER_OPERATIONS;
	return API_NOW;
}
