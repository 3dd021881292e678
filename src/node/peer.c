/* peer.c - requests to other nodes: one connection a link, answers in the order of the requests.
 *
 * A request waits in the link until a connection is up and has told its versions. Then it is written whole into the
 * arena of a struct node_sent, which lives until both the bytes have left (node_link_sent) and the answer has come or
 * never will. An ask that is forgotten or out of time is only taken off its node_sent; the answer, should it come,
 * is thrown away.
 *
 * A wire is one connection with what is under way on it. It outlives the link's interest in it: the pieces that
 * the world still has to send lie in the wire's memory until node_gone. */
#include "base/mem.h"
#include "base/say.h"
#include "protocol/codec.h"
#include "protocol/gen/api_versions.h"
#include "src/node/inside.h"
#include "src/node/peer.h"

enum {
	KEYS = 128, /* API keys whose versions are kept */
	API_VERSIONS = 18,
	PAUSE_MIN_MS = 20, PAUSE_MAX_MS = 1000,
	GREET_MS = 10000,  /* who takes the connection and does not answer ApiVersions so long is not there */
	REQUEST_MAX = 64 << 20,
	ANSWER_EXTRA = 16 << 20, ANSWER_TIMES = 24, /* what a decoded answer may take: so much, and so much a byte of it */
};

/* A request on the wire. */
struct node_sent {
	struct rk_list link;   /* in wire->calls, or wire->spare */
	struct rk_list out_at; /* in wire->leaving until the bytes have left */
	struct wire *wire;
	struct node_ask *ask;  /* NULL: nobody waits */
	struct rk_arena arena;
	struct rk_out out;
	int32_t correlation;
	int16_t key, version;
};

struct wire {
	struct rk_list at;      /* in node->wires */
	struct node *node;
	struct node_link *link; /* NULL: given up; its end is awaited */
	struct rk_conn *conn;
	struct rk_list calls;   /* answers to come */
	struct rk_list leaving; /* bytes to go */
	struct rk_arena arena;  /* of the answer that is read */
	int32_t correlation;    /* the next */
	bool reached, ready;    /* open; its versions are known */
	const char *why;        /* we closed it; NULL: we did not */
	struct node_ask greet;
	int16_t tongue;         /* the version of ApiVersions it is greeted in */
	struct kp_api_versions_req hello;
};

struct node_link {
	struct node *node;
	struct rk_list waiting; /* asks: for a connection */
	struct rk_list failing; /* asks: for the loop, to hear that they cannot be sent */
	struct wire *wire;      /* NULL: none */
	struct rk_timer timer;  /* the pause before the next try */
	int64_t tried_ms;
	int64_t pause_ms;
	const char *why;
	bool refused, tried;
	uint16_t port;
	char *client_id, *host, *address;
	int16_t min[KEYS], max[KEYS]; /* of the last connection; max -1: not known there */
};

static void dial(struct node_link *);

/* --- memory of calls */

static struct node_sent *
new_sent(void)
{
	struct node_sent *s = rk_new(struct node_sent);

	rk_arena_init(&s->arena, REQUEST_MAX);
	rk_out_init(&s->out, &s->arena);
	rk_list_init(&s->link);
	rk_list_init(&s->out_at);
	return s;
}

static void
free_sent(struct node_sent *s)
{
	rk_assert(s->ask == NULL);
	rk_list_del(&s->link);
	rk_list_del(&s->out_at);
	rk_out_drop(&s->out);
	rk_arena_free(&s->arena);
	rk_mem_put(s);
}

/* Its answer has come or never will: freed, unless its bytes are still to leave. */
static void
answered(struct node_sent *s)
{
	rk_list_del(&s->link);
	if (rk_list_empty(&s->out_at))
		free_sent(s);
}

/* --- asks */

/* One that is about to hear bad news has no link any more, but is in a ring. */
bool
node_ask_busy(const struct node_ask *a)
{
	return a->link != NULL || !rk_list_empty(&a->at);
}

/* Takes the ask off whatever holds it. */
static void
detach(struct node_ask *a)
{
	if (a->sent != NULL)
		a->sent->ask = NULL;
	a->sent = NULL;
	rk_list_del(&a->at);
	if (a->link != NULL)
		rk_timer_stop(&a->link->node->timers, &a->timer);
	a->link = NULL;
}

