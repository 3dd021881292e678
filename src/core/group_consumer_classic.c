/* group_consumer_classic.c - between the protocols: classic members in a group of consumers, and groups that change.
 *
 * A member that comes with JoinGroup is a member like the others; what it hears is put into its protocol's words: its
 * epoch is its generation, a target that it is not at is a rebalance (it joins again and says what it still has), its
 * partitions are an assignment that nobody but the coordinator made. A group of classic consumers becomes one of these
 * when a member of the new protocol joins, and is a classic one again when only classic members are left; either way
 * if group.consumer.migration.policy allows it. */
#include "protocol/gen/consumer_protocol.h"
#include "protocol/gen/heartbeat.h"
#include "protocol/gen/join_group.h"
#include "protocol/gen/leave_group.h"
#include "protocol/gen/sync_group.h"
#include "src/config.h"
#include "src/core/group_consumer.h"
#include "base/mem.h"

typedef struct kp_consumer_protocol_subscription subscription_t;
typedef struct kp_consumer_group_member_metadata_value_classic_member_metadata classic_t;

enum { SUBSCRIPTION_MAX = 3, TURN_MAX = 256 << 20 };

/* --- the embedded protocol's bytes */
static int16_t
version_of(struct rk_str b)
{
	return b.len < 2 ? -1 : (int16_t)rk_get16(b.at);
}

static bool
read_subscription(struct rk_str b, struct rk_arena *a, subscription_t *s)
{
	int16_t v = version_of(b);

	kp_defaults(&kp_consumer_protocol_subscription_d, s);
	return v >= 0 && kp_read(&kp_consumer_protocol_subscription_d, (int16_t)rk_min(v, SUBSCRIPTION_MAX), b.at + 2,
	    (size_t)b.len - 2, a, s, NULL) == RK_OK;
}

static struct core_parts
owned_of(const struct core *c, const subscription_t *s, struct rk_arena *a)
{
	struct core_parts p;
	int64_t n = 0;

	for (int32_t i = 0; i < s->owned_partitions.len; i++)
		n += rk_max(s->owned_partitions.at[i].partitions.len, 0);
	p = core_parts_make((int32_t)n, a);
	for (int32_t i = 0; i < s->owned_partitions.len; i++) {
		const struct core_topic *t = core_topic_named((struct core *)(uintptr_t)c, s->owned_partitions.at[i].topic);
		if (t != NULL)
			core_parts_add_all(&p, t->id, s->owned_partitions.at[i].partitions.at, s->owned_partitions.at[i].partitions.len,
			    NULL);
	}
	core_parts_sort(&p);
	return p;
}

/* What SyncGroup hands out: version 0 to 3, topics by name. */
static struct rk_str
assignment_bytes(struct core *c, struct core_parts p, int16_t version, struct rk_arena *a)
{
	struct kp_consumer_protocol_assignment v = { .user_data = RK_STR_NULL };
	int32_t to;

	v.assigned_partitions.at = rk_arena_get(a, (size_t)core_parts_topics(p) + 1, sizeof *v.assigned_partitions.at);
	for (int32_t i = 0; v.assigned_partitions.at != NULL && i < p.count; i = to) {
		const struct core_topic *t = core_topic_of(c, p.at[i].topic);
		to = core_parts_run(p, i);
		if (t == NULL)
			continue;
		struct kp_consumer_protocol_assignment_assigned_partitions *o
		    = &v.assigned_partitions.at[v.assigned_partitions.len++];
		o->topic = t->name;
		o->partitions.at = core_parts_indexes(p, i, to, a);
		o->partitions.len = to - i;
	}
	version = (int16_t)rk_min(rk_max(version, 0), SUBSCRIPTION_MAX);
	return core_coord_bytes(version, &kp_consumer_protocol_assignment_d, version, &v, a);
}

