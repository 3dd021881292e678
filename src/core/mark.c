/* mark.c - markers, and the guards of partitions: see mark.h.
 *
 * A marker is a batch of one record, as Kafka writes it: attributes 0x30, no sequence, key (i16 version 0, i16 type:
 * 0 abort, 1 commit), value (i16 version 0, i32 coordinator epoch). */
#include "src/core/mark.h"
#include "base/mem.h"
#include "protocol/gen/write_txn_markers.h"
#include "src/core/inside.h"

enum { KEY_BYTES = 4, VALUE_BYTES = 6, GUARDS_MAX = 4096, VERSION_2 = 2, MARKED_MAX = 4096 };

typedef struct kp_write_txn_markers_req_markers marker_in;
typedef struct kp_write_txn_markers_res_markers marker_out;
typedef struct kp_write_txn_markers_res_markers_topics_partitions row;

void
core_txn_world(struct core *c, const struct core_txn_world *w)
{
	rk_assert(c->magic == CORE_MAGIC && !c->loaded);
	rk_assert(w->mark != NULL && w->unmark != NULL && w->verify != NULL && w->unverify != NULL);
	c->txn_world = *w;
}

const struct core_txn_world *
core_txn_world_of(const struct core *c)
{
	rk_assert(c->magic == CORE_MAGIC);
	return c->txn_world.mark == NULL ? NULL : &c->txn_world;
}

/* --- markers */
struct core_marks_wait {
	struct core_wait wait;
	struct core_marks *marks;
	struct core_partition *at;
	int16_t *code;
};

static void
stop_waiting(struct core_marks *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		core_unwait(&m->wait[i].wait);
	rk_timer_stop(m->core->timers, &m->timer);
	m->left = 0;
}

static void
committed(struct core_wait *wait, enum rk_err err)
{
	struct core_marks_wait *w = rk_of(wait, struct core_marks_wait, wait);
	struct core_marks *m = w->marks;

	rk_assert(m->left > 0);
	if (err == RK_OK && w->at->isr < rk_min(core_conf(w->at)->min_insync_replicas, w->at->replicas))
		err = RK_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
	*w->code = rk_err_wire(err);
	if (--m->left > 0)
		return;
	stop_waiting(m);
	m->done(m);
}

static void
timed_out(struct rk_timer *t, int64_t now_ms)
{
	struct core_marks *m = rk_of(t, struct core_marks, timer);

	(void)now_ms;
	rk_assert(m->left > 0);
	for (uint32_t i = 0; i < m->count; i++)
		if (!rk_list_empty(&m->wait[i].wait.link))
			*m->wait[i].code = rk_err_wire(RK_REQUEST_TIMED_OUT);
	stop_waiting(m);
	m->done(m);
}

/* transaction.version 2: the epoch rises with every transaction, so the marker's is above its data's. One that is sent
 * again finds no transaction open, or the next one, whose data has the marker's own epoch. */
static enum rk_err
judge_epoch(struct core_partition *p, const marker_in *in)
{
	const struct st_producer *known;
	struct st_log *log;

	if (in->producer_id < 0 || in->producer_epoch < 0)
		return RK_UNKNOWN_SERVER_ERROR;
	if (in->transaction_version < VERSION_2 || core_open(p, &log) != RK_OK || log == NULL)
		return RK_OK; /* what is wrong with the log the append says */
	const struct st_producers *all = st_log_producers(log);
	known = all == NULL ? NULL : st_producers_get(all, in->producer_id);
	return known != NULL && known->txn_first >= 0 && in->producer_epoch <= known->epoch ? RK_INVALID_PRODUCER_EPOCH
											     : RK_OK;
}

static struct rk_str
build(const marker_in *in, int64_t wall_ms, struct rk_arena *a)
{
	uint8_t key[KEY_BYTES] = { 0 }, value[VALUE_BYTES] = { 0 };
	struct kp_build b;

	rk_put16(key + 2, in->transaction_result ? 1 : 0);
	rk_put32(value + 2, (uint32_t)in->coordinator_epoch);
	kp_build_start(&b, a, 0, KP_ATTR_TXN | KP_ATTR_CONTROL, wall_ms);
	kp_build_add(&b, wall_ms, (struct rk_str){ (char *)key, KEY_BYTES }, (struct rk_str){ (char *)value, VALUE_BYTES });
	return kp_build_end(&b, -1, in->producer_id, in->producer_epoch, -1);
}

