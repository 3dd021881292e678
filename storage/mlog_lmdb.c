/* mlog_lmdb.c - the metadata log in one LMDB file, DIR/log.mdb.
 *
 * Two tables. "log": key = base offset, 8 bytes big-endian; value = the batch as on the wire. "meta":
 * "state" and "lists", the blobs of mlog.c. Every commit is synced (no MDB_NOSYNC, no MDB_NOMETASYNC), so a
 * crash leaves the last committed transaction.
 *
 * Only the worker writes; the core reads in short transactions of its own (MDB_NOTLS) and copies out.
 * The map may only be replaced when no transaction is open: a worker that runs out of map ends its
 * transaction and says so, and the core, which holds no reader between two calls, grows the map. */
#include <lmdb.h>
#include <sys/stat.h>
#include "storage/mdb.h"
#include "storage/mlog.h"
#include "base/mem.h"
#include "base/say.h"
#include "protocol/batch.h"

enum { MAP_MIN_BYTES = 16 << 20 };

struct lmdb {
	struct st_mlog ml;
	MDB_env *env;
	MDB_dbi log, meta;
	size_t map_bytes;
	const char *why; /* what st_mdb_damage saw */
	char path[];
};

static struct lmdb *
of(struct st_mlog *ml)
{
	return rk_of(ml, struct lmdb, ml);
}

static enum rk_err
complain(const struct lmdb *l, const char *doing, int rc)
{
	if (rc == ENOSPC || rc == EDQUOT) {
		rk_say(RK_ERROR, "metadata log %s: %s: the disk is full. Nothing that was acknowledged is lost; make "
		    "room and restart this node.", l->path, doing);
		return RK_NO_SPACE;
	}
	if (rc == EIO || rc == EACCES || rc == EROFS || rc == EPERM || rc == ENOENT || rc == EAGAIN) {
		rk_say(RK_ERROR, "metadata log %s: %s: %s. Look at the disk and the file's rights, then restart this node.",
		    l->path, doing, mdb_strerror(rc));
		return RK_KAFKA_STORAGE_ERROR;
	}
	rk_say(RK_ERROR, "metadata log %s is damaged: %s: %s. Do not delete it alone (this node's vote is in it): if the "
	    "quorum has other voters, remove this one from it, format the directory anew (rookery-storage format) and "
	    "add it again; if it is the only voter, restore the directory from a backup.", l->path, doing,
	    l->why != NULL ? l->why : mdb_strerror(rc));
	return RK_KAFKA_STORAGE_ERROR;
}

static MDB_val
key_of(uint8_t raw[8], int64_t offset)
{
	rk_put64(raw, (uint64_t)offset);
	return (MDB_val){ 8, raw };
}

/* What the table holds under this key must be the batch of that offset, all of it. */
static bool
sound(const MDB_val *k, const MDB_val *v)
{
	const uint8_t *p = v->mv_data;

	return k->mv_size == 8 && v->mv_size >= KP_BATCH_HEAD && v->mv_size <= INT32_MAX
	    && kp_batch_magic(p) == 2 && kp_batch_bytes(p) == (int64_t)v->mv_size
	    && kp_batch_base(p) == (int64_t)rk_get64(k->mv_data) && kp_batch_last_delta(p) >= 0;
}

/* --- the worker's side */

