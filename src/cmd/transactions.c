/* transactions.c - rookery transactions: shows transactions and producers, ends what hangs. */
#include <unistd.h>
#include "protocol/gen/describe_producers.h"
#include "protocol/gen/describe_transactions.h"
#include "protocol/gen/init_producer_id.h"
#include "protocol/gen/list_transactions.h"
#include "protocol/gen/write_txn_markers.h"
#include "src/cmd/perf.h"
#include "src/cmd/transactions.h"

enum { ACT_LIST, ACT_DESCRIBE, ACT_PRODUCERS, ACT_ABORT, ACT_HANGING, ACT_FORCE };
static const struct cmd_act acts[] = {
    {"list", "List transactional ids, their coordinators and states."},
    {"describe", "Show one transactional id and its transaction."},
    {"describe-producers", "Show the producers that a partition remembers."},
    {"abort",
	"Abort a transaction that hangs in a partition: one that no coordinator will ever end."},
    {"find-hanging", "Find such transactions."},
    {"forceTerminateTransaction",
	"Abort the open transaction of a transactional id, and fence its producer."},
    {NULL, NULL},
};
#define TOPIC_ACTS (1 << ACT_PRODUCERS | 1 << ACT_ABORT | 1 << ACT_HANGING)
static const struct cmd_opt opts[] = {
    {"bootstrap-server", CMD_TEXT, CMD_REQUIRED, 0, 0, "host:port", NULL,
	"Brokers to ask: host:port,..."},
    {"command-config", CMD_TEXT, 0, 0, 0, "FILE", NULL, "A properties file with client settings."},
    {"version", CMD_FLAG, 0, 'v', 0, NULL, NULL,
	"Print the version of Kafka this is compatible with."},
    {"duration-filter", CMD_LONG, 0, 0, 1 << ACT_LIST, "DURATION_FILTER", NULL,
	"Only transactions that have been open for longer than this, in ms; below 0: all."},
    {"transactional-id-pattern", CMD_TEXT, 0, 0, 1 << ACT_LIST, "TRANSACTIONAL_ID_PATTERN", NULL,
	"Only transactional ids that match this regular expression (RE2)."},
    {"transactional-id", CMD_TEXT, 0, 0, 1 << ACT_DESCRIBE, "TRANSACTIONAL_ID", NULL,
	"The transactional id."},
    {"transactionalId", CMD_TEXT, 0, 0, 1 << ACT_FORCE, "TRANSACTIONALID", NULL,
	"The transactional id."},
    {"broker-id", CMD_INT, 0, 0, 1 << ACT_PRODUCERS | 1 << ACT_HANGING, "BROKER_ID", NULL,
	"Ask this broker, not the leader; find-hanging: look at all partitions it has."},
    {"topic", CMD_TEXT, 0, 0, TOPIC_ACTS, "TOPIC", NULL, "The topic."},
    {"partition", CMD_INT, 0, 0, TOPIC_ACTS, "PARTITION", NULL, "The partition."},
    {"max-transaction-timeout", CMD_INT, 0, 0, 1 << ACT_HANGING, "MAX_TRANSACTION_TIMEOUT", "15",
	"What has not been written to for so many minutes may hang."},
    {"start-offset", CMD_LONG, 0, 0, 1 << ACT_ABORT, "START_OFFSET", NULL,
	"Where in the partition the transaction begins; the rest is then asked for."},
    {"producer-id", CMD_LONG, 0, 0, 1 << ACT_ABORT, "PRODUCER_ID", NULL,
	"Without --start-offset, as with brokers before 3.0: the producer,"},
    {"producer-epoch", CMD_INT, 0, 0, 1 << ACT_ABORT, "PRODUCER_EPOCH", NULL, "its epoch,"},
    {"coordinator-epoch", CMD_INT, 0, 0, 1 << ACT_ABORT, "COORDINATOR_EPOCH", NULL,
	"and that of its coordinator."},
};

/* Kafka's command says why, and how one could learn more of it. */
#define MORE "Enable debug logging for additional detail."

static int
by_id(const void *a, const void *b)
{
	return rk_str_cmp(((const struct cmd_txn *)a)->id, ((const struct cmd_txn *)b)->id);
}

