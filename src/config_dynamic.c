/* config_dynamic.c - changes while a broker runs: by an admin's request, and by a fresh file.
 *
 * The order of the checks, and their words, are Kafka's: first keys that may not change at all,
 * then security keys without a listener, then types and rules of single values, then keys that
 * belong to one broker only, then the rules across keys, tried on a copy. */
#include "src/config_in.h"
#include "base/mem.h"

/* Keys that Kafka lets change only for one listener: listener.name.NAME.KEY. */
static bool
needs_listener(const struct conf_row *r)
{
	static const char *const also[] = {
	    "principal.builder.class", "sasl.enabled.mechanisms", "sasl.jaas.config"};

	for (size_t i = 0; i < rk_countof(also); i++)
		if (strcmp(r->name, also[i]) == 0)
			return false;
	return r->mode == CONF_PER_BROKER && strncmp(r->name, "ssl.", 4) == 0
	       && strcmp(r->name, "ssl.client.auth") != 0;
}

/* The row that judges a change: the key's own, or the one behind a listener's name. */
static const struct conf_row *
judge(struct rk_str name, bool *of_listener)
{
	const struct conf_row *r = conf_row_find(CONF_BROKERS, name);

	*of_listener = r == NULL;
	return r != NULL ? r : conf_listener_row(name);
}

enum fault { FIXED, NEEDS_LISTENER, NEEDS_BROKER };

static bool
has_fault(enum fault f, enum conf_target target, struct rk_str name)
{
	bool of_listener;
	const struct conf_row *r = judge(name, &of_listener);

	if (r == NULL)
		return false;
	if (f == FIXED)
		return r->mode == CONF_READ_ONLY && r->shown != CONF_PLUGIN && !of_listener;
	if (f == NEEDS_LISTENER)
		return !of_listener && needs_listener(r);
	return target == CONF_ALL_BROKERS && r->mode == CONF_PER_BROKER;
}

/* Java prints a set of names as "[a, b]"; null when nobody has the fault. */
static struct rk_str
faulty(enum fault f, enum conf_target target, const struct conf_pair *p, uint32_t n,
    struct rk_arena *a)
{
	static const char *const says[] = {
	    "Cannot update these configs dynamically",
	    ("These security configs can be dynamically updated only per-listener using the "
	     "listener prefix"),
	    "Cannot update these configs at default cluster level, broker id must be specified",
	};
	struct rk_str all = RK_STR_NULL;

	for (uint32_t i = 0; i < n; i++)
		if (p[i].value.len >= 0 && has_fault(f, target, p[i].name))
			all = rk_arena_print(a, "%.*s%s%.*s", all.len > 0 ? all.len : 0, all.at,
			    all.len > 0 ? ", " : "", p[i].name.len, p[i].name.at);
	if (all.len < 0)
		return RK_STR_NULL;
	return rk_arena_print(a, "%s: [%.*s]", says[f], all.len, all.at);
}

static struct rk_str invalid_change(struct rk_arena *a, const char *fmt, ...) rk_format(2, 3);
static struct rk_str
invalid_change(struct rk_arena *a, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return rk_arena_print(a,
	    "Invalid value org.apache.kafka.common.config.ConfigException: %s for configuration "
	    "Invalid "
	    "dynamic configuration",
	    text);
}

/* Pools of threads grow and shrink by at most a factor of two in one step. */
static struct rk_str
threads(const struct conf *old, const struct conf *new, struct rk_arena *a)
{
	static const struct {
		const char *name;
		size_t at;
	} pool[] = {
#define P(f, n) {n, offsetof(struct conf, f)}
	    P(num_io_threads, "num.io.threads"),
	    P(num_network_threads, "num.network.threads"),
	    P(num_replica_fetchers, "num.replica.fetchers"),
	    P(background_threads, "background.threads"),
	    P(num_recovery_threads_per_data_dir, "num.recovery.threads.per.data.dir"),
	    P(remote_log_reader_threads, "remote.log.reader.threads"),
	    P(remote_log_manager_copier_thread_pool_size,
		"remote.log.manager.copier.thread.pool.size"),
	    P(remote_log_manager_expiration_thread_pool_size,
		"remote.log.manager.expiration.thread.pool.size"),
	    P(remote_log_manager_follower_thread_pool_size,
		"remote.log.manager.follower.thread.pool.size"),
#undef P
	};

	for (size_t i = 0; i < rk_countof(pool); i++) {
		int32_t was = *(const int32_t *)(const void *)((const char *)old + pool[i].at);
		int32_t is = *(const int32_t *)(const void *)((const char *)new + pool[i].at);
		bool low = is < was / 2;
		if (is == was || (!low && is <= (int64_t)was * 2))
			continue;
		return invalid_change(a,
		    "Dynamic thread count update validation failed for %s=%d, value should %s "
		    "the current value %d",
		    pool[i].name, is, low ? "be at least half" : "not be greater than double", was);
	}
	if (new->log_cleaner_threads > (int64_t)old->log_cleaner_threads * 2)
		return invalid_change(a,
		    "Log cleaner threads cannot be increased to more than double the current "
		    "value %d",
		    old->log_cleaner_threads);
	if (new->log_cleaner_threads < old->log_cleaner_threads / 2)
		return invalid_change(a,
		    "Log cleaner threads cannot be reduced to less than half the current value %d",
		    old->log_cleaner_threads);
	return RK_STR_NULL;
}

