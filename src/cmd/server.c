/* server.c - rookery server: reads the configuration, checks the machine, runs a node.
 *
 * What can be wrong is looked for before anything is opened for writing: the file itself
 * (src/config.h says what and where), the directories, their meta.properties, the ports and the
 * limits. -t stops there. */
#include <signal.h>
#include <sys/resource.h>
#include "src/cmd/server.h"
#include "src/host/host.h"

static const struct cmd_opt opts[] = {
    {"override", CMD_TEXT, CMD_REPEAT, 0, 0, "key=value", NULL,
	"A setting that wins over the file; may be given many times."},
    {"test", CMD_FLAG, 0, 't', 0, NULL, NULL,
	"Check the configuration, the directories, the ports and the machine's limits; start "
	"nothing. Exit status 0 when a node "
	"would start."},
    {"dev", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Run a cluster of this one node in a temporary directory that goes when it ends; needs no "
	"file."},
    {"nodes", CMD_LONG, 0, 0, 0, "n", NULL,
	"With --dev: a cluster of so many nodes (1 to 9), each a process of its own: node i serves "
	"clients on 127.0.0.1:(9091+i). --override then holds for all of them."},
    {"print-config", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With a file: print the configuration in effect, secrets hidden. Without: a "
	"server.properties with every key, its default "
	"and a sentence. Nothing is started."},
    {"daemon", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Go to the background; what is said goes to $LOG_DIR/rookery-server.out (LOG_DIR: the "
	"current directory)."},
    {"log-level", CMD_TEXT, 0, 0, 0, "level", "info",
	"The least that is said: trace, debug, info, warn, error or fatal."},
};

static enum rk_level
level_of(const char *name)
{
	static const char *const names[] = {"trace", "debug", "info", "warn", "error", "fatal"};

	for (uint32_t i = 0; i < rk_countof(names); i++)
		if (strcasecmp(names[i], name) == 0)
			return (enum rk_level)i;
	return RK_INFO;
}

static void
print_notes(const struct conf_notes *n, enum rk_level least)
{
	for (uint32_t i = 0; i < n->count; i++)
		if (n->at[i].level >= least)
			rk_say(n->at[i].level, "%.*s%s%.*s", n->at[i].where.len, n->at[i].where.at,
			    n->at[i].where.len > 0 ? ": " : "", n->at[i].text.len,
			    n->at[i].text.at);
}

/* The file's bytes. False: cannot be read; said. */
static bool
slurp(const char *path, struct rk_arena *a, struct rk_str *bytes)
{
	FILE *f = fopen(path, "r");
	size_t cap = 1 << 20, n;
	char *p = rk_arena_raw(a, cap);

	if (f == NULL || p == NULL) {
		rk_say(RK_ERROR,
		    "%s cannot be read: %s. Give the path of a server.properties, or --dev for a "
		    "node without one.",
		    path, strerror(errno));
		if (f != NULL)
			fclose(f);
		return false;
	}
	n = fread(p, 1, cap, f);
	fclose(f);
	if (n == cap) {
		rk_say(RK_ERROR, "%s is larger than a configuration file can be (1 MiB)", path);
		return false;
	}
	*bytes = (struct rk_str){p, (int32_t)n};
	return true;
}

struct conf *
cmd_server_conf(struct cmd_server *s, struct conf_notes *notes)
{
	struct rk_str bytes = rk_lit("");

	*notes = (struct conf_notes){.arena = &s->arena};
	if (s->path != NULL && !slurp(s->path, &s->arena, &bytes))
		return NULL;
	return conf_read(s->path == NULL ? "" : s->path, bytes, s->override, s->overrides, notes);
}

/* SIGHUP: the file is read again; one with errors changes nothing. */
static void
reload(void *arg, struct node *node)
{
	struct cmd_server *s = arg;
	struct conf_notes notes;
	struct conf *fresh = cmd_server_conf(s, &notes);

	if (fresh == NULL)
		return;
	print_notes(&notes, RK_WARN);
	if (notes.errors > 0)
		rk_say(RK_ERROR, "%s has errors: the node keeps the configuration it has", s->path);
	else
		node_reload(node, fresh);
	conf_free(fresh);
}

static void
started(void *arg, struct host_world *w)
{
	struct cmd_server *s = arg;
	const struct conf *c = s->conf;

	for (uint32_t i = 0; i < c->listener_count; i++)
		rk_say(RK_INFO, "listening: %s://%s:%u (%s%s)", c->listener[i].name,
		    c->listener[i].host, host_port(w, i),
		    conf_security_name(c->listener[i].protocol),
		    c->listener[i].is_controller ? ", controllers" : "");
}

static void
banner(struct cmd_server *s)
{
	const struct conf *c = s->conf;
	char dirs[600];
	size_t n = 0;

	for (uint32_t i = 0; i < c->dirs.count && n < sizeof dirs; i++)
		n += (size_t)snprintf(
		    dirs + n, sizeof dirs - n, "%s%s", i == 0 ? "" : ", ", c->dirs.at[i]);
	rk_say(RK_INFO, "rookery " PACKAGE_VERSION ": node %d (%s%s%s) of cluster %s", c->node_id,
	    c->is_broker ? "broker" : "", c->is_broker && c->is_controller ? ", " : "",
	    c->is_controller ? "controller" : "", s->cluster_id);
	rk_say(RK_INFO, "directories: %s", dirs);
}

static int
serve(struct cmd_server *s)
{
	struct host_settings h;

	if (!host_settings_of(&h, s->conf))
		return 1;
	h.options.reload = reload;
	h.options.reload_arg = s;
	h.options.started = started;
	h.options.started_arg = s;
	banner(s);
	return host_run(&h.options);
}

static int
print_config(const struct conf *c)
{
	uint32_t count;
	const struct conf_row *row = conf_rows(CONF_BROKERS, &count);

	for (uint32_t i = 0; i < count; i++) {
		const char *v = conf_text(c, row[i].name);
		if (v != NULL && row[i].shown != CONF_INTERNAL)
			printf(
			    "%s=%s\n", row[i].name, row[i].type == CONF_PASSWORD ? "[hidden]" : v);
	}
	return 0;
}

static int
background(void)
{
	const char *dir = getenv("LOG_DIR");
	char path[600];
	int out;

	snprintf(path, sizeof path, "%s/rookery-server.out", dir == NULL ? "." : dir);
	out = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (out < 0) {
		rk_say(RK_ERROR, "%s cannot be written: %s", path, strerror(errno));
		return 1;
	}
	switch (fork()) {
	case -1:
		rk_say(RK_ERROR, "cannot go to the background: %s", strerror(errno));
		return 1;
	case 0:
		break;
	default:
		_exit(0);
	}
	setsid();
	dup2(open("/dev/null", O_RDONLY), 0);
	dup2(out, 1);
	dup2(out, 2);
	return 0;
}

/* A listener on every address is advertised under this machine's name, as Kafka does it. */
static void
name_listeners(struct conf *c)
{
	static char name[256];

	if (gethostname(name, sizeof name - 1) != 0)
		return;
	for (uint32_t i = 0; i < c->listener_count; i++)
		if (c->listener[i].advertised_host != NULL && c->listener[i].advertised_host[0] == '\0')
			c->listener[i].advertised_host = name;
}

/* Everything up to the node itself; with -t and --print-config there is no more. */
static int
with_conf(struct cmd_server *s)
{
	struct conf_notes notes;
	int rc;

	s->conf = cmd_server_conf(s, &notes);
	if (s->conf == NULL)
		return 1;
	name_listeners(s->conf);
	bool test = cmd_given(s->a, "test");
	print_notes(&notes, test ? RK_INFO : RK_WARN);
	if (notes.errors > 0) {
		rk_say(RK_ERROR, "%s: %u error%s; nothing was started", s->path, notes.errors,
		    notes.errors == 1 ? "" : "s");
		return 1;
	}
	if (cmd_given(s->a, "print-config"))
		return print_config(s->conf);
	rc = cmd_server_check(s, test);
	if (test)
		printf(
		    "%s: %s\n", s->path, rc == 0 ? "a node would start" : "a node would not start");
	if (rc != 0 || test)
		return rc;
	if (cmd_given(s->a, "daemon") && (rc = background()) != 0)
		return rc;
	return serve(s);
}

static int
run(struct cmd_args *a)
{
	struct cmd_server s = {.a = a};
	bool dev = cmd_given(a, "dev");
	int rc;

	rk_arena_init(&s.arena, 64 << 20);
	host_say(level_of(cmd_text(a, "log-level")));
	if (cmd_given(a, "print-config") && a->rest_count == 0 && !dev) {
		struct rk_str text = conf_sample(&s.arena);
		fwrite(text.at, 1, (size_t)rk_max(text.len, 0), stdout);
		rk_arena_free(&s.arena);
		return 0;
	}
	while (cmd_nth(a, "override", s.overrides) != NULL)
		s.overrides++;
	s.override = rk_arena_get(&s.arena, s.overrides + CMD_DEV_OVERRIDES, sizeof *s.override);
	for (uint32_t i = 0; i < s.overrides; i++)
		s.override[i] = cmd_nth(a, "override", i);
	s.path = a->rest_count > 0 ? a->rest[0] : NULL;
	if (s.path == NULL && !dev)
		rc = cmd_usage(
		    a, "USAGE: rookery server server.properties [--override property=value]*");
	else if (cmd_given(a, "nodes"))
		rc = dev ? cmd_server_nodes(&s, cmd_number(a, "nodes", 0))
			 : cmd_usage(a, "--nodes goes with --dev: a cluster that is not thrown away "
					"has a server.properties for each node");
	else if (dev && !cmd_server_dev(&s))
		rc = 1;
	else
		rc = with_conf(&s);
	if (dev)
		cmd_server_dev_end(&s);
	conf_free(s.conf);
	rk_arena_free(&s.arena);
	return rc;
}

const struct cmd_spec cmd_server_spec = {
    .name = "server",
    .peer = "kafka-server-start",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Runs a node: a broker, a controller, or both.",
    .about = "Reads server.properties (see server.properties(5)), says what in it is wrong or has "
	     "no effect, and runs the node until "
	     "SIGTERM or SIGINT. SIGHUP reads the file again and takes over what may change while "
	     "running. The directories must have "
	     "been formatted with rookery storage format, or by Kafka.\n.PP\n"
	     "Lines for people go to standard error, with a time stamp or, under systemd, with a "
	     "priority; systemd is told when the node "
	     "is up (Type=notify).",
    .odd_usage = true,
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
