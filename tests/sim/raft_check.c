/* raft_check.c - Raft's promises, looked at after every step of every member.
 *
 *	one leader an epoch; one vote an epoch and directory; what one member took for committed is the
 *	same, byte for byte, everywhere and for ever; it was durable on a majority of the voters when it was
 *	first said; who becomes leader of a later epoch has it. */
#include "tests/sim/raft_sim.h"
#include "base/mem.h"
#include "protocol/batch.h"

void
sim_fail(struct quorum *q, const char *fmt, ...)
{
	va_list ap;

	if (q->failure[0] != 0)
		return;
	va_start(ap, fmt);
	vsnprintf(q->failure, sizeof q->failure, fmt, ap);
	va_end(ap);
	if (q->trace)
		printf("%" PRId64 " FAILED %s\n", q->sim.now_us, q->failure);
}

int64_t
sim_committed_end(const struct quorum *q)
{
	return q->done_count > 0 ? q->done[q->done_count - 1].end : 0;
}

int32_t
sim_epoch_below(const struct quorum *q, int64_t end)
{
	for (uint32_t i = q->done_count; i > 0 && q->done[i - 1].end >= end; i--)
		if (q->done[i - 1].end == end)
			return q->done[i - 1].epoch;
	return -1;
}

uint64_t
sim_voters_below(const struct quorum *q, int64_t end)
{
	for (uint32_t i = q->done_count; i > 0; i--)
		if (q->done[i - 1].base < end && q->done[i - 1].voters != 0)
			return q->done[i - 1].voters;
	return sim_signature(&q->first);
}

/* Who says it first must be the leader, and a majority of the voters in force must have it on disk. */
static void
durable(struct member *n, const struct committed *c)
{
	struct quorum *q = n->q;
	const struct raft_voters *v = &raft_set_now(n->r)->voters;
	uint32_t have = 0;

	if (n->r->role != RAFT_LEADER && n->r->role != RAFT_RESIGNED) { /* it may resign as it commits its removal */
		sim_fail(q, "member %u takes %" PRId64 " for committed before its leader", n->id, c->base);
		return;
	}
	for (uint32_t i = 0; i < v->count; i++)
		for (uint32_t k = 0; k < q->members; k++)
			if (raft_set_now(n->r)->voters.voter[i].key.id == (int32_t)k
			    && (rk_uuid_zero(v->voter[i].key.dir)
				|| rk_uuid_eq(v->voter[i].key.dir, sim_key(&q->member[k]).dir)))
				have += sim_mdisk_has(q->member[k].disk, c->end - 1, c->epoch);
			else if (raft_set_now(n->r)->voters.voter[i].key.id == (int32_t)k)
				have++; /* it had, before its disk was replaced */
	if (have < v->count / 2 + 1)
		sim_fail(q, "member %u commits up to %" PRId64 " that %u of %u voters have on disk", n->id, c->end,
		    have, v->count);
}

static void
one_committed(struct member *n, const uint8_t *b)
{
	struct quorum *q = n->q;
	struct committed c = { kp_batch_base(b), kp_batch_last(b) + 1, kp_batch_epoch(b),
		rk_hash(b, (size_t)kp_batch_bytes(b), 1), 0 };
	struct raft_voters v;
	int16_t version;
	uint32_t lo = 0, hi = q->done_count;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		if (q->done[mid].base < c.base)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < q->done_count) {
		const struct committed *d = &q->done[lo];
		if (d->base != c.base || d->hash != c.hash || d->end != c.end)
			sim_fail(q, "member %u has another committed batch at %" PRId64 " (epoch %d, was %d)", n->id,
			    c.base, c.epoch, d->epoch);
		return;
	}
	if (c.base != sim_committed_end(q))
		sim_fail(q, "member %u commits a gap at %" PRId64, n->id, c.base);
	if (sim_parse_voters(q, b, &version, &v))
		c.voters = sim_signature(&v);
	durable(n, &c);
	*(struct committed *)rk_mem_room((void **)&q->done, q->done_count++, &q->done_cap, sizeof c) = c;
}

