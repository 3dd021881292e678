/* conn.c - connections: whole frames in, one at a time, and the end of each.
 *
 * A connection's event is edge-triggered and added once; readable remembers an edge until the socket is
 * drained. Small reads go through the world's scratch buffer, so that an idle connection holds no
 * buffer. A frame's memory is reserved when its size is known, but costs nothing until the kernel is
 * handed bytes for it: pages that were never written are not there (transparent huge pages are off).
 * What was received behind a frame waits in the stash until the node wants more. */
#include <event2/event.h>
#include <sys/socket.h>
#include "src/host/world.h"

static struct host_world *
world_of(struct host_conn *c)
{
	return host_of(c->conn.env);
}

void
host_conn_touch(struct host_conn *c)
{
	struct host_world *w = world_of(c);

	if (c->closing || c->dead || c->active_ms == w->now_ms)
		return;
	c->active_ms = w->now_ms;
	rk_list_del(&c->lru);
	rk_list_add(c->conn.ours ? &w->kept : &w->idle, &c->lru);
}

static void
wants_read(struct host_conn *c)
{
	if (!c->paused && !c->closing && !c->dead && rk_list_empty(&c->ready))
		rk_list_add(&world_of(c)->ready, &c->ready);
}

static bool
broken(int fd)
{
	int error = 0;
	socklen_t len = sizeof error;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error != 0;
}

void
host_conn_io(evutil_socket_t fd, short what, void *arg)
{
	struct host_conn *c = arg;

	if (c->dead || (c->dial != NULL && !host_dial_io(c, what)))
		return;
	if (what & EV_CLOSED)
		c->half = true;
	if (c->paused && (what & EV_WRITE) && (what & EV_READ) && broken(fd)) {
		host_conn_kill(c, RK_DEBUG, c->conn.ours ? "the peer broke it off"
		    : "the peer broke it off while its request was served");
		return;
	}
	if (what & (EV_READ | EV_CLOSED)) {
		c->readable = true;
		wants_read(c);
	}
	if ((what & EV_WRITE) && c->blocked) {
		c->blocked = false;
		if (c->head != NULL && rk_list_empty(&c->dirty))
			rk_list_add(&world_of(c)->dirty, &c->dirty);
	}
}

struct host_ip *
host_ip_add(struct host_world *w, struct rk_str ip, uint32_t most)
{
	uint64_t hash = rk_hash(ip.at, (size_t)ip.len, 0);
	struct host_ip *a = NULL;

	for (struct rk_node *n = rk_map_first(&w->ips, hash); n != NULL && a == NULL; n = rk_map_next(n))
		if (rk_str_is(ip, rk_of(n, struct host_ip, node)->text))
			a = rk_of(n, struct host_ip, node);
	if (a != NULL ? a->conns >= most : most == 0)
		return NULL;
	if (a == NULL) {
		a = rk_mem_get(sizeof *a + (size_t)ip.len + 1);
		memcpy(a->text, ip.at, (size_t)ip.len);
		rk_map_add(&w->ips, &a->node, hash);
	}
	a->conns++;
	return a;
}

void
host_ip_sub(struct host_world *w, struct host_ip *a)
{
	rk_assert(a->conns > 0);
	if (--a->conns > 0)
		return;
	rk_map_del(&w->ips, &a->node);
	rk_mem_put(a);
}

void
host_conn_new(struct host_world *w, int fd, uint32_t listener, const char *peer, struct host_ip *ip)
{
	size_t len = strlen(peer);
	struct host_conn *c = rk_mem_try(sizeof *c + len + 1);

	if (c == NULL) {
		close(fd);
		host_ip_sub(w, ip);
		return;
	}
	memset(c, 0, sizeof *c);
	memcpy(c->peer, peer, len + 1);
	c->ip = ip;
	c->conn.env = &w->env;
	c->fd = fd;
	c->listener = (uint8_t)listener;
	rk_list_init(&c->ready);
	rk_list_init(&c->dirty);
	rk_list_init(&c->lru);
	event_assign(&c->io, w->base, fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, host_conn_io, c);
	if (event_add(&c->io, NULL) != 0) {
		rk_say(RK_ERROR, "%s: the kernel will not watch one more connection: %s", peer, strerror(errno));
		close(fd);
		host_ip_sub(w, ip);
		rk_mem_put(c);
		return;
	}
	w->conns++;
	c->active_ms = -1;
	host_conn_touch(c);
	w->called = true;
	node_opened(w->node, &c->conn, listener);
}

static void
die(struct host_conn *c)
{
	struct host_world *w = world_of(c);

	c->dead = true;
	rk_list_del(&c->ready);
	rk_list_del(&c->dirty);
	rk_list_del(&c->lru);
	rk_list_add(&w->dead, &c->lru);
}

void
host_conn_kill(struct host_conn *c, enum rk_level level, const char *why)
{
	if (c->dead)
		return;
	rk_say(level, "connection %s %s closed: %s", c->conn.ours ? "to" : "of", c->peer, why);
	c->conn.why = why;
	die(c);
}

