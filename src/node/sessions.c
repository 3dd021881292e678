/* sessions.c - the active controller's soft state of brokers: who was heard of when, over which connection, and how
 * far it had applied the metadata.
 *
 * As in Kafka a broker that is silent for broker.session.timeout.ms is fenced, and a new controller gives everybody a
 * fresh session. Beyond that, news: when the connection that carried a broker's heartbeats breaks, the broker's own
 * listener is dialled. Refused means that no process listens there: it is dead, and is fenced at once. Everything
 * else (it answers, nobody answers, the network is gone) is left to the session. So is one that was silent for
 * longer than it should be, and the node that led before when this one becomes active: a combined node that
 * died took its controller's connection with it. */
#include "base/mem.h"
#include "base/say.h"
#include "protocol/gen/api_versions.h"
#include "protocol/gen/broker_heartbeat.h"
#include "src/node/inside.h"

enum { DIAL_MS = 1000, DIALS_MAX = 8 };

struct session {
	struct rk_list at;
	struct node *node;
	int32_t id;
	int64_t epoch, heard_ms, offset;
	int64_t leaving;         /* see struct meta_sessions */
	struct node_conn *conn;  /* its last heartbeat came over; NULL: broken, or never heard of */
	bool known;              /* heard of by this controller */
	bool dead;               /* its listener refused us */
	bool dialled;            /* since it was last heard of */
	uint32_t dials;          /* this time */
	struct node_link *link;  /* to its listener, while it is dialled */
	struct node_ask ask;
	struct kp_api_versions_req hello;
	struct node_errand errand;
	bool fencing;
};

struct node_sessions {
	struct meta_sessions meta;
	struct node *node;
	struct rk_list all;
	struct rk_timer timer;
	bool leads;
};

static struct session *
find(struct node *n, int32_t id, bool make)
{
	struct node_sessions *all = n->sessions;

	rk_list_each(&all->all, m)
		if (rk_of(m, struct session, at)->id == id)
			return rk_of(m, struct session, at);
	if (!make)
		return NULL;
	struct session *s = rk_new(struct session);
	*s = (struct session){ .node = n, .id = id, .epoch = -1, .heard_ms = rk_now(n->env), .offset = -1, .leaving = -1 };
	rk_list_init(&s->ask.at);
	rk_list_init(&s->errand.link);
	rk_list_add(&all->all, &s->at);
	return s;
}

static bool
expired(const struct session *s)
{
	return rk_now(s->node->env) - s->heard_ms >= s->node->conf->broker_session_timeout_ms;
}

/* Registered and unfenced, as of the last commit. */
static bool
unfenced(struct node *n, int32_t id)
{
	struct node_seen b = node_broker_seen(n, id);

	return b.epoch >= 0 && !b.fenced;
}

/* --- fencing */

static void
plan_fence(struct node_errand *e, struct meta_plan *p)
{
	struct session *s = rk_of(e, struct session, errand);

	if (s->dead || expired(s)) /* it may have been heard of meanwhile */
		meta_fence_broker(p, s->id);
}

static void
fenced(struct node_errand *e, enum rk_err err)
{
	struct session *s = rk_of(e, struct session, errand);

	(void)err; /* no longer the controller: the next one looks for itself */
	s->fencing = false;
}

static void
fence(struct session *s, const char *why)
{
	if (s->fencing)
		return;
	rk_say(RK_WARN, "Broker %" PRId32 " is fenced: %s. What it led goes to others.", s->id, why);
	s->fencing = true;
	s->errand = (struct node_errand){ .plan = plan_fence, .done = fenced };
	node_errand_add(s->node, &s->errand);
}

/* --- is it there? */

static void dialled(struct node_ask *, enum rk_err, const void *, int16_t);

static void
ask(struct session *s)
{
	s->dials++;
	node_ask_init(&s->ask, dialled);
	node_link_ask(s->link, &s->ask, KP_API_VERSIONS, 0, -1, &s->hello, DIAL_MS);
}

/* The kernel closes a dead process's connections before its listeners: one that was taken and broke at once is tried
 * again. */
