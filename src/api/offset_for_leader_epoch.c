/* offset_for_leader_epoch.c - key 23: where a leader epoch ends, so that a client finds where it
 * diverged. */
#include "protocol/gen/offset_for_leader_epoch.h"
#include "src/api/handlers.h"
#include "src/core/core.h"

typedef struct kp_offset_for_leader_epoch_req_topics topic_in;
typedef struct kp_offset_for_leader_epoch_req_topics_partitions part_in;
typedef struct kp_offset_for_leader_epoch_res_topics_partitions part_out;

static void
one(struct api_call *c, bool broker, struct rk_str topic, const part_in *in, part_out *o)
{
	struct core_partition *p;
	enum rk_err err =
	    core_find(c->shared->core, false, (struct rk_uuid){{0}}, topic, in->partition, &p);

	o->partition = in->partition;
	o->leader_epoch = -1;
	o->end_offset = -1;
	if (err == RK_OK)
		err = broker ? core_check_epoch(p, in->current_leader_epoch)
			     : core_check_leader(p, in->current_leader_epoch);
	o->error_code = rk_err_wire(err);
	if (err == RK_OK)
		core_epoch_end(p, in->leader_epoch, &o->leader_epoch, &o->end_offset);
}

enum api_fate
api_offset_for_leader_epoch(struct api_call *c, const struct kp_offset_for_leader_epoch_req *q,
    struct kp_offset_for_leader_epoch_res *res)
{
	res->topics.at =
	    rk_arena_get(&c->arena, (size_t)rk_max(q->topics.len, 1), sizeof *res->topics.at);
	res->topics.len = res->topics.at == NULL ? 0 : (int32_t)rk_max(q->topics.len, 0);
	for (int32_t i = 0; i < res->topics.len; i++) {
		const topic_in *t = &q->topics.at[i];
		int32_t n = (int32_t)rk_max(t->partitions.len, 0);
		res->topics.at[i].topic = t->topic;
		res->topics.at[i].partitions.at = rk_arena_get(
		    &c->arena, (size_t)rk_max(n, 1), sizeof *res->topics.at[i].partitions.at);
		res->topics.at[i].partitions.len = res->topics.at[i].partitions.at == NULL ? 0 : n;
		for (int32_t k = 0; k < res->topics.at[i].partitions.len; k++)
			one(c, c->head.version >= 3 && q->replica_id >= 0, t->topic,
			    &t->partitions.at[k], &res->topics.at[i].partitions.at[k]);
	}
	return API_NOW;
}
