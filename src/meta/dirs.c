/* dirs.c - in which directory of its broker a replica lies (KIP-858): brokers tell, and a directory that fails takes
 * its replicas out of their ISRs. */
#include "src/meta/image.h"
#include "protocol/desc.h"
#include "protocol/gen/assign_replicas_to_dirs.h"

typedef struct kp_assign_replicas_to_dirs_req_directories wish;
typedef struct kp_assign_replicas_to_dirs_res_directories answer;

struct assigning {
	struct meta_plan *p;
	const struct kp_assign_replicas_to_dirs_req *q;
	struct meta_candidates brokers;
	struct meta_place_of *lost; /* partitions whose replica was put where nothing is */
	uint32_t losses;
};

static enum rk_err
assign(struct assigning *g, const struct rk_uuid *dir, struct rk_uuid topic, int32_t index, bool offline)
{
	struct meta_change how = { .brokers = &g->brokers, .gone = -1, .back = -1, .election = META_CLEAN, .directory = dir,
		.directory_of = g->q->broker_id };
	struct kp_partition_record r;
	struct meta_topic t;

	if (!meta_topic_of(&g->p->view, topic, &t))
		return RK_UNKNOWN_TOPIC_ID;
	rk_arena_reset(g->p->work);
	if (!meta_partition(&g->p->view, topic, index, g->p->work, &r))
		return RK_UNKNOWN_TOPIC_OR_PARTITION;
	if (!meta_has(r.replicas.at, r.replicas.len, g->q->broker_id))
		return RK_NOT_LEADER_OR_FOLLOWER;
	meta_plan_change(g->p, rk_arena_str(g->p->work, t.name), &r, &how);
	if (offline)
		g->lost[g->losses++] = (struct meta_place_of){ topic, index };
	return RK_OK;
}

/* The replica is as good as gone: it may not lead nor be in the ISR. */
static void
lose(struct meta_plan *p, const struct meta_candidates *all, int32_t broker, const struct meta_place_of *at, uint32_t n)
{
	struct meta_change how = { .brokers = all, .gone = broker, .back = -1 };

	meta_plan_change_each(p, at, n, &how);
}

static size_t
asked(const struct kp_assign_replicas_to_dirs_req *q)
{
	size_t n = 0;

	for (int32_t i = 0; i < q->directories.len; i++)
		for (int32_t k = 0; k < q->directories.at[i].topics.len; k++)
			n += (size_t)rk_max(q->directories.at[i].topics.at[k].partitions.len, 0);
	return n;
}

static void
one_directory(struct assigning *g, const wish *in, answer *out)
{
	const struct meta_candidate *me = meta_candidate(&g->brokers, g->q->broker_id);
	bool offline = me == NULL || !meta_directory_online(me->dirs, me->dir_count, in->id);

	out->id = in->id;
	out->topics.at = rk_arena_get(g->p->arena, (size_t)rk_max(in->topics.len, 0), sizeof *out->topics.at);
	for (int32_t i = 0; out->topics.at != NULL && i < in->topics.len; i++) {
		int32_t n = in->topics.at[i].partitions.len;
		struct kp_assign_replicas_to_dirs_res_directories_topics *t = &out->topics.at[out->topics.len++];
		t->topic_id = in->topics.at[i].topic_id;
		t->partitions.at = rk_arena_get(g->p->arena, (size_t)rk_max(n, 0), sizeof *t->partitions.at);
		for (int32_t k = 0; t->partitions.at != NULL && k < n; k++) {
			int32_t index = in->topics.at[i].partitions.at[k].partition_index;
			t->partitions.at[k].partition_index = index;
			t->partitions.at[k].error_code = rk_err_wire(assign(g, &in->id, t->topic_id, index, offline));
			t->partitions.len++;
		}
	}
}

void
meta_assign_replicas_to_dirs(struct meta_plan *p, const struct kp_assign_replicas_to_dirs_req *q,
    struct kp_assign_replicas_to_dirs_res *res)
{
	struct assigning g = { .p = p, .q = q, .lost = rk_arena_get(p->arena, asked(q), sizeof *g.lost) };
	struct kp_register_broker_record b;

