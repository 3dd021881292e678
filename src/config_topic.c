/* config_topic.c - what a topic's configs come to, and whether Kafka would take them. */
#include "src/config_in.h"
#include "base/mem.h"

static void
store(const struct conf_row *r, struct conf_topic *t, const struct conf_value *v)
{
	void *field = (char *)t + r->at;

	switch (r->type) {
	case CONF_BOOLEAN:
		*(bool *)field = v->n != 0;
		break;
	case CONF_INT:
		*(int32_t *)field = (int32_t)v->n;
		break;
	case CONF_LONG:
		*(int64_t *)field = v->n;
		break;
	case CONF_DOUBLE:
		*(double *)field = v->d;
		break;
	case CONF_STRING:
		*(uint8_t *)field = (uint8_t)v->n;
		break;
	default:
		rk_assert(r->type == CONF_LIST);
		if (strncmp(r->valid, "[partitionId]", 13) == 0)
			*(struct rk_str *)field = v->s;
		else
			*(uint8_t *)field = (uint8_t)v->n;
	}
}

static bool
set(const struct conf_row *r, struct conf_topic *t, struct rk_str text, struct rk_arena *a,
    struct rk_str *why)
{
	struct conf_value v;

	if (!conf_value_parse(r, text, a, &v, why))
		return false;
	store(r, t, &v);
	return true;
}

void
conf_topic_defaults(const struct conf *c, struct conf_topic *t)
{
	struct rk_arena a;
	struct rk_str why;
	uint32_t n;
	int8_t source;
	const struct conf_row *r = conf_rows(CONF_TOPICS, &n);

	memset(t, 0, sizeof *t);
	t->internal_segment_bytes = CONF_NULL_INT;
	rk_arena_init(&a, 1 << 20);
	for (uint32_t i = 0; i < n; i++) {
		const struct conf_row *b =
		    r[i].synonym == NULL ? NULL
					 : conf_row_find(CONF_BROKERS, rk_str_of(r[i].synonym));
		rk_assert(r[i].synonym == NULL || b != NULL);
		const char *text = b == NULL ? r[i].def : conf_effective(c, conf_index(b), &source);
		if (text != NULL && set(&r[i], t, rk_str_of(text), &a, &why))
			continue;
		if (r[i].def != NULL)
			rk_assert(set(&r[i], t, rk_str_of(r[i].def), &a, &why));
	}
	rk_arena_free(&a);
	/* These have a choice of broker keys, or a meaning below zero. */
	t->retention_ms = conf_retention_ms(c);
	t->segment_ms = conf_roll_ms(c);
	t->segment_jitter_ms = conf_roll_jitter_ms(c);
	t->flush_ms = conf_flush_ms(c);
}

enum rk_err
conf_topic_apply(struct conf_topic *t, struct rk_str name, struct rk_str value)
{
	const struct conf_row *r = conf_row_find(CONF_TOPICS, name);
	struct rk_arena a;
	struct rk_str why;

	if (r == NULL || value.len < 0)
		return RK_INVALID_CONFIG;
	rk_arena_init(&a, 32 << 20);
	bool fine = set(r, t, value, &a, &why);
	rk_arena_free(&a);
	return fine ? RK_OK : RK_INVALID_CONFIG;
}

/* ---- checks
 * ---------------------------------------------------------------------------------------- */

static bool
had_remote(const struct conf_pair *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (rk_str_is(p[i].name, "remote.storage.enable") && p[i].value.len >= 0
		    && rk_str_is(conf_trim(p[i].value), "true"))
			return true;
	return false;
}

static const char to_disable[] =
    "It is invalid to disable remote storage without deleting remote data. If you want to keep the "
    "remote data and turn to read only, please set "
    "`remote.storage.enable=true,remote.log.copy.disable=true`. If you want to disable remote "
    "storage "
    "and delete all remote data, please set "
    "`remote.storage.enable=false,remote.log.delete.on.disable=true`.";

