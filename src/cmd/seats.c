/* seats.c - chooses brokers for replicas and leaderships. */
#include "src/cmd/seats.h"

struct cmd_seat *
cmd_seat_of(struct cmd_seat *s, uint32_t count, int32_t id)
{
	for (uint32_t i = 0; i < count; i++)
		if (s[i].id == id)
			return &s[i];
	return NULL;
}

bool
cmd_seat_apart(struct cmd_seat *s, uint32_t count, const struct cmd_seat *one, struct cmd_ids taken)
{
	for (int32_t i = 0; i < taken.len && one->rack.len >= 0; i++) {
		struct cmd_seat *t = cmd_seat_of(s, count, taken.at[i]);
		if (t != NULL && rk_str_eq(t->rack, one->rack))
			return false;
	}
	return true;
}

struct cmd_seat *
cmd_seat_pick(struct cmd_seat *s, uint32_t count, struct cmd_ids taken)
{
	struct cmd_seat *best = NULL;
	bool best_apart = false;

	for (uint32_t i = 0; i < count; i++) {
		if (!s[i].open || cmd_ids_has(taken, s[i].id))
			continue;
		bool apart = cmd_seat_apart(s, count, &s[i], taken);
		if (best == NULL || (apart && !best_apart)
		    || (apart == best_apart && s[i].replicas < best->replicas)) {
			best = &s[i];
			best_apart = apart;
		}
	}
	return best;
}

void
cmd_seat_lead(struct cmd_seat *s, uint32_t count, int32_t *id, int32_t len)
{
	int32_t best = -1;
	struct cmd_seat *least = NULL;

	for (int32_t i = 0; i < len; i++) {
		struct cmd_seat *t = cmd_seat_of(s, count, id[i]);
		if (t == NULL || !t->open || (least != NULL && t->leaders >= least->leaders))
			continue;
		least = t;
		best = i;
	}
	if (best < 0)
		return;
	int32_t first = id[best];
	memmove(id + 1, id, (size_t)best * sizeof *id);
	id[0] = first;
	least->leaders++;
}
