/* t_core_move.c - a broker of two directories: partitions move between them, and one of them fails.
 *
 * core_help's broker with a second directory. The metadata follows by hand: told() is the controller. */
#include <check.h>
#include <dirent.h>
#include <sys/stat.h>
#include "base/mem.h"
#include "tests/core_help.h"

static struct st_dir *dirs[2];
static char second[64];
static const struct st_meta meta[2] = {
    {.version = 1, .node_id = 1, .cluster_id = "abc", .directory_id = {{9}}},
    {.version = 1, .node_id = 1, .cluster_id = "abc", .directory_id = {{8}}}};

static bool unreadable; /* the second directory, at start */

static void
start(void)
{
	struct st_dir_opened how[2] = {{false, -1}, {false, -1}};

	ck_assert_int_eq(st_dir_open(&b.w.env, b.path, &meta[0], &dirs[0], &how[0]), RK_OK);
	if (unreadable)
		dirs[1] = st_dir_offline(&b.w.env, second);
	else
		ck_assert_int_eq(st_dir_open(&b.w.env, second, &meta[1], &dirs[1], &how[1]), RK_OK);
	b.dir = dirs[0];
	b.core = core_new(&b.w.env, t_conf, &b.timers, 1, dirs, how, 2);
	broker_load(b.core);
}

static void
crash(void)
{
	posix_forget(&b.w);
	core_free(b.core);
	st_dir_free(dirs[0]);
	st_dir_free(dirs[1]);
	start();
}

static void
setup(void)
{
	broker_begin();
	core_free(b.core);
	st_dir_free(b.dir);
	posix_scratch(second);
	ck_assert_int_eq(st_meta_write(&b.w.env, second, &meta[1]), RK_OK);
	start();
	topic_is("t", 1, 2);
}

static void
teardown(void)
{
	posix_forget(&b.w);
	core_free(b.core);
	st_dir_free(dirs[1]);
	b.core = NULL;
	st_dir_free(dirs[0]);
	posix_remove(second);
	broker_end();
}

/* The metadata says that t-0 lies in the directory of that id. */
static void
told(uint8_t dir)
{
	struct rk_uuid at[1] = {{{dir}}};
	struct kp_partition_change_record r;

	kp_defaults(&kp_partition_change_record_d, &r);
	r.partition_id = 0;
	memset(r.topic_id.id, 1, sizeof r.topic_id.id);
	r.directories.at = at;
	r.directories.len = 1;
	committed(KP_PARTITION_CHANGE_RECORD, &r);
}

/* How many folders of t-0 with that end the directory has. */
static int
folders(const char *root, const char *tail)
{
	int n = 0;
	DIR *d = opendir(root);

	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		size_t len = strlen(e->d_name), t = strlen(tail);
		n += strncmp(e->d_name, "t-0", 3) == 0 && len >= t && strcmp(e->d_name + len - t, tail) == 0
		     && (t > 3 || len == 3);
	}
	closedir(d);
	return n;
}

static void
write_to(struct core_partition *p, int batches)
{
	for (int i = 0; i < batches; i++)
		ck_assert_int_eq(put(p, batch_of(10, 1000)).err, RK_OK);
	settle();
}

static enum rk_err
move(const char *to)
{
	return core_move(b.core, rk_lit("t"), 0, rk_str_of(to));
}

static void
turns(int n)
{
	while (n-- > 0)
		pass(1);
}

/* The next that the controller is to be told; 0: nothing. */
static uint8_t
wish(void)
{
	struct rk_uuid dir;
	struct core_partition *p = core_misplaced_take(b.core, &dir);

	return p == NULL ? 0 : dir.id[0];
}

