/* txn.c - the world of a transaction coordinator: markers find the leaders of their partitions.
 *
 *	fresh -> a destination's queue -> cargo under way -> told
 *	  ^                                  |
 *	  +------------- waiting <-----------+   another leads now, or nobody, or it was not reached
 *
 * What is owed to one broker goes in one request, one at a time: what comes meanwhile is the next one. A leader answers
 * soon, also when some of it is not committed; that is set aside, and asked for again on a connection of its own, so
 * that a marker which waits for replicas holds nobody up. It has the marker in its log and appends no other. One item
 * is in one request at most: a transaction's markers keep their order. The partitions that this node leads itself are
 * written to without a socket. A leader that a request waits for and that is fenced meanwhile is not waited for: a
 * marker that is written twice does no harm. */
#include "src/node/txn.h"
#include "base/mem.h"
#include "protocol/gen/keys.h"
#include "protocol/gen/metadata_records.h"
#include "protocol/gen/write_txn_markers.h"
#include "src/core/broker.h"
#include "src/core/mark.h"

enum { AGAIN_MS = 10, AGAIN_MAX_MS = 200, LOOK_MS = 500, CARGO_MAX = 2000, GONE_TRIES = 6, ARENA_MAX = 64 << 20 };
enum { LEADER_ARENA = 1 << 20 };

typedef struct kp_write_txn_markers_req_markers marker_in;
typedef struct kp_write_txn_markers_req_markers_topics topic_in;
typedef struct kp_write_txn_markers_res_markers marker_out;

struct item { /* one partition that is to have a marker */
	struct rk_list link; /* in fresh, waiting, a destination's queue, or a cargo's items */
	struct owed *of;
	int64_t due_ms;      /* while it waits */
	int32_t part;
	int32_t at[3];       /* its row in the cargo's request: marker, topic, partition */
	uint8_t tries;
	bool flying;         /* in a cargo */
	bool aside;          /* it was not committed soon */
};
struct owed {
	struct rk_list link; /* in node_txn */
	struct core_marker *m; /* NULL: taken back, and some of it still flies */
	int32_t count, left;
	struct item item[];
};
struct cargo {
	struct rk_list link; /* in node_txn */
	struct node_txn *x;
	struct lane *on;
	struct rk_list items;
	struct node_ask ask;     /* to another node */
	struct core_marks marks; /* to this one */
	struct rk_arena arena;
	struct kp_write_txn_markers_req req;
	struct kp_write_txn_markers_res res;
};
struct lane {
	struct dest *to;
	struct node_link *wire;
	struct rk_list queue;
	struct cargo *busy;  /* another node's: under way */
};
enum { LANES = 2 };              /* the first time; what was set aside */
struct dest {
	struct rk_list link; /* in node_txn */
	int32_t id;
	struct lane lane[LANES];
};
struct node_txn {
	struct node *node;
	struct rk_list all, fresh, waiting, dests, cargos;
	struct rk_timer turn, look;
	bool closed;
};

static void pump(struct node_txn *, struct lane *);

/* --- where */
enum rk_err
node_txn_leader(struct node *n, struct rk_str topic, int32_t partition, int32_t *id)
{
	struct kp_partition_record r;
	struct meta_view v;
	struct meta_topic t;
	struct rk_arena a;

	*id = -1;
	rk_arena_init(&a, LEADER_ARENA);
	meta_view_begin(n->image, &v);
	bool there = meta_topic_named(&v, topic, &t) && meta_partition(&v, t.id, partition, &a, &r);
	if (there)
		*id = r.leader;
	meta_view_end(&v);
	rk_arena_free(&a);
	return there ? RK_OK : RK_UNKNOWN_TOPIC_OR_PARTITION;
}

bool
node_txn_link(struct node *n, int32_t id, const char *what, struct node_link **wire)
{
	const struct core_broker *b = core_broker(n->core, id);
	char name[64];

	if (b == NULL || !b->reachable)
		return false;
	if (*wire != NULL) {
		node_link_to(*wire, b->host, b->port);
		return true;
	}
	snprintf(name, sizeof name, "broker-%" PRId32 "-%s", n->conf->node_id, what);
	*wire = node_link_new(n, name, b->host, b->port);
	return true;
}

