/* cl_wire.c - what a node tells another one must be true when it leaves: cluster_sim listens on the wire. See
 * cluster.h.
 *
 * A granted vote is on the voter's stable storage, and so is everything before the offset that a replica fetches. An
 * ISR is granted to who wished for it knowing the partition as it was. */
#include "protocol/gen/alter_partition.h"
#include "protocol/gen/fetch.h"
#include "protocol/gen/vote.h"
#include "src/node/inside.h"
#include "tests/sim/cluster.h"

static struct cl *
cl_of(struct sim_net *n)
{
	return rk_of(n, struct cl, net);
}

static void
vote_asked(struct cl *cl, uint64_t pair, const struct kp_head *h, const uint8_t *frame, uint32_t len)
{
	struct cl_heard *x = &cl->heard[cl->heards++ % rk_countof(cl->heard)];
	struct kp_vote_req q;

	if (kp_read(&kp_vote_req_d, h->version, frame + h->body, len - h->body, &cl->arena, &q, NULL) != RK_OK
	    || q.topics.len != 1 || q.topics.at[0].partitions.len != 1 || q.topics.at[0].partitions.at[0].pre_vote)
		return;
	*x = (struct cl_heard){ pair, h->correlation_id, q.topics.at[0].partitions.at[0].replica_id,
		q.topics.at[0].partitions.at[0].replica_epoch, h->version };
}

static void
vote_answered(struct cl *cl, struct cl_heard *x, uint32_t place, const uint8_t *frame, uint32_t len)
{
	struct kp_vote_res r;
	int32_t epoch, leader, voted;

	x->pair = 0;
	if (kp_read(&kp_vote_res_d, x->version, frame + 5, len - 5, &cl->arena, &r, NULL) != RK_OK || r.topics.len != 1
	    || r.topics.at[0].partitions.len != 1 || !r.topics.at[0].partitions.at[0].vote_granted)
		return;
	if (!sim_mdisk_vote(cl->node[place - 1].mdisk, &epoch, &leader, &voted) || epoch < x->epoch
	    || (epoch == x->epoch && voted != x->candidate && leader != x->candidate))
		cl_fail(cl, "node %u tells node %d that it has its vote in epoch %d, and that vote is not on its disk", place,
		    x->candidate, x->epoch);
}

/* Who is wished for has everything that was acknowledged, unless the wish is an old one. */
static void
wished_for(struct cl *cl, struct rk_uuid topic, const struct kp_alter_partition_req_topics_partitions *q)
{
	int32_t id[CL_NODES], n = 0;

	for (int32_t i = 0; i < q->new_isr_with_epochs.len && n < CL_NODES; i++)
		id[n++] = q->new_isr_with_epochs.at[i].broker_id;
	for (uint32_t t = 0; t < cl->plan.topics; t++)
		if (rk_uuid_eq(cl->topic[t].id, topic) && q->partition_index < CL_PARTS
		    && cl->topic[t].part[q->partition_index].partition_epoch == q->partition_epoch
		    && cl_is_newest(cl, &cl->topic[t].part[q->partition_index], q->partition_epoch))
			cl_must_hold(cl, &cl->topic[t].part[q->partition_index], id, n, "ISR that its leader wishes for");
}

/* Where the partition's epochs stood when the leader wished. */
static void
isr_asked(struct cl *cl, uint64_t pair, const struct kp_head *h, const uint8_t *frame, uint32_t len)
{
	struct kp_alter_partition_req q;

	if (kp_read(&kp_alter_partition_req_d, h->version, frame + h->body, len - h->body, &cl->arena, &q, NULL) != RK_OK)
		return;
	for (int32_t i = 0; i < q.topics.len; i++)
		for (int32_t k = 0; k < q.topics.at[i].partitions.len; k++) {
			wished_for(cl, q.topics.at[i].topic_id, &q.topics.at[i].partitions.at[k]);
			struct cl_wish *w = &cl->wish[cl->wishes++ % rk_countof(cl->wish)];
			*w = (struct cl_wish){ pair, h->correlation_id, q.topics.at[i].topic_id,
				q.topics.at[i].partitions.at[k].partition_index, q.topics.at[i].partitions.at[k].partition_epoch,
				h->version };
		}
}

/* What was granted was wished of the partition as it is: its epoch moves by one, or not at all. */
static void
isr_granted(struct cl *cl, const struct kp_alter_partition_res *r, const struct cl_wish *w, uint32_t place)
{
	for (int32_t i = 0; i < r->topics.len; i++)
		for (int32_t k = 0; k < r->topics.at[i].partitions.len; k++) {
			const struct kp_alter_partition_res_topics_partitions *p = &r->topics.at[i].partitions.at[k];
			if (rk_uuid_eq(r->topics.at[i].topic_id, w->topic) && p->partition_index == w->partition && p->error_code == 0
			    && p->partition_epoch != w->epoch && p->partition_epoch != w->epoch + 1)
				cl_fail(cl, "node %u grants an ISR that was wished for in partition epoch %d, and is in epoch %d now", place,
				    w->epoch, p->partition_epoch);
		}
}

