/* table.h - ordered tables with nested transactions, for the metadata image: LMDB behind a narrow door.
 *
 * Keys and values are bytes; keys are ordered by memcmp. One write transaction at a time, with children;
 * read transactions see the last commit. A commit is not synced: the image can be rebuilt, so it carries
 * a mark that is set by a clean close and cleared, durably, by the first write after an open. An image
 * that was not closed cleanly is thrown away at open (RK_NOT_FOUND semantics: *fresh is true). */
#ifndef ST_TABLE_H
#define ST_TABLE_H
#include "base/env.h"

struct st_tables;
struct st_txn;

/* Opens or makes the environment at path (a folder of its own) with tables 0..count-1. One that is not
 * whole is said and remade: *fresh. An error means the folder cannot be used at all; it has been said. */
rk_must_use enum rk_err st_tables_open(const char *path, uint32_t count, struct st_tables **, bool *fresh);
/* Syncs, marks clean, closes. */
rk_must_use enum rk_err st_tables_close(struct st_tables *);
void st_tables_free(struct st_tables *); /* as a crash would */

/* Transactions. parent NULL: the one top write transaction. Readers of the core's thread go through
 * st_read_begin, any number, cheap (a renewed handle). */
struct st_txn *st_write_begin(struct st_tables *, struct st_txn *parent);
rk_must_use enum rk_err st_write_commit(struct st_txn *); /* RK_NO_SPACE, RK_KAFKA_STORAGE_ERROR: nothing happened */
void st_write_abort(struct st_txn *);
struct st_txn *st_read_begin(struct st_tables *);
void st_read_end(struct st_txn *);

/* Something failed in it (the disk is full, say): reads find nothing now, and the commit will say what. */
bool st_failed(const struct st_txn *);

/* Keys have 1..511 bytes. Once something failed, reads find nothing, and the commit says what it was.
 * The value stays valid until the transaction ends or, in a write transaction, until the next write. */
bool st_get(struct st_txn *, uint32_t table, struct rk_str key, struct rk_str *value);
void st_put(struct st_txn *, uint32_t table, struct rk_str key, struct rk_str value); /* errors stick: see commit */
bool st_del(struct st_txn *, uint32_t table, struct rk_str key);                      /* false: was not there */
/* Removes every key that begins with prefix (the empty one: all); returns how many. */
uint64_t st_del_prefix(struct st_txn *, uint32_t table, struct rk_str prefix);
uint64_t st_count(struct st_txn *, uint32_t table);

struct st_cursor {
	struct st_txn *txn;
	void *own;             /* the library's */
	struct rk_str prefix;  /* only keys that begin so; the caller's bytes, kept while the cursor is */
	struct rk_str key, value;
};
/* Places the cursor at the first key >= from (within prefix, which from begins with or is shorter than);
 * false: none. Always end it, before its transaction. A write elsewhere in the transaction makes key and
 * value stale until the next step. */
bool st_cursor_begin(struct st_cursor *, struct st_txn *, uint32_t table, struct rk_str prefix, struct rk_str from);
bool st_cursor_next(struct st_cursor *);
void st_cursor_end(struct st_cursor *);
#endif
