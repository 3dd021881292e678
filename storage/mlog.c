/* mlog.c - the staging above both bodies of the metadata log.
 *
 * A change is carried out twice: at once in the picture (info, lists, view), and later, as an
 * operation of a transaction, by the body on a worker. The view holds the batches that a reader must
 * find in memory because the body may not have them yet; below solid the body is right.
 *
 *	            start          solid                 end
 *	  ------------|--------------|--------------------|
 *	   trimmed        the body's      the view's
 *
 * A cut moves solid down at once, so that a batch the running transaction is still writing is never
 * read back; a finished transaction moves solid up over the view's entries that were part of it.
 *
 * Blobs, all big-endian. state: version u8 = 1, start i64, epoch i32, leader i32, voted i32, voted
 * directory 16 bytes, snapshot end i64, epoch i32, base end i64, epoch i32. lists: count u32, then
 * {epoch i32, start i64} each; count u32, then control offsets i64 each. */
#include "storage/mlog.h"
#include "base/mem.h"
#include "base/say.h"
#include "protocol/batch.h"

enum { MAGIC = 0x6d6c6f67, STATE_VERSION = 1, STATE_BYTES = 61 };

struct entry {
	int64_t base, end;
	const uint8_t *bytes; /* inside an operation of stage number stage */
	uint32_t len;
	uint64_t stage;
};

struct waiter {
	rk_done *done;
	void *arg;
};

/* What one transaction will carry. */
struct stage {
	uint64_t number;
	struct st_mlog_tx tx;
	uint32_t op_cap;
	struct waiter *waiter;
	uint32_t waiters, waiter_cap;
	int64_t end;     /* the log's end when it was submitted */
	enum rk_err err; /* the worker's answer */
	struct stage *lost; /* the failed one before */
};

struct st_mlog_front {
	struct st_mlog_info info;
	struct st_mlog_epoch *epoch;
	int64_t *control;
	uint32_t epoch_cap, control_cap;
	bool lists_changed, state_changed;
	struct entry *view;
	uint32_t views, view_cap;
	int64_t solid;
	struct stage *next, *under_way; /* under_way NULL: no transaction runs */
	struct stage *lost;             /* failed ones, newest first */
	uint64_t stages;
	enum rk_err err;
};

static struct st_mlog_front *
front(const struct st_mlog *ml)
{
	rk_assert(ml->magic == MAGIC);
	return ml->front;
}

static struct stage *
stage_new(struct st_mlog_front *f)
{
	struct stage *s = rk_new(struct stage);

	s->number = ++f->stages;
	return s;
}

static void
stage_free(struct stage *s)
{
	for (uint32_t i = 0; i < s->tx.count; i++)
		rk_mem_put(s->tx.op[i].bytes);
	rk_mem_put(s->tx.op);
	rk_mem_put(s->tx.state);
	rk_mem_put(s->tx.lists);
	rk_mem_put(s->waiter);
	rk_mem_put(s);
}

static struct st_mlog_op *
add_op(struct st_mlog_front *f, enum st_mlog_kind kind, int64_t offset)
{
	struct stage *s = f->next;
	struct st_mlog_op *o = rk_mem_room((void **)&s->tx.op, s->tx.count++, &s->op_cap, sizeof *o);

	o->kind = kind;
	o->offset = offset;
	return o;
}

/* --- the lists */

static void
show_lists(struct st_mlog_front *f)
{
	f->info.epoch = f->epoch;
	f->info.control = f->control;
	rk_assert(f->info.epochs == 0 || f->info.end > f->epoch[f->info.epochs - 1].start);
	rk_assert(f->info.controls == 0 || f->info.end > f->control[f->info.controls - 1]);
	rk_assert(f->info.start <= f->info.end && f->solid <= f->info.end);
}

