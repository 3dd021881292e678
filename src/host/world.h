/* world.h - what the files of src/host share: the world, its connections, files and workers.
 *
 * Threads: everything here belongs to the loop's thread, except struct host_pool's queues (under its
 * mutex) and the fields of a task that a worker runs at the moment. */
#ifndef HOST_WORLD_H
#define HOST_WORLD_H
#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include "base/list.h"
#include "base/mem.h"
#include "base/say.h"
#include "src/host/host.h"

enum {
	HOST_SCRATCH = 128 * 1024, /* one buffer for all small reads and gathered writes */
	HOST_SMALL = 32 * 1024,    /* file pieces up to this are gathered, longer ones go by sendfile */
	HOST_CHUNK = 1024 * 1024,  /* at most this much of a file piece at a time */
	HOST_TURN = 2 * HOST_CHUNK, /* one connection's share of one round */
	HOST_ANSWER_MAX = 1 << 30,  /* of a frame on a connection we made: a fetch may be long */
	HOST_IOV = 64,
	HOST_DRAIN_MS = 5000,      /* how long a closing connection may take to read its last answer */
	HOST_COLD_MS = 60000,      /* a descriptor unused so long is closed */
};

/* --- work off the core (pool.c) */
struct host_task {
	struct rk_list link;
	uint32_t lane;
	rk_job *fn;    /* on a worker */
	rk_done *done; /* in the loop */
	void *arg;
	enum rk_err err; /* fn may set it through its own struct; RK_OK otherwise */
};

struct host_pool {
	pthread_mutex_t lock; /* guards everything below, up to the threads */
	pthread_cond_t more;
	struct rk_list run, finished;
	struct rk_map lanes; /* the lanes that have a job running or in run */
	bool stopping;
	pthread_t *thread;
	uint32_t threads, threads_max;
	uint32_t idle, queued; /* workers waiting; tasks whose done was not called yet */
	int wake_fd;           /* eventfd: finished is not empty */
};

enum rk_err host_pool_start(struct host_pool *, uint32_t threads);
/* Takes the task's memory as it is: the caller embeds it and frees it in done. */
void host_pool_give(struct host_pool *, struct host_task *);
/* Calls done for all that is finished. */
void host_pool_reap(struct host_pool *);
/* Lets the running tasks end and forgets the rest. Every task's done is called, for its memory; world.ending
 * is set before, so that none of them calls the node. */
void host_pool_stop(struct host_pool *);
void host_work(struct rk_env *, uint32_t lane, rk_job *, rk_done *, void *arg);

/* --- names and files (name.c, file.c, dir.c) */

/* One component of a path that some open file lives under. A rename moves one of these, so that every
 * file below follows at no cost. */
struct host_name {
	struct rk_node node;
	struct host_name *up; /* NULL: the root, or a name that is gone */
	uint32_t refs;
	bool lost; /* removed or replaced: opening it again must not find a newer file */
	uint16_t len;
	char *text;
};

struct host_name *host_name_of(struct rk_map *, const char *path); /* one count */
struct host_name *host_name_find(struct rk_map *, const char *path); /* NULL; no count */
void host_name_hold(struct host_name *);
void host_name_drop(struct rk_map *, struct host_name *);
/* False when the path is longer than PATH_MAX or gone. */
bool host_name_path(const struct host_name *, char to[PATH_MAX]);
/* What is known as from is known as to; a file that was known as to is lost. */
void host_name_move(struct rk_map *, const char *from, const char *to);
void host_name_lose(struct rk_map *, const char *path);

struct host_file {
	struct rk_file file;
	struct host_name *name;
	struct rk_list lru; /* in files.warm while fd >= 0 */
	int64_t used_ms;
	int fd;        /* -1: closed for now */
	uint32_t refs;
	uint16_t pins; /* a worker or a sender needs fd: not to be closed */
	uint8_t how;   /* enum rk_open */
	bool dirty;    /* written since the last good sync: closed only when nothing else is left */
	bool broken;   /* a sync failed: what the disk has is unknown for good */
};

struct host_files {
	struct rk_map names;
	struct rk_list warm; /* open descriptors, coldest first */
	uint32_t open, max, all;
};

