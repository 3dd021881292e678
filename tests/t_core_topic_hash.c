/* t_core_topic_hash.c - claims about the hash of topics: it is Kafka's. The numbers are what Kafka 4.3.0's own class
 * (org.apache.kafka.coordinator.group.Utils) gives for the same. */
#include "src/core/topic_hash.h"
#include "tests/core_help.h"

static const struct rk_uuid id
    = { { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x01 } };

enum { RACKS = 3 };
struct racks { /* of each partition; NULL ends them */
	const char *at[RACKS];
};

static int32_t
listed(void *arg, int32_t partition, struct rk_str **rack)
{
	static struct rk_str list[RACKS];
	const struct racks *r = (struct racks *)arg + partition;
	int32_t n = 0;

	for (; n < RACKS && r->at[n] != NULL; n++)
		list[n] = rk_str_of(r->at[n]);
	*rack = list;
	return n;
}

static uint64_t
hash(const char *name, int32_t partitions, struct racks *r)
{
	return (uint64_t)core_topic_hash_of(id, rk_str_of(name), partitions, r == NULL ? NULL : listed, r);
}

START_TEST(a_topic_is_its_id_name_partitions_and_racks)
{
	ck_assert_uint_eq(hash("topic-\xc3\xa4", 2, NULL), 0xd17e3ad46fe5057a);
	ck_assert_uint_eq(hash("topic-\xc3\xa4", 2, (struct racks[]){ { { NULL } }, { { NULL } } }), 0xd17e3ad46fe5057a);
	ck_assert_uint_eq(hash("topic-\xc3\xa4", 2, (struct racks[]){ { { "r1" } }, { { "r1" } } }), 0xcbaa5f6d7e555158);
	ck_assert_uint_eq(hash("topic-\xc3\xa4", 2, (struct racks[]){ { { "r2", "abc", "r1" } }, { { "r1", "r2", "r1" } } }),
	    0xe0d4e038233436c6);
	ck_assert_uint_eq(hash("t", 0, NULL), 0x953133d919860728);
}
END_TEST

/* U+FF5E is behind U+1F600 for Java, which compares 0xff5e with 0xd83d; bytes have it the other way. */
START_TEST(racks_are_in_the_order_of_utf_16)
{
	ck_assert_uint_eq(hash("topic-\xc3\xa4", 1, (struct racks[]){ { { "\xef\xbd\x9e", "\xf0\x9f\x98\x80", "" } } }),
	    0x11ead0390b62496f);
}
END_TEST

START_TEST(names_may_be_long_and_partitions_many)
{
	char name[250], rack[304], many[3][8];
	struct racks r[1000];

	memset(name, 't', 249);
	name[249] = '\0';
	memset(rack, 'r', 300);
	memcpy(rack + 300, "\xe2\x82\xac", 4);
	ck_assert_uint_eq(hash(name, 1, (struct racks[]){ { { rack } } }), 0xc5558846f561ff8e);
	for (int i = 0; i < 3; i++)
		snprintf(many[i], sizeof many[i], "rack-%d", i);
	for (int i = 0; i < 1000; i++)
		r[i] = (struct racks){ { many[i % 3], many[(i + 1) % 3] } };
	ck_assert_uint_eq(hash("many", 1000, r), 0xf3348d1d4f46e51a);
}
END_TEST

START_TEST(several_topics_are_their_hashes)
{
	ck_assert_int_eq(core_topics_hash((const int64_t[]){ 1, 2 }, 2), 0x7ee86c281446bef);
	ck_assert_int_ne(core_topics_hash((const int64_t[]){ 2, 1 }, 2), 0x7ee86c281446bef);
	ck_assert_int_eq(core_topics_hash(NULL, 0), 0);
}
END_TEST

/* What the core has of a topic, beside what it should be. */
static bool
is(struct racks *r)
{
	struct core_topic *t = core_topic_named(b.core, rk_lit("t"));

	return core_topic_hash(t) == core_topic_hash_of(t->id, t->name, (int32_t)t->partitions, listed, r);
}

START_TEST(what_the_metadata_says_of_replicas_here_and_elsewhere_counts)
{
	broker_in(1, NULL), broker_in(2, "b"), broker_in(3, "a");
	topic_of("t", 1, 1, (const int32_t[]){ 2, 1, 3 }, 3);
	ck_assert(is((struct racks[]){ { { "a", "b" } } }));
	replicas_are(1, 0, (const int32_t[]){ 3, 2 }, 2); /* elsewhere alone */
	ck_assert(is((struct racks[]){ { { "a", "b" } } }));
	replicas_are(1, 0, (const int32_t[]){ 3, 4 }, 2); /* one that is not there */
	ck_assert(is((struct racks[]){ { { "a" } } }));
	broker_in(4, "c");
	ck_assert(is((struct racks[]){ { { "a", "c" } } }));
	broker_in(3, "c");
	ck_assert(is((struct racks[]){ { { "c", "c" } } }));
	broker_in(3, ""); /* a rack, too */
	ck_assert(is((struct racks[]){ { { "", "c" } } }));
	struct kp_unregister_broker_record gone = { .broker_id = 4, .broker_epoch = 104 };
	committed(KP_UNREGISTER_BROKER_RECORD, &gone);
	ck_assert(is((struct racks[]){ { { "" } } }));
	broker_crash();
	ck_assert(is((struct racks[]){ { { "" } } }));
	broker_in(3, NULL);
	ck_assert(is((struct racks[]){ { { NULL } } }));
}
END_TEST

int
main(void)
{
	const TTest *const claim[] = { a_topic_is_its_id_name_partitions_and_racks, racks_are_in_the_order_of_utf_16,
		names_may_be_long_and_partitions_many, several_topics_are_their_hashes,
		what_the_metadata_says_of_replicas_here_and_elsewhere_counts };

	return broker_claims("core_topic_hash", claim, rk_countof(claim), broker_begin, broker_end);
}
