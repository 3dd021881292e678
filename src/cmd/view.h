/* view.h - the cluster as a command sees it: topics, partitions, moves under way, log directories.
 *
 * A view is gathered with a client; strings and lists live in the client's arena, the rows in the
 * heap until cmd_view_free. Every gathering function returns false when there was no answer or it
 * was an error: the client's why and err tell. */
#ifndef CMD_VIEW_H
#define CMD_VIEW_H
#include "src/cmd/client.h"

struct cmd_ids {
	const int32_t *at;
	int32_t len; /* -1: not known */
};
#define CMD_IDS(a) ((struct cmd_ids){(a).at, (a).len})

struct cmd_part {
	int32_t index, leader;
	struct cmd_ids replicas, isr, elr, last_elr;
	bool moving; /* a reassignment is under way (cmd_moves_mark): what comes and what goes, else empty */
	struct cmd_ids adding, removing;
};
struct cmd_topic {
	struct rk_str name;
	struct rk_uuid id;
	enum rk_err err; /* why it could not be described; then it has no partitions */
	struct cmd_part *part;
	uint32_t parts, cap;
	struct rk_str configs; /* "a=1,b=2": what differs from the default */
	int64_t min_isr;
};
struct cmd_view {
	struct cmd_topic *topic; /* by name, partitions by index */
	uint32_t topics, cap;
};

/* The names of all topics, sorted. */
rk_must_use bool cmd_view_names(struct cmd_client *, struct rk_str **name, uint32_t *names);
/* Describes topics by name (in pages of so many partitions) or one by its id. */
rk_must_use bool cmd_view_topics(struct cmd_view *, struct cmd_client *, const struct rk_str *name,
    uint32_t names, int32_t page);
rk_must_use bool cmd_view_topic_id(struct cmd_view *, struct cmd_client *, struct rk_uuid);
/* What is configured for the topics of the view: configs and min_isr. */
rk_must_use bool cmd_view_configs(struct cmd_view *, struct cmd_client *);
struct cmd_topic *cmd_view_topic(struct cmd_view *, struct rk_str name); /* NULL: not there */
struct cmd_part *cmd_view_part(struct cmd_view *, struct rk_str topic, int32_t index);
void cmd_view_free(struct cmd_view *);
/* DescribeQuorum of the metadata partition, which the answer speaks of when this is true. */
struct kp_describe_quorum_res;
rk_must_use bool cmd_view_quorum(struct cmd_client *, struct kp_describe_quorum_res *);

bool cmd_ids_has(struct cmd_ids, int32_t id);
/* Adds to the n ids those of more that are not there yet; returns how many there are then. */
int32_t cmd_ids_add(int32_t *to, int32_t n, struct cmd_ids more);
struct cmd_ids cmd_ids_without(struct rk_arena *, struct cmd_ids, struct cmd_ids those);
bool cmd_ids_same(struct cmd_ids, struct cmd_ids); /* in the same order */
/* "1,2,3" in the arena; for people "1, 2, 3" with the separator. */
const char *cmd_ids_text(struct rk_arena *, struct cmd_ids, const char *between);
/* The ids that stand there more than once, in the same form; NULL: none. */
const char *cmd_ids_twice(struct rk_arena *, struct cmd_ids, const char *between);
/* Replicas a partition has or shall have: while it moves, without those that come. */
int32_t cmd_part_factor(const struct cmd_part *);

/* One replica in one directory of one broker. */
struct cmd_place {
	int32_t broker, partition;
	struct rk_str topic, dir;
	int64_t size, lag;
	bool future; /* on its way into this directory */
	enum rk_err err; /* of the directory */
};
struct cmd_places {
	struct cmd_place *at;
	uint32_t count, cap;
	bool sorted; /* since the last was added */
};
/* Adds what a broker's directories hold. A directory that has failed adds one row with topic null.
 */
rk_must_use bool cmd_view_places(struct cmd_places *, struct cmd_client *, int32_t broker);
const struct cmd_place *cmd_place_find(
    struct cmd_places *, int32_t broker, struct rk_str topic, int32_t partition, bool future);
void cmd_places_free(struct cmd_places *);
#endif
