/* delete_records.c - key 21: the log of a partition begins later from now on. */
#include "protocol/gen/delete_records.h"
#include "src/api/cluster.h"
#include "src/api/fold.h"
#include "src/api/handlers.h"
#include "src/core/core.h"

typedef struct kp_delete_records_req_topics_partitions part_in;
typedef struct kp_delete_records_res_topics topic_out;
typedef struct kp_delete_records_res_topics_partitions part_out;

static void
one(struct api_call *c, struct rk_str topic, int32_t index, int64_t offset, part_out *o)
{
	struct core_partition *p;
	enum rk_err err =
	    core_find(c->shared->core, false, (struct rk_uuid){{0}}, topic, index, &p);

	o->partition_index = index;
	o->low_watermark = -1;
	if (err == RK_OK && api_internal_topic(topic))
		err = RK_INVALID_TOPIC_EXCEPTION;
	if (err == RK_OK)
		err = core_delete_records(p, offset, &o->low_watermark);
	o->error_code = rk_err_wire(err);
}

/* Every partition that is named, with its offset. */
static struct api_named *
named(struct api_call *c, const struct kp_delete_records_req *q, uint32_t *count)
{
	uint32_t n = 0;

	for (int32_t i = 0; i < q->topics.len; i++)
		n += (uint32_t)rk_max(q->topics.at[i].partitions.len, 0);
	struct api_named *at = rk_arena_get(&c->arena, n + 1, sizeof *at);
	for (int32_t i = 0; i < q->topics.len && at != NULL; i++)
		for (int32_t k = 0; k < q->topics.at[i].partitions.len; k++) {
			const part_in *p = &q->topics.at[i].partitions.at[k];
			at[(*count)++] = (struct api_named){
			    .topic = q->topics.at[i].name, .index = p->partition_index, .in = p};
		}
	*count = api_fold(at, *count);
	return at;
}

enum api_fate
api_delete_records(
    struct api_call *c, const struct kp_delete_records_req *q, struct kp_delete_records_res *res)
{
	uint32_t count = 0;
	struct api_named *at = named(c, q, &count);

	res->topics.at = rk_arena_get(&c->arena, count + 1, sizeof *res->topics.at);
	if (at == NULL || res->topics.at == NULL)
		return API_CLOSE;
	for (uint32_t i = 0, n; i < count; i += n) {
		topic_out *t = &res->topics.at[res->topics.len++];
		n = api_fold_run(at, i, count);
		t->name = at[i].topic;
		t->partitions.at = rk_arena_get(&c->arena, n, sizeof *t->partitions.at);
		t->partitions.len = t->partitions.at == NULL ? 0 : (int32_t)n;
		for (int32_t k = 0; k < t->partitions.len; k++) {
			const part_in *in = at[i + (uint32_t)k].in;
			one(c, t->name, in->partition_index, in->offset, &t->partitions.at[k]);
		}
	}
	return API_NOW;
}
