/* group_offsets.c - committed offsets: written, read, forgotten.
 *
 * An offset is one record, key (group, topic, partition). Those of an open transaction are kept beside the decided
 * ones until its marker comes: a commit makes them take the place, an abort forgets them; who asks for stable ones
 * (KIP-447) is sent away meanwhile. An answer to a fetch leaves when everything it tells of is committed. */
#include "protocol/gen/delete_groups.h"
#include "protocol/gen/describe_groups.h"
#include "protocol/gen/list_groups.h"
#include "protocol/gen/offset_commit.h"
#include "protocol/gen/offset_delete.h"
#include "protocol/gen/offset_fetch.h"
#include "protocol/gen/consumer_protocol.h"
#include "src/config.h"
#include "src/core/group_consumer.h"
#include "src/core/mark.h"
#include "base/mem.h"

enum { OFFSET_COMMIT = 1, VALUE_MAX = 4, ARENA_MAX = 64 << 20, MINUTE_MS = 60000 };

struct core_open { /* a producer's transaction, with what it has committed in this shard; never empty */
	struct rk_node node;
	int64_t producer;
	struct rk_list offsets;
};

static uint64_t
hash(struct rk_str topic, int32_t partition)
{
	return rk_hash(topic.at, (size_t)topic.len, (uint64_t)partition);
}

struct core_offset *
core_offset_get(const struct rk_map *map, struct rk_str topic, int32_t partition)
{
	for (struct rk_node *n = rk_map_first(map, hash(topic, partition)); n != NULL; n = rk_map_next(n)) {
		struct core_offset *o = rk_of(n, struct core_offset, node);
		if (o->partition == partition && rk_str_eq(o->topic, topic))
			return o;
	}
	return NULL;
}

static struct core_offset *
next(const struct rk_map *map, const struct core_offset *o)
{
	struct rk_node *n = map->count == 0 ? NULL : rk_map_walk(map, o == NULL ? NULL : &o->node);

	return n == NULL ? NULL : rk_of(n, struct core_offset, node);
}

/* --- open transactions */
static struct core_open *
open_of(const struct core_groups *home, int64_t producer)
{
	if (home->txns.count == 0)
		return NULL;
	struct rk_node *n = rk_map_first(&home->txns, rk_hash(&producer, sizeof producer, 0));
	for (; n != NULL; n = rk_map_next(n))
		if (rk_of(n, struct core_open, node)->producer == producer)
			return rk_of(n, struct core_open, node);
	return NULL;
}

static void
join(struct core_groups *home, struct core_offset *o, int64_t producer)
{
	struct core_open *t = open_of(home, producer);

	if (t == NULL) {
		t = rk_new(struct core_open);
		t->producer = producer;
		rk_list_init(&t->offsets);
		rk_map_add(&home->txns, &t->node, rk_hash(&producer, sizeof producer, 0));
	}
	o->txn = t;
	rk_list_add(&t->offsets, &o->link);
}

static void
part(struct core_groups *home, struct core_offset *o)
{
	struct core_open *t = o->txn;

	o->txn = NULL;
	rk_list_del(&o->link);
	if (t == NULL || !rk_list_empty(&t->offsets))
		return;
	rk_map_del(&home->txns, &t->node);
	rk_mem_put(t);
}

static void
remove_one(struct rk_map *map, struct core_offset *o)
{
	part(o->group->home, o);
	rk_map_del(map, &o->node);
	rk_mem_put(o);
}

void
core_offset_free(struct rk_map *map)
{
	struct core_offset *after;

	for (struct core_offset *o = next(map, NULL); o != NULL; o = after) {
		after = next(map, o);
		remove_one(map, o);
	}
	rk_map_free(map);
}

/* A fresh one; the strings are copied behind it. */
static struct core_offset *
make(struct core_group *g, struct rk_str topic, int32_t partition, struct rk_str metadata)
{
	int32_t more = rk_max(metadata.len, 0);
	struct core_offset *o = rk_mem_get(sizeof *o + (size_t)topic.len + (size_t)more);
	char *at = (char *)(o + 1);

	memcpy(at, topic.at, (size_t)topic.len);
	if (more > 0)
		memcpy(at + topic.len, metadata.at, (size_t)more);
	o->topic = (struct rk_str){ at, topic.len };
	o->metadata = (struct rk_str){ at + topic.len, more };
	o->partition = partition;
	o->group = g;
	rk_list_init(&o->link);
	return o;
}

