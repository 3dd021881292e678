/* plan.c - records planned together, applied to a transaction that nobody else sees until they are committed. */
#include "src/meta/image.h"
#include "base/mem.h"
#include "base/say.h"
#include "protocol/batch.h"
#include "protocol/desc.h"
#include "src/config.h"

enum { SCRATCH_MAX = 64 << 20, BATCH_BYTES = 4 << 20 };

static void
learn_version(struct meta_plan *p)
{
	int16_t v = meta_feature(&p->view, rk_lit("metadata.version"));

	p->version = v > 0 ? v : meta_supported[0].min;
}

void
meta_plan_begin(struct meta_plan *p, struct meta_image *im, struct rk_env *env, const struct conf *conf,
    struct rk_arena *arena, int64_t base_offset)
{
	rk_assert(im->magic == META_IMAGE_MAGIC && !im->planning && base_offset >= 0);
	*p = (struct meta_plan){ .env = env, .conf = conf, .image = im, .arena = arena, .base_offset = base_offset };
	im->planning = true;
	p->top = st_write_begin(im->tables, NULL);
	p->view.txn = p->top;
	p->scratch = rk_new(struct rk_arena);
	rk_arena_init(p->scratch, SCRATCH_MAX);
	p->work = rk_new(struct rk_arena);
	rk_arena_init(p->work, SCRATCH_MAX);
	learn_version(p);
}

void
meta_plan_enter(struct meta_plan *p)
{
	rk_assert(p->view.txn == p->top && p->top != NULL);
	p->mark = p->count;
	p->view.txn = st_write_begin(p->image->tables, p->top);
}

void
meta_plan_leave(struct meta_plan *p, bool keep)
{
	rk_assert(p->view.txn != p->top);
	/* A child that cannot be written breaks its parent: the commit of the whole answers it. */
	if (keep && !p->arena->over) {
		enum rk_err err = st_write_commit(p->view.txn);
		if (err != RK_OK)
			rk_event("plan not written", err, p->base_offset);
	} else {
		st_write_abort(p->view.txn);
		for (uint32_t i = p->mark; i < p->count; i++)
			p->bytes -= (uint64_t)(p->value[i].len > 0 ? p->value[i].len : 0);
		p->count = p->mark;
	}
	p->view.txn = p->top;
	learn_version(p);
}

void
meta_plan_add(struct meta_plan *p, int16_t type, const void *record)
{
	int16_t version = meta_record_version(type, p->version);
	struct rk_str value = meta_frame(type, version, record, p->scratch, p->arena);

	rk_arena_reset(p->scratch);
	if (p->count == p->cap && value.len > 0) {
		uint32_t cap = p->cap == 0 ? 64 : p->cap * 2;
		struct rk_str *more = rk_arena_get(p->arena, cap, sizeof *more);
		if (more == NULL)
			return;
		if (p->count > 0)
			memcpy(more, p->value, p->count * sizeof *more);
		p->value = more;
		p->cap = cap;
	}
	if (value.len < 0)
		return; /* the arena is over: the request is dropped as a whole when it leaves */
	struct meta_apply ap = { .image = p->image, .txn = p->view.txn, .scratch = p->scratch,
		.offset = p->base_offset + p->count };
	struct meta_record r = { .type = type, .version = version, .desc = meta_record_desc(type),
		.msg = (void *)(uintptr_t)record };
	p->value[p->count++] = value;
	p->bytes += (uint64_t)value.len;
	enum rk_err err = meta_apply_record(&ap, &r, value);
	/* A record that we planned speaks of what exists, unless the disk let us down. */
	rk_assert(err == RK_OK || err == RK_NO_MEMORY || st_failed(p->view.txn));
	if (err != RK_OK)
		p->arena->over = true;
	if (type == KP_FEATURE_LEVEL_RECORD || type == KP_END_TRANSACTION_RECORD)
		learn_version(p);
}

