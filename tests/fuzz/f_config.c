/* f_config.c - any bytes as a server.properties, as a broker's changes, as a topic's and a group's
 * configs: never a crash; what is taken can be shown, and what is shown is taken again as the same.
 */
#include "src/config.h"
#include "tests/fuzz/fuzz.h"

enum { PAIRS = 64 };
static struct conf_pair pairs[PAIRS];
static uint32_t count;

static void
keep(void *arg, struct rk_str key, struct rk_str value, uint32_t line)
{
	struct rk_arena *a = arg;

	rk_assert(line > 0 && key.len >= 0 && value.len >= 0);
	if (count < PAIRS)
		pairs[count++] = (struct conf_pair){rk_arena_str(a, key), rk_arena_str(a, value)};
}

/* Describes a topic that was accepted; describing what was described gives the same. */
static void
topic(const struct conf *c, struct rk_arena *a)
{
	struct conf_entries once, twice;
	struct conf_topic t;

	once = conf_describe_topic(c, pairs, count, (struct conf_want){0}, a);
	for (uint32_t i = 0; i < once.count; i++)
		pairs[i % PAIRS] = (struct conf_pair){rk_str_of(once.at[i].name), once.at[i].value};
	twice = conf_describe_topic(
	    c, pairs, (uint32_t)rk_min(once.count, PAIRS), (struct conf_want){0}, a);
	rk_assert(once.count == twice.count);
	conf_topic_defaults(c, &t);
	for (uint32_t i = 0; i < once.count; i++) {
		rk_assert(rk_str_eq(once.at[i].value, twice.at[i].value));
		rk_assert(
		    conf_topic_apply(&t, rk_str_of(once.at[i].name), once.at[i].value) == RK_OK);
	}
	rk_assert(conf_topic_eq(&t, &t) && conf_topic_hash(&t) == conf_topic_hash(&t));
}

static void
changes(struct conf *c, struct rk_arena *a)
{
	struct rk_str why;

	for (int target = CONF_ALL_BROKERS; target <= CONF_THIS_BROKER; target++)
		if (conf_dynamic_check(c, (enum conf_target)target, pairs, count, a, &why) == RK_OK)
			for (uint32_t i = 0; i < count; i++)
				(void)!conf_set_dynamic(c, (enum conf_target)target, pairs[i].name,
				    pairs[i].value, a, &why);
	struct conf_entries e = conf_describe_broker(c, (struct conf_want){0}, a);
	for (uint32_t i = 0; i < e.count; i++)
		rk_assert(!e.at[i].sensitive || e.at[i].value.len < 0);
	(void)conf_describe_all_brokers(c, (struct conf_want){0}, a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const base[] = {"process.roles=broker,controller", "node.id=1",
	    "listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2",
	    "controller.listener.names=CONTROLLER", "controller.quorum.voters=1@127.0.0.1:2"};
	struct rk_arena a;
	struct rk_str bytes = {(const char *)p, (int32_t)n}, why;
	struct conf_notes notes = {.arena = &a};
	uint32_t bad, how = n > 0 ? p[0] : 0;

	rk_arena_init(&a, 64 << 20);
	count = 0;
	(void)!conf_properties(bytes, &a, keep, &a, &bad);
	struct conf *c = conf_read("f", bytes, base, how % 3 == 0 ? 0 : rk_countof(base), &notes);
	if (notes.errors == 0) {
		rk_assert(c->listener_count > 0 && (c->is_broker || c->is_controller)
			  && c->dirs.count > 0);
		changes(c, &a);
		(void)!conf_group_check(c, pairs, count, &a, &why);
		(void)!conf_client_metrics_check(pairs, count, &a, &why);
		if (conf_topic_check(c, pairs, count, NULL, 0, &a, &why) == RK_OK)
			topic(c, &a);
	}
	conf_free(c);
	rk_arena_free(&a);
	return 0;
}

size_t
fuzz_sample(uint64_t seed, uint8_t *to, size_t size)
{
	static const char *const values[] = {"1", "-1", "0", "true", "a,b", "9223372036854775807",
	    "0.5", "PLAINTEXT://h:1,CONTROLLER://:2", "1:2,3:4", "*", "compact,delete", "zstd",
	    "1e300", "x:y", "by_duration:PT1H", "client_id=a.*", "100000", "2097152", ""};
	enum conf_scope scope = fuzz_draw(&seed) % 4;
	uint32_t n;
	const struct conf_row *r = conf_rows(scope, &n);
	size_t at = 0;

	for (uint64_t k = fuzz_draw(&seed) % 6; k > 0; k--) {
		const struct conf_row *one = &r[fuzz_draw(&seed) % n];
		const char *value = fuzz_draw(&seed) % 3 == 0 && one->def != NULL
					? one->def
					: values[fuzz_draw(&seed) % rk_countof(values)];
		const char *front = fuzz_draw(&seed) % 8 == 0 ? "listener.name.plaintext." : "";
		at += (size_t)snprintf(
		    (char *)to + at, size - at, "%s%s=%s\n", front, one->name, value);
		rk_assert(at < size);
	}
	return at;
}
