/* elect.c - leaders that are chosen because somebody asks (ElectLeaders), because time has come (preferred leaders
 * get their partitions back), or because losing records is allowed (unclean elections). */
#include "src/meta/image.h"
#include "protocol/desc.h"
#include "protocol/gen/elect_leaders.h"

typedef struct kp_elect_leaders_res_replica_election_results_partition_result answer;

enum { PREFERRED = 0, UNCLEAN = 1 };

struct electing {
	struct meta_plan *p;
	struct meta_candidates brokers;
	enum meta_election how;
	uint32_t planned;
	struct rk_str unknown; /* not null: there is no such election, and every partition is told so */
};

#define TOLD(g, ...) rk_arena_print((g)->p->arena, __VA_ARGS__)

static enum rk_err
elect(struct electing *g, struct rk_str topic, int32_t index, struct rk_str *why)
{
	struct meta_change how = { .brokers = &g->brokers, .gone = -1, .back = -1, .election = g->how };
	struct kp_partition_record r;
	struct meta_topic t;

	*why = g->unknown;
	if (g->unknown.len >= 0)
		return RK_INVALID_REQUEST;
	if (!meta_topic_named(&g->p->view, topic, &t))
		return *why = TOLD(g, "No such topic as %.*s", (int)rk_max(topic.len, 0), topic.at),
		    RK_UNKNOWN_TOPIC_OR_PARTITION;
	rk_arena_reset(g->p->work);
	if (!meta_partition(&g->p->view, t.id, index, g->p->work, &r))
		return *why = TOLD(g, "No such partition as %.*s-%d", (int)topic.len, topic.at, index),
		    RK_UNKNOWN_TOPIC_OR_PARTITION;
	if (g->how == META_PREFERRED ? r.leader == r.replicas.at[0] : r.leader >= 0)
		return RK_ELECTION_NOT_NEEDED;
	if (g->planned >= META_RECORDS_MAX)
		return RK_UNKNOWN_SERVER_ERROR; /* as with any request that wants more records than fit */
	if (!meta_plan_change(g->p, topic, &r, &how))
		return g->how == META_PREFERRED ? RK_PREFERRED_LEADER_NOT_AVAILABLE : RK_ELIGIBLE_LEADERS_NOT_AVAILABLE;
	g->planned++;
	return RK_OK;
}

static void
put(answer *a, int32_t index, enum rk_err err, struct rk_str why)
{
	a->partition_id = index;
	a->error_code = rk_err_wire(err);
	a->error_message = why.len >= 0 || err == RK_OK ? why : rk_str_of(rk_err_text(err));
}

/* The topic's partitions that are not led by their first replica or, uncleanly, by nobody: room for all of its. */
static int32_t
wanting(struct electing *g, const struct meta_topic *t, int32_t *out)
{
	struct meta_key k = { .len = 0 };
	struct st_cursor c;
	int32_t n = 0;

	if (g->how != META_PREFERRED)
		meta_key_i32(&k, META_NO_LEADER);
	meta_key_raw(&k, t->id.id, 16);
	for (bool more = st_cursor_begin(&c, g->p->view.txn, g->how == META_PREFERRED ? META_ASTRAY : META_MEMBER,
	    meta_key_str(&k), meta_key_str(&k)); more && n < t->partitions; more = st_cursor_next(&c))
		out[n++] = (int32_t)rk_get32(c.key.at + k.len);
	st_cursor_end(&c);
	return n;
}

/* Of all partitions, those that had the leader they should have are not spoken of, nor looked at. */
static void
elect_all(struct electing *g, struct kp_elect_leaders_res *res)
{
	uint64_t topics = meta_topics_count(&g->p->view);
	struct meta_topic *all = rk_arena_get(g->p->arena, topics, sizeof *all);
	struct meta_topics w;
	uint32_t count = 0;
	int32_t *index = NULL, room = 0;

	res->replica_election_results.at = rk_arena_get(g->p->arena, topics, sizeof *res->replica_election_results.at);
	if (all == NULL || res->replica_election_results.at == NULL)
		return;
	for (bool more = meta_topics_begin(&w, &g->p->view, rk_lit("")); more && count < topics;
	    more = meta_topics_next(&w)) {
		all[count] = w.topic;
		all[count++].name = rk_arena_str(g->p->arena, w.topic.name);
	}
	meta_topics_end(&w);
	for (uint32_t i = 0; i < count; i++) {
		struct kp_elect_leaders_res_replica_election_results *out =
		    &res->replica_election_results.at[res->replica_election_results.len++];
		out->topic = all[i].name;
		if (all[i].partitions > room) {
			room = all[i].partitions;
			index = rk_arena_get(g->p->arena, (size_t)room, sizeof *index);
		}
		int32_t n = index == NULL ? 0 : wanting(g, &all[i], index);
		out->partition_result.at = rk_arena_get(g->p->arena, (size_t)n, sizeof *out->partition_result.at);
		for (int32_t k = 0; k < n && out->partition_result.at != NULL; k++) {
			struct rk_str why;
			enum rk_err err = elect(g, all[i].name, index[k], &why);
			if (err != RK_ELECTION_NOT_NEEDED)
				put(&out->partition_result.at[out->partition_result.len++], index[k], err, why);
		}
	}
}

