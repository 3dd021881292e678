/* load.c - a load for any Kafka-compatible server, light enough not to be what is measured.
 *
 *	load create  HOST:PORT TOPIC PARTITIONS [CONFIG=VALUE]...
 *		until every leader is visible; prints ms
 *	load many    HOST:PORT PREFIX TOPICS
 *		as many topics in one request, likewise
 *	load produce HOST:PORT TOPIC [key=value]...
 *		conns=1 parts=1 batch=16384 record=1024 acks=-1 seconds=5 bytes=0
 *	load fetch   HOST:PORT TOPIC [key=value]...
 *		conns=1 bytes=N tail=0: reads from 0 until N bytes each; tail=1: from the end
 *	load e2e     HOST:PORT TOPIC rate=1000 seconds=5 record=100
 *		one record a request, read by a long-polling consumer
 *	load idle    HOST:PORT TOPIC conns=5000 poll=0|1 seconds=10
 *		connections that do nothing, or long polls on TOPIC
 *	load first   HOST:PORT TOPIC
 *		tries until the first acks=all record is acknowledged; prints ms since the start
 *
 * Requests in versions every server since 1.0 speaks: Metadata 4, CreateTopics 4, Produce 7, Fetch 11. Latencies are
 * printed as percentiles in microseconds. One line of key=value pairs on stdout. */
#include "tests/bench/wire.h"

enum { HEAD = 61, CONNS_MAX = 20000, SAMPLES = 1 << 21 };
static uint32_t *sample, samples;

struct conn {
	int fd;
	uint8_t in[64];      /* the head of an answer */
	uint32_t have, want; /* of the answer: bytes got, bytes in all (with size) */
	int64_t sent_us, offset, got_bytes;
	int part;
};

static uint32_t
varint(uint8_t *to, int64_t v)
{
	uint64_t z = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
	uint32_t n = 0;
	for (; z >= 128; z >>= 7)
		to[n++] = (uint8_t)(z | 128);
	to[n++] = (uint8_t)z;
	return n;
}

/* A batch of records of that size, about bytes long in all; the caller may change it and reseal. */
static size_t
make_batch(uint8_t *b, size_t bytes, size_t record)
{
	size_t at = HEAD;
	int count = 0;
	int64_t ms = (int64_t)time(NULL) * 1000;
	do {
		uint8_t h[16], tail[8];
		uint32_t n = 0;
		h[n++] = 0;
		n += varint(h + n, 0);
		n += varint(h + n, count);
		n += varint(h + n, -1);
		n += varint(h + n, (int64_t)record);
		uint32_t m = varint(tail, (int64_t)(n + record + 1));
		memcpy(b + at, tail, m);
		memcpy(b + at + m, h, n);
		at += m + n;
		for (size_t i = 0; i < record; i++)
			b[at + i] = (uint8_t)(i * 31 + (size_t)count * 7 + (i >> 5) * 131);
		at += record;
		b[at++] = 0;
		count++;
	} while (at + record + 16 < bytes);
	memset(b, 0, HEAD);
	rk_put32(b + 8, (uint32_t)(at - 12));
	b[16] = 2;
	rk_put32(b + 23, (uint32_t)(count - 1));
	rk_put64(b + 27, (uint64_t)ms);
	rk_put64(b + 35, (uint64_t)ms);
	memset(b + 43, 0xff, 14);
	rk_put32(b + 57, (uint32_t)count);
	rk_put32(b + 17, rk_crc32c(0, b + 21, at - 21));
	return at;
}

static uint8_t *
make_produce(const char *topic, int part, int acks, const uint8_t *batch, size_t n, size_t *size)
{
	buf = malloc(n + 400);
	head(0, 7);
	p16(-1);
	p16(acks);
	p32(30000);
	p32(1);
	ps(topic);
	p32(1);
	p32(part);
	p32((int64_t)n);
	memcpy(buf + len, batch, n);
	len += n;
	end();
	*size = len;
	return buf;
}

static size_t
make_fetch(const char *topic, int part, int64_t offset, int wait_ms)
{
	head(1, 11);
	p32(-1);
	p32(wait_ms);
	p32(1);
	p32(52428800);
	p8(0);
	p32(0);
	p32(-1);
	p32(1);
	ps(topic);
	p32(1);
	p32(part);
	p32(-1);
	p64(offset);
	p64(-1);
	p32(1 << 20);
	p32(0);
	ps("");
	end();
	return len;
}

