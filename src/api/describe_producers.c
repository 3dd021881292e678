/* describe_producers.c - key 61: the idempotent and transactional producers a partition knows
 * (KIP-664). Each replica answers for itself: kafka-transactions find-hanging --broker-id asks followers. */
#include "protocol/gen/describe_producers.h"
#include "src/api/handlers.h"
#include "src/core/core.h"

typedef struct kp_describe_producers_res_topics_partitions part_out;
typedef struct kp_describe_producers_res_topics_partitions_active_producers active;

static void
add_producers(struct api_call *c, struct st_log *log, part_out *o)
{
	const struct st_producers *all = st_log_producers(log);
	uint32_t count = st_producers_count(all);
	const struct st_producer *p = NULL;

	o->active_producers.at = rk_arena_get(&c->arena, count + 1, sizeof *o->active_producers.at);
	while (o->active_producers.at != NULL && (p = st_producers_walk(all, p)) != NULL) {
		rk_assert(o->active_producers.len < (int32_t)count);
		active *a = &o->active_producers.at[o->active_producers.len++];
		a->producer_id = p->id;
		a->producer_epoch = p->epoch;
		a->last_sequence = p->count == 0 ? -1 : p->batch[p->count - 1].last_seq;
		a->last_timestamp = p->last_ms;
		a->coordinator_epoch = p->coordinator_epoch;
		a->current_txn_start_offset = p->txn_first;
	}
}

static void
one(struct api_call *c, struct rk_str topic, int32_t index, part_out *o)
{
	struct core_partition *p;
	struct st_log *log = NULL;
	enum rk_err err =
	    core_find(c->shared->core, false, (struct rk_uuid){{0}}, topic, index, &p);

	o->partition_index = index;
	o->error_message = RK_STR_NULL;
	if (err != RK_OK && !meta_topic_name_check(topic, &c->arena, &o->error_message))
		err = RK_INVALID_TOPIC_EXCEPTION;
	else if (err != RK_OK && core_topic_named(c->shared->core, topic) == NULL)
		o->error_message = rk_str_of(rk_err_text(err));
	if (err == RK_OK)
		err = core_open(p, &log);
	o->error_code = rk_err_wire(err);
	if (err == RK_OK && log != NULL)
		add_producers(c, log, o);
}

enum api_fate
api_describe_producers(struct api_call *c, const struct kp_describe_producers_req *q,
    struct kp_describe_producers_res *res)
{
	res->topics.at =
	    rk_arena_get(&c->arena, (size_t)rk_max(q->topics.len, 1), sizeof *res->topics.at);
	res->topics.len = res->topics.at == NULL ? 0 : (int32_t)rk_max(q->topics.len, 0);
	for (int32_t i = 0; i < res->topics.len; i++) {
		int32_t n = (int32_t)rk_max(q->topics.at[i].partition_indexes.len, 0);
		res->topics.at[i].name = q->topics.at[i].name;
		res->topics.at[i].partitions.at = rk_arena_get(
		    &c->arena, (size_t)rk_max(n, 1), sizeof *res->topics.at[i].partitions.at);
		res->topics.at[i].partitions.len = res->topics.at[i].partitions.at == NULL ? 0 : n;
		for (int32_t k = 0; k < res->topics.at[i].partitions.len; k++)
			one(c, q->topics.at[i].name, q->topics.at[i].partition_indexes.at[k],
			    &res->topics.at[i].partitions.at[k]);
	}
	return API_NOW;
}