static void
elect_named(struct electing *g, const struct kp_elect_leaders_req *q, struct kp_elect_leaders_res *res)
{
	int32_t n = q->topic_partitions.len;

	res->replica_election_results.at = rk_arena_get(g->p->arena, (size_t)n, sizeof *res->replica_election_results.at);
	for (int32_t i = 0; i < n && res->replica_election_results.at != NULL; i++) {
		const struct kp_elect_leaders_req_topic_partitions *in = &q->topic_partitions.at[i];
		struct kp_elect_leaders_res_replica_election_results *out =
		    &res->replica_election_results.at[res->replica_election_results.len++];
		out->topic = in->topic;
		out->partition_result.at = rk_arena_get(g->p->arena, (size_t)rk_max(in->partitions.len, 0),
		    sizeof *out->partition_result.at);
		for (int32_t k = 0; k < in->partitions.len && out->partition_result.at != NULL; k++) {
			struct rk_str why;
			enum rk_err err = elect(g, in->topic, in->partitions.at[k], &why);
			put(&out->partition_result.at[out->partition_result.len++], in->partitions.at[k], err, why);
		}
	}
}

static int64_t
asked(const struct kp_elect_leaders_req *q)
{
	int64_t n = 0;

	for (int32_t i = 0; i < q->topic_partitions.len; i++)
		n += q->topic_partitions.at[i].partitions.len;
	return n;
}

void
meta_elect_leaders(struct meta_plan *p, int16_t version, const struct kp_elect_leaders_req *q,
    struct kp_elect_leaders_res *res)
{
	struct electing g = { .p = p, .how = META_PREFERRED, .unknown = RK_STR_NULL };

	if (version >= 1 && q->election_type != PREFERRED && q->election_type != UNCLEAN) {
		res->error_code = rk_err_wire(RK_INVALID_REQUEST);
		g.unknown = TOLD(&g, "Unknown election type %d", q->election_type);
		if (q->topic_partitions.len >= 0)
			elect_named(&g, q, res);
		return;
	}
	if (version >= 1 && q->election_type == UNCLEAN)
		g.how = META_UNCLEAN;
	g.brokers = meta_candidates(p);
	if (asked(q) > META_ASKED_MAX) {
		res->error_code = rk_err_wire(RK_INVALID_REQUEST);
		return;
	}
	if (q->topic_partitions.len < 0)
		elect_all(&g, res);
	else
		elect_named(&g, q, res);
}

/* --- when the time has come */

bool
meta_balance(struct meta_plan *p, uint32_t limit)
{
	struct electing g = { .p = p, .how = META_PREFERRED, .unknown = RK_STR_NULL };
	struct meta_place_of *at = rk_arena_get(p->arena, limit, sizeof *at);
	struct st_cursor c;
	uint32_t n = 0, seen = 0;
	struct meta_topic t;

	g.brokers = meta_candidates(p);
	if (at == NULL)
		return false;
	for (bool more = st_cursor_begin(&c, p->view.txn, META_ASTRAY, rk_lit(""), rk_lit("")); more && n < limit;
	    more = st_cursor_next(&c), seen++) {
		struct kp_partition_record r;
		rk_assert(c.key.len == 20);
		memcpy(at[n].topic.id, c.key.at, 16);
		at[n].partition = (int32_t)rk_get32(c.key.at + 16);
		if (!meta_partition(&p->view, at[n].topic, at[n].partition, p->scratch, &r))
			continue;
		const struct meta_candidate *first = meta_candidate(&g.brokers, r.replicas.at[0]);
		n += first != NULL && first->state == META_ACTIVE && (r.isr.len <= 0 || meta_has(r.isr.at, r.isr.len, first->id));
		rk_arena_reset(p->scratch);
	}
	st_cursor_end(&c);
	for (uint32_t i = 0; i < n; i++) {
		struct rk_str why;
		if (meta_topic_of(&p->view, at[i].topic, &t))
			(void)elect(&g, rk_arena_str(p->arena, t.name), at[i].partition, &why);
	}
	return n == limit;
}

bool
meta_elect_unclean(struct meta_plan *p, uint32_t limit)
{
	struct electing g = { .p = p, .how = META_UNCLEAN, .unknown = RK_STR_NULL };
	struct meta_place_of *at;
	uint32_t n = meta_places(p, META_NO_LEADER, META_LEADER, UINT32_MAX, &at);
	struct meta_topic t;

	if (n == 0)
		return false;
	g.brokers = meta_candidates(p);
	for (uint32_t i = 0; i < n && g.planned < limit; i++) {
		struct rk_str why;
		if (!meta_topic_of(&p->view, at[i].topic, &t))
			continue;
		struct rk_str name = rk_arena_str(p->arena, t.name);
		if (meta_unclean_allowed(p, name))
			(void)elect(&g, name, at[i].partition, &why);
	}
	return g.planned >= limit;
}
