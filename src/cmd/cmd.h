/* cmd.h - what every subcommand of rookery may use.
 *
 * rookery is one program: "rookery topics ..." and, through a link, "rookery-topics ...". A
 * subcommand is a row in cmd.tbl and a file that defines cmd_NAME_spec. What Kafka's scripts print
 * on stdout, these print too; stderr is for people: who, what, why, what to do. */
#ifndef CMD_H
#define CMD_H
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "src/cmd/opt.h"

#define CMD(name, text) extern const struct cmd_spec cmd_##name##_spec;
#include "src/cmd/cmd.tbl"
#undef CMD

/* One line on stderr: "rookery topics: ..."; returns 1, the exit status. */
int cmd_fail(const struct cmd_args *, const char *fmt, ...) rk_format(2, 3);
/* The same in the words of Kafka's command, which puts no name before them. */
int cmd_say(const char *fmt, ...) rk_format(1, 2);

/* How Java spells an error: "org.apache.kafka.common.errors.TimeoutException"; returns to. */
const char *cmd_java_error(enum rk_err, char *to, size_t size);
/* A number as Java prints a double: "2097152.0", "1.0E8"; returns to. */
const char *cmd_double(double, char to[40]);

/* The version of Kafka's tools these are compatible with; what --version prints. */
#define CMD_KAFKA_VERSION "4.3.0"

/* --- properties: Java's format, as far as Kafka's files use it */
struct cmd_prop {
	char *key, *value;
};
struct cmd_props {
	struct cmd_prop *at;
	uint32_t count, cap;
};
/* Reads a file of them; on false errno tells why. */
bool cmd_props_read(struct cmd_props *, const char *path);
void cmd_props_set(struct cmd_props *, const char *key, const char *value); /* the last one wins */
/* "key=value"; false: no '='. A key without a value is the empty string. */
bool cmd_props_add(struct cmd_props *, const char *pair);
const char *cmd_props_get(const struct cmd_props *, const char *key); /* NULL: not there */
bool cmd_props_true(const struct cmd_props *, const char *key, bool otherwise);
void cmd_props_free(struct cmd_props *);

/* --- regular expressions, as Kafka's tools take them: the whole name must match. Java's \d, \w, \s
 * are understood, look-around is not. NULL: not an expression; what is wrong stands in why. */
struct cmd_regex;
struct cmd_regex *cmd_regex_new(const char *pattern, char *why, size_t why_size);
/* A list of topics: commas mean "or", quotes around it are taken off. */
struct cmd_regex *cmd_regex_topics(const char *pattern, char *why, size_t why_size);
bool cmd_regex_is(const struct cmd_regex *, struct rk_str);
void cmd_regex_free(struct cmd_regex *);

int64_t cmd_now_ms(void); /* monotonic */
/* Whether the topic is one of Kafka's own. */
bool cmd_topic_internal(struct rk_str);
/* Splits at the character; the pieces are trimmed and live in the arena. Returns their count. */
uint32_t cmd_split(struct rk_arena *, const char *text, char at, char ***pieces);
#endif
