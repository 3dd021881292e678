/* net.c - see net.h.
 *
 * A stream is a queue of parcels at the sending end, pumped one by one: a parcel that may not pass now is tried again,
 * and all behind it wait. Ends are counted: one for their owner's life, one for the other end, one for each event
 * that names them. */
#include "tests/sim/net.h"
#include "base/mem.h"
#include "base/say.h"
#include "tests/sim/world.h"

enum { TRY_AGAIN_US = 200000, CONNECT_US = 10000000 };

struct parcel { /* bytes on their way, or the end of the stream */
	struct parcel *next;
	uint8_t *bytes;
	uint32_t len;
	bool last;
	int64_t due_us;
};

struct sim_link { /* one end */
	struct rk_conn conn;
	struct sim_world *w;           /* whose it is; */
	struct sim_client *client;     /* a client's, when w is NULL; NULL when it has let go */
	struct sim_net *net;
	struct sim_link *other, *next; /* next: in the world's links or graves */
	const struct sim_home *home;   /* where we are going; until the other end is there */
	uint32_t refs, place, listener;
	bool known;                    /* the node was told of it (ours: knows it from the beginning) */
	bool open, reading, closing, dead, pumping;
	int64_t stuck_us, tried_us;    /* waits since; when connecting began */
	struct parcel *out, **out_end; /* on their way to the other end */
	struct parcel *in, **in_end;   /* frames that have arrived and wait for the node */
	uint32_t sending;              /* answers that the node has given and that have not left */
	uint8_t *got;                  /* bytes of a frame that is not yet whole */
	size_t got_len;
	uint64_t pair;                 /* the connection's number, for who listens */
	int64_t due_us;                /* of the last parcel: bytes keep their order */
	char peer[32];
};

void
sim_net_init(struct sim_net *n, struct sim *s)
{
	*n = (struct sim_net){ .sim = s, .patience_us = 10000000 };
}

void
sim_net_home(struct sim_net *n, const char *host, uint16_t port, struct sim_world *w, uint32_t listener)
{
	struct sim_home *h = &n->home[n->homes++];

	rk_assert(n->homes <= SIM_HOMES && w->place < SIM_PLACES);
	*h = (struct sim_home){ .port = port, .w = w, .listener = listener };
	snprintf(h->host, sizeof h->host, "%s", host);
	w->net = n;
}

void
sim_net_heal(struct sim_net *n)
{
	memset(n->cut, 0, sizeof n->cut);
	memset(n->slow_us, 0, sizeof n->slow_us);
	n->reset = 0;
}

static bool
passes(const struct sim_net *n, uint32_t from, uint32_t to)
{
	return n == NULL || (!n->cut[from][to] && !n->dark[from] && !n->dark[to]);
}

static struct sim *
sim_of(const struct sim_link *l)
{
	return l->net != NULL ? l->net->sim : l->w != NULL ? l->w->sim : l->other->w->sim;
}

/* How long a piece takes from this end to that place. */
static int64_t
way_us(const struct sim_link *l, uint32_t to)
{
	const struct sim_world *w = l->w != NULL ? l->w : l->other != NULL ? l->other->w : NULL;
	int64_t slow = l->net == NULL ? 0 : l->net->slow_us[l->place] + l->net->slow_us[to];

	return 5 + sim_below(sim_of(l), (w != NULL ? w->net_us : 1000) + slow);
}

/* What the host does at the end of a round of events, where a node's end had a part in it. */
static void
round_of(const struct sim_link *l)
{
	if (l->w != NULL)
		sim_world_round(l->w);
}

static int64_t
asleep_us(const struct sim_link *l)
{
	return l->w != NULL ? l->w->asleep_us : l->client != NULL ? l->client->asleep_us : 0;
}

/* The end's process is stopped: the event comes again when it goes on, and true says so. */
static bool
later(struct sim_link *l, sim_fn *fn)
{
	if (asleep_us(l) <= sim_of(l)->now_us)
		return false;
	sim_at(sim_of(l), asleep_us(l), NULL, fn, l);
	return true;
}

/* --- ends */

