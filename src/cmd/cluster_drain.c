/* cluster_drain.c - rookery cluster drain: moves replicas and leaderships away from a broker, and
 * back.
 *
 * Each replica on the broker goes to the broker with the fewest, racks apart where there are racks.
 * Where no other broker is left to hold it, it stays, but another replica is put first and leads.
 * What was before is kept in a file in Kafka's own form: the way back, for --undo or for
 * reassign-partitions. */
#include <unistd.h>
#include "src/cmd/drain.h"
#include "src/cmd/seats.h"

struct drain {
	struct cmd_reassign r;
	int32_t id;
	const char *path; /* the way back */
	struct cmd_node *node;
	uint32_t nodes;
	bool fenced; /* the broker itself */
	struct cmd_seat *seat;
	struct cmd_move *before; /* what r.move changes, as it was */
	uint32_t leads, replicas, leaving, stays, stuck;
	int64_t bytes;
};

static int
no(struct drain *d)
{
	return cmd_fail(d->r.a, "%s", d->r.c.why);
}

static int
gather(struct drain *d)
{
	struct cmd_client *c = &d->r.c;
	const struct cmd_node *self;
	struct rk_str *name;
	uint32_t names;

	if (!cmd_client_brokers(c) || !cmd_cluster_nodes(c, &d->node, &d->nodes)
	    || !cmd_view_names(c, &name, &names)
	    || !cmd_view_topics(&d->r.view, c, name, names, 2000)
	    || !cmd_admin_moves(c, &d->r.now, &d->r.nows))
		return no(d);
	cmd_moves_mark(d->r.now, d->r.nows, &d->r.view);
	if ((self = cmd_cluster_node(d->r.a, d->node, d->nodes, d->id)) == NULL)
		return 1;
	d->fenced = self->fenced;
	return 0;
}

/* What lies where, and how much each broker has. */
static void
weigh(struct drain *d)
{
	struct cmd_client *c = &d->r.c;

	d->seat = rk_arena_get(&c->arena, d->nodes, sizeof *d->seat);
	for (uint32_t i = 0; i < d->nodes; i++)
		d->seat[i] = (struct cmd_seat){d->node[i].id, d->node[i].rack,
		    d->node[i].id != d->id && !d->node[i].fenced, 0, 0};
	/* Of a broker that does not answer the sizes are not known. */
	for (uint32_t i = 0; i < c->brokers; i++)
		if (!cmd_view_places(&d->r.places, c, c->broker[i].id))
			cmd_fail(d->r.a, "%s", c->why);
	for (uint32_t i = 0; i < d->r.view.topics; i++)
		for (uint32_t k = 0; k < d->r.view.topic[i].parts; k++) {
			struct cmd_part *p = &d->r.view.topic[i].part[k];
			struct cmd_seat *l = cmd_seat_of(d->seat, d->nodes, p->leader);
			if (l != NULL)
				l->leaders++;
			for (int32_t n = 0; n < p->replicas.len; n++) {
				struct cmd_seat *s =
				    cmd_seat_of(d->seat, d->nodes, p->replicas.at[n]);
				if (s != NULL && !cmd_ids_has(p->removing, s->id))
					s->replicas++;
			}
		}
}

/* Where the partition shall be: in place of the broker another one, or the broker at the end. False:
 * nothing changes. */
static bool
plan_one(struct drain *d, const struct cmd_part *p, struct cmd_ids *to)
{
	*to = cmd_ids_without(&d->r.c.arena, p->replicas, p->removing);
	int32_t *id = (int32_t *)(uintptr_t)to->at, n = to->len; /* a list of our own */
	bool first = n > 0 && id[0] == d->id;

	if (!cmd_ids_has(*to, d->id)) {
		d->leaving++; /* on its way already, from an earlier drain */
		return true;
	}
	struct cmd_seat *s = cmd_seat_pick(d->seat, d->nodes, *to);
	for (int32_t i = 0; i < n; i++)
		if (id[i] == d->id) {
			memmove(&id[i], &id[i + 1], (size_t)(n - 1 - i) * sizeof *id);
			id[n - 1] = s == NULL ? d->id : s->id;
			break;
		}
	if (s != NULL)
		s->replicas++;
	if (first)
		cmd_seat_lead(d->seat, d->nodes, id, s == NULL ? n - 1 : n);
	d->leaving += s != NULL;
	d->stays += s == NULL;
	return s != NULL || first;
}

