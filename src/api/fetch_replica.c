/* fetch_replica.c - key 1 from a follower: records up to the log's end, and the follower's place in the leader's book.
 *
 * What a request names is looked at and noted: the offset it asks for says what the follower has kept. Then the
 * session's ready feeds are looked at. Records, an error or a divergence answer at once; a new high watermark or log
 * start answers a little later; else the fetch waits for its time. A full request is answered whole, at once. */
#include "src/api/fetch_replica.h"
#include "src/api/fetch_part.h"
#include "src/config.h"
#include "src/core/feed.h"
#include "src/core/replica.h"
#include "src/core/throttle.h"

typedef struct kp_fetch_req_topics_partitions part_in;
typedef struct kp_fetch_res_responses topic_out;
typedef struct kp_fetch_res_responses_partitions part_out;

enum { NAMES_SPARE = 10000 };

struct replica_fetch { /* lives in the call's arena */
	struct api_call *call;
	struct core_fetcher *fetcher;
	struct rk_timer timer;
	int64_t have;
	int32_t min_bytes, max_bytes;
	bool whole; /* every partition is answered, news or not */
};

/* What one feed has to say. */
struct look {
	enum rk_err err;
	struct api_fetch_place from;
	bool records;
};
/* NOTHING: it is not ready any more. KEPT: it is, but nobody is in a hurry: too few bytes, or throttled. */
enum urgency { NOTHING, KEPT, LATER, NOW };

static void
judge(struct core_feed *f, struct look *l)
{
	struct core_partition *p = f->at;

	*l = (struct look){.err = f->err, .from = {.epoch = -1, .epoch_end = -1}};
	if (p == NULL)
		return;
	l->err = core_check_epoch(p, f->leader_epoch);
	if (l->err == RK_OK && core_set_find(p->set, f->fetcher->replica) == NULL)
		l->err = f->leader_epoch >= 0 ? RK_UNKNOWN_LEADER_EPOCH : RK_NOT_LEADER_OR_FOLLOWER;
	if (l->err == RK_OK)
		l->err = api_fetch_place(p, f->offset, f->last_epoch, &l->from);
	l->records = l->err == RK_OK && l->from.epoch < 0 && f->offset < l->from.end;
}

static enum urgency
look(struct replica_fetch *r, struct core_feed *f)
{
	struct look l;

	judge(f, &l);
	if (l.err != RK_OK || l.from.epoch >= 0)
		return NOW;
	if (l.records && !core_throttled_leader(f->at, f->fetcher->replica)) {
		r->have += r->min_bytes <= 1 ? 1
					     : rk_min(st_log_bytes_between(l.from.log, f->offset, l.from.end), f->max_bytes);
		return r->have >= r->min_bytes ? NOW : KEPT;
	}
	return f->high != f->at->high || f->start != l.from.start ? LATER : l.records ? KEPT : NOTHING;
}

/* Is the answer to leave now? Feeds that turn out to have nothing are not ready any more. */
static enum urgency
look_all(struct replica_fetch *r)
{
	enum urgency most = NOTHING;

	r->have = 0;
	rk_list_each_safe(&r->fetcher->ready, m, n)
	{
		enum urgency u = look(r, rk_of(m, struct core_feed, ready));
		if (u == NOTHING)
			rk_list_del(m);
		else
			most = rk_max(most, u);
		if (u == NOW)
			break;
	}
	return most;
}

/* --- answering */
static enum rk_err
records_of(struct replica_fetch *r, struct core_feed *f, struct look *l, int64_t *budget, bool *at_least_one,
    part_out *o)
{
	enum rk_err err = api_fetch_read(r->call, l->from.log, f->offset, l->from.end, rk_min(f->max_bytes, *budget),
	    *at_least_one, o);

	if (o->records.out == NULL)
		return err;
	*budget = rk_max(0, *budget - (int64_t)o->records.out->bytes);
	*at_least_one = false;
	core_count_replicated(f->at, f->fetcher->replica, o->records.out->bytes);
	return RK_OK;
}

