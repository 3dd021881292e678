/* config_edit.c - words added to a list and taken out of it. */
#include "src/config_in.h"

static bool
has(const struct rk_str *word, uint32_t n, struct rk_str w)
{
	bool found = false;

	for (uint32_t i = 0; i < n && !found; i++)
		found = rk_str_eq(word[i], w);
	return found;
}

/* The words of s, at most most of them; blank ones are no words. */
static uint32_t
words(struct rk_str s, struct rk_str *to, uint32_t most)
{
	struct rk_str one;
	uint32_t n = 0;

	while (n < most && conf_cut(&s, ',', &one))
		if (one.len > 0)
			to[n++] = one;
	return n;
}

static struct rk_str
join(const struct rk_str *word, uint32_t n, struct rk_arena *a)
{
	size_t bytes = 1;

	for (uint32_t i = 0; i < n; i++)
		bytes += (size_t)word[i].len + 1;
	char *to = rk_arena_raw(a, bytes);
	int32_t len = 0;
	for (uint32_t i = 0; i < n && to != NULL; i++) {
		if (i > 0)
			to[len++] = ',';
		memcpy(to + len, word[i].at, (size_t)word[i].len);
		len += word[i].len;
	}
	if (to == NULL)
		return RK_STR_NULL;
	to[len] = '\0';
	return (struct rk_str){to, len};
}

/* What a list begins as where the resource has none of its own. */
static struct rk_str
beginning(const struct conf *c, enum conf_scope scope, const struct conf_row *r)
{
	if (scope == CONF_TOPICS && r->synonym != NULL) {
		const char *text = conf_text(c, r->synonym);
		return text != NULL ? rk_str_of(text) : rk_lit("");
	}
	return r->def != NULL ? rk_str_of(r->def) : rk_lit("");
}

static enum rk_err
no_list(enum conf_scope scope, enum conf_edit how, struct rk_str name, struct rk_arena *a,
    struct rk_str *why)
{
	const char *verb = how == CONF_APPEND ? "append" : "subtract";

	if (scope == CONF_BROKERS)
		*why = rk_arena_print(a, "Config value %s is not allowed for config key: %.*s",
		    verb, name.len, name.at);
	else
		*why = rk_arena_print(a, "Can't %s to key %.*s because its type is not LIST.",
		    how == CONF_APPEND ? "APPEND" : "SUBTRACT", name.len, name.at);
	return RK_INVALID_CONFIG;
}

enum rk_err
conf_edit(const struct conf *c, enum conf_scope scope, enum conf_edit how, struct rk_str name,
    struct rk_str current, struct rk_str operand, struct rk_arena *a, struct rk_str *out,
    struct rk_str *why)
{
	enum { MOST = 4096 };
	const struct conf_row *r = conf_row_find(scope, name);

	*why = *out = RK_STR_NULL;
	if (r == NULL || r->type != CONF_LIST || scope == CONF_CLIENT_METRICS)
		return no_list(scope, how, name, a, why);
	struct rk_str *have = rk_arena_raw(a, 2 * MOST * sizeof *have), *more = have + MOST;
	if (have == NULL)
		return RK_INVALID_CONFIG;
	uint32_t n = words(current.len >= 0 ? current : beginning(c, scope, r), have, MOST);
	uint32_t m = words(operand, more, MOST), kept = 0;
	if (how == CONF_APPEND) {
		for (uint32_t i = 0; i < m && n < MOST; i++)
			if (!has(have, n, more[i]))
				have[n++] = more[i];
		kept = n;
	} else {
		for (uint32_t i = 0; i < n; i++)
			if (!has(more, m, have[i]))
				have[kept++] = have[i];
	}
	*out = join(have, kept, a);
	return a->over ? RK_INVALID_CONFIG : RK_OK;
}
