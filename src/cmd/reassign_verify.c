/* reassign_verify.c - how far moves are, taking them back, and taking their throttles away. */
#include "src/cmd/reassign.h"

static bool
under_way(struct cmd_reassign *r, const struct cmd_move *m)
{
	return cmd_move_find(r->now, r->nows, m->topic, m->partition) != NULL;
}

/* Returns 0; done: no partition of the file is under way any more. */
static int
print_moves(struct cmd_reassign *r, bool *done)
{
	int rc = cmd_reassign_under_way(r);

	if (rc != 0)
		return rc;
	if (!cmd_client_brokers(&r->c)
	    || !cmd_view_topics(&r->view, &r->c, r->topic, r->topics, 2000))
		return cmd_reassign_failed(r);
	*done = true;
	puts("Status of partition reassignment:");
	for (uint32_t i = 0; i < r->moves; i++) {
		struct cmd_move *m = &r->move[i];
		struct cmd_part *p = cmd_view_part(&r->view, m->topic, m->partition);
		struct cmd_ids have = {NULL, 0};
		if (p != NULL)
			have = p->replicas;
		if (under_way(r, m)) {
			printf("Reassignment of partition %.*s-%d is still in progress.\n",
			    m->topic.len, m->topic.at, m->partition);
			*done = false;
		} else if (cmd_ids_same(have, m->to)) {
			printf("Reassignment of partition %.*s-%d is completed.\n", m->topic.len,
			    m->topic.at, m->partition);
		} else {
			printf("There is no active reassignment of partition %.*s-%d, but replica "
			       "set is %s rather than %s.\n",
			    m->topic.len, m->topic.at, m->partition,
			    cmd_ids_text(&r->c.arena, have, ","),
			    cmd_ids_text(&r->c.arena, m->to, ","));
		}
	}
	return 0;
}

/* One replica's directory: returns whether nothing more is to be waited for. */
static bool
print_dir(struct cmd_reassign *r, const struct cmd_dir_move *d)
{
	const struct cmd_place *is =
				   cmd_place_find(&r->places, d->broker, d->topic, d->partition, false),
			       *to = cmd_place_find(
				   &r->places, d->broker, d->topic, d->partition, true);
	bool there = is != NULL && rk_str_is(is->dir, d->dir);
	int n = d->topic.len;
	const char *t = d->topic.at;

	if (is == NULL && to == NULL) {
		printf("Partition %.*s-%d is not found in any live log dir on broker %d. There is "
		       "likely an offline log directory on the broker.\n",
		    n, t, d->partition, d->broker);
		return false;
	}
	if (to != NULL && rk_str_is(to->dir, d->dir)) {
		printf("Reassignment of replica %.*s-%d-%d is still in progress.\n", n, t,
		    d->partition, d->broker);
		return false;
	}
	if (to != NULL) {
		printf("Partition %.*s-%d on broker %d is being moved to log dir %.*s instead of "
		       "%s.\n",
		    n, t, d->partition, d->broker, to->dir.len, to->dir.at, d->dir);
		return false;
	}
	if (there)
		printf("Reassignment of replica %.*s-%d-%d completed successfully.\n", n, t,
		    d->partition, d->broker);
	else
		printf("Partition %.*s-%d on broker %d is not being moved from log dir %.*s to "
		       "%s.\n",
		    n, t, d->partition, d->broker, is->dir.len, is->dir.at, d->dir);
	return true;
}

/* The directories of the brokers that the file names any for. */
static int
gather_dirs(struct cmd_reassign *r)
{
	struct cmd_ids ids = cmd_reassign_dir_brokers(r);

	if (ids.len > 0 && r->c.brokers == 0 && !cmd_client_brokers(&r->c))
		return cmd_reassign_failed(r);
	for (int32_t i = 0; i < ids.len; i++)
		if (!cmd_view_places(&r->places, &r->c, ids.at[i]))
			return cmd_reassign_failed(r);
	return 0;
}

/* All brokers that are there or that the file names. */
static struct cmd_ids
concerned(struct cmd_reassign *r)
{
	uint32_t all = r->c.brokers;
	int32_t *id, n = 0;

	for (uint32_t i = 0; i < r->moves; i++)
		all += (uint32_t)r->move[i].to.len;
	id = rk_arena_get(&r->c.arena, all, sizeof *id);
	for (uint32_t i = 0; i < r->c.brokers; i++)
		id[n++] = r->c.broker[i].id;
	for (uint32_t i = 0; i < r->moves; i++)
		n = cmd_ids_add(id, n, r->move[i].to);
	if (n > 0)
		qsort(id, (size_t)n, sizeof *id, rk_by_i32);
	return (struct cmd_ids){id, n};
}

