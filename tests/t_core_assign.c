/* t_core_assign.c - claims about sets of partitions and the assignors. */
#include <check.h>
#include "base/mem.h"
#include "src/core/assign.h"

enum { TOPICS = 6, MEMBERS = 12 };

static struct rk_arena arena;
static struct core_assign_topic topic[TOPICS];
static struct core_assign_member member[MEMBERS];
static int32_t wants[MEMBERS][TOPICS];
static char name[MEMBERS][8];
static int32_t topics, members;
static uint64_t seed;

static uint32_t
dice(uint32_t sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % sides;
}

static void
begin(void)
{
	rk_arena_init(&arena, 64 << 20);
	topics = members = 0;
	memset(member, 0, sizeof member);
}

static void
over(void)
{
	rk_arena_free(&arena);
}

static void
add_topic(int32_t partitions)
{
	memset(topic[topics].id.id, topics + 1, sizeof topic[topics].id.id);
	topic[topics++].partitions = partitions;
}

/* Subscribed to the topics of the bits. */
static struct core_assign_member *
add_member(const char *id, const char *instance, uint32_t bits)
{
	struct core_assign_member *m = &member[members];

	snprintf(name[members], sizeof name[members], "%s", id);
	*m = (struct core_assign_member){ .id = rk_str_of(name[members]), .instance = rk_str_of(instance),
		.topic = wants[members] };
	for (int32_t t = 0; t < topics; t++)
		if (bits & 1u << t)
			wants[members][m->topics++] = t;
	members++;
	return m;
}

static void
assign(core_assignor *how)
{
	ck_assert(how(topic, topics, member, members, &arena));
}

static void
keep(void)
{
	for (int32_t m = 0; m < members; m++)
		member[m].has = member[m].gets;
}

static bool
may(const struct core_assign_member *m, int32_t t)
{
	for (int32_t i = 0; i < m->topics; i++)
		if (m->topic[i] == t)
			return true;
	return false;
}

/* Whose a partition is: exactly one member's, who is subscribed; nobody's when nobody is. */
static const struct core_assign_member *
owner(int32_t t, int32_t p)
{
	const struct core_assign_member *found = NULL;
	bool wanted = false;

	for (int32_t m = 0; m < members; m++) {
		wanted |= may(&member[m], t);
		if (core_parts_find(&member[m].gets, topic[t].id, p) == NULL)
			continue;
		ck_assert_ptr_null(found);
		ck_assert(may(&member[m], t));
		found = &member[m];
	}
	ck_assert(wanted == (found != NULL));
	return found;
}

static void
all_are_owned(void)
{
	int32_t total = 0, given = 0;

	for (int32_t t = 0; t < topics; t++)
		for (int32_t p = 0; p < topic[t].partitions; p++)
			total += owner(t, p) != NULL;
	for (int32_t m = 0; m < members; m++)
		given += member[m].gets.count;
	ck_assert_int_eq(total, given);
}

/* No partition could go to a subscriber that has at least two fewer. */
static void
nothing_is_better(void)
{
	for (int32_t t = 0; t < topics; t++)
		for (int32_t p = 0; p < topic[t].partitions; p++) {
			const struct core_assign_member *o = owner(t, p);
			for (int32_t m = 0; o != NULL && m < members; m++)
				ck_assert(!may(&member[m], t) || o->gets.count <= member[m].gets.count + 1);
		}
}

START_TEST(one_member_gets_everything)
{
	add_topic(3), add_topic(4);
	add_member("a", NULL, 3);
	assign(core_assign_uniform);
	ck_assert_int_eq(member[0].gets.count, 7);
	assign(core_assign_range);
	ck_assert_int_eq(member[0].gets.count, 7);
}
END_TEST

START_TEST(nobody_and_nothing_is_fine)
{
	add_topic(3);
	assign(core_assign_uniform);
	assign(core_assign_range);
	add_member("a", NULL, 0);
	assign(core_assign_uniform);
	assign(core_assign_range);
	ck_assert_int_eq(member[0].gets.count, 0);
}
END_TEST

START_TEST(a_new_member_takes_only_what_it_is_due)
{
	add_topic(10), add_topic(2);
	add_member("a", NULL, 3), add_member("b", NULL, 3);
	assign(core_assign_uniform);
	keep();
	add_member("c", NULL, 3);
	assign(core_assign_uniform);
	all_are_owned();
	for (int32_t m = 0; m < members; m++)
		ck_assert_int_eq(member[m].gets.count, 4);
	ck_assert(core_parts_within(member[0].gets, member[0].has));
	ck_assert(core_parts_within(member[1].gets, member[1].has));
}
END_TEST