	if (p->version < META_MV_DIRECTORIES) {
		res->error_code = rk_err_wire(RK_UNSUPPORTED_VERSION);
		return;
	}
	if (!meta_broker(&p->view, q->broker_id, p->arena, &b) || b.broker_epoch != q->broker_epoch) {
		res->error_code = rk_err_wire(RK_STALE_BROKER_EPOCH);
		return;
	}
	g.brokers = meta_candidates(p);
	res->directories.at = rk_arena_get(p->arena, (size_t)rk_max(q->directories.len, 0), sizeof *res->directories.at);
	if (res->directories.at == NULL || g.lost == NULL)
		return;
	for (int32_t i = 0; i < q->directories.len; i++)
		one_directory(&g, &q->directories.at[i], &res->directories.at[res->directories.len++]);
	lose(p, &g.brokers, q->broker_id, g.lost, g.losses);
}

/* --- what a heartbeat tells */

/* The partitions whose replica on the broker lies in the directory and counts for something, to the front. */
static uint32_t
within(struct meta_plan *p, int32_t broker, struct rk_uuid dir, struct meta_place_of *at, uint32_t n)
{
	struct kp_partition_record r;
	uint32_t found = 0;

	for (uint32_t i = 0; i < n; i++, rk_arena_reset(p->scratch)) {
		if (!meta_partition(&p->view, at[i].topic, at[i].partition, p->scratch, &r))
			continue;
		for (int32_t k = 0; k < r.replicas.len && k < r.directories.len; k++)
			if (r.replicas.at[k] == broker && rk_uuid_eq(r.directories.at[k], dir)) {
				at[found++] = at[i];
				break;
			}
	}
	return found;
}

void
meta_directories_offline(struct meta_plan *p, const struct kp_register_broker_record *b, const struct rk_uuid *offline,
    int32_t count)
{
	struct kp_broker_registration_change_record change = meta_registration_change(b);
	int32_t n = 0;

	if (p->version < META_MV_DIRECTORIES || count <= 0)
		return;
	struct rk_uuid *left = rk_arena_get(p->arena, (size_t)rk_max(b->log_dirs.len, 0), sizeof *left);
	if (left == NULL)
		return;
	for (int32_t i = 0; i < b->log_dirs.len; i++)
		if (!meta_has_uuid(offline, count, b->log_dirs.at[i]))
			left[n++] = b->log_dirs.at[i];
	if (n == b->log_dirs.len)
		return;
	struct meta_candidates all = meta_candidates(p);
	for (int32_t i = 0; i < b->log_dirs.len; i++) {
		struct meta_place_of *at;
		if (!meta_has_uuid(offline, count, b->log_dirs.at[i]))
			continue;
		uint32_t places = meta_places(p, b->broker_id, META_ISR | META_ELR | META_LEADER, UINT32_MAX, &at);
		lose(p, &all, b->broker_id, at, within(p, b->broker_id, b->log_dirs.at[i], at, places));
	}
	if (n == 0)
		return; /* no list says so; a broker without a directory stops */
	change.log_dirs.at = left;
	change.log_dirs.len = n;
	meta_plan_add(p, KP_BROKER_REGISTRATION_CHANGE_RECORD, &change);
}

void
meta_directories_cordoned(struct meta_plan *p, const struct kp_register_broker_record *b,
    const struct rk_uuid *cordoned, int32_t count)
{
	struct kp_broker_registration_change_record change = meta_registration_change(b);
	bool same = count == b->cordoned_log_dirs.len;

	for (int32_t i = 0; same && i < count; i++)
		same = rk_uuid_eq(cordoned[i], b->cordoned_log_dirs.at[i]);
	if (p->version < META_MV_CORDONED || count < 0 || same)
		return;
	change.cordoned_log_dirs.at = (struct rk_uuid *)(uintptr_t)cordoned;
	change.cordoned_log_dirs.len = count;
	meta_plan_add(p, KP_BROKER_REGISTRATION_CHANGE_RECORD, &change);
}
