/* broker.c - this node's broker as the controller sees it, and what the broker asks of the controller.
 *
 * A combined node registers through the same plans that a remote broker's requests go through. One batch
 * of the log holds its controller's registration, its broker's, and the unfencing; the broker epoch is that
 * batch's first offset. After it is committed the node serves. */
#include "base/mem.h"
#include "base/say.h"
#include "protocol/gen/allocate_producer_ids.h"
#include "protocol/gen/broker_heartbeat.h"
#include "protocol/gen/broker_registration.h"
#include "protocol/gen/controller_registration.h"
#include "protocol/gen/create_topics.h"
#include "src/node/inside.h"

enum { CREATES_MAX = 1000 };

struct create { /* one topic that auto.create.topics.enable asks for */
	struct node_errand errand;
	struct node_broker *broker;
	struct rk_list link;
	char name[250];
};

struct node_broker {
	struct node *node;
	struct node_errand bootstrap, enter, ids;
	struct rk_uuid incarnation;
	int64_t previous_epoch;   /* of the clean-shutdown markers; -1: not clean */
	bool loaded, entered, entering, bootstrapping;
	int64_t next_id, end_id;  /* producer ids to hand out */
	int64_t more_id, more_end; /* the block after */
	bool asking;
	struct rk_list creates;
	uint32_t creating;
};

static void
plan_bootstrap(struct node_errand *e, struct meta_plan *p)
{
	struct node_broker *b = rk_of(e, struct node_broker, bootstrap);
	struct node *n = b->node;
	char path[PATH_MAX];
	struct rk_str text;

	snprintf(path, sizeof path, "%s/bootstrap.checkpoint", n->conf->metadata_dir);
	enum rk_err err = rk_env_slurp(n->env, path, p->arena, &text);
	if (err == RK_OK)
		err = meta_bootstrap(p, (const uint8_t *)text.at, (uint32_t)text.len);
	if (err != RK_OK) {
		rk_say(RK_FATAL, "%s cannot be read (%s), and the cluster has no metadata yet: format the directory "
		    "again with rookery-storage format.", path, rk_err_name(err));
		node_fail(n, "no bootstrap metadata");
	}
}

static void
bootstrapped(struct node_errand *e, enum rk_err err)
{
	struct node_broker *b = rk_of(e, struct node_broker, bootstrap);

	b->bootstrapping = false;
	if (err == RK_OK)
		node_broker_lead(b->node);
}

static void
plan_controller(struct node *n, struct node_broker *b, struct meta_plan *p)
{
	struct kp_controller_registration_req q;
	struct kp_controller_registration_res a;
	uint32_t k = 0;

	kp_defaults(&kp_controller_registration_req_d, &q);
	kp_defaults(&kp_controller_registration_res_d, &a);
	q.controller_id = n->conf->node_id;
	q.incarnation_id = b->incarnation;
	q.listeners.at = rk_arena_get(p->arena, n->conf->listener_count, sizeof *q.listeners.at);
	for (uint32_t i = 0; i < n->conf->listener_count; i++) {
		const struct conf_listener *l = &n->conf->listener[i];
		if (!l->is_controller)
			continue;
		q.listeners.at[k].name = rk_str_of(l->name);
		q.listeners.at[k].host = rk_str_of(l->advertised_host);
		q.listeners.at[k].port = l->advertised_port;
		q.listeners.at[k].security_protocol = (int16_t)l->protocol;
		k++;
	}
	q.listeners.len = (int32_t)k;
	q.features.at = rk_arena_get(p->arena, meta_supported_count, sizeof *q.features.at);
	q.features.len = (int32_t)meta_supported_count;
	for (uint32_t i = 0; i < meta_supported_count; i++) {
		q.features.at[i].name = rk_str_of(meta_supported[i].name);
		q.features.at[i].min_supported_version = meta_supported[i].min;
		q.features.at[i].max_supported_version = meta_supported[i].max;
	}
	meta_register_controller(p, &q, &a);
}