static struct rk_str
local_retention(const char *what, int64_t local, int64_t all, struct rk_arena *a)
{
	if (all >= 0 && local == -1)
		return invalid_change(a,
		    "Invalid value -1 for configuration log.local.%s: Value must not be -1 as "
		    "log.%s value is set as %" PRId64 ".",
		    what, what, all);
	if (all >= 0 && local > all)
		return invalid_change(a,
		    "Invalid value %" PRId64
		    " for configuration log.local.%s: Value must not be more than log.%s "
		    "property value: %" PRId64,
		    local, what, what, all);
	return RK_STR_NULL;
}

/* The host can open a new listener, but not move one that is there. */
static struct rk_str
listeners(const struct conf *old, const struct conf *new, struct rk_arena *a)
{
	for (uint32_t i = 0; i < old->listener_count; i++)
		for (uint32_t j = 0; j < new->listener_count; j++) {
			const struct conf_listener *o = &old->listener[i], *w = &new->listener[j];
			if (strcmp(o->name, w->name) == 0
			    && (o->port != w->port || strcmp(o->host, w->host) != 0
				|| o->protocol != w->protocol))
				return invalid_change(a,
				    "Configs cannot be updated dynamically for existing listener "
				    "ListenerName(%s), restart broker or create a new listener "
				    "for update",
				    o->name);
		}
	return RK_STR_NULL;
}

static struct rk_str
compare(const struct conf *old, const struct conf *new, struct rk_arena *a)
{
	struct rk_str why = threads(old, new, a);

	if (why.len < 0)
		why = local_retention(
		    "retention.ms", new->log_local_retention_ms, conf_retention_ms(new), a);
	if (why.len < 0)
		why = local_retention(
		    "retention.bytes", new->log_local_retention_bytes, new->log_retention_bytes, a);
	if (why.len < 0)
		why = listeners(old, new, a);
	if (why.len < 0 && new->max_connection_creation_rate <= 0)
		why = invalid_change(a, "Invalid max.connection.creation.rate %d",
		    new->max_connection_creation_rate);
	return why;
}

static char **
layer(struct conf_slot *s, enum conf_target target)
{
	return target == CONF_THIS_BROKER ? &s->broker : &s->broker_default;
}

static void
put(struct conf *c, enum conf_target target, struct rk_str name, struct rk_str value)
{
	const struct conf_row *r = conf_row_find(CONF_BROKERS, name);
	struct rk_str text = value.len < 0 ? value : conf_trim(value);

	if (r == NULL) {
		struct conf_extra *e = conf_extra_get(c, name, value.len >= 0);
		if (e != NULL)
			conf_slot_set(layer(&e->slot, target), text);
		return;
	}
	uint32_t row = conf_index(r);
	/* The field may still point into the old text: that goes after the new one is in place. */
	char **at = layer(&c->slot[row], target), *old = *at;
	*at = NULL;
	conf_slot_set(at, text);
	conf_refresh(c, row);
	rk_mem_put(old);
}

enum rk_err
conf_dynamic_check(const struct conf *c, enum conf_target target, const struct conf_pair *p,
    uint32_t n, struct rk_arena *a, struct rk_str *why)
{
	struct conf_notes notes = {.arena = a};
	struct conf_value v;
	bool of_listener;

	*why = faulty(FIXED, target, p, n, a);
	if (why->len < 0)
		*why = faulty(NEEDS_LISTENER, target, p, n, a);
	for (uint32_t i = 0; i < n && why->len < 0; i++) {
		const struct conf_row *r = judge(p[i].name, &of_listener);
		if (r != NULL && p[i].value.len >= 0
		    && !conf_value_parse(r, p[i].value, a, &v, why))
			return RK_INVALID_REQUEST;
		*why = RK_STR_NULL;
	}
	if (why->len < 0)
		*why = faulty(NEEDS_BROKER, target, p, n, a);
	if (why->len >= 0)
		return RK_INVALID_REQUEST;

	struct conf *tried = conf_clone(c);
	for (uint32_t i = 0; i < n; i++)
		put(tried, target, p[i].name, p[i].value);
	conf_derive(tried, &notes);
	if (notes.errors == 0)
		conf_rules(tried, &notes);
	for (uint32_t i = 0; i < notes.count && why->len < 0; i++)
		if (notes.at[i].level >= RK_ERROR)
			*why = notes.at[i].text;
	if (why->len < 0)
		*why = compare(c, tried, a);
	conf_free(tried);
	return why->len >= 0 || a->over ? RK_INVALID_REQUEST : RK_OK;
}

