/* t_api_asks.c - claims about the questions clients ask: Metadata, ListOffsets,
 * DescribeTopicPartitions and others. */
#include "protocol/gen/delete_records.h"
#include "protocol/gen/describe_cluster.h"
#include "protocol/gen/describe_log_dirs.h"
#include "protocol/gen/describe_topic_partitions.h"
#include "protocol/gen/incremental_alter_configs.h"
#include "protocol/gen/init_producer_id.h"
#include "protocol/gen/list_offsets.h"
#include "protocol/gen/metadata.h"
#include "protocol/gen/offset_fetch.h"
#include "protocol/gen/offset_for_leader_epoch.h"
#include "src/api/cluster.h"
#include "src/api/handlers.h"
#include "tests/core_help.h"

static struct api_shared shared;
static struct api_call call;
static uint32_t wished;
static enum rk_err id_err;

static void
wish(struct api_shared *s, struct rk_str topic)
{
	(void)s;
	ck_assert(rk_str_is(topic, "new"));
	wished++;
}

static enum rk_err
next_id(struct api_shared *s, int64_t *id)
{
	(void)s;
	*id = 1234;
	return id_err;
}

static void
ask(int16_t version)
{
	rk_arena_reset(&call.arena);
	call.head.version = version;
	call.now_ms = b.w.now_ms;
	call.wall_ms = b.w.wall_ms;
}

static void
begin(void)
{
	broker_begin();
	t_broker(1, "rack");
	topic_is("a", 1, 2);
	topic_is("b", 2, 5);
	shared = (struct api_shared){.env = &b.w.env,
	    .conf = t_conf,
	    .core = b.core,
	    .timers = &b.timers,
	    .node_id = 1,
	    .cluster_id = "cluster",
	    .auto_create = wish,
	    .producer_id = next_id};
	call = (struct api_call){.shared = &shared, .listener = "PLAINTEXT"};
	rk_arena_init(&call.arena, 64 << 20);
	meta_view_begin(t_image, &call.view);
	wished = 0;
	id_err = RK_OK;
}

static void
end(void)
{
	meta_view_end(&call.view);
	rk_arena_free(&call.arena);
	broker_end();
}

static struct kp_metadata_req mq;
static struct kp_metadata_res mr;
static struct kp_metadata_req_topics mt[4];

static void
metadata(int16_t version, int32_t topics)
{
	ask(version);
	mq.topics.at = mt;
	mq.topics.len = topics;
	kp_defaults(&kp_metadata_res_d, &mr);
	ck_assert_int_eq(api_metadata(&call, &mq, &mr), API_NOW);
}

START_TEST(metadata_names_what_was_asked_for_once)
{
	memset(&mq, 0, sizeof mq);
	for (int i = 0; i < 3; i++)
		mt[i] = (struct kp_metadata_req_topics){.name = i == 1 ? rk_lit("b") : rk_lit("a")};
	metadata(9, 3);
	ck_assert_int_eq(mr.topics.len, 2);
	ck_assert_int_eq(mr.topics.at[0].partitions.len, 2);
	ck_assert_int_eq(mr.topics.at[1].partitions.len, 5);
	ck_assert_int_eq(mr.topics.at[0].topic_authorized_operations, INT32_MIN);
	ck_assert_str_eq(mr.cluster_id.at, "cluster");
	metadata(9, -1);
	ck_assert_int_eq(mr.topics.len, 2);
	metadata(9, 0);
	ck_assert_int_eq(mr.topics.len, 0);
	metadata(0, 0); /* there an empty list means all */
	ck_assert_int_eq(mr.topics.len, 2);
	mq.include_topic_authorized_operations = mq.include_cluster_authorized_operations = true;
	metadata(9, 1);
	ck_assert_int_eq(mr.topics.at[0].topic_authorized_operations, 3576);
	ck_assert_int_eq(mr.cluster_authorized_operations, 8096);
}
END_TEST

