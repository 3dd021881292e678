/* features.c - rookery features: shows the levels of the cluster's features, raises and lowers them.
 */
#include "protocol/gen/api_versions.h"
#include "protocol/gen/update_features.h"
#include "src/cmd/client.h"
#include "src/cmd/format.h"

enum { ACT_DESCRIBE, ACT_UPGRADE, ACT_DOWNGRADE, ACT_DISABLE, ACT_MAPPING, ACT_DEPENDENCIES };
static const struct cmd_act acts[] = {
    {"describe", "Show which features there are and at which level they stand."},
    {"upgrade", "Raise levels."},
    {"downgrade", "Lower levels."},
    {"disable", "Lower levels to zero."},
    {"version-mapping", "Show the levels that belong to a release (default: the newest)."},
    {"feature-dependencies", "Show what a level of a feature needs."},
    {NULL, NULL},
};
enum { UP_DOWN = 1 << ACT_UPGRADE | 1 << ACT_DOWNGRADE, CHANGES = UP_DOWN | 1 << ACT_DISABLE };
static const struct cmd_opt opts[] = {
    {"bootstrap-server", CMD_TEXT, 0, 0, 0, "BOOTSTRAP_SERVER", NULL,
	"Brokers to ask: host:port,..."},
    {"bootstrap-controller", CMD_TEXT, 0, 0, 0, "BOOTSTRAP_CONTROLLER", NULL,
	"Controllers to ask, instead of brokers."},
    {"command-config", CMD_TEXT, 0, 0, 0, "COMMAND_CONFIG", NULL,
	"A properties file with client settings."},
    {"node-id", CMD_INT, 0, 0, 1 << ACT_DESCRIBE, "NODE_ID", NULL, "Ask this node."},
    {"metadata", CMD_TEXT, CMD_OLD, 0, UP_DOWN, "METADATA", NULL,
	"The level of metadata.version by its name, as 3.3-IV3."},
    {"release-version", CMD_TEXT, 0, 0, UP_DOWN | 1 << ACT_MAPPING, "RELEASE_VERSION", NULL,
	"The release whose levels all features shall have, as 3.9-IV0."},
    {"feature", CMD_TEXT, CMD_REPEAT, 0, CHANGES | 1 << ACT_DEPENDENCIES, "FEATURE", NULL,
	"A feature and its level: metadata.version=5 (with disable the name alone); may be given "
	"many times."},
    {"unsafe", CMD_FLAG, 0, 0, 1 << ACT_DOWNGRADE | 1 << ACT_DISABLE, NULL, NULL,
	"Even if metadata is lost by it."},
    {"dry-run", CMD_FLAG, 0, 0, CHANGES, NULL, NULL, "Check it, and do nothing."},
};
enum { WISHES = 64, SAFE_UP = 1, SAFE_DOWN = 2, UNSAFE_DOWN = 3 };

struct wish {
	struct rk_str name;
	int16_t level;
};
struct job {
	const struct cmd_args *a;
	struct cmd_client c;
	struct wish wish[WISHES];
	uint32_t wishes;
};

/* What Kafka's command prints on stderr for a failed request: the exception and its message. */
static int
failed(const struct cmd_client *c)
{
	char name[100];

	return cmd_say("%s: %s", cmd_java_error(c->err, name, sizeof name), c->why);
}

static const char *
level_text(struct rk_arena *a, struct rk_str name, int16_t level)
{
	const char *called = rk_str_is(name, "metadata.version") ? meta_version_name(level) : NULL;

	if (!rk_str_is(name, "metadata.version"))
		return rk_arena_print(a, "%d", level).at;
	return called != NULL ? called : rk_arena_print(a, "UNKNOWN [%d]", level).at;
}

static int
by_name(const void *a, const void *b)
{
	return rk_str_cmp(((const struct kp_api_versions_res_supported_features *)a)->name,
	    ((const struct kp_api_versions_res_supported_features *)b)->name);
}

