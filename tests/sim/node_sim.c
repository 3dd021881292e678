/* node_sim.c - a whole node, as it ships, in the simulator's world.
 *
 *	node_sim [--compact] [--seeds A-B] [--say] [--quiet]
 *
 * A client produces with acks=all while the node lives; the node dies of power cuts, kill -9, clean stops and
 * failing disks, and starts again. The promise that is checked at the start of every life: each record
 * that was acknowledged is where the answer said, as it was sent; what is read is sound and without a gap.
 * With --compact the topic is a compacted one of 300 keys and small segments, whose cleaner never rests: after
 * every death the last acknowledged record of each key is there, or a newer one, each at the offset of its answer.
 * Metadata's tables are LMDB's own files in a real scratch folder; all else is the world's. */
#include "tests/sim/mlog_sim.h"
#include "tests/sim/whole.h"
#include "tests/sim/world.h"
#include "base/mem.h"
#include "base/say.h"
#include "protocol/batch.h"
#include "protocol/gen/alter_replica_log_dirs.h"
#include "protocol/gen/create_topics.h"
#include "protocol/gen/fetch.h"
#include "protocol/gen/init_producer_id.h"
#include "protocol/gen/produce.h"
#include "src/config.h"
#include "src/node/node.h"

enum { SECOND = 1000000, PARTITIONS = 3, IN_FLIGHT = 5, LIVES = 6, CHECK_SEEDS = 15, COMPACT_SEEDS = 3, KEYS = 300 };
enum { PRODUCE = 0, FETCH = 1, CREATE_TOPICS = 19, INIT_PRODUCER_ID = 22, ALTER_REPLICA_LOG_DIRS = 34 };
enum { EXISTS = 36 }; /* TOPIC_ALREADY_EXISTS */
enum { PRODUCE_V = 12, FETCH_V = 12, CREATE_V = 7, INIT_V = 4, ALTER_V = 2 };
enum { DUPLICATE_SEQUENCE = 46 };

struct op { /* one produced batch */
	int32_t partition, count, seq;
	int64_t base;     /* -1: not acknowledged; -2: acknowledged as a duplicate, no word of where */
	int64_t ms;
	uint64_t seed;    /* of its values */
	uint64_t hash;    /* of its records' bytes */
};

struct rig {
	struct sim sim;
	struct sim_world w;
	struct sim_disk *disk;
	struct sim_mdisk *mdisk;
	struct conf *conf;
	struct rk_arena conf_arena, arena;
	struct node *node;
	struct sim_client client;
	char root[64], dir[2][80];
	uint32_t dirs;
	struct op *op;
	uint32_t ops, op_cap, in_flight, acked;
	struct sim_known known;  /* ops by hash */
	int64_t producer;        /* -1: an ordinary one; else idempotent: what is lost is sent again */
	int16_t producer_epoch;
	int32_t seq[PARTITIONS];
	bool stuck[PARTITIONS];  /* an error came: what follows would be out of order in this life */
	bool retrying;
	uint32_t again;          /* batches sent again */
	int64_t last[PARTITIONS][KEYS]; /* of a compacted topic: where the last record of each key that was read is */
	uint32_t holes;          /* that compaction left */
	uint32_t topics;         /* further ones that were acknowledged: x0, x1, ... */
	int32_t waits_for;     /* correlation id of a call; its answer is put here */
	uint8_t *answer;
	uint32_t answer_len;
	bool producing, stopped, lies, doomed;
	char failure[256];
};

static bool say_all, compact;
static uint32_t holes;           /* of all seeds */

static void
fail(struct rig *g, const char *fmt, ...)
{
	va_list ap;

	if (g->failure[0] != 0)
		return;
	va_start(ap, fmt);
	vsnprintf(g->failure, sizeof g->failure, fmt, ap);
	va_end(ap);
}