static void
tell(struct node_ask *a, enum rk_err err)
{
	detach(a);
	a->done(a, err, NULL, 0);
}

void
node_ask_forget(struct node_ask *a)
{
	if (node_ask_busy(a))
		detach(a);
}

/* Takes the ask off everything but gives it to the ring: it will hear bad news. */
static void
doom(struct node_ask *a, struct rk_list *doomed)
{
	detach(a);
	rk_list_add(doomed, &a->at);
}

static void
doom_all(struct rk_list *asks, struct rk_list *doomed)
{
	while (!rk_list_empty(asks))
		doom(rk_of(asks->next, struct node_ask, at), doomed);
}

static void
tell_all(struct rk_list *doomed, enum rk_err err)
{
	while (!rk_list_empty(doomed))
		tell(rk_of(doomed->next, struct node_ask, at), err);
}

/* Closes it. A link that was served by it takes another; one that waits for it hears of its end. */
static void
give_up(struct wire *w, const char *why)
{
	if (w->why != NULL)
		return;
	w->why = why;
	if (w->link != NULL && w->ready) {
		w->link->why = why;
		w->link->wire = NULL;
		w->link = NULL;
	}
	rk_conn_close(w->conn, true, why);
}

/* Out of time, or it was known at once that it cannot be sent. */
static void
due(struct rk_timer *t, int64_t now_ms)
{
	struct node_ask *a = rk_of(t, struct node_ask, timer);

	(void)now_ms;
	/* Answers come in order: when this one is late so is every one behind it. */
	if (a->sent != NULL)
		give_up(a->sent->wire, "an answer did not come in time");
	tell(a, a->err);
}

static int16_t
shared_version(const struct node_link *l, int16_t key, int16_t min, int16_t max)
{
	const struct kp_api *api = kp_api(key);

	rk_assert(api != NULL && key >= 0 && key < KEYS);
	int16_t most = (int16_t)rk_min(max < 0 ? api->stable_max : rk_min(max, api->max), l->max[key]);
	int16_t least = (int16_t)rk_max(rk_max(min, api->min), l->min[key]);
	return most < least ? -1 : most;
}

int16_t
node_link_version(const struct node_link *l, int16_t key, int16_t min, int16_t max)
{
	return l->max[API_VERSIONS] < 0 ? -1 : shared_version(l, key, min, max);
}

/* The ask hears err, but from the loop. */
static void
tell_later(struct node_ask *a, enum rk_err err)
{
	struct node *n = a->link->node;

	rk_list_del(&a->at);
	rk_list_add(&a->link->failing, &a->at);
	a->err = err;
	rk_timer_set(&n->timers, &a->timer, rk_now(n->env));
}

/* Writes the request and gives it to the world. */
static void
send_on(struct wire *w, struct node_ask *a, int16_t version)
{
	struct node_link *l = w->link;
	const struct kp_api *api = kp_api(a->key);
	struct node_sent *s = new_sent();
	struct kp_head h = { .key = a->key, .version = version, .correlation_id = w->correlation,
		.client_id = rk_str_of(l->client_id), .flex = version >= api->flex };
	uint8_t *size = rk_out_room(&s->out, 4);

	kp_head_write(&h, &s->out);
	kp_write(api->req, version, a->req, &s->out);
	if (s->out.over || s->out.bytes > REQUEST_MAX) {
		free_sent(s);
		tell_later(a, RK_NO_MEMORY);
		return;
	}
	rk_put32(size, (uint32_t)(s->out.bytes - 4));
	w->correlation = w->correlation == INT32_MAX ? 0 : w->correlation + 1;
	s->correlation = h.correlation_id;
	s->key = a->key;
	s->version = version;
	s->wire = w;
	s->ask = a;
	a->sent = s;
	rk_list_del(&a->at);
	rk_list_add(&w->calls, &s->link);
	rk_list_add(&w->leaving, &s->out_at);
	rk_conn_send(w->conn, &s->out);
}

/* Sends what waits. */
static void
pump(struct node_link *l)
{
	rk_assert(l->wire != NULL && l->wire->ready);
	while (!rk_list_empty(&l->waiting)) {
		struct node_ask *a = rk_of(l->waiting.next, struct node_ask, at);
		int16_t version = shared_version(l, a->key, a->min, a->max);
		if (version < 0)
			tell_later(a, RK_UNSUPPORTED_VERSION);
		else
			send_on(l->wire, a, version);
	}
}

