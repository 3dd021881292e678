/* txn_move.c - what is under way: a record that is not committed yet, markers that are not all written.
 *
 *	start: the record is appended -> committed: the values are what it says, the asker is told ->
 *	    of a prepared transaction: markers are asked for -> all written: Complete is appended: over
 *
 * Complete is believed before it is committed: whatever is decided by it stands behind it in the log. Nothing of this
 * waits for the asker, who may be gone. A Complete that cannot be appended (too few replicas) is tried again; a
 * Prepare that cannot is not: the client hears of it. When the shard goes, so does all of this: the next coordinator
 * finds the records.
 *
 * Who wants to add a partition meanwhile would be told CONCURRENT_TRANSACTIONS, and come again some twenty
 * milliseconds later. It waits here instead, for a short time, and all who wait are added by one record. */
#include "src/core/txn_in.h"
#include "base/mem.h"
#include "protocol/batch.h"
#include "src/config.h"

enum { RECORD_MAX = 64 << 20, AGAIN_MS = 100, EXPIRE_AT_ONCE = 1000, PATIENCE_MS = 200 };

struct core_txn_move {
	struct core_txn *txn;
	struct core_txn_values to;
	struct core_write put;
	struct rk_list askers;        /* who waits until it is written */
	enum rk_err then;             /* what they hear when all is well */
	struct rk_list parked;        /* who waits until it is over, to add partitions */
	struct rk_timer patience;     /* and no longer than this */
	struct core_marker marker;
	struct rk_timer step;         /* all markers are written: Complete is to be */
	bool marking;                 /* the world has the marker */
};

static enum rk_err
write_record(struct core_txn *t, const struct core_txn_values *v, struct core_write *w)
{
	struct core_txns *home = t->home;
	enum rk_err err = RK_UNKNOWN_SERVER_ERROR;
	struct rk_arena a;

	rk_assert(!home->own);
	rk_arena_init(&a, RECORD_MAX);
	struct kp_pair r = core_txn_record(t->id, v, home->core->transaction_version, &a);
	if (r.key.len >= 0 && r.value.len >= 0) {
		home->own = true;
		err = core_shard_write(home->shard, &r, 1, -1, -1, w);
		home->own = false;
	}
	rk_arena_free(&a);
	return err == RK_RECORD_LIST_TOO_LARGE ? RK_UNKNOWN_SERVER_ERROR : err;
}

static void
free_move(struct core_txn_move *m)
{
	struct core_txn *t = m->txn;

	rk_assert(t->move == m && !m->marking && rk_list_empty(&m->askers) && rk_list_empty(&m->parked));
	core_write_forget(&m->put);
	rk_timer_stop(t->home->core->timers, &m->step);
	rk_timer_stop(t->home->core->timers, &m->patience);
	if (m->to.parts != t->now.parts)
		rk_mem_put(m->to.parts);
	t->move = NULL;
	rk_mem_put(m);
}

static void
take(struct rk_list *from, struct rk_list *to, enum rk_err err)
{
	while (!rk_list_empty(from)) {
		struct core_txn_asker *a = rk_of(from->next, struct core_txn_asker, link);
		rk_list_del(&a->link);
		a->err = err;
		rk_list_add(to, &a->link);
	}
}

/* The last thing that is done: the next request of whoever is told may come at once. */
static void
tell(struct core_txns *home, struct rk_list *askers)
{
	while (!rk_list_empty(askers)) {
		struct core_txn_asker *a = rk_of(askers->next, struct core_txn_asker, link);
		rk_list_del(&a->link);
		if (core_txn_refuse(home, a))
			continue;
		a->tell(a, a->err);
		a->done(a);
	}
}

/* --- markers */
static void
mark(struct core_txn_move *m)
{
	struct core_txn *t = m->txn;
	const struct core_txn_world *w = core_txn_world_of(t->home->core);
	const struct core_partition *at = core_shard_partition(t->home->shard);
	struct core_txn_parts *p = t->now.parts;

	rk_assert(t->now.state == CORE_TXN_PREPARE_COMMIT || t->now.state == CORE_TXN_PREPARE_ABORT);
	rk_assert(w != NULL && !m->marking);
	core_txn_decide_complete(t, &m->to);
	if (at == NULL) /* lost, and about to be buried: the next coordinator finds it */
		return;
	if (p == NULL || p->count == 0) {
		rk_timer_set(t->home->core->timers, &m->step, rk_now(t->home->core->env));
		return;
	}
	for (int32_t i = 0; i < p->count; i++)
		p->at[i].done = false;
	m->marker = (struct core_marker){ .producer_id = t->now.producer_id, .producer_epoch = t->now.epoch,
		.transaction_version = t->now.version, .coordinator_epoch = at->leader_epoch,
		.commit = t->now.state == CORE_TXN_PREPARE_COMMIT, .part = p->at, .count = p->count, .left = p->count };
	rk_list_init(&m->marker.link);
	m->marking = true;
	w->mark(w->arg, &m->marker);
}