static int64_t
size_of(struct drain *d, struct rk_str topic, const struct cmd_part *p)
{
	const struct cmd_place *at =
	    cmd_place_find(&d->r.places, p->leader, topic, p->index, false);

	if (at == NULL)
		at = cmd_place_find(&d->r.places, d->id, topic, p->index, false);
	return at == NULL ? 0 : at->size;
}

static void
plan(struct drain *d)
{
	struct cmd_reassign *r = &d->r;
	uint32_t all = 0;

	for (uint32_t i = 0; i < r->view.topics; i++)
		all += r->view.topic[i].parts;
	r->move = rk_arena_get(&r->c.arena, all, sizeof *r->move);
	d->before = rk_arena_get(&r->c.arena, all, sizeof *d->before);
	r->topic = rk_arena_get(&r->c.arena, r->view.topics, sizeof *r->topic);
	for (uint32_t i = 0; i < r->view.topics; i++)
		for (uint32_t k = 0; k < r->view.topic[i].parts; k++) {
			struct cmd_topic *t = &r->view.topic[i];
			struct cmd_part *p = &t->part[k];
			struct cmd_ids to;
			d->leads += p->leader == d->id;
			if (!cmd_ids_has(p->replicas, d->id))
				continue;
			d->replicas++;
			/* Nobody is there to copy from: a dead broker has the only good replica. */
			if (d->fenced && p->leader < 0) {
				d->stuck++;
				continue;
			}
			if (!plan_one(d, p, &to))
				continue;
			d->bytes += cmd_ids_has(to, d->id) ? 0 : size_of(d, t->name, p);
			d->before[r->moves] = (struct cmd_move){.topic = t->name,
			    .partition = p->index,
			    .to = cmd_ids_without(&r->c.arena, p->replicas, p->adding)};
			r->move[r->moves++] =
			    (struct cmd_move){.topic = t->name, .partition = p->index, .to = to};
			if (r->topics == 0 || !rk_str_eq(r->topic[r->topics - 1], t->name))
				r->topic[r->topics++] = t->name;
		}
}

static void
tell(struct drain *d)
{
	struct cmd_reassign *r = &d->r;
	char size[24];

	printf("Broker %d%s holds %u replicas and leads %u of them.\n", d->id,
	    d->fenced ? ", which is not there," : "", d->replicas, d->leads);
	if (d->leaving > 0)
		printf("%u replicas (%s) go to other brokers:", d->leaving, cmd_bytes(d->bytes, size));
	for (uint32_t i = 0; d->leaving > 0 && i < d->nodes; i++) {
		uint32_t n = 0;
		for (uint32_t k = 0; k < r->moves; k++)
			n += cmd_ids_has(r->move[k].to, d->node[i].id)
			     && !cmd_ids_has(d->before[k].to, d->node[i].id);
		if (n > 0)
			printf(" %u to %d;", n, d->node[i].id);
	}
	if (d->leaving > 0)
		putchar('\n');
	if (d->stays > 0)
		printf("%u replicas stay: every other broker that is there has one already. Others "
		       "lead them; what min.insync.replicas asks for is to be looked at before it "
		       "is stopped (rookery cluster can-stop %d).\n",
		    d->stays, d->id);
	if (d->stuck > 0)
		printf("%u partition%s no leader: the only replica in sync is on this broker. %s for "
		       "it to come back (or for an unclean election).\n",
		    d->stuck, d->stuck == 1 ? " has" : "s have", d->stuck == 1 ? "It waits" : "They wait");
}

