/* null.c - the limit: a server that moves the bytes a broker moves, and does nothing else.
 *
 *	null --port PORT --dir DIRECTORY [--partitions N] [--sync]
 *
 * A thread per connection blocks in recv. Produce appends each partition's batches to one file (their base
 * offsets put in place, because clients look at them); --sync syncs the file before the answer. Fetch sends
 * ranges of that file with sendfile. Every topic asked for exists, with N partitions.
 * No checks, no quotas, no producer state, no groups, nothing kept over a restart: what a benchmark
 * reaches against this is what the machine, the kernel and the client can do.
 *
 * Only versions before the flexible encodings are announced, so that the bytes can be read by hand; the
 * exception is ApiVersions 3, which clients open with. */
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include "base/mem.h"
#include "base/str.h"

enum { PRODUCE = 0, FETCH = 1, LIST_OFFSETS = 2, METADATA = 3, API_VERSIONS = 18, INIT_PRODUCER = 22 };
enum { TOPICS = 64, BATCH_HEAD = 61, OUT = 256 * 1024, RANGES = 4096 };

struct mark { /* where a batch begins */
	int64_t offset, pos;
};
struct part {
	pthread_mutex_t lock;
	int fd;
	int64_t end, bytes; /* next offset; the file's length */
	struct mark *mark;
	uint32_t marks, cap;
};
struct topic {
	char name[250];
	struct part *part;
};

static struct topic topic[TOPICS];
static uint32_t topics, parts_each = 1;
static pthread_mutex_t topics_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t news_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static const char *folder;
static uint16_t port;
static bool sync_each;

/* --- reading a request, writing an answer */

struct in {
	const uint8_t *p, *end;
	bool bad;
};
struct range {
	uint32_t at; /* place in the answer that the file's bytes follow */
	int fd;
	int64_t pos;
	uint32_t len;
};
struct out {
	uint8_t b[OUT];
	uint32_t len, file_bytes, ranges;
	struct range range[RANGES];
};

static const uint8_t *
take(struct in *r, size_t n)
{
	static const uint8_t zero[8];

	if (r->bad || (size_t)(r->end - r->p) < n) {
		r->bad = true;
		return n <= sizeof zero ? zero : NULL;
	}
	r->p += n;
	return r->p - n;
}

static int8_t
i8(struct in *r)
{
	return (int8_t)*take(r, 1);
}

static int16_t
i16(struct in *r)
{
	return (int16_t)rk_get16(take(r, 2));
}

static int32_t
i32(struct in *r)
{
	return (int32_t)rk_get32(take(r, 4));
}

static int64_t
i64(struct in *r)
{
	return (int64_t)rk_get64(take(r, 8));
}

static struct rk_str
str(struct in *r)
{
	int16_t n = i16(r);
	const uint8_t *p = n > 0 ? take(r, (size_t)n) : NULL;

	return r->bad ? (struct rk_str){ "", 0 } : (struct rk_str){ (const char *)p, n };
}

static uint8_t *
room(struct out *o, uint32_t n)
{
	rk_assert(o->len + n <= OUT);
	o->len += n;
	return o->b + o->len - n;
}

static void
p8(struct out *o, int v)
{
	*room(o, 1) = (uint8_t)v;
}

static void
p16(struct out *o, int v)
{
	rk_put16(room(o, 2), (uint16_t)v);
}

static void
p32(struct out *o, int64_t v)
{
	rk_put32(room(o, 4), (uint32_t)v);
}

static void
p64(struct out *o, int64_t v)
{
	rk_put64(room(o, 8), (uint64_t)v);
}

static void
pstr(struct out *o, struct rk_str s)
{
	p16(o, s.len);
	if (s.len > 0)
		memcpy(room(o, (uint32_t)s.len), s.at, (size_t)s.len);
}

/* --- topics */

static void
open_part(struct part *p, const char *name, uint32_t i)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s-%u.log", folder, name, i);
	pthread_mutex_init(&p->lock, NULL);
	p->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (p->fd < 0) {
		perror(path);
		exit(1);
	}
}

/* The topic of that name, made when there is none; NULL: there are too many. */
static struct topic *
topic_of(struct rk_str name)
{
	struct topic *t = NULL;

	pthread_mutex_lock(&topics_lock);
	for (uint32_t i = 0; i < topics && t == NULL; i++)
		if (rk_str_is(name, topic[i].name))
			t = &topic[i];
	if (t == NULL && topics < TOPICS && name.len > 0 && name.len < 249 && memchr(name.at, '/', (size_t)name.len) == NULL) {
		t = &topic[topics];
		rk_str_copy(t->name, sizeof t->name, name);
		t->part = rk_mem_get(parts_each * sizeof *t->part);
		for (uint32_t i = 0; i < parts_each; i++)
			open_part(&t->part[i], t->name, i);
		topics++;
	}
	pthread_mutex_unlock(&topics_lock);
	return t;
}