static void
isr_answered(struct cl *cl, uint64_t pair, uint32_t place, const uint8_t *frame, uint32_t len)
{
	struct kp_alter_partition_res r;

	for (uint32_t i = 0; i < rk_countof(cl->wish); i++) {
		struct cl_wish *w = &cl->wish[i];
		if (w->pair != pair || w->correlation != (int32_t)rk_get32(frame))
			continue;
		w->pair = 0;
		if (kp_read(&kp_alter_partition_res_d, w->version, frame + 5, len - 5, &cl->arena, &r, NULL) == RK_OK)
			isr_granted(cl, &r, w, place);
	}
}

static bool
any_batch(void *arg, const struct cl_batch *b)
{
	*(int64_t *)arg = b->base + b->count;
	return false;
}

static bool
any_meta(void *arg, const uint8_t *batch, uint32_t len)
{
	(void)batch;
	(void)len;
	*(bool *)arg = true;
	return false;
}

/* Where a fetch begins, the fetcher says, all before it is kept. */
static void
kept_to(struct cl *cl, uint32_t place, int32_t to, struct rk_uuid topic, const struct kp_fetch_req_topics_partitions *p)
{
	static const struct rk_uuid metadata = { { [15] = 1 } };
	struct cl_node *n = &cl->node[place - 1];
	bool there = false;
	int32_t leader;
	const char *host;
	uint16_t port;

	if (p->fetch_offset <= 0)
		return;
	if (rk_uuid_eq(topic, metadata)) {
		/* A request may have waited for its connection: what it names may have been cut back and written anew since. Who
		 * leads is asked once at a time. */
		sim_mdisk_each(n->mdisk, p->fetch_offset - 1, any_meta, &there);
		there |= p->fetch_offset > node_quorum_end(n->node) || p->current_leader_epoch < node_quorum_epoch(n->node);
		there |= !node_quorum_leader(n->node, &leader, &host, &port) || leader != to;
		if (n->controller && cl->plan.voters == 0 && !there
		    && !sim_mdisk_has(n->mdisk, p->fetch_offset - 1, p->last_fetched_epoch))
			cl_fail(cl, "node %d fetches the metadata log from %" PRId64 " (epoch %d) on and does not have what is before"
			    " on disk", n->id, p->fetch_offset, p->last_fetched_epoch);
		return;
	}
	for (uint32_t t = 0; t < cl->plan.topics; t++) {
		int64_t end = 0;
		struct core_partition *cp = core_partition(core_topic_of(n->node->core, topic), p->partition);
		if (!cl->topic[t].made || !rk_uuid_eq(topic, cl->topic[t].id) || p->partition >= CL_PARTS)
			continue;
		struct cl_part *part = &cl->topic[t].part[p->partition];
		if (part->led.count > 0 && part->led.at[part->led.count - 1].epoch > p->current_leader_epoch)
			continue;
		(void)cl_look(n, part, p->fetch_offset - 1, !cl->plan.caching, any_batch, &end);
		if (end < p->fetch_offset && cp != NULL && cp->leader == to && core_end(cp) >= p->fetch_offset)
			cl_fail(cl, "node %d fetches %s-%d from %" PRId64 " on and does not have what is before on stable storage", n->id,
			    cl->topic[t].name, p->partition, p->fetch_offset);
	}
}

static void
fetch_asked(struct cl *cl, uint32_t place, uint32_t to, const struct kp_head *h, const uint8_t *frame, uint32_t len)
{
	struct kp_fetch_req q;

	if (kp_read(&kp_fetch_req_d, h->version, frame + h->body, len - h->body, &cl->arena, &q, NULL) != RK_OK)
		return;
	for (int32_t i = 0; i < q.topics.len; i++)
		for (int32_t k = 0; k < q.topics.at[i].partitions.len; k++)
			kept_to(cl, place, (int32_t)to, q.topics.at[i].topic_id, &q.topics.at[i].partitions.at[k]);
}

/* A whole frame leaves a node. asks: on a connection it made, so it is a request. */
void
cl_wire(struct sim_net *net, uint64_t pair, uint32_t place, uint32_t to, bool asks, const uint8_t *frame, uint32_t len)
{
	struct cl *cl = cl_of(net);
	struct kp_head h;

	if (len < 8 || place == 0 || place > cl->nodes)
		return;
	rk_arena_reset(&cl->arena);
	if (asks && rk_get16(frame) < (uint16_t)rk_countof(cl->asked))
		cl->asked[rk_get16(frame)]++;
	if (asks && rk_get16(frame) == KP_VOTE && kp_head_read(frame, len, &h) == RK_OK)
		vote_asked(cl, pair, &h, frame, len);
	if (asks && rk_get16(frame) == KP_FETCH && kp_head_read(frame, len, &h) == RK_OK)
		fetch_asked(cl, place, to, &h, frame, len);
	if (asks && rk_get16(frame) == KP_ALTER_PARTITION && kp_head_read(frame, len, &h) == RK_OK)
		isr_asked(cl, pair, &h, frame, len);
	if (!asks)
		isr_answered(cl, pair, place, frame, len);
	for (uint32_t i = 0; !asks && i < rk_countof(cl->heard); i++)
		if (cl->heard[i].pair == pair && cl->heard[i].correlation == (int32_t)rk_get32(frame))
			vote_answered(cl, &cl->heard[i], place, frame, len);
}
