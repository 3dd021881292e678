/* verifiable.c - events of verifiable-producer and verifiable-consumer. */
#include "src/cmd/jread.h"
#include "src/cmd/perf.h"
#include "src/cmd/verifiable.h"

void
cmd_event(const char *name)
{
	printf("{\"timestamp\":%" PRId64 ",\"name\":\"%s\"", cmd_perf_wall_ms(), name);
}

void
cmd_event_end(void)
{
	puts("}");
	fflush(stdout);
}

void
cmd_event_bare(const char *name)
{
	cmd_event(name);
	cmd_event_end();
}

void
cmd_event_text(const char *name, const void *value, size_t len)
{
	printf(",\"%s\":", name);
	if (value == NULL)
		fputs("null", stdout);
	else
		cmd_write_string(stdout, (struct rk_str){value, (int32_t)len});
}

void
cmd_event_number(const char *name, int64_t value)
{
	printf(",\"%s\":%" PRId64, name, value);
}

bool
cmd_verifiable_props(const struct cmd_args *a, const char *old_config, struct cmd_props *p)
{
	const char *file =
	    cmd_text(a, cmd_given(a, "command-config") ? "command-config" : old_config);

	if (cmd_given(a, old_config))
		fprintf(stderr,
		    "Option --%s has been deprecated and will be removed in a future version. Use "
		    "--command-config instead.\n",
		    old_config);
	if (file != NULL && !cmd_props_read(p, file)) {
		cmd_fail(a, "cannot read %s: %s", file, strerror(errno));
		return false;
	}
	cmd_props_set(p, "bootstrap.servers", cmd_text(a, "bootstrap-server"));
	return true;
}

int
cmd_verifiable_check(const struct cmd_args *a, const char *third)
{
	char line[300];

	if (a->rest_count > 0) {
		snprintf(line, sizeof line, "unrecognized arguments: '%s'", a->rest[0]);
		return cmd_usage(a, line);
	}
	return third == NULL ? cmd_require(a, "topic", "bootstrap-server", NULL)
			     : cmd_require(a, "topic", third, "bootstrap-server", NULL);
}
