/* describe_log_dirs.c - key 35: what lies in each directory of log.dirs (KIP-113, KIP-827). A
 * partition that was never written is reported with size 0: it belongs to its directory, though it
 * has no folder yet. One that moves stands in both directories: where it goes, as a future one, with the offsets it
 * lags behind. */
#include "protocol/gen/describe_log_dirs.h"
#include "src/api/fold.h"
#include "src/api/handlers.h"
#include "src/config.h"
#include "src/core/core.h"

typedef struct kp_describe_log_dirs_res_results dir_out;
typedef struct kp_describe_log_dirs_res_results_topics topic_out;
typedef struct kp_describe_log_dirs_res_results_topics_partitions part_out;

struct listing {
	struct api_call *c;
	dir_out *dir;
	uint32_t index, cap;
	topic_out *topic; /* the one being filled */
	struct core_topic *of;
};

static void
add_part(struct listing *l, struct core_partition *p)
{
	struct st_log *log, *future = NULL;
	uint32_t to = UINT32_MAX;

	if (p == NULL || p->offline || (!(core_moving(p, &to, &future) && to == l->index) && p->dir != l->index)
	    || core_open(p, &log) != RK_OK)
		return;
	if (l->of != p->topic) {
		if ((uint32_t)l->dir->topics.len == l->cap)
			return;
		l->of = p->topic;
		l->topic = &l->dir->topics.at[l->dir->topics.len++];
		l->topic->name = rk_arena_str(&l->c->arena, p->topic->name);
		l->topic->partitions.at = rk_arena_get(
		    &l->c->arena, p->topic->partitions, sizeof *l->topic->partitions.at);
	}
	if (l->topic->partitions.at == NULL
	    || (uint32_t)l->topic->partitions.len == p->topic->partitions)
		return;
	part_out *o = &l->topic->partitions.at[l->topic->partitions.len++];
	o->partition_index = p->index;
	if (to == l->index) {
		o->is_future_key = true;
		o->partition_size = future == NULL ? 0 : st_log_bytes(future);
		o->offset_lag = core_end(p) - (future == NULL ? 0 : st_log_end(future));
		return;
	}
	o->partition_size = log == NULL ? 0 : st_log_bytes(log);
	o->offset_lag = rk_max(0, p->high - core_end(p));
}

static uint32_t
count_topics(struct core *core)
{
	uint32_t n = 0;

	for (struct core_topic *t = core_topics_walk(core, NULL); t != NULL;
	     t = core_topics_walk(core, t))
		n++;
	return n;
}

/* The partitions that are asked for, each once. */
static void
list_named(struct api_call *c, const struct kp_describe_log_dirs_req *q, struct listing *l)
{
	uint32_t n = 0, count = 0;

	for (int32_t i = 0; i < q->topics.len; i++)
		n += (uint32_t)rk_max(q->topics.at[i].partitions.len, 0);
	struct api_named *at = rk_arena_get(&c->arena, n + 1, sizeof *at);
	for (int32_t i = 0; i < q->topics.len && at != NULL; i++)
		for (int32_t k = 0; k < q->topics.at[i].partitions.len; k++)
			at[count++] = (struct api_named){
			    .topic = q->topics.at[i].topic, .index = q->topics.at[i].partitions.at[k]};
	count = api_fold(at, count);
	for (uint32_t i = 0; i < count; i++)
		add_part(l, core_partition(core_topic_named(c->shared->core, at[i].topic), at[i].index));
}

static void
list(struct api_call *c, const struct kp_describe_log_dirs_req *q, struct listing *l)
{
	struct core *core = c->shared->core;

	l->cap = q->topics.len < 0 ? count_topics(core) : (uint32_t)q->topics.len;
	l->dir->topics.at = rk_arena_get(&c->arena, l->cap + 1, sizeof *l->dir->topics.at);
	if (l->dir->topics.at == NULL)
		return;
	if (q->topics.len >= 0) {
		list_named(c, q, l);
		return;
	}
	for (struct core_topic *t = core_topics_walk(core, NULL); t != NULL;
	     t = core_topics_walk(core, t))
		for (uint32_t i = 0; i < t->partitions; i++)
			add_part(l, t->partition[i]);
}

enum api_fate
api_describe_log_dirs(struct api_call *c, const struct kp_describe_log_dirs_req *q,
    struct kp_describe_log_dirs_res *res)
{
	struct core *core = c->shared->core;
	struct rk_space space;

	res->results.at = rk_arena_get(&c->arena, core_dirs(core), sizeof *res->results.at);
	res->results.len = res->results.at == NULL ? 0 : (int32_t)core_dirs(core);
	for (int32_t i = 0; i < res->results.len; i++) {
		struct st_dir *d = core_dir(core, (uint32_t)i);
		struct listing l = {.c = c, .dir = &res->results.at[i], .index = (uint32_t)i};
		l.dir->log_dir = rk_str_of(st_dir_path(d));
		l.dir->total_bytes = l.dir->usable_bytes = -1;
		l.dir->is_cordoned = conf_cordoned(c->shared->conf, st_dir_path(d));
		if (st_dir_failed(d)) {
			l.dir->error_code = rk_err_wire(RK_KAFKA_STORAGE_ERROR);
			continue;
		}
		if (rk_space_of(c->shared->env, st_dir_path(d), &space) == RK_OK) {
			l.dir->total_bytes = space.total_bytes;
			l.dir->usable_bytes = space.free_bytes;
		}
		list(c, q, &l);
	}
	return API_NOW;
}
