/* wire.h - what the clients of tests/bench share: one server, blocking sockets, requests written into one buffer.
 *
 * A program is one file that includes this once. Arguments: PROGRAM VERB HOST:PORT NAME [key=value]... */
#ifndef TESTS_BENCH_WIRE_H
#define TESTS_BENCH_WIRE_H
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include "base/str.h"

static struct sockaddr_in server;

static inline int64_t
now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ll + t.tv_nsec / 1000;
}

static inline void
fail(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

static inline int
dial(bool must)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	if (fd < 0)
		fail("socket");
	if (connect(fd, (struct sockaddr *)&server, sizeof server) != 0) {
		if (must)
			fail("connect");
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

/* --- requests, written by hand into one buffer */
static uint8_t *buf;
static size_t len;
static inline void
p8(int v)
{
	buf[len++] = (uint8_t)v;
}
static inline void
p16(int v)
{
	rk_put16(buf + len, (uint16_t)v);
	len += 2;
}
static inline void
p32(int64_t v)
{
	rk_put32(buf + len, (uint32_t)v);
	len += 4;
}
static inline void
p64(int64_t v)
{
	rk_put64(buf + len, (uint64_t)v);
	len += 8;
}
static inline void
ps(const char *s)
{
	p16((int)strlen(s));
	memcpy(buf + len, s, strlen(s));
	len += strlen(s);
}
static inline void
head(int key, int version)
{
	len = 4;
	p16(key);
	p16(version);
	p32(7);
	ps("load");
}
static inline void
end(void)
{
	rk_put32(buf, (uint32_t)(len - 4));
}

static inline bool
send_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static inline bool
read_all(int fd, void *p, size_t n)
{
	while (n > 0) {
		ssize_t k = recv(fd, p, n, 0);
		if (k <= 0)
			return false;
		p = (char *)p + k;
		n -= (size_t)k;
	}
	return true;
}

static inline int64_t
opt(int argc, char **argv, const char *name, int64_t or)
{
	for (int i = 4; i < argc; i++)
		if (strncmp(argv[i], name, strlen(name)) == 0 && argv[i][strlen(name)] == '=')
			return atoll(argv[i] + strlen(name) + 1);
	return or ;
}

/* Takes HOST:PORT, and as many descriptors as there may be. */
static inline bool
place(const char *at)
{
	struct rlimit lim;
	char host[64];
	int port;

	if (sscanf(at, "%63[^:]:%d", host, &port) != 2)
		return false;
	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	server = (struct sockaddr_in){.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = inet_addr(host)};
	return true;
}

#endif