static struct core_parts
assignment_parts(struct core *c, struct rk_str b, int32_t epoch, struct rk_arena *a)
{
	struct kp_consumer_protocol_assignment v;
	struct core_parts p = { NULL, 0 };
	int16_t version = version_of(b);
	int64_t n = 0;

	if (version < 0 || kp_read(&kp_consumer_protocol_assignment_d, (int16_t)rk_min(version, SUBSCRIPTION_MAX), b.at + 2,
	    (size_t)b.len - 2, a, &v, NULL) != RK_OK)
		return p;
	for (int32_t i = 0; i < v.assigned_partitions.len; i++)
		n += rk_max(v.assigned_partitions.at[i].partitions.len, 0);
	p = core_parts_make((int32_t)n, a);
	for (int32_t i = 0; i < v.assigned_partitions.len; i++) {
		const struct core_topic *t = core_topic_named(c, v.assigned_partitions.at[i].topic);
		for (int32_t k = 0; t != NULL && k < v.assigned_partitions.at[i].partitions.len; k++)
			core_parts_add(&p, t->id, v.assigned_partitions.at[i].partitions.at[k], epoch);
	}
	core_parts_sort(&p);
	return p;
}

/* --- a classic member's own */
static const classic_t *
classic_of(const core_consumer_says *s)
{
	return s->classic_member_metadata;
}

static struct rk_str
protocol_of(const core_consumer_says *s)
{
	const classic_t *c = classic_of(s);

	return c == NULL || c->supported_protocols.len <= 0 ? RK_STR_NULL : c->supported_protocols.at[0].name;
}

/* What it has for a protocol; null: it does not have that one. */
static struct rk_str
metadata_of(const core_consumer_says *s, struct rk_str protocol)
{
	const classic_t *c = classic_of(s);

	for (int32_t i = 0; i < c->supported_protocols.len; i++)
		if (rk_str_eq(c->supported_protocols.at[i].name, protocol))
			return c->supported_protocols.at[i].metadata;
	return RK_STR_NULL;
}

static void
count_protocols(struct core_known *k, const core_consumer_says *s)
{
	const classic_t *c = classic_of(s);

	core_known_speaker(k);
	for (int32_t i = 0; i < c->supported_protocols.len; i++)
		core_known_says(k, c->supported_protocols.at[i].name);
}

/* Is there a protocol that all classic members have? As Kafka, with what this one said before. */
static bool
fits(const struct core_consumers *k, const struct kp_join_group_req *q)
{
	struct core_known known = { 0 };
	int32_t members = 0;
	bool fit = false;

	if (!rk_str_is(q->protocol_type, "consumer") || q->protocols.len <= 0)
		return false;
	rk_list_each(&k->members, l) {
		const struct core_consumer *m = rk_of(l, struct core_consumer, link);
		if (!m->known || !core_consumer_classic(m))
			continue;
		count_protocols(&known, &m->says);
		members++;
	}
	for (int32_t i = 0; i < q->protocols.len && !fit; i++)
		fit = core_known_by(&known, q->protocols.at[i].name) == members;
	core_known_free(&known);
	return fit;
}

/* It is to do the next step (join, sync) in the time its rebalances may take; a time that runs goes on. */
static void
hurry(struct core_consumer *m, bool anew)
{
	if (!anew && m->slow.place != 0)
		return;
	core_consumer_hurry(m);
}

/* --- JoinGroup */
static bool
refused(struct kp_join_group_res *res, enum rk_err err, struct rk_str member)
{
	res->error_code = rk_err_wire(err);
	res->generation_id = -1;
	res->member_id = member.len < 0 ? rk_lit("") : member;
	return false;
}

static void
joined(struct core_write *w, enum rk_err err)
{
	struct core_group_asker *a = rk_of(w, struct core_group_asker, put);

	if (err != RK_OK)
		refused(a->res, err, ((struct kp_join_group_res *)a->res)->member_id);
	core_group_answer(a);
}

static enum rk_err
introduce(struct core_turn *t, const struct kp_join_group_req *q, struct rk_str id)
{
	bool named = q->member_id.len > 0;
	struct core_consumer *m = q->group_instance_id.len >= 0 ? core_consumer_static(t->k, q->group_instance_id)
								: core_consumer_get(t->k, id);

	if (q->group_instance_id.len >= 0 && named && m == NULL)
		return RK_UNKNOWN_MEMBER_ID;
	if (q->group_instance_id.len >= 0 && named && !rk_str_eq(m->id, id))
		return RK_FENCED_INSTANCE_ID;
	if (m == NULL || !m->known) {
		t->id = id;
		t->says = (core_consumer_says){ .instance_id = q->group_instance_id, .rack_id = RK_STR_NULL,
			.subscribed_topic_regex = rk_lit(""), .server_assignor = RK_STR_NULL };
	} else if (q->group_instance_id.len >= 0 && !named) {
		core_turn_replace(t, m, id);
	} else {
		core_turn_member(t, m);
	}
	return RK_OK;
}

