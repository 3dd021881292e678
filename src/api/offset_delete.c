/* offset_delete.c - key 47: offsets of topics that a group does not read any more are forgotten (KIP-496). */
#include "protocol/gen/offset_delete.h"
#include "src/api/group.h"

/* A row for each partition, with an error where the image has none. */
static bool
shape(struct api_call *c, const struct kp_offset_delete_req *q, struct kp_offset_delete_res *res)
{
	res->topics.len = rk_max(q->topics.len, 0);
	res->topics.at = rk_arena_get(&c->arena, (size_t)res->topics.len + 1, sizeof *res->topics.at);
	for (int32_t i = 0; res->topics.at != NULL && i < res->topics.len; i++) {
		struct kp_offset_delete_res_topics *o = &res->topics.at[i];
		struct meta_topic m;
		bool there = meta_topic_named(&c->view, q->topics.at[i].name, &m);
		o->name = q->topics.at[i].name;
		o->partitions.len = rk_max(q->topics.at[i].partitions.len, 0);
		o->partitions.at = rk_arena_get(&c->arena, (size_t)o->partitions.len + 1, sizeof *o->partitions.at);
		if (o->partitions.at == NULL)
			return false;
		for (int32_t k = 0; k < o->partitions.len; k++) {
			int32_t p = q->topics.at[i].partitions.at[k].partition_index;
			bool ok = there && p >= 0 && p < m.partitions;
			o->partitions.at[k].partition_index = p;
			o->partitions.at[k].error_code = rk_err_wire(ok ? RK_OK : RK_UNKNOWN_TOPIC_OR_PARTITION);
		}
	}
	return res->topics.at != NULL;
}

enum api_fate
api_offset_delete(struct api_call *c, const struct kp_offset_delete_req *q, struct kp_offset_delete_res *res)
{
	struct core_group_asker *a = api_group_asker(c);
	struct core_shard *s;

	if (a == NULL || !shape(c, q, res))
		return API_CLOSE;
	enum rk_err err = q->group_id.len <= 0 ? RK_INVALID_GROUP_ID : api_group_shard(c, q->group_id, &s);
	if (err == RK_OK)
		return api_group_fate(c, a, core_group_delete_offsets(s, a, q->group_id, res));
	res->topics.len = 0;
	res->error_code = rk_err_wire(err);
	return API_NOW;
}
