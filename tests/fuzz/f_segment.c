/* f_segment.c - any bytes as the files of a partition folder: a start ends with a log whose every
 * record can be read and that goes on, or with a refusal that has changed no record; never with a
 * crash.
 *
 * An input is a byte of switches and then files: u8 which, u16 length, bytes. */
#include "storage/log_in.h"
#include "protocol/batch.h"
#include "tests/fuzz/fuzz.h"
#include "tests/posix_world.h"

enum { CLEAN = 1, SEALED = 2, SECOND = 100, MANY = 12 };
static const char *const names[] = {"t-0/00000000000000000000.log", "t-0/00000000000000000100.log",
    "t-0/00000000000000000000.index", "t-0/00000000000000000000.timeindex",
    "t-0/00000000000000000000.txnindex", "t-0/00000000000000000100.index",
    "t-0/00000000000000000100.snapshot", "t-0/00000000000000000100.batches",
    "t-0/leader-epoch-checkpoint", "t-0/partition.metadata", "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint"};
static const struct st_meta meta = {.version = 1, .node_id = 1};
static struct st_rules rules = {.segment_bytes = 1 << 20,
    .segment_ms = INT64_MAX / 2,
    .segment_index_bytes = 1 << 20,
    .index_interval_bytes = 100,
    .retention_bytes = -1,
    .retention_ms = -1,
    .flush_messages = INT64_MAX,
    .flush_ms = INT64_MAX};
static struct posix_world w;
static struct st_dir *dir;
static struct st_dir_opened how;
static char root[64];

static void
silent(void *arg, enum rk_level level, const char *line)
{
	(void)arg;
	(void)level;
	(void)line;
}

/* Makes the checksums of what looks like batches right, so that more than checksums is tried. */
static void
seal_all(uint8_t *p, size_t n)
{
	while (n >= KP_BATCH_HEAD) {
		int64_t len = kp_batch_bytes(p);
		if (len < KP_BATCH_HEAD || len > (int64_t)n)
			return;
		rk_put32(p + 17, rk_crc32c(0, p + 21, (size_t)len - 21));
		p += len;
		n -= (size_t)len;
	}
}

static void
put_file(const char *name, const uint8_t *p, size_t n, bool seal)
{
	static uint8_t copy[65536];
	char path[PATH_MAX];
	struct rk_file *f;

	memcpy(copy, p, n);
	if (seal)
		seal_all(copy, n);
	snprintf(path, sizeof path, "%s/%s", root, name);
	rk_assert(rk_file_open(&w.env, path, RK_OPEN_CREATE, &f) == RK_OK);
	rk_assert(rk_file_write(f, 0, copy, (uint32_t)n) == RK_OK);
	rk_file_drop(f);
}

static void
unpack(const uint8_t *p, size_t n, bool sealed)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/t-0", root);
	rk_assert(rk_dir_make(&w.env, path) == RK_OK);
	while (n >= 3) {
		size_t len = rk_get16(p + 1) < n - 3 ? rk_get16(p + 1) : n - 3;
		uint32_t which = p[0] % MANY;
		put_file(names[which], p + 3, len, sealed && which < 2);
		p += 3 + len;
		n -= 3 + len;
	}
}

static enum rk_err
start(struct st_log **l, bool clean)
{
	rk_assert(st_dir_open(&w.env, root, &meta, &dir, &how) == RK_OK);
	return st_log_open(dir, rk_lit("t"), 0, clean && how.clean, &rules, l);
}

static void
crash(struct st_log *l)
{
	posix_forget(&w);
	st_log_free(l);
	st_dir_free(dir);
}

/* Every record from start to end, whole batches one after the other. */
static enum rk_err
read_all(struct st_log *l, bool sound)
{
	struct rk_arena a;
	struct rk_str got;
	struct st_aborted *aborted;
	uint32_t count;
	int64_t at = st_log_start(l);
	enum rk_err err = RK_OK;

	rk_arena_init(&a, 16 << 20);
	while (err == RK_OK && at < st_log_end(l)) {
		err = st_log_load(l, at, st_log_end(l), 4096, &a, &got);
		if (err != RK_OK || got.len == 0)
			break;
		for (const char *b = got.at; b < got.at + got.len; b += kp_batch_bytes(b)) {
			rk_assert(!sound || kp_batch_last(b) >= at);
			if (kp_batch_last(b) < at)
				err = RK_CORRUPT_MESSAGE;
			at = kp_batch_last(b) + 1;
		}
		rk_arena_reset(&a);
	}
	if (err == RK_OK)
		err = st_log_aborted(l, st_log_start(l), st_log_end(l), &a, &aborted, &count);
	rk_arena_free(&a);
	return err;
}

