/* f_inflate.c - any bytes as compressed: what comes out comes in small pieces and never past max. */
#include "protocol/batch.h"
#include "tests/fuzz/fuzz.h"

enum { PIECE = 65536 };
static struct rk_arena arena;

static bool
count(void *arg, const uint8_t *p, size_t n)
{
	uint64_t *all = arg;

	rk_assert(n > 0 && n <= PIECE);
	*all += n + (p[0] & 0) + (p[n - 1] & 0); /* touched, for the sanitizer's sake */
	return true;
}

/* The first byte: the codec, and how much may come out. */
int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint64_t all = 0, max = n > 0 && (p[0] & 0x80) != 0 ? 100 : 4 << 20;

	if (n < 1)
		return 0;
	enum rk_err e = kp_inflate((enum kp_codec)((p[0] & 0x7f) % KP_CODECS), p + 1, n - 1, max, count, &all);
	rk_assert(e == RK_OK || e == RK_CORRUPT_MESSAGE || e == RK_MESSAGE_TOO_LARGE);
	rk_assert(all <= max);
	return 0;
}

size_t
fuzz_sample(uint64_t seed, uint8_t *to, size_t size)
{
	uint64_t s = seed;
	size_t n = fuzz_draw(&s) % 8 == 0 ? fuzz_draw(&s) % 40000 : fuzz_draw(&s) % 400;
	enum kp_codec codec = (enum kp_codec)(fuzz_draw(&s) % KP_CODECS);

	rk_arena_init(&arena, 64 << 20);
	uint8_t *plain = rk_arena_raw(&arena, n + 1);
	for (size_t i = 0; i < n; i++)
		plain[i] = fuzz_draw(&s) % 3 == 0 ? (uint8_t)fuzz_draw(&s) : (uint8_t)(i % 50);
	struct rk_str z = kp_deflate(codec, INT_MIN, plain, n, &arena);
	rk_assert(z.len >= 0 && (size_t)z.len < size);
	to[0] = (uint8_t)((unsigned)codec | (fuzz_draw(&s) % 8 == 0 ? 0x80 : 0));
	memcpy(to + 1, z.at, (size_t)z.len);
	rk_arena_free(&arena);
	return (size_t)z.len + 1;
}
