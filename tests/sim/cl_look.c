/* cl_look.c - what lies on the simulated disks: a partition's batches, as they are cached or as a power cut would
 * leave them. See cluster.h. The node is not asked: its files are read past it. */
#include "tests/sim/cluster.h"

struct segment {
	struct sim_inode *inode;
	int64_t base;
	uint64_t size;
};

struct folder {
	char path[160];
	struct segment *at;
	uint32_t count, cap;
};

static void
file(void *arg, const char *path, struct sim_inode *inode, uint64_t size)
{
	struct folder *f = arg;
	size_t n = strlen(path);

	if (n < 24 || strcmp(path + n - 4, ".log") != 0)
		return;
	*(struct segment *)rk_mem_room((void **)&f->at, f->count, &f->cap, sizeof *f->at) =
	    (struct segment){ inode, strtoll(path + n - 24, NULL, 10), size };
	f->count++;
}

static int
by_base(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return x->base < y->base ? -1 : x->base > y->base;
}

/* A whole batch at pos, or NULL; the caller frees it. Files that are reserved end in zeros. */
static uint8_t *
batch_at(const struct segment *s, uint64_t pos, bool safe)
{
	uint8_t head[KP_BATCH_HEAD];

	if (!sim_inode_peek(s->inode, safe, pos, head, sizeof head) || kp_batch_magic(head) != 2
	    || kp_batch_bytes(head) < KP_BATCH_HEAD || kp_batch_bytes(head) > 1 << 20)
		return NULL;
	uint8_t *b = rk_mem_get((size_t)kp_batch_bytes(head));
	if (sim_inode_peek(s->inode, safe, pos, b, (uint32_t)kp_batch_bytes(head))
	    && kp_batch_check(b, (size_t)kp_batch_bytes(head)) == RK_OK)
		return b;
	rk_mem_put(b);
	return NULL;
}

/* The size of the batch whose head is at pos and whose end is at or below from; 0: this one is wanted, or none. */
static uint64_t
skip(const struct segment *s, uint64_t pos, int64_t from, bool safe, int64_t next)
{
	uint8_t head[KP_BATCH_HEAD];

	if (!sim_inode_peek(s->inode, safe, pos, head, sizeof head) || kp_batch_magic(head) != 2 || kp_batch_base(head) < next
	    || kp_batch_bytes(head) < KP_BATCH_HEAD || kp_batch_last(head) >= from)
		return 0;
	return (uint64_t)kp_batch_bytes(head);
}

uint64_t
cl_batch_hash(const uint8_t *b)
{
	uint64_t all[3] = { sim_batch_hash(b), (uint64_t)kp_batch_producer(b), (uint16_t)kp_batch_producer_epoch(b) };

	return (kp_batch_attr(b) & KP_ATTR_CONTROL) == 0 ? all[0] : rk_hash(all, sizeof all, 1);
}

/* -1: the caller has enough; 0: hangs together no more; 1: read to its end. */
static int
segment(const struct segment *s, int64_t from, bool safe, int64_t *next, cl_look_fn *fn, void *arg)
{
	uint64_t pos = 0, n;

	while ((n = skip(s, pos, from, safe, *next)) > 0)
		pos += n;
	for (uint8_t *b; (b = batch_at(s, pos, safe)) != NULL; rk_mem_put(b)) {
		struct cl_batch c = { kp_batch_base(b), kp_batch_count(b), kp_batch_epoch(b), kp_batch_sequence(b),
			kp_batch_producer(b), cl_batch_hash(b), kp_batch_producer_epoch(b), kp_batch_attr(b) & KP_ATTR_CONTROL, b };
		pos += (uint64_t)kp_batch_bytes(b);
		if (c.base < *next) {
			rk_mem_put(b);
			return 0;
		}
		*next = kp_batch_last(b) + 1;
		if (*next > from && !fn(arg, &c)) {
			rk_mem_put(b);
			return -1;
		}
	}
	return 1;
}

static void
list(struct cl_node *n, const char *dir, const struct cl_part *p, bool safe, struct folder *f)
{
	*f = (struct folder){ .count = 0 };
	snprintf(f->path, sizeof f->path, "%s/%s-%d", dir, p->topic->name, p->index);
	sim_disk_each(n->disk, safe, f->path, file, f);
	if (f->count > 0)
		qsort(f->at, f->count, sizeof *f->at, by_base);
}

/* Where does it end, about? */
static int64_t
reach(const struct folder *f)
{
	return f->count == 0 ? -1 : f->at[f->count - 1].base + (int64_t)f->at[f->count - 1].size;
}

/* Of two folders (a crash came when a move was all but over) the one that goes on is the fuller one. */
static void
folder_of(struct cl_node *n, const struct cl_part *p, bool safe, struct folder *f)
{
	struct folder other;

	list(n, n->data, p, safe, f);
	if (n->second[0] == 0)
		return;
	list(n, n->second, p, safe, &other);
	if (reach(&other) > reach(f)) {
		rk_mem_put(f->at);
		*f = other;
	} else {
		rk_mem_put(other.at);
	}
}

bool
cl_look(struct cl_node *n, const struct cl_part *p, int64_t from, bool safe, cl_look_fn *fn, void *arg)
{
	struct folder f;
	int64_t next = 0;
	int how = 1;
	uint32_t i = 0;

	folder_of(n, p, safe, &f);
	while (i + 1 < f.count && f.at[i + 1].base <= from)
		i++;
	for (; i < f.count && how > 0; i++) {
		how = segment(&f.at[i], from, safe, &next, fn, arg);
		if (how > 0 && i + 1 < f.count && next != f.at[i + 1].base)
			how = 0;
	}
	rk_mem_put(f.at);
	return how != 0;
}

struct wanted {
	int64_t base;
	uint64_t hash;
	bool there;
};

static bool
is_it(void *arg, const struct cl_batch *b)
{
	struct wanted *w = arg;

	w->there = b->base == w->base && b->hash == w->hash;
	return false;
}

bool
cl_look_has(struct cl_node *n, const struct cl_part *p, int64_t base, uint64_t hash, bool safe)
{
	struct wanted w = { base, hash, false };

	return cl_look(n, p, base, safe, is_it, &w) && w.there;
}
