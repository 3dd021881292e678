/* replica_verification.c - rookery replica-verification: compares what the replicas of partitions
 * hold, batch by batch, until it is stopped.
 *
 * Each round asks every broker for its replicas of every partition from the offset up to which they
 * were found equal. What all replicas have below their lowest high watermark is compared: last
 * offsets and checksums. Answers of a round are forgotten with it, so memory stays bounded. */
#include <signal.h>
#include "protocol/batch.h"
#include "protocol/gen/fetch.h"
#include "protocol/gen/list_offsets.h"
#include "src/cmd/perf.h"
#include "src/cmd/view.h"

static const struct cmd_opt opts[] = {
    {"broker-list", CMD_TEXT, CMD_REQUIRED, 0, 0, "hostname:port,...,hostname:port", NULL,
	"Brokers to ask first."},
    {"fetch-size", CMD_INT, 0, 0, 0, "bytes", "1048576",
	"How many bytes of a partition one request may ask for."},
    {"max-wait-ms", CMD_INT, 0, 0, 0, "ms", "1000", "How long a request may wait for records."},
    {"report-interval-ms", CMD_LONG, 0, 0, 0, "ms", "30000", "How often to report."},
    {"time", CMD_LONG, 0, 0, 0, "timestamp/-1(latest)/-2(earliest)", "-1",
	"Where to begin: records of this time, the end (-1) or the beginning (-2)."},
    {"topics-include", CMD_TEXT, 0, 0, 0, "Java regex (String)", ".*",
	"Only topics that the whole expression matches; commas mean \"or\"."},
};

/* What a broker answered for a partition in this round. */
struct got {
	int32_t broker;
	bool here;
	int64_t high;
	const char *at, *end;
};
struct part {
	struct cmd_topic *topic;
	struct cmd_part *part;
	int64_t offset;  /* equal up to here */
	int64_t high;    /* the highest high watermark seen */
	struct got *got; /* one a replica */
};
struct job {
	const struct cmd_args *a;
	struct cmd_client c;
	struct cmd_client *to; /* one a broker of c: its answers live a round */
	struct cmd_view view;
	struct part *part; /* by topic and index */
	uint32_t parts;
};

static volatile sig_atomic_t ended;

static void
end(int sig)
{
	(void)sig;
	ended = 1;
}

static const char *
stamp(char to[40])
{
	cmd_perf_date(cmd_perf_wall_ms(), "yyyy-MM-dd HH:mm:ss,SSS", to, 40);
	return to;
}

static int
choose(struct job *j)
{
	const char *want = cmd_text(j->a, "topics-include");
	struct rk_str *name;
	uint32_t all, n = 0;
	char why[200];
	struct cmd_regex *re = cmd_regex_topics(want, why, sizeof why);

	if (re == NULL) {
		fprintf(stderr, "%s is an invalid regex\n", want);
		return cmd_fail(j->a, "%s", why);
	}
	bool ok = cmd_client_brokers(&j->c) && cmd_view_names(&j->c, &name, &all);
	for (uint32_t i = 0; ok && i < all; i++)
		if (cmd_regex_is(re, name[i]))
			name[n++] = name[i];
	cmd_regex_free(re);
	if (!ok || !cmd_view_topics(&j->view, &j->c, name, n, 2000))
		return cmd_fail(j->a, "%s", j->c.why);
	for (uint32_t i = 0; i < j->view.topics; i++)
		j->parts += j->view.topic[i].parts;
	if (j->parts == 0) {
		fputs("No topics found. [topics-include] if specified, is either filtering out all "
		      "topics or there is no topic.\n",
		    stderr);
		return 1;
	}
	j->part = rk_arena_get(&j->c.arena, j->parts, sizeof *j->part);
	n = 0;
	for (uint32_t i = 0; i < j->view.topics; i++)
		for (uint32_t k = 0; k < j->view.topic[i].parts; k++) {
			struct part *p = &j->part[n++];
			p->topic = &j->view.topic[i];
			p->part = &j->view.topic[i].part[k];
			p->got = rk_arena_get(&j->c.arena, (size_t)rk_max(p->part->replicas.len, 0),
			    sizeof *p->got);
			for (int32_t b = 0; b < p->part->replicas.len; b++)
				p->got[b].broker = p->part->replicas.at[b];
		}
	return 0;
}

