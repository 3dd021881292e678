/* core.c - the broker follows the metadata: what it holds at start, what each committed record
 * changes, how it stops. */
#include "base/mem.h"
#include "src/core/broker.h"
#include "src/core/ends.h"
#include "src/core/feed.h"
#include "src/core/follow_in.h"
#include "src/core/inside.h"
#include "src/core/replica.h"

enum { TOPIC_CONFIGS = 2, BROKER_CONFIGS = 4, GROUP_CONFIGS = 32, ARENA_MAX = 64 << 20 };

static void stop_now(struct rk_timer *, int64_t now_ms);

struct core *
core_new(struct rk_env *env, struct conf *conf, struct rk_timers *timers, int32_t node_id,
    struct st_dir **dirs, const struct st_dir_opened *opened, uint32_t count)
{
	struct core *c = rk_new(struct core);

	rk_assert(count > 0 && count <= CORE_DIRS_MAX);
	c->magic = CORE_MAGIC;
	c->env = env;
	c->conf = conf;
	c->timers = timers;
	c->node_id = node_id;
	c->dirs = count;
	for (uint32_t i = 0; i < count; i++) {
		c->dir[i] = dirs[i];
		c->clean[i] = opened[i].clean;
	}
	rk_list_init(&c->touched);
	c->stop_timer = (struct rk_timer){.at_ms = INT64_MAX, .fire = stop_now};
	core_upkeep_init(c);
	core_cleaner_init(c);
	core_moves_init(c);
	rk_list_init(&c->coords);
	rk_list_init(&c->ends_due);
	core_sessions_init(&c->sessions);
	core_isr_init(c);
	core_lead_init(c);
	rk_list_init(&c->fetchers_used);
	rk_list_init(&c->fetchers_woken);
	rk_list_init(&c->sources);
	rk_list_init(&c->sources_due);
	c->cuts_ms = -1;
	return c;
}

/* Removes a partition's files: it left this node, or its topic is gone. */
static void
forget_log(struct core_partition *p)
{
	struct st_log *log;

	if (core_open(p, &log) != RK_OK || log == NULL)
		return;
	st_log_watch(log, NULL, NULL);
	p->log = NULL;
	p->found = false;
	p->unsynced = false;
	if (st_log_delete(log) != RK_OK)
		rk_say(RK_ERROR,
		    "The folder of %s-%d in %s could not be set aside for deletion; remove it by "
		    "hand while the "
		    "node is stopped.",
		    p->topic->name.at, p->index, st_dir_path(core_of(p)->dir[p->dir]));
	core_dirs_tick(core_of(p));
}

static void
drop_partition(struct core_partition *p)
{
	struct core *c = core_of(p);

	core_cleaner_forget(p);
	core_move_drop(p);
	core_lead_over(p, RK_UNKNOWN_TOPIC_OR_PARTITION);
	forget_log(p);
	rk_list_del(&p->touched);
	rk_list_del(&p->place);
	rk_assert(c->partitions > 0 && c->held[p->dir] > 0);
	c->partitions--;
	c->held[p->dir]--;
	c->leaders -= p->leads;
	rk_assert(p->topic->partition[p->index] == p);
	rk_assert(rk_list_empty(&p->acks) && rk_list_empty(&p->fetches));
	p->topic->partition[p->index] = NULL;
	rk_mem_put(p->trail);
	rk_mem_put(p);
}

/* A partition as the metadata has it now. */
static void
take_partition(struct core_topic *t, const struct kp_partition_record *r)
{
	struct core *c = t->core;
	bool mine = core_among(r->replicas.at, r->replicas.len, c->node_id);
	struct core_partition *p = core_partition(t, r->partition_id);
	uint8_t dir;

	rk_assert(r->partition_id >= 0);
	core_topic_room(t, r->partition_id);
	if (!mine) {
		if (p != NULL)
			drop_partition(p);
		return;
	}
	if (p == NULL) {
		p = core_partition_make(t, r->partition_id);
		p->mine = true;
		if (core_assigned_dir(c, r, &dir))
			core_lies_in(p, dir);
	}
	core_told(p, r);
	core_lead(p, r);
}