/* A filter that a broker does not know would be left out, and too much be listed. */
static bool
can_filter(struct cmd_client *c, int64_t duration_ms, const char *pattern)
{
	int16_t lo, hi, need = pattern != NULL ? 2 : duration_ms >= 0 ? 1 : 0;

	if (need == 0 || (cmd_client_knows(c, KP_LIST_TRANSACTIONS, &lo, &hi) && hi >= need))
		return true;
	return cmd_client_fail(c, RK_UNSUPPORTED_VERSION,
	    "the broker cannot filter by %s: leave out --%s",
	    pattern != NULL ? "transactional id" : "duration",
	    pattern != NULL ? "transactional-id-pattern" : "duration-filter");
}

bool
cmd_txn_list(struct cmd_txn_job *j, const int64_t *ids, uint32_t id_count, int64_t duration_ms,
    const char *pattern, struct cmd_txn **list, uint32_t *count)
{
	struct kp_list_transactions_req req;
	struct kp_list_transactions_res *res;
	struct cmd_client *c = &j->c;
	uint32_t n = 0;

	if (!can_filter(c, duration_ms, pattern) || !cmd_client_brokers(c))
		return false;
	kp_defaults(kp_api(KP_LIST_TRANSACTIONS)->req, &req);
	req.producer_id_filters.at = (int64_t *)(uintptr_t)ids;
	req.producer_id_filters.len = (int32_t)id_count;
	req.duration_filter = duration_ms;
	req.transactional_id_pattern = pattern == NULL ? RK_STR_NULL : rk_str_of(pattern);
	res = rk_arena_get(&c->arena, c->brokers, sizeof *res);
	for (uint32_t b = 0; b < c->brokers; b++) {
		do {
			if (!cmd_client_call(
				c, c->broker[b].id, KP_LIST_TRANSACTIONS, &req, &res[b]))
				return false;
		} while (cmd_client_again(c, rk_err_of_wire(res[b].error_code)));
		if (res[b].error_code != 0)
			return cmd_client_fail(c, rk_err_of_wire(res[b].error_code),
			    "ListTransactions request sent to broker %d failed with an unexpected "
			    "exception",
			    c->broker[b].id);
		n += (uint32_t)rk_max(res[b].transaction_states.len, 0);
	}
	*list = rk_arena_get(&c->arena, n, sizeof **list);
	*count = 0;
	for (uint32_t b = 0; b < c->brokers && *list != NULL; b++)
		for (int32_t i = 0; i < res[b].transaction_states.len; i++)
			(*list)[(*count)++] =
			    (struct cmd_txn){res[b].transaction_states.at[i].transactional_id,
				res[b].transaction_states.at[i].transaction_state,
				res[b].transaction_states.at[i].producer_id, c->broker[b].id};
	if (*count > 0)
		qsort(*list, *count, sizeof **list, by_id);
	return true;
}

static int
list(struct cmd_txn_job *j)
{
	static const char *const names[] = {
	    "TransactionalId", "Coordinator", "ProducerId", "TransactionState", NULL};
	struct cmd_table t;
	struct cmd_txn *x;
	uint32_t n;

	if (!cmd_txn_list(j, NULL, 0, cmd_number(j->a, "duration-filter", -1),
		cmd_text(j->a, "transactional-id-pattern"), &x, &n))
		return cmd_say("Failed to list transactions: %s. " MORE, j->c.why);
	cmd_table_begin(&t, &j->c.arena, names);
	for (uint32_t i = 0; i < n; i++) {
		cmd_table_put(&t, "%.*s", x[i].id.len, x[i].id.at);
		cmd_table_put(&t, "%d", x[i].coordinator);
		cmd_table_number(&t, x[i].producer, NULL);
		cmd_table_put(&t, "%.*s", x[i].state.len, x[i].state.at);
	}
	cmd_table_print(&t);
	return 0;
}

bool
cmd_txn_describe(struct cmd_txn_job *j, struct rk_str id, int32_t *coordinator,
    struct kp_describe_transactions_res_transaction_states *to)
{
	struct kp_describe_transactions_req req;
	struct kp_describe_transactions_res res;

