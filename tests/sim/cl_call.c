/* cl_call.c - a client's connections and requests. See cluster.h. */
#include "protocol/gen/metadata.h"
#include "src/config.h"
#include "tests/sim/cluster.h"

enum { METADATA = 3, METADATA_V = 12, ASK_TIMEOUT = 5 * SECOND };

static void
answered(struct cl_ask *a, const void *res)
{
	a->done(a, res);
	rk_mem_put(a);
}

static const void *
decode(struct cl_ask *a, const uint8_t *body, uint32_t len, struct rk_arena *arena)
{
	const struct kp_api *api = kp_api(a->key);
	void *res = rk_arena_get(arena, 1, kp_desc_size(api->res));

	if (kp_read(api->res, a->version, body, len, arena, res, NULL) == RK_OK)
		return res;
	cl_fail(a->conn->who->cl, "an answer of node %d to %s cannot be read", a->conn->node + 1, api->name);
	return NULL;
}

static void
c_answer(struct sim_client *c, const uint8_t *frame, uint32_t len)
{
	struct cl_conn *conn = rk_of(c, struct cl_conn, c);
	struct cl *cl = conn->who->cl;
	struct cl_ask *a = conn->first;

	if (a == NULL || len < 5 || (int32_t)rk_get32(frame) != a->correlation) {
		cl_fail(cl, "node %d answers what was not asked", conn->node + 1);
		return;
	}
	conn->first = a->next;
	if (conn->first == NULL)
		conn->last = &conn->first;
	cl->answers++;
	rk_arena_reset(&conn->who->arena);
	answered(a, decode(a, frame + 5, len - 5, &conn->who->arena));
}

/* The node gives an answer to its kernel: what it promises must be true now. */
static void
c_leaves(struct sim_client *c, const uint8_t *frame, uint32_t len)
{
	struct cl_conn *conn = rk_of(c, struct cl_conn, c);
	struct rk_arena arena;

	for (struct cl_ask *a = conn->first; a != NULL && len >= 5; a = a->next)
		if (a->correlation == (int32_t)rk_get32(frame) && a->leaves != NULL) {
			rk_arena_init(&arena, SIZE_MAX);
			const void *res = decode(a, frame + 5, len - 5, &arena);
			if (res != NULL)
				a->leaves(a, res);
			rk_arena_free(&arena);
		}
}

static void
c_closed(struct sim_client *c)
{
	struct cl_conn *conn = rk_of(c, struct cl_conn, c);
	struct cl_ask *a = conn->first;

	conn->first = NULL;
	conn->last = &conn->first;
	while (a != NULL) {
		struct cl_ask *next = a->next;
		answered(a, NULL);
		a = next;
	}
}

void
cl_client_init(struct cl *cl, struct cl_client *w, uint32_t place)
{
	w->cl = cl;
	w->place = place;
	rk_arena_init(&w->arena, SIZE_MAX);
	for (int32_t i = 0; i < CL_NODES; i++) {
		struct cl_conn *c = &w->conn[i];
		*c = (struct cl_conn){ .c = { .answer = c_answer, .closed = c_closed, .leaves = c_leaves, .place = place },
			.who = w, .node = i };
		c->last = &c->first;
	}
	for (int32_t t = 0; t < CL_TOPICS; t++)
		for (int32_t p = 0; p < CL_PARTS; p++)
			w->at[t][p].leader = w->at[t][p].epoch = -1;
}

void
cl_client_free(struct cl_client *w)
{
	if (w->cl == NULL)
		return;
	for (int32_t i = 0; i < CL_NODES; i++) {
		struct cl_conn *c = &w->conn[i];
		sim_client_close(&c->c);
		while (c->first != NULL) {
			struct cl_ask *a = c->first;
			c->first = a->next;
			rk_mem_put(a);
		}
	}
	rk_arena_free(&w->arena);
}

void
cl_after(struct cl *cl, int64_t us, sim_fn *fn, void *arg)
{
	sim_at(&cl->sim, cl->sim.now_us + us, NULL, fn, arg);
}

/* Every connection is closed, what was sent is still carried; nobody is answered any more. */
void
cl_hang_up(struct cl_client *w)
{
	for (uint32_t i = 0; i < CL_NODES; i++) {
		sim_client_close(&w->conn[i].c);
		c_closed(&w->conn[i].c);
	}
}

void
cl_sleep(struct cl_client *w, int64_t us)
{
	w->asleep_us = w->cl->sim.now_us + us;
	for (uint32_t i = 0; i < CL_NODES; i++)
		w->conn[i].c.asleep_us = w->asleep_us;
}

bool
cl_asleep(struct cl_client *w, sim_fn *fn, void *arg)
{
	if (w->asleep_us <= w->cl->sim.now_us)
		return false;
	sim_at(&w->cl->sim, w->asleep_us, NULL, fn, arg);
	return true;
}

