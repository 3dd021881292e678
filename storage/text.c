/* text.c - lines and words. */
#include "storage/text.h"

static bool
until(struct rk_str *rest, char stop, struct rk_str *piece)
{
	rk_assert(rest->len >= 0);
	if (rest->len == 0)
		return false;
	const char *at = memchr(rest->at, stop, (size_t)rest->len);
	int32_t n = at == NULL ? rest->len : (int32_t)(at - rest->at);
	*piece = (struct rk_str){rest->at, n};
	int32_t used = at == NULL ? n : n + 1;
	rest->at += used;
	rest->len -= used;
	return true;
}

bool
st_text_line(struct rk_str *rest, struct rk_str *line)
{
	if (!until(rest, '\n', line))
		return false;
	if (line->len > 0 && line->at[line->len - 1] == '\r')
		line->len--;
	return true;
}

bool
st_text_word(struct rk_str *line, struct rk_str *word)
{
	do
		if (!until(line, ' ', word))
			return false;
	while (word->len == 0);
	return true;
}

bool
st_text_int(struct rk_str *line, int64_t min, int64_t *v)
{
	struct rk_str word;

	return st_text_word(line, &word) && rk_str_int(word, v) && *v >= min;
}

bool
st_text_head(struct rk_str *rest, int64_t *count)
{
	struct rk_str line;
	int64_t version;

	if (!st_text_line(rest, &line) || !st_text_int(&line, 0, &version) || version != 0)
		return false;
	return st_text_line(rest, &line) && st_text_int(&line, 0, count);
}