/* Where to begin, from the partition's leader. */
static int
begin(struct job *j, struct part *p)
{
	struct kp_list_offsets_req_topics_partitions one = {.partition_index = p->part->index,
	    .current_leader_epoch = -1,
	    .timestamp = cmd_number(j->a, "time", -1)};
	struct kp_list_offsets_req_topics t = {.name = p->topic->name};
	struct kp_list_offsets_req req;
	struct kp_list_offsets_res res;

	if (p->part->leader < 0)
		return cmd_fail(j->a, "%.*s-%d has no leader to ask where it begins",
		    p->topic->name.len, p->topic->name.at, p->part->index);
	kp_defaults(kp_api(KP_LIST_OFFSETS)->req, &req);
	req.replica_id = -1;
	req.topics.at = &t;
	req.topics.len = 1;
	t.partitions.at = &one;
	t.partitions.len = 1;
	if (!cmd_client_call(&j->c, p->part->leader, KP_LIST_OFFSETS, &req, &res))
		return cmd_fail(j->a, "%s", j->c.why);
	if (res.topics.len != 1 || res.topics.at[0].partitions.len != 1
	    || res.topics.at[0].partitions.at[0].error_code != 0)
		return cmd_fail(j->a, "%.*s-%d: its leader, broker %d, does not tell an offset",
		    p->topic->name.len, p->topic->name.at, p->part->index, p->part->leader);
	p->offset = rk_max(res.topics.at[0].partitions.at[0].offset, 0);
	return 0;
}

static int
by_partition(const void *a, const void *b)
{
	const struct part *p = a, *q = b;
	int d = rk_str_cmp(p->topic->name, q->topic->name);

	return d != 0 ? d : (p->part->index > q->part->index) - (p->part->index < q->part->index);
}

static struct part *
part_of(struct job *j, struct rk_str topic, int32_t index)
{
	struct part key = {
	    .topic = &(struct cmd_topic){.name = topic}, .part = &(struct cmd_part){.index = index}};

	return bsearch(&key, j->part, j->parts, sizeof key, by_partition);
}

static struct got *
got_of(struct part *p, int32_t broker)
{
	for (int32_t i = 0; i < p->part->replicas.len; i++)
		if (p->got[i].broker == broker)
			return &p->got[i];
	return NULL;
}

/* A consumer for debugging may read from followers, and past the high watermark. */
static void
fill(struct job *j, struct cmd_client *c, int32_t broker, struct kp_fetch_req *req)
{
	struct kp_fetch_req_topics *t = NULL;
	struct cmd_topic *last = NULL;

	kp_defaults(kp_api(KP_FETCH)->req, req);
	req->replica_id = -2;
	req->max_wait_ms = (int32_t)(cmd_number(j->a, "max-wait-ms", 1000) / j->c.brokers);
	req->min_bytes = 1;
	req->session_epoch = -1;
	req->rack_id = rk_lit("");
	req->topics.at = rk_arena_get(&c->arena, j->view.topics, sizeof *req->topics.at);
	for (uint32_t i = 0; i < j->parts; i++) {
		struct part *p = &j->part[i];
		if (got_of(p, broker) == NULL)
			continue;
		if (last != p->topic) {
			t = &req->topics.at[req->topics.len++];
			t->topic = p->topic->name;
			t->partitions.at =
			    rk_arena_get(&c->arena, p->topic->parts, sizeof *t->partitions.at);
			last = p->topic;
		}
		struct kp_fetch_req_topics_partitions *q = &t->partitions.at[t->partitions.len++];
		*q = (struct kp_fetch_req_topics_partitions){.partition = p->part->index,
		    .current_leader_epoch = -1,
		    .fetch_offset = p->offset,
		    .last_fetched_epoch = -1,
		    .log_start_offset = -1,
		    .partition_max_bytes = (int32_t)cmd_number(j->a, "fetch-size", 1048576)};
	}
}

