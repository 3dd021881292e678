/* listen.c - the listeners: bound before the node starts, open when it has.
 *
 * No accept error is fatal. When the process is out of descriptors, cold files are closed; when that is
 * not enough, one connection is accepted and dropped by means of a spare descriptor (so that it does not
 * hang) and accepting rests for a moment. */
#include <arpa/inet.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include "src/config.h"
#include "src/host/world.h"

enum { ACCEPT_BATCH = 64, REST_MS = 200 };

/* The address as text, "1.2.3.4:56" or "[::1]:56"; returns the length of what stands before ":56". An
 * IPv4 client of an IPv6 socket looks like the IPv4 client it is. */
static uint32_t
peer_text(const struct sockaddr_storage *a, char to[64])
{
	char ip[INET6_ADDRSTRLEN];
	const struct sockaddr_in *v4 = (const void *)a;
	const struct sockaddr_in6 *v6 = (const void *)a;

	if (a->ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof ip);
		snprintf(to, 64, "%s:%u", ip, ntohs(v4->sin_port));
	} else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		inet_ntop(AF_INET, (const char *)&v6->sin6_addr + 12, ip, sizeof ip);
		snprintf(to, 64, "%s:%u", ip, ntohs(v6->sin6_port));
	} else {
		inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof ip);
		snprintf(to, 64, "[%s]:%u", ip, ntohs(v6->sin6_port));
	}
	return (uint32_t)(strrchr(to, ':') - to);
}

/* The configured limits may change while running; the kernel's stays. */
static uint32_t
conns_max(const struct host_world *w)
{
	int64_t most = w->opt.conf != NULL ? w->opt.conf->max_connections : INT32_MAX;
	return (uint32_t)rk_min(most, w->opt.conns_max);
}

/* What max.connections.per.ip.overrides ("address:count,...") says of the address; -1: nothing. */
static int64_t
override_of(const char *list, struct rk_str ip)
{
	for (const char *p = list; p != NULL && *p != '\0';) {
		size_t len = strcspn(p, ",");
		const char *colon = memrchr(p, ':', len);
		int64_t n;
		while (colon != NULL && p < colon && *p == ' ')
			p++, len--;
		if (colon != NULL && rk_str_eq((struct rk_str){ p, (int32_t)(colon - p) }, ip)
		    && rk_str_int((struct rk_str){ colon + 1, (int32_t)(len - (size_t)(colon + 1 - p)) }, &n) && n >= 0)
			return n;
		p += len + (p[len] == ',');
	}
	return -1;
}

static uint32_t
per_ip_max(const struct host_world *w, struct rk_str ip)
{
	const struct conf *c = w->opt.conf;

	if (c == NULL)
		return w->opt.conns_per_ip_max > 0 ? w->opt.conns_per_ip_max : INT32_MAX;
	int64_t n = override_of(c->max_connections_per_ip_overrides, ip);
	return (uint32_t)(n >= 0 ? n : c->max_connections_per_ip);
}

static void
rest_until(struct host_world *w, int64_t at_ms)
{
	w->accept_ms = at_ms;
	host_listen_rest(w, true);
}

/* max.connection.creation.rate: as many in any second of ours, then accepting rests for what is left of it. */
static bool
too_fast(struct host_world *w)
{
	int32_t most = w->opt.conf != NULL ? w->opt.conf->max_connection_creation_rate : INT32_MAX;

	if (w->now_ms - w->second_ms >= 1000) {
		w->second_ms = w->now_ms;
		w->accepted_then = w->accepted;
	}
	return w->accepted - w->accepted_then >= (uint64_t)most;
}

/* A reader that does not read keeps what it has asked for in the kernel's memory, which all connections share
 * (net.ipv4.tcp_mem): left alone, a thousand of them take 4 MiB each and starve everybody. What was not yet sent
 * may be a mebibyte while there are few connections, so that a fast reader is served in long strokes, and less
 * when there are many. */
