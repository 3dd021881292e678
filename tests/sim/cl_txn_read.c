/* cl_txn_read.c - what isolation.level=read_committed makes of an answer, as Kafka's clients do it, and what must hold
 * of it. See cluster.h.
 *
 * An answer lists the aborted transactions that reach into it: a producer, and the offset where it began. From that
 * offset on what this producer wrote is passed over, up to its next abort marker. Whatever else is transactional is
 * given to the reader: and then its commit must have been asked for, in time. */
#include "protocol/gen/fetch.h"
#include "tests/sim/cluster.h"

void
cl_shown_begin(struct cl_shown *s, const struct kp_fetch_res_responses_partitions *p)
{
	*s = (struct cl_shown){ .from = p };
}

static bool
is_aborted(const struct cl_shown *s, int64_t id)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (s->id[i] == id)
			return true;
	return false;
}

static void
begin_aborted(struct cl_shown *s, int64_t last)
{
	for (int32_t i = 0; i < s->from->aborted_transactions.len && i < (int32_t)rk_countof(s->taken); i++) {
		if (s->taken[i] || s->from->aborted_transactions.at[i].first_offset > last)
			continue;
		s->taken[i] = true;
		if (!is_aborted(s, s->from->aborted_transactions.at[i].producer_id))
			s->id[s->count++] = s->from->aborted_transactions.at[i].producer_id;
	}
}

static void
end_aborted(struct cl_shown *s, int64_t id)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (s->id[i] == id)
			s->id[i--] = s->id[--s->count];
}

/* An abort marker's key says 0, a commit's 1. */
static bool
is_commit(const uint8_t *b)
{
	struct kp_records_iter it;
	struct kp_record r;

	kp_records_start(&it, b, NULL, 0);
	return kp_records_next(&it, &r) && r.key.len >= 4 && rk_get16(r.key.at + 2) == 1;
}

/* What is given, or passed over, fits what the producer was told. */
static void
judge(struct cl *cl, struct cl_part *p, struct cl_op *op, bool given, int64_t base, const char *who)
{
	struct cl_tx *t = &cl->tx[op->tx - 1];
	enum cl_fate fate = given ? CL_COMMITTED : CL_ABORTED;
	const char *wrong = NULL;

	if (given && !t->commits)
		wrong = t->fenced ? "is given, of a transaction whose producer was fenced before it committed"
		    : "is given, of a transaction that nobody has committed";
	else if (given && t->acked == CL_ABORTED)
		wrong = "is given, of a transaction that was acknowledged as aborted";
	else if (!given && t->acked == CL_COMMITTED)
		wrong = "is passed over, of a transaction that was acknowledged as committed";
	else if (op->fate != CL_UNDECIDED && op->fate != fate)
		wrong = given ? "is given, which was passed over before" : "is passed over, which was given before";
	op->fate = fate;
	if (wrong != NULL)
		cl_fail(cl, "%s: batch %u of %s-%d at %" PRId64 " (tx%u, life %u, producer %" PRId64 " epoch %d) %s", who,
		    (uint32_t)(op - cl->op), p->topic->name, p->index, base, t->tid, t->life, t->id, t->epoch, wrong);
}

bool
cl_shown(struct cl *cl, struct cl_part *p, struct cl_shown *s, const uint8_t *b, const char *who)
{
	int64_t id = kp_batch_producer(b);
	bool given = true;

	if (kp_batch_last(b) >= s->from->last_stable_offset)
		cl_fail(cl, "%s: %s-%d at %" PRId64 " is shown to who reads what is committed, although %" PRId64
		    " is the last stable offset", who, p->topic->name, p->index, kp_batch_last(b), s->from->last_stable_offset);
	begin_aborted(s, kp_batch_last(b));
	if ((kp_batch_attr(b) & KP_ATTR_CONTROL) != 0) {
		if (!is_commit(b))
			end_aborted(s, id);
		return false;
	}
	if ((kp_batch_attr(b) & KP_ATTR_TXN) != 0)
		given = !is_aborted(s, id);
	struct cl_op *op = cl_op_of(cl, cl_batch_hash(b));
	if (op != NULL && op->tx > 0)
		judge(cl, p, op, given, kp_batch_base(b), who);
	return given;
}
