/* brokers.c - brokers stay and go: heartbeats, fencing, controlled shutdown. */
#include "src/meta/image.h"
#include "protocol/desc.h"
#include "protocol/gen/broker_heartbeat.h"

struct kp_broker_registration_change_record
meta_registration_change(const struct kp_register_broker_record *b)
{
	struct kp_broker_registration_change_record r;

	kp_defaults(&kp_broker_registration_change_record_d, &r);
	r.broker_id = b->broker_id;
	r.broker_epoch = b->broker_epoch;
	return r;
}

static void
change_registration(struct meta_plan *p, const struct kp_register_broker_record *b, int8_t fenced, int8_t leaving)
{
	struct kp_broker_registration_change_record r = meta_registration_change(b);

	r.fenced = fenced;
	r.in_controlled_shutdown = leaving;
	meta_plan_add(p, KP_BROKER_REGISTRATION_CHANGE_RECORD, &r);
}

static void
fence(struct meta_plan *p, const struct kp_register_broker_record *b)
{
	struct meta_candidates all = meta_candidates(p);
	struct meta_change how = { .brokers = &all, .gone = b->broker_id, .back = -1 };

	meta_plan_change_all(p, b->broker_id, &how);
	change_registration(p, b, 1, 0);
}

static void
unfence(struct meta_plan *p, const struct kp_register_broker_record *b)
{
	struct meta_candidates all = meta_candidates(p);
	struct meta_change how = { .brokers = &all, .gone = -1, .back = b->broker_id };

	change_registration(p, b, -1, 0);
	meta_plan_change_all(p, META_NO_LEADER, &how);
}

static bool
leads(struct meta_plan *p, int32_t broker)
{
	struct meta_place_of *one;

	return meta_places(p, broker, META_LEADER, 1, &one) > 0;
}

void
meta_fence_broker(struct meta_plan *p, int32_t id)
{
	struct kp_register_broker_record b;

	if (meta_broker(&p->view, id, p->arena, &b) && !b.fenced)
		fence(p, &b);
}

/* --- heartbeats: what the broker is, what it wants, what it shall be next (KIP-631, facts/broker.md 1) */

static bool
taken_over(struct meta_plan *p, int32_t id)
{
	struct meta_sessions *s = p->sessions;

	return s == NULL || s->reached(s, *s->leaving(s, id), id);
}

/* Leaderships and ISRs move away. It may stop once it leads nothing that another could lead, and whoever leads
 * now knows of it: until then it sends clients and followers to the new leaders. */
static bool
leave(struct meta_plan *p, const struct kp_register_broker_record *b)
{
	struct meta_candidates all = meta_candidates(p);
	struct meta_change how = { .brokers = &all, .gone = b->broker_id, .back = -1 };
	bool led = leads(p, b->broker_id);
	uint32_t before = p->count;

	if (led && !b->in_controlled_shutdown)
		change_registration(p, b, 0, 1);
	if (led)
		meta_plan_change_all(p, b->broker_id, &how);
	if (p->count > before && p->sessions != NULL)
		*p->sessions->leaving(p->sessions, b->broker_id) = p->base_offset + p->count - 1;
	if (leads(p, b->broker_id) || !taken_over(p, b->broker_id))
		return false;
	fence(p, b);
	return true;
}

void
meta_broker_heartbeat(struct meta_plan *p, int16_t version, const struct kp_broker_heartbeat_req *q,
    struct kp_broker_heartbeat_res *res)
{
	struct kp_register_broker_record b;

	(void)version;
	res->is_fenced = true;
	if (!meta_broker(&p->view, q->broker_id, p->arena, &b) || b.broker_epoch != q->broker_epoch) {
		res->error_code = rk_err_wire(RK_STALE_BROKER_EPOCH);
		return;
	}
	meta_directories_offline(p, &b, q->offline_log_dirs.at, q->offline_log_dirs.len);
	meta_directories_cordoned(p, &b, q->cordoned_log_dirs.at, q->cordoned_log_dirs.len);
	bool caught_up = q->current_metadata_offset >= meta_broker_offset(&p->view, q->broker_id);
	res->is_caught_up = caught_up;
	res->is_fenced = b.fenced;
	res->should_shut_down = false;
	if (b.fenced) {
		res->should_shut_down = q->want_shut_down;
		if (!q->want_shut_down && !q->want_fence && caught_up) {
			unfence(p, &b);
			res->is_fenced = false;
		}
	} else if (q->want_fence) {
		fence(p, &b);
		res->should_shut_down = q->want_shut_down;
		res->is_fenced = true;
	} else if (q->want_shut_down && leave(p, &b)) {
		res->should_shut_down = res->is_fenced = true;
	}
}
