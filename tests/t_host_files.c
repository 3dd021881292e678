/* t_host_files.c - files, names, faults, lanes and clocks of the real world, without a node. */
#include <check.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "base/mem.h"
#include "base/say.h"
#include "src/host/world.h"

/* The host calls these only when there is a node. */
enum rk_err node_start(struct rk_env *e, struct conf *c, struct node **o) { (void)e; (void)c; *o = NULL; return RK_OK; }
bool node_ready(const struct node *n) { return n != NULL; }
const char *node_why(const struct node *n) { return n == NULL ? "" : NULL; }
bool node_failed(const struct node *n) { return n == NULL; }
void node_opened(struct node *n, struct rk_conn *c, uint32_t l) { (void)n; (void)c; (void)l; }
void node_frame(struct node *n, struct rk_conn *c, void *f, uint32_t l) { (void)n; (void)c; (void)f; (void)l; }
void node_sent(struct node *n, struct rk_conn *c) { (void)n; (void)c; }
void node_reached(struct node *n, struct rk_conn *c) { (void)n; (void)c; }
void node_gone(struct node *n, struct rk_conn *c) { (void)n; (void)c; }
void node_tick(struct node *n, int64_t t) { (void)n; (void)t; }
void node_flush(struct node *n) { (void)n; }
void node_stop(struct node *n, rk_done *d, void *a) { (void)n; (void)d; (void)a; }
void node_free(struct node *n) { (void)n; }
struct rk_str node_metrics(struct node *n, struct rk_arena *a) { (void)n; (void)a; return RK_STR_NULL; }

static char dir[64];
static struct host_world *w;
static struct rk_env *e;
static struct host_options options;