static void
take_topic(struct core *c, const struct meta_view *view, const struct meta_topic *m,
    struct rk_arena *arena)
{
	struct core_topic *t = core_topic_of(c, m->id);
	struct kp_partition_record r;

	if (t == NULL)
		t = core_topic_make(c, m->name, m->id);
	core_topic_configure(t, view);
	for (int32_t i = 0; i < m->partitions; i++) {
		if (meta_partition(view, m->id, i, arena, &r))
			take_partition(t, &r);
		rk_arena_reset(arena);
	}
}

struct seen { /* st_dir_each's listing, kept: logs may not be opened while it runs */
	struct core *core;
	uint8_t dir;
	struct rk_arena arena;
	struct stray {
		struct stray *next;
		struct rk_str topic;
		int32_t partition;
	} * stray;
	uint32_t found, strays;
};

/* It was found in another directory before the one that the metadata names: a move was over, but for the removal. */
static void
give_way(struct core_partition *p)
{
	struct core *c = core_of(p);

	rk_say(RK_WARN, "%s-%d lies in two directories; the copy in %s is older, and is removed.", p->topic->name.at,
	    p->index, st_dir_path(c->dir[p->dir]));
	if (st_dir_discard(c->dir[p->dir], p->topic->name, p->index) == RK_OK)
		p->found = false;
}

static void
see(void *arg, const struct st_found *f)
{
	struct seen *s = arg;
	struct core *c = s->core;
	struct core_partition *p = core_partition(core_topic_named(c, f->topic), f->partition);

	if (rk_str_is(f->topic, "__cluster_metadata"))
		return;
	if (p != NULL && f->future) {
		core_move_found(p, s->dir);
		return;
	}
	if (p != NULL && p->found && p->told == s->dir)
		give_way(p);
	if (p == NULL || p->found) { /* not ours, or here a second time */
		struct stray *one = rk_arena_get(&s->arena, 1, sizeof *one);
		if (one == NULL)
			return;
		*one = (struct stray){s->stray, rk_arena_str(&s->arena, f->topic), f->partition};
		s->stray = one;
		s->strays++;
		return;
	}
	rk_assert(p->log == NULL);
	core_lies_in(p, s->dir);
	p->found = true;
	p->high = f->high < 0 ? 0 : f->high;
	s->found++;
}

static enum rk_err
list_dir(struct core *c, uint8_t dir)
{
	struct seen s = {.core = c, .dir = dir};

	rk_arena_init(&s.arena, ARENA_MAX);
	enum rk_err err = st_dir_each(c->dir[dir], see, &s);
	for (struct stray *one = s.stray; one != NULL; one = one->next) {
		rk_say(RK_WARN,
		    "%s/%s-%d is no partition of this node in the cluster's metadata; it is set "
		    "aside as a stray.",
		    st_dir_path(c->dir[dir]), one->topic.at, one->partition);
		if (st_dir_stray(c->dir[dir], one->topic, one->partition) != RK_OK)
			rk_say(RK_WARN, "It could not be renamed; remove it by hand while the node "
					"is stopped.");
	}
	rk_arena_free(&s.arena);
	if (err != RK_OK)
		st_dir_fail(c->dir[dir], "its partitions cannot be listed");
	else if (s.found > 0)
		rk_say(RK_INFO, "%s holds %" PRIu32 " partitions%s.", st_dir_path(c->dir[dir]),
		    s.found,
		    c->clean[dir] ? ", closed cleanly"
				  : "; it was not closed cleanly, so their ends are checked now");
	return err;
}