/* Local retention may not outlast the whole. -2 stands for the whole. */
static struct rk_str
local_retention(
    const char *what, int64_t local, int64_t all, bool copy_disabled, struct rk_arena *a)
{
	if (copy_disabled && local != -2 && local != all)
		return rk_arena_print(a,
		    "When `remote.log.copy.disable` is set to true, the `local.%s` and `%s` must "
		    "be set to the "
		    "identical value because there will be no more logs copied to the remote "
		    "storage.",
		    what, what);
	if (all >= 0 && local == -1)
		return rk_arena_print(a,
		    "Invalid value -1 for configuration local.%s: Value must not be -1 as %s "
		    "value is set as "
		    "%" PRId64 ".",
		    what, what, all);
	if (all >= 0 && local > all)
		return rk_arena_print(a,
		    "Invalid value %" PRId64 " for configuration local.%s: Value must not be "
		    "more than %s "
		    "property value: %" PRId64,
		    local, what, what, all);
	return RK_STR_NULL;
}

static struct rk_str
across(const struct conf *c, const struct conf_topic *t, bool was_remote, struct rk_arena *a)
{
	struct rk_str why;

	if (t->min_compaction_lag_ms > t->max_compaction_lag_ms)
		return rk_arena_print(a,
		    "conflict topic config setting min.compaction.lag.ms (%" PRId64
		    ") > max.compaction.lag.ms (%" PRId64 ")",
		    t->min_compaction_lag_ms, t->max_compaction_lag_ms);
	if (!t->remote_storage_enable)
		return was_remote && !t->remote_log_delete_on_disable ? rk_str_of(to_disable)
								      : RK_STR_NULL;
	if (!c->remote_log_storage_system_enable)
		return rk_lit("Tiered Storage functionality is disabled in the broker. Topic "
			      "cannot be configured "
			      "with remote log storage.");
	if ((t->cleanup_policy & CONF_COMPACT) != 0)
		return rk_lit("Remote log storage only supports topics with "
			      "cleanup.policy=delete or "
			      "cleanup.policy being an empty list.");
	why = local_retention(
	    "retention.ms", t->local_retention_ms, t->retention_ms, t->remote_log_copy_disable, a);
	return why.len > 0 ? why
			   : local_retention("retention.bytes", t->local_retention_bytes,
			       t->retention_bytes, t->remote_log_copy_disable, a);
}

struct rk_str
conf_nulls(const char *kind, const struct conf_pair *p, uint32_t n, struct rk_arena *a)
{
	struct rk_str all = RK_STR_NULL;

	for (uint32_t i = 0; i < n; i++)
		if (p[i].value.len < 0)
			all = rk_arena_print(a, "%.*s%s%.*s", all.len > 0 ? all.len : 0, all.at,
			    all.len > 0 ? "," : "", p[i].name.len, p[i].name.at);
	if (all.len < 0)
		return all;
	return rk_arena_print(
	    a, "Null value not supported for %s configs: %.*s", kind, all.len, all.at);
}

struct rk_str
conf_null_or_unknown(enum conf_scope scope, const char *kind, const struct conf_pair *p, uint32_t n,
    struct rk_arena *a)
{
	struct rk_str all = conf_nulls(kind, p, n, a);

	if (all.len >= 0)
		return all;
	for (uint32_t i = 0; i < n; i++)
		if (conf_row_find(scope, p[i].name) == NULL)
			return rk_arena_print(
			    a, "Unknown %s config name: %.*s", kind, p[i].name.len, p[i].name.at);
	return RK_STR_NULL;
}

enum rk_err
conf_topic_check(const struct conf *c, const struct conf_pair *p, uint32_t n,
    const struct conf_pair *before, uint32_t before_count, struct rk_arena *a, struct rk_str *why)
{
	struct conf_topic t;

	*why = conf_null_or_unknown(CONF_TOPICS, "topic", p, n, a);
	if (why->len >= 0)
		return RK_INVALID_CONFIG;
	conf_topic_defaults(c, &t);
	for (uint32_t i = 0; i < n; i++)
		if (!set(conf_row_find(CONF_TOPICS, p[i].name), &t, p[i].value, a, why))
			return RK_INVALID_CONFIG;
	*why = across(c, &t, had_remote(before, before_count), a);
	return why->len >= 0 || a->over ? RK_INVALID_CONFIG : RK_OK;
}

