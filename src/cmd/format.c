/* format.c - rookery storage format: checks first, everything; then directory by directory. */
#include "src/cmd/format.h"
#include "src/cmd/posix.h"
#include "storage/dir.h"
#include <sys/stat.h>

#define SAID(...) (fprintf(stderr, __VA_ARGS__), 1)

/* --- which features */

static int16_t *
level_of(struct cmd_format *f, struct rk_str name, const struct meta_supported **row)
{
	for (uint32_t i = 0; i < meta_supported_count; i++)
		if (rk_str_is(name, meta_supported[i].name)) {
			*row = &meta_supported[i];
			return &f->level[i];
		}
	return NULL;
}

static int
take_feature(struct cmd_format *f, const char *text, bool *version_given)
{
	const struct meta_supported *row;
	const char *eq = strchr(text, '=');
	int64_t v;

	if (eq == NULL)
		return SAID("Can't parse feature=level string %s: equals sign not found.\n", text);
	if (!rk_str_int(rk_str_of(eq + 1), &v) || v < INT16_MIN || v > INT16_MAX)
		return SAID("Can't parse feature=level string %s: unable to parse %s as a short.\n",
		    text, eq + 1);
	struct rk_str name = {text, (int32_t)(eq - text)};
	int16_t *level = level_of(f, name, &row);
	if (level == NULL)
		return SAID("Unsupported feature: %.*s. Supported features are: "
			    "eligible.leader.replicas.version, group.version, "
			    "kraft.version, share.version, streams.version, transaction.version\n",
		    (int)name.len, name.at);
	*version_given |= row == &meta_supported[0];
	if (row == &meta_supported[0] && (v < row->min || v > row->max))
		return SAID("No MetadataVersion with feature level %" PRId64
			    ". Valid feature levels are from %d to %d.\n",
		    v, row->min, row->max);
	if (v < row->min || v > row->max)
		return SAID("No feature:%s with feature level %" PRId64 "\n", row->name, v);
	*level = (int16_t)v;
	return 0;
}

static int
features(struct cmd_format *f)
{
	const char *release = cmd_text(f->args, "release-version"), *text;
	bool version_given = false;
	int rc = cmd_format_version(release, &f->version);

	for (uint32_t i = 0; i < meta_supported_count; i++)
		f->level[i] = -1;
	for (uint32_t i = 0; rc == 0 && (text = cmd_nth(f->args, "feature", i)) != NULL; i++)
		rc = take_feature(f, text, &version_given);
	if (rc == 0 && version_given && release != NULL)
		rc = SAID("Use --release-version instead of --feature metadata.version=X to avoid "
			  "ambiguity.\n");
	if (version_given)
		f->version = f->level[0];
	f->level[0] = f->version;
	for (uint32_t i = 1; i < meta_supported_count; i++) {
		if (f->level[i] < 0)
			f->level[i] = meta_default_level(meta_supported[i].name, f->version);
		if (strcmp(meta_supported[i].name, "eligible.leader.replicas.version") == 0
		    && f->level[i] > 0 && f->version < CMD_ELR_NEEDS && rc == 0)
			rc = SAID("eligible.leader.replicas.version could not be set to 1 because "
				  "it depends on metadata.version "
				  "level %d\n",
			    CMD_ELR_NEEDS);
	}
	return rc;
}

/* --- which quorum */

static const struct conf_listener *
controller_listener(const struct cmd_format *f)
{
	for (uint32_t i = 0; i < f->conf->listener_count; i++)
		if (f->conf->listener[i].is_controller)
			return &f->conf->listener[i];
	return NULL;
}

static bool
add_voter(struct cmd_format *f, int32_t id, struct rk_str host, uint16_t port,
    struct rk_uuid directory, const char *listener)
{
	struct kp_voters_record_voters *v = &f->voters.voters.at[f->voters.voters.len++];

