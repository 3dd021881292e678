/* t_core_check.c - claims about what is fit to be appended; codes are those Apache Kafka 4.3.0 was
 * seen to answer. */
#include "tests/core_help.h"

static struct core_partition *p;

static void
begin(void)
{
	broker_begin();
	topic_is("t", 1, 1);
	p = part("t", 0);
}

static struct core_append
put_raw(const void *at, int32_t len, int16_t version)
{
	struct core_append a = {.acks = -1, .arena = &b.arena, .wall_ms = b.w.wall_ms};

	a.at = rk_arena_raw(&b.arena, (size_t)len + 1);
	memcpy(a.at, at, (size_t)len);
	a.len = len;
	enum rk_err err = core_only_batch(&a, version);
	if (err == RK_OK)
		core_append(p, &a);
	else
		a.err = err;
	return a;
}

/* A sound batch with bytes of its header changed, the CRC put right again. */
static struct core_append
put_with(uint32_t pos, uint32_t width, uint64_t value)
{
	struct rk_str s = batch_of(3, b.w.wall_ms);
	uint8_t *at = (uint8_t *)(uintptr_t)s.at;

	for (uint32_t i = 0; i < width; i++)
		at[pos + i] = (uint8_t)(value >> 8 * (width - 1 - i));
	rk_put32(at + 17, rk_crc32c(0, at + 21, (size_t)s.len - 21));
	return put_raw(at, s.len, 9);
}

START_TEST(a_sound_batch_is_taken)
{
	struct core_append a = put(p, batch_of(3, b.w.wall_ms));

	ck_assert_int_eq(a.err, RK_OK);
	ck_assert_int_eq(a.base_offset, 0);
	ck_assert_int_eq(a.log_start, 0);
	ck_assert_int_eq(a.append_ms, -1);
}
END_TEST

START_TEST(every_cut_is_refused_or_overlooked)
{
	struct rk_str s = batch_of(3, b.w.wall_ms);

	for (int32_t len = 0; len < s.len; len++)
		ck_assert_int_eq(put_raw(s.at, len, 9).err, RK_INVALID_RECORD);
	uint8_t *longer = rk_arena_get(&b.arena, (size_t)s.len + 16, 1);
	memcpy(longer, s.at, (size_t)s.len);
	for (int32_t more = 1; more < 12; more++)
		ck_assert_int_eq(put_raw(longer, s.len + more, 9).err, RK_OK);
}
END_TEST

START_TEST(one_bit_anywhere_is_never_taken_for_sound)
{
	struct rk_str s = batch_of(3, b.w.wall_ms);
	uint8_t *copy = rk_arena_raw(&b.arena, (size_t)s.len);

	for (int32_t i = 0; i < s.len * 8; i++) {
		memcpy(copy, s.at, (size_t)s.len);
		copy[i / 8] ^= (uint8_t)(1 << i % 8);
		struct core_append a = put_raw(copy, s.len, 9);
		bool epoch = i / 8 >= 12 && i / 8 < 16; /* the leader's own to set */
		ck_assert_msg((a.err == RK_OK) == epoch, "bit %d of byte %d: %s", i % 8, i / 8,
		    rk_err_name(a.err));
	}
}
END_TEST

START_TEST(the_header_must_agree_with_itself)
{
	ck_assert_int_eq(put_with(0, 8, 77).err, RK_INVALID_RECORD);       /* base offset */
	ck_assert_int_eq(put_with(57, 4, 5).err, RK_INVALID_RECORD);       /* count alone */
	ck_assert_int_eq(put_with(57, 4, 0).err, RK_INVALID_RECORD);       /* no records */
	ck_assert_int_eq(put_with(23, 4, 7).err, RK_INVALID_RECORD);       /* last delta */
	ck_assert_int_eq(put_with(21, 2, 0x20).err, RK_INVALID_RECORD);    /* control */
	ck_assert_int_eq(put_with(21, 2, 5).err, RK_UNKNOWN_SERVER_ERROR); /* no such codec */
	ck_assert_int_eq(
	    put_with(43, 8, 42).err, RK_INVALID_RECORD);             /* producer without sequence */
	ck_assert_int_eq(put_with(16, 1, 1).err, RK_INVALID_RECORD); /* magic 1 */
	ck_assert_int_eq(put_with(16, 1, 3).err, RK_CORRUPT_MESSAGE); /* magic 3 */
	ck_assert_int_eq(put_with(8, 4, 3).err, RK_CORRUPT_MESSAGE);  /* length */
	ck_assert_int_eq(core_end(p), 0);
}
END_TEST