START_TEST(an_unknown_topic_is_made_when_that_is_allowed)
{
	memset(&mq, 0, sizeof mq);
	mt[0] = (struct kp_metadata_req_topics){.name = rk_lit("new")};
	metadata(9, 1);
	ck_assert_uint_eq(wished, 0);
	ck_assert_int_eq(mr.topics.at[0].error_code, rk_err_wire(RK_UNKNOWN_TOPIC_OR_PARTITION));
	mq.allow_auto_topic_creation = true;
	metadata(9, 1);
	ck_assert_uint_eq(wished, 1);
	mt[0].name = rk_lit("bad name");
	metadata(9, 1);
	ck_assert_uint_eq(wished, 1);
	ck_assert_int_eq(mr.topics.at[0].error_code, rk_err_wire(RK_INVALID_TOPIC_EXCEPTION));
}
END_TEST

START_TEST(ids_are_for_version_12_and_later)
{
	memset(&mq, 0, sizeof mq);
	mt[0] = (struct kp_metadata_req_topics){.name = RK_STR_NULL};
	memset(mt[0].topic_id.id, 1, 16);
	metadata(12, 1);
	ck_assert_str_eq(mr.topics.at[0].name.at, "a");
	metadata(10, 1);
	ck_assert_int_eq(mr.topics.at[0].error_code, rk_err_wire(RK_INVALID_REQUEST));
	ck_assert_int_eq(mr.brokers.len, 0);
	memset(mt[0].topic_id.id, 7, 16);
	metadata(13, 1);
	ck_assert_int_eq(mr.topics.at[0].error_code, rk_err_wire(RK_UNKNOWN_TOPIC_ID));
	memset(mt[0].topic_id.id, 0, 16);
	metadata(13, 1);
	ck_assert_int_eq(mr.error_code, rk_err_wire(RK_UNKNOWN_SERVER_ERROR));
}
END_TEST

static struct kp_list_offsets_res lr;

static const struct kp_list_offsets_res_topics_partitions *
listed(int16_t version, int64_t timestamp)
{
	static struct kp_list_offsets_req_topics_partitions p;
	static struct kp_list_offsets_req_topics t;
	struct kp_list_offsets_req q = {.replica_id = -1, .topics = {&t, 1}};

	p = (struct kp_list_offsets_req_topics_partitions){
	    .current_leader_epoch = -1, .timestamp = timestamp};
	t = (struct kp_list_offsets_req_topics){.name = rk_lit("a"), .partitions = {&p, 1}};
	ask(version);
	kp_defaults(&kp_list_offsets_res_d, &lr);
	ck_assert_int_eq(api_list_offsets(&call, &q, &lr), API_NOW);
	ck_assert_int_eq(lr.topics.len, 1);
	ck_assert_int_eq(lr.topics.at[0].partitions.len, 1);
	return &lr.topics.at[0].partitions.at[0];
}

START_TEST(offsets_are_found_by_time_and_by_landmark)
{
	ck_assert_int_eq(listed(11, -1)->offset, 0);
	ck_assert_int_eq(listed(11, -1)->leader_epoch, 0);
	ck_assert_int_eq(listed(11, -2)->offset, 0);
	ck_assert_int_eq(listed(11, 0)->offset, -1);
	put(part("a", 0), batch_of(3, b.w.wall_ms));
	put(part("a", 0), batch_of(3, b.w.wall_ms + 1000));
	ck_assert_int_eq(listed(11, -1)->offset, 0); /* not stable yet */
	settle();
	ck_assert_int_eq(listed(11, -1)->offset, 6);
	ck_assert_int_eq(listed(11, b.w.wall_ms + 500)->offset, 3);
	ck_assert_int_eq(listed(11, b.w.wall_ms + 500)->timestamp, b.w.wall_ms + 1000);
	ck_assert_int_eq(listed(11, b.w.wall_ms + 5000)->offset, -1);
	ck_assert_int_eq(listed(11, -3)->offset, 5);
	ck_assert_int_eq(listed(11, -4)->offset, 0);
	ck_assert_int_eq(listed(11, -5)->offset, -1);
	ck_assert_int_eq(listed(11, -6)->error_code, 0);
}
END_TEST

