/* topics.c - the topics and partitions this node knows: found by name, by id, by index. */
#include "src/core/inside.h"
#include "base/mem.h"

static uint64_t
name_hash(struct rk_str name)
{
	return rk_hash(name.at, (size_t)name.len, 1);
}

static uint64_t
id_hash(const struct rk_uuid *id)
{
	return rk_hash(id->id, sizeof id->id, 2);
}

struct core_topic *
core_topic_named(struct core *c, struct rk_str name)
{
	if (name.len <= 0)
		return NULL;
	for (struct rk_node *n = rk_map_first(&c->by_name, name_hash(name)); n != NULL;
	     n = rk_map_next(n)) {
		struct core_topic *t = rk_of(n, struct core_topic, by_name);
		if (rk_str_eq(t->name, name))
			return t;
	}
	return NULL;
}

struct core_topic *
core_topic_of(struct core *c, struct rk_uuid id)
{
	for (struct rk_node *n = rk_map_first(&c->by_id, id_hash(&id)); n != NULL;
	     n = rk_map_next(n)) {
		struct core_topic *t = rk_of(n, struct core_topic, by_id);
		if (rk_uuid_eq(t->id, id))
			return t;
	}
	return NULL;
}

struct core_topic *
core_topics_walk(struct core *c, struct core_topic *t)
{
	rk_assert(c->magic == CORE_MAGIC);
	rk_assert(t == NULL || t->core == c);
	struct rk_node *n = rk_map_walk(&c->by_id, t == NULL ? NULL : &t->by_id);

	return n == NULL ? NULL : rk_of(n, struct core_topic, by_id);
}

struct core_partition *
core_partition(struct core_topic *t, int32_t index)
{
	if (t == NULL || index < 0 || (uint32_t)index >= t->partitions)
		return NULL;
	return t->partition[index];
}

enum rk_err
core_find(struct core *c, bool by_id, struct rk_uuid id, struct rk_str name, int32_t index,
    struct core_partition **p)
{
	struct core_topic *t = by_id ? core_topic_of(c, id) : core_topic_named(c, name);

	rk_assert(c->magic == CORE_MAGIC);
	*p = core_partition(t, index);
	rk_assert(*p == NULL || (*p)->index == index);
	if (*p != NULL)
		return RK_OK;
	if (t == NULL)
		return by_id ? RK_UNKNOWN_TOPIC_ID : RK_UNKNOWN_TOPIC_OR_PARTITION;
	return index >= 0 && (uint32_t)index < t->partitions ? RK_NOT_LEADER_OR_FOLLOWER
							     : RK_UNKNOWN_TOPIC_OR_PARTITION;
}

uint32_t
core_mark(struct core *c)
{
	return ++c->mark; /* one that comes round after four thousand million requests meets no old
			     mark */
}

uint32_t
core_dirs(const struct core *c)
{
	return c->dirs;
}

struct st_dir *
core_dir(const struct core *c, uint32_t index)
{
	rk_assert(index < c->dirs);
	return c->dir[index];
}

uint32_t
core_partitions_count(const struct core *c)
{
	return c->partitions;
}

uint32_t
core_leaders_count(const struct core *c)
{
	return c->leaders;
}

void
core_replicas_changed(struct core_topic *t)
{
	t->hashed = false;
	t->core->hashes_changed++;
}

void
core_racks_changed(struct core *c)
{
	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL; t = core_topics_walk(c, t))
		core_replicas_changed(t);
}

/* It is there, or gone, or has more partitions. */
static void
changed(struct core_topic *t)
{
	core_replicas_changed(t);
	t->core->topics_changed++;
}

struct core_topic *
core_topic_make(struct core *c, struct rk_str name, struct rk_uuid id)
{
	rk_assert(name.len > 0);
	rk_assert(core_topic_of(c, id) == NULL);
	struct core_topic *t = rk_new(struct core_topic);

	t->core = c;
	changed(t);
	t->id = id;
	t->internal = meta_topic_internal(name);
	t->name = (struct rk_str){rk_mem_str(name.at, (size_t)name.len), name.len};
	rk_assert(core_topic_named(c, name) == NULL);
	rk_map_add(&c->by_name, &t->by_name, name_hash(name));
	rk_map_add(&c->by_id, &t->by_id, id_hash(&id));
	return t;
}

void
core_topic_free(struct core_topic *t)
{
	struct core *c = t->core;

	for (uint32_t i = 0; i < t->partitions; i++) {
		struct core_partition *p = t->partition[i];
		if (p == NULL)
			continue;
		core_lead_over(p, RK_OK);
		rk_assert(rk_list_empty(&p->acks) && rk_list_empty(&p->fetches));
		rk_list_del(&p->touched);
		rk_list_del(&p->place);
		core_move_free(p);
		if (p->log != NULL)
			st_log_free(p->log);
		rk_assert(c->partitions > 0 && c->held[p->dir] > 0);
		c->partitions--;
		c->held[p->dir]--;
		c->leaders -= p->leads;
		rk_mem_put(p->trail);
		rk_mem_put(p);
	}
	changed(t);
	rk_map_del(&c->by_name, &t->by_name);
	rk_map_del(&c->by_id, &t->by_id);
	if (t->conf != NULL)
		conf_pool_drop(&c->pool, t->conf);
	rk_mem_put((char *)(uintptr_t)t->name.at);
	rk_mem_put(t->partition);
	rk_mem_put(t);
}

