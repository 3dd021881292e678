/* node.c - start, the beat, stop.
 *
 * Start: the directories, the metadata log and image, the quorum. A sole voter leads at once; when its first
 * records are committed the broker half loads the logs, registers and serves (broker.c). Stop: no
 * new frames, the logs synced, the checkpoints, the image, and last the clean-shutdown marker. */
#include "base/mem.h"
#include "base/say.h"
#include "src/core/group.h"
#include "src/core/txn.h"
#include "src/node/inside.h"
#include "src/node/peer.h"

enum { STOP_WITHIN_MS = 30000, LEAVE_WITHIN_MS = 15000, LEAVE_LOOK_MS = 2000, LEAVE_SILENT_MS = 6000 };

void
node_fail(struct node *n, const char *why)
{
	if (!n->failed)
		rk_say(RK_FATAL, "This node cannot go on: %s.", why);
	n->failed = true;
}

bool
node_ready(const struct node *n)
{
	return n->ready && !n->stopping && !n->failed;
}

const char *
node_why(const struct node *n)
{
	return node_broker_why(n);
}

bool
node_failed(const struct node *n)
{
	return n->failed;
}

void
node_heard(void *arg, int16_t type, int16_t version, const void *record, int64_t offset)
{
	struct node *n = arg;
	struct meta_view v;

	(void)offset;
	(void)version;
	node_active_heard(n, type);
	node_broker_heard(n, type, record);
	if (n->broker == NULL || !node_broker_loaded(n)) {
		if (!n->conf->is_broker && type == KP_CONFIG_RECORD)
			node_resync(n);
		return; /* core_load will see the image whole */
	}
	meta_view_begin(n->image, &v);
	core_heard(n->core, &v, type, record);
	meta_view_end(&v);
}

/* The image has jumped to a snapshot: no record told of what changed. */
void
node_resync(struct node *n)
{
	struct meta_view v;

	meta_view_begin(n->image, &v);
	if (n->broker != NULL && node_broker_loaded(n))
		core_resync(n->core, &v);
	else if (!n->conf->is_broker)
		core_follow_configs(n->core, &v);
	meta_view_end(&v);
}

static bool
lock_dir(struct node *n, const char *dir)
{
	char path[PATH_MAX];

	if (n->env->world->path_lock == NULL)
		return true;
	snprintf(path, sizeof path, "%.*s/.lock", PATH_MAX - 8, dir);
	enum rk_err err = n->env->world->path_lock(n->env, path);
	if (err == RK_EXISTS)
		rk_say(RK_FATAL, "%s is in use by another process (rookery or Kafka): stop that one first.", dir);
	else if (err != RK_OK)
		rk_say(RK_FATAL, "%s cannot be locked (%s).", path, rk_err_name(err));
	return err == RK_OK;
}

/* A directory of this node, and locked; false: it cannot be used, which has been said. */
static bool
own_dir(struct node *n, const char *path, struct st_meta *out)
{
	struct st_meta m;
	char why[256];
	enum rk_err err = st_meta_read(n->env, path, &m, why);

	if (err == RK_NOT_FOUND) {
		rk_say(RK_FATAL, "The directory %s is not formatted. Run: rookery-storage format -t $(rookery-storage "
		    "random-uuid) -c server.properties", path);
		return false;
	}
	if (err != RK_OK) {
		rk_say(RK_FATAL, "%s/meta.properties cannot be used: %s.", path, why);
		return false;
	}
	if (m.node_id != n->conf->node_id) {
		rk_say(RK_FATAL, "%s belongs to node %d, but node.id is %d: correct log.dirs or node.id.", path,
		    m.node_id, n->conf->node_id);
		return false;
	}
	if (n->cluster_id[0] != '\0' && strcmp(n->cluster_id, m.cluster_id) != 0) {
		rk_say(RK_FATAL, "%s belongs to cluster %s, the directory before it to cluster %s.", path, m.cluster_id,
		    n->cluster_id);
		return false;
	}
	snprintf(n->cluster_id, sizeof n->cluster_id, "%s", m.cluster_id);
	*out = m;
	return lock_dir(n, path);
}

/* A disk that fails at start: with others, and the metadata on another, the node goes on without it. */
static bool
go_without(struct node *n, const char *path, struct st_dir_opened *how)
{
	if (n->conf->dirs.count < 2 || strcmp(path, n->conf->metadata_dir) == 0)
		return false;
	*how = (struct st_dir_opened){ .broker_epoch = -1 };
	n->dir[n->dirs++] = st_dir_offline(n->env, path);
	return true;
}

