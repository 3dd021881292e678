/* admin.h - the changes that commands of clusters ask for, and those that are under way, one request a function.
 *
 * The arguments list what to do; errors come back beside each wish (err and, for people,
 * says). False: the request as a whole was not answered or refused; the client's why and err tell,
 * and nothing is known of the single wishes. */
#ifndef CMD_ADMIN_H
#define CMD_ADMIN_H
#include "src/cmd/view.h"

/* A partition's replicas shall be these; len -1: take a reassignment back. Of a move that is under
 * way to lists all replicas, and adding and removing say which of them come and go. */
struct cmd_move {
	struct rk_str topic;
	int32_t partition;
	struct cmd_ids to, adding, removing;
	enum rk_err err;
	const char *says;
};
/* Wishes stand sorted by topic and partition, here and below. */
rk_must_use bool cmd_admin_reassign(
    struct cmd_client *, struct cmd_move *, uint32_t count, bool allow_factor_change);
void cmd_moves_sort(struct cmd_move *, uint32_t count);
struct cmd_move *cmd_move_find( /* among sorted ones; NULL: not there */
    struct cmd_move *, uint32_t count, struct rk_str topic, int32_t partition);
/* "t-0,t-1": the partitions that stand in the sorted list more than once; NULL: none. */
const char *cmd_moves_twice(struct rk_arena *, const struct cmd_move *, uint32_t count);
/* All that are under way, sorted; and their marks on the partitions of a view. */
rk_must_use bool cmd_admin_moves(struct cmd_client *, struct cmd_move **, uint32_t *count);
void cmd_moves_mark(const struct cmd_move *, uint32_t count, struct cmd_view *);

/* The partitions of moves (to is not looked at), or all of them when there are none; type 0:
 * preferred leaders, 1: unclean. What the answer tells is added to got, in its order. */
struct cmd_elected {
	struct rk_str topic;
	int32_t partition;
	enum rk_err err;
	const char *says;
};
rk_must_use bool cmd_admin_elect(struct cmd_client *, int8_t type, const struct cmd_move *,
    int32_t count, struct cmd_elected **got, uint32_t *gots);

/* A config to be set; value NULL: to be deleted. */
struct cmd_set {
	const char *name;
	const char *value;
};
enum { CMD_TOPIC_CONFIG = 2, CMD_BROKER_CONFIG = 4 };
/* Sets configs of one topic or broker (node: who is asked, CMD_ANY or the broker itself). */
rk_must_use bool cmd_admin_config(struct cmd_client *, int32_t node, int8_t kind, const char *name,
    const struct cmd_set *, uint32_t count);

/* A replica on a broker shall lie in this directory. */
struct cmd_dir_move {
	int32_t broker;
	struct rk_str topic;
	int32_t partition;
	const char *dir;
	enum rk_err err;
};
rk_must_use bool cmd_admin_dir(struct cmd_client *, struct cmd_dir_move *);
#endif
