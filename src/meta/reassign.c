/* reassign.c - partitions get other replicas (KIP-455): the new ones are added to the old, and when they are in sync
 * the old ones go. change.c ends a reassignment with the change of the ISR that allows it.
 *
 * A reassignment that is changed while it runs goes on from where it is: what it was adding and still shall add is
 * waited for, what it was adding and shall not is removed. */
#include "src/meta/image.h"
#include "protocol/desc.h"
#include "protocol/gen/alter_partition_reassignments.h"
#include "protocol/gen/list_partition_reassignments.h"

typedef struct kp_alter_partition_reassignments_req_topics_partitions wish;
typedef struct kp_alter_partition_reassignments_res_responses answer;

struct reassigning {
	struct meta_plan *p;
	const struct kp_alter_partition_reassignments_req *q;
	struct meta_candidates brokers;
	uint32_t mark;
};

#define TOLD(g, ...) rk_arena_print((g)->p->arena, __VA_ARGS__)
#define S(str) (int)rk_max((str).len, 0), (str).at

static bool
room(struct reassigning *g, struct meta_ids *l, int32_t n)
{
	l->len = 0;
	l->at = rk_arena_get(g->p->work, (size_t)rk_max(n, 0), sizeof *l->at);
	return l->at != NULL;
}

static void
add_missing(struct meta_ids *to, const int32_t *at, int32_t len, const int32_t *other, int32_t others)
{
	for (int32_t i = 0; i < len; i++)
		if (!meta_has(other, others, at[i]) && !meta_has(to->at, to->len, at[i]))
			to->at[to->len++] = at[i];
}

/* How many replicas there are, or will be when what is under way is over. */
static int32_t
factor_of(const struct kp_partition_record *r)
{
	int32_t n = 0;

	for (int32_t i = 0; i < r->replicas.len; i++)
		n += !meta_has(r->removing_replicas.at, r->removing_replicas.len, r->replicas.at[i]);
	return n;
}

static enum rk_err
change(struct reassigning *g, struct rk_str topic, const struct kp_partition_record *r, const wish *w,
    struct rk_str *why)
{
	const int32_t *want = w->replicas.at;
	int32_t n = w->replicas.len;
	struct meta_ids all, adding, removing;
	struct meta_change how = { .brokers = &g->brokers, .election = META_CLEAN, .gone = -1, .back = -1, .replicas = &all,
		.adding = &adding, .removing = &removing };

	if (!meta_check_assignment(g->p, &g->brokers, want, n, 0, why))
		return RK_INVALID_REPLICA_ASSIGNMENT;
	if (!g->q->allow_replication_factor_change && n != factor_of(r))
		return *why = TOLD(g, "The replication factor is changed from %d to %d", factor_of(r), n),
		    RK_INVALID_REPLICATION_FACTOR;
	if (!room(g, &all, n + r->replicas.len) || !room(g, &adding, n) || !room(g, &removing, r->replicas.len))
		return RK_UNKNOWN_SERVER_ERROR;
	for (int32_t i = 0; i < n; i++)
		if (!meta_has(r->replicas.at, r->replicas.len, want[i]) ||
		    meta_has(r->adding_replicas.at, r->adding_replicas.len, want[i]))
			adding.at[adding.len++] = want[i];
	add_missing(&removing, r->replicas.at, r->replicas.len, want, n);
	qsort(adding.at, (size_t)adding.len, sizeof *adding.at, rk_by_i32);
	qsort(removing.at, (size_t)removing.len, sizeof *removing.at, rk_by_i32);
	memcpy(all.at, want, (size_t)n * sizeof *want);
	all.len = n;
	add_missing(&all, removing.at, removing.len, want, n);
	rk_assert(all.len == n + removing.len);
	meta_plan_change(g->p, topic, r, &how);
	return RK_OK;
}

static enum rk_err
cancel(struct reassigning *g, struct rk_str topic, const struct kp_partition_record *r, struct rk_str *why)
{
	struct meta_ids replicas, isr, none = { NULL, 0 };
	struct meta_change how = { .brokers = &g->brokers, .gone = -1, .back = -1, .replicas = &replicas, .isr = &isr,
		.adding = &none, .removing = &none };

	if (!meta_reassigning(r))
		return RK_NO_REASSIGNMENT_IN_PROGRESS;
	if (!room(g, &replicas, r->replicas.len) || !room(g, &isr, r->isr.len + 1))
		return RK_UNKNOWN_SERVER_ERROR;
	add_missing(&replicas, r->replicas.at, r->replicas.len, r->adding_replicas.at, r->adding_replicas.len);
	add_missing(&isr, r->isr.at, r->isr.len, r->adding_replicas.at, r->adding_replicas.len);
	if (replicas.len == 0)
		return *why = rk_lit("Invalid replica assignment: addingReplicas contains all replicas."),
		    RK_INVALID_REPLICA_ASSIGNMENT;
	if (isr.len == 0) {
		if (!meta_unclean_allowed(g->p, topic))
			return *why = TOLD(g, "Unable to revert partition assignment for %.*s:%d because it would require an "
			    "unclean leader election.", S(topic), r->partition_id), RK_INVALID_REPLICA_ASSIGNMENT;
		isr.at[isr.len++] = replicas.at[0];
	}
	meta_plan_change(g->p, topic, r, &how);
	return RK_OK;
}

