/* consumer_groups_read.c - files of offsets, as --reset-offsets --export writes them and
 * --from-file reads them. */
#include <ctype.h>
#include "src/cmd/consumer_groups.h"
#include "src/cmd/jread.h"

/* The number in a column; one that is not there is 0, as Kafka reads it. */
static bool
column(char **piece, uint32_t count, uint32_t i, const char *type, int64_t *n, char *why,
    size_t why_size)
{
	*n = 0;
	if (i >= count || piece[i][0] == 0)
		return true;
	if (rk_str_int(rk_str_of(piece[i]), n) && (*type == 'l' || *n == (int32_t)*n))
		return true;
	snprintf(why, why_size,
	    "com.fasterxml.jackson.databind.exc.InvalidFormatException: Cannot deserialize value "
	    "of type `%s` from String "
	    "\"%s\": not a valid `%s` value",
	    type, piece[i], type);
	return false;
}

/* The fields of a line, trimmed; one may stand in quotes, and a quote in it is two of them. */
static uint32_t
fields(struct rk_arena *a, const char *text, char ***piece)
{
	char *to = rk_arena_get(a, strlen(text) + 2, 1);
	uint32_t count = 0, most = 1;

	for (const char *p = text; *p != 0; p++)
		most += *p == ',';
	*piece = rk_arena_get(a, most, sizeof **piece);
	for (bool more = to != NULL && *piece != NULL; more; to++) {
		char *from = to;
		text += strspn(text, " \t");
		(*piece)[count++] = to;
		if (*text == '"') {
			for (text++; *text != 0 && (*text != '"' || text[1] == '"'); text++) {
				text += *text == '"';
				*to++ = *text;
			}
			text += strcspn(text, ",");
		} else {
			while (*text != 0 && *text != ',')
				*to++ = *text++;
			while (to > from && isspace((unsigned char)to[-1]))
				to--;
		}
		*to = 0;
		more = *text++ == ',';
	}
	return count;
}

struct line {
	struct rk_str group, topic;
	int64_t partition, offset;
};

static bool
read_line(
    struct rk_arena *a, const char *text, bool grouped, struct line *l, char *why, size_t why_size)
{
	char **piece;
	uint32_t n = fields(a, text, &piece), first = grouped, most = grouped ? 4 : 3;

	*l = (struct line){
	    .group = grouped ? rk_str_of(piece[0]) : RK_STR_NULL, .topic = rk_lit("")};
	if (n > first)
		l->topic = rk_str_of(piece[first]);
	if (!column(piece, n, first + 1, "int", &l->partition, why, why_size)
	    || !column(piece, n, first + 2, "long", &l->offset, why, why_size))
		return false;
	if (n > most) {
		snprintf(why, why_size,
		    "com.fasterxml.jackson.dataformat.csv.CsvReadException: Too many entries: "
		    "expected at most %u (value #%u "
		    "(%zu chars) \"%s\")",
		    most, most, strlen(piece[most]), piece[most]);
	}
	return n <= most;
}

static struct cmd_spots *
plan_of(struct rk_arena *a, struct cmd_plan *plan, uint32_t *plans, struct rk_str group)
{
	for (uint32_t i = 0; i < *plans; i++)
		if (rk_str_eq(plan[i].group, group))
			return &plan[i].spots;
	plan[*plans] = (struct cmd_plan){.group = rk_arena_str(a, group)};
	return &plan[(*plans)++].spots;
}

static void
put(struct rk_arena *a, struct cmd_spots *s, const struct line *l)
{
	struct cmd_spot *p = cmd_spots_add(a, s, rk_arena_str(a, l->topic), (int32_t)l->partition);

	p->offset = l->offset;
	p->epoch =
	    (int32_t)
		s->count; /* the last line for a partition wins: they are sorted by this, too */
}

static void
keep_last(struct cmd_spots *s)
{
	uint32_t kept = 0;

	cmd_spots_sort(s);
	for (uint32_t i = 0; i < s->count; i++) {
		bool same = kept > 0 && s->at[kept - 1].partition == s->at[i].partition
			    && rk_str_eq(s->at[kept - 1].topic, s->at[i].topic);
		s->at[same ? kept - 1 : kept] = s->at[i];
		kept += !same;
	}
	s->count = kept;
}

int
cmd_plan_read(struct cmd_groups_job *j, const char *path, struct cmd_plan **plan, uint32_t *plans)
{
	struct rk_arena *a = &j->c.arena;
	size_t len;
	char *text = cmd_read_file(path, &len), **row, why[400];
	uint32_t rows;
	struct line l;
	int rc = 0;

	*plans = 0;
	if (text == NULL)
		return cmd_groups_wrong("Executing consumer group command failed due to "
					"java.io.IOException: Unable to read file %s",
			   path)
		       + 1;
	rows = cmd_split(a, text, '\n', &row);
	*plan = rk_arena_get(a, (size_t)rows + 1, sizeof **plan);
	if (strspn(text, " \t\r\n") == len)
		rc = cmd_groups_wrong("Executing consumer group command failed due to "
				      "com.fasterxml.jackson.databind.exc.MismatchedInputException:"
				      " No content to map due to "
				      "end-of-input")
		     + 1;
	bool grouped = j->ids > 1 || !read_line(a, row[0], false, &l, why, sizeof why);
	for (uint32_t i = 0; i < rows && rc == 0; i++) {
		if (row[i][0] == 0)
			continue;
		if (!read_line(a, row[i], grouped, &l, why, sizeof why))
			rc = cmd_groups_wrong(
				 "Executing consumer group command failed due to %s", why)
			     + 1;
		else if (l.offset < 0)
			rc = cmd_usage(j->a, "Invalid negative offset") + 1;
		else
			put(a, plan_of(a, *plan, plans, grouped ? l.group : j->id[0]), &l);
	}
	for (uint32_t i = 0; i < *plans; i++)
		keep_last(&(*plan)[i].spots);
	rk_mem_put(text);
	return rc;
}
