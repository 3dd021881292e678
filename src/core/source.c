/* source.c - one leader's session as its follower keeps it: what is named, what is forgotten, what comes next. */
#include "base/mem.h"
#include "protocol/gen/fetch.h"
#include "protocol/gen/list_offsets.h"
#include "src/core/follow_in.h"

struct core_forgotten { /* still in the leader's session, and to leave it with the next fetch */
	struct rk_list link;
	struct core_follow *of; /* NULL: it is not followed there any more */
	struct rk_uuid topic;
	int32_t index;
};

static void
resume(struct rk_timer *timer, int64_t now_ms)
{
	struct core_source *s = rk_of(timer, struct core_source, timer);
	int64_t next = INT64_MAX;

	rk_list_each_safe(&s->paused, m, n)
	{
		struct core_follow *f = rk_of(m, struct core_follow, due);
		if (f->resume_ms <= now_ms && core_throttled_follower(f->partition, f->lag == 0))
			f->resume_ms = now_ms + core_throttle_ms(s->core);
		if (f->resume_ms > now_ms)
			next = rk_min(next, f->resume_ms);
		else
			core_follow_start(f);
	}
	if (next != INT64_MAX)
		rk_timer_set(s->core->timers, &s->timer, next);
}

void
core_source_due(struct core_source *s)
{
	if (rk_list_empty(&s->due) && !s->core->stopping)
		rk_list_add(&s->core->sources_due, &s->due);
}

struct core_source *
core_source_get(struct core *c, int32_t broker, uint32_t share)
{
	rk_list_each(&c->sources, m)
	{
		struct core_source *s = rk_of(m, struct core_source, link);
		if (s->broker == broker && s->share == share)
			return s;
	}
	struct core_source *s = rk_new(struct core_source);
	s->core = c;
	s->broker = broker;
	s->share = share;
	s->whole = true;
	s->timer = (struct rk_timer){.at_ms = INT64_MAX, .fire = resume};
	rk_list_init(&s->due);
	rk_list_init(&s->all);
	rk_list_init(&s->changed);
	rk_list_init(&s->paused);
	rk_list_init(&s->asking);
	rk_list_init(&s->forgotten);
	rk_list_add(&c->sources, &s->link);
	return s;
}

struct core_source *
core_sources_walk(struct core *c, struct core_source *s)
{
	struct rk_list *m = s == NULL ? c->sources.next : s->link.next;

	return m == &c->sources ? NULL : rk_of(m, struct core_source, link);
}

static void
drop_one(struct core_forgotten *g)
{
	if (g->of != NULL)
		g->of->forgotten = NULL;
	rk_list_del(&g->link);
	rk_mem_put(g);
}

static void
drop_forgotten(struct core_source *s)
{
	while (!rk_list_empty(&s->forgotten)) {
		drop_one(rk_of(s->forgotten.next, struct core_forgotten, link));
	}
}

void
core_source_free(struct core_source *s)
{
	rk_assert(s->count == 0 && s->syncing == 0);
	drop_forgotten(s);
	rk_timer_stop(s->core->timers, &s->timer);
	rk_list_del(&s->due);
	rk_list_del(&s->link);
	rk_mem_put(s);
}

void
core_source_forget(struct core_source *s, struct core_follow *f)
{
	if (!f->in_session)
		return;
	f->in_session = false;
	rk_assert(f->forgotten == NULL);
	struct core_forgotten *g = rk_new(struct core_forgotten);
	g->of = f;
	f->forgotten = g;
	g->topic = f->partition->topic->id;
	g->index = f->partition->index;
	rk_list_add(&s->forgotten, &g->link);
	core_source_due(s);
}

void
core_source_left(struct core_follow *f)
{
	if (f->forgotten != NULL)
		f->forgotten->of = NULL;
	f->forgotten = NULL;
}

void
core_source_wake_at(struct core_source *s, int64_t at_ms)
{
	if (at_ms < s->timer.at_ms)
		rk_timer_set(s->core->timers, &s->timer, at_ms);
}

enum core_step
core_source_next(const struct core_source *s)
{
	if (s->busy || s->syncing > 0 || s->core->stopping)
		return CORE_REST;
	if (!rk_list_empty(&s->asking))
		return s->listed ? CORE_LIST_START : CORE_LIST_END;
	return s->following > 0 || !rk_list_empty(&s->forgotten) ? CORE_FETCH : CORE_REST;
}

/* --- the fetch */
typedef struct kp_fetch_req_topics topic_in;
typedef struct kp_fetch_req_topics_partitions part_in;

