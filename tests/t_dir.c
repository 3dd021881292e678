/* t_dir.c - meta.properties, checkpoints, the marker, ten thousand partitions. */
#include <malloc.h>
#include <sys/stat.h>
#include <time.h>
#include "tests/log_help.h"

static const char *
in_root(const char *name)
{
	static char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", x.path, name);
	return path;
}

static void
put(const char *name, const char *text)
{
	FILE *f = fopen(in_root(name), "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static struct st_meta m;
static char why[256];
static enum rk_err
meta_of(const char *text)
{
	put("meta.properties", text);
	return st_meta_read(&x.w.env, x.path, &m, why);
}

START_TEST(meta_properties_survive_their_file)
{
	struct st_meta w = {
	    .version = 1, .node_id = 7, .cluster_id = "a:b=c", .directory_id = {{1, 2, 3}}};
	ck_assert_int_eq(st_meta_write(&x.w.env, x.path, &w), RK_OK);
	ck_assert_int_eq(st_meta_read(&x.w.env, x.path, &m, why), RK_OK);
	ck_assert_str_eq(m.cluster_id, "a:b=c");
	ck_assert(m.node_id == 7 && m.version == 1 && rk_uuid_eq(m.directory_id, w.directory_id));
}
END_TEST

START_TEST(meta_properties_of_kafka_are_read)
{
	ck_assert_int_eq(
	    meta_of("#\n#Mon Nov 23 21:06:39 UTC 2026\ncluster.id=AAAAAAAAAAAAAAAAAAAAAQ\n"
		    "directory.id=IjaZIaHiQkmG8lS1Pn6SPQ\nnode.id = 1\nversion:1"),
	    RK_OK);
	ck_assert_str_eq(m.cluster_id, "AAAAAAAAAAAAAAAAAAAAAQ");
	ck_assert_int_eq(m.node_id, 1);
	ck_assert_int_eq(meta_of("version=1\nnode.id=x\ncluster.id=a\n"), RK_CORRUPT_MESSAGE);
	ck_assert_ptr_nonnull(strstr(why, "node.id"));
	ck_assert_int_eq(meta_of("version=1\nnode.id=3\n"), RK_CORRUPT_MESSAGE);
	ck_assert_ptr_nonnull(strstr(why, "cluster.id"));
	ck_assert_int_eq(meta_of(""), RK_CORRUPT_MESSAGE);
	unlink(in_root("meta.properties"));
	ck_assert_int_eq(st_meta_read(&x.w.env, x.path, &m, why), RK_NOT_FOUND);
}
END_TEST

static char seen[1024];
static void
see(void *arg, const struct st_found *f)
{
	size_t n = strlen(seen);
	(void)arg;
	snprintf(seen + n, sizeof seen - n, "%.*s/%d:%d:%d:%d ", f->topic.len, f->topic.at,
	    f->partition, (int)f->recovery_point, (int)f->start, (int)f->high);
}

static void
reopen(void)
{
	st_dir_close(x.dir);
	m = (struct st_meta){.version = 1, .node_id = 1};
	ck_assert_int_eq(st_dir_open(&x.w.env, x.path, &m, &x.dir, &x.how), RK_OK);
	seen[0] = '\0';
	ck_assert_int_eq(st_dir_each(x.dir, see, NULL), RK_OK);
}

START_TEST(folders_and_checkpoints_make_partitions)
{
	static const char *const folders[] = {"a-b-1", "a-0", "__cluster_metadata-0", "a-10", "x",
	    "gone-0.00112233445566778899aabbccddeeff00-delete",
	    "b-0.00112233445566778899aabbccddeeff00-stray", "-3", "b--1", "c-x"};
	for (uint32_t i = 0; i < rk_countof(folders); i++)
		ck_assert_int_eq(mkdir(in_root(folders[i]), 0755), 0);
	put("recovery-point-offset-checkpoint", "0\n2\na 0 17\na-b 1 5\n");
	put("log-start-offset-checkpoint", "0\n1\na 0 3\n");
	put("replication-offset-checkpoint", "0\n2\na 0 16\nz 4 9\n");
	put(".kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":20}");
	reopen();
	ck_assert_str_eq(seen, "a/0:17:3:16 a/10:-1:-1:-1 a-b/1:5:-1:-1 b-/1:-1:-1:-1 ");
	ck_assert(x.how.clean && x.how.broker_epoch == 20);
	ck_assert_int_eq(access(in_root(".kafka_cleanshutdown"), F_OK), -1);
	st_dir_tick(x.dir, x.w.now_ms);
	ck_assert_int_eq(access(in_root(folders[5]), F_OK), -1);
	ck_assert_int_eq(st_dir_stray(x.dir, rk_lit("a-b"), 1), RK_OK);
	ck_assert_int_eq(access(in_root("a-b-1"), F_OK), -1);
	reopen();
	ck_assert(!x.how.clean);
	ck_assert_str_eq(seen, "a/0:17:3:16 a/10:-1:-1:-1 b-/1:-1:-1:-1 ");
}
END_TEST

START_TEST(a_spoilt_checkpoint_makes_a_start_unclean)
{
	ck_assert_int_eq(mkdir(in_root("a-0"), 0755), 0);
	put("recovery-point-offset-checkpoint", "0\n2\na 0 17\n");
	put(".kafka_cleanshutdown", "");
	reopen();
	ck_assert(!x.how.clean);
	put("recovery-point-offset-checkpoint", "");
	put(".kafka_cleanshutdown", "");
	reopen();
	ck_assert(x.how.clean && x.how.broker_epoch == -1);
	ck_assert_str_eq(seen, "a/0:-1:-1:-1 ");
}
END_TEST

START_TEST(points_are_written_as_kafka_reads_them)
{
	struct rk_arena a;
	struct rk_str text;
	struct st_points *p = st_points_begin(x.dir, ST_HIGH_WATERMARK);
	st_points_add(p, rk_lit("t"), 3, 1234567890123);
	st_points_add(p, rk_lit("__consumer_offsets"), 49, 0);
	ck_assert_int_eq(st_points_end(p), RK_OK);
	rk_arena_init(&a, 4096);
	ck_assert_int_eq(
	    rk_env_slurp(&x.w.env, in_root("replication-offset-checkpoint"), &a, &text), RK_OK);
	ck_assert(rk_str_is(text, "0\n2\nt 3 1234567890123\n__consumer_offsets 49 0\n"));
	rk_arena_free(&a);
}
END_TEST

START_TEST(an_unchanged_checkpoint_is_not_written_again)
{
	scratch_log();
	sync_all();
	ck_assert_int_eq(st_dir_save(x.dir), RK_OK);
	uint32_t opens = x.w.opens;
	ck_assert_int_eq(st_dir_save(x.dir), RK_OK);
	ck_assert_uint_eq(x.w.opens, opens);
}
END_TEST

static int64_t
ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

enum { MANY = 10000 };
static struct st_log *all[MANY];

START_TEST(ten_thousand_cold_logs_are_small_and_quick)
{
	char name[64];
	for (int32_t i = 0; i < MANY; i++) {
		ck_assert_int_eq(st_log_create(x.dir, rk_lit("topic-of-a-usual-length"), i,
				     (struct rk_uuid){{1}}, &x.rules, &all[i]),
		    RK_OK);
		st_log_sync(all[i]);
		posix_pump(&x.w);
		while (!st_log_cool(all[i])) /* each log may have files open only while it is used */
			posix_pump(&x.w);
	}
	ck_assert_int_eq(st_dir_save(x.dir), RK_OK);
	for (int32_t i = 0; i < MANY; i++)
		ck_assert_int_eq(st_log_close(all[i]), RK_OK);
	ck_assert_int_eq(st_dir_mark_clean(x.dir, 1), RK_OK);
	posix_pump(&x.w);
	st_dir_close(x.dir);
	size_t before = mallinfo2().uordblks;
	uint32_t opens = x.w.opens;
	int64_t from = ms();
	m = (struct st_meta){.version = 1, .node_id = 1};
	ck_assert_int_eq(st_dir_open(&x.w.env, x.path, &m, &x.dir, &x.how), RK_OK);
	for (int32_t i = 0; i < MANY; i++)
		ck_assert_int_eq(st_log_open(x.dir, rk_lit("topic-of-a-usual-length"), i,
				     x.how.clean, &x.rules, &all[i]),
		    RK_OK);
	int64_t took = ms() - from;
	size_t each = (mallinfo2().uordblks - before) / MANY;
	snprintf(name, sizeof name, "%d ms, %d bytes each", (int)took, (int)each);
	ck_assert_uint_eq(x.w.opens, opens + 5);
	ck_assert_msg(took < 1000 && each < 512, "%s", name);
	if (getenv("TALK") != NULL)
		fprintf(stderr, "%s\n", name);
	for (int32_t i = 0; i < MANY; i++)
		st_log_free(all[i]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dir");
	TCase *c = tcase_create("dir");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, scratch_begin, scratch_end);
	tcase_add_test(c, meta_properties_survive_their_file);
	tcase_add_test(c, meta_properties_of_kafka_are_read);
	tcase_add_test(c, folders_and_checkpoints_make_partitions);
	tcase_add_test(c, a_spoilt_checkpoint_makes_a_start_unclean);
	tcase_add_test(c, points_are_written_as_kafka_reads_them);
	tcase_add_test(c, an_unchanged_checkpoint_is_not_written_again);
	tcase_add_test(c, ten_thousand_cold_logs_are_small_and_quick);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
