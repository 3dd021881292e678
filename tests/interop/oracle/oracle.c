/* oracle.c - our half of the comparison with Kafka's own classes; the other half is Oracle.java.
 *
 *	oracle list                what we know: messages, APIs, errors; one line each
 *	oracle write SEED COUNT    COUNT messages by chance of every version of every message, to stdout
 *	oracle check               reads such a stream from stdin, reads and rewrites each, and compares
 *
 * A stream is frames: u16 length, name | i16 version | i32 length, bytes | i32 length, expected: what
 * the bytes must become when they are read and written again (unknown tags gone). The frame "batch"
 * holds a record batch and, as expected, its records one by one in the plain form of dump() below;
 * "request_head" a request header; "response_head:KEY" a response header. */
#include "protocol/batch.h"
#include "tests/fill.h"

static struct rk_arena arena;

static struct rk_str
flat(struct rk_out *o)
{
	struct rk_str s = rk_out_flat(o, &arena);

	rk_assert(s.len >= 0);
	return s;
}

static void
list(void)
{
	for (uint32_t i = 0; i < kp_messages_count; i++) {
		const struct kp_desc *d = kp_messages[i];
		printf("message %s %s %d %d %d %d\n", d->name, d->family, d->id, d->min, d->max, d->flex);
	}
	for (uint32_t i = 0; i < kp_apis_count; i++) {
		const struct kp_api *a = &kp_apis[i];
		printf("api %d %s %d %d %d %d\n", a->key, a->name, a->min, a->max, a->flex, a->stable_max);
	}
	for (int e = 0; e < RK_ERR_COUNT && e <= RK_SHARE_SESSION_LIMIT_REACHED; e++)
		printf("error %d %s %d %s\n", rk_err_wire((enum rk_err)e), rk_err_name((enum rk_err)e),
		    rk_err_retriable((enum rk_err)e), rk_err_text((enum rk_err)e));
}

static void
emit32(uint32_t v)
{
	uint8_t b[4];

	rk_put32(b, v);
	fwrite(b, 1, 4, stdout);
}

static void
emit(const char *name, int16_t version, struct rk_str bytes, struct rk_str expected)
{
	uint8_t b[2];

	rk_put16(b, (uint16_t)strlen(name));
	fwrite(b, 1, 2, stdout);
	fputs(name, stdout);
	rk_put16(b, (uint16_t)version);
	fwrite(b, 1, 2, stdout);
	emit32((uint32_t)bytes.len);
	fwrite(bytes.at, 1, (size_t)bytes.len, stdout);
	emit32((uint32_t)expected.len);
	fwrite(expected.at, 1, (size_t)expected.len, stdout);
}

static void
put64(struct rk_out *o, int64_t v)
{
	rk_put64(rk_out_room(o, 8), (uint64_t)v);
}

static void
put_str(struct rk_out *o, struct rk_str s)
{
	rk_put32(rk_out_room(o, 4), (uint32_t)s.len);
	rk_out_put(o, s.at, s.len < 0 ? 0 : (uint32_t)s.len);
}

/* One record in the plain form: offset, timestamp, key, value, number of headers, headers. */
static void
dump(struct rk_out *o, struct kp_record *r)
{
	struct rk_str key, value;

	put64(o, r->offset);
	put64(o, r->ms);
	put_str(o, r->key);
	put_str(o, r->value);
	rk_put32(rk_out_room(o, 4), (uint32_t)r->headers);
	while (kp_record_header(r, &key, &value)) {
		put_str(o, key);
		put_str(o, value);
	}
}

static struct rk_str
text(struct fill *f, bool nullable)
{
	static const char letters[] = "rookery and kafka tell each other everything they know about records";
	uint32_t n = fill_chance(f, 12) == 0 ? fill_chance(f, 40000) : fill_chance(f, 60);
	char *at = rk_arena_raw(&arena, n + 1);

	if (nullable && fill_chance(f, 5) == 0)
		return RK_STR_NULL;
	for (uint32_t i = 0; i < n; i++)
		at[i] = fill_chance(f, 3) == 0 ? (char)fill_chance(f, 256) : letters[i % (sizeof letters - 1)];
	return (struct rk_str){ at, (int32_t)n };
}

