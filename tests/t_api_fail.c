/* t_api_fail.c - claims about answers that are one error as a whole, and about who is forwarded. */
#include "protocol/gen/alter_partition.h"
#include "protocol/gen/create_topics.h"
#include "protocol/gen/delete_topics.h"
#include "protocol/gen/incremental_alter_configs.h"
#include "protocol/gen/keys.h"
#include "src/api/api.h"
#include <check.h>

static struct api_call call;

static void *
asked(int16_t key, int16_t version)
{
	call = (struct api_call){ .api = kp_api(key), .head = { .key = key, .version = version } };
	rk_arena_init(&call.arena, 1u << 20);
	call.req = rk_arena_get(&call.arena, 1, kp_desc_size(call.api->req));
	call.res = rk_arena_get(&call.arena, 1, kp_desc_size(call.api->res));
	kp_defaults(call.api->req, call.req);
	kp_defaults(call.api->res, call.res);
	return call.req;
}

/* What the answer says can be written: nothing in it is missing. */
static void
writes(void)
{
	struct rk_out o;

	rk_out_init(&o, &call.arena);
	kp_write(call.api->res, call.head.version, call.res, &o);
	ck_assert(!o.over);
}

static void
stop(void)
{
	rk_arena_free(&call.arena);
}

START_TEST(each_topic_that_was_to_be_made_carries_the_error)
{
	struct kp_create_topics_req *q = asked(KP_CREATE_TOPICS, 7);
	struct kp_create_topics_res *a = call.res;
	struct kp_create_topics_req_topics t[2] = { { .name = rk_lit("a") }, { .name = rk_lit("b") } };

	q->topics.at = t;
	q->topics.len = 2;
	api_fail(&call, RK_NOT_CONTROLLER, rk_lit("elsewhere"));
	ck_assert_int_eq(a->topics.len, 2);
	ck_assert(rk_str_is(a->topics.at[1].name, "b"));
	ck_assert_int_eq(a->topics.at[1].error_code, 41);
	ck_assert(rk_str_is(a->topics.at[1].error_message, "elsewhere"));
	ck_assert(api_failed(KP_CREATE_TOPICS, a, RK_NOT_CONTROLLER));
	ck_assert(!api_failed(KP_CREATE_TOPICS, a, RK_REQUEST_TIMED_OUT));
	writes();
}
END_TEST

START_TEST(topics_to_be_deleted_are_named_in_two_ways)
{
	struct kp_delete_topics_req *q = asked(KP_DELETE_TOPICS, 4);
	struct kp_delete_topics_res *a = call.res;
	struct rk_str name = rk_lit("old");

	q->topic_names.at = &name;
	q->topic_names.len = 1;
	api_fail(&call, RK_REQUEST_TIMED_OUT, RK_STR_NULL);
	ck_assert_int_eq(a->responses.len, 1);
	ck_assert(rk_str_is(a->responses.at[0].name, "old"));
	ck_assert_int_eq(a->responses.at[0].error_code, 7);
	writes();
	stop();

	struct kp_delete_topics_req_topics t = { .name = RK_STR_NULL, .topic_id = { { 5 } } };
	q = asked(KP_DELETE_TOPICS, 6);
	a = call.res;
	q->topics.at = &t;
	q->topics.len = 1;
	api_fail(&call, RK_REQUEST_TIMED_OUT, RK_STR_NULL);
	ck_assert_int_eq(a->responses.len, 1);
	ck_assert_int_lt(a->responses.at[0].name.len, 0);
	ck_assert_int_eq(a->responses.at[0].topic_id.id[0], 5);
	ck_assert(rk_str_is(a->responses.at[0].error_message, rk_err_text(RK_REQUEST_TIMED_OUT)));
	writes();
}
END_TEST

START_TEST(each_resource_carries_the_error)
{
	struct kp_incremental_alter_configs_req *q = asked(KP_INCREMENTAL_ALTER_CONFIGS, 1);
	struct kp_incremental_alter_configs_res *a = call.res;
	struct kp_incremental_alter_configs_req_resources r = { .resource_type = 2, .resource_name = rk_lit("a") };

	q->resources.at = &r;
	q->resources.len = 1;
	api_fail(&call, RK_NOT_CONTROLLER, RK_STR_NULL);
	ck_assert_int_eq(a->responses.len, 1);
	ck_assert_int_eq(a->responses.at[0].resource_type, 2);
	ck_assert(rk_str_is(a->responses.at[0].resource_name, "a"));
	ck_assert_int_eq(a->responses.at[0].error_code, 41);
	writes();
}
END_TEST

START_TEST(one_error_says_it_for_all_where_there_is_one)
{
	asked(KP_ALTER_PARTITION, 3);
	struct kp_alter_partition_res *a = call.res;

	api_fail(&call, RK_NOT_CONTROLLER, RK_STR_NULL);
	ck_assert_int_eq(a->error_code, 41);
	ck_assert_int_eq(a->topics.len, 0);
	ck_assert(api_failed(KP_ALTER_PARTITION, a, RK_NOT_CONTROLLER));
	writes();
}
END_TEST

/* Whatever the active controller serves can be refused, in every version. */
START_TEST(every_row_for_the_controller_can_be_refused)
{
	for (uint32_t i = 0; i < api_rows_count; i++) {
		const struct api_row *r = &api_rows[i];
		if ((r->where & API_RUNS) != API_CONTROL)
			continue;
		for (int16_t v = r->min; v <= r->max; v++) {
			asked(r->key, v);
			api_fail(&call, RK_NOT_CONTROLLER, RK_STR_NULL);
			writes();
			stop();
		}
	}
	asked(KP_ALTER_PARTITION, 3);
}
END_TEST

START_TEST(clients_may_send_on_what_they_may_ask_a_broker)
{
	ck_assert(api_forwarded(api_row(KP_CREATE_TOPICS)));
	ck_assert(api_forwarded(api_row(KP_DESCRIBE_QUORUM)));
	ck_assert(!api_forwarded(api_row(KP_BROKER_HEARTBEAT)));
	ck_assert(!api_forwarded(api_row(KP_ENVELOPE)));
	ck_assert(!api_forwarded(api_row(KP_METADATA)));
	ck_assert(!api_forwarded(api_row(KP_PRODUCE)));
}
END_TEST

START_TEST(a_principal_goes_as_kafka_writes_it)
{
	static const uint8_t seen[] = { 0, 0, 5, 'U', 's', 'e', 'r', 10, 'A', 'N', 'O', 'N', 'Y', 'M', 'O', 'U', 'S', 0, 0 };

	asked(KP_ENVELOPE, 0);
	struct rk_str got = api_principal_bytes(rk_lit("User:ANONYMOUS"), &call.arena);
	ck_assert_int_eq(got.len, sizeof seen);
	ck_assert_int_eq(memcmp(got.at, seen, sizeof seen), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("api_fail");
	TCase *c = tcase_create("all");

	tcase_add_checked_fixture(c, NULL, stop);
	tcase_add_test(c, each_topic_that_was_to_be_made_carries_the_error);
	tcase_add_test(c, topics_to_be_deleted_are_named_in_two_ways);
	tcase_add_test(c, each_resource_carries_the_error);
	tcase_add_test(c, one_error_says_it_for_all_where_there_is_one);
	tcase_add_test(c, every_row_for_the_controller_can_be_refused);
	tcase_add_test(c, clients_may_send_on_what_they_may_ask_a_broker);
	tcase_add_test(c, a_principal_goes_as_kafka_writes_it);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
