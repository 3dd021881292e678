/* disk.h - a file system in memory that may lose what was not synced.
 *
 * It outlives the node: a crash takes it back to what was durable, and on the way decides by chance what
 * of the rest had already reached the platter. Files: each dirty page is there, gone, or torn; the length
 * is anything between the durable one and the last one. Names: changes of folders are a journal; a folder's
 * sync makes its own changes durable, and a crash keeps a prefix of those that are left. A file that
 * was created but whose folder was not synced may be gone, however often the file was.
 *
 * Faults on demand: errors of reads, writes and syncs by chance, a full disk. A failed sync leaves
 * the pages clean in the cache and not on the platter, as Linux does; the file refuses writes from
 * then on. Paths are absolute; "/" is always there. */
#ifndef SIM_DISK_H
#define SIM_DISK_H
#include "base/env.h"
#include "tests/sim/sim.h"

enum { SIM_PAGE = 4096 };

struct sim_faults {          /* in a million */
	uint32_t read_eio, write_eio, sync_eio;
	uint32_t torn, flip;     /* torn: a dirty page at a crash; flip: a bit in it */
	uint32_t sync_lies;      /* says RK_OK and does nothing: no program can survive that, checkers must see it */
	int64_t space_bytes;     /* of all files together; 0: no limit */
};

struct sim_disk;
struct sim_inode;

struct sim_disk *sim_disk_new(struct sim *);
void sim_disk_free(struct sim_disk *);
struct sim_faults *sim_disk_faults(struct sim_disk *); /* to be changed at will */
void sim_disk_crash(struct sim_disk *);
/* What all files' contents hash to, names included: for digests. */
uint64_t sim_disk_hash(const struct sim_disk *);
int64_t sim_disk_used(const struct sim_disk *);
/* A bit flips on the platter and in the cache. False: no such file or byte. */
bool sim_disk_flip(struct sim_disk *, const char *path, uint64_t bit);

/* --- for checkers: every file, by its name now, or (safe) by the names and lengths a crash would leave at least */
typedef void sim_look(void *arg, const char *path, struct sim_inode *, uint64_t size);
void sim_disk_each(const struct sim_disk *, bool safe, const char *below, sim_look *, void *arg);
/* What is there, or (safe) what would be there after a crash that keeps nothing that was not synced. False: past the
 * end. */
bool sim_inode_peek(const struct sim_inode *, bool safe, uint64_t pos, void *to, uint32_t len);
/* Everything below the folder is gone, names and bytes; nobody has it open. */
void sim_disk_wipe(struct sim_disk *, const char *folder);

/* --- for world.c */
bool sim_inode_folder(const struct sim_inode *);
rk_must_use enum rk_err sim_disk_open(struct sim_disk *, const char *path, enum rk_open, struct sim_inode **);
void sim_inode_drop(struct sim_disk *, struct sim_inode *);
uint64_t sim_inode_size(const struct sim_inode *);
rk_must_use enum rk_err sim_inode_read(struct sim_disk *, struct sim_inode *, uint64_t pos, void *, uint32_t len);
rk_must_use enum rk_err sim_inode_write(struct sim_disk *, struct sim_inode *, uint64_t pos, const void *,
    uint32_t len);
rk_must_use enum rk_err sim_inode_resize(struct sim_disk *, struct sim_inode *, uint64_t len);
/* A sync in two steps: what is dirty at begin is durable when end says RK_OK. Of a folder: its names, wherever it is by
 * then. */
uint64_t sim_sync_begin(struct sim_disk *, struct sim_inode *);
rk_must_use enum rk_err sim_sync_end(struct sim_disk *, struct sim_inode *, uint64_t begun);
const char *sim_inode_path(struct sim_disk *, const struct sim_inode *); /* NULL: removed */

rk_must_use enum rk_err sim_disk_mkdir(struct sim_disk *, const char *path);
rk_must_use enum rk_err sim_disk_list(struct sim_disk *, const char *path, rk_entry *, void *arg);
rk_must_use enum rk_err sim_disk_syncdir(struct sim_disk *, const char *path);
rk_must_use enum rk_err sim_disk_rename(struct sim_disk *, const char *from, const char *to);
rk_must_use enum rk_err sim_disk_remove(struct sim_disk *, const char *path);
#endif
