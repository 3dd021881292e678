/* posix_world.h - a world for unit tests: plain files below a scratch folder, a clock that stands still, and
 * syncs that answer when they are pumped. Faults on demand. */
#ifndef POSIX_WORLD_H
#define POSIX_WORLD_H
#include "base/env.h"

struct posix_world {
	struct rk_env env;
	int64_t now_ms, wall_ms;
	uint64_t seed;
	struct posix_wait *first, *last; /* syncs asked for, not answered */
	uint32_t syncs, writes, reads, opens, files; /* counts of calls; files: not dropped yet */
	/* The next write of a file whose path contains fail_on (all when NULL) writes this many bytes and fails. -1: none. */
	int64_t fail_write_after;
	enum rk_err fail_with;
	bool fail_truncate, fail_sync;
	int32_t fail_rename_after; /* so many renames go well, then none; -1: all do */
	const char *fail_on;
};

void posix_world_init(struct posix_world *);
/* Answers the syncs asked for so far, and those asked for by their callbacks; returns how many. */
uint32_t posix_pump(struct posix_world *);
/* Forgets them: a crash. */
void posix_forget(struct posix_world *);
/* A fresh scratch folder below TMPDIR; to must have 64 bytes. */
char *posix_scratch(char to[64]);
void posix_remove(const char *path); /* and all in it */
#endif