static void
use(struct st_log *l)
{
	struct st_stamp s;
	struct st_appended done;
	struct kp_build b;
	struct rk_arena a;
	int64_t end = st_log_end(l);

	(void)!st_log_find_time(l, 1500, end, &s);
	(void)!st_log_find_max_time(l, &s);
	(void)st_log_epoch_at(l, end / 2);
	(void)st_log_first_open(l);
	rk_arena_init(&a, 1 << 20);
	kp_build_start(&b, &a, 0, 0, 1000);
	kp_build_add(&b, 1000, rk_lit("k"), rk_lit("v"));
	struct rk_str batch = kp_build_end(&b, 0, -1, -1, -1);
	if (st_log_append(l, (uint8_t *)(uintptr_t)batch.at, (uint32_t)batch.len, 50, 1000, &done)
	    == RK_OK)
		rk_assert(st_log_end(l) == end + 1 && done.first == end);
	rk_arena_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct st_log *l;

	if (n < 1)
		return 0;
	rk_say_to(silent, NULL, RK_FATAL);
	posix_world_init(&w);
	posix_scratch(root);
	if ((p[0] & CLEAN) != 0)
		put_file(".kafka_cleanshutdown", (const uint8_t *)"{}", 2, false);
	unpack(p + 1, n - 1, (p[0] & SEALED) != 0);
	enum rk_err err = start(&l, true);
	struct st_found found = {.recovery_point = -1};
	/* What nobody vouched for was read and checked. */
	bool sound = !how.clean
		     && (!st_dir_lookup(dir, rk_lit("t"), 0, &found) || found.recovery_point <= 0);
	if (err == RK_OK) {
		err = read_all(l, sound);
		rk_assert(!sound || err == RK_OK);
		use(l);
	}
	crash(l);
	err = start(&l, false);
	if (err == RK_OK && st_log_end(l) > st_log_start(l))
		rk_assert(
		    st_log_truncate(l, st_log_start(l) + (st_log_end(l) - st_log_start(l)) / 2)
			== RK_OK
		    || st_log_broken(l));
	crash(l);
	rk_assert(w.files == 0);
	posix_remove(root);
	return 0;
}

static size_t
pack(uint8_t *to, uint8_t which, const void *p, size_t n)
{
	to[0] = which;
	rk_put16(to + 1, (uint16_t)n);
	memcpy(to + 3, p, n);
	return 3 + n;
}

/* Writes a sound log with the layer itself and packs its files. */
size_t
fuzz_sample(uint64_t seed, uint8_t *to, size_t size)
{
	struct st_log *l;
	struct st_appended done;
	struct rk_arena a;
	struct rk_str text;
	struct kp_build b;
	char path[PATH_MAX];
	uint64_t s = seed;
	size_t n = 1;

	rk_say_to(silent, NULL, RK_FATAL);
	posix_world_init(&w);
	posix_scratch(root);
	rk_assert(st_dir_open(&w.env, root, &meta, &dir, &how) == RK_OK);
	rk_assert(st_log_create(dir, rk_lit("t"), 0, (struct rk_uuid){{1}}, &rules, &l) == RK_OK);
	rk_arena_init(&a, 16 << 20);
	for (int32_t i = 0; i < 20; i++) {
		bool txn = fuzz_draw(&s) % 3 == 0;
		if (st_log_end(l) == SECOND)
			rk_assert(st_log_roll(l, SECOND) == RK_OK);
		kp_build_start(&b, &a, 0, txn ? KP_ATTR_TXN : 0, 1000 + i);
		for (uint32_t k = 0; k < 10; k++)
			kp_build_add(&b, 1000 + i, rk_lit("key"), rk_lit("some value of a record"));
		text = kp_build_end(&b, 0, txn ? 7 : -1, txn ? 0 : -1, txn ? i : -1);
		rk_assert(st_log_append(l, (uint8_t *)(uintptr_t)text.at, (uint32_t)text.len, i / 4,
			      1000, &done)
			  == RK_OK);
	}
	st_log_sync(l);
	posix_pump(&w);
	rk_assert(fuzz_draw(&s) % 2 == 0 || st_dir_save(dir) == RK_OK);
	rk_assert(st_log_close(l) == RK_OK);
	posix_pump(&w);
	st_dir_close(dir);
	to[0] = (uint8_t)(fuzz_draw(&s) % 4);
	for (uint8_t i = 0; i < MANY; i++) {
		snprintf(path, sizeof path, "%s/%s", root, names[i]);
		if (fuzz_draw(&s) % 8 != 0 && rk_env_slurp(&w.env, path, &a, &text) == RK_OK
		    && n + 3 + (size_t)text.len < size)
			n += pack(to + n, i, text.at, (size_t)text.len);
	}
	rk_arena_free(&a);
	posix_remove(root);
	return n;
}
