/* group.c - a shard's groups: found by name, made, forgotten; their records. */
#include "src/core/group_consumer.h"
#include "base/mem.h"

enum { GROUP_METADATA = 2, VALUE_VERSION = 3, RECORD_MAX = 64 << 20 };

static uint64_t
hash(struct rk_str name)
{
	return rk_hash(name.at, (size_t)rk_max(name.len, 0), 11);
}

struct core_group *
core_group_get(struct core_groups *g, struct rk_str name)
{
	if (name.len < 0)
		return NULL;
	for (struct rk_node *n = rk_map_first(&g->by_name, hash(name)); n != NULL; n = rk_map_next(n))
		if (rk_str_eq(rk_of(n, struct core_group, node)->name, name))
			return rk_of(n, struct core_group, node);
	return NULL;
}

void
core_group_set(struct rk_str *s, struct rk_str to)
{
	char *old = (char *)(uintptr_t)s->at;

	*s = to.len < 0 ? RK_STR_NULL : (struct rk_str){ rk_mem_str(to.at, (size_t)to.len), to.len };
	rk_mem_put(old);
}

static void
fire(struct rk_timer *t, int64_t now_ms)
{
	(void)t;
	(void)now_ms;
	rk_assert(!"a group's timer is set with its function");
}

struct core_group *
core_group_make(struct core_groups *home, struct rk_str name, enum core_group_kind kind)
{
	struct core_group *g = rk_new(struct core_group);

	rk_assert(core_group_get(home, name) == NULL && name.len >= 0);
	*g = (struct core_group){ .home = home, .kind = kind, .protocol_type = RK_STR_NULL, .protocol = RK_STR_NULL,
		.timer = { .at_ms = INT64_MAX, .fire = fire }, .state_ms = rk_wall(home->core->env) };
	core_group_set(&g->name, name);
	rk_list_init(&g->members);
	rk_list_init(&g->pending);
	rk_map_add(&home->by_name, &g->node, hash(name));
	return g;
}

void
core_group_drop(struct core_group *g)
{
	struct core_groups *home = g->home;

	core_group_end(g, RK_OK);
	core_consumers_free(g);
	while (!rk_list_empty(&g->members))
		core_group_remove(rk_of(g->members.next, struct core_group_member, link));
	rk_assert(g->count == 0 && g->pendings == 0 && g->joining == 0);
	home->offsets -= g->offsets.count;
	core_offset_free(&g->offsets);
	core_offset_free(&g->undecided);
	core_known_free(&g->known);
	rk_map_del(&home->by_name, &g->node);
	rk_mem_put((char *)(uintptr_t)g->name.at);
	rk_mem_put((char *)(uintptr_t)g->protocol_type.at);
	rk_mem_put((char *)(uintptr_t)g->protocol.at);
	rk_mem_put(g);
}

struct core_group_member *
core_group_member(const struct core_group *g, struct rk_str id)
{
	rk_list_each(&g->members, m)
		if (rk_str_eq(rk_of(m, struct core_group_member, link)->id, id))
			return rk_of(m, struct core_group_member, link);
	return NULL;
}

struct core_group_member *
core_group_static(const struct core_group *g, struct rk_str instance)
{
	rk_list_each(&g->members, m)
		if (instance.len >= 0 && rk_str_eq(rk_of(m, struct core_group_member, link)->instance, instance))
			return rk_of(m, struct core_group_member, link);
	return NULL;
}

int32_t
core_group_size(const struct core_group *g)
{
	return g->count + g->pendings + (g->consumers == NULL ? 0 : g->consumers->count);
}

const char *
core_group_state_name(const struct core_group *g)
{
	static const char *const name[] = { "Empty", "PreparingRebalance", "CompletingRebalance", "Stable" };

	if (g->kind == CORE_GROUP_CONSUMER)
		return core_consumers_state(g);
	return name[g->state];
}

void
core_group_state_set(struct core_group *g, enum core_group_state s)
{
	rk_assert(g->home != NULL && s <= CORE_GROUP_STABLE);
	g->state = s;
	g->state_ms = rk_wall(g->home->core->env);
}

