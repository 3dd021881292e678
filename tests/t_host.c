/* t_host.c - the real world under a node that only echoes: sockets, files, workers, signals.
 *
 * Each test runs host_run in this process; a client thread talks to it and ends it with SIGTERM. The first
 * byte of a frame tells the little node what to do with it. */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "base/mem.h"
#include "base/say.h"
#include "src/config.h"
#include "src/host/world.h"

/* --- the node */

struct node {
	struct rk_env *env;
	struct rk_file *file;
};
struct talk { /* one connection */
	struct rk_arena arena;
	uint8_t *frame;
	bool busy;
};

static char dir[64];
static atomic_int opened, gone, frames;
static struct node the_node;

enum rk_err
node_start(struct rk_env *e, struct conf *c, struct node **out)
{
	char path[128];

	(void)c;
	the_node.env = e;
	snprintf(path, sizeof path, "%s/data", dir);
	*out = NULL;
	if (rk_file_open(e, path, RK_OPEN_CREATE, &the_node.file) != RK_OK)
		return RK_KAFKA_STORAGE_ERROR;
	*out = &the_node;
	return RK_OK;
}

bool
node_ready(const struct node *n)
{
	return n->file != NULL;
}

const char *
node_why(const struct node *n)
{
	return node_ready(n) ? NULL : "it is not registered";
}

static atomic_bool failing;

bool
node_failed(const struct node *n)
{
	(void)n;
	return failing;
}

void
node_opened(struct node *n, struct rk_conn *c, uint32_t listener)
{
	struct talk *t = rk_new(struct talk);

	(void)n;
	ck_assert_uint_eq(listener, 7);
	rk_arena_init(&t->arena, 1 << 20);
	c->node = t;
	opened++;
}

/* 'E' echoes with a size in front; 'F' pos u32, len u32: that range of the file, between two memory
 * pieces; 'S' many small ranges; 'T' asks for a tick; 'H' holds on for ever; 'C' closes after an echo;
 * 'X' closes at once. */
void
node_frame(struct node *n, struct rk_conn *c, void *frame, uint32_t len)
{
	struct talk *t = c->node;
	uint8_t *p = frame;
	struct rk_out out;

	ck_assert(!t->busy); /* one at a time */
	frames++;
	t->busy = true;
	t->frame = p;
	rk_out_init(&out, &t->arena);
	if (len == 0 || p[0] == 'H')
		return;
	if (p[0] == 'T') /* wakes the node in so many ms, and echoes */
		n->env->world->wake(n->env, rk_now(n->env) + p[1]);
	if (p[0] == 'X') {
		rk_conn_close(c, true, "told to");
		return;
	}
	if (p[0] == 'F' || p[0] == 'S') {
		uint32_t pos = rk_get32(p + 1), bytes = rk_get32(p + 5), times = p[0] == 'S' ? 100 : 1;
		rk_put32(rk_out_room(&out, 4), times * (bytes + 1));
		for (uint32_t i = 0; i < times; i++) {
			rk_out_file(&out, n->file, pos + i * bytes, bytes);
			rk_out_put(&out, "|", 1);
		}
	} else {
		rk_put32(rk_out_room(&out, 4), len);
		rk_out_mem(&out, p, len);
	}
	rk_conn_send(c, &out);
	if (p[0] == 'C')
		rk_conn_close(c, false, "told to");
}

void
node_sent(struct node *n, struct rk_conn *c)
{
	struct talk *t = c->node;

	(void)n;
	t->busy = false;
	rk_mem_put(t->frame);
	t->frame = NULL;
	rk_arena_reset(&t->arena);
	rk_conn_resume(c);
}

void
node_reached(struct node *n, struct rk_conn *c)
{
	(void)n;
	ck_abort_msg("nobody dialled %s", rk_conn_peer(c));
}

void
node_gone(struct node *n, struct rk_conn *c)
{
	struct talk *t = c->node;

	(void)n;
	rk_mem_put(t->frame);
	rk_arena_free(&t->arena);
	rk_mem_put(t);
	gone++;
}

static atomic_int flushes;
static atomic_int ticks;
static int64_t ticked_ms;

