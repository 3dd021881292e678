/* send.c - answers out: memory pieces and small file pieces gathered into one sendmsg, long file pieces
 * by sendfile, never waiting for a disk.
 *
 * Before bytes of a file are sent they must be in the page cache. Small pieces are read with RWF_NOWAIT
 * beside the memory pieces around them; for a long one cachestat (Linux 6.5) or a few probing reads tell.
 * What is cold is read by a worker first, and the connection goes on when it is there. While pieces
 * follow that cannot go in the same call the socket is corked, so that no half-filled packet leaves. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "src/host/world.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

struct host_warmup {
	struct host_task task;
	struct host_conn *conn; /* NULL: it died meanwhile */
	struct host_file *file;
	uint64_t pos;
	uint32_t len;
	int fd;
};

/* A place in the queue of answers. */
struct cursor {
	struct host_send *send;
	uint32_t at, done;
};

static struct host_world *
world_of(struct host_conn *c)
{
	return host_of(c->conn.env);
}

static void
wants_write(struct host_conn *c)
{
	if (c->head != NULL && !c->blocked && c->warmup == NULL && !c->dead && rk_list_empty(&c->dirty))
		rk_list_add(&world_of(c)->dirty, &c->dirty);
}

void
host_conn_send(struct rk_conn *conn, struct rk_out *out)
{
	struct host_conn *c = host_conn_of(conn);

	rk_assert(!out->over);
	if (c->dead || c->closing) {
		rk_out_drop(out); /* node_gone is on its way */
		return;
	}
	struct host_send *s = rk_new(struct host_send);
	*s = (struct host_send){ .piece = out->piece, .count = out->count };
	rk_out_init(out, out->arena);
	if (c->head == NULL)
		c->head = s;
	else
		c->tail->next = s;
	c->tail = s;
	wants_write(c);
}

void
host_conn_drop_sends(struct host_conn *c)
{
	while (c->head != NULL) {
		struct host_send *s = c->head;
		c->head = s->next;
		for (uint32_t i = s->at; i < s->count; i++)
			if (s->piece[i].kind == RK_FILE)
				rk_file_drop(s->piece[i].u.in.file);
		rk_mem_put(s);
	}
	if (c->warmup != NULL)
		c->warmup->conn = NULL;
	c->warmup = NULL;
}

/* --- cold pages */

static void
run_warmup(void *arg)
{
	struct host_warmup *u = arg;
	char page[32 * 1024];

	(void)readahead(u->fd, (off64_t)u->pos, u->len);
	for (uint32_t got = 0; got < u->len;) {
		ssize_t n = pread(u->fd, page, sizeof page, (off_t)(u->pos + got));
		if (n <= 0 && errno != EINTR)
			break; /* sending will meet the same error and say so */
		got += n > 0 ? (uint32_t)n : 0;
	}
}

static void
warmup_done(void *arg, enum rk_err err)
{
	struct host_warmup *u = arg;
	struct host_conn *c = u->conn;

	(void)err;
	host_file_unpin(u->file);
	host_file_drop(&u->file->file);
	if (c != NULL) {
		c->warmup = NULL;
		c->warm_to = u->pos + u->len;
		wants_write(c);
	}
	rk_mem_put(u);
}

static void
warm_up(struct host_conn *c, struct host_file *f, uint64_t pos, uint32_t len)
{
	struct host_warmup *u = rk_new(struct host_warmup);

	*u = (struct host_warmup){ .conn = c, .file = f, .pos = pos, .len = len, .fd = f->fd };
	u->task = (struct host_task){ .fn = run_warmup, .done = warmup_done, .arg = u };
	rk_list_init(&u->task.link);
	host_file_hold(&f->file);
	host_file_pin(f);
	c->warmup = u;
	world_of(c)->warmups++;
	host_pool_give(&world_of(c)->pool, &u->task);
}

