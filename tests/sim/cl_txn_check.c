/* cl_txn_check.c - what must hold of transactions in cluster_sim. See cluster.h.
 *
 * The coordinators' log is read along, as far as it is committed, past the nodes: each transactional id goes from
 * state to state as it may, and when a transaction is said to be complete, its markers lie on stable storage. In the
 * end the logs of all partitions are read: each marker was decided and each decision has its markers; no transaction
 * is left open; what was acknowledged as committed is there as a whole and was given to every read_committed consumer,
 * all else was given to none; and who copies has copied everything once, up to the group's committed offset. */
#include "src/core/txn_in.h"
#include "src/node/inside.h"
#include "tests/sim/cluster.h"

static struct cl_tid *
tid_named(struct cl *cl, struct rk_str name)
{
	for (uint32_t i = 0; i < cl->plan.tids; i++)
		if (rk_str_is(name, cl->tid[i].name))
			return &cl->tid[i];
	return NULL;
}

static struct cl_part *
part_named(struct cl *cl, struct rk_str topic, int32_t index)
{
	if (index < 0 || index >= CL_PARTS)
		return NULL;
	for (uint32_t i = 0; i < cl->plan.topics; i++)
		if (rk_str_is(topic, cl->topic[i].name))
			return &cl->topic[i].part[index];
	for (uint32_t i = 0; i < CL_INNER; i++)
		if (rk_str_is(topic, cl->inner[i].name))
			return &cl->inner[i].part[index];
	return NULL;
}

/* --- the coordinators' log, as it grows */

static const char *
state_name(uint8_t s)
{
	static const char *const name[] = { "Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit",
		"CompleteAbort" };

	return s < rk_countof(name) ? name[s] : "?";
}

static bool
may_follow(uint8_t from, uint8_t to)
{
	bool prepared = from == CORE_TXN_PREPARE_COMMIT || from == CORE_TXN_PREPARE_ABORT;

	switch (to) {
	case CORE_TXN_EMPTY:
	case CORE_TXN_ONGOING: return !prepared;
	case CORE_TXN_PREPARE_COMMIT: return from == CORE_TXN_ONGOING;
	case CORE_TXN_PREPARE_ABORT: return !prepared; /* of nothing, with transaction.version 2 */
	case CORE_TXN_COMPLETE_COMMIT: return from == CORE_TXN_PREPARE_COMMIT;
	default: return from == CORE_TXN_PREPARE_ABORT;
	}
}

static bool
marker_says(const uint8_t *b, bool *commit)
{
	struct kp_records_iter it;
	struct kp_record r;

	kp_records_start(&it, b, NULL, 0);
	if (!kp_records_next(&it, &r) || r.key.len < 4)
		return false;
	*commit = rk_get16(r.key.at + 2) == 1;
	return true;
}

struct wanted {
	const struct cl_decided *d;
	int64_t at; /* where it is; -1 */
};

static bool
is_marker(void *arg, const struct cl_batch *b)
{
	struct wanted *w = arg;
	bool commit;

	if (!b->control || b->producer != w->d->id || b->producer_epoch != w->d->epoch || !marker_says(b->at, &commit)
	    || commit != w->d->commit)
		return true;
	w->at = b->base;
	return false;
}

/* Its markers are where a power cut leaves them, on enough nodes. */
static void
marked(struct cl *cl, const struct cl_decided *d, struct cl_part *p)
{
	struct cl_tid_state *s = &cl->state[d->tid];
	int64_t from = s->floor[p->number], low = INT64_MAX;
	int32_t safe = 0;

	for (uint32_t i = 0; i < cl->nodes; i++) {
		struct wanted w = { d, -1 };
		if (!cl->node[i].broker)
			continue;
		(void)cl_look(&cl->node[i], p, from, !cl->plan.caching, is_marker, &w);
		safe += w.at >= 0 || cl->node[i].empty_handed;
		low = w.at >= 0 ? rk_min(low, w.at) : low; /* a former leader may have one that is cut away */
	}
	if (low < INT64_MAX)
		s->floor[p->number] = low + 1;
	if (safe < cl->plan.min_isr)
		cl_fail(cl, "the transaction of %s (producer %" PRId64 " epoch %d) is said to be complete, and its %s marker is on "
		    "the stable storage of %d nodes in %s-%d", cl->tid[d->tid].name, d->id, d->epoch,
		    d->commit ? "commit" : "abort", safe, p->topic->name, p->index);
}

