/* mlog_sim.c - see mlog_sim.h. */
#include "tests/sim/mlog_sim.h"
#include "base/mem.h"
#include "protocol/batch.h"

struct piece {
	int64_t base;
	uint8_t *bytes;
	uint32_t len;
};

struct sim_mdisk {
	struct piece *piece; /* ascending */
	uint32_t count, cap;
	uint8_t *state, *lists, *old; /* old: the state a crash brings back, while we lie */
	uint32_t state_len, lists_len, old_len;
	uint64_t commits;
	bool lies;
	uint32_t good;
	enum rk_err fail; /* RK_OK: never */
};

struct sim_mlog {
	struct st_mlog ml;
	struct sim_mdisk *disk;
};

struct sim_mdisk *
sim_mdisk_new(void)
{
	return rk_new(struct sim_mdisk);
}

void
sim_mdisk_free(struct sim_mdisk *d)
{
	for (uint32_t i = 0; i < d->count; i++)
		rk_mem_put(d->piece[i].bytes);
	rk_mem_put(d->piece);
	rk_mem_put(d->state);
	rk_mem_put(d->lists);
	rk_mem_put(d->old);
	rk_mem_put(d);
}

void
sim_mdisk_lie(struct sim_mdisk *d)
{
	d->lies = true;
}

void
sim_mdisk_crash(struct sim_mdisk *d)
{
	if (d->old == NULL)
		return;
	rk_mem_put(d->state);
	d->state = d->old;
	d->state_len = d->old_len;
	d->old = NULL;
}

bool
sim_mdisk_vote(const struct sim_mdisk *d, int32_t *epoch, int32_t *leader, int32_t *voted)
{
	const uint8_t *s = d->old != NULL ? d->old : d->state; /* storage/mlog.c: version 1, start 8, epoch, leader, voted */

	if (s == NULL)
		return false;
	*epoch = (int32_t)rk_get32(s + 9);
	*leader = (int32_t)rk_get32(s + 13);
	*voted = (int32_t)rk_get32(s + 17);
	return true;
}

void
sim_mdisk_each(const struct sim_mdisk *d, int64_t from, sim_mdisk_fn *fn, void *arg)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (kp_batch_last(d->piece[i].bytes) >= from && !fn(arg, d->piece[i].bytes, d->piece[i].len))
			return;
}

void
sim_mdisk_fail(struct sim_mdisk *d, uint32_t good, enum rk_err err)
{
	d->good = good;
	d->fail = err;
}

uint64_t
sim_mdisk_commits(const struct sim_mdisk *d)
{
	return d->commits;
}

static struct sim_mdisk *
disk_of(struct st_mlog *ml)
{
	return rk_of(ml, struct sim_mlog, ml)->disk;
}

static void
add(struct sim_mdisk *d, const struct st_mlog_op *o)
{
	for (uint8_t *p = o->bytes; p < o->bytes + o->len; p += kp_batch_bytes(p)) {
		struct piece *q = rk_mem_room((void **)&d->piece, d->count++, &d->cap, sizeof *q);
		q->base = kp_batch_base(p);
		q->len = (uint32_t)kp_batch_bytes(p);
		q->bytes = rk_mem_get(q->len);
		memcpy(q->bytes, p, q->len);
		rk_assert(d->count < 2 || q[-1].base < q->base);
	}
}

static void
drop(struct sim_mdisk *d, int64_t from, int64_t below)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->count; i++)
		if (d->piece[i].base >= from && d->piece[i].base < below)
			rk_mem_put(d->piece[i].bytes);
		else
			d->piece[n++] = d->piece[i];
	d->count = n;
}

static void
blob(uint8_t **to, uint32_t *to_len, const uint8_t *from, uint32_t len)
{
	if (from == NULL)
		return;
	rk_mem_put(*to);
	*to = rk_mem_get(len);
	*to_len = len;
	memcpy(*to, from, len);
}

