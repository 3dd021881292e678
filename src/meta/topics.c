/* topics.c - CreateTopics, DeleteTopics and CreatePartitions on the controller: Kafka's checks in Kafka's order. */
#include "src/meta/image.h"
#include "protocol/desc.h"
#include "protocol/gen/create_partitions.h"
#include "protocol/gen/create_topics.h"
#include "protocol/gen/delete_topics.h"
#include "src/config.h"

typedef struct kp_create_topics_req_topics wish;
typedef struct kp_create_topics_res_topics answer;

#define METADATA_TOPIC "__cluster_metadata"
#define DUPLICATE_NAME "Duplicate topic name."
#define TOO_MANY_PARTITIONS "Excessively large number of partitions per request."
#define TOO_MANY_RECORDS "Unable to perform excessively large batch operation."

/* --- names that come twice: which is the first place of each name, and how often it comes */

struct names {
	struct rk_str *name;
	uint32_t *times, *first; /* times: at the first place only; first: of each place */
	uint32_t count;
};

static bool
names_of(struct names *s, struct rk_arena *a, uint32_t count)
{
	uint32_t cap = 16, *slot;

	while (cap < count * 2)
		cap *= 2;
	s->times = rk_arena_get(a, count, sizeof *s->times);
	s->first = rk_arena_get(a, count, sizeof *s->first);
	slot = rk_arena_get(a, cap, sizeof *slot);
	s->count = count;
	if (slot == NULL || s->times == NULL || s->first == NULL)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		struct rk_str n = s->name[i];
		uint32_t at = (uint32_t)rk_hash(n.at, (size_t)(n.len > 0 ? n.len : 0), 0) & (cap - 1);
		while (slot[at] != 0 && !rk_str_eq(s->name[slot[at] - 1], n))
			at = (at + 1) & (cap - 1);
		if (slot[at] == 0)
			slot[at] = i + 1;
		s->first[i] = slot[at] - 1;
		s->times[s->first[i]]++;
	}
	return true;
}

/* --- creating */

struct making {
	struct meta_plan *p;
	const struct kp_create_topics_req *q;
	struct kp_create_topics_res *res;
	struct meta_candidates brokers;
	int16_t version;
	uint32_t planned; /* records of this request */
};

static void
clear(answer *r)
{
	*r = (answer){ .num_partitions = -1, .replication_factor = -1 };
	r->error_message = RK_STR_NULL;
}

static void
fail(answer *r, enum rk_err err, struct rk_str why)
{
	r->error_code = rk_err_wire(err);
	r->error_message = why;
}

#define TOLD(p, ...) rk_arena_print((p)->arena, __VA_ARGS__)

/* Every topic of the request gets the same error: what Kafka answers when it gave the whole up. */
static void
refuse(struct making *m, enum rk_err err, struct rk_str why)
{
	m->res->topics.len = m->q->topics.len;
	for (int32_t i = 0; i < m->q->topics.len; i++) {
		answer *r = &m->res->topics.at[i];
		clear(r);
		r->name = m->q->topics.at[i].name;
		fail(r, err, why);
	}
}

/* An assignment of one partition by hand. factor 0: the first sets it. */
bool
meta_check_assignment(struct meta_plan *p, const struct meta_candidates *all, const int32_t *id, int32_t count,
    int32_t factor, struct rk_str *why)
{
	int32_t unknown = INT32_MAX, twice = INT32_MAX;
	bool *seen = rk_arena_get(p->work, all->count, sizeof *seen);

	*why = RK_STR_NULL;
	if (count <= 0)
		*why = rk_lit("The manual partition assignment includes an empty replica list.");
	if (count <= 0 || seen == NULL)
		return false;
	for (int32_t i = 0; i < count; i++) {
		const struct meta_candidate *c = meta_candidate(all, id[i]);
		if (c == NULL)
			unknown = (int32_t)rk_min(unknown, id[i]);
		else if (seen[c - all->at])
			twice = (int32_t)rk_min(twice, id[i]);
		else
			seen[c - all->at] = true;
	}
	if (unknown != INT32_MAX && unknown <= twice)
		*why = TOLD(p, "The manual partition assignment includes broker %d, but no such broker is registered.", unknown);
	else if (twice != INT32_MAX)
		*why = TOLD(p, "The manual partition assignment includes the broker %d more than once.", twice);
	else if (factor != 0 && count != factor)
		*why = TOLD(p, "The manual partition assignment includes a partition with %d replica(s), but this is not "
		    "consistent with previous partitions, which have %d replica(s).", count, factor);
	else
		return true;
	return false;
}

