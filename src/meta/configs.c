/* configs.c - AlterConfigs and IncrementalAlterConfigs: what a broker checks before it asks the controller, and
 * what the controller checks, in that order, for each resource by itself.
 *
 * AlterConfigs replaces all configs of a resource: it becomes sets of what it names and deletes of what it does
 * not. From there on both are one. */
#include "src/meta/image.h"
#include "protocol/gen/alter_configs.h"
#include "protocol/gen/incremental_alter_configs.h"
#include "src/config.h"

enum op { SET, DELETE, APPEND, SUBTRACT, OPS };
enum { VALUE_MAX = 32767 };

struct change {
	struct rk_str name, value; /* value null: delete */
	int8_t op;
};

struct resource {
	struct meta_plan *p;
	int8_t type;
	struct rk_str name;
	struct change *change;
	uint32_t count;
	bool incremental;
	bool clears; /* min.insync.replicas changes: who was eligible under the old one is so no more */
	struct conf_pair *own, *after; /* what it has, what it will have */
	uint32_t owns, afters;
	struct rk_str why;
};

#define TOLD(...) rk_arena_print(r->p->arena, __VA_ARGS__)
#define S(s) (int)(s).len, (s).at

static enum rk_err
no(struct resource *r, enum rk_err err, struct rk_str why)
{
	r->why = why;
	return err;
}

/* --- what every resource is checked for first */

static enum rk_err
check_shape(struct resource *r)
{
	struct rk_str nulls = RK_STR_NULL;

	for (uint32_t i = 0; i < r->count; i++)
		for (uint32_t k = 0; k < i; k++)
			if (rk_str_eq(r->change[i].name, r->change[k].name))
				return no(r, RK_INVALID_REQUEST, rk_lit("Error due to duplicate config keys"));
	for (uint32_t i = 0; i < r->count; i++) {
		const struct change *c = &r->change[i];
		if (c->op == DELETE || c->value.len >= 0)
			continue;
		nulls = nulls.len < 0 ? c->name : TOLD("%.*s, %.*s", S(nulls), S(c->name));
	}
	return nulls.len < 0 ? RK_OK : no(r, RK_INVALID_REQUEST, TOLD("Null value not supported for : %.*s", S(nulls)));
}

static enum rk_err
check_node(struct resource *r, bool logger)
{
	int64_t id;

	if (!rk_str_int(r->name, &id) || id > INT32_MAX || id < INT32_MIN)
		return no(r, RK_INVALID_REQUEST, TOLD("Node id must be an integer, but it is: %.*s", S(r->name)));
	if (id == r->p->conf->node_id || r->p->others)
		return RK_OK;
	return no(r, RK_INVALID_REQUEST, TOLD(logger ? "Unexpected node id. Expected %d, but received %d" :
	    "Unexpected broker id, expected %d, but received %d", r->p->conf->node_id, (int32_t)id));
}

/* Log levels are Kafka's loggers'; there are none of those here. */
static enum rk_err
check_logger(struct resource *r)
{
	enum rk_err err = check_node(r, true);

	for (uint32_t i = 0; i < r->count && err == RK_OK; i++) {
		int8_t op = r->change[i].op;
		if (op == APPEND || op == SUBTRACT)
			err = no(r, RK_INVALID_REQUEST, TOLD("%s operation is not allowed for the BROKER_LOGGER resource",
			    op == APPEND ? "APPEND" : "SUBTRACT"));
		else
			err = no(r, RK_INVALID_CONFIG, TOLD("Logger %.*s does not exist!", S(r->change[i].name)));
	}
	return err;
}

static enum rk_err
check_topic(struct resource *r)
{
	if (r->name.len <= 0)
		return no(r, RK_INVALID_REQUEST, rk_lit("Default topic resources are not allowed."));
	return meta_topic_name_check(r->name, r->p->arena, &r->why) ? RK_OK : RK_INVALID_TOPIC_EXCEPTION;
}

