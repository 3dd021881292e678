/* compact_txn.c - transactions while their batches go by in order.
 *
 * The aborted ones are known beforehand, from the segments' .txnindex: one is open from its first record to its
 * marker, and whatever its producer wrote between belongs to it. A transactional batch of any other producer belongs
 * to one that was committed. */
#include "storage/compact_in.h"
#include "base/mem.h"

void
st_txns_start(struct st_txns *t)
{
	t->next = t->opens = 0;
}

void
st_txns_free(struct st_txns *t)
{
	rk_mem_put(t->all);
	rk_mem_put(t->under);
	*t = (struct st_txns){ .all = NULL };
}

static struct st_txn_open *
find(struct st_txns *t, int64_t producer)
{
	for (uint32_t i = 0; i < t->opens; i++)
		if (t->under[i].txn.producer_id == producer)
			return &t->under[i];
	return NULL;
}

static struct st_txn_open *
add(struct st_txns *t, struct st_aborted txn)
{
	struct st_txn_open *o = rk_mem_room((void **)&t->under, t->opens, &t->cap, sizeof *o);

	t->opens++;
	o->txn = txn;
	return o;
}

/* Those that begin at or before this batch's end and have not ended before it are open now. */
static void
open_up_to(struct st_txns *t, const uint8_t *batch)
{
	for (; t->next < t->count && t->all[t->next].first <= kp_batch_last(batch); t->next++) {
		if (t->all[t->next].last < kp_batch_base(batch))
			continue; /* read from the middle on, or its marker has gone already */
		struct st_txn_open *o = find(t, t->all[t->next].producer_id);
		if (o == NULL)
			add(t, t->all[t->next]);
		else
			*o = (struct st_txn_open){ .txn = t->all[t->next] };
	}
}

bool
st_txns_data(struct st_txns *t, const uint8_t *batch)
{
	open_up_to(t, batch);
	if ((kp_batch_attr(batch) & KP_ATTR_TXN) == 0)
		return false;
	struct st_txn_open *o = find(t, kp_batch_producer(batch));
	if (o == NULL)
		o = add(t, (struct st_aborted){ .producer_id = kp_batch_producer(batch), .first = -1 });
	o->met = true;
	rk_assert(o->txn.producer_id == kp_batch_producer(batch));
	return o->txn.first >= 0;
}

bool
st_txns_marker(struct st_txns *t, const uint8_t *batch, struct st_aborted *kept)
{
	open_up_to(t, batch);
	struct st_txn_open *o = find(t, kp_batch_producer(batch));

	rk_assert((kp_batch_attr(batch) & KP_ATTR_CONTROL) != 0);
	*kept = (struct st_aborted){ .first = -1 };
	if (o == NULL)
		return true;
	bool met = o->met;
	if (met && o->txn.first >= 0)
		*kept = o->txn;
	*o = t->under[--t->opens];
	return !met;
}
