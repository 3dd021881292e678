/* arena.h - memory that lives exactly as long as one request.
 *
 * An arena is a chain of blocks taken from the base heap as they are needed, never more than limit
 * bytes in all. Running out is sticky: do all the work, then look at over once. An arena that was
 * never asked holds no memory. */
#ifndef RK_ARENA_H
#define RK_ARENA_H
#include "base/str.h"

struct rk_block;
struct rk_arena {
	struct rk_block *block; /* newest first; the arena's own */
	char *at, *end;         /* free bytes of the newest block */
	size_t used;            /* bytes of all blocks */
	size_t limit;           /* never past this */
	bool over;              /* sticky: some request did not fit */
};

void rk_arena_init(struct rk_arena *, size_t limit_bytes);
/* n * each zeroed bytes, 16-aligned; NULL once over (and for every later call). n 0 gives a
 * pointer that must not be read. */
void *rk_arena_get(struct rk_arena *, size_t n, size_t each);
/* Like rk_arena_get but not zeroed: for buffers that are filled at once. */
void *rk_arena_raw(struct rk_arena *, size_t len);
/* A copy of the string, zero-terminated behind len; the null string stays null. */
struct rk_str rk_arena_str(struct rk_arena *, struct rk_str);
/* Formatted text in the arena; the null string when over. */
struct rk_str rk_arena_print(struct rk_arena *, const char *fmt, ...) rk_format(2, 3);
/* Gives everything back except one small block kept for the next request; over is false again. */
void rk_arena_reset(struct rk_arena *);
/* Gives everything back. The arena may be used again. */
void rk_arena_free(struct rk_arena *);
#endif
