/* broker.c - this node's place in the cluster: it registers, keeps its session, is unfenced, and leaves.
 *
 *	OUT         not registered in this life (or the controllers have forgotten it)
 *	ENTERING    a registration is under way
 *	CATCHING    registered and fenced; the image does not have that registration yet. When it has, it has all that
 *	            was before, and the logs are loaded
 *	STANDING    the logs are there: the next heartbeat asks to be unfenced
 *	IN          unfenced: clients are served
 *
 * A node that is the active controller itself when it starts has no need of the steps: one batch of the log holds its
 * controller's registration, its broker's, the unfencing and a first block of producer ids (the broker epoch is that
 * batch's first offset), and it serves when that is committed. While it stays the active controller it sends no
 * heartbeats to itself: a controller that lives is a broker that lives.
 *
 * The lease: the controllers fence a broker that they have not heard of for its session's time. So a broker that for
 * so long, counted from when its last answered heartbeat was sent, has not heard from them may have been
 * replaced, and answers no client until it has. */
#include "base/mem.h"
#include "base/say.h"
#include "protocol/gen/broker_heartbeat.h"
#include "protocol/gen/broker_registration.h"
#include "protocol/gen/controller_registration.h"
#include "src/node/inside.h"

enum { AGAIN_MS = 100, SOON_MS = 50, LEAVING_MS = 20 };
enum phase { OUT, ENTERING, CATCHING, STANDING, IN };

struct node_broker {
	struct node *node;
	struct node_errand enter;
	struct node_seen seen;    /* what the image had of this broker when all below seen_at was applied */
	int64_t seen_at;
	int64_t previous_epoch;   /* of the clean-shutdown markers, or this life's registration before; -1: not clean */
	enum phase phase;
	bool loaded, served;      /* the logs; it has been IN in this life */
	struct rk_arena words, reg_words; /* the arrays of what is asked */
	struct node_ask reg, beat;
	struct kp_broker_registration_req reg_req;
	struct kp_broker_heartbeat_req beat_req;
	bool cordoned;            /* this life has said that directories are */
	uint64_t cordon_told;     /* which ones it said last */
	struct rk_timer next;     /* the next heartbeat or registration */
	struct rk_timer give_up;  /* initial.broker.registration.timeout.ms */
	struct rk_timer lease;
	struct rk_timer amend_again;
	bool beat_again;          /* something changed while one was under way */
	bool cut_off;             /* the lease is over */
	bool amended;             /* and the registration was told again since */
	struct node_errand proof;
	bool proving;
	int32_t leader;           /* that a heartbeat was sent to */
	int64_t sent_ms, heard_ms; /* the heartbeat under way; the last that was answered, when it was sent */
	struct rk_say_limit refused;
	/* leaving */
	void (*left)(struct node *);
	struct rk_timer left_soon;
};

static void beat_now(struct node_broker *);
static void stay(struct node_broker *);
static void set_in(struct node_broker *);
static bool needless(struct node_broker *);

static void
arm(struct node_broker *b, int64_t in_ms)
{
	rk_timer_set(&b->node->timers, &b->next, rk_now(b->node->env) + in_ms);
}

struct node_seen
node_broker_seen(struct node *n, int32_t id)
{
	struct kp_register_broker_record r;
	struct node_seen s = { .epoch = -1 };
	struct meta_view v;
	struct rk_arena a;

	rk_arena_init(&a, 1u << 20);
	meta_view_begin(n->image, &v);
	if (meta_broker(&v, id, &a, &r))
		s = (struct node_seen){ r.broker_epoch, r.fenced };
	meta_view_end(&v);
	rk_arena_free(&a);
	return s;
}

/* --- what it says of itself */

/* Which directories are cordoned, as one number; 0: none. */
static uint64_t
cordoned(const struct node *n)
{
	uint64_t set = 0;

	for (uint32_t i = 0; n->conf->cordoned_log_dirs.count > 0 && i < n->dirs; i++)
		if (conf_cordoned(n->conf, st_dir_path(n->dir[i])))
			set = (set + i + 1) * 0x9e3779b97f4a7c15u;
	return set;
}

