/* t_api_data.c - claims about Produce and Fetch as handlers: who waits, for what, and what they are
 * told. */
#include "protocol/gen/fetch.h"
#include "protocol/gen/produce.h"
#include "src/api/handlers.h"
#include "tests/core_help.h"

static struct api_shared shared;
static struct api_call call, other;
static struct kp_fetch_req fq;
static struct kp_fetch_res fr, fr2;
static struct kp_fetch_req_topics ft;
static struct kp_fetch_req_topics_partitions fp[2];
static struct kp_produce_req pq;
static struct kp_produce_res pres;
static struct kp_produce_req_topic_data pt;
static struct kp_produce_req_topic_data_partition_data pp[2];
static uint32_t finished;

static void
heard_finish(struct api_call *c)
{
	ck_assert(c == &call || c == &other);
	finished++;
}

static void
open_call(struct api_call *c, int16_t version)
{
	*c = (struct api_call){.shared = &shared, .now_ms = b.w.now_ms, .wall_ms = b.w.wall_ms};
	c->head.version = version;
	c->head.client_id = rk_lit("test");
	rk_arena_init(&c->arena, 64 << 20);
}

static void
fetch_of(int16_t version)
{
	rk_arena_free(&call.arena);
	open_call(&call, version);
	kp_defaults(&kp_fetch_req_d, &fq);
	kp_defaults(&kp_fetch_res_d, &fr);
	call.res = &fr;
	fq.max_wait_ms = 500;
	fq.min_bytes = 1;
	fq.max_bytes = 1 << 20;
	fq.replica_id = fq.replica_state.replica_id = -1;
	fq.session_epoch = -1;
	fq.topics.at = &ft;
	fq.topics.len = 1;
	ft.topic = rk_lit("t");
	memset(ft.topic_id.id, 1, 16);
	ft.partitions.at = fp;
	ft.partitions.len = 2;
	for (int32_t i = 0; i < 2; i++)
		fp[i] = (struct kp_fetch_req_topics_partitions){.partition = i,
		    .current_leader_epoch = -1,
		    .last_fetched_epoch = -1,
		    .partition_max_bytes = 1 << 20};
	finished = 0;
}

static void
begin(void)
{
	broker_begin();
	topic_is("t", 1, 2);
	shared = (struct api_shared){
	    .env = &b.w.env, .conf = t_conf, .core = b.core, .timers = &b.timers, .node_id = 1};
	api_on_finish = heard_finish;
	open_call(&call, 12);
	open_call(&other, 12);
	fetch_of(12);
}

static void
drop_files(struct kp_fetch_res *r)
{
	for (int32_t i = 0; i < r->responses.len; i++)
		for (int32_t k = 0; k < r->responses.at[i].partitions.len; k++)
			if (r->responses.at[i].partitions.at[k].records.out != NULL)
				rk_out_drop(r->responses.at[i].partitions.at[k].records.out);
	r->responses.len = 0;
}

static void
end(void)
{
	drop_files(&fr);
	drop_files(&fr2);
	if (call.abandon != NULL) {
		call.gone = true;
		call.abandon(&call);
	}
	broker_end();
	rk_arena_free(&call.arena);
	rk_arena_free(&other.arena);
}

static const struct kp_fetch_res_responses_partitions *
got(int32_t i)
{
	ck_assert_int_eq(fr.responses.len, 1);
	ck_assert_int_lt(i, fr.responses.at[0].partitions.len);
	return &fr.responses.at[0].partitions.at[i];
}

static uint64_t
bytes(int32_t i)
{
	return got(i)->records.out == NULL ? 0 : got(i)->records.out->bytes;
}

START_TEST(a_session_id_that_cannot_be_fails_the_request_as_it_stands)
{
	fq.session_id = INT32_MAX;
	fp[1].partition = 0; /* named twice, answered twice */
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_NOW);
	ck_assert_int_eq(fr.error_code, rk_err_wire(RK_UNKNOWN_SERVER_ERROR));
	ck_assert_int_eq(fr.session_id, INT32_MAX);
	ck_assert_int_eq(got(0)->error_code, rk_err_wire(RK_UNKNOWN_SERVER_ERROR));
	ck_assert_int_eq(got(1)->partition_index, 0);
}
END_TEST