/* One directory of log.dirs. */
static bool
open_dir(struct node *n, const char *path, struct st_dir_opened *how)
{
	struct st_meta m;
	char why[256];

	if (st_meta_read(n->env, path, &m, why) == RK_KAFKA_STORAGE_ERROR && go_without(n, path, how))
		return true;
	if (!own_dir(n, path, &m))
		return false;
	enum rk_err err = st_dir_open(n->env, path, &m, &n->dir[n->dirs], how);
	if (err == RK_KAFKA_STORAGE_ERROR && go_without(n, path, how))
		return true;
	if (err != RK_OK) {
		rk_say(RK_FATAL, "The directory %s cannot be opened (%s).", path, rk_err_name(err));
		return false;
	}
	n->dirs++;
	return true;
}

/* All of log.dirs; clean only when every one of them carries the same marker. */
static bool
open_dirs(struct node *n, int64_t *previous_epoch)
{
	bool clean = true, any = false;

	n->dir = rk_mem_get(n->conf->dirs.count * sizeof *n->dir);
	n->dir_opened = rk_mem_get(n->conf->dirs.count * sizeof *n->dir_opened);
	*previous_epoch = -1;
	for (uint32_t i = 0; i < n->conf->dirs.count; i++) {
		struct st_dir_opened *how = &n->dir_opened[i];
		if (!open_dir(n, n->conf->dirs.at[i], how))
			return false;
		if (st_dir_failed(n->dir[i]))
			continue;
		if (!how->clean || (any && how->broker_epoch != *previous_epoch))
			clean = false;
		any = true;
		*previous_epoch = how->broker_epoch;
	}
	if (!any) {
		rk_say(RK_FATAL, "None of the directories in log.dirs can be read: look at the disks.");
		return false;
	}
	if (!clean)
		*previous_epoch = -1;
	return true;
}

static bool
open_metadata(struct node *n)
{
	char folder[PATH_MAX], path[PATH_MAX];
	const char *root = n->conf->metadata_dir;
	struct st_meta m;
	bool fresh, among = false;

	for (uint32_t i = 0; i < n->dirs; i++)
		among |= strcmp(st_dir_path(n->dir[i]), root) == 0;
	if (!among && !own_dir(n, root, &m)) /* metadata.log.dir apart from log.dirs */
		return false;

	if ((size_t)snprintf(folder, sizeof folder, "%s/__cluster_metadata-0", root) >= sizeof folder - 8) {
		rk_say(RK_FATAL, "The path %s is too long.", root);
		return false;
	}
	snprintf(path, sizeof path, "%.*s/image", PATH_MAX - 8, folder);
	/* Durably: a vote and a snapshot in a folder that a power cut takes away would be no vote and no snapshot. */
	if (rk_dir_make(n->env, folder) != RK_OK || rk_dir_sync(n->env, root) != RK_OK ||
	    rk_dir_make(n->env, path) != RK_OK) {
		rk_say(RK_FATAL, "%s cannot be made: look at the permissions of %s.", path, root);
		return false;
	}
	if (meta_open(path, &n->image, &fresh) != RK_OK)
		return false;
	n->shared.image = n->image;
	return node_quorum_open(n, folder) == RK_OK;
}

static void
share(struct node *n)
{
	n->shared.env = n->env;
	n->shared.conf = n->conf;
	n->shared.timers = &n->timers;
	n->shared.cluster_id = n->cluster_id;
	n->shared.node_id = n->conf->node_id;
	n->shared.broker_epoch = -1;
	n->shared.leader_id = -1;
	n->shared.unpacked = node_forward_unpacked;
}

enum rk_err
node_start(struct rk_env *env, struct conf *conf, struct node **out)
{
	struct node *n = rk_new(struct node);
	int64_t previous_epoch;

	*out = NULL;
	n->env = env;
	n->conf = conf;
	n->started_ms = rk_now(env);
	rk_list_init(&n->conns);
	rk_list_init(&n->wires);
	share(n);
	node_control_init(n);
	api_on_finish = node_serve_finish;
	api_on_pass = node_serve_pass;
	if (!open_dirs(n, &previous_epoch)) {
		node_free(n);
		return RK_KAFKA_STORAGE_ERROR;
	}
	n->core = core_new(env, conf, &n->timers, conf->node_id, n->dir, n->dir_opened, n->dirs);
	n->shared.core = n->core;
	if (conf->is_broker) {
		n->shared.groups = core_coord_new(n->core, core_group_kind());
		n->shared.txns = core_coord_new(n->core, core_txn_kind());
	}
	node_desk_open(n);
	node_sessions_open(n);
	node_active_open(n);
	node_wishes_open(n);
	node_controller_open(n);
	node_dirs_open(n);
	node_broker_open(n, previous_epoch);
	node_follow_open(n);
	node_isr_open(n);
	if (conf->is_broker) {
		node_txn_open(n);
		node_lag_open(n);
	}
	if (!open_metadata(n)) {
		node_free(n);
		return RK_KAFKA_STORAGE_ERROR;
	}
	if (!conf->is_broker)
		node_resync(n);
	node_flush(n);
	*out = n;
	return RK_OK;
}

