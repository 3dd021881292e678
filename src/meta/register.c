/* register.c - brokers and controllers make themselves known, or are taken off the list; producer ids are given
 * out in blocks. */
#include "src/meta/image.h"
#include "base/say.h"
#include "protocol/desc.h"
#include "protocol/gen/allocate_producer_ids.h"
#include "protocol/gen/broker_registration.h"
#include "protocol/gen/controller_registration.h"
#include "protocol/gen/unregister_broker.h"
#include "src/config.h"

enum { ID_BLOCK = 1000 };

static bool
level_fits(struct meta_plan *p, struct rk_str name, int16_t level, int16_t min, int16_t max, struct rk_str *why)
{
	if (level >= min && level <= max)
		return true;
	*why = rk_arena_print(p->arena, "Unable to register because the broker does not support finalized version "
	    "%d of %.*s. The broker wants a version between %d and %d, inclusive.", level, (int)rk_min(name.len, 250), name.at,
	    min, max);
	return false;
}

static bool
names(const struct kp_broker_registration_req *q, struct rk_str feature)
{
	for (int32_t i = 0; i < q->features.len; i++)
		if (rk_str_eq(q->features.at[i].name, feature))
			return true;
	return false;
}

/* Every feature the broker brings must have its finalised level in the range (none is 0), metadata.version must be
 * among them, and what is finalised and not named counts as 0. */
static enum rk_err
check_features(struct meta_plan *p, const struct kp_broker_registration_req *q, struct rk_str *why)
{
	struct rk_str name = RK_STR_NULL;
	int16_t level;

	for (int32_t i = 0; i < q->features.len; i++) {
		name = q->features.at[i].name;
		/* kraft.version is the quorum's, which no broker needs to know. */
		if (!rk_str_is(name, "kraft.version") && !level_fits(p, name, meta_feature(&p->view, name),
		    q->features.at[i].min_supported_version, q->features.at[i].max_supported_version, why))
			return RK_UNSUPPORTED_VERSION;
	}
	if (!names(q, rk_lit("metadata.version"))) {
		*why = rk_lit("Request features do not contain 'metadata.version'");
		return RK_INVALID_REGISTRATION;
	}
	name = RK_STR_NULL;
	while (meta_feature_next(&p->view, name, p->arena, &name, &level))
		if (!names(q, name) && !level_fits(p, name, level, 0, 0, why))
			return RK_UNSUPPORTED_VERSION;
	return RK_OK;
}

static enum rk_err
check_directories(struct meta_plan *p, const struct kp_broker_registration_req *q, struct rk_str *why)
{
	struct kp_register_broker_record b;

	if (p->version < META_MV_DIRECTORIES)
		return RK_OK;
	if (q->log_dirs.len <= 0)
		return *why = rk_lit("No directories specified in request"), RK_INVALID_REGISTRATION;
	for (int32_t i = 0; i < q->log_dirs.len; i++) {
		if (meta_directory_reserved(q->log_dirs.at[i]))
			return *why = rk_lit("Reserved directory ID in request"), RK_INVALID_REGISTRATION;
		if (meta_has_uuid(q->log_dirs.at, i, q->log_dirs.at[i]))
			return *why = rk_lit("Duplicate directory ID in request"), RK_INVALID_REGISTRATION;
	}
	for (int64_t from = 0; meta_broker_next(&p->view, from, p->arena, &b); from = (int64_t)b.broker_id + 1)
		for (int32_t i = 0; b.broker_id != q->broker_id && i < b.log_dirs.len; i++)
			if (meta_has_uuid(q->log_dirs.at, q->log_dirs.len, b.log_dirs.at[i]))
				return *why = rk_arena_print(p->arena, "Broker %d is already registered with directory %s",
				    b.broker_id, rk_uuid_text(b.log_dirs.at[i], (char[RK_UUID_TEXT]){ 0 })),
				    RK_INVALID_REGISTRATION;
	return RK_OK;
}

/* The former incarnation is gone: it leads nothing and is in no ISR. After a clean stop nobody could have taken
 * what it led when it is the only broker, and it has lost nothing: then all stays as it is. */
static void
clean_up(struct meta_plan *p, const struct kp_broker_registration_req *q, const struct kp_register_broker_record *old)
{
	struct meta_candidates all = meta_candidates(p);
	bool clean = q->previous_broker_epoch == old->broker_epoch;
	struct meta_change how = { .brokers = &all, .gone = q->broker_id, .gone_unclean = !clean, .back = -1 };

	if (clean && all.count == 1)
		return;
	meta_plan_change_all(p, q->broker_id, &how);
}