/* Said while some are, and once more when none is any longer. */
static void
say_cordoned(struct node_broker *b, struct kp_broker_heartbeat_req *q, struct rk_arena *a)
{
	struct node *n = b->node;

	q->cordoned_log_dirs.len = -1;
	if (n->conf->cordoned_log_dirs.count == 0 && !b->cordoned)
		return;
	q->cordoned_log_dirs.len = 0;
	q->cordoned_log_dirs.at = rk_arena_get(a, n->dirs, sizeof *q->cordoned_log_dirs.at);
	for (uint32_t i = 0; q->cordoned_log_dirs.at != NULL && i < n->dirs; i++)
		if (conf_cordoned(n->conf, st_dir_path(n->dir[i])))
			q->cordoned_log_dirs.at[q->cordoned_log_dirs.len++] = st_dir_id(n->dir[i]);
	b->cordoned = true;
	b->cordon_told = cordoned(n);
}

static void
say_beat(struct node_broker *b, struct kp_broker_heartbeat_req *q, struct rk_arena *a)
{
	struct node *n = b->node;

	kp_defaults(&kp_broker_heartbeat_req_d, q);
	q->broker_id = n->conf->node_id;
	q->broker_epoch = n->shared.broker_epoch;
	q->current_metadata_offset = node_quorum_applied(n) - 1;
	q->want_fence = b->phase < STANDING;
	q->want_shut_down = b->left != NULL;
	q->offline_log_dirs.at = rk_arena_get(a, n->dirs, sizeof *q->offline_log_dirs.at);
	for (uint32_t i = 0; q->offline_log_dirs.at != NULL && i < n->dirs; i++)
		if (st_dir_failed(n->dir[i]) && !rk_uuid_zero(st_dir_id(n->dir[i]))) /* one that never opened has no name */
			q->offline_log_dirs.at[q->offline_log_dirs.len++] = st_dir_id(n->dir[i]);
	say_cordoned(b, q, a);
}

static bool
load(struct node_broker *b)
{
	struct node *n = b->node;

	if (b->loaded)
		return true;
	b->loaded = true;
	if (core_load(n->core, n->image) != RK_OK)
		node_fail(n, "the logs cannot be opened");
	return !n->failed;
}

/* --- all at once, at this node's own desk */

static void
plan_enter(struct node_errand *e, struct meta_plan *p)
{
	struct node_broker *b = rk_of(e, struct node_broker, enter);
	struct node *n = b->node;
	struct kp_controller_registration_req cq;
	struct kp_controller_registration_res ca = { 0 };
	struct kp_broker_registration_req rq;
	struct kp_broker_registration_res ra = { 0 };
	struct kp_broker_heartbeat_req hq;
	struct kp_broker_heartbeat_res ha = { 0 };

	node_say_controller(n, &cq, p->arena);
	meta_register_controller(p, &cq, &ca);
	node_say_broker(n, b->previous_epoch, &rq, p->arena);
	meta_register_broker(p, 4, &rq, &ra);
	if (ra.error_code != 0) {
		rk_say(RK_FATAL, "The controller refuses this broker's registration: %s.",
		    rk_err_name(rk_err_of_wire(ra.error_code)));
		node_fail(n, "the broker cannot register");
		return;
	}
	n->shared.broker_epoch = ra.broker_epoch;
	say_beat(b, &hq, p->arena);
	hq.want_fence = hq.want_shut_down = false; /* asked to end meanwhile, it leaves with its next heartbeat */
	hq.current_metadata_offset = INT64_MAX; /* broker and controller read one image */
	meta_broker_heartbeat(p, 1, &hq, &ha);
	rk_assert(ha.error_code != 0 || !ha.is_fenced);
	node_wishes_plan_ids(n, p); /* the first idempotent producer shall not have to ask twice */
}

static void
entered(struct node_errand *e, enum rk_err err)
{
	struct node_broker *b = rk_of(e, struct node_broker, enter);
	struct node *n = b->node;

	node_wishes_ids_kept(n, err == RK_OK);
	b->phase = OUT;
	if (err == RK_OK && !n->failed)
		set_in(b);
}