/* Makes f->fd valid and f the warmest. */
rk_must_use enum rk_err host_file_warm_fd(struct host_file *);
void host_file_pin(struct host_file *);
void host_file_unpin(struct host_file *);
/* Closes up to n of the coldest descriptors; how many it got. */
uint32_t host_files_shed(struct host_world *, uint32_t n);
void host_files_close_idle(struct host_world *);
int64_t host_files_next_ms(const struct host_world *);
/* Maps errno and says op, path and errno's text at error level (NOT_FOUND is not worth a line). */
enum rk_err host_fail(int error, const char *op, const char *path);
static inline struct host_file *
host_file_of(struct rk_file *f)
{
	return rk_of(f, struct host_file, file);
}
extern const struct rk_world host_world_calls;

enum rk_err host_file_open(struct rk_env *, const char *path, enum rk_open, struct rk_file **);
void host_file_hold(struct rk_file *);
void host_file_drop(struct rk_file *);
enum rk_err host_file_size(struct rk_file *, uint64_t *);
enum rk_err host_file_read(struct rk_file *, uint64_t pos, void *, uint32_t len);
enum rk_err host_file_write(struct rk_file *, uint64_t pos, const void *, uint32_t len);
enum rk_err host_file_truncate(struct rk_file *, uint64_t len);
enum rk_err host_file_reserve(struct rk_file *, uint64_t len);
void host_file_sync(struct rk_file *, rk_done *, void *arg);
enum rk_err host_file_sync_wait(struct rk_file *);
enum rk_err host_file_pin_for_jobs(struct rk_file *);
void host_file_unpin_for_jobs(struct rk_file *);
enum rk_err host_job_read(struct rk_file *, uint64_t pos, void *, uint32_t len);
enum rk_err host_job_write(struct rk_file *, uint64_t pos, const void *, uint32_t len);
enum rk_err host_file_rename(struct rk_file *, const char *to);
void host_file_warm(struct rk_file *, uint64_t pos, uint32_t len);
enum rk_err host_dir_make(struct rk_env *, const char *);
enum rk_err host_dir_list(struct rk_env *, const char *, rk_entry *, void *arg);
enum rk_err host_dir_sync(struct rk_env *, const char *);
enum rk_err host_path_rename(struct rk_env *, const char *from, const char *to);
enum rk_err host_path_remove(struct rk_env *, const char *);
enum rk_err host_path_lock(struct rk_env *, const char *path);
enum rk_err host_space(struct rk_env *, const char *, struct rk_space *);

/* --- faults on purpose (fault.c) */
enum host_fault { HOST_FAULT_OPEN, HOST_FAULT_READ, HOST_FAULT_WRITE, HOST_FAULT_FSYNC,
	HOST_FAULT_RENAME, HOST_FAULT_DIRSYNC, HOST_FAULTS };
void host_fault_setup(const char *text); /* ROOKERY_FAULT's value; NULL: none */
/* The errno to fail with, or 0. Any thread. */
int host_fault(enum host_fault, const char *path);
extern bool host_faulty; /* false: do not even compose the path */

/* --- connections (conn.c, send.c, listen.c) */
struct host_send { /* the rest of one conn_send */
	struct host_send *next;
	struct rk_piece *piece;
	uint32_t count, at;
	uint32_t done; /* bytes of piece[at] that have left */
};

struct host_warmup;
struct host_dial;
struct host_conn {
	struct rk_conn conn;
	struct event io;      /* read and write, edge-triggered: added once */
	struct rk_list ready; /* in world.ready: may give a frame */
	struct rk_list dirty; /* in world.dirty: has something to send */
	struct rk_list lru;   /* in world.idle (ours: kept, and reaching before), or closing when on its way out */
	int64_t active_ms;    /* last sign of life; while closing or reaching: when patience ends */
	uint8_t *frame;       /* the frame that is arriving: got of want bytes */
	uint32_t want, got;
	uint8_t *stash; /* bytes received behind the last frame */
	uint32_t stash_at, stash_len;
	struct host_send *head, *tail;
	struct host_warmup *warmup; /* a worker fetches cold pages for us */
	uint64_t warm_to;           /* the current file piece is warm up to here */
	int fd;
	uint8_t listener;
	bool readable : 1, paused : 1, half : 1; /* half: the peer has finished sending */
	bool blocked : 1, corked : 1, closing : 1, dead : 1;
	struct host_ip *ip;     /* NULL: ours */
	struct host_dial *dial; /* ours, and not open yet */
	char peer[];
};

struct host_ip { /* an address that has connections */
	struct rk_node node;
	uint32_t conns;
	char text[];
};

struct host_listener {
	struct event io;
	struct host_world *world;
	int fd;
	uint32_t index;
	uint16_t port;
	bool paused;
};