static void
append(struct parcel ***end, struct parcel p)
{
	**end = rk_new(struct parcel);
	***end = p;
	*end = &(**end)->next;
}

static struct parcel *
first(struct parcel **list, struct parcel ***end)
{
	struct parcel *p = *list;

	*list = p->next;
	if (*list == NULL)
		*end = list;
	return p;
}

static void
parcel_free(struct parcel *p)
{
	rk_mem_put(p->bytes);
	rk_mem_put(p);
}

static void
forget(struct parcel **list, struct parcel ***end)
{
	while (*list != NULL)
		parcel_free(first(list, end));
}

static void
let_go(struct sim_link *l)
{
	rk_assert(l->refs > 0);
	if (--l->refs > 0)
		return;
	forget(&l->in, &l->in_end);
	forget(&l->out, &l->out_end);
	struct sim_link *other = l->other;
	rk_mem_put(l->got);
	rk_mem_put(l);
	if (other != NULL)
		let_go(other);
}

/* The two ends forget each other, so that the last event frees both. */
static void
part(struct sim_link *l)
{
	struct sim_link *o = l->other;

	if (o == NULL || !l->dead || !o->dead || l->pumping || o->pumping)
		return;
	l->other = o->other = NULL;
	l->refs++;
	let_go(o);
	l->refs--;
	let_go(l);
}

static struct sim_link *
new_end(struct sim_net *n, struct sim_world *w, struct sim_client *c, uint32_t other_place)
{
	struct sim_link *l = rk_new(struct sim_link);
	uint64_t number = w != NULL ? w->link_number++ : 0;

	*l = (struct sim_link){ .conn = { .env = w != NULL ? &w->env : NULL }, .w = w, .client = c, .net = n, .refs = 1,
		.place = w != NULL ? w->place : c->place };
	l->in_end = &l->in;
	l->out_end = &l->out;
	if (other_place == 0)
		snprintf(l->peer, sizeof l->peer, "127.0.0.1:%u", (unsigned)(20000 + number % 40000));
	else
		snprintf(l->peer, sizeof l->peer, "10.0.0.%u:%u", (unsigned)other_place, (unsigned)(20000 + number % 40000));
	if (w != NULL) {
		l->next = w->links;
		w->links = l;
	}
	return l;
}

static void
join(struct sim_link *a, struct sim_link *b)
{
	a->pair = b->pair = a->net != NULL ? ++a->net->opened : 0;
	a->other = b;
	b->other = a;
	a->refs++;
	b->refs++;
}

static void pump(void *arg, bool lost);

static void
pump_at(struct sim_link *l, int64_t at_us)
{
	if (l->pumping)
		return;
	l->pumping = true;
	l->refs++;
	sim_at(sim_of(l), at_us, NULL, pump, l);
}

/* bytes become the parcel's; NULL: the end of the stream. */
static void
post(struct sim_link *l, uint8_t *bytes, uint32_t len, bool last)
{
	uint32_t to = l->other != NULL ? l->other->place : l->home->w->place;

	l->due_us = rk_max(l->due_us, sim_of(l)->now_us + way_us(l, to));
	append(&l->out_end, (struct parcel){ NULL, bytes, len, last, l->due_us });
	if (l->open)
		pump_at(l, l->out->due_us);
}

/* This end is over; its owner hears of it, or knows. The other end does not. */
static void
end(struct sim_link *l, bool tell, const char *why, bool refused)
{
	struct sim_world *w = l->w;
	struct sim_client *c = l->client;

	if (l->dead)
		return;
	l->dead = true;
	l->conn.why = why;
	l->conn.refused = refused;
	for (struct sim_link **p = w != NULL ? &w->links : NULL; p != NULL && *p != NULL; p = &(*p)->next)
		if (*p == l) {
			*p = l->next;
			break;
		}
	if (tell && w != NULL && l->known && w->node != NULL)
		w->hooks->gone(w->node, &l->conn);
	l->client = NULL;
	if (c != NULL) {
		c->link = NULL;
		if (tell)
			c->closed(c);
	}
}

