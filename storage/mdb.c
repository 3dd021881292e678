/* mdb.c - LMDB's file format (0.9, 64 bit, little endian), as far as a look at its soundness needs it.
 *
 *	page    number u64, pad u16, flags u16, then lower u16, upper u16, and from 16 on the nodes' places u16;
 *	        or, of an overflow run, the count of its pages u32
 *	node    lo u16, hi u16, flags u16, key length u16, key, value. The value's length is lo | hi << 16; of a
 *	        branch lo | hi << 16 | flags << 32 is the child's number. BIG: the value is the number of an
 *	        overflow run. SUB: it is a tree.
 *	tree    pad u32, flags u16, depth u16, branches, leaves, overflows, entries, root, u64 each
 *	meta    pages 0 and 1, from 16 on: magic u32, version u32, address u64, map size u64, tree of free pages
 *	        (its pad is the page size), main tree, last page u64, transaction u64 */
#include <sys/mman.h>
#include <sys/stat.h>
#include "storage/mdb.h"
#include "base/mem.h"

enum { HEAD = 16, NODE = 8, TREE = 48, DEPTH_MAX = 32 };
enum { BRANCH = 1, LEAF = 2, OVERFLOW = 4, DIRTY = 16 };
enum { BIG = 1, SUB = 2 };
static const uint32_t magic = 0xbeefc0de;

struct walk {
	const uint8_t *file;
	uint32_t page_bytes;
	uint64_t pages; /* the last number + 1; pages given out but never written may lie behind the file's end */
	uint64_t there; /* pages in the file */
	uint8_t *seen;  /* bits */
	const char *why;
	bool free_list;
};

static uint64_t
num(const uint8_t *p, uint32_t bytes)
{
	uint64_t v = 0;

	rk_assert(bytes <= 8);
	memcpy(&v, p, bytes);
	return v;
}

static bool
bad(struct walk *w, const char *why)
{
	if (w->why == NULL)
		w->why = why;
	return false;
}

/* The page of that number, reached for the first time; NULL: it cannot be. */
static const uint8_t *
reach(struct walk *w, uint64_t number)
{
	if (number < 2 || number >= w->pages || number >= w->there) {
		(void)bad(w, "a page that is not in the file is pointed to: it may have been cut short");
		return NULL;
	}
	if ((w->seen[number / 8] >> number % 8 & 1) != 0) {
		(void)bad(w, "a page has two places");
		return NULL;
	}
	w->seen[number / 8] |= (uint8_t)(1u << number % 8);
	const uint8_t *p = w->file + number * w->page_bytes;
	if (num(p, 8) != number) {
		(void)bad(w, "a page is not the one it should be");
		return NULL;
	}
	return p;
}

static bool
overflow(struct walk *w, uint64_t number, uint64_t len)
{
	const uint8_t *p = reach(w, number);

	if (p == NULL)
		return false;
	uint64_t count = num(p + 12, 4);
	if ((num(p + 10, 2) & ~(uint64_t)DIRTY) != OVERFLOW || count == 0 || count > w->there - number
	    || count > w->pages - number || len > count * w->page_bytes - HEAD)
		return bad(w, "a run of overflow pages is damaged");
	for (uint64_t i = 1; i < count; i++) {
		uint64_t n = number + i;
		if ((w->seen[n / 8] >> n % 8 & 1) != 0)
			return bad(w, "a page has two places");
		w->seen[n / 8] |= (uint8_t)(1u << n % 8);
	}
	return true;
}

static bool tree(struct walk *w, const uint8_t *t);

/* A list of free pages: their count, then the numbers, descending, none of them in use. */
static bool
free_pages(struct walk *w, const uint8_t *value, uint64_t len)
{
	uint64_t count = len >= 8 ? num(value, 8) : UINT64_MAX, before = w->pages;

	if (count > len / 8 - (len >= 8))
		return bad(w, "a list of free pages is damaged");
	for (uint64_t i = 1; i <= count; i++) {
		uint64_t n = num(value + 8 * i, 8);
		if (n < 2 || n >= before || (w->seen[n / 8] >> n % 8 & 1) != 0)
			return bad(w, "a page is free and in use");
		w->seen[n / 8] |= (uint8_t)(1u << n % 8);
		before = n;
	}
	return true;
}