static struct dest *
dest_of(struct node_txn *x, int32_t id)
{
	rk_list_each(&x->dests, m)
		if (rk_of(m, struct dest, link)->id == id)
			return rk_of(m, struct dest, link);
	struct dest *d = rk_new(struct dest);
	d->id = id;
	for (int k = 0; k < LANES; k++) {
		d->lane[k].to = d;
		rk_list_init(&d->lane[k].queue);
	}
	rk_list_add(&x->dests, &d->link);
	return d;
}

/* --- what is owed */
static void
soon(struct node_txn *x, int64_t at_ms)
{
	if (x->turn.at_ms > at_ms)
		rk_timer_set(&x->node->timers, &x->turn, at_ms);
}

/* One item less. True: that was the last, owed is freed. */
static bool
less(struct owed *o)
{
	rk_assert(o->left > 0);
	if (--o->left > 0)
		return false;
	if (o->m != NULL)
		o->m->node = NULL;
	rk_list_del(&o->link);
	rk_mem_put(o);
	return true;
}

/* It has its marker, or never will. */
static void
tell(struct item *i, enum rk_err err)
{
	struct core_marker *m = i->of->m;
	int32_t part = i->part;

	rk_assert(!i->flying);
	(void)!less(i->of);
	if (m != NULL)
		core_marked(m, part, err); /* which may end it all */
}

static void
later(struct node_txn *x, struct item *i)
{
	int64_t now = rk_now(x->node->env);

	if (i->of->m == NULL) {
		(void)!less(i->of);
		return;
	}
	i->due_ms = now + rk_min(AGAIN_MS << rk_min(i->tries, 8), AGAIN_MAX_MS);
	i->tries = (uint8_t)rk_min(i->tries + 1, 8);
	rk_list_add(&x->waiting, &i->link);
	soon(x, i->due_ms);
}

static void
mark(void *arg, struct core_marker *m)
{
	struct node_txn *x = ((struct node *)arg)->txn;
	struct owed *o;

	rk_assert(m->count > 0 && m->left > 0);
	m->node = NULL;
	if (x->closed)
		return;
	o = rk_mem_get(sizeof *o + (size_t)m->count * sizeof o->item[0]);
	*o = (struct owed){ .m = m, .count = m->count };
	m->node = o;
	rk_list_add(&x->all, &o->link);
	for (int32_t k = 0; k < m->count; k++) {
		struct item *i = &o->item[k];
		*i = (struct item){ .of = o, .part = k };
		rk_list_init(&i->link);
		if (m->part[k].done)
			continue;
		rk_list_add(&x->fresh, &i->link);
		o->left++;
	}
	rk_assert(o->left > 0);
	soon(x, rk_now(x->node->env));
}

static void
unmark(void *arg, struct core_marker *m)
{
	struct owed *o = m->node;

	(void)arg;
	m->node = NULL;
	if (o == NULL)
		return;
	rk_assert(o->m == m);
	o->m = NULL;
	int32_t count = o->count;
	for (int32_t k = 0; k < count; k++) {
		struct item *i = &o->item[k];
		if (i->flying || rk_list_empty(&i->link))
			continue;
		rk_list_del(&i->link);
		if (less(o))
			return;
	}
}

/* --- cargo */
static void
unload(struct cargo *c)
{
	if (c->on->busy == c)
		c->on->busy = NULL;
	rk_list_del(&c->link);
	node_ask_forget(&c->ask);
	rk_arena_free(&c->arena);
	rk_mem_put(c);
}

