/* recover.c - from a folder of files to a log.
 *
 * After a clean stop the files are believed: the active segment is read from its last index entry
 * on, to find the end. After a crash everything from the recovery point on is read and checked
 * (length, magic, offsets, CRC), indexes, epochs and aborted transactions are made anew from it,
 * and the log ends before the first batch that is not whole: what follows it, later segments too,
 * goes away, as in Kafka, and a line says how much. Below the recovery point only as much of the
 * index is believed as ascends; when even that is not there, the whole segment is read. A file that
 * cannot be read (EIO) is never cut: the log is then not opened.
 *
 * Leftovers, as Kafka treats them: .deleted and .cleaned files go away; .swap files are a finished
 * compaction that was not put in place yet: that is done first (unless a .cleaned file shows that
 * it was not finished). */
#include "storage/log_in.h"
#include "base/mem.h"
#include "protocol/batch.h"

enum { DIGITS = 20, PROGRESS_MS = 3000, ASK_EVERY = 256, BLOCK = 65536, LOOK_BEHIND = 16 << 20 };

struct listing {
	struct st_log *log;
	int64_t *base; /* of .log files, then sorted */
	uint32_t count, cap;
	int64_t *swap; /* of .log.swap files */
	uint32_t swaps, swap_cap;
	int64_t cleaned; /* least base of a .cleaned file, INT64_MAX: none */
	bool index_swaps;
};

/* What one check of a log keeps in mind. */
struct check {
	struct st_log *log;
	int64_t recovery_point, total, done, said_ms;
	int64_t from;   /* offset from which on batches were read */
	bool producers; /* a batch of a producer was among them */
	bool cut;
};

static void
push(int64_t **at, uint32_t *count, uint32_t *cap, int64_t v)
{
	*(int64_t *)rk_mem_room((void **)at, *count, cap, sizeof v) = v;
	(*count)++;
}

static bool
ends(const char *name, const char *tail)
{
	size_t n = strlen(name), t = strlen(tail);

	return n > t && strcmp(name + n - t, tail) == 0;
}

static void
listed(void *arg, const char *name, bool is_dir)
{
	struct listing *x = arg;
	char path[PATH_MAX];
	int64_t base;

	if (is_dir || strlen(name) <= DIGITS || !rk_str_int((struct rk_str){name, DIGITS}, &base)
	    || base < 0)
		return;
	if (ends(name, ".deleted") || ends(name, ".cleaned")) {
		if (ends(name, ".cleaned"))
			x->cleaned = rk_min(x->cleaned, base);
		if (st_log_file(x->log, name, path))
			st_dir_remove_later(x->log->dir, path, false, 0);
	} else if (strcmp(name + DIGITS, ".log.swap") == 0) {
		push(&x->swap, &x->swaps, &x->swap_cap, base);
	} else if (ends(name, ".swap")) {
		x->index_swaps = true;
	} else if (strcmp(name + DIGITS, ".log") == 0) {
		push(&x->base, &x->count, &x->cap, base);
	}
}

static void
forget(struct listing *x)
{
	rk_mem_put(x->base);
	rk_mem_put(x->swap);
	*x = (struct listing){.log = x->log, .cleaned = INT64_MAX};
}

static enum rk_err
list(struct listing *x)
{
	char path[PATH_MAX];

	forget(x);
	enum rk_err err = rk_dir_list(st_log_env(x->log), st_log_path(x->log, path), listed, x);
	if (x->count > 1)
		qsort(x->base, x->count, sizeof x->base[0], rk_by_i64);
	return err;
}

/* --- .swap files */
static const char *const suffix[] = {".log", ".index", ".timeindex", ".txnindex"};

/* Renames the files of a base from one kind to another; those that are not there stay so. */
static enum rk_err
rename_all(struct st_log *l, int64_t base, const char *from_tail, const char *to_tail, bool remove)
{
	char from[PATH_MAX], to[PATH_MAX], a[40], b[40];
	enum rk_err err = RK_OK;

	/* The log last: while it has its old name, this is done again after a crash. */
	for (uint32_t i = rk_countof(suffix); (err == RK_OK || err == RK_NOT_FOUND) && i-- > 0;) {
		snprintf(a, sizeof a, "%s%s", suffix[i], from_tail);
		snprintf(b, sizeof b, "%s%s", suffix[i], to_tail);
		if (!st_segment_path(l, base, a, from) || !st_segment_path(l, base, b, to))
			return RK_KAFKA_STORAGE_ERROR;
		err = remove ? rk_path_remove(st_log_env(l), from)
			     : rk_path_rename(st_log_env(l), from, to);
	}
	return err == RK_NOT_FOUND ? RK_OK : err;
}

