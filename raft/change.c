/* change.c - voters come and go, one at a time.
 *
 * A change is a Voters record, in force from the moment it is appended, and the next one may follow only when
 * it is committed: so any two majorities in a row share a voter. The leader must know the high watermark of
 * its own epoch first (else an uncommitted change of an older leader could come back beside ours). */
#include "raft/in.h"

enum { CAUGHT_UP_MS = 3600000 };

/* --- the leader */

void
raft_op_end(struct raft *r, enum rk_err e)
{
	rk_assert(e < RK_ERR_COUNT && r->op.stage <= RAFT_OP_COMMITTING);
	if (r->op.stage != RAFT_OP_NONE && r->op.call != 0)
		raft_reply(r, r->op.kind, r->op.call, e)->reached = r->op.reached;
	r->op.stage = RAFT_OP_NONE;
	r->op.call = 0;
}

static enum rk_err
may_change(const struct raft *r)
{
	if (r->role != RAFT_LEADER)
		return RK_NOT_LEADER_OR_FOLLOWER;
	if (raft_set_now(r)->version < 1)
		return RK_UNSUPPORTED_VERSION;
	if (r->op.stage != RAFT_OP_NONE || !r->hw_known || r->hw <= raft_set_now(r)->offset)
		return RK_REQUEST_TIMED_OUT;
	return RK_OK;
}

static void
write_voters(struct raft *r, const struct raft_voters *v, int16_t version)
{
	struct raft_todo *t = r->todo;

	rk_assert(!t->control && r->role == RAFT_LEADER);
	rk_assert(v->count > 0 && v->count <= RAFT_VOTERS_MAX);
	rk_assert(r->hw > raft_set_now(r)->offset); /* one change at a time */
	t->control = t->flush = true;
	t->control_base = r->log_end;
	t->control_epoch = r->vote.epoch;
	t->tell_version = version;
	r->op.offset = r->log_end + (version >= 0 ? 1 : 0);
	raft_grow(r, r->vote.epoch, r->log_end, r->op.offset + 1);
	raft_change_in(r, &(struct raft_change){ r->op.offset, version, v });
	t->tell_voters = &raft_set_now(r)->voters;
	r->op.stage = RAFT_OP_COMMITTING;
	raft_recount(r);
	rk_assert(r->op.offset < r->log_end && raft_set_now(r)->offset == r->op.offset);
	if (!r->op.ack_committed && r->op.call != 0) {
		raft_reply(r, r->op.kind, r->op.call, RK_OK);
		r->op.call = 0;
	}
}

static void
start_op(struct raft *r, const struct raft_msg *m, int64_t timeout_ms)
{
	rk_assert(r->role == RAFT_LEADER && r->op.stage == RAFT_OP_NONE && m->call != 0);
	r->op = (struct raft_op){ .kind = m->kind, .call = m->call, .until_ms = r->now_ms + timeout_ms,
		.ack_committed = true };
	r->op.voter.key = m->voter;
	if (m->ends != NULL)
		r->op.voter.ends = *m->ends;
	r->op.voter.min_version = m->min_version;
	r->op.voter.max_version = m->max_version;
}

void
raft_on_add(struct raft *r, const struct raft_msg *m)
{
	enum rk_err e = may_change(r);

	if (r->role == RAFT_LEADER && (m->voter.id < 0 || m->ends == NULL || m->ends->count == 0))
		e = RK_INVALID_REQUEST;
	if (e == RK_OK && raft_voter_by_id(r, m->voter.id) != NULL)
		e = RK_DUPLICATE_VOTER;
	if (e == RK_OK && m->voter.id == r->self.key.id)
		e = RK_INVALID_REQUEST;
	if (e == RK_OK && raft_set_now(r)->voters.count == RAFT_VOTERS_MAX)
		e = RK_INVALID_REQUEST;
	if (e != RK_OK) {
		raft_reply(r, RAFT_ADD, m->call, e);
		return;
	}
	start_op(r, m, m->timeout_ms > 0 ? m->timeout_ms : r->conf.request_ms);
	r->op.ack_committed = m->ack_committed;
	r->op.stage = RAFT_OP_ASKING;
}

/* A voter to be must be reachable, able, and near the log's end, or it would cost the quorum its majority. */
static enum rk_err
may_join(struct raft *r, int16_t min_version, int16_t max_version)
{
	int16_t version = raft_set_now(r)->version;

	rk_assert(r->op.stage == RAFT_OP_ASKING && raft_voter_by_id(r, r->op.voter.key.id) == NULL);
	if (version < min_version || version > max_version)
		return RK_INVALID_REQUEST;
	for (uint32_t i = 0; i < r->replicas; i++) {
		const struct raft_replica *q = &r->replica[i];
		if (raft_same(q->key, r->op.voter.key))
			return q->caught_ms >= 0 && r->now_ms - q->fetch_ms < CAUGHT_UP_MS ? RK_OK : RK_REQUEST_TIMED_OUT;
	}
	return RK_REQUEST_TIMED_OUT;
}

