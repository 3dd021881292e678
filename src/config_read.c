/* config_read.c - from the bytes of a server.properties to a conf and a list of what is odd. */
#include "src/config_in.h"
#include "base/mem.h"

void
conf_say(struct conf_notes *n, enum rk_level level, const char *where, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	n->errors += level >= RK_ERROR;
	if (n->count == n->cap) {
		uint32_t cap = n->cap > 0 ? n->cap * 2 : 16;
		struct conf_note *at = rk_arena_get(n->arena, cap, sizeof *at);
		if (at == NULL)
			return;
		if (n->count > 0)
			memcpy(at, n->at, n->count * sizeof *at);
		n->at = at;
		n->cap = cap;
	}
	n->at[n->count++] =
	    (struct conf_note){level, rk_arena_str(n->arena, rk_str_of(where != NULL ? where : "")),
		rk_arena_str(n->arena, rk_str_of(text))};
}

struct reading {
	struct conf *c;
	struct conf_notes *notes;
	char where[512];
	struct rk_str idle; /* names of keys without an effect */
};

static void
gone_or_misspelt(struct reading *in, struct rk_str key)
{
	static const struct {
		const char *name, *instead;
	} gone[] = {
#define GONE(name, instead) {name, instead},
#include "src/config_gone.tbl"
#undef GONE
	};
	const char *near = conf_nearest(CONF_BROKERS, key);

	for (size_t i = 0; i < rk_countof(gone); i++) {
		size_t len = strlen(gone[i].name);
		bool prefix = gone[i].name[len - 1] == '.' && (size_t)key.len > len;
		if (!prefix && (size_t)key.len != len)
			continue;
		if (memcmp(key.at, gone[i].name, len) == 0) {
			conf_say(in->notes, RK_WARN, in->where,
			    "%.*s was removed in Kafka 4 and is ignored: %s", key.len, key.at,
			    gone[i].instead);
			return;
		}
	}
	if (near != NULL)
		conf_say(in->notes, RK_WARN, in->where,
		    "unknown configuration %.*s is ignored; did you mean %s?", key.len, key.at,
		    near);
	else
		conf_say(in->notes, RK_WARN, in->where, "unknown configuration %.*s is ignored",
		    key.len, key.at);
}

/* Prefixes under which plugins keep keys of their own. */
static bool
of_a_plugin(const struct conf *c, struct rk_str key)
{
	const char *prefixes[] = {c->remote_log_metadata_manager_impl_prefix,
	    c->remote_log_storage_manager_impl_prefix, "config.providers.", "confluent."};

	for (size_t i = 0; i < rk_countof(prefixes); i++)
		if (prefixes[i] != NULL && prefixes[i][0] != '\0' && conf_begins(key, prefixes[i]))
			return true;
	return false;
}

static void
set_extra(struct reading *in, struct rk_str key, struct rk_str value)
{
	const struct conf_row *r = conf_listener_row(key);
	struct rk_arena a;
	struct conf_value v;
	struct rk_str why;

	conf_slot_set(&conf_extra_get(in->c, key, true)->slot.file, conf_trim(value));
	if (r == NULL) {
		if (!of_a_plugin(in->c, key))
			gone_or_misspelt(in, key);
		return;
	}
	rk_arena_init(&a, 1 << 20);
	if (!conf_value_parse(r, value, &a, &v, &why))
		conf_say(in->notes, RK_ERROR, in->where, "%.*s", why.len, why.at);
	rk_arena_free(&a);
}

static void
set_static(struct reading *in, struct rk_str key, struct rk_str value)
{
	const struct conf_row *r = conf_row_find(CONF_BROKERS, key);
	struct rk_arena a;
	struct conf_value v;
	struct rk_str why;

	if (r == NULL) {
		set_extra(in, key, value);
		return;
	}
	rk_arena_init(&a, 8 << 20);
	if (!conf_value_parse(r, value, &a, &v, &why)) {
		conf_say(in->notes, RK_ERROR, in->where, "%.*s", why.len, why.at);
	} else {
		uint32_t row = conf_index(r);
		if (r->effect == CONF_LATER && in->c->slot[row].file == NULL)
			in->idle = rk_arena_print(in->notes->arena, "%.*s%s%s",
			    in->idle.len > 0 ? in->idle.len : 0, in->idle.at,
			    in->idle.len > 0 ? ", " : "", r->name);
		conf_slot_set(&in->c->slot[row].file, conf_trim(value));
		conf_refresh(in->c, row);
	}
	rk_arena_free(&a);
}

