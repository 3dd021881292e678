/* group_consumer_log.c - the state of a group of consumers, and the records that make it. */
#include "src/core/group_consumer.h"
#include "base/mem.h"

enum { EPOCH = 3, OLD_TOPICS = 4, MEMBER = 5, TARGET_EPOCH = 6, TARGET = 7, AT = 8, PATTERN = 16 };
enum { ARENA_MAX = 256 << 20 };

struct owner {
	struct rk_node node;
	struct rk_uuid topic;
	int32_t index;
	struct core_consumer *member;
};

struct name {
	struct rk_node node;
	struct rk_str topic;
	int32_t uses;
};

static uint64_t
hash_of(struct rk_str s)
{
	return rk_hash(s.at, (size_t)rk_max(s.len, 0), 12);
}

/* --- finding */
struct core_consumer *
core_consumer_get(const struct core_consumers *k, struct rk_str id)
{
	if (id.len < 0)
		return NULL;
	for (struct rk_node *n = rk_map_first(&k->by_id, hash_of(id)); n != NULL; n = rk_map_next(n))
		if (rk_str_eq(rk_of(n, struct core_consumer, by_id)->id, id))
			return rk_of(n, struct core_consumer, by_id);
	return NULL;
}

struct core_consumer *
core_consumer_static(const struct core_consumers *k, struct rk_str instance)
{
	rk_list_each(&k->members, l) {
		struct core_consumer *m = rk_of(l, struct core_consumer, link);
		if (instance.len >= 0 && m->known && rk_str_eq(m->says.instance_id, instance))
			return m;
	}
	return NULL;
}

bool
core_consumer_classic(const struct core_consumer *m)
{
	return m->says.classic_member_metadata != NULL;
}

struct core_pattern *
core_consumer_pattern(const struct core_consumers *k, struct rk_str text)
{
	rk_list_each(&k->patterns, l)
		if (rk_str_eq(rk_of(l, struct core_pattern, link)->text, text))
			return rk_of(l, struct core_pattern, link);
	return NULL;
}

/* A member begins or ends to be subscribed by it. */
static void
count_pattern(struct core_consumers *k, const core_consumer_says *s, int32_t by)
{
	struct rk_str text = s->subscribed_topic_regex;
	struct core_pattern *p = text.len <= 0 ? NULL : core_consumer_pattern(k, text);

	if (p != NULL)
		p->users += by;
	rk_assert(p == NULL || p->users >= 0);
}

/* --- who has which partition */
static uint64_t
place_hash(struct rk_uuid topic, int32_t index)
{
	return rk_hash(topic.id, sizeof topic.id, (uint64_t)(uint32_t)index);
}

static struct owner *
owner_at(const struct core_consumers *k, struct rk_uuid topic, int32_t index)
{
	for (struct rk_node *n = rk_map_first(&k->owners, place_hash(topic, index)); n != NULL; n = rk_map_next(n)) {
		struct owner *o = rk_of(n, struct owner, node);
		if (o->index == index && rk_uuid_eq(o->topic, topic))
			return o;
	}
	return NULL;
}

struct core_consumer *
core_consumer_owner(const struct core_consumers *k, struct rk_uuid topic, int32_t index)
{
	struct owner *o = owner_at(k, topic, index);

	return o == NULL ? NULL : o->member;
}

static void
own(struct core_consumer *m, struct core_parts p)
{
	struct core_consumers *k = m->group->consumers;

	for (int32_t i = 0; i < p.count; i++) {
		struct owner *o = owner_at(k, p.at[i].topic, p.at[i].index);
		if (o == NULL) {
			o = rk_new(struct owner);
			o->topic = p.at[i].topic;
			o->index = p.at[i].index;
			rk_map_add(&k->owners, &o->node, place_hash(o->topic, o->index));
		}
		o->member = m;
	}
}

static void
disown(struct core_consumer *m, struct core_parts p)
{
	struct core_consumers *k = m->group->consumers;

	for (int32_t i = 0; i < p.count; i++) {
		struct owner *o = owner_at(k, p.at[i].topic, p.at[i].index);
		if (o == NULL || o->member != m)
			continue;
		rk_map_del(&k->owners, &o->node);
		rk_mem_put(o);
	}
}

