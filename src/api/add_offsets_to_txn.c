/* add_offsets_to_txn.c - key 25: a group's offsets are to be committed in a transaction: the partition in which the
 * group has its place becomes part of it. */
#include "protocol/gen/add_offsets_to_txn.h"
#include "src/api/txn.h"
#include "src/config.h"

enum api_fate
api_add_offsets_to_txn(struct api_call *c, const struct kp_add_offsets_to_txn_req *q,
    struct kp_add_offsets_to_txn_res *res)
{
	struct api_txn_asks *all = api_txn_asks(c, 1);
	int32_t partitions = c->shared->conf->offsets_topic_num_partitions;
	struct core_shard *s;
	struct meta_topic t;

	if (all == NULL)
		return API_CLOSE;
	if (meta_topic_named(&c->view, rk_lit("__consumer_offsets"), &t) && t.partitions > 0)
		partitions = t.partitions;
	enum rk_err err = q->group_id.len < 0 ? RK_INVALID_REQUEST : api_txn_shard(c, q->transactional_id, &s);
	res->error_code = rk_err_wire(err);
	if (err != RK_OK)
		return API_NOW;
	struct core_txn_asker *a = api_txn_next(all);
	if (core_txn_add_offsets(s, a, q, core_coord_slot(q->group_id, partitions), res))
		api_txn_kept(a);
	return api_txn_fate(all);
}
