/* incremental_alter_configs.c - key 44: set, delete, append, subtract single configs (KIP-339). */
#include "protocol/gen/incremental_alter_configs.h"
#include "src/api/handlers.h"

enum api_fate
api_incremental_alter_configs(struct api_call *c, const struct kp_incremental_alter_configs_req *q,
    struct kp_incremental_alter_configs_res *a)
{
	rk_assert(c->plan != NULL);
	c->plan->others = c->controller;
	meta_incremental_alter_configs(c->plan, c->head.version, q, a);
	return API_NOW;
}
