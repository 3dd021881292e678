/* feed.c - followers' sessions: see feed.h. */
#include "src/core/feed.h"
#include "base/mem.h"
#include "src/core/inside.h"
#include "src/core/replica.h"

enum { QUIET_MS = 120000 };

static uint64_t
id_hash(int32_t id)
{
	return rk_hash(&id, sizeof id, 5);
}

static uint64_t
feed_hash(const struct core_fetcher *s, const struct rk_uuid *id, struct rk_str name, int32_t index)
{
	return s->ids ? rk_hash(id->id, sizeof id->id, (uint64_t)index)
		      : rk_hash(name.at, (size_t)rk_max(0, name.len), (uint64_t)index);
}

struct core_fetcher *
core_fetcher_get(struct core *c, int32_t id)
{
	for (struct rk_node *n = rk_map_first(&c->fetchers, id_hash(id)); n != NULL; n = rk_map_next(n)) {
		struct core_fetcher *s = rk_of(n, struct core_fetcher, node);
		if (s->id == id)
			return s;
	}
	return NULL;
}

/* Room for one more: those that went quiet go, and the quietest when there are too many. */
static bool
room(struct core *c)
{
	uint32_t slots = (uint32_t)rk_max(0, c->conf->max_incremental_fetch_session_cache_slots);
	int64_t now = rk_now(c->env);

	rk_list_each_safe(&c->fetchers_used, m, n)
	{
		struct core_fetcher *s = rk_of(m, struct core_fetcher, used);
		if (s->waiting == NULL && (now - s->fetch_ms > QUIET_MS || c->fetchers.count >= slots))
			core_fetcher_free(s);
	}
	return c->fetchers.count < slots;
}

static void
fire_late(struct rk_timer *timer, int64_t now_ms)
{
	struct core_fetcher *s = rk_of(timer, struct core_fetcher, late);

	(void)now_ms;
	if (s->waiting != NULL)
		s->wake(s, true);
}

struct core_fetcher *
core_fetcher_new(struct core *c, bool cached, bool ids, int32_t replica)
{
	struct core_fetcher *s = rk_new(struct core_fetcher);

	rk_assert(replica >= 0 && c->magic == CORE_MAGIC);
	s->core = c;
	s->ids = ids;
	s->replica = replica;
	s->epoch = 1;
	s->replica_epoch = -1;
	s->fetch_ms = INT32_MIN;
	s->late = (struct rk_timer){.at_ms = INT64_MAX, .fire = fire_late};
	rk_list_init(&s->used);
	rk_list_init(&s->woken);
	rk_list_init(&s->all);
	rk_list_init(&s->ready);
	rk_list_init(&s->served);
	if (!cached || !room(c)) {
		rk_list_add(&c->fetchers_used, &s->used);
		return s;
	}
	do
		s->id = (int32_t)(rk_chance(c->env) & INT32_MAX);
	while (s->id == 0 || core_session_get(c, s->id) != NULL || core_fetcher_get(c, s->id) != NULL);
	rk_map_add(&c->fetchers, &s->node, id_hash(s->id));
	rk_list_add(&c->fetchers_used, &s->used);
	return s;
}

void
core_fetcher_free(struct core_fetcher *s)
{
	struct core *c = s->core;

	rk_assert(s->waiting == NULL);
	while (!rk_list_empty(&s->all))
		core_feed_forget(rk_of(s->all.next, struct core_feed, all));
	rk_assert(s->count == 0);
	rk_timer_stop(c->timers, &s->late);
	if (s->id > 0)
		rk_map_del(&c->fetchers, &s->node);
	rk_list_del(&s->used);
	rk_list_del(&s->woken);
	rk_map_free(&s->map);
	rk_mem_put(s);
}

void
core_fetcher_touch(struct core_fetcher *s)
{
	rk_assert(s->waiting == NULL);
	rk_list_del(&s->used);
	rk_list_add(&s->core->fetchers_used, &s->used);
	/* What was given and not asked for anew is to be given again. */
	while (!rk_list_empty(&s->served)) {
		struct rk_list *m = s->served.next;
		rk_list_del(m);
		rk_list_add(&s->ready, m);
	}
}

struct core_feed *
core_feed_find(struct core_fetcher *s, struct rk_uuid id, struct rk_str name, int32_t index)
{
	for (struct rk_node *n = rk_map_first(&s->map, feed_hash(s, &id, name, index)); n != NULL;
	     n = rk_map_next(n)) {
		struct core_feed *f = rk_of(n, struct core_feed, node);
		if (f->index == index && (s->ids ? rk_uuid_eq(f->id, id) : rk_str_eq(f->name, name)))
			return f;
	}
	return NULL;
}

