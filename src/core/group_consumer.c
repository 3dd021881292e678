/* group_consumer.c - ConsumerGroupHeartbeat: members come, tell, hear, go; and those who are silent.
 *
 * One request is one turn (group_consumer_turn.c): what the member says, the group's epoch, its target, the member's
 * step. The answer leaves when the records of it, and all that it tells of, are committed. */
#include "protocol/gen/consumer_group_heartbeat.h"
#include "src/config.h"
#include "src/core/group_consumer.h"
#include "base/mem.h"

typedef struct kp_consumer_group_heartbeat_req req_t;
typedef struct kp_consumer_group_heartbeat_res res_t;

enum { TURN_MAX = 256 << 20, AGAIN_MS = 1000 };

/* --- timers */
static void slow_over(struct rk_timer *, int64_t);

/* They go without being asked: what they had is the others'. */
static void
expire(struct core_consumer *m, struct rk_timer *t, int64_t now_ms)
{
	if (core_consumer_remove(m->group, (struct core_consumer *const[]){ m }, 1, NULL) == RK_OK)
		return;
	rk_timer_set(core_group_timers(m->group), t, now_ms + AGAIN_MS); /* it could not be written: it stays a while */
}

static void
session_over(struct rk_timer *t, int64_t now_ms)
{
	struct core_consumer *m = rk_of(t, struct core_consumer, session);

	rk_say(RK_INFO, "Member %.*s of group %.*s was silent for its session's time and is removed.", m->id.len, m->id.at,
	    m->group->name.len, m->group->name.at);
	expire(m, t, now_ms);
}

static void
slow_over(struct rk_timer *t, int64_t now_ms)
{
	struct core_consumer *m = rk_of(t, struct core_consumer, slow);

	rk_say(RK_INFO, "Member %.*s of group %.*s did not do what the rebalance asks of it in %d ms and is removed.",
	    m->id.len, m->id.at, m->group->name.len, m->group->name.at, m->says.rebalance_timeout_ms);
	expire(m, t, now_ms);
}

void
core_consumer_alive(struct core_consumer *m)
{
	struct core_group_times times = core_group_times(m->group->home->core, m->group->name);
	int32_t ms = core_consumer_classic(m) ? m->says.classic_member_metadata->session_timeout_ms : times.session_ms;

	m->session.fire = session_over;
	rk_timer_set(core_group_timers(m->group), &m->session, rk_now(m->group->home->core->env) + rk_max(ms, 1));
}

void
core_consumer_hurry(struct core_consumer *m)
{
	m->slow.fire = slow_over;
	rk_timer_set(core_group_timers(m->group), &m->slow,
	    rk_now(m->group->home->core->env) + rk_max(m->says.rebalance_timeout_ms, 1));
}

void
core_consumer_watch(struct core_consumer *m)
{
	if (m->at.state == CORE_CONSUMER_UNREVOKED)
		core_consumer_hurry(m);
	else
		rk_timer_stop(core_group_timers(m->group), &m->slow);
}

void
core_consumers_start(struct core_group *g)
{
	if (g->consumers == NULL)
		return;
	rk_list_each(&g->consumers->members, l) {
		core_consumer_alive(rk_of(l, struct core_consumer, link));
		core_consumer_watch(rk_of(l, struct core_consumer, link));
	}
}

const char *
core_consumers_state(const struct core_group *g)
{
	const struct core_consumers *k = g->consumers;

	if (k == NULL || k->count == 0)
		return "Empty";
	if (k->epoch > k->target_epoch)
		return "Assigning";
	rk_list_each(&k->members, l) {
		const struct core_consumer *m = rk_of(l, struct core_consumer, link);
		if (m->at.state != CORE_CONSUMER_STABLE || m->at.epoch != k->target_epoch)
			return "Reconciling";
	}
	return "Stable";
}

