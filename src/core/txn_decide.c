/* txn_decide.c - Kafka's rules of transactions: what a request makes of a transactional id, or why it does not.
 *
 * Nothing is changed here. The order of checks is Kafka's; a transition under way comes first
 * (CONCURRENT_TRANSACTIONS), because the producer may rightly use values that it is about to bring.
 *
 * A retry is recognised by what the last answer gave out. InitProducerId: the epoch before (last_epoch), which an
 * initialisation without an expectation forgets. EndTxn of transaction.version 2: the epoch is one behind, or the
 * producer id before (previous_id) had all its epochs used up. */
#include "src/core/txn_in.h"

/* The values as they are, for a transition that begins now. */
static struct core_txn_values
from(const struct core_txn *t)
{
	struct core_txn_values v = t->now;

	rk_assert(t->move == NULL && v.state < CORE_TXN_STATES);
	v.previous_id = v.producer_id;
	v.update_ms = rk_wall(t->home->core->env);
	return v;
}

static bool
used_up(const struct core_txn *t)
{
	return t->now.epoch >= CORE_TXN_EPOCH_MAX;
}

static enum rk_err
next_id(const struct core_txn *t, int64_t *id)
{
	const struct core_txn_world *w = core_txn_world_of(t->home->core);

	return w == NULL ? RK_COORDINATOR_NOT_AVAILABLE : w->producer_id(w->arg, id);
}

static bool
prepared(const struct core_txn *t)
{
	return t->now.state == CORE_TXN_PREPARE_COMMIT || t->now.state == CORE_TXN_PREPARE_ABORT;
}

static bool
complete(const struct core_txn *t)
{
	return t->now.state == CORE_TXN_COMPLETE_COMMIT || t->now.state == CORE_TXN_COMPLETE_ABORT;
}

/* The end of a transaction, or of none (nothing_in_it), with the client's transaction.version. */
static enum rk_err
prepare(const struct core_txn *t, bool commit, int16_t version, bool nothing_in_it, struct core_txn_values *to)
{
	bool raise = version >= CORE_TXN_V2;
	int64_t next = -1;

	if (raise && t->now.epoch == INT16_MAX) /* no client was ever given that one: it was guessed */
		return RK_UNKNOWN_SERVER_ERROR;
	if (raise && used_up(t)) {
		enum rk_err err = next_id(t, &next);
		if (err != RK_OK)
			return err;
	}
	rk_assert(t->now.epoch >= 0);
	*to = from(t);
	to->state = commit ? CORE_TXN_PREPARE_COMMIT : CORE_TXN_PREPARE_ABORT;
	to->next_id = next;
	to->version = raise ? CORE_TXN_V2 : 0;
	if (raise) {
		to->last_epoch = to->epoch;
		to->epoch++;
	}
	if (nothing_in_it)
		to->start_ms = to->update_ms;
	return RK_OK;
}

enum rk_err
core_txn_decide_fence(const struct core_txn *t, struct core_txn_values *to)
{
	int16_t version = t->home->core->transaction_version;
	enum rk_err err;

	rk_assert(t->now.state == CORE_TXN_ONGOING);
	if (t->now.epoch == INT16_MAX)
		return RK_UNKNOWN_SERVER_ERROR;
	err = prepare(t, false, version, false, to);
	if (err == RK_OK && version < CORE_TXN_V2) {
		to->epoch++;
		to->last_epoch = -1;
	}
	return err;
}

void
core_txn_decide_complete(const struct core_txn *t, struct core_txn_values *to)
{
	rk_assert(prepared(t));
	*to = t->now;
	to->previous_id = to->producer_id;
	to->update_ms = rk_wall(t->home->core->env);
	to->state = t->now.state == CORE_TXN_PREPARE_COMMIT ? CORE_TXN_COMPLETE_COMMIT : CORE_TXN_COMPLETE_ABORT;
	if (to->version >= CORE_TXN_V2 && to->next_id >= 0) {
		to->producer_id = to->next_id;
		to->epoch = 0; /* last_epoch stays: the last that the client saw */
	}
	to->next_id = -1;
	to->parts = NULL;
}

/* --- InitProducerId */
/* The epoch goes up, or stays when this is the same request once more. */
static enum rk_err
raise_epoch(const struct core_txn *t, bool expects, int16_t epoch, struct core_txn_values *to)
{
	if (used_up(t)) /* Kafka's has no rule for it: the one who expects anything else is behind */
		return RK_UNKNOWN_SERVER_ERROR;
	if (expects && t->now.epoch >= 0 && epoch != t->now.epoch) {
		if (epoch != t->now.last_epoch)
			return RK_PRODUCER_FENCED;
		*to = from(t);
		return RK_OK;
	}
	*to = from(t);
	to->last_epoch = expects ? t->now.epoch : -1;
	to->epoch++;
	return RK_OK;
}

enum rk_err
core_txn_decide_init(const struct core_txn *t, int64_t producer_id, int16_t epoch, int32_t timeout_ms,
    struct core_txn_values *to)
{
	bool expects = producer_id != -1;
	enum rk_err err;
	int64_t id;

