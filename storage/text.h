/* text.h - the lines of Kafka's little text files: version, count, then one line of words each. */
#ifndef ST_TEXT_H
#define ST_TEXT_H
#include "base/str.h"

/* Takes the next line (without its end) off *rest; false at the end. A last line needs no newline. */
bool st_text_line(struct rk_str *rest, struct rk_str *line);
/* Takes the next word (up to a blank) off *line; false when none is left. */
bool st_text_word(struct rk_str *line, struct rk_str *word);
/* The next word as a number of at least min; false: it is none. */
bool st_text_int(struct rk_str *line, int64_t min, int64_t *);
/* The two head lines: version 0 and the count. */
bool st_text_head(struct rk_str *rest, int64_t *count);
#endif
