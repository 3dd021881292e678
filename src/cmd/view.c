/* view.c - gathers what the commands show and plan with: DescribeTopicPartitions in pages (Metadata
 * where a broker does not know that), DescribeConfigs, DescribeLogDirs, DescribeQuorum. */
#include "src/cmd/view.h"
#include "protocol/gen/describe_configs.h"
#include "protocol/gen/describe_log_dirs.h"
#include "protocol/gen/describe_quorum.h"
#include "protocol/gen/describe_topic_partitions.h"
#include "protocol/gen/metadata.h"

bool
cmd_ids_has(struct cmd_ids ids, int32_t id)
{
	for (int32_t i = 0; i < ids.len; i++)
		if (ids.at[i] == id)
			return true;
	return false;
}

int32_t
cmd_ids_add(int32_t *to, int32_t n, struct cmd_ids more)
{
	for (int32_t i = 0; i < more.len; i++)
		if (!cmd_ids_has((struct cmd_ids){to, n}, more.at[i]))
			to[n++] = more.at[i];
	return n;
}

struct cmd_ids
cmd_ids_without(struct rk_arena *a, struct cmd_ids ids, struct cmd_ids those)
{
	int32_t *at = rk_arena_get(a, (size_t)rk_max(ids.len, 0), sizeof *at), n = 0;

	for (int32_t i = 0; i < ids.len && at != NULL; i++)
		if (!cmd_ids_has(those, ids.at[i]))
			at[n++] = ids.at[i];
	return (struct cmd_ids){at, n};
}

bool
cmd_ids_same(struct cmd_ids a, struct cmd_ids b)
{
	return a.len == b.len && (a.len <= 0 || memcmp(a.at, b.at, (size_t)a.len * sizeof *a.at) == 0);
}

const char *
cmd_ids_text(struct rk_arena *a, struct cmd_ids ids, const char *between)
{
	size_t size = (size_t)rk_max(ids.len, 0) * (12 + strlen(between)) + 1, n = 0;
	char *to = rk_arena_get(a, size, 1);

	if (to == NULL)
		return "";
	for (int32_t i = 0; i < ids.len; i++)
		n += (size_t)snprintf(to + n, size - n, "%s%d", i == 0 ? "" : between, ids.at[i]);
	return to;
}

const char *
cmd_ids_twice(struct rk_arena *a, struct cmd_ids ids, const char *between)
{
	const char *text = NULL;

	for (int32_t i = 0; i < ids.len; i++) {
		int32_t before = 0;
		for (int32_t k = 0; k < i; k++)
			before += ids.at[k] == ids.at[i];
		if (before == 1)
			text = rk_arena_print(a, "%s%s%d", text == NULL ? "" : text,
			    text == NULL ? "" : between, ids.at[i])
				   .at;
	}
	return text;
}

int32_t
cmd_part_factor(const struct cmd_part *p)
{
	return p->replicas.len - p->adding.len;
}

static int
by_name(const void *a, const void *b)
{
	return rk_str_cmp(*(const struct rk_str *)a, *(const struct rk_str *)b);
}

bool
cmd_view_names(struct cmd_client *c, struct rk_str **name, uint32_t *names)
{
	struct kp_metadata_req req;
	struct kp_metadata_res res;

	kp_defaults(kp_api(KP_METADATA)->req, &req);
	req.topics.len = -1;
	req.allow_auto_topic_creation = false;
	if (!cmd_client_call(c, CMD_ANY, KP_METADATA, &req, &res))
		return false;
	*names = (uint32_t)rk_max(res.topics.len, 0);
	*name = rk_arena_get(&c->arena, *names, sizeof **name);
	for (uint32_t i = 0; i < *names; i++)
		(*name)[i] = res.topics.at[i].name;
	if (*names > 0)
		qsort(*name, *names, sizeof **name, by_name);
	return true;
}

static struct cmd_topic *
topic_of(struct cmd_view *v, struct rk_str name, struct rk_uuid id)
{
	if (v->topics > 0 && rk_str_eq(v->topic[v->topics - 1].name, name))
		return &v->topic[v->topics - 1]; /* goes on from the page before */
	struct cmd_topic *t = rk_mem_room((void **)&v->topic, v->topics, &v->cap, sizeof *t);
	*t = (struct cmd_topic){.name = name, .id = id, .configs = rk_lit(""), .min_isr = 1};
	v->topics++;
	return t;
}

