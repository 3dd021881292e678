/* world.c - the loop, the clocks and chance.
 *
 * One round: libevent waits for readiness, then every ready connection gives at most one frame, node_flush
 * starts what was gathered, and what is to be sent is sent. Whatever a round leaves to do at once makes the
 * next one wait for nothing. Our own timers (the node's wish, idle connections and descriptors) share one
 * libevent timer, set to the earliest; with nothing to expire there is none, so an idle node sleeps. */
#include <event2/event.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include "src/host/world.h"

enum { RESERVED_FDS = 64, TRIM_EVERY = 64 * 1024 * 1024, PASSES = 4 };

static int64_t
clock_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
host_look_at_clocks(struct host_world *w)
{
	w->now_ms = clock_ms(CLOCK_MONOTONIC);
	w->wall_ms = clock_ms(CLOCK_REALTIME);
}

static int64_t
now_ms(struct rk_env *e)
{
	return host_of(e)->now_ms;
}

static int64_t
wall_ms(struct rk_env *e)
{
	return host_of(e)->wall_ms;
}

static uint64_t
chance(struct rk_env *e)
{
	struct host_world *w = host_of(e);

	if (w->chance_left == 0) {
		ssize_t n = getrandom(w->chance, sizeof w->chance, 0);
		rk_assert(n == (ssize_t)sizeof w->chance); /* 512 bytes come whole once the pool is seeded */
		w->chance_left = rk_countof(w->chance);
	}
	return w->chance[--w->chance_left];
}

static void
wake(struct rk_env *e, int64_t at_ms)
{
	host_of(e)->wake_ms = at_ms;
}

const struct rk_world host_world_calls = {
	.now_ms = now_ms,
	.wall_ms = wall_ms,
	.chance = chance,
	.wake = wake,
	.file_open = host_file_open,
	.file_hold = host_file_hold,
	.file_drop = host_file_drop,
	.file_size = host_file_size,
	.file_read = host_file_read,
	.file_write = host_file_write,
	.file_truncate = host_file_truncate,
	.file_reserve = host_file_reserve,
	.file_sync = host_file_sync,
	.file_sync_wait = host_file_sync_wait,
	.file_rename = host_file_rename,
	.file_pin = host_file_pin_for_jobs,
	.file_unpin = host_file_unpin_for_jobs,
	.job_read = host_job_read,
	.job_write = host_job_write,
	.dir_make = host_dir_make,
	.dir_list = host_dir_list,
	.dir_sync = host_dir_sync,
	.path_rename = host_path_rename,
	.path_remove = host_path_remove,
	.space = host_space,
	.path_lock = host_path_lock,
	.work = host_work,
	.conn_send = host_conn_send,
	.conn_resume = host_conn_resume,
	.conn_close = host_conn_close,
	.conn_peer = host_conn_peer,
	.conn_open = host_conn_open,
	.file_warm = host_file_warm,
};

/* The limit on descriptors, raised as far as we may. */
static uint64_t
descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return 1024;
	uint64_t soft = r.rlim_cur;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) != 0)
		return soft;
	return r.rlim_max == RLIM_INFINITY ? 1 << 20 : r.rlim_max;
}

/* A quarter of the descriptors for files, which can be closed and opened again, the rest for connections, which
 * cannot, and a reserve for LMDB, pipes and the like. */
static void
divide_descriptors(struct host_options *o)
{
	uint64_t all = descriptors();
	uint32_t files = (uint32_t)rk_min((int64_t)(all / 4), INT32_MAX);
	uint64_t left = all - files;
	uint32_t rest = left > RESERVED_FDS + 16 ? (uint32_t)rk_min((int64_t)left - RESERVED_FDS, INT32_MAX) : 16;

	if (o->files_max == 0 || o->files_max > files)
		o->files_max = (uint32_t)rk_max(files, 16);
	if (o->conns_max == 0 || o->conns_max > rest)
		o->conns_max = rest;
}

/* Blocks up to the threshold are reused from the heap, so that a stream of produce requests causes no
 * page faults; larger ones go back to the kernel when they are freed. Without huge pages a reserved
 * buffer costs only the pages that bytes have reached. */
void
host_process_setup(struct host_options *o)
{
	(void)mallopt(M_ARENA_MAX, 2);
	(void)mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 8 * 1024 * 1024);
	(void)mallopt(M_TOP_PAD, 256 * 1024);
	(void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	host_fault_setup(getenv("ROOKERY_FAULT"));
	host_crash_setup();
	divide_descriptors(o);
	if (o->backlog == 0)
		o->backlog = 50;
	if (o->workers == 0)
		o->workers = 8;
	if (o->request_max_bytes == 0)
		o->request_max_bytes = 100 * 1024 * 1024;
	if (o->idle_ms == 0)
		o->idle_ms = 600000;
	if (o->connect_ms == 0)
		o->connect_ms = 10000;
}

static void
on_pool(evutil_socket_t fd, short what, void *arg)
{
	struct host_world *w = arg;

	(void)fd;
	(void)what;
	host_look_at_clocks(w);
	host_pool_reap(&w->pool);
}

/* The timer only ends the wait: host_round looks at what is due. */
static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct host_world *w = arg;

	(void)fd;
	(void)what;
	w->tick_ms = INT64_MAX;
}

