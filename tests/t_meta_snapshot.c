/* t_meta_snapshot.c - claims about checkpoint files: they hold the whole image, and are Kafka's byte for byte. */
#include "tests/t_meta.h"
#include "protocol/batch.h"
#include "protocol/gen/allocate_producer_ids.h"
#include "protocol/gen/control_records.h"
#include "protocol/gen/create_topics.h"
#include "protocol/gen/incremental_alter_configs.h"

static char path[128];

static struct rk_str
slurp(void)
{
	static char bytes[1 << 20];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, bytes, sizeof bytes);

	ck_assert_int_gt(n, 0);
	close(fd);
	return (struct rk_str){ bytes, (int32_t)n };
}

static void
start(void)
{
	t_start();
	snprintf(path, sizeof path, "%s/x.checkpoint", t_dir);
}

static void
make_things(void)
{
	struct kp_create_topics_req q = { 0 };
	struct kp_create_topics_req_topics t[2];
	struct kp_create_topics_req_topics_configs c = { rk_lit("retention.ms"), rk_lit("1000") };
	struct kp_create_topics_res r = { 0 };
	struct kp_allocate_producer_ids_req ids = { .broker_id = 1 };
	struct kp_allocate_producer_ids_res got = { 0 };
	struct kp_register_broker_record b;

	t_bootstrap();
	t_broker(1, "rack");
	t_begin();
	memset(t, 0, sizeof t);
	for (int i = 0; i < 2; i++) {
		t[i].name = i == 0 ? rk_lit("a.b") : rk_lit("c");
		t[i].num_partitions = 300 * (i + 1);
		t[i].replication_factor = 1;
	}
	t[0].configs.at = &c;
	t[0].configs.len = 1;
	q.timeout_ms = 1000;
	q.topics.at = t;
	q.topics.len = 2;
	meta_create_topics(&t_plan, 7, &q, &r);
	ck_assert(meta_broker(&t_plan.view, 1, &t_arena, &b));
	ids.broker_epoch = b.broker_epoch;
	meta_allocate_producer_ids(&t_plan, &ids, &got);
	ck_assert_int_eq(got.producer_id_start, 0);
	ck_assert_int_eq(got.producer_id_len, 1000);
	t_commit();
}

/* All rows of all tables but NODE (whose offsets may differ) hashed. */
static uint64_t
digest(void)
{
	struct st_cursor c;
	struct meta_view v;
	uint64_t h = 1;

	meta_view_begin(t_image, &v);
	for (uint32_t t = META_NAME; t < META_TABLES; t++) {
		for (bool more = st_cursor_begin(&c, v.txn, t, rk_lit(""), rk_lit("")); more; more = st_cursor_next(&c)) {
			uint32_t skip = t == META_BROKER ? 8 : 0; /* the offset of its record */
			h = rk_hash(c.key.at, (size_t)c.key.len, h + t);
			h = rk_hash(c.value.at + skip, (size_t)c.value.len - skip, h);
		}
		st_cursor_end(&c);
	}
	meta_view_end(&v);
	return h;
}

START_TEST(a_snapshot_holds_the_whole_image)
{
	struct meta_view v;
	int32_t epoch;

	make_things();
	meta_view_begin(t_image, &v);
	int64_t applied = meta_applied(&v, &epoch);
	ck_assert_int_eq(meta_snapshot_write(&t_env, &v, path, 77, 0, RK_STR_NULL), RK_OK);
	meta_view_end(&v);
	uint64_t before = digest();
	struct rk_str s = slurp();
	meta_free(t_image);
	bool fresh;
	ck_assert_int_eq(meta_open(t_dir, &t_image, &fresh), RK_OK);
	ck_assert(fresh);
	ck_assert_int_eq(meta_snapshot_load(t_image, (const uint8_t *)s.at, (uint32_t)s.len, applied, epoch), RK_OK);
	ck_assert_uint_eq(digest(), before);
	meta_view_begin(t_image, &v);
	ck_assert_int_eq(meta_applied(&v, &epoch), applied);
	ck_assert_int_eq(epoch, 1);
	ck_assert_int_eq(meta_next_producer_id(&v), 1000);
	ck_assert_int_eq(meta_feature(&v, rk_lit("transaction.version")), 2);
	ck_assert_uint_eq(meta_partitions_count(&v), 900);
	meta_view_end(&v);
	/* Loading over what is there leaves exactly the snapshot. */
	ck_assert_int_eq(meta_snapshot_load(t_image, (const uint8_t *)s.at, (uint32_t)s.len, applied, epoch), RK_OK);
	ck_assert_uint_eq(digest(), before);
}
END_TEST

