/* codec.h - one reader and one writer for every message of every version, driven by schema tables.
 *
 * protocol/schema/NAME.kp is compiled by tools/kpc.awk into protocol/gen/NAME.h (structs) and
 * protocol/gen/NAME.c (tables). A message's struct is kp_NAME_req, kp_NAME_res or kp_NAME (records);
 * the element of its array field F is kp_NAME_req_F, and so on down. Names are Kafka's in snake case.
 *
 *	int8 .. int64, uint16, uint32, float64, bool     the C type
 *	string, bytes                                    struct rk_str, len -1: null
 *	records                                          struct kp_records
 *	uuid                                             struct rk_uuid
 *	[]T                                              struct { T *at; int32_t len; }, len -1: null
 *	a single struct S                                embedded; when it may be null: S *, NULL
 *
 * A field that a version does not carry reads as its default, and is not written. Every API's key and
 * every record's id is a constant: KP_DELETE_TOPICS, KP_PARTITION_RECORD (protocol/gen/keys.h). */
#ifndef KP_CODEC_H
#define KP_CODEC_H
#include "base/err.h"
#include "base/out.h"

/* Record batches in a message. Read: borrowed from the frame, which may be overwritten in place.
 * Written: the pieces of out when it is not NULL (they move), else a copy of len bytes at at. len -1
 * (and no out): null. */
struct kp_records {
	uint8_t *at;
	int32_t len;
	struct rk_out *out;
};

struct kp_desc; /* a message's table of fields: protocol/desc.h */

/* Reads one message of this version from len bytes at p. Strings, bytes and records stay where they
 * are in p; arrays go to the arena. *used, when asked for, is what was read; without it bytes left
 * over are an error. RK_INVALID_REQUEST: bytes missing, null (any negative length) where null may
 * not be, a length larger than what is left; out is then not to be read. RK_NO_MEMORY: the arena is over.
 * RK_UNSUPPORTED_VERSION: the message has no such version. Never takes more arena than a constant
 * times len. Tags that are not known are skipped. */
rk_must_use enum rk_err kp_read(const struct kp_desc *, int16_t version, const void *p, size_t len,
    struct rk_arena *, void *out, size_t *used);

/* Writes the message, all of it copied but for records in an out. Asserts what the type system cannot
 * say: the version exists, no null where null may not be, no string past 32,767 bytes. Fields that the
 * version does not carry are left out, whatever they hold. */
void kp_write(const struct kp_desc *, int16_t version, const void *msg, struct rk_out *);

/* Fills in every default, as kp_read does for absent fields. Start every message you build so. Single
 * structs that may be null become NULL; the one whose default on the wire is not null (the classic
 * member of kp_consumer_group_member_metadata_value) is then written as null, as Kafka does. */
void kp_defaults(const struct kp_desc *, void *msg);

const char *kp_desc_name(const struct kp_desc *);
uint32_t kp_desc_size(const struct kp_desc *);
/* The message as one line of JSON-like text, for logs, rookery decode and the tests. */
void kp_print(const struct kp_desc *, int16_t version, const void *msg, struct rk_out *);

/* --- the APIs: one row for every key that has a schema, ascending by key */
struct kp_api {
	int16_t key, min, max, flex; /* flex: the first flexible version; INT16_MAX: none */
	int16_t stable_max;          /* max without versions Kafka calls unstable */
	const char *name;            /* "DeleteTopics" */
	const struct kp_desc *req, *res;
};
const struct kp_api *kp_api(int16_t key); /* NULL: no such key */
extern const struct kp_api kp_apis[];
extern const uint32_t kp_apis_count;

/* --- request and response heads */
struct kp_head {
	int16_t key, version;
	int32_t correlation_id;
	struct rk_str client_id;
	bool flex;
	uint32_t body; /* where the body begins in the frame */
};
/* Reads the request header of a frame (without its size). RK_INVALID_REQUEST: cannot be read.
 * RK_UNSUPPORTED_VERSION: key or version not in kp_apis; key, version and correlation_id are set. */
rk_must_use enum rk_err kp_head_read(const void *frame, size_t len, struct kp_head *);
void kp_head_write(const struct kp_head *, struct rk_out *); /* as a client writes it */
/* Writes correlation id and, for flexible versions other than ApiVersions', the empty tag section. */
void kp_answer_head(int16_t key, int16_t version, int32_t correlation_id, struct rk_out *);

/* --- varints, for those who read records by hand. *p moves; false: bytes missing or too long. */
bool kp_uvarint(const uint8_t **p, const uint8_t *end, uint32_t *);
bool kp_varint(const uint8_t **p, const uint8_t *end, int32_t *);   /* zig-zag */
bool kp_varlong(const uint8_t **p, const uint8_t *end, int64_t *);  /* zig-zag */
uint32_t kp_put_uvarint(uint8_t *, uint32_t);  /* returns the bytes written, at most 5 */
uint32_t kp_put_varint(uint8_t *, int32_t);
uint32_t kp_put_varlong(uint8_t *, int64_t);   /* at most 10 */
#endif
