/* config_describe.c - the configs of one resource, as DescribeConfigs and CreateTopics show them.
 *
 * A broker key may have a family: keys of which the first one set wins (log.retention.ms, then
 * .minutes, then .hours). The synonyms of a key are the values of its whole family, by layer and
 * within a layer by precedence, from the key's own first value on. A topic's or group's synonyms
 * are its own value and then those of the broker key that gives its default. */
#include "src/config_in.h"

enum { FAMILY = 3 };
static const char *const families[][FAMILY] = {
    {"log.retention.ms", "log.retention.minutes", "log.retention.hours"},
    {"log.roll.ms", "log.roll.hours", NULL},
    {"log.roll.jitter.ms", "log.roll.jitter.hours", NULL},
    {"log.flush.interval.ms", "log.flush.scheduler.interval.ms", NULL},
};

/* The family of a key. Kafka shows log.flush.scheduler.interval.ms alone. */
static void
family_of(const char *name, const char *out[FAMILY])
{
	memset(out, 0, FAMILY * sizeof *out);
	out[0] = name;
	for (size_t i = 0; i < rk_countof(families); i++)
		for (size_t j = 0; j < FAMILY && families[i][j] != NULL; j++)
			if (strcmp(families[i][j], name) == 0
			    && strcmp(name, "log.flush.scheduler.interval.ms") != 0)
				memcpy(out, families[i], sizeof families[i]);
}

static bool
is_secret(const struct conf_row *r)
{
	return r == NULL || r->type == CONF_PASSWORD
	       || (r->shown == CONF_PLUGIN && r->mode == CONF_READ_ONLY);
}

static const char *
layer_text(const struct conf *c, const struct conf_row *r, int source)
{
	const struct conf_slot *s = &c->slot[conf_index(r)];

	switch (source) {
	case CONF_FROM_BROKER:
		return s->broker;
	case CONF_FROM_BROKER_DEFAULT:
		return s->broker_default;
	case CONF_FROM_FILE:
		return s->file;
	default:
		return r->shown == CONF_PLUGIN ? NULL : r->def;
	}
}

/* Adds the synonyms of a broker key, at most FAMILY for each of four layers. */
static void
broker_synonyms(const struct conf *c, const char *name, struct conf_entry *e, struct rk_arena *a)
{
	const char *family[FAMILY];
	bool begun = false;
	struct conf_synonym *to = rk_arena_get(a, e->synonym_count + FAMILY * 4, sizeof *to);

	if (to == NULL)
		return;
	if (e->synonym_count > 0)
		memcpy(to, e->synonyms, e->synonym_count * sizeof *to);
	e->synonyms = to;
	family_of(name, family);
	for (int source = CONF_FROM_BROKER; source <= CONF_FROM_DEFAULT; source++)
		for (size_t i = 0; i < FAMILY && family[i] != NULL; i++) {
			const struct conf_row *r =
			    conf_row_find(CONF_BROKERS, rk_str_of(family[i]));
			const char *text = layer_text(c, r, source);
			begun = begun || (text != NULL && strcmp(family[i], name) == 0);
			if (text != NULL && begun)
				e->synonyms[e->synonym_count++] = (struct conf_synonym){family[i],
				    is_secret(r) ? RK_STR_NULL : rk_str_of(text), (int8_t)source};
		}
}

static bool
wanted(struct conf_want want, const char *name)
{
	if (want.names == NULL)
		return true;
	for (uint32_t i = 0; i < want.count; i++)
		if (rk_str_is(want.names[i], name))
			return true;
	return false;
}

/* The text as its type prints it; as it stands when it does not parse. */
static struct rk_str
canonical(const struct conf_row *r, const char *text, struct rk_arena *a)
{
	struct conf_value v;
	struct rk_str why;

	if (text == NULL || is_secret(r))
		return RK_STR_NULL;
	return conf_value_parse(r, rk_str_of(text), a, &v, &why) ? conf_value_text(r, &v, a)
								 : rk_str_of(text);
}

static int8_t
first_source(const struct conf_entry *e)
{
	return e->synonym_count > 0 ? e->synonyms[0].source : CONF_FROM_DEFAULT;
}

static void
only_default_layer(struct conf_entry *e)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < e->synonym_count; i++)
		if (e->synonyms[i].source == CONF_FROM_BROKER_DEFAULT)
			e->synonyms[kept++] = e->synonyms[i];
	e->synonym_count = kept;
}

static bool
is_shown(const struct conf *c, const struct conf_row *r, bool all_brokers)
{
	const struct conf_slot *s = &c->slot[conf_index(r)];

	if (all_brokers)
		return s->broker_default != NULL;
	return r->shown == CONF_PUBLIC || r->shown == CONF_OURS || s->file != NULL
	       || (r->shown == CONF_PLUGIN && (s->broker != NULL || s->broker_default != NULL));
}

