/* alter_configs.c - key 33: the old way, which replaces a resource's configs as a whole. */
#include "protocol/gen/alter_configs.h"
#include "src/api/handlers.h"

enum api_fate
api_alter_configs(struct api_call *c, const struct kp_alter_configs_req *q, struct kp_alter_configs_res *a)
{
	rk_assert(c->plan != NULL);
	c->plan->others = c->controller;
	meta_alter_configs(c->plan, c->head.version, q, a);
	return API_NOW;
}
