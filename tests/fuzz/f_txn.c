/* f_txn.c - what lies in __transaction_state: any bytes are a record of a transactional id or none, and one that is
 * reads the same when it is written again; a set of partitions holds what was put into it, once. */
#include "protocol/batch.h"
#include "src/core/txn_in.h"
#include "base/mem.h"
#include "tests/fuzz/fuzz.h"

static struct rk_arena arena;

static void
rewrite(struct rk_str id, const struct core_txn_values *v, int16_t form)
{
	struct kp_pair r = core_txn_record(id, v, form, &arena);
	struct core_txn_values w;
	struct rk_str name;
	bool gone;

	rk_assert(core_txn_read(r.key, r.value, &arena, &name, &gone, &w) && !gone && rk_str_eq(name, id));
	rk_assert(w.producer_id == v->producer_id && w.epoch == v->epoch && w.state == v->state);
	rk_assert(w.update_ms == v->update_ms && w.start_ms == v->start_ms && w.timeout_ms == v->timeout_ms);
	rk_assert(form == 0 || (w.previous_id == v->previous_id && w.next_id == v->next_id && w.version == v->version));
	int32_t n = v->parts == NULL || v->state == CORE_TXN_EMPTY ? 0 : v->parts->count;
	rk_assert((w.parts == NULL ? 0 : w.parts->count) == n);
	for (int32_t i = 0; i < n; i++)
		rk_assert(core_txn_has(w.parts, v->parts->at[i].topic, v->parts->at[i].partition));
	rk_mem_put(w.parts);
}

/* The first byte says how long the id is; then the id, then the value. */
int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct core_txn_values v;
	struct rk_str id;
	bool gone;

	if (n < 3 || n < 3u + p[0] % 8)
		return 0;
	uint8_t len = p[0] % 8;
	char key[16] = { 0, 0, 0, (char)len };
	rk_arena_init(&arena, 64 << 20);
	memcpy(key + 4, p + 1, len);
	char *value = rk_arena_raw(&arena, n);
	memcpy(value, p + 1 + len, n - 1 - len);
	value[0] = 0;
	value[1] &= 1;
	struct rk_str k = { key, 4 + len }, x = { value, (int32_t)(n - 1 - len) };
	if (core_txn_read(k, x, &arena, &id, &gone, &v)) {
		rk_assert(!gone && v.epoch >= 0 && v.producer_id >= 0 && v.state < CORE_TXN_STATES);
		rewrite(id, &v, 0);
		rewrite(id, &v, 1);
		rk_mem_put(v.parts);
	}
	rk_arena_free(&arena);
	return 0;
}

/* A good record, with a few topics. */
size_t
fuzz_sample(uint64_t seed, uint8_t *to, size_t cap)
{
	static const char *const topic[] = { "t", "tt", "__consumer_offsets", "aa" };
	struct core_marker_part part[12];
	int32_t count = (int32_t)(fuzz_draw(&seed) % 12);
	struct core_txn_values v = { .producer_id = (int64_t)(fuzz_draw(&seed) >> 1), .previous_id = -1,
		.next_id = fuzz_draw(&seed) % 2 == 0 ? -1 : 7, .update_ms = 5, .start_ms = 4, .timeout_ms = 60000,
		.epoch = (int16_t)(fuzz_draw(&seed) >> 49), .version = (int16_t)(fuzz_draw(&seed) % 3),
		.state = (uint8_t)(fuzz_draw(&seed) % CORE_TXN_STATES) };

	for (int32_t i = 0; i < count; i++)
		part[i] = (struct core_marker_part){ .topic = rk_str_of(topic[fuzz_draw(&seed) % 4]),
			.partition = (int32_t)(fuzz_draw(&seed) % 9) };
	v.parts = core_txn_join(NULL, part, count);
	rk_arena_init(&arena, 64 << 20);
	struct kp_pair r = core_txn_record(rk_lit("abc"), &v, (int16_t)(fuzz_draw(&seed) % 2), &arena);
	rk_assert(r.value.len > 0 && (size_t)r.value.len + 4 <= cap);
	to[0] = 3;
	memcpy(to + 1, "abc", 3);
	memcpy(to + 4, r.value.at, (size_t)r.value.len);
	size_t n = (size_t)r.value.len + 4;
	rk_mem_put(v.parts);
	rk_arena_free(&arena);
	return n;
}