/* preadv2 without waiting: bytes read, or -1 with EAGAIN when the page is cold. */
static ssize_t
peek(struct host_world *w, int fd, uint64_t pos, void *to, uint32_t len, bool may_wait)
{
	struct iovec v = { .iov_base = to, .iov_len = len };

	if (!may_wait && !w->no_nowait) {
		ssize_t n = preadv2(fd, &v, 1, (off_t)pos, RWF_NOWAIT);
		if (n >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
			return n;
		w->no_nowait = true;
	}
	return pread(fd, to, len, (off_t)pos);
}

static bool
probe(struct host_world *w, int fd, uint64_t pos, uint32_t len)
{
	enum { STRIDE = 64 * 1024 };
	char byte;

	for (uint32_t at = 0; at < len; at += STRIDE)
		if (peek(w, fd, pos + at, &byte, 1, false) < 0 && errno == EAGAIN)
			return false;
	return peek(w, fd, pos + len - 1, &byte, 1, false) >= 0 || errno != EAGAIN;
}

static bool
is_warm(struct host_world *w, int fd, uint64_t pos, uint32_t len)
{
	struct { uint64_t off, len; } range = { pos, len };
	struct { uint64_t cached, dirty, writeback, evicted, recently; } st;
	static uint64_t page;

	if (w->no_cachestat)
		return probe(w, fd, pos, len);
	if (page == 0)
		page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (syscall(SYS_cachestat, fd, &range, &st, 0) != 0) {
		w->no_cachestat = true;
		return probe(w, fd, pos, len);
	}
	return st.cached >= (pos + len - 1) / page - pos / page + 1;
}

/* --- moving on */

static void
cork(struct host_conn *c, bool on)
{
	int flag = on;

	if (c->corked == on)
		return;
	c->corked = on;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_CORK, &flag, sizeof flag);
}

/* n bytes have left. */
static void
advance(struct host_conn *c, uint64_t n)
{
	world_of(c)->bytes_out += n;
	for (struct host_send *s = c->head; s != NULL && n > 0; s = s->next)
		while (n > 0 && s->at < s->count) {
			struct rk_piece *p = &s->piece[s->at];
			uint32_t left = p->len - s->done;
			if (n < left) {
				s->done += (uint32_t)n;
				return;
			}
			n -= left;
			if (p->kind == RK_FILE)
				rk_file_drop(p->u.in.file);
			s->at++;
			s->done = 0;
			c->warm_to = 0;
		}
	rk_assert(n == 0);
}

static bool
step_cursor(struct cursor *k)
{
	while (k->send != NULL && k->at == k->send->count) {
		k->send = k->send->next;
		if (k->send != NULL) {
			k->at = k->send->at;
			k->done = k->send->done;
		}
	}
	return k->send != NULL;
}

/* --- gathering */

struct gather {
	struct iovec v[HOST_IOV];
	int count;
	uint32_t bytes, scratch_used;
	bool more, cold, failed;
};

/* Reads a small file piece into the scratch buffer; false: gathering ends before it. */
static bool
gather_file(struct host_conn *c, struct gather *g, struct rk_piece *p, uint32_t done)
{
	struct host_world *w = world_of(c);
	struct host_file *f = host_file_of(p->u.in.file);
	uint64_t pos = p->u.in.pos + done;
	uint32_t len = p->len - done;

	if (len > HOST_SMALL || len > HOST_SCRATCH - g->scratch_used)
		return false;
	if (host_file_warm_fd(f) != RK_OK) {
		g->failed = true;
		return false;
	}
	ssize_t n = peek(w, f->fd, pos, w->scratch + g->scratch_used, len, g->count == 0 && c->warm_to >= pos + len);
	if (n == (ssize_t)len) {
		g->v[g->count++] = (struct iovec){ w->scratch + g->scratch_used, len };
		g->scratch_used += len;
		return true;
	}
	/* Only the piece at the head may be warmed: its turn comes when the rest has left. */
	if (g->count == 0 && c->warm_to < pos + len)
		warm_up(c, f, pos, len);
	else if (g->count == 0)
		g->failed = true;
	return false;
}

static void
gather(struct host_conn *c, struct gather *g)
{
	struct cursor k = { c->head, c->head->at, c->head->done };

	g->count = 0;
	g->bytes = g->scratch_used = 0;
	g->more = g->failed = false;
	while (step_cursor(&k)) {
		struct rk_piece *p = &k.send->piece[k.at];
		if (g->count == HOST_IOV || g->bytes >= HOST_CHUNK || (p->kind == RK_FILE && !gather_file(c, g, p, k.done))) {
			g->more = true;
			return;
		}
		if (p->kind == RK_MEM)
			g->v[g->count++] = (struct iovec){ (void *)(uintptr_t)(p->u.mem + k.done), p->len - k.done };
		g->bytes += p->len - k.done;
		k.at++;
		k.done = 0;
	}
}