void
node_rearm(struct node *n)
{
	int64_t at = rk_timers_next(&n->timers);

	if (at != INT64_MAX)
		n->env->world->wake(n->env, at);
}

void
node_tick(struct node *n, int64_t now_ms)
{
	if (!n->ended)
		rk_timers_run(&n->timers, now_ms);
}

void
node_flush(struct node *n)
{
	if (!n->failed && !n->ended) {
		node_active_turn(n);
		node_broker_turn(n);
		core_flush(n->core);
		node_dirs_turn(n);
		node_control_run(n);
		node_quorum_flush(n);
	}
	node_rearm(n);
}

static void
finish_stop(struct node *n, enum rk_err err)
{
	rk_done *done = n->stopped;

	n->stopped = NULL;
	n->ended = true;
	rk_timer_stop(&n->timers, &n->stop_timer);
	if (err == RK_OK && !n->failed && meta_close(n->image) == RK_OK) {
		n->image = NULL;
		n->shared.image = NULL;
	}
	if (done != NULL)
		done(n->stopped_arg, n->failed ? RK_KAFKA_STORAGE_ERROR : err);
}

static void
quorum_stopped(void *arg, enum rk_err err)
{
	struct node *n = arg;

	if (n->stopped != NULL) /* not given up meanwhile */
		finish_stop(n, err);
}

static void
core_stopped(void *arg, enum rk_err err)
{
	struct node *n = arg;

	if (n->stopped == NULL)
		return;
	if (err == RK_OK)
		node_quorum_stop(n, quorum_stopped, n);
	else
		finish_stop(n, err);
}

static void
stop_late(struct rk_timer *t, int64_t now_ms)
{
	struct node *n = rk_of(t, struct node, stop_timer);

	(void)now_ms;
	rk_say(RK_ERROR, "The logs were not on stable storage within %d s; stopping without the clean-shutdown mark: "
	    "the next start will check them.", STOP_WITHIN_MS / 1000);
	finish_stop(n, RK_REQUEST_TIMED_OUT);
}

/* The broker has left the cluster, or could not. */
static void
close_down(struct node *n)
{
	n->stopping = true;
	n->stop_timer.fire = stop_late;
	rk_timer_set(&n->timers, &n->stop_timer, rk_now(n->env) + STOP_WITHIN_MS);
	core_stop(n->core, n->shared.broker_epoch, core_stopped, n);
}

/* With the controllers stopped or out of reach there is nobody to give leaderships to: no leader, or one that has
 * been silent for longer than a busy machine explains. */
static void
leave_late(struct rk_timer *t, int64_t now_ms)
{
	struct node *n = rk_of(t, struct node, stop_timer);

	int64_t patience = node_broker_heard_since(n, now_ms - LEAVE_LOOK_MS) ? LEAVE_WITHIN_MS
	    : n->shared.leader_id >= 0 && !node_desk_refused(n) ? LEAVE_SILENT_MS : 0;

	if (now_ms - n->leave_ms < patience) {
		rk_say(RK_INFO, "stopping: waiting for node %" PRId32 " to give %" PRIu32 " leaderships to others",
		    n->shared.leader_id, core_leaders_count(n->core));
		rk_timer_set(&n->timers, t, now_ms + LEAVE_LOOK_MS);
		return;
	}
	rk_say(RK_WARN, "Leaderships could not be given away within %" PRId64 " s (%s; %" PRIu32 " are led here): stopping "
	    "all the same.", (now_ms - n->leave_ms) / 1000, n->shared.leader_id < 0 ? "the metadata quorum has no leader"
	    : node_broker_heard_since(n, now_ms - LEAVE_LOOK_MS) ? "the controller waits for other brokers"
	    : "the controller does not answer", core_leaders_count(n->core));
	node_broker_leave_now(n);
	close_down(n);
}

