/* log_help.c - see log_help.h */
#include <sys/stat.h>
#include "tests/log_help.h"
#include "base/mem.h"

struct scratch x;

static const struct st_meta meta = {
    .version = 1, .node_id = 1, .cluster_id = "abc", .directory_id = {{9}}};

static void
silent(void *arg, enum rk_level level, const char *line)
{
	(void)arg;
	if (getenv("TALK") != NULL)
		fprintf(stderr, "%d %s\n", (int)level, line);
}

void
scratch_begin(void)
{
	memset(&x, 0, sizeof x);
	rk_say_to(silent, NULL, RK_TRACE);
	posix_world_init(&x.w);
	posix_scratch(x.path);
	rk_arena_init(&x.arena, 256 << 20);
	x.rules = (struct st_rules){.segment_bytes = 1 << 30,
	    .segment_ms = 604800000,
	    .segment_index_bytes = 10485760,
	    .index_interval_bytes = 4096,
	    .retention_bytes = -1,
	    .retention_ms = -1,
	    .flush_messages = INT64_MAX,
	    .flush_ms = INT64_MAX,
	    .file_delete_delay_ms = 60000,
	    .delete_old = true};
	ck_assert_int_eq(st_meta_write(&x.w.env, x.path, &meta), RK_OK);
	ck_assert_int_eq(st_dir_open(&x.w.env, x.path, &meta, &x.dir, &x.how), RK_OK);
}

void
scratch_log(void)
{
	ck_assert_int_eq(
	    st_log_create(x.dir, rk_lit("t"), 0, (struct rk_uuid){{1, 2, 3}}, &x.rules, &x.log),
	    RK_OK);
}

void
scratch_end(void)
{
	posix_forget(&x.w);
	st_log_free(x.log);
	if (x.dir != NULL)
		st_dir_free(x.dir);
	ck_assert_uint_eq(x.w.files, 0);
	rk_arena_free(&x.arena);
	posix_remove(x.path);
}

void
scratch_start(void)
{
	ck_assert_int_eq(st_dir_open(&x.w.env, x.path, &meta, &x.dir, &x.how), RK_OK);
	ck_assert_int_eq(st_log_open(x.dir, rk_lit("t"), 0, x.how.clean, &x.rules, &x.log), RK_OK);
}

void
scratch_crash(void)
{
	posix_forget(&x.w);
	st_log_free(x.log);
	st_dir_free(x.dir);
	x.log = NULL;
	x.dir = NULL;
	scratch_start();
}

void
scratch_stop(void)
{
	sync_all();
	ck_assert_int_eq(st_dir_save(x.dir), RK_OK);
	ck_assert_int_eq(st_log_close(x.log), RK_OK);
	ck_assert_int_eq(st_dir_mark_clean(x.dir, 5), RK_OK);
	posix_pump(&x.w);
	st_dir_close(x.dir);
	x.log = NULL;
	x.dir = NULL;
}

static uint8_t *
varint(uint8_t *p, int64_t v)
{
	uint64_t u = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
	for (; u >= 128; u >>= 7)
		*p++ = (uint8_t)(u | 128);
	*p++ = (uint8_t)u;
	return p;
}

static struct rk_str
seal(uint8_t *b, uint8_t *end)
{
	rk_put32(b + 8, (uint32_t)(end - b) - 12);
	rk_put32(b + 17, rk_crc32c(0, b + 21, (size_t)(end - b) - 21));
	return (struct rk_str){(char *)b, (int32_t)(end - b)};
}

static uint8_t *
head(uint8_t *b, int64_t producer, int16_t epoch, int32_t seq, int32_t count, int64_t ms,
    int16_t attr)
{
	memset(b, 0, KP_BATCH_HEAD);
	b[16] = 2;
	rk_put16(b + 21, (uint16_t)attr);
	rk_put32(b + 23, (uint32_t)(count - 1));
	rk_put64(b + 27, (uint64_t)ms);
	rk_put64(b + 35, (uint64_t)(ms + count - 1));
	rk_put64(b + 43, (uint64_t)producer);
	rk_put16(b + 51, (uint16_t)epoch);
	rk_put32(b + 53, (uint32_t)seq);
	rk_put32(b + 57, (uint32_t)count);
	return b + KP_BATCH_HEAD;
}

static struct rk_str
build(int64_t producer, int16_t epoch, int32_t seq, int32_t count, uint32_t size, int64_t ms,
    int16_t attr)
{
	uint8_t *b = rk_arena_raw(&x.arena, KP_BATCH_HEAD + (size_t)count * (size + 32)), one[64],
		*p;
	ck_assert_ptr_nonnull(b);
	p = head(b, producer, epoch, seq, count, ms, attr);
	for (int32_t i = 0; i < count; i++) {
		uint8_t *q = one;
		*q++ = 0;
		q = varint(q, i);
		q = varint(q, i);
		q = varint(q, -1);
		q = varint(q, size);
		p = varint(p, (q - one) + (int64_t)size + 1);
		memcpy(p, one, (size_t)(q - one));
		p += q - one;
		for (uint32_t k = 0; k < size; k++)
			*p++ = (uint8_t)('a' + (k + (uint32_t)i) % 26);
		*p++ = 0;
	}
	return seal(b, p);
}

struct rk_str
batch_of(int32_t count, uint32_t size, int64_t ms)
{
	return build(-1, -1, -1, count, size, ms, 0);
}

