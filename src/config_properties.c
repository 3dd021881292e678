/* config_properties.c - Java's .properties syntax.
 *
 * A natural line that begins (after blanks) with '#' or '!' is a comment. Others are joined while
 * they end in an odd number of backslashes; blanks that begin a joined line are dropped. The key
 * ends at the first '=', ':' or blank that is not escaped; one '=' or ':' with blanks around it
 * parts key and value. \t \n \r \f and \uXXXX are what they are in Java; any other escaped
 * character is itself. Bytes from 128 up are passed on as they are, so a file in UTF-8 stays UTF-8
 * (Java would read it as Latin-1). */
#include "src/config_in.h"

struct cursor {
	const char *at, *end;
	uint32_t line;
};

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\f';
}

static bool
line_end(char c)
{
	return c == '\n' || c == '\r';
}

static void
next_line(struct cursor *c)
{
	while (c->at < c->end && !line_end(*c->at))
		c->at++;
	if (c->at < c->end && *c->at == '\r' && c->at + 1 < c->end && c->at[1] == '\n')
		c->at++;
	if (c->at < c->end)
		c->at++;
	c->line++;
}

/* Appends natural lines to to until one does not end in a backslash. Escapes stay as they are. */
static char *
logical_line(struct cursor *c, char *to)
{
	for (bool more = true; more;) {
		bool escaped = false;

		while (c->at < c->end && blank(*c->at))
			c->at++;
		while (c->at < c->end && !line_end(*c->at)) {
			escaped = *c->at == '\\' && !escaped;
			*to++ = *c->at++;
		}
		more = escaped && c->at < c->end;
		if (escaped)
			to--; /* the backslash that joins the lines, or ends the file */
		next_line(c);
	}
	return to;
}

static int
hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static bool
unit(const char *at, const char *end, uint32_t *u)
{
	*u = 0;
	if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
		return false;
	for (int i = 2; i < 6; i++) {
		if (hex(at[i]) < 0)
			return false;
		*u = *u << 4 | (uint32_t)hex(at[i]);
	}
	return true;
}

static char *
utf8(char *to, uint32_t u)
{
	if (u < 0x80) {
		*to++ = (char)u;
	} else if (u < 0x800) {
		*to++ = (char)(0xc0 | u >> 6);
		*to++ = (char)(0x80 | (u & 63));
	} else if (u < 0x10000) {
		*to++ = (char)(0xe0 | u >> 12);
		*to++ = (char)(0x80 | (u >> 6 & 63));
		*to++ = (char)(0x80 | (u & 63));
	} else {
		*to++ = (char)(0xf0 | u >> 18);
		*to++ = (char)(0x80 | (u >> 12 & 63));
		*to++ = (char)(0x80 | (u >> 6 & 63));
		*to++ = (char)(0x80 | (u & 63));
	}
	return to;
}

/* Undoes the escapes in place: the result is never longer. */
static bool
unescape(char *from, const char *end, struct rk_str *out)
{
	char *to = from;
	uint32_t u, low;

	out->at = from;
	for (const char *p = from; p < end;) {
		if (*p != '\\' || p + 1 == end) {
			*to++ = *p++;
		} else if (p[1] == 'u') {
			if (!unit(p, end, &u))
				return false;
			p += 6;
			if (u >= 0xd800 && u < 0xdc00 && unit(p, end, &low) && low >= 0xdc00
			    && low < 0xe000) {
				u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
				p += 6;
			} else if (u >= 0xd800 && u < 0xe000) {
				u = '?'; /* half a pair: Java prints it so, too */
			}
			to = utf8(to, u);
		} else {
			const char *plain = strchr("tnrf", p[1]);
			*to++ = plain != NULL && p[1] != '\0' ? "\t\n\r\f"[plain - "tnrf"] : p[1];
			p += 2;
		}
	}
	out->len = (int32_t)(to - from);
	return true;
}

static bool
deliver(char *from, char *end, conf_pair_fn *pair, void *arg, uint32_t line)
{
	char *k = from, *v;
	struct rk_str key, value;

	while (k < end && !blank(*k) && *k != '=' && *k != ':')
		k += *k == '\\' && k + 1 < end ? 2 : 1;
	for (v = k; v < end && blank(*v); v++)
		;
	if (v < end && (*v == '=' || *v == ':'))
		for (v++; v < end && blank(*v); v++)
			;
	if (!unescape(from, k, &key) || !unescape(v, end, &value))
		return false;
	pair(arg, key, value, line);
	return true;
}

bool
conf_properties(
    struct rk_str bytes, struct rk_arena *a, conf_pair_fn *pair, void *arg, uint32_t *bad)
{
	struct cursor c = {bytes.at, bytes.at + (bytes.len > 0 ? bytes.len : 0), 1};
	/* One buffer of the file's size takes every line in turn: no line is longer. */
	char *buf = rk_arena_raw(a, (size_t)(c.end - c.at) + 1);

	while (buf != NULL && c.at < c.end) {
		while (c.at < c.end && blank(*c.at))
			c.at++;
		if (c.at == c.end || line_end(*c.at) || *c.at == '#' || *c.at == '!') {
			next_line(&c);
			continue;
		}
		uint32_t line = c.line;
		char *end = logical_line(&c, buf);
		if (!deliver(buf, end, pair, arg, line)) {
			*bad = line;
			return false;
		}
	}
	return true;
}
