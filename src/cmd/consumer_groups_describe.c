/* consumer_groups_describe.c - rookery consumer-groups --describe: offsets and lag, members, state.
 */
#include "src/cmd/consumer_groups.h"

/* A row of the table of offsets: a partition, and the member that reads it. */
struct row {
	const struct cmd_spot *spot; /* what was committed; offset -1: nothing */
	int64_t end;                 /* -1: not known */
	const struct cmd_member *by; /* NULL: nobody */
};

static int
widest(int least, struct rk_str s)
{
	return (int)rk_max(least, s.len);
}

/* What is said beside the table of a group that does not just work. */
static void
say_state(const struct cmd_group *g)
{
	fflush(stdout);
	if (rk_str_is(g->state, "Empty"))
		fprintf(stderr, "\nConsumer group '%.*s' has no active members.\n", g->id.len,
		    g->id.at);
	else if (!rk_str_is(g->state, "Stable") && !rk_str_is(g->state, "Dead"))
		fprintf(stderr, "\nWarning: Consumer group '%.*s' is rebalancing.\n", g->id.len,
		    g->id.at);
}

static void
number(char to[24], int64_t n)
{
	if (n < 0)
		memcpy(to, "-", 2);
	else
		snprintf(to, 24, "%" PRId64, n);
}

static void
print_offsets(const struct cmd_group *g, const struct row *r, uint32_t rows, bool verbose)
{
	int group = widest(15, g->id), topic = 15, member = 15, host = 15;
	char epoch[24], at[24], end[24], lag[24];
	struct rk_str none = rk_lit("-");

	for (uint32_t i = 0; i < rows; i++) {
		topic = widest(topic, r[i].spot->topic);
		member = r[i].by == NULL ? member : widest(member, r[i].by->id);
		host = r[i].by == NULL ? host : widest(host, r[i].by->host);
	}
	printf("\n%-*s %-*s %-10s ", group, "GROUP", topic, "TOPIC", "PARTITION");
	if (verbose)
		printf("%-15s ", "LEADER-EPOCH");
	printf("%-15s %-15s %-15s %-*s %-*s %s\n", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG",
	    member, "CONSUMER-ID", host, "HOST", "CLIENT-ID");
	for (uint32_t i = 0; i < rows; i++) {
		const struct cmd_spot *s = r[i].spot;
		struct rk_str id = r[i].by == NULL ? none : r[i].by->id,
			      from = r[i].by == NULL ? none : r[i].by->host,
			      client = r[i].by == NULL ? none : r[i].by->client;
		number(epoch, s->epoch);
		number(at, s->offset);
		number(end, r[i].end);
		memcpy(lag, "-", 2);
		if (s->offset >= 0 && r[i].end >= 0)
			snprintf(lag, sizeof lag, "%" PRId64, r[i].end - s->offset);
		printf("%-*.*s %-*.*s %-10d ", group, g->id.len, g->id.at, topic, s->topic.len,
		    s->topic.at, s->partition);
		if (verbose)
			printf("%-15s ", epoch);
		printf("%-15s %-15s %-15s %-*.*s %-*.*s %.*s\n", at, end, lag, member, id.len,
		    id.at, host, from.len, from.at, client.len, client.at);
	}
}

/* The members by how many partitions they have, the most first, otherwise as they came. */
static const struct cmd_member **
by_size(struct cmd_client *c, const struct cmd_group *g)
{
	const struct cmd_member **m = rk_arena_get(&c->arena, g->members, sizeof *m);

	for (uint32_t i = 0; i < g->members && m != NULL; i++) {
		uint32_t k = i;
		for (; k > 0 && m[k - 1]->now.count < g->member[i].now.count; k--)
			m[k] = m[k - 1];
		m[k] = &g->member[i];
	}
	return m;
}

