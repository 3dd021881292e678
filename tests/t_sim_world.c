/* t_sim_world.c - the simulator's disk forgets exactly what it may, its workers keep their lanes, its
 * connections their order. */
#include <check.h>
#include "base/mem.h"
#include "tests/sim/world.h"

static struct sim sim;
static struct sim_disk *disk;
static struct sim_world w;
static struct rk_env *e;
static uint32_t dones, errors;

static void
setup(uint64_t seed)
{
	static const struct sim_hooks none;

	sim_start(&sim, seed);
	disk = sim_disk_new(&sim);
	sim_world_init(&w, &sim, disk, NULL, &none);
	e = &w.env;
	dones = errors = 0;
	ck_assert_int_eq(rk_dir_make(e, "/d"), RK_OK);
	ck_assert_int_eq(rk_dir_sync(e, "/"), RK_OK);
}

static void
teardown(void)
{
	sim_end(&sim);
	sim_disk_free(disk);
}

static void
settle(void)
{
	while (sim_run(&sim, INT64_MAX))
		;
}

static void
on_done(void *arg, enum rk_err err)
{
	(void)arg;
	dones++;
	errors += err != RK_OK;
}

static struct rk_file *
file(const char *path)
{
	struct rk_file *f;

	ck_assert_int_eq(rk_file_open(e, path, RK_OPEN_CREATE, &f), RK_OK);
	return f;
}

static void
put(struct rk_file *f, uint64_t pos, char c, uint32_t n)
{
	char *b = rk_mem_get(n);

	memset(b, c, n);
	ck_assert_int_eq(rk_file_write(f, pos, b, n), RK_OK);
	rk_mem_put(b);
}

/* How many bytes from pos on are c; -1: there is no such file. */
static int64_t
run_of(const char *path, uint64_t pos, char c)
{
	struct rk_file *f;
	uint64_t size;
	int64_t n = 0;
	char b;

	if (rk_file_open(e, path, RK_OPEN_READ, &f) != RK_OK)
		return -1;
	ck_assert_int_eq(rk_file_size(f, &size), RK_OK);
	for (; pos < size && rk_file_read(f, pos, &b, 1) == RK_OK && b == c; pos++)
		n++;
	rk_file_drop(f);
	return n;
}

static void
power_off(void)
{
	sim_world_crash(&w, false);
	sim_world_bury(&w);
	settle();
	sim_disk_crash(disk);
}

START_TEST(what_is_synced_with_its_folder_survives)
{
	setup((uint64_t)_i);
	struct rk_file *f = file("/d/a");
	put(f, 0, 'x', 10000);
	ck_assert_int_eq(rk_file_sync_wait(f), RK_OK);
	ck_assert_int_eq(rk_dir_sync(e, "/d"), RK_OK);
	put(f, 10000, 'y', 5000); /* not synced: any part of it may be there */
	rk_file_drop(f);
	power_off();
	ck_assert_int_eq(run_of("/d/a", 0, 'x'), 10000);
	ck_assert_int_le(run_of("/d/a", 10000, 'y'), 5000);
	teardown();
}
END_TEST

START_TEST(without_its_folder_a_file_may_be_gone_and_is_sometimes)
{
	uint32_t gone = 0, there = 0;

	for (uint64_t seed = 1; seed < 50; seed++) {
		setup(seed);
		struct rk_file *f = file("/d/a");
		put(f, 0, 'x', 10);
		ck_assert_int_eq(rk_file_sync_wait(f), RK_OK);
		rk_file_drop(f);
		power_off();
		if (run_of("/d/a", 0, 'x') < 0)
			gone++;
		else
			there += run_of("/d/a", 0, 'x') == 10;
		teardown();
	}
	ck_assert_uint_gt(gone, 5);
	ck_assert_uint_gt(there, 5);
	ck_assert_uint_eq(gone + there, 49);
}
END_TEST

