/* world.c - see world.h.
 *
 * Every callback into the node goes through the event queue, guarded by the world's life, and is followed by
 * node_flush, as the host's rounds are. A connection's two directions are queues: frames wait until the node
 * resumes; an answer is read from its pieces (files too) when it leaves, as sendfile would. */
#include <sys/stat.h>
#include "tests/sim/world.h"
#include "base/mem.h"
#include "base/say.h"

struct sim_file {
	struct rk_file file;
	struct sim_inode *inode;
	enum rk_open how;
	uint32_t refs;
};

struct parcel { /* a frame on its way in, or an answer on its way out */
	struct parcel *next;
	struct sim_link *link;
	uint8_t *bytes;
	uint32_t len;
};

struct sim_link {
	struct rk_conn conn;
	struct sim_world *w;
	struct sim_client *client; /* NULL: it has closed */
	struct sim_link *next;
	uint32_t refs, listener, life;
	bool opened, reading, closing, dead;
	struct parcel *in, **in_end; /* frames that have arrived */
	uint32_t sending;            /* answers under way */
	uint8_t *got;                /* bytes at the client, not yet whole */
	size_t got_len;
	int64_t in_us, out_us;       /* the last arrival in each direction: bytes keep their order */
	char peer[32];
};

static struct sim_world *
of(struct rk_env *e)
{
	return rk_of(e, struct sim_world, env);
}

static struct sim_file *
file_of(struct rk_file *f)
{
	return rk_of(f, struct sim_file, file);
}

/* What the host does at the end of a round. */
static void
round_ends(struct sim_world *w)
{
	if (w->node != NULL)
		w->hooks->flush(w->node);
}

/* --- time and chance */

static int64_t
now_ms(struct rk_env *e)
{
	return of(e)->clock_ms + of(e)->sim->now_us / 1000;
}

static int64_t
wall_ms(struct rk_env *e)
{
	return of(e)->wall_ms + of(e)->sim->now_us / 1000;
}

static uint64_t
chance(struct rk_env *e)
{
	return sim_random(of(e)->sim);
}

static void woken(void *arg, bool lost);

static void
arm(struct sim_world *w)
{
	if (w->wake_us >= w->armed_us)
		return;
	w->armed_us = w->wake_us;
	sim_at(w->sim, w->wake_us, &w->life, woken, w);
}

static void
woken(void *arg, bool lost)
{
	struct sim_world *w = arg;

	if (lost || w->node == NULL)
		return;
	w->armed_us = INT64_MAX;
	if (w->wake_us <= w->sim->now_us) {
		w->wake_us = INT64_MAX;
		w->hooks->tick(w->node, now_ms(&w->env));
		round_ends(w);
	}
	arm(w);
}

static void
wake(struct rk_env *e, int64_t at_ms)
{
	struct sim_world *w = of(e);

	w->wake_us = at_ms == INT64_MAX ? INT64_MAX : rk_max(w->sim->now_us, (at_ms - w->clock_ms) * 1000);
	arm(w);
}

/* --- files */

static enum rk_err
file_open(struct rk_env *e, const char *path, enum rk_open how, struct rk_file **out)
{
	struct sim_inode *i;
	enum rk_err err = sim_disk_open(of(e)->disk, path, how, &i);

	*out = NULL;
	if (err != RK_OK)
		return err;
	struct sim_file *f = rk_new(struct sim_file);
	*f = (struct sim_file){ { e }, i, how, 1 };
	*out = &f->file;
	return RK_OK;
}

static void
file_hold(struct rk_file *file)
{
	file_of(file)->refs++;
}

static void
file_drop(struct rk_file *file)
{
	struct sim_file *f = file_of(file);

	rk_assert(f->refs > 0);
	if (--f->refs > 0)
		return;
	sim_inode_drop(of(file->env)->disk, f->inode);
	rk_mem_put(f);
}

static enum rk_err
file_size(struct rk_file *file, uint64_t *out)
{
	*out = sim_inode_size(file_of(file)->inode);
	return RK_OK;
}

static enum rk_err
file_read(struct rk_file *file, uint64_t pos, void *to, uint32_t len)
{
	return sim_inode_read(of(file->env)->disk, file_of(file)->inode, pos, to, len);
}

static enum rk_err
file_write(struct rk_file *file, uint64_t pos, const void *from, uint32_t len)
{
	rk_assert(file_of(file)->how != RK_OPEN_READ);
	return sim_inode_write(of(file->env)->disk, file_of(file)->inode, pos, from, len);
}

