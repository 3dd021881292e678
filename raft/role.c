/* role.c - who leads: the transitions between roles, votes, and the messages that begin and end an epoch.
 *
 *	Unattached --timer--> Prospective --majority--> Candidate --majority--> Leader --> Resigned
 *	     ^                  |   ^  \                   | timer                           | timer
 *	     |      refused, or |   |   \ a leader known   v                                 v
 *	     +------------------+   +--- Follower    Prospective                   Unattached, epoch + 1
 *
 * A Prospective asks whether it would be elected before it raises the epoch (KIP-996), so a node that was
 * cut off does not disturb a working quorum when it comes back. A higher epoch seen anywhere makes every
 * role Unattached or Follower in it. */
#include "raft/in.h"

int64_t
raft_chance(struct raft *r, int64_t below)
{
	rk_assert(below >= 0);
	r->rng = r->rng * 6364136223846793005u + 1442695040888963407u;
	return below == 0 ? 0 : (int64_t)((r->rng >> 33) % (uint64_t)below);
}

int64_t
raft_random_election(struct raft *r)
{
	return r->now_ms + r->conf.election_ms + raft_chance(r, r->conf.election_ms);
}

/* What every transition does: requests of the old role are nobody's any more. */
static void
enter(struct raft *r, enum raft_role role)
{
	rk_assert(role != RAFT_LEADER && role <= RAFT_RESIGNED);
	raft_peers_reset(r);
	r->granted = r->refused = r->dead = 0;
	r->lost = false;
	r->down = (struct raft_snap){ 0, 0 };
	r->down_whole = false;
	r->role = role;
	raft_op_end(r, RK_NOT_LEADER_OR_FOLLOWER);
	rk_event(raft_role_name(role), r->self.key.id, r->vote.epoch);
}

static void
raise_epoch(struct raft *r, int32_t epoch)
{
	rk_assert(epoch >= r->vote.epoch);
	if (epoch == r->vote.epoch)
		return;
	r->vote.epoch = epoch;
	r->vote.voted = (struct raft_key){ .id = -1 };
	r->vote.leader = -1;
	r->leader_ends.count = 0;
	r->hw_known = false;
	rk_assert(r->vote.epoch > 0);
}

void
raft_to_unattached(struct raft *r, int32_t epoch, int32_t leader)
{
	bool led = r->role == RAFT_LEADER;

	rk_assert(leader != r->self.key.id || epoch == r->vote.epoch);
	raise_epoch(r, epoch);
	enter(r, RAFT_UNATTACHED);
	r->vote.leader = leader;
	if (led)
		r->deadline_ms = raft_random_election(r);
}

/* A leader that says nothing is silent for all at the same moment, for a record wakes all their fetches at once: each
 * adds its own slack, or they would all stand, vote for themselves, and begin again. */
int64_t
raft_fetch_deadline(const struct raft *r)
{
	rk_assert(r->slack_ms >= 0 && r->role == RAFT_FOLLOWER);
	return r->now_ms + r->conf.fetch_timeout_ms + r->slack_ms;
}

void
raft_to_follower(struct raft *r, int32_t epoch, int32_t leader, const struct raft_ends *ends)
{
	rk_assert(leader >= 0 && leader != r->self.key.id);
	rk_assert(epoch > r->vote.epoch || r->vote.leader < 0 || r->vote.leader == leader);
	raise_epoch(r, epoch);
	if (r->role == RAFT_LEADER || r->vote.leader != leader)
		r->hw_known = false;
	enter(r, RAFT_FOLLOWER);
	r->vote.leader = leader;
	r->leader_ends = *ends;
	r->has_fetched = r->updated = r->leader_dead = false;
	r->update_ms = r->now_ms + r->conf.fetch_timeout_ms;
	r->slack_ms = raft_chance(r, r->conf.election_ms / 4);
	r->deadline_ms = raft_fetch_deadline(r);
	rk_assert(r->leader_ends.count <= RAFT_ENDS_MAX);
}

static uint32_t
my_bit(const struct raft *r)
{
	int32_t i = raft_place(&raft_set_now(r)->voters, r->self.key);

	return i >= 0 ? 1u << i : 0;
}

void
raft_to_prospective(struct raft *r)
{
	rk_assert(raft_may_stand(r) && r->role != RAFT_LEADER);
	enter(r, RAFT_PROSPECTIVE);
	r->granted = my_bit(r);
	r->deadline_ms = raft_random_election(r);
	rk_assert(r->deadline_ms > r->now_ms);
}

