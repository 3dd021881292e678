/* quorum.c - raft and the metadata log, driven: events go into raft_step, its orders are carried out.
 *
 * What is on stable storage before what: a vote or epoch that raft wants saved, and every batch, is staged
 * in the metadata log and made durable by one LMDB transaction per flush on a worker; raft hears of it
 * (RAFT_FLUSHED) afterwards, moves the high watermark, and only then are records applied, and
 * answers to clients leave. The image is applied up to the high watermark and never further.
 *
 * This release runs a quorum of one voter: there is no message to send, and a voter set that names
 * others is refused at start. */
#include "base/mem.h"
#include "protocol/batch.h"
#include "protocol/gen/control_records.h"
#include "raft/raft.h"
#include "src/node/inside.h"
#include "src/node/voters.h"
#include "storage/mlog.h"

enum { READ_BYTES = 1 << 20, STEPS_MAX = 1000, LANE = 1 };

struct flush { /* one under way; raft hears its mark when it is done */
	struct node *node;
	struct raft_mark mark;
	struct raft_snap stale; /* the snapshot whose successor it makes known */
};

struct node_quorum {
	struct node *node;
	struct raft raft;
	struct raft_todo todo;
	struct st_mlog *log;
	struct rk_timer timer;
	int64_t applied;
	uint64_t bytes_since;       /* appended since the newest snapshot */
	int64_t snapshot_ms;        /* when it was made, or the start */
	struct raft_snap stale;     /* may be removed when the next flush is done; end 0: none */
	bool flush_wanted, snapshot_wanted;
	char folder[PATH_MAX];
};

static void step(struct node *, struct raft_event *);

bool
node_quorum_leads(const struct node *n)
{
	const struct node_quorum *q = n->quorum;

	return q != NULL && raft_leads(&q->raft) && q->applied == q->raft.log_end && !n->failed;
}

int32_t
node_quorum_epoch(const struct node *n)
{
	return n->quorum->raft.vote.epoch;
}

int64_t
node_quorum_end(const struct node *n)
{
	return n->quorum->raft.log_end;
}

static void
share(struct node *n)
{
	const struct raft *r = &n->quorum->raft;

	n->shared.leader_id = r->vote.leader;
	n->shared.leader_epoch = r->vote.epoch;
	/* A static quorum (kraft.version 0) knows its voters without their directories. */
	n->shared.leader_directory = raft_set_now(r)->version >= 1 ? r->self.key.dir : (struct rk_uuid){ { 0 } };
	n->shared.quorum_high = r->hw;
	n->shared.quorum_end = r->log_end;
}

/* --- applying what is committed */

static bool
apply_some(struct node *n, int64_t high)
{
	struct node_quorum *q = n->quorum;
	struct rk_arena a;
	struct rk_str got;

	rk_arena_init(&a, SIZE_MAX);
	enum rk_err err = st_mlog_read(q->log, q->applied, high, READ_BYTES, &a, &got);
	if (err == RK_OK && got.len > 0)
		err = meta_apply(n->image, (const uint8_t *)got.at, (uint32_t)got.len, node_heard, n);
	if (err == RK_OK && got.len > 0) {
		struct meta_view v;
		int32_t epoch;
		meta_view_begin(n->image, &v);
		q->applied = meta_applied(&v, &epoch);
		meta_view_end(&v);
	}
	rk_arena_free(&a);
	if (err != RK_OK)
		node_fail(n, "the metadata log cannot be read or applied");
	return err == RK_OK && got.len > 0;
}

static void
apply(struct node *n, int64_t high)
{
	struct node_quorum *q = n->quorum;

	while (q->applied < high && !n->failed) {
		int64_t before = q->applied;
		if (node_control_owns(n, q->applied)) {
			node_control_committed(n, high, &q->applied);
			if (q->applied == before)
				return; /* the batch is not committed as a whole yet */
		} else if (!apply_some(n, high)) {
			return;
		}
		rk_assert(q->applied > before);
	}
	if (node_quorum_leads(n))
		node_broker_lead(n);
}

