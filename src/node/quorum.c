/* quorum.c - raft and the metadata log, driven: events go into raft_step, its orders are carried out.
 *
 * What is on stable storage before what: a vote or epoch that raft wants saved, and every batch, is staged
 * in the metadata log and made durable by one LMDB transaction per flush on a worker; raft hears of it
 * (RAFT_FLUSHED) afterwards, moves the high watermark, and only then are records applied, and
 * answers to clients leave. The image is applied up to the high watermark and never further, nor past what is
 * durable here: it is in files that outlive a killed process, and must never know more than the log.
 *
 * Nobody is called from between two steps of raft: what its orders bring about (answers that leave, records that are
 * applied, a leadership that is lost) comes after the last one. */
#include "base/mem.h"
#include "base/say.h"
#include "protocol/batch.h"
#include "src/node/quorum_in.h"
#include "src/node/voters.h"

enum { READ_BYTES = 1 << 20, STEPS_MAX = 1000, LANE = 1, HAND_OVER_MS = 1000 };

bool
node_quorum_leads(const struct node *n)
{
	const struct node_quorum *q = n->quorum;

	return q != NULL && raft_leads(&q->raft) && q->applied == q->raft.log_end && !n->failed;
}

/* Who leads, as far as is known; -1: nobody. This node's name may stand there from before it resigned. */
static int32_t
leader_now(const struct raft *r)
{
	return r->vote.leader == r->self.key.id && !raft_leads(r) ? -1 : r->vote.leader;
}

bool
node_quorum_leader(const struct node *n, int32_t *id, const char **host, uint16_t *port)
{
	const struct node_quorum *q = n->quorum;
	const struct raft *r = &q->raft;
	const struct raft_voter *v;

	if (q == NULL || !q->began || leader_now(r) < 0)
		return false;
	const struct raft_ends *ends = r->leader_ends.count > 0 ? &r->leader_ends : NULL;
	if (r->vote.leader == r->self.key.id)
		ends = &r->self.ends;
	else if (ends == NULL && (v = raft_voter_by_id(r, r->vote.leader)) != NULL)
		ends = &v->ends;
	const struct raft_end *e = node_wire_end(ends, q->wire.listener);
	if (e == NULL)
		return false;
	*id = r->vote.leader;
	*host = e->host;
	*port = e->port;
	return true;
}

int32_t
node_quorum_epoch(const struct node *n)
{
	return n->quorum->raft.vote.epoch;
}

int64_t
node_quorum_applied(const struct node *n)
{
	return n->quorum->applied;
}

int64_t
node_quorum_end(const struct node *n)
{
	return n->quorum->raft.log_end;
}