/* --- going */
enum rk_err
core_consumer_remove(struct core_group *g, struct core_consumer *const *who, int32_t count, struct core_write *w)
{
	struct core_turn t;
	struct rk_arena a;

	rk_assert(g->consumers != NULL && count > 0);
	rk_arena_init(&a, TURN_MAX);
	core_turn_begin(&t, g, &a);
	if (!core_consumer_downgrade(&t, who, count, false)) {
		for (int32_t i = 0; i < count; i++)
			core_turn_leave(&t, who[i]);
		t.bump = true;
		core_turn_epoch(&t);
	}
	struct core_groups *home = g->home;
	struct rk_str name = rk_arena_str(&a, g->name); /* the group may be made anew */
	enum rk_err err = core_turn_write(&t, w);
	if (err == RK_OK && t.downgrades)
		core_consumer_downgraded(home, name, false);
	rk_arena_free(&a);
	return err;
}

/* --- answers */
static bool
refused(struct core_group_asker *a, enum rk_err err, struct rk_str why)
{
	res_t *res = a->res;

	kp_defaults(&kp_consumer_group_heartbeat_res_d, res);
	res->error_code = rk_err_wire(err);
	res->error_message = why;
	return false;
}

static void
beaten(struct core_write *w, enum rk_err err)
{
	struct core_group_asker *a = rk_of(w, struct core_group_asker, put);

	if (err != RK_OK)
		refused(a, err, RK_STR_NULL);
	core_group_answer(a);
}

static void
fill_assignment(res_t *res, struct core_parts p, struct rk_arena *a)
{
	struct kp_consumer_group_heartbeat_res_assignment *out = rk_arena_get(a, 1, sizeof *out);
	int32_t to;

	if (out == NULL)
		return;
	out->topic_partitions.at = rk_arena_get(a, (size_t)core_parts_topics(p) + 1, sizeof *out->topic_partitions.at);
	for (int32_t i = 0; out->topic_partitions.at != NULL && i < p.count; i = to) {
		struct kp_consumer_group_heartbeat_res_assignment_topic_partitions *t
		    = &out->topic_partitions.at[out->topic_partitions.len++];
		to = core_parts_run(p, i);
		t->topic_id = p.at[i].topic;
		t->partitions.at = core_parts_indexes(p, i, to, a);
		t->partitions.len = to - i;
	}
	res->assignment = out;
}

/* --- is the request one at all? In Kafka's order, with Kafka's words. */
static struct rk_str
supported(const struct conf *c, struct rk_arena *a)
{
	struct rk_str s = rk_lit("");

	for (uint32_t i = 0; i < c->group_consumer_assignors.count; i++)
		s = rk_arena_print(a, "%.*s%s%s", s.len, s.at, i == 0 ? "" : ", ", c->group_consumer_assignors.at[i]);
	return s;
}

static const char *
joining_lacks(const req_t *q, int16_t version)
{
	if (q->rebalance_timeout_ms == -1)
		return "RebalanceTimeoutMs must be provided in first request.";
	if (q->topic_partitions.len != 0)
		return "TopicPartitions must be empty when (re-)joining.";
	if (q->subscribed_topic_names.len < 0 && (version < 1 || q->subscribed_topic_regex.len < 0))
		return "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.";
	return NULL;
}

static const char *
lacks(const req_t *q, int16_t version)
{
	if (q->member_id.len <= 0 && (version >= 1 || q->member_epoch != 0))
		return "MemberId can't be empty.";
	if (q->group_id.len <= 0)
		return "GroupId can't be empty.";
	if (q->instance_id.len == 0)
		return "InstanceId can't be empty.";
	if (q->rack_id.len == 0)
		return "RackId can't be empty.";
	if (q->member_epoch > 0 || q->member_epoch == CORE_CONSUMER_LEFT)
		return NULL;
	if (q->member_epoch == 0)
		return joining_lacks(q, version);
	if (q->member_epoch == CORE_CONSUMER_AWAY)
		return q->instance_id.len < 0 ? "InstanceId can't be null." : NULL;
	return "MemberEpoch is invalid.";
}

