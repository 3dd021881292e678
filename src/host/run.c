/* run.c - one server process: listeners, node, signals, the end. */
#include <event2/event.h>
#include <signal.h>
#include "src/host/world.h"

enum { SAME_MS = 500 };

static void
node_stopped(void *arg, enum rk_err err)
{
	struct host_world *w = arg;

	w->stopped = true;
	if (err != RK_OK) {
		rk_say(RK_ERROR, "the node could not stop cleanly (%s): the next start checks its logs", rk_err_name(err));
		w->status = 1;
	}
}

/* `timeout`, `sudo` and terminals like to deliver a signal both to us and to our process group: what follows
 * within SAME_MS is the same wish. */
void
host_quit(struct host_world *w)
{
	if (w->stopping && w->now_ms - w->quit_ms < SAME_MS)
		return;
	if (w->stopping) {
		rk_say(RK_WARN, "told to stop a second time: leaving at once; the next start checks the logs");
		w->status = 1;
		w->stopped = true;
		return;
	}
	w->stopping = true;
	w->quit_ms = w->now_ms;
	rk_say(RK_INFO, "stopping; a second signal ends it at once");
	host_notify("STOPPING=1");
	host_listen_close(w);
	w->called = true;
	node_stop(w->node, node_stopped, w);
}

static void
on_term(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	host_look_at_clocks(arg);
	host_quit(arg);
}

static void
on_hup(evutil_socket_t sig, short what, void *arg)
{
	struct host_world *w = arg;

	(void)sig;
	(void)what;
	host_look_at_clocks(w);
	if (w->opt.reload == NULL || w->stopping)
		return;
	char word[64];
	snprintf(word, sizeof word, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, w->now_ms * 1000);
	host_notify(word);
	w->called = true;
	w->opt.reload(w->opt.reload_arg, w->node);
	host_notify("READY=1");
}

static void
signals(struct host_world *w)
{
	signal(SIGPIPE, SIG_IGN);
	evsignal_assign(&w->term, w->base, SIGTERM, on_term, w);
	evsignal_assign(&w->intr, w->base, SIGINT, on_term, w);
	evsignal_assign(&w->hup, w->base, SIGHUP, on_hup, w);
	event_add(&w->term, NULL);
	event_add(&w->intr, NULL);
	event_add(&w->hup, NULL);
}

/* Listeners are bound before the node starts, so that a taken port is noticed before anything is
 * recovered or written, and opened after. */
static bool
start(struct host_world *w)
{
	rk_say(RK_INFO, "descriptors that may be open: %" PRIu32 " for files, %" PRIu32 " for connections",
	    w->opt.files_max, w->opt.conns_max);
	signals(w);
	if (!host_listen_bind(w))
		return false;
	w->called = true;
	if (node_start(&w->env, w->opt.conf, &w->node) != RK_OK)
		return false;
	if (!host_http_open(w) || !host_listen_open(w))
		return false;
	host_notify("READY=1");
	if (w->opt.started != NULL)
		w->opt.started(w->opt.started_arg, w);
	return true;
}

/* A node that cannot go on has said why; it is stopped like any other, for what can be saved. */
static void
give_up(struct host_world *w)
{
	if (w->stopping || !node_failed(w->node))
		return;
	w->status = 1;
	host_quit(w);
}

int
host_run(const struct host_options *o)
{
	struct host_world *w = host_open(o);

	if (w == NULL)
		return 1;
	if (start(w))
		while (!w->stopped) {
			host_round(w, -1);
			give_up(w);
		}
	else
		w->status = 1;
	host_listen_close(w);
	host_http_close(w);
	if (w->node != NULL) {
		host_conns_close(w);
		host_stop_workers(w);
		node_free(w->node);
		w->node = NULL;
	}
	event_del(&w->term);
	event_del(&w->intr);
	event_del(&w->hup);
	int status = w->status;
	rk_say(RK_INFO, status == 0 ? "stopped" : "ended with an error");
	host_close(w);
	return status;
}