static bool
hear(struct core_turn *t, const struct core_group_asker *a, const struct kp_join_group_req *q, subscription_t *sub)
{
	classic_t *c = rk_arena_get(t->arena, 1, sizeof *c);
	core_consumer_says *s = &t->says;

	if (c == NULL || !read_subscription(q->protocols.at[0].metadata, t->arena, sub))
		return false;
	c->session_timeout_ms = q->session_timeout_ms;
	c->supported_protocols.at = rk_arena_get(t->arena, (size_t)q->protocols.len, sizeof *c->supported_protocols.at);
	for (int32_t i = 0; c->supported_protocols.at != NULL && i < q->protocols.len; i++) {
		c->supported_protocols.at[i].name = q->protocols.at[i].name;
		c->supported_protocols.at[i].metadata = q->protocols.at[i].metadata;
	}
	c->supported_protocols.len = q->protocols.len;
	s->classic_member_metadata = c;
	if (sub->rack_id.len >= 0)
		s->rack_id = sub->rack_id;
	s->rebalance_timeout_ms = a->version >= 1 && q->rebalance_timeout_ms >= 0 ? q->rebalance_timeout_ms
										  : q->session_timeout_ms;
	s->client_id = a->client_id.len < 0 ? rk_lit("") : a->client_id;
	s->client_host = a->client_host;
	s->server_assignor = RK_STR_NULL;
	s->subscribed_topic_regex = rk_lit("");
	core_consumer_names_set(s, sub->topics.at, sub->topics.len, t->arena);
	return true;
}

static struct rk_str
new_id(const struct core_group *g, struct rk_arena *a)
{
	struct rk_uuid u = rk_env_uuid(g->home->core->env);
	char text[RK_UUID_TEXT];

	return rk_arena_print(a, "%s", rk_uuid_text(u, text));
}

static bool
finish_join(struct core_turn *t, struct core_group_asker *a, const struct kp_join_group_req *q,
    struct kp_join_group_res *res)
{
	struct core_group *g = t->group;

	res->error_code = 0;
	res->generation_id = t->at.epoch;
	res->protocol_type = rk_lit("consumer");
	res->protocol_name = rk_arena_str(a->arena, q->protocols.at[0].name);
	res->leader = rk_lit("");
	res->member_id = rk_arena_str(a->arena, t->id);
	a->put.done = joined;
	enum rk_err err = core_turn_write(t, &a->put);
	if (err != RK_OK)
		return refused(res, err, q->member_id);
	struct core_consumer *m = core_consumer_get(g->consumers, t->id);
	rk_assert(m != NULL && m->known);
	core_consumer_alive(m);
	hurry(m, true); /* its sync is next */
	return true;
}

/* Everybody has what the group's epoch gives: as a classic generation it needs no rebalance. */
static bool
at_rest(const struct core_turn *t)
{
	rk_list_each(&t->k->members, l) {
		const struct core_consumer *m = rk_of(l, struct core_consumer, link);
		if (m != t->gone && (m->at.epoch != t->epoch || m->at.state != CORE_CONSUMER_STABLE))
			return false;
	}
	return !t->changed && t->target_epoch == t->epoch;
}

/* It takes the place of the last one of the consumer protocol: the group is a classic one at once. Its generation
 * stands when everybody has what it gives. */
static bool
downgrade_join(struct core_turn *t, struct core_group_asker *a, struct kp_join_group_res *res, bool *waits)
{
	struct core_groups *home = t->group->home;
	struct rk_str name = rk_arena_str(a->arena, t->group->name); /* the group is made anew */
	bool rests = at_rest(t);

	if (t->gone == NULL || core_consumer_classic(t->gone) || !core_consumer_downgrade(t, &t->gone, 1, rests))
		return false;
	res->generation_id = t->epoch;
	res->protocol_type = rk_lit("consumer");
	res->member_id = rk_arena_str(a->arena, t->id);
	res->leader = rk_lit("");
	a->put.done = joined;
	enum rk_err err = core_turn_write(t, &a->put);
	*waits = err == RK_OK;
	if (err != RK_OK) {
		refused(res, err, rk_lit(""));
		return true;
	}
	core_consumer_downgraded(home, name, rests);
	res->protocol_name = rk_arena_str(a->arena, core_group_get(home, name)->protocol);
	return true;
}

