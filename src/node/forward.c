/* forward.c - requests for the active controller that a client brought to another node (KIP-590).
 *
 * On the way out: the client's frame, header and all, goes in an Envelope with its principal and address; the bytes
 * that come back are the answer under the client's own correlation id. The desk looks for the controller until the time
 * is over. On the way in: a call of its own is made of what the Envelope holds, and its answer becomes the
 * Envelope's. NOT_CONTROLLER inside is NOT_CONTROLLER outside, so that the sender looks again. */
#include "base/mem.h"
#include "protocol/gen/envelope.h"
#include "src/node/inside.h"

enum { FORWARD_MS = 60000 }; /* Kafka's brokers try so long */

bool
node_leads(const struct node *n)
{
	return n->shared.leader_id == n->conf->node_id;
}

/* "127.0.0.1:51234", "[::1]:51234": four or sixteen raw bytes; something else counts as 0.0.0.0. */
static struct rk_str
raw_address(const char *peer, struct rk_arena *a)
{
	uint8_t *b = rk_arena_get(a, 4, 1);
	unsigned part[4];

	if (b == NULL)
		return RK_STR_NULL;
	if (sscanf(peer, "%3u.%3u.%3u.%3u", &part[0], &part[1], &part[2], &part[3]) == 4)
		for (int i = 0; i < 4; i++)
			b[i] = (uint8_t)part[i];
	return (struct rk_str){ (char *)b, 4 };
}

static void
over(struct node_call *k, enum rk_err err)
{
	api_fail(&k->api, err, RK_STR_NULL);
	api_finish(&k->api);
}

/* The answer's bytes, as they came. */
static void
pass(struct node_call *k, struct rk_str bytes)
{
	uint8_t *to = rk_arena_raw(&k->api.arena, (size_t)bytes.len + 4);

	if (to == NULL) {
		over(k, RK_UNKNOWN_SERVER_ERROR);
		return;
	}
	rk_put32(to, (uint32_t)bytes.len);
	memcpy(to + 4, bytes.at, (size_t)bytes.len);
	rk_out_mem(&k->out, to, (uint32_t)bytes.len + 4);
	k->passed = true;
	api_finish(&k->api);
}

static void
forwarded(struct node_ask *ask, enum rk_err err, const void *answer, int16_t version)
{
	struct node_call *k = rk_of(ask, struct node_call, ask);
	const struct kp_envelope_res *res = answer;

	(void)version;
	if (err == RK_NOT_CONTROLLER) /* this node leads now */
		node_serve_run(k);
	else if (err != RK_OK)
		over(k, err == RK_REQUEST_TIMED_OUT ? err : RK_UNKNOWN_SERVER_ERROR);
	else if (res->error_code == rk_err_wire(RK_UNSUPPORTED_VERSION))
		over(k, RK_UNSUPPORTED_VERSION);
	else if (res->error_code != 0 || res->response_data.len < 4)
		over(k, RK_UNKNOWN_SERVER_ERROR);
	else
		pass(k, res->response_data);
}

void
node_forward(struct node_call *k)
{
	struct kp_envelope_req *q = rk_arena_get(&k->api.arena, 1, sizeof *q);

	if (q == NULL) {
		node_serve_answer(k, API_CLOSE);
		return;
	}
	kp_defaults(&kp_envelope_req_d, q);
	q->request_data = (struct rk_str){ k->frame, (int32_t)k->len };
	q->request_principal = api_principal_bytes(k->api.principal, &k->api.arena);
	q->client_host_address = raw_address(k->api.peer, &k->api.arena);
	node_ask_init(&k->ask, forwarded);
	node_desk_ask(k->node, &k->ask, KP_ENVELOPE, 0, 0, q, FORWARD_MS);
}

bool
node_forward_forget(struct node_call *k)
{
	if (rk_list_empty(&k->ask.at))
		return false;
	node_desk_forget(k->node, &k->ask);
	return true;
}

/* --- in */

void
node_forward_answer(struct node_call *k, enum api_fate fate)
{
	struct node_call *outer = k->outer;
	struct kp_envelope_res *res = outer->api.res;
	struct rk_arena *a = &outer->api.arena;
	struct rk_out o;

	rk_out_init(&o, a);
	if (fate != API_NOW) {
		res->error_code = rk_err_wire(RK_UNKNOWN_SERVER_ERROR);
	} else if (api_failed(k->api.head.key, k->api.res, RK_NOT_CONTROLLER)) {
		res->error_code = rk_err_wire(RK_NOT_CONTROLLER);
	} else {
		kp_answer_head(k->api.head.key, k->api.head.version, k->api.head.correlation_id, &o);
		kp_write(k->api.api->res, k->api.head.version, k->api.res, &o);
		struct rk_str bytes = rk_out_flat(&o, a);
		if (bytes.len >= 0)
			res->response_data = bytes;
		else
			res->error_code = rk_err_wire(RK_UNKNOWN_SERVER_ERROR);
	}
	k->outer = NULL;
	node_call_drop(k);
	api_finish(&outer->api);
}

static void
run_unpacked(struct rk_timer *t, int64_t now_ms)
{
	struct node_call *k = rk_of(t, struct node_call, soon);

	(void)now_ms;
	node_serve_run(k);
}

enum rk_err
node_forward_unpacked(struct api_call *outer, const struct api_packed *p)
{
	struct node_call *o = rk_of(outer, struct node_call, api), *k;
	struct node *n = o->node;
	size_t used;

	if (!node_leads(n))
		return RK_NOT_CONTROLLER;
	if ((k = node_call_take(n)) == NULL)
		return RK_NO_MEMORY;
	k->outer = o;
	k->row = api_row(p->head.key);
	k->api.arena.limit = 2u * p->len + (256u << 20);
	rk_out_init(&k->out, &k->api.arena);
	k->api.api = kp_api(p->head.key);
	k->api.head = p->head;
	k->api.shared = &n->shared;
	k->api.controller = true;
	k->api.listener = outer->listener;
	k->api.now_ms = outer->now_ms;
	k->api.wall_ms = outer->wall_ms;
	k->api.principal = rk_arena_str(&k->api.arena, p->principal);
	k->api.peer = rk_arena_str(&k->api.arena, p->peer).at;
	k->api.req = rk_arena_raw(&k->api.arena, kp_desc_size(k->api.api->req));
	k->api.res = rk_arena_raw(&k->api.arena, kp_desc_size(k->api.api->res));
	if (k->api.peer == NULL || k->api.res == NULL || kp_read(k->api.api->req, p->head.version, p->at + p->head.body,
	    p->len - p->head.body, &k->api.arena, k->api.req, &used) != RK_OK) {
		k->outer = NULL;
		node_call_drop(k);
		return RK_INVALID_REQUEST;
	}
	if ((k->row->where & API_RUNS) == API_CONTROL) {
		node_serve_run(k);
		return RK_OK;
	}
	k->soon.fire = run_unpacked; /* it may be over at once, and the outer handler is to return first */
	rk_timer_set(&n->timers, &k->soon, rk_now(n->env));
	return RK_OK;
}
