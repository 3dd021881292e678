/* assign.c - the assignors: uniform and range.
 *
 * Partitions are numbered through, topic after topic; owner[] says which member a number goes to. Uniform has two
 * ways. All members want the same topics: everybody has a quota, keeps what it has up to it, and the rest is dealt out
 * in order. Else: everybody keeps all it may have, what nobody has goes to the least loaded of its subscribers, and
 * then partitions move from a member to one that has at least two fewer, which ends because the sum of squares
 * falls with each move. */
#include "src/core/assign.h"

enum { ROUNDS_MAX = 200, NOBODY = -1 };

struct table {
	const struct core_assign_topic *topic;
	int32_t topics;
	struct core_assign_member *member;
	int32_t members;
	int32_t *base;      /* the first number of a topic; base[topics]: how many there are */
	int32_t *owner;     /* by number */
	int32_t *count;     /* by member: how many it has */
	int32_t *first, *sub; /* the subscribers of topic t: sub[first[t]] ... sub[first[t + 1] - 1] */
	struct rk_arena *arena;
};

static bool
lay(struct table *x)
{
	int64_t total = 0;

	x->base = rk_arena_get(x->arena, (size_t)x->topics + 1, sizeof *x->base);
	x->count = rk_arena_get(x->arena, (size_t)x->members + 1, sizeof *x->count);
	if (x->base == NULL || x->count == NULL)
		return false;
	for (int32_t t = 0; t < x->topics; t++) {
		rk_assert(x->topic[t].partitions >= 0);
		rk_assert(t == 0 || memcmp(x->topic[t - 1].id.id, x->topic[t].id.id, 16) < 0);
		x->base[t] = (int32_t)total;
		total += x->topic[t].partitions;
		if (total > INT32_MAX / 2)
			return false;
	}
	x->base[x->topics] = (int32_t)total;
	x->owner = rk_arena_get(x->arena, (size_t)total + 1, sizeof *x->owner);
	for (int64_t i = 0; x->owner != NULL && i < total; i++)
		x->owner[i] = NOBODY;
	return x->owner != NULL;
}

static bool
gather_subscribers(struct table *x)
{
	size_t all = 0;

	for (int32_t m = 0; m < x->members; m++)
		all += (size_t)x->member[m].topics;
	x->first = rk_arena_get(x->arena, (size_t)x->topics + 2, sizeof *x->first);
	x->sub = rk_arena_get(x->arena, all + 1, sizeof *x->sub);
	if (x->first == NULL || x->sub == NULL)
		return false;
	for (int32_t m = 0; m < x->members; m++)
		for (int32_t i = 0; i < x->member[m].topics; i++)
			x->first[x->member[m].topic[i] + 2]++; /* counts, shifted by two; sums come next */
	for (int32_t t = 2; t <= x->topics; t++)
		x->first[t] += x->first[t - 1];
	for (int32_t m = 0; m < x->members; m++)
		for (int32_t i = 0; i < x->member[m].topics; i++)
			x->sub[x->first[x->member[m].topic[i] + 1]++] = m;
	return true;
}

/* The number of a partition that the member may have; NOBODY: it may not, or there is none. */
static int32_t
number_of(const struct table *x, const struct core_assign_member *m, const struct core_part *p)
{
	int32_t low = 0, high = m->topics - 1;

	while (low <= high) {
		int32_t mid = (low + high) / 2, t = m->topic[mid];
		int d = memcmp(x->topic[t].id.id, p->topic.id, sizeof p->topic.id);
		if (d == 0)
			return p->index >= 0 && p->index < x->topic[t].partitions ? x->base[t] + p->index : NOBODY;
		if (d < 0)
			low = mid + 1;
		else
			high = mid - 1;
	}
	return NOBODY;
}

static void
give(struct table *x, int32_t number, int32_t member)
{
	rk_assert(x->owner[number] == NOBODY);
	x->owner[number] = member;
	x->count[member]++;
}

/* The owners are the answer. */
static bool
hand_out(struct table *x)
{
	for (int32_t m = 0; m < x->members; m++)
		x->member[m].gets = core_parts_make(x->count[m], x->arena);
	for (int32_t t = 0; t < x->topics && !x->arena->over; t++)
		for (int32_t p = 0; p < x->topic[t].partitions; p++) {
			int32_t m = x->owner[x->base[t] + p];
			if (m != NOBODY)
				core_parts_add(&x->member[m].gets, x->topic[t].id, p, 0);
		}
	return !x->arena->over;
}

/* --- uniform, all alike */
static bool
alike(const struct table *x)
{
	for (int32_t m = 1; m < x->members; m++) {
		const struct core_assign_member *a = &x->member[0], *b = &x->member[m];
		if (a->topics != b->topics
		    || (a->topic != b->topic && memcmp(a->topic, b->topic, (size_t)a->topics * sizeof *a->topic) != 0))
			return false;
	}
	return true;
}

static void
deal(struct table *x)
{
	const struct core_assign_member *any = &x->member[0];
	int32_t total = 0, next = 0, at = 0;

	for (int32_t i = 0; i < any->topics; i++)
		total += x->topic[any->topic[i]].partitions;
	int32_t quota = total / x->members, extra = total % x->members;
	for (int32_t m = 0; m < x->members; m++)
		for (int32_t i = 0; i < x->member[m].has.count; i++) {
			int32_t n = number_of(x, &x->member[m], &x->member[m].has.at[i]);
			if (n == NOBODY || x->owner[n] != NOBODY || x->count[m] > quota || (x->count[m] == quota && extra == 0))
				continue;
			extra -= x->count[m] == quota;
			give(x, n, m);
		}
	for (int32_t m = 0; m < x->members; m++) {
		int32_t room = quota - x->count[m];
		if (room >= 0 && extra > 0) {
			room++;
			extra--;
		}
		while (room > 0 && at < any->topics) {
			int32_t t = any->topic[at];
			if (next == x->topic[t].partitions) {
				at++;
				next = 0;
				continue;
			}
			if (x->owner[x->base[t] + next] == NOBODY) {
				give(x, x->base[t] + next, m);
				room--;
			}
			next++;
		}
	}
}

