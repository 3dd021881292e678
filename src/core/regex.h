/* regex.h - regular expressions as RE2 has them, over names: a whole name matches, or it does not (group_regex.c). */
#ifndef CORE_REGEX_H
#define CORE_REGEX_H
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct core_regex;

/* RK_INVALID_REGULAR_EXPRESSION: *why is what is wrong with it, in the arena: RE2's words (base/re2.h), or
 * PCRE2's for the little that it does not take of RE2's. */
rk_must_use enum rk_err core_regex_check(struct rk_str text, struct rk_arena *, struct rk_str *why);
/* Of a text that was found good; it is borrowed. NULL: no memory. */
struct core_regex *core_regex_new(struct rk_str text);
/* An expression that takes too many steps again and again is given up: nothing matches any more. */
bool core_regex_is(struct core_regex *, struct rk_str name);
bool core_regex_given_up(const struct core_regex *);
void core_regex_free(struct core_regex *); /* and says what took too many steps */
#endif
