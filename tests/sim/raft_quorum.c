/* raft_quorum.c - members that carry out raft's orders, and the letters between them.
 *
 * A batch here is a real one (protocol/batch.h) with our own words inside: a client's batch holds a number
 * that no other has, a control batch holds what raft was told to tell. Requests are known by a call
 * number that says who asked, in which of its lives, and the number it gave. */
#include "tests/sim/raft_sim.h"
#include "base/mem.h"
#include "protocol/batch.h"

enum { BATCH_MAX = 1024, CHANGES_MAX = 256 };

static int64_t
local_ms(const struct member *n)
{
	return 1000 + (int64_t)n->id * 100000 + n->q->sim.now_us / 1000 * n->rate / 1000;
}

struct raft_key
sim_key(const struct member *n)
{
	struct raft_key k = { (int32_t)n->id, { { 9, (uint8_t)n->id, (uint8_t)n->incarnation } } };
	return k;
}

struct raft_voter
sim_voter(const struct member *n)
{
	struct raft_voter v = { .key = sim_key(n), .max_version = 1, .ends = n->ends };
	return v;
}

uint64_t
sim_signature(const struct raft_voters *v)
{
	uint64_t s = 17;

	for (uint32_t i = 0; i < v->count; i++)
		s = s * 31 + rk_hash(&v->voter[i].key, sizeof v->voter[i].key, 3) + v->voter[i].ends.end[0].port;
	return s;
}

const struct frozen *
sim_frozen(const struct quorum *q, struct raft_snap id)
{
	for (uint32_t i = 0; i < q->frozen_count; i++)
		if (q->frozen[i].id.end == id.end && q->frozen[i].id.epoch == id.epoch)
			return &q->frozen[i];
	return NULL;
}

/* --- batches: behind the head stand kind u8, then for a client's batch its number u64; for a control
 * batch version i16 (-1 not told), count u8 (255 not told), and id u8, incarnation u8, port u16 each */

static uint32_t
seal(uint8_t *b, uint32_t len, int64_t base, int32_t count, int32_t epoch, bool control)
{
	memset(b, 0, KP_BATCH_HEAD);
	kp_batch_set_base(b, base);
	rk_put32(b + 8, len - 12);
	kp_batch_set_epoch(b, epoch);
	b[16] = 2;
	rk_put16(b + 21, control ? KP_ATTR_CONTROL : 0);
	rk_put32(b + 23, (uint32_t)count - 1);
	rk_put32(b + 57, (uint32_t)count);
	return len;
}

static uint32_t
control_batch(const struct raft_todo *t, int64_t end, uint8_t *b)
{
	uint8_t *p = b + KP_BATCH_HEAD;

	*p++ = 'C';
	rk_put16(p, (uint16_t)t->tell_version);
	p += 2;
	*p++ = t->tell_voters != NULL ? (uint8_t)t->tell_voters->count : 255;
	for (uint32_t i = 0; t->tell_voters != NULL && i < t->tell_voters->count; i++) {
		const struct raft_voter *v = &t->tell_voters->voter[i];
		*p++ = (uint8_t)v->key.id;
		*p++ = v->key.dir.id[2];
		*p++ = v->key.dir.id[0];
		rk_put16(p, v->ends.end[0].port);
		p += 2;
	}
	return seal(b, (uint32_t)(p - b), t->control_base, (int32_t)(end - t->control_base), t->control_epoch, true);
}

static struct raft_ends
ends_at(uint32_t id, uint16_t port)
{
	struct raft_ends e = { .count = 1, .end = { { "C", "", port } } };

	e.end[0].host[0] = (char)('a' + id);
	return e;
}

bool
sim_parse_voters(const struct quorum *q, const uint8_t *b, int16_t *version, struct raft_voters *v)
{
	const uint8_t *p = b + KP_BATCH_HEAD;

	(void)q;
	*version = -1;
	if (*p++ != 'C')
		return false;
	*version = (int16_t)rk_get16(p);
	p += 2;
	if (*p == 255)
		return false;
	v->count = *p++;
	for (uint32_t i = 0; i < v->count; i++, p += 5) {
		v->voter[i] = (struct raft_voter){ .key = { p[0], { { p[2], p[0], p[1] } } }, .max_version = 1,
			.ends = ends_at(p[0], rk_get16(p + 3)) };
		if (p[2] == 0)
			memset(&v->voter[i].key.dir, 0, sizeof v->voter[i].key.dir);
	}
	return true;
}

