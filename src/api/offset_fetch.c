/* offset_fetch.c - key 9: the offsets groups have committed (KIP-709: several groups from version 8). */
#include "protocol/gen/offset_fetch.h"
#include "src/api/group.h"

typedef struct kp_offset_fetch_req_groups group_in;
typedef struct kp_offset_fetch_res_groups group_out;

/* A request of before version 8 is a request for one group. */
static const group_in *
as_group(struct api_call *c, const struct kp_offset_fetch_req *q)
{
	group_in *g = rk_arena_get(&c->arena, 1, sizeof *g);

	if (g == NULL)
		return NULL;
	g->group_id = q->group_id;
	g->member_id = RK_STR_NULL;
	g->member_epoch = -1;
	g->topics.len = q->topics.len;
	if (q->topics.len < 0)
		return g;
	g->topics.at = rk_arena_get(&c->arena, (size_t)q->topics.len + 1, sizeof *g->topics.at);
	for (int32_t i = 0; g->topics.at != NULL && i < q->topics.len; i++) {
		g->topics.at[i].name = q->topics.at[i].name;
		g->topics.at[i].partition_indexes.at = q->topics.at[i].partition_indexes.at;
		g->topics.at[i].partition_indexes.len = q->topics.at[i].partition_indexes.len;
	}
	return g->topics.at == NULL ? NULL : g;
}

/* From version 10 topics have ids: names are found for them; an unknown one is answered with an error of its own. */
static const group_in *
with_names(struct api_call *c, const group_in *q)
{
	group_in *g = rk_arena_get(&c->arena, 1, sizeof *g);
	struct meta_topic m;

	if (g == NULL || c->head.version < 10 || q->topics.len < 0)
		return q;
	*g = *q;
	g->topics.at = rk_arena_get(&c->arena, (size_t)q->topics.len + 1, sizeof *g->topics.at);
	for (int32_t i = 0; g->topics.at != NULL && i < q->topics.len; i++) {
		g->topics.at[i] = q->topics.at[i];
		g->topics.at[i].name = meta_topic_of(&c->view, q->topics.at[i].topic_id, &m) ? rk_arena_str(&c->arena, m.name)
		    : rk_lit("");
	}
	return g->topics.at == NULL ? q : g;
}

/* A single group of an old version is answered through a group of its own, which is flattened when it is there. */
struct old {
	void (*done)(struct core_group_asker *);
	struct api_call *call;
	struct kp_offset_fetch_res *res;
	const group_in *asked;
	group_out group;
};

/* Version 1 has no place for the group's error but its partitions. */
static void
refuse_each(struct old *o)
{
	struct rk_arena *a = &o->call->arena;

	o->group.topics.at = rk_arena_get(a, (size_t)rk_max(o->asked->topics.len, 0) + 1, sizeof *o->group.topics.at);
	o->group.topics.len = o->group.topics.at == NULL ? 0 : rk_max(o->asked->topics.len, 0);
	for (int32_t i = 0; i < o->group.topics.len; i++) {
		struct kp_offset_fetch_res_groups_topics *t = &o->group.topics.at[i];
		int32_t n = rk_max(o->asked->topics.at[i].partition_indexes.len, 0);
		t->name = o->asked->topics.at[i].name;
		t->partitions.at = rk_arena_get(a, (size_t)n + 1, sizeof *t->partitions.at);
		t->partitions.len = t->partitions.at == NULL ? 0 : n;
		for (int32_t k = 0; k < t->partitions.len; k++)
			t->partitions.at[k] = (struct kp_offset_fetch_res_groups_topics_partitions){
				.partition_index = o->asked->topics.at[i].partition_indexes.at[k], .committed_offset = -1,
				.committed_leader_epoch = -1, .metadata = rk_lit(""), .error_code = o->group.error_code };
	}
}

