/* coord.c - shards: won, replayed, asked, lost.
 *
 *	WON -> waiting -> LOADED -> replaying, some of the log a turn -> active -> LOST
 *
 * The log is replayed from its start to its end, which only transaction markers can move meanwhile: what is appended
 * by a shard itself needs an active one. A log that cannot be read, or a batch in it that is damaged, leaves the
 * shard failed: COORDINATOR_NOT_AVAILABLE, until leadership moves or the node starts anew. */
#include "src/core/coord.h"
#include "src/core/inside.h"
#include "base/mem.h"

enum { TURN_BYTES = 1 << 20, INFLATED_MAX = 64 << 20, ARENA_MAX = 256 << 20, SHARD_MAGIC = 0x73686172 };

enum phase { WAITING, REPLAYING, ACTIVE, FAILED };

struct core_shard {
	uint32_t magic;
	struct core_coord *coord;
	struct core_partition *partition;
	void *state;
	enum phase phase;
	int64_t applied;        /* all below it */
	struct rk_timer turn;   /* the next piece of the replay */
	struct rk_list link;    /* in the coordinator's shards */
	int64_t began_ms;
	uint64_t records;
};

struct core_coord {
	const struct core_coord_kind *kind;
	struct core *core;
	struct core_watcher watcher;
	struct rk_list link;    /* in the core's coordinators */
	struct rk_list shards;
	struct rk_list dead;    /* lost in the middle of things: freed with the next event */
	struct rk_timer bury;
};

/* --- applying */
static void
apply_marker(struct core_shard *s, const uint8_t *batch)
{
	struct kp_records_iter it;
	struct kp_record r;

	kp_records_start(&it, batch, NULL, 0);
	if (!kp_records_next(&it, &r) || r.key.len < 4)
		return;
	int16_t type = (int16_t)rk_get16(r.key.at + 2);
	if (s->coord->kind->marker != NULL && (type == 0 || type == 1))
		s->coord->kind->marker(s->state, kp_batch_producer(batch), kp_batch_producer_epoch(batch), type == 1,
		    kp_batch_base(batch));
}

/* One checked batch; false: its records cannot be read. */
static bool
apply_batch(struct core_shard *s, const uint8_t *batch, struct rk_arena *a)
{
	enum kp_codec codec = (enum kp_codec)(kp_batch_attr(batch) & KP_ATTR_CODEC);
	bool txn = (kp_batch_attr(batch) & KP_ATTR_TXN) != 0;
	struct rk_str plain = { (const char *)batch + KP_BATCH_HEAD, (int32_t)kp_batch_bytes(batch) - KP_BATCH_HEAD };
	struct kp_records_iter it;
	struct kp_record r;

	rk_assert(kp_batch_last(batch) >= s->applied);
	if (kp_batch_attr(batch) & KP_ATTR_CONTROL) {
		apply_marker(s, batch);
	} else {
		if (codec != KP_NONE
		    && kp_inflate_all(codec, plain.at, (size_t)plain.len, INFLATED_MAX, a, &plain) != RK_OK)
			return false;
		kp_records_start(&it, batch, codec == KP_NONE ? NULL : (const uint8_t *)plain.at, (size_t)plain.len);
		while (kp_records_next(&it, &r)) {
			struct core_entry e = { .offset = r.offset, .ms = r.ms, .producer_id = txn ? kp_batch_producer(batch) : -1,
				.producer_epoch = txn ? kp_batch_producer_epoch(batch) : -1, .key = r.key, .value = r.value };
			if (r.key.len >= 0)
				s->coord->kind->apply(s->state, &e);
			s->records++;
		}
		if (it.bad)
			return false;
	}
	s->applied = kp_batch_last(batch) + 1;
	return true;
}

/* --- replaying */
static void
fail(struct core_shard *s, const char *why)
{
	rk_say(RK_ERROR,
	    "%s-%d cannot be read at offset %" PRId64 " (%s): what it coordinates is not available here. Look at the disk, or "
	    "move the partition's leadership to another replica.",
	    s->partition->topic->name.at, s->partition->index, s->applied, why);
	s->phase = FAILED;
}