/* The offset behind the last record of a swap file. */
static enum rk_err
swap_end(struct st_log *l, int64_t base, int64_t *end)
{
	struct st_segment s;
	struct st_scan scan;
	char path[PATH_MAX];
	uint64_t size = 0;

	st_segment_init(&s, base);
	if (!st_segment_path(l, base, ".log.swap", path))
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = rk_file_open(st_log_env(l), path, RK_OPEN_READ, &s.log);
	if (err == RK_OK)
		err = rk_file_size(s.log, &size);
	if (err != RK_OK) {
		st_segment_close(&s);
		return err;
	}
	s.bytes = (uint32_t)rk_min((int64_t)size, INT32_MAX);
	st_scan_begin(&scan, &s, 0, base, false);
	while ((err = st_scan_next(&scan)) == RK_OK)
		;
	*end = scan.next;
	st_scan_end(&scan);
	st_segment_close(&s);
	return err == RK_NOT_FOUND ? RK_OK : err;
}

static enum rk_err
put_swaps_in_place(struct st_log *l, struct listing *x)
{
	int64_t least = INT64_MAX, most = -1, end;
	enum rk_err err = RK_OK;
	char path[PATH_MAX];

	for (uint32_t i = 0; err == RK_OK && i < x->swaps; i++) {
		if (x->swap[i] >= x->cleaned) {
			err = rename_all(l, x->swap[i], ".swap", "", true);
			x->swap[i] = -1;
			continue;
		}
		err = swap_end(l, x->swap[i], &end);
		least = rk_min(least, x->swap[i]);
		most = rk_max(most, err == RK_OK ? end : -1);
	}
	for (uint32_t i = 0; err == RK_OK && i < x->count; i++)
		if (x->base[i] >= least && x->base[i] < most)
			err = rename_all(l, x->base[i], "", ".deleted", false);
	for (uint32_t i = 0; err == RK_OK && i < x->swaps; i++)
		if (x->swap[i] >= 0)
			err = rename_all(l, x->swap[i], ".swap", "", false);
	rk_say(RK_INFO, "%s: a compaction that was interrupted has been %s", st_log_path(l, path),
	    err == RK_OK ? "completed" : "left as it was, for a file cannot be read");
	l->hot->folder_dirty = true;
	return err == RK_OK ? list(x) : err;
}

/* --- the row */
static enum rk_err
add_segment(struct st_log *l, int64_t base)
{
	struct st_segment s;
	uint64_t size = 0;
	char path[PATH_MAX];

	st_segment_init(&s, base);
	enum rk_err err = st_segment_open(l, &s, false);
	if (err == RK_OK)
		err = rk_file_size(s.log, &size);
	if (err == RK_OK && size > INT32_MAX) {
		rk_say(RK_ERROR,
		    "%s/%020" PRId64 ".log has %" PRIu64
		    " bytes; a segment has less than 2 GiB. Move the file away to go on "
		    "without its records.",
		    st_log_path(l, path), base, size);
		err = RK_CORRUPT_MESSAGE;
	}
	s.bytes = (uint32_t)size;
	s.made_ms = rk_wall(st_log_env(l));
	if (s.log != NULL)
		rk_file_drop(s.log);
	s.log = NULL;
	struct st_segment *to =
	    rk_mem_room((void **)&l->hot->seg, l->hot->count, &l->hot->cap, sizeof *to);
	*to = s;
	l->hot->count++;
	return err;
}

static enum rk_err
build_row(struct st_log *l)
{
	struct listing x = {.log = l, .cleaned = INT64_MAX};
	enum rk_err err = list(&x);

	if (err == RK_OK && (x.swaps > 0 || x.index_swaps))
		err = put_swaps_in_place(l, &x);
	for (uint32_t i = 0; err == RK_OK && i < x.count; i++)
		err = add_segment(l, x.base[i]);
	forget(&x);
	if (err == RK_OK && l->hot->count == 0)
		err = st_log_grow(l, l->start);
	return err;
}

