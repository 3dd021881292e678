/* file.c - files that keep a name for good and a descriptor only while it is wanted.
 *
 * files.warm holds the open descriptors, coldest first. When the budget is reached, or the kernel has no
 * more, the coldest that nobody has pinned is closed: clean ones first, because the kernel reports a
 * failed write-back to a descriptor that was open at the time (a file that is opened later still hears of
 * it as long as nobody else has, so a dirty one may go when it must).
 *
 * A file whose sync failed is broken for good: the kernel marks the pages clean after the failure, so a
 * second fdatasync would say all is well when it is not. */
#include <sys/stat.h>
#include <sys/uio.h>
#include "src/host/world.h"

enum rk_err
host_fail(int error, const char *op, const char *path)
{
	static const char *const hint[] = { "", "; free space, or move partitions to another directory",
		"; check the permissions", "; raise the limit on open files (LimitNOFILE=, ulimit -n)" };
	static struct rk_say_limit limit[64];
	struct timespec t;
	bool full = error == ENOSPC || error == EDQUOT;
	int h = full ? 1 : error == EACCES || error == EPERM ? 2 : error == EMFILE || error == ENFILE ? 3 : 0;

	if (error == ENOENT)
		return RK_NOT_FOUND;
	/* A broken disk fails every request: one line a second for each kind of failure. */
	clock_gettime(CLOCK_MONOTONIC, &t);
	rk_say_limited(&limit[((uint32_t)error * 31 + (uint8_t)op[0]) % rk_countof(limit)],
	    (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000, RK_ERROR, "%s %s: %s%s", op, path, strerror(error), hint[h]);
	return full ? RK_NO_SPACE : h == 3 ? RK_NO_DESCRIPTOR : RK_KAFKA_STORAGE_ERROR;
}

static struct host_world *
world_of(struct host_file *f)
{
	return host_of(f->file.env);
}

static enum rk_err
fail(struct host_file *f, int error, const char *op)
{
	char path[PATH_MAX];

	(void)!host_name_path(f->name, path);
	return host_fail(error, op, path);
}

/* The planned fault for this file, or 0. */
static int
fault(struct host_file *f, enum host_fault what)
{
	char path[PATH_MAX];

	if (!host_faulty)
		return 0;
	(void)!host_name_path(f->name, path);
	return host_fault(what, path);
}

static void
close_fd(struct host_file *f)
{
	rk_assert(f->fd >= 0 && f->pins == 0);
	close(f->fd);
	f->fd = -1;
	rk_list_del(&f->lru);
	world_of(f)->files.open--;
}

static uint32_t
shed(struct host_files *fs, uint32_t n, bool dirty)
{
	uint32_t got = 0;

	rk_list_each_safe(&fs->warm, m, next) {
		struct host_file *f = rk_of(m, struct host_file, lru);
		if (got == n)
			break;
		if (f->pins == 0 && f->dirty == dirty) {
			close_fd(f);
			got++;
		}
	}
	return got;
}

uint32_t
host_files_shed(struct host_world *w, uint32_t n)
{
	uint32_t got = shed(&w->files, n, false);
	return got < n ? got + shed(&w->files, n - got, true) : got;
}

void
host_files_close_idle(struct host_world *w)
{
	rk_list_each_safe(&w->files.warm, m, next) {
		struct host_file *f = rk_of(m, struct host_file, lru);
		if (w->now_ms - f->used_ms < HOST_COLD_MS)
			break;
		if (f->pins == 0 && !f->dirty) {
			close_fd(f);
			continue;
		}
		f->used_ms = w->now_ms; /* look again a while later */
		rk_list_del(m);
		rk_list_add(&w->files.warm, m);
	}
}

int64_t
host_files_next_ms(const struct host_world *w)
{
	if (rk_list_empty(&w->files.warm))
		return INT64_MAX;
	return rk_of(w->files.warm.next, struct host_file, lru)->used_ms + HOST_COLD_MS;
}

static void
warmest(struct host_file *f)
{
	struct host_world *w = world_of(f);

	f->used_ms = w->now_ms;
	rk_list_del(&f->lru);
	rk_list_add(&w->files.warm, &f->lru);
}

/* Opens, closing colder files when the kernel has no descriptor left. */
static enum rk_err
open_fd(struct host_file *f, int flags)
{
	struct host_world *w = world_of(f);
	char path[PATH_MAX];
	int error = fault(f, HOST_FAULT_OPEN);

	if (!host_name_path(f->name, path))
		return RK_NOT_FOUND;
	if (w->files.open >= w->files.max)
		host_files_shed(w, w->files.open - w->files.max + 1);
	while (error == 0) {
		f->fd = open(path, flags | O_CLOEXEC, 0644);
		if (f->fd >= 0)
			break;
		error = errno;
		if (error == EINTR || ((error == EMFILE || error == ENFILE) && host_files_shed(w, 8) > 0))
			error = 0;
	}
	if (error != 0)
		return host_fail(error, "open", path);
	w->files.open++;
	warmest(f);
	return RK_OK;
}

enum rk_err
host_file_warm_fd(struct host_file *f)
{
	if (f->fd < 0)
		return open_fd(f, f->how == RK_OPEN_READ ? O_RDONLY : O_RDWR);
	if (f->used_ms != world_of(f)->now_ms)
		warmest(f);
	return RK_OK;
}

void
host_file_pin(struct host_file *f)
{
	rk_assert(f->fd >= 0 && f->pins < UINT16_MAX);
	f->pins++;
}

void
host_file_unpin(struct host_file *f)
{
	rk_assert(f->pins > 0);
	f->pins--;
}

enum rk_err
host_file_open(struct rk_env *e, const char *path, enum rk_open how, struct rk_file **out)
{
	struct host_world *w = host_of(e);
	struct host_file *f = rk_new(struct host_file);

	rk_assert(path[0] == '/');
	f->file.env = e;
	f->fd = -1;
	f->how = (uint8_t)how;
	f->name = host_name_of(&w->files.names, path);
	rk_list_init(&f->lru);
	enum rk_err err = open_fd(f, how == RK_OPEN_READ ? O_RDONLY : how == RK_OPEN_WRITE ? O_RDWR : O_RDWR | O_CREAT);
	if (err != RK_OK) {
		host_name_drop(&w->files.names, f->name);
		rk_mem_put(f);
		*out = NULL;
		return err;
	}
	f->refs = 1;
	w->files.all++;
	*out = &f->file;
	return RK_OK;
}

void
host_file_hold(struct rk_file *file)
{
	struct host_file *f = host_file_of(file);
	rk_assert(f->refs > 0);
	f->refs++;
}

void
host_file_drop(struct rk_file *file)
{
	struct host_file *f = host_file_of(file);
	struct host_world *w = world_of(f);

	rk_assert(f->refs > 0);
	if (--f->refs > 0)
		return;
	if (f->fd >= 0)
		close_fd(f);
	host_name_drop(&w->files.names, f->name);
	w->files.all--;
	rk_mem_put(f);
}

enum rk_err
host_file_size(struct rk_file *file, uint64_t *out)
{
	struct host_file *f = host_file_of(file);
	struct stat st;
	enum rk_err err = host_file_warm_fd(f);

	*out = 0;
	if (err != RK_OK)
		return err;
	if (fstat(f->fd, &st) != 0)
		return fail(f, errno, "stat");
	*out = (uint64_t)st.st_size;
	return RK_OK;
}

/* All of it: 0, errno, or -1 where the file ends before. Any thread. */
static int
read_all(int fd, uint64_t pos, void *to, uint32_t len)
{
	for (uint32_t got = 0; got < len;) {
		ssize_t n = pread(fd, (char *)to + got, len - got, (off_t)(pos + got));
		if (n == 0)
			return -1;
		if (n > 0)
			got += (uint32_t)n;
		else if (errno != EINTR)
			return errno;
	}
	return 0;
}

static int
write_all(int fd, uint64_t pos, const void *from, uint32_t len)
{
	for (uint32_t done = 0; done < len;) {
		ssize_t n = pwrite(fd, (const char *)from + done, len - done, (off_t)(pos + done));
		if (n >= 0)
			done += (uint32_t)n;
		else if (errno != EINTR)
			return errno;
	}
	return 0;
}

enum rk_err
host_file_read(struct rk_file *file, uint64_t pos, void *to, uint32_t len)
{
	struct host_file *f = host_file_of(file);
	enum rk_err err = host_file_warm_fd(f);
	int error = fault(f, HOST_FAULT_READ);

	if (err != RK_OK)
		return err;
	if (error == 0)
		error = read_all(f->fd, pos, to, len);
	return error == 0 ? RK_OK : error < 0 ? RK_NOT_FOUND : fail(f, error, "read");
}

/* What must be so before a byte of the file may change. */
static enum rk_err
writable(struct host_file *f, const char *op)
{
	rk_assert(f->how != RK_OPEN_READ);
	if (f->broken)
		return fail(f, EIO, op);
	enum rk_err err = host_file_warm_fd(f);
	if (err == RK_OK)
		f->dirty = true;
	return err;
}

enum rk_err
host_file_write(struct rk_file *file, uint64_t pos, const void *from, uint32_t len)
{
	struct host_file *f = host_file_of(file);
	enum rk_err err = writable(f, "write");
	int error = fault(f, HOST_FAULT_WRITE);

	if (err != RK_OK)
		return err;
	if (error == 0)
		error = write_all(f->fd, pos, from, len);
	return error == 0 ? RK_OK : fail(f, error, "write");
}

/* --- for jobs: nothing but the descriptor, which the pin keeps, is touched off the loop */
enum rk_err
host_file_pin_for_jobs(struct rk_file *file)
{
	struct host_file *f = host_file_of(file);
	enum rk_err err = f->how == RK_OPEN_READ ? host_file_warm_fd(f) : writable(f, "write");

	if (err == RK_OK)
		host_file_pin(f);
	return err;
}

void
host_file_unpin_for_jobs(struct rk_file *file)
{
	host_file_unpin(host_file_of(file));
}

enum rk_err
host_job_read(struct rk_file *file, uint64_t pos, void *to, uint32_t len)
{
	int error = read_all(host_file_of(file)->fd, pos, to, len);

	return error == 0 ? RK_OK : error < 0 ? RK_NOT_FOUND : RK_KAFKA_STORAGE_ERROR;
}

enum rk_err
host_job_write(struct rk_file *file, uint64_t pos, const void *from, uint32_t len)
{
	int error = write_all(host_file_of(file)->fd, pos, from, len);

	return error == 0 ? RK_OK : error == ENOSPC || error == EDQUOT ? RK_NO_SPACE : RK_KAFKA_STORAGE_ERROR;
}

enum rk_err
host_file_truncate(struct rk_file *file, uint64_t len)
{
	struct host_file *f = host_file_of(file);
	enum rk_err err = writable(f, "truncate");

	if (err != RK_OK)
		return err;
	while (ftruncate(f->fd, (off_t)len) != 0)
		if (errno != EINTR)
			return fail(f, errno, "truncate");
	return RK_OK;
}

enum rk_err
host_file_reserve(struct rk_file *file, uint64_t len)
{
	struct host_file *f = host_file_of(file);
	enum rk_err err = writable(f, "reserve");
	int error = fault(f, HOST_FAULT_WRITE);

	if (err != RK_OK)
		return err;
	while (error == 0 && len > 0 && fallocate(f->fd, 0, 0, (off_t)len) != 0)
		if (errno == EOPNOTSUPP || errno == ENOSYS)
			break;
		else if (errno != EINTR)
			error = errno;
	return error == 0 ? host_file_truncate(file, len) : fail(f, error, "reserve");
}

/* One sync on its way through a worker. */
struct sync {
	struct host_task task;
	struct host_file *file;
	rk_done *done;
	void *arg;
	int fd, error;
};

/* What is only read may be a folder: fdatasync owes nobody its names, and some file systems cannot sync one. */
static int
sync_fd(int fd, bool only_read)
{
	int n;
	do
		n = only_read ? fsync(fd) : fdatasync(fd);
	while (n != 0 && errno == EINTR);
	return n == 0 || (only_read && errno == EINVAL) ? 0 : errno;
}

static void
run_sync(void *arg)
{
	struct sync *s = arg;

	if (s->fd >= 0 && s->error == 0)
		s->error = sync_fd(s->fd, s->file->how == RK_OPEN_READ);
}

/* A full disk on delayed allocation shows up here too, and it is as final as an I/O error. */
static enum rk_err
judge(struct host_file *f, int error)
{
	if (error == 0 && f->broken)
		error = EIO;
	if (error == 0)
		return RK_OK;
	f->broken = true;
	rk_event("sync failed", error, 0);
	return fail(f, error, "sync");
}

static void
synced(void *arg, enum rk_err err)
{
	struct sync *s = arg;
	struct host_file *f = s->file;

	if (s->fd >= 0) {
		host_file_unpin(f);
		err = judge(f, s->error);
	} else {
		err = s->task.err;
	}
	world_of(f)->called = true;
	world_of(f)->syncs++;
	if (!world_of(f)->ending)
		s->done(s->arg, err);
	host_file_drop(&f->file);
	rk_mem_put(s);
}

void
host_file_sync(struct rk_file *file, rk_done *done, void *arg)
{
	struct host_file *f = host_file_of(file);
	struct sync *s = rk_new(struct sync);
	enum rk_err err = host_file_warm_fd(f);

	*s = (struct sync){ .file = f, .done = done, .arg = arg, .fd = err == RK_OK ? f->fd : -1 };
	s->task = (struct host_task){ .fn = run_sync, .done = synced, .arg = s, .err = err };
	s->error = fault(f, HOST_FAULT_FSYNC);
	rk_list_init(&s->task.link);
	f->refs++;
	if (err == RK_OK) {
		host_file_pin(f);
		f->dirty = false; /* what is written from now on is the next sync's */
	}
	host_pool_give(&world_of(f)->pool, &s->task);
}

enum rk_err
host_file_sync_wait(struct rk_file *file)
{
	struct host_file *f = host_file_of(file);
	enum rk_err err = host_file_warm_fd(f);
	int error = fault(f, HOST_FAULT_FSYNC);

	if (err != RK_OK)
		return err;
	f->dirty = false;
	return judge(f, error != 0 ? error : sync_fd(f->fd, f->how == RK_OPEN_READ));
}

enum rk_err
host_file_rename(struct rk_file *file, const char *to)
{
	struct host_file *f = host_file_of(file);
	char from[PATH_MAX];

	if (!host_name_path(f->name, from))
		return RK_NOT_FOUND;
	return host_path_rename(file->env, from, to);
}

/* One hint on its way. */
struct warm {
	struct host_task task;
	struct host_file *file;
	uint64_t pos;
	uint32_t len;
	int fd;
};

static void
run_warm(void *arg)
{
	struct warm *g = arg;
	(void)readahead(g->fd, (off64_t)g->pos, g->len);
}

static void
warmed(void *arg, enum rk_err err)
{
	struct warm *g = arg;

	(void)err;
	host_file_unpin(g->file);
	host_file_drop(&g->file->file);
	rk_mem_put(g);
}

void
host_file_warm(struct rk_file *file, uint64_t pos, uint32_t len)
{
	struct host_file *f = host_file_of(file);

	if (host_file_warm_fd(f) != RK_OK)
		return;
	struct warm *g = rk_new(struct warm);
	*g = (struct warm){ .file = f, .pos = pos, .len = len, .fd = f->fd };
	g->task = (struct host_task){ .fn = run_warm, .done = warmed, .arg = g };
	rk_list_init(&g->task.link);
	f->refs++;
	host_file_pin(f);
	host_pool_give(&world_of(f)->pool, &g->task);
}