static struct core_feed *
make(struct core_fetcher *s, struct rk_uuid id, struct rk_str name, int32_t index)
{
	size_t len = s->ids ? 0 : (size_t)rk_max(0, name.len);
	struct core_feed *f = rk_mem_get(sizeof *f + len);

	if (len > 0)
		memcpy(f + 1, name.at, len);
	f->name = s->ids ? RK_STR_NULL : (struct rk_str){(const char *)(f + 1), (int32_t)len};
	f->id = id;
	f->index = index;
	f->fetcher = s;
	f->high = f->start = -1;
	rk_list_init(&f->ready);
	rk_list_init(&f->in_set);
	rk_list_add(&s->all, &f->all);
	rk_map_add(&s->map, &f->node, feed_hash(s, &id, name, index));
	s->count++;
	return f;
}

struct core_feed *
core_feed_put(struct core_fetcher *s, struct rk_uuid id, struct rk_str name, int32_t index)
{
	struct core_feed *f = core_feed_find(s, id, name, index);
	struct core_partition *p;

	if (f == NULL)
		f = make(s, id, name, index);
	rk_list_del(&f->ready);
	rk_list_add(&s->ready, &f->ready);
	if (f->at != NULL && f->at->set != NULL)
		return f;
	rk_list_del(&f->in_set);
	f->err = core_find(s->core, s->ids, id, name, index, &p);
	f->at = f->err == RK_OK && p->set != NULL ? p : NULL;
	if (f->err == RK_OK && p->set == NULL)
		f->err = RK_NOT_LEADER_OR_FOLLOWER;
	if (f->at != NULL)
		rk_list_add(&p->set->feeds, &f->in_set);
	return f;
}

void
core_feed_forget(struct core_feed *f)
{
	struct core_fetcher *s = f->fetcher;

	rk_assert(s->count > 0);
	rk_map_del(&s->map, &f->node);
	rk_list_del(&f->all);
	rk_list_del(&f->ready);
	rk_list_del(&f->in_set);
	s->count--;
	rk_mem_put(f);
}

static void
soon(struct core_fetcher *s, int64_t at_ms)
{
	if (s->waiting != NULL && at_ms < s->late.at_ms)
		rk_timer_set(s->core->timers, &s->late, at_ms);
}

static void
moved(struct core_feed *f, bool at_once)
{
	struct core_fetcher *s = f->fetcher;
	struct core *c = s->core;

	if (rk_list_empty(&f->ready))
		rk_list_add(&s->ready, &f->ready);
	if (s->waiting == NULL)
		return;
	if (at_once && rk_list_empty(&s->woken))
		rk_list_add(&c->fetchers_woken, &s->woken);
	else if (!at_once)
		soon(s, rk_now(c->env) + CORE_NEWS_MS);
}

void
core_feeds_moved(struct core_set *set, bool at_once)
{
	rk_list_each(&set->feeds, m)
	    moved(rk_of(m, struct core_feed, in_set), at_once);
}

void
core_feeds_over(struct core_set *set)
{
	rk_list_each_safe(&set->feeds, m, n)
	{
		struct core_feed *f = rk_of(m, struct core_feed, in_set);
		rk_list_del(m);
		f->at = NULL;
		f->err = RK_NOT_LEADER_OR_FOLLOWER;
		moved(f, true);
	}
}

int64_t
core_feed_last(const struct core_set *set, const struct core_follower *of)
{
	int64_t last = of->fetch_ms;

	if (of->end < 0)
		return INT32_MIN;
	rk_list_each(&set->feeds, m)
	{
		const struct core_fetcher *s = rk_of(m, struct core_feed, in_set)->fetcher;
		if (s->replica == of->id)
			last = rk_max(last, s->fetch_ms);
	}
	return last;
}

void
core_fetchers_hurry(struct core *c, int32_t replica)
{
	int64_t now = rk_now(c->env);

	rk_list_each(&c->fetchers_used, m)
	{
		struct core_fetcher *s = rk_of(m, struct core_fetcher, used);
		if (s->replica != replica)
			continue;
		s->hurry_ms = now + CORE_HURRY_MS;
		soon(s, now + CORE_HURRY_WAIT_MS);
	}
}

void
core_fetchers_flush(struct core *c)
{
	while (!rk_list_empty(&c->fetchers_woken)) {
		struct core_fetcher *s = rk_of(c->fetchers_woken.next, struct core_fetcher, woken);
		rk_list_del(&s->woken);
		if (s->waiting != NULL)
			s->wake(s, false);
	}
}

void
core_fetchers_wake_all(struct core *c)
{
	rk_list_each_safe(&c->fetchers_used, m, n)
	{
		struct core_fetcher *s = rk_of(m, struct core_fetcher, used);
		if (s->waiting != NULL)
			s->wake(s, true);
	}
}

void
core_fetchers_free(struct core *c)
{
	while (!rk_list_empty(&c->fetchers_used)) {
		struct core_fetcher *s = rk_of(c->fetchers_used.next, struct core_fetcher, used);
		s->waiting = NULL; /* it goes with its call */
		core_fetcher_free(s);
	}
	rk_map_free(&c->fetchers);
}
