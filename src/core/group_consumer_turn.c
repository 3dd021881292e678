/* group_consumer_turn.c - a decision about a group of consumers: subscription, epoch, target, reconciliation.
 *
 *	a member says something else, comes or goes, or its topics are others now -> the group's epoch rises
 *	the epoch is past the target's, and the last target is old enough         -> a new target is made
 *	a member is not where its target is                                       -> it goes a step on:
 *
 *	what it has and is not to have: it gives it back first, and keeps its epoch until it says that it has;
 *	then it has the target's epoch, and what of its target is free; what is another's it gets when it is free.
 *
 * So no partition is ever with two members, and nobody waits for anybody else. */
#include "src/config.h"
#include "src/core/group_consumer.h"
#include "src/core/topic_hash.h"
#include "base/mem.h"

enum { REFRESH_MS = 10000 };

void
core_turn_begin(struct core_turn *t, struct core_group *g, struct rk_arena *a)
{
	*t = (struct core_turn){ .group = g, .k = core_consumers_of(g), .arena = a, .id = RK_STR_NULL,
		.pattern = RK_STR_NULL };
	t->epoch = t->k->epoch;
	t->target_epoch = t->k->target_epoch;
}

void
core_turn_member(struct core_turn *t, struct core_consumer *m)
{
	t->old = m;
	t->id = m->id;
	t->says = m->says;
	t->said = m->known ? &m->says : NULL;
	t->at = t->was = m->at;
	t->placed = true;
	t->target = m->target;
}

void
core_turn_replace(struct core_turn *t, struct core_consumer *m, struct rk_str id)
{
	struct core_parts has = core_parts_sum(m->at.has, (struct core_parts){ NULL, 0 }, t->arena);

	rk_assert(m->known && m->says.instance_id.len >= 0);
	core_turn_leave(t, m);
	for (int32_t i = 0; i < has.count; i++)
		has.at[i].epoch = 0;
	t->id = id;
	t->says = m->says;
	t->said = &m->says;
	t->target = m->target;
	t->at = t->was = (struct core_consumer_at){ .has = has };
	t->placed = true;
	core_turn_put(t, core_consumer_member_record(t->group, id, &t->says, t->arena));
	core_turn_put(t, core_consumer_target_record(t->group, id, &t->target, t->arena));
	core_turn_put(t, core_consumer_at_record(t->group, id, &t->at, t->arena));
}

void
core_turn_put(struct core_turn *t, struct kp_pair r)
{
	if (t->records == (int32_t)t->room) {
		uint32_t room = t->room == 0 ? 16 : t->room * 2;
		struct kp_pair *more = rk_arena_get(t->arena, room, sizeof *more);
		if (more == NULL)
			return; /* it is over: nothing of this turn is written */
		if (t->records > 0)
			memcpy(more, t->record, (size_t)t->records * sizeof *more);
		t->record = more;
		t->room = room;
	}
	t->record[t->records++] = r;
}

/* --- topics. What the group is subscribed to when this turn is over. */
static bool
names(const core_consumer_says *s, struct rk_str topic)
{
	for (int32_t i = 0; i < s->subscribed_topic_names.len; i++)
		if (rk_str_eq(s->subscribed_topic_names.at[i], topic))
			return true;
	return false;
}

static int32_t
times_named(const struct core_consumer *m, struct rk_str topic)
{
	int32_t n = 0;

	for (int32_t i = 0; m != NULL && m->known && i < m->says.subscribed_topic_names.len; i++)
		n += rk_str_eq(m->says.subscribed_topic_names.at[i], topic);
	return n;
}

static bool
uses(const struct core_consumer *m, struct rk_str pattern)
{
	return m != NULL && m->known && rk_str_eq(m->says.subscribed_topic_regex, pattern);
}

static bool
now_uses(const struct core_turn *t, struct rk_str pattern)
{
	return t->id.len >= 0 && rk_str_eq(t->says.subscribed_topic_regex, pattern);
}

/* Has anybody that regular expression when this turn is over? */
static bool
lives(const struct core_turn *t, const struct core_pattern *p)
{
	return p->users - uses(t->old, p->text) - (t->gone != t->old && uses(t->gone, p->text)) + now_uses(t, p->text) > 0;
}

