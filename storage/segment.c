/* segment.c - a segment's files, and finding a batch in it. */
#include "storage/log_in.h"
#include "base/mem.h"
#include "protocol/batch.h"

enum { LOOK = 4096, TXN_EACH = 34, TXN_MAX = 64 << 20 };

void
st_segment_init(struct st_segment *s, int64_t base)
{
	rk_assert(base >= 0);
	*s = (struct st_segment){.base = base, .max_ms = -1, .max_last = -1, .first_ms = -1};
	st_index_init(&s->offsets, ST_OFFSETS);
	st_index_init(&s->times, ST_TIMES);
}

void
st_segment_close(struct st_segment *s)
{
	if (s->log != NULL)
		rk_file_drop(s->log);
	s->log = NULL;
	st_index_close(&s->offsets);
	st_index_close(&s->times);
}

bool
st_segment_path(const struct st_log *l, int64_t base, const char *suffix, char to[PATH_MAX])
{
	char name[64];

	rk_assert(base >= 0 && strlen(suffix) < 40);
	snprintf(name, sizeof name, "%020" PRId64 "%s", base, suffix);
	return st_log_file(l, name, to);
}

enum rk_err
st_segment_open(struct st_log *l, struct st_segment *s, bool make)
{
	char path[PATH_MAX];

	if (s->log != NULL)
		return RK_OK;
	if (!st_segment_path(l, s->base, ".log", path))
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err =
	    rk_file_open(st_log_env(l), path, make ? RK_OPEN_CREATE : RK_OPEN_WRITE, &s->log);
	if (err != RK_OK)
		s->log = NULL;
	return err;
}

/* --- indexes */
static const char *
suffix_of(const struct st_index *x)
{
	return x->width == ST_OFFSETS ? ".index" : ".timeindex";
}

/* Makes sure that there is a file to write entries to. A file that should be empty is made so: it
 * may be a leftover of a segment of the same name. */
static enum rk_err
index_file(struct st_log *l, struct st_segment *s, struct st_index *x)
{
	char path[PATH_MAX];
	uint64_t size;

	if (x->file != NULL)
		return RK_OK;
	if (!st_segment_path(l, s->base, suffix_of(x), path))
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = st_index_open(x, st_log_env(l), path, true);
	l->hot->folder_dirty = true;
	if (err == RK_OK && x->written == 0)
		err = rk_file_size(x->file, &size);
	if (err == RK_OK && x->written == 0 && size > 0)
		err = rk_file_truncate(x->file, 0);
	return err;
}

static void
put(struct st_log *l, struct st_segment *s, struct st_index *x, const uint8_t *entry)
{
	if (x->waiting == ST_INDEX_PENDING && index_file(l, s, x) != RK_OK)
		return;
	st_index_put(x, entry);
}

/* A time entry is added only when the largest timestamp grew since the last one. */
static void
put_time(struct st_log *l, struct st_segment *s)
{
	uint8_t entry[ST_TIMES];

	if (s->max_ms < 0
	    || (st_index_count(&s->times) > 0
		&& s->max_ms <= st_index_key(&s->times, s->times.last)))
		return;
	rk_put64(entry, (uint64_t)s->max_ms);
	rk_put32(entry + 8, (uint32_t)(s->max_last - s->base));
	put(l, s, &s->times, entry);
}

void
st_segment_note(
    struct st_log *l, struct st_segment *s, const uint8_t *batch, uint32_t pos, uint32_t len)
{
	int64_t ms = kp_batch_max_ms(batch), last = kp_batch_last(batch);
	uint8_t entry[ST_OFFSETS];

	rk_assert(last >= s->base && last - s->base <= INT32_MAX && s->ms_known);
	if (pos == 0)
		s->first_ms = ms;
	if (ms > s->max_ms) {
		s->max_ms = ms;
		s->max_last = last;
	}
	if (s->since_entry > l->rules->index_interval_bytes) {
		rk_put32(entry, (uint32_t)(last - s->base));
		rk_put32(entry + 4, pos);
		put(l, s, &s->offsets, entry);
		put_time(l, s);
		s->since_entry = 0;
	}
	s->since_entry += len;
}

enum rk_err
st_segment_finish(struct st_log *l, struct st_segment *s)
{
	rk_assert(s->ms_known);
	put_time(l, s);
	enum rk_err err = index_file(l, s, &s->offsets);
	if (err == RK_OK)
		err = index_file(l, s, &s->times);
	if (err == RK_OK)
		err = st_index_flush(&s->offsets);
	if (err == RK_OK)
		err = st_index_flush(&s->times);
	return err;
}