static int
describe(struct job *j)
{
	int64_t node = cmd_number(j->a, "node-id", -1);
	struct kp_api_versions_req req;
	struct kp_api_versions_res res;

	kp_defaults(kp_api(KP_API_VERSIONS)->req, &req);
	req.client_software_name = rk_lit("rookery");
	req.client_software_version = rk_str_of(PACKAGE_VERSION);
	if (node >= 0 && (!cmd_client_brokers(&j->c) || cmd_client_broker(&j->c, (int32_t)node) == NULL)) {
		cmd_client_fail(&j->c, RK_REQUEST_TIMED_OUT,
		    "Timed out waiting for a node assignment. Call: describeFeatures");
		failed(&j->c);
		return cmd_fail(j->a, "there is no node %d among those that can be reached", (int)node);
	}
	if (!cmd_client_call(&j->c, node < 0 ? CMD_ANY : (int32_t)node, KP_API_VERSIONS, &req, &res)
	    || !cmd_client_good(&j->c, res.error_code, RK_STR_NULL))
		return failed(&j->c);
	if (res.supported_features.len > 0)
		qsort(res.supported_features.at, (size_t)res.supported_features.len,
		    sizeof *res.supported_features.at, by_name);
	for (int32_t i = 0; i < res.supported_features.len; i++) {
		struct kp_api_versions_res_supported_features *f = &res.supported_features.at[i];
		int16_t level = 0;
		for (int32_t k = 0; k < res.finalized_features.len; k++)
			if (rk_str_eq(res.finalized_features.at[k].name, f->name))
				level = res.finalized_features.at[k].max_version_level;
		printf("Feature: %-40s  SupportedMinVersion: %-15s  SupportedMaxVersion: %-15s  "
		       "FinalizedVersionLevel: %-15s  Epoch: ",
		    rk_arena_str(&j->c.arena, f->name).at,
		    level_text(&j->c.arena, f->name, f->min_version),
		    level_text(&j->c.arena, f->name, f->max_version),
		    level_text(&j->c.arena, f->name, level));
		if (res.finalized_features_epoch < 0)
			puts("-");
		else
			printf("%" PRId64 "\n", res.finalized_features_epoch);
	}
	return 0;
}

/* A level for a name; a name that was there already keeps its first place and is an error. */
static int
add_wish(struct job *j, struct rk_str name, int16_t level)
{
	for (uint32_t i = 0; i < j->wishes; i++)
		if (rk_str_eq(j->wish[i].name, name))
			return cmd_say("Feature %.*s was specified more than once.", name.len, name.at);
	if (j->wishes == WISHES)
		return cmd_say("more than %d features", WISHES);
	j->wish[j->wishes++] = (struct wish){name, level};
	return 0;
}

/* "name=5" */
static int
parse_wish(const char *text, struct rk_str *name, int16_t *level)
{
	const char *eq = strchr(text, '=');
	int64_t n;

	if (eq == NULL)
		return cmd_say("Can't parse feature=level string %s: equals sign not found.", text);
	*name = (struct rk_str){text, (int32_t)(eq - text)};
	if (!rk_str_int(rk_str_of(eq + 1), &n) || n != (int16_t)n)
		return cmd_say("Can't parse feature=level string %s: unable to parse %s as a short.",
		    text, eq + 1);
	*level = (int16_t)n;
	return 0;
}

/* The level of a release's name, also of the one that is not for production yet. */
static int
release(const char *name, int16_t *level)
{
	if (name != NULL && (strcmp(name, CMD_UNSTABLE_NAME) == 0 || strcmp(name, "4.4") == 0)) {
		*level = CMD_UNSTABLE_LEVEL;
		return 0;
	}
	return cmd_features_version(name, level);
}

static int
wish_release(struct job *j, const char *name)
{
	int16_t level;
	int rc = release(name, &level);

	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < meta_supported_count && rc == 0; i++)
		rc = add_wish(j, rk_str_of(meta_supported[i].name),
		    i == 0 ? level : meta_default_level(meta_supported[i].name, level));
	return rc;
}

