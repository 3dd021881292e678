/* group.c - asks coordinators about groups, and leaders about offsets: FindCoordinator, ListGroups,
 * ConsumerGroupDescribe and DescribeGroups, OffsetFetch, OffsetCommit, OffsetDelete, DeleteGroups,
 * ListOffsets. */
#include "src/cmd/group.h"
#include "protocol/gen/delete_groups.h"
#include "protocol/gen/find_coordinator.h"
#include "protocol/gen/list_groups.h"
#include "protocol/gen/list_offsets.h"
#include "protocol/gen/offset_commit.h"
#include "protocol/gen/offset_delete.h"
#include "protocol/gen/offset_fetch.h"

enum { BY_NAME = 9 }; /* the last version of OffsetCommit and OffsetFetch that names topics */

struct cmd_spot *
cmd_spots_add(struct rk_arena *a, struct cmd_spots *s, struct rk_str topic, int32_t partition)
{
	static struct cmd_spot nowhere; /* the arena is over: the client says so at the next call */

	if (s->count == s->cap) {
		uint32_t cap = s->cap == 0 ? 16 : s->cap * 2;
		struct cmd_spot *at = rk_arena_get(a, cap, sizeof *at);
		if (at == NULL)
			return &nowhere;
		if (s->count > 0)
			memcpy(at, s->at, s->count * sizeof *at);
		s->at = at;
		s->cap = cap;
	}
	s->at[s->count] =
	    (struct cmd_spot){.topic = topic, .partition = partition, .offset = -1, .epoch = -1};
	return &s->at[s->count++];
}

static int
by_place(const void *a, const void *b)
{
	const struct cmd_spot *p = a, *q = b;
	int d = rk_str_cmp(p->topic, q->topic);

	return d != 0 ? d : (p->partition > q->partition) - (p->partition < q->partition);
}

static int
by_place_and_epoch(const void *a, const void *b)
{
	const struct cmd_spot *p = a, *q = b;
	int d = by_place(a, b);

	return d != 0 ? d : (p->epoch > q->epoch) - (p->epoch < q->epoch);
}

void
cmd_spots_sort(struct cmd_spots *s)
{
	if (s->count > 0)
		qsort(s->at, s->count, sizeof *s->at, by_place_and_epoch);
}

struct cmd_spot *
cmd_spots_find(const struct cmd_spots *s, struct rk_str topic, int32_t partition)
{
	struct cmd_spot key = {.topic = topic, .partition = partition};

	return s->count == 0 ? NULL : bsearch(&key, s->at, s->count, sizeof key, by_place);
}

bool
cmd_spots_view(struct cmd_client *c, const struct cmd_spots *s, struct cmd_view *v)
{
	struct rk_str *name = rk_arena_get(&c->arena, s->count, sizeof *name);
	uint32_t names = 0;

	for (uint32_t i = 0; i < s->count && name != NULL; i++)
		if (names == 0 || !rk_str_eq(name[names - 1], s->at[i].topic))
			name[names++] = s->at[i].topic;
	return cmd_view_topics(v, c, name, names, 2000);
}

/* The request for all spots that this broker leads. */
static void
offsets_request(struct cmd_client *c, struct cmd_view *v, const struct cmd_spots *s, int32_t leader,
    int64_t at, struct kp_list_offsets_req *req)
{
	struct kp_list_offsets_req_topics_partitions *p =
	    rk_arena_get(&c->arena, s->count, sizeof *p);
	struct kp_list_offsets_req_topics *t = NULL;

	kp_defaults(kp_api(KP_LIST_OFFSETS)->req, req);
	req->replica_id = -1;
	req->timeout_ms = 30000;
	req->topics.at = rk_arena_get(&c->arena, s->count, sizeof *req->topics.at);
	for (uint32_t i = 0; i < s->count && !c->arena.over; i++) {
		const struct cmd_part *q = cmd_view_part(v, s->at[i].topic, s->at[i].partition);
		if (q == NULL || q->leader != leader)
			continue;
		if (t == NULL || !rk_str_eq(t->name, s->at[i].topic)) {
			t = &req->topics.at[req->topics.len++];
			t->name = s->at[i].topic;
			t->partitions.at = p;
		}
		*p++ = (struct kp_list_offsets_req_topics_partitions){
		    .partition_index = s->at[i].partition,
		    .current_leader_epoch = -1,
		    .timestamp = at};
		t->partitions.len++;
	}
}