/* Asks one broker and keeps what it says beside each partition. */
static void
ask(struct job *j, struct cmd_client *c, const struct cmd_broker *b)
{
	struct kp_fetch_req req;
	struct kp_fetch_res res;
	char address[300];

	rk_arena_reset(&c->arena);
	if (c->links == 0) {
		char host[260];
		cmd_client_close(c);
		snprintf(address, sizeof address, "%s:%d", rk_str_copy(host, sizeof host, b->host),
		    b->port);
		if (!cmd_client_open(c, address, NULL, false)) {
			cmd_fail(j->a, "broker %d: %s", b->id, c->why);
			return;
		}
	}
	fill(j, c, b->id, &req);
	if (req.topics.len == 0)
		return;
	if (!cmd_client_call_max(c, CMD_ANY, KP_FETCH, 12, &req, &res)) {
		cmd_fail(j->a, "broker %d: %s", b->id, c->why);
		cmd_client_close(c);
		return;
	}
	for (int32_t i = 0; i < res.responses.len; i++)
		for (int32_t k = 0; k < res.responses.at[i].partitions.len; k++) {
			struct kp_fetch_res_responses_partitions *q =
			    &res.responses.at[i].partitions.at[k];
			struct part *p = part_of(j, res.responses.at[i].topic, q->partition_index);
			struct got *g = p == NULL ? NULL : got_of(p, b->id);
			if (g == NULL)
				continue;
			g->here = q->error_code == 0;
			g->high = q->high_watermark;
			g->at = (const char *)q->records.at;
			g->end = g->at + rk_max(q->records.len, 0);
		}
}

/* The batch that a replica has at or behind the offset; NULL: no whole one was fetched. */
static const char *
batch_at(struct got *g, int64_t offset)
{
	while (g->at != NULL && g->end - g->at >= KP_BATCH_HEAD
	       && kp_batch_len(g->at) >= KP_BATCH_HEAD - KP_BATCH_LOG_OVERHEAD
	       && kp_batch_bytes(g->at) <= g->end - g->at) {
		if (kp_batch_last(g->at) >= offset)
			return g->at;
		g->at += kp_batch_bytes(g->at);
	}
	return NULL;
}

/* Goes forward while all replicas have a batch below the lowest high watermark. */
static void
compare(struct part *p)
{
	int32_t n = p->part->replicas.len, here = 0;
	int64_t low = INT64_MAX;
	char when[40];
	int name = p->topic->name.len;
	const char *at = p->topic->name.at;

	for (int32_t i = 0; i < n; i++) {
		here += p->got[i].here;
		p->high = p->got[i].here ? rk_max(p->high, p->got[i].high) : p->high;
		low = p->got[i].here ? rk_min(low, p->got[i].high) : low;
	}
	if (here < n) {
		printf("fetched %d replicas for %.*s-%d, but expected %d replicas\n", here, name,
		    at, p->part->index, n);
		return;
	}
	for (;;) {
		const char *first = NULL;
		for (int32_t i = 0; i < n; i++) {
			const char *b = batch_at(&p->got[i], p->offset);
			if (b == NULL || kp_batch_last(b) >= low)
				return;
			first = first == NULL ? b : first;
			/* A batch is known by its last offset, as Kafka's command knows it. */
			if (kp_batch_last(b) != kp_batch_last(first)) {
				printf("%s: partition %.*s-%d: replica %d's offset %" PRId64
				       " doesn't match replica %d's offset %" PRId64 "\n",
				    stamp(when), name, at, p->part->index, p->got[0].broker,
				    kp_batch_last(first), p->got[i].broker, kp_batch_last(b));
			} else if (kp_batch_crc(b) != kp_batch_crc(first)) {
				printf("%s: partition %.*s-%d has unmatched checksum at offset "
				       "%" PRId64 "; replica %d's checksum %u; replica %d's "
				       "checksum %u\n",
				    stamp(when), name, at, p->part->index, kp_batch_last(first),
				    p->got[0].broker, kp_batch_crc(first), p->got[i].broker,
				    kp_batch_crc(b));
			}
		}
		if (first == NULL)
			return;
		p->offset = kp_batch_last(first) + 1;
	}
}

