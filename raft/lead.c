/* lead.c - the leader: who has how much, what is committed, whose fetch waits.
 *
 * A fetch is the acknowledgement of all before its offset. The high watermark is the offset that a
 * majority of the voters has reached, the leader counted with what it has flushed; it counts only once it is
 * past the start of the leader's own epoch (Raft, 5.4.2), and never goes back. */
#include "raft/in.h"

enum { PARKED_ROOM = 2 * RAFT_VOTERS_MAX + 2, OBSERVER_MS = 300000 };

bool
raft_leads(const struct raft *r)
{
	return r->role == RAFT_LEADER;
}

static struct raft_replica *
find(struct raft *r, struct raft_key k)
{
	for (uint32_t i = 0; i < r->replicas; i++)
		if (raft_fits(r->replica[i].key, k))
			return &r->replica[i];
	return NULL;
}

/* The entry of this replica, made when it is new: the longest silent observer gives way. */
struct raft_replica *
raft_replica(struct raft *r, struct raft_key k)
{
	struct raft_replica *q = find(r, k);

	if (q != NULL)
		return q;
	if (r->replicas < RAFT_REPLICAS_MAX) {
		q = &r->replica[r->replicas++];
	} else {
		for (uint32_t i = 0; i < r->replicas; i++)
			if (!r->replica[i].voter && (q == NULL || r->replica[i].fetch_ms < q->fetch_ms))
				q = &r->replica[i];
	}
	rk_assert(q != NULL && r->replicas <= RAFT_REPLICAS_MAX);
	rk_assert(q == &r->replica[r->replicas - 1] || !q->voter);
	*q = (struct raft_replica){ .key = k, .end = -1, .fetch_ms = -1, .caught_ms = -1, .leader_end = -1 };
	return q;
}

/* Brings the table in line with the voters in force. An observer that becomes voter keeps its count. */
void
raft_recount(struct raft *r)
{
	const struct raft_voters *v = &raft_set_now(r)->voters;

	for (uint32_t i = 0; i < r->replicas; i++)
		r->replica[i].voter = false;
	for (uint32_t i = 0; i < v->count; i++) {
		struct raft_replica *q = raft_replica(r, v->voter[i].key);
		if (rk_uuid_zero(q->key.dir))
			q->key.dir = v->voter[i].key.dir; /* a static voter is in the log now */
		q->voter = true;
	}
	rk_assert(r->role == RAFT_LEADER && r->replicas >= (v->count > 0));
}

static void
forget_silent(struct raft *r)
{
	rk_assert(r->replicas <= RAFT_REPLICAS_MAX);
	for (uint32_t i = r->replicas; i-- > 0;)
		if (!r->replica[i].voter && r->now_ms - r->replica[i].fetch_ms > OBSERVER_MS)
			r->replica[i] = r->replica[--r->replicas];
}

/* --- a new epoch */

static bool
must_tell_voters(const struct raft *r, struct raft_voters *v)
{
	const struct raft_set *s = raft_set_now(r);
	int32_t me = raft_place(&s->voters, r->self.key);
	bool told = s->offset >= r->log_start && s->offset >= 0;

	if (s->version < 1)
		return false;
	*v = s->voters;
	if (me < 0)
		return !told && r->base.end == 0;
	struct raft_voter *mine = &v->voter[me];
	bool same = raft_ends_same(&mine->ends, &r->self.ends) && mine->min_version == r->self.min_version
	    && mine->max_version == r->self.max_version;
	*mine = r->self;
	return !same || (!told && r->base.end == 0);
}

static void
write_leader_change(struct raft *r, uint32_t granted)
{
	const struct raft_voters *v = &raft_set_now(r)->voters;
	struct raft_todo *t = r->todo;
	struct raft_voters fresh;
	bool voters = must_tell_voters(r, &fresh);

	t->control = t->tell_leader = t->flush = true;
	t->control_base = r->log_end;
	t->control_epoch = r->vote.epoch;
	t->granting_count = 0;
	for (uint32_t i = 0; i < v->count; i++)
		if ((granted & 1u << i) != 0)
			t->granting[t->granting_count++] = v->voter[i].key;
	raft_grow(r, r->vote.epoch, r->log_end, r->log_end + (voters ? 3 : 1));
	if (voters) {
		t->tell_version = raft_set_now(r)->version;
		raft_change_in(r, &(struct raft_change){ t->control_base + 2, -1, &fresh });
	}
	t->tell_voters = voters ? &raft_set_now(r)->voters : NULL;
	rk_assert(t->granting_count <= RAFT_VOTERS_MAX && !t->take && !t->cut);
}