static void
decided(struct cl *cl, struct cl_tid *t, const struct core_txn_values *v)
{
	struct cl_decided *d = rk_mem_room((void **)&cl->decided, cl->decideds, &cl->decided_cap, sizeof *d);

	*d = (struct cl_decided){ .tid = t->number, .id = v->producer_id, .epoch = v->epoch,
		.commit = v->state == CORE_TXN_PREPARE_COMMIT };
	for (int32_t i = 0; v->parts != NULL && i < v->parts->count; i++) {
		struct cl_part *p = part_named(cl, v->parts->at[i].topic, v->parts->at[i].partition);
		if (p == NULL || d->parts == rk_countof(d->part))
			cl_fail(cl, "a transaction of %s has a partition that nobody wrote to", t->name);
		else
			d->part[d->parts++] = p;
	}
	cl->state[t->number].decided = ++cl->decideds;
}

static void
state_record(struct cl *cl, const struct kp_record *r)
{
	struct core_txn_values v = { .producer_id = -1 };
	struct rk_str name;
	struct cl_tid *t;
	bool gone;

	bool read = core_txn_read(r->key, r->value, &cl->arena, &name, &gone, &v);
	if (read && gone && name.len == 0) /* of a refusal: it changes nothing */
		return;
	if (!read || gone || (t = tid_named(cl, name)) == NULL) {
		cl_fail(cl, "the coordinators' log has a record at %" PRId64 " that nobody knows", r->offset);
		return;
	}
	struct cl_tid_state *s = &cl->state[t->number];
	cl_tell(cl, "%s: %s, producer %" PRId64 " epoch %d, %d partitions (at %" PRId64 ")", t->name, state_name(v.state),
	    v.producer_id, v.epoch, v.parts == NULL ? 0 : v.parts->count, r->offset);
	if (!may_follow(s->state, v.state))
		cl_fail(cl, "%s goes from %s to %s", t->name, state_name(s->state), state_name(v.state));
	if (v.producer_id == s->id && v.epoch < s->epoch)
		cl_fail(cl, "%s: the epoch of producer %" PRId64 " goes back from %d to %d", t->name, v.producer_id, s->epoch,
		    v.epoch);
	s->id = v.producer_id;
	s->epoch = v.epoch;
	s->state = v.state;
	if (v.state == CORE_TXN_PREPARE_COMMIT || v.state == CORE_TXN_PREPARE_ABORT)
		decided(cl, t, &v);
	if ((v.state == CORE_TXN_COMPLETE_COMMIT || v.state == CORE_TXN_COMPLETE_ABORT) && s->decided > 0) {
		struct cl_decided *d = &cl->decided[s->decided - 1];
		d->complete = true;
		for (uint32_t i = 0; i < d->parts && cl->failure[0] == 0; i++)
			marked(cl, d, d->part[i]);
	}
	rk_mem_put(v.parts);
}

struct reader {
	struct cl *cl;
	int64_t *at, end;
};

static bool
state_batch(void *arg, const struct cl_batch *b)
{
	struct reader *x = arg;
	struct kp_records_iter it;
	struct kp_record r;

	if (b->base + b->count > x->end || x->cl->failure[0] != 0)
		return false;
	if (b->base < *x->at)
		return true;
	*x->at = b->base + b->count;
	kp_records_start(&it, b->at, NULL, 0);
	while (!b->control && x->cl->failure[0] == 0 && kp_records_next(&it, &r))
		state_record(x->cl, &r);
	return true;
}