START_TEST(only_one_batch_comes_at_a_time)
{
	struct rk_str s = batch_of(3, b.w.wall_ms);
	uint8_t *two = rk_arena_raw(&b.arena, 2 * (size_t)s.len);

	memcpy(two, s.at, (size_t)s.len);
	memcpy(two + s.len, s.at, (size_t)s.len);
	ck_assert_int_eq(put_raw(two, 2 * s.len, 9).err, RK_INVALID_RECORD);
}
END_TEST

START_TEST(a_large_batch_is_refused_by_its_topic)
{
	struct rk_str s = batch_of(100, b.w.wall_ms);
	char max[16];

	snprintf(max, sizeof max, "%d", s.len - 1);
	config_is("t", "max.message.bytes", max);
	struct core_append a = put(p, s);
	ck_assert_int_eq(a.err, RK_MESSAGE_TOO_LARGE);
	ck_assert_int_eq(a.log_start, -1);
}
END_TEST

START_TEST(zstd_is_for_version_7_and_later)
{
	struct rk_str s = batch_with(3, b.w.wall_ms, KP_ZSTD, "k");

	ck_assert_int_eq(put_raw(s.at, s.len, 3).err, RK_UNSUPPORTED_COMPRESSION_TYPE);
	ck_assert_int_eq(put_raw(s.at, s.len, 7).err, RK_OK);
}
END_TEST

START_TEST(garbage_in_a_compressed_batch_is_seen)
{
	for (int codec = KP_GZIP; codec < KP_CODECS; codec++) {
		struct rk_str s = batch_with(3, b.w.wall_ms, (int16_t)codec, "k");
		ck_assert_int_eq(put(p, s).err, RK_OK);
		if (codec == KP_SNAPPY)
			continue; /* has no mark of its own */
		uint8_t *at = (uint8_t *)(uintptr_t)s.at;
		memcpy(at + KP_BATCH_HEAD, "garbage", 7);
		rk_put32(at + 17, rk_crc32c(0, at + 21, (size_t)s.len - 21));
		ck_assert_int_eq(put(p, s).err, RK_UNKNOWN_SERVER_ERROR);
	}
}
END_TEST

START_TEST(a_compacted_topic_needs_keys)
{
	config_is("t", "cleanup.policy", "compact");
	for (int codec = KP_NONE; codec < KP_CODECS; codec++) {
		ck_assert_int_eq(
		    put(p, batch_with(2, b.w.wall_ms, (int16_t)codec, "k")).err, RK_OK);
		struct core_append a = put(p, batch_with(2, b.w.wall_ms, (int16_t)codec, NULL));
		ck_assert_int_eq(a.err, RK_INVALID_RECORD);
		ck_assert_int_eq(a.errors, 2);
		ck_assert_int_eq(a.error[1].index, 1);
		ck_assert_str_eq(a.error[0].message,
		    "Compacted topic cannot accept message without key in topic partition t-0");
		ck_assert_ptr_nonnull(strstr(a.message.at, "due to 2 record errors in total"));
	}
}
END_TEST

START_TEST(a_timestamp_out_of_bounds_is_refused_record_by_record)
{
	struct core_append a = put(p, batch_of(2, b.w.wall_ms + 3600000));

	ck_assert_int_eq(a.err, RK_INVALID_TIMESTAMP);
	ck_assert_int_eq(a.errors, 1); /* the first is just within an hour */
	ck_assert_int_eq(a.error[0].index, 1);
	ck_assert_int_eq(a.log_start, 0);
	config_is("t", "message.timestamp.after.max.ms", "500");
	ck_assert_int_eq(put(p, batch_of(1, b.w.wall_ms + 501)).errors, 1);
	ck_assert_int_eq(put(p, batch_of(1, b.w.wall_ms + 500)).err, RK_OK);
	config_is("t", "message.timestamp.before.max.ms", "1000");
	ck_assert_int_eq(put(p, batch_of(2, b.w.wall_ms - 2000)).errors, 2);
	ck_assert_int_eq(put(p, batch_with(2, b.w.wall_ms - 2000, KP_LZ4, "k")).errors, 2);
	ck_assert_int_eq(put(p, batch_of(2, b.w.wall_ms - 500)).err, RK_OK);
}
END_TEST

static const uint8_t *
kept(void)
{
	struct rk_str s;

	settle();
	ck_assert_int_eq(st_log_load(p->log, 0, p->high, 1 << 20, &b.arena, &s), RK_OK);
	ck_assert_int_gt(s.len, KP_BATCH_HEAD);
	ck_assert_int_eq(kp_batch_check(s.at, (size_t)s.len), RK_OK);
	return (const uint8_t *)s.at;
}