/* --- believing */
static const char *
what(enum rk_err err)
{
	return err == RK_TRUNCATED         ? "the file ends inside a batch"
	       : err == RK_CORRUPT_MESSAGE ? "no valid batch is there"
	       : err == RK_UNSUPPORTED_FOR_MESSAGE_FORMAT
		   ? "it holds messages in a format of before Kafka 0.11"
		   : rk_err_text(err);
}

static enum rk_err
believe(struct st_log *l)
{
	struct st_segment *s = st_log_active(l);
	char path[PATH_MAX];

	l->end = s->base;
	enum rk_err err = st_segment_indexed(l, s);
	if (err == RK_OK)
		err = st_segment_tail(l, s, &l->end);
	if (err == RK_OK)
		return RK_OK;
	rk_say(RK_ERROR,
	    "%s/%020" PRId64
	    ".log was closed cleanly, but has changed: %s. Restart the node without "
	    ".kafka_cleanshutdown in %s: it then checks every record, and keeps those before the "
	    "damage.",
	    st_log_path(l, path), s->base, what(err), l->dir->path);
	return RK_KAFKA_STORAGE_ERROR;
}

/* --- checking: how much of the indexes below the recovery point can be believed */
/* The first entries that ascend, in offset (below relative) and, for .index, in position. torn:
 * what follows them is not just larger. */
static enum rk_err
ascending_part(
    struct st_index *x, const struct st_segment *s, int64_t relative, uint32_t *count, bool *torn)
{
	uint8_t *block = rk_mem_get(BLOCK);
	uint32_t each = x->width, n = 0, have = 0;
	int64_t key = -1, second = -1;
	enum rk_err err = RK_OK;

	*torn = false;
	for (; n < x->written; n++) {
		uint32_t in = n % (BLOCK / each);
		if (in == 0) {
			have = (uint32_t)rk_min(BLOCK / each, x->written - n);
			err = rk_file_read(x->file, (uint64_t)n * each, block, have * each);
			if (err != RK_OK)
				break;
		}
		const uint8_t *e = block + (size_t)in * each;
		int64_t k = st_index_key(x, e), v = (int32_t)rk_get32(e + each - 4);
		int64_t offset = each == ST_OFFSETS ? k : v;
		*torn = k <= key || v < 0
			|| (each == ST_OFFSETS ? v <= second || v + KP_BATCH_HEAD > s->bytes
					       : v < second);
		if (*torn || offset >= relative)
			break;
		key = k;
		second = v;
	}
	rk_mem_put(block);
	*count = n;
	return err;
}

static enum rk_err
open_raw(struct st_log *l, struct st_segment *s)
{
	char path[PATH_MAX];

	if (!st_segment_path(l, s->base, ".index", path))
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = st_index_open(&s->offsets, st_log_env(l), path, false);
	if (err != RK_OK || !st_segment_path(l, s->base, ".timeindex", path))
		return err;
	return st_index_open(&s->times, st_log_env(l), path, false);
}

/* The batch that the last entry names must be there; the check begins behind it. */
static enum rk_err
behind_last(struct st_segment *s, uint32_t *pos, int64_t *next)
{
	uint8_t h[KP_BATCH_HEAD];
	int64_t last = s->base + (int32_t)rk_get32(s->offsets.last);

	*pos = rk_get32(s->offsets.last + 4);
	enum rk_err err = rk_file_read(s->log, *pos, h, sizeof h);
	if (err != RK_OK)
		return err;
	int64_t len = kp_batch_bytes(h);
	if (kp_batch_magic(h) != 2 || len < KP_BATCH_HEAD || len > s->bytes - *pos
	    || kp_batch_last(h) != last)
		return RK_CORRUPT_MESSAGE;
	*pos += (uint32_t)len;
	*next = last + 1;
	s->since_entry = (uint32_t)len;
	return RK_OK;
}

/* Where to begin in a segment; its indexes are cut to what is below. */
static enum rk_err
believed(
    struct st_log *l, struct st_segment *s, int64_t recovery_point, uint32_t *pos, int64_t *next)
{
	uint32_t n = 0, m = 0;
	bool torn = false, torn_times = false;