static void
ask_on(struct node_link *l, struct node_ask *a, int16_t key, const void *req, int64_t timeout_ms)
{
	int64_t now = rk_now(l->node->env);

	rk_assert(!node_ask_busy(a) && rk_list_empty(&a->at));
	a->link = l;
	a->sent = NULL;
	a->key = key;
	a->req = req;
	a->err = RK_REQUEST_TIMED_OUT;
	a->timer.fire = due;
	if (timeout_ms < INT64_MAX - now)
		rk_timer_set(&l->node->timers, &a->timer, now + rk_max(timeout_ms, 0));
}

void
node_link_ask(struct node_link *l, struct node_ask *a, int16_t key, int16_t min, int16_t max, const void *req,
    int64_t timeout_ms)
{
	ask_on(l, a, key, req, timeout_ms);
	a->min = min;
	a->max = max;
	rk_list_add(&l->waiting, &a->at);
	if (l->wire == NULL)
		dial(l);
	else if (l->wire->ready)
		pump(l);
}

/* --- the connection */

static void
greet(struct wire *w, int16_t version)
{
	w->tongue = version;
	w->hello.client_software_name = rk_lit("rookery");
	w->hello.client_software_version = rk_lit(PACKAGE_VERSION);
	ask_on(w->link, &w->greet, API_VERSIONS, &w->hello, GREET_MS);
	send_on(w, &w->greet, version);
}

static void
learn(struct node_link *l, const struct kp_api_versions_res *res)
{
	memset(l->max, 0xff, sizeof l->max);
	memset(l->min, 0, sizeof l->min);
	for (int32_t i = 0; i < res->api_keys.len; i++) {
		const struct kp_api_versions_res_api_keys *k = &res->api_keys.at[i];
		if (k->api_key < 0 || k->api_key >= KEYS)
			continue;
		l->min[k->api_key] = k->min_version;
		l->max[k->api_key] = k->max_version;
	}
}

static void
greeted(struct node_ask *a, enum rk_err err, const void *answer, int16_t version)
{
	struct wire *w = rk_of(a, struct wire, greet);
	const struct kp_api_versions_res *res = answer;
	struct node_link *l = w->link;

	(void)version;
	if (w->why != NULL)
		return;
	rk_assert(l != NULL && !w->ready);
	if (err != RK_OK) {
		give_up(w, "its ApiVersions cannot be read");
		return;
	}
	learn(l, res);
	if (res->error_code == rk_err_wire(RK_UNSUPPORTED_VERSION) && l->max[API_VERSIONS] >= 0
	    && l->max[API_VERSIONS] < w->tongue) {
		greet(w, l->max[API_VERSIONS]);
		return;
	}
	if (res->error_code != 0) {
		give_up(w, "it refuses ApiVersions");
		return;
	}
	w->ready = true;
	l->pause_ms = PAUSE_MIN_MS / 2;
	l->refused = false;
	l->why = "";
	pump(l);
}

static void
open_now(struct node_link *l)
{
	struct node *n = l->node;
	struct wire *w = rk_new(struct wire);

	rk_assert(l->wire == NULL);
	*w = (struct wire){ .node = n, .link = l };
	node_ask_init(&w->greet, greeted);
	rk_list_init(&w->calls);
	rk_list_init(&w->leaving);
	rk_arena_init(&w->arena, 0);
	kp_defaults(&kp_api_versions_req_d, &w->hello);
	rk_list_add(&n->wires, &w->at);
	l->wire = w;
	l->tried = true;
	l->tried_ms = rk_now(n->env);
	w->conn = rk_conn_open(n->env, l->host, l->port);
	w->conn->node = w;
	greet(w, kp_api(API_VERSIONS)->stable_max); /* leaves when it is open */
}

static void
pause_over(struct rk_timer *t, int64_t now_ms)
{
	struct node_link *l = rk_of(t, struct node_link, timer);

	(void)now_ms;
	if (l->wire == NULL && !rk_list_empty(&l->waiting))
		open_now(l);
}

/* Somebody waits and there is no connection: a try now, or when the pause is over. */
static void
dial(struct node_link *l)
{
	int64_t now = rk_now(l->node->env), at = l->tried ? l->tried_ms + l->pause_ms : now;

	if (at <= now)
		open_now(l);
	else
		rk_timer_set(&l->node->timers, &l->timer, at);
}

