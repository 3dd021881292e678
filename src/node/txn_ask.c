/* txn_ask.c - questions of partitions' leaders to the coordinators of transactional ids: AddPartitionsToTxn of version
 * 4 and later, which verifies or adds (KIP-890).
 *
 * What is asked of one coordinator goes in one request, one at a time; a transactional id is in it once, because that
 * is what an answer is found by. A coordinator that is this node's own is asked without a socket. */
#include "base/mem.h"
#include "protocol/gen/add_partitions_to_txn.h"
#include "protocol/gen/keys.h"
#include "src/core/broker.h"
#include "src/node/txn.h"

enum { FROM_BROKERS = 4, ABORTABLE = 5, LOOK_MS = 500, LETTER_MAX = 500, ARENA_MAX = 64 << 20 };

typedef struct kp_add_partitions_to_txn_req_transactions txn_in;
typedef struct kp_add_partitions_to_txn_req_transactions_topics topic_in;
typedef struct kp_add_partitions_to_txn_res_results_by_transaction txn_out;

struct letter { /* to another node, or one question to this one */
	struct rk_list link; /* in node_txn_asks */
	struct node *node;
	struct dest *to;     /* NULL: this node */
	struct core_verify **v; /* NULL: taken back */
	int32_t count;
	struct node_ask ask;
	struct core_txn_asker asker;
	bool waits;          /* the asker is kept */
	struct rk_arena arena;
	struct kp_add_partitions_to_txn_req req;
	txn_out res;         /* this node's */
};
struct dest {
	struct rk_list link;
	int32_t id;
	struct node_link *wire;
	struct rk_list queue;  /* of core_verify */
	struct letter *busy;
};
struct node_txn_asks {
	struct node *node;
	struct rk_list asked;  /* of core_verify: where to is not known yet */
	struct rk_list letters, dests;
	struct rk_timer turn, look;
	bool closed;
};

static void pump(struct node *, struct dest *);
static node_answered answered;

static void
answer(struct core_verify *v, enum rk_err err)
{
	v->node = NULL;
	for (int32_t i = 0; i < v->count; i++)
		v->part[i].err = err;
	v->done(v);
}

static enum rk_err
verdict(const txn_out *r, const struct core_verify_part *p)
{
	for (int32_t i = 0; i < r->topic_results.len; i++) {
		if (!rk_str_eq(r->topic_results.at[i].name, p->topic))
			continue;
		for (int32_t k = 0; k < r->topic_results.at[i].results_by_partition.len; k++)
			if (r->topic_results.at[i].results_by_partition.at[k].partition_index == p->partition)
				return rk_err_of_wire(r->topic_results.at[i].results_by_partition.at[k].partition_error_code);
	}
	return RK_NETWORK_EXCEPTION; /* not said: as if no answer had come */
}

static void
take_answer(struct core_verify *v, const txn_out *r)
{
	v->node = NULL;
	for (int32_t i = 0; i < v->count; i++)
		v->part[i].err = r == NULL ? RK_NETWORK_EXCEPTION : verdict(r, &v->part[i]);
	v->done(v);
}

/* --- letters */
/* One question, as the request has it. copied: its strings must outlive it. */
static void
write_txn(struct letter *l, const struct core_verify *v, bool copied, txn_in *to)
{
	struct rk_arena *a = &l->arena;
	topic_in *t = rk_arena_get(a, (size_t)v->count, sizeof *t);
	int32_t *index = rk_arena_get(a, (size_t)v->count, sizeof *index);

	*to = (txn_in){ .transactional_id = copied ? rk_arena_str(a, v->transactional_id) : v->transactional_id,
		.producer_id = v->producer_id, .producer_epoch = v->producer_epoch, .verify_only = !v->add, .topics.at = t };
	for (int32_t i = 0; i < v->count && t != NULL && index != NULL; i++) {
		struct rk_str name = v->part[i].topic;
		topic_in *last = to->topics.len == 0 ? NULL : &t[to->topics.len - 1];
		if (last == NULL || !rk_str_eq(last->name, name)) {
			last = &t[to->topics.len++];
			last->name = copied ? rk_arena_str(a, name) : name;
			last->partitions.at = &index[i];
		}
		index[i] = v->part[i].partition;
		last->partitions.len++;
	}
}

static struct letter *
begin(struct node *n, struct dest *d, int32_t most)
{
	struct letter *l = rk_new(struct letter);

	l->node = n;
	l->to = d;
	node_ask_init(&l->ask, answered);
	rk_arena_init(&l->arena, ARENA_MAX);
	l->v = rk_arena_get(&l->arena, (size_t)most, sizeof *l->v);
	kp_defaults(&kp_add_partitions_to_txn_req_d, &l->req);
	l->req.transactions.at = rk_arena_get(&l->arena, (size_t)most, sizeof *l->req.transactions.at);
	rk_list_add(&n->txn_asks->letters, &l->link);
	return l;
}

