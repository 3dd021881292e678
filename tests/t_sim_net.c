/* t_sim_net.c - the simulator's network: connections between two worlds, and what goes wrong with them. */
#include <check.h>
#include "base/mem.h"
#include "tests/sim/world.h"

struct node { /* echoes what it is told, notes what it hears */
	struct sim_world w;
	struct sim_disk *disk;
	struct rk_arena arena;
	struct rk_conn *in;       /* the last connection it was given */
	char heard[512];
};

static struct sim sim;
static struct sim_net net;
static struct node a, b;

static void
note(struct node *n, const char *what)
{
	rk_assert(strlen(n->heard) + strlen(what) + 2 < sizeof n->heard);
	strcat(n->heard, what);
	strcat(n->heard, " ");
}

static void
give(struct node *n, struct rk_conn *c, const char *text)
{
	struct rk_out o;
	uint8_t size[4];

	rk_put32(size, (uint32_t)strlen(text));
	rk_out_init(&o, &n->arena);
	rk_out_put(&o, size, 4);
	rk_out_put(&o, text, (uint32_t)strlen(text));
	rk_conn_send(c, &o);
}

static void
n_opened(void *node, struct rk_conn *c, uint32_t listener)
{
	struct node *n = node;
	ck_assert_uint_eq(listener, 1);
	ck_assert(!c->ours);
	n->in = c;
	note(n, "opened");
}

static void
n_frame(void *node, struct rk_conn *c, void *frame, uint32_t len)
{
	struct node *n = node;
	char text[64];
	snprintf(text, sizeof text, "%.*s", (int)len, (char *)frame);
	rk_mem_put(frame);
	note(n, text);
	if (!c->ours)
		give(n, c, "echo");
	rk_conn_resume(c);
}

static void
n_sent(void *node, struct rk_conn *c)
{
	(void)node;
	(void)c;
}

static void
n_gone(void *node, struct rk_conn *c)
{
	note(node, c->ours ? c->refused ? "refused" : c->why : "gone");
	if (!c->ours)
		((struct node *)node)->in = NULL;
}

static void
n_tick(void *node, int64_t now)
{
	struct node *n = node;
	ck_assert_int_eq(now, rk_now(&n->w.env));
	note(n, "tick");
}

static void
n_flush(void *node)
{
	(void)node;
}

static void
n_reached(void *node, struct rk_conn *c)
{
	ck_assert(c->ours);
	note(node, "reached");
}

static const struct sim_hooks hooks = { n_opened, n_frame, n_sent, n_gone, n_tick, n_flush, n_reached };

static void
node(struct node *n, uint32_t place, const char *host)
{
	*n = (struct node){ .disk = sim_disk_new(&sim) };
	rk_arena_init(&n->arena, 1 << 20);
	sim_world_init(&n->w, &sim, n->disk, NULL, &hooks);
	n->w.place = place;
	sim_net_home(&net, host, 9093, &n->w, 1);
	sim_world_begin(&n->w, n);
}

static void
setup(void)
{
	sim_start(&sim, 7);
	sim_net_init(&net, &sim);
	node(&a, 1, "n1");
	node(&b, 2, "n2");
}

static void
die(struct node *n, bool power)
{
	if (n->w.node == NULL)
		return;
	sim_world_crash(&n->w, power);
	sim_world_bury(&n->w);
}

static void
teardown(void)
{
	die(&a, false);
	die(&b, false);
	sim_end(&sim);
	sim_disk_free(a.disk);
	sim_disk_free(b.disk);
	rk_arena_free(&a.arena);
	rk_arena_free(&b.arena);
}

static void
pass(int64_t ms)
{
	int64_t until = sim.now_us + ms * 1000;
	while (sim_run(&sim, until))
		;
}

/* A connection of a's to b. */
static struct rk_conn *
joined(void)
{
	struct rk_conn *c = rk_conn_open(&a.w.env, "n2", 9093);

	pass(100);
	return c;
}

START_TEST(two_nodes_speak)
{
	struct rk_conn *c = rk_conn_open(&a.w.env, "n2", 9093);
	give(&a, c, "one"); /* before it is open: leaves then */
	pass(100);
	ck_assert_str_eq(a.heard, "reached echo ");
	ck_assert_str_eq(b.heard, "opened one ");
	rk_conn_close(c, false, "test");
	pass(100);
	ck_assert_str_eq(a.heard, "reached echo closed ");
	ck_assert_str_eq(b.heard, "opened one gone ");
}
END_TEST

START_TEST(where_no_process_lives_it_is_refused_and_where_no_name_is_not)
{
	die(&b, false);
	(void)rk_conn_open(&a.w.env, "n2", 9093);
	pass(100);
	ck_assert_str_eq(a.heard, "refused ");
	(void)rk_conn_open(&a.w.env, "n3", 9093);
	pass(100);
	ck_assert_str_eq(a.heard, "refused no such host ");
}
END_TEST

