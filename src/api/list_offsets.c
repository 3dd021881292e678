/* list_offsets.c - key 2: the offset of a time, or of a landmark of the log. */
#include "protocol/gen/list_offsets.h"
#include "src/api/handlers.h"
#include "src/core/core.h"

typedef struct kp_list_offsets_req_topics_partitions part_in;
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
by_time(struct core_partition *p, struct st_log *log, int64_t timestamp, int64_t limit, part_out *o)
{
	struct st_stamp s = {.offset = -1, .ms = -1, .epoch = -1};
	enum rk_err err = RK_OK;

	(void)p;
	if (log != NULL)
		err = timestamp == MAX_TIMESTAMP ? st_log_find_max_time(log, &s)
						 : st_log_find_time(log, timestamp, limit, &s);
	if (err != RK_OK || s.offset < 0 || (timestamp != MAX_TIMESTAMP && s.offset >= limit))
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
	enum rk_err err = core_check_leader(p, in->current_leader_epoch);

	if (err == RK_OK)
		err = core_open(p, &log);
	if (err != RK_OK)
		return err;
	int64_t limit = !consumer ? core_end(p) : committed ? core_stable(p) : p->high;
	switch (in->timestamp) {
	case LATEST:
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
		return by_time(p, log, in->timestamp, limit, o);
	}
}

static void
one(struct api_call *c, const struct kp_list_offsets_req *q, struct rk_str topic, const part_in *in,
    uint32_t mark, part_out *o)
{
	struct core_partition *p;
	enum rk_err err = core_find(
	    c->shared->core, false, (struct rk_uuid){{0}}, topic, in->partition_index, &p);

	o->partition_index = in->partition_index;
	fail(o, RK_OK);
	if (p != NULL && p->mark == mark && p->mark_at > 1)
		err = RK_INVALID_REQUEST; /* named more than once */
	else if (q->isolation_level < 0 || q->isolation_level > 1)
		err = RK_UNKNOWN_SERVER_ERROR;
	else if (since(in->timestamp) > c->head.version)
		err = RK_UNSUPPORTED_VERSION;
	if (err == RK_OK)
		err = find(q, p, in, o);
	if (err != RK_OK)
		fail(o, err);
}

/* Counts how often each partition is named. */
static uint32_t
count_names(struct api_call *c, const struct kp_list_offsets_req *q)
{
	uint32_t mark = core_mark(c->shared->core);

	for (int32_t i = 0; i < q->topics.len; i++)
		for (int32_t k = 0; k < q->topics.at[i].partitions.len; k++) {
			struct core_partition *p;
			if (core_find(c->shared->core, false, (struct rk_uuid){{0}},
				q->topics.at[i].name,
				q->topics.at[i].partitions.at[k].partition_index, &p)
			    != RK_OK)
				continue;
			p->mark_at = p->mark == mark ? p->mark_at + 1 : 1;
			p->mark = mark;
		}
	return mark;
}

enum api_fate
api_list_offsets(
    struct api_call *c, const struct kp_list_offsets_req *q, struct kp_list_offsets_res *res)
{
	uint32_t mark = count_names(c, q);

	rk_assert(c->head.version >= 1);
	res->topics.at =
	    rk_arena_get(&c->arena, (size_t)rk_max(q->topics.len, 1), sizeof *res->topics.at);
	res->topics.len = res->topics.at == NULL ? 0 : (int32_t)rk_max(q->topics.len, 0);
	for (int32_t i = 0; i < res->topics.len; i++) {
		int32_t n = (int32_t)rk_max(q->topics.at[i].partitions.len, 0);
		res->topics.at[i].name = q->topics.at[i].name;
		res->topics.at[i].partitions.at = rk_arena_get(
		    &c->arena, (size_t)rk_max(n, 1), sizeof *res->topics.at[i].partitions.at);
		if (res->topics.at[i].partitions.at == NULL)
			return API_CLOSE;
		for (int32_t k = 0; k < n; k++) {
			const part_in *in = &q->topics.at[i].partitions.at[k];
			struct core_partition *p;
			part_out *o =
			    &res->topics.at[i].partitions.at[res->topics.at[i].partitions.len];
			if (core_find(c->shared->core, false, (struct rk_uuid){{0}},
				q->topics.at[i].name, in->partition_index, &p)
				== RK_OK
			    && p->mark == mark && p->mark_at == UINT32_MAX)
				continue; /* a repetition: answered once */
			one(c, q, q->topics.at[i].name, in, mark, o);
			res->topics.at[i].partitions.len++;
			if (p != NULL && p->mark == mark && p->mark_at > 1)
				p->mark_at = UINT32_MAX;
		}
	}
	return API_NOW;
}