/* Decided: it takes the place of what was there, unless that was written later. */
static void
settle(struct core_group *g, struct core_offset *o)
{
	struct core_offset *old = core_offset_get(&g->offsets, o->topic, o->partition);

	rk_assert(o->txn == NULL);
	if (old != NULL && old->record > o->record) {
		rk_mem_put(o);
		return;
	}
	if (old != NULL)
		remove_one(&g->offsets, old);
	g->home->offsets += old == NULL;
	rk_map_add(&g->offsets, &o->node, hash(o->topic, o->partition));
}

/* Not decided: it takes the place of what the same transaction said before. */
static void
hold(struct core_group *g, struct core_offset *o, int64_t producer)
{
	struct rk_node *n = rk_map_first(&g->undecided, hash(o->topic, o->partition)), *after;

	for (; n != NULL; n = after) {
		struct core_offset *old = rk_of(n, struct core_offset, node);
		after = rk_map_next(n);
		if (old->txn->producer == producer && old->partition == o->partition && rk_str_eq(old->topic, o->topic))
			remove_one(&g->undecided, old);
	}
	rk_map_add(&g->undecided, &o->node, hash(o->topic, o->partition));
	join(g->home, o, producer);
}

static void
forget(struct core_group *g, struct rk_str topic, int32_t partition)
{
	struct core_offset *o = core_offset_get(&g->offsets, topic, partition), *u;

	while ((u = core_offset_get(&g->undecided, topic, partition)) != NULL)
		remove_one(&g->undecided, u);
	if (o == NULL)
		return;
	remove_one(&g->offsets, o);
	rk_assert(g->home->offsets > 0);
	g->home->offsets--;
}

/* Offsets were all that it was. */
static bool
is_nothing(const struct core_group *g)
{
	return g->kind == CORE_GROUP_SIMPLE && g->offsets.count == 0 && g->undecided.count == 0;
}

/* --- records */
static struct rk_str
key_of(const struct core_group *g, struct rk_str topic, int32_t partition, struct rk_arena *a)
{
	struct kp_offset_commit_key k = { g->name, topic, partition };

	return core_coord_bytes(OFFSET_COMMIT, &kp_offset_commit_key_d, 0, &k, a);
}

static bool
read_value(struct rk_str value, struct rk_arena *a, struct kp_offset_commit_value *v)
{
	int16_t version = value.len < 2 ? -1 : (int16_t)rk_get16(value.at);

	return version >= 0 && version <= VALUE_MAX
	    && kp_read(&kp_offset_commit_value_d, version, value.at + 2, (size_t)value.len - 2, a, v, NULL) == RK_OK;
}

void
core_offset_apply(struct core_groups *home, const struct core_entry *e)
{
	struct kp_offset_commit_key k;
	struct kp_offset_commit_value v;
	struct rk_arena a;

	rk_arena_init(&a, ARENA_MAX);
	if (kp_read(&kp_offset_commit_key_d, 0, e->key.at + 2, (size_t)e->key.len - 2, &a, &k, NULL) == RK_OK) {
		struct core_group *g = core_group_get(home, k.group);
		if (e->value.len < 0) {
			if (g != NULL)
				forget(g, k.topic, k.partition);
			if (g != NULL && !home->own && is_nothing(g))
				core_group_drop(g);
		} else if (read_value(e->value, &a, &v)) {
			if (g == NULL)
				g = core_group_make(home, k.group, CORE_GROUP_SIMPLE);
			struct core_offset *o = make(g, k.topic, k.partition, v.metadata);
			o->offset = v.offset;
			o->leader_epoch = v.leader_epoch;
			o->commit_ms = v.commit_timestamp;
			o->expire_ms = v.expire_timestamp;
			o->topic_id = v.topic_id;
			o->record = e->offset;
			if (e->producer_id >= 0)
				hold(g, o, e->producer_id);
			else
				settle(g, o);
		}
	}
	rk_arena_free(&a);
}

