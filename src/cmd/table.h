/* table.h - tables as Kafka's argparse4j commands print them: cells padded to the widest of their
 * column, a tab behind each. */
#ifndef CMD_TABLE_H
#define CMD_TABLE_H
#include "src/cmd/cmd.h"

struct cmd_table {
	struct rk_arena *arena; /* keeps the cells */
	uint32_t columns, cells, cap;
	const char **cell;
};

/* Begins a table with its header; names end with NULL. */
void cmd_table_begin(struct cmd_table *, struct rk_arena *, const char *const *names);
/* Adds the next cell, row by row. */
void cmd_table_put(struct cmd_table *, const char *fmt, ...) rk_format(2, 3);
void cmd_table_number(struct cmd_table *, int64_t n,
    const char *otherwise);               /* otherwise: for what is below 0; NULL: itself */
void cmd_table_print(struct cmd_table *); /* and frees it */
#endif