static void
add_part(struct cmd_topic *t, const struct cmd_part *p)
{
	*(struct cmd_part *)rk_mem_room((void **)&t->part, t->parts, &t->cap, sizeof *p) = *p;
	t->parts++;
}

static int
by_index(const void *a, const void *b)
{
	const struct cmd_part *p = a, *q = b;

	return (p->index > q->index) - (p->index < q->index);
}

static int
by_topic(const void *a, const void *b)
{
	return rk_str_cmp(
	    ((const struct cmd_topic *)a)->name, ((const struct cmd_topic *)b)->name);
}

static bool
sorted(struct cmd_view *v)
{
	if (v->topics > 0)
		qsort(v->topic, v->topics, sizeof *v->topic, by_topic);
	for (uint32_t i = 0; i < v->topics; i++)
		if (v->topic[i].parts > 0)
			qsort(v->topic[i].part, v->topic[i].parts, sizeof *v->topic[i].part,
			    by_index);
	return true;
}

/* By Metadata: brokers that know nothing better, and topics asked for by id. */
static bool
by_metadata(struct cmd_view *v, struct cmd_client *c, const struct kp_metadata_req *req)
{
	struct kp_metadata_res res;

	if (!cmd_client_call(c, CMD_ANY, KP_METADATA, req, &res))
		return false;
	for (int32_t i = 0; i < res.topics.len; i++) {
		struct kp_metadata_res_topics *m = &res.topics.at[i];
		struct cmd_topic *t = topic_of(v, m->name, m->topic_id);
		t->err = rk_err_of_wire(m->error_code);
		for (int32_t k = 0; k < m->partitions.len; k++) {
			struct kp_metadata_res_topics_partitions *p = &m->partitions.at[k];
			add_part(t, &(struct cmd_part){.index = p->partition_index,
					.leader = p->leader_id,
					.replicas = CMD_IDS(p->replica_nodes),
					.isr = CMD_IDS(p->isr_nodes),
					.elr = {NULL, -1},
					.last_elr = {NULL, -1}});
		}
	}
	return sorted(v);
}

bool
cmd_view_topic_id(struct cmd_view *v, struct cmd_client *c, struct rk_uuid id)
{
	struct kp_metadata_req_topics one = {.name = RK_STR_NULL, .topic_id = id};
	struct kp_metadata_req req;

	kp_defaults(kp_api(KP_METADATA)->req, &req);
	req.allow_auto_topic_creation = false;
	req.topics.at = &one;
	req.topics.len = 1;
	return by_metadata(v, c, &req);
}

static bool
names_by_metadata(
    struct cmd_view *v, struct cmd_client *c, const struct rk_str *name, uint32_t names)
{
	struct kp_metadata_req req;

	kp_defaults(kp_api(KP_METADATA)->req, &req);
	req.allow_auto_topic_creation = false;
	req.topics.len = (int32_t)names;
	req.topics.at = rk_arena_get(&c->arena, names, sizeof *req.topics.at);
	for (uint32_t i = 0; i < names; i++)
		req.topics.at[i].name = name[i];
	return by_metadata(v, c, &req);
}

static void
one_page(struct cmd_view *v, const struct kp_describe_topic_partitions_res *res)
{
	for (int32_t i = 0; i < res->topics.len; i++) {
		struct kp_describe_topic_partitions_res_topics *m = &res->topics.at[i];
		struct cmd_topic *t = topic_of(v, m->name, m->topic_id);
		t->err = rk_err_of_wire(m->error_code);
		for (int32_t k = 0; k < m->partitions.len; k++) {
			struct kp_describe_topic_partitions_res_topics_partitions *p =
			    &m->partitions.at[k];
			struct cmd_part q = {.index = p->partition_index,
			    .leader = p->leader_id,
			    .replicas = CMD_IDS(p->replica_nodes),
			    .isr = CMD_IDS(p->isr_nodes),
			    .elr = CMD_IDS(p->eligible_leader_replicas),
			    .last_elr = CMD_IDS(p->last_known_elr)};
			q.elr.len = (int32_t)rk_max(q.elr.len, 0);
			q.last_elr.len = (int32_t)rk_max(q.last_elr.len, 0);
			add_part(t, &q);
		}
	}
}

