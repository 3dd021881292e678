/* log.c - where the log begins and ends, which epoch begins where, which voters are in force.
 *
 * The epoch list answers the one question of replication: "your last record was of epoch e, and your log
 * ends at x: is that a prefix of mine?" It is, when my records of epoch e go on to x at least. The list
 * is bounded; what was dropped from its front may not be guessed, so a position that old is sent to the
 * snapshot, which is always right. */
#include "raft/in.h"

bool
raft_same(struct raft_key a, struct raft_key b)
{
	return a.id == b.id && rk_uuid_eq(a.dir, b.dir);
}

bool
raft_fits(struct raft_key voter, struct raft_key k)
{
	return voter.id == k.id && (rk_uuid_zero(voter.dir) || rk_uuid_eq(voter.dir, k.dir));
}

int32_t
raft_place(const struct raft_voters *v, struct raft_key k)
{
	rk_assert(v->count <= RAFT_VOTERS_MAX);
	for (uint32_t i = 0; i < v->count; i++)
		if (raft_fits(v->voter[i].key, k))
			return (int32_t)i;
	return -1;
}

const struct raft_voter *
raft_voter_by_id(const struct raft *r, int32_t id)
{
	const struct raft_voters *v = &raft_set_now(r)->voters;

	rk_assert(v->count <= RAFT_VOTERS_MAX);
	for (uint32_t i = 0; i < v->count; i++)
		if (v->voter[i].key.id == id)
			return &v->voter[i];
	return NULL;
}

bool
raft_ends_same(const struct raft_ends *a, const struct raft_ends *b)
{
	rk_assert(a->count <= RAFT_ENDS_MAX && b->count <= RAFT_ENDS_MAX);
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++) {
		const struct raft_end *x = &a->end[i], *y = &b->end[i];
		if (x->port != y->port || strcmp(x->name, y->name) != 0 || strcmp(x->host, y->host) != 0)
			return false;
	}
	return true;
}

/* The first contradiction stays: the node will stop on it. */
void
raft_broken(struct raft *r, const char *why)
{
	rk_assert(why != NULL);
	if (r->fault == NULL)
		r->fault = why;
	rk_event(r->fault, r->self.key.id, r->vote.epoch);
}

/* --- voter sets */

const struct raft_set *
raft_set_now(const struct raft *r)
{
	rk_assert(r->sets > 0 && r->sets <= RAFT_SETS_MAX);
	return &r->set[r->sets - 1];
}

const struct raft_set *
raft_set_at(const struct raft *r, int64_t end)
{
	rk_assert(r->sets > 0 && end >= 0);
	for (uint32_t i = r->sets; i > 0; i--)
		if (r->set[i - 1].offset < end)
			return &r->set[i - 1];
	return NULL;
}

bool
raft_is_voter(const struct raft *r)
{
	return r->can_vote && raft_place(&raft_set_now(r)->voters, r->self.key) >= 0;
}

/* A voter may; and who was one until a removal that is not known to be committed: it may be the only one
 * that has that record, and then nobody else can be elected and no majority without it is possible. It needs
 * the votes of the set in force, and leads until the removal is committed (Raft, dissertation, 4.2.2). */
bool
raft_may_stand(const struct raft *r)
{
	const struct raft_set *now = raft_set_now(r);

	if (raft_is_voter(r))
		return true;
	return r->can_vote && r->sets > 1 && now->offset >= r->hw && now->voters.count > 0
	    && raft_place(&now[-1].voters, r->self.key) >= 0;
}

