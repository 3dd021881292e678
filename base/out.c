/* out.c - the pieces of an answer. */
#include "base/out.h"
#include "base/env.h"

enum { CHUNK = 512, SCRATCH = 64 };

void
rk_out_init(struct rk_out *o, struct rk_arena *a)
{
	*o = (struct rk_out){ .arena = a };
}

static struct rk_piece *
next(struct rk_out *o, uint32_t len)
{
	rk_assert(len > 0);
	if (o->count == o->cap && !o->over) {
		uint32_t cap = o->cap == 0 ? 4 : o->cap * 2;
		struct rk_piece *p = rk_arena_raw(o->arena, cap * sizeof *p);
		if (p == NULL) {
			o->over = true;
		} else {
			if (o->count > 0)
				memcpy(p, o->piece, o->count * sizeof *p);
			o->piece = p;
			o->cap = cap;
		}
	}
	if (o->over)
		return NULL;
	struct rk_piece *p = &o->piece[o->count++];
	p->len = len;
	o->bytes += len;
	return p;
}

uint8_t *
rk_out_room(struct rk_out *o, uint32_t n)
{
	static uint8_t scratch[SCRATCH];

	rk_assert(n > 0);
	if (!o->over && (size_t)(o->end - o->at) >= n && o->count > 0) {
		struct rk_piece *p = &o->piece[o->count - 1];
		if (p->kind == RK_MEM && p->u.mem + p->len == o->at) {
			p->len += n;
			o->bytes += n;
			o->at += n;
			return o->at - n;
		}
	}
	if (!o->over && (size_t)(o->end - o->at) < n) {
		uint32_t size = o->bytes < CHUNK ? CHUNK : o->bytes < 65536 ? (uint32_t)o->bytes : 65536;
		size = size < n ? n : size;
		o->at = rk_arena_raw(o->arena, size);
		o->end = o->at == NULL ? NULL : o->at + size;
		o->over = o->at == NULL;
	}
	struct rk_piece *p = next(o, n);
	if (p == NULL)
		return n <= SCRATCH ? scratch : NULL;
	p->kind = RK_MEM;
	p->u.mem = o->at;
	o->at += n;
	return o->at - n;
}

void
rk_out_put(struct rk_out *o, const void *mem, uint32_t len)
{
	if (len == 0)
		return;
	uint8_t *to = rk_out_room(o, len);
	if (to != NULL && !o->over)
		memcpy(to, mem, len);
}

void
rk_out_mem(struct rk_out *o, const void *mem, uint32_t len)
{
	struct rk_piece *p = len == 0 ? NULL : next(o, len);
	if (p != NULL) {
		p->kind = RK_MEM;
		p->u.mem = mem;
	}
}

void
rk_out_file(struct rk_out *o, struct rk_file *file, uint64_t pos, uint32_t len)
{
	struct rk_piece *p = len == 0 ? NULL : next(o, len);
	if (p != NULL) {
		p->kind = RK_FILE;
		p->u.in.file = file;
		p->u.in.pos = pos;
		rk_file_hold(file);
	}
}

void
rk_out_join(struct rk_out *to, struct rk_out *from)
{
	rk_assert(to->arena == from->arena);
	for (uint32_t i = 0; i < from->count; i++) {
		struct rk_piece *p = next(to, from->piece[i].len);
		if (p != NULL)
			*p = from->piece[i];
		else if (from->piece[i].kind == RK_FILE)
			rk_file_drop(from->piece[i].u.in.file);
	}
	to->over |= from->over;
	rk_out_init(from, from->arena);
}

struct rk_str
rk_out_flat(const struct rk_out *o, struct rk_arena *a)
{
	char *to = o->over || o->bytes > INT32_MAX ? NULL : rk_arena_raw(a, o->bytes + 1);
	size_t at = 0;

	if (to == NULL)
		return RK_STR_NULL;
	for (uint32_t i = 0; i < o->count; at += o->piece[i].len, i++) {
		rk_assert(o->piece[i].kind == RK_MEM);
		memcpy(to + at, o->piece[i].u.mem, o->piece[i].len);
	}
	to[at] = '\0';
	return (struct rk_str){ to, (int32_t)at };
}

void
rk_out_drop(struct rk_out *o)
{
	for (uint32_t i = 0; i < o->count; i++)
		if (o->piece[i].kind == RK_FILE)
			rk_file_drop(o->piece[i].u.in.file);
	rk_out_init(o, o->arena);
}
