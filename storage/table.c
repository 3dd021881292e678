/* table.c - the metadata image's tables: LMDB, never synced while open, thrown away when in doubt.
 *
 *	PATH/data.mdb    LMDB's pages
 *	PATH/lock.mdb    LMDB's reader slots; means nothing after a stop
 *	PATH/clean       the mark: "size N txn M", written after everything was synced at a clean close
 *
 * The mark names the size and the last transaction of the data it vouches for, so that a file which was
 * cut short or put in its place by hand is not trusted. Without a mark that fits, the folder's files
 * are removed and the image is fed anew. The first write transaction after an open removes the mark and
 * syncs the folder before it touches a page: a crash later finds no mark.
 *
 * This file does its own I/O, as LMDB beneath it does; it is built without the poison. */
#include "storage/table.h"
#include "base/mem.h"
#include "base/say.h"
#include <lmdb.h>
#include <sys/stat.h>

enum { TABLES_MAX = 64, SPARE_MAX = 64, KEY_MAX = 511 };

struct st_txn {
	uint32_t magic;
	struct st_tables *tables;
	struct st_txn *parent; /* of a write transaction inside another */
	struct st_txn *next;   /* among the spare readers */
	MDB_txn *txn;
	bool reader;
	int error;             /* the first LMDB refused with; sticky until the commit answers it */
};

struct st_tables {
	uint32_t magic;
	char path[PATH_MAX];
	MDB_env *env;
	uint32_t count;
	MDB_dbi table[TABLES_MAX];
	struct st_txn *spare; /* readers that were reset and wait to be renewed */
	uint32_t spares;
	bool marked;          /* the mark is (or may be) there */
	bool writing;
};

enum { TABLES_MAGIC = 0x7ab1e500, TXN_MAGIC = 0x7ab1e501 };

static enum rk_err
err_of(int rc)
{
	switch (rc) {
	case 0:
		return RK_OK;
	case ENOSPC:
	case EDQUOT:
	case MDB_MAP_FULL:
		return RK_NO_SPACE;
	case ENOMEM:
		return RK_NO_MEMORY;
	case MDB_CORRUPTED:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_PAGE_NOTFOUND:
		return RK_CORRUPT_MESSAGE;
	default:
		return RK_KAFKA_STORAGE_ERROR;
	}
}

static enum rk_err
failed(const struct st_tables *t, const char *what, int rc)
{
	rk_say(RK_ERROR, "the metadata image %s cannot be %s: %s. It can be removed: it is rebuilt "
	    "from the newest snapshot and the log.", t->path, what, mdb_strerror(rc));
	return err_of(rc);
}

/* --- the mark */

static bool
place(const struct st_tables *t, const char *name, char to[PATH_MAX])
{
	return (size_t)snprintf(to, PATH_MAX, "%s/%s", t->path, name) < PATH_MAX;
}

static int
sync_folder(const struct st_tables *t)
{
	int fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 || fsync(fd) != 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return rc;
}

/* Says what the mark of the data as it stands would be; false when there is no data. */
static bool
mark_of(const struct st_tables *t, char to[80])
{
	char path[PATH_MAX];
	struct stat st;
	MDB_envinfo info = { 0 };

	if (!place(t, "data.mdb", path) || stat(path, &st) != 0)
		return false;
	if (t->env != NULL && mdb_env_info(t->env, &info) != 0)
		return false;
	snprintf(to, 80, "size %lld txn %zu\n", (long long)st.st_size, info.me_last_txnid);
	return true;
}

