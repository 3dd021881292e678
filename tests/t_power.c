/* t_power.c - the power goes, at any moment, on a disk that keeps what was synced and what it likes
 * of the rest: a start finds every record that was stable, whole and in place, and of the others a
 * beginning; epochs, producers and aborted transactions agree with the records. One seed, one
 * history: t_power SEED runs one, loudly. */
#include "storage/log_in.h"
#include "base/mem.h"
#include "protocol/batch.h"
#include "tests/sim/world.h"

enum { SEEDS = 150, STEPS = 250, BATCHES = 4096 };

struct kept {
	int64_t base, last;
	int32_t epoch;
	struct rk_str bytes;
};
static struct sim sim;
static struct sim_disk *disk;
static struct sim_world w;
static struct st_dir *dir;
static struct st_dir_opened how;
static struct st_log *lg;
static struct st_rules rules;
static struct rk_arena arena;
static struct kept model[BATCHES];
static uint32_t count;
static int64_t floor_of; /* what has been promised */
static int32_t epoch, sequence[4];
static bool in_txn[4], forgot; /* forgot: retention took records that producers are known from */
static bool loud, faulty;      /* faulty: the disk is full at times, and fails at times */
static const struct st_meta meta = {.version = 1, .node_id = 1, .cluster_id = "x"};

static void
say(void *arg, enum rk_level level, const char *line)
{
	(void)arg;
	if (loud)
		fprintf(stderr, "    %d %s\n", (int)level, line);
}

static int64_t
below(int64_t n)
{
	return sim_below(&sim, n);
}

static int64_t
model_end(void)
{
	return count == 0 ? 0 : model[count - 1].last + 1;
}

static void
must(enum rk_err err)
{
	rk_assert(err == RK_OK);
}

/* --- what is done to the log */
static struct rk_str
some_batch(void)
{
	static char value[3000];
	struct kp_build b;
	uint8_t key[4], end[6];
	int64_t kind = below(10), who = below(4);
	int64_t ms = w.env.world->wall_ms(&w.env) + below(5);

	if (kind < 5) {
		kp_build_start(&b, &arena, 0, 0, ms);
		for (int64_t n = below(5); n >= 0; n--)
			kp_build_add(&b, ms, RK_STR_NULL,
			    (struct rk_str){value, (int32_t)below(sizeof value)});
		return kp_build_end(&b, 0, -1, -1, -1);
	}
	if (kind < 9 || !in_txn[who]) {
		bool txn = who < 2;
		kp_build_start(&b, &arena, 0, txn ? KP_ATTR_TXN : 0, ms);
		kp_build_add(&b, ms, RK_STR_NULL, (struct rk_str){value, 10});
		in_txn[who] |= txn;
		return kp_build_end(&b, 0, who, 0, sequence[who]++);
	}
	rk_put16(key, 0);
	rk_put16(key + 2, (uint16_t)below(2));
	rk_put16(end, 0);
	rk_put32(end + 2, 0);
	kp_build_start(&b, &arena, 0, KP_ATTR_TXN | KP_ATTR_CONTROL, ms);
	kp_build_add(&b, ms, (struct rk_str){(char *)key, 4}, (struct rk_str){(char *)end, 6});
	in_txn[who] = false;
	return kp_build_end(&b, 0, who, 0, -1);
}

static void drop_from(int64_t offset);

static void
append(void)
{
	struct st_appended a;

	if (count == BATCHES)
		return;
	epoch += below(20) == 0;
	struct rk_str b = some_batch();
	enum rk_err err = st_log_append(lg, (uint8_t *)(uintptr_t)b.at, (uint32_t)b.len, epoch,
	    w.env.world->wall_ms(&w.env), &a);
	if (err != RK_OK) { /* nothing was appended */
		rk_assert(faulty && (st_log_broken(lg) || st_log_end(lg) == model_end()));
		drop_from(model_end());
		return;
	}
	rk_assert(a.first == model_end());
	model[count++] = (struct kept){a.first, a.last, epoch, b};
}

/* The producers' next sequences, and open transactions, as the model says. */
static struct st_producers *
reference(void)
{
	struct st_producers *t = st_producers_new();

	memset(in_txn, 0, sizeof in_txn);
	memset(sequence, 0, sizeof sequence);
	for (uint32_t i = 0; i < count; i++) {
		const char *b = model[i].bytes.at;
		st_producers_note(t, b, (size_t)model[i].bytes.len, NULL);
		int64_t id = kp_batch_producer(b);
		if (id >= 0 && (kp_batch_attr(b) & KP_ATTR_CONTROL) == 0)
			sequence[id] = kp_batch_sequence(b) + 1;
	}
	for (int64_t id = 0; id < 4; id++)
		in_txn[id] =
		    st_producers_get(t, id) != NULL && st_producers_get(t, id)->txn_first >= 0;
	return t;
}

static void
drop_from(int64_t offset)
{
	while (count > 0 && model[count - 1].last >= offset)
		count--;
	st_producers_free(reference());
}

