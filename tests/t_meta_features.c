/* t_meta_features.c - claims about features that are raised and lowered. Messages are Kafka 4.3.0's. */
#include "tests/t_meta.h"
#include "protocol/gen/update_features.h"

enum { UP = 1, DOWN, UNSAFE };

static struct kp_update_features_req_feature_updates wish[4];
static struct kp_update_features_res got;
static int32_t wishes;

static void
start(void)
{
	t_start();
	t_bootstrap();
	t_broker(1, NULL);
	t_begin();
	wishes = 0;
}

static void
stop(void)
{
	if (t_plan.top != NULL)
		meta_plan_abort(&t_plan);
	t_stop();
}

static void
want(const char *feature, int16_t level, int8_t type)
{
	wish[wishes++] = (struct kp_update_features_req_feature_updates){ rk_str_of(feature), level, false, type };
}

static void
ask(bool validate_only)
{
	struct kp_update_features_req q = { .feature_updates = { wish, wishes }, .validate_only = validate_only };

	got = (struct kp_update_features_res){ 0 };
	meta_update_features(&t_plan, 2, &q, &got);
	wishes = 0;
}

static void
refused(const char *why)
{
	const char *all = "The update failed for all features since the following feature had an error: ";

	ck_assert_int_eq(got.error_code, rk_err_wire(RK_INVALID_UPDATE_VERSION));
	ck_assert_int_gt(got.error_message.len, (int32_t)strlen(all));
	ck_assert_msg(strncmp(got.error_message.at + strlen(all), why, strlen(why)) == 0, "%.*s", got.error_message.len,
	    got.error_message.at);
	ck_assert_uint_eq(t_plan.count, 0);
}

static const struct {
	const char *feature;
	int16_t level;
	int8_t type;
	const char *why;
} bad[] = {
	{ "no.such", 1, UP, "Invalid update version 1 for feature no.such. Local controller" },
	{ "group.version", -1, UP, "Invalid update version -1 for feature group.version. A feature version cannot be" },
	{ "group.version", 2, UP, "Invalid update version 2 for feature group.version. Local controller" },
	{ "group.version", 0, 9, "Invalid update version 0 for feature group.version. The controller does not support" },
	{ "group.version", 0, UP, "Invalid update version 0 for feature group.version. Can't downgrade the version" },
	{ "metadata.version", 29, DOWN, "Unsupported metadata.version downgrade from 30 to 29. Refusing to perform" },
	{ "metadata.version", 16, UNSAFE, "Unsupported metadata.version downgrade from 30 to 16. Unsafe metadata downgrade" },
	{ "kraft.version", 1, UP, "Invalid update version 1 for feature kraft.version. " },
};

START_TEST(what_cannot_be_is_refused_with_the_reason)
{
	want(bad[_i].feature, bad[_i].level, bad[_i].type);
	ask(false);
	refused(bad[_i].why);
}
END_TEST

START_TEST(a_feature_goes_down_and_up)
{
	want("group.version", 0, DOWN);
	ask(true);
	ck_assert_int_eq(got.error_code, 0);
	ck_assert_uint_eq(t_plan.count, 0); /* it was only asked */
	want("group.version", 0, DOWN);
	ask(false);
	ck_assert_int_eq(meta_plan_feature(&t_plan, "group.version"), 0);
	t_commit();
	t_begin();
	want("group.version", 1, DOWN);
	ask(false);
	refused("Invalid update version 1 for feature group.version. Can't downgrade to a newer version.");
	want("group.version", 1, UP);
	ask(false);
	ck_assert_int_eq(meta_plan_feature(&t_plan, "group.version"), 1);
}
END_TEST

START_TEST(all_of_a_request_or_nothing)
{
	want("transaction.version", 1, DOWN);
	want("group.version", 9, UP);
	ask(false);
	refused("Invalid update version 9 for feature group.version.");
	ck_assert_int_eq(meta_plan_feature(&t_plan, "transaction.version"), 2);
}
END_TEST

START_TEST(the_elr_is_prepared_for)
{
	struct rk_str key = rk_lit("min.insync.replicas"), value;
	struct kp_config_record c = { META_OF_BROKER, rk_lit("1"), key, rk_lit("2") };
	struct kp_config_record none = { META_OF_BROKER, rk_lit(""), key, RK_STR_NULL };

	want("eligible.leader.replicas.version", 0, DOWN);
	ask(false);
	meta_plan_add(&t_plan, KP_CONFIG_RECORD, &c);
	meta_plan_add(&t_plan, KP_CONFIG_RECORD, &none);
	want("eligible.leader.replicas.version", 1, UP);
	ask(false);
	ck_assert(meta_config(&t_plan.view, META_OF_BROKER, rk_lit(""), key, &value));
	ck_assert(rk_str_is(value, "1"));
	ck_assert(!meta_config(&t_plan.view, META_OF_BROKER, rk_lit("1"), key, &value));
}
END_TEST

static int16_t asked;

static enum rk_err
upgrade(struct meta_quorum *q, int16_t to, bool validate_only, struct rk_str *why)
{
	ck_assert_int_eq(q->kraft_version, 0);
	asked = validate_only ? -to : to;
	*why = RK_STR_NULL;
	return RK_OK;
}

START_TEST(the_quorum_is_asked_for_its_own_feature)
{
	struct meta_quorum q = { 0, upgrade };

	t_plan.quorum = &q;
	want("kraft.version", 0, UP);
	ask(false);
	ck_assert_int_eq(got.error_code, 0);
	ck_assert_int_eq(asked, 0); /* it is that already */
	want("kraft.version", 1, UP);
	ask(true);
	ck_assert_int_eq(asked, -1);
	want("kraft.version", 1, UP);
	ask(false);
	ck_assert_int_eq(asked, 1);
	ck_assert_uint_eq(t_plan.count, 0); /* no metadata record says it */
}
END_TEST

START_TEST(every_node_must_know_the_level)
{
	struct kp_register_broker_record b;

	want("share.version", 0, DOWN);
	ask(false);
	ck_assert(meta_broker(&t_plan.view, 1, &t_arena, &b));
	b.features.len = 1;
	meta_plan_add(&t_plan, KP_REGISTER_BROKER_RECORD, &b);
	t_commit();
	t_begin();
	want("share.version", 1, UP);
	ask(false);
	refused("Invalid update version 1 for feature share.version. Broker 1 does not support this feature.");
	want("no.such", 0, DOWN); /* nobody has to know what is to be off */
	ask(false);
	refused("Invalid update version 0 for feature no.such. Feature no.such not found.");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("meta_features");
	TCase *c = tcase_create("meta_features");
	tcase_add_checked_fixture(c, start, stop);
	tcase_add_loop_test(c, what_cannot_be_is_refused_with_the_reason, 0, rk_countof(bad));
	tcase_add_test(c, a_feature_goes_down_and_up);
	tcase_add_test(c, all_of_a_request_or_nothing);
	tcase_add_test(c, the_elr_is_prepared_for);
	tcase_add_test(c, the_quorum_is_asked_for_its_own_feature);
	tcase_add_test(c, every_node_must_know_the_level);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