/* --- which topics are named */
static void
count_names(struct core_consumers *k, const core_consumer_says *s, int32_t by)
{
	for (int32_t i = 0; i < s->subscribed_topic_names.len; i++) {
		struct rk_str t = s->subscribed_topic_names.at[i];
		struct name *x = NULL;
		for (struct rk_node *n = rk_map_first(&k->names, hash_of(t)); n != NULL && x == NULL; n = rk_map_next(n))
			if (rk_str_eq(rk_of(n, struct name, node)->topic, t))
				x = rk_of(n, struct name, node);
		if (x == NULL) {
			rk_assert(by > 0);
			x = rk_new(struct name);
			x->topic = RK_STR_NULL;
			core_group_set(&x->topic, t);
			rk_map_add(&k->names, &x->node, hash_of(t));
		}
		x->uses += by;
		rk_assert(x->uses >= 0);
		if (x->uses > 0)
			continue;
		rk_map_del(&k->names, &x->node);
		rk_mem_put((char *)(uintptr_t)x->topic.at);
		rk_mem_put(x);
	}
}

bool
core_consumer_named(const struct core_consumers *k, struct rk_str topic)
{
	for (struct rk_node *n = rk_map_first(&k->names, hash_of(topic)); n != NULL; n = rk_map_next(n))
		if (rk_str_eq(rk_of(n, struct name, node)->topic, topic))
			return true;
	return false;
}

struct rk_str
core_consumer_names(const struct core_consumers *k, const struct rk_node **at, int32_t *uses)
{
	*at = k->names.count == 0 ? NULL : rk_map_walk(&k->names, *at);
	if (*at == NULL)
		return RK_STR_NULL;
	const struct name *x = rk_of(*at, struct name, node);
	*uses = x->uses;
	return x->topic;
}

/* --- members */
struct keeper { /* first counts the bytes, then copies to the place */
	char *at;
	size_t bytes;
};

static struct rk_str
keep_str(struct keeper *x, struct rk_str s)
{
	if (s.len < 0)
		return RK_STR_NULL;
	if (x->at != NULL) {
		if (s.len > 0)
			memcpy(x->at + x->bytes, s.at, (size_t)s.len);
		s.at = x->at + x->bytes;
	}
	x->bytes += (size_t)s.len;
	return s;
}

static void *
keep_room(struct keeper *x, size_t bytes)
{
	void *at = x->at == NULL ? NULL : x->at + x->bytes;

	rk_assert(bytes % 8 == 0 && x->bytes % 8 == 0);
	x->bytes += bytes;
	return at;
}

/* Arrays first, for they want to be aligned; strings behind. */
static void
keep_says(struct keeper *x, const core_consumer_says *s, core_consumer_says *to)
{
	typedef struct kp_consumer_group_member_metadata_value_classic_member_metadata classic_t;
	const classic_t *c = s->classic_member_metadata;
	size_t each = c == NULL ? 0 : sizeof *c->supported_protocols.at;
	int32_t protocols = c == NULL ? 0 : rk_max(c->supported_protocols.len, 0);
	int32_t names = rk_max(s->subscribed_topic_names.len, 0);
	classic_t *to_c = keep_room(x, c == NULL ? 0 : (sizeof *c + 7) / 8 * 8);
	void *to_p = keep_room(x, (size_t)protocols * each);
	struct rk_str *to_n = keep_room(x, (size_t)names * sizeof *to_n), one;

	*to = *s;
	to->instance_id = keep_str(x, s->instance_id);
	to->rack_id = keep_str(x, s->rack_id);
	to->client_id = keep_str(x, s->client_id);
	to->client_host = keep_str(x, s->client_host);
	to->subscribed_topic_regex = keep_str(x, s->subscribed_topic_regex);
	to->server_assignor = keep_str(x, s->server_assignor);
	to->subscribed_topic_names.at = to_n;
	to->subscribed_topic_names.len = names;
	for (int32_t i = 0; i < names; i++) {
		one = keep_str(x, s->subscribed_topic_names.at[i]);
		if (to_n != NULL)
			to_n[i] = one;
	}
	if (c != NULL && to_c != NULL) {
		*to_c = *c;
		to_c->supported_protocols.at = to_p;
		to_c->supported_protocols.len = protocols;
		to->classic_member_metadata = to_c;
	}
	for (int32_t i = 0; i < protocols; i++) {
		struct rk_str name = keep_str(x, c->supported_protocols.at[i].name);
		one = keep_str(x, c->supported_protocols.at[i].metadata);
		if (to_c != NULL) {
			to_c->supported_protocols.at[i].name = name;
			to_c->supported_protocols.at[i].metadata = one;
		}
	}
}

