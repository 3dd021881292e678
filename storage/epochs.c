/* epochs.c - the row of leader epochs. */
#include "storage/epochs.h"
#include "storage/text.h"
#include "base/mem.h"

void
st_epochs_free(struct st_epochs *e)
{
	rk_mem_put(e->at);
	*e = (struct st_epochs){0};
}

int32_t
st_epochs_last(const struct st_epochs *e)
{
	return e->count == 0 ? -1 : e->at[e->count - 1].epoch;
}

bool
st_epochs_begin(struct st_epochs *e, int32_t epoch, int64_t start)
{
	rk_assert(epoch >= 0 && start >= 0);
	if (e->count > 0 && e->at[e->count - 1].epoch == epoch
	    && e->at[e->count - 1].start <= start)
		return false;
	while (e->count > 0
	       && (e->at[e->count - 1].epoch >= epoch || e->at[e->count - 1].start >= start))
		e->count--;
	struct st_epoch *to = rk_mem_room((void **)&e->at, e->count, &e->cap, sizeof *to);
	*to = (struct st_epoch){epoch, start};
	e->count++;
	return true;
}

/* How many begin at or below offset. */
static uint32_t
below(const struct st_epochs *e, int64_t offset)
{
	uint32_t lo = 0, hi = e->count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (e->at[mid].start <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int32_t
st_epochs_at(const struct st_epochs *e, int64_t offset)
{
	uint32_t n = below(e, offset);

	return n == 0 ? -1 : e->at[n - 1].epoch;
}

void
st_epochs_end(
    const struct st_epochs *e, int32_t asked, int64_t log_end, int32_t *epoch, int64_t *end)
{
	uint32_t n = e->count;

	while (n > 0 && e->at[n - 1].epoch > asked)
		n--;
	*epoch = n == 0 ? -1 : e->at[n - 1].epoch;
	*end = n == 0 ? -1 : n == e->count ? log_end : e->at[n].start;
}

bool
st_epochs_cut_end(struct st_epochs *e, int64_t offset)
{
	uint32_t had = e->count;

	while (e->count > 0 && e->at[e->count - 1].start >= offset)
		e->count--;
	return e->count != had;
}

bool
st_epochs_cut_start(struct st_epochs *e, int64_t offset)
{
	uint32_t n = below(e, offset);

	if (n == 0 || (n == 1 && e->at[0].start == offset))
		return false;
	e->count -= n - 1;
	memmove(e->at, e->at + n - 1, e->count * sizeof e->at[0]);
	e->at[0].start = offset;
	return true;
}

struct rk_str
st_epochs_write(const struct st_epochs *e, struct rk_arena *a)
{
	enum { LINE = 33 }; /* an int32, a blank, an int64, a newline, with signs */
	size_t size = 32 + (size_t)e->count * LINE;
	char *to = rk_arena_raw(a, size);

	if (to == NULL)
		return RK_STR_NULL;
	size_t n = (size_t)snprintf(to, size, "0\n%" PRIu32 "\n", e->count);
	for (uint32_t i = 0; i < e->count; i++)
		n += (size_t)snprintf(
		    to + n, size - n, "%" PRId32 " %" PRId64 "\n", e->at[i].epoch, e->at[i].start);
	rk_assert(n < size);
	return (struct rk_str){to, (int32_t)n};
}

static bool
read_lines(struct st_epochs *e, struct rk_str rest)
{
	int64_t count, epoch, start;
	struct rk_str line;

	if (rest.len == 0)
		return true; /* Kafka takes an empty file for an empty table */
	if (!st_text_head(&rest, &count))
		return false;
	for (int64_t i = 0; i < count; i++) {
		if (!st_text_line(&rest, &line) || !st_text_int(&line, 0, &epoch)
		    || epoch > INT32_MAX || !st_text_int(&line, 0, &start))
			return false;
		st_epochs_begin(e, (int32_t)epoch, start);
	}
	return true;
}

enum rk_err
st_epochs_read(struct st_epochs *e, struct rk_str text)
{
	e->count = 0;
	if (text.len >= 0 && read_lines(e, text))
		return RK_OK;
	e->count = 0;
	return RK_CORRUPT_MESSAGE;
}