/* Candidate -> Leader. */
void
raft_lead(struct raft *r)
{
	uint32_t granted = r->granted;

	rk_assert(r->role == RAFT_CANDIDATE && raft_same(r->vote.voted, r->self.key));
	rk_assert(r->vote.leader < 0 && raft_last_epoch(r) < r->vote.epoch);
	rk_assert(2 * (uint32_t)__builtin_popcount(granted) > raft_set_now(r)->voters.count);
	raft_peers_reset(r);
	r->granted = r->refused = 0;
	r->role = RAFT_LEADER;
	r->vote.leader = r->self.key.id;
	r->leader_ends.count = 0;
	r->hw_known = false;
	r->replicas = 0;
	r->heard.count = 0;
	r->op.stage = RAFT_OP_NONE;
	r->epoch_start = r->log_end;
	r->begin_ms = r->now_ms;
	r->deadline_ms = r->now_ms + r->conf.fetch_timeout_ms * 3 / 2;
	write_leader_change(r, granted);
	raft_recount(r);
	rk_assert(r->log_end > r->epoch_start && raft_last_epoch(r) == r->vote.epoch);
	rk_event("leader", r->self.key.id, r->vote.epoch);
}

/* --- the high watermark */

static int64_t
majority_has(const struct raft *r)
{
	int64_t end[RAFT_VOTERS_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->replicas; i++) {
		const struct raft_replica *q = &r->replica[i];
		if (!q->voter)
			continue;
		rk_assert(n < RAFT_VOTERS_MAX);
		int64_t e = raft_fits(q->key, r->self.key) ? r->flushed_end : q->end;
		uint32_t k = n++;
		for (; k > 0 && end[k - 1] < e; k--)
			end[k] = end[k - 1];
		end[k] = e;
	}
	rk_assert(n <= RAFT_VOTERS_MAX && (n < 2 || end[0] >= end[n - 1]));
	return n == 0 ? -1 : end[n / 2];
}

void
raft_advance(struct raft *r)
{
	if (r->role != RAFT_LEADER)
		return;
	int64_t e = majority_has(r);
	if (e <= r->epoch_start)
		return;
	/* A majority was counted under other voters before: never back. */
	rk_assert(e <= r->log_end);
	r->hw = rk_max(r->hw, e);
	r->hw_known = true;
}

/* --- fetches */

/* What a request to the leader must say first. */
enum rk_err
raft_leader_only(const struct raft *r, int32_t epoch)
{
	if (epoch < r->vote.epoch)
		return RK_FENCED_LEADER_EPOCH;
	if (epoch > r->vote.epoch)
		return RK_UNKNOWN_LEADER_EPOCH;
	return r->role == RAFT_LEADER ? RK_OK : RK_NOT_LEADER_OR_FOLLOWER;
}

static int64_t
known_hw(const struct raft *r)
{
	rk_assert(!r->hw_known || r->hw >= 0);
	return r->hw_known ? r->hw : -1;
}

static void
heard_from(struct raft *r, struct raft_key from, int64_t offset)
{
	if (from.id < 0 || raft_fits(r->self.key, from))
		return;
	struct raft_replica *q = raft_replica(r, from);
	rk_assert(r->role == RAFT_LEADER && q->fetch_ms <= r->now_ms && offset <= r->log_end);
	if (rk_uuid_zero(q->key.dir))
		q->key.dir = from.dir; /* a static voter shows itself */
	q->fetched = true;
	if (offset >= 0) {
		if (offset >= r->log_end)
			q->caught_ms = r->now_ms;
		else if (q->leader_end >= 0 && offset >= q->leader_end)
			q->caught_ms = rk_max(q->caught_ms, q->fetch_ms);
		q->end = offset;
		q->leader_end = r->log_end;
	}
	q->fetch_ms = r->now_ms;
}

/* Answers at once what can be; otherwise false. */
static bool
answer_fetch(struct raft *r, const struct raft_parked *q, struct raft_spot spot, bool now)
{
	bool data = spot.is == RAFT_SPOT_VALID && q->offset < r->log_end;

	rk_assert(r->role == RAFT_LEADER && q->call != 0 && q->epoch == r->vote.epoch);
	if (spot.is == RAFT_SPOT_VALID && !data && !now && q->hw >= known_hw(r))
		return false;
	struct raft_msg *m = raft_reply(r, RAFT_FETCH, q->call, RK_OK);
	m->hw = known_hw(r);
	m->log_start = r->log_start;
	m->offset = q->offset;
	m->max_bytes = q->max_bytes;
	if (spot.is == RAFT_SPOT_LOST)
		m->err = RK_UNKNOWN_SERVER_ERROR;
	else if (spot.is == RAFT_SPOT_DIVERGES)
		m->diverging = spot.diverging;
	else if (spot.is == RAFT_SPOT_SNAPSHOT)
		m->snap = r->snap;
	else
		m->records = data;
	return true;
}

