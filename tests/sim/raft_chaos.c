/* raft_chaos.c - fate: what a seed does to a quorum, and the peace in which everything must heal. */
#include "tests/sim/raft_sim.h"
#include "base/mem.h"

enum { SECOND = 1000000, PEACE_US = 60 * SECOND };

static int64_t
soon(struct quorum *q, int64_t mean_us)
{
	return q->sim.now_us + 1000 + sim_below(&q->sim, 2 * mean_us);
}

static struct member *
somebody(struct quorum *q)
{
	return &q->member[sim_below(&q->sim, q->members)];
}

static struct member *
some_leader(struct quorum *q)
{
	uint32_t first = (uint32_t)sim_below(&q->sim, q->members);

	for (uint32_t i = 0; i < q->members; i++) {
		struct member *n = &q->member[(first + i) % q->members];
		if (n->up && raft_leads(n->r))
			return n;
	}
	return NULL;
}

static void
rise(void *arg, bool lost)
{
	struct member *n = arg;

	if (!lost && !n->up)
		sim_member_start(n);
}

void
sim_member_falls(struct member *n)
{
	sim_member_crash(n);
	if (sim_chance(&n->q->sim, 200000))
		n->port++; /* it comes back at another address */
	sim_at(&n->q->sim, soon(n->q, sim_chance(&n->q->sim, 500000) ? SECOND / 50 : 3 * SECOND), &n->life, rise, n);
}

/* --- what happens now and then; each plans its next time while there is chaos */

static void
crash(void *arg, bool lost)
{
	struct quorum *q = arg;

	if (lost || q->calm)
		return;
	struct member *n = sim_chance(&q->sim, 400000) ? some_leader(q) : somebody(q);
	if (n != NULL && n->up)
		sim_member_falls(n);
	sim_at(&q->sim, soon(q, q->fate.crash_us), NULL, crash, q);
}

static void
cut(void *arg, bool lost)
{
	struct quorum *q = arg;
	uint32_t side = (uint32_t)sim_random(&q->sim), one_way = (uint32_t)sim_below(&q->sim, 3);

	if (lost || q->calm)
		return;
	bool heal = sim_chance(&q->sim, 400000);
	for (uint32_t i = 0; i < q->members; i++)
		for (uint32_t k = 0; k < q->members; k++) {
			bool a = (side >> i & 1) != 0, b = (side >> k & 1) != 0;
			q->blocked[i][k] = !heal && (one_way == 0 ? a && !b : a != b);
		}
	sim_at(&q->sim, soon(q, q->fate.cut_us), NULL, cut, q);
}

static void
append(void *arg, bool lost)
{
	struct quorum *q = arg;

	if (lost || q->calm)
		return;
	for (uint32_t i = 0; i < q->members; i++)
		sim_client_append(&q->member[i]);
	sim_at(&q->sim, soon(q, q->fate.append_us), NULL, append, q);
}

static void
change(void *arg, bool lost)
{
	struct quorum *q = arg;

	if (lost || q->calm)
		return;
	struct member *leader = some_leader(q), *n = somebody(q);
	if (leader != NULL && !n->broker) {
		struct raft_msg m = { .kind = RAFT_ADD, .call = (uint64_t)(ADMIN + 1) << 56 | 1, .voter = sim_key(n),
			.ends = &n->ends, .timeout_ms = 2000, .ack_committed = sim_chance(&q->sim, 500000) };
		const struct raft_voters *v = &raft_set_now(leader->r)->voters;
		for (uint32_t i = 0; i < v->count; i++)
			if (v->voter[i].key.id == m.voter.id && rk_uuid_eq(v->voter[i].key.dir, m.voter.dir))
				m.kind = RAFT_REMOVE;
		if (m.kind == RAFT_ADD || raft_set_now(leader->r)->voters.count > 1)
			sim_feed(leader, (struct raft_event){ .kind = RAFT_RECV, .msg = &m });
	}
	sim_at(&q->sim, soon(q, q->fate.change_us), NULL, change, q);
}

static void
snapshot(void *arg, bool lost)
{
	struct quorum *q = arg;

	if (lost || q->calm)
		return;
	struct member *n = somebody(q);
	if (n->up)
		sim_take_snapshot(n, sim_chance(&q->sim, 600000));
	sim_at(&q->sim, soon(q, q->fate.snap_us), NULL, snapshot, q);
}

