/* raft.c - one step: hear the event, do what the role does, and look at what must always hold.
 *
 * An event only changes the state; what is sent follows from the state alone, in the poll that ends
 * every step (requests that are due, to connections that are free). So nothing is lost by a message that is: the
 * next poll after its time-out sends it again. */
#include "raft/in.h"

const char *
raft_role_name(enum raft_role role)
{
	static const char *const names[] = { "unattached", "prospective", "candidate", "follower", "leader",
		"resigned" };

	rk_assert((uint32_t)role < rk_countof(names));
	return names[role];
}

struct raft_mark
raft_mark(const struct raft *r)
{
	return (struct raft_mark){ r->log_end, r->cuts };
}

/* --- starting */

static void
start_log(struct raft *r, const struct raft_start *s)
{
	rk_assert(s->epochs == 0 || s->epoch != NULL);
	rk_assert((s->epochs > 0) == (s->log_end > s->log_start) && s->base.end == s->log_start);
	rk_assert(s->snap.end >= s->base.end);
	r->log_start = s->log_start;
	r->log_end = r->flushed_end = s->log_end;
	r->hw = s->log_start;
	r->snap = s->snap;
	r->base = s->base;
	uint32_t skip = s->epochs > RAFT_EPOCHS_MAX ? s->epochs - RAFT_EPOCHS_MAX : 0;
	r->epochs_lost = skip > 0;
	r->epochs = s->epochs - skip;
	if (r->epochs > 0)
		memcpy(r->epoch, s->epoch + skip, r->epochs * sizeof *r->epoch);
}

/* The role that the stored election state asks for: facts/kraft.md, section 3, "At start". */
static void
start_role(struct raft *r)
{
	int32_t last = raft_last_epoch(r), leader = r->vote.leader;
	bool voter = raft_is_voter(r);

	r->role = RAFT_UNATTACHED;
	r->deadline_ms = raft_random_election(r);
	if (r->vote.epoch < last) {
		r->vote = (struct raft_vote){ last, -1, { .id = -1 } };
	} else if (voter && raft_set_now(r)->voters.count == 1) {
		r->vote.leader = -1;
		r->deadline_ms = r->now_ms;
	} else if (leader == r->self.key.id) {
		r->role = RAFT_RESIGNED;
		if (!voter)
			raft_to_unattached(r, r->vote.epoch + 1, -1);
	} else if (voter && raft_same(r->vote.voted, r->self.key) && leader < 0 && last < r->vote.epoch) {
		r->role = RAFT_CANDIDATE;
		r->granted = 1u << raft_place(&raft_set_now(r)->voters, r->self.key);
	} else if (leader >= 0 && raft_voter_by_id(r, leader) != NULL) {
		struct raft_ends ends = raft_voter_by_id(r, leader)->ends;
		raft_to_follower(r, r->vote.epoch, leader, &ends);
	} else {
		r->vote.leader = -1;
	}
	if (voter && raft_set_now(r)->voters.count == 1)
		r->deadline_ms = r->now_ms;
	rk_assert(r->vote.epoch >= last && r->role != RAFT_LEADER && r->role != RAFT_PROSPECTIVE);
}

void
raft_init(struct raft *r, const struct raft_start *s)
{
	memset(r, 0, sizeof *r);
	r->magic = RAFT_MAGIC;
	r->self = s->self;
	r->can_vote = s->can_vote;
	r->conf = s->conf;
	r->rng = s->seed;
	r->now_ms = s->now_ms;
	r->stop_ms = INT64_MAX;
	r->dead_epoch = -1;
	r->vote = r->saved = s->vote;
	r->op.stage = RAFT_OP_NONE;
	rk_assert(s->self.key.id >= 0 && !rk_uuid_zero(s->self.key.dir));
	rk_assert(s->conf.bootstraps <= RAFT_BOOTSTRAPS_MAX && s->conf.election_ms > 0);
	start_log(r, s);
	r->sets = 1;
	r->set[0].offset = INT64_MIN;
	for (uint32_t i = 0; i < s->changes; i++)
		raft_change_in(r, &s->change[i]);
	/* Before the first record in the log nobody voted, unless config, checkpoint or snapshot said who. */
	if (r->sets > 1 && r->set[0].offset == INT64_MIN && s->change[0].offset < s->log_start) {
		memmove(r->set, r->set + 1, (r->sets - 1) * sizeof *r->set);
		r->sets--;
	}
	start_role(r);
}

/* --- events */

