/* verifiable.h - what the two programs for tests of others share: events, a line of JSON each. */
#ifndef CMD_VERIFIABLE_H
#define CMD_VERIFIABLE_H
#include "src/cmd/rd.h"

void cmd_event(const char *name); /* begins one: {"timestamp":...,"name":"..." */
void cmd_event_end(void);         /* }, and out with it: who reads waits for it */
void cmd_event_bare(const char *name);
/* ,"name":"value"; null when value is NULL. */
void cmd_event_text(const char *name, const void *value, size_t len);
void cmd_event_number(const char *name, int64_t value);

/* The properties of the file and the bootstrap servers. False: said. */
bool cmd_verifiable_props(const struct cmd_args *, const char *old_config, struct cmd_props *);
/* The options that must be there. */
int cmd_verifiable_check(const struct cmd_args *, const char *third);
#endif
