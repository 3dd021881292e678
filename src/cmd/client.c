/* client.c - connections, requests and answers; what a failure means, in words. */
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include "protocol/gen/api_versions.h"
#include "protocol/gen/describe_cluster.h"
#include "protocol/gen/metadata.h"
#include "src/cmd/client.h"

enum { ANSWER_MAX = 256 << 20, KEYS = 128 };

struct cmd_link {
	int fd;
	int32_t node;   /* CMD_ANY for the bootstrap connection */
	char name[280]; /* host:port */
	bool greeted;
	int16_t min[KEYS], max[KEYS]; /* -1: not known there */
};

bool
cmd_client_fail(struct cmd_client *c, enum rk_err e, const char *fmt, ...)
{
	char why[sizeof c->why]; /* the old why may be part of the new one */
	va_list ap;

	c->err = e;
	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	memcpy(c->why, why, strlen(why) + 1);
	return false;
}

static int64_t
prop_ms(const struct cmd_client *c, const char *key, int64_t otherwise)
{
	const char *v = cmd_props_get(&c->props, key);
	int64_t n;

	return v != NULL && rk_str_int(rk_str_of(v), &n) ? n : otherwise;
}

/* A listener that takes the connection and says nothing is given up sooner than a busy broker. */
static int64_t
patience(const struct cmd_client *c, const struct cmd_link *l)
{
	return l->greeted ? prop_ms(c, "request.timeout.ms", 30000)
			  : rk_min(prop_ms(c, "socket.connection.setup.timeout.ms", 10000),
			      prop_ms(c, "request.timeout.ms", 30000));
}

static bool
wait_for(int fd, short what, int64_t until_ms)
{
	struct pollfd p = {.fd = fd, .events = what};
	int64_t left;

	while ((left = until_ms - cmd_now_ms()) >= 0) {
		int n = poll(&p, 1, (int)rk_min(left, INT_MAX));
		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
	}
	errno = ETIMEDOUT;
	return false;
}

static bool
connect_one(const struct addrinfo *ai, int64_t timeout_ms, int *fd)
{
	int e = 0, one = 1;
	socklen_t len = sizeof e;

	*fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return false;
	if (connect(*fd, ai->ai_addr, ai->ai_addrlen) == 0
	    || (errno == EINPROGRESS && wait_for(*fd, POLLOUT, cmd_now_ms() + timeout_ms)
		&& getsockopt(*fd, SOL_SOCKET, SO_ERROR, &e, &len) == 0 && e == 0)) {
		setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		return true;
	}
	e = e != 0 ? e : errno;
	close(*fd);
	*fd = -1;
	errno = e;
	return false;
}

static bool
say_unreachable(struct cmd_client *c, const char *name, int e)
{
	if (e == ECONNREFUSED)
		return cmd_client_fail(c, RK_BROKER_NOT_AVAILABLE,
		    "nothing listens on %s (connection refused): is the node "
		    "started, and is this one of its listeners?",
		    name);
	if (e == ETIMEDOUT)
		return cmd_client_fail(c, RK_REQUEST_TIMED_OUT,
		    "no answer from %s while connecting (timeout): a firewall, or a "
		    "machine that is down?",
		    name);
	return cmd_client_fail(c, RK_BROKER_NOT_AVAILABLE, "cannot connect to %s: %s", name, strerror(e));
}

static bool
dial(struct cmd_client *c, const char *host, const char *port, struct cmd_link *l)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
	int64_t timeout = prop_ms(c, "socket.connection.setup.timeout.ms", 10000);
	int e;

	snprintf(
	    l->name, sizeof l->name, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
	e = getaddrinfo(host, port, &hints, &list);
	if (e != 0)
		return cmd_client_fail(c, RK_BROKER_NOT_AVAILABLE,
		    "the host name %s is not known here (%s): check it, and "
		    "/etc/hosts or DNS",
		    host, gai_strerror(e));
	l->fd = -1;
	for (struct addrinfo *ai = list; ai != NULL && l->fd < 0; ai = ai->ai_next)
		(void)connect_one(ai, timeout, &l->fd);
	e = errno;
	freeaddrinfo(list);
	return l->fd >= 0 || say_unreachable(c, l->name, e);
}