static struct part *
part_of(struct topic *t, int32_t i)
{
	return t != NULL && i >= 0 && (uint32_t)i < parts_each ? &t->part[i] : NULL;
}

/* --- the requests */

static const int16_t versions[][3] = { { PRODUCE, 3, 8 }, { FETCH, 4, 11 }, { LIST_OFFSETS, 1, 5 }, { METADATA, 1, 7 },
	{ API_VERSIONS, 0, 3 }, { INIT_PRODUCER, 0, 1 } };

static void
api_versions(struct out *o, int16_t version)
{
	bool flexible = version == 3;

	p16(o, version > 3 ? 35 : 0); /* UNSUPPORTED_VERSION comes in version 0's form */
	if (flexible)
		p8(o, rk_countof(versions) + 1);
	else
		p32(o, rk_countof(versions));
	for (uint32_t i = 0; i < rk_countof(versions); i++) {
		p16(o, versions[i][0]);
		p16(o, versions[i][1]);
		p16(o, versions[i][2]);
		if (flexible)
			p8(o, 0);
	}
	if (version >= 1 && version <= 3)
		p32(o, 0);
	if (flexible)
		p8(o, 0);
}

static void
describe(struct out *o, const struct topic *t, struct rk_str name, int16_t version)
{
	p16(o, t != NULL ? 0 : 3);
	pstr(o, name);
	p8(o, false);
	p32(o, t != NULL ? parts_each : 0);
	for (uint32_t i = 0; t != NULL && i < parts_each; i++) {
		p16(o, 0);
		p32(o, i);
		p32(o, 1);
		if (version >= 7)
			p32(o, 0);
		p32(o, 1);
		p32(o, 1);
		p32(o, 1);
		p32(o, 1);
		if (version >= 5)
			p32(o, 0);
	}
}

static void
metadata(struct in *r, struct out *o, int16_t version)
{
	int32_t n = i32(r);

	if (version >= 3)
		p32(o, 0);
	p32(o, 1);
	p32(o, 1);
	pstr(o, rk_lit("127.0.0.1"));
	p32(o, port);
	p16(o, -1);
	if (version >= 2)
		pstr(o, rk_lit("null"));
	p32(o, 1);
	uint32_t at = o->len;
	p32(o, n < 0 ? (int64_t)topics : n);
	for (int32_t i = 0; n < 0 && i < (int32_t)topics; i++)
		describe(o, &topic[i], rk_str_of(topic[i].name), version);
	int32_t i = 0;
	for (; i < n && !r->bad; i++) {
		struct rk_str name = str(r);
		describe(o, topic_of(name), name, version);
	}
	if (n >= 0)
		rk_put32(o->b + at, (uint32_t)i);
}

static void
remember(struct part *p, int64_t offset, int64_t pos)
{
	if (p->marks == p->cap) {
		p->cap = p->cap == 0 ? 1024 : p->cap * 2;
		p->mark = rk_mem_grow(p->mark, p->cap * sizeof *p->mark);
	}
	p->mark[p->marks++] = (struct mark){ offset, pos };
}

/* Appends the batches at b; returns the first one's offset, or -1. */
static int64_t
append(struct part *p, uint8_t *b, uint32_t len)
{
	pthread_mutex_lock(&p->lock);
	int64_t base = p->end, at = p->bytes;
	for (uint32_t i = 0; i + BATCH_HEAD <= len;) {
		uint32_t size = rk_get32(b + i + 8) + 12;
		if (size < BATCH_HEAD || size > len - i)
			break;
		rk_put64(b + i, (uint64_t)p->end);
		remember(p, p->end, at + i);
		p->end += (int32_t)rk_get32(b + i + 23) + 1;
		i += size;
	}
	bool ok = pwrite(p->fd, b, len, at) == (ssize_t)len;
	if (ok)
		p->bytes += len;
	pthread_mutex_unlock(&p->lock);
	if (ok && sync_each)
		ok = fdatasync(p->fd) == 0;
	return ok ? base : -1;
}