/* Applies up to a turn's worth; true: the end is reached. */
static bool
replay_some(struct core_shard *s)
{
	struct core_partition *p = s->partition;
	struct st_log *log;
	struct rk_arena a, one;
	struct rk_str got = RK_STR_NULL;

	if (core_open(p, &log) != RK_OK) {
		fail(s, "the log cannot be opened");
		return false;
	}
	if (log == NULL)
		return true;
	s->applied = rk_max(s->applied, st_log_start(log));
	if (s->applied >= st_log_end(log))
		return true;
	rk_arena_init(&a, ARENA_MAX);
	rk_arena_init(&one, ARENA_MAX);
	if (st_log_load(log, s->applied, st_log_end(log), TURN_BYTES, &a, &got) != RK_OK || got.len <= 0)
		fail(s, "the disk");
	for (int32_t at = 0; at < got.len && s->phase == REPLAYING; at += (int32_t)kp_batch_bytes(got.at + at)) {
		const uint8_t *b = (const uint8_t *)got.at + at;
		rk_arena_reset(&one);
		if (kp_batch_check(b, (size_t)(got.len - at)) != RK_OK)
			fail(s, "a batch is damaged");
		else if (kp_batch_last(b) >= s->applied && !apply_batch(s, b, &one))
			fail(s, "a record is damaged");
	}
	rk_arena_free(&one);
	rk_arena_free(&a);
	return s->phase == REPLAYING && s->applied >= st_log_end(log);
}

static void
turn(struct rk_timer *t, int64_t now_ms)
{
	struct core_shard *s = rk_of(t, struct core_shard, turn);

	rk_assert(s->magic == SHARD_MAGIC && s->phase == REPLAYING);
	if (replay_some(s)) {
		s->phase = ACTIVE;
		rk_say(RK_DEBUG, "%s-%d is loaded: %" PRIu64 " records in %" PRId64 " ms.", s->partition->topic->name.at,
		    s->partition->index, s->records, now_ms - s->began_ms);
		s->coord->kind->loaded(s->state);
	} else if (s->phase == REPLAYING) {
		rk_timer_set(s->coord->core->timers, t, now_ms);
	}
}

/* --- leadership */
static struct core_shard *
shard_of(const struct core_coord *k, const struct core_partition *p)
{
	rk_list_each(&k->shards, m)
		if (rk_of(m, struct core_shard, link)->partition == p)
			return rk_of(m, struct core_shard, link);
	return NULL;
}

static void
free_shard(struct core_shard *s, enum rk_err err)
{
	rk_assert(s->magic == SHARD_MAGIC);
	rk_timer_stop(s->coord->core->timers, &s->turn);
	rk_list_del(&s->link);
	s->coord->kind->end(s->state, err);
	s->magic = 0;
	rk_mem_put(s);
}

static void
bury(struct rk_timer *t, int64_t now_ms)
{
	struct core_coord *k = rk_of(t, struct core_coord, bury);

	(void)now_ms;
	while (!rk_list_empty(&k->dead))
		free_shard(rk_of(k->dead.next, struct core_shard, link), RK_NOT_COORDINATOR);
}

static void
won(struct core_coord *k, struct core_partition *p)
{
	if (shard_of(k, p) != NULL) /* led it before: nobody else has written meanwhile */
		return;
	struct core_shard *s = rk_new(struct core_shard);
	*s = (struct core_shard){ .magic = SHARD_MAGIC, .coord = k, .partition = p,
		.turn = { .at_ms = INT64_MAX, .fire = turn }, .began_ms = rk_now(k->core->env) };
	rk_list_add(&k->shards, &s->link);
	s->state = k->kind->make(s);
	rk_assert(s->state != NULL);
}

static void
heard(struct core_watcher *w, struct core_partition *p, enum core_lead what, int32_t epoch)
{
	struct core_coord *k = rk_of(w, struct core_coord, watcher);
	struct core_shard *s;

	(void)epoch;
	if (!rk_str_is(p->topic->name, k->kind->topic))
		return;
	if (what == CORE_WON) {
		won(k, p);
		return;
	}
	s = shard_of(k, p);
	rk_assert(s != NULL);
	if (what == CORE_LOADED && s->phase == WAITING) {
		s->phase = REPLAYING;
		rk_timer_set(k->core->timers, &s->turn, rk_now(k->core->env));
	} else if (what == CORE_LOST) { /* its waiters' answers are not for now */
		rk_timer_stop(k->core->timers, &s->turn);
		rk_list_del(&s->link);
		rk_list_add(&k->dead, &s->link);
		s->partition = NULL;
		rk_timer_set(k->core->timers, &k->bury, rk_now(k->core->env));
	}
}