static void
say(void *arg, enum rk_level level, const char *line)
{
	struct rig *g = arg;

	/* The worst moment for the power to go. */
	if (strstr(line, "Metadata snapshot at") != NULL && g->producing && sim_chance(&g->sim, 300000))
		g->doomed = true;
	if (say_all)
		printf("%9.3f %d %s\n", (double)g->sim.now_us / 1e6, level, line);
}

/* --- the node through the world's eyes */

static void
h_opened(void *n, struct rk_conn *c, uint32_t listener)
{
	node_opened(n, c, listener);
}

static void
h_frame(void *n, struct rk_conn *c, void *frame, uint32_t len)
{
	node_frame(n, c, frame, len);
}

static void
h_sent(void *n, struct rk_conn *c)
{
	node_sent(n, c);
}

static void
h_gone(void *n, struct rk_conn *c)
{
	node_gone(n, c);
}

static void
h_tick(void *n, int64_t now_ms)
{
	node_tick(n, now_ms);
}

static void
h_flush(void *n)
{
	node_flush(n);
}

static const struct sim_hooks hooks = { h_opened, h_frame, h_sent, h_gone, h_tick, h_flush, NULL };

/* Runs until the condition holds; false: it did not within so long. */
#define until(g, us, condition)                                                                    \
	({                                                                                         \
		int64_t stop_us_ = (g)->sim.now_us + (us);                                         \
		while (!(condition) && sim_run(&(g)->sim, stop_us_))                               \
			;                                                                          \
		(condition);                                                                       \
	})

/* --- requests */

/* Sends and waits for the answer, decoded into res (borrowed from g->answer and the arena). */
static bool
call(struct rig *g, int16_t key, int16_t version, const void *req, void *res)
{
	rk_mem_put(g->answer);
	g->answer = NULL;
	g->waits_for = 1;
	sim_client_ask(&g->client, key, version, 1, req);
	if (!until(g, 30 * SECOND, g->answer != NULL || g->client.link == NULL || g->doomed
	    || node_failed(g->node)) || g->answer == NULL)
		return false;
	rk_arena_reset(&g->arena);
	/* correlation id and the empty tag section */
	return kp_read(kp_api(key)->res, version, g->answer + 5, g->answer_len - 5, &g->arena, res, NULL) == RK_OK;
}

/* --- batches */

static struct rk_str
batch_of(const struct rig *g, const struct op *op, struct rk_arena *a)
{
	const struct sim_batch b = { .seed = op->seed, .count = op->count, .value_max = 400, .seq = op->seq, .ms = op->ms,
		.producer = g->producer, .epoch = g->producer_epoch, .keys = compact ? KEYS : 0 };

	return sim_batch_make(&b, a);
}

static void
send_op(struct rig *g, uint32_t i)
{
	struct kp_produce_req q;
	struct kp_produce_req_topic_data topic = { .name = rk_lit("t") };
	struct kp_produce_req_topic_data_partition_data part;
	struct rk_arena a;

	rk_arena_init(&a, SIZE_MAX);
	struct rk_str bytes = batch_of(g, &g->op[i], &a);
	if (g->op[i].hash == 0) {
		g->op[i].hash = sim_batch_hash((const uint8_t *)bytes.at);
		sim_known_add(&g->known, compact ? g->op[i].seed : g->op[i].hash, i);
	}
	kp_defaults(&kp_produce_req_d, &q);
	q.acks = -1;
	q.timeout_ms = 30000;
	part = (struct kp_produce_req_topic_data_partition_data){ g->op[i].partition,
		{ (uint8_t *)(uintptr_t)bytes.at, bytes.len, NULL } };
	topic.partition_data.at = &part;
	topic.partition_data.len = 1;
	q.topic_data.at = &topic;
	q.topic_data.len = 1;
	sim_client_ask(&g->client, PRODUCE, PRODUCE_V, 100 + (int32_t)i, &q);
	g->in_flight++;
	rk_arena_free(&a);
}

