/* disk.c - see disk.h.
 *
 * Names are two flat tables, now and durable, from path to inode, and between them a journal of the changes
 * that the durable table has not seen. Pages of a file are kept twice, cached and durable; a page remembers
 * the first and the last write since it was durable, so that a sync takes what was there when it began. */
#include "tests/sim/disk.h"
#include "base/mem.h"

struct page {
	uint8_t *cached, *safe;  /* safe NULL: zeros */
	uint64_t first, last;    /* stamps of writes; first 0: clean */
};

struct sim_inode {
	struct page *page;
	uint32_t pages, cap;
	uint64_t size, safe_size, resized; /* resized: stamp of the last change of size, 0: durable */
	uint32_t refs;           /* names in both tables, journal entries, open files */
	bool folder, broken;
};

struct name {
	char *path;
	struct sim_inode *inode;
};

struct names {
	struct name *at;
	uint32_t count, cap;
};

enum what { LINK, UNLINK, RENAME };
struct change {
	enum what what;
	char *path, *to; /* to: RENAME */
	struct sim_inode *inode;
	uint64_t stamp;
};

struct sim_disk {
	struct sim *sim;
	struct sim_faults faults;
	struct names now, durable;
	struct change *journal;
	uint32_t changes, change_cap;
	uint64_t stamp;
};

/* --- inodes */

static struct sim_inode *
hold(struct sim_inode *i)
{
	i->refs++;
	return i;
}

static void
drop(struct sim_inode *i)
{
	rk_assert(i->refs > 0);
	if (--i->refs > 0)
		return;
	for (uint32_t k = 0; k < i->pages; k++) {
		rk_mem_put(i->page[k].cached);
		rk_mem_put(i->page[k].safe);
	}
	rk_mem_put(i->page);
	rk_mem_put(i);
}

void
sim_inode_drop(struct sim_disk *d, struct sim_inode *i)
{
	(void)d;
	drop(i);
}

uint64_t
sim_inode_size(const struct sim_inode *i)
{
	return i->size;
}

static struct page *
page_at(struct sim_inode *i, uint32_t n)
{
	while (i->pages <= n) {
		struct page *p = rk_mem_room((void **)&i->page, i->pages++, &i->cap, sizeof *p);
		p->cached = NULL;
	}
	return &i->page[n];
}

enum rk_err
sim_inode_read(struct sim_disk *d, struct sim_inode *i, uint64_t pos, void *to, uint32_t len)
{
	uint8_t *out = to;

	if (sim_chance(d->sim, d->faults.read_eio))
		return RK_KAFKA_STORAGE_ERROR;
	if (pos > i->size || len > i->size - pos)
		return RK_NOT_FOUND;
	for (uint32_t n; len > 0; len -= n, pos += n, out += n) {
		uint32_t at = (uint32_t)(pos % SIM_PAGE), k = (uint32_t)(pos / SIM_PAGE);
		n = (uint32_t)rk_min(SIM_PAGE - at, len);
		if (k < i->pages && i->page[k].cached != NULL)
			memcpy(out, i->page[k].cached + at, n);
		else
			memset(out, 0, n);
	}
	return RK_OK;
}

int64_t
sim_disk_used(const struct sim_disk *d)
{
	int64_t used = 0;

	for (uint32_t i = 0; i < d->now.count; i++)
		used += (int64_t)d->now.at[i].inode->size;
	return used;
}

static bool
full(const struct sim_disk *d, const struct sim_inode *i, uint64_t end)
{
	return d->faults.space_bytes > 0 && end > i->size
	    && sim_disk_used(d) + (int64_t)(end - i->size) > d->faults.space_bytes;
}

