/* admin.c - AlterPartitionReassignments, ElectLeaders, IncrementalAlterConfigs, AlterReplicaLogDirs,
 * each as one wish or a list of them; ListPartitionReassignments. */
#include "src/cmd/admin.h"
#include "protocol/gen/alter_partition_reassignments.h"
#include "protocol/gen/alter_replica_log_dirs.h"
#include "protocol/gen/elect_leaders.h"
#include "protocol/gen/incremental_alter_configs.h"
#include "protocol/gen/list_partition_reassignments.h"

static int
by_partition(const void *a, const void *b)
{
	const struct cmd_move *p = a, *q = b;
	int d = rk_str_cmp(p->topic, q->topic);

	return d != 0 ? d : (p->partition > q->partition) - (p->partition < q->partition);
}

void
cmd_moves_sort(struct cmd_move *m, uint32_t count)
{
	if (count > 0)
		qsort(m, count, sizeof *m, by_partition);
}

struct cmd_move *
cmd_move_find(struct cmd_move *m, uint32_t count, struct rk_str topic, int32_t partition)
{
	struct cmd_move key = {.topic = topic, .partition = partition};

	return count == 0 ? NULL : bsearch(&key, m, count, sizeof *m, by_partition);
}

const char *
cmd_moves_twice(struct rk_arena *a, const struct cmd_move *m, uint32_t count)
{
	const char *text = NULL;

	for (uint32_t i = 1; i < count; i++)
		if (by_partition(&m[i], &m[i - 1]) == 0
		    && (i == 1 || by_partition(&m[i], &m[i - 2]) != 0))
			text = rk_arena_print(a, "%s%s%.*s-%d", text == NULL ? "" : text,
			    text == NULL ? "" : ",", m[i].topic.len, m[i].topic.at, m[i].partition)
				   .at;
	return text;
}

bool
cmd_admin_moves(struct cmd_client *c, struct cmd_move **move, uint32_t *count)
{
	struct kp_list_partition_reassignments_req req;
	struct kp_list_partition_reassignments_res res;
	uint32_t n = 0;

	kp_defaults(kp_api(KP_LIST_PARTITION_REASSIGNMENTS)->req, &req);
	req.topics.len = -1;
	if (!cmd_client_call(c, CMD_DECIDER, KP_LIST_PARTITION_REASSIGNMENTS, &req, &res)
	    || !cmd_client_good(c, res.error_code, res.error_message))
		return false;
	for (int32_t i = 0; i < res.topics.len; i++)
		n += (uint32_t)rk_max(res.topics.at[i].partitions.len, 0);
	*move = rk_arena_get(&c->arena, n, sizeof **move);
	*count = 0;
	for (int32_t i = 0; i < res.topics.len; i++)
		for (int32_t k = 0; k < res.topics.at[i].partitions.len; k++) {
			struct kp_list_partition_reassignments_res_topics_partitions *p =
			    &res.topics.at[i].partitions.at[k];
			(*move)[(*count)++] = (struct cmd_move){.topic = res.topics.at[i].name,
			    .partition = p->partition_index,
			    .to = CMD_IDS(p->replicas),
			    .adding = CMD_IDS(p->adding_replicas),
			    .removing = CMD_IDS(p->removing_replicas)};
		}
	cmd_moves_sort(*move, *count);
	return true;
}

void
cmd_moves_mark(const struct cmd_move *m, uint32_t count, struct cmd_view *v)
{
	for (uint32_t i = 0; i < count; i++) {
		struct cmd_part *p = cmd_view_part(v, m[i].topic, m[i].partition);
		if (p == NULL)
			continue;
		p->moving = true;
		p->adding = m[i].adding;
		p->removing = m[i].removing;
	}
}

static void
reassign_request(struct cmd_client *c, const struct cmd_move *m, uint32_t count,
    struct kp_alter_partition_reassignments_req *req)
{
	struct kp_alter_partition_reassignments_req_topics *t = NULL;

	req->topics.at = rk_arena_get(&c->arena, count, sizeof *req->topics.at);
	for (uint32_t i = 0; i < count; i++) {
		if (i == 0 || !rk_str_eq(m[i].topic, m[i - 1].topic)) {
			t = &req->topics.at[req->topics.len++];
			t->name = m[i].topic;
			t->partitions.at =
			    rk_arena_get(&c->arena, count - i, sizeof *t->partitions.at);
		}
		t->partitions.at[t->partitions.len].partition_index = m[i].partition;
		t->partitions.at[t->partitions.len].replicas.at = (int32_t *)(uintptr_t)m[i].to.at;
		t->partitions.at[t->partitions.len++].replicas.len = m[i].to.len;
	}
}

bool
cmd_admin_reassign(struct cmd_client *c, struct cmd_move *m, uint32_t count, bool allow)
{
	struct kp_alter_partition_reassignments_req req;
	struct kp_alter_partition_reassignments_res res;

	kp_defaults(kp_api(KP_ALTER_PARTITION_REASSIGNMENTS)->req, &req);
	req.allow_replication_factor_change = allow;
	req.timeout_ms = 60000;
	reassign_request(c, m, count, &req);
	do {
		if (!cmd_client_call(c, CMD_DECIDER, KP_ALTER_PARTITION_REASSIGNMENTS, &req, &res))
			return false;
	} while (cmd_client_again(c, rk_err_of_wire(res.error_code)));
	if (!cmd_client_good(c, res.error_code, res.error_message))
		return false;
	for (int32_t i = 0; i < res.responses.len; i++)
		for (int32_t k = 0; k < res.responses.at[i].partitions.len; k++) {
			struct kp_alter_partition_reassignments_res_responses_partitions *p =
			    &res.responses.at[i].partitions.at[k];
			struct cmd_move *w =
			    cmd_move_find(m, count, res.responses.at[i].name, p->partition_index);
			if (w == NULL)
				continue;
			w->err = rk_err_of_wire(p->error_code);
			w->says = cmd_client_says(c, p->error_code, p->error_message);
		}
	return true;
}