static void
add_registration(struct meta_plan *p, const struct kp_broker_registration_req *q,
    const struct kp_register_broker_record *same, int64_t epoch)
{
	struct kp_register_broker_record r;

	kp_defaults(&kp_register_broker_record_d, &r);
	r.broker_id = q->broker_id;
	r.incarnation_id = q->incarnation_id;
	r.broker_epoch = epoch;
	r.rack = q->rack;
	r.fenced = same == NULL || same->fenced;
	r.in_controlled_shutdown = same != NULL && same->in_controlled_shutdown;
	r.end_points.at = rk_arena_get(p->arena, (size_t)rk_max(q->listeners.len, 0), sizeof *r.end_points.at);
	r.features.at = rk_arena_get(p->arena, (size_t)rk_max(q->features.len, 0), sizeof *r.features.at);
	if (r.end_points.at == NULL || r.features.at == NULL)
		return;
	for (int32_t i = 0; i < q->listeners.len; i++) {
		r.end_points.at[i].name = q->listeners.at[i].name;
		r.end_points.at[i].host = q->listeners.at[i].host;
		r.end_points.at[i].port = q->listeners.at[i].port;
		r.end_points.at[i].security_protocol = q->listeners.at[i].security_protocol;
	}
	r.end_points.len = q->listeners.len;
	for (int32_t i = 0; i < q->features.len; i++) {
		r.features.at[i].name = q->features.at[i].name;
		r.features.at[i].min_supported_version = q->features.at[i].min_supported_version;
		r.features.at[i].max_supported_version = q->features.at[i].max_supported_version;
	}
	r.features.len = q->features.len;
	if (p->version >= META_MV_DIRECTORIES && q->log_dirs.len > 0) {
		r.log_dirs.at = q->log_dirs.at;
		r.log_dirs.len = q->log_dirs.len;
	}
	if (p->version >= META_MV_CORDONED && same != NULL) {
		r.cordoned_log_dirs.at = same->cordoned_log_dirs.at;
		r.cordoned_log_dirs.len = same->cordoned_log_dirs.len;
	}
	meta_plan_add(p, KP_REGISTER_BROKER_RECORD, &r);
}

static bool
same_address(const struct kp_register_broker_record *old, const struct kp_broker_registration_req *q)
{
	if (old->end_points.len != q->listeners.len)
		return false;
	for (int32_t i = 0; i < q->listeners.len; i++)
		if (old->end_points.at[i].port != q->listeners.at[i].port
		    || !rk_str_eq(old->end_points.at[i].host, q->listeners.at[i].host))
			return false;
	return q->listeners.len > 0;
}

/* Another process already speaks for this id, and it is not about to stop. */
static bool
taken(struct meta_plan *p, const struct kp_register_broker_record *old, const struct kp_broker_registration_req *q)
{
	return p->sessions != NULL && !old->in_controlled_shutdown
	    && p->sessions->alive(p->sessions, old->broker_id, same_address(old, q));
}

static enum rk_err
check_shape(struct meta_plan *p, const struct kp_broker_registration_req *q, struct rk_str *why)
{
	enum { SASL_SSL = 3, LISTS_MAX = 1000 };

	if (p->cluster_id != NULL && !rk_str_is(q->cluster_id, p->cluster_id))
		return *why = rk_arena_print(p->arena, "Expected cluster ID %s, but got cluster ID %.*s", p->cluster_id,
		    (int)rk_min(q->cluster_id.len, 250), q->cluster_id.at), RK_INCONSISTENT_CLUSTER_ID;
	if (q->broker_id < 0)
		return *why = rk_lit("a broker's id is not negative"), RK_INVALID_REQUEST;
	if (q->listeners.len > LISTS_MAX || q->features.len > LISTS_MAX || q->log_dirs.len > LISTS_MAX)
		return *why = rk_lit("it names more listeners, features or directories than there can be"), RK_INVALID_REQUEST;
	for (int32_t i = 0; i < q->listeners.len; i++)
		if (q->listeners.at[i].security_protocol < 0 || q->listeners.at[i].security_protocol > SASL_SSL)
			return *why = rk_lit("a listener has a security protocol that there is not"), RK_UNKNOWN_SERVER_ERROR;
	return RK_OK;
}

static enum rk_err
register_broker(struct meta_plan *p, const struct kp_broker_registration_req *q, int64_t *epoch, struct rk_str *why)
{
	struct kp_register_broker_record old = { .broker_epoch = -2 };
	enum rk_err err = check_shape(p, q, why);

	if (err != RK_OK)
		return err;
	bool known = meta_broker(&p->view, q->broker_id, p->arena, &old);
	bool same = known && rk_uuid_eq(old.incarnation_id, q->incarnation_id);
	if (known && !same && taken(p, &old, q))
		return *why = rk_lit("another process is registered with this id; when this broker was restarted, that is over "
		    "as soon as the former process's session is"), RK_DUPLICATE_BROKER_REGISTRATION;
	if (q->is_migrating_zk_broker)
		return *why = rk_lit("Controller does not support registering ZK brokers."), RK_BROKER_ID_NOT_REGISTERED;
	if ((err = check_directories(p, q, why)) != RK_OK || (err = check_features(p, q, why)) != RK_OK)
		return err;
	*epoch = same ? old.broker_epoch : p->base_offset + p->mark;
	if (!same)
		clean_up(p, q, &old);
	add_registration(p, q, same ? &old : NULL, *epoch);
	return RK_OK;
}

