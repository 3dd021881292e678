/* t_meta_apply.c - claims about records from the log becoming the image. */
#include "tests/t_meta.h"
#include "protocol/batch.h"
#include "protocol/desc.h"
#include "base/say.h"
#include <time.h>

static struct kp_build build;
static int64_t next;
static struct rk_arena scratch;

static void
start(void)
{
	t_start();
	rk_arena_init(&scratch, 64u << 20);
	next = 0;
	kp_build_start(&build, &t_arena, next, 0, 1000);
}

static void
stop(void)
{
	rk_arena_free(&scratch);
	t_stop();
}

static void
say(int16_t type, int16_t version, const void *record)
{
	kp_build_add(&build, 1000, RK_STR_NULL, meta_frame(type, version, record, &scratch, &t_arena));
	next++;
}

static struct rk_str
batch(void)
{
	return kp_build_end(&build, 3, -1, -1, -1);
}

static enum rk_err
apply(meta_heard *heard, void *arg)
{
	struct rk_str b = batch();
	enum rk_err err = meta_apply(t_image, (const uint8_t *)b.at, (uint32_t)b.len, heard, arg);

	kp_build_start(&build, &t_arena, next, 0, 1000);
	return err;
}

static const struct rk_uuid id = { { 1, 2, 3 } };

static void
topic(const char *name, struct rk_uuid topic_id)
{
	struct kp_topic_record r = { rk_str_of(name), topic_id };

	say(KP_TOPIC_RECORD, 0, &r);
}

static void
partition(int32_t i, int32_t *replica, int32_t n)
{
	struct kp_partition_record r;

	kp_defaults(&kp_partition_record_d, &r);
	r.partition_id = i;
	r.topic_id = id;
	r.replicas.at = r.isr.at = replica;
	r.replicas.len = r.isr.len = n;
	r.leader = replica[0];
	r.leader_epoch = r.partition_epoch = 0;
	say(KP_PARTITION_RECORD, 0, &r);
}

static struct kp_partition_record
got(int32_t i)
{
	struct kp_partition_record r;
	struct meta_view v;

	meta_view_begin(t_image, &v);
	ck_assert(meta_partition(&v, id, i, &t_arena, &r));
	if (r.isr.len > 0) { /* lives in the view's pages otherwise */
		int32_t *copy = rk_arena_get(&t_arena, (size_t)r.isr.len, sizeof *copy);
		memcpy(copy, r.isr.at, (size_t)r.isr.len * sizeof *copy);
		r.isr.at = copy;
	}
	meta_view_end(&v);
	return r;
}

START_TEST(changes_are_folded_in)
{
	int32_t replica[] = { 1, 2, 3 }, isr[] = { 2, 3 };
	struct kp_partition_change_record c;

	topic("t", id);
	partition(0, replica, 3);
	kp_defaults(&kp_partition_change_record_d, &c);
	c.topic_id = id;
	c.partition_id = 0;
	c.isr.at = isr;
	c.isr.len = 2;
	say(KP_PARTITION_CHANGE_RECORD, 0, &c);
	ck_assert_int_eq(apply(NULL, NULL), RK_OK);
	ck_assert_int_eq(got(0).leader, 1);
	ck_assert_int_eq(got(0).leader_epoch, 0); /* no leader in the change: no new epoch */
	ck_assert_int_eq(got(0).partition_epoch, 1);
	ck_assert_int_eq(got(0).isr.len, 2);
	c.isr.len = -1;
	c.leader = 2;
	say(KP_PARTITION_CHANGE_RECORD, 0, &c);
	say(KP_PARTITION_CHANGE_RECORD, 0, &c);
	ck_assert_int_eq(apply(NULL, NULL), RK_OK);
	ck_assert_int_eq(got(0).leader, 2);
	ck_assert_int_eq(got(0).leader_epoch, 2); /* the same leader said again is a new epoch too */
	ck_assert_int_eq(got(0).isr.len, 2);
}
END_TEST

