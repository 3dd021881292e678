/* log_help.h - a scratch directory with logs in it, for the tests of storage. */
#ifndef LOG_HELP_H
#define LOG_HELP_H
#include <check.h>
#include "storage/log_in.h"
#include "protocol/batch.h"
#include "tests/posix_world.h"

struct scratch {
	struct posix_world w;
	struct st_rules rules;
	struct st_dir *dir;
	struct st_dir_opened how;
	struct st_log *log;
	struct rk_arena arena;
	char path[64];
};
extern struct scratch x;

void scratch_begin(void);  /* formatted, opened, no log */
void scratch_end(void);
void scratch_log(void);    /* a log t-0 is made */
void scratch_crash(void);  /* the process dies: nothing is written; then the directory and the log are opened */
void scratch_stop(void);   /* a clean stop */
void scratch_start(void);  /* opens directory and log */
/* A batch of count records of size bytes each with timestamps from ms on; in x.arena. */
struct rk_str batch_of(int32_t count, uint32_t size, int64_t ms);
struct rk_str batch_from(int64_t producer, int16_t epoch, int32_t seq, int32_t count, int64_t ms, int16_t attr);
struct rk_str marker_of(int64_t producer, int16_t epoch, bool abort);
/* Appends it under an epoch; the offset it got. */
int64_t append(struct rk_str batch, int32_t epoch);
void sync_all(void);
/* The base offset of each batch that a read gives, and its bytes checked; in got. */
struct reading {
	int64_t base[512];
	uint32_t count, bytes;
	bool partial;
};
struct reading read_from(int64_t offset, int64_t limit, uint32_t max_bytes, bool at_least_one);
const char *file_of(const char *name); /* path in the log's folder; static */
int64_t size_of(const char *name);     /* -1: not there */
void spoil(const char *name, int64_t pos, uint8_t mask); /* flips bits at pos (from the end when negative) */
void cut_file(const char *name, int64_t len);
/* Walks all files of the log: indexes agree with the batches. */
void check_indexes(void);
#endif
