/* drive.c - runs a fuzz target without a fuzzer: seeded, so that a run is the same on every machine.
 *
 *	f_NAME [SEED [RUNS]]     mutations of valid inputs (default 1 and 3000)
 *	f_NAME FILE...           the inputs in the files
 *
 * Before an input breaks a promise its seed is on stderr: f_NAME SEED 1 runs it alone. */
#include <signal.h>
#include "tests/fuzz/fuzz.h"

enum { INPUT = 1 << 16 };
static uint64_t at; /* the seed of the input that runs */

uint64_t
fuzz_draw(uint64_t *seed)
{
	*seed += 0x9e3779b97f4a7c15u;
	uint64_t z = *seed;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static size_t
below(uint64_t *s, size_t n)
{
	return n == 0 ? 0 : (size_t)(fuzz_draw(s) >> 16) % n;
}

/* One change to the n bytes; returns how many there are then. */
static size_t
mutate(uint64_t *s, uint8_t *b, size_t n)
{
	static const uint8_t ends[] = { 0, 1, 0x7f, 0x80, 0xfe, 0xff };
	size_t i = below(s, n), j = below(s, n), k;

	if (n == 0)
		return 0;
	switch (below(s, 8)) {
	case 0: b[i] ^= (uint8_t)(1u << below(s, 8)); return n;
	case 1: b[i] = ends[below(s, sizeof ends)]; return n;
	case 2: b[i] = (uint8_t)fuzz_draw(s); return n;
	case 3: return i; /* cut */
	case 4: /* a length of all kinds of sizes */
		for (k = 0; k < 4 && i + k < n; k++)
			b[i + k] = (uint8_t)(k < below(s, 5) ? 0 : ends[below(s, sizeof ends)]);
		return n;
	case 5: /* more behind */
		for (k = below(s, 64); k > 0 && n < INPUT; k--)
			b[n++] = (uint8_t)fuzz_draw(s);
		return n;
	case 6: /* a stretch taken out */
		k = i < j ? j - i : 0;
		memmove(b + i, b + i + k, n - i - k);
		return n - k;
	default: /* a stretch put over another */
		k = below(s, n - (i > j ? i : j) + 1);
		memmove(b + i, b + j, k);
		return n;
	}
}

static void
one(uint64_t seed)
{
	static uint8_t b[INPUT];
	uint64_t s = seed * 0x2545f4914f6cdd1du;
	size_t n = fuzz_sample(fuzz_draw(&s), b, sizeof b);

	at = seed;
	if (below(&s, 50) == 0)
		for (size_t i = 0; i < n; i++)
			b[i] = (uint8_t)fuzz_draw(&s);
	for (size_t k = below(&s, 5); k > 0; k--)
		n = mutate(&s, b, n);
	uint8_t *exact = malloc(n + 1); /* of its exact size, so that a sanitizer sees a stray read */
	if (exact == NULL)
		abort();
	memcpy(exact, b, n);
	(void)LLVMFuzzerTestOneInput(exact, n);
	free(exact);
}

static void
file(const char *path)
{
	static uint8_t b[INPUT];
	FILE *f = fopen(path, "rb");

	if (f == NULL) {
		perror(path);
		exit(2);
	}
	size_t n = fread(b, 1, sizeof b, f);
	fclose(f);
	(void)LLVMFuzzerTestOneInput(b, n);
}

static void
told(int sig)
{
	fprintf(stderr, "fuzz: signal %d in seed %" PRIu64 " (run it alone: SEED 1)\n", sig, at);
	signal(sig, SIG_DFL);
	raise(sig);
}

int
main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t runs = argc > 2 ? strtoull(argv[2], NULL, 0) : 3000;

	signal(SIGABRT, told);
	if (argc > 1 && strspn(argv[1], "0123456789") != strlen(argv[1])) {
		for (int i = 1; i < argc; i++)
			file(argv[i]);
		return 0;
	}
	for (uint64_t i = 0; i < runs; i++)
		one(seed + i);
	printf("%s: %" PRIu64 " inputs from seed %" PRIu64 "\n", argv[0], runs, seed);
	return 0;
}