/* --- letters */

static void
letter_free(struct letter *l)
{
	rk_mem_put(l->bytes);
	rk_mem_put(l);
}

static void deliver(void *arg, bool lost);

static void
travel(struct letter *l)
{
	struct quorum *q = l->q;
	int64_t us = 50 + sim_below(&q->sim, q->calm ? 2000 : q->fate.delay_us);

	sim_at(&q->sim, q->sim.now_us + us, NULL, deliver, l);
}

static struct letter *
copy(const struct letter *l)
{
	struct letter *c = rk_new(struct letter);

	*c = *l;
	if (l->bytes != NULL) {
		c->bytes = rk_mem_get(l->len);
		memcpy(c->bytes, l->bytes, l->len);
	}
	return c;
}

static void
post(struct letter *l)
{
	struct quorum *q = l->q;

	if (l->to == ADMIN || (!q->calm && sim_chance(&q->sim, q->fate.loss))) {
		letter_free(l);
		return;
	}
	if (!q->calm && sim_chance(&q->sim, q->fate.twice))
		travel(copy(l));
	travel(l);
}

/* What waits for no flush any more leaves, in order. */
static void
release(struct member *n)
{
	uint32_t k = 0;

	for (; k < n->outs && n->out[k]->need <= n->flush_done; k++) {
		struct letter *l = n->out[k];
		if (l->m.kind == RAFT_VOTE && l->m.reply && l->m.granted && !l->m.pre)
			sim_check_vote(n, l->m.epoch, l->m.from.id);
		if (l->m.kind == RAFT_VOTE && !l->m.reply && !l->m.pre)
			sim_check_vote(n, l->m.epoch, (int32_t)n->id);
		post(l);
	}
	n->outs -= k;
	if (k > 0)
		memmove(n->out, n->out + k, n->outs * sizeof *n->out);
}

static void
read_records(struct member *n, struct letter *l)
{
	struct rk_arena a;
	struct rk_str s;

	rk_arena_init(&a, SIZE_MAX);
	if (st_mlog_read(n->ml, l->m.offset, INT64_MAX, (uint32_t)l->m.max_bytes, &a, &s) == RK_OK && s.len > 0) {
		l->bytes = rk_mem_get((size_t)s.len);
		l->len = (uint32_t)s.len;
		memcpy(l->bytes, s.at, l->len);
	} else {
		sim_fail(n->q, "leader %u cannot read at %" PRId64, n->id, l->m.offset);
	}
	rk_arena_free(&a);
}

static void
read_slice(struct member *n, struct raft_msg *m)
{
	bool here = false;

	for (uint32_t i = 0; i < n->snaps; i++)
		here |= n->snap[i].end == m->snap.end && n->snap[i].epoch == m->snap.epoch;
	if (!here)
		m->err = RK_SNAPSHOT_NOT_FOUND;
	else if (m->offset >= SNAP_BYTES)
		m->err = RK_POSITION_OUT_OF_RANGE;
	m->size = SNAP_BYTES;
	m->len = (uint32_t)rk_min(m->max_bytes, SNAP_BYTES - m->offset);
}

