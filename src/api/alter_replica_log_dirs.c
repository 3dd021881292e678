/* alter_replica_log_dirs.c - key 34: partitions of this broker move to other directories of it (KIP-113). The answer
 * says that they are on their way; DescribeLogDirs shows how far they are. */
#include "protocol/gen/alter_replica_log_dirs.h"
#include "src/api/fold.h"
#include "src/api/handlers.h"
#include "src/core/core.h"

typedef struct kp_alter_replica_log_dirs_res_results topic_out;

/* Every partition that is named, with the directory it is to go to. */
static struct api_named *
named(struct api_call *c, const struct kp_alter_replica_log_dirs_req *q, uint32_t *count)
{
	uint32_t n = 0;

	for (int32_t d = 0; d < q->dirs.len; d++)
		for (int32_t i = 0; i < q->dirs.at[d].topics.len; i++)
			n += (uint32_t)rk_max(q->dirs.at[d].topics.at[i].partitions.len, 0);
	struct api_named *at = rk_arena_get(&c->arena, n + 1, sizeof *at);
	for (int32_t d = 0; d < q->dirs.len && at != NULL; d++)
		for (int32_t i = 0; i < q->dirs.at[d].topics.len; i++)
			for (int32_t k = 0; k < q->dirs.at[d].topics.at[i].partitions.len; k++)
				at[(*count)++] = (struct api_named){.topic = q->dirs.at[d].topics.at[i].name,
				    .index = q->dirs.at[d].topics.at[i].partitions.at[k],
				    .in = &q->dirs.at[d].path};
	*count = api_fold(at, *count);
	return at;
}

enum api_fate
api_alter_replica_log_dirs(struct api_call *c, const struct kp_alter_replica_log_dirs_req *q,
    struct kp_alter_replica_log_dirs_res *res)
{
	uint32_t count = 0;
	struct api_named *at = named(c, q, &count);

	res->results.at = rk_arena_get(&c->arena, count + 1, sizeof *res->results.at);
	if (at == NULL || res->results.at == NULL)
		return API_CLOSE;
	for (uint32_t i = 0, n; i < count; i += n) {
		topic_out *t = &res->results.at[res->results.len++];
		n = api_fold_run(at, i, count);
		t->topic_name = at[i].topic;
		t->partitions.at = rk_arena_get(&c->arena, n, sizeof *t->partitions.at);
		t->partitions.len = t->partitions.at == NULL ? 0 : (int32_t)n;
		for (int32_t k = 0; k < t->partitions.len; k++) {
			const struct rk_str *path = at[i + (uint32_t)k].in;
			t->partitions.at[k].partition_index = at[i + (uint32_t)k].index;
			t->partitions.at[k].error_code = rk_err_wire(
			    core_move(c->shared->core, t->topic_name, at[i + (uint32_t)k].index, *path));
		}
	}
	return API_NOW;
}
