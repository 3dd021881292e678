/* alter_partition.c - AlterPartition: a leader says who is in sync with it, and the controller takes its word when
 * leader, epochs and members are what they were (KIP-497, 841, 903). */
#include "src/meta/image.h"
#include "protocol/desc.h"
#include "protocol/gen/alter_partition.h"

typedef struct kp_alter_partition_req_topics_partitions wish;
typedef struct kp_alter_partition_res_topics_partitions answer;

enum { RECOVERED = 0, RECOVERING = 1, STATES = 2 };

struct altering {
	struct meta_plan *p;
	const struct kp_alter_partition_req *q;
	struct meta_candidates brokers;
	int16_t version;
};

/* The members the leader wants, and the epoch of each; -1: it does not say. */
struct members {
	struct meta_ids ids;
	const int64_t *epoch;
};

static bool
members_of(struct altering *g, const wish *w, struct members *m)
{
	int32_t n = g->version < 3 ? w->new_isr.len : w->new_isr_with_epochs.len;
	int64_t *epoch = rk_arena_get(g->p->work, (size_t)rk_max(n, 0), sizeof *epoch);

	m->ids.len = (int32_t)rk_max(n, 0);
	m->ids.at = rk_arena_get(g->p->work, (size_t)m->ids.len, sizeof *m->ids.at);
	m->epoch = epoch;
	if (m->ids.at == NULL || epoch == NULL)
		return false;
	for (int32_t i = 0; i < m->ids.len; i++) {
		m->ids.at[i] = g->version < 3 ? w->new_isr.at[i] : w->new_isr_with_epochs.at[i].broker_id;
		epoch[i] = g->version < 3 ? -1 : w->new_isr_with_epochs.at[i].broker_epoch;
	}
	return true;
}

/* Replicas, each once, and the leader is one. */
static bool
is_isr(const struct members *m, const struct kp_partition_record *r)
{
	if (m->ids.len > r->replicas.len)
		return false;
	for (int32_t i = 0; i < m->ids.len; i++)
		if (!meta_has(r->replicas.at, r->replicas.len, m->ids.at[i]) || meta_has(m->ids.at, i, m->ids.at[i]))
			return false;
	return meta_has(m->ids.at, m->ids.len, r->leader);
}

static bool
all_eligible(const struct altering *g, const struct members *m)
{
	for (int32_t i = 0; i < m->ids.len; i++) {
		const struct meta_candidate *c = meta_candidate(&g->brokers, m->ids.at[i]);
		if (c == NULL || c->state != META_ACTIVE || (m->epoch[i] != -1 && m->epoch[i] != c->epoch))
			return false;
	}
	return true;
}

static enum rk_err
check(const struct altering *g, const wish *w, const struct members *m, const struct kp_partition_record *r)
{
	/* It knows more than we do: we are no longer the controller. */
	if (w->leader_epoch > r->leader_epoch || w->partition_epoch > r->partition_epoch)
		return RK_NOT_CONTROLLER;
	if (w->leader_epoch < r->leader_epoch)
		return RK_FENCED_LEADER_EPOCH;
	if (g->q->broker_id != r->leader)
		return RK_INVALID_REQUEST;
	if (w->partition_epoch < r->partition_epoch)
		return RK_INVALID_UPDATE_VERSION;
	if (!is_isr(m, r) || w->leader_recovery_state < RECOVERED || w->leader_recovery_state >= STATES)
		return RK_INVALID_REQUEST;
	if (w->leader_recovery_state == RECOVERING && (m->ids.len > 1 || r->leader_recovery_state == RECOVERED))
		return RK_INVALID_REQUEST;
	return all_eligible(g, m) ? RK_OK : RK_INELIGIBLE_REPLICA;
}

static enum rk_err
alter(struct altering *g, const struct meta_topic *t, const wish *w, answer *a)
{
	struct kp_partition_record r, now;
	struct members m;
	struct meta_change how = { .brokers = &g->brokers, .gone = -1, .back = -1, .isr = &m.ids,
		.recovered = w->leader_recovery_state == RECOVERED };

	rk_arena_reset(g->p->work);
	if (!meta_partition(&g->p->view, t->id, w->partition_index, g->p->work, &r))
		return RK_UNKNOWN_TOPIC_OR_PARTITION;
	if (!members_of(g, w, &m))
		return RK_UNKNOWN_SERVER_ERROR;
	enum rk_err err = check(g, w, &m, &r);
	if (err != RK_OK)
		return err;
	meta_plan_change(g->p, rk_arena_str(g->p->work, t->name), &r, &how);
	if (!meta_partition(&g->p->view, t->id, w->partition_index, g->p->arena, &now))
		return RK_UNKNOWN_SERVER_ERROR;
	/* It ended a reassignment that took the leadership away: both an error and a change. */
	if (now.leader != g->q->broker_id)
		return RK_NEW_LEADER_ELECTED;
	a->leader_id = now.leader;
	a->leader_epoch = now.leader_epoch;
	a->partition_epoch = now.partition_epoch;
	a->leader_recovery_state = now.leader_recovery_state;
	a->isr.at = now.isr.at;
	a->isr.len = now.isr.len;
	return RK_OK;
}

void
meta_alter_partition(struct meta_plan *p, int16_t version, const struct kp_alter_partition_req *q,
    struct kp_alter_partition_res *res)
{
	struct altering g = { .p = p, .q = q, .version = version };
	struct kp_register_broker_record b;
	struct meta_topic t;

	if (!meta_broker(&p->view, q->broker_id, p->arena, &b) || b.broker_epoch != q->broker_epoch) {
		res->error_code = rk_err_wire(RK_STALE_BROKER_EPOCH);
		return;
	}
	g.brokers = meta_candidates(p);
	res->topics.at = rk_arena_get(p->arena, (size_t)rk_max(q->topics.len, 0), sizeof *res->topics.at);
	for (int32_t i = 0; res->topics.at != NULL && i < q->topics.len; i++) {
		const struct kp_alter_partition_req_topics *in = &q->topics.at[i];
		struct kp_alter_partition_res_topics *out = &res->topics.at[res->topics.len++];
		out->topic_id = in->topic_id;
		out->partitions.at = rk_arena_get(p->arena, (size_t)rk_max(in->partitions.len, 0), sizeof *out->partitions.at);
		for (int32_t k = 0; out->partitions.at != NULL && k < in->partitions.len; k++) {
			answer *a = &out->partitions.at[out->partitions.len++];
			a->partition_index = in->partitions.at[k].partition_index;
			/* The name is looked up again for each: a change moves what it points to. */
			enum rk_err err = meta_topic_of(&p->view, in->topic_id, &t) ? alter(&g, &t, &in->partitions.at[k], a)
										    : RK_UNKNOWN_TOPIC_ID;
			a->error_code = rk_err_wire(err);
		}
	}
}