static void
pair(void *arg, struct rk_str key, struct rk_str value, uint32_t line)
{
	struct reading *in = arg;

	snprintf(in->where, sizeof in->where, "%s:%" PRIu32, in->notes->file, line);
	set_static(in, key, value);
}

static void
override(struct reading *in, const char *text)
{
	const char *is = strchr(text, '=');

	snprintf(in->where, sizeof in->where, "--override");
	if (is == NULL || is == text) {
		conf_say(in->notes, RK_ERROR, in->where, "%s is not of the form KEY=VALUE", text);
		return;
	}
	set_static(in, (struct rk_str){text, (int32_t)(is - text)}, rk_str_of(is + 1));
}

/* Kafka reads node.id and broker.id as one. */
static void
same_ids(struct conf *c, struct conf_notes *notes)
{
	uint32_t node = conf_index(conf_row_find(CONF_BROKERS, rk_lit("node.id")));
	uint32_t broker = conf_index(conf_row_find(CONF_BROKERS, rk_lit("broker.id")));
	char **a = &c->slot[node].file, **b = &c->slot[broker].file;

	if (*a != NULL && *b != NULL && c->node_id != c->broker_id)
		conf_say(notes, RK_ERROR, NULL,
		    "You must set `node.id` to the same value as `broker.id`.");
	if (*a == NULL && *b != NULL)
		conf_slot_set(a, rk_str_of(*b));
	if (*b == NULL && *a != NULL)
		conf_slot_set(b, rk_str_of(*a));
	conf_refresh(c, node);
	conf_refresh(c, broker);
}

static void
all_there(const struct conf *c, struct conf_notes *notes, bool errors_in_file)
{
	uint32_t n;
	const struct conf_row *r = conf_rows(CONF_BROKERS, &n);

	for (uint32_t i = 0; i < n && !errors_in_file; i++)
		if (r[i].required && c->slot[i].file == NULL)
			conf_say(notes, RK_ERROR, NULL,
			    "Missing required configuration \"%s\" which has no default value.",
			    r[i].name);
}

struct conf *
conf_read(const char *file, struct rk_str bytes, const char *const *overrides, uint32_t count,
    struct conf_notes *notes)
{
	struct reading in = {.c = rk_new(struct conf), .notes = notes};
	uint32_t n, bad;

	notes->file = file;
	(void)conf_rows(CONF_BROKERS, &n);
	for (uint32_t i = 0; i < n; i++)
		conf_refresh(in.c, i);
	if (!conf_properties(bytes, notes->arena, pair, &in, &bad)) {
		snprintf(in.where, sizeof in.where, "%s:%" PRIu32, file, bad);
		conf_say(notes, RK_ERROR, in.where, "Malformed \\uxxxx encoding.");
	}
	for (uint32_t i = 0; i < count; i++)
		override(&in, overrides[i]);
	same_ids(in.c, notes);
	all_there(in.c, notes, notes->errors > 0);
	/* What follows speaks of the keys together, and only makes sense when each is right. */
	if (notes->errors == 0)
		conf_derive(in.c, notes);
	if (notes->errors == 0)
		conf_rules(in.c, notes);
	if (in.idle.len > 0)
		conf_say(notes, RK_WARN, file,
		    "these configurations have no effect in this release: %.*s", in.idle.len,
		    in.idle.at);
	return in.c;
}

struct conf *
conf_make(const char *const *overrides, uint32_t count, struct conf_notes *notes)
{
	return conf_read("", rk_lit(""), overrides, count, notes);
}