struct core_coord *
core_coord_new(struct core *c, const struct core_coord_kind *kind)
{
	struct core_coord *k = rk_new(struct core_coord);

	*k = (struct core_coord){ .kind = kind, .core = c, .watcher.heard = heard,
		.bury = { .at_ms = INT64_MAX, .fire = bury } };
	rk_list_init(&k->shards);
	rk_list_init(&k->dead);
	rk_list_add(&c->coords, &k->link);
	core_listen(c, &k->watcher);
	return k;
}

void
core_coords_free(struct core *c)
{
	while (!rk_list_empty(&c->coords)) {
		struct core_coord *k = rk_of(c->coords.next, struct core_coord, link);
		while (!rk_list_empty(&k->shards))
			free_shard(rk_of(k->shards.next, struct core_shard, link), RK_OK);
		while (!rk_list_empty(&k->dead))
			free_shard(rk_of(k->dead.next, struct core_shard, link), RK_OK);
		rk_timer_stop(c->timers, &k->bury);
		rk_list_del(&k->link);
		rk_list_del(&k->watcher.link);
		rk_mem_put(k);
	}
}

/* --- finding */
int32_t
core_coord_slot(struct rk_str name, int32_t partitions)
{
	int32_t h = (int32_t)rk_java_hash(name);

	rk_assert(partitions > 0);
	return (h == INT32_MIN ? 0 : h < 0 ? -h : h) % partitions;
}

int32_t
core_coord_place(const struct core_coord *k, struct rk_str name)
{
	const struct core_topic *t = core_topic_named(k->core, rk_str_of(k->kind->topic));

	return t == NULL || t->partitions == 0 ? -1 : core_coord_slot(name, (int32_t)t->partitions);
}

enum rk_err
core_coord_find(const struct core_coord *k, struct rk_str name, struct core_shard **out)
{
	int32_t at = core_coord_place(k, name);

	*out = NULL;
	struct core_partition *p = core_partition(core_topic_named(k->core, rk_str_of(k->kind->topic)), at);
	struct core_shard *s = p == NULL ? NULL : shard_of(k, p);
	if (s == NULL || core_check_leader(p, -1) != RK_OK || core_stopping(k->core))
		return RK_NOT_COORDINATOR;
	if (s->phase == FAILED || p->broken)
		return RK_COORDINATOR_NOT_AVAILABLE;
	if (s->phase != ACTIVE)
		return RK_COORDINATOR_LOAD_IN_PROGRESS;
	rk_assert(s->magic == SHARD_MAGIC && s->partition == p);
	*out = s;
	return RK_OK;
}

struct core_shard *
core_coord_walk(const struct core_coord *k, struct core_shard *s, bool *loading)
{
	struct rk_list *m = s == NULL ? k->shards.next : s->link.next;

	for (; m != &k->shards; m = m->next) {
		s = rk_of(m, struct core_shard, link);
		if (s->phase == ACTIVE)
			return s;
		if (loading != NULL)
			*loading |= s->phase != FAILED;
	}
	return NULL;
}

void *
core_shard_state(const struct core_shard *s)
{
	rk_assert(s->magic == SHARD_MAGIC);
	return s->state;
}

struct core *
core_shard_core(const struct core_shard *s)
{
	rk_assert(s->magic == SHARD_MAGIC);
	return s->coord->core;
}

struct core_partition *
core_shard_partition(const struct core_shard *s)
{
	rk_assert(s->magic == SHARD_MAGIC);
	return s->partition;
}

bool
core_shard_alone(const struct core_shard *s)
{
	rk_assert(s->magic == SHARD_MAGIC);
	return s->partition != NULL && s->partition->set == NULL;
}

/* --- writing */
static void
fire_soon(struct rk_timer *t, int64_t now_ms)
{
	struct core_write *w = rk_of(t, struct core_write, soon);

	(void)now_ms;
	w->done(w, w->err);
}

static void
woken(struct core_wait *wait, enum rk_err err)
{
	struct core_write *w = rk_of(wait, struct core_write, wait);

	w->err = err == RK_OK		? RK_OK
	    : err == RK_KAFKA_STORAGE_ERROR ? RK_COORDINATOR_NOT_AVAILABLE
					    : RK_NOT_COORDINATOR;
	/* An append may move the high watermark by itself: whoever waits must not decide in the middle of another's. */
	if (w->core->writing)
		rk_timer_set(w->core->timers, &w->soon, rk_now(w->core->env));
	else
		w->done(w, w->err);
}

static void
init(struct core_shard *s, struct core_write *w, enum rk_err err)
{
	rk_assert(s->magic == SHARD_MAGIC && w->done != NULL);
	w->wait = (struct core_wait){ .need = s->applied, .wake = woken };
	w->soon = (struct rk_timer){ .at_ms = INT64_MAX, .fire = fire_soon };
	w->core = s->coord->core;
	w->err = err;
	rk_list_init(&w->wait.link);
}