/* What any replica calls committed is: a follower may compact it away while nobody leads. The end is a leader's. */
static int64_t
read_along(struct cl *cl, int32_t part)
{
	int64_t all = 0;

	for (uint32_t i = 0; i < cl->nodes && cl->failure[0] == 0; i++) {
		struct cl_node *n = &cl->node[i];
		if (!n->broker || n->state == CL_DOWN || node_failed(n->node))
			continue;
		struct core_partition *p = core_partition(core_topic_named(n->node->core, rk_str_of(cl->inner[0].name)), part);
		if (p == NULL)
			continue;
		if (p->leads)
			all = rk_max(all, core_end(p));
		struct reader x = { cl, &cl->state_at[part], p->high };
		if (p->high > cl->state_at[part])
			(void)cl_look(n, &cl->inner[0].part[part], cl->state_at[part], false, state_batch, &x);
	}
	return all;
}

/* --- an end is granted */
struct ends {
	struct cl *cl;
	const char *name;
	uint32_t count;
};

static bool
count_ends(void *arg, const struct cl_batch *b)
{
	struct ends *x = arg;
	struct kp_records_iter it;
	struct kp_record r;

	kp_records_start(&it, b->at, NULL, 0);
	while (!b->control && kp_records_next(&it, &r)) {
		struct core_txn_values v = { .producer_id = -1 };
		struct rk_str name;
		bool gone;
		if (core_txn_read(r.key, r.value, &x->cl->arena, &name, &gone, &v) && !gone && rk_str_is(name, x->name))
			x->count += v.state == CORE_TXN_PREPARE_COMMIT || v.state == CORE_TXN_PREPARE_ABORT;
		rk_mem_put(v.parts);
	}
	return true;
}

/* When the answer leaves: so many decisions are where a power cut leaves them, on enough nodes. */
void
cl_txn_ended(struct cl *cl, const struct cl_tid *t, uint32_t ends)
{
	int32_t part = core_coord_slot(rk_str_of(t->name), cl->inner[0].parts), safe = 0;

	rk_arena_reset(&cl->arena);
	for (uint32_t i = 0; i < cl->nodes; i++) {
		struct ends x = { cl, t->name, 0 };
		if (!cl->node[i].broker)
			continue;
		(void)cl_look(&cl->node[i], &cl->inner[0].part[part], 0, true, count_ends, &x);
		safe += x.count >= ends || cl->node[i].empty_handed;
	}
	if (safe < cl->plan.min_isr)
		cl_fail(cl, "an end of %s is granted, and of %u decisions all are on the stable storage of %d nodes", t->name, ends,
		    safe);
}

void
cl_txn_watch(struct cl *cl)
{
	rk_arena_reset(&cl->arena);
	for (int32_t i = 0; i < cl->inner[0].parts; i++)
		(void)read_along(cl, i);
}

bool
cl_txns_decided(struct cl *cl, char why[256])
{
	for (int32_t i = 0; i < cl->inner[0].parts; i++)
		if (read_along(cl, i) > cl->state_at[i]) {
			snprintf(why, 256, "the coordinators' log is committed up to %" PRId64 " only", cl->state_at[i]);
			return false;
		}
	for (uint32_t i = 0; i < cl->plan.tids; i++) {
		const struct cl_tid_state *s = &cl->state[i];
		if (s->state == CORE_TXN_ONGOING || s->state == CORE_TXN_PREPARE_COMMIT || s->state == CORE_TXN_PREPARE_ABORT) {
			snprintf(why, 256, "the transaction of %s hangs: %s", cl->tid[i].name, state_name(s->state));
			return false;
		}
	}
	return true;
}

/* --- the logs, in the end */

void
cl_txn_log_batch(struct cl *cl, struct cl_part *p, const struct cl_batch *b)
{
	struct cl_op *op = cl_op_of(cl, b->hash);
	bool commit;

	if (op != NULL && op->tx > 0 && (kp_batch_attr(b->at) & KP_ATTR_TXN) == 0)
		cl_fail(cl, "%s-%d at %" PRId64 " was sent in a transaction and is in none", p->topic->name, p->index, b->base);
	if (!b->control)
		return;
	if (!marker_says(b->at, &commit)) {
		cl_fail(cl, "%s-%d at %" PRId64 " has a marker that cannot be read", p->topic->name, p->index, b->base);
		return;
	}
	*(struct cl_marker *)rk_mem_room((void **)&cl->marker, cl->markers, &cl->marker_cap, sizeof *cl->marker) =
	    (struct cl_marker){ p, b->base, b->producer, b->producer_epoch, commit };
	cl->markers++;
}

