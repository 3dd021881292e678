/* server.h - the pieces of rookery server: the configuration, the checks, the throw-away cluster.
 */
#ifndef CMD_SERVER_H
#define CMD_SERVER_H
#include "src/cmd/cmd.h"
#include "src/config.h"

enum { CMD_DEV_OVERRIDES = 16 };

struct cmd_server {
	const struct cmd_args *a;
	const char *path; /* server.properties; NULL: none */
	const char **override;
	uint32_t overrides;
	struct rk_arena arena;
	struct conf *conf;
	char cluster_id[64]; /* as the directories say; "" before cmd_server_check */
	char dev_dir[64];    /* --dev: what goes at the end; "" when there is none */
};

/* Reads the file and the overrides. NULL: the file cannot be read; said. */
struct conf *cmd_server_conf(struct cmd_server *, struct conf_notes *);

/* Directories, meta.properties, and with thorough also ports, limits and space, each with what was
 * found. Returns 0 or 1, the exit status; what is wrong has been said, with what to do. Writes
 * nothing. */
int cmd_server_check(struct cmd_server *, bool thorough);

/* --dev: the temporary directory alone. False: said. */
bool cmd_server_dev_dir(struct cmd_server *);
/* --dev --nodes N: a cluster of so many nodes, each a process of its own, until SIGINT or SIGTERM. The exit status. */
int cmd_server_nodes(struct cmd_server *, int64_t nodes);
/* --dev: a temporary directory, formatted, and the overrides that make one node of it. False: said.
 */
bool cmd_server_dev(struct cmd_server *);
/* Removes it. */
void cmd_server_dev_end(struct cmd_server *);
#endif
