/* desk.c - what this node asks of the active controller, wherever that is.
 *
 * An errand of this node's goes three ways. The leader is this node: the request's row is planned at its own desk
 * (control.c) as if it had come in, and no byte is encoded. The leader is another node: a link to its
 * controller listener. No leader: it waits. Whenever the leader changes, all that is not answered is looked at again;
 * what a leader may already have done goes once more only when its connection broke or it says NOT_CONTROLLER, but for
 * those requests that may be repeated, which do not wait for a leader that may never answer.
 *
 * A controller works on one request of a connection at a time, so each kind has its own connection: heartbeats do not
 * stand behind a large CreateTopics, nor an ISR that must shrink behind either. */
#include "base/mem.h"
#include "protocol/desc.h"
#include "protocol/gen/keys.h"
#include "src/node/inside.h"

enum { AGAIN_MS = 20, LEADERS = 64 };
enum lane { HEARTBEATS, PARTITIONS, CLIENTS, LANES };

struct lead { /* the connections to one node that led, or leads */
	int32_t id;
	struct node_link *link[LANES];
};

struct item {
	struct rk_list at;
	struct node *node;
	struct node_ask *asker;  /* NULL: forgotten while it was planned */
	struct rk_list held;     /* the asker's ring: it is busy while it is in it */
	struct node_ask ask;     /* to another node */
	struct node_errand errand;
	struct rk_timer limit, again;
	enum { WAITS, HERE, THERE } where;
	struct api_call api;     /* HERE */
	const struct api_row *row;
};

struct node_desk {
	struct rk_list items;
	struct lead lead[LEADERS];
	uint32_t leads;
};

static void look(struct item *);

static enum lane
lane_of(int16_t key)
{
	switch (key) {
	case KP_BROKER_REGISTRATION:
	case KP_BROKER_HEARTBEAT:
	case KP_CONTROLLER_REGISTRATION:
		return HEARTBEATS;
	case KP_CREATE_TOPICS:
	case KP_ENVELOPE:
		return CLIENTS;
	default:
		return PARTITIONS;
	}
}

static struct node_link *
link_to(struct node *n, int32_t id, const char *host, uint16_t port, enum lane lane)
{
	struct node_desk *d = n->desk;
	struct lead *l = NULL;
	char name[16];

	for (uint32_t i = 0; l == NULL && i < d->leads; i++)
		if (d->lead[i].id == id)
			l = &d->lead[i];
	if (l == NULL && d->leads < LEADERS) {
		l = &d->lead[d->leads++];
		*l = (struct lead){ .id = id };
	} else if (l == NULL) { /* more leaders than a quorum has: one that led long ago makes room */
		l = &d->lead[0];
		for (int i = 0; i < LANES; i++)
			node_link_free(l->link[i]);
		*l = (struct lead){ .id = id };
	}
	snprintf(name, sizeof name, "%" PRId32, n->conf->node_id);
	if (l->link[lane] == NULL)
		l->link[lane] = node_link_new(n, name, host, port);
	else
		node_link_to(l->link[lane], host, port);
	return l->link[lane];
}

/* Takes it off the desk; a batch that is under way may still name its errand. */
static void
drop(struct item *i)
{
	struct node *n = i->node;

	rk_list_del(&i->at);
	rk_timer_stop(&n->timers, &i->limit);
	rk_timer_stop(&n->timers, &i->again);
	node_ask_forget(&i->ask);
	if (i->where == HERE && !node_errand_recall(n, &i->errand)) {
		i->asker = NULL;
		return; /* planned() frees it */
	}
	rk_arena_free(&i->api.arena);
	rk_mem_put(i);
}

static void
finish(struct item *i, enum rk_err err, const void *res, int16_t version)
{
	struct node_ask *asker = i->asker;

	rk_list_del(&asker->at);
	i->asker = NULL;
	/* The asker may ask again from inside; the answer stays until it returns. */
	asker->done(asker, err, res, version);
	drop(i);
}

static void
rest(struct item *i)
{
	i->where = WAITS;
	rk_timer_set(&i->node->timers, &i->again, rk_now(i->node->env) + AGAIN_MS);
}

/* --- here */

static void
plan(struct node_errand *e, struct meta_plan *p)
{
	struct item *i = rk_of(e, struct item, errand);
	struct api_call *c = &i->api;

	if (i->asker == NULL)
		return;
	c->plan = p;
	c->view = p->view;
	c->now_ms = rk_now(i->node->env);
	c->wall_ms = rk_wall(i->node->env);
	enum api_fate fate = i->row->run(c, c->req, c->res);
	rk_assert(fate == API_NOW);
}

static void
planned(struct node_errand *e, enum rk_err err)
{
	struct item *i = rk_of(e, struct item, errand);

	i->where = WAITS;
	if (i->asker == NULL) {
		rk_arena_free(&i->api.arena);
		rk_mem_put(i);
	} else if (err == RK_NOT_CONTROLLER) {
		rest(i);
	} else {
		finish(i, err, err == RK_OK ? i->api.res : NULL, i->api.head.version);
	}
}

static void
ask_here(struct item *i)
{
	struct node *n = i->node;
	struct api_call *c = &i->api;
	const struct kp_api *api = kp_api(i->asker->key);

	i->row = api_row(i->asker->key);
	rk_assert(api != NULL && i->row != NULL && (i->row->where & API_RUNS) == API_CONTROL);
	rk_arena_free(&c->arena);
	*c = (struct api_call){ .shared = &n->shared, .api = api, .controller = true, .peer = "this node",
		.listener = "", .principal = rk_lit("User:ANONYMOUS"), .req = (void *)(uintptr_t)i->asker->req };
	rk_list_init(&c->link);
	rk_arena_init(&c->arena, 1u << 30);
	c->head.key = i->asker->key;
	c->head.version = i->asker->max < 0 ? i->row->max : (int16_t)rk_min(i->asker->max, i->row->max);
	c->res = rk_arena_raw(&c->arena, kp_desc_size(api->res));
	rk_assert(c->res != NULL);
	kp_defaults(api->res, c->res);
	i->where = HERE;
	i->errand = (struct node_errand){ .plan = plan, .done = planned };
	node_errand_add(n, &i->errand);
}