static void
to_candidate(struct raft *r)
{
	rk_assert(r->role == RAFT_PROSPECTIVE && r->vote.epoch < INT32_MAX);
	raise_epoch(r, r->vote.epoch + 1);
	enter(r, RAFT_CANDIDATE);
	rk_assert(r->vote.leader < 0 && r->vote.voted.id < 0);
	r->vote.voted = r->self.key;
	r->granted = my_bit(r);
	r->deadline_ms = raft_random_election(r);
}

/* By descending fetch offset: who is nearest to the log's end should follow on the throne. */
static void
choose_preferred(struct raft *r)
{
	int64_t end[RAFT_VOTERS_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->replicas; i++) {
		const struct raft_replica *q = &r->replica[i];
		if (!q->voter || raft_fits(q->key, r->self.key))
			continue;
		rk_assert(n < RAFT_VOTERS_MAX);
		uint32_t k = n++;
		for (; k > 0 && end[k - 1] < q->end; k--) {
			end[k] = end[k - 1];
			r->preferred[k] = r->preferred[k - 1];
		}
		end[k] = q->end;
		r->preferred[k] = q->key;
	}
	r->preferred_count = n;
	rk_assert(n <= RAFT_VOTERS_MAX);
}

void
raft_resign(struct raft *r)
{
	rk_assert(r->role == RAFT_LEADER && r->vote.leader == r->self.key.id);
	choose_preferred(r);
	enter(r, RAFT_RESIGNED);
	r->deadline_ms = raft_random_election(r);
}

/* --- what others say about epochs and leaders */

/* Takes over a newer epoch, or the leader of this one when it was not known. False: it contradicts. */
bool
raft_heard(struct raft *r, int32_t epoch, int32_t leader, const struct raft_ends *ends)
{
	const struct raft_voter *v = leader >= 0 ? raft_voter_by_id(r, leader) : NULL;

	if (leader == r->self.key.id && (r->vote.leader != leader || epoch > r->vote.epoch))
		leader = -1; /* somebody takes an older life of this node for the leader */
	if (ends == NULL || ends->count == 0)
		ends = v != NULL ? &v->ends : NULL;
	if (epoch < r->vote.epoch)
		return true;
	if (epoch == r->vote.epoch && leader >= 0 && r->vote.leader >= 0 && leader != r->vote.leader) {
		rk_event("two leaders in one epoch", leader, r->vote.leader);
		return false;
	}
	if (leader == r->self.key.id)
		return true;
	if (leader >= 0 && ends != NULL) {
		bool better = r->role == RAFT_FOLLOWER && ends->count > r->leader_ends.count;
		if (epoch > r->vote.epoch || r->role != RAFT_FOLLOWER || better)
			raft_to_follower(r, epoch, leader, ends);
	} else if (epoch > r->vote.epoch) {
		raft_to_unattached(r, epoch, leader);
	}
	return true;
}

/* What every reply may mean besides itself. True: nothing else is to be read in it. */
bool
raft_common(struct raft *r, const struct raft_msg *m)
{
	rk_assert(m->reply);
	if (m->epoch < r->vote.epoch || m->err == RK_UNKNOWN_LEADER_EPOCH)
		return true;
	if (m->epoch > r->vote.epoch) {
		raft_heard(r, m->epoch, m->leader, m->leader_ends);
		return true;
	}
	/* A Prospective knows the leader and doubts it: it must not be talked back by those who just repeat
	 * the name. */
	if (m->leader >= 0 && r->vote.leader < 0) {
		raft_heard(r, m->epoch, m->leader, m->leader_ends);
		return m->err != RK_OK;
	}
	return m->leader >= 0 && r->vote.leader >= 0 && m->leader != r->vote.leader;
}

/* --- votes */

static bool
grants(const struct raft *r, const struct raft_msg *m)
{
	rk_assert(m->epoch == r->vote.epoch && m->from.id >= 0);
	bool fresh = raft_up_to_date(r, m->last_epoch, m->offset);

	/* A follower that hears its leader defends it. An observer has no timer that ends this (it may be
	 * a voter already, in a record it lacks), so the leader's silence must. */
	bool loyal = r->role == RAFT_FOLLOWER && r->has_fetched && r->now_ms < r->deadline_ms && !r->leader_dead;

	if (m->pre)
		return fresh && r->role != RAFT_LEADER && !loyal;
	if (r->role != RAFT_UNATTACHED && r->role != RAFT_PROSPECTIVE)
		return false;
	if (r->vote.voted.id >= 0)
		return r->vote.voted.id == m->from.id
		    && (rk_uuid_zero(r->vote.voted.dir) || rk_uuid_eq(r->vote.voted.dir, m->from.dir));
	return fresh && r->vote.leader < 0;
}

