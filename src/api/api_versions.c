/* api_versions.c - key 18: what this node speaks (KIP-511, KIP-584). */
#include "protocol/gen/api_versions.h"
#include "protocol/gen/keys.h"
#include "src/api/handlers.h"

/* Names and versions of client software: letters and digits at both ends, . and - between. */
static bool
sane(struct rk_str s)
{
	for (int32_t i = 0; i < s.len; i++) {
		char c = s.at[i];
		bool word =
		    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!word && !((c == '.' || c == '-') && i > 0 && i < s.len - 1))
			return false;
	}
	return s.len > 0;
}

static void
add_rows(struct api_call *c, struct kp_api_versions_res *res)
{
	res->api_keys.at = rk_arena_get(&c->arena, api_rows_count, sizeof *res->api_keys.at);
	for (uint32_t i = 0; res->api_keys.at != NULL && i < api_rows_count; i++) {
		rk_assert(
		    i == 0 || api_rows[i].key > api_rows[i - 1].key); /* the table is in order */
		if (!api_served(&api_rows[i], c->controller))
			continue;
		struct kp_api_versions_res_api_keys *o = &res->api_keys.at[res->api_keys.len++];
		o->api_key = api_rows[i].key;
		/* Old versions of librdkafka want to see Produce from 0, though nobody serves it
		 * any more. */
		o->min_version = api_rows[i].key == KP_PRODUCE ? 0 : api_rows[i].min;
		o->max_version = api_rows[i].max;
	}
}

static void
add_supported(struct api_call *c, struct kp_api_versions_res *res)
{
	res->supported_features.at =
	    rk_arena_get(&c->arena, meta_supported_count, sizeof *res->supported_features.at);
	for (uint32_t i = 0; res->supported_features.at != NULL && i < meta_supported_count; i++) {
		if (c->head.version < 4 && meta_supported[i].min == 0)
			continue; /* version 3 cannot say 0 */
		int32_t n = res->supported_features.len++;
		res->supported_features.at[n].name = rk_str_of(meta_supported[i].name);
		res->supported_features.at[n].min_version = meta_supported[i].min;
		res->supported_features.at[n].max_version = meta_supported[i].max;
	}
}

static void
add_finalized(struct api_call *c, struct kp_api_versions_res *res)
{
	struct rk_str name = RK_STR_NULL;
	int16_t level;
	int32_t epoch;

	res->finalized_features_epoch = meta_applied(&c->view, &epoch) - 1;
	res->finalized_features.at =
	    rk_arena_get(&c->arena, meta_supported_count + 9, sizeof *res->finalized_features.at);
	while (res->finalized_features.at != NULL
	       && res->finalized_features.len < (int32_t)meta_supported_count + 8
	       && meta_feature_next(&c->view, name, &c->arena, &name, &level)) {
		if (level == 0)
			continue;
		int32_t n = res->finalized_features.len++;
		res->finalized_features.at[n].name = name;
		res->finalized_features.at[n].min_version_level = level;
		res->finalized_features.at[n].max_version_level = level;
	}
	/* The quorum's own feature is not in the metadata. */
	if (c->shared->kraft_version > 0 && res->finalized_features.at != NULL) {
		int32_t n = res->finalized_features.len++;
		res->finalized_features.at[n].name = rk_lit("kraft.version");
		res->finalized_features.at[n].min_version_level = c->shared->kraft_version;
		res->finalized_features.at[n].max_version_level = c->shared->kraft_version;
	}
}

enum api_fate
api_api_versions(
    struct api_call *c, const struct kp_api_versions_req *q, struct kp_api_versions_res *res)
{
	rk_assert(c->view.txn != NULL);
	if (c->head.version >= 3
	    && !(sane(q->client_software_name) && sane(q->client_software_version))) {
		res->error_code = rk_err_wire(RK_INVALID_REQUEST);
		return API_NOW;
	}
	add_rows(c, res);
	if (c->head.version < 3)
		return API_NOW;
	add_supported(c, res);
	add_finalized(c, res);
	return API_NOW;
}