START_TEST(unsynced_bytes_are_sometimes_there_sometimes_gone_sometimes_torn)
{
	uint32_t all = 0, none = 0, torn = 0;

	for (uint64_t seed = 1; seed < 100; seed++) {
		setup(seed);
		struct rk_file *f = file("/d/a");
		ck_assert_int_eq(rk_file_sync_wait(f), RK_OK);
		ck_assert_int_eq(rk_dir_sync(e, "/d"), RK_OK);
		put(f, 0, 'x', 3000);
		rk_file_drop(f);
		power_off();
		int64_t n = run_of("/d/a", 0, 'x');
		all += n == 3000;
		none += n == 0;
		torn += n > 0 && n < 3000;
		ck_assert_int_ge(n, 0);
		teardown();
	}
	ck_assert(all > 3 && none > 3 && torn > 3);
}
END_TEST

START_TEST(a_sync_covers_what_was_written_before_it_was_asked)
{
	setup((uint64_t)_i);
	struct rk_file *f = file("/d/a");
	ck_assert_int_eq(rk_dir_sync(e, "/d"), RK_OK);
	put(f, 0, 'x', 5000);
	rk_file_sync(f, on_done, NULL);
	put(f, 4096, 'x', 4000); /* the second page again, and a third */
	settle();
	ck_assert_uint_eq(dones, 1);
	rk_file_drop(f);
	power_off();
	ck_assert_int_ge(run_of("/d/a", 0, 'x'), 5000);
	teardown();
}
END_TEST

START_TEST(a_crash_loses_the_callback_of_a_sync)
{
	setup(3);
	struct rk_file *f = file("/d/a");
	put(f, 0, 'x', 5000);
	rk_file_sync(f, on_done, NULL);
	rk_file_drop(f);
	power_off();
	ck_assert_uint_eq(dones, 0);
	teardown();
}
END_TEST

START_TEST(a_replaced_file_is_the_old_one_or_the_new_one)
{
	uint32_t old = 0, fresh = 0;

	for (uint64_t seed = 1; seed < 50; seed++) {
		setup(seed);
		ck_assert_int_eq(rk_env_spill(e, "/d/a", "old", 3), RK_OK);
		struct rk_file *f = file("/d/a.tmp");
		ck_assert_int_eq(rk_file_write(f, 0, "new", 3), RK_OK);
		ck_assert_int_eq(rk_file_sync_wait(f), RK_OK);
		ck_assert_int_eq(rk_file_rename(f, "/d/a"), RK_OK);
		rk_file_drop(f);
		power_off();
		old += run_of("/d/a", 0, 'o') == 1;
		fresh += run_of("/d/a", 0, 'n') == 1;
		teardown();
	}
	ck_assert(old > 5 && fresh > 5);
	ck_assert_uint_eq(old + fresh, 49);
	setup(1);
	ck_assert_int_eq(rk_env_spill(e, "/d/a", "old", 3), RK_OK);
	ck_assert_int_eq(rk_env_spill(e, "/d/a", "new", 3), RK_OK);
	power_off();
	ck_assert_int_eq(run_of("/d/a", 0, 'n'), 1);
	teardown();
}
END_TEST

/* A folder that is opened is synced like a file, waiting or not; what comes while a sync is under way is the next
 * one's. */
START_TEST(an_opened_folders_sync_keeps_the_names_of_before)
{
	uint32_t gone = 0;

	for (uint64_t seed = 1; seed < 50; seed++) {
		struct rk_file *d;
		setup(seed);
		w.folders = true;
		struct rk_file *f = file("/d/waited");
		ck_assert_int_eq(rk_file_open(e, "/d", RK_OPEN_READ, &d), RK_OK);
		ck_assert_int_eq(rk_file_sync_wait(d), RK_OK);
		rk_file_drop(f);
		f = file("/d/before");
		rk_file_sync(d, on_done, NULL);
		rk_file_drop(f);
		f = file("/d/after");
		ck_assert_int_eq(rk_path_rename(e, "/d", "/moved"), RK_OK);
		ck_assert_int_eq(rk_dir_sync(e, "/"), RK_OK);
		settle();
		ck_assert_uint_eq(dones, 1);
		rk_file_drop(f);
		rk_file_drop(d);
		power_off();
		ck_assert_int_eq(run_of("/moved/waited", 0, 'x'), 0);
		ck_assert_int_eq(run_of("/moved/before", 0, 'x'), 0);
		gone += run_of("/moved/after", 0, 'x') < 0;
		teardown();
	}
	ck_assert(gone > 5 && gone < 45);
}
END_TEST