static void
set_says(struct core_consumer *m, const core_consumer_says *s)
{
	struct core_consumers *k = m->group->consumers;
	core_consumer_says fresh;
	struct keeper x = { NULL, 0 };
	void *old = m->kept;

	keep_says(&x, s, &fresh);
	x.at = rk_mem_get(x.bytes + 1);
	x.bytes = 0;
	keep_says(&x, s, &fresh);
	count_names(k, &fresh, 1);
	count_pattern(k, &fresh, 1);
	if (m->known) {
		count_names(k, &m->says, -1);
		count_pattern(k, &m->says, -1);
	}
	m->says = fresh;
	m->kept = x.at;
	m->known = true;
	rk_mem_put(old);
}

static void
set_parts(struct core_parts *p, struct core_parts to)
{
	rk_mem_put(p->at);
	*p = (struct core_parts){ NULL, to.count };
	if (to.count == 0)
		return;
	p->at = rk_mem_get((size_t)to.count * sizeof *p->at);
	memcpy(p->at, to.at, (size_t)to.count * sizeof *p->at);
}

static void
set_at(struct core_consumer *m, const struct core_consumer_at *at)
{
	disown(m, m->at.has);
	disown(m, m->at.leaves);
	m->at.epoch = at->epoch;
	m->at.previous = at->previous;
	m->at.state = at->state;
	set_parts(&m->at.has, at->has);
	set_parts(&m->at.leaves, at->leaves);
	own(m, m->at.has);
	own(m, m->at.leaves);
}

static struct core_consumer *
member_of(struct core_consumers *k, struct rk_str id)
{
	struct core_consumer *m = core_consumer_get(k, id);

	if (m != NULL)
		return m;
	m = rk_new(struct core_consumer);
	m->group = k->group;
	m->says.instance_id = m->says.subscribed_topic_regex = RK_STR_NULL;
	m->session = m->slow = (struct rk_timer){ .at_ms = INT64_MAX };
	core_group_set(&m->id, id);
	rk_list_add(&k->members, &m->link);
	rk_map_add(&k->by_id, &m->by_id, hash_of(id));
	k->count++;
	return m;
}

static void
drop_member(struct core_consumer *m)
{
	struct core_consumers *k = m->group->consumers;
	struct core_consumer_at nowhere = { 0 };

	rk_assert(k->count > 0);
	rk_timer_stop(core_group_timers(m->group), &m->session);
	rk_timer_stop(core_group_timers(m->group), &m->slow);
	set_at(m, &nowhere);
	if (m->known) {
		count_names(k, &m->says, -1);
		count_pattern(k, &m->says, -1);
	}
	rk_map_del(&k->by_id, &m->by_id);
	rk_list_del(&m->link);
	k->count--;
	rk_mem_put(m->target.at);
	rk_mem_put((char *)(uintptr_t)m->id.at);
	rk_mem_put(m->kept);
	rk_mem_put(m);
}

static void
drop_pattern(struct core_pattern *p)
{
	rk_list_del(&p->link);
	rk_mem_put((char *)(uintptr_t)p->text.at);
	rk_mem_put(p->topic);
	rk_mem_put(p);
}