static void
unmark(struct core_txn_move *m)
{
	const struct core_txn_world *w = core_txn_world_of(m->txn->home->core);

	if (!m->marking)
		return;
	m->marking = false;
	w->unmark(w->arg, &m->marker);
}

void
core_marked(struct core_marker *k, int32_t part, enum rk_err err)
{
	struct core_txn_move *m = rk_of(k, struct core_txn_move, marker);
	struct core_txn *t = m->txn;

	rk_assert(m->marking && t->move == m && part >= 0 && part < k->count && !k->part[part].done && k->left > 0);
	if (err != RK_OK) {
		rk_say(RK_WARN,
		    "The marker of transactional id %.*s for %.*s-%" PRId32 " is refused (%s): a newer coordinator or producer "
		    "is at work. This one's transaction stays as it is until it is loaded again.",
		    t->id.len, t->id.at, k->part[part].topic.len, k->part[part].topic.at, k->part[part].partition,
		    rk_err_name(err));
		unmark(m);
		return;
	}
	k->part[part].done = true;
	if (--k->left > 0)
		return;
	m->marking = false;
	rk_timer_set(t->home->core->timers, &m->step, rk_now(t->home->core->env));
}

/* --- the record is committed, or will never be */
/* Nothing is under way any more; who has waited for that goes on. */
static void over(struct core_txn_move *, struct rk_list *told);

static void
written(struct core_write *w, enum rk_err err)
{
	struct core_txn_move *m = rk_of(w, struct core_txn_move, put);
	struct core_txn *t = m->txn;
	struct rk_list told;

	rk_assert(t->move == m && !m->marking);
	rk_list_init(&told);
	take(&m->askers, &told, err == RK_OK ? m->then : err);
	if (err == RK_OK) {
		core_txn_become(t, &m->to);
		m->to.parts = t->now.parts;
	}
	if (err == RK_OK && (t->now.state == CORE_TXN_PREPARE_COMMIT || t->now.state == CORE_TXN_PREPARE_ABORT))
		mark(m);
	else
		over(m, &told);
	core_txn_watch(t->home);
	tell(t->home, &told);
}

/* All markers are written. */
static void
step(struct rk_timer *timer, int64_t now_ms)
{
	struct core_txn_move *m = rk_of(timer, struct core_txn_move, step);
	struct core_txn *t = m->txn;
	struct rk_list told;

	rk_assert(!m->marking && t->move == m);
	if (write_record(t, &m->to, NULL) != RK_OK) {
		rk_timer_set(t->home->core->timers, timer, now_ms + AGAIN_MS);
		return;
	}
	rk_list_init(&told);
	core_txn_become(t, &m->to);
	over(m, &told);
	core_txn_watch(t->home);
	tell(t->home, &told);
}

static void
impatient(struct rk_timer *timer, int64_t now_ms)
{
	struct core_txn_move *m = rk_of(timer, struct core_txn_move, patience);
	struct rk_list told;

	(void)now_ms;
	rk_list_init(&told);
	take(&m->parked, &told, RK_CONCURRENT_TRANSACTIONS);
	tell(m->txn->home, &told);
}

static struct core_txn_move *
make(struct core_txn *t)
{
	struct core_txn_move *m = rk_new(struct core_txn_move);

	rk_assert(t->move == NULL);
	*m = (struct core_txn_move){ .txn = t, .put.done = written, .step = { .at_ms = INT64_MAX, .fire = step },
		.patience = { .at_ms = INT64_MAX, .fire = impatient } };
	rk_list_init(&m->askers);
	rk_list_init(&m->parked);
	m->to.parts = t->now.parts;
	rk_list_init(&m->put.wait.link);
	m->put.soon = (struct rk_timer){ .at_ms = INT64_MAX };
	m->put.core = t->home->core;
	t->move = m;
	return m;
}

