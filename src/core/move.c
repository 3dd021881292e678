/* move.c - a partition moves from one directory of this node to another, while it is used.
 *
 * Its records are copied, batch by batch as they are, into a log that is called -future. When that has caught up, the
 * controller is told where the partition is going to lie (place.c); when the metadata says so, what was appended
 * meanwhile is copied and brought to stable storage, the new folder gets the partition's name, and only then the old
 * one goes. So at every moment a folder of the right name has all that was promised; a start that finds two of them
 * believes the metadata.
 *
 * Copying goes in small steps between the other events, with the next step's pages asked for ahead. */
#include "src/core/inside.h"
#include "base/mem.h"

enum { STEP = 512 << 10, SYNC_EVERY = 32 << 20, AHEAD = 64 << 20, LAST = 1 << 20, AGAIN_MS = 1000 };

struct core_move {
	struct rk_list in;        /* in core->moves */
	struct core_partition *p;
	struct st_log *log;       /* NULL: not made, or not opened, yet */
	uint8_t dir;
	bool found;               /* it was there at start */
	bool near;                /* has caught up once: the controller is told */
	int64_t since_sync;
	int64_t not_before_ms;
};

static struct core_move *
new_move(struct core_partition *p, uint8_t dir, bool found)
{
	struct core *c = core_of(p);
	struct core_move *m = rk_new(struct core_move);

	rk_assert(p->move == NULL && dir < c->dirs);
	*m = (struct core_move){.p = p, .dir = dir, .found = found};
	rk_list_add(&c->moves, &m->in);
	p->move = m;
	return m;
}

static void
free_move(struct core_move *m)
{
	m->p->move = NULL;
	rk_list_del(&m->in);
	rk_mem_put(m);
}

uint8_t
core_move_near(const struct core_partition *p)
{
	return p->move != NULL && p->move->near ? p->move->dir : CORE_DIRS_MAX;
}

bool
core_moving(const struct core_partition *p, uint32_t *dir, struct st_log **log)
{
	if (p->move == NULL)
		return false;
	*dir = p->move->dir;
	*log = p->move->log;
	return true;
}

void
core_move_soon(struct core_partition *p)
{
	struct core *c = core_of(p);

	if (p->move != NULL && c->loaded && !c->stopping && c->move_timer.at_ms == INT64_MAX)
		rk_timer_set(c->timers, &c->move_timer, rk_now(c->env));
}

/* The folder's name is gone for good: one that a loss of power brings back could be believed when the partition is
 * on its way there again. */
static void
remove_log(struct core *c, uint8_t dir, struct st_log *log)
{
	if (st_log_broken(log) || st_log_delete(log) != RK_OK)
		st_log_free(log);
	else if (rk_dir_sync(c->env, st_dir_path(c->dir[dir])) != RK_OK)
		st_dir_fail(c->dir[dir], "the removal of a partition could not be made durable");
}

/* Gives the move up, and with it what was copied. */
void
core_move_drop(struct core_partition *p)
{
	struct core *c = core_of(p);
	struct core_move *m = p->move;

	if (m == NULL)
		return;
	if (m->log != NULL) {
		st_log_watch(m->log, NULL, NULL);
		remove_log(c, m->dir, m->log);
	} else if (m->found) {
		(void)!st_dir_discard(c->dir[m->dir], p->topic->name, p->index);
	}
	free_move(m);
	core_place(p);
	core_dirs_tick(c);
}

/* A directory has failed: what was copied there is lost. What was copied from there stays for the next start. */
void
core_move_lost(struct core_partition *p, uint8_t dir)
{
	struct core_move *m = p->move;

	if (m == NULL || m->dir != dir)
		return;
	if (m->log != NULL) {
		st_log_watch(m->log, NULL, NULL);
		st_log_free(m->log);
	}
	rk_say(RK_ERROR, "%s-%d stays in %s: the directory it was moving to has failed.", p->topic->name.at, p->index,
	    st_dir_path(core_of(p)->dir[p->dir]));
	free_move(m);
	core_place(p);
}

static void
heard_stable(void *arg, struct st_log *log)
{
	struct core_move *m = arg;

	rk_assert(m->log == log);
	core_move_soon(m->p);
}