static void
enter_here(struct node_broker *b)
{
	struct node *n = b->node;

	if (node_metadata_version(n) == 0 || !load(b)) /* the bootstrap records come first */
		return;
	b->phase = ENTERING;
	b->enter = (struct node_errand){ .plan = plan_enter, .done = entered };
	node_errand_add(n, &b->enter);
}

/* --- registration with a controller that is another node */

static void
registered(struct node_ask *ask, enum rk_err err, const void *answer, int16_t version)
{
	struct node_broker *b = rk_of(ask, struct node_broker, reg);
	const struct kp_broker_registration_res *res = answer;
	struct node *n = b->node;

	(void)version;
	if (err == RK_OK && res->error_code != 0)
		err = rk_err_of_wire(res->error_code);
	if (err == RK_OK) {
		if (b->phase != IN || res->broker_epoch != n->shared.broker_epoch)
			b->phase = CATCHING;
		n->shared.broker_epoch = res->broker_epoch;
		b->amended = true;
		beat_now(b);
		return;
	}
	if (b->phase == IN) { /* the heartbeats say what is the matter */
		rk_timer_set(&n->timers, &b->amend_again, rk_now(n->env) + AGAIN_MS);
		return;
	}
	b->phase = OUT;
	rk_say_limited(&b->refused, rk_now(n->env), RK_WARN,
	    "The controller (node %" PRId32 ") does not register this broker: %s%s", n->shared.leader_id,
	    rk_err_name(err), err == RK_DUPLICATE_BROKER_REGISTRATION
	    ? ". A broker with this node.id was there a moment ago; trying again until its session is over." : ".");
	arm(b, AGAIN_MS);
}

static void
tell_registration(struct node_broker *b)
{
	struct node *n = b->node;

	rk_arena_reset(&b->reg_words);
	node_say_broker(n, b->previous_epoch, &b->reg_req, &b->reg_words);
	node_desk_ask(n, &b->reg, KP_BROKER_REGISTRATION, 0, 4, &b->reg_req, INT64_MAX);
}

static void
enter_there(struct node_broker *b)
{
	rk_timer_stop(&b->node->timers, &b->next);
	b->phase = ENTERING;
	tell_registration(b);
}

/* Cut off, and a controller answers again: it may have fenced this broker and given away what it led, and this node's
 * image may be from before that. The registration, told again, is a record behind all of it: when the heartbeat
 * says that the image has it (caught up), and the broker is unfenced, clients are answered again. */
static void
amend(struct node_broker *b)
{
	struct node *n = b->node;

	if (!b->cut_off || b->amended || b->phase != IN || node_leads(n) || n->shared.leader_id < 0
	    || node_ask_busy(&b->reg) || b->amend_again.at_ms != INT64_MAX)
		return;
	tell_registration(b);
}

static void
amend_again(struct rk_timer *t, int64_t now_ms)
{
	(void)t; /* node_broker_turn is called after every round */
	(void)now_ms;
}

static void
gave_up(struct rk_timer *t, int64_t now_ms)
{
	struct node_broker *b = rk_of(t, struct node_broker, give_up);

	(void)now_ms;
	if (b->served)
		return;
	rk_say(RK_FATAL, "This broker could not join the cluster within initial.broker.registration.timeout.ms (%d ms): %s.",
	    b->node->conf->initial_broker_registration_timeout_ms, node_broker_why(b->node));
	node_fail(b->node, "the broker cannot register");
}

/* Looked up when the image has moved: it is asked for after every round of events. */
static const struct node_seen *
seen(struct node_broker *b)
{
	int64_t applied = node_quorum_applied(b->node);

	if (b->seen_at != applied) {
		b->seen = node_broker_seen(b->node, b->node->conf->node_id);
		b->seen_at = applied;
	}
	return &b->seen;
}

/* The image has this very registration, and with it all that was before it. */
static bool
in_image(struct node_broker *b)
{
	return seen(b)->epoch >= 0 && seen(b)->epoch == b->node->shared.broker_epoch;
}

