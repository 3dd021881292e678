/* group_lag.c - how far groups are behind, as Prometheus text: told by the coordinator, which knows what was
 * committed. Of a partition with a replica on this node the end is known here (a follower's high watermark is its
 * leader's, up to half a second old); of any other it is what the leader told when a scrape had wanted it (ends.h), so
 * that it is shown from the second scrape on. Committed offsets whose end is not known are counted.
 *
 * Work and text are bounded: so many committed offsets are looked at in a scrape, the others are counted; no log is
 * opened or read. The names are those of the widespread exporters. A group's name that Prometheus would not take, or
 * that is very long, is counted, too, and not shown. */
#include "src/core/group_in.h"
#include "src/core/ends.h"
#include "base/mem.h"

enum { SEEN_MAX = 10000, NAME_MAX_BYTES = 255 };

/* A walk over what is committed in the active shards: the same in every pass of a scrape. */
struct walk {
	const struct core_coord *coord;
	struct core_shard *shard;
	struct core_group *group;
	struct core_offset *offset;
	int64_t now_ms;
	int64_t high;             /* of its partition */
	struct core_trail *trail;
	uint32_t seen;
	uint64_t shown, unknown;
};

static void
put(struct rk_out *out, const char *text)
{
	rk_out_put(out, text, (uint32_t)strlen(text));
}

/* Whether the bytes are UTF-8 without anything that ends a line: what a label may hold. */
static bool
showable(struct rk_str s)
{
	const uint8_t *p = (const uint8_t *)s.at, *end = p + (s.len < 0 ? 0 : s.len);

	if (s.len > NAME_MAX_BYTES)
		return false;
	while (p < end) {
		int more = *p < 0x80 ? 0 : *p >= 0xc2 && *p < 0xe0 ? 1 : *p >= 0xe0 && *p < 0xf0 ? 2
		    : *p >= 0xf0 && *p < 0xf5 ? 3 : -1;
		if (more < 0 || more >= end - p || (more == 0 && *p < 0x20))
			return false;
		if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90)
		    || (*p == 0xf4 && p[1] > 0x8f))
			return false;
		for (p++; more > 0; more--, p++)
			if ((*p & 0xc0) != 0x80)
				return false;
	}
	return true;
}

/* A showable text as a label's value. */
static void
label(struct rk_out *out, const char *name, struct rk_str value)
{
	put(out, name);
	put(out, "=\"");
	for (int32_t i = 0; i < value.len; i++) {
		if (value.at[i] == '"' || value.at[i] == '\\')
			put(out, "\\");
		rk_out_put(out, &value.at[i], 1);
	}
	put(out, "\"");
}

/* Whether the end of the offset's partition is known: then high and trail say it. */
static bool
known(struct walk *w)
{
	struct core *c = core_shard_core(w->shard);
	const struct core_offset *o = w->offset;
	struct core_topic *t = core_topic_named(c, o->topic);
	struct core_partition *p = t == NULL ? NULL : core_partition(t, o->partition);
	struct core_end *e;

	/* A follower that has not heard yet has 0, and what was committed is past it. */
	if (p != NULL && p->mine && !p->offline && (p->leads || p->high >= o->offset)) {
		if (p->trail == NULL)
			p->trail = rk_new(struct core_trail);
		core_trail_note(p->trail, p->high, w->now_ms);
		w->high = p->high;
		w->trail = p->trail;
		return true;
	}
	e = core_end_want(c, o->topic, o->partition, w->now_ms);
	if (e == NULL)
		return false;
	w->high = e->high;
	w->trail = &e->trail;
	return true;
}

static struct core_offset *
next_offset(const struct core_group *g, struct core_offset *o)
{
	struct rk_node *n = g->offsets.count == 0 ? NULL : rk_map_walk(&g->offsets, o == NULL ? NULL : &o->node);

	return n == NULL ? NULL : rk_of(n, struct core_offset, node);
}

/* The next group of the active shards; false: there is none. */
static bool
next_group(struct walk *w)
{
	while (w->group != NULL || w->shard != NULL) {
		w->group = core_group_walk(w->shard, w->group);
		if (w->group != NULL)
			return true;
		w->shard = core_coord_walk(w->coord, w->shard, NULL);
	}
	return false;
}