static void
list_epoch(struct st_mlog_front *f, int32_t epoch, int64_t start)
{
	struct st_mlog_epoch *e = rk_mem_room((void **)&f->epoch, f->info.epochs++, &f->epoch_cap,
	    sizeof *e);

	rk_assert(f->info.epochs < 2 || (e[-1].epoch < epoch && e[-1].start < start));
	e->epoch = epoch;
	e->start = start;
	f->lists_changed = true;
}

static void
list_control(struct st_mlog_front *f, int64_t base)
{
	int64_t *c = rk_mem_room((void **)&f->control, f->info.controls++, &f->control_cap, sizeof *c);

	rk_assert(f->info.controls < 2 || c[-1] < base);
	*c = base;
	f->lists_changed = true;
}

static void
lists_cut(struct st_mlog_front *f, int64_t offset)
{
	while (f->info.epochs > 0 && f->epoch[f->info.epochs - 1].start >= offset) {
		f->info.epochs--;
		f->lists_changed = true;
	}
	while (f->info.controls > 0 && f->control[f->info.controls - 1] >= offset) {
		f->info.controls--;
		f->lists_changed = true;
	}
}

static void
lists_trim(struct st_mlog_front *f, int64_t offset)
{
	uint32_t n = 0, c = 0;

	if (f->info.end == offset)
		n = f->info.epochs;
	while (n + 1 < f->info.epochs && f->epoch[n + 1].start <= offset)
		n++;
	f->info.epochs -= n;
	if (n > 0)
		memmove(f->epoch, f->epoch + n, f->info.epochs * sizeof *f->epoch);
	if (f->info.epochs > 0 && f->epoch[0].start < offset)
		f->epoch[0].start = offset;
	while (c < f->info.controls && f->control[c] < offset)
		c++;
	f->info.controls -= c;
	if (c > 0)
		memmove(f->control, f->control + c, f->info.controls * sizeof *f->control);
	f->lists_changed = true;
}

/* --- blobs */

static uint8_t *
put(uint8_t *p, uint64_t v, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
	return p + bytes;
}

static uint64_t
take(const uint8_t **p, uint32_t bytes)
{
	uint64_t v = 0;

	for (uint32_t i = 0; i < bytes; i++)
		v = v << 8 | *(*p)++;
	return v;
}

static void
pack_state(const struct st_mlog_info *i, struct st_mlog_tx *tx)
{
	uint8_t *p = tx->state = rk_mem_get(STATE_BYTES);

	p = put(p, STATE_VERSION, 1);
	p = put(p, (uint64_t)i->start, 8);
	p = put(p, (uint32_t)i->vote.epoch, 4);
	p = put(p, (uint32_t)i->vote.leader, 4);
	p = put(p, (uint32_t)i->vote.voted, 4);
	memcpy(p, i->vote.voted_dir.id, 16);
	p = put(p + 16, (uint64_t)i->snap.end, 8);
	p = put(p, (uint32_t)i->snap.epoch, 4);
	p = put(p, (uint64_t)i->base.end, 8);
	p = put(p, (uint32_t)i->base.epoch, 4);
	tx->state_len = (uint32_t)(p - tx->state);
	rk_assert(tx->state_len == STATE_BYTES);
}

static void
pack_lists(const struct st_mlog_info *i, struct st_mlog_tx *tx)
{
	uint8_t *p = tx->lists = rk_mem_get(8 + 12 * (size_t)i->epochs + 8 * (size_t)i->controls);

	p = put(p, i->epochs, 4);
	for (uint32_t k = 0; k < i->epochs; k++) {
		p = put(p, (uint32_t)i->epoch[k].epoch, 4);
		p = put(p, (uint64_t)i->epoch[k].start, 8);
	}
	p = put(p, i->controls, 4);
	for (uint32_t k = 0; k < i->controls; k++)
		p = put(p, (uint64_t)i->control[k], 8);
	tx->lists_len = (uint32_t)(p - tx->lists);
}

