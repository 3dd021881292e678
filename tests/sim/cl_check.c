/* cl_check.c - what must hold in cluster_sim, whatever befalls the cluster. See cluster.h and doc/simulator.md. */
#include "src/node/inside.h"
#include "storage/mlog.h"
#include "tests/sim/cluster.h"

/* --- the log of a partition, as anybody has ever been shown it */

static uint32_t
place_of(const struct cl_part *p, int64_t base)
{
	uint32_t lo = 0, hi = p->count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (p->seen[mid].base < base)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool
overlap(const struct cl_seen *a, const struct cl_seen *b)
{
	return a->base < b->base + b->count && b->base < a->base + a->count;
}

bool
cl_once(const struct cl *cl, const struct cl_op *op)
{
	return op->tx > 0 || cl->producer[op->producer].idempotent;
}

/* A batch is at one place only, unless its producer may write it twice. */
static void
placed(struct cl *cl, struct cl_part *p, const struct cl_seen *s, const char *who)
{
	struct cl_op *op = cl_op_of(cl, s->hash);

	if (s->control)
		return;
	if (op == NULL || op->part != p) {
		cl_fail(cl, "%s: %s-%d has a batch at %" PRId64 " that nobody sent there", who, p->topic->name, p->index, s->base);
		return;
	}
	if (op->base >= 0 && op->base != s->base && cl_once(cl, op))
		cl_fail(cl, "%s: batch %u is in %s-%d twice, at %" PRId64 " and %" PRId64, who, (uint32_t)(op - cl->op),
		    p->topic->name, p->index, op->base, s->base);
	op->base = s->base;
}

void
cl_see(struct cl *cl, struct cl_part *p, const struct cl_seen *s, const char *who)
{
	uint32_t i = place_of(p, s->base);
	struct cl_seen *at = i < p->count ? &p->seen[i] : NULL;

	if (at != NULL && at->base == s->base && at->hash == s->hash && at->count == s->count
	    && (at->epoch == s->epoch || at->epoch < 0 || s->epoch < 0)) {
		at->epoch = rk_max(at->epoch, s->epoch);
		return;
	}
	for (uint32_t k = i > 0 ? i - 1 : 0; k < p->count && k <= i; k++)
		if (overlap(&p->seen[k], s)) {
			cl_fail(cl, "%s: %s-%d at %" PRId64 " (epoch %d) is not what was there before (%" PRId64 ", epoch %d)", who,
			    p->topic->name, p->index, s->base, s->epoch, p->seen[k].base, p->seen[k].epoch);
			return;
		}
	placed(cl, p, s, who);
	(void)rk_mem_room((void **)&p->seen, p->count++, &p->cap, sizeof *p->seen);
	memmove(&p->seen[i + 1], &p->seen[i], (p->count - 1 - i) * sizeof *p->seen);
	p->seen[i] = *s;
}

/* Who has been known to lead in this epoch; -1: nobody, and now it is this one. */
static int32_t
crown(struct cl_reign *r, int32_t epoch, int32_t leader)
{
	uint32_t i = r->count;

	while (i > 0 && r->at[i - 1].epoch > epoch)
		i--;
	if (i > 0 && r->at[i - 1].epoch == epoch)
		return r->at[i - 1].leader;
	(void)rk_mem_room((void **)&r->at, r->count++, &r->cap, sizeof *r->at);
	memmove(&r->at[i + 1], &r->at[i], (r->count - 1 - i) * sizeof *r->at);
	r->at[i].epoch = epoch;
	r->at[i].leader = leader;
	return -1;
}

void
cl_led(struct cl *cl, struct cl_part *p, int32_t epoch, int32_t leader, const char *who)
{
	int32_t known = crown(&p->led, epoch, leader);

	if (known != -1 && known != leader)
		cl_fail(cl, "%s: %s-%d has the leaders %d and %d in epoch %d", who, p->topic->name, p->index, known, leader,
		    epoch);
}

/* --- what the metadata says, as the node knows it that has applied most of it */

static struct cl_node *
best(struct cl *cl)
{
	struct cl_node *b = NULL;

	for (uint32_t i = 0; i < cl->nodes; i++) {
		struct cl_node *n = &cl->node[i];
		if (n->state == CL_DOWN || n->node->image == NULL || node_failed(n->node))
			continue;
		if (b == NULL || node_quorum_applied(n->node) > node_quorum_applied(b->node))
			b = n;
	}
	if (b == NULL)
		return NULL;
	/* Those that know more may all be dead: what an old image says of the ISR is not what is. */
	int64_t applied = node_quorum_applied(b->node);
	cl->applied = rk_max(cl->applied, applied);
	return applied < cl->applied ? NULL : b;
}

void
cl_note_applied(struct cl_node *n)
{
	if (n->node != NULL && n->node->quorum != NULL && !node_failed(n->node))
		n->cl->applied = rk_max(n->cl->applied, node_quorum_applied(n->node));
}

static bool
record_of(struct cl *cl, struct cl_node *n, const struct cl_part *p, struct kp_partition_record *r)
{
	struct meta_view v;
	struct meta_topic t;

	meta_view_begin(n->node->image, &v);
	bool there = meta_topic_named(&v, rk_str_of(p->topic->name), &t)
	    && meta_partition(&v, t.id, p->index, &cl->arena, r);
	meta_view_end(&v);
	return there;
}

/* --- an acknowledgement by all */

static void
must_hold(struct cl *cl, struct cl_part *p, int64_t base, uint64_t hash, int32_t id, const char *whose)
{
	if (id < 1 || id > (int32_t)cl->nodes || cl->node[id - 1].empty_handed)
		return;
	if (!cl_look_has(&cl->node[id - 1], p, base, hash, !cl->plan.caching))
		cl_fail(cl, "%s-%d: what was acknowledged at %" PRId64 " is not on the disk of node %d, which is in the %s",
		    p->topic->name,
		    p->index, base, id, whose);
}

/* At the moment the answer leaves: it is on enough disks, or was on one that is lost and is missed by nobody yet: the
 * leader counts a replica in the ISR by what it told last. */
static void
durable(struct cl *cl, struct cl_op *op, int64_t base)
{
	struct cl_part *p = op->part;
	struct kp_partition_record r;
	struct cl_node *n = best(cl);
	int32_t safe = 0;

	for (uint32_t i = 0; i < cl->nodes; i++)
		safe += cl->node[i].broker
		    && (cl->node[i].empty_handed || cl_look_has(&cl->node[i], p, base, op->hash, !cl->plan.caching));
	if (safe < cl->plan.min_isr)
		cl_fail(cl, "batch %u of %s-%d is acknowledged at %" PRId64 " and is on the stable storage of %d nodes",
		    (uint32_t)(op - cl->op), p->topic->name, p->index, base, safe);
	rk_arena_reset(&cl->arena);
	if (n == NULL || !record_of(cl, n, p, &r))
		return;
	for (int32_t i = 0; i < r.isr.len; i++)
		must_hold(cl, p, base, op->hash, r.isr.at[i], "ISR");
}

void
cl_acked(struct cl *cl, struct cl_op *op, int64_t base, bool leaves)
{
	struct cl_seen s = { base, op->count, -1, op->hash, false };

	if (leaves)
		durable(cl, op, base);
	cl_see(cl, op->part, &s, leaves ? "an acknowledgement that leaves" : "an acknowledgement");
	op->part->acked_end = rk_max(op->part->acked_end, base + op->count);
}

/* --- every so often */

static const char *
ids(const int32_t *at, int32_t len, char to[64])
{
	to[0] = 0;
	for (int32_t i = 0; i < len && strlen(to) < 50; i++)
		snprintf(to + strlen(to), 64 - strlen(to), "%s%d", i > 0 ? "," : "", at[i]);
	return to;
}

static void
tell_change(struct cl *cl, struct cl_part *p, const struct kp_partition_record *r)
{
	char a[64], b[64], c[64], d[64];

	if (r->partition_epoch == p->partition_epoch)
		return;
	p->partition_epoch = r->partition_epoch;
	cl_tell(cl,
	    "%s-%d: leader %d in epoch %d, replicas %s, ISR %s, ELR %s, last known %s, partition epoch %d, acknowledged to %"
	    PRId64, p->topic->name, p->index, r->leader, r->leader_epoch, ids(r->replicas.at, r->replicas.len, a),
	    ids(r->isr.at, r->isr.len, b), ids(r->eligible_leader_replicas.at, r->eligible_leader_replicas.len, c),
	    ids(r->last_known_elr.at, r->last_known_elr.len, d), r->partition_epoch, p->acked_end);
}

static void
tell_brokers(struct cl *cl, struct cl_node *n)
{
	struct meta_view v;
	struct kp_register_broker_record r;

	meta_view_begin(n->node->image, &v);
	for (uint32_t i = 0; i < cl->nodes; i++) {
		if (!meta_broker(&v, cl->node[i].id, &cl->arena, &r))
			continue;
		int64_t now = r.broker_epoch * 4 + r.fenced * 2 + r.in_controlled_shutdown;
		if (now != cl->node[i].broker_told)
			cl_tell(cl, "broker %d: epoch %" PRId64 "%s%s", r.broker_id, r.broker_epoch, r.fenced ? ", fenced" : "",
			    r.in_controlled_shutdown ? ", leaving" : "");
		cl->node[i].broker_told = now;
	}
	meta_view_end(&v);
}

/* The last record acknowledged, and one by chance, are on these nodes' disks. */
bool
cl_is_newest(struct cl *cl, const struct cl_part *p, int32_t partition_epoch)
{
	struct kp_partition_record r;

	for (uint32_t i = 0; i < cl->nodes; i++) {
		struct cl_node *n = &cl->node[i];
		if (n->state != CL_DOWN && n->node != NULL && n->node->image != NULL && record_of(cl, n, p, &r)
		    && r.partition_epoch > partition_epoch)
			return false;
	}
	return true;
}

void
cl_must_hold(struct cl *cl, struct cl_part *p, const int32_t *id, int32_t count, const char *whose)
{
	uint32_t at = p->count;

	while (at > 0 && p->seen[at - 1].base >= p->acked_end)
		at--;
	for (int k = 0; k < 2 && at > 0 && count > 0; k++) {
		const struct cl_seen *s = &p->seen[k == 0 ? at - 1 : (uint32_t)sim_below(&cl->sim, at)];
		for (int32_t i = 0; i < count; i++)
			must_hold(cl, p, s->base, s->hash, id[i], whose);
	}
}

static void
watch_part(struct cl *cl, struct cl_node *n, struct cl_part *p)
{
	struct kp_partition_record r;

	if (!record_of(cl, n, p, &r))
		return;
	if (r.leader >= 0)
		cl_led(cl, p, r.leader_epoch, r.leader, "the metadata");
	tell_change(cl, p, &r);
	cl_must_hold(cl, p, r.isr.at, r.isr.len, "ISR");
	cl_must_hold(cl, p, r.eligible_leader_replicas.at, r.eligible_leader_replicas.len, "ELR");
}

static void
watch_leaders(struct cl *cl, struct cl_node *n)
{
	for (uint32_t t = 0; t < cl->plan.topics; t++)
		for (int32_t i = 0; i < cl->topic[t].parts && n->broker; i++) {
			struct core_topic *ct = core_topic_named(n->node->core, rk_str_of(cl->topic[t].name));
			struct core_partition *p = core_partition(ct, i);
			if (p != NULL && p->leads)
				cl_led(cl, &cl->topic[t].part[i], p->leader_epoch, n->id, "a broker");
		}
	if (!n->controller || !node_quorum_leads(n->node))
		return;
	int32_t epoch = node_quorum_epoch(n->node), known = crown(&cl->led, epoch, n->id);
	if (known == -1)
		cl_tell(cl, "node %d leads the quorum in epoch %d", n->id, epoch);
	else if (known != n->id)
		cl_fail(cl, "the quorum has the leaders %d and %d in epoch %d", known, n->id, epoch);
}

struct prefix {
	struct cl *cl;
	struct cl_node *node;
	int64_t applied;
};

/* A committed batch of the metadata log: the same on every node, for ever, and on most voters' disks. */
static bool
meta_batch(void *arg, const uint8_t *b, uint32_t len)
{
	struct prefix *x = arg;
	struct cl *cl = x->cl;
	uint64_t hash = rk_hash(b, len, 1);
	uint32_t i = cl->metas, have = 0;

	if (kp_batch_last(b) >= x->applied)
		return false;
	x->node->applied = kp_batch_last(b) + 1;
	while (i > 0 && cl->meta[i - 1].base > kp_batch_base(b))
		i--;
	if (i > 0 && cl->meta[i - 1].base == kp_batch_base(b)) {
		if (cl->meta[i - 1].hash != hash)
			cl_fail(cl, "the metadata log of node %d has another committed batch at %" PRId64 " (epoch %d, was %d)",
			    x->node->id, kp_batch_base(b), kp_batch_epoch(b), cl->meta[i - 1].epoch);
		return cl->failure[0] == 0;
	}
	(void)rk_mem_room((void **)&cl->meta, cl->metas++, &cl->meta_cap, sizeof *cl->meta);
	memmove(&cl->meta[i + 1], &cl->meta[i], (cl->metas - 1 - i) * sizeof *cl->meta);
	cl->meta[i].base = kp_batch_base(b);
	cl->meta[i].epoch = kp_batch_epoch(b);
	cl->meta[i].hash = hash;
	for (uint32_t k = 0; k < cl->plan.controllers; k++)
		have += sim_mdisk_has(cl->node[k].mdisk, kp_batch_last(b), kp_batch_epoch(b));
	if (have <= cl->plan.controllers / 2 && cl->plan.voters == 0) /* else who is a voter is not known here */
		cl_fail(cl, "the metadata log is committed up to %" PRId64 " on node %d and durable on %u of %u voters",
		    kp_batch_last(b), x->node->id, have, cl->plan.controllers);
	return cl->failure[0] == 0;
}

static void
watch_metadata(struct cl *cl, struct cl_node *n)
{
	struct prefix x = { cl, n, node_quorum_applied(n->node) };

	if (x.applied > n->applied)
		sim_mdisk_each(n->mdisk, n->applied, meta_batch, &x);
	n->applied = rk_max(n->applied, x.applied);
}

static bool part_whole(struct cl *, struct cl_node *, struct cl_part *, struct kp_partition_record *, char why[256]);
static bool inner_whole(struct cl *, struct cl_node *, char why[256]);

/* Registered as the one that has lost its disk, and in every ISR again. */
static bool
back_again(struct cl *cl, struct cl_node *n, struct cl_node *lost)
{
	struct kp_partition_record r;
	char why[256];

	if (lost->state != CL_UP || !node_ready(lost->node))
		return false;
	for (uint32_t t = 0; t < cl->plan.topics; t++)
		for (int32_t i = 0; i < cl->topic[t].parts; i++)
			if (!part_whole(cl, n, &cl->topic[t].part[i], &r, why))
				return false;
	return inner_whole(cl, n, why);
}

void
cl_watch(struct cl *cl)
{
	struct cl_node *n = best(cl);

	for (uint32_t i = 0; i < cl->nodes && cl->failure[0] == 0; i++)
		if (cl->node[i].state != CL_DOWN && !node_failed(cl->node[i].node)) {
			watch_leaders(cl, &cl->node[i]);
			watch_metadata(cl, &cl->node[i]);
		}
	rk_arena_reset(&cl->arena);
	if (n != NULL)
		tell_brokers(cl, n);
	for (uint32_t i = 0; i < cl->nodes; i++)
		if (cl->node[i].empty_handed && n != NULL && back_again(cl, n, &cl->node[i]))
			cl->node[i].empty_handed = false;
	for (uint32_t t = 0; n != NULL && t < cl->plan.topics; t++)
		for (int32_t i = 0; i < cl->topic[t].parts && cl->failure[0] == 0; i++)
			watch_part(cl, n, &cl->topic[t].part[i]);
	if (cl->plan.tids > 0 && cl->failure[0] == 0)
		cl_txn_watch(cl);
}

/* --- after healing */

static bool
part_whole(struct cl *cl, struct cl_node *n, struct cl_part *p, struct kp_partition_record *out, char why[256])
{
	struct kp_partition_record r;

	if (!record_of(cl, n, p, &r)) {
		snprintf(why, 256, "%s-%d is not in the metadata", p->topic->name, p->index);
		return false;
	}
	if (r.leader < 0 || r.isr.len != r.replicas.len || r.adding_replicas.len > 0 || r.removing_replicas.len > 0
	    || r.eligible_leader_replicas.len > 0) {
		snprintf(why, 256, "%s-%d: leader %d, %d replicas, %d in the ISR, %d eligible, %d were, %d come, %d go",
		    p->topic->name, p->index, r.leader, r.replicas.len, r.isr.len, r.eligible_leader_replicas.len,
		    r.last_known_elr.len, r.adding_replicas.len, r.removing_replicas.len);
		return false;
	}
	*out = r;
	return true;
}

/* The internal topics, where they are. */
static bool
inner_whole(struct cl *cl, struct cl_node *n, char why[256])
{
	struct kp_partition_record r;

	for (uint32_t k = 0; k < CL_INNER; k++)
		for (int32_t i = 0; i < cl->inner[k].parts; i++)
			if (record_of(cl, n, &cl->inner[k].part[i], &r) && !part_whole(cl, n, &cl->inner[k].part[i], &r, why))
				return false;
	return true;
}

static bool
part_settled(struct cl *cl, struct cl_node *n, struct cl_part *p, char why[256])
{
	struct kp_partition_record r;
	int64_t end = -1;

	if (!part_whole(cl, n, p, &r, why))
		return false;
	for (int32_t i = 0; i < r.replicas.len; i++) {
		struct cl_node *m = &cl->node[r.replicas.at[i] - 1];
		struct core_partition *cp = core_partition(core_topic_named(m->node->core, rk_str_of(p->topic->name)), p->index);
		int64_t its = cp == NULL ? -2 : core_end(cp);
		end = end == -1 ? its : end;
		if (its != end || its < 0 || cp->high != end) {
			snprintf(why, 256, "%s-%d: node %d ends at %" PRId64 " (high watermark %" PRId64 "), another one at %" PRId64,
			    p->topic->name, p->index, m->id, its, cp == NULL ? -1 : cp->high, end);
			return false;
		}
	}
	for (uint32_t c = 0; c < cl->plan.consumers; c++)
		if (cl->consumer[c].view[p->topic - cl->topic][p->index].at < end) {
			snprintf(why, 256, "consumer %u has read %s-%d up to %" PRId64 " of %" PRId64, c, p->topic->name, p->index,
			    cl->consumer[c].view[p->topic - cl->topic][p->index].at, end);
			return false;
		}
	return true;
}

bool
cl_whole(struct cl *cl, char why[256])
{
	struct kp_partition_record r;
	struct cl_node *n = best(cl);

	for (uint32_t i = 0; i < cl->nodes; i++)
		if (n == NULL || cl->node[i].state != CL_UP || (cl->node[i].broker && !node_ready(cl->node[i].node))
		    || cl->node[i].w.asleep_us > cl->sim.now_us || cl->node[i].spoilt) {
			snprintf(why, 256, "node %d is not ready", cl->node[i].id);
			return false;
		}
	rk_arena_reset(&cl->arena);
	for (uint32_t t = 0; t < cl->plan.topics; t++)
		for (int32_t i = 0; i < cl->topic[t].parts; i++)
			if (!part_whole(cl, n, &cl->topic[t].part[i], &r, why))
				return false;
	return inner_whole(cl, n, why);
}

bool
cl_settled(struct cl *cl, char why[256])
{
	struct cl_node *n = best(cl);
	bool led = false;

	for (uint32_t i = 0; i < cl->nodes; i++)
		led |= cl->node[i].state == CL_UP && node_quorum_leads(cl->node[i].node);
	if (!led) {
		snprintf(why, 256, "no node leads the quorum");
		return false;
	}
	for (uint32_t i = 0; i < cl->nodes; i++) {
		struct cl_node *m = &cl->node[i];
		if (m->state != CL_UP || (m->broker && !cl_quorum && !node_ready(m->node))) {
			snprintf(why, 256, "node %d is not ready", m->id);
			return false;
		}
		if (n == NULL || node_quorum_applied(m->node) != node_quorum_applied(n->node)) {
			snprintf(why, 256, "node %d has applied %" PRId64 " of %" PRId64 " metadata records", m->id,
			    node_quorum_applied(m->node), cl->applied);
			return false;
		}
	}
	for (uint32_t i = 0; i < cl->plan.producers; i++)
		if (!cl_producer_done(&cl->producer[i])) {
			snprintf(why, 256, "producer %u has batches that nobody takes", i);
			return false;
		}
	rk_arena_reset(&cl->arena);
	for (uint32_t t = 0; t < cl->plan.topics; t++)
		for (int32_t i = 0; i < cl->topic[t].parts; i++)
			if (!part_settled(cl, n, &cl->topic[t].part[i], why))
				return false;
	return cl->plan.tids == 0 || cl_txns_decided(cl, why);
}

/* --- at the end */

struct reading {
	struct cl *cl;
	struct cl_part *part;
	struct cl_node *node;
	int64_t at;
	uint64_t digest;
	uint32_t seen;
	bool first;
	int32_t epoch;
	int32_t next[CL_PRODUCERS]; /* sequences of idempotent producers */
};

static bool
read_one(void *arg, const struct cl_batch *b)
{
	struct reading *x = arg;
	struct cl *cl = x->cl;
	struct cl_part *p = x->part;
	char who[40];

	snprintf(who, sizeof who, "the log of node %d", x->node->id);
	if (b->base != x->at)
		cl_fail(cl, "%s: %s-%d has a gap from %" PRId64 " to %" PRId64, who, p->topic->name, p->index, x->at, b->base);
	if (b->epoch < x->epoch)
		cl_fail(cl, "%s: %s-%d falls from epoch %d to %d at %" PRId64, who, p->topic->name, p->index, x->epoch, b->epoch,
		    b->base);
	x->epoch = b->epoch;
	struct cl_seen s = { b->base, b->count, b->epoch, b->hash, b->control };
	cl_see(cl, p, &s, who);
	struct cl_op *op = cl_op_of(cl, b->hash);
	if (op != NULL && op->tx == 0 && cl->producer[op->producer].idempotent) {
		if (op->seq != x->next[op->producer])
			cl_fail(cl, "%s: %s-%d at %" PRId64 " has sequence %d of producer %u, expected is %d", who, p->topic->name,
			    p->index, b->base, op->seq, op->producer, x->next[op->producer]);
		x->next[op->producer] = op->seq + op->count;
	}
	if (x->first)
		cl_txn_log_batch(cl, p, b);
	x->at = b->base + b->count;
	x->digest = rk_hash(&b->hash, sizeof b->hash, x->digest + (uint64_t)b->base * 31 + (uint32_t)b->epoch);
	x->seen++;
	return cl->failure[0] == 0;
}

static void
verify_part(struct cl *cl, struct cl_part *p)
{
	struct kp_partition_record r;
	struct reading first = { .cl = cl };

	rk_arena_reset(&cl->arena);
	if (!record_of(cl, best(cl), p, &r))
		return;
	for (int32_t i = 0; i < r.replicas.len && cl->failure[0] == 0; i++) {
		struct reading x = { .cl = cl, .part = p, .node = &cl->node[r.replicas.at[i] - 1], .epoch = -1, .first = i == 0 };
		if (!cl_look(x.node, p, 0, false, read_one, &x))
			cl_fail(cl, "the log of %s-%d on node %d does not hang together", p->topic->name, p->index, x.node->id);
		if (i == 0)
			first = x;
		if (x.digest != first.digest)
			cl_fail(cl, "the logs of %s-%d on the nodes %d and %d differ", p->topic->name, p->index, first.node->id,
			    x.node->id);
	}
	cl_txn_log_end(cl, p);
	if (cl->failure[0] == 0 && first.seen != p->count) /* read_one has matched every batch of the log with one of these */
		cl_fail(cl, "%s-%d: of %u batches that were acknowledged or read, %u are left", p->topic->name, p->index, p->count,
		    first.seen);
	sim_note(&cl->sim, first.digest, (uint64_t)first.at);
}

void
cl_verify(struct cl *cl)
{
	struct meta_view v;
	struct meta_topic t;

	for (uint32_t k = 0; k < cl->plan.topics; k++)
		for (int32_t i = 0; i < cl->topic[k].parts && cl->failure[0] == 0; i++)
			verify_part(cl, &cl->topic[k].part[i]);
	if (cl->failure[0] == 0)
		cl_txn_verify(cl);
	for (uint32_t i = 0; i < cl->nodes && cl->failure[0] == 0; i++) {
		meta_view_begin(cl->node[i].node->image, &v);
		for (uint32_t k = 0; k < cl->extras; k++) {
			bool there = meta_topic_named(&v, rk_str_of(cl->extra[k].name), &t);
			if (!there && cl->extra[k].made && !cl->extra[k].asked)
				cl_fail(cl, "topic %s was acknowledged and is not there on node %d", cl->extra[k].name, cl->node[i].id);
			if (there && cl->extra[k].gone)
				cl_fail(cl, "topic %s was deleted, as was acknowledged, and is there on node %d", cl->extra[k].name,
				    cl->node[i].id);
		}
		meta_view_end(&v);
	}
	for (uint32_t i = 0; i < cl->ops && cl->failure[0] == 0; i++)
		if (cl->op[i].acked && cl->op[i].base < 0
		    && (cl->op[i].tx > 0 || cl->producer[cl->op[i].producer].acks == -1))
			cl_fail(cl, "batch %u was acknowledged and is nowhere", i);
}
