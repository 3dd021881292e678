/* describe_topic_partitions.c - key 75: topics in pages of partitions, with their eligible leaders
 * (KIP-966).
 *
 * Topics come in the order of their names. A page ends after the limit of partitions; the cursor
 * then names the next one. */
#include "protocol/gen/describe_topic_partitions.h"
#include "src/api/cluster.h"
#include "src/api/handlers.h"
#include "src/config.h"

typedef struct kp_describe_topic_partitions_res_topics topic_out;
typedef struct kp_describe_topic_partitions_res_topics_partitions part_out;

struct page {
	struct api_call *c;
	struct kp_describe_topic_partitions_res *res;
	struct api_brokers brokers;
	int32_t left, cap; /* partitions that still fit; topics there is room for */
	bool full;
};

static topic_out *
next(struct page *g)
{
	struct kp_describe_topic_partitions_res *res = g->res;

	if (res->topics.len == g->cap) {
		int32_t cap = g->cap == 0 ? 16 : g->cap * 2;
		topic_out *to = rk_arena_raw(&g->c->arena, (size_t)cap * sizeof *to);
		if (to == NULL)
			return NULL;
		if (res->topics.len > 0)
			memcpy(to, res->topics.at, (size_t)res->topics.len * sizeof *to);
		res->topics.at = to;
		g->cap = cap;
	}
	topic_out *t = &res->topics.at[res->topics.len++];
	*t = (topic_out){.topic_authorized_operations = API_TOPIC_OPERATIONS};
	return t;
}

static void
point_at(struct page *g, struct rk_str topic, int32_t index)
{
	struct kp_describe_topic_partitions_res_next_cursor *cursor =
	    rk_arena_get(&g->c->arena, 1, sizeof *cursor);

	g->full = true;
	if (cursor == NULL)
		return;
	cursor->topic_name = rk_arena_str(&g->c->arena, topic);
	cursor->partition_index = index;
	g->res->next_cursor = cursor;
}

static void
fill(part_out *o, int32_t index, const struct api_part *p)
{
	o->error_code = rk_err_wire(p->err);
	o->partition_index = index;
	o->leader_id = p->leader;
	o->leader_epoch = p->leader_epoch;
	o->replica_nodes.at = p->replicas;
	o->replica_nodes.len = p->replica_count;
	o->isr_nodes.at = p->isr;
	o->isr_nodes.len = p->isr_count;
	o->eligible_leader_replicas.at = p->elr;
	o->eligible_leader_replicas.len = (int32_t)rk_max(0, p->elr_count);
	o->last_known_elr.at = p->last_elr;
	o->last_known_elr.len = (int32_t)rk_max(0, p->last_elr_count);
	o->offline_replicas.at = p->offline;
	o->offline_replicas.len = p->offline_count;
}

static void
add_topic(struct page *g, const struct meta_topic *m, int32_t from)
{
	struct api_part p;

	if (g->left == 0) {
		point_at(g, m->name, from);
		return;
	}
	topic_out *t = next(g);
	if (t == NULL)
		return;
	t->name = rk_arena_str(&g->c->arena, m->name);
	t->topic_id = m->id;
	t->is_internal = meta_topic_internal(m->name);
	int32_t n = (int32_t)rk_min(g->left, rk_max(0, m->partitions - from));
	t->partitions.at =
	    rk_arena_get(&g->c->arena, (size_t)rk_max(n, 1), sizeof *t->partitions.at);
	for (int32_t i = from; i < from + n && t->partitions.at != NULL; i++)
		if (api_part_of(g->c, &g->brokers, m->id, i, false, &p))
			fill(&t->partitions.at[t->partitions.len++], i, &p);
	g->left -= n;
	if (from + n < m->partitions)
		point_at(g, m->name, from + n);
}