static bool
unpack_state(struct st_mlog_info *i, const uint8_t *p, uint32_t len)
{
	if (len != STATE_BYTES || take(&p, 1) != STATE_VERSION)
		return false;
	i->start = (int64_t)take(&p, 8);
	i->vote.epoch = (int32_t)take(&p, 4);
	i->vote.leader = (int32_t)take(&p, 4);
	i->vote.voted = (int32_t)take(&p, 4);
	memcpy(i->vote.voted_dir.id, p, 16);
	p += 16;
	i->snap.end = (int64_t)take(&p, 8);
	i->snap.epoch = (int32_t)take(&p, 4);
	i->base.end = (int64_t)take(&p, 8);
	i->base.epoch = (int32_t)take(&p, 4);
	return i->start >= 0 && i->vote.epoch >= 0 && i->snap.end >= i->base.end
	    && i->base.end == i->start;
}

/* The lists must ascend and lie within [start, end): else something else was written over them. */
static bool
unpack_lists(struct st_mlog_front *f, const uint8_t *p, uint32_t len)
{
	const uint8_t *stop = p + len;
	int64_t last_start = f->info.start - 1, last = f->info.start - 1, last_epoch = -1;

	if (len < 8)
		return false;
	uint64_t n = take(&p, 4);
	if (n * 12 + 4 > (uint64_t)(stop - p))
		return false;
	for (uint64_t k = 0; k < n; k++) {
		int32_t epoch = (int32_t)take(&p, 4);
		int64_t start = (int64_t)take(&p, 8);
		if (epoch <= last_epoch || start <= last_start || start >= f->info.end)
			return false;
		list_epoch(f, epoch, start);
		last_epoch = epoch;
		last_start = start;
	}
	n = take(&p, 4);
	if (n * 8 != (uint64_t)(stop - p))
		return false;
	for (uint64_t k = 0; k < n; k++) {
		int64_t c = (int64_t)take(&p, 8);
		if (c <= last || c >= f->info.end)
			return false;
		list_control(f, c);
		last = c;
	}
	return true;
}

enum rk_err
st_mlog_init(struct st_mlog *ml, const void *state, uint32_t state_len, const void *lists,
    uint32_t lists_len, int64_t end)
{
	struct st_mlog_front *f = rk_new(struct st_mlog_front);
	bool sane = true;

	ml->magic = MAGIC;
	ml->front = f;
	f->next = stage_new(f);
	f->info.vote.leader = f->info.vote.voted = -1;
	if (state != NULL)
		sane = unpack_state(&f->info, state, state_len);
	f->info.end = end < 0 ? f->info.start : end;
	sane = sane && f->info.end >= f->info.start && (state != NULL || end < 0);
	if (sane && lists != NULL)
		sane = unpack_lists(f, lists, lists_len);
	sane = sane && (f->info.epochs > 0) == (f->info.end > f->info.start);
	f->lists_changed = f->state_changed = state == NULL; /* a new log is written with its first flush */
	f->solid = f->info.flushed_end = f->info.end;
	if (!sane) {
		st_mlog_fini(ml);
		return RK_CORRUPT_MESSAGE;
	}
	show_lists(f);
	return RK_OK;
}

void
st_mlog_fini(struct st_mlog *ml)
{
	struct st_mlog_front *f = front(ml);

	if (f->under_way != NULL)
		stage_free(f->under_way);
	stage_free(f->next);
	while (f->lost != NULL) {
		struct stage *s = f->lost;
		f->lost = s->lost;
		stage_free(s);
	}
	rk_mem_put(f->epoch);
	rk_mem_put(f->control);
	rk_mem_put(f->view);
	rk_mem_put(f);
	ml->magic = 0;
	ml->front = NULL;
}

void
st_mlog_close(struct st_mlog *ml)
{
	st_mlog_fini(ml);
	ml->body->shut(ml);
}

bool
st_mlog_busy(const struct st_mlog *ml)
{
	return front(ml)->under_way != NULL;
}

