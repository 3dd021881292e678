/* f_codec.c - any bytes, any version, any message: never a crash, a stray read or memory without end;
 * and what can be read is written so that it reads the same. */
#include "tests/fill.h"
#include "tests/fuzz/fuzz.h"

/* How much arena a byte of input may cost: the largest element against its fewest bytes, with room for
 * the arena's own doubling. */
enum { PER_BYTE = 256, AT_ONCE = 64 << 10 };

static struct rk_arena arena;

static const char *
flat(struct rk_out *o)
{
	struct rk_str s = rk_out_flat(o, &arena);

	rk_assert(s.len >= 0);
	return s.at;
}

static void
rewrite(const struct kp_desc *d, int16_t version, void *msg)
{
	struct rk_out once, twice, line;
	void *back = rk_arena_get(&arena, 1, d->size);

	rk_out_init(&once, &arena);
	rk_out_init(&twice, &arena);
	rk_out_init(&line, &arena);
	kp_print(d, version, msg, &line);
	kp_write(d, version, msg, &once);
	uint64_t n = once.bytes;
	const char *a = flat(&once);
	enum rk_err e = kp_read(d, version, a, n, &arena, back, NULL);
	rk_assert(e == RK_OK);
	kp_write(d, version, back, &twice);
	rk_assert(twice.bytes == n && memcmp(a, flat(&twice), n) == 0);
}

/* Two bytes name the message, one the version; the rest is the message. */
int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct kp_head h;
	size_t used = 0;

	if (n < 3)
		return 0;
	rk_arena_init(&arena, 1 << 30);
	if (kp_head_read(p, n, &h) == RK_OK)
		rk_assert(h.body <= n);
	const struct kp_desc *d = kp_messages[rk_get16(p) % kp_messages_count];
	int16_t version = (int16_t)(d->min + p[2] % (d->max - d->min + 1));
	void *msg = rk_arena_get(&arena, 1, d->size);
	enum rk_err e = kp_read(d, version, p + 3, n - 3, &arena, msg, (p[2] & 0x80) != 0 ? &used : NULL);
	rk_assert(e == RK_OK || e == RK_INVALID_REQUEST);
	rk_assert(used <= n - 3 && arena.used <= AT_ONCE + PER_BYTE * n);
	if (e == RK_OK)
		rewrite(d, version, msg);
	rk_arena_free(&arena);
	return 0;
}

size_t
fuzz_sample(uint64_t seed, uint8_t *to, size_t size)
{
	struct fill f = { .seed = seed, .arena = &arena, .wide = 3 };
	struct rk_out o;

	rk_arena_init(&arena, 1 << 30);
	uint32_t which = fill_chance(&f, kp_messages_count);
	const struct kp_desc *d = kp_messages[which];
	uint32_t version = fill_chance(&f, (uint32_t)(d->max - d->min + 1));
	f.version = (int16_t)(d->min + (int16_t)version);
	void *msg = rk_arena_get(&arena, 1, d->size);
	fill_message(&f, d, msg);
	rk_out_init(&o, &arena);
	kp_write(d, f.version, msg, &o);
	size_t n = o.bytes < size - 3 ? o.bytes : size - 3;
	rk_put16(to, (uint16_t)which);
	to[2] = (uint8_t)version;
	memcpy(to + 3, flat(&o), n);
	rk_arena_free(&arena);
	return n + 3;
}