static void
produce_one(struct rig *g)
{
	struct op *op = rk_mem_room((void **)&g->op, g->ops, &g->op_cap, sizeof *op);
	int32_t p = (int32_t)sim_below(&g->sim, PARTITIONS), count = 1 + (int32_t)sim_below(&g->sim, 5);

	for (int i = 0; i < PARTITIONS && g->producer >= 0 && g->stuck[p]; i++)
		p = (p + 1) % PARTITIONS;
	*op = (struct op){ p, count, g->seq[p], -1, rk_wall(&g->w.env), sim_random(&g->sim), 0 };
	g->seq[p] += count;
	send_op(g, g->ops++);
}

static void
produced(struct rig *g, uint32_t i, const uint8_t *body, uint32_t len)
{
	struct kp_produce_res r;
	struct rk_arena a;

	rk_arena_init(&a, SIZE_MAX);
	g->in_flight--;
	if (i >= g->ops || kp_read(&kp_produce_res_d, PRODUCE_V, body, len, &a, &r, NULL) != RK_OK
	    || r.responses.len != 1 || r.responses.at[0].partition_responses.len != 1) {
		fail(g, "the answer to produce %u cannot be read", i);
	} else {
		struct kp_produce_res_responses_partition_responses *p = &r.responses.at[0].partition_responses.at[0];
		bool good = p->error_code == 0 || (g->producer >= 0 && p->error_code == DUPLICATE_SEQUENCE);
		if (good && g->op[i].base == -1) {
			g->op[i].base = p->error_code == 0 && p->base_offset >= 0 ? p->base_offset : -2;
			g->acked++;
		} else if (!good) {
			g->stuck[g->op[i].partition] = true;
			if (g->retrying)
				fail(g, "batch %u is refused when it is sent again: %s", i,
				    rk_err_name(rk_err_of_wire(p->error_code)));
		}
		sim_note(&g->sim, i, (uint64_t)g->op[i].base);
	}
	rk_arena_free(&a);
}

static void
c_answer(struct sim_client *c, const uint8_t *frame, uint32_t len)
{
	struct rig *g = rk_of(c, struct rig, client);
	int32_t correlation = (int32_t)rk_get32(frame);

	if (correlation >= 100) {
		produced(g, (uint32_t)correlation - 100, frame + 5, len - 5);
	} else if (correlation == g->waits_for && g->answer == NULL) {
		g->answer = rk_mem_get(len);
		g->answer_len = len;
		memcpy(g->answer, frame, len);
	}
	while (g->producing && g->client.link != NULL && g->in_flight < IN_FLIGHT)
		produce_one(g);
}

static void
c_closed(struct sim_client *c)
{
	rk_of(c, struct rig, client)->in_flight = 0;
}

static void
connect_client(struct rig *g)
{
	if (g->client.link == NULL)
		sim_connect(&g->w, &g->client, 0);
}

/* --- the topic, and what is in it */

/* Kafka's error code, or -1 without an answer. */
static int
create(struct rig *g, const char *name)
{
	struct kp_create_topics_req q;
	struct kp_create_topics_res r;
	struct kp_create_topics_req_topics_configs how[] = { { rk_lit("cleanup.policy"), rk_lit("compact") },
		{ rk_lit("internal.segment.bytes"), rk_lit("6000") },
		{ rk_lit("min.cleanable.dirty.ratio"), rk_lit("0.01") } };
	struct kp_create_topics_req_topics t = { .name = rk_str_of(name), .num_partitions = PARTITIONS,
		.replication_factor = 1, .configs = { how, compact ? rk_countof(how) : 0 } };

	kp_defaults(&kp_create_topics_req_d, &q);
	q.topics.at = &t;
	q.topics.len = 1;
	q.timeout_ms = 30000;
	connect_client(g);
	return call(g, CREATE_TOPICS, CREATE_V, &q, &r) && r.topics.len == 1 ? r.topics.at[0].error_code : -1;
}