static enum rk_err
file_resize(struct rk_file *file, uint64_t len)
{
	rk_assert(file_of(file)->how != RK_OPEN_READ);
	return sim_inode_resize(of(file->env)->disk, file_of(file)->inode, len);
}

struct sync {
	struct sim_world *w;
	struct sim_file *file;
	uint64_t begun;
	rk_done *done;
	void *arg;
};

static void
synced(void *arg, bool lost)
{
	struct sync *s = arg;
	struct sim_world *w = s->w;

	if (!lost) {
		enum rk_err err = sim_sync_end(w->disk, s->file->inode, s->begun);
		file_drop(&s->file->file);
		s->done(s->arg, err);
		round_ends(w);
	} else {
		file_drop(&s->file->file); /* the crash has already decided what reached the platter */
	}
	rk_mem_put(s);
}

static void
file_sync(struct rk_file *file, rk_done *done, void *arg)
{
	struct sim_world *w = of(file->env);
	struct sync *s = rk_new(struct sync);

	file_hold(file);
	*s = (struct sync){ w, file_of(file), sim_sync_begin(w->disk, file_of(file)->inode), done, arg };
	sim_at(w->sim, w->sim->now_us + 10 + sim_below(w->sim, w->disk_us), &w->life, synced, s);
}

static enum rk_err
file_sync_wait(struct rk_file *file)
{
	struct sim_disk *d = of(file->env)->disk;
	struct sim_inode *i = file_of(file)->inode;

	return sim_sync_end(d, i, sim_sync_begin(d, i));
}

static enum rk_err
file_rename(struct rk_file *file, const char *to)
{
	struct sim_disk *d = of(file->env)->disk;
	const char *from = sim_inode_path(d, file_of(file)->inode);
	char path[PATH_MAX];

	if (from == NULL)
		return RK_NOT_FOUND;
	snprintf(path, sizeof path, "%s", from);
	return sim_disk_rename(d, path, to);
}

static void
file_warm(struct rk_file *file, uint64_t pos, uint32_t len)
{
	(void)file;
	(void)pos;
	(void)len;
}

/* --- the file system */

static enum rk_err
dir_make(struct rk_env *e, const char *path)
{
	struct sim_world *w = of(e);
	size_t n = w->real != NULL ? strlen(w->real) : 0;

	if (n > 0 && strncmp(path, w->real, n) == 0)
		(void)!mkdir(path, 0755);
	return sim_disk_mkdir(w->disk, path);
}

static enum rk_err
dir_list(struct rk_env *e, const char *path, rk_entry *fn, void *arg)
{
	return sim_disk_list(of(e)->disk, path, fn, arg);
}

static enum rk_err
dir_sync(struct rk_env *e, const char *path)
{
	return sim_disk_syncdir(of(e)->disk, path);
}

static enum rk_err
path_rename(struct rk_env *e, const char *from, const char *to)
{
	return sim_disk_rename(of(e)->disk, from, to);
}

static enum rk_err
path_remove(struct rk_env *e, const char *path)
{
	return sim_disk_remove(of(e)->disk, path);
}

static enum rk_err
space(struct rk_env *e, const char *path, struct rk_space *out)
{
	struct sim_world *w = of(e);
	int64_t total = sim_disk_faults(w->disk)->space_bytes;

	(void)path;
	out->total_bytes = total > 0 ? total : (int64_t)1 << 40;
	out->free_bytes = rk_max(0, out->total_bytes - sim_disk_used(w->disk));
	return RK_OK;
}

/* --- work */

struct sim_job {
	struct sim_world *w;
	struct sim_job *next;
	uint32_t lane;
	bool ran;
	rk_job *fn;
	rk_done *done;
	void *arg;
};

static void
worked(void *arg, bool lost)
{
	struct sim_job *j = arg;

	if (!lost) {
		for (struct sim_job **p = &j->w->jobs; *p != NULL; p = &(*p)->next)
			if (*p == j) {
				*p = j->next;
				break;
			}
		j->fn(j->arg);
		j->done(j->arg, RK_OK);
		round_ends(j->w);
	}
	rk_mem_put(j);
}

