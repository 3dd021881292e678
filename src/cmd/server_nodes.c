/* server_nodes.c - rookery server --dev --nodes N: a throw-away cluster of N nodes, each a process of its own.
 *
 * Node i listens for clients on 127.0.0.1:(9091 + i) and for controllers on (9191 + i). The nodes are children of
 * this process, which only passes on what they say, tells who ended, and takes all of it away at the end: a
 * single node may be killed and started again by hand, which is what such a cluster is for. */
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "base/mem.h"
#include "src/cmd/posix.h"
#include "src/cmd/server.h"

enum { NODES_MAX = 9, CLIENTS = 9091, CONTROLLERS = 9191, LINE = 2000, PATIENCE_MS = 5000 };

struct child {
	pid_t pid; /* 0: ended */
	int said;  /* the end we read of its standard error; -1: closed */
	char line[LINE];
	size_t len;
};

struct herd {
	struct cmd_server *s;
	int count;
	struct child child[NODES_MAX];
	char ids[NODES_MAX][RK_UUID_TEXT];
};

static volatile sig_atomic_t told_to_stop;

static void
on_signal(int sig)
{
	(void)sig;
	told_to_stop = 1;
}

static const char *
path_of(struct herd *h, int node, const char *rest)
{
	return rk_arena_print(&h->s->arena, "%s/%d%s", h->s->dev_dir, node, rest).at;
}

static bool
write_conf(struct herd *h, int node)
{
	const char *path = path_of(h, node, "/server.properties");
	FILE *f = NULL;
	int factor = h->count < 3 ? h->count : 3, isr = factor > 1 ? factor - 1 : 1;

	if (mkdir(path_of(h, node, ""), 0700) != 0 || (f = fopen(path, "w")) == NULL) {
		rk_say(RK_ERROR, "%s cannot be written: %s", path, strerror(errno));
		return false;
	}
	fprintf(f, "process.roles=broker,controller\nnode.id=%d\n", node);
	fprintf(f, "listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d\n", CLIENTS + node, CONTROLLERS + node);
	fprintf(f, "controller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=");
	for (int i = 1; i <= h->count; i++)
		fprintf(f, "%s127.0.0.1:%d", i == 1 ? "" : ",", CONTROLLERS + i);
	fprintf(f, "\nlog.dirs=%s\nbroker.rack=rack-%d\n", path_of(h, node, "/data"), node);
	fprintf(f, "default.replication.factor=%d\nmin.insync.replicas=%d\n", factor, isr);
	fprintf(f, "offsets.topic.replication.factor=%d\ntransaction.state.log.replication.factor=%d\n", factor, factor);
	fprintf(f, "transaction.state.log.min.isr=%d\ngroup.initial.rebalance.delay.ms=0\n", isr);
	for (uint32_t i = 0; i < h->s->overrides; i++)
		fprintf(f, "%s\n", h->s->override[i]);
	if (fclose(f) == 0)
		return true;
	rk_say(RK_ERROR, "%s cannot be written: %s", path, strerror(errno));
	return false;
}

/* Runs this very program; out: where its standard error goes, -1: nowhere. */
static pid_t
spawn(char *const argv[], int out)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	setpgid(0, 0); /* Ctrl-C is the parent's to pass on */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(open("/dev/null", O_RDONLY), 0);
	dup2(open("/dev/null", O_WRONLY), 1);
	if (out >= 0)
		dup2(out, 2);
	execv("/proc/self/exe", argv);
	_exit(127);
}

static bool
format(struct herd *h, int node)
{
	struct rk_str voters = rk_lit("");
	int status;

	for (int i = 1; i <= h->count; i++)
		voters = rk_arena_print(&h->s->arena, "%.*s%s%d@127.0.0.1:%d:%s", (int)voters.len, voters.at,
		    i == 1 ? "" : ",", i, CONTROLLERS + i, h->ids[i - 1]);
	char *argv[] = { "rookery", "storage", "format", "-t", "rookery-dev-cluster-AA", "-c",
		(char *)path_of(h, node, "/server.properties"), "--initial-controllers", (char *)voters.at, NULL };
	pid_t pid = spawn(argv, -1);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	rk_say(RK_ERROR, "%s could not be formatted", path_of(h, node, "/data"));
	return false;
}

static bool
start(struct herd *h, int node)
{
	struct child *c = &h->child[node - 1];
	char *argv[] = { "rookery", "server", (char *)path_of(h, node, "/server.properties"), NULL };
	int end[2];

	if (pipe(end) != 0) {
		rk_say(RK_ERROR, "no pipe to node %d: %s", node, strerror(errno));
		return false;
	}
	c->pid = spawn(argv, end[1]);
	close(end[1]);
	c->said = end[0];
	fcntl(c->said, F_SETFD, FD_CLOEXEC);
	if (c->pid > 0)
		return true;
	rk_say(RK_ERROR, "node %d cannot be started: %s", node, strerror(errno));
	c->pid = 0;
	return false;
}