/* Askers are taken from a list, when all is well. */
static enum rk_err
start(struct core_txn *t, const struct core_txn_values *to, struct rk_list *askers, enum rk_err then)
{
	struct core_txn_move *m = make(t);
	enum rk_err err = write_record(t, to, &m->put);

	if (err != RK_OK) {
		free_move(m);
		return err;
	}
	m->to = *to;
	m->then = then;
	take(askers, &m->askers, RK_OK);
	return RK_OK;
}

enum rk_err
core_txn_start(struct core_txn *t, const struct core_txn_values *to, struct core_txn_asker *a, enum rk_err then)
{
	struct rk_list one;

	rk_list_init(&one);
	if (a != NULL)
		rk_list_add(&one, &a->link);
	enum rk_err err = start(t, to, &one, then);
	if (a != NULL && err != RK_OK)
		rk_list_del(&a->link);
	return err;
}

/* --- who waits to add partitions */
/* One record for all of them. Who is answered at once goes to told. */
static void
add_all(struct core_txn *t, struct rk_list *askers, struct rk_list *told)
{
	struct core_txn_values to, more;
	struct rk_list go;
	enum rk_err err = RK_OK;
	bool there;

	rk_list_init(&go);
	while (!rk_list_empty(askers)) {
		struct core_txn_asker *a = rk_of(askers->next, struct core_txn_asker, link);
		rk_list_del(&a->link);
		a->err = core_txn_decide_add(t, a->producer_id, a->producer_epoch, a->part, a->count, a->client, &there, &more);
		if (a->err != RK_OK || there) {
			rk_list_add(told, &a->link);
			continue;
		}
		if (!rk_list_empty(&go)) {
			struct core_txn_parts *both = core_txn_join(more.parts, to.parts->at, to.parts->count);
			rk_mem_put(to.parts);
			rk_mem_put(more.parts);
			more.parts = both;
		}
		to = more;
		rk_list_add(&go, &a->link);
		if (to.parts == NULL) { /* no memory */
			take(&go, told, RK_UNKNOWN_SERVER_ERROR);
			return;
		}
	}
	if (rk_list_empty(&go))
		return;
	err = start(t, &to, &go, RK_OK);
	if (err == RK_OK)
		return;
	rk_mem_put(to.parts);
	take(&go, told, err);
}

static void
over(struct core_txn_move *m, struct rk_list *told)
{
	struct core_txn *t = m->txn;
	struct rk_list parked;

	rk_list_init(&parked);
	take(&m->parked, &parked, RK_OK);
	free_move(m);
	add_all(t, &parked, told);
}

bool
core_txn_add_soon(struct core_txn *t, struct core_txn_asker *a, enum rk_err *err)
{
	struct rk_list one, told;

	rk_list_init(&a->link);
	*err = RK_CONCURRENT_TRANSACTIONS;
	if (t->dying)
		return false;
	if (t->move != NULL) {
		if (rk_list_empty(&t->move->parked))
			rk_timer_set(t->home->core->timers, &t->move->patience, rk_now(t->home->core->env) + PATIENCE_MS);
		rk_list_add(&t->move->parked, &a->link);
		return true;
	}
	rk_list_init(&one);
	rk_list_init(&told);
	rk_list_add(&one, &a->link);
	add_all(t, &one, &told);
	if (rk_list_empty(&told))
		return true;
	rk_list_del(&a->link);
	*err = a->err;
	return false;
}

void
core_txn_resume(struct core_txn *t)
{
	mark(make(t));
}

void
core_txn_stop(struct core_txn *t, enum rk_err err)
{
	struct core_txn_move *m = t->move;
	struct rk_list told;

	if (m == NULL)
		return;
	rk_list_init(&told);
	take(&m->askers, &told, err);
	take(&m->parked, &told, err);
	unmark(m);
	free_move(m);
	if (err != RK_OK)
		tell(t->home, &told);
	while (!rk_list_empty(&told))
		rk_list_del(told.next);
}

/* --- transactions that take too long */
static void
fire_late(struct rk_timer *timer, int64_t now_ms)
{
	struct core_txns *home = rk_of(timer, struct core_txns, late);
	int64_t wall = rk_wall(home->core->env);

	(void)now_ms;
	rk_list_each_safe(&home->ongoing, m, next) {
		struct core_txn *t = rk_of(m, struct core_txn, link);
		struct core_txn_values to;
		if (t->move != NULL || t->now.start_ms + t->now.timeout_ms >= wall)
			continue;
		if (core_txn_decide_fence(t, &to) == RK_OK && core_txn_start(t, &to, NULL, RK_OK) == RK_OK)
			rk_say(RK_INFO, "Transactional id %.*s has not ended its transaction within %" PRId32 " ms: it is aborted.",
			    t->id.len, t->id.at, t->now.timeout_ms);
	}
	core_txn_watch(home);
}