static void
stop(void *arg, bool lost)
{
	struct quorum *q = arg;

	if (lost || q->calm)
		return;
	struct member *n = some_leader(q);
	if (n != NULL) {
		bool only = sim_chance(&q->sim, 300000);
		sim_feed(n, (struct raft_event){ .kind = only ? RAFT_RESIGN : RAFT_SHUTDOWN, .timeout_ms = 2000 });
		if (!only)
			sim_at(&q->sim, soon(q, 4 * SECOND), NULL, rise, n);
	}
	sim_at(&q->sim, soon(q, q->fate.stop_us), NULL, stop, q);
}

/* One disk a run: what more would cost the quorum is beyond Raft's promise. */
static void
wipe(void *arg, bool lost)
{
	struct quorum *q = arg;

	if (lost || q->calm || q->wiped)
		return;
	struct member *n = somebody(q);
	if (!n->broker && q->voters >= 3) {
		if (n->up)
			sim_member_falls(n);
		sim_member_wipe(n);
		q->wiped = true;
	}
}

static void
upgrade(void *arg, bool lost)
{
	struct quorum *q = arg;

	if (lost || q->calm)
		return;
	struct member *n = some_leader(q);
	if (n != NULL)
		sim_feed(n, (struct raft_event){ .kind = RAFT_UPGRADE, .version = 1,
		    .call = (uint64_t)(ADMIN + 1) << 56 | 2 });
	sim_at(&q->sim, soon(q, q->fate.upgrade_us), NULL, upgrade, q);
}

/* --- a seed's mix */

static int64_t
maybe(struct quorum *q, uint32_t in_a_million, int64_t least_us, int64_t most_us)
{
	int64_t v = least_us + sim_below(&q->sim, most_us - least_us);

	return sim_chance(&q->sim, in_a_million) ? v : 0;
}

static void
choose(struct quorum *q)
{
	struct fate *f = &q->fate;

	q->voters = 1 + (uint32_t)sim_below(&q->sim, 5);
	q->members = q->voters + (uint32_t)sim_below(&q->sim, 4);
	q->static_voters = sim_chance(&q->sim, 200000);
	q->auto_join = sim_chance(&q->sim, 400000);
	f->loss = (uint32_t)maybe(q, 600000, 0, 150000);
	f->twice = (uint32_t)maybe(q, 300000, 0, 100000);
	f->stall = (uint32_t)maybe(q, 300000, 0, 20000);
	f->torn = 500000;
	f->cruel = (uint32_t)maybe(q, 300000, 10000, 300000);
	f->delay_us = 500 + sim_below(&q->sim, sim_chance(&q->sim, 300000) ? 400000 : 20000);
	f->disk_us = 100 + sim_below(&q->sim, sim_chance(&q->sim, 300000) ? 200000 : 5000);
	f->crash_us = maybe(q, 700000, SECOND / 2, 8 * SECOND);
	f->cut_us = maybe(q, 600000, SECOND / 2, 6 * SECOND);
	f->append_us = maybe(q, 950000, SECOND / 20, SECOND);
	f->change_us = q->static_voters ? 0 : maybe(q, 500000, SECOND / 3, 6 * SECOND);
	f->snap_us = maybe(q, 600000, SECOND / 5, 5 * SECOND);
	f->stop_us = maybe(q, 400000, SECOND, 10 * SECOND);
	f->wipe_us = maybe(q, q->auto_join && !q->static_voters && f->change_us == 0 ? 300000 : 0, SECOND, 15 * SECOND);
	f->upgrade_us = maybe(q, q->static_voters ? 400000 : 0, SECOND, 10 * SECOND);
	f->chaos_us = 10 * SECOND + sim_below(&q->sim, 50 * SECOND);
}

static void
plan(struct quorum *q)
{
	const struct {
		int64_t mean_us;
		sim_fn *fn;
	} all[] = { { q->fate.crash_us, crash }, { q->fate.cut_us, cut }, { q->fate.append_us, append },
		{ q->fate.change_us, change }, { q->fate.snap_us, snapshot }, { q->fate.stop_us, stop },
		{ q->fate.wipe_us, wipe }, { q->fate.upgrade_us, upgrade } };

	for (uint32_t i = 0; i < rk_countof(all); i++)
		if (all[i].mean_us > 0)
			sim_at(&q->sim, soon(q, all[i].mean_us), NULL, all[i].fn, q);
}

