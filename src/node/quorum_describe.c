/* quorum_describe.c - DescribeQuorum: the leader's count of its voters and observers (KIP-595, KIP-836).
 *
 * Only the leader knows; who does not lead says so, and a broker hands the question on. */
#include "protocol/gen/describe_quorum.h"
#include "src/node/quorum_in.h"

typedef struct kp_describe_quorum_res_topics_partitions partition;
typedef struct kp_describe_quorum_res_topics_partitions_current_voters voter;
typedef struct kp_describe_quorum_res_topics_partitions_observers observer;

/* raft's clock is not the wall's. */
static int64_t
wall(const struct node *n, int64_t ms)
{
	return ms < 0 ? -1 : rk_wall(n->env) - (rk_now(n->env) - ms);
}

static void
fill(struct node *n, partition *p, struct rk_arena *a)
{
	const struct raft *r = &n->quorum->raft;
	struct raft_row row;
	uint32_t count = 0;

	while (raft_describe(r, count, &row))
		count++;
	p->current_voters.at = rk_arena_get(a, count + 1, sizeof(voter));
	p->observers.at = rk_arena_get(a, count + 1, sizeof(observer));
	if (a->over)
		return;
	p->error_message = rk_lit("");
	p->leader_id = r->vote.leader;
	p->leader_epoch = r->vote.epoch;
	p->high_watermark = r->hw_known ? r->hw : -1;
	for (uint32_t i = 0; raft_describe(r, i, &row); i++) {
		voter v = { .replica_id = row.key.id, .replica_directory_id = row.key.dir, .log_end_offset = row.end,
			.last_fetch_timestamp = wall(n, row.fetch_ms), .last_caught_up_timestamp = wall(n, row.caught_ms) };
		/* A static quorum (kraft.version 0) knows its voters without their directories. */
		if (row.voter && raft_set_now(r)->version < 1)
			memset(&v.replica_directory_id, 0, sizeof v.replica_directory_id);
		if (row.voter)
			p->current_voters.at[p->current_voters.len++] = v;
		else
			p->observers.at[p->observers.len++] = (observer){ v.replica_id, v.replica_directory_id, v.log_end_offset,
				v.last_fetch_timestamp, v.last_caught_up_timestamp };
	}
}

static void
refuse(partition *p, enum rk_err err)
{
	p->error_code = rk_err_wire(err);
	p->error_message = rk_str_of(rk_err_text(err));
}

/* Where the voters are, by their listeners. */
static void
nodes(struct node *n, struct kp_describe_quorum_res *res, struct rk_arena *a)
{
	const struct raft_voters *v = &raft_set_now(&n->quorum->raft)->voters;

	res->nodes.at = rk_arena_get(a, v->count + 1, sizeof *res->nodes.at);
	for (uint32_t i = 0; res->nodes.at != NULL && i < v->count; i++) {
		const struct raft_ends *e = &v->voter[i].ends;
		res->nodes.at[i].node_id = v->voter[i].key.id;
		res->nodes.at[i].listeners.at = rk_arena_get(a, e->count + 1, sizeof *res->nodes.at[i].listeners.at);
		for (uint32_t k = 0; res->nodes.at[i].listeners.at != NULL && k < e->count; k++) {
			res->nodes.at[i].listeners.at[k].name = rk_arena_str(a, rk_str_of(e->end[k].name));
			res->nodes.at[i].listeners.at[k].host = rk_arena_str(a, rk_str_of(e->end[k].host));
			res->nodes.at[i].listeners.at[k].port = e->end[k].port;
			res->nodes.at[i].listeners.len++;
		}
		res->nodes.len++;
	}
}

enum api_fate
node_quorum_describe(struct node *n, struct api_call *c, const void *req, void *answer)
{
	const struct kp_describe_quorum_req *q = req;
	struct kp_describe_quorum_res *res = answer;
	bool asked = q->topics.len == 1 && rk_str_is(q->topics.at[0].topic_name, "__cluster_metadata")
	    && q->topics.at[0].partitions.len == 1 && q->topics.at[0].partitions.at[0].partition_index == 0;
	enum rk_err err = !asked ? RK_UNKNOWN_TOPIC_OR_PARTITION
		: raft_leads(&n->quorum->raft) ? RK_OK : RK_NOT_LEADER_OR_FOLLOWER;

	res->topics.at = rk_arena_get(&c->arena, (size_t)q->topics.len + 1, sizeof *res->topics.at);
	if (res->topics.at == NULL)
		return API_CLOSE;
	res->topics.len = q->topics.len;
	for (int32_t i = 0; i < q->topics.len; i++) {
		int32_t count = q->topics.at[i].partitions.len;
		res->topics.at[i].topic_name = q->topics.at[i].topic_name;
		res->topics.at[i].partitions.at = rk_arena_get(&c->arena, (size_t)rk_max(count, 0) + 1, sizeof(partition));
		res->topics.at[i].partitions.len = c->arena.over ? 0 : count;
		for (int32_t k = 0; k < res->topics.at[i].partitions.len; k++) {
			partition *p = &res->topics.at[i].partitions.at[k];
			p->partition_index = q->topics.at[i].partitions.at[k].partition_index;
			if (err == RK_OK)
				fill(n, p, &c->arena);
			else
				refuse(p, err);
		}
	}
	if (err == RK_OK)
		nodes(n, res, &c->arena);
	return API_NOW;
}
