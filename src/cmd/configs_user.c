/* configs_user.c - the quotas of users, clients and addresses, and the SCRAM credentials of users.
 *
 * A password never leaves this program: what goes to the broker is salted and hashed here (RFC
 * 5802's SaltedPassword), with OpenSSL's PBKDF2. */
#include <openssl/evp.h>
#include <sys/random.h>
#include "protocol/gen/alter_client_quotas.h"
#include "protocol/gen/alter_user_scram_credentials.h"
#include "protocol/gen/describe_client_quotas.h"
#include "protocol/gen/describe_user_scram_credentials.h"
#include "src/cmd/configs.h"

static const char *const quota_keys[] = {
    "producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"};
static const char *const mechanisms[] = {"UNKNOWN", "SCRAM-SHA-256", "SCRAM-SHA-512"};
static const char *const types[CMD_ENTITIES] = {
    [CMD_USERS] = "user", [CMD_CLIENTS] = "client-id", [CMD_IPS] = "ip"};
static const char *const said[CMD_ENTITIES] = {
    [CMD_USERS] = "user-principal", [CMD_CLIENTS] = "client-id", [CMD_IPS] = "ip"};

static int8_t
mechanism_of(const char *key)
{
	for (int8_t i = 1; i < (int8_t)rk_countof(mechanisms); i++)
		if (strcmp(mechanisms[i], key) == 0)
			return i;
	return 0;
}

static bool
is_quota(const struct cmd_configs *g, const char *key)
{
	if (g->who[0].type == CMD_IPS)
		return strcmp(key, "connection_creation_rate") == 0;
	for (uint32_t i = 0; i < rk_countof(quota_keys); i++)
		if (strcmp(quota_keys[i], key) == 0)
			return true;
	return false;
}

static int
by_key(const void *a, const void *b)
{
	const struct kp_describe_client_quotas_res_entries_values *p = a, *q = b;

	return rk_str_cmp(p->key, q->key);
}

/* "user-principal 'alice', client-id 'c1'", in the order of the command line. */
static void
print_entry(struct kp_describe_client_quotas_res_entries *e)
{
	char number[40];

	fputs("Quota configs for ", stdout);
	for (uint32_t w = 0, n = 0; w < CMD_ENTITIES; w++) {
		enum cmd_entity type = w == 0   ? CMD_USERS
				       : w == 1 ? CMD_CLIENTS
				       : w == 2 ? CMD_IPS
						: CMD_ENTITIES;
		for (int32_t i = 0; type != CMD_ENTITIES && i < e->entity.len; i++) {
			if (!rk_str_is(e->entity.at[i].entity_type, types[type]))
				continue;
			if (e->entity.at[i].entity_name.len < 0)
				printf("%sthe default %s", n++ == 0 ? "" : ", ", said[type]);
			else
				printf("%s%s '%.*s'", n++ == 0 ? "" : ", ", said[type],
				    e->entity.at[i].entity_name.len,
				    e->entity.at[i].entity_name.at);
		}
	}
	fputs(" are ", stdout);
	if (e->values.len > 0)
		qsort(e->values.at, (size_t)e->values.len, sizeof *e->values.at, by_key);
	for (int32_t i = 0; i < e->values.len; i++)
		printf("%s%.*s=%s", i == 0 ? "" : ", ", e->values.at[i].key.len,
		    e->values.at[i].key.at, cmd_double(e->values.at[i].value, number));
	putchar('\n');
}

static int
describe_quotas(struct cmd_configs *g)
{
	struct kp_describe_client_quotas_req req;
	struct kp_describe_client_quotas_res res;

	kp_defaults(kp_api(KP_DESCRIBE_CLIENT_QUOTAS)->req, &req);
	req.strict = true;
	req.components.at = rk_arena_get(&g->c.arena, g->whos, sizeof *req.components.at);
	req.components.len = (int32_t)g->whos;
	for (uint32_t i = 0; i < g->whos; i++) {
		const char *name = g->who[i].name;
		req.components.at[i].entity_type = rk_str_of(types[g->who[i].type]);
		req.components.at[i].match_type = name == NULL ? 2
						  : *name == 0 ? 1
							       : 0; /* any, the default, this one */
		req.components.at[i].match =
		    name == NULL || *name == 0 ? RK_STR_NULL : rk_str_of(name);
	}
	if (!cmd_client_call(&g->c, CMD_DECIDER, KP_DESCRIBE_CLIENT_QUOTAS, &req, &res))
		return cmd_configs_wrong(g, g->c.err, g->c.why);
	if (res.error_code != 0)
		return cmd_configs_wrong(g, rk_err_of_wire(res.error_code),
		    cmd_client_says(&g->c, res.error_code, res.error_message));
	for (int32_t i = 0; i < res.entries.len; i++)
		print_entry(&res.entries.at[i]);
	return 0;
}