struct rk_str
batch_from(int64_t producer, int16_t epoch, int32_t seq, int32_t count, int64_t ms, int16_t attr)
{
	return build(producer, epoch, seq, count, 10, ms, attr);
}

struct rk_str
marker_of(int64_t producer, int16_t epoch, bool abort)
{
	uint8_t *b = rk_arena_raw(&x.arena, 128);
	uint8_t *p = head(b, producer, epoch, -1, 1, x.w.wall_ms, KP_ATTR_TXN | KP_ATTR_CONTROL);
	*p++ = 32, *p++ = 0, *p++ = 0, *p++ = 0, *p++ = 8;
	rk_put16(p, 0), rk_put16(p + 2, abort ? 0 : 1), p += 4;
	*p++ = 12;
	rk_put16(p, 0), rk_put32(p + 2, 0), p += 6;
	*p++ = 0;
	return seal(b, p);
}

int64_t
append(struct rk_str batch, int32_t epoch)
{
	struct st_appended a;
	ck_assert_int_eq(st_log_append(x.log, (uint8_t *)(uintptr_t)batch.at, (uint32_t)batch.len,
			     epoch, x.w.wall_ms, &a),
	    RK_OK);
	return a.first;
}

void
sync_all(void)
{
	st_log_sync(x.log);
	posix_pump(&x.w);
}

struct reading
read_from(int64_t offset, int64_t limit, uint32_t max_bytes, bool at_least_one)
{
	struct reading r = {.count = 0};
	struct rk_arena a;
	struct rk_out out;

	rk_arena_init(&a, 64 << 20);
	rk_out_init(&out, &a);
	ck_assert_int_eq(st_log_read(x.log, offset, limit, max_bytes, at_least_one, &out), RK_OK);
	ck_assert_uint_le(out.count, 1);
	r.bytes = (uint32_t)out.bytes;
	if (out.count == 1) {
		uint8_t *to = rk_arena_raw(&a, r.bytes), *p = to;
		ck_assert_int_eq(
		    rk_file_read(out.piece[0].u.in.file, out.piece[0].u.in.pos, to, r.bytes),
		    RK_OK);
		while (r.bytes - (size_t)(p - to) >= KP_BATCH_HEAD
		       && kp_batch_bytes(p) <= (int64_t)r.bytes - (p - to)) {
			ck_assert_int_eq(kp_batch_check(p, (size_t)kp_batch_bytes(p)), RK_OK);
			ck_assert_uint_lt(r.count, 512);
			r.base[r.count++] = kp_batch_base(p);
			p += kp_batch_bytes(p);
		}
		r.partial = p != to + r.bytes;
	}
	rk_out_drop(&out);
	rk_arena_free(&a);
	return r;
}

const char *
file_of(const char *name)
{
	static char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/t-0/%s", x.path, name);
	return path;
}

int64_t
size_of(const char *name)
{
	struct stat st;
	return stat(file_of(name), &st) < 0 ? -1 : st.st_size;
}

void
spoil(const char *name, int64_t pos, uint8_t mask)
{
	uint8_t c;
	int fd = open(file_of(name), O_RDWR);
	ck_assert_int_ge(fd, 0);
	if (pos < 0)
		pos += size_of(name);
	ck_assert_int_eq(pread(fd, &c, 1, pos), 1);
	c ^= mask;
	ck_assert_int_eq(pwrite(fd, &c, 1, pos), 1);
	close(fd);
}

void
cut_file(const char *name, int64_t len)
{
	ck_assert_int_eq(truncate(file_of(name), len), 0);
}

/* Each offset entry names the batch that ends there; each time entry the largest timestamp so far.
 */
void
check_indexes(void)
{
	ck_assert_int_eq(st_log_warm(x.log), RK_OK);
	for (uint32_t i = 0; i < x.log->hot->count; i++) {
		struct st_segment *s = &x.log->hot->seg[i];
		uint8_t e[12], h[KP_BATCH_HEAD];
		uint32_t pos, len;
		int64_t before = -1, before_ms = -1;
		ck_assert_int_eq(st_segment_indexed(x.log, s), RK_OK);
		ck_assert_int_eq(st_segment_open(x.log, s, false), RK_OK);
		for (uint32_t k = 0; k < st_index_count(&s->offsets); k++) {
			ck_assert_int_eq(st_index_get(&s->offsets, k, e), RK_OK);
			ck_assert_int_eq(rk_file_read(s->log, rk_get32(e + 4), h, sizeof h), RK_OK);
			ck_assert_int_eq(kp_batch_last(h), s->base + rk_get32(e));
			ck_assert_int_gt((int64_t)rk_get32(e), before);
			before = rk_get32(e);
		}
		for (uint32_t k = 0; k < st_index_count(&s->times); k++) {
			ck_assert_int_eq(st_index_get(&s->times, k, e), RK_OK);
			ck_assert_int_eq(
			    st_segment_find(x.log, s, s->base + rk_get32(e + 8), &pos, &len),
			    RK_OK);
			ck_assert_int_eq(rk_file_read(s->log, pos, h, sizeof h), RK_OK);
			ck_assert_int_eq(kp_batch_last(h), s->base + rk_get32(e + 8));
			ck_assert_int_eq(kp_batch_max_ms(h), (int64_t)rk_get64(e));
			ck_assert_int_gt((int64_t)rk_get64(e), before_ms);
			before_ms = (int64_t)rk_get64(e);
		}
	}
}