	v->voter_id = id;
	v->voter_directory_id = directory;
	v->endpoints.at = rk_arena_get(&f->arena, 1, sizeof *v->endpoints.at);
	if (v->endpoints.at == NULL)
		return false;
	v->endpoints.len = 1;
	v->endpoints.at[0].name = rk_str_of(listener);
	v->endpoints.at[0].host = host;
	v->endpoints.at[0].port = port;
	v->kraft_version_feature.min_supported_version = 0;
	v->kraft_version_feature.max_supported_version = 1;
	if (id == f->conf->node_id) {
		f->among_voters = true;
		f->directory = directory;
	}
	return true;
}

/* ID@HOST:PORT:DIRECTORY; an IPv6 address stands in brackets. */
static int
parse_voter(struct cmd_format *f, char *text, const char *listener)
{
	char *at = strchr(text, '@'), *host, *end;
	struct rk_uuid directory;
	int64_t id, port;

	if (at == NULL)
		return SAID("No @ found in dynamic voter string.\n");
	if (!rk_str_int((struct rk_str){text, (int32_t)(at - text)}, &id) || id < 0
	    || id > INT32_MAX)
		return SAID("Failed to parse node id in dynamic voter string.\n");
	host = at + 1;
	if (*host == '[') {
		end = strchr(++host, ']');
		if (end == NULL || end[1] != ':')
			return SAID(
			    "Hostname began with left bracket, but no right bracket was found.\n");
		*end++ = '\0';
	} else {
		end = strchr(host, ':');
		if (end == NULL)
			return SAID("No colon following hostname could be found.\n");
	}
	*end++ = '\0';
	char *colon = strchr(end, ':');
	if (colon == NULL)
		return SAID("No colon following port could be found.\n");
	if (!rk_str_int((struct rk_str){end, (int32_t)(colon - end)}, &port))
		return SAID("Failed to parse port in dynamic voter string.\n");
	if (port < 1 || port > 65535)
		return SAID("Invalid port number %" PRId64 "\n", port);
	if (!rk_uuid_parse(rk_str_of(colon + 1), &directory))
		return SAID("Failed to parse directory ID in dynamic voter string.\n");
	for (int32_t i = 0; i < f->voters.voters.len; i++)
		if (f->voters.voters.at[i].voter_id == id)
			return SAID("Node id %" PRId64 " was specified more than once.\n", id);
	return !add_voter(f, (int32_t)id, rk_str_of(host), (uint16_t)port, directory, listener);
}

static int
initial_controllers(struct cmd_format *f, const char *list, const char *listener)
{
	char **piece;
	uint32_t n = cmd_split(&f->arena, list, ',', &piece);
	int rc = 0;

	f->voters.voters.at = rk_arena_get(&f->arena, n + 1, sizeof *f->voters.voters.at);
	if (f->voters.voters.at == NULL)
		return SAID("out of memory\n");
	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = parse_voter(f, piece[i], listener);
	return rc;
}

static int
standalone(struct cmd_format *f, const struct conf_listener *l)
{
	char *name = rk_arena_get(&f->arena, 256, 1);
	const char *host = l->advertised_host != NULL && l->advertised_host[0] != '\0'
			       ? l->advertised_host
			       : l->host;
	int32_t port = l->advertised_port > 0 ? l->advertised_port : l->port;

	f->voters.voters.at = rk_arena_get(&f->arena, 1, sizeof *f->voters.voters.at);
	if (name == NULL || f->voters.voters.at == NULL)
		return SAID("out of memory\n");
	if (host[0] == '\0' && gethostname(name, 255) == 0)
		host = name;
	return !add_voter(
	    f, f->conf->node_id, rk_str_of(host), (uint16_t)port, rk_env_uuid(cmd_env()), l->name);
}