static bool
any_active(const struct meta_candidates *all, const int32_t *id, int32_t count)
{
	for (int32_t i = 0; i < count; i++) {
		const struct meta_candidate *c = meta_candidate(all, id[i]);
		if (c != NULL && c->state == META_ACTIVE)
			return true;
	}
	return false;
}

/* A new partition: led by the first active of its replicas, all active ones in the ISR. */
static void
add_partition(struct meta_plan *p, const struct meta_candidates *all, struct rk_uuid topic, int32_t partition,
    int32_t *replica, int32_t factor)
{
	struct kp_partition_record r;
	int32_t *isr = rk_arena_get(p->arena, (size_t)factor, sizeof *isr);
	struct rk_uuid *dir = rk_arena_get(p->arena, (size_t)factor, sizeof *dir);

	if (isr == NULL || dir == NULL)
		return;
	kp_defaults(&kp_partition_record_d, &r);
	r.partition_id = partition;
	r.topic_id = topic;
	r.replicas.at = replica;
	r.replicas.len = factor;
	r.isr.at = isr;
	for (int32_t i = 0; i < factor; i++) {
		const struct meta_candidate *c = meta_candidate(all, replica[i]);
		rk_assert(c != NULL);
		if (c->state == META_ACTIVE)
			isr[r.isr.len++] = c->id;
		dir[i] = c->directory;
	}
	rk_assert(r.isr.len > 0);
	if (p->version >= META_MV_DIRECTORIES) {
		r.directories.at = dir;
		r.directories.len = factor;
	}
	r.leader = isr[0];
	r.leader_epoch = r.partition_epoch = 0;
	meta_plan_add(p, KP_PARTITION_RECORD, &r);
}

struct layout {
	int32_t count, factor;
	int32_t *replica; /* count * factor */
};

static bool
by_hand(struct making *m, const wish *t, answer *r, struct layout *l)
{
	struct rk_str why;

	if (t->replication_factor != -1)
		return fail(r, RK_INVALID_REQUEST, rk_lit("A manual partition assignment was specified, but replication "
		    "factor was not set to -1.")), false;
	if (t->num_partitions != -1)
		return fail(r, RK_INVALID_REQUEST, rk_lit("A manual partition assignment was specified, but numPartitions "
		    "was not set to -1.")), false;
	l->count = t->assignments.len;
	l->factor = t->assignments.at[0].broker_ids.len;
	l->replica = rk_arena_get(m->p->arena, (size_t)l->count * (size_t)(l->factor > 0 ? l->factor : 1), sizeof *l->replica);
	bool *seen = rk_arena_get(m->p->arena, (size_t)l->count, sizeof *seen), gap = false;
	if (l->replica == NULL || seen == NULL)
		return false;
	for (int32_t i = 0; i < l->count; i++) {
		int32_t part = t->assignments.at[i].partition_index, *id = t->assignments.at[i].broker_ids.at;
		int32_t n = t->assignments.at[i].broker_ids.len;
		bool twice = part >= 0 && part < l->count && seen[part];
		for (int32_t k = 0; !twice && k < i && (part < 0 || part >= l->count); k++)
			twice = t->assignments.at[k].partition_index == part;
		if (twice)
			return fail(r, RK_INVALID_REPLICA_ASSIGNMENT,
			    TOLD(m->p, "Found multiple manual partition assignments for partition %d", part)), false;
		rk_arena_reset(m->p->work);
		if (!meta_check_assignment(m->p, &m->brokers, id, n, i == 0 ? 0 : l->factor, &why))
			return fail(r, RK_INVALID_REPLICA_ASSIGNMENT, why), false;
		if (!any_active(&m->brokers, id, n))
			return fail(r, RK_INVALID_REPLICA_ASSIGNMENT, TOLD(m->p, "All brokers specified in the manual partition "
			    "assignment for partition %d are fenced or in controlled shutdown.", part)), false;
		if (part < 0 || part >= l->count) {
			gap = true;
			continue;
		}
		seen[part] = true;
		memcpy(l->replica + (size_t)part * (size_t)n, id, (size_t)n * sizeof *id);
	}
	if (gap)
		fail(r, RK_INVALID_REPLICA_ASSIGNMENT, rk_lit("partitions should be a consecutive 0-based integer sequence"));
	return !gap;
}