void
raft_change_in(struct raft *r, const struct raft_change *c)
{
	const struct raft_set *now = raft_set_now(r);
	struct raft_set *s = (struct raft_set *)now;

	rk_assert(c->offset >= now->offset);
	if (c->offset > now->offset) { /* else another record at the same place: it completes the set */
		if (r->sets == RAFT_SETS_MAX) {
			memmove(r->set, r->set + 1, (RAFT_SETS_MAX - 1) * sizeof *r->set);
			r->sets--;
		}
		s = &r->set[r->sets++];
		*s = s[-1];
		s->offset = c->offset;
	}
	if (c->version >= 0)
		s->version = c->version;
	if (c->voters != NULL)
		s->voters = *c->voters;
	rk_assert(s->voters.count <= RAFT_VOTERS_MAX && s->version >= 0);
	rk_assert(s == raft_set_now(r) && (r->sets < 2 || s[-1].offset < s->offset));
}

/* --- epochs */

int32_t
raft_last_epoch(const struct raft *r)
{
	rk_assert((r->epochs > 0) == (r->log_end > r->log_start) && r->epochs <= RAFT_EPOCHS_MAX);
	return r->epochs > 0 ? r->epoch[r->epochs - 1].epoch : r->base.epoch;
}

int32_t
raft_epoch_at(const struct raft *r, int64_t offset)
{
	rk_assert(offset >= r->log_start - 1 && offset < rk_max(r->log_end, 1));
	for (uint32_t i = r->epochs; i > 0; i--)
		if (r->epoch[i - 1].start <= offset)
			return r->epoch[i - 1].epoch;
	return r->base.epoch;
}

/* How many entries have an epoch at most this: they ascend. */
static uint32_t
upto(const struct raft *r, int32_t epoch)
{
	uint32_t lo = 0, hi = r->epochs;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (r->epoch[mid].epoch <= epoch)
			lo = mid + 1;
		else
			hi = mid;
	}
	rk_assert(lo == 0 || r->epoch[lo - 1].epoch <= epoch);
	rk_assert(lo == r->epochs || r->epoch[lo].epoch > epoch);
	return lo;
}

/* The largest epoch of the log that is at most this one, and where it ends. */
struct raft_snap
raft_end_of(const struct raft *r, int32_t epoch)
{
	uint32_t n = upto(r, epoch);
	struct raft_snap s = { n < r->epochs ? r->epoch[n].start : r->log_end, epoch };

	if (n > 0)
		s.epoch = r->epoch[n - 1].epoch;
	else if (r->epochs == 0)
		s.epoch = (int32_t)rk_min(epoch, r->base.epoch);
	rk_assert(s.end >= r->log_start && s.end <= r->log_end);
	rk_assert(s.epoch <= epoch);
	return s;
}

void
raft_grow(struct raft *r, int32_t epoch, int64_t base, int64_t end)
{
	rk_assert(base == r->log_end && end > base);
	rk_assert(epoch >= raft_last_epoch(r) && epoch <= r->vote.epoch);
	if (r->epochs == 0 || r->epoch[r->epochs - 1].epoch < epoch) {
		if (r->epochs == RAFT_EPOCHS_MAX) {
			memmove(r->epoch, r->epoch + 1, (RAFT_EPOCHS_MAX - 1) * sizeof *r->epoch);
			r->epochs--;
			r->epochs_lost = true;
		}
		r->epoch[r->epochs++] = (struct raft_epoch){ epoch, base };
	}
	r->log_end = end;
	rk_assert(raft_last_epoch(r) == epoch && r->epoch[r->epochs - 1].start <= base);
}

void
raft_cut(struct raft *r, int64_t offset)
{
	rk_assert(offset >= r->log_start && offset <= r->log_end);
	if (offset < r->hw) {
		raft_broken(r, "the leader asks to cut committed records off the metadata log");
		return;
	}
	if (offset == r->log_end)
		return;
	while (r->epochs > 0 && r->epoch[r->epochs - 1].start >= offset)
		r->epochs--;
	while (r->sets > 1 && r->set[r->sets - 1].offset >= offset)
		r->sets--;
	if (r->set[0].offset >= offset)
		raft_broken(r, "the voter set before a cut of the metadata log is not remembered");
	r->log_end = offset;
	r->flushed_end = rk_min(r->flushed_end, offset);
	r->cuts++;
	r->todo->cut = r->todo->flush = true;
	r->todo->cut_to = offset;
	rk_assert(r->role != RAFT_LEADER && r->hw <= r->log_end && r->flushed_end <= r->log_end);
}