/* When the job may be done: behind the last one of its lane. */
static int64_t
lane_at(struct sim_world *w, uint32_t lane, int64_t at_us)
{
	uint32_t i = 0;

	if (lane == 0)
		return at_us;
	while (i < w->lanes && w->lane[i].lane != lane)
		i++;
	if (i == w->lanes) {
		for (i = 0; i < w->lanes && w->lane[i].free_us >= w->sim->now_us; i++)
			;
		rk_assert(i < rk_countof(w->lane));
		w->lane[i] = (struct sim_lane){ lane, 0 };
		w->lanes = i == w->lanes ? i + 1 : w->lanes;
	}
	w->lane[i].free_us = rk_max(at_us, w->lane[i].free_us + 1);
	return w->lane[i].free_us;
}

static void
work(struct rk_env *e, uint32_t lane, rk_job *fn, rk_done *done, void *arg)
{
	struct sim_world *w = of(e);
	struct sim_job *j = rk_new(struct sim_job), **last = &w->jobs;
	int64_t at_us = w->sim->now_us + 5 + sim_below(w->sim, w->work_us);

	*j = (struct sim_job){ .w = w, .lane = lane, .fn = fn, .done = done, .arg = arg };
	while (*last != NULL)
		last = &(*last)->next;
	*last = j;
	sim_at(w->sim, lane_at(w, lane, at_us), &w->life, worked, j);
}

/* --- connections */

static void
link_drop(struct sim_link *l)
{
	rk_assert(l->refs > 0);
	if (--l->refs > 0)
		return;
	while (l->in != NULL) {
		struct parcel *p = l->in;
		l->in = p->next;
		rk_mem_put(p->bytes);
		rk_mem_put(p);
	}
	rk_mem_put(l->got);
	rk_mem_put(l);
}

static struct parcel *
parcel(struct sim_link *l, const void *bytes, uint32_t len)
{
	struct parcel *p = rk_new(struct parcel);

	l->refs++;
	p->link = l;
	p->len = len;
	p->bytes = rk_mem_get(len);
	if (len > 0)
		memcpy(p->bytes, bytes, len);
	return p;
}

static void
parcel_free(struct parcel *p)
{
	link_drop(p->link);
	rk_mem_put(p->bytes);
	rk_mem_put(p);
}

/* The connection ends on the node's side; the client hears of it. */
static void
end_link(struct sim_link *l, bool tell_node)
{
	struct sim_world *w = l->w;

	if (l->dead)
		return;
	l->dead = true;
	for (struct sim_link **p = &w->links; *p != NULL; p = &(*p)->next)
		if (*p == l) {
			*p = l->next;
			break;
		}
	if (tell_node && l->opened && w->node != NULL)
		w->hooks->gone(w->node, &l->conn);
	struct sim_client *c = l->client;
	l->client = NULL;
	if (c != NULL) {
		c->link = NULL;
		c->closed(c);
	}
	link_drop(l);
}

static void
feed_frames(struct sim_link *l)
{
	struct sim_world *w = l->w;

	while (l->reading && !l->closing && !l->dead && l->in != NULL) {
		struct parcel *p = l->in;
		l->in = p->next;
		if (l->in == NULL)
			l->in_end = &l->in;
		void *frame = p->bytes;
		uint32_t len = p->len;
		rk_mem_put(p); /* its hold of the link ended on arrival */
		l->reading = false;
		w->hooks->frame(w->node, &l->conn, frame, len);
	}
}

static void
arrived(void *arg, bool lost)
{
	struct parcel *p = arg;
	struct sim_link *l = p->link;

	if (lost || l->dead) {
		parcel_free(p);
		return;
	}
	p->next = NULL;
	*l->in_end = p;
	l->in_end = &p->next;
	l->refs--; /* the link holds it now */
	feed_frames(l);
	round_ends(l->w);
}

static void
opened(void *arg, bool lost)
{
	struct sim_link *l = arg;

	if (!lost && !l->dead) {
		l->opened = l->reading = true;
		l->w->hooks->opened(l->w->node, &l->conn, l->listener);
		feed_frames(l);
		round_ends(l->w);
	}
	link_drop(l);
}

void
sim_connect(struct sim_world *w, struct sim_client *c, uint32_t listener)
{
	struct sim_link *l = rk_new(struct sim_link);

	rk_assert(c->link == NULL && w->node != NULL);
	*l = (struct sim_link){ .conn = { &w->env, NULL }, .w = w, .client = c, .next = w->links, .refs = 2,
		.listener = listener, .life = w->life };
	l->in_end = &l->in;
	snprintf(l->peer, sizeof l->peer, "127.0.0.1:%u", (unsigned)(20000 + w->link_number++ % 40000));
	w->links = l;
	c->link = l;
	l->in_us = w->sim->now_us + 5 + sim_below(w->sim, w->net_us);
	sim_at(w->sim, l->in_us, &w->life, opened, l);
}