/* --- while they run */

static void
print_lines(struct child *c, int node, bool all)
{
	char *end;

	while (c->len > 0 && ((end = memchr(c->line, '\n', c->len)) != NULL || all || c->len == sizeof c->line)) {
		size_t n = end == NULL ? c->len : (size_t)(end - c->line);
		fprintf(stderr, "%d| %.*s\n", node, (int)n, c->line);
		n += end != NULL;
		memmove(c->line, c->line + n, c->len - n);
		c->len -= n;
	}
}

static void
hear(struct herd *h, int wait_ms)
{
	struct pollfd at[NODES_MAX];

	for (int i = 0; i < h->count; i++)
		at[i] = (struct pollfd){ .fd = h->child[i].said, .events = POLLIN };
	if (poll(at, (nfds_t)h->count, wait_ms) <= 0)
		return;
	for (int i = 0; i < h->count; i++) {
		struct child *c = &h->child[i];
		if (c->said < 0 || at[i].revents == 0)
			continue;
		ssize_t n = read(c->said, c->line + c->len, sizeof c->line - c->len);
		if (n > 0)
			c->len += (size_t)n;
		print_lines(c, i + 1, n <= 0);
		if (n <= 0) {
			close(c->said);
			c->said = -1;
		}
	}
}

/* How many still run. Whoever ended is told of. */
static int
count(struct herd *h)
{
	int status, running = 0;

	for (int i = 0; i < h->count; i++) {
		struct child *c = &h->child[i];
		if (c->pid > 0 && waitpid(c->pid, &status, WNOHANG) == c->pid) {
			c->pid = 0;
			if (!told_to_stop)
				rk_say(RK_WARN, "node %d has ended (%s %d). Start it again with: rookery-server %s", i + 1,
				    WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status)
				    : WEXITSTATUS(status), path_of(h, i + 1, "/server.properties"));
		}
		running += c->pid > 0;
	}
	return running;
}

static void
banner(struct herd *h)
{
	rk_say(RK_INFO, "a throw-away cluster of %d nodes in %s; Ctrl-C ends it and removes it", h->count, h->s->dev_dir);
	for (int i = 0; i < h->count; i++)
		rk_say(RK_INFO, "node %d: process %d, clients on 127.0.0.1:%d, controllers on 127.0.0.1:%d", i + 1,
		    (int)h->child[i].pid, CLIENTS + i + 1, CONTROLLERS + i + 1);
	struct rk_str all = rk_lit("");
	for (int i = 1; i <= h->count; i++)
		all = rk_arena_print(&h->s->arena, "%.*s%s127.0.0.1:%d", (int)all.len, all.at, i == 1 ? "" : ",", CLIENTS + i);
	rk_say(RK_INFO, "bootstrap.servers=%.*s", (int)all.len, all.at);
}

/* What they hold is thrown away: they are asked, and after a while told. */
static void
end_all(struct herd *h)
{
	for (int i = 0; i < h->count; i++)
		if (h->child[i].pid > 0)
			kill(h->child[i].pid, SIGTERM);
	for (int waited = 0; waited < PATIENCE_MS && count(h) > 0; waited += 50)
		hear(h, 50);
	for (int i = 0; i < h->count; i++)
		if (h->child[i].pid > 0) {
			kill(h->child[i].pid, SIGKILL);
			waitpid(h->child[i].pid, NULL, 0);
		}
	for (int i = 0; i < h->count; i++) /* their last words */
		hear(h, 0);
}

int
cmd_server_nodes(struct cmd_server *s, int64_t nodes)
{
	struct herd *h = rk_new(struct herd);
	struct sigaction act = { .sa_handler = on_signal };
	bool good = nodes >= 1 && nodes <= NODES_MAX;

	h->s = s;
	h->count = good ? (int)nodes : 0;
	if (!good)
		rk_say(RK_ERROR, "--nodes takes a number from 1 to %d", NODES_MAX);
	for (int i = 0; i < NODES_MAX; i++)
		h->child[i].said = -1;
	for (int i = 0; i < h->count; i++)
		rk_uuid_text(rk_env_uuid(cmd_env()), h->ids[i]);
	good = good && cmd_server_dev_dir(s);
	for (int i = 1; good && i <= h->count; i++)
		good = write_conf(h, i) && format(h, i);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	for (int i = 1; good && i <= h->count && !told_to_stop; i++)
		good = start(h, i);
	if (good)
		banner(h);
	while (good && !told_to_stop && count(h) > 0)
		hear(h, 500);
	end_all(h);
	rk_mem_put(h);
	return good ? 0 : 1;
}
