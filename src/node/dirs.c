/* dirs.c - the directories of log.dirs, as the controller is to know them: where each replica lies (KIP-858), and
 * which directory has failed.
 *
 * The core keeps what is to be told (core_misplaced); here it goes to the controller, many at a time, one request after
 * the other, again when it failed, and once more when no record of it has come for a while. A directory that
 * fails is in the next heartbeat, which goes at once. */
#include "base/mem.h"
#include "base/say.h"
#include "protocol/gen/assign_replicas_to_dirs.h"
#include "protocol/gen/keys.h"
#include "src/node/inside.h"

enum { MOST = 2250, FIRST_PAUSE_MS = 100, LAST_PAUSE_MS = 10000, ASK_MS = 30000, FORGOTTEN_MS = 5000 };

typedef struct kp_assign_replicas_to_dirs_req_directories dir_in;
typedef struct kp_assign_replicas_to_dirs_req_directories_topics topic_in;
typedef struct kp_assign_replicas_to_dirs_req_directories_topics_partitions part_in;

struct told { /* one partition of a request */
	struct rk_uuid dir, topic;
	int32_t index;
};

struct node_dirs {
	struct node *node;
	struct node_ask ask;
	struct rk_arena words;
	struct kp_assign_replicas_to_dirs_req req;
	struct rk_timer timer; /* the pause after a failure; without one: looks for what no record came of */
	int64_t pause_ms;
	bool resting;
	uint32_t lost;
	struct rk_say_limit refused;
};

static int
in_order(const void *a, const void *b)
{
	const struct told *x = a, *y = b;
	int c = memcmp(&x->dir, &y->dir, sizeof x->dir);

	c = c != 0 ? c : memcmp(&x->topic, &y->topic, sizeof x->topic);
	return c != 0 ? c : (x->index > y->index) - (x->index < y->index);
}

/* By directory and topic, each once. */
static void
fill(struct node_dirs *d, const struct told *at, uint32_t count)
{
	struct kp_assign_replicas_to_dirs_req *q = &d->req;
	topic_in *topics = rk_arena_get(&d->words, count, sizeof *topics);
	part_in *parts = rk_arena_get(&d->words, count, sizeof *parts);
	dir_in *dir = NULL;
	topic_in *topic = NULL;

	q->directories.at = rk_arena_get(&d->words, count, sizeof *q->directories.at);
	rk_assert(!d->words.over);
	for (uint32_t i = 0; i < count; i++) {
		bool new_dir = i == 0 || !rk_uuid_eq(at[i].dir, at[i - 1].dir);
		if (new_dir) {
			dir = &q->directories.at[q->directories.len++];
			dir->id = at[i].dir;
			dir->topics.at = topics;
		}
		if (new_dir || !rk_uuid_eq(at[i].topic, at[i - 1].topic)) {
			topic = topics++;
			dir->topics.len++;
			topic->topic_id = at[i].topic;
			topic->partitions.at = parts;
		}
		parts->partition_index = at[i].index;
		parts++;
		topic->partitions.len++;
	}
}

static void
ask(struct node_dirs *d)
{
	struct node *n = d->node;
	struct core_partition *p;
	struct rk_uuid dir;
	uint32_t count = 0;

	rk_arena_reset(&d->words);
	struct told *at = rk_arena_get(&d->words, MOST, sizeof *at);
	rk_assert(at != NULL);
	while (count < MOST && (p = core_misplaced_take(n->core, &dir)) != NULL)
		at[count++] = (struct told){ .dir = dir, .topic = p->topic->id, .index = p->index };
	qsort(at, count, sizeof *at, in_order);
	kp_defaults(&kp_assign_replicas_to_dirs_req_d, &d->req);
	d->req.broker_id = n->conf->node_id;
	d->req.broker_epoch = n->shared.broker_epoch;
	fill(d, at, count);
	node_desk_ask(n, &d->ask, KP_ASSIGN_REPLICAS_TO_DIRS, 0, 0, &d->req, ASK_MS);
}

