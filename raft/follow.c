/* follow.c - the follower and the observer: fetch, append, sync, fetch again.
 *
 * The next fetch is the acknowledgement of the last one's records, so a node that may vote sends it only
 * when they are durable. A position the leader no longer has is answered with a snapshot's name; its bytes
 * are fetched in slices, frozen, and the log starts over behind it. */
#include "raft/in.h"

enum { MAX_WAIT_MS = 500 };

static void
fetch(struct raft *r, int32_t to)
{
	struct raft_msg *m = raft_ask(r, RAFT_FETCH, to);

	m->offset = r->log_end;
	m->last_epoch = raft_last_epoch(r);
	m->hw = r->hw_known ? r->hw : -1;
	m->max_wait_ms = MAX_WAIT_MS;
	m->max_bytes = r->conf.fetch_max_bytes;
	rk_assert(!r->can_vote || r->flushed_end == r->log_end);
	rk_assert(m->last_epoch <= m->epoch && r->role != RAFT_LEADER);
}

static void
fetch_slice(struct raft *r)
{
	struct raft_msg *m = raft_ask(r, RAFT_SNAPSHOT, r->vote.leader);

	rk_assert(r->down.end > 0 && !r->down_whole && r->down_pos >= 0);
	rk_assert(r->role == RAFT_FOLLOWER);
	m->snap = r->down;
	m->offset = r->down_pos;
	m->max_bytes = r->conf.snapshot_max_bytes;
}

/* One fetch at a time, wherever it went. */
static bool
fetching(const struct raft *r)
{
	rk_assert(r->peers <= RAFT_PEERS_MAX);
	for (uint32_t i = 0; i < r->peers; i++)
		if (r->peer[i].call != 0 && (r->peer[i].kind == RAFT_FETCH || r->peer[i].kind == RAFT_SNAPSHOT))
			return true;
	return false;
}

static uint32_t
places(const struct raft *r)
{
	return r->conf.bootstraps > 0 ? r->conf.bootstraps : raft_set_now(r)->voters.count;
}

static int32_t
place_id(const struct raft *r, uint32_t i)
{
	rk_assert(i < places(r));
	return r->conf.bootstraps > 0 ? RAFT_BOOTSTRAP - (int32_t)i : raft_set_now(r)->voters.voter[i].key.id;
}

/* Looks for the leader: asks a bootstrap server, or without those a voter, that is not in a pause. */
void
raft_fetch_anywhere(struct raft *r)
{
	uint32_t n = places(r);

	if (n == 0 || fetching(r) || (r->can_vote && r->flushed_end < r->log_end))
		return;
	r->rng = r->rng * 6364136223846793005u + 1442695040888963407u;
	uint32_t first = (uint32_t)(r->rng >> 33) % n;
	for (uint32_t i = 0; i < n; i++) {
		int32_t id = place_id(r, (first + i) % n);
		if (id != r->self.key.id && raft_ready(r, id)) {
			fetch(r, id);
			return;
		}
	}
}

void
raft_poll_follower(struct raft *r)
{
	rk_assert(r->role == RAFT_FOLLOWER && r->vote.leader >= 0 && r->vote.leader != r->self.key.id);
	if (raft_may_stand(r) && r->now_ms >= r->deadline_ms) {
		raft_to_prospective(r);
		return;
	}
	if (raft_poll_update(r) || fetching(r) || r->down_whole)
		return;
	if (!raft_ready(r, r->vote.leader)) {
		if (raft_peer(r, r->vote.leader)->call == 0)
			raft_fetch_anywhere(r); /* it is in a pause: somebody else may know a newer leader */
	} else if (r->down.end > 0) {
		fetch_slice(r);
	} else if (!r->can_vote || r->flushed_end == r->log_end) {
		fetch(r, r->vote.leader);
	}
}

/* The process that leads is gone: there is no silence to wait for. A follower stands soon (after a moment of chance,
 * so that not all stand at once), and grants others what it asks for itself. Once, unless it has heard the leader
 * since: who only cannot reach a leader that others hear must not ask and ask. */
void
raft_refused(struct raft *r, int32_t id)
{
	const struct raft_voters *v = &raft_set_now(r)->voters;

	for (uint32_t i = 0; i < v->count; i++) {
		if (v->voter[i].key.id != id)
			continue;
		if (r->role == RAFT_RESIGNED) /* one less to hand over to */
			r->refused |= 1u << i;
		if (r->role == RAFT_CANDIDATE)
			r->dead |= 1u << i;
	}
	if (r->role != RAFT_FOLLOWER || id != r->vote.leader || r->leader_dead
	    || (!r->has_fetched && r->dead_epoch == r->vote.epoch))
		return;
	r->leader_dead = true;
	r->dead_epoch = r->vote.epoch;
	r->deadline_ms = rk_min(r->deadline_ms, r->now_ms + raft_chance(r, r->conf.election_ms / 10));
	rk_event("the leader's process is gone", r->self.key.id, id);
}

/* --- answers */

static void
diverged(struct raft *r, struct raft_snap d)
{
	int64_t to = rk_min(d.end, r->log_end);

	rk_assert(r->role == RAFT_FOLLOWER && d.epoch >= 0);
	if (d.epoch > 0) {
		struct raft_snap mine = raft_end_of(r, d.epoch);
		to = mine.epoch == d.epoch ? rk_min(mine.end, d.end) : mine.end;
	}
	if (to < r->log_start)
		raft_broken(r, "the leader's log diverges below this node's snapshot");
	else
		raft_cut(r, to);
}

