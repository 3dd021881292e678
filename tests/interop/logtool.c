/* logtool.c - writes and reads partition folders with the storage layer alone, for the checks
 *against Apache Kafka.
 *
 *	logtool fill DATA_DIR TOPIC PARTITION ROUNDS    appends; prints a line per data record: "C
 *value" when it is committed, "A value" when its transaction was aborted logtool dump DATA_DIR
 *TOPIC PARTITION           opens (recovering if need be) and prints every record's value logtool
 *state DATA_DIR TOPIC PARTITION          prints end, epochs, producers, open transaction logtool
 *speed DATA_DIR MIB SIZE                 appends batches of SIZE bytes; prints what one costs */
#include "storage/log_in.h"
#include "protocol/batch.h"
#include "tests/posix_world.h"

static struct posix_world w;
static struct st_rules rules = {.segment_bytes = 262144,
    .segment_ms = 604800000,
    .segment_index_bytes = 10485760,
    .index_interval_bytes = 4096,
    .retention_bytes = -1,
    .retention_ms = -1,
    .flush_messages = INT64_MAX,
    .flush_ms = INT64_MAX,
    .file_delete_delay_ms = 60000};
static struct st_dir *dir;
static struct st_log *lg;
static struct st_dir_opened how;
static struct rk_arena arena;

static void
must(enum rk_err err, const char *what)
{
	if (err == RK_OK)
		return;
	fprintf(stderr, "logtool: %s: %s\n", what, rk_err_name(err));
	exit(1);
}

static void
begin(const char *path, const char *topic, const char *partition)
{
	struct st_meta m;
	char why[256];
	enum rk_err err = st_meta_read(&w.env, path, &m, why);

	if (err != RK_OK) {
		fprintf(stderr, "logtool: %s\n", why);
		exit(1);
	}
	must(st_dir_open(&w.env, path, &m, &dir, &how), path);
	fprintf(stderr, "logtool: %s stop\n", how.clean ? "clean" : "unclean");
	err = st_log_open(dir, rk_str_of(topic), atoi(partition), how.clean, &rules, &lg);
	if (err == RK_NOT_FOUND)
		err = st_log_create(
		    dir, rk_str_of(topic), atoi(partition), (struct rk_uuid){{1}}, &rules, &lg);
	must(err, topic);
}

static void
end(void)
{
	st_log_sync(lg);
	posix_pump(&w);
	must(st_dir_save(dir), "checkpoints");
	must(st_log_close(lg), "close");
	/* After a crash the directory is not clean before every log of it has been opened. */
	if (st_dir_mark_clean(dir, how.broker_epoch) != RK_OK && how.clean)
		must(RK_KAFKA_STORAGE_ERROR, "marker");
	posix_pump(&w);
	st_dir_close(dir);
}

static int64_t
put(struct rk_str batch)
{
	struct st_appended a;
	int64_t base, ms;

	rk_assert(kp_batch_check(batch.at, (size_t)batch.len) == RK_OK);
	must(st_producers_check(st_log_producers(lg), batch.at, &base, &ms), "judged");
	must(st_log_append(lg, (uint8_t *)(uintptr_t)batch.at, (uint32_t)batch.len,
		 rk_max(0, st_log_last_epoch(lg)), w.wall_ms, &a),
	    "append");
	w.wall_ms += 10;
	return a.first;
}

/* count records; mark C or A is printed before each value. */
static void
data(char mark, int32_t count, int16_t attr, int64_t producer, int16_t epoch, int32_t seq)
{
	static uint32_t number;
	struct kp_build b;
	char key[32], value[256];

	kp_build_start(&b, &arena, 0, attr, w.wall_ms);
	for (int32_t i = 0; i < count; i++) {
		int k = snprintf(key, sizeof key, "key-%" PRIu32, number % 50);
		int v = snprintf(value, sizeof value, "value-%" PRIu32 "-%0*d", number,
		    (int)(number * 7 % 150) + 1, 5);
		kp_build_add(
		    &b, w.wall_ms + i % 3, (struct rk_str){key, k}, (struct rk_str){value, v});
		printf("%c %s\n", mark, value);
		number++;
	}
	put(kp_build_end(&b, 0, producer, epoch, seq));
}

