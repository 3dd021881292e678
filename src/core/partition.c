/* partition.c - one partition: its log when it is needed, its high watermark, those who wait for
 * it.
 *
 * The high watermark of a partition that this node leads alone is the stable end of its log
 * (write.caching=false), or the log's end (write.caching=true); with other replicas see replica.h. It is kept in the
 * partition and only ever grows; a log that is opened anew begins with what is on the disk, which is stable. */
#include "src/core/inside.h"
#include "src/core/feed.h"
#include "src/core/follow.h"
#include "src/core/replica.h"

void
core_touch(struct core_partition *p)
{
	rk_assert(p->log != NULL || p->moved);
	if (rk_list_empty(&p->touched))
		rk_list_add(&core_of(p)->touched, &p->touched);
}

static void
heard_stable(void *arg, struct st_log *log)
{
	struct core_partition *p = arg;

	rk_assert(p->log == log);
	rk_assert(core_of(p)->magic == CORE_MAGIC);
	core_advance(p);
}

void
core_watch(struct core_partition *p)
{
	rk_assert(p->log != NULL);
	st_log_watch(p->log, heard_stable, p);
	if (p->leads)
		st_log_begin_epoch(p->log, p->leader_epoch);
}

/* A folder of the same name that belonged to an earlier topic. */
static enum rk_err
set_aside(struct core_partition *p, struct st_log *log)
{
	struct st_dir *d = core_of(p)->dir[p->dir];

	rk_say(RK_WARN,
	    "The folder of %s-%d in %s belongs to another topic of that name; it is set aside as a "
	    "stray.",
	    p->topic->name.at, p->index, st_dir_path(d));
	enum rk_err err = st_log_close(log);
	enum rk_err stray = st_dir_stray(d, p->topic->name, p->index);
	p->found = false;
	p->high = 0;
	return err != RK_OK ? err : stray;
}

/* One log that cannot be read makes its directory fail, as in Kafka, when others have its records: that is how the
 * controller learns to let them lead. A partition that is only here is better served in part. */
static void
give_away(struct core_partition *p)
{
	if (p->replicas > 1)
		st_dir_fail(core_of(p)->dir[p->dir], "a log in it cannot be read or written");
}

static enum rk_err
open_found(struct core_partition *p)
{
	struct core *c = core_of(p);
	struct st_log *log;

	rk_assert(p->log == NULL && p->found);
	enum rk_err err = st_log_open(
	    c->dir[p->dir], p->topic->name, p->index, c->clean[p->dir], &p->topic->rules, &log);
	if (err == RK_NO_DESCRIPTOR)
		return err; /* said already; the next who asks tries again */
	if (err != RK_OK) {
		rk_say(RK_ERROR,
		    "The log of %s-%d in %s cannot be opened (%s); the partition is offline on "
		    "this node. "
		    "Look at the disk, then restart.",
		    p->topic->name.at, p->index, st_dir_path(c->dir[p->dir]), rk_err_name(err));
		p->broken = true;
		give_away(p);
		return RK_KAFKA_STORAGE_ERROR;
	}
	struct rk_uuid id = st_log_topic_id(log);
	if (!rk_uuid_zero(id) && !rk_uuid_eq(id, p->topic->id))
		return set_aside(p, log);
	if (rk_uuid_zero(id))
		(void)!st_log_set_topic_id(log, p->topic->id); /* a later start tries again */
	p->log = log;
	p->found = false;
	p->high = rk_max(rk_min(p->high, st_log_end(log)), st_log_start(log));
	rk_assert(st_log_start(log) <= p->high && p->high <= st_log_end(log));
	rk_assert(st_log_stable(log) <= st_log_end(log));
	core_watch(p);
	core_advance(p);
	core_clean_soon(c);
	return RK_OK;
}

enum rk_err
core_open(struct core_partition *p, struct st_log **log)
{
	enum rk_err err = RK_OK;

	if (p->log == NULL && p->broken)
		err = RK_KAFKA_STORAGE_ERROR;
	else if (p->log == NULL && p->found)
		err = open_found(p);
	*log = p->log;
	return err;
}

