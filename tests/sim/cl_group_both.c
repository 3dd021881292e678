/* cl_group_both.c - a group of cluster_sim whose applications change their protocol. See cluster.h.
 *
 * Each application has two bodies, a member (cl_group_member.c) and a reader (cl_group_consumer.c), one of which
 * lives: one after the other goes from the classic protocol to that of KIP-848, and when all are there, back. It leaves
 * as the one and comes as the other; or it crashes, or is static, and then its next process takes the place. In a half
 * of these seeds the classic ones are eager (range), in the other cooperative: those keep what they have while they
 * join.
 *
 * What holds of a group of one protocol is asked of all its members here, and once:
 *
 *	one owner: in one generation or epoch a partition is given to one application, and what is given to one is no
 *	other's whose session cannot be over, whichever protocols the two speak. A classic member that has asked for its
 *	assignment (SyncGroup) and was not answered is the exception, from then until it is told: it may have lost
 *	something and not know it. While it joins it may not: its coordinator waits for it, in either kind of group.
 *	nothing old: when somebody is in generation N of the classic group, nothing is accepted of a generation before N,
 *	also after the group has become one of consumers. (In a group of consumers members of several epochs live side
 *	by side: there who does not own a partition commits nothing for it. That is asked in both kinds.)
 *	no way back: an application's generations and epochs do not fall, and are in one row across both protocols. A group
 *	that nobody was in may begin anew, by the other protocol, as Kafka's does: from the moment on when no member's
 *	session is known to last (an era ends), what was told before is not compared with what is told then. */
#include "protocol/gen/consumer_protocol.h"
#include "protocol/gen/keys.h"
#include "src/core/coord.h"
#include "tests/sim/cluster.h"

void
cl_crowd_start(struct cl_crowd *c, const char *name)
{
	snprintf(c->name, sizeof c->name, "%s", name);
	for (int32_t p = 0; p < CL_PARTS; p++)
		c->acked[p] = c->sent[p] = -1;
}

static void
forget(struct cl_crowd *c)
{
	c->nobody = true;
	c->floor = -1;
	for (int32_t p = 0; p < CL_PARTS; p++) {
		c->owner[p].generation = -1;
		c->owner[p].member = -1;
	}
}

void
cl_both_start(struct cl *cl)
{
	struct cl_crowd *c = &cl->crowd;

	if (!cl->plan.both)
		return;
	c->both = true;
	c->apps = cl->plan.members;
	c->newer = cl->seed % 2 == 0; /* where they begin, too */
	c->cooperative = cl->seed / 2 % 2 == 0;
	forget(c);
}

/* --- who speaks what */
static bool
all_speak(const struct cl *cl, bool newer)
{
	for (uint32_t i = 0; i < cl->crowd.apps; i++)
		if (cl->member[i].idle != newer)
			return false;
	return true;
}

bool
cl_both_moves(struct cl *cl, bool newer)
{
	struct cl_crowd *c = &cl->crowd;

	if (!cl->producing)
		return false;
	if (newer != c->newer)
		return sim_chance(&cl->sim, 60000);
	if (all_speak(cl, newer) && sim_chance(&cl->sim, 10000)) {
		c->newer = !newer;
		cl_tell(cl, "the group's applications go to the %s protocol now", c->newer ? "consumer" : "classic");
	}
	return false;
}

bool
cl_both_changes(struct cl *cl, bool newer)
{
	return cl->producing && sim_chance(&cl->sim, newer != cl->crowd.newer ? 800000 : 100000);
}

void
cl_both_over(struct cl *cl, uint32_t app, bool newer, int64_t us)
{
	cl_tell(cl, "application %u goes from the %s protocol to the %s one", app, newer ? "consumer" : "classic",
	    newer ? "classic" : "consumer");
	cl->crowd.moves++;
	if (newer)
		cl_member_wake(&cl->member[app], us);
	else
		cl_reader_wake(&cl->reader[app], us);
}

/* --- what is told */
uint32_t
cl_both_era(struct cl *cl)
{
	struct cl_crowd *c = &cl->crowd;
	int64_t sure_us = 0;

	for (uint32_t i = 0; i < c->apps; i++)
		sure_us = rk_max(sure_us, c->app[i].sure_us);
	if (sure_us < cl->sim.now_us && !c->nobody) {
		c->era++;
		forget(c);
		cl_tell(cl, "nobody is known to be in group %s: it may begin anew", c->name);
	}
	return c->era;
}

/* It is in, at least until good_us, unless that is over already: then it may be out, and the group another one. */
void
cl_both_told(struct cl *cl, uint32_t app, int32_t epoch, int64_t good_us)
{
	struct cl_crowd *c = &cl->crowd;
	uint32_t era = cl_both_era(cl);

	if (good_us <= cl->sim.now_us)
		return;
	if (c->app[app].era == era && epoch < c->app[app].epoch)
		cl_fail(cl, "application %u goes back from generation or epoch %d to %d", app, c->app[app].epoch, epoch);
	c->app[app].era = era;
	c->app[app].epoch = epoch;
	c->app[app].sure_us = rk_max(c->app[app].sure_us, good_us);
	c->nobody = false;
}