static bool
by_count(struct making *m, const wish *t, answer *r, struct layout *l)
{
	struct rk_str why;

	if (t->replication_factor < -1 || t->replication_factor == 0)
		return fail(r, RK_INVALID_REPLICATION_FACTOR,
		    rk_lit("Replication factor must be larger than 0, or -1 to use the default value.")), false;
	if (t->num_partitions < -1 || t->num_partitions == 0)
		return fail(r, RK_INVALID_PARTITIONS,
		    rk_lit("Number of partitions was set to an invalid non-positive value.")), false;
	l->count = t->num_partitions == -1 ? m->p->conf->num_partitions : t->num_partitions;
	l->factor = t->replication_factor == -1 ? m->p->conf->default_replication_factor : t->replication_factor;
	/* More replicas than brokers is refused by the placer; do not ask for their memory. */
	size_t room = (uint32_t)l->factor > m->brokers.count ? 1 : (size_t)l->count * (size_t)l->factor;
	l->replica = rk_arena_get(m->p->arena, room, sizeof *l->replica);
	if (l->replica == NULL)
		return false;
	if (!meta_place(m->p, &m->brokers, l->count, l->factor, l->replica, &why))
		return fail(r, RK_INVALID_REPLICATION_FACTOR, TOLD(m->p, "Unable to replicate the partition %d time(s): %.*s",
		    l->factor, (int)why.len, why.at)), false;
	for (int32_t i = 0; i < l->count; i++)
		if (!any_active(&m->brokers, l->replica + (size_t)i * (size_t)l->factor, l->factor))
			return fail(r, RK_INVALID_REPLICATION_FACTOR, TOLD(m->p, "Unable to replicate the partition %d time(s): "
			    "All brokers are currently fenced or in controlled shutdown.", l->factor)), false;
	return true;
}

/* The request's configs as pairs; the last of a name wins, as in a map. false: *why. */
static bool
configs_of(struct making *m, const wish *t, struct conf_pair *pair, uint32_t *count, struct rk_str *why)
{
	struct rk_str nulls = RK_STR_NULL;

	*count = 0;
	for (int32_t i = 0; i < t->configs.len; i++) {
		struct rk_str name = t->configs.at[i].name;
		uint32_t k = 0;
		if (t->configs.at[i].value.len < 0) {
			nulls = nulls.len < 0 ? name : TOLD(m->p, "%.*s,%.*s", (int)nulls.len, nulls.at, (int)name.len, name.at);
			continue;
		}
		while (k < *count && !rk_str_eq(pair[k].name, name))
			k++;
		pair[k] = (struct conf_pair){ name, t->configs.at[i].value };
		*count += k == *count;
	}
	meta_java_pairs(pair, *count, m->p->arena);
	*why = nulls.len < 0 ? RK_STR_NULL :
	    TOLD(m->p, "Null value not supported for topic configs: %.*s", (int)nulls.len, nulls.at);
	return nulls.len < 0 && conf_topic_check(m->p->conf, pair, *count, NULL, 0, m->p->arena, why) == RK_OK;
}

/* From version 5 the answer lists all configs of the new topic. */
static void
show(struct making *m, answer *r, const struct conf_pair *pair, uint32_t count, const struct layout *l)
{
	struct conf_want all = { NULL, 0 };

	r->num_partitions = l->count;
	r->replication_factor = (int16_t)l->factor;
	if (m->version < 5)
		return;
	struct conf_entries e = conf_describe_topic(m->p->conf, pair, count, all, m->p->arena);
	r->configs.at = rk_arena_get(m->p->arena, e.count, sizeof *r->configs.at);
	r->configs.len = r->configs.at == NULL ? 0 : (int32_t)e.count;
	int32_t n = 0;
	for (int32_t i = 0; i < r->configs.len; i++) {
		/* What only this server knows is not told to clients that did not ask for it. */
		const struct conf_row *row = conf_row_find(CONF_TOPICS, rk_str_of(e.at[i].name));
		if (row != NULL && row->shown == CONF_OURS && e.at[i].value_source != CONF_FROM_TOPIC)
			continue;
		e.at[n++] = e.at[i];
	}
	r->configs.len = r->configs.len > n ? n : r->configs.len;
	for (int32_t i = 0; i < r->configs.len; i++) {
		r->configs.at[i].name = rk_str_of(e.at[i].name);
		r->configs.at[i].value = rk_arena_str(m->p->arena, e.at[i].value);
		r->configs.at[i].read_only = e.at[i].read_only;
		r->configs.at[i].config_source = e.at[i].value_source;
		r->configs.at[i].is_sensitive = e.at[i].sensitive;
	}
}