/* --- groups */
struct core_consumers *
core_consumers_of(struct core_group *g)
{
	if (g->consumers != NULL)
		return g->consumers;
	g->consumers = rk_new(struct core_consumers);
	g->consumers->group = g;
	g->consumers->epoch = g->consumers->target_epoch = 1; /* as Kafka begins: nothing is known, and assigned */
	rk_list_init(&g->consumers->members);
	rk_list_init(&g->consumers->patterns);
	return g->consumers;
}

void
core_consumers_free(struct core_group *g)
{
	struct core_consumers *k = g->consumers;

	if (k == NULL)
		return;
	while (!rk_list_empty(&k->members))
		drop_member(rk_of(k->members.next, struct core_consumer, link));
	while (!rk_list_empty(&k->patterns))
		drop_pattern(rk_of(k->patterns.next, struct core_pattern, link));
	rk_assert(k->owners.count == 0 && k->names.count == 0 && k->count == 0);
	rk_map_free(&k->by_id);
	rk_map_free(&k->owners);
	rk_map_free(&k->names);
	g->consumers = NULL;
	rk_mem_put(k);
}

/* --- applying. The group of a record; with a value it is made when there is none. */
static struct core_consumers *
taken(struct core_groups *home, struct rk_str name, bool value)
{
	struct core_group *g = core_group_get(home, name);

	if (!value)
		return g == NULL ? NULL : g->consumers;
	if (g == NULL)
		g = core_group_make(home, name, CORE_GROUP_CONSUMER);
	g->kind = CORE_GROUP_CONSUMER;
	return core_consumers_of(g);
}

static bool
read_value(const struct kp_desc *d, struct rk_str value, struct rk_arena *a, void *v)
{
	return value.len >= 2 && rk_get16(value.at) == 0
	    && kp_read(d, 0, value.at + 2, (size_t)value.len - 2, a, v, NULL) == RK_OK;
}

/* The group's own record goes, and with it what makes it one of consumers. */
static void
group_over(struct core_groups *home, struct core_group *g)
{
	if (g == NULL || g->consumers == NULL)
		return;
	core_consumers_free(g);
	if (g->kind == CORE_GROUP_CONSUMER)
		g->kind = CORE_GROUP_SIMPLE;
	if (!home->own && g->kind == CORE_GROUP_SIMPLE && g->offsets.count == 0 && g->undecided.count == 0)
		core_group_drop(g);
}

static void
apply_epoch(struct core_groups *home, struct rk_str name, struct rk_str value, struct rk_arena *a)
{
	struct kp_consumer_group_metadata_value v;

	if (value.len < 0) {
		group_over(home, core_group_get(home, name));
	} else if (read_value(&kp_consumer_group_metadata_value_d, value, a, &v)) {
		struct core_consumers *k = taken(home, name, true);
		k->epoch = v.epoch;
		k->hash = v.metadata_hash;
	}
}

static void
apply_target_epoch(struct core_groups *home, struct rk_str name, struct rk_str value, struct rk_arena *a)
{
	struct kp_consumer_group_target_assignment_metadata_value v;
	struct core_consumers *k;

	if (value.len < 0) {
		k = taken(home, name, false);
		if (k != NULL)
			k->target_epoch = 1, k->target_ms = 0;
	} else if (read_value(&kp_consumer_group_target_assignment_metadata_value_d, value, a, &v)) {
		k = taken(home, name, true);
		k->target_epoch = v.assignment_epoch;
		k->target_ms = v.assignment_timestamp;
	}
}

static void
apply_member(struct core_groups *home, struct rk_str name, struct rk_str id, struct rk_str value, struct rk_arena *a)
{
	core_consumer_says v;
	struct core_consumers *k;
	struct core_consumer *m;

	if (value.len < 0) {
		k = taken(home, name, false);
		if (k != NULL && (m = core_consumer_get(k, id)) != NULL)
			drop_member(m);
	} else if (read_value(&kp_consumer_group_member_metadata_value_d, value, a, &v)) {
		set_says(member_of(taken(home, name, true), id), &v);
	}
}

