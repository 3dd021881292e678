/* drain.h - rookery cluster drain and can-stop: taking a broker out without anybody noticing. */
#ifndef CMD_DRAIN_H
#define CMD_DRAIN_H
#include "src/cmd/reassign.h"

/* Each returns the exit status; id is the broker. The client of the arguments is opened inside. */
int cmd_cluster_drain(const struct cmd_args *, int32_t id);
int cmd_cluster_can_stop(const struct cmd_args *, int32_t id);

/* A broker as DescribeCluster tells it, fenced ones too. */
struct cmd_node {
	int32_t id;
	struct rk_str rack;
	bool fenced;
};
/* All that are registered. False: the client tells. */
rk_must_use bool cmd_cluster_nodes(struct cmd_client *, struct cmd_node **, uint32_t *count);
/* The one of that number; NULL after saying that it is not there. */
const struct cmd_node *cmd_cluster_node(
    const struct cmd_args *, const struct cmd_node *, uint32_t count, int32_t id);

/* drain_watch.c: waits until the partitions of r->move are where they shall be and, unless undo, none of
 * them is led by the broker id; shows progress. */
int cmd_drain_watch(struct cmd_reassign *, int32_t id, bool undo);
/* "1.2 GB" */
const char *cmd_bytes(int64_t, char to[24]);
#endif