void
node_link_reached(struct rk_conn *conn)
{
	struct wire *w = conn->node;

	if (w == NULL)
		return;
	w->reached = true;
	if (w->link != NULL)
		w->link->refused = false;
}

void
node_link_sent(struct rk_conn *conn)
{
	struct wire *w = conn->node;

	rk_assert(w != NULL && !rk_list_empty(&w->leaving));
	struct node_sent *s = rk_of(w->leaving.next, struct node_sent, out_at);
	rk_list_del(&s->out_at);
	if (rk_list_empty(&s->link))
		free_sent(s);
}

/* Reads an answer; the body begins behind the correlation id and the tags of a flexible head. */
static enum rk_err
decode(struct wire *w, const struct node_sent *s, uint8_t *frame, uint32_t len, int16_t *version, void **res)
{
	const struct kp_api *api = kp_api(s->key);
	const uint8_t *p = frame + 4, *end = frame + len;
	uint32_t n, tag, size;
	size_t used;

	if (s->key != API_VERSIONS && s->version >= api->flex) {
		if (!kp_uvarint(&p, end, &n))
			return RK_CORRUPT_MESSAGE;
		for (; n > 0; n--) {
			if (!kp_uvarint(&p, end, &tag) || !kp_uvarint(&p, end, &size) || size > (size_t)(end - p))
				return RK_CORRUPT_MESSAGE;
			p += size;
		}
	}
	*version = s->version;
	/* KIP-511: who does not know our version of ApiVersions says so in version 0. */
	if (s->key == API_VERSIONS && end - p >= 2 && rk_get16(p) == (uint16_t)rk_err_wire(RK_UNSUPPORTED_VERSION))
		*version = 0;
	w->arena.limit = ANSWER_EXTRA + (size_t)ANSWER_TIMES * len;
	*res = rk_arena_raw(&w->arena, kp_desc_size(api->res));
	if (*res == NULL)
		return RK_NO_MEMORY;
	enum rk_err err = kp_read(api->res, *version, p, (size_t)(end - p), &w->arena, *res, &used);
	return err == RK_OK || err == RK_NO_MEMORY ? err : RK_CORRUPT_MESSAGE;
}

/* A connection that no link has any more goes when the last answer that somebody waits for is here. */
static void
leave_if_idle(struct wire *w)
{
	if (w->link != NULL || w->why != NULL)
		return;
	rk_list_each(&w->calls, m)
		if (rk_of(m, struct node_sent, link)->ask != NULL)
			return;
	give_up(w, "the node has moved");
}

void
node_link_frame(struct rk_conn *conn, void *frame, uint32_t len)
{
	struct wire *w = conn->node;
	int16_t version = 0;
	void *res = NULL;

	if (w == NULL || rk_list_empty(&w->calls) || len < 4
	    || rk_of(w->calls.next, struct node_sent, link)->correlation != (int32_t)rk_get32(frame)) {
		rk_mem_put(frame);
		if (w != NULL)
			give_up(w, "an answer came that belongs to no request");
		return;
	}
	struct node_sent *s = rk_of(w->calls.next, struct node_sent, link);
	struct node_ask *a = s->ask;
	enum rk_err err = a == NULL ? RK_OK : decode(w, s, frame, len, &version, &res);
	if (a != NULL)
		detach(a);
	answered(s);
	if (err == RK_CORRUPT_MESSAGE)
		give_up(w, "an answer cannot be read");
	else
		rk_conn_resume(conn);
	if (a != NULL)
		a->done(a, err, err == RK_OK ? res : NULL, version);
	rk_arena_reset(&w->arena);
	rk_mem_put(frame);
	leave_if_idle(w);
}

static void
free_wire(struct wire *w)
{
	node_ask_forget(&w->greet);
	while (!rk_list_empty(&w->calls)) {
		struct node_sent *s = rk_of(w->calls.next, struct node_sent, link);
		if (s->ask != NULL)
			detach(s->ask);
		answered(s);
	}
	while (!rk_list_empty(&w->leaving))
		free_sent(rk_of(w->leaving.next, struct node_sent, out_at));
	rk_arena_free(&w->arena);
	rk_list_del(&w->at);
	rk_mem_put(w);
}

