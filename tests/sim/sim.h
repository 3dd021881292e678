/* sim.h - what every simulation is made of: a virtual clock, chance from a seed, a queue of events, and a
 * digest of all that happened. One thread; a seed names a run, and the same seed gives the same digest. */
#ifndef SIM_SIM_H
#define SIM_SIM_H
#include "base/str.h"

/* lost: the owner has died since; free what arg holds and do nothing else. */
typedef void sim_fn(void *arg, bool lost);

struct sim_event {
	int64_t at_us;
	uint64_t number; /* events of one moment run in the order they were put in */
	const uint32_t *life;
	uint32_t lived;
	sim_fn *fn;
	void *arg;
};

struct sim {
	int64_t now_us;
	uint64_t rng, digest, events, number;
	struct sim_event *heap;
	uint32_t count, cap;
};

void sim_start(struct sim *, uint64_t seed);
void sim_end(struct sim *); /* every event left is lost */
/* Runs fn at this time. When life is not NULL and *life has another value by then, the event is lost. */
void sim_at(struct sim *, int64_t at_us, const uint32_t *life, sim_fn *, void *arg);
/* Runs the next event; false: there is none, or it is later than until_us (now is until_us then,
 * unless that is INT64_MAX). */
bool sim_run(struct sim *, int64_t until_us);

uint64_t sim_random(struct sim *);
int64_t sim_below(struct sim *, int64_t below);      /* 0 when below <= 1 */
bool sim_chance(struct sim *, uint32_t in_a_million);
/* Mixes what happened into the digest. */
void sim_note(struct sim *, uint64_t a, uint64_t b);

/* --- seeds */
/* Runs the seeds of tests/sim/seeds/OF: a seed at the start of a line, then what it once found. 0: each gave 0. */
int sim_kept(const char *of, int (*seed)(uint64_t));
/* "A-B" or "A": the first seed and the last one. */
void sim_seeds(const char *text, uint64_t *from, uint64_t *to);
#endif
