/* env.h - the world, as a node sees it: src/host fills it in from libevent and the kernel,
 * tests/sim from a seed. A node is handed one and knows no other.
 *
 * One thread calls everything here and gets every callback: the core's. No call waits, except those
 * marked "waits", which are for start, stop and rare small files. Paths are absolute. Every callback
 * comes from the world's loop, never from inside the call that asked for it. */
#ifndef RK_ENV_H
#define RK_ENV_H
#include "base/err.h"
#include "base/out.h"

struct rk_env;

/* A counted file: keeps a path, and an open descriptor only while it is warm. The world embeds this
 * head in its own struct. */
struct rk_file {
	struct rk_env *env;
};

/* One connection; the world embeds this head too. */
struct rk_conn {
	struct rk_env *env;
	void *node;      /* src/node's state of this connection; NULL until node_opened, or conn_open's caller set it */
	const char *why; /* in node_gone of one we made: a literal, "connection refused", "no such host", ... */
	bool ours;       /* made by conn_open: frames on it are answers */
	bool refused;    /* nobody listens there: the process is not running */
};

typedef void rk_done(void *arg, enum rk_err);
typedef void rk_job(void *arg);
typedef void rk_entry(void *arg, const char *name, bool is_dir);

enum rk_open { RK_OPEN_READ, RK_OPEN_WRITE, RK_OPEN_CREATE };

struct rk_space {
	int64_t total_bytes, free_bytes; /* of the file system, free for us */
};

struct rk_world {
	/* --- time and chance */
	int64_t (*now_ms)(struct rk_env *);  /* monotonic */
	int64_t (*wall_ms)(struct rk_env *); /* since 1970; for record timestamps and the like */
	uint64_t (*chance)(struct rk_env *); /* 64 random bits, good enough for ids */
	/* Asks for node_tick no later than at_ms (monotonic); replaces the earlier wish. */
	void (*wake)(struct rk_env *, int64_t at_ms);

	/* --- files. RK_KAFKA_STORAGE_ERROR for EIO and its like, RK_NO_SPACE for ENOSPC/EDQUOT,
	 * RK_NO_DESCRIPTOR for EMFILE/ENFILE (a later try may go well), RK_NOT_FOUND. */
	/* Opens (WRITE: must exist; CREATE: made when absent; READ: never written). The descriptor may
	 * be closed and opened again behind the caller's back. The caller gets one count. */
	enum rk_err (*file_open)(struct rk_env *, const char *path, enum rk_open, struct rk_file **);
	void (*file_hold)(struct rk_file *);
	void (*file_drop)(struct rk_file *);
	enum rk_err (*file_size)(struct rk_file *, uint64_t *);
	/* Reads exactly len bytes; RK_NOT_FOUND when the file ends before. May wait for the disk. */
	enum rk_err (*file_read)(struct rk_file *, uint64_t pos, void *to, uint32_t len);
	/* Writes all or, on an error, reports it: the file's tail past pos is then undefined. */
	enum rk_err (*file_write)(struct rk_file *, uint64_t pos, const void *, uint32_t len);
	enum rk_err (*file_truncate)(struct rk_file *, uint64_t len);
	/* Reserves disk space up to len bytes where the file system can; the size becomes len. */
	enum rk_err (*file_reserve)(struct rk_file *, uint64_t len);
	/* fdatasync on a worker; done with RK_OK means: all that was written before the call is on
	 * stable storage. Any other answer: nothing is known, and the page cache is not to be trusted. */
	void (*file_sync)(struct rk_file *, rk_done *, void *arg);
	enum rk_err (*file_sync_wait)(struct rk_file *); /* waits */
	/* The path of the file follows a rename of it or of its folder. */
	enum rk_err (*file_rename)(struct rk_file *, const char *to);

	/* For jobs (work below): a pinned file keeps its descriptor, and one job at a time may read and write it. Answers as
	 * file_open; unpin as often. The two for jobs say nothing: their caller does, back in the loop. */
	enum rk_err (*file_pin)(struct rk_file *);
	void (*file_unpin)(struct rk_file *);
	enum rk_err (*job_read)(struct rk_file *, uint64_t pos, void *to, uint32_t len);
	enum rk_err (*job_write)(struct rk_file *, uint64_t pos, const void *, uint32_t len);

	/* --- the file system around them. All may wait; none syncs unless it says so. */
	enum rk_err (*dir_make)(struct rk_env *, const char *path); /* one level; exists is OK */
	enum rk_err (*dir_list)(struct rk_env *, const char *path, rk_entry *, void *arg);
	enum rk_err (*dir_sync)(struct rk_env *, const char *path);
	enum rk_err (*path_rename)(struct rk_env *, const char *from, const char *to);
	enum rk_err (*path_remove)(struct rk_env *, const char *path); /* a file or an empty folder */
	enum rk_err (*space)(struct rk_env *, const char *path, struct rk_space *);
	/* Locks the file (made when absent) against every other process until this world ends, as Kafka's
	 * .lock is. RK_EXISTS: another process holds it. NULL in a world of one process. */
	enum rk_err (*path_lock)(struct rk_env *, const char *path);