const struct st_mlog_info *
st_mlog_info(const struct st_mlog *ml)
{
	return &front(ml)->info;
}

enum rk_err
st_mlog_error(const struct st_mlog *ml)
{
	return front(ml)->err;
}

/* --- changes */

static bool
whole(const uint8_t *p, uint32_t len)
{
	return len >= KP_BATCH_HEAD && kp_batch_magic(p) == 2 && kp_batch_len(p) >= KP_BATCH_HEAD - 12
	    && kp_batch_bytes(p) <= len && kp_batch_base(p) >= 0 && kp_batch_last_delta(p) >= 0
	    && kp_batch_last(p) < INT64_MAX;
}

/* All or nothing: looks at every batch before one is taken. */
static bool
fits(const struct st_mlog_front *f, const uint8_t *p, uint32_t len)
{
	int64_t at = f->info.end;
	int32_t epoch = f->info.epochs > 0 ? f->epoch[f->info.epochs - 1].epoch : f->info.base.epoch;

	if (len == 0)
		return false;
	while (len > 0) {
		if (!whole(p, len) || kp_batch_base(p) != at || kp_batch_epoch(p) < epoch)
			return false;
		at = kp_batch_last(p) + 1;
		epoch = kp_batch_epoch(p);
		len -= (uint32_t)kp_batch_bytes(p);
		p += kp_batch_bytes(p);
	}
	return true;
}

static void
note(struct st_mlog_front *f, const uint8_t *p)
{
	struct entry *e = rk_mem_room((void **)&f->view, f->views++, &f->view_cap, sizeof *e);
	int32_t epoch = kp_batch_epoch(p);

	*e = (struct entry){ .base = kp_batch_base(p), .end = kp_batch_last(p) + 1, .bytes = p,
		.len = (uint32_t)kp_batch_bytes(p), .stage = f->next->number };
	rk_assert(e->base == f->info.end && e->end > e->base);
	f->info.end = e->end;
	if (f->info.epochs == 0 || f->epoch[f->info.epochs - 1].epoch < epoch)
		list_epoch(f, epoch, e->base);
	if ((kp_batch_attr(p) & KP_ATTR_CONTROL) != 0)
		list_control(f, e->base);
}

enum rk_err
st_mlog_append(struct st_mlog *ml, const void *batches, uint32_t len)
{
	struct st_mlog_front *f = front(ml);

	if (f->err != RK_OK)
		return f->err;
	if (!fits(f, batches, len))
		return RK_CORRUPT_MESSAGE;
	struct st_mlog_op *o = add_op(f, ST_MLOG_PUT, f->info.end);
	o->bytes = rk_mem_get(len);
	o->len = len;
	memcpy(o->bytes, batches, len);
	for (const uint8_t *p = o->bytes; p < o->bytes + len; p += kp_batch_bytes(p))
		note(f, p);
	show_lists(f);
	return RK_OK;
}

/* The batch boundary at or below offset, where the batch that holds it is durable. */
static enum rk_err
boundary(struct st_mlog *ml, int64_t offset, int64_t *out)
{
	struct st_mlog_front *f = front(ml);
	struct rk_arena a;
	struct rk_str s;

	*out = offset;
	if (offset >= f->solid || offset <= f->info.start)
		return RK_OK;
	rk_arena_init(&a, SIZE_MAX);
	enum rk_err e = ml->body->get(ml, offset, offset + 1, 1, &a, &s);
	if (e == RK_OK && s.len > 0)
		*out = kp_batch_base(s.at);
	rk_arena_free(&a);
	return e;
}