	if (recovery_point <= s->base)
		return RK_NOT_FOUND;
	enum rk_err err = open_raw(l, s);
	if (err == RK_OK)
		err = ascending_part(&s->offsets, s, recovery_point - s->base, &n, &torn);
	if (err == RK_OK)
		err = n == 0 ? RK_NOT_FOUND : st_index_cut(&s->offsets, n);
	if (err == RK_OK)
		err = ascending_part(
		    &s->times, s, (int64_t)(int32_t)rk_get32(s->offsets.last) + 1, &m, &torn_times);
	if (err == RK_OK && torn_times)
		err = RK_CORRUPT_MESSAGE;
	if (err == RK_OK)
		err = st_index_cut(&s->times, m);
	if (err == RK_OK)
		err = behind_last(s, pos, next);
	if (err == RK_OK && m > 0) {
		s->max_ms = st_index_key(&s->times, s->times.last);
		s->max_last = s->base + (int32_t)rk_get32(s->times.last + 8);
	}
	return err;
}

static void
from_scratch(struct st_segment *s)
{
	st_index_close(&s->offsets);
	st_index_close(&s->times);
	s->offsets.known = s->times.known = true;
	s->since_entry = 0;
	s->max_ms = s->max_last = -1;
}

/* --- checking: the batches */
static void
progress(struct check *c, uint32_t *asked)
{
	struct st_log *l = c->log;
	char path[PATH_MAX];

	if (++*asked % ASK_EVERY != 0)
		return;
	int64_t now = rk_now(st_log_env(l));
	if (now - c->said_ms < PROGRESS_MS)
		return;
	c->said_ms = now;
	rk_say(RK_INFO,
	    "%s: checking records, %" PRId64 "%% of %" PRId64 " MiB, at offset %" PRId64,
	    st_log_path(l, path), c->done * 100 / rk_max(1, c->total), c->total >> 20, l->end);
}

/* Zeros up to the end of the file were reserved, or never reached the disk: nothing that was ever
 * promised. */
static bool
only_zeros(struct st_segment *s, uint32_t pos)
{
	uint8_t *block = rk_mem_get(BLOCK);
	bool zero = true;

	for (; zero && pos < s->bytes; pos += BLOCK) {
		uint32_t n = (uint32_t)rk_min(BLOCK, s->bytes - pos);
		zero = rk_file_read(s->log, pos, block, n) == RK_OK && block[0] == 0
		       && memcmp(block, block + 1, n - 1) == 0;
	}
	rk_mem_put(block);
	return zero;
}

/* A torn tail is the last thing in a log. Where whole batches follow, what is at pos was damaged.
 */
static bool
batches_follow(struct check *c, struct st_segment *s, uint32_t pos)
{
	struct st_scan scan;
	uint32_t end = (uint32_t)rk_min(s->bytes, (int64_t)pos + LOOK_BEHIND);
	bool found = false;

	st_scan_begin(&scan, s, pos, c->log->end, true);
	for (uint32_t p = pos + 1; !found && p + KP_BATCH_HEAD <= end; p++) {
		scan.pos = p;
		found = st_scan_next(&scan) == RK_OK;
	}
	st_scan_end(&scan);
	return found;
}

/* Copies what is behind pos to <base>.log.<pos>.cut, durably but for its name. */
static enum rk_err
keep_tail(struct st_log *l, struct st_segment *s, uint32_t pos)
{
	char path[PATH_MAX], tail[32];
	struct rk_file *to;

	snprintf(tail, sizeof tail, ".log.%" PRIu32 ".cut", pos);
	if (!st_segment_path(l, s->base, tail, path))
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = rk_file_open(st_log_env(l), path, RK_OPEN_CREATE, &to);
	if (err != RK_OK)
		return err;
	uint8_t *block = rk_mem_get(BLOCK);
	err = rk_file_truncate(to, 0);
	for (uint32_t at = pos, n; err == RK_OK && at < s->bytes; at += n) {
		n = (uint32_t)rk_min(BLOCK, s->bytes - at);
		err = rk_file_read(s->log, at, block, n);
		if (err == RK_OK)
			err = rk_file_write(to, at - pos, block, n);
	}
	if (err == RK_OK)
		err = rk_file_sync_wait(to);
	rk_mem_put(block);
	rk_file_drop(to);
	return err;
}