bool
core_consumer_join(struct core_group *g, struct core_group_asker *a, const struct kp_join_group_req *q,
    struct kp_join_group_res *res)
{
	struct core_consumers *k = g->consumers;
	struct core_parts owned;
	subscription_t sub;
	struct core_turn t;
	bool waits;

	if (k->count >= g->home->core->conf->group_consumer_max_size && core_consumer_get(k, q->member_id) == NULL
	    && core_consumer_static(k, q->group_instance_id) == NULL)
		return refused(res, RK_GROUP_MAX_SIZE_REACHED, rk_lit(""));
	if (!fits(k, q))
		return refused(res, RK_INCONSISTENT_GROUP_PROTOCOL, rk_lit(""));
	struct rk_str id = q->member_id.len > 0 ? q->member_id : new_id(g, a->arena);
	if (q->member_id.len <= 0 && q->group_instance_id.len < 0 && a->version >= 4) /* KIP-394 */
		return refused(res, RK_MEMBER_ID_REQUIRED, id);
	core_turn_begin(&t, g, a->arena);
	enum rk_err err = introduce(&t, q, id);
	if (err == RK_OK && !hear(&t, a, q, &sub))
		err = RK_INCONSISTENT_GROUP_PROTOCOL;
	if (err != RK_OK)
		return refused(res, err, rk_lit(""));
	owned = owned_of(g->home->core, &sub, a->arena);
	core_turn_subscribe(&t);
	if (downgrade_join(&t, a, res, &waits))
		return waits;
	core_turn_refresh(&t);
	core_turn_epoch(&t);
	core_turn_target(&t);
	core_turn_reconcile(&t, &owned);
	return finish_join(&t, a, q, res);
}

/* --- SyncGroup, Heartbeat */
static enum rk_err
who(const struct core_consumers *k, struct rk_str id, struct rk_str instance, struct core_consumer **m)
{
	*m = instance.len >= 0 ? core_consumer_static(k, instance) : core_consumer_get(k, id);
	if (*m == NULL || !(*m)->known)
		return RK_UNKNOWN_MEMBER_ID;
	if (instance.len >= 0 && !rk_str_eq((*m)->id, id))
		return RK_FENCED_INSTANCE_ID;
	return core_consumer_classic(*m) ? RK_OK : RK_UNKNOWN_MEMBER_ID;
}

static void
settled(struct core_write *w, enum rk_err err)
{
	struct core_group_asker *a = rk_of(w, struct core_group_asker, put);

	if (err != RK_OK)
		*a->code = rk_err_wire(err);
	core_group_answer(a);
}

bool
core_consumer_sync(struct core_group *g, struct core_group_asker *a, const struct kp_sync_group_req *q,
    struct kp_sync_group_res *res)
{
	struct core_consumer *m;
	enum rk_err err = who(g->consumers, q->member_id, q->group_instance_id, &m);

	if (err == RK_OK && m->at.epoch != q->generation_id)
		err = RK_ILLEGAL_GENERATION;
	if (err == RK_OK && ((q->protocol_type.len >= 0 && !rk_str_is(q->protocol_type, "consumer"))
	    || (q->protocol_name.len >= 0 && !rk_str_eq(q->protocol_name, protocol_of(&m->says)))))
		err = RK_INCONSISTENT_GROUP_PROTOCOL;
	if (err == RK_OK && m->at.epoch < g->consumers->target_epoch && m->at.state != CORE_CONSUMER_UNREVOKED) {
		hurry(m, false);
		err = RK_REBALANCE_IN_PROGRESS;
	}
	res->error_code = rk_err_wire(err);
	if (err != RK_OK)
		return false;
	rk_timer_stop(core_group_timers(g), &m->slow);
	core_consumer_alive(m);
	res->protocol_type = rk_lit("consumer");
	res->protocol_name = rk_arena_str(a->arena, protocol_of(&m->says));
	res->assignment = assignment_bytes(g->home->core, m->at.has,
	    version_of(classic_of(&m->says)->supported_protocols.at[0].metadata), a->arena);
	a->code = &res->error_code;
	a->put.done = settled;
	return core_shard_settle(g->home->shard, &a->put);
}

