/* mdb.h - is this LMDB file whole? LMDB trusts what it maps: a damaged page is a crash, or silence. */
#ifndef ST_MDB_H
#define ST_MDB_H

/* Walks every page that the newest commit reaches, and the list of free pages, without LMDB: each page is where
 * and what it says, points only into the file, and is reached once. Touches the pages' heads and nodes, not
 * the values behind them. Nobody may write meanwhile. NULL: sound; else what is not. */
const char *st_mdb_damage(int fd);
#endif
