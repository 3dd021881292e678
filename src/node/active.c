/* active.c - the active controller's clockwork: what it does because it is the one, or because time has passed.
 *
 * It becomes active when raft leads and the image has all of the log. Its first batch aborts what its predecessor
 * left open and, in an empty cluster, is the bootstrap records; whatever else waits is planned behind that. Then
 * brokers get fresh sessions, and the timers run: the log is kept moving (a NoOp whenever nothing else was written for
 * metadata.max.idle.interval.ms, while there are other nodes to see it: a cluster of one sleeps), leaders go back
 * to preferred replicas, and partitions without a leader get one where an unclean election is allowed. */
#include "base/mem.h"
#include "base/say.h"
#include "src/node/inside.h"

enum { SECOND_MS = 1000 };

enum job { IDLE, BALANCE, UNCLEAN, JOBS };

struct task {
	struct node *node;
	struct rk_timer timer;
	struct node_errand errand;
	bool busy, more;
};

struct node_active {
	struct node *node;
	int32_t epoch;          /* active in it; -1: not active */
	int32_t leader, before; /* who leads as far as we know, and who did before, when it was another node */
	struct node_errand begin;
	bool beginning;
	bool company;           /* another node is registered */
	int64_t idle_end;       /* the log's end when IDLE last looked */
	struct task task[JOBS];
};

/* --- activation */

static void
plan_bootstrap(struct node *n, struct meta_plan *p)
{
	char path[PATH_MAX];
	struct rk_str text;

	snprintf(path, sizeof path, "%s/bootstrap.checkpoint", n->conf->metadata_dir);
	enum rk_err err = rk_env_slurp(n->env, path, p->arena, &text);
	if (err == RK_OK)
		err = meta_bootstrap(p, (const uint8_t *)text.at, (uint32_t)text.len);
	if (err == RK_OK)
		return;
	rk_say(RK_FATAL, "%s cannot be read (%s), and the cluster has no metadata yet: format the directory "
	    "again with rookery-storage format.", path, rk_err_name(err));
	node_fail(n, "no bootstrap metadata");
}

static void
plan_begin(struct node_errand *e, struct meta_plan *p)
{
	struct node *n = rk_of(e, struct node_active, begin)->node;

	meta_activate(p);
	if (meta_feature(&p->view, rk_lit("metadata.version")) == 0)
		plan_bootstrap(n, p);
}

static void
begun(struct node_errand *e, enum rk_err err)
{
	(void)err; /* lost before it was committed: a new leadership begins again */
	rk_of(e, struct node_active, begin)->beginning = false;
}

/* --- tasks */

bool
node_active_others(struct node *n)
{
	struct kp_register_broker_record b;
	struct kp_register_controller_record c;
	int32_t self = n->conf->node_id;
	struct meta_view v;
	struct rk_arena a;

	rk_arena_init(&a, 1u << 20);
	meta_view_begin(n->image, &v);
	bool found = meta_broker_next(&v, 0, &a, &b)
	    && (b.broker_id != self || meta_broker_next(&v, (int64_t)self + 1, &a, &b));
	found = found || (meta_controller_next(&v, 0, &a, &c)
	    && (c.controller_id != self || meta_controller_next(&v, (int64_t)self + 1, &a, &c)));
	meta_view_end(&v);
	rk_arena_free(&a);
	return found;
}

static int64_t
pause_ms(const struct node *n, enum job job)
{
	int64_t ms = 0;

	if (job == IDLE)
		ms = n->conf->metadata_max_idle_interval_ms;
	else if (job == BALANCE && n->conf->auto_leader_rebalance_enable)
		ms = n->conf->leader_imbalance_check_interval_seconds * SECOND_MS;
	else if (job == UNCLEAN)
		ms = n->conf->unclean_leader_election_interval_ms;
	return ms > 0 ? ms : INT64_MAX;
}

static void
arm(struct task *t, enum job job)
{
	struct node *n = t->node;
	int64_t now = rk_now(n->env), ms = t->more ? 0 : pause_ms(n, job);

	if (ms < INT64_MAX - now)
		rk_timer_set(&n->timers, &t->timer, now + ms);
}

static enum job
job_of(const struct task *t)
{
	return (enum job)(t - t->node->active->task);
}