/* What is there of an earlier life may go past what the partition kept: committed records never change. */
static enum rk_err
open_found(struct core_move *m)
{
	struct core_partition *p = m->p;
	struct core *c = core_of(p);
	enum rk_err err = st_log_open(
	    c->dir[m->dir], p->topic->name, p->index, c->clean[m->dir], &p->topic->rules, &m->log);

	if (err != RK_OK)
		return err;
	m->found = false;
	struct rk_uuid id = st_log_topic_id(m->log);
	if (rk_uuid_eq(id, p->topic->id))
		return st_log_truncate(m->log, rk_min(p->high, st_log_end(m->log)));
	err = st_log_delete(m->log); /* of an earlier topic of that name */
	if (err != RK_OK)
		st_log_free(m->log);
	m->log = NULL;
	return err;
}

/* The log that is filled, at a place from where the partition's can be copied. */
static enum rk_err
ready(struct core_move *m, struct st_log *from)
{
	struct core_partition *p = m->p;
	enum rk_err err = m->found ? open_found(m) : RK_OK;

	if (err == RK_OK && m->log == NULL)
		err = st_log_create_future(core_of(p)->dir[m->dir], p->topic->name, p->index, p->topic->id,
		    &p->topic->rules, st_log_start(from), &m->log);
	if (err != RK_OK)
		return err;
	st_log_watch(m->log, heard_stable, m);
	if (st_log_end(m->log) < st_log_start(from))
		return st_log_restart(m->log, st_log_start(from));
	return st_log_truncate(m->log, rk_min(st_log_end(m->log), st_log_end(from)));
}

/* The first batch may begin below the start: records were deleted from its middle. */
static enum rk_err
take_in(struct core_move *m, struct st_log *from, struct rk_str batches)
{
	const uint8_t *at = (const uint8_t *)batches.at;
	enum rk_err err = RK_OK;

	for (int32_t i = 0; i < batches.len; i += (int32_t)kp_batch_bytes(at + i))
		if (kp_batch_check(at + i, (size_t)(batches.len - i)) != RK_OK)
			return RK_CORRUPT_MESSAGE;
	if (kp_batch_base(at) < st_log_end(m->log))
		err = st_log_restart(m->log, kp_batch_base(at));
	if (err == RK_OK)
		err = st_log_append_as_is(m->log, at, (uint32_t)batches.len, rk_wall(core_of(m->p)->env));
	if (err == RK_OK)
		err = st_log_set_start(m->log, rk_min(st_log_start(from), st_log_end(m->log)));
	rk_assert(err != RK_OK || st_log_end(m->log) <= st_log_end(from));
	return err;
}

/* Copies at most one step; *copied 0: there is nothing more. */
static enum rk_err
copy(struct core_move *m, struct st_log *from, int64_t *copied)
{
	struct rk_arena a;
	struct rk_str batches;
	int64_t at = st_log_end(m->log), end = st_log_end(from);

	*copied = 0;
	if (at == end)
		return RK_OK;
	rk_arena_init(&a, 0);
	a.limit = (size_t)INT32_MAX;
	enum rk_err err = st_log_load(from, at, end, STEP, &a, &batches);
	if (err == RK_OK && batches.len > 0)
		err = take_in(m, from, batches);
	else if (err == RK_OK) /* compaction left nothing up to the end */
		err = st_log_restart(m->log, end);
	*copied = rk_max(batches.len, 1);
	rk_arena_free(&a);
	if (err == RK_OK)
		st_log_soon(from, st_log_end(m->log), 2 * STEP);
	return err;
}

static void
give_up(struct core_move *m, enum rk_err err)
{
	struct core_partition *p = m->p;
	struct core *c = core_of(p);

	if (st_dir_failed(c->dir[m->dir]) || st_dir_failed(c->dir[p->dir]))
		return; /* core_dirs_look is on its way */
	rk_say(RK_ERROR, "%s-%d cannot be moved from %s to %s (%s); it stays where it is. Look at both disks, then move it "
	    "again.", p->topic->name.at, p->index, st_dir_path(c->dir[p->dir]), st_dir_path(c->dir[m->dir]),
	    rk_err_name(err));
	core_move_drop(p);
}