enum rk_err
st_mlog_cut(struct st_mlog *ml, int64_t offset)
{
	struct st_mlog_front *f = front(ml);

	if (f->err != RK_OK)
		return f->err;
	if (offset < f->info.start)
		return RK_OFFSET_OUT_OF_RANGE;
	if (offset >= f->info.end)
		return RK_OK;
	while (f->views > 0 && f->view[f->views - 1].end > offset)
		f->info.end = f->view[--f->views].base;
	if (offset < f->info.end) {
		enum rk_err e = boundary(ml, offset, &f->info.end);
		if (e != RK_OK)
			return f->err = e;
		rk_assert(f->views == 0);
	}
	f->solid = rk_min(f->solid, f->info.end);
	f->info.flushed_end = rk_min(f->info.flushed_end, f->info.end);
	add_op(f, ST_MLOG_CUT, f->info.end);
	lists_cut(f, f->info.end);
	show_lists(f);
	return RK_OK;
}

enum rk_err
st_mlog_trim(struct st_mlog *ml, struct st_mlog_snap base)
{
	struct st_mlog_front *f = front(ml);
	uint32_t n = 0;

	if (f->err != RK_OK)
		return f->err;
	if (base.end < f->info.start || base.end > f->info.end)
		return RK_OFFSET_OUT_OF_RANGE;
	if (base.end == f->info.start)
		return RK_OK;
	while (n < f->views && f->view[n].end <= base.end)
		n++;
	rk_assert(n == f->views || f->view[n].base >= base.end);
	f->views -= n;
	if (n > 0)
		memmove(f->view, f->view + n, f->views * sizeof *f->view);
	add_op(f, ST_MLOG_TRIM, base.end);
	f->info.start = base.end;
	f->info.base = base;
	if (f->info.snap.end < base.end)
		f->info.snap = base;
	f->solid = rk_max(f->solid, base.end);
	f->state_changed = true;
	lists_trim(f, base.end);
	show_lists(f);
	return RK_OK;
}

enum rk_err
st_mlog_reset(struct st_mlog *ml, struct st_mlog_snap snap)
{
	struct st_mlog_front *f = front(ml);

	if (f->err != RK_OK)
		return f->err;
	rk_assert(snap.end > 0);
	add_op(f, ST_MLOG_CUT, 0);
	lists_cut(f, 0);
	f->views = 0;
	f->info.start = f->info.end = f->info.flushed_end = f->solid = snap.end;
	f->info.snap = f->info.base = snap;
	f->state_changed = f->lists_changed = true;
	show_lists(f);
	return RK_OK;
}

enum rk_err
st_mlog_save(struct st_mlog *ml, const struct st_mlog_vote *v)
{
	struct st_mlog_front *f = front(ml);

	if (f->err != RK_OK)
		return f->err;
	rk_assert(v->epoch >= f->info.vote.epoch);
	f->info.vote = *v;
	f->state_changed = true;
	return RK_OK;
}

enum rk_err
st_mlog_snapshot(struct st_mlog *ml, struct st_mlog_snap snap)
{
	struct st_mlog_front *f = front(ml);

	if (f->err != RK_OK)
		return f->err;
	if (snap.end > f->info.snap.end) {
		f->info.snap = snap;
		f->state_changed = true;
	}
	return RK_OK;
}

/* --- flushing */

static void submit(struct st_mlog *);

static void
commit(void *arg)
{
	struct st_mlog *ml = arg;
	struct stage *s = ml->front->under_way;

	if (s->err == RK_OK && (s->tx.count > 0 || s->tx.state != NULL))
		s->err = ml->body->commit(ml, &s->tx);
}

static void
settle(struct st_mlog_front *f, const struct stage *s)
{
	uint32_t n = 0;

	while (n < f->views && f->view[n].stage <= s->number) {
		f->solid = f->view[n].end;
		n++;
	}
	f->views -= n;
	if (n > 0)
		memmove(f->view, f->view + n, f->views * sizeof *f->view);
	f->info.flushed_end = f->solid;
}