void
core_group_answer(struct core_group_asker *a)
{
	a->member = NULL;
	a->done(a);
}

/* --- records */
static struct rk_str
key_of(struct rk_str name, struct rk_arena *a)
{
	struct kp_group_metadata_key k = { name };

	return core_coord_bytes(GROUP_METADATA, &kp_group_metadata_key_d, 0, &k, a);
}

struct rk_str
core_group_metadata(const struct core_group *g, const struct core_group_member *m)
{
	for (int32_t i = 0; i < m->protocols; i++)
		if (rk_str_eq(m->protocol[i].name, g->protocol))
			return m->protocol[i].metadata;
	return rk_lit("");
}

struct kp_pair
core_group_record(const struct core_group *g, struct rk_arena *a)
{
	struct kp_group_metadata_value v;
	int32_t n = 0;

	kp_defaults(&kp_group_metadata_value_d, &v);
	v.protocol_type = g->protocol_type.len < 0 ? rk_lit("") : g->protocol_type;
	v.generation = g->generation;
	v.protocol = g->protocol;
	v.leader = g->leader == NULL ? RK_STR_NULL : g->leader->id;
	v.current_state_timestamp = g->state_ms;
	v.members.at = rk_arena_get(a, (size_t)g->count + 1, sizeof *v.members.at);
	if (v.members.at == NULL)
		return (struct kp_pair){ RK_STR_NULL, RK_STR_NULL };
	rk_list_each(&g->members, l) {
		const struct core_group_member *m = rk_of(l, struct core_group_member, link);
		v.members.at[n++] = (struct kp_group_metadata_value_members){ m->id, m->instance, m->client_id, m->client_host,
			m->rebalance_ms, m->session_ms, core_group_metadata(g, m), m->assignment };
	}
	v.members.len = n;
	return core_group_record_of(g->name, &v, a);
}

struct kp_pair
core_group_record_of(struct rk_str name, const struct kp_group_metadata_value *v, struct rk_arena *a)
{
	return (struct kp_pair){ key_of(name, a),
		core_coord_bytes(VALUE_VERSION, &kp_group_metadata_value_d, VALUE_VERSION, v, a) };
}

struct kp_pair
core_group_tombstone(const struct core_group *g, struct rk_arena *a)
{
	return (struct kp_pair){ key_of(g->name, a), RK_STR_NULL };
}

enum rk_err
core_group_write_in(struct core_groups *home, const struct kp_pair *r, int32_t count,
    const struct core_group_txn *txn, struct core_write *w)
{
	rk_assert(!home->own);
	for (int32_t i = 0; i < count; i++)
		if (r[i].key.len < 0) /* the arena was over */
			return RK_UNKNOWN_SERVER_ERROR;
	home->own = true;
	enum rk_err err = core_shard_write(home->shard, r, count, txn == NULL ? -1 : txn->producer_id,
	    txn == NULL ? -1 : txn->producer_epoch, w);
	home->own = false;
	return err;
}

enum rk_err
core_group_write(struct core_groups *home, const struct kp_pair *r, int32_t count, struct core_write *w)
{
	return core_group_write_in(home, r, count, NULL, w);
}

/* --- applying */
static void
apply_group(struct core_groups *home, struct rk_str key, struct rk_str value, struct rk_arena *a)
{
	struct kp_group_metadata_key k;
	struct kp_group_metadata_value v;
	int16_t version;

	if (kp_read(&kp_group_metadata_key_d, 0, key.at + 2, (size_t)key.len - 2, a, &k, NULL) != RK_OK)
		return;
	struct core_group *g = core_group_get(home, k.group);
	if (home->own)
		return;
	if (value.len < 0) {
		while (g != NULL && !rk_list_empty(&g->members)) /* only when it loads: it became one of consumers */
			core_group_remove(rk_of(g->members.next, struct core_group_member, link));
		if (g != NULL && g->kind == CORE_GROUP_CLASSIC)
			g->kind = CORE_GROUP_SIMPLE;
		/* One with a consumer side is about to become one of those, or is one. */
		if (g != NULL && g->consumers == NULL && g->offsets.count == 0 && g->undecided.count == 0 && g->pendings == 0)
			core_group_drop(g);
		return;
	}
	version = value.len < 2 ? -1 : (int16_t)rk_get16(value.at);
	if (version < 0 || version > 4
	    || kp_read(&kp_group_metadata_value_d, version, value.at + 2, (size_t)value.len - 2, a, &v, NULL) != RK_OK)
		return;
	if (g == NULL)
		g = core_group_make(home, k.group, CORE_GROUP_CLASSIC);
	core_consumers_free(g);
	core_group_take_members(g, &v);
}