/* Whether there is such a topic is asked last: what is wrong with the values is said first. */
static enum rk_err
check_exists(struct resource *r)
{
	struct rk_uuid id;

	if (r->type == META_OF_TOPIC && !meta_topic_id(r->p->view.txn, r->name, &id, NULL))
		return no(r, RK_UNKNOWN_TOPIC_OR_PARTITION, TOLD("The topic '%.*s' does not exist.", S(r->name)));
	return RK_OK;
}

/* --- what it has and what it will have */

static enum conf_scope
scope_of(int8_t type)
{
	return type == META_OF_TOPIC ? CONF_TOPICS : type == META_OF_BROKER ? CONF_BROKERS :
	    type == META_OF_GROUP ? CONF_GROUPS : CONF_CLIENT_METRICS;
}

static bool
read_own(struct resource *r)
{
	struct meta_configs w;
	uint32_t cap = 0;

	for (bool more = meta_configs_begin(&w, &r->p->view, r->type, r->name); more; more = meta_configs_next(&w)) {
		if (r->owns == cap) {
			cap = cap == 0 ? 16 : cap * 2;
			struct conf_pair *wider = rk_arena_get(r->p->arena, cap, sizeof *wider);
			if (wider == NULL)
				break;
			if (r->owns > 0)
				memcpy(wider, r->own, r->owns * sizeof *wider);
			r->own = wider;
		}
		r->own[r->owns].name = rk_arena_str(r->p->arena, w.name);
		r->own[r->owns++].value = rk_arena_str(r->p->arena, w.value);
	}
	meta_configs_end(&w);
	r->after = rk_arena_get(r->p->arena, r->owns + r->count + 1, sizeof *r->after);
	if (r->after == NULL)
		return false;
	if (r->owns > 0)
		memcpy(r->after, r->own, r->owns * sizeof *r->after);
	r->afters = r->owns;
	return !r->p->arena->over;
}

static struct conf_pair *
find(struct conf_pair *at, uint32_t count, struct rk_str name)
{
	for (uint32_t i = 0; i < count; i++)
		if (rk_str_eq(at[i].name, name))
			return &at[i];
	return NULL;
}

/* What a list is before it is added to: the resource's own value, else the one in effect. */
static struct rk_str
list_before(struct resource *r, struct rk_str name)
{
	struct conf_pair *own = find(r->own, r->owns, name);
	struct conf_want want = { &name, 1 };
	struct conf_entries e = { NULL, 0 };
	char key[256];

	if (own != NULL)
		return own->value;
	if (r->type == META_OF_TOPIC)
		e = conf_describe_topic(r->p->conf, r->own, r->owns, want, r->p->arena);
	if (r->type == META_OF_BROKER)
		return rk_str_of(conf_text(r->p->conf, rk_str_copy(key, sizeof key, name)));
	return e.count == 1 ? rk_arena_str(r->p->arena, e.at[0].value) : rk_lit("");
}

static bool
next_word(struct rk_str *list, struct rk_str *word)
{
	while (list->len > 0 && (list->at[0] == ',' || list->at[0] == ' ')) {
		list->at++;
		list->len--;
	}
	int32_t n = 0;
	while (n < list->len && list->at[n] != ',')
		n++;
	*word = (struct rk_str){ list->at, n };
	list->at += n > 0 ? n : 0;
	list->len -= n;
	while (word->len > 0 && word->at[word->len - 1] == ' ')
		word->len--;
	return n > 0;
}

static bool
has_word(struct rk_str list, struct rk_str word)
{
	struct rk_str w;

	while (next_word(&list, &w))
		if (rk_str_eq(w, word))
			return true;
	return false;
}

/* Appends the words of value that are not there yet, or takes out those that are. */
static struct rk_str
edit_list(struct resource *r, struct rk_str before, struct rk_str value, bool add)
{
	struct rk_str from = before, all = rk_lit(""), w;

	while (next_word(&from, &w))
		if (add || !has_word(value, w))
			all = all.len <= 0 ? w : TOLD("%.*s,%.*s", S(all), S(w));
	while (add && next_word(&value, &w))
		if (!has_word(all, w))
			all = all.len <= 0 ? w : TOLD("%.*s,%.*s", S(all), S(w));
	return all.len < 0 ? rk_lit("") : all;
}

