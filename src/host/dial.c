/* dial.c - connections that the node makes: the name looked up, the addresses tried, then one like any other.
 *
 * A name is looked up on a worker, all names in one lane: a name server that does not answer holds up other
 * names and one worker, never the loop or the disks. A numeric address needs no lookup. The addresses are tried
 * in the order the resolver gives, each for connect_ms at most. "Refused" is said only when every one of them
 * was: then no process listens there.
 *
 * These connections count neither as clients' (max.connections, per address) nor as idle: who made one decides
 * how long it is kept, and the other side's connections.max.idle.ms ends it anyway. */
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include "src/host/world.h"

enum { LOOKUP_LANE = 0x444e53, HOST_MAX = 256 };

struct host_dial {
	struct host_task task;
	struct host_conn *conn; /* NULL: it died while the name was looked up */
	struct addrinfo *list, *at;
	int answer;             /* getaddrinfo's */
	bool looking;           /* a worker has this */
	bool odd;               /* an address failed otherwise than by refusing */
	char port[8];
	char host[HOST_MAX];
};

static struct host_world *
world_of(struct host_conn *c)
{
	return host_of(c->conn.env);
}

static void
free_dial(struct host_dial *d)
{
	if (d->list != NULL)
		freeaddrinfo(d->list);
	rk_mem_put(d);
}

void
host_dial_drop(struct host_conn *c)
{
	struct host_dial *d = c->dial;

	c->dial = NULL;
	if (d == NULL)
		return;
	d->conn = NULL;
	if (!d->looking)
		free_dial(d);
}

static int
look_up(struct host_dial *d, int flags)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags };

	return getaddrinfo(d->host, d->port, &hints, &d->list);
}

static void
run_lookup(void *arg)
{
	struct host_dial *d = arg;

	d->answer = look_up(d, 0);
}

static void
close_fd(struct host_conn *c)
{
	if (c->fd < 0)
		return;
	event_del(&c->io);
	close(c->fd);
	c->fd = -1;
}

static void
wait_for_it(struct host_conn *c)
{
	struct host_world *w = world_of(c);

	c->active_ms = w->now_ms + w->opt.connect_ms;
	rk_list_del(&c->lru);
	rk_list_add(&w->reaching, &c->lru);
}

static const char *
reason(int error)
{
	switch (error) {
	case ECONNREFUSED: return "connection refused";
	case ETIMEDOUT: return "no answer to the connection request";
	case EHOSTUNREACH:
	case ENETUNREACH: return "no route to the host";
	case EMFILE:
	case ENFILE: return "no file descriptor is left";
	default: return strerror(error);
	}
}

/* A path that is gone is noticed by the kernel, not by a request's time limit: what is not acknowledged in DEAD_S, or a
 * silence that KEEP_S long nobody breaks, ends the connection, so that the next try finds the way as soon as there is
 * one (TCP itself waits longer each time it sends something again). A process that is stopped or busy is still
 * answered for by its kernel, and keeps its connections. */
static void
watch_path(int fd)
{
	enum { DEAD_S = 3, KEEP_S = 2, EVERY_S = 1, SYNS = 1 };
	const struct {
		int option, value;
	} set[] = { { TCP_NODELAY, 1 }, { TCP_USER_TIMEOUT, DEAD_S * 1000 }, { TCP_KEEPIDLE, KEEP_S },
		{ TCP_KEEPINTVL, EVERY_S }, { TCP_KEEPCNT, DEAD_S }, { TCP_SYNCNT, SYNS } };
	int one = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	for (size_t i = 0; i < rk_countof(set); i++)
		(void)setsockopt(fd, IPPROTO_TCP, set[i].option, &set[i].value, sizeof set[i].value);
}

/* Begins one address; 0, or errno. */
static int
begin(struct host_conn *c, const struct addrinfo *a)
{
	struct host_world *w = world_of(c);

	c->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 && (errno == EMFILE || errno == ENFILE) && host_files_shed(w, 16) > 0)
		c->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return errno;
	watch_path(c->fd);
	if (connect(c->fd, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS) {
		int error = errno;
		close(c->fd);
		c->fd = -1;
		return error;
	}
	/* Added after connect: a socket that was never told to connect reports a hang-up. */
	event_assign(&c->io, w->base, c->fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, host_conn_io, c);
	if (event_add(&c->io, NULL) == 0) {
		wait_for_it(c);
		return 0;
	}
	close(c->fd);
	c->fd = -1;
	return ENFILE;
}