void
raft_on_versions_reply(struct raft *r, const struct raft_msg *m)
{
	struct raft_peer *p = raft_answered(r, m);

	if (p == NULL || r->op.stage != RAFT_OP_ASKING || m->call != r->op.ask)
		return;
	r->op.reached = m->err == RK_OK;
	enum rk_err e = m->err != RK_OK ? RK_REQUEST_TIMED_OUT : may_join(r, m->min_version, m->max_version);
	if (e != RK_OK) {
		raft_op_end(r, e);
		return;
	}
	struct raft_voters v = raft_set_now(r)->voters;
	rk_assert(v.count < RAFT_VOTERS_MAX);
	r->op.voter.min_version = m->min_version;
	r->op.voter.max_version = m->max_version;
	v.voter[v.count++] = r->op.voter;
	write_voters(r, &v, -1);
}

void
raft_on_remove(struct raft *r, const struct raft_msg *m)
{
	enum rk_err e = may_change(r);
	struct raft_voters v = raft_set_now(r)->voters;
	int32_t place = -1;

	for (uint32_t i = 0; i < v.count; i++)
		if (raft_same(v.voter[i].key, m->voter))
			place = (int32_t)i;
	if (r->role == RAFT_LEADER && (m->voter.id < 0 || rk_uuid_zero(m->voter.dir)))
		e = RK_INVALID_REQUEST;
	if (e == RK_OK && (place < 0 || v.count == 1)) /* the last one cannot go */
		e = RK_VOTER_NOT_FOUND;
	if (e != RK_OK) {
		raft_reply(r, RAFT_REMOVE, m->call, e);
		return;
	}
	start_op(r, m, r->conf.request_ms);
	rk_assert((uint32_t)place < v.count && v.count > 1);
	memmove(&v.voter[place], &v.voter[place + 1], (v.count - (uint32_t)place - 1) * sizeof *v.voter);
	v.count--;
	write_voters(r, &v, -1);
}

/* At kraft.version 0 the voters are in the config, so what a voter says of itself is only remembered, for
 * the day of the upgrade. */
static enum rk_err
remember(struct raft *r, const struct raft_msg *m)
{
	struct raft_voters *h = &r->heard;
	uint32_t i = 0;

	if (raft_place(&raft_set_now(r)->voters, m->voter) < 0)
		return RK_VOTER_NOT_FOUND;
	while (i < h->count && h->voter[i].key.id != m->voter.id)
		i++;
	rk_assert(i < RAFT_VOTERS_MAX && r->role == RAFT_LEADER);
	if (i == h->count)
		h->count++;
	h->voter[i] = (struct raft_voter){ m->voter, m->min_version, m->max_version, *m->ends };
	return RK_OK;
}

void
raft_on_update(struct raft *r, const struct raft_msg *m)
{
	enum rk_err e = raft_leader_only(r, m->epoch);
	int16_t version = raft_set_now(r)->version;

	if (e == RK_OK && (m->ends == NULL || m->ends->count == 0 || m->min_version > m->max_version
	    || version < m->min_version || version > m->max_version))
		e = RK_INVALID_REQUEST;
	if (e == RK_OK && version == 0) {
		raft_reply(r, RAFT_UPDATE, m->call, remember(r, m));
		return;
	}
	if (e == RK_OK)
		e = may_change(r);
	struct raft_voters v = raft_set_now(r)->voters;
	int32_t place = raft_place(&v, m->voter);
	if (e == RK_OK && place < 0)
		e = RK_VOTER_NOT_FOUND;
	if (e != RK_OK) {
		raft_reply(r, RAFT_UPDATE, m->call, e);
		return;
	}
	start_op(r, m, r->conf.request_ms);
	r->op.ack_committed = false;
	v.voter[place] = r->op.voter;
	write_voters(r, &v, -1);
}

/* The voters as they told of themselves; those of the config know neither directory nor kraft.version. */
static enum rk_err
told_voters(const struct raft *r, struct raft_voters *v)
{
	*v = raft_set_now(r)->voters;
	for (uint32_t i = 0; i < v->count; i++) {
		uint32_t k = 0;
		while (k < r->heard.count && r->heard.voter[k].key.id != v->voter[i].key.id)
			k++;
		if (v->voter[i].key.id == r->self.key.id)
			v->voter[i] = r->self;
		else if (k < r->heard.count)
			v->voter[i] = r->heard.voter[k];
		else
			return RK_INVALID_UPDATE_VERSION;
		if (v->voter[i].max_version < 1)
			return RK_INVALID_UPDATE_VERSION;
	}
	rk_assert(v->count <= RAFT_VOTERS_MAX);
	return RK_OK;
}

