/* storage.c - rookery storage: what a node's directories are made of before its first start.
 *
 * format writes into each directory meta.properties (whose it is) and bootstrap.checkpoint (the
 * features a new cluster begins with); with a dynamic quorum the metadata directory also gets the
 * 0-0 checkpoint, which names the first voters. All is on stable storage when the command says so.
 */
#include "src/cmd/format.h"
#include "src/cmd/posix.h"
#include <sys/stat.h>

enum { ACT_INFO, ACT_FORMAT, ACT_MAPPING, ACT_DEPENDENCIES, ACT_UUID };
enum {
	IN_FORMAT = 1 << ACT_FORMAT,
	IN_INFO = 1 << ACT_INFO,
	IN_MAPPING = 1 << ACT_MAPPING,
	IN_DEPENDENCIES = 1 << ACT_DEPENDENCIES
};

static const struct cmd_act acts[] = {
    {"info", "Get information about the Kafka log directories on this node."},
    {"format", "Format the Kafka log directories on this node."},
    {"version-mapping", "Look up the corresponding features for a given metadata version. Using "
			"the command with no "
			"--release-version argument will return the mapping for the latest stable "
			"metadata version"},
    {"feature-dependencies",
	"Look up dependencies for a given feature version. If the feature is not known or the "
	"version not yet defined, an error is thrown. Multiple features can be specified."},
    {"random-uuid", "Print a random UUID."},
    {NULL, NULL},
};

static const struct cmd_opt opts[] = {
    {"config", CMD_TEXT, CMD_REQUIRED, 'c', IN_FORMAT | IN_INFO, "CONFIG", NULL,
	"The Kafka configuration file to use."},
    {"cluster-id", CMD_TEXT, CMD_REQUIRED, 't', IN_FORMAT, "CLUSTER_ID", NULL,
	"The cluster ID to use."},
    {"add-scram", CMD_TEXT, CMD_REPEAT, 'S', IN_FORMAT, "ADD_SCRAM", NULL,
	"A SCRAM_CREDENTIAL to add to the __cluster_metadata log e.g. "
	"'SCRAM-SHA-256=[name=alice,password=alice-secret]' "
	"'SCRAM-SHA-512=[name=alice,iterations=8192,salt=\"N3E=\",saltedpassword=\"YCE=\"]'"},
    {"ignore-formatted", CMD_FLAG, 0, 'g', IN_FORMAT, NULL, NULL,
	"When this option is passed, the format command will "
	"skip over already formatted directories rather than failing."},
    {"release-version", CMD_TEXT, 0, 'r', IN_FORMAT | IN_MAPPING, "RELEASE_VERSION", NULL,
	"The release version to use "
	"for the initial feature settings. The minimum is 3.3-IV3; the default is 4.3-IV0"},
    {"feature", CMD_TEXT, CMD_REPEAT, 'f', IN_FORMAT | IN_DEPENDENCIES, "FEATURE", NULL,
	"The setting to use for a "
	"specific feature, in feature=level format. For example: `kraft.version=1`."},
    {"standalone", CMD_FLAG, 0, 's', IN_FORMAT, NULL, NULL,
	"Used to initialize a controller as a single-node dynamic "
	"quorum. When setting this flag, the controller.quorum.voters config must not be set, and "
	"controller.quorum.bootstrap.servers is set instead."},
    {"no-initial-controllers", CMD_FLAG, 0, 'N', IN_FORMAT, NULL, NULL,
	"Used to initialize a server without specifying "
	"a dynamic quorum. When setting this flag, the controller.quorum.voters config should not "
	"be set, and "
	"controller.quorum.bootstrap.servers is set instead."},
    {"initial-controllers", CMD_TEXT, 0, 'I', IN_FORMAT, "INITIAL_CONTROLLERS", NULL,
	"Used to initialize a server with "
	"the specified dynamic quorum. The argument is a comma-separated list of "
	"id@hostname:port:directory. The same "
	"values must be used to format all nodes. When setting this flag, the "
	"controller.quorum.voters config must not "
	"be set, and controller.quorum.bootstrap.servers is set instead."},
};

/* --- what both info and format look at */

