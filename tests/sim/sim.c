/* sim.c - see sim.h. */
#include "tests/sim/sim.h"
#include "base/mem.h"

void
sim_start(struct sim *s, uint64_t seed)
{
	*s = (struct sim){ .rng = seed * 0x9e3779b97f4a7c15u + 1, .digest = seed };
	for (int i = 0; i < 4; i++)
		sim_random(s);
}

/* splitmix64 */
uint64_t
sim_random(struct sim *s)
{
	uint64_t z = s->rng += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

int64_t
sim_below(struct sim *s, int64_t below)
{
	return below <= 1 ? 0 : (int64_t)(sim_random(s) % (uint64_t)below);
}

bool
sim_chance(struct sim *s, uint32_t in_a_million)
{
	return in_a_million > 0 && sim_random(s) % 1000000 < in_a_million;
}

void
sim_note(struct sim *s, uint64_t a, uint64_t b)
{
	uint64_t d = s->digest ^ (a * 0x9e3779b97f4a7c15u) ^ (b + 0x7f4a7c15u) * 0xbf58476d1ce4e5b9u;

	d ^= (uint64_t)s->now_us * 0x94d049bb133111ebu;
	s->digest = (d ^ d >> 29) * 0xff51afd7ed558ccdu;
}

static bool
before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

void
sim_at(struct sim *s, int64_t at_us, const uint32_t *life, sim_fn *fn, void *arg)
{
	(void)rk_mem_room((void **)&s->heap, s->count, &s->cap, sizeof *s->heap);
	struct sim_event e = { rk_max(at_us, s->now_us), s->number++, life, life != NULL ? *life : 0, fn, arg };
	uint32_t i = s->count++;

	for (; i > 0 && before(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = e;
}

static struct sim_event
pop(struct sim *s)
{
	struct sim_event first = s->heap[0], last = s->heap[--s->count];
	uint32_t i = 0;

	for (uint32_t c = 1; c < s->count; c = 2 * i + 1) {
		if (c + 1 < s->count && before(&s->heap[c + 1], &s->heap[c]))
			c++;
		if (!before(&s->heap[c], &last))
			break;
		s->heap[i] = s->heap[c];
		i = c;
	}
	s->heap[i] = last;
	return first;
}

bool
sim_run(struct sim *s, int64_t until_us)
{
	if (s->count == 0 || s->heap[0].at_us > until_us) {
		if (until_us < INT64_MAX)
			s->now_us = rk_max(s->now_us, until_us);
		return false;
	}
	struct sim_event e = pop(s);
	rk_assert(e.at_us >= s->now_us);
	s->now_us = e.at_us;
	s->events++;
	e.fn(e.arg, e.life != NULL && *e.life != e.lived);
	return true;
}

void
sim_end(struct sim *s)
{
	while (s->count > 0) {
		struct sim_event e = pop(s);
		e.fn(e.arg, true);
	}
	rk_mem_put(s->heap);
	s->heap = NULL;
	s->cap = 0;
}

int
sim_kept(const char *of, int (*seed)(uint64_t))
{
	const char *top = getenv("srcdir");
	char path[512], line[512];
	int bad = 0;

	snprintf(path, sizeof path, "%s/tests/sim/seeds/%s", top != NULL ? top : ".", of);
	FILE *f = fopen(path, "r");
	if (f == NULL) {
		printf("cannot read %s\n", path);
		return 1;
	}
	while (fgets(line, sizeof line, f) != NULL)
		if (line[0] >= '0' && line[0] <= '9')
			bad |= seed(strtoull(line, NULL, 10));
	fclose(f);
	return bad;
}

void
sim_seeds(const char *text, uint64_t *from, uint64_t *to)
{
	char *end;

	*from = *to = strtoull(text, &end, 10);
	if (*end == '-')
		*to = strtoull(end + 1, NULL, 10);
}
