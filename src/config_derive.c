/* config_derive.c - what several keys say together: roles, listeners, voters, directories. */
#include <ctype.h>
#include "src/config_in.h"
#include "base/mem.h"

/* A text that lives as long as the conf: whoever listens holds on to names while they change. */
static const char *
keep(struct conf *c, struct rk_str s, bool upper)
{
	size_t len = (size_t)rk_max(s.len, 0);
	struct conf_kept *k = rk_mem_get(sizeof *k + len + 1);

	if (len > 0)
		memcpy(k->text, s.at, len);
	for (char *q = k->text; upper && *q != '\0'; q++)
		*q = (char)toupper((unsigned char)*q);
	k->next = c->kept;
	c->kept = k;
	return k->text;
}

static bool
name_in(struct conf_list l, const char *upper_name)
{
	for (uint32_t i = 0; i < l.count; i++)
		if (strcasecmp(l.at[i], upper_name) == 0)
			return true;
	return false;
}

static const char *const protocols[] = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"};

const char *
conf_security_name(enum conf_security s)
{
	rk_assert((size_t)s < rk_countof(protocols));
	return protocols[s];
}

static int
protocol_of(struct rk_str name)
{
	for (size_t i = 0; i < rk_countof(protocols); i++)
		if (rk_str_is(name, protocols[i]))
			return (int)i;
	return -1;
}

/* Words as Kafka prints a list: "[a, b]", or joined by sep without brackets. */
static void
join(char *to, size_t size, struct conf_list l, const char *sep)
{
	size_t at = 0;

	to[0] = '\0';
	for (uint32_t i = 0; i < l.count && at < size; i++)
		at += (size_t)snprintf(to + at, size - at, "%s%s", i > 0 ? sep : "", l.at[i]);
}

/* ---- endpoints
 * ------------------------------------------------------------------------------------ */

struct endpoint {
	struct rk_str name, host;
	int32_t port;
};

/* [HOST]:PORT or HOST:PORT, from the last colon. */
static bool
host_port(struct rk_str s, struct endpoint *e)
{
	int64_t port;
	int32_t colon = s.len - 1;

	while (colon >= 0 && s.at[colon] != ':')
		colon--;
	if (colon < 0)
		return false;
	struct rk_str digits = {s.at + colon + 1, s.len - colon - 1};
	if (!rk_str_int(digits, &port) || port < 0 || port > INT32_MAX)
		return false;
	e->host = (struct rk_str){s.at, colon};
	if (e->host.len >= 2 && e->host.at[0] == '[' && e->host.at[e->host.len - 1] == ']')
		e->host = (struct rk_str){e->host.at + 1, e->host.len - 2};
	for (int32_t i = 0; i < e->host.len; i++)
		if (!isalnum((unsigned char)e->host.at[i])
		    && strchr("-%._:", e->host.at[i]) == NULL)
			return false;
	e->port = (int32_t)port;
	return true;
}

static bool
endpoint(const char *text, struct endpoint *e)
{
	const char *sep = strstr(text, "://");

	if (sep == NULL)
		return false;
	e->name = (struct rk_str){text, (int32_t)(sep - text)};
	return host_port(rk_str_of(sep + 3), e);
}

static int
family(const char *host)
{
	return strchr(host, ':') != NULL                                        ? 6
	       : host[0] != '\0' && strspn(host, "0123456789.") == strlen(host) ? 4
										: 0;
}

/* ---- the map from listeners to protocols
 * ----------------------------------------------------------- */

static bool
secured(struct conf_list names)
{
	for (uint32_t i = 0; i < names.count; i++) {
		const char *end = strstr(names.at[i], "://");
		struct rk_str n = {names.at[i],
		    (int32_t)(end != NULL ? (size_t)(end - names.at[i]) : strlen(names.at[i]))};
		char upper[128];
		rk_str_copy(upper, sizeof upper, n);
		for (char *p = upper; *p != '\0'; p++)
			*p = (char)toupper((unsigned char)*p);
		if (protocol_of(rk_str_of(upper)) > CONF_PLAINTEXT)
			return true;
	}
	return false;
}

static bool
map_is_default(const struct conf *c)
{
	int8_t source;

	(void)conf_effective(c,
	    conf_index(conf_row_find(CONF_BROKERS, rk_lit("listener.security.protocol.map"))),
	    &source);
	return source == CONF_FROM_DEFAULT;
}

