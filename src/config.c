/* config.c - the rows of the broker's table, the texts a conf holds, and the fields they give. */
#include "src/config_in.h"
#include "base/mem.h"

/* clang-format off */
#define REQUIRED NULL, .required = true
static const struct conf_row brokers[] = {
#define CONF(field_, name_, type_, def_, valid_, mode_, importance_, shown_, effect_, doc_)        \
	{ .name = name_, .valid = valid_, .doc = doc_, .at = offsetof(struct conf, field_),        \
	    .type = CONF_##type_, .mode = CONF_##mode_, .importance = CONF_##importance_,          \
	    .shown = CONF_##shown_, .effect = CONF_##effect_, .def = def_ },
#include "src/config.tbl"
#undef CONF
};
#define CONF_WORD CONF_STRING
#define CONF_WORDS CONF_LIST
static const struct conf_row topics[] = {
#define TOPIC(field_, name_, type_, def_, valid_, synonym_, shown_, effect_, doc_)                 \
	{ .name = name_, .valid = valid_, .doc = doc_, .at = offsetof(struct conf_topic, field_),  \
	    .type = CONF_##type_, .mode = CONF_RESOURCE, .importance = CONF_MEDIUM,                \
	    .shown = CONF_##shown_, .effect = CONF_##effect_, .synonym = synonym_, .def = def_ },
#include "src/config_topic.tbl"
#undef TOPIC
};
static const struct conf_row groups[] = {
#define GROUP(field_, name_, type_, def_, valid_, synonym_, effect_, doc_)                         \
	{ .name = name_, .valid = valid_, .doc = doc_, .at = offsetof(struct conf_group, field_),  \
	    .type = CONF_##type_, .mode = CONF_RESOURCE, .importance = CONF_MEDIUM,                \
	    .effect = CONF_##effect_, .synonym = synonym_, .def = def_ },
#include "src/config_group.tbl"
#undef GROUP
};
static const struct conf_row metrics[] = {
#define METRICS(name_, type_, def_, doc_)                                                          \
	{ .name = name_, .valid = "", .doc = doc_, .type = CONF_##type_, .mode = CONF_RESOURCE,    \
	    .importance = CONF_MEDIUM, .effect = CONF_ACTS, .def = def_ },
#include "src/config_metrics.tbl"
#undef METRICS
};
#undef REQUIRED
/* clang-format on */

_Static_assert(rk_countof(brokers) <= CONF_SLOTS, "every broker key has a slot");

const struct conf_row *
conf_rows(enum conf_scope scope, uint32_t *count)
{
	static const struct {
		const struct conf_row *at;
		uint32_t count;
	} all[] = {
	    [CONF_BROKERS] = {brokers, rk_countof(brokers)},
	    [CONF_TOPICS] = {topics, rk_countof(topics)},
	    [CONF_GROUPS] = {groups, rk_countof(groups)},
	    [CONF_CLIENT_METRICS] = {metrics, rk_countof(metrics)},
	};
	rk_assert(scope < rk_countof(all));
	*count = all[scope].count;
	return all[scope].at;
}

/* The order of the tables: by bytes, a name before those it begins. */
static int
order(struct rk_str a, const char *b)
{
	int d = a.len > 0 ? strncmp(a.at, b, (size_t)a.len) : 0;

	return d != 0 ? d : b[rk_max(a.len, 0)] == '\0' ? 0 : -1;
}

const struct conf_row *
conf_row_find(enum conf_scope scope, struct rk_str name)
{
	uint32_t n, from = 0;
	const struct conf_row *r = conf_rows(scope, &n);

	/* A zero byte inside would end the comparison early. */
	if (name.len <= 0 || memchr(name.at, '\0', (size_t)name.len) != NULL)
		return NULL;
	while (from < n) {
		uint32_t middle = from + (n - from) / 2;
		int d = order(name, r[middle].name);
		if (d == 0)
			return &r[middle];
		if (d < 0)
			n = middle;
		else
			from = middle + 1;
	}
	return NULL;
}

uint32_t
conf_index(const struct conf_row *r)
{
	rk_assert(r >= brokers && r < brokers + rk_countof(brokers));
	return (uint32_t)(r - brokers);
}

enum { NAME_MAX_LEN = 96 };

/* Levenshtein's distance with two rows; names longer than the table's longest are never near. */
static uint32_t
distance(struct rk_str a, const char *b)
{
	uint32_t row[NAME_MAX_LEN + 1], n = (uint32_t)strlen(b);

	rk_assert(n <= NAME_MAX_LEN);
	for (uint32_t j = 0; j <= n; j++)
		row[j] = j;
	for (uint32_t i = 1; i <= (uint32_t)a.len; i++) {
		uint32_t corner = row[0];
		row[0] = i;
		for (uint32_t j = 1; j <= n; j++) {
			uint32_t swap = corner + (a.at[i - 1] != b[j - 1]);
			corner = row[j];
			row[j] = (uint32_t)rk_min(swap, rk_min(row[j], row[j - 1]) + 1);
		}
	}
	return row[n];
}

const char *
conf_nearest(enum conf_scope scope, struct rk_str name)
{
	uint32_t n, best = UINT32_MAX;
	const struct conf_row *r = conf_rows(scope, &n);
	const char *near = NULL;

	if (name.len <= 0 || name.len > NAME_MAX_LEN)
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t d = r[i].shown == CONF_INTERNAL ? UINT32_MAX : distance(name, r[i].name);
		if (d < best) {
			best = d;
			near = r[i].name;
		}
	}
	/* Further than a third of the name is not a slip of the finger. */
	return best <= (uint32_t)name.len / 3 + 1 ? near : NULL;
}

bool
conf_list_has(struct conf_list l, const char *word)
{
	for (uint32_t i = 0; i < l.count; i++)
		if (strcmp(l.at[i], word) == 0)
			return true;
	return false;
}

bool
conf_cordoned(const struct conf *c, const char *dir)
{
	return conf_list_has(c->cordoned_log_dirs, "*") || conf_list_has(c->cordoned_log_dirs, dir);
}

/* ---- texts and fields ---------------------------------------------------------------------------
 */

void
conf_slot_set(char **layer, struct rk_str text)
{
	rk_mem_put(*layer);
	*layer = text.len < 0 ? NULL : rk_mem_str(text.at, (size_t)text.len);
}

const char *
conf_effective(const struct conf *c, uint32_t row, int8_t *source)
{
	const struct conf_slot *s = &c->slot[row];

	*source = s->broker != NULL           ? CONF_FROM_BROKER
		  : s->broker_default != NULL ? CONF_FROM_BROKER_DEFAULT
		  : s->file != NULL           ? CONF_FROM_FILE
					      : CONF_FROM_DEFAULT;
	return s->broker != NULL           ? s->broker
	       : s->broker_default != NULL ? s->broker_default
	       : s->file != NULL           ? s->file
					   : brokers[row].def;
}

/* One block: the pointers, then the words. */
static struct conf_list
keep_list(const struct conf_value *v, void **block)
{
	size_t bytes = 0;

	rk_mem_put(*block);
	*block = NULL;
	if (v->count == 0)
		return (struct conf_list){0};
	for (uint32_t i = 0; i < v->count; i++)
		bytes += (size_t)v->word[i].len + 1;
	const char **at = *block = rk_mem_get(v->count * sizeof *at + bytes);
	char *text = (char *)(at + v->count);
	for (uint32_t i = 0; i < v->count; i++) {
		at[i] = text;
		memcpy(text, v->word[i].at, (size_t)v->word[i].len);
		text += v->word[i].len + 1;
	}
	return (struct conf_list){at, v->count};
}

static void
store_null(const struct conf_row *r, void *field, void **block)
{
	struct conf_value none = {0};

	switch (r->type) {
	case CONF_INT:
		*(int32_t *)field = CONF_NULL_INT;
		break;
	case CONF_LONG:
		*(int64_t *)field = CONF_NULL_LONG;
		break;
	case CONF_LIST:
		*(struct conf_list *)field = keep_list(&none, block);
		break;
	default:
		rk_assert(
		    r->type == CONF_STRING || r->type == CONF_CLASS || r->type == CONF_PASSWORD);
		*(const char **)field = NULL;
	}
}

static void
store(const struct conf_row *r, void *field, const struct conf_value *v, const char *text,
    void **block)
{
	switch (r->type) {
	case CONF_BOOLEAN:
		*(bool *)field = v->n != 0;
		break;
	case CONF_INT:
		*(int32_t *)field = (int32_t)v->n;
		break;
	case CONF_SHORT:
		*(int16_t *)field = (int16_t)v->n;
		break;
	case CONF_LONG:
		*(int64_t *)field = v->n;
		break;
	case CONF_DOUBLE:
		*(double *)field = v->d;
		break;
	case CONF_LIST:
		*(struct conf_list *)field = keep_list(v, block);
		break;
	default:
		*(const char **)field = text;
	}
}

void
conf_refresh(struct conf *c, uint32_t row)
{
	const struct conf_row *r = &brokers[row];
	struct conf_slot *s = &c->slot[row];
	const char *layer[] = {s->broker, s->broker_default, s->file, r->def};
	void *field = (char *)c + r->at;
	struct rk_arena a;
	struct rk_str why;
	struct conf_value v;
	bool stored = false;

	rk_arena_init(&a, 8 << 20);
	for (size_t i = 0; i < rk_countof(layer) && !stored; i++) {
		stored = layer[i] != NULL && conf_value_parse(r, rk_str_of(layer[i]), &a, &v, &why);
		if (stored)
			store(r, field, &v, layer[i], &s->list);
	}
	rk_assert(stored || r->def == NULL); /* a default passes its own check */
	if (!stored)
		store_null(r, field, &s->list);
	rk_arena_free(&a);
}

struct conf_extra *
conf_extra_get(struct conf *c, struct rk_str name, bool make)
{
	struct conf_extra **at = &c->extra;

	while (*at != NULL && !rk_str_is(name, (*at)->name))
		at = &(*at)->next;
	if (*at == NULL && make) {
		*at = rk_new(struct conf_extra);
		(*at)->name = rk_mem_str(name.at, (size_t)name.len);
	}
	return *at;
}

const char *
conf_text(const struct conf *c, const char *name)
{
	const struct conf_row *r = conf_row_find(CONF_BROKERS, rk_str_of(name));
	int8_t source;

	if (r != NULL)
		return conf_effective(c, conf_index(r), &source);
	for (const struct conf_extra *e = c->extra; e != NULL; e = e->next)
		if (strcmp(e->name, name) == 0)
			return e->slot.broker != NULL           ? e->slot.broker
			       : e->slot.broker_default != NULL ? e->slot.broker_default
								: e->slot.file;
	return NULL;
}

/* ---- per-listener keys
 * ---------------------------------------------------------------------------- */

static const char prefix[] = "listener.name.";

const struct conf_row *
conf_listener_row(struct rk_str name)
{
	const struct conf_row *r = NULL;

	if (!conf_begins(name, prefix))
		return NULL;
	struct rk_str rest = {name.at + sizeof prefix - 1, name.len - (int32_t)sizeof prefix + 1};
	/* The listener's name, and perhaps a mechanism's, end at a dot each. */
	for (int dots = 0; dots < 2 && r == NULL; dots++) {
		const char *dot = rest.len > 0 ? memchr(rest.at, '.', (size_t)rest.len) : NULL;
		if (dot == NULL)
			break;
		rest.len -= (int32_t)(dot + 1 - rest.at);
		rest.at = dot + 1;
		r = conf_row_find(CONF_BROKERS, rest);
	}
	return r;
}

const char *
conf_listener_value(
    const struct conf *c, const struct conf_listener *l, const char *mechanism, const char *key)
{
	char low[128], name[512];
	const char *text;
	size_t i;

	for (i = 0; l->name[i] != '\0' && i < sizeof low - 1; i++)
		low[i] =
		    (char)(l->name[i] >= 'A' && l->name[i] <= 'Z' ? l->name[i] + 32 : l->name[i]);
	low[i] = '\0';
	if (mechanism != NULL) {
		snprintf(name, sizeof name, "%s%s.%s.%s", prefix, low, mechanism, key);
		if ((text = conf_text(c, name)) != NULL)
			return text;
	}
	snprintf(name, sizeof name, "%s%s.%s", prefix, low, key);
	text = conf_text(c, name);
	return text != NULL ? text : conf_text(c, key);
}

/* ---- life
 * ----------------------------------------------------------------------------------------- */

static void
slot_free(struct conf_slot *s)
{
	rk_mem_put(s->file);
	rk_mem_put(s->broker_default);
	rk_mem_put(s->broker);
	rk_mem_put(s->list);
}

void
conf_free(struct conf *c)
{
	struct conf_extra *e;

	if (c == NULL)
		return;
	for (uint32_t i = 0; i < rk_countof(brokers); i++)
		slot_free(&c->slot[i]);
	while ((e = c->extra) != NULL) {
		c->extra = e->next;
		slot_free(&e->slot);
		rk_mem_put(e->name);
		rk_mem_put(e);
	}
	for (struct conf_kept *k = c->kept, *next; k != NULL; k = next) {
		next = k->next;
		rk_mem_put(k);
	}
	rk_mem_put(c);
}

static void
slot_copy(struct conf_slot *to, const struct conf_slot *from)
{
	conf_slot_set(&to->file, rk_str_of(from->file));
	conf_slot_set(&to->broker_default, rk_str_of(from->broker_default));
	conf_slot_set(&to->broker, rk_str_of(from->broker));
}

struct conf *
conf_clone(const struct conf *c)
{
	struct conf *d = rk_new(struct conf);

	for (uint32_t i = 0; i < rk_countof(brokers); i++) {
		slot_copy(&d->slot[i], &c->slot[i]);
		conf_refresh(d, i);
	}
	for (const struct conf_extra *e = c->extra; e != NULL; e = e->next)
		slot_copy(&conf_extra_get(d, rk_str_of(e->name), true)->slot, &e->slot);
	return d;
}