struct found {
	struct core_topic **at;
	uint32_t count, cap;
};

static void
find(struct core_turn *t, struct found *f, struct rk_str name)
{
	struct core_topic *topic = core_topic_named(t->group->home->core, name);

	if (topic == NULL || topic->partitions == 0)
		return;
	if (f->count == f->cap) {
		uint32_t cap = f->cap == 0 ? 32 : f->cap * 2;
		struct core_topic **more = rk_arena_get(t->arena, cap, sizeof *more);
		if (more == NULL)
			return;
		if (f->count > 0)
			memcpy(more, f->at, f->count * sizeof *more);
		f->at = more;
		f->cap = cap;
	}
	f->at[f->count++] = topic;
}

static void
find_names(struct core_turn *t, struct found *f)
{
	const struct rk_node *n = NULL;
	struct rk_str name;
	int32_t count;

	while ((name = core_consumer_names(t->k, &n, &count)).len >= 0) {
		count -= times_named(t->old, name) + (t->gone != t->old ? times_named(t->gone, name) : 0);
		if (count > 0 || (t->id.len >= 0 && names(&t->says, name)))
			find(t, f, name);
	}
	for (int32_t i = 0; t->id.len >= 0 && i < t->says.subscribed_topic_names.len; i++)
		if (!core_consumer_named(t->k, t->says.subscribed_topic_names.at[i]))
			find(t, f, t->says.subscribed_topic_names.at[i]);
}

static int
by_id(const void *a, const void *b)
{
	const struct core_topic *x = *(struct core_topic *const *)a, *y = *(struct core_topic *const *)b;

	return memcmp(x->id.id, y->id.id, sizeof x->id.id);
}

static void
make_table(struct core_turn *t)
{
	struct found f = { 0 };

	if (t->topic != NULL)
		return;
	find_names(t, &f);
	rk_list_each(&t->k->patterns, l) {
		struct core_pattern *p = rk_of(l, struct core_pattern, link);
		if (lives(t, p) && !rk_str_eq(p->text, t->pattern))
			for (int32_t i = 0; i < p->topics; i++)
				find(t, &f, p->topic[i]);
	}
	for (int32_t i = 0; t->pattern.len >= 0 && i < t->pattern_topics; i++)
		find(t, &f, t->pattern_topic[i]);
	if (f.count > 0)
		qsort(f.at, f.count, sizeof *f.at, by_id);
	t->topic = rk_arena_get(t->arena, (size_t)f.count + 1, sizeof *t->topic);
	t->topics = 0;
	for (uint32_t i = 0; t->topic != NULL && i < f.count; i++)
		if (i == 0 || f.at[i] != f.at[i - 1])
			t->topic[t->topics++] = (struct core_assign_topic){ f.at[i]->id, (int32_t)f.at[i]->partitions };
}

static int
by_name(const void *a, const void *b)
{
	const struct core_topic *x = *(struct core_topic *const *)a, *y = *(struct core_topic *const *)b;

	return rk_str_cmp(x->name, y->name); /* ASCII: in Java's order too */
}

/* Each topic counts once. */
static int64_t
hash_found(struct core_turn *t, struct found *f)
{
	int64_t *h = rk_arena_get(t->arena, (size_t)f->count + 1, sizeof *h);
	int32_t n = 0;

	if (f->count > 0)
		qsort(f->at, f->count, sizeof *f->at, by_name);
	for (uint32_t i = 0; h != NULL && i < f->count; i++)
		if (i == 0 || f->at[i] != f->at[i - 1])
			h[n++] = core_topic_hash(f->at[i]);
	return core_topics_hash(h, n);
}

int64_t
core_turn_hash(struct core_turn *t, const core_consumer_says *const *says, int32_t count, int64_t *partitions)
{
	struct found f = { 0 };
	int64_t hash;

	for (int32_t i = 0; i < count; i++)
		for (int32_t k = 0; k < says[i]->subscribed_topic_names.len; k++)
			find(t, &f, says[i]->subscribed_topic_names.at[k]);
	hash = hash_found(t, &f); /* they are sorted now */
	*partitions = 0;
	for (uint32_t i = 0; i < f.count; i++)
		if (i == 0 || f.at[i] != f.at[i - 1])
			*partitions += f.at[i]->partitions;
	return hash;
}

