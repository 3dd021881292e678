/* compact_keys.c - the table of keys: open addressing, no removal. */
#include "storage/compact_in.h"
#include "base/mem.h"

enum { LEAST = 64 };

bool
st_keys_init(struct st_keys *k, uint64_t keys, uint64_t bytes, double full, const uint64_t seed[2])
{
	uint64_t fit = rk_max(bytes / sizeof *k->slot, LEAST);
	uint64_t cap = rk_max((int64_t)rk_min(keys + keys / 3 + 1, fit), LEAST);

	rk_assert(k->slot == NULL);
	cap = rk_min(cap, UINT32_MAX);
	fit = full >= 1 ? fit : full > 0 ? (uint64_t)((double)fit * full) : 0;
	*k = (struct st_keys){ .cap = (uint32_t)cap, .max = (uint32_t)rk_min(cap - 1, fit), .seed = { seed[0], seed[1] } };
	k->slot = rk_mem_try(cap * sizeof *k->slot);
	for (uint32_t i = 0; k->slot != NULL && i < k->cap; i++)
		k->slot[i].offset = -1;
	return k->slot != NULL;
}

void
st_keys_free(struct st_keys *k)
{
	rk_mem_put(k->slot);
	*k = (struct st_keys){ .slot = NULL };
}

static struct st_key *
place(const struct st_keys *k, struct rk_str key, uint64_t hash[2])
{
	rk_assert(key.len >= 0 && k->cap > 0);
	hash[0] = rk_hash(key.at, (size_t)key.len, k->seed[0]);
	hash[1] = rk_hash(key.at, (size_t)key.len, k->seed[1]);
	uint32_t i = (uint32_t)(hash[0] % k->cap);
	while (k->slot[i].offset >= 0 && (k->slot[i].hash[0] != hash[0] || k->slot[i].hash[1] != hash[1]))
		i = i + 1 == k->cap ? 0 : i + 1;
	return &k->slot[i];
}

bool
st_keys_put(struct st_keys *k, struct rk_str key, int64_t offset)
{
	uint64_t hash[2];
	struct st_key *s = place(k, key, hash);

	rk_assert(offset >= 0);
	if (s->offset < 0 && k->count >= k->max)
		return false;
	k->count += s->offset < 0;
	*s = (struct st_key){ { hash[0], hash[1] }, rk_max(offset, s->offset) };
	return true;
}

int64_t
st_keys_get(const struct st_keys *k, struct rk_str key)
{
	uint64_t hash[2];

	return place(k, key, hash)->offset;
}