	kp_defaults(kp_api(KP_DESCRIBE_TRANSACTIONS)->req, &req);
	req.transactional_ids.at = &id;
	req.transactional_ids.len = 1;
	do {
		if (!cmd_coordinator(&j->c, 1, id, coordinator)
		    || !cmd_client_call(&j->c, *coordinator, KP_DESCRIBE_TRANSACTIONS, &req, &res))
			return false;
		if (res.transaction_states.len != 1)
			return cmd_client_fail(
			    &j->c, RK_UNKNOWN_SERVER_ERROR, "the answer does not speak of the id");
		*to = res.transaction_states.at[0];
	} while (cmd_client_again(&j->c, rk_err_of_wire(to->error_code)));
	if (to->error_code == 0)
		return true;
	enum rk_err e = rk_err_of_wire(to->error_code);
	return cmd_client_fail(&j->c, e,
	    e == RK_TRANSACTIONAL_ID_NOT_FOUND ? "DescribeTransactions request for transactionalId "
						 "`%.*s` failed because the ID could not be found"
					       : "DescribeTransactions request for transactionalId "
						 "`%.*s` failed due to unexpected error",
	    id.len, id.at);
}

static int
describe(struct cmd_txn_job *j)
{
	static const char *const names[] = {"CoordinatorId", "TransactionalId", "ProducerId",
	    "ProducerEpoch", "TransactionState", "TransactionTimeoutMs",
	    "CurrentTransactionStartTimeMs", "TransactionDurationMs", "TopicPartitions", NULL};
	struct kp_describe_transactions_res_transaction_states d;
	const char *id = cmd_text(j->a, "transactional-id");
	const char *parts = "";
	struct cmd_table t;
	int32_t node;

	if (!cmd_txn_describe(j, rk_str_of(id), &node, &d))
		return cmd_say(
		    "Failed to describe transaction state of transactional-id `%s`: %s. " MORE, id,
		    j->c.why);
	for (int32_t i = 0; i < d.topics.len; i++)
		for (int32_t k = 0; k < d.topics.at[i].partitions.len; k++)
			parts = rk_arena_print(&j->c.arena, "%s%s%.*s-%d", parts,
			    *parts == 0 ? "" : ",", d.topics.at[i].topic.len,
			    d.topics.at[i].topic.at, d.topics.at[i].partitions.at[k])
				    .at;
	cmd_table_begin(&t, &j->c.arena, names);
	cmd_table_put(&t, "%d", node);
	cmd_table_put(&t, "%.*s", d.transactional_id.len, d.transactional_id.at);
	cmd_table_number(&t, d.producer_id, NULL);
	cmd_table_number(&t, d.producer_epoch, NULL);
	cmd_table_put(&t, "%.*s", d.transaction_state.len, d.transaction_state.at);
	cmd_table_number(&t, d.transaction_timeout_ms, NULL);
	cmd_table_number(&t, d.transaction_start_time_ms, "None");
	if (d.transaction_start_time_ms < 0)
		cmd_table_put(&t, "None");
	else
		cmd_table_number(&t, cmd_perf_wall_ms() - d.transaction_start_time_ms, NULL);
	cmd_table_put(&t, "%s", parts == NULL ? "" : parts);
	cmd_table_print(&t);
	return 0;
}

/* --- producers of partitions */

/* The request for the spots that this broker leads, or for all of them. */
static void
producers_request(struct cmd_txn_job *j, const struct cmd_spots *s, int32_t broker, bool all,
    struct kp_describe_producers_req *req)
{
	struct kp_describe_producers_req_topics *t = NULL;
	int32_t *p = rk_arena_get(&j->c.arena, s->count, sizeof *p);

	kp_defaults(kp_api(KP_DESCRIBE_PRODUCERS)->req, req);
	req->topics.at = rk_arena_get(&j->c.arena, s->count, sizeof *req->topics.at);
	for (uint32_t i = 0; i < s->count && !j->c.arena.over; i++) {
		const struct cmd_part *q =
		    cmd_view_part(&j->view, s->at[i].topic, s->at[i].partition);
		if (!all && (q == NULL || q->leader != broker))
			continue;
		if (t == NULL || !rk_str_eq(t->name, s->at[i].topic)) {
			t = &req->topics.at[req->topics.len++];
			t->name = s->at[i].topic;
			t->partition_indexes.at = p;
		}
		*p++ = s->at[i].partition;
		t->partition_indexes.len++;
	}
}

