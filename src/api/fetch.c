/* fetch.c - key 1: records from the logs, now or when there are some.
 *
 * A request becomes a list of wants (its own partitions, or those of its session). They are looked
 * at once: an error, enough bytes, or no wish to wait, and the answer is read; else the fetch waits
 * on every partition and on one timer, and is looked at again when a partition has moved. Records
 * are never read here: an answer names ranges of files. */
#include "src/api/fetch_part.h"
#include "src/api/fetch_replica.h"
#include "src/api/handlers.h"
#include "src/config.h"
#include "src/core/core.h"
#include "src/core/session.h"

typedef struct kp_fetch_req_topics_partitions part_in;
typedef struct kp_fetch_res_responses topic_out;
typedef struct kp_fetch_res_responses_partitions part_out;

struct fetch;
struct want { /* one partition that is fetched */
	struct core_wait wait;
	struct fetch *fetch;
	struct core_partition *at; /* NULL: err says why */
	struct rk_uuid id;
	struct rk_str name;
	int64_t offset, have; /* have: bytes that could be read, as last looked at */
	int32_t index, max_bytes, leader_epoch, last_epoch;
	enum rk_err err;
	struct core_session_part *cached;
};
struct fetch {
	struct api_call *call;
	struct rk_timer timer;
	struct want *want;
	uint32_t wants, cap, mark;
	int32_t min_bytes, max_bytes;
	int64_t have; /* sum over the wants */
	bool committed, incremental;
	bool anywhere;       /* a follower may answer, or a nearer replica be named (version 11, KIP-392) */
	struct rk_str rack;  /* where the consumer is */
	struct core_session *session; /* held; NULL: none */
};

/* --- what is wanted */
static bool
add_want(struct fetch *f, struct rk_uuid id, struct rk_str name, const part_in *in,
    struct core_session_part *cached)
{
	struct api_call *c = f->call;
	struct core_partition *p;
	enum rk_err err =
	    core_find(c->shared->core, c->head.version >= 13, id, name, in->partition, &p);
	struct want *w;

	if (p != NULL && p->mark == f->mark) { /* named again: the later mention counts */
		w = &f->want[p->mark_at];
	} else {
		if (f->wants == f->cap)
			return false;
		w = &f->want[f->wants++];
		rk_list_init(&w->wait.link);
	}
	if (p != NULL) {
		p->mark = f->mark;
		p->mark_at = (uint32_t)(w - f->want);
		p->topic->counts.fetch_requests++;
	}
	w->fetch = f;
	w->at = p;
	w->id = id;
	w->name = name;
	w->index = in->partition;
	w->offset = in->fetch_offset;
	w->max_bytes = in->partition_max_bytes;
	w->leader_epoch = (int32_t)rk_max(in->current_leader_epoch, -1);
	w->last_epoch = in->last_fetched_epoch;
	w->err = err;
	w->cached = cached;
	return true;
}

static bool
room_for(struct fetch *f, uint32_t cap)
{
	f->cap = cap;
	f->want = rk_arena_get(&f->call->arena, cap > 0 ? cap : 1, sizeof *f->want);
	return f->want != NULL;
}

static uint32_t
named(const struct kp_fetch_req *q)
{
	uint32_t n = 0;

	for (int32_t i = 0; i < q->topics.len; i++)
		n += (uint32_t)rk_max(q->topics.at[i].partitions.len, 0);
	return n;
}

/* The request's own partitions, with or without a new session behind them. */
static bool
want_request(struct fetch *f, const struct kp_fetch_req *q, struct core_session *s)
{
	struct core *core = f->call->shared->core;

	if (!room_for(f, named(q)))
		return false;
	for (int32_t i = 0; i < q->topics.len; i++)
		for (int32_t k = 0; k < q->topics.at[i].partitions.len; k++) {
			const part_in *in = &q->topics.at[i].partitions.at[k];
			struct core_session_part *cached =
			    s == NULL ? NULL
				      : core_session_put(core, s, q->topics.at[i].topic_id,
					  q->topics.at[i].topic, in->partition);
			if (!add_want(
				f, q->topics.at[i].topic_id, q->topics.at[i].topic, in, cached))
				return false;
		}
	return true;
}

