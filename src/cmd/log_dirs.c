/* log_dirs.c - rookery log-dirs: what each log directory of each broker holds, as JSON. */
#include "protocol/gen/describe_log_dirs.h"
#include "protocol/gen/metadata.h"
#include "src/cmd/client.h"
#include "src/cmd/jread.h"

static const struct cmd_opt opts[] = {
    {"bootstrap-server", CMD_TEXT, CMD_REQUIRED, 0, 0, "The server(s) to use for bootstrapping",
	NULL, "Brokers to ask."},
    {"broker-list", CMD_TEXT, 0, 0, 0, "Broker list", "",
	"Only these brokers: \"0,1,2\". All when it is empty."},
    {"command-config", CMD_TEXT, 0, 0, 0, "Admin client property file", NULL,
	"A properties file with client settings."},
    {"describe", CMD_FLAG, CMD_REQUIRED, 0, 0, NULL, NULL, "Describe the log directories."},
    {"topic-list", CMD_TEXT, 0, 0, 0, "Topic list", "",
	"Only these topics: \"a,b\". All when it is empty."},
};

struct job {
	const struct cmd_args *a;
	struct cmd_client c;
	int32_t *id;
	uint32_t ids;
	struct kp_describe_log_dirs_req req;
};

static int
cmp_id(const void *a, const void *b)
{
	return (*(const int32_t *)a > *(const int32_t *)b)
	       - (*(const int32_t *)a < *(const int32_t *)b);
}

static void
print_ids(FILE *f, const int32_t *id, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		fprintf(f, "%s%d", i == 0 ? "" : ",", id[i]);
}

static int
choose(struct job *j)
{
	const char *list = cmd_text(j->a, "broker-list");
	int32_t *all = rk_arena_get(&j->c.arena, j->c.brokers, sizeof *all), *odd;
	char **piece;
	uint32_t n = cmd_split(&j->c.arena, list, ',', &piece), odds = 0;

	for (uint32_t i = 0; i < j->c.brokers; i++)
		all[i] = j->c.broker[i].id;
	qsort(all, j->c.brokers, sizeof *all, cmp_id);
	j->id = *list == 0 ? all : rk_arena_get(&j->c.arena, n, sizeof *j->id);
	j->ids = *list == 0 ? j->c.brokers : 0;
	odd = rk_arena_get(&j->c.arena, n, sizeof *odd);
	for (uint32_t i = 0; *list != 0 && i < n; i++) {
		int64_t v;
		if (*piece[i] == 0)
			continue;
		if (!rk_str_int(rk_str_of(piece[i]), &v) || v != (int32_t)v)
			return cmd_fail(
			    j->a, "--broker-list: \"%s\" is not a broker's number", piece[i]);
		if (cmd_client_broker(&j->c, (int32_t)v) == NULL)
			odd[odds++] = (int32_t)v;
		else
			j->id[j->ids++] = (int32_t)v;
	}
	if (odds == 0)
		return 0;
	fputs("ERROR: The given brokers do not exist from --broker-list: ", stderr);
	print_ids(stderr, odd, odds);
	fputs(". Current existent brokers: ", stderr);
	print_ids(stderr, all, j->c.brokers);
	fputs("\n", stderr);
	return 1;
}

