/* get_offsets.c - rookery get-offsets: the offsets of partitions at a time. */
#include "protocol/gen/list_offsets.h"
#include "protocol/gen/metadata.h"
#include "src/cmd/client.h"

static const struct cmd_opt opts[] = {
    {"bootstrap-server", CMD_TEXT, CMD_REQUIRED, 0, 0, "HOST1:PORT1,...,HOST3:PORT3", NULL,
	"Brokers to ask."},
    {"command-config", CMD_TEXT, 0, 0, 0, "config file", NULL,
	"A properties file with client settings."},
    {"exclude-internal-topics", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Leave out Kafka's internal topics."},
    {"partitions", CMD_TEXT, 0, 0, 0, "partition ids", NULL,
	"Only these partitions, as numbers with commas. Not beside --topic-partitions."},
    {"time", CMD_TEXT, 0, 0, 0,
	"<timestamp> / -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local "
	"/ "
	"-5 or latest-tiered / -6 or earliest-pending-upload",
	"latest",
	"Which offset: of the first record at or after this time in milliseconds, or one of the "
	"names. A partition without "
	"such an offset is not printed."},
    {"topic", CMD_TEXT, 0, 0, 0, "topic", NULL,
	"Only topics whose name matches this regular expression. Not beside "
	"--topic-partitions."},
    {"topic-partitions", CMD_TEXT, 0, 0, 0, "topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3", NULL,
	"Topics and partitions with commas: TOPIC (a regular expression, empty: any), then nothing "
	"(all partitions), :N (one), "
	":N-M (from N up to, not including, M), :N- or :-M."},
};

struct pattern {
	struct cmd_regex *topic; /* NULL: any */
	int64_t from, to;        /* partitions, half-open */
};
struct want {
	int32_t partition, leader;
	uint32_t topic;
};
struct job {
	const struct cmd_args *a;
	struct cmd_client c;
	struct pattern *pattern;
	uint32_t patterns;
	int64_t at;
	struct kp_metadata_res meta;
	uint32_t *order; /* topics of meta by name */
	struct want *want;
	uint32_t wants, cap;
	int64_t *offset; /* of each want; -1: none */
};

static int
wrong(const char *why)
{
	fprintf(stderr, "Error occurred: %s\n", why);
	return 1;
}

static bool
parse_time(const char *t, int64_t *at)
{
	static const char *const names[] = {"latest", "earliest", "max-timestamp", "earliest-local",
	    "latest-tiered", "earliest-pending-upload"};

	for (uint32_t i = 0; i < rk_countof(names); i++)
		if (strcasecmp(t, names[i]) == 0) {
			*at = -1 - (int64_t)i;
			return true;
		}
	return rk_str_int(rk_str_of(t), at);
}

/* ":1", ":1-3", ":1-", ":-3": text is what stands behind the colon. */
static bool
parse_range(const char *text, struct pattern *p)
{
	const char *dash = strchr(text, '-');

	p->from = 0;
	p->to = INT64_MAX;
	if (dash == NULL) {
		if (!rk_str_int(rk_str_of(text), &p->from))
			return *text == 0;
		p->to = p->from + 1;
		return true;
	}
	if (dash != text && !rk_str_int((struct rk_str){text, (int32_t)(dash - text)}, &p->from))
		return false;
	return dash[1] == 0 || rk_str_int(rk_str_of(dash + 1), &p->to);
}

static int
one_pattern(const char *text, struct pattern *p)
{
	const char *colon = strchr(text, ':');
	size_t len = colon == NULL ? strlen(text) : (size_t)(colon - text);
	char why[300], re_why[200];

	if (!parse_range(colon == NULL ? "" : colon + 1, p)) {
		snprintf(why, sizeof why, "Invalid rule: %s", text);
		return wrong(why);
	}
	if (len == 0)
		return 0;
	char *name = rk_mem_str(text, len);
	p->topic = cmd_regex_topics(name, re_why, sizeof re_why);
	rk_mem_put(name);
	return p->topic != NULL ? 0 : wrong(re_why);
}

static int
parse_patterns(struct job *j)
{
	const char *both = cmd_text(j->a, "topic-partitions"), *topic = cmd_text(j->a, "topic");
	const char *numbers = cmd_text(j->a, "partitions");
	char **piece;

	if (both != NULL && (topic != NULL || numbers != NULL))
		return wrong("--topic-partitions cannot be used with --topic or --partitions");
	j->patterns = cmd_split(&j->c.arena,
	    both != NULL      ? both
	    : numbers != NULL ? numbers
			      : "",
	    ',', &piece);
	j->pattern = rk_arena_get(&j->c.arena, j->patterns, sizeof *j->pattern);
	for (uint32_t i = 0; i < j->patterns; i++) {
		struct pattern *p = &j->pattern[i];
		char why[200];
		if (both != NULL) {
			int rc = one_pattern(piece[i], p);
			if (rc != 0)
				return rc;
			continue;
		}
		if (strchr(piece[i], '-') != NULL || !parse_range(piece[i], p)) {
			snprintf(why, sizeof why, "Invalid partition: %s", piece[i]);
			return wrong(why);
		}
		if (topic != NULL && (p->topic = cmd_regex_topics(topic, why, sizeof why)) == NULL)
			return wrong(why);
	}
	return 0;
}

static bool
matches(const struct job *j, struct rk_str topic, int32_t partition)
{
	for (uint32_t i = 0; i < j->patterns; i++)
		if (partition >= j->pattern[i].from && partition < j->pattern[i].to
		    && (j->pattern[i].topic == NULL || cmd_regex_is(j->pattern[i].topic, topic)))
			return true;
	return false;
}

static int
by_place(const void *a, const void *b, void *arg)
{
	const struct want *p = a, *q = b;
	const struct job *j = arg;
	int d = rk_str_cmp(j->meta.topics.at[p->topic].name, j->meta.topics.at[q->topic].name);

	return d != 0 ? d : (p->partition > q->partition) - (p->partition < q->partition);
}

static int
choose(struct job *j)
{
	struct kp_metadata_req req;

	kp_defaults(kp_api(KP_METADATA)->req, &req);
	req.topics.len = -1;
	req.allow_auto_topic_creation = false;
	if (!cmd_client_brokers(&j->c)
	    || !cmd_client_call(&j->c, CMD_ANY, KP_METADATA, &req, &j->meta))
		return wrong(j->c.why);
	for (int32_t i = 0; i < j->meta.topics.len; i++) {
		struct kp_metadata_res_topics *t = &j->meta.topics.at[i];
		if (cmd_given(j->a, "exclude-internal-topics") && cmd_topic_internal(t->name))
			continue;
		for (int32_t k = 0; k < t->partitions.len; k++)
			if (matches(j, t->name, t->partitions.at[k].partition_index)) {
				struct want *w =
				    rk_mem_room((void **)&j->want, j->wants, &j->cap, sizeof *w);
				*w = (struct want){t->partitions.at[k].partition_index,
				    t->partitions.at[k].leader_id, (uint32_t)i};
				j->wants++;
			}
	}
	if (j->wants == 0)
		return wrong("Could not match any topic-partitions with the specified filters");
	qsort_r(j->want, j->wants, sizeof *j->want, by_place, j);
	j->offset = rk_arena_get(&j->c.arena, j->wants, sizeof *j->offset);
	for (uint32_t i = 0; i < j->wants; i++)
		j->offset[i] = -1;
	return 0;
}

static void
say_skipped(struct job *j, const struct want *w, const char *why)
{
	fprintf(stderr, "Skip getting offsets for topic-partition %.*s:%d due to: %s\n",
	    j->meta.topics.at[w->topic].name.len, j->meta.topics.at[w->topic].name.at, w->partition,
	    why);
}

/* The request for every wanted partition that this broker leads; they stand by topic. */
static void
build(struct job *j, int32_t leader, struct kp_list_offsets_req *req)
{
	struct kp_list_offsets_req_topics_partitions *p =
	    rk_arena_get(&j->c.arena, j->wants, sizeof *p);
	uint32_t last = UINT32_MAX;

	kp_defaults(kp_api(KP_LIST_OFFSETS)->req, req);
	req->replica_id = -1;
	req->timeout_ms = 30000;
	req->topics.at = rk_arena_get(&j->c.arena, j->wants, sizeof *req->topics.at);
	for (uint32_t i = 0; i < j->wants; i++) {
		if (j->want[i].leader != leader)
			continue;
		if (j->want[i].topic != last) {
			last = j->want[i].topic;
			req->topics.at[req->topics.len].name = j->meta.topics.at[last].name;
			req->topics.at[req->topics.len++].partitions.at = p;
		}
		*p++ = (struct kp_list_offsets_req_topics_partitions){
		    .partition_index = j->want[i].partition,
		    .current_leader_epoch = -1,
		    .timestamp = j->at};
		req->topics.at[req->topics.len - 1].partitions.len++;
	}
}

/* Where a partition stands among the wanted; NULL: it was not asked for. */
static struct want *
place(struct job *j, struct rk_str topic, int32_t partition)
{
	uint32_t low = 0, high = j->wants;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int d = rk_str_cmp(j->meta.topics.at[j->want[mid].topic].name, topic);
		if (d == 0)
			d = (j->want[mid].partition > partition)
			    - (j->want[mid].partition < partition);
		if (d == 0)
			return &j->want[mid];
		low = d < 0 ? mid + 1 : low;
		high = d < 0 ? high : mid;
	}
	return NULL;
}