bool
cmd_view_topics(struct cmd_view *v, struct cmd_client *c, const struct rk_str *name, uint32_t names,
    int32_t page)
{
	struct kp_describe_topic_partitions_req req;
	struct kp_describe_topic_partitions_req_cursor cursor;
	struct kp_describe_topic_partitions_res res;
	int16_t lo, hi;

	if (names == 0)
		return true;
	if (!cmd_client_knows(c, KP_DESCRIBE_TOPIC_PARTITIONS, &lo, &hi))
		return names_by_metadata(v, c, name, names);
	kp_defaults(kp_api(KP_DESCRIBE_TOPIC_PARTITIONS)->req, &req);
	req.response_partition_limit = page;
	req.topics.at = rk_arena_get(&c->arena, names, sizeof *req.topics.at);
	req.topics.len = (int32_t)names;
	for (uint32_t i = 0; i < names; i++)
		req.topics.at[i].name = name[i];
	qsort(req.topics.at, names, sizeof *req.topics.at, by_name);
	for (;;) {
		if (!cmd_client_call(c, CMD_ANY, KP_DESCRIBE_TOPIC_PARTITIONS, &req, &res))
			return false;
		one_page(v, &res);
		if (res.next_cursor == NULL)
			return sorted(v);
		cursor.topic_name = res.next_cursor->topic_name;
		cursor.partition_index = res.next_cursor->partition_index;
		req.cursor = &cursor;
		while (req.topics.len > 0
		       && rk_str_cmp(req.topics.at[0].name, cursor.topic_name) < 0) {
			req.topics.at++;
			req.topics.len--;
		}
	}
}

struct cmd_topic *
cmd_view_topic(struct cmd_view *v, struct rk_str name)
{
	struct cmd_topic key = {.name = name};

	return v->topics == 0 ? NULL : bsearch(&key, v->topic, v->topics, sizeof key, by_topic);
}

struct cmd_part *
cmd_view_part(struct cmd_view *v, struct rk_str topic, int32_t index)
{
	struct cmd_topic *t = cmd_view_topic(v, topic);
	struct cmd_part key = {.index = index};

	return t == NULL || t->parts == 0
		   ? NULL
		   : bsearch(&key, t->part, t->parts, sizeof key, by_index);
}

enum { TOPIC_RESOURCE = 2, FROM_DEFAULT = 5 };

bool
cmd_view_configs(struct cmd_view *v, struct cmd_client *c)
{
	struct kp_describe_configs_req req;
	struct kp_describe_configs_res res;

	kp_defaults(kp_api(KP_DESCRIBE_CONFIGS)->req, &req);
	req.resources.at = rk_arena_get(&c->arena, v->topics, sizeof *req.resources.at);
	for (uint32_t i = 0; i < v->topics; i++) {
		if (v->topic[i].err != RK_OK)
			continue;
		req.resources.at[req.resources.len].resource_type = TOPIC_RESOURCE;
		req.resources.at[req.resources.len].resource_name = v->topic[i].name;
		req.resources.at[req.resources.len++].configuration_keys.len = -1;
	}
	if (req.resources.len == 0)
		return true;
	if (!cmd_client_call(c, CMD_ANY, KP_DESCRIBE_CONFIGS, &req, &res))
		return false;
	for (int32_t i = 0; i < res.results.len; i++) {
		struct kp_describe_configs_res_results *r = &res.results.at[i];
		struct cmd_topic *t = cmd_view_topic(v, r->resource_name);
		for (int32_t k = 0; t != NULL && k < r->configs.len; k++) {
			struct kp_describe_configs_res_results_configs *f = &r->configs.at[k];
			if (rk_str_is(f->name, "min.insync.replicas"))
				(void)!rk_str_int(f->value, &t->min_isr);
			if (f->config_source != FROM_DEFAULT)
				t->configs =
				    rk_arena_print(&c->arena, "%.*s%s%.*s=%.*s", t->configs.len,
					t->configs.at, t->configs.len > 0 ? "," : "", f->name.len,
					f->name.at, (int)rk_max(f->value.len, 0), f->value.at);
		}
	}
	return true;
}