/* What the leader says of an item: by its place, or wherever else the row is. */
static enum rk_err
verdict(const struct item *i, const struct kp_write_txn_markers_res *res)
{
	const struct core_marker_part *p = &i->of->m->part[i->part];

	for (int32_t a = -1; a < res->markers.len; a++) {
		int32_t x = a < 0 ? i->at[0] : a;
		if (x >= res->markers.len || res->markers.at[x].producer_id != i->of->m->producer_id)
			continue;
		const marker_out *m = &res->markers.at[x];
		for (int32_t b = -1; b < m->topics.len; b++) {
			int32_t y = b < 0 ? i->at[1] : b;
			if (y >= m->topics.len || !rk_str_eq(m->topics.at[y].name, p->topic))
				continue;
			const struct kp_write_txn_markers_res_markers_topics *t = &m->topics.at[y];
			for (int32_t c = -1; c < t->partitions.len; c++) {
				int32_t z = c < 0 ? i->at[2] : c;
				if (z < t->partitions.len && t->partitions.at[z].partition_index == p->partition)
					return rk_err_of_wire(t->partitions.at[z].error_code);
			}
		}
	}
	return RK_UNKNOWN_SERVER_ERROR; /* it says nothing: it is asked again */
}

static bool
is_final(enum rk_err err)
{
	switch (err) {
	case RK_OK:
	case RK_TRANSACTION_COORDINATOR_FENCED:
	case RK_INVALID_PRODUCER_EPOCH:
		return true;
	default:
		return false;
	}
}

/* The answer, or why there is none. */
static void
take_answer(struct cargo *c, enum rk_err err, const struct kp_write_txn_markers_res *res)
{
	struct node_txn *x = c->x;

	while (!rk_list_empty(&c->items)) {
		struct item *i = rk_of(c->items.next, struct item, link);
		const struct core_marker *m = i->of->m;
		rk_list_del(&i->link);
		i->flying = false;
		enum rk_err e = err != RK_OK || m == NULL ? err : verdict(i, res);
		if (e != RK_OK)
			rk_event("marker refused", e, m == NULL ? -1 : m->producer_id);
		i->aside |= err == RK_OK && e == RK_REQUEST_TIMED_OUT;
		if (m != NULL && is_final(e))
			tell(i, e);
		else
			later(x, i);
	}
}

static void
answered(struct node_ask *a, enum rk_err err, const void *res, int16_t version)
{
	struct cargo *c = rk_of(a, struct cargo, ask);
	struct node_txn *x = c->x;
	struct lane *l = c->on;

	(void)version;
	if (x->node->stopping || x->node->failed)
		return;
	take_answer(c, err, res);
	unload(c);
	pump(x, l);
}

static void
written(struct core_marks *m)
{
	struct cargo *c = rk_of(m, struct cargo, marks);

	take_answer(c, c->arena.over ? RK_NO_MEMORY : RK_OK, &c->res);
	unload(c);
}

/* Adds an item to the request: to its last marker and topic when they are the same. */
static void
load(struct cargo *c, struct item *i, const struct owed **last, int32_t most)
{
	const struct core_marker *m = i->of->m;
	const struct core_marker_part *p = &m->part[i->part];
	marker_in *in = &c->req.markers.at[c->req.markers.len - 1];

	if (*last != i->of) {
		in = &c->req.markers.at[c->req.markers.len++];
		*in = (marker_in){ .producer_id = m->producer_id, .producer_epoch = m->producer_epoch,
			.transaction_result = m->commit, .coordinator_epoch = m->coordinator_epoch,
			.transaction_version = (int8_t)m->transaction_version };
		int32_t rest = rk_min(most, i->of->left);
		in->topics.at = rk_arena_get(&c->arena, (size_t)rest, sizeof *in->topics.at);
		*last = i->of;
	}
	if (in->topics.at == NULL)
		return;
	topic_in *t = in->topics.len == 0 ? NULL : &in->topics.at[in->topics.len - 1];
	if (t == NULL || !rk_str_eq(t->name, p->topic)) {
		t = &in->topics.at[in->topics.len++];
		*t = (topic_in){ .name = rk_arena_str(&c->arena, p->topic) };
	}
	i->at[0] = c->req.markers.len - 1;
	i->at[1] = in->topics.len - 1;
	i->at[2] = t->partition_indexes.len++;
}