static bool
send_all(struct cmd_client *c, struct cmd_link *l, const void *p, size_t len, int64_t until)
{
	while (len > 0) {
		ssize_t n = send(l->fd, p, len, MSG_NOSIGNAL);
		if (n >= 0) {
			p = (const char *)p + n;
			len -= (size_t)n;
		} else if (errno != EINTR
			   && (errno != EAGAIN || !wait_for(l->fd, POLLOUT, until))) {
			return cmd_client_fail(c, RK_NETWORK_EXCEPTION, "sending to %s failed: %s", l->name,
			    strerror(errno));
		}
	}
	return true;
}

static bool
say_closed(struct cmd_client *c, const struct cmd_link *l, int e)
{
	c->silent = true;
	if (e == ETIMEDOUT)
		return cmd_client_fail(c, RK_REQUEST_TIMED_OUT,
		    "%s took the request but did not answer in time (%s): is it overloaded%s?",
		    l->name,
		    l->greeted ? "request.timeout.ms" : "socket.connection.setup.timeout.ms",
		    l->greeted ? "" : ", or not a Kafka listener");
	if (!l->greeted)
		return cmd_client_fail(c, RK_NETWORK_EXCEPTION,
		    "%s closed the connection at the first request%s%s: its listener "
		    "may want TLS or SASL (security.protocol), or it is not a Kafka listener",
		    l->name, e == 0 ? "" : ", ", e == 0 ? "" : strerror(e));
	return cmd_client_fail(c, RK_NETWORK_EXCEPTION, "%s closed the connection before it answered%s%s",
	    l->name, e == 0 ? "" : ": ", e == 0 ? "" : strerror(e));
}

static bool
recv_all(struct cmd_client *c, struct cmd_link *l, void *p, size_t len, int64_t until)
{
	while (len > 0) {
		ssize_t n = recv(l->fd, p, len, 0);
		if (n > 0) {
			p = (char *)p + n;
			len -= (size_t)n;
		} else if (n == 0) {
			return say_closed(c, l, 0);
		} else if (errno != EINTR && (errno != EAGAIN || !wait_for(l->fd, POLLIN, until))) {
			return say_closed(c, l, errno);
		}
	}
	return true;
}

static bool
bad_size(struct cmd_client *c, const struct cmd_link *l, const uint8_t *head)
{
	if (head[0] == 0x15 && head[1] == 0x03)
		return cmd_client_fail(c, RK_NETWORK_EXCEPTION,
		    "%s speaks TLS: use a PLAINTEXT listener, or "
		    "security.protocol=SSL where the command can",
		    l->name);
	if (memcmp(head, "HTTP", 4) == 0)
		return cmd_client_fail(c, RK_NETWORK_EXCEPTION, "%s speaks HTTP, not Kafka: check the port", l->name);
	return cmd_client_fail(c, RK_NETWORK_EXCEPTION,
	    "%s does not speak Kafka (its first bytes: %02x %02x %02x %02x): check "
	    "the port",
	    l->name, head[0], head[1], head[2], head[3]);
}

/* One frame into the arena. */
static bool
recv_frame(struct cmd_client *c, struct cmd_link *l, struct rk_str *frame)
{
	int64_t until = cmd_now_ms() + patience(c, l);
	uint8_t head[4];
	int32_t len;

	if (!recv_all(c, l, head, 4, until))
		return false;
	len = (int32_t)rk_get32(head);
	if (len < 4 || len > ANSWER_MAX)
		return bad_size(c, l, head);
	char *p = rk_arena_raw(&c->arena, (size_t)len);
	if (p == NULL)
		return cmd_client_fail(c, RK_NO_MEMORY, "the answers take more memory than this command allows");
	*frame = (struct rk_str){p, len};
	return recv_all(c, l, p, (size_t)len, until);
}

/* The answer's body: behind the correlation id and, in flexible versions, the tags. */
static bool
body_of(const struct kp_api *api, int16_t version, struct rk_str *frame)
{
	const uint8_t *p = (const uint8_t *)frame->at + 4,
		      *end = (const uint8_t *)frame->at + frame->len;
	uint32_t tags = 0, skip;

	if (version >= api->flex && api->key != KP_API_VERSIONS) {
		if (!kp_uvarint(&p, end, &tags))
			return false;
		for (; tags > 0; tags--) {
			if (!kp_uvarint(&p, end, &skip) || !kp_uvarint(&p, end, &skip)
			    || skip > (size_t)(end - p))
				return false;
			p += skip;
		}
	}
	*frame = (struct rk_str){(const char *)p, (int32_t)(end - p)};
	return true;
}