static void
dialled(struct node_ask *a, enum rk_err err, const void *res, int16_t version)
{
	struct session *s = rk_of(a, struct session, ask);
	struct node_link *link = s->link;
	bool refused = err == RK_NETWORK_EXCEPTION && node_link_refused(link);

	(void)res;
	(void)version;
	if (err == RK_NETWORK_EXCEPTION && !refused && s->conn == NULL && s->dials < DIALS_MAX && !s->node->ended) {
		ask(s);
		return;
	}
	s->link = NULL;
	node_link_free(link);
	if (!refused || !s->node->sessions->leads || s->conn != NULL)
		return;
	s->dead = true;
	fence(s, "its connection broke, and nobody listens at its address any more");
}

/* The endpoint that brokers reach it at, or its first; false: it is not registered, or fenced. */
static bool
endpoint(struct node *n, int32_t id, char host[256], uint16_t *port)
{
	struct kp_register_broker_record b;
	struct rk_arena a;
	struct meta_view v;
	int32_t at = 0;

	rk_arena_init(&a, 1u << 20);
	meta_view_begin(n->image, &v);
	bool found = meta_broker(&v, id, &a, &b) && !b.fenced && b.end_points.len > 0;
	for (uint32_t k = 0; found && k < n->conf->listener_count; k++)
		for (int32_t i = 0; n->conf->listener[k].is_inter_broker && i < b.end_points.len; i++)
			if (rk_str_is(b.end_points.at[i].name, n->conf->listener[k].name))
				at = i;
	if (found) {
		rk_str_copy(host, 256, b.end_points.at[at].host);
		*port = (uint16_t)b.end_points.at[at].port;
	}
	meta_view_end(&v);
	rk_arena_free(&a);
	return found && host[0] != '\0' && *port != 0;
}

static void
dial(struct session *s)
{
	struct node *n = s->node;
	char host[256], name[32];
	uint16_t port;

	if (s->link != NULL || s->id == n->conf->node_id)
		return;
	s->dialled = true;
	if (!endpoint(n, s->id, host, &port))
		return;
	snprintf(name, sizeof name, "controller-%" PRId32, n->conf->node_id);
	s->link = node_link_new(n, name, host, port);
	kp_defaults(&kp_api_versions_req_d, &s->hello);
	s->hello.client_software_name = rk_lit("rookery");
	s->hello.client_software_version = rk_lit(PACKAGE_VERSION);
	s->dials = 0;
	ask(s);
}

/* --- time */

static void
look(struct node *n)
{
	struct node_sessions *all = n->sessions;
	int64_t now = rk_now(n->env), next = INT64_MAX, session = n->conf->broker_session_timeout_ms;
	int64_t silent = rk_min((int64_t)n->conf->broker_heartbeat_interval_ms * 3 / 2, session);

	rk_list_each(&all->all, m) {
		struct session *s = rk_of(m, struct session, at);
		if (s->id == n->conf->node_id || !unfenced(n, s->id))
			continue;
		if (expired(s))
			fence(s, "it was not heard of within broker.session.timeout.ms");
		else if (!s->dialled && now - s->heard_ms >= silent)
			dial(s);
		next = rk_min(next, s->heard_ms + (s->dialled ? session : silent));
	}
	if (all->leads && next < INT64_MAX)
		rk_timer_set(&n->timers, &all->timer, rk_max(next, now + 10));
}

static void
tick(struct rk_timer *t, int64_t now_ms)
{
	(void)now_ms;
	look(rk_of(t, struct node_sessions, timer)->node);
}

/* --- what is heard */

static void
heartbeat(struct api_call *c, const struct kp_broker_heartbeat_req *q)
{
	struct node *n = rk_of(c->shared, struct node, shared);
	struct session *s = find(n, q->broker_id, true);

	if (s->epoch != q->broker_epoch)
		s->leaving = -1;
	s->epoch = q->broker_epoch;
	s->heard_ms = rk_now(n->env);
	s->offset = q->current_metadata_offset;
	s->conn = c->gone ? NULL : c->node; /* it may have waited for its turn longer than its connection lived */
	s->known = true;
	s->dead = s->dialled = false;
	if (c->gone && n->sessions->leads)
		dial(s);
	if (n->sessions->timer.at_ms == INT64_MAX)
		look(n);
}

