/* verify.c - see verify.h. While a transaction of before is being completed its coordinator answers
 * CONCURRENT_TRANSACTIONS: what adds asks again for a while (add.partitions.to.txn.retry.backoff), because that is
 * cheaper than the whole Produce once more. */
#include "src/api/verify.h"
#include "protocol/batch.h"
#include "protocol/gen/produce.h"
#include "src/config.h"

enum { ADDS_FROM = 12, ABORTABLE_FROM = 11 };

typedef struct kp_produce_req_topic_data topic_in;

bool
api_verify_adds(int16_t version)
{
	return version >= ADDS_FROM;
}

enum rk_err
api_verify_error(enum rk_err said, int16_t version, struct rk_arena *a, struct rk_str *message)
{
	*message = RK_STR_NULL;
	switch (said) {
	case RK_PRODUCER_FENCED:
		return RK_INVALID_PRODUCER_EPOCH;
	case RK_TRANSACTION_ABORTABLE:
		if (version >= ABORTABLE_FROM)
			return said;
		/* fallthrough */
	case RK_INVALID_TXN_STATE:
		*message = rk_lit("Partition was not added to the transaction");
		return RK_INVALID_TXN_STATE;
	case RK_CONCURRENT_TRANSACTIONS:
		if (api_verify_adds(version))
			return said;
		/* fallthrough */
	case RK_NETWORK_EXCEPTION:
	case RK_COORDINATOR_LOAD_IN_PROGRESS:
	case RK_COORDINATOR_NOT_AVAILABLE:
	case RK_NOT_COORDINATOR:
		/* What an old producer tries again without looking for the leader first. */
		*message = rk_arena_print(a,
		    "Unable to verify the partition has been added to the transaction. Underlying error: %s", rk_err_name(said));
		return RK_NOT_ENOUGH_REPLICAS;
	default:
		return said;
	}
}

/* The one transactional batch for a partition that is led here; NULL: there is none to ask about. */
static const uint8_t *
batch_of(struct api_call *c, const topic_in *t, int32_t k, struct core_partition **p)
{
	const struct kp_produce_req_topic_data_partition_data *in = &t->partition_data.at[k];
	struct core_append a = { .at = in->records.at, .len = in->records.len, .arena = &c->arena };

	if (in->records.len < 0
	    || core_find(c->shared->core, c->head.version >= 13, t->topic_id, t->name, in->index, p) != RK_OK
	    || core_only_batch(&a, c->head.version) != RK_OK)
		return NULL;
	return core_transactional(a.at, a.len) && kp_batch_producer(a.at) >= 0 ? a.at : NULL;
}

/* Every batch is of one producer. */
static enum rk_err
one_producer(struct api_call *c, const struct kp_produce_req *q, const uint8_t **one, int32_t *parts)
{
	struct core_partition *p;

	*one = NULL;
	*parts = 0;
	for (int32_t i = 0; i < q->topic_data.len; i++)
		for (int32_t k = 0; k < q->topic_data.at[i].partition_data.len; k++) {
			const uint8_t *b = batch_of(c, &q->topic_data.at[i], k, &p);
			++*parts;
			if (b != NULL && *one != NULL && (kp_batch_producer(b) != kp_batch_producer(*one)
			    || kp_batch_producer_epoch(b) != kp_batch_producer_epoch(*one)))
				return RK_INVALID_PRODUCER_ID_MAPPING;
			*one = b == NULL ? *one : b;
		}
	return RK_OK;
}

