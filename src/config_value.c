/* config_value.c - one value: its type, its rule, its text. */
#include <ctype.h>
#include <math.h>
#include "src/config_in.h"

enum { WORDS_MAX = 1024 }; /* of a list whose words must differ: telling them apart is quadratic */

static bool
blank(char c)
{
	return (unsigned char)c <= ' ';
}

struct rk_str
conf_trim(struct rk_str s)
{
	while (s.len > 0 && blank(s.at[0]))
		s.at++, s.len--;
	while (s.len > 0 && blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

bool
conf_begins(struct rk_str s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= 0 && (size_t)s.len >= n && memcmp(s.at, prefix, n) == 0;
}

bool
conf_cut(struct rk_str *rest, char c, struct rk_str *piece)
{
	if (rest->len < 0)
		return false;
	const char *end = rest->len > 0 ? memchr(rest->at, c, (size_t)rest->len) : NULL;
	*piece = *rest;
	if (end == NULL) {
		*rest = RK_STR_NULL;
	} else {
		piece->len = (int32_t)(end - piece->at);
		rest->at = end + 1;
		rest->len -= piece->len + 1;
	}
	*piece = conf_trim(*piece);
	return true;
}

static bool
same_word(struct rk_str a, struct rk_str b, bool any_case)
{
	if (!any_case)
		return rk_str_eq(a, b);
	return a.len == b.len && (a.len <= 0 || strncasecmp(a.at, b.at, (size_t)a.len) == 0);
}

/* The inside of the rule's brackets; null: it has none. */
static struct rk_str
inside(const char *rule)
{
	const char *from = strchr(rule, '['), *to = strrchr(rule, ']');

	if (from == NULL || to == NULL || to < from)
		return RK_STR_NULL;
	return (struct rk_str){from + 1, (int32_t)(to - from - 1)};
}

int
conf_word_place(const char *rule, struct rk_str word, bool any_case)
{
	struct rk_str rest = inside(rule), one;

	for (int i = 0; conf_cut(&rest, ',', &one); i++)
		if (same_word(one, word, any_case))
			return i;
	return -1;
}

static bool
refuse(struct rk_str *why, struct rk_arena *a, const struct conf_row *r, struct rk_str value,
    const char *says)
{
	*why = rk_arena_print(a, "Invalid value %.*s for configuration %s: %s",
	    value.len > 0 ? value.len : 0, value.at, r->name, says);
	return false;
}

/* Java's Integer.parseInt and friends also take a plus. */
static bool
whole(struct rk_str s, int64_t least, int64_t most, int64_t *n)
{
	if (s.len > 1 && s.at[0] == '+' && isdigit((unsigned char)s.at[1]))
		s.at++, s.len--;
	return rk_str_int(s, n) && *n >= least && *n <= most;
}

/* Double.parseDouble: C's grammar without "inf", with an optional d or f behind. */
static bool
real(struct rk_str s, double *d)
{
	char text[64], *end;

	if (s.len <= 0 || s.len >= (int32_t)sizeof text)
		return false;
	rk_str_copy(text, sizeof text, s);
	bool named = strcmp(text + (text[0] == '-' || text[0] == '+'), "NaN") == 0
		     || strcmp(text + (text[0] == '-' || text[0] == '+'), "Infinity") == 0;
	for (int32_t i = 0; i < s.len && !named; i++)
		if (strchr("0123456789+-.eExXpPabcdfABCDF", text[i]) == NULL)
			return false;
	*d = strtod(text, &end);
	if (end == text)
		return false;
	if (!named && *end != '\0' && strchr("dDfF", *end) != NULL)
		end++;
	return *end == '\0';
}

struct rk_str
conf_double_text(double d, struct rk_arena *a)
{
	char digits[40], *e;
	int most = 1;

	if (isnan(d))
		return rk_lit("NaN");
	if (isinf(d))
		return d > 0 ? rk_lit("Infinity") : rk_lit("-Infinity");
	if (d == 0)
		return signbit(d) ? rk_lit("-0.0") : rk_lit("0.0");
	do
		snprintf(digits, sizeof digits, "%.*e", most - 1, d);
	while (strtod(digits, NULL) != d && ++most <= 17);
	e = strchr(digits, 'e');
	rk_assert(e != NULL);
	int power = atoi(e + 1);
	if (power >= -3 && power < 7)
		return rk_arena_print(a, "%.*f", (int)rk_max(1, most - 1 - power), d);
	*e = '\0';
	return rk_arena_print(a, "%s%sE%d", digits, most == 1 ? ".0" : "", power);
}

/* [lo,...] and [lo,...,hi], with "or N" behind; text is the value as Kafka prints it. */
static bool
in_range(
    const struct conf_row *r, double v, struct rk_str text, struct rk_arena *a, struct rk_str *why)
{
	const char *dots = strstr(r->valid, ",..."), *also = strstr(r->valid, "] or ");
	char *end;

	if (r->valid[0] != '[' || dots == NULL)
		return true;
	double lo = strtod(r->valid + 1, &end),
	       hi = dots[4] == ',' ? strtod(dots + 5, &end) : INFINITY;
	if (also != NULL) {
		if ((v >= lo && v <= hi) || v == strtod(also + 5, &end))
			return true;
		return refuse(why, a, r, text,
		    rk_arena_print(
			a, "Value must be between %g and %g or equal to %s", lo, hi, also + 5)
			.at);
	}
	if (v < lo)
		return refuse(why, a, r, text,
		    rk_arena_print(
			a, "Value must be at least %.*s", (int)(dots - r->valid - 1), r->valid + 1)
			.at);
	if (v > hi)
		return refuse(why, a, r, text,
		    rk_arena_print(a, "Value must be no more than %.*s",
			(int)(strchr(dots, ']') - dots - 5), dots + 5)
			.at);
	return true;
}

static bool
number(const struct conf_row *r, struct rk_str raw, struct rk_arena *a, struct conf_value *v,
    struct rk_str *why)
{
	static const struct {
		const char *name;
		int64_t least, most;
	} kind[] = {
	    [CONF_INT] = {"INT", INT32_MIN, INT32_MAX},
	    [CONF_SHORT] = {"SHORT", INT16_MIN, INT16_MAX},
	    [CONF_LONG] = {"LONG", INT64_MIN, INT64_MAX},
	    [CONF_DOUBLE] = {"DOUBLE", 0, 0},
	};
	bool is_double = r->type == CONF_DOUBLE;

	if (is_double ? !real(v->s, &v->d)
		      : !whole(v->s, kind[r->type].least, kind[r->type].most, &v->n))
		return refuse(why, a, r, raw,
		    rk_arena_print(a, "Not a number of type %s", kind[r->type].name).at);
	if (!is_double)
		v->d = (double)v->n;
	/* Kafka prints the number it read, not the text it came from. */
	char shown[32];
	snprintf(shown, sizeof shown, "%" PRId64, v->n);
	return in_range(r, v->d, is_double ? conf_double_text(v->d, a) : rk_str_of(shown), a, why);
}

static bool
one_of(const struct conf_row *r, struct rk_str word, struct rk_arena *a, struct rk_str *why)
{
	bool any_case = strncmp(r->valid, "(case", 5) == 0;
	struct rk_str words = inside(r->valid);

	if (conf_word_place(r->valid, word, any_case) >= 0)
		return true;
	return refuse(why, a, r, word,
	    rk_arena_print(a, "String must be one of%s: %.*s",
		any_case ? " (case insensitive)" : "", words.len, words.at)
		.at);
}

/* PnDTnHnMn.nS, as java.time.Duration reads it, not negative. */
static bool
duration(struct rk_str s)
{
	bool in_time = false, any = false, after_t = true;

	if (s.len < 2 || toupper((unsigned char)s.at[0]) != 'P')
		return false;
	for (int32_t i = 1; i < s.len;) {
		if (toupper((unsigned char)s.at[i]) == 'T' && !in_time) {
			in_time = true;
			after_t = false;
			i++;
			continue;
		}
		int32_t from = i;
		while (i < s.len && (isdigit((unsigned char)s.at[i]) || s.at[i] == '.'))
			i++;
		if (i == from || i == s.len)
			return false;
		if (strchr(in_time ? "HMS" : "D", toupper((unsigned char)s.at[i])) == NULL)
			return false;
		any = after_t = true;
		i++;
	}
	return any && after_t;
}

static bool
offset_reset(const struct conf_row *r, struct rk_str s, struct rk_arena *a, struct rk_str *why)
{
	static const char by[] = "by_duration:";
	const int32_t skip = (int32_t)sizeof by - 1;

	if (rk_str_is(s, "latest") || rk_str_is(s, "earliest"))
		return true;
	if (conf_begins(s, by) && duration((struct rk_str){s.at + skip, s.len - skip}))
		return true;
	return refuse(why, a, r, s,
	    rk_arena_print(a,
		"Invalid value `%.*s` for configuration %s. The value must be either 'earliest', "
		"'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.",
		s.len, s.at, r->name)
		.at);
}

static bool
string(const struct conf_row *r, struct rk_arena *a, struct conf_value *v, struct rk_str *why)
{
	if (strncmp(r->valid, "non-empty", 9) == 0 && v->s.len == 0)
		return refuse(why, a, r, v->s, "String must be non-empty");
	if (strstr(r->valid, "by_duration") != NULL)
		return offset_reset(r, v->s, a, why);
	if (r->valid[0] != '[' && strncmp(r->valid, "(case", 5) != 0)
		return true;
	v->n = conf_word_place(r->valid, v->s, r->valid[0] == '(');
	return one_of(r, v->s, a, why);
}

/* A word is PARTITION:BROKER, two plain numbers. */
static bool
replica(struct rk_str s)
{
	bool colon = false, digit = false;

	for (int32_t i = 0; i < s.len; i++) {
		if (s.at[i] == ':' && digit && !colon) {
			colon = true;
			digit = false;
		} else if (isdigit((unsigned char)s.at[i])) {
			digit = true;
		} else {
			return false;
		}
	}
	return colon && digit;
}

static bool
throttled(const struct conf_row *r, struct rk_arena *a, struct conf_value *v, struct rk_str *why)
{
	bool fine = true;
	struct rk_str all = rk_lit("");

	if (v->count == 1 && rk_str_is(v->word[0], "*"))
		return true;
	/* Java drops the empty strings behind the last comma, then Kafka looks at the rest. */
	uint32_t n = v->count;
	while (n > 0 && v->word[n - 1].len == 0)
		n--;
	for (uint32_t i = 0; i < n; i++)
		fine = fine && replica(v->word[i]);
	if (fine)
		return true;
	for (uint32_t i = 0; i < v->count; i++)
		all = rk_arena_print(a, "%.*s%s%.*s", all.len, all.at, i > 0 ? ", " : "",
		    v->word[i].len, v->word[i].at);
	return refuse(why, a, r, rk_arena_print(a, "[%.*s]", all.len, all.at),
	    rk_arena_print(a,
		"%s must be the literal '*' or a list of replicas in the following format: "
		"[partitionId]:[brokerId],[partitionId]:[brokerId],...",
		r->name)
		.at);
}

static bool
empty_list(const struct conf_row *r, struct rk_arena *a, struct rk_str *why)
{
	/* These lists may be empty in Kafka; all others that say "non-empty" or have words may not.
	 */
	if (strcmp(r->valid, "non-empty list") != 0 && r->shown != CONF_INTERNAL
	    && strcmp(r->valid, "") != 0)
		*why = rk_arena_print(a,
		    "Configuration '%s' must not be empty. Valid values include: %s", r->name,
		    r->valid);
	else
		*why = rk_arena_print(a,
		    "Configuration '%s' must not be empty. Valid values include: any non-empty "
		    "value",
		    r->name);
	return false;
}

/* Kafka drops repeated words of every list that it validates. */
static void
add_word(struct conf_value *v, struct rk_str w)
{
	for (uint32_t i = 0; i < v->count; i++)
		if (rk_str_eq(v->word[i], w))
			return;
	v->word[v->count++] = w;
}

static bool
may_be_empty(const struct conf_row *r)
{
	static const char *const never[] = {"process.roles", "controller.listener.names",
	    "listeners", "advertised.listeners", "log.dirs", "log.dir", "group.consumer.assignors",
	    "group.share.assignors", "group.coordinator.rebalance.protocols"};

	for (size_t i = 0; i < rk_countof(never); i++)
		if (strcmp(r->name, never[i]) == 0)
			return false;
	return true;
}

static bool
list(const struct conf_row *r, struct rk_arena *a, struct conf_value *v, struct rk_str *why)
{
	struct rk_str rest = v->s, one;
	uint32_t most = 1;
	bool plain = strncmp(r->valid, "[partitionId]", 13) == 0,
	     words = r->valid[0] == '[' && !plain;

	if (v->s.len == 0)
		return may_be_empty(r) || empty_list(r, a, why);
	for (int32_t i = 0; i < v->s.len; i++)
		most += v->s.at[i] == ',';
	v->word = rk_arena_get(a, most, sizeof *v->word);
	while (v->word != NULL && conf_cut(&rest, ',', &one)) {
		if (plain) {
			v->word[v->count++] = one;
			continue;
		}
		if (one.len == 0) {
			*why = rk_arena_print(
			    a, "Configuration '%s' values must not be empty.", r->name);
			return false;
		}
		if (words && !one_of(r, one, a, why))
			return false;
		if (v->count == WORDS_MAX) {
			*why = rk_arena_print(a,
			    "Configuration '%s' has more than %d different values.", r->name,
			    WORDS_MAX);
			return false;
		}
		add_word(v, one);
		if (words)
			v->n |= (int64_t)1 << conf_word_place(r->valid, one, false);
	}
	return !plain || throttled(r, a, v, why);
}

bool
conf_value_parse(const struct conf_row *r, struct rk_str text, struct rk_arena *a,
    struct conf_value *v, struct rk_str *why)
{
	*v = (struct conf_value){.s = conf_trim(text)};
	switch (r->type) {
	case CONF_BOOLEAN:
		v->n = same_word(v->s, rk_lit("true"), true);
		return v->n || same_word(v->s, rk_lit("false"), true)
		       || refuse(why, a, r, text, "Expected value to be either true or false");
	case CONF_INT:
	case CONF_SHORT:
	case CONF_LONG:
	case CONF_DOUBLE:
		return number(r, text, a, v, why);
	case CONF_LIST:
		return list(r, a, v, why);
	default:
		return string(r, a, v, why);
	}
}

struct rk_str
conf_value_text(const struct conf_row *r, const struct conf_value *v, struct rk_arena *a)
{
	switch (r->type) {
	case CONF_BOOLEAN:
		return v->n ? rk_lit("true") : rk_lit("false");
	case CONF_INT:
	case CONF_SHORT:
	case CONF_LONG:
		return rk_arena_print(a, "%" PRId64, v->n);
	case CONF_DOUBLE:
		return conf_double_text(v->d, a);
	case CONF_LIST:
		break;
	default:
		return rk_arena_str(a, v->s);
	}
	char *to = rk_arena_raw(a, (size_t)v->s.len + 1);
	int32_t len = 0;
	for (uint32_t i = 0; i < v->count && to != NULL; i++) {
		if (i > 0)
			to[len++] = ',';
		memcpy(to + len, v->word[i].at, (size_t)v->word[i].len);
		len += v->word[i].len;
	}
	if (to != NULL)
		to[len] = '\0';
	return to == NULL ? RK_STR_NULL : (struct rk_str){to, len};
}