/* What the rest of the node sees of the quorum. True: another leader, or none. */
static bool
share(struct node *n)
{
	struct node_quorum *q = n->quorum;
	const struct raft *r = &q->raft;
	bool moved = leader_now(r) != q->told_leader || r->vote.epoch != q->told_epoch;

	n->shared.leader_id = q->told_leader = leader_now(r);
	n->shared.leader_epoch = q->told_epoch = r->vote.epoch;
	n->shared.kraft_version = raft_set_now(r)->version;
	n->shared.quorum_high = r->hw;
	n->shared.quorum_end = r->log_end;
	return moved;
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

/* The log has started over behind a snapshot, durably: the image does too, and all who know it look again. */
static void
jump(struct node *n)
{
	struct node_quorum *q = n->quorum;
	struct raft_snap to = q->jump;

	if (q->flushed < q->jump_flush)
		return;
	q->jump.end = 0;
	if (!node_snap_load(n, to)) {
		node_fail(n, "it cannot take over the leader's snapshot");
		return;
	}
	rk_say(RK_INFO, "The metadata starts over from the snapshot at offset %" PRId64 ".", to.end);
	node_resync(n);
}

static void
apply(struct node *n)
{
	struct node_quorum *q = n->quorum;

	if (q->applying || n->ended)
		return; /* somebody who was told of a record: the loop below goes on; or a step within this step ended the node */
	q->applying = true;
	if (q->jump.end > 0)
		jump(n);
	while (q->jump.end == 0 && q->applied < q->high && !n->failed) {
		int64_t before = q->applied, high = q->high;
		if (node_control_owns(n, q->applied)) {
			node_control_committed(n, high, &q->applied);
			if (q->applied == before && q->high == high)
				break; /* the batch is not committed as a whole yet */
		} else if (!apply_some(n, high)) {
			break;
		}
		rk_assert(q->applied >= before);
	}
	q->applying = false;
}

/* --- carrying out orders */

static void
flushed(void *arg, enum rk_err err)
{
	struct quorum_flush *f = arg;
	struct node *n = f->node;
	struct node_quorum *q = n->quorum;
	struct raft_mark mark = f->mark;

	q->flushed = f->number;
	rk_mem_put(f);
	if (err != RK_OK) {
		node_fail(n, "the metadata log cannot be made durable (look at the disk of metadata.log.dir)");
		return;
	}
	node_snap_flushed(n);
	node_quorum_step(n, &(struct raft_event){ .kind = RAFT_FLUSHED, .mark = mark });
}

static void upgrade_if_asked(struct node *);

/* Sends what may leave, starts what was staged. What leaves may let requests in that plan something. */
void
node_quorum_flush(struct node *n)
{
	struct node_quorum *q = n->quorum;

	if (q == NULL || n->failed || !q->began)
		return;
	upgrade_if_asked(n);
	while (node_post_send(n)) {
		node_control_run(n);
		upgrade_if_asked(n);
	}
	node_snap_if_due(n);
	if (!q->flush_wanted || n->failed)
		return;
	q->flush_wanted = false;
	struct quorum_flush *f = rk_new(struct quorum_flush);
	*f = (struct quorum_flush){ n, raft_mark(&q->raft), ++q->flushes };
	st_mlog_flush(q->log, flushed, f);
}

static void
log_or_fail(struct node *n, enum rk_err err)
{
	if (err != RK_OK)
		node_fail(n, "the metadata log takes no more records");
}

static void
count_in(struct node_quorum *q, const char *at, int32_t len)
{
	q->bytes_since += (uint64_t)len;
	q->bytes_in += (uint64_t)len;
	for (int32_t i = 0; i < len; i += (int32_t)kp_batch_bytes(at + i))
		q->records_in += (uint64_t)rk_max(kp_batch_count(at + i), 0);
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

/* The batches raft took, out of the answer that is being heard. */
static void
take(struct node *n, const struct raft_todo *t)
{
	struct node_quorum *q = n->quorum;
	int32_t from = 0, to;

	rk_assert(q->slice.len > 0);
	while (kp_batch_base(q->slice.at + from) < t->take_base)
		from += (int32_t)kp_batch_bytes(q->slice.at + from);
	to = from;
	while (to + KP_BATCH_HEAD <= q->slice.len && kp_batch_base(q->slice.at + to) < t->take_end)
		to += (int32_t)kp_batch_bytes(q->slice.at + to);
	rk_assert(to > from && to <= q->slice.len);
	log_or_fail(n, st_mlog_append(q->log, q->slice.at + from, (uint32_t)(to - from)));
	count_in(q, q->slice.at + from, to - from);
}

static void
reset(struct node *n, struct raft_snap to)
{
	struct node_quorum *q = n->quorum;

	log_or_fail(n, st_mlog_reset(q->log, (struct st_mlog_snap){ to.end, to.epoch }));
	q->jump = to;
	q->jump_flush = q->flushes + 1;
	q->bytes_since = 0;
	q->snapshot_ms = rk_now(n->env);
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
	if (t->save) {
		struct st_mlog_vote v = { t->vote.epoch, t->vote.leader, t->vote.voted.id, t->vote.voted.dir };
		log_or_fail(n, st_mlog_save(q->log, &v));
		q->need = q->flushes + 1;
	}
	if (t->reset)
		reset(n, t->snap);
	if (t->cut)
		log_or_fail(n, st_mlog_cut(q->log, t->cut_to));
	if (t->take)
		take(n, t);
	if (t->control)
		append_control(n, t);
	if (t->keep)
		node_snap_keep(n, t, q->slice);
	if (t->freeze)
		node_snap_freeze(n);
	q->flush_wanted |= t->flush;
	q->snapshot_wanted |= t->snapshot;
	for (uint32_t i = 0; i < t->count && !n->failed; i++)
		node_post_write(n, &t->msg[i]);
}

static void
say_role(struct node *n)
{
	const struct raft *r = &n->quorum->raft;

	if (raft_leads(r))
		rk_say(RK_INFO, "This node leads the metadata quorum in epoch %" PRId32 ".", r->vote.epoch);
	else if (leader_now(r) >= 0)
		rk_say(RK_INFO, "Node %" PRId32 " leads the metadata quorum in epoch %" PRId32 ".", r->vote.leader, r->vote.epoch);
	else
		rk_say(RK_DEBUG, "The metadata quorum has no leader in epoch %" PRId32 ".", r->vote.epoch);
}

static void
stop_when_over(struct node *n)
{
	struct node_quorum *q = n->quorum;
	rk_done *done = q->stopped;

	if (done == NULL || (!q->todo.stopped && !n->failed))
		return;
	q->stopped = NULL;
	if (n->failed)
		done(q->stopped_arg, RK_OK);
	else
		st_mlog_flush(q->log, done, q->stopped_arg);
}

void
node_quorum_step(struct node *n, struct raft_event *e)
{
	struct node_quorum *q = n->quorum;
	bool lost = false;

	if (n->ended)
		return;
	for (uint32_t i = 0; i < STEPS_MAX && !n->failed; i++) {
		bool led = raft_leads(&q->raft);
		int32_t epoch = q->raft.vote.epoch;
		e->now_ms = rk_now(n->env);
		raft_step(&q->raft, e, &q->todo);
		carry(n);
		lost |= led && (!raft_leads(&q->raft) || q->raft.vote.epoch != epoch);
		if (q->todo.wake_ms > e->now_ms)
			break;
		*e = (struct raft_event){ .kind = RAFT_TICK };
	}
	q->high = rk_min(q->raft.hw, q->raft.flushed_end);
	bool moved = share(n);
	if (q->told_role != q->raft.role)
		rk_say(RK_DEBUG, "This node is %s in epoch %" PRId32 " of the metadata quorum.", raft_role_name(q->raft.role),
		    q->raft.vote.epoch);
	q->told_role = q->raft.role;
	if (!n->failed) /* else nobody would move the time on: it would fire for ever */
		rk_timer_set(&n->timers, &q->timer, q->todo.wake_ms);
	if (moved) {
		say_role(n);
		node_desk_moved(n);
	}
	if (lost)
		node_control_lost(n);
	apply(n);
	stop_when_over(n);
}

static void
tick(struct rk_timer *t, int64_t now_ms)
{
	(void)now_ms;
	node_quorum_step(rk_of(t, struct node_quorum, timer)->node, &(struct raft_event){ .kind = RAFT_TICK });
}

void
node_quorum_append(struct node *n, struct rk_str batch)
{
	struct node_quorum *q = n->quorum;

	rk_assert(raft_leads(&q->raft));
	rk_assert(kp_batch_base(batch.at) == q->raft.log_end);
	log_or_fail(n, st_mlog_append(q->log, batch.at, (uint32_t)batch.len));
	count_in(q, batch.at, batch.len);
	int64_t end = q->raft.log_end;
	for (int32_t at = 0; at < batch.len; at += (int32_t)kp_batch_bytes(batch.at + at))
		end = kp_batch_last(batch.at + at) + 1;
	node_quorum_step(n, &(struct raft_event){ .kind = RAFT_APPENDED, .end = end });
	q->flush_wanted = true;
}

/* --- kraft.version, which UpdateFeatures may raise */

/* Called from inside a plan: the records stand behind the plan's, so raft hears of it when that is in the log. */
static enum rk_err
upgrade(struct meta_quorum *m, int16_t to, bool validate_only, struct rk_str *why)
{
	struct node_quorum *q = rk_of(m, struct node_quorum, meta);
	enum rk_err err = raft_may_upgrade(&q->raft, to);

	if (err == RK_REQUEST_TIMED_OUT)
		*why = rk_lit("Another change of the voters is under way: try again.");
	else if (err != RK_OK)
		*why = to == 1 ? rk_lit("Not every voter has told that it supports it.") : rk_lit("It can only be raised to 1.");
	if (err == RK_OK && !validate_only)
		q->upgrade_to = to;
	return err;
}

struct meta_quorum *
node_quorum_meta(struct node *n)
{
	struct node_quorum *q = n->quorum;

	q->meta = (struct meta_quorum){ raft_set_now(&q->raft)->version, upgrade };
	return &q->meta;
}

static void
upgrade_if_asked(struct node *n)
{
	struct node_quorum *q = n->quorum;
	int16_t to = q->upgrade_to;

	if (to < 0)
		return;
	q->upgrade_to = -1;
	node_quorum_step(n, &(struct raft_event){ .kind = RAFT_UPGRADE, .version = to, .call = ++q->post.calls });
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
	return q->applied >= info->start || snap.end == 0 || node_snap_load(n, snap);
}

static void
conf_of(struct node_quorum *q, const struct conf *c, const struct raft_ends *own, struct raft_conf *r)
{
	*r = RAFT_CONF_DEFAULT;
	r->election_ms = c->controller_quorum_election_timeout_ms;
	r->backoff_max_ms = c->controller_quorum_election_backoff_max_ms;
	r->fetch_timeout_ms = c->controller_quorum_fetch_timeout_ms;
	r->request_ms = c->controller_quorum_request_timeout_ms;
	r->retry_ms = c->controller_quorum_retry_backoff_ms;
	r->fetch_max_bytes = c->controller_quorum_fetch_max_bytes;
	r->snapshot_max_bytes = c->controller_quorum_fetch_snapshot_max_bytes;
	r->auto_join = c->controller_quorum_auto_join_enable;
	for (uint32_t i = 0; i < c->bootstrap_count && q->bootstraps < RAFT_BOOTSTRAPS_MAX; i++) {
		bool mine = false;
		for (uint32_t k = 0; k < own->count; k++)
			mine |= own->end[k].port == c->bootstrap[i].port && strcmp(own->end[k].host, c->bootstrap[i].host) == 0;
		if (!mine)
			q->bootstrap[q->bootstraps++] = c->bootstrap[i];
	}
	r->bootstraps = q->bootstraps;
}

/* The directory's id that stands for this node in the quorum: the metadata's. */
static struct rk_uuid
own_directory(const struct node *n)
{
	struct st_meta m;
	char why[256];

	for (uint32_t i = 0; i < n->dirs; i++)
		if (strcmp(st_dir_path(n->dir[i]), n->conf->metadata_dir) == 0)
			return st_dir_id(n->dir[i]);
	if (st_meta_read(n->env, n->conf->metadata_dir, &m, why) == RK_OK) /* not one of log.dirs: node.c has looked at it */
		return m.directory_id;
	return st_dir_id(n->dir[0]);
}

static bool
begin(struct node *n, struct rk_arena *a)
{
	struct node_quorum *q = n->quorum;
	const struct st_mlog_info *info = st_mlog_info(q->log);
	struct raft_start s = {
		.can_vote = n->conf->is_controller,
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
	node_voters_self(n->conf, own_directory(n), &s.self);
	conf_of(q, n->conf, &s.self.ends, &s.conf);
	if (!node_voters_find(n->env, n->conf, q->log, q->folder, a, &s))
		return false;
	raft_init(&q->raft, &s);
	if (raft_set_now(&q->raft)->voters.count == 0 && q->bootstraps == 0) {
		rk_say(RK_FATAL, "No quorum voters are known, and no way to them: format the directory with rookery-storage "
		    "format --standalone, or set controller.quorum.bootstrap.servers to where controllers are.");
		return false;
	}
	q->began = true;
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
	q->told_leader = q->upgrade_to = -1;
	q->wire = (struct node_wire){ n->cluster_id,
		n->conf->controller_listener_names.count > 0 ? n->conf->controller_listener_names.at[0] : "" };
	node_post_init(n);
	snprintf(q->folder, sizeof q->folder, "%s", folder);
	enum rk_err err = st_mlog_open(n->env, folder, LANE, &q->log);
	if (err != RK_OK)
		return err;
	node_snap_find(n);
	if (!feed_image(n))
		return RK_KAFKA_STORAGE_ERROR;
	rk_arena_init(&a, 64u << 20);
	bool good = begin(n, &a);
	rk_arena_free(&a);
	if (!good)
		return RK_KAFKA_STORAGE_ERROR;
	node_quorum_step(n, &(struct raft_event){ .kind = RAFT_TICK });
	return n->failed ? RK_KAFKA_STORAGE_ERROR : RK_OK;
}

/* A leader with followers hands over first, for at most a moment. */
void
node_quorum_stop(struct node *n, rk_done *done, void *arg)
{
	struct node_quorum *q = n->quorum;

	if (n->failed || q == NULL || q->log == NULL || !q->began) {
		done(arg, RK_OK);
		return;
	}
	rk_assert(q->stopped == NULL);
	q->stopped = done;
	q->stopped_arg = arg;
	node_quorum_step(n, &(struct raft_event){ .kind = RAFT_SHUTDOWN, .timeout_ms = HAND_OVER_MS });
}

void
node_quorum_free(struct node *n)
{
	struct node_quorum *q = n->quorum;

	if (q == NULL)
		return;
	node_post_free(n);
	node_snap_free(n);
	rk_timer_stop(&n->timers, &q->timer);
	if (q->log != NULL && !st_mlog_busy(q->log))
		st_mlog_close(q->log);
	rk_mem_put(q);
	n->quorum = NULL;
}