void
core_offset_decide(struct core_groups *home, int64_t producer, bool commit)
{
	struct core_open *t;

	while ((t = open_of(home, producer)) != NULL) { /* it goes with its last one */
		struct core_offset *o = rk_of(t->offsets.next, struct core_offset, link);
		struct core_group *g = o->group;
		rk_map_del(&g->undecided, &o->node);
		part(home, o);
		if (commit)
			settle(g, o);
		else
			rk_mem_put(o);
		if (!home->own && is_nothing(g))
			core_group_drop(g);
	}
}

/* --- OffsetCommit */
/* Kafka's rule: may this member, or nobody in particular, commit now? In a transaction nobody in particular always
 * may, and nobody waits for a rebalance. */
static enum rk_err
may_commit(struct core_group *g, const struct kp_offset_commit_req *q, int16_t version, bool in_txn)
{
	struct core_group_member *m;
	int32_t generation = q->generation_id_or_member_epoch;

	if (g != NULL && g->kind == CORE_GROUP_CONSUMER)
		return core_consumer_may_commit(g, q->member_id, generation, version, in_txn);
	if (generation < 0 && (g == NULL || g->count == 0))
		return RK_OK;
	if (g == NULL)
		return version >= 9 && !in_txn ? RK_GROUP_ID_NOT_FOUND : RK_ILLEGAL_GENERATION;
	if (generation < 0 && q->member_id.len <= 0 && q->group_instance_id.len < 0)
		return in_txn ? RK_OK : RK_UNKNOWN_MEMBER_ID; /* an administrator, and the group is at work */
	enum rk_err err = core_group_check(g, q->member_id, q->group_instance_id, generation, &m);
	if (err != RK_OK)
		return err;
	core_group_heard(m);
	return g->state == CORE_GROUP_COMPLETING && !in_txn ? RK_REBALANCE_IN_PROGRESS : RK_OK;
}

/* Has the coordinator of the transaction said, after the last marker, that this partition is in it? */
static enum rk_err
in_transaction(struct core_shard *s, const struct core_group_txn *txn)
{
	struct core_intent x;

	if (txn == NULL)
		return RK_OK;
	x = (struct core_intent){ txn->producer_id, txn->producer_epoch, -1, txn->adds };
	return core_verified(core_shard_partition(s), &x, txn->guard);
}

/* A member of a group of consumers may be an epoch behind for what was its own then: all of it, or nothing. */
static enum rk_err
may_commit_parts(const struct core_group *g, const struct kp_offset_commit_req *q,
    const struct kp_offset_commit_req_topics *t)
{
	enum rk_err err = RK_OK;

	for (int32_t i = 0; err == RK_OK && i < t->partitions.len; i++)
		err = core_consumer_may_commit_part(g, q->member_id, q->generation_id_or_member_epoch, t->topic_id,
		    t->partitions.at[i].partition_index);
	return err;
}

struct commit { /* what is being written; in the asker's arena */
	struct core_groups *home;
	struct kp_pair *record;
	int32_t records;
};

static void
add_offset(struct commit *x, const struct core_group *g, struct rk_str topic, struct rk_uuid id,
    const struct kp_offset_commit_req_topics_partitions *p, int64_t expire_ms, struct rk_arena *a)
{
	struct kp_offset_commit_value v;

	kp_defaults(&kp_offset_commit_value_d, &v);
	v.offset = p->committed_offset;
	v.leader_epoch = p->committed_leader_epoch;
	v.metadata = p->committed_metadata.len < 0 ? rk_lit("") : p->committed_metadata;
	v.commit_timestamp = rk_wall(x->home->core->env);
	v.expire_timestamp = expire_ms;
	v.topic_id = id;
	/* An expiry of its own can be told in version 1 alone. */
	int16_t version = expire_ms >= 0 ? 1 : VALUE_MAX;
	x->record[x->records++] = (struct kp_pair){ key_of(g, topic, p->partition_index, a),
		core_coord_bytes(version, &kp_offset_commit_value_d, version, &v, a) };
}