static bool
exchange(struct cmd_client *c, struct cmd_link *l, const struct kp_api *api, int16_t version,
    const void *req, struct rk_str *body)
{
	struct kp_head head = {.key = api->key,
	    .version = version,
	    .correlation_id = ++c->correlation,
	    .client_id = rk_lit("rookery"),
	    .flex = version >= api->flex};
	struct rk_out out;
	uint8_t size[4];
	int64_t until = cmd_now_ms() + patience(c, l);

	if (c->arena.over)
		return cmd_client_fail(c, RK_NO_MEMORY, "the request does not fit in memory");
	if (!cmd_fits(api->req, version, req))
		return cmd_client_fail(c, RK_INVALID_REQUEST,
		    "a text in the %s request is longer than the protocol takes (%d bytes)", api->name,
		    INT16_MAX);
	rk_out_init(&out, &c->arena);
	kp_head_write(&head, &out);
	kp_write(api->req, version, req, &out);
	if (out.over)
		return cmd_client_fail(c, RK_NO_MEMORY, "the request does not fit in memory");
	rk_put32(size, (uint32_t)out.bytes);
	if (!send_all(c, l, size, 4, until))
		return false;
	for (uint32_t i = 0; i < out.count; i++)
		if (!send_all(c, l, out.piece[i].u.mem, out.piece[i].len, until))
			return false;
	if (!recv_frame(c, l, body))
		return false;
	if ((int32_t)rk_get32(body->at) != c->correlation || !body_of(api, version, body))
		return l->greeted ? cmd_client_fail(c, RK_NETWORK_EXCEPTION,
			   "%s answered something else than it was asked", l->name)
				  : bad_size(c, l, (const uint8_t *)body->at);
	return true;
}

/* The first request on every connection: which requests does it know? */
static bool
greet(struct cmd_client *c, struct cmd_link *l)
{
	const struct kp_api *api = kp_api(KP_API_VERSIONS);
	struct kp_api_versions_req req;
	struct kp_api_versions_res res;
	int16_t version = rk_min(api->stable_max, 4);
	struct rk_str body;

	memset(l->max, 0xff, sizeof l->max);
	kp_defaults(api->req, &req);
	req.client_software_name = rk_lit("rookery");
	req.client_software_version = rk_str_of(PACKAGE_VERSION);
	if (!exchange(c, l, api, version, &req, &body))
		return false;
	if (body.len >= 2 && (int16_t)rk_get16(body.at) == rk_err_wire(RK_UNSUPPORTED_VERSION)) {
		version = 0;
		if (!exchange(c, l, api, version, &req, &body))
			return false;
	}
	if (kp_read(api->res, version, body.at, (size_t)body.len, &c->arena, &res, NULL) != RK_OK)
		return cmd_client_fail(c, RK_NETWORK_EXCEPTION,
		    "%s answered ApiVersions in a form that cannot be read", l->name);
	if (res.error_code != 0)
		return cmd_client_fail(c, rk_err_of_wire(res.error_code), "%s refuses ApiVersions: %s",
		    l->name, rk_err_name(rk_err_of_wire(res.error_code)));
	for (int32_t i = 0; i < res.api_keys.len; i++) {
		int16_t key = res.api_keys.at[i].api_key;
		if (key < 0 || key >= KEYS)
			continue;
		l->min[key] = res.api_keys.at[i].min_version;
		l->max[key] = res.api_keys.at[i].max_version;
	}
	l->greeted = true;
	return true;
}

/* What a listener that did not answer our first request speaks: asked again on a connection of its
 * own, as a browser or a TLS client would. NULL: still silent. */