static enum rk_err
check_list(struct resource *r, const struct change *c)
{
	const struct conf_row *row = conf_row_find(scope_of(r->type), c->name);
	const char *word = c->op == APPEND ? "APPEND" : "SUBTRACT";

	if (r->type == META_OF_BROKER && row == NULL)
		return no(r, RK_INVALID_CONFIG, TOLD("Unknown config name: %.*s", S(c->name)));
	if (r->type != META_OF_METRICS && row != NULL && row->type == CONF_LIST)
		return RK_OK;
	if (r->type == META_OF_BROKER)
		return no(r, RK_INVALID_CONFIG, TOLD("Config value %s is not allowed for config key: %.*s",
		    c->op == APPEND ? "append" : "subtract", S(c->name)));
	return no(r, RK_INVALID_CONFIG, TOLD("Can't %s to key %.*s because its type is not LIST.", word, S(c->name)));
}

/* Turns appends and subtracts into sets, and works out what the resource will have. */
static enum rk_err
work_out(struct resource *r)
{
	for (uint32_t i = 0; i < r->count; i++) {
		struct change *c = &r->change[i];
		struct conf_pair *had = find(r->after, r->afters, c->name);
		if (c->op < 0 || c->op >= OPS)
			return RK_UNKNOWN_SERVER_ERROR;
		if (c->op == APPEND || c->op == SUBTRACT) {
			enum rk_err err = check_list(r, c);
			if (err != RK_OK)
				return err;
			c->value = edit_list(r, list_before(r, c->name), c->value, c->op == APPEND);
		}
		if (c->op == DELETE) {
			c->value = RK_STR_NULL;
			if (had != NULL)
				*had = r->after[--r->afters];
			continue;
		}
		if (c->value.len > VALUE_MAX)
			return no(r, RK_INVALID_CONFIG, rk_lit("The configuration value cannot be added because it exceeds the "
			    "maximum value size of 32767 bytes."));
		if (had == NULL)
			had = &r->after[r->afters++];
		*had = (struct conf_pair){ c->name, c->value };
	}
	return RK_OK;
}

/* --- the rules of each kind */

/* With the ELR every controller must count with the same min.insync.replicas: the cluster's, which always is. */
static enum rk_err
check_min_isr(struct resource *r)
{
	struct rk_str key = rk_lit("min.insync.replicas");

	if (r->type != META_OF_BROKER || meta_plan_feature(r->p, "eligible.leader.replicas.version") <= 0)
		return RK_OK;
	for (uint32_t i = 0; i < r->count; i++) {
		if (!rk_str_eq(r->change[i].name, key))
			continue;
		if (r->name.len > 0)
			return no(r, RK_INVALID_CONFIG,
			    rk_lit("Broker-level min.insync.replicas cannot be altered while ELR is enabled."));
		if (r->change[i].value.len < 0)
			return no(r, RK_INVALID_CONFIG,
			    rk_lit("Cluster-level min.insync.replicas cannot be removed while ELR is enabled."));
	}
	return RK_OK;
}

static enum rk_err
check_values(struct resource *r)
{
	struct rk_arena *a = r->p->arena;
	struct conf_pair *pair;

	meta_java_pairs(r->after, r->afters, a);
	switch (r->type) {
	case META_OF_TOPIC:
		return conf_topic_check(r->p->conf, r->after, r->afters, r->own, r->owns, a, &r->why);
	case META_OF_GROUP:
		return conf_group_check(r->p->conf, r->after, r->afters, a, &r->why);
	case META_OF_METRICS:
		return conf_client_metrics_check(r->after, r->afters, a, &r->why);
	default:
		pair = rk_arena_get(a, r->count, sizeof *pair);
		for (uint32_t i = 0; pair != NULL && i < r->count; i++)
			pair[i] = (struct conf_pair){ r->change[i].name, r->change[i].value };
		return pair == NULL ? RK_UNKNOWN_SERVER_ERROR : conf_dynamic_check(r->p->conf,
		    r->name.len > 0 ? CONF_THIS_BROKER : CONF_ALL_BROKERS, pair, r->count, a, &r->why);
	}
}