static void
end_and_drop(struct sim_link *l, bool tell, const char *why)
{
	if (l->dead)
		return;
	end(l, tell, why, false);
	part(l);
	let_go(l);
}

/* The owner closes: what was sent is still carried, then the other end hears of it. */
static void
hang_up(struct sim_link *l, bool tell, const char *why)
{
	if (l->dead)
		return;
	if (l->other != NULL || l->home != NULL)
		post(l, NULL, 0, true);
	end_and_drop(l, tell, why);
}

/* Both ends at once; what is under way is lost. */
static void
snap(struct sim_link *l, const char *why)
{
	struct sim_link *o = l->other;

	forget(&l->out, &l->out_end);
	if (o != NULL) {
		o->refs++;
		forget(&o->out, &o->out_end);
		end_and_drop(o, true, why);
		round_of(o);
	}
	l->refs++;
	end_and_drop(l, true, why);
	round_of(l);
	let_go(l);
	if (o != NULL)
		let_go(o);
}

/* --- bytes arrive */

static void
feed_node(struct sim_link *l)
{
	struct sim_world *w = l->w;

	while (l->reading && !l->closing && !l->dead && l->in != NULL) {
		struct parcel *p = first(&l->in, &l->in_end);
		void *frame = p->bytes;
		uint32_t len = p->len;
		rk_mem_put(p);
		l->reading = false;
		w->hooks->frame(w->node, &l->conn, frame, len);
	}
}

static void
frame_came(struct sim_link *l, uint8_t *frame, uint32_t len)
{
	if (l->w != NULL) {
		append(&l->in_end, (struct parcel){ .bytes = frame, .len = len });
		return;
	}
	if (l->client != NULL)
		l->client->answer(l->client, frame, len);
	rk_mem_put(frame);
}

static void
arrive(struct sim_link *l, const struct parcel *p)
{
	size_t at = 0;

	l->got = rk_mem_grow(l->got, l->got_len + p->len + 1);
	memcpy(l->got + l->got_len, p->bytes, p->len);
	l->got_len += p->len;
	while (!l->dead && l->got_len - at >= 4 && l->got_len - at - 4 >= rk_get32(l->got + at)) {
		uint32_t len = rk_get32(l->got + at);
		uint8_t *frame = rk_mem_get(len + 1);
		memcpy(frame, l->got + at + 4, len);
		at += 4 + (size_t)len;
		frame_came(l, frame, len);
	}
	l->got_len -= at;
	memmove(l->got, l->got + at, l->got_len);
	if (l->w != NULL)
		feed_node(l);
}

/* The head of l's queue may not pass: when to try again, or the end of patience (0). */
static int64_t
held_back(struct sim_link *l)
{
	int64_t now = sim_of(l)->now_us;

	if (l->stuck_us == 0)
		l->stuck_us = now;
	if (now - l->stuck_us < l->net->patience_us)
		return now + TRY_AGAIN_US / 2 + sim_below(sim_of(l), TRY_AGAIN_US);
	forget(&l->out, &l->out_end);
	end_and_drop(l, true, "connection timed out");
	round_of(l);
	return 0;
}

static void
deliver(struct sim_link *l, struct parcel *p)
{
	struct sim_link *o = l->other;

	sim_note(sim_of(l), l->place * 256u + o->place, rk_hash(p->bytes, p->len, p->len));
	if (l->net != NULL)
		l->net->pieces++;
	o->refs++;
	if (p->last)
		end_and_drop(o, true, "closed by the other side");
	else
		arrive(o, p);
	round_of(o);
	let_go(o);
}

