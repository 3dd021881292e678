/* create_topics.c - key 19: new topics (KIP-4; defaults KIP-464; answers with configs KIP-525). */
#include "protocol/gen/create_topics.h"
#include "src/api/handlers.h"

enum api_fate
api_create_topics(struct api_call *c, const struct kp_create_topics_req *q, struct kp_create_topics_res *a)
{
	rk_assert(c->plan != NULL);
	meta_create_topics(c->plan, c->head.version, q, a);
	return API_NOW;
}