START_TEST(a_landmark_needs_its_version)
{
	static const struct {
		int64_t timestamp;
		int16_t since;
	} all[] = {{-1, 1}, {-2, 1}, {-3, 7}, {-4, 8}, {-5, 9}, {-6, 11}, {-7, 99}, {0, 1}};

	for (size_t i = 0; i < rk_countof(all); i++)
		for (int16_t v = 1; v <= 11; v++)
			ck_assert_int_eq(listed(v, all[i].timestamp)->error_code,
			    v < all[i].since ? rk_err_wire(RK_UNSUPPORTED_VERSION) : 0);
}
END_TEST

START_TEST(topics_are_described_page_by_page)
{
	struct kp_describe_topic_partitions_req_cursor at = {.topic_name = rk_lit("")};
	struct kp_describe_topic_partitions_req q = {.response_partition_limit = 3};
	struct kp_describe_topic_partitions_res r;
	int32_t seen = 0, pages = 0;
	char name[8];

	do {
		rk_arena_init(&call.arena, 64 << 20); /* the cursor is in the last page's */
		kp_defaults(&kp_describe_topic_partitions_res_d, &r);
		ck_assert_int_eq(api_describe_topic_partitions(&call, &q, &r), API_NOW);
		int32_t page = 0;
		for (int32_t i = 0; i < r.topics.len; i++)
			page += r.topics.at[i].partitions.len;
		ck_assert_int_le(page, 3);
		seen += page;
		pages++;
		if (r.next_cursor != NULL) {
			at.topic_name =
			    rk_str_of(rk_str_copy(name, sizeof name, r.next_cursor->topic_name));
			at.partition_index = r.next_cursor->partition_index;
		}
		rk_arena_free(&call.arena);
		q.cursor = &at;
	} while (r.next_cursor != NULL && pages < 10);
	ck_assert_int_eq(seen, 7);
	ck_assert_int_eq(pages, 3);
}
END_TEST

START_TEST(a_replica_in_no_directory_of_its_brokers_is_offline)
{
	struct kp_describe_topic_partitions_req q = {.response_partition_limit = 1};
	struct kp_describe_topic_partitions_res r;
	struct kp_partition_change_record change;
	struct kp_register_broker_record_end_points end = {
	    .name = rk_lit("PLAINTEXT"), .host = rk_lit("h"), .port = 9092};
	struct kp_register_broker_record broker;
	struct meta_topic t;

	for (uint8_t last = 0; last < 4; last++) { /* not known, not assigned yet, lost, another's */
		struct rk_uuid dir = {{last == 3, [15] = last}};
		meta_view_end(&call.view);
		t_begin();
		ck_assert(meta_topic_named(&t_plan.view, rk_lit("a"), &t));
		ck_assert(meta_broker(&t_plan.view, 1, &t_arena, &broker));
		broker.end_points.at = &end;
		broker.end_points.len = 1;
		meta_plan_add(&t_plan, KP_REGISTER_BROKER_RECORD, &broker);
		kp_defaults(&kp_partition_change_record_d, &change);
		change.topic_id = t.id;
		change.partition_id = 0;
		change.directories.at = &dir;
		change.directories.len = 1;
		meta_plan_add(&t_plan, KP_PARTITION_CHANGE_RECORD, &change);
		t_commit();
		meta_view_begin(t_image, &call.view);
		ask(0);
		kp_defaults(&kp_describe_topic_partitions_res_d, &r);
		ck_assert_int_eq(api_describe_topic_partitions(&call, &q, &r), API_NOW);
		ck_assert_int_eq(r.topics.at[0].partitions.at[0].offline_replicas.len, last >= 2);
	}
}
END_TEST

