/* txn_offset_commit.c - key 28: offsets that a transaction commits (KIP-98), pending until its marker comes.
 *
 * The group's partition of __consumer_offsets must be in the transaction: the transactional id's coordinator is asked
 * (or, from version 5 on, told: KIP-890), unless the transaction is open there already. Inside, it is an OffsetCommit
 * of a producer. */
#include "protocol/gen/offset_commit.h"
#include "protocol/gen/txn_offset_commit.h"
#include "src/api/group.h"
#include "src/core/mark.h"

enum { ADDS_FROM = 5, ABORTABLE_FROM = 4 };

typedef struct kp_txn_offset_commit_req req;
typedef struct kp_txn_offset_commit_res res;

struct waiter {
	struct core_group_asker ask;
	struct api_call *call;
	struct core_verify verify;
	struct core_verify_part part;
	struct core_group_txn txn;
	struct kp_offset_commit_req inner_req;
	struct kp_offset_commit_res inner;
	bool asking; /* the coordinator of the transaction */
};

static void
set_all(struct kp_offset_commit_res *r, enum rk_err err)
{
	for (int32_t i = 0; i < r->topics.len; i++)
		for (int32_t k = 0; k < r->topics.at[i].partitions.len; k++)
			if (r->topics.at[i].partitions.at[k].error_code == 0)
				r->topics.at[i].partitions.at[k].error_code = rk_err_wire(err);
}

static void
copy_out(struct waiter *w)
{
	res *to = w->call->res;

	for (int32_t i = 0; i < to->topics.len; i++)
		for (int32_t k = 0; k < to->topics.at[i].partitions.len; k++)
			to->topics.at[i].partitions.at[k].error_code = w->inner.topics.at[i].partitions.at[k].error_code;
}

static void
finish(struct waiter *w)
{
	copy_out(w);
	w->call->abandon = NULL;
	api_finish(w->call);
}

static void
committed(struct core_group_asker *a)
{
	finish(rk_of(a, struct waiter, ask));
}

static void
abandoned(struct api_call *c)
{
	struct waiter *w = c->wait;
	const struct core_txn_world *world = core_txn_world_of(c->shared->core);

	if (w->asking)
		world->unverify(world->arg, &w->verify);
	else
		core_group_forget(&w->ask);
	c->abandon = NULL;
	c->fate = API_CLOSE;
	api_finish(c);
}

/* Kafka's answer to what the transaction's coordinator said, as clients of this version know it. */
static enum rk_err
translate(enum rk_err said, int16_t version)
{
	switch (said) {
	case RK_PRODUCER_FENCED:
		return RK_INVALID_PRODUCER_EPOCH;
	case RK_TRANSACTION_ABORTABLE:
		return version >= ABORTABLE_FROM ? said : RK_INVALID_TXN_STATE;
	case RK_NETWORK_EXCEPTION:
		return RK_COORDINATOR_LOAD_IN_PROGRESS; /* what clients try again without looking for the coordinator */
	case RK_UNKNOWN_TOPIC_OR_PARTITION:
	case RK_NOT_ENOUGH_REPLICAS:
	case RK_REQUEST_TIMED_OUT:
		return RK_COORDINATOR_NOT_AVAILABLE;
	case RK_NOT_LEADER_OR_FOLLOWER:
	case RK_KAFKA_STORAGE_ERROR:
		return RK_NOT_COORDINATOR;
	default:
		return said;
	}
}

/* True: the group keeps it. */
static bool
commit(struct waiter *w)
{
	struct core_shard *s;
	enum rk_err err = api_group_shard(w->call, w->inner_req.group_id, &s);

	if (err == RK_OK)
		return core_group_commit(s, &w->ask, &w->inner_req, &w->txn, &w->inner);
	set_all(&w->inner, err);
	return false;
}

static void
verified(struct core_verify *v)
{
	struct waiter *w = rk_of(v, struct waiter, verify);

	w->asking = false;
	if (w->part.err != RK_OK)
		set_all(&w->inner, translate(w->part.err, w->call->head.version));
	else if (commit(w))
		return;
	finish(w);
}

/* True: the transaction's coordinator is asked first. */
static bool
verify(struct waiter *w, const req *q, struct core_shard *s, enum rk_err *err)
{
	const struct core_txn_world *world = core_txn_world_of(w->call->shared->core);
	struct core_partition *p = core_shard_partition(s);
	struct core_intent x = { q->producer_id, q->producer_epoch, -1, w->txn.adds };

	*err = core_unverified(p, &x, &w->txn.guard);
	if (*err != RK_OK)
		*err = translate(*err, w->call->head.version);
	if (*err != RK_OK || w->txn.guard == 0 || world == NULL)
		return false;
	w->part = (struct core_verify_part){ .topic = rk_lit("__consumer_offsets"), .partition = p->index };
	w->verify = (struct core_verify){ .done = verified, .transactional_id = q->transactional_id,
		.producer_id = q->producer_id, .producer_epoch = q->producer_epoch, .add = w->txn.adds, .part = &w->part,
		.count = 1 };
	w->asking = true;
	world->verify(world->arg, &w->verify);
	return true;
}

