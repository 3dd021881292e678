/* cluster_can_stop.c - rookery cluster can-stop: what would be lost if a broker went now.
 *
 * A partition minds when the broker is in its ISR and the rest of it is smaller than
 * min.insync.replicas (acks=all is refused then) or empty (nothing can be read or written). The
 * quorum minds when the broker is a voter and the voters left that are caught up are no majority. */
#include "protocol/gen/describe_cluster.h"
#include "protocol/gen/describe_quorum.h"
#include "src/cmd/drain.h"

enum { SHOWN = 20, BEHIND_MS = 10000 };

bool
cmd_cluster_nodes(struct cmd_client *c, struct cmd_node **nodes, uint32_t *count)
{
	struct kp_describe_cluster_res res;

	if (!cmd_client_describe(c, true, &res))
		return false;
	*count = (uint32_t)rk_max(res.brokers.len, 0);
	*nodes = rk_arena_get(&c->arena, *count, sizeof **nodes);
	for (uint32_t i = 0; i < *count; i++)
		(*nodes)[i] = (struct cmd_node){res.brokers.at[i].broker_id, res.brokers.at[i].rack,
		    res.brokers.at[i].is_fenced};
	return true;
}

const struct cmd_node *
cmd_cluster_node(
    const struct cmd_args *a, const struct cmd_node *node, uint32_t count, int32_t id)
{
	for (uint32_t i = 0; i < count; i++)
		if (node[i].id == id)
			return &node[i];
	cmd_fail(a, "there is no broker %d in the cluster (rookery cluster list-endpoints "
		    "--include-fenced-brokers lists them)",
	    id);
	return NULL;
}

struct count {
	uint32_t replicas, leads, refuse, gone, shown;
};

static void
show(struct count *n, const struct cmd_topic *t, const struct cmd_part *p, const char *why)
{
	if (n->shown++ == SHOWN)
		puts("  ...");
	if (n->shown > SHOWN)
		return;
	printf("  %.*s-%d: ", t->name.len, t->name.at, p->index);
	printf("in sync %d of %d, min.insync.replicas %" PRId64 ": %s\n", p->isr.len, p->replicas.len,
	    t->min_isr, why);
}

static void
look(struct count *n, const struct cmd_topic *t, const struct cmd_part *p, int32_t id, bool tell)
{
	int32_t left = p->isr.len - 1;
	/* As brokers count it: a partition never needs more replicas than it has. */
	int64_t need = rk_min(t->min_isr, cmd_part_factor(p));

	if (!cmd_ids_has(p->replicas, id))
		return;
	n->replicas += !tell;
	n->leads += !tell && p->leader == id;
	if (!cmd_ids_has(p->isr, id))
		return;
	if (left == 0) {
		n->gone += !tell;
		if (tell)
			show(n, t, p, p->replicas.len == 1 ? "its only replica; it would be unavailable"
				: "the only replica in sync; it would be unavailable");
	} else if (left < need) {
		n->refuse += !tell;
		if (tell)
			show(n, t, p, "writes with acks=all would be refused");
	}
}

/* The broker as a voter: 1 when too few others would be left. -1: not known. */
static int
quorum(struct cmd_client *c, int32_t id)
{
	struct kp_describe_quorum_res res;
	int64_t now = 0;
	int32_t good = 0;
	bool voter = false;

	if (!cmd_view_quorum(c, &res))
		return -1;
	struct kp_describe_quorum_res_topics_partitions *q = &res.topics.at[0].partitions.at[0];
	int32_t voters = q->current_voters.len;
	for (int32_t i = 0; i < voters; i++)
		now = rk_max(now, q->current_voters.at[i].last_caught_up_timestamp);
	for (int32_t i = 0; i < voters; i++) {
		bool late = now - q->current_voters.at[i].last_caught_up_timestamp > BEHIND_MS;
		voter = voter || q->current_voters.at[i].replica_id == id;
		good += q->current_voters.at[i].replica_id != id && !late;
	}
	if (!voter || good > voters / 2)
		return 0;
	printf("It is one of %d voters of the metadata quorum, and of the others only %d %s caught "
	       "up: without a majority nothing in the cluster can change.\n",
	    voters, good, good == 1 ? "is" : "are");
	return 1;
}

static void
advise(const struct count *n, int32_t id)
{
	puts("What to do:");
	if (n->refuse > 0)
		puts("  - wait until the partitions are in sync again (rookery topics --describe "
		     "--under-replicated-partitions shows them), or start the brokers that are "
		     "missing;");
	printf("  - or move everything away first: rookery cluster drain %d --wait\n", id);
	if (n->gone > 0)
		puts("  - or give the topics more replicas (rookery reassign-partitions).");
}

static int
verdict(struct cmd_client *c, struct cmd_view *v, int32_t id)
{
	struct count n = {0};
	int q;

	for (uint32_t i = 0; i < v->topics; i++)
		for (uint32_t k = 0; k < v->topic[i].parts; k++)
			look(&n, &v->topic[i], &v->topic[i].part[k], id, false);
	q = quorum(c, id);
	if (n.gone + n.refuse == 0 && q <= 0) {
		printf("Broker %d can be stopped: of its %u replicas (it leads %u) each has enough "
		       "others in sync%s.\n",
		    id, n.replicas, n.leads,
		    q < 0 ? " (what the metadata quorum needs could not be found out)" : "");
		return 0;
	}
	printf("Broker %d should not be stopped now.\n", id);
	if (n.gone + n.refuse > 0)
		printf("Of its %u replicas (it leads %u), %u would be unavailable and %u would "
		       "refuse writes with acks=all:\n",
		    n.replicas, n.leads, n.gone, n.refuse);
	for (uint32_t i = 0; i < v->topics; i++)
		for (uint32_t k = 0; k < v->topic[i].parts; k++)
			look(&n, &v->topic[i], &v->topic[i].part[k], id, true);
	if (n.gone + n.refuse > 0)
		advise(&n, id);
	return 1;
}

int
cmd_cluster_can_stop(const struct cmd_args *a, int32_t id)
{
	enum { NOT_KNOWN = 2 };
	struct cmd_client c;
	struct cmd_view v = {0};
	struct cmd_node *node;
	struct rk_str *name;
	uint32_t nodes, names;
	int rc = NOT_KNOWN;

	if (!cmd_client_start(&c, a))
		return NOT_KNOWN;
	if (!cmd_cluster_nodes(&c, &node, &nodes) || !cmd_view_names(&c, &name, &names)
	    || !cmd_view_topics(&v, &c, name, names, 2000) || !cmd_view_configs(&v, &c))
		cmd_fail(a, "%s", c.why);
	else if (cmd_cluster_node(a, node, nodes, id) != NULL)
		rc = verdict(&c, &v, id);
	cmd_view_free(&v);
	cmd_client_close(&c);
	return rc;
}