static void
report(struct job *j)
{
	struct part *worst = &j->part[0];
	char when[40];

	for (uint32_t i = 1; i < j->parts; i++)
		if (j->part[i].high - j->part[i].offset > worst->high - worst->offset)
			worst = &j->part[i];
	printf("%s: max lag is %" PRId64 " for partition %.*s-%d at offset %" PRId64
	       " among %u partitions\n",
	    stamp(when), rk_max(worst->high - worst->offset, 0), worst->topic->name.len,
	    worst->topic->name.at, worst->part->index, worst->offset, j->parts);
	fflush(stdout);
}

static int
verify(struct job *j)
{
	int64_t every = cmd_number(j->a, "report-interval-ms", 30000), next;
	char when[40];
	int rc = choose(j);

	for (uint32_t i = 0; rc == 0 && i < j->parts; i++)
		rc = begin(j, &j->part[i]);
	if (rc != 0)
		return rc;
	printf("%s: verification process is started\n", stamp(when));
	fflush(stdout);
	signal(SIGTERM, end);
	signal(SIGINT, end);
	j->to = rk_arena_get(&j->c.arena, j->c.brokers, sizeof *j->to);
	next = cmd_now_ms() + every;
	while (!ended) {
		int64_t began = cmd_now_ms();
		for (uint32_t i = 0; i < j->parts; i++)
			for (int32_t b = 0; b < j->part[i].part->replicas.len; b++) {
				j->part[i].got[b].here = false;
				j->part[i].got[b].at = NULL;
			}
		for (uint32_t b = 0; b < j->c.brokers && !ended; b++)
			ask(j, &j->to[b], &j->c.broker[b]);
		for (uint32_t i = 0; i < j->parts && !ended; i++)
			compare(&j->part[i]);
		if (cmd_now_ms() >= next) {
			report(j);
			next += every;
		}
		/* Brokers that refuse at once must not make this a busy loop. */
		if (cmd_now_ms() - began < 20)
			nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
	}
	for (uint32_t b = 0; b < j->c.brokers; b++)
		cmd_client_close(&j->to[b]);
	return 0;
}

static int
run(struct cmd_args *a)
{
	struct job j = {.a = a};
	const char *servers = cmd_text(a, "broker-list");
	int rc = cmd_require(a, "broker-list", NULL);

	if (rc != 0)
		return rc;
	if (strchr(servers, ':') == NULL)
		return cmd_usage(a, "Please provide valid host:port like host1:9091,host2:9092\n");
	fputs("This tool is deprecated in Kafka and may be removed in a future major release.\n",
	    stderr);
	if (cmd_client_open(&j.c, servers, NULL, false))
		rc = verify(&j);
	else
		rc = cmd_fail(a, "%s", j.c.why);
	cmd_view_free(&j.view);
	cmd_client_close(&j.c);
	return rc;
}

const struct cmd_spec cmd_replica_verification_spec = {
    .name = "replica-verification",
    .peer = "kafka-replica-verification",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Compares the replicas of partitions until it is stopped.",
    .about = "Reads every replica of the topics from every broker and reports offsets and "
	     "checksums that differ, and every --report-interval-ms how far it is behind. It ends "
	     "with SIGTERM or SIGINT.",
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