/* All partitions that members have or that something is committed for, each once. */
static struct row *
rows_of(struct cmd_client *c, const struct cmd_group *g, struct cmd_spots *done, uint32_t *count)
{
	const struct cmd_member **m = by_size(c, g);
	uint32_t most = done->count;
	struct row *r;
	bool *taken = rk_arena_get(&c->arena, done->count, sizeof *taken);

	for (uint32_t i = 0; i < g->members; i++)
		most += g->member[i].now.count;
	r = rk_arena_get(&c->arena, most, sizeof *r);
	*count = 0;
	for (uint32_t i = 0; i < g->members && !c->arena.over; i++)
		for (uint32_t k = 0; k < m[i]->now.count; k++) {
			struct cmd_spot *s = &m[i]->now.at[k],
					*was = cmd_spots_find(done, s->topic, s->partition);
			if (was != NULL)
				taken[was - done->at] = true;
			r[(*count)++] = (struct row){was != NULL ? was : s, -1, m[i]};
		}
	for (uint32_t i = 0; i < done->count && !c->arena.over; i++)
		if (!taken[i])
			r[(*count)++] = (struct row){&done->at[i], -1, NULL};
	return r;
}

static bool
find_ends(struct cmd_client *c, struct row *r, uint32_t rows)
{
	struct cmd_spots all = {0};
	struct cmd_view v = {0};
	bool ok;

	for (uint32_t i = 0; i < rows; i++)
		cmd_spots_add(&c->arena, &all, r[i].spot->topic, r[i].spot->partition);
	cmd_spots_sort(&all);
	ok = cmd_spots_view(c, &all, &v) && cmd_spots_ask(c, &v, &all, CMD_AT_LATEST);
	for (uint32_t i = 0; i < rows && ok; i++)
		r[i].end = cmd_spots_find(&all, r[i].spot->topic, r[i].spot->partition)->offset;
	cmd_view_free(&v);
	return ok;
}

static bool
offsets(struct cmd_groups_job *j, const struct cmd_group *g)
{
	struct cmd_spots done = {0};
	struct row *r;
	uint32_t rows;

	if (!cmd_group_committed(&j->c, g->id, &done))
		return false;
	r = rows_of(&j->c, g, &done, &rows);
	if (!find_ends(&j->c, r, rows))
		return false;
	say_state(g);
	if (rows > 0)
		print_offsets(g, r, rows, cmd_given(j->a, "verbose"));
	return true;
}

/* "demo:0,1;other:3" in the arena. */
static struct rk_str
spots_text(struct cmd_client *c, const struct cmd_spots *s)
{
	size_t size = 1, n = 0;
	char *to;

	for (uint32_t i = 0; i < s->count; i++)
		size += (size_t)s->at[i].topic.len + 14;
	to = rk_arena_get(&c->arena, size, 1);
	for (uint32_t i = 0; i < s->count && to != NULL; i++)
		if (i > 0 && rk_str_eq(s->at[i].topic, s->at[i - 1].topic))
			n += (size_t)snprintf(to + n, size - n, ",%d", s->at[i].partition);
		else
			n += (size_t)snprintf(to + n, size - n, "%s%.*s:%d", i == 0 ? "" : ";",
			    s->at[i].topic.len, s->at[i].topic.at, s->at[i].partition);
	return s->count == 0 ? rk_lit("-") : (struct rk_str){to, (int32_t)n};
}

struct widths {
	int group, member, instance, host, client, now, target;
	bool classic; /* a member of a consumer group that speaks the classic protocol */
};

static struct widths
measure(struct cmd_client *c, const struct cmd_group *g)
{
	struct widths w = {widest(15, g->id), 15, 0, 15, 15, 20, 20, false};

	if (g->members == 0)
		w.group = 15;
	for (uint32_t i = 0; i < g->members; i++) {
		const struct cmd_member *m = &g->member[i];
		w.member = widest(w.member, m->id);
		if (m->instance.len > 0)
			w.instance = widest((int)rk_max(w.instance, 17), m->instance);
		w.host = widest(w.host, m->host);
		w.client = widest(w.client, m->client);
		w.now = widest(w.now, spots_text(c, &m->now));
		w.target = widest(w.target, spots_text(c, &m->target));
		w.classic = w.classic || (g->modern && m->classic);
	}
	return w;
}

static void
print_member(struct cmd_client *c, const struct cmd_group *g, const struct cmd_member *m,
    struct widths w, bool verbose)
{
	struct rk_str now = spots_text(c, &m->now), target = spots_text(c, &m->target);
	char epoch[24], target_epoch[24];

