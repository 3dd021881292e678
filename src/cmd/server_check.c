/* server_check.c - what must be true of the machine before a node starts, and what should be. */
#include <netdb.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include "src/cmd/server.h"

enum { FILES_WANTED = 65536 };

static int
no(const char *fmt, ...)
{
	char line[700];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	rk_say(RK_ERROR, "%s", line);
	return 1;
}

/* Cluster and node id of a directory's meta.properties against the configuration and the other
 * directories. */
static int
check_meta(struct cmd_server *s, const char *dir, const struct cmd_props *p, const char *path)
{
	const char *version = cmd_props_get(p, "version"),
		   *cluster = cmd_props_get(p, "cluster.id");
	const char *node = cmd_props_get(
	    p, version != NULL && strcmp(version, "0") == 0 ? "broker.id" : "node.id");
	int64_t id;

	if (version == NULL || cluster == NULL || node == NULL || !rk_str_int(rk_str_of(node), &id))
		return no("%s does not hold version, cluster.id and node.id: restore it, or format "
			  "the directory anew",
		    path);
	if (id != s->conf->node_id)
		return no("%s belongs to node %" PRId64
			  ", but node.id is %d: if the data was moved, set node.id=%" PRId64
			  "; for a new "
			  "node use an empty directory",
		    dir, id, s->conf->node_id, id);
	if (*s->cluster_id != 0 && strcmp(s->cluster_id, cluster) != 0)
		return no("%s belongs to cluster %s, the other directories to %s: take the foreign "
			  "one out of log.dirs",
		    dir, cluster, s->cluster_id);
	snprintf(s->cluster_id, sizeof s->cluster_id, "%s", cluster);
	return 0;
}

static int
check_dir(struct cmd_server *s, const char *dir, bool thorough)
{
	struct cmd_props p = {0};
	struct stat st;
	struct statvfs fs;
	int rc;

	if (stat(dir, &st) != 0)
		return no("directory %s: %s. Create and format it: rookery storage format -t "
			  "CLUSTER_ID -c %s",
		    dir, strerror(errno), s->path == NULL ? "FILE" : s->path);
	if (!S_ISDIR(st.st_mode))
		return no("%s is not a directory", dir);
	if (access(dir, R_OK | W_OK | X_OK) != 0)
		return no("directory %s cannot be written by user %u: %s. Change its owner or mode",
		    dir, (unsigned)geteuid(), strerror(errno));
	const char *path = rk_arena_print(&s->arena, "%s/meta.properties", dir).at;
	if (!cmd_props_read(&p, path))
		return no("directory %s is not formatted (%s: %s): rookery storage format -t "
			  "CLUSTER_ID -c %s",
		    dir, path, strerror(errno), s->path == NULL ? "FILE" : s->path);
	rc = check_meta(s, dir, &p, path);
	cmd_props_free(&p);
	if (rc == 0 && statvfs(dir, &fs) == 0) {
		int64_t total = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize,
			left = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
		if (left < total / 20)
			rk_say(RK_WARN,
			    "directory %s: %" PRId64
			    " MiB are left, less than a twentieth of the disk",
			    dir, left >> 20);
		else if (thorough)
			rk_say(RK_INFO, "directory %s: formatted, writable, %" PRId64 " MiB left",
			    dir, left >> 20);
	}
	return rc;
}

static int
check_dirs(struct cmd_server *s, bool thorough)
{
	const struct conf *c = s->conf;
	const char *meta = c->metadata_dir;
	int rc = 0;

	if (meta != NULL)
		rc |= check_dir(s, meta, thorough);
	for (uint32_t i = 0; i < c->dirs.count; i++)
		if (meta == NULL || strcmp(meta, c->dirs.at[i]) != 0)
			rc |= check_dir(s, c->dirs.at[i], thorough);
	return rc;
}

static int
check_port(const struct conf_listener *l)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
	char port[12];
	int one = 1, rc = 0, e;

	snprintf(port, sizeof port, "%d", l->port);
	e = getaddrinfo(*l->host == 0 ? NULL : l->host, port, &hints, &list);
	if (e != 0)
		return no("listener %s: the host %s is not known here (%s)", l->name, l->host,
		    gai_strerror(e));
	int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (fd < 0 || bind(fd, list->ai_addr, list->ai_addrlen) != 0)
		rc = no("listener %s: %s:%d cannot be bound: %s%s", l->name, l->host, l->port,
		    strerror(errno),
		    errno == EADDRINUSE ? ". Another process has the port; find it with: ss -ltnp"
					: "");
	else
		rk_say(RK_INFO, "listener %s: %s:%d is free", l->name, l->host, l->port);
	if (fd >= 0)
		close(fd);
	freeaddrinfo(list);
	return rc;
}

static void
check_limits(bool thorough)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return;
	if (r.rlim_cur < FILES_WANTED)
		rk_say(RK_WARN,
		    "only %" PRIu64 " files may be open (%" PRIu64
		    " at most): connections and warm segments share them; raise "
		    "it with ulimit -n or systemd's LimitNOFILE=",
		    (uint64_t)r.rlim_cur, (uint64_t)r.rlim_max);
	else if (thorough)
		rk_say(RK_INFO, "%" PRIu64 " files may be open", (uint64_t)r.rlim_cur);
}

/* A controller among static voters must be one of them. */
static int
check_quorum(const struct conf *c)
{
	if (!c->is_controller || c->voter_count == 0 || c->bootstrap_count > 0)
		return 0;
	for (uint32_t i = 0; i < c->voter_count; i++)
		if (c->voter[i].id == c->node_id)
			return 0;
	return no("controller.quorum.voters does not name node %d, which has the role of a controller", c->node_id);
}

int
cmd_server_check(struct cmd_server *s, bool thorough)
{
	int rc = check_dirs(s, thorough);

	if (thorough)
		rc |= check_quorum(s->conf);

	for (uint32_t i = 0; thorough && i < s->conf->listener_count; i++)
		rc |= check_port(&s->conf->listener[i]);
	if (thorough)
		check_limits(thorough);
	return rc;
}