static void
plan_registration(struct node *n, struct node_broker *b, struct meta_plan *p)
{
	struct kp_broker_registration_req q;
	struct kp_broker_registration_res a;
	uint32_t k = 0;

	kp_defaults(&kp_broker_registration_req_d, &q);
	kp_defaults(&kp_broker_registration_res_d, &a);
	q.broker_id = n->conf->node_id;
	q.cluster_id = rk_str_of(n->cluster_id);
	q.incarnation_id = b->incarnation;
	q.previous_broker_epoch = b->previous_epoch;
	q.rack = rk_str_of(n->conf->broker_rack);
	q.listeners.at = rk_arena_get(p->arena, n->conf->listener_count, sizeof *q.listeners.at);
	for (uint32_t i = 0; i < n->conf->listener_count; i++) {
		const struct conf_listener *l = &n->conf->listener[i];
		if (l->is_controller)
			continue;
		q.listeners.at[k].name = rk_str_of(l->name);
		q.listeners.at[k].host = rk_str_of(l->advertised_host);
		q.listeners.at[k].port = l->advertised_port;
		q.listeners.at[k].security_protocol = (int16_t)l->protocol;
		k++;
	}
	q.listeners.len = (int32_t)k;
	q.features.at = rk_arena_get(p->arena, meta_supported_count, sizeof *q.features.at);
	q.features.len = (int32_t)meta_supported_count;
	for (uint32_t i = 0; i < meta_supported_count; i++) {
		q.features.at[i].name = rk_str_of(meta_supported[i].name);
		q.features.at[i].min_supported_version = meta_supported[i].min;
		q.features.at[i].max_supported_version = meta_supported[i].max;
	}
	q.log_dirs.at = rk_arena_get(p->arena, n->dirs, sizeof *q.log_dirs.at);
	for (uint32_t i = 0; i < n->dirs; i++)
		if (!st_dir_failed(n->dir[i]))
			q.log_dirs.at[q.log_dirs.len++] = st_dir_id(n->dir[i]);
	meta_register_broker(p, 4, &q, &a);
	if (a.error_code != 0) {
		rk_say(RK_FATAL, "The controller refuses this broker's registration: %s.",
		    rk_err_name(rk_err_of_wire(a.error_code)));
		node_fail(n, "the broker cannot register");
		return;
	}
	n->shared.broker_epoch = a.broker_epoch;
}

static void
plan_ids(struct node_errand *e, struct meta_plan *p)
{
	struct node_broker *b = rk_of(e, struct node_broker, ids);
	struct kp_allocate_producer_ids_req q;
	struct kp_allocate_producer_ids_res a;

	kp_defaults(&kp_allocate_producer_ids_req_d, &q);
	kp_defaults(&kp_allocate_producer_ids_res_d, &a);
	q.broker_id = b->node->conf->node_id;
	q.broker_epoch = b->node->shared.broker_epoch;
	meta_allocate_producer_ids(p, &q, &a);
	b->more_id = a.producer_id_start;
	b->more_end = a.error_code == 0 ? a.producer_id_start + a.producer_id_len : a.producer_id_start;
}

static void
plan_enter(struct node_errand *e, struct meta_plan *p)
{
	struct node_broker *b = rk_of(e, struct node_broker, enter);
	struct node *n = b->node;
	struct kp_broker_heartbeat_req q;
	struct kp_broker_heartbeat_res a;

	plan_controller(n, b, p);
	plan_registration(n, b, p);
	kp_defaults(&kp_broker_heartbeat_req_d, &q);
	kp_defaults(&kp_broker_heartbeat_res_d, &a);
	q.broker_id = n->conf->node_id;
	q.broker_epoch = n->shared.broker_epoch;
	q.current_metadata_offset = INT64_MAX; /* broker and controller read one image */
	meta_broker_heartbeat(p, 1, &q, &a);
	rk_assert(a.error_code != 0 || !a.is_fenced || n->failed);
	if (!n->failed)
		plan_ids(&b->ids, p); /* the first idempotent producer shall not have to ask twice */
}

static void
entered(struct node_errand *e, enum rk_err err)
{
	struct node_broker *b = rk_of(e, struct node_broker, enter);
	struct node *n = b->node;

	b->entering = false;
	if (err != RK_OK || n->failed)
		return; /* a new leadership tries again */
	b->entered = true;
	n->ready = true;
	rk_say(RK_INFO, "ready in %" PRId64 " ms: %" PRIu32 " partitions", rk_now(n->env) - n->started_ms,
	    core_partitions_count(n->core));
	node_serve_ready(n);
}