/* Which kinds there are; a broker only takes its own. */
static enum rk_err
check_kind(struct resource *r)
{
	if (r->type == META_OF_BROKER)
		return r->name.len > 0 ? check_node(r, false) : RK_OK;
	if (r->type == META_OF_TOPIC || r->type == META_OF_METRICS || r->type == META_OF_GROUP)
		return RK_OK;
	return no(r, RK_INVALID_REQUEST, TOLD("Unknown resource type %d", r->type));
}

static enum rk_err
check_name(struct resource *r)
{
	if (r->type == META_OF_TOPIC)
		return check_topic(r);
	if (r->name.len > 0 || r->type == META_OF_BROKER)
		return RK_OK;
	return no(r, RK_INVALID_REQUEST, r->type == META_OF_METRICS ? rk_lit("Subscription name can't be empty") :
	    rk_lit("Default group resources are not allowed."));
}

/* AlterConfigs: what is not named goes. */
static bool
add_deletes(struct resource *r)
{
	struct change *all = rk_arena_get(r->p->arena, r->count + r->owns, sizeof *all);
	uint32_t named = r->count;

	if (all == NULL)
		return false;
	if (named > 0)
		memcpy(all, r->change, named * sizeof *all);
	for (uint32_t i = 0; i < r->owns; i++) {
		bool kept = false;
		for (uint32_t k = 0; k < named && !kept; k++)
			kept = rk_str_eq(r->change[k].name, r->own[i].name);
		if (!kept)
			all[r->count++] = (struct change){ r->own[i].name, RK_STR_NULL, DELETE };
	}
	r->change = all;
	return true;
}

static void
write_changes(struct resource *r)
{
	for (uint32_t i = 0; i < r->count; i++) {
		const struct change *c = &r->change[i];
		struct conf_pair *had = find(r->own, r->owns, c->name);
		/* A broker's config is said again even when it is the same: that makes the broker read its files anew. */
		if (r->type != META_OF_BROKER && (had == NULL ? c->value.len < 0 : rk_str_eq(had->value, c->value)))
			continue;
		struct kp_config_record rec = { .resource_type = r->type, .resource_name = r->name, .name = c->name,
			.value = c->value };
		meta_plan_add(r->p, KP_CONFIG_RECORD, &rec);
		r->clears |= rk_str_is(c->name, "min.insync.replicas") && (r->type == META_OF_TOPIC || r->type == META_OF_BROKER);
	}
}

/* Behind all configs of the request: the ELRs of each topic (or, of a broker's config, of all) are forgotten. */
static void
clear_elrs(struct meta_plan *p, const struct rk_str *topic, uint32_t count)
{
	for (uint32_t i = 0; i < count && meta_plan_feature(p, "eligible.leader.replicas.version") > 0; i++) {
		struct kp_clear_elr_record rec = { .topic_name = topic[i] };
		meta_plan_add(p, KP_CLEAR_ELR_RECORD, &rec);
	}
}

static enum rk_err
alter(struct resource *r, bool validate_only)
{
	enum rk_err err = check_shape(r);

	if (err == RK_OK && r->type == META_OF_LOGGER && r->incremental)
		return check_logger(r);
	if (err == RK_OK)
		err = check_kind(r);
	if (err != RK_OK)
		return err;
	if (!read_own(r) || (!r->incremental && !add_deletes(r)))
		return RK_UNKNOWN_SERVER_ERROR;
	if ((err = work_out(r)) != RK_OK || (err = check_min_isr(r)) != RK_OK || (err = check_name(r)) != RK_OK ||
	    (err = check_values(r)) != RK_OK || (err = check_exists(r)) != RK_OK)
		return err;
	if (!validate_only)
		write_changes(r);
	return RK_OK;
}

/* --- both requests */