static void
add_topic(struct making *m, const wish *t, const answer *r, const struct conf_pair *pair, uint32_t count,
    const struct layout *l)
{
	struct kp_topic_record topic = { .name = t->name, .topic_id = r->topic_id };

	meta_plan_add(m->p, KP_TOPIC_RECORD, &topic);
	for (uint32_t i = 0; i < count; i++) {
		struct kp_config_record c = { .resource_type = META_OF_TOPIC, .resource_name = t->name, .name = pair[i].name,
			.value = pair[i].value };
		meta_plan_add(m->p, KP_CONFIG_RECORD, &c);
	}
	for (int32_t i = 0; i < l->count && !m->p->arena->over; i++)
		add_partition(m->p, &m->brokers, topic.topic_id, i, l->replica + (size_t)i * (size_t)l->factor, l->factor);
}

static bool
collides(struct making *m, struct rk_str name, struct rk_str *with)
{
	struct meta_key k = meta_alike_key(name, false);
	struct st_cursor c;
	bool found = false;

	if (k.len == 0)
		return false;
	for (bool more = st_cursor_begin(&c, m->p->view.txn, META_ALIKE, meta_key_str(&k), meta_key_str(&k)); more && !found;
	    more = st_cursor_next(&c)) {
		struct rk_str other = { c.key.at + k.len, c.key.len - k.len };
		found = !rk_str_eq(other, name);
		*with = rk_arena_str(m->p->arena, other);
	}
	st_cursor_end(&c);
	return found;
}

/* One topic that was planned before the first record was: everything is checked, nothing is written. */
struct planned {
	const wish *t;
	answer *r;
	struct conf_pair *pair;
	uint32_t pairs;
	struct layout layout;
	bool good;
};

static void
check_topic(struct making *m, struct planned *d)
{
	struct rk_str why, with;
	struct rk_uuid id;
	answer *r = d->r;

	if (!meta_topic_name_check(d->t->name, m->p->arena, &why))
		return fail(r, RK_INVALID_TOPIC_EXCEPTION, why);
	if (meta_topic_id(m->p->view.txn, d->t->name, &id, NULL))
		return fail(r, RK_TOPIC_ALREADY_EXISTS,
		    TOLD(m->p, "Topic '%.*s' already exists.", (int)d->t->name.len, d->t->name.at));
	if (collides(m, d->t->name, &with))
		return fail(r, RK_INVALID_TOPIC_EXCEPTION, TOLD(m->p, "Topic '%.*s' collides with existing topic: %.*s",
		    (int)d->t->name.len, d->t->name.at, (int)with.len, with.at));
	d->pair = rk_arena_get(m->p->arena, (size_t)(d->t->configs.len > 0 ? d->t->configs.len : 0), sizeof *d->pair);
	if (d->pair == NULL)
		return;
	if (!configs_of(m, d->t, d->pair, &d->pairs, &why))
		return fail(r, RK_INVALID_CONFIG, why);
	d->good = d->t->assignments.len > 0 ? by_hand(m, d->t, r, &d->layout) : by_count(m, d->t, r, &d->layout);
	if (d->good) {
		m->planned += 1 + d->pairs + (uint32_t)d->layout.count;
		r->topic_id = rk_env_uuid(m->p->env);
		show(m, r, d->pair, d->pairs, &d->layout);
	}
}

static bool
any_asked(const struct names *names)
{
	for (uint32_t i = 0; i < names->count; i++)
		if (names->times[i] == 1 && !rk_str_is(names->name[i], METADATA_TOPIC))
			return true;
	return false;
}