static void
put(struct sim_disk *d, struct sim_inode *i, uint64_t pos, const uint8_t *from, uint32_t len)
{
	uint64_t stamp = ++d->stamp;

	for (uint32_t n; len > 0; len -= n, pos += n, from += n) {
		uint32_t at = (uint32_t)(pos % SIM_PAGE);
		struct page *p = page_at(i, (uint32_t)(pos / SIM_PAGE));
		n = (uint32_t)rk_min(SIM_PAGE - at, len);
		if (p->cached == NULL)
			p->cached = rk_mem_get(SIM_PAGE);
		memcpy(p->cached + at, from, n);
		p->last = stamp;
		if (p->first == 0)
			p->first = stamp;
	}
	if (pos > i->size) {
		i->size = pos;
		i->resized = stamp;
	}
}

enum rk_err
sim_inode_write(struct sim_disk *d, struct sim_inode *i, uint64_t pos, const void *from, uint32_t len)
{
	rk_assert(!i->folder);
	if (i->broken)
		return RK_KAFKA_STORAGE_ERROR;
	bool bad = sim_chance(d->sim, d->faults.write_eio), no_room = full(d, i, pos + len);
	if (bad || no_room) /* a part of it may be there all the same */
		len = no_room ? 0 : (uint32_t)sim_below(d->sim, len);
	put(d, i, pos, from, len);
	return no_room ? RK_NO_SPACE : bad ? RK_KAFKA_STORAGE_ERROR : RK_OK;
}

enum rk_err
sim_inode_resize(struct sim_disk *d, struct sim_inode *i, uint64_t len)
{
	if (i->broken)
		return RK_KAFKA_STORAGE_ERROR;
	if (full(d, i, len))
		return RK_NO_SPACE;
	uint64_t stamp = ++d->stamp;
	/* What lies behind a shorter end reads as zeros when the file grows again. */
	for (uint32_t k = (uint32_t)(len / SIM_PAGE); len < i->size && k < i->pages; k++) {
		struct page *p = &i->page[k];
		uint32_t from = k == len / SIM_PAGE ? (uint32_t)(len % SIM_PAGE) : 0;
		if (p->cached == NULL)
			continue;
		memset(p->cached + from, 0, SIM_PAGE - from);
		p->last = stamp;
		if (p->first == 0)
			p->first = stamp;
	}
	if (len != i->size)
		i->resized = stamp;
	i->size = len;
	return RK_OK;
}

/* --- syncing */

static void
settle(struct page *p)
{
	if (p->cached == NULL)
		return;
	if (p->safe == NULL)
		p->safe = rk_mem_get(SIM_PAGE);
	memcpy(p->safe, p->cached, SIM_PAGE);
}

static enum rk_err sync_folder(struct sim_disk *, const char *path, uint64_t begun);

uint64_t
sim_sync_begin(struct sim_disk *d, struct sim_inode *i)
{
	(void)i;
	return d->stamp;
}

enum rk_err
sim_sync_end(struct sim_disk *d, struct sim_inode *i, uint64_t begun)
{
	if (i->folder) {
		const char *path = sim_inode_path(d, i);
		return path == NULL ? RK_OK : sync_folder(d, path, begun);
	}
	bool bad = i->broken || sim_chance(d->sim, d->faults.sync_eio), lies = sim_chance(d->sim, d->faults.sync_lies);

	for (uint32_t k = 0; k < i->pages; k++) {
		struct page *p = &i->page[k];
		if (p->first == 0 || p->first > begun)
			continue;
		if (!bad && !lies)
			settle(p);
		p->first = p->last > begun ? p->last : 0;
	}
	if (i->resized != 0 && !bad) {
		i->safe_size = i->size;
		i->resized = 0;
	}
	i->broken |= bad;
	return bad ? RK_KAFKA_STORAGE_ERROR : RK_OK;
}

