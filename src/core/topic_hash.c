/* topic_hash.c - Kafka's hash of topics: see topic_hash.h.
 *
 *	topic     0 (a byte), the upper and the lower half of its id, name, partitions (i32), each partition
 *	partition index (i32), each rack, in the order of Java's strings: its length (i32), itself
 *	text      its UTF-16 units, then how many they are (i32)
 *
 * Replicas of partitions that other nodes hold are not kept by the core: they are looked up in the image, and only when
 * some broker has a rack. */
#include "src/core/topic_hash.h"
#include "src/core/broker.h"
#include "src/core/inside.h"
#include <xxhash.h>

enum { UNITS = 64 }; /* so many are put in at once */

static void
put(XXH3_state_t *x, const void *bytes, size_t len)
{
	XXH_errorcode err = XXH3_64bits_update(x, bytes, len);
	rk_assert(err == XXH_OK);
}

static void
put_number(XXH3_state_t *x, uint64_t v, size_t bytes)
{
	uint8_t b[8];

	rk_assert(bytes <= sizeof b);
	for (size_t i = 0; i < bytes; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	put(x, b, bytes);
}

static uint32_t
units(struct rk_str s)
{
	uint16_t unit[2];
	uint32_t n = 0;

	for (int32_t i = 0; i < s.len;)
		n += (uint32_t)rk_utf16_next(s, &i, unit);
	return n;
}

static void
put_text(XXH3_state_t *x, struct rk_str s)
{
	uint8_t b[2 * UNITS];
	uint16_t unit[2];
	size_t n = 0;

	for (int32_t i = 0; i < s.len;) {
		for (int k = 0, many = rk_utf16_next(s, &i, unit); k < many; k++) {
			b[n++] = (uint8_t)unit[k];
			b[n++] = (uint8_t)(unit[k] >> 8);
		}
		if (n + 4 > sizeof b || i == s.len) {
			put(x, b, n);
			n = 0;
		}
	}
	rk_assert(n == 0);
	put_number(x, units(s), 4);
}

static XXH3_state_t *
begin(void)
{
	XXH3_state_t *x = XXH3_createState();

	rk_assert(x != NULL); /* half a kilobyte */
	XXH_errorcode err = XXH3_64bits_reset(x);
	rk_assert(err == XXH_OK);
	return x;
}

static int64_t
end(XXH3_state_t *x)
{
	int64_t h = (int64_t)XXH3_64bits_digest(x);

	XXH3_freeState(x);
	return h;
}

static int
by_text(const void *a, const void *b)
{
	return rk_utf16_cmp(*(const struct rk_str *)a, *(const struct rk_str *)b);
}

int64_t
core_topic_hash_of(struct rk_uuid id, struct rk_str name, int32_t partitions, core_racks *racks, void *arg)
{
	XXH3_state_t *x = begin();
	struct rk_str *rack;

	rk_assert(name.len > 0 && partitions >= 0);
	put_number(x, 0, 1);
	put_number(x, rk_get64(id.id), 8);
	put_number(x, rk_get64(id.id + 8), 8);
	put_text(x, name);
	put_number(x, (uint32_t)partitions, 4);
	for (int32_t i = 0; i < partitions; i++) {
		int32_t n = racks == NULL ? 0 : racks(arg, i, &rack);
		put_number(x, (uint32_t)i, 4);
		if (n > 0)
			qsort(rack, (size_t)n, sizeof *rack, by_text);
		for (int32_t k = 0; k < n; k++) {
			put_number(x, units(rack[k]), 4);
			put_text(x, rack[k]);
		}
	}
	return end(x);
}

int64_t
core_topics_hash(const int64_t *hash, int32_t count)
{
	rk_assert(count >= 0 && (hash != NULL || count == 0));
	if (count == 0)
		return 0;
	XXH3_state_t *x = begin();
	for (int32_t i = 0; i < count; i++)
		put_number(x, (uint64_t)hash[i], 8);
	return end(x);
}

/* --- a topic as it is */
struct look {
	const struct core_topic *topic;
	struct meta_view view;
	struct rk_arena arena; /* of one partition */
};

static int32_t
racks_of(void *arg, int32_t partition, struct rk_str **rack)
{
	struct look *l = arg;
	struct kp_partition_record r;
	int32_t n = 0;

	rk_arena_reset(&l->arena);
	if (!meta_partition(&l->view, l->topic->id, partition, &l->arena, &r))
		return 0;
	*rack = rk_arena_get(&l->arena, (size_t)r.replicas.len + 1, sizeof **rack);
	for (int32_t i = 0; *rack != NULL && i < r.replicas.len; i++) {
		const struct core_broker *b = core_broker(l->topic->core, r.replicas.at[i]);
		if (b != NULL && b->rack.len >= 0)
			(*rack)[n++] = b->rack;
	}
	return n;
}

static bool
any_rack(const struct core *c)
{
	rk_list_each(&c->brokers, l)
		if (rk_of(l, struct core_broker, link)->rack.len >= 0)
			return true;
	return false;
}

int64_t
core_topic_hash(struct core_topic *t)
{
	struct core *c = t->core;
	struct look l = { .topic = t };

	rk_assert(c->magic == CORE_MAGIC && c->image != NULL);
	if (t->hashed)
		return t->hash;
	if (any_rack(c)) {
		rk_arena_init(&l.arena, 64u << 20);
		meta_view_begin(c->image, &l.view);
		t->hash = core_topic_hash_of(t->id, t->name, (int32_t)t->partitions, racks_of, &l);
		meta_view_end(&l.view);
		rk_arena_free(&l.arena);
	} else {
		t->hash = core_topic_hash_of(t->id, t->name, (int32_t)t->partitions, NULL, NULL);
	}
	t->hashed = true;
	return t->hash;
}
