/* t_meta.h - what the metadata's tests share: an image in a folder of its own, a world of little more than
 * chance, and a controller that commits what it plans at once. */
#ifndef T_META_H
#define T_META_H
#include "src/meta/image.h"
#include "src/config.h"
#include <check.h>

extern struct meta_image *t_image;
extern struct rk_env t_env;
extern struct conf *t_conf;
extern struct rk_arena t_arena; /* reset by t_begin */
extern struct meta_plan t_plan;
extern struct rk_str t_batch;   /* of the last t_commit; lives until the next t_begin */
extern char t_dir[64];

void t_start(void);   /* an empty image, default configs */
void t_stop(void);
void t_begin(void);   /* a plan with one request in it */
void t_commit(void);  /* that request is kept, its batch is committed */
void t_bootstrap(void); /* the feature levels of a 4.3 cluster */
/* Registers and unfences the broker with one directory. */
void t_broker(int32_t id, const char *rack);
struct rk_str t_features(int16_t version); /* a checkpoint with only features, as bytes in t_arena */
#endif
