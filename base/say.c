/* say.c - the operator's lines, the event ring, and dying with both. */
#include "base/say.h"

enum { RING = 256, LINE = 2048 };
static struct {
	const char *what;
	int64_t a, b;
} ring[RING];
static uint32_t rung;
static rk_sink *sink;
static void *sink_arg;
static enum rk_level least = RK_INFO;

void
rk_say_to(rk_sink *s, void *arg, enum rk_level l)
{
	sink = s;
	sink_arg = arg;
	least = l;
}

static void
out(enum rk_level l, const char *line)
{
	if (sink != NULL)
		sink(sink_arg, l, line);
	else
		fprintf(stderr, "%s\n", line);
}

void
rk_say(enum rk_level l, const char *fmt, ...)
{
	char line[LINE];
	va_list ap;

	if (l < least)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	out(l, line);
}

void
rk_say_limited(struct rk_say_limit *s, int64_t now_ms, enum rk_level l, const char *fmt, ...)
{
	char line[LINE];
	va_list ap;

	if (l < least)
		return;
	if (s->last_ms != 0 && now_ms - s->last_ms < 1000) {
		s->held++;
		return;
	}
	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (s->held > 0 && n >= 0 && n < LINE)
		snprintf(line + n, sizeof line - (size_t)n, " (%" PRIu32 " lines like this held back)", s->held);
	s->last_ms = now_ms > 0 ? now_ms : 1;
	s->held = 0;
	out(l, line);
}

void
rk_event(const char *what, int64_t a, int64_t b)
{
	uint32_t i = rung++ % RING;

	ring[i].what = what;
	ring[i].a = a;
	ring[i].b = b;
}

void
rk_events_print(FILE *to)
{
	for (uint32_t n = rung < RING ? rung : RING, i = rung - n; n > 0; n--, i++)
		fprintf(to, "  %s %" PRId64 " %" PRId64 "\n", ring[i % RING].what, ring[i % RING].a, ring[i % RING].b);
}

void
rk_die(const char *file, int line, const char *what)
{
	fprintf(stderr, "rookery: %s:%d: this must hold: %s\nlast events, oldest first:\n", file, line, what);
	rk_events_print(stderr);
	abort();
}
