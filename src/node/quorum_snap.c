/* quorum_snap.c - snapshots of the metadata: every node makes its own, and gives the newest to who is far behind.
 *
 * The log begins behind the oldest one that is kept. Older ones go as Kafka's do (metadata.max.retention.*): the oldest
 * and the log before the next, never the newest. A file is removed only when the flush that makes its successor
 * known is done: a crash between would leave a log that names a file that is gone.
 *
 * A download is a file END-EPOCH.checkpoint.part that grows slice by slice; whole, it is synced and renamed, and raft
 * starts the log over behind it. The image follows when that is durable: it must never be ahead of the log on
 * disk. */
#include "base/mem.h"
#include "base/say.h"
#include "protocol/batch.h"
#include "protocol/gen/control_records.h"
#include "src/node/quorum_in.h"
#include "src/node/voters.h"

enum { RECORD_BYTES = 200, HEAD_BYTES = 4096, SNAPSHOT_HEADER = 3 };

void
node_snap_path(const struct node_quorum *q, struct raft_snap s, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%.*s/%020" PRId64 "-%010" PRId32 ".checkpoint", PATH_MAX - 64, q->folder, s.end, s.epoch);
}

static void
part_path(const struct node_quorum *q, const struct quorum_download *d, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%.*s/%020" PRId64 "-%010" PRId32 ".checkpoint.part%" PRIu32, PATH_MAX - 80, q->folder,
	    d->id.end, d->id.epoch, d->number);
}

/* --- which there are */

static struct quorum_snapshot *
find(struct node_quorum *q, struct raft_snap id)
{
	for (uint32_t i = 0; i < q->snaps; i++)
		if (q->snap[i].id.end == id.end && q->snap[i].id.epoch == id.epoch)
			return &q->snap[i];
	return NULL;
}

/* When the last record in it was written: its header says so. 0: it cannot be read. */
static int64_t
last_ms_of(struct rk_file *f, uint64_t size)
{
	struct kp_snapshot_header_record h = { 0 };
	struct kp_records_iter it;
	struct kp_record r;
	struct rk_arena a;
	uint32_t len = (uint32_t)rk_min((int64_t)size, HEAD_BYTES);

	rk_arena_init(&a, 1 << 20);
	char *p = rk_arena_raw(&a, len + 1);
	if (p != NULL && len > KP_BATCH_HEAD && rk_file_read(f, 0, p, len) == RK_OK && kp_batch_shape(p, len) == RK_OK) {
		kp_records_start(&it, p, NULL, 0);
		if (!kp_records_next(&it, &r) || r.key.len < 4 || rk_get16(r.key.at + 2) != SNAPSHOT_HEADER
		    || kp_read(&kp_snapshot_header_record_d, 0, r.value.at, (size_t)rk_max(r.value.len, 0), &a, &h, NULL)
		    != RK_OK)
			h.last_contained_log_timestamp = 0;
	}
	rk_arena_free(&a);
	return h.last_contained_log_timestamp;
}

static void
add(struct node *n, struct raft_snap id)
{
	struct node_quorum *q = n->quorum;
	struct quorum_snapshot s = { .id = id };
	struct rk_file *f;
	uint64_t size;
	char path[PATH_MAX];

	if (id.end <= 0 || find(q, id) != NULL || q->snaps == QUORUM_SNAPS_MAX)
		return;
	node_snap_path(q, id, path);
	if (rk_file_open(n->env, path, RK_OPEN_READ, &f) != RK_OK)
		return;
	if (rk_file_size(f, &size) == RK_OK) {
		s.bytes = (int64_t)size;
		s.last_ms = last_ms_of(f, size);
		uint32_t i = q->snaps++;
		for (; i > 0 && q->snap[i - 1].id.end > id.end; i--)
			q->snap[i] = q->snap[i - 1];
		q->snap[i] = s;
	}
	rk_file_drop(f);
}

struct names {
	char odd[QUORUM_SNAPS_MAX][64]; /* left behind: to be removed */
	struct raft_snap id[QUORUM_SNAPS_MAX];
	uint32_t odds, ids;
};

