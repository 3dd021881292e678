/* cl_chaos.c - each seed's own cluster and its own mix of faults ("swarm"). See cluster.h.
 *
 * A seed has some kinds of faults and lacks others: a run with nothing but one-way cuts finds what a run with
 * everything drowns in noise. All that is broken is mended in the end. */
#include "tests/sim/cluster.h"

static const struct {
	const char *name;
	uint32_t in_a_hundred; /* seeds that have it */
	bool forgets;          /* what is only in a page cache is gone */
} kinds[CL_FAULTS] = {
	[CL_KILL] = { "kill", 50, false },
	[CL_POWER] = { "power", 40, true },
	[CL_ALL_POWER] = { "all", 20, true },
	[CL_STOP] = { "stop", 35, false },
	[CL_SLEEP] = { "sleep", 40, false },
	[CL_CUT] = { "cut", 35, false },
	[CL_ONE_WAY] = { "one-way", 30, false },
	[CL_ISOLATE] = { "isolate", 30, false },
	[CL_RESET] = { "reset", 30, false },
	[CL_SLOW] = { "slow", 30, false },
	[CL_SYNC_EIO] = { "sync", 15, true },
	[CL_WRITE_EIO] = { "write", 10, true },
	[CL_FULL] = { "full", 10, true },
	[CL_LOSE] = { "lose", 10, true },
};

static int64_t
one_of(struct cl *cl, int64_t a, int64_t b, int64_t c)
{
	int64_t which = sim_below(&cl->sim, 3);

	return which == 0 ? a : which == 1 ? b : c;
}

static uint32_t
weight(struct cl *cl, uint32_t in_a_hundred)
{
	return sim_below(&cl->sim, 100) < in_a_hundred ? 1 + (uint32_t)sim_below(&cl->sim, 9) : 0;
}

static void
shape(struct cl *cl)
{
	struct cl_plan *p = &cl->plan;
	int64_t how = sim_below(&cl->sim, 10);

	p->controllers = how == 0 ? 1 : 3;
	p->combined = how < 7;
	p->brokers = p->combined ? p->controllers : 2 + (uint32_t)sim_below(&cl->sim, 2);
	if (how == 0) { /* one controller beside its brokers: what it decides is what is tested */
		p->combined = false;
		p->brokers = 3;
	}
	if (cl_single) {
		p->combined = true;
		p->controllers = p->brokers = 1;
	}
	if (cl_quorum) {
		p->combined = true;
		p->controllers = p->brokers = sim_chance(&cl->sim, 300000) ? 5 : 3;
	}
	p->dynamic = sim_chance(&cl->sim, 400000);
	p->factor = (int16_t)rk_min(cl_factor > 0 ? (uint32_t)cl_factor : 3, p->brokers);
	p->min_isr = (int16_t)(sim_chance(&cl->sim, 800000) ? rk_min(2, p->factor) : 1);
	p->topics = 1 + (uint32_t)sim_below(&cl->sim, 2);
	p->parts = 1 + (uint32_t)sim_below(&cl->sim, 3);
	p->producers = 1 + (uint32_t)sim_below(&cl->sim, 4);
	p->consumers = 1 + (uint32_t)sim_below(&cl->sim, 2);
	if (cl_quorum) {
		p->topics = p->producers = p->consumers = 0;
		p->factor = p->min_isr = 1;
	}
}