/* Fills in one answer. Returns whether the feed is to stay ready: there is more to say than was said. */
static bool
answer_one(struct replica_fetch *r, struct core_feed *f, int64_t *budget, bool *at_least_one, part_out *o, bool *news)
{
	struct core *core = f->fetcher->core;
	struct core_partition *at = f->at != NULL ? f->at : core_partition(f->fetcher->ids
	    ? core_topic_of(core, f->id) : core_topic_named(core, f->name), f->index);
	struct look l;

	judge(f, &l);
	api_fetch_blank(o, f->index);
	o->aborted_transactions.len = at == NULL ? 0 : -1; /* null where something could have been read */
	if (l.err == RK_OK && l.records && !core_throttled_leader(f->at, f->fetcher->replica))
		l.err = records_of(r, f, &l, budget, at_least_one, o);
	o->error_code = rk_err_wire(l.err);
	*news = l.err != RK_OK || l.from.epoch >= 0 || o->records.out != NULL;
	if (l.err != RK_OK) {
		api_fetch_leader(r->call, at, o);
		f->high = f->start = -1;
		return true;
	}
	*news |= f->high != f->at->high || f->start != l.from.start;
	f->high = o->high_watermark = f->at->high;
	f->start = o->log_start_offset = l.from.start;
	o->last_stable_offset = core_stable(f->at);
	o->diverging_epoch.epoch = l.from.epoch;
	o->diverging_epoch.end_offset = l.from.epoch_end;
	if (l.from.epoch >= 0) /* who cuts its log takes no high watermark from that answer: it is told again */
		f->high = f->start = -1;
	if (o->records.out != NULL)
		core_set_answered(f->at, f->fetcher->replica);
	return l.from.epoch >= 0 || (l.records && o->records.out == NULL);
}

static void
add_answer(struct replica_fetch *r, struct kp_fetch_res *res, const struct core_feed *f, part_out *o)
{
	topic_out *t = api_fetch_add(res, f->fetcher->ids, f->id, f->name, o);

	if (t->partitions.len == 1) /* the feed may be gone before the answer has left */
		t->topic = rk_arena_str(&r->call->arena, f->name);
}

static void
answer(struct replica_fetch *r, struct kp_fetch_res *res)
{
	struct core_fetcher *s = r->fetcher;
	struct rk_arena *a = &r->call->arena;
	struct rk_list *ring = r->whole ? &s->all : &s->ready;
	uint32_t n = r->whole ? s->count : rk_list_count(ring);
	int64_t budget = r->max_bytes;
	bool at_least_one = true, news;
	part_out *o = rk_arena_get(a, (size_t)n + 1, sizeof *o);

	res->responses.len = 0;
	res->responses.at = rk_arena_get(a, (size_t)n + 1, sizeof *res->responses.at);
	res->session_id = s->id;
	if (o == NULL || res->responses.at == NULL)
		return; /* the arena is over; the node closes the connection and says so */
	struct rk_list *m = ring->next;
	for (uint32_t i = 0; i < n; i++) {
		struct core_feed *f = r->whole ? rk_of(m, struct core_feed, all) : rk_of(m, struct core_feed, ready);
		m = m->next;
		bool stays = answer_one(r, f, &budget, &at_least_one, o, &news);
		bool served = o->records.out != NULL;
		if (news || r->whole)
			add_answer(r, res, f, o++);
		rk_list_del(&f->ready);
		if (stays || served)
			rk_list_add(stays ? &s->ready : &s->served, &f->ready);
	}
}

/* --- waiting */
static void
settle(struct replica_fetch *r)
{
	struct core_fetcher *s = r->fetcher;

	s->waiting = NULL;
	rk_timer_stop(r->call->shared->timers, &s->late);
	if (s->id == 0)
		core_fetcher_free(s);
}

static void
finish(struct replica_fetch *r)
{
	struct api_call *c = r->call;

	rk_timer_stop(c->shared->timers, &r->timer);
	c->abandon = NULL;
	if (!c->gone)
		answer(r, c->res);
	settle(r);
	api_finish(c);
}

static void
timed_out(struct rk_timer *timer, int64_t now_ms)
{
	(void)now_ms;
	finish(rk_of(timer, struct replica_fetch, timer));
}

static void
abandoned(struct api_call *c)
{
	finish(c->wait);
}

static void
woken(struct core_fetcher *s, bool late)
{
	struct replica_fetch *r = s->waiting;

	if (late || look_all(r) == NOW || core_stopping(s->core))
		finish(r);
}

static enum api_fate
wait_for(struct replica_fetch *r, int32_t max_wait_ms, enum urgency most)
{
	struct api_call *c = r->call;
	struct core_fetcher *s = r->fetcher;
	int64_t wait = rk_max(max_wait_ms, 0);

	if (c->now_ms < s->hurry_ms)
		wait = rk_min(wait, CORE_HURRY_WAIT_MS);
	if (most == LATER)
		wait = rk_min(wait, CORE_NEWS_MS);
	if (wait == 0) {
		answer(r, c->res);
		settle(r);
		return API_NOW;
	}
	r->timer = (struct rk_timer){.at_ms = INT64_MAX, .fire = timed_out};
	rk_timer_set(c->shared->timers, &r->timer, c->now_ms + wait);
	c->wait = r;
	c->abandon = abandoned;
	s->waiting = r;
	s->wake = woken;
	return API_LATER;
}

