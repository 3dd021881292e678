/* perf.c - clocks and dates for the measurements. */
#include "src/cmd/perf.h"

int64_t
cmd_perf_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t
cmd_perf_wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
cmd_perf_sleep_us(int64_t us)
{
	if (us > 0)
		nanosleep(&(struct timespec){us / 1000000, us % 1000000 * 1000}, NULL);
}

void
cmd_perf_date(int64_t wall_ms, const char *pattern, char *to, size_t size)
{
	time_t s = (time_t)(wall_ms / 1000);
	struct tm t;
	size_t n = 0;

	localtime_r(&s, &t);
	*to = 0;
	while (*pattern != 0 && n + 12 < size) {
		int run = 1;
		while (pattern[run] == *pattern)
			run++;
		int v = *pattern == 'y'   ? t.tm_year + 1900
			: *pattern == 'M' ? t.tm_mon + 1
			: *pattern == 'd' ? t.tm_mday
			: *pattern == 'H' ? t.tm_hour
			: *pattern == 'm' ? t.tm_min
			: *pattern == 's' ? t.tm_sec
			: *pattern == 'S' ? (int)(wall_ms % 1000)
					  : -1;
		if (v < 0) {
			to[n++] = *pattern++;
			to[n] = 0;
			continue;
		}
		n += (size_t)snprintf(
		    to + n, size - n, "%0*d", run, *pattern == 'y' && run == 2 ? v % 100 : v);
		pattern += run;
	}
}

bool
cmd_perf_props(
    const struct cmd_args *a, const char *file, const char *const *lists, struct cmd_props *p)
{
	if (file != NULL && !cmd_props_read(p, file)) {
		cmd_fail(a, "cannot read %s: %s", file, strerror(errno));
		return false;
	}
	for (; *lists != NULL; lists++)
		for (uint32_t i = 0; cmd_nth(a, *lists, i) != NULL; i++)
			if (!cmd_props_add(p, cmd_nth(a, *lists, i))) {
				cmd_fail(a, "Invalid property: %s (key=value is meant)",
				    cmd_nth(a, *lists, i));
				return false;
			}
	return true;
}