START_TEST(a_fetch_of_nothing_waits_until_its_time_is_over)
{
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_LATER);
	pass(499);
	ck_assert_uint_eq(finished, 0);
	pass(1);
	ck_assert_uint_eq(finished, 1);
	ck_assert_int_eq(got(0)->error_code, 0);
	ck_assert_int_eq(got(0)->high_watermark, 0);
	ck_assert_uint_eq(bytes(0), 0);
	ck_assert_uint_eq(b.timers.count <= 3, 1);
}
END_TEST

START_TEST(a_waiting_fetch_wakes_when_its_records_are_stable)
{
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_LATER);
	struct rk_str s = batch_of(3, b.w.wall_ms);
	put(part("t", 1), s);
	ck_assert_uint_eq(finished, 0);
	settle();
	ck_assert_uint_eq(finished, 1);
	ck_assert_uint_eq(bytes(0), 0);
	ck_assert_uint_eq(bytes(1), (uint64_t)s.len);
	ck_assert_int_eq(got(1)->high_watermark, 3);
	ck_assert(rk_list_empty(&part("t", 0)->fetches));
}
END_TEST

START_TEST(a_fetch_waits_for_as_many_bytes_as_it_asked_for)
{
	struct rk_str s = batch_of(3, b.w.wall_ms);

	fq.min_bytes = s.len * 2;
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_LATER);
	put(part("t", 0), s);
	settle();
	ck_assert_uint_eq(finished, 0);
	put(part("t", 1), s);
	settle();
	ck_assert_uint_eq(finished, 1);
	ck_assert_uint_eq(bytes(0) + bytes(1), 2 * (uint64_t)s.len);
}
END_TEST

START_TEST(an_error_never_waits)
{
	fp[1].partition = 9;
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_NOW);
	ck_assert_int_eq(got(1)->error_code, rk_err_wire(RK_UNKNOWN_TOPIC_OR_PARTITION));
	fetch_of(13);
	ft.topic_id.id[3] = 77;
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_NOW);
	ck_assert_int_eq(got(0)->error_code, rk_err_wire(RK_UNKNOWN_TOPIC_ID));
	fetch_of(12);
	fp[0].fetch_offset = 5;
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_NOW);
	ck_assert_int_eq(got(0)->error_code, rk_err_wire(RK_OFFSET_OUT_OF_RANGE));
}
END_TEST

START_TEST(only_the_first_batch_may_be_larger_than_asked_for)
{
	struct rk_str s = batch_of(3, b.w.wall_ms);

	put(part("t", 0), s);
	put(part("t", 1), s);
	settle();
	fq.max_bytes = 1;
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_NOW);
	ck_assert_uint_eq(bytes(0), (uint64_t)s.len);
	ck_assert_uint_eq(bytes(1), 0);
	ck_assert_int_eq(got(1)->high_watermark, 3);
}
END_TEST

START_TEST(a_deleted_topic_ends_the_wait)
{
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_LATER);
	topic_gone(1);
	ck_assert_uint_eq(finished, 1);
	ck_assert_int_eq(got(0)->error_code, rk_err_wire(RK_UNKNOWN_TOPIC_OR_PARTITION));
}
END_TEST

START_TEST(a_lost_connection_leaves_no_wait_behind)
{
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_LATER);
	call.gone = true;
	call.abandon(&call);
	ck_assert_uint_eq(finished, 1);
	ck_assert(rk_list_empty(&part("t", 0)->fetches));
	ck_assert(rk_list_empty(&part("t", 1)->fetches));
	fr.responses.len = 0;
}
END_TEST