/* The partitions of each topic, now that their number is known. */
static void
load_partitions(struct cargo *c)
{
	for (int32_t k = 0; k < c->req.markers.len; k++)
		for (int32_t j = 0; j < c->req.markers.at[k].topics.len; j++) {
			topic_in *t = &c->req.markers.at[k].topics.at[j];
			t->partition_indexes.at = rk_arena_get(&c->arena, (size_t)t->partition_indexes.len,
			    sizeof *t->partition_indexes.at);
		}
	rk_list_each(&c->items, m) {
		const struct item *i = rk_of(m, struct item, link);
		if (c->arena.over)
			return;
		c->req.markers.at[i->at[0]].topics.at[i->at[1]].partition_indexes.at[i->at[2]] =
		    i->of->m->part[i->part].partition;
	}
}

static struct cargo *
make_cargo(struct node_txn *x, struct lane *l)
{
	struct cargo *c = rk_new(struct cargo);
	const struct owed *last = NULL;

	c->x = x;
	c->on = l;
	rk_list_init(&c->items);
	rk_list_add(&x->cargos, &c->link);
	node_ask_init(&c->ask, answered);
	c->marks.done = written;
	c->marks.arena = &c->arena;
	c->marks.hurried = true;
	rk_arena_init(&c->arena, ARENA_MAX);
	kp_defaults(&kp_write_txn_markers_req_d, &c->req);
	int32_t most = 0;
	rk_list_each(&l->queue, m)
		most++;
	most = rk_min(most, CARGO_MAX);
	c->req.markers.at = rk_arena_get(&c->arena, (size_t)most, sizeof *c->req.markers.at);
	for (int32_t k = 0; k < most && c->req.markers.at != NULL; k++) {
		struct item *i = rk_of(l->queue.next, struct item, link);
		rk_assert(i->of->m != NULL && !i->flying);
		rk_list_del(&i->link);
		rk_list_add(&c->items, &i->link);
		i->flying = true;
		load(c, i, &last, most);
	}
	load_partitions(c);
	return c;
}

static void
pump(struct node_txn *x, struct lane *l)
{
	struct node *n = x->node;
	int32_t id = l->to->id;
	bool here = id == n->conf->node_id;

	while (!rk_list_empty(&l->queue) && l->busy == NULL) {
		if (!here && !node_txn_link(n, id, "txn-markers", &l->wire)) {
			struct item *i = rk_of(l->queue.next, struct item, link);
			rk_list_del(&i->link);
			later(x, i);
			continue;
		}
		struct cargo *c = make_cargo(x, l);
		if (c->arena.over) {
			take_answer(c, RK_NO_MEMORY, NULL);
			unload(c);
		} else if (here) {
			if (!core_marks_write(n->core, &c->marks, &c->req, &c->res))
				written(&c->marks);
		} else {
			l->busy = c;
			node_link_ask(l->wire, &c->ask, KP_WRITE_TXN_MARKERS, 1, -1, &c->req, n->conf->request_timeout_ms);
			if (x->look.at_ms == INT64_MAX)
				rk_timer_set(&n->timers, &x->look, rk_now(n->env) + LOOK_MS);
		}
	}
}

static void
route(struct node_txn *x, struct item *i)
{
	const struct core_marker_part *p = &i->of->m->part[i->part];
	int32_t id;

	bool there = node_txn_leader(x->node, p->topic, p->partition, &id) == RK_OK;
	/* Deleted: there is nothing left to be decided. Or so new that this node has not heard of it yet. */
	if (!there && i->tries >= GONE_TRIES)
		tell(i, RK_OK);
	else if (!there || id < 0)
		later(x, i);
	else
		rk_list_add(&dest_of(x, id)->lane[i->aside ? 1 : 0].queue, &i->link);
}

