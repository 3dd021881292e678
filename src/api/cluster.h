/* cluster.h - the cluster as a client of one listener sees it: for Metadata, DescribeCluster and
 * DescribeTopicPartitions. Everything it gives lives in the call's arena. */
#ifndef API_CLUSTER_H
#define API_CLUSTER_H
#include "protocol/gen/metadata_records.h"
#include "src/api/api.h"

/* All operations an authorizer could allow, as bits: what a cluster without one answers. */
enum { API_CLUSTER_OPERATIONS = 8096, API_TOPIC_OPERATIONS = 3576 };

struct api_broker {
	int32_t id, port; /* id first: it is looked for by it */
	struct rk_str host, rack;
	bool alive;   /* registered, not fenced */
	bool reached; /* it has an endpoint on the caller's listener */
	const struct rk_uuid *dirs; /* its directories that are online; none: it has not said */
	int32_t dir_count;
};
struct api_brokers {
	struct api_broker *at; /* ascending by id */
	uint32_t count;
};
/* All registered brokers; false: the arena is over. */
bool api_brokers_of(struct api_call *, struct api_brokers *);
const struct api_broker *api_broker(
    const struct api_brokers *, int32_t id); /* NULL: not registered */
/* Some broker that is alive, for clients that ask who the controller is; -1: none. */
int32_t api_any_broker(struct api_call *, const struct api_brokers *);

/* One partition for an answer. */
struct api_part {
	enum rk_err err;
	int32_t leader, leader_epoch;
	int32_t *replicas, *isr, *elr, *last_elr, *offline;
	int32_t replica_count, isr_count, elr_count, last_elr_count, offline_count; /* -1: null */
};
/* old_errors: a listener the leader lacks is LEADER_NOT_AVAILABLE (before version 6 of Metadata).
 */
bool api_part_of(struct api_call *, const struct api_brokers *, struct rk_uuid topic, int32_t index,
    bool old_errors, struct api_part *);

/* Remembers strings: true the second time. Grows in the arena. */
struct api_names {
	struct rk_str *slot;
	uint32_t cap, count;
};
bool api_seen(struct api_call *, struct api_names *, struct rk_str);
#endif