static struct walk
start(const struct core_coord *coord, int64_t now_ms)
{
	return (struct walk){ .coord = coord, .shard = core_coord_walk(coord, NULL, NULL), .now_ms = now_ms };
}

/* The next offset that is shown; false: there is none, or enough were looked at. */
static bool
next_shown(struct walk *w)
{
	while (w->seen < SEEN_MAX) {
		w->offset = w->group == NULL ? NULL : next_offset(w->group, w->offset);
		if (w->offset == NULL) {
			if (!next_group(w))
				return false;
			continue;
		}
		w->seen++;
		if (!showable(w->group->name))
			continue;
		if (known(w)) {
			w->shown++;
			return true;
		}
		w->unknown++;
	}
	return false;
}

/* All offsets that there are to look at. */
static uint64_t
committed(const struct core_coord *coord)
{
	struct walk w = start(coord, 0);
	uint64_t n = 0;

	while (next_group(&w))
		n += w.group->offsets.count;
	return n;
}

static void
head(struct rk_out *out, const char *name, const char *help)
{
	put(out, "# HELP ");
	put(out, name);
	put(out, " ");
	put(out, help);
	put(out, "\n# TYPE ");
	put(out, name);
	put(out, " gauge\n");
}

static void
line(struct rk_out *out, const char *name, const struct walk *w, int64_t whole, int32_t thousandth)
{
	char text[64];

	put(out, name);
	label(out, "{consumergroup", w->group->name);
	label(out, ",topic", w->offset->topic);
	int n = snprintf(text, sizeof text, thousandth < 0 ? ",partition=\"%" PRId32 "\"} %" PRId64 "\n"
	    : ",partition=\"%" PRId32 "\"} %" PRId64 ".%03" PRId32 "\n", w->offset->partition, whole, thousandth);
	rk_assert(n > 0 && n < (int)sizeof text);
	rk_out_put(out, text, (uint32_t)n);
}

static void
total(struct rk_out *out, const char *name, const char *help, uint64_t v)
{
	char text[32];

	head(out, name, help);
	put(out, name);
	snprintf(text, sizeof text, " %" PRIu64 "\n", v);
	put(out, text);
}

/* Members of each group, in the same bounds. */
static void
members(const struct core_coord *coord, struct rk_out *out)
{
	const char *name = "kafka_consumergroup_members";
	struct walk w = start(coord, 0);
	char text[32];

	head(out, name, "Members of the group.");
	for (uint32_t n = 0; n < SEEN_MAX && next_group(&w);) {
		if (!showable(w.group->name))
			continue;
		put(out, name);
		label(out, "{consumergroup", w.group->name);
		snprintf(text, sizeof text, "} %" PRId32 "\n", core_group_size(w.group));
		put(out, text);
		n++;
	}
}

void
core_group_metrics(const struct core_coord *coord, int64_t now_ms, struct rk_out *out)
{
	const char *lag = "kafka_consumergroup_lag", *seconds = "kafka_consumergroup_lag_seconds";
	const char *at = "kafka_consumergroup_current_offset";
	uint64_t all = committed(coord);
	struct walk w;

	members(coord, out);
	head(out, at, "The offset that the group has committed.");
	for (w = start(coord, now_ms); next_shown(&w);)
		line(out, at, &w, w.offset->offset, -1);
	head(out, lag, "Records between the committed offset and the partition's high watermark.");
	for (w = start(coord, now_ms); next_shown(&w);)
		line(out, lag, &w, w.high - w.offset->offset, -1);
	head(out, seconds, "For how long there have been such records, as far as this node has watched.");
	for (w = start(coord, now_ms); next_shown(&w);) {
		int64_t ms = core_trail_age(w.trail, w.offset->offset, now_ms);
		line(out, seconds, &w, ms / 1000, (int32_t)(ms % 1000));
	}
	rk_assert(w.shown + w.unknown <= all);
	total(out, "rookery_consumergroup_lag_unknown",
	    "Committed offsets of partitions whose end is not known here (yet).", w.unknown);
	total(out, "rookery_consumergroup_lag_left_out",
	    "Committed offsets that are not shown: too many, or of a group whose name cannot be.", all - w.shown - w.unknown);
}
