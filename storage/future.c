/* future.c - a partition on its way from one directory of this node to another.
 *
 * While it is filled its folder is called <topic>-<partition>.<32 hex>-future, as in Kafka; the other directory
 * holds the partition. In its own directory it is the only folder of that partition, so its lines in the checkpoints
 * bear the partition's name, and stay right when the folder is renamed. */
#include "storage/log_in.h"
#include "base/mem.h"

enum { HEX = 32, FOLDER_MAX = 255 };
#define FUTURE "-future"

struct listed {
	struct rk_list in;
	char name[];
};

static char *
new_tail(struct rk_env *env)
{
	char text[HEX + sizeof "." FUTURE];
	int n = snprintf(text, sizeof text, ".%016" PRIx64 "%016" PRIx64 FUTURE, rk_chance(env), rk_chance(env));

	rk_assert(n == (int)sizeof text - 1);
	return rk_mem_str(text, (size_t)n);
}

enum rk_err
st_log_create_future(struct st_dir *d, struct rk_str topic, int32_t partition, struct rk_uuid topic_id,
    const struct st_rules *rules, int64_t start, struct st_log **out)
{
	char digits[16];
	int n = snprintf(digits, sizeof digits, "-%" PRId32, partition);

	rk_assert(start >= 0 && n > 0);
	*out = NULL;
	if (topic.len + n + (int)(HEX + sizeof "." FUTURE - 1) > FOLDER_MAX)
		return RK_INVALID_TOPIC_EXCEPTION;
	enum rk_err err = st_log_make(d, topic, partition, topic_id, rules, new_tail(d->env), out);
	if (err != RK_OK || start == 0)
		return err;
	err = st_log_restart(*out, start);
	if (err != RK_OK) {
		st_log_free(*out);
		*out = NULL;
	}
	return err;
}

bool
st_log_is_future(const struct st_log *l)
{
	rk_assert(l->magic == ST_LOG_MAGIC);
	return l->entry->tail != NULL;
}

enum rk_err
st_log_promote(struct st_log *l)
{
	char from[PATH_MAX], to[PATH_MAX];
	struct st_entry *e = l->entry;
	char *tail = e->tail;

	rk_assert(l->magic == ST_LOG_MAGIC && tail != NULL);
	if (st_log_broken(l))
		return RK_KAFKA_STORAGE_ERROR;
	st_log_path(l, from);
	e->tail = NULL;
	enum rk_err err = rk_path_rename(st_log_env(l), from, st_log_path(l, to));
	if (err != RK_OK) {
		e->tail = tail;
		st_log_break(l, "the folder could not be renamed", err);
		return err;
	}
	rk_mem_put(tail);
	err = rk_dir_sync(st_log_env(l), l->dir->path);
	if (err != RK_OK)
		st_log_break(l, "the directory could not be synced", err);
	return err;
}

enum rk_err
st_log_sync_now(struct st_log *l)
{
	rk_assert(l->magic == ST_LOG_MAGIC);
	if (st_log_broken(l))
		return RK_KAFKA_STORAGE_ERROR;
	return l->hot == NULL ? RK_OK : st_log_sync_wait(l);
}

/* Renames the folder so that no start takes it for a log, and has it removed. */
static enum rk_err
set_aside(struct st_dir *d, const char *name)
{
	char from[PATH_MAX], to[PATH_MAX], tail[HEX + sizeof ".-delete"];
	int n = snprintf(tail, sizeof tail, ".%016" PRIx64 "%016" PRIx64 "-delete", rk_chance(d->env), rk_chance(d->env));
	size_t head, len = strlen(name);

	rk_assert(n == (int)sizeof tail - 1);
	if (len > HEX + sizeof FUTURE && strcmp(name + len - (sizeof FUTURE - 1), FUTURE) == 0)
		head = len - (HEX + sizeof FUTURE); /* in place of the old tail */
	else
		head = len;
	head = (size_t)rk_min((int64_t)head, FOLDER_MAX - n);
	if (snprintf(from, sizeof from, "%s/%s", d->path, name) >= PATH_MAX
	    || snprintf(to, sizeof to, "%s/%.*s%s", d->path, (int)head, name, tail) >= PATH_MAX)
		return RK_KAFKA_STORAGE_ERROR;
	enum rk_err err = rk_path_rename(d->env, from, to);
	if (err != RK_OK)
		return err;
	st_dir_remove_later(d, to, true, 0);
	return rk_dir_sync(d->env, d->path);
}

enum rk_err
st_dir_discard(struct st_dir *d, struct rk_str topic, int32_t partition)
{
	struct st_entry *e = st_dir_entry(d, topic, partition, false);
	char name[PATH_MAX];

	if (e == NULL || !e->found)
		return RK_NOT_FOUND;
	rk_assert(e->log == NULL);
	snprintf(name, sizeof name, "%s-%" PRId32 "%s", e->topic, e->partition, e->tail == NULL ? "" : e->tail);
	enum rk_err err = set_aside(d, name);
	if (err == RK_OK)
		st_dir_forget(d, e);
	else
		st_dir_fail(d, "a folder could not be removed");
	return err;
}

void
st_future_listed(struct st_dir *d, const char *name)
{
	size_t n = strlen(name) + 1;
	struct listed *l = rk_mem_get(sizeof *l + n);

	memcpy(l->name, name, n);
	rk_list_add(&d->futures, &l->in);
}

/* <topic>-<partition>.<32 hex>-future: the length of what stands before the tail; 0: another name. */
static size_t
parse(const char *name, struct rk_str *topic, int32_t *partition)
{
	size_t len = strlen(name), head = len - (HEX + sizeof FUTURE);
	int64_t v;

	if (len <= HEX + sizeof FUTURE || name[head] != '.'
	    || strspn(name + head + 1, "0123456789abcdef") != HEX)
		return 0;
	size_t dash = head;
	while (dash > 0 && name[dash] != '-')
		dash--;
	if (dash == 0 || dash > ST_NAME_MAX
	    || !rk_str_int((struct rk_str){name + dash + 1, (int32_t)(head - dash - 1)}, &v) || v < 0 || v > INT32_MAX)
		return 0;
	*topic = (struct rk_str){name, (int32_t)dash};
	*partition = (int32_t)v;
	return head;
}

void
st_futures_take(struct st_dir *d)
{
	while (!rk_list_empty(&d->futures)) {
		struct listed *l = rk_of(d->futures.next, struct listed, in);
		struct rk_str topic = RK_STR_NULL;
		int32_t partition = -1;
		size_t head = parse(l->name, &topic, &partition);
		struct st_entry *e = head == 0 ? NULL : st_dir_entry(d, topic, partition, true);
		if (e == NULL) {
			rk_say(RK_WARN, "%s/%s is no folder that this node makes; it is left alone", d->path, l->name);
		} else if (e->found) {
			rk_say(RK_WARN, "%s/%s is a copy of what is here already; it is removed", d->path, l->name);
			(void)!set_aside(d, l->name);
		} else {
			e->found = true;
			e->tail = rk_mem_str(l->name + head, strlen(l->name + head));
		}
		rk_list_del(&l->in);
		rk_mem_put(l);
	}
}