static void
take_offsets(struct cmd_spots *s, const struct kp_list_offsets_res *res)
{
	for (int32_t i = 0; i < res->topics.len; i++)
		for (int32_t k = 0; k < res->topics.at[i].partitions.len; k++) {
			struct kp_list_offsets_res_topics_partitions *p =
			    &res->topics.at[i].partitions.at[k];
			struct cmd_spot *one =
			    cmd_spots_find(s, res->topics.at[i].name, p->partition_index);
			if (one == NULL)
				continue;
			one->err = rk_err_of_wire(p->error_code);
			one->offset = one->err == RK_OK ? p->offset : -1;
		}
}

bool
cmd_spots_ask(struct cmd_client *c, struct cmd_view *v, struct cmd_spots *s, int64_t at)
{
	struct kp_list_offsets_req req;
	struct kp_list_offsets_res res;

	if (c->brokers == 0 && !cmd_client_brokers(c))
		return false;
	for (uint32_t i = 0; i < s->count; i++) {
		const struct cmd_part *p = cmd_view_part(v, s->at[i].topic, s->at[i].partition);
		s->at[i].offset = -1;
		s->at[i].err = p == NULL ? RK_UNKNOWN_TOPIC_OR_PARTITION : RK_LEADER_NOT_AVAILABLE;
	}
	for (uint32_t b = 0; b < c->brokers; b++) {
		offsets_request(c, v, s, c->broker[b].id, at, &req);
		if (req.topics.len == 0)
			continue;
		if (!cmd_client_call(c, c->broker[b].id, KP_LIST_OFFSETS, &req, &res))
			return false;
		take_offsets(s, &res);
	}
	return true;
}

static int
by_id(const void *a, const void *b)
{
	return rk_str_cmp(((const struct cmd_listed *)a)->id, ((const struct cmd_listed *)b)->id);
}

/* A list with commas as strings of a request. */
static struct rk_str *
filter(struct cmd_client *c, const char *list, int32_t *len)
{
	char **piece;
	uint32_t n = list == NULL ? 0 : cmd_split(&c->arena, list, ',', &piece);
	struct rk_str *at = rk_arena_get(&c->arena, n, sizeof *at);

	*len = 0;
	for (uint32_t i = 0; i < n && at != NULL; i++)
		if (piece[i][0] != 0)
			at[(*len)++] = rk_str_of(piece[i]);
	return at;
}

bool
cmd_group_list(struct cmd_client *c, const char *states, const char *types,
    struct cmd_listed **list, uint32_t *count)
{
	struct kp_list_groups_req req;
	struct kp_list_groups_res *res;
	uint32_t n = 0;

	kp_defaults(kp_api(KP_LIST_GROUPS)->req, &req);
	req.states_filter.at = filter(c, states, &req.states_filter.len);
	req.types_filter.at = filter(c, types, &req.types_filter.len);
	if (!cmd_client_brokers(c))
		return false;
	res = rk_arena_get(&c->arena, c->brokers, sizeof *res);
	for (uint32_t b = 0; b < c->brokers; b++) {
		do {
			if (!cmd_client_call(c, c->broker[b].id, KP_LIST_GROUPS, &req, &res[b]))
				return false;
		} while (cmd_client_again(c, rk_err_of_wire(res[b].error_code)));
		if (!cmd_client_good(c, res[b].error_code, RK_STR_NULL))
			return false;
		n += (uint32_t)rk_max(res[b].groups.len, 0);
	}
	*list = rk_arena_get(&c->arena, n, sizeof **list);
	*count = 0;
	for (uint32_t b = 0; b < c->brokers && *list != NULL; b++)
		for (int32_t i = 0; i < res[b].groups.len; i++)
			(*list)[(*count)++] = (struct cmd_listed){res[b].groups.at[i].group_id,
			    res[b].groups.at[i].protocol_type, res[b].groups.at[i].group_state,
			    res[b].groups.at[i].group_type};
	if (*count > 0)
		qsort(*list, *count, sizeof **list, by_id);
	return true;
}