/* Sets aside what was not torn but damaged: the segment's tail, and the segments behind it. */
static enum rk_err
keep(struct check *c, uint32_t at, uint32_t pos)
{
	struct st_log *l = c->log;
	char from[PATH_MAX], to[PATH_MAX];
	enum rk_err err = pos < l->hot->seg[at].bytes ? keep_tail(l, &l->hot->seg[at], pos) : RK_OK;

	for (uint32_t i = at + 1; err == RK_OK && i < l->hot->count; i++) {
		struct st_segment *s = &l->hot->seg[i];
		if (s->log != NULL) /* by its name, which changes */
			rk_file_drop(s->log);
		s->log = NULL;
		err = st_segment_path(l, s->base, ".log", from)
			      && st_segment_path(l, s->base, ".log.cut", to)
			  ? rk_path_rename(st_log_env(l), from, to)
			  : RK_KAFKA_STORAGE_ERROR;
	}
	if (err == RK_OK)
		err = rk_dir_sync(st_log_env(l), st_log_path(l, from));
	if (err == RK_OK)
		rk_say(RK_WARN,
		    "%s: what is cut off is no torn end, whole batches are in it; it is kept "
		    "beside "
		    "the log in files that end in .cut. Check the disk; `rookery-dump-log --files` "
		    "shows what they hold.",
		    st_log_path(l, from));
	else
		rk_say(RK_ERROR,
		    "%s: what follows the damage could not be set aside (%s): nothing was changed. "
		    "Make room on the disk and restart this node.",
		    st_log_path(l, from), rk_err_text(err));
	return err;
}

static enum rk_err
cut_here(struct check *c, uint32_t at, uint32_t pos, enum rk_err why)
{
	struct st_log *l = c->log;
	struct st_segment *s = &l->hot->seg[at];
	uint32_t later = l->hot->count - at - 1;
	int64_t lost = (int64_t)s->bytes - pos;
	enum rk_err err = RK_OK;
	char path[PATH_MAX];

	for (uint32_t i = at + 1; i < l->hot->count; i++)
		lost += l->hot->seg[i].bytes;
	st_log_path(l, path);
	if (later == 0 && only_zeros(s, pos))
		rk_say(RK_INFO,
		    "%s/%020" PRId64 ".log: %" PRId64
		    " bytes of zeros behind the last batch (position %" PRIu32 ", offset %" PRId64
		    ") are cut off",
		    path, s->base, lost, pos, l->end);
	else
		rk_say(RK_WARN,
		    "%s/%020" PRId64 ".log: at position %" PRIu32 " (offset %" PRId64
		    ") %s; the log is cut there, and %" PRId64 " bytes behind it (%" PRIu32
		    " later segments) are lost to this replica",
		    path, s->base, pos, l->end, what(why), lost, later);
	if (later > 0 || batches_follow(c, s, pos))
		err = keep(c, at, pos);
	if (err != RK_OK)
		return err;
	c->cut = true;
	err = rk_file_truncate(s->log, pos);
	s->bytes = pos;
	while (err == RK_OK && l->hot->count > at + 1)
		err = st_log_drop_segment(l, l->hot->count - 1);
	return err;
}

static enum rk_err
check_batches(struct check *c, uint32_t at, uint32_t pos, int64_t next)
{
	struct st_log *l = c->log;
	struct st_segment *s = &l->hot->seg[at];
	struct st_scan scan;
	uint32_t asked = 0;
	enum rk_err err;

	st_scan_begin(&scan, s, pos, next, true);
	while ((err = st_scan_next(&scan)) == RK_OK) {
		st_segment_note(l, s, scan.batch, scan.at, scan.len);
		if (kp_batch_epoch(scan.batch) > st_epochs_last(&l->hot->epochs))
			st_log_note_epoch(l, kp_batch_epoch(scan.batch), kp_batch_base(scan.batch));
		c->producers |= kp_batch_producer(scan.batch) >= 0;
		c->done += scan.len;
		l->end = scan.next;
		progress(c, &asked);
	}
	pos = scan.at;
	st_scan_end(&scan);
	if (err == RK_TRUNCATED || err == RK_CORRUPT_MESSAGE)
		return cut_here(c, at, pos, err);
	return err == RK_NOT_FOUND ? RK_OK : err;
}

