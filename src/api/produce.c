/* produce.c - key 0: batches to the logs, and the wait for their acknowledgement.
 *
 * Batches of a transaction may have to be asked for first (verify.h); the requests behind on the connection wait until
 * they are appended, so that a producer's batches keep their order.
 *
 * The bytes stay in the request's frame: checked, stamped with their offsets there, written once. A
 * request whose acks=all is not met at once waits on its partitions and on one timer. Kafka answers
 * a partition that is named twice once, with the later records: so do we. */
#include "protocol/gen/produce.h"
#include "src/api/handlers.h"
#include "src/api/verify.h"
#include "src/config.h"
#include "src/core/core.h"

typedef struct kp_produce_req_topic_data topic_in;
typedef struct kp_produce_req_topic_data_partition_data part_in;
typedef struct kp_produce_res_responses topic_out;
typedef struct kp_produce_res_responses_partition_responses part_out;
typedef struct kp_produce_res_responses_partition_responses_record_errors record_error;

/* A client's timeout is meant for replicas, of which a single one never makes it wait in Kafka; a
 * disk gets this long at least. */
enum { SYNC_MS = 1000 };

struct produce;
struct part { /* one partition that waits for its acknowledgement */
	struct core_wait wait;
	struct produce *produce;
	struct core_partition *at;
	part_out *out;
};
struct produce {
	struct api_call *call;
	struct rk_timer timer;
	struct part *part;
	uint32_t parts, left; /* left: still waiting */
	struct api_verify verify;
};

static void
fail(part_out *o, enum rk_err err)
{
	o->error_code = rk_err_wire(err);
	o->base_offset = o->log_append_time_ms = o->log_start_offset = -1;
}

static void
finish(struct produce *w)
{
	struct api_call *c = w->call;

	for (uint32_t i = 0; i < w->parts; i++)
		core_unwait(&w->part[i].wait);
	rk_timer_stop(c->shared->timers, &w->timer);
	c->abandon = NULL;
	api_finish(c);
}

static void
acked(struct core_wait *wait, enum rk_err err)
{
	struct part *p = rk_of(wait, struct part, wait);
	struct produce *w = p->produce;

	rk_assert(w->left > 0);
	if (err == RK_OK
	    && p->at->isr < rk_min(p->at->topic->conf->min_insync_replicas, p->at->replicas))
		err = RK_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
	if (err != RK_OK)
		p->out->error_code = rk_err_wire(err);
	if (--w->left == 0)
		finish(w);
}

static void
timed_out(struct rk_timer *timer, int64_t now_ms)
{
	struct produce *w = rk_of(timer, struct produce, timer);

	(void)now_ms;
	for (uint32_t i = 0; i < w->parts; i++)
		if (!rk_list_empty(&w->part[i].wait.link))
			w->part[i].out->error_code = rk_err_wire(RK_REQUEST_TIMED_OUT);
	finish(w);
}

/* The connection is gone: the append goes its way, nobody waits for it. */
static void
abandoned(struct api_call *c)
{
	finish(c->wait);
}

static void
record_errors(struct api_call *c, const struct core_append *a, part_out *o)
{
	record_error *e =
	    a->errors == 0 ? NULL : rk_arena_get(&c->arena, (size_t)a->errors, sizeof *e);

	o->error_message = a->message;
	o->record_errors.at = e;
	o->record_errors.len = e == NULL ? 0 : a->errors;
	for (int32_t i = 0; i < o->record_errors.len; i++) {
		e[i].batch_index = a->error[i].index;
		e[i].batch_index_error_message = rk_str_of(a->error[i].message);
	}
}

/* Who sent what, and why it was refused. That a partition has moved or a disk has failed is not the client's
 * doing, and is said elsewhere. */
