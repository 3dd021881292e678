/* group_consumer_common.c - the protocols that the classic members of a group of consumers have in common. */
#include "protocol/gen/join_group.h"
#include "src/core/group_consumer.h"

typedef struct kp_consumer_group_member_metadata_value_classic_member_metadata classic_t;

/* Which of some names members have: sorted, so that it does not matter how many of them somebody makes up. */
struct tally {
	struct rk_str name;
	int32_t place;          /* among the names, as they came */
	int32_t members, last;  /* that have it; the number of the last of them */
};

static int
by_name(const void *a, const void *b)
{
	return rk_str_cmp(((const struct tally *)a)->name, ((const struct tally *)b)->name);
}

static int
by_name_and_place(const void *a, const void *b)
{
	int cmp = by_name(a, b);

	return cmp != 0 ? cmp : ((const struct tally *)a)->place - ((const struct tally *)b)->place;
}

/* Each name once; the number of them. */
static int32_t
tally_sort(struct tally *c, int32_t n)
{
	int32_t kept = 0;

	for (int32_t i = 0; i < n; i++)
		c[i].place = i;
	qsort(c, (size_t)n, sizeof *c, by_name_and_place);
	for (int32_t i = 0; i < n; i++)
		if (kept == 0 || !rk_str_eq(c[kept - 1].name, c[i].name))
			c[kept++] = c[i];
	return kept;
}

/* Members are numbered from 1. */
static void
tally_add(struct tally *c, int32_t n, const core_consumer_says *s, int32_t member)
{
	const classic_t *x = s->classic_member_metadata;

	rk_assert(member > 0);
	for (int32_t i = 0; i < x->supported_protocols.len; i++) {
		struct tally key = { .name = x->supported_protocols.at[i].name };
		struct tally *t = bsearch(&key, c, (size_t)n, sizeof *c, by_name);
		if (t == NULL || t->last == member)
			continue;
		t->last = member;
		t->members++;
	}
}

/* The first of the names that so many members have; null: none. */
static struct rk_str
tally_first(const struct tally *c, int32_t n, int32_t members)
{
	const struct tally *first = NULL;

	for (int32_t i = 0; i < n; i++)
		if (c[i].members == members && (first == NULL || c[i].place < first->place))
			first = &c[i];
	return first == NULL ? RK_STR_NULL : first->name;
}

bool
core_consumer_fits(const struct core_consumers *k, const struct kp_join_group_req *q, struct rk_arena *a)
{
	int32_t n = q->protocols.len, members = 0;
	struct tally *c = rk_arena_get(a, (size_t)rk_max(n, 1), sizeof *c);

	if (!rk_str_is(q->protocol_type, "consumer") || n <= 0 || c == NULL)
		return false;
	for (int32_t i = 0; i < n; i++)
		c[i].name = q->protocols.at[i].name;
	n = tally_sort(c, n);
	rk_list_each(&k->members, l) {
		const struct core_consumer *m = rk_of(l, struct core_consumer, link);
		if (m->known && core_consumer_classic(m))
			tally_add(c, n, &m->says, ++members);
	}
	return tally_first(c, n, members).len >= 0;
}

struct rk_str
core_consumer_common(const core_consumer_says *const *says, int32_t n, struct rk_arena *a)
{
	rk_assert(n > 0);
	const classic_t *first = says[0]->classic_member_metadata;
	int32_t names = rk_max(first->supported_protocols.len, 0);
	struct tally *c = rk_arena_get(a, (size_t)names + 1, sizeof *c);

	if (c == NULL)
		return RK_STR_NULL;
	for (int32_t i = 0; i < names; i++)
		c[i].name = first->supported_protocols.at[i].name;
	names = tally_sort(c, names);
	for (int32_t k = 0; k < n; k++)
		tally_add(c, names, says[k], k + 1);
	return tally_first(c, names, n);
}