/* --- heartbeats */

/* While this node is the active controller it need not tell itself that it lives; but the controller before may have
 * fenced this broker, and only a heartbeat brings it back. */
static bool
needless(struct node_broker *b)
{
	return b->phase == IN && b->left == NULL && node_active_is(b->node) && !seen(b)->fenced;
}

static void
set_lease(struct node_broker *b, int64_t heard_ms)
{
	struct node *n = b->node;

	b->heard_ms = heard_ms;
	n->lease_ms = heard_ms + n->conf->broker_session_timeout_ms;
	rk_timer_set(&n->timers, &b->lease, n->lease_ms);
}

/* The lease is good again, and the image knows all that happened meanwhile. */
static void
lift(struct node_broker *b)
{
	struct node *n = b->node;

	if (!b->cut_off || rk_now(n->env) >= n->lease_ms)
		return;
	b->cut_off = false;
	rk_say(RK_INFO, "The controllers are heard again: this broker answers clients.");
	core_cut_off(n->core, false);
}

static void
stale(struct node_broker *b)
{
	struct node *n = b->node;

	rk_say(RK_WARN, "The controllers do not know this broker by its epoch %" PRId64 " any more: registering again.",
	    n->shared.broker_epoch);
	b->previous_epoch = n->shared.broker_epoch; /* it has lost nothing since */
	b->phase = OUT;
	arm(b, 0);
}

static void
leave_done(struct node_broker *b)
{
	struct node *n = b->node;

	rk_timer_stop(&n->timers, &b->next);
	rk_timer_set(&n->timers, &b->left_soon, rk_now(n->env));
}

static void
beaten(struct node_ask *ask, enum rk_err err, const void *answer, int16_t version)
{
	struct node_broker *b = rk_of(ask, struct node_broker, beat);
	const struct kp_broker_heartbeat_res *res = answer;
	struct node *n = b->node;
	int64_t wait = n->conf->broker_heartbeat_interval_ms;

	(void)version;
	if (err == RK_OK && res->error_code == rk_err_wire(RK_STALE_BROKER_EPOCH)) {
		stale(b);
		return;
	}
	if (err != RK_OK || res->error_code != 0) {
		arm(b, rk_min(wait, AGAIN_MS));
		return;
	}
	set_lease(b, b->sent_ms);
	if (b->amended && b->phase == IN && res->is_caught_up && !res->is_fenced)
		lift(b);
	if (b->left != NULL) {
		if (res->should_shut_down) {
			leave_done(b);
			return;
		}
		wait = LEAVING_MS;
	} else if (b->phase == STANDING && !res->is_fenced) {
		set_in(b);
		return;
	} else if (b->phase == STANDING || (b->phase == IN && (res->is_fenced || b->cut_off))) {
		wait = SOON_MS;
	}
	arm(b, b->beat_again ? 0 : wait);
	b->beat_again = false;
}

static void
beat_now(struct node_broker *b)
{
	struct node *n = b->node;

	if (b->phase < CATCHING || n->stopping)
		return;
	if (node_ask_busy(&b->beat)) {
		b->beat_again = true;
		return;
	}
	rk_timer_stop(&n->timers, &b->next);
	b->beat_again = false;
	b->sent_ms = rk_now(n->env);
	b->leader = n->shared.leader_id;
	rk_arena_reset(&b->words);
	say_beat(b, &b->beat_req, &b->words);
	node_desk_ask(n, &b->beat, KP_BROKER_HEARTBEAT, 0, 2, &b->beat_req, n->conf->broker_session_timeout_ms);
}

/* The active controller's own broker: a commit proves that it still led when the batch was appended. With company
 * one comes along every metadata.max.idle.interval.ms; if not, it is made. */
static void
plan_proof(struct node_errand *e, struct meta_plan *p)
{
	(void)e;
	meta_no_op(p);
}

static void
proven(struct node_errand *e, enum rk_err err)
{
	struct node_broker *b = rk_of(e, struct node_broker, proof);

	b->proving = false;
	if (err == RK_OK && needless(b))
		stay(b);
}

