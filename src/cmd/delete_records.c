/* delete_records.c - rookery delete-records: forgets the records of partitions below an offset. */
#include <jansson.h>
#include "protocol/gen/delete_records.h"
#include "protocol/gen/metadata.h"
#include "src/cmd/client.h"

static const struct cmd_opt opts[] = {
    {"bootstrap-server", CMD_TEXT, CMD_REQUIRED, 0, 0, "server(s) to use for bootstrapping", NULL,
	"Brokers to ask."},
    {"command-config", CMD_TEXT, 0, 0, 0, "command config property file path", NULL,
	"A properties file with client settings."},
    {"offset-json-file", CMD_TEXT, CMD_REQUIRED, 0, 0, "Offset json file path", NULL,
	"A file that says below which offset to delete (-1: everything up to the high watermark):\n"
	"{\"partitions\": [{\"topic\": \"foo\", \"partition\": 1, \"offset\": 1}], \"version\": "
	"1}"},
};

struct cut {
	const char *topic;
	int32_t partition, leader;
	int64_t offset, low;
	enum rk_err err;
};
struct job {
	const struct cmd_args *a;
	struct cmd_client c;
	struct cut *cut;
	uint32_t cuts;
};

static int
wrong(const char *why)
{
	fprintf(stderr, "%s\n", why);
	return 1;
}

static bool
one_cut(json_t *p, struct cut *c)
{
	json_t *topic = json_object_get(p, "topic"), *part = json_object_get(p, "partition");
	json_t *offset = json_object_get(p, "offset");

	if (!json_is_string(topic) || !json_is_integer(part) || !json_is_integer(offset))
		return false;
	*c = (struct cut){json_string_value(topic), (int32_t)json_integer_value(part), -1,
	    json_integer_value(offset), -1, RK_UNKNOWN_TOPIC_OR_PARTITION};
	return true;
}

static int
parse(struct job *j, json_t *root)
{
	json_t *list = json_object_get(root, "partitions"),
	       *version = json_object_get(root, "version");
	char why[300];

	if (version != NULL && json_integer_value(version) != 1) {
		snprintf(why, sizeof why, "Not supported version field value %" JSON_INTEGER_FORMAT,
		    json_integer_value(version));
		return wrong(why);
	}
	if (!json_is_array(list))
		return wrong("Missing partitions field");
	j->cut = rk_arena_get(&j->c.arena, json_array_size(list), sizeof *j->cut);
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct cut *c = &j->cut[j->cuts++];
		if (!one_cut(json_array_get(list, i), c))
			return wrong("every entry of \"partitions\" needs a \"topic\" (text), a "
				     "\"partition\" and an \"offset\" (numbers)");
		for (uint32_t k = 0; k + 1 < j->cuts; k++)
			if (strcmp(j->cut[k].topic, c->topic) == 0
			    && j->cut[k].partition == c->partition) {
				snprintf(why, sizeof why,
				    "Offset json file contains duplicate topic partitions: %s-%d",
				    c->topic, c->partition);
				return wrong(why);
			}
	}
	return 0;
}

static bool
find_leaders(struct job *j)
{
	struct kp_metadata_req req;
	struct kp_metadata_res res;

	kp_defaults(kp_api(KP_METADATA)->req, &req);
	req.topics.len = -1;
	req.allow_auto_topic_creation = false;
	if (!cmd_client_brokers(&j->c) || !cmd_client_call(&j->c, CMD_ANY, KP_METADATA, &req, &res))
		return false;
	for (int32_t i = 0; i < res.topics.len; i++)
		for (int32_t k = 0; k < res.topics.at[i].partitions.len; k++)
			for (uint32_t n = 0; n < j->cuts; n++)
				if (rk_str_is(res.topics.at[i].name, j->cut[n].topic)
				    && j->cut[n].partition
					   == res.topics.at[i].partitions.at[k].partition_index) {
					j->cut[n].leader =
					    res.topics.at[i].partitions.at[k].leader_id;
					j->cut[n].err =
					    j->cut[n].leader < 0 ? RK_LEADER_NOT_AVAILABLE : RK_OK;
				}
	return true;
}

static void
ask(struct job *j, struct cut *c)
{
	struct kp_delete_records_req_topics_partitions p = {
	    .partition_index = c->partition, .offset = c->offset};
	struct kp_delete_records_req_topics t = {.name = rk_str_of(c->topic)};
	struct kp_delete_records_req req;
	struct kp_delete_records_res res;

	if (c->err != RK_OK)
		return;
	kp_defaults(kp_api(KP_DELETE_RECORDS)->req, &req);
	req.timeout_ms = 60000;
	req.topics.at = &t;
	req.topics.len = 1;
	t.partitions.at = &p;
	t.partitions.len = 1;
	if (!cmd_client_call(&j->c, c->leader, KP_DELETE_RECORDS, &req, &res)) {
		cmd_fail(j->a, "%s", j->c.why);
		c->err = j->c.err;
	} else if (res.topics.len != 1 || res.topics.at[0].partitions.len != 1) {
		c->err = RK_UNKNOWN_SERVER_ERROR;
	} else {
		c->err = rk_err_of_wire(res.topics.at[0].partitions.at[0].error_code);
		c->low = res.topics.at[0].partitions.at[0].low_watermark;
	}
}

static int delete (struct job *j)
{
	puts("Executing records delete operation");
	if (!find_leaders(j))
		return cmd_fail(j->a, "%s", j->c.why);
	for (uint32_t i = 0; i < j->cuts; i++)
		ask(j, &j->cut[i]);
	puts("Records delete operation completed:");
	for (uint32_t i = 0; i < j->cuts; i++) {
		struct cut *c = &j->cut[i];
		char name[80];
		if (c->err == RK_OK)
			printf("partition: %s-%d\tlow_watermark: %" PRId64 "\n", c->topic,
			    c->partition, c->low);
		else
			printf("partition: %s-%d\terror: %s: %s\n", c->topic, c->partition,
			    cmd_java_error(c->err, name, sizeof name),
			    cmd_client_says(&j->c, rk_err_wire(c->err), RK_STR_NULL));
	}
	return 0;
}

static int
run(struct cmd_args *a)
{
	struct job j = {.a = a};
	const char *path = cmd_text(a, "offset-json-file");
	int rc = cmd_require(a, "bootstrap-server", "offset-json-file", NULL);
	json_error_t e;
	json_t *root;
	FILE *f;

	if (rc != 0)
		return rc;
	if ((f = fopen(path, "r")) == NULL) {
		fprintf(stderr, "Unable to read file %s: %s\n", path, strerror(errno));
		return 1;
	}
	root = json_loadf(f, 0, &e);
	fclose(f);
	if (root == NULL) {
		fprintf(stderr, "The input string is not a valid JSON\n%s:%d:%d: %s\n", path,
		    e.line, e.column, e.text);
		return 1;
	}
	if (cmd_client_start(&j.c, a)) {
		rc = parse(&j, root);
		if (rc == 0)
			rc = delete (&j);
		cmd_client_close(&j.c);
	} else {
		rc = 1;
	}
	json_decref(root);
	return rc;
}

const struct cmd_spec cmd_delete_records_spec = {
    .name = "delete-records",
    .peer = "kafka-delete-records",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Deletes the records of partitions below an offset.",
    .about = "Moves the start of partitions forward: what lies below is not read any more, and its "
	     "files go when they hold "
	     "nothing else.",
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