static void
marker(int64_t producer, int16_t epoch, bool abort)
{
	uint8_t key[4], value[6];
	struct kp_build b;

	rk_put16(key, 0);
	rk_put16(key + 2, abort ? 0 : 1);
	rk_put16(value, 0);
	rk_put32(value + 2, 0);
	kp_build_start(&b, &arena, 0, KP_ATTR_TXN | KP_ATTR_CONTROL, w.wall_ms);
	kp_build_add(
	    &b, w.wall_ms, (struct rk_str){(char *)key, 4}, (struct rk_str){(char *)value, 6});
	put(kp_build_end(&b, 0, producer, epoch, -1));
}

static void
fill(uint32_t rounds)
{
	int32_t plain = 0, txn = 0;

	for (uint32_t i = 0; i < rounds; i++) {
		rk_arena_reset(&arena);
		data('C', 10, (int16_t)(i % KP_CODECS), -1, -1, -1);
		data('C', 5, (int16_t)(i % 3), 1001, 0, plain);
		plain += 5;
		bool abort = i % 3 == 0;
		data(abort ? 'A' : 'C', 4, KP_ATTR_TXN, 1002, 0, txn);
		data('C', 3, 0, -1, -1, -1);
		data(abort ? 'A' : 'C', 4, KP_ATTR_TXN | KP_LZ4, 1002, 0, txn + 4);
		marker(1002, 0, abort);
		txn += 8;
		if (i % 10 == 0)
			st_log_sync(lg);
	}
}

static void
values(const uint8_t *b, struct rk_arena *a)
{
	enum kp_codec codec = (enum kp_codec)(kp_batch_attr(b) & KP_ATTR_CODEC);
	struct rk_str plain = RK_STR_NULL;
	struct kp_records_iter it;
	struct kp_record r;

	if (codec != KP_NONE)
		must(kp_inflate_all(codec, b + KP_BATCH_HEAD,
			 (size_t)kp_batch_bytes(b) - KP_BATCH_HEAD, 64 << 20, a, &plain),
		    "inflate");
	kp_records_start(&it, b, (const uint8_t *)plain.at, plain.len < 0 ? 0 : (size_t)plain.len);
	while (kp_records_next(&it, &r))
		printf("%.*s\n", r.value.len < 0 ? 4 : r.value.len,
		    r.value.len < 0 ? "null" : r.value.at);
}

static void
dump(void)
{
	int64_t at = st_log_start(lg);
	struct rk_str got;

	while (at < st_log_end(lg)) {
		rk_arena_reset(&arena);
		must(st_log_load(lg, at, st_log_end(lg), 1 << 20, &arena, &got), "load");
		rk_assert(got.len > 0);
		for (const uint8_t *b = (const uint8_t *)got.at;
		     b < (const uint8_t *)got.at + got.len; b += kp_batch_bytes(b)) {
			must(kp_batch_check(b, (size_t)kp_batch_bytes(b)), "batch");
			at = kp_batch_last(b) + 1;
			if ((kp_batch_attr(b) & KP_ATTR_CONTROL) == 0)
				values(b, &arena);
		}
	}
}

