/* server.c - rookery server: reads server.properties, runs a node until SIGTERM. */
#include <arpa/inet.h>
#include <ftw.h>
#include <netdb.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include "src/cmd/cmd.h"
#include "src/config.h"
#include "src/host/host.h"

enum { OVERRIDES_MAX = 256, FILES_WANTED = 4096 };

static const struct cmd_opt opts[] = {
    {"override", CMD_TEXT, CMD_REPEAT, 0, 0, "key=value", NULL,
	"A setting that wins over the file's."},
    {"test", CMD_FLAG, 0, 't', 0, NULL, NULL,
	"Test the configuration (file, directories, ports, limits, disk) and end: 0 when a node "
	"would start."},
    {"dev", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"A throw-away cluster of one node on 127.0.0.1:9092 with a temporary directory; needs no "
	"file."},
    {"print-config", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Print every key with its default and meaning, and end."},
    {"version", CMD_FLAG, 0, 0, 0, NULL, NULL, "Print the version and end."},
};

struct boot { /* what a running server's callbacks need */
	const char *file;
	const char **override;
	uint32_t overrides;
	struct conf *conf;
};

static void
print_notes(const struct conf_notes *n)
{
	for (uint32_t i = 0; i < n->count; i++)
		rk_say(n->at[i].level, "%.*s", (int)n->at[i].text.len, n->at[i].text.at);
}

/* The whole file; NULL: errno tells. */
static char *
slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *at = NULL;
	size_t cap = 0;

	*len = 0;
	if (f == NULL)
		return NULL;
	do {
		cap += 65536;
		at = rk_mem_grow(at, cap);
		*len += fread(at + *len, 1, cap - *len, f);
	} while (*len == cap);
	bool bad = ferror(f);
	fclose(f);
	if (bad) {
		rk_mem_put(at);
		return NULL;
	}
	return at;
}

/* NULL: it cannot be read or has errors, which have been said. */
static struct conf *
load(const struct boot *b)
{
	struct rk_arena a;
	struct conf *c = NULL;
	size_t len = 0;
	char *text = b->file == NULL ? NULL : slurp(b->file, &len);

	if (b->file != NULL && text == NULL) {
		rk_say(RK_ERROR, "The configuration file %s cannot be read: %s.", b->file,
		    strerror(errno));
		return NULL;
	}
	rk_arena_init(&a, 64u << 20);
	struct conf_notes notes = {.arena = &a};
	c = conf_read(b->file == NULL ? "--override" : b->file,
	    (struct rk_str){text == NULL ? "" : text, (int32_t)len}, b->override, b->overrides,
	    &notes);
	print_notes(&notes);
	if (notes.errors > 0) {
		conf_free(c);
		c = NULL;
	}
	rk_arena_free(&a);
	rk_mem_put(text);
	return c;
}

static void
reload(void *arg, struct node *n)
{
	struct boot *b = arg;
	struct conf *fresh = load(b);

	if (fresh == NULL) {
		rk_say(RK_ERROR,
		    "The configuration stays as it was: correct %s and send SIGHUP again.",
		    b->file);
		return;
	}
	node_reload(n, fresh);
	conf_free(fresh);
}

/* --- testing a configuration */

static uint32_t
test_dir(const struct conf *c, const char *dir)
{
	char path[PATH_MAX];
	struct stat s;
	struct statvfs v;

	(void)c;
	if (stat(dir, &s) != 0 || !S_ISDIR(s.st_mode)) {
		rk_say(RK_ERROR, "%s: %s. Make it with rookery-storage format.", dir,
		    errno != 0 ? strerror(errno) : "not a folder");
		return 1;
	}
	if (access(dir, R_OK | W_OK | X_OK) != 0) {
		rk_say(RK_ERROR, "%s: %s for user %d. Change its owner.", dir, strerror(errno),
		    (int)geteuid());
		return 1;
	}
	snprintf(path, sizeof path, "%s/meta.properties", dir);
	if (access(path, R_OK) != 0) {
		rk_say(RK_ERROR,
		    "%s: %s. Format the directory: rookery-storage format -t ID -c FILE.", path,
		    strerror(errno));
		return 1;
	}
	if (statvfs(dir, &v) == 0)
		rk_say(RK_INFO, "%s: formatted, %.1f GB free of %.1f GB", dir,
		    (double)v.f_bavail * (double)v.f_frsize / 1e9,
		    (double)v.f_blocks * (double)v.f_frsize / 1e9);
	return 0;
}

