/* txn_move.c - what is under way: a record that is not committed yet, markers that are not all written.
 *
 *	start: the record is appended -> committed: the values are what it says, the asker is told ->
 *	    of a prepared transaction: markers are asked for -> all written: Complete is appended -> committed: over
 *
 * Nothing of it waits for the asker, who may be gone. A Complete that cannot be appended (too few replicas) is tried
 * again; a Prepare that cannot is not: the client hears of it. When the shard goes, so does all of this: the next
 * coordinator finds the records. */
#include "src/core/txn_in.h"
#include "base/mem.h"
#include "protocol/batch.h"
#include "src/config.h"

enum { RECORD_MAX = 64 << 20, AGAIN_MS = 100, EXPIRE_AT_ONCE = 1000 };

struct core_txn_move {
	struct core_txn *txn;
	struct core_txn_values to;
	struct core_write put;
	struct core_txn_asker *asker; /* NULL: nobody waits (any more) */
	enum rk_err then;             /* what it hears when all is well */
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
drop_move(struct core_txn_move *m)
{
	struct core_txn *t = m->txn;

	rk_assert(t->move == m && !m->marking);
	core_write_forget(&m->put);
	rk_timer_stop(t->home->core->timers, &m->step);
	if (m->to.parts != t->now.parts)
		rk_mem_put(m->to.parts);
	t->move = NULL;
	rk_mem_put(m);
}

/* The last thing that is done: the asker's next request may come at once. */
static void
tell(struct core_txn_asker *a, enum rk_err err)
{
	if (a == NULL)
		return;
	a->move = NULL;
	a->tell(a, err);
	a->done(a);
}

/* --- markers */
static void
mark(struct core_txn_move *m)
{
	struct core_txn *t = m->txn;
	const struct core_txn_world *w = core_txn_world_of(t->home->core);
	struct core_txn_parts *p = t->now.parts;

	rk_assert(t->now.state == CORE_TXN_PREPARE_COMMIT || t->now.state == CORE_TXN_PREPARE_ABORT);
	rk_assert(w != NULL && !m->marking);
	core_txn_decide_complete(t, &m->to);
	if (p == NULL || p->count == 0) {
		rk_timer_set(t->home->core->timers, &m->step, rk_now(t->home->core->env));
		return;
	}
	for (int32_t i = 0; i < p->count; i++)
		p->at[i].done = false;
	m->marker = (struct core_marker){ .producer_id = t->now.producer_id, .producer_epoch = t->now.epoch,
		.transaction_version = t->now.version, .coordinator_epoch = core_shard_partition(t->home->shard)->leader_epoch,
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
static void
written(struct core_write *w, enum rk_err err)
{
	struct core_txn_move *m = rk_of(w, struct core_txn_move, put);
	struct core_txn *t = m->txn;
	struct core_txn_asker *a = m->asker;

	rk_assert(t->move == m && !m->marking);
	m->asker = NULL;
	if (err != RK_OK) {
		drop_move(m);
		tell(a, err);
		return;
	}
	core_txn_become(t, &m->to);
	err = m->then;
	m->to.parts = NULL;
	if (t->now.state == CORE_TXN_PREPARE_COMMIT || t->now.state == CORE_TXN_PREPARE_ABORT) {
		mark(m);
	} else {
		m->to.parts = t->now.parts;
		drop_move(m);
	}
	core_txn_watch(t->home);
	tell(a, err);
}

/* All markers are written. */
static void
step(struct rk_timer *timer, int64_t now_ms)
{
	struct core_txn_move *m = rk_of(timer, struct core_txn_move, step);

	rk_assert(!m->marking && m->txn->move == m);
	if (write_record(m->txn, &m->to, &m->put) != RK_OK)
		rk_timer_set(m->txn->home->core->timers, timer, now_ms + AGAIN_MS);
}

static struct core_txn_move *
make(struct core_txn *t)
{
	struct core_txn_move *m = rk_new(struct core_txn_move);

	rk_assert(t->move == NULL);
	*m = (struct core_txn_move){ .txn = t, .put.done = written, .step = { .at_ms = INT64_MAX, .fire = step } };
	m->to.parts = t->now.parts;
	rk_list_init(&m->put.wait.link);
	m->put.soon = (struct rk_timer){ .at_ms = INT64_MAX };
	m->put.core = t->home->core;
	t->move = m;
	return m;
}

enum rk_err
core_txn_start(struct core_txn *t, const struct core_txn_values *to, struct core_txn_asker *a, enum rk_err then)
{
	struct core_txn_move *m = make(t);
	enum rk_err err = write_record(t, to, &m->put);

	if (err != RK_OK) {
		drop_move(m);
		return err;
	}
	m->to = *to;
	m->asker = a;
	m->then = then;
	if (a != NULL)
		a->move = m;
	return RK_OK;
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

	if (m == NULL)
		return;
	struct core_txn_asker *a = m->asker;
	unmark(m);
	drop_move(m);
	if (err != RK_OK)
		tell(a, err);
}

void
core_txn_forget(struct core_txn_asker *a)
{
	if (a->move == NULL)
		return;
	rk_assert(a->move->asker == a);
	a->move->asker = NULL;
	a->move = NULL;
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