/* --- the request */
/* Notes one partition that the request names: what it asks for, and with it what the follower has. */
static void
note(struct core_fetcher *s, struct rk_uuid id, struct rk_str name, const part_in *in, int64_t before_ms)
{
	struct core_feed *f = core_feed_put(s, id, name, in->partition);
	struct look l;

	f->offset = in->fetch_offset;
	f->log_start = in->log_start_offset;
	f->max_bytes = in->partition_max_bytes;
	f->leader_epoch = (int32_t)rk_max(in->current_leader_epoch, -1);
	f->last_epoch = in->last_fetched_epoch;
	judge(f, &l);
	if (l.err != RK_OK || l.from.epoch >= 0)
		return;
	enum rk_err err =
	    core_set_fetched(f->at, s->replica, s->replica_epoch, f->offset, f->log_start, before_ms);
	if (err != RK_OK) { /* an incarnation of before: it is not spoken to */
		rk_list_del(&f->in_set);
		f->at = NULL;
		f->err = err;
	}
}

static void
update(struct core_fetcher *s, const struct kp_fetch_req *q, int64_t before_ms)
{
	for (int32_t i = 0; i < q->forgotten_topics_data.len; i++)
		for (int32_t k = 0; k < q->forgotten_topics_data.at[i].partitions.len; k++) {
			struct core_feed *f = core_feed_find(s, q->forgotten_topics_data.at[i].topic_id,
			    q->forgotten_topics_data.at[i].topic, q->forgotten_topics_data.at[i].partitions.at[k]);
			if (f != NULL)
				core_feed_forget(f);
		}
	for (int32_t i = 0; i < q->topics.len; i++)
		for (int32_t k = 0; k < q->topics.at[i].partitions.len; k++)
			note(s, q->topics.at[i].topic_id, q->topics.at[i].topic, &q->topics.at[i].partitions.at[k],
			    before_ms);
}

/* A follower names what this node leads; whoever names much more than there is shall not cost its memory. */
static bool
too_many(struct api_call *c, const struct kp_fetch_req *q, const struct core_fetcher *s)
{
	uint64_t n = s == NULL ? 0 : s->count;

	for (int32_t i = 0; i < q->topics.len; i++)
		n += (uint64_t)rk_max(q->topics.at[i].partitions.len, 0);
	return n > NAMES_SPARE + 2 * (uint64_t)core_partitions_count(c->shared->core);
}

/* The session the request belongs to, new or known; NULL: err says why not. */
static struct core_fetcher *
session_of(struct api_call *c, const struct kp_fetch_req *q, int32_t replica, enum rk_err *err)
{
	struct core *core = c->shared->core;
	struct core_fetcher *s = q->session_id == 0 ? NULL : core_fetcher_get(core, q->session_id);
	bool ids = c->head.version >= 13;

	*err = too_many(c, q, q->session_epoch > 0 ? s : NULL) ? RK_UNKNOWN_SERVER_ERROR : RK_OK;
	if (*err != RK_OK)
		return NULL;
	if (q->session_epoch == 0 || q->session_epoch == -1) {
		if (s != NULL && s->waiting == NULL && s->replica == replica)
			core_fetcher_free(s);
		return core_fetcher_new(core, q->session_epoch == 0, ids, replica);
	}
	if (s == NULL)
		*err = RK_FETCH_SESSION_ID_NOT_FOUND;
	else if (s->ids != ids)
		*err = RK_FETCH_SESSION_TOPIC_ID_ERROR;
	else if (s->epoch != q->session_epoch || s->waiting != NULL || s->replica != replica)
		*err = RK_INVALID_FETCH_SESSION_EPOCH;
	if (*err != RK_OK)
		return NULL;
	core_fetcher_touch(s);
	s->epoch = s->epoch == INT32_MAX ? 1 : s->epoch + 1;
	return s;
}

enum api_fate
api_fetch_replica(struct api_call *c, const struct kp_fetch_req *q, struct kp_fetch_res *res, int32_t replica,
    int64_t broker_epoch)
{
	struct replica_fetch *r = rk_arena_get(&c->arena, 1, sizeof *r);
	enum rk_err err;

	rk_assert(replica >= 0);
	if (r == NULL)
		return API_CLOSE;
	struct core_fetcher *s = session_of(c, q, replica, &err);
	if (s == NULL) {
		res->error_code = rk_err_wire(err);
		return API_NOW;
	}
	int64_t before_ms = s->fetch_ms;
	s->fetch_ms = c->now_ms;
	s->replica_epoch = rk_max(broker_epoch, s->replica_epoch);
	r->call = c;
	r->fetcher = s;
	r->min_bytes = rk_max(q->min_bytes, 0);
	r->max_bytes = rk_max(q->max_bytes, 0);
	r->whole = q->session_epoch <= 0;
	update(s, q, before_ms);
	/* A new session's answer tells where everything stands; one without a session would ask again at once. */
	enum urgency most = s->id > 0 && r->whole ? NOW : look_all(r);
	if (most != NOW)
		return wait_for(r, q->max_wait_ms, most);
	answer(r, res);
	settle(r);
	return API_NOW;
}