static void
commit_topic(struct commit *x, const struct core_group *g, struct core_group_asker *a,
    const struct kp_offset_commit_req_topics *in, bool in_txn, struct kp_offset_commit_res_topics *out,
    int64_t expire_ms)
{
	/* A producer names its topics: so does the record. */
	struct rk_uuid id = in_txn ? (struct rk_uuid){ { 0 } } : in->topic_id;
	struct core *c = x->home->core;
	/* The topic need not lie here: the image knows it, the handler has looked (an unknown name has the zero id). */
	for (int32_t i = 0; i < out->partitions.len; i++) {
		const struct kp_offset_commit_req_topics_partitions *p = &in->partitions.at[i];
		struct kp_offset_commit_res_topics_partitions *o = &out->partitions.at[i];
		if (o->error_code != 0)
			continue;
		if (p->committed_metadata.len > c->conf->offset_metadata_max_bytes)
			o->error_code = rk_err_wire(RK_OFFSET_METADATA_TOO_LARGE);
		else
			add_offset(x, g, in->name, id, p, expire_ms, a->arena);
	}
}

static void
set_all(struct kp_offset_commit_res *res, enum rk_err err)
{
	for (int32_t i = 0; i < res->topics.len; i++)
		for (int32_t k = 0; k < res->topics.at[i].partitions.len; k++)
			if (res->topics.at[i].partitions.at[k].error_code == 0)
				res->topics.at[i].partitions.at[k].error_code = rk_err_wire(err);
}

static void
committed(struct core_write *w, enum rk_err err)
{
	struct core_group_asker *a = rk_of(w, struct core_group_asker, put);

	if (err != RK_OK)
		set_all(a->res, err);
	core_group_answer(a);
}

/* The answer is shaped by the handler: a row for each partition, with an error where the topic is not known. */
bool
core_group_commit(struct core_shard *s, struct core_group_asker *a, const struct kp_offset_commit_req *q,
    const struct core_group_txn *txn, struct kp_offset_commit_res *res)
{
	struct core_groups *home = core_shard_state(s);
	struct core_group *g = core_group_get(home, q->group_id);
	struct commit x = { .home = home };
	enum rk_err err = may_commit(g, q, a->version, txn != NULL);
	size_t most = 1;

	a->res = res;
	a->member = NULL;
	rk_assert(res->topics.len == q->topics.len);
	for (int32_t i = 0; i < q->topics.len; i++)
		most += (size_t)rk_max(q->topics.at[i].partitions.len, 0);
	for (int32_t i = 0; err == RK_OK && g != NULL && g->kind == CORE_GROUP_CONSUMER && i < q->topics.len; i++)
		err = may_commit_parts(g, q, &q->topics.at[i]);
	if (err == RK_STALE_MEMBER_EPOCH && txn != NULL)
		err = RK_ILLEGAL_GENERATION; /* what a producer knows */
	x.record = rk_arena_get(a->arena, most, sizeof *x.record);
	if (err == RK_OK && x.record == NULL)
		err = RK_UNKNOWN_SERVER_ERROR;
	if (err != RK_OK) {
		set_all(res, err);
		return false;
	}
	bool fresh = g == NULL;
	if (fresh)
		g = core_group_make(home, q->group_id, CORE_GROUP_SIMPLE);
	int64_t expire = txn == NULL && a->version <= 4 && q->retention_time_ms >= 0
	    ? rk_wall(home->core->env) + q->retention_time_ms : -1;
	for (int32_t i = 0; i < q->topics.len; i++)
		commit_topic(&x, g, a, &q->topics.at[i], txn != NULL, &res->topics.at[i], expire);
	a->put.done = committed;
	if (x.records > 0)
		err = in_transaction(s, txn);
	if (err == RK_OK && x.records > 0)
		err = core_group_write_in(home, x.record, x.records, txn, &a->put);
	if (fresh && g->offsets.count == 0 && g->undecided.count == 0)
		core_group_drop(g);
	if (err != RK_OK)
		set_all(res, err);
	return err == RK_OK && x.records > 0;
}

