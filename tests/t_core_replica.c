/* t_core_replica.c - claims about a leader: what it believes of the others, what it tells them, what it asks for. */
#include "protocol/gen/delete_records.h"
#include "src/core/broker.h"
#include "tests/replica_help.h"

static const int32_t three[] = {1, 2, 3}, pair[] = {1, 2}, only[] = {1};
static uint32_t wishes;

static void
wished(void *arg)
{
	(void)arg;
	wishes++;
}

static void
begin(void)
{
	pair_begin();
	topic_of("t", 1, 1, three, 3);
	core_isr_listen(b.core, wished, NULL);
	wishes = 0;
}

static struct core_follower *
of(int32_t id)
{
	return core_set_find(part("t", 0)->set, id);
}

static struct core_isr_wish
take(void)
{
	struct core_isr_wish *w;

	ck_assert_uint_eq(core_isr_take(b.core, &b.arena, 10, &w), 1);
	return w[0];
}

static void
answer(enum rk_err err, int32_t partition_epoch, const int32_t *isr, int32_t count)
{
	struct rk_uuid id;

	memset(id.id, 1, 16);
	core_isr_answer(b.core, id, 0, err, part("t", 0)->leader_epoch, partition_epoch, isr, count);
	core_isr_done(b.core, false);
}

START_TEST(the_high_watermark_is_the_least_of_the_isr)
{
	struct core_partition *p = part("t", 0);

	put(p, batch_of(10, b.w.wall_ms));
	settle();
	ck_assert_int_eq(p->high, 0);
	fetch_as(2, 1, 0, 10, 0, 0);
	ck_assert_int_eq(p->high, 0);
	fetch_as(3, 1, 0, 4, 0, 0);
	ck_assert_int_eq(p->high, 4);
	fetch_as(3, 1, 0, 2, 0, 0); /* it has lost something: what was promised stays */
	ck_assert_int_eq(p->high, 4);
	fetch_as(3, 1, 0, 10, 0, 0);
	ck_assert_int_eq(p->high, 10);
}
END_TEST

START_TEST(a_follower_reads_to_the_end_a_consumer_to_the_high_watermark)
{
	put(part("t", 0), batch_of(3, b.w.wall_ms));
	struct kp_fetch_res_responses_partitions a = fetch_as(2, 1, 0, 0, 0, -1);
	ck_assert_int_eq(a.error_code, 0);
	ck_assert_int_gt(a.records.len, 0);
	ck_assert_int_eq(a.high_watermark, 0);
}
END_TEST

START_TEST(who_is_no_replica_or_knows_another_epoch_is_told_so)
{
	put(part("t", 0), batch_of(3, b.w.wall_ms));
	ck_assert_int_eq(fetch_as(7, 1, 0, 0, 0, -1).error_code, rk_err_wire(RK_UNKNOWN_LEADER_EPOCH));
	ck_assert_int_eq(fetch_as(7, 1, 0, 0, -1, -1).error_code, rk_err_wire(RK_NOT_LEADER_OR_FOLLOWER));
	ck_assert_int_eq(fetch_as(2, 1, 0, 0, 1, -1).error_code, rk_err_wire(RK_UNKNOWN_LEADER_EPOCH));
	partition_is(1, 0, 1, three, 3, true);
	ck_assert_int_eq(fetch_as(2, 1, 0, 0, 0, -1).error_code, rk_err_wire(RK_FENCED_LEADER_EPOCH));
	ck_assert_int_eq(fetch_as(2, 1, 0, 9, 1, -1).error_code, rk_err_wire(RK_OFFSET_OUT_OF_RANGE));
	ck_assert_int_eq(fetch_as(2, 9, 0, 0, 0, -1).error_code, rk_err_wire(RK_UNKNOWN_TOPIC_ID));
	ck_assert_int_eq(of(2)->end, -1); /* none of that says what it has */
}
END_TEST

START_TEST(a_log_that_went_another_way_is_told_where)
{
	put(part("t", 0), batch_of(3, b.w.wall_ms));
	partition_is(1, 0, 1, three, 3, true);
	put(part("t", 0), batch_of(3, b.w.wall_ms));
	struct kp_fetch_res_responses_partitions a = fetch_as(2, 1, 0, 5, 1, 0);
	ck_assert_int_eq(a.error_code, 0);
	ck_assert_int_eq(a.diverging_epoch.epoch, 0);
	ck_assert_int_eq(a.diverging_epoch.end_offset, 3);
	ck_assert_int_eq(a.records.len, -1);
	ck_assert_int_eq(of(2)->end, -1);
	ck_assert_int_gt(fetch_as(2, 1, 0, 3, 1, 0).records.len, 0);
	ck_assert_int_eq(of(2)->end, 3);
}
END_TEST

