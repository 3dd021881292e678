/* raft_main.c - raft_sim [--seeds A-B] [--bug N] [--trace] [--quiet]
 *
 * Without arguments: what `make check` wants of it: the kept seeds, 300 others run twice each, and the proof
 * that planted bugs are found. A seed that fails is named, and the exit status is 1. */
#include <sys/wait.h>
#include "tests/sim/raft_sim.h"

enum { CHECK_SEEDS = 300, BUG_SEEDS = 1000 };

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int
run(uint64_t from, uint64_t to, enum sim_bug bug, bool trace, bool quiet)
{
	double start = seconds();
	uint64_t steps = 0, all = 0;
	char why[256];
	int status = 0;

	for (uint64_t s = from; s <= to; s++) {
		uint64_t before = steps;
		uint64_t d = sim_raft(s, bug, trace, &steps, why);
		all = all * 31 + d;
		if (d == 0) {
			printf("seed %" PRIu64 " fails: %s\n", s, why);
			status = 1;
		} else if (!quiet) {
			printf("seed %" PRIu64 " steps %" PRIu64 " digest %016" PRIx64 "\n", s, steps - before, d);
		}
		fflush(stdout);
	}
	double took = seconds() - start;
	printf("seeds %" PRIu64 "-%" PRIu64 ": %" PRIu64 " steps, digest %016" PRIx64 ", %.1f s, %.0f seeds an hour\n",
	    from, to, steps, all, took, (double)(to - from + 1) / took * 3600);
	return status;
}

static int
twice(uint64_t seed)
{
	uint64_t steps = 0;
	char why[256];
	uint64_t a = sim_raft(seed, BUG_NONE, false, &steps, why);
	uint64_t b = a == 0 ? 0 : sim_raft(seed, BUG_NONE, false, &steps, why);

	if (a == 0)
		printf("seed %" PRIu64 " fails: %s\n", seed, why);
	else if (a != b)
		printf("seed %" PRIu64 " gives two digests: %016" PRIx64 " %016" PRIx64 "\n", seed, a, b);
	return a == 0 || a != b;
}

/* In a process of its own: a bug may also die on an assertion, which is a find too. */
static int
found(enum sim_bug bug, const char *name)
{
	for (uint64_t s = 1; s <= BUG_SEEDS; s++) {
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0) {
			uint64_t steps = 0;
			char why[256];
			if (freopen("/dev/null", "w", stderr) == NULL)
				_exit(3);
			_exit(sim_raft(s, bug, false, &steps, why) == 0);
		}
		int status = 0;
		waitpid(pid, &status, 0);
		if (status != 0) {
			printf("planted bug \"%s\" falls to seed %" PRIu64 "\n", name, s);
			return 0;
		}
	}
	printf("planted bug \"%s\" is not found in %d seeds\n", name, BUG_SEEDS);
	return 1;
}

static int
check(void)
{
	int bad = sim_kept("raft", twice);

	for (uint64_t s = 1; s <= CHECK_SEEDS; s++)
		bad += twice(s);
	bad += found(BUG_VOTE_TOLD_BEFORE_SYNC, "a vote is told before it is on disk");
	bad += found(BUG_ACK_BEFORE_SYNC, "records are acknowledged before they are on disk");
	bad += found(BUG_VOTE_FORGOTTEN, "the vote is never saved");
	return bad > 0;
}

int
main(int argc, char **argv)
{
	uint64_t from = 0, to = 0;
	unsigned bug = 0;
	bool trace = false, quiet = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--trace") == 0)
			trace = true;
		else if (strcmp(argv[i], "--quiet") == 0)
			quiet = true;
		else if (strcmp(argv[i], "--bug") == 0 && i + 1 < argc)
			bug = (unsigned)strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
			sim_seeds(argv[++i], &from, &to);
		else {
			fprintf(stderr, "usage: raft_sim [--seeds A-B] [--bug 0-%d] [--trace] [--quiet]\n", BUGS - 1);
			return 2;
		}
	}
	if (from == 0)
		return check();
	return run(from, to, bug < BUGS ? (enum sim_bug)bug : BUG_NONE, trace, quiet);
}