static void
build(struct quorum *q)
{
	bool drift = sim_chance(&q->sim, 300000);

	for (uint32_t i = 0; i < EPOCHS_MAX; i++)
		q->leader_of[i] = -1;
	for (uint32_t i = 0; i < q->members; i++) {
		struct member *n = &q->member[i];
		n->q = q;
		n->id = i;
		n->port = (uint16_t)(9000 + i);
		n->rate = drift ? (uint32_t)(900 + sim_below(&q->sim, 200)) : 1000;
		n->broker = i >= q->voters && sim_chance(&q->sim, 300000);
		n->initial = i < q->voters || q->static_voters;
		n->disk = sim_mdisk_new();
		n->r = rk_new(struct raft);
		n->todo = rk_new(struct raft_todo);
		n->ends = (struct raft_ends){ .count = 1, .end = { { "C", "", n->port } } };
		n->ends.end[0].host[0] = (char)('a' + i);
		if (i < q->voters) {
			q->first.voter[q->first.count] = sim_voter(n);
			if (q->static_voters)
				memset(&q->first.voter[i].key.dir, 0, sizeof(struct rk_uuid));
			q->first.count++;
		}
	}
	for (uint32_t i = 0; i < q->members; i++)
		sim_member_start(&q->member[i]);
}

static void
raze(struct quorum *q)
{
	for (uint32_t i = 0; i < q->members; i++) {
		struct member *n = &q->member[i];
		n->job = NULL;
		sim_member_crash(n);
		sim_mdisk_free(n->disk);
		rk_mem_put(n->r);
		rk_mem_put(n->todo);
		rk_mem_put(n->out);
	}
	sim_end(&q->sim);
	rk_mem_put(q->done);
	rk_mem_put(q->frozen);
	rk_mem_put(q->ballot);
	rk_mem_put(q);
}

/* --- peace */

static bool
healed(struct quorum *q, int64_t goal)
{
	struct member *leader = NULL;

	for (uint32_t i = 0; i < q->members; i++) {
		struct member *n = &q->member[i];
		if (!n->up)
			return false;
		if (raft_leads(n->r) && leader != NULL)
			return false;
		if (raft_leads(n->r))
			leader = n;
	}
	if (leader == NULL || leader->r->hw < goal || leader->r->hw != leader->r->log_end)
		return false;
	for (uint32_t i = 0; i < q->members; i++) {
		const struct raft *r = q->member[i].r;
		if (r->hw != leader->r->hw || r->log_end != r->hw || r->vote.epoch != leader->r->vote.epoch)
			return false;
	}
	return true;
}

static void
make_peace(struct quorum *q)
{
	q->calm = true;
	memset(q->blocked, 0, sizeof q->blocked);
	for (uint32_t i = 0; i < q->members; i++)
		if (!q->member[i].up)
			sim_at(&q->sim, soon(q, SECOND), &q->member[i].life, rise, &q->member[i]);
}

/* All members up, no fault: one more record must be everywhere soon. */
static void
peace(struct quorum *q)
{
	int64_t until = q->sim.now_us + PEACE_US, goal = INT64_MAX;

	make_peace(q);
	while (q->sim.now_us < until && q->failure[0] == 0) {
		int64_t next = q->sim.now_us + SECOND / 2;
		while (q->failure[0] == 0 && sim_run(&q->sim, next))
			;
		for (uint32_t i = 0; i < q->members; i++)
			if (!q->member[i].up) /* it was still on its way down */
				sim_member_start(&q->member[i]);
		struct member *n = some_leader(q);
		if (goal == INT64_MAX)
			goal = sim_committed_end(q) + 1;
		if (n != NULL && sim_committed_end(q) < goal)
			sim_client_append(n); /* a leader of the past may lose it: again, then */
		if (healed(q, goal))
			return;
	}
	if (q->failure[0] == 0)
		sim_fail(q, "a minute of peace did not heal it");
}

uint64_t
sim_raft(uint64_t seed, enum sim_bug bug, bool trace, uint64_t *steps, char failure[256])
{
	struct quorum *q = rk_new(struct quorum);

	q->seed = seed;
	q->bug = bug;
	q->trace = trace;
	sim_start(&q->sim, seed);
	choose(q);
	build(q);
	plan(q);
	while (q->failure[0] == 0 && sim_run(&q->sim, q->fate.chaos_us))
		;
	if (q->failure[0] == 0)
		peace(q);
	uint64_t digest = q->failure[0] == 0 ? q->sim.digest | 1 : 0;
	*steps += q->steps;
	snprintf(failure, 256, "%s", q->failure);
	raze(q);
	return digest;
}