static void
apply_target(struct core_groups *home, struct rk_str name, struct rk_str id, struct rk_str value, struct rk_arena *a)
{
	struct kp_consumer_group_target_assignment_member_value v;
	struct core_parts p = { NULL, 0 };
	struct core_consumers *k;
	struct core_consumer *m;
	int32_t n = 0;

	if (value.len < 0) {
		k = taken(home, name, false);
		if (k != NULL && (m = core_consumer_get(k, id)) != NULL)
			set_parts(&m->target, p);
	} else if (read_value(&kp_consumer_group_target_assignment_member_value_d, value, a, &v)) {
		for (int32_t i = 0; i < v.topic_partitions.len; i++)
			n += rk_max(v.topic_partitions.at[i].partitions.len, 0);
		p = core_parts_make(n, a);
		for (int32_t i = 0; i < v.topic_partitions.len; i++)
			core_parts_add_all(&p, v.topic_partitions.at[i].topic_id, v.topic_partitions.at[i].partitions.at,
			    v.topic_partitions.at[i].partitions.len, NULL);
		core_parts_sort(&p);
		set_parts(&member_of(taken(home, name, true), id)->target, p);
	}
}

/* Both lists of a record of where a member stands look alike. */
#define TAKE(list, into)                                                                                             \
	do {                                                                                                             \
		int32_t n_ = 0;                                                                                              \
		for (int32_t i = 0; i < (list).len; i++)                                                                     \
			n_ += rk_max((list).at[i].partitions.len, 0);                                                            \
		(into) = core_parts_make(n_, a);                                                                             \
		for (int32_t i = 0; i < (list).len; i++)                                                                     \
			core_parts_add_all(&(into), (list).at[i].topic_id, (list).at[i].partitions.at,                           \
			    (list).at[i].partitions.len, (list).at[i].assignment_epochs.len == (list).at[i].partitions.len       \
			    ? (list).at[i].assignment_epochs.at : NULL);                                                         \
		core_parts_sort(&(into));                                                                                    \
	} while (0)

static void
apply_at(struct core_groups *home, struct rk_str name, struct rk_str id, struct rk_str value, struct rk_arena *a)
{
	struct kp_consumer_group_current_member_assignment_value v;
	struct core_consumer_at at = { 0 };
	struct core_consumers *k;
	struct core_consumer *m;

	if (value.len < 0) {
		k = taken(home, name, false);
		if (k != NULL && (m = core_consumer_get(k, id)) != NULL)
			set_at(m, &at);
	} else if (read_value(&kp_consumer_group_current_member_assignment_value_d, value, a, &v)) {
		at.epoch = v.member_epoch;
		at.previous = v.previous_member_epoch;
		at.state = v.state;
		TAKE(v.assigned_partitions, at.has);
		TAKE(v.partitions_pending_revocation, at.leaves);
		set_at(member_of(taken(home, name, true), id), &at);
	}
}

static void
apply_pattern(struct core_groups *home, struct rk_str name, struct rk_str text, struct rk_str value, struct rk_arena *a)
{
	struct kp_consumer_group_regular_expression_value v;
	struct core_consumers *k = taken(home, name, false);
	struct core_pattern *p = k == NULL ? NULL : core_consumer_pattern(k, text);
	size_t bytes = 0;

	if (value.len < 0 && p != NULL)
		drop_pattern(p);
	if (value.len < 0 || !read_value(&kp_consumer_group_regular_expression_value_d, value, a, &v))
		return;
	k = taken(home, name, true);
	if (p == NULL) {
		p = rk_new(struct core_pattern);
		p->text = RK_STR_NULL;
		core_group_set(&p->text, text);
		rk_list_add(&k->patterns, &p->link);
		rk_list_each(&k->members, l)
			p->users += rk_str_eq(rk_of(l, struct core_consumer, link)->says.subscribed_topic_regex, text);
	}
	for (int32_t i = 0; i < v.topics.len; i++)
		bytes += sizeof *p->topic + (size_t)v.topics.at[i].len;
	rk_mem_put(p->topic);
	p->topic = rk_mem_get(bytes + 1);
	p->topics = rk_max(v.topics.len, 0);
	p->ms = v.timestamp;
	char *to = (char *)(p->topic + p->topics);
	for (int32_t i = 0; i < p->topics; i++) {
		p->topic[i] = (struct rk_str){ to, v.topics.at[i].len };
		memcpy(to, v.topics.at[i].at, (size_t)v.topics.at[i].len);
		to += v.topics.at[i].len;
	}
}