/* --- OffsetFetch */
static void
fill_offset(struct core_group *g, struct rk_str topic, int32_t partition, bool stable, struct rk_arena *a,
    struct kp_offset_fetch_res_groups_topics_partitions *o)
{
	const struct core_offset *at = g == NULL ? NULL : core_offset_get(&g->offsets, topic, partition);

	*o = (struct kp_offset_fetch_res_groups_topics_partitions){ .partition_index = partition, .committed_offset = -1,
		.committed_leader_epoch = -1, .metadata = rk_lit("") };
	if (stable && g != NULL && core_offset_get(&g->undecided, topic, partition) != NULL) {
		o->error_code = rk_err_wire(RK_UNSTABLE_OFFSET_COMMIT);
	} else if (at != NULL) {
		o->committed_offset = at->offset;
		o->committed_leader_epoch = at->leader_epoch;
		o->metadata = rk_arena_str(a, at->metadata);
	}
}

static int
by_place(const void *x, const void *y)
{
	const struct core_offset *a = *(struct core_offset *const *)x, *b = *(struct core_offset *const *)y;
	int d = rk_str_cmp(a->topic, b->topic);

	return d != 0 ? d : (a->partition > b->partition) - (a->partition < b->partition);
}

/* Everything the group has committed, topic by topic. */
static void
fill_everything(struct core_group *g, bool stable, struct rk_arena *a, struct kp_offset_fetch_res_groups *res)
{
	uint32_t n = 0, count = g == NULL ? 0 : g->offsets.count;
	struct core_offset **all = rk_arena_get(a, count + 1, sizeof *all);
	struct kp_offset_fetch_res_groups_topics_partitions *part = rk_arena_get(a, count + 1, sizeof *part);

	res->topics.len = 0;
	res->topics.at = rk_arena_get(a, count + 1, sizeof *res->topics.at);
	if (all == NULL || part == NULL || res->topics.at == NULL || count == 0)
		return;
	for (struct core_offset *o = next(&g->offsets, NULL); o != NULL; o = next(&g->offsets, o))
		all[n++] = o;
	qsort(all, n, sizeof *all, by_place);
	for (uint32_t i = 0; i < n; i++) {
		struct kp_offset_fetch_res_groups_topics *t = &res->topics.at[res->topics.len - 1];
		if (i == 0 || !rk_str_eq(all[i]->topic, all[i - 1]->topic)) {
			t = &res->topics.at[res->topics.len++];
			t->name = rk_arena_str(a, all[i]->topic);
			t->topic_id = all[i]->topic_id;
			t->partitions.at = &part[i];
			t->partitions.len = 0;
		}
		t->partitions.len++;
		fill_offset(g, all[i]->topic, all[i]->partition, stable, a, &part[i]);
	}
}

static void
fetched(struct core_write *w, enum rk_err err)
{
	struct core_group_asker *a = rk_of(w, struct core_group_asker, put);
	struct kp_offset_fetch_res_groups *res = a->res;

	if (err != RK_OK) {
		res->error_code = rk_err_wire(err);
		res->topics.len = 0;
	}
	core_group_answer(a);
}

bool
core_group_fetch(struct core_shard *s, struct core_group_asker *a, const struct kp_offset_fetch_req_groups *q,
    bool require_stable, struct kp_offset_fetch_res_groups *res)
{
	struct core_group *g = core_group_get(core_shard_state(s), q->group_id);

	a->res = res;
	a->member = NULL;
	res->group_id = q->group_id;
	if (g != NULL && g->kind == CORE_GROUP_CONSUMER && a->version >= 9) {
		enum rk_err err = core_consumer_may_fetch(g, q->member_id, q->member_epoch);
		res->error_code = rk_err_wire(err);
		if (err != RK_OK)
			return false;
	}
	if (q->topics.len < 0) {
		fill_everything(g, require_stable, a->arena, res);
	} else {
		res->topics.at = rk_arena_get(a->arena, (size_t)q->topics.len + 1, sizeof *res->topics.at);
		res->topics.len = res->topics.at == NULL ? 0 : q->topics.len;
		for (int32_t i = 0; i < res->topics.len; i++) {
			int32_t n = rk_max(q->topics.at[i].partition_indexes.len, 0);
			res->topics.at[i].name = q->topics.at[i].name;
			res->topics.at[i].topic_id = q->topics.at[i].topic_id;
			res->topics.at[i].partitions.at = rk_arena_get(a->arena, (size_t)n + 1, sizeof *res->topics.at[i].partitions.at);
			res->topics.at[i].partitions.len = res->topics.at[i].partitions.at == NULL ? 0 : n;
			for (int32_t k = 0; k < res->topics.at[i].partitions.len; k++)
				fill_offset(g, q->topics.at[i].name, q->topics.at[i].partition_indexes.at[k], require_stable, a->arena,
				    &res->topics.at[i].partitions.at[k]);
		}
	}
	a->put.done = fetched;
	return core_shard_settle(s, &a->put);
}