/* False: acks=0, so no answer. */
static bool
produce(struct in *r, struct out *o, int16_t version)
{
	(void)str(r);
	int16_t acks = i16(r);
	(void)i32(r);
	int32_t n = i32(r);
	p32(o, n);
	for (int32_t i = 0; i < n && !r->bad; i++) {
		struct rk_str name = str(r);
		struct topic *t = topic_of(name);
		int32_t count = i32(r);
		pstr(o, name);
		p32(o, count);
		for (int32_t k = 0; k < count && !r->bad; k++) {
			int32_t index = i32(r), len = i32(r);
			const uint8_t *b = len > 0 ? take(r, (size_t)len) : NULL;
			struct part *p = part_of(t, index);
			int64_t base = b != NULL && p != NULL ? append(p, (uint8_t *)(uintptr_t)b, (uint32_t)len) : -1;
			p32(o, index);
			p16(o, p == NULL ? 3 : base < 0 ? 56 : 0);
			p64(o, base);
			p64(o, -1);
			if (version >= 5)
				p64(o, 0);
			if (version >= 8) {
				p32(o, 0);
				p16(o, -1);
			}
		}
	}
	p32(o, 0);
	pthread_mutex_lock(&news_lock);
	pthread_cond_broadcast(&news);
	pthread_mutex_unlock(&news_lock);
	return acks != 0;
}

/* Whole batches from the one that holds offset on, at least one, then up to most bytes. */
static struct range
find(struct part *p, int64_t offset, uint32_t most)
{
	struct range g = { .fd = p->fd };

	pthread_mutex_lock(&p->lock);
	if (offset < p->end) {
		uint32_t lo = 0, hi = p->marks;
		while (hi - lo > 1)
			if (p->mark[(lo + hi) / 2].offset <= offset)
				lo = (lo + hi) / 2;
			else
				hi = (lo + hi) / 2;
		int64_t from = p->mark[lo].pos;
		if (p->bytes - from <= most) {
			hi = p->marks;
		} else {
			for (uint32_t top = p->marks; top - hi > 1;)
				if (p->mark[(hi + top) / 2].pos - from <= most)
					hi = (hi + top) / 2;
				else
					top = (hi + top) / 2;
		}
		g.pos = from;
		g.len = (uint32_t)((hi < p->marks ? p->mark[hi].pos : p->bytes) - from);
	}
	pthread_mutex_unlock(&p->lock);
	return g;
}

static void
fetch_part(struct in *r, struct out *o, int16_t version, struct topic *t, uint32_t *budget)
{
	int32_t index = i32(r);
	if (version >= 9)
		(void)i32(r);
	int64_t offset = i64(r);
	if (version >= 5)
		(void)i64(r);
	uint32_t most = (uint32_t)i32(r);
	struct part *p = part_of(t, index);
	struct range g = { 0 };

	if (p != NULL && *budget > 0 && o->ranges < RANGES)
		g = find(p, offset, most < *budget ? most : *budget);
	*budget -= g.len < *budget ? g.len : *budget;
	p32(o, index);
	p16(o, p == NULL ? 3 : offset > p->end ? 1 : 0);
	p64(o, p == NULL ? -1 : p->end);
	p64(o, p == NULL ? -1 : p->end);
	if (version >= 5)
		p64(o, 0);
	p32(o, 0);
	if (version >= 11)
		p32(o, -1);
	p32(o, g.len);
	if (g.len > 0) {
		g.at = o->len;
		o->range[o->ranges++] = g;
		o->file_bytes += g.len;
	}
}

static void
fetch_once(struct in *r, struct out *o, int16_t version, uint32_t most)
{
	p32(o, 0);
	if (version >= 7) {
		(void)i32(r);
		(void)i32(r);
		p16(o, 0);
		p32(o, 0);
	}
	int32_t n = i32(r);
	p32(o, n);
	for (int32_t i = 0; i < n && !r->bad; i++) {
		struct rk_str name = str(r);
		struct topic *t = topic_of(name);
		int32_t count = i32(r);
		pstr(o, name);
		p32(o, count);
		for (int32_t k = 0; k < count && !r->bad; k++)
			fetch_part(r, o, version, t, &most);
	}
}

static void
fetch(struct in *r, struct out *o, int16_t version)
{
	struct timespec until;

	(void)i32(r);
	int32_t wait_ms = i32(r), least = i32(r);
	uint32_t most = (uint32_t)i32(r);
	(void)i8(r);
	clock_gettime(CLOCK_REALTIME, &until);
	int64_t ns = until.tv_nsec + (int64_t)wait_ms * 1000000;
	until.tv_sec += ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	for (uint32_t start = o->len;;) {
		struct in again = *r;
		o->len = start;
		o->ranges = o->file_bytes = 0;
		pthread_mutex_lock(&news_lock);
		fetch_once(&again, o, version, most);
		bool late = o->file_bytes >= (uint32_t)least || again.bad
		    || pthread_cond_timedwait(&news, &news_lock, &until) == ETIMEDOUT;
		pthread_mutex_unlock(&news_lock);
		if (late)
			return;
	}
}

