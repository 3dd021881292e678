/* http.c - /metrics, /health/live and /health/ready for machines that watch us. */
#include <event2/buffer.h>
#include <event2/http.h>
#include <sys/resource.h>
#include "src/host/world.h"

enum { METRICS_MAX = 64 * 1024 * 1024 };

static void
answer(struct evhttp_request *q, int status, const char *type, const void *text, size_t len)
{
	struct evbuffer *b = evbuffer_new();

	if (b == NULL) {
		evhttp_send_error(q, 500, NULL);
		return;
	}
	evhttp_add_header(evhttp_request_get_output_headers(q), "Content-Type", type);
	evbuffer_add(b, text, len);
	evhttp_send_reply(q, status, status == 200 ? "OK" : status == 404 ? "Not Found" : "Service Unavailable", b);
	evbuffer_free(b);
}

static void
plain(struct evhttp_request *q, int status, const char *line)
{
	answer(q, status, "text/plain; charset=utf-8", line, strlen(line));
}

struct number {
	const char *name, *type, *help;
	uint64_t value;
};

/* What the host itself counts. */
static void
own(struct host_world *w, struct evbuffer *to)
{
	const struct number list[] = {
		{ "rookery_host_connections", "gauge", "Connections open now.", w->conns },
		{ "rookery_host_accepted_total", "counter", "Connections accepted.", w->accepted },
		{ "rookery_host_dialled_total", "counter", "Connections to other nodes begun.", w->dialled },
		{ "rookery_host_requests_total", "counter", "Whole requests received.", w->frames },
		{ "rookery_host_received_bytes_total", "counter", "Bytes received from clients.", w->bytes_in },
		{ "rookery_host_sent_bytes_total", "counter", "Bytes sent to clients.", w->bytes_out },
		{ "rookery_host_cold_reads_total", "counter", "Answers that waited for a worker to read the disk.", w->warmups },
		{ "rookery_host_syncs_total", "counter", "Files synced by workers.", w->syncs },
		{ "rookery_host_files", "gauge", "Files in use, open or not.", w->files.all },
		{ "rookery_host_open_files", "gauge", "Files with an open descriptor.", w->files.open },
		{ "rookery_host_open_files_limit", "gauge", "Descriptors files may have.", w->files.max },
		{ "rookery_host_jobs", "gauge", "Jobs that wait for or run on a worker.", w->pool.queued },
	};

	for (uint32_t i = 0; i < rk_countof(list); i++)
		evbuffer_add_printf(to, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", list[i].name, list[i].help,
		    list[i].name, list[i].type, list[i].name, list[i].value);
}

static void
number(struct evbuffer *to, const char *name, const char *type, const char *help, double value)
{
	evbuffer_add_printf(to, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name, type, name, value);
}

/* The process, under the names every Prometheus client gives them. */
static void
process(struct evbuffer *to)
{
	struct rusage use;
	long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f != NULL) {
		if (fscanf(f, "%ld %ld", &size, &resident) == 2) {
			double page = (double)sysconf(_SC_PAGESIZE);
			number(to, "process_virtual_memory_bytes", "gauge", "Virtual memory.", (double)size * page);
			number(to, "process_resident_memory_bytes", "gauge", "Resident memory.", (double)resident * page);
		}
		fclose(f);
	}
	if (getrusage(RUSAGE_SELF, &use) == 0)
		number(to, "process_cpu_seconds_total", "counter", "CPU time, user and system.",
		    (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec)
			+ (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
}

static void
metrics(struct host_world *w, struct evhttp_request *q)
{
	struct rk_arena a;
	struct evbuffer *b = evbuffer_new();

	if (b == NULL) {
		evhttp_send_error(q, 500, NULL);
		return;
	}
	rk_arena_init(&a, METRICS_MAX);
	struct rk_str s = node_metrics(w->node, &a);
	if (s.len > 0 && !a.over)
		evbuffer_add(b, s.at, (size_t)s.len);
	own(w, b);
	process(b);
	evhttp_add_header(evhttp_request_get_output_headers(q), "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
	evhttp_send_reply(q, 200, "OK", b);
	evbuffer_free(b);
	rk_arena_free(&a);
}

static void
ready(struct host_world *w, struct evhttp_request *q)
{
	const char *why = w->node == NULL ? "starting" : node_why(w->node);
	char line[300];

	snprintf(line, sizeof line, "not ready: %s\n", why == NULL ? "" : why);
	plain(q, why == NULL ? 200 : 503, why == NULL ? "ready\n" : line);
}

static void
on_request(struct evhttp_request *q, void *arg)
{
	struct host_world *w = arg;
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(q));

	if (path == NULL)
		path = "";
	w->called = true;
	host_look_at_clocks(w);
	if (strcmp(path, "/metrics") == 0 && w->node != NULL)
		metrics(w, q);
	else if (strcmp(path, "/health/live") == 0)
		plain(q, 200, "alive\n");
	else if (strcmp(path, "/health/ready") != 0)
		plain(q, 404, "try /metrics, /health/live or /health/ready\n");
	else if (w->stopping)
		plain(q, 503, "not ready: the server is stopping\n");
	else
		ready(w, q);
}

static bool
bind_http(struct host_world *w, const struct host_listen *l)
{
	const char *host = l->host != NULL && l->host[0] != '\0' ? l->host : "0.0.0.0";

	if (evhttp_bind_socket_with_handle(w->http, host, l->port) != NULL)
		return true;
	rk_say(RK_ERROR, "cannot serve metrics on %s:%u: %s; change rookery.http.listeners, or stop what listens "
		"there (see `ss -ltnp`)", host, l->port, strerror(errno));
	return false;
}

bool
host_http_open(struct host_world *w)
{
	if (w->opt.http_count == 0)
		return true;
	w->http = evhttp_new(w->base);
	if (w->http == NULL) {
		rk_say(RK_ERROR, "cannot serve metrics: no memory");
		return false;
	}
	evhttp_set_allowed_methods(w->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(w->http, 8192);
	evhttp_set_max_body_size(w->http, 0);
	evhttp_set_timeout(w->http, 30);
	evhttp_set_gencb(w->http, on_request, w);
	for (uint32_t i = 0; i < w->opt.http_count; i++)
		if (!bind_http(w, &w->opt.http[i]))
			return false;
	return true;
}

void
host_http_close(struct host_world *w)
{
	if (w->http != NULL)
		evhttp_free(w->http);
	w->http = NULL;
}