START_TEST(below_min_insync_replicas_nothing_is_taken_and_nothing_moves)
{
	struct core_partition *p = part("t", 0);

	config_is("t", "min.insync.replicas", "2");
	put(p, batch_of(3, b.w.wall_ms));
	settle();
	fetch_as(2, 1, 0, 3, 0, 0);
	partition_is(1, 0, 1, only, 1, false);
	ck_assert_int_eq(p->high, 0);
	ck_assert_int_eq(put(p, batch_of(1, b.w.wall_ms)).err, RK_NOT_ENOUGH_REPLICAS);
	partition_is(1, 0, 1, pair, 2, false);
	ck_assert_int_eq(p->high, 3);
	ck_assert_int_eq(put(p, batch_of(1, b.w.wall_ms)).err, RK_OK);
}
END_TEST

START_TEST(who_lags_leaves_and_who_has_caught_up_joins)
{
	struct core_partition *p = part("t", 0);

	put(p, batch_of(3, b.w.wall_ms));
	settle();
	fetch_as(2, 1, 0, 3, 0, 0);
	pass(b.core->conf->replica_lag_time_max_ms / 2 + 1);
	fetch_as(2, 1, 0, 3, 0, 0);
	ck_assert_uint_eq(wishes, 0);
	pass(b.core->conf->replica_lag_time_max_ms);
	ck_assert_uint_ge(wishes, 1);
	struct core_isr_wish w = take();
	ck_assert_int_eq(w.members, 2); /* 1 and 2: 3 never fetched */
	ck_assert_int_eq(w.member[1].id, 2);
	ck_assert_int_eq(p->high, 0); /* until the controller agrees it counts */
	answer(RK_OK, p->partition_epoch + 1, pair, 2);
	ck_assert_int_eq(p->isr, 2);
	ck_assert_int_eq(p->high, 3);
	ck_assert_uint_eq(b.core->isr_shrinks, 1);
	fetch_as(3, 1, 0, 2, 0, 0); /* not there yet */
	settle();
	struct core_isr_wish *none;
	ck_assert_uint_eq(core_isr_take(b.core, &b.arena, 10, &none), 0);
	fetch_as(3, 1, 0, 3, 0, 0);
	w = take();
	ck_assert_int_eq(w.members, 3);
	ck_assert_int_eq(w.member[2].epoch, 103);
	answer(RK_OK, p->partition_epoch + 1, three, 3);
	ck_assert_int_eq(p->isr, 3);
}
END_TEST

START_TEST(until_the_controller_has_answered_both_isrs_count)
{
	struct core_partition *p = part("t", 0);

	partition_is(1, 0, 1, pair, 2, false);
	fetch_as(2, 1, 0, 0, 0, -1);
	fetch_as(3, 1, 0, 0, 0, -1);
	take(); /* 3 is to join */
	put(p, batch_of(3, b.w.wall_ms));
	settle();
	fetch_as(2, 1, 0, 3, 0, 0);
	ck_assert_int_eq(p->high, 0);
	answer(RK_INVALID_UPDATE_VERSION, 0, NULL, 0); /* who knows: an earlier request may have been heard */
	pass(b.core->conf->replica_lag_time_max_ms * 2);
	fetch_as(2, 1, 0, 3, 0, 0);
	ck_assert_int_eq(p->high, 0);
	partition_is(1, 0, 1, pair, 2, false); /* the metadata tells: it has not */
	ck_assert_int_eq(p->high, 3);
}
END_TEST

START_TEST(a_fenced_broker_or_another_incarnation_does_not_join)
{
	struct core_isr_wish *none;

	partition_is(1, 0, 1, pair, 2, false);
	broker_is(3, true);
	fetch_as(3, 1, 0, 0, 0, -1);
	ck_assert_uint_eq(core_isr_take(b.core, &b.arena, 10, &none), 0);
	broker_is(3, false); /* its fetch is not long ago */
	ck_assert_int_eq(take().members, 3);
	answer(RK_INELIGIBLE_REPLICA, 0, NULL, 0);
	ck_assert(!of(3)->wanted);
	pass(600); /* and later once more */
	ck_assert_int_eq(take().members, 3);
}
END_TEST