struct alarm {
	struct cl_conn *conn;
	uint32_t opens;
	int32_t correlation;
};

/* Too late: the connection is given up, as Kafka's clients do. */
static void
late(void *arg, bool lost)
{
	struct alarm *t = arg;
	struct cl_conn *c = t->conn;
	bool waits = false;

	if (!lost && cl_asleep(c->who, late, t))
		return;
	for (struct cl_ask *a = c->first; !lost && a != NULL; a = a->next)
		waits |= a->correlation == t->correlation;
	if (waits && c->opens == t->opens && c->c.link != NULL) {
		sim_client_close(&c->c);
		c_closed(&c->c);
	}
	rk_mem_put(t);
}

struct cl_ask *
cl_ask(struct cl_client *w, int32_t node, int16_t key, int16_t version, const void *req, int64_t timeout_us,
    cl_done *done, void *arg)
{
	struct cl_conn *c = &w->conn[node];
	struct cl *cl = w->cl;
	struct cl_ask *a = rk_new(struct cl_ask);
	struct alarm *t = rk_new(struct alarm);

	rk_assert(node >= 0 && node < (int32_t)cl->nodes && cl->node[node].broker);
	if (c->c.link == NULL) {
		c->opens++;
		sim_dial(&cl->net, &c->c, cl->node[node].host, 9092);
	}
	c->c.asleep_us = w->asleep_us;
	*a = (struct cl_ask){ .conn = c, .correlation = ++c->correlation, .key = key, .version = version, .done = done,
		.arg = arg, .node = node };
	*c->last = a;
	c->last = &a->next;
	sim_client_ask(&c->c, key, version, a->correlation, req);
	*t = (struct alarm){ c, c->opens, a->correlation };
	cl_after(cl, timeout_us, late, t);
	return a;
}

int32_t
cl_some_broker(struct cl *cl)
{
	int32_t at = (int32_t)sim_below(&cl->sim, cl->nodes);

	while (!cl->node[at].broker)
		at = (at + 1) % (int32_t)cl->nodes;
	return at;
}

static void
learn(struct cl_client *w, struct cl_topic *t, const struct kp_metadata_res_topics *r)
{
	uint32_t k = (uint32_t)(t - w->cl->topic);

	if (t->made && memcmp(&t->id, &r->topic_id, sizeof t->id) != 0)
		cl_fail(w->cl, "topic %s was acknowledged and is another one now", t->name);
	t->id = r->topic_id;
	t->made = true;
	t->parts = rk_max(t->parts, rk_min(r->partitions.len, CL_PARTS));
	for (int32_t i = 0; i < r->partitions.len; i++) {
		const struct kp_metadata_res_topics_partitions *p = &r->partitions.at[i];
		if (p->partition_index < 0 || p->partition_index >= CL_PARTS || p->leader_epoch < w->at[k][p->partition_index].epoch)
			continue; /* old news, as Kafka's clients see it */
		w->at[k][p->partition_index].leader = p->leader_id;
		w->at[k][p->partition_index].epoch = p->leader_epoch;
		w->at[k][p->partition_index].replicas = rk_min(p->replica_nodes.len, CL_NODES);
		for (int32_t x = 0; x < rk_min(p->replica_nodes.len, CL_NODES); x++)
			w->at[k][p->partition_index].replica[x] = p->replica_nodes.at[x];
		if (p->leader_id >= 0)
			cl_led(w->cl, &t->part[p->partition_index], p->leader_epoch, p->leader_id, "a Metadata answer");
	}
}

static void
told(struct cl_ask *a, const void *res)
{
	struct cl_client *w = a->arg;
	const struct kp_metadata_res *r = res;

	w->asking = false;
	for (int32_t i = 0; r != NULL && i < r->topics.len; i++)
		for (uint32_t k = 0; k < w->cl->plan.topics; k++)
			if (r->topics.at[i].error_code == 0 && rk_str_is(r->topics.at[i].name, w->cl->topic[k].name))
				learn(w, &w->cl->topic[k], &r->topics.at[i]);
}

void
cl_metadata(struct cl_client *w)
{
	struct kp_metadata_req q;
	struct kp_metadata_req_topics t[CL_TOPICS];

	if (w->asking)
		return;
	w->asking = true;
	kp_defaults(&kp_metadata_req_d, &q);
	q.allow_auto_topic_creation = false;
	for (uint32_t i = 0; i < w->cl->plan.topics; i++)
		t[i] = (struct kp_metadata_req_topics){ .name = rk_str_of(w->cl->topic[i].name) };
	q.topics.at = t;
	q.topics.len = (int32_t)w->cl->plan.topics;
	cl_ask(w, cl_some_broker(w->cl), METADATA, METADATA_V, &q, ASK_TIMEOUT, told, w);
}