/* It waits for others to give back what is to be its own: to join again would bring nothing yet. */
static bool
waits(const struct core_consumer *m)
{
	for (int32_t i = 0; i < m->target.count; i++)
		if (core_parts_find(&m->at.has, m->target.at[i].topic, m->target.at[i].index) == NULL
		    && core_consumer_owner(m->group->consumers, m->target.at[i].topic, m->target.at[i].index) != NULL)
			return true;
	return false;
}

bool
core_consumer_classic_heartbeat(struct core_group *g, const struct kp_heartbeat_req *q, struct kp_heartbeat_res *res)
{
	struct core_consumer *m;
	enum rk_err err = who(g->consumers, q->member_id, q->group_instance_id, &m);

	if (err == RK_OK && m->at.epoch != q->generation_id)
		err = RK_ILLEGAL_GENERATION;
	if (err == RK_OK) {
		core_consumer_alive(m);
		if (m->at.epoch < g->consumers->target_epoch || m->at.state == CORE_CONSUMER_UNREVOKED
		    || (m->at.state == CORE_CONSUMER_UNRELEASED && !waits(m))) {
			hurry(m, false);
			err = RK_REBALANCE_IN_PROGRESS;
		}
	}
	res->error_code = rk_err_wire(err);
	return false;
}

/* --- LeaveGroup */
static enum rk_err
leaver(const struct core_consumers *k, struct rk_str id, struct rk_str instance, struct core_consumer **m)
{
	*m = instance.len >= 0 ? core_consumer_static(k, instance) : core_consumer_get(k, id);
	if (*m == NULL || !(*m)->known)
		return RK_UNKNOWN_MEMBER_ID;
	return instance.len >= 0 && id.len > 0 && !rk_str_eq((*m)->id, id) ? RK_FENCED_INSTANCE_ID : RK_OK;
}

bool
core_consumer_classic_leave(struct core_group *g, struct core_group_asker *a, const struct kp_leave_group_req *q,
    struct kp_leave_group_res *res)
{
	int32_t n = a->version < 3 ? 1 : rk_max(q->members.len, 0), count = 0;
	struct core_consumer **gone = rk_arena_get(a->arena, (size_t)n + 1, sizeof(struct core_consumer *));

	if (a->version >= 3)
		res->members.at = rk_arena_get(a->arena, (size_t)n + 1, sizeof *res->members.at);
	if (gone == NULL || (a->version >= 3 && res->members.at == NULL)) {
		res->error_code = rk_err_wire(RK_UNKNOWN_SERVER_ERROR);
		return false;
	}
	for (int32_t i = 0; i < n; i++) {
		struct rk_str id = a->version < 3 ? q->member_id : q->members.at[i].member_id;
		struct rk_str instance = a->version < 3 ? RK_STR_NULL : q->members.at[i].group_instance_id;
		enum rk_err err = leaver(g->consumers, id, instance, &gone[count]);
		for (int32_t k = 0; err == RK_OK && k < count; k++)
			if (gone[k] == gone[count])
				err = RK_UNKNOWN_MEMBER_ID;
		count += err == RK_OK;
		if (a->version < 3) {
			res->error_code = rk_err_wire(err);
			continue;
		}
		res->members.at[i].member_id = id;
		res->members.at[i].group_instance_id = instance;
		res->members.at[i].error_code = rk_err_wire(err);
		res->members.len = i + 1;
	}
	if (count == 0)
		return false;
	a->code = &res->error_code;
	a->put.done = settled;
	enum rk_err err = core_consumer_remove(g, gone, count, &a->put);
	if (err != RK_OK)
		res->error_code = rk_err_wire(err);
	return err == RK_OK;
}

/* --- a classic group becomes one of consumers */
static bool
policy_has(const struct core_group *g, const char *way)
{
	const char *is = g->home->core->conf->group_consumer_migration_policy;

	return is != NULL && (strcasecmp(is, way) == 0 || strcasecmp(is, "bidirectional") == 0);
}