static bool
take_producers(struct cmd_txn_job *j, const struct kp_describe_producers_res *res,
    struct cmd_producer **list, uint32_t *count, uint32_t *cap)
{
	for (int32_t i = 0; i < res->topics.len; i++)
		for (int32_t k = 0; k < res->topics.at[i].partitions.len; k++) {
			struct kp_describe_producers_res_topics_partitions *p =
			    &res->topics.at[i].partitions.at[k];
			if (!cmd_client_good(&j->c, p->error_code, p->error_message))
				return false;
			for (int32_t n = 0; n < p->active_producers.len; n++) {
				struct cmd_producer *to =
				    rk_mem_room((void **)list, *count, cap, sizeof *to);
				*to = (struct cmd_producer){res->topics.at[i].name,
				    p->partition_index, p->active_producers.at[n].producer_id,
				    p->active_producers.at[n].last_timestamp,
				    p->active_producers.at[n].current_txn_start_offset,
				    p->active_producers.at[n].producer_epoch,
				    p->active_producers.at[n].coordinator_epoch,
				    p->active_producers.at[n].last_sequence};
				++*count;
			}
		}
	return true;
}

bool
cmd_producers(struct cmd_txn_job *j, const struct cmd_spots *s, int32_t broker,
    struct cmd_producer **list, uint32_t *count)
{
	struct kp_describe_producers_req req;
	struct kp_describe_producers_res res;
	uint32_t cap = 0;

	*list = NULL;
	*count = 0;
	if (j->c.brokers == 0 && !cmd_client_brokers(&j->c))
		return false;
	for (uint32_t i = 0; i < s->count && broker == CMD_ANY; i++) {
		const struct cmd_part *p =
		    cmd_view_part(&j->view, s->at[i].topic, s->at[i].partition);
		if (p == NULL)
			return cmd_client_fail(&j->c, RK_UNKNOWN_TOPIC_OR_PARTITION,
			    "partition %.*s-%d is not there", s->at[i].topic.len, s->at[i].topic.at,
			    s->at[i].partition);
		if (cmd_client_broker(&j->c, p->leader) == NULL)
			return cmd_client_fail(&j->c, RK_LEADER_NOT_AVAILABLE,
			    "partition %.*s-%d has no leader", s->at[i].topic.len,
			    s->at[i].topic.at, s->at[i].partition);
	}
	for (uint32_t b = 0; b < j->c.brokers; b++) {
		int32_t node = broker != CMD_ANY ? broker : j->c.broker[b].id;
		if (broker != CMD_ANY && b > 0)
			break;
		producers_request(j, s, node, broker != CMD_ANY, &req);
		if (req.topics.len == 0)
			continue;
		if (!cmd_client_call(&j->c, node, KP_DESCRIBE_PRODUCERS, &req, &res)
		    || !take_producers(j, &res, list, count, &cap))
			return false;
	}
	return true;
}

/* The one partition that --topic and --partition name, and its producers. */
static bool
producers_of(struct cmd_txn_job *j, int32_t broker, struct cmd_producer **list, uint32_t *count)
{
	struct cmd_spots s = {0};

	*list = NULL;
	cmd_spots_add(&j->c.arena, &s, rk_str_of(cmd_text(j->a, "topic")),
	    (int32_t)cmd_number(j->a, "partition", 0));
	return cmd_spots_view(&j->c, &s, &j->view) && cmd_producers(j, &s, broker, list, count);
}