static const char *
probe(struct cmd_client *c, const char *host, const char *port)
{
	static const uint8_t hello[] = {0x16, 3, 1, 0, 49, 1, 0, 0, 45, 3, 3, [43] = 0, 0, 4, 0xc0,
	    0x2f, 0, 0x2f, 1, 0, 0, 0, 0, 0};
	static const char get[] = "GET / HTTP/1.0\r\n\r\n";
	char first[4];

	for (int round = 0; round < 2; round++) {
		struct cmd_link l = {.fd = -1};
		const void *ask = round == 0 ? (const void *)hello : get;
		ssize_t got = -1;
		if (!dial(c, host, port, &l))
			return NULL;
		if (send_all(c, &l, ask, round == 0 ? 54 : sizeof get - 1, cmd_now_ms() + 500)
		    && wait_for(l.fd, POLLIN, cmd_now_ms() + 1000))
			got = recv(l.fd, first, sizeof first, 0);
		close(l.fd);
		if (got >= 2 && (first[0] == 0x15 || first[0] == 0x16) && first[1] == 3)
			return "TLS: use a PLAINTEXT listener, or security.protocol=SSL where the "
			       "command can";
		if (got == 4 && memcmp(first, "HTTP", 4) == 0)
			return "HTTP, not Kafka: check the port";
	}
	return NULL;
}

static bool
add_link(struct cmd_client *c, int32_t node, const char *host, const char *port)
{
	struct cmd_link *l = rk_mem_room((void **)&c->link, c->links, &c->link_cap, sizeof *l);

	c->silent = false;
	memset(l, 0, sizeof *l);
	l->node = node;
	if (!dial(c, host, port, l))
		return false;
	c->links++;
	if (greet(c, l))
		return true;
	close(l->fd);
	c->links--;
	/* Only a listener that closed or kept silent is worth a second look; what it said otherwise
	 * is known. */
	if (!c->silent)
		return false;
	char why[400], name[280];
	rk_str_copy(why, sizeof why, rk_str_of(c->why));
	rk_str_copy(name, sizeof name, rk_str_of(l->name));
	const char *speaks = probe(c, host, port);
	return speaks != NULL ? cmd_client_fail(c, RK_NETWORK_EXCEPTION, "%s speaks %s", name, speaks)
			      : cmd_client_fail(c, RK_NETWORK_EXCEPTION, "%s", why);
}

/* "host:port", "[v6]:port", with or without "PROTOCOL://" before it. Cuts in place. */
static bool
split_address(char *a, char **host, char **port)
{
	char *scheme = strstr(a, "://"), *colon;
	int64_t n;

	*host = scheme != NULL ? scheme + 3 : a;
	colon = strrchr(*host, ':');
	if (colon == NULL)
		return false;
	*colon = 0;
	*port = colon + 1;
	if (**host == '[' && colon > *host && colon[-1] == ']') {
		colon[-1] = 0;
		++*host;
	}
	return **host != 0 && rk_str_int(rk_str_of(*port), &n) && n >= 0 && n <= 65535;
}

static bool
check_security(struct cmd_client *c)
{
	const char *s = cmd_props_get(&c->props, "security.protocol");

	if (s == NULL || strcasecmp(s, "PLAINTEXT") == 0)
		return true;
	return cmd_client_fail(c, RK_INVALID_REQUEST,
	    "security.protocol=%s: this command speaks PLAINTEXT only; use a PLAINTEXT "
	    "listener (or Kafka's own script, which works against rookery too)",
	    s);
}

/* Connects to the first of the addresses that answers. */
static bool
dial_one(struct cmd_client *c, const char *addresses)
{
	char **piece, *host, *port;
	uint32_t count = cmd_split(&c->arena, addresses, ',', &piece), tried = 0;

	cmd_client_fail(c, RK_INVALID_REQUEST, "there is no address in \"%s\"", addresses);
	for (uint32_t i = 0; i < count; i++) {
		if (piece[i][0] == 0)
			continue;
		char *text = rk_mem_str(piece[i], strlen(piece[i]));
		if (!split_address(text, &host, &port)) {
			rk_mem_put(text);
			return cmd_client_fail(c, RK_INVALID_REQUEST,
			    "Invalid url in bootstrap.servers: %s (host:port is meant)", piece[i]);
		}
		bool done = add_link(c, CMD_ANY, host, port);
		rk_mem_put(text);
		if (done)
			return true;
		tried++;
	}
	if (tried > 1)
		cmd_client_fail(
		    c, c->err, "none of the %u addresses answers; the last one: %s", tried, c->why);
	return false;
}

