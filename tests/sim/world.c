/* world.c - see world.h.
 *
 * Every callback into the node goes through the event queue, guarded by the world's life, and is followed by
 * node_flush, as the host's rounds are. While the world is stopped, its events come again when it goes on. */
#include <sys/stat.h>
#include "tests/sim/world.h"
#include "base/mem.h"
#include "base/say.h"

struct sim_file {
	struct rk_file file;
	struct sim_inode *inode;
	enum rk_open how;
	uint32_t refs;
};

static struct sim_world *
of(struct rk_env *e)
{
	return rk_of(e, struct sim_world, env);
}

static struct sim_file *
file_of(struct rk_file *f)
{
	return rk_of(f, struct sim_file, file);
}

void
sim_world_round(struct sim_world *w)
{
	if (w->node != NULL)
		w->hooks->flush(w->node);
}

bool
sim_world_later(struct sim_world *w, sim_fn *fn, void *arg)
{
	if (w->asleep_us <= w->sim->now_us)
		return false;
	sim_at(w->sim, w->asleep_us, &w->life, fn, arg);
	return true;
}

/* --- time and chance */

/* What has passed on the node's own clocks. */
static int64_t
own_us(const struct sim_world *w)
{
	return w->sim->now_us + w->sim->now_us / 1000 * w->drift_ppm / 1000;
}

static int64_t
now_ms(struct rk_env *e)
{
	return of(e)->clock_ms + own_us(of(e)) / 1000;
}

static int64_t
wall_ms(struct rk_env *e)
{
	return of(e)->wall_ms + own_us(of(e)) / 1000;
}

static uint64_t
chance(struct rk_env *e)
{
	return sim_random(of(e)->sim);
}

static void woken(void *arg, bool lost);

static void
arm(struct sim_world *w)
{
	if (w->wake_us >= w->armed_us)
		return;
	w->armed_us = w->wake_us;
	sim_at(w->sim, w->wake_us, &w->life, woken, w);
}

static void
woken(void *arg, bool lost)
{
	struct sim_world *w = arg;

	if (lost || w->node == NULL || w->armed_us != w->sim->now_us)
		return; /* an earlier wish came after this one, and has been met */
	if (sim_world_later(w, woken, w)) {
		w->armed_us = w->asleep_us;
		return;
	}
	w->armed_us = INT64_MAX;
	if (w->wake_us <= w->sim->now_us) {
		w->wake_us = INT64_MAX;
		w->hooks->tick(w->node, now_ms(&w->env));
		sim_world_round(w);
	}
	arm(w);
}

static void
wake(struct rk_env *e, int64_t at_ms)
{
	struct sim_world *w = of(e);

	int64_t own = at_ms - w->clock_ms;

	/* Never too early: the clock may show it a moment later. */
	w->wake_us = at_ms == INT64_MAX ? INT64_MAX
	    : rk_max(w->sim->now_us, w->drift_ppm == 0 ? own * 1000 : own * 1000 - own * w->drift_ppm / 1000 + 1000);
	arm(w);
}

/* --- files */

static enum rk_err
file_open(struct rk_env *e, const char *path, enum rk_open how, struct rk_file **out)
{
	struct sim_inode *i;
	enum rk_err err = sim_disk_open(of(e)->disk, path, how, &i);

	*out = NULL;
	if (err == RK_OK && sim_inode_folder(i) && !of(e)->folders) {
		sim_inode_drop(of(e)->disk, i);
		err = RK_KAFKA_STORAGE_ERROR;
	}
	if (err != RK_OK)
		return err;
	struct sim_file *f = rk_new(struct sim_file);
	*f = (struct sim_file){ { e }, i, how, 1 };
	*out = &f->file;
	return RK_OK;
}

static void
file_hold(struct rk_file *file)
{
	file_of(file)->refs++;
}

static void
file_drop(struct rk_file *file)
{
	struct sim_file *f = file_of(file);

	rk_assert(f->refs > 0);
	if (--f->refs > 0)
		return;
	sim_inode_drop(of(file->env)->disk, f->inode);
	rk_mem_put(f);
}

void
sim_world_drop(struct rk_file *file)
{
	file_drop(file);
}

static enum rk_err
file_size(struct rk_file *file, uint64_t *out)
{
	*out = sim_inode_size(file_of(file)->inode);
	return RK_OK;
}

static enum rk_err
file_read(struct rk_file *file, uint64_t pos, void *to, uint32_t len)
{
	return sim_inode_read(of(file->env)->disk, file_of(file)->inode, pos, to, len);
}

enum rk_err
sim_world_read(struct rk_file *file, uint64_t pos, void *to, uint32_t len)
{
	return file_read(file, pos, to, len);
}

static enum rk_err
file_write(struct rk_file *file, uint64_t pos, const void *from, uint32_t len)
{
	rk_assert(file_of(file)->how != RK_OPEN_READ);
	return sim_inode_write(of(file->env)->disk, file_of(file)->inode, pos, from, len);
}