/* The partition lies in the other directory from here on. */
static enum rk_err
swap(struct core_move *m, struct st_log *old)
{
	struct core_partition *p = m->p;
	struct core *c = core_of(p);
	struct st_log *fresh = m->log;
	uint8_t from = p->dir;

	rk_assert(st_log_end(fresh) == st_log_end(old) && st_log_stable(fresh) == st_log_end(fresh));
	enum rk_err err = st_log_set_start(fresh, st_log_start(old));
	if (err == RK_OK)
		err = st_log_promote(fresh);
	if (err != RK_OK)
		return err;
	st_log_watch(old, NULL, NULL);
	core_cleaner_forget(p);
	core_lies_in(p, m->dir);
	p->log = fresh;
	p->end_seen = -1;
	m->log = NULL;
	free_move(m);
	core_watch(p);
	remove_log(c, from, old);
	rk_say(RK_INFO, "%s-%d lies in %s now; it was in %s.", p->topic->name.at, p->index, st_dir_path(c->dir[p->dir]),
	    st_dir_path(c->dir[from]));
	core_place(p);
	core_dirty(p);
	core_dirs_tick(c);
	core_advance(p);
	return RK_OK;
}

/* Has caught up. The last bytes are waited for: few, and once. */
static enum rk_err
finish(struct core_move *m, struct st_log *old)
{
	struct core_partition *p = m->p;

	if (!m->near) {
		m->near = true;
		core_place(p);
	}
	if (p->told != m->dir && p->told != CORE_DIR_UNTOLD)
		return RK_OK; /* core_told looks again */
	if (st_log_bytes_between(m->log, st_log_stable(m->log), st_log_end(m->log)) > LAST) {
		st_log_sync(m->log);
		return RK_OK;
	}
	enum rk_err err = st_log_sync_now(m->log);
	return err == RK_OK ? swap(m, old) : err;
}

/* One step of one move; true: it wants another at once. */
static bool
step(struct core *c, struct core_move *m)
{
	struct core_partition *p = m->p;
	struct st_log *from;
	int64_t copied = 0, now = rk_now(c->env), rate = c->conf->replica_alter_log_dirs_io_max_bytes_per_second;

	if (p->broken || m->not_before_ms > now)
		return !p->broken;
	enum rk_err err = core_open(p, &from);
	if (err == RK_OK && from != NULL)
		err = ready(m, from);
	if (err == RK_OK && from != NULL && m->since_sync >= AHEAD) {
		if (st_log_stable(m->log) < st_log_end(m->log))
			return false; /* the disk is behind: its answer wakes us */
		m->since_sync = 0;
	}
	if (err == RK_OK && from != NULL && c->moves_rest_ms > now && st_log_end(m->log) < st_log_end(from)) {
		m->not_before_ms = c->moves_rest_ms; /* all moves share the throttle */
		return true;
	}
	if (err == RK_OK && from != NULL)
		err = copy(m, from, &copied);
	if (err == RK_NO_DESCRIPTOR) {
		m->not_before_ms = now + AGAIN_MS;
		return true;
	}
	m->since_sync += copied;
	if (err == RK_OK && copied > 0 && m->since_sync % SYNC_EVERY < copied)
		st_log_sync(m->log);
	if (err == RK_OK && rate < INT64_MAX)
		c->moves_rest_ms = rk_max(c->moves_rest_ms, now) + copied * 1000 / rk_max(rate, 1);
	if (err == RK_OK && from != NULL && st_log_end(m->log) == st_log_end(from)) {
		err = finish(m, from);
		copied = 0;
	}
	if (err != RK_OK)
		give_up(m, err);
	return err == RK_OK && copied > 0;
}

static void
fire(struct rk_timer *timer, int64_t now_ms)
{
	struct core *c = rk_of(timer, struct core, move_timer);
	int64_t at = INT64_MAX;

	rk_assert(c->magic == CORE_MAGIC && c->loaded);
	/* One step, of the first that has something to do; it then stands last. */
	for (uint32_t todo = rk_list_count(&c->moves); todo > 0 && at > now_ms; todo--) {
		struct core_move *m = rk_of(c->moves.next, struct core_move, in);
		rk_list_del(&m->in);
		rk_list_add(&c->moves, &m->in);
		if (step(c, m))
			at = rk_min(at, rk_max(m->not_before_ms, now_ms));
	}
	if (at != INT64_MAX && c->move_timer.at_ms == INT64_MAX)
		rk_timer_set(c->timers, &c->move_timer, at);
}

void
core_move_cut(struct core_partition *p, int64_t offset)
{
	struct core_move *m = p->move;

	if (m == NULL || m->log == NULL || st_log_end(m->log) <= offset)
		return;
	enum rk_err err = st_log_truncate(m->log, offset);
	if (err != RK_OK)
		give_up(m, err);
}