static void
write_letter(struct member *n, const struct raft_msg *m)
{
	struct letter *l = rk_new(struct letter);

	l->q = n->q;
	l->m = *m;
	l->from = n->id;
	l->need = n->save_need;
	if (m->reply) {
		l->to = (uint32_t)(m->call >> 56) - 1;
		l->life = (uint32_t)(m->call >> 40) & 0xffff;
		l->m.call = m->call & 0xffffffffffu;
		if (m->kind == RAFT_VOTE) { /* for the checker: whom it is granted to */
			l->m.from.id = (int32_t)l->to;
		}
	} else {
		l->to = m->to <= RAFT_BOOTSTRAP ? (uint32_t)(RAFT_BOOTSTRAP - m->to) : (uint32_t)m->to;
		l->m.call = (uint64_t)(n->id + 1) << 56 | (uint64_t)(n->life & 0xffff) << 40 | m->call;
		rk_assert(m->preferred_count <= RAFT_VOTERS_MAX);
		if (m->preferred_count > 0)
			memcpy(l->preferred, m->preferred, m->preferred_count * sizeof *m->preferred);
	}
	if (m->kind == RAFT_FETCH && m->reply && m->records)
		read_records(n, l);
	if (m->kind == RAFT_SNAPSHOT && m->reply && m->err == RK_OK)
		read_slice(n, &l->m);
	*(struct letter **)rk_mem_room((void **)&n->out, n->outs++, &n->out_cap, sizeof l) = l;
}

/* --- hearing */

static void
parse(struct member *n, const struct letter *l, struct raft_batches *b)
{
	static struct raft_voters voters[RAFT_RUNS_MAX];
	const uint8_t *p = l->bytes;

	*b = (struct raft_batches){ .handle = 1, .base = kp_batch_base(p) };
	b->end = b->base;
	for (; p < l->bytes + l->len; p += kp_batch_bytes(p)) {
		struct raft_voters *v = &voters[b->changes];
		int16_t version;
		if (b->changes == RAFT_RUNS_MAX || (b->runs == RAFT_RUNS_MAX && b->run[b->runs - 1].epoch != kp_batch_epoch(p)))
			break;
		if (b->runs == 0 || b->run[b->runs - 1].epoch != kp_batch_epoch(p))
			b->run[b->runs++] = (struct raft_epoch){ kp_batch_epoch(p), kp_batch_base(p) };
		if (sim_parse_voters(n->q, p, &version, v))
			b->change[b->changes++] = (struct raft_change){ kp_batch_last(p), version, v };
		b->end = kp_batch_last(p) + 1;
	}
}

/* ApiVersions is the node's business, not raft's. */
static void
answer_versions(struct member *n, const struct raft_msg *m)
{
	struct raft_msg a = { .kind = RAFT_VERSIONS, .reply = true, .call = m->call, .max_version = 1 };

	write_letter(n, &a);
	release(n);
}

static void
failed(void *arg, bool lost)
{
	struct letter *l = arg;
	struct member *n = &l->q->member[l->from];

	if (!lost)
		sim_feed(n, (struct raft_event){ .kind = RAFT_FAILED, .call = l->m.call & 0xffffffffffu,
		    .refused = l->refused });
	letter_free(l);
}

static void
hear(struct member *n, struct letter *l)
{
	struct quorum *q = l->q;
	struct raft_batches b;

	if (l->m.leader_ends != NULL)
		l->m.leader_ends = &q->member[l->m.leader].ends;
	if (l->m.ends != NULL)
		l->m.ends = &q->member[l->m.voter.id >= 0 ? l->m.voter.id : (int32_t)n->id].ends;
	if (q->trace)
		printf("%" PRId64 "   %u <- %u kind %d%s %s e%d l%d off %" PRId64 "/%d hw %" PRId64 " snap %" PRId64
		    "-%d div %" PRId64 "-%d %u bytes\n", q->sim.now_us, n->id, l->from, l->m.kind, l->m.reply ? " reply" : "",
		    rk_err_name(l->m.err), l->m.epoch, l->m.leader, l->m.offset, l->m.last_epoch, l->m.hw, l->m.snap.end,
		    l->m.snap.epoch, l->m.diverging.end, l->m.diverging.epoch, l->len);
	l->m.preferred = l->preferred;
	l->m.at = NULL;
	l->m.got = NULL;
	l->m.handle = 1;
	if (l->bytes != NULL) {
		parse(n, l, &b);
		l->m.got = &b;
		n->got = l->bytes;
		n->got_len = l->len;
	}
	sim_feed(n, (struct raft_event){ .kind = RAFT_RECV, .msg = &l->m });
	n->got = NULL;
}