void
node_stop(struct node *n, rk_done *done, void *arg)
{
	rk_assert(n->stopped == NULL && !n->leaving);
	n->leaving = true;
	n->stopped = done;
	n->stopped_arg = arg;
	if (n->failed) {
		close_down(n);
	} else {
		n->stop_timer.fire = leave_late;
		n->leave_ms = rk_now(n->env);
		rk_timer_set(&n->timers, &n->stop_timer, n->leave_ms + LEAVE_LOOK_MS);
		node_broker_leave(n, close_down);
	}
	node_rearm(n);
}

void
node_free(struct node *n)
{
	n->failed = n->ended = true; /* whoever hears that a connection is gone does nothing more */
	node_control_free(n);
	while (!rk_list_empty(&n->conns))
		node_gone(n, rk_of(n->conns.next, struct node_conn, link)->conn);
	node_serve_free(n);
	node_quorum_free(n);
	node_follow_free(n);
	if (n->desk != NULL) {
		node_isr_free(n);
		node_broker_free(n);
		node_wishes_free(n);
		node_controller_free(n);
		node_active_free(n);
		node_sessions_free(n);
		node_desk_free(n);
		node_dirs_free(n);
	}
	node_txn_close(n);
	node_lag_close(n);
	if (n->core != NULL)
		core_free(n->core);
	node_txn_free(n);
	for (uint32_t i = 0; i < n->dirs; i++)
		st_dir_close(n->dir[i]);
	rk_mem_put(n->dir);
	rk_mem_put(n->dir_opened);
	if (n->image != NULL)
		meta_free(n->image);
	node_links_free(n);
	rk_timers_free(&n->timers);
	rk_mem_put(n);
}

static void
gauge(struct rk_out *o, struct rk_arena *a, const char *name, const char *help, double value)
{
	struct rk_str s = rk_arena_print(a, "# HELP %s %s\n# TYPE %s gauge\n%s %.17g\n", name, help, name, name, value);

	if (s.len > 0)
		rk_out_mem(o, s.at, (uint32_t)s.len);
}

struct rk_str
node_metrics(struct node *n, struct rk_arena *a)
{
	struct meta_view v;
	struct rk_out o;

	rk_out_init(&o, a);
	if (n->ended)
		return RK_STR_NULL;
	meta_view_begin(n->image, &v);
	gauge(&o, a, "kafka_controller_kafkacontroller_activecontrollercount", "1 on the active controller.",
	    node_quorum_leads(n));
	gauge(&o, a, "kafka_controller_kafkacontroller_globaltopiccount", "Topics of the cluster.",
	    (double)meta_topics_count(&v));
	gauge(&o, a, "kafka_server_kafkaserver_brokerstate", "3 when the broker serves (Kafka's BrokerState).",
	    n->stopping ? 6 : n->ready ? 3 : 1);
	gauge(&o, a, "kafka_server_raft_metrics_high_watermark", "High watermark of the metadata log.",
	    (double)n->shared.quorum_high);
	gauge(&o, a, "kafka_server_raft_metrics_current_epoch", "Epoch of the metadata quorum.",
	    n->shared.leader_epoch);
	gauge(&o, a, "kafka_server_raft_metrics_current_leader", "Node that leads the metadata quorum.",
	    n->shared.leader_id);
	gauge(&o, a, "kafka_server_socket_server_metrics_connections", "Open connections.",
	    (double)n->connections);
	meta_view_end(&v);
	core_metrics(n->core, &o);
	if (n->shared.groups != NULL)
		core_group_metrics(n->shared.groups, rk_now(n->env), &o);
	node_lag_ask(n);
	return rk_out_flat(&o, a);
}

void
node_reload(struct node *n, const struct conf *fresh)
{
	struct rk_arena a;
	struct meta_view v;

	rk_arena_init(&a, 1u << 20);
	struct conf_notes notes = { .arena = &a };
	uint32_t changed = conf_reload(n->conf, fresh, &notes);
	for (uint32_t i = 0; i < notes.count; i++)
		rk_say(notes.at[i].level, "%.*s", (int)notes.at[i].text.len, notes.at[i].text.at);
	rk_say(RK_INFO, "The configuration was read again: %" PRIu32 " keys changed.", changed);
	if (node_broker_loaded(n)) {
		meta_view_begin(n->image, &v);
		core_reconfigure(n->core, &v);
		meta_view_end(&v);
	}
	rk_arena_free(&a);
}