/* It says that it leaves. */
void
cl_both_left(struct cl *cl, uint32_t app)
{
	cl->crowd.app[app].sure_us = 0;
	cl_both_era(cl);
}

/* Whose session lasts and who has the partition; -1: nobody. */
static int32_t
has(const struct cl *cl, int32_t p, uint32_t but)
{
	for (uint32_t i = 0; i < cl->crowd.apps; i++) {
		const struct cl_member *m = &cl->member[i];
		const struct cl_reader *r = &cl->reader[i];
		if (i != but && !m->idle && m->owns[p] && cl->sim.now_us < m->good_us)
			return (int32_t)i;
		if (i != but && !r->idle && r->owns[p] && cl->sim.now_us < r->good_us)
			return (int32_t)i;
	}
	return -1;
}

void
cl_both_given(struct cl *cl, uint32_t app, int32_t p, int32_t epoch, int64_t good_us)
{
	struct cl_crowd *c = &cl->crowd;
	int32_t other = has(cl, p, app);

	rk_assert(p >= 0 && p < CL_PARTS);
	if (good_us <= cl->sim.now_us) { /* it was told long ago: its session may be over */
		c->owner[p].member = -1;
		return;
	}
	if (other >= 0)
		cl_fail(cl, "application %u is given partition %d in generation or epoch %d, which application %d has", app, p,
		    epoch, other);
	if (c->owner[p].generation == epoch && c->owner[p].member >= 0 && c->owner[p].member != (int32_t)app)
		cl_fail(cl, "in generation or epoch %d partition %d is given to the applications %d and %u", epoch, p,
		    c->owner[p].member, app);
	c->owner[p].generation = epoch;
	c->owner[p].member = (int32_t)app;
}

/* What was asked in that era, in that generation, when floor was the last classic one, was granted. */
void
cl_both_accepts(struct cl *cl, const struct cl_ask *a, uint32_t app, int32_t epoch, int32_t floor, uint32_t era)
{
	if (era == cl_both_era(cl) && epoch < floor)
		cl_fail(cl, "node %d accepts %s of application %u in generation or epoch %d, when %d had been told already",
		    a->node + 1, kp_api(a->key)->name, app, epoch, floor);
}

bool
cl_both_done(const struct cl *cl, int64_t since_us, char why[256])
{
	int32_t owned = 0, first = -1;

	for (uint32_t i = 0; i < cl->crowd.apps; i++) {
		const struct cl_member *m = &cl->member[i];
		const struct cl_reader *r = &cl->reader[i];
		int32_t epoch = r->idle ? m->generation : r->epoch;
		first = i == 0 ? epoch : first;
		for (int32_t p = 0; p < CL_PARTS; p++)
			owned += r->idle ? m->owns[p] : r->owns[p];
		if ((r->idle ? m->synced && m->told_us >= since_us : r->epoch > 0 && r->told_us >= since_us) && epoch == first)
			continue;
		snprintf(why, 256, "application %u (%s) is in generation or epoch %d, the first in %d", i,
		    r->idle ? "classic" : "consumer", epoch, first);
		return false;
	}
	if (owned == cl->topic[0].parts)
		return true;
	snprintf(why, 256, "of %d partitions the applications own %d", cl->topic[0].parts, owned);
	return false;
}

/* --- the bytes that Kafka's consumers put into JoinGroup and SyncGroup */
enum { WORDS_VERSION = 3 };

int32_t
cl_both_parts(const struct cl *cl)
{
	return rk_min(cl->topic[0].parts, CL_PARTS);
}

struct rk_str
cl_both_subscription(struct cl_member *m)
{
	struct cl *cl = m->client.cl;
	struct kp_consumer_protocol_subscription s;
	struct kp_consumer_protocol_subscription_owned_partitions o = { .topic = rk_str_of(cl->topic[0].name) };
	int32_t part[CL_PARTS];

	kp_defaults(&kp_consumer_protocol_subscription_d, &s);
	s.user_data = RK_STR_NULL;
	s.topics.at = &o.topic;
	s.topics.len = 1;
	o.partitions.at = part;
	for (int32_t p = 0; p < CL_PARTS; p++)
		if (m->owns[p])
			part[o.partitions.len++] = p;
	s.owned_partitions.at = &o;
	s.owned_partitions.len = o.partitions.len > 0;
	s.generation_id = o.partitions.len > 0 ? m->joined : -1;
	return core_coord_bytes(WORDS_VERSION, &kp_consumer_protocol_subscription_d, WORDS_VERSION, &s, &m->client.arena);
}