/* What of a page was on the platter: all, nothing, or its beginning. */
static void
fall(struct sim_disk *d, struct page *p)
{
	if (p->first != 0 && p->cached != NULL && sim_chance(d->sim, d->faults.torn)) {
		uint32_t n = sim_chance(d->sim, 500000) ? SIM_PAGE : (uint32_t)sim_below(d->sim, SIM_PAGE);
		if (p->safe == NULL)
			p->safe = rk_mem_get(SIM_PAGE);
		memcpy(p->safe, p->cached, n);
		if (n > 0 && sim_chance(d->sim, d->faults.flip))
			p->safe[sim_below(d->sim, n)] ^= 1u << sim_below(d->sim, 8);
	}
	if (p->safe == NULL) {
		rk_mem_put(p->cached);
		p->cached = NULL;
	} else {
		if (p->cached == NULL)
			p->cached = rk_mem_get(SIM_PAGE);
		memcpy(p->cached, p->safe, SIM_PAGE);
	}
	p->first = p->last = 0;
}

static void
crash_inode(struct sim_disk *d, struct sim_inode *i)
{
	if (i->resized != 0) {
		uint64_t lo = i->size < i->safe_size ? i->size : i->safe_size;
		uint64_t hi = i->size < i->safe_size ? i->safe_size : i->size;
		int64_t how = sim_below(d->sim, 3);
		if (how == 0 || i->size < i->safe_size)
			i->safe_size = how == 0 ? i->size : i->safe_size;
		else if (how == 1)
			i->safe_size = lo + (uint64_t)sim_below(d->sim, (int64_t)(hi - lo) + 1);
	}
	for (uint32_t k = 0; k < i->pages; k++)
		fall(d, &i->page[k]);
	i->size = i->safe_size;
	i->resized = 0;
	i->broken = false;
	/* Nothing lies behind the end. */
	for (uint32_t k = (uint32_t)(i->size / SIM_PAGE); k < i->pages; k++) {
		uint32_t from = k == i->size / SIM_PAGE ? (uint32_t)(i->size % SIM_PAGE) : 0;
		if (i->page[k].cached != NULL)
			memset(i->page[k].cached + from, 0, SIM_PAGE - from);
		if (i->page[k].safe != NULL)
			memset(i->page[k].safe + from, 0, SIM_PAGE - from);
	}
}

/* --- names */

static struct name *
find(const struct names *t, const char *path)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (strcmp(t->at[i].path, path) == 0)
			return &t->at[i];
	return NULL;
}

static void
take_out(struct names *t, struct name *n)
{
	struct sim_inode *i = n->inode;

	rk_mem_put(n->path);
	*n = t->at[--t->count];
	drop(i);
}

static void
put_in(struct names *t, const char *path, struct sim_inode *i)
{
	struct name *old = find(t, path);

	hold(i);
	if (old != NULL)
		take_out(t, old);
	*(struct name *)rk_mem_room((void **)&t->at, t->count, &t->cap, sizeof *t->at) =
	    (struct name){ rk_mem_str(path, strlen(path)), i };
	t->count++;
}

static bool
below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 && (path[n] == '/' || (n == 1 && path[1] != 0));
}

static const char *
base_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* "/a/b" is in "/a"; "/a" is in "/". */
static bool
is_in(const char *path, const char *folder)
{
	size_t n = (size_t)(base_of(path) - path - 1);

	return n == 0 ? strcmp(folder, "/") == 0 : strlen(folder) == n && strncmp(path, folder, n) == 0;
}

/* The path with its beginning from replaced, when it lies below from. Gives the old one back. */
static void
move_path(char **path, const char *from, const char *to)
{
	char fresh[PATH_MAX];

	if (*path == NULL || !below(*path, from))
		return;
	snprintf(fresh, sizeof fresh, "%s%s", to, *path + strlen(from));
	rk_mem_put(*path);
	*path = rk_mem_str(fresh, strlen(fresh));
}

static void
move_names(struct names *t, const char *from, const char *to)
{
	struct name *n = find(t, from), *old = find(t, to);

	if (n == NULL)
		return;
	if (old != NULL) {
		take_out(t, old);
		n = find(t, from);
	}
	rk_mem_put(n->path);
	n->path = rk_mem_str(to, strlen(to));
	for (uint32_t i = 0; i < t->count; i++)
		move_path(&t->at[i].path, from, to);
}