static void
on_recv(struct raft *r, const struct raft_event *e)
{
	static void (*const request[RAFT_KINDS])(struct raft *, const struct raft_msg *) = {
		[RAFT_VOTE] = raft_on_vote, [RAFT_BEGIN] = raft_on_begin, [RAFT_END] = raft_on_end,
		[RAFT_FETCH] = raft_on_fetch, [RAFT_SNAPSHOT] = raft_on_snapshot, [RAFT_ADD] = raft_on_add,
		[RAFT_REMOVE] = raft_on_remove, [RAFT_UPDATE] = raft_on_update,
	};
	static void (*const reply[RAFT_KINDS])(struct raft *, const struct raft_msg *) = {
		[RAFT_VOTE] = raft_on_vote_reply, [RAFT_FETCH] = raft_on_fetch_reply,
		[RAFT_SNAPSHOT] = raft_on_snapshot_reply, [RAFT_ADD] = raft_on_update_reply,
		[RAFT_REMOVE] = raft_on_update_reply, [RAFT_UPDATE] = raft_on_update_reply,
		[RAFT_VERSIONS] = raft_on_versions_reply,
	};
	const struct raft_msg *m = e->msg;

	rk_assert(m->kind < RAFT_KINDS && m->call != 0);
	if (m->reply && (m->kind == RAFT_BEGIN || m->kind == RAFT_END)) {
		struct raft_peer *p = raft_answered(r, m);
		if (p != NULL) {
			int32_t from = p->id;
			raft_backoff(r, p);
			raft_on_end_reply(r, m, from);
		}
	} else if (m->reply) {
		reply[m->kind](r, m);
	} else {
		rk_assert(request[m->kind] != NULL);
		request[m->kind](r, m);
	}
}

static void
on_failed(struct raft *r, const struct raft_event *e)
{
	for (uint32_t i = 0; i < r->peers; i++) {
		struct raft_peer *p = &r->peer[i];
		rk_assert(p->call == 0 || p->until_ms > 0);
		if (p->call != e->call || p->call == 0)
			continue;
		int32_t id = p->id;
		p->call = 0;
		raft_backoff(r, p);
		raft_op_failed(r, e->call);
		if (e->refused)
			raft_refused(r, id);
		return;
	}
}

static void
on_gone(struct raft *r, const struct raft_event *e)
{
	for (uint32_t i = r->parked_count; i-- > 0;)
		if (r->parked[i].call == e->call)
			r->parked[i] = r->parked[--r->parked_count];
	if (r->op.call == e->call)
		r->op.call = 0;
}

static void
on_appended(struct raft *r, const struct raft_event *e)
{
	rk_assert(r->role == RAFT_LEADER && e->end > r->log_end);
	raft_grow(r, r->vote.epoch, r->log_end, e->end);
	r->todo->flush = true;
}

static void
on_flushed(struct raft *r, const struct raft_event *e)
{
	rk_assert(e->mark.cuts <= r->cuts);
	if (e->mark.cuts != r->cuts)
		return; /* of a tail that has been cut: its flush will come */
	rk_assert(e->mark.end <= r->log_end);
	r->flushed_end = rk_max(r->flushed_end, e->mark.end);
}

static void
on_event(struct raft *r, const struct raft_event *e)
{
	switch (e->kind) {
	case RAFT_TICK:
		break;
	case RAFT_RECV:
		on_recv(r, e);
		break;
	case RAFT_FAILED:
		on_failed(r, e);
		break;
	case RAFT_GONE:
		on_gone(r, e);
		break;
	case RAFT_APPENDED:
		on_appended(r, e);
		break;
	case RAFT_FLUSHED:
		on_flushed(r, e);
		break;
	case RAFT_SNAPPED:
		rk_assert(e->snap.end <= r->hw && e->snap.end > 0);
		if (e->snap.end > r->snap.end)
			r->snap = e->snap;
		break;
	case RAFT_TRIMMED:
		raft_trim(r, e->snap);
		r->todo->flush = true;
		break;
	case RAFT_INSTALLED:
		raft_on_installed(r, e);
		break;
	case RAFT_UPGRADE:
		raft_on_upgrade(r, e);
		break;
	case RAFT_RESIGN:
		if (r->role == RAFT_LEADER)
			raft_resign(r);
		break;
	case RAFT_SHUTDOWN:
		r->stop_ms = r->now_ms + e->timeout_ms;
		if (r->role == RAFT_LEADER)
			raft_resign(r);
		break;
	case RAFT_EVENTS:
		rk_assert(e->kind != RAFT_EVENTS);
	}
}

/* --- what the role does, until it rests */

static void
poll(struct raft *r)
{
	static void (*const by_role[])(struct raft *) = {
		[RAFT_UNATTACHED] = raft_poll_unattached, [RAFT_PROSPECTIVE] = raft_poll_nominee,
		[RAFT_CANDIDATE] = raft_poll_nominee, [RAFT_FOLLOWER] = raft_poll_follower,
		[RAFT_LEADER] = raft_poll_leader, [RAFT_RESIGNED] = raft_poll_resigned,
	};
	enum raft_role role;
	int32_t epoch;
	uint32_t turns = 0;

	raft_peers_tick(r);
	raft_advance(r);
	raft_op_tick(r); /* a leader that removed itself answers before it resigns */
	do {
		rk_assert(turns++ < 8);
		role = r->role;
		epoch = r->vote.epoch;
		by_role[role](r);
		raft_advance(r); /* a sole voter's log may be flushed already */
	} while (role != r->role || epoch != r->vote.epoch);
	raft_op_tick(r);
	raft_wake_parked(r);
}