static void
note(struct core_session_part *p, const part_in *in)
{
	p->fetch_offset = in->fetch_offset;
	p->max_bytes = in->partition_max_bytes;
	p->leader_epoch = in->current_leader_epoch;
	p->last_epoch = in->last_fetched_epoch;
}

/* Takes the request's changes into its session. */
static void
update(struct core *core, struct core_session *s, const struct kp_fetch_req *q)
{
	for (int32_t i = 0; i < q->topics.len; i++)
		for (int32_t k = 0; k < q->topics.at[i].partitions.len; k++) {
			const part_in *in = &q->topics.at[i].partitions.at[k];
			note(core_session_put(core, s, q->topics.at[i].topic_id,
				 q->topics.at[i].topic, in->partition),
			    in);
		}
	for (int32_t i = 0; i < q->forgotten_topics_data.len; i++)
		for (int32_t k = 0; k < q->forgotten_topics_data.at[i].partitions.len; k++) {
			struct core_session_part *p =
			    core_session_find(s, q->forgotten_topics_data.at[i].topic_id,
				q->forgotten_topics_data.at[i].topic,
				q->forgotten_topics_data.at[i].partitions.at[k]);
			if (p != NULL)
				core_session_forget(core, s, p);
		}
}

static bool
want_session(struct fetch *f, struct core_session *s)
{
	if (!room_for(f, s->count))
		return false;
	rk_list_each(&s->order, m)
	{
		struct core_session_part *p = rk_of(m, struct core_session_part, order);
		part_in in = {.partition = p->index,
		    .fetch_offset = p->fetch_offset,
		    .partition_max_bytes = p->max_bytes,
		    .current_leader_epoch = p->leader_epoch,
		    .last_fetched_epoch = p->last_epoch};
		if (!add_want(f, p->id, p->name, &in, p))
			return false;
	}
	return true;
}

static void
keep(struct fetch *f, struct core_session *s, struct kp_fetch_res *res)
{
	core_session_hold(s);
	f->session = s;
	res->session_id = s->id;
}

/* A full request: the session it names ends, a new one begins when it may and there is room. */
static bool
full(struct fetch *f, const struct kp_fetch_req *q, struct kp_fetch_res *res)
{
	struct api_call *c = f->call;
	struct core *core = c->shared->core;
	struct core_session *old =
	    q->session_id == 0 ? NULL : core_session_get(core, q->session_id);

	if (old != NULL)
		core_session_remove(core, old);
	struct core_session *s =
	    q->session_epoch != 0
		? NULL
		: core_session_new(core, c->head.version >= 13, named(q), c->now_ms);
	if (s != NULL) {
		keep(f, s, res);
		update(core, s, q);
	}
	return want_request(f, q, s);
}

/* An increment; an error when there is no such session, or it stands elsewhere. */
static enum rk_err
increment(struct fetch *f, const struct kp_fetch_req *q, struct kp_fetch_res *res, bool *fits)
{
	struct api_call *c = f->call;
	struct core *core = c->shared->core;
	struct core_session *s = core_session_get(core, q->session_id);

	if (s == NULL)
		return RK_FETCH_SESSION_ID_NOT_FOUND;
	if (s->ids != (c->head.version >= 13))
		return RK_FETCH_SESSION_TOPIC_ID_ERROR;
	if (s->epoch != q->session_epoch)
		return RK_INVALID_FETCH_SESSION_EPOCH;
	update(core, s, q);
	if (s->count == 0) { /* nothing left in it: it ends here */
		core_session_remove(core, s);
		*fits = want_request(f, q, NULL);
		return RK_OK;
	}
	core_session_touch(core, s, c->now_ms);
	s->epoch = core_session_next(s->epoch);
	f->incremental = true;
	keep(f, s, res);
	*fits = want_session(f, s);
	return RK_OK;
}

/* --- looking: is there something to say? */
/* Kafka's checks of one want that need no reading. */
static enum rk_err
judge(struct want *w, struct api_fetch_place *at)
{
	struct core_partition *p = w->at;

	*at = (struct api_fetch_place){.epoch = -1, .epoch_end = -1};
	if (p == NULL)
		return w->err;
	enum rk_err err = w->fetch->anywhere ? core_check_replica(p, w->leader_epoch) : core_check_leader(p, w->leader_epoch);
	return err != RK_OK ? err : api_fetch_place(p, w->offset, w->last_epoch, at);
}

