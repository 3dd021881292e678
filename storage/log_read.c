/* log_read.c - from offsets to places in files.
 *
 * A consumer at the tail asks for one of the last batches, and where those are is remembered: no
 * file is looked at. Others cost a search in an index (about ten small reads, mostly of cached
 * pages) and a look at the headers behind the place it names. */
#include "storage/log_in.h"
#include "protocol/batch.h"

/* The batch that holds offset, or the first behind it, among the recent ones. */
static bool
recent(const struct st_log *l, int64_t offset, struct st_place *to)
{
	const struct st_hot *h = l->hot;
	uint32_t n = h->recent_count < ST_RECENT ? h->recent_count : ST_RECENT;
	const struct st_recent *best = NULL;

	for (uint32_t i = 0; i < n; i++) {
		const struct st_recent *r = &h->recent[(h->recent_count - 1 - i) % ST_RECENT];
		if (r->last >= offset)
			best = r;
		if (r->base > offset)
			continue;
		if (best == NULL)
			return false;
		uint32_t seg = st_log_floor(l, best->base);
		if (h->seg[seg].base != best->segment)
			return false;
		*to = (struct st_place){seg, best->pos, best->len};
		return true;
	}
	return false;
}

enum rk_err
st_log_place(struct st_log *l, int64_t offset, struct st_place *to)
{
	rk_assert(l->hot != NULL && offset >= 0);
	if (offset >= l->end) {
		*to = (struct st_place){l->hot->count - 1, st_log_active(l)->bytes, 0};
		return RK_OK;
	}
	if (recent(l, offset, to))
		return RK_OK;
	for (uint32_t i = st_log_floor(l, offset); i < l->hot->count; i++) {
		struct st_place p = {.seg = i};
		enum rk_err err = st_segment_find(l, &l->hot->seg[i], offset, &p.pos, &p.len);
		if (err == RK_OK)
			*to = p;
		if (err != RK_NOT_FOUND)
			return err;
	}
	/* Every record from offset on was compacted away. */
	*to = (struct st_place){l->hot->count - 1, st_log_active(l)->bytes, 0};
	return RK_OK;
}

/* Where in the segment of from what is below limit ends. */
static enum rk_err
end_in(struct st_log *l, const struct st_place *from, int64_t limit, uint32_t *end)
{
	const struct st_hot *h = l->hot;
	struct st_place to;

	*end = h->seg[from->seg].bytes;
	if (limit >= l->end || (from->seg + 1 < h->count && limit >= h->seg[from->seg + 1].base))
		return RK_OK;
	enum rk_err err = st_log_place(l, limit, &to);
	if (err == RK_OK && to.seg == from->seg)
		*end = to.pos;
	return err;
}

static enum rk_err
judge(struct st_log *l, int64_t offset, int64_t limit)
{
	rk_assert(l->magic == ST_LOG_MAGIC);
	if (offset < l->start || offset > limit || offset > l->end)
		return RK_OFFSET_OUT_OF_RANGE;
	/* After a failed sync the page cache may hold what the disk never will. */
	if (st_log_broken(l) && offset > l->stable)
		return RK_KAFKA_STORAGE_ERROR;
	return RK_OK;
}

static enum rk_err
slice(struct st_log *l, int64_t offset, int64_t limit, struct st_place *p, uint32_t *len)
{
	uint32_t end = 0;

	*len = 0;
	limit = rk_min(limit, st_log_broken(l) ? l->stable : l->end);
	if (offset >= limit)
		return RK_OK;
	enum rk_err err = st_log_warm(l);
	if (err == RK_OK)
		err = st_log_place(l, offset, p);
	if (err == RK_OK)
		err = end_in(l, p, limit, &end);
	if (err == RK_OK && p->len > 0 && end > p->pos)
		*len = end - p->pos;
	if (err == RK_OK && *len > 0)
		err = st_segment_open(l, &l->hot->seg[p->seg], false);
	return err == RK_OK ? RK_OK : RK_KAFKA_STORAGE_ERROR;
}

enum rk_err
st_log_read(struct st_log *l, int64_t offset, int64_t limit, uint32_t max_bytes, bool at_least_one,
    struct rk_out *out)
{
	struct st_place p = {0};
	uint32_t len;
	enum rk_err err = judge(l, offset, limit);

	if (err == RK_OK)
		err = slice(l, offset, limit, &p, &len);
	if (err != RK_OK || len == 0)
		return err;
	if (p.len > max_bytes && !at_least_one)
		return RK_OK;
	len = (uint32_t)rk_min(len, rk_max(max_bytes, p.len));
	rk_out_file(out, l->hot->seg[p.seg].log, p.pos, len);
	return RK_OK;
}

