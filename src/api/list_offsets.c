/* list_offsets.c - key 2: the offset of a time, or of a landmark of the log. */
#include "protocol/gen/list_offsets.h"
#include "src/api/fold.h"
#include "src/api/handlers.h"
#include "src/core/core.h"

typedef struct kp_list_offsets_req_topics_partitions part_in;
typedef struct kp_list_offsets_res_topics topic_out;
typedef struct kp_list_offsets_res_topics_partitions part_out;

enum {
	LATEST = -1,
	EARLIEST = -2,
	MAX_TIMESTAMP = -3,
	EARLIEST_LOCAL = -4,
	LATEST_TIERED = -5,
	EARLIEST_PENDING = -6
};

static void
fail(part_out *o, enum rk_err err)
{
	o->error_code = rk_err_wire(err);
	o->timestamp = o->offset = -1;
	o->leader_epoch = -1;
}

/* The version from which a special timestamp may be asked; INT16_MAX: there is no such. */
static int16_t
since(int64_t timestamp)
{
	switch (timestamp) {
	case LATEST:
	case EARLIEST:
		return 1;
	case MAX_TIMESTAMP:
		return 7;
	case EARLIEST_LOCAL:
		return 8;
	case LATEST_TIERED:
		return 9;
	case EARLIEST_PENDING:
		return 11;
	default:
		return timestamp < 0 ? INT16_MAX : 1;
	}
}

static void
earliest(struct core_partition *p, struct st_log *log, part_out *o)
{
	o->offset = log == NULL ? 0 : st_log_start(log);
	o->leader_epoch = log == NULL || o->offset == st_log_end(log)
			      ? p->leader_epoch
			      : st_log_epoch_at(log, o->offset);
}

static enum rk_err
by_time(struct st_log *log, int64_t timestamp, int64_t limit, part_out *o)
{
	struct st_stamp s = {.offset = -1, .ms = -1, .epoch = -1};
	enum rk_err err = RK_OK;

	if (log != NULL)
		err = timestamp == MAX_TIMESTAMP ? st_log_find_max_time(log, &s)
						 : st_log_find_time(log, timestamp, limit, &s);
	if (err != RK_OK || s.offset < 0 || s.offset >= limit)
		return err;
	o->offset = s.offset;
	o->timestamp = s.ms;
	o->leader_epoch = s.epoch;
	return RK_OK;
}

static enum rk_err
find(const struct kp_list_offsets_req *q, struct core_partition *p, const part_in *in, part_out *o)
{
	bool committed = q->isolation_level == 1, consumer = q->replica_id == -1;
	struct st_log *log;
	enum rk_err err = q->replica_id >= 0 ? core_check_epoch(p, in->current_leader_epoch)
					     : core_check_leader(p, in->current_leader_epoch);

	if (err == RK_OK)
		err = core_open(p, &log);
	if (err != RK_OK)
		return err;
	int64_t limit = !consumer ? core_end(p) : committed ? core_stable(p) : p->high;
	bool unknown = consumer && core_end_unknown(p);
	switch (in->timestamp) {
	case LATEST:
		if (unknown)
			return RK_OFFSET_NOT_AVAILABLE;
		o->offset = limit;
		o->leader_epoch = p->leader_epoch;
		return RK_OK;
	case EARLIEST:
	case EARLIEST_LOCAL:
		earliest(p, log, o);
		return RK_OK;
	case LATEST_TIERED:
	case EARLIEST_PENDING:
		return RK_OK; /* nothing is tiered here */
	default:
		err = by_time(log, in->timestamp, limit, o);
		return err == RK_OK && o->offset < 0 && unknown ? RK_OFFSET_NOT_AVAILABLE : err;
	}
}

static void
one(struct api_call *c, const struct kp_list_offsets_req *q, const struct api_named *n, part_out *o)
{
	struct core_partition *p;
	const part_in *in = n->in;
	enum rk_err err =
	    core_find(c->shared->core, false, (struct rk_uuid){{0}}, n->topic, n->index, &p);

	o->partition_index = n->index;
	fail(o, RK_OK);
	if (n->times > 1)
		err = RK_INVALID_REQUEST;
	else if (since(in->timestamp) > c->head.version)
		err = RK_UNSUPPORTED_VERSION;
	if (err == RK_OK)
		err = find(q, p, in, o);
	if (err == RK_OFFSET_NOT_AVAILABLE && c->head.version < 5)
		err = RK_LEADER_NOT_AVAILABLE; /* older clients do not know the other */
	if (err != RK_OK)
		fail(o, err);
}

/* Every partition that is named. */
static struct api_named *
named(struct api_call *c, const struct kp_list_offsets_req *q, uint32_t *count)
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

/* An isolation level that does not exist fails the request as it stands. */
static enum api_fate
refuse(struct api_call *c, const struct kp_list_offsets_req *q, struct kp_list_offsets_res *res)
{
	for (int32_t i = 0; i < q->topics.len; i++) {
		topic_out *o = &res->topics.at[res->topics.len++];
		int32_t count = (int32_t)rk_max(q->topics.at[i].partitions.len, 0);
		o->name = q->topics.at[i].name;
		o->partitions.at =
		    rk_arena_get(&c->arena, (size_t)count + 1, sizeof *o->partitions.at);
		o->partitions.len = o->partitions.at == NULL ? 0 : count;
		for (int32_t k = 0; k < o->partitions.len; k++) {
			o->partitions.at[k].partition_index =
			    q->topics.at[i].partitions.at[k].partition_index;
			fail(&o->partitions.at[k], RK_UNKNOWN_SERVER_ERROR);
		}
	}
	return API_NOW;
}

enum api_fate
api_list_offsets(
    struct api_call *c, const struct kp_list_offsets_req *q, struct kp_list_offsets_res *res)
{
	uint32_t count = 0;
	struct api_named *at = named(c, q, &count);

	rk_assert(c->head.version >= 1);
	res->topics.at = rk_arena_get(&c->arena, rk_max(count, (uint32_t)rk_max(q->topics.len, 0)) + 1,
	    sizeof *res->topics.at);
	if (at == NULL || res->topics.at == NULL)
		return API_CLOSE;
	if (q->isolation_level < 0 || q->isolation_level > 1)
		return refuse(c, q, res);
	for (uint32_t i = 0, n; i < count; i += n) {
		topic_out *t = &res->topics.at[res->topics.len++];
		n = api_fold_run(at, i, count);
		t->name = at[i].topic;
		t->partitions.at = rk_arena_get(&c->arena, n, sizeof *t->partitions.at);
		t->partitions.len = t->partitions.at == NULL ? 0 : (int32_t)n;
		for (int32_t k = 0; k < t->partitions.len; k++)
			one(c, q, &at[i + (uint32_t)k], &t->partitions.at[k]);
	}
	return API_NOW;
}