START_TEST(files_follow_their_folders_name)
{
	setup(1);
	ck_assert_int_eq(rk_dir_make(e, "/d/t-0"), RK_OK);
	struct rk_file *f = file("/d/t-0/a");
	put(f, 0, 'x', 100);
	ck_assert_int_eq(rk_path_rename(e, "/d/t-0", "/d/t-0.delete"), RK_OK);
	put(f, 100, 'x', 100);
	ck_assert_int_eq(rk_file_rename(f, "/d/t-0.delete/b"), RK_OK);
	ck_assert_int_eq(rk_file_sync_wait(f), RK_OK);
	ck_assert_int_eq(rk_dir_sync(e, "/d/t-0.delete"), RK_OK);
	ck_assert_int_eq(rk_dir_sync(e, "/d"), RK_OK);
	rk_file_drop(f);
	power_off();
	ck_assert_int_eq(run_of("/d/t-0.delete/b", 0, 'x'), 200);
	ck_assert_int_eq(run_of("/d/t-0/a", 0, 'x'), -1);
	ck_assert_int_ne(rk_path_remove(e, "/d/t-0.delete"), RK_OK); /* it is not empty */
	ck_assert_int_eq(rk_path_remove(e, "/d/t-0.delete/b"), RK_OK);
	ck_assert_int_eq(rk_path_remove(e, "/d/t-0.delete"), RK_OK);
	teardown();
}
END_TEST

static char listed[256];
static void
entry(void *arg, const char *name, bool is_dir)
{
	(void)arg;
	strcat(listed, name);
	strcat(listed, is_dir ? "/ " : " ");
}

START_TEST(a_listing_is_sorted_and_one_level_deep)
{
	setup(1);
	ck_assert_int_eq(rk_dir_make(e, "/d/z"), RK_OK);
	static const char *const names[] = { "/d/z/deep", "/d/b", "/d/a" };
	for (uint32_t i = 0; i < rk_countof(names); i++) {
		struct rk_file *f = file(names[i]); /* rk_file_drop looks at its argument twice */
		rk_file_drop(f);
	}
	listed[0] = 0;
	ck_assert_int_eq(rk_dir_list(e, "/d", entry, NULL), RK_OK);
	ck_assert_str_eq(listed, "a b z/ ");
	ck_assert_int_eq(rk_dir_list(e, "/none", entry, NULL), RK_NOT_FOUND);
	ck_assert_int_eq(rk_dir_make(e, "/none/x"), RK_NOT_FOUND);
	teardown();
}
END_TEST

START_TEST(faults_come_when_they_are_asked_for)
{
	char b[8];
	setup(1);
	struct rk_file *f = file("/d/a");
	put(f, 0, 'x', 100);
	ck_assert_int_eq(rk_file_read(f, 95, b, 8), RK_NOT_FOUND);
	sim_disk_faults(disk)->read_eio = 1000000;
	ck_assert_int_eq(rk_file_read(f, 0, b, 8), RK_KAFKA_STORAGE_ERROR);
	sim_disk_faults(disk)->read_eio = 0;
	sim_disk_faults(disk)->space_bytes = 150;
	ck_assert_int_eq(rk_file_write(f, 100, b, 8), RK_OK);
	ck_assert_int_eq(rk_file_reserve(f, 1000), RK_NO_SPACE);
	put(f, 108, 'x', 42);
	ck_assert_int_eq(rk_file_write(f, 150, b, 1), RK_NO_SPACE);
	ck_assert_int_eq(rk_file_write(f, 0, b, 1), RK_OK);
	struct rk_space s;
	ck_assert_int_eq(rk_space_of(e, "/d", &s), RK_OK);
	ck_assert(s.total_bytes == 150 && s.free_bytes == 0);
	sim_disk_faults(disk)->space_bytes = 0;
	sim_disk_faults(disk)->sync_eio = 1000000;
	rk_file_sync(f, on_done, NULL);
	settle();
	ck_assert(dones == 1 && errors == 1);
	sim_disk_faults(disk)->sync_eio = 0;
	ck_assert_int_eq(rk_file_sync_wait(f), RK_KAFKA_STORAGE_ERROR); /* broken for good */
	ck_assert_int_eq(rk_file_write(f, 0, b, 1), RK_KAFKA_STORAGE_ERROR);
	rk_file_drop(f);
	teardown();
}
END_TEST

