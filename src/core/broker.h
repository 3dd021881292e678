/* broker.h - the brokers of the cluster, as the metadata has them: where they listen for other brokers, and whether
 * they count. Few, so a ring is enough. */
#ifndef CORE_BROKER_H
#define CORE_BROKER_H
#include "src/core/core.h"

struct core_broker {
	struct rk_list link;
	int32_t id;
	int64_t epoch;
	bool active;    /* not fenced, and not about to leave */
	bool reachable; /* it has a listener of our inter-broker listener's name */
	uint16_t port;
	char host[256];
	struct rk_str rack; /* its own; null: it has none */
};

struct core_broker *core_broker(const struct core *, int32_t id); /* NULL: not registered */
/* As the view has it now: made, changed or (not there any more) removed. True: something changed. */
bool core_broker_read(struct core *, const struct meta_view *, int32_t id);
void core_brokers_read(struct core *, const struct meta_view *); /* all of them */
void core_brokers_free(struct core *);
#endif
