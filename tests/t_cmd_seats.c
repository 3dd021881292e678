/* t_cmd_seats.c - replicas go where there are fewest, racks apart; lists of ids and of moves; JSON is read in
 * Kafka's words. */
#include <check.h>
#include "src/cmd/admin.h"
#include "src/cmd/jread.h"
#include "src/cmd/seats.h"

enum { SEATS = 4 };
static struct cmd_seat seat[SEATS];
static struct cmd_read r;

/* The program's own says it on standard error. */
int
cmd_fail(const struct cmd_args *a, const char *fmt, ...)
{
	(void)a;
	(void)fmt;
	return 1;
}

/* Brokers 1 to 4; 1 and 2 in rack a, 3 in b, 4 in c; with so many replicas each. */
static void
hold(int64_t one, int64_t two, int64_t three, int64_t four)
{
	const int64_t n[] = {one, two, three, four};
	static const char *const rack[] = {"a", "a", "b", "c"};

	for (int32_t i = 0; i < SEATS; i++)
		seat[i] = (struct cmd_seat){i + 1, rk_str_of(rack[i]), true, n[i], 0};
}

static int32_t
pick(const int32_t *taken, int32_t n)
{
	struct cmd_seat *s = cmd_seat_pick(seat, SEATS, (struct cmd_ids){taken, n});

	return s == NULL ? -1 : s->id;
}

START_TEST(a_replica_goes_to_another_rack_first)
{
	hold(0, 0, 9, 8);
	ck_assert_int_eq(pick((int32_t[]){1}, 1), 4);
	ck_assert_int_eq(pick((int32_t[]){1, 4}, 2), 3);
	ck_assert_int_eq(pick((int32_t[]){1, 4, 3}, 3), 2); /* no rack is left: better than none */
	ck_assert_int_eq(pick((int32_t[]){1, 4, 3, 2}, 4), -1);
}
END_TEST

START_TEST(a_closed_seat_is_not_taken)
{
	hold(0, 5, 6, 7);
	seat[0].open = false;
	ck_assert_int_eq(pick(NULL, 0), 2);
}
END_TEST

START_TEST(leaderships_are_spread)
{
	int32_t id[3];

	hold(0, 0, 0, 0);
	for (int i = 0; i < 6; i++) {
		memcpy(id, (int32_t[]){1, 2, 3}, sizeof id);
		cmd_seat_lead(seat, SEATS, id, 3);
		ck_assert_int_eq(id[0] + id[1] + id[2], 6);
	}
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(seat[i].leaders, 2);
	memcpy(id, (int32_t[]){9, 8, 7}, sizeof id); /* nobody who is known: as it was */
	cmd_seat_lead(seat, SEATS, id, 3);
	ck_assert_int_eq(id[0], 9);
}
END_TEST

#define IDS(...) ((struct cmd_ids){(int32_t[]){__VA_ARGS__}, rk_countof(((int32_t[]){__VA_ARGS__}))})

START_TEST(lists_of_ids_know_what_is_in_them)
{
	struct rk_arena a;
	int32_t to[4];

	rk_arena_init(&a, 1 << 20);
	ck_assert_int_eq(cmd_ids_add(to, cmd_ids_add(to, 0, IDS(3, 1, 3)), IDS(1, 2)), 3);
	ck_assert(cmd_ids_same((struct cmd_ids){to, 3}, IDS(3, 1, 2)));
	ck_assert(cmd_ids_same(cmd_ids_without(&a, IDS(3, 1, 2), IDS(1, 9)), IDS(3, 2)));
	ck_assert_int_eq(cmd_ids_without(&a, (struct cmd_ids){NULL, -1}, IDS(1)).len, 0);
	ck_assert_str_eq(cmd_ids_text(&a, IDS(3, 1, 2), ", "), "3, 1, 2");
	ck_assert_str_eq(cmd_ids_twice(&a, IDS(2, 1, 2, 2, 1), ", "), "2, 1");
	ck_assert_ptr_null(cmd_ids_twice(&a, IDS(2, 1), ", "));
	rk_arena_free(&a);
}
END_TEST

