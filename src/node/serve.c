/* serve.c - frames in, answers out.
 *
 * A connection's requests are answered in the order they came, and one is worked on at a time, with one
 * exception: while Produce requests wait for stable storage, further Produce requests of that connection
 * are appended too, so that one sync serves them all. One that must ask others before it is appended (api.h: first)
 * holds back what is behind it until then. A request that is not Produce waits until the ones
 * before it are answered. Memory per connection: the frames it sent, their arenas, nothing else. */
#include "base/mem.h"
#include "protocol/gen/api_versions.h"
#include "src/node/inside.h"
#include "src/node/peer.h"

enum { SPARES_MAX = 64, DOUBT_LOOK_MS = 5, PRODUCE = 0, METADATA = 3, FIND_COORDINATOR = 10, API_VERSIONS = 18,
	DELETE_TOPICS = 20 };

static void read_on(struct node_conn *);

struct node_call *
node_call_take(struct node *n)
{
	struct node_call *k = n->spare;

	if (k != NULL) {
		n->spare = k->api.node;
		n->spares--;
		struct rk_arena arena = k->api.arena;
		*k = (struct node_call){ .api.arena = arena };
	} else {
		k = rk_mem_try(sizeof *k);
		if (k == NULL)
			return NULL;
		*k = (struct node_call){ 0 };
		rk_arena_init(&k->api.arena, 0);
	}
	rk_list_init(&k->api.link);
	rk_list_init(&k->link);
	rk_list_init(&k->errand.link);
	rk_list_init(&k->ask.at);
	k->node = n;
	return k;
}

void
node_call_drop(struct node_call *k)
{
	struct node *n = k->node;

	rk_out_drop(&k->out);
	rk_mem_put(k->frame);
	k->frame = NULL;
	rk_list_del(&k->link);
	if (n->spares < SPARES_MAX) {
		rk_arena_reset(&k->api.arena);
		k->conn = NULL;
		k->api.node = n->spare;
		n->spare = k;
		n->spares++;
	} else {
		rk_arena_free(&k->api.arena);
		rk_mem_put(k);
	}
}

/* Writes the size, the head and the body; false: the arena had no room for it. */
static bool
encode(struct node_call *k)
{
	struct rk_out *o = &k->out;
	uint8_t *size = rk_out_room(o, 4);

	kp_answer_head(k->api.head.key, k->api.head.version, k->api.head.correlation_id, o);
	kp_write(k->api.api->res, k->api.head.version, k->api.res, o);
	if (o->over || o->bytes - 4 > INT32_MAX)
		return false;
	rk_put32(size, (uint32_t)(o->bytes - 4));
	return true;
}

/* A call is over, for the connection too. */
static void
leave(struct node_conn *c, struct node_call *k)
{
	rk_assert(c->count > 0 && c->bytes >= k->len);
	c->count--;
	c->bytes -= k->len;
	node_call_drop(k);
}

/* Sends the answers that are at the head of the line. */
static void
pump(struct node_conn *c)
{
	while (!rk_list_empty(&c->calls)) {
		struct node_call *k = rk_of(c->calls.next, struct node_call, link);
		if (!k->done)
			break;
		rk_list_del(&k->link);
		rk_list_add(&c->sending, &k->link);
		if (k->out.bytes == 0) { /* acks=0: nothing to say */
			leave(c, k);
			continue;
		}
		rk_conn_send(c->conn, &k->out);
	}
}

/* Takes a finished call out of the handler's hands. */
void
node_serve_answer(struct node_call *k, enum api_fate fate)
{
	struct node_conn *c = k->conn;

	rk_assert(!k->done);
	rk_assert(fate != API_LATER);
	k->done = true;
	if (k->outer != NULL) {
		node_forward_answer(k, fate);
		return;
	}
	if (c == NULL) { /* the peer is gone; nobody waits */
		node_call_drop(k);
		return;
	}
	if (fate == API_NOW && !k->passed && !encode(k)) {
		rk_say(RK_ERROR, "The answer to %s from %s does not fit in memory set aside for one request; closing the connection.",
		    k->api.api->name, rk_conn_peer(c->conn));
		fate = API_CLOSE;
	}
	if (fate == API_CLOSE) {
		rk_out_drop(&k->out);
		rk_out_init(&k->out, &k->api.arena);
		c->closing = true;
		rk_conn_close(c->conn, false, "the request cannot be answered");
		return;
	}
	if (!c->closing)
		pump(c);
}