/* The request names partitions; which there are the metadata tells. */
static int
choose_topics(struct job *j)
{
	const char *list = cmd_text(j->a, "topic-list");
	struct kp_metadata_req req;
	struct kp_metadata_res res;
	char **piece;
	uint32_t n;

	kp_defaults(kp_api(KP_DESCRIBE_LOG_DIRS)->req, &j->req);
	j->req.topics.len = -1;
	if (*list == 0)
		return 0;
	n = cmd_split(&j->c.arena, list, ',', &piece);
	kp_defaults(kp_api(KP_METADATA)->req, &req);
	req.topics.len = -1;
	req.allow_auto_topic_creation = false;
	if (!cmd_client_call(&j->c, CMD_ANY, KP_METADATA, &req, &res))
		return cmd_fail(j->a, "%s", j->c.why);
	j->req.topics.at = rk_arena_get(&j->c.arena, n, sizeof *j->req.topics.at);
	j->req.topics.len = 0;
	for (int32_t i = 0; i < res.topics.len; i++)
		for (uint32_t k = 0; k < n; k++) {
			if (!rk_str_is(res.topics.at[i].name, piece[k]))
				continue;
			struct kp_describe_log_dirs_req_topics *t =
			    &j->req.topics.at[j->req.topics.len++];
			int32_t parts = res.topics.at[i].partitions.len;
			t->topic = res.topics.at[i].name;
			t->partitions.at =
			    rk_arena_get(&j->c.arena, (size_t)parts, sizeof *t->partitions.at);
			for (int32_t p = 0; p < parts; p++)
				t->partitions.at[t->partitions.len++] =
				    res.topics.at[i].partitions.at[p].partition_index;
			break;
		}
	return 0;
}

static void
print_dir(const struct kp_describe_log_dirs_res_results *d)
{
	bool first = true;
	char name[80];

	fputs("{\"partitions\":[", stdout);
	for (int32_t i = 0; i < d->topics.len; i++)
		for (int32_t k = 0; k < d->topics.at[i].partitions.len; k++) {
			struct kp_describe_log_dirs_res_results_topics_partitions *p =
			    &d->topics.at[i].partitions.at[k];
			printf("%s{\"partition\":\"%.*s-%d\",\"size\":%" PRId64
			       ",\"offsetLag\":%" PRId64 ",\"isFuture\":%s}",
			    first ? "" : ",", d->topics.at[i].name.len, d->topics.at[i].name.at,
			    p->partition_index, p->partition_size, p->offset_lag,
			    p->is_future_key ? "true" : "false");
			first = false;
		}
	if (d->error_code == 0)
		fputs("],\"error\":null,\"logDir\":", stdout);
	else
		printf("],\"error\":\"%s\",\"logDir\":",
		    cmd_java_error(rk_err_of_wire(d->error_code), name, sizeof name));
	cmd_write_string(stdout, d->log_dir);
	putchar('}');
}

static int
describe(struct job *j)
{
	struct kp_describe_log_dirs_res *res = rk_arena_get(&j->c.arena, j->ids, sizeof *res);

	puts("Querying brokers for log directories information");
	for (uint32_t i = 0; i < j->ids; i++)
		if (!cmd_client_call(&j->c, j->id[i], KP_DESCRIBE_LOG_DIRS, &j->req, &res[i]))
			return cmd_fail(j->a, "%s", j->c.why);
	fputs("Received log directory information from brokers ", stdout);
	print_ids(stdout, j->id, j->ids);
	fputs("\n{\"brokers\":[", stdout);
	for (uint32_t i = 0; i < j->ids; i++) {
		printf("%s{\"broker\":%d,\"logDirs\":[", i == 0 ? "" : ",", j->id[i]);
		for (int32_t k = 0; k < res[i].results.len; k++) {
			fputs(k == 0 ? "" : ",", stdout);
			print_dir(&res[i].results.at[k]);
		}
		fputs("]}", stdout);
	}
	puts("],\"version\":1}");
	return 0;
}

static int
run(struct cmd_args *a)
{
	struct job j = {.a = a};
	int rc = cmd_require(a, "bootstrap-server", "describe", NULL);

	if (rc != 0)
		return rc;
	if (!cmd_client_start(&j.c, a))
		return 1;
	if (!cmd_client_brokers(&j.c))
		rc = cmd_fail(a, "%s", j.c.why);
	else if ((rc = choose(&j)) == 0 && (rc = choose_topics(&j)) == 0)
		rc = describe(&j);
	cmd_client_close(&j.c);
	return rc;
}

const struct cmd_spec cmd_log_dirs_spec = {
    .name = "log-dirs",
    .peer = "kafka-log-dirs",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Shows what the log directories of brokers hold.",
    .about = "Prints one JSON document with every partition in every log directory: its size in "
	     "bytes, how far it is behind "
	     "(offsetLag), and whether it is a copy on its way to another directory (isFuture).",
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
