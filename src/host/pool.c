/* pool.c - the workers: jobs in, completions out, one lock for both.
 *
 * A lane is a queue of its own: while one of its jobs is running or waits in run, the others wait in the
 * lane. Threads are started as they are needed, never more than threads_max, and stay. */
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include "src/host/world.h"

enum { STACK = 256 * 1024 };

struct lane {
	struct rk_node node;
	uint32_t id;
	struct rk_list waiting;
};

static struct lane *
lane_of(struct host_pool *p, uint32_t id)
{
	struct rk_node *n = rk_map_first(&p->lanes, id * 0x9e3779b97f4a7c15u >> 7);

	while (n != NULL && rk_of(n, struct lane, node)->id != id)
		n = rk_map_next(n);
	return n == NULL ? NULL : rk_of(n, struct lane, node);
}

/* With the lock: the lane's next job may run, or the lane is forgotten. */
static void
pass_lane_on(struct host_pool *p, uint32_t id)
{
	struct lane *l = lane_of(p, id);

	rk_assert(l != NULL);
	if (rk_list_empty(&l->waiting)) {
		rk_map_del(&p->lanes, &l->node);
		rk_mem_put(l);
		return;
	}
	struct rk_list *next = l->waiting.next;
	rk_list_del(next);
	rk_list_add(&p->run, next);
	pthread_cond_signal(&p->more);
}

static void
finish(struct host_pool *p, struct host_task *t)
{
	bool first = rk_list_empty(&p->finished);
	uint64_t one = 1;

	if (t->lane > 0)
		pass_lane_on(p, t->lane);
	rk_list_add(&p->finished, &t->link);
	if (first)
		(void)!write(p->wake_fd, &one, sizeof one);
}

static void *
worker(void *arg)
{
	struct host_pool *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (rk_list_empty(&p->run) && !p->stopping) {
			p->idle++;
			pthread_cond_wait(&p->more, &p->lock);
			p->idle--;
		}
		if (p->stopping)
			break;
		struct host_task *t = rk_of(p->run.next, struct host_task, link);
		rk_list_del(&t->link);
		pthread_mutex_unlock(&p->lock);
		t->fn(t->arg);
		pthread_mutex_lock(&p->lock);
		finish(p, t);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* With the lock. A thread that cannot be had is no misfortune as long as there is another. */
static void
hire(struct host_pool *p)
{
	pthread_attr_t attr;
	sigset_t all, old;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&p->thread[p->threads], &attr, worker, p) == 0)
		p->threads++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
}

enum rk_err
host_pool_start(struct host_pool *p, uint32_t threads)
{
	rk_assert(threads > 0);
	*p = (struct host_pool){ .threads_max = threads };
	p->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (p->wake_fd < 0)
		return host_fail(errno, "eventfd", "(the worker pool)");
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	rk_list_init(&p->run);
	rk_list_init(&p->finished);
	p->thread = rk_mem_get(threads * sizeof *p->thread);
	hire(p);
	if (p->threads == 0)
		rk_say(RK_ERROR, "no worker thread can be started: check the limit on processes (ulimit -u)");
	return p->threads == 0 ? RK_NO_MEMORY : RK_OK;
}

void
host_pool_give(struct host_pool *p, struct host_task *t)
{
	pthread_mutex_lock(&p->lock);
	struct lane *l = t->lane == 0 ? NULL : lane_of(p, t->lane);
	p->queued++;
	if (l != NULL) {
		rk_list_add(&l->waiting, &t->link);
		pthread_mutex_unlock(&p->lock);
		return;
	}
	if (t->lane > 0) {
		l = rk_new(struct lane);
		l->id = t->lane;
		rk_list_init(&l->waiting);
		rk_map_add(&p->lanes, &l->node, l->id * 0x9e3779b97f4a7c15u >> 7);
	}
	rk_list_add(&p->run, &t->link);
	if (p->idle > 0)
		pthread_cond_signal(&p->more);
	else if (p->threads < p->threads_max)
		hire(p);
	pthread_mutex_unlock(&p->lock);
}

static void
move_all(struct rk_list *from, struct rk_list *to)
{
	while (!rk_list_empty(from)) {
		struct rk_list *m = from->next;
		rk_list_del(m);
		rk_list_add(to, m);
	}
}

void
host_pool_reap(struct host_pool *p)
{
	uint64_t count;
	struct rk_list batch;

	(void)!read(p->wake_fd, &count, sizeof count);
	rk_list_init(&batch);
	pthread_mutex_lock(&p->lock);
	move_all(&p->finished, &batch);
	rk_list_each(&batch, m)
		p->queued--;
	pthread_mutex_unlock(&p->lock);
	while (!rk_list_empty(&batch)) {
		struct host_task *t = rk_of(batch.next, struct host_task, link);
		rk_list_del(&t->link);
		t->done(t->arg, t->err);
	}
}

void
host_pool_stop(struct host_pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	for (uint32_t i = 0; i < p->threads; i++)
		pthread_join(p->thread[i], NULL);
	move_all(&p->run, &p->finished);
	for (struct rk_node *n; (n = rk_map_walk(&p->lanes, NULL)) != NULL;) {
		struct lane *l = rk_of(n, struct lane, node);
		move_all(&l->waiting, &p->finished);
		rk_map_del(&p->lanes, n);
		rk_mem_put(l);
	}
	rk_map_free(&p->lanes);
	host_pool_reap(p);
	rk_mem_put(p->thread);
	close(p->wake_fd);
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->lock);
}

/* A job of the node's. */
struct job {
	struct host_task task;
	struct host_world *world;
	rk_job *fn;
	rk_done *done;
	void *arg;
};

static void
run_job(void *arg)
{
	struct job *j = arg;
	j->fn(j->arg);
}

static void
job_done(void *arg, enum rk_err err)
{
	struct job *j = arg;
	rk_done *done = j->done;
	void *theirs = j->arg;

	j->world->called = true;
	bool ending = j->world->ending;
	rk_mem_put(j);
	if (!ending)
		done(theirs, err);
}

void
host_work(struct rk_env *e, uint32_t lane, rk_job *fn, rk_done *done, void *arg)
{
	struct job *j = rk_new(struct job);

	*j = (struct job){ .world = host_of(e), .fn = fn, .done = done, .arg = arg };
	j->task = (struct host_task){ .lane = lane, .fn = run_job, .done = job_done, .arg = j };
	rk_list_init(&j->task.link);
	host_pool_give(&host_of(e)->pool, &j->task);
}