enum rk_err
core_log_for_write(struct core_partition *p, struct st_log **log)
{
	struct core *c = core_of(p);
	enum rk_err err = core_open(p, log);

	if (err != RK_OK || *log != NULL)
		return err;
	rk_assert(!p->found && p->high == 0);
	err = st_log_create(
	    c->dir[p->dir], p->topic->name, p->index, p->topic->id, &p->topic->rules, log);
	if (err != RK_OK) {
		rk_say(RK_ERROR,
		    "The folder of %s-%d cannot be made in %s (%s); produce requests to it are "
		    "refused. "
		    "Look at the disk and its space.",
		    p->topic->name.at, p->index, st_dir_path(c->dir[p->dir]), rk_err_name(err));
		return err == RK_NO_SPACE || err == RK_NO_DESCRIPTOR ? err : RK_KAFKA_STORAGE_ERROR;
	}
	rk_assert(st_log_end(*log) == 0 && st_log_start(*log) == 0);
	p->log = *log;
	core_watch(p);
	core_clean_soon(c);
	return RK_OK;
}

int64_t
core_start(struct core_partition *p)
{
	struct st_log *log;

	return core_open(p, &log) == RK_OK && log != NULL ? st_log_start(log) : 0;
}

int64_t
core_end(struct core_partition *p)
{
	struct st_log *log;

	return core_open(p, &log) == RK_OK && log != NULL ? st_log_end(log) : 0;
}

int64_t
core_stable(struct core_partition *p)
{
	struct st_log *log;

	if (core_open(p, &log) != RK_OK || log == NULL)
		return p->high;
	int64_t first = st_log_first_unstable(log, p->high);
	rk_assert(first >= -1);
	return first < 0 ? p->high : rk_min(first, p->high);
}

bool
core_stopping(const struct core *c)
{
	return c->stopping;
}

void
core_epoch_end(struct core_partition *p, int32_t asked, int32_t *epoch, int64_t *end)
{
	struct st_log *log;

	*epoch = -1;
	*end = -1;
	if (asked == -1 || asked > p->leader_epoch || core_open(p, &log) != RK_OK)
		return;
	if (log == NULL || asked == p->leader_epoch) {
		*epoch = asked;
		*end = log == NULL ? 0 : st_log_end(log);
		return;
	}
	if (asked >= 0)
		st_log_epoch_end(log, asked, epoch, end);
	rk_assert(*end <= st_log_end(log) && (*epoch < 0 || *epoch <= asked));
	if (*epoch < 0) {
		*epoch = asked;
		*end = st_log_start(log);
	}
}

bool
core_end_unknown(struct core_partition *p)
{
	return p->set != NULL && core_set_epoch_start(p->set) > p->high;
}

enum rk_err
core_check_leader(const struct core_partition *p, int32_t client_epoch)
{
	return core_of(p)->cut_off ? RK_NOT_LEADER_OR_FOLLOWER : core_check_epoch(p, client_epoch);
}

enum rk_err
core_check_replica(const struct core_partition *p, int32_t client_epoch)
{
	enum rk_err err = core_check_leader(p, client_epoch);

	rk_assert(err != RK_OK || p->leads);
	return err == RK_NOT_LEADER_OR_FOLLOWER && p->mine && !p->leads && !core_of(p)->cut_off ? RK_OK : err;
}

enum rk_err
core_check_epoch(const struct core_partition *p, int32_t client_epoch)
{
	if (client_epoch != -1 && client_epoch < p->leader_epoch)
		return RK_FENCED_LEADER_EPOCH;
	if (client_epoch != -1 && client_epoch > p->leader_epoch)
		return RK_UNKNOWN_LEADER_EPOCH;
	rk_assert(client_epoch == -1 || client_epoch == p->leader_epoch);
	return p->leads ? RK_OK : RK_NOT_LEADER_OR_FOLLOWER;
}

/* Wakes those whose need the high watermark has reached; they stand in ascending order. */
static void
wake_acks(struct core_partition *p)
{
	while (!rk_list_empty(&p->acks)) {
		struct core_wait *w = rk_of(p->acks.next, struct core_wait, link);
		rk_assert(w->need >= 0 && w->wake != NULL);
		if (w->need > p->high)
			break;
		rk_list_del(&w->link);
		w->wake(w, RK_OK);
	}
}