START_TEST(a_cut_snapshot_is_refused_and_changes_nothing)
{
	struct meta_view v;

	make_things();
	uint64_t before = digest();
	meta_view_begin(t_image, &v);
	ck_assert_int_eq(meta_snapshot_write(&t_env, &v, path, 77, 0, RK_STR_NULL), RK_OK);
	meta_view_end(&v);
	struct rk_str s = slurp();
	ck_assert_int_eq(meta_snapshot_load(t_image, (const uint8_t *)s.at, (uint32_t)s.len - 100, 9, 1), RK_CORRUPT_MESSAGE);
	ck_assert_uint_eq(digest(), before);
}
END_TEST

/* What Kafka 4.3.0's own formatter wrote, but for the times and CRCs, which are masked. */
static const char bootstrap[] =
    "0000000000000000000000470000000002........002000000000................................ffffffffffffffffff"
    "ffffffffff000000012a000000080000000316000000000000000000000000"
    "0000000000000001000000f10000000002........000000000005................................ffffffffffffffffff"
    "ffffffffff000000063a000000012e010c00116d657461646174612e76657273696f6e001e00005a000002014e010c0021656c69"
    "6769626c652e6c65616465722e7265706c696361732e76657273696f6e00010000340000040128010c000e67726f75702e766572"
    "73696f6e00010000340000060128010c000e73686172652e76657273696f6e0001000038000008012c010c001073747265616d73"
    "2e76657273696f6e000100004000000a0134010c00147472616e73616374696f6e2e76657273696f6e00020000"
    "00000000000000070000003f0000000002........002000000000................................ffffffffffffffffff"
    "ffffffffff000000011a00000008000000040600000000";

static void
equals(const char *want)
{
	struct rk_str s = slurp();
	size_t n = strlen(want) / 2;
	char hex[3];

	for (size_t i = 0; i < n && i < (size_t)s.len; i++) {
		snprintf(hex, sizeof hex, "%02x", (uint8_t)s.at[i]);
		if (want[2 * i] != '.')
			ck_assert_msg(memcmp(hex, want + 2 * i, 2) == 0, "byte %zu is %s, not %.2s", i, hex, want + 2 * i);
	}
	ck_assert_int_eq(s.len, (int)n);
}

START_TEST(bootstrap_is_kafkas_byte_for_byte)
{
	struct kp_feature_level_record f[] = { { rk_lit("metadata.version"), 30 },
		{ rk_lit("eligible.leader.replicas.version"), 1 }, { rk_lit("group.version"), 1 }, { rk_lit("share.version"), 1 },
		{ rk_lit("streams.version"), 1 }, { rk_lit("transaction.version"), 2 } };
	struct meta_seed seed[7] = { { 0, NULL } };

	for (uint32_t i = 0; i < 6; i++)
		seed[i] = (struct meta_seed){ KP_FEATURE_LEVEL_RECORD, &f[i] };
	ck_assert_int_eq(meta_write_bootstrap(&t_env, path, seed, 1234567890123), RK_OK);
	equals(bootstrap);
	/* And a new cluster begins with what it says, in one metadata transaction. */
	struct rk_str s = slurp();
	t_begin();
	ck_assert_int_eq(meta_bootstrap(&t_plan, (const uint8_t *)s.at, (uint32_t)s.len), RK_OK);
	ck_assert_uint_eq(t_plan.count, 9);
	t_commit();
	struct meta_view v;
	struct rk_str min;
	meta_view_begin(t_image, &v);
	ck_assert_int_eq(meta_feature(&v, rk_lit("metadata.version")), 30);
	ck_assert(meta_config(&v, META_OF_BROKER, rk_lit(""), rk_lit("min.insync.replicas"), &min));
	ck_assert(rk_str_is(min, "1"));
	meta_view_end(&v);
}
END_TEST