/* Reads the whole segment's headers and makes both indexes from them. */
static enum rk_err
rebuild(struct st_log *l, struct st_segment *s)
{
	struct st_scan scan;
	enum rk_err err = st_segment_open(l, s, false);

	if (err != RK_OK)
		return err;
	rk_say(RK_INFO,
	    "%s/%s-%" PRId32 ": the indexes of segment %020" PRId64
	    " are missing or wrong and are rebuilt from "
	    "%" PRIu32 " bytes",
	    l->dir->path, l->entry->topic, l->entry->partition, s->base, s->bytes);
	s->rebuilt = true;
	st_index_close(&s->offsets);
	st_index_close(&s->times);
	s->offsets.known = s->times.known = s->ms_known = true;
	s->max_ms = s->max_last = s->first_ms = -1;
	s->since_entry = 0;
	st_scan_begin(&scan, s, 0, s->base, false);
	while ((err = st_scan_next(&scan)) == RK_OK)
		st_segment_note(l, s, scan.batch, scan.at, scan.len);
	if (err != RK_NOT_FOUND)
		rk_say(RK_ERROR,
		    "%s/%s-%" PRId32 ": segment %020" PRId64 " holds no batch at position %" PRIu32
		    "; records from "
		    "there on cannot be served. Restore the file from a replica.",
		    l->dir->path, l->entry->topic, l->entry->partition, s->base, scan.at);
	st_scan_end(&scan);
	return st_segment_finish(l, s);
}

static enum rk_err
open_index(struct st_log *l, struct st_segment *s, struct st_index *x)
{
	char path[PATH_MAX];
	uint8_t entry[ST_TIMES];

	if (x->file != NULL || (x->known && x->written == 0))
		return RK_OK;
	if (!st_segment_path(l, s->base, suffix_of(x), path))
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = st_index_open(x, st_log_env(l), path, false);
	if (err == RK_OK && st_index_count(x) > 0) {
		memcpy(entry, x->last, x->width);
		if (x->width == ST_OFFSETS
		    && ((int32_t)rk_get32(entry) < 0 || rk_get32(entry + 4) >= s->bytes))
			err = RK_CORRUPT_MESSAGE;
		if (x->width == ST_TIMES
		    && ((int32_t)rk_get32(entry + 8) < 0 || (int64_t)rk_get64(entry) < 0))
			err = RK_CORRUPT_MESSAGE;
		/* An entry of zeros at the end: preallocated by a Kafka that was killed. */
		if (st_index_count(x) > 1 && st_index_key(x, entry) == 0)
			err = RK_CORRUPT_MESSAGE;
	}
	return err;
}

enum rk_err
st_segment_indexed(struct st_log *l, struct st_segment *s)
{
	enum rk_err err = open_index(l, s, &s->offsets);

	if (err == RK_OK)
		err = open_index(l, s, &s->times);
	return err == RK_NOT_FOUND || err == RK_CORRUPT_MESSAGE ? rebuild(l, s) : err;
}

enum rk_err
st_segment_times(struct st_log *l, struct st_segment *s)
{
	if (s->ms_known)
		return RK_OK;
	enum rk_err err = st_segment_indexed(l, s);
	if (err != RK_OK || s->ms_known)
		return err;
	if (st_index_count(&s->times) > 0) {
		s->max_ms = st_index_key(&s->times, s->times.last);
		s->max_last = s->base + (int32_t)rk_get32(s->times.last + 8);
	}
	s->ms_known = true;
	return RK_OK;
}

/* --- finding */
/* Where to begin to look for offset: at the last entry not above it; *last is the offset that it
 * gives for the batch there, -1: the segment's beginning. */
static enum rk_err
near(struct st_log *l, struct st_segment *s, int64_t offset, uint32_t *pos, int64_t *last)
{
	uint8_t entry[ST_OFFSETS];
	uint32_t i;

	*pos = 0;
	*last = -1;
	enum rk_err err = st_segment_indexed(l, s);
	if (err == RK_OK)
		err = st_index_floor(&s->offsets, offset - s->base, entry, &i);
	if (err == RK_OK) {
		*pos = rk_get32(entry + 4);
		*last = s->base + (int32_t)rk_get32(entry);
	}
	return err == RK_NOT_FOUND ? RK_OK : err;
}