/* The way back. One that is there already is from an earlier drain that was not undone: it stays, and
 * what this one changes besides is added. */
static int
save(struct drain *d)
{
	struct cmd_reassign old = {.a = d->r.a};
	uint32_t n = 0;
	int rc = 0;

	rk_arena_init(&old.c.arena, 256u << 20);
	if (access(d->path, F_OK) == 0)
		rc = cmd_reassign_read(&old, d->path, cmd_reassign_parse);
	struct cmd_move *all =
	    rk_arena_get(&old.c.arena, old.moves + d->r.moves, sizeof *all);
	for (; n < old.moves; n++)
		all[n] = old.move[n];
	for (uint32_t i = 0; i < d->r.moves; i++)
		if (cmd_move_find(old.move, old.moves, d->before[i].topic, d->before[i].partition)
		    == NULL)
			all[n++] = d->before[i];
	cmd_moves_sort(all, n);
	FILE *f = rc == 0 ? fopen(d->path, "w") : NULL;
	if (f != NULL) {
		cmd_reassign_json(&old, f, all, n, false);
		rc = fflush(f) != 0 || fsync(fileno(f)) != 0;
		rc = fclose(f) != 0 || rc;
	}
	if (f == NULL || rc != 0)
		rc = cmd_fail(d->r.a, "the way back cannot be written to %s (--save names another "
				      "file); nothing was moved",
		    d->path);
	cmd_read_free(&old.json);
	rk_arena_free(&old.c.arena);
	return rc;
}

/* New replicas shall not land on it while it is drained; on goes it back. */
static void
cordon(struct drain *d, bool on)
{
	struct cmd_set set = {"cordoned.log.dirs", on ? "*" : NULL};

	if (d->fenced || cmd_client_broker(&d->r.c, d->id) == NULL)
		return;
	if (!cmd_admin_config(&d->r.c, d->id, CMD_BROKER_CONFIG,
		rk_arena_print(&d->r.c.arena, "%d", d->id).at, &set, 1))
		fprintf(stderr,
		    "Its directories could not be %s (cordoned.log.dirs: %s): new partitions may "
		    "%s.\n",
		    on ? "cordoned" : "opened again", d->r.c.why,
		    on ? "still be placed on it" : "keep away from it");
}

static int
start(struct drain *d)
{
	struct cmd_reassign *r = &d->r;
	struct cmd_elected *e;
	uint32_t bad = 0, n;

	if (!cmd_admin_reassign(&r->c, r->move, r->moves, true))
		return no(d);
	for (uint32_t i = 0; i < r->moves; i++) {
		if (r->move[i].err == RK_OK)
			continue;
		fprintf(stderr, "%.*s-%d: %s\n", r->move[i].topic.len, r->move[i].topic.at,
		    r->move[i].partition, r->move[i].says);
		bad++;
	}
	if (bad > 0)
		return cmd_fail(r->a, "%u of %u moves were refused; the others have begun (back: "
				      "rookery cluster drain %d --undo)",
		    bad, r->moves, d->id);
	/* Who moves is led by another when the move is done; who stays is led by another now. */
	if (!cmd_admin_elect(&r->c, 0, r->move, (int32_t)r->moves, &e, &n))
		return no(d);
	return 0;
}

static int
go(struct drain *d)
{
	struct cmd_reassign *r = &d->r;
	int64_t rate = cmd_number(r->a, "throttle", -1);
	int rc = save(d);

	if (rc != 0)
		return rc;
	cordon(d, true);
	if (rate >= 0 && (rc = cmd_reassign_throttle(r, rate)) != 0)
		return rc;
	if ((rc = start(d)) != 0)
		return rc;
	printf("The moves have begun. The way back is in %s: rookery cluster drain %d --undo\n",
	    d->path, d->id);
	return 0;
}

