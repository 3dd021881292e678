/* table.c - collects cells, then prints them. */
#include "src/cmd/table.h"

void
cmd_table_begin(struct cmd_table *t, struct rk_arena *a, const char *const *names)
{
	*t = (struct cmd_table){.arena = a};
	for (; *names != NULL; names++, t->columns++)
		cmd_table_put(t, "%s", *names);
}

void
cmd_table_put(struct cmd_table *t, const char *fmt, ...)
{
	const char **to = rk_mem_room((void **)&t->cell, t->cells, &t->cap, sizeof *to);
	va_list ap, again;
	char *text;

	va_start(ap, fmt);
	va_copy(again, ap);
	int len = vsnprintf(NULL, 0, fmt, ap);
	text = rk_arena_get(t->arena, (size_t)len + 1, 1);
	if (text != NULL)
		vsnprintf(text, (size_t)len + 1, fmt, again);
	va_end(again);
	va_end(ap);
	*to = text == NULL ? "" : text;
	t->cells++;
}

void
cmd_table_number(struct cmd_table *t, int64_t n, const char *otherwise)
{
	if (n < 0 && otherwise != NULL)
		cmd_table_put(t, "%s", otherwise);
	else
		cmd_table_put(t, "%" PRId64, n);
}

void
cmd_table_print(struct cmd_table *t)
{
	size_t *width = rk_mem_get((t->columns + 1) * sizeof *width);

	rk_assert(t->cells % t->columns == 0);
	for (uint32_t i = 0; i < t->cells; i++)
		width[i % t->columns] =
		    (size_t)rk_max((int64_t)width[i % t->columns], (int64_t)strlen(t->cell[i]));
	for (uint32_t i = 0; i < t->cells; i++)
		printf("%-*s\t%s", (int)width[i % t->columns], t->cell[i],
		    (i + 1) % t->columns == 0 ? "\n" : "");
	rk_mem_put(width);
	rk_mem_put(t->cell);
	t->cell = NULL;
}
