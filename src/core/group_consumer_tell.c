/* group_consumer_tell.c - what others ask of a group of consumers: may offsets be committed, who is in it, in which
 * state. */
#include "protocol/gen/consumer_group_describe.h"
#include "src/config.h"
#include "src/core/group_consumer.h"

typedef struct kp_consumer_group_describe_res_groups group_out;
typedef struct kp_consumer_group_describe_res_groups_members member_out;

static struct core_consumer *
known(const struct core_group *g, struct rk_str id)
{
	struct core_consumer *m = core_consumer_get(g->consumers, id.len < 0 ? rk_lit("") : id);

	rk_assert(g->kind == CORE_GROUP_CONSUMER);
	return m != NULL && m->known ? m : NULL;
}

/* --- offsets */
enum rk_err
core_consumer_may_commit(const struct core_group *g, struct rk_str id, int32_t epoch, int16_t version, bool in_txn)
{
	const struct core_consumer *m = known(g, id);

	if (epoch < 0 && (g->consumers->count == 0 || (in_txn && id.len <= 0)))
		return RK_OK;
	if (m == NULL)
		return RK_UNKNOWN_MEMBER_ID;
	if (core_consumer_classic(m))
		return epoch == m->at.epoch ? RK_OK : RK_ILLEGAL_GENERATION;
	if (version < 9 && !in_txn)
		return RK_UNSUPPORTED_VERSION;
	return epoch > m->at.epoch ? RK_STALE_MEMBER_EPOCH : RK_OK;
}

enum rk_err
core_consumer_may_commit_part(const struct core_group *g, struct rk_str id, int32_t epoch, struct rk_uuid topic,
    int32_t index)
{
	const struct core_consumer *m = known(g, id);

	if (m == NULL || core_consumer_classic(m) || epoch == m->at.epoch)
		return RK_OK;
	const struct core_part *p = core_parts_find(&m->at.has, topic, index);
	if (p == NULL)
		p = core_parts_find(&m->at.leaves, topic, index);
	return p != NULL && epoch >= p->epoch ? RK_OK : RK_STALE_MEMBER_EPOCH;
}

enum rk_err
core_consumer_may_fetch(const struct core_group *g, struct rk_str id, int32_t epoch)
{
	const struct core_consumer *m;

	if (id.len < 0)
		return epoch < 0 ? RK_OK : RK_UNKNOWN_SERVER_ERROR;
	m = known(g, id);
	if (m == NULL)
		return RK_UNKNOWN_MEMBER_ID;
	if (core_consumer_classic(m))
		return epoch == m->at.epoch ? RK_OK : RK_ILLEGAL_GENERATION;
	return epoch == m->at.epoch ? RK_OK : RK_STALE_MEMBER_EPOCH;
}

bool
core_consumer_subscribed(const struct core_group *g, struct rk_str topic)
{
	const struct core_consumers *k = g->consumers;

	if (k == NULL || k->count == 0)
		return false;
	if (core_consumer_named(k, topic))
		return true;
	rk_list_each(&k->patterns, l) {
		const struct core_pattern *p = rk_of(l, struct core_pattern, link);
		for (int32_t i = 0; p->users > 0 && i < p->topics; i++)
			if (rk_str_eq(p->topic[i], topic))
				return true;
	}
	return false;
}

/* --- ConsumerGroupDescribe. Both lists of a member look alike. */
#define FILL(list, p)                                                                                                \
	do {                                                                                                             \
		int32_t to_;                                                                                                 \
		(list).at = rk_arena_get(a, (size_t)core_parts_topics(p) + 1, sizeof *(list).at);                            \
		for (int32_t i = 0; (list).at != NULL && i < (p).count; i = to_) {                                           \
			const struct core_topic *topic_ = core_topic_of(c, (p).at[i].topic);                                     \
			to_ = core_parts_run(p, i);                                                                              \
			if (topic_ == NULL)                                                                                      \
				continue;                                                                                            \
			(list).at[(list).len].topic_id = topic_->id;                                                             \
			(list).at[(list).len].topic_name = rk_arena_str(a, topic_->name);                                        \
			(list).at[(list).len].partitions.at = core_parts_indexes(p, i, to_, a);                                  \
			(list).at[(list).len++].partitions.len = to_ - i;                                                        \
		}                                                                                                            \
	} while (0)

static void
fill_member(struct core *c, const struct core_consumer *m, member_out *o, struct rk_arena *a)
{
	struct core_parts has = core_parts_sum(m->at.has, m->at.leaves, a), target = m->target;

	o->member_id = rk_arena_str(a, m->id);
	o->instance_id = rk_arena_str(a, m->says.instance_id);
	o->rack_id = rk_arena_str(a, m->says.rack_id);
	o->member_epoch = m->at.epoch;
	o->client_id = rk_arena_str(a, m->says.client_id);
	o->client_host = rk_arena_str(a, m->says.client_host);
	o->subscribed_topic_names.at
	    = rk_arena_get(a, (size_t)rk_max(m->says.subscribed_topic_names.len, 0) + 1, sizeof(struct rk_str));
	for (int32_t i = 0; o->subscribed_topic_names.at != NULL && i < m->says.subscribed_topic_names.len; i++)
		o->subscribed_topic_names.at[o->subscribed_topic_names.len++]
		    = rk_arena_str(a, m->says.subscribed_topic_names.at[i]);
	o->subscribed_topic_regex = m->says.subscribed_topic_regex.len <= 0 ? rk_lit("")
									    : rk_arena_str(a, m->says.subscribed_topic_regex);
	FILL(o->assignment.topic_partitions, has);
	FILL(o->target_assignment.topic_partitions, target);
	o->member_type = core_consumer_classic(m) ? 0 : 1;
}

static void
told(struct core_write *w, enum rk_err err)
{
	struct core_group_asker *a = rk_of(w, struct core_group_asker, put);
	group_out *o = a->res;
	struct rk_str name = o->group_id;

	if (err != RK_OK) {
		*o = (group_out){ .error_message = RK_STR_NULL, .authorized_operations = INT32_MIN };
		o->group_id = name;
		o->group_state = o->assignor_name = rk_lit("");
		o->error_code = rk_err_wire(err);
	}
	core_group_answer(a);
}

bool
core_consumer_describe(struct core_shard *s, struct core_group_asker *ask, struct rk_str name, group_out *o)
{
	struct core_groups *home = core_shard_state(s);
	struct core_group *g = core_group_get(home, name);
	struct rk_arena *a = ask->arena;

	ask->res = o;
	ask->member = NULL;
	ask->put.done = told;
	if (g == NULL || g->kind != CORE_GROUP_CONSUMER) {
		o->error_code = rk_err_wire(RK_GROUP_ID_NOT_FOUND);
		o->error_message = rk_arena_print(a, "Group %.*s %s.", name.len, name.at, g == NULL ? "not found"
		    : "is not a consumer group");
		o->authorized_operations = INT32_MIN;
		return false;
	}
	struct core_consumers *k = g->consumers;
	o->group_state = rk_str_of(core_consumers_state(g));
	o->group_epoch = k->epoch;
	o->assignment_epoch = k->target_epoch;
	o->assignor_name = rk_arena_str(a, core_consumer_assignor(NULL, k));
	o->members.at = rk_arena_get(a, (size_t)k->count + 1, sizeof *o->members.at);
	if (o->members.at != NULL)
		rk_list_each(&k->members, l)
			if (rk_of(l, struct core_consumer, link)->known)
				fill_member(home->core, rk_of(l, struct core_consumer, link), &o->members.at[o->members.len++], a);
	return core_shard_settle(s, &ask->put);
}