START_TEST(an_assignment_that_is_fair_stays)
{
	add_topic(7), add_topic(5);
	for (int32_t i = 0; i < 5; i++)
		add_member((char[]){ (char)('a' + i), 0 }, NULL, i == 4 ? 1 : 3);
	assign(core_assign_uniform);
	keep();
	assign(core_assign_uniform);
	for (int32_t m = 0; m < members; m++)
		ck_assert(core_parts_eq(member[m].has, member[m].gets));
}
END_TEST

START_TEST(uniform_is_fair_whatever_members_want)
{
	for (seed = 1; seed < 400; seed++) {
		uint64_t history = seed;
		rk_arena_reset(&arena);
		topics = members = 0;
		for (uint32_t n = 1 + dice(TOPICS); n > 0; n--)
			add_topic((int32_t)dice(9));
		for (uint32_t n = 1 + dice(MEMBERS - 2); n > 0; n--)
			add_member((char[]){ (char)('a' + n), 0 }, NULL, dice(3) == 0 ? ~0u : dice(64));
		assign(core_assign_uniform);
		all_are_owned();
		nothing_is_better();
		keep();
		add_member("new", NULL, dice(64));
		member[0].topics = (int32_t)dice((uint32_t)member[0].topics + 1); /* it wants less now */
		topic[0].partitions += 2;
		assign(core_assign_uniform);
		all_are_owned();
		nothing_is_better();
		seed = history;
	}
}
END_TEST

START_TEST(range_gives_runs_in_the_order_of_names)
{
	add_topic(7), add_topic(7), add_topic(2);
	add_member("b", NULL, 7), add_member("a", NULL, 3), add_member("z", "1", 3);
	assign(core_assign_range);
	all_are_owned();
	for (int32_t p = 0; p < 7; p++) {
		ck_assert_ptr_eq(owner(0, p), owner(1, p)); /* equal indexes come together */
		ck_assert_ptr_eq(owner(0, p), p < 3 ? &member[2] : p < 5 ? &member[1] : &member[0]); /* static ones first */
	}
	ck_assert_ptr_eq(owner(2, 0), &member[0]);
}
END_TEST

START_TEST(without_memory_there_is_no_answer)
{
	struct rk_arena small;

	add_topic(1000);
	add_member("a", NULL, 1);
	rk_arena_init(&small, 256);
	ck_assert(!core_assign_uniform(topic, topics, member, members, &small));
	rk_arena_free(&small);
	rk_arena_init(&small, 256);
	ck_assert(!core_assign_range(topic, topics, member, members, &small));
	rk_arena_free(&small);
}
END_TEST

/* Bits 0 to 15 as a set of one topic's partitions. */
static struct core_parts
set(uint32_t bits)
{
	struct core_parts p = core_parts_make(16, &arena);

	for (int32_t i = 15; i >= 0; i--)
		if (bits & 1u << i)
			core_parts_add(&p, topic[i % 2].id, i, (int32_t)bits);
	core_parts_sort(&p);
	return p;
}

START_TEST(sets_are_sets)
{
	add_topic(16), add_topic(16);
	for (seed = 1; seed < 2000; seed++) {
		uint32_t a = dice(1 << 16), b = dice(1 << 16);
		ck_assert(core_parts_eq(core_parts_both(set(a), set(b), &arena), set(a & b)));
		ck_assert(core_parts_eq(core_parts_less(set(a), set(b), &arena), set(a & ~b)));
		ck_assert(core_parts_eq(core_parts_sum(set(a), set(b), &arena), set(a | b)));
		ck_assert(core_parts_within(set(a), set(b)) == ((a & ~b) == 0));
		ck_assert(core_parts_same(set(a), set(b)) == (a == b));
		rk_arena_reset(&arena);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("core_assign");
	TCase *t = tcase_create("core_assign");

	tcase_add_checked_fixture(t, begin, over);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, one_member_gets_everything);
	tcase_add_test(t, nobody_and_nothing_is_fine);
	tcase_add_test(t, a_new_member_takes_only_what_it_is_due);
	tcase_add_test(t, an_assignment_that_is_fair_stays);
	tcase_add_test(t, uniform_is_fair_whatever_members_want);
	tcase_add_test(t, range_gives_runs_in_the_order_of_names);
	tcase_add_test(t, without_memory_there_is_no_answer);
	tcase_add_test(t, sets_are_sets);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
