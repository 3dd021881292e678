/* cluster.c - brokers and partitions as answers show them. */
#include "src/api/cluster.h"

static void
add(struct api_call *c, struct api_broker *b, const struct kp_register_broker_record *r)
{
	*b = (struct api_broker){.id = r->broker_id,
	    .alive = !r->fenced,
	    .rack = rk_arena_str(&c->arena, r->rack),
	    .host = rk_lit(""),
	    .port = -1,
	    .dirs = r->log_dirs.at,
	    .dir_count = (int32_t)rk_max(r->log_dirs.len, 0)};
	for (int32_t i = 0; i < r->end_points.len; i++)
		if (rk_str_is(r->end_points.at[i].name, c->listener)) {
			b->host = rk_arena_str(&c->arena, r->end_points.at[i].host);
			b->port = r->end_points.at[i].port;
			b->reached = true;
		}
}

bool
api_brokers_of(struct api_call *c, struct api_brokers *all)
{
	struct kp_register_broker_record r;
	uint32_t cap = 8;

	all->count = 0;
	all->at = rk_arena_raw(&c->arena, cap * sizeof *all->at);
	for (int64_t from = 0; meta_broker_next(&c->view, from, &c->arena, &r); from = (int64_t)r.broker_id + 1) {
		if (all->count == cap) {
			struct api_broker *more = rk_arena_raw(&c->arena, 2 * cap * sizeof *more);
			if (more != NULL)
				memcpy(more, all->at, cap * sizeof *more);
			all->at = more;
			cap *= 2;
		}
		if (all->at == NULL)
			return false;
		add(c, &all->at[all->count++], &r);
	}
	return all->at != NULL;
}

const struct api_broker *
api_broker(const struct api_brokers *all, int32_t id)
{
	return all->count == 0 ? NULL : bsearch(&id, all->at, all->count, sizeof *all->at, rk_by_i32);
}

int32_t
api_any_broker(struct api_call *c, const struct api_brokers *all)
{
	uint32_t alive = 0;

	for (uint32_t i = 0; i < all->count; i++)
		alive += all->at[i].alive;
	if (alive == 0)
		return -1;
	uint32_t pick = (uint32_t)(rk_chance(c->shared->env) % alive);
	for (uint32_t i = 0; i < all->count; i++)
		if (all->at[i].alive && pick-- == 0)
			return all->at[i].id;
	return -1;
}

/* The replica's directory is not among those its broker has online. Ids 0 and 1 stand for one that is not known. */
static bool
offline_dir(const struct api_broker *b, const struct kp_partition_record *r, int32_t replica)
{
	return replica < r->directories.len
	       && !meta_directory_online(b->dirs, b->dir_count, r->directories.at[replica]);
}

bool
api_part_of(struct api_call *c, const struct api_brokers *all, struct rk_uuid topic, int32_t index,
    bool old_errors, struct api_part *p)
{
	struct kp_partition_record r;

	*p = (struct api_part){.leader = -1};
	if (!meta_partition(&c->view, topic, index, &c->arena, &r))
		return false;
	const struct api_broker *leader = api_broker(all, r.leader);
	bool alive = leader != NULL && leader->alive;
	p->leader_epoch = r.leader_epoch;
	p->replicas = r.replicas.at;
	p->replica_count = r.replicas.len;
	p->isr = r.isr.at;
	p->isr_count = r.isr.len;
	p->elr = r.eligible_leader_replicas.at;
	p->elr_count = r.eligible_leader_replicas.len;
	p->last_elr = r.last_known_elr.at;
	p->last_elr_count = r.last_known_elr.len;
	if (alive && leader->reached)
		p->leader = r.leader;
	else
		p->err = alive && !old_errors ? RK_LISTENER_NOT_FOUND : RK_LEADER_NOT_AVAILABLE;
	p->offline = rk_arena_get(&c->arena, (size_t)rk_max(r.replicas.len, 1), sizeof *p->offline);
	for (int32_t i = 0; i < r.replicas.len && p->offline != NULL; i++) {
		const struct api_broker *b = api_broker(all, r.replicas.at[i]);
		if (b == NULL || !b->alive || !b->reached || offline_dir(b, &r, i))
			p->offline[p->offline_count++] = r.replicas.at[i];
	}
	return true;
}

static bool
widen(struct api_call *c, struct api_names *n)
{
	uint32_t cap = n->cap == 0 ? 16 : n->cap * 2;
	struct rk_str *slot = rk_arena_get(&c->arena, cap, sizeof *slot);

	if (slot == NULL)
		return false;
	for (uint32_t i = 0; i < n->cap; i++)
		if (n->slot[i].at != NULL) {
			uint64_t h = rk_hash(n->slot[i].at, (size_t)n->slot[i].len, 5);
			while (slot[h & (cap - 1)].at != NULL)
				h++;
			slot[h & (cap - 1)] = n->slot[i];
		}
	n->slot = slot;
	n->cap = cap;
	return true;
}

bool
api_seen(struct api_call *c, struct api_names *n, struct rk_str name)
{
	if (name.len <= 0 || (n->count * 2 >= n->cap && !widen(c, n)))
		return false;
	uint64_t h = rk_hash(name.at, (size_t)name.len, 5);
	for (; n->slot[h & (n->cap - 1)].at != NULL; h++)
		if (rk_str_eq(n->slot[h & (n->cap - 1)], name))
			return true;
	n->slot[h & (n->cap - 1)] = name;
	n->count++;
	return false;
}