static void
create_topic(struct rig *g)
{
	for (int tries = 0; tries < 20 && g->failure[0] == 0; tries++) {
		int e = create(g, "t");
		if (e == 0 || e == EXISTS)
			return;
		(void)!until(g, SECOND, false);
	}
	fail(g, "the topic cannot be created");
}

/* A few more topics, so that the metadata log grows, is frozen and trimmed. */
static void
create_more(struct rig *g)
{
	char name[16];

	for (int64_t n = sim_below(&g->sim, 8); n > 0 && g->failure[0] == 0; n--) {
		snprintf(name, sizeof name, "x%u", g->topics);
		int e = create(g, name);
		if (e != 0 && e != EXISTS)
			return;
		g->topics++;
	}
}

static void
verify_topics(struct rig *g)
{
	char name[16];

	for (uint32_t i = 0; i < g->topics && g->failure[0] == 0; i++) {
		snprintf(name, sizeof name, "x%u", i);
		int e = create(g, name);
		if (e != EXISTS)
			fail(g, "topic %s was acknowledged and is lost (%d)", name, e);
	}
}

/* One fetch. -1: try again; else how many bytes of batches there are. */
static int32_t
fetch_some(struct rig *g, int32_t partition, int64_t offset, struct kp_fetch_res_responses_partitions *out)
{
	struct kp_fetch_req q;
	struct kp_fetch_res r;
	struct kp_fetch_req_topics_partitions p = { .partition = partition, .current_leader_epoch = -1,
		.fetch_offset = offset, .last_fetched_epoch = -1, .log_start_offset = -1,
		.partition_max_bytes = 20000, .high_watermark = INT64_MAX };
	struct kp_fetch_req_topics t = { .topic = rk_lit("t"), .partitions = { &p, 1 } };

	kp_defaults(&kp_fetch_req_d, &q);
	q.replica_id = -1;
	q.max_bytes = 20000;
	q.session_epoch = -1;
	q.topics.at = &t;
	q.topics.len = 1;
	connect_client(g);
	if (!call(g, FETCH, FETCH_V, &q, &r) || r.error_code != 0 || r.responses.len != 1
	    || r.responses.at[0].partitions.len != 1)
		return -1;
	*out = r.responses.at[0].partitions.at[0];
	return out->error_code != 0 ? -1 : out->records.len < 0 ? 0 : out->records.len;
}

static void
look_at_batch(struct rig *g, int32_t partition, const uint8_t *b, bool *seen)
{
	uint32_t i;

	if (!sim_known_find(&g->known, sim_batch_hash(b), &i) || g->op[i].partition != partition) {
		fail(g, "partition %d has a batch at %" PRId64 " that nobody sent there", partition, kp_batch_base(b));
		return;
	}
	const struct op *op = &g->op[i];
	if (seen[i])
		fail(g, "batch %u of partition %d is there twice", i, partition);
	if (g->producer >= 0 && kp_batch_sequence(b) != op->seq)
		fail(g, "batch %u has sequence %d, was sent with %d", i, kp_batch_sequence(b), op->seq);
	if (op->base >= 0 && op->base != kp_batch_base(b))
		fail(g, "batch %u was acknowledged at %" PRId64 " and is at %" PRId64, i, op->base, kp_batch_base(b));
	seen[i] = true;
}

static int32_t
key_of(const struct kp_record *r)
{
	int32_t n = 0;

	for (int32_t i = 1; i < r->key.len; i++)
		n = n * 10 + r->key.at[i] - '0';
	return r->key.len < 2 ? KEYS : n;
}