bool
cmd_admin_elect(struct cmd_client *c, int8_t type, const struct cmd_move *m, int32_t count,
    struct cmd_elected **got, uint32_t *gots)
{
	struct kp_elect_leaders_req req;
	struct kp_elect_leaders_res res;
	struct kp_elect_leaders_req_topic_partitions *t = NULL;
	uint32_t n = 0;

	kp_defaults(kp_api(KP_ELECT_LEADERS)->req, &req);
	req.election_type = type;
	req.timeout_ms = 60000;
	req.topic_partitions.len = count < 0 ? -1 : 0;
	req.topic_partitions.at =
	    rk_arena_get(&c->arena, (size_t)rk_max(count, 0), sizeof *req.topic_partitions.at);
	for (int32_t i = 0; i < count; i++) {
		if (i == 0 || !rk_str_eq(m[i].topic, m[i - 1].topic)) {
			t = &req.topic_partitions.at[req.topic_partitions.len++];
			t->topic = m[i].topic;
			t->partitions.at = rk_arena_get(
			    &c->arena, (size_t)(count - i), sizeof *t->partitions.at);
		}
		t->partitions.at[t->partitions.len++] = m[i].partition;
	}
	do {
		if (!cmd_client_call(c, CMD_DECIDER, KP_ELECT_LEADERS, &req, &res))
			return false;
	} while (cmd_client_again(c, rk_err_of_wire(res.error_code)));
	if (!cmd_client_good(c, res.error_code, RK_STR_NULL))
		return false;
	*gots = 0;
	for (int32_t i = 0; i < res.replica_election_results.len; i++)
		n += (uint32_t)rk_max(res.replica_election_results.at[i].partition_result.len, 0);
	*got = rk_arena_get(&c->arena, n, sizeof **got);
	for (int32_t i = 0; i < res.replica_election_results.len; i++)
		for (int32_t k = 0; k < res.replica_election_results.at[i].partition_result.len;
		     k++) {
			struct kp_elect_leaders_res_replica_election_results_partition_result *p =
			    &res.replica_election_results.at[i].partition_result.at[k];
			(*got)[(*gots)++] =
			    (struct cmd_elected){res.replica_election_results.at[i].topic,
				p->partition_id, rk_err_of_wire(p->error_code),
				cmd_client_says(c, p->error_code, p->error_message)};
		}
	return true;
}

bool
cmd_admin_config(struct cmd_client *c, int32_t node, int8_t kind, const char *name,
    const struct cmd_set *set, uint32_t count)
{
	struct kp_incremental_alter_configs_req_resources r = {
	    .resource_type = kind, .resource_name = rk_str_of(name)};
	struct kp_incremental_alter_configs_req req;
	struct kp_incremental_alter_configs_res res;

	kp_defaults(kp_api(KP_INCREMENTAL_ALTER_CONFIGS)->req, &req);
	req.resources.at = &r;
	req.resources.len = 1;
	r.configs.at = rk_arena_get(&c->arena, count, sizeof *r.configs.at);
	for (uint32_t i = 0; i < count; i++) {
		r.configs.at[r.configs.len].name = rk_str_of(set[i].name);
		r.configs.at[r.configs.len].config_operation = set[i].value == NULL;
		r.configs.at[r.configs.len++].value =
		    set[i].value == NULL ? RK_STR_NULL : rk_str_of(set[i].value);
	}
	do {
		if (!cmd_client_call(c, node, KP_INCREMENTAL_ALTER_CONFIGS, &req, &res))
			return false;
		if (res.responses.len != 1)
			return cmd_client_fail(c, RK_UNKNOWN_SERVER_ERROR,
			    "the answer does not speak of what was asked");
		/* A topic that is not there may be retried in a producer, not in a command. */
	} while (rk_err_of_wire(res.responses.at[0].error_code) != RK_UNKNOWN_TOPIC_OR_PARTITION
		 && cmd_client_again(c, rk_err_of_wire(res.responses.at[0].error_code)));
	return cmd_client_good(c, res.responses.at[0].error_code, res.responses.at[0].error_message);
}

bool
cmd_admin_dir(struct cmd_client *c, struct cmd_dir_move *m)
{
	struct kp_alter_replica_log_dirs_req_dirs_topics t = {.name = m->topic};
	struct kp_alter_replica_log_dirs_req_dirs d = {.path = rk_str_of(m->dir)};
	struct kp_alter_replica_log_dirs_req req;
	struct kp_alter_replica_log_dirs_res res;

	kp_defaults(kp_api(KP_ALTER_REPLICA_LOG_DIRS)->req, &req);
	req.dirs.at = &d;
	req.dirs.len = 1;
	d.topics.at = &t;
	d.topics.len = 1;
	t.partitions.at = &m->partition;
	t.partitions.len = 1;
	if (!cmd_client_call(c, m->broker, KP_ALTER_REPLICA_LOG_DIRS, &req, &res))
		return false;
	m->err = res.results.len == 1 && res.results.at[0].partitions.len == 1
		     ? rk_err_of_wire(res.results.at[0].partitions.at[0].error_code)
		     : RK_UNKNOWN_SERVER_ERROR;
	return true;
}