static void
named(void *arg, const char *name, bool is_dir)
{
	struct names *names = arg;
	struct raft_snap id;
	char end[21], epoch[11];
	int64_t v;

	if (is_dir || strlen(name) < 42 || name[20] != '-' || strncmp(name + 31, ".checkpoint", 11) != 0)
		return;
	snprintf(end, sizeof end, "%.20s", name);
	snprintf(epoch, sizeof epoch, "%.10s", name + 21);
	if (!rk_str_int(rk_str_of(end), &id.end) || !rk_str_int(rk_str_of(epoch), &v))
		return;
	id.epoch = (int32_t)v;
	if (name[42] == '\0' && names->ids < QUORUM_SNAPS_MAX)
		names->id[names->ids++] = id;
	else if (name[42] != '\0' && strlen(name) < sizeof names->odd[0] && names->odds < QUORUM_SNAPS_MAX)
		snprintf(names->odd[names->odds++], sizeof names->odd[0], "%.63s", name);
}

void
node_snap_find(struct node *n)
{
	struct node_quorum *q = n->quorum;
	const struct st_mlog_info *info = st_mlog_info(q->log);
	struct names names = { .ids = 0 };
	char path[PATH_MAX];

	if (rk_dir_list(n->env, q->folder, named, &names) != RK_OK)
		return;
	for (uint32_t i = 0; i < names.odds; i++) {
		snprintf(path, sizeof path, "%.*s/%s", PATH_MAX - 70, q->folder, names.odd[i]);
		(void)!rk_path_remove(n->env, path);
	}
	for (uint32_t i = 0; i < names.ids; i++) {
		/* One that the log does not know yet was written just before a crash: made again when it is due. */
		if (names.id[i].end >= info->base.end && names.id[i].end <= info->snap.end) {
			add(n, names.id[i]);
		} else if (names.id[i].end > 0) {
			node_snap_path(q, names.id[i], path);
			(void)!rk_path_remove(n->env, path);
		}
	}
}

/* --- forgetting */

void
node_snap_flushed(struct node *n)
{
	struct node_quorum *q = n->quorum;
	char path[PATH_MAX];
	uint32_t kept = 0;

	for (uint32_t i = 0; i < q->snaps; i++) {
		if (q->snap[i].gone > 0 && q->snap[i].gone <= q->flushed) {
			node_snap_path(q, q->snap[i].id, path);
			(void)!rk_path_remove(n->env, path);
		} else {
			q->snap[kept++] = q->snap[i];
		}
	}
	q->snaps = kept;
}

/* Those before this one go with the next flush. */
static void
drop_before(struct node_quorum *q, int64_t end)
{
	for (uint32_t i = 0; i < q->snaps; i++)
		if (q->snap[i].id.end < end && q->snap[i].gone == 0)
			q->snap[i].gone = q->flushes + 1;
	q->flush_wanted = true;
}

static bool
too_old(struct node *n, const struct quorum_snapshot *s)
{
	int64_t keep = n->conf->metadata_max_retention_ms;

	return keep >= 0 && s->last_ms > 0 && rk_wall(n->env) - s->last_ms > keep;
}

/* The bytes of the log are an estimate: records by the average of those seen since the start. */
static bool
too_much(struct node *n, uint32_t first)
{
	struct node_quorum *q = n->quorum;
	int64_t keep = n->conf->metadata_max_retention_bytes, sum = 0;
	int64_t each = q->records_in > 0 ? (int64_t)(q->bytes_in / q->records_in) : RECORD_BYTES;

	if (keep < 0)
		return false;
	for (uint32_t i = first; i < q->snaps; i++)
		sum += q->snap[i].bytes;
	return sum + (q->raft.log_end - q->raft.log_start) * rk_max(each, 1) > keep;
}

static void
trim_to(struct node *n, struct raft_snap to)
{
	struct node_quorum *q = n->quorum;

	if (to.end <= q->raft.log_start || st_mlog_trim(q->log, (struct st_mlog_snap){ to.end, to.epoch }) != RK_OK)
		return;
	node_quorum_step(n, &(struct raft_event){ .kind = RAFT_TRIMMED, .snap = to });
	drop_before(q, to.end);
}

/* all: whatever there is room for, only the newest is kept. */
static void
forget_old(struct node *n, bool all)
{
	struct node_quorum *q = n->quorum;
	uint32_t i = 0;

	while (i + 1 < q->snaps && (all || too_old(n, &q->snap[i]) || too_much(n, i)
	    || q->snaps - i > QUORUM_SNAPS_MAX / 2))
		i++;
	if (q->snaps > 0 && (i > 0 || all) && q->snap[i].id.end <= q->raft.hw)
		trim_to(n, q->snap[i].id);
}

/* --- making */