void
sim_client_send(struct sim_client *c, const void *frame, uint32_t len)
{
	struct sim_link *l = c->link;

	rk_assert(l != NULL && !l->dead);
	l->in_us = rk_max(l->in_us, l->w->sim->now_us + 5 + sim_below(l->w->sim, l->w->net_us));
	sim_at(l->w->sim, l->in_us, &l->w->life, arrived, parcel(l, frame, len));
}

static void
hung_up(void *arg, bool lost)
{
	struct sim_link *l = arg;

	if (!lost) {
		end_link(l, true);
		round_ends(l->w);
	}
	link_drop(l);
}

void
sim_client_close(struct sim_client *c)
{
	struct sim_link *l = c->link;

	if (l == NULL)
		return;
	c->link = NULL;
	l->client = NULL;
	l->refs++;
	l->in_us = rk_max(l->in_us, l->w->sim->now_us + 5 + sim_below(l->w->sim, l->w->net_us));
	sim_at(l->w->sim, l->in_us, &l->w->life, hung_up, l);
}

/* Bytes reach the client: whole frames are handed on. */
static void
reached(void *arg, bool lost)
{
	struct parcel *p = arg;
	struct sim_link *l = p->link;

	if (!lost && l->client != NULL) {
		l->got = rk_mem_grow(l->got, l->got_len + p->len);
		memcpy(l->got + l->got_len, p->bytes, p->len);
		l->got_len += p->len;
	}
	while (!lost && l->client != NULL && l->got_len >= 4 && l->got_len - 4 >= rk_get32(l->got)) {
		uint32_t len = rk_get32(l->got);
		uint8_t *frame = rk_mem_get(len);
		memcpy(frame, l->got + 4, len);
		l->got_len -= 4 + (size_t)len;
		memmove(l->got, l->got + 4 + len, l->got_len);
		l->client->answer(l->client, frame, len);
		rk_mem_put(frame);
	}
	parcel_free(p);
}

struct leaving {
	struct sim_link *link;
	struct rk_piece *piece; /* copies of the pieces; memory is still the node's */
	uint32_t count;
};

static bool
copy_piece(const struct rk_piece *p, uint8_t *to)
{
	if (p->kind == RK_MEM) {
		memcpy(to, p->u.mem, p->len);
		return true;
	}
	return file_read(p->u.in.file, p->u.in.pos, to, p->len) == RK_OK;
}

static void
leaving_free(struct leaving *v)
{
	for (uint32_t i = 0; i < v->count; i++)
		if (v->piece[i].kind == RK_FILE)
			file_drop(v->piece[i].u.in.file);
	link_drop(v->link);
	rk_mem_put(v->piece);
	rk_mem_put(v);
}

static void
left(void *arg, bool lost)
{
	struct leaving *v = arg;
	struct sim_link *l = v->link;
	struct sim_world *w = l->w;
	bool good = !lost && !l->dead;
	uint64_t len = 0, at = 0;

	for (uint32_t i = 0; i < v->count; i++)
		len += v->piece[i].len;
	struct parcel *p = parcel(l, NULL, 0);
	p->bytes = rk_mem_grow(p->bytes, len);
	p->len = (uint32_t)len;
	for (uint32_t i = 0; i < v->count && good; at += v->piece[i].len, i++)
		good = copy_piece(&v->piece[i], p->bytes + at);
	if (good) {
		l->out_us = rk_max(l->out_us, w->sim->now_us + 5 + sim_below(w->sim, w->net_us));
		sim_at(w->sim, l->out_us, &w->life, reached, p);
		l->sending--;
		w->hooks->sent(w->node, &l->conn);
		if (l->closing && l->sending == 0)
			end_link(l, true);
	} else {
		parcel_free(p);
		if (!lost)
			end_link(l, true); /* a file that could not be read: the answer cannot be finished */
	}
	if (!lost)
		round_ends(w);
	leaving_free(v);
}

