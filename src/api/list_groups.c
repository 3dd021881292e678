/* list_groups.c - key 16: the groups this broker coordinates; from version 4 of certain states (KIP-518), from 5 of
 * certain types (KIP-848). */
#include "protocol/gen/list_groups.h"
#include "src/api/group.h"

static bool
wanted(const struct rk_str *at, int32_t len, const char *word)
{
	for (int32_t i = 0; i < len; i++)
		if (strncasecmp(at[i].at, word, (size_t)rk_max(at[i].len, 0)) == 0 && at[i].len == (int32_t)strlen(word))
			return true;
	return len <= 0;
}

enum api_fate
api_list_groups(struct api_call *c, const struct kp_list_groups_req *q, struct kp_list_groups_res *res)
{
	struct core_shard *s = NULL;
	bool loading = false;
	int32_t cap = 0;

	if (c->shared->groups == NULL)
		return API_NOW;
	while ((s = core_coord_walk(c->shared->groups, s, &loading)) != NULL)
		for (struct core_group *g = core_group_walk(s, NULL); g != NULL; g = core_group_walk(s, g)) {
			struct kp_list_groups_res_groups one = { 0 };
			const char *state, *type;
			core_group_list(g, &c->arena, &one, &state, &type);
			if (!wanted(q->states_filter.at, q->states_filter.len, state)
			    || !wanted(q->types_filter.at, q->types_filter.len, type))
				continue;
			if (res->groups.len == cap) {
				cap = cap == 0 ? 64 : cap * 2;
				struct kp_list_groups_res_groups *more = rk_arena_get(&c->arena, (size_t)cap, sizeof *more);
				if (more == NULL)
					return API_CLOSE;
				if (res->groups.len > 0)
					memcpy(more, res->groups.at, (size_t)res->groups.len * sizeof *more);
				res->groups.at = more;
			}
			res->groups.at[res->groups.len++] = one;
		}
	if (loading)
		res->error_code = rk_err_wire(RK_COORDINATOR_LOAD_IN_PROGRESS);
	return API_NOW;
}