void
raft_on_fetch(struct raft *r, const struct raft_msg *m)
{
	struct raft_parked q = { .call = m->call, .from = m->from, .epoch = m->epoch,
		.last_epoch = m->last_epoch, .max_bytes = m->max_bytes, .offset = m->offset, .hw = m->hw,
		.until_ms = r->now_ms + m->max_wait_ms };
	enum rk_err e;

	if (m->max_wait_ms < 0 || m->offset < 0 || m->last_epoch < 0 || m->last_epoch > m->epoch)
		e = RK_INVALID_REQUEST;
	else if ((e = raft_leader_only(r, m->epoch)) == RK_OK && r->stop_ms != INT64_MAX)
		e = RK_BROKER_NOT_AVAILABLE;
	if (e != RK_OK) {
		raft_reply(r, RAFT_FETCH, m->call, e);
		return;
	}
	struct raft_spot spot = raft_look(r, m->offset, m->last_epoch);
	if (spot.is == RAFT_SPOT_VALID) {
		heard_from(r, m->from, m->offset);
		raft_advance(r);
	}
	rk_assert(r->parked_count <= RAFT_PARKED_MAX);
	bool now = m->max_wait_ms == 0 || r->parked_count == RAFT_PARKED_MAX;
	if (!answer_fetch(r, &q, spot, now))
		r->parked[r->parked_count++] = q;
}

/* Completes what waited long enough, or for something that has come. Leaves room for other messages: what
 * does not fit is looked at in the next step. */
void
raft_wake_parked(struct raft *r)
{
	for (uint32_t i = r->parked_count; i-- > 0 && r->todo->count + PARKED_ROOM <= RAFT_MSGS_MAX;) {
		const struct raft_parked *q = &r->parked[i];
		if (r->role != RAFT_LEADER || q->epoch != r->vote.epoch) {
			raft_reply(r, RAFT_FETCH, q->call, RK_NOT_LEADER_OR_FOLLOWER);
		} else {
			bool late = r->now_ms >= q->until_ms;
			if (!late && q->offset == r->log_end && q->hw >= known_hw(r))
				continue;
			if (!answer_fetch(r, q, raft_look(r, q->offset, q->last_epoch), late))
				continue;
		}
		rk_assert(r->parked_count > i);
		r->parked[i] = r->parked[--r->parked_count];
	}
}

void
raft_on_snapshot(struct raft *r, const struct raft_msg *m)
{
	enum rk_err e = raft_leader_only(r, m->epoch);

	if (e == RK_OK && m->snap.end <= 0)
		e = RK_SNAPSHOT_NOT_FOUND;
	else if (e == RK_OK && m->offset < 0)
		e = RK_POSITION_OUT_OF_RANGE;
	if (e == RK_OK)
		heard_from(r, m->from, -1);
	struct raft_msg *a = raft_reply(r, RAFT_SNAPSHOT, m->call, e);
	a->snap = m->snap;
	a->offset = m->offset;
	a->max_bytes = m->max_bytes;
}

/* --- staying leader */

/* Others that must have fetched within the timer for the leader to be sure of its majority. */
static bool
majority_fetched(struct raft *r)
{
	const struct raft_voters *v = &raft_set_now(r)->voters;
	uint32_t need = v->count / 2 + 1, have = 0;

	if (raft_place(v, r->self.key) >= 0)
		need--;
	for (uint32_t i = 0; i < r->replicas; i++)
		have += r->replica[i].voter && r->replica[i].fetched;
	rk_assert(have <= v->count && need <= v->count + 1);
	return have >= need;
}

static void
check_quorum(struct raft *r)
{
	if (majority_fetched(r)) {
		r->deadline_ms = r->now_ms + r->conf.fetch_timeout_ms * 3 / 2;
		for (uint32_t i = 0; i < r->replicas; i++)
			r->replica[i].fetched = false;
	} else if (r->now_ms >= r->deadline_ms) {
		raft_resign(r);
	}
}

static void
begin_epoch(struct raft *r)
{
	int64_t half = r->conf.fetch_timeout_ms / 2;

	rk_assert(r->role == RAFT_LEADER && half >= 0);
	if (r->now_ms >= r->begin_ms) {
		r->begin_ms = r->now_ms + half;
		for (uint32_t i = 0; i < r->replicas; i++) {
			struct raft_replica *q = &r->replica[i];
			q->begin_due = q->voter && !raft_fits(q->key, r->self.key)
			    && (q->fetch_ms < 0 || r->now_ms - q->fetch_ms >= half);
		}
		forget_silent(r);
	}
	for (uint32_t i = 0; i < r->replicas; i++) {
		struct raft_replica *q = &r->replica[i];
		if (!q->begin_due || !raft_ready(r, q->key.id))
			continue;
		q->begin_due = false;
		raft_ask(r, RAFT_BEGIN, q->key.id)->voter = q->key;
	}
}

void
raft_poll_leader(struct raft *r)
{
	bool removed = !raft_is_voter(r) && r->hw > raft_set_now(r)->offset;

	rk_assert(r->role == RAFT_LEADER && r->vote.leader == r->self.key.id);
	if (removed) {
		raft_resign(r);
		return;
	}
	check_quorum(r);
	if (r->role == RAFT_LEADER)
		begin_epoch(r);
}

bool
raft_describe(const struct raft *r, uint32_t row, struct raft_row *out)
{
	if (r->role != RAFT_LEADER || row >= r->replicas)
		return false;
	const struct raft_replica *q = &r->replica[row];
	bool me = raft_fits(q->key, r->self.key);
	*out = (struct raft_row){ q->key, q->voter, me ? r->log_end : q->end, me ? r->now_ms : q->fetch_ms,
		me ? r->now_ms : q->caught_ms };
	return true;
}
