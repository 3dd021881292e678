/* place.c - which brokers are there, and which of them a new partition's replicas go to.
 *
 * Racks take turns, and inside a rack its brokers do; each partition begins one rack, and each rack one broker,
 * further than the one before. After each round the order is another, by chance: small topics spread over a large
 * cluster, and what one broker led is led by many others when it goes. Fenced brokers come last and never first,
 * those about to leave not at all. */
#include "src/meta/image.h"

struct meta_candidates
meta_candidates(const struct meta_plan *p)
{
	struct meta_candidates all = { NULL, 0 };
	struct kp_register_broker_record b;
	uint32_t cap = 0;

	for (int64_t from = 0; meta_broker_next(&p->view, from, p->arena, &b); from = (int64_t)b.broker_id + 1) {
		if (all.count == cap) {
			cap = cap == 0 ? 8 : cap * 2;
			struct meta_candidate *more = rk_arena_get(p->arena, cap, sizeof *more);
			if (more == NULL)
				return (struct meta_candidates){ NULL, 0 };
			if (all.count > 0)
				memcpy(more, all.at, all.count * sizeof *more);
			all.at = more;
		}
		struct meta_candidate *c = &all.at[all.count++];
		c->id = b.broker_id;
		c->epoch = b.broker_epoch;
		c->state = b.fenced ? META_FENCED : b.in_controlled_shutdown ? META_LEAVING : META_ACTIVE;
		c->rack = rk_arena_str(p->arena, b.rack);
		c->directory = b.log_dirs.len == 1 ? b.log_dirs.at[0] : (struct rk_uuid){ { 0 } };
		if (b.log_dirs.len > 1)
			c->directory.id[15] = 1; /* Kafka's UNASSIGNED */
		c->dirs = b.log_dirs.at;
		c->dir_count = b.log_dirs.len > 0 ? b.log_dirs.len : 0;
		c->full = b.log_dirs.len > 0 && b.cordoned_log_dirs.len >= b.log_dirs.len;
	}
	return all;
}

const struct meta_candidate *
meta_candidate(const struct meta_candidates *all, int32_t id)
{
	return all->count == 0 ? NULL : bsearch(&id, all->at, all->count, sizeof *all->at, rk_by_i32);
}

struct rack {
	struct rk_str name;
	int32_t *live, *rest;     /* ids: unfenced, fenced */
	uint32_t lives, rests, begin;
	uint32_t live_used, rest_used; /* by the partition at hand */
};

static struct rack *
rack_of(struct rack *rack, uint32_t *racks, struct rk_str name, uint32_t brokers, struct rk_arena *a)
{
	for (uint32_t i = 0; i < *racks; i++)
		if (rk_str_eq(rack[i].name, name))
			return &rack[i];
	struct rack *r = &rack[(*racks)++];
	r->name = name;
	r->live = rk_arena_get(a, brokers, sizeof *r->live);
	r->rest = rk_arena_get(a, brokers, sizeof *r->rest);
	return r->live == NULL || r->rest == NULL ? NULL : r;
}

/* One partition: first every rack's live brokers in turn, then the others. */
static void
one(struct rack *rack, uint32_t racks, uint32_t from, int32_t factor, int32_t *out)
{
	int32_t n = 0;

	for (uint32_t i = 0; i < racks; i++)
		rack[i].live_used = rack[i].rest_used = 0;
	for (int fenced = 0; fenced < 2; fenced++)
		for (bool any = true; any && n < factor;) {
			any = false;
			for (uint32_t i = 0; i < racks && n < factor; i++) {
				struct rack *r = &rack[(from + i) % racks];
				uint32_t have = fenced ? r->rests : r->lives;
				uint32_t *used = fenced ? &r->rest_used : &r->live_used;
				if (*used == have)
					continue;
				out[n++] = (fenced ? r->rest : r->live)[(r->begin + *used) % have];
				++*used;
				any = true;
			}
		}
	rk_assert(n == factor);
}

static void
shuffle_ids(struct meta_plan *p, int32_t *id, uint32_t n)
{
	for (uint32_t i = n; i > 1; i--) {
		uint32_t k = (uint32_t)(rk_chance(p->env) % i);
		int32_t other = id[k];
		id[k] = id[i - 1];
		id[i - 1] = other;
	}
}

static void
shuffle_racks(struct meta_plan *p, struct rack *rack, uint32_t n)
{
	for (uint32_t i = n; i > 1; i--) {
		uint32_t k = (uint32_t)(rk_chance(p->env) % i);
		struct rack other = rack[k];
		rack[k] = rack[i - 1];
		rack[i - 1] = other;
	}
}

/* All partitions: each rack begins once in a round, and each of its brokers once in a round of the rack's. A rack
 * without a live broker cannot give the first replica, so it is not begun with. */
static void
all_of(struct meta_plan *p, struct rack *rack, uint32_t racks, int32_t count, int32_t factor, int32_t *out)
{
	uint32_t from = racks; /* the round is over */

	for (int32_t i = 0; i < count; i++) {
		do {
			if (++from >= racks) {
				shuffle_racks(p, rack, racks);
				from = 0;
			}
		} while (rack[from].lives == 0);
		struct rack *r = &rack[from];
		if (r->begin % r->lives == 0)
			shuffle_ids(p, r->live, r->lives);
		one(rack, racks, from, factor, out + (size_t)i * (size_t)factor);
		r->begin++;
	}
}

bool
meta_place(struct meta_plan *p, const struct meta_candidates *all, int32_t count, int32_t factor, int32_t *out,
    struct rk_str *why)
{
	uint32_t racks = 0, usable = 0, live = 0;
	struct rack *rack = rk_arena_get(p->arena, all->count + 1, sizeof *rack);

	*why = RK_STR_NULL;
	if (rack == NULL)
		return false;
	for (uint32_t i = 0; i < all->count; i++) {
		const struct meta_candidate *c = &all->at[i];
		if (c->full || c->state == META_LEAVING)
			continue;
		struct rack *r = rack_of(rack, &racks, c->rack, all->count, p->arena);
		if (r == NULL)
			return false;
		usable++;
		if (c->state == META_FENCED) {
			r->rest[r->rests++] = c->id;
		} else {
			r->live[r->lives++] = c->id;
			live++;
		}
	}
	if (live == 0)
		*why = rk_lit("All brokers are currently fenced, or have all their log directories cordoned.");
	else if ((uint32_t)factor > usable)
		*why = rk_arena_print(p->arena, "The target replication factor of %d cannot be reached because only %u "
		    "broker(s) are registered or some brokers have all their log directories cordoned.", factor, usable);
	if (why->len >= 0)
		return false;
	for (uint32_t i = 0; i < racks; i++) {
		shuffle_ids(p, rack[i].live, rack[i].lives);
		shuffle_ids(p, rack[i].rest, rack[i].rests);
	}
	all_of(p, rack, racks, count, factor, out);
	return true;
}
