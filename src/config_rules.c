/* config_rules.c - what Kafka requires across the keys of one broker. */
#include "src/config_in.h"

int64_t
conf_retention_ms(const struct conf *c)
{
	int64_t ms = c->log_retention_ms != CONF_NULL_LONG ? c->log_retention_ms
		     : c->log_retention_minutes != CONF_NULL_INT
			 ? (int64_t)c->log_retention_minutes * 60000
			 : (int64_t)c->log_retention_hours * 3600000;
	return ms < 0 ? -1 : ms;
}

int64_t
conf_roll_ms(const struct conf *c)
{
	return c->log_roll_ms != CONF_NULL_LONG ? c->log_roll_ms
						: (int64_t)c->log_roll_hours * 3600000;
}

int64_t
conf_roll_jitter_ms(const struct conf *c)
{
	return c->log_roll_jitter_ms != CONF_NULL_LONG
		   ? c->log_roll_jitter_ms
		   : (int64_t)c->log_roll_jitter_hours * 3600000;
}

int64_t
conf_flush_ms(const struct conf *c)
{
	return c->log_flush_interval_ms != CONF_NULL_LONG ? c->log_flush_interval_ms
							  : c->log_flush_scheduler_interval_ms;
}

/* clang-format off */
enum order { AT_LEAST, AT_MOST, BELOW };
static const struct bound {
	const char *a, *b;
	uint16_t a_at, b_at;
	enum order order;
} bounds[] = {
#define B(a, a_name, order, b, b_name)                                                             \
	{ a_name, b_name, offsetof(struct conf, a), offsetof(struct conf, b), order },
#define BETWEEN(p, pre, x, xn)                                                                     \
	B(p##max_##x, pre "max." xn, AT_LEAST, p##min_##x, pre "min." xn)                          \
	B(p##x, pre xn, AT_LEAST, p##min_##x, pre "min." xn)                                       \
	B(p##x, pre xn, AT_MOST, p##max_##x, pre "max." xn)
#define PROTOCOL(p, pre)                                                                           \
	BETWEEN(p, pre, heartbeat_interval_ms, "heartbeat.interval.ms")                            \
	BETWEEN(p, pre, session_timeout_ms, "session.timeout.ms")                                  \
	B(p##heartbeat_interval_ms, pre "heartbeat.interval.ms", BELOW, p##session_timeout_ms,     \
	    pre "session.timeout.ms")                                                              \
	BETWEEN(p, pre, assignment_interval_ms, "assignment.interval.ms")
	PROTOCOL(group_consumer_, "group.consumer.")
	PROTOCOL(group_share_, "group.share.")
	PROTOCOL(group_streams_, "group.streams.")
	BETWEEN(group_share_, "group.share.", record_lock_duration_ms, "record.lock.duration.ms")
	BETWEEN(group_share_, "group.share.", delivery_count_limit, "delivery.count.limit")
	B(group_share_max_partition_max_record_locks, "group.share.max.partition.max.record.locks",
	    AT_LEAST, group_share_min_partition_max_record_locks,
	    "group.share.min.partition.max.record.locks")
	B(group_share_partition_max_record_locks, "group.share.partition.max.record.locks", AT_LEAST,
	    group_share_min_partition_max_record_locks, "group.share.min.partition.max.record.locks")
	B(group_share_partition_max_record_locks, "group.share.partition.max.record.locks", AT_MOST,
	    group_share_max_partition_max_record_locks, "group.share.max.partition.max.record.locks")
	B(group_share_max_share_sessions, "group.share.max.share.sessions", AT_LEAST,
	    group_share_max_size, "group.share.max.size")
	B(group_streams_num_standby_replicas, "group.streams.num.standby.replicas", AT_MOST,
	    group_streams_max_standby_replicas, "group.streams.max.standby.replicas")
#undef PROTOCOL
#undef BETWEEN
#undef B
};
/* clang-format on */

static int32_t
number(const struct conf *c, uint16_t at)
{
	return *(const int32_t *)(const void *)((const char *)c + at);
}

static const char *const order_words[] = {
    "greater than or equal to", "less than or equal to", "less than"};

static bool
holds(enum order o, int64_t a, int64_t b)
{
	return o == AT_LEAST ? a >= b : o == AT_MOST ? a <= b : a < b;
}

static void
group_bounds(const struct conf *c, struct conf_notes *n)
{
	for (size_t i = 0; i < rk_countof(bounds); i++)
		if (!holds(bounds[i].order, number(c, bounds[i].a_at), number(c, bounds[i].b_at)))
			conf_say(n, RK_ERROR, NULL, "%s must be %s %s", bounds[i].a,
			    order_words[bounds[i].order], bounds[i].b);
}

static void
require(bool that, struct conf_notes *n, const char *says)
{
	if (!that)
		conf_say(n, RK_ERROR, NULL, "requirement failed: %s", says);
}

static void
log_rules(const struct conf *c, struct conf_notes *n)
{
	require(conf_retention_ms(c) != 0, n,
	    "log.retention.ms must be unlimited (-1) or, greater than or equal to 1");
	require(conf_roll_ms(c) >= 1, n, "log.roll.ms must be greater than or equal to 1");
	require(conf_roll_jitter_ms(c) >= 0, n,
	    "log.roll.jitter.ms must be greater than or equal to 0");
	require(c->log_cleaner_threads == 0
		    || c->log_cleaner_dedupe_buffer_size / c->log_cleaner_threads > 1 << 20,
	    n, "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.");
	if (c->log_cleaner_threads == 0)
		conf_say(n, RK_ERROR, NULL,
		    "Invalid value 0 for configuration log.cleaner.threads: Value must be at "
		    "least 1");
}

static void
replica_rules(const struct conf *c, struct conf_notes *n)
{
	require(c->replica_fetch_wait_max_ms <= c->replica_socket_timeout_ms, n,
	    "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to "
	    "prevent "
	    "unnecessary socket timeouts");
	require(c->replica_fetch_wait_max_ms <= c->replica_lag_time_max_ms, n,
	    "replica.fetch.wait.max.ms should always be less than or equal to "
	    "replica.lag.time.max.ms to "
	    "prevent frequent changes in ISR");
	if (c->offsets_topic_compression_codec < 0 || c->offsets_topic_compression_codec > 4)
		conf_say(n, RK_ERROR, NULL, "Unknown compression type id: %d",
		    c->offsets_topic_compression_codec);
	if ((int64_t)c->broker_heartbeat_interval_ms * 2 > c->broker_session_timeout_ms)
		conf_say(n, RK_WARN, NULL,
		    "broker.heartbeat.interval.ms (%d ms) must be less than or equal to half of "
		    "the "
		    "broker.session.timeout.ms (%d ms): a broker that heartbeats more rarely "
		    "loses its lease. "
		    "Please increase broker.session.timeout.ms or decrease "
		    "broker.heartbeat.interval.ms.",
		    c->broker_heartbeat_interval_ms, c->broker_session_timeout_ms);
}

/* HOST:COUNT, comma-separated. */
static void
overrides_per_ip(const struct conf *c, struct conf_notes *n)
{
	struct rk_str rest = rk_str_of(c->max_connections_per_ip_overrides), one;
	int64_t count;

	while (conf_cut(&rest, ',', &one)) {
		if (one.len == 0)
			continue;
		const char *colon = memrchr(one.at, ':', (size_t)one.len);
		if (colon == NULL) {
			conf_say(n, RK_ERROR, NULL,
			    "Error parsing configuration property "
			    "'max.connections.per.ip.overrides': begin 0, end "
			    "-1, length %d",
			    one.len);
			continue;
		}
		struct rk_str digits = {colon + 1, (int32_t)(one.at + one.len - colon - 1)};
		if (!rk_str_int(digits, &count) || count < INT32_MIN || count > INT32_MAX)
			conf_say(
			    n, RK_ERROR, NULL, "For input string: \"%.*s\"", digits.len, digits.at);
	}
}

static void
network_rules(const struct conf *c, struct conf_notes *n)
{
	require(c->max_connections_per_ip > 0
		    || (c->max_connections_per_ip_overrides != NULL
			&& c->max_connections_per_ip_overrides[0] != '\0'),
	    n,
	    "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides "
	    "property "
	    "is set.");
	require(c->queued_max_request_bytes <= 0
		    || c->queued_max_request_bytes >= c->socket_request_max_bytes,
	    n, "queued.max.request.bytes must be larger or equal to socket.request.max.bytes");
	if (c->connections_max_idle_ms > 0
	    && c->connection_failed_authentication_delay_ms >= c->connections_max_idle_ms)
		conf_say(n, RK_ERROR, NULL,
		    "requirement failed: connection.failed.authentication.delay.ms=%d should "
		    "always be less than "
		    "connections.max.idle.ms=%" PRId64
		    " to prevent failed authentication responses from timing out",
		    c->connection_failed_authentication_delay_ms, c->connections_max_idle_ms);
	overrides_per_ip(c, n);
}

static void
cordoned(const struct conf *c, struct conf_notes *n)
{
	char missing[1024] = "";
	size_t at = 0;

	if (conf_list_has(c->cordoned_log_dirs, "*"))
		return;
	for (uint32_t i = 0; i < c->cordoned_log_dirs.count && at < sizeof missing; i++)
		if (!conf_list_has(c->dirs, c->cordoned_log_dirs.at[i]))
			at += (size_t)snprintf(missing + at, sizeof missing - at, "%s%s",
			    at > 0 ? ", " : "", c->cordoned_log_dirs.at[i]);
	if (at > 0)
		conf_say(n, RK_ERROR, NULL,
		    "requirement failed: All entries in cordoned.log.dirs must be present in "
		    "log.dirs or log.dir. "
		    "Missing entries : %s",
		    missing);
}

void
conf_rules(const struct conf *c, struct conf_notes *n)
{
	log_rules(c, n);
	replica_rules(c, n);
	network_rules(c, n);
	cordoned(c, n);
	group_bounds(c, n);
	if (!conf_list_has(c->group_coordinator_rebalance_protocols, "classic"))
		conf_say(n, RK_ERROR, NULL, "Disabling the 'classic' protocol is not supported.");
}

/* ---- one group's values against the broker's bounds
 * -------------------------------------------------- */

/* "group." in front of the group's own name is the broker's. */
static const struct conf_row *
of_group(const char *broker_name)
{
	return conf_row_find(CONF_GROUPS, rk_str_of(broker_name + sizeof "group." - 1));
}

static int32_t *
group_number(struct conf_group *g, const struct conf_row *r)
{
	return (int32_t *)(void *)((char *)g + r->at);
}

bool
conf_group_in_bounds(
    const struct conf *c, struct conf_group *g, struct rk_arena *a, struct rk_str *why)
{
	for (size_t i = 0; i < rk_countof(bounds); i++) {
		const struct conf_row *r = of_group(bounds[i].a), *than = of_group(bounds[i].b);
		if (r == NULL)
			continue;
		int32_t mine = *group_number(g, r);
		int32_t its = than != NULL ? *group_number(g, than) : number(c, bounds[i].b_at);
		if (holds(bounds[i].order, mine, its))
			continue;
		if (than != NULL)
			*why = rk_arena_print(a, "%s must be greater than %s", than->name, r->name);
		else
			*why = rk_arena_print(a, "%s must be %s %s", r->name,
			    order_words[bounds[i].order], bounds[i].b);
		return false;
	}
	return true;
}

void
conf_group_clamp(const struct conf *c, struct conf_group *g)
{
	for (size_t i = 0; i < rk_countof(bounds); i++) {
		const struct conf_row *r = of_group(bounds[i].a);
		if (r == NULL || of_group(bounds[i].b) != NULL)
			continue;
		int32_t *mine = group_number(g, r), its = number(c, bounds[i].b_at);
		if (!holds(bounds[i].order, *mine, its))
			*mine = its;
	}
}
