/* reassign_execute.c - starts moves: throttles first, then the brokers' moves, then directories. */
#include "src/cmd/reassign.h"

/* Where a partition's data comes from and goes to: what the throttles are set for. */
struct flow {
	struct rk_str topic;
	int32_t partition;
	struct cmd_ids from, to;
};

static int
by_topic(const void *a, const void *b)
{
	return rk_str_cmp(((const struct flow *)a)->topic, ((const struct flow *)b)->topic);
}

/* The flows of what is asked for and of what is under way already (those asked for win), topic by topic. */
static uint32_t
flows(struct cmd_reassign *r, struct flow **out)
{
	struct rk_arena *a = &r->c.arena;
	struct flow *f = rk_arena_get(a, r->moves + r->nows, sizeof *f);
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->moves; i++) {
		const struct cmd_move *m = &r->move[i];
		struct cmd_part *p = cmd_view_part(&r->view, m->topic, m->partition);
		struct cmd_ids from = cmd_ids_without(a, p->replicas, p->adding);
		f[n++] = (struct flow){
		    m->topic, m->partition, from, cmd_ids_without(a, m->to, from)};
	}
	for (uint32_t i = 0; i < r->nows; i++) {
		const struct cmd_move *m = &r->now[i];
		if (cmd_move_find(r->move, r->moves, m->topic, m->partition) == NULL)
			f[n++] = (struct flow){m->topic, m->partition,
			    cmd_ids_without(a, m->to, m->adding), m->adding};
	}
	if (n > 0)
		qsort(f, n, sizeof *f, by_topic);
	*out = f;
	return n;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "0:1,0:2": the sources or the targets of the partitions of one topic. */
static const char *
throttled(struct cmd_reassign *r, const struct flow *f, uint32_t n, bool to)
{
	const char **pair;
	uint32_t count = 0, all = 0;
	size_t size = 1;
	char *text, *end;

	for (uint32_t i = 0; i < n; i++)
		all += (uint32_t)(to ? f[i].to.len : f[i].from.len);
	pair = rk_arena_get(&r->c.arena, all, sizeof *pair);
	for (uint32_t i = 0; i < n; i++) {
		struct cmd_ids ids = to ? f[i].to : f[i].from;
		for (int32_t k = 0; k < ids.len; k++) {
			pair[count] =
			    rk_arena_print(&r->c.arena, "%d:%d", f[i].partition, ids.at[k]).at;
			size += strlen(pair[count++]) + 1;
		}
	}
	if (count > 0)
		qsort(pair, count, sizeof *pair, by_text);
	end = text = rk_arena_get(&r->c.arena, size, 1);
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0)
			*end++ = ',';
		end = stpcpy(end, pair[i]);
	}
	/* More than a config's value may hold: all replicas, of which those in sync are never held
	 * back. */
	return size > INT16_MAX ? "*" : text;
}

static bool
throttle_topics(struct cmd_reassign *r, const struct flow *f, uint32_t n)
{
	for (uint32_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && rk_str_eq(f[end].topic, f[i].topic);)
			end++;
		const char *from = throttled(r, &f[i], end - i, false),
			   *to = throttled(r, &f[i], end - i, true);
		struct cmd_set set[] = {{"leader.replication.throttled.replicas", from},
		    {"follower.replication.throttled.replicas", to}};
		/* An empty list is not written. */
		uint32_t first = *from == 0, count = (*from != 0) + (*to != 0);
		if (count > 0
		    && !cmd_admin_config(&r->c, CMD_DECIDER, CMD_TOPIC_CONFIG,
			rk_arena_str(&r->c.arena, f[i].topic).at, set + first, count))
			return false;
	}
	return true;
}

static bool
throttle_brokers(
    struct cmd_reassign *r, struct cmd_ids ids, const struct cmd_set *set, uint32_t count)
{
	for (int32_t i = 0; i < ids.len; i++)
		if (!cmd_admin_config(&r->c, ids.at[i], CMD_BROKER_CONFIG,
			rk_arena_print(&r->c.arena, "%d", ids.at[i]).at, set, count))
			return false;
	return true;
}