/* The 0-0 checkpoint of --initial-controllers with the two voters below. */
static const char first[] =
    "0000000000000000000000c70000000002........002000000002................................ffffffffffffffffff"
    "ffffffffff000000032a0000000800000003160000................00001e00000208000000050a000000010000dc01000004"
    "0800000006c601000003000000012445d8e9aab3418fb7d8fe534adcda16020b434f4e54524f4c4c45520a3132372e302e302e31"
    "53cc000000000100000000000232f0f1cd599c46c693cf7ddb52e454e8020b434f4e54524f4c4c45520368321f93000000000100"
    "000000"
    "00000000000000030000003f0000000002........002000000000................................ffffffffffffffffff"
    "ffffffffff000000011a00000008000000040600000000";

START_TEST(the_first_voters_are_kafkas_byte_for_byte)
{
	struct kp_voters_record_voters v[2];
	struct kp_voters_record_voters_endpoints e[2] = { { rk_lit("CONTROLLER"), rk_lit("127.0.0.1"), 21452 },
		{ rk_lit("CONTROLLER"), rk_lit("h2"), 8083 } };
	struct kp_voters_record all = { .version = 0 };

	memset(v, 0, sizeof v);
	for (int i = 0; i < 2; i++) {
		v[i].voter_id = i + 1;
		ck_assert(rk_uuid_parse(i == 0 ? rk_lit("JEXY6aqzQY-32P5TStzaFg") : rk_lit("MvDxzVmcRsaTz33bUuRU6A"),
		    &v[i].voter_directory_id));
		v[i].endpoints.at = &e[i];
		v[i].endpoints.len = 1;
		v[i].kraft_version_feature.max_supported_version = 1;
	}
	all.voters.at = v;
	all.voters.len = 2;
	ck_assert_int_eq(meta_write_voters(&t_env, path, 1, &all, 1234567890123), RK_OK);
	equals(first);
}
END_TEST

START_TEST(records_have_the_version_of_the_finalised_metadata_version)
{
	ck_assert_int_eq(meta_record_version(KP_PARTITION_RECORD, 7), 0);
	ck_assert_int_eq(meta_record_version(KP_PARTITION_RECORD, 17), 1);
	ck_assert_int_eq(meta_record_version(KP_PARTITION_RECORD, 30), 2);
	ck_assert_int_eq(meta_record_version(KP_REGISTER_BROKER_RECORD, 29), 3);
	ck_assert_int_eq(meta_record_version(KP_REGISTER_BROKER_RECORD, 30), 4);
	ck_assert_int_eq(meta_record_version(KP_TOPIC_RECORD, 30), 0);
	ck_assert_int_eq(meta_version_level(rk_lit("3.9")), 21);
	ck_assert_int_eq(meta_version_level(rk_lit("3.5")), 11);
	ck_assert_int_eq(meta_version_level(rk_lit("3.2")), 0);
	ck_assert_str_eq(meta_version_name(30), "4.3-IV0");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("meta_snapshot");
	TCase *c = tcase_create("meta_snapshot");
	tcase_add_checked_fixture(c, start, t_stop);
	tcase_add_test(c, a_snapshot_holds_the_whole_image);
	tcase_add_test(c, a_cut_snapshot_is_refused_and_changes_nothing);
	tcase_add_test(c, bootstrap_is_kafkas_byte_for_byte);
	tcase_add_test(c, the_first_voters_are_kafkas_byte_for_byte);
	tcase_add_test(c, records_have_the_version_of_the_finalised_metadata_version);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad != 0;
}