/* --- deleting */
void
core_offset_tombstones(const struct core_group *g, struct rk_arena *a, struct kp_pair *r, int32_t *count)
{
	for (struct core_offset *o = next(&g->offsets, NULL); o != NULL; o = next(&g->offsets, o))
		r[(*count)++] = (struct kp_pair){ key_of(g, o->topic, o->partition, a), RK_STR_NULL };
	for (struct core_offset *o = next(&g->undecided, NULL); o != NULL; o = next(&g->undecided, o))
		if (core_offset_get(&g->offsets, o->topic, o->partition) == NULL)
			r[(*count)++] = (struct kp_pair){ key_of(g, o->topic, o->partition, a), RK_STR_NULL };
	if (g->kind == CORE_GROUP_CLASSIC)
		r[(*count)++] = core_group_tombstone(g, a);
	if (g->kind == CORE_GROUP_CONSUMER)
		*count += core_consumers_tombstones(g, &r[*count], a);
}

/* Is a member subscribed to the topic? Of groups whose members are consumers; others use everything. */
static bool
subscribed(const struct core_group *g, struct rk_str topic)
{
	struct rk_arena a;
	bool found = false;

	if (g->kind == CORE_GROUP_CONSUMER)
		return core_consumer_subscribed(g, topic);
	if (g->count == 0)
		return false;
	if (!rk_str_is(g->protocol_type, "consumer"))
		return true;
	rk_arena_init(&a, ARENA_MAX);
	rk_list_each(&g->members, l) {
		const struct core_group_member *m = rk_of(l, struct core_group_member, link);
		for (int32_t i = 0; i < m->protocols && !found; i++) {
			struct rk_str b = m->protocol[i].metadata;
			struct kp_consumer_protocol_subscription v;
			int16_t version = b.len < 2 ? -1 : (int16_t)rk_get16(b.at);
			if (version < 0 || kp_read(&kp_consumer_protocol_subscription_d, (int16_t)rk_min(version, 3), b.at + 2,
			    (size_t)b.len - 2, &a, &v, NULL) != RK_OK)
				continue;
			for (int32_t k = 0; k < v.topics.len; k++)
				found |= rk_str_eq(v.topics.at[k], topic);
		}
	}
	rk_arena_free(&a);
	return found;
}

static void
deleted(struct core_write *w, enum rk_err err)
{
	struct core_group_asker *a = rk_of(w, struct core_group_asker, put);

	if (err != RK_OK)
		*a->code = rk_err_wire(err);
	core_group_answer(a);
}

/* Tombstones of one topic's offsets, added behind the n there are; the rows' errors are set. */
static int32_t
forget_topic(struct core_group *g, struct kp_offset_delete_res_topics *t, struct rk_arena *a, struct kp_pair *r,
    int32_t n)
{
	bool used = subscribed(g, t->name);

	for (int32_t k = 0; k < t->partitions.len; k++) {
		struct kp_offset_delete_res_topics_partitions *p = &t->partitions.at[k];
		if (p->error_code != 0)
			continue;
		if (used)
			p->error_code = rk_err_wire(RK_GROUP_SUBSCRIBED_TO_TOPIC);
		else if (core_offset_get(&g->offsets, t->name, p->partition_index) != NULL
		    || core_offset_get(&g->undecided, t->name, p->partition_index) != NULL)
			r[n++] = (struct kp_pair){ key_of(g, t->name, p->partition_index, a), RK_STR_NULL };
	}
	return n;
}

