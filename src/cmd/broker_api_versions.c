/* broker_api_versions.c - rookery broker-api-versions: which requests, in which versions, each
 * broker knows. */
#include "protocol/gen/api_versions.h"
#include "src/cmd/client.h"

static const struct cmd_opt opts[] = {
    {"bootstrap-server", CMD_TEXT, CMD_REQUIRED, 0, 0, "server(s) to use for bootstrapping", NULL,
	"Brokers to ask."},
    {"command-config", CMD_TEXT, 0, 0, 0, "command config property file", NULL,
	"A properties file with client settings."},
};

/* What only controllers and brokers ask each other is not missed where it is not offered. */
static bool
for_clients(int16_t key)
{
	static const int16_t others[] = {52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82};

	for (uint32_t i = 0; i < rk_countof(others); i++)
		if (others[i] == key)
			return false;
	return true;
}

static void
line(const struct kp_api *api, int16_t key, int16_t min, int16_t max)
{
	if (api == NULL)
		printf("\tUNKNOWN(%d): ", key);
	else
		printf("\t%s(%d): ", api->name, key);
	if (max < 0) {
		fputs("UNSUPPORTED", stdout);
		return;
	}
	if (min == max)
		printf("%d", min);
	else
		printf("%d to %d", min, max);
	if (api == NULL)
		return;
	if (min > api->stable_max)
		fputs(" [unusable: node too new]", stdout);
	else if (max < api->min)
		fputs(" [unusable: node too old]", stdout);
	else
		printf(" [usable: %d]", (int)rk_min(max, api->stable_max));
}

/* Merges what we know with what the broker offers, both ascending by key. */
static void
table(const struct kp_api_versions_res *r)
{
	bool first = true;

	for (int16_t key = 0; key < 1000; key++) {
		const struct kp_api *api = kp_api(key);
		int16_t min = -1, max = -1;
		for (int32_t i = 0; i < r->api_keys.len; i++)
			if (r->api_keys.at[i].api_key == key) {
				min = r->api_keys.at[i].min_version;
				max = r->api_keys.at[i].max_version;
			}
		if (max < 0 && (api == NULL || !for_clients(key)))
			continue;
		fputs(first ? "" : ",\n", stdout);
		line(api, key, min, max);
		first = false;
	}
	fputs("\n)\n", stdout);
}

static int
one(const struct cmd_args *a, struct cmd_client *c, const struct cmd_broker *b, bool fenced)
{
	struct kp_api_versions_req req;
	struct kp_api_versions_res res;

	kp_defaults(kp_api(KP_API_VERSIONS)->req, &req);
	req.client_software_name = rk_lit("rookery");
	req.client_software_version = rk_str_of(PACKAGE_VERSION);
	printf("%.*s:%d (id: %d rack: %.*s isFenced: %s) -> ", b->host.len, b->host.at, b->port,
	    b->id, b->rack.len < 0 ? 4 : b->rack.len, b->rack.len < 0 ? "null" : b->rack.at,
	    fenced ? "true" : "false");
	if (!cmd_client_call(c, b->id, KP_API_VERSIONS, &req, &res)) {
		printf("ERROR: %s\n", c->why);
		return cmd_fail(a, "%s", c->why);
	}
	puts("(");
	table(&res);
	return 0;
}

static int
run(struct cmd_args *a)
{
	struct cmd_client c;
	int rc = cmd_require(a, "bootstrap-server", NULL);

	if (rc != 0)
		return rc;
	if (!cmd_client_start(&c, a))
		return 1;
	if (!cmd_client_brokers(&c))
		rc = cmd_fail(a, "%s", c.why);
	for (uint32_t i = 0; i < c.brokers; i++)
		rc |= one(a, &c, &c.broker[i], false);
	cmd_client_close(&c);
	return rc;
}

const struct cmd_spec cmd_broker_api_versions_spec = {
    .name = "broker-api-versions",
    .peer = "kafka-broker-api-versions",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Shows which requests each broker understands, and in which versions.",
    .about = "For every broker of the cluster: each request's name and key, the versions it takes, "
	     "and the newest one that "
	     "this program can use.",
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
