/* delete_records.c - key 21: the log of a partition begins later from now on. */
#include "protocol/gen/delete_records.h"
#include "src/api/cluster.h"
#include "src/api/handlers.h"
#include "src/core/core.h"

typedef struct kp_delete_records_req_topics topic_in;
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

enum api_fate
api_delete_records(
    struct api_call *c, const struct kp_delete_records_req *q, struct kp_delete_records_res *res)
{
	res->topics.at =
	    rk_arena_get(&c->arena, (size_t)rk_max(q->topics.len, 0) + 1, sizeof *res->topics.at);
	for (int32_t i = 0; i < q->topics.len && res->topics.at != NULL; i++) {
		const topic_in *t = &q->topics.at[i];
		topic_out *o = &res->topics.at[res->topics.len];
		int32_t n = (int32_t)rk_max(t->partitions.len, 0);
		o->name = t->name;
		o->partitions.at = rk_arena_get(&c->arena, (size_t)n + 1, sizeof *o->partitions.at);
		o->partitions.len = o->partitions.at == NULL ? 0 : n;
		for (int32_t k = 0; k < o->partitions.len; k++)
			one(c, t->name, t->partitions.at[k].partition_index,
			    t->partitions.at[k].offset, &o->partitions.at[k]);
		res->topics.len += n > 0; /* Kafka leaves out what has nothing to say */
	}
	return API_NOW;
}