/* One request in buf, one answer into a fresh block; NULL: the connection broke. */
static uint8_t *
ask(int fd, uint32_t *n)
{
	uint8_t size[4];
	if (!send_all(fd, buf, len) || !read_all(fd, size, 4))
		return NULL;
	*n = rk_get32(size);
	uint8_t *a = malloc(*n + 1);
	return read_all(fd, a, *n) ? a : NULL;
}

/* The partitions of the topic that have a leader; -1: no answer. */
static int
leaders(int fd, const char *topic)
{
	uint32_t n;
	head(3, 4);
	p32(1);
	ps(topic);
	p8(0);
	end();
	uint8_t *a = ask(fd, &n), *p = a + 8;
	int led = 0;
	if (a == NULL)
		return -1;
	for (int i = (int)rk_get32(p), k = (p += 4, 0); k < i; k++) {
		p += 4;
		p += 2 + rk_get16(p) + 4;
		p += 2 + (rk_get16(p) == 0xffff ? 0 : rk_get16(p));
	}
	p += 2 + (rk_get16(p) == 0xffff ? 0 : rk_get16(p)) + 4
	     + 4; /* cluster id, controller, topic count */
	if (rk_get16(p) == 0) {
		p += 2;
		p += 2 + rk_get16(p) + 1;
		int parts = (int)rk_get32(p);
		p += 4;
		for (int i = 0; i < parts; i++) {
			led += rk_get16(p) == 0 && (int32_t)rk_get32(p + 6) >= 0;
			p += 10;
			p += 4 + 4 * rk_get32(p);
			p += 4 + 4 * rk_get32(p);
		}
	}
	free(a);
	return led;
}