static void
add_missing(struct page *g, struct rk_str name)
{
	topic_out *t = next(g);
	struct rk_str why;

	if (t == NULL)
		return;
	t->name = name;
	t->is_internal = meta_topic_internal(name);
	t->error_code = rk_err_wire(meta_topic_name_check(name, &g->c->arena, &why)
					? RK_UNKNOWN_TOPIC_OR_PARTITION
					: RK_INVALID_TOPIC_EXCEPTION);
}

static int
by_name(const void *a, const void *b)
{
	return rk_str_cmp(*(const struct rk_str *)a, *(const struct rk_str *)b);
}

static void
add_named(struct page *g, const struct kp_describe_topic_partitions_req *q)
{
	struct rk_str *name = rk_arena_get(&g->c->arena, (size_t)q->topics.len, sizeof *name);
	struct meta_topic m;

	for (int32_t i = 0; i < q->topics.len && name != NULL; i++)
		name[i] = q->topics.at[i].name;
	if (name == NULL)
		return;
	qsort(name, (size_t)q->topics.len, sizeof *name, by_name);
	for (int32_t i = 0; i < q->topics.len && !g->full; i++) {
		int after = q->cursor == NULL ? 1 : rk_str_cmp(name[i], q->cursor->topic_name);
		if (after < 0 || (i > 0 && rk_str_eq(name[i], name[i - 1])))
			continue;
		if (meta_topic_named(&g->c->view, name[i], &m))
			add_topic(g, &m, after == 0 ? q->cursor->partition_index : 0);
		else
			add_missing(g, name[i]);
	}
}

static void
add_all(struct page *g, const struct kp_describe_topic_partitions_req *q)
{
	struct rk_str from = q->cursor == NULL ? rk_lit("") : q->cursor->topic_name;
	struct meta_topics it;

	for (bool more = meta_topics_begin(&it, &g->c->view, from); more && !g->full;
	     more = meta_topics_next(&it))
		add_topic(g, &it.topic,
		    q->cursor != NULL && rk_str_eq(it.topic.name, from) ? q->cursor->partition_index
									: 0);
	meta_topics_end(&it);
}

/* Does the request ask for this topic (or for all)? */
static bool
names(const struct kp_describe_topic_partitions_req *q, struct rk_str topic)
{
	for (int32_t i = 0; i < q->topics.len; i++)
		if (rk_str_eq(q->topics.at[i].name, topic))
			return true;
	return q->topics.len <= 0;
}

/* A cursor that cannot be, or a topic without a name: every topic is answered with that. */
static enum api_fate
refuse(struct page *g, const struct kp_describe_topic_partitions_req *q, enum rk_err err)
{
	for (int32_t i = 0; i < q->topics.len; i++) {
		topic_out *t = next(g);
		if (t == NULL)
			return API_CLOSE;
		t->name = q->topics.at[i].name;
		t->error_code = rk_err_wire(err);
		t->topic_authorized_operations = INT32_MIN;
	}
	return API_NOW;
}

enum api_fate
api_describe_topic_partitions(struct api_call *c, const struct kp_describe_topic_partitions_req *q,
    struct kp_describe_topic_partitions_res *res)
{
	struct page g = {.c = c, .res = res};

	rk_assert(c->view.txn != NULL);
	if (q->cursor != NULL
	    && (q->cursor->partition_index < 0 || !names(q, q->cursor->topic_name)))
		return refuse(&g, q, RK_INVALID_REQUEST);
	for (int32_t i = 0; i < q->topics.len; i++)
		if (q->topics.at[i].name.len == 0)
			return refuse(&g, q, RK_UNKNOWN_SERVER_ERROR);
	g.left = (int32_t)rk_max(1,
	    rk_min(q->response_partition_limit, c->shared->conf->max_request_partition_size_limit));
	if (!api_brokers_of(c, &g.brokers))
		return API_CLOSE;
	if (q->topics.len > 0)
		add_named(&g, q);
	else
		add_all(&g, q);
	return API_NOW;
}
