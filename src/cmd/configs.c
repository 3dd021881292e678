/* configs.c - rookery configs: shows and changes configurations. Here: who is meant, what shall
 * change, and the resources (topics, brokers, groups, client metrics); quotas and credentials are
 * in configs_user.c. */
#include "protocol/gen/describe_configs.h"
#include "protocol/gen/incremental_alter_configs.h"
#include "protocol/gen/list_config_resources.h"
#include "protocol/gen/list_groups.h"
#include "protocol/gen/metadata.h"
#include "src/cmd/configs.h"

static const struct cmd_opt opts[] = {
    {"add-config", CMD_TEXT, 0, 0, 0, NULL, NULL,
	"What to set: k1=v1,k2=[v1,v2]. Brackets hold values with commas. For users and clients "
	"quotas (producer_byte_rate, "
	"consumer_byte_rate, request_percentage, controller_mutation_rate), for users also "
	"SCRAM-SHA-256=[password=P] and "
	"SCRAM-SHA-512=[iterations=N,password=P], for ips connection_creation_rate."},
    {"add-config-file", CMD_TEXT, 0, 0, 0, NULL, NULL, "What to set, from a properties file."},
    {"all", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"With --describe: everything in effect, not only what was set for the entity."},
    {"alter", CMD_FLAG, 0, 0, 0, NULL, NULL, "Change the configuration of the entity."},
    {"bootstrap-controller", CMD_TEXT, 0, 0, 0, "controller to connect to", NULL,
	"Controllers to ask, instead of brokers."},
    {"bootstrap-server", CMD_TEXT, 0, 0, 0, "server to connect to", NULL,
	"Brokers to ask: host:port,..."},
    {"broker", CMD_TEXT, 0, 0, 0, NULL, NULL, "A broker, by its number."},
    {"broker-defaults", CMD_FLAG, 0, 0, 0, NULL, NULL, "What holds for all brokers."},
    {"broker-logger", CMD_TEXT, 0, 0, 0, NULL, NULL, "A broker's loggers, by its number."},
    {"client", CMD_TEXT, 0, 0, 0, NULL, NULL, "A client id."},
    {"client-defaults", CMD_FLAG, 0, 0, 0, NULL, NULL, "What holds for all other clients."},
    {"client-metrics", CMD_TEXT, 0, 0, 0, NULL, NULL, "A subscription to clients' metrics."},
    {"command-config", CMD_TEXT, 0, 0, 0, "command config property file", NULL,
	"A properties file with client settings."},
    {"delete-config", CMD_TEXT, 0, 0, 0, NULL, NULL, "What to unset: k1,k2."},
    {"describe", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Show the configuration of the entity, or of all of its type."},
    {"entity-default", CMD_FLAG, CMD_REPEAT, 0, 0, NULL, NULL,
	"Behind --entity-type: the default of that type."},
    {"entity-name", CMD_TEXT, CMD_REPEAT, 0, 0, NULL, NULL, "Behind --entity-type: the name."},
    {"entity-type", CMD_TEXT, CMD_REPEAT, 0, 0, NULL, NULL,
	"topics, clients, users, brokers, broker-loggers, ips, client-metrics or groups; users and "
	"clients may stand together."},
    {"group", CMD_TEXT, 0, 0, 0, NULL, NULL, "A group."},
    {"ip", CMD_TEXT, 0, 0, 0, NULL, NULL, "An address."},
    {"ip-defaults", CMD_FLAG, 0, 0, 0, NULL, NULL, "What holds for all other addresses."},
    {"topic", CMD_TEXT, 0, 0, 0, NULL, NULL, "A topic."},
    {"user", CMD_TEXT, 0, 0, 0, NULL, NULL, "A user (principal)."},
    {"user-defaults", CMD_FLAG, 0, 0, 0, NULL, NULL, "What holds for all other users."},
};

const char *const cmd_entity_names[CMD_ENTITIES] = {
    "topics", "clients", "users", "brokers", "ips", "client-metrics", "groups", "broker-loggers"};
/* As DescribeConfigs numbers resources, and from where values come that were set for them. */
static const int8_t resource_of[CMD_ENTITIES] = {2, 0, 0, 4, 0, 16, 32, 8};
static const char *const sources[] = {"UNKNOWN", "DYNAMIC_TOPIC_CONFIG", "DYNAMIC_BROKER_CONFIG",
    "DYNAMIC_DEFAULT_BROKER_CONFIG", "STATIC_BROKER_CONFIG", "DEFAULT_CONFIG",
    "DYNAMIC_BROKER_LOGGER_CONFIG", "DYNAMIC_CLIENT_METRICS_CONFIG", "DYNAMIC_GROUP_CONFIG"};

static int
wrong(const char *why)
{
	fprintf(stderr, "%s\n", why);
	return 1;
}

int
cmd_configs_wrong(struct cmd_configs *g, enum rk_err e, const char *why)
{
	char name[100];

	fflush(stdout);
	fputs("Error while executing config command with args '", stderr);
	for (int i = 1; i < g->a->argc; i++)
		fprintf(stderr, "%s%s", i == 1 ? "" : " ", g->a->argv[i]);
	fprintf(stderr, "'\n%s: %s\n", cmd_java_error(e, name, sizeof name), why);
	return 1;
}

int
cmd_configs_done(const struct cmd_configs *g)
{
	const char *type = cmd_entity_names[g->who[0].type];
	int len = (int)strlen(type);

	if (g->who[0].name != NULL && *g->who[0].name != 0)
		printf("Completed updating config for %.*s %s.\n", len - 1, type, g->who[0].name);
	else
		printf("Completed updating default config for %s in the cluster.\n", type);
	return 0;
}

/* --- who is meant */

static int
add_who(struct cmd_configs *g, enum cmd_entity type, const char *name)
{
	char line[200];

	for (uint32_t i = 0; i < g->whos; i++)
		if (g->who[i].type == type) {
			snprintf(line, sizeof line, "Duplicate entity type(s) specified: %s",
			    cmd_entity_names[type]);
			return wrong(line);
		}
	g->who[g->whos++] = (struct cmd_who){type, name};
	return 0;
}

/* --entity-type and, in the order of the command line, their --entity-name and --entity-default. */
static int
long_forms(struct cmd_configs *g)
{
	uint32_t first = g->whos, named = first;
	char line[300];

	for (uint32_t i = 0; i < g->a->count; i++) {
		const struct cmd_value *v = &g->a->value[i];
		int type = 0, rc;
		if (strcmp(v->opt->name, "entity-type") != 0)
			continue;
		while (type < CMD_ENTITIES && strcmp(cmd_entity_names[type], v->text) != 0)
			type++;
		if (type == CMD_ENTITIES) {
			snprintf(line, sizeof line,
			    "Invalid entity type %s, the entity type must be one of topics, "
			    "clients, users, brokers, "
			    "ips, client-metrics, groups, broker-loggers with a --bootstrap-server "
			    "or --bootstrap-controller argument",
			    v->text);
			return wrong(line);
		}
		if ((rc = add_who(g, (enum cmd_entity)type, NULL)) != 0)
			return rc;
	}
	for (uint32_t i = 0; i < g->a->count; i++) {
		const struct cmd_value *v = &g->a->value[i];
		bool name = strcmp(v->opt->name, "entity-name") == 0;
		if (!name && strcmp(v->opt->name, "entity-default") != 0)
			continue;
		if (named == g->whos)
			return wrong("--entity-name or --entity-default specified without or "
				     "before its --entity-type");
		g->who[named++].name = name ? v->text : "";
	}
	return 0;
}

static int
find_who(struct cmd_configs *g)
{
	static const struct {
		const char *opt;
		enum cmd_entity type;
		bool default_;
	} forms[] = {
	    {"topic", CMD_TOPICS, false},
	    {"client", CMD_CLIENTS, false},
	    {"client-defaults", CMD_CLIENTS, true},
	    {"user", CMD_USERS, false},
	    {"user-defaults", CMD_USERS, true},
	    {"broker", CMD_BROKERS, false},
	    {"broker-defaults", CMD_BROKERS, true},
	    {"broker-logger", CMD_LOGGERS, false},
	    {"ip", CMD_IPS, false},
	    {"ip-defaults", CMD_IPS, true},
	    {"client-metrics", CMD_CLIENT_METRICS, false},
	    {"group", CMD_GROUPS, false},
	};
	int rc = long_forms(g);

	for (uint32_t i = 0; rc == 0 && i < rk_countof(forms); i++)
		if (cmd_given(g->a, forms[i].opt))
			rc = add_who(g, forms[i].type,
			    forms[i].default_ ? "" : cmd_text(g->a, forms[i].opt));
	return rc;
}

static bool
has_type(const struct cmd_configs *g, enum cmd_entity type)
{
	for (uint32_t i = 0; i < g->whos; i++)
		if (g->who[i].type == type)
			return true;
	return false;
}

static int
check_who(struct cmd_configs *g)
{
	bool alter = cmd_given(g->a, "alter");
	char line[300];
	int64_t n;

	if (g->whos == 0)
		return wrong("At least one entity type must be specified");
	if (g->whos > 1 && !(g->whos == 2 && has_type(g, CMD_USERS) && has_type(g, CMD_CLIENTS)))
		return wrong("Only 'users' and 'clients' entity types may be specified together");
	for (uint32_t i = 0; i < g->whos; i++) {
		const struct cmd_who *w = &g->who[i];
		if ((w->type == CMD_BROKERS || w->type == CMD_LOGGERS) && w->name != NULL
		    && *w->name != 0 && !rk_str_int(rk_str_of(w->name), &n)) {
			snprintf(line, sizeof line,
			    "The entity name for %s must be a valid integer broker id, but it is: "
			    "%s",
			    cmd_entity_names[w->type], w->name);
			return wrong(line);
		}
		if (w->type == CMD_LOGGERS && w->name == NULL)
			return wrong(
			    "An entity name must be specified with --describe of broker-loggers");
		if (alter && w->name == NULL) {
			snprintf(line, sizeof line,
			    w->type == CMD_CLIENTS || w->type == CMD_USERS || w->type == CMD_BROKERS
				    || w->type == CMD_IPS
				? "An entity-name or default entity must be specified with --alter "
				  "of %s"
				: "An entity name must be specified with --alter of %s",
			    cmd_entity_names[w->type]);
			return wrong(line);
		}
	}
	return 0;
}

/* --- what shall change */

static char *
trim(char *p, char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = 0;
	return p;
}

/* One key=value with brackets around values that have commas; the brackets go. */
static bool
add_pair(struct cmd_configs *g, char *p, char *end)
{
	char *eq = NULL, *to;
	int depth = 0;

	for (char *q = p; q < end; q++) {
		depth += *q == '[' ? 1 : *q == ']' ? -1 : 0;
		if (*q == '=' && depth == 0) {
			if (eq != NULL)
				return false;
			eq = q;
		}
	}
	if (eq == NULL)
		return false;
	char *key = trim(p, eq), *value = to = trim(eq + 1, end);
	for (char *q = value; *q != 0; q++)
		if (*q != '[' && *q != ']')
			*to++ = *q;
	*to = 0;
	g->change[g->changes++] = (struct cmd_change){key, value};
	return true;
}

static int
parse_added(struct cmd_configs *g, const char *text)
{
	char *p = (char *)(uintptr_t)rk_arena_str(&g->c.arena, rk_str_of(text)).at, *start = p;
	int depth = 0;

	for (;; p++) {
		depth += *p == '[' ? 1 : *p == ']' ? -1 : 0;
		if (*p != 0 && (*p != ',' || depth > 0))
			continue;
		bool last = *p == 0;
		if (!(last && p == start) && !add_pair(g, start, p))
			return wrong("requirement failed: Invalid entity config: all configs to be "
				     "added must be in the format \"key=val\" or  "
				     "\"key=[val1,val2]\" to group values which contain commas.");
		if (last)
			return 0;
		start = p + 1;
	}
}

static int
find_changes(struct cmd_configs *g)
{
	const char *add = cmd_text(g->a, "add-config"), *file = cmd_text(g->a, "add-config-file");
	const char *del = cmd_text(g->a, "delete-config");
	struct cmd_props props = {0};
	char **piece;
	int rc = 0;

	if (file != NULL && !cmd_props_read(&props, file))
		return cmd_fail(g->a, "cannot read %s: %s", file, strerror(errno));
	size_t room =
	    props.count + (add == NULL ? 0 : strlen(add)) + (del == NULL ? 0 : strlen(del)) + 2;
	g->change = rk_arena_get(&g->c.arena, room, sizeof *g->change);
	for (uint32_t i = 0; i < props.count; i++)
		g->change[g->changes++] =
		    (struct cmd_change){rk_arena_str(&g->c.arena, rk_str_of(props.at[i].key)).at,
			rk_arena_str(&g->c.arena, rk_str_of(props.at[i].value)).at};
	cmd_props_free(&props);
	if (add != NULL)
		rc = parse_added(g, add);
	uint32_t n = del == NULL ? 0 : cmd_split(&g->c.arena, del, ',', &piece);
	for (uint32_t i = 0; i < n; i++)
		g->change[g->changes++] = (struct cmd_change){piece[i], NULL};
	return rc;
}

/* --- resources */

static int32_t
node_for(const struct cmd_who *w)
{
	int64_t n = CMD_DECIDER;

	if ((w->type == CMD_BROKERS || w->type == CMD_LOGGERS) && w->name != NULL && *w->name != 0)
		(void)!rk_str_int(rk_str_of(w->name), &n);
	return (int32_t)n;
}

static int
alter_resource(struct cmd_configs *g)
{
	const struct cmd_who *w = &g->who[0];
	struct kp_incremental_alter_configs_req_resources r = {
	    .resource_type = resource_of[w->type], .resource_name = rk_str_of(w->name)};
	struct kp_incremental_alter_configs_req req;
	struct kp_incremental_alter_configs_res res;

	kp_defaults(kp_api(KP_INCREMENTAL_ALTER_CONFIGS)->req, &req);
	req.resources.at = &r;
	req.resources.len = 1;
	r.configs.at = rk_arena_get(&g->c.arena, g->changes, sizeof *r.configs.at);
	r.configs.len = (int32_t)g->changes;
	for (uint32_t i = 0; i < g->changes; i++) {
		r.configs.at[i].name = rk_str_of(g->change[i].key);
		r.configs.at[i].value = rk_str_of(g->change[i].value);
		r.configs.at[i].config_operation = g->change[i].value == NULL;
	}
	if (!cmd_client_call(&g->c, g->c.controllers ? CMD_DECIDER : node_for(w),
		KP_INCREMENTAL_ALTER_CONFIGS, &req, &res))
		return cmd_configs_wrong(g, g->c.err, g->c.why);
	for (int32_t i = 0; i < res.responses.len; i++)
		if (res.responses.at[i].error_code != 0)
			return cmd_configs_wrong(g, rk_err_of_wire(res.responses.at[i].error_code),
			    cmd_client_says(&g->c, res.responses.at[i].error_code,
				res.responses.at[i].error_message));
	return cmd_configs_done(g);
}

struct names {
	struct rk_str *at;
	uint32_t count, cap;
};

static void
add_name(struct names *n, struct rk_str s)
{
	for (uint32_t i = 0; i < n->count; i++)
		if (rk_str_eq(n->at[i], s))
			return;
	*(struct rk_str *)rk_mem_room((void **)&n->at, n->count, &n->cap, sizeof s) = s;
	n->count++;
}

static int
by_name(const void *a, const void *b)
{
	return rk_str_cmp(*(const struct rk_str *)a, *(const struct rk_str *)b);
}

/* What has a configuration of its own: groups and client metrics. A broker that does not know the
 * question has none. */
static void
list_resources(struct cmd_configs *g, int8_t type, struct names *to)
{
	struct kp_list_config_resources_req req;
	struct kp_list_config_resources_res res;

	kp_defaults(kp_api(KP_LIST_CONFIG_RESOURCES)->req, &req);
	req.resource_types.at = &type;
	req.resource_types.len = 1;
	if (!cmd_client_call(&g->c, CMD_ANY, KP_LIST_CONFIG_RESOURCES, &req, &res)
	    || res.error_code != 0)
		return;
	for (int32_t i = 0; i < res.config_resources.len; i++)
		if (res.config_resources.at[i].resource_type == type)
			add_name(to, res.config_resources.at[i].resource_name);
}

/* Each broker coordinates some of the groups. */
static void
list_groups(struct cmd_configs *g, struct names *to)
{
	struct kp_list_groups_req req;
	struct kp_list_groups_res res;

	kp_defaults(kp_api(KP_LIST_GROUPS)->req, &req);
	for (uint32_t i = 0; i < g->c.brokers; i++) {
		if (!cmd_client_call(&g->c, g->c.broker[i].id, KP_LIST_GROUPS, &req, &res)
		    || res.error_code != 0)
			continue;
		for (int32_t k = 0; k < res.groups.len; k++)
			add_name(to, res.groups.at[k].group_id);
	}
}

static bool
list_topics(struct cmd_configs *g, struct names *to)
{
	struct kp_metadata_req req;
	struct kp_metadata_res res;

	kp_defaults(kp_api(KP_METADATA)->req, &req);
	req.topics.len = -1;
	req.allow_auto_topic_creation = false;
	if (!cmd_client_call(&g->c, CMD_ANY, KP_METADATA, &req, &res))
		return false;
	for (int32_t i = 0; i < res.topics.len; i++) /* each comes once: no need to look */
		*(struct rk_str *)rk_mem_room((void **)&to->at, to->count++, &to->cap,
		    sizeof *to->at) = res.topics.at[i].name;
	return true;
}

static bool
list_all(struct cmd_configs *g, enum cmd_entity type, struct names *to)
{
	if (!cmd_client_brokers(&g->c))
		return false;
	if (type == CMD_TOPICS && !list_topics(g, to))
		return false;
	if (type == CMD_GROUPS)
		list_groups(g, to);
	if (type == CMD_GROUPS || type == CMD_CLIENT_METRICS)
		list_resources(g, resource_of[type], to);
	for (uint32_t i = 0; (type == CMD_BROKERS || type == CMD_LOGGERS) && i < g->c.brokers; i++)
		add_name(to, rk_arena_print(&g->c.arena, "%d", g->c.broker[i].id));
	if (to->count > 0)
		qsort(to->at, to->count, sizeof *to->at, by_name);
	return true;
}

static int
by_config(const void *a, const void *b)
{
	const struct kp_describe_configs_res_results_configs *p = a, *q = b;

	return rk_str_cmp(p->name, q->name);
}

static void
print_value(struct rk_str v)
{
	fwrite(v.len < 0 ? "null" : v.at, 1, v.len < 0 ? 4 : (size_t)v.len, stdout);
}

static void
print_config(const struct kp_describe_configs_res_results_configs *e)
{
	printf("  %.*s=", e->name.len, e->name.at);
	print_value(e->value);
	printf(" sensitive=%s synonyms={", e->is_sensitive ? "true" : "false");
	for (int32_t i = 0; i < e->synonyms.len; i++) {
		int8_t from = e->synonyms.at[i].source;
		printf("%s%s:%.*s=", i == 0 ? "" : ", ",
		    sources[from > 0 && from < (int)rk_countof(sources) ? from : 0],
		    e->synonyms.at[i].name.len, e->synonyms.at[i].name.at);
		print_value(e->synonyms.at[i].value);
	}
	puts("}");
}

/* What was set for this very entity: its own source, and nothing that it inherits. */
static bool
own(const struct cmd_who *w, int8_t source)
{
	static const int8_t of[CMD_ENTITIES] = {1, 0, 0, 2, 0, 7, 8, 0};

	if (w->type == CMD_LOGGERS)
		return true;
	return source == (w->type == CMD_BROKERS && *w->name == 0 ? 3 : of[w->type]);
}

static int
describe_one(struct cmd_configs *g, const struct cmd_who *w)
{
	struct kp_describe_configs_req_resources r = {
	    .resource_type = resource_of[w->type], .resource_name = rk_str_of(w->name)};
	struct kp_describe_configs_req req;
	struct kp_describe_configs_res res;
	const char *type = cmd_entity_names[w->type];
	bool all = cmd_given(g->a, "all");

	kp_defaults(kp_api(KP_DESCRIBE_CONFIGS)->req, &req);
	r.configuration_keys.len = -1;
	req.resources.at = &r;
	req.resources.len = 1;
	req.include_synonyms = true;
	if (*w->name == 0)
		printf("Default configs for %s in the cluster are:\n", type);
	else
		printf("%s configs for %.*s %s are:\n", all ? "All" : "Dynamic",
		    (int)strlen(type) - 1, type, w->name);
	if (!cmd_client_call(&g->c, node_for(w), KP_DESCRIBE_CONFIGS, &req, &res))
		return cmd_configs_wrong(g, g->c.err, g->c.why);
	for (int32_t i = 0; i < res.results.len; i++) {
		struct kp_describe_configs_res_results *d = &res.results.at[i];
		if (d->error_code != 0)
			return cmd_configs_wrong(g, rk_err_of_wire(d->error_code),
			    cmd_client_says(&g->c, d->error_code, d->error_message));
		if (d->configs.len > 0)
			qsort(d->configs.at, (size_t)d->configs.len, sizeof *d->configs.at,
			    by_config);
		for (int32_t k = 0; k < d->configs.len; k++)
			if (all || own(w, d->configs.at[k].config_source))
				print_config(&d->configs.at[k]);
	}
	return 0;
}

static int
describe_resource(struct cmd_configs *g)
{
	struct cmd_who w = g->who[0];
	struct names n = {0};
	bool found = w.name != NULL && *w.name == 0;
	int rc = 0;

	if (!list_all(g, w.type, &n))
		rc = cmd_configs_wrong(g, g->c.err, g->c.why);
	for (uint32_t i = 0; w.name != NULL && i < n.count; i++)
		found = found || rk_str_is(n.at[i], w.name);
	if (rc == 0 && w.name != NULL) {
		if (found)
			rc = describe_one(g, &w);
		else
			printf("The %.*s '%s' doesn't exist and doesn't have dynamic config.\n",
			    (int)strlen(cmd_entity_names[w.type]) - 1, cmd_entity_names[w.type],
			    w.name);
	} else {
		for (uint32_t i = 0; rc == 0 && i < n.count; i++) {
			w.name = rk_arena_str(&g->c.arena, n.at[i]).at;
			rc = describe_one(g, &w);
		}
		w.name = "";
		if (rc == 0 && w.type == CMD_BROKERS)
			rc = describe_one(g, &w);
	}
	rk_mem_put(n.at);
	return rc;
}

static int
check(const struct cmd_args *a)
{
	bool alter = cmd_given(a, "alter");

	if (alter == cmd_given(a, "describe"))
		return cmd_usage(a, "Command must include exactly one action: --describe, --alter");
	if (cmd_given(a, "bootstrap-server") == cmd_given(a, "bootstrap-controller"))
		return wrong(cmd_given(a, "bootstrap-server")
				 ? "Only one of --bootstrap-server or --bootstrap-controller can "
				   "be specified"
				 : "One of the required --bootstrap-server or "
				   "--bootstrap-controller arguments must be specified");
	if (cmd_given(a, "add-config") && cmd_given(a, "add-config-file"))
		return wrong("Only one of --add-config or --add-config-file must be specified");
	if (alter && !cmd_given(a, "add-config") && !cmd_given(a, "add-config-file")
	    && !cmd_given(a, "delete-config"))
		return wrong("At least one of --add-config, --add-config-file, or --delete-config "
			     "must be specified with --alter");
	if (!alter
	    && (cmd_given(a, "add-config") || cmd_given(a, "add-config-file")
		|| cmd_given(a, "delete-config")))
		return cmd_usage(
		    a, "--add-config, --add-config-file and --delete-config need --alter");
	return 0;
}

static int
run(struct cmd_args *a)
{
	struct cmd_configs g = {.a = a};
	bool alter = cmd_given(a, "alter");
	int rc;

	if ((rc = check(a)) != 0 || (rc = find_who(&g)) != 0 || (rc = check_who(&g)) != 0)
		return rc;
	if (!cmd_client_start(&g.c, a))
		return 1;
	bool people = has_type(&g, CMD_USERS) || has_type(&g, CMD_CLIENTS) || has_type(&g, CMD_IPS);
	if (alter)
		rc = find_changes(&g);
	if (rc == 0 && people)
		rc = alter ? cmd_configs_alter_user(&g) : cmd_configs_describe_user(&g);
	else if (rc == 0)
		rc = alter ? alter_resource(&g) : describe_resource(&g);
	cmd_client_close(&g.c);
	return rc;
}

const struct cmd_spec cmd_configs_spec = {
    .name = "configs",
    .peer = "kafka-configs",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Shows and changes the configuration of topics, brokers, groups, users, clients, "
	       "addresses and client metrics.",
    .about = "The entity is named by --topic, --broker, --user and so on, or by --entity-type and "
	     "--entity-name. Where no name is given, "
	     "--describe shows all entities of the type.",
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