	printf("%-*.*s %-*.*s ", w.group, g->id.len, g->id.at, w.member, m->id.len, m->id.at);
	if (w.instance > 0)
		printf("%-*.*s ", w.instance, (int)rk_max(m->instance.len, 0), m->instance.at);
	printf("%-*.*s %-*.*s %-15u ", w.host, m->host.len, m->host.at, w.client, m->client.len,
	    m->client.at, m->now.count);
	if (verbose) {
		number(epoch, m->epoch);
		number(target_epoch, g->target_epoch);
		printf("%-15s %-*.*s %-15s %-*.*s", epoch, w.now, now.len, now.at, target_epoch,
		    w.target, target.len, target.at);
		if (w.classic)
			fputs(m->classic ? " false" : " true", stdout);
	}
	putchar('\n');
}

static bool
members(struct cmd_groups_job *j, const struct cmd_group *g)
{
	bool verbose = cmd_given(j->a, "verbose");
	struct widths w = measure(&j->c, g);

	say_state(g);
	printf("\n%-*s %-*s ", w.group, "GROUP", w.member, "CONSUMER-ID");
	if (w.instance > 0)
		printf("%-*s ", w.instance, "GROUP-INSTANCE-ID");
	printf("%-*s %-*s %-15s ", w.host, "HOST", w.client, "CLIENT-ID", "#PARTITIONS");
	if (verbose)
		printf("%-15s %-*s %-15s %-*s%s", "CURRENT-EPOCH", w.now, "CURRENT-ASSIGNMENT",
		    "TARGET-EPOCH", w.target, "TARGET-ASSIGNMENT", w.classic ? " UPGRADED" : "");
	putchar('\n');
	for (uint32_t i = 0; i < g->members; i++)
		print_member(&j->c, g, &g->member[i], w, verbose);
	return true;
}

static bool
state(struct cmd_groups_job *j, const struct cmd_group *g)
{
	const struct cmd_broker *b = cmd_client_broker(&j->c, g->coordinator);
	bool verbose = cmd_given(j->a, "verbose");
	int group = widest(15, g->id);
	char at[300] = "-", epoch[24], target_epoch[24];

	if (b != NULL)
		snprintf(at, sizeof at, "%.*s:%d  (%d)", b->host.len, b->host.at, b->port, b->id);
	int where = (int)rk_max((int64_t)strlen(at), 25);
	say_state(g);
	printf("\n%-*s %-*s %-20s %-20s ", group, "GROUP", where, "COORDINATOR (ID)",
	    "ASSIGNMENT-STRATEGY", "STATE");
	if (verbose)
		printf("%-15s %-25s ", "GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH");
	puts("#MEMBERS");
	printf("%-*.*s %-*s %-20.*s %-20.*s ", group, g->id.len, g->id.at, where, at,
	    g->assignor.len > 0 ? g->assignor.len : 1, g->assignor.len > 0 ? g->assignor.at : "-",
	    g->state.len, g->state.at);
	number(epoch, g->epoch);
	number(target_epoch, g->target_epoch);
	if (verbose)
		printf("%-15s %-25s ", epoch, target_epoch);
	printf("%u\n", g->members);
	return true;
}

int
cmd_groups_describe(struct cmd_groups_job *j)
{
	struct cmd_group *g = rk_arena_get(&j->c.arena, j->ids, sizeof *g);
	bool (*one)(struct cmd_groups_job *, const struct cmd_group *) =
	    cmd_given(j->a, "members") ? members
	    : cmd_given(j->a, "state") ? state
				       : offsets;

	/* A group that is not there, before anything is printed of the others. */
	for (uint32_t i = 0; i < j->ids; i++) {
		g[i].id = j->id[i];
		if (!cmd_group_describe(&j->c, &g[i]))
			return cmd_groups_failed(&j->c, 1);
	}
	for (uint32_t i = 0; i < j->ids; i++)
		if (!one(j, &g[i]))
			return cmd_groups_failed(&j->c, 1);
	return 0;
}