static void
say_refused(struct api_call *c, struct rk_str topic, int32_t partition, enum rk_err err, struct rk_str why)
{
	if (err == RK_NOT_LEADER_OR_FOLLOWER || err == RK_UNKNOWN_TOPIC_OR_PARTITION
	    || err == RK_UNKNOWN_TOPIC_ID || err == RK_KAFKA_STORAGE_ERROR
	    || err == RK_NOT_ENOUGH_REPLICAS)
		return;
	rk_say_limited(&c->shared->odd_records, c->now_ms, RK_WARN,
	    "Records from %s (client id %.*s) to %.*s-%d are refused: %s, %s%.*s", c->peer,
	    (int)rk_max(c->head.client_id.len, 0), c->head.client_id.at, (int)rk_max(topic.len, 0), topic.at, partition,
	    rk_err_name(err), why.len > 0 ? "" : rk_err_text(err), (int)rk_max(why.len, 0), why.at);
}

static bool
admin(const struct api_call *c)
{
	return rk_str_is(c->head.client_id, "__admin_client");
}

/* What its verification says against appending the batch. A leadership that went and came back may have missed a
 * marker: the client asks again. */
static enum rk_err
unfit(const struct core_partition *p, const struct api_verdict *v)
{
	if (v == NULL || v->err != RK_OK)
		return v == NULL ? RK_OK : v->err;
	return v->guard != 0 && v->leader_epoch != p->leader_epoch ? RK_NOT_LEADER_OR_FOLLOWER : RK_OK;
}

/* Appends to one partition; NULL: answered, else it waits for p->high to reach *need. v NULL: nothing was asked. */
static struct core_partition *
append(struct api_call *c, const struct kp_produce_req *q, const topic_in *t, const part_in *in,
    const struct api_verdict *v, part_out *o, int64_t *need)
{
	struct core_append a = {.at = in->records.at,
	    .len = in->records.len,
	    .acks = q->acks,
	    .arena = &c->arena,
	    .wall_ms = c->wall_ms,
	    .transactional = q->transactional_id.len >= 0,
	    .adds = api_verify_adds(c->head.version),
	    .guard = v == NULL ? 0 : v->guard,
	    .own = false};
	struct core_partition *p;
	enum rk_err err =
	    core_find(c->shared->core, c->head.version >= 13, t->topic_id, t->name, in->index, &p);

	if (err == RK_OK)
		err = core_only_batch(&a, c->head.version);
	if (err == RK_OK)
		err = unfit(p, v);
	if (err == RK_OK && (q->acks < -1 || q->acks > 1))
		err = RK_INVALID_REQUIRED_ACKS;
	if (err != RK_OK) {
		fail(o, err);
		o->error_message = v == NULL ? RK_STR_NULL : v->message;
		say_refused(c, t->name, in->index, err, RK_STR_NULL);
		if (err == RK_NOT_LEADER_OR_FOLLOWER)
			o->current_leader.leader_id = -1;
		return NULL;
	}
	p->topic->counts.produce_requests++;
	core_counts(c->shared->core)->produce_requests++;
	a.admin = admin(c);
	core_append(p, &a);
	o->error_code = rk_err_wire(a.err);
	o->base_offset = a.base_offset;
	o->log_append_time_ms = a.append_ms;
	o->log_start_offset = a.log_start;
	if (a.err != RK_OK) {
		o->base_offset = -1;
		record_errors(c, &a, o);
		say_refused(c, p->topic->name, in->index, a.err, a.message);
		if (a.err == RK_NOT_LEADER_OR_FOLLOWER) {
			o->current_leader.leader_id = p->leader;
			o->current_leader.leader_epoch = p->leader_epoch;
		}
		return NULL;
	}
	*need = a.need;
	return q->acks == -1 && !core_acked(p, &a) ? p : NULL;
}

/* Kafka looks at the first batch of every partition before anything else: sizes and magics that
 * cannot be fail the request as a whole, and so do transactional records without a transactional
 * id. Null records for a partition that exists make it stumble: then there is no answer at all. */
