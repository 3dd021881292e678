/* posix_world.c - struct rk_world on plain POSIX calls, for tests. */
#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include "tests/posix_world.h"
#include "base/mem.h"

struct posix_file {
	struct rk_file file;
	int fd;
	uint32_t refs;
	char *path;
};
struct posix_wait {
	struct posix_wait *next;
	struct rk_file *file; /* NULL: a job is done */
	rk_done *done;
	void *arg;
};

static struct posix_world *
world(struct rk_env *e)
{
	return rk_of(e, struct posix_world, env);
}

static struct posix_file *
file(struct rk_file *f)
{
	return rk_of(f, struct posix_file, file);
}

static enum rk_err
why(void)
{
	return errno == ENOENT   ? RK_NOT_FOUND
	       : errno == ENOSPC ? RK_NO_SPACE
				 : RK_KAFKA_STORAGE_ERROR;
}

static int64_t
now_ms(struct rk_env *e)
{
	return world(e)->now_ms;
}

static int64_t
wall_ms(struct rk_env *e)
{
	return world(e)->wall_ms;
}

static uint64_t
chance(struct rk_env *e)
{
	struct posix_world *w = world(e);
	w->seed += 0x9e3779b97f4a7c15u;
	return rk_hash(&w->seed, sizeof w->seed, 1);
}

static enum rk_err
f_open(struct rk_env *e, const char *path, enum rk_open how, struct rk_file **out)
{
	int fd = open(path,
	    how == RK_OPEN_READ    ? O_RDONLY
	    : how == RK_OPEN_WRITE ? O_RDWR
				   : O_RDWR | O_CREAT,
	    0644);
	world(e)->opens++;
	if (fd < 0)
		return why();
	struct posix_file *f = rk_new(struct posix_file);
	f->file.env = e;
	f->fd = fd;
	f->refs = 1;
	f->path = rk_mem_str(path, strlen(path));
	*out = &f->file;
	world(e)->files++;
	return RK_OK;
}

static void
f_hold(struct rk_file *f)
{
	file(f)->refs++;
}

static void
f_drop(struct rk_file *f)
{
	rk_assert(file(f)->refs > 0);
	if (--file(f)->refs > 0)
		return;
	world(f->env)->files--;
	close(file(f)->fd);
	rk_mem_put(file(f)->path);
	rk_mem_put(file(f));
}

static enum rk_err
f_size(struct rk_file *f, uint64_t *size)
{
	struct stat st;
	if (fstat(file(f)->fd, &st) < 0)
		return why();
	*size = (uint64_t)st.st_size;
	return RK_OK;
}

static enum rk_err
f_read(struct rk_file *f, uint64_t pos, void *to, uint32_t len)
{
	world(f->env)->reads++;
	ssize_t n = pread(file(f)->fd, to, len, (off_t)pos);
	return n < 0 ? why() : n < (ssize_t)len ? RK_NOT_FOUND : RK_OK;
}

static enum rk_err
f_write(struct rk_file *f, uint64_t pos, const void *from, uint32_t len)
{
	struct posix_world *w = world(f->env);

	w->writes++;
	if (w->fail_write_after >= 0
	    && (w->fail_on == NULL || strstr(file(f)->path, w->fail_on) != NULL)) {
		uint32_t some = (uint32_t)rk_min(w->fail_write_after, len);
		w->fail_write_after = -1;
		(void)!pwrite(file(f)->fd, from, some, (off_t)pos);
		return w->fail_with;
	}
	return pwrite(file(f)->fd, from, len, (off_t)pos) == (ssize_t)len ? RK_OK : why();
}

static enum rk_err
f_truncate(struct rk_file *f, uint64_t len)
{
	if (world(f->env)->fail_truncate)
		return RK_KAFKA_STORAGE_ERROR;
	return ftruncate(file(f)->fd, (off_t)len) < 0 ? why() : RK_OK;
}

static void
later(struct posix_world *w, struct rk_file *f, rk_done *done, void *arg)
{
	struct posix_wait *x = rk_new(struct posix_wait);

	*x = (struct posix_wait){NULL, f, done, arg};
	if (f != NULL)
		f_hold(f);
	if (w->last == NULL)
		w->first = x;
	else
		w->last->next = x;
	w->last = x;
}

static void
f_sync(struct rk_file *f, rk_done *done, void *arg)
{
	later(world(f->env), f, done, arg);
}

static enum rk_err
f_sync_wait(struct rk_file *f)
{
	world(f->env)->syncs++;
	if (world(f->env)->fail_sync)
		return RK_KAFKA_STORAGE_ERROR;
	return RK_OK;
}

static enum rk_err
p_rename(struct rk_env *e, const char *from, const char *to)
{
	struct posix_world *w = world(e);

	if (w->fail_rename_after == 0)
		return RK_KAFKA_STORAGE_ERROR;
	w->fail_rename_after -= w->fail_rename_after > 0;
	return rename(from, to) < 0 ? why() : RK_OK;
}

