/* cl_main.c - cluster_sim [--seeds A-B] [--both] [--say] [--trace] [--quiet] [--once] [--bug N]
 *
 * A whole cluster, as it ships, and its clients in one thread, on virtual time, from a seed. See cluster.h for the
 * parts and doc/simulator.md for what is promised. */
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/sim/cluster.h"
#include "tests/sim/cl_bugs.h"

enum { LAST = 400, LINE = 240, CHECK_SEEDS = 10, QUORUM_SEEDS = 20, EVENTS_MAX = 20000000 };

bool cl_say_all, cl_trace_all, cl_single, cl_quorum, cl_both;
int cl_factor;
static char last[LAST][LINE];
static uint64_t lines;
static uint64_t seed_now;

static void
keep(struct cl *cl, const char *text)
{
	char *to = last[lines++ % LAST];

	snprintf(to, LINE, "%10.4f %s", (double)cl->sim.now_us / 1e6, text);
	if (cl_trace_all)
		printf("%s\n", to);
}

void
cl_tell(struct cl *cl, const char *fmt, ...)
{
	char text[LINE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	keep(cl, text);
}

void
cl_fail(struct cl *cl, const char *fmt, ...)
{
	va_list ap;

	if (cl->failure[0] != 0)
		return;
	va_start(ap, fmt);
	vsnprintf(cl->failure, sizeof cl->failure, fmt, ap);
	va_end(ap);
	cl_tell(cl, "FAILS: %.200s", cl->failure);
}

static void
say(void *arg, enum rk_level level, const char *line)
{
	struct cl *cl = arg;
	char text[LINE];

	snprintf(text, sizeof text, "    node %d says (%d): %.180s", cl->speaks, level, line);
	if (level >= RK_INFO || cl_say_all)
		keep(cl, text);
	if (cl_say_all && !cl_trace_all)
		printf("%10.4f %s\n", (double)cl->sim.now_us / 1e6, text);
}

static void
print_last(void)
{
	uint64_t n = lines < LAST ? lines : LAST;

	for (uint64_t i = lines - n; i < lines; i++)
		printf("  %s\n", last[i % LAST]);
	fflush(stdout);
}

static void
dies(int sig)
{
	signal(sig, SIG_DFL);
	if (!cl_trace_all)
		print_last();
	printf("seed %" PRIu64 " dies of signal %d\n", seed_now, sig);
	fflush(stdout);
	sim_scratch_clear();
	raise(sig);
}

/* --- one run */

static void
build(struct cl *cl, uint64_t seed)
{
	cl->seed = seed;
	sim_start(&cl->sim, seed);
	/* One seed's stream of chance is its neighbour's, moved by one: here they are to have nothing in common. */
	cl->sim.rng = rk_hash(&seed, sizeof seed, 0x5eed);
	sim_net_init(&cl->net, &cl->sim);
	cl->net.tap = cl_wire;
	rk_say_to(say, cl, cl_say_all ? RK_DEBUG : RK_INFO);
	rk_arena_init(&cl->arena, SIZE_MAX);
	snprintf(cl->root, sizeof cl->root, "%s", sim_scratch());
	cl_plan(cl);
	sim_format_txn_level = cl->plan.txn_level;
	cl->nodes = cl->plan.combined ? cl->plan.controllers : cl->plan.controllers + cl->plan.brokers;
	for (uint32_t t = 0; t < CL_TOPICS; t++) {
		snprintf(cl->topic[t].name, sizeof cl->topic[t].name, "t%u", t);
		for (int32_t p = 0; p < CL_PARTS; p++) {
			cl->topic[t].part[p] = (struct cl_part){ .cl = cl, .topic = &cl->topic[t], .index = p, .number = cl->parts++ };
		}
	}
	for (uint32_t k = 0; k < CL_INNER; k++) {
		snprintf(cl->inner[k].name, sizeof cl->inner[k].name, "%s", k == 0 ? "__transaction_state" : "__consumer_offsets");
		cl->inner[k].parts = 2; /* cl_node.c */
		for (int32_t p = 0; p < CL_PARTS; p++)
			cl->inner[k].part[p] = (struct cl_part){ .cl = cl, .topic = &cl->inner[k], .index = p,
				.number = cl->parts++ };
	}
	for (uint32_t i = 0; i < cl->nodes; i++)
		cl_node_make(cl, i);
}

static void
raze(struct cl *cl)
{
	cl->ending = true;
	for (uint32_t i = 0; i < cl->plan.producers; i++)
		cl_producer_free(&cl->producer[i]);
	for (uint32_t i = 0; i < cl->plan.consumers; i++)
		cl_consumer_free(&cl->consumer[i]);
	for (uint32_t i = 0; i < cl->plan.groups; i++)
		cl_client_free(&cl->group[i].client);
	for (uint32_t i = 0; i < cl->plan.tills; i++)
		cl_client_free(&cl->till[i].client);
	for (uint32_t i = 0; i < cl->plan.members; i++)
		cl_member_free(&cl->member[i]);
	for (uint32_t i = 0; i < cl->plan.readers; i++)
		cl_client_free(&cl->reader[i].client);
	for (uint32_t i = 0; i < cl->plan.tids; i++)
		cl_txn_free(&cl->tid[i]);
	cl_client_free(&cl->admin);
	for (uint32_t i = 0; i < cl->nodes; i++)
		cl_node_free(&cl->node[i]);
	sim_end(&cl->sim); /* what waits hears that it is lost: its owners are still there */
	for (uint32_t i = 0; i < cl->plan.tids; i++)
		cl_txn_bury(&cl->tid[i]);
	for (uint32_t i = 0; i < cl->nodes; i++) {
		sim_disk_free(cl->node[i].disk);
		sim_mdisk_free(cl->node[i].mdisk);
	}
	for (uint32_t t = 0; t < CL_TOPICS; t++)
		for (int32_t p = 0; p < CL_PARTS; p++) {
			rk_mem_put(cl->topic[t].part[p].seen);
			rk_mem_put(cl->topic[t].part[p].led.at);
		}
	rk_mem_put(cl->op);
	rk_mem_put(cl->tx);
	rk_mem_put(cl->decided);
	rk_mem_put(cl->marker);
	sim_known_free(&cl->known);
	rk_mem_put(cl->meta);
	rk_mem_put(cl->led.at);
	rk_arena_free(&cl->arena);
	sim_scratch_clear();
	rk_say_to(NULL, NULL, RK_INFO);
}

/* Runs until the condition holds, at most so long; false: it does not. */
#define until(cl, us, condition)                                                                   \
	({                                                                                         \
		int64_t stop_us_ = (cl)->sim.now_us + (us);                                        \
		while ((cl)->failure[0] == 0 && !(condition) && sim_run(&(cl)->sim, stop_us_))     \
			after_event(cl);                                                           \
		(condition);                                                                       \
	})

static void
after_event(struct cl *cl)
{
	cl_nodes_look(cl);
	if (cl->sim.events > EVENTS_MAX)
		cl_fail(cl, "it does not come to rest: %" PRIu64 " events", cl->sim.events);
}

static void
watch(void *arg, bool lost)
{
	struct cl *cl = arg;

	if (lost || cl->ending || cl->failure[0] != 0)
		return;
	cl_watch(cl);
	cl_after(cl, 50 * MS + sim_below(&cl->sim, 50 * MS), watch, cl);
}

static void
begin_one(void *arg, bool lost)
{
	if (!lost)
		(void)cl_node_start(arg);
}

static bool
all_made(const struct cl *cl)
{
	for (uint32_t t = 0; t < cl->plan.topics; t++)
		if (!cl->topic[t].made)
			return false;
	return true;
}

static void
print_asked(struct cl *cl)
{
	char text[LINE] = "requests between nodes:";

	for (int16_t i = 0; i < (int16_t)rk_countof(cl->asked); i++)
		if (cl->asked[i] > 0 && strlen(text) < LINE - 40)
			snprintf(text + strlen(text), sizeof text - strlen(text), " %s %" PRIu64, kp_api(i)->name, cl->asked[i]);
	cl_tell(cl, "%s", text);
	for (uint32_t i = 0; i < cl->plan.groups; i++)
		cl_tell(cl, "group %s: %u commits acknowledged of %" PRId64 ", told %u times", cl->group[i].name,
		    cl->group[i].commits, cl->group[i].next, cl->group[i].tells);
	for (uint32_t i = 0; i < cl->plan.tills; i++)
		cl_tell(cl, "till %u%s: %u of %" PRId64 " transactions ended, started %" PRId64 " times", i,
		    cl->till[i].v2 ? " (version 2)" : "", cl->till[i].ended, cl->till[i].n, cl->till[i].life + 1);
	for (uint32_t i = 0; i < cl->plan.tids; i++)
		cl_tell(cl, "%s: %u lives, %u transactions, %u committed, %u aborted, %u times fenced", cl->tid[i].name,
		    cl->tid[i].lives, cl->tid[i].begun, cl->tid[i].committed, cl->tid[i].aborted, cl->tid[i].fenced);
	for (uint32_t i = 0; i < cl->plan.members; i++)
		cl_tell(cl, "member %u: %u syncs, %u commits, generation %d", i, cl->member[i].syncs, cl->member[i].commits,
		    cl->member[i].generation);
	for (uint32_t i = 0; i < cl->plan.readers; i++)
		cl_reader_tell(&cl->reader[i]);
	cl_tell(cl, "answers to clients: %" PRIu64 ", pieces of bytes on the wire: %" PRIu64 ", events: %" PRIu64, cl->answers,
	    cl->net.pieces, cl->sim.events);
}

/* Looked at every 73 ms or so: no multiple of what the nodes do at intervals. */
static bool
at_rest(struct cl *cl, int64_t peace_us, char why[256])
{
	if (cl->at_rest || cl->sim.now_us < cl->look_us)
		return cl->at_rest;
	cl->look_us = cl->sim.now_us + 73 * MS;
	return cl->at_rest = cl_settled(cl, why) && cl_groups_told(cl, peace_us, why)
	    && cl_tills_told(cl, peace_us, why) && cl_members_done(cl, peace_us, why) && cl_readers_done(cl, peace_us, why)
	    && cl_txns_done(cl, peace_us, why);
}

static void
play(struct cl *cl)
{
	char why[256] = "";

	cl_plan_tell(cl);
	for (uint32_t i = 0; i < cl->nodes; i++)
		cl_after(cl, sim_below(&cl->sim, 500 * MS), begin_one, &cl->node[i]);
	cl_after(cl, SECOND, watch, cl);
	(void)!until(cl, SECOND, false);
	cl_admin_topics(cl);
	if (!until(cl, 60 * SECOND, all_made(cl))) {
		cl_fail(cl, "the topics cannot be made within a minute of peace");
		return;
	}
	for (uint32_t i = 0; i < cl->plan.producers; i++)
		cl_producer_start(cl, i);
	for (uint32_t i = 0; i < cl->plan.consumers; i++)
		cl_consumer_start(cl, i);
	for (uint32_t i = 0; i < cl->plan.groups; i++)
		cl_group_start(cl, i);
	for (uint32_t i = 0; i < cl->plan.tills; i++)
		cl_till_start(cl, i);
	cl_both_start(cl);
	for (uint32_t i = 0; i < cl->plan.members; i++)
		cl_member_start(cl, i);
	for (uint32_t i = 0; i < cl->plan.readers; i++)
		cl_reader_start(cl, i);
	for (uint32_t i = 0; i < cl->plan.tids; i++)
		cl_txn_start(cl, i);
	cl->producing = true;
	(void)!until(cl, SECOND, false);
	cl_admin_start(cl);
	cl_chaos_start(cl);
	(void)!until(cl, cl->plan.chaos_us, false);
	cl_heal(cl);
	cl->healed_us = cl->sim.now_us;
	(void)!until(cl, 2 * SECOND, false);
	cl->producing = false;
	int64_t peace_us = cl->sim.now_us;
	if (!until(cl, 60 * SECOND, at_rest(cl, peace_us, why)) && cl->failure[0] == 0) {
		(void)(cl_settled(cl, why) && cl_groups_told(cl, peace_us, why) && cl_tills_told(cl, peace_us, why)
		    && cl_members_done(cl, peace_us, why) && cl_readers_done(cl, peace_us, why) && cl_txns_done(cl, peace_us, why));
		cl_fail(cl, "it does not converge: %s", why);
	}
	if (cl->failure[0] == 0)
		cl_watch(cl);
	if (cl->failure[0] == 0)
		cl_verify(cl);
	print_asked(cl);
}

struct result {
	uint64_t digest, events;
	char failure[512];
	uint32_t ops, acked, lives, extras;
	uint64_t reads;
	int64_t us, healed_us, pause_us;
};

static void
run(uint64_t seed, enum cl_bug bug, struct result *r)
{
	struct cl *cl = rk_new(struct cl);

	seed_now = seed;
	lines = 0;
	cl_bug_plant(cl, bug);
	build(cl, seed);
	if (cl->failure[0] == 0)
		play(cl);
	*r = (struct result){ .digest = cl->failure[0] == 0 ? cl->sim.digest | 1 : 0, .events = cl->sim.events,
		.ops = cl->ops, .acked = cl->acked, .lives = cl->lives, .reads = cl->reads, .us = cl->sim.now_us,
		.healed_us = cl->healed_us, .pause_us = cl->pause_us };
	snprintf(r->failure, sizeof r->failure, "%s", cl->failure);
	for (uint32_t i = 0; i < cl->extras; i++)
		r->extras += cl->extra[i].made;
	raze(cl);
	cl_bug_plant(NULL, CL_NO_BUG);
	rk_mem_put(cl);
}

static int
seeds(uint64_t from, uint64_t to, bool quiet, bool once, enum cl_bug bug)
{
	struct result a, b;
	int bad = 0;

	for (uint64_t s = from; s <= to; s++) {
		run(s, bug, &a);
		b = a;
		if (a.digest != 0 && !once)
			run(s, bug, &b);
		if (a.digest == 0) {
			if (!quiet && !cl_trace_all)
				print_last();
			printf("seed %" PRIu64 " fails: %s\n", s, a.failure);
			bad = 1;
		} else if (a.digest != b.digest) {
			printf("seed %" PRIu64 " gives two digests: %016" PRIx64 " %016" PRIx64 " %s\n", s, a.digest, b.digest, b.failure);
			bad = 1;
		} else if (!quiet) {
			printf("seed %" PRIu64 " batches %u acknowledged %u read %" PRIu64 " lives %u topics %u events %" PRIu64
			    " seconds %" PRId64 " settled in %.1f pause %.1f digest %016" PRIx64 "\n", s, a.ops, a.acked, a.reads,
			    a.lives, a.extras, a.events, a.us / SECOND, (double)(a.us - a.healed_us) / SECOND,
			    (double)a.pause_us / SECOND, a.digest);
		}
		fflush(stdout);
	}
	return bad;
}

static int
once_found(uint64_t seed)
{
	return seeds(seed, seed, true, true, CL_NO_BUG);
}

/* The proof that the checks see: each planted bug falls to one of the first seeds. */
static int
sees(enum cl_bug bug, uint64_t within)
{
	struct result r;

	cl_quorum = bug == CL_BUG_VOTE;
	cl_both = bug == CL_BUG_OWNER; /* the last of them */
	uint64_t step = bug >= CL_BUG_COMPLETE && bug != CL_BUG_OWNER ? CL_EACH_TXN : 1;
	for (uint64_t s = step; s <= within; s += step) {
		run(s, bug, &r);
		if (r.digest == 0) {
			printf("%s falls to seed %" PRIu64 ": %s\n", cl_bug_name(bug), s, r.failure);
			return 0;
		}
	}
	printf("%s is not found in %" PRIu64 " seeds\n", cl_bug_name(bug), within);
	return 1;
}

static int
alone(void)
{
	int bad = sim_kept("cluster", once_found);

	cl_quorum = true;
	bad |= seeds(1, QUORUM_SEEDS, true, false, CL_NO_BUG);
	cl_quorum = false;
	bad |= seeds(1, CHECK_SEEDS, true, false, CL_NO_BUG);

	for (enum cl_bug b = 1; b < CL_BUGS && bad == 0; b++)
		if (cl_bug_within(b) > 0)
			bad |= sees(b, cl_bug_within(b));
	return bad;
}

int
main(int argc, char **argv)
{
	uint64_t from = 0, to = 0;
	bool quiet = false, once = false;
	enum cl_bug bug = CL_NO_BUG;

	signal(SIGABRT, dies);
	signal(SIGSEGV, dies);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--say") == 0) {
			cl_say_all = true;
		} else if (strcmp(argv[i], "--trace") == 0) {
			cl_trace_all = true;
		} else if (strcmp(argv[i], "--single") == 0) {
			cl_single = true;
		} else if (strcmp(argv[i], "--quorum") == 0) {
			cl_quorum = true;
		} else if (strcmp(argv[i], "--both") == 0) {
			cl_both = true;
		} else if (strcmp(argv[i], "--factor") == 0 && i + 1 < argc) {
			cl_factor = (int)strtol(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "--once") == 0) {
			once = true;
		} else if (strcmp(argv[i], "--quiet") == 0) {
			quiet = true;
		} else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
			sim_seeds(argv[++i], &from, &to);
		} else if (strcmp(argv[i], "--bug") == 0 && i + 1 < argc) {
			bug = (enum cl_bug)strtol(argv[++i], NULL, 10);
		} else {
			fprintf(stderr,
			    "usage: cluster_sim [--seeds A-B] [--single | --quorum] [--both] [--factor N] [--once] [--say] [--trace] "
			    "[--quiet] [--bug N]\n");
			return 2;
		}
	}
	if (to == 0)
		return alone();
	return seeds(from, to, quiet, once, bug);
}