static void
fail_acks(struct core_partition *p, enum rk_err err)
{
	rk_assert(err != RK_OK);
	while (!rk_list_empty(&p->acks)) {
		struct core_wait *w = rk_of(p->acks.next, struct core_wait, link);
		rk_list_del(&w->link);
		w->wake(w, err);
	}
}

static void
advance_high(struct core_partition *p)
{
	struct st_log *log = p->log;
	int64_t own = core_conf(p)->write_caching && !p->broken ? st_log_end(log) : st_log_stable(log);
	int64_t to = p->set != NULL ? core_set_high(p, own) : p->isr <= 1 ? own : p->high;

	if (to <= p->high)
		return;
	rk_assert(to <= st_log_end(log));
	p->high = to;
	p->moved = true;
	core_touch(p);
	core_dirty(p);
	if (p->set != NULL)
		core_feeds_moved(p->set, false);
	wake_acks(p);
}

void
core_advance(struct core_partition *p)
{
	struct core *c = core_of(p);
	struct st_log *log = p->log;

	if (log == NULL)
		return;
	if (st_log_broken(log) && !p->broken) {
		p->broken = true;
		give_away(p);
		rk_say(RK_ERROR,
		    "Writing to %s-%d in %s failed; it takes no more records until this node is "
		    "restarted. "
		    "What was acknowledged stays readable. Look at the disk.",
		    p->topic->name.at, p->index, st_dir_path(c->dir[p->dir]));
	}
	if (p->leads)
		advance_high(p);
	else if (p->follow != NULL)
		core_follow_stable(p);
	if (p->move != NULL)
		core_move_soon(p);
	if (p->broken)
		fail_acks(p, RK_KAFKA_STORAGE_ERROR);
	if (c->stopping && c->stop_left > 0 && (p->broken || st_log_stable(log) == st_log_end(log)))
		core_stop_step(p);
}

bool
core_acked(const struct core_partition *p, const struct core_append *a)
{
	rk_assert(a->err == RK_OK);
	return p->high >= a->need;
}

void
core_wait_acks(struct core_partition *p, struct core_wait *w)
{
	struct rk_list *at = p->acks.prev;

	rk_assert(w->wake != NULL && w->need > p->high);
	/* Nearly always last; only the answer to a duplicate may stand before others. */
	while (at != &p->acks && rk_of(at, struct core_wait, link)->need > w->need)
		at = at->prev;
	rk_list_add(at->next, &w->link);
}

void
core_wait_fetch(struct core_partition *p, struct core_wait *w)
{
	rk_assert(w->wake != NULL);
	rk_list_add(&p->fetches, &w->link);
}

void
core_unwait(struct core_wait *w)
{
	rk_list_del(&w->link);
}

static void
wake_fetches(struct core_partition *p, enum rk_err err)
{
	struct rk_list woken;

	rk_list_init(&woken);
	while (!rk_list_empty(&p->fetches)) {
		struct rk_list *m = p->fetches.next;
		rk_list_del(m);
		rk_list_add(&woken, m);
	}
	while (!rk_list_empty(
	    &woken)) { /* one that still wants more goes back into the partition's ring */
		struct core_wait *w = rk_of(woken.next, struct core_wait, link);
		rk_list_del(&w->link);
		w->wake(w, err);
	}
}

void
core_wake_all(struct core_partition *p, enum rk_err err)
{
	rk_assert(err != RK_OK);
	fail_acks(p, err);
	wake_fetches(p, err);
}

void
core_flush(struct core *c)
{
	rk_assert(c->magic == CORE_MAGIC);
	core_dirs_look(c);
	while (
	    !rk_list_empty(&c->touched)) { /* every partition leaves the list with its wishes met */
		struct core_partition *p = rk_of(c->touched.next, struct core_partition, touched);
		rk_list_del(&p->touched);
		if (p->unsynced) {
			p->unsynced = false;
			if (p->log != NULL && !p->broken)
				st_log_sync(p->log);
			if (p->log != NULL && st_log_broken(p->log))
				core_advance(p); /* its directory failed: nobody will call back */
		}
		if (p->moved) {
			p->moved = false;
			wake_fetches(p, RK_OK);
		}
	}
	core_fetchers_flush(c);
	core_follow_flush(c);
	core_isr_flush(c);
}
