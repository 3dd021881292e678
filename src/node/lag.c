/* lag.c - asks leaders where their partitions end, for the lag of the groups that this node coordinates.
 *
 * A scrape of the metrics is the occasion: what it wanted and did not find here (src/core/ends.h) is asked for then, in
 * one ListOffsets for each leader, and is there for the next scrape. So many partitions at a time, one request to a
 * node at a time; a node that does not answer is asked again at a later scrape. */
#include "base/mem.h"
#include "protocol/gen/keys.h"
#include "protocol/gen/list_offsets.h"
#include "protocol/gen/metadata_records.h"
#include "src/core/ends.h"
#include "src/node/txn.h"

enum { ASK_MAX = 2000, PAUSE_MS = 1000, TIMEOUT_MS = 5000, LATEST = -1, BY_CONSUMER = -1, ARENA_MAX = 16 << 20 };

struct letter { /* to one leader */
	struct rk_list link;  /* in node_lag */
	struct node *node;
	int32_t id;
	struct node_link *wire;
	struct node_ask ask;
	struct rk_arena arena;
	struct kp_list_offsets_req req;
	bool busy;
};
struct node_lag {
	struct rk_list letters;
	int64_t asked_ms;
};

static void
answered(struct node_ask *a, enum rk_err err, const void *answer, int16_t version)
{
	struct letter *l = rk_of(a, struct letter, ask);
	const struct kp_list_offsets_res *res = answer;
	struct node *n = l->node;

	(void)version;
	l->busy = false;
	if (err != RK_OK || n->stopping || n->failed)
		return;
	for (int32_t i = 0; i < res->topics.len; i++)
		for (int32_t k = 0; k < res->topics.at[i].partitions.len; k++) {
			struct kp_list_offsets_res_topics_partitions *p = &res->topics.at[i].partitions.at[k];
			if (p->error_code == 0)
				core_end_told(n->core, res->topics.at[i].name, p->partition_index, p->offset, rk_now(n->env));
		}
}

static struct letter *
letter_to(struct node *n, int32_t id)
{
	rk_list_each(&n->lag->letters, m)
		if (rk_of(m, struct letter, link)->id == id)
			return rk_of(m, struct letter, link);
	struct letter *l = rk_new(struct letter);
	l->node = n;
	l->id = id;
	node_ask_init(&l->ask, answered);
	rk_arena_init(&l->arena, ARENA_MAX);
	kp_defaults(&kp_list_offsets_req_d, &l->req);
	l->req.replica_id = BY_CONSUMER;
	rk_list_add(&n->lag->letters, &l->link);
	return l;
}

/* A row for every partition: an answer has them as the request does. */
static void
put(struct letter *l, const struct core_end *e)
{
	struct kp_list_offsets_req_topics_partitions *p = rk_arena_get(&l->arena, 1, sizeof *p);

	if (l->req.topics.at == NULL)
		l->req.topics.at = rk_arena_get(&l->arena, ASK_MAX, sizeof *l->req.topics.at);
	if (l->arena.over)
		return;
	*p = (struct kp_list_offsets_req_topics_partitions){ .partition_index = e->partition, .current_leader_epoch = -1,
		.timestamp = LATEST };
	l->req.topics.at[l->req.topics.len++] = (struct kp_list_offsets_req_topics){
		.name = rk_arena_str(&l->arena, e->topic), .partitions = { p, 1 } };
}

/* Puts what is wanted into the letters of those who lead it. */
static void
gather(struct node *n, int64_t now_ms)
{
	uint64_t most = rk_min(core_ends_count(n->core), ASK_MAX);
	struct kp_partition_record r;
	struct meta_view v;
	struct meta_topic t;
	struct core_end *e;
	struct rk_arena a;

	rk_arena_init(&a, ARENA_MAX);
	meta_view_begin(n->image, &v);
	for (uint64_t i = 0; i < most && (e = core_end_due(n->core, now_ms)) != NULL; i++) {
		rk_arena_reset(&a);
		if (!meta_topic_named(&v, e->topic, &t) || !meta_partition(&v, t.id, e->partition, &a, &r) || r.leader < 0)
			continue;
		struct letter *l = letter_to(n, r.leader);
		if (!l->busy)
			put(l, e);
	}
	meta_view_end(&v);
	rk_arena_free(&a);
}

void
node_lag_ask(struct node *n)
{
	int64_t now_ms = rk_now(n->env);

	if (n->lag == NULL || n->stopping || n->failed || !node_broker_loaded(n) || now_ms - n->lag->asked_ms < PAUSE_MS
	    || core_ends_count(n->core) == 0)
		return;
	n->lag->asked_ms = now_ms;
	rk_list_each(&n->lag->letters, m) {
		struct letter *l = rk_of(m, struct letter, link);
		if (l->busy)
			continue;
		rk_arena_reset(&l->arena);
		kp_defaults(&kp_list_offsets_req_d, &l->req);
		l->req.replica_id = BY_CONSUMER;
	}
	gather(n, now_ms);
	rk_list_each(&n->lag->letters, m) {
		struct letter *l = rk_of(m, struct letter, link);
		if (l->busy || l->req.topics.len == 0 || l->arena.over || !node_txn_link(n, l->id, "lag", &l->wire))
			continue;
		l->busy = true;
		node_link_ask(l->wire, &l->ask, KP_LIST_OFFSETS, 1, -1, &l->req, TIMEOUT_MS);
	}
}

void
node_lag_open(struct node *n)
{
	n->lag = rk_new(struct node_lag);
	rk_list_init(&n->lag->letters);
	n->lag->asked_ms = INT64_MIN / 2;
}

void
node_lag_close(struct node *n)
{
	if (n->lag == NULL)
		return;
	while (!rk_list_empty(&n->lag->letters)) {
		struct letter *l = rk_of(n->lag->letters.next, struct letter, link);
		node_ask_forget(&l->ask);
		node_link_free(l->wire);
		rk_arena_free(&l->arena);
		rk_list_del(&l->link);
		rk_mem_put(l);
	}
	rk_mem_put(n->lag);
	n->lag = NULL;
}