static void
broker_row(const struct conf *c, const struct conf_row *r, bool all_brokers, struct conf_entry *e,
    struct rk_arena *a)
{
	int8_t source;
	const char *text = conf_effective(c, conf_index(r), &source);

	broker_synonyms(c, r->name, e, a);
	if (all_brokers) {
		only_default_layer(e);
		text = c->slot[conf_index(r)].broker_default;
	}
	e->name = r->name;
	e->doc = r->doc;
	e->sensitive = is_secret(r);
	e->type =
	    (int8_t)(r->shown == CONF_PLUGIN && r->mode == CONF_READ_ONLY ? CONF_UNKNOWN : r->type);
	e->read_only = r->mode == CONF_READ_ONLY;
	e->value = canonical(r, text, a);
	e->source = first_source(e);
	e->value_source = source;
}

/* Adds the synonyms of a listener's key: at each layer its own value, then its base key's. */
static void
listener_synonyms(const struct conf *c, const struct conf_extra *x, const struct conf_row *base,
    struct conf_entry *e, struct rk_arena *a)
{
	const char *own[] = {[CONF_FROM_BROKER] = x->slot.broker,
	    [CONF_FROM_BROKER_DEFAULT] = x->slot.broker_default,
	    [CONF_FROM_FILE] = x->slot.file,
	    [CONF_FROM_DEFAULT] = NULL};

	e->synonyms = rk_arena_get(a, 8, sizeof *e->synonyms);
	if (e->synonyms == NULL)
		return;
	for (int source = CONF_FROM_BROKER; source <= CONF_FROM_DEFAULT; source++) {
		const char *theirs = base == NULL ? NULL : layer_text(c, base, source);
		if (own[source] != NULL)
			e->synonyms[e->synonym_count++] = (struct conf_synonym){x->name,
			    e->sensitive ? RK_STR_NULL : rk_str_of(own[source]), (int8_t)source};
		if (theirs != NULL && e->synonym_count > 0)
			e->synonyms[e->synonym_count++] = (struct conf_synonym){base->name,
			    e->sensitive ? RK_STR_NULL : rk_str_of(theirs), (int8_t)source};
	}
}

/* A key without a row. Whether it is a secret nobody can tell, so it is one. */
static void
extra_row(const struct conf *c, const struct conf_extra *x, bool all_brokers, struct conf_entry *e,
    struct rk_arena *a)
{
	const struct conf_row *r = conf_listener_row(rk_str_of(x->name));
	const struct conf_slot *s = &x->slot;
	const char *text = all_brokers                 ? s->broker_default
			   : s->broker != NULL         ? s->broker
			   : s->broker_default != NULL ? s->broker_default
						       : s->file;

	e->name = x->name;
	e->type = r != NULL ? (int8_t)r->type : CONF_UNKNOWN;
	e->sensitive = is_secret(r);
	e->read_only = true;
	listener_synonyms(c, x, r, e, a);
	if (all_brokers)
		only_default_layer(e);
	e->value = canonical(r, text, a);
	e->source = e->value_source = first_source(e);
}

static bool
extra_is_set(const struct conf_extra *x, bool all_brokers)
{
	return x->slot.broker_default != NULL
	       || (!all_brokers && (x->slot.broker != NULL || x->slot.file != NULL));
}

static struct conf_entries
brokers(const struct conf *c, struct conf_want want, bool all_brokers, struct rk_arena *a)
{
	uint32_t n, most;
	const struct conf_row *r = conf_rows(CONF_BROKERS, &n);
	struct conf_entries out = {0};

	most = n;
	for (const struct conf_extra *x = c->extra; x != NULL; x = x->next)
		most++;
	out.at = rk_arena_get(a, most, sizeof *out.at);
	for (uint32_t i = 0; i < n && !a->over; i++)
		if (is_shown(c, &r[i], all_brokers) && wanted(want, r[i].name))
			broker_row(c, &r[i], all_brokers, &out.at[out.count++], a);
	for (const struct conf_extra *x = c->extra; x != NULL && !a->over; x = x->next)
		if (extra_is_set(x, all_brokers) && wanted(want, x->name))
			extra_row(c, x, all_brokers, &out.at[out.count++], a);
	return a->over ? (struct conf_entries){0} : out;
}

struct conf_entries
conf_describe_broker(const struct conf *c, struct conf_want want, struct rk_arena *a)
{
	return brokers(c, want, false, a);
}

struct conf_entries
conf_describe_all_brokers(const struct conf *c, struct conf_want want, struct rk_arena *a)
{
	return brokers(c, want, true, a);
}

/* ---- topics, groups, client metrics
 * -------------------------------------------------------------------- */

static const struct conf_pair *
own_value(const struct conf_pair *own, uint32_t n, const char *name)
{
	for (uint32_t i = 0; i < n; i++)
		if (rk_str_is(own[i].name, name) && own[i].value.len >= 0)
			return &own[i];
	return NULL;
}