static bool
readable(struct cl_member *m, struct rk_str b, const struct kp_desc *d, void *to)
{
	int16_t version = b.len < 2 ? -1 : (int16_t)rk_get16(b.at);

	if (version >= 0 && kp_read(d, (int16_t)rk_min(version, WORDS_VERSION), b.at + 2, (size_t)b.len - 2,
	    &m->client.arena, to, NULL) == RK_OK)
		return true;
	cl_fail(m->client.cl, "member %u is sent %d bytes that cannot be read", m->number, b.len);
	return false;
}

void
cl_both_peer(struct cl_member *m, int32_t peer, struct rk_str subscription)
{
	struct kp_consumer_protocol_subscription s;

	memset(m->peer[peer].owns, 0, sizeof m->peer[peer].owns);
	if (!readable(m, subscription, &kp_consumer_protocol_subscription_d, &s))
		return;
	m->peer[peer].generation = s.generation_id;
	for (int32_t i = 0; i < s.owned_partitions.len; i++)
		for (int32_t k = 0; k < s.owned_partitions.at[i].partitions.len; k++) {
			int32_t p = s.owned_partitions.at[i].partitions.at[k];
			if (p >= 0 && p < CL_PARTS)
				m->peer[peer].owns[p] = true;
		}
}

/* Who has it: of several who say so the one of the latest generation. */
static int32_t
claims(const struct cl_member *m, int32_t p)
{
	int32_t who = -1;

	for (int32_t i = 0; i < m->peers; i++)
		if (m->peer[i].owns[p] && (who < 0 || m->peer[i].generation > m->peer[who].generation))
			who = i;
	return who;
}

static int32_t
least(const int32_t *n, int32_t peers)
{
	int32_t who = 0;

	for (int32_t i = 1; i < peers; i++)
		if (n[i] < n[who])
			who = i;
	return who;
}

/* Cooperative: each keeps what it has, up to its share; what another has goes to nobody until he has given it back. */
static void
deal(const struct cl_member *m, int32_t parts, int32_t to[CL_PARTS])
{
	int32_t n[16] = { 0 }, share = (parts + m->peers - 1) / m->peers;

	for (int32_t p = 0; p < parts; p++) {
		int32_t who = claims(m, p);
		to[p] = !m->crowd->cooperative ? (p + m->generation) % m->peers : who >= 0 && n[who] < share ? who : -1;
		if (to[p] >= 0)
			n[to[p]]++;
	}
	for (int32_t p = 0; p < parts; p++)
		if (to[p] < 0) {
			int32_t who = least(n, m->peers);
			n[who]++;
			to[p] = claims(m, p) < 0 ? who : -1;
		}
}

void
cl_both_deal(struct cl_member *m, struct rk_str bytes[16])
{
	struct cl *cl = m->client.cl;
	int32_t to[CL_PARTS], part[CL_PARTS], parts = cl_both_parts(cl);

	rk_assert(m->peers > 0 && m->peers <= 16);
	deal(m, parts, to);
	m->dealt = parts;
	for (int32_t i = 0; i < m->peers; i++) {
		struct kp_consumer_protocol_assignment v = { .user_data = RK_STR_NULL };
		struct kp_consumer_protocol_assignment_assigned_partitions o = { .topic = rk_str_of(cl->topic[0].name) };
		o.partitions.at = part;
		for (int32_t p = 0; p < parts; p++)
			if (to[p] == i)
				part[o.partitions.len++] = p;
		v.assigned_partitions.at = &o;
		v.assigned_partitions.len = o.partitions.len > 0;
		bytes[i] = core_coord_bytes(WORDS_VERSION, &kp_consumer_protocol_assignment_d, WORDS_VERSION, &v, &m->client.arena);
	}
}

void
cl_both_assigned(struct cl_member *m, struct rk_str bytes, bool to[CL_PARTS])
{
	struct kp_consumer_protocol_assignment v;
	struct cl *cl = m->client.cl;

	if (bytes.len == 0) /* a leader that is gone has dealt nothing out to it */
		return;
	if (!readable(m, bytes, &kp_consumer_protocol_assignment_d, &v))
		return;
	for (int32_t i = 0; i < v.assigned_partitions.len; i++)
		for (int32_t k = 0; k < v.assigned_partitions.at[i].partitions.len; k++) {
			int32_t p = v.assigned_partitions.at[i].partitions.at[k];
			if (p < 0 || p >= CL_PARTS || !rk_str_is(v.assigned_partitions.at[i].topic, cl->topic[0].name))
				cl_fail(cl, "member %u is given partition %d of %.*s, which it does not read", m->number, p,
				    v.assigned_partitions.at[i].topic.len, v.assigned_partitions.at[i].topic.at);
			else
				to[p] = true;
		}
}
