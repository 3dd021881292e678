/* whole.c - see whole.h. */
#include "tests/sim/whole.h"
#include "base/mem.h"
#include "protocol/batch.h"
#include "protocol/codec.h"
#include "protocol/gen/metadata_records.h"
#include "src/meta/meta.h"
#include "storage/dir.h"

/* Every folder on the way, each name durable in the one above it. */
static bool
make_path(struct rk_env *e, const char *path)
{
	char at[128], above[128] = "/";
	bool good = true;

	for (const char *p = path; good && *p != 0;) {
		p += 1 + strcspn(p + 1, "/");
		snprintf(at, sizeof at, "%.*s", (int)(p - path), path);
		good = rk_dir_make(e, at) == RK_OK && rk_dir_sync(e, above) == RK_OK;
		snprintf(above, sizeof above, "%s", at);
	}
	return good;
}

int16_t sim_format_txn_level = 2;

bool
sim_format(struct rk_env *e, const char *dir, int32_t node_id, struct rk_uuid id)
{
	struct kp_feature_level_record level[] = {
		{ .name = rk_lit("metadata.version"), .feature_level = 30 },
		{ .name = rk_lit("eligible.leader.replicas.version"), .feature_level = 1 },
		{ .name = rk_lit("group.version"), .feature_level = 1 },
		{ .name = rk_lit("transaction.version"), .feature_level = sim_format_txn_level } };
	struct meta_seed seed[rk_countof(level) + 1] = { { 0, NULL } };
	struct st_meta m = { .version = 1, .node_id = node_id, .cluster_id = SIM_CLUSTER_ID, .directory_id = id };
	char path[160];

	for (uint32_t i = 0; i < rk_countof(level); i++)
		seed[i] = (struct meta_seed){ KP_FEATURE_LEVEL_RECORD, &level[i] };
	snprintf(path, sizeof path, "%s/bootstrap.checkpoint", dir);
	return make_path(e, dir) && meta_write_bootstrap(e, path, seed, rk_wall(e)) == RK_OK
	    && st_meta_write(e, dir, &m) == RK_OK;
}

void
sim_client_ask(struct sim_client *c, int16_t key, int16_t version, int32_t correlation, const void *msg)
{
	struct kp_head h = { .key = key, .version = version, .correlation_id = correlation, .client_id = rk_lit("sim"),
		.flex = true };
	struct rk_arena arena;
	struct rk_out o;

	rk_arena_init(&arena, SIZE_MAX);
	rk_out_init(&o, &arena);
	kp_head_write(&h, &o);
	kp_write(kp_api(key)->req, version, msg, &o);
	struct rk_str b = rk_out_flat(&o, &arena);
	sim_client_send(c, b.at, (uint32_t)b.len);
	rk_arena_free(&arena);
}

/* --- batches */

struct rk_str
sim_batch_make(const struct sim_batch *s, struct rk_arena *a)
{
	struct sim own;
	struct kp_build b;
	char value[600], key[16];

	sim_start(&own, s->seed);
	kp_build_start(&b, a, 0, s->attr, s->ms);
	for (int32_t i = 0; i < s->count; i++) {
		int n = snprintf(value, sizeof value, "%" PRIx64 "/%d ", s->seed, i);
		int32_t len = n + (int32_t)sim_below(&own, s->value_max);
		rk_assert(len <= (int32_t)sizeof value);
		memset(value + n, 'a' + i, (size_t)(len - n));
		if (s->keys > 0)
			snprintf(key, sizeof key, "k%d", (int)sim_below(&own, s->keys));
		kp_build_add(&b, s->ms, s->keys > 0 ? rk_str_of(key) : RK_STR_NULL, (struct rk_str){ value, len });
	}
	return kp_build_end(&b, -1, s->producer, s->producer >= 0 ? s->epoch : -1, s->producer >= 0 ? s->seq : -1);
}

uint64_t
sim_batch_hash(const uint8_t *b)
{
	return rk_hash(b + KP_BATCH_HEAD, (size_t)kp_batch_bytes(b) - KP_BATCH_HEAD, 1);
}

/* Where the hash is, or would be. */
static uint32_t
place(const struct sim_known *k, uint64_t hash)
{
	uint32_t i = (uint32_t)hash & (k->size - 1);

	while (k->at[i].used && k->at[i].hash != hash)
		i = (i + 1) & (k->size - 1);
	return i;
}

void
sim_known_add(struct sim_known *k, uint64_t hash, uint32_t number)
{
	if ((k->count + 1) * 2 > k->size) {
		struct sim_known more = { .size = k->size == 0 ? 1024 : k->size * 4 };
		more.at = rk_mem_get(more.size * sizeof *more.at);
		for (uint32_t i = 0; i < k->size; i++)
			if (k->at[i].used)
				sim_known_add(&more, k->at[i].hash, k->at[i].number);
		rk_mem_put(k->at);
		*k = more;
	}
	uint32_t i = place(k, hash);
	rk_assert(!k->at[i].used);
	k->at[i].hash = hash;
	k->at[i].number = number;
	k->at[i].used = true;
	k->count++;
}

bool
sim_known_find(const struct sim_known *k, uint64_t hash, uint32_t *number)
{
	if (k->size == 0)
		return false;
	uint32_t i = place(k, hash);
	*number = k->at[i].number;
	return k->at[i].used;
}

void
sim_known_free(struct sim_known *k)
{
	rk_mem_put(k->at);
}

/* A life that ends in a crash leaves behind what its lost callbacks held. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