void
meta_register_broker(struct meta_plan *p, int16_t version, const struct kp_broker_registration_req *q,
    struct kp_broker_registration_res *res)
{
	struct rk_str why = RK_STR_NULL;
	int64_t epoch = -1;
	enum rk_err err = register_broker(p, q, &epoch, &why);

	(void)version;
	res->error_code = rk_err_wire(err);
	res->broker_epoch = err == RK_OK ? epoch : -1;
	if (err != RK_OK) /* the answer has no room for words */
		rk_say(RK_WARN, "Broker %d cannot register: %s (%.*s)", q->broker_id, rk_err_name(err),
		    (int)rk_max(why.len, 0), why.len > 0 ? why.at : "");
}

/* --- controllers, producer ids */

void
meta_register_controller(struct meta_plan *p, const struct kp_controller_registration_req *q,
    struct kp_controller_registration_res *res)
{
	struct kp_register_controller_record r;

	if (p->version < META_MV_CONTROLLERS) {
		res->error_code = rk_err_wire(RK_UNSUPPORTED_VERSION);
		res->error_message = rk_str_of(rk_err_text(RK_UNSUPPORTED_VERSION));
		return;
	}
	if (q->controller_id < 0) {
		res->error_code = rk_err_wire(RK_INVALID_REQUEST);
		res->error_message = rk_lit("A controller's id is not negative.");
		return;
	}
	kp_defaults(&kp_register_controller_record_d, &r);
	r.controller_id = q->controller_id;
	r.incarnation_id = q->incarnation_id;
	r.zk_migration_ready = q->zk_migration_ready;
	r.end_points.at = rk_arena_get(p->arena, (size_t)rk_max(q->listeners.len, 0), sizeof *r.end_points.at);
	r.features.at = rk_arena_get(p->arena, (size_t)rk_max(q->features.len, 0), sizeof *r.features.at);
	if (r.end_points.at == NULL || r.features.at == NULL)
		return;
	for (int32_t i = 0; i < q->listeners.len; i++) {
		r.end_points.at[i].name = q->listeners.at[i].name;
		r.end_points.at[i].host = q->listeners.at[i].host;
		r.end_points.at[i].port = q->listeners.at[i].port;
		r.end_points.at[i].security_protocol = q->listeners.at[i].security_protocol;
	}
	r.end_points.len = q->listeners.len;
	for (int32_t i = 0; i < q->features.len; i++) {
		r.features.at[i].name = q->features.at[i].name;
		r.features.at[i].min_supported_version = q->features.at[i].min_supported_version;
		r.features.at[i].max_supported_version = q->features.at[i].max_supported_version;
	}
	r.features.len = q->features.len;
	meta_plan_add(p, KP_REGISTER_CONTROLLER_RECORD, &r);
	res->error_code = 0;
}

void
meta_allocate_producer_ids(struct meta_plan *p, const struct kp_allocate_producer_ids_req *q,
    struct kp_allocate_producer_ids_res *res)
{
	struct kp_register_broker_record b;
	int64_t next = meta_next_producer_id(&p->view);

	if (!meta_broker(&p->view, q->broker_id, p->arena, &b) || b.broker_epoch != q->broker_epoch) {
		res->error_code = rk_err_wire(RK_STALE_BROKER_EPOCH);
		return;
	}
	if (next > INT64_MAX - ID_BLOCK) {
		res->error_code = rk_err_wire(RK_UNKNOWN_SERVER_ERROR);
		return;
	}
	struct kp_producer_ids_record r = { .broker_id = q->broker_id, .broker_epoch = q->broker_epoch,
		.next_producer_id = next + ID_BLOCK };
	meta_plan_add(p, KP_PRODUCER_IDS_RECORD, &r);
	res->error_code = 0;
	res->producer_id_start = next;
	res->producer_id_len = ID_BLOCK;
}

void
meta_unregister_broker(struct meta_plan *p, const struct kp_unregister_broker_req *q,
    struct kp_unregister_broker_res *res)
{
	struct kp_register_broker_record b;

	if (!meta_broker(&p->view, q->broker_id, p->arena, &b)) {
		res->error_code = rk_err_wire(RK_BROKER_ID_NOT_REGISTERED);
		res->error_message = rk_arena_print(p->arena, "Broker ID %d is not currently registered", q->broker_id);
		return;
	}
	struct meta_candidates all = meta_candidates(p);
	struct meta_change how = { .brokers = &all, .gone = b.broker_id, .eligible = true, .back = -1 };
	struct kp_unregister_broker_record r = { .broker_id = b.broker_id, .broker_epoch = b.broker_epoch };
	meta_plan_change_all(p, b.broker_id, &how);
	meta_plan_add(p, KP_UNREGISTER_BROKER_RECORD, &r);
}