bool
cmd_coordinator(struct cmd_client *c, int8_t type, struct rk_str key, int32_t *node)
{
	struct kp_find_coordinator_req req;
	struct kp_find_coordinator_res res;
	int16_t e;

	kp_defaults(kp_api(KP_FIND_COORDINATOR)->req, &req);
	req.key = key;
	req.key_type = type;
	req.coordinator_keys.at = &key;
	req.coordinator_keys.len = 1;
	do {
		if (!cmd_client_call(c, CMD_ANY, KP_FIND_COORDINATOR, &req, &res))
			return false;
		bool batch = c->version >= 4 && res.coordinators.len == 1;
		e = batch ? res.coordinators.at[0].error_code : res.error_code;
		*node = batch ? res.coordinators.at[0].node_id : res.node_id;
	} while (cmd_client_again(c, rk_err_of_wire(e)));
	return cmd_client_good(c, e, RK_STR_NULL);
}

static void
take_committed(struct cmd_client *c, struct cmd_spots *s, struct rk_str topic, int32_t partition,
    int64_t offset, int32_t epoch, int16_t error)
{
	struct cmd_spot *p;

	if (error != 0 || offset < 0)
		return;
	p = cmd_spots_add(&c->arena, s, topic, partition);
	p->offset = offset;
	p->epoch = epoch;
}

bool
cmd_group_committed(struct cmd_client *c, struct rk_str id, struct cmd_spots *s)
{
	struct kp_offset_fetch_req req;
	struct kp_offset_fetch_res res;
	struct kp_offset_fetch_req_groups one = {
	    .group_id = id, .member_id = RK_STR_NULL, .member_epoch = -1, .topics.len = -1};
	int32_t node;
	int16_t e;

	kp_defaults(kp_api(KP_OFFSET_FETCH)->req, &req);
	req.group_id = id;
	req.topics.len = -1;
	req.groups.at = &one;
	req.groups.len = 1;
	do {
		if (!cmd_coordinator(c, 0, id, &node)
		    || !cmd_client_call_max(c, node, KP_OFFSET_FETCH, BY_NAME, &req, &res))
			return false;
		if (c->version >= 8 && res.groups.len != 1)
			return cmd_client_fail(
			    c, RK_UNKNOWN_SERVER_ERROR, "the answer does not speak of the group");
		e = c->version >= 8 ? res.groups.at[0].error_code : res.error_code;
	} while (cmd_client_again(c, rk_err_of_wire(e)));
	if (!cmd_client_good(c, e, RK_STR_NULL))
		return false;
	for (int32_t i = 0; c->version >= 8 && i < res.groups.at[0].topics.len; i++)
		for (int32_t k = 0; k < res.groups.at[0].topics.at[i].partitions.len; k++) {
			struct kp_offset_fetch_res_groups_topics_partitions *p =
			    &res.groups.at[0].topics.at[i].partitions.at[k];
			take_committed(c, s, res.groups.at[0].topics.at[i].name, p->partition_index,
			    p->committed_offset, p->committed_leader_epoch, p->error_code);
		}
	for (int32_t i = 0; c->version < 8 && i < res.topics.len; i++)
		for (int32_t k = 0; k < res.topics.at[i].partitions.len; k++) {
			struct kp_offset_fetch_res_topics_partitions *p =
			    &res.topics.at[i].partitions.at[k];
			take_committed(c, s, res.topics.at[i].name, p->partition_index,
			    p->committed_offset, p->committed_leader_epoch, p->error_code);
		}
	cmd_spots_sort(s);
	return true;
}

