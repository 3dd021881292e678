/* list.h - intrusive rings and chained maps: the member lives in the thing, nothing is allocated
 * but the map's slots. */
#ifndef RK_LIST_H
#define RK_LIST_H

/* A ring. The head is a member too; an empty ring points at itself. */
struct rk_list {
	struct rk_list *next, *prev;
};
static inline void
rk_list_init(struct rk_list *l)
{
	l->next = l->prev = l;
}
static inline bool
rk_list_empty(const struct rk_list *l)
{
	return l->next == l;
}
/* Puts m last in the ring of head. */
static inline void
rk_list_add(struct rk_list *head, struct rk_list *m)
{
	m->next = head;
	m->prev = head->prev;
	head->prev->next = m;
	head->prev = m;
}
/* Takes m out of whatever ring it is in; m is then a ring of its own, so that twice is harmless. */
static inline void
rk_list_del(struct rk_list *m)
{
	m->prev->next = m->next;
	m->next->prev = m->prev;
	m->next = m->prev = m;
}
static inline uint32_t
rk_list_count(const struct rk_list *head)
{
	uint32_t n = 0;

	for (const struct rk_list *m = head->next; m != head; m = m->next)
		n++;
	return n;
}
#define rk_list_each(head, m) for (struct rk_list *m = (head)->next; m != (head); m = m->next)
#define rk_list_each_safe(head, m, n)                                                              \
	for (struct rk_list *m = (head)->next, *n = m->next; m != (head); m = n, n = n->next)

/* A hash map of embedded nodes. The caller compares keys:
 *	for (n = rk_map_first(&map, hash); n != NULL; n = rk_map_next(n)) if (same(n)) ... */
struct rk_node {
	struct rk_node *next;
	uint64_t hash;
};
struct rk_map {
	struct rk_node **slot;
	uint32_t cap, count; /* cap: a power of two, or 0 */
};
void rk_map_add(struct rk_map *, struct rk_node *, uint64_t hash);
void rk_map_del(struct rk_map *, struct rk_node *);
struct rk_node *rk_map_first(const struct rk_map *, uint64_t hash);
struct rk_node *rk_map_next(const struct rk_node *);          /* the next with the same hash */
/* Walks all: start with NULL; NULL at the end. In no useful order, but the same in equal histories.
 * The current node may be deleted only through rk_map_free's kind of sweep: collect first. */
struct rk_node *rk_map_walk(const struct rk_map *, const struct rk_node *);
void rk_map_free(struct rk_map *); /* the slots only */

/* Timers: a binary heap of embedded members, earliest first. at_ms INT64_MAX: not armed. */
struct rk_timer {
	int64_t at_ms;
	uint32_t place; /* 1-based place in the heap; 0: not in it */
	void (*fire)(struct rk_timer *, int64_t now_ms);
};
struct rk_timers {
	struct rk_timer **heap;
	uint32_t count, cap;
};
void rk_timer_set(struct rk_timers *, struct rk_timer *, int64_t at_ms); /* arms or moves */
void rk_timer_stop(struct rk_timers *, struct rk_timer *);
int64_t rk_timers_next(const struct rk_timers *);                         /* INT64_MAX: none */
/* Fires everything due, in order of time; a fired timer is disarmed before its function runs. */
void rk_timers_run(struct rk_timers *, int64_t now_ms);
void rk_timers_free(struct rk_timers *);
#endif