int
cmd_reassign_unthrottle(struct cmd_reassign *r)
{
	static const struct cmd_set of_broker[] = {{"leader.replication.throttled.rate", NULL},
	    {"follower.replication.throttled.rate", NULL},
	    {"replica.alter.log.dirs.io.max.bytes.per.second", NULL}};
	static const struct cmd_set of_topic[] = {{"leader.replication.throttled.replicas", NULL},
	    {"follower.replication.throttled.replicas", NULL}};
	struct cmd_ids ids;

	if (r->c.brokers == 0 && !cmd_client_brokers(&r->c))
		return cmd_reassign_failed(r);
	ids = concerned(r);
	printf("Clearing broker-level throttles on broker%s %s\n", ids.len == 1 ? "" : "s",
	    cmd_ids_text(&r->c.arena, ids, ","));
	for (int32_t i = 0; i < ids.len; i++) {
		if (cmd_client_broker(&r->c, ids.at[i]) == NULL) {
			cmd_reassign_error("org.apache.kafka.common.errors.TimeoutException: "
					   "Timed out waiting for a node assignment. Call: "
					   "incrementalAlterConfigs");
			return cmd_fail(r->a, "there is no broker %d in the cluster", ids.at[i]);
		}
		if (!cmd_admin_config(&r->c, r->c.controllers ? CMD_DECIDER : ids.at[i],
			CMD_BROKER_CONFIG, rk_arena_print(&r->c.arena, "%d", ids.at[i]).at,
			of_broker, rk_countof(of_broker)))
			return cmd_reassign_failed(r);
	}
	printf("Clearing topic-level throttles on topic%s ", r->topics == 1 ? "" : "s");
	for (uint32_t i = 0; i < r->topics; i++)
		printf("%s%.*s", i == 0 ? "" : ",", r->topic[i].len, r->topic[i].at);
	putchar('\n');
	for (uint32_t i = 0; i < r->topics; i++)
		if (!cmd_admin_config(&r->c, CMD_DECIDER, CMD_TOPIC_CONFIG,
			rk_arena_str(&r->c.arena, r->topic[i]).at, of_topic, rk_countof(of_topic)))
			return cmd_reassign_failed(r);
	return 0;
}

int
cmd_reassign_verify(struct cmd_reassign *r)
{
	bool done = false, all = true;
	int rc = print_moves(r, &done);

	if (rc != 0 || (rc = gather_dirs(r)) != 0)
		return rc;
	for (uint32_t i = 0; i < r->dirs; i++)
		all = print_dir(r, &r->dir[i]) && all;
	if (r->dirs == 0)
		putchar('\n');
	return done && all && !cmd_given(r->a, "preserve-throttles") ? cmd_reassign_unthrottle(r) : 0;
}

static int
cancel_moves(struct cmd_reassign *r)
{
	struct cmd_move *gone;
	uint32_t n = 0, bad = 0;
	int rc = cmd_reassign_under_way(r);

	if (rc != 0)
		return rc;
	gone = rk_arena_get(&r->c.arena, r->moves, sizeof *gone);
	for (uint32_t i = 0; i < r->moves; i++)
		if (under_way(r, &r->move[i])) {
			gone[n] = r->move[i];
			gone[n++].to = (struct cmd_ids){NULL, -1};
		}
	if (n == 0) {
		puts("None of the specified partition reassignments are active.");
		return 0;
	}
	if (!cmd_admin_reassign(&r->c, gone, n, true))
		return cmd_reassign_failed(r);
	for (uint32_t i = 0; i < n; i++)
		bad += gone[i].err != RK_OK;
	if (bad > 0)
		printf("Error cancelling partition reassignment%s for:\n", n == 1 ? "" : "s");
	for (uint32_t i = 0; i < n; i++)
		if (gone[i].err != RK_OK)
			printf("%.*s-%d: %s\n", gone[i].topic.len, gone[i].topic.at,
			    gone[i].partition, gone[i].says);
	if (bad > 0)
		return 1;
	printf("Successfully cancelled partition reassignment%s for: ", n == 1 ? "" : "s");
	for (uint32_t i = 0; i < n; i++)
		printf("%s%.*s-%d", i == 0 ? "" : ",", gone[i].topic.len, gone[i].topic.at,
		    gone[i].partition);
	putchar('\n');
	return 0;
}

/* A move to another directory is taken back by asking for the directory it comes from. */
static int
cancel_dirs(struct cmd_reassign *r)
{
	struct cmd_dir_move *back = rk_arena_get(&r->c.arena, r->dirs, sizeof *back);
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->dirs; i++) {
		const struct cmd_dir_move *d = &r->dir[i];
		const struct cmd_place *is = cmd_place_find(
			    &r->places, d->broker, d->topic, d->partition, false),
				       *to = cmd_place_find(
					   &r->places, d->broker, d->topic, d->partition, true);
		if (is == NULL || to == NULL || !rk_str_is(to->dir, d->dir))
			continue;
		back[n] = *d;
		back[n++].dir = rk_arena_str(&r->c.arena, is->dir).at;
	}
	if (n == 0) {
		fputs("None of the specified partition moves are active.", stdout);
		return 0;
	}
	return cmd_reassign_dirs(r, back, n, cmd_number(r->a, "timeout", 10000));
}

int
cmd_reassign_cancel(struct cmd_reassign *r)
{
	int rc = cancel_moves(r);

	if (rc != 0 || (rc = gather_dirs(r)) != 0 || (rc = cancel_dirs(r)) != 0)
		return rc;
	return cmd_given(r->a, "preserve-throttles") ? 0 : cmd_reassign_unthrottle(r);
}