START_TEST(a_killed_process_is_heard_of)
{
	(void)joined();
	die(&b, false);
	pass(60000);
	ck_assert_str_eq(a.heard, "reached closed by the other side ");
}
END_TEST

START_TEST(a_power_cut_is_not_heard_of)
{
	struct rk_conn *c = joined();
	die(&b, true);
	net.dark[2] = true;
	pass(60000);
	ck_assert_str_eq(a.heard, "reached ");
	give(&a, c, "you there?"); /* half open: found out by who speaks, once the machine is up */
	pass(1000);
	ck_assert_str_eq(a.heard, "reached ");
	net.dark[2] = false;
	pass(1000);
	ck_assert_str_eq(a.heard, "reached connection reset ");
}
END_TEST

START_TEST(a_machine_without_power_does_not_even_refuse)
{
	die(&b, true);
	net.dark[2] = true;
	(void)rk_conn_open(&a.w.env, "n2", 9093);
	pass(5000);
	ck_assert_str_eq(a.heard, "");
	pass(20000);
	ck_assert_str_eq(a.heard, "connection timed out ");
}
END_TEST

START_TEST(a_short_cut_delays_and_a_long_one_breaks_the_senders_end)
{
	struct rk_conn *c = joined();
	net.cut[1][2] = true;
	give(&a, c, "one");
	give(&a, c, "two");
	pass(3000);
	ck_assert_str_eq(b.heard, "opened ");
	net.cut[1][2] = false;
	pass(1000);
	ck_assert_str_eq(b.heard, "opened one two ");
	ck_assert_str_eq(a.heard, "reached echo echo ");
	net.cut[1][2] = true;
	give(&a, c, "three");
	pass(30000);
	ck_assert_str_eq(a.heard, "reached echo echo connection timed out ");
	ck_assert_str_eq(b.heard, "opened one two "); /* half open */
}
END_TEST

START_TEST(one_direction_may_be_cut)
{
	struct rk_conn *c = joined();
	net.cut[2][1] = true;
	give(&a, c, "one");
	pass(1000);
	ck_assert_str_eq(b.heard, "opened one ");
	ck_assert_str_eq(a.heard, "reached ");
}
END_TEST

START_TEST(a_stopped_process_hears_later_in_order)
{
	struct rk_conn *c = joined();
	b.w.env.world->wake(&b.w.env, rk_now(&b.w.env) + 1000);
	b.w.asleep_us = sim.now_us + 5000000;
	give(&a, c, "one");
	give(&a, c, "two");
	pass(2000);
	(void)rk_conn_open(&a.w.env, "n2", 9093); /* its kernel answers for it */
	pass(1000);
	ck_assert_str_eq(a.heard, "reached reached ");
	ck_assert_str_eq(b.heard, "opened ");
	pass(5000);
	ck_assert_str_eq(b.heard, "opened one tick opened two ");
	ck_assert_str_eq(a.heard, "reached reached echo echo ");
}
END_TEST

START_TEST(a_reset_breaks_both_ends)
{
	struct rk_conn *c = joined();
	net.reset = 1000000;
	give(&a, c, "one");
	pass(100);
	ck_assert_str_eq(a.heard, "reached connection reset ");
	ck_assert_str_eq(b.heard, "opened gone ");
}
END_TEST

START_TEST(clocks_differ_and_timers_keep_to_their_own)
{
	a.w.drift_ppm = 200;
	b.w.drift_ppm = -200;
	int64_t a0 = rk_now(&a.w.env), b0 = rk_now(&b.w.env);
	pass(100000);
	ck_assert_int_eq(rk_now(&a.w.env) - a0, 100020);
	ck_assert_int_eq(rk_now(&b.w.env) - b0, 99980);
	a.w.env.world->wake(&a.w.env, a0 + 200000);
	pass(99000);
	ck_assert_str_eq(a.heard, "");
	pass(1000);
	ck_assert_str_eq(a.heard, "tick ");
	ck_assert_int_ge(rk_now(&a.w.env), a0 + 200000);
}
END_TEST

int
main(void)
{
	const TTest *const once[] = { two_nodes_speak, where_no_process_lives_it_is_refused_and_where_no_name_is_not,
		a_killed_process_is_heard_of, a_power_cut_is_not_heard_of, a_machine_without_power_does_not_even_refuse,
		a_short_cut_delays_and_a_long_one_breaks_the_senders_end, one_direction_may_be_cut,
		a_stopped_process_hears_later_in_order, a_reset_breaks_both_ends,
		clocks_differ_and_timers_keep_to_their_own };
	Suite *s = suite_create("sim net");
	TCase *t = tcase_create("net");

	tcase_add_checked_fixture(t, setup, teardown);
	for (uint32_t i = 0; i < rk_countof(once); i++)
		tcase_add_test(t, once[i]);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