START_TEST(new_replicas_have_no_directory_yet)
{
	int32_t replica[] = { 1, 2 }, more[] = { 3, 2 };
	struct rk_uuid dir[] = { { { 11 } }, { { 22 } } };
	struct kp_partition_change_record c;
	struct kp_partition_record r;

	topic("t", id);
	kp_defaults(&kp_partition_record_d, &r);
	r.partition_id = 0;
	r.topic_id = id;
	r.replicas.at = r.isr.at = replica;
	r.replicas.len = r.isr.len = 2;
	r.directories.at = dir;
	r.directories.len = 2;
	r.leader = 1;
	say(KP_PARTITION_RECORD, 1, &r);
	kp_defaults(&kp_partition_change_record_d, &c);
	c.topic_id = id;
	c.partition_id = 0;
	c.replicas.at = more;
	c.replicas.len = 2;
	say(KP_PARTITION_CHANGE_RECORD, 0, &c);
	ck_assert_int_eq(apply(NULL, NULL), RK_OK);
	r = got(0);
	ck_assert_int_eq(r.directories.len, 2);
	ck_assert_int_eq(r.directories.at[0].id[15], 1);
	ck_assert_int_eq(r.directories.at[1].id[0], 22);
}
END_TEST

static uint64_t
topics(void)
{
	struct meta_view v;

	meta_view_begin(t_image, &v);
	uint64_t n = meta_topics_count(&v);
	meta_view_end(&v);
	return n;
}

START_TEST(a_metadata_transaction_waits_for_its_end)
{
	struct kp_begin_transaction_record b = { rk_lit("x") };
	struct kp_end_transaction_record e = { 0 };
	struct kp_abort_transaction_record a = { RK_STR_NULL };

	say(KP_BEGIN_TRANSACTION_RECORD, 0, &b);
	topic("t", id);
	ck_assert_int_eq(apply(NULL, NULL), RK_OK);
	ck_assert_uint_eq(topics(), 0);
	topic("u", (struct rk_uuid){ { 7 } });
	say(KP_END_TRANSACTION_RECORD, 0, &e);
	ck_assert_int_eq(apply(NULL, NULL), RK_OK);
	ck_assert_uint_eq(topics(), 2);
	say(KP_BEGIN_TRANSACTION_RECORD, 0, &b);
	topic("v", (struct rk_uuid){ { 8 } });
	say(KP_ABORT_TRANSACTION_RECORD, 0, &a);
	topic("w", (struct rk_uuid){ { 9 } });
	ck_assert_int_eq(apply(NULL, NULL), RK_OK);
	ck_assert_uint_eq(topics(), 3);
	say(KP_END_TRANSACTION_RECORD, 0, &e);
	ck_assert_int_eq(apply(NULL, NULL), RK_CORRUPT_MESSAGE);
}
END_TEST

START_TEST(a_bad_record_leaves_the_image_as_it_was)
{
	struct kp_remove_topic_record r = { { { 99 } } };
	struct meta_view v;

	topic("t", id);
	say(KP_REMOVE_TOPIC_RECORD, 0, &r);
	ck_assert_int_eq(apply(NULL, NULL), RK_CORRUPT_MESSAGE);
	ck_assert_uint_eq(topics(), 0);
	meta_view_begin(t_image, &v);
	ck_assert_int_eq(meta_applied(&v, NULL), 0);
	meta_view_end(&v);
}
END_TEST

/* Every cut and every flipped byte of a batch: an error or (a flip in the head's epoch) the same records. */
START_TEST(no_bytes_crash_it)
{
	int32_t replica[] = { 1, 2, 3 };

	topic("t", id);
	partition(0, replica, 3);
	struct rk_str b = batch();
	uint8_t *copy = rk_arena_raw(&t_arena, (size_t)b.len);
	rk_say_to(NULL, NULL, RK_FATAL);
	for (int32_t n = 1; n < b.len; n++)
		ck_assert_int_ne(meta_apply(t_image, (const uint8_t *)b.at, (uint32_t)n, NULL, NULL), RK_OK);
	for (int32_t i = KP_BATCH_HEAD; i < b.len; i++)
		for (uint32_t bit = 0; bit < 8; bit++) {
			memcpy(copy, b.at, (size_t)b.len);
			copy[i] ^= (uint8_t)(1u << bit);
			kp_batch_seal(copy, (size_t)b.len); /* past the CRC: what a faulty writer could send */
			enum rk_err err = meta_apply(t_image, copy, (uint32_t)b.len, NULL, NULL);
			if (err == RK_OK) {
				meta_free(t_image);
				bool fresh;
				ck_assert_int_eq(meta_open(t_dir, &t_image, &fresh), RK_OK);
				ck_assert(fresh);
			}
		}
}
END_TEST

static void
count(void *arg, int16_t type, int16_t version, const void *record, int64_t offset)
{
	(void)version;
	(void)record;
	ck_assert(type == KP_TOPIC_RECORD || type == KP_PARTITION_RECORD);
	ck_assert_int_eq(offset, (*(int64_t *)arg)++);
}

