/* group_regex.c - regular expressions that consumers subscribe by: RE2's syntax, matched by PCRE2 within bounds.
 *
 * Kafka has RE2/J: no backreferences, no looking around, and time linear in the text. What RE2 does not know is refused
 * here in its words before PCRE2 sees it; PCRE2's backtracking is bounded for each topic name (which are short), and an
 * expression that hits the bound again and again is given up: it matches no more topics. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include "base/mem.h"
#include "base/say.h"
#include "src/core/group_consumer.h"

enum { TEXT_MAX = 4096, STEPS_MAX = 20000, HEAP_KIB = 512, GIVE_UP = 16 };

/* --- what RE2 does not have */
static bool
is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Behind the escape at i; its length, or 0: RE2 has no such. */
static int32_t
escape(struct rk_str s, int32_t i)
{
	char c = i + 1 < s.len ? s.at[i + 1] : '\0';

	if (c == '\0')
		return 0;
	if (!is_letter_or_digit(c))
		return 2;
	return strchr("aftnrvx0QEAbBzdDsSwWpPC", c) != NULL ? 2 : 0;
}

/* Behind the class that begins at i; -1: it does not end. */
static int32_t
class_end(struct rk_str s, int32_t i)
{
	i++;
	if (i < s.len && s.at[i] == '^')
		i++;
	if (i < s.len && s.at[i] == ']')
		i++;
	while (i < s.len && s.at[i] != ']') {
		if (s.at[i] == '\\')
			i++;
		else if (s.at[i] == '[' && i + 1 < s.len && s.at[i + 1] == ':')
			while (i < s.len && s.at[i] != ']')
				i++;
		i++;
	}
	return i < s.len ? i + 1 : -1;
}

/* "(?" at i: flags, a name, or nothing but grouping. NULL: it is known. */
static const char *
odd_group(struct rk_str s, int32_t i)
{
	int32_t at = i + 2;

	at += at + 1 < s.len && s.at[at] == 'P' && s.at[at + 1] == '<';
	if (at < s.len && s.at[at] == '<') {
		int32_t from = ++at;
		while (at < s.len && (is_letter_or_digit(s.at[at]) || s.at[at] == '_'))
			at++;
		return at < s.len && at > from && s.at[at] == '>' ? NULL : "invalid named capture";
	}
	while (at < s.len && strchr("imsU-", s.at[at]) != NULL)
		at++;
	return at < s.len && (s.at[at] == ':' || (s.at[at] == ')' && at > i + 2)) ? NULL
	    : "invalid or unsupported Perl syntax";
}

/* Behind a repetition at i ("*", "+", "?", "{2,3}", each perhaps with "?"); i when there is none. */
static int32_t
repetition_end(struct rk_str s, int32_t i)
{
	int32_t to = i;

	if (i < s.len && (s.at[i] == '*' || s.at[i] == '+' || s.at[i] == '?')) {
		to = i + 1;
	} else if (i + 1 < s.len && s.at[i] == '{' && s.at[i + 1] >= '0' && s.at[i + 1] <= '9') {
		for (to = i + 1; to < s.len && (s.at[to] == ',' || (s.at[to] >= '0' && s.at[to] <= '9')); to++)
			;
		to = to < s.len && s.at[to] == '}' ? to + 1 : i;
	}
	return to > i && to < s.len && s.at[to] == '?' ? to + 1 : to;
}

/* "{2,3}" from i: RE2 repeats a thousand times at most. */
static bool
is_too_often(struct rk_str s, int32_t i, int32_t to)
{
	int32_t n = 0;

	for (i++; i < to; i++) {
		n = s.at[i] >= '0' && s.at[i] <= '9' ? n * 10 + s.at[i] - '0' : 0;
		if (n > 1000)
			return true;
	}
	return false;
}

static const char *
odd(struct rk_str s)
{
	const char *why;

	for (int32_t i = 0, n; i < s.len; i = n) {
		n = i + 1;
		if (s.at[i] == '\\') {
			if (i + 1 == s.len)
				return "trailing backslash at end of expression";
			if ((n = i + escape(s, i)) == i)
				return "invalid escape sequence";
		} else if (s.at[i] == '[') {
			if ((n = class_end(s, i)) < 0)
				return "missing closing ]";
		} else if (s.at[i] == '(' && i + 1 < s.len && s.at[i + 1] == '*') {
			return "missing argument to repetition operator";
		} else if (s.at[i] == '(' && i + 1 < s.len && s.at[i + 1] == '?' && (why = odd_group(s, i)) != NULL) {
			return why;
		}
		int32_t to = s.at[i] == '(' || s.at[i] == '|' ? n : repetition_end(s, n);
		if (to > n && repetition_end(s, to) > to)
			return "invalid nested repetition operator";
		if (to > n && s.at[n] == '{' && is_too_often(s, n, to))
			return "invalid repeat count";
		n = to > n ? to : n;
		if (s.at[i] == '(' && n < s.len && s.at[n] == '?')
			n++;
	}
	return NULL;
}

