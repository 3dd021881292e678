/* configs.h - the two halves of rookery configs: resources, and users, clients and addresses. */
#ifndef CMD_CONFIGS_H
#define CMD_CONFIGS_H
#include "src/cmd/client.h"

enum cmd_entity {
	CMD_TOPICS,
	CMD_CLIENTS,
	CMD_USERS,
	CMD_BROKERS,
	CMD_IPS,
	CMD_CLIENT_METRICS,
	CMD_GROUPS,
	CMD_LOGGERS,
	CMD_ENTITIES
};
/* What a configuration is of. */
struct cmd_who {
	enum cmd_entity type;
	const char *name; /* NULL: none given; "": the default */
};
struct cmd_change {
	const char *key, *value; /* value NULL: delete */
};

struct cmd_configs {
	const struct cmd_args *a;
	struct cmd_client c;
	struct cmd_who who[CMD_ENTITIES];
	uint32_t whos;
	struct cmd_change *change;
	uint32_t changes;
};

/* "topics", and with one letter less what one of them is called. */
extern const char *const cmd_entity_names[CMD_ENTITIES];

/* Kafka's way to fail: the arguments, then the exception. Returns 1. */
int cmd_configs_wrong(struct cmd_configs *, enum rk_err, const char *why);
int cmd_configs_done(const struct cmd_configs *);

/* configs_user.c: users, clients and addresses. */
int cmd_configs_describe_user(struct cmd_configs *);
int cmd_configs_alter_user(struct cmd_configs *);
#endif