/* --- markers that are not committed yet */
struct marked {
	int64_t producer_id, need;
	int32_t coordinator_epoch;
	int16_t epoch;
	bool commit;
};
struct core_marked {
	struct marked *at;
	uint32_t count, cap;
};

void
core_marked_free(struct core_partition *p)
{
	if (p->marked == NULL)
		return;
	rk_mem_put(p->marked->at);
	rk_mem_put(p->marked);
	p->marked = NULL;
}

/* The end that the same marker waits for; -1: it is not in the log, or committed. */
static int64_t
waits_already(struct core_partition *p, const marker_in *in)
{
	struct core_marked *k = p->marked;
	int64_t need = -1;
	uint32_t n = 0;

	rk_assert(k == NULL || k->count > 0);
	for (uint32_t i = 0; k != NULL && i < k->count; i++) {
		const struct marked *m = &k->at[i];
		if (m->need <= p->high)
			continue;
		if (m->producer_id == in->producer_id && m->epoch == in->producer_epoch
		    && m->coordinator_epoch == in->coordinator_epoch && m->commit == in->transaction_result)
			need = m->need;
		k->at[n++] = *m;
	}
	if (k != NULL)
		k->count = n;
	if (n == 0)
		core_marked_free(p);
	return need;
}

/* One that is not noted (there are too many) is appended again when it is sent again, which does no harm. */
static void
note(struct core_partition *p, const marker_in *in, int64_t need)
{
	rk_assert(p->leads && need > p->high);
	if (p->marked == NULL)
		p->marked = rk_new(struct core_marked);
	else if (p->marked->count >= MARKED_MAX)
		return;
	struct core_marked *k = p->marked;
	*(struct marked *)rk_mem_room((void **)&k->at, k->count, &k->cap, sizeof *k->at) = (struct marked){
		.producer_id = in->producer_id, .need = need, .coordinator_epoch = in->coordinator_epoch,
		.epoch = in->producer_epoch, .commit = in->transaction_result };
	k->count++;
}

/* Appends one marker to one partition. RK_OK and *need past the high watermark: it is not committed yet. */
static enum rk_err
append(struct core_partition *p, const marker_in *in, struct rk_arena *arena, int64_t *need)
{
	struct core *c = core_of(p);
	struct core_append a = { .acks = -1, .own = true, .transactional = true, .arena = arena,
		.raised = in->transaction_version >= VERSION_2, .wall_ms = rk_wall(c->env) };
	enum rk_err err = p->leads ? judge_epoch(p, in) : RK_NOT_LEADER_OR_FOLLOWER;

	if (err == RK_OK && !c->cut_off && !c->stopping && !p->broken && (*need = waits_already(p, in)) >= 0)
		return RK_OK;
	if (err != RK_OK)
		return err;
	struct rk_str batch = build(in, a.wall_ms, arena);
	if (batch.len < 0)
		return RK_UNKNOWN_SERVER_ERROR;
	a.at = (uint8_t *)(uintptr_t)batch.at;
	a.len = batch.len;
	core_append(p, &a);
	if (a.err != RK_OK)
		return a.err;
	rk_assert(a.need == a.base_offset + 1);
	if (p->topic->internal)
		core_coord_marked(p, a.at);
	*need = core_acked(p, &a) ? -1 : a.need;
	if (*need >= 0)
		note(p, in, *need);
	return RK_OK;
}

static void
mark_one(struct core_marks *m, struct rk_str topic, const marker_in *in, row *o)
{
	struct core_partition *p = core_partition(core_topic_named(m->core, topic), o->partition_index);
	int64_t need = -1;
	enum rk_err err = p == NULL || !p->mine || p->offline ? RK_UNKNOWN_TOPIC_OR_PARTITION
							      : append(p, in, m->arena, &need);

	o->error_code = rk_err_wire(err);
	if (need < 0)
		return;
	struct core_marks_wait *w = &m->wait[m->count++];
	*w = (struct core_marks_wait){ .wait = { .need = need, .wake = committed }, .marks = m, .at = p,
		.code = &o->error_code };
	rk_list_init(&w->wait.link);
	m->left++;
	core_wait_acks(p, &w->wait);
}

