/* settings.c - from server.properties' words to the host's. */
#include "src/config.h"
#include "src/host/world.h"

enum { TUNED_BYTES = 102400 }; /* Kafka's default for socket buffers */

/* Kafka's default would switch the kernel's tuning off, which costs throughput on a fast network: only a
 * value that somebody chose is passed on. */
static int
buffer(int32_t bytes)
{
	return bytes > 0 && bytes != TUNED_BYTES ? bytes : 0;
}

/* "host:port", the host perhaps in brackets. */
static bool
http_address(const char *text, char host[256], uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	int64_t n;

	if (colon == NULL || !rk_str_int(rk_str_of(colon + 1), &n) || n < 1 || n > UINT16_MAX)
		return false;
	size_t len = (size_t)(colon - text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len >= 256)
		return false;
	rk_str_copy(host, 256, (struct rk_str){ text, (int32_t)len });
	*port = (uint16_t)n;
	return true;
}

static bool
http_listeners(struct host_settings *s, const struct conf *c)
{
	for (uint32_t i = 0; i < c->rookery_http_listeners.count; i++) {
		const char *text = c->rookery_http_listeners.at[i];
		if (i == rk_countof(s->http) || !http_address(text, s->http_host[i], &s->http[i].port)) {
			rk_say(RK_ERROR, "rookery.http.listeners: \"%s\" is not host:port, or is one too many (%zu may be)",
			    text, rk_countof(s->http));
			return false;
		}
		s->http[i].host = s->http_host[i];
		s->options.http_count++;
	}
	return true;
}

bool
host_settings_of(struct host_settings *s, struct conf *c)
{
	_Static_assert(rk_countof(s->listen) == CONF_LISTENERS, "every listener has a place");
	*s = (struct host_settings){ .options = {
		.listen = s->listen,
		.listen_count = c->listener_count,
		.backlog = c->socket_listen_backlog_size,
		.http = s->http,
		.workers = (uint32_t)rk_min(8, c->background_threads),
		.request_max_bytes = (uint32_t)c->socket_request_max_bytes,
		.idle_ms = c->connections_max_idle_ms < 0 ? INT64_MAX / 4 : rk_max(c->connections_max_idle_ms, 1),
		.connect_ms = rk_max(c->socket_connection_setup_timeout_ms, 1),
		.receive_bytes = buffer(c->socket_receive_buffer_bytes),
		.send_bytes = buffer(c->socket_send_buffer_bytes),
		.conf = c,
	} };
	for (uint32_t i = 0; i < c->listener_count; i++)
		s->listen[i] = (struct host_listen){ c->listener[i].host, (uint16_t)c->listener[i].port, i };
	return http_listeners(s, c);
}
