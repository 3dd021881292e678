/* core_help.h - a broker of one directory for the tests of src/core and src/api: posix_world below
 * it, an image (t_meta) beside it, and metadata that is heard as soon as it is committed. */
#ifndef CORE_HELP_H
#define CORE_HELP_H
#include "protocol/batch.h"
#include "src/core/inside.h"
#include "tests/posix_world.h"
#include "tests/t_meta.h"

struct broker {
	struct posix_world w;
	struct rk_timers timers;
	struct st_dir *dir;
	struct st_dir_opened how;
	struct core *core;
	struct rk_arena arena;
	char path[64];
	bool stopped;
	enum rk_err stop_err;
};
extern struct broker b;

void broker_begin(void); /* image, directory, core, loaded and empty */
void broker_end(void);
void broker_crash(void); /* nothing more is written; then it starts again */
void broker_stop(void);  /* a clean stop, asserted */
void broker_start(void); /* opens the directory again and loads */
/* A topic led by this node alone, as committed metadata; its id is all of that byte. */
void topic_is(const char *name, uint8_t id, int32_t partitions);
void topic_gone(uint8_t id);
void config_is(const char *topic, const char *name, const char *value);
struct core_partition *part(const char *topic, int32_t index);
/* Batches, in b.arena. */
struct rk_str batch_of(int32_t count, int64_t ms);
struct rk_str batch_with(int32_t count, int64_t ms, int16_t attr, const char *key);
struct rk_str batch_from(int64_t producer, int16_t epoch, int32_t seq);
/* Appends a copy of the batch's bytes. */
struct core_append put(struct core_partition *, struct rk_str batch);
void settle(void);               /* the round ends: syncs asked for, answered, readers woken */
void pass(int64_t ms);           /* time */
bool is_there(const char *name); /* in the log directory */
#endif
