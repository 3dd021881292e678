/* f_meta.c - any records as metadata: applied or refused, never a crash, and the image stays readable.
 *
 * An input is a row of records: length (two bytes), then the framed value. */
#include "protocol/desc.h"
#include "src/meta/image.h"
#include "base/say.h"
#include "tests/fill.h"
#include "tests/fuzz/fuzz.h"

static struct meta_image *image;
static char dir[] = "/tmp/f_meta.XXXXXX";

static void
leave(void)
{
	char rm[64];

	meta_free(image);
	snprintf(rm, sizeof rm, "rm -rf %s", dir);
	if (system(rm) != 0)
		perror(dir);
}

/* Everything in the image can be read, and what it lists is there. */
static uint64_t
look(struct st_txn *x, struct rk_arena *a)
{
	struct meta_view v = { x };
	struct kp_register_broker_record b;
	struct kp_partition_record r;
	struct meta_topics w;
	uint64_t sum = 0;

	for (bool more = meta_topics_begin(&w, &v, rk_lit("")); more; more = meta_topics_next(&w)) {
		struct meta_topic t;
		rk_assert(meta_topic_of(&v, w.topic.id, &t) && rk_str_eq(t.name, w.topic.name));
		for (int32_t i = 0; i < t.partitions && i < 20; i++)
			if (meta_partition(&v, t.id, i, a, &r))
				sum += (uint64_t)r.leader_epoch;
	}
	meta_topics_end(&w);
	for (int64_t from = 0; meta_broker_next(&v, from, a, &b); from = (int64_t)b.broker_id + 1)
		sum += (uint64_t)b.broker_epoch;
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct rk_arena copy;
	struct meta_record r;
	bool fresh;

	if (image == NULL) {
		rk_say_to(NULL, NULL, RK_FATAL);
		rk_assert(mkdtemp(dir) != NULL && meta_open(dir, &image, &fresh) == RK_OK);
		atexit(leave);
	}
	rk_arena_init(&copy, 64 << 20);
	struct meta_apply ap = { .image = image, .txn = st_write_begin(image->tables, NULL), .scratch = &image->scratch };
	while (n >= 2) {
		size_t len = rk_get16(p);
		p += 2;
		n -= 2;
		len = len < n ? len : n;
		struct rk_str value = { (const char *)p, (int32_t)len };
		if (meta_unframe(value, &copy, &r) != RK_OK || meta_apply_record(&ap, &r, value) != RK_OK)
			break;
		ap.offset++;
		p += len;
		n -= len;
	}
	look(ap.txn, &copy);
	rk_assert(!st_failed(ap.txn));
	st_write_abort(ap.txn);
	rk_arena_free(&copy);
	return 0;
}

static size_t
put(uint8_t *to, size_t at, size_t size, int16_t type, const void *msg, struct rk_arena *a)
{
	const struct kp_desc *d = meta_record_desc(type);
	struct rk_str v = meta_frame(type, d->max, msg, a, a);

	if (v.len < 0 || v.len > 0xffff || at + 2 + (size_t)v.len > size)
		return at;
	rk_put16(to + at, (uint16_t)v.len);
	memcpy(to + at + 2, v.at, (size_t)v.len);
	return at + 2 + (size_t)v.len;
}

/* A little cluster, and then whatever the seed says. */
size_t
fuzz_sample(uint64_t seed, uint8_t *to, size_t size)
{
	struct kp_topic_record t = { rk_lit("a.b"), { { 1 } } };
	struct kp_partition_record r;
	struct kp_register_broker_record b;
	struct kp_partition_change_record c;
	struct kp_begin_transaction_record begin = { RK_STR_NULL };
	int32_t replica[] = { 1, 2 };
	struct rk_arena a;
	uint64_t s = seed;
	size_t at = 0;

	rk_arena_init(&a, 16 << 20);
	kp_defaults(&kp_register_broker_record_d, &b);
	b.broker_id = 1;
	at = put(to, at, size, KP_REGISTER_BROKER_RECORD, &b, &a);
	if (seed % 4 == 0)
		at = put(to, at, size, KP_BEGIN_TRANSACTION_RECORD, &begin, &a);
	at = put(to, at, size, KP_TOPIC_RECORD, &t, &a);
	kp_defaults(&kp_partition_record_d, &r);
	r.topic_id = t.topic_id;
	r.replicas.at = r.isr.at = replica;
	r.replicas.len = r.isr.len = 2;
	for (r.partition_id = 0; r.partition_id < 3; r.partition_id++)
		at = put(to, at, size, KP_PARTITION_RECORD, &r, &a);
	kp_defaults(&kp_partition_change_record_d, &c);
	c.topic_id = t.topic_id;
	c.partition_id = 1;
	c.leader = (int32_t)(fuzz_draw(&s) % 3) - 1;
	c.eligible_leader_replicas.at = replica;
	c.eligible_leader_replicas.len = (int32_t)(fuzz_draw(&s) % 3);
	at = put(to, at, size, KP_PARTITION_CHANGE_RECORD, &c, &a);
	for (uint64_t i = fuzz_draw(&s) % 4; i > 0; i--) {
		int16_t type = (int16_t)(fuzz_draw(&s) % 29);
		const struct kp_desc *d = meta_record_desc(type);
		if (d == NULL)
			continue;
		void *msg = rk_arena_get(&a, 1, d->size);
		struct fill f = { .seed = s, .arena = &a, .version = d->max, .wide = 4 };
		if (msg == NULL)
			break;
		fill_message(&f, d, msg);
		at = put(to, at, size, type, msg, &a);
	}
	rk_arena_free(&a);
	return at;
}