static enum rk_err
may_upgrade(const struct core_group *g, struct rk_arena *a, struct rk_str *why)
{
	const char *because = NULL;

	if (!policy_has(g, "upgrade"))
		because = "the online upgrade is disabled";
	else if (!rk_str_is(g->protocol_type, "consumer"))
		because = "the group does not use the consumer embedded protocol";
	else if (g->count > g->home->core->conf->group_consumer_max_size)
		because = "the group exceeds the consumer group maximum size";
	if (because == NULL)
		return RK_OK;
	*why = rk_arena_print(a, "Cannot upgrade classic group %.*s to consumer group because %s.", g->name.len, g->name.at,
	    because);
	return RK_GROUP_ID_NOT_FOUND;
}

/* What a classic member has told, as a record of this kind; false: it cannot be read. */
static bool
translate(const struct core_group *g, const struct core_group_member *m, struct rk_arena *a, core_consumer_says *s)
{
	struct rk_str bytes = g->protocol.len >= 0 ? core_group_metadata(g, m) : RK_STR_NULL;
	classic_t *c = rk_arena_get(a, 1, sizeof *c);
	subscription_t sub;

	if (bytes.len <= 0 && m->protocols > 0)
		bytes = m->protocol[0].metadata;
	if (c == NULL || bytes.len <= 0 || !read_subscription(bytes, a, &sub))
		return false;
	c->session_timeout_ms = m->session_ms;
	c->supported_protocols.len = m->protocols;
	c->supported_protocols.at = rk_arena_get(a, (size_t)m->protocols + 1, sizeof *c->supported_protocols.at);
	for (int32_t i = 0; c->supported_protocols.at != NULL && i < m->protocols; i++) {
		c->supported_protocols.at[i].name = m->protocol[i].name;
		c->supported_protocols.at[i].metadata = m->protocol[i].metadata;
	}
	*s = (core_consumer_says){ .instance_id = m->instance, .rack_id = sub.rack_id, .client_id = m->client_id,
		.client_host = m->client_host, .subscribed_topic_regex = rk_lit(""), .rebalance_timeout_ms = m->rebalance_ms,
		.server_assignor = RK_STR_NULL, .classic_member_metadata = c };
	core_consumer_names_set(s, sub.topics.at, sub.topics.len, a);
	return true;
}

/* What the members have is all there is: the target of such a group can be what its members have. A
 * static member that comes back as a consumer would not make another one, and with Kafka what nobody had at that moment
 * (in a rebalance, or added since) is nobody's until the next change. */
static bool
dealt_out(struct core_turn *t, int64_t partitions)
{
	struct core_group *g = t->group;
	int64_t n = 0;

	rk_list_each(&g->members, l) {
		const struct core_group_member *m = rk_of(l, struct core_group_member, link);
		n += assignment_parts(g->home->core, m->assignment, g->generation, t->arena).count;
	}
	return n == partitions;
}

/* Kafka's order: all of one kind, then all of the next. */
static bool
translate_all(struct core_turn *t)
{
	struct core_group *g = t->group;
	struct core_consumer_at at = { g->generation, g->generation, CORE_CONSUMER_STABLE, { NULL, 0 }, { NULL, 0 } };

	core_consumer_says *s = rk_arena_get(t->arena, (size_t)g->count, sizeof *s);
	const core_consumer_says **all = rk_arena_get(t->arena, (size_t)g->count, sizeof(const core_consumer_says *));
	int32_t n = 0;

	rk_assert(g->count > 0);
	if (s == NULL || all == NULL)
		return true; /* the arena is over: it is not written */
	core_turn_put(t, core_group_tombstone(g, t->arena));
	rk_list_each(&g->members, l) {
		const struct core_group_member *m = rk_of(l, struct core_group_member, link);
		if (!translate(g, m, t->arena, &s[n]))
			return false;
		core_turn_put(t, core_consumer_member_record(g, m->id, &s[n], t->arena));
		all[n] = &s[n];
		n++;
	}
	int64_t partitions, hash = core_turn_hash(t, all, n, &partitions);
	if (g->state != CORE_GROUP_STABLE)
		hash = 0; /* of no topics: whoever takes the next turn makes a new epoch and target */
	t->bump = !dealt_out(t, partitions);
	core_turn_put(t, core_consumer_epoch_record(g, g->generation, hash, t->arena));
	for (int step = 0; step < 2; step++) {
		rk_list_each(&g->members, l) {
			const struct core_group_member *m = rk_of(l, struct core_group_member, link);
			at.has = assignment_parts(g->home->core, m->assignment, g->generation, t->arena);
			core_turn_put(t, step == 0 ? core_consumer_target_record(g, m->id, &at.has, t->arena)
						   : core_consumer_at_record(g, m->id, &at, t->arena));
		}
		if (step == 0)
			core_turn_put(t, core_consumer_target_epoch_record(g, g->generation, 0, t->arena));
	}
	return true;
}

