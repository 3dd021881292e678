/* replica_help.c - see replica_help.h. */
#include "tests/replica_help.h"
#include "base/mem.h"

struct broker o;
uint32_t carried, named;
static const struct st_meta meta_2 = {
    .version = 1, .node_id = 2, .cluster_id = "abc", .directory_id = {{10}}};
static struct api_shared shared[2];

/* The one fetch of each node that may wait at the other. */
static struct flight {
	struct api_call call;
	struct kp_fetch_req req;
	struct kp_fetch_res res;
	struct core_source *source;
	bool waits, done;
} flight[2];

static int
number(const struct broker *of)
{
	return of == &b ? 0 : 1;
}

static void
start_other(void)
{
	ck_assert_int_eq(st_dir_open(&o.w.env, o.path, &meta_2, &o.dir, &o.how), RK_OK);
	o.core = core_new(&o.w.env, t_conf, &o.timers, 2, &o.dir, &o.how, 1);
	t_also = o.core;
	broker_load(o.core);
}

static void
answered(struct api_call *c)
{
	for (int i = 0; i < 2; i++)
		if (c == &flight[i].call)
			flight[i].done = true;
}

static void
share(void)
{
	shared[0] = (struct api_shared){
	    .env = &b.w.env, .conf = t_conf, .core = b.core, .timers = &b.timers, .node_id = 1};
	shared[1] = (struct api_shared){
	    .env = &o.w.env, .conf = t_conf, .core = o.core, .timers = &o.timers, .node_id = 2};
}

void
pair_begin(void)
{
	broker_begin();
	broker_world(&o, &meta_2);
	o.w.now_ms = b.w.now_ms;
	o.w.wall_ms = b.w.wall_ms;
	start_other();
	share();
	api_on_finish = answered;
	memset(flight, 0, sizeof flight);
	for (int i = 0; i < 2; i++)
		rk_arena_init(&flight[i].call.arena, 64 << 20);
	carried = 0;
	for (int32_t id = 1; id <= 3; id++)
		broker_is(id, false);
}

static void
give_up(struct flight *f)
{
	if (f->waits && !f->done) {
		f->call.gone = true;
		f->call.abandon(&f->call);
	}
	for (int32_t i = 0; f->done && i < f->res.responses.len; i++)
		for (int32_t k = 0; k < f->res.responses.at[i].partitions.len; k++)
			if (f->res.responses.at[i].partitions.at[k].records.out != NULL)
				rk_out_drop(f->res.responses.at[i].partitions.at[k].records.out);
	f->waits = f->done = false;
}

void
pair_end(void)
{
	for (int i = 0; i < 2; i++) {
		give_up(&flight[i]);
		rk_arena_free(&flight[i].call.arena);
	}
	broker_gone(&o);
	t_also = NULL;
	broker_end();
}

void
other_crash(void)
{
	give_up(&flight[1]);
	give_up(&flight[0]);
	posix_forget(&o.w);
	core_free(o.core);
	st_dir_free(o.dir);
	start_other();
	share();
	for (struct core_source *s = core_sources_walk(b.core, NULL); s != NULL; s = core_sources_walk(b.core, s))
		if (s->busy)
			core_source_fetched(s, RK_NETWORK_EXCEPTION, NULL);
}

void
other_settle(void)
{
	broker_settle(&o);
}

struct core_partition *
other(const char *topic, int32_t index)
{
	return broker_part(&o, topic, index);
}

/* File ranges become bytes, as on the wire. False: the file was cut meanwhile, and the connection broke. */
static bool
load(struct flight *f)
{
	bool good = true;

	for (int32_t i = 0; i < f->res.responses.len; i++)
		for (int32_t k = 0; k < f->res.responses.at[i].partitions.len; k++) {
			struct kp_records *r = &f->res.responses.at[i].partitions.at[k].records;
			struct rk_out *out = r->out;
			if (out == NULL) {
				r->len = -1;
				continue;
			}
			r->at = rk_arena_raw(&f->call.arena, out->bytes + 1);
			r->len = 0;
			for (uint32_t n = 0; n < out->count; n++) {
				ck_assert_int_eq(out->piece[n].kind, RK_FILE);
				good &= rk_file_read(out->piece[n].u.in.file, out->piece[n].u.in.pos, r->at + r->len,
					    out->piece[n].len)
					== RK_OK;
				r->len += (int32_t)out->piece[n].len;
			}
			rk_out_drop(out);
			r->out = NULL;
		}
	return good;
}

static bool
deliver(struct flight *f)
{
	if (!f->done)
		return false;
	f->waits = f->done = false;
	if (load(f))
		core_source_fetched(f->source, RK_OK, &f->res);
	else
		core_source_fetched(f->source, RK_NETWORK_EXCEPTION, NULL);
	return true;
}

