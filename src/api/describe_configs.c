/* describe_configs.c - key 32: what is set, where it comes from, what else it could come from (KIP-226). */
#include "protocol/gen/describe_configs.h"
#include "src/api/handlers.h"
#include "src/config.h"

typedef struct kp_describe_configs_req_resources asked;
typedef struct kp_describe_configs_res_results result;
typedef struct kp_describe_configs_res_results_configs config;
typedef struct kp_describe_configs_res_results_configs_synonyms synonym;

enum { TOPIC = 2, BROKER = 4, BROKER_LOGGER = 8, CLIENT_METRICS = 16, GROUP = 32 };

static bool
is_kind(int8_t type)
{
	return type == TOPIC || type == BROKER || type == BROKER_LOGGER || type == CLIENT_METRICS || type == GROUP;
}

/* The configs a resource has of its own, out of the image. */
static uint32_t
own(struct api_call *c, const asked *q, struct conf_pair **pairs)
{
	struct meta_configs it;
	uint32_t n = 0, count = 0;
	bool more = meta_configs_begin(&it, &c->view, q->resource_type, q->resource_name);

	for (; more; more = meta_configs_next(&it))
		count++;
	meta_configs_end(&it);
	*pairs = rk_arena_get(&c->arena, rk_max(count, 1), sizeof **pairs);
	more = meta_configs_begin(&it, &c->view, q->resource_type, q->resource_name);
	for (; more && n < count && *pairs != NULL; more = meta_configs_next(&it), n++) {
		(*pairs)[n].name = rk_arena_str(&c->arena, it.name);
		(*pairs)[n].value = rk_arena_str(&c->arena, it.value);
	}
	meta_configs_end(&it);
	return n;
}

static void
refuse(struct api_call *c, result *r, enum rk_err e, const char *fmt, struct rk_str arg)
{
	r->error_code = rk_err_wire(e);
	r->error_message = rk_arena_print(&c->arena, fmt, (int)rk_max(arg.len, 0), arg.at == NULL ? "" : arg.at);
}

static void
fill(struct api_call *c, const struct kp_describe_configs_req *q, result *r, struct conf_entries found)
{
	r->configs.at = rk_arena_get(&c->arena, rk_max(found.count, 1), sizeof(config));
	r->configs.len = r->configs.at == NULL ? 0 : (int32_t)found.count;
	for (int32_t i = 0; i < r->configs.len; i++) {
		const struct conf_entry *e = &found.at[i];
		config *to = &r->configs.at[i];
		to->name = rk_str_of(e->name);
		to->value = e->value;
		to->read_only = e->read_only;
		to->config_source = e->source;
		to->is_sensitive = e->sensitive;
		to->config_type = e->type;
		if (q->include_documentation)
			to->documentation = rk_str_of(e->doc);
		else
			to->documentation = RK_STR_NULL;
		to->synonyms.len = 0;
		if (!q->include_synonyms || e->synonym_count == 0)
			continue;
		to->synonyms.at = rk_arena_get(&c->arena, e->synonym_count, sizeof(synonym));
		to->synonyms.len = to->synonyms.at == NULL ? 0 : (int32_t)e->synonym_count;
		for (int32_t k = 0; k < to->synonyms.len; k++) {
			to->synonyms.at[k].name = rk_str_of(e->synonyms[k].name);
			to->synonyms.at[k].value = e->synonyms[k].value;
			to->synonyms.at[k].source = e->synonyms[k].source;
		}
	}
}

/* Most topics have no config of their own: asked for everything, those share one answer, so that ten thousand
 * of them (as user interfaces ask) fit into the memory of a request. */
static void
fill_topic(struct api_call *c, const struct kp_describe_configs_req *q, const asked *one, struct conf_want want,
    const result **plain, result *r)
{
	struct conf_pair *pairs;
	uint32_t n = own(c, one, &pairs);
	bool common = n == 0 && want.names == NULL;

	if (common && *plain != NULL) {
		r->configs = (*plain)->configs;
		return;
	}
	fill(c, q, r, conf_describe_topic(c->shared->conf, pairs, n, want, &c->arena));
	if (common)
		*plain = r;
}

static bool
legal_topic(struct api_call *c, const asked *q, result *r)
{
	struct rk_str why;

	if (meta_topic_name_check(q->resource_name, &c->arena, &why))
		return true;
	r->error_code = rk_err_wire(RK_INVALID_TOPIC_EXCEPTION);
	r->error_message = why;
	return false;
}