START_TEST(a_session_tells_only_what_is_new)
{
	fq.session_epoch = 0;
	fq.max_wait_ms = 0;
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_NOW);
	int32_t id = fr.session_id;
	ck_assert_int_ne(id, 0);
	ck_assert_int_eq(fr.responses.at[0].partitions.len, 2);
	fetch_of(12);
	fq.session_id = id;
	fq.session_epoch = 1;
	fq.topics.len = 0;
	fq.max_wait_ms = 0;
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_NOW);
	ck_assert_int_eq(fr.responses.len, 0);
	put(part("t", 1), batch_of(3, b.w.wall_ms));
	settle();
	fq.session_epoch = 2;
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_NOW);
	ck_assert_int_eq(fr.responses.len, 1);
	ck_assert_int_eq(fr.responses.at[0].partitions.len, 1);
	ck_assert_int_eq(got(0)->partition_index, 1);
	ck_assert_uint_gt(bytes(0), 0);
	drop_files(&fr);
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_NOW); /* the same epoch again */
	ck_assert_int_eq(fr.error_code, rk_err_wire(RK_INVALID_FETCH_SESSION_EPOCH));
	fq.session_id = id ^ 1;
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_NOW);
	ck_assert_int_eq(fr.error_code, rk_err_wire(RK_FETCH_SESSION_ID_NOT_FOUND));
}
END_TEST

START_TEST(a_session_outlives_its_eviction_while_somebody_waits)
{
	fq.session_epoch = 0;
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_LATER);
	struct core_session *s = core_session_get(b.core, fr.session_id);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->refs, 2);
	core_session_remove(b.core, s);
	ck_assert_ptr_null(core_session_get(b.core, fr.session_id));
	pass(500);
	ck_assert_uint_eq(finished, 1);
	ck_assert_str_eq(fr.responses.at[0].topic.at, "t");
}
END_TEST

START_TEST(the_cache_of_sessions_has_its_size)
{
	uint32_t slots = (uint32_t)t_conf->max_incremental_fetch_session_cache_slots;

	for (uint32_t i = 0; i < slots; i++)
		ck_assert_ptr_nonnull(core_session_new(b.core, true, 1, b.w.now_ms));
	ck_assert_ptr_null(core_session_new(b.core, true, 1, b.w.now_ms));
	ck_assert_ptr_nonnull(core_session_new(b.core, true, 1, b.w.now_ms + 120001));
	ck_assert_uint_eq(b.core->sessions.count, slots);
	ck_assert_uint_eq(b.core->sessions.evicted, 1);
	fq.session_epoch = 0;
	fq.max_wait_ms = 0;
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_NOW);
	ck_assert_int_eq(fr.session_id, 0); /* no room: served without */
	ck_assert_int_eq(fr.responses.len, 1);
}
END_TEST

static void
produce_of(struct api_call *c, int16_t acks)
{
	struct rk_str s = batch_of(3, b.w.wall_ms);

	open_call(c, 9);
	c->res = &pres;
	kp_defaults(&kp_produce_req_d, &pq);
	kp_defaults(&kp_produce_res_d, &pres);
	pq.acks = acks;
	pq.timeout_ms = 1000;
	pq.topic_data.at = &pt;
	pq.topic_data.len = 1;
	pt.name = rk_lit("t");
	pt.partition_data.at = pp;
	pt.partition_data.len = 2;
	for (int32_t i = 0; i < 2; i++) {
		pp[i].index = i;
		pp[i].records =
		    (struct kp_records){.at = rk_arena_raw(&b.arena, (size_t)s.len), .len = s.len};
		memcpy(pp[i].records.at, s.at, (size_t)s.len);
	}
	finished = 0;
}

static const struct kp_produce_res_responses_partition_responses *
answered(int32_t i)
{
	ck_assert_int_eq(pres.responses.len, 1);
	ck_assert_int_lt(i, pres.responses.at[0].partition_responses.len);
	return &pres.responses.at[0].partition_responses.at[i];
}