static void
setup(void)
{
	strcpy(dir, "/tmp/t_host_files.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	w = host_open(&options);
	ck_assert_ptr_nonnull(w);
	e = host_env(w);
}

static void
teardown(void)
{
	char cmd[128];

	host_close(w);
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

static const char *
in(const char *name)
{
	static char path[4][256];
	static int i;

	i = (i + 1) % 4;
	snprintf(path[i], sizeof path[i], "%s/%s", dir, name);
	return path[i];
}

static struct rk_file *
make(const char *name)
{
	struct rk_file *f;
	ck_assert_int_eq(rk_file_open(e, in(name), RK_OPEN_CREATE, &f), RK_OK);
	return f;
}

static int
descriptors(void)
{
	int n = 0;
	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(what_is_written_is_read)
{
	struct rk_file *f = make("a");
	char b[16] = "";
	uint64_t size;

	ck_assert_int_eq(rk_file_write(f, 0, "hello world", 11), RK_OK);
	ck_assert_int_eq(rk_file_write(f, 6, "W", 1), RK_OK);
	ck_assert_int_eq(rk_file_read(f, 0, b, 11), RK_OK);
	ck_assert_str_eq(b, "hello World");
	ck_assert_int_eq(rk_file_size(f, &size), RK_OK);
	ck_assert_uint_eq(size, 11);
	ck_assert_int_eq(rk_file_read(f, 5, b, 7), RK_NOT_FOUND);
	ck_assert_int_eq(rk_file_truncate(f, 5), RK_OK);
	ck_assert_int_eq(rk_file_size(f, &size), RK_OK);
	ck_assert_uint_eq(size, 5);
	ck_assert_int_eq(rk_file_reserve(f, 1 << 20), RK_OK);
	ck_assert_int_eq(rk_file_size(f, &size), RK_OK);
	ck_assert_uint_eq(size, 1 << 20);
	ck_assert_int_eq(rk_file_reserve(f, 100), RK_OK);
	ck_assert_int_eq(rk_file_size(f, &size), RK_OK);
	ck_assert_uint_eq(size, 100);
	ck_assert_int_eq(rk_file_sync_wait(f), RK_OK);
	rk_file_drop(f);
	ck_assert_int_eq(rk_file_open(e, in("b"), RK_OPEN_READ, &f), RK_NOT_FOUND);
	ck_assert_int_eq(rk_file_open(e, in("b"), RK_OPEN_WRITE, &f), RK_NOT_FOUND);
}
END_TEST

START_TEST(a_thousand_files_share_32_descriptors)
{
	enum { N = 1000 };
	static struct rk_file *f[N];
	char name[16], b[8];
	int before = descriptors();

	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "f%d", i);
		f[i] = make(name);
		ck_assert_int_eq(rk_file_write(f[i], 0, name, 6), RK_OK);
		ck_assert_uint_le(w->files.open, 32);
		ck_assert_int_le(descriptors() - before, 32);
	}
	for (int k = 0; k < 3 * N; k++) {
		int i = (int)(rk_chance(e) % N);
		snprintf(name, sizeof name, "f%d", i);
		ck_assert_int_eq(rk_file_read(f[i], 0, b, 6), RK_OK);
		ck_assert_str_eq(b, name);
	}
	ck_assert_uint_le(w->files.open, 32);
	for (int i = 0; i < N; i++)
		rk_file_drop(f[i]);
	ck_assert_uint_eq(w->files.open, 0);
	ck_assert_uint_eq(w->files.names.count, 0);
}
END_TEST

/* Closes every descriptor that may be closed, so that the next use needs the name. */
static void
forget_descriptors(void)
{
	host_files_shed(w, 1000);
	ck_assert_uint_eq(w->files.open, 0);
}

static void
holds(struct rk_file *f, char what)
{
	char b;

	forget_descriptors();
	ck_assert_int_eq(rk_file_read(f, 0, &b, 1), RK_OK);
	ck_assert_int_eq(b, what);
}

START_TEST(names_follow_renames)
{
	ck_assert_int_eq(rk_dir_make(e, in("t-0")), RK_OK);
	ck_assert_int_eq(rk_dir_make(e, in("t-0")), RK_OK);
	struct rk_file *a = make("t-0/a"), *b = make("t-0/b"), *twin;
	rk_file_write(a, 0, "A", 1);
	rk_file_write(b, 0, "B", 1);
	ck_assert_int_eq(rk_file_open(e, in("t-0/a"), RK_OPEN_READ, &twin), RK_OK);
	ck_assert_int_eq(rk_path_rename(e, in("t-0"), in("t-0.x-delete")), RK_OK);
	holds(a, 'A');
	holds(twin, 'A');
	holds(b, 'B');
	ck_assert_int_eq(rk_file_rename(a, in("moved")), RK_OK);
	holds(a, 'A');
	holds(twin, 'A');
	/* b takes a's name: a is gone, and must not become b. */
	ck_assert_int_eq(rk_file_rename(b, in("moved")), RK_OK);
	holds(b, 'B');
	char c;
	ck_assert_int_eq(rk_file_read(a, 0, &c, 1), RK_NOT_FOUND);
	/* The same for a name that is removed and used again. */
	ck_assert_int_eq(rk_path_remove(e, in("moved")), RK_OK);
	struct rk_file *fresh = make("moved");
	rk_file_write(fresh, 0, "N", 1);
	holds(fresh, 'N');
	ck_assert_int_eq(rk_file_read(b, 0, &c, 1), RK_NOT_FOUND);
	rk_file_drop(a);
	rk_file_drop(b);
	rk_file_drop(twin);
	rk_file_drop(fresh);
	ck_assert_uint_eq(w->files.names.count, 0);
	ck_assert_int_eq(rk_path_remove(e, in("t-0.x-delete")), RK_OK);
	ck_assert_int_eq(rk_path_remove(e, in("t-0.x-delete")), RK_NOT_FOUND);
}
END_TEST

static void
listed(void *arg, const char *name, bool is_dir)
{
	char *all = arg;
	snprintf(all + strlen(all), 32, "%s%s ", name, is_dir ? "/" : "");
}

START_TEST(folders_are_listed_in_order)
{
	char all[200] = "";
	struct rk_space sp;

	struct rk_file *b = make("b"), *a = make("a");
	rk_file_drop(b);
	rk_file_drop(a);
	ck_assert_int_eq(rk_dir_make(e, in("c")), RK_OK);
	ck_assert_int_eq(rk_dir_list(e, dir, listed, all), RK_OK);
	ck_assert_str_eq(all, "a b c/ ");
	ck_assert_int_eq(rk_dir_list(e, in("none"), listed, all), RK_NOT_FOUND);
	ck_assert_int_eq(rk_dir_make(e, in("a")), RK_KAFKA_STORAGE_ERROR); /* a file is no folder */
	ck_assert_int_eq(rk_dir_sync(e, dir), RK_OK);
	ck_assert_int_eq(rk_space_of(e, dir, &sp), RK_OK);
	ck_assert_int_gt(sp.free_bytes, 0);
	ck_assert_int_ge(sp.total_bytes, sp.free_bytes);
}
END_TEST

static void
note(void *arg, enum rk_err err)
{
	*(int *)arg = (int)err;
}

static int
sync_of(struct rk_file *f)
{
	int got = -1;

	rk_file_sync(f, note, &got);
	ck_assert_int_eq(got, -1); /* never from inside the call */
	for (int i = 0; i < 500 && got == -1; i++)
		host_round(w, 10);
	return got;
}

START_TEST(a_failed_sync_is_final)
{
	struct rk_file *f = make("log"), *other = make("other");

	rk_file_write(f, 0, "x", 1);
	ck_assert_int_eq(sync_of(f), RK_OK);
	host_fault_setup("fsync:eio:/log:times=1");
	ck_assert_int_eq(sync_of(other), RK_OK);
	ck_assert_int_eq(sync_of(f), RK_KAFKA_STORAGE_ERROR);
	/* The disk would say all is well now; the pages it lost are lost. */
	ck_assert_int_eq(sync_of(f), RK_KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(rk_file_sync_wait(f), RK_KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(rk_file_write(f, 1, "y", 1), RK_KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(sync_of(other), RK_OK);
	rk_file_drop(f);
	rk_file_drop(other);
	host_fault_setup(NULL);
}
END_TEST

/* /proc is one of those that have no sync. */
START_TEST(a_folder_is_synced_where_it_can_be)
{
	const char *const folder[] = { in("."), "/proc" };
	struct rk_file *f;

	for (uint32_t i = 0; i < rk_countof(folder); i++) {
		ck_assert_int_eq(rk_file_open(e, folder[i], RK_OPEN_READ, &f), RK_OK);
		ck_assert_int_eq(sync_of(f), RK_OK);
		ck_assert_int_eq(rk_file_sync_wait(f), RK_OK);
		rk_file_drop(f);
	}
}
END_TEST

START_TEST(planned_faults_strike_when_planned)
{
	struct rk_file *f = make("seg");
	char b;

	host_fault_setup("write:enospc:seg:after=2:times=1,read:eio:seg");
	ck_assert_int_eq(rk_file_write(f, 0, "x", 1), RK_OK);
	ck_assert_int_eq(rk_file_write(f, 1, "x", 1), RK_OK);
	ck_assert_int_eq(rk_file_write(f, 2, "x", 1), RK_NO_SPACE);
	ck_assert_int_eq(rk_file_write(f, 2, "x", 1), RK_OK);
	ck_assert_int_eq(rk_file_read(f, 0, &b, 1), RK_KAFKA_STORAGE_ERROR);
	host_fault_setup("nonsense,fsync:what:x");
	ck_assert(!host_faulty);
	ck_assert_int_eq(rk_file_read(f, 0, &b, 1), RK_OK);
	rk_file_drop(f);
}
END_TEST

/* --- work */

enum { LANES = 5, JOBS = 400 };
static struct job {
	uint32_t lane;
	int number;
	bool done;
} job[JOBS];
static atomic_int inside[LANES + 1], last[LANES + 1], overlaps;
static int finished;

static void
run(void *arg)
{
	struct job *j = arg;

	if (j->lane == 0)
		return;
	if (atomic_fetch_add(&inside[j->lane], 1) != 0 || atomic_load(&last[j->lane]) >= j->number)
		overlaps++;
	atomic_store(&last[j->lane], j->number);
	if (j->number % 50 == 0)
		usleep(1000);
	atomic_fetch_sub(&inside[j->lane], 1);
}

static void
ran(void *arg, enum rk_err err)
{
	struct job *j = arg;

	ck_assert_int_eq(err, RK_OK);
	ck_assert(!j->done);
	j->done = true;
	finished++;
}

START_TEST(jobs_of_a_lane_run_one_after_the_other)
{
	for (int i = 0; i < JOBS; i++) {
		job[i] = (struct job){ .lane = (uint32_t)i % (LANES + 1), .number = i + 1 };
		rk_work(e, job[i].lane, run, ran, &job[i]);
	}
	for (int i = 0; i < 1000 && finished < JOBS; i++)
		host_round(w, 10);
	ck_assert_int_eq(finished, JOBS);
	ck_assert_int_eq(overlaps, 0);
	ck_assert_uint_eq(w->pool.lanes.count, 0);
	ck_assert_uint_le(w->pool.threads, 8);
}
END_TEST

START_TEST(the_loop_ends_with_jobs_under_way)
{
	struct rk_file *f = make("x");
	int ignored;

	for (int i = 0; i < JOBS; i++) {
		job[i] = (struct job){ .lane = (uint32_t)i % (LANES + 1), .number = 50 };
		rk_work(e, job[i].lane, run, ran, &job[i]);
	}
	rk_file_sync(f, note, &ignored);
	rk_file_warm(f, 0, 100);
	host_stop_workers(w);
	rk_file_drop(f);
	ck_assert_uint_eq(w->files.all, 0);
}
END_TEST

START_TEST(chance_and_clocks_go_forward)
{
	int64_t t = rk_now(e), wall = rk_wall(e);
	uint64_t a = rk_chance(e);

	ck_assert_uint_ne(a, rk_chance(e));
	for (int i = 0; i < 200; i++)
		(void)rk_chance(e);
	host_round(w, 30);
	ck_assert_int_ge(rk_now(e) - t, 25);
	ck_assert_int_lt(rk_now(e) - t, 1000);
	ck_assert_int_ge(rk_wall(e) - wall, 20);
	ck_assert_int_gt(wall, 1600000000000);
}
END_TEST

START_TEST(small_files_are_replaced_whole)
{
	struct rk_arena a;
	struct rk_str s;

	rk_arena_init(&a, 1 << 20);
	ck_assert_int_eq(rk_env_spill(e, in("meta"), "one", 3), RK_OK);
	ck_assert_int_eq(rk_env_spill(e, in("meta"), "seven", 5), RK_OK);
	ck_assert_int_eq(rk_env_slurp(e, in("meta"), &a, &s), RK_OK);
	ck_assert(rk_str_is(s, "seven"));
	ck_assert_int_eq(rk_env_slurp(e, in("meta.tmp"), &a, &s), RK_NOT_FOUND);
	rk_arena_free(&a);
}
END_TEST

/* A child that maps two pages of a file of one, and reads the second. */
START_TEST(a_bus_error_names_the_file)
{
	char text[4096] = "";
	int to[2], status;
	FILE *f = fopen(in("log.mdb"), "w");

	ck_assert_int_eq(fwrite("x", 1, 1, f), 1);
	fclose(f);
	ck_assert_int_eq(pipe(to), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open(in("log.mdb"), O_RDONLY);
		dup2(to[1], 2);
		volatile char *p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
		_exit(p[4096] == 0 ? 7 : 8);
	}
	close(to[1]);
	ck_assert_int_gt(read(to[0], text, sizeof text - 1), 0);
	for (ssize_t n = (ssize_t)strlen(text), more; (more = read(to[0], text + n, sizeof text - 1 - (size_t)n)) > 0;)
		n += more;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	ck_assert_ptr_nonnull(strstr(text, in("log.mdb")));
	ck_assert_ptr_nonnull(strstr(text, "damaged"));
	ck_assert_ptr_nonnull(strstr(text, "backup"));
	close(to[0]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("host_files");
	TCase *t = tcase_create("host_files");

	options.files_max = 32;
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_is_written_is_read);
	tcase_add_test(t, a_thousand_files_share_32_descriptors);
	tcase_add_test(t, names_follow_renames);
	tcase_add_test(t, folders_are_listed_in_order);
	tcase_add_test(t, a_failed_sync_is_final);
	tcase_add_test(t, a_folder_is_synced_where_it_can_be);
	tcase_add_test(t, planned_faults_strike_when_planned);
	tcase_add_test(t, jobs_of_a_lane_run_one_after_the_other);
	tcase_add_test(t, the_loop_ends_with_jobs_under_way);
	tcase_add_test(t, chance_and_clocks_go_forward);
	tcase_add_test(t, small_files_are_replaced_whole);
	tcase_add_test(t, a_bus_error_names_the_file);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
