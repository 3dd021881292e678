/* util.c - properties files, Java-like regular expressions, lists. */
#include "src/cmd/cmd.h"
#include <ctype.h>
#include <regex.h>

void
cmd_props_set(struct cmd_props *p, const char *key, const char *value)
{
	for (uint32_t i = 0; i < p->count; i++)
		if (strcmp(p->at[i].key, key) == 0) {
			rk_mem_put(p->at[i].value);
			p->at[i].value = rk_mem_str(value, strlen(value));
			return;
		}
	struct cmd_prop *n = rk_mem_room((void **)&p->at, p->count, &p->cap, sizeof *n);
	n->key = rk_mem_str(key, strlen(key));
	n->value = rk_mem_str(value, strlen(value));
	p->count++;
}

bool
cmd_props_add(struct cmd_props *p, const char *pair)
{
	const char *eq = strchr(pair, '=');

	if (eq == NULL)
		return false;
	char *key = rk_mem_str(pair, (size_t)(eq - pair));
	cmd_props_set(p, key, eq + 1);
	rk_mem_put(key);
	return true;
}

const char *
cmd_props_get(const struct cmd_props *p, const char *key)
{
	for (uint32_t i = 0; i < p->count; i++)
		if (strcmp(p->at[i].key, key) == 0)
			return p->at[i].value;
	return NULL;
}

bool
cmd_props_true(const struct cmd_props *p, const char *key, bool otherwise)
{
	const char *v = cmd_props_get(p, key);

	return v == NULL ? otherwise : strcasecmp(v, "true") == 0;
}

void
cmd_props_free(struct cmd_props *p)
{
	for (uint32_t i = 0; i < p->count; i++) {
		rk_mem_put(p->at[i].key);
		rk_mem_put(p->at[i].value);
	}
	rk_mem_put(p->at);
	memset(p, 0, sizeof *p);
}

/* Puts the code point as UTF-8; returns the bytes. */
static size_t
utf8(unsigned u, char *to)
{
	if (u < 0x80) {
		to[0] = (char)u;
		return 1;
	}
	if (u < 0x800) {
		to[0] = (char)(0xc0 | u >> 6);
		to[1] = (char)(0x80 | (u & 63));
		return 2;
	}
	to[0] = (char)(0xe0 | u >> 12);
	to[1] = (char)(0x80 | (u >> 6 & 63));
	to[2] = (char)(0x80 | (u & 63));
	return 3;
}

/* Takes the escapes out of s up to (not including) end; returns where it stopped. to may be s. */
static const char *
unescape(const char *s, const char *stops, char *to)
{
	while (*s != 0 && strchr(stops, *s) == NULL) {
		unsigned u;
		if (*s != '\\') {
			*to++ = *s++;
		} else if (s[1] == 'u' && sscanf(s + 2, "%4x", &u) == 1 && strlen(s) >= 6) {
			to += utf8(u, to);
			s += 6;
		} else if (s[1] != 0) {
			*to++ = s[1] == 't'   ? '\t'
				: s[1] == 'n' ? '\n'
				: s[1] == 'r' ? '\r'
				: s[1] == 'f' ? '\f'
					      : s[1];
			s += 2;
		} else {
			s++;
		}
	}
	*to = 0;
	return s;
}

static void
prop_line(struct cmd_props *p, char *line)
{
	char *key = line + strspn(line, " \t\f");
	char *value;

	if (*key == 0 || *key == '#' || *key == '!')
		return;
	char *name = rk_mem_get(strlen(key) + 1);
	char *text = rk_mem_get(strlen(key) + 1);
	value = key + (unescape(key, "=: \t\f", name) - key);
	value += strspn(value, " \t\f");
	if (*value == '=' || *value == ':')
		value++;
	value += strspn(value, " \t\f");
	unescape(value, "", text);
	cmd_props_set(p, name, text);
	rk_mem_put(name);
	rk_mem_put(text);
}

/* A line that ends with an odd number of backslashes goes on in the next one. */
static bool
goes_on(char *line, size_t *len)
{
	size_t n = 0;

	while (*len > 0 && (line[*len - 1] == '\n' || line[*len - 1] == '\r'))
		line[--*len] = 0;
	while (n < *len && line[*len - 1 - n] == '\\')
		n++;
	if (n % 2 == 0)
		return false;
	line[--*len] = 0;
	return true;
}

bool
cmd_props_read(struct cmd_props *p, const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL, *whole = NULL;
	size_t cap = 0, used = 0;
	ssize_t got;

	if (f == NULL)
		return false;
	while ((got = getline(&line, &cap, f)) >= 0) {
		size_t len = (size_t)got;
		bool more = goes_on(line, &len);
		size_t skip = used == 0 ? 0 : strspn(line, " \t\f");
		whole = rk_mem_grow(whole, used + len + 1);
		memcpy(whole + used, line + skip, len - skip + 1);
		used += len - skip;
		if (more)
			continue;
		prop_line(p, whole);
		used = 0;
	}
	if (used > 0)
		prop_line(p, whole);
	rk_mem_put(whole);
	free(line);
	fclose(f);
	return true;
}

struct cmd_regex {
	regex_t re;
};