struct host_world {
	struct rk_env env;
	struct host_options opt;
	struct event_base *base;
	struct node *node;
	struct host_pool pool;
	struct event pool_io;
	struct host_files files;
	int64_t now_ms, wall_ms;
	int64_t wake_ms; /* the node's wish */
	struct event tick; /* the earliest of the wish and our own chores */
	int64_t tick_ms;
	uint64_t chance[64];
	uint32_t chance_left;
	struct rk_list ready, dirty, idle, kept, reaching, closing, dead;
	struct rk_map ips; /* struct host_ip by address */
	uint32_t conns;
	struct host_listener *listener;
	uint32_t listeners;
	int *lock;             /* descriptors that hold a lock, open to the end */
	uint32_t locks, lock_cap;
	int spare_fd; /* given up for a moment when the process has no descriptor left */
	int64_t accept_ms; /* accepting rests until then; 0: it does not */
	int64_t second_ms; /* when the second began that accepted_then counts from */
	uint64_t accepted_then;
	bool called; /* the node was called since its last flush */
	bool no_nowait, no_cachestat; /* this kernel or file system cannot say */
	bool stopping, stopped; /* the node was told to stop; it has */
	int64_t quit_ms; /* when it was told */
	bool shut;   /* every connection was closed, none is made any more */
	bool ending; /* nothing calls the node any more */
	int status;
	struct event term, intr, hup;
	struct evhttp *http;
	uint64_t frames, bytes_in, bytes_out, accepted, dialled, warmups, syncs, trimmed_at;
	uint8_t *scratch; /* HOST_SCRATCH bytes, for one receive or one gathered write */
};

static inline struct host_world *
host_of(struct rk_env *e)
{
	return rk_of(e, struct host_world, env);
}
static inline struct host_conn *
host_conn_of(struct rk_conn *c)
{
	return rk_of(c, struct host_conn, conn);
}

/* Takes fd over, and one of the address's count. peer: the address with its port, as text. */
void host_conn_new(struct host_world *, int fd, uint32_t listener, const char *peer, struct host_ip *);
/* Counts a connection of the address; NULL: it has most already. */
struct host_ip *host_ip_add(struct host_world *, struct rk_str ip, uint32_t most);
void host_ip_sub(struct host_world *, struct host_ip *);
void host_conn_kill(struct host_conn *, enum rk_level, const char *why);
void host_conn_touch(struct host_conn *);
void host_conns_read(struct host_world *);    /* at most one frame of each ready connection */
void host_conns_send(struct host_world *);    /* what the dirty ones have, up to a turn each */
void host_conns_bury(struct host_world *);    /* the dead: node_gone, freed */
void host_conns_expire(struct host_world *);  /* the idle and those that would not drain */
int64_t host_conns_next_ms(const struct host_world *);
void host_conns_close(struct host_world *);   /* all, at once */
void host_conn_drop_sends(struct host_conn *);
void host_conn_send(struct rk_conn *, struct rk_out *);
void host_conn_resume(struct rk_conn *);
void host_conn_close(struct rk_conn *, bool now, const char *why);
const char *host_conn_peer(const struct rk_conn *);

void host_conn_io(evutil_socket_t, short what, void *conn); /* libevent's callback */

/* --- connections we make (dial.c) */
struct rk_conn *host_conn_open(struct rk_env *, const char *host, uint16_t port);
bool host_dial_io(struct host_conn *, short what); /* true: it is open now, and what holds for it */
void host_dials_expire(struct host_world *);
void host_dial_drop(struct host_conn *);

/* Binds all listeners of the options; says why not. */
rk_must_use bool host_listen_bind(struct host_world *);
rk_must_use bool host_listen_open(struct host_world *); /* listens and accepts */
void host_listen_rest(struct host_world *, bool on);    /* pauses all, or goes on */
void host_listen_close(struct host_world *);

/* What now_ms and wall_ms say until the next look. Every callback of libevent's looks first: it has waited. */
void host_look_at_clocks(struct host_world *);

/* --- the process (run.c, notify.c, http.c) */
void host_notify(const char *state); /* to systemd, when it waits for word */
rk_must_use bool host_http_open(struct host_world *);
void host_http_close(struct host_world *);
/* No worker runs any more and none will. */
void host_stop_workers(struct host_world *);
/* Raises RLIMIT_NOFILE and divides it; sets up the heap. Once per process. */
void host_process_setup(struct host_options *);
/* From now on a bus error names the file it came from, and the way out, and ends the process with 1. */
void host_crash_setup(void);
#endif
