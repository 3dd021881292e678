/* t_core_txn_log.c - claims about the bytes of a transaction's records: as Apache Kafka 4.3.0 wrote them. */
#include "base/mem.h"
#include "tests/txn_help.h"

static void
hex_is(struct rk_str bytes, const char *hex)
{
	char text[512], *to = text;

	ck_assert_int_lt(bytes.len, 250);
	for (int32_t i = 0; i < bytes.len; i++)
		to += sprintf(to, "%02x", (uint8_t)bytes.at[i]);
	ck_assert_str_eq(text, hex);
}

START_TEST(a_record_is_byte_equal_to_Kafkas)
{
	struct core_marker_part part[] = { { rk_lit("t"), 0, false }, { rk_lit("t"), 1, false } };
	struct core_txn_values v = { .producer_id = 0, .previous_id = 0, .next_id = -1, .timeout_ms = 60000,
		.update_ms = 0x1a224e5bd01, .start_ms = -1, .state = CORE_TXN_EMPTY };
	struct kp_pair r = core_txn_record(rk_lit("tv2"), &v, 2, &arena);

	hex_is(r.key, "00000003747632");
	hex_is(r.value, "0001000000000000000000000000ea600000000001a224e5bd01ffffffffffffffff0100080000000000000000");
	v.parts = core_txn_join(NULL, part, 2);
	v.state = CORE_TXN_PREPARE_COMMIT;
	v.epoch = 1;
	v.update_ms = 0x1a224e5bd4c;
	v.start_ms = 0x1a224e5bd32;
	v.version = 2;
	r = core_txn_record(rk_lit("tv2"), &v, 1, &arena);
	hex_is(r.value, "0001000000000000000000010000ea600202027403000000010000000000000001a224e5bd4c000001a224e5bd3202"
	    "0008000000000000000002020002");
	r = core_txn_record(rk_lit("tv2"), &v, 0, &arena);
	hex_is(r.value, "0000000000000000000000010000ea6002000000010001740000000200000001000000000000"
	    "01a224e5bd4c000001a224e5bd32");
	rk_mem_put(v.parts);
}
END_TEST

START_TEST(partitions_stand_as_in_Kafkas_sets)
{
	struct core_txn_parts *p = NULL, *old;
	static const struct { const char *topic; int count; int32_t part[12]; } add[] = {
		{ "tt", 12, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 } }, { "aa", 2, { 2, 0 } },
		{ "longer.topic-name", 3, { 0, 1, 2 } } };
	int32_t n;

	for (size_t i = 0; i < rk_countof(add); i++) {
		struct core_marker_part part[12];
		for (int k = 0; k < add[i].count; k++)
			part[k] = (struct core_marker_part){ .topic = rk_str_of(add[i].topic), .partition = add[i].part[k] };
		old = p;
		p = core_txn_join(old, part, add[i].count);
		rk_mem_put(old);
	}
	ck_assert_int_eq(p->count, 17);
	struct core_txn_topic *t = core_txn_topics(p, &arena, &n);
	ck_assert_int_eq(n, 3);
	ck_assert(rk_str_is(t[0].name, "tt") && rk_str_is(t[1].name, "aa"));
	ck_assert(t[0].partition[0] == 1 && t[0].partition[1] == 0 && t[0].partition[2] == 11 && t[0].partition[11] == 2);
	ck_assert(t[1].partition[0] == 0 && t[1].partition[1] == 2);
	ck_assert(t[2].partition[0] == 2 && t[2].partition[2] == 0);
	for (int i = 0; i < 12; i++)
		ck_assert(core_txn_has(p, rk_lit("tt"), i) && !core_txn_has(p, rk_lit("aa"), i + 3));
	old = p;
	struct core_marker_part twice[] = { { rk_lit("aa"), 0, false }, { rk_lit("bb"), 0, false },
		{ rk_lit("bb"), 0, false } };
	p = core_txn_join(old, twice, 3);
	ck_assert_int_eq(p->count, 18);
	rk_mem_put(old);
	rk_mem_put(p);
}
END_TEST

START_TEST(a_record_is_read_as_it_was_written)
{
	struct core_marker_part part[] = { { rk_lit("t"), 0, false }, { rk_lit("u"), 7, false } };
	struct core_txn_values v = { .producer_id = 5, .previous_id = 4, .next_id = 6, .timeout_ms = 1, .update_ms = 2,
		.start_ms = 3, .epoch = INT16_MAX, .version = 2, .state = CORE_TXN_PREPARE_ABORT };
	struct core_txn_values w;
	struct rk_str id;
	bool gone;

	v.parts = core_txn_join(NULL, part, 2);
	struct kp_pair r = core_txn_record(rk_lit("tv2"), &v, 1, &arena);
	ck_assert(core_txn_read(r.key, r.value, &arena, &id, &gone, &w) && !gone && rk_str_is(id, "tv2"));
	ck_assert(w.producer_id == 5 && w.previous_id == 4 && w.next_id == 6 && w.epoch == INT16_MAX && w.last_epoch == -1);
	ck_assert(w.state == v.state && w.version == 2 && w.start_ms == 3 && w.update_ms == 2 && w.timeout_ms == 1);
	ck_assert(core_txn_has(w.parts, rk_lit("u"), 7) && w.parts->count == 2);
	rk_mem_put(w.parts);
	ck_assert(core_txn_read(r.key, RK_STR_NULL, &arena, &id, &gone, &w) && gone);
	for (int32_t n = 0; n < r.value.len; n++) /* a cut one is none */
		ck_assert(!core_txn_read(r.key, (struct rk_str){ r.value.at, n }, &arena, &id, &gone, &w));
	for (int32_t n = 0; n < r.key.len; n++)
		ck_assert(!core_txn_read((struct rk_str){ r.key.at, n }, r.value, &arena, &id, &gone, &w));
	rk_mem_put(v.parts);
}
END_TEST

int
main(void)
{
	const TTest *const claim[] = { a_record_is_byte_equal_to_Kafkas, partitions_stand_as_in_Kafkas_sets,
		a_record_is_read_as_it_was_written };

	return broker_claims("core_txn_log", claim, rk_countof(claim), begin, over);
}