/* The protocol of a listener; -1: the map has none. A controller's listener without a row is plain
 * as long as nothing shows that somebody wanted security. */
static int
protocol_for(const struct conf *c, const char *name)
{
	struct rk_str rest = rk_str_of(c->listener_security_protocol_map), one;

	while (conf_cut(&rest, ',', &one)) {
		const char *colon = one.len > 0 ? memrchr(one.at, ':', (size_t)one.len) : NULL;
		if (colon == NULL)
			continue;
		struct rk_str key = conf_trim((struct rk_str){one.at, (int32_t)(colon - one.at)});
		struct rk_str to = {colon + 1, (int32_t)(one.at + one.len - colon - 1)};
		if (key.len == (int32_t)strlen(name)
		    && strncasecmp(key.at, name, (size_t)key.len) == 0)
			return protocol_of(conf_trim(to));
	}
	if (map_is_default(c) && name_in(c->controller_listener_names, name)
	    && !secured(c->controller_listener_names) && !secured(c->listeners))
		return CONF_PLAINTEXT;
	return -1;
}

static bool
map_is_sound(const struct conf *c, struct conf_notes *n)
{
	struct rk_str rest = rk_str_of(c->listener_security_protocol_map), one;

	while (conf_cut(&rest, ',', &one)) {
		const char *colon = one.len > 0 ? memrchr(one.at, ':', (size_t)one.len) : NULL;
		if (one.len > 0 && colon == NULL) {
			conf_say(n, RK_ERROR, NULL,
			    "Error parsing configuration property "
			    "'listener.security.protocol.map': begin 0, end -1, length %d",
			    one.len);
			return false;
		}
		if (one.len == 0)
			continue;
		struct rk_str to = {colon + 1, (int32_t)(one.at + one.len - colon - 1)};
		if (protocol_of(conf_trim(to)) < 0) {
			conf_say(n, RK_ERROR, NULL,
			    "Invalid security protocol `%.*s` defined in "
			    "listener.security.protocol.map",
			    to.len, to.at);
			return false;
		}
	}
	return true;
}

/* ---- listeners
 * ------------------------------------------------------------------------------------ */

static bool
unlike(const struct conf *c, uint32_t last, const char *all, struct conf_notes *n)
{
	const struct conf_listener *l = &c->listener[last];

	for (uint32_t i = 0; i < last; i++) {
		const struct conf_listener *o = &c->listener[i];
		if (strcmp(l->name, o->name) == 0) {
			conf_say(n, RK_ERROR, NULL,
			    "Error creating broker listeners from '[%s]': Each listener must "
			    "have a different name, listeners: [%s]",
			    all, all);
			return false;
		}
		int a = family(l->host), b = family(o->host);
		if (l->port != 0 && l->port == o->port
		    && !((a == 4 && b == 6) || (a == 6 && b == 4))) {
			conf_say(n, RK_ERROR, NULL,
			    "Error creating broker listeners from '[%s]': If you have two "
			    "listeners on the same port then one needs to be IPv4 and the other "
			    "IPv6, listeners: [%s], port: %d",
			    all, all, l->port);
			return false;
		}
	}
	return true;
}

static bool
add_listener(struct conf *c, const char *text, const char *all, struct conf_notes *n)
{
	struct endpoint e;
	struct conf_listener *l = &c->listener[c->listener_count];
	int protocol;

	if (strstr(text, "://") == NULL) {
		conf_say(n, RK_ERROR, NULL, "Unable to parse a listener name from %s", text);
		return false;
	}
	if (!endpoint(text, &e)) {
		conf_say(n, RK_ERROR, NULL,
		    "Error creating broker listeners from '[%s]': Unable to parse %s to a broker "
		    "endpoint",
		    all, text);
		return false;
	}
	if (c->listener_count == CONF_LISTENERS) {
		conf_say(n, RK_ERROR, NULL, "listeners has more than %d entries", CONF_LISTENERS);
		return false;
	}
	*l = (struct conf_listener){
	    .name = keep(c, e.name, true), .host = keep(c, e.host, false), .port = e.port};
	protocol = protocol_for(c, l->name);
	if (protocol < 0) {
		conf_say(n, RK_ERROR, NULL,
		    "Error creating broker listeners from '[%s]': No security protocol defined "
		    "for listener %s",
		    all, l->name);
		return false;
	}
	l->protocol = (enum conf_security)protocol;
	l->is_controller = name_in(c->controller_listener_names, l->name);
	return unlike(c, c->listener_count++, all, n);
}