/* The first of the errors that single partitions got. */
static enum rk_err
worst(const struct kp_assign_replicas_to_dirs_res *res)
{
	for (int32_t i = 0; i < res->directories.len; i++)
		for (int32_t k = 0; k < res->directories.at[i].topics.len; k++)
			for (int32_t j = 0; j < res->directories.at[i].topics.at[k].partitions.len; j++)
				if (res->directories.at[i].topics.at[k].partitions.at[j].error_code != 0)
					return rk_err_of_wire(
					    res->directories.at[i].topics.at[k].partitions.at[j].error_code);
	return RK_OK;
}

static void
answered(struct node_ask *a, enum rk_err err, const void *answer, int16_t version)
{
	struct node_dirs *d = rk_of(a, struct node_dirs, ask);
	const struct kp_assign_replicas_to_dirs_res *res = answer;
	struct node *n = d->node;

	(void)version;
	if (err == RK_OK)
		err = res->error_code != 0 ? rk_err_of_wire(res->error_code) : worst(res);
	d->resting = err != RK_OK;
	if (err == RK_OK) {
		d->pause_ms = FIRST_PAUSE_MS;
		rk_timer_set(&n->timers, &d->timer, rk_now(n->env) + FORGOTTEN_MS);
		return;
	}
	if (d->pause_ms >= LAST_PAUSE_MS)
		rk_say_limited(&d->refused, rk_now(n->env), RK_WARN, "The controller does not take where replicas lie on "
		    "this broker (%s); it is told again.", rk_err_name(err));
	rk_timer_set(&n->timers, &d->timer, rk_now(n->env) + d->pause_ms);
	d->pause_ms = rk_min(d->pause_ms * 2, LAST_PAUSE_MS);
}

static void
again(struct rk_timer *t, int64_t now_ms)
{
	struct node_dirs *d = rk_of(t, struct node_dirs, timer);

	(void)now_ms;
	d->resting = false;
	if (!node_ask_busy(&d->ask))
		core_misplaced_again(d->node->core);
}

/* A directory has failed: the metadata's, or the last one, takes the node with it. */
static void
lost_some(struct node_dirs *d)
{
	struct node *n = d->node;

	d->lost = core_dirs_lost(n->core);
	for (uint32_t i = 0; i < n->dirs; i++)
		if (st_dir_failed(n->dir[i]) && strcmp(st_dir_path(n->dir[i]), n->conf->metadata_dir) == 0)
			node_fail(n, "the directory of the metadata has failed");
	if (d->lost == n->dirs)
		node_fail(n, "no directory of log.dirs is left");
	if (!n->failed)
		node_broker_changed(n);
}

void
node_dirs_turn(struct node *n)
{
	struct node_dirs *d = n->dirs_told;

	if (core_dirs_lost(n->core) != d->lost)
		lost_some(d);
	if (core_misplaced(n->core) && !d->resting && !node_ask_busy(&d->ask) && n->ready && !n->stopping && !n->failed
	    && api_row(KP_ASSIGN_REPLICAS_TO_DIRS) != NULL)
		ask(d);
}

void
node_dirs_open(struct node *n)
{
	struct node_dirs *d = rk_new(struct node_dirs);

	d->node = n;
	d->pause_ms = FIRST_PAUSE_MS;
	d->timer = (struct rk_timer){ .at_ms = INT64_MAX, .fire = again };
	node_ask_init(&d->ask, answered);
	rk_arena_init(&d->words, 4u << 20);
	n->dirs_told = d;
}

void
node_dirs_free(struct node *n)
{
	struct node_dirs *d = n->dirs_told;

	if (d == NULL)
		return;
	rk_timer_stop(&n->timers, &d->timer);
	rk_arena_free(&d->words);
	rk_mem_put(d);
	n->dirs_told = NULL;
}