void
host_conn_close(struct rk_conn *conn, bool now, const char *why)
{
	struct host_conn *c = host_conn_of(conn);

	if (c->dead)
		return;
	if (now || c->head == NULL || c->dial != NULL) {
		host_conn_kill(c, RK_DEBUG, why);
		return;
	}
	if (c->closing)
		return;
	rk_say(RK_DEBUG, "connection of %s closes when its last answer has left: %s", c->peer, why);
	c->closing = true;
	c->active_ms = world_of(c)->now_ms + HOST_DRAIN_MS;
	rk_list_del(&c->ready);
	rk_list_del(&c->lru);
	rk_list_add(&world_of(c)->closing, &c->lru);
}

void
host_conn_resume(struct rk_conn *conn)
{
	struct host_conn *c = host_conn_of(conn);

	c->paused = false;
	if (c->stash_len > 0 || c->readable)
		wants_read(c);
}

const char *
host_conn_peer(const struct rk_conn *conn)
{
	return rk_of(conn, struct host_conn, conn)->peer;
}

/* What a stranger on this port seems to speak, for the log. */
static const char *
tongue(const uint8_t p[4])
{
	if (p[0] == 0x16 && p[1] == 3)
		return "it looks like TLS on a PLAINTEXT listener: the client's security.protocol and the "
		       "listener's do not match";
	if (memcmp(p, "GET ", 4) == 0 || memcmp(p, "POST", 4) == 0 || memcmp(p, "HEAD", 4) == 0
	    || memcmp(p, "PUT ", 4) == 0)
		return "it looks like HTTP: this port speaks Kafka's protocol";
	if (memcmp(p, "SSH-", 4) == 0)
		return "it looks like SSH: this port speaks Kafka's protocol";
	return "raise socket.request.max.bytes if it is a real request";
}

static bool
size_ok(struct host_conn *c, const uint8_t *p)
{
	static struct rk_say_limit limit;
	struct host_world *w = world_of(c);
	int32_t size = (int32_t)rk_get32(p);

	if (size >= 0 && (uint32_t)size <= (c->conn.ours ? HOST_ANSWER_MAX : w->opt.request_max_bytes))
		return true;
	if (c->conn.ours) {
		host_conn_kill(c, RK_WARN, "what comes is no answer of Kafka's protocol");
		return false;
	}
	rk_say_limited(&limit, w->now_ms, RK_WARN,
	    "connection of %s closed: it announces a request of %" PRId32 " bytes, allowed are 0 to %" PRIu32 "; %s",
	    c->peer, size, w->opt.request_max_bytes, tongue(p));
	die(c);
	return false;
}

static void
deliver(struct host_conn *c, uint8_t *frame, uint32_t len)
{
	struct host_world *w = world_of(c);

	c->paused = true;
	w->frames++;
	w->called = true;
	node_frame(w->node, &c->conn, frame, len);
}

/* Takes one frame's worth from the front of the n bytes at p: how many were used; 0: the size itself is
 * not all there, or the connection died. A frame that is all there comes back in *whole; one that is not
 * becomes the arriving one. */
static uint32_t
take(struct host_conn *c, const uint8_t *p, uint32_t n, uint8_t **whole, uint32_t *len)
{
	*whole = NULL;
	if (n < 4 || !size_ok(c, p))
		return 0;
	uint32_t want = rk_get32(p), have = (uint32_t)rk_min(want, n - 4);
	uint8_t *frame = rk_mem_try(want);
	if (frame == NULL) {
		host_conn_kill(c, RK_ERROR, "no memory for its request");
		return 0;
	}
	memcpy(frame, p + 4, have);
	if (have == want) {
		*whole = frame;
		*len = want;
	} else {
		c->frame = frame;
		c->want = want;
		c->got = have;
	}
	return 4 + have;
}

static void
unstash(struct host_conn *c)
{
	rk_mem_put(c->stash);
	c->stash = NULL;
	c->stash_at = c->stash_len = 0;
}

/* Keeps what was received behind a frame. */
static void
stash(struct host_conn *c, const uint8_t *p, uint32_t n)
{
	rk_assert(c->stash == NULL);
	if (n == 0)
		return;
	c->stash = rk_mem_try(n);
	if (c->stash == NULL) {
		host_conn_kill(c, RK_ERROR, "no memory for its requests");
		return;
	}
	memcpy(c->stash, p, n);
	c->stash_len = n;
}

/* True when the stash gave a frame. Else the stash is empty, or holds less than a frame's size. */
static bool
from_stash(struct host_conn *c)
{
	uint8_t *whole;
	uint32_t len, used = take(c, c->stash + c->stash_at, c->stash_len, &whole, &len);

	c->stash_at += used;
	c->stash_len -= used;
	if (c->stash_len == 0)
		unstash(c);
	if (whole != NULL)
		deliver(c, whole, len);
	return whole != NULL;
}