static enum rk_err
judge_vote(struct raft *r, const struct raft_msg *m, bool *granted)
{
	*granted = false;
	if (m->epoch < 0 || m->offset < 0 || m->last_epoch < 0
	    || (m->pre ? m->last_epoch > m->epoch : m->last_epoch >= m->epoch))
		return RK_INVALID_REQUEST;
	if (m->epoch < r->vote.epoch)
		return RK_FENCED_LEADER_EPOCH;
	if (m->from.id < 0)
		return RK_INVALID_REQUEST;
	if (m->epoch > r->vote.epoch)
		raft_to_unattached(r, m->epoch, -1);
	if (m->voter.id >= 0 && !raft_fits(m->voter, r->self.key))
		return RK_INVALID_VOTER_KEY;
	*granted = grants(r, m);
	rk_assert(!*granted || m->pre || r->vote.voted.id < 0 || r->vote.voted.id == m->from.id);
	if (*granted && !m->pre)
		r->vote.voted = m->from;
	return RK_OK;
}

void
raft_on_vote(struct raft *r, const struct raft_msg *m)
{
	bool granted;
	enum rk_err e = judge_vote(r, m, &granted);

	struct raft_msg *a = raft_reply(r, RAFT_VOTE, m->call, e);
	a->granted = granted;
	a->pre = m->pre;
	rk_assert(!granted || m->pre || r->vote.voted.id == m->from.id);
}

/* A pre-vote that is lost leaves things as they were. */
static void
lose(struct raft *r)
{
	int32_t leader = r->vote.leader;

	rk_assert(r->role == RAFT_PROSPECTIVE);
	if (leader >= 0 && leader != r->self.key.id && r->leader_ends.count > 0) {
		struct raft_ends ends = r->leader_ends;
		raft_to_follower(r, r->vote.epoch, leader, &ends);
	} else {
		raft_to_unattached(r, r->vote.epoch, leader);
		r->deadline_ms = raft_random_election(r);
	}
}

static void
count_votes(struct raft *r)
{
	uint32_t n = raft_set_now(r)->voters.count;
	uint32_t need = n / 2 + 1;

	rk_assert((r->granted & r->refused) == 0);
	rk_assert(r->role == RAFT_PROSPECTIVE || r->role == RAFT_CANDIDATE);
	if ((uint32_t)__builtin_popcount(r->granted) >= need) {
		if (r->role == RAFT_PROSPECTIVE)
			to_candidate(r);
		else
			raft_lead(r);
	} else if (r->role == RAFT_PROSPECTIVE && n - (uint32_t)__builtin_popcount(r->refused) < need) {
		lose(r);
	} else if (!r->lost && r->dead != 0 && n - (uint32_t)__builtin_popcount(r->refused | r->dead) < need) {
		/* The dead do not vote, and the living voted otherwise: two stood at once. Not both again. */
		r->lost = true;
		r->deadline_ms = rk_min(r->deadline_ms, r->now_ms + raft_chance(r, r->conf.election_ms / 5));
	}
}

void
raft_on_vote_reply(struct raft *r, const struct raft_msg *m)
{
	struct raft_peer *p = raft_answered(r, m);

	if (p == NULL)
		return;
	int32_t id = p->id, place = -1;
	raft_backoff(r, p);
	if (raft_common(r, m) || (r->role != RAFT_PROSPECTIVE && r->role != RAFT_CANDIDATE))
		return;
	if (m->err == RK_UNSUPPORTED_VERSION && r->role == RAFT_PROSPECTIVE) {
		to_candidate(r); /* it cannot be asked beforehand */
		return;
	}
	const struct raft_voters *v = &raft_set_now(r)->voters;
	for (uint32_t i = 0; i < v->count; i++)
		if (v->voter[i].key.id == id)
			place = (int32_t)i;
	if (m->err != RK_OK || place < 0 || ((r->granted | r->refused) & 1u << place) != 0)
		return;
	if (m->granted)
		r->granted |= 1u << place;
	else
		r->refused |= 1u << place;
}

