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

extern void (*broker_made)(struct core *); /* called between core_new and core_load; NULL: nothing */
void broker_begin(void); /* image, directory, core, loaded and empty */
void broker_end(void);
void broker_crash(void); /* nothing more is written; then it starts again */
void broker_stop(void);  /* a clean stop, asserted */
void broker_start(void); /* opens the directory again and loads */
/* A topic led by this node alone, as committed metadata; its id is all of that byte. */
void topic_is(const char *name, uint8_t id, int32_t partitions);
/* The same with other replicas: the first leads, those in isr are in sync. More of it: partition_is. */
void topic_of(const char *name, uint8_t id, int32_t partitions, const int32_t *replicas, int32_t count);
/* The partition as a committed change leaves it: leader, ISR, one epoch more (of the leader too when led). */
void partition_is(uint8_t id, int32_t partition, int32_t leader, const int32_t *isr, int32_t count, bool led);
void replicas_are(uint8_t id, int32_t partition, const int32_t *replicas, int32_t count);
void broker_is(int32_t id, bool fenced); /* registered with epoch 100 + id */
void broker_in(int32_t id, const char *rack); /* the same, not fenced, in a rack; NULL: in none */
extern struct core *t_also; /* hears what is committed too; NULL: nobody */
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
/* The whole of a test's main: each of the claims with a broker of its own, and a minute. */
int broker_claims(const char *name, const TTest *const *claim, size_t count, void (*begin)(void), void (*end)(void));
/* --- the same for a broker that is not b */
void broker_world(struct broker *, const struct st_meta *); /* clocks, an empty directory with that meta.properties */
void broker_load(struct core *);                            /* from the image */
void broker_gone(struct broker *);                          /* without a write; nothing of it is left, asserted */
void broker_settle(struct broker *);
struct core_partition *broker_part(struct broker *, const char *topic, int32_t index);
/* Commits one record, which is heard. */
void committed(int16_t type, const void *record);
#endif
