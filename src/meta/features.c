/* features.c - UpdateFeatures (KIP-584, 778): a feature's level is raised or lowered when every node of the cluster
 * can live with it. All of a request or nothing.
 *
 * kraft.version is not in the metadata: whoever plans hands it to the quorum (struct meta_quorum). */
#include "src/meta/image.h"
#include "protocol/desc.h"
#include "protocol/gen/update_features.h"
#include "src/config.h"

enum { UPGRADE = 1, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE, NAME_SHOWN = 250 };

#define METADATA_VERSION "metadata.version"
#define KRAFT_VERSION "kraft.version"
#define ELR "eligible.leader.replicas.version"

struct wish {
	struct rk_str name;
	int16_t level, now;
	int8_t type;
};

struct updating {
	struct meta_plan *p;
	struct wish *wish;
	uint32_t count;
};

#define TOLD(g, ...) rk_arena_print((g)->p->arena, __VA_ARGS__)
#define S(str) (int)rk_min(rk_max((str).len, 0), NAME_SHOWN), (str).at

static int16_t
level_of(const struct updating *g, struct rk_str name)
{
	if (rk_str_is(name, KRAFT_VERSION))
		return g->p->quorum == NULL ? 0 : g->p->quorum->kraft_version;
	if (rk_str_is(name, METADATA_VERSION))
		return g->p->version;
	return meta_feature(&g->p->view, name);
}

/* What it will be when the request is through. */
static int16_t
level_then(const struct updating *g, const char *name)
{
	for (uint32_t i = 0; i < g->count; i++)
		if (rk_str_is(g->wish[i].name, name))
			return g->wish[i].level;
	return level_of(g, rk_str_of(name));
}

/* --- who knows the level */

static bool
fits(struct updating *g, const struct wish *w, const char *kind, int32_t id, bool named, int16_t min, int16_t max,
    struct rk_str *why)
{
	if (named ? w->level >= min && w->level <= max : w->level == 0)
		return true;
	if (!named || max == 0)
		*why = TOLD(g, "%s %d does not support this feature.", kind, id);
	else
		*why = TOLD(g, "%s %d only supports versions %d-%d", kind, id, min, max);
	return false;
}

static bool
local_fits(struct updating *g, const struct wish *w, struct rk_str *why)
{
	for (uint32_t i = 0; i < meta_supported_count; i++)
		if (rk_str_is(w->name, meta_supported[i].name))
			return fits(g, w, "Local controller", g->p->conf->node_id, true, meta_supported[i].min,
			    meta_supported[i].max, why);
	/* Nobody has to know a feature that is to be off; that there is none such is what remains to be said. */
	*why = w->level == 0 ? TOLD(g, "Feature %.*s not found.", S(w->name))
	    : TOLD(g, "Local controller %d does not support this feature.", g->p->conf->node_id);
	return false;
}

static bool
brokers_fit(struct updating *g, const struct wish *w, struct rk_str *why)
{
	struct kp_register_broker_record b;

	for (int64_t from = 0; meta_broker_next(&g->p->view, from, g->p->arena, &b);
	    from = (int64_t)b.broker_id + 1) {
		int16_t min = 0, max = 0;
		bool named = false;
		for (int32_t i = 0; i < b.features.len && !named; i++)
			if (rk_str_eq(b.features.at[i].name, w->name)) {
				min = b.features.at[i].min_supported_version;
				max = b.features.at[i].max_supported_version;
				named = true;
			}
		if (!fits(g, w, "Broker", b.broker_id, named, min, max, why))
			return false;
	}
	return true;
}

static bool
controllers_fit(struct updating *g, const struct wish *w, struct rk_str *why)
{
	struct kp_register_controller_record c;

	if (g->p->version < META_MV_CONTROLLERS)
		return true;
	for (int64_t from = 0; meta_controller_next(&g->p->view, from, g->p->arena, &c);
	    from = (int64_t)c.controller_id + 1) {
		int16_t min = 0, max = 0;
		bool named = false;
		if (c.controller_id == g->p->conf->node_id)
			continue;
		for (int32_t i = 0; i < c.features.len && !named; i++)
			if (rk_str_eq(c.features.at[i].name, w->name)) {
				min = c.features.at[i].min_supported_version;
				max = c.features.at[i].max_supported_version;
				named = true;
			}
		if (!fits(g, w, "Controller", c.controller_id, named, min, max, why))
			return false;
	}
	return true;
}

