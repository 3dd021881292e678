/* list.c - the chained map and the timer heap. */
#include "base/list.h"
#include "base/mem.h"

static void
widen(struct rk_map *m)
{
	uint32_t cap = m->cap == 0 ? 16 : m->cap * 2;
	struct rk_node **slot = rk_mem_get(cap * sizeof(*slot));

	for (uint32_t i = 0; i < m->cap; i++)
		for (struct rk_node *n = m->slot[i], *next; n != NULL; n = next) {
			next = n->next;
			n->next = slot[n->hash & (cap - 1)];
			slot[n->hash & (cap - 1)] = n;
		}
	rk_mem_put(m->slot);
	m->slot = slot;
	m->cap = cap;
}

void
rk_map_add(struct rk_map *m, struct rk_node *n, uint64_t hash)
{
	if (m->count >= m->cap)
		widen(m);
	n->hash = hash;
	n->next = m->slot[hash & (m->cap - 1)];
	m->slot[hash & (m->cap - 1)] = n;
	m->count++;
}

void
rk_map_del(struct rk_map *m, struct rk_node *n)
{
	rk_assert(m->count > 0);
	struct rk_node **at = &m->slot[n->hash & (m->cap - 1)];
	while (*at != n) {
		rk_assert(*at != NULL);
		at = &(*at)->next;
	}
	*at = n->next;
	n->next = NULL;
	m->count--;
}

static struct rk_node *
same(struct rk_node *n, uint64_t hash)
{
	while (n != NULL && n->hash != hash)
		n = n->next;
	return n;
}

struct rk_node *
rk_map_first(const struct rk_map *m, uint64_t hash)
{
	return m->cap == 0 ? NULL : same(m->slot[hash & (m->cap - 1)], hash);
}

struct rk_node *
rk_map_next(const struct rk_node *n)
{
	return same(n->next, n->hash);
}

struct rk_node *
rk_map_walk(const struct rk_map *m, const struct rk_node *n)
{
	uint32_t i = 0;

	if (n != NULL && n->next != NULL)
		return n->next;
	if (n != NULL)
		i = (uint32_t)(n->hash & (m->cap - 1)) + 1;
	for (; i < m->cap; i++)
		if (m->slot[i] != NULL)
			return m->slot[i];
	return NULL;
}

void
rk_map_free(struct rk_map *m)
{
	rk_mem_put(m->slot);
	*m = (struct rk_map){ 0 };
}

static void
put(struct rk_timers *h, uint32_t i, struct rk_timer *t)
{
	h->heap[i - 1] = t;
	t->place = i;
}

static void
up(struct rk_timers *h, uint32_t i, struct rk_timer *t)
{
	for (; i > 1 && h->heap[i / 2 - 1]->at_ms > t->at_ms; i /= 2)
		put(h, i, h->heap[i / 2 - 1]);
	put(h, i, t);
}

static void
down(struct rk_timers *h, uint32_t i, struct rk_timer *t)
{
	for (uint32_t c = 2 * i; c <= h->count; i = c, c = 2 * i) {
		if (c < h->count && h->heap[c]->at_ms < h->heap[c - 1]->at_ms)
			c++;
		if (h->heap[c - 1]->at_ms >= t->at_ms)
			break;
		put(h, i, h->heap[c - 1]);
	}
	put(h, i, t);
}

void
rk_timer_stop(struct rk_timers *h, struct rk_timer *t)
{
	uint32_t i = t->place;

	t->at_ms = INT64_MAX;
	if (i == 0)
		return;
	rk_assert(i <= h->count && h->heap[i - 1] == t);
	t->place = 0;
	struct rk_timer *last = h->heap[--h->count];
	if (last == t)
		return;
	if (i > 1 && h->heap[i / 2 - 1]->at_ms > last->at_ms)
		up(h, i, last);
	else
		down(h, i, last);
}

void
rk_timer_set(struct rk_timers *h, struct rk_timer *t, int64_t at_ms)
{
	rk_assert(t->fire != NULL);
	rk_timer_stop(h, t);
	if (at_ms == INT64_MAX)
		return;
	if (h->count == h->cap) {
		h->cap = h->cap == 0 ? 16 : h->cap * 2;
		h->heap = rk_mem_grow(h->heap, h->cap * sizeof(*h->heap));
	}
	t->at_ms = at_ms;
	h->count++;
	up(h, h->count, t);
}

int64_t
rk_timers_next(const struct rk_timers *h)
{
	return h->count == 0 ? INT64_MAX : h->heap[0]->at_ms;
}

void
rk_timers_run(struct rk_timers *h, int64_t now_ms)
{
	while (h->count > 0 && h->heap[0]->at_ms <= now_ms) {
		struct rk_timer *t = h->heap[0];
		rk_timer_stop(h, t);
		t->fire(t, now_ms);
	}
}

void
rk_timers_free(struct rk_timers *h)
{
	rk_mem_put(h->heap);
	*h = (struct rk_timers){ 0 };
}