void
node_serve_finish(struct api_call *a)
{
	struct node_call *k = rk_of(a, struct node_call, api);
	struct node_conn *c = k->conn;

	a->first = false;
	node_serve_answer(k, a->fate);
	if (c != NULL)
		read_on(c);
}

void
node_serve_pass(struct api_call *a)
{
	struct node_conn *c = rk_of(a, struct node_call, api)->conn;

	if (c != NULL)
		read_on(c);
}

static void
plan_call(struct node_errand *e, struct meta_plan *p)
{
	struct node_call *k = rk_of(e, struct node_call, errand);
	struct node *n = k->node;
	uint64_t bytes = p->bytes;

	k->api.plan = p;
	k->api.view = p->view;
	enum api_fate fate = k->row->run(&k->api, k->api.req, k->api.res);
	rk_assert(fate == API_NOW);
	if (p->bytes == bytes || !node_control_scarce(n, k->api.head.key == DELETE_TOPICS))
		return;
	rk_say_limited(&n->full_disk, rk_now(n->env), RK_ERROR, "%s of %s is refused: the disk of %s is full; free "
	    "space there (retention and DeleteRecords still work).", k->api.api->name, k->api.peer, n->conf->metadata_dir);
	api_refuse(&k->api, RK_KAFKA_STORAGE_ERROR, rk_lit("The disk of the controller's metadata is full."));
	e->dropped = true;
}

static void
call_planned(struct node_errand *e, enum rk_err err)
{
	struct node_call *k = rk_of(e, struct node_call, errand);
	struct node_conn *c = k->conn;

	if (err == RK_NOT_CONTROLLER) /* leadership went away under the request: it looks for the controller again */
		node_serve_run(k);
	else
		node_serve_answer(k, err == RK_OK ? API_NOW : API_CLOSE);
	if (c != NULL)
		read_on(c);
}

/* For the active controller, which is not this node. What came to a controller's listener is sent back: who asks
 * there looks for the leader itself. */
static void
run_elsewhere(struct node_call *k)
{
	struct node *n = k->node;
	int32_t leader = n->shared.leader_id;

	if (!k->api.controller && api_strays(&k->api)) {
		node_serve_answer(k, API_NOW);
		return;
	}
	if (!k->api.controller) {
		node_forward(k);
		return;
	}
	api_fail(&k->api, RK_NOT_CONTROLLER, leader < 0 ? rk_lit("No controller appears to be active.")
	    : rk_arena_print(&k->api.arena, "The active controller appears to be node %" PRId32 ".", leader));
	node_serve_answer(k, API_NOW);
}

/* --- who asks for a leader while one has just died
 *
 * A killed leader's connections break at once, and its clients ask the next broker where to go. Told of the dead one
 * again, they look only much later once more (librdkafka after a second). So for the moment that it takes to fence it
 * the answer waits: until the metadata says so, or the broker is heard again, or the moment is over. */
static void
doubt_again(struct rk_timer *t, int64_t now_ms)
{
	struct node_call *k = rk_of(t, struct node_call, soon);
	struct node_conn *c = k->conn;

	(void)now_ms;
	k->api.abandon = NULL;
	node_serve_run(k);
	if (c != NULL)
		read_on(c);
}

static void
doubt_abandoned(struct api_call *a)
{
	struct node_call *k = rk_of(a, struct node_call, api);

	rk_timer_stop(&k->node->timers, &k->soon);
	a->abandon = NULL;
	api_finish(a);
}

static bool
doubted(struct node_call *k)
{
	struct node *n = k->node;
	int64_t now = rk_now(n->env);

	if ((k->api.head.key != METADATA && k->api.head.key != FIND_COORDINATOR) || k->conn == NULL || n->stopping
	    || !node_follow_doubts(n, now))
		return false;
	k->soon = (struct rk_timer){ .at_ms = INT64_MAX, .fire = doubt_again };
	k->api.abandon = doubt_abandoned;
	rk_timer_set(&n->timers, &k->soon, now + DOUBT_LOOK_MS);
	return true;
}

void
node_serve_run(struct node_call *k)
{
	struct node *n = k->node;
	uint8_t runs = k->row->where & API_RUNS;
	enum api_fate fate;

	kp_defaults(k->api.api->res, k->api.res);
	if (runs == API_CONTROL && node_leads(n)) {
		k->errand = (struct node_errand){ .plan = plan_call, .done = call_planned };
		node_errand_add(n, &k->errand);
		return;
	}
	if (runs == API_CONTROL || ((k->row->where & API_LEADER) && !k->api.controller && !node_leads(n))) {
		run_elsewhere(k);
		return;
	}
	if (doubted(k))
		return;
	if (runs == API_BROKER)
		meta_view_begin(n->image, &k->api.view);
	fate = k->row->run(&k->api, k->api.req, k->api.res);
	if (runs == API_BROKER)
		meta_view_end(&k->api.view);
	if (fate != API_LATER)
		node_serve_answer(k, fate);
}

