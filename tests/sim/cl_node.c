/* cl_node.c - nodes of cluster_sim: formatted, started, killed, stopped. See cluster.h. */
#include <sys/stat.h>
#include "protocol/gen/control_records.h"
#include "src/node/inside.h"
#include "storage/dir.h"
#include "tests/sim/cluster.h"

enum { CLIENTS_PORT = 9092, QUORUM_PORT = 9093 };

/* --- the node through the world's eyes */

static struct node *
inner(void *of)
{
	struct cl_node *n = of;

	n->cl->speaks = n->id;
	return n->node;
}

static void
h_opened(void *n, struct rk_conn *c, uint32_t listener)
{
	node_opened(inner(n), c, listener);
}

static void
h_frame(void *n, struct rk_conn *c, void *frame, uint32_t len)
{
	node_frame(inner(n), c, frame, len);
}

static void
h_sent(void *n, struct rk_conn *c)
{
	node_sent(inner(n), c);
}

static void
h_gone(void *n, struct rk_conn *c)
{
	node_gone(inner(n), c);
}

static void
h_tick(void *n, int64_t now_ms)
{
	node_tick(inner(n), now_ms);
}

static void
h_flush(void *n)
{
	node_flush(inner(n));
}

static void
h_reached(void *n, struct rk_conn *c)
{
	node_reached(inner(n), c);
}

static const struct sim_hooks hooks = { h_opened, h_frame, h_sent, h_gone, h_tick, h_flush, h_reached };

/* --- formatted */

struct rk_uuid
cl_dir_id(int32_t id, uint8_t which)
{
	struct rk_uuid u = { { 'd', 'i', 'r', which, (uint8_t)id, 1 } };

	return u;
}

/* The voters of a dynamic quorum, as rookery-storage format --initial-controllers writes them. */
static bool
format_voters(struct cl_node *n)
{
	struct kp_voters_record r;
	struct kp_voters_record_voters voter[CL_NODES];
	struct kp_voters_record_voters_endpoints end[CL_NODES];
	struct rk_env *e = &n->w.env;
	struct cl *cl = n->cl;
	char path[200];

	kp_defaults(&kp_voters_record_d, &r);
	for (uint32_t i = 0; i < cl->plan.controllers; i++) {
		end[i] = (struct kp_voters_record_voters_endpoints){ .name = rk_lit("CONTROLLER"),
			.host = rk_str_of(cl->node[i].host), .port = QUORUM_PORT };
		voter[i] = (struct kp_voters_record_voters){ .voter_id = cl->node[i].id,
			.voter_directory_id = cl_dir_id(cl->node[i].id, 0), .endpoints = { &end[i], 1 } };
		voter[i].kraft_version_feature.max_supported_version = 1;
	}
	r.voters.at = voter;
	r.voters.len = (int32_t)cl->plan.controllers;
	snprintf(path, sizeof path, "%s/__cluster_metadata-0", n->meta);
	if (rk_dir_make(e, path) != RK_OK || rk_dir_sync(e, n->meta) != RK_OK)
		return false;
	snprintf(path, sizeof path, "%s/__cluster_metadata-0/%020d-%010d.checkpoint", n->meta, 0, 0);
	return meta_write_voters(e, path, 1, &r, rk_wall(e)) == RK_OK;
}

static void
format(struct cl_node *n)
{
	struct rk_env *e = &n->w.env;
	bool good = sim_format(e, n->meta, n->id, cl_dir_id(n->id, 0))
	    && (!n->broker || sim_format(e, n->data, n->id, cl_dir_id(n->id, 1)))
	    && (n->second[0] == 0 || sim_format(e, n->second, n->id, cl_dir_id(n->id, 200)));

	if (good && n->cl->plan.dynamic && n->controller)
		good = format_voters(n);
	if (!good)
		cl_fail(n->cl, "node %d cannot be formatted", n->id);
}

static uint32_t
pair(struct rk_arena *a, const char **at, uint32_t count, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	char *to = rk_arena_raw(a, (size_t)n + 1);
	memcpy(to, text, (size_t)n + 1);
	at[count] = to;
	return count + 1;
}

