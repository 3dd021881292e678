/* t_codec.c - what one reader and one writer promise for every message of every version. */
#include <check.h>
#include "tests/fill.h"
#include "protocol/gen/api_versions.h"
#include "protocol/gen/control_records.h"
#include "protocol/gen/delete_topics.h"
#include "protocol/gen/describe_configs.h"
#include "protocol/gen/fetch.h"
#include "protocol/gen/group_records.h"
#include "protocol/gen/metadata_records.h"
#include "protocol/gen/produce.h"

static struct rk_arena arena;

static void
start(void)
{
	rk_arena_init(&arena, 64 << 20);
}

static void
stop(void)
{
	rk_arena_free(&arena);
}

/* The message as bytes in one piece. */
static struct rk_str
bytes_of(const struct kp_desc *d, int16_t version, const void *msg)
{
	struct rk_out out;

	rk_out_init(&out, &arena);
	kp_write(d, version, msg, &out);
	ck_assert(!out.over);
	return rk_out_flat(&out, &arena);
}

static struct rk_str
text_of(const struct kp_desc *d, int16_t version, const void *msg)
{
	struct rk_out out;

	rk_out_init(&out, &arena);
	kp_print(d, version, msg, &out);
	return rk_out_flat(&out, &arena);
}

static void *
random_message(const struct kp_desc *d, int16_t version, uint64_t seed)
{
	struct fill f = { .seed = seed, .arena = &arena, .version = version, .wide = 3 };
	void *msg = rk_arena_get(&arena, 1, d->size);

	fill_message(&f, d, msg);
	return msg;
}

static struct rk_str
hex(const char *s)
{
	uint8_t *at = rk_arena_raw(&arena, strlen(s) / 2 + 1);
	int32_t n = 0;

	for (unsigned v; sscanf(s, " %2x", &v) == 1; n++) {
		at[n] = (uint8_t)v;
		s += strspn(s, " ") + 2;
	}
	return (struct rk_str){ (char *)at, n };
}

START_TEST(every_message_of_every_version_survives_the_wire)
{
	const struct kp_desc *d = kp_messages[_i];

	for (int16_t v = d->min; v <= d->max; v++)
		for (uint64_t seed = 0; seed < 20; seed++) {
			void *msg = random_message(d, v, seed * 31 + (uint64_t)v), *back = rk_arena_get(&arena, 1, d->size);
			struct rk_str b = bytes_of(d, v, msg);
			ck_assert_int_eq(kp_read(d, v, b.at, (size_t)b.len, &arena, back, NULL), RK_OK);
			struct rk_str again = bytes_of(d, v, back);
			ck_assert_msg(rk_str_eq(b, again), "%s v%d seed %d", d->name, v, (int)seed);
			ck_assert_str_eq(text_of(d, v, msg).at, text_of(d, v, back).at);
		}
}
END_TEST

START_TEST(every_truncation_of_every_message_is_refused)
{
	const struct kp_desc *d = kp_messages[_i];
	void *back = rk_arena_get(&arena, 1, d->size);

	for (int16_t v = d->min; v <= d->max; v++)
		for (uint64_t seed = 0; seed < 3; seed++) {
			struct rk_str b = bytes_of(d, v, random_message(d, v, seed));
			for (int32_t n = 0; n < b.len; n++)
				ck_assert_int_eq(kp_read(d, v, b.at, (size_t)n, &arena, back, NULL), RK_INVALID_REQUEST);
		}
}
END_TEST

START_TEST(defaults_read_back_as_defaults)
{
	const struct kp_desc *d = kp_messages[_i];

	for (int16_t v = d->min; v <= d->max; v++) {
		void *msg = rk_arena_get(&arena, 1, d->size), *back = rk_arena_get(&arena, 1, d->size);
		kp_defaults(d, msg);
		struct rk_str b = bytes_of(d, v, msg);
		ck_assert_int_eq(kp_read(d, v, b.at, (size_t)b.len, &arena, back, NULL), RK_OK);
		ck_assert_str_eq(text_of(d, v, msg).at, text_of(d, v, back).at);
	}
}
END_TEST

START_TEST(what_a_version_does_not_carry_reads_as_default)
{
	struct kp_fetch_req q, back;

	kp_defaults(&kp_fetch_req_d, &q);
	q.session_id = 7;
	struct rk_str b = bytes_of(&kp_fetch_req_d, 4, &q);
	ck_assert_int_eq(kp_read(&kp_fetch_req_d, 4, b.at, (size_t)b.len, &arena, &back, NULL), RK_OK);
	ck_assert_int_eq(back.session_id, 0);
	ck_assert_int_eq(back.session_epoch, -1);
	ck_assert_int_eq(back.cluster_id.len, -1);
	ck_assert_int_eq(back.replica_state.replica_id, -1);
}
END_TEST