static uint32_t
test_port(const struct conf_listener *l)
{
	struct addrinfo hint = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *a = NULL;
	char port[16];
	int one = 1;
	uint32_t bad = 0;

	snprintf(port, sizeof port, "%d", (int)l->port);
	int err = getaddrinfo(l->host[0] == '\0' ? NULL : l->host, port, &hint, &a);
	if (err != 0) {
		rk_say(RK_ERROR, "listener %s: %s is no address of this machine: %s.", l->name,
		    l->host, gai_strerror(err));
		return 1;
	}
	int fd = socket(a->ai_family, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (fd < 0 || bind(fd, a->ai_addr, a->ai_addrlen) != 0) {
		rk_say(RK_ERROR,
		    "listener %s: %s:%s cannot be bound: %s. See who has it: ss -ltnp sport = :%s",
		    l->name, l->host, port, strerror(errno), port);
		bad = 1;
	}
	if (fd >= 0)
		close(fd);
	freeaddrinfo(a);
	return bad;
}

static int
test(const struct conf *c)
{
	struct rlimit r;
	uint32_t bad = 0;

	for (uint32_t i = 0; i < c->dirs.count; i++)
		bad += test_dir(c, c->dirs.at[i]);
	for (uint32_t i = 0; i < c->listener_count; i++)
		bad += test_port(&c->listener[i]);
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_max < FILES_WANTED)
		rk_say(RK_WARN,
		    "only %" PRIu64
		    " files may be open at once (ulimit -Hn): connections beyond it will wait. "
		    "%d and more are advisable.",
		    (uint64_t)r.rlim_max, FILES_WANTED);
	if (bad > 0)
		rk_say(RK_ERROR, "%" PRIu32 " things are wrong: a node would not start.", bad);
	else
		rk_say(RK_INFO, "The configuration is good: a node would start.");
	return bad > 0;
}

/* --- running */

static int
serve(struct boot *b)
{
	struct host_settings s;

	if (!host_settings_of(&s, b->conf))
		return 1;
	s.options.reload = reload;
	s.options.reload_arg = b;
	return host_run(&s.options);
}

/* --- the throw-away node */

static int
remove_one(const char *path, const struct stat *s, int what, struct FTW *f)
{
	(void)s;
	(void)what;
	(void)f;
	return remove(path);
}

/* Runs this very program with these words; its exit status. */
static int
self(char *const argv[])
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);
		dup2(null, 1);
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int
dev(struct boot *b)
{
	char dir[] = "/tmp/rookery-dev-XXXXXX", file[64];
	int rc = 1;

	if (mkdtemp(dir) == NULL) {
		rk_say(RK_ERROR, "A temporary directory cannot be made: %s.", strerror(errno));
		return 1;
	}
	snprintf(file, sizeof file, "%s/server.properties", dir);
	FILE *f = fopen(file, "w");
	if (f != NULL) {
		fprintf(f,
		    "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://"
		    "127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n"
		    "controller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=127."
		    "0.0.1:9093\nlog.dirs=%s/data\n"
		    "offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor="
		    "1\n"
		    "transaction.state.log.min.isr=1\nshare.coordinator.state.topic.replication."
		    "factor=1\n"
		    "share.coordinator.state.topic.min.isr=1\n",
		    dir);
		fclose(f);
		char *argv[] = {"rookery", "storage", "format", "--standalone", "-t",
		    "ZGV2ZWxvcG1lbnQtbm9kZQ", "-c", file, NULL};
		b->file = file;
		if (self(argv) == 0 && (b->conf = load(b)) != NULL)
			rc = serve(b);
		else
			rk_say(RK_ERROR, "%s could not be formatted.", dir);
	}
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return rc;
}

static int
print_sample(void)
{
	struct rk_arena a;

	rk_arena_init(&a, 64u << 20);
	struct rk_str s = conf_sample(&a);
	fwrite(s.at, 1, (size_t)rk_max(0, s.len), stdout);
	rk_arena_free(&a);
	return s.len < 0;
}

static int
run(struct cmd_args *a)
{
	const char *override[OVERRIDES_MAX];
	struct boot b = {.override = override};
	int rc;

	if (cmd_given(a, "version")) {
		puts(CMD_KAFKA_VERSION " (rookery " PACKAGE_VERSION ")");
		return 0;
	}
	if (cmd_given(a, "print-config"))
		return print_sample();
	host_say(RK_INFO);
	for (const char *o;
	     b.overrides < OVERRIDES_MAX && (o = cmd_nth(a, "override", b.overrides)) != NULL;
	     b.overrides++) {
		if (strchr(o, '=') == NULL)
			return cmd_fail(a, "--override %s: key=value is wanted", o);
		override[b.overrides] = o;
	}
	if (cmd_given(a, "dev"))
		return dev(&b);
	if (a->rest_count != 1)
		return cmd_usage(a, a->rest_count == 0 ? "The path of server.properties is missing."
						       : "One file is wanted.");
	b.file = a->rest[0];
	b.conf = load(&b);
	if (b.conf == NULL)
		return 1;
	rc = cmd_given(a, "test") ? test(b.conf) : serve(&b);
	conf_free(b.conf);
	return rc;
}

const struct cmd_spec cmd_server_spec = {
    .name = "server",
    .peer = "kafka-server-start",
    .summary = "rookery server FILE [--override key=value]...: runs a node until SIGTERM.",
    .about = "Runs a Kafka-compatible node with the settings of FILE, in Kafka's server.properties "
	     "form. Keys without an effect "
	     "are named in a warning, unknown ones with the nearest name.\n.PP\nSIGTERM and SIGINT "
	     "stop it cleanly (exit status 0); "
	     "a second one ends it at once. SIGHUP reads the file again and takes over what may "
	     "change while running. Under systemd "
	     "it says READY=1 (Type=notify).",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
