/* t_future.c - a log on its way between directories: filled, found again, given its name, given up. */
#include <dirent.h>
#include "tests/log_help.h"

static const struct rk_uuid id = {{1, 2, 3}};

/* The only folder of the scratch directory whose name begins with "t-". */
static const char *
folder(void)
{
	static char name[300];
	uint32_t n = 0;
	DIR *d = opendir(x.path);

	name[0] = '\0';
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		if (strncmp(e->d_name, "t-", 2) == 0) {
			snprintf(name, sizeof name, "%s", e->d_name);
			n++;
		}
	closedir(d);
	ck_assert_uint_le(n, 1);
	return name;
}

static void
ends_in(const char *tail)
{
	const char *name = folder();
	size_t n = strlen(name), t = strlen(tail);

	ck_assert_msg(n >= t && strcmp(name + n - t, tail) == 0, "%s", name);
}

static void
future_from(int64_t start)
{
	ck_assert_int_eq(st_log_create_future(x.dir, rk_lit("t"), 0, id, &x.rules, start, &x.log), RK_OK);
	ck_assert(st_log_is_future(x.log));
	ck_assert_int_eq(st_log_start(x.log), start);
	ck_assert_int_eq(st_log_end(x.log), start);
}

/* Whole batches as another log holds them, from base on. */
static void
copy_in(int64_t base, int32_t count)
{
	struct rk_str b = batch_of(count, 100, 1000);

	kp_batch_set_base((uint8_t *)b.at, base);
	kp_batch_set_epoch((uint8_t *)b.at, 3);
	ck_assert_int_eq(st_log_append_as_is(x.log, (const uint8_t *)b.at, (uint32_t)b.len, 5), RK_OK);
}

START_TEST(it_is_filled_found_again_and_given_its_name)
{
	future_from(0);
	ends_in("-future");
	ck_assert_int_eq((int)strlen(folder()), 3 + 1 + 32 + 7);
	copy_in(0, 10);
	ck_assert_int_eq(st_log_sync_now(x.log), RK_OK);
	ck_assert_int_eq(st_log_stable(x.log), 10);
	scratch_crash();
	ck_assert(st_log_is_future(x.log));
	ck_assert_int_eq(st_log_end(x.log), 10);
	copy_in(10, 5);
	ck_assert_int_eq(st_log_sync_now(x.log), RK_OK);
	ck_assert_int_eq(st_log_promote(x.log), RK_OK);
	ends_in("t-0");
	ck_assert(!st_log_is_future(x.log));
	ck_assert_int_eq(append(batch_of(1, 10, 2000), 4), 15);
	sync_all();
	scratch_crash();
	ck_assert(!st_log_is_future(x.log));
	ck_assert_int_eq(st_log_end(x.log), 16);
	ck_assert_int_eq(read_from(0, 16, 1 << 20, true).count, 3);
}
END_TEST

START_TEST(a_clean_stop_in_the_middle_loses_nothing)
{
	future_from(40);
	copy_in(40, 10);
	scratch_stop();
	scratch_start();
	ck_assert(x.how.clean);
	ck_assert(st_log_is_future(x.log));
	ck_assert_int_eq(st_log_start(x.log), 40);
	ck_assert_int_eq(st_log_end(x.log), 50);
	struct st_found f;
	ck_assert(st_dir_lookup(x.dir, rk_lit("t"), 0, &f));
	ck_assert(f.future);
}
END_TEST

START_TEST(there_is_room_for_one_folder_of_a_partition)
{
	struct st_log *other;

	future_from(0);
	ck_assert_int_eq(st_log_create(x.dir, rk_lit("t"), 0, id, &x.rules, &other), RK_EXISTS);
	ck_assert_int_eq(st_log_create_future(x.dir, rk_lit("t"), 0, id, &x.rules, 0, &other), RK_EXISTS);
}
END_TEST

START_TEST(a_name_too_long_is_refused)
{
	char name[240];
	struct st_log *other;

	memset(name, 'a', sizeof name);
	ck_assert_int_eq(st_log_create_future(x.dir, (struct rk_str){name, 214}, 0, id, &x.rules, 0, &other),
	    RK_INVALID_TOPIC_EXCEPTION);
	ck_assert_int_eq(st_log_create_future(x.dir, (struct rk_str){name, 213}, 0, id, &x.rules, 0, &other), RK_OK);
	st_log_free(other);
}
END_TEST

START_TEST(one_given_up_goes_away)
{
	future_from(0);
	copy_in(0, 10);
	st_log_free(x.log);
	x.log = NULL;
	ck_assert_int_eq(st_dir_discard(x.dir, rk_lit("t"), 0), RK_OK);
	ends_in("-delete");
	ck_assert_int_eq(st_dir_tick(x.dir, rk_now(&x.w.env)), INT64_MAX);
	ck_assert_str_eq(folder(), "");
	ck_assert_int_eq(st_dir_discard(x.dir, rk_lit("t"), 0), RK_NOT_FOUND);
	scratch_log(); /* its place is free */
}
END_TEST

/* As after a crash that no order of ours leaves behind: somebody copied folders. */
START_TEST(beside_the_partition_itself_it_is_removed)
{
	char cmd[300];

	scratch_log();
	append(batch_of(3, 10, 1), 1);
	sync_all();
	posix_forget(&x.w);
	st_log_free(x.log);
	st_dir_free(x.dir);
	snprintf(cmd, sizeof cmd, "mkdir %s/t-0.0123456789abcdef0123456789abcdef-future %s/odd.name-future", x.path, x.path);
	ck_assert_int_eq(system(cmd), 0);
	scratch_start();
	ck_assert(!st_log_is_future(x.log));
	ck_assert_int_eq(st_log_end(x.log), 3);
	st_dir_tick(x.dir, rk_now(&x.w.env));
	ends_in("t-0");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("future");
	TCase *t = tcase_create("future");

	tcase_add_checked_fixture(t, scratch_begin, scratch_end);
	tcase_add_test(t, it_is_filled_found_again_and_given_its_name);
	tcase_add_test(t, a_clean_stop_in_the_middle_loses_nothing);
	tcase_add_test(t, there_is_room_for_one_folder_of_a_partition);
	tcase_add_test(t, a_name_too_long_is_refused);
	tcase_add_test(t, one_given_up_goes_away);
	tcase_add_test(t, beside_the_partition_itself_it_is_removed);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