static int
describe_producers(struct cmd_txn_job *j)
{
	static const char *const names[] = {"ProducerId", "ProducerEpoch", "LatestCoordinatorEpoch",
	    "LastSequence", "LastTimestamp", "CurrentTransactionStartOffset", NULL};
	int32_t broker = (int32_t)cmd_number(j->a, "broker-id", CMD_ANY);
	struct cmd_producer *p;
	struct cmd_table t;
	char where[40];
	uint32_t n;

	snprintf(where, sizeof where, broker == CMD_ANY ? "leader" : "broker %d", broker);
	if (!producers_of(j, broker, &p, &n)) {
		rk_mem_put(p);
		return cmd_say("Failed to describe producers for partition %s-%s on %s: %s. " MORE,
		    cmd_text(j->a, "topic"), cmd_text(j->a, "partition"), where, j->c.why);
	}
	cmd_table_begin(&t, &j->c.arena, names);
	for (uint32_t i = 0; i < n; i++) {
		cmd_table_number(&t, p[i].id, NULL);
		cmd_table_number(&t, p[i].epoch, NULL);
		cmd_table_number(&t, p[i].coordinator_epoch, NULL);
		cmd_table_number(&t, p[i].last_sequence, NULL);
		cmd_table_number(&t, p[i].last_ms, NULL);
		cmd_table_number(&t, p[i].start, "None");
	}
	cmd_table_print(&t);
	rk_mem_put(p);
	return 0;
}

/* --- what is ended by force */

static int
write_abort(struct cmd_txn_job *j, const struct cmd_producer *p)
{
	int32_t index = p->partition;
	struct kp_write_txn_markers_req_markers_topics t = {
	    .name = p->topic, .partition_indexes.at = &index, .partition_indexes.len = 1};
	struct kp_write_txn_markers_req_markers m = {.producer_id = p->id,
	    .producer_epoch = (int16_t)p->epoch,
	    .topics.at = &t,
	    .topics.len = 1,
	    .coordinator_epoch = (int32_t)rk_max(p->coordinator_epoch, 0)};
	const struct cmd_part *q = cmd_view_part(&j->view, p->topic, p->partition);
	struct kp_write_txn_markers_req req;
	struct kp_write_txn_markers_res res;
	int16_t e = -1;

	kp_defaults(kp_api(KP_WRITE_TXN_MARKERS)->req, &req);
	req.markers.at = &m;
	req.markers.len = 1;
	if (cmd_client_call(&j->c, q->leader, KP_WRITE_TXN_MARKERS, &req, &res)) {
		if (res.markers.len == 1 && res.markers.at[0].topics.len == 1
		    && res.markers.at[0].topics.at[0].partitions.len == 1)
			e = res.markers.at[0].topics.at[0].partitions.at[0].error_code;
		if (cmd_client_good(&j->c, e, RK_STR_NULL))
			return 0;
	}
	return cmd_say("Failed to abort transaction AbortTransactionSpec(topicPartition=%.*s-%d, "
		       "producerId=%" PRId64 ", producerEpoch=%d, coordinatorEpoch=%d): %s. " MORE,
	    p->topic.len, p->topic.at, p->partition, p->id, p->epoch, m.coordinator_epoch,
	    j->c.why);
}

static int
abort_one(struct cmd_txn_job *j)
{
	const char *topic = cmd_text(j->a, "topic"), *partition = cmd_text(j->a, "partition");
	int64_t start = cmd_number(j->a, "start-offset", -1);
	struct cmd_producer *p,
	    one = {.topic = rk_str_of(topic),
		.partition = (int32_t)cmd_number(j->a, "partition", 0),
		.id = cmd_number(j->a, "producer-id", -1),
		.epoch = (int32_t)cmd_number(j->a, "producer-epoch", -1),
		.coordinator_epoch = (int32_t)cmd_number(j->a, "coordinator-epoch", -1)};
	bool found = !cmd_given(j->a, "start-offset");
	uint32_t n;

	if (!producers_of(j, CMD_ANY, &p, &n)) {
		rk_mem_put(p);
		return cmd_say("Failed to validate producer state for partition %s-%s: %s. " MORE,
		    topic, partition, j->c.why);
	}
	for (uint32_t i = 0; i < n && !found; i++)
		if (p[i].start == start && start >= 0) {
			one = p[i];
			found = true;
		}
	rk_mem_put(p);
	if (!found)
		return cmd_say("Could not find any open transactions starting at offset %" PRId64
			       " on partition %s-%s",
		    start, topic, partition);
	return write_abort(j, &one);
}

