/* quorum_why.c - what people are told when a change of the voters is refused, in the words Kafka's tools print. */
#include "protocol/gen/add_raft_voter.h"
#include "protocol/gen/remove_raft_voter.h"
#include "src/node/quorum_in.h"

static struct rk_str
key(struct raft_key k, struct rk_arena *a)
{
	char dir[RK_UUID_TEXT];

	if (rk_uuid_zero(k.dir))
		return rk_arena_print(a, "ReplicaKey(id=%" PRId32 ", directoryId=<undefined>)", k.id);
	return rk_arena_print(a, "ReplicaKey(id=%" PRId32 ", directoryId=%s)", k.id, rk_uuid_text(k.dir, dir));
}

static struct rk_str
all(const struct raft_voters *v, struct rk_arena *a)
{
	struct rk_str s = rk_lit("[");

	for (uint32_t i = 0; i < v->count && !a->over; i++) {
		struct rk_str k = key(v->voter[i].key, a);
		s = rk_arena_print(a, "%.*s%s%.*s", s.len, s.at, i > 0 ? ", " : "", k.len, k.at);
	}
	return a->over ? RK_STR_NULL : rk_arena_print(a, "%.*s]", s.len, s.at);
}

/* The listeners that an AddRaftVoter names, none of which is the quorum's. */
static struct rk_str
ends(const struct kp_add_raft_voter_req *q, struct rk_arena *a)
{
	struct rk_str s = rk_lit("");

	for (int32_t i = 0; i < q->listeners.len && !a->over; i++)
		s = rk_arena_print(a, "%.*s%sListenerName(%.*s)=%.*s/<unresolved>:%u", s.len, s.at, i > 0 ? ", " : "",
		    q->listeners.at[i].name.len, q->listeners.at[i].name.at, q->listeners.at[i].host.len,
		    q->listeners.at[i].host.at, q->listeners.at[i].port);
	return s;
}

static struct rk_str
why_not_add(const struct node_quorum *q, const struct kp_add_raft_voter_req *r, const struct raft_msg *m,
    struct rk_arena *a)
{
	const struct raft_set *set = raft_set_now(&q->raft);
	struct raft_key who = { r->voter_id, r->voter_directory_id };
	struct rk_str k = key(who, a), v = all(&set->voters, a), e = ends(r, a);

	if (a->over)
		return RK_STR_NULL;
	switch (m->err) {
	case RK_INVALID_REQUEST:
		if (who.id < 0 || rk_uuid_zero(who.dir))
			return rk_lit("Add voter request didn't include a valid voter");
		return rk_arena_print(a, "Add voter request didn't include the endpoint (Endpoints(endpoints={%.*s})) for the "
		    "default listener ListenerName(%s)", e.len, e.at, q->wire.listener);
	case RK_DUPLICATE_VOTER:
		return rk_arena_print(a, "The voter id for %.*s is already part of the set of voters %.*s.", k.len, k.at, v.len,
		    v.at);
	case RK_UNSUPPORTED_VERSION:
		return rk_arena_print(a, "Cluster doesn't support adding voter because the kraft.version feature is %d",
		    set->version);
	case RK_REQUEST_TIMED_OUT:
		return m->reached ? rk_arena_print(a, "New voter %.*s is not ready to receive requests", k.len, k.at) : RK_STR_NULL;
	default:
		return RK_STR_NULL;
	}
}

static struct rk_str
why_not_remove(const struct node_quorum *q, const struct kp_remove_raft_voter_req *r, const struct raft_msg *m,
    struct rk_arena *a)
{
	const struct raft_set *set = raft_set_now(&q->raft);
	struct rk_str k = key((struct raft_key){ r->voter_id, r->voter_directory_id }, a), v = all(&set->voters, a);

	if (a->over)
		return RK_STR_NULL;
	switch (m->err) {
	case RK_INVALID_REQUEST:
		return rk_lit("Remove voter request didn't include a valid voter");
	case RK_VOTER_NOT_FOUND:
		return rk_arena_print(a, "Cannot remove voter %.*s from the set of voters %.*s", k.len, k.at, v.len, v.at);
	case RK_UNSUPPORTED_VERSION:
		return rk_arena_print(a, "Cluster doesn't support removing voter because the kraft.version feature is %d",
		    set->version);
	default:
		return RK_STR_NULL;
	}
}

static struct rk_str
not_this_cluster(const struct node_quorum *q, struct rk_str told, struct rk_arena *a)
{
	return rk_arena_print(a, "The given id \"%.*s\" doesn't match the cluster id \"%s\"", told.len, told.at,
	    q->wire.cluster_id);
}

void
node_quorum_why(const struct node_quorum *q, const struct raft_msg *m, const void *req, void *res, struct rk_arena *a)
{
	struct rk_str why = RK_STR_NULL;

	if (m->err == RK_OK || (m->kind != RAFT_ADD && m->kind != RAFT_REMOVE))
		return;
	bool add = m->kind == RAFT_ADD;
	const struct kp_add_raft_voter_req *aq = req;
	const struct kp_remove_raft_voter_req *rq = req;
	if (m->err == RK_INCONSISTENT_CLUSTER_ID)
		why = not_this_cluster(q, add ? aq->cluster_id : rq->cluster_id, a);
	else
		why = add ? why_not_add(q, aq, m, a) : why_not_remove(q, rq, m, a);
	if (why.len < 0)
		return;
	if (add)
		((struct kp_add_raft_voter_res *)res)->error_message = why;
	else
		((struct kp_remove_raft_voter_res *)res)->error_message = why;
}