/* recv, with its ends told apart: > 0 bytes; 0: nothing now, or the connection died. */
static uint32_t
receive(struct host_conn *c, uint8_t *to, uint32_t room)
{
	ssize_t n;

	do
		n = recv(c->fd, to, room, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		/* A short read has emptied the socket: the next byte makes an edge. So does a FIN,
		 * unless it came before: half. */
		c->readable = (uint32_t)n == room || c->half;
		world_of(c)->bytes_in += (uint64_t)n;
		host_conn_touch(c);
		return (uint32_t)n;
	}
	if (n == 0)
		host_conn_kill(c, RK_DEBUG, c->want > 0 ? "the peer left in the middle of a frame" : "the peer left");
	else if (errno == EAGAIN || errno == EWOULDBLOCK)
		c->readable = false;
	else
		host_conn_kill(c, RK_DEBUG, strerror(errno));
	return 0;
}

/* Goes on with the frame that is arriving. */
static void
receive_rest(struct host_conn *c)
{
	c->got += receive(c, c->frame + c->got, c->want - c->got);
	if (c->dead || c->got < c->want)
		return;
	uint8_t *frame = c->frame;
	uint32_t len = c->want;
	c->frame = NULL;
	c->want = c->got = 0;
	deliver(c, frame, len);
}

/* Reads into the scratch buffer, behind the few bytes of a size that the stash may hold. */
static void
receive_new(struct host_conn *c)
{
	struct host_world *w = world_of(c);
	uint8_t *p = w->scratch, *whole;
	uint32_t kept = c->stash_len, len;

	rk_assert(kept < 4);
	if (kept > 0)
		memcpy(p, c->stash + c->stash_at, kept);
	uint32_t n = receive(c, p + kept, HOST_SCRATCH / 2 - kept);
	if (n == 0)
		return;
	unstash(c);
	n += kept;
	uint32_t used = take(c, p, n, &whole, &len);
	if (!c->dead)
		stash(c, p + used, n - used);
	if (whole != NULL && c->dead)
		rk_mem_put(whole);
	else if (whole != NULL)
		deliver(c, whole, len);
}

void
host_conns_read(struct host_world *w)
{
	struct rk_list batch;

	rk_list_init(&batch);
	while (!rk_list_empty(&w->ready)) {
		struct rk_list *m = w->ready.next;
		rk_list_del(m);
		rk_list_add(&batch, m);
	}
	while (!rk_list_empty(&batch)) {
		struct host_conn *c = rk_of(batch.next, struct host_conn, ready);
		rk_list_del(&c->ready);
		if (c->dead || c->closing || c->paused)
			continue;
		if (c->frame != NULL)
			receive_rest(c);
		else if (c->stash_len < 4 || !from_stash(c))
			if (!c->dead && c->frame == NULL && c->readable)
				receive_new(c);
		if (c->readable || c->stash_len >= 4)
			wants_read(c);
	}
}

static void
bury(struct host_conn *c)
{
	struct host_world *w = world_of(c);

	rk_list_del(&c->lru);
	host_conn_drop_sends(c); /* first: the pieces are in the node's memory */
	w->called = true;
	node_gone(w->node, &c->conn);
	host_dial_drop(c);
	if (c->fd >= 0) {
		event_del(&c->io);
		close(c->fd);
	}
	if (c->ip != NULL) {
		host_ip_sub(w, c->ip);
		w->conns--;
	}
	rk_mem_put(c->frame);
	rk_mem_put(c->stash);
	rk_mem_put(c);
}

void
host_conns_bury(struct host_world *w)
{
	while (!rk_list_empty(&w->dead))
		bury(rk_of(w->dead.next, struct host_conn, lru));
}

void
host_conns_expire(struct host_world *w)
{
	rk_list_each_safe(&w->idle, m, next) {
		struct host_conn *c = rk_of(m, struct host_conn, lru);
		if (w->now_ms - c->active_ms < w->opt.idle_ms)
			break;
		if (c->paused && c->head == NULL)
			host_conn_touch(c); /* it waits for us, not we for it */
		else
			host_conn_kill(c, RK_DEBUG, "silent for connections.max.idle.ms");
	}
	rk_list_each_safe(&w->closing, m, next) {
		struct host_conn *c = rk_of(m, struct host_conn, lru);
		if (w->now_ms < c->active_ms)
			break;
		host_conn_kill(c, RK_DEBUG, "it does not read its last answer");
	}
	host_dials_expire(w);
}

int64_t
host_conns_next_ms(const struct host_world *w)
{
	int64_t at = INT64_MAX;

	if (!rk_list_empty(&w->idle))
		at = rk_of(w->idle.next, struct host_conn, lru)->active_ms + w->opt.idle_ms;
	if (!rk_list_empty(&w->closing))
		at = rk_min(at, rk_of(w->closing.next, struct host_conn, lru)->active_ms);
	if (!rk_list_empty(&w->reaching))
		at = rk_min(at, rk_of(w->reaching.next, struct host_conn, lru)->active_ms);
	return at;
}

static void
kill_all(struct rk_list *conns)
{
	while (!rk_list_empty(conns))
		host_conn_kill(rk_of(conns->next, struct host_conn, lru), RK_DEBUG, "the server stops");
}

void
host_conns_close(struct host_world *w)
{
	w->shut = true;
	kill_all(&w->idle);
	kill_all(&w->kept);
	kill_all(&w->reaching);
	kill_all(&w->closing);
	host_conns_bury(w);
}