static enum rk_err
look(struct api_call *c, const struct kp_produce_req *q, bool *null, struct rk_str *message)
{
	struct core_partition *p;

	for (int32_t i = 0; i < q->topic_data.len; i++)
		for (int32_t k = 0; k < q->topic_data.at[i].partition_data.len; k++) {
			const topic_in *t = &q->topic_data.at[i];
			const struct kp_records *r = &t->partition_data.at[k].records;
			if (r->len < 0) {
				if (core_find(c->shared->core, c->head.version >= 13, t->topic_id,
					t->name, t->partition_data.at[k].index, &p)
				    == RK_OK)
					*null = true;
				continue;
			}
			enum rk_err err = core_peek(r->at, r->len, &c->arena, message);
			if (err == RK_CORRUPT_MESSAGE)
				return err;
			if (err == RK_OK && core_transactional(r->at, r->len)
			    && q->transactional_id.len < 0)
				return RK_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
		}
	return RK_OK;
}

static bool
answer_shape(
    struct api_call *c, const struct kp_produce_req *q, struct kp_produce_res *res, uint32_t *parts)
{
	*parts = 0;
	res->responses.at = rk_arena_get(
	    &c->arena, (size_t)rk_max(q->topic_data.len, 1), sizeof *res->responses.at);
	if (res->responses.at == NULL)
		return false;
	res->responses.len = (int32_t)rk_max(q->topic_data.len, 0);
	for (int32_t i = 0; i < res->responses.len; i++) {
		const topic_in *t = &q->topic_data.at[i];
		topic_out *o = &res->responses.at[i];
		o->name = t->name;
		o->topic_id = t->topic_id;
		o->partition_responses.len = (int32_t)rk_max(t->partition_data.len, 0);
		o->partition_responses.at = rk_arena_get(&c->arena,
		    (size_t)rk_max(t->partition_data.len, 1), sizeof *o->partition_responses.at);
		if (o->partition_responses.at == NULL)
			return false;
		for (int32_t k = 0; k < o->partition_responses.len; k++) {
			part_out *p = &o->partition_responses.at[k];
			p->index = t->partition_data.at[k].index;
			p->error_message = RK_STR_NULL;
			p->base_offset = p->log_append_time_ms = p->log_start_offset = -1;
			p->current_leader.leader_id = p->current_leader.leader_epoch = -1;
			++*parts;
		}
	}
	return true;
}

static void
fail_all(struct kp_produce_res *res, enum rk_err err, struct rk_str message)
{
	for (int32_t i = 0; i < res->responses.len; i++)
		for (int32_t k = 0; k < res->responses.at[i].partition_responses.len; k++) {
			fail(&res->responses.at[i].partition_responses.at[k], err);
			res->responses.at[i].partition_responses.at[k].error_message = message;
		}
}

/* Drops all but the last mention of each partition from the request (and the answer's shape). */
static void
drop_repeats(struct api_call *c, const struct kp_produce_req *q)
{
	uint32_t mark = core_mark(c->shared->core);

	for (int32_t i = q->topic_data.len - 1; i >= 0; i--) {
		topic_in *t = &q->topic_data.at[i];
		int32_t kept = t->partition_data.len;
		for (int32_t k = t->partition_data.len - 1; k >= 0; k--) {
			struct core_partition *p;
			if (core_find(c->shared->core, c->head.version >= 13, t->topic_id, t->name,
				t->partition_data.at[k].index, &p)
				!= RK_OK
			    || p->mark != mark) {
				t->partition_data.at[--kept] = t->partition_data.at[k];
				if (p != NULL)
					p->mark = mark;
			}
		}
		t->partition_data.at += kept;
		t->partition_data.len -= kept;
	}
	int32_t to = 0;
	for (int32_t i = 0; i < q->topic_data.len; i++)
		if (q->topic_data.at[i].partition_data.len > 0)
			q->topic_data.at[to++] = q->topic_data.at[i];
	((struct kp_produce_req *)(uintptr_t)q)->topic_data.len = to;
}

/* Begins the wait of what append left open. */
static enum api_fate
wait_for(struct api_call *c, const struct kp_produce_req *q, struct produce *w)
{
	w->call = c;
	w->timer = (struct rk_timer){.at_ms = INT64_MAX, .fire = timed_out};
	c->wait = w;
	c->abandon = abandoned;
	rk_timer_set(c->shared->timers, &w->timer, c->now_ms + rk_max(q->timeout_ms, SYNC_MS));
	for (uint32_t i = 0; i < w->parts; i++) {
		struct part *p = &w->part[i];
		p->produce = w;
		p->wait.wake = acked;
		core_wait_acks(p->at, &p->wait);
	}
	w->left = w->parts;
	return API_LATER;
}

