/* index.c - ascending entries in a file, found by halving with small reads. */
#include "storage/index.h"
#include "base/mem.h"

enum { BLOCK = 4096 };

void
st_index_init(struct st_index *x, uint8_t width)
{
	rk_assert(width == ST_OFFSETS || width == ST_TIMES);
	*x = (struct st_index){.width = width};
}

int64_t
st_index_key(const struct st_index *x, const uint8_t *entry)
{
	return x->width == ST_OFFSETS ? (int64_t)(int32_t)rk_get32(entry)
				      : (int64_t)rk_get64(entry);
}

enum rk_err
st_index_open(struct st_index *x, struct rk_env *e, const char *path, bool make)
{
	uint64_t size;

	rk_assert(x->width > 0);
	if (x->file != NULL)
		return RK_OK;
	enum rk_err err = rk_file_open(e, path, make ? RK_OPEN_CREATE : RK_OPEN_WRITE, &x->file);
	if (err != RK_OK) {
		x->file = NULL;
		return err;
	}
	if (x->known)
		return RK_OK;
	err = rk_file_size(x->file, &size);
	if (err == RK_OK && (size % x->width != 0 || size > INT32_MAX))
		err = RK_CORRUPT_MESSAGE;
	if (err == RK_OK && size > 0)
		err = rk_file_read(x->file, size - x->width, x->last, x->width);
	if (err != RK_OK) {
		rk_file_drop(x->file);
		x->file = NULL;
		return err;
	}
	x->written = (uint32_t)(size / x->width);
	x->known = true;
	return RK_OK;
}

void
st_index_put(struct st_index *x, const uint8_t *entry)
{
	rk_assert(st_index_count(x) == 0 || st_index_key(x, entry) > st_index_key(x, x->last));
	if (x->waiting == ST_INDEX_PENDING && st_index_flush(x) != RK_OK)
		return;
	if (x->pending == NULL)
		x->pending = rk_mem_get((size_t)ST_INDEX_PENDING * x->width);
	memcpy(x->pending + (size_t)x->waiting * x->width, entry, x->width);
	memcpy(x->last, entry, x->width);
	x->waiting++;
	rk_assert(x->waiting <= ST_INDEX_PENDING);
}

/* What could not be written is forgotten, and the file cut to whole entries, so that it stays an
 * index. */
enum rk_err
st_index_flush(struct st_index *x)
{
	uint64_t pos = (uint64_t)x->written * x->width;

	if (x->waiting == 0)
		return RK_OK;
	rk_assert(x->file != NULL && x->known);
	enum rk_err err = rk_file_write(x->file, pos, x->pending, x->waiting * x->width);
	if (err == RK_OK) {
		x->written += x->waiting;
		x->waiting = 0;
		return RK_OK;
	}
	x->waiting = 0;
	enum rk_err cut = rk_file_truncate(x->file, pos);
	if (cut == RK_OK && x->written > 0)
		cut = rk_file_read(x->file, pos - x->width, x->last, x->width);
	return cut == RK_OK ? err : cut;
}

enum rk_err
st_index_get(struct st_index *x, uint32_t i, uint8_t *entry)
{
	rk_assert(i < st_index_count(x));
	if (i >= x->written) {
		memcpy(entry, x->pending + (size_t)(i - x->written) * x->width, x->width);
		return RK_OK;
	}
	return rk_file_read(x->file, (uint64_t)i * x->width, entry, x->width);
}

/* Of entries lo..hi-1, all in the file and few, how many have a key <= key. */
static enum rk_err
in_block(struct st_index *x, uint32_t lo, uint32_t hi, int64_t key, uint32_t *count)
{
	uint8_t block[BLOCK];
	uint32_t n = hi - lo;

	rk_assert(n > 0 && n * x->width <= BLOCK && hi <= x->written);
	enum rk_err err = rk_file_read(x->file, (uint64_t)lo * x->width, block, n * x->width);
	if (err != RK_OK)
		return err;
	uint32_t from = 0;
	while (from < n) {
		uint32_t mid = from + (n - from) / 2;
		if (st_index_key(x, block + (size_t)mid * x->width) <= key)
			from = mid + 1;
		else
			n = mid;
	}
	*count = from;
	return RK_OK;
}

enum rk_err
st_index_floor(struct st_index *x, int64_t key, uint8_t *entry, uint32_t *i)
{
	uint32_t lo = 0, hi = x->written, in;

	for (uint32_t k = x->waiting; k-- > 0;)
		if (st_index_key(x, x->pending + (size_t)k * x->width) <= key) {
			*i = x->written + k;
			return st_index_get(x, *i, entry);
		}
	while ((hi - lo) * (uint64_t)x->width > BLOCK) {
		uint32_t mid = lo + (hi - lo) / 2;
		enum rk_err err = st_index_get(x, mid, entry);
		if (err != RK_OK)
			return err;
		if (st_index_key(x, entry) <= key)
			lo = mid;
		else
			hi = mid;
	}
	if (lo == hi)
		return RK_NOT_FOUND;
	enum rk_err err = in_block(x, lo, hi, key, &in);
	if (err != RK_OK)
		return err;
	if (lo + in == 0)
		return RK_NOT_FOUND;
	*i = lo + in - 1;
	return st_index_get(x, *i, entry);
}

enum rk_err
st_index_cut(struct st_index *x, uint32_t count)
{
	enum rk_err err = RK_OK;

	if (count >= st_index_count(x))
		return RK_OK;
	if (count < x->written) {
		rk_assert(x->file != NULL);
		err = rk_file_truncate(x->file, (uint64_t)count * x->width);
		x->written = count;
		x->waiting = 0;
	} else {
		x->waiting = count - x->written;
	}
	if (err == RK_OK && count > 0)
		err = st_index_get(x, count - 1, x->last);
	return err;
}

void
st_index_close(struct st_index *x)
{
	if (x->file != NULL)
		rk_file_drop(x->file);
	rk_mem_put(x->pending);
	st_index_init(x, x->width);
}
