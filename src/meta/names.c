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