static int
quorum(struct cmd_format *f)
{
	const struct cmd_args *a = f->args;
	const char *initial = cmd_text(a, "initial-controllers");
	bool alone = cmd_given(a, "standalone"), none = cmd_given(a, "no-initial-controllers");
	const struct conf_listener *l = controller_listener(f);

	if ((alone || initial != NULL) && f->conf->voter_count > 0)
		return SAID("You cannot specify controller.quorum.voters and format the node with "
			    "--initial-controllers or "
			    "--standalone. If you want to use dynamic quorum, please remove "
			    "controller.quorum.voters and specify "
			    "controller.quorum.bootstrap.servers instead.\n");
	if (alone && !f->conf->is_controller)
		return SAID("You can only use --standalone on a controller.\n");
	if (!alone && !none && initial == NULL && f->conf->is_controller
	    && f->conf->voter_count == 0)
		return SAID("Because controller.quorum.voters is not set on this controller, you "
			    "must specify one of the "
			    "following: --standalone, --initial-controllers, or "
			    "--no-initial-controllers.\n");
	f->dynamic = alone || initial != NULL;
	/* A broker may be told who the controllers are; it has no listener for them, only the name. */
	const char *name = l != NULL ? l->name : f->conf->controller_listener_names.count > 0
	    ? f->conf->controller_listener_names.at[0] : NULL;
	if (f->dynamic && (name == NULL || (alone && l == NULL)))
		return SAID("There is no listener for controllers: name it in "
			    "controller.listener.names and listeners.\n");
	int rc = alone             ? standalone(f, l)
		 : initial != NULL ? initial_controllers(f, initial, name)
				   : 0;
	/* A static quorum has kraft.version 0; a dynamic one needs 1. */
	int16_t *kraft = &f->level[1];
	rk_assert(strcmp(meta_supported[1].name, "kraft.version") == 0);
	const char *text;
	for (uint32_t i = 0; rc == 0 && (text = cmd_nth(a, "feature", i)) != NULL; i++) {
		if (strcmp(text, "kraft.version=0") == 0 && f->conf->voter_count == 0
		    && (f->dynamic || none))
			rc = SAID("Cannot set kraft.version to 0 if controller.quorum.voters is "
				  "empty and one of the flags "
				  "--standalone, --initial-controllers, or "
				  "--no-initial-controllers is used. For dynamic controllers "
				  "support, try removing the --feature flag for kraft.version.\n");
		if (strcmp(text, "kraft.version=1") == 0 && f->conf->voter_count > 0)
			rc = SAID("Cannot set kraft.version to 1 unless controller.quorum.voters is "
				  "empty and one of the flags --standalone, --initial-controllers, or "
				  "--no-initial-controllers is used. For dynamic controllers support, try "
				  "using one of --standalone, --initial-controllers, or "
				  "--no-initial-controllers and removing controller.quorum.voters.\n");
	}
	*kraft = f->dynamic ? 1 : 0;
	return rc;
}

/* --- writing */

/* Features in the order of Kafka's formatter: metadata.version, then by name; kraft.version is not
 * among them. */
static uint32_t
bootstrap_records(struct cmd_format *f, struct kp_feature_level_record *r, struct meta_seed *seed)
{
	static const char *const sorted[] = {"metadata.version", "eligible.leader.replicas.version",
	    "group.version", "share.version", "streams.version", "transaction.version"};
	const struct meta_supported *row;
	uint32_t n = 0;

	for (uint32_t i = 0; i < rk_countof(sorted); i++) {
		int16_t *level = level_of(f, rk_str_of(sorted[i]), &row);
		rk_assert(level != NULL);
		if (*level == 0)
			continue;
		r[n] = (struct kp_feature_level_record){
		    .name = rk_str_of(sorted[i]), .feature_level = *level};
		seed[n] = (struct meta_seed){KP_FEATURE_LEVEL_RECORD, &r[n]};
		n++;
	}
	for (uint32_t i = 0; i < f->scrams; i++)
		seed[n + i] = (struct meta_seed){KP_USER_SCRAM_CREDENTIAL_RECORD, &f->scram[i]};
	return n;
}

static void
print_bytes(const char *name, struct rk_str b)
{
	printf(", %s=[", name);
	for (int32_t i = 0; i < b.len; i++)
		printf("%s%d", i > 0 ? ", " : "", (int8_t)b.at[i]);
	printf("]");
}

