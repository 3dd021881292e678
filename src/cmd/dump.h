/* dump.h - the pieces of rookery dump-log: JSON by schema, record decoders, index files. */
#ifndef CMD_DUMP_H
#define CMD_DUMP_H
#include "protocol/batch.h"
#include "protocol/desc.h"
#include "src/cmd/cmd.h"

/* A message as Kafka's own converters write it: names in camel case, bytes in base64, tagged fields
 * only when they differ from their default. nested, when not NULL, may print a bytes field itself
 * (and then says true). */
typedef bool cmd_nested(const struct kp_field *, struct rk_str bytes);
void cmd_json(const struct kp_desc *, int16_t version, const void *msg, cmd_nested *nested);
/* Reads len bytes as the message and prints it so. False: the bytes are not one; nothing was
 * printed. */
bool cmd_json_bytes(const struct kp_desc *, int16_t version, const void *, size_t len,
    struct rk_arena *, cmd_nested *);

/* A whole file, mapped. False: errno tells. An empty file has at NULL. */
struct cmd_file {
	const uint8_t *at;
	size_t len;
};
bool cmd_file_map(struct cmd_file *, const char *path);
void cmd_file_unmap(struct cmd_file *);

enum cmd_decoder {
	CMD_AS_TEXT,
	CMD_AS_METADATA,
	CMD_AS_OFFSETS,
	CMD_AS_TRANSACTIONS,
	CMD_AS_SHARES,
	CMD_AS_REMOTE
};
/* " key: ... payload: ..." of one record, or its fields as the decoder knows them. */
void cmd_dump_record(enum cmd_decoder, const struct kp_record *, struct rk_arena *);
/* What a record of a control batch says: " endTxnMarker: COMMIT coordinatorEpoch: 0". */
void cmd_dump_control(const struct kp_record *, struct rk_arena *);

/* Index files; base is the offset in the file's name. What does not fit the log beside it goes to
 * stderr. */
enum cmd_look { CMD_PRINT, CMD_VERIFY, CMD_SANITY };
void cmd_dump_index(const char *path, int64_t base, enum cmd_look);
void cmd_dump_time_index(const char *path, int64_t base, enum cmd_look);
void cmd_dump_txn_index(const char *path);
void cmd_dump_snapshot(const char *path, struct rk_arena *);
#endif