/* The first parcel meets its fate. 0: there is nothing more to carry; else when to go on. */
static int64_t
carry(struct sim_link *l)
{
	struct sim_link *o = l->other;
	struct sim *s = sim_of(l);

	if (l->out == NULL)
		return 0;
	if (l->out->due_us > s->now_us)
		return l->out->due_us;
	bool hears = l->dead || asleep_us(l) <= s->now_us; /* an end whose process is stopped learns nothing now */
	if (!passes(l->net, l->place, o->place))
		return hears ? held_back(l) : asleep_us(l);
	l->stuck_us = 0;
	if (o->dead && !hears)
		return asleep_us(l);
	if (o->dead) { /* nobody is there: the sender is told, if it can be */
		bool bytes = !l->out->last;
		forget(&l->out, &l->out_end);
		if (bytes && !l->dead && passes(l->net, o->place, l->place)) {
			end_and_drop(l, true, "connection reset");
			round_of(l);
		}
		return 0;
	}
	if (asleep_us(o) > s->now_us)
		return asleep_us(o);
	if (l->net != NULL && hears && sim_chance(s, l->net->reset)) {
		snap(l, "connection reset");
		return 0;
	}
	struct parcel *p = first(&l->out, &l->out_end);
	deliver(l, p);
	parcel_free(p);
	return l->out != NULL ? rk_max(l->out->due_us, s->now_us) : 0;
}

static void
pump(void *arg, bool lost)
{
	struct sim_link *l = arg;

	if (lost && l->other != NULL && !l->other->dead)
		end_and_drop(l->other, false, "the simulation ended");
	int64_t again = lost ? 0 : carry(l);
	l->pumping = false;
	if (again > 0 && l->out != NULL)
		pump_at(l, again);
	part(l);
	let_go(l);
}

/* --- connections begin */

static void
told(void *arg, bool lost)
{
	struct sim_link *l = arg;

	if (!lost && sim_world_later(l->w, told, l))
		return;
	if (!lost && !l->dead) {
		l->known = l->reading = true;
		l->w->hooks->opened(l->w->node, &l->conn, l->listener);
		feed_node(l);
		sim_world_round(l->w);
	}
	let_go(l);
}

/* The other end's kernel has answered. */
static void
reached(void *arg, bool lost)
{
	struct sim_link *l = arg;

	if (!lost && l->other != NULL && !passes(l->net, l->other->place, l->place)) {
		sim_at(sim_of(l), sim_of(l)->now_us + TRY_AGAIN_US, NULL, reached, l);
		return;
	}
	if (!lost && !l->dead && later(l, reached))
		return;
	if (!lost && !l->dead) {
		l->open = l->reading = true;
		if (l->w != NULL)
			l->w->hooks->reached(l->w->node, &l->conn);
		if (l->out != NULL)
			pump_at(l, l->out->due_us);
		round_of(l);
	} else if (!lost && l->other != NULL && l->out != NULL) {
		l->open = true; /* closed meanwhile: the other end hears of it */
		pump_at(l, l->out->due_us);
	}
	let_go(l);
}

static void
fails(struct sim_link *l, const char *why, bool refused)
{
	forget(&l->out, &l->out_end);
	if (!l->dead) {
		l->home = NULL;
		end(l, true, why, refused);
		let_go(l);
		round_of(l);
	}
	let_go(l);
}

static void
accept_end(struct sim_link *l, struct sim_world *w, uint32_t listener)
{
	struct sim_link *b = new_end(l->net, w, NULL, l->place);

	join(l, b);
	b->listener = listener;
	b->open = true;
	b->refs++;
	sim_at(w->sim, rk_max(w->sim->now_us, w->asleep_us), &w->life, told, b);
}

/* The first packet comes to where it should go. */
static void
knock(void *arg, bool lost)
{
	struct sim_link *l = arg;

	if (!lost && !l->dead && later(l, knock))
		return;
	if (lost || l->dead) {
		let_go(l);
		return;
	}
	struct sim *s = sim_of(l);
	const struct sim_home *h = l->home;
	if (h == NULL) {
		fails(l, "no such host", false);
		return;
	}
	bool there = passes(l->net, l->place, h->w->place);
	bool back = passes(l->net, h->w->place, l->place);
	if (there && h->w->node != NULL) {
		accept_end(l, h->w, h->listener);
		sim_at(s, s->now_us + way_us(l, h->w->place), NULL, reached, l);
	} else if (there && back) {
		fails(l, "connection refused", true);
	} else if (s->now_us - l->tried_us > CONNECT_US) {
		fails(l, "connection timed out", false);
	} else {
		sim_at(s, s->now_us + 5 * TRY_AGAIN_US, NULL, knock, l);
	}
}