/* Of a compacted topic: each record is one that was sent, where the answer said. */
static void
look_at_records(struct rig *g, int32_t partition, const uint8_t *b)
{
	struct kp_records_iter it;
	struct kp_record r;

	for (kp_records_start(&it, b, NULL, 0); kp_records_next(&it, &r);) {
		char text[40] = "", *end;
		uint32_t i;
		memcpy(text, r.value.at, (size_t)rk_min(r.value.len, (int32_t)sizeof text - 1));
		uint64_t seed = strtoull(text, &end, 16);
		int64_t number = strtoll(end + (*end == '/'), NULL, 10), key = key_of(&r);
		if (!sim_known_find(&g->known, seed, &i) || g->op[i].partition != partition || key >= KEYS)
			fail(g, "partition %d has a record at %" PRId64 " that nobody sent there", partition, r.offset);
		else if (g->op[i].base >= 0 && g->op[i].base + number != r.offset)
			fail(g, "record %" PRId64 " of batch %u was acknowledged at %" PRId64 " and is at %" PRId64, number, i,
			    g->op[i].base + number, r.offset);
		if (g->failure[0] == 0)
			g->last[partition][key] = r.offset;
	}
	if (it.bad)
		fail(g, "partition %d: the batch at %" PRId64 " cannot be read", partition, kp_batch_base(b));
}

/* Of each acknowledged record: it is there, or a newer one of its key. */
static void
look_at_keys(struct rig *g)
{
	struct kp_records_iter it;
	struct kp_record r;
	struct rk_arena a;

	rk_arena_init(&a, SIZE_MAX);
	for (uint32_t i = 0; i < g->ops && g->failure[0] == 0; i++) {
		if (g->op[i].base < 0)
			continue;
		rk_arena_reset(&a);
		for (kp_records_start(&it, (const uint8_t *)batch_of(g, &g->op[i], &a).at, NULL, 0); kp_records_next(&it, &r);)
			if (g->last[g->op[i].partition][key_of(&r)] < g->op[i].base + r.offset)
				fail(g, "the record at %" PRId64 " of partition %d was acknowledged and is lost: nothing newer of "
				    "key %.*s is there", g->op[i].base + r.offset, g->op[i].partition, r.key.len, r.key.at);
	}
	rk_arena_free(&a);
}

static void
read_partition(struct rig *g, int32_t partition, bool *seen)
{
	struct kp_fetch_res_responses_partitions p;
	int64_t offset = 0;

	for (int tries = 0; tries < 60 && g->failure[0] == 0;) {
		int32_t len = fetch_some(g, partition, offset, &p);
		if (len < 0) {
			tries++;
			(void)!until(g, SECOND, false);
			continue;
		}
		for (const uint8_t *b = p.records.at, *end = b + len; b < end; b += kp_batch_bytes(b)) {
			if (kp_batch_check(b, (size_t)(end - b)) != RK_OK) {
				if (b == p.records.at)
					fail(g, "partition %d: no sound batch at %" PRId64, partition, offset);
				break;
			}
			if (kp_batch_base(b) < offset || (kp_batch_base(b) > offset && !compact))
				fail(g, "partition %d: a gap before %" PRId64, partition, kp_batch_base(b));
			g->holes += kp_batch_base(b) > offset;
			if (compact)
				look_at_records(g, partition, b);
			else
				look_at_batch(g, partition, b, seen);
			offset = kp_batch_last(b) + 1;
		}
		if (offset >= p.high_watermark)
			return;
	}
	fail(g, "partition %d cannot be read", partition);
}

static void
verify(struct rig *g)
{
	bool *seen = rk_mem_get(g->ops + 1);

	memset(g->last, 0xff, sizeof g->last);
	for (int32_t p = 0; p < PARTITIONS && g->failure[0] == 0; p++)
		read_partition(g, p, seen);
	if (compact)
		look_at_keys(g);
	for (uint32_t i = 0; i < g->ops && !compact && g->failure[0] == 0; i++) {
		if (g->op[i].base != -1 && !seen[i])
			fail(g, "batch %u, acknowledged at %" PRId64 " of partition %d, is lost", i, g->op[i].base,
			    g->op[i].partition);
		if (g->op[i].base == -1 && !seen[i] && g->producer < 0)
			g->op[i].partition = -1; /* it never arrived, and must not come later */
	}
	verify_topics(g);
	sim_note(&g->sim, g->ops, g->acked);
	rk_mem_put(seen);
}

