/* group.c - calls that wait for a group. */
#include "src/api/group.h"
#include "src/config.h"

struct waiter {
	struct core_group_asker ask;
	struct api_call *call;
};

static void
answered(struct core_group_asker *a)
{
	struct api_call *c = rk_of(a, struct waiter, ask)->call;

	c->abandon = NULL;
	api_finish(c);
}

static void
abandoned(struct api_call *c)
{
	core_group_forget(c->wait);
	c->abandon = NULL;
	api_finish(c);
}

void
api_group_introduce(struct api_call *c, struct core_group_asker *a)
{
	const char *port = strrchr(c->peer, ':');
	int host = port == NULL ? (int)strlen(c->peer) : (int)(port - c->peer);

	a->arena = &c->arena;
	a->client_id = c->head.client_id;
	a->client_host = rk_arena_print(&c->arena, "/%.*s", host, c->peer);
	a->version = c->head.version;
}

struct core_group_asker *
api_group_asker(struct api_call *c)
{
	struct waiter *w = rk_arena_get(&c->arena, 1, sizeof *w);

	if (w == NULL)
		return NULL;
	w->call = c;
	w->ask.done = answered;
	api_group_introduce(c, &w->ask);
	c->wait = &w->ask;
	return &w->ask;
}

enum api_fate
api_group_fate(struct api_call *c, struct core_group_asker *a, bool waits)
{
	rk_assert(a == c->wait);
	if (!waits)
		return API_NOW;
	c->abandon = abandoned;
	return API_LATER;
}

enum rk_err
api_group_shard(struct api_call *c, struct rk_str group, struct core_shard **s)
{
	*s = NULL;
	if (c->shared->groups == NULL)
		return RK_COORDINATOR_NOT_AVAILABLE;
	return core_coord_find(c->shared->groups, group.len < 0 ? rk_lit("") : group, s);
}

enum rk_err
api_group_ask(struct api_call *c, struct rk_str group, struct core_shard **s, struct core_group_asker **a)
{
	*a = api_group_asker(c);
	*s = NULL;
	if (group.len <= 0)
		return RK_INVALID_GROUP_ID;
	return *a == NULL ? RK_UNKNOWN_SERVER_ERROR : api_group_shard(c, group, s);
}

bool
api_consumer_groups(const struct api_call *c)
{
	return meta_feature(&c->view, rk_lit("group.version")) >= 1
	    && conf_list_has(c->shared->conf->group_coordinator_rebalance_protocols, "consumer");
}

/* --- several */
static void
one_answered(struct core_group_asker *a)
{
	struct api_group_one *o = rk_of(a, struct api_group_one, ask);
	struct api_group_many *m = o->many;

	rk_assert(o->waits && m->left > 0);
	o->waits = false;
	if (--m->left > 0)
		return;
	m->call->abandon = NULL;
	api_finish(m->call);
}

static void
many_abandoned(struct api_call *c)
{
	struct api_group_many *m = c->wait;

	for (int32_t i = 0; i < m->count; i++)
		if (m->one[i].waits)
			core_group_forget(&m->one[i].ask);
	c->abandon = NULL;
	api_finish(c);
}

struct api_group_many *
api_group_many(struct api_call *c, int32_t count)
{
	struct api_group_many *m = rk_arena_get(&c->arena, 1, sizeof *m);

	if (m == NULL)
		return NULL;
	m->call = c;
	m->one = rk_arena_get(&c->arena, (size_t)rk_max(count, 0) + 1, sizeof *m->one);
	m->left = 1;
	c->wait = m;
	return m->one == NULL ? NULL : m;
}

struct core_group_asker *
api_group_next(struct api_group_many *m)
{
	struct api_group_one *o = &m->one[m->count++];

	o->many = m;
	o->ask.done = one_answered;
	api_group_introduce(m->call, &o->ask);
	return &o->ask;
}

void
api_group_kept(struct core_group_asker *a)
{
	struct api_group_one *o = rk_of(a, struct api_group_one, ask);

	o->waits = true;
	o->many->left++;
}

enum api_fate
api_group_all(struct api_group_many *m)
{
	if (--m->left == 0)
		return API_NOW;
	m->call->abandon = many_abandoned;
	return API_LATER;
}