/* The replica that the consumer should ask instead; -1: this one. */
static int32_t
nearer(const struct fetch *f, const struct want *w)
{
	return f->anywhere ? core_nearest(w->at, f->rack, w->offset) : -1;
}

static int64_t
limit_of(const struct fetch *f, struct core_partition *p)
{
	return f->committed ? core_stable(p) : p->high;
}

/* Looks at one want: true when the answer must leave now because of it; else w->have is what it
 * could give. */
static bool
look(struct fetch *f, struct want *w)
{
	struct api_fetch_place at;

	f->have -= w->have;
	w->have = 0;
	if (judge(w, &at) != RK_OK || at.epoch >= 0
	    || rk_min(w->max_bytes, f->max_bytes) < 0 || nearer(f, w) >= 0)
		return true;
	int64_t limit = limit_of(f, w->at);
	if (at.log == NULL || w->offset >= limit)
		return false;
	w->have = f->min_bytes <= 1
		      ? 1
		      : rk_min(st_log_bytes_between(at.log, w->offset, limit), w->max_bytes);
	f->have += w->have;
	return false;
}

/* --- answering */
static void
add_aborted(struct fetch *f, struct want *w, struct st_log *log, int64_t limit, part_out *o)
{
	struct st_aborted *at = NULL;
	uint32_t count = 0;

	o->aborted_transactions.len = 0;
	if (o->records.out == NULL
	    || st_log_aborted(log, w->offset, limit, &f->call->arena, &at, &count) != RK_OK
	    || count == 0)
		return;
	o->aborted_transactions.at =
	    rk_arena_get(&f->call->arena, count, sizeof *o->aborted_transactions.at);
	o->aborted_transactions.len = o->aborted_transactions.at == NULL ? 0 : (int32_t)count;
	for (int32_t i = 0; i < o->aborted_transactions.len; i++) {
		o->aborted_transactions.at[i].producer_id = at[i].producer_id;
		o->aborted_transactions.at[i].first_offset = at[i].first;
	}
}

static void
answer_one(struct fetch *f, struct want *w, int64_t *budget, bool *at_least_one, part_out *o)
{
	struct api_fetch_place at;
	enum rk_err err = judge(w, &at);

	api_fetch_blank(o, w->index);
	o->aborted_transactions.len = w->at == NULL ? 0 : -1;
	if (err == RK_OK && rk_min(w->max_bytes, *budget) < 0)
		err = RK_UNKNOWN_SERVER_ERROR;
	int64_t stable = err == RK_OK ? core_stable(w->at) : -1, limit = f->committed ? stable
									 : err == RK_OK
									     ? w->at->high
									     : -1;
	o->preferred_read_replica = err == RK_OK && at.epoch < 0 ? nearer(f, w) : -1;
	if (err == RK_OK && at.log != NULL && at.epoch < 0 && o->preferred_read_replica < 0)
		err = api_fetch_read(f->call, at.log, w->offset, limit, rk_min(w->max_bytes, *budget), *at_least_one, o);
	o->error_code = rk_err_wire(err);
	if (err != RK_OK) {
		api_fetch_leader(f->call, w->at, o);
		if (w->at != NULL)
			w->at->topic->counts.failed_fetch++;
		return;
	}
	o->high_watermark = w->at->high;
	o->last_stable_offset = stable;
	o->log_start_offset = at.start;
	o->diverging_epoch.epoch = at.epoch;
	o->diverging_epoch.end_offset = at.epoch_end;
	if (f->committed)
		add_aborted(f, w, at.log, limit, o);
	int64_t bytes = o->records.out == NULL ? 0 : (int64_t)o->records.out->bytes;
	*budget = rk_max(0, *budget - bytes);
	*at_least_one = *at_least_one && bytes == 0;
	w->at->topic->counts.bytes_out += (uint64_t)bytes;
	core_counts(f->call->shared->core)->bytes_out += (uint64_t)bytes;
}

