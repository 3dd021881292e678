/* trail.h - when a partition's end was where: how old is what begins at an offset?
 *
 * Whoever wants to know notes the end now and then (a scrape of the metrics does); between two notes the offsets are
 * taken to have come evenly. Of the past a fixed number of notes is kept, the older the sparser, the first for good.
 * No record is read. */
#ifndef CORE_TRAIL_H
#define CORE_TRAIL_H
#include "base/std.h"

enum { CORE_TRAIL_MAX = 32 };

struct core_trail {
	uint32_t count;
	struct core_trail_note {
		int64_t end, ms; /* it ended there then; both ascend, end strictly */
	} at[CORE_TRAIL_MAX];
};

/* The end is here now. One that lies behind the last (a log that was cut) begins the trail anew. */
void core_trail_note(struct core_trail *, int64_t end, int64_t now_ms);
/* For how long there has been something at the offset, as far as the trail goes back; 0: there is nothing, or no
 * note. */
int64_t core_trail_age(const struct core_trail *, int64_t offset, int64_t now_ms);
#endif