void
raft_poll_nominee(struct raft *r)
{
	const struct raft_voters *v = &raft_set_now(r)->voters;
	enum raft_role role = r->role;

	rk_assert(v->count > 0);
	if (r->vote.epoch == INT32_MAX) {
		raft_broken(r, "the metadata quorum's epochs have run out");
		return;
	}
	count_votes(r);
	if (r->role != role)
		return;
	if (r->now_ms >= r->deadline_ms) {
		if (role == RAFT_PROSPECTIVE)
			lose(r);
		else
			raft_to_prospective(r);
		return;
	}
	for (uint32_t i = 0; i < v->count; i++) {
		if (((r->granted | r->refused) & 1u << i) != 0 || !raft_ready(r, v->voter[i].key.id))
			continue;
		struct raft_msg *m = raft_ask(r, RAFT_VOTE, v->voter[i].key.id);
		m->voter = v->voter[i].key;
		m->pre = role == RAFT_PROSPECTIVE;
		m->offset = r->log_end;
		m->last_epoch = raft_last_epoch(r);
	}
}

void
raft_poll_unattached(struct raft *r)
{
	rk_assert(r->role == RAFT_UNATTACHED);
	if (raft_may_stand(r) && r->now_ms >= r->deadline_ms)
		raft_to_prospective(r);
	else
		raft_fetch_anywhere(r);
}

/* --- BeginQuorumEpoch, EndQuorumEpoch */

static enum rk_err
follow_it(struct raft *r, const struct raft_msg *m)
{
	if (m->epoch < r->vote.epoch)
		return RK_FENCED_LEADER_EPOCH;
	if (m->leader < 0 || m->epoch < 0)
		return RK_INVALID_REQUEST;
	return raft_heard(r, m->epoch, m->leader, m->leader_ends) ? RK_OK : RK_INVALID_REQUEST;
}

void
raft_on_begin(struct raft *r, const struct raft_msg *m)
{
	enum rk_err e = follow_it(r, m);

	if (e == RK_OK && m->voter.id >= 0 && !raft_fits(m->voter, r->self.key))
		e = RK_INVALID_VOTER_KEY;
	raft_reply(r, RAFT_BEGIN, m->call, e);
	rk_assert(e != RK_OK || r->vote.epoch >= m->epoch);
}

/* The first candidate of the list stands at once, the others wait twice as long one after the other. */
static int64_t
succession_delay(const struct raft *r, const struct raft_msg *m)
{
	int64_t max = r->conf.backoff_max_ms;

	rk_assert(max >= 0 && (m->preferred_count == 0 || m->preferred != NULL));
	for (uint32_t p = 0; p < m->preferred_count; p++) {
		if (!raft_fits(m->preferred[p], r->self.key))
			continue;
		if (p == 0)
			return 0;
		uint32_t n = m->preferred_count < 32 ? m->preferred_count : 32;
		return rk_min(max, (max >> (n - 1)) << (p < 32 ? p - 1 : 31));
	}
	return max;
}

void
raft_on_end(struct raft *r, const struct raft_msg *m)
{
	enum rk_err e = follow_it(r, m);

	if (e == RK_OK && r->role == RAFT_FOLLOWER && r->vote.epoch == m->epoch)
		r->deadline_ms = rk_min(r->deadline_ms, r->now_ms + succession_delay(r, m));
	raft_reply(r, RAFT_END, m->call, e);
}

void
raft_on_end_reply(struct raft *r, const struct raft_msg *m, int32_t from)
{
	const struct raft_voters *v = &raft_set_now(r)->voters;

	if (raft_common(r, m) || r->role != RAFT_RESIGNED || m->err != RK_OK)
		return;
	for (uint32_t i = 0; i < v->count; i++)
		if (v->voter[i].key.id == from)
			r->granted |= 1u << i;
}

void
raft_poll_resigned(struct raft *r)
{
	const struct raft_voters *v = &raft_set_now(r)->voters;

	rk_assert(r->role == RAFT_RESIGNED);
	if (r->stop_ms == INT64_MAX && r->now_ms >= r->deadline_ms && r->vote.epoch < INT32_MAX) {
		raft_to_unattached(r, r->vote.epoch + 1, -1);
		return;
	}
	for (uint32_t i = 0; i < v->count; i++) {
		int32_t id = v->voter[i].key.id;
		if (id == r->self.key.id || (r->granted & 1u << i) != 0 || !raft_ready(r, id))
			continue;
		struct raft_msg *m = raft_ask(r, RAFT_END, id);
		m->preferred = r->preferred;
		m->preferred_count = r->preferred_count;
	}
}