/* --- uniform, everybody wants something else */
static int32_t
least(const struct table *x, int32_t t)
{
	int32_t best = NOBODY;

	for (int32_t i = x->first[t]; i < x->first[t + 1]; i++)
		if (best == NOBODY || x->count[x->sub[i]] < x->count[best])
			best = x->sub[i];
	return best;
}

static void
spread(struct table *x)
{
	bool moved = true;

	for (int round = 0; moved && round < ROUNDS_MAX; round++) {
		moved = false;
		for (int32_t t = 0; t < x->topics; t++) {
			int32_t low = least(x, t);
			for (int32_t n = x->base[t + 1] - 1; low != NOBODY && n >= x->base[t]; n--) {
				int32_t high = x->owner[n];
				if (x->count[high] < x->count[low] + 2)
					continue;
				x->count[high]--;
				x->owner[n] = NOBODY;
				give(x, n, low);
				low = least(x, t);
				moved = true;
			}
		}
	}
}

struct rank {
	int32_t subscribers, topic;
};

static int
by_rank(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	return x->subscribers != y->subscribers ? (x->subscribers > y->subscribers) - (x->subscribers < y->subscribers)
	    : (x->topic > y->topic) - (x->topic < y->topic);
}

static bool
balance(struct table *x)
{
	struct rank *r = rk_arena_get(x->arena, (size_t)x->topics + 1, sizeof *r);

	if (r == NULL || !gather_subscribers(x))
		return false;
	for (int32_t m = 0; m < x->members; m++)
		for (int32_t i = 0; i < x->member[m].has.count; i++) {
			int32_t n = number_of(x, &x->member[m], &x->member[m].has.at[i]);
			if (n != NOBODY && x->owner[n] == NOBODY)
				give(x, n, m);
		}
	/* Topics that few may have go first: they have the least choice. */
	for (int32_t t = 0; t < x->topics; t++)
		r[t] = (struct rank){ x->first[t + 1] - x->first[t], t };
	qsort(r, (size_t)x->topics, sizeof *r, by_rank);
	for (int32_t i = 0; i < x->topics; i++)
		for (int32_t n = x->base[r[i].topic]; r[i].subscribers > 0 && n < x->base[r[i].topic + 1]; n++)
			if (x->owner[n] == NOBODY)
				give(x, n, least(x, r[i].topic));
	spread(x);
	return true;
}

bool
core_assign_uniform(const struct core_assign_topic *topic, int32_t topics, struct core_assign_member *member,
    int32_t members, struct rk_arena *a)
{
	struct table x = { .topic = topic, .topics = topics, .member = member, .members = members, .arena = a };

	if (!lay(&x))
		return false;
	if (members == 0)
		return true;
	if (alike(&x))
		deal(&x);
	else if (!balance(&x))
		return false;
	return hand_out(&x);
}

/* --- range */
static int
by_name(const void *a, const void *b)
{
	const struct core_assign_member *x = *(struct core_assign_member *const *)a,
	    *y = *(struct core_assign_member *const *)b;

	if (x->instance.len >= 0 && y->instance.len >= 0)
		return rk_str_cmp(x->instance, y->instance);
	if ((x->instance.len >= 0) != (y->instance.len >= 0))
		return x->instance.len >= 0 ? -1 : 1;
	return rk_str_cmp(x->id, y->id);
}

bool
core_assign_range(const struct core_assign_topic *topic, int32_t topics, struct core_assign_member *member,
    int32_t members, struct rk_arena *a)
{
	struct table x = { .topic = topic, .topics = topics, .member = member, .members = members, .arena = a };
	struct core_assign_member **sorted = rk_arena_get(a, (size_t)members + 1, sizeof *sorted);
	int32_t *next = rk_arena_get(a, (size_t)topics + 1, sizeof *next);
	int32_t *left = rk_arena_get(a, (size_t)topics + 1, sizeof *left); /* subscribers still to come */

	if (sorted == NULL || next == NULL || left == NULL || !lay(&x))
		return false;
	for (int32_t m = 0; m < members; m++) {
		sorted[m] = &member[m];
		for (int32_t i = 0; i < member[m].topics; i++)
			left[member[m].topic[i]]++;
	}
	qsort(sorted, (size_t)members, sizeof *sorted, by_name);
	for (int32_t m = 0; m < members; m++)
		for (int32_t i = 0; i < sorted[m]->topics; i++) {
			int32_t t = sorted[m]->topic[i];
			/* What is left, over those who are left, rounded up: the first ones have one more. */
			int32_t share = (topic[t].partitions - next[t] + left[t] - 1) / left[t];
			left[t]--;
			for (; share > 0; share--)
				give(&x, x.base[t] + next[t]++, (int32_t)(sorted[m] - member));
		}
	return hand_out(&x);
}

core_assignor *
core_assignor_named(struct rk_str name)
{
	return rk_str_is(name, "uniform") ? core_assign_uniform : rk_str_is(name, "range") ? core_assign_range : NULL;
}
