/* t_meta_brokers.c - claims about brokers that come, stay and go: sessions, controlled shutdown, failed directories. */
#include "tests/t_meta.h"
#include "protocol/gen/broker_heartbeat.h"
#include "protocol/gen/broker_registration.h"
#include "protocol/gen/create_topics.h"

/* What the active controller knows beyond the log, here set by hand. */
static struct meta_sessions sessions;
static int32_t lives;            /* this broker's session is good; -1: nobody's */
static int64_t reported;         /* what every other broker has applied */
static int64_t leaving_of[8];

static bool
alive(struct meta_sessions *s, int32_t id, bool same_address)
{
	(void)s;
	(void)same_address;
	return id == lives;
}

static bool
reached(struct meta_sessions *s, int64_t offset, int32_t but)
{
	(void)s;
	(void)but;
	return reported >= offset;
}

static int64_t *
leaving(struct meta_sessions *s, int32_t id)
{
	(void)s;
	return &leaving_of[id];
}

static void
again(void)
{
	t_begin();
	t_plan.sessions = &sessions;
}

static void
start(void)
{
	sessions = (struct meta_sessions){ alive, reached, leaving };
	lives = -1;
	reported = -1;
	for (int i = 0; i < 8; i++)
		leaving_of[i] = -1;
	t_start();
	t_bootstrap();
	for (int32_t id = 1; id <= 3; id++)
		t_broker(id, NULL);
	again();
}

static void
stop(void)
{
	if (t_plan.top != NULL)
		meta_plan_abort(&t_plan);
	t_stop();
}

/* A topic of one partition on these brokers. */
static void
have(const char *name, int32_t a, int32_t b)
{
	int32_t ids[2] = { a, b };
	struct kp_create_topics_req_topics_assignments part = { .partition_index = 0, .broker_ids = { ids, b < 0 ? 1 : 2 } };
	struct kp_create_topics_req_topics t = { .name = rk_str_of(name), .num_partitions = -1, .replication_factor = -1,
		.assignments = { &part, 1 } };
	struct kp_create_topics_req q = { .topics = { &t, 1 }, .timeout_ms = 1000 };
	struct kp_create_topics_res res = { 0 };

	meta_create_topics(&t_plan, 7, &q, &res);
	ck_assert_int_eq(res.topics.at[0].error_code, 0);
	t_commit();
	again();
}

static struct kp_partition_record
partition(const char *topic)
{
	struct kp_partition_record p;
	struct meta_topic t;

	ck_assert(meta_topic_named(&t_plan.view, rk_str_of(topic), &t));
	ck_assert(meta_partition(&t_plan.view, t.id, 0, &t_arena, &p));
	return p;
}

static struct kp_register_broker_record
broker(int32_t id)
{
	struct kp_register_broker_record b;

	ck_assert(meta_broker(&t_plan.view, id, &t_arena, &b));
	return b;
}

static struct kp_broker_heartbeat_res
beat(int32_t id, bool fence, bool stop_it)
{
	struct kp_broker_heartbeat_req q;
	struct kp_broker_heartbeat_res r = { 0 };

	kp_defaults(&kp_broker_heartbeat_req_d, &q);
	q.broker_id = id;
	q.broker_epoch = broker(id).broker_epoch;
	q.want_fence = fence;
	q.want_shut_down = stop_it;
	q.current_metadata_offset = INT64_MAX;
	meta_broker_heartbeat(&t_plan, 2, &q, &r);
	ck_assert_int_eq(r.error_code, 0);
	return r;
}

static int16_t
comes(int32_t id, struct rk_uuid incarnation)
{
	struct kp_broker_registration_req q;
	struct kp_broker_registration_res r = { 0 };
	struct kp_broker_registration_req_features f[16];
	struct rk_uuid dir = { { 9, 9, 9 } };

	kp_defaults(&kp_broker_registration_req_d, &q);
	rk_put32(dir.id + 12, (uint32_t)id);
	q.broker_id = id;
	q.incarnation_id = incarnation;
	q.log_dirs.at = &dir;
	q.log_dirs.len = 1;
	q.features.at = f;
	q.features.len = (int32_t)meta_supported_count;
	for (uint32_t i = 0; i < meta_supported_count; i++)
		f[i] = (struct kp_broker_registration_req_features){ rk_str_of(meta_supported[i].name), meta_supported[i].min,
			meta_supported[i].max };
	meta_register_broker(&t_plan, 4, &q, &r);
	return r.error_code;
}

START_TEST(a_leader_that_wants_to_stop_waits_until_the_others_know)
{
	have("a", 1, 2);
	struct kp_broker_heartbeat_res r = beat(1, false, true);
	ck_assert(!r.should_shut_down);
	ck_assert(!r.is_fenced);
	ck_assert(broker(1).in_controlled_shutdown);
	ck_assert_int_eq(partition("a").leader, 2);
	ck_assert_int_eq(partition("a").isr.len, 1);
	ck_assert_int_eq(leaving_of[1], t_plan.base_offset + t_plan.count - 1);
	t_commit();
	again();
	ck_assert(!beat(1, false, true).should_shut_down);
	ck_assert_uint_eq(t_plan.count, 0); /* nothing more to say meanwhile */
	reported = leaving_of[1];
	r = beat(1, false, true);
	ck_assert(r.should_shut_down);
	ck_assert(r.is_fenced);
	ck_assert(broker(1).fenced);
}
END_TEST