static void
record(struct sim_disk *d, enum what what, const char *path, const char *to, struct sim_inode *i)
{
	struct change *c = rk_mem_room((void **)&d->journal, d->changes++, &d->change_cap, sizeof *c);

	*c = (struct change){ what, rk_mem_str(path, strlen(path)), to != NULL ? rk_mem_str(to, strlen(to)) : NULL,
		hold(i), ++d->stamp };
}

/* Carries a change out on the platter, or forgets it. */
static void
finish(struct sim_disk *d, struct change *c, bool apply)
{
	struct name *n = find(&d->durable, c->path);

	if (apply && c->what == LINK)
		put_in(&d->durable, c->path, c->inode);
	else if (apply && c->what == UNLINK && n != NULL)
		take_out(&d->durable, n);
	else if (apply && c->what == RENAME && n != NULL)
		move_names(&d->durable, c->path, c->to);
	else if (apply && c->what == RENAME)
		put_in(&d->durable, c->to, c->inode); /* its first name never got there */
	rk_mem_put(c->path);
	rk_mem_put(c->to);
	drop(c->inode);
}

static struct sim_inode *
folder_of(struct sim_disk *d, const char *path)
{
	char up[PATH_MAX];
	size_t n = (size_t)(base_of(path) - path - 1);

	rk_assert(path[0] == '/' && n < sizeof up);
	memcpy(up, path, n);
	up[n] = 0;
	struct name *p = find(&d->now, n == 0 ? "/" : up);
	return p != NULL && p->inode->folder ? p->inode : NULL;
}

static struct sim_inode *
create(struct sim_disk *d, const char *path, bool folder)
{
	struct sim_inode *i = rk_new(struct sim_inode);

	i->folder = folder;
	put_in(&d->now, path, i);
	record(d, LINK, path, NULL, i);
	return i;
}

bool
sim_inode_folder(const struct sim_inode *i)
{
	return i->folder;
}

enum rk_err
sim_disk_open(struct sim_disk *d, const char *path, enum rk_open how, struct sim_inode **out)
{
	struct name *n = find(&d->now, path);

	*out = NULL;
	if (n != NULL && n->inode->folder && how != RK_OPEN_READ) /* to be synced a folder may be opened */
		return RK_KAFKA_STORAGE_ERROR;
	if (n == NULL && (how != RK_OPEN_CREATE || folder_of(d, path) == NULL))
		return RK_NOT_FOUND;
	*out = hold(n != NULL ? n->inode : create(d, path, false));
	return RK_OK;
}

const char *
sim_inode_path(struct sim_disk *d, const struct sim_inode *i)
{
	for (uint32_t k = 0; k < d->now.count; k++)
		if (d->now.at[k].inode == i)
			return d->now.at[k].path;
	return NULL;
}

enum rk_err
sim_disk_mkdir(struct sim_disk *d, const char *path)
{
	struct name *n = find(&d->now, path);

	if (n != NULL)
		return n->inode->folder ? RK_OK : RK_KAFKA_STORAGE_ERROR;
	if (folder_of(d, path) == NULL)
		return RK_NOT_FOUND;
	create(d, path, true);
	return RK_OK;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->path, ((const struct name *)b)->path);
}

/* The whole list first, sorted: the callback may remove what it is told of. */
enum rk_err
sim_disk_list(struct sim_disk *d, const char *path, rk_entry *fn, void *arg)
{
	struct name *n = find(&d->now, path), *list;
	uint32_t count = 0;

	if (n == NULL)
		return RK_NOT_FOUND;
	list = rk_mem_get((d->now.count + 1) * sizeof *list);
	for (uint32_t i = 0; i < d->now.count; i++) {
		const struct name *m = &d->now.at[i];
		if (strcmp(m->path, "/") != 0 && is_in(m->path, path))
			list[count++] = (struct name){ rk_mem_str(base_of(m->path), strlen(base_of(m->path))),
				hold(m->inode) };
	}
	qsort(list, count, sizeof *list, by_name);
	for (uint32_t i = 0; i < count; i++) {
		fn(arg, list[i].path, list[i].inode->folder);
		rk_mem_put(list[i].path);
		drop(list[i].inode);
	}
	rk_mem_put(list);
	return RK_OK;
}