static int
gather(struct job *j)
{
	const struct cmd_args *a = j->a;
	const char *metadata = NULL, *whole = NULL, *text;
	int16_t level = 0;
	struct rk_str name;
	int rc = 0;

	if (a->act != ACT_DISABLE) {
		metadata = cmd_text(a, "metadata");
		whole = cmd_text(a, "release-version");
	}
	if (whole != NULL)
		return metadata != NULL || cmd_given(a, "feature")
			   ? cmd_say("Can not specify `release-version` with other feature flags.")
			   : wish_release(j, whole);
	if (metadata != NULL) {
		puts(" `metadata` flag is deprecated and may be removed in a future release.");
		if ((rc = release(metadata, &level)) != 0)
			return rc;
		rc = add_wish(j, rk_lit("metadata.version"), level);
	}
	for (uint32_t i = 0; rc == 0 && (text = cmd_nth(a, "feature", i)) != NULL; i++) {
		if (a->act == ACT_DISABLE)
			rc = add_wish(j, rk_str_of(text), 0);
		else if ((rc = parse_wish(text, &name, &level)) == 0)
			rc = add_wish(j, name, level);
	}
	if (rc == 0 && j->wishes == 0)
		return cmd_say("You must specify at least one feature to %s", acts[a->act].name);
	for (uint32_t i = 0; rc == 0 && a->act == ACT_UPGRADE && i < j->wishes; i++)
		if (j->wish[i].level < 1)
			rc = cmd_say("The upgradeType flag should be set to SAFE_DOWNGRADE or "
				  "UNSAFE_DOWNGRADE when the provided maxVersionLevel:%d is < 1.",
			    j->wish[i].level);
	return rc;
}

static int
by_wish(const void *a, const void *b)
{
	return rk_str_cmp(((const struct wish *)a)->name, ((const struct wish *)b)->name);
}

static int
print_results(struct job *j, const struct kp_update_features_res *res)
{
	static const char *const did[] = {"", "upgraded to ", "downgraded to ", "disabled"};
	static const char *const would[] = {"", "upgrade", "downgrade", "disable"};
	bool dry = cmd_given(j->a, "dry-run"), off = j->a->act == ACT_DISABLE;
	uint32_t bad = 0;

	for (uint32_t i = 0; i < j->wishes; i++) {
		struct wish *w = &j->wish[i];
		int16_t code = res->error_code;
		struct rk_str message = res->error_message;
		for (int32_t k = 0; code == 0 && k < res->results.len; k++)
			if (rk_str_eq(res->results.at[k].feature, w->name)) {
				code = res->results.at[k].error_code;
				message = res->results.at[k].error_message;
			}
		const char *level = off ? "" : rk_arena_print(&j->c.arena, "%d", w->level).at;
		if (code == 0) {
			printf("%.*s %s %s%s.\n", w->name.len, w->name.at, dry ? "can be" : "was",
			    did[j->a->act], level);
			continue;
		}
		printf("%s %s %.*s%s%s. %s\n", dry ? "Can not" : "Could not", would[j->a->act],
		    w->name.len, w->name.at, off ? "" : " to ", level,
		    cmd_client_says(&j->c, code, message));
		bad++;
	}
	return bad == 0 ? 0 : cmd_say("%u out of %u operation(s) failed.", bad, j->wishes);
}

static int
change(struct job *j)
{
	struct kp_update_features_req req;
	struct kp_update_features_res res;
	bool unsafe = j->a->act != ACT_UPGRADE && cmd_given(j->a, "unsafe");

	qsort(j->wish, j->wishes, sizeof *j->wish, by_wish);
	kp_defaults(kp_api(KP_UPDATE_FEATURES)->req, &req);
	req.timeout_ms = 60000;
	req.validate_only = cmd_given(j->a, "dry-run");
	req.feature_updates.at =
	    rk_arena_get(&j->c.arena, j->wishes, sizeof *req.feature_updates.at);
	for (uint32_t i = 0; i < j->wishes; i++) {
		struct kp_update_features_req_feature_updates *f =
		    &req.feature_updates.at[req.feature_updates.len++];
		f->feature = j->wish[i].name;
		f->max_version_level = j->wish[i].level;
		f->upgrade_type = j->a->act == ACT_UPGRADE ? SAFE_UP : unsafe ? UNSAFE_DOWN : SAFE_DOWN;
		f->allow_downgrade = f->upgrade_type != SAFE_UP;
	}
	do {
		if (!cmd_client_call(&j->c, CMD_DECIDER, KP_UPDATE_FEATURES, &req, &res))
			return failed(&j->c);
	} while (cmd_client_again(&j->c, rk_err_of_wire(res.error_code)));
	return print_results(j, &res);
}