/* Opens, and so recovers, what was not closed cleanly. */
static void
recover(struct core *c)
{
	struct st_log *log;
	uint32_t done = 0;
	int64_t said_ms = rk_now(c->env);

	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL;
	     t = core_topics_walk(c, t))
		for (uint32_t i = 0; i < t->partitions; i++) {
			struct core_partition *p = t->partition[i];
			if (p == NULL || !p->found || c->clean[p->dir])
				continue;
			(void)!core_open(p, &log);
			done++;
			if (rk_now(c->env) - said_ms >= 1000) {
				said_ms = rk_now(c->env);
				rk_say(RK_INFO,
				    "Recovering logs after an unclean stop: %" PRIu32 " done.",
				    done);
			}
		}
	if (done > 0)
		rk_say(RK_INFO, "Recovered %" PRIu32 " logs after an unclean stop.", done);
}

/* Dynamic broker configs: the cluster's default first, this broker's own over it. */
static void
take_broker_config(struct core *c, struct rk_str resource, struct rk_str name, struct rk_str value)
{
	struct rk_arena arena;
	struct rk_str why;
	int64_t id;

	if (resource.len != 0 && !(rk_str_int(resource, &id) && id == c->node_id))
		return;
	rk_arena_init(&arena, 1u << 20);
	if (conf_set_dynamic(c->conf, resource.len == 0 ? CONF_ALL_BROKERS : CONF_THIS_BROKER, name,
		value, &arena, &why)
	    != RK_OK)
		rk_say(RK_WARN, "The dynamic broker config %.*s has no effect here: %.*s", name.len,
		    name.at, why.len < 0 ? 0 : why.len, why.at);
	rk_arena_free(&arena);
}

static void
take_broker_configs(struct core *c, const struct meta_view *view)
{
	char own[12];
	struct meta_configs it;

	snprintf(own, sizeof own, "%d", c->node_id);
	struct rk_str who[2] = {rk_lit(""), rk_str_of(own)};
	for (int i = 0; i < 2; i++) {
		for (bool more = meta_configs_begin(&it, view, BROKER_CONFIGS, who[i]); more;
		     more = meta_configs_next(&it))
			take_broker_config(c, who[i], it.name, it.value);
		meta_configs_end(&it);
	}
}

static void
take_features(struct core *c, const struct meta_view *view)
{
	c->transaction_version = meta_feature(view, rk_lit("transaction.version"));
}

enum rk_err
core_load(struct core *c, struct meta_image *image)
{
	struct meta_view v, *view = &v;
	struct rk_arena arena;
	struct meta_topics it;
	uint32_t good = 0;

	rk_assert(c->magic == CORE_MAGIC);
	rk_assert(!c->loaded && image != NULL);
	c->image = image;
	meta_view_begin(image, view);
	take_broker_configs(c, view);
	take_features(c, view);
	core_brokers_read(c, view);
	rk_arena_init(&arena, ARENA_MAX);
	for (bool more = meta_topics_begin(&it, view, rk_lit("")); more;
	     more = meta_topics_next(&it))
		take_topic(c, view, &it.topic, &arena);
	meta_topics_end(&it);
	rk_arena_free(&arena);
	for (uint32_t d = 0; d < c->dirs; d++)
		good += list_dir(c, (uint8_t)d) == RK_OK;
	core_moves_load(c);
	core_missing_look(c);
	recover(c);
	core_group_confs_read(c, view);
	meta_view_end(view);
	core_assignors_tell(c->conf);
	c->loaded = true;
	core_lead_found(c);
	if (!rk_list_empty(&c->moves))
		rk_timer_set(c->timers, &c->move_timer, rk_now(c->env));
	core_clean_soon(c);
	core_cleaner_soon(c);
	core_dirs_tick(c);
	rk_say(RK_INFO, "This broker holds %" PRIu32 " partitions and leads %" PRIu32 " of them.",
	    c->partitions, c->leaders);
	return good > 0 ? RK_OK : RK_KAFKA_STORAGE_ERROR;
}

void
core_reconfigure(struct core *c, const struct meta_view *view)
{
	rk_assert(c->magic == CORE_MAGIC);
	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL;
	     t = core_topics_walk(c, t)) {
		core_topic_configure(t, view);
		for (uint32_t i = 0; i < t->partitions; i++)
			if (t->partition[i] != NULL)
				core_advance(t->partition[i]); /* write.caching may be on now */
	}
	core_group_confs_read(c, view);
	core_upkeep_changed(c);
}

