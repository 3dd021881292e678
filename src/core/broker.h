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
	bool fenced;
	int64_t lingers_ms; /* until then clients are told of it though it is fenced; see core_broker_lingers */
	uint16_t port;
	char host[256];
	struct rk_str rack; /* its own; null: it has none */
};

struct core_broker *core_broker(const struct core *, int32_t id); /* NULL: not registered */
/* It was fenced a short time ago, or it is this node, which whoever asks it has reached. Metadata goes on naming it for
 * as long as its session would last if it had just died, as Kafka does (we fence it within milliseconds), and when it
 * left in order, too: it may be back at once. librdkafka (2.10 on) gives up a broker that is named no more, with the
 * partitions that it is just moving from it, and a transaction's offsets wait for ever for a coordinator that it has
 * given up (its issue 5511). */
bool core_broker_lingers(const struct core *, int32_t id);
/* As the view has it now: made, changed or (not there any more) removed. True: something changed. */
bool core_broker_read(struct core *, const struct meta_view *, int32_t id);
void core_brokers_read(struct core *, const struct meta_view *); /* all of them */
void core_brokers_free(struct core *);
#endif
