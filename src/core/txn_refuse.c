/* txn_refuse.c - what ends a producer is said only by the node that leads.
 *
 * A coordinator whose partition went to another node, and that has not heard of it, still believes what it remembers.
 * What it grants costs a record, which is never committed: so that is not told. A refusal costs none, and a producer
 * that is told INVALID_TXN_STATE is at its end, though the other node would have granted what it asks. So a refusal
 * for good costs a record too where there are other replicas: a tombstone of the id that nobody can have, the empty
 * one, which changes nothing. When it is committed, no replica that could lead instead had heard of another leader. */
#include "src/core/txn_in.h"

enum { RECORD_MAX = 1 << 16 };

static bool
for_good(enum rk_err err)
{
	return err == RK_PRODUCER_FENCED || err == RK_INVALID_PRODUCER_EPOCH || err == RK_INVALID_PRODUCER_ID_MAPPING
	    || err == RK_INVALID_TXN_STATE;
}

static void
known(struct core_write *w, enum rk_err err)
{
	struct core_txn_asker *a = rk_of(w, struct core_txn_asker, put);

	rk_assert(for_good(a->err) && !rk_list_empty(&a->link));
	rk_list_del(&a->link);
	a->tell(a, err == RK_OK ? a->err : err);
	a->done(a);
}

bool
core_txn_refuse(struct core_txns *home, struct core_txn_asker *a)
{
	struct rk_arena arena;

	rk_assert(!home->own);
	if (!for_good(a->err) || core_shard_alone(home->shard))
		return false;
	rk_arena_init(&arena, RECORD_MAX);
	struct kp_pair r = core_txn_tombstone(rk_lit(""), &arena);
	a->put.done = known;
	enum rk_err err = r.key.len < 0 ? RK_UNKNOWN_SERVER_ERROR : core_shard_write(home->shard, &r, 1, -1, -1, &a->put);
	rk_arena_free(&arena);
	if (err == RK_OK)
		rk_list_add(&home->refused, &a->link);
	else
		a->err = err;
	return err == RK_OK;
}

void
core_txn_refused_end(struct core_txns *home, enum rk_err err)
{
	while (!rk_list_empty(&home->refused)) {
		struct core_txn_asker *a = rk_of(home->refused.next, struct core_txn_asker, link);
		core_txn_forget(a);
		if (err == RK_OK)
			continue;
		a->tell(a, err);
		a->done(a);
	}
}

void
core_txn_forget(struct core_txn_asker *a)
{
	rk_assert(a->link.next != NULL);
	rk_list_del(&a->link);
	if (a->put.core != NULL)
		core_write_forget(&a->put);
}