static void
mark_read(const struct st_tables *t, char to[80])
{
	char path[PATH_MAX];
	int fd = place(t, "clean", path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd < 0 ? 0 : read(fd, to, 79);

	if (fd >= 0)
		close(fd);
	to[n > 0 ? n : 0] = '\0';
}

static int
mark_set(const struct st_tables *t)
{
	char path[PATH_MAX], text[80];

	if (!mark_of(t, text) || !place(t, "clean", path))
		return EIO;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	size_t len = strlen(text);
	bool done = fd >= 0 && write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
	int rc = done ? 0 : errno != 0 ? errno : EIO;
	if (fd >= 0)
		close(fd);
	return rc != 0 ? rc : sync_folder(t);
}

static int
mark_clear(struct st_tables *t)
{
	char path[PATH_MAX];

	if (!place(t, "clean", path))
		return EIO;
	if (unlink(path) != 0 && errno != ENOENT)
		return errno;
	int rc = sync_folder(t);
	if (rc == 0)
		t->marked = false;
	return rc;
}

/* --- opening */

static void
throw_away(const struct st_tables *t)
{
	static const char *const name[] = { "clean", "data.mdb", "lock.mdb" };
	char path[PATH_MAX];

	for (uint32_t i = 0; i < rk_countof(name); i++)
		if (place(t, name[i], path))
			unlink(path);
}

/* The map is address space only; memory is what pages were touched. */
static int
open_env(struct st_tables *t)
{
	int rc = mdb_env_create(&t->env);

	if (rc == 0)
		rc = mdb_env_set_mapsize(t->env, sizeof(void *) < 8 ? (size_t)1 << 30 : (size_t)1 << 36);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(t->env, TABLES_MAX);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(t->env, 1024);
	if (rc == 0)
		rc = mdb_env_open(t->env, t->path,
		    MDB_NOSYNC | MDB_NOMETASYNC | MDB_NOTLS | MDB_NORDAHEAD | MDB_NOMEMINIT, 0644);
	return rc;
}

static int
open_tables(struct st_tables *t)
{
	MDB_txn *txn;
	char name[12];
	int rc = mdb_txn_begin(t->env, NULL, t->marked ? MDB_RDONLY : 0, &txn);

	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < t->count && rc == 0; i++) {
		snprintf(name, sizeof name, "%u", i);
		rc = mdb_dbi_open(txn, name, t->marked ? 0 : MDB_CREATE, &t->table[i]);
	}
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

/* Opens what a fitting mark vouches for; ENOENT: there is none. After an error it is closed again. */
static int
open_marked(struct st_tables *t)
{
	char want[80], have[80];
	int rc = 0;

	mark_read(t, have);
	if (have[0] == '\0' || !mark_of(t, want))
		return ENOENT;
	t->marked = true;
	if (strncmp(want, have, strcspn(have, "t")) != 0) /* the size, before LMDB maps the file */
		rc = MDB_CORRUPTED;
	if (rc == 0)
		rc = open_env(t);
	if (rc == 0 && (!mark_of(t, want) || strcmp(want, have) != 0))
		rc = MDB_CORRUPTED;
	if (rc == 0)
		rc = open_tables(t);
	if (rc != 0 && t->env != NULL)
		mdb_env_close(t->env);
	if (rc != 0) {
		t->env = NULL;
		t->marked = false;
	}
	return rc;
}

static enum rk_err
open_fresh(struct st_tables *t)
{
	throw_away(t);
	int rc = open_env(t);
	if (rc == 0)
		rc = open_tables(t);
	return rc == 0 ? RK_OK : failed(t, "made", rc);
}

enum rk_err
st_tables_open(const char *path, uint32_t count, struct st_tables **out, bool *fresh)
{
	rk_assert(count > 0 && count <= TABLES_MAX);
	*out = NULL;
	*fresh = false;
	struct st_tables *t = rk_new(struct st_tables);
	t->magic = TABLES_MAGIC;
	t->count = count;
	if ((size_t)snprintf(t->path, sizeof t->path, "%s", path) >= sizeof t->path) {
		rk_mem_put(t);
		return RK_KAFKA_STORAGE_ERROR;
	}
	enum rk_err err = RK_OK;
	if (mkdir(path, 0755) != 0 && errno != EEXIST)
		err = failed(t, "made", errno);
	int rc = err == RK_OK ? open_marked(t) : 0;
	if (rc != 0) {
		if (rc != ENOENT)
			rk_say(RK_WARN, "The metadata image %s is damaged (%s). It is remade from the newest snapshot "
			    "and the log; nothing needs to be done.", path, mdb_strerror(rc));
		*fresh = true;
		err = open_fresh(t);
	}
	if (err == RK_OK)
		*out = t;
	else
		st_tables_free(t);
	return err;
}

static void
drop_spares(struct st_tables *t)
{
	while (t->spare != NULL) {
		struct st_txn *x = t->spare;
		t->spare = x->next;
		mdb_txn_abort(x->txn);
		rk_mem_put(x);
	}
	t->spares = 0;
}

enum rk_err
st_tables_close(struct st_tables *t)
{
	char path[PATH_MAX];
	struct stat st;
	MDB_stat page;
	MDB_envinfo info;

	rk_assert(t->magic == TABLES_MAGIC && !t->writing);
	drop_spares(t);
	int rc = 0;
	if (!t->marked) {
		/* Pages that were given back before they were written may leave the file shorter than LMDB counts. */
		rc = mdb_env_stat(t->env, &page);
		if (rc == 0)
			rc = mdb_env_info(t->env, &info);
		if (rc == 0 && place(t, "data.mdb", path) && stat(path, &st) == 0) {
			off_t full = (off_t)(info.me_last_pgno + 1) * (off_t)page.ms_psize;
			if (st.st_size < full && truncate(path, full) != 0)
				rc = errno;
		}
		if (rc == 0)
			rc = mdb_env_sync(t->env, 1);
		if (rc == 0)
			rc = mark_set(t);
	}
	enum rk_err err = rc == 0 ? RK_OK : failed(t, "closed cleanly", rc);
	st_tables_free(t);
	return err;
}

void
st_tables_free(struct st_tables *t)
{
	if (t == NULL)
		return;
	rk_assert(t->magic == TABLES_MAGIC);
	drop_spares(t);
	if (t->env != NULL)
		mdb_env_close(t->env);
	t->magic = 0;
	rk_mem_put(t);
}

/* --- transactions */

static struct st_txn *
txn_new(struct st_tables *t)
{
	struct st_txn *x = rk_new(struct st_txn);

	x->magic = TXN_MAGIC;
	x->tables = t;
	return x;
}

struct st_txn *
st_write_begin(struct st_tables *t, struct st_txn *parent)
{
	rk_assert(t->magic == TABLES_MAGIC);
	struct st_txn *x = txn_new(t);
	x->parent = parent;
	if (parent == NULL) {
		rk_assert(!t->writing);
		t->writing = true;
		if (t->marked)
			x->error = mark_clear(t);
	} else {
		rk_assert(parent->magic == TXN_MAGIC && !parent->reader);
		x->error = parent->error;
	}
	if (x->error == 0)
		x->error = mdb_txn_begin(t->env, parent == NULL ? NULL : parent->txn, 0, &x->txn);
	return x;
}

static void
write_end(struct st_txn *x)
{
	if (x->parent == NULL)
		x->tables->writing = false;
	x->magic = 0;
	rk_mem_put(x);
}

enum rk_err
st_write_commit(struct st_txn *x)
{
	rk_assert(x->magic == TXN_MAGIC && !x->reader);
	int rc = x->error;

	if (rc == 0)
		rc = mdb_txn_commit(x->txn);
	else if (x->txn != NULL)
		mdb_txn_abort(x->txn);
	if (rc != 0 && x->parent != NULL && x->parent->error == 0)
		x->parent->error = rc; /* the parent lacks what it was told */
	enum rk_err err = rc == 0 ? RK_OK : failed(x->tables, "written", rc);
	write_end(x);
	return err;
}

void
st_write_abort(struct st_txn *x)
{
	rk_assert(x->magic == TXN_MAGIC && !x->reader);
	if (x->txn != NULL)
		mdb_txn_abort(x->txn);
	write_end(x);
}

struct st_txn *
st_read_begin(struct st_tables *t)
{
	rk_assert(t->magic == TABLES_MAGIC);
	struct st_txn *x = t->spare;
	if (x != NULL) {
		t->spare = x->next;
		t->spares--;
		x->error = mdb_txn_renew(x->txn);
	} else {
		x = txn_new(t);
		x->reader = true;
		x->error = mdb_txn_begin(t->env, NULL, MDB_RDONLY, &x->txn);
	}
	if (x->error != 0)
		rk_die(__FILE__, __LINE__, mdb_strerror(x->error)); /* reader slots ran out: a leak of ours */
	return x;
}

void
st_read_end(struct st_txn *x)
{
	rk_assert(x->magic == TXN_MAGIC && x->reader);
	struct st_tables *t = x->tables;
	if (t->spares < SPARE_MAX) {
		mdb_txn_reset(x->txn);
		x->next = t->spare;
		t->spare = x;
		t->spares++;
		return;
	}
	mdb_txn_abort(x->txn);
	x->magic = 0;
	rk_mem_put(x);
}

/* --- rows */

static MDB_val
val(struct rk_str s)
{
	return (MDB_val){ .mv_size = (size_t)(s.len > 0 ? s.len : 0), .mv_data = (void *)(uintptr_t)s.at };
}

static struct rk_str
str(MDB_val v)
{
	rk_assert(v.mv_size <= INT32_MAX);
	return (struct rk_str){ v.mv_data, (int32_t)v.mv_size };
}

/* Reads answer nothing once the transaction is broken; its commit says why. */
static bool
usable(struct st_txn *x, uint32_t table)
{
	rk_assert(x->magic == TXN_MAGIC);
	rk_assert(table < x->tables->count);
	return x->error == 0;
}

bool
st_failed(const struct st_txn *x)
{
	rk_assert(x->magic == TXN_MAGIC);
	return x->error != 0;
}

bool
st_get(struct st_txn *x, uint32_t table, struct rk_str key, struct rk_str *value)
{
	MDB_val k = val(key), v;

	rk_assert(key.len > 0 && key.len <= KEY_MAX);
	*value = RK_STR_NULL;
	if (!usable(x, table))
		return false;
	int rc = mdb_get(x->txn, x->tables->table[table], &k, &v);
	if (rc == 0)
		*value = str(v);
	else if (rc != MDB_NOTFOUND)
		x->error = rc;
	return rc == 0;
}

void
st_put(struct st_txn *x, uint32_t table, struct rk_str key, struct rk_str value)
{
	MDB_val k = val(key), v = val(value);

	rk_assert(key.len > 0 && key.len <= KEY_MAX && !x->reader);
	if (usable(x, table))
		x->error = mdb_put(x->txn, x->tables->table[table], &k, &v, 0);
}

bool
st_del(struct st_txn *x, uint32_t table, struct rk_str key)
{
	MDB_val k = val(key);

	rk_assert(key.len > 0 && key.len <= KEY_MAX && !x->reader);
	if (!usable(x, table))
		return false;
	int rc = mdb_del(x->txn, x->tables->table[table], &k, NULL);
	if (rc != 0 && rc != MDB_NOTFOUND)
		x->error = rc;
	return rc == 0;
}

uint64_t
st_del_prefix(struct st_txn *x, uint32_t table, struct rk_str prefix)
{
	struct st_cursor c;
	uint64_t n = 0;

	rk_assert(!x->reader);
	if (prefix.len <= 0) {
		n = st_count(x, table);
		if (x->error == 0)
			x->error = mdb_drop(x->txn, x->tables->table[table], 0);
		return n;
	}
	for (bool more = st_cursor_begin(&c, x, table, prefix, prefix); more; more = st_cursor_next(&c)) {
		x->error = mdb_cursor_del(c.own, 0);
		if (x->error != 0)
			break;
		n++;
	}
	st_cursor_end(&c);
	return n;
}

uint64_t
st_count(struct st_txn *x, uint32_t table)
{
	MDB_stat s;

	if (!usable(x, table))
		return 0;
	x->error = mdb_stat(x->txn, x->tables->table[table], &s);
	return x->error == 0 ? s.ms_entries : 0;
}

/* --- cursors */

static bool
settle(struct st_cursor *c, MDB_val *k, MDB_val *v, MDB_cursor_op op)
{
	int rc = mdb_cursor_get(c->own, k, v, op);

	if (rc != 0) {
		if (rc != MDB_NOTFOUND)
			c->txn->error = rc;
		return false;
	}
	c->key = str(*k);
	c->value = str(*v);
	return c->prefix.len <= 0 ||
	    (c->key.len >= c->prefix.len && memcmp(c->key.at, c->prefix.at, (size_t)c->prefix.len) == 0);
}

bool
st_cursor_begin(struct st_cursor *c, struct st_txn *x, uint32_t table, struct rk_str prefix, struct rk_str from)
{
	MDB_cursor *own = NULL;
	MDB_val k, v;

	*c = (struct st_cursor){ .txn = x, .prefix = prefix };
	if (!usable(x, table))
		return false;
	int rc = mdb_cursor_open(x->txn, x->tables->table[table], &own);
	if (rc != 0) {
		x->error = rc;
		return false;
	}
	c->own = own;
	if (from.len < prefix.len)
		from = prefix;
	k = val(from);
	return settle(c, &k, &v, from.len > 0 ? MDB_SET_RANGE : MDB_FIRST);
}

bool
st_cursor_next(struct st_cursor *c)
{
	MDB_val k, v;

	return c->own != NULL && c->txn->error == 0 && settle(c, &k, &v, MDB_NEXT);
}

void
st_cursor_end(struct st_cursor *c)
{
	if (c->own != NULL)
		mdb_cursor_close(c->own);
	c->own = NULL;
}