void
node_tick(struct node *n, int64_t now)
{
	(void)n;
	ticked_ms = now;
	ticks++;
}

void
node_flush(struct node *n)
{
	(void)n;
	flushes++;
}

static bool on_hold; /* a stop takes for ever */
static rk_done *stop_done;
static void *stop_arg;

static void
stopped(void *arg, enum rk_err err)
{
	(void)arg;
	stop_done(stop_arg, err);
}

static void
nothing(void *arg)
{
	(void)arg;
}

void
node_stop(struct node *n, rk_done *done, void *arg)
{
	stop_done = done;
	stop_arg = arg;
	if (on_hold)
		return;
	rk_work(n->env, 0, nothing, stopped, NULL);
}

void
node_free(struct node *n)
{
	rk_file_drop(n->file);
	n->file = NULL;
}

void
node_reload(struct node *n, const struct conf *c)
{
	(void)n;
	(void)c;
}

struct rk_str
node_metrics(struct node *n, struct rk_arena *a)
{
	(void)n;
	return rk_arena_print(a, "# HELP t_one One.\n# TYPE t_one gauge\nt_one 1\n");
}

/* --- client's side */

static uint16_t port, http_port;

static int
dial(uint16_t to)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(to), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

static void
give(int fd, const void *p, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = send(fd, (const char *)p + done, len - done, MSG_NOSIGNAL);
		ck_assert_int_gt(n, 0);
		done += (size_t)n;
	}
}

