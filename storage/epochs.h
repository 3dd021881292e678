/* epochs.h - which leader epoch began at which offset: the leader-epoch-checkpoint of a log.
 *
 * A plain row of (epoch, start), both ascending strictly. An epoch ends where the next one starts, the last
 * one at the log's end. The text is Kafka's: "0\n<count>\n<epoch> <start>\n"... */
#ifndef ST_EPOCHS_H
#define ST_EPOCHS_H
#include "base/arena.h"
#include "base/err.h"

struct st_epoch {
	int32_t epoch;
	int64_t start;
};
struct st_epochs {
	struct st_epoch *at;
	uint32_t count, cap;
};

void st_epochs_free(struct st_epochs *);
int32_t st_epochs_last(const struct st_epochs *); /* -1: none */
/* Notes that epoch begins at start. Later or larger ones that contradict it go away, as in Kafka. False
 * when it was known with that start or an earlier one: nothing changed. */
bool st_epochs_begin(struct st_epochs *, int32_t epoch, int64_t start);
int32_t st_epochs_at(const struct st_epochs *, int64_t offset); /* the epoch of an offset; -1: unknown */
/* The largest epoch not above asked, and its end when the log ends at log_end; -1, -1: none. */
void st_epochs_end(const struct st_epochs *, int32_t asked, int64_t log_end, int32_t *epoch, int64_t *end);
/* Forgets epochs that begin at or past offset (truncation). True: something changed. */
bool st_epochs_cut_end(struct st_epochs *, int64_t offset);
/* Forgets what lies below offset (retention); the epoch that holds offset then begins there. */
bool st_epochs_cut_start(struct st_epochs *, int64_t offset);
struct rk_str st_epochs_write(const struct st_epochs *, struct rk_arena *); /* null string: the arena is over */
/* RK_CORRUPT_MESSAGE: not such a text; the table is then empty. */
rk_must_use enum rk_err st_epochs_read(struct st_epochs *, struct rk_str);
#endif