static struct event_base *
make_base(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base = NULL;

	if (cfg != NULL) {
		event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
		event_config_require_features(cfg, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
		base = event_base_new_with_config(cfg);
		event_config_free(cfg);
	}
	if (base == NULL)
		rk_say(RK_ERROR, "libevent finds no epoll here: %s", strerror(errno));
	return base;
}

struct host_world *
host_open(const struct host_options *o)
{
	struct host_world *w = rk_new(struct host_world);

	w->env.world = &host_world_calls;
	w->opt = *o;
	host_process_setup(&w->opt);
	w->wake_ms = w->tick_ms = INT64_MAX;
	w->scratch = rk_mem_get(HOST_SCRATCH);
	w->files.max = w->opt.files_max;
	rk_list_init(&w->files.warm);
	rk_list_init(&w->ready);
	rk_list_init(&w->dirty);
	rk_list_init(&w->idle);
	rk_list_init(&w->kept);
	rk_list_init(&w->reaching);
	rk_list_init(&w->closing);
	rk_list_init(&w->dead);
	host_look_at_clocks(w);
	w->base = make_base();
	if (w->base == NULL || host_pool_start(&w->pool, w->opt.workers) != RK_OK) {
		if (w->base != NULL)
			event_base_free(w->base);
		rk_mem_put(w->scratch);
		rk_mem_put(w);
		return NULL;
	}
	w->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	event_assign(&w->pool_io, w->base, w->pool.wake_fd, EV_READ | EV_PERSIST, on_pool, w);
	event_add(&w->pool_io, NULL);
	evtimer_assign(&w->tick, w->base, on_tick, w);
	return w;
}

struct rk_env *
host_env(struct host_world *w)
{
	return &w->env;
}

void
host_stop_workers(struct host_world *w)
{
	if (w->ending)
		return;
	w->ending = true;
	event_del(&w->pool_io);
	host_pool_stop(&w->pool);
}

void
host_close(struct host_world *w)
{
	for (uint32_t i = 0; i < w->locks; i++)
		close(w->lock[i]);
	rk_mem_put(w->lock);
	host_stop_workers(w);
	event_del(&w->tick);
	event_base_free(w->base);
	rk_map_free(&w->files.names);
	rk_map_free(&w->ips);
	if (w->spare_fd >= 0)
		close(w->spare_fd);
	rk_mem_put(w->scratch);
	rk_mem_put(w);
}

static int64_t
next_chore_ms(const struct host_world *w)
{
	int64_t at = rk_min(host_conns_next_ms(w), host_files_next_ms(w));

	return w->accept_ms > 0 ? rk_min(at, w->accept_ms) : at;
}

/* Chores may be late: they are looked at when something else woke us, or about when they are due. */
static void
chores(struct host_world *w)
{
	if (w->now_ms < next_chore_ms(w))
		return;
	host_conns_expire(w);
	host_files_close_idle(w);
	if (w->accept_ms > 0 && w->now_ms >= w->accept_ms)
		host_listen_rest(w, false);
}

/* Sets the timer unless it comes earlier anyway: a wish that moves away costs nothing. */
static void
set_tick(struct host_world *w, int64_t at_ms)
{
	if (at_ms == w->tick_ms || (w->tick_ms < at_ms && w->tick_ms > w->now_ms))
		return;
	w->tick_ms = at_ms;
	if (at_ms == INT64_MAX) {
		event_del(&w->tick);
		return;
	}
	int64_t in = rk_max(at_ms - w->now_ms, 0);
	struct timeval t = { .tv_sec = in / 1000, .tv_usec = in % 1000 * 1000 };
	event_add(&w->tick, &t);
}

/* Gives freed memory back after a burst: what lies between blocks in use would stay otherwise. */
static void
trim(struct host_world *w)
{
	uint64_t moved = w->bytes_in + w->bytes_out;

	if (moved - w->trimmed_at < TRIM_EVERY)
		return;
	w->trimmed_at = moved;
	malloc_trim(256 * 1024);
}

static bool
busy(const struct host_world *w)
{
	return w->called || !rk_list_empty(&w->ready) || !rk_list_empty(&w->dirty) || !rk_list_empty(&w->dead);
}

static void
wait_for_events(struct host_world *w, int64_t wait_ms)
{
	int64_t at = rk_min(w->wake_ms, next_chore_ms(w));
	int flags = EVLOOP_ONCE;

	if (busy(w) || at <= w->now_ms || wait_ms == 0)
		flags |= EVLOOP_NONBLOCK;
	else if (wait_ms > 0)
		at = rk_min(at, w->now_ms + wait_ms);
	if (!(flags & EVLOOP_NONBLOCK)) {
		trim(w);
		set_tick(w, at);
	}
	event_base_loop(w->base, flags);
	host_look_at_clocks(w);
}

/* What is ready now, once through. */
static void
pass(struct host_world *w)
{
	host_conns_read(w);
	if (w->node != NULL && w->now_ms >= w->wake_ms) {
		w->wake_ms = INT64_MAX;
		w->called = true;
		node_tick(w->node, w->now_ms);
	}
	chores(w);
	if (w->node != NULL && w->called) {
		w->called = false;
		node_flush(w->node);
	}
	w->called = false;
	host_conns_send(w);
	host_conns_bury(w);
}

/* A few passes for one look at the sockets: pipelined requests need no system call but their answers'. */
void
host_round(struct host_world *w, int64_t wait_ms)
{
	wait_for_events(w, wait_ms);
	for (int i = 0; i < PASSES; i++) {
		pass(w);
		if (!busy(w))
			break;
		host_look_at_clocks(w);
	}
}