static bool
too_many(const struct making *m, const struct names *names)
{
	int64_t all = 0;

	for (uint32_t i = 0; i < names->count; i++) {
		const wish *t = &m->q->topics.at[i];
		if (names->times[i] != 1 || rk_str_is(t->name, METADATA_TOPIC))
			continue;
		if (t->assignments.len > 0)
			all += t->assignments.len;
		else if (t->num_partitions == -1)
			all += m->p->conf->num_partitions;
		else if (t->num_partitions > 0)
			all += t->num_partitions;
	}
	return all > META_RECORDS_MAX;
}

/* Behind the others: the names that came twice, in the order of Kafka's HashSet, and the metadata's own topic. */
static void
answer_excluded(struct making *m, const struct names *names)
{
	struct rk_arena *a = m->p->arena;
	struct rk_str *twice = rk_arena_get(a, names->count, sizeof *twice);
	uint32_t *order = rk_arena_get(a, names->count, sizeof *order), n = 0;

	if (twice == NULL || order == NULL)
		return;
	for (uint32_t i = 0; i < names->count; i++)
		if (names->times[i] > 1)
			twice[n++] = names->name[i];
	meta_java_order(twice, n, order, a);
	for (uint32_t i = 0; i < n; i++) {
		answer *r = &m->res->topics.at[m->res->topics.len++];
		r->name = twice[order[i]];
		fail(r, RK_INVALID_REQUEST, rk_lit(DUPLICATE_NAME));
	}
	for (uint32_t i = 0; i < names->count; i++)
		if (names->times[i] == 1 && rk_str_is(names->name[i], METADATA_TOPIC)) {
			answer *r = &m->res->topics.at[m->res->topics.len++];
			r->name = names->name[i];
			fail(r, RK_INVALID_REQUEST, rk_lit("Creation of internal topic " METADATA_TOPIC " is prohibited."));
		}
}

static void
create(struct making *m, const struct names *names, struct planned *d)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < names->count; i++) {
		if (names->times[i] != 1 || rk_str_is(names->name[i], METADATA_TOPIC))
			continue;
		d[n] = (struct planned){ .t = &m->q->topics.at[i], .r = &m->res->topics.at[m->res->topics.len++] };
		d[n].r->name = names->name[i];
		check_topic(m, &d[n++]);
	}
	if (m->planned > META_RECORDS_MAX) {
		refuse(m, RK_POLICY_VIOLATION, rk_lit(TOO_MANY_RECORDS));
		return;
	}
	for (uint32_t i = 0; i < n && !m->q->validate_only; i++)
		if (d[i].good)
			add_topic(m, d[i].t, d[i].r, d[i].pair, d[i].pairs, &d[i].layout);
	answer_excluded(m, names);
}

void
meta_create_topics(struct meta_plan *p, int16_t version, const struct kp_create_topics_req *q,
    struct kp_create_topics_res *res)
{
	struct making m = { .p = p, .q = q, .res = res, .version = version };
	uint32_t n = (uint32_t)(q->topics.len > 0 ? q->topics.len : 0);
	struct names names = { .name = rk_arena_get(p->arena, n, sizeof(struct rk_str)) };
	struct planned *d = rk_arena_get(p->arena, n, sizeof *d);

	res->topics.at = rk_arena_get(p->arena, n, sizeof *res->topics.at);
	res->topics.len = 0;
	if (names.name == NULL || d == NULL || res->topics.at == NULL)
		return;
	for (uint32_t i = 0; i < n; i++) {
		names.name[i] = q->topics.at[i].name;
		clear(&res->topics.at[i]);
	}
	if (!names_of(&names, p->arena, n))
		return;
	m.brokers = meta_candidates(p);
	if (q->timeout_ms <= 0 && any_asked(&names)) /* Kafka's queue gives such a request up before it begins */
		refuse(&m, RK_REQUEST_TIMED_OUT, RK_STR_NULL);
	else if (too_many(&m, &names))
		refuse(&m, RK_POLICY_VIOLATION, rk_lit(TOO_MANY_PARTITIONS));
	else
		create(&m, &names, d);
}

/* --- deleting */

typedef struct kp_delete_topics_res_responses gone;

struct deleting {
	struct meta_plan *p;
	struct kp_delete_topics_res *res;
	int16_t version;
};

