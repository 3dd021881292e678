/* isr.c - what this broker's leaders wish of the controller: AlterPartition, all wishes in one request, one at a
 * time (src/core/replica.h). */
#include "base/mem.h"
#include "base/say.h"
#include "protocol/gen/alter_partition.h"
#include "protocol/gen/keys.h"
#include "src/core/replica.h"
#include "src/node/inside.h"
#include "src/node/peer.h"

enum { ARENA_MAX = 64 << 20, WISHES_MAX = 10000, AGAIN_MS = 100, EPOCHS_LEVEL = 10, TIMEOUT_MS = 30000 };

typedef struct kp_alter_partition_req_topics topic_in;
typedef struct kp_alter_partition_req_topics_partitions part_in;

struct node_isr {
	struct node *node;
	struct node_ask ask;
	struct rk_timer again;
	struct rk_arena arena;
	struct kp_alter_partition_req req;
	bool resting; /* the last one failed; the timer asks anew */
};

static void go(struct node_isr *);

static void
fill(struct node_isr *x, part_in *o, const struct core_isr_wish *w)
{
	int32_t *id = rk_arena_get(&x->arena, (size_t)w->members, sizeof *id);

	*o = (part_in){ .partition_index = w->partition, .leader_epoch = w->leader_epoch,
		.partition_epoch = w->partition_epoch };
	o->new_isr_with_epochs.at = rk_arena_get(&x->arena, (size_t)w->members, sizeof *o->new_isr_with_epochs.at);
	if (id == NULL || o->new_isr_with_epochs.at == NULL)
		return;
	for (int32_t i = 0; i < w->members; i++) {
		id[i] = w->member[i].id;
		o->new_isr_with_epochs.at[i].broker_id = id[i];
		o->new_isr_with_epochs.at[i].broker_epoch =
		    id[i] == x->node->conf->node_id ? x->node->shared.broker_epoch : w->member[i].epoch;
	}
	o->new_isr.at = id;
	o->new_isr.len = o->new_isr_with_epochs.len = w->members;
}

static bool
build(struct node_isr *x)
{
	struct kp_alter_partition_req *q = &x->req;
	struct core_isr_wish *wish;
	uint32_t n = core_isr_take(x->node->core, &x->arena, WISHES_MAX, &wish);
	part_in *o = rk_arena_get(&x->arena, (size_t)n + 1, sizeof *o);

	kp_defaults(&kp_alter_partition_req_d, q);
	q->broker_id = x->node->conf->node_id;
	q->broker_epoch = x->node->shared.broker_epoch;
	q->topics.at = rk_arena_get(&x->arena, (size_t)n + 1, sizeof *q->topics.at);
	q->topics.len = 0;
	for (uint32_t i = 0; i < n && o != NULL && q->topics.at != NULL; i++) {
		topic_in *t = q->topics.len == 0 ? NULL : &q->topics.at[q->topics.len - 1];
		if (t == NULL || !rk_uuid_eq(t->topic_id, wish[i].topic)) {
			t = &q->topics.at[q->topics.len++];
			t->topic_id = wish[i].topic;
			t->partitions.at = &o[i];
			t->partitions.len = 0;
		}
		t->partitions.len++;
		fill(x, &o[i], &wish[i]);
	}
	if (n > 0 && x->arena.over) {
		rk_say(RK_ERROR, "A change of in-sync replicas does not fit into memory; it is tried again.");
		core_isr_done(x->node->core, true);
	}
	return n > 0 && !x->arena.over;
}

static void
take(struct node_isr *x, const struct kp_alter_partition_res *res)
{
	for (int32_t i = 0; i < res->topics.len; i++)
		for (int32_t k = 0; k < res->topics.at[i].partitions.len; k++) {
			const struct kp_alter_partition_res_topics_partitions *p = &res->topics.at[i].partitions.at[k];
			core_isr_answer(x->node->core, res->topics.at[i].topic_id, p->partition_index,
			    rk_err_of_wire(p->error_code), p->leader_epoch, p->partition_epoch, p->isr.at, p->isr.len);
		}
}

static void
answered(struct node_ask *a, enum rk_err err, const void *answer, int16_t version)
{
	struct node_isr *x = rk_of(a, struct node_isr, ask);
	const struct kp_alter_partition_res *res = answer;

	(void)version;
	if (x->node->stopping || x->node->failed)
		return;
	if (err == RK_OK)
		err = rk_err_of_wire(res->error_code);
	if (err == RK_OK)
		take(x, res);
	core_isr_done(x->node->core, err != RK_OK);
	if (err == RK_OK)
		return; /* what is wished meanwhile comes from core_flush */
	rk_event("alter partition", err, x->node->shared.broker_epoch);
	x->resting = true;
	rk_timer_set(&x->node->timers, &x->again, rk_now(x->node->env) + AGAIN_MS);
}

static void
go(struct node_isr *x)
{
	struct node *n = x->node;

	if (node_ask_busy(&x->ask) || x->resting || n->stopping || n->shared.broker_epoch < 0)
		return;
	rk_arena_reset(&x->arena);
	if (!build(x))
		return;
	int16_t max = node_metadata_version(n) >= EPOCHS_LEVEL ? 3 : 2;
	node_desk_ask(n, &x->ask, KP_ALTER_PARTITION, 2, max, &x->req, TIMEOUT_MS);
}

static void
again(struct rk_timer *t, int64_t now_ms)
{
	struct node_isr *x = rk_of(t, struct node_isr, again);

	(void)now_ms;
	x->resting = false;
	go(x);
}

static void
wished(void *arg)
{
	go(arg);
}

void
node_isr_open(struct node *n)
{
	struct node_isr *x = rk_new(struct node_isr);

	x->node = n;
	x->again = (struct rk_timer){ .at_ms = INT64_MAX, .fire = again };
	node_ask_init(&x->ask, answered);
	rk_arena_init(&x->arena, ARENA_MAX);
	n->isr = x;
	core_isr_listen(n->core, wished, x);
}

void
node_isr_free(struct node *n)
{
	struct node_isr *x = n->isr;

	if (x == NULL)
		return;
	node_desk_forget(n, &x->ask);
	rk_timer_stop(&n->timers, &x->again);
	rk_arena_free(&x->arena);
	rk_mem_put(x);
	n->isr = NULL;
}