START_TEST(a_file_that_shrinks_and_grows_reads_zeros)
{
	setup(1);
	struct rk_file *f = file("/d/a");
	put(f, 0, 'x', 9000);
	ck_assert_int_eq(rk_file_truncate(f, 5000), RK_OK);
	ck_assert_int_eq(rk_file_reserve(f, 9000), RK_OK);
	ck_assert_int_eq(run_of("/d/a", 0, 'x'), 5000);
	ck_assert_int_eq(run_of("/d/a", 5000, 0), 4000);
	uint64_t before = sim_disk_hash(disk);
	ck_assert(sim_disk_flip(disk, "/d/a", 8 * 100));
	ck_assert(sim_disk_hash(disk) != before);
	ck_assert_int_eq(run_of("/d/a", 0, 'x'), 100);
	rk_file_drop(f);
	teardown();
}
END_TEST

/* --- workers */

static char order[64];
static void
job(void *arg)
{
	strcat(order, arg);
}

static void
ignore(void *arg, enum rk_err err)
{
	(void)arg;
	ck_assert_int_eq(err, RK_OK);
}

START_TEST(jobs_of_a_lane_keep_their_order)
{
	for (uint64_t seed = 1; seed < 20; seed++) {
		setup(seed);
		order[0] = 0;
		rk_work(e, 7, job, ignore, "a");
		rk_work(e, 7, job, ignore, "b");
		rk_work(e, 7, job, ignore, "c");
		ck_assert_str_eq(order, "");
		settle();
		ck_assert_str_eq(order, "abc");
		teardown();
	}
}
END_TEST

/* --- connections: a node that echoes, one frame at a time */

static struct rk_arena arena;
static struct rk_conn *conn;
static uint32_t goodbyes, rounds, ticks;
static char heard[256];

static void
n_opened(void *node, struct rk_conn *c, uint32_t listener)
{
	(void)node;
	ck_assert_uint_eq(listener, 2);
	conn = c;
	ck_assert_str_eq(rk_conn_peer(c), "127.0.0.1:20000");
}

static void
n_frame(void *node, struct rk_conn *c, void *frame, uint32_t len)
{
	struct rk_out o;
	uint8_t size[4];

	(void)node;
	rk_put32(size, len + 8);
	rk_out_init(&o, &arena);
	rk_out_put(&o, size, 4);
	rk_out_put(&o, frame, len);
	struct rk_file *f;
	ck_assert_int_eq(rk_file_open(e, "/d/tail", RK_OPEN_READ, &f), RK_OK);
	rk_out_file(&o, f, 4, 8);
	rk_file_drop(f);
	rk_conn_send(c, &o);
	rk_mem_put(frame);
}

static void
n_sent(void *node, struct rk_conn *c)
{
	(void)node;
	rk_conn_resume(c);
}

static void
n_gone(void *node, struct rk_conn *c)
{
	(void)node;
	(void)c;
	goodbyes++;
	conn = NULL;
}

static void
n_tick(void *node, int64_t now)
{
	(void)node;
	ck_assert_int_eq(now, rk_now(e));
	ticks++;
}

static void
n_flush(void *node)
{
	(void)node;
	rounds++;
}

static const struct sim_hooks hooks = { n_opened, n_frame, n_sent, n_gone, n_tick, n_flush, NULL };

static void
c_answer(struct sim_client *c, const uint8_t *frame, uint32_t len)
{
	(void)c;
	strncat(heard, (const char *)frame, len);
	strcat(heard, ".");
}