static void
take(struct job *j, const struct kp_list_offsets_res *res)
{
	for (int32_t i = 0; i < res->topics.len; i++)
		for (int32_t k = 0; k < res->topics.at[i].partitions.len; k++) {
			struct kp_list_offsets_res_topics_partitions *p =
			    &res->topics.at[i].partitions.at[k];
			struct want *w = place(j, res->topics.at[i].name, p->partition_index);
			if (w == NULL)
				continue;
			if (p->error_code == 0)
				j->offset[w - j->want] = p->offset;
			else
				say_skipped(j, w, rk_err_name(rk_err_of_wire(p->error_code)));
		}
}

static int
ask(struct job *j)
{
	struct kp_list_offsets_req req;
	struct kp_list_offsets_res res;

	for (uint32_t i = 0; i < j->wants; i++)
		if (cmd_client_broker(&j->c, j->want[i].leader) == NULL)
			say_skipped(j, &j->want[i], "it has no leader");
	for (uint32_t b = 0; b < j->c.brokers; b++) {
		build(j, j->c.broker[b].id, &req);
		if (req.topics.len == 0)
			continue;
		if (!cmd_client_call(&j->c, j->c.broker[b].id, KP_LIST_OFFSETS, &req, &res))
			return wrong(j->c.why);
		take(j, &res);
	}
	for (uint32_t i = 0; i < j->wants; i++)
		if (j->offset[i] >= 0)
			printf("%.*s:%d:%" PRId64 "\n",
			    j->meta.topics.at[j->want[i].topic].name.len,
			    j->meta.topics.at[j->want[i].topic].name.at, j->want[i].partition,
			    j->offset[i]);
	return 0;
}

