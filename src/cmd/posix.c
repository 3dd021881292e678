/* posix.c - struct rk_env for commands: plain calls that wait. */
#include "src/cmd/posix.h"
#include "base/mem.h"
#include <dirent.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

struct plain {
	struct rk_file head;
	uint32_t held;
	int fd;
	char *path;
};

static enum rk_err
err_of(int e)
{
	return e == ENOENT                  ? RK_NOT_FOUND
	       : e == ENOSPC || e == EDQUOT ? RK_NO_SPACE
					    : RK_KAFKA_STORAGE_ERROR;
}

static struct plain *
plain(struct rk_file *f)
{
	return rk_of(f, struct plain, head);
}

static int64_t
clock_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t
now_ms(struct rk_env *e)
{
	(void)e;
	return clock_ms(CLOCK_MONOTONIC);
}

static int64_t
wall_ms(struct rk_env *e)
{
	(void)e;
	return clock_ms(CLOCK_REALTIME);
}

static uint64_t
chance(struct rk_env *e)
{
	uint64_t v;

	(void)e;
	if (getentropy(&v, sizeof v) != 0)
		rk_die(__FILE__, __LINE__, "the kernel gives no entropy");
	return v;
}

static enum rk_err
file_open(struct rk_env *e, const char *path, enum rk_open how, struct rk_file **out)
{
	static const int flags[] = {O_RDONLY, O_RDWR, O_RDWR | O_CREAT};
	int fd = open(path, flags[how] | O_CLOEXEC, 0644);

	*out = NULL;
	if (fd < 0)
		return err_of(errno);
	struct plain *f = rk_new(struct plain);
	*f = (struct plain){
	    .head.env = e, .held = 1, .fd = fd, .path = rk_mem_str(path, strlen(path))};
	*out = &f->head;
	return RK_OK;
}

static void
file_hold(struct rk_file *f)
{
	plain(f)->held++;
}

static void
file_drop(struct rk_file *f)
{
	struct plain *p = plain(f);

	if (--p->held > 0)
		return;
	close(p->fd);
	rk_mem_put(p->path);
	rk_mem_put(p);
}

static enum rk_err
file_size(struct rk_file *f, uint64_t *size)
{
	struct stat st;

	if (fstat(plain(f)->fd, &st) != 0)
		return err_of(errno);
	*size = (uint64_t)st.st_size;
	return RK_OK;
}

static enum rk_err
file_read(struct rk_file *f, uint64_t pos, void *to, uint32_t len)
{
	for (uint32_t at = 0; at < len;) {
		ssize_t n = pread(plain(f)->fd, (char *)to + at, len - at, (off_t)(pos + at));
		if (n == 0)
			return RK_NOT_FOUND;
		if (n < 0 && errno != EINTR)
			return err_of(errno);
		at += n > 0 ? (uint32_t)n : 0;
	}
	return RK_OK;
}

static enum rk_err
file_write(struct rk_file *f, uint64_t pos, const void *from, uint32_t len)
{
	for (uint32_t at = 0; at < len;) {
		ssize_t n =
		    pwrite(plain(f)->fd, (const char *)from + at, len - at, (off_t)(pos + at));
		if (n < 0 && errno != EINTR)
			return err_of(errno);
		at += n > 0 ? (uint32_t)n : 0;
	}
	return RK_OK;
}

static enum rk_err
file_truncate(struct rk_file *f, uint64_t len)
{
	return ftruncate(plain(f)->fd, (off_t)len) == 0 ? RK_OK : err_of(errno);
}

static enum rk_err
file_sync_wait(struct rk_file *f)
{
	return fsync(plain(f)->fd) == 0 ? RK_OK : err_of(errno);
}

static void
file_sync(struct rk_file *f, rk_done *done, void *arg)
{
	done(arg, file_sync_wait(f));
}

static enum rk_err
file_rename(struct rk_file *f, const char *to)
{
	struct plain *p = plain(f);

	if (rename(p->path, to) != 0)
		return err_of(errno);
	rk_mem_put(p->path);
	p->path = rk_mem_str(to, strlen(to));
	return RK_OK;
}

static enum rk_err
dir_make(struct rk_env *e, const char *path)
{
	(void)e;
	return mkdir(path, 0755) == 0 || errno == EEXIST ? RK_OK : err_of(errno);
}

static enum rk_err
dir_list(struct rk_env *e, const char *path, rk_entry *entry, void *arg)
{
	DIR *d = opendir(path);
	struct dirent *de;
	struct stat st;

	(void)e;
	if (d == NULL)
		return err_of(errno);
	while ((de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0
		    && fstatat(dirfd(d), de->d_name, &st, 0) == 0)
			entry(arg, de->d_name, S_ISDIR(st.st_mode));
	closedir(d);
	return RK_OK;
}

static enum rk_err
dir_sync(struct rk_env *e, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)e;
	if (fd < 0)
		return err_of(errno);
	enum rk_err err = fsync(fd) == 0 ? RK_OK : err_of(errno);
	close(fd);
	return err;
}

static enum rk_err
path_rename(struct rk_env *e, const char *from, const char *to)
{
	(void)e;
	return rename(from, to) == 0 ? RK_OK : err_of(errno);
}

static enum rk_err
path_remove(struct rk_env *e, const char *path)
{
	(void)e;
	return remove(path) == 0 ? RK_OK : err_of(errno);
}

static enum rk_err
space(struct rk_env *e, const char *path, struct rk_space *out)
{
	struct statvfs v;

	(void)e;
	if (statvfs(path, &v) != 0)
		return err_of(errno);
	out->total_bytes = (int64_t)v.f_blocks * (int64_t)v.f_frsize;
	out->free_bytes = (int64_t)v.f_bavail * (int64_t)v.f_frsize;
	return RK_OK;
}

static void
work(struct rk_env *e, uint32_t lane, rk_job *fn, rk_done *done, void *arg)
{
	(void)e;
	(void)lane;
	fn(arg);
	done(arg, RK_OK);
}

struct rk_env *
cmd_env(void)
{
	static const struct rk_world world = {
	    .now_ms = now_ms,
	    .wall_ms = wall_ms,
	    .chance = chance,
	    .file_open = file_open,
	    .file_hold = file_hold,
	    .file_drop = file_drop,
	    .file_size = file_size,
	    .file_read = file_read,
	    .file_write = file_write,
	    .file_truncate = file_truncate,
	    .file_reserve = file_truncate,
	    .file_sync = file_sync,
	    .file_sync_wait = file_sync_wait,
	    .file_rename = file_rename,
	    .dir_make = dir_make,
	    .dir_list = dir_list,
	    .dir_sync = dir_sync,
	    .path_rename = path_rename,
	    .path_remove = path_remove,
	    .space = space,
	    .work = work,
	};
	static struct rk_env env = {&world};

	return &env;
}
