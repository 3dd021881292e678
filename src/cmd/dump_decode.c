/* dump_decode.c - what the records of Kafka's own topics say. */
#include <ctype.h>
#include "protocol/gen/consumer_protocol.h"
#include "protocol/gen/control_records.h"
#include "src/cmd/dump.h"

static struct rk_arena *arena; /* for what is nested; commands have one thread */

static const struct kp_desc *
find(const char *family, int16_t id, const char *suffix)
{
	for (uint32_t i = 0; i < kp_messages_count; i++) {
		const struct kp_desc *d = kp_messages[i];
		size_t n = strlen(d->name), k = strlen(suffix);
		if (d->kind == KP_RECORD && d->id == id && strcmp(d->family, family) == 0 && n >= k
		    && strcmp(d->name + n - k, suffix) == 0)
			return d;
	}
	return NULL;
}

static void
raw(const char *label, struct rk_str s)
{
	if (s.len < 0)
		return;
	fputs(label, stdout);
	fwrite(s.at, 1, (size_t)s.len, stdout);
}

/* A classic consumer's subscription and assignment stand in the group's record as bytes. */
static bool
consumer_bytes(const struct kp_field *f, struct rk_str b)
{
	const struct kp_desc *d =
	    strcmp(f->name, "subscription") == 0 ? &kp_consumer_protocol_subscription_d
	    : strcmp(f->name, "assignment") == 0 ? &kp_consumer_protocol_assignment_d
						 : NULL;

	if (d == NULL || b.len < 2)
		return false;
	return cmd_json_bytes(d, (int16_t)rk_min((int16_t)rk_get16(b.at), d->max), b.at + 2,
	    (size_t)b.len - 2, arena, NULL);
}

/* Topics of a coordinator: the key begins with its type, the value with its version, both int16. */
static void
coordinator(const char *family, const struct kp_record *r)
{
	const struct kp_desc *key, *value;
	int16_t type;

	if (r->key.len < 2) {
		raw(" key: ", r->key);
		raw(" payload: ", r->value);
		return;
	}
	type = (int16_t)rk_get16(r->key.at);
	key = find(family, type, "_key");
	value = find(family, type, "_value");
	printf(" key: {\"type\":\"%d\",\"data\":", type);
	if (key == NULL
	    || !cmd_json_bytes(key, 0, r->key.at + 2, (size_t)r->key.len - 2, arena, NULL))
		fputs("\"unknown\"", stdout);
	fputs("} payload: ", stdout);
	if (r->value.len < 2) {
		fputs("<DELETE>", stdout);
		return;
	}
	int16_t version = (int16_t)rk_get16(r->value.at);
	printf("{\"version\":\"%d\",\"data\":", version);
	if (value == NULL
	    || !cmd_json_bytes(
		value, version, r->value.at + 2, (size_t)r->value.len - 2, arena, consumer_bytes))
		fputs("\"unknown\"", stdout);
	putchar('}');
}

/* "kp_topic_record" is Kafka's TOPIC_RECORD. */
static void
print_type(const struct kp_desc *d)
{
	for (const char *p = d->name + 3; *p != 0; p++)
		putchar(toupper((unsigned char)*p));
}

/* Records of a quorum's metadata, and of the remote log metadata topic: uvarint frame, type,
 * version. */
static void
framed(const char *family, const struct kp_record *r)
{
	const uint8_t *p = (const uint8_t *)r->value.at, *end = p + rk_max(r->value.len, 0);
	bool frame = strcmp(family, "metadata_records") == 0;
	uint32_t one = 1, type, version;
	const struct kp_desc *d;

	fputs(" payload: ", stdout);
	if ((frame && (!kp_uvarint(&p, end, &one) || one != 1)) || !kp_uvarint(&p, end, &type)
	    || type > INT16_MAX || !kp_uvarint(&p, end, &version)
	    || (d = find(family, (int16_t)type, "")) == NULL) {
		printf("Error at %" PRId64 ", skipping. Not a record of %s.", r->offset, family);
		return;
	}
	fputs("{\"type\":\"", stdout);
	print_type(d);
	printf("\",\"version\":%u,\"data\":", version);
	if (version > INT16_MAX
	    || !cmd_json_bytes(d, (int16_t)version, p, (size_t)(end - p), arena, NULL))
		printf("\"cannot be read at this version\"");
	putchar('}');
}

void
cmd_dump_record(enum cmd_decoder how, const struct kp_record *r, struct rk_arena *a)
{
	static const char *const families[] = {"", "metadata_records", "group_records",
	    "txn_records", "share_records", "storage_records"};

	arena = a;
	if (how == CMD_AS_TEXT) {
		raw(" key: ", r->key);
		raw(" payload: ", r->value);
	} else if (how == CMD_AS_METADATA || how == CMD_AS_REMOTE) {
		framed(families[how], r);
	} else {
		coordinator(families[how], r);
	}
}

void
cmd_dump_control(const struct kp_record *r, struct rk_arena *a)
{
	static const struct {
		const char *label;
		const struct kp_desc *desc;
	} kinds[] = {
	    {" LeaderChange: ", &kp_leader_change_message_d},
	    {" SnapshotHeader ", &kp_snapshot_header_record_d},
	    {" SnapshotFooter ", &kp_snapshot_footer_record_d},
	    {" KRaftVersion ", &kp_kraft_version_record_d},
	    {" KRaftVoters ", &kp_voters_record_d},
	};
	int16_t type = r->key.len < 4 ? -1 : (int16_t)rk_get16(r->key.at + 2), version;

	if ((type == 0 || type == 1) && r->value.len >= 6) {
		printf(" endTxnMarker: %s coordinatorEpoch: %d", type == 1 ? "COMMIT" : "ABORT",
		    (int32_t)rk_get32(r->value.at + 2));
		return;
	}
	if (type < 2 || type >= 2 + (int16_t)rk_countof(kinds) || r->value.len < 2) {
		printf(" controlType: %d", type);
		return;
	}
	fputs(kinds[type - 2].label, stdout);
	version = (int16_t)rk_get16(r->value.at);
	if (!cmd_json_bytes(kinds[type - 2].desc,
		(int16_t)rk_min(version, kinds[type - 2].desc->max), r->value.at,
		(size_t)r->value.len, a, NULL))
		fputs("unreadable", stdout);
}