/* --- start and stop */
void
core_move_found(struct core_partition *p, uint8_t dir)
{
	if (p->move == NULL)
		new_move(p, dir, true);
	else
		(void)!st_dir_discard(core_of(p)->dir[dir], p->topic->name, p->index);
}

/* The log that was filled is all there is of the partition: its directory was lost after the metadata had
 * been changed, or the start before this one found it so. */
static void
inherit(struct core_move *m)
{
	struct core_partition *p = m->p;
	struct core *c = core_of(p);
	enum rk_err err = st_log_open(
	    c->dir[m->dir], p->topic->name, p->index, c->clean[m->dir], &p->topic->rules, &m->log);

	if (err == RK_OK)
		err = st_log_promote(m->log);
	rk_say(err == RK_OK ? RK_WARN : RK_ERROR, "%s-%d was moving to %s when the node stopped; what is there %s.",
	    p->topic->name.at, p->index, st_dir_path(c->dir[m->dir]),
	    err == RK_OK ? "is the partition now, as the metadata says" : "cannot be used");
	if (err != RK_OK) {
		if (m->log != NULL)
			st_log_free(m->log);
		p->broken = p->offline = true;
		free_move(m);
		return;
	}
	core_lies_in(p, m->dir);
	p->log = m->log;
	p->broken = p->offline = false;
	p->high = st_log_start(p->log);
	m->log = NULL;
	free_move(m);
	core_watch(p);
}

void
core_moves_load(struct core *c)
{
	rk_list_each_safe(&c->moves, n, next)
	{
		struct core_move *m = rk_of(n, struct core_move, in);
		struct core_partition *p = m->p;
		if (p->found && p->dir != m->dir)
			continue; /* it goes on */
		if (p->told == m->dir)
			inherit(m);
		else if (!p->offline)
			core_move_drop(p);
	}
}

void
core_move_close(struct core_partition *p)
{
	struct core_move *m = p->move;

	if (m == NULL)
		return;
	if (m->log != NULL) {
		st_log_watch(m->log, NULL, NULL);
		bool broken = st_log_broken(m->log);
		if (broken)
			st_log_free(m->log);
		if (broken || st_log_close(m->log) != RK_OK)
			rk_say(RK_WARN, "What was copied of %s-%d is checked at the next start.", p->topic->name.at, p->index);
	}
	m->log = NULL;
	free_move(m);
}

void
core_move_free(struct core_partition *p)
{
	if (p->move == NULL)
		return;
	if (p->move->log != NULL)
		st_log_free(p->move->log);
	free_move(p->move);
}

void
core_moves_init(struct core *c)
{
	rk_list_init(&c->moves);
	rk_list_init(&c->misplaced);
	rk_list_init(&c->placing);
	c->move_timer = (struct rk_timer){.at_ms = INT64_MAX, .fire = fire};
}

/* --- what an administrator asks for */
enum rk_err
core_move(struct core *c, struct rk_str topic, int32_t index, struct rk_str path)
{
	enum { TAIL = 42, FOLDER_MAX = 255 };
	struct core_partition *p;
	char digits[16];
	uint32_t d = 0;
	struct st_log *log;

	if (topic.len + snprintf(digits, sizeof digits, "%" PRId32, index) + TAIL > FOLDER_MAX)
		return RK_INVALID_TOPIC_EXCEPTION;
	while (d < c->dirs && !rk_str_is(path, st_dir_path(c->dir[d])))
		d++;
	if (d == c->dirs)
		return RK_LOG_DIR_NOT_FOUND;
	if (st_dir_failed(c->dir[d]))
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = core_find(c, false, (struct rk_uuid){{0}}, topic, index, &p);
	if (err != RK_OK)
		return err;
	if (p->broken || core_open(p, &log) != RK_OK)
		return RK_KAFKA_STORAGE_ERROR;
	if (p->move != NULL && p->move->dir != d)
		core_move_drop(p);
	if (p->dir == d || p->move != NULL)
		return RK_OK;
	if (c->dirs_lost > 0)
		return RK_KAFKA_STORAGE_ERROR;
	if (log == NULL) { /* never written: nothing to copy */
		core_lies_in(p, (uint8_t)d);
		core_place(p);
		return RK_OK;
	}
	rk_say(RK_INFO, "%s-%d moves from %s to %s.", p->topic->name.at, p->index, st_dir_path(c->dir[p->dir]),
	    st_dir_path(c->dir[d]));
	new_move(p, (uint8_t)d, false);
	core_move_soon(p);
	return RK_OK;
}
