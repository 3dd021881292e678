/* quorum_post.c - the quorum's messages on their way.
 *
 * raft writes messages; each is put into its Kafka form at once (raft's pointers live no longer) and held until every
 * vote saved before it is durable. Then a request goes over a link, and an answer to whoever asked. A peer
 * has two links: what fetches may be parked at the other side for half a second, and a vote must not stand behind it.
 *
 * What a request of ours is answered becomes raft's event as it comes in. What raft no longer waits for it
 * overlooks by itself. */
#include "base/mem.h"
#include "base/say.h"
#include "protocol/gen/keys.h"
#include "src/node/quorum_in.h"

enum { PEERS_MAX = 64, REQUEST_BYTES = 1 << 16, ANSWER_BYTES = 64 << 20 };

struct peer {
	struct rk_list link;
	int32_t id;
	uint32_t busy;             /* letters that will use it */
	struct node_link *fetching, *talking;
};

/* A message that is held, or a request under way. */
struct letter {
	struct rk_list link;
	struct node *node;
	uint64_t need;             /* leaves when this flush is done */
	struct api_call *answer;   /* an answer: to whom; NULL: a request */
	/* a request */
	struct node_ask ask;
	struct peer *peer;
	enum raft_kind kind;
	uint64_t call;
	struct node_wire_api api;
	const void *req;
	struct rk_arena arena;
};

/* A peer's request that raft thinks about; in the call's arena. */
struct called {
	struct rk_list link;
	struct node *node;
	struct api_call *api;
	uint64_t number;
	enum raft_kind kind;
	struct letter *letter;     /* the answer, held; NULL: not yet */
};

/* --- links */

static const struct raft_end *
place_of(struct node *n, const struct raft_msg *m, struct raft_end *own)
{
	struct node_quorum *q = n->quorum;

	if (m->to > RAFT_BOOTSTRAP)
		return node_wire_end(m->at, q->wire.listener);
	uint32_t i = (uint32_t)(RAFT_BOOTSTRAP - m->to);
	if (i >= q->bootstraps)
		return NULL;
	snprintf(own->host, sizeof own->host, "%s", q->bootstrap[i].host);
	own->port = (uint16_t)q->bootstrap[i].port;
	return own;
}

static void
peer_free(struct peer *p)
{
	node_link_free(p->fetching);
	node_link_free(p->talking);
	rk_list_del(&p->link);
	rk_mem_put(p);
}

/* Only so many: the nodes a quorum has had over the years are not remembered for ever. */
static void
forget_one(struct quorum_post *post)
{
	uint32_t count = 0;

	rk_list_each(&post->peers, m)
		count++;
	if (count < PEERS_MAX)
		return;
	rk_list_each_safe(&post->peers, m, next) {
		struct peer *p = rk_of(m, struct peer, link);
		if (p->busy == 0) {
			peer_free(p);
			return;
		}
	}
}

static struct peer *
peer_for(struct node *n, const struct raft_msg *m)
{
	struct quorum_post *post = &n->quorum->post;
	struct raft_end own;
	const struct raft_end *at = place_of(n, m, &own);
	char client[32];

	if (at == NULL || at->host[0] == '\0')
		return NULL;
	rk_list_each(&post->peers, l) {
		struct peer *p = rk_of(l, struct peer, link);
		if (p->id == m->to) {
			node_link_to(p->fetching, at->host, at->port);
			node_link_to(p->talking, at->host, at->port);
			return p;
		}
	}
	forget_one(post);
	struct peer *p = rk_new(struct peer);
	p->id = m->to;
	snprintf(client, sizeof client, "raft-client-%" PRId32, n->conf->node_id);
	p->fetching = node_link_new(n, client, at->host, at->port);
	p->talking = node_link_new(n, client, at->host, at->port);
	rk_list_add(&post->peers, &p->link);
	return p;
}

static struct node_link *
link_of(const struct letter *l)
{
	return l->kind == RAFT_FETCH || l->kind == RAFT_SNAPSHOT ? l->peer->fetching : l->peer->talking;
}

static void
letter_free(struct letter *l)
{
	rk_list_del(&l->link);
	if (l->peer != NULL) {
		rk_assert(l->peer->busy > 0);
		l->peer->busy--;
	}
	rk_arena_free(&l->arena);
	rk_mem_put(l);
}