static void
deliver(void *arg, bool lost)
{
	struct letter *l = arg;
	struct quorum *q = l->q;
	struct member *n = &q->member[l->to];

	bool through = !lost && l->to < q->members && n->up && !q->blocked[l->from][l->to];
	if (through && l->m.reply)
		through = (n->life & 0xffff) == l->life;
	if (through && l->m.kind == RAFT_VERSIONS && !l->m.reply)
		answer_versions(n, &l->m);
	else if (through)
		hear(n, l);
	else if (!lost && !l->m.reply && sim_chance(&q->sim, 500000)) {
		/* a refused connection says so; a black hole does not */
		l->refused = l->to < q->members && !n->up;
		struct member *from = &q->member[l->from];
		sim_at(&q->sim, q->sim.now_us + 1000, &from->life, failed, l);
		return;
	}
	letter_free(l);
}

/* --- the disk */

static void
run_job(void *arg, bool lost)
{
	struct job *j = arg;

	if (!lost) {
		rk_assert(j->n->job == j);
		j->n->job = NULL;
		j->fn(j->arg);
		j->done(j->arg, RK_OK);
	}
	rk_mem_put(j);
}

static void
work(struct rk_env *e, uint32_t lane, rk_job *fn, rk_done *done, void *arg)
{
	struct member *n = rk_of(e, struct member, env);
	struct quorum *q = n->q;
	struct job *j = rk_new(struct job);
	int64_t us = 20 + sim_below(&q->sim, q->calm ? 2000 : q->fate.disk_us);

	(void)lane;
	if (!q->calm && sim_chance(&q->sim, q->fate.stall))
		us += sim_below(&q->sim, 3000000);
	*j = (struct job){ n, fn, done, arg };
	rk_assert(n->job == NULL);
	n->job = j;
	sim_at(&q->sim, q->sim.now_us + us, &n->life, run_job, j);
}

static const struct rk_world world = { .work = work };

static void start_flush(struct member *);

/* An older file may go only when the id of a newer one is durable: else a crash leaves neither. */
static void
remove_snapshots(struct member *n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n->snaps; i++)
		if (n->snap[i].end >= n->flushing.end || (n->snaps > SNAPS_MAX / 2 ? false : i + 3 > n->snaps))
			n->snap[kept++] = n->snap[i];
	n->snaps = kept;
}

static void
flushed(void *arg, enum rk_err e)
{
	struct member *n = arg;

	rk_assert(e == RK_OK);
	n->flush_done = n->flush_started;
	remove_snapshots(n);
	release(n);
	if (n->q->bug != BUG_ACK_BEFORE_SYNC)
		sim_feed(n, (struct raft_event){ .kind = RAFT_FLUSHED, .mark = n->mark });
	if (n->up && n->flush_done == n->flush_started && n->save_need > n->flush_done)
		start_flush(n);
}

static void
early(void *arg, bool lost)
{
	struct member *n = arg;

	if (!lost)
		sim_feed(n, (struct raft_event){ .kind = RAFT_FLUSHED, .mark = raft_mark(n->r) });
}

static void
start_flush(struct member *n)
{
	n->flush_started++;
	n->mark = raft_mark(n->r);
	n->flushing = st_mlog_info(n->ml)->snap;
	st_mlog_flush(n->ml, flushed, n);
	if (n->q->bug == BUG_ACK_BEFORE_SYNC)
		sim_at(&n->q->sim, n->q->sim.now_us, &n->life, early, n);
}

/* --- carrying out */

static void
must(struct member *n, enum rk_err e)
{
	if (e != RK_OK)
		sim_fail(n->q, "member %u: the log refuses a change: %s", n->id, rk_err_name(e));
}

static void
take(struct member *n, const struct raft_todo *t)
{
	const uint8_t *p = n->got, *end = n->got + n->got_len;

	while (p < end && kp_batch_base(p) < t->take_base)
		p += kp_batch_bytes(p);
	const uint8_t *from = p;
	while (p < end && kp_batch_base(p) < t->take_end)
		p += kp_batch_bytes(p);
	must(n, st_mlog_append(n->ml, from, (uint32_t)(p - from)));
}