	/* --- work off the core: fn on some worker thread (it may touch only arg), then done here.
	 * Jobs of one lane run one after the other; lane 0 has no order. */
	void (*work)(struct rk_env *, uint32_t lane, rk_job *fn, rk_done *done, void *arg);

	/* --- connections. The host reads whole frames and gives each to node_frame; it then reads no
	 * further frame of that connection until conn_resume. */
	/* Sends the pieces after all that was given before, taking over the counts of files; memory
	 * pieces must stay until node_sent, which comes once for each call when all of it has left (never
	 * from inside this call; not after node_gone). */
	void (*conn_send)(struct rk_conn *, struct rk_out *);
	void (*conn_resume)(struct rk_conn *);
	/* Closes after what was given to conn_send has left (at most some seconds later), or at once when
	 * now. why goes to the log at debug level. node_gone follows, never from inside this call. */
	void (*conn_close)(struct rk_conn *, bool now, const char *why);
	const char *(*conn_peer)(const struct rk_conn *); /* "127.0.0.1:51234" */
	/* Begins a connection to host:port; a name is looked up on a worker. It is handed back at once, and its owner
	 * sets conn->node. Then from the loop: node_reached when it is open, and in any case, once, node_gone:
	 * it could not be opened, broke, or was closed by conn_close (which does not wait for one that is not open
	 * yet). What conn_send was given before it is open leaves then. Frames come as on any connection: one, then none
	 * until conn_resume. It counts as no client's connection, and the world never closes it for being silent: its
	 * owner does, or the other side. Never NULL. */
	struct rk_conn *(*conn_open)(struct rk_env *, const char *host, uint16_t port);
	/* Moves the bytes on: asks for the file's pages soon, on a worker. Only a hint. */
	void (*file_warm)(struct rk_file *, uint64_t pos, uint32_t len);
};

struct rk_env {
	const struct rk_world *world;
};

/* What every layer calls. */
#define rk_now(e) ((e)->world->now_ms(e))
#define rk_wall(e) ((e)->world->wall_ms(e))
#define rk_chance(e) ((e)->world->chance(e))
#define rk_file_open(e, path, how, out) ((e)->world->file_open(e, path, how, out))
#define rk_file_hold(f) ((f)->env->world->file_hold(f))
#define rk_file_drop(f) ((f)->env->world->file_drop(f))
#define rk_file_size(f, out) ((f)->env->world->file_size(f, out))
#define rk_file_read(f, pos, to, len) ((f)->env->world->file_read(f, pos, to, len))
#define rk_file_write(f, pos, from, len) ((f)->env->world->file_write(f, pos, from, len))
#define rk_file_truncate(f, len) ((f)->env->world->file_truncate(f, len))
#define rk_file_reserve(f, len) ((f)->env->world->file_reserve(f, len))
#define rk_file_sync(f, done, arg) ((f)->env->world->file_sync(f, done, arg))
#define rk_file_sync_wait(f) ((f)->env->world->file_sync_wait(f))
#define rk_file_rename(f, to) ((f)->env->world->file_rename(f, to))
#define rk_file_pin(f) ((f)->env->world->file_pin(f))
#define rk_file_unpin(f) ((f)->env->world->file_unpin(f))
#define rk_job_read(f, pos, to, len) ((f)->env->world->job_read(f, pos, to, len))
#define rk_job_write(f, pos, from, len) ((f)->env->world->job_write(f, pos, from, len))
#define rk_dir_make(e, path) ((e)->world->dir_make(e, path))
#define rk_dir_list(e, path, fn, arg) ((e)->world->dir_list(e, path, fn, arg))
#define rk_dir_sync(e, path) ((e)->world->dir_sync(e, path))
#define rk_path_rename(e, from, to) ((e)->world->path_rename(e, from, to))
#define rk_path_remove(e, path) ((e)->world->path_remove(e, path))
#define rk_space_of(e, path, out) ((e)->world->space(e, path, out))
#define rk_conn_send(c, out) ((c)->env->world->conn_send(c, out))
#define rk_conn_resume(c) ((c)->env->world->conn_resume(c))
#define rk_conn_close(c, at_once, why) ((c)->env->world->conn_close(c, at_once, why))
#define rk_conn_open(e, host, port) ((e)->world->conn_open(e, host, port))
#define rk_conn_peer(c) ((c)->env->world->conn_peer(c))
#define rk_file_warm(f, pos, len) ((f)->env->world->file_warm(f, pos, len))
#define rk_work(e, lane, fn, done, arg) ((e)->world->work(e, lane, fn, done, arg))
struct rk_uuid rk_env_uuid(struct rk_env *); /* random, type 4, not one of Kafka's reserved 0..99 */
/* A whole small file into the arena (zero behind len). RK_NOT_FOUND, RK_KAFKA_STORAGE_ERROR; over: too big. */
rk_must_use enum rk_err rk_env_slurp(struct rk_env *, const char *path, struct rk_arena *, struct rk_str *);
/* Replaces path durably: path.tmp written, synced, renamed, folder synced. Waits. */
rk_must_use enum rk_err rk_env_spill(struct rk_env *, const char *path, const void *, uint32_t len);
#endif