static int
create(const char *topic, int parts, int topics, char **configs, int count)
{
	int fd = dial(true);
	uint32_t n;
	char name[300];
	int64_t start = now_us();

	buf = malloc((size_t)topics * 300 + 65536);
	head(19, 4);
	p32(topics);
	for (int i = 0; i < topics; i++) {
		snprintf(name, sizeof name, topics > 1 ? "%s-%d" : "%s", topic, i);
		ps(name);
		p32(parts);
		p16(1);
		p32(0);
		p32(count);
		for (int k = 0; k < count; k++) {
			char *eq = strchr(configs[k], '=');
			*eq = '\0';
			ps(configs[k]);
			ps(eq + 1);
			*eq = '=';
		}
	}
	p32(60000);
	p8(0);
	end();
	if (ask(fd, &n) == NULL)
		fail("create");
	int64_t answered = now_us();
	for (int i = 0; i<topics; i += topics> 1 ? topics - 1 : 1) {
		snprintf(name, sizeof name, topics > 1 ? "%s-%d" : "%s", topic, i);
		while (leaders(fd, name) != parts)
			if (now_us() - start > 120000000)
				fail("no leader in time");
	}
	printf("answered_ms=%.1f visible_ms=%.1f\n", (double)(answered - start) / 1000,
	    (double)(now_us() - start) / 1000);
	return 0;
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static uint32_t
percentile(double p)
{
	return samples == 0 ? 0 : sample[(uint32_t)(p * (samples - 1))];
}

static void
took(int64_t us)
{
	if (samples < SAMPLES)
		sample[samples++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static const char *topic_of;
/* Reads what is there of an answer, throwing away all but its first bytes; true: it is whole. */
static bool
drain(struct conn *c, bool *broken)
{
	static uint8_t sink[1 << 18];
	for (;;) {
		ssize_t k;
		if (c->have < sizeof c->in && (c->want == 0 || c->have < c->want)) {
			size_t room =
			    c->want == 0 ? 4 - c->have : rk_min(c->want, sizeof c->in) - c->have;
			k = recv(c->fd, c->in + c->have, room, MSG_DONTWAIT);
		} else {
			k = recv(c->fd, sink, rk_min((int64_t)sizeof sink, c->want - c->have),
			    MSG_DONTWAIT);
		}
		if (k <= 0) {
			*broken = k == 0 || (errno != EAGAIN && errno != EINTR);
			return false;
		}
		c->have += (uint32_t)k;
		if (c->want == 0 && c->have == 4)
			c->want = rk_get32(c->in) + 4;
		if (c->want > 0 && c->have == c->want)
			return true;
	}
}

static struct conn *
open_conns(int n, int ep)
{
	struct conn *c = calloc((size_t)n, sizeof *c);
	for (int i = 0; i < n; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = &c[i]};
		c[i].fd = dial(true);
		epoll_ctl(ep, EPOLL_CTL_ADD, c[i].fd, &e);
	}
	return c;
}

/* The partition has no leader that knows it yet (Kafka tells of leaders before they have made their
 * folders): to be asked again. Other errors count. */
static bool
not_yet(const struct conn *x, int64_t *errors)
{
	uint32_t at = 4 + 4 + 4 + 2 + (uint32_t)strlen(topic_of) + 4 + 4;
	int error = at + 2 <= sizeof x->in ? rk_get16(x->in + at) : 0;
	if (error == 3 || error == 5 || error == 6) {
		usleep(1000);
		return true;
	}
	*errors += error != 0;
	return false;
}

static int
produce(int argc, char **argv)
{
	int n = (int)opt(argc, argv, "conns", 1), parts = (int)opt(argc, argv, "parts", 1);
	int64_t bytes = opt(argc, argv, "bytes", 0), batch = opt(argc, argv, "batch", 16384);
	int64_t until = now_us() + opt(argc, argv, "seconds", 5) * 1000000, sent = 0, done = 0,
		errors = 0;
	int ep = epoll_create1(0);
	uint8_t *b = malloc((size_t)batch + 65536 + (size_t)opt(argc, argv, "record", 1024));
	size_t blen = make_batch(b, (size_t)batch, (size_t)opt(argc, argv, "record", 1024));
	uint8_t **req = calloc((size_t)parts, sizeof *req);
	size_t size = 0;
	struct epoll_event ev[256];

	for (int i = 0; i < parts; i++)
		req[i] =
		    make_produce(topic_of, i, (int)opt(argc, argv, "acks", -1), b, blen, &size);
	struct conn *c = open_conns(n, ep);
	int64_t start = now_us(), open = 0;
	for (int i = 0; i < n; i++, open++) {
		c[i].part = i % parts;
		c[i].sent_us = now_us();
		if (!send_all(c[i].fd, req[c[i].part], size))
			fail("send");
		sent += (int64_t)blen;
	}
	while (open > 0) {
		int k = epoll_wait(ep, ev, 256, 1000);
		for (int i = 0; i < k; i++) {
			struct conn *x = ev[i].data.ptr;
			bool broken = false;
			if (!drain(x, &broken)) {
				if (broken)
					fail("the server closed a connection");
				continue;
			}
			bool again = not_yet(x, &errors);
			x->have = x->want = 0;
			if (again) {
				if (!send_all(x->fd, req[x->part], size))
					fail("send");
				continue;
			}
			done++;
			took(now_us() - x->sent_us);
			if ((bytes > 0 && sent >= bytes) || (bytes == 0 && now_us() >= until)) {
				open--;
				continue;
			}
			x->sent_us = now_us();
			if (!send_all(x->fd, req[x->part], size))
				fail("send");
			sent += (int64_t)blen;
		}
	}
	double s = (double)(now_us() - start) / 1e6;
	qsort(sample, samples, sizeof *sample, by_value);
	printf("requests=%" PRId64 " seconds=%.3f requests_s=%.0f mb_s=%.1f bytes=%" PRId64
	       " errors=%" PRId64 " p50_us=%u p99_us=%u max_us=%u\n",
	    done, s, (double)done / s, (double)(done * (int64_t)blen) / s / 1e6,
	    done * (int64_t)blen, errors, percentile(.5), percentile(.99), percentile(1));
	return errors != 0;
}

/* The offset behind the last batch of a Fetch 11 answer is not looked for: the end offset is asked
 * instead. */
static int64_t
end_offset(int fd)
{
	uint32_t n;
	head(2, 1);
	p32(-1);
	p32(1);
	ps(topic_of);
	p32(1);
	p32(0);
	p64(-1);
	end();
	uint8_t *a = ask(fd, &n);
	if (a == NULL)
		fail("list offsets");
	return (int64_t)rk_get64(a + n - 8);
}

/* Walks the batches of a whole answer held in memory for the next offset. */
static int64_t
after(const uint8_t *a, uint32_t n, int64_t offset)
{
	/* correlation 4, throttle 4, error 2, session 4, topics 4, name, partitions 4, index 4,
	 * error 2, hw 8, stable 8, start 8, aborted 4 (-1 or 0), preferred 4, records len 4 */
	uint32_t at =
	    4 + 4 + 2 + 4 + 4 + 2 + (uint32_t)strlen(topic_of) + 4 + 4 + 2 + 24 + 4 + 4 + 4;
	while (at + HEAD <= n && at + 12 + rk_get32(a + at + 8) <= n) {
		offset = (int64_t)rk_get64(a + at) + (int32_t)rk_get32(a + at + 23) + 1;
		at += 12 + rk_get32(a + at + 8);
	}
	return offset;
}

static int
fetch(int argc, char **argv)
{
	int n = (int)opt(argc, argv, "conns", 1), ep = epoll_create1(0), open = n;
	int64_t bytes = opt(argc, argv, "bytes", 1 << 30), total = 0;
	bool tail = opt(argc, argv, "tail", 0) != 0;
	struct conn *c;
	struct epoll_event ev[64];
	uint8_t **whole = calloc((size_t)n, sizeof *whole);

	buf = malloc(65536);
	c = open_conns(n, ep);
	int64_t from = tail ? end_offset(c[0].fd) : 0, start = now_us();
	for (int i = 0; i < n; i++) {
		whole[i] = malloc(2 << 20);
		c[i].offset = from;
		make_fetch(topic_of, 0, from, 500);
		send_all(c[i].fd, buf, len);
	}
	while (open > 0) {
		int k = epoll_wait(ep, ev, 64, 10000);
		if (k == 0)
			fail("nothing came for 10 s");
		for (int i = 0; i < k; i++) {
			struct conn *x = ev[i].data.ptr;
			uint8_t *w = whole[x - c];
			ssize_t r = recv(x->fd, w + x->have, (2u << 20) - x->have, MSG_DONTWAIT);
			if (r <= 0)
				fail("the server closed a connection");
			x->have += (uint32_t)r;
			if (x->have < 4 || x->have < rk_get32(w) + 4)
				continue;
			x->offset = after(w + 4, x->have - 4, x->offset);
			x->got_bytes += x->have;
			total += x->have;
			x->have = 0;
			if (x->got_bytes >= bytes) {
				open--;
				continue;
			}
			make_fetch(topic_of, 0, x->offset, 500);
			send_all(x->fd, buf, len);
		}
	}
	double s = (double)(now_us() - start) / 1e6;
	printf("bytes=%" PRId64 " seconds=%.3f mb_s=%.1f\n", total, s, (double)total / s / 1e6);
	return 0;
}

/* One record a request at a rate, its send time in the value; a second connection long-polls. */
static int
e2e(int argc, char **argv)
{
	int64_t rate = opt(argc, argv, "rate", 1000), seconds = opt(argc, argv, "seconds", 5),
		record = opt(argc, argv, "record", 100);
	int p = dial(true), f = dial(true), ep = epoll_create1(0);
	static uint8_t b[65536 + HEAD], got[2 << 20];
	size_t blen = make_batch(b, 1, (size_t)record), size;
	uint32_t have = 0, answers = 0;
	int64_t start = now_us(), next = start, offset, last = start + seconds * 1000000, seen = 0,
		sent = 0;

	struct epoll_event e = {.events = EPOLLIN, .data.fd = p}, ev[4];
	epoll_ctl(ep, EPOLL_CTL_ADD, p, &e);
	e.data.fd = f;
	epoll_ctl(ep, EPOLL_CTL_ADD, f, &e);
	uint8_t *req = make_produce(topic_of, 0, (int)opt(argc, argv, "acks", -1), b, blen, &size),
		*in = req + size - blen;
	uint8_t *fbuf = malloc(4096);
	buf = fbuf;
	offset = end_offset(f);
	make_fetch(topic_of, 0, offset, 500);
	send_all(f, buf, len);
	while (seen < sent || now_us() < last) {
		int64_t now = now_us();
		if (now >= next
		    && now < last) { /* not later than the plan, whatever the server does */
			rk_put64(in + 72, (uint64_t)next);
			rk_put32(in + 17, rk_crc32c(0, in + 21, blen - 21));
			send_all(p, req, size);
			sent++;
			next += 1000000 / rate;
			continue;
		}
		if (now > last + 10000000)
			break;
		int k = epoll_wait(
		    ep, ev, 4, next > now && now < last ? (int)((next - now) / 1000) : 0);
		for (int i = 0; i < k; i++) {
			if (ev[i].data.fd == p) {
				answers += recv(p, got + (1 << 20), 1 << 16, MSG_DONTWAIT) > 0;
				continue;
			}
			ssize_t r = recv(f, got + have, (1 << 20) - have, MSG_DONTWAIT);
			if (r <= 0)
				fail("the server closed a connection");
			have += (uint32_t)r;
			if (have < 4 || have < rk_get32(got) + 4)
				continue;
			uint32_t at = 4 + 4 + 4 + 2 + 4 + 4 + 2 + (uint32_t)strlen(topic_of) + 4 + 4
				      + 2 + 24 + 4 + 4 + 4;
			for (; at + blen <= have; at += (uint32_t)blen, seen++)
				took(now_us() - (int64_t)rk_get64(got + at + 72));
			offset = after(got + 4, have - 4, offset);
			have = 0;
			buf = fbuf;
			make_fetch(topic_of, 0, offset, 500);
			send_all(f, buf, len);
		}
	}
	qsort(sample, samples, sizeof *sample, by_value);
	printf("sent=%" PRId64 " seen=%" PRId64 " p50_us=%u p99_us=%u p999_us=%u max_us=%u\n", sent,
	    seen, percentile(.5), percentile(.99), percentile(.999), percentile(1));
	return seen != sent;
}

static int
idle(int argc, char **argv)
{
	int n = (int)opt(argc, argv, "conns", 5000), ep = epoll_create1(0);
	bool poll = opt(argc, argv, "poll", 0) != 0;
	struct epoll_event ev[256];

	struct conn *c = open_conns(n, ep);
	buf = malloc(65536);
	int64_t end_at = poll ? end_offset(c[0].fd) : 0;
	for (int i = 0; poll && i < n; i++) {
		make_fetch(topic_of, 0, end_at, 500);
		send_all(c[i].fd, buf, len);
	}
	printf("ready\n");
	fflush(stdout);
	int64_t until = now_us() + opt(argc, argv, "seconds", 10) * 1000000, answers = 0;
	while (now_us() < until) {
		int k = epoll_wait(ep, ev, 256, 100);
		for (int i = 0; i < k; i++) {
			struct conn *x = ev[i].data.ptr;
			bool broken = false;
			if (!drain(x, &broken)) {
				if (broken)
					fail("the server closed a connection");
				continue;
			}
			x->have = x->want = 0;
			answers++;
			make_fetch(topic_of, 0, end_at, 500);
			send_all(x->fd, buf, len);
		}
	}
	printf("conns=%d answers=%" PRId64 "\n", n, answers);
	return 0;
}

static int
first(void)
{
	static uint8_t b[4096];
	int64_t start = now_us();
	size_t blen = make_batch(b, 1, 100), size, fsize;
	uint8_t *req = make_produce(topic_of, 0, -1, b, blen, &size);
	uint32_t n, at = 4 + 4 + 2 + (uint32_t)strlen(topic_of) + 4 + 4;

	fsize = size;
	while (now_us() - start < 30000000) {
		int fd = dial(false);
		if (fd >= 0) {
			buf = req;
			len = fsize;
			uint8_t *a = ask(fd, &n);
			if (a != NULL && rk_get16(a + at) == 0) {
				printf("first_ms=%.1f\n", (double)(now_us() - start) / 1000);
				return 0;
			}
			close(fd);
			free(a);
		}
		usleep(500);
	}
	fail("no acknowledgement in time");
	return 1;
}

int
main(int argc, char **argv)
{
	if (argc < 4 || !place(argv[2])) {
		fprintf(stderr, "usage: load create|many|produce|fetch|e2e|idle|first HOST:PORT "
				"TOPIC [key=value]...\n");
		return 2;
	}
	topic_of = argv[3];
	sample = malloc(SAMPLES * sizeof *sample);
	if (strcmp(argv[1], "create") == 0)
		return create(
		    argv[3], argc > 4 ? atoi(argv[4]) : 1, 1, argv + 5, argc > 5 ? argc - 5 : 0);
	if (strcmp(argv[1], "many") == 0)
		return create(
		    argv[3], 1, argc > 4 ? atoi(argv[4]) : 1000, argv + 5, argc > 5 ? argc - 5 : 0);
	if (strcmp(argv[1], "produce") == 0)
		return produce(argc, argv);
	if (strcmp(argv[1], "fetch") == 0)
		return fetch(argc, argv);
	if (strcmp(argv[1], "e2e") == 0)
		return e2e(argc, argv);
	if (strcmp(argv[1], "idle") == 0)
		return idle(argc, argv);
	return first();
}
