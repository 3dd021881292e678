/* format.h - the parts of rookery storage. */
#ifndef CMD_FORMAT_H
#define CMD_FORMAT_H
#include "protocol/codec.h"
#include "protocol/gen/control_records.h"
#include "protocol/gen/metadata_records.h"
#include "src/cmd/cmd.h"
#include "src/config.h"
#include "src/meta/meta.h"

/* A version that Kafka 4.3's tool knows by name but does not take for production. */
#define CMD_UNSTABLE_NAME "4.4-IV0"
enum { CMD_UNSTABLE_LEVEL = 31, CMD_ELR_NEEDS = 23, CMD_SCRAM_NEEDS = 11, CMD_SCRAMS = 64 };

struct cmd_format {
	const struct cmd_args *args;
	struct conf *conf;
	struct rk_arena arena;
	int16_t version;   /* metadata.version */
	int16_t level[16]; /* of meta_supported[i] */
	struct kp_user_scram_credential_record scram[CMD_SCRAMS];
	uint32_t scrams;
	struct kp_voters_record voters; /* the first ones of a dynamic quorum */
	bool dynamic, among_voters;     /* there are such; this node is one of them */
	struct rk_uuid directory;       /* of the metadata directory when this node is one */
};

/* Reads the properties file; false: why has been said. */
bool cmd_format_config(struct cmd_format *, const char *path);
uint32_t cmd_format_dirs(struct cmd_format *, const char ***dirs);
/* meta.properties of a directory; false: it is not formatted. The caller frees p in any case. */
bool cmd_format_read(const char *dir, struct cmd_props *p);
/* The level of a release's name (NULL: the newest); 1 after saying that there is none such. */
int cmd_format_version(const char *name, int16_t *level);
/* The same for rookery features, whose list has the version that is not for production, too. */
int cmd_features_version(const char *name, int16_t *level);
/* Prints the levels that belong to a release (NULL: the newest). */
int cmd_features_mapping(const char *name);
/* Parses one --add-scram into the next of f->scram; 1 after saying what is wrong. */
int cmd_format_scram(struct cmd_format *, const char *text);
int cmd_format_run(struct cmd_format *);
#endif