void
cmd_view_free(struct cmd_view *v)
{
	for (uint32_t i = 0; i < v->topics; i++)
		rk_mem_put(v->topic[i].part);
	rk_mem_put(v->topic);
	memset(v, 0, sizeof *v);
}

bool
cmd_view_quorum(struct cmd_client *c, struct kp_describe_quorum_res *res)
{
	struct kp_describe_quorum_req_topics_partitions p = {.partition_index = 0};
	struct kp_describe_quorum_req_topics t = {.topic_name = rk_lit("__cluster_metadata")};
	struct kp_describe_quorum_req req;

	kp_defaults(kp_api(KP_DESCRIBE_QUORUM)->req, &req);
	req.topics.at = &t;
	req.topics.len = 1;
	t.partitions.at = &p;
	t.partitions.len = 1;
	if (!cmd_client_call(c, CMD_DECIDER, KP_DESCRIBE_QUORUM, &req, res)
	    || !cmd_client_good(c, res->error_code, res->error_message))
		return false;
	if (res->topics.len != 1 || res->topics.at[0].partitions.len != 1)
		return cmd_client_fail(c, RK_UNKNOWN_SERVER_ERROR,
		    "the answer does not speak of the metadata partition");
	struct kp_describe_quorum_res_topics_partitions *q = &res->topics.at[0].partitions.at[0];
	return cmd_client_good(c, q->error_code, q->error_message);
}

static struct cmd_place *
add_place(struct cmd_places *p)
{
	struct cmd_place *n = rk_mem_room((void **)&p->at, p->count, &p->cap, sizeof *n);

	p->sorted = false;
	p->count++;
	return n;
}

bool
cmd_view_places(struct cmd_places *p, struct cmd_client *c, int32_t broker)
{
	struct kp_describe_log_dirs_req req;
	struct kp_describe_log_dirs_res res;

	kp_defaults(kp_api(KP_DESCRIBE_LOG_DIRS)->req, &req);
	req.topics.len = -1;
	if (!cmd_client_call(c, broker, KP_DESCRIBE_LOG_DIRS, &req, &res))
		return false;
	if (!cmd_client_good(c, res.error_code, RK_STR_NULL))
		return false;
	for (int32_t i = 0; i < res.results.len; i++) {
		struct kp_describe_log_dirs_res_results *d = &res.results.at[i];
		enum rk_err e = rk_err_of_wire(d->error_code);
		if (e != RK_OK)
			*add_place(p) = (struct cmd_place){broker, -1, RK_STR_NULL, d->log_dir, 0,
			    0, false, e};
		for (int32_t k = 0; k < d->topics.len; k++)
			for (int32_t n = 0; n < d->topics.at[k].partitions.len; n++) {
				struct kp_describe_log_dirs_res_results_topics_partitions *q =
				    &d->topics.at[k].partitions.at[n];
				*add_place(p) = (struct cmd_place){broker, q->partition_index,
				    d->topics.at[k].name, d->log_dir, q->partition_size,
				    q->offset_lag, q->is_future_key, e};
			}
	}
	return true;
}

static int
by_place(const void *a, const void *b)
{
	const struct cmd_place *p = a, *q = b;
	int d = (p->broker > q->broker) - (p->broker < q->broker);

	if (d == 0)
		d = rk_str_cmp(p->topic, q->topic);
	if (d == 0)
		d = (p->partition > q->partition) - (p->partition < q->partition);
	return d != 0 ? d : p->future - q->future;
}

const struct cmd_place *
cmd_place_find(struct cmd_places *p, int32_t broker, struct rk_str topic, int32_t partition, bool future)
{
	struct cmd_place key = {
	    .broker = broker, .partition = partition, .topic = topic, .future = future};

	if (p->count == 0)
		return NULL;
	if (!p->sorted)
		qsort(p->at, p->count, sizeof *p->at, by_place);
	p->sorted = true;
	return bsearch(&key, p->at, p->count, sizeof key, by_place);
}

void
cmd_places_free(struct cmd_places *p)
{
	rk_mem_put(p->at);
	memset(p, 0, sizeof *p);
}
