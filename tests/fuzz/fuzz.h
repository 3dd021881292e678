/* fuzz.h - what a fuzz target gives: it runs with drive.c and any compiler, or with clang's libFuzzer.
 *
 * A target is one file f_NAME.c with both functions, and its lines in fuzz.am. */
#ifndef FUZZ_H
#define FUZZ_H
/* Runs one input. Aborts (rk_assert, a sanitizer) when a promise is broken; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
/* Writes a valid input, named by seed, of at most size bytes; returns its length. */
size_t fuzz_sample(uint64_t seed, uint8_t *to, size_t size);
/* The next number of a stream that seed names. */
uint64_t fuzz_draw(uint64_t *seed);
#endif