static enum rk_err
file_resize(struct rk_file *file, uint64_t len)
{
	rk_assert(file_of(file)->how != RK_OPEN_READ);
	return sim_inode_resize(of(file->env)->disk, file_of(file)->inode, len);
}

struct sync {
	struct sim_world *w;
	struct sim_file *file;
	uint64_t begun;
	rk_done *done;
	void *arg;
};

static void
synced(void *arg, bool lost)
{
	struct sync *s = arg;
	struct sim_world *w = s->w;

	if (!lost && sim_world_later(w, synced, s))
		return;
	if (!lost) {
		enum rk_err err = sim_sync_end(w->disk, s->file->inode, s->begun);
		file_drop(&s->file->file);
		s->done(s->arg, err);
		sim_world_round(w);
	} else {
		file_drop(&s->file->file); /* the crash has already decided what reached the platter */
	}
	rk_mem_put(s);
}

static void
file_sync(struct rk_file *file, rk_done *done, void *arg)
{
	struct sim_world *w = of(file->env);
	struct sync *s = rk_new(struct sync);

	file_hold(file);
	*s = (struct sync){ w, file_of(file), sim_sync_begin(w->disk, file_of(file)->inode), done, arg };
	sim_at(w->sim, w->sim->now_us + 10 + sim_below(w->sim, w->disk_us), &w->life, synced, s);
}

static enum rk_err
file_sync_wait(struct rk_file *file)
{
	struct sim_disk *d = of(file->env)->disk;
	struct sim_inode *i = file_of(file)->inode;

	return sim_sync_end(d, i, sim_sync_begin(d, i));
}

static enum rk_err
file_rename(struct rk_file *file, const char *to)
{
	struct sim_disk *d = of(file->env)->disk;
	const char *from = sim_inode_path(d, file_of(file)->inode);
	char path[PATH_MAX];

	if (from == NULL)
		return RK_NOT_FOUND;
	snprintf(path, sizeof path, "%s", from);
	return sim_disk_rename(d, path, to);
}

static enum rk_err
file_pin(struct rk_file *file)
{
	file_hold(file);
	return RK_OK;
}

static void
file_unpin(struct rk_file *file)
{
	file_drop(file);
}

static void
file_warm(struct rk_file *file, uint64_t pos, uint32_t len)
{
	(void)file;
	(void)pos;
	(void)len;
}

/* --- the scratch folder */

static char scratch[64];
static int before = -1; /* the working folder */

