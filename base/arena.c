/* arena.c - blocks in a chain, given back together. */
#include "base/arena.h"
#include "base/mem.h"

enum { BLOCK = 4096 - 64 };
struct rk_block {
	struct rk_block *next;
	size_t size;
	char at[] __attribute__((aligned(16)));
};

void
rk_arena_init(struct rk_arena *a, size_t limit)
{
	*a = (struct rk_arena){ .limit = limit };
}

/* A fresh block with room for n; false: past the limit or no memory. */
static bool
more(struct rk_arena *a, size_t n)
{
	size_t size = a->used < BLOCK ? BLOCK : a->used < (1u << 20) ? a->used : 1u << 20;

	if (n > a->limit || a->used > a->limit - n)
		return false;
	if (size > a->limit - a->used)
		size = a->limit - a->used;
	if (size < n)
		size = n;
	struct rk_block *b = rk_mem_try(sizeof *b + size);
	if (b == NULL)
		return false;
	b->next = a->block;
	b->size = size;
	a->block = b;
	a->used += size;
	a->at = b->at;
	a->end = b->at + size;
	return true;
}

void *
rk_arena_raw(struct rk_arena *a, size_t len)
{
	if (len > SIZE_MAX - 15)
		a->over = true;
	size_t n = (len + 15) & ~(size_t)15;
	if (!a->over && (size_t)(a->end - a->at) < n && !more(a, n))
		a->over = true;
	if (a->over)
		return NULL;
	void *p = a->at;
	a->at += n;
	return p;
}

void *
rk_arena_get(struct rk_arena *a, size_t n, size_t each)
{
	rk_assert(each > 0);
	if (n > SIZE_MAX / 2 / each) {
		a->over = true;
		return NULL;
	}
	void *p = rk_arena_raw(a, n * each > 0 ? n * each : 1);
	return p == NULL ? NULL : memset(p, 0, n * each);
}

struct rk_str
rk_arena_str(struct rk_arena *a, struct rk_str s)
{
	if (s.len < 0)
		return RK_STR_NULL;
	char *p = rk_arena_raw(a, (size_t)s.len + 1);
	if (p == NULL)
		return RK_STR_NULL;
	if (s.len > 0)
		memcpy(p, s.at, (size_t)s.len);
	p[s.len] = '\0';
	return (struct rk_str){ p, s.len };
}

struct rk_str
rk_arena_print(struct rk_arena *a, const char *fmt, ...)
{
	va_list ap, again;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *p = n < 0 ? NULL : rk_arena_raw(a, (size_t)n + 1);
	if (p != NULL)
		vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p == NULL ? RK_STR_NULL : (struct rk_str){ p, n };
}

static void
give_back(struct rk_arena *a, struct rk_block *keep)
{
	while (a->block != NULL) {
		struct rk_block *b = a->block;
		a->block = b->next;
		if (b != keep)
			rk_mem_put(b);
	}
}

void
rk_arena_reset(struct rk_arena *a)
{
	struct rk_block *keep = NULL;

	for (struct rk_block *b = a->block; b != NULL; b = b->next)
		if (b->next == NULL && b->size <= BLOCK)
			keep = b;
	give_back(a, keep);
	rk_arena_init(a, a->limit);
	if (keep != NULL) {
		keep->next = NULL;
		a->block = keep;
		a->used = keep->size;
		a->at = keep->at;
		a->end = keep->at + keep->size;
	}
}

void
rk_arena_free(struct rk_arena *a)
{
	give_back(a, NULL);
	rk_arena_init(a, a->limit);
}