void
core_write_later(struct core_shard *s, struct core_write *w, enum rk_err err)
{
	init(s, w, err);
	rk_timer_set(w->core->timers, &w->soon, rk_now(w->core->env));
}

bool
core_shard_settle(struct core_shard *s, struct core_write *w)
{
	rk_assert(s->phase == ACTIVE);
	if (s->partition == NULL) {
		core_write_later(s, w, RK_NOT_COORDINATOR);
		return true;
	}
	init(s, w, RK_OK);
	if (s->partition->high >= s->applied)
		return false;
	core_wait_acks(s->partition, &w->wait);
	return true;
}

void
core_write_forget(struct core_write *w)
{
	core_unwait(&w->wait);
	rk_timer_stop(w->core->timers, &w->soon);
}

struct rk_str
core_coord_bytes(int16_t first, const struct kp_desc *d, int16_t version, const void *msg, struct rk_arena *a)
{
	struct rk_out o;

	rk_out_init(&o, a);
	rk_put16(rk_out_room(&o, 2), (uint16_t)first);
	kp_write(d, version, msg, &o);
	return rk_out_flat(&o, a);
}

static enum rk_err
refused(enum rk_err err)
{
	switch (err) {
	case RK_NOT_LEADER_OR_FOLLOWER:
	case RK_UNKNOWN_TOPIC_OR_PARTITION:
		return RK_NOT_COORDINATOR;
	case RK_MESSAGE_TOO_LARGE:
	case RK_RECORD_LIST_TOO_LARGE:
		return RK_RECORD_LIST_TOO_LARGE;
	case RK_INVALID_PRODUCER_EPOCH:
		return err;
	default:
		return RK_COORDINATOR_NOT_AVAILABLE;
	}
}

static enum rk_err
append(struct core_shard *s, struct rk_str batch, bool txn, struct rk_arena *a)
{
	struct core_append p = { .at = (uint8_t *)(uintptr_t)batch.at, .len = batch.len, .acks = -1, .own = true,
		.transactional = txn, .arena = a, .wall_ms = rk_wall(s->coord->core->env) };

	s->coord->core->writing = true;
	core_append(s->partition, &p);
	s->coord->core->writing = false;
	if (p.err != RK_OK)
		return refused(p.err);
	rk_assert(p.base_offset >= s->applied);
	if (!apply_batch(s, (const uint8_t *)p.at, a))
		rk_die(__FILE__, __LINE__, "a batch that was just built can be read");
	return RK_OK;
}

enum rk_err
core_shard_write(struct core_shard *s, const struct kp_pair *records, int32_t count, int64_t producer_id,
    int16_t producer_epoch, struct core_write *w)
{
	int64_t now = rk_wall(s->coord->core->env);
	enum rk_err err = RK_OK;
	struct rk_arena a;
	struct kp_build b;

	rk_assert(s->magic == SHARD_MAGIC && s->phase == ACTIVE && count >= 0);
	if (s->partition == NULL) /* lost a moment ago: a timer of its state came before the burial */
		return RK_NOT_COORDINATOR;
	if (count > 0) {
		rk_arena_init(&a, ARENA_MAX);
		kp_build_start(&b, &a, 0, producer_id >= 0 ? KP_ATTR_TXN : 0, now);
		for (int32_t i = 0; i < count; i++)
			kp_build_add(&b, now, records[i].key, records[i].value);
		struct rk_str batch = kp_build_end(&b, -1, producer_id, producer_epoch, -1);
		err = batch.len < 0 ? RK_RECORD_LIST_TOO_LARGE : append(s, batch, producer_id >= 0, &a);
		rk_arena_free(&a);
	}
	/* Committed already (write.caching with one replica): still not from inside. */
	if (err == RK_OK && w != NULL && !core_shard_settle(s, w))
		rk_timer_set(s->coord->core->timers, &w->soon, rk_now(s->coord->core->env));
	return err;
}

void
core_coord_marked(struct core_partition *p, const uint8_t *batch)
{
	struct core *c = core_of(p);

	rk_list_each(&c->coords, m)
	{
		struct core_shard *s = shard_of(rk_of(m, struct core_coord, link), p);
		if (s != NULL && s->phase == ACTIVE) {
			apply_marker(s, batch);
			s->applied = kp_batch_last(batch) + 1;
		}
	}
}