static int
force(struct cmd_txn_job *j)
{
	const char *id = cmd_text(j->a, "transactionalId");
	struct kp_init_producer_id_req req;
	struct kp_init_producer_id_res res;
	bool good;
	int32_t node;

	kp_defaults(kp_api(KP_INIT_PRODUCER_ID)->req, &req);
	req.transactional_id = rk_str_of(id);
	req.transaction_timeout_ms = 30000;
	do {
		good = cmd_coordinator(&j->c, 1, req.transactional_id, &node)
		       && cmd_client_call(&j->c, node, KP_INIT_PRODUCER_ID, &req, &res);
	} while (good && cmd_client_again(&j->c, rk_err_of_wire(res.error_code)));
	if (good && cmd_client_good(&j->c, res.error_code, RK_STR_NULL))
		return 0;
	return cmd_say("Failed to force terminate transactionalId `%s`: %s. " MORE, id, j->c.why);
}

static int
check_abort(const struct cmd_args *a)
{
	if (cmd_given(a, "start-offset"))
		return 0;
	if (!cmd_given(a, "producer-id"))
		return cmd_say("The transaction to abort must be identified either with "
			       "--start-offset (for brokers on 3.0 "
			       "or above) or with --producer-id, --producer-epoch, and "
			       "--coordinator-epoch (for older "
			       "brokers)");
	if (!cmd_given(a, "producer-epoch"))
		return cmd_say("Missing required argument --producer-epoch");
	return cmd_given(a, "coordinator-epoch")
		   ? 0
		   : cmd_say("Missing required argument --coordinator-epoch");
}

static int
check(const struct cmd_args *a)
{
	char line[300];
	int rc = cmd_require(a, "bootstrap-server", NULL);

	if (rc == 0 && a->act == ACT_DESCRIBE)
		rc = cmd_require(a, "transactional-id", NULL);
	if (rc == 0 && a->act == ACT_FORCE)
		rc = cmd_require(a, "transactionalId", NULL);
	if (rc == 0 && (a->act == ACT_PRODUCERS || a->act == ACT_ABORT))
		rc = cmd_require(a, "topic", "partition", NULL);
	if (rc == 0 && a->rest_count > 0) {
		snprintf(line, sizeof line, "unrecognized arguments: '%s'", a->rest[0]);
		rc = cmd_usage(a, line);
	}
	if (rc == 0 && a->act == ACT_ABORT)
		rc = check_abort(a);
	if (rc == 0 && a->act == ACT_HANGING && !cmd_given(a, "topic")
	    && !cmd_given(a, "broker-id"))
		rc = cmd_say("The `find-hanging` command requires either --topic or --broker-id to "
			     "limit the scope of the "
			     "search");
	return rc;
}

static int
run(struct cmd_args *a)
{
	static int (*const act[])(struct cmd_txn_job *) = {
	    list, describe, describe_producers, abort_one, cmd_txn_find_hanging, force};
	const char *config = cmd_text(a, "command-config");
	struct cmd_txn_job j = {.a = a};
	int rc;

	if (cmd_given(a, "version")) {
		puts(CMD_KAFKA_VERSION);
		return 0;
	}
	if ((rc = check(a)) != 0)
		return rc;
	if (config != NULL && access(config, R_OK) != 0)
		return cmd_say("Failed to load admin client properties: %s. " MORE, config);
	if (!cmd_client_start(&j.c, a))
		return 1;
	rc = act[a->act](&j);
	cmd_view_free(&j.view);
	cmd_client_close(&j.c);
	return rc;
}

const struct cmd_spec cmd_transactions_spec = {
    .name = "transactions",
    .peer = "kafka-transactions",
    .style = CMD_ARGPARSE,
    .opt = opts,
    .count = rk_countof(opts),
    .act = acts,
    .summary = "Shows transactions, and finds and ends those that hang.",
    .about =
	"A transaction is open in its coordinator, and in each partition it has written to. Where "
	"a partition waits "
	"for an end that no coordinator will ever write, consumers that read_committed wait, too: "
	"find-hanging finds such partitions, abort ends the wait. Ending a transaction by hand "
	"that its coordinator still "
	"knows breaks its promise; forceTerminateTransaction asks the coordinator itself and "
	"fences the "
	"producer.",
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
