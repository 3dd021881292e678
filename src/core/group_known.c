/* group_known.c - the protocols that the members of a classic group know, and how many of them know each.
 *
 * Counted as members come, change and go, so that a join and an election are linear in what the members say, however
 * many protocols somebody makes up. A name that a member says twice counts once. */
#include "base/mem.h"
#include "protocol/gen/join_group.h"
#include "src/core/group_in.h"

struct known {
	struct rk_node node;  /* in the group's known */
	int32_t members;      /* that know it */
	int32_t votes;        /* of the election */
	uint64_t mark;        /* the group's, when it was last met */
	struct rk_str name;   /* behind the struct */
};

static uint64_t
hash(struct rk_str name)
{
	return rk_hash(name.at, (size_t)rk_max(name.len, 0), 29);
}

static struct known *
find(const struct core_group *g, struct rk_str name)
{
	for (struct rk_node *n = rk_map_first(&g->known, hash(name)); n != NULL; n = rk_map_next(n))
		if (rk_str_eq(rk_of(n, struct known, node)->name, name))
			return rk_of(n, struct known, node);
	return NULL;
}

static struct known *
make(struct core_group *g, struct rk_str name)
{
	struct known *k = rk_mem_get(sizeof *k + (size_t)name.len);

	rk_assert(name.len >= 0);
	*k = (struct known){ .name = { (char *)(k + 1), name.len } };
	if (name.len > 0)
		memcpy(k + 1, name.at, (size_t)name.len);
	rk_map_add(&g->known, &k->node, hash(name));
	return k;
}

void
core_known_add(struct core_group_member *m)
{
	struct core_group *g = m->group;

	g->mark++;
	for (int32_t i = 0; i < m->protocols; i++) {
		struct known *k = find(g, m->protocol[i].name);
		if (k == NULL)
			k = make(g, m->protocol[i].name);
		k->members += k->mark != g->mark;
		k->mark = g->mark;
	}
}

void
core_known_take(struct core_group_member *m)
{
	struct core_group *g = m->group;

	g->mark++;
	for (int32_t i = 0; i < m->protocols; i++) {
		struct known *k = find(g, m->protocol[i].name);
		if (k == NULL || k->mark == g->mark) /* said twice */
			continue;
		rk_assert(k->members > 0);
		k->mark = g->mark;
		if (--k->members > 0)
			continue;
		rk_map_del(&g->known, &k->node);
		rk_mem_put(k);
	}
	rk_assert(g->count > 1 || g->known.count == 0);
}

bool
core_known_fits(struct core_group *g, const struct kp_join_group_req *q, const struct core_group_member *but)
{
	int32_t others = g->count - (but != NULL);

	g->mark++;
	for (int32_t i = 0; but != NULL && i < but->protocols; i++)
		find(g, but->protocol[i].name)->mark = g->mark;
	for (int32_t i = 0; i < q->protocols.len; i++) {
		const struct known *k = find(g, q->protocols.at[i].name);
		if (k != NULL && k->members - (but != NULL && k->mark == g->mark) == others)
			return true;
	}
	return others == 0;
}

struct rk_str
core_known_elect(struct core_group *g)
{
	const struct core_group_member *any = rk_of(g->members.next, struct core_group_member, link);
	const struct known *best = NULL;

	rk_assert(g->count > 0);
	for (int32_t i = 0; i < any->protocols; i++)
		find(g, any->protocol[i].name)->votes = 0;
	rk_list_each(&g->members, l) {
		const struct core_group_member *m = rk_of(l, struct core_group_member, link);
		struct known *k = NULL;
		for (int32_t i = 0; i < m->protocols && (k == NULL || k->members < g->count); i++)
			k = find(g, m->protocol[i].name);
		if (k != NULL && k->members == g->count)
			k->votes++;
	}
	for (int32_t i = 0; i < any->protocols; i++) {
		const struct known *k = find(g, any->protocol[i].name);
		if (k->members == g->count && (best == NULL || k->votes > best->votes))
			best = k;
	}
	return best == NULL ? RK_STR_NULL : best->name;
}

void
core_known_free(struct core_group *g)
{
	rk_assert(g->count == 0 && g->known.count == 0);
	rk_map_free(&g->known);
}
