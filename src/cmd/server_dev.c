/* server_dev.c - rookery server --dev: a cluster of one node that lives as long as the command. */
#include <ftw.h>
#include <sys/wait.h>
#include "src/cmd/server.h"

static void
set(struct cmd_server *s, const char *key, const char *value)
{
	s->override[s->overrides++] = rk_arena_print(&s->arena, "%s=%s", key, value).at;
}

static bool
given(const struct cmd_server *s, const char *key)
{
	size_t n = strlen(key);

	for (uint32_t i = 0; i < s->overrides; i++)
		if (strncmp(s->override[i], key, n) == 0 && s->override[i][n] == '=')
			return true;
	return false;
}

/* Runs this very program with these words, its standard output thrown away; its exit status. */
static int
self(char *const argv[])
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY), 1);
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Formatting reads a file, so the settings are written to one; it then stands for the node's own.
 */
static bool
format(struct cmd_server *s)
{
	char *path = rk_mem_get(200);
	char *argv[] = {"rookery", "storage", "format", "--standalone", "-t",
	    "rookery-dev-cluster-AA", "-c", path, NULL};
	FILE *f;
	int rc = 1;

	snprintf(path, 200, "%s/server.properties", s->dev_dir);
	s->path = rk_arena_str(&s->arena, rk_str_of(path)).at;
	if ((f = fopen(path, "w")) == NULL) {
		rk_say(RK_ERROR, "%s cannot be written: %s", path, strerror(errno));
	} else {
		for (uint32_t i = 0; i < s->overrides; i++)
			fprintf(f, "%s\n", s->override[i]);
		fclose(f);
		if ((rc = self(argv)) != 0)
			rk_say(RK_ERROR, "%s could not be formatted", s->dev_dir);
	}
	rk_mem_put(path);
	return rc == 0;
}

bool
cmd_server_dev_dir(struct cmd_server *s)
{
	const char *tmp = getenv("TMPDIR");

	if (s->path != NULL) {
		rk_say(RK_ERROR,
		    "--dev makes its own configuration: leave out %s, and change settings with "
		    "--override",
		    s->path);
		return false;
	}
	if (snprintf(
		s->dev_dir, sizeof s->dev_dir, "%s/rookery-dev-XXXXXX", tmp == NULL ? "/tmp" : tmp)
		>= (int)sizeof s->dev_dir
	    || mkdtemp(s->dev_dir) == NULL) {
		rk_say(RK_ERROR,
		    "no temporary directory %s: %s. Set TMPDIR to one that can be written",
		    s->dev_dir, strerror(errno));
		*s->dev_dir = 0;
		return false;
	}
	return true;
}

bool
cmd_server_dev(struct cmd_server *s)
{
	static const char *const settings[][2] = {
	    {"process.roles", "broker,controller"},
	    {"node.id", "1"},
	    {"listeners", "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"},
	    {"controller.listener.names", "CONTROLLER"},
	    {"controller.quorum.bootstrap.servers", "127.0.0.1:9093"},
	    {"offsets.topic.replication.factor", "1"},
	    {"transaction.state.log.replication.factor", "1"},
	    {"transaction.state.log.min.isr", "1"},
	    {"group.initial.rebalance.delay.ms", "0"},
	};

	if (!cmd_server_dev_dir(s))
		return false;
	for (uint32_t i = 0; i < rk_countof(settings); i++)
		if (!given(s, settings[i][0]))
			set(s, settings[i][0], settings[i][1]);
	if (!given(s, "log.dirs"))
		set(s, "log.dirs", rk_arena_print(&s->arena, "%s/data", s->dev_dir).at);
	return format(s);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

void
cmd_server_dev_end(struct cmd_server *s)
{
	if (*s->dev_dir != 0 && nftw(s->dev_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		rk_say(RK_WARN, "%s could not be removed: %s", s->dev_dir, strerror(errno));
}