static void
name_one(struct core_follow *f, part_in *o)
{
	struct core_partition *p = f->partition;
	struct core *c = core_of(p);
	struct st_log *log;

	*o = (part_in){.partition = p->index,
	    .current_leader_epoch = p->leader_epoch,
	    .last_fetched_epoch = -1,
	    .partition_max_bytes = c->conf->replica_fetch_max_bytes,
	    .replica_directory_id = st_dir_id(c->dir[p->dir]),
	    .high_watermark = INT64_MAX};
	if (core_open(p, &log) == RK_OK && log != NULL) {
		o->fetch_offset = st_log_end(log);
		o->log_start_offset = st_log_start(log);
		o->last_fetched_epoch = o->fetch_offset > o->log_start_offset ? st_log_last_epoch(log) : -1;
	}
	f->told_epoch = p->leader_epoch;
	f->in_session = true;
}

/* Adds a partition to the last topic named, or to another. */
static void
add_named(struct kp_fetch_req *q, struct core_follow *f, part_in *o)
{
	topic_in *t = q->topics.len == 0 ? NULL : &q->topics.at[q->topics.len - 1];

	if (t == NULL || !rk_uuid_eq(t->topic_id, f->partition->topic->id)) {
		t = &q->topics.at[q->topics.len++];
		t->topic_id = f->partition->topic->id;
		t->topic = f->partition->topic->name;
		t->partitions.at = o;
		t->partitions.len = 0;
	}
	t->partitions.len++;
	name_one(f, o);
}

static void
name_changed(struct core_source *s, struct rk_arena *a, struct kp_fetch_req *q)
{
	uint32_t n = s->whole ? s->count : rk_list_count(&s->changed);
	part_in *o = rk_arena_get(a, (size_t)n + 1, sizeof *o);

	q->topics.at = rk_arena_get(a, (size_t)n + 1, sizeof *q->topics.at);
	q->topics.len = 0;
	if (o == NULL || q->topics.at == NULL)
		return;
	if (s->whole) {
		rk_list_each(&s->all, m)
		{
			struct core_follow *f = rk_of(m, struct core_follow, all);
			if (f->state != CORE_FOLLOWS)
				continue;
			rk_list_del(&f->due);
			add_named(q, f, o++);
		}
		return;
	}
	while (!rk_list_empty(&s->changed)) {
		struct core_follow *f = rk_of(s->changed.next, struct core_follow, due);
		rk_assert(f->state == CORE_FOLLOWS && f->source == s);
		rk_list_del(&f->due);
		add_named(q, f, o++);
	}
}

static void
name_forgotten(struct core_source *s, struct rk_arena *a, struct kp_fetch_req *q)
{
	uint32_t n = rk_list_count(&s->forgotten);
	int32_t *index = rk_arena_get(a, (size_t)n + 1, sizeof *index);

	q->forgotten_topics_data.len = 0;
	q->forgotten_topics_data.at = rk_arena_get(a, (size_t)n + 1, sizeof *q->forgotten_topics_data.at);
	if (index == NULL || q->forgotten_topics_data.at == NULL)
		return;
	rk_list_each(&s->forgotten, m)
	{
		const struct core_forgotten *g = rk_of(m, struct core_forgotten, link);
		struct kp_fetch_req_forgotten_topics_data *t =
		    &q->forgotten_topics_data.at[q->forgotten_topics_data.len - 1];
		if (q->forgotten_topics_data.len == 0 || !rk_uuid_eq(t->topic_id, g->topic)) {
			t = &q->forgotten_topics_data.at[q->forgotten_topics_data.len++];
			t->topic_id = g->topic;
			t->partitions.at = index;
			t->partitions.len = 0;
		}
		*index++ = g->index;
		t->partitions.len++;
	}
	drop_forgotten(s);
}

void
core_source_fetch(struct core_source *s, int64_t broker_epoch, struct rk_arena *a, struct kp_fetch_req *q)
{
	const struct conf *f = s->core->conf;

	rk_assert(core_source_next(s) == CORE_FETCH);
	s->busy = true;
	q->replica_id = q->replica_state.replica_id = s->core->node_id;
	q->replica_state.replica_epoch = broker_epoch;
	q->max_wait_ms = f->replica_fetch_wait_max_ms;
	q->min_bytes = f->replica_fetch_min_bytes;
	q->max_bytes = f->replica_fetch_response_max_bytes;
	q->isolation_level = 0;
	q->session_id = s->session_id;
	q->session_epoch = s->whole ? 0 : s->session_epoch;
	if (s->whole)
		drop_forgotten(s); /* a new session knows nothing of them */
	name_forgotten(s, a, q);
	name_changed(s, a, q);
	q->rack_id = rk_lit("");
}

/* The session is over: everything is to be named again. */
static void
begin_anew(struct core_source *s, bool keep_id)
{
	if (!keep_id)
		s->session_id = 0;
	s->whole = true;
	drop_forgotten(s);
	rk_list_each(&s->all, m)
	    rk_of(m, struct core_follow, all)->in_session = false;
}