START_TEST(a_huge_claimed_array_takes_no_memory)
{
	uint8_t frame[200] = { 0x7f, 0xff, 0xff, 0xff };
	struct kp_delete_topics_req q;

	ck_assert_int_eq(kp_read(&kp_delete_topics_req_d, 1, frame, sizeof frame, &arena, &q, NULL),
	    RK_INVALID_REQUEST);
	frame[0] = 0, frame[1] = 0, frame[2] = 0, frame[3] = 150; /* of which each takes two bytes */
	ck_assert_int_eq(kp_read(&kp_delete_topics_req_d, 1, frame, sizeof frame, &arena, &q, NULL),
	    RK_INVALID_REQUEST);
	ck_assert(arena.used == 0);
}
END_TEST

START_TEST(bytes_left_over_are_refused_unless_asked_for)
{
	struct kp_end_txn_marker m;
	struct rk_str b = hex("00000000 01");
	size_t used;

	ck_assert_int_eq(kp_read(&kp_end_txn_marker_d, 0, b.at, 5, &arena, &m, NULL), RK_INVALID_REQUEST);
	ck_assert_int_eq(kp_read(&kp_end_txn_marker_d, 0, b.at, 5, &arena, &m, &used), RK_OK);
	ck_assert_uint_eq(used, 4);
}
END_TEST

START_TEST(unknown_tags_are_skipped)
{
	struct kp_no_op_record r;
	struct rk_str b = hex("02 05 03 aabbcc 6f 00");

	ck_assert_int_eq(kp_read(&kp_no_op_record_d, 0, b.at, (size_t)b.len, &arena, &r, NULL), RK_OK);
	b = hex("01 05 04 aabbcc");
	ck_assert_int_eq(kp_read(&kp_no_op_record_d, 0, b.at, (size_t)b.len, &arena, &r, NULL), RK_INVALID_REQUEST);
}
END_TEST

START_TEST(a_feature_level_record_is_as_kafka_writes_it)
{
	/* The body of a record seen in a real quorum: metadata.version at level 27. */
	struct kp_feature_level_record r;
	struct rk_str b = hex("11 6d657461646174612e76657273696f6e 001b 00");

	ck_assert_int_eq(kp_read(&kp_feature_level_record_d, 0, b.at, (size_t)b.len, &arena, &r, NULL), RK_OK);
	ck_assert(rk_str_is(r.name, "metadata.version"));
	ck_assert_int_eq(r.feature_level, 27);
	ck_assert(rk_str_eq(bytes_of(&kp_feature_level_record_d, 0, &r), b));
	ck_assert_int_eq(KP_FEATURE_LEVEL_RECORD, 12);
}
END_TEST

START_TEST(a_null_classic_member_is_written_and_an_absent_one_is_not_null)
{
	struct kp_consumer_group_member_metadata_value m;
	const struct kp_desc *d = &kp_consumer_group_member_metadata_value_d;
	struct rk_str null_tail = hex("01 00 01 00");

	kp_defaults(d, &m);
	struct rk_str b = bytes_of(d, 0, &m);
	ck_assert_mem_eq(b.at + b.len - 4, null_tail.at, 4);
	struct kp_consumer_group_member_metadata_value_classic_member_metadata c;
	memset(&c, 0, sizeof c);
	m.classic_member_metadata = &c;
	b = bytes_of(d, 0, &m);
	ck_assert_int_eq(b.at[b.len - 1], 0);
	ck_assert_int_eq(kp_read(d, 0, b.at, (size_t)b.len, &arena, &m, NULL), RK_OK);
	ck_assert_ptr_nonnull(m.classic_member_metadata);
}
END_TEST