static void
c_closed(struct sim_client *c)
{
	(void)c;
	strcat(heard, "closed");
}

static void
setup_node(uint64_t seed, struct sim_client *c)
{
	setup(seed);
	rk_arena_init(&arena, 1 << 20);
	w.hooks = &hooks;
	goodbyes = rounds = ticks = 0;
	heard[0] = 0;
	struct rk_file *f = file("/d/tail");
	ck_assert_int_eq(rk_file_write(f, 0, "....the tail", 12), RK_OK);
	rk_file_drop(f);
	sim_world_begin(&w, &arena);
	*c = (struct sim_client){ .answer = c_answer, .closed = c_closed };
	sim_connect(&w, c, 2);
}

START_TEST(frames_and_answers_keep_their_order)
{
	struct sim_client c;
	for (uint64_t seed = 1; seed < 20; seed++) {
		setup_node(seed, &c);
		sim_client_send(&c, "one ", 4);
		sim_client_send(&c, "two ", 4);
		sim_client_send(&c, "three ", 6);
		settle();
		ck_assert_str_eq(heard, "one the tail.two the tail.three the tail.");
		ck_assert_uint_gt(rounds, 3);
		rk_conn_close(conn, false, "test");
		settle();
		ck_assert_uint_eq(goodbyes, 1);
		ck_assert_ptr_null(c.link);
		sim_world_end(&w);
		sim_world_bury(&w);
		rk_arena_free(&arena);
		teardown();
	}
}
END_TEST

START_TEST(a_crash_breaks_connections_and_loses_answers)
{
	struct sim_client c;
	setup_node(1, &c);
	sim_client_send(&c, "one ", 4);
	power_off();
	settle();
	ck_assert_str_eq(heard, "closed");
	ck_assert_uint_eq(goodbyes, 0);
	rk_arena_free(&arena);
	teardown();
}
END_TEST

START_TEST(a_client_that_hangs_up_is_gone)
{
	struct sim_client c;
	setup_node(1, &c);
	settle();
	sim_client_close(&c);
	settle();
	ck_assert_uint_eq(goodbyes, 1);
	sim_world_end(&w);
	sim_world_bury(&w);
	rk_arena_free(&arena);
	teardown();
}
END_TEST

START_TEST(the_node_is_woken_when_it_wished)
{
	struct sim_client c;
	setup_node(1, &c);
	int64_t t0 = rk_now(e);
	e->world->wake(e, t0 + 50);
	e->world->wake(e, t0 + 20);
	while (ticks == 0 && sim_run(&sim, INT64_MAX))
		;
	ck_assert_int_eq(rk_now(e), t0 + 20);
	settle();
	ck_assert_uint_eq(ticks, 1);
	sim_world_end(&w);
	sim_world_bury(&w);
	rk_arena_free(&arena);
	teardown();
}
END_TEST

int
main(void)
{
	const TTest *const each_seed[] = { what_is_synced_with_its_folder_survives,
		a_sync_covers_what_was_written_before_it_was_asked };
	const TTest *const once[] = { without_its_folder_a_file_may_be_gone_and_is_sometimes,
		unsynced_bytes_are_sometimes_there_sometimes_gone_sometimes_torn,
		a_crash_loses_the_callback_of_a_sync, a_replaced_file_is_the_old_one_or_the_new_one,
		an_opened_folders_sync_keeps_the_names_of_before, files_follow_their_folders_name,
		a_listing_is_sorted_and_one_level_deep,
		faults_come_when_they_are_asked_for, a_file_that_shrinks_and_grows_reads_zeros,
		jobs_of_a_lane_keep_their_order, frames_and_answers_keep_their_order,
		a_crash_breaks_connections_and_loses_answers, a_client_that_hangs_up_is_gone,
		the_node_is_woken_when_it_wished };
	Suite *s = suite_create("sim world");
	TCase *t = tcase_create("world");

	for (uint32_t i = 0; i < rk_countof(each_seed); i++)
		tcase_add_loop_test(t, each_seed[i], 1, 40);
	for (uint32_t i = 0; i < rk_countof(once); i++)
		tcase_add_test(t, once[i]);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