static int64_t
sooner(int64_t now, int64_t at, int64_t wake)
{
	rk_assert(wake >= now);
	return at > now && at < wake ? at : wake;
}

/* The next moment at which a poll without news could do something. */
static int64_t
next_wake(const struct raft *r)
{
	int64_t now = r->now_ms, wake = INT64_MAX;
	bool timed = r->role != RAFT_UNATTACHED && r->role != RAFT_FOLLOWER;

	if (timed || raft_may_stand(r))
		wake = sooner(now, r->deadline_ms, wake);
	if (r->role == RAFT_LEADER)
		wake = sooner(now, r->begin_ms, wake);
	if (r->role == RAFT_FOLLOWER)
		wake = sooner(now, r->update_ms, wake);
	if (r->op.stage != RAFT_OP_NONE)
		wake = sooner(now, r->op.until_ms, wake);
	wake = sooner(now, r->stop_ms, wake);
	for (uint32_t i = 0; i < r->peers; i++) {
		const struct raft_peer *p = &r->peer[i];
		wake = sooner(now, p->call != 0 ? p->until_ms : p->backoff_ms, wake);
	}
	for (uint32_t i = 0; i < r->parked_count; i++) {
		const struct raft_parked *q = &r->parked[i];
		if (r->role != RAFT_LEADER || q->epoch != r->vote.epoch || q->offset < r->log_end
		    || q->until_ms <= now || q->hw < (r->hw_known ? r->hw : -1))
			return now; /* there was no room for its answer */
		wake = sooner(now, q->until_ms, wake);
	}
	return wake;
}

static void
start_todo(struct raft_todo *t)
{
	t->save = t->reset = t->cut = t->take = t->control = t->tell_leader = t->keep = t->freeze = false;
	t->flush = t->stopped = t->snapshot = false;
	t->tell_voters = NULL;
	t->tell_version = -1;
	t->granting_count = t->count = 0;
	t->fault = NULL;
}

static void
end_todo(struct raft *r, struct raft_todo *t)
{
	const struct raft_vote *a = &r->vote, *b = &r->saved;

	t->save = a->epoch != b->epoch || a->leader != b->leader || !raft_same(a->voted, b->voted);
	t->flush |= t->save;
	t->vote = r->saved = r->vote;
	t->hw = r->hw;
	t->snapshot = r->epochs > RAFT_EPOCHS_MAX * 3 / 4 && r->hw > r->log_start;
	t->wake_ms = r->fault != NULL ? INT64_MAX : next_wake(r);
	t->fault = r->fault;
	rk_assert(t->count <= RAFT_MSGS_MAX && t->wake_ms >= r->now_ms);
	rk_assert(!t->take || !t->cut);
	rk_assert(t->flush || !(t->save || t->cut || t->take || t->control || t->reset));
	bool alone = raft_is_voter(r) && raft_set_now(r)->voters.count == 1;
	if (r->role == RAFT_RESIGNED) /* all the others are dead */
		alone = (uint32_t)__builtin_popcount(r->refused) + raft_is_voter(r) >= raft_set_now(r)->voters.count;
	t->stopped = r->stop_ms != INT64_MAX && (alone || r->role != RAFT_RESIGNED || r->now_ms >= r->stop_ms);
}

/* What must hold whenever nobody is inside. */
static void
check(const struct raft *r)
{
	rk_assert(r->log_start <= r->log_end && r->flushed_end <= r->log_end);
	rk_assert(r->hw >= r->log_start && r->hw <= r->log_end);
	rk_assert(raft_last_epoch(r) <= r->vote.epoch);
	rk_assert(r->snap.end <= r->hw || r->snap.end <= r->log_end);
	rk_assert(r->role != RAFT_LEADER || r->vote.leader == r->self.key.id);
	rk_assert(r->role != RAFT_LEADER || r->log_end > r->epoch_start);
	rk_assert(r->role != RAFT_CANDIDATE || raft_same(r->vote.voted, r->self.key));
	rk_assert(r->role != RAFT_FOLLOWER || (r->vote.leader >= 0 && r->vote.leader != r->self.key.id));
	rk_assert(r->op.stage == RAFT_OP_NONE || r->role == RAFT_LEADER);
	rk_assert(r->set[r->sets - 1].offset < r->log_end || r->sets == 1);
}

void
raft_step(struct raft *r, const struct raft_event *e, struct raft_todo *t)
{
	int32_t epoch = r->vote.epoch;
	int64_t hw = r->hw;

	rk_assert(r->magic == RAFT_MAGIC && e->now_ms >= r->now_ms);
	start_todo(t);
	r->now_ms = e->now_ms;
	r->todo = t;
	if (r->fault == NULL)
		on_event(r, e);
	if (r->fault == NULL)
		poll(r);
	end_todo(r, t);
	r->todo = NULL;
	check(r);
	rk_assert(r->vote.epoch >= epoch && r->hw >= hw);
	rk_assert(r->vote.epoch == epoch || t->save);
}
