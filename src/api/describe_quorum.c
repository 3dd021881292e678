/* describe_quorum.c - key 55: who leads the metadata log, and how far its voters are (KIP-595, KIP-836). */
#include "protocol/gen/describe_quorum.h"
#include "src/api/handlers.h"
#include "src/config.h"

typedef struct kp_describe_quorum_res_topics topic;
typedef struct kp_describe_quorum_res_topics_partitions partition;
typedef struct kp_describe_quorum_res_topics_partitions_current_voters voter;

static struct rk_str
metadata_name(void)
{
	return rk_lit("__cluster_metadata");
}

static void
fill(struct api_call *c, partition *p)
{
	const struct api_shared *s = c->shared;
	voter *v = rk_arena_get(&c->arena, 1, sizeof *v);

	if (v == NULL)
		return;
	p->error_message = rk_lit("");
	p->leader_id = s->leader_id;
	p->leader_epoch = s->leader_epoch;
	p->high_watermark = s->quorum_high;
	v->replica_id = s->node_id;
	v->replica_directory_id = s->leader_directory;
	v->log_end_offset = s->quorum_end;
	v->last_fetch_timestamp = c->wall_ms;
	v->last_caught_up_timestamp = c->wall_ms;
	p->current_voters.at = v;
	p->current_voters.len = 1;
}

static void
refuse(partition *p)
{
	p->error_code = rk_err_wire(RK_UNKNOWN_TOPIC_OR_PARTITION);
	p->error_message = rk_str_of(rk_err_text(RK_UNKNOWN_TOPIC_OR_PARTITION));
}

static void
nodes(struct api_call *c, struct kp_describe_quorum_res *a)
{
	const struct conf *conf = c->shared->conf;

	a->nodes.at = rk_arena_get(&c->arena, 1, sizeof *a->nodes.at);
	if (a->nodes.at == NULL)
		return;
	a->nodes.len = 1;
	a->nodes.at[0].node_id = c->shared->node_id;
	a->nodes.at[0].listeners.at = rk_arena_get(&c->arena, conf->listener_count, sizeof *a->nodes.at[0].listeners.at);
	for (uint32_t i = 0; i < conf->listener_count && !c->arena.over; i++) {
		const struct conf_listener *l = &conf->listener[i];
		int32_t k = a->nodes.at[0].listeners.len;
		if (!l->is_controller)
			continue;
		a->nodes.at[0].listeners.at[k].name = rk_str_of(l->name);
		a->nodes.at[0].listeners.at[k].host = rk_str_of(l->advertised_host);
		a->nodes.at[0].listeners.at[k].port = l->advertised_port;
		a->nodes.at[0].listeners.len++;
	}
}

enum api_fate
api_describe_quorum(struct api_call *c, const struct kp_describe_quorum_req *q, struct kp_describe_quorum_res *a)
{
	bool asked = q->topics.len == 1 && rk_str_eq(q->topics.at[0].topic_name, metadata_name())
	    && q->topics.at[0].partitions.len == 1 && q->topics.at[0].partitions.at[0].partition_index == 0;
	topic *t = rk_arena_get(&c->arena, (size_t)rk_max(q->topics.len, 1), sizeof *t);

	if (t == NULL)
		return API_CLOSE;
	a->topics.at = t;
	a->topics.len = q->topics.len;
	for (int32_t i = 0; i < q->topics.len; i++) {
		int32_t n = q->topics.at[i].partitions.len;
		t[i].topic_name = q->topics.at[i].topic_name;
		t[i].partitions.at = rk_arena_get(&c->arena, (size_t)rk_max(n, 1), sizeof(partition));
		t[i].partitions.len = t[i].partitions.at == NULL ? 0 : n;
		for (int32_t k = 0; k < t[i].partitions.len; k++) {
			t[i].partitions.at[k].partition_index = q->topics.at[i].partitions.at[k].partition_index;
			if (asked)
				fill(c, &t[i].partitions.at[k]);
			else
				refuse(&t[i].partitions.at[k]);
		}
	}
	if (asked)
		nodes(c, a);
	return API_NOW;
}