/* --- answers to requests of ours */

static void
answered(struct node_ask *a, enum rk_err err, const void *res, int16_t version)
{
	struct letter *l = rk_of(a, struct letter, ask);
	struct node *n = l->node;
	struct node_quorum *q = n->quorum;
	struct node_wire_mem *mem = rk_new(struct node_wire_mem);
	struct raft_msg m;
	uint64_t call = l->call;
	bool refused = err == RK_NETWORK_EXCEPTION && node_link_refused(link_of(l));
	bool heard = err == RK_OK && node_wire_heard(&q->wire, l->kind, res, &l->arena, &m, mem);

	(void)version;
	if (err == RK_UNSUPPORTED_VERSION && l->kind == RAFT_VOTE) {
		/* It cannot be asked beforehand: raft goes on without, in its own epoch. */
		m = (struct raft_msg){ .kind = RAFT_VOTE, .reply = true, .err = err, .epoch = q->raft.vote.epoch,
			.leader = -1 };
		heard = true;
	}
	m.call = call;
	if (heard) {
		q->slice = mem->records;
		node_quorum_step(n, &(struct raft_event){ .kind = RAFT_RECV, .msg = &m });
		q->slice = RK_STR_NULL;
	} else {
		node_quorum_step(n, &(struct raft_event){ .kind = RAFT_FAILED, .call = call, .refused = refused });
	}
	rk_mem_put(mem);
	letter_free(l);
}

/* --- what raft writes */

static void
write_request(struct node *n, const struct raft_msg *m)
{
	struct node_quorum *q = n->quorum;
	struct letter *l = rk_new(struct letter);

	l->node = n;
	l->need = q->need;
	l->kind = m->kind;
	l->call = m->call;
	l->api = node_wire_api(m);
	node_ask_init(&l->ask, answered);
	rk_arena_init(&l->arena, ANSWER_BYTES);
	l->req = node_wire_ask(&q->wire, m, &l->arena);
	l->peer = peer_for(n, m); /* NULL: nobody knows where it is; raft gives it up after a while */
	rk_list_init(&l->link);
	if (l->peer == NULL || l->req == NULL) {
		letter_free(l);
		return;
	}
	l->peer->busy++;
	rk_list_add(&q->post.held, &l->link);
}

static void
write_answer(struct node *n, const struct raft_msg *m)
{
	struct node_quorum *q = n->quorum;
	struct called *c = NULL;
	struct rk_str bytes = RK_STR_NULL;
	struct raft_msg a = *m;

	rk_list_each(&q->post.called, l)
		if (rk_of(l, struct called, link)->number == m->call)
			c = rk_of(l, struct called, link);
	if (c == NULL)
		return; /* an errand of this node's own, or its asker is gone */
	rk_assert(c->letter == NULL);
	if (a.kind == RAFT_FETCH && a.records
	    && st_mlog_read(q->log, a.offset, INT64_MAX, (uint32_t)rk_max(a.max_bytes, 1), &c->api->arena, &bytes) != RK_OK)
		a.err = RK_UNKNOWN_SERVER_ERROR;
	if (a.kind == RAFT_SNAPSHOT && a.err == RK_OK)
		bytes = node_snap_read(n, &a, &c->api->arena);
	a.kind = c->kind;
	node_wire_answer(&a, c->api->head.version, c->api->listener, c->api->req, bytes, c->api->res, &c->api->arena);
	node_quorum_why(q, &a, c->api->req, c->api->res, &c->api->arena);
	struct letter *l = rk_new(struct letter);
	l->node = n;
	l->need = q->need;
	l->answer = c->api;
	l->kind = c->kind;
	node_ask_init(&l->ask, answered);
	rk_arena_init(&l->arena, 0);
	c->letter = l;
	rk_list_del(&c->link);
	rk_list_add(&q->post.held, &l->link);
}

void
node_post_write(struct node *n, const struct raft_msg *m)
{
	if (m->reply)
		write_answer(n, m);
	else
		write_request(n, m);
}

/* Asking is the last thing done with a letter here: its answer may end it. Answering lets the next request of
 * that connection in, which may write more letters. */