static void
change_log(struct member *n, const struct raft_todo *t)
{
	uint8_t b[BATCH_MAX];

	if (t->save && n->q->bug != BUG_VOTE_FORGOTTEN) {
		struct st_mlog_vote v = { t->vote.epoch, t->vote.leader, t->vote.voted.id, t->vote.voted.dir };
		must(n, st_mlog_save(n->ml, &v));
	}
	if (t->reset) {
		must(n, st_mlog_reset(n->ml, (struct st_mlog_snap){ t->snap.end, t->snap.epoch }));
		sim_check_reset(n, t->snap);
	}
	if (t->cut)
		must(n, st_mlog_cut(n->ml, t->cut_to));
	if (t->take)
		take(n, t);
	if (t->control)
		must(n, st_mlog_append(n->ml, b, control_batch(t, n->r->log_end, b)));
}

static void
installed(void *arg, bool lost)
{
	struct letter *l = arg;
	struct member *n = &l->q->member[l->from];
	const struct frozen *f = sim_frozen(l->q, l->m.snap);

	if (!lost) {
		rk_assert(f != NULL);
		rk_assert(n->snaps < SNAPS_MAX);
		n->snap[n->snaps++] = f->id;
		sim_feed(n, (struct raft_event){ .kind = RAFT_INSTALLED, .snap = f->id,
		    .change = { f->id.end - 1, f->version, &f->voters } });
	}
	letter_free(l);
}

static void
freeze(struct member *n, struct raft_snap id)
{
	struct letter *l = rk_new(struct letter);

	l->q = n->q;
	l->from = n->id;
	l->m.snap = id;
	sim_at(&n->q->sim, n->q->sim.now_us + 500 + sim_below(&n->q->sim, 20000), &n->life, installed, l);
}

static void
woken(void *arg, bool lost)
{
	struct member *n = arg;

	if (lost || n->q->sim.now_us < n->wake_us)
		return;
	n->wake_us = INT64_MAX;
	sim_feed(n, (struct raft_event){ .kind = RAFT_TICK });
}

static void
wake(struct member *n, int64_t at_ms)
{
	int64_t in_ms = at_ms - local_ms(n);

	if (at_ms == INT64_MAX)
		return;
	int64_t at_us = n->q->sim.now_us + (in_ms <= 0 ? 0 : in_ms * 1000 * 1000 / n->rate + 1000);
	if (n->wake_us > n->q->sim.now_us && n->wake_us <= at_us)
		return;
	n->wake_us = at_us;
	sim_at(&n->q->sim, at_us, &n->life, woken, n);
}

static void
stopping(void *arg, bool lost)
{
	if (!lost)
		sim_member_crash(arg);
}

static void
cruelly(void *arg, bool lost)
{
	if (!lost)
		sim_member_falls(arg);
}

static void
obey(struct member *n)
{
	const struct raft_todo *t = n->todo;

	change_log(n, t);
	if (t->save && n->q->bug != BUG_VOTE_TOLD_BEFORE_SYNC)
		n->save_need = n->flush_started + 1;
	if (t->freeze)
		freeze(n, t->snap_part);
	if (t->flush && n->flush_done == n->flush_started)
		start_flush(n);
	else if (t->flush)
		n->save_need = rk_max((int64_t)n->save_need, (int64_t)n->flush_started + 1);
	for (uint32_t i = 0; i < t->count; i++)
		write_letter(n, &t->msg[i]);
	release(n);
	wake(n, t->wake_ms);
	if (t->save && !n->q->calm && sim_chance(&n->q->sim, n->q->fate.cruel))
		sim_at(&n->q->sim, n->q->sim.now_us + sim_below(&n->q->sim, n->q->fate.disk_us), &n->life, cruelly, n);
	if (t->stopped)
		sim_at(&n->q->sim, n->q->sim.now_us, &n->life, stopping, n);
}

/* The voters by id: a digit each, 0 of another directory. */
static uint64_t
bits(const struct member *n)
{
	const struct raft_voters *v = &raft_set_now(n->r)->voters;
	uint64_t b = 0;

	for (uint32_t i = 0; i < v->count; i++)
		b |= 1u << 4 * v->voter[i].key.id;
	return b;
}