static void
write_batch(uint64_t seed)
{
	struct fill f = { .seed = seed, .arena = &arena };
	int64_t base = fill_chance(&f, 1u << 30), now = 1700000000000 + fill_chance(&f, 1000000);
	int16_t codec = (int16_t)(seed % KP_CODECS);
	struct kp_build b;
	struct rk_out o;

	rk_out_init(&o, &arena);
	kp_build_start(&b, &arena, base, codec, now);
	for (uint32_t i = 0, n = 1 + fill_chance(&f, 30); i < n; i++) {
		struct kp_pair h[3];
		int32_t headers = (int32_t)fill_chance(&f, 4);
		int64_t ms = now + (int64_t)fill_chance(&f, 100000) - 50000;
		struct rk_str key = text(&f, true), value = text(&f, true);
		for (int32_t k = 0; k < headers; k++)
			h[k] = (struct kp_pair){ rk_str_of("head"), text(&f, true) };
		kp_build_add_with(&b, ms, key, value, h, headers);
		put64(&o, base + i);
		put64(&o, ms);
		put_str(&o, key);
		put_str(&o, value);
		rk_put32(rk_out_room(&o, 4), (uint32_t)headers);
		for (int32_t k = 0; k < headers; k++) {
			put_str(&o, h[k].key);
			put_str(&o, h[k].value);
		}
	}
	emit("batch", 2, kp_build_end(&b, 3, -1, -1, -1), flat(&o));
}

static void
write_heads(uint64_t seed)
{
	struct fill f = { .seed = seed, .arena = &arena };
	const struct kp_api *a = &kp_apis[seed % kp_apis_count];
	char name[40];
	struct kp_head h = { .key = a->key, .correlation_id = (int32_t)fill_chance(&f, UINT32_MAX),
		.client_id = seed % 5 == 0 ? RK_STR_NULL : rk_lit("somebody") };
	struct rk_out q, r;

	h.version = (int16_t)(a->min + (int16_t)fill_chance(&f, (uint32_t)(a->max - a->min + 1)));
	h.flex = h.version >= a->flex;
	rk_out_init(&q, &arena);
	kp_head_write(&h, &q);
	emit("request_head", h.flex ? 2 : 1, flat(&q), flat(&q));
	rk_out_init(&r, &arena);
	kp_answer_head(h.key, h.version, h.correlation_id, &r);
	snprintf(name, sizeof name, "response_head:%d", h.key);
	emit(name, h.version, flat(&r), flat(&r));
}

static void
write_all(uint64_t seed, uint64_t count)
{
	for (uint32_t i = 0; i < kp_messages_count; i++)
		for (int16_t v = kp_messages[i]->min; v <= kp_messages[i]->max; v++)
			for (uint64_t k = 0; k < count; k++) {
				const struct kp_desc *d = kp_messages[i];
				struct fill f = { .seed = seed + k * 7919 + i * 31 + (uint64_t)v, .arena = &arena,
					.version = v, .wide = k % 4 };
				struct rk_out o;
				void *msg = rk_arena_get(&arena, 1, d->size);
				fill_message(&f, d, msg);
				rk_out_init(&o, &arena);
				kp_write(d, v, msg, &o);
				struct rk_str s = flat(&o);
				emit(d->name, v, s, s);
				rk_arena_reset(&arena);
			}
	for (uint64_t k = 0; k < count * 10; k++) {
		write_batch(seed + k);
		write_heads(seed + k);
		rk_arena_reset(&arena);
	}
}

/* --- check */
static bool
more(void *at, size_t n)
{
	size_t got = fread(at, 1, n, stdin);

	if (got == 0 && n > 0)
		return false;
	rk_assert(got == n);
	return true;
}

static struct rk_str
take(void)
{
	uint8_t b[4];

	rk_assert(more(b, 4));
	int32_t n = (int32_t)rk_get32(b);
	rk_assert(n >= 0);
	char *at = rk_arena_raw(&arena, (size_t)n + 1);
	rk_assert(at != NULL && (n == 0 || more(at, (size_t)n)));
	return (struct rk_str){ at, n };
}

/* What we make of a frame's bytes; the null string with why when they cannot be read. */
static struct rk_str
message(const char *name, int16_t version, struct rk_str b, const char **why)
{
	for (uint32_t i = 0; i < kp_messages_count; i++) {
		const struct kp_desc *d = kp_messages[i];
		struct rk_out o;
		if (strcmp(d->name, name) != 0)
			continue;
		void *msg = rk_arena_get(&arena, 1, d->size);
		enum rk_err e = kp_read(d, version, b.at, (size_t)b.len, &arena, msg, NULL);
		*why = rk_err_name(e);
		if (e != RK_OK)
			return RK_STR_NULL;
		rk_out_init(&o, &arena);
		kp_write(d, version, msg, &o);
		return flat(&o);
	}
	*why = "no such message";
	return RK_STR_NULL;
}