void
cl_plan(struct cl *cl)
{
	struct cl_plan *p = &cl->plan;

	shape(cl);
	p->session_ms = (int32_t)one_of(cl, 2000, 4000, 9000);
	p->beat_ms = p->session_ms / 4;
	p->lag_ms = (int32_t)one_of(cl, 1500, 5000, 30000);
	p->election_ms = (int32_t)one_of(cl, 500, 1000, 1000);
	p->fetch_ms = 2 * p->election_ms;
	p->segment_bytes = (int32_t)one_of(cl, 4096, 20000, 1 << 20);
	p->snapshot_bytes = (int32_t)one_of(cl, 2000, 10000, 20 << 20);
	p->chaos_us = (5 + sim_below(&cl->sim, 35)) * SECOND;
	p->gap_us = one_of(cl, SECOND, 3 * SECOND, 8 * SECOND);
	p->ops = 100 + (uint32_t)sim_below(&cl->sim, 900);
	for (enum cl_fault k = 0; k < CL_FAULTS; k++)
		p->fault[k] = k != CL_LOSE || p->min_isr > 1 ? weight(cl, kinds[k].in_a_hundred) : 0;
	p->jbod = cl->seed % 4 == 3 && !cl_quorum;
	p->compacts = cl->seed / 3 % 2 == 1 && !cl_quorum;
	p->groups = cl->seed % 3 == 1 && !cl_quorum ? CL_GROUPS : 0;
	p->tills = cl->seed % 3 == 2 && !cl_quorum ? CL_TILLS : 0;
	p->members = cl->seed % 3 == 2 && !cl_quorum ? 2 + (uint32_t)sim_below(&cl->sim, CL_MEMBERS - 1) : 0;
	p->readers = cl->seed % 3 == 1 && !cl_quorum ? 2 + (uint32_t)sim_below(&cl->sim, CL_READERS - 1) : 0;
	p->txn_level = 2;
	if (cl->seed % CL_EACH_TXN == 0 && !cl_quorum) {
		p->tids = 1 + (uint32_t)sim_below(&cl->sim, CL_TIDS);
		p->topics = 2;
		p->consumers = rk_max(p->consumers, 2);
		p->txn_level = sim_chance(&cl->sim, 250000) ? (int16_t)sim_below(&cl->sim, 2) : 2;
	}
	if (p->dynamic && p->controllers > 1 && sim_chance(&cl->sim, 300000))
		p->voters = (uint32_t)one_of(cl, 100000, 300000, 600000);
	p->caching = sim_chance(&cl->sim, 100000);
	for (enum cl_fault k = 0; k < CL_FAULTS; k++)
		if (p->caching && kinds[k].forgets)
			p->fault[k] = 0;
	p->both = (p->members > 0 || p->readers > 0) && (cl_both || rk_hash(&cl->seed, sizeof cl->seed, 0xb07) % 3 == 0);
	if (p->both) {
		p->members = p->readers = rk_max(p->members, p->readers);
		p->parts += 3; /* some for everybody */
	}
	p->admin = (uint32_t)one_of(cl, cl_quorum ? 900000 : 0, 100000, 400000);
}