/* One record batch from the records [from, *to): as many as fit. */
static struct rk_str
one_batch(struct meta_plan *p, uint32_t from, uint32_t *to, int32_t leader_epoch, int64_t now_ms)
{
	struct kp_build b;

	kp_build_start(&b, p->arena, p->base_offset + from, 0, now_ms);
	for (*to = from; *to < p->count && *to - from < META_RECORDS_MAX && (*to == from || b.len < BATCH_BYTES); ++*to)
		kp_build_add(&b, now_ms, RK_STR_NULL, p->value[*to]);
	struct rk_str batch = kp_build_end(&b, leader_epoch, -1, -1, -1);
	rk_assert(batch.len < 0 || kp_batch_last(batch.at) == p->base_offset + *to - 1);
	return batch;
}

struct rk_str
meta_plan_batch(struct meta_plan *p, int32_t leader_epoch, int64_t now_ms)
{
	struct rk_str all = RK_STR_NULL;
	uint32_t to = 0;

	rk_assert(p->view.txn == p->top);
	while (to < p->count && !p->arena->over) {
		struct rk_str next = one_batch(p, to, &to, leader_epoch, now_ms);
		if (all.len < 0 || next.len < 0) {
			all = next;
			continue;
		}
		char *joined = rk_arena_raw(p->arena, (size_t)all.len + (size_t)next.len);
		if (joined == NULL || all.len > INT32_MAX - next.len)
			break;
		memcpy(joined, all.at, (size_t)all.len);
		memcpy(joined + all.len, next.at, (size_t)next.len);
		all = (struct rk_str){ joined, all.len + next.len };
	}
	return p->arena->over ? RK_STR_NULL : all;
}

int64_t
meta_plan_end(const struct meta_plan *p)
{
	return p->base_offset + p->count;
}

static void
end(struct meta_plan *p)
{
	p->image->planning = false;
	p->top = p->view.txn = NULL;
	rk_arena_free(p->scratch);
	rk_mem_put(p->scratch);
	rk_arena_free(p->work);
	rk_mem_put(p->work);
	p->scratch = p->work = NULL;
}

enum rk_err
meta_plan_commit(struct meta_plan *p, int64_t applied, int32_t epoch)
{
	rk_assert(p->top != NULL && p->view.txn == p->top);
	meta_set_applied(p->top, applied, epoch);
	enum rk_err err = st_write_commit(p->top);
	end(p);
	return err;
}

void
meta_plan_abort(struct meta_plan *p)
{
	rk_assert(p->top != NULL);
	if (p->view.txn != p->top)
		st_write_abort(p->view.txn);
	st_write_abort(p->top);
	end(p);
}

int16_t
meta_plan_feature(const struct meta_plan *p, const char *name)
{
	return meta_feature(&p->view, rk_str_of(name));
}

/* --- Java's order of a HashSet of strings: by bucket, and in a bucket by insertion */

void
meta_java_order(const struct rk_str *names, uint32_t count, uint32_t *order, struct rk_arena *a)
{
	uint32_t cap = 16, *first, *next, n = 0;

	while (count > cap / 4 * 3)
		cap *= 2;
	first = rk_arena_get(a, cap, sizeof *first);
	next = rk_arena_get(a, count + 1, sizeof *next);
	if (first == NULL || next == NULL) {
		for (uint32_t i = 0; i < count; i++)
			order[i] = i;
		return;
	}
	for (uint32_t i = count; i-- > 0;) { /* backwards, so that chains run forwards */
		uint32_t h = rk_java_hash(names[i]), slot = (h ^ h >> 16) & (cap - 1);
		next[i] = first[slot];
		first[slot] = i + 1;
	}
	for (uint32_t slot = 0; slot < cap; slot++)
		for (uint32_t i = first[slot]; i != 0; i = next[i - 1])
			order[n++] = i - 1;
	rk_assert(n == count);
}

void
meta_java_pairs(struct conf_pair *pair, uint32_t count, struct rk_arena *a)
{
	struct conf_pair *was = rk_arena_get(a, count, sizeof *was);
	struct rk_str *name = rk_arena_get(a, count, sizeof *name);
	uint32_t *order = rk_arena_get(a, count, sizeof *order);

	if (was == NULL || name == NULL || order == NULL || count < 2)
		return;
	memcpy(was, pair, count * sizeof *was);
	for (uint32_t i = 0; i < count; i++)
		name[i] = pair[i].name;
	meta_java_order(name, count, order, a);
	for (uint32_t i = 0; i < count; i++)
		pair[i] = was[order[i]];
}