static void
new_committed(struct member *n)
{
	int64_t hw = n->todo->hw;
	struct rk_arena a;
	struct rk_str s;

	if (hw <= n->hw_seen)
		return;
	rk_arena_init(&a, SIZE_MAX);
	while (n->hw_seen < hw && n->q->failure[0] == 0) {
		if (st_mlog_read(n->ml, n->hw_seen, hw, 100000, &a, &s) != RK_OK || s.len == 0) {
			sim_fail(n->q, "member %u cannot read %" PRId64 " below its high watermark", n->id, n->hw_seen);
			break;
		}
		for (const char *p = s.at; p < s.at + s.len; p += kp_batch_bytes(p)) {
			one_committed(n, (const uint8_t *)p);
			n->hw_seen = kp_batch_last(p) + 1;
		}
	}
	if (n->hw_seen != hw)
		sim_fail(n->q, "member %u: high watermark %" PRId64 " inside a batch", n->id, hw);
	rk_arena_free(&a);
}

static void
leads(struct member *n)
{
	struct quorum *q = n->q;
	uint32_t epoch = (uint32_t)n->r->vote.epoch;

	rk_assert(epoch < EPOCHS_MAX);
	if (q->leader_of[epoch] == (int32_t)n->id)
		return;
	if (q->leader_of[epoch] >= 0) {
		sim_fail(q, "epoch %u has two leaders, %d and %u", epoch, q->leader_of[epoch], n->id);
		return;
	}
	q->leader_of[epoch] = (int32_t)n->id;
	if (q->done_count == 0 || q->done[q->done_count - 1].epoch >= (int32_t)epoch)
		return;
	const struct committed *last = &q->done[q->done_count - 1];
	if (n->r->log_end < last->end || (last->base >= n->r->log_start
	    && raft_epoch_at(n->r, last->base) != last->epoch))
		sim_fail(q, "leader %u of epoch %u lacks what was committed up to %" PRId64, n->id, epoch, last->end);
}

void
sim_check_reset(struct member *n, struct raft_snap s)
{
	if (sim_epoch_below(n->q, s.end) != s.epoch)
		sim_fail(n->q, "member %u restarts behind a snapshot %" PRId64 "-%d that is no committed prefix", n->id,
		    s.end, s.epoch);
	n->hw_seen = s.end;
}

void
sim_check_vote(struct member *n, int32_t epoch, int32_t candidate)
{
	struct quorum *q = n->q;

	for (uint32_t i = q->ballots; i-- > 0;) {
		const struct ballot *b = &q->ballot[i];
		if (b->member == n->id && b->incarnation == n->incarnation && b->epoch == epoch) {
			if (b->candidate != candidate)
				sim_fail(q, "member %u votes for %d and %d in epoch %d", n->id, b->candidate, candidate, epoch);
			return;
		}
	}
	struct ballot *b = rk_mem_room((void **)&q->ballot, q->ballots++, &q->ballot_cap, sizeof *b);
	*b = (struct ballot){ n->id, n->incarnation, epoch, candidate };
}

void
sim_check_step(struct member *n)
{
	const struct raft *r = n->r;
	const struct st_mlog_info *i = st_mlog_info(n->ml);

	if (n->todo->fault != NULL)
		sim_fail(n->q, "member %u: %s", n->id, n->todo->fault);
	if (i->start != r->log_start || i->end != r->log_end || i->epochs != r->epochs)
		sim_fail(n->q, "member %u: the log [%" PRId64 ", %" PRId64 ") is not raft's [%" PRId64 ", %" PRId64 ")",
		    n->id, i->start, i->end, r->log_start, r->log_end);
	if (i->vote.epoch != r->vote.epoch && n->q->bug != BUG_VOTE_FORGOTTEN)
		sim_fail(n->q, "member %u: the log's epoch %d is not raft's %d", n->id, i->vote.epoch, r->vote.epoch);
	new_committed(n);
	/* Nobody has heard of a leader whose election is not yet on its disk. */
	if (r->role == RAFT_LEADER && n->save_need <= n->flush_done)
		leads(n);
}