/* --- rules */

/* The versions of the metadata that wrote something the one before could not. */
static bool
loses(int16_t from, int16_t to)
{
	static const int8_t changed[] = { 7, 8, 11, 13, 14, 15, 17, 23, 30 };

	for (uint32_t i = 0; i < rk_countof(changed); i++)
		if (changed[i] > to && changed[i] <= from)
			return true;
	return false;
}

static bool
check_metadata_version(struct updating *g, const struct wish *w, struct rk_str *why)
{
	if (w->level >= w->now || !loses(w->now, w->level))
		return true;
	*why = TOLD(g, "Unsupported metadata.version downgrade from %d to %d. %s", w->now, w->level,
	    w->type == UNSAFE_DOWNGRADE ? "Unsafe metadata downgrade is not supported in this version." :
	    "Refusing to perform the requested downgrade because it might delete metadata information.");
	return false;
}

/* What one feature needs of another. */
static bool
check_needs(struct updating *g, const struct wish *w, struct rk_str *why)
{
	if (!rk_str_is(w->name, ELR) || w->level < 1 || level_then(g, METADATA_VERSION) >= META_MV_ELR)
		return true;
	*why = TOLD(g, "%.*s could not be set to %d because it depends on metadata.version level %d", S(w->name), w->level,
	    META_MV_ELR);
	return false;
}

static bool
check(struct updating *g, const struct wish *w, struct rk_str *why)
{
	struct rk_str because = RK_STR_NULL;

	if (w->type != UPGRADE && w->type != SAFE_DOWNGRADE && w->type != UNSAFE_DOWNGRADE)
		because = rk_lit("The controller does not support the given upgrade type.");
	else if (w->level < 0)
		because = rk_lit("A feature version cannot be less than 0.");
	else if (!local_fits(g, w, &because) || !brokers_fit(g, w, &because) || !controllers_fit(g, w, &because))
		rk_assert(because.len >= 0 || g->p->arena->over);
	else if (w->level < w->now && w->type == UPGRADE)
		because = rk_lit("Can't downgrade the version of this feature without setting the upgrade type to either safe or "
		    "unsafe downgrade.");
	else if (w->level > w->now && w->type != UPGRADE)
		because = rk_lit("Can't downgrade to a newer version.");
	else if (rk_str_is(w->name, METADATA_VERSION))
		return check_metadata_version(g, w, why);
	else if (check_needs(g, w, &because))
		return true;
	*why = TOLD(g, "Invalid update version %d for feature %.*s. %.*s", w->level, S(w->name), (int)rk_max(because.len, 0),
	    because.at);
	return false;
}

static bool
hand_over(struct updating *g, const struct wish *w, bool validate_only, struct rk_str *why)
{
	struct meta_quorum *quorum = g->p->quorum;
	struct rk_str because = rk_lit("The quorum cannot change it.");

	if (w->level == w->now)
		return true;
	if (quorum != NULL && quorum->upgrade(quorum, w->level, validate_only, &because) == RK_OK)
		return true;
	*why = TOLD(g, "Invalid update version %d for feature %.*s. %.*s", w->level, S(w->name), (int)rk_max(because.len, 0),
	    because.at);
	return false;
}

/* --- what is written */

static void
add_config(struct meta_plan *p, struct rk_str broker, struct rk_str value)
{
	struct kp_config_record r = { .resource_type = META_OF_BROKER, .resource_name = broker,
		.name = rk_lit("min.insync.replicas"), .value = value };

	meta_plan_add(p, KP_CONFIG_RECORD, &r);
}