static void
apply(void *state, const struct core_entry *e)
{
	struct core_groups *home = state;
	int16_t type = e->key.len < 2 ? -1 : (int16_t)rk_get16(e->key.at);
	struct rk_arena a;

	if (type == 0 || type == 1) {
		core_offset_apply(home, e);
	} else if (core_consumer_apply(home, type, e)) {
		return;
	} else if (type == GROUP_METADATA) {
		rk_arena_init(&a, RECORD_MAX);
		apply_group(home, e->key, e->value, &a);
		rk_arena_free(&a);
	} /* others are of kinds of groups that this node does not know: they stay in the log */
}

static void
marker(void *state, int64_t producer, int16_t epoch, bool commit, int64_t offset)
{
	(void)epoch;
	(void)offset;
	core_offset_decide(state, producer, commit);
}

/* --- the shard */
static void
fire_expiry(struct rk_timer *t, int64_t now_ms)
{
	struct core_groups *home = rk_of(t, struct core_groups, expiry);

	core_offsets_expire(home);
	rk_timer_set(home->core->timers, t, now_ms + rk_max(home->core->conf->offsets_retention_check_interval_ms, 1));
}

static void *
make(struct core_shard *s)
{
	struct core_groups *home = rk_new(struct core_groups);

	home->shard = s;
	home->core = core_shard_core(s);
	rk_list_init(&home->assigning);
	home->expiry = (struct rk_timer){ .at_ms = INT64_MAX, .fire = fire_expiry };
	return home;
}

struct core_group *
core_group_next(const struct core_groups *home, const struct core_group *g)
{
	struct rk_node *n = home->by_name.count == 0 ? NULL : rk_map_walk(&home->by_name, g == NULL ? NULL : &g->node);

	return n == NULL ? NULL : rk_of(n, struct core_group, node);
}

static void
loaded(void *state)
{
	struct core_groups *home = state;

	for (struct core_group *g = core_group_next(home, NULL); g != NULL; g = core_group_next(home, g)) {
		core_group_start_sessions(g), core_consumers_start(g);
		if (g->count > 0 && g->leader == NULL) /* its members were joining again when it became a classic one */
			core_group_prepare(g);
	}
	rk_timer_set(home->core->timers, &home->expiry,
	    rk_now(home->core->env) + rk_max(home->core->conf->offsets_retention_check_interval_ms, 1));
}

static void
end(void *state, enum rk_err err)
{
	struct core_groups *home = state;
	struct core_group *after;

	rk_timer_stop(home->core->timers, &home->expiry);
	core_group_forget_assigning(home);
	for (struct core_group *g = core_group_next(home, NULL); g != NULL; g = after) {
		after = core_group_next(home, g);
		core_group_end(g, err);
		core_group_drop(g);
	}
	rk_map_free(&home->by_name);
	rk_assert(home->txns.count == 0);
	rk_map_free(&home->txns);
	rk_mem_put(home);
}

const struct core_coord_kind *
core_group_kind(void)
{
	static const struct core_coord_kind kind = { "__consumer_offsets", make, apply, marker, loaded, end };

	return &kind;
}

struct core_group *
core_group_walk(struct core_shard *s, struct core_group *g)
{
	return core_group_next(core_shard_state(s), g);
}
