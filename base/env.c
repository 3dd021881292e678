/* env.c - small things every world can do with what it has. */
#include "base/env.h"

struct rk_uuid
rk_env_uuid(struct rk_env *e)
{
	struct rk_uuid u;

	do {
		rk_put64(u.id, rk_chance(e));
		rk_put64(u.id + 8, rk_chance(e));
		u.id[6] = (uint8_t)((u.id[6] & 0x0f) | 0x40);
		u.id[8] = (uint8_t)((u.id[8] & 0x3f) | 0x80);
	} while (u.id[0] >> 2 == 62); /* its text would begin with '-', which tools take for a flag */
	return u;
}

enum rk_err
rk_env_slurp(struct rk_env *e, const char *path, struct rk_arena *a, struct rk_str *out)
{
	struct rk_file *f;
	uint64_t size = 0;
	enum rk_err err = rk_file_open(e, path, RK_OPEN_READ, &f);

	*out = RK_STR_NULL;
	if (err != RK_OK)
		return err;
	err = rk_file_size(f, &size);
	char *to = err == RK_OK && size < INT32_MAX ? rk_arena_raw(a, size + 1) : NULL;
	if (err == RK_OK && to == NULL)
		err = RK_NO_MEMORY;
	if (err == RK_OK && size > 0)
		err = rk_file_read(f, 0, to, (uint32_t)size);
	if (err == RK_OK) {
		to[size] = '\0';
		*out = (struct rk_str){ to, (int32_t)size };
	}
	rk_file_drop(f);
	return err;
}

static enum rk_err
sync_folder_of(struct rk_env *e, const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');

	rk_assert(slash != NULL && (size_t)(slash - path) < sizeof dir);
	rk_str_copy(dir, sizeof dir, (struct rk_str){ path, slash == path ? 1 : (int32_t)(slash - path) });
	return rk_dir_sync(e, dir);
}

enum rk_err
rk_env_spill(struct rk_env *e, const char *path, const void *p, uint32_t len)
{
	char tmp[PATH_MAX];
	struct rk_file *f;

	if ((size_t)snprintf(tmp, sizeof tmp, "%s.tmp", path) >= sizeof tmp)
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = rk_file_open(e, tmp, RK_OPEN_CREATE, &f);
	if (err != RK_OK)
		return err;
	err = rk_file_truncate(f, 0);
	if (err == RK_OK && len > 0)
		err = rk_file_write(f, 0, p, len);
	if (err == RK_OK)
		err = rk_file_sync_wait(f);
	if (err == RK_OK)
		err = rk_file_rename(f, path);
	rk_file_drop(f);
	return err == RK_OK ? sync_folder_of(e, path) : err;
}