static int
put_batches(struct lmdb *l, MDB_txn *t, const struct st_mlog_op *o)
{
	for (uint8_t *p = o->bytes; p < o->bytes + o->len; p += kp_batch_bytes(p)) {
		uint8_t raw[8];
		MDB_val k = key_of(raw, kp_batch_base(p));
		MDB_val v = { (size_t)kp_batch_bytes(p), p };
		int rc = mdb_put(t, l->log, &k, &v, MDB_APPEND);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Deletes from the first key >= from on, while the key is below the limit. */
static int
drop(struct lmdb *l, MDB_txn *t, int64_t from, int64_t below)
{
	MDB_cursor *c;
	uint8_t raw[8];
	MDB_val k = key_of(raw, from), v;
	int rc = mdb_cursor_open(t, l->log, &c);

	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	while (rc == 0 && k.mv_size == 8 && (int64_t)rk_get64(k.mv_data) < below) {
		rc = mdb_cursor_del(c, 0);
		if (rc == 0)
			rc = mdb_cursor_get(c, &k, &v, MDB_NEXT); /* the one behind the deleted */
	}
	mdb_cursor_close(c);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
put_blob(struct lmdb *l, MDB_txn *t, const char *name, uint8_t *at, uint32_t len)
{
	MDB_val k = { strlen(name), (char *)name }, v = { len, at };

	return at == NULL ? 0 : mdb_put(t, l->meta, &k, &v, 0);
}

static int
carry_out(struct lmdb *l, MDB_txn *t, const struct st_mlog_tx *tx)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < tx->count; i++) {
		const struct st_mlog_op *o = &tx->op[i];
		if (o->kind == ST_MLOG_PUT)
			rc = put_batches(l, t, o);
		else if (o->kind == ST_MLOG_CUT)
			rc = drop(l, t, o->offset, INT64_MAX);
		else
			rc = drop(l, t, 0, o->offset);
	}
	if (rc == 0)
		rc = put_blob(l, t, "state", tx->state, tx->state_len);
	if (rc == 0)
		rc = put_blob(l, t, "lists", tx->lists, tx->lists_len);
	return rc;
}

static enum rk_err
lmdb_commit(struct st_mlog *ml, const struct st_mlog_tx *tx)
{
	struct lmdb *l = of(ml);
	MDB_txn *t;
	int rc = mdb_txn_begin(l->env, NULL, 0, &t);

	if (rc != 0)
		return complain(l, "starting a transaction", rc);
	rc = carry_out(l, t, tx);
	if (rc == 0)
		rc = mdb_txn_commit(t);
	else
		mdb_txn_abort(t);
	if (rc == MDB_MAP_FULL)
		return RK_NO_MEMORY;
	return rc == 0 ? RK_OK : complain(l, "committing", rc);
}

/* --- the core's side */

static enum rk_err
lmdb_grow(struct st_mlog *ml)
{
	struct lmdb *l = of(ml);

	l->map_bytes *= 2;
	int rc = mdb_env_set_mapsize(l->env, l->map_bytes);
	return rc == 0 ? RK_OK : complain(l, "mapping more of it", rc);
}

/* Stands on the batch that holds offset: the last key not above it. */
static int
seek(MDB_cursor *c, int64_t offset, MDB_val *k, MDB_val *v)
{
	uint8_t raw[8];

	*k = key_of(raw, offset);
	int rc = mdb_cursor_get(c, k, v, MDB_SET_RANGE);
	if (rc == 0 && (int64_t)rk_get64(k->mv_data) == offset)
		return 0;
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	return mdb_cursor_get(c, k, v, rc == 0 ? MDB_PREV : MDB_LAST);
}

/* First adds up, then copies: the pages do not move inside one transaction. */
static int
gather(MDB_cursor *c, int64_t offset, int64_t limit, uint32_t max_bytes, struct rk_arena *a, struct rk_str *out)
{
	MDB_val k, v;
	size_t len = 0, batches = 0;
	int rc = seek(c, offset, &k, &v);

	if (rc == 0 && (!sound(&k, &v) || kp_batch_last(v.mv_data) < offset))
		return MDB_CORRUPTED;
	for (; rc == 0; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT), batches++) {
		if (batches > 0 && ((int64_t)rk_get64(k.mv_data) >= limit || len + v.mv_size > max_bytes))
			break;
		if (!sound(&k, &v))
			return MDB_CORRUPTED;
		len += v.mv_size;
	}
	if ((rc != 0 && rc != MDB_NOTFOUND) || batches == 0)
		return rc;
	char *to = rk_arena_raw(a, len);
	if (to == NULL)
		return ENOMEM;
	*out = (struct rk_str){ to, (int32_t)len };
	rc = seek(c, offset, &k, &v);
	while (rc == 0 && batches > 0) {
		memcpy(to, v.mv_data, v.mv_size);
		if (rk_crc32c(0, (uint8_t *)to + 21, v.mv_size - 21) != kp_batch_crc(to))
			return MDB_CORRUPTED;
		to += v.mv_size;
		if (--batches > 0)
			rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	}
	return rc;
}

static enum rk_err
lmdb_get(struct st_mlog *ml, int64_t offset, int64_t limit, uint32_t max_bytes, struct rk_arena *a,
    struct rk_str *out)
{
	struct lmdb *l = of(ml);
	MDB_txn *t;
	MDB_cursor *c;
	int rc = mdb_txn_begin(l->env, NULL, MDB_RDONLY, &t);

	if (rc != 0)
		return complain(l, "starting to read", rc);
	rc = mdb_cursor_open(t, l->log, &c);
	if (rc == 0) {
		rc = gather(c, offset, limit, max_bytes, a, out);
		mdb_cursor_close(c);
	}
	mdb_txn_abort(t);
	if (rc == ENOMEM)
		return RK_NO_MEMORY;
	return rc == 0 ? RK_OK : complain(l, "reading a batch", rc);
}

static void
lmdb_shut(struct st_mlog *ml)
{
	struct lmdb *l = of(ml);

	mdb_env_close(l->env);
	rk_mem_put(l);
}

static const struct st_mlog_body body = { lmdb_commit, lmdb_grow, lmdb_get, lmdb_shut };

/* --- opening */