/* The broker a name means; false: an error is in r. */
static bool
this_broker(struct api_call *c, const asked *q, result *r, const char *or_empty)
{
	int64_t id;

	if (!rk_str_int(q->resource_name, &id)) {
		refuse(c, r, RK_INVALID_REQUEST, "Broker id must be an integer, but it is: %.*s", q->resource_name);
		return false;
	}
	if (id == c->shared->node_id)
		return true;
	r->error_code = rk_err_wire(RK_INVALID_REQUEST);
	r->error_message = rk_arena_print(&c->arena, "Unexpected broker id, expected %d%s but received %.*s",
	    c->shared->node_id, or_empty, (int)q->resource_name.len, q->resource_name.at);
	return false;
}

static void
describe_loggers(struct api_call *c, const asked *q, result *r)
{
	config *one;

	if (q->resource_name.len <= 0) {
		refuse(c, r, RK_INVALID_REQUEST, "Broker id must not be empty%.*s", RK_STR_NULL);
		return;
	}
	if (!this_broker(c, q, r, "") || (one = rk_arena_get(&c->arena, 1, sizeof *one)) == NULL)
		return;
	one->name = rk_lit("root");
	one->value = rk_lit("INFO");
	one->config_source = 6;
	one->config_type = CONF_STRING;
	one->documentation = RK_STR_NULL;
	r->configs.at = one;
	r->configs.len = 1;
}

static void
describe(struct api_call *c, const struct kp_describe_configs_req *q, const asked *one, const result **plain,
    result *r)
{
	struct conf_want want = { one->configuration_keys.len < 0 ? NULL : one->configuration_keys.at,
		one->configuration_keys.len < 0 ? 0 : (uint32_t)one->configuration_keys.len };
	struct conf_pair *pairs;
	struct meta_topic t;
	struct rk_str none = rk_lit("");
	uint32_t n;

	switch (one->resource_type) {
	case TOPIC:
		if (!legal_topic(c, one, r))
			return;
		if (!meta_topic_named(&c->view, one->resource_name, &t)) {
			r->error_code = rk_err_wire(RK_UNKNOWN_TOPIC_OR_PARTITION);
			return;
		}
		fill_topic(c, q, one, want, plain, r);
		return;
	case BROKER:
		if (one->resource_name.len <= 0)
			fill(c, q, r, conf_describe_all_brokers(c->shared->conf, want, &c->arena));
		else if (this_broker(c, one, r, " or empty string,"))
			fill(c, q, r, conf_describe_broker(c->shared->conf, want, &c->arena));
		return;
	case BROKER_LOGGER:
		describe_loggers(c, one, r);
		return;
	case CLIENT_METRICS:
		if (one->resource_name.len <= 0) {
			refuse(c, r, RK_INVALID_REQUEST, "Client metrics subscription name must not be empty%.*s", none);
			return;
		}
		n = own(c, one, &pairs);
		fill(c, q, r, conf_describe_client_metrics(pairs, n, want, &c->arena));
		return;
	case GROUP:
		if (one->resource_name.len <= 0) {
			refuse(c, r, RK_INVALID_REQUEST, "Group name must not be empty%.*s", none);
			return;
		}
		n = own(c, one, &pairs);
		fill(c, q, r, conf_describe_group(c->shared->conf, pairs, n, want, &c->arena));
		return;
	default:
		rk_assert(is_kind(one->resource_type));
	}
}

enum api_fate
api_describe_configs(struct api_call *c, const struct kp_describe_configs_req *q, struct kp_describe_configs_res *a)
{
	int32_t n = q->resources.len > 0 ? q->resources.len : 0;
	const result *plain = NULL;
	bool known = true;

	/* One resource of a kind that is not, and none is described. */
	for (int32_t i = 0; i < n; i++)
		known = known && is_kind(q->resources.at[i].resource_type);

	a->results.at = rk_arena_get(&c->arena, (size_t)rk_max(n, 1), sizeof(result));
	if (a->results.at == NULL)
		return API_CLOSE;
	a->results.len = n;
	for (int32_t i = 0; i < n; i++) {
		result *r = &a->results.at[i];
		r->resource_type = q->resources.at[i].resource_type;
		r->resource_name = q->resources.at[i].resource_name;
		/* Success has a message in Kafka: an empty one. */
		r->error_message = rk_lit("");
		if (known)
			describe(c, q, &q->resources.at[i], &plain, r);
		else
			refuse(c, r, RK_INVALID_REQUEST, "%.*s", rk_str_of(rk_err_text(RK_INVALID_REQUEST)));
	}
	return API_NOW;
}
