/* reassign.h - the parts of rookery reassign-partitions: reading the files, generating, executing,
 * verifying, cancelling. */
#ifndef CMD_REASSIGN_H
#define CMD_REASSIGN_H
#include "src/cmd/admin.h"
#include "src/cmd/jread.h"

struct cmd_reassign {
	const struct cmd_args *a;
	struct cmd_client c;
	struct cmd_read json;
	struct cmd_move *move; /* what the file asks for, sorted */
	uint32_t moves;
	struct cmd_move *now; /* what is under way anywhere, sorted */
	uint32_t nows;
	struct cmd_dir_move *dir; /* of it, replicas that shall lie in a certain directory */
	uint32_t dirs;
	struct rk_str *topic; /* the topics of moves, or of the file for --generate; sorted */
	uint32_t topics;
	struct cmd_view view;
	struct cmd_places places;
};

/* Kafka's command says its errors on stdout: "Error: ..."; returns 1. */
int cmd_reassign_error(const char *fmt, ...) rk_format(1, 2);
/* The same with the name of the exception that the client's failure is there. */
int cmd_reassign_failed(const struct cmd_reassign *);

/* reassign_read.c: the files, of moves or of topics; 1 after saying what is wrong. */
typedef int cmd_reassign_parser(struct cmd_reassign *, const char *text, size_t len);
cmd_reassign_parser cmd_reassign_parse, cmd_reassign_parse_topics;
int cmd_reassign_read(struct cmd_reassign *, const char *path, cmd_reassign_parser *);

/* reassign_partitions.c: partitions as Kafka's JSON; dirs: where they lie, else "any". */
void cmd_reassign_json(struct cmd_reassign *, FILE *, const struct cmd_move *, uint32_t, bool dirs);
/* Asks what is under way. */
int cmd_reassign_under_way(struct cmd_reassign *);
/* Describes the topics of the file; 1 after saying which is not there. */
int cmd_reassign_describe(struct cmd_reassign *);
/* Where the replicas of the view lie, as far as their brokers answer. */
void cmd_reassign_places(struct cmd_reassign *);

/* reassign_execute.c */
int cmd_reassign_execute(struct cmd_reassign *);
/* Throttles the moves of r (whose topics are described and marked with what is under way) at so many bytes
 * a second. */
int cmd_reassign_throttle(struct cmd_reassign *, int64_t rate);
/* The brokers of dir, each once. */
struct cmd_ids cmd_reassign_dir_brokers(struct cmd_reassign *);
/* Asks for the directories until timeout_ms have passed; 1 after saying what did not start. */
int cmd_reassign_dirs(struct cmd_reassign *, struct cmd_dir_move *, uint32_t, int64_t timeout_ms);

/* reassign_verify.c */
int cmd_reassign_verify(struct cmd_reassign *);
int cmd_reassign_cancel(struct cmd_reassign *);
int cmd_reassign_unthrottle(struct cmd_reassign *); /* and says so */

/* reassign_generate.c */
int cmd_reassign_generate(struct cmd_reassign *);
#endif