static void
limit_unsent(struct host_world *w, int fd)
{
	enum { ALL = 256 << 20, LEAST = 64 << 10, MOST = 1 << 20 };
	int bytes = (int)rk_max(LEAST, rk_min(MOST, ALL / (int64_t)(w->conns + 1)));

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

static void
welcome(struct host_listener *l, int fd, const struct sockaddr_storage *from)
{
	static struct rk_say_limit limit;
	struct host_world *w = l->world;
	char peer[64];
	int one = 1;
	struct rk_str addr = { peer, (int32_t)peer_text(from, peer) };
	uint32_t most = per_ip_max(w, addr);
	struct host_ip *ip = host_ip_add(w, addr, most);

	w->accepted++;
	if (ip == NULL) {
		rk_say_limited(&limit, w->now_ms, RK_WARN, "connection of %s refused: it has %" PRIu32
			" already, which is max.connections.per.ip", peer, most);
		close(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	limit_unsent(w, fd);
	if (w->opt.send_bytes > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &w->opt.send_bytes, sizeof w->opt.send_bytes);
	host_conn_new(w, fd, l->index, peer, ip);
}

static void
out_of_descriptors(struct host_listener *l, int error)
{
	static struct rk_say_limit limit;
	struct host_world *w = l->world;

	if (host_files_shed(w, 16) > 0)
		return;
	rk_say_limited(&limit, w->now_ms, RK_ERROR, "a connection had to be refused: %s, %" PRIu32
		" are open; raise the limit on open files (LimitNOFILE=, ulimit -n)", strerror(error), w->conns);
	if (w->spare_fd >= 0) {
		close(w->spare_fd);
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			close(fd);
		w->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	rest_until(w, w->now_ms + REST_MS);
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct host_listener *l = arg;
	struct host_world *w = l->world;
	static struct rk_say_limit limit;

	(void)what;
	host_look_at_clocks(w);
	for (uint32_t i = 0; i < ACCEPT_BATCH && !l->paused; i++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof from;
		if (w->conns >= conns_max(w)) {
			rk_say_limited(&limit, w->now_ms, RK_WARN, "%" PRIu32 " connections are open, which is all there may "
				"be (max.connections, or the limit on open files); new ones wait", w->conns);
			rest_until(w, w->now_ms + REST_MS);
			return;
		}
		if (too_fast(w)) {
			rest_until(w, w->second_ms + 1000);
			return;
		}
		int got = accept4(fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (got >= 0)
			welcome(l, got, &from);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			out_of_descriptors(l, errno);
		else if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

void
host_listen_rest(struct host_world *w, bool on)
{
	if (!on)
		w->accept_ms = 0;
	for (uint32_t i = 0; i < w->listeners; i++) {
		struct host_listener *l = &w->listener[i];
		if (l->paused == on)
			continue;
		l->paused = on;
		if (on)
			event_del(&l->io);
		else
			event_add(&l->io, NULL);
	}
}

/* Creates, binds; 0 or errno. */
static int
bind_one(struct host_world *w, struct host_listener *l, const struct addrinfo *a)
{
	int one = 1, off = 0;
	struct sockaddr_storage got;
	socklen_t len = sizeof got;

	l->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return errno;
	(void)setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (a->ai_family == AF_INET6)
		(void)setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (w->opt.receive_bytes > 0)
		(void)setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &w->opt.receive_bytes, sizeof w->opt.receive_bytes);
	if (bind(l->fd, a->ai_addr, a->ai_addrlen) != 0
	    || getsockname(l->fd, (struct sockaddr *)&got, &len) != 0) {
		int error = errno;
		close(l->fd);
		l->fd = -1;
		return error;
	}
	l->port = ntohs(got.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&got)->sin6_port
						   : ((struct sockaddr_in *)&got)->sin_port);
	return 0;
}

static void
say_refused(const struct host_listen *o, int error)
{
	const char *hint = error == EADDRINUSE
	    ? "another program listens there (see `ss -ltnp`): stop it, or change the port in `listeners`"
	    : error == EADDRNOTAVAIL ? "this machine has no such address: correct the host in `listeners`"
	    : error == EACCES ? "ports below 1024 need privileges: choose another in `listeners`" : "check `listeners`";

	rk_say(RK_ERROR, "cannot listen on %s:%u: %s; %s", o->host != NULL && o->host[0] != '\0' ? o->host : "*",
	    o->port, strerror(error), hint);
}

static bool
bind_listener(struct host_world *w, struct host_listener *l, const struct host_listen *o)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *list = NULL;
	struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(o->port) };
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(o->port) };
	struct addrinfo any[2] = { { .ai_family = AF_INET6, .ai_addr = (void *)&any6, .ai_addrlen = sizeof any6 },
		{ .ai_family = AF_INET, .ai_addr = (void *)&any4, .ai_addrlen = sizeof any4 } };
	char port[8];
	int error = 0;

	*l = (struct host_listener){ .world = w, .fd = -1, .index = o->index, .paused = true };
	any[0].ai_next = &any[1];
	snprintf(port, sizeof port, "%u", o->port);
	bool all = o->host == NULL || o->host[0] == '\0';
	int n = all ? 0 : getaddrinfo(o->host, port, &hints, &list);
	if (n != 0) {
		rk_say(RK_ERROR, "cannot listen on %s:%u: %s; correct the host in `listeners`", o->host, o->port, gai_strerror(n));
		return false;
	}
	for (const struct addrinfo *a = all ? any : list; a != NULL && l->fd < 0; a = a->ai_next)
		error = bind_one(w, l, a);
	if (list != NULL)
		freeaddrinfo(list);
	if (l->fd < 0)
		say_refused(o, error);
	return l->fd >= 0;
}

bool
host_listen_bind(struct host_world *w)
{
	w->listener = rk_mem_get(w->opt.listen_count * sizeof *w->listener);
	for (uint32_t i = 0; i < w->opt.listen_count; i++, w->listeners++)
		if (!bind_listener(w, &w->listener[i], &w->opt.listen[i]))
			return false;
	return true;
}

bool
host_listen_open(struct host_world *w)
{
	for (uint32_t i = 0; i < w->listeners; i++) {
		struct host_listener *l = &w->listener[i];
		if (listen(l->fd, w->opt.backlog) != 0) {
			say_refused(&w->opt.listen[i], errno);
			return false;
		}
		event_assign(&l->io, w->base, l->fd, EV_READ | EV_PERSIST, on_accept, l);
	}
	host_listen_rest(w, false);
	return true;
}

void
host_listen_close(struct host_world *w)
{
	for (uint32_t i = 0; i < w->listeners; i++) {
		struct host_listener *l = &w->listener[i];
		if (!l->paused)
			event_del(&l->io);
		close(l->fd);
	}
	rk_mem_put(w->listener);
	w->listener = NULL;
	w->listeners = 0;
}

uint16_t
host_port(const struct host_world *w, uint32_t i)
{
	return i < w->listeners ? w->listener[i].port : 0;
}