START_TEST(a_cluster_tells_its_brokers_and_no_controllers)
{
	struct kp_describe_cluster_req q = {.endpoint_type = 1};
	struct kp_describe_cluster_res r;

	ask(2);
	kp_defaults(&kp_describe_cluster_res_d, &r);
	ck_assert_int_eq(api_describe_cluster(&call, &q, &r), API_NOW);
	ck_assert_int_eq(r.error_code, 0);
	q.endpoint_type = 2;
	api_describe_cluster(&call, &q, &r);
	ck_assert_int_eq(r.error_code, rk_err_wire(RK_MISMATCHED_ENDPOINT_TYPE));
	q.endpoint_type = 3;
	api_describe_cluster(&call, &q, &r);
	ck_assert_int_eq(r.error_code, rk_err_wire(RK_UNSUPPORTED_ENDPOINT_TYPE));
}
END_TEST

START_TEST(a_directory_lists_partitions_without_a_folder_too)
{
	struct kp_describe_log_dirs_req q = {.topics = {NULL, -1}};
	struct kp_describe_log_dirs_res r;

	put(part("a", 1), batch_of(3, b.w.wall_ms));
	ask(4);
	kp_defaults(&kp_describe_log_dirs_res_d, &r);
	ck_assert_int_eq(api_describe_log_dirs(&call, &q, &r), API_NOW);
	ck_assert_int_eq(r.results.len, 1);
	ck_assert_int_eq(r.results.at[0].topics.len, 2);
	int64_t bytes = 0;
	int32_t parts = 0;
	for (int32_t i = 0; i < 2; i++)
		for (int32_t k = 0; k < r.results.at[0].topics.at[i].partitions.len; k++, parts++)
			bytes += r.results.at[0].topics.at[i].partitions.at[k].partition_size;
	ck_assert_int_eq(parts, 7);
	ck_assert_int_gt(bytes, KP_BATCH_HEAD);
	ck_assert_int_ge(r.results.at[0].total_bytes, r.results.at[0].usable_bytes);
}
END_TEST

START_TEST(producer_ids_come_from_the_node)
{
	struct kp_init_producer_id_req q = {
	    .transactional_id = RK_STR_NULL, .producer_id = -1, .producer_epoch = -1};
	struct kp_init_producer_id_res r;

	ask(4);
	kp_defaults(&kp_init_producer_id_res_d, &r);
	api_init_producer_id(&call, &q, &r);
	ck_assert_int_eq(r.producer_id, 1234);
	ck_assert_int_eq(r.producer_epoch, 0);
	id_err = RK_COORDINATOR_LOAD_IN_PROGRESS;
	api_init_producer_id(&call, &q, &r);
	ck_assert_int_eq(r.error_code, rk_err_wire(RK_COORDINATOR_LOAD_IN_PROGRESS));
	ck_assert_int_eq(r.producer_id, -1);
	q.producer_id = 5;
	api_init_producer_id(&call, &q, &r);
	ck_assert_int_eq(r.error_code, rk_err_wire(RK_INVALID_REQUEST));
}
END_TEST

START_TEST(rows_stand_in_the_order_of_their_keys)
{
	for (uint32_t i = 0; i < api_rows_count; i++) {
		ck_assert_ptr_eq(api_row(api_rows[i].key), &api_rows[i]);
		ck_assert(i == 0 || api_rows[i].key > api_rows[i - 1].key);
		ck_assert_ptr_nonnull(kp_api(api_rows[i].key));
		ck_assert_int_ge(api_rows[i].min, kp_api(api_rows[i].key)->min);
		ck_assert_int_le(api_rows[i].max, kp_api(api_rows[i].key)->max);
	}
	ck_assert_ptr_null(api_row(999));
}
END_TEST

START_TEST(a_name_is_seen_once)
{
	struct api_names n = {0};
	char name[16];

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 1000; i++) {
			snprintf(name, sizeof name, "n%d", i);
			ck_assert_int_eq(
			    api_seen(&call, &n, rk_arena_str(&call.arena, rk_str_of(name))), round);
		}
}
END_TEST