void
cl_plan_tell(struct cl *cl)
{
	const struct cl_plan *p = &cl->plan;
	char text[200] = "";

	cl_tell(cl, "seed %" PRIu64
	    ": %u controllers, %u brokers%s, %s voters, %u topics of %u partitions, factor %d, min.insync %d%s, "
	    "%u producers, %u consumers%s", cl->seed, p->controllers, p->brokers, p->combined ? " (combined)" : "",
	    p->dynamic ? "dynamic" : "static", p->topics, p->parts, p->factor, p->min_isr, p->caching ? ", page cache" : "",
	    p->producers, p->consumers, p->jbod ? ", two directories each" : "");
	if (p->compacts)
		cl_tell(cl, "internal topics are compacted");
	if (p->tids > 0)
		cl_tell(cl, "%u transactional ids, transaction.version %d", p->tids, p->txn_level);
	if (p->both)
		cl_tell(cl, "%u applications of one group change their protocol", p->members);
	for (enum cl_fault k = 0; k < CL_FAULTS; k++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s %u ", kinds[k].name, p->fault[k]);
	cl_tell(cl, "%sadmin %u", text, p->admin);
}

/* --- faults */

static struct cl_node *
some_node(struct cl *cl)
{
	uint32_t at = (uint32_t)sim_below(&cl->sim, cl->nodes);

	for (uint32_t i = 0; i < cl->nodes; i++) {
		struct cl_node *n = &cl->node[(at + i) % cl->nodes];
		if (n->state == CL_UP)
			return n;
	}
	return NULL;
}

static void
restart(void *arg, bool lost)
{
	struct cl_node *n = arg;

	if (lost || n->state == CL_UP || n->cl->failure[0] != 0)
		return;
	if (n->state == CL_STOPPING || !cl_node_start(n))
		cl_after(n->cl, SECOND, restart, n);
}

static void
back_in(struct cl_node *n, int64_t at_most_us)
{
	cl_after(n->cl, 50 * MS + sim_below(&n->cl->sim, at_most_us), restart, n);
}

static void
die(struct cl *cl, bool power)
{
	struct cl_node *n = some_node(cl);

	if (n == NULL)
		return;
	cl_node_die(n, power);
	back_in(n, one_of(cl, SECOND, 5 * SECOND, 15 * SECOND));
}

static void
all_die(struct cl *cl)
{
	for (uint32_t i = 0; i < cl->nodes; i++)
		if (cl->node[i].state != CL_DOWN) {
			cl_node_die(&cl->node[i], true);
			back_in(&cl->node[i], 5 * SECOND);
		}
}

static void
stop(struct cl *cl)
{
	struct cl_node *n = some_node(cl);

	if (n == NULL)
		return;
	cl_node_stop(n);
	back_in(n, 8 * SECOND);
}

static void
fall_asleep(struct cl *cl)
{
	struct cl_node *n = some_node(cl);
	int64_t us = 100 * MS + sim_below(&cl->sim, one_of(cl, SECOND, 8 * SECOND, 20 * SECOND));

	if (n == NULL || n->w.asleep_us > cl->sim.now_us)
		return;
	if (cl->plan.producers > 0 && sim_chance(&cl->sim, 300000)) { /* a client: it wakes up with all it had under way */
		struct cl_producer *p = &cl->producer[sim_below(&cl->sim, cl->plan.producers)];
		if (cl->plan.tids > 0 && sim_chance(&cl->sim, 500000)) {
			struct cl_client *w = cl_txn_client(cl, (uint32_t)sim_below(&cl->sim, cl->plan.tids));
			if (w != NULL)
				cl_sleep(w, us);
			cl_tell(cl, "a transactional producer sleeps for %" PRId64 " ms", us / 1000);
			return;
		}
		cl_sleep(&p->client, us);
		cl_tell(cl, "producer %u sleeps for %" PRId64 " ms", p->number, us / 1000);
		return;
	}
	n->w.asleep_us = cl->sim.now_us + us;
	cl_tell(cl, "node %d sleeps for %" PRId64 " ms", n->id, us / 1000);
}

/* --- the network */

struct mend {
	struct cl *cl;
	bool cut[SIM_PLACES][SIM_PLACES];
	uint32_t slow;
	bool reset;
};

static void
mended(void *arg, bool lost)
{
	struct mend *m = arg;
	struct sim_net *net = &m->cl->net;

	for (uint32_t a = 0; a < SIM_PLACES && !lost; a++)
		for (uint32_t b = 0; b < SIM_PLACES; b++)
			net->cut[a][b] &= !m->cut[a][b];
	if (!lost && m->reset)
		net->reset = 0;
	if (!lost && m->slow > 0) {
		net->slow_us[m->slow] = 0;
		m->cl->node[m->slow - 1].w.disk_us = 3000;
	}
	if (!lost)
		cl_tell(m->cl, "the network is mended");
	rk_mem_put(m);
}

static void
for_a_while(struct cl *cl, struct mend *m)
{
	for (uint32_t a = 0; a < SIM_PLACES; a++)
		for (uint32_t b = 0; b < SIM_PLACES; b++)
			cl->net.cut[a][b] |= m->cut[a][b];
	m->cl = cl;
	cl_after(cl, 200 * MS + sim_below(&cl->sim, one_of(cl, 2 * SECOND, 8 * SECOND, 20 * SECOND)), mended, m);
}

static void
cut(struct cl *cl, bool both)
{
	uint32_t a = 1 + (uint32_t)sim_below(&cl->sim, cl->nodes), b = 1 + (uint32_t)sim_below(&cl->sim, cl->nodes);
	struct mend *m = rk_new(struct mend);

	m->cut[a][b] = a != b;
	m->cut[b][a] = a != b && both;
	cl_tell(cl, "node %u %s node %u", a, both ? "is cut off from" : "cannot be heard by", b);
	for_a_while(cl, m);
}

/* From the other nodes, and sometimes from the clients too. */
static void
isolate(struct cl *cl)
{
	uint32_t a = 1 + (uint32_t)sim_below(&cl->sim, cl->nodes);
	struct mend *m = rk_new(struct mend);
	uint32_t to = sim_chance(&cl->sim, 400000) ? SIM_PLACES : cl->nodes + 1;

	for (uint32_t b = 1; b < to; b++)
		m->cut[a][b] = m->cut[b][a] = a != b;
	cl_tell(cl, "node %u is isolated%s", a, to == SIM_PLACES ? ", from clients too" : "");
	for_a_while(cl, m);
}

static void
reset(struct cl *cl)
{
	struct mend *m = rk_new(struct mend);

	m->reset = true;
	cl->net.reset = (uint32_t)one_of(cl, 500, 5000, 50000);
	cl_tell(cl, "connections break: %u in a million", cl->net.reset);
	for_a_while(cl, m);
}

static void
slow(struct cl *cl)
{
	struct mend *m = rk_new(struct mend);

	m->slow = 1 + (uint32_t)sim_below(&cl->sim, cl->nodes);
	cl->net.slow_us[m->slow] = one_of(cl, 5 * MS, 50 * MS, 500 * MS);
	cl->node[m->slow - 1].w.disk_us = one_of(cl, 10 * MS, 100 * MS, SECOND);
	cl_tell(cl, "node %u is slow", m->slow);
	for_a_while(cl, m);
}

/* --- disks */

static void
spoil(struct cl *cl, enum cl_fault kind)
{
	struct cl_node *n = some_node(cl);
	struct sim_faults *f;

	if (n == NULL)
		return;
	f = sim_disk_faults(n->disk);
	n->spoilt = true;
	if (kind == CL_SYNC_EIO)
		f->sync_eio = 50000;
	else if (kind == CL_WRITE_EIO)
		f->write_eio = 20000;
	else if (n->controller && sim_chance(&cl->sim, 500000))
		sim_mdisk_fail(n->mdisk, (uint32_t)sim_below(&cl->sim, 3), RK_NO_SPACE);
	else
		f->space_bytes = sim_disk_used(n->disk) + sim_below(&cl->sim, 20000);
	cl_tell(cl, "node %d: its disk fails (%s)", n->id,
	    kind == CL_SYNC_EIO ? "syncs" : kind == CL_WRITE_EIO ? "writes" : "no space");
}

/* Every spoilt node dies some day: what its page cache holds is not to be trusted. */
static void
end_spoilt(struct cl *cl)
{
	for (uint32_t i = 0; i < cl->nodes; i++)
		if (cl->node[i].spoilt && cl->node[i].state == CL_UP && sim_chance(&cl->sim, 300000)) {
			cl_node_die(&cl->node[i], true);
			back_in(&cl->node[i], 5 * SECOND);
		}
}

static void
lose(struct cl *cl)
{
	char why[256];

	/* A lost disk and another node's crash at the same time are one copy too many (nobody takes what is left of a
	 * crashed broker for whole), so it happens in peace, and peace lasts until it is back. */
	if (!cl_whole(cl, why))
		return;
	struct cl_node *n = some_node(cl);
	if (n == NULL || !n->broker)
		return;
	cl_node_die(n, true);
	cl_node_lose(n);
	back_in(n, 5 * SECOND);
}

static void
fault(struct cl *cl)
{
	const uint32_t *w = cl->plan.fault;
	int64_t all = 0, at;
	enum cl_fault k = 0;

	for (enum cl_fault i = 0; i < CL_FAULTS; i++)
		all += w[i];
	if (all == 0)
		return;
	for (at = sim_below(&cl->sim, all); at >= w[k]; k++)
		at -= w[k];
	switch (k) {
	case CL_KILL: die(cl, false); break;
	case CL_POWER: die(cl, true); break;
	case CL_ALL_POWER: all_die(cl); break;
	case CL_STOP: stop(cl); break;
	case CL_SLEEP: fall_asleep(cl); break;
	case CL_CUT: cut(cl, true); break;
	case CL_ONE_WAY: cut(cl, false); break;
	case CL_ISOLATE: isolate(cl); break;
	case CL_RESET: reset(cl); break;
	case CL_SLOW: slow(cl); break;
	case CL_LOSE: lose(cl); break;
	default: spoil(cl, k); break;
	}
}

static void
strike(void *arg, bool lost)
{
	struct cl *cl = arg;
	bool peace = false;

	if (lost || !cl->chaos || cl->failure[0] != 0)
		return;
	for (uint32_t i = 0; i < cl->nodes; i++)
		peace |= cl->node[i].empty_handed;
	if (!peace) {
		fault(cl);
		end_spoilt(cl);
	}
	cl_after(cl, 1 + sim_below(&cl->sim, cl->plan.gap_us), strike, cl);
}

void
cl_chaos_start(struct cl *cl)
{
	cl->chaos = true;
	cl_after(cl, sim_below(&cl->sim, cl->plan.gap_us), strike, cl);
}

void
cl_heal(struct cl *cl)
{
	cl_tell(cl, "everything is mended");
	cl->chaos = false;
	sim_net_heal(&cl->net);
	for (uint32_t i = 0; i < cl->nodes; i++) {
		struct cl_node *n = &cl->node[i];
		n->w.disk_us = 3000;
		if (n->spoilt && n->state != CL_DOWN)
			cl_node_die(n, true);
		back_in(n, SECOND);
	}
}