static void
print_bootstrap(const struct cmd_format *f, const struct kp_feature_level_record *r, uint32_t n)
{
	printf("Bootstrap metadata: BootstrapMetadata(records=[");
	for (uint32_t i = 0; i < n; i++)
		printf("%sApiMessageAndVersion(FeatureLevelRecord(name='%.*s', featureLevel=%d) at "
		       "version 0)",
		    i > 0 ? ", " : "", (int)r[i].name.len, r[i].name.at, r[i].feature_level);
	for (uint32_t i = 0; i < f->scrams; i++) {
		const struct kp_user_scram_credential_record *s = &f->scram[i];
		printf(", ApiMessageAndVersion(UserScramCredentialRecord(name='%.*s', mechanism=%d",
		    (int)s->name.len, s->name.at, s->mechanism);
		print_bytes("salt", s->salt);
		print_bytes("storedKey", s->stored_key);
		print_bytes("serverKey", s->server_key);
		printf(", iterations=%d) at version 0)", s->iterations);
	}
	printf("], metadataVersionLevel=%d, source=format command)\n", f->version);
}

/* One level after the other, as mkdir -p; each new entry is synced into its folder. */
static enum rk_err
make_path(const char *dir)
{
	char path[PATH_MAX], up[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(path, sizeof path, "%s", dir) >= sizeof path)
		return RK_KAFKA_STORAGE_ERROR;
	for (char *p = path + 1;; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char was = *p;
		*p = '\0';
		if (stat(path, &st) != 0) {
			snprintf(up, sizeof up, "%s", path);
			char *slash = strrchr(up, '/');
			if (slash != NULL)
				slash[slash == up] = '\0';
			enum rk_err err = rk_dir_make(cmd_env(), path);
			if (err == RK_OK)
				err = rk_dir_sync(cmd_env(), slash == NULL ? "." : up);
			if (err != RK_OK)
				return err;
		}
		*p = was;
		if (was == '\0')
			return RK_OK;
	}
}

static enum rk_err
write_properties(struct cmd_format *f, const char *dir, struct rk_uuid id)
{
	struct st_meta m = { .version = 1, .node_id = f->conf->node_id, .directory_id = id };

	snprintf(m.cluster_id, sizeof m.cluster_id, "%s", cmd_text(f->args, "cluster-id"));
	return st_meta_write(cmd_env(), dir, &m);
}

static enum rk_err
write_quorum(struct cmd_format *f, const char *dir)
{
	char path[PATH_MAX + 96];

	snprintf(path, sizeof path, "%s/__cluster_metadata-0", dir);
	enum rk_err err = make_path(path);
	snprintf(path, sizeof path, "%s/__cluster_metadata-0/%020d-%010d.checkpoint", dir, 0, 0);
	if (err == RK_OK)
		err = meta_write_voters(cmd_env(), path, 1, &f->voters, rk_wall(cmd_env()));
	if (err == RK_OK && chmod(path, 0400) != 0)
		err = RK_KAFKA_STORAGE_ERROR;
	return err;
}

/* meta.properties comes last: a directory that has it is formatted. */
static int
format_dir(struct cmd_format *f, const char *dir, const struct meta_seed *seed)
{
	bool metadata = strcmp(dir, f->conf->metadata_dir) == 0;
	char path[PATH_MAX + 32];

	printf("Formatting %s %s with metadata.version %s.\n",
	    !metadata         ? "data directory"
	    : !f->dynamic     ? "metadata directory"
	    : f->among_voters ? "dynamic metadata voter directory"
			      : "dynamic metadata directory",
	    dir, meta_version_name(f->version));
	fflush(stdout);
	enum rk_err err = make_path(dir);
	snprintf(path, sizeof path, "%s/bootstrap.checkpoint", dir);
	if (err == RK_OK)
		err = meta_write_bootstrap(cmd_env(), path, seed, rk_wall(cmd_env()));
	if (err == RK_OK && metadata && f->dynamic)
		err = write_quorum(f, dir);
	struct rk_uuid id = metadata && f->among_voters ? f->directory : rk_env_uuid(cmd_env());
	if (err == RK_OK)
		err = write_properties(f, dir, id);
	if (err == RK_OK)
		return 0;
	return cmd_fail(f->args,
	    "%s cannot be formatted: %s (%s). Look at its permissions and free space.", dir,
	    rk_err_text(err), strerror(errno));
}