void
sim_feed(struct member *n, struct raft_event e)
{
	struct quorum *q = n->q;

	if (!n->up || q->failure[0] != 0)
		return;
	e.now_ms = local_ms(n);
	raft_step(n->r, &e, n->todo);
	q->steps++;
	if (q->trace)
		printf("%" PRId64 " %u %s(%d) e%d l%d [%" PRId64 ",%" PRId64 ") f%" PRId64 " hw%" PRId64
		    "%s%s%s m%u w%" PRId64 " v%" PRIx64 "\n", q->sim.now_us, n->id, raft_role_name(n->r->role), e.kind,
		    n->r->vote.epoch, n->r->vote.leader, n->r->log_start, n->r->log_end, n->r->flushed_end, n->r->hw,
		    n->todo->save ? " save" : "", n->todo->cut ? " cut" : "", n->todo->take ? " take" : "", n->todo->count,
		    n->todo->wake_ms - e.now_ms, bits(n));
	obey(n);
	sim_check_step(n);
	sim_note(&q->sim, (uint64_t)n->id << 32 | (uint64_t)n->r->role << 24 | (uint64_t)e.kind,
	    (uint64_t)n->r->vote.epoch << 40 ^ (uint64_t)n->r->log_end << 20 ^ (uint64_t)n->r->hw);
}

bool
sim_client_append(struct member *n)
{
	uint8_t b[BATCH_MAX];
	struct quorum *q = n->q;

	if (!n->up || !raft_leads(n->r) || q->failure[0] != 0)
		return false;
	int64_t base = n->r->log_end;
	int32_t count = (int32_t)sim_below(&q->sim, 3) + 1;
	uint32_t len = KP_BATCH_HEAD + 9 + (uint32_t)sim_below(&q->sim, 60);
	memset(b, 0, sizeof b);
	seal(b, len, base, count, n->r->vote.epoch, false);
	b[KP_BATCH_HEAD] = 'D';
	rk_put64(b + KP_BATCH_HEAD + 1, ++q->op);
	must(n, st_mlog_append(n->ml, b, len));
	sim_feed(n, (struct raft_event){ .kind = RAFT_APPENDED, .end = base + count });
	return true;
}

/* The node freezes what it has applied, and later forgets the log before it. */
void
sim_take_snapshot(struct member *n, bool trim)
{
	struct quorum *q = n->q;
	struct raft_snap id = { n->r->hw, raft_epoch_at(n->r, n->r->hw - 1) };
	const struct raft_set *s = raft_set_at(n->r, id.end);

	if (id.end > n->r->log_start && id.end > n->r->snap.end) {
		if (sim_epoch_below(q, id.end) != id.epoch)
			sim_fail(q, "member %u takes a snapshot %" PRId64 "-%d of another epoch", n->id, id.end, id.epoch);
		if (s == NULL)
			return; /* forgotten: later */
		if (!q->static_voters && sim_signature(&s->voters) != sim_voters_below(q, id.end))
			sim_fail(q, "member %u takes a snapshot at %" PRId64 " with other voters", n->id, id.end);
		if (q->failure[0] != 0)
			return;
		if (sim_frozen(q, id) == NULL) {
			struct frozen *f = rk_mem_room((void **)&q->frozen, q->frozen_count++, &q->frozen_cap, sizeof *f);
			*f = (struct frozen){ id, s->version, s->voters, 0 };
		}
		rk_assert(n->snaps < SNAPS_MAX);
		n->snap[n->snaps++] = id;
		must(n, st_mlog_snapshot(n->ml, (struct st_mlog_snap){ id.end, id.epoch }));
		sim_feed(n, (struct raft_event){ .kind = RAFT_SNAPPED, .snap = id });
	}
	if (trim && n->snaps > 0 && n->snap[n->snaps - 1].end > n->r->log_start
	    && n->snap[n->snaps - 1].end <= n->r->hw) {
		id = n->snap[n->snaps - 1];
		must(n, st_mlog_trim(n->ml, (struct st_mlog_snap){ id.end, id.epoch }));
		sim_feed(n, (struct raft_event){ .kind = RAFT_TRIMMED, .snap = id });
	}
}

/* --- lives */