static int
describe_scram(struct cmd_configs *g)
{
	struct kp_describe_user_scram_credentials_req_users user = {
	    .name = rk_str_of(g->who[0].name)};
	struct kp_describe_user_scram_credentials_req req;
	struct kp_describe_user_scram_credentials_res res;

	kp_defaults(kp_api(KP_DESCRIBE_USER_SCRAM_CREDENTIALS)->req, &req);
	req.users.at = &user;
	req.users.len = g->who[0].name == NULL ? -1 : 1;
	if (!cmd_client_call(&g->c, CMD_DECIDER, KP_DESCRIBE_USER_SCRAM_CREDENTIALS, &req, &res))
		return g->c.err == RK_UNSUPPORTED_VERSION
			   ? 0
			   : cmd_configs_wrong(g, g->c.err, g->c.why);
	if (res.error_code != 0)
		return cmd_configs_wrong(g, rk_err_of_wire(res.error_code),
		    cmd_client_says(&g->c, res.error_code, res.error_message));
	for (int32_t i = 0; i < res.results.len; i++) {
		struct kp_describe_user_scram_credentials_res_results *r = &res.results.at[i];
		if (r->error_code != 0 || r->credential_infos.len <= 0)
			continue;
		printf("SCRAM credential configs for user-principal '%.*s' are ", r->user.len,
		    r->user.at);
		for (int32_t k = 0; k < r->credential_infos.len; k++) {
			int8_t m = r->credential_infos.at[k].mechanism;
			printf("%s%s=iterations=%d", k == 0 ? "" : ", ",
			    mechanisms[m == 1 || m == 2 ? m : 0],
			    r->credential_infos.at[k].iterations);
		}
		putchar('\n');
	}
	return 0;
}

int
cmd_configs_describe_user(struct cmd_configs *g)
{
	int rc = describe_quotas(g);

	/* Credentials belong to one user; there are none for a user and client together, nor a
	 * default. */
	if (rc == 0 && g->whos == 1 && g->who[0].type == CMD_USERS
	    && (g->who[0].name == NULL || *g->who[0].name != 0))
		rc = describe_scram(g);
	return rc;
}

static int
alter_quotas(struct cmd_configs *g)
{
	struct kp_alter_client_quotas_req_entries e = {0};
	struct kp_alter_client_quotas_req req;
	struct kp_alter_client_quotas_res res;

	kp_defaults(kp_api(KP_ALTER_CLIENT_QUOTAS)->req, &req);
	req.entries.at = &e;
	req.entries.len = 1;
	e.entity.at = rk_arena_get(&g->c.arena, g->whos, sizeof *e.entity.at);
	for (uint32_t i = 0; i < g->whos; i++)
		e.entity.at[e.entity.len++] = (struct kp_alter_client_quotas_req_entries_entity){
		    rk_str_of(types[g->who[i].type]),
		    *g->who[i].name == 0 ? RK_STR_NULL : rk_str_of(g->who[i].name)};
	e.ops.at = rk_arena_get(&g->c.arena, g->changes, sizeof *e.ops.at);
	for (uint32_t i = 0; i < g->changes; i++) {
		const char *value = g->change[i].value;
		char *end = NULL;
		double d = value == NULL ? 0 : strtod(value, &end);
		if (value != NULL && (end == value || *end != 0)) {
			fprintf(stderr, "Cannot parse quota configuration value for %s: %s\n",
			    g->change[i].key, value);
			return 1;
		}
		e.ops.at[e.ops.len++] = (struct kp_alter_client_quotas_req_entries_ops){
		    rk_str_of(g->change[i].key), d, value == NULL};
	}
	if (!cmd_client_call(&g->c, CMD_DECIDER, KP_ALTER_CLIENT_QUOTAS, &req, &res))
		return cmd_configs_wrong(g, g->c.err, g->c.why);
	for (int32_t i = 0; i < res.entries.len; i++)
		if (res.entries.at[i].error_code != 0)
			return cmd_configs_wrong(g, rk_err_of_wire(res.entries.at[i].error_code),
			    cmd_client_says(&g->c, res.entries.at[i].error_code,
				res.entries.at[i].error_message));
	return cmd_configs_done(g);
}

static int
salted(struct cmd_configs *g, const char *password, int8_t mechanism,
    struct kp_alter_user_scram_credentials_req_upsertions *u)
{
	const EVP_MD *digest = mechanism == 1 ? EVP_sha256() : EVP_sha512();
	int len = EVP_MD_get_size(digest);
	unsigned char *salt = rk_arena_get(&g->c.arena, 1, 32),
		      *out = rk_arena_get(&g->c.arena, 1, 64);

