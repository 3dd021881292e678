/* config_sample.c - the tables as a server.properties to start from. */
#include "src/config_in.h"

static const char opening[] =
    "# server.properties of a rookery node. Every key is listed with its default.\n"
    "# A node needs the three keys below, one of the two quorum keys, and log.dirs.\n"
    "process.roles=broker,controller\n"
    "node.id=1\n"
    "controller.listener.names=CONTROLLER\n"
    "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n"
    "controller.quorum.bootstrap.servers=127.0.0.1:9093\n"
    "log.dirs=/var/lib/rookery\n";

static const char *
mode_words(const struct conf_row *r)
{
	switch (r->mode) {
	case CONF_PER_BROKER:
		return "may change while running, per broker";
	case CONF_CLUSTER_WIDE:
		return "may change while running";
	default:
		return "needs a restart";
	}
}

struct rk_str
conf_sample(struct rk_arena *a)
{
	enum { MOST = 1 << 18 };
	char *to = rk_arena_raw(a, MOST);
	uint32_t n;
	const struct conf_row *r = conf_rows(CONF_BROKERS, &n);

	if (to == NULL)
		return RK_STR_NULL;
	size_t at = (size_t)snprintf(to, MOST, "%s", opening);
	for (uint32_t i = 0; i < n && at < MOST; i++) {
		if (r[i].shown == CONF_INTERNAL)
			continue;
		at += (size_t)snprintf(to + at, MOST - at, "\n# %s\n# (%s%s%s%s)\n#%s=%s\n",
		    r[i].doc, mode_words(&r[i]), r[i].valid[0] != '\0' ? "; " : "", r[i].valid,
		    r[i].effect == CONF_LATER ? "; no effect in this release" : "", r[i].name,
		    r[i].def != NULL ? r[i].def : "");
	}
	rk_assert(at < MOST);
	return (struct rk_str){to, (int32_t)at};
}
