/* out.h - an answer on its way out, as pieces: bytes we hold, or bytes a file holds.
 *
 * Small writes are gathered in chunks of the arena, so that a header of forty fields is one piece.
 * A file piece holds one count of its file until rk_out_drop. */
#ifndef RK_OUT_H
#define RK_OUT_H
#include "base/arena.h"

struct rk_file;
struct rk_piece {
	enum { RK_MEM, RK_FILE } kind;
	uint32_t len;            /* bytes, > 0 */
	union {
		const uint8_t *mem; /* borrowed, or in the arena: valid until the answer is sent */
		struct {
			struct rk_file *file; /* one count held */
			uint64_t pos;
		} in;
	} u;
};

struct rk_out {
	struct rk_arena *arena;  /* pieces and chunks come from here */
	struct rk_piece *piece;
	uint32_t count, cap;
	uint8_t *at, *end;       /* room left in the chunk that the last piece may grow into */
	uint64_t bytes;          /* sum of len */
	bool over;               /* sticky: the arena had no room */
};

void rk_out_init(struct rk_out *, struct rk_arena *);
/* n bytes to fill at once, contiguous with what was put before when there is room; never NULL: once
 * over it returns a scratch place (n <= 64) or NULL for more. */
uint8_t *rk_out_room(struct rk_out *, uint32_t n);
void rk_out_put(struct rk_out *, const void *, uint32_t len);  /* copies */
void rk_out_mem(struct rk_out *, const void *, uint32_t len);  /* borrows until sent */
void rk_out_file(struct rk_out *, struct rk_file *, uint64_t pos, uint32_t len); /* holds */
/* Moves the pieces of from behind to's; from is empty then. Both in one arena. */
void rk_out_join(struct rk_out *to, struct rk_out *from);
/* The bytes, all in memory, as one run in the arena, a zero behind them; null: it or that arena is over. */
struct rk_str rk_out_flat(const struct rk_out *, struct rk_arena *);
/* Drops the file counts. The arena owns the rest. */
void rk_out_drop(struct rk_out *);
#endif