static void
list_offsets(struct in *r, struct out *o, int16_t version)
{
	(void)i32(r);
	if (version >= 2) {
		(void)i8(r);
		p32(o, 0);
	}
	int32_t n = i32(r);
	p32(o, n);
	for (int32_t i = 0; i < n && !r->bad; i++) {
		struct rk_str name = str(r);
		struct topic *t = topic_of(name);
		int32_t count = i32(r);
		pstr(o, name);
		p32(o, count);
		for (int32_t k = 0; k < count && !r->bad; k++) {
			int32_t index = i32(r);
			if (version >= 4)
				(void)i32(r);
			int64_t at = i64(r);
			struct part *p = part_of(t, index);
			p32(o, index);
			p16(o, p == NULL ? 3 : 0);
			p64(o, -1);
			p64(o, p == NULL ? -1 : at == -1 ? p->end : 0);
			if (version >= 4)
				p32(o, 0);
		}
	}
}

static void
init_producer(struct out *o)
{
	static int64_t next = 1;

	p32(o, 0);
	p16(o, 0);
	p64(o, __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED));
	p16(o, 0);
}

/* --- a connection */

static bool
all_in(int fd, void *to, size_t len)
{
	return recv(fd, to, len, MSG_WAITALL) == (ssize_t)len;
}

static bool
all_out(int fd, const uint8_t *p, size_t len, bool more)
{
	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool
send_answer(int fd, struct out *o)
{
	uint32_t at = 0;

	rk_put32(o->b, o->len - 4 + o->file_bytes);
	for (uint32_t i = 0; i < o->ranges; i++) {
		struct range *g = &o->range[i];
		off_t pos = g->pos;
		if (!all_out(fd, o->b + at, g->at - at, true))
			return false;
		for (uint32_t left = g->len; left > 0;) {
			ssize_t n = sendfile(fd, g->fd, &pos, left);
			if (n <= 0)
				return false;
			left -= (uint32_t)n;
		}
		at = g->at;
	}
	return all_out(fd, o->b + at, o->len - at, false);
}

/* One request; false ends the connection. */
static bool
serve(int fd, uint8_t *frame, uint32_t len, struct out *o)
{
	struct in r = { frame, frame + len, false };
	int16_t key = i16(&r), version = i16(&r);

	o->len = o->file_bytes = o->ranges = 0;
	p32(o, 0);
	p32(o, i32(&r));
	if (key == API_VERSIONS) {
		api_versions(o, version);
		return send_answer(fd, o);
	}
	(void)str(&r);
	bool answer = true;
	switch (key) {
	case PRODUCE: answer = produce(&r, o, version); break;
	case FETCH: fetch(&r, o, version); break;
	case LIST_OFFSETS: list_offsets(&r, o, version); break;
	case METADATA: metadata(&r, o, version); break;
	case INIT_PRODUCER: init_producer(o); break;
	default: return false;
	}
	return !r.bad && (!answer || send_answer(fd, o));
}

static void *
connection(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct out *o = rk_new(struct out);
	uint8_t head[4], *frame = NULL;
	uint32_t cap = 0;

	while (all_in(fd, head, 4)) {
		uint32_t len = rk_get32(head);
		if (len > 128u << 20)
			break;
		if (len > cap)
			frame = rk_mem_grow(frame, cap = len);
		if (!all_in(fd, frame, len) || !serve(fd, frame, len, o))
			break;
	}
	close(fd);
	rk_mem_put(frame);
	rk_mem_put(o);
	return NULL;
}

static int
listen_on(uint16_t on)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(on), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 128) != 0) {
		perror("null: listening");
		exit(1);
	}
	return fd;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = { { "port", required_argument, NULL, 'P' },
		{ "dir", required_argument, NULL, 'd' }, { "partitions", required_argument, NULL, 'n' },
		{ "sync", no_argument, NULL, 's' }, { NULL, 0, NULL, 0 } };
	int c, one = 1;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'P': port = (uint16_t)atoi(optarg); break;
		case 'd': folder = optarg; break;
		case 'n': parts_each = (uint32_t)atoi(optarg); break;
		case 's': sync_each = true; break;
		default: return 2;
		}
	if (argc != optind || port == 0 || folder == NULL || parts_each == 0) {
		fprintf(stderr, "usage: null --port PORT --dir DIRECTORY [--partitions N] [--sync]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	mkdir(folder, 0755);
	for (int fd = listen_on(port);;) {
		pthread_t t;
		int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (got < 0)
			continue;
		setsockopt(got, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		if (pthread_create(&t, NULL, connection, (void *)(intptr_t)got) == 0)
			pthread_detach(t);
		else
			close(got);
	}
}