/* Versions before 8 have the one group's answer at the top. */
static void
flatten(struct old *o)
{
	struct api_call *c = o->call;
	struct kp_offset_fetch_res *res = o->res;
	const group_out *g = &o->group;

	if (c->head.version < 2 && g->error_code != 0)
		refuse_each(o);
	res->error_code = g->error_code;
	res->topics.at = rk_arena_get(&c->arena, (size_t)rk_max(g->topics.len, 0) + 1, sizeof *res->topics.at);
	res->topics.len = res->topics.at == NULL ? 0 : rk_max(g->topics.len, 0);
	for (int32_t i = 0; i < res->topics.len; i++) {
		int32_t n = g->topics.at[i].partitions.len;
		res->topics.at[i].name = g->topics.at[i].name;
		res->topics.at[i].partitions.at = rk_arena_get(&c->arena, (size_t)n + 1, sizeof *res->topics.at[i].partitions.at);
		res->topics.at[i].partitions.len = res->topics.at[i].partitions.at == NULL ? 0 : n;
		for (int32_t k = 0; k < res->topics.at[i].partitions.len; k++) {
			const struct kp_offset_fetch_res_groups_topics_partitions *in = &g->topics.at[i].partitions.at[k];
			res->topics.at[i].partitions.at[k] = (struct kp_offset_fetch_res_topics_partitions){ in->partition_index,
				in->committed_offset, in->committed_leader_epoch, in->metadata, in->error_code };
		}
	}
}

static void
unknown_ids(struct api_call *c, group_out *g)
{
	for (int32_t i = 0; c->head.version >= 10 && i < g->topics.len; i++)
		for (int32_t k = 0; g->topics.at[i].name.len == 0 && k < g->topics.at[i].partitions.len; k++)
			g->topics.at[i].partitions.at[k].error_code = rk_err_wire(RK_UNKNOWN_TOPIC_ID);
}

static void
old_done(struct core_group_asker *a)
{
	struct old *o = rk_of(a->res, struct old, group);

	flatten(o);
	o->done(a);
}

static enum api_fate
fetch_old(struct api_call *c, const struct kp_offset_fetch_req *q, struct kp_offset_fetch_res *res)
{
	struct core_group_asker *a = api_group_asker(c);
	struct old *o = rk_arena_get(&c->arena, 1, sizeof *o);
	const group_in *g = as_group(c, q);
	struct core_shard *s;

	if (a == NULL || o == NULL || g == NULL)
		return API_CLOSE;
	enum rk_err err = api_group_shard(c, g->group_id, &s);
	*o = (struct old){ .done = a->done, .call = c, .res = res, .asked = g, .group.error_code = rk_err_wire(err) };
	a->done = old_done;
	if (err == RK_OK && core_group_fetch(s, a, g, q->require_stable, &o->group))
		return api_group_fate(c, a, true);
	flatten(o);
	return API_NOW;
}

enum api_fate
api_offset_fetch(struct api_call *c, const struct kp_offset_fetch_req *q, struct kp_offset_fetch_res *res)
{
	struct api_group_many *m;
	struct core_shard *s;

	if (c->head.version < 8)
		return fetch_old(c, q, res);
	m = api_group_many(c, q->groups.len);
	res->groups.at = rk_arena_get(&c->arena, (size_t)rk_max(q->groups.len, 0) + 1, sizeof *res->groups.at);
	if (m == NULL || res->groups.at == NULL)
		return API_CLOSE;
	res->groups.len = rk_max(q->groups.len, 0);
	for (int32_t i = 0; i < res->groups.len; i++) {
		const group_in *g = with_names(c, &q->groups.at[i]);
		enum rk_err err = api_group_shard(c, g->group_id, &s);
		struct core_group_asker *a = api_group_next(m);
		res->groups.at[i].group_id = q->groups.at[i].group_id;
		res->groups.at[i].error_code = rk_err_wire(err);
		if (err == RK_OK && core_group_fetch(s, a, g, q->require_stable, &res->groups.at[i]))
			api_group_kept(a);
		if (err == RK_OK)
			unknown_ids(c, &res->groups.at[i]);
	}
	return api_group_all(m);
}
