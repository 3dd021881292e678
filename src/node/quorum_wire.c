/* quorum_wire.c - raft's messages to and from Kafka's structs.
 *
 * Each kind has four functions: our request, the answer to it, a peer's request, our answer. What is the same for
 * all of them (the one topic and partition, who leads and where) stands in front. Kafka's checks that need no
 * raft are made here, in Kafka's order (facts/kraft.md, 4): the cluster id, then the partition. */
#include "src/node/quorum_wire.h"
#include "protocol/batch.h"
#include "protocol/gen/add_raft_voter.h"
#include "protocol/gen/api_versions.h"
#include "protocol/gen/begin_quorum_epoch.h"
#include "protocol/gen/end_quorum_epoch.h"
#include "protocol/gen/fetch.h"
#include "protocol/gen/fetch_snapshot.h"
#include "protocol/gen/keys.h"
#include "protocol/gen/remove_raft_voter.h"
#include "protocol/gen/update_raft_voter.h"
#include "protocol/gen/vote.h"
#include "src/node/voters.h"

/* The one topic, by name and by id. */
#define TOPIC rk_lit("__cluster_metadata")
static const struct rk_uuid topic_id = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } };

/* What all have: the request a cluster id (but ApiVersions), the answer an error. */
static const struct row {
	struct node_wire_api api;
	uint16_t cluster, error; /* where they are in the structs */
} rows[RAFT_KINDS] = {
#define ROW(name, key, min, max) \
	{ { key, min, max }, offsetof(struct kp_##name##_req, cluster_id), offsetof(struct kp_##name##_res, error_code) }
	[RAFT_VOTE] = ROW(vote, KP_VOTE, 0, 2),
	[RAFT_BEGIN] = ROW(begin_quorum_epoch, KP_BEGIN_QUORUM_EPOCH, 0, 1),
	[RAFT_END] = ROW(end_quorum_epoch, KP_END_QUORUM_EPOCH, 0, 1),
	[RAFT_FETCH] = ROW(fetch, KP_FETCH, 13, 18),
	[RAFT_SNAPSHOT] = ROW(fetch_snapshot, KP_FETCH_SNAPSHOT, 0, 1),
	[RAFT_ADD] = ROW(add_raft_voter, KP_ADD_RAFT_VOTER, 0, 1),
	[RAFT_REMOVE] = ROW(remove_raft_voter, KP_REMOVE_RAFT_VOTER, 0, 0),
	[RAFT_UPDATE] = ROW(update_raft_voter, KP_UPDATE_RAFT_VOTER, 0, 0),
	[RAFT_VERSIONS] = { { KP_API_VERSIONS, 3, 4 }, 0, offsetof(struct kp_api_versions_res, error_code) },
#undef ROW
};

struct node_wire_api
node_wire_api(const struct raft_msg *m)
{
	struct node_wire_api a = rows[m->kind].api;

	rk_assert(!m->reply && m->kind < RAFT_KINDS);
	if (m->kind == RAFT_VOTE && m->pre)
		a.min = 2;
	return a;
}

bool
node_wire_kind(int16_t key, enum raft_kind *kind)
{
	for (uint32_t i = 0; i < RAFT_KINDS; i++)
		if (rows[i].api.key == key) {
			*kind = i;
			return i != RAFT_VERSIONS;
		}
	return false;
}

/* --- endpoints */

const struct raft_end *
node_wire_end(const struct raft_ends *e, const char *listener)
{
	for (uint32_t i = 0; e != NULL && i < e->count; i++)
		if (strcmp(e->end[i].name, listener) == 0)
			return &e->end[i];
	return e != NULL && e->count > 0 ? &e->end[0] : NULL;
}

static void
add_end(struct raft_ends *e, struct rk_str name, struct rk_str host, uint16_t port)
{
	if (e->count == RAFT_ENDS_MAX || name.len < 0 || host.len <= 0 || name.len >= (int32_t)sizeof e->end[0].name
	    || host.len >= (int32_t)sizeof e->end[0].host)
		return;
	struct raft_end *to = &e->end[e->count++];
	rk_str_copy(to->name, sizeof to->name, name);
	rk_str_copy(to->host, sizeof to->host, host);
	to->port = port;
}

static const struct raft_ends *
if_any(const struct raft_ends *e)
{
	return e->count > 0 ? e : NULL;
}

/* Listeners of a message, all alike but in the names of their structs. */
#define GIVE_ENDS(array, ends, arena)                                                                \
	do {                                                                                         \
		const struct raft_ends *from_ = (ends);                                              \
		(array).len = from_ == NULL ? 0 : (int32_t)from_->count;                             \
		(array).at = rk_arena_get(arena, (size_t)(array).len + 1, sizeof *(array).at);       \
		for (int32_t i_ = 0; (array).at != NULL && i_ < (array).len; i_++) {                 \
			(array).at[i_].name = rk_arena_str(arena, rk_str_of(from_->end[i_].name));   \
			(array).at[i_].host = rk_arena_str(arena, rk_str_of(from_->end[i_].host));   \
			(array).at[i_].port = from_->end[i_].port;                                   \
		}                                                                                    \
	} while (0)
#define TAKE_ENDS(array, ends)                                                                       \
	do {                                                                                         \
		(ends)->count = 0;                                                                   \
		for (int32_t i_ = 0; i_ < (array).len; i_++)                                         \
			add_end(ends, (array).at[i_].name, (array).at[i_].host, (array).at[i_].port); \
	} while (0)
/* NodeEndpoints: of the leader alone, without a listener's name. */
#define GIVE_NODE(array, m, from_listener, arena)                                                    \
	do {                                                                                         \
		const struct raft_end *e_ = node_wire_end((m)->leader_ends, from_listener);          \
		if ((m)->leader >= 0 && e_ != NULL && ONE(array, arena) != NULL) {                   \
			(array).at[0].node_id = (m)->leader;                                         \
			(array).at[0].host = rk_arena_str(arena, rk_str_of(e_->host));               \
			(array).at[0].port = e_->port;                                               \
		}                                                                                    \
	} while (0)
#define TAKE_NODE(array, m, w, mem)                                                                  \
	do {                                                                                         \
		(mem)->leader_ends.count = 0;                                                        \
		for (int32_t i_ = 0; i_ < (array).len; i_++)                                         \
			if ((array).at[i_].node_id == (m)->leader)                                   \
				add_end(&(mem)->leader_ends, rk_str_of((w)->listener), (array).at[i_].host, \
				    (uint16_t)(array).at[i_].port);                                  \
		(m)->leader_ends = if_any(&(mem)->leader_ends);                                      \
	} while (0)

/* --- the one topic with its one partition */

/* An array of one element, all zero, in the arena; NULL when it is over. */
#define ONE(array, arena) \
	((array).at = rk_arena_get(arena, 1, sizeof *(array).at), (array).len = (array).at == NULL ? 0 : 1, (array).at)
/* Makes them: the partition, or NULL. */
#define MADE(topics, arena) (ONE(topics, arena) == NULL ? NULL : ONE((topics).at->partitions, arena))
/* Looks for them: the partition; NULL: there are none, or more. */
#define ONLY(topics) \
	((topics).len == 1 && (topics).at->partitions.len == 1 ? (topics).at->partitions.at : NULL)

/* An answer's partition p: its error, and in of (p itself or a struct in it) who leads. */
#define GIVE_STATE(p, of, m)                                                                         \
	do {                                                                                         \
		(p)->error_code = rk_err_wire((m)->err);                                             \
		(of)->leader_id = (m)->leader;                                                       \
		(of)->leader_epoch = (m)->epoch;                                                     \
	} while (0)
#define TAKE_STATE(p, of, m)                                                                         \
	do {                                                                                         \
		(m)->err = rk_err_of_wire((p)->error_code);                                          \
		(m)->leader = (of)->leader_id;                                                       \
		(m)->epoch = (of)->leader_epoch;                                                     \
	} while (0)

/* --- Vote */

static void
vote_ask(struct kp_vote_req *q, const struct raft_msg *m, struct rk_arena *a)
{
	struct kp_vote_req_topics_partitions *p = MADE(q->topics, a);

	if (p == NULL)
		return;
	q->voter_id = m->voter.id;
	q->topics.at->topic_name = TOPIC;
	p->replica_epoch = m->epoch;
	p->replica_id = m->from.id;
	p->replica_directory_id = m->from.dir;
	p->voter_directory_id = m->voter.dir;
	p->last_offset_epoch = m->last_epoch;
	p->last_offset = m->offset;
	p->pre_vote = m->pre;
}

static bool
vote_heard(const struct node_wire *w, const struct kp_vote_res *r, struct raft_msg *m, struct node_wire_mem *mem)
{
	const struct kp_vote_res_topics_partitions *p = ONLY(r->topics);

	if (p == NULL)
		return false;
	TAKE_STATE(p, p, m);
	m->granted = p->vote_granted;
	TAKE_NODE(r->node_endpoints, m, w, mem);
	return true;
}

static enum rk_err
vote_asked(const struct kp_vote_req *q, struct raft_msg *m)
{
	const struct kp_vote_req_topics_partitions *p = ONLY(q->topics);

	if (p == NULL || !rk_str_eq(q->topics.at->topic_name, TOPIC) || p->partition_index != 0)
		return RK_INVALID_REQUEST;
	m->voter = (struct raft_key){ q->voter_id, p->voter_directory_id };
	m->epoch = p->replica_epoch;
	m->from = (struct raft_key){ p->replica_id, p->replica_directory_id };
	m->last_epoch = p->last_offset_epoch;
	m->offset = p->last_offset;
	m->pre = p->pre_vote;
	return RK_OK;
}

static void
vote_answer(const struct raft_msg *m, const char *listener, struct kp_vote_res *r, struct rk_arena *a)
{
	struct kp_vote_res_topics_partitions *p = MADE(r->topics, a);

	if (p == NULL)
		return;
	r->topics.at->topic_name = TOPIC;
	GIVE_STATE(p, p, m);
	p->vote_granted = m->granted;
	GIVE_NODE(r->node_endpoints, m, listener, a);
}

/* --- BeginQuorumEpoch */

static void
begin_ask(struct kp_begin_quorum_epoch_req *q, const struct raft_msg *m, struct rk_arena *a)
{
	struct kp_begin_quorum_epoch_req_topics_partitions *p = MADE(q->topics, a);

	if (p == NULL)
		return;
	q->voter_id = m->voter.id;
	q->topics.at->topic_name = TOPIC;
	p->voter_directory_id = m->voter.dir;
	p->leader_id = m->leader;
	p->leader_epoch = m->epoch;
	GIVE_ENDS(q->leader_endpoints, m->leader_ends, a);
}

static bool
begin_heard(const struct node_wire *w, const struct kp_begin_quorum_epoch_res *r, struct raft_msg *m,
    struct node_wire_mem *mem)
{
	const struct kp_begin_quorum_epoch_res_topics_partitions *p = ONLY(r->topics);

	if (p == NULL)
		return false;
	TAKE_STATE(p, p, m);
	TAKE_NODE(r->node_endpoints, m, w, mem);
	return true;
}

static enum rk_err
begin_asked(const struct kp_begin_quorum_epoch_req *q, struct raft_msg *m, struct node_wire_mem *mem)
{
	const struct kp_begin_quorum_epoch_req_topics_partitions *p = ONLY(q->topics);

	if (p == NULL || !rk_str_eq(q->topics.at->topic_name, TOPIC) || p->partition_index != 0)
		return RK_INVALID_REQUEST;
	m->voter = (struct raft_key){ q->voter_id, p->voter_directory_id };
	m->leader = p->leader_id;
	m->epoch = p->leader_epoch;
	TAKE_ENDS(q->leader_endpoints, &mem->leader_ends);
	m->leader_ends = if_any(&mem->leader_ends);
	return RK_OK;
}

static void
begin_answer(const struct raft_msg *m, const char *listener, struct kp_begin_quorum_epoch_res *r, struct rk_arena *a)
{
	struct kp_begin_quorum_epoch_res_topics_partitions *p = MADE(r->topics, a);

	if (p == NULL)
		return;
	r->topics.at->topic_name = TOPIC;
	GIVE_STATE(p, p, m);
	GIVE_NODE(r->node_endpoints, m, listener, a);
}

/* --- EndQuorumEpoch */

static void
end_ask(struct kp_end_quorum_epoch_req *q, const struct raft_msg *m, struct rk_arena *a)
{
	struct kp_end_quorum_epoch_req_topics_partitions *p = MADE(q->topics, a);

	if (p == NULL)
		return;
	q->topics.at->topic_name = TOPIC;
	p->leader_id = m->leader;
	p->leader_epoch = m->epoch;
	p->preferred_successors.at = rk_arena_get(a, m->preferred_count + 1, sizeof *p->preferred_successors.at);
	p->preferred_candidates.at = rk_arena_get(a, m->preferred_count + 1, sizeof *p->preferred_candidates.at);
	if (a->over)
		return;
	p->preferred_successors.len = p->preferred_candidates.len = (int32_t)m->preferred_count;
	for (uint32_t i = 0; i < m->preferred_count; i++) {
		p->preferred_successors.at[i] = m->preferred[i].id;
		p->preferred_candidates.at[i].candidate_id = m->preferred[i].id;
		p->preferred_candidates.at[i].candidate_directory_id = m->preferred[i].dir;
	}
	GIVE_ENDS(q->leader_endpoints, m->leader_ends, a);
}

static bool
end_heard(const struct node_wire *w, const struct kp_end_quorum_epoch_res *r, struct raft_msg *m,
    struct node_wire_mem *mem)
{
	const struct kp_end_quorum_epoch_res_topics_partitions *p = ONLY(r->topics);

	if (p == NULL)
		return false;
	TAKE_STATE(p, p, m);
	TAKE_NODE(r->node_endpoints, m, w, mem);
	return true;
}

static enum rk_err
end_asked(int16_t version, const struct kp_end_quorum_epoch_req *q, struct raft_msg *m, struct node_wire_mem *mem)
{
	const struct kp_end_quorum_epoch_req_topics_partitions *p = ONLY(q->topics);

	if (p == NULL || !rk_str_eq(q->topics.at->topic_name, TOPIC) || p->partition_index != 0)
		return RK_INVALID_REQUEST;
	int32_t n = version >= 1 ? p->preferred_candidates.len : p->preferred_successors.len;
	m->leader = p->leader_id;
	m->epoch = p->leader_epoch;
	for (int32_t i = 0; i < n && i < RAFT_VOTERS_MAX; i++) {
		if (version >= 1)
			mem->preferred[i] = (struct raft_key){ p->preferred_candidates.at[i].candidate_id,
				p->preferred_candidates.at[i].candidate_directory_id };
		else
			mem->preferred[i] = (struct raft_key){ .id = p->preferred_successors.at[i] };
		m->preferred_count++;
	}
	m->preferred = mem->preferred;
	TAKE_ENDS(q->leader_endpoints, &mem->leader_ends);
	m->leader_ends = if_any(&mem->leader_ends);
	return RK_OK;
}

static void
end_answer(const struct raft_msg *m, const char *listener, struct kp_end_quorum_epoch_res *r, struct rk_arena *a)
{
	struct kp_end_quorum_epoch_res_topics_partitions *p = MADE(r->topics, a);

	if (p == NULL)
		return;
	r->topics.at->topic_name = TOPIC;
	GIVE_STATE(p, p, m);
	GIVE_NODE(r->node_endpoints, m, listener, a);
}

/* --- Fetch */

static void
fetch_ask(struct kp_fetch_req *q, const struct raft_msg *m, struct rk_arena *a)
{
	struct kp_fetch_req_topics_partitions *p = MADE(q->topics, a);

	if (p == NULL)
		return;
	q->replica_id = q->replica_state.replica_id = m->from.id;
	q->max_wait_ms = m->max_wait_ms;
	q->max_bytes = m->max_bytes;
	q->rack_id = rk_lit("");
	q->topics.at->topic = TOPIC;
	q->topics.at->topic_id = topic_id;
	p->current_leader_epoch = m->epoch;
	p->fetch_offset = m->offset;
	p->last_fetched_epoch = m->last_epoch;
	p->log_start_offset = -1;
	p->replica_directory_id = m->from.dir;
	p->high_watermark = m->hw;
}

/* The batches, as far as they are whole and sound and fit raft's lists. False: the first is damaged. */
static bool
batches(struct rk_str bytes, struct rk_arena *a, struct raft_batches *b)
{
	*b = (struct raft_batches){ .base = -1 };
	for (int32_t at = 0; at < bytes.len;) {
		const char *p = bytes.at + at;
		enum rk_err err = kp_batch_check(p, (size_t)(bytes.len - at));
		if (err != RK_OK)
			return err == RK_TRUNCATED || at > 0;
		bool run = b->runs == 0 || b->run[b->runs - 1].epoch != kp_batch_epoch(p);
		if ((b->base >= 0 && kp_batch_base(p) != b->end) || (run && b->runs == RAFT_RUNS_MAX)
		    || !node_voters_changes(p, a, b->change, RAFT_RUNS_MAX, &b->changes))
			return b->base >= 0;
		if (b->base < 0)
			b->base = kp_batch_base(p);
		if (run)
			b->run[b->runs++] = (struct raft_epoch){ kp_batch_epoch(p), kp_batch_base(p) };
		b->end = kp_batch_last(p) + 1;
		at += (int32_t)kp_batch_bytes(p);
	}
	return true;
}

static bool
fetch_heard(const struct node_wire *w, const struct kp_fetch_res *r, struct rk_arena *a, struct raft_msg *m,
    struct node_wire_mem *mem)
{
	const struct kp_fetch_res_responses_partitions *p = ONLY(r->responses);

	if (p == NULL)
		return false;
	TAKE_STATE(p, &p->current_leader, m);
	m->hw = p->high_watermark;
	m->log_start = p->log_start_offset;
	m->diverging = (struct raft_snap){ p->diverging_epoch.end_offset, p->diverging_epoch.epoch };
	m->snap = (struct raft_snap){ rk_max(p->snapshot_id.end_offset, 0), p->snapshot_id.epoch };
	TAKE_NODE(r->node_endpoints, m, w, mem);
	if (m->diverging.epoch >= 0 && m->diverging.end < 0)
		return false;
	if (m->err == RK_OK && p->records.len > 0) {
		mem->records = (struct rk_str){ (const char *)p->records.at, p->records.len };
		if (!batches(mem->records, a, &mem->got))
			return false;
		m->got = mem->got.runs > 0 ? &mem->got : NULL;
	}
	return true;
}

static enum rk_err
fetch_asked(int16_t version, const struct kp_fetch_req *q, struct raft_msg *m)
{
	const struct kp_fetch_req_topics_partitions *p = ONLY(q->topics);

	if (p == NULL || p->partition != 0)
		return RK_INVALID_REQUEST;
	if (version < 13 || !rk_uuid_eq(q->topics.at->topic_id, topic_id)) /* Kafka's controllers know it by its id alone */
		return RK_INVALID_REQUEST;
	m->from = (struct raft_key){ version >= 15 ? q->replica_state.replica_id : q->replica_id, p->replica_directory_id };
	m->max_wait_ms = q->max_wait_ms;
	m->max_bytes = q->max_bytes;
	m->epoch = p->current_leader_epoch;
	m->offset = p->fetch_offset;
	m->last_epoch = p->last_fetched_epoch;
	m->hw = p->high_watermark;
	return RK_OK;
}

static struct kp_fetch_res_responses_partitions *
fetch_partition(struct kp_fetch_res *r, struct rk_arena *a)
{
	struct kp_fetch_res_responses_partitions *p = MADE(r->responses, a);

	if (p == NULL)
		return NULL;
	r->responses.at->topic = TOPIC;
	r->responses.at->topic_id = topic_id;
	p->high_watermark = p->last_stable_offset = p->log_start_offset = p->preferred_read_replica = -1;
	p->diverging_epoch.epoch = p->current_leader.leader_id = p->current_leader.leader_epoch = p->snapshot_id.epoch = -1;
	p->diverging_epoch.end_offset = p->snapshot_id.end_offset = -1;
	p->records = (struct kp_records){ .at = (uint8_t *)r, .len = 0 };
	return p;
}

static void
fetch_answer(const struct raft_msg *m, int16_t version, const char *listener, struct rk_str bytes,
    struct kp_fetch_res *r, struct rk_arena *a)
{
	struct kp_fetch_res_responses_partitions *p = fetch_partition(r, a);

	if (p == NULL)
		return;
	GIVE_STATE(p, &p->current_leader, m);
	if (version >= 17) {
		GIVE_NODE(r->node_endpoints, m, listener, a);
		for (int32_t i = 0; i < r->node_endpoints.len; i++)
			r->node_endpoints.at[i].rack = RK_STR_NULL;
	}
	p->log_start_offset = m->log_start;
	if (m->err != RK_OK)
		return;
	p->high_watermark = m->hw;
	if (m->diverging.epoch >= 0) {
		p->diverging_epoch.epoch = m->diverging.epoch;
		p->diverging_epoch.end_offset = m->diverging.end;
	}
	if (m->snap.end > 0) {
		p->snapshot_id.end_offset = m->snap.end;
		p->snapshot_id.epoch = m->snap.epoch;
	}
	if (bytes.len > 0)
		p->records = (struct kp_records){ .at = (uint8_t *)(uintptr_t)bytes.at, .len = bytes.len };
}

/* --- FetchSnapshot */

static void
snapshot_ask(struct kp_fetch_snapshot_req *q, const struct raft_msg *m, struct rk_arena *a)
{
	struct kp_fetch_snapshot_req_topics_partitions *p = MADE(q->topics, a);

	if (p == NULL)
		return;
	q->replica_id = m->from.id;
	q->max_bytes = m->max_bytes;
	q->topics.at->name = TOPIC;
	p->current_leader_epoch = m->epoch;
	p->snapshot_id.end_offset = m->snap.end;
	p->snapshot_id.epoch = m->snap.epoch;
	p->position = m->offset;
	p->replica_directory_id = m->from.dir;
}

static bool
snapshot_heard(const struct node_wire *w, const struct kp_fetch_snapshot_res *r, struct raft_msg *m,
    struct node_wire_mem *mem)
{
	const struct kp_fetch_snapshot_res_topics_partitions *p = ONLY(r->topics);

	if (p == NULL)
		return false;
	TAKE_STATE(p, &p->current_leader, m);
	m->snap = (struct raft_snap){ p->snapshot_id.end_offset, p->snapshot_id.epoch };
	m->size = p->size;
	m->offset = p->position;
	m->len = (uint32_t)rk_max(p->unaligned_records.len, 0);
	mem->records = (struct rk_str){ (const char *)p->unaligned_records.at, (int32_t)m->len };
	TAKE_NODE(r->node_endpoints, m, w, mem);
	return m->offset >= 0 && m->size >= 0;
}

static enum rk_err
snapshot_asked(const struct kp_fetch_snapshot_req *q, struct raft_msg *m, bool *inside)
{
	const struct kp_fetch_snapshot_req_topics_partitions *p = ONLY(q->topics);

	if (p == NULL)
		return RK_INVALID_REQUEST;
	*inside = true;
	if (!rk_str_eq(q->topics.at->name, TOPIC) || p->partition != 0)
		return RK_UNKNOWN_TOPIC_OR_PARTITION;
	m->from = (struct raft_key){ q->replica_id, p->replica_directory_id };
	m->epoch = p->current_leader_epoch;
	m->snap = (struct raft_snap){ p->snapshot_id.end_offset, p->snapshot_id.epoch };
	m->offset = p->position;
	m->max_bytes = q->max_bytes;
	return RK_OK;
}

static void
snapshot_answer(const struct raft_msg *m, const char *listener, const struct kp_fetch_snapshot_req *q,
    struct rk_str bytes, struct kp_fetch_snapshot_res *r, struct rk_arena *a)
{
	struct kp_fetch_snapshot_res_topics_partitions *p = MADE(r->topics, a);

	if (p == NULL)
		return;
	r->topics.at->name = q->topics.at->name;
	p->index = q->topics.at->partitions.at->partition;
	GIVE_STATE(p, &p->current_leader, m);
	p->snapshot_id.end_offset = m->snap.end;
	p->snapshot_id.epoch = m->snap.epoch;
	p->unaligned_records = (struct kp_records){ .at = (uint8_t *)r, .len = 0 };
	GIVE_NODE(r->node_endpoints, m, listener, a);
	if (m->err != RK_OK)
		return;
	p->size = m->size;
	p->position = m->offset;
	if (bytes.len > 0)
		p->unaligned_records = (struct kp_records){ .at = (uint8_t *)(uintptr_t)bytes.at, .len = bytes.len };
}

/* --- AddRaftVoter, RemoveRaftVoter, UpdateRaftVoter */

static void
add_ask(struct kp_add_raft_voter_req *q, const struct raft_msg *m, struct rk_arena *a)
{
	q->timeout_ms = m->timeout_ms;
	q->voter_id = m->voter.id;
	q->voter_directory_id = m->voter.dir;
	q->ack_when_committed = m->ack_committed;
	GIVE_ENDS(q->listeners, m->ends, a);
}

static void
remove_ask(struct kp_remove_raft_voter_req *q, const struct raft_msg *m)
{
	q->voter_id = m->voter.id;
	q->voter_directory_id = m->voter.dir;
}

static void
update_ask(struct kp_update_raft_voter_req *q, const struct raft_msg *m, struct rk_arena *a)
{
	q->current_leader_epoch = m->epoch;
	q->voter_id = m->voter.id;
	q->voter_directory_id = m->voter.dir;
	q->kraft_version_feature.min_supported_version = m->min_version;
	q->kraft_version_feature.max_supported_version = m->max_version;
	GIVE_ENDS(q->listeners, m->ends, a);
}

static bool
update_heard(const struct node_wire *w, const struct kp_update_raft_voter_res *r, struct raft_msg *m,
    struct node_wire_mem *mem)
{
	TAKE_STATE(r, &r->current_leader, m);
	add_end(&mem->leader_ends, rk_str_of(w->listener), r->current_leader.host, (uint16_t)r->current_leader.port);
	m->leader_ends = if_any(&mem->leader_ends);
	return true;
}

static bool
has_listener(const struct raft_ends *e, const char *name)
{
	for (uint32_t i = 0; i < e->count; i++)
		if (strcmp(e->end[i].name, name) == 0)
			return true;
	return false;
}

/* The leader is asked first in Kafka, but a request that could never be right is wrong everywhere. */
static enum rk_err
add_asked(const struct node_wire *w, const struct kp_add_raft_voter_req *q, struct raft_msg *m,
    struct node_wire_mem *mem)
{
	m->timeout_ms = q->timeout_ms;
	m->voter = (struct raft_key){ q->voter_id, q->voter_directory_id };
	m->ack_committed = q->ack_when_committed;
	TAKE_ENDS(q->listeners, &mem->ends);
	/* No ends: raft says what is wrong, after it has said that it does not lead. */
	m->ends = has_listener(&mem->ends, w->listener) && !rk_uuid_zero(m->voter.dir) ? &mem->ends : NULL;
	return RK_OK;
}

static enum rk_err
update_asked(const struct node_wire *w, const struct kp_update_raft_voter_req *q, struct raft_msg *m,
    struct node_wire_mem *mem)
{
	m->epoch = q->current_leader_epoch;
	m->voter = (struct raft_key){ q->voter_id, q->voter_directory_id };
	m->min_version = q->kraft_version_feature.min_supported_version;
	m->max_version = q->kraft_version_feature.max_supported_version;
	TAKE_ENDS(q->listeners, &mem->ends);
	m->ends = has_listener(&mem->ends, w->listener) && m->voter.id >= 0 && !rk_uuid_zero(m->voter.dir) ? &mem->ends
		: NULL;
	return RK_OK;
}

static void
update_answer(const struct raft_msg *m, const char *listener, struct kp_update_raft_voter_res *r, struct rk_arena *a)
{
	const struct raft_end *e = node_wire_end(m->leader_ends, listener);

	GIVE_STATE(r, &r->current_leader, m);
	r->current_leader.host = e == NULL ? rk_lit("") : rk_arena_str(a, rk_str_of(e->host));
	r->current_leader.port = e == NULL ? 0 : e->port;
}

/* What Kafka's tools print; the answer to a change that went well has none. */
static struct rk_str
said(enum rk_err err)
{
	return err == RK_OK ? rk_lit("") : rk_str_of(rk_err_text(err));
}

/* --- ApiVersions, of a voter to be */

static void
versions_ask(struct kp_api_versions_req *q)
{
	q->client_software_name = rk_lit("rookery");
	q->client_software_version = rk_lit(PACKAGE_VERSION);
}

static bool
versions_heard(const struct kp_api_versions_res *r, struct raft_msg *m)
{
	for (int32_t i = 0; i < r->supported_features.len; i++)
		if (rk_str_is(r->supported_features.at[i].name, "kraft.version")) {
			m->min_version = r->supported_features.at[i].min_version;
			m->max_version = r->supported_features.at[i].max_version;
		}
	return true;
}

/* --- all of them */

const void *
node_wire_ask(const struct node_wire *w, const struct raft_msg *m, struct rk_arena *a)
{
	struct rk_str cluster = rk_str_of(w->cluster_id);

	rk_assert(!m->reply && m->kind < RAFT_KINDS);
	const struct kp_desc *d = kp_api(rows[m->kind].api.key)->req;
	void *q = rk_arena_get(a, 1, kp_desc_size(d));
	if (q == NULL)
		return NULL;
	kp_defaults(d, q);
	if (m->kind != RAFT_VERSIONS)
		memcpy((char *)q + rows[m->kind].cluster, &cluster, sizeof cluster);
	switch (m->kind) {
	case RAFT_VOTE:
		vote_ask(q, m, a);
		break;
	case RAFT_BEGIN:
		begin_ask(q, m, a);
		break;
	case RAFT_END:
		end_ask(q, m, a);
		break;
	case RAFT_FETCH:
		fetch_ask(q, m, a);
		break;
	case RAFT_SNAPSHOT:
		snapshot_ask(q, m, a);
		break;
	case RAFT_ADD:
		add_ask(q, m, a);
		break;
	case RAFT_REMOVE:
		remove_ask(q, m);
		break;
	case RAFT_UPDATE:
		update_ask(q, m, a);
		break;
	case RAFT_VERSIONS:
		versions_ask(q);
		break;
	case RAFT_KINDS:
		break;
	}
	return a->over ? NULL : q;
}

bool
node_wire_heard(const struct node_wire *w, enum raft_kind kind, const void *res, struct rk_arena *a,
    struct raft_msg *m, struct node_wire_mem *mem)
{
	int16_t code;

	*m = (struct raft_msg){ .kind = kind, .reply = true, .to = -1, .epoch = -1, .leader = -1, .hw = -1 };
	m->from = m->voter = (struct raft_key){ .id = -1 };
	m->diverging.epoch = -1;
	memset(mem, 0, sizeof *mem);
	memcpy(&code, (const char *)res + rows[kind].error, sizeof code);
	m->err = rk_err_of_wire(code);
	if (m->err != RK_OK && kind <= RAFT_SNAPSHOT)
		return true; /* it is about the whole request: there is no partition */
	switch (kind) {
	case RAFT_VOTE:
		return vote_heard(w, res, m, mem);
	case RAFT_BEGIN:
		return begin_heard(w, res, m, mem);
	case RAFT_END:
		return end_heard(w, res, m, mem);
	case RAFT_FETCH:
		return fetch_heard(w, res, a, m, mem);
	case RAFT_SNAPSHOT:
		return snapshot_heard(w, res, m, mem);
	case RAFT_ADD:
	case RAFT_REMOVE:
		return true;
	case RAFT_UPDATE:
		return update_heard(w, res, m, mem);
	case RAFT_VERSIONS:
		return versions_heard(res, m);
	case RAFT_KINDS:
		break;
	}
	return false;
}

enum rk_err
node_wire_asked(const struct node_wire *w, enum raft_kind kind, int16_t version, const void *req, struct raft_msg *m,
    struct node_wire_mem *mem, bool *inside)
{
	struct rk_str cluster;

	rk_assert(kind < RAFT_VERSIONS);
	memcpy(&cluster, (const char *)req + rows[kind].cluster, sizeof cluster);
	*m = (struct raft_msg){ .kind = kind, .to = -1, .leader = -1, .hw = -1 };
	m->from = m->voter = (struct raft_key){ .id = -1 };
	m->diverging.epoch = -1;
	memset(mem, 0, sizeof *mem);
	*inside = false;
	if (cluster.len >= 0 && !rk_str_is(cluster, w->cluster_id))
		return RK_INCONSISTENT_CLUSTER_ID;
	switch (kind) {
	case RAFT_VOTE:
		return vote_asked(req, m);
	case RAFT_BEGIN:
		return begin_asked(req, m, mem);
	case RAFT_END:
		return end_asked(version, req, m, mem);
	case RAFT_FETCH:
		return fetch_asked(version, req, m);
	case RAFT_SNAPSHOT:
		return snapshot_asked(req, m, inside);
	case RAFT_ADD:
		return add_asked(w, req, m, mem);
	case RAFT_REMOVE:
		m->voter.id = ((const struct kp_remove_raft_voter_req *)req)->voter_id;
		m->voter.dir = ((const struct kp_remove_raft_voter_req *)req)->voter_directory_id;
		return RK_OK;
	case RAFT_UPDATE:
		return update_asked(w, req, m, mem);
	case RAFT_VERSIONS:
	case RAFT_KINDS:
		break;
	}
	return RK_INVALID_REQUEST;
}

void
node_wire_answer(const struct raft_msg *m, int16_t version, const char *listener, const void *req,
    struct rk_str bytes, void *res, struct rk_arena *a)
{
	rk_assert(m->reply && m->kind < RAFT_VERSIONS);
	switch (m->kind) {
	case RAFT_VOTE:
		vote_answer(m, listener, res, a);
		break;
	case RAFT_BEGIN:
		begin_answer(m, listener, res, a);
		break;
	case RAFT_END:
		end_answer(m, listener, res, a);
		break;
	case RAFT_FETCH:
		fetch_answer(m, version, listener, bytes, res, a);
		break;
	case RAFT_SNAPSHOT:
		snapshot_answer(m, listener, req, bytes, res, a);
		break;
	case RAFT_UPDATE:
		update_answer(m, listener, res, a);
		break;
	case RAFT_ADD:
	case RAFT_REMOVE:
		node_wire_refuse(m->kind, m->err, false, req, res, a);
		break;
	case RAFT_VERSIONS:
	case RAFT_KINDS:
		rk_assert(m->kind < RAFT_VERSIONS);
	}
}

void
node_wire_refuse(enum raft_kind kind, enum rk_err err, bool inside, const void *req, void *res, struct rk_arena *a)
{
	int16_t code = rk_err_wire(err);

	rk_assert(kind < RAFT_VERSIONS);
	if (inside) {
		rk_assert(kind == RAFT_SNAPSHOT);
		snapshot_answer(&(struct raft_msg){ .err = err, .leader = -1, .epoch = -1 }, "", req, RK_STR_NULL, res, a);
		return;
	}
	memcpy((char *)res + rows[kind].error, &code, sizeof code);
	if (kind == RAFT_ADD)
		((struct kp_add_raft_voter_res *)res)->error_message = said(err);
	else if (kind == RAFT_REMOVE)
		((struct kp_remove_raft_voter_res *)res)->error_message = said(err);
}