static uint32_t
load_changes(struct member *n, struct raft_change *c, struct raft_voters *v)
{
	const struct st_mlog_info *i = st_mlog_info(n->ml);
	struct rk_arena a;
	struct rk_str s;
	uint32_t count = 0;

	if (i->base.end > 0) {
		const struct frozen *f = sim_frozen(n->q, (struct raft_snap){ i->base.end, i->base.epoch });
		rk_assert(f != NULL);
		c[count++] = (struct raft_change){ i->base.end - 1, f->version, &f->voters };
	} else if (n->initial) {
		c[count++] = (struct raft_change){ -1, n->q->static_voters ? 0 : 1, &n->q->first };
	}
	rk_arena_init(&a, SIZE_MAX);
	for (uint32_t k = 0; k < i->controls; k++) {
		int16_t version;
		rk_assert(count < CHANGES_MAX);
		if (st_mlog_read(n->ml, i->control[k], i->control[k] + 1, 1, &a, &s) != RK_OK || s.len == 0)
			continue;
		if (sim_parse_voters(n->q, (const uint8_t *)s.at, &version, &v[count])) {
			c[count] = (struct raft_change){ kp_batch_last(s.at), version, &v[count] };
			count++;
		}
	}
	rk_arena_free(&a);
	return count;
}

static void
init_raft(struct member *n)
{
	static struct raft_voters voters[CHANGES_MAX];
	static struct raft_change change[CHANGES_MAX];
	const struct st_mlog_info *i = st_mlog_info(n->ml);
	struct quorum *q = n->q;
	struct raft_epoch *e = rk_mem_get((i->epochs + 1) * sizeof *e);
	struct raft_start s = { .self = sim_voter(n), .can_vote = !n->broker, .seed = sim_random(&q->sim),
		.now_ms = local_ms(n), .log_start = i->start, .log_end = i->end, .epoch = e, .epochs = i->epochs,
		.snap = { i->snap.end, i->snap.epoch }, .base = { i->base.end, i->base.epoch },
		.vote = { i->vote.epoch, i->vote.leader, { i->vote.voted, i->vote.voted_dir } }, .change = change };

	for (uint32_t k = 0; k < i->epochs; k++)
		e[k] = (struct raft_epoch){ i->epoch[k].epoch, i->epoch[k].start };
	s.conf = RAFT_CONF_DEFAULT;
	s.conf.fetch_max_bytes = 400;
	s.conf.snapshot_max_bytes = 1000;
	s.conf.bootstraps = q->static_voters && q->auto_join ? 0 : q->members;
	s.conf.auto_join = q->auto_join;
	s.changes = load_changes(n, change, voters);
	raft_init(n->r, &s);
	rk_mem_put(e);
}

void
sim_member_start(struct member *n)
{
	rk_assert(!n->up);
	must(n, sim_mlog_open(&n->env, n->disk, 1, &n->ml));
	n->env.world = &world;
	n->up = true;
	n->flush_started = n->flush_done = n->save_need = 0;
	n->wake_us = INT64_MAX;
	n->ends = ends_at(n->id, n->port);
	n->hw_seen = st_mlog_info(n->ml)->start;
	init_raft(n);
	sim_feed(n, (struct raft_event){ .kind = RAFT_TICK });
}

/* What is under way to the disk is in or out. */
void
sim_member_crash(struct member *n)
{
	if (!n->up)
		return;
	if (n->q->trace)
		printf("%" PRId64 " %u crashes\n", n->q->sim.now_us, n->id);
	if (n->job != NULL && sim_chance(&n->q->sim, n->q->fate.torn))
		n->job->fn(n->job->arg);
	n->job = NULL;
	n->up = false;
	n->life++;
	for (uint32_t i = 0; i < n->outs; i++)
		letter_free(n->out[i]);
	n->outs = 0;
	st_mlog_close(n->ml);
	n->ml = NULL;
}

/* The disk is replaced: the node comes back with another directory id and knows nothing. */
void
sim_member_wipe(struct member *n)
{
	rk_assert(!n->up);
	sim_mdisk_free(n->disk);
	n->disk = sim_mdisk_new();
	n->incarnation++;
	n->snaps = 0;
	n->initial = false;
}