static void
conn_send(struct rk_conn *c, struct rk_out *o)
{
	struct sim_link *l = rk_of(c, struct sim_link, conn);
	struct leaving *v = rk_new(struct leaving);

	rk_assert(!o->over && !l->dead);
	l->refs++;
	l->sending++;
	v->link = l;
	v->count = o->count;
	v->piece = rk_mem_get((o->count + 1) * sizeof *v->piece);
	if (o->count > 0)
		memcpy(v->piece, o->piece, o->count * sizeof *v->piece);
	o->count = 0; /* the files' counts are ours */
	l->out_us = rk_max(l->out_us, l->w->sim->now_us + 1);
	sim_at(l->w->sim, l->out_us, &l->w->life, left, v);
}

static void
resumed(void *arg, bool lost)
{
	struct sim_link *l = arg;

	if (!lost && !l->dead) {
		feed_frames(l);
		round_ends(l->w);
	}
	link_drop(l);
}

static void
conn_resume(struct rk_conn *c)
{
	struct sim_link *l = rk_of(c, struct sim_link, conn);

	l->reading = true;
	l->refs++;
	sim_at(l->w->sim, l->w->sim->now_us, &l->w->life, resumed, l);
}

static void
conn_close(struct rk_conn *c, bool at_once, const char *why)
{
	struct sim_link *l = rk_of(c, struct sim_link, conn);

	rk_event(why, at_once, 0);
	l->closing = true;
	if (at_once || l->sending == 0) {
		l->refs++;
		sim_at(l->w->sim, l->w->sim->now_us, &l->w->life, hung_up, l);
	}
}

static const char *
conn_peer(const struct rk_conn *c)
{
	return ((const struct sim_link *)(const void *)c)->peer;
}

/* --- lives */

static const struct rk_world functions = {
	.now_ms = now_ms, .wall_ms = wall_ms, .chance = chance, .wake = wake,
	.file_open = file_open, .file_hold = file_hold, .file_drop = file_drop, .file_size = file_size,
	.file_read = file_read, .file_write = file_write, .file_truncate = file_resize,
	.file_reserve = file_resize, .file_sync = file_sync, .file_sync_wait = file_sync_wait,
	.file_rename = file_rename, .dir_make = dir_make, .dir_list = dir_list, .dir_sync = dir_sync,
	.path_rename = path_rename, .path_remove = path_remove, .space = space, .work = work,
	.conn_send = conn_send, .conn_resume = conn_resume, .conn_close = conn_close, .conn_peer = conn_peer,
	.file_warm = file_warm,
};

void
sim_world_init(struct sim_world *w, struct sim *s, struct sim_disk *d, struct sim_mdisk *m,
    const struct sim_hooks *h)
{
	*w = (struct sim_world){ .env = { &functions }, .sim = s, .disk = d, .mdisk = m, .hooks = h,
		.clock_ms = 100000, .wall_ms = 1790000000000, .disk_us = 3000, .work_us = 3000, .net_us = 1000,
		.wake_us = INT64_MAX, .armed_us = INT64_MAX };
	rk_assert(offsetof(struct sim_link, conn) == 0);
}

void
sim_world_begin(struct sim_world *w, void *node)
{
	rk_assert(w->node == NULL && node != NULL);
	w->node = node;
	round_ends(w);
}

/* A worker may have finished what nobody will hear of; of a lane's jobs the first ones. */
static void
end_jobs(struct sim_world *w)
{
	for (struct sim_job *j = w->jobs; j != NULL; j = j->next) {
		bool behind = false;
		for (struct sim_job *k = w->jobs; k != j; k = k->next)
			behind |= j->lane != 0 && k->lane == j->lane && !k->ran;
		j->ran = !behind && sim_chance(w->sim, 500000);
		if (j->ran)
			j->fn(j->arg);
	}
	w->jobs = NULL; /* their events free them */
}

static void
leave(struct sim_world *w, bool tell_node)
{
	end_jobs(w);
	while (w->links != NULL) {
		struct sim_link *l = w->links;
		l->refs++; /* the node may still name it in node_free */
		end_link(l, tell_node);
		l->next = w->graves;
		w->graves = l;
	}
	w->node = NULL;
	w->life++;
	w->wake_us = w->armed_us = INT64_MAX;
	w->lanes = 0;
}

void
sim_world_bury(struct sim_world *w)
{
	while (w->graves != NULL) {
		struct sim_link *l = w->graves;
		w->graves = l->next;
		link_drop(l);
	}
}

void
sim_world_crash(struct sim_world *w)
{
	leave(w, false);
}

void
sim_world_end(struct sim_world *w)
{
	leave(w, true);
}