static bool
decides(const struct cl_decided *d, const struct cl_part *p, const struct cl_marker *m)
{
	bool in = false;

	for (uint32_t i = 0; i < d->parts; i++)
		in |= d->part[i] == p;
	return in && d->id == m->id && d->epoch == m->epoch;
}

/* Markers of one producer and epoch: they say what was decided, in that order, though some may say it twice. */
static void
in_order(struct cl *cl, struct cl_part *p, const struct cl_marker *of)
{
	uint32_t k = 0;
	int last = -1;

	for (uint32_t i = 0; i < cl->markers; i++) {
		const struct cl_marker *m = &cl->marker[i];
		if (m->part != p || m->id != of->id || m->epoch != of->epoch)
			continue;
		if (m->commit == last)
			continue;
		last = m->commit;
		while (k < cl->decideds && !(decides(&cl->decided[k], p, m) && cl->decided[k].commit == m->commit))
			k++;
		if (k == cl->decideds) {
			cl_fail(cl, "%s-%d has a%s marker of producer %" PRId64 " epoch %d at %" PRId64 " that no coordinator decided",
			    p->topic->name, p->index, m->commit ? " commit" : "n abort", m->id, m->epoch, m->base);
			return;
		}
		k++;
	}
}

void
cl_txn_log_end(struct cl *cl, struct cl_part *p)
{
	for (uint32_t i = 0; i < cl->markers && cl->failure[0] == 0; i++)
		if (cl->marker[i].part == p)
			in_order(cl, p, &cl->marker[i]);
}

/* The marker that decides a batch: the first behind it of its producer. */
static enum cl_fate
fate_of(struct cl *cl, const struct cl_op *op, int64_t id)
{
	for (uint32_t i = 0; i < cl->markers; i++)
		if (cl->marker[i].part == op->part && cl->marker[i].id == id && cl->marker[i].base > op->base)
			return cl->marker[i].commit ? CL_COMMITTED : CL_ABORTED;
	return CL_UNDECIDED;
}

static void
verify_op(struct cl *cl, struct cl_op *op)
{
	uint32_t number = (uint32_t)(op - cl->op);
	struct cl_tx *t = op->tx > 0 ? &cl->tx[op->tx - 1] : NULL;
	enum cl_fate fate = t == NULL ? CL_COMMITTED : op->base < 0 ? CL_ABORTED : fate_of(cl, op, t->id);

	if (fate == CL_UNDECIDED)
		cl_fail(cl, "batch %u of %s-%d at %" PRId64 " is of a transaction that hangs (tx%u, life %u, producer %" PRId64
		    " epoch %d)", number, op->part->topic->name, op->part->index, op->base, t->tid, t->life, t->id, t->epoch);
	if (t != NULL && fate == CL_COMMITTED && (!t->commits || t->acked == CL_ABORTED))
		cl_fail(cl, "batch %u of %s-%d at %" PRId64 " is committed, and its transaction (tx%u, life %u) was %s", number,
		    op->part->topic->name, op->part->index, op->base, t->tid, t->life,
		    t->acked == CL_ABORTED ? "acknowledged as aborted" : t->fenced ? "its fenced producer's" : "never committed");
	if (t != NULL && fate == CL_ABORTED && t->acked == CL_COMMITTED)
		cl_fail(cl, "batch %u of %s-%d at %" PRId64 " is %s, and its transaction (tx%u, life %u) was acknowledged as "
		    "committed", number, op->part->topic->name, op->part->index, op->base,
		    op->base < 0 ? "nowhere" : "aborted", t->tid, t->life);
	if (op->fate != CL_UNDECIDED && op->fate != fate)
		cl_fail(cl, "batch %u of %s-%d at %" PRId64 " was %s read_committed consumers, and is %s", number,
		    op->part->topic->name, op->part->index, op->base, op->fate == CL_COMMITTED ? "given to" : "kept from",
		    fate == CL_COMMITTED ? "committed" : "aborted");
	for (uint32_t c = 0; c < cl->plan.consumers && op->base >= 0; c++)
		if (cl->consumer[c].committed && fate == CL_COMMITTED && (op->given & 1u << c) == 0)
			cl_fail(cl, "batch %u of %s-%d at %" PRId64 " is committed, and consumer %u was never given it", number,
			    op->part->topic->name, op->part->index, op->base, c);
	op->fate = fate;
}