static void
heard_partition(struct core *c, const struct meta_view *view, struct rk_uuid topic, int32_t index, bool replicas)
{
	struct core_topic *t = core_topic_of(c, topic);
	struct kp_partition_record r;
	struct rk_arena arena;

	if (t == NULL)
		return; /* removed by a later record of the same batch, which the view shows already
			 */
	if (replicas)
		core_replicas_changed(t);
	rk_arena_init(&arena, ARENA_MAX);
	if (meta_partition(view, topic, index, &arena, &r))
		take_partition(t, &r);
	rk_arena_free(&arena);
}

static void
heard_removed(struct core *c, struct rk_uuid topic)
{
	struct core_topic *t = core_topic_of(c, topic);

	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->partitions; i++)
		if (t->partition[i] != NULL)
			drop_partition(t->partition[i]);
	core_topic_free(t);
}

static void
heard_config(struct core *c, const struct meta_view *view, const struct kp_config_record *r)
{
	if (r->resource_type == BROKER_CONFIGS) {
		take_broker_config(c, r->resource_name, r->name, r->value);
		core_reconfigure(c, view);
		return;
	}
	if (r->resource_type == GROUP_CONFIGS)
		core_group_conf_read(c, view, r->resource_name);
	struct core_topic *t =
	    r->resource_type == TOPIC_CONFIGS ? core_topic_named(c, r->resource_name) : NULL;
	if (t == NULL)
		return;
	core_topic_configure(t, view);
	for (uint32_t i = 0; i < t->partitions; i++)
		if (t->partition[i] != NULL)
			core_advance(t->partition[i]);
	core_upkeep_changed(c);
}

/* A broker came, went, moved, or may or may not be in sync now. */
static void
heard_broker(struct core *c, const struct meta_view *view, int32_t id)
{
	if (!core_broker_read(c, view, id))
		return;
	core_set_look_again(c, id);
	for (struct core_source *s = core_sources_walk(c, NULL); s != NULL; s = core_sources_walk(c, s))
		if (s->broker == id)
			core_source_due(s);
}

/* Dynamic configs that were taken back while the records passed us by. */
static void
drop_broker_configs(struct core *c, const struct meta_view *view)
{
	uint32_t n;
	const struct conf_row *row = conf_rows(CONF_BROKERS, &n);
	struct rk_str ignored;
	char own[12];

	snprintf(own, sizeof own, "%d", c->node_id);
	for (uint32_t i = 0; i < n && i < CONF_SLOTS; i++) {
		struct rk_str name = rk_str_of(row[i].name);
		if (c->conf->slot[i].broker_default != NULL
		    && !meta_config(view, BROKER_CONFIGS, rk_lit(""), name, &ignored))
			take_broker_config(c, rk_lit(""), name, RK_STR_NULL);
		if (c->conf->slot[i].broker != NULL
		    && !meta_config(view, BROKER_CONFIGS, rk_str_of(own), name, &ignored))
			take_broker_config(c, rk_str_of(own), name, RK_STR_NULL);
	}
}

void
core_follow_configs(struct core *c, const struct meta_view *view)
{
	rk_assert(c->magic == CORE_MAGIC);
	drop_broker_configs(c, view);
	take_broker_configs(c, view);
}

/* A topic this node knows and the view does not; false: none (left). */
static bool
find_gone(struct core *c, const struct meta_view *view, struct rk_uuid *id)
{
	struct meta_topic m;

	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL; t = core_topics_walk(c, t))
		if (!meta_topic_of(view, t->id, &m)) {
			*id = t->id;
			return true;
		}
	return false;
}

