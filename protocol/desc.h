/* desc.h - a message's table of fields, as tools/kpc.awk writes it; read by codec.c, decode and tests.
 *
 * The fields of a struct stand in the order of the wire, the tagged ones behind them ascending by tag.
 * A range of versions holds both its ends; an empty one (from > to) means never. */
#ifndef KP_DESC_H
#define KP_DESC_H
#include "protocol/codec.h"

enum kp_type {
	KP_T_BOOL, KP_T_INT8, KP_T_INT16, KP_T_INT32, KP_T_INT64, KP_T_UINT16, KP_T_UINT32,
	KP_T_FLOAT64, KP_T_UUID, KP_T_STRING, KP_T_BYTES, KP_T_RECORDS, KP_T_STRUCT
};
enum kp_shape { KP_ONE, KP_ARRAY, KP_POINTER }; /* a pointer is a single struct that may be null */
enum kp_kind { KP_REQUEST, KP_RESPONSE, KP_RECORD };

struct kp_field {
	const char *name;
	const struct kp_desc *sub;   /* KP_T_STRUCT: its fields */
	int64_t def;                 /* a number; of all others 0 is empty and -1 is null */
	uint16_t at;                 /* where in the struct */
	int8_t from, to;             /* the versions that carry it */
	int8_t null_from, null_to;   /* the versions in which it may be null */
	int8_t tag;                  /* -1: not tagged */
	uint8_t type, shape;
};

struct kp_desc {
	const char *name;            /* "kp_fetch_req_topics" */
	const struct kp_field *field;
	uint32_t size;               /* of the struct */
	uint16_t plain, count;       /* fields that are not tagged; all fields */
	bool zero;                   /* all defaults are zero bytes */
	/* Of whole messages only: */
	int16_t min, max, flex;      /* versions; the first flexible one or INT16_MAX */
	int16_t id;                  /* the API's key or the record's type; -1: none */
	uint8_t kind;
	const char *family;          /* the schema file: "fetch", "metadata_records" */
};

/* Every array, whatever its elements, lies in a struct like this. */
struct kp_any {
	void *at;
	int32_t len;
};

extern const struct kp_desc *const kp_messages[]; /* every message there is */
extern const uint32_t kp_messages_count;
uint32_t kp_type_size(const struct kp_field *);   /* bytes of one value, of an array's element */
#endif