/* Sets guards, and the questions that they ask for. */
static void
collect(struct api_verify *v)
{
	struct api_call *c = v->call;
	const struct kp_produce_req *q = v->req;
	struct core_partition *p;
	int32_t n = 0;

	v->ask.count = 0;
	for (int32_t i = 0; i < q->topic_data.len; i++)
		for (int32_t k = 0; k < q->topic_data.at[i].partition_data.len; k++, n++) {
			const uint8_t *b = batch_of(c, &q->topic_data.at[i], k, &p);
			struct api_verdict *o = &v->at[n];
			*o = (struct api_verdict){ .message = RK_STR_NULL };
			if (b == NULL)
				continue;
			struct core_intent x = core_intent(b, v->ask.add);
			o->err = core_unverified(p, &x, &o->guard);
			o->leader_epoch = p->leader_epoch;
			if (o->err == RK_NOT_LEADER_OR_FOLLOWER)
				o->err = RK_OK; /* the append says it, with the leader there is */
			if (o->guard == 0)
				continue;
			v->place[v->ask.count] = n;
			v->ask.part[v->ask.count++] = (struct core_verify_part){ .topic = rk_arena_str(&c->arena, p->topic->name),
				.partition = p->index };
		}
}

/* Asks; false: there is nothing to ask. */
static bool
go(struct api_verify *v)
{
	const struct core_txn_world *w = core_txn_world_of(v->call->shared->core);

	collect(v);
	if (v->ask.count == 0 || w == NULL || v->call->arena.over)
		return false;
	w->verify(w->arg, &v->ask);
	return true;
}

static void
again(struct rk_timer *t, int64_t now_ms)
{
	struct api_verify *v = rk_of(t, struct api_verify, again);

	(void)now_ms;
	if (!go(v))
		v->done(v);
}

static void
answered(struct core_verify *ask)
{
	struct api_verify *v = rk_of(ask, struct api_verify, ask);
	struct api_shared *s = v->call->shared;
	int64_t now = rk_now(s->env);
	bool busy = false;

	for (int32_t i = 0; i < ask->count; i++)
		busy |= ask->part[i].err == RK_CONCURRENT_TRANSACTIONS;
	if (busy && ask->add && now - v->began_ms < rk_min(s->conf->add_partitions_to_txn_retry_backoff_max_ms,
	    s->conf->request_timeout_ms)) {
		rk_timer_set(s->timers, &v->again, now + s->conf->add_partitions_to_txn_retry_backoff_ms);
		return;
	}
	for (int32_t i = 0; i < ask->count; i++) {
		struct api_verdict *o = &v->at[v->place[i]];
		o->err = api_verify_error(ask->part[i].err, v->call->head.version, &v->call->arena, &o->message);
	}
	v->done(v);
}

bool
api_verify(struct api_verify *v, struct api_call *c, const struct kp_produce_req *q, enum rk_err *err)
{
	const uint8_t *batch;
	int32_t parts;

	*err = RK_OK;
	v->at = NULL;
	if (q->transactional_id.len < 0)
		return false;
	*err = one_producer(c, q, &batch, &parts);
	if (*err != RK_OK || batch == NULL)
		return false;
	v->call = c;
	v->req = q;
	v->began_ms = rk_now(c->shared->env);
	v->again = (struct rk_timer){ .at_ms = INT64_MAX, .fire = again };
	v->ask = (struct core_verify){ .done = answered, .transactional_id = q->transactional_id,
		.producer_id = kp_batch_producer(batch), .producer_epoch = kp_batch_producer_epoch(batch),
		.add = api_verify_adds(c->head.version), .part = rk_arena_get(&c->arena, (size_t)parts, sizeof *v->ask.part) };
	rk_list_init(&v->ask.link);
	v->at = rk_arena_get(&c->arena, (size_t)parts, sizeof *v->at);
	v->place = rk_arena_get(&c->arena, (size_t)parts, sizeof *v->place);
	if (c->arena.over) {
		*err = RK_UNKNOWN_SERVER_ERROR;
		return false;
	}
	return go(v);
}

void
api_verify_forget(struct api_verify *v)
{
	const struct core_txn_world *w = core_txn_world_of(v->call->shared->core);

	rk_timer_stop(v->call->shared->timers, &v->again);
	if (w != NULL)
		w->unverify(w->arg, &v->ask);
}