/* --- transactional ids that nobody uses any more */
struct core_txn_expiry {
	struct core_write put;
	struct core_txns *home;
	int32_t count;
	struct core_txn *txn[EXPIRE_AT_ONCE];
};

static void
expired(struct core_write *w, enum rk_err err)
{
	struct core_txn_expiry *e = rk_of(w, struct core_txn_expiry, put);
	struct core_txns *home = e->home;
	bool more = e->count == EXPIRE_AT_ONCE;

	rk_assert(home->expiring == e);
	home->expiring = NULL;
	for (int32_t i = 0; i < e->count; i++) {
		e->txn[i]->dying = false;
		if (err == RK_OK)
			core_txn_drop(e->txn[i]);
	}
	rk_mem_put(e);
	if (err == RK_OK && more)
		rk_timer_set(home->core->timers, &home->expiry, rk_now(home->core->env));
}

static bool
unused(const struct core_txn *t, int64_t wall_ms)
{
	return t->move == NULL
	    && (t->now.state == CORE_TXN_EMPTY || t->now.state == CORE_TXN_COMPLETE_COMMIT
		|| t->now.state == CORE_TXN_COMPLETE_ABORT)
	    && t->now.update_ms <= wall_ms - t->home->core->conf->transactional_id_expiration_ms;
}

static void
fire_expiry(struct rk_timer *timer, int64_t now_ms)
{
	struct core_txns *home = rk_of(timer, struct core_txns, expiry);
	int64_t wall = rk_wall(home->core->env);
	struct rk_arena a;

	(void)now_ms;
	core_txn_watch(home);
	if (home->expiring != NULL)
		return;
	rk_arena_init(&a, RECORD_MAX);
	struct core_txn_expiry *e = rk_new(struct core_txn_expiry);
	struct kp_pair *r = rk_arena_get(&a, EXPIRE_AT_ONCE, sizeof *r);
	*e = (struct core_txn_expiry){ .put.done = expired, .home = home };
	for (struct core_txn *t = core_txn_next(home, NULL); r != NULL && t != NULL && e->count < EXPIRE_AT_ONCE;
	     t = core_txn_next(home, t))
		if (unused(t, wall)) {
			r[e->count] = core_txn_tombstone(t->id, &a);
			e->txn[e->count++] = t;
		}
	home->own = true;
	bool written = e->count > 0 && !a.over && core_shard_write(home->shard, r, e->count, -1, -1, &e->put) == RK_OK;
	home->own = false;
	rk_arena_free(&a);
	for (int32_t i = 0; written && i < e->count; i++)
		e->txn[i]->dying = true;
	if (written)
		home->expiring = e;
	else
		rk_mem_put(e);
}

/* --- timers: none runs for what is not there */
void
core_txn_timers_init(struct core_txns *home)
{
	home->late = (struct rk_timer){ .at_ms = INT64_MAX, .fire = fire_late };
	home->expiry = (struct rk_timer){ .at_ms = INT64_MAX, .fire = fire_expiry };
}

void
core_txn_timers_stop(struct core_txns *home)
{
	rk_timer_stop(home->core->timers, &home->late);
	rk_timer_stop(home->core->timers, &home->expiry);
	if (home->expiring == NULL)
		return;
	core_write_forget(&home->expiring->put);
	rk_mem_put(home->expiring);
	home->expiring = NULL;
}

void
core_txn_watch(struct core_txns *home)
{
	const struct conf *conf = home->core->conf;
	int64_t now = rk_now(home->core->env);

	if (home->late.at_ms == INT64_MAX && !rk_list_empty(&home->ongoing))
		rk_timer_set(home->core->timers, &home->late,
		    now + conf->transaction_abort_timed_out_transaction_cleanup_interval_ms);
	if (home->expiry.at_ms == INT64_MAX && home->by_id.count > 0)
		rk_timer_set(home->core->timers, &home->expiry,
		    now + conf->transaction_remove_expired_transaction_cleanup_interval_ms);
}