static enum rk_err
f_rename(struct rk_file *f, const char *to)
{
	enum rk_err err = p_rename(f->env, file(f)->path, to);
	if (err == RK_OK) {
		rk_mem_put(file(f)->path);
		file(f)->path = rk_mem_str(to, strlen(to));
	}
	return err;
}

static enum rk_err
d_make(struct rk_env *e, const char *path)
{
	(void)e;
	return mkdir(path, 0755) < 0 && errno != EEXIST ? why() : RK_OK;
}

static enum rk_err
d_list(struct rk_env *e, const char *path, rk_entry *fn, void *arg)
{
	DIR *d = opendir(path);
	(void)e;
	if (d == NULL)
		return why();
	for (struct dirent *x = readdir(d); x != NULL; x = readdir(d))
		if (strcmp(x->d_name, ".") != 0 && strcmp(x->d_name, "..") != 0)
			fn(arg, x->d_name, x->d_type == DT_DIR);
	closedir(d);
	return RK_OK;
}

static enum rk_err
d_sync(struct rk_env *e, const char *path)
{
	(void)path;
	world(e)->syncs++;
	return world(e)->fail_sync ? RK_KAFKA_STORAGE_ERROR : RK_OK;
}

static enum rk_err
p_remove(struct rk_env *e, const char *path)
{
	(void)e;
	return remove(path) < 0 ? why() : RK_OK;
}

static enum rk_err
space(struct rk_env *e, const char *path, struct rk_space *to)
{
	struct statvfs v;
	(void)e;
	if (statvfs(path, &v) < 0)
		return why();
	*to = (struct rk_space){
	    (int64_t)(v.f_blocks * v.f_frsize), (int64_t)(v.f_bavail * v.f_frsize)};
	return RK_OK;
}

static void
work(struct rk_env *e, uint32_t lane, rk_job *fn, rk_done *done, void *arg)
{
	(void)lane;
	fn(arg);
	later(world(e), NULL, done, arg);
}

static enum rk_err
f_pin(struct rk_file *f)
{
	f_hold(f);
	return RK_OK;
}

static void
f_warm(struct rk_file *f, uint64_t pos, uint32_t len)
{
	(void)f;
	(void)pos;
	(void)len;
}

static void
wake(struct rk_env *e, int64_t at_ms)
{
	(void)e;
	(void)at_ms;
}

static const struct rk_world posix = {
    .now_ms = now_ms,
    .wall_ms = wall_ms,
    .chance = chance,
    .wake = wake,
    .file_open = f_open,
    .file_hold = f_hold,
    .file_drop = f_drop,
    .file_size = f_size,
    .file_read = f_read,
    .file_write = f_write,
    .file_truncate = f_truncate,
    .file_reserve = f_truncate,
    .file_sync = f_sync,
    .file_sync_wait = f_sync_wait,
    .file_rename = f_rename,
    .file_warm = f_warm,
    .file_pin = f_pin,
    .file_unpin = f_drop,
    .job_read = f_read,
    .job_write = f_write,
    .dir_make = d_make,
    .dir_list = d_list,
    .dir_sync = d_sync,
    .path_rename = p_rename,
    .path_remove = p_remove,
    .space = space,
    .work = work,
};

void
posix_world_init(struct posix_world *w)
{
	*w = (struct posix_world){.env = {&posix},
	    .now_ms = 1000,
	    .wall_ms = 1760000000000,
	    .fail_write_after = -1,
	    .fail_rename_after = -1,
	    .fail_with = RK_NO_SPACE};
}

static struct posix_wait *
pop(struct posix_world *w)
{
	struct posix_wait *x = w->first;

	if (x != NULL) {
		w->first = x->next;
		if (w->first == NULL)
			w->last = NULL;
	}
	return x;
}

uint32_t
posix_pump(struct posix_world *w)
{
	uint32_t n = 0;

	for (struct posix_wait *x = pop(w); x != NULL; x = pop(w), n++) {
		enum rk_err err = x->file == NULL ? RK_OK : f_sync_wait(x->file);
		if (x->file != NULL)
			f_drop(x->file);
		x->done(x->arg, err);
		rk_mem_put(x);
	}
	return n;
}

void
posix_forget(struct posix_world *w)
{
	for (struct posix_wait *x = pop(w); x != NULL; x = pop(w)) {
		if (x->file != NULL)
			f_drop(x->file);
		rk_mem_put(x);
	}
}

char *
posix_scratch(char to[64])
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(to, 64, "%s/rookery-t-XXXXXX", base);
	rk_assert(mkdtemp(to) != NULL);
	return to;
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void
posix_remove(const char *path)
{
	rk_assert(strstr(path, "rookery-t-") != NULL);
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