/* A transaction is there as a whole, or not at all. */
static void
verify_tx(struct cl *cl, uint32_t number)
{
	uint32_t committed = 0, ops = 0;

	for (uint32_t i = 0; i < cl->ops; i++) {
		ops += cl->op[i].tx == number;
		committed += cl->op[i].tx == number && cl->op[i].fate == CL_COMMITTED;
	}
	if (committed != 0 && committed != ops)
		cl_fail(cl, "of transaction %u (tx%u, life %u) %u batches of %u are committed", number, cl->tx[number - 1].tid,
		    cl->tx[number - 1].life, committed, ops);
	cl->tx[number - 1].fate = committed > 0 ? CL_COMMITTED : CL_ABORTED;
}

struct copied {
	int64_t from, to;
};

static int
by_from(const void *a, const void *b)
{
	const struct copied *x = a, *y = b;

	return x->from != y->from ? (x->from > y->from) - (x->from < y->from) : (x->to > y->to) - (x->to < y->to);
}

/* Markers, and what was aborted. */
static bool
nothing_in(struct cl *cl, const struct cl_part *p, int64_t from, int64_t to)
{
	for (uint32_t i = 0; i < cl->ops; i++)
		if (cl->op[i].part == p && cl->op[i].base >= from && cl->op[i].base < to && cl->op[i].fate == CL_COMMITTED)
			return false;
	return true;
}

/* What is committed of the copies is the input up to the group's offset, once. */
static void
verify_copies(struct cl *cl, struct cl_tid *t, int32_t part)
{
	struct copied *c = NULL;
	uint32_t n = 0, cap = 0;
	int64_t at = 0;

	for (uint32_t i = 0; i < cl->txs; i++) {
		const struct cl_tx *x = &cl->tx[i];
		if (x->tid != t->number || x->part != part || x->fate != CL_COMMITTED)
			continue;
		struct copied *one = rk_mem_room((void **)&c, n++, &cap, sizeof *c);
		*one = (struct copied){ x->from, x->to };
	}
	if (n > 0)
		qsort(c, n, sizeof *c, by_from);
	for (uint32_t i = 0; i < n && cl->failure[0] == 0; at = c[i++].to)
		if (c[i].from < at || !nothing_in(cl, &cl->topic[0].part[part], at, c[i].from))
			cl_fail(cl, "%s has copied %s-%d up to %" PRId64 ", and then from %" PRId64 " to %" PRId64, t->name,
			    cl->topic[0].name, part, at, c[i].from, c[i].to);
	if (cl->failure[0] == 0 && rk_max(t->told[part], 0) != at)
		cl_fail(cl, "%s has copied %s-%d up to %" PRId64 ", and its group's committed offset is %" PRId64, t->name,
		    cl->topic[0].name, part, at, t->told[part]);
	rk_mem_put(c);
}

void
cl_txn_verify(struct cl *cl)
{
	for (uint32_t i = 0; i < cl->ops && cl->failure[0] == 0 && cl->plan.tids > 0; i++)
		verify_op(cl, &cl->op[i]);
	for (uint32_t i = 1; i <= cl->txs && cl->failure[0] == 0; i++)
		verify_tx(cl, i);
	for (uint32_t i = 0; i < cl->plan.tids; i++)
		for (int32_t p = 0; p < cl->topic[0].parts && cl->failure[0] == 0 && cl->tid[i].copies; p++)
			verify_copies(cl, &cl->tid[i], p);
	for (uint32_t i = 0; i < cl->decideds && cl->failure[0] == 0; i++)
		if (!cl->decided[i].complete)
			cl_fail(cl, "a decision of %s was never completed", cl->tid[cl->decided[i].tid].name);
}