void
node_sessions_gone(struct node *n, struct node_conn *c)
{
	struct node_sessions *all = n->sessions;

	if (all == NULL || n->stopping || n->ended)
		return;
	rk_list_each(&all->all, m) {
		struct session *s = rk_of(m, struct session, at);
		if (s->conn != c)
			continue;
		s->conn = NULL;
		if (all->leads)
			dial(s);
	}
}

/* --- for plans */

/* One that was never heard of by this controller is given its time, but not when the newcomer has its address:
 * two processes do not listen there. */
static bool
alive(struct meta_sessions *m, int32_t id, bool same_address)
{
	struct node_sessions *all = rk_of(m, struct node_sessions, meta);
	struct session *s = find(all->node, id, false);

	return s != NULL && id != all->node->conf->node_id && !s->dead && !expired(s)
	    && (s->conn != NULL || (!s->known && !same_address));
}

static bool
reached(struct meta_sessions *m, int64_t offset, int32_t but)
{
	struct node *n = rk_of(m, struct node_sessions, meta)->node;
	struct kp_register_broker_record b;
	struct rk_arena a;
	struct meta_view v;
	bool all = true;

	rk_arena_init(&a, 1u << 20);
	meta_view_begin(n->image, &v);
	for (int64_t id = 0; all && meta_broker_next(&v, id, &a, &b); id = (int64_t)b.broker_id + 1) {
		struct session *s = find(n, b.broker_id, false);
		if (b.broker_id == but || b.fenced || b.in_controlled_shutdown)
			continue;
		all = b.broker_id == n->conf->node_id ? node_quorum_applied(n) > offset : s != NULL && s->offset >= offset;
	}
	meta_view_end(&v);
	rk_arena_free(&a);
	return all;
}

static int64_t *
leaving(struct meta_sessions *m, int32_t id)
{
	return &find(rk_of(m, struct node_sessions, meta)->node, id, true)->leaving;
}

struct meta_sessions *
node_sessions_of(struct node *n)
{
	return n->sessions == NULL ? NULL : &n->sessions->meta;
}

/* --- leadership */

void
node_sessions_lead(struct node *n, int32_t before)
{
	struct node_sessions *all = n->sessions;
	struct kp_register_broker_record b;
	struct rk_arena a;
	struct meta_view v;

	rk_assert(!all->leads);
	all->leads = true;
	rk_arena_init(&a, 1u << 20);
	meta_view_begin(n->image, &v);
	for (int64_t id = 0; meta_broker_next(&v, id, &a, &b); id = (int64_t)b.broker_id + 1) {
		struct session *s = find(n, b.broker_id, true);
		s->heard_ms = rk_now(n->env);
		s->offset = s->leaving = -1;
		s->known = s->dead = s->dialled = false;
		s->conn = NULL;
		rk_arena_reset(&a);
	}
	meta_view_end(&v);
	rk_arena_free(&a);
	struct session *s = find(n, before, false);
	if (s != NULL && before != n->conf->node_id)
		dial(s);
	look(n);
}

void
node_sessions_lost(struct node *n)
{
	struct node_sessions *all = n->sessions;

	all->leads = false;
	rk_timer_stop(&n->timers, &all->timer);
	rk_list_each(&all->all, m)
		rk_of(m, struct session, at)->conn = NULL;
}

void
node_sessions_open(struct node *n)
{
	struct node_sessions *all = rk_new(struct node_sessions);

	all->node = n;
	all->meta = (struct meta_sessions){ alive, reached, leaving };
	all->timer = (struct rk_timer){ .at_ms = INT64_MAX, .fire = tick };
	rk_list_init(&all->all);
	n->sessions = all;
	n->shared.heartbeat = heartbeat;
}

void
node_sessions_free(struct node *n)
{
	struct node_sessions *all = n->sessions;

	if (all == NULL)
		return;
	rk_timer_stop(&n->timers, &all->timer);
	while (!rk_list_empty(&all->all)) {
		struct session *s = rk_of(all->all.next, struct session, at);
		rk_list_del(&s->at);
		node_ask_forget(&s->ask);
		node_link_free(s->link);
		rk_mem_put(s);
	}
	rk_mem_put(all);
	n->sessions = NULL;
}
