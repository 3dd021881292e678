/* t_host_dial.c - connections that a node makes: opened, refused, named, timed out, ended.
 *
 * The other side is plain sockets in this thread; the node below only notes what it is told. */
#include <netdb.h>
#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include "base/mem.h"
#include "src/host/world.h"

struct node {
	int opened, reached, frames, sent, gone;
	uint32_t len; /* of the last frame */
	uint8_t first;
	bool refused, ours;
	char why[100];
	bool hold; /* no resume after a frame */
};
static struct node noted;
static struct host_world *w;
static struct host_options options;
static struct rk_arena arena;

enum rk_err node_start(struct rk_env *e, struct conf *c, struct node **o) { (void)e; (void)c; *o = NULL; return RK_OK; }
bool node_ready(const struct node *n) { return n != NULL; }
const char *node_why(const struct node *n) { return n == NULL ? "" : NULL; }
bool node_failed(const struct node *n) { return n == NULL; }
void node_opened(struct node *n, struct rk_conn *c, uint32_t l) { (void)c; (void)l; n->opened++; }
void node_sent(struct node *n, struct rk_conn *c) { (void)c; n->sent++; }
void node_reached(struct node *n, struct rk_conn *c) { n->ours = c->ours; n->reached++; }
void node_tick(struct node *n, int64_t t) { (void)n; (void)t; }
void node_flush(struct node *n) { (void)n; }
void node_stop(struct node *n, rk_done *d, void *a) { (void)n; (void)d; (void)a; }
void node_free(struct node *n) { (void)n; }
struct rk_str node_metrics(struct node *n, struct rk_arena *a) { (void)n; (void)a; return RK_STR_NULL; }

void
node_frame(struct node *n, struct rk_conn *c, void *frame, uint32_t len)
{
	n->frames++;
	n->len = len;
	n->first = len > 0 ? *(uint8_t *)frame : 0;
	rk_mem_put(frame);
	if (!n->hold)
		rk_conn_resume(c);
}

void
node_gone(struct node *n, struct rk_conn *c)
{
	ck_assert_ptr_eq(c->node, n);
	n->gone++;
	n->refused = c->refused;
	snprintf(n->why, sizeof n->why, "%s", c->why != NULL ? c->why : "(nothing said)");
}

static void
setup(void)
{
	options = (struct host_options){ .idle_ms = 200, .connect_ms = 300, .request_max_bytes = 1000, .conns_max = 1 };
	noted = (struct node){ 0 };
	w = host_open(&options);
	ck_assert_ptr_nonnull(w);
	w->node = &noted;
	rk_arena_init(&arena, 1 << 20);
}

static void
teardown(void)
{
	host_conns_close(w);
	host_close(w);
	rk_arena_free(&arena);
}

static struct rk_conn *
dial(const char *host, uint16_t port)
{
	struct rk_conn *c = rk_conn_open(host_env(w), host, port);

	ck_assert_ptr_nonnull(c);
	ck_assert(c->ours);
	c->node = &noted;
	ck_assert_int_eq(noted.gone + noted.reached, 0); /* never from inside */
	return c;
}

static bool
until(const int *what, int is, int64_t ms)
{
	for (int64_t end = w->now_ms + ms; *what != is && w->now_ms < end;)
		host_round(w, 10);
	return *what == is;
}

static int
listener(uint16_t *port, int backlog)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	if (backlog >= 0)
		ck_assert_int_eq(listen(fd, backlog), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static void
send_frame(struct rk_conn *c, const char *text)
{
	struct rk_out out;

	rk_out_init(&out, &arena);
	rk_put32(rk_out_room(&out, 4), (uint32_t)strlen(text));
	rk_out_put(&out, text, (uint32_t)strlen(text));
	rk_conn_send(c, &out);
}

START_TEST(what_is_sent_before_it_is_open_leaves_when_it_is)
{
	uint16_t port;
	int l = listener(&port, 5), one = 0;
	char got[9] = "";
	socklen_t len = sizeof one;
	struct rk_conn *c = dial("127.0.0.1", port);

	send_frame(c, "early");
	ck_assert(until(&noted.reached, 1, 1000));
	ck_assert(until(&noted.sent, 1, 1000));
	int fd = accept(l, NULL, NULL);
	ck_assert_int_eq(recv(fd, got, 9, MSG_WAITALL), 9);
	ck_assert(memcmp(got + 4, "early", 5) == 0);
	ck_assert_int_eq(getsockopt(rk_of(c, struct host_conn, conn)->fd, IPPROTO_TCP, TCP_NODELAY, &one, &len), 0);
	ck_assert_int_ne(one, 0);
	ck_assert_int_eq(send(fd, "\0\0\0\2Hi\0\0\0\1y", 11, 0), 11);
	ck_assert(until(&noted.frames, 2, 1000));
	ck_assert_uint_eq(noted.len, 1);
	close(fd);
	ck_assert(until(&noted.gone, 1, 1000));
	ck_assert(!noted.refused);
	ck_assert_str_eq(noted.why, "the peer left");
	ck_assert_int_eq(noted.opened, 0);
	close(l);
}
END_TEST

START_TEST(a_port_nobody_listens_on_is_refused)
{
	uint16_t port;
	int l = listener(&port, -1);
	struct rk_conn *c = dial("127.0.0.1", port);

	send_frame(c, "never");
	ck_assert(until(&noted.gone, 1, 1000));
	ck_assert(noted.refused);
	ck_assert_str_eq(noted.why, "connection refused");
	ck_assert_int_eq(noted.reached + noted.sent, 0);
	close(l);
}
END_TEST

START_TEST(a_name_is_looked_up_and_all_its_addresses_tried)
{
	uint16_t port;
	int l = listener(&port, 5); /* localhost may be ::1 first, where nobody listens */

	dial("localhost", port);
	ck_assert(until(&noted.reached, 1, 3000));
	close(l);
	host_conns_close(w);
	ck_assert_int_eq(noted.gone, 1);
}
END_TEST

START_TEST(a_name_refused_everywhere_is_refused)
{
	uint16_t port;
	int l = listener(&port, -1);

	dial("localhost", port);
	ck_assert(until(&noted.gone, 1, 3000));
	ck_assert(noted.refused);
	close(l);
}
END_TEST

START_TEST(a_name_that_is_none_says_so)
{
	options.connect_ms = 20000;
	w->opt.connect_ms = 20000;
	dial("no-such-host.invalid", 9092);
	ck_assert(until(&noted.gone, 1, 15000));
	ck_assert(!noted.refused);
	ck_assert(noted.why[0] != '\0');
	noted = (struct node){ 0 };
	dial("", 9092);
	ck_assert(until(&noted.gone, 1, 100));
	ck_assert_str_eq(noted.why, "no such host");
}
END_TEST

/* A queue of length 0 that is full answers no further connection request. */
START_TEST(a_silent_host_is_given_up_in_time)
{
	uint16_t port;
	int l = listener(&port, 0), fill[8];
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	for (int i = 0; i < 8; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fill[i], (struct sockaddr *)&a, sizeof a);
	}
	usleep(20000);
	int64_t from = w->now_ms;
	dial("127.0.0.1", port);
	ck_assert(until(&noted.gone, 1, 5000));
	ck_assert_int_ge(w->now_ms - from, 290);
	ck_assert_int_lt(w->now_ms - from, 2000);
	ck_assert(!noted.refused);
	ck_assert_str_eq(noted.why, "no answer to the connection request");
	for (int i = 0; i < 8; i++)
		close(fill[i]);
	close(l);
}
END_TEST