static void
stay(struct node_broker *b)
{
	struct node *n = b->node;
	int64_t interval = n->conf->broker_heartbeat_interval_ms, now = rk_now(n->env);

	if (!node_active_company(n)) { /* alone it sleeps: nobody could have been given anything */
		rk_timer_stop(&n->timers, &b->next);
		rk_timer_stop(&n->timers, &b->lease);
		n->lease_ms = INT64_MAX;
		lift(b);
		return;
	}
	if (n->control.proof_ms > b->heard_ms)
		set_lease(b, n->control.proof_ms);
	lift(b);
	arm(b, interval);
	if (now - b->heard_ms < interval || b->proving)
		return;
	b->proving = true;
	b->proof = (struct node_errand){ .plan = plan_proof, .done = proven };
	node_errand_add(n, &b->proof);
}

static void
next(struct rk_timer *t, int64_t now_ms)
{
	struct node_broker *b = rk_of(t, struct node_broker, next);

	(void)now_ms;
	if (needless(b))
		stay(b);
	else
		beat_now(b); /* OUT: node_broker_turn goes on, it is called after every round */
}

static void
set_in(struct node_broker *b)
{
	struct node *n = b->node;

	b->phase = IN;
	if (!b->served) {
		b->served = n->ready = true;
		rk_timer_stop(&n->timers, &b->give_up);
		rk_say(RK_INFO, "ready in %" PRId64 " ms: %" PRIu32 " partitions", rk_now(n->env) - n->started_ms,
		    core_partitions_count(n->core));
		node_serve_ready(n);
	}
	if (node_active_is(n)) {
		stay(b);
	} else {
		lift(b);
		arm(b, n->conf->broker_heartbeat_interval_ms);
	}
}

void
node_broker_changed(struct node *n)
{
	if (n->broker != NULL)
		beat_now(n->broker);
}

/* --- the lease */

void
node_broker_lease(struct node *n, int64_t now_ms)
{
	struct node_broker *b = n->broker;

	if (!b->served || b->cut_off || now_ms < n->lease_ms)
		return;
	b->cut_off = true;
	b->amended = false;
	rk_say(RK_WARN, "Nothing was heard from the controllers for %d ms: other brokers may have been given what this one "
	    "led, so it answers no client until it hears from them. Look at the network between them.",
	    n->conf->broker_session_timeout_ms);
	core_cut_off(n->core, true);
}

static void
lease_over(struct rk_timer *t, int64_t now_ms)
{
	node_broker_lease(rk_of(t, struct node_broker, lease)->node, now_ms);
}

/* --- the turn */

void
node_broker_turn(struct node *n)
{
	struct node_broker *b = n->broker;

	if (n->failed || n->stopping)
		return;
	if (n->conf->is_broker && b->phase == OUT && b->next.at_ms == INT64_MAX) {
		if (node_active_is(n))
			enter_here(b);
		else if (!node_leads(n) && node_caught_up(n))
			enter_there(b);
	}
	if (b->phase == CATCHING && in_image(b) && load(b)) {
		b->phase = STANDING;
		beat_now(b);
	}
	if (b->phase == IN && b->next.at_ms == INT64_MAX && !node_ask_busy(&b->beat)) {
		if (!node_active_is(n))
			beat_now(b); /* it was the active controller until now */
		else if (node_active_company(n))
			stay(b);
	}
	if (b->phase == IN && n->conf->is_broker && b->cordon_told != cordoned(n))
		b->beat_again = true; /* before the next partition is placed here */
	/* A new controller is to know the connection that tells of this broker's end. */
	bool news = n->shared.leader_id >= 0 && n->shared.leader_id != b->leader && !needless(b);
	if ((b->beat_again || (news && b->phase >= CATCHING)) && !node_ask_busy(&b->beat))
		beat_now(b);
	amend(b);
	if (n->conf->is_controller && b->phase != ENTERING && !(b->phase == OUT && n->conf->is_broker && node_leads(n)))
		node_controller_turn(n);
	if (!n->conf->is_broker)
		n->ready = n->shared.leader_id >= 0;
}

