/* delete_records.c - key 21: the log of a partition begins later from now on. */
#include "protocol/gen/delete_records.h"
#include "src/api/fold.h"
#include "src/api/handlers.h"
#include "src/core/replica.h"

typedef struct kp_delete_records_req_topics_partitions part_in;
typedef struct kp_delete_records_res_topics topic_out;
typedef struct kp_delete_records_res_topics_partitions part_out;

struct deletion;
struct part { /* one partition whose followers have not gone so far yet */
	struct core_wait wait;
	struct deletion *deletion;
	struct core_partition *at;
	part_out *out;
};
struct deletion {
	struct api_call *call;
	struct rk_timer timer;
	struct part *part;
	uint32_t parts, left;
};

static void
one(struct deletion *d, struct rk_str topic, int32_t index, int64_t offset, part_out *o)
{
	struct core_partition *p;
	enum rk_err err =
	    core_find(d->call->shared->core, false, (struct rk_uuid){{0}}, topic, index, &p);

	o->partition_index = index;
	o->low_watermark = -1;
	if (err == RK_OK && meta_topic_internal(topic))
		err = RK_INVALID_TOPIC_EXCEPTION;
	int64_t need = err == RK_OK && offset == -1 ? p->high : offset;
	if (err == RK_OK)
		err = core_delete_records(p, offset, &o->low_watermark);
	o->error_code = rk_err_wire(err);
	if (err != RK_OK || p->set == NULL)
		return;
	o->low_watermark = core_set_low(p);
	if (o->low_watermark < need)
		d->part[d->parts++] = (struct part){.wait.need = need, .deletion = d, .at = p, .out = o};
}

static void
finish(struct deletion *d)
{
	struct api_call *c = d->call;

	for (uint32_t i = 0; i < d->parts; i++)
		core_unwait(&d->part[i].wait);
	rk_timer_stop(c->shared->timers, &d->timer);
	c->abandon = NULL;
	api_finish(c);
}

static void
gone_so_far(struct core_wait *w, enum rk_err err)
{
	struct part *p = rk_of(w, struct part, wait);
	struct deletion *d = p->deletion;

	p->out->error_code = rk_err_wire(err);
	p->out->low_watermark = err == RK_OK ? core_set_low(p->at) : -1;
	rk_assert(d->left > 0);
	if (--d->left == 0)
		finish(d);
}

static void
timed_out(struct rk_timer *timer, int64_t now_ms)
{
	struct deletion *d = rk_of(timer, struct deletion, timer);

	(void)now_ms;
	for (uint32_t i = 0; i < d->parts; i++)
		if (!rk_list_empty(&d->part[i].wait.link))
			d->part[i].out->error_code = rk_err_wire(RK_REQUEST_TIMED_OUT);
	finish(d);
}

static void
abandoned(struct api_call *c)
{
	finish(c->wait);
}

static enum api_fate
wait_for(struct deletion *d, int32_t timeout_ms)
{
	struct api_call *c = d->call;

	d->timer = (struct rk_timer){.at_ms = INT64_MAX, .fire = timed_out};
	rk_timer_set(c->shared->timers, &d->timer, c->now_ms + rk_max(timeout_ms, 0));
	c->wait = d;
	c->abandon = abandoned;
	d->left = d->parts;
	for (uint32_t i = 0; i < d->parts; i++) {
		rk_list_init(&d->part[i].wait.link);
		d->part[i].wait.wake = gone_so_far;
		bool waits = core_wait_low(d->part[i].at, &d->part[i].wait);
		rk_assert(waits); /* nothing has moved since it was looked at */
	}
	return API_LATER;
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
	struct deletion *d = rk_arena_get(&c->arena, 1, sizeof *d);

	res->topics.at = rk_arena_get(&c->arena, count + 1, sizeof *res->topics.at);
	if (d != NULL)
		d->part = rk_arena_get(&c->arena, count + 1, sizeof *d->part);
	if (at == NULL || res->topics.at == NULL || d == NULL || d->part == NULL)
		return API_CLOSE;
	d->call = c;
	for (uint32_t i = 0, n; i < count; i += n) {
		topic_out *t = &res->topics.at[res->topics.len++];
		n = api_fold_run(at, i, count);
		t->name = at[i].topic;
		t->partitions.at = rk_arena_get(&c->arena, n, sizeof *t->partitions.at);
		t->partitions.len = t->partitions.at == NULL ? 0 : (int32_t)n;
		for (int32_t k = 0; k < t->partitions.len; k++) {
			const part_in *in = at[i + (uint32_t)k].in;
			one(d, t->name, in->partition_index, in->offset, &t->partitions.at[k]);
		}
	}
	return d->parts > 0 ? wait_for(d, q->timeout_ms) : API_NOW;
}