static struct conf_listener *
listener_named(struct conf *c, struct rk_str name)
{
	for (uint32_t i = 0; i < c->listener_count; i++)
		if (name.len == (int32_t)strlen(c->listener[i].name)
		    && strncasecmp(c->listener[i].name, name.at, (size_t)name.len) == 0)
			return &c->listener[i];
	return NULL;
}

/* Names of all listeners (or of the advertised ones that are not controllers'), comma-joined. */
static void
names(const struct conf *c, bool advertised, char *to, size_t size)
{
	size_t at = 0;

	to[0] = '\0';
	for (uint32_t i = 0; i < c->listener_count && at < size; i++) {
		const struct conf_listener *l = &c->listener[i];
		if (!advertised || (l->advertised_host != NULL && !l->is_controller))
			at += (size_t)snprintf(
			    to + at, size - at, "%s%s", at > 0 ? "," : "", l->name);
	}
}

static void
unknown_advertised(struct conf *c, struct conf_notes *n)
{
	char found[1024] = "", known[1024];
	size_t at = 0;
	struct endpoint e;

	for (uint32_t i = 0; i < c->advertised_listeners.count && at < sizeof found; i++)
		if (endpoint(c->advertised_listeners.at[i], &e))
			at += (size_t)snprintf(found + at, sizeof found - at, "%s%.*s",
			    at > 0 ? "," : "", e.name.len, e.name.at);
	names(c, false, known, sizeof known);
	conf_say(n, RK_ERROR, NULL,
	    "requirement failed: advertised.listeners listener names must be equal to or a "
	    "subset of the ones defined in listeners. Found %s. The valid options based on the "
	    "current configuration are %s",
	    found, known);
}

static bool
advertise(struct conf *c, struct conf_notes *n)
{
	char all[2048];
	struct endpoint e;

	join(all, sizeof all, c->advertised_listeners, ", ");
	for (uint32_t i = 0; i < c->advertised_listeners.count; i++) {
		const char *text = c->advertised_listeners.at[i];
		if (!endpoint(text, &e)) {
			conf_say(n, RK_ERROR, NULL,
			    "Error creating broker listeners from '[%s]': Unable to parse %s to "
			    "a broker endpoint",
			    all, text);
			return false;
		}
		struct conf_listener *l = listener_named(c, e.name);
		if (l == NULL && c->is_broker) {
			unknown_advertised(c, n);
			return false;
		}
		if (l == NULL)
			continue;
		if (l->advertised_host != NULL) {
			conf_say(n, RK_ERROR, NULL,
			    "Error creating broker listeners from '[%s]': Each listener must "
			    "have a different name, listeners: [%s]",
			    all, all);
			return false;
		}
		l->advertised_host = keep(c, e.host, false);
		l->advertised_port = e.port;
	}
	/* Without the key every listener is advertised; a controller's own one is in any case. */
	for (uint32_t i = 0; i < c->listener_count; i++) {
		struct conf_listener *l = &c->listener[i];
		if (l->advertised_host == NULL
		    && (c->advertised_listeners.count == 0 || l->is_controller)) {
			l->advertised_host = l->host;
			l->advertised_port = l->port;
		}
	}
	return true;
}

static bool
key_is_set(const struct conf *c, const char *name)
{
	int8_t source;

	(void)conf_effective(c, conf_index(conf_row_find(CONF_BROKERS, rk_str_of(name))), &source);
	return source != CONF_FROM_DEFAULT;
}

static bool
inter_broker(struct conf *c, struct conf_notes *n)
{
	char known[1024];
	const char *name = c->inter_broker_listener_name;

	if (name != NULL && key_is_set(c, "security.inter.broker.protocol")) {
		conf_say(n, RK_ERROR, NULL,
		    "Only one of inter.broker.listener.name and security.inter.broker.protocol "
		    "should be set.");
		return false;
	}
	if (name != NULL && protocol_for(c, name) < 0) {
		conf_say(n, RK_ERROR, NULL,
		    "Listener with name %s defined in inter.broker.listener.name not found in "
		    "listener.security.protocol.map.",
		    name);
		return false;
	}
	struct conf_listener *l =
	    listener_named(c, rk_str_of(name != NULL ? name : c->security_inter_broker_protocol));
	if (!c->is_broker)
		return true;
	if (l == NULL || l->advertised_host == NULL || l->is_controller) {
		names(c, true, known, sizeof known);
		conf_say(n, RK_ERROR, NULL,
		    "requirement failed: inter.broker.listener.name must be a listener name "
		    "defined in advertised.listeners. The valid options based on currently "
		    "configured listeners are %s",
		    known);
		return false;
	}
	l->is_inter_broker = true;
	return true;
}