/* --- the idempotent producer */

static void
become_idempotent(struct rig *g)
{
	struct kp_init_producer_id_req q;
	struct kp_init_producer_id_res r;

	kp_defaults(&kp_init_producer_id_req_d, &q);
	q.transactional_id = RK_STR_NULL;
	q.transaction_timeout_ms = 60000;
	q.producer_id = q.producer_epoch = -1;
	for (int tries = 0; tries < 20 && g->failure[0] == 0; tries++) {
		connect_client(g);
		if (call(g, INIT_PRODUCER_ID, INIT_V, &q, &r) && r.error_code == 0) {
			g->producer = r.producer_id;
			g->producer_epoch = r.producer_epoch;
			return;
		}
		(void)!until(g, SECOND, false);
	}
	fail(g, "no producer id");
}

/* What was never acknowledged goes again, in order: whether the node had it or not, it is there once. */
static void
send_again(struct rig *g)
{
	g->retrying = true;
	memset(g->stuck, 0, sizeof g->stuck);
	connect_client(g);
	for (uint32_t i = 0; i < g->ops && g->failure[0] == 0; i++) {
		if (g->op[i].base != -1)
			continue;
		g->again++;
		send_op(g, i);
		if (!until(g, 30 * SECOND, g->op[i].base != -1 || g->failure[0] != 0 || g->client.link == NULL)
		    || g->op[i].base == -1)
			fail(g, "batch %u finds no way in when it is sent again", i);
	}
	g->retrying = false;
}

/* --- lives */

static bool
start(struct rig *g)
{
	enum rk_err err = node_start(&g->w.env, g->conf, &g->node);

	if (err != RK_OK) {
		fail(g, "the node does not start: %s", rk_err_name(err));
		return false;
	}
	sim_world_begin(&g->w, g->node);
	if (!until(g, 60 * SECOND, node_ready(g->node) || node_failed(g->node)) || node_failed(g->node))
		fail(g, "the node is not ready within a minute");
	return g->failure[0] == 0;
}

static void
h_stopped(void *arg, enum rk_err err)
{
	(void)err;
	((struct rig *)arg)->stopped = true;
}

static void
die(struct rig *g, bool power)
{
	sim_world_crash(&g->w, false);
	node_free(g->node);
	g->node = NULL;
	sim_world_bury(&g->w);
	if (power)
		sim_disk_crash(g->disk);
	*sim_disk_faults(g->disk) = (struct sim_faults){ .torn = 500000 };
	g->doomed = false;
	sim_mdisk_fail(g->mdisk, 0, RK_OK); /* the next life has a good disk */
}

/* A partition is to lie in one of the directories, wherever it is now: on its way, back, or there already. */
static void
move_one(struct rig *g)
{
	struct kp_alter_replica_log_dirs_req q;
	int32_t partition = (int32_t)sim_below(&g->sim, PARTITIONS);
	struct kp_alter_replica_log_dirs_req_dirs_topics topic = { .name = rk_lit("t"), .partitions = { &partition, 1 } };
	struct kp_alter_replica_log_dirs_req_dirs dir = { .path = rk_str_of(g->dir[sim_below(&g->sim, g->dirs)]),
		.topics = { &topic, 1 } };

	kp_defaults(&kp_alter_replica_log_dirs_req_d, &q);
	q.dirs.at = &dir;
	q.dirs.len = 1;
	if (g->client.link != NULL)
		sim_client_ask(&g->client, ALTER_REPLICA_LOG_DIRS, ALTER_V, 2, &q); /* its answer tells nothing more */
}

