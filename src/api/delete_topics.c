/* delete_topics.c - key 20: topics go by name or, from version 6, by id (KIP-516). */
#include "protocol/gen/delete_topics.h"
#include "src/api/handlers.h"

enum api_fate
api_delete_topics(struct api_call *c, const struct kp_delete_topics_req *q, struct kp_delete_topics_res *a)
{
	rk_assert(c->plan != NULL);
	meta_delete_topics(c->plan, c->head.version, q, a);
	return API_NOW;
}
