/* drain_watch.c - shows how far a drain is: one line that is written again on a terminal, a line now
 * and then elsewhere.
 *
 * Each look is a client of its own: a wait of hours needs no memory for what it saw before, and a
 * broker that goes away meanwhile (the one asked, say) is not the end of the wait. */
#include <unistd.h>
#include "src/cmd/drain.h"

enum { LOOK_MS = 1000, LINE_MS = 10000, PATIENCE_MS = 60000 };

struct look {
	uint32_t moved, leads; /* partitions that are where they shall be; that the broker leads */
	int64_t copied, whole; /* bytes there and to be there, of replicas that are new */
};

const char *
cmd_bytes(int64_t n, char to[24])
{
	static const char *const unit[] = {"B", "KB", "MB", "GB", "TB"};
	double v = (double)n;
	uint32_t u = 0;

	while (v >= 1000 && u + 1 < rk_countof(unit)) {
		v /= 1000;
		u++;
	}
	snprintf(to, 24, u == 0 ? "%.0f %s" : "%.1f %s", v, unit[u]);
	return to;
}

static void
weigh(struct look *l, struct cmd_places *places, const struct cmd_move *m,
    const struct cmd_part *p)
{
	const struct cmd_place *from = cmd_place_find(places, p->leader, m->topic, m->partition, false);
	int64_t whole = from == NULL ? 0 : from->size;

	for (int32_t i = 0; i < p->adding.len && p->moving; i++) {
		const struct cmd_place *to =
		    cmd_place_find(places, p->adding.at[i], m->topic, m->partition, false);
		l->whole += whole;
		l->copied += to == NULL ? 0 : rk_min(to->size, whole);
	}
}

/* Whether something is on its way to or from the broker. */
static bool
busy(const struct cmd_reassign *r, struct cmd_view *v, int32_t broker)
{
	for (uint32_t i = 0; i < r->moves; i++) {
		struct cmd_part *p = cmd_view_part(v, r->move[i].topic, r->move[i].partition);
		if (p != NULL && p->moving && (p->leader == broker || cmd_ids_has(p->adding, broker)))
			return true;
	}
	return false;
}

static bool
look(struct cmd_reassign *r, int32_t id, struct look *l, char *why, size_t size)
{
	struct cmd_client c;
	struct cmd_view v = {0};
	struct cmd_places places = {0};
	struct cmd_move *now;
	uint32_t nows;
	bool ok = cmd_client_from(&c, r->a);

	*l = (struct look){0};
	ok = ok && cmd_client_brokers(&c) && cmd_view_topics(&v, &c, r->topic, r->topics, 2000)
	     && cmd_admin_moves(&c, &now, &nows);
	if (ok)
		cmd_moves_mark(now, nows, &v);
	for (uint32_t i = 0; ok && i < c.brokers; i++)
		if (busy(r, &v, c.broker[i].id))
			(void)!cmd_view_places(&places, &c, c.broker[i].id);
	for (uint32_t i = 0; ok && i < r->moves; i++) {
		struct cmd_move *m = &r->move[i];
		struct cmd_part *p = cmd_view_part(&v, m->topic, m->partition);
		/* A topic that was deleted meanwhile has nothing to be waited for. */
		l->moved += p == NULL || (!p->moving && cmd_ids_same(p->replicas, m->to));
		if (p == NULL)
			continue;
		l->leads += p->leader == id;
		weigh(l, &places, m, p);
	}
	snprintf(why, size, "%s", ok ? "" : c.why);
	cmd_view_free(&v);
	cmd_places_free(&places);
	cmd_client_close(&c);
	return ok;
}

/* What is left, and how long it will take as it goes now. */
static void
line(const struct cmd_reassign *r, const struct look *l, const struct look *first, int64_t ms,
    bool terminal, bool undo)
{
	char done[24], all[24], rate[24];
	int64_t left = l->whole - l->copied;
	int64_t gone = (first->whole - first->copied) - left;
	int64_t each = ms > 2000 && gone > 0 ? gone * 1000 / ms : 0;

	printf("%s%u of %u partitions are there", terminal ? "\r" : "", l->moved, r->moves);
	if (!undo)
		printf(", %u still led by it", l->leads);
	if (l->whole > 0)
		printf("; under way %s of %s", cmd_bytes(l->copied, done), cmd_bytes(l->whole, all));
	if (each > 0)
		printf(", %s/s, about %" PRId64 " s to go", cmd_bytes(each, rate), left / each + 1);
	fputs(terminal ? "\033[K" : "\n", stdout);
	fflush(stdout);
}

static bool
finished(const struct cmd_reassign *r, const struct look *l, bool undo)
{
	return l->moved == r->moves && (undo || l->leads == 0);
}

/* The command's own client: who it spoke to may be gone since. */
static bool
again(struct cmd_reassign *r)
{
	return cmd_client_reopen(&r->c, cmd_text(r->a, "bootstrap-server"));
}

int
cmd_drain_watch(struct cmd_reassign *r, int32_t id, bool undo)
{
	bool terminal = isatty(STDOUT_FILENO);
	int64_t began = cmd_now_ms(), heard = began, said = began - LINE_MS, elected = began;
	struct look l = {0}, first = {0};
	char why[600];

	for (bool begun = false; r->moves > 0; begun = true) {
		if (look(r, id, &l, why, sizeof why)) {
			heard = cmd_now_ms();
			first = begun ? first : l;
			if (finished(r, &l, undo))
				break;
			if (terminal || cmd_now_ms() - said >= LINE_MS) {
				line(r, &l, &first, cmd_now_ms() - began, terminal, undo);
				said = cmd_now_ms();
			}
		} else if (cmd_now_ms() - heard > PATIENCE_MS) {
			return cmd_fail(r->a, "%s%s; the moves go on by themselves",
			    terminal ? "\n" : "", why);
		}
		/* Leaderships that were not given away at once (nobody in sync then) are asked for
		 * again. */
		if (l.leads > 0 && !undo && cmd_now_ms() - elected > 5000) {
			struct cmd_elected *e;
			uint32_t n;
			(void)!(again(r)
				&& cmd_admin_elect(&r->c, 0, r->move, (int32_t)r->moves, &e, &n));
			elected = cmd_now_ms();
		}
		nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L - 1}, NULL);
	}
	if (r->moves > 0 && !again(r))
		return cmd_fail(r->a, "%s", r->c.why);
	if (r->moves > 0)
		line(r, &l, &first, cmd_now_ms() - began, terminal, undo);
	if (r->moves > 0 && terminal)
		putchar('\n');
	if (!undo)
		printf("Broker %d is drained; rookery cluster can-stop %d tells whether it may be "
		       "stopped.\n",
		    id, id);
	return 0;
}