	if (getrandom(salt, 32, 0) != 32
	    || PKCS5_PBKDF2_HMAC(
		   password, (int)strlen(password), salt, 32, u->iterations, digest, len, out)
		   != 1)
		return cmd_fail(g->a, "the password could not be hashed");
	u->salt = (struct rk_str){(char *)salt, 32};
	u->salted_password = (struct rk_str){(char *)out, len};
	return 0;
}

/* "iterations=8192,password=secret", the brackets gone already. */
static int
one_scram(struct cmd_configs *g, const struct cmd_change *ch,
    struct kp_alter_user_scram_credentials_req_upsertions *u)
{
	const char *password = NULL;
	char **piece;
	uint32_t n = cmd_split(&g->c.arena, ch->value, ',', &piece);
	int64_t iterations = 4096;

	for (uint32_t i = 0; i < n; i++) {
		if (strncmp(piece[i], "password=", 9) == 0)
			password = piece[i] + 9;
		else if (strncmp(piece[i], "iterations=", 11) != 0
			 || !rk_str_int(rk_str_of(piece[i] + 11), &iterations))
			password = "";
	}
	if (password == NULL || *password == 0) {
		fprintf(stderr,
		    "Invalid credential property %s=%s: password=P, or iterations=N,password=P is "
		    "meant\n",
		    ch->key, ch->value);
		return 1;
	}
	if (iterations != (int32_t)iterations || (iterations < 4096 && iterations != -1)) {
		fprintf(stderr,
		    "Iterations %" PRId64 " is less than the minimum 4096 required for %s\n",
		    iterations, ch->key);
		return 1;
	}
	u->name = rk_str_of(g->who[0].name);
	u->mechanism = mechanism_of(ch->key);
	u->iterations = iterations == -1 ? 4096 : (int32_t)iterations;
	return salted(g, password, u->mechanism, u);
}

static int
alter_scram(struct cmd_configs *g)
{
	struct kp_alter_user_scram_credentials_req req;
	struct kp_alter_user_scram_credentials_res res;

	kp_defaults(kp_api(KP_ALTER_USER_SCRAM_CREDENTIALS)->req, &req);
	req.deletions.at = rk_arena_get(&g->c.arena, g->changes, sizeof *req.deletions.at);
	req.upsertions.at = rk_arena_get(&g->c.arena, g->changes, sizeof *req.upsertions.at);
	for (uint32_t i = 0; i < g->changes; i++) {
		if (g->change[i].value == NULL) {
			req.deletions.at[req.deletions.len].name = rk_str_of(g->who[0].name);
			req.deletions.at[req.deletions.len++].mechanism =
			    mechanism_of(g->change[i].key);
		} else if (one_scram(g, &g->change[i], &req.upsertions.at[req.upsertions.len++])
			   != 0) {
			return 1;
		}
	}
	if (!cmd_client_call(&g->c, CMD_DECIDER, KP_ALTER_USER_SCRAM_CREDENTIALS, &req, &res))
		return cmd_configs_wrong(g, g->c.err, g->c.why);
	for (int32_t i = 0; i < res.results.len; i++)
		if (res.results.at[i].error_code != 0)
			return cmd_configs_wrong(g, rk_err_of_wire(res.results.at[i].error_code),
			    cmd_client_says(&g->c, res.results.at[i].error_code,
				res.results.at[i].error_message));
	return cmd_configs_done(g);
}

int
cmd_configs_alter_user(struct cmd_configs *g)
{
	bool users = g->whos == 1 && g->who[0].type == CMD_USERS;
	uint32_t quotas = 0, scrams = 0;

	for (uint32_t i = 0; i < g->changes; i++) {
		if (is_quota(g, g->change[i].key)) {
			quotas++;
		} else if (users && mechanism_of(g->change[i].key) > 0) {
			scrams++;
		} else {
			fprintf(stderr,
			    "Only %s configs can be added for '%s' using --bootstrap-server. "
			    "Unexpected config names: Set(%s)\n",
			    users                       ? "quota and SCRAM credential"
			    : g->who[0].type == CMD_IPS ? "connection quota"
							: "quota",
			    cmd_entity_names[g->who[0].type], g->change[i].key);
			return 1;
		}
	}
	if (quotas > 0 && scrams > 0) {
		fputs("Cannot alter both quota and SCRAM credential configs simultaneously for "
		      "'users' using --bootstrap-server.\n",
		    stderr);
		return 1;
	}
	if (scrams > 0 && *g->who[0].name == 0) {
		fputs("The use of --entity-default or --user-defaults is not allowed with User "
		      "SCRAM Credentials using --bootstrap-server.\n",
		    stderr);
		return 1;
	}
	return scrams > 0 ? alter_scram(g) : alter_quotas(g);
}
