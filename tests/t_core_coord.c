/* t_core_coord.c - shards: replayed when won, written, waited for, lost. The kind here counts words: a key is a word,
 * its value a number; a tombstone forgets the word. */
#include <check.h>
#include "base/mem.h"
#include "src/core/coord.h"
#include "src/core/replica.h"
#include "tests/core_help.h"

struct words {
	struct core_shard *shard;
	char word[64][16];
	int value[64], count;
	int markers, commits;
	bool loaded;
	struct rk_timer timer;
};

static struct core_coord *coord;
static int made, ended;
static enum rk_err ended_with;

static void *
make(struct core_shard *s)
{
	struct words *w = rk_new(struct words);

	w->shard = s;
	made++;
	return w;
}

static void
apply(void *state, const struct core_entry *e)
{
	struct words *w = state;
	int64_t v = 0;
	int at = 0;

	while (at < w->count && !rk_str_is(e->key, w->word[at]))
		at++;
	if (at == w->count) {
		ck_assert_int_lt(at, 64);
		rk_str_copy(w->word[w->count++], sizeof w->word[0], e->key);
	}
	w->value[at] = e->value.len < 0 || !rk_str_int(e->value, &v) ? -1 : (int)v;
}

static void
marker(void *state, int64_t producer, int16_t epoch, bool commit, int64_t offset)
{
	struct words *w = state;

	ck_assert_int_eq(producer, 5);
	ck_assert_int_eq(epoch, 0);
	ck_assert_int_ge(offset, 0);
	w->markers++;
	w->commits += commit;
}

static void
loaded(void *state)
{
	((struct words *)state)->loaded = true;
}

static void
end(void *state, enum rk_err err)
{
	ended++;
	ended_with = err;
	rk_mem_put(state);
}

static const struct core_coord_kind kind = { "__consumer_offsets", make, apply, marker, loaded, end };

static void
attach(struct core *c)
{
	coord = core_coord_new(c, &kind);
}

static void
begin(void)
{
	made = ended = 0;
	broker_made = attach;
	broker_begin();
	topic_of("__consumer_offsets", 1, 4, (const int32_t[]){1, 2}, 2);
	for (int32_t i = 0; i < 4; i++)
		partition_is(1, i, 1, (const int32_t[]){1}, 1, true);
	pass(1), pass(1);
}

static void
over(void)
{
	broker_end();
	broker_made = NULL;
}

static void
leader_is(int32_t partition, int32_t id)
{
	partition_is(1, partition, id, &id, 1, true);
}

static struct core_shard *
shard(const char *word)
{
	struct core_shard *s;

	ck_assert_int_eq(core_coord_find(coord, rk_str_of(word), &s), RK_OK);
	return s;
}

static int
value_of(const char *word)
{
	struct words *w = core_shard_state(shard(word));

	for (int i = 0; i < w->count; i++)
		if (strcmp(w->word[i], word) == 0)
			return w->value[i];
	return -2;
}

static struct core_write wait;
static int answers;
static enum rk_err answer;

static void
answered(struct core_write *w, enum rk_err err)
{
	ck_assert_ptr_eq(w, &wait);
	answers++;
	answer = err;
}

static enum rk_err
say(const char *word, const char *value)
{
	struct kp_pair r = { rk_str_of(word), value == NULL ? RK_STR_NULL : rk_str_of(value) };

	wait = (struct core_write){ .done = answered };
	answers = 0;
	return core_shard_write(shard(word), &r, 1, -1, -1, &wait);
}

START_TEST(a_name_has_the_place_that_Java_gives_it)
{
	/* "polygenelubricants".hashCode() is Integer.MIN_VALUE, whose absolute value Kafka takes for 0. */
	ck_assert_uint_eq(rk_java_hash(rk_lit("abc")), 96354);
	ck_assert_int_eq(core_coord_place(coord, rk_lit("abc")), 96354 % 4);
	ck_assert_int_eq((int32_t)rk_java_hash(rk_lit("polygenelubricants")), INT32_MIN);
	ck_assert_int_eq(core_coord_place(coord, rk_lit("polygenelubricants")), 0);
	ck_assert_uint_eq(rk_java_hash(rk_lit("\xc3\xa9\xf0\x9f\x98\x80")), (0xe9u * 31 + 0xd83d) * 31 + 0xde00);
}
END_TEST

START_TEST(what_is_written_is_seen_at_once_and_answered_when_it_is_stable)
{
	ck_assert_int_eq(say("a", "1"), RK_OK);
	ck_assert_int_eq(value_of("a"), 1);
	ck_assert_int_eq(answers, 0);
	settle();
	ck_assert_int_eq(answers, 1);
	ck_assert_int_eq(answer, RK_OK);
}
END_TEST

START_TEST(a_read_waits_for_what_it_has_read)
{
	ck_assert_int_eq(say("a", "1"), RK_OK);
	core_write_forget(&wait);
	ck_assert(core_shard_settle(shard("a"), &wait));
	ck_assert_int_eq(answers, 0);
	settle();
	ck_assert_int_eq(answers, 1);
	ck_assert(!core_shard_settle(shard("a"), &wait));
}
END_TEST