static int
drain(struct drain *d)
{
	struct cmd_reassign *r = &d->r;
	int rc = gather(d);

	if (rc != 0)
		return rc;
	weigh(d);
	plan(d);
	tell(d);
	if (cmd_given(r->a, "dry-run")) {
		cmd_reassign_json(r, stdout, r->move, r->moves, false);
		return 0;
	}
	if (r->moves > 0)
		rc = go(d);
	if (rc != 0)
		return rc;
	if (cmd_given(r->a, "wait"))
		rc = cmd_drain_watch(r, d->id, false);
	else if (r->moves > 0)
		printf("It goes on by itself; rookery cluster drain %d --wait shows how far it is.\n",
		    d->id);
	if (rc == 0 && r->moves > 0 && cmd_given(r->a, "wait") && cmd_number(r->a, "throttle", -1) >= 0)
		rc = cmd_reassign_unthrottle(r);
	return rc;
}

/* Topics that were deleted meanwhile are left out. */
static uint32_t
still_there(struct cmd_reassign *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->moves; i++)
		if (cmd_view_part(&r->view, r->move[i].topic, r->move[i].partition) != NULL)
			r->move[n++] = r->move[i];
	return n;
}

static int
undo(struct drain *d)
{
	struct cmd_reassign *r = &d->r;
	int64_t rate = cmd_number(r->a, "throttle", -1);
	int rc;

	if (access(d->path, R_OK) != 0)
		return cmd_fail(r->a, "%s: %s; the drain that is to be undone wrote it (--save)",
		    d->path, strerror(errno));
	if ((rc = cmd_reassign_read(r, d->path, cmd_reassign_parse)) != 0 || (rc = gather(d)) != 0)
		return rc;
	r->moves = still_there(r);
	printf("%u partitions go back to where %s says they were.\n", r->moves, d->path);
	if (cmd_given(r->a, "dry-run")) {
		cmd_reassign_json(r, stdout, r->move, r->moves, false);
		return 0;
	}
	cordon(d, false);
	if (r->moves > 0 && rate >= 0 && (rc = cmd_reassign_throttle(r, rate)) != 0)
		return rc;
	if (r->moves > 0 && (rc = start(d)) != 0)
		return rc;
	if (!cmd_given(r->a, "wait")) {
		printf("It goes on by itself; rookery cluster drain %d --undo --wait shows how far "
		       "it is, gives leaderships back and takes the file away.\n",
		    d->id);
		return 0;
	}
	if ((rc = cmd_drain_watch(r, d->id, true)) != 0)
		return rc;
	struct cmd_elected *e;
	uint32_t n;
	if (r->moves > 0 && !cmd_admin_elect(&r->c, 0, r->move, (int32_t)r->moves, &e, &n))
		return no(d);
	if (r->moves > 0 && rate >= 0 && (rc = cmd_reassign_unthrottle(r)) != 0)
		return rc;
	if (unlink(d->path) != 0)
		return cmd_fail(r->a, "%s cannot be taken away: %s", d->path, strerror(errno));
	printf("Broker %d has its replicas and leaderships back.\n", d->id);
	return 0;
}

int
cmd_cluster_drain(const struct cmd_args *a, int32_t id)
{
	struct drain *d = rk_new(struct drain);
	int rc = 1;

	d->r.a = a;
	d->id = id;
	if (cmd_client_start(&d->r.c, a)) {
		d->path = cmd_text(a, "save");
		if (d->path == NULL)
			d->path = rk_arena_print(&d->r.c.arena, "drain-%d.json", id).at;
		rc = cmd_given(a, "undo") ? undo(d) : drain(d);
		cmd_client_close(&d->r.c);
	}
	cmd_view_free(&d->r.view);
	cmd_places_free(&d->r.places);
	cmd_read_free(&d->r.json);
	rk_mem_put(d);
	return rc;
}