static bool
leaf_node(struct walk *w, const uint8_t *node, uint64_t room)
{
	uint64_t len = num(node, 4), flags = num(node + 4, 2), key = num(node + 6, 2);
	const uint8_t *value = node + NODE + key;
	bool big = (flags & BIG) != 0;

	if (key == 0 || NODE + key + (big ? 8 : len) > room || flags > (BIG | SUB))
		return bad(w, "an entry reaches out of its page");
	if (big && !overflow(w, num(value, 8), len))
		return false;
	if (big)
		value = w->file + num(value, 8) * w->page_bytes + HEAD;
	if ((flags & SUB) != 0)
		return (len == TREE && !big) ? tree(w, value) : bad(w, "a table's entry is damaged");
	return w->free_list ? free_pages(w, value, len) : true;
}

/* Keys ascend within a page; the first of a branch stands for all that is smaller. */
static bool
ascends(const struct walk *w, const uint8_t *a, const uint8_t *b)
{
	uint64_t n = num(a + 6, 2), m = num(b + 6, 2);
	int c = memcmp(a + NODE, b + NODE, n < m ? n : m);

	return w->free_list || c < 0 || (c == 0 && n < m);
}

static bool
page(struct walk *w, uint64_t number, uint32_t depth)
{
	const uint8_t *p = reach(w, number), *before = NULL;

	if (p == NULL)
		return false;
	uint64_t kind = num(p + 10, 2) & ~(uint64_t)DIRTY, lower = num(p + 12, 2), upper = num(p + 14, 2);
	uint64_t count = (lower - HEAD) / 2;
	if (kind != (depth == 1 ? LEAF : BRANCH) || lower < HEAD || lower % 2 != 0 || lower > upper
	    || upper > w->page_bytes || count < (kind == LEAF || w->free_list ? 1 : 2))
		return bad(w, "a page's head is damaged");
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = num(p + HEAD + 2 * i, 2);
		if (at < upper || at > w->page_bytes - NODE || at % 2 != 0
		    || NODE + num(p + at + 6, 2) > w->page_bytes - at)
			return bad(w, "a page's entries are damaged");
		if (before != NULL && (kind == LEAF || i > 1) && !ascends(w, before, p + at))
			return bad(w, "a page's entries are not in order");
		before = p + at;
		if (kind == LEAF ? !leaf_node(w, before, w->page_bytes - at)
		    : !page(w, num(before, 4) | num(before + 4, 2) << 32, depth - 1))
			return false;
	}
	return true;
}

static bool
tree(struct walk *w, const uint8_t *t)
{
	uint64_t depth = num(t + 6, 2), root = num(t + 40, 8);

	if (root == UINT64_MAX)
		return depth == 0 ? true : bad(w, "an empty tree has a depth");
	if (depth == 0 || depth > DEPTH_MAX)
		return bad(w, "a tree's root is damaged");
	return page(w, root, (uint32_t)depth);
}

static const uint8_t *
newest_meta(const uint8_t *file, uint32_t page_bytes)
{
	const uint8_t *a = file + HEAD, *b = file + page_bytes + HEAD;

	return num(b + 24 + 2 * TREE + 8, 8) > num(a + 24 + 2 * TREE + 8, 8) ? b : a;
}

static const char *
walk(const uint8_t *file, uint64_t bytes)
{
	uint64_t page_bytes = num(file + HEAD + 24, 4);
	struct walk w = { .file = file };

	if (num(file + HEAD, 4) != magic || page_bytes < 512 || page_bytes > 65536 || (page_bytes & (page_bytes - 1)) != 0
	    || bytes < 2 * page_bytes || num(file + page_bytes + HEAD, 4) != magic)
		return "its head is damaged";
	const uint8_t *meta = newest_meta(file, (uint32_t)page_bytes);
	w.page_bytes = (uint32_t)page_bytes;
	w.pages = num(meta + 24 + 2 * TREE, 8) + 1;
	w.there = bytes / page_bytes;
	if (w.pages < 2 || w.pages > 2 * w.there + 65536)
		return "its head is damaged";
	w.seen = rk_mem_get(w.pages / 8 + 1);
	bool sound = tree(&w, meta + 24 + TREE);
	w.free_list = true;
	sound = sound && tree(&w, meta + 24);
	rk_assert(sound == (w.why == NULL));
	rk_mem_put(w.seen);
	return w.why;
}

const char *
st_mdb_damage(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return "it cannot be looked at";
	if (st.st_size < 2 * 512)
		return "it is cut short";
	void *file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (file == MAP_FAILED)
		return "it cannot be mapped";
	const char *why = walk(file, (uint64_t)st.st_size);
	munmap(file, (size_t)st.st_size);
	return why;
}