static enum rk_err
sim_commit(struct st_mlog *ml, const struct st_mlog_tx *tx)
{
	struct sim_mdisk *d = disk_of(ml);

	if (d->fail != RK_OK && d->good-- == 0) {
		d->good = 0;
		return d->fail;
	}
	d->commits++;
	for (uint32_t i = 0; i < tx->count; i++) {
		const struct st_mlog_op *o = &tx->op[i];
		if (o->kind == ST_MLOG_PUT)
			add(d, o);
		else if (o->kind == ST_MLOG_CUT)
			drop(d, o->offset, INT64_MAX);
		else
			drop(d, 0, o->offset);
	}
	if (d->lies && tx->count == 0 && d->old == NULL && d->state != NULL) {
		d->old = d->state;
		d->old_len = d->state_len;
		d->state = NULL;
	} else if (tx->count > 0) {
		rk_mem_put(d->old);
		d->old = NULL;
	}
	blob(&d->state, &d->state_len, tx->state, tx->state_len);
	blob(&d->lists, &d->lists_len, tx->lists, tx->lists_len);
	return RK_OK;
}

static enum rk_err
sim_grow(struct st_mlog *ml)
{
	(void)ml;
	rk_assert(false); /* it never asks */
	return RK_NO_MEMORY;
}

static uint32_t
find(const struct sim_mdisk *d, int64_t offset)
{
	uint32_t lo = 0, hi = d->count;

	while (lo < hi) { /* the first base above offset */
		uint32_t mid = lo + (hi - lo) / 2;
		if (d->piece[mid].base > offset)
			hi = mid;
		else
			lo = mid + 1;
	}
	rk_assert(lo > 0);
	return lo - 1;
}

static enum rk_err
sim_get(struct st_mlog *ml, int64_t offset, int64_t limit, uint32_t max_bytes, struct rk_arena *a,
    struct rk_str *out)
{
	struct sim_mdisk *d = disk_of(ml);
	uint32_t first = find(d, offset), n = first;
	size_t len = 0;

	do
		len += d->piece[n++].len;
	while (n < d->count && d->piece[n].base < limit && len + d->piece[n].len <= max_bytes);
	char *to = rk_arena_raw(a, len);
	if (to == NULL)
		return RK_NO_MEMORY;
	*out = (struct rk_str){ to, (int32_t)len };
	for (uint32_t i = first; i < n; to += d->piece[i++].len)
		memcpy(to, d->piece[i].bytes, d->piece[i].len);
	return RK_OK;
}

bool
sim_mdisk_has(const struct sim_mdisk *d, int64_t offset, int32_t epoch)
{
	/* The blob begins with its version and the log's start. */
	int64_t start = d->state == NULL ? 0 : (int64_t)rk_get64(d->state + 1);

	if (offset < start)
		return true;
	if (d->count == 0 || offset < d->piece[0].base)
		return false;
	const uint8_t *b = d->piece[find(d, offset)].bytes;
	return kp_batch_last(b) >= offset && kp_batch_epoch(b) == epoch;
}

static void
sim_shut(struct st_mlog *ml)
{
	disk_of(ml)->fail = RK_OK;
	rk_mem_put(rk_of(ml, struct sim_mlog, ml));
}

static const struct st_mlog_body body = { sim_commit, sim_grow, sim_get, sim_shut };

enum rk_err
sim_mlog_open(struct rk_env *env, struct sim_mdisk *d, uint32_t lane, struct st_mlog **out)
{
	struct sim_mlog *s = rk_new(struct sim_mlog);
	int64_t end = -1;

	s->ml.body = &body;
	s->ml.env = env;
	s->ml.lane = lane;
	s->disk = d;
	if (d->count > 0)
		end = kp_batch_last(d->piece[d->count - 1].bytes) + 1;
	enum rk_err e = st_mlog_init(&s->ml, d->state, d->state_len, d->lists, d->lists_len, end);
	if (e != RK_OK)
		rk_mem_put(s);
	else
		*out = &s->ml;
	return e;
}