START_TEST(ours_are_neither_counted_nor_closed_for_silence_and_may_get_long_frames)
{
	enum { LONG = 3000000 };
	uint16_t port;
	int l = listener(&port, 5);
	struct rk_conn *c = dial("127.0.0.1", port);
	int none = 0;

	ck_assert(until(&noted.reached, 1, 1000));
	ck_assert_uint_eq(w->conns, 0);
	int fd = accept(l, NULL, NULL);
	until(&none, 1, 500); /* idle_ms is 200 */
	ck_assert_int_eq(noted.gone, 0);
	uint8_t *p = calloc(1, LONG + 4);
	rk_put32(p, LONG);
	p[4] = 7;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (size_t at = 0; at < LONG + 4;) {
		ssize_t n = send(fd, p + at, LONG + 4 - at, 0);
		at += n > 0 ? (size_t)n : 0;
		host_round(w, 1);
	}
	ck_assert(until(&noted.frames, 1, 1000));
	ck_assert_uint_eq(noted.len, LONG);
	ck_assert_uint_eq(noted.first, 7);
	free(p);
	rk_conn_close(c, true, "enough");
	ck_assert_int_eq(noted.gone, 0); /* never from inside */
	ck_assert(until(&noted.gone, 1, 100));
	ck_assert_str_eq(noted.why, "enough");
	close(fd);
	close(l);
}
END_TEST

START_TEST(one_that_is_not_open_yet_can_be_closed)
{
	uint16_t port;
	int l = listener(&port, 5);
	struct rk_conn *c = dial("127.0.0.1", port);

	send_frame(c, "x");
	rk_conn_close(c, false, "changed my mind");
	ck_assert(until(&noted.gone, 1, 100));
	ck_assert_int_eq(noted.reached, 0);
	noted = (struct node){ 0 };
	c = dial("localhost", port); /* while a worker has the name */
	rk_conn_close(c, true, "again");
	ck_assert(until(&noted.gone, 1, 100));
	ck_assert_int_eq(noted.reached, 0);
	close(l);
}
END_TEST

START_TEST(after_the_end_nothing_is_dialled)
{
	host_conns_close(w);
	dial("127.0.0.1", 1);
	host_conns_close(w);
	ck_assert_int_eq(noted.gone, 1);
	ck_assert_str_eq(noted.why, "this node stops");
}
END_TEST

static bool
knows_localhost(void)
{
	struct addrinfo *list;

	if (getaddrinfo("localhost", NULL, NULL, &list) != 0)
		return false;
	freeaddrinfo(list);
	return true;
}

int
main(void)
{
	Suite *s = suite_create("host_dial");
	TCase *t = tcase_create("dial");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_is_sent_before_it_is_open_leaves_when_it_is);
	tcase_add_test(t, a_port_nobody_listens_on_is_refused);
	if (knows_localhost()) {
		tcase_add_test(t, a_name_is_looked_up_and_all_its_addresses_tried);
		tcase_add_test(t, a_name_refused_everywhere_is_refused);
	} else {
		puts("skip host_dial: names with several addresses (localhost cannot be looked up: there is no /etc/hosts)");
	}
	tcase_add_test(t, a_name_that_is_none_says_so);
	tcase_add_test(t, a_silent_host_is_given_up_in_time);
	tcase_add_test(t, ours_are_neither_counted_nor_closed_for_silence_and_may_get_long_frames);
	tcase_add_test(t, one_that_is_not_open_yet_can_be_closed);
	tcase_add_test(t, after_the_end_nothing_is_dialled);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
