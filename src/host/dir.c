/* dir.c - folders, names and space: the file system around the files. */
#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include "src/host/world.h"

enum rk_err
host_dir_make(struct rk_env *e, const char *path)
{
	struct stat st;

	(void)e;
	if (mkdir(path, 0755) == 0)
		return RK_OK;
	int error = errno;
	if (error == EEXIST && stat(path, &st) == 0)
		error = S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
	return error == 0 ? RK_OK : host_fail(error, "mkdir", path);
}

static bool
is_folder(const char *in, const struct dirent *d)
{
	char path[PATH_MAX];
	struct stat st;

	if (d->d_type != DT_UNKNOWN && d->d_type != DT_LNK)
		return d->d_type == DT_DIR;
	return (size_t)snprintf(path, sizeof path, "%s/%s", in, d->d_name) < sizeof path && stat(path, &st) == 0
	    && S_ISDIR(st.st_mode);
}

static int
real_names(const struct dirent *d)
{
	return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

/* The whole list first, sorted: the callback may remove what it is told of. */
enum rk_err
host_dir_list(struct rk_env *e, const char *path, rk_entry *fn, void *arg)
{
	struct dirent **list;
	int n = scandir(path, &list, real_names, alphasort);

	(void)e;
	if (n < 0)
		return host_fail(errno, "list", path);
	for (int i = 0; i < n; i++) {
		fn(arg, list[i]->d_name, is_folder(path, list[i]));
		free(list[i]);
	}
	free(list);
	return RK_OK;
}

enum rk_err
host_dir_sync(struct rk_env *e, const char *path)
{
	int error = host_faulty ? host_fault(HOST_FAULT_DIRSYNC, path) : 0;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == EMFILE && host_files_shed(host_of(e), 8) > 0)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return host_fail(errno, "open", path);
	if (error == 0 && fsync(fd) != 0 && errno != EINVAL) /* some file systems cannot sync a folder */
		error = errno;
	close(fd);
	return error == 0 ? RK_OK : host_fail(error, "sync", path);
}

enum rk_err
host_path_rename(struct rk_env *e, const char *from, const char *to)
{
	int error = host_faulty ? host_fault(HOST_FAULT_RENAME, from) : 0;

	if (error == 0 && rename(from, to) != 0)
		error = errno;
	if (error != 0)
		return host_fail(error, "rename", from);
	host_name_move(&host_of(e)->files.names, from, to);
	return RK_OK;
}

enum rk_err
host_path_remove(struct rk_env *e, const char *path)
{
	if (remove(path) != 0)
		return host_fail(errno, "remove", path);
	host_name_lose(&host_of(e)->files.names, path);
	return RK_OK;
}

/* The lock is the kind Java's FileChannel takes, so that Apache Kafka and rookery keep each other out. Closing
 * any descriptor of the file would give it up: this one stays open, outside the budget, to the end. */
enum rk_err
host_path_lock(struct rk_env *e, const char *path)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct host_world *w = host_of(e);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return host_fail(errno, "open", path);
	if (fcntl(fd, F_SETLK, &l) != 0) {
		int error = errno;
		close(fd);
		return error == EACCES || error == EAGAIN ? RK_EXISTS : host_fail(error, "lock", path);
	}
	*(int *)rk_mem_room((void **)&w->lock, w->locks, &w->lock_cap, sizeof *w->lock) = fd;
	w->locks++;
	return RK_OK;
}

enum rk_err
host_space(struct rk_env *e, const char *path, struct rk_space *out)
{
	struct statvfs v;

	(void)e;
	*out = (struct rk_space){ 0 };
	if (statvfs(path, &v) != 0)
		return host_fail(errno, "statvfs", path);
	out->total_bytes = (int64_t)v.f_blocks * (int64_t)v.f_frsize;
	out->free_bytes = (int64_t)v.f_bavail * (int64_t)v.f_frsize;
	return RK_OK;
}
