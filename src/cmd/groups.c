/* groups.c - rookery groups: lists groups of all kinds. */
#include <ctype.h>
#include <unistd.h>
#include "src/cmd/group.h"

static const struct cmd_opt opts[] = {
    {"bootstrap-server", CMD_TEXT, CMD_REQUIRED, 0, 0, "server to connect to", NULL,
	"Brokers to ask: host:port,..."},
    {"command-config", CMD_TEXT, 0, 0, 0, "command config property file", NULL,
	"A properties file with client settings."},
    {"consumer", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Only consumer groups of any kind: of type consumer, and of type classic with the protocol "
	"consumer or none."},
    {"group-type", CMD_TEXT, 0, 0, 0, "type", NULL,
	"Only groups of this type: classic, consumer, share or streams."},
    {"list", CMD_FLAG, 0, 0, 0, NULL, NULL, "List the groups."},
    {"protocol", CMD_TEXT, 0, 0, 0, "protocol", NULL, "Only groups with this protocol type."},
    {"share", CMD_FLAG, 0, 0, 0, NULL, NULL, "Only share groups."},
    {"streams", CMD_FLAG, 0, 0, 0, NULL, NULL, "Only streams groups."},
};

static bool
type_is(const struct cmd_listed *g, const char *type)
{
	return g->type.len == (int32_t)strlen(type)
	       && strncasecmp(g->type.at, type, strlen(type)) == 0;
}

static bool
wanted(const struct cmd_args *a, const struct cmd_listed *g)
{
	const char *type = cmd_text(a, "group-type"), *protocol = cmd_text(a, "protocol");

	if (cmd_given(a, "consumer"))
		return type_is(g, "consumer")
		       || (type_is(g, "classic")
			   && (g->protocol.len <= 0 || rk_str_is(g->protocol, "consumer")));
	if (cmd_given(a, "share"))
		return type_is(g, "share");
	if (cmd_given(a, "streams"))
		return type_is(g, "streams");
	return (type == NULL || type_is(g, type))
	       && (protocol == NULL || rk_str_is(g->protocol, protocol));
}

static void
print(const struct cmd_args *a, const struct cmd_listed *g, uint32_t n)
{
	int width = 20;

	for (uint32_t i = 0; i < n; i++)
		if (wanted(a, &g[i]))
			width = (int)rk_max(width, rk_max(g[i].id.len, g[i].protocol.len));
	printf("%-*s %-*s %-*s\n", width, "GROUP", width, "TYPE", width, "PROTOCOL");
	for (uint32_t i = 0; i < n; i++) {
		struct rk_str type = g[i].type;
		if (!wanted(a, &g[i]))
			continue;
		printf("%-*.*s %c%-*.*s %-*.*s \n", width, g[i].id.len, g[i].id.at,
		    type.len > 0 ? toupper((unsigned char)type.at[0]) : ' ', width - 1,
		    (int)rk_max(type.len - 1, 0), type.len > 0 ? type.at + 1 : "", width,
		    g[i].protocol.len, g[i].protocol.at);
	}
}

static int
check(const struct cmd_args *a)
{
	static const char *const one[] = {"consumer", "share", "streams"};
	static const char *const types[] = {"classic", "consumer", "share", "streams"};
	const char *type = cmd_text(a, "group-type");
	bool known = type == NULL;
	int rc = 0;

	if (!cmd_given(a, "bootstrap-server"))
		return cmd_usage(a, "Missing required option(s) [bootstrap-server]");
	if (!cmd_given(a, "list"))
		return cmd_usage(a, "Command must include exactly one action: --list.");
	for (uint32_t i = 0; i < rk_countof(one) && rc == 0; i++)
		rc = cmd_exclude(
		    a, one[i], "consumer", "share", "streams", "group-type", "protocol", NULL);
	for (uint32_t i = 0; i < rk_countof(types) && !known; i++)
		known = strcasecmp(types[i], type) == 0;
	if (rc == 0 && !known)
		return cmd_say("--group-type must be a valid group type.");
	return rc;
}

static int
run(struct cmd_args *a)
{
	const char *config = cmd_text(a, "command-config");
	struct cmd_listed *g;
	struct cmd_client c;
	char name[100];
	uint32_t n;
	int rc = check(a);

	if (rc != 0)
		return rc;
	if (config != NULL && access(config, R_OK) != 0)
		return cmd_say("%s: no such file", config);
	if (!cmd_client_start(&c, a))
		return 1;
	if (cmd_group_list(&c, NULL, NULL, &g, &n))
		print(a, g, n);
	else
		rc = cmd_say("%s: %s", cmd_java_error(c.err, name, sizeof name), c.why);
	cmd_client_close(&c);
	return rc;
}

const struct cmd_spec cmd_groups_spec = {
    .name = "groups",
    .peer = "kafka-groups",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Lists groups of all kinds.",
    .about = "Prints each group with its type (Classic, Consumer, Share, Streams) and its protocol "
	     "type: what kind of "
	     "program its members are, consumer or connect for instance. "
	     "rookery-consumer-groups(1) tells more of "
	     "consumer groups.",
    .odd_usage = true,
    .help_exit = 1,
    .bare_exit = -1,
    .run = run,
};