static void
make(struct node *n)
{
	struct node_quorum *q = n->quorum;
	const struct raft_set *set = raft_set_at(&q->raft, q->applied);
	bool trim = q->todo.snapshot;
	struct raft_snap snap;
	char path[PATH_MAX];
	struct meta_view v;
	struct rk_arena a;

	if (set == NULL)
		return; /* so many voter sets came since that raft has forgotten this one: a later end will do */
	rk_arena_init(&a, SIZE_MAX);
	meta_view_begin(n->image, &v);
	snap.end = meta_applied(&v, &snap.epoch);
	node_snap_path(q, snap, path);
	enum rk_err err = meta_snapshot_write(n->env, &v, path, rk_wall(n->env), set->version,
	    set->version < 1 ? RK_STR_NULL : node_voters_encode(&set->voters, &a));
	meta_view_end(&v);
	rk_arena_free(&a);
	q->snapshot_wanted = false;
	q->bytes_since = 0;
	q->snapshot_ms = rk_now(n->env);
	if (err != RK_OK) {
		rk_say(RK_ERROR, "The metadata snapshot %s cannot be written (%s); the log keeps growing until the next "
		    "one succeeds. Look at the disk.", path, rk_err_name(err));
		return;
	}
	if (st_mlog_snapshot(q->log, (struct st_mlog_snap){ snap.end, snap.epoch }) != RK_OK)
		return;
	add(n, snap);
	node_quorum_step(n, &(struct raft_event){ .kind = RAFT_SNAPPED, .snap = snap });
	q->flush_wanted = true;
	rk_say(RK_INFO, "Metadata snapshot at offset %" PRId64 " written.", snap.end);
	forget_old(n, trim);
}

void
node_snap_if_due(struct node *n)
{
	struct node_quorum *q = n->quorum;

	if (q->bytes_since > 0 && ((int64_t)q->bytes_since >= n->conf->metadata_log_max_record_bytes_between_snapshots
	    || (n->conf->metadata_log_max_snapshot_interval_ms > 0
	    && rk_now(n->env) - q->snapshot_ms >= n->conf->metadata_log_max_snapshot_interval_ms)))
		q->snapshot_wanted = true;
	if (q->snapshot_wanted && !n->failed && n->control.batch.len < 0 && q->jump.end == 0
	    && q->applied > q->raft.snap.end
	    && q->applied <= q->raft.hw) /* an image that was closed cleanly may know more than this life has heard */
		make(n);
}

/* --- serving */

struct rk_str
node_snap_read(struct node *n, struct raft_msg *m, struct rk_arena *a)
{
	struct node_quorum *q = n->quorum;
	struct rk_str got = RK_STR_NULL;
	struct rk_file *f;
	uint64_t size;
	char path[PATH_MAX];

	node_snap_path(q, m->snap, path);
	if (find(q, m->snap) == NULL || rk_file_open(n->env, path, RK_OPEN_READ, &f) != RK_OK) {
		m->err = RK_SNAPSHOT_NOT_FOUND;
		return got;
	}
	m->err = rk_file_size(f, &size);
	if (m->err == RK_OK && m->offset >= (int64_t)size)
		m->err = RK_POSITION_OUT_OF_RANGE;
	if (m->err == RK_OK) {
		m->size = (int64_t)size;
		uint32_t len = (uint32_t)rk_min(rk_max(m->max_bytes, 1), (int64_t)size - m->offset);
		len = (uint32_t)rk_min(len, 8 << 20);
		char *to = rk_arena_raw(a, len);
		m->err = to == NULL ? RK_UNKNOWN_SERVER_ERROR : rk_file_read(f, (uint64_t)m->offset, to, len);
		got = m->err == RK_OK ? (struct rk_str){ to, (int32_t)len } : got;
	}
	if (m->err == RK_KAFKA_STORAGE_ERROR || m->err == RK_NOT_FOUND)
		m->err = RK_UNKNOWN_SERVER_ERROR;
	rk_file_drop(f);
	return got;
}

/* --- downloading */

static void
give_up(struct node *n, const char *what, enum rk_err err)
{
	struct node_quorum *q = n->quorum;

	rk_say(RK_FATAL, "The metadata snapshot %" PRId64 "-%" PRId32 " from the quorum's leader cannot be %s (%s). Look at "
	    "the disk of %s.", q->down.id.end, q->down.id.epoch, what, rk_err_name(err), q->folder);
	node_fail(n, "it cannot take over the leader's snapshot");
}