START_TEST(a_broker_that_died_is_told_of_until_its_session_would_end)
{
	ck_assert(!core_broker_lingers(b.core, 3));
	broker_is(3, true);
	ck_assert(core_broker_lingers(b.core, 3));
	broker_is(3, true); /* it registers again, and is not ready yet */
	pass(b.core->conf->broker_session_timeout_ms - 1);
	ck_assert(core_broker_lingers(b.core, 3));
	broker_is(3, false);
	ck_assert(!core_broker_lingers(b.core, 3)); /* it is there */
	broker_is(3, true);
	pass(b.core->conf->broker_session_timeout_ms);
	ck_assert(!core_broker_lingers(b.core, 3));
	ck_assert(!core_broker_lingers(b.core, 1));
	broker_is(1, true);
	pass(b.core->conf->broker_session_timeout_ms);
	ck_assert(core_broker_lingers(b.core, 1)); /* this node */
	broker_is(9, true); /* that is new */
	ck_assert(!core_broker_lingers(b.core, 9) && !core_broker_lingers(b.core, 10));
}
END_TEST

START_TEST(the_metadata_never_takes_back_what_the_controller_answered)
{
	struct core_partition *p = part("t", 0);

	partition_is(1, 0, 1, pair, 2, false);
	fetch_as(3, 1, 0, 0, 0, -1);
	take();
	answer(RK_OK, p->partition_epoch + 1, three, 3);
	int32_t epoch = p->partition_epoch;
	partition_is(1, 0, 1, three, 3, false); /* the record of that very change */
	ck_assert_int_eq(p->partition_epoch, epoch);
	ck_assert_int_eq(p->isr, 3);
}
END_TEST

START_TEST(who_catches_up_under_a_request_that_changes_nothing_joins_after_it)
{
	struct core_partition *p = part("t", 0);

	partition_is(1, 0, 1, pair, 2, false);
	fetch_as(2, 1, 0, 0, 0, -1);
	put(p, batch_of(3, b.w.wall_ms));
	settle();
	pass(b.core->conf->replica_lag_time_max_ms * 2); /* 2 is to leave ... */
	fetch_as(2, 1, 0, 3, 0, 0);                      /* ... and is back before anybody was asked */
	ck_assert_int_eq(take().members, 2);
	fetch_as(3, 1, 0, 3, 0, 0); /* and will have nothing more to fetch */
	answer(RK_OK, p->partition_epoch, pair, 2);
	ck_assert_int_eq(take().members, 3);
}
END_TEST

START_TEST(a_request_that_reached_nobody_is_made_again)
{
	partition_is(1, 0, 1, pair, 2, false);
	fetch_as(3, 1, 0, 0, 0, -1);
	take();
	core_isr_done(b.core, true);
	ck_assert_int_eq(take().members, 3);
}
END_TEST

static struct api_shared shared;
static uint32_t finished;

static void
heard_finish(struct api_call *c)
{
	(void)c;
	finished++;
}

START_TEST(deleting_records_waits_for_the_replicas)
{
	struct kp_delete_records_req_topics_partitions part_in = {.offset = 3};
	struct kp_delete_records_req_topics t = {.name = rk_lit("t"), .partitions = {&part_in, 1}};
	struct kp_delete_records_req q = {.topics = {&t, 1}, .timeout_ms = 1000};
	struct kp_delete_records_res a = {0};
	struct api_call call = {.shared = &shared, .now_ms = b.w.now_ms};

	partition_is(1, 0, 1, pair, 2, false);
	broker_is(3, true);
	shared = (struct api_shared){.env = &b.w.env, .conf = t_conf, .core = b.core, .timers = &b.timers};
	rk_arena_init(&call.arena, 1 << 20);
	put(part("t", 0), batch_of(5, b.w.wall_ms));
	settle();
	fetch_as(2, 1, 0, 5, 0, 0);
	call.head.version = 2;
	api_on_finish = heard_finish;
	finished = 0;
	ck_assert_int_eq(api_delete_records(&call, &q, &a), API_LATER);
	fetch_as(2, 1, 0, 5, 0, 0); /* its log still starts at 0 */
	ck_assert_uint_eq(finished, 0);
	of(2)->start = 3;
	ck_assert_int_eq(core_set_fetched(part("t", 0), 2, 102, 5, 3, 0), RK_OK);
	ck_assert_uint_eq(finished, 1);
	ck_assert_int_eq(a.topics.at[0].partitions.at[0].low_watermark, 3);
	a.topics.len = 0;
	ck_assert_int_eq(api_delete_records(&call, &q, &a), API_NOW);
	part_in.offset = 5;
	a.topics.len = 0;
	ck_assert_int_eq(api_delete_records(&call, &q, &a), API_LATER);
	pass(1001);
	ck_assert_uint_eq(finished, 2);
	ck_assert_int_eq(a.topics.at[0].partitions.at[0].error_code, rk_err_wire(RK_REQUEST_TIMED_OUT));
	rk_arena_free(&call.arena);
}
END_TEST