static gone *
told(struct deleting *d, struct rk_str name, struct rk_uuid id, enum rk_err err, struct rk_str why)
{
	gone *g = &d->res->responses.at[d->res->responses.len++];

	g->name = name;
	g->topic_id = id;
	g->error_code = rk_err_wire(err);
	g->error_message = err == RK_OK ? RK_STR_NULL : why.len >= 0 ? why : rk_str_of(rk_err_text(err));
	return g;
}

static void
remove_topic(struct deleting *d, struct rk_str name, struct rk_uuid id)
{
	struct kp_remove_topic_record r = { .topic_id = id };

	meta_plan_add(d->p, KP_REMOVE_TOPIC_RECORD, &r);
	told(d, name, id, RK_OK, RK_STR_NULL);
}

/* Topics given by id, then those given by name; ids hold which topics were taken already. */
static void
by_ids(struct deleting *d, const struct names *ids, struct rk_uuid *taken, uint32_t *n)
{
	struct rk_uuid id;
	struct meta_topic t;

	for (uint32_t i = 0; i < ids->count; i++) {
		if (ids->times[i] == 0)
			continue;
		memcpy(id.id, ids->name[i].at, 16);
		if (ids->times[i] > 1)
			told(d, RK_STR_NULL, id, RK_INVALID_REQUEST, rk_lit("Duplicate topic id."));
		else if (!meta_topic_of(&d->p->view, id, &t))
			told(d, RK_STR_NULL, id, RK_UNKNOWN_TOPIC_ID, RK_STR_NULL);
		else
			taken[(*n)++] = id;
	}
}

static void
by_names(struct deleting *d, const struct names *names, struct rk_uuid *taken, uint32_t *n)
{
	struct rk_uuid id, none = { { 0 } };
	uint32_t given = *n;

	for (uint32_t i = 0; i < names->count; i++) {
		if (names->times[i] == 0)
			continue;
		if (names->times[i] > 1) {
			told(d, names->name[i], none, RK_INVALID_REQUEST, rk_lit(DUPLICATE_NAME));
			continue;
		}
		if (!meta_topic_id(d->p->view.txn, names->name[i], &id, NULL)) {
			told(d, names->name[i], none, RK_UNKNOWN_TOPIC_OR_PARTITION, RK_STR_NULL);
			continue;
		}
		uint32_t k = 0;
		while (k < given && !rk_uuid_eq(taken[k], id))
			k++;
		if (k < given) {
			memset(&taken[k], 0, sizeof taken[k]);
			told(d, names->name[i], id, RK_INVALID_REQUEST,
			    rk_lit("The provided topic name maps to an ID that was already supplied."));
		} else {
			taken[(*n)++] = id;
		}
	}
}

static void
delete_these(struct deleting *d, struct names *names, struct names *ids)
{
	struct rk_uuid *taken = rk_arena_get(d->p->arena, names->count + ids->count, sizeof *taken);
	struct meta_topic t;
	uint32_t n = 0;

	if (taken == NULL || !names_of(names, d->p->arena, names->count) || !names_of(ids, d->p->arena, ids->count))
		return;
	by_ids(d, ids, taken, &n);
	by_names(d, names, taken, &n);
	for (uint32_t i = 0; i < n && !d->p->arena->over; i++)
		if (!rk_uuid_zero(taken[i]) && meta_topic_of(&d->p->view, taken[i], &t))
			remove_topic(d, rk_arena_str(d->p->arena, t.name), taken[i]);
}

/* Every topic of the request is told the same. */
static void
all_refused(struct deleting *d, const struct kp_delete_topics_req *q, enum rk_err err)
{
	struct rk_uuid none = { { 0 } };

	for (int32_t i = 0; d->version < 6 && i < q->topic_names.len; i++)
		told(d, q->topic_names.at[i], none, err, RK_STR_NULL);
	for (int32_t i = 0; d->version >= 6 && i < q->topics.len; i++)
		told(d, q->topics.at[i].name, q->topics.at[i].topic_id, err, RK_STR_NULL);
}

void
meta_delete_topics(struct meta_plan *p, int16_t version, const struct kp_delete_topics_req *q,
    struct kp_delete_topics_res *res)
{
	struct deleting d = { p, res, version };
	int32_t asked = version < 6 ? q->topic_names.len : q->topics.len;
	uint32_t n = (uint32_t)(asked > 0 ? asked : 0);
	struct names names = { .name = rk_arena_get(p->arena, n, sizeof(struct rk_str)) };
	struct names ids = { .name = rk_arena_get(p->arena, n, sizeof(struct rk_str)) };
	struct rk_uuid none = { { 0 } };