/* --- there */

static void
answered(struct node_ask *a, enum rk_err err, const void *res, int16_t version)
{
	struct item *i = rk_of(a, struct item, ask);

	/* A try that took too long is not the end: limit says when that is. */
	if (err == RK_NETWORK_EXCEPTION || err == RK_REQUEST_TIMED_OUT
	    || (err == RK_OK && api_failed(a->key, res, RK_NOT_CONTROLLER)))
		rest(i);
	else
		finish(i, err, res, version);
}

/* How long a controller that took the connection may be silent. */
static int64_t
one_try_ms(const struct node *n, int16_t key)
{
	return lane_of(key) == HEARTBEATS ? rk_max(n->conf->broker_session_timeout_ms / 2, 100)
					  : n->conf->controller_socket_timeout_ms;
}

static void
look(struct item *i)
{
	struct node *n = i->node;
	const char *host;
	uint16_t port;
	int32_t id;

	rk_timer_stop(&n->timers, &i->again);
	i->where = WAITS;
	if (node_leads(n)) {
		if (i->asker->key == KP_ENVELOPE) /* who sends it on serves it now */
			finish(i, RK_NOT_CONTROLLER, NULL, 0);
		else
			ask_here(i);
	} else if (node_quorum_leader(n, &id, &host, &port) && id != n->conf->node_id) {
		i->where = THERE;
		node_link_ask(link_to(n, id, host, port, lane_of(i->asker->key)), &i->ask, i->asker->key, i->asker->min,
		    i->asker->max, i->asker->req, one_try_ms(n, i->asker->key));
	}
}

static void
look_again(struct rk_timer *t, int64_t now_ms)
{
	(void)now_ms;
	look(rk_of(t, struct item, again));
}

static void
too_late(struct rk_timer *t, int64_t now_ms)
{
	(void)now_ms;
	finish(rk_of(t, struct item, limit), RK_REQUEST_TIMED_OUT, NULL, 0);
}

void
node_desk_ask(struct node *n, struct node_ask *a, int16_t key, int16_t min, int16_t max, const void *req,
    int64_t timeout_ms)
{
	struct item *i = rk_new(struct item);
	int64_t now = rk_now(n->env);

	rk_assert(a->done != NULL && rk_list_empty(&a->at));
	a->req = req;
	a->key = key;
	a->min = min;
	a->max = max;
	i->node = n;
	i->asker = a;
	i->where = WAITS;
	i->limit = (struct rk_timer){ .at_ms = INT64_MAX, .fire = too_late };
	i->again = (struct rk_timer){ .at_ms = INT64_MAX, .fire = look_again };
	rk_arena_init(&i->api.arena, 0);
	node_ask_init(&i->ask, answered);
	rk_list_add(&n->desk->items, &i->at);
	rk_list_init(&i->held);
	rk_list_add(&i->held, &a->at);
	if (timeout_ms < INT64_MAX - now)
		rk_timer_set(&n->timers, &i->limit, now + timeout_ms);
	rk_timer_set(&n->timers, &i->again, now); /* from the loop: done is never called from inside the asking */
}

void
node_desk_forget(struct node *n, struct node_ask *a)
{
	rk_list_each_safe(&n->desk->items, m, next) {
		struct item *i = rk_of(m, struct item, at);
		if (i->asker == a) {
			rk_list_del(&a->at);
			i->asker = NULL;
			drop(i);
			return;
		}
	}
}

/* It may be asked of two leaders: the second time it is refused, or changes nothing. */
static bool
harmless(int16_t key)
{
	return lane_of(key) != CLIENTS;
}

void
node_desk_moved(struct node *n)
{
	if (n->desk == NULL)
		return;
	rk_list_each_safe(&n->desk->items, m, next) {
		struct item *i = rk_of(m, struct item, at);
		if (i->where == THERE && harmless(i->asker->key))
			node_ask_forget(&i->ask);
		else if (i->where != WAITS)
			continue; /* control.c lets go of what is HERE */
		i->where = WAITS;
		rk_timer_set(&n->timers, &i->again, rk_now(n->env));
	}
}

bool
node_desk_refused(const struct node *n)
{
	const struct node_desk *d = n->desk;

	for (uint32_t i = 0; i < d->leads; i++)
		if (d->lead[i].id == n->shared.leader_id && d->lead[i].link[HEARTBEATS] != NULL)
			return node_link_refused(d->lead[i].link[HEARTBEATS]);
	return false;
}

void
node_desk_open(struct node *n)
{
	n->desk = rk_new(struct node_desk);
	rk_list_init(&n->desk->items);
}

void
node_desk_free(struct node *n)
{
	struct node_desk *d = n->desk;

	if (d == NULL)
		return;
	rk_list_each_safe(&d->items, m, next) {
		struct item *i = rk_of(m, struct item, at);
		if (i->asker != NULL)
			rk_list_del(&i->asker->at);
		i->where = WAITS; /* nobody plans any more */
		drop(i);
	}
	for (uint32_t k = 0; k < d->leads; k++)
		for (int lane = 0; lane < LANES; lane++)
			node_link_free(d->lead[k].link[lane]);
	rk_mem_put(d);
	n->desk = NULL;
}