static void
configure(struct cl_node *n)
{
	struct cl_plan *p = &n->cl->plan;
	struct rk_arena *a = &n->conf_arena;
	struct conf_notes notes = { .arena = a };
	const char *at[48];
	char voters[160] = "", servers[160] = "";
	uint32_t k = 0;

	rk_arena_init(a, SIZE_MAX);
	for (uint32_t i = 0; i < p->controllers; i++) {
		const struct cl_node *v = &n->cl->node[i];
		snprintf(voters + strlen(voters), sizeof voters - strlen(voters), "%s%d@%s:9093", i > 0 ? "," : "", v->id, v->host);
		snprintf(servers + strlen(servers), sizeof servers - strlen(servers), "%s%s:9093", i > 0 ? "," : "", v->host);
	}
	k = pair(a, at, k, "process.roles=%s%s%s", n->broker ? "broker" : "", n->broker && n->controller ? "," : "",
	    n->controller ? "controller" : "");
	k = pair(a, at, k, "node.id=%d", n->id);
	k = p->dynamic ? pair(a, at, k, "controller.quorum.bootstrap.servers=%s", servers)
	    : pair(a, at, k, "controller.quorum.voters=%s", voters);
	k = pair(a, at, k, "controller.listener.names=CONTROLLER");
	if (n->broker && n->controller)
		k = pair(a, at, k, "listeners=PLAINTEXT://%s:9092,CONTROLLER://%s:9093", n->host, n->host);
	else
		k = pair(a, at, k, "listeners=%s://%s:%d", n->broker ? "PLAINTEXT" : "CONTROLLER", n->host, n->broker ? 9092 : 9093);
	if (n->broker) {
		k = pair(a, at, k, "log.dirs=%s%s%s", n->data, n->second[0] != 0 ? "," : "", n->second);
		k = pair(a, at, k, "broker.rack=r%d", n->id % 3);
	} else {
		k = pair(a, at, k, "log.dirs=%s", n->meta);
	}
	k = pair(a, at, k, "metadata.log.dir=%s", n->meta);
	k = pair(a, at, k, "offsets.topic.replication.factor=%d", p->factor);
	k = pair(a, at, k, "offsets.topic.num.partitions=2");
	k = pair(a, at, k, "group.consumer.min.session.timeout.ms=%d", CL_READER_SESSION_MS);
	k = pair(a, at, k, "group.consumer.session.timeout.ms=%d", CL_READER_SESSION_MS);
	k = pair(a, at, k, "group.consumer.min.heartbeat.interval.ms=1000");
	k = pair(a, at, k, "group.consumer.heartbeat.interval.ms=1000");
	if (p->both)
		k = pair(a, at, k, "group.consumer.migration.policy=bidirectional");
	k = pair(a, at, k, "transaction.state.log.replication.factor=%d", p->factor);
	k = pair(a, at, k, "transaction.state.log.num.partitions=2");
	k = pair(a, at, k, "transaction.state.log.min.isr=%d", p->min_isr);
	k = pair(a, at, k, "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000");
	k = pair(a, at, k, "min.insync.replicas=%d", p->min_isr);
	k = pair(a, at, k, "metadata.log.max.record.bytes.between.snapshots=%d", p->snapshot_bytes);
	k = pair(a, at, k, "broker.session.timeout.ms=%d", p->session_ms);
	k = pair(a, at, k, "broker.heartbeat.interval.ms=%d", p->beat_ms);
	k = pair(a, at, k, "replica.lag.time.max.ms=%d", p->lag_ms);
	k = pair(a, at, k, "controller.quorum.election.timeout.ms=%d", p->election_ms);
	k = pair(a, at, k, "controller.quorum.fetch.timeout.ms=%d", p->fetch_ms);
	if (p->compacts) {
		k = pair(a, at, k, "log.cleaner.backoff.ms=300");
		k = pair(a, at, k, "log.cleaner.min.cleanable.ratio=0.01");
		k = pair(a, at, k, "log.cleaner.min.compaction.lag.ms=15000"); /* what is read along is read before */
	}
	rk_assert(k <= rk_countof(at));
	n->conf = conf_make(at, k, &notes);
	if (notes.errors > 0)
		cl_fail(n->cl, "the configuration: %.*s", notes.at[0].text.len, notes.at[0].text.at);
}

void
cl_node_make(struct cl *cl, uint32_t index)
{
	struct cl_node *n = &cl->node[index];
	struct cl_plan *p = &cl->plan;

	n->cl = cl;
	n->id = (int32_t)index + 1;
	n->controller = index < p->controllers;
	n->broker = p->combined || index >= p->controllers;
	snprintf(n->host, sizeof n->host, "n%d", n->id);
	snprintf(n->root, sizeof n->root, "%.40s/n%d", cl->root, n->id);
	snprintf(n->data, sizeof n->data, "%.40s/n%d/data", cl->root, n->id);
	if (p->jbod && n->broker)
		snprintf(n->second, sizeof n->second, "%.40s/n%d/more", cl->root, n->id);
	snprintf(n->meta, sizeof n->meta, "%.40s/n%d/meta", cl->root, n->id);
	n->disk = sim_disk_new(&cl->sim);
	n->mdisk = sim_mdisk_new();
	sim_world_init(&n->w, &cl->sim, n->disk, n->mdisk, &hooks);
	n->w.place = index + 1;
	n->w.real = n->root;
	n->w.folders = true;
	n->w.clock_ms = 1000 + sim_below(&cl->sim, 100000000);
	n->w.wall_ms += sim_below(&cl->sim, 4000) - 2000;
	n->w.drift_ppm = (int32_t)sim_below(&cl->sim, 400) - 200;
	(void)mkdir(n->root, 0755);
	if (n->broker)
		sim_net_home(&cl->net, n->host, CLIENTS_PORT, &n->w, 0);
	if (n->controller)
		sim_net_home(&cl->net, n->host, QUORUM_PORT, &n->w, n->broker ? 1 : 0);
}