/* Before such a request is forwarded: the controller would change any broker's configs. */
START_TEST(configs_of_another_broker_go_no_further)
{
	struct kp_incremental_alter_configs_req_resources r[2] = {
	    {.resource_type = 2, .resource_name = rk_lit("a")},
	    {.resource_type = 4, .resource_name = rk_lit("7")}};
	struct kp_incremental_alter_configs_req q = {.resources = {.at = r, .len = 2}};
	struct kp_incremental_alter_configs_res a = {0};

	ask(1);
	call.head.key = KP_INCREMENTAL_ALTER_CONFIGS;
	call.req = &q;
	call.res = &a;
	ck_assert(api_strays(&call));
	ck_assert_int_eq(a.responses.len, 2);
	ck_assert_int_eq(a.responses.at[1].error_code, rk_err_wire(RK_INVALID_REQUEST));
	ck_assert(rk_str_is(a.responses.at[1].error_message, "Unexpected broker id, expected 1, but received 7"));
	r[1].resource_name = rk_lit("1");
	ck_assert(!api_strays(&call));
	r[1].resource_name = rk_lit(""); /* the default of all brokers */
	ck_assert(!api_strays(&call));
}
END_TEST

/* There is no other place for it there: without it a client would believe that nothing was ever committed. */
START_TEST(before_version_2_each_offset_carries_its_groups_error)
{
	struct kp_offset_fetch_req_topics t[1] = {
	    {.name = rk_lit("a"), .partition_indexes = {.at = (int32_t[]){4, 1}, .len = 2}}};
	struct kp_offset_fetch_req q;
	struct kp_offset_fetch_res a;

	for (int16_t version = 1; version < 8; version++) {
		ask(version);
		call.peer = "127.0.0.1:5";
		kp_defaults(&kp_offset_fetch_req_d, &q);
		kp_defaults(&kp_offset_fetch_res_d, &a);
		q.group_id = rk_lit("g");
		q.topics.at = t;
		q.topics.len = 1;
		ck_assert_int_eq(api_offset_fetch(&call, &q, &a), API_NOW); /* no coordinator here */
		ck_assert_int_eq(a.topics.len, version < 2);
		if (version >= 2) {
			ck_assert_int_eq(a.error_code, rk_err_wire(RK_COORDINATOR_NOT_AVAILABLE));
			continue;
		}
		ck_assert(rk_str_is(a.topics.at[0].name, "a"));
		ck_assert_int_eq(a.topics.at[0].partitions.len, 2);
		ck_assert_int_eq(a.topics.at[0].partitions.at[0].partition_index, 4);
		ck_assert_int_eq(a.topics.at[0].partitions.at[1].committed_offset, -1);
		ck_assert_int_eq(a.topics.at[0].partitions.at[1].metadata.len, 0);
		ck_assert_int_eq(a.topics.at[0].partitions.at[1].error_code, rk_err_wire(RK_COORDINATOR_NOT_AVAILABLE));
	}
}
END_TEST

int
main(void)
{
	const TTest *const all[] = {metadata_names_what_was_asked_for_once,
	    configs_of_another_broker_go_no_further,
	    an_unknown_topic_is_made_when_that_is_allowed, ids_are_for_version_12_and_later,
	    offsets_are_found_by_time_and_by_landmark, a_landmark_needs_its_version,
	    topics_are_described_page_by_page, a_replica_in_no_directory_of_its_brokers_is_offline,
	    a_cluster_tells_its_brokers_and_no_controllers,
	    a_directory_lists_partitions_without_a_folder_too, producer_ids_come_from_the_node,
	    rows_stand_in_the_order_of_their_keys, a_name_is_seen_once,
	    before_version_2_each_offset_carries_its_groups_error};

	return broker_claims("api_asks", all, rk_countof(all), begin, end);
}