START_TEST(a_new_leader_does_not_tell_an_end_it_does_not_know)
{
	put(part("t", 0), batch_of(5, b.w.wall_ms));
	settle();
	partition_is(1, 0, 1, three, 3, true);
	ck_assert(core_end_unknown(part("t", 0)));
	fetch_as(2, 1, 0, 5, 1, 0);
	fetch_as(3, 1, 0, 5, 1, 0);
	ck_assert(!core_end_unknown(part("t", 0)));
}
END_TEST

START_TEST(cut_off_from_the_controllers_it_answers_no_client)
{
	struct core_partition *p = part("t", 0);
	struct core_append a = put(p, batch_of(5, b.w.wall_ms));

	settle();
	core_cut_off(b.core, true);
	ck_assert_int_eq(put(p, batch_of(1, b.w.wall_ms)).err, RK_NOT_LEADER_OR_FOLLOWER);
	ck_assert_int_eq(core_check_leader(p, -1), RK_NOT_LEADER_OR_FOLLOWER);
	fetch_as(2, 1, 0, 5, 0, 0); /* replicas are answered, and what was taken is still acknowledged */
	fetch_as(3, 1, 0, 5, 0, 0);
	ck_assert(core_acked(p, &a));
	core_cut_off(b.core, false);
	ck_assert_int_eq(put(p, batch_of(1, b.w.wall_ms)).err, RK_OK);
}
END_TEST

START_TEST(a_throttled_replica_out_of_sync_waits_its_turn)
{
	struct core_partition *p = part("t", 0);

	config_is("t", "leader.replication.throttled.replicas", "*");
	partition_is(1, 0, 1, pair, 2, false);
	for (int i = 0; i < 50; i++)
		put(p, batch_of(10, b.w.wall_ms));
	settle();
	b.core->conf->leader_replication_throttled_rate = 100; /* bytes a second */
	ck_assert_int_gt(fetch_as(3, 1, 0, 0, 0, -1).records.len, 1000); /* a burst after silence is let through */
	ck_assert_int_eq(fetch_as(3, 1, 0, 0, 0, -1).records.len, -1);
	ck_assert_int_gt(fetch_as(2, 1, 0, 0, 0, -1).records.len, 1000); /* who is in sync is never held back */
	b.w.now_ms += 20000;
	ck_assert_int_gt(fetch_as(3, 1, 0, 0, 0, -1).records.len, 1000);
}
END_TEST

/* --- coordinators */
static struct {
	enum core_lead what;
	int32_t epoch;
} told[8];
static uint32_t tellings;

static void
heard_lead(struct core_watcher *w, struct core_partition *p, enum core_lead what, int32_t epoch)
{
	(void)w;
	ck_assert(rk_str_is(p->topic->name, "__consumer_offsets"));
	told[tellings].what = what;
	told[tellings++].epoch = epoch;
}