/* --- PCRE2 */
static const char *
said(int code)
{
	switch (code) {
	case PCRE2_ERROR_MISSING_SQUARE_BRACKET:
		return "missing closing ]";
	case PCRE2_ERROR_MISSING_CLOSING_PARENTHESIS:
		return "missing closing )";
	case PCRE2_ERROR_UNMATCHED_CLOSING_PARENTHESIS:
		return "unexpected )";
	case PCRE2_ERROR_QUANTIFIER_INVALID:
		return "missing argument to repetition operator";
	case PCRE2_ERROR_QUANTIFIER_TOO_BIG:
	case PCRE2_ERROR_QUANTIFIER_OUT_OF_ORDER:
		return "bad repetition operator";
	case PCRE2_ERROR_CLASS_RANGE_ORDER:
		return "invalid character class range";
	default:
		return NULL;
	}
}

static pcre2_code *
compile(struct rk_str s, int *code)
{
	PCRE2_SIZE at;

	*code = 0;
	return pcre2_compile((PCRE2_SPTR)s.at, (PCRE2_SIZE)s.len,
	    PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE, code, &at, NULL);
}

enum rk_err
core_regex_check(struct rk_str s, struct rk_arena *a, struct rk_str *why)
{
	const char *text = s.len > TEXT_MAX ? "it is longer than 4096 bytes" : odd(s);
	char own[128];
	int code;

	if (text == NULL) {
		pcre2_code *c = compile(s, &code);
		if (c != NULL) {
			pcre2_code_free(c);
			return RK_OK;
		}
		text = said(code);
		if (text == NULL) {
			pcre2_get_error_message(code, (PCRE2_UCHAR *)own, sizeof own);
			text = own;
		}
	}
	*why = rk_arena_print(a, "%s", text);
	return RK_INVALID_REGULAR_EXPRESSION;
}

static int
by_text(const void *a, const void *b)
{
	return rk_str_cmp(*(const struct rk_str *)a, *(const struct rk_str *)b);
}

/* --- matching */
struct core_regex {
	struct rk_str text;
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *bounds;
	int limited; /* names for which the bound was hit */
};

struct core_regex *
core_regex_new(struct rk_str text)
{
	struct core_regex *r = rk_new(struct core_regex);
	int code;

	r->text = text;
	r->code = compile(text, &code);
	r->data = r->code == NULL ? NULL : pcre2_match_data_create_from_pattern(r->code, NULL);
	r->bounds = pcre2_match_context_create(NULL);
	if (r->data == NULL || r->bounds == NULL) {
		core_regex_free(r);
		return NULL;
	}
	pcre2_set_match_limit(r->bounds, STEPS_MAX);
	pcre2_set_heap_limit(r->bounds, HEAP_KIB);
	return r;
}

bool
core_regex_given_up(const struct core_regex *r)
{
	return r->limited >= GIVE_UP;
}

bool
core_regex_is(struct core_regex *r, struct rk_str name)
{
	if (core_regex_given_up(r))
		return false;
	int got = pcre2_match(r->code, (PCRE2_SPTR)name.at, (PCRE2_SIZE)name.len, 0, PCRE2_ANCHORED | PCRE2_ENDANCHORED,
	    r->data, r->bounds);
	r->limited += got == PCRE2_ERROR_MATCHLIMIT || got == PCRE2_ERROR_HEAPLIMIT || got == PCRE2_ERROR_DEPTHLIMIT;
	return got >= 0;
}

void
core_regex_free(struct core_regex *r)
{
	if (r->limited > 0)
		rk_say(RK_WARN, "The regular expression %.*s takes too many steps for %d names, which count as not matched%s. "
		    "Write it without repetitions of repetitions.", (int)rk_min(r->text.len, 200), r->text.at, r->limited,
		    core_regex_given_up(r) ? ", like all after them" : "");
	pcre2_match_context_free(r->bounds);
	pcre2_match_data_free(r->data);
	pcre2_code_free(r->code);
	rk_mem_put(r);
}

int32_t
core_regex_topics(struct core *core, struct rk_str text, struct rk_arena *a, struct rk_str **topic)
{
	struct core_regex *r = core_regex_new(text);
	int32_t n = 0;

	*topic = rk_arena_get(a, (size_t)core->by_id.count + 1, sizeof **topic);
	for (struct core_topic *t = core_topics_walk(core, NULL); t != NULL && *topic != NULL && r != NULL;
	     t = core_topics_walk(core, t))
		if (core_regex_is(r, t->name))
			(*topic)[n++] = t->name;
	if (n > 1)
		qsort(*topic, (size_t)n, sizeof **topic, by_text);
	if (r != NULL)
		core_regex_free(r);
	return *topic == NULL ? -1 : n;
}