const char *
sim_scratch(void)
{
	snprintf(scratch, sizeof scratch, "%s/rookery_sim.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	before = open(".", O_RDONLY | O_DIRECTORY);
	if (before < 0 || mkdtemp(scratch) == NULL || chdir(scratch) != 0) {
		fprintf(stderr, "%s cannot be made: %s\n", scratch, strerror(errno));
		exit(2);
	}
	return "/proc/self/cwd";
}

void
sim_scratch_clear(void)
{
	char command[128];

	if (before < 0)
		return;
	snprintf(command, sizeof command, "rm -rf %s", scratch);
	if (fchdir(before) != 0 || system(command) != 0)
		fprintf(stderr, "cannot remove %s\n", scratch);
	close(before);
	before = -1;
}

/* --- the file system */

static enum rk_err
dir_make(struct rk_env *e, const char *path)
{
	struct sim_world *w = of(e);
	size_t n = w->real != NULL ? strlen(w->real) : 0;

	if (n > 0 && strncmp(path, w->real, n) == 0)
		(void)!mkdir(path, 0755);
	return sim_disk_mkdir(w->disk, path);
}

static enum rk_err
dir_list(struct rk_env *e, const char *path, rk_entry *fn, void *arg)
{
	return sim_disk_list(of(e)->disk, path, fn, arg);
}

static enum rk_err
dir_sync(struct rk_env *e, const char *path)
{
	return sim_disk_syncdir(of(e)->disk, path);
}

static enum rk_err
path_rename(struct rk_env *e, const char *from, const char *to)
{
	return sim_disk_rename(of(e)->disk, from, to);
}

static enum rk_err
path_remove(struct rk_env *e, const char *path)
{
	return sim_disk_remove(of(e)->disk, path);
}

static enum rk_err
space(struct rk_env *e, const char *path, struct rk_space *out)
{
	struct sim_world *w = of(e);
	int64_t total = sim_disk_faults(w->disk)->space_bytes;

	(void)path;
	out->total_bytes = total > 0 ? total : (int64_t)1 << 40;
	out->free_bytes = rk_max(0, out->total_bytes - sim_disk_used(w->disk));
	return RK_OK;
}

/* --- work */

struct sim_job {
	struct sim_world *w;
	struct sim_job *next;
	uint32_t lane;
	bool ran;
	rk_job *fn;
	rk_done *done;
	void *arg;
};

static void
worked(void *arg, bool lost)
{
	struct sim_job *j = arg;

	if (!lost && sim_world_later(j->w, worked, j))
		return;
	if (!lost) {
		for (struct sim_job **p = &j->w->jobs; *p != NULL; p = &(*p)->next)
			if (*p == j) {
				*p = j->next;
				break;
			}
		j->fn(j->arg);
		j->done(j->arg, RK_OK);
		sim_world_round(j->w);
	}
	rk_mem_put(j);
}

/* When the job may be done: behind the last one of its lane. */
static int64_t
lane_at(struct sim_world *w, uint32_t lane, int64_t at_us)
{
	uint32_t i = 0;

	if (lane == 0)
		return at_us;
	while (i < w->lanes && w->lane[i].lane != lane)
		i++;
	if (i == w->lanes) {
		for (i = 0; i < w->lanes && w->lane[i].free_us >= w->sim->now_us; i++)
			;
		rk_assert(i < rk_countof(w->lane));
		w->lane[i] = (struct sim_lane){ lane, 0 };
		w->lanes = i == w->lanes ? i + 1 : w->lanes;
	}
	w->lane[i].free_us = rk_max(at_us, w->lane[i].free_us + 1);
	return w->lane[i].free_us;
}

static void
work(struct rk_env *e, uint32_t lane, rk_job *fn, rk_done *done, void *arg)
{
	struct sim_world *w = of(e);
	struct sim_job *j = rk_new(struct sim_job), **last = &w->jobs;
	int64_t at_us = w->sim->now_us + 5 + sim_below(w->sim, w->work_us);

	*j = (struct sim_job){ .w = w, .lane = lane, .fn = fn, .done = done, .arg = arg };
	while (*last != NULL)
		last = &(*last)->next;
	*last = j;
	sim_at(w->sim, lane_at(w, lane, at_us), &w->life, worked, j);
}

/* --- lives */

static const struct rk_world functions = {
	.now_ms = now_ms, .wall_ms = wall_ms, .chance = chance, .wake = wake,
	.file_open = file_open, .file_hold = file_hold, .file_drop = file_drop, .file_size = file_size,
	.file_read = file_read, .file_write = file_write, .file_truncate = file_resize,
	.file_reserve = file_resize, .file_sync = file_sync, .file_sync_wait = file_sync_wait,
	.file_rename = file_rename, .dir_make = dir_make, .dir_list = dir_list, .dir_sync = dir_sync,
	.path_rename = path_rename, .path_remove = path_remove, .space = space, .work = work,
	.conn_send = sim_net_send, .conn_resume = sim_net_resume, .conn_close = sim_net_close, .conn_peer = sim_net_peer,
	.conn_open = sim_net_open, .file_warm = file_warm, .file_pin = file_pin, .file_unpin = file_unpin,
	.job_read = file_read, .job_write = file_write,
};

void
sim_world_init(struct sim_world *w, struct sim *s, struct sim_disk *d, struct sim_mdisk *m,
    const struct sim_hooks *h)
{
	*w = (struct sim_world){ .env = { &functions }, .sim = s, .disk = d, .mdisk = m, .hooks = h,
		.clock_ms = 100000, .wall_ms = 1790000000000, .disk_us = 3000, .work_us = 3000, .net_us = 1000,
		.wake_us = INT64_MAX, .armed_us = INT64_MAX };
}

void
sim_world_begin(struct sim_world *w, void *node)
{
	rk_assert(w->node == NULL && node != NULL);
	w->node = node;
	sim_world_round(w);
}

/* A worker may have finished what nobody will hear of; of a lane's jobs the first ones. */
static void
end_jobs(struct sim_world *w)
{
	for (struct sim_job *j = w->jobs; j != NULL; j = j->next) {
		bool behind = false;
		for (struct sim_job *k = w->jobs; k != j; k = k->next)
			behind |= j->lane != 0 && k->lane == j->lane && !k->ran;
		j->ran = !behind && sim_chance(w->sim, 500000);
		if (j->ran)
			j->fn(j->arg);
	}
	w->jobs = NULL; /* their events free them */
}

static void
leave(struct sim_world *w, bool tell_node, bool power)
{
	w->over = true;
	end_jobs(w);
	sim_net_leave(w, tell_node, power);
	w->node = NULL;
	w->life++;
	w->wake_us = w->armed_us = INT64_MAX;
	w->asleep_us = 0;
	w->lanes = 0;
}

void
sim_world_bury(struct sim_world *w)
{
	sim_net_bury(w);
	w->over = false;
}

void
sim_world_crash(struct sim_world *w, bool power)
{
	leave(w, false, power);
}

void
sim_world_end(struct sim_world *w)
{
	leave(w, true, false);
}