void
core_assignors_tell(const struct conf *c)
{
	for (uint32_t i = 0; i < c->group_consumer_assignors.count; i++)
		if (core_assignor_named(rk_str_of(c->group_consumer_assignors.at[i])) == NULL)
			rk_say(RK_WARN, "group.consumer.assignors names %s, which this broker does not have: groups that ask for it get "
			    "another one. Take it out of the list; there are uniform and range.", c->group_consumer_assignors.at[i]);
}

enum rk_err
core_consumer_check(const struct core *core, const req_t *q, const struct core_group_asker *a, struct rk_str *why)
{
	const struct conf *c = core->conf;
	const char *text = lacks(q, a->version);

	if (text != NULL) {
		*why = rk_str_of(text);
		return RK_INVALID_REQUEST;
	}
	if (q->server_assignor.len < 0)
		return RK_OK;
	for (uint32_t i = 0; i < c->group_consumer_assignors.count; i++)
		if (rk_str_is(q->server_assignor, c->group_consumer_assignors.at[i]))
			return RK_OK;
	struct rk_str list = supported(c, a->arena);
	*why = rk_arena_print(a->arena, "ServerAssignor %.*s is not supported. Supported assignors: %.*s.",
	    q->server_assignor.len, q->server_assignor.at, list.len, list.at);
	return RK_UNSUPPORTED_ASSIGNOR;
}

/* --- who asks */
#define WHY(...) (*why = rk_arena_print(t->arena, __VA_ARGS__))
#define TEXT(s) (s).len, (s).at

static enum rk_err
fenced(struct core_turn *t, int32_t told, int32_t known, const char *which, struct rk_str *why)
{
	WHY("The consumer group member has a %s member epoch (%d) than the one known by the group coordinator (%d). "
	    "The member must abandon all its partitions and rejoin.", which, told, known);
	return RK_FENCED_MEMBER_EPOCH;
}

/* A member that has missed the last answer may come with the epoch before, when it has nothing but what it may have. */
static enum rk_err
check_epoch(struct core_turn *t, const struct core_consumer *m, const req_t *q, const struct core_parts *owned,
    struct rk_str *why)
{
	if (q->member_epoch > m->at.epoch)
		return fenced(t, q->member_epoch, m->at.epoch, "greater", why);
	if (q->member_epoch < m->at.epoch && q->member_epoch != 0
	    && (q->member_epoch != m->at.previous || owned == NULL || !core_parts_within(*owned, m->at.has)))
		return fenced(t, q->member_epoch, m->at.epoch, "smaller", why);
	return RK_OK;
}

static enum rk_err
find_static(struct core_turn *t, const req_t *q, struct core_consumer **m, struct rk_str *why)
{
	*m = core_consumer_get(t->k, q->member_id); /* nearly always, and the others are a walk */
	if (*m == NULL || !(*m)->known || !rk_str_eq((*m)->says.instance_id, q->instance_id))
		*m = core_consumer_static(t->k, q->instance_id);
	if (*m == NULL) {
		WHY("Instance id %.*s is unknown.", TEXT(q->instance_id));
		return RK_UNKNOWN_MEMBER_ID;
	}
	if (!rk_str_eq((*m)->id, q->member_id)) {
		WHY("Static member %.*s with instance id %.*s was fenced by member %.*s.", TEXT(q->member_id), TEXT(q->instance_id),
		    TEXT((*m)->id));
		return RK_FENCED_INSTANCE_ID;
	}
	return RK_OK;
}

static enum rk_err
find_dynamic(struct core_turn *t, const req_t *q, struct core_consumer **m, struct rk_str *why)
{
	*m = core_consumer_get(t->k, q->member_id);
	if (*m == NULL || !(*m)->known) {
		WHY("Member %.*s is not a member of group %.*s.", TEXT(q->member_id), TEXT(q->group_id));
		return RK_UNKNOWN_MEMBER_ID;
	}
	return RK_OK;
}