enum rk_err
conf_set_dynamic(struct conf *c, enum conf_target target, struct rk_str name, struct rk_str value,
    struct rk_arena *a, struct rk_str *why)
{
	struct conf_notes notes = {.arena = a};
	const struct conf_row *r = conf_row_find(CONF_BROKERS, name);
	struct conf_value v;

	*why = RK_STR_NULL;
	if (r != NULL && value.len >= 0 && !conf_value_parse(r, value, a, &v, why)) {
		put(c, target, name, value);
		return RK_INVALID_CONFIG;
	}
	if (r != NULL && r->mode == CONF_READ_ONLY && r->shown != CONF_PLUGIN) {
		*why = rk_arena_print(a, "%s cannot be changed while running", r->name);
		return RK_INVALID_CONFIG;
	}
	put(c, target, name, value);
	if (rk_str_is(name, "listeners") || rk_str_is(name, "listener.security.protocol.map"))
		conf_derive(c, &notes);
	return RK_OK;
}

/* ---- a fresh reading of the file
 * ----------------------------------------------------------------------- */

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static const char *
extra_text(const struct conf *c, const char *name)
{
	for (const struct conf_extra *e = c->extra; e != NULL; e = e->next)
		if (strcmp(e->name, name) == 0)
			return e->slot.file;
	return NULL;
}

uint32_t
conf_diff(const struct conf *old, const struct conf *fresh, conf_diff_fn *each, void *arg)
{
	uint32_t n, count = 0;
	const struct conf_row *r = conf_rows(CONF_BROKERS, &n);

	for (uint32_t i = 0; i < n; i++) {
		if (same(old->slot[i].file, fresh->slot[i].file))
			continue;
		each(arg, r[i].name, r[i].mode != CONF_READ_ONLY);
		count++;
	}
	/* Keys of single listeners are certificates and the like: they are read again. */
	for (const struct conf_extra *e = fresh->extra; e != NULL; e = e->next)
		if (!same(e->slot.file, extra_text(old, e->name))) {
			each(arg, e->name, true);
			count++;
		}
	for (const struct conf_extra *e = old->extra; e != NULL; e = e->next)
		if (e->slot.file != NULL && extra_text(fresh, e->name) == NULL) {
			each(arg, e->name, true);
			count++;
		}
	return count;
}

struct taking {
	struct conf *c;
	const struct conf *fresh;
	struct conf_notes *notes;
	struct rk_str fixed;
	uint32_t count;
};

static void
take(void *arg, const char *name, bool live)
{
	struct taking *t = arg;
	const struct conf_row *r = conf_row_find(CONF_BROKERS, rk_str_of(name));

	if (!live) {
		t->fixed =
		    rk_arena_print(t->notes->arena, "%.*s%s%s", t->fixed.len > 0 ? t->fixed.len : 0,
			t->fixed.at, t->fixed.len > 0 ? ", " : "", name);
		return;
	}
	t->count++;
	if (r == NULL) {
		struct conf_extra *e = conf_extra_get(t->c, rk_str_of(name), true);
		conf_slot_set(&e->slot.file, rk_str_of(extra_text(t->fresh, name)));
		return;
	}
	uint32_t row = conf_index(r);
	char *old = t->c->slot[row].file;
	t->c->slot[row].file = NULL;
	conf_slot_set(&t->c->slot[row].file, rk_str_of(t->fresh->slot[row].file));
	conf_refresh(t->c, row);
	rk_mem_put(old);
}

uint32_t
conf_reload(struct conf *c, const struct conf *fresh, struct conf_notes *notes)
{
	struct taking t = {.c = c, .fresh = fresh, .notes = notes};

	(void)conf_diff(c, fresh, take, &t);
	if (t.count > 0)
		conf_derive(c, notes);
	if (t.fixed.len > 0)
		conf_say(notes, RK_WARN, notes->file,
		    "these configurations changed but need a restart: %.*s", t.fixed.len,
		    t.fixed.at);
	return t.count;
}