/* With the ELR every controller must count with the same min.insync.replicas: the cluster has one, and no broker. */
static void
prepare_elr(struct meta_plan *p)
{
	struct rk_str value, broker = RK_STR_NULL, key = rk_lit("min.insync.replicas");

	if (!meta_config(&p->view, META_OF_BROKER, rk_lit(""), key, &value))
		add_config(p, rk_lit(""), meta_static_min_isr(p));
	while (!p->arena->over && meta_config_resource_next(&p->view, META_OF_BROKER, broker, p->arena, &broker))
		if (broker.len > 0 && meta_config(&p->view, META_OF_BROKER, broker, key, &value))
			add_config(p, broker, RK_STR_NULL);
}

static void
write_levels(struct updating *g)
{
	for (uint32_t i = 0; i < g->count; i++)
		if (rk_str_is(g->wish[i].name, ELR) && g->wish[i].level > 0 && g->wish[i].now == 0)
			prepare_elr(g->p);
	for (uint32_t i = 0; i < g->count; i++) {
		struct kp_feature_level_record r = { .name = g->wish[i].name, .feature_level = g->wish[i].level };
		if (!rk_str_is(r.name, KRAFT_VERSION))
			meta_plan_add(g->p, KP_FEATURE_LEVEL_RECORD, &r);
	}
}

/* Of a feature that is named twice the last counts, and they come in the order of Kafka's map of their names. */
static bool
wishes_of(struct updating *g, int16_t version, const struct kp_update_features_req *q)
{
	uint32_t n = (uint32_t)rk_max(q->feature_updates.len, 0), *order = rk_arena_get(g->p->arena, n, sizeof *order);
	struct wish *all = rk_arena_get(g->p->arena, n, sizeof *all);
	struct rk_str *name = rk_arena_get(g->p->arena, n, sizeof *name);

	g->wish = rk_arena_get(g->p->arena, n, sizeof *g->wish);
	if (order == NULL || all == NULL || name == NULL || g->wish == NULL)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = 0;
		while (k < g->count && !rk_str_eq(name[k], q->feature_updates.at[i].feature))
			k++;
		g->count += k == g->count;
		name[k] = q->feature_updates.at[i].feature;
		all[k] = (struct wish){ name[k], q->feature_updates.at[i].max_version_level, level_of(g, name[k]),
			version == 0 ? UPGRADE : q->feature_updates.at[i].upgrade_type };
	}
	meta_java_order(name, g->count, order, g->p->arena);
	for (uint32_t i = 0; i < g->count; i++)
		g->wish[i] = all[order[i]];
	return true;
}

static bool
update(struct updating *g, const struct kp_update_features_req *q, struct rk_str *why)
{
	for (uint32_t i = 0; i < g->count; i++)
		if (!check(g, &g->wish[i], why))
			return false;
	for (uint32_t i = 0; i < g->count; i++)
		if (rk_str_is(g->wish[i].name, KRAFT_VERSION) && !hand_over(g, &g->wish[i], q->validate_only, why))
			return false;
	if (!q->validate_only)
		write_levels(g);
	return true;
}

void
meta_update_features(struct meta_plan *p, int16_t version, const struct kp_update_features_req *q,
    struct kp_update_features_res *res)
{
	enum { FEATURES_MAX = 1000 }; /* there are not nearly as many; the list is compared each with each */
	struct updating g = { .p = p };
	struct rk_str why = RK_STR_NULL;

	res->error_message = RK_STR_NULL;
	if (q->feature_updates.len > FEATURES_MAX || !wishes_of(&g, version, q)) {
		res->error_code = rk_err_wire(RK_INVALID_REQUEST);
		return;
	}
	if (!update(&g, q, &why)) {
		res->error_code = rk_err_wire(RK_INVALID_UPDATE_VERSION);
		res->error_message = TOLD(&g, "The update failed for all features since the following feature had an error: %.*s",
		    (int)rk_max(why.len, 0), why.at);
		return;
	}
	if (version > 1)
		return;
	res->results.at = rk_arena_get(p->arena, g.count, sizeof *res->results.at);
	for (uint32_t i = 0; res->results.at != NULL && i < g.count; i++) {
		res->results.at[i].feature = g.wish[i].name;
		res->results.at[i].error_message = rk_lit("NONE");
		res->results.len++;
	}
}
