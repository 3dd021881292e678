/* roles.c - what a node says of itself to the active controller, and the registration of its own controller. */
#include "base/mem.h"
#include "protocol/gen/broker_registration.h"
#include "protocol/gen/controller_registration.h"
#include "src/node/inside.h"

enum { AGAIN_MS = 100 };

struct node_controller {
	struct node *node;
	struct node_ask ask;
	struct kp_controller_registration_req req;
	struct rk_arena words; /* its arrays */
	struct rk_timer again;
	int64_t seen;          /* applied when it was last looked at whether the cluster knows it */
	int32_t seen_leader;
	bool told;             /* the image has it: for this life */
};

#define LISTENERS(n, q, arena, controllers)                                                           \
	do {                                                                                          \
		(q)->listeners.at = rk_arena_get(arena, (n)->conf->listener_count, sizeof *(q)->listeners.at); \
		for (uint32_t i_ = 0; (q)->listeners.at != NULL && i_ < (n)->conf->listener_count; i_++) { \
			const struct conf_listener *l_ = &(n)->conf->listener[i_];                    \
			if (l_->is_controller != (controllers) || l_->advertised_host == NULL)        \
				continue;                                                             \
			(q)->listeners.at[(q)->listeners.len].name = rk_str_of(l_->name);             \
			(q)->listeners.at[(q)->listeners.len].host = rk_str_of(l_->advertised_host);  \
			(q)->listeners.at[(q)->listeners.len].port = (uint16_t)l_->advertised_port;   \
			(q)->listeners.at[(q)->listeners.len++].security_protocol = (int16_t)l_->protocol; \
		}                                                                                     \
	} while (0)

#define FEATURES(q, arena)                                                                            \
	do {                                                                                          \
		(q)->features.at = rk_arena_get(arena, meta_supported_count, sizeof *(q)->features.at); \
		(q)->features.len = (q)->features.at == NULL ? 0 : (int32_t)meta_supported_count;     \
		for (int32_t i_ = 0; i_ < (q)->features.len; i_++) {                                  \
			(q)->features.at[i_].name = rk_str_of(meta_supported[i_].name);               \
			(q)->features.at[i_].min_supported_version = meta_supported[i_].min;          \
			(q)->features.at[i_].max_supported_version = meta_supported[i_].max;          \
		}                                                                                     \
	} while (0)

void
node_say_controller(struct node *n, struct kp_controller_registration_req *q, struct rk_arena *a)
{
	kp_defaults(&kp_controller_registration_req_d, q);
	q->controller_id = n->conf->node_id;
	q->incarnation_id = n->incarnation;
	LISTENERS(n, q, a, true);
	FEATURES(q, a);
}

void
node_say_broker(struct node *n, int64_t previous_epoch, struct kp_broker_registration_req *q, struct rk_arena *a)
{
	kp_defaults(&kp_broker_registration_req_d, q);
	q->broker_id = n->conf->node_id;
	q->cluster_id = rk_str_of(n->cluster_id);
	q->incarnation_id = n->incarnation;
	q->previous_broker_epoch = previous_epoch;
	q->rack = rk_str_of(n->conf->broker_rack);
	LISTENERS(n, q, a, false);
	FEATURES(q, a);
	q->log_dirs.at = rk_arena_get(a, n->dirs, sizeof *q->log_dirs.at);
	for (uint32_t i = 0; q->log_dirs.at != NULL && i < n->dirs; i++)
		if (!st_dir_failed(n->dir[i]))
			q->log_dirs.at[q->log_dirs.len++] = st_dir_id(n->dir[i]);
}

int16_t
node_metadata_version(struct node *n)
{
	struct meta_view v;

	meta_view_begin(n->image, &v);
	int16_t version = meta_feature(&v, rk_lit("metadata.version"));
	meta_view_end(&v);
	return version;
}

/* The image has all that the leader had committed when we heard of it first. */
bool
node_caught_up(struct node *n)
{
	return n->shared.leader_id >= 0 && n->shared.quorum_high > 0 && node_quorum_applied(n) >= n->shared.quorum_high
	    && node_metadata_version(n) != 0;
}

static void
registered(struct node_ask *ask, enum rk_err err, const void *answer, int16_t version)
{
	struct node_controller *b = rk_of(ask, struct node_controller, ask);
	const struct kp_controller_registration_res *res = answer;

	(void)version;
	if (err == RK_OK && res->error_code == 0)
		return; /* the image will show it */
	rk_timer_set(&b->node->timers, &b->again, rk_now(b->node->env) + AGAIN_MS);
}

static void
again(struct rk_timer *t, int64_t now_ms)
{
	(void)now_ms;
	rk_of(t, struct node_controller, again)->seen = -1;
}

/* Each controller says who it is, once in its life, to whoever is active. */
void
node_controller_turn(struct node *n)
{
	struct node_controller *b = n->controller;
	struct kp_register_controller_record r;
	struct meta_view v;
	struct rk_arena a;

	if (b->told || n->shared.leader_id < 0 || (b->seen == node_quorum_applied(n) && b->seen_leader == n->shared.leader_id)
	    || node_ask_busy(&b->ask) || !node_caught_up(n))
		return;
	b->seen = node_quorum_applied(n);
	b->seen_leader = n->shared.leader_id;
	rk_arena_init(&a, 1u << 20);
	meta_view_begin(n->image, &v);
	b->told = meta_controller_next(&v, n->conf->node_id, &a, &r) && r.controller_id == n->conf->node_id
	    && rk_uuid_eq(r.incarnation_id, n->incarnation);
	bool too_old = meta_feature(&v, rk_lit("metadata.version")) < META_MV_CONTROLLERS;
	meta_view_end(&v);
	rk_arena_free(&a);
	if (b->told || too_old)
		return;
	rk_arena_reset(&b->words);
	node_say_controller(n, &b->req, &b->words);
	node_desk_ask(n, &b->ask, KP_CONTROLLER_REGISTRATION, 0, 0, &b->req, INT64_MAX);
}

void
node_controller_open(struct node *n)
{
	struct node_controller *b = rk_new(struct node_controller);

	b->node = n;
	b->seen = -1;
	b->again = (struct rk_timer){ .at_ms = INT64_MAX, .fire = again };
	rk_arena_init(&b->words, 16u << 20);
	node_ask_init(&b->ask, registered);
	n->incarnation = rk_env_uuid(n->env);
	n->controller = b;
}

void
node_controller_free(struct node *n)
{
	struct node_controller *b = n->controller;

	if (b == NULL)
		return;
	node_desk_forget(n, &b->ask);
	rk_timer_stop(&n->timers, &b->again);
	rk_arena_free(&b->words);
	rk_mem_put(b);
	n->controller = NULL;
}
