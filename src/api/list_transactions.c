/* list_transactions.c - key 66: the transactional ids this broker coordinates; from version 1 those whose transaction
 * is older than so many milliseconds (KIP-994), from 2 those whose name matches an expression (KIP-1152). */
#include "protocol/gen/list_transactions.h"
#include "src/api/txn.h"
#include "src/core/regex.h"

static const char *const state_names[] = { "Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit",
	"CompleteAbort", "Dead", "PrepareEpochFence" };

typedef struct kp_list_transactions_req req;
typedef struct kp_list_transactions_res res_t;
typedef struct kp_list_transactions_res_transaction_states row;

/* False: the arena is over. */
static bool
tell_unknown(struct api_call *c, const req *q, res_t *res)
{
	int32_t n = rk_max(q->state_filters.len, 0);

	res->unknown_state_filters.at = rk_arena_get(&c->arena, (size_t)n + 1, sizeof *res->unknown_state_filters.at);
	if (res->unknown_state_filters.at == NULL)
		return false;
	for (int32_t i = 0; i < n; i++) {
		bool known = false;
		for (size_t k = 0; k < rk_countof(state_names); k++)
			known |= rk_str_is(q->state_filters.at[i], state_names[k]);
		for (int32_t k = 0; k < res->unknown_state_filters.len; k++)
			known |= rk_str_eq(res->unknown_state_filters.at[k], q->state_filters.at[i]);
		if (!known) /* once each */
			res->unknown_state_filters.at[res->unknown_state_filters.len++] = q->state_filters.at[i];
	}
	return true;
}

static bool
wanted(const struct api_call *c, const req *q, const row *r, int64_t since_ms)
{
	bool state = q->state_filters.len <= 0, id = q->producer_id_filters.len <= 0;

	for (int32_t i = 0; i < q->state_filters.len && !state; i++)
		state = rk_str_eq(q->state_filters.at[i], r->transaction_state);
	for (int32_t i = 0; i < q->producer_id_filters.len && !id; i++)
		id = q->producer_id_filters.at[i] == r->producer_id;
	return state && id && (q->duration_filter < 0 || c->wall_ms - since_ms > q->duration_filter);
}

static bool
add(struct api_call *c, res_t *res, int32_t *cap, const row *r)
{
	if (res->transaction_states.len == *cap) {
		*cap = *cap == 0 ? 64 : *cap * 2;
		row *more = rk_arena_get(&c->arena, (size_t)*cap, sizeof *more);
		if (more == NULL)
			return false;
		if (res->transaction_states.len > 0)
			memcpy(more, res->transaction_states.at, (size_t)res->transaction_states.len * sizeof *more);
		res->transaction_states.at = more;
	}
	res->transaction_states.at[res->transaction_states.len++] = *r;
	return true;
}

/* False: the arena is over. *loading: there are coordinators that do not know yet. */
static bool
fill(struct api_call *c, const req *q, struct core_regex *name, res_t *res, bool *loading)
{
	struct core_shard *s = NULL;
	int32_t cap = 0;

	while ((s = core_coord_walk(c->shared->txns, s, loading)) != NULL)
		for (struct core_txn *t = core_txn_walk(s, NULL); t != NULL; t = core_txn_walk(s, t)) {
			row r = { 0 };
			int64_t since;
			core_txn_list(t, &c->arena, &r, &since);
			if (wanted(c, q, &r, since) && (name == NULL || core_regex_is(name, r.transactional_id))
			    && !add(c, res, &cap, &r))
				return false;
		}
	return true;
}

enum api_fate
api_list_transactions(struct api_call *c, const req *q, res_t *res)
{
	struct core_regex *name = NULL;
	struct rk_str why;
	bool loading = false;

	if (c->shared->txns == NULL) {
		res->error_code = rk_err_wire(RK_COORDINATOR_NOT_AVAILABLE);
		return API_NOW;
	}
	if (!tell_unknown(c, q, res))
		return API_CLOSE;
	if (q->transactional_id_pattern.len > 0) {
		if (core_regex_check(q->transactional_id_pattern, &c->arena, &why) != RK_OK) {
			res->error_code = rk_err_wire(RK_INVALID_REGULAR_EXPRESSION);
			res->unknown_state_filters.len = 0;
			return API_NOW;
		}
		name = core_regex_new(q->transactional_id_pattern);
		if (name == NULL)
			return API_CLOSE;
	}
	bool whole = fill(c, q, name, res, &loading);
	if (name != NULL)
		core_regex_free(name);
	if (!whole)
		return API_CLOSE;
	if (loading) {
		res->transaction_states.len = res->unknown_state_filters.len = 0;
		res->error_code = rk_err_wire(RK_COORDINATOR_LOAD_IN_PROGRESS);
	}
	return API_NOW;
}