static void
committed(void *arg, enum rk_err host)
{
	struct st_mlog *ml = arg;
	struct st_mlog_front *f = front(ml);
	struct stage *s = f->under_way;

	if (host != RK_OK)
		s->err = host;
	if (s->err == RK_NO_MEMORY && (s->err = ml->body->grow(ml)) == RK_OK) {
		rk_work(ml->env, ml->lane, commit, committed, ml);
		return;
	}
	f->under_way = NULL;
	if (s->err == RK_OK)
		settle(f, s);
	else if (f->err == RK_OK)
		f->err = s->err;
	if (f->next->waiters > 0)
		submit(ml);
	/* A done may close the log: nothing of it is touched behind this line. */
	struct waiter *w = s->waiter;
	uint32_t n = s->waiters;
	enum rk_err e = s->err;
	s->waiter = NULL;
	if (e == RK_OK) {
		stage_free(s);
	} else { /* the view still points into it */
		s->lost = f->lost;
		f->lost = s;
	}
	for (uint32_t i = 0; i < n; i++)
		w[i].done(w[i].arg, e);
	rk_mem_put(w);
}

static void
submit(struct st_mlog *ml)
{
	struct st_mlog_front *f = ml->front;
	struct stage *s = f->next;

	rk_assert(f->under_way == NULL);
	f->under_way = s;
	f->next = stage_new(f);
	s->err = f->err;
	if (f->state_changed)
		pack_state(&f->info, &s->tx);
	if (f->lists_changed)
		pack_lists(&f->info, &s->tx);
	f->state_changed = f->lists_changed = false;
	rk_work(ml->env, ml->lane, commit, committed, ml);
}

void
st_mlog_flush(struct st_mlog *ml, rk_done *done, void *arg)
{
	struct st_mlog_front *f = front(ml);
	struct stage *s = f->next;
	struct waiter *w = rk_mem_room((void **)&s->waiter, s->waiters++, &s->waiter_cap, sizeof *w);

	rk_assert(done != NULL);
	w->done = done;
	w->arg = arg;
	if (f->under_way == NULL)
		submit(ml);
}

/* --- reading */

/* The view's entry that holds offset: its entries are contiguous and ascend. */
static uint32_t
find(const struct st_mlog_front *f, int64_t offset)
{
	uint32_t lo = 0, hi = f->views;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (f->view[mid].end > offset)
			hi = mid;
		else
			lo = mid + 1;
	}
	rk_assert(lo < f->views && f->view[lo].base <= offset);
	return lo;
}

static enum rk_err
get_view(const struct st_mlog_front *f, int64_t offset, int64_t limit, uint32_t max_bytes,
    struct rk_arena *a, struct rk_str *out)
{
	uint32_t first = find(f, offset), n = first;
	size_t len = 0;

	do
		len += f->view[n++].len;
	while (n < f->views && f->view[n].base < limit && len + f->view[n].len <= max_bytes);
	char *to = rk_arena_raw(a, len);
	if (to == NULL)
		return RK_NO_MEMORY;
	*out = (struct rk_str){ to, (int32_t)len };
	for (uint32_t i = first; i < n; i++) {
		memcpy(to, f->view[i].bytes, f->view[i].len);
		to += f->view[i].len;
	}
	return RK_OK;
}

enum rk_err
st_mlog_read(struct st_mlog *ml, int64_t offset, int64_t limit, uint32_t max_bytes, struct rk_arena *a,
    struct rk_str *out)
{
	struct st_mlog_front *f = front(ml);

	*out = (struct rk_str){ "", 0 };
	if (offset < f->info.start || offset > f->info.end)
		return RK_OFFSET_OUT_OF_RANGE;
	if (offset >= limit || offset == f->info.end)
		return RK_OK;
	max_bytes = (uint32_t)rk_min(max_bytes, INT32_MAX);
	if (offset < f->solid)
		return ml->body->get(ml, offset, rk_min(limit, f->solid), max_bytes, a, out);
	return get_view(f, offset, limit, max_bytes, a, out);
}