/* --- snapshots */

static void
snapshot_path(const struct node_quorum *q, struct raft_snap s, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%.*s/%020" PRId64 "-%010" PRId32 ".checkpoint", PATH_MAX - 64, q->folder, s.end, s.epoch);
}

/* Writes the image as of the last commit and lets the log begin behind it. The snapshot before goes when the flush
 * that makes this one known is done: a crash between would leave a log that names a file that is gone. */
static void
snapshot(struct node *n)
{
	struct node_quorum *q = n->quorum;
	const struct raft_set *set = raft_set_at(&q->raft, q->applied);
	struct raft_snap old = q->raft.snap, snap;
	char path[PATH_MAX];
	struct meta_view v;
	struct rk_arena a;

	if (set == NULL)
		return; /* so many voter sets came since that raft has forgotten this one: a later end will do */
	rk_arena_init(&a, SIZE_MAX);
	meta_view_begin(n->image, &v);
	snap.end = meta_applied(&v, &snap.epoch);
	snapshot_path(q, snap, path);
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
	struct st_mlog_snap s = { snap.end, snap.epoch };
	if (st_mlog_snapshot(q->log, s) != RK_OK || st_mlog_trim(q->log, s) != RK_OK)
		return;
	step(n, &(struct raft_event){ .kind = RAFT_SNAPPED, .snap = snap });
	step(n, &(struct raft_event){ .kind = RAFT_TRIMMED, .snap = snap });
	q->flush_wanted = true;
	if (old.end > 0 && old.end < snap.end)
		q->stale = old;
	rk_say(RK_INFO, "Metadata snapshot at offset %" PRId64 " written.", snap.end);
}

static void
snapshot_if_due(struct node *n)
{
	struct node_quorum *q = n->quorum;

	if (q->bytes_since > 0 && ((int64_t)q->bytes_since >= n->conf->metadata_log_max_record_bytes_between_snapshots
	    || (n->conf->metadata_log_max_snapshot_interval_ms > 0
	    && rk_now(n->env) - q->snapshot_ms >= n->conf->metadata_log_max_snapshot_interval_ms)))
		q->snapshot_wanted = true;
	if (q->snapshot_wanted && !n->failed && n->control.batch.len < 0 && q->applied > q->raft.snap.end)
		snapshot(n);
}

/* --- carrying out orders */

static void
flushed(void *arg, enum rk_err err)
{
	struct flush *f = arg;
	struct node *n = f->node;
	struct raft_mark mark = f->mark;
	struct raft_snap stale = f->stale;
	char path[PATH_MAX];

	rk_mem_put(f);
	if (err == RK_OK && stale.end > 0) {
		snapshot_path(n->quorum, stale, path);
		(void)!rk_path_remove(n->env, path);
	}
	if (err != RK_OK) {
		node_fail(n, "the metadata log cannot be made durable (look at the disk of metadata.log.dir)");
		return;
	}
	step(n, &(struct raft_event){ .kind = RAFT_FLUSHED, .mark = mark });
}

void
node_quorum_flush(struct node *n)
{
	struct node_quorum *q = n->quorum;

	if (q == NULL || n->failed)
		return;
	snapshot_if_due(n);
	if (!q->flush_wanted)
		return;
	q->flush_wanted = false;
	struct flush *f = rk_new(struct flush);
	*f = (struct flush){ n, raft_mark(&q->raft), q->stale };
	q->stale.end = 0;
	st_mlog_flush(q->log, flushed, f);
}

static void
log_or_fail(struct node *n, enum rk_err err)
{
	if (err != RK_OK)
		node_fail(n, "the metadata log takes no more records");
}

static void
append_control(struct node *n, const struct raft_todo *t)
{
	struct node_quorum *q = n->quorum;
	struct rk_arena a;

	rk_arena_init(&a, 1u << 20);
	struct rk_str b = node_voters_batch(&q->raft, t, rk_wall(n->env), &a);
	rk_assert(b.len > 0);
	log_or_fail(n, st_mlog_append(q->log, b.at, (uint32_t)b.len));
	rk_arena_free(&a);
}