/* The changes in the folder up to begun; what came later is the next sync's. */
static enum rk_err
sync_folder(struct sim_disk *d, const char *path, uint64_t begun)
{
	uint32_t kept = 0;

	if (sim_chance(d->sim, d->faults.sync_eio))
		return RK_KAFKA_STORAGE_ERROR;
	for (uint32_t i = 0; i < d->changes; i++) {
		struct change c = d->journal[i];
		if (c.stamp <= begun && (is_in(c.path, path) || (c.to != NULL && is_in(c.to, path))))
			finish(d, &c, true);
		else
			d->journal[kept++] = c;
	}
	d->changes = kept;
	return RK_OK;
}

enum rk_err
sim_disk_syncdir(struct sim_disk *d, const char *path)
{
	return find(&d->now, path) == NULL ? RK_NOT_FOUND : sync_folder(d, path, d->stamp);
}

enum rk_err
sim_disk_rename(struct sim_disk *d, const char *from, const char *to)
{
	struct name *n = find(&d->now, from), *old = find(&d->now, to);

	if (n == NULL || folder_of(d, to) == NULL)
		return RK_NOT_FOUND;
	if (strcmp(from, to) == 0)
		return RK_OK;
	if (old != NULL && old->inode->folder)
		return RK_KAFKA_STORAGE_ERROR;
	/* What is still to be done in a folder is done there under its new name. */
	for (uint32_t i = 0; i < d->changes; i++) {
		move_path(&d->journal[i].path, from, to);
		move_path(&d->journal[i].to, from, to);
	}
	record(d, RENAME, from, to, n->inode);
	move_names(&d->now, from, to);
	return RK_OK;
}

enum rk_err
sim_disk_remove(struct sim_disk *d, const char *path)
{
	struct name *n = find(&d->now, path);

	if (n == NULL)
		return RK_NOT_FOUND;
	for (uint32_t i = 0; n->inode->folder && i < d->now.count; i++)
		if (below(d->now.at[i].path, path))
			return RK_KAFKA_STORAGE_ERROR; /* not empty */
	record(d, UNLINK, path, NULL, n->inode);
	take_out(&d->now, n);
	return RK_OK;
}

/* --- the whole */

struct sim_disk *
sim_disk_new(struct sim *s)
{
	struct sim_disk *d = rk_new(struct sim_disk);
	struct sim_inode *root = rk_new(struct sim_inode);

	d->sim = s;
	d->faults.torn = 500000;
	root->folder = true;
	put_in(&d->now, "/", root);
	put_in(&d->durable, "/", root);
	return d;
}

static void
clear(struct names *t)
{
	while (t->count > 0)
		take_out(t, &t->at[t->count - 1]);
}

void
sim_disk_free(struct sim_disk *d)
{
	for (uint32_t i = 0; i < d->changes; i++)
		finish(d, &d->journal[i], false);
	clear(&d->now);
	clear(&d->durable);
	rk_mem_put(d->now.at);
	rk_mem_put(d->durable.at);
	rk_mem_put(d->journal);
	rk_mem_put(d);
}

struct sim_faults *
sim_disk_faults(struct sim_disk *d)
{
	return &d->faults;
}

/* Names whose folder is not there cannot be reached any more. */
static void
prune(struct sim_disk *d)
{
	for (bool again = true; again;) {
		again = false;
		for (uint32_t i = 0; i < d->now.count; i++)
			if (strcmp(d->now.at[i].path, "/") != 0 && folder_of(d, d->now.at[i].path) == NULL) {
				take_out(&d->now, &d->now.at[i]);
				again = true;
				break;
			}
	}
}