void
core_resync(struct core *c, const struct meta_view *view)
{
	struct rk_arena arena;
	struct meta_topics it;
	struct rk_uuid id;

	rk_assert(c->magic == CORE_MAGIC);
	if (!c->loaded || c->stopping)
		return;
	core_follow_configs(c, view);
	take_features(c, view);
	core_brokers_read(c, view);
	core_racks_changed(c);
	while (find_gone(c, view, &id)) /* first, for another may have its name now */
		heard_removed(c, id);
	rk_arena_init(&arena, ARENA_MAX);
	for (bool more = meta_topics_begin(&it, view, rk_lit("")); more; more = meta_topics_next(&it))
		take_topic(c, view, &it.topic, &arena);
	meta_topics_end(&it);
	rk_arena_free(&arena);
	core_reconfigure(c, view);
	rk_list_each(&c->brokers, m)
	    core_set_look_again(c, rk_of(m, struct core_broker, link)->id);
	for (struct core_source *s = core_sources_walk(c, NULL); s != NULL; s = core_sources_walk(c, s))
		core_source_due(s);
}

void
core_heard(struct core *c, const struct meta_view *view, int16_t type, const void *record)
{
	rk_assert(c->magic == CORE_MAGIC);
	if (!c->loaded || c->stopping)
		return;
	switch (type) {
	case KP_TOPIC_RECORD: {
		const struct kp_topic_record *r = record;
		if (core_topic_of(c, r->topic_id) == NULL)
			core_topic_configure(core_topic_make(c, r->name, r->topic_id), view);
		break;
	}
	case KP_PARTITION_RECORD: {
		const struct kp_partition_record *r = record;
		heard_partition(c, view, r->topic_id, r->partition_id, true);
		break;
	}
	case KP_PARTITION_CHANGE_RECORD: {
		const struct kp_partition_change_record *r = record;
		heard_partition(c, view, r->topic_id, r->partition_id, r->replicas.len >= 0);
		break;
	}
	case KP_REMOVE_TOPIC_RECORD:
		heard_removed(c, ((const struct kp_remove_topic_record *)record)->topic_id);
		break;
	case KP_CONFIG_RECORD:
		heard_config(c, view, record);
		break;
	case KP_FEATURE_LEVEL_RECORD:
		take_features(c, view);
		break;
	case KP_REGISTER_BROKER_RECORD:
		heard_broker(c, view, ((const struct kp_register_broker_record *)record)->broker_id);
		break;
	case KP_UNREGISTER_BROKER_RECORD:
		heard_broker(c, view, ((const struct kp_unregister_broker_record *)record)->broker_id);
		break;
	case KP_FENCE_BROKER_RECORD:
		heard_broker(c, view, ((const struct kp_fence_broker_record *)record)->id);
		break;
	case KP_UNFENCE_BROKER_RECORD:
		heard_broker(c, view, ((const struct kp_unfence_broker_record *)record)->id);
		break;
	case KP_BROKER_REGISTRATION_CHANGE_RECORD:
		heard_broker(c, view, ((const struct kp_broker_registration_change_record *)record)->broker_id);
		break;
	default:
		break;
	}
}

/* --- stopping */
static void
each_partition(struct core *c, void (*fn)(struct core_partition *))
{
	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL;
	     t = core_topics_walk(c, t))
		for (uint32_t i = 0; i < t->partitions; i++)
			if (t->partition[i] != NULL)
				fn(t->partition[i]);
}

static void
ask_last_sync(struct core_partition *p)
{
	rk_assert(!p->last_sync);
	if (p->log == NULL || st_log_broken(p->log) || st_log_stable(p->log) == st_log_end(p->log))
		return;
	p->last_sync = true;
	core_of(p)->stop_left++;
	st_log_sync(p->log);
}

static void
close_log(struct core_partition *p)
{
	struct core *c = core_of(p);
	struct st_log *log = p->log;

	core_move_close(p);
	if (log == NULL)
		return;
	rk_assert(st_log_broken(log) || st_log_stable(log) == st_log_end(log));
	st_log_watch(log, NULL, NULL);
	p->log = NULL;
	if (st_log_broken(log)) {
		c->stop_err = RK_KAFKA_STORAGE_ERROR;
		st_log_free(log);
		return;
	}
	enum rk_err err = st_log_close(log);
	if (err != RK_OK)
		c->stop_err = err;
}

