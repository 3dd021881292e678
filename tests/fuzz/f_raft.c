/* f_raft.c - any message from any peer at any time: raft_step never dies, whatever it is told.
 *
 * The input is a stream of events for one member. What the node itself vouches for stays true (offsets of
 * its own log, flush marks, batches that are whole and ascend); all that a peer chooses is the input's. */
#include "raft/raft.h"
#include "tests/fuzz/fuzz.h"

static struct raft r;
static struct raft_todo t;
static const uint8_t *p, *end;
static int64_t now;
static struct raft_voters sets[4];
static struct raft_msg asked[8]; /* our own requests, to be answered */
static uint32_t asks;
static uint64_t calls;
static bool freezing;
static struct raft_snap frozen;

static uint8_t
byte(void)
{
	return p < end ? *p++ : 0;
}

/* Numbers near the one that matters, and the ends of the world. */
static int64_t
near(int64_t v)
{
	static const int64_t ends[] = { INT64_MIN, -1, 0, 1, INT32_MAX, INT64_MAX };
	uint8_t b = byte();

	return b < 240 && v > -1000 && v < INT64_MAX - 8 ? v + (int8_t)(b % 16) - 8 : ends[b % 6];
}

static int32_t
near32(int32_t v)
{
	static const int32_t ends[] = { INT32_MIN, -1, 0, 1, INT32_MAX - 1, INT32_MAX };
	uint8_t b = byte();

	return b < 250 && v > -1000 && v < INT32_MAX - 2 ? v + (int32_t)(b % 5) - 2 : ends[b % 6];
}

static struct raft_key
key(void)
{
	uint8_t b = byte();
	struct raft_key k = { (int32_t)(b % 8) - 1, { { 0 } } };

	if (b % 3 != 0)
		k.dir.id[0] = (uint8_t)(1 + b / 64);
	return k;
}

static void
make_set(struct raft_voters *v)
{
	memset(v, 0, sizeof *v);
	v->count = byte() % (RAFT_VOTERS_MAX + 1);
	if (v->count > 6 && byte() < 200)
		v->count = 3;
	for (uint32_t i = 0; i < v->count; i++) {
		struct raft_voter *q = &v->voter[i];
		q->key = key();
		if (byte() % 4 != 0)
			q->key = (struct raft_key){ (int32_t)i, { { 1 } } };
		q->min_version = (int16_t)(byte() % 3);
		q->max_version = (int16_t)(byte() % 3);
		q->ends.count = byte() % (RAFT_ENDS_MAX + 1);
		q->ends.end[0].port = byte();
	}
}

static void
step(struct raft_event e)
{
	e.now_ms = now;
	raft_step(&r, &e, &t);
	for (uint32_t i = 0; i < t.count; i++)
		if (!t.msg[i].reply)
			asked[asks++ % 8] = t.msg[i];
	if (t.freeze) {
		freezing = true;
		frozen = t.snap_part;
	}
}

static void
fill(struct raft_msg *m)
{
	static struct raft_key preferred[RAFT_VOTERS_MAX];

	m->epoch = near32(r.vote.epoch);
	m->leader = byte() % 4 == 0 ? -1 : key().id;
	m->leader_ends = byte() % 2 ? &sets[0].voter[0].ends : NULL;
	m->from = key();
	m->voter = byte() % 2 ? r.self.key : key();
	m->pre = byte() % 2;
	m->granted = byte() % 4 != 0;
	m->offset = near(r.log_end);
	m->last_epoch = near32(raft_last_epoch(&r));
	m->hw = near(r.log_end);
	m->log_start = near(r.log_start);
	m->max_wait_ms = near32(500);
	m->max_bytes = near32(1000);
	m->snap = (struct raft_snap){ byte() % 4 == 0 ? near(r.log_end) : 0, near32(r.vote.epoch) };
	m->diverging = (struct raft_snap){ near(r.log_end), byte() % 4 == 0 ? near32(r.vote.epoch) : -1 };
	m->len = byte() % 4 == 0 ? UINT32_MAX : byte();
	m->size = near(m->offset);
	m->preferred = preferred;
	m->preferred_count = byte() % (RAFT_VOTERS_MAX + 1);
	for (uint32_t i = 0; i < m->preferred_count; i++)
		preferred[i] = key();
	m->ends = byte() % 3 ? &sets[0].voter[0].ends : NULL;
	m->min_version = (int16_t)(byte() % 3);
	m->max_version = (int16_t)(byte() % 3);
	m->timeout_ms = near32(100);
	m->ack_committed = byte() % 2;
}

/* Whole, contiguous batches somewhere; their epochs are the peer's. */
static void
batches(struct raft_batches *b)
{
	memset(b, 0, sizeof *b);
	b->base = byte() % 4 == 0 ? rk_max(0, near(r.log_end) % 1000000) : r.log_end;
	b->end = b->base;
	b->runs = byte() % 4;
	for (uint32_t i = 0; i < b->runs; i++) {
		b->run[i] = (struct raft_epoch){ near32(r.vote.epoch), b->end };
		b->end += 1 + byte() % 8;
	}
	for (int64_t at = b->base; at < b->end && b->changes < 3 && byte() % 4 == 0; at++) {
		struct raft_voters *v = &sets[1 + b->changes];
		make_set(v);
		b->change[b->changes++] = (struct raft_change){ at, (int16_t)(byte() % 3 - 1), byte() % 4 ? v : NULL };
	}
}

