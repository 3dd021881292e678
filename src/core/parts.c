/* parts.c - sets of partitions: sorted arrays, merged. */
#include "src/core/assign.h"

struct core_parts
core_parts_make(int32_t cap, struct rk_arena *a)
{
	struct core_parts p = { rk_arena_raw(a, ((size_t)rk_max(cap, 0) + 1) * sizeof(struct core_part)), 0 };

	return p;
}

void
core_parts_add(struct core_parts *p, struct rk_uuid topic, int32_t index, int32_t epoch)
{
	if (p->at != NULL)
		p->at[p->count++] = (struct core_part){ topic, index, epoch };
}

void
core_parts_add_all(struct core_parts *p, struct rk_uuid topic, const int32_t *index, int32_t len, const int32_t *epoch)
{
	for (int32_t i = 0; i < len; i++)
		core_parts_add(p, topic, index[i], epoch == NULL ? 0 : epoch[i]);
}

static int
order(const struct core_part *a, const struct core_part *b)
{
	int d = memcmp(a->topic.id, b->topic.id, sizeof a->topic.id);

	return d != 0 ? d : (a->index > b->index) - (a->index < b->index);
}

static int
by_place(const void *a, const void *b)
{
	return order(a, b);
}

void
core_parts_sort(struct core_parts *p)
{
	int32_t n = 0;
	bool fine = true;

	for (int32_t i = 1; i < p->count; i++)
		fine &= order(&p->at[i - 1], &p->at[i]) < 0;
	if (fine)
		return;
	qsort(p->at, (size_t)p->count, sizeof *p->at, by_place);
	for (int32_t i = 0; i < p->count; i++)
		if (n == 0 || order(&p->at[n - 1], &p->at[i]) != 0)
			p->at[n++] = p->at[i];
	p->count = n;
}

const struct core_part *
core_parts_find(const struct core_parts *p, struct rk_uuid topic, int32_t index)
{
	struct core_part want = { topic, index, 0 };

	return p->count == 0 ? NULL : bsearch(&want, p->at, (size_t)p->count, sizeof *p->at, by_place);
}

/* Those of a that b has, or has not. */
static struct core_parts
sift(struct core_parts a, struct core_parts b, bool in_b, struct rk_arena *to)
{
	struct core_parts out = core_parts_make(a.count, to);
	int32_t k = 0;

	for (int32_t i = 0; i < a.count && out.at != NULL; i++) {
		while (k < b.count && order(&b.at[k], &a.at[i]) < 0)
			k++;
		if ((k < b.count && order(&b.at[k], &a.at[i]) == 0) == in_b)
			out.at[out.count++] = a.at[i];
	}
	return out;
}

struct core_parts
core_parts_both(struct core_parts a, struct core_parts b, struct rk_arena *to)
{
	return sift(a, b, true, to);
}

struct core_parts
core_parts_less(struct core_parts a, struct core_parts b, struct rk_arena *to)
{
	return sift(a, b, false, to);
}

struct core_parts
core_parts_sum(struct core_parts a, struct core_parts b, struct rk_arena *to)
{
	struct core_parts out = core_parts_make(a.count + b.count, to);
	int32_t i = 0, k = 0;

	while (out.at != NULL && (i < a.count || k < b.count)) {
		int d = i == a.count ? 1 : k == b.count ? -1 : order(&a.at[i], &b.at[k]);
		out.at[out.count++] = d <= 0 ? a.at[i] : b.at[k];
		i += d <= 0;
		k += d >= 0;
	}
	return out;
}

static bool
alike(struct core_parts a, struct core_parts b, bool epochs)
{
	if (a.count != b.count)
		return false;
	for (int32_t i = 0; i < a.count; i++)
		if (order(&a.at[i], &b.at[i]) != 0 || (epochs && a.at[i].epoch != b.at[i].epoch))
			return false;
	return true;
}

bool
core_parts_eq(struct core_parts a, struct core_parts b)
{
	return alike(a, b, false);
}

bool
core_parts_same(struct core_parts a, struct core_parts b)
{
	return alike(a, b, true);
}

bool
core_parts_within(struct core_parts a, struct core_parts b)
{
	for (int32_t i = 0; i < a.count; i++)
		if (core_parts_find(&b, a.at[i].topic, a.at[i].index) == NULL)
			return false;
	return true;
}

int32_t
core_parts_run(struct core_parts p, int32_t from)
{
	int32_t to = from;

	rk_assert(from >= 0 && from < p.count);
	while (to < p.count && rk_uuid_eq(p.at[to].topic, p.at[from].topic))
		to++;
	rk_assert(to > from);
	return to;
}

int32_t
core_parts_topics(struct core_parts p)
{
	int32_t n = 0;

	for (int32_t i = 0; i < p.count; i = core_parts_run(p, i))
		n++;
	return n;
}

int32_t *
core_parts_indexes(struct core_parts p, int32_t from, int32_t to, struct rk_arena *a)
{
	int32_t *out = rk_arena_get(a, (size_t)(to - from) + 1, sizeof *out);

	rk_assert(from >= 0 && from <= to && to <= p.count);
	for (int32_t i = from; out != NULL && i < to; i++)
		out[i - from] = p.at[i].index;
	return out;
}
