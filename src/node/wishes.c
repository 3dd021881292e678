/* wishes.c - what a broker asks of the active controller for its clients: producer ids, and topics that are made
 * because somebody asked for them. */
#include "base/mem.h"
#include "base/say.h"
#include "protocol/gen/allocate_producer_ids.h"
#include "protocol/gen/create_topics.h"
#include "src/node/inside.h"

enum { CREATES_MAX = 1000, CREATE_MS = 30000, LOW_IDS = 100, NAME_BYTES = 250 };

struct create { /* one topic that auto.create.topics.enable asks for */
	struct rk_list link;
	struct node_wishes *wishes;
	struct node_ask ask;
	struct kp_create_topics_req q;
	struct kp_create_topics_req_topics topic;
	struct kp_create_topics_req_topics_configs config[5];
	char name[NAME_BYTES], segment[24], isr[12];
};

struct node_wishes {
	struct node *node;
	int64_t next_id, end_id;   /* producer ids to hand out */
	int64_t more_id, more_end; /* the block after */
	bool asking;               /* for the block after */
	struct node_ask ids;
	struct kp_allocate_producer_ids_req ids_req;
	struct rk_list creates;
	uint32_t creating;
};

/* --- producer ids */

static void
take_block(struct node_wishes *w, const struct kp_allocate_producer_ids_res *a)
{
	w->more_id = a->producer_id_start;
	w->more_end = a->error_code == 0 ? a->producer_id_start + a->producer_id_len : a->producer_id_start;
}

static void
wish_ids(struct node_wishes *w)
{
	kp_defaults(&kp_allocate_producer_ids_req_d, &w->ids_req);
	w->ids_req.broker_id = w->node->conf->node_id;
	w->ids_req.broker_epoch = w->node->shared.broker_epoch;
}

void
node_wishes_plan_ids(struct node *n, struct meta_plan *p)
{
	struct kp_allocate_producer_ids_res a;

	if (n->wishes->asking)
		return;
	n->wishes->asking = true;
	wish_ids(n->wishes);
	kp_defaults(&kp_allocate_producer_ids_res_d, &a);
	meta_allocate_producer_ids(p, &n->wishes->ids_req, &a);
	take_block(n->wishes, &a);
}

void
node_wishes_ids_kept(struct node *n, bool kept)
{
	n->wishes->asking = false;
	if (!kept)
		n->wishes->more_id = n->wishes->more_end = 0;
}

static void
ids_came(struct node_ask *ask, enum rk_err err, const void *res, int16_t version)
{
	struct node_wishes *w = rk_of(ask, struct node_wishes, ids);

	(void)version;
	w->asking = false;
	if (err == RK_OK)
		take_block(w, res);
}

static enum rk_err
producer_id(struct api_shared *s, int64_t *id)
{
	struct node *n = rk_of(s, struct node, shared);
	struct node_wishes *w = n->wishes;

	if (w->next_id == w->end_id && !w->asking) {
		w->next_id = w->more_id;
		w->end_id = w->more_end;
		w->more_id = w->more_end = 0;
	}
	if (w->end_id - w->next_id < LOW_IDS && !w->asking && w->more_id == w->more_end) {
		w->asking = true;
		wish_ids(w);
		node_desk_ask(n, &w->ids, KP_ALLOCATE_PRODUCER_IDS, 0, 0, &w->ids_req, n->conf->request_timeout_ms);
	}
	if (w->next_id == w->end_id)
		return RK_COORDINATOR_LOAD_IN_PROGRESS;
	*id = w->next_id++;
	return RK_OK;
}

/* --- topics */

static void
created(struct node_ask *ask, enum rk_err err, const void *res, int16_t version)
{
	struct create *c = rk_of(ask, struct create, ask);

	(void)err; /* the client asks again and sees */
	(void)res;
	(void)version;
	c->wishes->creating--;
	rk_list_del(&c->link);
	rk_mem_put(c);
}

/* A coordinator's topic is made as its configs say. */
static void
internal(const struct conf *conf, struct create *c)
{
	bool groups = strcmp(c->name, "__consumer_offsets") == 0;

	if (!groups && strcmp(c->name, "__transaction_state") != 0)
		return;
	c->topic.num_partitions = groups ? conf->offsets_topic_num_partitions : conf->transaction_state_log_num_partitions;
	c->topic.replication_factor = groups ? conf->offsets_topic_replication_factor
					     : conf->transaction_state_log_replication_factor;
	snprintf(c->segment, sizeof c->segment, "%" PRId32,
	    groups ? conf->offsets_topic_segment_bytes : conf->transaction_state_log_segment_bytes);
	c->config[0] = (struct kp_create_topics_req_topics_configs){ rk_lit("cleanup.policy"), rk_lit("compact") };
	c->config[1] = (struct kp_create_topics_req_topics_configs){ rk_lit("compression.type"),
		groups ? rk_lit("producer") : rk_lit("uncompressed") };
	c->config[2] = (struct kp_create_topics_req_topics_configs){ rk_lit("segment.bytes"), rk_str_of(c->segment) };
	c->topic.configs.at = c->config;
	c->topic.configs.len = 3;
	if (groups)
		return;
	snprintf(c->isr, sizeof c->isr, "%" PRId32, conf->transaction_state_log_min_isr);
	c->config[3] = (struct kp_create_topics_req_topics_configs){ rk_lit("min.insync.replicas"), rk_str_of(c->isr) };
	c->config[4] = (struct kp_create_topics_req_topics_configs){ rk_lit("unclean.leader.election.enable"),
		rk_lit("false") };
	c->topic.configs.len = 5;
}

static void
auto_create(struct api_shared *s, struct rk_str topic)
{
	struct node *n = rk_of(s, struct node, shared);
	struct node_wishes *w = n->wishes;

	if (topic.len <= 0 || topic.len >= NAME_BYTES || w->creating >= CREATES_MAX)
		return;
	rk_list_each(&w->creates, m)
		if (rk_str_is(topic, rk_of(m, struct create, link)->name))
			return;
	struct create *c = rk_new(struct create);
	c->wishes = w;
	rk_str_copy(c->name, sizeof c->name, topic);
	kp_defaults(&kp_create_topics_req_d, &c->q);
	c->topic.name = rk_str_of(c->name);
	c->topic.num_partitions = -1;
	c->topic.replication_factor = -1;
	internal(n->conf, c);
	c->q.topics.at = &c->topic;
	c->q.topics.len = 1;
	node_ask_init(&c->ask, created);
	rk_list_add(&w->creates, &c->link);
	w->creating++;
	node_desk_ask(n, &c->ask, KP_CREATE_TOPICS, 2, 7, &c->q, CREATE_MS);
}

void
node_wishes_open(struct node *n)
{
	struct node_wishes *w = rk_new(struct node_wishes);

	w->node = n;
	node_ask_init(&w->ids, ids_came);
	rk_list_init(&w->creates);
	n->wishes = w;
	n->shared.producer_id = producer_id;
	n->shared.auto_create = auto_create;
}

void
node_wishes_free(struct node *n)
{
	struct node_wishes *w = n->wishes;

	if (w == NULL)
		return;
	node_desk_forget(n, &w->ids);
	while (!rk_list_empty(&w->creates)) {
		struct create *c = rk_of(w->creates.next, struct create, link);
		node_desk_forget(n, &c->ask);
		rk_list_del(&c->link);
		rk_mem_put(c);
	}
	rk_mem_put(w);
	n->wishes = NULL;
}