static enum rk_err
check_segment(struct check *c, uint32_t at)
{
	struct st_log *l = c->log;
	struct st_segment *s = &l->hot->seg[at];
	int64_t next = rk_max(s->base, l->end);
	uint32_t pos = 0;

	enum rk_err err = st_segment_open(l, s, false);
	if (err == RK_OK)
		err = st_segment_first(l, s);
	if (err != RK_OK)
		return err;
	err = believed(l, s, c->recovery_point, &pos, &next);
	if (err == RK_NOT_FOUND || err == RK_CORRUPT_MESSAGE || err == RK_TRUNCATED) {
		from_scratch(s);
		pos = 0;
		next = rk_max(s->base, l->end);
	} else if (err != RK_OK) {
		return err;
	}
	s->ms_known = true;
	l->end = next;
	if (c->from < 0) {
		c->from = next;
		st_epochs_cut_end(&l->hot->epochs, next);
	}
	err = st_segment_cut_aborted(l, s, rk_max(next, c->recovery_point));
	if (err == RK_OK)
		err = check_batches(c, at, pos, next);
	s = &l->hot->seg[at];
	s->dirty = s->closing = true;
	if (err != RK_OK || at + 1 == l->hot->count)
		return err;
	err = st_segment_finish(l, s);
	if (err == RK_NO_SPACE) {
		/* Without an index it is read more slowly, and the index made when there is room.
		 */
		st_index_close(&s->offsets);
		st_index_close(&s->times);
		err = RK_OK;
	}
	return err;
}

/* --- epochs */
/* From the headers of all batches, when the checkpoint is not there or is no checkpoint. */
static enum rk_err
epochs_of_batches(struct st_log *l)
{
	struct st_scan scan;
	char path[PATH_MAX];

	rk_say(RK_INFO,
	    "%s/leader-epoch-checkpoint is missing or no checkpoint; it is made anew from the "
	    "records",
	    st_log_path(l, path));
	l->hot->epochs.count = 0;
	for (uint32_t i = 0; i < l->hot->count; i++) {
		struct st_segment *s = &l->hot->seg[i];
		enum rk_err err = st_segment_open(l, s, false);
		if (err != RK_OK)
			return err;
		st_scan_begin(&scan, s, 0, s->base, false);
		while ((err = st_scan_next(&scan)) == RK_OK)
			st_log_note_epoch(l, kp_batch_epoch(scan.batch), kp_batch_base(scan.batch));
		st_scan_end(&scan);
		if (err == RK_KAFKA_STORAGE_ERROR || err == RK_NO_DESCRIPTOR)
			return err;
	}
	return RK_OK;
}

static bool
same_epochs(const struct st_epochs *a, const struct st_epochs *b)
{
	bool same = a->count == b->count;

	for (uint32_t i = 0; same && i < a->count; i++)
		same = a->at[i].epoch == b->at[i].epoch && a->at[i].start == b->at[i].start;
	return same;
}

static enum rk_err
load_epochs(struct st_log *l)
{
	bool empty = true;
	enum rk_err err = st_log_load_epochs(l, &l->hot->epochs);

	for (uint32_t i = 0; i < l->hot->count; i++)
		empty &= l->hot->seg[i].bytes == 0;
	if (err == RK_NOT_FOUND && empty)
		return RK_OK;
	return err == RK_NOT_FOUND || err == RK_CORRUPT_MESSAGE ? epochs_of_batches(l) : err;
}

/* --- all of it */
/* Whether a segment begins where the one before it ends. When it does not, the end of that one
 * never reached the disk, and nothing behind it was stable; unless records were compacted away, or
 * the offsets made a leap that no segment holds. */
static bool
follows(const struct check *c, uint32_t at)
{
	const struct st_log *l = c->log;
	int64_t base = l->hot->seg[at].base;

	rk_assert(at > 0);
	return base <= l->end || base <= c->recovery_point || l->rules->compact
	       || base - l->hot->seg[at - 1].base > INT32_MAX;
}