START_TEST(a_partition_moves_while_it_is_written_to)
{
	struct core_partition *p = part("t", 0);
	uint32_t dir;
	struct st_log *log;

	write_to(p, 50);
	ck_assert_int_eq(move(second), RK_OK);
	ck_assert(core_moving(p, &dir, &log));
	ck_assert_uint_eq(dir, 1);
	turns(3);
	ck_assert_int_eq(folders(second, "-future"), 1);
	ck_assert(core_moving(p, &dir, &log));
	ck_assert_int_eq(st_log_end(log), 500);
	write_to(p, 5);
	turns(3);
	ck_assert_int_eq(st_log_end(log), 550); /* it keeps up, and waits for the controller */
	ck_assert_uint_eq(p->dir, 0);
	ck_assert_uint_eq(wish(), 8);
	ck_assert_uint_eq(wish(), 0);
	ck_assert(core_placing(b.core));
	told(8);
	ck_assert(!core_placing(b.core));
	write_to(p, 1);
	turns(3);
	ck_assert(!core_moving(p, &dir, &log));
	ck_assert_uint_eq(p->dir, 1);
	ck_assert_int_eq(core_end(p), 560);
	ck_assert_int_eq(p->high, 560);
	ck_assert_int_eq(folders(second, "t-0"), 1);
	ck_assert_int_eq(folders(second, "-future"), 0);
	ck_assert_int_eq(folders(b.path, "t-0"), 0);
	write_to(p, 1);
	ck_assert_int_eq(p->high, 570);
	ck_assert_uint_eq(wish(), 0);
	crash();
	p = part("t", 0);
	ck_assert_uint_eq(p->dir, 1);
	ck_assert_int_eq(core_end(p), 570);
	turns(200); /* past file.delete.delay.ms in the end */
	pass(70000);
	ck_assert_int_eq(folders(b.path, "-delete"), 0);
}
END_TEST

START_TEST(a_move_goes_on_after_a_crash_and_after_a_stop)
{
	struct core_partition *p = part("t", 0);
	uint32_t dir;
	struct st_log *log;

	write_to(p, 50);
	ck_assert_int_eq(move(second), RK_OK);
	turns(2);
	crash();
	p = part("t", 0);
	ck_assert(core_moving(p, &dir, &log));
	ck_assert_uint_eq(p->dir, 0);
	write_to(p, 2);
	turns(3);
	ck_assert_uint_eq(wish(), 8);
	b.stopped = false;
	broker_stop();
	st_dir_close(dirs[1]);
	start();
	p = part("t", 0);
	ck_assert(core_moving(p, &dir, &log));
	turns(3);
	ck_assert_uint_eq(wish(), 8); /* asked again: nothing was heard of it */
	told(8);
	turns(3);
	ck_assert_uint_eq(p->dir, 1);
	ck_assert_int_eq(core_end(p), 520);
}
END_TEST

START_TEST(two_folders_after_a_crash_in_the_swap_are_one_partition)
{
	struct core_partition *p = part("t", 0);
	char cmd[300];

	write_to(p, 5);
	ck_assert_int_eq(move(second), RK_OK);
	turns(3);
	snprintf(cmd, sizeof cmd, "cp -r %s/t-0 %s/keep", b.path, b.path);
	ck_assert_int_eq(system(cmd), 0);
	told(8);
	turns(3);
	ck_assert_uint_eq(p->dir, 1);
	snprintf(cmd, sizeof cmd, "mv %s/keep %s/t-0", b.path, b.path); /* its renaming had not reached the disk */
	ck_assert_int_eq(system(cmd), 0);
	crash();
	p = part("t", 0);
	ck_assert_uint_eq(p->dir, 1);
	ck_assert_int_eq(core_end(p), 50);
	ck_assert_int_eq(folders(b.path, "t-0"), 0);
}
END_TEST