START_TEST(ten_thousand_partitions_are_applied_at_once)
{
	int32_t replica[] = { 1, 2, 3 };
	int64_t heard = 0;
	struct timespec a, b;
	struct meta_view v;

	topic("t", id);
	for (int32_t i = 0; i < 10000; i++)
		partition(i, replica, 3);
	clock_gettime(CLOCK_MONOTONIC, &a);
	ck_assert_int_eq(apply(count, &heard), RK_OK);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ck_assert_int_eq(heard, 10001);
	printf("10,000 partitions of 3 replicas applied in %.1f ms\n",
	    (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6);
	meta_view_begin(t_image, &v);
	int32_t epoch;
	ck_assert_int_eq(meta_applied(&v, &epoch), 10001);
	ck_assert_int_eq(epoch, 3);
	ck_assert_uint_eq(meta_partitions_count(&v), 10000);
	meta_view_end(&v);
}
END_TEST

START_TEST(long_names_have_rows_too)
{
	char name[600];
	struct rk_str v;
	struct meta_view view;

	memset(name, 'g', sizeof name);
	for (int i = 0; i < 2; i++) {
		name[599] = (char)('a' + i); /* they differ where the key is cut */
		struct kp_config_record c = { 32, { name, 600 }, rk_lit("k"), i == 0 ? rk_lit("0") : rk_lit("1") };
		say(KP_CONFIG_RECORD, 0, &c);
	}
	ck_assert_int_eq(apply(NULL, NULL), RK_OK);
	meta_view_begin(t_image, &view);
	ck_assert(meta_config(&view, 32, (struct rk_str){ name, 600 }, rk_lit("k"), &v));
	ck_assert(rk_str_is(v, "1"));
	name[599] = 'a';
	ck_assert(meta_config(&view, 32, (struct rk_str){ name, 600 }, rk_lit("k"), &v));
	ck_assert(rk_str_is(v, "0"));
	meta_view_end(&view);
}
END_TEST

START_TEST(every_record_kept_for_later_has_a_row)
{
	struct kp_access_control_entry_record acl = { .id = id, .resource_name = rk_lit("t"), .principal = rk_lit("User:a"),
		.host = rk_lit("*") };
	struct kp_remove_access_control_entry_record no_acl = { id };
	struct kp_client_quota_record_entity e[] = { { rk_lit("user"), rk_lit("a") }, { rk_lit("client-id"), RK_STR_NULL } };
	struct kp_client_quota_record quota = { .key = rk_lit("producer_byte_rate"), .value = 1.5 };
	struct meta_view v;

	quota.entity.at = e;
	quota.entity.len = 2;
	say(KP_ACCESS_CONTROL_ENTRY_RECORD, 0, &acl);
	say(KP_CLIENT_QUOTA_RECORD, 0, &quota);
	ck_assert_int_eq(apply(NULL, NULL), RK_OK);
	meta_view_begin(t_image, &v);
	ck_assert_uint_eq(st_count(v.txn, META_ACL), 1);
	ck_assert_uint_eq(st_count(v.txn, META_QUOTA), 1);
	meta_view_end(&v);
	struct kp_client_quota_record_entity turned[] = { e[1], e[0] };
	quota.entity.at = turned; /* an entity is a set: the order does not count */
	quota.remove = true;
	say(KP_CLIENT_QUOTA_RECORD, 0, &quota);
	say(KP_REMOVE_ACCESS_CONTROL_ENTRY_RECORD, 0, &no_acl);
	ck_assert_int_eq(apply(NULL, NULL), RK_OK);
	meta_view_begin(t_image, &v);
	ck_assert_uint_eq(st_count(v.txn, META_ACL), 0);
	ck_assert_uint_eq(st_count(v.txn, META_QUOTA), 0);
	meta_view_end(&v);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("meta_apply");
	TCase *c = tcase_create("meta_apply");
	tcase_add_checked_fixture(c, start, stop);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, changes_are_folded_in);
	tcase_add_test(c, new_replicas_have_no_directory_yet);
	tcase_add_test(c, a_metadata_transaction_waits_for_its_end);
	tcase_add_test(c, a_bad_record_leaves_the_image_as_it_was);
	tcase_add_test(c, no_bytes_crash_it);
	tcase_add_test(c, ten_thousand_partitions_are_applied_at_once);
	tcase_add_test(c, long_names_have_rows_too);
	tcase_add_test(c, every_record_kept_for_later_has_a_row);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad != 0;
}
