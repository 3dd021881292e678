/* metrics.c - what the core counts, as Prometheus text under the names that the usual JMX exporter
 * rules give Kafka's MBeans. */
#include "src/core/inside.h"
#include "src/core/follow.h"

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
	rk_assert(at < sizeof(struct core_counts));
	head(out, name, "counter", help);
	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL;
	     t = core_topics_walk(c, t)) {
		uint64_t v = *(uint64_t *)(void *)((char *)&t->counts + at);
		if (v > 0)
			line(out, "%s{topic=\"%s\"} %" PRIu64 "\n", name, t->name.at, v);
	}
}

typedef int64_t reading(struct core_partition *);

static int64_t
log_size(struct core_partition *p)
{
	return st_log_bytes(p->log);
}

static int64_t
log_end(struct core_partition *p)
{
	return st_log_end(p->log);
}

static int64_t
log_start(struct core_partition *p)
{
	return st_log_start(p->log);
}

/* A gauge of every partition whose log is open; a cold log is not opened for it. */
static void
partition_gauge(struct core *c, struct rk_out *out, const char *name, const char *help, reading *of)
{
	head(out, name, "gauge", help);
	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL;
	     t = core_topics_walk(c, t))
		for (uint32_t i = 0; i < t->partitions; i++)
			if (t->partition[i] != NULL && t->partition[i]->log != NULL)
				line(out,
				    "%s{topic=\"%s\",partition=\"%" PRIu32 "\"} %" PRId64 "\n",
				    name, t->name.at, i, of(t->partition[i]));
}

/* How many partitions are so. */
static uint64_t
count(struct core *c, bool (*so)(const struct core_partition *))
{
	uint64_t n = 0;

	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL;
	     t = core_topics_walk(c, t))
		for (uint32_t i = 0; i < t->partitions; i++)
			n += t->partition[i] != NULL && so(t->partition[i]);
	rk_assert(n <= c->partitions);
	return n;
}

static bool
lacks_replicas(const struct core_partition *p)
{
	return p->leads && p->isr < p->replicas;
}

static bool
is_broken(const struct core_partition *p)
{
	return p->broken;
}

static uint64_t
partitions(struct core *c)
{
	return c->partitions;
}

static uint64_t
leaders(struct core *c)
{
	rk_assert(c->leaders <= c->partitions);
	return c->leaders;
}

static uint64_t
under_replicated(struct core *c)
{
	return count(c, lacks_replicas);
}

static int32_t
least_isr(const struct core_partition *p)
{
	return (int32_t)rk_min(core_conf(p)->min_insync_replicas, p->replicas);
}

static bool
is_under_min(const struct core_partition *p)
{
	return p->leads && p->isr < least_isr(p);
}

static bool
is_at_min(const struct core_partition *p)
{
	return p->leads && p->isr == least_isr(p);
}

static bool
is_moving(const struct core_partition *p)
{
	return p->leads && p->reassigned;
}

static bool
is_left(const struct core_partition *p)
{
	return !p->leads && p->broken;
}

static uint64_t
under_min_isr(struct core *c)
{
	return count(c, is_under_min);
}

static uint64_t
at_min_isr(struct core *c)
{
	return count(c, is_at_min);
}

static uint64_t
isr_shrinks(struct core *c)
{
	return c->isr_shrinks;
}

static uint64_t
isr_expands(struct core *c)
{
	return c->isr_expands;
}

static uint64_t
reassigning(struct core *c)
{
	return count(c, is_moving);
}

static uint64_t
failed_follows(struct core *c)
{
	return count(c, is_left);
}

static uint64_t
max_lag(struct core *c)
{
	int64_t most = 0;

	for (struct core_source *s = core_sources_walk(c, NULL); s != NULL; s = core_sources_walk(c, s))
		rk_list_each(&s->all, m)
		    most = rk_max(most, rk_of(m, struct core_follow, all)->lag);
	return (uint64_t)most;
}

static uint64_t
sources(struct core *c)
{
	uint64_t n = 0;

	for (struct core_source *s = core_sources_walk(c, NULL); s != NULL; s = core_sources_walk(c, s))
		n += s->count > 0;
	return n;
}

static uint64_t
offline(struct core *c)
{
	return count(c, is_broken);
}

static uint64_t
sessions(struct core *c)
{
	return c->sessions.count + c->fetchers.count;
}

static uint64_t
session_partitions(struct core *c)
{
	return c->sessions.partitions;
}

static uint64_t
session_evictions(struct core *c)
{
	return c->sessions.evicted;
}

static void
plain(struct rk_out *out, const char *name, const char *type, const char *help, uint64_t v)
{
	head(out, name, type, help);
	line(out, "%s %" PRIu64 "\n", name, v);
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
#define BROKER_METRIC(reading, name, type, help) plain(out, name, type, help, reading(c));
#include "base/metric.tbl"
#define TOPIC_METRIC(field, name, help) \
	topic_counter(c, out, name, help, offsetof(struct core_counts, field));
#include "base/metric.tbl"
	requests(c, out);
#define PARTITION_METRIC(reading, name, help) partition_gauge(c, out, name, help, reading);
#include "base/metric.tbl"
}
