/* jread.h - JSON files as Kafka's commands read them: a chain of questions, one look at the end.
 *
 * The first thing that is not as asked for is remembered with Kafka's words for it; from then on
 * every answer is empty (NULL, 0, a null string) and nothing crashes on it. */
#ifndef CMD_JREAD_H
#define CMD_JREAD_H
#include <jansson.h>
#include "src/cmd/cmd.h"

struct cmd_read {
	json_t *root; /* owned */
	bool bad;     /* sticky */
	bool broken;  /* bad because the text is no JSON at all; why is empty then */
	char why[300];
};

/* Parses a text: what follows a whole value is ignored. */
void cmd_read_text(struct cmd_read *, const char *text, size_t len);
void cmd_read_free(struct cmd_read *);

json_t *cmd_read_object(struct cmd_read *, json_t *);                  /* must be one */
json_t *cmd_read_field(struct cmd_read *, json_t *object, const char *name); /* must be there */
json_t *cmd_read_list(struct cmd_read *, json_t *);
json_t *cmd_read_inner_list(struct cmd_read *, json_t *); /* the same with Kafka's other words */
int32_t cmd_read_int(struct cmd_read *, json_t *);
const char *cmd_read_string(struct cmd_read *, json_t *);
/* "version": 1 when it is not there. */
int32_t cmd_read_version(struct cmd_read *, json_t *object);

/* A text in quotes. */
void cmd_write_string(FILE *, struct rk_str);
/* A whole file with a zero behind it; the caller frees it. NULL: errno tells. */
char *cmd_read_file(const char *path, size_t *len);
#endif