/* The answer's rows; the number of them, or -1 when the arena is over. */
static int64_t
shape(struct rk_arena *a, const struct kp_write_txn_markers_req *q, struct kp_write_txn_markers_res *res)
{
	int64_t rows = 0;

	res->markers.len = 0;
	res->markers.at = rk_arena_get(a, (size_t)rk_max(q->markers.len, 0) + 1, sizeof *res->markers.at);
	for (int32_t i = 0; i < q->markers.len && res->markers.at != NULL; i++) {
		const marker_in *in = &q->markers.at[i];
		marker_out *o = &res->markers.at[res->markers.len++];
		o->producer_id = in->producer_id;
		o->topics.len = 0;
		o->topics.at = rk_arena_get(a, (size_t)rk_max(in->topics.len, 0) + 1, sizeof *o->topics.at);
		for (int32_t k = 0; k < in->topics.len && o->topics.at != NULL; k++) {
			int32_t n = rk_max(in->topics.at[k].partition_indexes.len, 0);
			row *r = rk_arena_get(a, (size_t)n + 1, sizeof *r);
			for (int32_t j = 0; j < n && r != NULL; j++)
				r[j].partition_index = in->topics.at[k].partition_indexes.at[j];
			o->topics.at[k].name = in->topics.at[k].name;
			o->topics.at[k].partitions.at = r;
			o->topics.at[k].partitions.len = r == NULL ? 0 : n;
			o->topics.len++;
			rows += n;
		}
	}
	return a->over ? -1 : rows;
}

bool
core_marks_write(struct core *c, struct core_marks *m, const struct kp_write_txn_markers_req *q,
    struct kp_write_txn_markers_res *res)
{
	rk_assert(c->magic == CORE_MAGIC && m->done != NULL);
	m->core = c;
	m->count = m->left = 0;
	m->timer = (struct rk_timer){ .at_ms = INT64_MAX, .fire = timed_out };
	int64_t rows = shape(m->arena, q, res);
	m->wait = rows < 0 ? NULL : rk_arena_get(m->arena, (size_t)rows + 1, sizeof *m->wait);
	if (m->wait == NULL)
		return false;
	m->left = 1; /* not from inside */
	for (int32_t i = 0; i < res->markers.len; i++)
		for (int32_t k = 0; k < res->markers.at[i].topics.len; k++) {
			struct kp_write_txn_markers_res_markers_topics *t = &res->markers.at[i].topics.at[k];
			for (int32_t j = 0; j < t->partitions.len; j++)
				mark_one(m, t->name, &q->markers.at[i], &t->partitions.at[j]);
		}
	rk_assert(m->count <= rows && m->left >= 1);
	if (--m->left == 0)
		return false;
	rk_timer_set(c->timers, &m->timer,
	    rk_now(c->env) + (m->hurried ? CORE_MARKS_HURRY_MS : c->conf->request_timeout_ms));
	return true;
}

void
core_marks_forget(struct core_marks *m)
{
	if (m->left > 0)
		stop_waiting(m);
}

/* --- guards */
struct guard {
	struct rk_node node;
	struct rk_list link; /* the least used first */
	uint64_t number;
	int64_t producer_id, used_ms;
	int32_t lowest;      /* sequence that was asked for: what comes before must have been appended */
	int16_t epoch;
	bool adds;
};
struct core_guards {
	struct rk_map by_id;
	struct rk_list used;
};

static struct guard *
find(const struct core_partition *p, int64_t id)
{
	if (p->guards == NULL)
		return NULL;
	for (struct rk_node *n = rk_map_first(&p->guards->by_id, rk_hash(&id, sizeof id, 0)); n != NULL; n = rk_map_next(n))
		if (rk_of(n, struct guard, node)->producer_id == id)
			return rk_of(n, struct guard, node);
	return NULL;
}

static void
drop(struct core_partition *p, struct guard *g)
{
	rk_map_del(&p->guards->by_id, &g->node);
	rk_list_del(&g->link);
	rk_mem_put(g);
}

static void
drop_and_free(struct core_partition *p, struct guard *g)
{
	drop(p, g);
	if (p->guards->by_id.count == 0)
		core_guards_free(p);
}

void
core_guard_over(struct core_partition *p, const uint8_t *batch, bool raised)
{
	struct guard *g = find(p, kp_batch_producer(batch));
	bool marker = (kp_batch_attr(batch) & KP_ATTR_CONTROL) != 0;

	rk_assert(marker || !raised);
	if (g != NULL && !(marker && raised && g->adds && g->epoch >= kp_batch_producer_epoch(batch)))
		drop_and_free(p, g);
}

