/* ends.c - ends of partitions elsewhere: a table of what leaders told. */
#include "src/core/ends.h"
#include "src/core/inside.h"
#include "base/mem.h"

enum { FRESH_MS = 120000, KEEP_MS = 600000 };

static uint64_t
hash(struct rk_str topic, int32_t partition)
{
	return rk_hash(topic.at, (size_t)topic.len, (uint64_t)partition);
}

static struct core_end *
find(const struct core *c, struct rk_str topic, int32_t partition)
{
	if (c->ends.count == 0)
		return NULL;
	for (struct rk_node *n = rk_map_first(&c->ends, hash(topic, partition)); n != NULL; n = rk_map_next(n)) {
		struct core_end *e = rk_of(n, struct core_end, node);
		if (e->partition == partition && rk_str_eq(e->topic, topic))
			return e;
	}
	return NULL;
}

static void
drop(struct core *c, struct core_end *e)
{
	rk_map_del(&c->ends, &e->node);
	rk_list_del(&e->turn);
	rk_mem_put(e);
}

struct core_end *
core_end_want(struct core *c, struct rk_str topic, int32_t partition, int64_t now_ms)
{
	struct core_end *e = find(c, topic, partition);

	rk_assert(c->magic == CORE_MAGIC && topic.len >= 0);
	if (e == NULL) {
		e = rk_mem_get(sizeof *e + (size_t)topic.len);
		memcpy(e + 1, topic.at, (size_t)topic.len);
		e->topic = (struct rk_str){ (const char *)(e + 1), topic.len };
		e->partition = partition;
		e->high = -1;
		rk_map_add(&c->ends, &e->node, hash(topic, partition));
		rk_list_add(&c->ends_due, &e->turn);
	}
	e->wanted_ms = now_ms;
	return e->high >= 0 && now_ms - e->told_ms < FRESH_MS ? e : NULL;
}

struct core_end *
core_end_due(struct core *c, int64_t now_ms)
{
	rk_assert(c->magic == CORE_MAGIC);
	while (!rk_list_empty(&c->ends_due)) {
		struct core_end *e = rk_of(c->ends_due.next, struct core_end, turn);
		if (now_ms - e->wanted_ms < KEEP_MS) {
			rk_list_del(&e->turn);
			rk_list_add(&c->ends_due, &e->turn);
			return e;
		}
		drop(c, e);
	}
	rk_assert(c->ends.count == 0);
	return NULL;
}

uint64_t
core_ends_count(const struct core *c)
{
	return c->ends.count;
}

void
core_end_told(struct core *c, struct rk_str topic, int32_t partition, int64_t high, int64_t now_ms)
{
	struct core_end *e = find(c, topic, partition);

	if (e == NULL || high < 0)
		return;
	e->high = high;
	e->told_ms = now_ms;
	core_trail_note(&e->trail, high, now_ms);
}

void
core_ends_free(struct core *c)
{
	while (!rk_list_empty(&c->ends_due))
		drop(c, rk_of(c->ends_due.next, struct core_end, turn));
	rk_map_free(&c->ends);
}