static struct sim_link *
dial(struct sim_net *n, struct sim_world *w, struct sim_client *c, const char *host, uint16_t port)
{
	const struct sim_home *h = NULL;

	for (uint32_t i = 0; n != NULL && i < n->homes && h == NULL; i++)
		if (n->home[i].port == port && strcmp(n->home[i].host, host) == 0)
			h = &n->home[i];
	struct sim_link *l = new_end(n, w, c, h != NULL ? h->w->place : 0);
	struct sim *s = n != NULL ? n->sim : w->sim;
	l->home = h;
	l->refs++;
	l->tried_us = s->now_us;
	int64_t way = h != NULL ? way_us(l, h->w->place) : 1000;
	sim_at(s, s->now_us + way, NULL, knock, l);
	return l;
}

struct rk_conn *
sim_net_open(struct rk_env *e, const char *host, uint16_t port)
{
	struct sim_world *w = rk_of(e, struct sim_world, env);

	rk_assert(!w->over);
	struct sim_link *l = dial(w->net, w, NULL, host, port);

	l->conn.ours = l->known = true;
	return &l->conn;
}

void
sim_dial(struct sim_net *n, struct sim_client *c, const char *host, uint16_t port)
{
	rk_assert(c->link == NULL);
	c->link = dial(n, NULL, c, host, port);
}

void
sim_connect(struct sim_world *w, struct sim_client *c, uint32_t listener)
{
	rk_assert(c->link == NULL && w->node != NULL);
	struct sim_link *l = new_end(w->net, NULL, c, 0);
	struct sim_link *b = new_end(w->net, w, NULL, c->place);
	c->link = l;
	join(l, b);
	l->open = b->open = true;
	b->listener = listener;
	b->refs++;
	l->due_us = w->sim->now_us + way_us(l, w->place);
	sim_at(w->sim, l->due_us, &w->life, told, b);
}

void
sim_client_send(struct sim_client *c, const void *frame, uint32_t len)
{
	struct sim_link *l = c->link;
	uint8_t *b = rk_mem_get(len + 4);

	rk_assert(l != NULL && !l->dead);
	rk_put32(b, len);
	memcpy(b + 4, frame, len);
	if (l->other == NULL && l->home == NULL)
		rk_mem_put(b); /* to nowhere */
	else
		post(l, b, len + 4, false);
}

void
sim_client_close(struct sim_client *c)
{
	if (c->link != NULL)
		hang_up(c->link, false, "closed");
}

/* --- what a node gives */

struct leaving {
	struct sim_link *link;
	struct rk_piece *piece; /* copies of the pieces; memory is still the node's */
	uint32_t count;
};

static void
leaving_free(struct leaving *v)
{
	for (uint32_t i = 0; i < v->count; i++)
		if (v->piece[i].kind == RK_FILE)
			sim_world_drop(v->piece[i].u.in.file);
	let_go(v->link);
	rk_mem_put(v->piece);
	rk_mem_put(v);
}

/* The pieces in one block, files read as sendfile would; NULL: a file cannot be read. */
static uint8_t *
gather(const struct leaving *v, uint32_t *len)
{
	uint64_t at = 0, all = 0;
	bool good = true;

	for (uint32_t i = 0; i < v->count; i++)
		all += v->piece[i].len;
	uint8_t *to = rk_mem_get(all + 1);
	for (uint32_t i = 0; i < v->count && good; at += v->piece[i].len, i++)
		if (v->piece[i].kind == RK_MEM)
			memcpy(to + at, v->piece[i].u.mem, v->piece[i].len);
		else
			good = sim_world_read(v->piece[i].u.in.file, v->piece[i].u.in.pos, to + at, v->piece[i].len) == RK_OK;
	*len = (uint32_t)all;
	if (good)
		return to;
	rk_mem_put(to);
	return NULL;
}

/* Who listens to the wire hears every frame of it. */
static void
overheard(const struct sim_link *l, const uint8_t *bytes, uint32_t len)
{
	if (l->net == NULL || l->net->tap == NULL || l->other == NULL || l->other->w == NULL)
		return;
	for (uint32_t n; len >= 4 && (n = rk_get32(bytes)) <= len - 4; bytes += 4 + n, len -= 4 + n)
		l->net->tap(l->net, l->pair, l->place, l->other->place, l->conn.ours, bytes + 4, n);
}