bool
cmd_group_commit(struct cmd_client *c, struct rk_str id, const struct cmd_spots *s)
{
	struct kp_offset_commit_req req;
	struct kp_offset_commit_res res;
	struct kp_offset_commit_req_topics *t = NULL;
	struct kp_offset_commit_req_topics_partitions *p =
	    rk_arena_get(&c->arena, s->count, sizeof *p);
	int32_t node;
	int16_t e = 0;

	kp_defaults(kp_api(KP_OFFSET_COMMIT)->req, &req);
	req.group_id = id;
	req.topics.at = rk_arena_get(&c->arena, s->count, sizeof *req.topics.at);
	for (uint32_t i = 0; i < s->count && !c->arena.over; i++, p++) {
		if (t == NULL || !rk_str_eq(t->name, s->at[i].topic)) {
			t = &req.topics.at[req.topics.len++];
			t->name = s->at[i].topic;
			t->partitions.at = p;
		}
		t->partitions.len++;
		p->partition_index = s->at[i].partition;
		p->committed_offset = s->at[i].offset;
		p->committed_leader_epoch = -1;
		p->committed_metadata = rk_lit("");
	}
	do {
		if (!cmd_coordinator(c, 0, id, &node)
		    || !cmd_client_call_max(c, node, KP_OFFSET_COMMIT, BY_NAME, &req, &res))
			return false;
		e = 0;
		for (int32_t i = 0; i < res.topics.len && e == 0; i++)
			for (int32_t k = 0; k < res.topics.at[i].partitions.len && e == 0; k++)
				e = res.topics.at[i].partitions.at[k].error_code;
	} while (cmd_client_again(c, rk_err_of_wire(e)));
	return cmd_client_good(c, e, RK_STR_NULL);
}

bool
cmd_group_forget(struct cmd_client *c, struct rk_str id, struct cmd_spots *s, enum rk_err *whole)
{
	struct kp_offset_delete_req req;
	struct kp_offset_delete_res res;
	struct kp_offset_delete_req_topics *t = NULL;
	struct kp_offset_delete_req_topics_partitions *p =
	    rk_arena_get(&c->arena, s->count, sizeof *p);
	int32_t node;

	kp_defaults(kp_api(KP_OFFSET_DELETE)->req, &req);
	req.group_id = id;
	req.topics.at = rk_arena_get(&c->arena, s->count, sizeof *req.topics.at);
	for (uint32_t i = 0; i < s->count && !c->arena.over; i++) {
		if (s->at[i].err != RK_OK)
			continue;
		if (t == NULL || !rk_str_eq(t->name, s->at[i].topic)) {
			t = &req.topics.at[req.topics.len++];
			t->name = s->at[i].topic;
			t->partitions.at = p;
		}
		t->partitions.len++;
		(p++)->partition_index = s->at[i].partition;
	}
	do {
		if (!cmd_coordinator(c, 0, id, &node)
		    || !cmd_client_call(c, node, KP_OFFSET_DELETE, &req, &res))
			return false;
		*whole = rk_err_of_wire(res.error_code);
	} while (cmd_client_again(c, *whole));
	for (int32_t i = 0; i < res.topics.len && *whole == RK_OK; i++)
		for (int32_t k = 0; k < res.topics.at[i].partitions.len; k++) {
			struct cmd_spot *one = cmd_spots_find(s, res.topics.at[i].name,
			    res.topics.at[i].partitions.at[k].partition_index);
			if (one != NULL)
				one->err =
				    rk_err_of_wire(res.topics.at[i].partitions.at[k].error_code);
		}
	return true;
}

bool
cmd_group_delete(struct cmd_client *c, struct rk_str id, enum rk_err *e)
{
	struct kp_delete_groups_req req;
	struct kp_delete_groups_res res;
	int32_t node;

	kp_defaults(kp_api(KP_DELETE_GROUPS)->req, &req);
	req.groups_names.at = &id;
	req.groups_names.len = 1;
	do {
		if (!cmd_coordinator(c, 0, id, &node)
		    || !cmd_client_call(c, node, KP_DELETE_GROUPS, &req, &res))
			return false;
		if (res.results.len != 1)
			return cmd_client_fail(
			    c, RK_UNKNOWN_SERVER_ERROR, "the answer does not speak of the group");
		*e = rk_err_of_wire(res.results.at[0].error_code);
	} while (cmd_client_again(c, *e));
	return true;
}
