/* group_regex.c - regular expressions that consumers subscribe by: RE2's syntax, matched by PCRE2 within bounds.
 *
 * Kafka has RE2/J: no backreferences, no looking around, and time linear in the text. What RE2 does not take is refused
 * in its words (base/re2.h) before PCRE2 sees it; PCRE2's backtracking is bounded for each topic name (which are
 * short), and an expression that hits the bound again and again is given up: it matches no more topics. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include "base/mem.h"
#include "base/re2.h"
#include "base/say.h"
#include "src/core/group_consumer.h"

enum { TEXT_MAX = 4096, STEPS_MAX = 20000, HEAP_KIB = 512, GIVE_UP = 16 };

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
	const char *text = s.len > TEXT_MAX ? "it is longer than 4096 bytes" : rk_re2_wrong(s);
	char own[128];
	int code;

	if (text == NULL) {
		pcre2_code *c = compile(s, &code);
		if (c != NULL) {
			pcre2_code_free(c);
			return RK_OK;
		}
		pcre2_get_error_message(code, (PCRE2_UCHAR *)own, sizeof own);
		text = own;
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