START_TEST(coordinators_hear_what_is_won_loaded_and_lost)
{
	static struct core_watcher w = {.heard = heard_lead};

	tellings = 0;
	core_listen(b.core, &w);
	topic_of("__consumer_offsets", 5, 1, pair, 2);
	ck_assert_uint_eq(tellings, 2); /* an empty log is loaded at once */
	ck_assert_int_eq(told[0].what, CORE_WON);
	ck_assert_int_eq(told[1].what, CORE_LOADED);
	struct core_append a = {.acks = -1, .arena = &b.arena, .wall_ms = b.w.wall_ms, .own = true};
	struct rk_str batch = batch_of(1, b.w.wall_ms);
	a.at = (uint8_t *)(uintptr_t)batch.at;
	a.len = batch.len;
	core_append(part("__consumer_offsets", 0), &a);
	settle();
	partition_is(5, 0, 2, pair, 2, true);
	ck_assert_int_eq(told[2].what, CORE_LOST);
	partition_is(5, 0, 1, pair, 2, true);
	ck_assert_int_eq(told[3].what, CORE_WON);
	ck_assert_int_eq(told[3].epoch, 2);
	ck_assert_uint_eq(tellings, 4); /* the other may not have that record */
	fetch_as(2, 5, 0, 1, 2, 0);
	settle();
	ck_assert_uint_eq(tellings, 5);
	ck_assert_int_eq(told[4].what, CORE_LOADED);
	topic_gone(5);
	ck_assert_int_eq(told[5].what, CORE_LOST);
}
END_TEST

START_TEST(an_image_that_jumped_is_taken_as_a_whole)
{
	struct core *kept = b.core;
	struct meta_view v;

	put(part("t", 0), batch_of(3, b.w.wall_ms));
	settle();
	b.core = NULL; /* hears nothing for a while */
	topic_gone(1);
	topic_of("t", 7, 2, pair, 2);
	topic_of("new", 8, 3, only, 1);
	b.core = kept;
	meta_view_begin(t_image, &v);
	core_resync(b.core, &v);
	meta_view_end(&v);
	ck_assert_int_eq(core_end(part("t", 0)), 0);
	ck_assert(part("t", 1)->leads && part("new", 2)->leads);
	ck_assert_uint_eq(core_partitions_count(b.core), 5);
	ck_assert_uint_eq(core_leaders_count(b.core), 5);
	ck_assert(!is_there("t-0"));
}
END_TEST

/* The list names who leads, not who follows; who is in sync is never held back (KIP-73). */
START_TEST(a_leader_named_in_the_list_holds_those_back_that_are_not_in_sync)
{
	int64_t was = t_conf->leader_replication_throttled_rate;

	partition_is(1, 0, 1, pair, 2, true); /* 3 is not in sync */
	put(part("t", 0), batch_of(30, b.w.wall_ms));
	t_conf->leader_replication_throttled_rate = 1;
	config_is("t", "leader.replication.throttled.replicas", "0:3");
	ck_assert_int_gt(fetch_as(3, 1, 0, 0, 1, -1).records.len, 0);
	ck_assert_int_gt(fetch_as(3, 1, 0, 0, 1, -1).records.len, 0);
	config_is("t", "leader.replication.throttled.replicas", "0:1");
	ck_assert_int_gt(fetch_as(3, 1, 0, 0, 1, -1).records.len, 0); /* the rate is seen by what went out */
	ck_assert_int_le(fetch_as(3, 1, 0, 0, 1, -1).records.len, 0);
	ck_assert_int_gt(fetch_as(2, 1, 0, 0, 1, -1).records.len, 0);
	t_conf->leader_replication_throttled_rate = was;
}
END_TEST

int
main(void)
{
	const TTest *const all[] = {the_high_watermark_is_the_least_of_the_isr,
	    a_follower_reads_to_the_end_a_consumer_to_the_high_watermark,
	    who_is_no_replica_or_knows_another_epoch_is_told_so, a_log_that_went_another_way_is_told_where,
	    below_min_insync_replicas_nothing_is_taken_and_nothing_moves, who_lags_leaves_and_who_has_caught_up_joins,
	    until_the_controller_has_answered_both_isrs_count, a_fenced_broker_or_another_incarnation_does_not_join,
	    a_broker_that_died_is_told_of_until_its_session_would_end,
	    the_metadata_never_takes_back_what_the_controller_answered,
	    who_catches_up_under_a_request_that_changes_nothing_joins_after_it,
	    a_request_that_reached_nobody_is_made_again,
	    deleting_records_waits_for_the_replicas, a_new_leader_does_not_tell_an_end_it_does_not_know,
	    cut_off_from_the_controllers_it_answers_no_client,
	    a_throttled_replica_out_of_sync_waits_its_turn, coordinators_hear_what_is_won_loaded_and_lost,
	    an_image_that_jumped_is_taken_as_a_whole,
	    a_leader_named_in_the_list_holds_those_back_that_are_not_in_sync};

	return broker_claims("core_replica", all, rk_countof(all), begin, pair_end);
}
