/* config_group.c - groups, client-metrics subscriptions, quotas. */
#include <regex.h>
#include "src/config_in.h"

static bool
set(const struct conf_row *r, struct conf_group *g, struct rk_str text, struct rk_arena *a,
    struct rk_str *why)
{
	void *field = (char *)g + r->at;
	struct conf_value v;

	if (!conf_value_parse(r, text, a, &v, why))
		return false;
	if (r->type == CONF_BOOLEAN)
		*(bool *)field = v.n != 0;
	else if (r->type == CONF_INT)
		*(int32_t *)field = (int32_t)v.n;
	else if (strstr(r->valid, "by_duration") != NULL)
		*(struct rk_str *)field = v.s;
	else
		*(uint8_t *)field = (uint8_t)v.n;
	return true;
}

void
conf_group_defaults(const struct conf *c, struct conf_group *g)
{
	struct rk_arena a;
	struct rk_str why;
	uint32_t n;
	int8_t source;
	const struct conf_row *r = conf_rows(CONF_GROUPS, &n);

	memset(g, 0, sizeof *g);
	rk_arena_init(&a, 1 << 20);
	for (uint32_t i = 0; i < n; i++) {
		const char *text =
		    r[i].synonym == NULL
			? r[i].def
			: conf_effective(c,
			    conf_index(conf_row_find(CONF_BROKERS, rk_str_of(r[i].synonym))),
			    &source);
		if (!set(&r[i], g, rk_str_of(text), &a, &why))
			rk_assert(set(&r[i], g, rk_str_of(r[i].def), &a, &why));
	}
	rk_arena_free(&a);
}

enum rk_err
conf_group_apply(
    const struct conf *c, struct conf_group *g, struct rk_str name, struct rk_str value)
{
	const struct conf_row *r = conf_row_find(CONF_GROUPS, name);
	struct rk_arena a;
	struct rk_str why;

	if (r == NULL || value.len < 0)
		return RK_INVALID_CONFIG;
	rk_arena_init(&a, 1 << 20);
	bool fine = set(r, g, value, &a, &why);
	rk_arena_free(&a);
	conf_group_clamp(c, g);
	return fine ? RK_OK : RK_INVALID_CONFIG;
}

enum rk_err
conf_group_check(const struct conf *c, const struct conf_pair *p, uint32_t n, struct rk_arena *a,
    struct rk_str *why)
{
	struct conf_group g;

	*why = conf_null_or_unknown(CONF_GROUPS, "group", p, n, a);
	if (why->len >= 0)
		return RK_INVALID_CONFIG;
	conf_group_defaults(c, &g);
	for (uint32_t i = 0; i < n; i++)
		if (!set(conf_row_find(CONF_GROUPS, p[i].name), &g, p[i].value, a, why))
			return RK_INVALID_CONFIG;
	return conf_group_in_bounds(c, &g, a, why) ? RK_OK : RK_INVALID_CONFIG;
}

/* ---- client metrics
 * ---------------------------------------------------------------------------------- */

/* Repetitions multiply inside regcomp: one of them, of at most 255, keeps it small. */
static bool
modest(const char *text)
{
	const char *brace = strchr(text, '{'), *comma;

	if (brace == NULL)
		return true;
	comma = strchr(brace, ',');
	return strchr(brace + 1, '{') == NULL && atoi(brace + 1) <= 255
	       && (comma == NULL || atoi(comma + 1) <= 255);
}

/* ATTRIBUTE=REGEX; regcomp is the judge of the pattern, as it is when clients are matched. */
static bool
pattern(struct rk_str s)
{
	static const char *const attributes[] = {"client_instance_id", "client_id",
	    "client_software_name", "client_software_version", "client_source_address",
	    "client_source_port"};
	struct rk_str name;
	char text[512];
	regex_t regex;

	if (!conf_cut(&s, '=', &name) || s.len <= 0 || s.len >= (int32_t)sizeof text)
		return false;
	for (size_t i = 0; i < rk_countof(attributes); i++) {
		if (!rk_str_is(name, attributes[i]))
			continue;
		rk_str_copy(text, sizeof text, conf_trim(s));
		if (!modest(text) || regcomp(&regex, text, REG_EXTENDED | REG_NOSUB) != 0)
			return false;
		regfree(&regex);
		return true;
	}
	return false;
}

static enum rk_err
one_metric(const struct conf_row *r, struct rk_str value, struct rk_arena *a, struct rk_str *why)
{
	struct conf_value v;

	if (!conf_value_parse(r, value, a, &v, why))
		return RK_INVALID_CONFIG;
	if (r->type == CONF_INT && (v.n < 100 || v.n > 3600000)) {
		*why = rk_arena_print(a,
		    "Invalid value %" PRId64 " for %s, interval must be between 100 and 3600000 "
		    "(1 hour)",
		    v.n, r->name);
		return RK_INVALID_REQUEST;
	}
	for (uint32_t i = 0; strcmp(r->name, "match") == 0 && i < v.count; i++)
		if (!pattern(v.word[i])) {
			*why = rk_arena_print(a, "Illegal client matching pattern: %.*s",
			    v.word[i].len, v.word[i].at);
			return RK_INVALID_CONFIG;
		}
	return RK_OK;
}

enum rk_err
conf_client_metrics_check(
    const struct conf_pair *p, uint32_t n, struct rk_arena *a, struct rk_str *why)
{
	enum rk_err e = RK_OK;

	*why = conf_nulls("client metrics", p, n, a);
	if (why->len >= 0)
		return RK_INVALID_CONFIG;
	for (uint32_t i = 0; i < n; i++)
		if (conf_row_find(CONF_CLIENT_METRICS, p[i].name) == NULL) {
			*why = rk_arena_print(a, "Unknown client metrics configuration: %.*s",
			    p[i].name.len, p[i].name.at);
			return RK_INVALID_REQUEST;
		}
	for (uint32_t i = 0; i < n && e == RK_OK; i++)
		e = one_metric(conf_row_find(CONF_CLIENT_METRICS, p[i].name), p[i].value, a, why);
	return e;
}

/* ---- quotas
 * -------------------------------------------------------------------------------------------- */

static const struct conf_quota quotas[] = {
#define QUOTA(name_, type_, def_, entity_, doc_) \
	{.name = name_, .type = CONF_##type_, .def = def_, .entity = CONF_##entity_, .doc = doc_},
#include "src/config_quota.tbl"
#undef QUOTA
};

const struct conf_quota *
conf_quotas(uint32_t *count)
{
	*count = rk_countof(quotas);
	return quotas;
}

const struct conf_quota *
conf_quota_find(enum conf_entity entity, struct rk_str name)
{
	for (size_t i = 0; i < rk_countof(quotas); i++)
		if (quotas[i].entity == entity && rk_str_is(name, quotas[i].name))
			return &quotas[i];
	return NULL;
}