START_TEST(a_move_can_be_taken_back_and_turned)
{
	struct core_partition *p = part("t", 0);
	uint32_t dir;
	struct st_log *log;

	write_to(p, 5);
	ck_assert_int_eq(move(second), RK_OK);
	ck_assert_int_eq(move(second), RK_OK); /* said twice */
	turns(3);
	ck_assert_uint_eq(wish(), 8);
	ck_assert_int_eq(move(b.path), RK_OK);
	ck_assert(!core_moving(p, &dir, &log));
	ck_assert_int_eq(folders(second, "-future"), 0);
	told(8); /* the controller had taken it in already */
	ck_assert_uint_eq(wish(), 9);
	told(9);
	ck_assert_uint_eq(wish(), 0);
	ck_assert_int_eq(core_end(p), 50);
	ck_assert_int_eq(move(second), RK_OK);
	turns(3);
	ck_assert_uint_eq(wish(), 8);
}
END_TEST

START_TEST(what_cannot_be_moved_is_refused)
{
	char name[250];

	ck_assert_int_eq(move("/nowhere"), RK_LOG_DIR_NOT_FOUND);
	ck_assert_int_eq(core_move(b.core, rk_lit("t"), 7, rk_str_of(second)), RK_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(core_move(b.core, rk_lit("u"), 0, rk_str_of(second)), RK_UNKNOWN_TOPIC_OR_PARTITION);
	memset(name, 'x', sizeof name);
	ck_assert_int_eq(core_move(b.core, (struct rk_str){name, 240}, 0, rk_str_of(second)),
	    RK_INVALID_TOPIC_EXCEPTION);
	ck_assert_int_eq(move(b.path), RK_OK); /* there it is */
	st_dir_fail(dirs[1], "test");
	settle();
	ck_assert_int_eq(move(second), RK_KAFKA_STORAGE_ERROR);
}
END_TEST

START_TEST(one_never_written_only_changes_its_place)
{
	ck_assert_int_eq(move(second), RK_OK);
	ck_assert_uint_eq(part("t", 0)->dir, 1);
	ck_assert_uint_eq(wish(), 8);
	core_misplaced_again(b.core); /* the request failed */
	ck_assert_uint_eq(wish(), 8);
	told(8);
	ck_assert_uint_eq(wish(), 0);
	write_to(part("t", 0), 1);
	ck_assert_int_eq(folders(second, "t-0"), 1);
}
END_TEST

START_TEST(deleted_records_stay_deleted_on_the_way)
{
	struct core_partition *p = part("t", 0);
	int64_t low;

	write_to(p, 10);
	ck_assert_int_eq(core_delete_records(p, 35, &low), RK_OK); /* in the middle of a batch */
	ck_assert_int_eq(move(second), RK_OK);
	turns(3);
	ck_assert_int_eq(core_delete_records(p, 42, &low), RK_OK);
	told(8);
	turns(3);
	ck_assert_uint_eq(p->dir, 1);
	ck_assert_int_eq(core_start(p), 42);
	ck_assert_int_eq(core_end(p), 100);
}
END_TEST

START_TEST(what_is_cut_here_is_cut_there)
{
	struct core_partition *p = part("t", 0);
	uint32_t dir;
	struct st_log *log;

	write_to(p, 10);
	ck_assert_int_eq(move(second), RK_OK);
	turns(3);
	ck_assert(core_moving(p, &dir, &log));
	p->high = 60;
	ck_assert_int_eq(st_log_truncate(p->log, 60), RK_OK);
	core_move_cut(p, 60);
	ck_assert_int_eq(st_log_end(log), 60);
	write_to(p, 1);
	turns(3);
	ck_assert_int_eq(st_log_end(log), 70);
}
END_TEST

START_TEST(a_directory_that_fails_takes_its_partitions_and_no_others)
{
	struct core_partition *p = part("t", 0), *q = part("t", 1);

	ck_assert_int_eq(core_move(b.core, rk_lit("t"), 1, rk_str_of(second)), RK_OK);
	write_to(p, 2);
	write_to(q, 2);
	put(q, batch_of(1, 1000));
	b.w.fail_on = second;
	b.w.fail_sync = true;
	settle();
	b.w.fail_sync = false;
	settle();
	ck_assert_uint_eq(core_dirs_lost(b.core), 1);
	ck_assert(q->offline && q->broken && !p->offline);
	ck_assert_int_eq(put(q, batch_of(1, 1000)).err, RK_KAFKA_STORAGE_ERROR);
	write_to(p, 2);
	ck_assert_int_eq(p->high, 40);
}
END_TEST

START_TEST(what_lies_in_a_directory_that_cannot_be_read_is_not_made_anew)
{
	write_to(part("t", 0), 5);
	ck_assert_int_eq(move(second), RK_OK);
	turns(3);
	told(8);
	turns(3);
	ck_assert_uint_eq(part("t", 0)->dir, 1);
	unreadable = true;
	crash();
	settle();
	ck_assert_uint_eq(core_dirs_lost(b.core), 1);
	ck_assert(part("t", 0)->offline && !part("t", 1)->offline);
	ck_assert_int_eq(put(part("t", 0), batch_of(1, 1000)).err, RK_KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(folders(b.path, "t-0"), 0);
	ck_assert_uint_eq(wish(), 0);
	write_to(part("t", 1), 1);
	unreadable = false;
	crash();
	ck_assert_int_eq(core_end(part("t", 0)), 50);
}
END_TEST

START_TEST(a_move_to_a_directory_that_fails_is_given_up)
{
	struct core_partition *p = part("t", 0);
	uint32_t dir;
	struct st_log *log;

	write_to(p, 5);
	ck_assert_int_eq(move(second), RK_OK);
	turns(3);
	st_dir_fail(dirs[1], "test");
	settle();
	ck_assert(!core_moving(p, &dir, &log));
	ck_assert(!p->offline);
	write_to(p, 5);
	ck_assert_int_eq(p->high, 100);
}
END_TEST

START_TEST(a_throttle_is_kept)
{
	struct core_partition *p = part("t", 0);
	uint32_t dir;
	struct st_log *log;
	int64_t was = t_conf->replica_alter_log_dirs_io_max_bytes_per_second;

	for (int i = 0; i < 10; i++)
		write_to(p, 500); /* 100 bytes a batch and more: half a MiB */
	int64_t bytes = st_log_bytes(p->log);
	ck_assert_int_gt(bytes, 1 << 20);
	t_conf->replica_alter_log_dirs_io_max_bytes_per_second = 256 << 10;
	ck_assert_int_eq(move(second), RK_OK);
	turns(20);
	ck_assert(core_moving(p, &dir, &log));
	ck_assert_int_le(st_log_bytes(log), 600 << 10); /* one step */
	pass(2000);
	ck_assert_int_le(st_log_bytes(log), 1100 << 10);
	pass(5000);
	pass(5000);
	pass(5000);
	ck_assert_int_eq(st_log_end(log), core_end(p));
	t_conf->replica_alter_log_dirs_io_max_bytes_per_second = was;
}
END_TEST

START_TEST(a_topic_removed_on_the_way_leaves_nothing)
{
	write_to(part("t", 0), 5);
	ck_assert_int_eq(move(second), RK_OK);
	turns(3);
	topic_gone(1);
	ck_assert_int_eq(folders(second, "-future"), 0);
	turns(3);
	ck_assert_uint_eq(wish(), 0);
}
END_TEST

int
main(void)
{
	const TTest *const all[] = {a_partition_moves_while_it_is_written_to,
	    a_move_goes_on_after_a_crash_and_after_a_stop,
	    two_folders_after_a_crash_in_the_swap_are_one_partition,
	    a_move_can_be_taken_back_and_turned, what_cannot_be_moved_is_refused,
	    one_never_written_only_changes_its_place, deleted_records_stay_deleted_on_the_way,
	    what_is_cut_here_is_cut_there,
	    a_directory_that_fails_takes_its_partitions_and_no_others,
	    what_lies_in_a_directory_that_cannot_be_read_is_not_made_anew,
	    a_move_to_a_directory_that_fails_is_given_up, a_throttle_is_kept,
	    a_topic_removed_on_the_way_leaves_nothing};

	return broker_claims("core_move", all, rk_countof(all), setup, teardown);
}