/* The asks under way on the wire go to the ring; only those of one link when it is given. */
static void
gather(struct wire *w, const struct node_link *only, struct rk_list *doomed)
{
	rk_list_each(&w->calls, m) {
		struct node_ask *a = rk_of(m, struct node_sent, link)->ask;
		if (a != NULL && a != &w->greet && (only == NULL || a->link == only))
			doom(a, doomed);
	}
}

/* Whatever waited for this connection has waited in vain. */
static void
link_lost(struct node_link *l, const struct wire *w, struct rk_list *doomed)
{
	bool missed = !rk_list_empty(doomed);

	l->wire = NULL;
	doom_all(&l->waiting, doomed);
	if (!w->ready) {
		l->pause_ms = rk_min(l->pause_ms * 2, PAUSE_MAX_MS);
		l->refused = w->conn->refused;
	}
	if (!w->ready || missed)
		l->why = w->why != NULL ? w->why : w->conn->why != NULL ? w->conn->why : "the connection broke";
}

void
node_link_gone(struct rk_conn *conn)
{
	struct wire *w = conn->node;
	struct rk_list doomed;

	if (w == NULL)
		return;
	conn->node = NULL;
	rk_list_init(&doomed);
	gather(w, NULL, &doomed);
	if (w->link != NULL)
		link_lost(w->link, w, &doomed);
	free_wire(w);
	tell_all(&doomed, RK_NETWORK_EXCEPTION);
}

/* --- links */

static char *
address_of(const char *host, uint16_t port)
{
	char text[300];

	snprintf(text, sizeof text, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
	return rk_mem_str(text, strlen(text));
}

struct node_link *
node_link_new(struct node *n, const char *client_id, const char *host, uint16_t port)
{
	struct node_link *l = rk_new(struct node_link);

	l->node = n;
	l->client_id = rk_mem_str(client_id, strlen(client_id));
	l->host = rk_mem_str(host, strlen(host));
	l->address = address_of(host, port);
	l->port = port;
	l->pause_ms = PAUSE_MIN_MS / 2;
	l->why = "";
	l->timer = (struct rk_timer){ .at_ms = INT64_MAX, .fire = pause_over };
	rk_list_init(&l->waiting);
	rk_list_init(&l->failing);
	memset(l->max, 0xff, sizeof l->max);
	return l;
}

void
node_link_free(struct node_link *l)
{
	struct rk_list doomed;

	if (l == NULL)
		return;
	rk_list_init(&doomed);
	rk_timer_stop(&l->node->timers, &l->timer);
	rk_list_each(&l->node->wires, m)
		gather(rk_of(m, struct wire, at), l, &doomed); /* of a former address, too */
	doom_all(&l->waiting, &doomed);
	doom_all(&l->failing, &doomed);
	if (l->wire != NULL) {
		struct wire *w = l->wire;
		node_ask_forget(&w->greet);
		l->wire = NULL;
		w->link = NULL;
		give_up(w, "not needed any more");
	}
	rk_mem_put(l->client_id);
	rk_mem_put(l->host);
	rk_mem_put(l->address);
	rk_mem_put(l);
	tell_all(&doomed, RK_NETWORK_EXCEPTION);
}

void
node_link_to(struct node_link *l, const char *host, uint16_t port)
{
	struct wire *w = l->wire;

	if (port == l->port && strcmp(host, l->host) == 0)
		return;
	rk_mem_put(l->host);
	rk_mem_put(l->address);
	l->host = rk_mem_str(host, strlen(host));
	l->address = address_of(host, port);
	l->port = port;
	l->tried = l->refused = false;
	l->pause_ms = PAUSE_MIN_MS / 2;
	l->why = "";
	memset(l->max, 0xff, sizeof l->max);
	if (w != NULL) {
		node_ask_forget(&w->greet);
		l->wire = NULL;
		w->link = NULL;
		leave_if_idle(w);
	}
	if (!rk_list_empty(&l->waiting) && l->wire == NULL)
		dial(l);
}

bool
node_link_open(const struct node_link *l)
{
	return l->wire != NULL && l->wire->reached;
}

bool
node_link_refused(const struct node_link *l)
{
	return l->refused;
}

const char *
node_link_why(const struct node_link *l)
{
	return l->why;
}

const char *
node_link_address(const struct node_link *l)
{
	return l->address;
}

void
node_links_free(struct node *n)
{
	while (!rk_list_empty(&n->wires)) {
		struct wire *w = rk_of(n->wires.next, struct wire, at);
		w->conn->node = NULL;
		free_wire(w);
	}
}