/* Takes the batches up to the first that must not be: a gap, an epoch that falls or is of the future. */
static void
take(struct raft *r, const struct raft_batches *b)
{
	int64_t end = b->base;

	rk_assert(b->runs <= RAFT_RUNS_MAX && b->changes <= RAFT_RUNS_MAX);
	if (b->runs == 0 || b->base != r->log_end || b->run[0].start != b->base)
		return;
	for (uint32_t i = 0; i < b->runs; i++) {
		int64_t stop = i + 1 < b->runs ? b->run[i + 1].start : b->end;
		if (stop <= end || b->run[i].epoch > r->vote.epoch || b->run[i].epoch < raft_last_epoch(r))
			break;
		raft_grow(r, b->run[i].epoch, end, stop);
		end = stop;
	}
	if (end == b->base)
		return;
	for (uint32_t i = 0; i < b->changes && b->change[i].offset < end; i++)
		raft_change_in(r, &b->change[i]);
	r->todo->take = r->todo->flush = true;
	r->todo->take_handle = b->handle;
	r->todo->take_base = b->base;
	r->todo->take_end = end;
	rk_assert(r->log_end == end && end <= b->end && raft_last_epoch(r) <= r->vote.epoch);
}

static void
start_download(struct raft *r, struct raft_snap s)
{
	if (s.end <= r->log_start || s.end < r->hw || s.epoch < 0 || s.epoch > r->vote.epoch)
		return;
	rk_assert(r->down.end == 0 && !r->down_whole);
	r->down = s;
	r->down_pos = 0;
}

/* The leader has found our log to be a prefix of its own: only then its high watermark is ours too. */
static void
agreed(struct raft *r, const struct raft_msg *m)
{
	int64_t hw = r->hw;

	rk_assert(m->err == RK_OK && m->epoch == r->vote.epoch);
	if (m->got != NULL)
		take(r, m->got);
	if (m->hw >= 0) {
		r->hw = rk_max(r->hw, rk_min(r->log_end, m->hw));
		r->hw_known = true;
	}
	rk_assert(r->hw >= hw && r->hw <= r->log_end);
}

void
raft_on_fetch_reply(struct raft *r, const struct raft_msg *m)
{
	struct raft_peer *p = raft_answered(r, m);

	if (p == NULL)
		return;
	if (m->err != RK_OK)
		raft_backoff(r, p);
	if (raft_common(r, m) || m->err != RK_OK || r->role != RAFT_FOLLOWER)
		return;
	if (r->down.end > 0) /* asked elsewhere while the leader was silent: the download goes on */
		return;
	r->deadline_ms = raft_fetch_deadline(r);
	r->has_fetched = true;
	r->leader_dead = false;
	if (m->diverging.epoch >= 0)
		diverged(r, m->diverging);
	else if (m->snap.end > 0)
		start_download(r, m->snap);
	else
		agreed(r, m);
	/* Nothing came of it: do not ask again without a breath. */
	if (r->peers > 0 && (m->diverging.epoch >= 0 || m->snap.end > 0) && !r->todo->cut && r->down.end == 0)
		raft_backoff(r, p);
}

void
raft_on_snapshot_reply(struct raft *r, const struct raft_msg *m)
{
	struct raft_peer *p = raft_answered(r, m);

	if (p == NULL)
		return;
	if (m->err != RK_OK)
		raft_backoff(r, p);
	/* Kafka 4.3 says nothing else when it should say what is wrong, nor who leads: a fetch will tell. */
	if (m->err == RK_UNKNOWN_SERVER_ERROR && r->role == RAFT_FOLLOWER && !r->down_whole)
		r->down = (struct raft_snap){ 0, 0 };
	if (raft_common(r, m) || r->role != RAFT_FOLLOWER || r->down.end == 0)
		return;
	if (m->err == RK_SNAPSHOT_NOT_FOUND || m->err == RK_POSITION_OUT_OF_RANGE) {
		r->down = (struct raft_snap){ 0, 0 };
		return;
	}
	bool fits = m->err == RK_OK && m->snap.end == r->down.end && m->snap.epoch == r->down.epoch
	    && m->offset == r->down_pos && m->len > 0 && m->offset + m->len <= m->size;
	if (!fits) {
		raft_backoff(r, p);
		return;
	}
	r->deadline_ms = raft_fetch_deadline(r);
	r->todo->keep = true;
	r->todo->snap_part = r->down;
	r->todo->slice_handle = m->handle;
	r->todo->slice_pos = r->down_pos;
	r->down_pos += m->len;
	r->down_whole = r->todo->freeze = r->down_pos == m->size;
	rk_assert(r->down_pos > r->todo->slice_pos && r->down_pos <= m->size);
}

void
raft_on_installed(struct raft *r, const struct raft_event *e)
{
	bool asked = r->role == RAFT_FOLLOWER && r->down_whole && e->snap.end == r->down.end
	    && e->snap.epoch == r->down.epoch;

	if (!asked)
		return;
	rk_assert(!fetching(r) && r->down_pos > 0);
	raft_restart(r, e->snap, &e->change);
	r->down = (struct raft_snap){ 0, 0 };
	r->down_whole = false;
	r->deadline_ms = raft_fetch_deadline(r);
}