/* Must an incremental answer tell of this partition? The session then knows what was told. */
static bool
is_news(struct fetch *f, struct want *w, const part_out *o)
{
	struct core_session_part *p = w->cached;
	bool news = o->records.out != NULL || o->error_code != 0 || o->diverging_epoch.epoch >= 0
		    || o->preferred_read_replica >= 0;

	if (p == NULL)
		return true;
	if (p->high != o->high_watermark || p->log_start != o->log_start_offset)
		news = true;
	p->high =
	    o->error_code != 0 ? -1 : o->high_watermark; /* told again when the error is gone */
	p->log_start = o->log_start_offset;
	if (o->records.out != NULL) { /* served: to the end of the line */
		rk_list_del(&p->order);
		rk_list_add(&f->session->order, &p->order);
	}
	return news || !f->incremental;
}

/* Fills in the answer: partitions in the order of the wants, neighbours of one topic together. */
static void
answer(struct fetch *f, struct kp_fetch_res *res)
{
	struct api_call *c = f->call;
	int64_t budget = f->max_bytes;
	bool at_least_one = true;
	part_out *parts = rk_arena_get(&c->arena, f->wants + 1, sizeof *parts);

	res->responses.len = 0;
	res->responses.at = rk_arena_get(&c->arena, f->wants + 1, sizeof *res->responses.at);
	if (parts == NULL || res->responses.at == NULL)
		return; /* the arena is over; the node closes the connection and says so */
	for (uint32_t i = 0; i < f->wants; i++) {
		struct want *w = &f->want[i];
		part_out *o = parts;
		answer_one(f, w, &budget, &at_least_one, o);
		if (!is_news(f, w, o))
			continue;
		(void)api_fetch_add(res, c->head.version >= 13, w->id, w->name, o);
		parts++;
	}
}

static void
release(struct fetch *f)
{
	if (f->session != NULL)
		core_session_drop(f->session);
	f->session = NULL;
}

/* --- waiting */
static void
finish(struct fetch *f)
{
	struct api_call *c = f->call;

	for (uint32_t i = 0; i < f->wants; i++)
		core_unwait(&f->want[i].wait);
	rk_timer_stop(c->shared->timers, &f->timer);
	c->abandon = NULL;
	if (!c->gone)
		answer(f, c->res);
	/* Names of a session's topics are the session's: it stays until the answer is encoded. */
	struct core_session *s = f->session;
	api_finish(c);
	if (s != NULL)
		core_session_drop(s);
}

static void
timed_out(struct rk_timer *timer, int64_t now_ms)
{
	(void)now_ms;
	finish(rk_of(timer, struct fetch, timer));
}

static void
abandoned(struct api_call *c)
{
	finish(c->wait);
}

static void
moved(struct core_wait *wait, enum rk_err err)
{
	struct want *w = rk_of(wait, struct want, wait);
	struct fetch *f = w->fetch;

	if (err == RK_UNKNOWN_TOPIC_OR_PARTITION) { /* the partition goes away now */
		w->at = NULL;
		w->err = f->call->head.version >= 13 ? RK_UNKNOWN_TOPIC_ID : err;
	}
	if (look(f, w) || f->have >= f->min_bytes || core_stopping(f->call->shared->core))
		finish(f);
	else
		core_wait_fetch(w->at, &w->wait);
}

static enum api_fate
wait_for(struct fetch *f, int32_t max_wait_ms)
{
	struct api_call *c = f->call;

	f->timer = (struct rk_timer){.at_ms = INT64_MAX, .fire = timed_out};
	rk_timer_set(c->shared->timers, &f->timer, c->now_ms + max_wait_ms);
	c->wait = f;
	c->abandon = abandoned;
	for (uint32_t i = 0; i < f->wants; i++) {
		struct want *w = &f->want[i];
		rk_assert(w->at != NULL);
		w->wait.wake = moved;
		core_wait_fetch(w->at, &w->wait);
	}
	return API_LATER;
}