START_TEST(moves_are_found_and_named_once_however_often_they_are_there)
{
	struct cmd_move m[] = {{.topic = rk_lit("u"), .partition = 1}, {.topic = rk_lit("t"), .partition = 2},
	    {.topic = rk_lit("t"), .partition = 10}, {.topic = rk_lit("t"), .partition = 2},
	    {.topic = rk_lit("u"), .partition = 1}, {.topic = rk_lit("t"), .partition = 2}};
	struct rk_arena a;

	rk_arena_init(&a, 1 << 20);
	cmd_moves_sort(m, rk_countof(m));
	ck_assert_str_eq(cmd_moves_twice(&a, m, rk_countof(m)), "t-2,u-1");
	ck_assert_ptr_null(cmd_moves_twice(&a, m + 2, 3));
	ck_assert_ptr_eq(cmd_move_find(m, rk_countof(m), rk_lit("t"), 10), &m[3]);
	ck_assert_ptr_null(cmd_move_find(m, rk_countof(m), rk_lit("u"), 2));
	ck_assert_ptr_null(cmd_move_find(NULL, 0, rk_lit("u"), 2));
	rk_arena_free(&a);
}
END_TEST

static json_t *
root(const char *text)
{
	cmd_read_free(&r);
	cmd_read_text(&r, text, strlen(text));
	return r.root;
}

START_TEST(the_first_complaint_stays)
{
	json_t *o = root("{\"a\": \"x\", \"b\": [1, 2], \"c\": 4294967296}");

	ck_assert_str_eq(cmd_read_string(&r, cmd_read_field(&r, o, "a")), "x");
	ck_assert(!r.bad);
	ck_assert_int_eq(cmd_read_int(&r, cmd_read_field(&r, o, "c")), 0);
	ck_assert_str_eq(r.why, "Expected `Integer` value, received 4294967296");
	ck_assert_ptr_null(cmd_read_field(&r, o, "none"));
	ck_assert_str_eq(r.why, "Expected `Integer` value, received 4294967296");
}
END_TEST

START_TEST(what_is_missing_or_odd_is_said_as_kafka_says_it)
{
	cmd_read_field(&r, root("{}"), "topic");
	ck_assert_str_eq(r.why, "No such field exists: `topic`");
	cmd_read_field(&r, root("[]"), "topic");
	ck_assert_str_eq(r.why, "Expected JSON object, received []");
	cmd_read_list(&r, root("{\"a\": 1}"));
	ck_assert_str_eq(r.why, "Expected JSON array, received {\"a\":1}");
	cmd_read_string(&r, root("3"));
	ck_assert_str_eq(r.why, "Expected `String` value, received 3");
	ck_assert_int_eq(cmd_read_version(&r, root("{}")), 1);
}
END_TEST

START_TEST(text_that_is_no_json_is_told_apart)
{
	root("{\"topics\":");
	ck_assert(r.broken && r.bad);
	root("{} behind");
	ck_assert(!r.broken && !r.bad);
	root("");
	ck_assert(r.broken);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cmd_seats");
	TCase *t = tcase_create("all");
	SRunner *run;
	int failed;

	tcase_add_test(t, a_replica_goes_to_another_rack_first);
	tcase_add_test(t, a_closed_seat_is_not_taken);
	tcase_add_test(t, leaderships_are_spread);
	tcase_add_test(t, lists_of_ids_know_what_is_in_them);
	tcase_add_test(t, moves_are_found_and_named_once_however_often_they_are_there);
	tcase_add_test(t, the_first_complaint_stays);
	tcase_add_test(t, what_is_missing_or_odd_is_said_as_kafka_says_it);
	tcase_add_test(t, text_that_is_no_json_is_told_apart);
	suite_add_tcase(s, t);
	run = srunner_create(s);
	srunner_run_all(run, CK_NORMAL);
	failed = srunner_ntests_failed(run);
	srunner_free(run);
	return failed != 0;
}
