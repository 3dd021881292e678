/* handlers.h - the prototypes of all handlers, one per row of api.tbl. */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H
#include "src/api/api.h"
#define API(name, key, where, min, max, duty)                                                      \
	struct kp_##name##_req;                                                                    \
	struct kp_##name##_res;                                                                    \
	enum api_fate api_##name(struct api_call *, const struct kp_##name##_req *, struct kp_##name##_res *);
#include "src/api/api.tbl"
#undef API
#endif