void
core_guards_free(struct core_partition *p)
{
	if (p->guards == NULL)
		return;
	while (!rk_list_empty(&p->guards->used))
		drop(p, rk_of(p->guards->used.next, struct guard, link));
	rk_map_free(&p->guards->by_id);
	rk_mem_put(p->guards);
	p->guards = NULL;
}

void
core_guards_expire(struct core_partition *p, int64_t now_ms, int64_t expire_ms)
{
	while (p->guards != NULL) {
		struct guard *g = rk_of(p->guards->used.next, struct guard, link);
		if (now_ms - g->used_ms < expire_ms)
			return;
		drop_and_free(p, g);
	}
}

static struct guard *
take(struct core_partition *p, const struct core_intent *x)
{
	struct core *c = core_of(p);
	struct guard *g = find(p, x->producer_id);

	if (p->guards == NULL) {
		p->guards = rk_new(struct core_guards);
		rk_list_init(&p->guards->used);
	}
	if (g == NULL) {
		if (p->guards->by_id.count >= GUARDS_MAX)
			drop(p, rk_of(p->guards->used.next, struct guard, link));
		g = rk_new(struct guard);
		*g = (struct guard){ .number = ++c->guards, .producer_id = x->producer_id, .epoch = x->producer_epoch,
			.lowest = x->sequence, .adds = x->adds };
		rk_map_add(&p->guards->by_id, &g->node, rk_hash(&g->producer_id, sizeof g->producer_id, 0));
	} else {
		rk_list_del(&g->link);
	}
	g->used_ms = rk_now(c->env);
	rk_list_add(&p->guards->used, &g->link);
	if (x->producer_epoch > g->epoch) {
		g->epoch = x->producer_epoch;
		g->lowest = x->sequence;
	} else if (x->producer_epoch == g->epoch) {
		g->lowest = rk_min(g->lowest, x->sequence);
	}
	rk_assert(p->guards->by_id.count > 0 && g->number > 0);
	return g;
}

struct core_intent
core_intent(const uint8_t *batch, bool adds)
{
	return (struct core_intent){ kp_batch_producer(batch), kp_batch_producer_epoch(batch), kp_batch_sequence(batch),
		adds };
}

static const struct st_producer *
known(struct core_partition *p, int64_t id)
{
	struct st_log *log;

	if (core_open(p, &log) != RK_OK || log == NULL)
		return NULL;
	const struct st_producers *all = st_log_producers(log);
	return all == NULL ? NULL : st_producers_get(all, id);
}

static bool
is_open(struct core_partition *p, const struct core_intent *x)
{
	const struct st_producer *s = known(p, x->producer_id);

	return s != NULL && s->txn_first >= 0 && s->epoch == x->producer_epoch;
}

enum rk_err
core_unverified(struct core_partition *p, const struct core_intent *x, uint64_t *guard)
{
	struct core *c = core_of(p);

	rk_assert(x->producer_id >= 0);
	*guard = 0;
	if (!x->adds && !c->conf->transaction_partition_verification_enable)
		return RK_OK;
	if (!p->leads || c->cut_off)
		return RK_NOT_LEADER_OR_FOLLOWER;
	if (is_open(p, x))
		return RK_OK;
	const struct st_producer *s = known(p, x->producer_id);
	if (s != NULL && s->epoch > x->producer_epoch)
		return RK_INVALID_PRODUCER_EPOCH; /* no coordinator needs to be asked about a zombie */
	*guard = take(p, x)->number;
	return RK_OK;
}

enum rk_err
core_verified(struct core_partition *p, const struct core_intent *x, uint64_t guard)
{
	const struct guard *g = find(p, x->producer_id);

	if (!is_open(p, x) && core_of(p)->conf->transaction_partition_verification_enable
	    && (g == NULL || g->number != guard))
		return RK_INVALID_TXN_STATE;
	if (g == NULL || x->sequence < 0)
		return RK_OK;
	if (x->sequence > g->lowest || (g->adds && x->sequence != 0 && known(p, x->producer_id) == NULL))
		return RK_OUT_OF_ORDER_SEQUENCE_NUMBER;
	return RK_OK;
}