/* The log now starts behind a snapshot of our own; what is before is forgotten. */
void
raft_trim(struct raft *r, struct raft_snap s)
{
	uint32_t n = 0;

	rk_assert(s.end >= r->log_start && s.end <= r->hw);
	if (s.end == r->log_end)
		n = r->epochs;
	while (n + 1 < r->epochs && r->epoch[n + 1].start <= s.end)
		n++;
	r->epochs -= n;
	memmove(r->epoch, r->epoch + n, r->epochs * sizeof *r->epoch);
	if (r->epochs > 0 && r->epoch[0].start <= s.end) {
		r->epoch[0].start = s.end;
		r->epochs_lost = false;
	}
	r->log_start = s.end;
	r->base = s;
	if (r->snap.end < s.end)
		r->snap = s;
	rk_assert(r->log_start <= r->log_end && r->snap.end >= r->base.end);
	rk_assert(r->epochs == 0 || r->epoch[0].start >= r->log_start);
}

/* The log starts over behind a snapshot that came from the leader. */
void
raft_restart(struct raft *r, struct raft_snap s, const struct raft_change *c)
{
	struct raft_change in = *c;

	rk_assert(s.end > 0 && s.end >= r->hw);
	r->log_start = r->log_end = r->flushed_end = s.end;
	r->hw = s.end;
	r->snap = r->base = s;
	r->epochs = 0;
	r->epochs_lost = false;
	r->cuts++;
	r->set[0] = r->set[r->sets - 1];
	r->sets = 1;
	r->set[0].offset = in.offset = s.end - 1;
	raft_change_in(r, &in);
	rk_assert(r->sets == 1 && raft_last_epoch(r) == s.epoch);
	r->todo->reset = r->todo->flush = true;
	r->todo->snap = s;
}

/* --- positions */

bool
raft_up_to_date(const struct raft *r, int32_t last_epoch, int64_t last_offset)
{
	int32_t mine = raft_last_epoch(r);

	rk_assert(last_epoch >= 0 && last_offset >= 0);
	return last_epoch > mine || (last_epoch == mine && last_offset >= r->log_end);
}

/* facts/kraft.md, Fetch, "the position": the order of these lines is the protocol's. */
struct raft_spot
raft_look(const struct raft *r, int64_t offset, int32_t epoch)
{
	struct raft_spot s = { RAFT_SPOT_VALID, { 0, -1 } };
	bool snap = r->snap.end > 0;

	rk_assert(offset >= 0 && epoch >= 0);
	if (offset == 0 && snap)
		s.is = RAFT_SPOT_SNAPSHOT;
	else if (offset == 0 && r->log_start == 0)
		s.is = RAFT_SPOT_VALID;
	else if (offset < r->log_start || epoch < r->base.epoch
	    || (offset == r->log_start && r->log_start > 0 && epoch != r->base.epoch))
		s.is = RAFT_SPOT_SNAPSHOT;
	else if (r->epochs_lost && epoch < r->epoch[0].epoch)
		s.is = snap ? RAFT_SPOT_SNAPSHOT : RAFT_SPOT_LOST;
	else {
		struct raft_snap e = raft_end_of(r, epoch);
		if (e.epoch != epoch || e.end < offset) {
			s.is = RAFT_SPOT_DIVERGES;
			s.diverging = e;
		}
	}
	rk_assert(s.is != RAFT_SPOT_SNAPSHOT || snap);
	rk_assert(s.is != RAFT_SPOT_VALID || (offset >= r->log_start && offset <= r->log_end));
	return s;
}
