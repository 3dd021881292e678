/* dump_index.c - the files beside a segment: offset, time and transaction index, producer snapshot.
 *
 *	.index      relative offset i32, position i32          the last offset of a batch, and where
 *it begins .timeindex  timestamp i64, relative offset i32         the largest timestamp up to that
 *offset .txnindex   version i16, producer i64, first i64, last i64, last stable i64 .snapshot
 *version i16, crc u32, then entries
 *
 * A live index is longer than its contents: an entry that is all base ends it. */
#include <sys/mman.h>
#include <sys/stat.h>
#include "protocol/gen/storage_records.h"
#include "src/cmd/dump.h"

enum { OFFSET_ENTRY = 8, TIME_ENTRY = 12, TXN_ENTRY = 34 };

bool
cmd_file_map(struct cmd_file *f, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p = NULL;

	*f = (struct cmd_file){0};
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && st.st_size > 0)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	int e = errno;
	bool ok = p != MAP_FAILED && (p != NULL || st.st_size == 0);
	close(fd);
	errno = e;
	if (ok)
		*f = (struct cmd_file){p, (size_t)st.st_size};
	return ok;
}

void
cmd_file_unmap(struct cmd_file *f)
{
	if (f->at != NULL)
		munmap((void *)(uintptr_t)f->at, f->len);
	f->at = NULL;
}

/* The segment's log beside the index; what stands behind the last dot is replaced. */
static bool
log_beside(const char *path, struct cmd_file *f)
{
	char name[PATH_MAX];
	const char *dot = strrchr(path, '.');

	snprintf(name, sizeof name, "%.*s.log", (int)(dot - path), path);
	return cmd_file_map(f, name);
}

static bool
open_index(const char *path, struct cmd_file *f)
{
	if (cmd_file_map(f, path))
		return true;
	fprintf(stderr, "%s cannot be read: %s\n", path, strerror(errno));
	return false;
}

/* What is wrong with the file as a whole, as a starting broker checks it; NULL: nothing. */
static const char *
insane(const struct cmd_file *f, size_t each, int64_t base, size_t offset_at)
{
	size_t n = f->len / each, used = 0;
	int64_t last = base;

	if (f->len % each != 0)
		return "its size is no multiple of an entry's";
	for (; used < n; used++) {
		int64_t offset = base + (int32_t)rk_get32(f->at + used * each + offset_at);
		if (used > 0 && offset == base)
			break;
		last = offset;
	}
	return used > 1 && last <= base ? "its last offset is not above its base offset" : NULL;
}

static void
sanity(const char *path, const char *why)
{
	if (why == NULL)
		printf("%s passed sanity check.\n", path);
	else
		printf("%s failed the sanity check: %s. Remove it; the broker rebuilds it when it "
		       "starts.\n",
		    path, why);
}

void
cmd_dump_index(const char *path, int64_t base, enum cmd_look look)
{
	struct cmd_file f, log = {0};
	bool said = false, beside = log_beside(path, &log);

	if (!open_index(path, &f))
		return;
	if (look == CMD_SANITY) {
		sanity(path, insane(&f, OFFSET_ENTRY, base, 0));
		cmd_file_unmap(&f);
		cmd_file_unmap(&log);
		return;
	}
	for (size_t i = 0; i < f.len / OFFSET_ENTRY; i++) {
		int64_t offset = base + (int32_t)rk_get32(f.at + i * OFFSET_ENTRY);
		uint32_t pos = rk_get32(f.at + i * OFFSET_ENTRY + 4);
		if (offset == base && i > 0)
			break;
		bool there = beside && (size_t)pos + KP_BATCH_HEAD <= log.len;
		if (beside && (!there || kp_batch_last(log.at + pos) != offset)) {
			if (!said)
				fprintf(stderr, "Mismatches in :%s\n", path);
			said = true;
			fprintf(stderr, "  Index offset: %" PRId64 ", log offset: %" PRId64 "\n",
			    offset, there ? kp_batch_last(log.at + pos) : (int64_t)-1);
		}
		if (look == CMD_PRINT)
			printf("offset: %" PRId64 " position: %u\n", offset, pos);
	}
	cmd_file_unmap(&f);
	cmd_file_unmap(&log);
}

/* The largest timestamp of the batches up to and with the one that holds the offset; -1: no such
 * batch. */
static int64_t
largest_until(const struct cmd_file *log, int64_t offset, size_t *pos, int64_t *largest)
{
	while (
	    *pos + KP_BATCH_HEAD <= log->len && kp_batch_bytes(log->at + *pos) >= KP_BATCH_HEAD) {
		const uint8_t *b = log->at + *pos;
		if (kp_batch_base(b) > offset)
			break;
		*largest = rk_max(*largest, kp_batch_max_ms(b));
		if (kp_batch_last(b) >= offset)
			return *largest;
		*pos += (size_t)kp_batch_bytes(b);
	}
	return -1;
}

