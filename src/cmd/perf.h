/* perf.h - what both measurements use, and who else prints dates: clocks, dates, formats. */
#ifndef CMD_PERF_H
#define CMD_PERF_H
#include "src/cmd/cmd.h"

int64_t cmd_perf_us(void); /* monotonic */
int64_t cmd_perf_wall_ms(void);
void cmd_perf_sleep_us(int64_t);
/* A time by Java's SimpleDateFormat pattern, as far as digits go: yyyy MM dd HH mm ss SSS. */
void cmd_perf_date(int64_t wall_ms, const char *pattern, char *to, size_t size);
/* The properties of a file and of key=value lists (options' names, ending with NULL). False: said.
 */
bool cmd_perf_props(
    const struct cmd_args *, const char *file, const char *const *lists, struct cmd_props *);
#endif