/* The address that was tried last failed: on to the next, or the end. */
static void
next(struct host_conn *c, int error)
{
	struct host_dial *d = c->dial;

	for (;;) {
		if (error != ECONNREFUSED)
			d->odd = true;
		d->at = d->at->ai_next;
		if (d->at == NULL)
			break;
		error = begin(c, d->at);
		if (error == 0)
			return;
	}
	c->conn.refused = !d->odd;
	host_conn_kill(c, RK_DEBUG, reason(error));
}

static void
found(struct host_conn *c)
{
	struct host_dial *d = c->dial;

	if (d->answer != 0 || d->list == NULL) {
		host_conn_kill(c, RK_DEBUG, d->answer == 0 || d->answer == EAI_NONAME ? "no such host"
		    : gai_strerror(d->answer));
		return;
	}
	d->at = d->list;
	int error = begin(c, d->at);
	if (error != 0)
		next(c, error);
}

static void
lookup_done(void *arg, enum rk_err err)
{
	struct host_dial *d = arg;

	(void)err;
	d->looking = false;
	if (d->conn == NULL)
		free_dial(d);
	else if (!world_of(d->conn)->ending && !d->conn->dead)
		found(d->conn);
}

static void
reached(struct host_conn *c)
{
	struct host_world *w = world_of(c);

	host_dial_drop(c);
	rk_list_del(&c->lru);
	rk_list_add(&w->kept, &c->lru);
	c->active_ms = w->now_ms;
	c->blocked = false;
	if (c->head != NULL)
		rk_list_add(&w->dirty, &c->dirty);
	w->called = true;
	node_reached(w->node, &c->conn);
}

bool
host_dial_io(struct host_conn *c, short what)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (!(what & (EV_WRITE | EV_READ | EV_CLOSED)))
		return false;
	host_look_at_clocks(world_of(c));
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error == 0 && !(what & EV_WRITE))
		return false;
	if (error == 0) {
		reached(c);
		return !c->dead;
	}
	close_fd(c);
	next(c, error);
	return false;
}

void
host_dials_expire(struct host_world *w)
{
	rk_list_each_safe(&w->reaching, m, after) {
		struct host_conn *c = rk_of(m, struct host_conn, lru);
		if (w->now_ms < c->active_ms)
			break;
		if (c->dial->looking) {
			host_conn_kill(c, RK_DEBUG, "the name server does not answer");
			continue;
		}
		close_fd(c);
		next(c, ETIMEDOUT);
	}
}

struct rk_conn *
host_conn_open(struct rk_env *e, const char *host, uint16_t port)
{
	struct host_world *w = host_of(e);
	size_t room = strlen(host) + sizeof "[]:65535";
	struct host_conn *c = rk_mem_get(sizeof *c + room);
	struct host_dial *d = rk_new(struct host_dial);

	snprintf(c->peer, room, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
	c->conn.env = e;
	c->conn.ours = true;
	c->fd = -1;
	c->blocked = true; /* nothing leaves before it is open */
	c->dial = d;
	d->conn = c;
	rk_list_init(&c->ready);
	rk_list_init(&c->dirty);
	rk_list_init(&c->lru);
	rk_str_copy(d->host, sizeof d->host, rk_str_of(host));
	snprintf(d->port, sizeof d->port, "%u", port);
	w->dialled++;
	if (w->shut || strlen(host) >= HOST_MAX || host[0] == '\0') {
		host_conn_kill(c, RK_DEBUG, w->shut ? "this node stops" : "no such host");
		return &c->conn;
	}
	wait_for_it(c);
	d->answer = look_up(d, AI_NUMERICHOST);
	if (d->answer == 0) {
		found(c);
		return &c->conn;
	}
	d->looking = true;
	d->task = (struct host_task){ .lane = LOOKUP_LANE, .fn = run_lookup, .done = lookup_done, .arg = d };
	rk_list_init(&d->task.link);
	host_pool_give(&w->pool, &d->task);
	return &c->conn;
}
