/* f_moves.c - any bytes as the files of rookery reassign-partitions: never a crash; what is taken is
 * sorted, names no partition and no broker twice, and every list has somebody in it. */
#include "src/cmd/reassign.h"
#include "tests/fuzz/fuzz.h"

static uint32_t said;

/* The program's own, which say on standard output and error; here they only count. */
int
cmd_reassign_error(const char *fmt, ...)
{
	char text[4000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	said++;
	return 1;
}

int
cmd_fail(const struct cmd_args *a, const char *fmt, ...)
{
	(void)a;
	(void)fmt;
	return 1;
}

static void
taken(const struct cmd_reassign *r)
{
	rk_assert(r->moves > 0 && r->topics > 0);
	for (uint32_t i = 0; i < r->moves; i++) {
		const struct cmd_move *m = &r->move[i];
		rk_assert(m->to.len > 0 && m->topic.len >= 0);
		for (int32_t k = 1; k < m->to.len; k++)
			rk_assert(!cmd_ids_has((struct cmd_ids){m->to.at, k}, m->to.at[k]));
		if (i == 0)
			continue;
		int d = rk_str_cmp(r->move[i - 1].topic, m->topic);
		rk_assert(d < 0 || (d == 0 && r->move[i - 1].partition < m->partition));
	}
	for (uint32_t i = 0; i < r->dirs; i++)
		rk_assert(r->dir[i].dir != NULL && strcmp(r->dir[i].dir, "any") != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	for (int which = 0; which < 2; which++) {
		struct cmd_reassign r = {.a = NULL};
		rk_arena_init(&r.c.arena, 64u << 20);
		said = 0;
		int rc = which == 0 ? cmd_reassign_parse(&r, (const char *)p, n)
				    : cmd_reassign_parse_topics(&r, (const char *)p, n);
		rk_assert(rc == 0 || said == 1); /* one reason, not none and not many */
		if (rc == 0 && which == 0)
			taken(&r);
		cmd_read_free(&r.json);
		rk_arena_free(&r.c.arena);
	}
	return 0;
}

size_t
fuzz_sample(uint64_t seed, uint8_t *to, size_t size)
{
	static const char *const dirs[] = {"", ",\"log_dirs\":[\"any\",\"/d1\"]",
	    ",\"log_dirs\":[\"any\"]", ",\"log_dirs\":[]", ",\"log_dirs\":3"};
	size_t at = (size_t)snprintf((char *)to, size, "{\"version\":1,\"partitions\":[");

	for (uint64_t k = fuzz_draw(&seed) % 5, first = 1; k > 0; k--, first = 0)
		at += (size_t)snprintf((char *)to + at, size - at,
		    "%s{\"topic\":\"t%d\",\"partition\":%d,\"replicas\":[%d,%d]%s}", first ? "" : ",",
		    (int)(fuzz_draw(&seed) % 2), (int)(fuzz_draw(&seed) % 4),
		    (int)(fuzz_draw(&seed) % 3), (int)(fuzz_draw(&seed) % 3) + 2,
		    dirs[fuzz_draw(&seed) % rk_countof(dirs)]);
	at += (size_t)snprintf(
	    (char *)to + at, size - at, "],\"topics\":[{\"topic\":\"a\"},{\"topic\":\"b\"}]}");
	rk_assert(at < size);
	return at;
}