int
cmd_reassign_throttle(struct cmd_reassign *r, int64_t rate)
{
	const char *text = rk_arena_print(&r->c.arena, "%" PRId64, rate).at;
	struct cmd_set set[] = {
	    {"leader.replication.throttled.rate", text}, {"follower.replication.throttled.rate", text}};
	struct flow *f;
	uint32_t n = flows(r, &f), all = 0;
	int32_t *id, ids = 0;

	for (uint32_t i = 0; i < n; i++)
		all += (uint32_t)(f[i].from.len + f[i].to.len);
	id = rk_arena_get(&r->c.arena, all, sizeof *id);
	for (uint32_t i = 0; i < n; i++)
		ids = cmd_ids_add(id, cmd_ids_add(id, ids, f[i].from), f[i].to);
	return throttle_topics(r, f, n)
		       && throttle_brokers(r, (struct cmd_ids){id, ids}, set, rk_countof(set))
		   ? 0
		   : cmd_reassign_failed(r);
}

struct cmd_ids
cmd_reassign_dir_brokers(struct cmd_reassign *r)
{
	int32_t *id = rk_arena_get(&r->c.arena, r->dirs, sizeof *id), n = 0;

	for (uint32_t i = 0; i < r->dirs; i++)
		n = cmd_ids_add(id, n, (struct cmd_ids){&r->dir[i].broker, 1});
	return (struct cmd_ids){id, n};
}

static bool
throttle_dirs(struct cmd_reassign *r, int64_t rate)
{
	struct cmd_set set = {"replica.alter.log.dirs.io.max.bytes.per.second",
	    rk_arena_print(&r->c.arena, "%" PRId64, rate).at};

	return throttle_brokers(r, cmd_reassign_dir_brokers(r), &set, 1);
}

static int
throttle(struct cmd_reassign *r)
{
	int64_t moves = cmd_number(r->a, "throttle", -1),
		dirs = cmd_number(r->a, "replica-alter-log-dirs-throttle", -1);
	int rc;

	if (moves < 0 && dirs < 0)
		return 0;
	puts("Warning: You must run --verify periodically, until the reassignment completes, to "
	     "ensure the throttle is removed.");
	if (moves >= 0) {
		if ((rc = cmd_reassign_throttle(r, moves)) != 0)
			return rc;
		printf("The inter-broker throttle limit was set to %" PRId64 " B/s\n", moves);
	}
	if (dirs >= 0) {
		if (!throttle_dirs(r, dirs))
			return cmd_reassign_failed(r);
		printf("The replica-alter-dir throttle limit was set to %" PRId64 " B/s\n", dirs);
	}
	return 0;
}

static int
by_replica(const void *a, const void *b)
{
	const struct cmd_dir_move *p = a, *q = b;
	int d = rk_str_cmp(p->topic, q->topic);

	if (d == 0)
		d = (p->partition > q->partition) - (p->partition < q->partition);
	return d != 0 ? d : (p->broker > q->broker) - (p->broker < q->broker);
}

/* Asks once for what has not begun yet. Returns how many are left (their replicas are not on their
 * brokers yet); UINT32_MAX after saying what went wrong. */
static uint32_t
ask_dirs(struct cmd_reassign *r, struct cmd_dir_move *d, uint32_t n)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (d[i].err == RK_OK)
			continue;
		if (!cmd_admin_dir(&r->c, &d[i])) {
			cmd_reassign_failed(r);
			return UINT32_MAX;
		}
		left += d[i].err == RK_REPLICA_NOT_AVAILABLE;
		if (d[i].err == RK_OK) {
			printf("Successfully started moving log directory to %s for replica "
			       "%.*s-%d with broker %d \n",
			    d[i].dir, d[i].topic.len, d[i].topic.at, d[i].partition, d[i].broker);
		} else if (d[i].err != RK_REPLICA_NOT_AVAILABLE) {
			cmd_reassign_error("Failed to alter dir for %.*s-%d-%d", d[i].topic.len,
			    d[i].topic.at, d[i].partition, d[i].broker);
			cmd_fail(r->a, "broker %d, directory %s: %s", d[i].broker, d[i].dir,
			    cmd_client_says(&r->c, rk_err_wire(d[i].err), RK_STR_NULL));
			return UINT32_MAX;
		}
	}
	return left;
}