static void
live(struct rig *g)
{
	struct sim_faults *f = sim_disk_faults(g->disk);
	int64_t how = sim_below(&g->sim, 10);

	f->sync_lies = g->lies ? 1000000 : 0;
	connect_client(g);
	g->doomed = false;
	g->producing = true;
	create_more(g);
	connect_client(g);
	produce_one(g);
	for (int64_t n = g->dirs > 1 ? sim_below(&g->sim, 6) : 0; n > 0 && !node_failed(g->node) && !g->doomed; n--) {
		(void)!until(g, sim_below(&g->sim, SECOND / 2), node_failed(g->node) || g->doomed);
		move_one(g);
	}
	(void)!until(g, sim_below(&g->sim, 2 * SECOND), node_failed(g->node) || g->doomed);
	if (g->doomed) {
		g->producing = false;
		die(g, sim_chance(&g->sim, 500000));
		return;
	}
	if (how == 0)
		f->sync_eio = 50000;
	if (how == 1)
		f->space_bytes = sim_disk_used(g->disk) + sim_below(&g->sim, 20000);
	if (how == 2)
		f->write_eio = 20000;
	if (how == 3)
		sim_mdisk_fail(g->mdisk, (uint32_t)sim_below(&g->sim, 3), RK_NO_SPACE);
	if (how == 3)
		create_more(g);
	if (how <= 3)
		(void)!until(g, SECOND, node_failed(g->node));
	g->producing = false;
	if (how >= 8) {
		g->stopped = false;
		node_stop(g->node, h_stopped, g);
		if (!until(g, 60 * SECOND, g->stopped))
			fail(g, "the node does not stop");
		die(g, sim_chance(&g->sim, 500000));
	} else {
		die(g, how != 7);
	}
}

/* --- the rig */

static void
format(struct rig *g)
{
	for (uint32_t i = 0; i < g->dirs; i++)
		if (!sim_format(&g->w.env, g->dir[i], 1, (struct rk_uuid){ { 1, 2, 3, 0, (uint8_t)i } }))
			fail(g, "the directory cannot be formatted");
}

static void
configure(struct rig *g)
{
	char dirs[256];
	const char *const pairs[] = { "process.roles=broker,controller", "node.id=1",
		"controller.quorum.voters=1@127.0.0.1:9093", "controller.listener.names=CONTROLLER",
		"listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093", dirs,
		"offsets.topic.replication.factor=1", "metadata.log.max.record.bytes.between.snapshots=3000",
		"log.segment.bytes=1048576", "log.cleaner.backoff.ms=300" };
	struct conf_notes notes = { .arena = &g->conf_arena };

	snprintf(dirs, sizeof dirs, "log.dirs=%s%s%s", g->dir[0], g->dirs > 1 ? "," : "", g->dirs > 1 ? g->dir[1] : "");
	rk_arena_init(&g->conf_arena, SIZE_MAX);
	g->conf = conf_make(pairs, rk_countof(pairs) - !compact, &notes);
	if (notes.errors > 0)
		fail(g, "the configuration: %.*s", notes.at[0].text.len, notes.at[0].text.at);
}

static void
build(struct rig *g, uint64_t seed)
{
	sim_start(&g->sim, seed);
	rk_say_to(say, g, RK_INFO);
	rk_arena_init(&g->arena, SIZE_MAX);
	snprintf(g->root, sizeof g->root, "%s", sim_scratch());
	g->dirs = 1 + (seed % 3 == 0);
	for (uint32_t i = 0; i < g->dirs; i++)
		snprintf(g->dir[i], sizeof g->dir[i], "%s/data%u", g->root, i);
	g->disk = sim_disk_new(&g->sim);
	g->mdisk = sim_mdisk_new();
	g->client = (struct sim_client){ .answer = c_answer, .closed = c_closed };
	sim_world_init(&g->w, &g->sim, g->disk, g->mdisk, &hooks);
	g->w.real = g->root;
	configure(g);
	format(g);
}