static enum rk_err
walk(struct st_log *l, struct st_segment *s, int64_t offset, uint32_t *pos, uint32_t *len)
{
	uint8_t look[LOOK];
	uint32_t p, from = 0, have = 0;
	int64_t last;
	enum rk_err err = near(l, s, offset, &p, &last);

	if (err == RK_OK)
		err = st_segment_open(l, s, false);
	if (err == RK_OK && last >= 0 && (int64_t)p + KP_BATCH_HEAD > s->bytes)
		return RK_CORRUPT_MESSAGE;
	while (err == RK_OK && p < s->bytes && s->bytes - p >= KP_BATCH_HEAD) {
		if (p < from || p + KP_BATCH_HEAD > from + have) {
			have = (uint32_t)rk_min(LOOK, s->bytes - p);
			from = p;
			err = rk_file_read(s->log, from, look, have);
			if (err != RK_OK)
				break;
		}
		const uint8_t *h = look + (p - from);
		int64_t bytes = kp_batch_bytes(h);
		if (bytes < KP_BATCH_HEAD || bytes > s->bytes - p
		    || (last >= 0 && kp_batch_last(h) != last))
			return RK_CORRUPT_MESSAGE;
		last = -1;
		if (kp_batch_last(h) >= offset) {
			*pos = p;
			*len = (uint32_t)bytes;
			return RK_OK;
		}
		p += (uint32_t)bytes;
	}
	return err == RK_OK ? RK_NOT_FOUND : err;
}

enum rk_err
st_segment_find(
    struct st_log *l, struct st_segment *s, int64_t offset, uint32_t *pos, uint32_t *len)
{
	enum rk_err err = walk(l, s, offset, pos, len);

	/* Once: when the log itself is damaged, another index does not help. */
	if (err != RK_CORRUPT_MESSAGE || s->rebuilt)
		return err;
	err = rebuild(l, s);
	return err == RK_OK ? walk(l, s, offset, pos, len) : err;
}

/* --- cutting */
/* How many entries of an index lie below: by the second field of a time entry, the first of an
 * offset entry. */
static enum rk_err
entries_below(struct st_index *x, int64_t relative, uint32_t *count)
{
	uint32_t lo = 0, hi = st_index_count(x);
	uint8_t entry[ST_TIMES];

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		enum rk_err err = st_index_get(x, mid, entry);
		if (err != RK_OK)
			return err;
		if ((int32_t)rk_get32(entry + (x->width == ST_TIMES ? 8 : 0)) < relative)
			lo = mid + 1;
		else
			hi = mid;
	}
	*count = lo;
	return RK_OK;
}

static enum rk_err
cut_index(struct st_index *x, int64_t relative)
{
	uint32_t count;
	enum rk_err err = entries_below(x, relative, &count);

	return err == RK_OK ? st_index_cut(x, count) : err;
}

enum rk_err
st_segment_first(struct st_log *l, struct st_segment *s)
{
	uint8_t head[KP_BATCH_HEAD];

	s->first_ms = -1;
	if (s->bytes < sizeof head)
		return RK_OK;
	enum rk_err err = st_segment_open(l, s, false);
	if (err == RK_OK)
		err = rk_file_read(s->log, 0, head, sizeof head);
	if (err == RK_OK)
		s->first_ms = kp_batch_max_ms(head);
	return err;
}

/* Whether the last offset entry names the batch that ends with its offset. */
static bool
last_entry_holds(struct st_segment *s)
{
	uint8_t head[KP_BATCH_HEAD];
	uint32_t pos = rk_get32(s->offsets.last + 4);

	if (st_index_count(&s->offsets) == 0)
		return true;
	return (int64_t)pos + KP_BATCH_HEAD <= s->bytes
	       && rk_file_read(s->log, pos, head, sizeof head) == RK_OK
	       && kp_batch_last(head) == s->base + (int32_t)rk_get32(s->offsets.last);
}

enum rk_err
st_segment_tail(struct st_log *l, struct st_segment *s, int64_t *end)
{
	struct st_scan scan;
	uint32_t from = 0;
	enum rk_err err = st_segment_first(l, s);

	if (err == RK_OK)
		err = st_segment_open(l, s, false);
	if (err == RK_OK && !last_entry_holds(s))
		err = rebuild(l, s);
	if (err != RK_OK)
		return err;
	s->ms_known = true;
	s->max_ms = s->max_last = -1;
	if (st_index_count(&s->offsets) > 0 && st_index_count(&s->times) > 0) {
		from = rk_get32(s->offsets.last + 4);
		s->max_ms = st_index_key(&s->times, s->times.last);
		s->max_last = s->base + (int32_t)rk_get32(s->times.last + 8);
	}
	st_scan_begin(&scan, s, from, 0, false);
	while ((err = st_scan_next(&scan)) == RK_OK) {
		if (kp_batch_max_ms(scan.batch) > s->max_ms) {
			s->max_ms = kp_batch_max_ms(scan.batch);
			s->max_last = kp_batch_last(scan.batch);
		}
	}
	s->since_entry = s->bytes - from;
	*end = scan.next;
	st_scan_end(&scan);
	return err == RK_NOT_FOUND ? RK_OK : err;
}