static bool
early_start(const struct conf *c, struct conf_notes *n)
{
	for (uint32_t i = 0; i < c->early_start_listeners.count; i++) {
		const char *name = c->early_start_listeners.at[i];
		if (listener_named((struct conf *)(uintptr_t)c, rk_str_of(name)) == NULL
		    && !name_in(c->controller_listener_names, name)) {
			conf_say(n, RK_ERROR, NULL,
			    "early.start.listeners contains listener %s, but this is not "
			    "contained in listeners or controller.listener.names",
			    name);
			return false;
		}
	}
	return true;
}

static bool
broker_listeners(const struct conf *c, struct conf_notes *n)
{
	bool any = false;

	for (uint32_t i = 0; i < c->listener_count; i++) {
		const struct conf_listener *l = &c->listener[i];
		if (l->is_controller || l->advertised_host == NULL)
			continue;
		any = true;
		if (strcmp(l->advertised_host, "0.0.0.0") == 0) {
			conf_say(n, RK_ERROR, NULL,
			    "requirement failed: advertised.listeners cannot use the nonroutable "
			    "meta-address 0.0.0.0. Use a routable IP address.");
			return false;
		}
	}
	if (!any)
		conf_say(n, RK_ERROR, NULL,
		    "requirement failed: There must be at least one broker advertised listener. "
		    "Perhaps all listeners appear in controller.listener.names?");
	return any;
}

/* ---- the quorum
 * ------------------------------------------------------------------------------------ */

static bool
parse_voters(struct conf *c, struct conf_notes *n)
{
	static const char form[] = "Each entry should be in the form `{id}@{host}:{port}`.";
	struct endpoint e;
	int64_t id;

	for (uint32_t i = 0; i < c->controller_quorum_voters.count; i++) {
		struct rk_str all = rk_str_of(c->controller_quorum_voters.at[i]);
		const char *at = strchr(all.at, '@');
		if (at == NULL) {
			conf_say(n, RK_ERROR, NULL,
			    "Invalid configuration value for controller.quorum.voters. %s", form);
			return false;
		}
		struct rk_str digits = {all.at, (int32_t)(at - all.at)};
		if (!rk_str_int(digits, &id) || id < 0 || id > INT32_MAX) {
			conf_say(n, RK_ERROR, NULL,
			    "Failed to parse voter ID as an integer from %.*s", digits.len,
			    digits.at);
			return false;
		}
		if (!host_port(rk_str_of(at + 1), &e)) {
			conf_say(n, RK_ERROR, NULL,
			    "Failed to parse host name from entry %s for the configuration "
			    "controller.quorum.voters. %s",
			    all.at, form);
			return false;
		}
		if (c->voter_count == CONF_VOTERS) {
			conf_say(n, RK_ERROR, NULL,
			    "controller.quorum.voters has more than %d entries", CONF_VOTERS);
			return false;
		}
		c->voter[c->voter_count++] =
		    (struct conf_voter){keep(c, e.host, false), (int32_t)id, e.port};
	}
	return true;
}

static bool
parse_bootstrap(struct conf *c, struct conf_notes *n)
{
	struct endpoint e;

	for (uint32_t i = 0; i < c->controller_quorum_bootstrap_servers.count; i++) {
		const char *text = c->controller_quorum_bootstrap_servers.at[i];
		if (!host_port(rk_str_of(text), &e) || c->bootstrap_count == CONF_VOTERS) {
			conf_say(n, RK_ERROR, NULL,
			    "Failed to parse host name from %s for the configuration "
			    "controller.quorum.bootstrap.servers. Each entry should be in the "
			    "form \"{host}:{port}\"",
			    text);
			return false;
		}
		c->bootstrap[c->bootstrap_count++] =
		    (struct conf_voter){keep(c, e.host, false), -1, e.port};
	}
	if (c->bootstrap_count == 0 && c->voter_count == 0) {
		conf_say(n, RK_ERROR, NULL,
		    "If using process.roles, either controller.quorum.bootstrap.servers must "
		    "contain the set of bootstrap controllers or controller.quorum.voters must "
		    "contain a parseable set of controllers.");
		return false;
	}
	return true;
}