/* The cluster has a controller, and it is this node: registers, once the logs are there. */
void
node_broker_lead(struct node *n)
{
	struct node_broker *b = n->broker;
	struct meta_view v;

	if (b->entered || b->entering || b->bootstrapping || n->failed)
		return;
	meta_view_begin(n->image, &v);
	bool empty = meta_feature(&v, rk_lit("metadata.version")) == 0;
	if (!empty && !b->loaded) {
		b->loaded = true;
		if (core_load(n->core, &v) != RK_OK)
			node_fail(n, "the logs cannot be opened");
	}
	meta_view_end(&v);
	if (empty) {
		b->bootstrapping = true;
		b->bootstrap = (struct node_errand){ .plan = plan_bootstrap, .done = bootstrapped };
		node_errand_add(n, &b->bootstrap);
	} else {
		b->entering = true;
		b->enter = (struct node_errand){ .plan = plan_enter, .done = entered };
		node_errand_add(n, &b->enter);
	}
}

/* --- producer ids */

static void
ids_came(struct node_errand *e, enum rk_err err)
{
	struct node_broker *b = rk_of(e, struct node_broker, ids);

	b->asking = false;
	if (err != RK_OK)
		b->more_id = b->more_end = 0;
}

static void
ask_ids(struct node_broker *b)
{
	if (b->asking || b->more_id < b->more_end)
		return;
	b->asking = true;
	b->ids = (struct node_errand){ .plan = plan_ids, .done = ids_came };
	node_errand_add(b->node, &b->ids);
}

static enum rk_err
producer_id(struct api_shared *s, int64_t *id)
{
	struct node_broker *b = rk_of(s, struct node, shared)->broker;

	if (b->next_id == b->end_id && !b->asking) {
		b->next_id = b->more_id;
		b->end_id = b->more_end;
		b->more_id = b->more_end = 0;
	}
	if (b->end_id - b->next_id < 100)
		ask_ids(b);
	if (b->next_id == b->end_id)
		return RK_COORDINATOR_LOAD_IN_PROGRESS;
	*id = b->next_id++;
	return RK_OK;
}

/* --- topics that are made because somebody asked for them */

static void
plan_create(struct node_errand *e, struct meta_plan *p)
{
	struct create *c = rk_of(e, struct create, errand);
	struct kp_create_topics_req q;
	struct kp_create_topics_res a;
	struct kp_create_topics_req_topics t;

	kp_defaults(&kp_create_topics_req_d, &q);
	kp_defaults(&kp_create_topics_res_d, &a);
	t = (struct kp_create_topics_req_topics){ 0 };
	t.name = rk_str_of(c->name);
	t.num_partitions = -1;
	t.replication_factor = -1;
	q.topics.at = &t;
	q.topics.len = 1;
	meta_create_topics(p, 7, &q, &a);
}

static void
created(struct node_errand *e, enum rk_err err)
{
	struct create *c = rk_of(e, struct create, errand);

	(void)err; /* the client asks again and sees */
	c->broker->creating--;
	rk_list_del(&c->link);
	rk_mem_put(c);
}

static void
auto_create(struct api_shared *s, struct rk_str topic)
{
	struct node_broker *b = rk_of(s, struct node, shared)->broker;

	if (topic.len <= 0 || topic.len >= 250 || b->creating >= CREATES_MAX)
		return;
	rk_list_each(&b->creates, m)
		if (rk_str_is(topic, rk_of(m, struct create, link)->name))
			return;
	struct create *c = rk_new(struct create);
	c->broker = b;
	c->errand = (struct node_errand){ .plan = plan_create, .done = created };
	rk_str_copy(c->name, sizeof c->name, topic);
	rk_list_add(&b->creates, &c->link);
	b->creating++;
	node_errand_add(b->node, &c->errand);
}

enum rk_err
node_broker_open(struct node *n, int64_t previous_epoch)
{
	struct node_broker *b = rk_new(struct node_broker);

	b->node = n;
	b->previous_epoch = previous_epoch;
	b->incarnation = rk_env_uuid(n->env);
	rk_list_init(&b->creates);
	n->broker = b;
	n->shared.producer_id = producer_id;
	n->shared.auto_create = auto_create;
	return RK_OK;
}

bool
node_broker_loaded(const struct node *n)
{
	return n->broker->loaded;
}

void
node_broker_free(struct node *n)
{
	struct node_broker *b = n->broker;

	if (b == NULL)
		return;
	while (!rk_list_empty(&b->creates)) {
		struct create *c = rk_of(b->creates.next, struct create, link);
		rk_list_del(&c->link);
		rk_mem_put(c);
	}
	rk_mem_put(b);
	n->broker = NULL;
}