static void
truncate_some(void)
{
	if (count < 2)
		return;
	uint32_t i = count - 1 - (uint32_t)below(rk_min(count - 1, 8));
	int64_t to = model[i].base;
	if (to < st_log_start(lg))
		return;
	enum rk_err err = st_log_truncate(lg, to);
	if (err != RK_OK) { /* it is broken, and ends somewhere from there on */
		rk_assert(faulty && st_log_broken(lg) && st_log_stable(lg) <= to);
		return;
	}
	drop_from(to);
	epoch++;
	rk_assert(st_log_stable(lg) == to);
}

/* --- what must be true */
static void
check_producers(void)
{
	struct st_producers *t = reference(), *have = st_log_producers(lg);

	rk_assert(have != NULL);
	for (int64_t id = 0; id < 4 && !forgot; id++) {
		const struct st_producer *p = st_producers_get(t, id),
					 *q = st_producers_get(have, id);
		rk_assert((p == NULL) == (q == NULL));
		if (p == NULL)
			continue;
		rk_assert(p->txn_first == q->txn_first && (p->count > 0) == (q->count > 0));
		for (uint32_t i = 1; i <= p->count && i <= q->count; i++)
			rk_assert(
			    p->batch[p->count - i].last_offset == q->batch[q->count - i].last_offset
			    && p->batch[p->count - i].first_seq
				   == q->batch[q->count - i].first_seq);
		/* Of what was stable, each of the last five; of what is there by luck, at least the
		 * last. */
		for (uint32_t i = 0; i < p->count; i++)
			rk_assert(p->batch[i].last_offset >= floor_of || i + q->count >= p->count);
	}
	st_producers_free(t);
}

static void
check_aborted(void)
{
	struct st_producers *t = st_producers_new();
	struct st_aborted *got;
	struct rk_arena a;
	uint32_t n, at = 0;

	rk_arena_init(&a, 1 << 24);
	must(st_log_aborted(lg, st_log_start(lg), model_end(), &a, &got, &n));
	for (uint32_t i = 0; i < count; i++) {
		struct st_ended e;
		if (!st_producers_note(t, model[i].bytes.at, (size_t)model[i].bytes.len, &e)
		    || !e.aborted)
			continue;
		if (e.last < st_log_start(lg))
			continue;
		while (at < n && got[at].last < e.last)
			at++;
		rk_assert(forgot
			  || (at < n && got[at].first == e.first && got[at].last == e.last
			      && got[at].producer_id == e.producer_id));
	}
	for (uint32_t i = 1; i < n; i++)
		rk_assert(got[i].last > got[i - 1].last);
	st_producers_free(t);
	rk_arena_free(&a);
}

static void
check_records(void)
{
	struct rk_arena a;
	struct rk_str got;

	rk_arena_init(&a, 1 << 24);
	for (uint32_t i = 0; i < count; i++) {
		if (model[i].base < st_log_start(lg))
			continue;
		must(st_log_load(lg, model[i].base, model_end(), 1, &a, &got));
		rk_assert(got.len == model[i].bytes.len
			  && memcmp(got.at, model[i].bytes.at, (size_t)got.len) == 0);
		rk_assert(st_log_epoch_at(lg, model[i].base) == model[i].epoch);
		rk_arena_reset(&a);
	}
	rk_arena_free(&a);
}

/* --- life and death */
static void
set_faults(bool on)
{
	struct sim_faults *f = sim_disk_faults(disk);

	f->sync_eio = on && faulty ? 10000 : 0;
	f->write_eio = on && faulty ? 2000 : 0;
	f->space_bytes = 0;
}

static void
start(void)
{
	set_faults(false);
	if (faulty && below(3) == 0)
		sim_disk_faults(disk)->space_bytes = sim_disk_used(disk) + below(1000);
	must(st_dir_open(&w.env, "/d", &meta, &dir, &how));
	enum rk_err err = st_log_open(dir, rk_lit("t"), 0, how.clean, &rules, &lg);
	if (err == RK_NO_SPACE && faulty) { /* then not now */
		sim_disk_faults(disk)->space_bytes = 0;
		err = st_log_open(dir, rk_lit("t"), 0, how.clean, &rules, &lg);
	}
	if (err == RK_NOT_FOUND) {
		rk_assert(floor_of == 0);
		sim_disk_faults(disk)->space_bytes = 0;
		must(st_log_create(dir, rk_lit("t"), 0, (struct rk_uuid){{1}}, &rules, &lg));
	} else {
		must(err);
	}
	int64_t end = st_log_end(lg);
	rk_assert(end >= floor_of && end <= model_end());
	drop_from(end);
	rk_assert(model_end() == end || st_log_start(lg) == end);
	rk_assert(st_log_warm(lg) == RK_OK);
	check_records();
	check_producers();
	check_aborted();
	floor_of = st_log_stable(lg);
	set_faults(true);
}

/* What the process had not synced is in the cache still, until the power goes in a later life. */
static void
killed(void)
{
	floor_of = st_log_stable(lg);
	sim_world_crash(&w, true);
	st_log_free(lg);
	st_dir_free(dir);
	sim_world_begin(&w, &sim);
	start();
}