bool
core_consumer_apply(struct core_groups *home, int16_t type, const struct core_entry *e)
{
	struct kp_consumer_group_member_metadata_key k; /* all keys are a group, and most a second string */
	bool two = type == MEMBER || type == TARGET || type == AT || type == PATTERN;
	struct rk_arena a;

	if (!two && type != EPOCH && type != OLD_TOPICS && type != TARGET_EPOCH)
		return false;
	rk_arena_init(&a, ARENA_MAX);
	k.member_id = RK_STR_NULL;
	if (kp_read(two ? &kp_consumer_group_member_metadata_key_d : &kp_consumer_group_metadata_key_d, 0, e->key.at + 2,
	    (size_t)e->key.len - 2, &a, &k, NULL) == RK_OK) {
		if (type == EPOCH)
			apply_epoch(home, k.group_id, e->value, &a);
		else if (type == TARGET_EPOCH)
			apply_target_epoch(home, k.group_id, e->value, &a);
		else if (type == MEMBER)
			apply_member(home, k.group_id, k.member_id, e->value, &a);
		else if (type == TARGET)
			apply_target(home, k.group_id, k.member_id, e->value, &a);
		else if (type == AT)
			apply_at(home, k.group_id, k.member_id, e->value, &a);
		else if (type == PATTERN)
			apply_pattern(home, k.group_id, k.member_id, e->value, &a);
		/* what topics were like when the assignment was made (OLD_TOPICS) is an older release's way: the hash tells */
	}
	rk_arena_free(&a);
	return true;
}

/* --- records */
static struct rk_str
key_of(int16_t type, const struct core_group *g, struct rk_str second, struct rk_arena *a)
{
	struct kp_consumer_group_member_metadata_key two = { g->name, second };
	struct kp_consumer_group_metadata_key one = { g->name };

	return second.len >= 0 ? core_coord_bytes(type, &kp_consumer_group_member_metadata_key_d, 0, &two, a)
			       : core_coord_bytes(type, &kp_consumer_group_metadata_key_d, 0, &one, a);
}

static struct kp_pair
record(int16_t type, const struct core_group *g, struct rk_str second, const struct kp_desc *d, const void *v,
    struct rk_arena *a)
{
	return (struct kp_pair){ key_of(type, g, second, a), v == NULL ? RK_STR_NULL : core_coord_bytes(0, d, 0, v, a) };
}

struct kp_pair
core_consumer_member_record(const struct core_group *g, struct rk_str id, const core_consumer_says *s,
    struct rk_arena *a)
{
	return record(MEMBER, g, id, &kp_consumer_group_member_metadata_value_d, s, a);
}

struct kp_pair
core_consumer_epoch_record(const struct core_group *g, int32_t epoch, int64_t hash, struct rk_arena *a)
{
	struct kp_consumer_group_metadata_value v = { epoch, hash };

	return record(EPOCH, g, RK_STR_NULL, &kp_consumer_group_metadata_value_d, &v, a);
}

struct kp_pair
core_consumer_target_epoch_record(const struct core_group *g, int32_t epoch, int64_t ms, struct rk_arena *a)
{
	struct kp_consumer_group_target_assignment_metadata_value v = { epoch, ms };

	if (epoch < 0)
		return record(TARGET_EPOCH, g, RK_STR_NULL, NULL, NULL, a);
	return record(TARGET_EPOCH, g, RK_STR_NULL, &kp_consumer_group_target_assignment_metadata_value_d, &v, a);
}

struct kp_pair
core_consumer_target_record(const struct core_group *g, struct rk_str id, const struct core_parts *p,
    struct rk_arena *a)
{
	struct kp_consumer_group_target_assignment_member_value v = { 0 };
	int32_t to;