static void
put(struct letter *l, struct core_verify *v)
{
	rk_list_del(&v->link);
	v->node = l;
	l->v[l->count++] = v;
	write_txn(l, v, l->to != NULL, &l->req.transactions.at[l->req.transactions.len++]);
}

static void
end(struct letter *l)
{
	if (l->to != NULL && l->to->busy == l)
		l->to->busy = NULL;
	rk_list_del(&l->link);
	node_ask_forget(&l->ask);
	rk_arena_free(&l->arena);
	rk_mem_put(l);
}

/* The whole letter fails. */
static void
fail(struct letter *l, enum rk_err err)
{
	for (int32_t i = 0; i < l->count; i++)
		if (l->v[i] != NULL)
			answer(l->v[i], err);
	l->count = 0;
}

/* --- this node coordinates */
static void
added(struct core_txn_asker *a)
{
	struct letter *l = rk_of(a, struct letter, asker);
	struct core_verify *v = l->v[0];

	l->waits = false;
	take_answer(v, l->arena.over ? NULL : &l->res);
	end(l);
}

static void
ask_here(struct node *n, struct core_verify *v)
{
	struct core_shard *s;
	enum rk_err err = core_coord_find(n->shared.txns, v->transactional_id, &s);

	rk_list_del(&v->link);
	if (err != RK_OK) {
		answer(v, err);
		return;
	}
	struct letter *l = begin(n, NULL, 1);
	l->asker = (struct core_txn_asker){ .done = added, .arena = &l->arena, .version = ABORTABLE };
	put(l, v);
	l->waits = !l->arena.over && core_txn_add(s, &l->asker, &l->req.transactions.at[0], &l->res);
	if (!l->waits)
		added(&l->asker);
}

/* --- another node does */
static void
answered(struct node_ask *a, enum rk_err err, const void *answer_, int16_t version)
{
	struct letter *l = rk_of(a, struct letter, ask);
	const struct kp_add_partitions_to_txn_res *res = answer_;
	struct dest *d = l->to;
	struct node *n = l->node;

	(void)version;
	if (n->stopping || n->failed)
		return;
	if (err == RK_OK && res->error_code != 0) { /* what is between brokers is not for clients' eyes */
		err = rk_err_of_wire(res->error_code);
		fail(l, err == RK_CLUSTER_AUTHORIZATION_FAILED ? RK_INVALID_TXN_STATE : err);
	} else if (err != RK_OK) {
		fail(l, RK_NETWORK_EXCEPTION);
	} else {
		for (int32_t i = 0; i < l->count; i++) {
			const txn_out *r = NULL;
			for (int32_t k = 0; k < res->results_by_transaction.len; k++)
				if (rk_str_eq(res->results_by_transaction.at[k].transactional_id, l->req.transactions.at[i].transactional_id))
					r = &res->results_by_transaction.at[k];
			if (l->v[i] != NULL)
				take_answer(l->v[i], r);
		}
	}
	end(l);
	pump(n, d);
}

static bool
in_letter(const struct letter *l, struct rk_str id)
{
	for (int32_t i = 0; i < l->count; i++)
		if (rk_str_eq(l->req.transactions.at[i].transactional_id, id))
			return true;
	return false;
}

static void
pump(struct node *n, struct dest *d)
{
	struct rk_list refused;

	if (d->busy != NULL || rk_list_empty(&d->queue))
		return;
	if (!node_txn_link(n, d->id, "txn-verify", &d->wire)) {
		rk_list_init(&refused);
		while (!rk_list_empty(&d->queue)) {
			struct rk_list *m = d->queue.next;
			rk_list_del(m);
			rk_list_add(&refused, m);
		}
		while (!rk_list_empty(&refused)) {
			struct core_verify *v = rk_of(refused.next, struct core_verify, link);
			rk_list_del(&v->link);
			answer(v, RK_NETWORK_EXCEPTION);
		}
		return;
	}
	struct letter *l = begin(n, d, LETTER_MAX);
	rk_list_each_safe(&d->queue, m, after) {
		struct core_verify *v = rk_of(m, struct core_verify, link);
		if (!l->arena.over && l->count < LETTER_MAX && !in_letter(l, v->transactional_id))
			put(l, v);
	}
	if (l->arena.over) {
		fail(l, RK_NETWORK_EXCEPTION);
		end(l);
		return;
	}
	d->busy = l;
	if (n->txn_asks->look.at_ms == INT64_MAX)
		rk_timer_set(&n->timers, &n->txn_asks->look, rk_now(n->env) + LOOK_MS);
	node_link_ask(d->wire, &l->ask, KP_ADD_PARTITIONS_TO_TXN, FROM_BROKERS, -1, &l->req, n->conf->request_timeout_ms);
}

/* --- where to */
static struct dest *
dest_of(struct node_txn_asks *x, int32_t id)
{
	rk_list_each(&x->dests, m)
		if (rk_of(m, struct dest, link)->id == id)
			return rk_of(m, struct dest, link);
	struct dest *d = rk_new(struct dest);
	d->id = id;
	rk_list_init(&d->queue);
	rk_list_add(&x->dests, &d->link);
	return d;
}