START_TEST(a_broker_that_leads_nothing_stops_at_once)
{
	have("a", 2, 1);
	struct kp_broker_heartbeat_res r = beat(1, false, true);
	ck_assert(r.should_shut_down);
	ck_assert(broker(1).fenced);
	ck_assert_int_eq(partition("a").leader, 2);
	ck_assert_int_eq(partition("a").isr.len, 1);
}
END_TEST

START_TEST(a_fenced_broker_may_stop_whenever_it_wants)
{
	beat(1, true, false);
	uint32_t planned = t_plan.count;
	ck_assert(beat(1, false, true).should_shut_down);
	ck_assert_uint_eq(t_plan.count, planned);
}
END_TEST

START_TEST(a_broker_in_shutdown_is_given_no_leadership)
{
	have("a", 1, 2);
	beat(1, false, true);
	t_commit();
	again();
	meta_fence_broker(&t_plan, 2);
	ck_assert_int_ne(partition("a").leader, 1);
}
END_TEST

START_TEST(an_old_epoch_is_stale)
{
	struct kp_broker_heartbeat_req q = { .broker_id = 1, .broker_epoch = broker(1).broker_epoch - 1 };
	struct kp_broker_heartbeat_res r = { 0 };

	meta_broker_heartbeat(&t_plan, 1, &q, &r);
	ck_assert_int_eq(r.error_code, rk_err_wire(RK_STALE_BROKER_EPOCH));
}
END_TEST

START_TEST(brokers_are_visited_up_to_the_highest_id)
{
	const int32_t ids[] = { 1, 2, 3, INT32_MAX };
	struct kp_register_broker_record b;
	uint32_t n = 0;

	t_commit();
	t_broker(INT32_MAX, NULL);
	again();
	for (int64_t from = 0; meta_broker_next(&t_plan.view, from, &t_arena, &b); from = (int64_t)b.broker_id + 1)
		ck_assert_int_eq(b.broker_id, ids[n++]);
	ck_assert_uint_eq(n, rk_countof(ids));
}
END_TEST

START_TEST(a_second_process_is_refused_while_the_first_lives)
{
	struct rk_uuid one = broker(1).incarnation_id, two = { { 7 } };

	lives = 1;
	ck_assert_int_eq(comes(1, two), rk_err_wire(RK_DUPLICATE_BROKER_REGISTRATION));
	ck_assert_uint_eq(t_plan.count, 0);
	ck_assert_int_eq(comes(1, one), 0); /* the same process amends what it said */
	lives = 2;
	ck_assert_int_eq(comes(1, two), 0);
	ck_assert(rk_uuid_eq(broker(1).incarnation_id, two));
	ck_assert(broker(1).fenced);
}
END_TEST

START_TEST(what_lay_in_a_failed_directory_is_led_by_others)
{
	struct kp_broker_registration_change_record two_dirs;
	struct rk_uuid dirs[2] = { { { 9, 9, 9 } }, { { 8, 8, 8 } } };

	rk_put32(dirs[0].id + 12, 1);
	have("a", 1, 2);
	kp_defaults(&kp_broker_registration_change_record_d, &two_dirs);
	two_dirs.broker_id = 1;
	two_dirs.broker_epoch = broker(1).broker_epoch;
	two_dirs.log_dirs.at = dirs;
	two_dirs.log_dirs.len = 2;
	meta_plan_add(&t_plan, KP_BROKER_REGISTRATION_CHANGE_RECORD, &two_dirs);

	struct kp_broker_heartbeat_req q;
	struct kp_broker_heartbeat_res r = { 0 };
	kp_defaults(&kp_broker_heartbeat_req_d, &q);
	q.broker_id = 1;
	q.broker_epoch = broker(1).broker_epoch;
	q.current_metadata_offset = INT64_MAX;
	q.offline_log_dirs.at = &dirs[0];
	q.offline_log_dirs.len = 1;
	meta_broker_heartbeat(&t_plan, 2, &q, &r);
	ck_assert_int_eq(r.error_code, 0);
	ck_assert(!r.is_fenced);
	ck_assert_int_eq(partition("a").leader, 2);
	ck_assert_int_eq(broker(1).log_dirs.len, 1);
	ck_assert(rk_uuid_eq(broker(1).log_dirs.at[0], dirs[1]));
	uint32_t planned = t_plan.count;
	meta_broker_heartbeat(&t_plan, 2, &q, &r); /* told again: nothing new */
	ck_assert_uint_eq(t_plan.count, planned);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("meta_brokers");
	TCase *c = tcase_create("all");

	tcase_add_checked_fixture(c, start, stop);
	tcase_add_test(c, a_leader_that_wants_to_stop_waits_until_the_others_know);
	tcase_add_test(c, a_broker_that_leads_nothing_stops_at_once);
	tcase_add_test(c, a_fenced_broker_may_stop_whenever_it_wants);
	tcase_add_test(c, a_broker_in_shutdown_is_given_no_leadership);
	tcase_add_test(c, an_old_epoch_is_stale);
	tcase_add_test(c, brokers_are_visited_up_to_the_highest_id);
	tcase_add_test(c, a_second_process_is_refused_while_the_first_lives);
	tcase_add_test(c, what_lay_in_a_failed_directory_is_led_by_others);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