/* KIP-511: a version of ApiVersions we do not know is answered in version 0, with our range. */
static void
answer_odd_api_versions(struct node_call *k)
{
	struct kp_api_versions_res *res = rk_arena_get(&k->api.arena, 1, sizeof *res);
	struct kp_api_versions_res_api_keys *row = rk_arena_get(&k->api.arena, 1, sizeof *row);

	if (row == NULL) {
		node_serve_answer(k, API_CLOSE);
		return;
	}
	kp_defaults(&kp_api_versions_res_d, res);
	const struct api_row *self = api_row(API_VERSIONS);
	row->api_key = API_VERSIONS;
	row->min_version = self->min;
	row->max_version = self->max;
	res->error_code = rk_err_wire(RK_UNSUPPORTED_VERSION);
	res->api_keys.at = row;
	res->api_keys.len = 1;
	k->api.head.version = 0;
	k->api.res = res;
	node_serve_answer(k, API_NOW);
}

static void
odd_frame(struct node_conn *c, const struct kp_head *h, const char *what)
{
	struct node *n = c->node;

	rk_say_limited(&n->odd_frames, rk_now(n->env), RK_WARN,
	    "Closing the connection from %s on listener %s: %s (api key %d, version %d, correlation id %d). "
	    "Kafka does the same; look at which client runs there.",
	    rk_conn_peer(c->conn), n->conf->listener[c->listener].name, what, h->key, h->version,
	    h->correlation_id);
	c->closing = true;
	rk_conn_close(c->conn, true, what);
}

/* Reads the request; false: the connection is being closed, the call is dropped. */
static bool
decode(struct node_conn *c, struct node_call *k, uint32_t len)
{
	size_t used;
	struct api_call *a = &k->api;
	enum rk_err err = kp_head_read(k->frame, len, &a->head);

	if (err != RK_OK && err != RK_UNSUPPORTED_VERSION) {
		odd_frame(c, &a->head, "the request header cannot be read");
		return false;
	}
	a->api = kp_api(a->head.key);
	k->row = api_row(a->head.key);
	if (k->row == NULL || a->api == NULL || !api_served(k->row, a->controller)) {
		odd_frame(c, &a->head, "this API is not served here");
		return false;
	}
	if (err != RK_OK || a->head.version < k->row->min || a->head.version > k->row->max) {
		if (a->head.key == API_VERSIONS) {
			k->row = NULL;
			return true;
		}
		odd_frame(c, &a->head, "this version of the API is not served here");
		return false;
	}
	a->req = rk_arena_raw(&a->arena, kp_desc_size(a->api->req));
	a->res = rk_arena_raw(&a->arena, kp_desc_size(a->api->res));
	if (a->res == NULL || kp_read(a->api->req, a->head.version, (char *)k->frame + a->head.body,
	    len - a->head.body, &a->arena, a->req, &used) != RK_OK) { /* Kafka, too, overlooks bytes behind the body */
		odd_frame(c, &a->head, "the request body cannot be read");
		return false;
	}
	return true;
}

/* A broker's listener waits for the broker; the quorum's own requests come before anything else can be. */
static bool
open_for(const struct node_conn *c)
{
	return c->node->ready || c->node->conf->listener[c->listener].is_controller;
}

/* Nothing but Produce is under way, and none of it has yet to find its place in the order. */
static bool
only_produce(const struct node_conn *c)
{
	rk_list_each(&c->calls, m) {
		const struct api_call *a = &rk_of(m, struct node_call, link)->api;
		if (a->head.key != PRODUCE || a->first)
			return false;
	}
	return true;
}

static void
start(struct node_conn *c, struct node_call *k)
{
	rk_list_add(&c->calls, &k->link);
	c->count++;
	c->bytes += k->len;
	core_count_request(c->node->core, k->api.head.key, k->len);
	if (k->row == NULL)
		answer_odd_api_versions(k);
	else
		node_serve_run(k);
}

/* Lets the next request in when the ones under way allow it. */
static void
read_on(struct node_conn *c)
{
	if (c->closing || c->reading)
		return;
	if (c->held != NULL) {
		if (c->count > 0 || !open_for(c))
			return;
		struct node_call *k = c->held;
		c->held = NULL;
		start(c, k);
		if (c->closing || c->held != NULL)
			return;
	}
	if (c->count == 0 || (c->count < NODE_CALLS_MAX && c->bytes < NODE_AHEAD_BYTES && !rk_list_empty(&c->calls)
	    && only_produce(c))) {
		c->reading = true;
		rk_conn_resume(c->conn);
	}
}