static void
stop_now(struct rk_timer *timer, int64_t now_ms)
{
	struct core *c = rk_of(timer, struct core, stop_timer);

	(void)now_ms;
	rk_assert(c->stopping && c->stop_left == 0);
	/* High watermarks while the logs are there; recovery points when each is closed at its end.
	 */
	enum rk_err err = core_points_write(c);
	if (err != RK_OK)
		c->stop_err = err;
	each_partition(c, close_log);
	for (uint32_t d = 0; c->loaded && d < c->dirs && c->stop_err == RK_OK; d++)
		if (!st_dir_failed(c->dir[d]))
			c->stop_err = st_dir_save(c->dir[d]);
	for (uint32_t d = 0; d < c->dirs && c->stop_err == RK_OK; d++)
		if (!st_dir_failed(c->dir[d]) && (c->loaded || c->clean[d]))
			c->stop_err = st_dir_mark_clean(c->dir[d], c->stop_epoch);
	c->stopped(c->stopped_arg, c->stop_err);
}

void
core_stop_step(struct core_partition *p)
{
	struct core *c = core_of(p);

	if (!p->last_sync)
		return;
	p->last_sync = false;
	core_stop_counted(c);
}

void
core_stop_counted(struct core *c)
{
	rk_assert(c->stopping && c->stop_left > 0);
	if (--c->stop_left == 0)
		rk_timer_set(c->timers, &c->stop_timer, rk_now(c->env));
}

/* Who waits here for other replicas waits in vain: another leads soon, or does already, not yet heard of here. */
static void
send_away(struct core_partition *p)
{
	if (p->set != NULL && p->set->count > 0) {
		core_wake_all(p, RK_NOT_LEADER_OR_FOLLOWER);
	} else if (!rk_list_empty(&p->fetches)) {
		p->moved = true;
		core_touch(p);
	}
}

void
core_stop(struct core *c, int64_t broker_epoch, rk_done *done, void *arg)
{
	rk_assert(c->magic == CORE_MAGIC && !c->stopping);
	rk_assert(done != NULL);
	c->stopping = true;
	c->stopped = done;
	c->stopped_arg = arg;
	c->stop_epoch = broker_epoch;
	core_upkeep_stop(c);
	rk_timer_stop(c->timers, &c->move_timer);
	core_isr_stop(c);
	core_follow_stop(c);
	each_partition(c, send_away);
	core_flush(c);
	c->stop_left += core_cleaner_stop(c);
	core_fetchers_wake_all(c);
	if (c->loaded)
		each_partition(c, ask_last_sync);
	if (c->stop_left == 0)
		rk_timer_set(c->timers, &c->stop_timer, rk_now(c->env));
}

void
core_free(struct core *c)
{
	struct core_topic *t;

	rk_assert(c->magic == CORE_MAGIC);
	core_upkeep_stop(c);
	rk_timer_stop(c->timers, &c->move_timer);
	core_cleaner_free(c);
	core_coords_free(c);
	core_group_confs_free(c);
	core_ends_free(c);
	core_isr_stop(c);
	core_follow_stop(c);
	core_fetchers_free(c);
	core_lead_free(c);
	rk_timer_stop(c->timers, &c->stop_timer);
	while ((t = core_topics_walk(c, NULL)) != NULL) {
		for (uint32_t i = 0; i < t->partitions; i++)
			if (t->partition[i] != NULL) {
				rk_list_del(
				    &t->partition[i]->acks); /* waiters go with their calls */
				rk_list_del(&t->partition[i]->fetches);
				if (t->partition[i]->set != NULL)
					rk_list_del(&t->partition[i]->set->lows);
			}
		core_topic_free(t);
	}
	core_follow_free(c);
	core_brokers_free(c);
	core_sessions_free(&c->sessions);
	conf_pool_free(&c->pool);
	rk_map_free(&c->by_name);
	rk_map_free(&c->by_id);
	c->magic = 0;
	rk_mem_put(c);
}
