/* f_batch.c - any bytes as a record batch: looked at, inflated and walked without a stray read. */
#include "protocol/batch.h"
#include "tests/fuzz/fuzz.h"

enum { PLAIN_MAX = 1 << 20 };
static struct rk_arena arena;

static void
walk(const void *b, struct rk_str plain)
{
	struct kp_records_iter it;
	struct kp_record r;
	struct rk_str key, value;
	uint64_t sum = 0;

	kp_records_start(&it, b, (const uint8_t *)plain.at, plain.len < 0 ? 0 : (size_t)plain.len);
	while (kp_records_next(&it, &r)) {
		sum = rk_hash(r.key.at, r.key.len < 0 ? 0 : (size_t)r.key.len, sum);
		sum = rk_hash(r.value.at, r.value.len < 0 ? 0 : (size_t)r.value.len, sum);
		while (kp_record_header(&r, &key, &value))
			sum = rk_hash(key.at, (size_t)key.len, sum);
	}
	rk_assert(it.bad || it.left == 0);
}

/* The first bit of the input's first byte: take the checksum for right, so that the rest is seen. */
int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct rk_str plain = RK_STR_NULL;
	enum rk_err e;

	if (n < 1)
		return 0;
	e = (p[0] & 1) != 0 ? kp_batch_check(p + 1, n - 1) : kp_batch_shape(p + 1, n - 1);
	if (e != RK_OK)
		return 0;
	rk_arena_init(&arena, 64 << 20);
	enum kp_codec codec = (enum kp_codec)(kp_batch_attr(p + 1) & KP_ATTR_CODEC);
	if (codec != KP_NONE)
		e = kp_inflate_all(codec, p + 1 + KP_BATCH_HEAD, (size_t)kp_batch_bytes(p + 1) - KP_BATCH_HEAD,
		    PLAIN_MAX, &arena, &plain);
	if (e == RK_OK)
		walk(p + 1, plain);
	rk_assert(plain.len <= PLAIN_MAX);
	rk_arena_free(&arena);
	return 0;
}

size_t
fuzz_sample(uint64_t seed, uint8_t *to, size_t size)
{
	static const char text[] = "a rook is a bird of the crow family that lives in colonies";
	struct kp_pair header = { rk_lit("header"), rk_lit("value") };
	struct kp_build b;
	uint64_t s = seed;

	rk_arena_init(&arena, 64 << 20);
	kp_build_start(&b, &arena, (int64_t)(fuzz_draw(&s) >> 20), (int16_t)(seed % KP_CODECS), 1000);
	for (uint64_t n = fuzz_draw(&s) % 20; n > 0; n--) {
		int32_t len = (int32_t)(fuzz_draw(&s) % sizeof text);
		kp_build_add_with(&b, (int64_t)(fuzz_draw(&s) % 2000), (struct rk_str){ text, len / 2 },
		    (struct rk_str){ text, len }, &header, (int32_t)(fuzz_draw(&s) % 2));
	}
	struct rk_str got = kp_build_end(&b, 1, -1, -1, -1);
	rk_assert(got.len > 0 && (size_t)got.len < size);
	to[0] = (uint8_t)(fuzz_draw(&s) % 8 == 0);
	memcpy(to + 1, got.at, (size_t)got.len);
	rk_arena_free(&arena);
	return (size_t)got.len + 1;
}
