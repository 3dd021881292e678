/* t_table.c - claims about storage/table.c. */
#include "storage/table.h"
#include <check.h>
#include <sys/stat.h>

static char dir[] = "/tmp/t_table.XXXXXX";
static struct st_tables *t;
static bool fresh;

static void
again(void)
{
	ck_assert_int_eq(st_tables_open(dir, 3, &t, &fresh), RK_OK);
}

static void
start(void)
{
	snprintf(dir, sizeof dir, "/tmp/t_table.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	again();
	ck_assert(fresh);
}

static void
stop(void)
{
	char rm[64];

	st_tables_free(t);
	snprintf(rm, sizeof rm, "rm -rf %s", dir);
	ck_assert_int_eq(system(rm), 0);
}

static void
put(struct st_txn *x, const char *k, const char *v)
{
	st_put(x, 0, rk_str_of(k), rk_str_of(v));
}

static bool
has(struct st_txn *x, const char *k, const char *v)
{
	struct rk_str got;

	return st_get(x, 0, rk_str_of(k), &got) && rk_str_is(got, v);
}

static bool
committed(const char *k, const char *v)
{
	struct st_txn *x = st_read_begin(t);
	bool is = has(x, k, v);

	st_read_end(x);
	return is;
}

static void
set(const char *k, const char *v)
{
	struct st_txn *x = st_write_begin(t, NULL);

	put(x, k, v);
	ck_assert_int_eq(st_write_commit(x), RK_OK);
}

START_TEST(readers_see_the_last_commit_only)
{
	set("a", "1");
	struct st_txn *old = st_read_begin(t);
	struct st_txn *x = st_write_begin(t, NULL);
	put(x, "a", "2");
	ck_assert(has(x, "a", "2"));
	ck_assert(committed("a", "1"));
	ck_assert_int_eq(st_write_commit(x), RK_OK);
	ck_assert(has(old, "a", "1"));
	ck_assert(committed("a", "2"));
	st_read_end(old);
}
END_TEST

START_TEST(a_child_is_kept_or_dropped_as_a_whole)
{
	struct st_txn *x = st_write_begin(t, NULL);
	struct st_txn *one = st_write_begin(t, x);
	put(one, "kept", "1");
	ck_assert_int_eq(st_write_commit(one), RK_OK);
	struct st_txn *two = st_write_begin(t, x);
	ck_assert(has(two, "kept", "1"));
	put(two, "kept", "2");
	put(two, "dropped", "1");
	st_write_abort(two);
	ck_assert(has(x, "kept", "1"));
	ck_assert_int_eq(st_write_commit(x), RK_OK);
	ck_assert(committed("kept", "1"));
	ck_assert(!committed("dropped", "1"));
}
END_TEST

START_TEST(a_cursor_walks_its_prefix_in_order)
{
	static const char *const key[] = { "b2", "a", "b", "c", "b1" };
	struct st_cursor c;
	struct st_txn *x = st_write_begin(t, NULL);
	for (uint32_t i = 0; i < rk_countof(key); i++)
		put(x, key[i], "v");
	ck_assert(st_cursor_begin(&c, x, 0, rk_lit("b"), rk_lit("")));
	ck_assert(rk_str_is(c.key, "b"));
	ck_assert(st_cursor_next(&c));
	ck_assert(rk_str_is(c.key, "b1"));
	ck_assert(st_cursor_next(&c));
	ck_assert(rk_str_is(c.key, "b2"));
	ck_assert(!st_cursor_next(&c));
	st_cursor_end(&c);
	ck_assert(!st_cursor_begin(&c, x, 0, rk_lit("b"), rk_lit("b3")));
	st_cursor_end(&c);
	ck_assert(st_cursor_begin(&c, x, 0, rk_lit(""), rk_lit("")));
	ck_assert(rk_str_is(c.key, "a"));
	st_cursor_end(&c);
	ck_assert_uint_eq(st_count(x, 0), 5);
	ck_assert_uint_eq(st_del_prefix(x, 0, rk_lit("b")), 3);
	ck_assert_uint_eq(st_count(x, 0), 2);
	ck_assert(!st_del(x, 0, rk_lit("b")));
	ck_assert(st_del(x, 0, rk_lit("a")));
	st_write_abort(x);
}
END_TEST

START_TEST(a_clean_close_keeps_everything)
{
	set("a", "1");
	ck_assert_int_eq(st_tables_close(t), RK_OK);
	again();
	ck_assert(!fresh);
	ck_assert(committed("a", "1"));
	/* Nothing was written: closing again without a sync is clean too, and so is a crash. */
	st_tables_free(t);
	again();
	ck_assert(!fresh);
	set("b", "2");
	ck_assert_int_eq(st_tables_close(t), RK_OK);
	again();
	ck_assert(!fresh && committed("b", "2") && committed("a", "1"));
}
END_TEST

START_TEST(a_crash_after_a_write_throws_it_away)
{
	set("a", "1");
	ck_assert_int_eq(st_tables_close(t), RK_OK);
	again();
	set("b", "1");
	st_tables_free(t);
	again();
	ck_assert(fresh);
	ck_assert(!committed("a", "1"));
}
END_TEST

static void
damage(int kind)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof path, "%s/data.mdb", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	if (kind == 0)
		ck_assert_int_eq(truncate(path, st.st_size / 2), 0);
	if (kind == 1)
		ck_assert_int_eq(truncate(path, 0), 0);
	if (kind == 2)
		ck_assert_int_eq(unlink(path), 0);
	if (kind == 3) {
		int fd = open(path, O_WRONLY);
		ck_assert_int_eq(pwrite(fd, "garbage garbage garbage garbage garbage", 39, 0), 39);
		ck_assert_int_eq(pwrite(fd, "garbage garbage garbage garbage garbage", 39, 4096), 39);
		close(fd);
	}
}

START_TEST(a_damaged_file_is_remade)
{
	set("a", "1");
	ck_assert_int_eq(st_tables_close(t), RK_OK);
	damage(_i);
	again();
	ck_assert(fresh);
	set("b", "1");
	ck_assert(committed("b", "1"));
}
END_TEST

START_TEST(readers_are_cheap_and_many)
{
	struct st_txn *x[200];

	set("a", "1");
	for (int round = 0; round < 100; round++) {
		for (uint32_t i = 0; i < rk_countof(x); i++)
			x[i] = st_read_begin(t);
		for (uint32_t i = 0; i < rk_countof(x); i++)
			st_read_end(x[i]);
	}
	ck_assert(committed("a", "1"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("table");
	TCase *c = tcase_create("table");
	tcase_add_checked_fixture(c, start, stop);
	tcase_add_test(c, readers_see_the_last_commit_only);
	tcase_add_test(c, a_child_is_kept_or_dropped_as_a_whole);
	tcase_add_test(c, a_cursor_walks_its_prefix_in_order);
	tcase_add_test(c, a_clean_close_keeps_everything);
	tcase_add_test(c, a_crash_after_a_write_throws_it_away);
	tcase_add_loop_test(c, a_damaged_file_is_remade, 0, 4);
	tcase_add_test(c, readers_are_cheap_and_many);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad != 0;
}