bool
core_group_delete_offsets(struct core_shard *s, struct core_group_asker *a, struct rk_str name,
    struct kp_offset_delete_res *res)
{
	struct core_groups *home = core_shard_state(s);
	struct core_group *g = core_group_get(home, name);
	enum rk_err err = g == NULL ? RK_GROUP_ID_NOT_FOUND
	    : g->count > 0 && !rk_str_is(g->protocol_type, "consumer") ? RK_NON_EMPTY_GROUP : RK_OK;
	struct kp_pair *r;
	int32_t n = 0;
	size_t most = 1;

	a->res = res;
	a->member = NULL;
	a->code = &res->error_code;
	for (int32_t i = 0; i < res->topics.len; i++)
		most += (size_t)res->topics.at[i].partitions.len;
	r = rk_arena_get(a->arena, most, sizeof *r);
	if (err == RK_OK && r == NULL)
		err = RK_UNKNOWN_SERVER_ERROR;
	for (int32_t i = 0; err == RK_OK && i < res->topics.len; i++)
		n = forget_topic(g, &res->topics.at[i], a->arena, r, n);
	a->put.done = deleted;
	if (err == RK_OK)
		err = core_group_write(home, r, n, &a->put);
	if (err == RK_OK)
		return true;
	res->topics.len = 0;
	res->error_code = rk_err_wire(err);
	return false;
}

bool
core_group_delete(struct core_shard *s, struct core_group_asker *a, struct rk_str name,
    struct kp_delete_groups_res_results *res)
{
	struct core_groups *home = core_shard_state(s);
	struct core_group *g = core_group_get(home, name);
	int32_t n = 0;

	a->res = res;
	a->member = NULL;
	a->code = &res->error_code;
	res->group_id = name;
	if (g == NULL || core_group_size(g) > 0) {
		res->error_code = rk_err_wire(g == NULL ? RK_GROUP_ID_NOT_FOUND : RK_NON_EMPTY_GROUP);
		return false;
	}
	struct kp_pair *r = rk_arena_get(a->arena, g->offsets.count + g->undecided.count + 4, sizeof *r);
	if (r == NULL) {
		res->error_code = rk_err_wire(RK_UNKNOWN_SERVER_ERROR);
		return false;
	}
	core_offset_tombstones(g, a->arena, r, &n);
	a->put.done = deleted;
	enum rk_err err = core_group_write(home, r, n, &a->put);
	if (err == RK_OK)
		core_group_drop(g);
	else
		res->error_code = rk_err_wire(err);
	return err == RK_OK;
}

/* --- expiry */
static bool
over(const struct core_group *g, const struct core_offset *o, int64_t wall_ms)
{
	int64_t keep = (int64_t)g->home->core->conf->offsets_retention_minutes * MINUTE_MS;

	if (g->undecided.count > 0 && core_offset_get(&g->undecided, o->topic, o->partition) != NULL)
		return false; /* a transaction is about to say more of it */
	if (o->expire_ms >= 0)
		return wall_ms >= o->expire_ms;
	if (g->kind == CORE_GROUP_CONSUMER)
		return wall_ms - o->commit_ms >= keep && !subscribed(g, o->topic);
	if (g->count > 0) /* at work: what nobody is subscribed to any more */
		return rk_str_is(g->protocol_type, "consumer") && g->state == CORE_GROUP_STABLE
		    && wall_ms - o->commit_ms >= keep && !subscribed(g, o->topic);
	return wall_ms - rk_max(o->commit_ms, g->kind == CORE_GROUP_CLASSIC ? g->state_ms : 0) >= keep;
}