void
cmd_dump_time_index(const char *path, int64_t base, enum cmd_look look)
{
	struct cmd_file f, log = {0};
	int64_t before = -1, largest = -1;
	size_t pos = 0;
	bool beside = log_beside(path, &log);

	if (!open_index(path, &f))
		return;
	if (look == CMD_SANITY)
		sanity(path, insane(&f, TIME_ENTRY, base, 8));
	for (size_t i = 0; look != CMD_SANITY && i < f.len / TIME_ENTRY; i++) {
		int64_t ms = (int64_t)rk_get64(f.at + i * TIME_ENTRY);
		int64_t offset = base + (int32_t)rk_get32(f.at + i * TIME_ENTRY + 8), real;
		if (offset == base && i > 0)
			break;
		real = beside && log.len > 0 ? largest_until(&log, offset, &pos, &largest) : ms;
		if (real < 0)
			fprintf(stderr,
			    "The following offsets are not found in the log.\nIndexed offset: "
			    "%" PRId64 ", found log offset: -1\n",
			    offset);
		else if (real != ms)
			fprintf(stderr,
			    "Found timestamp mismatch in :%s\n  Index timestamp: %" PRId64
			    ", log timestamp: %" PRId64 "\n",
			    path, ms, real);
		if (ms < before)
			fprintf(stderr,
			    "Found out of order timestamp in :%s\n  Index timestamp: %" PRId64
			    ", Previously indexed timestamp: %" PRId64 "\n",
			    path, ms, before);
		before = ms;
		if (look == CMD_PRINT)
			printf("timestamp: %" PRId64 " offset: %" PRId64 "\n", ms, offset);
	}
	cmd_file_unmap(&f);
	cmd_file_unmap(&log);
}

void
cmd_dump_txn_index(const char *path)
{
	struct cmd_file f;

	if (!open_index(path, &f))
		return;
	for (size_t i = 0; i < f.len / TXN_ENTRY; i++) {
		const uint8_t *e = f.at + i * TXN_ENTRY;
		printf("version: %d producerId: %" PRId64 " firstOffset: %" PRId64
		       " lastOffset: %" PRId64 " lastStableOffset: %" PRId64 "\n",
		    (int16_t)rk_get16(e), (int64_t)rk_get64(e + 2), (int64_t)rk_get64(e + 10),
		    (int64_t)rk_get64(e + 18), (int64_t)rk_get64(e + 26));
	}
	if (f.len % TXN_ENTRY != 0)
		fprintf(stderr, "%s ends in the middle of an entry\n", path);
	cmd_file_unmap(&f);
}

void
cmd_dump_snapshot(const char *path, struct rk_arena *a)
{
	struct kp_producer_snapshot s;
	struct cmd_file f;
	char open_txn[60];

	if (!open_index(path, &f))
		return;
	if (f.len < 6
	    || kp_read(&kp_producer_snapshot_d, 1, f.at + 2, f.len - 2, a, &s, NULL) != RK_OK
	    || rk_crc32c(0, f.at + 6, f.len - 6) != s.crc) {
		fprintf(stderr,
		    "Snapshot is corrupt (%s). The broker rebuilds it from the log when it is "
		    "removed.\n",
		    path);
		cmd_file_unmap(&f);
		return;
	}
	for (int32_t i = 0; i < s.producer_entries.len; i++) {
		struct kp_producer_snapshot_producer_entries *e = &s.producer_entries.at[i];
		snprintf(open_txn, sizeof open_txn,
		    e->current_txn_first_offset < 0 ? "OptionalLong.empty"
						    : "OptionalLong[%" PRId64 "]",
		    e->current_txn_first_offset);
		printf("producerId: %" PRId64 " producerEpoch: %d coordinatorEpoch: %d "
		       "currentTxnFirstOffset: %s lastTimestamp: %" PRId64 " ",
		    e->producer_id, e->epoch, e->coordinator_epoch, open_txn, e->timestamp);
		if (e->last_sequence
		    >= 0) /* one batch is kept; without one there is nothing to say of it */
			printf("firstSequence: %d lastSequence: %d lastOffset: %" PRId64
			       " offsetDelta: %d timestamp: %" PRId64,
			    e->last_sequence - e->offset_delta, e->last_sequence, e->last_offset,
			    e->offset_delta, e->timestamp);
		putchar('\n');
	}
	cmd_file_unmap(&f);
}