static int
run(struct cmd_args *a)
{
	struct job j = {.a = a};
	char why[400];
	int rc = cmd_require(a, "bootstrap-server", NULL);

	if (rc != 0)
		return rc;
	if (!parse_time(cmd_text(a, "time"), &j.at)) {
		snprintf(why, sizeof why,
		    "Malformed time argument %s. Please use -1 or latest / -2 or earliest / -3 or "
		    "max-timestamp / -4 or earliest-local / -5 or latest-tiered / -6 or "
		    "earliest-pending-upload, or a "
		    "specified long format timestamp",
		    cmd_text(a, "time"));
		return wrong(why);
	}
	if (!cmd_client_start(&j.c, a))
		return 1;
	if ((rc = parse_patterns(&j)) == 0 && (rc = choose(&j)) == 0)
		rc = ask(&j);
	for (uint32_t i = 0; i < j.patterns; i++)
		cmd_regex_free(j.pattern[i].topic);
	rk_mem_put(j.want);
	cmd_client_close(&j.c);
	return rc;
}

const struct cmd_spec cmd_get_offsets_spec = {
    .name = "get-offsets",
    .peer = "kafka-get-offsets",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Prints the offsets of partitions.",
    .about = "Prints a line topic:partition:offset for each partition that is asked for.",
    .odd_prefix = "Error occurred: ",
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