START_TEST(records_move_into_the_answer_without_a_copy)
{
	static const uint8_t batch[2000] = { 1, 2, 3 };
	struct kp_fetch_res res;
	struct kp_fetch_res_responses topic;
	struct kp_fetch_res_responses_partitions part;
	struct rk_out records, out;
	bool there = false;

	rk_out_init(&records, &arena);
	rk_out_init(&out, &arena);
	rk_out_mem(&records, batch, sizeof batch);
	kp_defaults(&kp_fetch_res_d, &res);
	memset(&topic, 0, sizeof topic);
	memset(&part, 0, sizeof part);
	topic.topic = rk_lit("t");
	topic.partitions.at = &part;
	res.responses.at = &topic;
	res.responses.len = topic.partitions.len = 1;
	part.records.out = &records;
	kp_write(&kp_fetch_res_d, 12, &res, &out);
	for (uint32_t i = 0; i < out.count; i++)
		there |= out.piece[i].u.mem == batch && out.piece[i].len == sizeof batch;
	ck_assert(there);
	ck_assert_uint_eq(records.bytes, 0);
}
END_TEST

START_TEST(a_request_head_names_its_body)
{
	struct kp_head h;
	struct rk_str b = hex("0012 0003 00000007 0004 74657374 00 05");

	ck_assert_int_eq(kp_head_read(b.at, (size_t)b.len, &h), RK_OK);
	ck_assert_int_eq(h.key, KP_API_VERSIONS);
	ck_assert_int_eq(h.correlation_id, 7);
	ck_assert(rk_str_is(h.client_id, "test") && h.flex);
	ck_assert_uint_eq(h.body, 15);
	for (size_t n = 0; n < 15; n++)
		ck_assert_int_eq(kp_head_read(b.at, n, &h), RK_INVALID_REQUEST);
	struct rk_out out;
	rk_out_init(&out, &arena);
	ck_assert_int_eq(kp_head_read(b.at, 15, &h), RK_OK);
	kp_head_write(&h, &out);
	ck_assert_uint_eq(out.bytes, 15);
	ck_assert_mem_eq(out.piece[0].u.mem, b.at, 10);
}
END_TEST

START_TEST(an_unknown_version_still_tells_whom_to_answer)
{
	struct kp_head h;
	struct rk_str b = hex("0012 0063 00000007 ffff");

	ck_assert_int_eq(kp_head_read(b.at, (size_t)b.len, &h), RK_UNSUPPORTED_VERSION);
	ck_assert_int_eq(h.key, 18);
	ck_assert_int_eq(h.version, 99);
	ck_assert_int_eq(h.correlation_id, 7);
	b = hex("0004 0000 00000007 ffff");
	ck_assert_int_eq(kp_head_read(b.at, (size_t)b.len, &h), RK_UNSUPPORTED_VERSION);
}
END_TEST

START_TEST(api_versions_refuses_as_kafka_does)
{
	/* Seen: 00000007 0023 00000001 0012 0000 0004. */
	struct kp_api_versions_res res;
	struct kp_api_versions_res_api_keys one = { .api_key = 18, .min_version = 0, .max_version = 4 };
	struct rk_out out;

	rk_out_init(&out, &arena);
	kp_defaults(&kp_api_versions_res_d, &res);
	res.error_code = 35;
	res.api_keys.at = &one;
	res.api_keys.len = 1;
	kp_answer_head(18, 4, 7, &out);
	kp_write(&kp_api_versions_res_d, 0, &res, &out);
	ck_assert_uint_eq(out.bytes, 16);
	ck_assert_mem_eq(out.piece[0].u.mem, hex("00000007 0023 00000001 0012 0000 0004").at, 16);
}
END_TEST

START_TEST(the_table_of_apis_is_in_order_and_whole)
{
	ck_assert_uint_eq(kp_apis_count, 89); /* 0-92 without the four that Kafka 4 dropped */
	for (uint32_t i = 0; i < kp_apis_count; i++) {
		const struct kp_api *a = &kp_apis[i];
		ck_assert(i == 0 || a[-1].key < a->key);
		ck_assert_ptr_eq(kp_api(a->key), a);
		ck_assert(a->min <= a->max && a->stable_max <= a->max);
	}
	ck_assert_ptr_null(kp_api(5));
	ck_assert_ptr_null(kp_api(-1));
	ck_assert_ptr_null(kp_api(999));
	ck_assert_str_eq(kp_api(20)->name, "DeleteTopics");
	ck_assert_int_eq(kp_api(22)->max, 6);
	ck_assert_int_eq(kp_api(22)->stable_max, 5);
}
END_TEST

/* An element that took no bytes could be claimed again and again against the same bytes left. */
static void
takes_bytes(const struct kp_desc *d, int16_t version, bool flex)
{
	for (uint32_t i = 0; i < d->count; i++) {
		const struct kp_field *f = &d->field[i];
		uint32_t carried = 0;
		if (version < f->from || version > f->to || f->type != KP_T_STRUCT)
			continue;
		for (uint32_t k = 0; k < f->sub->plain; k++)
			carried += version >= f->sub->field[k].from && version <= f->sub->field[k].to;
		ck_assert_msg(flex || carried > 0, "%s v%d", f->sub->name, version);
		takes_bytes(f->sub, version, flex);
	}
}