void
node_snap_keep(struct node *n, const struct raft_todo *t, struct rk_str slice)
{
	struct node_quorum *q = n->quorum;
	struct quorum_download *d = &q->down;
	char path[PATH_MAX];
	enum rk_err err = RK_OK;

	rk_assert(slice.len > 0);
	if (t->slice_pos == 0) {
		if (d->file != NULL)
			rk_file_drop(d->file);
		d->file = NULL;
		d->id = t->snap_part;
		d->number++;
		part_path(q, d, path);
		err = rk_file_open(n->env, path, RK_OPEN_CREATE, &d->file);
		if (err == RK_OK)
			err = rk_file_truncate(d->file, 0);
		rk_say(RK_INFO, "Fetching the metadata snapshot %" PRId64 "-%" PRId32 ": this node is behind the log of the "
		    "leader.", d->id.end, d->id.epoch);
	}
	if (err == RK_OK) {
		rk_assert(d->file != NULL && d->id.end == t->snap_part.end);
		err = rk_file_write(d->file, (uint64_t)t->slice_pos, slice.at, (uint32_t)slice.len);
	}
	if (err != RK_OK)
		give_up(n, "written", err);
}

/* Reads whose voters it has, tells raft, and raft starts the log over. */
static void
installed(struct node *n, struct raft_snap id)
{
	struct node_quorum *q = n->quorum;
	struct raft_change c;
	struct rk_arena a;
	struct rk_str bytes;
	char path[PATH_MAX];

	rk_arena_init(&a, SIZE_MAX);
	node_snap_path(q, id, path);
	enum rk_err err = rk_env_slurp(n->env, path, &a, &bytes);
	if (err == RK_OK && !node_voters_of(bytes, &a, &c))
		err = RK_CORRUPT_MESSAGE;
	if (err != RK_OK) {
		give_up(n, "read back", err);
	} else {
		if (c.voters == NULL)
			c.version = -1; /* static voters: those of the config go on */
		node_quorum_step(n, &(struct raft_event){ .kind = RAFT_INSTALLED, .snap = id, .change = c });
	}
	rk_arena_free(&a);
}

struct freezing {
	struct node *node;
	struct rk_file *file;
	struct raft_snap id;
};

static void
synced(void *arg, enum rk_err err)
{
	struct freezing *f = arg;
	struct node *n = f->node;
	struct raft_snap id = f->id;
	char path[PATH_MAX];

	rk_assert(f->file != NULL && id.end > 0);
	node_snap_path(n->quorum, id, path);
	if (err == RK_OK)
		err = rk_file_rename(f->file, path);
	if (err == RK_OK)
		err = rk_dir_sync(n->env, n->quorum->folder);
	rk_file_drop(f->file);
	rk_mem_put(f);
	if (err != RK_OK)
		give_up(n, "kept", err);
	else
		installed(n, id);
}

void
node_snap_freeze(struct node *n)
{
	struct quorum_download *d = &n->quorum->down;
	struct freezing *f;

	if (n->failed)
		return;
	rk_assert(d->file != NULL);
	f = rk_new(struct freezing);
	*f = (struct freezing){ n, d->file, d->id };
	d->file = NULL;
	rk_file_sync(f->file, synced, f);
}

/* --- the image from a snapshot */

bool
node_snap_load(struct node *n, struct raft_snap snap)
{
	struct node_quorum *q = n->quorum;
	char path[PATH_MAX];
	struct rk_arena a;
	struct rk_str bytes;

	rk_arena_init(&a, SIZE_MAX);
	node_snap_path(q, snap, path);
	enum rk_err err = rk_env_slurp(n->env, path, &a, &bytes);
	if (err == RK_OK)
		err = meta_snapshot_load(n->image, (const uint8_t *)bytes.at, (uint32_t)bytes.len, snap.end, snap.epoch);
	rk_arena_free(&a);
	if (err != RK_OK) {
		rk_say(RK_FATAL, "The metadata snapshot %s cannot be read (%s), and the log before it is gone. Put the file "
		    "back from a copy of this directory.", path, rk_err_name(err));
		return false;
	}
	q->applied = snap.end;
	add(n, snap);
	drop_before(q, snap.end);
	return true;
}

void
node_snap_free(struct node *n)
{
	struct quorum_download *d = &n->quorum->down;

	if (d->file != NULL)
		rk_file_drop(d->file);
	d->file = NULL;
}