static struct rk_str
batch(struct rk_str b, const char **why)
{
	enum rk_err e = kp_batch_check(b.at, (size_t)b.len);
	struct rk_str plain = RK_STR_NULL;
	struct kp_records_iter it;
	struct kp_record r;
	struct rk_out o;

	if (e == RK_OK && (kp_batch_attr(b.at) & KP_ATTR_CODEC) != 0)
		e = kp_inflate_all((enum kp_codec)(kp_batch_attr(b.at) & KP_ATTR_CODEC), b.at + KP_BATCH_HEAD,
		    (size_t)b.len - KP_BATCH_HEAD, 1 << 30, &arena, &plain);
	*why = rk_err_name(e);
	if (e != RK_OK)
		return RK_STR_NULL;
	rk_out_init(&o, &arena);
	kp_records_start(&it, b.at, (const uint8_t *)plain.at, plain.len < 0 ? 0 : (size_t)plain.len);
	while (kp_records_next(&it, &r))
		dump(&o, &r);
	*why = "records do not add up";
	return it.bad ? RK_STR_NULL : flat(&o);
}

static struct rk_str
head(struct rk_str b, const char **why)
{
	struct kp_head h;
	struct rk_out o;
	enum rk_err e = kp_head_read(b.at, (size_t)b.len, &h);

	*why = rk_err_name(e);
	if (e != RK_OK || h.body != (uint32_t)b.len)
		return RK_STR_NULL;
	rk_out_init(&o, &arena);
	kp_head_write(&h, &o);
	return flat(&o);
}

static bool
same(const char *name, int16_t version, struct rk_str bytes, struct rk_str expected)
{
	const char *why = "";
	struct rk_str got = strcmp(name, "batch") == 0 ? batch(bytes, &why)
	    : strcmp(name, "request_head") == 0 ? head(bytes, &why) : message(name, version, bytes, &why);

	if (rk_str_eq(got, expected))
		return true;
	fprintf(stderr, "%s v%d: %s\n  given    ", name, version, got.len < 0 ? why : "written otherwise");
	for (int32_t i = 0; i < bytes.len && i < 400; i++)
		fprintf(stderr, "%02x", (uint8_t)bytes.at[i]);
	fprintf(stderr, "\n  expected ");
	for (int32_t i = 0; i < expected.len && i < 400; i++)
		fprintf(stderr, "%02x", (uint8_t)expected.at[i]);
	fprintf(stderr, "\n  got      ");
	for (int32_t i = 0; i < got.len && i < 400; i++)
		fprintf(stderr, "%02x", (uint8_t)got.at[i]);
	fprintf(stderr, "\n");
	return false;
}

static int
check(void)
{
	uint64_t messages = 0, versions = 0, bad = 0;
	char name[200], last[220] = "", now[220];
	uint8_t b[2];

	while (more(b, 2)) {
		uint16_t n = rk_get16(b);
		rk_assert(n < sizeof name && more(name, n) && more(b, 2));
		name[n] = '\0';
		int16_t version = (int16_t)rk_get16(b);
		struct rk_str bytes = take(), expected = take();
		snprintf(now, sizeof now, "%s %d", name, version);
		versions += strncmp(name, "kp_", 3) == 0 && strcmp(now, last) != 0;
		memcpy(last, now, sizeof last);
		messages++;
		bad += !same(name, version, bytes, expected);
		rk_arena_reset(&arena);
	}
	printf("from Kafka: %" PRIu64 " messages, %" PRIu64 " versions, %" PRIu64 " differences\n", messages,
	    versions, bad);
	return bad != 0 || messages == 0;
}

int
main(int argc, char **argv)
{
	int status = 0;

	rk_arena_init(&arena, 1u << 30);
	if (argc == 2 && strcmp(argv[1], "list") == 0)
		list();
	else if (argc == 4 && strcmp(argv[1], "write") == 0)
		write_all(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
	else if (argc == 2 && strcmp(argv[1], "check") == 0)
		status = check();
	else
		status = 2;
	if (status == 2)
		fprintf(stderr, "usage: oracle list | write SEED COUNT | check\n");
	rk_arena_free(&arena);
	return status;
}