	if (p == NULL)
		return record(TARGET, g, id, NULL, NULL, a);
	v.topic_partitions.at = rk_arena_get(a, (size_t)core_parts_topics(*p) + 1, sizeof *v.topic_partitions.at);
	for (int32_t i = 0; v.topic_partitions.at != NULL && i < p->count; i = to) {
		struct kp_consumer_group_target_assignment_member_value_topic_partitions *t
		    = &v.topic_partitions.at[v.topic_partitions.len++];
		to = core_parts_run(*p, i);
		t->topic_id = p->at[i].topic;
		t->partitions.at = core_parts_indexes(*p, i, to, a);
		t->partitions.len = to - i;
	}
	return record(TARGET, g, id, &kp_consumer_group_target_assignment_member_value_d, a->over ? NULL : &v, a);
}

static int32_t *
epochs(struct core_parts p, int32_t from, int32_t to, struct rk_arena *a)
{
	int32_t *out = rk_arena_get(a, (size_t)(to - from) + 1, sizeof *out);

	for (int32_t i = from; out != NULL && i < to; i++)
		out[i - from] = p.at[i].epoch;
	return out;
}

#define PUT(list, p)                                                                                                 \
	do {                                                                                                             \
		int32_t to_;                                                                                                 \
		(list).at = rk_arena_get(a, (size_t)core_parts_topics(p) + 1, sizeof *(list).at);                            \
		for (int32_t i = 0; (list).at != NULL && i < (p).count; i = to_, (list).len++) {                             \
			to_ = core_parts_run(p, i);                                                                              \
			(list).at[(list).len].topic_id = (p).at[i].topic;                                                        \
			(list).at[(list).len].partitions.at = core_parts_indexes(p, i, to_, a);                                  \
			(list).at[(list).len].assignment_epochs.at = epochs(p, i, to_, a);                                       \
			(list).at[(list).len].partitions.len = (list).at[(list).len].assignment_epochs.len = to_ - i;            \
		}                                                                                                            \
	} while (0)

struct kp_pair
core_consumer_at_record(const struct core_group *g, struct rk_str id, const struct core_consumer_at *at,
    struct rk_arena *a)
{
	struct kp_consumer_group_current_member_assignment_value v = { 0 };

	if (at == NULL)
		return record(AT, g, id, NULL, NULL, a);
	v.member_epoch = at->epoch;
	v.previous_member_epoch = at->previous;
	v.state = at->state;
	PUT(v.assigned_partitions, at->has);
	PUT(v.partitions_pending_revocation, at->leaves);
	return record(AT, g, id, &kp_consumer_group_current_member_assignment_value_d, a->over ? NULL : &v, a);
}

struct kp_pair
core_consumer_pattern_record(const struct core_group *g, struct rk_str text, const struct rk_str *topic,
    int32_t topics, int64_t ms, struct rk_arena *a)
{
	struct kp_consumer_group_regular_expression_value v = { .timestamp = ms };

	if (topics < 0)
		return record(PATTERN, g, text, NULL, NULL, a);
	v.topics.at = (struct rk_str *)(uintptr_t)topic;
	v.topics.len = topics;
	v.version = (int64_t)g->home->core->topics_changed;
	return record(PATTERN, g, text, &kp_consumer_group_regular_expression_value_d, &v, a);
}

int
core_consumer_tombstones(const struct core_group *g, struct rk_str id, struct kp_pair *r, struct rk_arena *a)
{
	r[0] = core_consumer_at_record(g, id, NULL, a);
	r[1] = core_consumer_target_record(g, id, NULL, a);
	r[2] = core_consumer_member_record(g, id, NULL, a);
	return 3;
}

int
core_consumers_tombstones(const struct core_group *g, struct kp_pair *r, struct rk_arena *a)
{
	static const int16_t type[] = { TARGET_EPOCH, OLD_TOPICS, EPOCH };

	for (int i = 0; i < 3; i++)
		r[i] = record(type[i], g, RK_STR_NULL, NULL, NULL, a);
	return 3;
}