static bool
voter_roles(const struct conf *c, struct conf_notes *n)
{
	char set[1024];
	size_t at = 0;
	bool am_voter = false;

	for (uint32_t i = 0; i < c->voter_count && at < sizeof set; i++) {
		am_voter = am_voter || c->voter[i].id == c->node_id;
		at += (size_t)snprintf(
		    set + at, sizeof set - at, "%s%d", i > 0 ? ", " : "", c->voter[i].id);
	}
	if (c->is_controller && c->voter_count > 0 && !am_voter)
		conf_say(n, RK_ERROR, NULL,
		    "requirement failed: If process.roles contains the 'controller' role, the "
		    "node id %d must be included in the set of voters "
		    "controller.quorum.voters=Set(%s)",
		    c->node_id, set);
	else if (!c->is_controller && am_voter)
		conf_say(n, RK_ERROR, NULL,
		    "requirement failed: If process.roles contains just the 'broker' role, the "
		    "node id %d must not be included in the set of voters "
		    "controller.quorum.voters=Set(%s)",
		    c->node_id, set);
	else
		return true;
	return false;
}

static bool
listener_roles(const struct conf *c, struct conf_notes *n)
{
	uint32_t of_controller = 0;
	const char *says = NULL;

	for (uint32_t i = 0; i < c->listener_count; i++)
		of_controller += c->listener[i].is_controller;
	if (!c->is_controller && of_controller > 0)
		says = "controller.listener.names must not contain a value appearing in the "
		       "'listeners' configuration when running KRaft with just the broker role";
	else if (!c->is_broker && of_controller < c->listener_count)
		says = "The listeners config must only contain KRaft controller listeners from "
		       "controller.listener.names when process.roles=controller";
	else if (c->is_controller && of_controller == 0)
		says = "controller.listener.names must contain at least one value appearing in "
		       "the 'listeners' configuration when running the KRaft controller role";
	if (says != NULL)
		conf_say(n, RK_ERROR, NULL, "requirement failed: %s", says);
	return says == NULL;
}

static bool
http_addresses(const struct conf *c, struct conf_notes *n)
{
	struct endpoint e;

	for (uint32_t i = 0; i < c->rookery_http_listeners.count; i++) {
		const char *text = c->rookery_http_listeners.at[i];
		if (host_port(rk_str_of(text), &e) && e.port <= UINT16_MAX)
			continue;
		conf_say(n, RK_ERROR, NULL,
		    "Invalid value %s for configuration rookery.http.listeners: each entry should "
		    "be in "
		    "the form {host}:{port}",
		    text);
		return false;
	}
	return true;
}

static void
derive(struct conf *c, struct conf_notes *n)
{
	char all[2048];

	c->listener_count = c->voter_count = c->bootstrap_count = 0;
	c->is_broker = conf_list_has(c->process_roles, "broker");
	c->is_controller = conf_list_has(c->process_roles, "controller");
	c->dirs = c->log_dirs.count > 0 ? c->log_dirs : c->log_dir;
	c->metadata_dir = c->metadata_log_dir != NULL ? c->metadata_log_dir : c->dirs.at[0];
	if (!map_is_sound(c, n))
		return;
	join(all, sizeof all, c->listeners, ", ");
	for (uint32_t i = 0; i < c->listeners.count; i++)
		if (!add_listener(c, c->listeners.at[i], all, n))
			return;
	if (!http_addresses(c, n) || !parse_voters(c, n) || !parse_bootstrap(c, n)
	    || !voter_roles(c, n) || !listener_roles(c, n) || !early_start(c, n)
	    || !advertise(c, n))
		return;
	if (c->is_broker && !broker_listeners(c, n))
		return;
	(void)!inter_broker(c, n);
}

void
conf_derive(struct conf *c, struct conf_notes *n)
{
	struct conf_listener old[CONF_LISTENERS];
	uint32_t count = c->listener_count, errors = n->errors;

	memcpy(old, c->listener, sizeof old);
	derive(c, n);
	/* A node goes on with the listeners it has rather than with half of the new ones. */
	if (n->errors > errors && count > 0) {
		memcpy(c->listener, old, sizeof old);
		c->listener_count = count;
	}
}
