/* group.h - consumer groups as the commands see them: who they are, what they committed, how far
 * behind they are.
 *
 * Everything that is gathered lives in the client's arena. A function that returns false got no
 * answer, or one that is an error for the whole group: the client's why and err tell. What may pass
 * (a coordinator that loads or moves) is tried again for as long as the client tries. */
#ifndef CMD_GROUP_H
#define CMD_GROUP_H
#include "src/cmd/view.h"

/* A place in a partition. */
struct cmd_spot {
	struct rk_str topic;
	int32_t partition; /* -1: of a topic that nobody knows */
	int64_t offset;    /* -1: none */
	int32_t epoch;     /* the leader's, as committed; -1: none */
	enum rk_err err;   /* why this one could not be done */
};
struct cmd_spots {
	struct cmd_spot *at;
	uint32_t count, cap;
};
/* Adds one without an offset. */
struct cmd_spot *cmd_spots_add(
    struct rk_arena *, struct cmd_spots *, struct rk_str topic, int32_t partition);
void cmd_spots_sort(struct cmd_spots *); /* by topic, partition and epoch */
/* Among sorted ones; NULL: not there. */
struct cmd_spot *cmd_spots_find(const struct cmd_spots *, struct rk_str topic, int32_t partition);
/* The topics and partitions of these spots, sorted as they are: describes them. */
rk_must_use bool cmd_spots_view(struct cmd_client *, const struct cmd_spots *, struct cmd_view *);
/* Sets the offset of each (they stand sorted) to that of a time, or of a place (CMD_AT_...). A
 * partition that is not in the view, has no leader or whose leader refuses keeps -1 and says why in
 * err. */
enum { CMD_AT_LATEST = -1, CMD_AT_EARLIEST = -2 };
rk_must_use bool cmd_spots_ask(
    struct cmd_client *, struct cmd_view *, struct cmd_spots *, int64_t at);

struct cmd_member {
	struct rk_str id, instance, client, host; /* instance: null when it has none */
	int32_t epoch;                            /* -1: the protocol knows none */
	bool classic; /* in a group of the consumer protocol, one that speaks the old one */
	struct cmd_spots now, target;
};
struct cmd_group {
	struct rk_str id, state, assignor; /* assignor: empty when there is none yet */
	bool modern;                       /* it speaks the consumer protocol, KIP-848 */
	int32_t coordinator, epoch, target_epoch;
	struct cmd_member *member;
	uint32_t members;
};
struct cmd_listed {
	struct rk_str id, protocol, state, type;
};

/* All groups of all brokers, by id; filters: commas mean "or", NULL or nothing: all. */
rk_must_use bool cmd_group_list(
    struct cmd_client *, const char *states, const char *types, struct cmd_listed **, uint32_t *);
/* The broker that coordinates a group (type 0) or a transactional id (1). */
rk_must_use bool cmd_coordinator(
    struct cmd_client *, int8_t type, struct rk_str key, int32_t *node);
/* Fills in what the group of this id is like. RK_GROUP_ID_NOT_FOUND: there is none. */
rk_must_use bool cmd_group_describe(struct cmd_client *, struct cmd_group *);
/* What it has committed, sorted. */
rk_must_use bool cmd_group_committed(struct cmd_client *, struct rk_str id, struct cmd_spots *);
/* Commits for it, from outside; the first partition's refusal is the answer. */
rk_must_use bool cmd_group_commit(struct cmd_client *, struct rk_str id, const struct cmd_spots *);
/* Deletes what it committed for these (sorted); *whole: the error for all of them, else each has
 * its own. */
rk_must_use bool cmd_group_forget(
    struct cmd_client *, struct rk_str id, struct cmd_spots *, enum rk_err *whole);
rk_must_use bool cmd_group_delete(struct cmd_client *, struct rk_str id, enum rk_err *);
#endif