/* The value a topic gets from a family of broker keys; null: this key has none. */
static struct rk_str
from_family(const struct conf *c, const char *synonym, struct rk_arena *a)
{
	static const struct {
		const char *name;
		int64_t (*ms)(const struct conf *);
	} of[] = {
	    {"log.retention.ms", conf_retention_ms},
	    {"log.roll.ms", conf_roll_ms},
	    {"log.roll.jitter.ms", conf_roll_jitter_ms},
	    {"log.flush.interval.ms", conf_flush_ms},
	};

	for (size_t i = 0; i < rk_countof(of); i++)
		if (strcmp(synonym, of[i].name) == 0)
			return rk_arena_print(a, "%" PRId64, of[i].ms(c));
	return RK_STR_NULL;
}

/* Where the first member of a key's family that is set has its value from. */
static int8_t
family_source(const struct conf *c, const char *name)
{
	const char *family[FAMILY];
	int8_t source = CONF_FROM_DEFAULT;

	family_of(name, family);
	for (size_t i = 0; i < FAMILY && family[i] != NULL; i++) {
		const struct conf_row *r = conf_row_find(CONF_BROKERS, rk_str_of(family[i]));
		if (conf_effective(c, conf_index(r), &source) != NULL)
			break;
	}
	return source;
}

static void
default_value(
    const struct conf *c, const struct conf_row *r, struct conf_entry *e, struct rk_arena *a)
{
	int8_t source;

	e->value_source = CONF_FROM_DEFAULT;
	if (r->synonym == NULL || c == NULL) {
		e->value = canonical(r, r->def, a);
		return;
	}
	e->value = from_family(c, r->synonym, a);
	e->value_source = family_source(c, r->synonym);
	if (e->value.len < 0)
		e->value = canonical(r,
		    conf_effective(
			c, conf_index(conf_row_find(CONF_BROKERS, rk_str_of(r->synonym))), &source),
		    a);
}

static void
resource_row(const struct conf *c, const struct conf_row *r, const struct conf_pair *mine,
    int8_t source, struct conf_entry *e, struct rk_arena *a)
{
	e->name = r->name;
	e->doc = r->doc;
	e->type = (int8_t)r->type;
	if (mine != NULL) {
		char *text = rk_arena_raw(a, (size_t)mine->value.len + 1);
		e->synonyms = rk_arena_get(a, 2, sizeof *e->synonyms);
		if (text == NULL || e->synonyms == NULL)
			return;
		rk_str_copy(text, (size_t)mine->value.len + 1, mine->value);
		e->value = canonical(r, text, a);
		e->value_source = source;
		e->synonyms[e->synonym_count++] = (struct conf_synonym){r->name, e->value, source};
	} else {
		default_value(c, r, e, a);
	}
	if (c != NULL && r->synonym != NULL)
		broker_synonyms(c, r->synonym, e, a);
	/* A group's key without a broker's names itself as its default; other resources' do not. */
	if (source == CONF_FROM_GROUP && r->synonym == NULL) {
		if (e->synonyms == NULL)
			e->synonyms = rk_arena_get(a, 1, sizeof *e->synonyms);
		if (e->synonyms != NULL)
			e->synonyms[e->synonym_count++] =
			    (struct conf_synonym){r->name, rk_str_of(r->def), CONF_FROM_DEFAULT};
	}
	e->source = first_source(e);
}

static struct conf_entries
resource(const struct conf *c, enum conf_scope scope, int8_t source, const struct conf_pair *own,
    uint32_t own_count, struct conf_want want, struct rk_arena *a)
{
	uint32_t n;
	const struct conf_row *r = conf_rows(scope, &n);
	struct conf_entries out = {.at = rk_arena_get(a, n, sizeof *out.at)};

	for (uint32_t i = 0; i < n && !a->over; i++)
		if (r[i].shown != CONF_INTERNAL && wanted(want, r[i].name))
			resource_row(c, &r[i], own_value(own, own_count, r[i].name), source,
			    &out.at[out.count++], a);
	return a->over ? (struct conf_entries){0} : out;
}

struct conf_entries
conf_describe_topic(const struct conf *c, const struct conf_pair *own, uint32_t n,
    struct conf_want want, struct rk_arena *a)
{
	return resource(c, CONF_TOPICS, CONF_FROM_TOPIC, own, n, want, a);
}

struct conf_entries
conf_describe_group(const struct conf *c, const struct conf_pair *own, uint32_t n,
    struct conf_want want, struct rk_arena *a)
{
	return resource(c, CONF_GROUPS, CONF_FROM_GROUP, own, n, want, a);
}

struct conf_entries
conf_describe_client_metrics(
    const struct conf_pair *own, uint32_t n, struct conf_want want, struct rk_arena *a)
{
	return resource(NULL, CONF_CLIENT_METRICS, CONF_FROM_CLIENT_METRICS, own, n, want, a);
}
