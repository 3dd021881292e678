/* transactions_hanging.c - rookery transactions find-hanging: open in a partition, unknown to every
 * coordinator. */
#include "protocol/gen/describe_transactions.h"
#include "src/cmd/perf.h"
#include "src/cmd/transactions.h"

/* The partitions to look at. False: the client's why tells; *topics is how many were to be
 * described. */
static bool
candidates(struct cmd_txn_job *j, struct cmd_spots *s, uint32_t *topics)
{
	const char *topic = cmd_text(j->a, "topic");
	int32_t broker = (int32_t)cmd_number(j->a, "broker-id", CMD_ANY);
	struct rk_str one = topic == NULL ? RK_STR_NULL : rk_str_of(topic), *name = &one;

	*topics = 1;
	if (topic == NULL && !cmd_view_names(&j->c, &name, topics))
		return false;
	if (!cmd_view_topics(&j->view, &j->c, name, *topics, 2000))
		return false;
	for (uint32_t i = 0; i < j->view.topics; i++) {
		const struct cmd_topic *t = &j->view.topic[i];
		if (t->err != RK_OK)
			return cmd_client_fail(&j->c, t->err, "%s", rk_err_text(t->err));
		for (uint32_t k = 0; k < t->parts && !cmd_given(j->a, "partition"); k++)
			if (broker == CMD_ANY || cmd_ids_has(t->part[k].replicas, broker))
				cmd_spots_add(&j->c.arena, s, t->name, t->part[k].index);
	}
	if (cmd_given(j->a, "partition"))
		cmd_spots_add(&j->c.arena, s, one, (int32_t)cmd_number(j->a, "partition", 0));
	return true;
}

/* Whether a coordinator knows of the producer's transaction and that the partition is in it. */
static bool
known(struct cmd_txn_job *j, const struct cmd_producer *p, const struct cmd_txn *x, uint32_t n,
    bool *failed)
{
	struct kp_describe_transactions_res_transaction_states d;
	int32_t node;

	for (uint32_t i = 0; i < n; i++) {
		if (x[i].producer != p->id)
			continue;
		if (!cmd_txn_describe(j, x[i].id, &node, &d)) {
			*failed = j->c.err != RK_TRANSACTIONAL_ID_NOT_FOUND;
			return *failed;
		}
		for (int32_t k = 0; k < d.topics.len; k++)
			for (int32_t q = 0; q < d.topics.at[k].partitions.len; q++)
				if (rk_str_eq(d.topics.at[k].topic, p->topic)
				    && d.topics.at[k].partitions.at[q] == p->partition)
					return true;
	}
	return false;
}

static int
print(struct cmd_txn_job *j, struct cmd_producer *p, uint32_t n, int64_t now)
{
	static const char *const names[] = {"Topic", "Partition", "ProducerId", "ProducerEpoch",
	    "CoordinatorEpoch", "StartOffset", "LastTimestamp", "Duration(min)", NULL};
	struct cmd_table t;

	cmd_table_begin(&t, &j->c.arena, names);
	for (uint32_t i = 0; i < n; i++) {
		cmd_table_put(&t, "%.*s", p[i].topic.len, p[i].topic.at);
		cmd_table_number(&t, p[i].partition, NULL);
		cmd_table_number(&t, p[i].id, NULL);
		cmd_table_number(&t, p[i].epoch, NULL);
		cmd_table_number(&t, p[i].coordinator_epoch, NULL);
		cmd_table_number(&t, p[i].start, NULL);
		cmd_table_number(&t, p[i].last_ms, NULL);
		cmd_table_number(&t, (now - p[i].last_ms) / 60000, NULL);
	}
	cmd_table_print(&t);
	return 0;
}

/* Keeps of the producers those that hang. False: a coordinator did not tell. */
static bool
sift(struct cmd_txn_job *j, struct cmd_producer *p, uint32_t *count, int64_t before)
{
	int64_t *ids = rk_arena_get(&j->c.arena, *count, sizeof *ids);
	struct cmd_txn *x = NULL;
	uint32_t n = 0, kept = 0;
	bool failed = false;

	for (uint32_t i = 0; i < *count && ids != NULL; i++)
		if (p[i].start >= 0 && p[i].last_ms < before) {
			ids[kept] = p[i].id;
			p[kept++] = p[i];
		}
	*count = kept;
	if (kept > 0 && !cmd_txn_list(j, ids, kept, -1, NULL, &x, &n))
		return false;
	kept = 0;
	for (uint32_t i = 0; i < *count && !failed; i++)
		if (!known(j, &p[i], x, n, &failed))
			p[kept++] = p[i];
	*count = kept;
	return !failed;
}

int
cmd_txn_find_hanging(struct cmd_txn_job *j)
{
	int32_t broker = (int32_t)cmd_number(j->a, "broker-id", CMD_ANY);
	int64_t now = cmd_perf_wall_ms();
	struct cmd_producer *p = NULL;
	struct cmd_spots s = {0};
	uint32_t topics, n = 0;
	int rc;

	if (!candidates(j, &s, &topics))
		return cmd_say(
		    "Failed to describe %u topics: %s. Enable debug logging for additional detail.",
		    topics, j->c.why);
	if (s.count > 0 && !cmd_producers(j, &s, broker, &p, &n))
		rc = cmd_say("Failed to describe producers for %u partitions on broker %d: %s. "
			     "Enable debug logging for "
			     "additional detail.",
		    s.count, broker, j->c.why);
	else if (!sift(j, p, &n, now - cmd_number(j->a, "max-transaction-timeout", 15) * 60000))
		rc = cmd_say("Failed to list or describe transactions: %s", j->c.why);
	else
		rc = print(j, p, n, now);
	rk_mem_put(p);
	return rc;
}