/* What is formatted already must be of this cluster and node. -1: an error was said; 1: formatted;
 * 0: not. */
static int
formatted(struct cmd_format *f, const char *dir)
{
	const char *cluster = cmd_text(f->args, "cluster-id");
	struct cmd_props p;
	int rc = 0;

	if (!cmd_format_read(dir, &p))
		return 0;
	const char *its = cmd_props_get(&p, "cluster.id"), *node = cmd_props_get(&p, "node.id");
	int64_t id = -1;
	rc = 1;
	if (!cmd_given(f->args, "ignore-formatted")) {
		fprintf(stderr,
		    "Log directory %s is already formatted. Use --ignore-formatted to ignore this "
		    "directory and "
		    "format the others.\n",
		    dir);
		rc = -1;
	} else if (its == NULL || strcmp(its, cluster) != 0) {
		fprintf(stderr,
		    "Invalid cluster.id in: %s/meta.properties. Expected %s, but read %s\n", dir,
		    cluster, its == NULL ? "nothing" : its);
		rc = -1;
	} else if (node == NULL || !rk_str_int(rk_str_of(node), &id) || id != f->conf->node_id) {
		fprintf(stderr,
		    "Stored node id %s doesn't match previous node id %d in %s/meta.properties. If "
		    "you moved your "
		    "data, make sure your configured node id matches. If you intend to create a "
		    "new node, you should remove all "
		    "data in your data directories.\n",
		    node == NULL ? "(none)" : node, f->conf->node_id, dir);
		rc = -1;
	}
	cmd_props_free(&p);
	return rc;
}

static int
format_all(struct cmd_format *f)
{
	struct kp_feature_level_record record[16];
	struct meta_seed seed[16 + CMD_SCRAMS + 1] = {{0, NULL}};
	uint32_t features_count = bootstrap_records(f, record, seed), todo = 0;
	const char **dir;
	uint32_t n = cmd_format_dirs(f, &dir);

	for (uint32_t i = 0; i < n; i++) {
		int is = formatted(f, dir[i]);
		if (is < 0)
			return 1;
		if (is == 0)
			dir[todo++] = dir[i];
	}
	if (todo == 0) {
		printf("All of the log directories are already formatted.\n");
		return 0;
	}
	print_bootstrap(f, record, features_count);
	for (uint32_t i = 0; i < todo; i++)
		if (format_dir(f, dir[i], seed) != 0)
			return 1;
	return 0;
}

int
cmd_format_run(struct cmd_format *f)
{
	const char *text;
	int alone = cmd_given(f->args, "standalone");

	if (cmd_given(f->args, "initial-controllers")
	    && (alone || cmd_given(f->args, "no-initial-controllers")))
		return cmd_usage(f->args, alone ? "argument --initial-controllers/-I: not allowed "
						  "with argument --standalone/-s"
						: "argument --initial-controllers/-I: not allowed "
						  "with argument --no-initial-controllers/-N");
	if (alone && cmd_given(f->args, "no-initial-controllers"))
		return cmd_usage(f->args, "argument --no-initial-controllers/-N: not allowed with argument --standalone/-s");
	if (strlen(cmd_text(f->args, "cluster-id")) >= sizeof ((struct st_meta *)0)->cluster_id)
		return cmd_fail(f->args, "The cluster id is too long; take one from rookery-storage random-uuid.");
	if (!cmd_format_config(f, cmd_text(f->args, "config")))
		return 1;
	int rc = features(f);
	if (rc == 0)
		rc = quorum(f);
	for (uint32_t i = 0; rc == 0 && (text = cmd_nth(f->args, "add-scram", i)) != NULL; i++)
		rc = cmd_format_scram(f, text);
	if (rc == 0 && f->scrams > 0 && f->version < CMD_SCRAM_NEEDS)
		rc = SAID("SCRAM is only supported in metadata.version %s or later.\n",
		    meta_version_name(CMD_SCRAM_NEEDS));
	return rc != 0 ? rc : format_all(f);
}