static enum rk_err
alter(struct reassigning *g, struct rk_str topic, const wish *w, struct rk_str *why)
{
	struct kp_partition_record r;
	struct meta_topic t;

	*why = RK_STR_NULL;
	if (!meta_topic_named(&g->p->view, topic, &t))
		return *why = TOLD(g, "Unable to find a topic named %.*s.", S(topic)), RK_UNKNOWN_TOPIC_OR_PARTITION;
	rk_arena_reset(g->p->work);
	if (!meta_partition(&g->p->view, t.id, w->partition_index, g->p->work, &r))
		return *why = TOLD(g, "Unable to find partition %.*s:%d.", S(topic), w->partition_index),
		    RK_UNKNOWN_TOPIC_OR_PARTITION;
	if (g->p->count - g->mark >= META_RECORDS_MAX)
		return RK_UNKNOWN_SERVER_ERROR;
	return w->replicas.len < 0 ? cancel(g, topic, &r, why) : change(g, topic, &r, w, why);
}

static int64_t
asked(const struct kp_alter_partition_reassignments_req *q)
{
	int64_t n = 0;

	for (int32_t i = 0; i < q->topics.len; i++)
		n += q->topics.at[i].partitions.len;
	return n;
}

void
meta_alter_partition_reassignments(struct meta_plan *p, int16_t version,
    const struct kp_alter_partition_reassignments_req *q, struct kp_alter_partition_reassignments_res *res)
{
	struct reassigning g = { .p = p, .q = q, .brokers = meta_candidates(p), .mark = p->count };

	(void)version;
	res->allow_replication_factor_change = q->allow_replication_factor_change;
	res->responses.at = rk_arena_get(p->arena, (size_t)rk_max(q->topics.len, 0), sizeof *res->responses.at);
	if (asked(q) > META_ASKED_MAX) {
		res->error_code = rk_err_wire(RK_INVALID_REQUEST);
		res->error_message = rk_lit("The request names more partitions than one may.");
		return;
	}
	if (res->responses.at == NULL || q->topics.len <= 0)
		return;
	res->error_message = RK_STR_NULL;
	for (int32_t i = 0; i < q->topics.len; i++) {
		const struct kp_alter_partition_reassignments_req_topics *in = &q->topics.at[i];
		answer *out = &res->responses.at[res->responses.len++];
		out->name = in->name;
		out->partitions.at = rk_arena_get(p->arena, (size_t)rk_max(in->partitions.len, 0), sizeof *out->partitions.at);
		for (int32_t k = 0; out->partitions.at != NULL && k < in->partitions.len; k++) {
			struct rk_str why;
			enum rk_err err = alter(&g, in->name, &in->partitions.at[k], &why);
			out->partitions.at[k].partition_index = in->partitions.at[k].partition_index;
			out->partitions.at[k].error_code = rk_err_wire(err);
			out->partitions.at[k].error_message = why;
			out->partitions.len++;
		}
	}
}

/* --- listing */

typedef struct kp_list_partition_reassignments_res_topics listed;

static void
list_one(struct meta_plan *p, listed *out, int32_t cap, struct rk_uuid topic, int32_t index)
{
	struct kp_partition_record r;

	if (out->partitions.at == NULL)
		out->partitions.at = rk_arena_get(p->arena, (size_t)cap, sizeof *out->partitions.at);
	if (out->partitions.at == NULL || !meta_partition(&p->view, topic, index, p->arena, &r) || !meta_reassigning(&r))
		return;
	rk_assert(out->partitions.len < cap);
	struct kp_list_partition_reassignments_res_topics_partitions *a = &out->partitions.at[out->partitions.len++];
	a->partition_index = index;
	a->replicas.at = r.replicas.at;
	a->replicas.len = r.replicas.len;
	a->adding_replicas.at = r.adding_replicas.at;
	a->adding_replicas.len = r.adding_replicas.len;
	a->removing_replicas.at = r.removing_replicas.at;
	a->removing_replicas.len = r.removing_replicas.len;
}

static void
list_all(struct meta_plan *p, struct kp_list_partition_reassignments_res *res)
{
	uint64_t n = st_count(p->view.txn, META_MOVING);
	struct rk_uuid last = { { 0 } };
	struct meta_topic t = { .partitions = 0 };
	struct st_cursor c;

	res->topics.at = rk_arena_get(p->arena, (size_t)n, sizeof *res->topics.at);
	if (res->topics.at == NULL)
		return;
	for (bool more = st_cursor_begin(&c, p->view.txn, META_MOVING, rk_lit(""), rk_lit("")); more;
	    more = st_cursor_next(&c)) {
		struct rk_uuid id;
		memcpy(id.id, c.key.at, 16);
		if (res->topics.len == 0 || !rk_uuid_eq(id, last)) {
			if (!meta_topic_of(&p->view, id, &t))
				continue;
			res->topics.at[res->topics.len++].name = rk_arena_str(p->arena, t.name);
			last = id;
		}
		list_one(p, &res->topics.at[res->topics.len - 1], t.partitions, id, (int32_t)rk_get32(c.key.at + 16));
	}
	st_cursor_end(&c);
}

void
meta_list_partition_reassignments(struct meta_plan *p, const struct kp_list_partition_reassignments_req *q,
    struct kp_list_partition_reassignments_res *res)
{
	struct meta_topic t;

	res->error_message = RK_STR_NULL;
	if (q->topics.len < 0) {
		list_all(p, res);
		return;
	}
	res->topics.at = rk_arena_get(p->arena, (size_t)q->topics.len, sizeof *res->topics.at);
	for (int32_t i = 0; res->topics.at != NULL && i < q->topics.len; i++) {
		const struct kp_list_partition_reassignments_req_topics *in = &q->topics.at[i];
		listed *out = &res->topics.at[res->topics.len];
		if (!meta_topic_named(&p->view, in->name, &t))
			continue;
		out->name = in->name;
		for (int32_t k = 0; k < in->partition_indexes.len; k++)
			list_one(p, out, in->partition_indexes.len, t.id, in->partition_indexes.at[k]);
		res->topics.len += out->partitions.len > 0;
	}
}