static void
turn(struct rk_timer *t, int64_t now_ms)
{
	struct node_txn *x = rk_of(t, struct node_txn, turn);
	int64_t next = INT64_MAX;

	if (x->node->stopping || x->node->failed)
		return;
	rk_list_each_safe(&x->waiting, m, after) {
		struct item *i = rk_of(m, struct item, link);
		if (i->due_ms > now_ms) {
			next = rk_min(next, i->due_ms);
			continue;
		}
		rk_list_del(&i->link);
		rk_list_add(&x->fresh, &i->link);
	}
	while (!rk_list_empty(&x->fresh)) {
		struct item *i = rk_of(x->fresh.next, struct item, link);
		rk_list_del(&i->link);
		route(x, i);
	}
	rk_list_each(&x->dests, m)
		for (int k = 0; k < LANES; k++)
			pump(x, &rk_of(m, struct dest, link)->lane[k]);
	if (next != INT64_MAX)
		soon(x, next);
}

/* Is anybody waited for who is not there any more? */
static void
look(struct rk_timer *t, int64_t now_ms)
{
	struct node_txn *x = rk_of(t, struct node_txn, look);
	bool any = false;

	if (x->node->stopping || x->node->failed)
		return;
	rk_list_each(&x->dests, m) {
		struct dest *d = rk_of(m, struct dest, link);
		const struct core_broker *b = core_broker(x->node->core, d->id);
		for (int k = 0; k < LANES; k++) {
			struct cargo *c = d->lane[k].busy;
			if (c != NULL && (b == NULL || !b->active || !b->reachable)) {
				node_ask_forget(&c->ask);
				take_answer(c, RK_NETWORK_EXCEPTION, NULL);
				unload(c);
			}
			any |= d->lane[k].busy != NULL;
		}
	}
	if (any)
		rk_timer_set(&x->node->timers, t, now_ms + LOOK_MS);
}

/* --- the world */
static enum rk_err
producer_id(void *arg, int64_t *id)
{
	struct node *n = arg;

	return n->shared.producer_id(&n->shared, id);
}

void
node_txn_open(struct node *n)
{
	struct node_txn *x = rk_new(struct node_txn);
	struct core_txn_world w = { .arg = n, .producer_id = producer_id, .mark = mark, .unmark = unmark,
		.verify = node_txn_verify, .unverify = node_txn_unverify };

	x->node = n;
	rk_list_init(&x->all);
	rk_list_init(&x->fresh);
	rk_list_init(&x->waiting);
	rk_list_init(&x->dests);
	rk_list_init(&x->cargos);
	x->turn = (struct rk_timer){ .at_ms = INT64_MAX, .fire = turn };
	x->look = (struct rk_timer){ .at_ms = INT64_MAX, .fire = look };
	n->txn = x;
	node_txn_asks_open(n);
	core_txn_world(n->core, &w);
}

void
node_txn_close(struct node *n)
{
	struct node_txn *x = n->txn;

	if (x == NULL)
		return;
	x->closed = true;
	node_txn_asks_close(n);
	rk_timer_stop(&n->timers, &x->turn);
	rk_timer_stop(&n->timers, &x->look);
	while (!rk_list_empty(&x->cargos)) {
		struct cargo *c = rk_of(x->cargos.next, struct cargo, link);
		core_marks_forget(&c->marks);
		while (!rk_list_empty(&c->items)) {
			struct item *i = rk_of(c->items.next, struct item, link);
			rk_list_del(&i->link);
			i->flying = false;
			rk_list_add(&x->waiting, &i->link);
		}
		unload(c);
	}
	rk_list_each(&x->dests, m) {
		struct dest *d = rk_of(m, struct dest, link);
		for (int k = 0; k < LANES; k++) {
			node_link_free(d->lane[k].wire);
			d->lane[k].wire = NULL;
		}
	}
}

void
node_txn_free(struct node *n)
{
	struct node_txn *x = n->txn;

	if (x == NULL)
		return;
	rk_assert(x->closed);
	node_txn_asks_free(n);
	while (!rk_list_empty(&x->all)) { /* what no coordinator took back */
		struct owed *o = rk_of(x->all.next, struct owed, link);
		rk_list_del(&o->link);
		rk_mem_put(o);
	}
	while (!rk_list_empty(&x->dests)) {
		struct dest *d = rk_of(x->dests.next, struct dest, link);
		rk_list_del(&d->link);
		rk_mem_put(d);
	}
	rk_mem_put(x);
	n->txn = NULL;
}