void
st_log_soon(struct st_log *l, int64_t offset, uint32_t bytes)
{
	struct st_place p;

	rk_assert(l->magic == ST_LOG_MAGIC);
	if (l->hot == NULL || offset < l->start || offset >= l->end || st_log_broken(l)
	    || st_log_place(l, offset, &p) != RK_OK || l->hot->seg[p.seg].log == NULL)
		return;
	rk_file_warm(l->hot->seg[p.seg].log, p.pos, (uint32_t)rk_min(bytes, l->hot->seg[p.seg].bytes - p.pos));
}

int64_t
st_log_bytes_between(struct st_log *l, int64_t offset, int64_t limit)
{
	struct st_place from, to;

	limit = rk_min(limit, l->end);
	offset = rk_max(offset, l->start);
	if (offset >= limit || st_log_warm(l) != RK_OK || st_log_place(l, offset, &from) != RK_OK
	    || st_log_place(l, limit, &to) != RK_OK)
		return 0;
	int64_t sum = (int64_t)to.pos - from.pos;
	for (uint32_t i = from.seg; i < to.seg; i++)
		sum += l->hot->seg[i].bytes;
	rk_assert(sum >= 0);
	return sum;
}

/* How many of the len bytes at p are whole batches. */
static uint32_t
whole(const uint8_t *p, uint32_t len)
{
	uint32_t n = 0;

	while (len - n >= KP_BATCH_HEAD) {
		int64_t one = kp_batch_bytes(p + n);
		if (one < KP_BATCH_HEAD || one > len - n)
			break;
		n += (uint32_t)one;
	}
	return n;
}

enum rk_err
st_log_load(struct st_log *l, int64_t offset, int64_t limit, uint32_t max_bytes, struct rk_arena *a,
    struct rk_str *batches)
{
	struct st_place p = {0};
	uint32_t len;
	enum rk_err err = judge(l, offset, limit);

	*batches = (struct rk_str){"", 0};
	if (err == RK_OK)
		err = slice(l, offset, limit, &p, &len);
	if (err != RK_OK || len == 0)
		return err;
	len = (uint32_t)rk_min(len, rk_max(max_bytes, p.len));
	uint8_t *to = rk_arena_raw(a, len);
	if (to == NULL)
		return RK_NO_MEMORY;
	err = rk_file_read(l->hot->seg[p.seg].log, p.pos, to, len);
	if (err != RK_OK)
		return RK_KAFKA_STORAGE_ERROR;
	*batches = (struct rk_str){(char *)to, (int32_t)whole(to, len)};
	return batches->len > 0 ? RK_OK : RK_CORRUPT_MESSAGE;
}

static enum rk_err
add_aborted(struct st_log *l, uint32_t seg, int64_t offset, int64_t limit, struct rk_arena *a,
    struct st_aborted **to, uint32_t *count, uint32_t *cap)
{
	struct st_aborted *all;
	uint32_t n;
	enum rk_err err = st_segment_aborted(l, &l->hot->seg[seg], a, &all, &n);

	for (uint32_t i = 0; err == RK_OK && i < n; i++) {
		if (all[i].last < offset || all[i].first >= limit)
			continue;
		if (*count == *cap) {
			uint32_t more = *cap == 0 ? 16 : *cap * 2;
			struct st_aborted *grown = rk_arena_raw(a, more * sizeof *grown);
			if (grown == NULL)
				return RK_NO_MEMORY;
			if (*count > 0)
				memcpy(grown, *to, *count * sizeof *grown);
			*to = grown;
			*cap = more;
		}
		(*to)[(*count)++] = all[i];
	}
	return err;
}

/* A transaction is listed in the segment of its marker, which may lie far behind limit; a line
 * whose stable offset is at or past limit says that no later marker ends a transaction with records
 * below it. */
enum rk_err
st_log_aborted(struct st_log *l, int64_t offset, int64_t limit, struct rk_arena *a,
    struct st_aborted **out, uint32_t *count)
{
	uint32_t cap = 0;
	enum rk_err err = st_log_warm(l);

	*out = NULL;
	*count = 0;
	for (uint32_t i = err == RK_OK ? st_log_floor(l, offset) : 0;
	     err == RK_OK && i < l->hot->count; i++) {
		struct st_aborted *all;
		uint32_t n;
		err = add_aborted(l, i, offset, limit, a, out, count, &cap);
		if (err == RK_OK && i + 1 < l->hot->count)
			err = st_segment_aborted(l, &l->hot->seg[i], a, &all, &n);
		if (err == RK_OK && i + 1 < l->hot->count && n > 0 && all[n - 1].stable >= limit)
			break;
	}
	return err;
}