/* False at the end of the stream. */
static bool
want(int fd, void *p, size_t len)
{
	for (size_t got = 0; got < len;) {
		ssize_t n = recv(fd, (char *)p + got, len - got, 0);
		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

static void
give_frame(int fd, const void *p, uint32_t len)
{
	uint8_t *all = malloc(len + 4);

	rk_put32(all, len);
	memcpy(all + 4, p, len);
	give(fd, all, len + 4);
	free(all);
}

static uint8_t *
want_frame(int fd, uint32_t *len)
{
	uint8_t head[4], *p;

	ck_assert(want(fd, head, 4));
	*len = rk_get32(head);
	p = malloc(*len + 1);
	ck_assert(want(fd, p, *len));
	return p;
}

static void
echo(int fd, uint32_t len, uint8_t seed)
{
	uint8_t *p = malloc(len), *back;
	uint32_t got;

	for (uint32_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 31 + seed + i / 977);
	p[0] = 'E';
	give_frame(fd, p, len);
	back = want_frame(fd, &got);
	ck_assert_uint_eq(got, len);
	ck_assert(memcmp(p, back, len) == 0);
	free(p);
	free(back);
}

static long
rss_kb(void)
{
#ifdef __SANITIZE_ADDRESS__
	return 0; /* the shadow memory would be measured */
#endif
	long kb = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

static bool
within(atomic_int *what, int target, int ms)
{
	for (; ms > 0 && atomic_load(what) != target; ms -= 5)
		usleep(5000);
	return atomic_load(what) == target;
}

/* --- running it */

static void (*client)(void);
static pthread_t client_thread;

static void *
run_client(void *arg)
{
	(void)arg;
	client();
	kill(getpid(), SIGTERM);
	return NULL;
}

static bool old_kernel; /* no cachestat */
static struct host_world *the_world;
static uint64_t cold_reads;

static void
started(void *arg, struct host_world *w)
{
	(void)arg;
	the_world = w;
	w->no_cachestat = old_kernel;
	port = host_port(w, 0);
	pthread_create(&client_thread, NULL, run_client, NULL);
}

static int
serve(struct host_options o, void (*fn)(void))
{
	struct host_listen l = { .host = "127.0.0.1", .port = 0, .index = 7 };

	strcpy(dir, "/tmp/t_host.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	client = fn;
	o.listen = &l;
	o.listen_count = 1;
	o.backlog = 1000;
	o.started = started;
	int status = host_run(&o);
	if (!failing)
		pthread_join(client_thread, NULL);
	char cmd[128];
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
	return status;
}

/* --- tests */

static void
echoes(void)
{
	int fd = dial(port);

	echo(fd, 1, 0);
	echo(fd, 100, 1);
	echo(fd, 65532, 2);
	echo(fd, 65533, 2);
	echo(fd, 200000, 3);
	echo(fd, 5 * 1024 * 1024, 4);
	for (uint32_t i = 1; i < 300; i++)
		echo(fd, i * 7, (uint8_t)i);
	close(fd);
	ck_assert(within(&gone, 1, 2000));
}

START_TEST(frames_of_all_sizes_arrive_whole)
{
	ck_assert_int_eq(serve((struct host_options){ 0 }, echoes), 0);
	ck_assert_int_eq(opened, 1);
	ck_assert_int_ge(flushes, 1);
}
END_TEST

static void
pipelined(void)
{
	enum { N = 3000 };
	int fd = dial(port);
	uint8_t *all = malloc(N * 64), *p = all;

	for (uint32_t i = 0; i < N; i++) {
		uint32_t len = 1 + i % 50;
		rk_put32(p, len);
		memset(p + 4, 'a' + (int)(i % 26), len);
		p[4] = 'E';
		p += 4 + len;
	}
	/* In pieces of odd sizes, so that sizes and frames are cut everywhere. */
	for (size_t at = 0, n = 1, end = (size_t)(p - all); at < end; at += n, n = n * 7 % 4099 + 1) {
		n = n < end - at ? n : end - at;
		give(fd, all + at, n);
	}
	for (uint32_t i = 0; i < N; i++) {
		uint32_t len;
		uint8_t *f = want_frame(fd, &len);
		ck_assert_uint_eq(len, 1 + i % 50);
		ck_assert(len == 1 || f[len - 1] == 'a' + i % 26);
		free(f);
	}
	free(all);
	close(fd);
}

START_TEST(pipelined_frames_are_answered_in_order)
{
	ck_assert_int_eq(serve((struct host_options){ 0 }, pipelined), 0);
	ck_assert_int_eq(frames, 3000);
}
END_TEST

static void
ask_range(int fd, char kind, uint32_t pos, uint32_t len)
{
	uint8_t q[9] = { (uint8_t)kind };
	rk_put32(q + 1, pos);
	rk_put32(q + 5, len);
	give_frame(fd, q, sizeof q);
}

static uint8_t
file_byte(uint64_t i)
{
	return (uint8_t)(i * 131 + i / 4093);
}

static void
make_file(size_t len)
{
	char path[128];
	uint8_t *p = malloc(len);

	for (size_t i = 0; i < len; i++)
		p[i] = file_byte(i);
	snprintf(path, sizeof path, "%s/data", dir);
	int fd = open(path, O_WRONLY | O_CREAT, 0644);
	ck_assert_int_eq(pwrite(fd, p, len, 0), (ssize_t)len);
	fdatasync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* cold, as far as the kernel obliges */
	close(fd);
	free(p);
}

static void
check_range(int fd, uint32_t pos, uint32_t len)
{
	uint32_t got;
	uint8_t *p = want_frame(fd, &got);

	ck_assert_uint_eq(got, len + 1);
	for (uint32_t i = 0; i < len; i++)
		if (p[i] != file_byte(pos + i))
			ck_abort_msg("byte %u of %u is wrong", i, len);
	ck_assert_int_eq(p[len], '|');
	free(p);
}

static void
ranges(void)
{
	int fd = dial(port);
	static const uint32_t len[] = { 1, 100, 4096, 32768, 32769, 500000, 3000000, 8000000 };

	make_file(9 << 20);
	ask_range(fd, 'F', 0, 9 << 20);
	check_range(fd, 0, 9 << 20);
	cold_reads = the_world->warmups;
	for (uint32_t i = 0; i < rk_countof(len); i++)
		for (uint32_t pos = 0; pos < 5000; pos += 1234) {
			ask_range(fd, 'F', pos, len[i]);
			check_range(fd, pos, len[i]);
		}
	ask_range(fd, 'S', 10, 3000);
	uint32_t got, at = 0;
	uint8_t *p = want_frame(fd, &got);
	ck_assert_uint_eq(got, 100 * 3001);
	for (uint32_t k = 0; k < 100; k++, at += 3001)
		for (uint32_t i = 0; i < 3000; i++)
			ck_assert(p[at + i] == file_byte(10 + k * 3000 + i));
	free(p);
	/* Past the end: the connection is closed, and the next one is served. */
	ask_range(fd, 'F', 9 << 20, 100);
	uint8_t head[4];
	while (want(fd, head, 1))
		;
	close(fd);
	fd = dial(port);
	ask_range(fd, 'F', (9 << 20) - 100000, 200000);
	while (want(fd, head, 1))
		;
	close(fd);
	fd = dial(port);
	echo(fd, 10, 1);
	close(fd);
}

START_TEST(file_ranges_leave_as_they_are_on_disk)
{
	ck_assert_int_eq(serve((struct host_options){ 0 }, ranges), 0);
	fprintf(stderr, "%" PRIu64 " pieces waited for the disk\n", cold_reads);
}
END_TEST

START_TEST(older_kernels_are_asked_page_by_page)
{
	old_kernel = true;
	ck_assert_int_eq(serve((struct host_options){ 0 }, ranges), 0);
}
END_TEST

static void
slow(void)
{
	int lazy = dial(port), quick, small = 128 * 1024;

	setsockopt(lazy, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	make_file(32 << 20);
	ask_range(lazy, 'F', 0, 32 << 20);
	ask_range(lazy, 'F', 5, 1000);
	usleep(50000);
	long before = rss_kb();
	quick = dial(port);
	for (int i = 0; i < 200; i++)
		echo(quick, 1000, (uint8_t)i);
	ck_assert_int_lt(rss_kb() - before, 4096);
	check_range(lazy, 0, 32 << 20);
	check_range(lazy, 5, 1000);
	close(lazy);
	close(quick);
}

START_TEST(a_slow_reader_holds_up_nobody_and_no_memory)
{
	ck_assert_int_eq(serve((struct host_options){ 0 }, slow), 0);
}
END_TEST

static void
claims(void)
{
	int fd[40], one = dial(port);
	uint8_t head[5] = { 0, 0, 0, 0, 'E' };

	echo(one, 10, 0);
	long before = rss_kb();
	rk_put32(head, 95 << 20);
	for (int i = 0; i < 40; i++) {
		fd[i] = dial(port);
		give(fd[i], head, 5);
	}
	echo(one, 10, 0);
	ck_assert(within(&opened, 41, 2000));
	usleep(20000);
	ck_assert_int_lt(rss_kb() - before, 2048);
	for (int i = 0; i < 40; i++)
		close(fd[i]);
	close(one);
}

START_TEST(a_claimed_size_costs_nothing)
{
	ck_assert_int_eq(serve((struct host_options){ 0 }, claims), 0);
}
END_TEST

static char last_line[400];

static void
keep_line(void *arg, enum rk_level l, const char *line)
{
	(void)arg;
	if (l >= RK_WARN)
		snprintf(last_line, sizeof last_line, "%s", line);
}

static void
strangers(void)
{
	static const struct {
		const char *bytes, *says;
	} kind[] = { { "\x16\x03\x01\x02\x00\x01\x00\x01", "TLS" }, { "GET / HTTP/1.1\r\n\r\n", "HTTP" },
		{ "SSH-2.0-x\r\n", "SSH" }, { "\xff\xff\xff\xff\x01", "-1 bytes" },
		{ "\x7f\x00\x00\x00\x01", "socket.request.max" } };

	for (uint32_t i = 0; i < rk_countof(kind); i++) {
		int fd = dial(port);
		char c;
		give(fd, kind[i].bytes, i == 0 ? 8 : 5);
		ck_assert(!want(fd, &c, 1));
		close(fd);
		ck_assert_msg(strstr(last_line, kind[i].says) != NULL, "%s", last_line);
		ck_assert(strstr(last_line, "127.0.0.1:") != NULL);
		usleep(1010000); /* lines of one kind come at most once a second */
	}
}

START_TEST(strangers_are_told_apart)
{
	rk_say_to(keep_line, NULL, RK_INFO);
	ck_assert_int_eq(serve((struct host_options){ 0 }, strangers), 0);
}
END_TEST

static void
crowd(void)
{
	enum { MOST = 10000 };
	struct rlimit r;
	static int fd[MOST];

	getrlimit(RLIMIT_NOFILE, &r); /* both ends are in this process */
	int n = (int)rk_min(MOST, (int64_t)(r.rlim_max / 2 - 200));
	if (n > (int)(r.rlim_max / 2) - 64 - 1)
		n = (int)(r.rlim_max / 2) - 65;
	echo(fd[0] = dial(port), 10, 0);
	long before = rss_kb();
	for (int i = 1; i < n; i++) {
		fd[i] = dial(port);
		if (i % 500 == 0)
			ck_assert(within(&opened, i + 1, 5000));
	}
	ck_assert(within(&opened, n, 5000));
	long each = (rss_kb() - before) * 1024 / n;
	ck_assert_int_lt(each, 1024 + 256); /* with the little node's own share */
	for (int i = 0; i < n; i += 97)
		echo(fd[i], 100, (uint8_t)i);
	for (int i = 0; i < n; i++)
		close(fd[i]);
	ck_assert(within(&gone, n, 5000));
}

START_TEST(ten_thousand_connections_cost_little)
{
	ck_assert_int_eq(serve((struct host_options){ 0 }, crowd), 0);
}
END_TEST

static void
endings(void)
{
	int fd = dial(port);
	uint32_t len;
	char c;

	give_frame(fd, "Close after this", 16);
	free(want_frame(fd, &len));
	ck_assert_uint_eq(len, 16);
	ck_assert(!want(fd, &c, 1));
	close(fd);
	fd = dial(port);
	give_frame(fd, "X", 1);
	ck_assert(!want(fd, &c, 1));
	close(fd);
	fd = dial(port); /* a peer that breaks off while it is served is noticed */
	give_frame(fd, "H", 1);
	usleep(20000);
	struct linger hard = { 1, 0 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	close(fd);
	ck_assert(within(&gone, 3, 2000));
	fd = dial(port); /* silent for idle_ms */
	ck_assert(!want(fd, &c, 1));
	close(fd);
}

START_TEST(connections_end_as_they_should)
{
	ck_assert_int_eq(serve((struct host_options){ .idle_ms = 300 }, endings), 0);
	ck_assert_int_eq(opened, gone);
}
END_TEST

static void
get(const char *path, const char *expect, const char *also)
{
	char text[8192] = "", q[100];
	int fd = dial(http_port), n = 0;

	snprintf(q, sizeof q, "GET %s HTTP/1.0\r\n\r\n", path);
	give(fd, q, strlen(q));
	for (ssize_t got; (got = recv(fd, text + n, sizeof text - 1 - (size_t)n, 0)) > 0;)
		n += (int)got;
	text[n] = '\0';
	ck_assert_msg(strstr(text, expect) != NULL, "%s", text);
	ck_assert_msg(strstr(text, also) != NULL, "%s", text);
	close(fd);
}

static void
many_of_one(void)
{
	int fd[4];
	char c;

	for (int i = 0; i < 4; i++)
		fd[i] = dial(port);
	for (int i = 0; i < 3; i++)
		echo(fd[i], 10, 0);
	ck_assert(!want(fd[3], &c, 1));
	close(fd[0]);
	ck_assert(within(&gone, 1, 2000));
	fd[0] = dial(port);
	echo(fd[0], 10, 0);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
}

START_TEST(one_address_gets_only_so_many)
{
	ck_assert_int_eq(serve((struct host_options){ .conns_per_ip_max = 3 }, many_of_one), 0);
	ck_assert_int_eq(opened, 4);
}
END_TEST

/* max.connections.per.ip is 1, the override for this address 2, and three connections may come a second. */
static void
as_configured(void)
{
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	int a = dial(port), b = dial(port), c = dial(port);
	char x;

	echo(a, 10, 0);
	echo(b, 10, 0);
	ck_assert(!want(c, &x, 1));
	close(a);
	close(c);
	ck_assert(within(&gone, 1, 2000));
	a = dial(port); /* the fourth: next second */
	echo(a, 10, 0);
	clock_gettime(CLOCK_MONOTONIC, &to);
	ck_assert_int_ge((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000, 980);
	close(a);
	close(b);
}

START_TEST(the_configuration_limits_connections)
{
	static const char *const pairs[] = { "max.connections.per.ip=1", "max.connection.creation.rate=3",
		"max.connections.per.ip.overrides=10.0.0.1:7,127.0.0.1:2" };
	struct rk_arena a;
	struct conf_notes notes = { .arena = &a };

	rk_arena_init(&a, 1 << 20);
	struct conf *c = conf_make(pairs, rk_countof(pairs), &notes);
	ck_assert_int_eq(serve((struct host_options){ .conf = c }, as_configured), 0);
	conf_free(c);
	rk_arena_free(&a);
}
END_TEST

static void
queue_up(void)
{
	int a = dial(port), b = dial(port), c = dial(port);

	echo(a, 10, 0);
	echo(b, 10, 0);
	give_frame(c, "E", 1); /* waits its turn in the kernel's queue */
	usleep(300000);
	ck_assert_int_eq(opened, 2);
	close(a);
	uint32_t len;
	free(want_frame(c, &len));
	ck_assert_uint_eq(len, 1);
	close(b);
	close(c);
}

START_TEST(connections_past_the_limit_wait)
{
	ck_assert_int_eq(serve((struct host_options){ .conns_max = 2 }, queue_up), 0);
}
END_TEST

/* Prometheus' own judge, where it is installed. */
static void
judged(void)
{
	char cmd[200];

	if (system("command -v promtool >/dev/null") != 0)
		return;
	snprintf(cmd, sizeof cmd, "exec 3<>/dev/tcp/127.0.0.1/%u; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; "
		"sed '1,/^.$/d' <&3 | promtool check metrics", http_port);
	FILE *f = popen("bash", "w");
	fprintf(f, "%s\n", cmd);
	ck_assert_int_eq(pclose(f), 0);
}

static void
watches(void)
{
	judged();
	get("/health/live", " 200 ", "alive");
	get("/health/ready", " 200 ", "ready");
	get("/metrics", "version=0.0.4", "\nt_one 1\n");
	get("/metrics", " 200 ", "\nrookery_host_connections 0\n");
	get("/other", " 404 ", "/metrics");
}

START_TEST(machines_can_watch_over_http)
{
	http_port = (uint16_t)(21200 + getpid() % 100);
	struct host_listen l = { .host = "127.0.0.1", .port = http_port };
	struct host_options o = { .http = &l, .http_count = 1 };
	ck_assert_int_eq(serve(o, watches), 0);
}
END_TEST

static void
failure(void)
{
	int fd = dial(port);

	failing = true;
	give_frame(fd, "E", 1);
	pause(); /* nobody sends SIGTERM: the node's word is enough */
}

START_TEST(a_failed_node_ends_the_process_with_an_error)
{
	ck_assert_int_eq(serve((struct host_options){ 0 }, failure), 1);
}
END_TEST

static long
switches(void)
{
	char path[64], line[128];
	long n = -1;

	snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)getpid());
	FILE *f = fopen(path, "r");
	while (fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
			break;
	fclose(f);
	return n;
}

static void
sleeps(void)
{
	int fd = dial(port);
	uint32_t len;
	uint8_t q[2] = { 'T', 80 };

	give_frame(fd, q, 2);
	free(want_frame(fd, &len));
	int64_t asked = the_world->now_ms;
	ck_assert(within(&ticks, 1, 2000));
	ck_assert_int_ge(ticked_ms - asked, 70);
	ck_assert_int_lt(ticked_ms - asked, 500);
	usleep(50000);
	long before = switches();
	usleep(600000);
	ck_assert_int_le(switches() - before, 1);
	ck_assert_int_eq(ticks, 1);
	close(fd);
}

START_TEST(a_tick_comes_in_time_and_an_idle_node_sleeps)
{
	ck_assert_int_eq(serve((struct host_options){ 0 }, sleeps), 0);
}
END_TEST

/* --- signals and the service manager */

static int manager;
static atomic_int reloads;

static void
told(const char *expect)
{
	char word[200] = "";

	ck_assert_int_gt(recv(manager, word, sizeof word - 1, 0), 0);
	ck_assert_msg(strncmp(word, expect, strlen(expect)) == 0, "%s, not %s", word, expect);
}

static void
reload(void *arg, struct node *n)
{
	ck_assert_ptr_eq(arg, &reloads);
	ck_assert_ptr_eq(n, &the_node);
	reloads++;
}

static void
managed(void)
{
	told("READY=1");
	kill(getpid(), SIGHUP);
	ck_assert(within(&reloads, 1, 2000));
	told("RELOADING=1\nMONOTONIC_USEC=");
	told("READY=1");
	kill(getpid(), SIGTERM);
	told("STOPPING=1");
	kill(getpid(), SIGTERM); /* so soon it is an echo of the first */
	usleep(700000);
}

START_TEST(the_service_manager_is_told)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char name[64];

	/* An abstract name: '@' in the variable, a zero in the address. */
	snprintf(name, sizeof name, "@t_host.%d", (int)getpid());
	memcpy(a.sun_path + 1, name + 1, strlen(name) - 1);
	manager = socket(AF_UNIX, SOCK_DGRAM, 0);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	ck_assert_int_eq(bind(manager, (struct sockaddr *)&a, len), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	on_hold = true;
	struct host_options o = { .reload = reload, .reload_arg = &reloads };
	/* The client's last SIGTERM is the second: an impatient end is an error. */
	ck_assert_int_eq(serve(o, managed), 1);
	close(manager);
}
END_TEST

static void
no_descriptors(void)
{
	static int mine[4096];
	int fd[3], n = 0;
	char c;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	for (int i = 0; i < 3; i++)
		fd[i] = socket(AF_INET, SOCK_STREAM, 0);
	while (n < 4096 && (mine[n] = dup(0)) >= 0)
		n++;
	ck_assert_int_lt(n, 4096);
	/* The first may find room where a cold file was closed; the others are let go at once. */
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(connect(fd[i], (struct sockaddr *)&a, sizeof a), 0);
	ck_assert(!want(fd[2], &c, 1));
	while (n > 0)
		close(mine[--n]);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	usleep(300000);
	fd[0] = dial(port);
	echo(fd[0], 100, 1);
	close(fd[0]);
}

START_TEST(running_out_of_descriptors_is_survived)
{
	struct rlimit r = { 300, 300 };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
	ck_assert_int_eq(serve((struct host_options){ 0 }, no_descriptors), 0);
}
END_TEST

START_TEST(a_taken_port_is_named)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	rk_say_to(keep_line, NULL, RK_INFO);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	getsockname(fd, (struct sockaddr *)&a, &len);
	struct host_listen l = { .host = "127.0.0.1", .port = ntohs(a.sin_port), .index = 7 };
	ck_assert_int_eq(host_run(&(struct host_options){ .listen = &l, .listen_count = 1 }), 1);
	ck_assert_msg(strstr(last_line, "stop it, or change the port") != NULL, "%s", last_line);
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("host");
	TCase *t = tcase_create("host");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, frames_of_all_sizes_arrive_whole);
	tcase_add_test(t, pipelined_frames_are_answered_in_order);
	tcase_add_test(t, file_ranges_leave_as_they_are_on_disk);
	tcase_add_test(t, older_kernels_are_asked_page_by_page);
	tcase_add_test(t, a_slow_reader_holds_up_nobody_and_no_memory);
	tcase_add_test(t, a_claimed_size_costs_nothing);
	tcase_add_test(t, strangers_are_told_apart);
	tcase_add_test(t, ten_thousand_connections_cost_little);
	tcase_add_test(t, connections_end_as_they_should);
	tcase_add_test(t, one_address_gets_only_so_many);
	tcase_add_test(t, the_configuration_limits_connections);
	tcase_add_test(t, connections_past_the_limit_wait);
	tcase_add_test(t, machines_can_watch_over_http);
	tcase_add_test(t, a_failed_node_ends_the_process_with_an_error);
	tcase_add_test(t, a_tick_comes_in_time_and_an_idle_node_sleeps);
	tcase_add_test(t, the_service_manager_is_told);
	tcase_add_test(t, running_out_of_descriptors_is_survived);
	tcase_add_test(t, a_taken_port_is_named);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
