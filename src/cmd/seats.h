/* seats.h - which broker a replica could go to: fewest replicas first, racks apart.
 *
 * Used by rookery reassign-partitions --generate and by rookery cluster drain. Pure: the same seats
 * and questions give the same answers. */
#ifndef CMD_SEATS_H
#define CMD_SEATS_H
#include "src/cmd/view.h"

struct cmd_seat {
	int32_t id;
	struct rk_str rack; /* null: none, or not to be looked at */
	bool open;          /* may be given more */
	int64_t replicas, leaders;
};

struct cmd_seat *cmd_seat_of(struct cmd_seat *, uint32_t count, int32_t id); /* NULL: not there */
/* Whether none of taken is known to be in the rack of one. */
bool cmd_seat_apart(
    struct cmd_seat *, uint32_t count, const struct cmd_seat *one, struct cmd_ids taken);
/* The open seat with the fewest replicas that is not among taken, first in racks where none of
 * taken is; NULL: there is none. The caller counts what it puts there. */
struct cmd_seat *cmd_seat_pick(struct cmd_seat *, uint32_t count, struct cmd_ids taken);
/* Moves to the front of ids the open broker that leads least; counts it as a leader. */
void cmd_seat_lead(struct cmd_seat *, uint32_t count, int32_t *id, int32_t len);
#endif