static int
dependency(const char *text)
{
	struct rk_str name;
	int16_t level, max = -1;
	int rc = parse_wish(text, &name, &level);

	if (rc != 0)
		return rc;
	if (rk_str_is(name, "metadata.version")) {
		const char *called = level == CMD_UNSTABLE_LEVEL ? CMD_UNSTABLE_NAME
				     : level >= 0                ? meta_version_name(level)
								 : NULL;
		if (called == NULL)
			return cmd_say("No feature:metadata.version with feature level %d", level);
		printf("metadata.version=%d (%s) has no dependencies.\n", level, called);
		return 0;
	}
	for (uint32_t i = 0; i < meta_supported_count; i++)
		if (rk_str_is(name, meta_supported[i].name))
			max = meta_supported[i].max;
	if (max < 0)
		return cmd_say("Unknown feature: %.*s", name.len, name.at);
	if (level < 0 || level > max)
		return cmd_say(
		    "No feature:%.*s with feature level %d", name.len, name.at, level);
	if (level > 0 && rk_str_is(name, "eligible.leader.replicas.version"))
		printf("%s requires:\n    metadata.version=%d (%s)\n", text, CMD_ELR_NEEDS,
		    meta_version_name(CMD_ELR_NEEDS));
	else
		printf("%.*s=%d has no dependencies.\n", name.len, name.at, level);
	return 0;
}

/* What needs no cluster. */
static int
look_up(const struct cmd_args *a)
{
	const char *text;
	int rc = 0;

	if (a->act == ACT_MAPPING)
		return cmd_features_mapping(cmd_text(a, "release-version"));
	if (!cmd_given(a, "feature"))
		return cmd_usage(a, "argument --feature is required");
	for (uint32_t i = 0; rc == 0 && (text = cmd_nth(a, "feature", i)) != NULL; i++)
		rc = dependency(text);
	return rc;
}

static int
run(struct cmd_args *a)
{
	bool servers = cmd_given(a, "bootstrap-server"),
	     controllers = cmd_given(a, "bootstrap-controller");
	struct job *j;
	int rc = 0;

	if (servers && controllers)
		return cmd_usage(a, "argument --bootstrap-controller: not allowed with argument "
				    "--bootstrap-server");
	if (a->rest_count > 0)
		return cmd_usage(a, "unrecognized arguments");
	if (a->act == ACT_MAPPING || a->act == ACT_DEPENDENCIES)
		return look_up(a);
	if (!servers && !controllers)
		return cmd_usage(
		    a, "You must specify either --bootstrap-controller or --bootstrap-server.");
	if (a->act == ACT_DESCRIBE && cmd_given(a, "node-id") && cmd_number(a, "node-id", 0) < 0)
		return cmd_say("Invalid node id %d: must be non-negative.",
		    (int)cmd_number(a, "node-id", 0));
	j = rk_new(struct job);
	j->a = a;
	if (a->act != ACT_DESCRIBE)
		rc = gather(j);
	if (rc == 0 && !cmd_client_start(&j->c, a))
		rc = 1;
	else if (rc == 0) {
		rc = a->act == ACT_DESCRIBE ? describe(j) : change(j);
		cmd_client_close(&j->c);
	}
	rk_mem_put(j);
	return rc;
}

const struct cmd_spec cmd_features_spec = {
    .name = "features",
    .peer = "kafka-features",
    .style = CMD_ARGPARSE,
    .opt = opts,
    .count = rk_countof(opts),
    .act = acts,
    .summary = "Shows and changes the levels of the cluster's features.",
    .about = "A feature's level says which records and requests the nodes of a cluster may use. "
	     "Raise levels when all nodes run the new release (upgrade --release-version); a level "
	     "that was raised may often not be lowered again: --dry-run tells.",
    .terse_usage = true,
    .help_exit = 0,
    .bare_exit = 1,
    .run = run,
};
