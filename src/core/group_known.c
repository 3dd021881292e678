/* group_known.c - the protocols that members of the classic protocol know, and how many of them know each.
 *
 * A classic group counts them as its members come, change and go; a group of consumers, which has few such members,
 * when it is asked. Either way all is linear in what the members say, however many protocols somebody makes up. A name
 * that a member says twice counts once. */
#include "base/mem.h"
#include "protocol/gen/join_group.h"
#include "src/core/group_in.h"

struct known {
	struct rk_node node;  /* in by_name */
	int32_t members;      /* that know it */
	int32_t votes;        /* of the election */
	uint64_t mark;        /* the speaker's that met it last */
	struct rk_str name;   /* behind the struct */
};

static uint64_t
hash(struct rk_str name)
{
	return rk_hash(name.at, (size_t)rk_max(name.len, 0), 29);
}

static struct known *
find(const struct core_known *k, struct rk_str name)
{
	for (struct rk_node *n = rk_map_first(&k->by_name, hash(name)); n != NULL; n = rk_map_next(n))
		if (rk_str_eq(rk_of(n, struct known, node)->name, name))
			return rk_of(n, struct known, node);
	return NULL;
}

static struct known *
make(struct core_known *k, struct rk_str name)
{
	struct known *x = rk_mem_get(sizeof *x + (size_t)name.len);

	rk_assert(name.len >= 0);
	*x = (struct known){ .name = { (char *)(x + 1), name.len } };
	if (name.len > 0)
		memcpy(x + 1, name.at, (size_t)name.len);
	rk_map_add(&k->by_name, &x->node, hash(name));
	return x;
}

static void
drop(struct core_known *k, struct known *x)
{
	rk_map_del(&k->by_name, &x->node);
	rk_mem_put(x);
}

/* --- a table */
void
core_known_speaker(struct core_known *k)
{
	k->mark++;
}

void
core_known_says(struct core_known *k, struct rk_str name)
{
	struct known *x = find(k, name);

	rk_assert(k->mark > 0);
	if (x == NULL)
		x = make(k, name);
	x->members += x->mark != k->mark;
	x->mark = k->mark;
}

int32_t
core_known_by(const struct core_known *k, struct rk_str name)
{
	const struct known *x = find(k, name);

	return x == NULL ? 0 : x->members;
}

void
core_known_free(struct core_known *k)
{
	struct rk_node *after;

	for (struct rk_node *n = k->by_name.count == 0 ? NULL : rk_map_walk(&k->by_name, NULL); n != NULL; n = after) {
		after = rk_map_walk(&k->by_name, n);
		drop(k, rk_of(n, struct known, node));
	}
	rk_map_free(&k->by_name);
}

/* --- a classic group's */
void
core_known_add(struct core_group_member *m)
{
	core_known_speaker(&m->group->known);
	for (int32_t i = 0; i < m->protocols; i++)
		core_known_says(&m->group->known, m->protocol[i].name);
}

void
core_known_take(struct core_group_member *m)
{
	struct core_known *k = &m->group->known;

	core_known_speaker(k);
	for (int32_t i = 0; i < m->protocols; i++) {
		struct known *x = find(k, m->protocol[i].name);
		if (x == NULL || x->mark == k->mark) /* said twice */
			continue;
		rk_assert(x->members > 0);
		x->mark = k->mark;
		if (--x->members == 0)
			drop(k, x);
	}
	rk_assert(m->group->count > 1 || k->by_name.count == 0);
}

bool
core_known_fits(struct core_group *g, const struct kp_join_group_req *q, const struct core_group_member *but)
{
	struct core_known *k = &g->known;
	int32_t others = g->count - (but != NULL);

	core_known_speaker(k);
	for (int32_t i = 0; but != NULL && i < but->protocols; i++)
		find(k, but->protocol[i].name)->mark = k->mark;
	for (int32_t i = 0; i < q->protocols.len; i++) {
		const struct known *x = find(k, q->protocols.at[i].name);
		if (x != NULL && x->members - (but != NULL && x->mark == k->mark) == others)
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
		find(&g->known, any->protocol[i].name)->votes = 0;
	rk_list_each(&g->members, l) {
		const struct core_group_member *m = rk_of(l, struct core_group_member, link);
		struct known *x = NULL;
		for (int32_t i = 0; i < m->protocols && (x == NULL || x->members < g->count); i++)
			x = find(&g->known, m->protocol[i].name);
		if (x != NULL && x->members == g->count)
			x->votes++;
	}
	for (int32_t i = 0; i < any->protocols; i++) {
		const struct known *x = find(&g->known, any->protocol[i].name);
		if (x->members == g->count && (best == NULL || x->votes > best->votes))
			best = x;
	}
	return best == NULL ? RK_STR_NULL : best->name;
}