bool
cmd_client_open(struct cmd_client *c, const char *addresses, const char *config, bool controllers)
{
	memset(c, 0, sizeof *c);
	c->controllers = controllers;
	c->controller = -1;
	rk_arena_init(&c->arena, (size_t)2 << 30);
	if (config != NULL && !cmd_props_read(&c->props, config))
		return cmd_client_fail(
		    c, RK_INVALID_REQUEST, "cannot read %s: %s", config, strerror(errno));
	return check_security(c) && dial_one(c, addresses);
}

bool
cmd_client_reopen(struct cmd_client *c, const char *addresses)
{
	for (uint32_t i = 0; i < c->links; i++)
		close(c->link[i].fd);
	c->links = 0;
	return dial_one(c, addresses) && cmd_client_brokers(c);
}

void
cmd_client_close(struct cmd_client *c)
{
	for (uint32_t i = 0; i < c->links; i++)
		close(c->link[i].fd);
	rk_mem_put(c->link);
	cmd_props_free(&c->props);
	rk_arena_free(&c->arena);
	memset(c, 0, sizeof *c);
}

static const char *
optional(const struct cmd_args *a, const char *name)
{
	for (uint32_t i = 0; i < a->spec->count; i++)
		if (strcmp(a->spec->opt[i].name, name) == 0)
			return cmd_text(a, name);
	return NULL;
}

bool
cmd_client_from(struct cmd_client *c, const struct cmd_args *a)
{
	const char *servers = optional(a, "bootstrap-server");
	const char *controllers = optional(a, "bootstrap-controller");
	const char *config = optional(a, "command-config");

	if (config == NULL && a->spec->style == CMD_ARGPARSE)
		config = optional(a, "config");
	return cmd_client_open(c, servers != NULL ? servers : controllers, config, servers == NULL);
}

bool
cmd_client_start(struct cmd_client *c, const struct cmd_args *a)
{
	if (cmd_client_from(c, a))
		return true;
	cmd_fail(a, "%s", c->why);
	cmd_client_close(c);
	return false;
}

static struct cmd_link *
link_to(struct cmd_client *c, int32_t node)
{
	char host[260], port[12];

	if (node == CMD_DECIDER && c->controllers && c->brokers == 0 && !cmd_client_brokers(c))
		return NULL;
	if (node == CMD_DECIDER)
		node = c->controllers && cmd_client_broker(c, c->controller) != NULL ? c->controller
										     : CMD_ANY;
	for (uint32_t i = 0; i < c->links; i++)
		if (c->link[i].node == node)
			return &c->link[i];
	if (c->brokers == 0 && !cmd_client_brokers(c))
		return NULL;
	const struct cmd_broker *b = cmd_client_broker(c, node);
	if (b == NULL) {
		cmd_client_fail(c, RK_BROKER_NOT_AVAILABLE, "there is no broker %d in the cluster", node);
		return NULL;
	}
	snprintf(port, sizeof port, "%d", b->port);
	if (add_link(c, node, rk_str_copy(host, sizeof host, b->host), port))
		return &c->link[c->links - 1];
	cmd_client_fail(
	    c, c->err, "broker %d cannot be reached at the address it advertises: %s", node, c->why);
	return NULL;
}

bool
cmd_client_call_max(
    struct cmd_client *c, int32_t node, int16_t key, int16_t most, const void *req, void *res)
{
	const struct kp_api *api = kp_api(key);
	struct cmd_link *l = link_to(c, node);
	struct rk_str body;

	rk_assert(api != NULL);
	if (l == NULL)
		return false;
	c->version = (int16_t)rk_min(rk_min(api->stable_max, most), l->max[key]);
	if (l->max[key] < 0 || c->version < l->min[key] || c->version < api->min)
		return cmd_client_fail(c, RK_UNSUPPORTED_VERSION, "%s does not know %s%s", l->name, api->name,
		    l->max[key] < 0 ? "" : " in a version that this command knows");
	if (!exchange(c, l, api, c->version, req, &body))
		return false;
	c->err = kp_read(api->res, c->version, body.at, (size_t)body.len, &c->arena, res, NULL);
	if (c->err == RK_OK)
		return true;
	return cmd_client_fail(c, c->err, "%s answered %s version %d in a form that cannot be read (%s)",
	    l->name, api->name, c->version, rk_err_name(c->err));
}

