/* fold.c - what a request names, each partition once: a sort, then one walk. */
#include "src/api/fold.h"

static int
by_partition(const void *a, const void *b)
{
	const struct api_named *x = a, *y = b;
	int order = rk_str_cmp(x->topic, y->topic);

	if (order == 0)
		order = (x->index > y->index) - (x->index < y->index);
	return order != 0 ? order : (x->place > y->place) - (x->place < y->place);
}

uint32_t
api_fold(struct api_named *at, uint32_t count)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++) {
		at[i].place = i;
		at[i].times = 1;
	}
	if (count > 1)
		qsort(at, count, sizeof *at, by_partition);
	for (uint32_t i = 0; i < count; i++) {
		if (n > 0 && at[n - 1].index == at[i].index && rk_str_eq(at[n - 1].topic, at[i].topic)) {
			at[n - 1].in = at[i].in;
			at[n - 1].times++;
			continue;
		}
		at[n++] = at[i];
	}
	rk_assert(n <= count);
	return n;
}

uint32_t
api_fold_run(const struct api_named *at, uint32_t i, uint32_t count)
{
	uint32_t n = 1;

	rk_assert(i < count);
	while (i + n < count && rk_str_eq(at[i + n].topic, at[i].topic))
		n++;
	return n;
}