enum rk_err
st_segment_cut(struct st_log *l, struct st_segment *s, uint32_t pos, int64_t offset)
{
	int64_t end;

	rk_assert(pos <= s->bytes && offset >= s->base);
	enum rk_err err = st_segment_indexed(l, s);
	if (err == RK_OK)
		err = st_segment_open(l, s, false);
	if (err == RK_OK)
		err = cut_index(&s->offsets, offset - s->base);
	if (err == RK_OK)
		err = cut_index(&s->times, offset - s->base);
	if (err == RK_OK)
		err = rk_file_truncate(s->log, pos);
	if (err != RK_OK)
		return err;
	s->bytes = pos;
	err = st_segment_tail(l, s, &end);
	return err == RK_OK ? st_segment_cut_aborted(l, s, offset) : err;
}

/* --- aborted transactions */
enum rk_err
st_segment_abort(struct st_log *l, struct st_segment *s, const struct st_aborted *a)
{
	char path[PATH_MAX];
	uint8_t entry[TXN_EACH];
	struct rk_file *f;
	uint64_t size;

	rk_assert(a->first >= 0 && a->last >= a->first);
	if (!st_segment_path(l, s->base, ".txnindex", path))
		return RK_KAFKA_STORAGE_ERROR;
	rk_put16(entry, 0);
	rk_put64(entry + 2, (uint64_t)a->producer_id);
	rk_put64(entry + 10, (uint64_t)a->first);
	rk_put64(entry + 18, (uint64_t)a->last);
	rk_put64(entry + 26, (uint64_t)a->stable);
	enum rk_err err = rk_file_open(st_log_env(l), path, RK_OPEN_CREATE, &f);
	if (err != RK_OK)
		return err;
	err = rk_file_size(f, &size);
	if (err == RK_OK)
		err = rk_file_write(f, size - size % TXN_EACH, entry, sizeof entry);
	rk_file_drop(f);
	s->txn_dirty = true;
	l->hot->folder_dirty |= err == RK_OK && size == 0;
	return err;
}

enum rk_err
st_segment_aborted(struct st_log *l, const struct st_segment *s, struct rk_arena *a,
    struct st_aborted **out, uint32_t *count)
{
	char path[PATH_MAX];
	struct rk_str text;

	*count = 0;
	*out = NULL;
	if (!st_segment_path(l, s->base, ".txnindex", path))
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = rk_env_slurp(st_log_env(l), path, a, &text);
	if (err != RK_OK)
		return err == RK_NOT_FOUND ? RK_OK : err;
	uint32_t n = (uint32_t)text.len / TXN_EACH;
	struct st_aborted *to = rk_arena_get(a, n, sizeof *to);
	if (to == NULL)
		return RK_NO_MEMORY;
	/* Lines that do not ascend never reached the disk; a start cuts them off. */
	for (uint32_t i = 0; i < n; i++) {
		const char *at = text.at + (size_t)i * TXN_EACH;
		struct st_aborted x = {(int64_t)rk_get64(at + 2), (int64_t)rk_get64(at + 10),
		    (int64_t)rk_get64(at + 18), (int64_t)rk_get64(at + 26)};
		if (rk_get16(at) != 0 || x.first < 0 || x.last <= x.first || x.last < s->base
		    || (i > 0 && x.last <= to[i - 1].last))
			break;
		to[(*count)++] = x;
	}
	*out = to;
	return RK_OK;
}

enum rk_err
st_segment_cut_aborted(struct st_log *l, struct st_segment *s, int64_t offset)
{
	char path[PATH_MAX];
	struct st_aborted *all;
	uint32_t count, keep = 0;
	uint64_t size = 0;
	struct rk_arena a;
	struct rk_file *f;

	rk_arena_init(&a, TXN_MAX);
	enum rk_err err = st_segment_aborted(l, s, &a, &all, &count);
	while (err == RK_OK && keep < count && all[keep].last < offset)
		keep++;
	rk_arena_free(&a);
	if (err != RK_OK)
		return err;
	if (!st_segment_path(l, s->base, ".txnindex", path))
		return RK_KAFKA_STORAGE_ERROR;
	err = rk_file_open(st_log_env(l), path, RK_OPEN_WRITE, &f);
	if (err != RK_OK)
		return err == RK_NOT_FOUND ? RK_OK : err;
	err = rk_file_size(f, &size);
	if (err == RK_OK && size != (uint64_t)keep * TXN_EACH) {
		err = rk_file_truncate(f, (uint64_t)keep * TXN_EACH);
		s->txn_dirty = true;
	}
	rk_file_drop(f);
	return err;
}