bool
cmd_client_call(struct cmd_client *c, int32_t node, int16_t key, const void *req, void *res)
{
	return cmd_client_call_max(c, node, key, INT16_MAX, req, res);
}

bool
cmd_client_knows(struct cmd_client *c, int16_t key, int16_t *min, int16_t *max)
{
	if (c->links == 0 || key < 0 || key >= KEYS || c->link[0].max[key] < 0)
		return false;
	*min = c->link[0].min[key];
	*max = c->link[0].max[key];
	return true;
}

bool
cmd_client_describe(struct cmd_client *c, bool fenced, struct kp_describe_cluster_res *res)
{
	struct kp_describe_cluster_req req;

	kp_defaults(kp_api(KP_DESCRIBE_CLUSTER)->req, &req);
	req.endpoint_type = c->controllers ? 2 : 1;
	req.include_fenced_brokers = fenced;
	return cmd_client_call(c, CMD_ANY, KP_DESCRIBE_CLUSTER, &req, res)
	       && cmd_client_good(c, res->error_code, res->error_message);
}

static bool
brokers_of_controller(struct cmd_client *c)
{
	struct kp_describe_cluster_res res;

	if (!cmd_client_describe(c, false, &res))
		return false;
	c->brokers = (uint32_t)rk_max(res.brokers.len, 0);
	c->broker = rk_arena_get(&c->arena, c->brokers, sizeof *c->broker);
	for (uint32_t i = 0; i < c->brokers; i++)
		c->broker[i] = (struct cmd_broker){res.brokers.at[i].broker_id,
		    res.brokers.at[i].port, res.brokers.at[i].host, res.brokers.at[i].rack};
	c->controller = res.controller_id;
	c->cluster_id = res.cluster_id;
	return true;
}

bool
cmd_client_brokers(struct cmd_client *c)
{
	struct kp_metadata_req req;
	struct kp_metadata_res res;

	if (c->controllers)
		return brokers_of_controller(c);
	kp_defaults(kp_api(KP_METADATA)->req, &req);
	req.topics.len = 0;
	if (!cmd_client_call(c, CMD_ANY, KP_METADATA, &req, &res))
		return false;
	c->brokers = (uint32_t)rk_max(res.brokers.len, 0);
	c->broker = rk_arena_get(&c->arena, c->brokers, sizeof *c->broker);
	for (uint32_t i = 0; i < c->brokers; i++)
		c->broker[i] = (struct cmd_broker){res.brokers.at[i].node_id,
		    res.brokers.at[i].port, res.brokers.at[i].host, res.brokers.at[i].rack};
	c->controller = res.controller_id;
	c->cluster_id = res.cluster_id;
	return true;
}

const struct cmd_broker *
cmd_client_broker(const struct cmd_client *c, int32_t id)
{
	for (uint32_t i = 0; i < c->brokers; i++)
		if (c->broker[i].id == id)
			return &c->broker[i];
	return NULL;
}

bool
cmd_client_again(struct cmd_client *c, enum rk_err e)
{
	int64_t now = cmd_now_ms();

	if (e == RK_OK || !rk_err_retriable(e))
		return false;
	if (c->give_up_ms == 0)
		c->give_up_ms = now + prop_ms(c, "default.api.timeout.ms", 60000);
	if (now >= c->give_up_ms)
		return false;
	nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	return true;
}

bool
cmd_client_good(struct cmd_client *c, int16_t wire, struct rk_str message)
{
	return wire == 0
	       || cmd_client_fail(c, rk_err_of_wire(wire), "%s", cmd_client_says(c, wire, message));
}

const char *
cmd_client_says(struct cmd_client *c, int16_t wire, struct rk_str message)
{
	enum rk_err e = rk_err_of_wire(wire);

	if (message.len > 0)
		return rk_arena_str(&c->arena, message).at;
	return *rk_err_text(e) != 0 ? rk_err_text(e) : rk_err_name(e);
}