static int64_t
hash_of(struct core_turn *t)
{
	struct found f = { 0 };

	f.at = rk_arena_get(t->arena, (size_t)t->topics + 1, sizeof *f.at);
	for (int32_t i = 0; f.at != NULL && i < t->topics; i++) {
		f.at[f.count] = core_topic_of(t->group->home->core, t->topic[i].id);
		rk_assert(f.at[f.count] != NULL); /* the table was made in this turn */
		f.count++;
	}
	return hash_found(t, &f);
}

static int32_t
place(const struct core_turn *t, struct rk_uuid id)
{
	int32_t low = 0, high = t->topics - 1;

	while (low <= high) {
		int32_t mid = (low + high) / 2;
		int d = memcmp(t->topic[mid].id.id, id.id, sizeof id.id);
		if (d == 0)
			return mid;
		if (d < 0)
			low = mid + 1;
		else
			high = mid - 1;
	}
	return -1;
}

/* --- what one is subscribed to: its names, and what its regular expression has matched */
static int32_t
matched(const struct core_turn *t, struct rk_str pattern, struct rk_str **topic)
{
	const struct core_pattern *p;

	*topic = NULL;
	if (pattern.len <= 0)
		return 0;
	if (rk_str_eq(pattern, t->pattern)) {
		*topic = t->pattern_topic;
		return t->pattern_topics;
	}
	p = core_consumer_pattern(t->k, pattern);
	if (p == NULL)
		return 0;
	*topic = p->topic;
	return p->topics;
}