void
sim_disk_crash(struct sim_disk *d)
{
	uint32_t keep = (uint32_t)sim_below(d->sim, (int64_t)d->changes + 1);

	for (uint32_t i = 0; i < d->changes; i++)
		finish(d, &d->journal[i], i < keep);
	d->changes = 0;
	clear(&d->now);
	for (uint32_t i = 0; i < d->durable.count; i++)
		put_in(&d->now, d->durable.at[i].path, d->durable.at[i].inode);
	prune(d);
	clear(&d->durable);
	for (uint32_t i = 0; i < d->now.count; i++)
		put_in(&d->durable, d->now.at[i].path, d->now.at[i].inode);
	qsort(d->now.at, d->now.count, sizeof *d->now.at, by_name);
	for (uint32_t i = 0; i < d->now.count; i++)
		crash_inode(d, d->now.at[i].inode);
}

void
sim_disk_each(const struct sim_disk *d, bool safe, const char *folder, sim_look *fn, void *arg)
{
	const struct names *t = safe ? &d->durable : &d->now;

	for (uint32_t i = 0; i < t->count; i++)
		if (!t->at[i].inode->folder && below(t->at[i].path, folder))
			fn(arg, t->at[i].path, t->at[i].inode, safe ? t->at[i].inode->safe_size : t->at[i].inode->size);
}

bool
sim_inode_peek(const struct sim_inode *i, bool safe, uint64_t pos, void *to, uint32_t len)
{
	uint8_t *out = to;

	if (pos + len > (safe ? i->safe_size : i->size))
		return false;
	for (uint32_t n; len > 0; len -= n, pos += n, out += n) {
		uint32_t at = (uint32_t)(pos % SIM_PAGE), k = (uint32_t)(pos / SIM_PAGE);
		n = (uint32_t)rk_min(SIM_PAGE - at, len);
		const uint8_t *from = k >= i->pages ? NULL : safe ? i->page[k].safe : i->page[k].cached;
		if (from != NULL)
			memcpy(out, from + at, n);
		else
			memset(out, 0, n);
	}
	return true;
}

static void
wipe(struct names *t, const char *folder)
{
	for (uint32_t i = t->count; i-- > 0;)
		if (below(t->at[i].path, folder))
			take_out(t, &t->at[i]);
}

void
sim_disk_wipe(struct sim_disk *d, const char *folder)
{
	for (uint32_t i = 0; i < d->changes; i++)
		finish(d, &d->journal[i], true);
	d->changes = 0;
	wipe(&d->now, folder);
	wipe(&d->durable, folder);
}

uint64_t
sim_disk_hash(const struct sim_disk *d)
{
	uint64_t h = d->now.count;

	for (uint32_t i = 0; i < d->now.count; i++) { /* in no order: a sum */
		const struct name *n = &d->now.at[i];
		uint64_t one = rk_hash(n->path, strlen(n->path), n->inode->size);
		for (uint32_t k = 0; k < n->inode->pages; k++)
			if (n->inode->page[k].cached != NULL)
				one = rk_hash(n->inode->page[k].cached, SIM_PAGE, one + k);
		h += one;
	}
	return h;
}

bool
sim_disk_flip(struct sim_disk *d, const char *path, uint64_t bit)
{
	struct name *n = find(&d->now, path);
	uint64_t pos = bit / 8;

	if (n == NULL || pos >= n->inode->size || pos / SIM_PAGE >= n->inode->pages)
		return false;
	struct page *p = &n->inode->page[pos / SIM_PAGE];
	if (p->cached != NULL)
		p->cached[pos % SIM_PAGE] ^= 1u << bit % 8;
	if (p->safe != NULL)
		p->safe[pos % SIM_PAGE] ^= 1u << bit % 8;
	return p->cached != NULL;
}