static void
come_new(struct core_turn *t, struct rk_str id)
{
	t->id = id;
	t->says = (core_consumer_says){ .instance_id = RK_STR_NULL, .rack_id = RK_STR_NULL, .client_id = rk_lit(""),
		.client_host = rk_lit(""), .subscribed_topic_regex = rk_lit(""), .rebalance_timeout_ms = -1,
		.server_assignor = RK_STR_NULL };
}

/* The turn is about the member that asks; it may be a new one, when it joins. */
static enum rk_err
introduce(struct core_turn *t, const req_t *q, struct rk_str id, const struct core_parts *owned, struct rk_str *why)
{
	bool joins = q->member_epoch == 0;
	struct core_consumer *m = !joins ? NULL : q->instance_id.len >= 0 ? core_consumer_static(t->k, q->instance_id)
	    : core_consumer_get(t->k, id);
	enum rk_err err = RK_OK;

	if (joins && (m == NULL || !m->known)) {
		come_new(t, id);
		return RK_OK;
	}
	if (joins && q->instance_id.len >= 0) {
		if (m->at.epoch != CORE_CONSUMER_AWAY && !core_consumer_classic(m)) {
			WHY("Static member %.*s with instance id %.*s cannot join the group because the instance id is owned by a "
			    "member.", TEXT(id), TEXT(q->instance_id));
			return RK_UNRELEASED_INSTANCE_ID;
		}
		core_turn_replace(t, m, id);
		return RK_OK;
	}
	if (!joins)
		err = q->instance_id.len >= 0 ? find_static(t, q, &m, why) : find_dynamic(t, q, &m, why);
	if (err == RK_OK)
		err = check_epoch(t, m, q, owned, why);
	if (err == RK_OK)
		core_turn_member(t, m);
	return err;
}

/* --- what it says */
static int
by_text(const void *a, const void *b)
{
	return rk_str_cmp(*(const struct rk_str *)a, *(const struct rk_str *)b);
}

/* Sorted, each once, as Kafka writes them down. */
void
core_consumer_names_set(core_consumer_says *s, const struct rk_str *name, int32_t len, struct rk_arena *a)
{
	struct rk_str *at = rk_arena_get(a, (size_t)rk_max(len, 0) + 1, sizeof *at);
	int32_t n = 0;

	if (at == NULL)
		return;
	for (int32_t i = 0; i < len; i++)
		at[i] = name[i].len < 0 ? rk_lit("") : name[i];
	qsort(at, (size_t)rk_max(len, 0), sizeof *at, by_text);
	for (int32_t i = 0; i < len; i++)
		if (n == 0 || !rk_str_eq(at[n - 1], at[i]))
			at[n++] = at[i];
	s->subscribed_topic_names.at = at;
	s->subscribed_topic_names.len = n;
}

static enum rk_err
hear(struct core_turn *t, const struct core_group_asker *a, const req_t *q, struct rk_str *why)
{
	core_consumer_says *s = &t->says;

	if (q->subscribed_topic_regex.len > 0 && !rk_str_eq(q->subscribed_topic_regex, s->subscribed_topic_regex)) {
		struct rk_str what;
		enum rk_err err = core_regex_check(q->subscribed_topic_regex, t->arena, &what);
		if (err != RK_OK) {
			WHY("SubscribedTopicRegex `%.*s` is not a valid regular expression: %.*s.", TEXT(q->subscribed_topic_regex),
			    TEXT(what));
			return err;
		}
	}
	if (q->instance_id.len >= 0)
		s->instance_id = q->instance_id;
	if (q->rack_id.len >= 0)
		s->rack_id = q->rack_id;
	if (q->rebalance_timeout_ms >= 0)
		s->rebalance_timeout_ms = q->rebalance_timeout_ms;
	if (q->server_assignor.len >= 0)
		s->server_assignor = q->server_assignor;
	if (q->subscribed_topic_names.len >= 0)
		core_consumer_names_set(s, q->subscribed_topic_names.at, q->subscribed_topic_names.len, t->arena);
	if (q->subscribed_topic_regex.len >= 0)
		s->subscribed_topic_regex = q->subscribed_topic_regex;
	s->client_id = a->client_id.len < 0 ? rk_lit("") : a->client_id;
	s->client_host = a->client_host;
	s->classic_member_metadata = NULL;
	return RK_OK;
}

