/* fault.c - disks that fail on order, so that a whole running server can be watched when they do.
 *
 * ROOKERY_FAULT=OP:ERROR:PART-OF-PATH[:after=N][:times=N][,...]: the N first matching calls go well (0),
 * then `times` of them fail (all). OP: open read write fsync rename dirsync. ERROR: eio enospc edquot
 * emfile erofs. Off unless the variable is set when the process starts. */
#include <stdatomic.h>
#include "src/host/world.h"

enum { RULES = 8 };
static struct {
	enum host_fault op;
	int error;
	char part[128];
	int64_t after, times;
	atomic_llong seen;
} rule[RULES];
static uint32_t rules;
bool host_faulty;

static const char *const op_name[HOST_FAULTS] = { "open", "read", "write", "fsync", "rename", "dirsync" };
static const struct {
	const char *name;
	int error;
} error_name[] = { { "eio", EIO }, { "enospc", ENOSPC }, { "edquot", EDQUOT }, { "emfile", EMFILE },
	{ "erofs", EROFS } };

static bool
parse(char *text)
{
	char *rest = text, *op = strsep(&rest, ":"), *error = strsep(&rest, ":"), *part = strsep(&rest, ":");
	uint32_t o = 0, e = 0;

	if (part == NULL || rules == RULES)
		return false;
	while (o < HOST_FAULTS && strcmp(op_name[o], op) != 0)
		o++;
	while (e < rk_countof(error_name) && strcmp(error_name[e].name, error) != 0)
		e++;
	if (o == HOST_FAULTS || e == rk_countof(error_name))
		return false;
	rule[rules].op = (enum host_fault)o;
	rule[rules].error = error_name[e].error;
	rule[rules].after = 0;
	rule[rules].times = INT64_MAX;
	atomic_store(&rule[rules].seen, 0);
	rk_str_copy(rule[rules].part, sizeof rule[rules].part, rk_str_of(part));
	for (char *more; (more = strsep(&rest, ":")) != NULL;)
		if (strncmp(more, "after=", 6) == 0)
			rule[rules].after = atoll(more + 6);
		else if (strncmp(more, "times=", 6) == 0)
			rule[rules].times = atoll(more + 6);
		else
			return false;
	rules++;
	return true;
}

void
host_fault_setup(const char *text)
{
	char copy[1024];

	rules = 0;
	if (text != NULL) {
		rk_str_copy(copy, sizeof copy, rk_str_of(text));
		char *rest = copy;
		for (char *one; (one = strsep(&rest, ",")) != NULL;)
			if (!parse(one))
				rk_say(RK_WARN, "ROOKERY_FAULT: cannot make sense of this rule: it is ignored; "
					"write OP:ERROR:PART-OF-PATH[:after=N][:times=N]");
	}
	host_faulty = rules > 0;
	if (host_faulty)
		rk_say(RK_WARN, "ROOKERY_FAULT is set: %" PRIu32 " kind(s) of disk failure will be made up", rules);
}

int
host_fault(enum host_fault what, const char *path)
{
	for (uint32_t i = 0; i < rules; i++)
		if (rule[i].op == what && strstr(path, rule[i].part) != NULL) {
			int64_t n = atomic_fetch_add(&rule[i].seen, 1) - rule[i].after;
			if (n >= 0 && n < rule[i].times)
				return rule[i].error;
		}
	return 0;
}