static enum rk_err
check_all(struct check *c)
{
	struct st_log *l = c->log;
	/* The segment of the last stable record: its end (that it was rolled) need not be stable.
	 */
	uint32_t first = st_log_floor(l, rk_max(0, c->recovery_point - 1));
	while (first > 0 && l->hot->seg[first].bytes == 0)
		first--;
	enum rk_err err = RK_OK;
	char path[PATH_MAX];

	for (uint32_t i = first; i < l->hot->count; i++)
		c->total += l->hot->seg[i].bytes;
	c->said_ms = rk_now(st_log_env(l));
	l->end = l->hot->seg[first].base;
	for (uint32_t i = first; err == RK_OK && i < l->hot->count; i++)
		err = i == first || follows(c, i)
			  ? check_segment(c, i)
			  : cut_here(c, i - 1, l->hot->seg[i - 1].bytes, RK_TRUNCATED);
	/* Begun, and given up for want of space: the one before it went on. */
	for (uint32_t i = l->hot->count; err == RK_OK && i-- > 1;)
		if (l->hot->seg[i].bytes == 0 && l->hot->seg[i].base < l->end)
			err = st_log_drop_segment(l, i);
	if (err == RK_OK && l->end < c->recovery_point)
		rk_say(RK_ERROR,
		    "%s ends at offset %" PRId64 ", but was on stable storage up to %" PRId64
		    ": the disk lost what it had "
		    "confirmed, or files were removed. Records between are gone from this replica.",
		    st_log_path(l, path), l->end, c->recovery_point);
	if (err != RK_OK)
		rk_say(RK_ERROR,
		    "%s cannot be opened: segment %020" PRId64
		    ": %s. Repair the disk, or move the folder away to have "
		    "it copied from another replica.",
		    st_log_path(l, path), st_log_active(l)->base, what(err));
	return err;
}

/* Checked is not yet stable: what a killed process left may be in the page cache only. Where that is all
 * that was promised (write.caching) the start does not wait for it. */
static enum rk_err
make_stable(struct check *c, const struct st_epochs *had)
{
	struct st_log *l = c->log;
	int64_t known =
	    rk_max(c->from, c->recovery_point); /* aborted transactions below it are listed */
	enum rk_err err = RK_OK;

	/* Once from below what was checked, for the aborted transactions; and, when that was from a
	 * snapshot without its companion, from the newest good one. Then their state as of now goes
	 * to stable storage. */
	if (c->producers)
		err = st_log_load_producers(l, rk_min(known, l->end), known);
	if (err == RK_OK && c->producers && !l->hot->all_known)
		err = st_log_load_producers(l, l->end, INT64_MAX);
	if (err == RK_OK && c->producers) {
		err = st_log_settle(l);
		if (err == RK_NO_SPACE)
			err = RK_OK; /* its files can be written later, or made anew again */
	}
	l->hot->epochs_dirty = false;
	l->hot->epochs_safe = INT64_MAX;
	bool async = l->rules->cached && !c->cut;
	if (err == RK_OK && !same_epochs(had, &l->hot->epochs)) {
		l->hot->epochs_dirty = async; /* with the sync that begins below */
		if (async)
			l->hot->epochs_safe = rk_max(0, c->from);
		else
			err = st_log_save_epochs(l, rk_max(0, c->from));
	}
	bool lags = c->cut || c->producers || l->end != c->recovery_point || l->hot->folder_dirty
		    || l->hot->epochs_dirty;
	/* Nor are names: a process that was killed may have made them without coming to their sync. */
	l->hot->folder_dirty = l->hot->root_dirty = true;
	if (err == RK_OK && lags && async) {
		l->stable = rk_min(rk_max(c->recovery_point, l->start), l->end);
		st_log_sync(l); /* the stable end follows when the disk has it */
		return RK_OK;
	}
	if (err == RK_OK && lags)
		return st_log_sync_wait(l);
	for (uint32_t i = 0; i < l->hot->count; i++)
		l->hot->seg[i].dirty = l->hot->seg[i].closing = false;
	l->stable = l->end;
	return err;
}

enum rk_err
st_log_scan(struct st_log *l, bool verify, int64_t recovery_point)
{
	struct check c = {.log = l, .recovery_point = recovery_point, .from = -1};
	struct st_epochs had = {0};
	enum rk_err err = build_row(l);

	if (err == RK_OK)
		err = load_epochs(l);
	if (err == RK_OK && verify && st_log_load_epochs(l, &had) != RK_OK)
		had.count = 0;
	if (err == RK_OK)
		err = verify ? check_all(&c) : believe(l);
	if (err == RK_OK) {
		l->start = rk_min(rk_max(l->start, l->hot->seg[0].base), l->end);
		st_epochs_cut_end(&l->hot->epochs, l->end);
		st_epochs_cut_start(&l->hot->epochs, l->start);
		l->last_epoch = st_epochs_last(&l->hot->epochs);
		if (verify)
			err = make_stable(&c, &had);
		else
			l->stable = l->end;
	}
	st_epochs_free(&had);
	rk_assert(err != RK_OK || (l->start <= l->end && l->hot->count > 0));
	rk_assert(err != RK_OK || l->stable == l->end || (verify && l->rules->cached));
	return err;
}