static const struct core_parts *
take_owned(const req_t *q, struct core_parts *p, struct rk_arena *a)
{
	int64_t n = 0;

	for (int32_t i = 0; i < q->topic_partitions.len; i++)
		n += rk_max(q->topic_partitions.at[i].partitions.len, 0);
	if (q->topic_partitions.len < 0)
		return NULL;
	*p = core_parts_make((int32_t)rk_min(n, INT32_MAX / 2), a);
	for (int32_t i = 0; i < q->topic_partitions.len; i++)
		core_parts_add_all(p, q->topic_partitions.at[i].topic_id, q->topic_partitions.at[i].partitions.at,
		    q->topic_partitions.at[i].partitions.len, NULL);
	core_parts_sort(p);
	return p;
}

/* --- the heartbeat */
/* The group, made when a member may make it. */
static enum rk_err
enter(struct core_groups *home, const req_t *q, struct core_turn *t, struct rk_arena *a, struct rk_str *why)
{
	struct core_group *g = core_group_get(home, q->group_id);

	t->arena = a;
	if (q->member_epoch != 0) {
		if (g != NULL && g->kind == CORE_GROUP_CONSUMER) {
			core_turn_begin(t, g, a);
			return RK_OK;
		}
		if (g == NULL)
			WHY(q->member_epoch < 0 ? "Group %.*s not found." : "Consumer group %.*s not found.", TEXT(q->group_id));
		else
			WHY("Group %.*s is not a consumer group.", TEXT(q->group_id));
		return RK_GROUP_ID_NOT_FOUND;
	}
	if (g == NULL)
		g = core_group_make(home, q->group_id, CORE_GROUP_SIMPLE);
	core_turn_begin(t, g, a);
	return g->kind == CORE_GROUP_CONSUMER ? RK_OK : core_consumer_upgrade(t, why);
}

void
core_consumer_undo(struct core_group *g)
{
	if (g->kind == CORE_GROUP_CONSUMER)
		return;
	core_consumers_free(g);
	if (g->kind == CORE_GROUP_SIMPLE && g->offsets.count == 0 && g->undecided.count == 0)
		core_group_drop(g);
}

/* It leaves for good, or for a while. */
static bool
leave(struct core_turn *t, struct core_group_asker *a, const req_t *q, res_t *res)
{
	struct core_consumer *m;
	struct rk_str why = RK_STR_NULL;
	enum rk_err err = q->instance_id.len >= 0 ? find_static(t, q, &m, &why) : find_dynamic(t, q, &m, &why);

	if (err != RK_OK)
		return refused(a, err, why);
	res->member_id = q->member_id;
	res->member_epoch = q->member_epoch;
	a->put.done = beaten;
	if (q->member_epoch == CORE_CONSUMER_AWAY) {
		core_turn_member(t, m);
		t->at.has = core_parts_sum(m->at.has, (struct core_parts){ NULL, 0 }, t->arena);
		for (int32_t i = 0; i < t->at.has.count; i++)
			t->at.has.at[i].epoch = 0;
		t->at = (struct core_consumer_at){ CORE_CONSUMER_AWAY, 0, CORE_CONSUMER_STABLE, t->at.has, { NULL, 0 } };
		core_turn_put(t, core_consumer_at_record(t->group, m->id, &t->at, t->arena));
		err = core_turn_write(t, &a->put);
		if (err == RK_OK)
			core_consumer_watch(m);
	} else {
		err = core_consumer_remove(t->group, &m, 1, &a->put);
	}
	return err == RK_OK || refused(a, err, RK_STR_NULL);
}