static void
plan_task(struct node_errand *e, struct meta_plan *p)
{
	struct task *t = rk_of(e, struct task, errand);

	switch (job_of(t)) {
	case IDLE:
		meta_no_op(p);
		break;
	case BALANCE:
		t->more = meta_balance(p, META_ELECT_MAX);
		break;
	default:
		t->more = meta_elect_unclean(p, META_ELECT_MAX);
	}
}

static void
task_done(struct node_errand *e, enum rk_err err)
{
	struct task *t = rk_of(e, struct task, errand);

	t->busy = false;
	t->more = t->more && err == RK_OK;
	if (t->node->active->epoch >= 0)
		arm(t, job_of(t));
}

static void
fire(struct rk_timer *timer, int64_t now_ms)
{
	struct task *t = rk_of(timer, struct task, timer);
	struct node *n = t->node;
	struct node_active *a = n->active;

	(void)now_ms;
	if (a->epoch < 0 || t->busy)
		return;
	if (job_of(t) == IDLE && a->idle_end != node_quorum_end(n)) {
		a->idle_end = node_quorum_end(n); /* it moves by itself */
		arm(t, IDLE);
		return;
	}
	t->busy = true;
	t->more = false;
	t->errand = (struct node_errand){ .plan = plan_task, .done = task_done };
	node_errand_add(n, &t->errand);
}

/* The tasks of a cluster that has more than this node; asked again while it has not. */
static void
start_tasks(struct node *n)
{
	struct node_active *a = n->active;

	if (a->company || !node_active_others(n))
		return;
	a->idle_end = -1;
	a->company = true;
	for (int i = 0; i < JOBS; i++)
		if (!a->task[i].busy)
			arm(&a->task[i], (enum job)i);
}

static void
stop_tasks(struct node *n)
{
	n->active->company = false;
	for (int i = 0; i < JOBS; i++) {
		rk_timer_stop(&n->timers, &n->active->task[i].timer);
		n->active->task[i].more = false;
	}
}

/* --- leadership */

static void
lose(struct node *n)
{
	struct node_active *a = n->active;

	rk_say(RK_INFO, "This controller is no longer active (epoch %" PRId32 ").", a->epoch);
	a->epoch = -1;
	stop_tasks(n);
	node_sessions_lost(n);
}

static void
become(struct node *n)
{
	struct node_active *a = n->active;

	a->epoch = node_quorum_epoch(n);
	if (a->before >= 0)
		rk_say(RK_INFO, "This controller is active now (epoch %" PRId32 "); node %" PRId32 " was before.", a->epoch,
		    a->before);
	if (!a->beginning) {
		a->beginning = true;
		a->begin = (struct node_errand){ .plan = plan_begin, .done = begun };
		node_errand_first(n, &a->begin);
	}
	node_sessions_lead(n, a->before);
	start_tasks(n);
}

void
node_active_turn(struct node *n)
{
	struct node_active *a = n->active;
	int32_t leader = n->shared.leader_id;

	if (leader != a->leader) {
		if (a->leader >= 0)
			a->before = a->leader;
		a->leader = leader;
	}
	if (a->epoch >= 0 && (!node_leads(n) || node_quorum_epoch(n) != a->epoch))
		lose(n);
	if (a->epoch < 0 && node_quorum_leads(n))
		become(n);
}

void
node_active_heard(struct node *n, int16_t type)
{
	if (n->active->epoch >= 0 && (type == KP_REGISTER_BROKER_RECORD || type == KP_REGISTER_CONTROLLER_RECORD))
		start_tasks(n);
}

bool
node_active_company(const struct node *n)
{
	return n->active->company;
}

bool
node_active_is(const struct node *n)
{
	return n->active->epoch >= 0;
}

void
node_active_open(struct node *n)
{
	struct node_active *a = rk_new(struct node_active);

	a->node = n;
	a->epoch = a->leader = a->before = -1;
	for (int i = 0; i < JOBS; i++)
		a->task[i] = (struct task){ .node = n, .timer = { .at_ms = INT64_MAX, .fire = fire } };
	n->active = a;
}

void
node_active_free(struct node *n)
{
	if (n->active == NULL)
		return;
	stop_tasks(n);
	rk_mem_put(n->active);
	n->active = NULL;
}
