/* posix.h - a world for commands: files, clock and chance of this machine, every call done when it
 * returns. There are no connections, no workers and no loop in it; what needs them is not for
 * commands. */
#ifndef CMD_POSIX_H
#define CMD_POSIX_H
#include "base/env.h"

struct rk_env *cmd_env(void); /* the one there is */
#endif
