/* offset_commit.c - key 8: a consumer's offsets are written down. Topics are named by id from version 10 (KIP-848). */
#include "protocol/gen/offset_commit.h"
#include "src/api/group.h"

typedef struct kp_offset_commit_req_topics topic_in;
typedef struct kp_offset_commit_res_topics topic_out;

/* The topic as the image has it; the request's own struct is completed, for the record has name and id. */
static enum rk_err
resolve(struct api_call *c, topic_in *t, struct meta_topic *m)
{
	if (c->head.version >= 10) {
		if (!meta_topic_of(&c->view, t->topic_id, m))
			return RK_UNKNOWN_TOPIC_ID;
		t->name = rk_arena_str(&c->arena, m->name);
	} else {
		if (!meta_topic_named(&c->view, t->name, m))
			return RK_UNKNOWN_TOPIC_OR_PARTITION;
		t->topic_id = m->id;
	}
	return RK_OK;
}

/* The answer's rows, and the request's beside them. A topic without partitions is answered when it is not there. */
static bool
shape(struct api_call *c, const struct kp_offset_commit_req *q, struct kp_offset_commit_res *res, topic_in *known)
{
	res->topics.len = 0;
	for (int32_t i = 0; i < q->topics.len; i++) {
		topic_out *o = &res->topics.at[res->topics.len];
		topic_in *in = &known[res->topics.len];
		int32_t n = rk_max(q->topics.at[i].partitions.len, 0);
		struct meta_topic m;
		*in = q->topics.at[i];
		enum rk_err err = resolve(c, in, &m);
		if (n == 0 && err == RK_OK)
			continue;
		res->topics.len++;
		o->name = q->topics.at[i].name;
		o->topic_id = q->topics.at[i].topic_id;
		o->partitions.at = rk_arena_get(&c->arena, (size_t)n + 1, sizeof *o->partitions.at);
		if (o->partitions.at == NULL)
			return false;
		o->partitions.len = n;
		for (int32_t k = 0; k < n; k++) {
			int32_t index = in->partitions.at[k].partition_index;
			o->partitions.at[k].partition_index = index;
			o->partitions.at[k].error_code = rk_err_wire(err != RK_OK ? err
			    : index < 0 || index >= m.partitions ? RK_UNKNOWN_TOPIC_OR_PARTITION : RK_OK);
		}
	}
	return true;
}

static enum api_fate
all_refused(struct kp_offset_commit_res *res, enum rk_err err)
{
	for (int32_t i = 0; i < res->topics.len; i++)
		for (int32_t k = 0; k < res->topics.at[i].partitions.len; k++)
			if (res->topics.at[i].partitions.at[k].error_code == 0)
				res->topics.at[i].partitions.at[k].error_code = rk_err_wire(err);
	return API_NOW;
}

enum api_fate
api_offset_commit(struct api_call *c, const struct kp_offset_commit_req *q, struct kp_offset_commit_res *res)
{
	struct core_group_asker *a = api_group_asker(c);
	struct kp_offset_commit_req *known = rk_arena_get(&c->arena, 1, sizeof *known);
	topic_in *topics = rk_arena_get(&c->arena, (size_t)rk_max(q->topics.len, 0) + 1, sizeof *topics);
	struct core_shard *s;

	res->topics.at = rk_arena_get(&c->arena, (size_t)rk_max(q->topics.len, 0) + 1, sizeof *res->topics.at);
	if (a == NULL || known == NULL || topics == NULL || res->topics.at == NULL)
		return API_CLOSE;
	if (!shape(c, q, res, topics))
		return API_CLOSE;
	*known = *q;
	known->topics.at = topics;
	known->topics.len = res->topics.len;
	enum rk_err err = q->group_id.len < 0 ? RK_INVALID_GROUP_ID : api_group_shard(c, q->group_id, &s);
	if (err != RK_OK)
		return all_refused(res, err);
	return api_group_fate(c, a, core_group_commit(s, a, known, NULL, res));
}
