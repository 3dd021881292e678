/* follow.c - replication, carried: one link to each leader broker and share (num.replica.fetchers), one request at a
 * time on it. What the requests say and what the answers mean is core's (src/core/follow.h). */
#include "base/mem.h"
#include "base/say.h"
#include "protocol/gen/fetch.h"
#include "protocol/gen/keys.h"
#include "protocol/gen/list_offsets.h"
#include "src/core/broker.h"
#include "src/core/follow.h"
#include "src/node/inside.h"
#include "src/node/peer.h"

enum { ARENA_MAX = 64 << 20, AGAIN_MS = 50, DOUBT_MS = 250, LIST_VERSION = 9, FETCH_IDS = 13 };

struct source {
	struct rk_list link; /* in node_follow */
	struct node *node;
	struct core_source *core;
	struct node_link *wire; /* NULL: nothing to carry */
	struct node_ask ask;
	struct rk_timer again;
	int64_t lost_ms;        /* its connection broke under a fetch, and it has not answered since; -1: no */
	struct rk_arena arena;  /* of the request */
	struct kp_fetch_req fetch;
	struct kp_list_offsets_req list;
	int16_t fetch_version;  /* the highest that the cluster's metadata.version allows */
};

struct node_follow {
	struct node *node;
	struct rk_list sources;
};

static void go(struct source *);

/* Each metadata.version from which brokers fetch from each other in a higher version. */
static int16_t
fetch_version(struct node *n)
{
	static const struct { int16_t level, version; } from[] = {
		{ 27, 18 }, { 21, 17 }, { 19, 16 }, { 10, 15 }, { 9, 14 } };
	int16_t level = node_metadata_version(n);

	for (size_t i = 0; i < rk_countof(from); i++)
		if (level >= from[i].level)
			return from[i].version;
	return FETCH_IDS;
}

static void
again(struct rk_timer *t, int64_t now_ms)
{
	(void)now_ms;
	go(rk_of(t, struct source, again));
}

static void
answered(struct node_ask *a, enum rk_err err, const void *res, int16_t version)
{
	struct source *s = rk_of(a, struct source, ask);

	(void)version;
	if (s->node->stopping || s->node->failed)
		return;
	if (err == RK_OK)
		s->lost_ms = -1;
	else if (err == RK_NETWORK_EXCEPTION && s->lost_ms < 0)
		s->lost_ms = rk_now(s->node->env);
	if (a->key == KP_FETCH)
		core_source_fetched(s->core, err, res);
	else
		core_source_listed(s->core, err, res);
	if (s->core->count > 0) /* else due comes, and frees the link that calls us now */
		go(s);
}

static bool
connect_to(struct source *s)
{
	struct node *n = s->node;
	const struct core_broker *b = core_broker(n->core, s->core->broker);
	char id[64];

	if (b == NULL || !b->reachable)
		return false; /* it is heard of when that changes */
	if (s->wire != NULL) {
		node_link_to(s->wire, b->host, b->port);
		return true;
	}
	snprintf(id, sizeof id, "broker-%d-fetcher-%u", n->conf->node_id, s->core->share);
	s->wire = node_link_new(n, id, b->host, b->port);
	return true;
}

/* Nothing is followed there any more. A fetch that still waits, perhaps at a node that is cut off and will not answer,
 * must not be in the way when it leads again: the leader forgets the session in its own time. */
static void
let_go(struct source *s)
{
	node_ask_forget(&s->ask);
	core_source_drop(s->core);
	node_link_free(s->wire);
	s->wire = NULL;
}

static void
go(struct source *s)
{
	struct node *n = s->node;

	if (n->stopping)
		return;
	if (s->core->count == 0) {
		let_go(s);
		return;
	}
	enum core_step step = core_source_next(s->core);
	if (s->core->busy || step == CORE_REST || !connect_to(s))
		return;
	if (n->shared.broker_epoch < 0) { /* registered, it has an epoch to show */
		rk_timer_set(&n->timers, &s->again, rk_now(n->env) + AGAIN_MS);
		return;
	}
	rk_arena_reset(&s->arena);
	if (step == CORE_FETCH) {
		if (s->core->whole)
			s->fetch_version = fetch_version(n);
		kp_defaults(&kp_fetch_req_d, &s->fetch);
		core_source_fetch(s->core, n->shared.broker_epoch, &s->arena, &s->fetch);
		node_link_ask(s->wire, &s->ask, KP_FETCH, FETCH_IDS, s->fetch_version, &s->fetch,
		    n->conf->replica_socket_timeout_ms + n->conf->replica_fetch_wait_max_ms);
	} else {
		kp_defaults(&kp_list_offsets_req_d, &s->list);
		core_source_list(s->core, &s->arena, &s->list);
		node_link_ask(s->wire, &s->ask, KP_LIST_OFFSETS, 4, LIST_VERSION, &s->list,
		    n->conf->replica_socket_timeout_ms);
	}
}

static void
due(void *arg, struct core_source *c)
{
	struct node_follow *f = arg;
	struct source *s = c->node;

	if (s == NULL) {
		s = c->node = rk_new(struct source);
		s->node = f->node;
		s->core = c;
		s->again = (struct rk_timer){ .at_ms = INT64_MAX, .fire = again };
		s->lost_ms = -1;
		node_ask_init(&s->ask, answered);
		rk_arena_init(&s->arena, ARENA_MAX);
		rk_list_add(&f->sources, &s->link);
	}
	go(s);
}

bool
node_follow_doubts(struct node *n, int64_t now_ms)
{
	if (n->follow == NULL)
		return false;
	rk_list_each(&n->follow->sources, m) {
		const struct source *s = rk_of(m, struct source, link);
		if (s->lost_ms < 0 || now_ms - s->lost_ms >= DOUBT_MS)
			continue;
		struct node_seen seen = node_broker_seen(n, s->core->broker);
		if (seen.epoch >= 0 && !seen.fenced)
			return true;
	}
	return false;
}

void
node_follow_open(struct node *n)
{
	struct node_follow *f = rk_new(struct node_follow);

	f->node = n;
	rk_list_init(&f->sources);
	n->follow = f;
	core_follow_listen(n->core, due, f);
}

void
node_follow_free(struct node *n)
{
	struct node_follow *f = n->follow;

	if (f == NULL)
		return;
	while (!rk_list_empty(&f->sources)) {
		struct source *s = rk_of(f->sources.next, struct source, link);
		rk_list_del(&s->link);
		node_ask_forget(&s->ask);
		rk_timer_stop(&n->timers, &s->again);
		node_link_free(s->wire);
		rk_arena_free(&s->arena);
		s->core->node = NULL;
		rk_mem_put(s);
	}
	rk_mem_put(f);
	n->follow = NULL;
}