bool
node_post_send(struct node *n)
{
	struct node_quorum *q = n->quorum;
	bool any = false;

	while (!rk_list_empty(&q->post.held) && !n->failed) {
		struct letter *l = rk_of(q->post.held.next, struct letter, link);
		if (l->need > q->flushed)
			break;
		any = true;
		rk_list_del(&l->link);
		if (l->answer != NULL) {
			struct api_call *c = l->answer;
			letter_free(l);
			c->abandon = NULL;
			api_finish(c);
		} else {
			rk_list_add(&q->post.asked, &l->link);
			node_link_ask(link_of(l), &l->ask, l->api.key, l->api.min, l->api.max, l->req,
			    q->raft.conf.request_ms);
		}
	}
	return any;
}

/* --- requests of peers */

/* The connection is gone: raft forgets the call, and so does the post. */
static void
abandoned(struct api_call *api)
{
	struct called *c = api->wait;
	struct node *n = c->node;

	api->abandon = NULL;
	if (c->letter != NULL)
		letter_free(c->letter);
	else {
		rk_list_del(&c->link);
		node_quorum_step(n, &(struct raft_event){ .kind = RAFT_GONE, .call = c->number });
	}
	api_finish(api);
}

/* api_shared's quorum: every row whose request raft answers. */
static enum api_fate
asked(struct api_call *api, const void *req, void *res)
{
	struct node *n = rk_of(api->shared, struct node, shared);
	struct node_quorum *q = n->quorum;
	struct node_wire_mem *mem;
	struct raft_msg m;
	enum raft_kind kind;
	bool inside;

	if (q == NULL || !q->began || n->failed)
		return API_CLOSE;
	if (api->head.key == KP_DESCRIBE_QUORUM)
		return node_quorum_describe(n, api, req, res);
	if (!node_wire_kind(api->head.key, &kind))
		return API_CLOSE;
	struct called *c = rk_arena_get(&api->arena, 1, sizeof *c);
	mem = rk_arena_get(&api->arena, 1, sizeof *mem);
	if (c == NULL || mem == NULL)
		return API_CLOSE;
	enum rk_err err = node_wire_asked(&q->wire, kind, api->head.version, req, &m, mem, &inside);
	if (err != RK_OK) {
		m.err = err;
		m.reply = true;
		m.leader = q->raft.vote.leader;
		m.epoch = q->raft.vote.epoch;
		m.leader_ends = raft_leads(&q->raft) ? &q->raft.self.ends : &q->raft.leader_ends;
		if (kind == RAFT_UPDATE) /* it has a place only for who leads */
			node_wire_answer(&m, api->head.version, api->listener, req, RK_STR_NULL, res, &api->arena);
		else
			node_wire_refuse(kind, err, inside, req, res, &api->arena);
		node_quorum_why(q, &m, req, res, &api->arena);
		return API_NOW;
	}
	*c = (struct called){ .node = n, .api = api, .number = ++q->post.calls, .kind = kind };
	m.call = c->number;
	rk_list_add(&q->post.called, &c->link);
	api->wait = c;
	api->abandon = abandoned;
	node_quorum_step(n, &(struct raft_event){ .kind = RAFT_RECV, .msg = &m });
	return API_LATER;
}

void
node_post_init(struct node *n)
{
	struct quorum_post *p = &n->quorum->post;

	rk_list_init(&p->held);
	rk_list_init(&p->asked);
	rk_list_init(&p->called);
	rk_list_init(&p->peers);
	n->shared.quorum = asked;
}

static void
drop_all(struct rk_list *list)
{
	while (!rk_list_empty(list)) {
		struct letter *l = rk_of(list->next, struct letter, link);
		node_ask_forget(&l->ask);
		letter_free(l);
	}
}

/* Answers that were held are never given: their calls are the connections', which are gone by now. */
void
node_post_free(struct node *n)
{
	struct quorum_post *p = &n->quorum->post;

	n->shared.quorum = NULL;
	drop_all(&p->held);
	drop_all(&p->asked);
	while (!rk_list_empty(&p->called))
		rk_list_del(p->called.next);
	while (!rk_list_empty(&p->peers))
		peer_free(rk_of(p->peers.next, struct peer, link));
}
