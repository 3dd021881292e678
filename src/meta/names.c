/* names.c - the features this release speaks, and the names topics may have. */
#include "src/meta/meta.h"

enum { TOPIC_NAME_MAX = 249 };

const struct meta_supported meta_supported[] = {
	{ "metadata.version", 7, 30 },
	{ "kraft.version", 0, 1 },
	{ "transaction.version", 0, 2 },
	{ "group.version", 0, 1 },
	{ "eligible.leader.replicas.version", 0, 1 },
	{ "share.version", 0, 1 },
	{ "streams.version", 0, 1 },
};
const uint32_t meta_supported_count = rk_countof(meta_supported);

static const char *const version_name[] = {
	[7] = "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2", "3.7-IV0", "3.7-IV1",
	"3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0", "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0",
	"4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0",
};

const char *
meta_version_name(int16_t level)
{
	rk_assert(rk_countof(version_name) == (size_t)meta_supported[0].max + 1);
	return level >= 0 && (size_t)level < rk_countof(version_name) ? version_name[level] : NULL;
}

int16_t
meta_version_level(struct rk_str name)
{
	for (int16_t i = meta_supported[0].max; i >= meta_supported[0].min; i--) {
		struct rk_str full = rk_str_of(version_name[i]), bare = { full.at, 3 };
		if (rk_str_eq(name, full) || rk_str_eq(name, bare))
			return i;
	}
	return 0;
}

int16_t
meta_default_level(const char *feature, int16_t metadata_version)
{
	static const struct {
		const char *name;
		int16_t level, since;
	} row[] = {
		{ "kraft.version", 1, 21 },
		{ "group.version", 1, 22 },
		{ "transaction.version", 2, 24 },
		{ "eligible.leader.replicas.version", 1, 26 },
		{ "share.version", 1, 28 },
		{ "streams.version", 1, 29 },
	};

	for (uint32_t i = 0; i < rk_countof(row); i++)
		if (strcmp(row[i].name, feature) == 0)
			return metadata_version >= row[i].since ? row[i].level : 0;
	return 0;
}

static bool
legal(struct rk_str s)
{
	for (int32_t i = 0; i < s.len; i++) {
		char c = s.at[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.'
		    || c == '_' || c == '-'))
			return false;
	}
	return true;
}

bool
meta_topic_internal(struct rk_str name)
{
	return rk_str_is(name, "__consumer_offsets") || rk_str_is(name, "__transaction_state")
	       || rk_str_is(name, "__share_group_state");
}

bool
meta_topic_name_check(struct rk_str name, struct rk_arena *a, struct rk_str *why)
{
	if (name.len <= 0)
		*why = rk_lit("Topic name is invalid: the empty string is not allowed");
	else if (rk_str_is(name, "."))
		*why = rk_lit("Topic name is invalid: '.' is not allowed");
	else if (rk_str_is(name, ".."))
		*why = rk_lit("Topic name is invalid: '..' is not allowed");
	else if (name.len > TOPIC_NAME_MAX)
		*why = rk_arena_print(a, "Topic name is invalid: the length of '%.*s' is longer than the max allowed length %d",
		    (int)name.len, name.at, TOPIC_NAME_MAX);
	else if (!legal(name))
		*why = rk_arena_print(a, "Topic name is invalid: '%.*s' contains one or more characters other than ASCII "
		    "alphanumerics, '.', '_' and '-'", (int)name.len, name.at);
	else
		return true;
	return false;
}