/* The request fails as it stands: every partition it lists up to version 12, the request as a whole from 7 on. */
static enum api_fate
refuse(struct fetch *f, const struct kp_fetch_req *q, struct kp_fetch_res *res, enum rk_err err)
{
	struct rk_arena *a = &f->call->arena;
	int32_t topics = f->call->head.version >= 13 ? 0 : (int32_t)rk_max(q->topics.len, 0);

	release(f);
	res->error_code = rk_err_wire(err);
	res->session_id = q->session_id;
	res->responses.at = rk_arena_get(a, (size_t)topics + 1, sizeof *res->responses.at);
	for (int32_t i = 0; i < topics && res->responses.at != NULL; i++) {
		topic_out *t = &res->responses.at[res->responses.len++];
		int32_t count = (int32_t)rk_max(q->topics.at[i].partitions.len, 0);
		t->topic = q->topics.at[i].topic;
		t->partitions.at = rk_arena_get(a, (size_t)count + 1, sizeof *t->partitions.at);
		t->partitions.len = t->partitions.at == NULL ? 0 : count;
		for (int32_t k = 0; k < t->partitions.len; k++) {
			api_fetch_blank(&t->partitions.at[k], q->topics.at[i].partitions.at[k].partition);
			t->partitions.at[k].error_code = rk_err_wire(err);
		}
	}
	return API_NOW;
}

/* Kafka's cache of sessions has no place for these ids, and fails the request. */
static bool
impossible_session(const struct kp_fetch_req *q)
{
	const int32_t a_shard = INT32_MAX / 8;

	return q->session_id <= -a_shard || q->session_id >= 8 * a_shard;
}

static bool
any_readable(const struct fetch *f)
{
	for (uint32_t i = 0; i < f->wants; i++)
		if (f->want[i].at != NULL)
			return true;
	return false;
}

/* Does the request name a partition that exists? */
static bool
names_any(const struct api_call *c, const struct kp_fetch_req *q)
{
	struct core_partition *p;

	for (int32_t i = 0; i < q->topics.len; i++)
		for (int32_t k = 0; k < q->topics.at[i].partitions.len; k++) {
			enum rk_err err = core_find(c->shared->core, c->head.version >= 13, q->topics.at[i].topic_id,
			    q->topics.at[i].topic, q->topics.at[i].partitions.at[k].partition, &p);
			if (err == RK_OK || err == RK_NOT_LEADER_OR_FOLLOWER)
				return true;
		}
	return false;
}

enum api_fate
api_fetch(struct api_call *c, const struct kp_fetch_req *q, struct kp_fetch_res *res)
{
	if (c->controller) /* there only the metadata log is read */
		return c->shared->quorum(c, q, res);
	struct fetch *f = rk_arena_get(&c->arena, 1, sizeof *f);
	int32_t replica = c->head.version >= 15 ? q->replica_state.replica_id : q->replica_id;
	bool fits = true, now = q->max_wait_ms <= 0;
	enum rk_err err = RK_OK;

	if (f == NULL)
		return API_CLOSE;
	f->call = c;
	f->mark = core_mark(c->shared->core);
	f->committed = q->isolation_level == 1;
	f->anywhere = c->head.version >= 11;
	f->rack = q->rack_id;
	f->max_bytes = (int32_t)rk_min(q->max_bytes, c->shared->conf->fetch_max_bytes);
	f->min_bytes = (int32_t)rk_min(q->min_bytes, f->max_bytes);
	bool odd = q->isolation_level < 0 || q->isolation_level > 1;
	if (impossible_session(q) || (odd && replica >= 0 && q->session_epoch <= 0 && names_any(c, q)))
		return refuse(f, q, res, RK_UNKNOWN_SERVER_ERROR);
	if (replica >= 0)
		return api_fetch_replica(
		    c, q, res, replica, c->head.version >= 15 ? q->replica_state.replica_epoch : -1);
	if (q->session_epoch == 0 || q->session_epoch == -1)
		fits = full(f, q, res);
	else
		err = increment(f, q, res, &fits);
	if (err != RK_OK || !fits) {
		release(f);
		res->error_code = rk_err_wire(err);
		return fits ? API_NOW : API_CLOSE;
	}
	if (odd && any_readable(f))
		return refuse(f, q, res, RK_UNKNOWN_SERVER_ERROR);
	now = now || f->wants == 0;
	for (uint32_t i = 0; i < f->wants && !now; i++)
		now = look(f, &f->want[i]);
	if (!now && f->have < f->min_bytes)
		return wait_for(f, q->max_wait_ms);
	answer(f, res);
	release(f); /* the cache keeps the session, and with it the names in the answer */
	return API_NOW;
}