static void
left(void *arg, bool lost)
{
	struct leaving *v = arg;
	struct sim_link *l = v->link;
	struct sim_world *w = l->w;
	uint32_t len;

	if (!lost && sim_world_later(w, left, v))
		return;
	uint8_t *bytes = lost || l->dead ? NULL : gather(v, &len);
	if (bytes != NULL) {
		struct sim_client *c = l->other != NULL ? l->other->client : NULL;
		if (c != NULL && c->leaves != NULL && len >= 4 && len == rk_get32(bytes) + 4)
			c->leaves(c, bytes + 4, len - 4);
		overheard(l, bytes, len);
		if (l->other != NULL || l->home != NULL)
			post(l, bytes, len, false);
		else
			rk_mem_put(bytes);
		l->sending--;
		w->hooks->sent(w->node, &l->conn);
		if (l->closing && l->sending == 0)
			hang_up(l, true, "closed");
	} else if (!lost) {
		hang_up(l, true, "the answer's file cannot be read");
	}
	if (!lost)
		sim_world_round(w);
	leaving_free(v);
}

void
sim_net_send(struct rk_conn *c, struct rk_out *o)
{
	struct sim_link *l = rk_of(c, struct sim_link, conn);
	struct leaving *v = rk_new(struct leaving);

	rk_assert(!o->over && !l->dead);
	l->refs++;
	l->sending++;
	v->link = l;
	v->count = o->count;
	v->piece = rk_mem_get((o->count + 1) * sizeof *v->piece);
	if (o->count > 0)
		memcpy(v->piece, o->piece, o->count * sizeof *v->piece);
	o->count = 0; /* the files' counts are ours */
	sim_at(l->w->sim, l->w->sim->now_us + 1, &l->w->life, left, v);
}

static void
resumed(void *arg, bool lost)
{
	struct sim_link *l = arg;

	if (!lost && sim_world_later(l->w, resumed, l))
		return;
	if (!lost && !l->dead) {
		feed_node(l);
		sim_world_round(l->w);
	}
	let_go(l);
}

void
sim_net_resume(struct rk_conn *c)
{
	struct sim_link *l = rk_of(c, struct sim_link, conn);

	l->reading = true;
	l->refs++;
	sim_at(l->w->sim, l->w->sim->now_us, &l->w->life, resumed, l);
}

static void
closed(void *arg, bool lost)
{
	struct sim_link *l = arg;

	if (!lost && sim_world_later(l->w, closed, l))
		return;
	if (!lost && !l->dead) {
		hang_up(l, true, "closed");
		sim_world_round(l->w);
	}
	let_go(l);
}

void
sim_net_close(struct rk_conn *c, bool at_once, const char *why)
{
	struct sim_link *l = rk_of(c, struct sim_link, conn);

	rk_event(why, at_once, 0);
	l->closing = true;
	if (at_once || l->sending == 0) {
		l->refs++;
		sim_at(l->w->sim, l->w->sim->now_us, &l->w->life, closed, l);
	}
}

const char *
sim_net_peer(const struct rk_conn *c)
{
	return rk_of(c, const struct sim_link, conn)->peer;
}

/* --- a life ends */

void
sim_net_leave(struct sim_world *w, bool tell_node, bool power)
{
	while (w->links != NULL) {
		struct sim_link *l = w->links;
		bool lose = power || sim_chance(w->sim, 300000);
		l->refs++; /* the node may still name it in node_free */
		if (lose)
			forget(&l->out, &l->out_end);
		if (!power && (l->other != NULL || l->home != NULL))
			post(l, NULL, 0, true);
		end_and_drop(l, tell_node, "the node ended");
		l->next = w->graves;
		w->graves = l;
	}
}

void
sim_net_bury(struct sim_world *w)
{
	while (w->graves != NULL) {
		struct sim_link *l = w->graves;
		w->graves = l->next;
		let_go(l);
	}
}
