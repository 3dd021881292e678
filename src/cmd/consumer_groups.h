/* consumer_groups.h - the parts of rookery consumer-groups. */
#ifndef CMD_CONSUMER_GROUPS_H
#define CMD_CONSUMER_GROUPS_H
#include "src/cmd/group.h"

struct cmd_groups_job {
	const struct cmd_args *a;
	struct cmd_client c;
	struct rk_str *id; /* the groups asked for: --group, or all there are; sorted, each once */
	uint32_t ids;
};

/* Kafka's command says on standard output what went wrong, and ends with 0 all the same. */
int cmd_groups_wrong(const char *fmt, ...) rk_format(1, 2);
/* What the client reports, as the exception that Kafka's command would show; wrapped: inside of how
 * many others. */
int cmd_groups_failed(const struct cmd_client *, int wrapped);
/* The spots that --topic asks for ("t", "t:0,1"); of a topic that is not there one without a
 * partition, when that is allowed. Returns 0, or the exit status + 1: said. */
int cmd_groups_topics(struct cmd_groups_job *, bool may_be_unknown, struct cmd_spots *);

int cmd_groups_describe(struct cmd_groups_job *);
int cmd_groups_reset(struct cmd_groups_job *);

/* "2020-01-31T23:59:59.999", with a time zone behind it or not (then it is UTC), in ms since 1970.
 * False: why is Kafka's complaint. */
bool cmd_when(const char *text, int64_t *ms, char *why, size_t why_size);
/* "PnDTnHnMnS" in ms. */
bool cmd_duration(const char *text, int64_t *ms, const char **why);
/* The offsets of a file: "topic,partition,offset" where one group is meant, else the group before
 * that. The rows of a group are sorted. Returns 0, or the exit status + 1: said. */
struct cmd_plan {
	struct rk_str group;
	struct cmd_spots spots;
};
int cmd_plan_read(struct cmd_groups_job *, const char *path, struct cmd_plan **, uint32_t *);
#endif
