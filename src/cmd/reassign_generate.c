/* reassign_generate.c - a proposal where the partitions of topics could be.
 *
 * Topic by topic each broker asked for gets its equal share of the replicas. A replica stays where
 * it is as long as its broker is asked for and its share is not used up; then the free places are
 * filled, racks apart where there are racks, and leaders are spread. */
#include "src/cmd/reassign.h"
#include "src/cmd/seats.h"

static int
parse_brokers(struct cmd_reassign *r, int32_t **id, uint32_t *n)
{
	char **piece;
	uint32_t count = cmd_split(&r->c.arena, cmd_text(r->a, "broker-list"), ',', &piece);
	const char *twice;
	int64_t v;

	*id = rk_arena_get(&r->c.arena, count, sizeof **id);
	for (uint32_t i = 0; i < count; i++) {
		if (!rk_str_int(rk_str_of(piece[i]), &v) || v != (int32_t)v)
			return cmd_reassign_error("For input string: \"%s\"", piece[i]);
		(*id)[(*n)++] = (int32_t)v;
	}
	twice = cmd_ids_twice(&r->c.arena, (struct cmd_ids){*id, (int32_t)*n}, ", ");
	return twice == NULL
		   ? 0
		   : cmd_reassign_error("Broker list contains duplicate entries: [%s]", twice);
}

/* The brokers asked for that are there; 1 after saying that only some have a rack. */
static int
take_seats(struct cmd_reassign *r, const int32_t *id, uint32_t n, struct cmd_seat **s, uint32_t *count)
{
	bool racks = !cmd_given(r->a, "disable-rack-aware");
	uint32_t with = 0;

	*s = rk_arena_get(&r->c.arena, n, sizeof **s);
	for (uint32_t i = 0; i < n; i++) {
		const struct cmd_broker *b = cmd_client_broker(&r->c, id[i]);
		if (b == NULL)
			continue;
		with += b->rack.len >= 0;
		(*s)[(*count)++] =
		    (struct cmd_seat){id[i], racks ? b->rack : RK_STR_NULL, true, 0, 0};
	}
	if (racks && with > 0 && with < *count)
		return cmd_reassign_error(
		    "Not all brokers have rack information. Add --disable-rack-aware in command "
		    "line to make replica assignment without rack information.");
	return 0;
}

static uint32_t
racks(const struct cmd_seat *s, uint32_t count)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++) {
		bool known = false;
		for (uint32_t k = 0; k < i && !known; k++)
			known = rk_str_eq(s[k].rack, s[i].rack);
		n += !known;
	}
	return n;
}

/* Replaces what must go, in place; share: replicas of the topic each broker may have. */
static void
place(struct cmd_seat *s, uint32_t count, int32_t *id, int32_t factor, int64_t share)
{
	bool strict = racks(s, count) >= (uint32_t)factor;
	int32_t kept = 0;

	for (int32_t i = 0; i < factor; i++) {
		struct cmd_seat *t = cmd_seat_of(s, count, id[i]);
		if (t == NULL || t->replicas >= share
		    || (strict && !cmd_seat_apart(s, count, t, (struct cmd_ids){id, kept})))
			continue;
		id[kept++] = id[i];
		t->replicas++;
	}
	while (kept < factor) {
		struct cmd_seat *t = cmd_seat_pick(s, count, (struct cmd_ids){id, kept});
		id[kept++] = t->id;
		t->replicas++;
	}
	cmd_seat_lead(s, count, id, factor);
}

static int
propose(struct cmd_reassign *r, struct cmd_seat *s, uint32_t count, struct cmd_move *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->view.topics; i++) {
		struct cmd_topic *t = &r->view.topic[i];
		int32_t factor = t->parts == 0 ? 0 : cmd_part_factor(&t->part[0]);
		if (factor > (int32_t)count)
			return cmd_reassign_error(
			    "The target replication factor of %d cannot be reached because only "
			    "%u broker(s) are registered or some brokers have all their log "
			    "directories cordoned.",
			    factor, count);
		for (uint32_t k = 0; k < count; k++)
			s[k].replicas = s[k].leaders = 0;
		for (uint32_t k = 0; k < t->parts; k++) {
			int32_t *id = rk_arena_get(&r->c.arena, (size_t)factor, sizeof *id);
			for (int32_t x = 0; x < factor; x++)
				id[x] = x < t->part[k].replicas.len ? t->part[k].replicas.at[x] : -1;
			place(s, count, id, factor,
			    ((int64_t)t->parts * factor + count - 1) / count);
			m[n++] = (struct cmd_move){.topic = t->name,
			    .partition = t->part[k].index,
			    .to = {id, factor}};
		}
	}
	return 0;
}

int
cmd_reassign_generate(struct cmd_reassign *r)
{
	struct cmd_seat *seat;
	struct cmd_move *now, *then;
	int32_t *id;
	uint32_t ids = 0, seats = 0, n = 0, k = 0;
	int rc = parse_brokers(r, &id, &ids);

	if (rc != 0 || (rc = cmd_reassign_describe(r)) != 0
	    || (rc = take_seats(r, id, ids, &seat, &seats)) != 0)
		return rc;
	for (uint32_t i = 0; i < r->view.topics; i++)
		n += r->view.topic[i].parts;
	now = rk_arena_get(&r->c.arena, n, sizeof *now);
	then = rk_arena_get(&r->c.arena, n, sizeof *then);
	for (uint32_t i = 0; i < r->view.topics; i++)
		for (uint32_t p = 0; p < r->view.topic[i].parts; p++)
			now[k++] = (struct cmd_move){.topic = r->view.topic[i].name,
			    .partition = r->view.topic[i].part[p].index,
			    .to = r->view.topic[i].part[p].replicas};
	if ((rc = propose(r, seat, seats, then)) != 0)
		return rc;
	cmd_reassign_places(r);
	puts("Current partition replica assignment");
	cmd_reassign_json(r, stdout, now, n, true);
	puts("\nProposed partition reassignment configuration");
	cmd_reassign_json(r, stdout, then, n, false);
	return 0;
}
