/* re2.h - whether RE2 takes a regular expression: its syntax in one pass, without a library that matches.
 *
 * Consumers subscribe with RE2's expressions (KIP-848) and transactions are listed by them. What matches them here
 * is another library (src/core/regex.h), which takes more: what RE2 refuses is refused before that sees it. */
#ifndef RK_RE2_H
#define RK_RE2_H
#include "base/str.h"

/* NULL: RE2 takes it. Otherwise the first thing that is wrong, in the words of RE2 for Java (1.8); a literal. Any bytes
 * may stand in the text; it is only read, once, and nothing is kept. */
const char *rk_re2_wrong(struct rk_str text);
#endif
