/* index.h - a file of ascending entries of one width: .index (8 bytes) and .timeindex (12 bytes).
 *
 *	.index      i32 offset - base, i32 position: the batch that ends with that offset begins there
 *	.timeindex  i64 timestamp, i32 offset - base: the largest timestamp so far, and the last offset of the
 *	            (first) batch that carries it
 *
 * The key is the first field. New entries wait in a small buffer and are written some at a time; the file
 * has exact size always (Kafka preallocates its active ones; a file cut to size is what it leaves on
 * close). An index is never needed for correctness: with fewer entries searches read more of the log. */
#ifndef ST_INDEX_H
#define ST_INDEX_H
#include "base/env.h"

enum { ST_OFFSETS = 8, ST_TIMES = 12, ST_INDEX_PENDING = 64 };

struct st_index {
	struct rk_file *file;    /* NULL: not opened, or not made yet */
	uint8_t *pending;        /* NULL: nothing waits */
	uint32_t written, waiting;
	uint8_t width;
	bool known;              /* written says what the file holds */
	uint8_t last[ST_TIMES];  /* the last entry, when there is one */
};

void st_index_init(struct st_index *, uint8_t width);
/* Opens the file if it is not yet. RK_NOT_FOUND; RK_CORRUPT_MESSAGE: its size is not a multiple. */
rk_must_use enum rk_err st_index_open(struct st_index *, struct rk_env *, const char *path, bool make);
static inline uint32_t
st_index_count(const struct st_index *x)
{
	return x->written + x->waiting;
}
int64_t st_index_key(const struct st_index *, const uint8_t *entry);
/* Adds behind the last entry; its key must be larger. A write that fails loses entries, not truth. */
void st_index_put(struct st_index *, const uint8_t *entry);
/* Writes what waits; the file must be open. */
rk_must_use enum rk_err st_index_flush(struct st_index *);
rk_must_use enum rk_err st_index_get(struct st_index *, uint32_t i, uint8_t *entry);
/* The last entry with a key <= key. RK_NOT_FOUND: none. *i is its place. */
rk_must_use enum rk_err st_index_floor(struct st_index *, int64_t key, uint8_t *entry, uint32_t *i);
/* Keeps the first count entries. */
rk_must_use enum rk_err st_index_cut(struct st_index *, uint32_t count);
/* Drops the file and the buffer; what waits is lost. */
void st_index_close(struct st_index *);
#endif