START_TEST(log_append_time_is_the_brokers)
{
	config_is("t", "message.timestamp.type", "LogAppendTime");
	struct core_append a = put(p, batch_of(3, 5));
	ck_assert_int_eq(a.err, RK_OK);
	ck_assert_int_eq(a.append_ms, b.w.wall_ms);
	ck_assert_int_eq(kp_batch_max_ms(kept()), b.w.wall_ms);
	ck_assert_int_ne(kp_batch_attr(kept()) & KP_ATTR_APPEND_TIME, 0);
}
END_TEST

START_TEST(a_wrong_maximal_timestamp_is_put_right)
{
	ck_assert_int_eq(put_with(35, 8, (uint64_t)b.w.wall_ms - 50).err, RK_OK);
	ck_assert_int_eq(kp_batch_max_ms(kept()), b.w.wall_ms + 2);
}
END_TEST

START_TEST(a_topic_may_demand_a_codec)
{
	config_is("t", "compression.type", "zstd");
	ck_assert_int_eq(put(p, batch_of(100, b.w.wall_ms)).err, RK_OK);
	const uint8_t *at = kept();
	ck_assert_int_eq(kp_batch_attr(at) & KP_ATTR_CODEC, KP_ZSTD);
	ck_assert_int_eq(kp_batch_count(at), 100);
	config_is("t", "compression.type", "uncompressed");
	ck_assert_int_eq(put(p, batch_with(100, b.w.wall_ms, KP_GZIP, "k")).err, RK_OK);
	at = kept();
	at += kp_batch_bytes(at);
	ck_assert_int_eq(kp_batch_attr(at) & KP_ATTR_CODEC, KP_NONE);
	ck_assert_int_eq(kp_batch_count(at), 100);
}
END_TEST

START_TEST(a_codec_has_the_topics_effort)
{
	static const char *const codec[][4] = { { "gzip", "compression.gzip.level", "1", "9" },
		{ "lz4", "compression.lz4.level", "1", "17" }, { "zstd", "compression.zstd.level", "-100", "19" } };
	char value[4000];
	int64_t bytes[2];

	for (uint32_t i = 0; i < sizeof value; i++)
		value[i] = "abcdefgh"[(i * i / 7 + i / 90) % 8];
	for (uint32_t k = 0; k < rk_countof(codec); k++) {
		config_is("t", "compression.type", codec[k][0]);
		for (int hard = 0; hard < 2; hard++) {
			struct kp_build w;
			config_is("t", codec[k][1], codec[k][2 + hard]);
			int64_t had = p->log == NULL ? 0 : st_log_bytes(p->log);
			kp_build_start(&w, &b.arena, 0, 0, b.w.wall_ms);
			kp_build_add(&w, b.w.wall_ms, rk_lit("k"), (struct rk_str){ value, sizeof value });
			ck_assert_int_eq(put(p, kp_build_end(&w, -1, -1, -1, -1)).err, RK_OK);
			bytes[hard] = st_log_bytes(p->log) - had;
		}
		ck_assert_int_lt(bytes[1], bytes[0]);
	}
}
END_TEST

START_TEST(internal_topics_are_for_the_broker_and_the_admin)
{
	topic_is("__consumer_offsets", 3, 1);
	struct core_partition *q = part("__consumer_offsets", 0);
	struct rk_str s = batch_of(1, b.w.wall_ms);
	struct core_append a = {.acks = 1,
	    .arena = &b.arena,
	    .wall_ms = b.w.wall_ms,
	    .at = (uint8_t *)(uintptr_t)s.at,
	    .len = s.len};
	core_append(q, &a);
	ck_assert_int_eq(a.err, RK_INVALID_TOPIC_EXCEPTION);
	a.own = true;
	core_append(q, &a);
	ck_assert_int_eq(a.err, RK_OK);
}
END_TEST

int
main(void)
{
	const TTest *const all[] = {a_sound_batch_is_taken, every_cut_is_refused_or_overlooked,
	    one_bit_anywhere_is_never_taken_for_sound, the_header_must_agree_with_itself,
	    only_one_batch_comes_at_a_time, a_large_batch_is_refused_by_its_topic,
	    zstd_is_for_version_7_and_later, garbage_in_a_compressed_batch_is_seen,
	    a_compacted_topic_needs_keys, a_timestamp_out_of_bounds_is_refused_record_by_record,
	    log_append_time_is_the_brokers, a_wrong_maximal_timestamp_is_put_right,
	    a_topic_may_demand_a_codec, a_codec_has_the_topics_effort, internal_topics_are_for_the_broker_and_the_admin};

	return broker_claims("core_check", all, rk_countof(all), begin, broker_end);
}
