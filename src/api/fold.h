/* fold.h - the partitions a request names, each once and by topic.
 *
 * Kafka puts what a request lists topic by topic into a map by partition before it looks: a topic listed twice is
 * answered once, one without partitions not at all, and of a partition listed twice the last entry counts. */
#ifndef API_FOLD_H
#define API_FOLD_H
#include "base/str.h"

struct api_named {
	struct rk_str topic;
	int32_t index;
	uint32_t times;  /* how often the request names it */
	const void *in;  /* the request's own entry; of several the last */
	uint32_t place;  /* in the request: keeps the order among equals */
};
/* Sorts by topic and index and folds repetitions. Returns how many are left. times and place are filled in. */
uint32_t api_fold(struct api_named *, uint32_t count);
/* How many of the entries from at on belong to the same topic. */
uint32_t api_fold_run(const struct api_named *, uint32_t at, uint32_t count);
#endif
