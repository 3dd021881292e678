/* activate.c - what the active controller writes of its own accord. */
#include "src/meta/image.h"
#include "base/say.h"

void
meta_activate(struct meta_plan *p)
{
	struct kp_abort_transaction_record r = { .reason = rk_lit("Controller failover") };

	rk_assert(p->view.txn != NULL);
	if (!meta_transaction_open(p->view.txn))
		return;
	rk_say(RK_WARN, "A controller before this one left a metadata transaction open; it is aborted.");
	meta_plan_add(p, KP_ABORT_TRANSACTION_RECORD, &r);
	rk_assert(p->arena->over || !meta_transaction_open(p->view.txn));
}

void
meta_no_op(struct meta_plan *p)
{
	struct kp_no_op_record r = { 0 };

	rk_assert(p->view.txn != NULL);
	meta_plan_add(p, KP_NO_OP_RECORD, &r);
}
