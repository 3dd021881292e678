/* metrics.c - what the core counts, as Prometheus text under the names that the usual JMX exporter
 * rules give Kafka's MBeans. */
#include "src/core/inside.h"

struct core_counts *
core_counts(struct core *c)
{
	return &c->counts;
}

void
core_count_request(struct core *c, int16_t api_key, uint64_t in_bytes)
{
	if (api_key < 0 || api_key >= CORE_APIS)
		return;
	c->requests[api_key]++;
	c->request_bytes[api_key] += in_bytes;
}

static void __attribute__((format(printf, 2, 3))) line(struct rk_out *out, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	rk_assert(n >= 0 && n < (int)sizeof text);
	rk_out_put(out, text, (uint32_t)n);
}

static void
head(struct rk_out *out, const char *name, const char *type, const char *help)
{
	line(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* One counter of every topic; without a line for the sum of all, which a sum over topics would
 * count twice. */
static void
topic_counter(struct core *c, struct rk_out *out, const char *name, const char *help, size_t at)
{
	head(out, name, "counter", help);
	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL;
	     t = core_topics_walk(c, t)) {
		uint64_t v = *(uint64_t *)(void *)((char *)&t->counts + at);
		if (v > 0)
			line(out, "%s{topic=\"%s\"} %" PRIu64 "\n", name, t->name.at, v);
	}
}

static void
plain(struct rk_out *out, const char *name, const char *type, const char *help, uint64_t v)
{
	head(out, name, type, help);
	line(out, "%s %" PRIu64 "\n", name, v);
}

typedef int64_t reading(struct core_partition *);

static int64_t
log_size(struct core_partition *p)
{
	return p->log == NULL ? 0 : st_log_bytes(p->log);
}

static int64_t
log_end(struct core_partition *p)
{
	return p->log == NULL ? p->high : st_log_end(p->log);
}

static int64_t
log_start(struct core_partition *p)
{
	return p->log == NULL ? 0 : st_log_start(p->log);
}

/* A gauge of every partition that holds something or did; a cold log is not opened for it. */
static void
partition_gauge(
    struct core *c, struct rk_out *out, const char *name, const char *help, reading *read_it)
{
	head(out, name, "gauge", help);
	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL;
	     t = core_topics_walk(c, t))
		for (uint32_t i = 0; i < t->partitions; i++)
			if (t->partition[i] != NULL && t->partition[i]->log != NULL)
				line(out,
				    "%s{topic=\"%s\",partition=\"%" PRIu32 "\"} %" PRId64 "\n",
				    name, t->name.at, i, read_it(t->partition[i]));
}

static void
replicas(struct core *c, struct rk_out *out)
{
	uint32_t under = 0, offline = 0;

	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL;
	     t = core_topics_walk(c, t)) {
		for (uint32_t i = 0; i < t->partitions; i++) {
			const struct core_partition *p = t->partition[i];
			under += p != NULL && p->leads && p->isr < p->replicas;
			offline += p != NULL && p->broken;
		}
	}
	plain(out, "kafka_server_replicamanager_partitioncount", "gauge",
	    "Partitions this broker holds.", c->partitions);
	plain(out, "kafka_server_replicamanager_leadercount", "gauge",
	    "Partitions this broker leads.", c->leaders);
	plain(out, "kafka_server_replicamanager_underreplicatedpartitions", "gauge",
	    "Partitions led here with a replica out of sync.", under);
	plain(out, "kafka_server_replicamanager_offlinereplicacount", "gauge",
	    "Partitions whose log cannot be used.", offline);
	plain(out, "kafka_server_fetchsessioncache_numincrementalfetchsessions", "gauge",
	    "Fetch sessions.", c->sessions.count);
	plain(out, "kafka_server_fetchsessioncache_numincrementalfetchpartitionscached", "gauge",
	    "Partitions in fetch sessions.", c->sessions.partitions);
	plain(out, "kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total",
	    "counter", "Fetch sessions evicted.", c->sessions.evicted);
}

static void
requests(struct core *c, struct rk_out *out)
{
	const char *name = "kafka_network_requestmetrics_requests_total";

	head(out, name, "counter", "Requests received, by API.");
	for (int16_t k = 0; k < CORE_APIS; k++)
		if (c->requests[k] > 0 && kp_api(k) != NULL)
			line(out, "%s{request=\"%s\"} %" PRIu64 "\n", name, kp_api(k)->name,
			    c->requests[k]);
	name = "kafka_network_requestmetrics_requestbytes_total";
	head(out, name, "counter", "Bytes of requests received, by API.");
	for (int16_t k = 0; k < CORE_APIS; k++)
		if (c->requests[k] > 0 && kp_api(k) != NULL)
			line(out, "%s{request=\"%s\"} %" PRIu64 "\n", name, kp_api(k)->name,
			    c->request_bytes[k]);
}

void
core_metrics(struct core *c, struct rk_out *out)
{
	rk_assert(c->magic == CORE_MAGIC);
	replicas(c, out);
	topic_counter(c, out, "kafka_server_brokertopicmetrics_messagesin_total",
	    "Records appended.", offsetof(struct core_counts, messages_in));
	topic_counter(c, out, "kafka_server_brokertopicmetrics_bytesin_total", "Bytes appended.",
	    offsetof(struct core_counts, bytes_in));
	topic_counter(c, out, "kafka_server_brokertopicmetrics_bytesout_total", "Bytes fetched.",
	    offsetof(struct core_counts, bytes_out));
	topic_counter(c, out, "kafka_server_brokertopicmetrics_totalproducerequests_total",
	    "Partitions produced to, by request.", offsetof(struct core_counts, produce_requests));
	topic_counter(c, out, "kafka_server_brokertopicmetrics_totalfetchrequests_total",
	    "Partitions fetched, by request.", offsetof(struct core_counts, fetch_requests));
	topic_counter(c, out, "kafka_server_brokertopicmetrics_failedproducerequests_total",
	    "Appends refused.", offsetof(struct core_counts, failed_produce));
	topic_counter(c, out, "kafka_server_brokertopicmetrics_failedfetchrequests_total",
	    "Reads refused.", offsetof(struct core_counts, failed_fetch));
	requests(c, out);
	partition_gauge(c, out, "kafka_log_log_size", "Bytes of the partition's log.", log_size);
	partition_gauge(
	    c, out, "kafka_log_log_logendoffset", "The next offset of the partition.", log_end);
	partition_gauge(c, out, "kafka_log_log_logstartoffset",
	    "The first offset of the partition.", log_start);
}