static void
state(void)
{
	struct st_producers *t = st_log_producers(lg);
	struct st_stamp s;

	printf("start %" PRId64 " end %" PRId64 " epoch %d open %" PRId64 "\n", st_log_start(lg),
	    st_log_end(lg), (int)st_log_last_epoch(lg), st_log_first_open(lg));
	must(st_log_find_max_time(lg, &s), "time");
	printf("max timestamp %" PRId64 " at %" PRId64 "\n", s.ms, s.offset);
	for (uint32_t i = 0; i < lg->hot->epochs.count; i++)
		printf("epoch %d from %" PRId64 "\n", (int)lg->hot->epochs.at[i].epoch,
		    lg->hot->epochs.at[i].start);
	for (const struct st_producer *p = st_producers_walk(t, NULL); p != NULL;
	     p = st_producers_walk(t, p))
		printf("producer %" PRId64 " epoch %d batches %u last %d at %" PRId64 "\n", p->id,
		    (int)p->epoch, p->count,
		    p->count > 0 ? (int)p->batch[p->count - 1].last_seq : -1,
		    p->count > 0 ? p->batch[p->count - 1].last_offset : -1);
}

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
speed(uint32_t mib, uint32_t size)
{
	static char value[1 << 20];
	struct kp_build b;
	struct st_appended a;
	uint64_t bytes = 0, count = 0;

	rules.segment_bytes = 1 << 30;
	memset(value, 'x', sizeof value);
	kp_build_start(&b, &arena, 0, 0, w.wall_ms);
	kp_build_add(&b, w.wall_ms, RK_STR_NULL, (struct rk_str){value, (int32_t)size});
	struct rk_str batch = kp_build_end(&b, 0, -1, -1, -1);
	int64_t from = now_ns();
	for (; bytes < (uint64_t)mib << 20; bytes += (uint64_t)batch.len, count++)
		must(st_log_append(
			 lg, (uint8_t *)(uintptr_t)batch.at, (uint32_t)batch.len, 0, w.wall_ms, &a),
		    "append");
	int64_t took = now_ns() - from;
	struct rk_file *f;
	uint32_t calls = 100000;
	must(rk_file_open(&w.env, "/dev/shm/logtool.tmp", RK_OPEN_CREATE, &f), "file");
	from = now_ns();
	for (uint32_t i = 0; i < calls; i++)
		must(rk_file_write(f, (uint64_t)i * (uint32_t)batch.len % (1 << 28), batch.at,
			 (uint32_t)batch.len),
		    "write");
	int64_t bare = now_ns() - from;
	unlink("/dev/shm/logtool.tmp");
	printf("append: %.2f us a batch of %d bytes, %.0f MiB/s; a bare write to memory: %.2f us\n",
	    (double)took / 1e3 / (double)count, (int)batch.len,
	    (double)bytes * 1e9 / 1048576 / (double)took, (double)bare / 1e3 / calls);
	struct rk_out out;
	from = now_ns();
	for (uint32_t i = 0; i < calls; i++) {
		rk_out_init(&out, &arena);
		must(st_log_read(
			 lg, st_log_end(lg) - 1 - i % 8, st_log_end(lg), 1 << 20, true, &out),
		    "read");
		rk_out_drop(&out);
		rk_arena_reset(&arena);
	}
	printf("read at the tail: %.2f us\n", (double)(now_ns() - from) / 1e3 / calls);
	from = now_ns();
	for (uint32_t i = 0; i < calls; i++) {
		rk_out_init(&out, &arena);
		must(st_log_read(lg, (int64_t)((uint64_t)i * 7919 % count), st_log_end(lg), 1 << 20,
			 true, &out),
		    "read");
		rk_out_drop(&out);
		rk_arena_reset(&arena);
	}
	printf("read anywhere: %.2f us\n", (double)(now_ns() - from) / 1e3 / calls);
}

int
main(int argc, char **argv)
{
	posix_world_init(&w);
	w.wall_ms = (int64_t)time(NULL) * 1000;
	rk_arena_init(&arena, 1 << 30);
	if (argc == 5 && strcmp(argv[1], "speed") == 0) {
		begin(argv[2], "speed", "0");
		speed((uint32_t)atoi(argv[3]), (uint32_t)atoi(argv[4]));
	} else if (argc >= 5) {
		begin(argv[2], argv[3], argv[4]);
		if (strcmp(argv[1], "fill") == 0 && argc == 6)
			fill((uint32_t)atoi(argv[5]));
		else if (strcmp(argv[1], "dump") == 0)
			dump();
		else if (strcmp(argv[1], "state") == 0)
			state();
	} else {
		fprintf(stderr, "usage: logtool fill|dump|state DATA_DIR TOPIC PARTITION [ROUNDS]; "
				"logtool speed DATA_DIR MIB SIZE\n");
		return 2;
	}
	end();
	rk_arena_free(&arena);
	return 0;
}
