/* topic_hash.h - what a group of consumers remembers of its topics, to see that they are others now: Kafka's number, so
 * that a coordinator of either kind which takes a group over finds that nothing has changed. XXH3-64 of numbers in
 * little-endian and texts as UTF-16. */
#ifndef CORE_TOPIC_HASH_H
#define CORE_TOPIC_HASH_H
#include "src/core/core.h"

/* The racks of a partition's replicas, one for each that has one, in any order: they are sorted in place. How many. */
typedef int32_t core_racks(void *arg, int32_t partition, struct rk_str **rack);
/* Its id, name, partitions, and their racks. racks NULL: no broker has one. */
int64_t core_topic_hash_of(struct rk_uuid id, struct rk_str name, int32_t partitions, core_racks *racks, void *arg);
/* The same of a topic as it is now: kept until its partitions, their replicas or a broker's rack change. */
int64_t core_topic_hash(struct core_topic *);
/* Of several topics, from theirs in the order of their names; 0: of none. */
int64_t core_topics_hash(const int64_t *hash, int32_t count);
#endif