static bool
any_error(const struct kp_produce_res *res)
{
	for (int32_t i = 0; i < res->responses.len; i++)
		for (int32_t k = 0; k < res->responses.at[i].partition_responses.len; k++)
			if (res->responses.at[i].partition_responses.at[k].error_code != 0)
				return true;
	return false;
}

static enum api_fate
append_all(struct api_call *c, const struct kp_produce_req *q, struct kp_produce_res *res, struct produce *w)
{
	int32_t n = 0;

	for (int32_t i = 0; i < q->topic_data.len; i++)
		for (int32_t k = 0; k < q->topic_data.at[i].partition_data.len; k++) {
			part_out *o = &res->responses.at[i].partition_responses.at[k];
			int64_t need = -1;
			const struct api_verdict *v = w->verify.at == NULL ? NULL : &w->verify.at[n++];
			struct core_partition *p = append(c, q, &q->topic_data.at[i],
			    &q->topic_data.at[i].partition_data.at[k], v, o, &need);
			if (p == NULL)
				continue;
			w->part[w->parts].at = p;
			w->part[w->parts].out = o;
			w->part[w->parts++].wait.need = need;
		}
	if (q->acks == 0)
		return any_error(res)
			   ? API_CLOSE
			   : API_SILENT; /* as Kafka tells a client that wants no answers */
	return w->parts == 0 ? API_NOW : wait_for(c, q, w);
}

static void
verified(struct api_verify *v)
{
	struct produce *w = rk_of(v, struct produce, verify);
	struct api_call *c = v->call;

	c->abandon = NULL;
	c->now_ms = rk_now(c->shared->env);
	c->wall_ms = rk_wall(c->shared->env);
	enum api_fate fate = append_all(c, c->req, c->res, w);
	if (fate == API_LATER) {
		api_pass(c);
		return;
	}
	c->fate = fate;
	api_finish(c);
}

/* The connection is gone before anything was appended: nothing will be. */
static void
unasked(struct api_call *c)
{
	struct produce *w = c->wait;

	api_verify_forget(&w->verify);
	c->abandon = NULL;
	c->fate = API_CLOSE;
	api_finish(c);
}

static enum api_fate
refuse(struct api_call *c, const struct kp_produce_req *q, struct kp_produce_res *res, enum rk_err err,
    struct rk_str message)
{
	fail_all(res, err, message);
	if (q->topic_data.len > 0 && q->topic_data.at[0].partition_data.len > 0)
		say_refused(c, q->topic_data.at[0].name, q->topic_data.at[0].partition_data.at[0].index, err, message);
	return q->acks != 0 ? API_NOW : API_CLOSE;
}

enum api_fate
api_produce(struct api_call *c, const struct kp_produce_req *q, struct kp_produce_res *res)
{
	struct rk_str message = RK_STR_NULL;
	bool null = false;
	uint32_t parts;

	rk_assert(c->head.version >= 3);
	enum rk_err err = look(c, q, &null, &message);
	if (err == RK_OK && null)
		return API_SILENT; /* Kafka trips over it and never answers */
	drop_repeats(c, q);
	if (!answer_shape(c, q, res, &parts))
		return API_CLOSE;
	if (err != RK_OK)
		return refuse(c, q, res, err, message);
	struct produce *w = rk_arena_get(&c->arena, 1, sizeof *w);
	if (w == NULL || (w->part = rk_arena_get(&c->arena, rk_max(parts, 1u), sizeof *w->part)) == NULL)
		return API_CLOSE;
	w->verify.done = verified;
	c->wait = w;
	if (api_verify(&w->verify, c, q, &err)) {
		c->first = true;
		c->abandon = unasked;
		return API_LATER;
	}
	if (err != RK_OK)
		return refuse(c, q, res, err, rk_lit("Transactional records contained more than one producer ID"));
	return append_all(c, q, res, w);
}