void
core_source_drop(struct core_source *s)
{
	rk_assert(s->count == 0 && s->syncing == 0);
	s->busy = s->listed = false;
	begin_anew(s, false);
}

void
core_source_fetched(struct core_source *s, enum rk_err err, const struct kp_fetch_res *res)
{
	rk_assert(s->busy);
	s->busy = false;
	if (err == RK_OK && res->error_code != 0)
		err = rk_err_of_wire(res->error_code);
	if (err != RK_OK) {
		/* An id that the leader knows and an epoch that it does not: it ends the old session with the new one. */
		begin_anew(s, err == RK_INVALID_FETCH_SESSION_EPOCH);
		return;
	}
	if (s->whole) {
		s->session_id = res->session_id;
		s->session_epoch = 1;
		s->whole = res->session_id == 0; /* it keeps none for us: everything is named every time */
	} else {
		s->session_epoch = s->session_epoch == INT32_MAX ? 1 : s->session_epoch + 1;
	}
	for (int32_t i = 0; i < res->responses.len; i++) {
		struct core_topic *t = core_topic_of(s->core, res->responses.at[i].topic_id);
		for (int32_t k = 0; t != NULL && k < res->responses.at[i].partitions.len; k++) {
			const struct kp_fetch_res_responses_partitions *o = &res->responses.at[i].partitions.at[k];
			struct core_partition *p = core_partition(t, o->partition_index);
			if (p != NULL && p->follow != NULL && p->follow->source == s)
				core_follow_answer(p->follow, o);
		}
	}
}

/* --- where the leader's logs begin and end */
void
core_source_list(struct core_source *s, struct rk_arena *a, struct kp_list_offsets_req *q)
{
	uint32_t n = rk_list_count(&s->asking);
	struct kp_list_offsets_req_topics_partitions *o = rk_arena_get(a, (size_t)n + 1, sizeof *o);

	rk_assert(!s->busy && n > 0);
	s->busy = true;
	q->replica_id = s->core->node_id;
	q->isolation_level = 0;
	q->topics.len = 0;
	q->topics.at = rk_arena_get(a, (size_t)n + 1, sizeof *q->topics.at);
	if (o == NULL || q->topics.at == NULL)
		return;
	rk_list_each(&s->asking, m)
	{
		struct core_follow *f = rk_of(m, struct core_follow, due);
		struct core_partition *p = f->partition;
		struct kp_list_offsets_req_topics *t = &q->topics.at[q->topics.len - 1];
		if (q->topics.len == 0 || !rk_str_eq(t->name, p->topic->name)) {
			t = &q->topics.at[q->topics.len++];
			t->name = rk_arena_str(a, p->topic->name);
			t->partitions.at = o;
			t->partitions.len = 0;
		}
		f->told_epoch = p->leader_epoch;
		*o++ = (struct kp_list_offsets_req_topics_partitions){.partition_index = p->index,
		    .current_leader_epoch = p->leader_epoch,
		    .timestamp = s->listed ? -2 : -1};
		t->partitions.len++;
	}
}

void
core_source_listed(struct core_source *s, enum rk_err err, const struct kp_list_offsets_res *res)
{
	bool starts = s->listed;

	rk_assert(s->busy);
	s->busy = false;
	s->listed = err == RK_OK && !starts;
	for (int32_t i = 0; err == RK_OK && i < res->topics.len; i++) {
		struct core_topic *t = core_topic_named(s->core, res->topics.at[i].name);
		for (int32_t k = 0; t != NULL && k < res->topics.at[i].partitions.len; k++) {
			const struct kp_list_offsets_res_topics_partitions *o = &res->topics.at[i].partitions.at[k];
			struct core_partition *p = core_partition(t, o->partition_index);
			if (p == NULL || p->follow == NULL || p->follow->source != s || p->follow->state != CORE_ASKS)
				continue;
			core_follow_listed(p->follow, starts, rk_err_of_wire(o->error_code), o->offset);
		}
	}
	s->listed = s->listed && !rk_list_empty(&s->asking);
	if (starts || err != RK_OK) /* whatever was not answered */
		rk_list_each_safe(&s->asking, m, n)
		{
			struct core_follow *f = rk_of(m, struct core_follow, due);
			if (err != RK_OK || f->leader_end >= 0)
				core_follow_pause(f, err == RK_OK ? RK_UNKNOWN_SERVER_ERROR : err);
		}
}

/* --- what follows it */
void
core_source_name(struct core_source *s, struct core_follow *f)
{
	rk_assert(f->source == s && f->state == CORE_FOLLOWS);
	rk_list_del(&f->due);
	rk_list_add(&s->changed, &f->due);
	if (f->forgotten != NULL) /* before the leader heard of that: it just stays */
		drop_one(f->forgotten);
	core_source_due(s);
}