static int
by_number(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

/* Places in the table, ascending; NULL: the arena is over. */
static int32_t *
places(struct core_turn *t, const core_consumer_says *s, int32_t *count)
{
	struct core *c = t->group->home->core;
	struct rk_str *more;
	int32_t extra = matched(t, s->subscribed_topic_regex, &more), n = 0, k = 0;
	int32_t *at = rk_arena_get(t->arena, (size_t)(rk_max(s->subscribed_topic_names.len, 0) + extra) + 1, sizeof *at);

	*count = 0;
	for (int32_t i = 0; at != NULL && i < s->subscribed_topic_names.len + extra; i++) {
		struct rk_str name = i < s->subscribed_topic_names.len ? s->subscribed_topic_names.at[i]
		    : more[i - s->subscribed_topic_names.len];
		const struct core_topic *topic = core_topic_named(c, name);
		int32_t p = topic == NULL ? -1 : place(t, topic->id);
		if (p >= 0)
			at[n++] = p;
	}
	if (at == NULL)
		return NULL;
	qsort(at, (size_t)n, sizeof *at, by_number);
	for (int32_t i = 0; i < n; i++)
		if (k == 0 || at[k - 1] != at[i])
			at[k++] = at[i];
	*count = k;
	return at;
}

static bool
wants(struct core_turn *t, const core_consumer_says *s, struct rk_uuid id)
{
	const struct core_topic *topic = core_topic_of(t->group->home->core, id);
	struct rk_str *more;
	int32_t extra;

	if (topic == NULL)
		return false;
	if (names(s, topic->name))
		return true;
	extra = matched(t, s->subscribed_topic_regex, &more);
	for (int32_t i = 0; i < extra; i++)
		if (rk_str_eq(more[i], topic->name))
			return true;
	return false;
}

/* Those of the partitions whose topics the member is subscribed to. */
static struct core_parts
wanted(struct core_turn *t, struct core_parts p)
{
	struct core_parts out = core_parts_make(p.count, t->arena);
	int32_t to;

	for (int32_t i = 0; out.at != NULL && i < p.count; i = to) {
		to = core_parts_run(p, i);
		if (!wants(t, &t->says, p.at[i].topic))
			continue;
		memcpy(&out.at[out.count], &p.at[i], (size_t)(to - i) * sizeof *p.at);
		out.count += to - i;
	}
	return out;
}

/* --- subscription */
static bool
same_names(const core_consumer_says *a, const core_consumer_says *b)
{
	if (a->subscribed_topic_names.len != b->subscribed_topic_names.len)
		return false;
	for (int32_t i = 0; i < a->subscribed_topic_names.len; i++)
		if (!names(b, a->subscribed_topic_names.at[i]))
			return false;
	return true;
}

/* The member's regular expression is matched now when nobody has had it before. */
static void
match(struct core_turn *t)
{
	struct rk_str text = t->says.subscribed_topic_regex;
	int64_t wall = rk_wall(t->group->home->core->env);

	if (text.len <= 0 || core_consumer_pattern(t->k, text) != NULL)
		return;
	t->pattern = text;
	t->pattern_topics = core_regex_topics(t->group->home->core, text, t->arena, &t->pattern_topic);
	if (t->pattern_topics >= 0)
		core_turn_put(t, core_consumer_pattern_record(t->group, text, t->pattern_topic, t->pattern_topics, wall, t->arena));
}

/* One that nobody is subscribed by any more is forgotten. */
static void
forget_pattern(struct core_turn *t, const struct core_consumer *m)
{
	const struct core_pattern *p = m == NULL || !m->known || m->says.subscribed_topic_regex.len <= 0 ? NULL
	    : core_consumer_pattern(t->k, m->says.subscribed_topic_regex);

	if (p != NULL && !lives(t, p))
		core_turn_put(t, core_consumer_pattern_record(t->group, p->text, NULL, -1, 0, t->arena));
}

void
core_turn_subscribe(struct core_turn *t)
{
	static const core_consumer_says nothing = { .subscribed_topic_regex = { "", 0 } };
	const core_consumer_says *old = t->said != NULL ? t->said : &nothing;
	struct kp_pair now = core_consumer_member_record(t->group, t->id, &t->says, t->arena);
	struct kp_pair was = { RK_STR_NULL, RK_STR_NULL };
	struct rk_str *ignored;

	rk_assert(t->id.len >= 0);
	if (t->said != NULL)
		was = core_consumer_member_record(t->group, t->id, old, t->arena);
	if (t->said != NULL && rk_str_eq(now.value, was.value))
		return;
	core_turn_put(t, now);
	if (!rk_str_eq(old->subscribed_topic_regex, t->says.subscribed_topic_regex)) {
		match(t);
		forget_pattern(t, t->old);
		t->changed = matched(t, t->says.subscribed_topic_regex, &ignored) > 0
		    || matched(t, old->subscribed_topic_regex, &ignored) > 0;
	}
	t->changed |= !same_names(old, &t->says);
}

void
core_turn_leave(struct core_turn *t, struct core_consumer *m)
{
	struct kp_pair r[3];

	t->gone = m;
	for (int i = 0, n = core_consumer_tombstones(t->group, m->id, r, t->arena); i < n; i++)
		core_turn_put(t, r[i]);
	forget_pattern(t, m);
}

void
core_turn_refresh(struct core_turn *t)
{
	struct core *c = t->group->home->core;
	int64_t wall = rk_wall(c->env), most = c->conf->group_consumer_regex_refresh_interval_ms;

	rk_list_each(&t->k->patterns, l) {
		struct core_pattern *p = rk_of(l, struct core_pattern, link);
		struct rk_str *topic;
		int32_t n, i = 0;
		if (wall - p->ms < (p->seen == c->topics_changed ? most : REFRESH_MS) || t->pattern.len >= 0 || !lives(t, p))
			continue;
		n = core_regex_topics(c, p->text, t->arena, &topic);
		while (n == p->topics && i < n && rk_str_eq(topic[i], p->topic[i]))
			i++;
		if (n == p->topics && i == n) {
			p->seen = c->topics_changed;
			p->ms = wall;
		}
		if (n < 0 || (n == p->topics && i == n))
			continue;
		t->pattern = p->text; /* one a turn: the next member's heartbeat brings the next */
		t->pattern_topic = topic;
		t->pattern_topics = n;
		t->bump = true;
		core_turn_put(t, core_consumer_pattern_record(t->group, p->text, topic, n, wall, t->arena));
	}
}

/* --- the group's epoch */
void
core_turn_epoch(struct core_turn *t)
{
	struct core *c = t->group->home->core;
	int64_t hash = t->k->hash;
	bool rise = t->changed || t->bump;

	if (rise || t->k->seen != c->hashes_changed || t->gone != NULL) {
		make_table(t);
		hash = hash_of(t);
		rise |= hash != t->k->hash;
	}
	if (!rise)
		return;
	rk_assert(t->epoch < INT32_MAX);
	t->epoch++;
	core_turn_put(t, core_consumer_epoch_record(t->group, t->epoch, hash, t->arena));
}

/* --- the target */
/* The assignor that most members ask for; nobody asks: the first that is configured. */
struct rk_str
core_consumer_assignor(const struct core_turn *t, const struct core_consumers *k)
{
	struct conf_list l = k->group->home->core->conf->group_consumer_assignors;
	struct rk_str best = RK_STR_NULL;
	int32_t most = -1;

	for (uint32_t i = 0; i < l.count; i++) {
		struct rk_str name = rk_str_of(l.at[i]);
		if (core_assignor_named(name) == NULL)
			continue; /* another's plugin */
		int32_t n = t != NULL && t->id.len >= 0 && rk_str_eq(t->says.server_assignor, name);
		rk_list_each(&k->members, m) {
			const struct core_consumer *x = rk_of(m, struct core_consumer, link);
			n += x->known && (t == NULL || (x != t->old && x != t->gone)) && rk_str_eq(x->says.server_assignor, name);
		}
		if (n > most) {
			most = n;
			best = name;
		}
	}
	if (best.len < 0)
		best = rk_lit("uniform");
	return best;
}

static int32_t
fill_members(struct core_turn *t, struct core_assign_member *m, struct core_consumer **who)
{
	const core_consumer_says *last = NULL;
	int32_t n = 0;

	rk_list_each(&t->k->members, l) {
		struct core_consumer *x = rk_of(l, struct core_consumer, link);
		const core_consumer_says *s = x == t->old ? &t->says : &x->says;
		if (x == t->gone || !x->known)
			continue;
		who[n] = x;
		m[n] = (struct core_assign_member){ .id = x->id, .instance = s->instance_id, .has = x->target };
		if (last != NULL && same_names(last, s) && rk_str_eq(last->subscribed_topic_regex, s->subscribed_topic_regex)) {
			m[n].topic = m[n - 1].topic;
			m[n].topics = m[n - 1].topics;
		} else {
			m[n].topic = places(t, s, &m[n].topics);
		}
		last = s;
		n++;
	}
	if (t->id.len >= 0 && t->old == NULL) { /* it comes new, or in the place of another */
		who[n] = NULL;
		m[n] = (struct core_assign_member){ .id = t->id, .instance = t->says.instance_id, .has = t->target };
		m[n].topic = places(t, &t->says, &m[n].topics);
		n++;
	}
	return n;
}

void
core_turn_target(struct core_turn *t)
{
	struct core_group_times times = core_group_times(t->group->home->core, t->group->name);
	int64_t wall = rk_wall(t->group->home->core->env);
	int32_t members, most = t->k->count + 1;

	if (t->epoch <= t->k->target_epoch || (t->k->target_ms > 0 && wall - t->k->target_ms < times.assignment_ms))
		return;
	struct core_assign_member *m = rk_arena_get(t->arena, (size_t)most, sizeof *m);
	struct core_consumer **who = rk_arena_get(t->arena, (size_t)most, sizeof(struct core_consumer *));
	core_assignor *assign = core_assignor_named(core_consumer_assignor(t, t->k));
	make_table(t);
	if (m == NULL || who == NULL || assign == NULL)
		return;
	members = fill_members(t, m, who);
	rk_assert(members <= most);
	if (t->arena->over || !assign(t->topic, t->topics, m, members, t->arena))
		return;
	for (int32_t i = 0; i < members; i++) {
		if (!core_parts_eq(m[i].has, m[i].gets))
			core_turn_put(t, core_consumer_target_record(t->group, m[i].id, &m[i].gets, t->arena));
		if (t->id.len >= 0 && who[i] == t->old)
			t->target = m[i].gets;
	}
	t->target_epoch = t->epoch;
	core_turn_put(t, core_consumer_target_epoch_record(t->group, t->epoch, wall, t->arena));
}

/* --- reconciliation */
static bool
still_has(const struct core_parts *owned, struct core_parts leaves, struct rk_arena *a)
{
	return leaves.count > 0 && (owned == NULL || core_parts_both(leaves, *owned, a).count > 0);
}

static void
set_epoch(struct core_consumer_at *at, int32_t epoch)
{
	at->previous = at->epoch;
	at->epoch = epoch;
}

/* The step towards the target. */
static void
step(struct core_turn *t, const struct core_parts *owned)
{
	struct core_consumer_at *at = &t->at;
	struct core_parts target = wanted(t, t->target);
	struct core_parts keeps = core_parts_both(at->has, target, t->arena);
	struct core_parts leaves = core_parts_less(at->has, target, t->arena);
	struct core_parts comes = core_parts_less(target, keeps, t->arena), fresh = { comes.at, 0 };
	bool others = false;

	at->leaves = (struct core_parts){ NULL, 0 };
	if (still_has(owned, leaves, t->arena)) {
		at->has = keeps;
		at->leaves = leaves;
		at->state = CORE_CONSUMER_UNREVOKED;
		set_epoch(at, at->epoch);
		return;
	}
	for (int32_t i = 0; i < comes.count; i++) {
		struct core_consumer *o = core_consumer_owner(t->k, comes.at[i].topic, comes.at[i].index);
		if (o != NULL && o != t->gone) {
			others = true;
			continue;
		}
		fresh.at[fresh.count] = comes.at[i];
		fresh.at[fresh.count++].epoch = t->target_epoch;
	}
	at->has = core_parts_sum(keeps, fresh, t->arena);
	at->state = others ? CORE_CONSUMER_UNRELEASED : CORE_CONSUMER_STABLE;
	set_epoch(at, t->target_epoch);
}

/* Its subscription is another: what it does not want any more it gives back at once, without a new target. */
static void
shed(struct core_turn *t, const struct core_parts *owned)
{
	struct core_consumer_at *at = &t->at;
	struct core_parts keeps = wanted(t, at->has);

	if (keeps.count == at->has.count)
		return;
	struct core_parts leaves = core_parts_less(at->has, keeps, t->arena);
	at->has = keeps;
	if (still_has(owned, leaves, t->arena)) {
		at->leaves = core_parts_sum(at->leaves, leaves, t->arena);
		at->state = CORE_CONSUMER_UNREVOKED;
	}
	set_epoch(at, at->epoch);
}

void
core_turn_reconcile(struct core_turn *t, const struct core_parts *owned)
{
	const struct core_consumer_at *was = &t->was;
	bool waits = t->at.state == CORE_CONSUMER_UNREVOKED && still_has(owned, t->at.leaves, t->arena);

	rk_assert(t->id.len >= 0);
	if (waits || (t->at.state == CORE_CONSUMER_STABLE && t->at.epoch == t->target_epoch)) {
		if (t->changed)
			shed(t, owned);
	} else {
		step(t, owned);
	}
	if (!t->placed || was->epoch != t->at.epoch || was->previous != t->at.previous || was->state != t->at.state
	    || !core_parts_same(was->has, t->at.has) || !core_parts_same(was->leaves, t->at.leaves))
		core_turn_put(t, core_consumer_at_record(t->group, t->id, &t->at, t->arena));
}

/* Topics were looked at as they are. */
void
core_turn_seen(struct core_turn *t)
{
	if (t->topic != NULL)
		t->k->seen = t->group->home->core->hashes_changed;
}

enum rk_err
core_turn_write(struct core_turn *t, struct core_write *w)
{
	struct core *c = t->group->home->core;
	struct core_pattern *p;

	if (t->arena->over)
		return RK_UNKNOWN_SERVER_ERROR;
	enum rk_err err = core_shard_write(t->group->home->shard, t->record, t->records, -1, -1, w);
	if (err != RK_OK || t->downgrades) /* the group as it was is gone */
		return err;
	core_turn_seen(t);
	if (t->pattern.len >= 0 && (p = core_consumer_pattern(t->k, t->pattern)) != NULL)
		p->seen = c->topics_changed;
	return RK_OK;
}