/* The node that leads the id's partition of the topic; -1: nobody does. */
static int32_t
coordinator(struct node *n, struct rk_str id)
{
	struct rk_str topic = rk_lit("__transaction_state");
	struct meta_view v;
	struct meta_topic t;
	int32_t leader = -1;

	meta_view_begin(n->image, &v);
	bool there = meta_topic_named(&v, topic, &t) && t.partitions > 0;
	int32_t at = there ? core_coord_slot(id, t.partitions) : -1;
	meta_view_end(&v);
	return at < 0 || node_txn_leader(n, topic, at, &leader) != RK_OK ? -1 : leader;
}

static void
ask(struct node *n, struct core_verify *v)
{
	int32_t id = coordinator(n, v->transactional_id);

	if (id == n->conf->node_id) {
		ask_here(n, v);
		return;
	}
	rk_list_del(&v->link);
	if (id < 0) {
		answer(v, RK_COORDINATOR_NOT_AVAILABLE);
		return;
	}
	rk_list_add(&dest_of(n->txn_asks, id)->queue, &v->link);
}

static void
turn(struct rk_timer *timer, int64_t now_ms)
{
	struct node_txn_asks *x = rk_of(timer, struct node_txn_asks, turn);
	struct rk_list now;

	(void)now_ms;
	if (x->node->stopping || x->node->failed)
		return;
	rk_list_init(&now); /* what is asked by those who are answered waits for another turn */
	while (!rk_list_empty(&x->asked)) {
		struct rk_list *m = x->asked.next;
		rk_list_del(m);
		rk_list_add(&now, m);
	}
	while (!rk_list_empty(&now))
		ask(x->node, rk_of(now.next, struct core_verify, link));
	rk_list_each(&x->dests, m)
		pump(x->node, rk_of(m, struct dest, link));
}

/* Is anybody waited for who is not there any more? */
static void
look(struct rk_timer *t, int64_t now_ms)
{
	struct node_txn_asks *x = rk_of(t, struct node_txn_asks, look);
	bool any = false;

	if (x->node->stopping || x->node->failed)
		return;
	rk_list_each(&x->dests, m) {
		struct dest *d = rk_of(m, struct dest, link);
		const struct core_broker *b = core_broker(x->node->core, d->id);
		if (d->busy != NULL && (b == NULL || !b->active || !b->reachable)) {
			struct letter *l = d->busy;
			node_ask_forget(&l->ask);
			fail(l, RK_NETWORK_EXCEPTION);
			end(l);
			pump(x->node, d);
		}
		any |= d->busy != NULL;
	}
	if (any)
		rk_timer_set(&x->node->timers, t, now_ms + LOOK_MS);
}

void
node_txn_verify(void *arg, struct core_verify *v)
{
	struct node *n = arg;
	struct node_txn_asks *x = n->txn_asks;

	rk_assert(v->count > 0 && v->done != NULL);
	v->node = NULL;
	rk_list_init(&v->link);
	if (x->closed)
		return;
	rk_list_add(&x->asked, &v->link);
	rk_timer_set(&n->timers, &x->turn, rk_now(n->env));
}

void
node_txn_unverify(void *arg, struct core_verify *v)
{
	struct letter *l = v->node;

	(void)arg;
	v->node = NULL;
	rk_list_del(&v->link);
	if (l == NULL)
		return;
	for (int32_t i = 0; i < l->count; i++)
		if (l->v[i] == v)
			l->v[i] = NULL;
	if (l->waits) { /* nobody else is in it */
		core_txn_forget(&l->asker);
		end(l);
	}
}

void
node_txn_asks_open(struct node *n)
{
	struct node_txn_asks *x = rk_new(struct node_txn_asks);

	x->node = n;
	rk_list_init(&x->asked);
	rk_list_init(&x->letters);
	rk_list_init(&x->dests);
	x->turn = (struct rk_timer){ .at_ms = INT64_MAX, .fire = turn };
	x->look = (struct rk_timer){ .at_ms = INT64_MAX, .fire = look };
	n->txn_asks = x;
}

void
node_txn_asks_close(struct node *n)
{
	struct node_txn_asks *x = n->txn_asks;

	x->closed = true;
	rk_timer_stop(&n->timers, &x->turn);
	rk_timer_stop(&n->timers, &x->look);
	while (!rk_list_empty(&x->letters)) {
		struct letter *l = rk_of(x->letters.next, struct letter, link);
		if (l->waits)
			core_txn_forget(&l->asker);
		end(l);
	}
	while (!rk_list_empty(&x->dests)) {
		struct dest *d = rk_of(x->dests.next, struct dest, link);
		node_link_free(d->wire);
		rk_list_del(&d->queue); /* those in it are their askers' */
		rk_list_del(&d->link);
		rk_mem_put(d);
	}
}

void
node_txn_asks_free(struct node *n)
{
	rk_mem_put(n->txn_asks);
	n->txn_asks = NULL;
}