static void
carry(struct node *n)
{
	struct node_quorum *q = n->quorum;
	const struct raft_todo *t = &q->todo;

	if (t->fault != NULL) {
		rk_say(RK_FATAL, "The quorum saw what must never be: %s.", t->fault);
		node_fail(n, "the metadata quorum is not sound");
		return;
	}
	rk_assert(!t->reset && !t->take && !t->keep && t->count == 0); /* a sole voter has no peers */
	if (t->save) {
		struct st_mlog_vote v = { t->vote.epoch, t->vote.leader, t->vote.voted.id, t->vote.voted.dir };
		log_or_fail(n, st_mlog_save(q->log, &v));
	}
	if (t->cut)
		log_or_fail(n, st_mlog_cut(q->log, t->cut_to));
	if (t->control)
		append_control(n, t);
	q->flush_wanted |= t->flush;
	q->snapshot_wanted |= t->snapshot;
}

static void
step(struct node *n, struct raft_event *e)
{
	struct node_quorum *q = n->quorum;
	int64_t high = 0;

	for (uint32_t i = 0; i < STEPS_MAX && !n->failed; i++) {
		bool led = raft_leads(&q->raft);
		e->now_ms = rk_now(n->env);
		raft_step(&q->raft, e, &q->todo);
		carry(n);
		high = rk_max(high, q->todo.hw);
		if (led && !raft_leads(&q->raft))
			node_control_lost(n);
		if (q->todo.wake_ms > e->now_ms)
			break;
		*e = (struct raft_event){ .kind = RAFT_TICK };
	}
	share(n);
	if (!n->failed) /* else nobody would move the time on: it would fire for ever */
		rk_timer_set(&n->timers, &q->timer, q->todo.wake_ms);
	apply(n, high);
}

static void
tick(struct rk_timer *t, int64_t now_ms)
{
	(void)now_ms;
	step(rk_of(t, struct node_quorum, timer)->node, &(struct raft_event){ .kind = RAFT_TICK });
}

void
node_quorum_append(struct node *n, struct rk_str batch)
{
	struct node_quorum *q = n->quorum;

	rk_assert(raft_leads(&q->raft));
	rk_assert(kp_batch_base(batch.at) == q->raft.log_end);
	log_or_fail(n, st_mlog_append(q->log, batch.at, (uint32_t)batch.len));
	q->bytes_since += (uint64_t)batch.len;
	int64_t end = q->raft.log_end;
	for (int32_t at = 0; at < batch.len; at += (int32_t)kp_batch_bytes(batch.at + at))
		end = kp_batch_last(batch.at + at) + 1;
	step(n, &(struct raft_event){ .kind = RAFT_APPENDED, .end = end });
	q->flush_wanted = true;
}

/* --- start and stop */

/* The image, when it is empty, begins with the newest snapshot. */
static bool
feed_image(struct node *n)
{
	struct node_quorum *q = n->quorum;
	const struct st_mlog_info *info = st_mlog_info(q->log);
	struct raft_snap snap = { info->snap.end, info->snap.epoch };
	struct meta_view v;
	int32_t epoch;

	meta_view_begin(n->image, &v);
	q->applied = meta_applied(&v, &epoch);
	meta_view_end(&v);
	if (q->applied > info->end) {
		rk_say(RK_FATAL, "The metadata image is at offset %" PRId64 ", but the log in %s ends at %" PRId64 ": the log was "
		    "replaced or lost. Remove %s/image to have it rebuilt from the log.", q->applied, q->folder, info->end,
		    q->folder);
		return false;
	}
	if (q->applied >= info->start || snap.end == 0)
		return true;
	char path[PATH_MAX];
	struct rk_arena a;
	struct rk_str bytes;
	rk_arena_init(&a, SIZE_MAX);
	snapshot_path(q, snap, path);
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
	return true;
}