/* The group is one of consumers now: the classic side of it is over. Its members join again when they hear of it. */
static void
end_classic(struct core_group *g)
{
	rk_timer_stop(core_group_timers(g), &g->timer);
	while (g->pendings > 0)
		core_group_drop_pending(rk_of(g->pending.next, struct core_group_pending, link));
	while (g->count > 0) {
		struct core_group_member *m = rk_of(g->members.next, struct core_group_member, link);
		core_group_refuse_join(m, RK_REBALANCE_IN_PROGRESS);
		core_group_refuse_sync(m, RK_REBALANCE_IN_PROGRESS);
		core_group_remove(m);
	}
	core_group_set(&g->protocol, RK_STR_NULL);
	core_group_set(&g->protocol_type, RK_STR_NULL);
	g->leader = NULL;
	g->state = CORE_GROUP_EMPTY;
	g->generation = 0;
	g->first_wait = false;
}

enum rk_err
core_consumer_upgrade(struct core_turn *t, struct rk_str *why)
{
	struct core_group *g = t->group;
	struct core_groups *home = g->home;
	enum rk_err err = g->count == 0 ? RK_OK : may_upgrade(g, t->arena, why);

	if (err != RK_OK)
		return err;
	if (g->count == 0) { /* nobody is in it: what is left of it goes with the first record of the other kind */
		if (g->kind == CORE_GROUP_CLASSIC || g->offsets.count > 0)
			core_turn_put(t, core_group_tombstone(g, t->arena));
		end_classic(g);
		return RK_OK;
	}
	if (!translate_all(t)) {
		*why = rk_arena_print(t->arena, "Cannot upgrade classic group %.*s to consumer group because the embedded consumer "
		    "protocol is malformed.", g->name.len, g->name.at);
		return RK_GROUP_ID_NOT_FOUND;
	}
	home->own = true; /* the classic members stay until it is written */
	err = core_turn_write(t, NULL);
	home->own = false;
	if (err != RK_OK)
		return err;
	rk_say(RK_INFO, "Group %.*s is one of the consumer protocol now: its %d classic members go on in it.", g->name.len,
	    g->name.at, g->count);
	end_classic(g);
	core_consumers_start(g);
	bool bump = t->bump;
	core_turn_begin(t, g, t->arena);
	t->bump = bump;
	return RK_OK;
}

/* --- and back */
static bool
leaves(const struct core_consumer *m, struct core_consumer *const *gone, int32_t count)
{
	for (int32_t i = 0; i < count; i++)
		if (gone[i] == m)
			return true;
	return false;
}

struct stayer { /* a member of the classic group that comes out of it */
	struct rk_str id;
	const core_consumer_says *says;
	struct core_parts target, has; /* has: what is its own, and what it is to give back and may still use */
};

/* Those without gone, and the one that the turn is about; 0: there is nobody, or one of the consumer protocol. */
static int32_t
stayers(struct core_turn *t, struct core_consumer *const *gone, int32_t count, struct stayer **s)
{
	int32_t n = 0;

	*s = rk_arena_get(t->arena, (size_t)t->k->count + 1, sizeof **s);
	if (*s == NULL)
		return 0;
	rk_list_each(&t->k->members, l) {
		const struct core_consumer *m = rk_of(l, struct core_consumer, link);
		if (leaves(m, gone, count))
			continue;
		if (!m->known || !core_consumer_classic(m))
			return 0;
		(*s)[n++] = (struct stayer){ m->id, &m->says, m->target, core_parts_sum(m->at.has, m->at.leaves, t->arena) };
	}
	if (t->id.len >= 0)
		(*s)[n++] = (struct stayer){ t->id, &t->says, t->target, core_parts_sum(t->at.has, t->at.leaves, t->arena) };
	return n;
}

