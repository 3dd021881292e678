/* session.c - the cache of fetch sessions. */
#include "src/core/session.h"
#include "base/mem.h"
#include "src/core/inside.h"

enum { STALE_MS = 120000 };

int32_t
core_session_next(int32_t epoch)
{
	rk_assert(epoch >= 0);
	return epoch == INT32_MAX ? 1 : epoch + 1;
}

void
core_sessions_init(struct core_sessions *s)
{
	*s = (struct core_sessions){0};
	rk_list_init(&s->used);
}

static uint64_t
id_hash(int32_t id)
{
	return rk_hash(&id, sizeof id, 3);
}

struct core_session *
core_session_get(struct core *c, int32_t id)
{
	for (struct rk_node *n = rk_map_first(&c->sessions.by_id, id_hash(id)); n != NULL;
	     n = rk_map_next(n)) {
		struct core_session *s = rk_of(n, struct core_session, node);
		if (s->id == id)
			return s;
	}
	return NULL;
}

void
core_session_hold(struct core_session *s)
{
	rk_assert(s->refs > 0);
	s->refs++;
}

void
core_session_drop(struct core_session *s)
{
	rk_assert(s->refs > 0);
	if (--s->refs > 0)
		return;
	while (!rk_list_empty(&s->order)) {
		struct core_session_part *p = rk_of(s->order.next, struct core_session_part, order);
		rk_list_del(&p->order);
		rk_mem_put(p);
	}
	rk_assert(s->refs == 0);
	rk_map_free(&s->map);
	rk_mem_put(s);
}

void
core_session_remove(struct core *c, struct core_session *s)
{
	if (core_session_get(c, s->id) != s)
		return;
	rk_assert(c->sessions.count > 0);
	rk_assert(c->sessions.partitions >= s->count);
	rk_map_del(&c->sessions.by_id, &s->node);
	rk_list_del(&s->used);
	c->sessions.count--;
	c->sessions.partitions -= s->count;
	core_session_drop(s);
}

void
core_sessions_free(struct core_sessions *s)
{
	while (!rk_list_empty(&s->used)) {
		struct core_session *one = rk_of(s->used.next, struct core_session, used);
		rk_list_del(&one->used);
		one->refs = 1; /* the fetches that held it go with the node */
		core_session_drop(one);
	}
	rk_map_free(&s->by_id);
	core_sessions_init(s);
}

void
core_session_touch(struct core *c, struct core_session *s, int64_t now_ms)
{
	rk_assert(s->refs > 0 && now_ms >= s->created_ms);
	s->used_ms = now_ms;
	if (core_session_get(c, s->id) != s)
		return;
	rk_list_del(&s->used);
	rk_list_add(&c->sessions.used, &s->used);
}

/* Makes room for a session of that many partitions: one that lies idle goes, or a smaller one that
 * is old enough. */
static bool
evict(struct core *c, uint32_t partitions, int64_t now_ms)
{
	struct core_session *victim = NULL;

	if (rk_list_empty(&c->sessions.used))
		return false;
	struct core_session *oldest = rk_of(c->sessions.used.next, struct core_session, used);
	if (now_ms - oldest->used_ms > STALE_MS)
		victim = oldest;
	for (struct rk_list *m = c->sessions.used.next; victim == NULL && m != &c->sessions.used;
	     m = m->next) {
		struct core_session *s = rk_of(m, struct core_session, used);
		if (now_ms - s->created_ms > STALE_MS && s->count < partitions)
			victim = s;
	}
	if (victim == NULL)
		return false;
	c->sessions.evicted++;
	core_session_remove(c, victim);
	return true;
}

struct core_session *
core_session_new(struct core *c, bool ids, uint32_t partitions, int64_t now_ms)
{
	uint32_t slots = (uint32_t)rk_max(0, c->conf->max_incremental_fetch_session_cache_slots);

	if (slots == 0 || (c->sessions.count >= slots && !evict(c, partitions, now_ms)))
		return NULL;
	struct core_session *s = rk_new(struct core_session);
	do
		s->id = (int32_t)(rk_chance(c->env) & INT32_MAX);
	while (s->id == 0 || core_session_get(c, s->id) != NULL);
	rk_list_init(&s->used);
	rk_list_init(&s->order);
	s->epoch = 1;
	s->ids = ids;
	s->refs = 1;
	s->created_ms = s->used_ms = now_ms;
	rk_map_add(&c->sessions.by_id, &s->node, id_hash(s->id));
	rk_list_add(&c->sessions.used, &s->used);
	c->sessions.count++;
	rk_assert(c->sessions.count <= slots);
	rk_assert(s->id > 0 && core_session_get(c, s->id) == s);
	return s;
}

static uint64_t
part_hash(const struct core_session *s, const struct rk_uuid *id, struct rk_str name, int32_t index)
{
	return s->ids ? rk_hash(id->id, sizeof id->id, (uint64_t)index)
		      : rk_hash(name.at, (size_t)rk_max(0, name.len), (uint64_t)index);
}

struct core_session_part *
core_session_find(struct core_session *s, struct rk_uuid id, struct rk_str name, int32_t index)
{
	for (struct rk_node *n = rk_map_first(&s->map, part_hash(s, &id, name, index)); n != NULL;
	     n = rk_map_next(n)) {
		struct core_session_part *p = rk_of(n, struct core_session_part, node);
		if (p->index == index
		    && (s->ids ? rk_uuid_eq(p->id, id) : rk_str_eq(p->name, name)))
			return p;
	}
	return NULL;
}

struct core_session_part *
core_session_put(
    struct core *c, struct core_session *s, struct rk_uuid id, struct rk_str name, int32_t index)
{
	struct core_session_part *p = core_session_find(s, id, name, index);
	size_t len = s->ids ? 0 : (size_t)rk_max(0, name.len);

	if (p != NULL)
		return p;
	p = rk_mem_get(sizeof *p + len);
	if (len > 0)
		memcpy(p + 1, name.at, len);
	p->name = s->ids ? RK_STR_NULL : (struct rk_str){(const char *)(p + 1), (int32_t)len};
	p->id = id;
	p->index = index;
	p->high = p->log_start = -1;
	rk_assert(s->refs > 0 && s->count < UINT32_MAX);
	rk_map_add(&s->map, &p->node, part_hash(s, &id, name, index));
	rk_list_add(&s->order, &p->order);
	s->count++;
	if (core_session_get(c, s->id) == s)
		c->sessions.partitions++;
	return p;
}

void
core_session_forget(struct core *c, struct core_session *s, struct core_session_part *p)
{
	rk_assert(s->count > 0 && s->refs > 0);
	rk_assert(core_session_find(s, p->id, p->name, p->index) == p);
	rk_map_del(&s->map, &p->node);
	rk_list_del(&p->order);
	s->count--;
	if (core_session_get(c, s->id) == s)
		c->sessions.partitions--;
	rk_mem_put(p);
}
