/* txn.c - calls that wait for transactional ids. */
#include "src/api/txn.h"

static void
complete(struct api_txn_asks *all)
{
	if (all->last != NULL)
		all->last(all->call);
}

static void
answered(struct core_txn_asker *a)
{
	struct api_txn_one *o = rk_of(a, struct api_txn_one, ask);
	struct api_txn_asks *all = o->all;

	rk_assert(o->waits && all->left > 0);
	o->waits = false;
	if (--all->left > 0)
		return;
	complete(all);
	all->call->abandon = NULL;
	api_finish(all->call);
}

static void
abandoned(struct api_call *c)
{
	struct api_txn_asks *all = c->wait;

	for (int32_t i = 0; i < all->count; i++)
		if (all->one[i].waits)
			core_txn_forget(&all->one[i].ask);
	c->abandon = NULL;
	api_finish(c);
}

struct api_txn_asks *
api_txn_asks(struct api_call *c, int32_t most)
{
	struct api_txn_asks *all = rk_arena_get(&c->arena, 1, sizeof *all);

	if (all == NULL)
		return NULL;
	all->call = c;
	all->left = 1;
	all->one = rk_arena_get(&c->arena, (size_t)rk_max(most, 0) + 1, sizeof *all->one);
	c->wait = all;
	return all->one == NULL ? NULL : all;
}

struct core_txn_asker *
api_txn_next(struct api_txn_asks *all)
{
	struct api_txn_one *o = &all->one[all->count++];

	o->all = all;
	o->ask = (struct core_txn_asker){ .done = answered, .arena = &all->call->arena,
		.version = all->call->head.version };
	return &o->ask;
}

void
api_txn_kept(struct core_txn_asker *a)
{
	struct api_txn_one *o = rk_of(a, struct api_txn_one, ask);

	rk_assert(!o->waits);
	o->waits = true;
	o->all->left++;
}

enum api_fate
api_txn_fate(struct api_txn_asks *all)
{
	rk_assert(all->left > 0 && all->call->wait == all);
	if (--all->left == 0) {
		complete(all);
		return API_NOW;
	}
	all->call->abandon = abandoned;
	return API_LATER;
}

enum rk_err
api_txn_shard(struct api_call *c, struct rk_str id, struct core_shard **s)
{
	*s = NULL;
	if (id.len <= 0)
		return RK_INVALID_REQUEST;
	if (c->shared->txns == NULL || core_txn_world_of(c->shared->core) == NULL)
		return RK_COORDINATOR_NOT_AVAILABLE;
	return core_coord_find(c->shared->txns, id, s);
}