/* The request and the answer's rows in OffsetCommit's shape, and the answer's own. *some: there is a topic. */
static bool
shape(struct api_call *c, const req *q, res *out, struct waiter *w, bool *some)
{
	struct rk_arena *a = &c->arena;
	size_t n = (size_t)rk_max(q->topics.len, 0) + 1;

	*some = false;
	out->topics.at = rk_arena_get(a, n, sizeof *out->topics.at);
	w->inner.topics.at = rk_arena_get(a, n, sizeof *w->inner.topics.at);
	w->inner_req.topics.at = rk_arena_get(a, n, sizeof *w->inner_req.topics.at);
	for (int32_t i = 0; i < q->topics.len && !a->over; i++) {
		const struct kp_txn_offset_commit_req_topics *t = &q->topics.at[i];
		struct meta_topic m = { .partitions = 0 };
		int32_t parts = rk_max(t->partitions.len, 0);
		bool known = meta_topic_named(&c->view, t->name, &m);
		struct kp_txn_offset_commit_res_topics_partitions *o = rk_arena_get(a, (size_t)parts + 1, sizeof *o);
		struct kp_offset_commit_res_topics_partitions *in = rk_arena_get(a, (size_t)parts + 1, sizeof *in);
		struct kp_offset_commit_req_topics_partitions *r = rk_arena_get(a, (size_t)parts + 1, sizeof *r);
		if (o == NULL || in == NULL || r == NULL)
			break;
		for (int32_t k = 0; k < parts; k++) {
			const struct kp_txn_offset_commit_req_topics_partitions *p = &t->partitions.at[k];
			bool there = known && p->partition_index >= 0 && p->partition_index < m.partitions;
			*some |= there;
			o[k].partition_index = in[k].partition_index = r[k].partition_index = p->partition_index;
			o[k].error_code = in[k].error_code = rk_err_wire(there ? RK_OK : RK_UNKNOWN_TOPIC_OR_PARTITION);
			r[k].committed_offset = p->committed_offset;
			r[k].committed_leader_epoch = p->committed_leader_epoch;
			r[k].committed_metadata = p->committed_metadata;
		}
		out->topics.at[i] = (struct kp_txn_offset_commit_res_topics){ .name = t->name, .partitions = { o, parts } };
		w->inner.topics.at[i] = (struct kp_offset_commit_res_topics){ .name = t->name, .partitions = { in, parts } };
		w->inner_req.topics.at[i] = (struct kp_offset_commit_req_topics){ .name = t->name, .topic_id = m.id,
			.partitions = { r, parts } };
		out->topics.len = w->inner.topics.len = w->inner_req.topics.len = i + 1;
	}
	return !a->over;
}

/* The group's shard. A producer without an id or an epoch is no coordinator's. */
static enum rk_err
find(struct api_call *c, const req *q, struct core_shard **s)
{
	if (q->group_id.len <= 0)
		return RK_INVALID_GROUP_ID;
	if (c->shared->groups == NULL || core_coord_place(c->shared->groups, q->group_id) < 0)
		return RK_COORDINATOR_NOT_AVAILABLE; /* its topic is not there yet */
	enum rk_err err = api_group_shard(c, q->group_id, s);
	if (err == RK_OK && q->producer_id < 0)
		return q->transactional_id.len == 0 && c->head.version >= ADDS_FROM ? RK_INVALID_REQUEST
										    : RK_INVALID_PRODUCER_ID_MAPPING;
	return err == RK_OK && q->producer_epoch < 0 ? RK_INVALID_PRODUCER_EPOCH : err;
}

enum api_fate
api_txn_offset_commit(struct api_call *c, const req *q, res *out)
{
	struct waiter *w = rk_arena_get(&c->arena, 1, sizeof *w);
	struct core_shard *s;
	bool some;

	if (w == NULL)
		return API_CLOSE;
	w->call = c;
	kp_defaults(&kp_offset_commit_req_d, &w->inner_req);
	api_group_introduce(c, &w->ask);
	w->ask.done = committed;
	w->inner_req.group_id = q->group_id;
	w->inner_req.generation_id_or_member_epoch = q->generation_id;
	w->inner_req.member_id = q->member_id;
	w->inner_req.group_instance_id = q->group_instance_id;
	w->txn = (struct core_group_txn){ q->producer_id, q->producer_epoch, c->head.version >= ADDS_FROM, 0 };
	if (!shape(c, q, out, w, &some))
		return API_CLOSE;
	if (!some)
		return API_NOW;
	enum rk_err err = find(c, q, &s);
	c->wait = w;
	if (err == RK_OK && (verify(w, q, s, &err) || (err == RK_OK && commit(w)))) {
		c->abandon = abandoned;
		return API_LATER;
	}
	if (err != RK_OK)
		set_all(&w->inner, err);
	copy_out(w);
	return API_NOW;
}
