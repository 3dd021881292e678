/* fill.h - any message of any version with values from a seed, for the codec's tests, fuzzers and oracle. */
#ifndef FILL_H
#define FILL_H
#include "protocol/desc.h"

struct fill {
	uint64_t seed;            /* moves on with every draw */
	struct rk_arena *arena;   /* strings, arrays and structs are taken from here */
	int16_t version;
	uint32_t wide;            /* arrays have at most so many elements */
};
uint32_t fill_chance(struct fill *, uint32_t below);
/* Fills msg for f's version: nulls where they may be, empty and full arrays, defaults now and then. */
void fill_message(struct fill *, const struct kp_desc *, void *msg);
#endif