	res->responses.at = rk_arena_get(p->arena, n, sizeof *res->responses.at);
	res->responses.len = 0;
	if (names.name == NULL || ids.name == NULL || res->responses.at == NULL)
		return;
	for (uint32_t i = 0; i < n; i++)
		res->responses.at[i].error_message = res->responses.at[i].name = RK_STR_NULL;
	if (!p->conf->delete_topic_enable || q->timeout_ms <= 0) {
		all_refused(&d, q, p->conf->delete_topic_enable ? RK_REQUEST_TIMED_OUT :
		    version < 3 ? RK_INVALID_REQUEST : RK_TOPIC_DELETION_DISABLED);
		for (int32_t i = 0; p->conf->delete_topic_enable && i < res->responses.len; i++)
			res->responses.at[i].error_message = RK_STR_NULL; /* it has no words for that */
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (version < 6) {
			names.name[names.count++] = q->topic_names.at[i];
			continue;
		}
		struct rk_str name = q->topics.at[i].name;
		const struct rk_uuid *id = &q->topics.at[i].topic_id;
		if (name.len < 0 && rk_uuid_zero(*id))
			told(&d, name, none, RK_INVALID_REQUEST, rk_lit("Neither topic name nor id were specified."));
		else if (name.len < 0)
			ids.name[ids.count++] = (struct rk_str){ (const char *)id->id, 16 };
		else if (rk_uuid_zero(*id))
			names.name[names.count++] = name;
		else
			told(&d, name, *id, RK_INVALID_REQUEST, rk_lit("You may not specify both topic name and topic id."));
	}
	delete_these(&d, &names, &ids);
}

/* --- more partitions */

typedef struct kp_create_partitions_req_topics more;

struct growing {
	struct meta_plan *p;
	const struct kp_create_partitions_req *q;
	struct meta_candidates brokers;
	uint32_t planned;
};

static enum rk_err
grow_by_hand(struct growing *g, const more *t, int32_t have, struct layout *l, struct rk_str *why)
{
	l->replica = rk_arena_get(g->p->arena, (size_t)l->count * (size_t)l->factor, sizeof *l->replica);
	if (l->replica == NULL)
		return RK_UNKNOWN_SERVER_ERROR;
	for (int32_t i = 0; i < l->count; i++) {
		int32_t *id = t->assignments.at[i].broker_ids.at, n = t->assignments.at[i].broker_ids.len;
		rk_arena_reset(g->p->work);
		if (!meta_check_assignment(g->p, &g->brokers, id, n, l->factor, why))
			return RK_INVALID_REPLICA_ASSIGNMENT;
		if (!any_active(&g->brokers, id, n)) {
			*why = TOLD(g->p, "All brokers specified in the manual partition assignment for partition %d are fenced or "
			    "in controlled shutdown.", have + i);
			return RK_INVALID_REPLICA_ASSIGNMENT;
		}
		memcpy(l->replica + (size_t)i * (size_t)n, id, (size_t)n * sizeof *id);
	}
	return RK_OK;
}

static enum rk_err
grow_by_count(struct growing *g, struct layout *l, struct rk_str *why)
{
	struct rk_str placer;
	size_t room = (uint32_t)l->factor > g->brokers.count ? 1 : (size_t)l->count * (size_t)l->factor;

	l->replica = rk_arena_get(g->p->arena, room, sizeof *l->replica);
	if (l->replica == NULL)
		return RK_UNKNOWN_SERVER_ERROR;
	if (!meta_place(g->p, &g->brokers, l->count, l->factor, l->replica, &placer)) {
		*why = placer;
		return RK_INVALID_REPLICATION_FACTOR;
	}
	for (int32_t i = 0; i < l->count; i++)
		if (!any_active(&g->brokers, l->replica + (size_t)i * (size_t)l->factor, l->factor)) {
			*why = TOLD(g->p, "Unable to replicate the partition %d time(s): All brokers are currently fenced or in "
			    "controlled shutdown.", l->factor);
			return RK_INVALID_REPLICATION_FACTOR;
		}
	return RK_OK;
}

