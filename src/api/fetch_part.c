/* fetch_part.c - one partition's answer to a Fetch: see fetch_part.h. */
#include "src/api/fetch_part.h"

typedef struct kp_fetch_res_responses topic_out;
typedef struct kp_fetch_res_responses_partitions part_out;

enum rk_err
api_fetch_place(struct core_partition *p, int64_t offset, int32_t last_epoch, struct api_fetch_place *at)
{
	*at = (struct api_fetch_place){.epoch = -1, .epoch_end = -1};
	if (core_open(p, &at->log) != RK_OK)
		return RK_KAFKA_STORAGE_ERROR;
	at->start = at->log == NULL ? 0 : st_log_start(at->log);
	at->end = at->log == NULL ? 0 : st_log_end(at->log);
	if (last_epoch >= 0) {
		int32_t epoch;
		int64_t end;
		core_epoch_end(p, last_epoch, &epoch, &end);
		if (end < 0 || offset < at->start)
			return RK_OFFSET_OUT_OF_RANGE;
		if (epoch < last_epoch || end < offset) {
			rk_assert(epoch >= 0);
			at->epoch = epoch;
			at->epoch_end = end;
			return RK_OK;
		}
	}
	return offset < at->start || offset > at->end ? RK_OFFSET_OUT_OF_RANGE : RK_OK;
}

void
api_fetch_blank(part_out *o, int32_t index)
{
	*o = (part_out){.partition_index = index};
	o->high_watermark = o->last_stable_offset = o->log_start_offset = -1;
	o->diverging_epoch.epoch = -1;
	o->diverging_epoch.end_offset = -1;
	o->current_leader.leader_id = o->current_leader.leader_epoch = -1;
	o->snapshot_id.end_offset = -1;
	o->snapshot_id.epoch = -1;
	o->preferred_read_replica = -1;
}

enum rk_err
api_fetch_read(struct api_call *c, struct st_log *log, int64_t offset, int64_t limit, int64_t max, bool at_least_one,
    part_out *o)
{
	struct rk_out *out = rk_arena_get(&c->arena, 1, sizeof *out);

	if (out == NULL || offset >= limit || (max <= 0 && !at_least_one))
		return RK_OK;
	rk_out_init(out, &c->arena);
	enum rk_err err = st_log_read(log, offset, limit, (uint32_t)rk_max(max, 0), at_least_one, out);
	rk_assert(err == RK_OK || out->count == 0);
	if (out->bytes > 0)
		o->records.out = out;
	return err;
}

void
api_fetch_leader(const struct api_call *c, const struct core_partition *p, part_out *o)
{
	if (c->head.version < 16 || p == NULL)
		return;
	if (o->error_code == rk_err_wire(RK_NOT_LEADER_OR_FOLLOWER)
	    || o->error_code == rk_err_wire(RK_FENCED_LEADER_EPOCH)) {
		o->current_leader.leader_id = p->leader;
		o->current_leader.leader_epoch = p->leader_epoch;
	}
}

topic_out *
api_fetch_add(struct kp_fetch_res *res, bool ids, struct rk_uuid id, struct rk_str name, part_out *o)
{
	topic_out *t = res->responses.len == 0 ? NULL : &res->responses.at[res->responses.len - 1];

	if (t == NULL || !(ids ? rk_uuid_eq(t->topic_id, id) : rk_str_eq(t->topic, name))) {
		t = &res->responses.at[res->responses.len++];
		t->topic = name;
		t->topic_id = id;
		t->partitions.at = o;
		t->partitions.len = 0;
	}
	t->partitions.len++;
	return t;
}