bool
cmd_format_config(struct cmd_format *f, const char *path)
{
	struct conf_notes notes = {.arena = &f->arena};
	struct rk_str text;
	enum rk_err err = rk_env_slurp(cmd_env(), path, &f->arena, &text);

	if (err != RK_OK) {
		cmd_fail(f->args,
		    "%s cannot be read: %s. Give the server's properties file with --config.", path,
		    err == RK_NOT_FOUND ? "there is no such file" : rk_err_text(err));
		return false;
	}
	f->conf = conf_read(path, text, NULL, 0, &notes);
	for (uint32_t i = 0; i < notes.count; i++)
		if (notes.at[i].level >= RK_ERROR)
			fprintf(stderr, "%.*s\n", (int)notes.at[i].text.len, notes.at[i].text.at);
	return notes.errors == 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* log.dirs and metadata.log.dir, sorted, each once. */
uint32_t
cmd_format_dirs(struct cmd_format *f, const char ***out)
{
	uint32_t n = 0, kept = 0;

	*out = rk_arena_get(&f->arena, f->conf->dirs.count + 1, sizeof **out);
	rk_assert(*out != NULL);
	for (uint32_t i = 0; i < f->conf->dirs.count; i++)
		(*out)[n++] = f->conf->dirs.at[i];
	(*out)[n++] = f->conf->metadata_dir;
	qsort(*out, n, sizeof **out, by_name);
	for (uint32_t i = 0; i < n; i++)
		if (kept == 0 || strcmp((*out)[kept - 1], (*out)[i]) != 0)
			(*out)[kept++] = (*out)[i];
	return kept;
}

bool
cmd_format_read(const char *dir, struct cmd_props *p)
{
	char path[PATH_MAX];

	*p = (struct cmd_props){0};
	return (size_t)snprintf(path, sizeof path, "%s/meta.properties", dir) < sizeof path
	       && cmd_props_read(p, path);
}

/* --- info */

struct problems {
	char text[64][PATH_MAX + 200];
	uint32_t count;
};

static void rk_format(2, 3) problem(struct problems *p, const char *fmt, ...)
{
	va_list ap;

	if (p->count == rk_countof(p->text))
		return;
	va_start(ap, fmt);
	vsnprintf(p->text[p->count++], sizeof p->text[0], fmt, ap);
	va_end(ap);
}

static int
by_key(const void *a, const void *b)
{
	return strcmp(((const struct cmd_prop *)a)->key, ((const struct cmd_prop *)b)->key);
}

static void
print_metadata(struct cmd_props *p, struct problems *bad)
{
	bool v1 =
	    cmd_props_get(p, "version") != NULL && strcmp(cmd_props_get(p, "version"), "1") == 0;

	if (!v1) {
		printf("Found metadata: {version=0}\n\n");
		problem(bad, "The kafka configuration file appears to be for a cluster in KRaft "
			     "mode, but the directories are "
			     "formatted for legacy mode.");
		return;
	}
	qsort(p->at, p->count, sizeof *p->at, by_key);
	printf("Found metadata: {");
	for (uint32_t i = 0; i < p->count; i++)
		printf("%s%s=%s", i > 0 ? ", " : "", p->at[i].key, p->at[i].value);
	printf("}\n\n");
}

static void
print_list(const char *one, const char *many, const struct problems *p)
{
	if (p->count == 0)
		return;
	printf("%s\n", p->count == 1 ? one : many);
	for (uint32_t i = 0; i < p->count; i++)
		printf("  %s\n", p->text[i]);
	printf("\n");
}

static int
info(struct cmd_format *f)
{
	struct problems *found = rk_new(struct problems), *bad = rk_new(struct problems);
	struct cmd_props first = {0}, p;
	const char **dir;
	bool any = false;

	if (!cmd_format_config(f, cmd_text(f->args, "config")))
		return 1;
	uint32_t n = cmd_format_dirs(f, &dir);
	for (uint32_t i = 0; i < n; i++) {
		struct stat st;
		if (stat(dir[i], &st) != 0) {
			problem(bad, "%s does not exist", dir[i]);
			continue;
		}
		if (!S_ISDIR(st.st_mode)) {
			problem(bad, "%s is not a directory", dir[i]);
			continue;
		}
		problem(found, "%s", dir[i]);
		if (!cmd_format_read(dir[i], &p))
			problem(bad, "%s is not formatted.", dir[i]);
		else if (!any)
			first = p, any = true;
		else
			cmd_props_free(&p);
	}
	print_list("Found log directory:", "Found log directories:", found);
	if (any)
		print_metadata(&first, bad);
	print_list("Found problem:", "Found problems:", bad);
	int rc = bad->count > 0;
	cmd_props_free(&first);
	rk_mem_put(found);
	rk_mem_put(bad);
	return rc;
}

/* --- features, in the order Kafka's tool has them */

static const char *const feature[] = {"kraft.version", "transaction.version", "group.version",
    "eligible.leader.replicas.version", "share.version", "streams.version"};

static int
unknown_version(const char *name, bool unstable)
{
	fprintf(stderr, "Unknown metadata.version '%s'. Supported metadata.version are: ", name);
	for (int16_t v = meta_supported[0].min; v <= meta_supported[0].max; v++)
		fprintf(
		    stderr, "%s%s", v > meta_supported[0].min ? ", " : "", meta_version_name(v));
	fprintf(stderr, "%s\n", unstable ? ", " CMD_UNSTABLE_NAME : "");
	return 1;
}

int
cmd_format_version(const char *name, int16_t *level)
{
	*level = name == NULL ? meta_supported[0].max : meta_version_level(rk_str_of(name));
	return *level == 0 ? unknown_version(name, false) : 0;
}

int
cmd_features_version(const char *name, int16_t *level)
{
	*level = meta_version_level(rk_str_of(name));
	return *level == 0 ? unknown_version(name, true) : 0;
}

int
cmd_features_mapping(const char *name)
{
	bool unstable =
	    name != NULL && (strcmp(name, CMD_UNSTABLE_NAME) == 0 || strcmp(name, "4.4") == 0);
	int16_t level = name == NULL ? meta_supported[0].max
			: unstable   ? CMD_UNSTABLE_LEVEL
				     : meta_version_level(rk_str_of(name));

	if (level == 0)
		return unknown_version(name, true);
	printf("metadata.version=%d (%s)\n", level, name == NULL ? meta_version_name(level) : name);
	for (uint32_t i = 0; i < rk_countof(feature); i++)
		printf("%s=%d\n", feature[i], meta_default_level(feature[i], level));
	return 0;
}

static int
dependency(const char *text)
{
	const char *eq = strchr(text, '=');
	int64_t level = 0;
	int16_t max = -1;

	if (eq == NULL || !rk_str_int(rk_str_of(eq + 1), &level)) {
		fprintf(stderr,
		    "Invalid feature format: %s. Expected format: 'feature=version' (e.g. "
		    "'group.version=1')\n",
		    text);
		return 1;
	}
	struct rk_str name = {text, (int32_t)(eq - text)};
	for (uint32_t i = 0; i < meta_supported_count; i++)
		if (rk_str_is(name, meta_supported[i].name))
			max = meta_supported[i].max;
	if (rk_str_is(name, "metadata.version")) {
		const char *called = level == CMD_UNSTABLE_LEVEL ? CMD_UNSTABLE_NAME
				     : level >= 0 && level < 100 ? meta_version_name((int16_t)level)
								 : NULL;
		if (called == NULL)
			return fprintf(stderr, "Unknown metadata.version %" PRId64 "\n", level), 1;
		return printf("metadata.version=%" PRId64 " (%s) has no dependencies.\n", level,
			   called),
		       0;
	}
	if (max < 0)
		return fprintf(stderr, "Unknown feature: %.*s\n", (int)name.len, name.at), 1;
	if (level < 0 || level > max)
		return fprintf(stderr,
			   "Feature level %" PRId64 " is not supported for feature %.*s\n", level,
			   (int)name.len, name.at),
		       1;
	if (level > 0 && rk_str_is(name, "eligible.leader.replicas.version"))
		printf("%s requires:\n    metadata.version=%d (%s)\n", text, CMD_ELR_NEEDS,
		    meta_version_name(CMD_ELR_NEEDS));
	else
		printf("%s has no dependencies.\n", text);
	return 0;
}

/* An action's own options may be required: the parser only knows those of the whole command. */
static int
missing(const struct cmd_args *a)
{
	char line[200];

	for (uint32_t i = 0; a->act >= 0 && i < rk_countof(opts); i++)
		if ((opts[i].acts >> a->act & 1) != 0 && !cmd_given(a, opts[i].name)
		    && ((opts[i].flags & CMD_REQUIRED) != 0 || (a->act == ACT_DEPENDENCIES))) {
			snprintf(line, sizeof line, "argument --%s/-%c is required", opts[i].name,
			    opts[i].brief);
			return cmd_usage(a, line);
		}
	if (a->rest_count > 0) {
		snprintf(line, sizeof line, "unrecognized arguments: '%.100s'", a->rest[0]);
		return cmd_usage(a, line);
	}
	return 0;
}

static int
run(struct cmd_args *a)
{
	if (missing(a) != 0)
		return 1;
	struct cmd_format *f = rk_new(struct cmd_format);
	char id[RK_UUID_TEXT];
	const char *text;
	int rc = 0;

	f->args = a;
	rk_arena_init(&f->arena, 64u << 20);
	if (a->act == ACT_INFO)
		rc = info(f);
	if (a->act == ACT_FORMAT)
		rc = cmd_format_run(f);
	if (a->act == ACT_MAPPING)
		rc = cmd_features_mapping(cmd_text(a, "release-version"));
	for (uint32_t i = 0;
	     a->act == ACT_DEPENDENCIES && rc == 0 && (text = cmd_nth(a, "feature", i)) != NULL;
	     i++)
		rc = dependency(text);
	if (a->act == ACT_UUID)
		printf("%s\n", rk_uuid_text(rk_env_uuid(cmd_env()), id));
	conf_free(f->conf);
	rk_arena_free(&f->arena);
	rk_mem_put(f);
	return rc;
}

const struct cmd_spec cmd_storage_spec = {
    .name = "storage",
    .peer = "kafka-storage",
    .style = CMD_ARGPARSE,
    .opt = opts,
    .count = rk_countof(opts),
    .act = acts,
    .summary = "The Kafka storage tool.",
    .about = "Formats the directories of a node before its first start, and tells what is in them. "
	     "A node refuses to "
	     "start on a directory that is not formatted. Directories formatted by Apache Kafka "
	     "are taken as they are, and "
	     "Apache Kafka takes those formatted by this command.",
    .help_exit = 0,
    .bare_exit = 1,
    .run = run,
};