/* When all nodes have their names. */
static void
first_time(struct cl_node *n)
{
	configure(n);
	format(n);
	if (n->cl->lies_vote)
		sim_mdisk_lie(n->mdisk);
}

bool
cl_node_start(struct cl_node *n)
{
	struct cl *cl = n->cl;

	if (n->state != CL_DOWN || cl->failure[0] != 0)
		return false;
	if (n->lives == 0 && n->conf == NULL)
		first_time(n);
	cl->net.dark[n->w.place] = false;
	sim_disk_faults(n->disk)->sync_lies = cl->lies_sync ? 1000000 : 0;
	cl->speaks = n->id;
	n->spoilt = n->stopped = false;
	enum rk_err err = node_start(&n->w.env, n->conf, &n->node);
	cl_tell(cl, "node %d starts: %s", n->id, rk_err_name(err));
	if (err != RK_OK) {
		sim_world_crash(&n->w, false); /* what it had begun */
		sim_world_bury(&n->w);
		if (++n->dead_starts > 3)
			cl_fail(cl, "node %d does not start: %s", n->id, rk_err_name(err));
		return false;
	}
	n->dead_starts = 0;
	n->lives++;
	cl->lives++;
	n->state = CL_UP;
	sim_world_begin(&n->w, n);
	return true;
}

static void
off(struct cl_node *n, bool power)
{
	struct cl *cl = n->cl;

	n->w.asleep_us = 0;
	if (n->state != CL_DOWN) {
		cl_note_applied(n);
		sim_world_crash(&n->w, power);
		cl->speaks = n->id;
		node_free(n->node);
		n->node = NULL;
		sim_world_bury(&n->w);
	}
	if (power) {
		sim_disk_crash(n->disk);
		sim_mdisk_crash(n->mdisk);
		cl->net.dark[n->w.place] = true;
	}
	n->state = CL_DOWN;
	*sim_disk_faults(n->disk) = (struct sim_faults){ .torn = 500000 };
	sim_mdisk_fail(n->mdisk, 0, RK_OK);
}

void
cl_node_die(struct cl_node *n, bool power)
{
	power |= n->spoilt;
	cl_tell(n->cl, "node %d dies by %s", n->id, power ? "a power cut" : "kill -9");
	off(n, power);
	n->spoilt = false;
}

static void
h_stopped(void *arg, enum rk_err err)
{
	struct cl_node *n = arg;

	cl_tell(n->cl, "node %d has stopped: %s", n->id, rk_err_name(err));
	n->stopped = true;
}

void
cl_node_stop(struct cl_node *n)
{
	if (n->state != CL_UP)
		return;
	cl_tell(n->cl, "node %d is stopped", n->id);
	n->state = CL_STOPPING;
	n->cl->speaks = n->id;
	node_stop(n->node, h_stopped, n);
	sim_world_round(&n->w);
}

void
cl_node_lose(struct cl_node *n)
{
	rk_assert(n->state == CL_DOWN && n->broker);
	cl_tell(n->cl, "node %d loses its data directory", n->id);
	sim_disk_wipe(n->disk, n->data);
	n->empty_handed = true;
	if (!sim_format(&n->w.env, n->data, n->id, cl_dir_id(n->id, (uint8_t)(n->lives + 2))))
		cl_fail(n->cl, "node %d cannot be formatted again", n->id);
}

void
cl_nodes_look(struct cl *cl)
{
	for (uint32_t i = 0; i < cl->nodes; i++) {
		struct cl_node *n = &cl->node[i];
		if (n->state == CL_STOPPING && n->stopped) {
			cl->speaks = n->id;
			sim_world_crash(&n->w, false); /* the process exits: nobody is told any more */
			node_free(n->node);
			n->node = NULL;
			sim_world_bury(&n->w);
			n->state = CL_DOWN;
			if (n->spoilt)
				off(n, true);
		} else if (n->state != CL_DOWN && node_failed(n->node)) {
			if (!n->spoilt)
				cl_fail(cl, "node %d gave up without a fault of its disk", n->id);
			cl_node_die(n, true);
		}
	}
}

void
cl_node_free(struct cl_node *n)
{
	if (n->cl == NULL)
		return;
	if (n->state != CL_DOWN)
		off(n, false);
	conf_free(n->conf);
	rk_arena_free(&n->conf_arena);
}