static void
request(void)
{
	static const enum raft_kind kinds[] = { RAFT_VOTE, RAFT_BEGIN, RAFT_END, RAFT_FETCH, RAFT_SNAPSHOT, RAFT_ADD,
		RAFT_REMOVE, RAFT_UPDATE };
	struct raft_msg m = { .kind = kinds[byte() % rk_countof(kinds)], .call = ++calls };

	fill(&m);
	step((struct raft_event){ .kind = RAFT_RECV, .msg = &m });
}

static void
reply(void)
{
	static const enum rk_err errors[] = { RK_OK, RK_OK, RK_OK, RK_OK, RK_FENCED_LEADER_EPOCH,
		RK_NOT_LEADER_OR_FOLLOWER, RK_UNKNOWN_LEADER_EPOCH, RK_UNSUPPORTED_VERSION, RK_SNAPSHOT_NOT_FOUND };
	const struct raft_msg *q = &asked[byte() % 8];
	struct raft_batches b;
	struct raft_msg m = { .kind = q->kind, .reply = true, .call = q->call };

	if (q->call == 0)
		return;
	fill(&m);
	if (byte() % 4 != 0)
		m.epoch = r.vote.epoch;
	if (byte() % 2 != 0)
		m.leader = r.vote.leader;
	if (byte() % 2 != 0) { /* a slice that fits */
		m.snap = r.down.end > 0 ? r.down : m.snap;
		m.offset = r.down_pos;
		m.len = 10;
		m.size = r.down_pos + (byte() % 2 ? 10 : 1000);
	}
	m.err = errors[byte() % rk_countof(errors)];
	batches(&b);
	m.got = byte() % 4 != 0 ? &b : NULL;
	step((struct raft_event){ .kind = RAFT_RECV, .msg = &m });
}

static void
own(void)
{
	struct raft_snap s;

	switch (byte() % 8) {
	case 0:
		if (raft_leads(&r))
			step((struct raft_event){ .kind = RAFT_APPENDED, .end = r.log_end + 1 + byte() % 4 });
		return;
	case 1:
	case 2:
		step((struct raft_event){ .kind = RAFT_FLUSHED, .mark = raft_mark(&r) });
		return;
	case 3:
		s = (struct raft_snap){ r.hw, raft_epoch_at(&r, r.hw - 1) };
		if (r.hw > r.log_start && r.fault == NULL)
			step((struct raft_event){ .kind = RAFT_SNAPPED, .snap = s });
		if (r.hw > r.log_start && r.fault == NULL && byte() % 2)
			step((struct raft_event){ .kind = RAFT_TRIMMED, .snap = s });
		return;
	case 4:
		if (freezing) {
			freezing = false;
			make_set(&sets[1]);
			step((struct raft_event){ .kind = RAFT_INSTALLED, .snap = frozen,
			    .change = { frozen.end - 1, (int16_t)(byte() % 2), byte() % 4 ? &sets[1] : NULL } });
		}
		return;
	case 5:
		step((struct raft_event){ .kind = byte() % 2 ? RAFT_FAILED : RAFT_GONE,
		    .call = byte() % 2 ? asked[byte() % 8].call : calls });
		return;
	case 6:
		step((struct raft_event){ .kind = RAFT_UPGRADE, .version = (int16_t)(byte() % 3), .call = ++calls });
		return;
	default:
		if (byte() % 8 == 0)
			step((struct raft_event){ .kind = byte() % 2 ? RAFT_RESIGN : RAFT_SHUTDOWN, .timeout_ms = 100 });
	}
}

static void
begin(void)
{
	struct raft_change c = { -1, (int16_t)(byte() % 2), &sets[0] };
	struct raft_epoch e = { 3, 0 };
	struct raft_start s = { .can_vote = byte() % 4 != 0, .conf = RAFT_CONF_DEFAULT, .seed = byte(), .now_ms = now,
		.vote = { 3, -1, { .id = -1 } }, .change = &c, .changes = byte() % 8 != 0, .epoch = &e };

	make_set(&sets[0]);
	s.self = (struct raft_voter){ .key = { 0, { { 1 } } }, .max_version = 1, .ends = { .count = 1 } };
	if (byte() % 2) {
		s.log_end = 10;
		s.epochs = 1;
	}
	if (byte() % 4 == 0)
		s.vote.leader = key().id;
	if (byte() % 4 == 0)
		s.vote.voted = key();
	s.conf.bootstraps = byte() % 3;
	s.conf.auto_join = byte() % 2;
	raft_init(&r, &s);
	step((struct raft_event){ .kind = RAFT_TICK });
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	struct raft_row row;

	p = in;
	end = in + len;
	now = 1000;
	asks = 0;
	calls = 0;
	freezing = false;
	memset(asked, 0, sizeof asked);
	begin();
	while (p < end) {
		uint8_t b = byte();
		if (b % 8 < 2) {
			now += b % 8 == 0 ? byte() % 16 : byte() * 16;
			step((struct raft_event){ .kind = RAFT_TICK });
		} else if (b % 8 < 4) {
			request();
		} else if (b % 8 < 6) {
			reply();
		} else {
			own();
		}
		for (uint32_t turns = 0; t.wake_ms <= now; turns++) {
			rk_assert(turns < 100);
			step((struct raft_event){ .kind = RAFT_TICK });
		}
	}
	for (uint32_t i = 0; raft_describe(&r, i, &row); i++)
		;
	return 0;
}

size_t
fuzz_sample(uint64_t seed, uint8_t *to, size_t size)
{
	size_t n = 200 + (size_t)(fuzz_draw(&seed) % 4000);

	n = n < size ? n : size;
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)fuzz_draw(&seed);
	return n;
}