#define ALTER(kind, req_type, OP)                                                                          \
	static bool kind##_twice(const struct req_type *q, int32_t i)                                        \
	{                                                                                                  \
		for (int32_t k = 0; k < q->resources.len; k++)                                             \
			if (k != i && q->resources.at[k].resource_type == q->resources.at[i].resource_type && \
			    rk_str_eq(q->resources.at[k].resource_name, q->resources.at[i].resource_name))  \
				return true;                                                               \
		return false;                                                                              \
	}                                                                                                  \
	static bool kind##_changes(struct resource *r, const struct req_type##_resources *q)               \
	{                                                                                                  \
		r->count = (uint32_t)(q->configs.len > 0 ? q->configs.len : 0);                            \
		r->change = rk_arena_get(r->p->arena, r->count, sizeof *r->change);                        \
		for (uint32_t i = 0; r->change != NULL && i < r->count; i++)                               \
			r->change[i] = (struct change){ q->configs.at[i].name, q->configs.at[i].value, OP }; \
		return r->change != NULL;                                                                  \
	}
ALTER(whole, kp_alter_configs_req, SET)
ALTER(some, kp_incremental_alter_configs_req, q->configs.at[i].config_operation)
#undef ALTER

#define TWICE rk_lit("Each resource must appear at most once.")

void
meta_alter_configs(struct meta_plan *p, int16_t version, const struct kp_alter_configs_req *q,
    struct kp_alter_configs_res *res)
{
	struct rk_str *topic = rk_arena_get(p->arena, (size_t)rk_max(q->resources.len, 0), sizeof *topic);
	uint32_t topics = 0;

	(void)version;
	res->responses.at = rk_arena_get(p->arena, (size_t)rk_max(q->resources.len, 0), sizeof *res->responses.at);
	res->responses.len = res->responses.at == NULL ? 0 : q->resources.len;
	for (int32_t i = 0; i < res->responses.len; i++) {
		struct resource r = { .p = p, .type = q->resources.at[i].resource_type, .name = q->resources.at[i].resource_name,
			.why = RK_STR_NULL };
		enum rk_err err = RK_INVALID_REQUEST;
		if (whole_twice(q, i))
			r.why = TWICE;
		else
			err = whole_changes(&r, &q->resources.at[i]) ? alter(&r, q->validate_only) : RK_UNKNOWN_SERVER_ERROR;
		res->responses.at[i].resource_type = r.type;
		res->responses.at[i].resource_name = r.name;
		res->responses.at[i].error_code = rk_err_wire(err);
		res->responses.at[i].error_message = err == RK_OK ? RK_STR_NULL : r.why;
		if (r.clears && topic != NULL)
			topic[topics++] = r.type == META_OF_TOPIC ? r.name : rk_lit("");
	}
	clear_elrs(p, topic, topics);
}

void
meta_incremental_alter_configs(struct meta_plan *p, int16_t version, const struct kp_incremental_alter_configs_req *q,
    struct kp_incremental_alter_configs_res *res)
{
	struct rk_str *topic = rk_arena_get(p->arena, (size_t)rk_max(q->resources.len, 0), sizeof *topic);
	uint32_t topics = 0;

	(void)version;
	res->responses.at = rk_arena_get(p->arena, (size_t)rk_max(q->resources.len, 0), sizeof *res->responses.at);
	res->responses.len = res->responses.at == NULL ? 0 : q->resources.len;
	for (int32_t i = 0; i < res->responses.len; i++) {
		struct resource r = { .p = p, .type = q->resources.at[i].resource_type, .name = q->resources.at[i].resource_name,
			.incremental = true, .why = RK_STR_NULL };
		enum rk_err err = RK_INVALID_REQUEST;
		if (some_twice(q, i))
			r.why = TWICE;
		else
			err = some_changes(&r, &q->resources.at[i]) ? alter(&r, q->validate_only) : RK_UNKNOWN_SERVER_ERROR;
		res->responses.at[i].resource_type = r.type;
		res->responses.at[i].resource_name = r.name;
		res->responses.at[i].error_code = rk_err_wire(err);
		res->responses.at[i].error_message = err == RK_OK ? RK_STR_NULL : r.why;
		if (r.clears && topic != NULL)
			topic[topics++] = r.type == META_OF_TOPIC ? r.name : rk_lit("");
	}
	clear_elrs(p, topic, topics);
}