static bool
only_voter(struct node *n, const struct raft_start *s)
{
	const struct raft_voters *v = NULL;

	for (uint32_t i = s->changes; v == NULL && i > 0; i--)
		v = s->change[i - 1].voters;
	if (v == NULL || v->count == 0) {
		rk_say(RK_FATAL, "No quorum voters are known: format the directory with rookery-storage format --standalone, "
		    "or set controller.quorum.voters.");
		return false;
	}
	if (v->count > 1 || v->voter[0].key.id != n->conf->node_id) {
		rk_say(RK_FATAL, "The metadata quorum has %" PRIu32 " voters (the first is node %" PRId32 "), and this release of "
		    "rookery runs a quorum of one: this node.", v->count, v->voter[0].key.id);
		return false;
	}
	return true;
}

static void
conf_of(const struct conf *c, struct raft_conf *r)
{
	*r = RAFT_CONF_DEFAULT;
	r->election_ms = c->controller_quorum_election_timeout_ms;
	r->backoff_max_ms = c->controller_quorum_election_backoff_max_ms;
	r->fetch_timeout_ms = c->controller_quorum_fetch_timeout_ms;
	r->request_ms = c->controller_quorum_request_timeout_ms;
	r->retry_ms = c->controller_quorum_retry_backoff_ms;
}

static bool
begin(struct node *n, struct rk_arena *a)
{
	struct node_quorum *q = n->quorum;
	const struct st_mlog_info *info = st_mlog_info(q->log);
	struct raft_start s = {
		.can_vote = true,
		.seed = rk_chance(n->env),
		.now_ms = rk_now(n->env),
		.log_start = info->start,
		.log_end = info->end,
		.snap = { info->snap.end, info->snap.epoch },
		.base = { info->base.end, info->base.epoch },
		.vote = { info->vote.epoch, info->vote.leader, { info->vote.voted, info->vote.voted_dir } },
		.epochs = info->epochs,
	};
	struct raft_epoch *epoch = rk_arena_get(a, info->epochs + 1, sizeof *epoch);

	for (uint32_t i = 0; i < info->epochs; i++)
		epoch[i] = (struct raft_epoch){ info->epoch[i].epoch, info->epoch[i].start };
	s.epoch = epoch;
	conf_of(n->conf, &s.conf);
	node_voters_self(n->conf, st_dir_id(n->dir[0]), &s.self);
	if (!node_voters_find(n->env, n->conf, q->log, q->folder, a, &s) || !only_voter(n, &s))
		return false;
	raft_init(&q->raft, &s);
	return true;
}

enum rk_err
node_quorum_open(struct node *n, const char *folder)
{
	struct node_quorum *q = rk_new(struct node_quorum);
	struct rk_arena a;

	n->quorum = q;
	q->node = n;
	q->timer.fire = tick;
	q->snapshot_ms = rk_now(n->env);
	snprintf(q->folder, sizeof q->folder, "%s", folder);
	enum rk_err err = st_mlog_open(n->env, folder, LANE, &q->log);
	if (err != RK_OK)
		return err;
	if (!feed_image(n))
		return RK_KAFKA_STORAGE_ERROR;
	rk_arena_init(&a, 64u << 20);
	bool good = begin(n, &a);
	rk_arena_free(&a);
	if (!good)
		return RK_KAFKA_STORAGE_ERROR;
	step(n, &(struct raft_event){ .kind = RAFT_TICK });
	return n->failed ? RK_KAFKA_STORAGE_ERROR : RK_OK;
}

void
node_quorum_stop(struct node *n, rk_done *done, void *arg)
{
	if (n->failed || n->quorum == NULL || n->quorum->log == NULL) {
		done(arg, RK_OK);
		return;
	}
	st_mlog_flush(n->quorum->log, done, arg);
}

void
node_quorum_free(struct node *n)
{
	struct node_quorum *q = n->quorum;

	if (q == NULL)
		return;
	rk_timer_stop(&n->timers, &q->timer);
	if (q->log != NULL && !st_mlog_busy(q->log))
		st_mlog_close(q->log);
	rk_mem_put(q);
	n->quorum = NULL;
}