bool
conf_throttled(struct rk_str replicas, int32_t partition, int32_t broker)
{
	struct rk_str one, first;
	int64_t a, b;

	while (conf_cut(&replicas, ',', &one)) {
		if (rk_str_is(one, "*"))
			return true;
		if (conf_cut(&one, ':', &first) && rk_str_int(first, &a) && rk_str_int(one, &b)
		    && a == partition && b == broker)
			return true;
	}
	return false;
}

/* ---- sharing
 * ----------------------------------------------------------------------------------------- */

static size_t
width(const struct conf_row *r)
{
	switch (r->type) {
	case CONF_INT:
		return sizeof(int32_t);
	case CONF_LONG:
	case CONF_DOUBLE:
		return sizeof(int64_t);
	default:
		return 1;
	}
}

static bool
is_text(const struct conf_row *r)
{
	return r->type == CONF_LIST && strncmp(r->valid, "[partitionId]", 13) == 0;
}

static struct rk_str *
text_at(const struct conf_row *r, const struct conf_topic *t)
{
	return (struct rk_str *)(uintptr_t)((const char *)t + r->at);
}

bool
conf_topic_eq(const struct conf_topic *s, const struct conf_topic *t)
{
	uint32_t n;
	const struct conf_row *r = conf_rows(CONF_TOPICS, &n);
	bool same = true;

	for (uint32_t i = 0; i < n && same; i++)
		same = is_text(&r[i]) ? rk_str_eq(*text_at(&r[i], s), *text_at(&r[i], t))
				      : memcmp((const char *)s + r[i].at, (const char *)t + r[i].at,
					    width(&r[i]))
					    == 0;
	return same;
}

uint64_t
conf_topic_hash(const struct conf_topic *t)
{
	uint32_t n;
	const struct conf_row *r = conf_rows(CONF_TOPICS, &n);
	uint64_t h = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct rk_str s = is_text(&r[i]) ? *text_at(&r[i], t)
						 : (struct rk_str){(const char *)t + r[i].at,
						     (int32_t)width(&r[i])};
		h = rk_hash(s.at, (size_t)rk_max(s.len, 0), h);
	}
	return h;
}

struct shared {
	struct conf_topic topic; /* first: what the holder sees */
	struct rk_node node;
	uint32_t holders;
};

const struct conf_topic *
conf_pool_hold(struct conf_pool *pool, const struct conf_topic *t)
{
	uint64_t hash = conf_topic_hash(t);
	uint32_t n;
	const struct conf_row *r = conf_rows(CONF_TOPICS, &n);

	for (struct rk_node *m = rk_map_first(&pool->map, hash); m != NULL; m = rk_map_next(m)) {
		struct shared *s = rk_of(m, struct shared, node);
		if (conf_topic_eq(&s->topic, t)) {
			s->holders++;
			return &s->topic;
		}
	}
	struct shared *s = rk_new(struct shared);
	s->topic = *t;
	s->holders = 1;
	for (uint32_t i = 0; i < n; i++)
		if (is_text(&r[i]) && text_at(&r[i], t)->len > 0)
			text_at(&r[i], &s->topic)->at =
			    rk_mem_str(text_at(&r[i], t)->at, (size_t)text_at(&r[i], t)->len);
	rk_map_add(&pool->map, &s->node, hash);
	return &s->topic;
}

void
conf_pool_drop(struct conf_pool *pool, const struct conf_topic *t)
{
	struct shared *s = (struct shared *)(uintptr_t)t;
	uint32_t n;
	const struct conf_row *r = conf_rows(CONF_TOPICS, &n);

	rk_assert(s->holders > 0);
	if (--s->holders > 0)
		return;
	rk_map_del(&pool->map, &s->node);
	for (uint32_t i = 0; i < n; i++)
		if (is_text(&r[i]) && text_at(&r[i], t)->len > 0)
			rk_mem_put((char *)(uintptr_t)text_at(&r[i], t)->at);
	rk_mem_put(s);
}

void
conf_pool_free(struct conf_pool *pool)
{
	rk_assert(pool->map.count == 0);
	rk_map_free(&pool->map);
}