/* Java's \d is POSIX's [0-9]; the rest glibc understands. Anchored at both ends. */
static char *
posix(const char *p)
{
	char *to = rk_mem_get(strlen(p) * 6 + 8), *t = to;

	t = stpcpy(t, "^(");
	for (; *p != 0; p++) {
		if (p[0] == '\\' && (p[1] == 'd' || p[1] == 'D')) {
			t = stpcpy(t, p[1] == 'd' ? "[0-9]" : "[^0-9]");
			p++;
		} else if (p[0] == '\\' && (p[1] == 'Q' || p[1] == 'E')) {
			p++;
		} else if (p[0] == '(' && p[1] == '?' && p[2] == ':') {
			*t++ = '(';
			p += 2;
		} else {
			*t++ = *p;
			if (*p == '\\' && p[1] != 0)
				*t++ = *++p;
		}
	}
	stpcpy(t, ")$");
	return to;
}

struct cmd_regex *
cmd_regex_new(const char *pattern, char *why, size_t why_size)
{
	struct cmd_regex *r = rk_new(struct cmd_regex);
	char *p = posix(pattern);
	int e = regcomp(&r->re, p, REG_EXTENDED | REG_NOSUB);

	rk_mem_put(p);
	if (e == 0)
		return r;
	regerror(e, &r->re, why, why_size);
	rk_mem_put(r);
	return NULL;
}

struct cmd_regex *
cmd_regex_topics(const char *pattern, char *why, size_t why_size)
{
	char *p = rk_mem_get(strlen(pattern) + 1), *t = p;
	struct cmd_regex *r;

	for (; *pattern != 0; pattern++)
		if (*pattern != ' ')
			*t++ = *pattern == ',' ? '|' : *pattern;
	while (t > p && (t[-1] == '"' || t[-1] == '\''))
		*--t = 0;
	r = cmd_regex_new(p + strspn(p, "\"'"), why, why_size);
	rk_mem_put(p);
	return r;
}

bool
cmd_regex_is(const struct cmd_regex *r, struct rk_str s)
{
	char name[300];

	if (s.len < 0 || s.len >= (int32_t)sizeof name)
		return false;
	return regexec(&r->re, rk_str_copy(name, sizeof name, s), 0, NULL, 0) == 0;
}

void
cmd_regex_free(struct cmd_regex *r)
{
	if (r != NULL)
		regfree(&r->re);
	rk_mem_put(r);
}

int64_t
cmd_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool
cmd_topic_internal(struct rk_str s)
{
	return rk_str_is(s, "__consumer_offsets") || rk_str_is(s, "__transaction_state")
	       || rk_str_is(s, "__share_group_state");
}

uint32_t
cmd_split(struct rk_arena *a, const char *text, char at, char ***pieces)
{
	uint32_t count = 1, n = 0;

	for (const char *p = text; *p != 0; p++)
		count += *p == at;
	*pieces = rk_arena_get(a, count, sizeof **pieces);
	while (n < count) {
		const char *end = strchrnul(text, at), *last = end;
		while (text < last && isspace((unsigned char)*text))
			text++;
		while (last > text && isspace((unsigned char)last[-1]))
			last--;
		(*pieces)[n++] = (char *)(uintptr_t)rk_arena_str(
		    a, (struct rk_str){text, (int32_t)(last - text)})
				     .at;
		text = end + 1;
	}
	return count;
}

const char *
cmd_java_error(enum rk_err e, char *to, size_t size)
{
	static const struct {
		enum rk_err err;
		const char *name;
	} odd[] = {
	    {RK_REQUEST_TIMED_OUT, "Timeout"},
	    {RK_CORRUPT_MESSAGE, "CorruptRecord"},
	    {RK_MESSAGE_TOO_LARGE, "RecordTooLarge"},
	    {RK_RECORD_LIST_TOO_LARGE, "RecordBatchTooLarge"},
	    {RK_INVALID_CONFIG, "InvalidConfiguration"},
	    {RK_TOPIC_ALREADY_EXISTS, "TopicExists"},
	    {RK_INVALID_TOPIC_EXCEPTION, "InvalidTopic"},
	    {RK_KAFKA_STORAGE_ERROR, "KafkaStorage"},
	    {RK_NETWORK_EXCEPTION, "Network"},
	    {RK_UNKNOWN_SERVER_ERROR, "UnknownServer"},
	    {RK_NON_EMPTY_GROUP, "GroupNotEmpty"},
	};
	const char *name = rk_err_name(e);
	size_t n = (size_t)snprintf(to, size, "org.apache.kafka.common.errors.");
	bool up = true;

	for (uint32_t i = 0; i < rk_countof(odd); i++)
		if (odd[i].err == e) {
			snprintf(to + n, size - n, "%sException", odd[i].name);
			return to;
		}
	for (; *name != 0 && n + 10 < size; name++) {
		if (*name != '_')
			to[n++] = up ? *name : (char)tolower((unsigned char)*name);
		up = *name == '_';
	}
	snprintf(to + n, size - n, "Exception");
	return to;
}

const char *
cmd_double(double d, char to[40])
{
	char digits[40], *e;
	int precision = 1, exponent;
	double size = d < 0 ? -d : d;

	if (d != d || size > 1.7976931348623157e308)
		return d != d ? "NaN" : d > 0 ? "Infinity" : "-Infinity";
	do {
		snprintf(digits, sizeof digits, "%.*e", precision - 1, d);
	} while (strtod(digits, NULL) != d && precision++ < 17);
	if (size == 0 || (size >= 1e-3 && size < 1e7)) {
		e = strchr(digits, 'e');
		exponent = (int)strtol(e + 1, NULL, 10);
		snprintf(to, 40, "%.*f", (int)rk_max(precision - 1 - exponent, 1), d);
		return to;
	}
	e = strchr(digits, 'e');
	exponent = (int)strtol(e + 1, NULL, 10);
	*e = 0;
	snprintf(to, 40, "%.26s%sE%d", digits, strchr(digits, '.') == NULL ? ".0" : "", exponent);
	return to;
}