/* Whether directory a is to be avoided rather than b: it has failed, or it is cordoned and b is not. */
static bool
worse(const struct core *c, uint32_t a, uint32_t b)
{
	int of_a = st_dir_failed(c->dir[a]) ? 2 : conf_cordoned(c->conf, st_dir_path(c->dir[a]));
	int of_b = st_dir_failed(c->dir[b]) ? 2 : conf_cordoned(c->conf, st_dir_path(c->dir[b]));

	return of_a > of_b;
}

/* The directory with the fewest partitions, as Kafka places new ones. */
static uint8_t
emptiest(const struct core *c)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < c->dirs; i++)
		if (worse(c, best, i)
		    || (!worse(c, i, best) && c->held[i] < c->held[best]))
			best = i;
	rk_assert(best < c->dirs && best <= UINT8_MAX);
	return (uint8_t)best;
}

void
core_topic_room(struct core_topic *t, int32_t index)
{
	uint32_t count = (uint32_t)index + 1;

	rk_assert(index >= 0 && index < INT32_MAX);
	if (count <= t->partitions)
		return;
	t->partition = rk_mem_grow(t->partition, count * sizeof(*t->partition));
	for (uint32_t i = t->partitions; i < count; i++)
		t->partition[i] = NULL;
	t->partitions = count;
	changed(t);
}

struct core_partition *
core_partition_make(struct core_topic *t, int32_t index)
{
	struct core *c = t->core;

	core_topic_room(t, index);
	rk_assert(t->partition[index] == NULL);
	struct core_partition *p = rk_new(struct core_partition);
	p->topic = t;
	p->index = index;
	p->leader = p->leader_epoch = p->partition_epoch = -1;
	p->dir = emptiest(c);
	rk_list_init(&p->acks);
	rk_list_init(&p->fetches);
	rk_list_init(&p->touched);
	rk_list_init(&p->place);
	p->told = CORE_DIR_NONE;
	c->held[p->dir]++;
	c->partitions++;
	t->partition[index] = p;
	rk_assert(core_of(p) == c);
	return p;
}

static void
rules_of(struct st_rules *r, const struct conf_topic *f)
{
	*r = (struct st_rules){
	    .segment_bytes = f->internal_segment_bytes == CONF_NULL_INT ? f->segment_bytes
									: f->internal_segment_bytes,
	    .segment_ms = rk_min(f->segment_ms,
		(f->cleanup_policy & CONF_COMPACT) != 0 ? f->max_compaction_lag_ms : INT64_MAX),
	    .segment_jitter_ms = f->segment_jitter_ms,
	    .segment_index_bytes = f->segment_index_bytes,
	    .index_interval_bytes = f->index_interval_bytes,
	    .retention_bytes = f->retention_bytes,
	    .retention_ms = f->retention_ms,
	    .flush_messages = f->flush_messages,
	    .flush_ms = f->flush_ms,
	    .file_delete_delay_ms = f->file_delete_delay_ms,
	    .preallocate = f->preallocate,
	    .delete_old = (f->cleanup_policy & CONF_DELETE) != 0,
	    .compact = (f->cleanup_policy & CONF_COMPACT) != 0,
	    .cached = f->write_caching,
	};
}

void
core_topic_configure(struct core_topic *t, const struct meta_view *view)
{
	struct core *c = t->core;
	const struct conf_topic *old = t->conf;
	struct meta_configs it;
	struct conf_topic f;

	conf_topic_defaults(c->conf, &f);
	bool more = meta_configs_begin(&it, view, 2, t->name);
	for (; more; more = meta_configs_next(&it))
		if (conf_topic_apply(&f, it.name, it.value) != RK_OK)
			rk_say(RK_WARN,
			    "Topic %s has the config %.*s=%.*s in the metadata, which this node "
			    "does not know or take; "
			    "its default is used. Set it anew, or upgrade this node.",
			    t->name.at, it.name.len, it.name.at,
			    it.value.len < 0 ? 0 : it.value.len, it.value.at);
	t->conf = conf_pool_hold(&c->pool, &f); /* texts are borrowed from the view until here */
	meta_configs_end(&it);
	for (uint32_t i = 0; old != t->conf && i < t->partitions; i++)
		if (t->partition[i] != NULL)
			t->partition[i]->cleaned_seen = -1;
	if (old != NULL)
		conf_pool_drop(&c->pool, old);
	rules_of(&t->rules, t->conf);
	rk_assert(t->conf != NULL && t->rules.segment_bytes > 0);
	rk_assert(t->rules.retention_bytes >= -1 && t->rules.retention_ms >= -1);
}