/* A call's answer: true when bytes have left. */
static bool
sent(struct host_conn *c, ssize_t n)
{
	if (n >= 0) {
		advance(c, (uint64_t)n);
		return n > 0;
	}
	if (errno == EINTR)
		return true;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		c->blocked = true;
	else
		host_conn_kill(c, RK_DEBUG, strerror(errno));
	return false;
}

static void
lost_file(struct host_conn *c, struct host_file *f, const char *why)
{
	static struct rk_say_limit limit;
	char path[PATH_MAX];

	(void)!host_name_path(f->name, path);
	rk_say_limited(&limit, world_of(c)->now_ms, RK_ERROR, "cannot send from %s to %s: %s; the connection is closed, "
		"so that the client asks again", path, c->peer, why);
	host_conn_kill(c, RK_DEBUG, "a file could not be read in the middle of an answer");
}

/* The head of the queue is a long file piece. */
static bool
send_file(struct host_conn *c, uint32_t *budget)
{
	struct host_send *s = c->head;
	struct rk_piece *p = &s->piece[s->at];
	struct host_file *f = host_file_of(p->u.in.file);
	off_t pos = (off_t)(p->u.in.pos + s->done);
	uint32_t len = (uint32_t)rk_min(p->len - s->done, HOST_CHUNK);

	if (host_file_warm_fd(f) != RK_OK) {
		lost_file(c, f, "it cannot be opened");
		return false;
	}
	if (c->warm_to < (uint64_t)pos + len) {
		if (!is_warm(world_of(c), f->fd, (uint64_t)pos, len)) {
			warm_up(c, f, (uint64_t)pos, len);
			return false;
		}
		c->warm_to = (uint64_t)pos + len;
	}
	len = (uint32_t)rk_min(len, (int64_t)(c->warm_to - (uint64_t)pos));
	if (p->len - s->done > len || s->at + 1 < s->count)
		cork(c, true);
	ssize_t n = sendfile(c->fd, f->fd, &pos, len);
	if (n == 0 || (n < 0 && errno == EIO)) {
		lost_file(c, f, n == 0 ? "it is shorter than it was" : strerror(EIO));
		return false;
	}
	*budget -= n > 0 ? (uint32_t)rk_min(n, *budget) : 0;
	return sent(c, n);
}

static bool
send_gathered(struct host_conn *c, struct gather *g, uint32_t *budget)
{
	struct msghdr m = { .msg_iov = g->v, .msg_iovlen = (size_t)g->count };
	ssize_t n = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL | (g->more ? MSG_MORE : 0));

	*budget -= n > 0 ? (uint32_t)rk_min(n, *budget) : 0;
	return sent(c, n);
}

/* Takes the answers that have left off the queue; returns how many. */
static uint32_t
shift(struct host_conn *c)
{
	uint32_t n = 0;

	for (; c->head != NULL && c->head->at == c->head->count; n++) {
		struct host_send *s = c->head;
		c->head = s->next;
		rk_mem_put(s);
	}
	return n;
}

static void
send_turn(struct host_conn *c)
{
	struct host_world *w = world_of(c);
	uint32_t budget = HOST_TURN, left = shift(c);
	struct gather g;

	for (bool going = true; going && c->head != NULL && budget > 0; left += shift(c)) {
		gather(c, &g);
		if (g.failed)
			lost_file(c, host_file_of(c->head->piece[c->head->at].u.in.file), "it is shorter than it was");
		if (c->dead || c->warmup != NULL)
			break;
		going = g.count > 0 ? send_gathered(c, &g, &budget) : send_file(c, &budget);
	}
	if (c->head == NULL)
		cork(c, false);
	if (left > 0)
		host_conn_touch(c);
	for (; left > 0 && !c->dead; left--) {
		w->called = true;
		node_sent(w->node, &c->conn);
	}
	if (c->closing && c->head == NULL)
		host_conn_kill(c, RK_DEBUG, "the last answer has left");
	wants_write(c);
}

void
host_conns_send(struct host_world *w)
{
	struct rk_list batch;

	rk_list_init(&batch);
	while (!rk_list_empty(&w->dirty)) {
		struct rk_list *m = w->dirty.next;
		rk_list_del(m);
		rk_list_add(&batch, m);
	}
	while (!rk_list_empty(&batch)) {
		struct host_conn *c = rk_of(batch.next, struct host_conn, dirty);
		rk_list_del(&c->dirty);
		send_turn(c);
	}
}
