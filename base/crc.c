/* crc.c - CRC-32C: three instructions at once where the processor has them, a table elsewhere. */
#include "base/str.h"

static uint32_t table[256];

static uint32_t
by_table(uint32_t c, const uint8_t *p, size_t n)
{
	if (table[1] == 0)
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t v = i;
			for (int k = 0; k < 8; k++)
				v = v >> 1 ^ (v & 1 ? 0x82f63b78u : 0);
			table[i] = v;
		}
	for (; n > 0; n--)
		c = table[(c ^ *p++) & 255] ^ c >> 8;
	return c;
}

#if defined(__x86_64__)
/* The crc32 instruction takes three cycles but a new one may start each cycle: three stripes run
 * side by side and are joined by shifting the first two over the zeros behind them. The shift by a
 * fixed length is linear, so it is four table look-ups. */
enum { STRIPE = 4096 };
static uint32_t over[4][256]; /* a crc moved over STRIPE zero bytes, byte by byte */
static bool ready;

__attribute__((target("sse4.2"))) static uint32_t
one(uint32_t c, const uint8_t *p, size_t n)
{
	uint64_t v, w = c;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&v, p, 8);
		w = __builtin_ia32_crc32di(w, v);
	}
	c = (uint32_t)w;
	for (; n > 0; n--)
		c = __builtin_ia32_crc32qi(c, *p++);
	return c;
}

static void
prepare(void)
{
	static const uint8_t zeros[STRIPE];

	for (uint32_t k = 0; k < 4; k++)
		for (uint32_t i = 0; i < 256; i++)
			over[k][i] = one(i << 8 * k, zeros, STRIPE);
	ready = true;
}

static uint32_t
shift(uint32_t c)
{
	return over[0][c & 255] ^ over[1][c >> 8 & 255] ^ over[2][c >> 16 & 255] ^ over[3][c >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t
by_three(uint32_t c, const uint8_t *p, size_t n)
{
	if (!ready)
		prepare();
	for (; n >= 3 * STRIPE; n -= 3 * STRIPE, p += 3 * STRIPE) {
		uint64_t a = c, b = 0, d = 0, x, y, z;
		for (uint32_t i = 0; i < STRIPE; i += 8) {
			memcpy(&x, p + i, 8);
			memcpy(&y, p + STRIPE + i, 8);
			memcpy(&z, p + 2 * STRIPE + i, 8);
			a = __builtin_ia32_crc32di(a, x);
			b = __builtin_ia32_crc32di(b, y);
			d = __builtin_ia32_crc32di(d, z);
		}
		c = shift(shift((uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)d;
	}
	return one(c, p, n);
}
#endif

uint32_t
rk_crc32c(uint32_t crc, const void *p, size_t len)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~by_three(~crc, p, len);
#endif
	return ~by_table(~crc, p, len);
}