START_TEST(no_struct_is_without_bytes)
{
	const struct kp_desc *d = kp_messages[_i];

	for (int16_t v = d->min; v <= d->max; v++)
		takes_bytes(d, v, v >= d->flex);
}
END_TEST

START_TEST(an_array_may_be_null_its_strings_may_not)
{
	static const uint8_t null_array[] = "\0\0\0\1\2\0\1a\xff\xff\xff\xff\0";
	static const uint8_t null_string[] = "\0\0\0\1\2\0\1a\0\0\0\1\xff\xff\0";
	static const uint8_t any_null[] = "\0\0\0\1\2\0\1a\xff\xff\xff\xf0\0";
	struct kp_describe_configs_req q;

	ck_assert_int_eq(kp_read(&kp_describe_configs_req_d, 1, any_null, sizeof any_null - 1, &arena, &q, NULL), RK_OK);
	ck_assert_int_eq(q.resources.at[0].configuration_keys.len, -1);
	ck_assert_int_eq(kp_read(&kp_describe_configs_req_d, 1, null_array, sizeof null_array - 1, &arena, &q, NULL), RK_OK);
	ck_assert_int_eq(kp_read(&kp_describe_configs_req_d, 1, null_string, sizeof null_string - 1, &arena, &q, NULL),
	    RK_INVALID_REQUEST);
}
END_TEST

START_TEST(varints_round_trip_at_their_ends)
{
	static const int64_t ends[] = { 0, 1, -1, 63, 64, -64, -65, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN };
	uint8_t b[10];

	for (uint32_t i = 0; i < rk_countof(ends); i++) {
		const uint8_t *p = b;
		int64_t v;
		uint32_t n = kp_put_varlong(b, ends[i]);
		ck_assert(kp_varlong(&p, b + n, &v) && v == ends[i] && p == b + n);
		p = b;
		ck_assert(!kp_varlong(&p, b + n - 1, &v) && p == b);
		int32_t w;
		n = kp_put_varint(b, (int32_t)ends[i]);
		ck_assert(kp_varint(&p, b + n, &w) && w == (int32_t)ends[i]);
	}
}
END_TEST

START_TEST(a_message_prints_as_one_line)
{
	struct kp_delete_topics_req q;

	kp_defaults(&kp_delete_topics_req_d, &q);
	q.timeout_ms = 5;
	q.topic_names.at = (struct rk_str[]){ rk_lit("a\"b") };
	q.topic_names.len = 1;
	ck_assert_str_eq(text_of(&kp_delete_topics_req_d, 1, &q).at, "{\"topic_names\":[\"a\\\"b\"],\"timeout_ms\":5}");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("codec");
	TCase *t = tcase_create("codec");
	int n = (int)kp_messages_count;

	tcase_add_checked_fixture(t, start, stop);
	tcase_add_loop_test(t, every_message_of_every_version_survives_the_wire, 0, n);
	tcase_add_loop_test(t, every_truncation_of_every_message_is_refused, 0, n);
	tcase_add_loop_test(t, defaults_read_back_as_defaults, 0, n);
	tcase_add_loop_test(t, no_struct_is_without_bytes, 0, n);
	tcase_add_test(t, what_a_version_does_not_carry_reads_as_default);
	tcase_add_test(t, a_huge_claimed_array_takes_no_memory);
	tcase_add_test(t, bytes_left_over_are_refused_unless_asked_for);
	tcase_add_test(t, unknown_tags_are_skipped);
	tcase_add_test(t, a_feature_level_record_is_as_kafka_writes_it);
	tcase_add_test(t, a_null_classic_member_is_written_and_an_absent_one_is_not_null);
	tcase_add_test(t, records_move_into_the_answer_without_a_copy);
	tcase_add_test(t, a_request_head_names_its_body);
	tcase_add_test(t, an_unknown_version_still_tells_whom_to_answer);
	tcase_add_test(t, api_versions_refuses_as_kafka_does);
	tcase_add_test(t, the_table_of_apis_is_in_order_and_whole);
	tcase_add_test(t, an_array_may_be_null_its_strings_may_not);
	tcase_add_test(t, varints_round_trip_at_their_ends);
	tcase_add_test(t, a_message_prints_as_one_line);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
