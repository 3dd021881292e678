/* name.c - the names of open files, as a tree: a rename moves one knot and all below follows.
 *
 * Only what some open file lives under is in the tree. Knots are found by a hash of parent and text. */
#include "src/host/world.h"

static uint64_t
hash_of(const struct host_name *up, const char *text, size_t len)
{
	return rk_hash(text, len, (uint64_t)(uintptr_t)up);
}

static struct host_name *
child(const struct rk_map *m, const struct host_name *up, const char *text, size_t len)
{
	for (struct rk_node *n = rk_map_first(m, hash_of(up, text, len)); n != NULL; n = rk_map_next(n)) {
		struct host_name *k = rk_of(n, struct host_name, node);
		if (k->up == up && k->len == len && memcmp(k->text, text, len) == 0)
			return k;
	}
	return NULL;
}

/* The next component of *path, slashes skipped; its length is 0 at the end. */
static const char *
component(const char **path, size_t *len)
{
	const char *p = *path + strspn(*path, "/");
	*len = strcspn(p, "/");
	*path = p + *len;
	return p;
}

struct host_name *
host_name_find(struct rk_map *m, const char *path)
{
	struct host_name *at = NULL;
	size_t len;

	for (const char *p = component(&path, &len); len > 0; p = component(&path, &len)) {
		at = child(m, at, p, len);
		if (at == NULL)
			return NULL;
	}
	return at;
}

struct host_name *
host_name_of(struct rk_map *m, const char *path)
{
	struct host_name *at = NULL;
	size_t len;

	for (const char *p = component(&path, &len); len > 0; p = component(&path, &len)) {
		struct host_name *k = child(m, at, p, len);
		if (k == NULL) {
			rk_assert(len < PATH_MAX);
			k = rk_new(struct host_name);
			k->up = at;
			k->len = (uint16_t)len;
			k->text = rk_mem_str(p, len);
			rk_map_add(m, &k->node, hash_of(at, p, len));
			if (at != NULL)
				at->refs++;
		}
		at = k;
	}
	rk_assert(at != NULL); /* the root is no file */
	at->refs++;
	return at;
}

void
host_name_hold(struct host_name *k)
{
	k->refs++;
}

void
host_name_drop(struct rk_map *m, struct host_name *k)
{
	while (k != NULL) {
		struct host_name *up = k->up;
		rk_assert(k->refs > 0);
		if (--k->refs > 0)
			return;
		if (!k->lost)
			rk_map_del(m, &k->node);
		rk_mem_put(k->text);
		rk_mem_put(k);
		k = up;
	}
}

bool
host_name_path(const struct host_name *k, char to[PATH_MAX])
{
	size_t end = PATH_MAX - 1, at = end;

	to[end] = '\0';
	for (; k != NULL; k = k->up) {
		if (k->lost || at < k->len + 1u) {
			snprintf(to, PATH_MAX, "%.200s", k->text); /* for the message */
			return false;
		}
		at -= k->len;
		memcpy(to + at, k->text, k->len);
		to[--at] = '/';
	}
	memmove(to, to + at, end - at + 1);
	return true;
}

static void
lose(struct rk_map *m, struct host_name *k)
{
	rk_map_del(m, &k->node);
	k->lost = true;
}

void
host_name_lose(struct rk_map *m, const char *path)
{
	struct host_name *k = host_name_find(m, path);
	if (k != NULL)
		lose(m, k);
}

/* The knot of the folder of path, one count; NULL: the root. */
static struct host_name *
folder_of(struct rk_map *m, const char *path)
{
	char dir[PATH_MAX];
	size_t len = strlen(path);

	while (len > 0 && path[len - 1] == '/')
		len--;
	while (len > 0 && path[len - 1] != '/')
		len--;
	rk_str_copy(dir, sizeof dir, (struct rk_str){ path, (int32_t)rk_min((int64_t)len, PATH_MAX - 1) });
	return dir[strspn(dir, "/")] == '\0' ? NULL : host_name_of(m, dir);
}

static const char *
last_of(const char *path, size_t *len)
{
	const char *last = path;

	for (const char *p = component(&path, len); *len > 0; p = component(&path, len))
		last = p;
	*len = strcspn(last, "/");
	return last;
}

void
host_name_move(struct rk_map *m, const char *from, const char *to)
{
	struct host_name *k = host_name_find(m, from), *there = host_name_find(m, to);
	size_t len;

	if (there != NULL && there != k)
		lose(m, there);
	if (k == NULL || there == k)
		return;
	struct host_name *old = k->up, *up = folder_of(m, to);
	const char *text = last_of(to, &len);
	rk_map_del(m, &k->node);
	rk_mem_put(k->text);
	k->up = up;
	k->text = rk_mem_str(text, len);
	k->len = (uint16_t)len;
	rk_map_add(m, &k->node, hash_of(up, text, len));
	host_name_drop(m, old);
}