enum rk_err
raft_may_upgrade(const struct raft *r, int16_t version)
{
	const struct raft_set *s = raft_set_now(r);
	struct raft_voters v;

	if (r->role != RAFT_LEADER)
		return RK_NOT_LEADER_OR_FOLLOWER;
	if (version != 1 || s->version > 1)
		return RK_INVALID_UPDATE_VERSION;
	if (r->op.stage != RAFT_OP_NONE || !r->hw_known)
		return RK_REQUEST_TIMED_OUT;
	return s->version == 0 ? told_voters(r, &v) : RK_OK;
}

/* kraft.version 0 -> 1: the voters move from the config into the log. */
void
raft_on_upgrade(struct raft *r, const struct raft_event *e)
{
	struct raft_msg m = { .kind = RAFT_UPDATE, .call = e->call };
	enum rk_err err = raft_may_upgrade(r, e->version);
	struct raft_voters v;

	if (err == RK_OK && raft_set_now(r)->version == 0 && (err = told_voters(r, &v)) == RK_OK) {
		start_op(r, &m, r->conf.request_ms);
		write_voters(r, &v, 1);
		return;
	}
	raft_reply(r, RAFT_UPDATE, e->call, err);
	rk_assert(r->role != RAFT_LEADER || err != RK_NOT_LEADER_OR_FOLLOWER);
}

void
raft_op_failed(struct raft *r, uint64_t ask)
{
	if (r->op.stage == RAFT_OP_ASKING && r->op.ask == ask)
		raft_op_end(r, RK_REQUEST_TIMED_OUT);
}

/* Asks, answers when committed, gives up waiting. A change that is in the log stays pending when its
 * asker is told that it took too long. */
void
raft_op_tick(struct raft *r)
{
	if (r->op.stage == RAFT_OP_NONE || r->role != RAFT_LEADER)
		return;
	rk_assert(r->op.stage == RAFT_OP_ASKING || r->op.offset < r->log_end);
	if (r->op.stage == RAFT_OP_COMMITTING && r->hw > r->op.offset) {
		raft_op_end(r, RK_OK);
	} else if (r->now_ms >= r->op.until_ms) {
		if (r->op.stage == RAFT_OP_ASKING) {
			raft_op_end(r, RK_REQUEST_TIMED_OUT);
		} else if (r->op.call != 0) {
			raft_reply(r, r->op.kind, r->op.call, RK_REQUEST_TIMED_OUT);
			r->op.call = 0;
		}
	} else if (r->op.stage == RAFT_OP_ASKING && r->op.ask == 0 && raft_ready(r, r->op.voter.key.id)) {
		struct raft_msg *m = raft_ask(r, RAFT_VERSIONS, r->op.voter.key.id);
		m->ends = m->at = &r->op.voter.ends;
		r->op.ask = m->call;
	}
}

/* --- the follower */

static void
ask_leader(struct raft *r, enum raft_kind kind, struct raft_key who)
{
	rk_assert(r->role == RAFT_FOLLOWER && r->can_vote && who.id >= 0);
	struct raft_msg *m = raft_ask(r, kind, r->vote.leader);

	m->voter = who;
	m->ends = &r->self.ends;
	m->min_version = r->self.min_version;
	m->max_version = r->self.max_version;
	m->timeout_ms = r->conf.request_ms;
	m->ack_committed = false;
}

static bool
must_update(const struct raft *r)
{
	const struct raft_set *s = raft_set_now(r);
	int32_t i = raft_place(&s->voters, r->self.key);

	if (!r->can_vote || i < 0)
		return false;
	const struct raft_voter *v = &s->voters.voter[i];
	return s->version < 1 ? !r->updated
	    : !raft_ends_same(&v->ends, &r->self.ends) || v->min_version != r->self.min_version
		|| v->max_version != r->self.max_version;
}

/* Each fetch timeout: does the quorum know us as we are? True: a request was sent in place of a fetch. */
bool
raft_poll_update(struct raft *r)
{
	if (r->now_ms < r->update_ms || !r->can_vote || !raft_ready(r, r->vote.leader))
		return false;
	r->update_ms = r->now_ms + r->conf.fetch_timeout_ms;
	if (must_update(r)) {
		ask_leader(r, RAFT_UPDATE, r->self.key);
		return true;
	}
	if (raft_is_voter(r) || !r->conf.auto_join || raft_set_now(r)->version < 1 || !r->has_fetched)
		return false;
	const struct raft_voter *old = raft_voter_by_id(r, r->self.key.id);
	if (old != NULL) /* this node with a directory it has lost */
		ask_leader(r, RAFT_REMOVE, old->key);
	else
		ask_leader(r, RAFT_ADD, r->self.key);
	return true;
}

void
raft_on_update_reply(struct raft *r, const struct raft_msg *m)
{
	struct raft_peer *p = raft_answered(r, m);

	if (p == NULL)
		return;
	if (m->err != RK_OK)
		raft_backoff(r, p);
	/* Add's and Remove's answers carry no epoch. */
	if (m->kind != RAFT_UPDATE || raft_common(r, m))
		return;
	if (m->err == RK_OK || m->err == RK_UNSUPPORTED_VERSION)
		r->updated = true;
}