static void
raze(struct rig *g)
{
	if (g->node != NULL)
		die(g, false);
	sim_end(&g->sim);
	sim_disk_free(g->disk);
	sim_mdisk_free(g->mdisk);
	conf_free(g->conf);
	rk_arena_free(&g->conf_arena);
	rk_arena_free(&g->arena);
	rk_mem_put(g->op);
	sim_known_free(&g->known);
	rk_mem_put(g->answer);
	sim_scratch_clear();
	rk_say_to(NULL, NULL, RK_INFO);
}

/* The digest, or 0. */
static uint64_t
run(uint64_t seed, bool lies, char failure[256], uint32_t *acked, uint32_t *again)
{
	struct rig *g = rk_new(struct rig);

	g->lies = lies;
	build(g, seed);
	g->producer = -1;
	if (g->failure[0] == 0 && start(g))
		create_topic(g);
	if (g->failure[0] == 0 && seed % 2 == 0)
		become_idempotent(g);
	for (int life = 0; life < LIVES && g->failure[0] == 0; life++) {
		live(g);
		if (g->failure[0] == 0 && start(g))
			verify(g);
		if (g->failure[0] == 0 && g->producer >= 0) {
			send_again(g);
			verify(g);
		}
	}
	uint64_t digest = g->failure[0] == 0 ? g->sim.digest | 1 : 0;
	snprintf(failure, 256, "%s", g->failure);
	*acked = g->acked;
	*again = g->again;
	holes += g->holes;
	raze(g);
	rk_mem_put(g);
	return digest;
}

static int
seeds(uint64_t from, uint64_t to, bool quiet)
{
	char why[256];
	uint32_t acked, again;
	int bad = 0;

	for (uint64_t s = from; s <= to; s++) {
		uint64_t a = run(s, false, why, &acked, &again), b = a == 0 ? 0 : run(s, false, why, &acked, &again);
		if (a == 0) {
			printf("seed %" PRIu64 " fails: %s\n", s, why);
			bad = 1;
		} else if (a != b) {
			printf("seed %" PRIu64 " gives two digests: %016" PRIx64 " %016" PRIx64 "\n", s, a, b);
			bad = 1;
		} else if (!quiet) {
			printf("seed %" PRIu64 " acknowledged %u sent again %u digest %016" PRIx64 "\n", s, acked,
			    again, a);
		}
		fflush(stdout);
	}
	return bad;
}

static int
once_found(uint64_t seed)
{
	return seeds(seed, seed, true);
}

/* A compacted topic. */
static bool
keeps_every_key(void)
{
	compact = true;
	holes = 0;
	int bad = seeds(1, COMPACT_SEEDS, true);
	compact = false;
	if (bad == 0 && holes == 0)
		printf("nothing was compacted in %d seeds\n", COMPACT_SEEDS);
	return bad == 0 && holes > 0;
}

/* The proof that the checks see: a disk whose syncs do nothing must be found out. */
static bool
sees_a_lying_disk(void)
{
	char why[256];
	uint32_t acked, again;

	for (uint64_t s = 1; s <= 20; s++)
		if (run(s, true, why, &acked, &again) == 0) {
			printf("a disk that lies falls to seed %" PRIu64 ": %s\n", s, why);
			return true;
		}
	printf("a disk that lies is not found in 20 seeds\n");
	return false;
}

int
main(int argc, char **argv)
{
	uint64_t from = 1, to = CHECK_SEEDS;
	bool quiet = false, alone = true;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--say") == 0) {
			say_all = true;
		} else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
			sim_seeds(argv[++i], &from, &to);
			alone = false;
		} else if (strcmp(argv[i], "--quiet") == 0) {
			quiet = true;
		} else if (strcmp(argv[i], "--compact") == 0) {
			compact = true;
		} else {
			fprintf(stderr, "usage: node_sim [--compact] [--seeds A-B] [--say] [--quiet]\n");
			return 2;
		}
	}
	alone &= !compact;
	return (alone && sim_kept("node", once_found)) || seeds(from, to, quiet || alone)
	       || (alone && (!keeps_every_key() || !sees_a_lying_disk()));
}