void
node_opened(struct node *n, struct rk_conn *conn, uint32_t listener)
{
	struct node_conn *c = rk_new(struct node_conn);

	rk_assert(conn->node == NULL);
	*c = (struct node_conn){ .node = n, .conn = conn, .listener = listener, .reading = true };
	rk_list_init(&c->calls);
	rk_list_init(&c->sending);
	conn->node = c;
	rk_list_add(&n->conns, &c->link);
	n->connections++;
}

void
node_frame(struct node *n, struct rk_conn *conn, void *frame, uint32_t len)
{
	struct node_conn *c = conn->node;
	struct node_call *k;

	if (n->ended) {
		rk_mem_put(frame);
		return;
	}
	if (conn->ours) {
		node_link_frame(conn, frame, len);
		return;
	}
	rk_assert(c != NULL && c->node == n);
	rk_assert(c->reading && c->held == NULL);
	c->reading = false;
	/* The quorum is served to the end: it hands over its leadership last. */
	if (c->closing || (n->stopping && !n->conf->listener[c->listener].is_controller) || (k = node_call_take(n)) == NULL) {
		rk_mem_put(frame);
		return;
	}
	n->requests++;
	if (n->lease_ms <= rk_now(n->env) && !n->conf->listener[c->listener].is_controller)
		node_broker_lease(n, rk_now(n->env));
	k->conn = c;
	k->frame = frame;
	k->len = len;
	k->api.arena.limit = 2u * len + (256u << 20); /* what a decoded request may grow to, and its answer */
	rk_out_init(&k->out, &k->api.arena);
	k->api.shared = &n->shared;
	k->api.principal = rk_lit("User:ANONYMOUS");
	k->api.peer = rk_conn_peer(conn);
	k->api.listener = n->conf->listener[c->listener].name;
	k->api.controller = n->conf->listener[c->listener].is_controller;
	k->api.node = c;
	k->api.now_ms = rk_now(n->env);
	k->api.wall_ms = rk_wall(n->env);
	if (!decode(c, k, len)) {
		node_call_drop(k);
		return;
	}
	if (!open_for(c) || (c->count > 0 && !(k->api.head.key == PRODUCE && only_produce(c)))) {
		c->held = k;
		return;
	}
	start(c, k);
	read_on(c);
}

void
node_sent(struct node *n, struct rk_conn *conn)
{
	struct node_conn *c = conn->node;

	(void)n;
	if (conn->ours) {
		node_link_sent(conn);
		return;
	}
	rk_assert(c != NULL && !rk_list_empty(&c->sending));
	leave(c, rk_of(c->sending.next, struct node_call, link));
	read_on(c);
}

void
node_reached(struct node *n, struct rk_conn *conn)
{
	(void)n;
	rk_assert(conn->ours);
	node_link_reached(conn);
}

void
node_gone(struct node *n, struct rk_conn *conn)
{
	struct node_conn *c = conn->node;

	if (conn->ours) {
		node_link_gone(conn);
		return;
	}
	rk_assert(c != NULL);
	conn->node = NULL;
	if (!n->failed) /* a node that ends makes no new connections */
		node_sessions_gone(n, c);
	while (!rk_list_empty(&c->sending))
		node_call_drop(rk_of(c->sending.next, struct node_call, link));
	while (!rk_list_empty(&c->calls)) {
		struct node_call *k = rk_of(c->calls.next, struct node_call, link);
		rk_list_del(&k->link);
		k->conn = NULL;
		k->api.gone = true;
		if (k->done || node_forward_forget(k))
			node_call_drop(k);
		else if (k->api.abandon != NULL)
			k->api.abandon(&k->api); /* a waiting fetch ends now; an append goes its way */
	}
	if (c->held != NULL)
		node_call_drop(c->held);
	rk_assert(n->connections > 0);
	n->connections--;
	rk_list_del(&c->link);
	rk_mem_put(c);
}

void
node_serve_ready(struct node *n)
{
	rk_assert(n->ready);
	rk_list_each_safe(&n->conns, m, next)
		read_on(rk_of(m, struct node_conn, link));
}

void
node_serve_free(struct node *n)
{
	while (n->spare != NULL) {
		struct node_call *k = n->spare;
		n->spare = k->api.node;
		rk_arena_free(&k->api.arena);
		rk_mem_put(k);
	}
	n->spares = 0;
}