int
cmd_reassign_dirs(struct cmd_reassign *r, struct cmd_dir_move *d, uint32_t n, int64_t timeout_ms)
{
	uint32_t left;
	bool first = true;

	qsort(d, n, sizeof *d, by_replica);
	for (uint32_t i = 0; i < n; i++)
		d[i].err = RK_REPLICA_NOT_AVAILABLE;
	for (int64_t waited = 0; (left = ask_dirs(r, d, n)) > 0 && waited < timeout_ms; waited += 100) {
		if (left == UINT32_MAX)
			return 1;
		fflush(stdout);
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	}
	if (left == 0)
		return 0;
	if (left == UINT32_MAX)
		return 1;
	printf("Timed out before log directory move%s could be started for: ", left == 1 ? "" : "s");
	for (uint32_t i = 0; i < n; i++)
		if (d[i].err != RK_OK) {
			printf("%s%.*s-%d-%d", first ? "" : ",", d[i].topic.len, d[i].topic.at,
			    d[i].partition, d[i].broker);
			first = false;
		}
	putchar('\n');
	return 1;
}

static int
start(struct cmd_reassign *r)
{
	bool change = !cmd_given(r->a, "disallow-replication-factor-change"), said = false;

	if (!cmd_admin_reassign(&r->c, r->move, r->moves, change))
		return cmd_reassign_failed(r);
	for (uint32_t i = 0; i < r->moves; i++) {
		if (r->move[i].err == RK_OK)
			continue;
		if (!said)
			puts("Error reassigning partition(s):");
		said = true;
		printf("%.*s-%d: %s\n", r->move[i].topic.len, r->move[i].topic.at,
		    r->move[i].partition, r->move[i].says);
	}
	if (said)
		return 1;
	printf("Successfully started partition reassignment%s for ", r->moves == 1 ? "" : "s");
	for (uint32_t i = 0; i < r->moves; i++)
		printf("%s%.*s-%d", i == 0 ? "" : ",", r->move[i].topic.len, r->move[i].topic.at,
		    r->move[i].partition);
	putchar('\n');
	return 0;
}

/* What is now, in the form of the file: the way back. */
static void
print_now(struct cmd_reassign *r)
{
	struct cmd_move *now = rk_arena_get(&r->c.arena, r->moves, sizeof *now);

	for (uint32_t i = 0; i < r->moves; i++) {
		now[i] = r->move[i];
		now[i].to =
		    cmd_view_part(&r->view, r->move[i].topic, r->move[i].partition)->replicas;
	}
	cmd_reassign_places(r);
	fputs("Current partition replica assignment\n\n", stdout);
	cmd_reassign_json(r, stdout, now, r->moves, true);
	fputs("\nSave this to use as the --reassignment-json-file option during rollback\n", stdout);
}

int
cmd_reassign_execute(struct cmd_reassign *r)
{
	int rc = cmd_reassign_under_way(r);

	if (rc != 0)
		return rc;
	if (r->nows > 0 && !cmd_given(r->a, "additional")) {
		puts("Cannot execute because there is an existing partition assignment.  Use "
		     "--additional to override this and create a new partition assignment in "
		     "addition to the existing one. The --additional flag can also be used to "
		     "change the throttle by resubmitting the current reassignment.");
		return 1;
	}
	if (!cmd_client_brokers(&r->c))
		return cmd_reassign_failed(r);
	for (uint32_t i = 0; i < r->moves; i++)
		for (int32_t k = 0; k < r->move[i].to.len; k++)
			if (cmd_client_broker(&r->c, r->move[i].to.at[k]) == NULL)
				return cmd_reassign_error(
				    "Unknown broker id %d", r->move[i].to.at[k]);
	if ((rc = cmd_reassign_describe(r)) != 0)
		return rc;
	print_now(r);
	cmd_moves_mark(r->now, r->nows, &r->view);
	if ((rc = throttle(r)) != 0 || (rc = start(r)) != 0)
		return rc;
	return r->dirs == 0 ? 0
			    : cmd_reassign_dirs(
				r, r->dir, r->dirs, cmd_number(r->a, "timeout", 10000));
}
