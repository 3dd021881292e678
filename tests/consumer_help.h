/* consumer_help.h - consumers of one group, "g", for the tests of src/core/group_consumer*.c: what each has been told,
 * what it reads, and that no partition is read by two. A broker of core_help below them; topics t (4) and u (3). */
#ifndef CONSUMER_HELP_H
#define CONSUMER_HELP_H
#include <check.h>
#include "protocol/gen/consumer_group_heartbeat.h"
#include "protocol/gen/join_group.h"
#include "protocol/gen/leave_group.h"
#include "protocol/gen/sync_group.h"
#include "src/core/group_consumer.h"
#include "tests/core_help.h"

enum { CLIENTS = 5, PARTS = 16 };

/* A consumer: what it has been told, and what it reads (which it gives up only when it says so). */
struct client {
	struct core_group_asker ask;
	struct rk_arena arena;
	char id[80];
	const char *instance, *topics, *regex, *assignor; /* topics: words */
	int32_t epoch, version;
	uint64_t line;                /* counts its connections */
	bool waits, told, reads[2][PARTS], is_to[2][PARTS];
	int code;
	struct kp_consumer_group_heartbeat_res beat;
	struct kp_join_group_res join;
	struct kp_sync_group_res sync;
	struct kp_leave_group_res left;
};
extern struct client c[CLIENTS]; /* m0 to m4, each subscribed to t */

void begin(void);
void over(void);
struct core_shard *shard(void);
struct core_group *group(void); /* NULL: there is none */
struct core_consumers *state(void); /* of the group, which is of consumers */
struct core_consumer *member(struct client *);
int refusal(enum rk_err); /* on the wire */

/* A request begins, and ends: at once, or when the group says so. */
void ask(struct client *);
void answered(struct core_group_asker *);
void done(struct client *, bool later);

/* The heartbeat with that epoch; all: with all that it can say. Returns the answer's code. */
int send_beat(struct client *, int32_t epoch, bool all);
void join(struct client *);
void leave(struct client *);
int beat(struct client *); /* it says what it reads, hears what it is to read, and does it */
void beats(int rounds);    /* of everybody who is in */
void obey(struct client *); /* it stops reading what it is not to read, and starts what it is to */
int count(struct client *); /* the partitions it is to read */
void alone(void);           /* no partition is read by two */
void survives(void);        /* a crash: the next coordinator knows the same */
#endif