/* What everybody hears who is in. */
static bool
answer(struct core_turn *t, struct core_group_asker *a, const req_t *q, res_t *res)
{
	bool whole = q->member_epoch == 0
	    || (q->rebalance_timeout_ms != -1 && q->topic_partitions.len >= 0
		&& (q->subscribed_topic_names.len >= 0 || q->subscribed_topic_regex.len >= 0));
	enum rk_err err = RK_OK;

	res->member_id = t->id;
	res->member_epoch = t->at.epoch;
	res->heartbeat_interval_ms = core_group_times(t->group->home->core, t->group->name).heartbeat_ms;
	/* Whoever comes on another connection may have given up the last answer. librdkafka 2.12 does not ask for everything
	 * then: with Kafka its member keeps what it was to give back until its rebalance timeout. */
	if (whole || !core_parts_eq(t->was.has, t->at.has) || t->old == NULL || t->old->told_on != a->line)
		fill_assignment(res, t->at.has, a->arena);
	a->put.done = beaten;
	if (t->records == 0) {
		core_consumer_alive(t->old);
		core_turn_seen(t);
		t->old->told_on = a->line;
		return core_shard_settle(t->group->home->shard, &a->put);
	}
	struct core_group *g = t->group;
	bool moved = !t->placed || t->was.epoch != t->at.epoch || t->was.state != t->at.state
	    || !core_parts_eq(t->was.leaves, t->at.leaves);
	err = core_turn_write(t, &a->put);
	if (err != RK_OK) {
		core_consumer_undo(g);
		return refused(a, err, RK_STR_NULL);
	}
	struct core_consumer *m = core_consumer_get(g->consumers, t->id);
	rk_assert(m != NULL && m->known);
	core_consumer_alive(m);
	m->told_on = a->line;
	if (moved)
		core_consumer_watch(m);
	return true;
}

bool
core_consumer_heartbeat(struct core_shard *s, struct core_group_asker *a, const req_t *q, res_t *res)
{
	struct core_groups *home = core_shard_state(s);
	int32_t most = home->core->conf->group_consumer_max_size;
	struct rk_str why = RK_STR_NULL, id = q->member_id;
	const struct core_parts *owned;
	struct core_parts has;
	struct core_turn t;

	a->res = res;
	a->member = NULL;
	rk_assert(q->group_id.len > 0 && (q->member_id.len > 0 || q->member_epoch == 0)); /* it was checked */
	enum rk_err err = enter(home, q, &t, a->arena, &why);
	if (err != RK_OK) {
		struct core_group *g = core_group_get(home, q->group_id);
		if (g != NULL)
			core_consumer_undo(g);
		return refused(a, err, why);
	}
	if (q->member_epoch < 0)
		return leave(&t, a, q, res);
	if (id.len <= 0) {
		struct rk_uuid u = rk_env_uuid(home->core->env);
		char text[RK_UUID_TEXT];
		id = rk_arena_print(a->arena, "%s", rk_uuid_text(u, text));
	}
	owned = take_owned(q, &has, a->arena);
	if (t.k->count >= most && core_consumer_get(t.k, id) == NULL && core_consumer_static(t.k, q->instance_id) == NULL) {
		why = rk_arena_print(a->arena, "The consumer group has reached its maximum capacity of %d members.", most);
		err = RK_GROUP_MAX_SIZE_REACHED;
	}
	if (err == RK_OK)
		err = introduce(&t, q, id, owned, &why);
	if (err == RK_OK)
		err = hear(&t, a, q, &why);
	if (err == RK_OK && a->arena->over)
		err = RK_UNKNOWN_SERVER_ERROR;
	if (err != RK_OK) {
		core_consumer_undo(t.group);
		return refused(a, err, why);
	}
	core_turn_subscribe(&t);
	core_turn_refresh(&t);
	core_turn_epoch(&t);
	core_turn_target(&t);
	core_turn_reconcile(&t, owned);
	return answer(&t, a, q, res);
}