START_TEST(acks_all_is_answered_once_when_every_partition_is_stable)
{
	produce_of(&other, -1);
	ck_assert_int_eq(api_produce(&other, &pq, &pres), API_LATER);
	ck_assert_uint_eq(finished, 0);
	settle();
	ck_assert_uint_eq(finished, 1);
	for (int32_t i = 0; i < 2; i++) {
		ck_assert_int_eq(answered(i)->error_code, 0);
		ck_assert_int_eq(answered(i)->base_offset, 0);
	}
}
END_TEST

START_TEST(acks_1_and_0_do_not_wait)
{
	produce_of(&other, 1);
	ck_assert_int_eq(api_produce(&other, &pq, &pres), API_NOW);
	ck_assert_int_eq(answered(1)->base_offset, 0);
	rk_arena_free(&other.arena);
	produce_of(&other, 0);
	ck_assert_int_eq(api_produce(&other, &pq, &pres), API_SILENT);
	ck_assert_int_eq(core_end(part("t", 0)), 6);
	rk_arena_free(&other.arena);
	produce_of(&other, 0);
	pp[0].records.len -= 4;
	ck_assert_int_eq(api_produce(&other, &pq, &pres), API_CLOSE);
}
END_TEST

START_TEST(a_sync_that_never_comes_back_times_out)
{
	produce_of(&other, -1);
	ck_assert_int_eq(api_produce(&other, &pq, &pres), API_LATER);
	b.w.now_ms += 1000;
	rk_timers_run(&b.timers, b.w.now_ms);
	ck_assert_uint_eq(finished, 1);
	ck_assert_int_eq(answered(0)->error_code, rk_err_wire(RK_REQUEST_TIMED_OUT));
	ck_assert_int_eq(answered(0)->base_offset, 0);
	ck_assert(rk_list_empty(&part("t", 0)->acks));
}
END_TEST

START_TEST(a_partition_named_twice_is_appended_to_once)
{
	produce_of(&other, 1);
	pp[1].index = 0;
	ck_assert_int_eq(api_produce(&other, &pq, &pres), API_NOW);
	ck_assert_int_eq(pres.responses.at[0].partition_responses.len, 1);
	ck_assert_int_eq(core_end(part("t", 0)), 3);
}
END_TEST

START_TEST(what_cannot_be_a_batch_fails_the_whole_request)
{
	produce_of(&other, -1);
	pp[1].records.at[16] = 3;
	ck_assert_int_eq(api_produce(&other, &pq, &pres), API_NOW);
	ck_assert_int_eq(answered(0)->error_code, rk_err_wire(RK_CORRUPT_MESSAGE));
	ck_assert_str_eq(answered(0)->error_message.at, "Invalid magic found in record: 3");
	ck_assert_int_eq(core_end(part("t", 0)), 0);
}
END_TEST

START_TEST(an_idle_consumer_costs_little)
{
	fq.session_epoch = 0;
	ck_assert_int_eq(api_fetch(&call, &fq, &fr), API_LATER);
	ck_assert_uint_le(call.arena.used, 4096);
	ck_assert_uint_le(sizeof(struct core_session) + 2 * sizeof(struct core_session_part), 1024);
}
END_TEST

int
main(void)
{
	const TTest *const all[] = {a_session_id_that_cannot_be_fails_the_request_as_it_stands,
	    a_fetch_of_nothing_waits_until_its_time_is_over,
	    a_waiting_fetch_wakes_when_its_records_are_stable,
	    a_fetch_waits_for_as_many_bytes_as_it_asked_for, an_error_never_waits,
	    only_the_first_batch_may_be_larger_than_asked_for, a_deleted_topic_ends_the_wait,
	    a_lost_connection_leaves_no_wait_behind, a_session_tells_only_what_is_new,
	    a_session_outlives_its_eviction_while_somebody_waits,
	    the_cache_of_sessions_has_its_size,
	    acks_all_is_answered_once_when_every_partition_is_stable, acks_1_and_0_do_not_wait,
	    a_sync_that_never_comes_back_times_out, a_partition_named_twice_is_appended_to_once,
	    what_cannot_be_a_batch_fails_the_whole_request, an_idle_consumer_costs_little};

	return broker_claims("api_data", all, rk_countof(all), begin, end);
}