/* LMDB maps the file and trusts every page: what it would crash on is looked for first. */
static int
check_pages(struct lmdb *l)
{
	mdb_filehandle_t fd;
	MDB_envinfo info;
	int rc = mdb_env_get_fd(l->env, &fd);

	if (rc == 0)
		rc = mdb_env_info(l->env, &info);
	if (rc != 0)
		return rc;
	l->map_bytes = info.me_mapsize;
	l->why = st_mdb_damage(fd);
	return l->why == NULL ? 0 : MDB_CORRUPTED;
}

/* What only shows while running: LMDB gives up, and the operator should know on what. */
static void
on_assert(MDB_env *env, const char *what)
{
	struct lmdb *l = mdb_env_get_userctx(env);

	rk_say(RK_FATAL, "LMDB: %s", what);
	(void)complain(l, "using it", MDB_CORRUPTED);
}

static int
open_env(struct lmdb *l)
{
	struct stat file;
	int rc = mdb_env_create(&l->env);

	if (rc != 0)
		return rc;
	l->map_bytes = MAP_MIN_BYTES;
	if (stat(l->path, &file) == 0)
		while (l->map_bytes < (size_t)file.st_size + MAP_MIN_BYTES / 4)
			l->map_bytes *= 2;
	rc = mdb_env_set_maxdbs(l->env, 2);
	if (rc == 0)
		rc = mdb_env_set_mapsize(l->env, l->map_bytes);
	if (rc == 0)
		rc = mdb_env_open(l->env, l->path, MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD, 0644);
	if (rc == 0)
		rc = mdb_env_set_userctx(l->env, l);
	if (rc == 0)
		rc = mdb_env_set_assert(l->env, on_assert);
	return rc == 0 ? check_pages(l) : rc;
}

static int
open_tables(struct lmdb *l)
{
	MDB_txn *t;
	int rc = mdb_txn_begin(l->env, NULL, 0, &t);

	if (rc != 0)
		return rc;
	rc = mdb_dbi_open(t, "log", MDB_CREATE, &l->log);
	if (rc == 0)
		rc = mdb_dbi_open(t, "meta", MDB_CREATE, &l->meta);
	if (rc == 0)
		return mdb_txn_commit(t);
	mdb_txn_abort(t);
	return rc;
}

static int
blob(struct lmdb *l, MDB_txn *t, const char *name, MDB_val *v)
{
	MDB_val k = { strlen(name), (char *)name };
	int rc = mdb_get(t, l->meta, &k, v);

	if (rc == MDB_NOTFOUND)
		*v = (MDB_val){ 0, NULL };
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* The end of the last batch, whose checksum is looked at: it is what a crash would have hurt. */
static int
last_end(struct lmdb *l, MDB_txn *t, int64_t *end)
{
	MDB_cursor *c;
	MDB_val k, v;
	int rc = mdb_cursor_open(t, l->log, &c);

	*end = -1;
	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(c, &k, &v, MDB_LAST);
	if (rc == 0 && (!sound(&k, &v)
	    || rk_crc32c(0, (uint8_t *)v.mv_data + 21, v.mv_size - 21) != kp_batch_crc(v.mv_data)))
		rc = MDB_CORRUPTED;
	if (rc == 0)
		*end = kp_batch_last(v.mv_data) + 1;
	mdb_cursor_close(c);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
load(struct lmdb *l)
{
	MDB_txn *t;
	MDB_val state, lists;
	int64_t end;
	int rc = mdb_txn_begin(l->env, NULL, MDB_RDONLY, &t);

	if (rc != 0)
		return rc;
	rc = blob(l, t, "state", &state);
	if (rc == 0)
		rc = blob(l, t, "lists", &lists);
	if (rc == 0)
		rc = last_end(l, t, &end);
	if (rc == 0 && st_mlog_init(&l->ml, state.mv_data, (uint32_t)state.mv_size, lists.mv_data,
	    (uint32_t)lists.mv_size, end) != RK_OK)
		rc = MDB_INVALID;
	mdb_txn_abort(t);
	return rc;
}

enum rk_err
st_mlog_open(struct rk_env *env, const char *dir, uint32_t lane, struct st_mlog **out)
{
	static const char name[] = "/log.mdb";
	size_t n = strlen(dir);
	struct lmdb *l = rk_mem_get(sizeof *l + n + sizeof name);
	const char *doing = "opening";

	memcpy(l->path, dir, n);
	memcpy(l->path + n, name, sizeof name);
	l->ml.body = &body;
	l->ml.env = env;
	l->ml.lane = lane;
	int rc = open_env(l);
	if (rc == 0)
		rc = open_tables(l);
	if (rc == 0) {
		doing = "loading";
		rc = load(l);
	}
	enum rk_err e = rc == 0 ? rk_dir_sync(env, dir) : complain(l, doing, rc);
	if (e == RK_OK) {
		*out = &l->ml;
		return RK_OK;
	}
	if (rc == 0)
		st_mlog_fini(&l->ml);
	if (l->env != NULL)
		mdb_env_close(l->env);
	rk_mem_put(l);
	return e;
}