static void
power_goes(void)
{
	floor_of = lg == NULL ? floor_of : st_log_stable(lg);
	sim_world_crash(&w, true);
	st_log_free(lg);
	st_dir_free(dir);
	sim_disk_crash(disk);
	sim_world_begin(&w, &sim);
	start();
}

static void
stop(void)
{
	while (st_log_stable(lg) < st_log_end(lg)) {
		st_log_sync(lg);
		rk_assert(sim_run(&sim, INT64_MAX));
	}
	must(st_dir_save(dir));
	must(st_log_close(lg));
	must(st_dir_mark_clean(dir, 1));
	floor_of = model_end();
	while (sim_run(&sim, INT64_MAX))
		;
	st_dir_close(dir);
	lg = NULL;
	if (below(2) == 0) { /* the power goes after the stop */
		sim_world_crash(&w, true);
		sim_disk_crash(disk);
		sim_world_begin(&w, &sim);
	}
	start();
	rk_assert(how.clean);
}

static void
retain(void)
{
	rules.delete_old = true;
	rules.retention_bytes = 20000;
	int64_t before = st_log_start(lg);
	st_log_clean(lg, st_log_stable(lg), w.env.world->wall_ms(&w.env));
	rules.retention_bytes = -1;
	forgot |= st_log_start(lg) > before;
}

static void
step(void)
{
	int64_t what = below(200);

	for (uint32_t i = 0; loud && getenv("ROW") != NULL && lg->hot != NULL && i < lg->hot->count;
	     i++)
		fprintf(stderr, "   %" PRId64 ":%" PRIu32 "%s%s", lg->hot->seg[i].base,
		    lg->hot->seg[i].bytes, lg->hot->seg[i].dirty ? "d" : "",
		    lg->hot->seg[i].closing ? "c" : "");
	if (loud)
		fprintf(stderr, "%3d: end %" PRId64 " stable %" PRId64 " point %" PRId64 "\n",
		    (int)what, st_log_end(lg), st_log_stable(lg), st_log_recovery_point(lg));

	if (what < 120)
		append();
	else if (what < 145)
		st_log_sync(lg);
	else if (what < 180)
		sim_run(&sim, sim.now_us + 10000000);
	else if (what < 186)
		rk_assert(st_dir_save(dir) == RK_OK || faulty);
	else if (faulty && what > 196)
		sim_disk_faults(disk)->space_bytes = sim_disk_used(disk) + below(30000);
	else if (faulty && what > 194)
		sim_disk_faults(disk)->space_bytes = 0;
	else if (what < 188)
		truncate_some();
	else if (what < 190)
		st_log_cool(lg);
	else if (what < 192)
		retain();
	else if (what < 194 && faulty)
		power_goes();
	else if (what < 194)
		stop();
	else if (what < 197)
		power_goes();
	else if (what < 199)
		killed();
	else
		check_records();
}

static void
tick(void *node, int64_t now_ms)
{
	(void)node;
	(void)now_ms;
}

static void
flush(void *node)
{
	(void)node;
}

static void
history(uint64_t seed)
{
	static const struct sim_hooks none = {.tick = tick, .flush = flush};

	count = 0;
	floor_of = 0;
	epoch = 0;
	forgot = false;
	faulty = seed % 3 == 0;
	lg = NULL;
	memset(in_txn, 0, sizeof in_txn);
	memset(sequence, 0, sizeof sequence);
	rk_arena_init(&arena, 1 << 28);
	sim_start(&sim, seed);
	disk = sim_disk_new(&sim);
	sim_disk_faults(disk)->torn = 300000;
	sim_world_init(&w, &sim, disk, NULL, &none);
	w.folders = seed % 2 == 0;
	sim_world_begin(&w, &sim);
	rules = (struct st_rules){.segment_bytes = 4000 + below(60000),
	    .segment_ms = INT64_MAX / 2,
	    .segment_index_bytes = 1 << 20,
	    .index_interval_bytes = below(3) * 1000,
	    .retention_bytes = -1,
	    .retention_ms = -1,
	    .flush_messages = INT64_MAX,
	    .flush_ms = INT64_MAX,
	    .preallocate = below(4) == 0};
	must(rk_dir_make(&w.env, "/d"));
	must(rk_dir_sync(&w.env, "/"));
	start();
	for (uint32_t i = 0; i < STEPS; i++) {
		step();
		if (st_log_broken(lg)) {
			rk_assert(faulty);
			power_goes();
		}
	}
	power_goes();
	sim_world_crash(&w, true);
	st_log_free(lg);
	st_dir_free(dir);
	sim_end(&sim);
	sim_disk_free(disk);
	rk_arena_free(&arena);
}

int
main(int argc, char **argv)
{
	uint64_t from = argc > 1 ? strtoull(argv[1], NULL, 10) : 1,
		 n = argc > 2   ? strtoull(argv[2], NULL, 10)
		     : argc > 1 ? 1
				: SEEDS;

	loud = argc == 2;
	rk_say_to(say, NULL, RK_TRACE);
	for (uint64_t seed = from; seed < from + n; seed++) {
		rk_event("seed", (int64_t)seed, 0);
		history(seed);
	}
	return 0;
}
