/* peer.c - requests under way: one a connection, each with a time limit, a pause after a failure. */
#include "raft/in.h"

/* The connection to a node; forgotten ones give up their place, and as many may be needed at once as
 * there are voters and bootstrap servers, so a place is always found. */
struct raft_peer *
raft_peer(struct raft *r, int32_t id)
{
	struct raft_peer *idle = NULL;

	for (uint32_t i = 0; i < r->peers; i++) {
		if (r->peer[i].id == id)
			return &r->peer[i];
		if (idle == NULL && r->peer[i].call == 0 && r->now_ms >= r->peer[i].backoff_ms)
			idle = &r->peer[i];
	}
	if (r->peers < RAFT_PEERS_MAX)
		idle = &r->peer[r->peers++];
	rk_assert(idle != NULL && r->peers <= RAFT_PEERS_MAX);
	*idle = (struct raft_peer){ .id = id, .backoff_ms = r->now_ms };
	return idle;
}

bool
raft_ready(struct raft *r, int32_t id)
{
	const struct raft_peer *p = raft_peer(r, id);

	/* Our own id in the voter set, with a directory we have lost, is nobody to talk to. */
	return id != r->self.key.id && id != -1 && p->call == 0 && r->now_ms >= p->backoff_ms
	    && r->todo->count < RAFT_MSGS_MAX;
}

static struct raft_msg *
tell(struct raft *r, enum raft_kind kind)
{
	rk_assert(r->todo->count < RAFT_MSGS_MAX);
	struct raft_msg *m = &r->todo->msg[r->todo->count++];

	*m = (struct raft_msg){ .kind = kind, .epoch = r->vote.epoch, .leader = r->vote.leader,
		.hw = -1, .to = -1 };
	m->from = m->voter = (struct raft_key){ .id = -1 };
	m->diverging.epoch = -1;
	if (r->vote.leader == r->self.key.id)
		m->leader_ends = &r->self.ends;
	else if (r->vote.leader >= 0 && r->leader_ends.count > 0)
		m->leader_ends = &r->leader_ends;
	return m;
}

struct raft_msg *
raft_ask(struct raft *r, enum raft_kind kind, int32_t to)
{
	struct raft_peer *p = raft_peer(r, to);
	struct raft_msg *m = tell(r, kind);
	const struct raft_voter *v = to >= 0 ? raft_voter_by_id(r, to) : NULL;

	rk_assert(p->call == 0 && r->now_ms >= p->backoff_ms);
	rk_assert(to >= 0 || to <= RAFT_BOOTSTRAP);
	rk_assert(to != r->self.key.id);
	p->call = m->call = ++r->calls;
	p->kind = kind;
	p->until_ms = r->now_ms + r->conf.request_ms;
	m->to = to;
	m->from = r->self.key;
	if (to >= 0 && to == r->vote.leader && r->leader_ends.count > 0)
		m->at = &r->leader_ends;
	else if (v != NULL)
		m->at = &v->ends;
	return m;
}

struct raft_msg *
raft_reply(struct raft *r, enum raft_kind kind, uint64_t call, enum rk_err e)
{
	struct raft_msg *m = tell(r, kind);

	rk_assert(call != 0);
	rk_assert(e < RK_ERR_COUNT);
	m->reply = true;
	m->call = call;
	m->err = e;
	return m;
}

/* The connection whose request this answers; NULL: nobody waits for it any more. */
struct raft_peer *
raft_answered(struct raft *r, const struct raft_msg *m)
{
	rk_assert(m->reply && m->call != 0);
	for (uint32_t i = 0; i < r->peers; i++) {
		struct raft_peer *p = &r->peer[i];
		if (p->call == m->call && p->kind == m->kind) {
			p->call = 0;
			return p;
		}
	}
	return NULL;
}

void
raft_backoff(struct raft *r, struct raft_peer *p)
{
	rk_assert(p->call == 0);
	p->backoff_ms = r->now_ms + r->conf.retry_ms;
}

void
raft_peers_reset(struct raft *r)
{
	rk_assert(r->peers <= RAFT_PEERS_MAX);
	r->peers = 0;
}

void
raft_peers_tick(struct raft *r)
{
	for (uint32_t i = 0; i < r->peers; i++) {
		struct raft_peer *p = &r->peer[i];
		rk_assert(p->call <= r->calls);
		if (p->call != 0 && r->now_ms >= p->until_ms) {
			p->call = 0;
			raft_backoff(r, p);
		}
	}
}