static enum rk_err
grow(struct growing *g, const more *t, struct rk_str *why)
{
	struct kp_partition_record first;
	struct layout l = { 0 };
	struct rk_uuid id;
	int32_t have;

	*why = RK_STR_NULL;
	if (!meta_topic_id(g->p->view.txn, t->name, &id, &have))
		return RK_UNKNOWN_TOPIC_OR_PARTITION;
	if (t->count == have)
		return *why = TOLD(g->p, "Topic already has %d partition(s).", have), RK_INVALID_PARTITIONS;
	if (t->count < have)
		return *why = TOLD(g->p, "The topic %.*s currently has %d partition(s); %d would not be an increase.",
		    (int)t->name.len, t->name.at, have, t->count), RK_INVALID_PARTITIONS;
	l.count = t->count - have;
	if (t->assignments.len >= 0 && t->assignments.len != l.count)
		return *why = TOLD(g->p, "Attempted to add %d additional partition(s), but only %d assignment(s) were specified.",
		    l.count, t->assignments.len), RK_INVALID_REPLICA_ASSIGNMENT;
	if ((int64_t)g->planned + l.count > META_RECORDS_MAX)
		return RK_UNKNOWN_SERVER_ERROR; /* Kafka's list of records is full then, and it says no more than that */
	if (!meta_partition(&g->p->view, id, 0, g->p->arena, &first))
		return RK_UNKNOWN_SERVER_ERROR;
	l.factor = first.replicas.len;
	enum rk_err err = t->assignments.len >= 0 ? grow_by_hand(g, t, have, &l, why) : grow_by_count(g, &l, why);
	if (err != RK_OK)
		return err;
	g->planned += (uint32_t)l.count;
	for (int32_t i = 0; i < l.count && !g->q->validate_only && !g->p->arena->over; i++)
		add_partition(g->p, &g->brokers, id, have + i, l.replica + (size_t)i * (size_t)l.factor, l.factor);
	return RK_OK;
}

void
meta_create_partitions(struct meta_plan *p, int16_t version, const struct kp_create_partitions_req *q,
    struct kp_create_partitions_res *res)
{
	struct growing g = { .p = p, .q = q };
	uint32_t n = (uint32_t)(q->topics.len > 0 ? q->topics.len : 0), *order = rk_arena_get(p->arena, n, sizeof *order);
	struct names names = { .name = rk_arena_get(p->arena, n, sizeof(struct rk_str)) };
	struct rk_str *pick = rk_arena_get(p->arena, n, sizeof *pick);
	uint32_t *from = rk_arena_get(p->arena, n, sizeof *from);

	(void)version;
	res->results.at = rk_arena_get(p->arena, n, sizeof *res->results.at);
	res->results.len = 0;
	if (order == NULL || names.name == NULL || pick == NULL || from == NULL || res->results.at == NULL)
		return;
	for (uint32_t i = 0; i < n; i++)
		names.name[i] = q->topics.at[i].name;
	if (!names_of(&names, p->arena, n))
		return;
	if (q->timeout_ms <= 0 && any_asked(&names)) {
		for (uint32_t i = 0; i < n; i++)
			res->results.at[res->results.len++] = (struct kp_create_partitions_res_results){ .name = names.name[i],
				.error_code = rk_err_wire(RK_REQUEST_TIMED_OUT), .error_message = RK_STR_NULL };
		return;
	}
	g.brokers = meta_candidates(p);
	for (int once = 0; once < 2; once++) { /* first the names that came twice, then the others */
		uint32_t k = 0;
		for (uint32_t i = 0; i < n; i++)
			if (once ? names.times[i] == 1 : names.times[i] > 1) {
				from[k] = i;
				pick[k++] = names.name[i];
			}
		meta_java_order(pick, k, order, p->arena);
		for (uint32_t i = 0; i < k; i++) {
			const more *t = &q->topics.at[from[order[i]]];
			struct kp_create_partitions_res_results *r = &res->results.at[res->results.len++];
			struct rk_str why = rk_lit(DUPLICATE_NAME);
			enum rk_err err = once ? grow(&g, t, &why) : RK_INVALID_REQUEST;
			r->name = t->name;
			r->error_code = rk_err_wire(err);
			r->error_message = err == RK_OK ? RK_STR_NULL : why;
		}
	}
}
