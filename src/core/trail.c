/* trail.c - notes of a partition's end. */
#include "src/core/trail.h"

void
core_trail_note(struct core_trail *t, int64_t end, int64_t now_ms)
{
	rk_assert(t->count <= CORE_TRAIL_MAX);
	struct core_trail_note *last = t->count == 0 ? NULL : &t->at[t->count - 1];
	if (last != NULL && (end < last->end || now_ms < last->ms)) {
		t->count = 0;
		last = NULL;
	}
	if (last != NULL && end == last->end) {
		last->ms = now_ms;
		return;
	}
	if (t->count == CORE_TRAIL_MAX) { /* every second one goes, the first and the newest stay */
		t->count = 0;
		for (uint32_t i = 0; i < CORE_TRAIL_MAX; i++)
			if (i % 2 == 0 || i == CORE_TRAIL_MAX - 1)
				t->at[t->count++] = t->at[i];
	}
	t->at[t->count++] = (struct core_trail_note){ end, now_ms };
	rk_assert(t->count == 1 || t->at[t->count - 2].end < end);
}

int64_t
core_trail_age(const struct core_trail *t, int64_t offset, int64_t now_ms)
{
	uint32_t i = t->count;
	int64_t since;

	while (i > 0 && t->at[i - 1].end > offset)
		i--;
	/* The notes from i on are past the offset, those before it are not. */
	if (i == t->count)
		return 0;
	if (i == 0) {
		since = t->at[0].ms;
	} else {
		const struct core_trail_note *a = &t->at[i - 1], *b = &t->at[i];
		double part = (double)(offset - a->end) / (double)(b->end - a->end);
		rk_assert(part >= 0 && part < 1);
		since = a->ms + (int64_t)(part * (double)(b->ms - a->ms));
	}
	rk_assert(since <= now_ms || t->at[t->count - 1].ms > now_ms);
	return now_ms > since ? now_ms - since : 0;
}