START_TEST(everything_is_there_again_after_a_restart)
{
	char word[16], value[16];

	for (int i = 0; i < 40; i++) {
		snprintf(word, sizeof word, "w%d", i);
		snprintf(value, sizeof value, "%d", i);
		ck_assert_int_eq(say(word, value), RK_OK);
		core_write_forget(&wait);
	}
	ck_assert_int_eq(say("w7", NULL), RK_OK);
	core_write_forget(&wait);
	settle();
	broker_crash();
	struct core_shard *s;
	ck_assert_int_eq(core_coord_find(coord, rk_lit("w1"), &s), RK_COORDINATOR_LOAD_IN_PROGRESS);
	bool loading = false;
	ck_assert_ptr_null(core_coord_walk(coord, NULL, &loading));
	ck_assert(loading);
	settle();
	pass(1), pass(1);
	ck_assert_int_eq(value_of("w39"), 39);
	ck_assert_int_eq(value_of("w7"), -1);
	ck_assert(((struct words *)core_shard_state(shard("w1")))->loaded);
	int shards = 0;
	for (s = core_coord_walk(coord, NULL, NULL); s != NULL; s = core_coord_walk(coord, s, NULL))
		shards++;
	ck_assert_int_eq(shards, 4);
}
END_TEST

START_TEST(a_restarted_leader_waits_for_what_the_others_may_not_have)
{
	struct core_shard *s;

	for (int32_t i = 0; i < 4; i++)
		partition_is(1, i, 1, (const int32_t[]){1, 2}, 2, false);
	ck_assert_int_eq(say("w1", "1"), RK_OK);
	struct core_partition *p = core_shard_partition(shard("w1"));
	int32_t at = p->index;
	settle();
	ck_assert_int_eq(answers, 0);
	core_write_forget(&wait);
	broker_crash();
	pass(1), pass(1);
	ck_assert_int_eq(core_coord_find(coord, rk_lit("w1"), &s), RK_COORDINATOR_LOAD_IN_PROGRESS);
	p = part("__consumer_offsets", at);
	ck_assert_int_eq(core_set_fetched(p, 2, -1, core_end(p), 0, 0), RK_OK);
	pass(1), pass(1);
	ck_assert_int_eq(value_of("w1"), 1);
}
END_TEST

START_TEST(a_lost_partition_ends_its_shard)
{
	ck_assert_int_eq(say("abc", "1"), RK_OK);
	settle();
	int before = ended;
	leader_is(96354 % 4, 2);
	struct core_shard *s;
	ck_assert_int_eq(core_coord_find(coord, rk_lit("abc"), &s), RK_NOT_COORDINATOR);
	pass(1);
	ck_assert_int_eq(ended, before + 1);
	ck_assert_int_eq(ended_with, RK_NOT_COORDINATOR);
	leader_is(96354 % 4, 1);
	pass(1), pass(1), pass(1);
	ck_assert_int_eq(value_of("abc"), 1);
}
END_TEST

START_TEST(whoever_waits_hears_that_leadership_went)
{
	ck_assert_int_eq(say("abc", "1"), RK_OK);
	leader_is(96354 % 4, 2);
	settle();
	ck_assert_int_eq(answers, 1);
	ck_assert_int_eq(answer, RK_NOT_COORDINATOR);
}
END_TEST

static enum rk_err late_err;
static bool late_wait;

static void
late(struct rk_timer *t, int64_t now_ms)
{
	struct words *w = rk_of(t, struct words, timer);
	struct kp_pair r = { rk_lit("abc"), rk_lit("2") };

	(void)now_ms;
	late_err = core_shard_write(w->shard, &r, 1, -1, -1, NULL);
	wait = (struct core_write){ .done = answered };
	late_wait = core_shard_settle(w->shard, &wait);
}

START_TEST(a_timer_that_comes_between_loss_and_burial_writes_nothing)
{
	struct words *w = core_shard_state(shard("abc"));

	answers = 0;
	late_err = RK_OK;
	w->timer = (struct rk_timer){ .at_ms = INT64_MAX, .fire = late };
	rk_timer_set(&b.timers, &w->timer, rk_now(&b.w.env));
	leader_is(96354 % 4, 2);
	pass(1);
	ck_assert_int_eq(late_err, RK_NOT_COORDINATOR);
	ck_assert(late_wait);
	pass(1);
	ck_assert_int_eq(answers, 1);
	ck_assert_int_eq(answer, RK_NOT_COORDINATOR);
}
END_TEST

START_TEST(a_disk_that_fails_is_no_coordinator)
{
	struct core_shard *s;

	b.w.fail_sync = true;
	ck_assert_int_eq(say("abc", "1"), RK_OK);
	settle();
	ck_assert_int_eq(answers, 1);
	ck_assert_int_eq(answer, RK_COORDINATOR_NOT_AVAILABLE);
	ck_assert_int_eq(core_coord_find(coord, rk_lit("abc"), &s), RK_COORDINATOR_NOT_AVAILABLE);
}
END_TEST

START_TEST(without_its_topic_there_is_no_coordinator)
{
	struct core_shard *s;

	topic_gone(1);
	pass(1);
	ck_assert_int_eq(ended, made);
	ck_assert_int_eq(core_coord_place(coord, rk_lit("abc")), -1);
	ck_assert_int_eq(core_coord_find(coord, rk_lit("abc"), &s), RK_NOT_COORDINATOR); /* as Kafka answers */
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("core_coord");
	TCase *c = tcase_create("core_coord");
	tcase_add_checked_fixture(c, begin, over);
	tcase_add_test(c, a_name_has_the_place_that_Java_gives_it);
	tcase_add_test(c, what_is_written_is_seen_at_once_and_answered_when_it_is_stable);
	tcase_add_test(c, a_read_waits_for_what_it_has_read);
	tcase_add_test(c, everything_is_there_again_after_a_restart);
	tcase_add_test(c, a_restarted_leader_waits_for_what_the_others_may_not_have);
	tcase_add_test(c, a_lost_partition_ends_its_shard);
	tcase_add_test(c, whoever_waits_hears_that_leadership_went);
	tcase_add_test(c, a_timer_that_comes_between_loss_and_burial_writes_nothing);
	tcase_add_test(c, a_disk_that_fails_is_no_coordinator);
	tcase_add_test(c, without_its_topic_there_is_no_coordinator);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