	rk_assert(timeout_ms > 0);
	if (t->move != NULL || t->dying)
		return RK_CONCURRENT_TRANSACTIONS;
	if (expects && t->now.epoch >= 0 && producer_id != t->now.producer_id
	    && !(producer_id == t->now.previous_id && epoch >= CORE_TXN_EPOCH_MAX))
		return RK_PRODUCER_FENCED;
	if (prepared(t))
		return RK_CONCURRENT_TRANSACTIONS;
	if (t->now.state == CORE_TXN_ONGOING)
		return core_txn_decide_fence(t, to);
	if (used_up(t) && (!expects || epoch == t->now.epoch)) {
		err = next_id(t, &id);
		if (err != RK_OK)
			return err;
		*to = from(t);
		to->producer_id = id;
		to->last_epoch = expects ? t->now.epoch : -1;
		to->epoch = 0;
	} else {
		err = raise_epoch(t, expects, epoch, to);
		if (err != RK_OK)
			return err;
	}
	to->state = CORE_TXN_EMPTY;
	to->timeout_ms = timeout_ms;
	to->start_ms = -1;
	to->parts = NULL;
	return RK_OK;
}

/* --- AddPartitionsToTxn, AddOffsetsToTxn */
enum rk_err
core_txn_decide_add(const struct core_txn *t, int64_t producer_id, int16_t epoch, const struct core_marker_part *part,
    int32_t count, int16_t version, bool *there, struct core_txn_values *to)
{
	*there = false;
	if (t->move != NULL || t->dying)
		return RK_CONCURRENT_TRANSACTIONS;
	if (t->now.producer_id != producer_id)
		return RK_INVALID_PRODUCER_ID_MAPPING;
	if (t->now.epoch != epoch)
		return RK_PRODUCER_FENCED;
	if (prepared(t))
		return RK_CONCURRENT_TRANSACTIONS;
	*there = t->now.state == CORE_TXN_ONGOING;
	for (int32_t i = 0; i < count && *there; i++)
		*there = core_txn_has(t->now.parts, part[i].topic, part[i].partition);
	if (*there)
		return RK_OK;
	*to = from(t);
	to->parts = core_txn_join(t->now.parts, part, count);
	if (to->parts == NULL)
		return RK_UNKNOWN_SERVER_ERROR;
	if (t->now.state != CORE_TXN_ONGOING)
		to->start_ms = to->update_ms;
	to->state = CORE_TXN_ONGOING;
	to->version = version;
	return RK_OK;
}

/* --- EndTxn */
/* Before transaction.version 2 an ended transaction and the same request once more look alike: both are answered. */
static enum rk_err
end_v1(const struct core_txn *t, int64_t producer_id, int16_t epoch, bool commit, bool *again,
    struct core_txn_values *to)
{
	if (t->now.producer_id != producer_id)
		return RK_INVALID_PRODUCER_ID_MAPPING;
	if (t->now.epoch != epoch)
		return RK_PRODUCER_FENCED;
	if (t->move != NULL || t->dying)
		return RK_CONCURRENT_TRANSACTIONS;
	if (t->now.state == CORE_TXN_ONGOING)
		return prepare(t, commit, 0, false, to);
	if (prepared(t) && (t->now.state == CORE_TXN_PREPARE_COMMIT) == commit)
		return RK_CONCURRENT_TRANSACTIONS;
	*again = complete(t) && (t->now.state == CORE_TXN_COMPLETE_COMMIT) == commit;
	return *again ? RK_OK : RK_INVALID_TXN_STATE;
}

static enum rk_err
end_v2(const struct core_txn *t, int64_t producer_id, int16_t epoch, bool commit, bool *again,
    struct core_txn_values *to)
{
	bool over = t->now.previous_id == producer_id && epoch == CORE_TXN_EPOCH_MAX && t->now.epoch == 0;
	bool retry = over || t->now.epoch == epoch + 1;

	if (t->move != NULL || t->dying)
		return RK_CONCURRENT_TRANSACTIONS;
	if (t->now.producer_id != producer_id && !over)
		return RK_INVALID_PRODUCER_ID_MAPPING;
	if (t->now.epoch != epoch && !(retry && complete(t)))
		return RK_PRODUCER_FENCED;
	if (t->now.state == CORE_TXN_ONGOING)
		return prepare(t, commit, CORE_TXN_V2, false, to);
	if (prepared(t))
		return RK_CONCURRENT_TRANSACTIONS;
	*again = retry && complete(t) && (t->now.state == CORE_TXN_COMPLETE_COMMIT) == commit;
	if (*again)
		return RK_OK;
	/* An abort may come with nothing in it: the client cannot know whether a batch of its transaction arrived. */
	return commit || retry ? RK_INVALID_TXN_STATE : prepare(t, false, CORE_TXN_V2, true, to);
}

enum rk_err
core_txn_decide_end(const struct core_txn *t, int64_t producer_id, int16_t epoch, bool commit, int16_t version,
    bool *again, struct core_txn_values *to)
{
	*again = false;
	return version >= CORE_TXN_V2 ? end_v2(t, producer_id, epoch, commit, again, to)
				      : end_v1(t, producer_id, epoch, commit, again, to);
}