static void
expire_group(struct core_group *g, int64_t wall_ms)
{
	struct rk_arena a;
	uint32_t gone = 0;
	int32_t n = 0;

	for (struct core_offset *o = next(&g->offsets, NULL); o != NULL; o = next(&g->offsets, o))
		gone += over(g, o, wall_ms);
	if (is_nothing(g)) {
		core_group_drop(g);
		return;
	}
	bool whole = gone == g->offsets.count && core_group_size(g) == 0 && g->undecided.count == 0
	    && g->state == CORE_GROUP_EMPTY && (gone > 0 || g->kind != CORE_GROUP_SIMPLE);
	if (gone == 0 && !whole)
		return;
	rk_arena_init(&a, ARENA_MAX);
	struct kp_pair *r = rk_arena_get(&a, gone + 4, sizeof *r);
	for (struct core_offset *o = next(&g->offsets, NULL); r != NULL && o != NULL; o = next(&g->offsets, o))
		if (over(g, o, wall_ms))
			r[n++] = (struct kp_pair){ key_of(g, o->topic, o->partition, &a), RK_STR_NULL };
	if (r != NULL && whole && g->kind == CORE_GROUP_CLASSIC)
		r[n++] = core_group_tombstone(g, &a);
	if (r != NULL && whole && g->kind == CORE_GROUP_CONSUMER)
		n += core_consumers_tombstones(g, &r[n], &a);
	bool written = r != NULL && core_group_write(g->home, r, n, NULL) == RK_OK;
	rk_arena_free(&a);
	if (written && whole)
		core_group_drop(g);
}

void
core_offsets_expire(struct core_groups *home)
{
	int64_t wall = rk_wall(home->core->env);
	struct core_group *after;

	for (struct core_group *g = core_group_next(home, NULL); g != NULL; g = after) {
		after = core_group_next(home, g);
		expire_group(g, wall);
	}
}

/* --- for people */
void
core_group_describe(struct core_shard *s, struct core_group_asker *a, struct rk_str name,
    struct kp_describe_groups_res_groups *res)
{
	struct core_group *g = core_group_get(core_shard_state(s), name);
	struct rk_arena *to = a->arena;
	int32_t n = 0;

	res->group_id = name;
	res->protocol_type = res->protocol_data = rk_lit("");
	if (g == NULL || g->kind == CORE_GROUP_CONSUMER) {
		res->group_state = rk_lit("Dead");
		if (a->version >= 6) { /* KIP-1043 */
			res->error_code = rk_err_wire(RK_GROUP_ID_NOT_FOUND);
			res->error_message = rk_arena_print(to, "Group %.*s %s.", name.len, name.at,
			    g == NULL ? "not found" : "is not a classic group");
		}
		return;
	}
	bool stable = g->state == CORE_GROUP_STABLE;
	res->group_state = rk_str_of(core_group_state_name(g));
	res->protocol_type = g->protocol_type.len < 0 ? rk_lit("") : rk_arena_str(to, g->protocol_type);
	if (stable)
		res->protocol_data = rk_arena_str(to, g->protocol);
	res->members.at = rk_arena_get(to, (size_t)g->count + 1, sizeof *res->members.at);
	if (res->members.at == NULL)
		return;
	rk_list_each(&g->members, l) {
		const struct core_group_member *m = rk_of(l, struct core_group_member, link);
		struct kp_describe_groups_res_groups_members *o = &res->members.at[n++];
		o->member_id = rk_arena_str(to, m->id);
		o->group_instance_id = rk_arena_str(to, m->instance);
		o->client_id = rk_arena_str(to, m->client_id);
		o->client_host = rk_arena_str(to, m->client_host);
		o->member_metadata = stable ? rk_arena_str(to, core_group_metadata(g, m)) : rk_lit("");
		o->member_assignment = rk_arena_str(to, m->assignment);
	}
	res->members.len = n;
}

void
core_group_list(const struct core_group *g, struct rk_arena *a, struct kp_list_groups_res_groups *o, const char **state,
    const char **type)
{
	*state = core_group_state_name(g);
	*type = g->kind == CORE_GROUP_CONSUMER ? "consumer" : "classic";
	o->group_id = rk_arena_str(a, g->name);
	o->protocol_type = g->kind == CORE_GROUP_CONSUMER ? rk_lit("consumer")
	    : g->protocol_type.len < 0 ? rk_lit("") : rk_arena_str(a, g->protocol_type);
	o->group_state = rk_str_of(*state);
	o->group_type = rk_str_of(*type);
}