/* Another broker leaves: the controller waits for everybody to know. */
void
node_broker_heard(struct node *n, int16_t type, const void *record)
{
	const struct kp_broker_registration_change_record *r = record;

	if (type == KP_BROKER_REGISTRATION_CHANGE_RECORD && r->in_controlled_shutdown != 0 && !needless(n->broker))
		n->broker->beat_again = true;
}

/* --- leaving */

static void
left_soon(struct rk_timer *t, int64_t now_ms)
{
	struct node_broker *b = rk_of(t, struct node_broker, left_soon);
	void (*done)(struct node *) = b->left;

	(void)now_ms;
	b->left = NULL;
	if (done != NULL)
		done(b->node);
}

void
node_broker_leave(struct node *n, void (*done)(struct node *))
{
	struct node_broker *b = n->broker;

	b->left = done;
	if (b->phase != IN || !n->conf->controlled_shutdown_enable || (node_leads(n) && !node_active_others(n)))
		leave_done(b); /* nobody is served, or nobody is there to take over */
	else
		beat_now(b);
}

void
node_broker_leave_now(struct node *n)
{
	struct node_broker *b = n->broker;

	b->left = NULL;
	rk_timer_stop(&n->timers, &b->left_soon);
	node_desk_forget(n, &b->beat);
}

bool
node_broker_heard_since(const struct node *n, int64_t ms)
{
	return n->broker->heard_ms >= ms;
}

const char *
node_broker_why(const struct node *n)
{
	static const char *const why[] = {
		[OUT] = "this broker is not registered yet: it has not caught up with the metadata",
		[ENTERING] = "this broker's registration is under way",
		[CATCHING] = "this broker is registered and fenced: it has not caught up with the metadata",
		[STANDING] = "this broker has its logs and waits to be unfenced",
	};

	if (n->stopping)
		return "the server is stopping";
	if (n->failed)
		return "this node cannot go on; its log says why";
	if (n->ready)
		return NULL;
	if (n->shared.leader_id < 0)
		return "no leader of the metadata quorum is known";
	return n->conf->is_broker ? why[n->broker->phase] : "starting";
}

void
node_broker_open(struct node *n, int64_t previous_epoch)
{
	struct node_broker *b = rk_new(struct node_broker);

	b->node = n;
	b->previous_epoch = previous_epoch;
	b->seen_at = -1;
	b->next = (struct rk_timer){ .at_ms = INT64_MAX, .fire = next };
	b->give_up = (struct rk_timer){ .at_ms = INT64_MAX, .fire = gave_up };
	b->lease = (struct rk_timer){ .at_ms = INT64_MAX, .fire = lease_over };
	b->left_soon = (struct rk_timer){ .at_ms = INT64_MAX, .fire = left_soon };
	b->amend_again = (struct rk_timer){ .at_ms = INT64_MAX, .fire = amend_again };
	b->leader = -1;
	rk_arena_init(&b->words, 16u << 20);
	rk_arena_init(&b->reg_words, 16u << 20);
	node_ask_init(&b->reg, registered);
	node_ask_init(&b->beat, beaten);
	n->broker = b;
	n->lease_ms = INT64_MAX;
	if (n->conf->is_broker)
		rk_timer_set(&n->timers, &b->give_up,
		    n->started_ms + n->conf->initial_broker_registration_timeout_ms);
}

bool
node_broker_loaded(const struct node *n)
{
	return n->broker->loaded;
}

void
node_broker_free(struct node *n)
{
	struct node_broker *b = n->broker;

	if (b == NULL)
		return;
	node_desk_forget(n, &b->reg);
	node_desk_forget(n, &b->beat);
	struct rk_timer *all[] = { &b->next, &b->give_up, &b->lease, &b->left_soon, &b->amend_again };
	for (uint32_t i = 0; i < rk_countof(all); i++)
		rk_timer_stop(&n->timers, all[i]);
	rk_arena_free(&b->words);
	rk_arena_free(&b->reg_words);
	rk_mem_put(b);
	n->broker = NULL;
}