/* The protocol that all have: the first such of the first. */
static struct rk_str
common_protocol(const struct stayer *s, int32_t n)
{
	const classic_t *first = classic_of(s[0].says);
	struct rk_str common = RK_STR_NULL;
	struct core_known known = { 0 };

	rk_assert(n > 0);
	for (int32_t k = 0; k < n; k++)
		count_protocols(&known, s[k].says);
	for (int32_t i = 0; i < first->supported_protocols.len && common.len < 0; i++)
		if (core_known_by(&known, first->supported_protocols.at[i].name) == n)
			common = first->supported_protocols.at[i].name;
	core_known_free(&known);
	return common;
}

/* Kafka's record tells each member's target and a leader, and its rebalance is forgotten when the coordinator fails
 * over: then two may have one partition. Here a group that needs a rebalance has no leader, so that whoever loads it
 * begins one (group.c), and each of its members has what it had. At rest nobody has anything of another's target. */
static struct kp_pair
classic_record(struct core_turn *t, const struct stayer *s, int32_t n, bool rests)
{
	struct core_group *g = t->group;
	struct kp_group_metadata_value v;

	kp_defaults(&kp_group_metadata_value_d, &v);
	v.protocol_type = rk_lit("consumer");
	v.generation = t->epoch;
	v.protocol = common_protocol(s, n);
	v.leader = rests ? s[0].id : RK_STR_NULL;
	v.current_state_timestamp = rk_wall(g->home->core->env);
	v.members.at = rk_arena_get(t->arena, (size_t)n, sizeof *v.members.at);
	for (int32_t i = 0; v.members.at != NULL && i < n; i++) {
		struct rk_str bytes = metadata_of(s[i].says, v.protocol);
		bytes = bytes.len >= 0 ? bytes : rk_lit("");
		v.members.at[v.members.len++] = (struct kp_group_metadata_value_members){ s[i].id, s[i].says->instance_id,
			s[i].says->client_id, s[i].says->client_host, s[i].says->rebalance_timeout_ms,
			classic_of(s[i].says)->session_timeout_ms, bytes,
			assignment_bytes(g->home->core, rests ? s[i].target : s[i].has, version_of(bytes), t->arena) };
	}
	return core_group_record_of(g->name, &v, t->arena);
}

bool
core_consumer_downgrade(struct core_turn *t, struct core_consumer *const *gone, int32_t count, bool rests)
{
	struct core_group *g = t->group;
	struct kp_pair r[3];
	struct stayer *s;
	int32_t n = policy_has(g, "downgrade") ? stayers(t, gone, count, &s) : 0;

	if (n == 0 || n > g->home->core->conf->group_max_size)
		return false;
	for (int kind = 0; kind < 3; kind++) {
		if (kind == 2)
			core_turn_put(t, core_consumer_target_epoch_record(g, -1, 0, t->arena));
		rk_list_each(&g->consumers->members, l) {
			core_consumer_tombstones(g, rk_of(l, struct core_consumer, link)->id, r, t->arena);
			core_turn_put(t, r[kind]);
		}
		if (t->id.len >= 0) {
			core_consumer_tombstones(g, t->id, r, t->arena);
			core_turn_put(t, r[kind]);
		}
	}
	rk_list_each(&g->consumers->patterns, l)
		core_turn_put(t, core_consumer_pattern_record(g, rk_of(l, struct core_pattern, link)->text, NULL, -1, 0, t->arena));
	core_consumers_tombstones(g, r, t->arena);
	core_turn_put(t, r[1]);
	core_turn_put(t, r[2]);
	core_turn_put(t, classic_record(t, s, n, rests));
	t->downgrades = true;
	return true;
}

void
core_consumer_downgraded(struct core_groups *home, struct rk_str name, bool rests)
{
	struct core_group *g = core_group_get(home, name);

	rk_assert(g != NULL && g->kind == CORE_GROUP_CLASSIC && g->consumers == NULL && g->count > 0);
	rk_say(RK_INFO, "Group %.*s has classic members alone and is a classic group now.", name.len, name.at);
	core_group_start_sessions(g);
	if (!rests)
		core_group_prepare(g);
}