static void
fetch(struct broker *from, struct core_source *s)
{
	struct flight *f = &flight[number(from)];
	struct api_shared *to = &shared[1 - number(from)];

	rk_arena_reset(&f->call.arena);
	struct rk_arena keep = f->call.arena;
	f->call = (struct api_call){
	    .shared = to, .now_ms = rk_now(to->env), .wall_ms = rk_wall(to->env), .arena = keep};
	f->call.head.version = 17;
	f->call.res = &f->res;
	kp_defaults(&kp_fetch_req_d, &f->req);
	kp_defaults(&kp_fetch_res_d, &f->res);
	core_source_fetch(s, 100 + from->core->node_id, &f->call.arena, &f->req);
	named = 0;
	for (int32_t i = 0; i < f->req.topics.len; i++)
		named += (uint32_t)f->req.topics.at[i].partitions.len;
	f->source = s;
	f->waits = true;
	carried++;
	enum api_fate fate = api_fetch(&f->call, &f->req, &f->res);
	ck_assert(fate == API_NOW || fate == API_LATER);
	f->done = fate == API_NOW;
}

static void
list(struct broker *from, struct core_source *s)
{
	struct api_call call = {.shared = &shared[1 - number(from)]};
	struct kp_list_offsets_req q;
	struct kp_list_offsets_res a;

	rk_arena_init(&call.arena, 16 << 20);
	kp_defaults(&kp_list_offsets_req_d, &q);
	kp_defaults(&kp_list_offsets_res_d, &a);
	call.head.version = 9;
	core_source_list(s, &call.arena, &q);
	carried++;
	ck_assert_int_eq(api_list_offsets(&call, &q, &a), API_NOW);
	core_source_listed(s, RK_OK, &a);
	rk_arena_free(&call.arena);
}

bool
carry(struct broker *from)
{
	struct flight *f = &flight[number(from)];

	if (f->waits)
		return deliver(f);
	for (struct core_source *s = core_sources_walk(from->core, NULL); s != NULL;
	     s = core_sources_walk(from->core, s)) {
		if (s->broker != (from == &b ? 2 : 1))
			continue;
		switch (core_source_next(s)) {
		case CORE_REST:
			continue;
		case CORE_FETCH:
			fetch(from, s);
			return deliver(f);
		default:
			list(from, s);
			return true;
		}
	}
	return false;
}

void
flow(void)
{
	for (int i = 0; i < 200; i++) {
		bool any = carry(&b);
		any |= carry(&o);
		settle();
		other_settle();
		if (!any && !flight[0].done && !flight[1].done)
			return;
	}
	ck_abort_msg("the two never come to rest");
}

void
both_pass(int64_t ms)
{
	for (; ms > 0; ms -= rk_min(ms, 100)) {
		int64_t step = rk_min(ms, 100);
		b.w.now_ms += step;
		b.w.wall_ms += step;
		o.w.now_ms += step;
		o.w.wall_ms += step;
		rk_timers_run(&b.timers, b.w.now_ms);
		rk_timers_run(&o.timers, o.w.now_ms);
		flow();
	}
}

struct rk_str
all_of(struct core_partition *p)
{
	struct rk_str s = {"", 0};
	struct st_log *log;

	ck_assert_int_eq(core_open(p, &log), RK_OK);
	if (log != NULL)
		ck_assert_int_eq(st_log_load(log, st_log_start(log), st_log_end(log), 64 << 20, &b.arena, &s), RK_OK);
	return s;
}

struct kp_fetch_res_responses_partitions
fetch_as(int32_t id, uint8_t topic, int32_t partition, int64_t offset, int32_t leader_epoch, int32_t last_epoch)
{
	struct kp_fetch_req_topics_partitions part = {.partition = partition,
	    .current_leader_epoch = leader_epoch,
	    .fetch_offset = offset,
	    .last_fetched_epoch = last_epoch,
	    .partition_max_bytes = 1 << 20};
	struct kp_fetch_req_topics t = {.partitions = {&part, 1}};
	struct api_call call = {.shared = &shared[0], .now_ms = b.w.now_ms, .wall_ms = b.w.wall_ms};
	struct kp_fetch_req q;
	struct kp_fetch_res a;

	rk_arena_init(&call.arena, 16 << 20);
	kp_defaults(&kp_fetch_req_d, &q);
	kp_defaults(&kp_fetch_res_d, &a);
	memset(t.topic_id.id, topic, 16);
	call.head.version = 17;
	call.res = &a;
	q.replica_state.replica_id = id;
	q.replica_state.replica_epoch = 100 + id;
	q.session_epoch = -1;
	q.max_wait_ms = 0;
	q.topics.at = &t;
	q.topics.len = 1;
	ck_assert_int_eq(api_fetch(&call, &q, &a), API_NOW);
	ck_assert_int_eq(a.responses.len, 1);
	struct kp_fetch_res_responses_partitions got = a.responses.at[0].partitions.at[0];
	int64_t bytes = got.records.out == NULL ? -1 : (int64_t)got.records.out->bytes;
	if (got.records.out != NULL)
		rk_out_drop(got.records.out);
	got.records = (struct kp_records){.len = (int32_t)bytes};
	rk_arena_free(&call.arena);
	return got;
}
