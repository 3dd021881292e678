/* jread.c - reads JSON, and says what is wrong in the words of Kafka's commands. */
#include "src/cmd/jread.h"

enum { FILE_MAX = 256 << 20 };

/* What was read instead, as compact JSON. */
static void *
odd(struct cmd_read *r, const char *wanted, json_t *got)
{
	if (r->bad)
		return NULL;
	char *text = got == NULL ? NULL : json_dumps(got, JSON_COMPACT | JSON_ENCODE_ANY);
	snprintf(r->why, sizeof r->why, "Expected %s, received %s", wanted,
	    text == NULL ? "null" : text);
	free(text);
	r->bad = true;
	return NULL;
}

void
cmd_read_text(struct cmd_read *r, const char *text, size_t len)
{
	json_error_t e;

	memset(r, 0, sizeof *r);
	r->root = json_loadb(text, len, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
	r->broken = r->bad = r->root == NULL;
}

void
cmd_read_free(struct cmd_read *r)
{
	json_decref(r->root);
	r->root = NULL;
}

json_t *
cmd_read_object(struct cmd_read *r, json_t *j)
{
	return r->bad || json_is_object(j) ? j : odd(r, "JSON object", j);
}

json_t *
cmd_read_field(struct cmd_read *r, json_t *object, const char *name)
{
	json_t *j = json_object_get(cmd_read_object(r, object), name);

	if (j == NULL && !r->bad) {
		snprintf(r->why, sizeof r->why, "No such field exists: `%s`", name);
		r->bad = true;
	}
	return r->bad ? NULL : j;
}

json_t *
cmd_read_list(struct cmd_read *r, json_t *j)
{
	return r->bad || json_is_array(j) ? j : odd(r, "JSON array", j);
}

json_t *
cmd_read_inner_list(struct cmd_read *r, json_t *j)
{
	return r->bad || json_is_array(j) ? j : odd(r, "`JSON array` value", j);
}

int32_t
cmd_read_int(struct cmd_read *r, json_t *j)
{
	if (r->bad || !json_is_integer(j) || json_integer_value(j) != (int32_t)json_integer_value(j)) {
		odd(r, "`Integer` value", j);
		return 0;
	}
	return (int32_t)json_integer_value(j);
}

const char *
cmd_read_string(struct cmd_read *r, json_t *j)
{
	if (r->bad || !json_is_string(j))
		return odd(r, "`String` value", j);
	return json_string_value(j);
}

int32_t
cmd_read_version(struct cmd_read *r, json_t *object)
{
	json_t *j = json_object_get(object, "version");

	return j == NULL ? 1 : cmd_read_int(r, j);
}

void
cmd_write_string(FILE *f, struct rk_str s)
{
	fputc('"', f);
	for (int32_t i = 0; i < s.len; i++) {
		unsigned char ch = (unsigned char)s.at[i];
		if (ch == '"' || ch == '\\')
			fprintf(f, "\\%c", ch);
		else if (ch < 0x20)
			fprintf(f, "\\u%04X", ch);
		else
			fputc(ch, f);
	}
	fputc('"', f);
}

char *
cmd_read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "r");
	size_t cap = 4096, n = 0;
	char *to = NULL;

	if (f == NULL)
		return NULL;
	for (*len = 0;; *len += n) {
		to = rk_mem_grow(to, cap + 1);
		n = fread(to + *len, 1, cap - *len, f);
		if (n == 0 || *len + n > FILE_MAX)
			break;
		cap = *len + n == cap ? cap * 2 : cap;
	}
	int e = ferror(f) ? errno : *len + n > FILE_MAX ? EFBIG : 0;
	fclose(f);
	to[*len] = 0;
	if (e == 0)
		return to;
	rk_mem_put(to);
	errno = e;
	return NULL;
}
